//! Azure Blob with version-level immutability: the same few requests, signed with its own key.
//!
//! "Authorize with Shared Key" and "Blob service REST API". An unlocked policy is what S3 calls
//! governance, a locked one compliance. Invariant: a blob appears together with its policy.

use super::{Place, sign::encoded, xml};
use crate::{limits::LISTING_BYTES_MAX, md5};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Time;
use ring::hmac;
use std::{
    collections::BTreeMap,
    io::{self, Read},
    time::{SystemTime, UNIX_EPOCH},
};
use ureq::{
    SendBody,
    http::{Response, StatusCode},
};
use vault::site::{
    Fetched,
    bucket::{Body, Bucket, Lock, Mode, Object, Until, Version},
};

/// Octets of a block; what is larger than one goes in several.
const BLOCK_BYTES: u64 = 8 << 20;
/// Octets of an answer that is a message.
const MESSAGE_BYTES_MAX: u64 = 65_536;
/// The first with policies for each version is 2020-06-12.
const API_VERSION: &str = "2021-06-08";

pub struct Azure {
    agent: ureq::Agent,
    place: Place,
    account: String,
    key: Vec<u8>,
    /// Segments of the address that are the container's.
    container: String,
    /// Of the vault's paths; with a `/` at its end, or empty.
    prefix: String,
}

#[derive(Default)]
struct Ask<'a> {
    query: Vec<(&'a str, &'a str)>,
    headers: Vec<(&'static str, String)>,
}

impl Azure {
    pub fn new(place: Place, account: String, key: &str, agent: ureq::Agent) -> io::Result<Self> {
        let wrong = |text: &str| io::Error::new(io::ErrorKind::InvalidInput, text);
        let key = STANDARD.decode(key).map_err(|_| {
            wrong("the file with the credentials has ACCOUNT:KEY, the key in base64")
        })?;
        // An emulator has the account in its path.
        let own_host = place.host.split('.').next() == Some(&account);
        let taken = if own_host { 1 } else { 2 };
        if place.segments.len() < taken || (!own_host && place.segments[0] != account) {
            return Err(wrong(
                "the address is not of the account in the file with the credentials",
            ));
        }
        let (container, rest) = place.segments.split_at(taken);
        let prefix = rest.iter().map(|part| format!("{part}/")).collect();
        Ok(Self { agent, account, key, container: container.join("/"), prefix, place })
    }

