//! The shared vocabulary: addresses, time, observations, assets, links, findings.
//!
//! Not here: how any of it is obtained or stored. Invariant: nothing in this crate does IO, reads
//! a clock or panics on a value from outside; what it serialises is a promise to users and disks.

mod address;
mod asset;
mod carrier;
mod finding;
mod health;
mod insight;
mod link;
mod maker;
mod observation;
mod operation;
mod place;
mod report;
mod route;
mod text;
mod time;
mod value;
mod windows;

pub use address::{Address, Endpoint, Mac, PortNumber};
pub use asset::{
    Asset, AssetClass, AssetId, Fact, Module, Purdue, Role, names_together, told_apart,
};
pub use carrier::Carrier;
pub use finding::{Engine, Evidence, Finding, FindingId, Severity};
pub use health::{Counter, Health};
pub use insight::{INSIGHT_VERSION, Insight};
pub use link::{Link, LinkId};
pub use maker::maker;
pub use observation::{
    Attribute, Authentication, Detail, EXCERPT_BYTES_MAX, Excerpt, Exchange, Identity, Observation,
    SessionEvent, StateChange, Subject, Violation,
};
pub use operation::{Direction, Object, Operation, OperationClass, Outcome};
pub use place::{BacnetAddress, Bus, Place};
pub use report::{CaptureReport, MessageRow, Scalar, SignInRow, ValueRow};
pub use route::{NoRoute, Route};
pub use text::is_disruptive;
pub use time::Time;
pub use value::{Point, PointValue, Quality};
pub use windows::windows_releases;
