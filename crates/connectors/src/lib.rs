//! Connectors: where backups come from.
//!
//! Not here: storing anything. Invariant: a source only reads. Clients of controllers are our own
//! and know no request that writes, starts, stops or configures.

pub mod checks;
pub mod formats;
pub mod limits;
pub mod remote;
pub mod sources;
