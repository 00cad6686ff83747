//! Agents on hosts.
//!
//! Not here: what they say to the control plane (`uplink::host`). Invariant: a token goes out once,
//! in the answer to its invitation.

use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An agent and how it stands.
#[derive(Serialize, ToSchema, Debug)]
pub struct Agent {
    pub name: String,
    /// `invited`, `active`, `silent` or `revoked`.
    pub state: String,
    /// What is wrong, and what to do; null when nothing is.
    pub detail: Option<String>,
    #[schema(value_type = String, format = DateTime)]
    pub invited_at: Time,
    /// The invitation works until then; null once it was used.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub invited_until: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub enrolled_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_call: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub revoked_at: Option<Time>,
    /// SHA-256 of the certificate it is known by.
    pub certificate: Option<String>,
    /// What the host calls itself, and where it called from.
    pub host: Option<String>,
    pub address: Option<String>,
    pub version: Option<String>,
    /// What its owner lets be read.
    pub allow: Vec<String>,
    /// Folders in which its owner lets restores be made.
    pub restore_into: Vec<String>,
    /// How far its clock is behind the server's.
    pub skew_ms: i64,
    /// Log entries of its vault on the host, and of these at the vault here.
    pub entries: u64,
    pub entries_here: u64,
    /// Size of its vault on the host.
    pub spool_bytes: u64,
    /// Enabled plans that name it.
    pub plans: u64,
    /// Runs it lost the account of, and from when to when.
    pub lost_runs: u64,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lost_from: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub lost_until: Option<Time>,
    /// When its vault here was last verified without its key, and whether all of it held.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Time>,
    pub verified: Option<bool>,
    /// Where that vault lies on the server; null before anything arrived.
    pub vault: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct AgentList {
    pub items: Vec<Agent>,
    /// Port that agents call; null while the settings open none.
    pub port: Option<u16>,
}

/// Let an agent come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AgentInvitation {
    /// What it is called from then on: letters, digits, `-`, `_` and inner `.`.
    pub name: String,
    /// How long the token works; 24 when absent.
    #[serde(default)]
    pub hours: Option<u32>,
}

/// An invitation.
#[derive(Serialize, ToSchema)]
pub struct AgentInvited {
    pub agent: Agent,
    /// For `spandrel agent enrol` on the host; works once, and is shown only here.
    pub token: String,
}

/// A restore on a host: where to, and what of the snapshot.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HostRestoreRequest {
    /// A folder that is not there yet, in one of those that the host's owner names.
    pub to: String,
    /// Only what is at or below it.
    #[serde(default)]
    pub path: Option<String>,
}
