//! AWS Signature Version 4, as S3 wants it: in the header, over a payload whose hash is known.
//!
//! "Authenticating Requests: Using the Authorization Header" of the S3 API Reference; the tests
//! are its examples. Invariant: every header given is signed, so nobody on the way takes a lock
//! off.

use super::is_unreserved;
use ring::hmac;
use std::fmt::Write as _;
use vault::Sha256;

/// Who asks.
pub struct Keys {
    id: String,
    secret: String,
    /// Of credentials that end after a while.
    pub session: Option<String>,
}

impl Keys {
    /// `secret` may have a session token behind a further `:`.
    pub fn new(id: String, secret: &str) -> Self {
        let (secret, session) = match secret.split_once(':') {
            Some((secret, session)) => (secret, Some(session.to_owned())),
            None => (secret, None),
        };
        Self { id, secret: secret.to_owned(), session }
    }
}

/// A request to be signed.
pub struct Request<'a> {
    pub method: &'a str,
    /// Encoded.
    pub path: &'a str,
    /// Encoded and in order, as [`query`] makes it.
    pub query: &'a str,
    /// Names in lower case, in order; with `host`.
    pub headers: &'a [(String, String)],
    pub payload: &'a Sha256,
}

/// The value of the header `authorization`; `time` is that of `x-amz-date`.
pub fn authorization(keys: &Keys, region: &str, time: &str, request: &Request) -> String {
    let day = time.split('T').next().unwrap_or_default();
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| &name[..]).collect();
    let names = names.join(";");
    let headers: String =
        request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let Request { method, path, query, payload, .. } = request;
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}");
    let scope = format!("{day}/{region}/s3/aws4_request");
    let hash = Sha256::of(canonical.as_bytes());
    let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{hash}");
    let mut key = format!("AWS4{}", keys.secret).into_bytes();
    for word in [day, region, "s3", "aws4_request"] {
        key = hmac(&key, word);
    }
    let signature: String = hmac(&key, &to_sign).iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
        keys.id
    )
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text.as_bytes()).as_ref().to_vec()
}

/// A query with its parts encoded and in order.
pub fn query(parts: &[(&str, &str)]) -> String {
    let mut parts: Vec<String> =
        parts.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
    parts.sort();
    parts.join("&")
}

/// Percent-encoding of all that is not unreserved.
pub fn encoded(text: &str) -> String {
    let mut found = String::new();
    for byte in text.bytes() {
        if is_unreserved(byte) {
            found.push(char::from(byte));
        } else {
            write!(found, "%{byte:02X}").expect("writing to a string");
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples' key, bucket and time.
    #[track_caller]
    fn check(
        method: &str,
        path: &str,
        parts: &[(&str, &str)],
        headers: &[(&str, &str)],
        body: &str,
        expected: &str,
    ) {
        let keys =
            Keys::new("AKIAIOSFODNN7EXAMPLE".into(), "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY");
        let time = "20130524T000000Z";
        let payload = Sha256::of(body.as_bytes());
        let mut all: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        all.push(("host".into(), "examplebucket.s3.amazonaws.com".into()));
        all.push(("x-amz-content-sha256".into(), payload.to_string()));
        all.push(("x-amz-date".into(), time.into()));
        all.sort();
        let query = query(parts);
        let request = Request { method, path, query: &query, headers: &all, payload: &payload };
        let text = authorization(&keys, "us-east-1", time, &request);
        assert_eq!(text.rsplit('=').next(), Some(expected), "{text}");
    }

    #[test]
    fn signatures_are_those_of_the_reference() {
        let range = [("range", "bytes=0-9")];
        let expected = "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        check("GET", "/test.txt", &[], &range, "", expected);
        let put = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        let expected = "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd";
        check("PUT", "/test%24file.text", &[], &put, "Welcome to Amazon S3.", expected);
        let expected = "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543";
        check("GET", "/", &[("lifecycle", "")], &[], "", expected);
        let expected = "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7";
        check("GET", "/", &[("prefix", "J"), ("max-keys", "2")], &[], "", expected);
    }
}
