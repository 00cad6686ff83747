//! Recovery plans, and what came of following them.
//!
//! Not here: running anything; the program does that, in isolation or for real. What a plan says
//! ([`Plan`]), what can be known to be wrong with it before it is needed ([`Plan::problems`]), how
//! data is put back for it, what was measured ([`Report`]) and how that reads on paper. Invariant:
//! a time that was not measured is absent from a report, never assumed.

pub mod canary;
mod compare;
mod fetch;
mod page;
mod plan;
mod report;

pub use compare::{Comparison, Side, compare};
pub use fetch::Pick;
pub use page::page;
pub use plan::{
    Action, Approve, CanaryCheck, Fencing, Group, Isolation, Kit, Manual, OnFail, Plan, Postgres,
    Restore, Start, Step, WaitFor,
};
pub(crate) use report::message;
pub use report::{
    Approval, CanaryFound, Fenced, Isolated, Mode, Occasion, Outcome, Report, StepRecord, Used,
};
