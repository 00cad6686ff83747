//! The head of an HTTP/1 message (RFC 9112, 2 to 6): start line, headers, how long the body is.
//!
//! Invariant: a head is bounded by [`HEAD_OCTETS_MAX`]; header names compare without case.

use crate::text;

pub const HEAD_OCTETS_MAX: usize = 64 * 1024;
const METHOD_OCTETS_MAX: usize = 20;

/// A parsed head and the octets it takes, with its empty line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Head<'a> {
    pub start: Start<'a>,
    pub headers: &'a [u8],
    pub octets: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Start<'a> {
    Request { method: &'a [u8], target: &'a [u8] },
    Response { status: u16 },
}

/// Where the body ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Body {
    None,
    Length(u64),
    Chunked,
    /// Until the connection closes.
    Rest,
}

/// Reads a head if it is whole.
pub fn parse(bytes: &[u8]) -> Option<Head<'_>> {
    let (line, first) = text::line(bytes)?;
    let start = start(line)?;
    let rest = bytes.get(first..)?;
    let mut octets = first;
    let mut at = rest;
    loop {
        let (line, taken) = text::line(at)?;
        octets = octets.saturating_add(taken);
        at = at.get(taken..)?;
        if line.is_empty() {
            let headers = bytes.get(first..octets)?;
            return Some(Head { start, headers, octets });
        }
    }
}

/// Reads a head as far as the capture has it. A header that is not whole is none.
pub fn parse_cut(bytes: &[u8]) -> Option<Head<'_>> {
    let octets = bytes.len();
    let Some((line, first)) = text::line(bytes) else {
        let (method, rest) = text::word(bytes);
        let target = rest.first().filter(|_| is_method(method)).is_some_and(|b| *b == b'/');
        let request = target.then_some(Start::Request { method, target: rest });
        let response = || bytes.starts_with(b"HTTP/1.").then(|| start(bytes)).flatten();
        let start = request.or_else(response)?;
        return Some(Head { start, headers: &[], octets });
    };
    let headers = bytes.get(first..)?;
    let end = headers.iter().rposition(|b| *b == b'\n').map_or(0, |at| at.saturating_add(1));
    Some(Head { start: start(line)?, headers: headers.get(..end)?, octets })
}

/// May a message begin here?
pub fn begins(bytes: &[u8]) -> bool {
    match text::line(bytes) {
        Some((line, _)) => start(line).is_some(),
        None => parse_cut(bytes).is_some(),
    }
}

/// RFC 9112, 3 and 4. `ICY` is what old streaming servers and some cameras say.
pub fn start(line: &[u8]) -> Option<Start<'_>> {
    if line.starts_with(b"HTTP/1.") || line.starts_with(b"ICY ") {
        let (_, rest) = text::word(line);
        let status = std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()?;
        return Some(Start::Response { status });
    }
    let (method, rest) = text::word(line);
    let end = rest.iter().rposition(|b| *b == b' ')?;
    let (target, version) = rest.split_at(end);
    let known = is_method(method) && version.trim_ascii_start().starts_with(b"HTTP/1.");
    known.then_some(Start::Request { method, target })
}

/// The target of a simple request, which is all of HTTP/0.9 (RFC 1945, 4.1 and 5.1): `GET`, one
/// blank and an absolute path without blanks. Only that, since nothing else in it says HTTP.
pub fn simple(line: &[u8]) -> Option<&[u8]> {
    let target = line.strip_prefix(b"GET ")?.trim_ascii_end();
    let visible = target.iter().all(|b| (0x21..0x7f).contains(b));
    (target.first() == Some(&b'/') && visible).then_some(target)
}

/// Upper-case letters and dashes (M-SEARCH), as every registered method is written.
pub fn is_method(word: &[u8]) -> bool {
    (2..=METHOD_OCTETS_MAX).contains(&word.len())
        && word.iter().all(|b| b.is_ascii_uppercase() || matches!(b, b'-' | b'_'))
}

impl<'a> Head<'a> {
    /// Contents of the first header with this name.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers(name).next()
    }

    /// Contents of all headers with this name, in the order they stand.
    pub fn headers(&self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        let mut at = self.headers;
        let lines = std::iter::from_fn(move || {
            let (line, taken) = text::line(at)?;
            at = at.get(taken..).unwrap_or_default();
            Some(line)
        });
        lines.filter_map(move |line| {
            let (key, value) = line.split_at(line.iter().position(|b| *b == b':')?);
            let named = key.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
            named.then(|| value.get(1..).unwrap_or_default().trim_ascii())
        })
    }

    pub fn text(&self, name: &str) -> String {
        self.header(name).map(text::lossy).unwrap_or_default()
    }

    /// RFC 9112, 6.3. `to_head` says that this answers a HEAD request.
    pub fn body(&self, to_head: bool) -> Body {
        let response = match self.start {
            Start::Response { status } => Some(status),
            Start::Request { .. } => None,
        };
        if to_head || matches!(response, Some(100..=199 | 204 | 304)) {
            return Body::None;
        }
        let coding = self.header("transfer-encoding").unwrap_or_default();
        if coding.to_ascii_lowercase().ends_with(b"chunked") {
            return Body::Chunked;
        }
        let length = self.header("content-length").and_then(|v| std::str::from_utf8(v).ok());
        match (length.and_then(|l| l.parse().ok()), response) {
            (Some(length), _) => Body::Length(length),
            (None, None) => Body::None,
            (None, Some(_)) => Body::Rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_only_when_whole() {
        let bytes = b"POST /api HTTP/1.1\r\nHost: plc\r\nContent-Length: 5\r\n\r\nhello";
        let head = parse(bytes).expect("a whole head");
        assert_eq!(head.start, Start::Request { method: b"POST", target: b"/api" });
        assert_eq!(head.header("HOST"), Some(&b"plc"[..]));
        assert_eq!(head.body(false), Body::Length(5));
        assert_eq!(head.headers("content-length").count(), 1);
        assert_eq!(&bytes[head.octets..], b"hello");
        assert_eq!(parse(&bytes[..head.octets - 1]), None);
    }

    #[test]
    fn a_head_that_the_capture_cut_is_read_as_far_as_it_goes() {
        let bytes = b"POST /api HTTP/1.1\r\nHost: plc\r\nContent-Len";
        assert_eq!(parse_cut(bytes).and_then(|head| head.header("host")), Some(&b"plc"[..]));
        let first = |bytes| parse_cut(bytes).map(|head: Head<'_>| head.start);
        let request = Start::Request { method: b"GET", target: b"/a" };
        assert_eq!(first(b"GET /a"), Some(request));
        assert_eq!(first(b"HTTP/1.1 200 O"), Some(Start::Response { status: 200 }));
        assert!(first(b"HTTP/1.1 20").is_none() && first(b"\x16\x03\x01 /").is_none());
    }

    #[test]
    fn a_simple_request_is_a_path_and_nothing_else() {
        assert_eq!(simple(b"GET /status.htm"), Some(&b"/status.htm"[..]));
        for line in [&b"GET / HTTP/1.1"[..], b"GET key", b"get /", b"POST /", b"GET /a\x01"] {
            assert_eq!(simple(line), None);
        }
    }

    #[test]
    fn responses_without_length_last_until_the_close() {
        let head = parse(b"HTTP/1.0 200 OK\r\n\r\n").expect("a whole head");
        assert_eq!((head.body(false), head.body(true)), (Body::Rest, Body::None));
    }
}
