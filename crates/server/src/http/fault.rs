//! What went wrong with a request, on its way to a problem document.
//!
//! Not here: logging. Invariant: text of the database or a path on the server never reaches the
//! caller; the trace id leads from the answer to the log.

use super::dto::{Problem, ProblemMember};
use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

pub(crate) type Answer<T> = std::result::Result<T, Fault>;

#[derive(Clone, Debug)]
pub(crate) struct Fault {
    status: StatusCode,
    code: &'static str,
    detail: Option<String>,
    errors: Vec<ProblemMember>,
    retry_after_s: Option<u64>,
}

impl Fault {
    pub(crate) fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let detail = Some(detail.into());
        Fault { status, code, detail, errors: Vec::new(), retry_after_s: None }
    }

    pub(crate) fn member(path: &str, code: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let whole = format!("{path}: {detail}");
        let member = ProblemMember { path: path.to_owned(), code: code.to_owned(), detail };
        let mut fault = Fault::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", whole);
        fault.errors.push(member);
        fault
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Self {
        Fault::new(StatusCode::BAD_REQUEST, "bad-request", detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Fault::new(StatusCode::NOT_FOUND, "not-found", detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Fault::new(StatusCode::FORBIDDEN, "forbidden", detail)
    }

    pub(crate) fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Fault::new(StatusCode::CONFLICT, code, detail)
    }

    pub(crate) fn unauthenticated() -> Self {
        Fault::new(StatusCode::UNAUTHORIZED, "not-signed-in", "sign in or send an API token")
    }

    pub(crate) fn wait(seconds: u64, detail: impl Into<String>) -> Self {
        let mut fault = Fault::new(StatusCode::TOO_MANY_REQUESTS, "too-often", detail);
        fault.retry_after_s = Some(seconds);
        fault
    }

    /// The server's own failure: `why` is for the log.
    pub(crate) fn internal(why: impl std::fmt::Display) -> Self {
        tracing::error!(%why, "a request failed");
        let detail = "the server could not do it; its log says why under this trace id";
        Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The document for the caller.
    pub(crate) fn problem(&self, instance: &str, trace_id: &str) -> Problem {
        Problem {
            kind: format!("/problems/{}", self.code),
            title: self.status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            code: self.code.to_owned(),
            trace_id: trace_id.to_owned(),
            errors: self.errors.clone(),
        }
    }
}

/// The outermost layer writes the body: only it knows the path and the trace id.
impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

impl From<store::Error> for Fault {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::NotFound { .. } => Fault::not_found(error.to_string()),
            store::Error::Mismatch { current } => Fault::new(
                StatusCode::PRECONDITION_FAILED,
                "generation-mismatch",
                format!("somebody changed it meanwhile; it is at generation {current}: read again"),
            ),
            store::Error::Exists { .. } => Fault::conflict("exists", error.to_string()),
            store::Error::Refused { path, reason } => Fault::member(path, "invalid", reason),
            store::Error::Full => Fault::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "disk-full",
                "no space left on the server's disk; nothing was saved",
            ),
            error @ store::Error::Limit { .. } => {
                Fault::new(StatusCode::INSUFFICIENT_STORAGE, "database-full", error.to_string())
            }
            error @ store::Error::Disk(_) => {
                Fault::new(StatusCode::INSUFFICIENT_STORAGE, "disk-failed", error.to_string())
            }
            error @ store::Error::Busy => {
                Fault::new(StatusCode::SERVICE_UNAVAILABLE, "database-busy", error.to_string())
            }
            store::Error::Closed => Fault::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "stopping",
                "the server is stopping; try again in a moment",
            ),
            store::Error::Database(why) => Fault::internal(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_while_another_program_holds_the_database_may_be_tried_again() {
        let fault = Fault::from(store::Error::Busy);
        let problem = fault.problem("/api/v1/zones", "t");
        assert_eq!((problem.status, problem.code.as_str()), (503, "database-busy"));
        let says = problem.detail.expect("words");
        assert_eq!(says, "another program holds the database; nothing was saved");
    }
}
