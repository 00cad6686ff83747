//! Errors as RFC 9457 problem details.
//!
//! Not here: which error is which status. Invariant: `detail` is for the person who called, and
//! never holds a secret, a path on the server or text of the database.

use serde::Serialize;
use utoipa::ToSchema;

/// RFC 9457 problem details, `application/problem+json`.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Problem {
    /// `/problems/` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: Option<String>,
    /// The path that was called.
    pub instance: String,
    /// A stable word to branch on, e.g. `not-found`, `generation-mismatch`.
    pub code: String,
    /// The same in the server's log.
    pub trace_id: String,
    /// Which members of the request are wrong.
    pub errors: Vec<ProblemMember>,
}

#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct ProblemMember {
    /// Name of the parameter or member, e.g. `filter` or `criticality`.
    pub path: String,
    pub code: String,
    pub detail: String,
}
