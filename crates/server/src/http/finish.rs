//! The outermost layer: trace id in, security headers and problem bodies out.
//!
//! Not here: rights. Invariant: every answer has the headers, every fault a problem document.

use super::{fault::Fault, guard::Trace};
use crate::secret::random;
use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// The console's own files and nothing else; styles may stand on elements, scripts never.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
    style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; \
    connect-src 'self'; worker-src 'self' blob:; manifest-src 'self'; base-uri 'none'; \
    form-action 'self'; frame-ancestors 'none'";

// No Strict-Transport-Security: with a certificate of a local authority it would lock a browser
// out of the host's other services.
const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(crate) async fn finish(mut request: Request, next: Next) -> Response {
    let trace = random::<8>();
    let path = request.uri().path().replace("/~", ":");
    let method = request.method().clone();
    request.extensions_mut().insert(Trace(trace.clone()));
    let span = tracing::info_span!("request", trace_id = trace, %method, path);
    let response = tracing::Instrument::instrument(next.run(request), span).await;
    let status = response.status();
    tracing::debug!(trace_id = trace, %method, path, status = status.as_u16(), "answered");
    let mut response = match response.extensions().get::<Arc<Fault>>().cloned() {
        Some(fault) => document(response, &fault, &path, &trace),
        None => response,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        // A document that is no page of the console brings a policy of its own, a stricter one.
        if name != header::CONTENT_SECURITY_POLICY || !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    if !headers.contains_key(header::CACHE_CONTROL) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&trace) {
        headers.insert(HeaderName::from_static("x-trace-id"), value);
    }
    response
}

fn document(response: Response, fault: &Fault, path: &str, trace: &str) -> Response {
    let problem = axum::Json(fault.problem(path, trace));
    let (parts, _) = response.into_parts();
    let mut whole = (parts.status, problem).into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_LENGTH && name != header::CONTENT_TYPE {
            whole.headers_mut().insert(name, value.clone());
        }
    }
    let kind = HeaderValue::from_static("application/problem+json");
    whole.headers_mut().insert(header::CONTENT_TYPE, kind);
    whole
}
