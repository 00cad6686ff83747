//! Azure Blob with version-level immutability: the same few requests, signed with its own key.
//!
//! "Authorize with Shared Key" and "Blob service REST API". An unlocked policy is what S3 calls
//! governance, a locked one compliance. Invariant: a blob appears together with its policy.

use super::{
    Place,
    exchange::{Answer, Ask, MESSAGE_BYTES_MAX, PART_BYTES, Signed, cannot_lock, failed, fetched},
    exchange::{header, now, parts, path_of, prefix, text_of},
    sign::encoded,
    xml,
};
use crate::{limits::LISTING_BYTES_MAX, md5};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Time;
use ring::hmac;
use std::{collections::BTreeMap, io};
use ureq::SendBody;
use vault::site::{
    Fetched,
    bucket::{Body, Bucket, Lock, Mode, Object, Until, Version},
};

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
        let (container, prefix) = (container.join("/"), prefix(rest));
        Ok(Self { agent, account, key, container, prefix, place })
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
    ) -> io::Result<Answer> {
        let path = path_of(&self.container, blob);
        let mut headers = ask.headers;
        headers.push(("x-ms-date", rfc1123(now())));
        headers.push(("x-ms-version", API_VERSION.to_owned()));
        headers.sort();
        let mut query = ask.query;
        query.sort_unstable();
        let signed = self.signature(method, &path, &query, &headers);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let (place, path, query) = (&self.place, &path[..], &query.join("&")[..]);
        let authorization = format!("SharedKey {}:{signed}", self.account);
        let headers = headers.iter().map(|(name, value)| (*name, &value[..]));
        Signed { place, method, path, query, authorization }.send(&self.agent, headers, body)
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

    fn ask(&self, method: &str, blob: Option<&str>, mut ask: Ask) -> io::Result<Answer> {
        if method == "PUT" {
            ask.headers.push(("content-length", "0".to_owned()));
        }
        self.send(method, blob, ask, SendBody::none())
    }

    /// Sends bytes with their MD5, which the service compares.
    fn put_bytes(&self, blob: &str, mut ask: Ask, bytes: &[u8], body: &Body) -> io::Result<Answer> {
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
        for (number, (offset, length)) in parts(object.size).enumerate() {
            let bytes = body.bytes(offset, length)?;
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
        format!("azure:{}", self.place)
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
            let text = text_of(response, LISTING_BYTES_MAX)?;
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
        fetched(response, offset, fine)
    }

    fn put(
        &self,
        path: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let blob = self.blob(path);
        if object.size > PART_BYTES {
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
        let answer = fine(self.ask("PUT", Some(&self.blob(path)), ask)?);
        answer.map(drop).map_err(|error| cannot_lock(error, "immutability policies of versions"))
    }

    fn hold(&self, path: &str, version: Option<&str>, on: bool) -> io::Result<()> {
        let headers = vec![("x-ms-legal-hold", on.to_string())];
        let mut ask = Ask { query: vec![("comp", "legalhold")], headers };
        ask.query.extend(version.map(|version| ("versionid", version)));
        let answer = fine(self.ask("PUT", Some(&self.blob(path)), ask)?);
        answer.map(drop).map_err(|error| cannot_lock(error, "legal holds of versions"))
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

/// The answer when it says yes; else what it says.
fn fine(response: Answer) -> io::Result<Answer> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let code = header(&response, "x-ms-error-code").unwrap_or_default();
    // What it says besides its code may be cut off.
    let text = text_of(response, MESSAGE_BYTES_MAX).unwrap_or_default();
    let said = xml::first(&text, "Message").unwrap_or_default();
    let said = said.lines().next().unwrap_or_default();
    Err(failed(status, &format!("{said} ({code})"), false))
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
