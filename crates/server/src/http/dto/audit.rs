//! The record of who changed what.
//!
//! Not here: how records are chained. Invariant: one record for each change.

use model::Time;
use serde::Serialize;
use utoipa::ToSchema;

/// One change: written before it is made, completed after it.
#[derive(Serialize, ToSchema, Debug)]
pub struct AuditRecord {
    pub seq: i64,
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    pub actor: String,
    /// `session`, `token`, `sign-in` or `local`.
    pub method: String,
    /// First characters of the session's or token's id.
    pub session: Option<String>,
    pub ip: Option<String>,
    pub trace_id: String,
    /// What was asked, e.g. `PATCH /findings/{id}`.
    pub action: String,
    /// On what, e.g. `/findings/fnd_0123`.
    pub resource: String,
    /// The members that changed, as they were.
    pub before: Option<serde_json::Value>,
    /// The members that changed, as they became.
    pub after: Option<serde_json::Value>,
    pub reason: Option<String>,
    /// `done`, `denied`, `refused`, `failed`; null when the server stopped before it was known.
    pub result: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub completed_at: Option<Time>,
    /// SHA-256 over this record and the one before it, hexadecimal.
    pub hash: String,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct AuditPage {
    pub items: Vec<AuditRecord>,
    pub next_cursor: Option<String>,
    /// Does the hash chain hold from the first record kept to the last?
    pub chain_intact: bool,
    /// Number of the first record that does not fit, where one does not.
    pub chain_broken_at: Option<i64>,
}
