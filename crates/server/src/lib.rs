//! The control plane: API, console, rights, audit.
//!
//! Not here: packets, protocols, SQL. Invariant: nothing here can see `wire`, `protocols`,
//! `sensor` or `capture`; what they found arrives as `model::Insight`.

mod http;

pub use http::openapi_json;
