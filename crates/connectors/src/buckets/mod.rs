//! Stores of objects that lock what is put there: S3 with Object Lock, Azure Blob.
//!
//! A few requests and a signature each, over the HTTP client that is here anyway: the makers' own
//! libraries bring several hundred crates and another cryptography (aws-lc). Not here: what is
//! copied when and for how long it is locked ([`vault::site::bucket`]). Invariant: a request that
//! puts an object carries its hash, so that the store refuses what was damaged on the way.

mod azure;
mod exchange;
mod s3;
mod sign;
mod xml;

use crate::vault_http::Access;
use std::{fmt, io};
use vault::site::bucket::Bucket;

/// The store at an address: `s3:https://HOST/BUCKET[/PATH]`, as restic spells it, or
/// `azure:https://ACCOUNT.blob.core.windows.net/CONTAINER[/PATH]`; `None` when it is none.
pub fn at(
    address: &str,
    region: Option<&str>,
    access: &Access,
) -> io::Result<Option<Box<dyn Bucket>>> {
    let parsed = |text| {
        Place::parse(text).ok_or_else(|| {
            let text = "an address is like s3:https://HOST/BUCKET/PATH";
            io::Error::new(io::ErrorKind::InvalidInput, text)
        })
    };
    let (id, secret) = access
        .credentials
        .as_deref()
        .and_then(|text| text.split_once(':'))
        .map(|(id, secret)| (id.to_owned(), secret.to_owned()))
        .unwrap_or_default();
    if let Some(text) = address.strip_prefix("s3:") {
        let keys = sign::Keys::new(id, &secret);
        let store = s3::S3::new(parsed(text)?, region, keys, access.agent(0)?)?;
        return Ok(Some(Box::new(store)));
    }
    if let Some(text) = address.strip_prefix("azure:") {
        let store = azure::Azure::new(parsed(text)?, id, &secret, access.agent(0)?)?;
        return Ok(Some(Box::new(store)));
    }
    Ok(None)
}

/// Where a store is, and where in it.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Place {
    scheme: String,
    /// With the port, where it is not the usual one.
    host: String,
    /// Segments of the path.
    segments: Vec<String>,
}

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, path) = rest.split_once('/')?;
        let segments: Vec<String> =
            path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let plain = |text: &String| text.bytes().all(is_unreserved) && *text != "..";
        let fits = ["http", "https"].contains(&scheme)
            && !host.is_empty()
            && !host.contains('@')
            && segments.iter().all(plain)
            && !segments.is_empty();
        let usual = if scheme == "http" { ":80" } else { ":443" };
        let host = host.strip_suffix(usual).unwrap_or(host).to_lowercase();
        fits.then(|| Self { scheme: scheme.to_owned(), host, segments })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme, self.host, self.segments.join("/"))
    }
}

/// Characters that no address encodes (RFC 3986 section 2.3).
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_scheme_host_and_path() {
        let place = Place::parse("https://S3.eu-west-1.amazonaws.com:443/plant/a/b/").unwrap();
        assert_eq!((&place.scheme[..], &place.host[..]), ("https", "s3.eu-west-1.amazonaws.com"));
        assert_eq!(place.segments, ["plant", "a", "b"]);
        assert_eq!(Place::parse("http://127.0.0.1:9000/plant").unwrap().host, "127.0.0.1:9000");
        for bad in [
            "",
            "https://host",
            "https://host/",
            "ftp://host/a",
            "https://host/a/../b",
            "https://id@host/a",
            "https://host/a b",
            "https://host/a?b",
        ] {
            assert_eq!(Place::parse(bad), None, "{bad}");
        }
    }
}
