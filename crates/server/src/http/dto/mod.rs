//! The rows of the API: what leaves the server as JSON and what it accepts.
//!
//! Not here: rules and storage. Invariant: these types are a promise; a field may be added, and a
//! change of one is a new version of the API. `openapi.json` is generated from them.

mod access;
mod agent;
mod asset;
mod audit;
mod capture;
mod copies;
mod finding;
mod network;
mod overview;
mod problem;
mod protection;
mod recovery;
mod sensor;
mod snapshot;
mod vault;
mod words;

pub use access::*;
pub use agent::*;
pub use asset::*;
pub use audit::*;
pub use capture::*;
pub use copies::*;
pub use finding::*;
pub use network::*;
pub use overview::*;
pub use problem::*;
pub use protection::*;
pub use recovery::*;
pub use sensor::*;
pub use snapshot::*;
pub use vault::*;
pub use words::*;

use model::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// A value and how many rows have it. `value` is null for rows that have none.
#[derive(Serialize, ToSchema, Debug, Clone, PartialEq)]
pub struct Count {
    pub value: Option<String>,
    pub count: u64,
}

/// Build and API version.
#[derive(Serialize, ToSchema, Debug)]
pub struct Version {
    pub name: &'static str,
    pub version: &'static str,
    pub api: &'static str,
}

/// One check of the server itself.
#[derive(Serialize, ToSchema, Debug)]
pub struct HealthCheck {
    /// `database`, `sensors`, and where there is something to tell `kept`, `clock`, `log` and
    /// `authority`.
    pub name: String,
    /// `ok`, `warning` or `failed`.
    pub state: String,
    pub detail: String,
    /// Since when, where that is known.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub since: Option<Time>,
}

/// The server's own health. Anybody may read `state`; the checks need a session.
#[derive(Serialize, ToSchema, Debug)]
pub struct ServerHealth {
    /// `ok`, `warning` or `failed`: the worst of the checks.
    pub state: String,
    pub checks: Vec<HealthCheck>,
}
