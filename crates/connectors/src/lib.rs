//! Connectors: where backups come from, and where they go over a link.
//!
//! Not here: storing anything; `vault_http` and `buckets` carry a vault, the vault keeps it.
//! Invariant: a source only reads. Clients of controllers are our own and know no request that
//! writes, starts, stops or configures.

pub mod buckets;
pub mod checks;
pub mod formats;
pub mod limits;
mod md5;
pub mod sources;
pub mod vault_http;
