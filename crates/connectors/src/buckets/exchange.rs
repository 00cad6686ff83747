//! What the stores have in common: a request on its way, an answer and what it means, parts of what
//! is too large for one request.
//!
//! Not here: signatures, and the words of either service. Invariant: the kind of an error tells
//! whether trying again can help; what a store cannot do at all is never tried again.

use super::{Place, sign::encoded};
use model::Time;
use std::{
    io::{self, Read},
    time::{SystemTime, UNIX_EPOCH},
};
use ureq::{
    SendBody,
    http::{Response, StatusCode},
};
use vault::site::Fetched;

pub type Answer = Response<ureq::Body>;

/// Octets of an answer that is a message.
pub const MESSAGE_BYTES_MAX: u64 = 65_536;

/// Octets of a part; S3 takes no less than 5 MiB. What is larger than one goes in parts.
pub const PART_BYTES: u64 = 8 << 20;

/// What is asked besides method and path.
#[derive(Clone, Default)]
pub struct Ask<'a> {
    pub query: Vec<(&'a str, &'a str)>,
    pub headers: Vec<(&'static str, String)>,
}

/// A request that was signed.
pub struct Signed<'a> {
    pub place: &'a Place,
    pub method: &'a str,
    /// Encoded, as is the query.
    pub path: &'a str,
    pub query: &'a str,
    pub authorization: String,
}

impl Signed<'_> {
    /// Sends it; the answer, whatever its status.
    pub fn send<'h>(
        self,
        agent: &ureq::Agent,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: SendBody,
    ) -> io::Result<Answer> {
        let Self { place: Place { scheme, host, .. }, method, path, query, authorization } = self;
        let mark = if query.is_empty() { "" } else { "?" };
        let address = format!("{scheme}://{host}{path}{mark}{query}");
        let mut builder = ureq::http::Request::builder().method(method).uri(address);
        for (name, value) in headers {
            builder = builder.header(name, value);
        }
        let builder = builder.header("authorization", authorization);
        agent.run(builder.body(body).map_err(io::Error::other)?).map_err(ureq::Error::into_io)
    }
}

/// The path of an object below its container, encoded.
pub fn path_of(container: &str, object: Option<&str>) -> String {
    let mut path = format!("/{container}");
    for segment in object.into_iter().flat_map(|object| object.split('/')) {
        path += "/";
        path += &encoded(segment);
    }
    path
}

/// Segments of a path as the beginning of names: with a `/` at its end, or empty.
pub fn prefix(segments: &[String]) -> String {
    segments.iter().map(|part| format!("{part}/")).collect()
}

/// Offset and length of each part of so many octets.
pub fn parts(size: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..size.div_ceil(PART_BYTES)).map(move |number| {
        let offset = number * PART_BYTES;
        (offset, PART_BYTES.min(size - offset))
    })
}

pub fn header(answer: &Answer, name: &str) -> Option<String> {
    Some(answer.headers().get(name)?.to_str().ok()?.to_owned())
}

pub fn text_of(answer: Answer, max: u64) -> io::Result<String> {
    let mut text = String::new();
    answer.into_body().into_reader().take(max).read_to_string(&mut text)?;
    Ok(text)
}

/// An object from `offset` on, where `fine` lets the answer pass.
pub fn fetched(
    answer: Answer,
    offset: u64,
    fine: impl FnOnce(Answer) -> io::Result<Answer>,
) -> io::Result<Fetched> {
    // It ends where we are.
    if answer.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        return Ok(Fetched { reader: Box::new(io::empty()), offset });
    }
    let answer = fine(answer)?;
    let offset = match answer.status() {
        StatusCode::OK => 0,
        StatusCode::PARTIAL_CONTENT => offset,
        _ => return Err(strange("answers with neither all of it nor a part")),
    };
    Ok(Fetched { reader: Box::new(answer.into_body().into_reader()), offset })
}

/// What a store says when it says no; `passing` when its own words tell that it may say yes later.
pub fn failed(status: StatusCode, said: &str, passing: bool) -> io::Error {
    let told = format!("the store answers {}: {said}", status.as_u16());
    let kind = match status {
        _ if passing => io::ErrorKind::Other,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => io::ErrorKind::Other,
        StatusCode::NOT_FOUND => io::ErrorKind::NotFound,
        StatusCode::NOT_IMPLEMENTED => io::ErrorKind::Unsupported,
        _ if status.is_server_error() => io::ErrorKind::Other,
        _ => io::ErrorKind::PermissionDenied,
    };
    io::Error::new(kind, told)
}

/// That a store does not know locks, where that is why it refuses to set one.
pub fn cannot_lock(error: io::Error, what: &str) -> io::Error {
    if error.kind() != io::ErrorKind::Unsupported {
        return error;
    }
    let text = format!("this store cannot lock: it knows no {what} ({error})");
    io::Error::new(io::ErrorKind::Unsupported, text)
}

pub fn strange(what: &str) -> io::Error {
    io::Error::other(format!("the store {what}"))
}

/// By the machine's clock: stores compare it with their own.
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_secs(i64::try_from(since.as_secs()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_all_of_it_once() {
        let found = |size| parts(size).collect::<Vec<_>>();
        assert_eq!(found(0), []);
        assert_eq!(found(PART_BYTES), [(0, PART_BYTES)]);
        assert_eq!(found(PART_BYTES + 1), [(0, PART_BYTES), (PART_BYTES, 1)]);
    }

    #[test]
    fn what_a_store_cannot_do_is_not_tried_again() {
        let kind = |status: u16, passing| {
            failed(StatusCode::from_u16(status).unwrap(), "no", passing).kind()
        };
        use io::ErrorKind::{NotFound, Other, PermissionDenied, Unsupported};
        for (status, expected) in [
            (501, Unsupported),
            (500, Other),
            (503, Other),
            (404, NotFound),
            (403, PermissionDenied),
        ] {
            assert_eq!(kind(status, false), expected, "{status}");
        }
        assert_eq!((kind(409, true), kind(429, false)), (Other, Other));
        let refused = cannot_lock(failed(StatusCode::NOT_IMPLEMENTED, "x", false), "legal holds");
        assert!(refused.to_string().contains("cannot lock: it knows no legal holds"), "{refused}");
    }
}
