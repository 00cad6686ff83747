//! What every crate's tests share: a bad link. Not for use outside tests.
//!
//! Invariant: what a test sees depends on its settings and seed, not on the machine it runs on.

pub mod link;
