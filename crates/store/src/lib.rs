//! Control-plane state on disk: the only crate that speaks SQL.
//!
//! Not here: HTTP, rights, processes. Invariant: nothing is acknowledged before it is committed.

mod words;

pub use words::{CaptureState, FindingStatus, Lifecycle, Role, SensorState};
