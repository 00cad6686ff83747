//! Bodies, queries and preconditions of requests, with problems as rejections.
//!
//! Not here: rights. Invariant: a change is never made on a guess: without `If-Match` it is 428.

use super::fault::Fault;
use axum::{
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::JsonRejection},
    http::{StatusCode, header, request::Parts},
};
use serde::de::DeserializeOwned;

/// A JSON body.
pub(crate) struct Sent<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Sent<T> {
    type Rejection = Fault;

    async fn from_request(request: Request, state: &S) -> Result<Self, Fault> {
        match axum::Json::<T>::from_request(request, state).await {
            Ok(axum::Json(body)) => Ok(Sent(body)),
            Err(JsonRejection::JsonDataError(error)) => {
                Err(Fault::member("body", "invalid", reason(&error.body_text())))
            }
            Err(error) => {
                let code = match error.status() {
                    StatusCode::UNSUPPORTED_MEDIA_TYPE => "not-json",
                    StatusCode::PAYLOAD_TOO_LARGE => "too-large",
                    _ => "bad-request",
                };
                Err(Fault::new(error.status(), code, reason(&error.body_text())))
            }
        }
    }
}

/// axum prefixes the deserialiser's own words.
fn reason(text: &str) -> String {
    let prefixes =
        ["Failed to deserialize the JSON body into the target type: ", "Failed to deserialize "];
    let rest = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
    rest.unwrap_or(text).to_owned()
}

/// The query string.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Fault> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Asked(query)),
            Err(error) => Err(Fault::bad_request(reason(&error.body_text()))),
        }
    }
}

/// `If-Match`: the generation that was read.
pub(crate) struct IfMatch(pub(crate) i64);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Err(Fault::new(
                StatusCode::PRECONDITION_REQUIRED,
                "if-match-required",
                "send the row's ETag as If-Match, so that nobody's change is overwritten unseen",
            ));
        };
        let text = value.to_str().unwrap_or_default().trim().trim_matches('"');
        text.parse().map(IfMatch).map_err(|_| {
            let detail = "If-Match is not an ETag of this server";
            Fault::new(StatusCode::PRECONDITION_FAILED, "generation-mismatch", detail)
        })
    }
}

/// A strong ETag of a generation.
pub(crate) fn etag(generation: i64) -> [(header::HeaderName, String); 1] {
    [(header::ETAG, format!("\"{generation}\""))]
}