    fn blob(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    fn send(
        &self,
        method: &str,
        blob: Option<&str>,
        ask: Ask,
        body: SendBody,
    ) -> io::Result<Response<ureq::Body>> {
        let mut path = format!("/{}", self.container);
        for segment in blob.into_iter().flat_map(|blob| blob.split('/')) {
            path += "/";
            path += &encoded(segment);
        }
        let mut headers = ask.headers;
        headers.push(("x-ms-date", rfc1123(now())));
        headers.push(("x-ms-version", API_VERSION.to_owned()));
        headers.sort();
        let mut query = ask.query;
        query.sort_unstable();
        let signed = self.signature(method, &path, &query, &headers);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        let Place { scheme, host, .. } = &self.place;
        let address = format!("{scheme}://{host}{path}{mark}{}", query.join("&"));
        let mut builder = ureq::http::Request::builder().method(method).uri(address);
        for (name, value) in &headers {
            builder = builder.header(*name, value);
        }
        let signed = format!("SharedKey {}:{signed}", self.account);
        let request =
            builder.header("authorization", signed).body(body).map_err(io::Error::other)?;
        self.agent.run(request).map_err(ureq::Error::into_io)
    }

    fn signature(
        &self,
        method: &str,
        path: &str,
        query: &[(&str, &str)],
        headers: &[(&'static str, String)],
    ) -> String {
        let value = |name: &str| {
            let found = headers.iter().find(|(held, _)| *held == name);
            found.map_or("", |(_, value)| value.as_str())
        };
        let length = if value("content-length") == "0" { "" } else { value("content-length") };
        let mut text = format!("{method}\n\n\n{length}\n{}\n\n\n\n\n\n\n\n", value("content-md5"));
        for (name, value) in headers.iter().filter(|(name, _)| name.starts_with("x-ms-")) {
            text += &format!("{name}:{value}\n");
        }
        text += &format!("/{}{path}", self.account);
        for (name, value) in query {
            text += &format!("\n{name}:{value}");
        }
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.key);
        STANDARD.encode(hmac::sign(&key, text.as_bytes()))
    }

    fn ask(
        &self,
        method: &str,
        blob: Option<&str>,
        mut ask: Ask,
    ) -> io::Result<Response<ureq::Body>> {
        if method == "PUT" {
            ask.headers.push(("content-length", "0".to_owned()));
        }
        self.send(method, blob, ask, SendBody::none())
    }

    /// Sends bytes with their MD5, which the service compares.
    fn put_bytes(
        &self,
        blob: &str,
        mut ask: Ask,
        bytes: &[u8],
        body: &Body,
    ) -> io::Result<Response<ureq::Body>> {
        ask.headers.push(("content-length", bytes.len().to_string()));
        ask.headers.push(("content-md5", STANDARD.encode(md5::digest(bytes))));
        let response = body.slowly(bytes, |mut reader| {
            self.send("PUT", Some(blob), ask, SendBody::from_reader(&mut reader))
        })?;
        fine(response)
    }

    fn in_blocks(
        &self,
        blob: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for number in 0..object.size.div_ceil(BLOCK_BYTES) {
            let offset = number * BLOCK_BYTES;
            let bytes = body.bytes(offset, BLOCK_BYTES.min(object.size - offset))?;
            let id = STANDARD.encode(format!("{number:06}"));
            let query = vec![("comp", "block"), ("blockid", &id[..])];
            self.put_bytes(blob, Ask { query, ..Ask::default() }, &bytes, body)?;
            list += &format!("<Latest>{id}</Latest>");
        }
        list += "</BlockList>";
        let ask = Ask { query: vec![("comp", "blocklist")], headers: lock_headers(lock) };
        let response = self.put_bytes(blob, ask, list.as_bytes(), body)?;
        Ok(header(&response, "x-ms-version-id"))
    }
}

impl Bucket for Azure {
    fn address(&self) -> String {
        let Place { scheme, host, segments } = &self.place;
        format!("azure:{scheme}://{host}/{}", segments.join("/"))
    }

    fn cannot_lock(&self) -> io::Result<Option<String>> {
        let query = vec![("restype", "container")];
        let response = fine(self.ask("GET", None, Ask { query, ..Ask::default() })?)?;
        let enabled = header(&response, "x-ms-immutable-storage-with-versioning-enabled");
        if enabled.as_deref() == Some("true") {
            return Ok(None);
        }
        let text = "the container has no version-level immutability: make one with it, or copy \
                    without locks (--lock none)";
        Ok(Some(text.to_owned()))
    }

    fn list(&self) -> io::Result<BTreeMap<String, Vec<Version>>> {
        let mut found: BTreeMap<String, Vec<Version>> = BTreeMap::new();
        let mut after = String::new();
        loop {
            let mut query = vec![
                ("restype", "container"),
                ("comp", "list"),
                ("include", "versions"),
                ("prefix", &self.prefix[..]),
            ];
            if self.prefix.is_empty() {
                query.pop();
            }
            if !after.is_empty() {
                query.push(("marker", &after));
            }
            let response = fine(self.ask("GET", None, Ask { query, ..Ask::default() })?)?;
            let mut text = String::new();
            response.into_body().into_reader().take(LISTING_BYTES_MAX).read_to_string(&mut text)?;
            for blob in xml::each(&text, "Blob") {
                let name = xml::first(blob, "Name").unwrap_or_default();
                let Some(path) = name.strip_prefix(&self.prefix) else { continue };
                let id = xml::first(blob, "VersionId");
                let current = xml::first(blob, "IsCurrentVersion").as_deref() == Some("true");
                let version = Version {
                    size: xml::first(blob, "Content-Length")
                        .and_then(|n| n.parse().ok())
                        .unwrap_or(0),
                    newest: current || id.is_none(),
                    deleted: false,
                    id,
                };
                found.entry(path.to_owned()).or_default().push(version);
            }
            let next = xml::first(&text, "NextMarker").unwrap_or_default();
            if next.is_empty() || next == after {
                break;
            }
            after = next;
        }
        for versions in found.values_mut() {
            // A version is named by its time; nothing is the newest when the blob was deleted.
            versions.sort_by(|a, b| (b.newest, &b.id).cmp(&(a.newest, &a.id)));
        }
        Ok(found)
    }

    fn open(&self, path: &str, version: Option<&str>, offset: u64) -> io::Result<Fetched> {
        let mut ask = Ask::default();
        ask.query.extend(version.map(|version| ("versionid", version)));
        if offset > 0 {
            ask.headers.push(("x-ms-range", format!("bytes={offset}-")));
        }
        let response = self.ask("GET", Some(&self.blob(path)), ask)?;
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
            return Ok(Fetched { reader: Box::new(io::empty()), offset });
        }
        let response = fine(response)?;
        let offset = if response.status() == StatusCode::PARTIAL_CONTENT { offset } else { 0 };
        Ok(Fetched { reader: Box::new(response.into_body().into_reader()), offset })
    }

    fn put(
        &self,
        path: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let blob = self.blob(path);
        if object.size > BLOCK_BYTES {
            return self.in_blocks(&blob, object, body, lock);
        }
        let bytes = body.bytes(0, object.size)?;
        let mut headers = lock_headers(lock);
        headers.push(("x-ms-blob-type", "BlockBlob".to_owned()));
        let response = self.put_bytes(&blob, Ask { headers, ..Ask::default() }, &bytes, body)?;
        Ok(header(&response, "x-ms-version-id"))
    }

    fn lock(&self, path: &str, version: Option<&str>) -> io::Result<Lock> {
        let mut ask = Ask::default();
        ask.query.extend(version.map(|version| ("versionid", version)));
        let response = fine(self.ask("HEAD", Some(&self.blob(path)), ask)?)?;
        let mode = match header(&response, "x-ms-immutability-policy-mode") {
            Some(text) if text.eq_ignore_ascii_case("locked") => Some(Mode::Compliance),
            Some(text) if text.eq_ignore_ascii_case("unlocked") => Some(Mode::Governance),
            _ => None,
        };
        let until = header(&response, "x-ms-immutability-policy-until-date");
        let until = until.and_then(|text| parse_rfc1123(&text)).zip(mode);
        let held = header(&response, "x-ms-legal-hold").as_deref() == Some("true");
        Ok(Lock { until: until.map(|(time, mode)| Until { time, mode }), held })
    }

    fn extend(&self, path: &str, version: Option<&str>, until: Until) -> io::Result<()> {
        let lock = Lock { until: Some(until), held: false };
        let mut ask =
            Ask { query: vec![("comp", "immutabilityPolicies")], headers: lock_headers(&lock) };
        ask.query.extend(version.map(|version| ("versionid", version)));
        fine(self.ask("PUT", Some(&self.blob(path)), ask)?).map(drop)
    }

    fn hold(&self, path: &str, version: Option<&str>, on: bool) -> io::Result<()> {
        let headers = vec![("x-ms-legal-hold", on.to_string())];
        let mut ask = Ask { query: vec![("comp", "legalhold")], headers };
        ask.query.extend(version.map(|version| ("versionid", version)));
        fine(self.ask("PUT", Some(&self.blob(path)), ask)?).map(drop)
    }
}

fn lock_headers(lock: &Lock) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(until) = lock.until {
        let word = match until.mode {
            Mode::Governance => "unlocked",
            Mode::Compliance => "locked",
        };
        headers.push(("x-ms-immutability-policy-mode", word.to_owned()));
        headers.push(("x-ms-immutability-policy-until-date", rfc1123(until.time)));
    }
    if lock.held {
        headers.push(("x-ms-legal-hold", "true".to_owned()));
    }
    headers
}

fn header(response: &Response<ureq::Body>, name: &str) -> Option<String> {
    Some(response.headers().get(name)?.to_str().ok()?.to_owned())
}

/// The answer when it says yes; else what it says.
fn fine(response: Response<ureq::Body>) -> io::Result<Response<ureq::Body>> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let code = header(&response, "x-ms-error-code").unwrap_or_default();
    let mut text = String::new();
    // What it says besides its code may be cut off.
    drop(response.into_body().into_reader().take(MESSAGE_BYTES_MAX).read_to_string(&mut text));
    let said = xml::first(&text, "Message").unwrap_or_default();
    let said = said.lines().next().unwrap_or_default();
    let told = format!("the store answers {}: {said} ({code})", status.as_u16());
    Err(match status {
        StatusCode::NOT_FOUND => io::Error::new(io::ErrorKind::NotFound, told),
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => io::Error::other(told),
        _ if status.is_server_error() => io::Error::other(told),
        _ => io::Error::new(io::ErrorKind::PermissionDenied, told),
    })
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time::from_secs(i64::try_from(since.as_secs()).unwrap_or_default())
}

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// `Tue, 10 Mar 2026 12:00:00 GMT`
fn rfc1123(time: Time) -> String {
    // Day 0 of 1970 was a Thursday.
    let day = time.nanos().div_euclid(86_400 * 1_000_000_000).rem_euclid(7);
    let day = DAYS[usize::try_from(day).unwrap_or_default()];
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().unwrap_or(1);
    let month = MONTHS[(month - 1).min(11)];
    format!("{day}, {} {month} {} {} GMT", part(8, 10), part(0, 4), part(11, 19))
}

fn parse_rfc1123(text: &str) -> Option<Time> {
    let words: Vec<&str> = text.split(' ').collect();
    let [_, day, month, year, clock, "GMT"] = words[..] else { return None };
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Time::parse(&format!("{year}-{month:02}-{day}T{clock}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_rfc_1123() {
        let time = Time::parse("2026-03-10T12:00:00Z").expect("a time");
        assert_eq!(rfc1123(time), "Tue, 10 Mar 2026 12:00:00 GMT");
        assert_eq!(parse_rfc1123("Tue, 10 Mar 2026 12:00:00 GMT"), Some(time));
        assert_eq!(rfc1123(Time::from_secs(0)), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(parse_rfc1123("10 Mar 2026"), None);
    }
}
