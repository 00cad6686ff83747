//! S3 with Object Lock: a dozen requests, each signed.
//!
//! Buckets are addressed by path, so that a store in the plant needs no name for each. Large
//! objects go in parts that outlive a broken link. Invariant: an object appears together with its
//! lock, in one request or at the end of its parts.

use super::{
    Place,
    exchange::{self, Answer, Ask, MESSAGE_BYTES_MAX, PART_BYTES, Signed, cannot_lock, fetched},
    exchange::{header, parts, path_of, prefix, strange, text_of},
    sign::{self, Keys, Request, encoded, query},
    xml,
};
use crate::{
    limits::{LISTING_BYTES_MAX, STORE_PAUSE_FIRST, STORE_TRIES},
    md5,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Time;
use std::{collections::BTreeMap, io};
use ureq::{SendBody, http::StatusCode};
use vault::{
    Sha256,
    site::{
        Fetched,
        bucket::{Body, Bucket, Lock, Mode, Object, Until, Version},
    },
};

pub struct S3 {
    agent: ureq::Agent,
    place: Place,
    bucket: String,
    /// Of the vault's paths; with a `/` at its end, or empty.
    prefix: String,
    region: String,
    keys: Keys,
}

impl S3 {
    pub fn new(
        place: Place,
        region: Option<&str>,
        keys: Keys,
        agent: ureq::Agent,
    ) -> io::Result<Self> {
        let (bucket, rest) = place.segments.split_first().expect("a place has a segment");
        let (bucket, prefix) = (bucket.clone(), prefix(rest));
        // s3.eu-central-1.amazonaws.com
        let told = place.host.strip_suffix(".amazonaws.com").and_then(|host| host.split_once('.'));
        let told = told.map(|(_, region)| region);
        let region = region.or(told).unwrap_or("us-east-1").to_owned();
        Ok(Self { agent, bucket, prefix, region, keys, place })
    }

    fn key(&self, path: &str) -> String {
        format!("{}{path}", self.prefix)
    }

    /// One request; the answer, whatever its status.
    fn send(
        &self,
        method: &str,
        key: Option<&str>,
        ask: Ask,
        payload: &Sha256,
        body: SendBody,
    ) -> io::Result<Answer> {
        let path = path_of(&encoded(&self.bucket), key);
        let query = query(&ask.query);
        let time = now();
        let mut headers: Vec<(String, String)> =
            ask.headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        headers.push(("host".into(), self.place.host.clone()));
        headers.push(("x-amz-content-sha256".into(), payload.to_string()));
        headers.push(("x-amz-date".into(), time.clone()));
        if let Some(session) = &self.keys.session {
            headers.push(("x-amz-security-token".into(), session.clone()));
        }
        headers.sort();
        let request = Request { method, path: &path, query: &query, headers: &headers, payload };
        let authorization = sign::authorization(&self.keys, &self.region, &time, &request);
        let (place, path, query) = (&self.place, &path[..], &query[..]);
        let headers = headers.iter().map(|(name, value)| (&name[..], &value[..]));
        let headers = headers.filter(|(name, _)| *name != "host");
        Signed { place, method, path, query, authorization }.send(&self.agent, headers, body)
    }

    /// A request without a body. One that only reads is repeated, after a pause, when the store
    /// fails or is too busy: a restore asks hundreds of times, and must not end with one of them.
    fn ask(&self, method: &str, key: Option<&str>, ask: Ask) -> io::Result<Answer> {
        let mut pause = STORE_PAUSE_FIRST;
        let reads = matches!(method, "GET" | "HEAD");
        for _ in 1..STORE_TRIES {
            let payload = Sha256::of(b"");
            let answer = self.send(method, key, ask.clone(), &payload, SendBody::none())?;
            let status = answer.status();
            let passing = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            if !(reads && passing) {
                return Ok(answer);
            }
            tracing::debug!(status = status.as_u16(), key, "the store is asked again");
            std::thread::sleep(pause);
            pause *= 2;
        }
        self.send(method, key, ask, &Sha256::of(b""), SendBody::none())
    }

    /// A request with a document; the store compares it with its hash.
    fn tell(&self, method: &str, key: &str, mut ask: Ask, text: &str) -> io::Result<String> {
        let hash = Sha256::of(text.as_bytes());
        ask.headers.push(("content-length", text.len().to_string()));
        ask.headers.extend(sum_headers(&hash));
        let mut bytes = text.as_bytes();
        let body = SendBody::from_reader(&mut bytes);
        let response = self.send(method, Some(key), ask, &hash, body)?;
        text_of(fine(response)?, MESSAGE_BYTES_MAX)
    }

    fn whole(
        &self,
        key: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let mut headers = lock_headers(lock);
        headers.push(("content-length", object.size.to_string()));
        headers.extend(sum_headers(&object.hash));
        let ask = Ask { headers, ..Ask::default() };
        let response = body.part(0, object.size, |mut reader| {
            let body = SendBody::from_reader(&mut reader);
            self.send("PUT", Some(key), ask, &object.hash, body)
        })?;
        Ok(version_of(&fine(response)?))
    }

    /// In parts; those that the store has from before are not sent again.
    fn in_parts(
        &self,
        key: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let begun = self.begun(key)?;
        let resumed = begun.is_some();
        let upload = match begun {
            Some(upload) => upload,
            None => self.begin(key, lock)?,
        };
        let there = if resumed { self.parts(key, &upload)? } else { BTreeMap::new() };
        let mut list = String::from("<CompleteMultipartUpload>");
        for (number, (offset, length)) in (1..).zip(parts(object.size)) {
            let bytes = body.bytes(offset, length)?;
            let sum = STANDARD.encode(Sha256::of(&bytes).0);
            let same = there.get(&number).filter(|part| part.is(&bytes, &sum));
            let tag = match same {
                Some(part) => part.tag.clone(),
                None => self.part(key, &upload, number, &bytes, body)?,
            };
            body.reached(offset + bytes.len() as u64);
            list += &format!(
                "<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag>\
                 <ChecksumSHA256>{sum}</ChecksumSHA256></Part>"
            );
        }
        list += "</CompleteMultipartUpload>";
        let version = self.complete(key, &upload, &list)?;
        self.confirm(key, version.as_deref(), lock)?;
        Ok(version)
    }

    /// What was begun earlier has the lock of then, and not every store takes one over from there.
    fn confirm(&self, key: &str, version: Option<&str>, lock: &Lock) -> io::Result<()> {
        if *lock == Lock::default() {
            return Ok(());
        }
        let found = self.lock_at(key, version)?;
        if let Some(until) = lock.until
            && found.until.is_none_or(|held| held.time < until.time)
        {
            self.retain(key, version, until)?;
        }
        if lock.held && !found.held {
            self.put_hold(key, version, true)?;
        }
        Ok(())
    }

    /// An upload of this object that was begun and not ended.
    fn begun(&self, key: &str) -> io::Result<Option<String>> {
        let query = vec![("uploads", ""), ("prefix", key)];
        let response = fine(self.ask("GET", None, Ask { query, ..Ask::default() })?)?;
        let text = text_of(response, LISTING_BYTES_MAX)?;
        let ours = |upload: &&str| xml::first(upload, "Key").as_deref() == Some(key);
        Ok(xml::each(&text, "Upload").find(ours).and_then(|upload| xml::first(upload, "UploadId")))
    }

    fn begin(&self, key: &str, lock: &Lock) -> io::Result<String> {
        let mut headers = lock_headers(lock);
        headers.push(("x-amz-checksum-algorithm", "SHA256".to_owned()));
        headers.push(("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()));
        headers.push(("content-length", "0".to_owned()));
        let ask = Ask { query: vec![("uploads", "")], headers };
        let text = text_of(fine(self.ask("POST", Some(key), ask)?)?, MESSAGE_BYTES_MAX)?;
        xml::first(&text, "UploadId").ok_or_else(|| strange("begins an upload without a name"))
    }

    fn parts(&self, key: &str, upload: &str) -> io::Result<BTreeMap<u64, Part>> {
        let query = vec![("uploadId", upload)];
        let response = fine(self.ask("GET", Some(key), Ask { query, ..Ask::default() })?)?;
        let text = text_of(response, LISTING_BYTES_MAX)?;
        let parts = xml::each(&text, "Part").filter_map(|part| {
            let number = xml::first(part, "PartNumber")?.parse().ok()?;
            let size = xml::first(part, "Size")?.parse().ok()?;
            let tag = xml::first(part, "ETag")?;
            Some((number, Part { size, tag, sum: xml::first(part, "ChecksumSHA256") }))
        });
        Ok(parts.collect())
    }

    /// Sends a part; its tag.
    fn part(
        &self,
        key: &str,
        upload: &str,
        number: u64,
        bytes: &[u8],
        body: &Body,
    ) -> io::Result<String> {
        let hash = Sha256::of(bytes);
        let number = number.to_string();
        let mut headers = sum_headers(&hash).to_vec();
        headers.push(("content-length", bytes.len().to_string()));
        let ask = Ask { query: vec![("partNumber", &number), ("uploadId", upload)], headers };
        let response = body.slowly(bytes, |mut reader| {
            self.send("PUT", Some(key), ask, &hash, SendBody::from_reader(&mut reader))
        })?;
        let response = fine(response)?;
        header(&response, "etag").ok_or_else(|| strange("takes a part without a tag"))
    }

    fn complete(&self, key: &str, upload: &str, list: &str) -> io::Result<Option<String>> {
        let hash = Sha256::of(list.as_bytes());
        let ask = Ask {
            query: vec![("uploadId", upload)],
            headers: vec![("content-length", list.len().to_string())],
        };
        let mut bytes = list.as_bytes();
        let body = SendBody::from_reader(&mut bytes);
        let response = fine(self.send("POST", Some(key), ask, &hash, body)?)?;
        let version = version_of(&response);
        let text = text_of(response, MESSAGE_BYTES_MAX)?;
        // A failure may come with status 200, since the answer begins before the end is known.
        if text.contains("<Error>") {
            return Err(io::Error::other(message(&text)));
        }
        Ok(version)
    }

    fn lock_at(&self, key: &str, version: Option<&str>) -> io::Result<Lock> {
        let mut ask = Ask::default();
        ask.query.extend(version.map(|version| ("versionId", version)));
        let response = fine(self.ask("HEAD", Some(key), ask)?)?;
        let mode = match header(&response, "x-amz-object-lock-mode").as_deref() {
            Some("COMPLIANCE") => Some(Mode::Compliance),
            Some("GOVERNANCE") => Some(Mode::Governance),
            _ => None,
        };
        let until = header(&response, "x-amz-object-lock-retain-until-date");
        let until = until.and_then(|text| Time::parse(&text)).zip(mode);
        let held = header(&response, "x-amz-object-lock-legal-hold").as_deref() == Some("ON");
        Ok(Lock { until: until.map(|(time, mode)| Until { time, mode }), held })
    }

    fn retain(&self, key: &str, version: Option<&str>, until: Until) -> io::Result<()> {
        let text = format!(
            "<Retention xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Mode>{}</Mode>\
             <RetainUntilDate>{}</RetainUntilDate></Retention>",
            word(until.mode),
            whole_seconds(until.time)
        );
        let mut query = vec![("retention", "")];
        query.extend(version.map(|version| ("versionId", version)));
        let told = self.tell("PUT", key, Ask { query, ..Ask::default() }, &text);
        told.map(drop).map_err(|error| cannot_lock(error, "Object Lock"))
    }

    fn put_hold(&self, key: &str, version: Option<&str>, on: bool) -> io::Result<()> {
        let status = if on { "ON" } else { "OFF" };
        let text = format!(
            "<LegalHold xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
             <Status>{status}</Status></LegalHold>"
        );
        let mut query = vec![("legal-hold", "")];
        query.extend(version.map(|version| ("versionId", version)));
        let told = self.tell("PUT", key, Ask { query, ..Ask::default() }, &text);
        told.map(drop).map_err(|error| cannot_lock(error, "legal holds"))
    }
}

/// A part that the store has.
struct Part {
    size: u64,
    tag: String,
    sum: Option<String>,
}

impl Part {
    /// Whether it has these bytes. A store that keeps no sum tells the MD5 of a part as its tag.
    fn is(&self, bytes: &[u8], sum: &str) -> bool {
        self.size == bytes.len() as u64
            && match &self.sum {
                Some(held) => held == sum,
                None => self.tag.trim_matches('"') == md5::hex(bytes),
            }
    }
}

impl Bucket for S3 {
    fn address(&self) -> String {
        format!("s3:{}", self.place)
    }

    fn cannot_lock(&self) -> io::Result<Option<String>> {
        let query = vec![("object-lock", "")];
        let response = self.ask("GET", None, Ask { query, ..Ask::default() })?;
        let status = response.status();
        let text = text_of(response, MESSAGE_BYTES_MAX)?;
        if status == StatusCode::OK && text.contains("<ObjectLockEnabled>Enabled<") {
            return Ok(None);
        }
        let absent = text.contains("ObjectLockConfigurationNotFound");
        if status == StatusCode::OK || absent {
            let text = "the bucket has no Object Lock: make one with it, or copy without locks \
                        (--lock none)";
            return Ok(Some(text.to_owned()));
        }
        Err(failed(status, &text))
    }

    fn list(&self) -> io::Result<BTreeMap<String, Vec<Version>>> {
        let mut found: BTreeMap<String, Vec<(String, Version)>> = BTreeMap::new();
        let (mut after, mut after_version) = (String::new(), String::new());
        loop {
            let mut query = vec![("versions", ""), ("prefix", &self.prefix[..])];
            if !after.is_empty() {
                query.push(("key-marker", &after));
                query.push(("version-id-marker", &after_version));
            }
            let response = fine(self.ask("GET", None, Ask { query, ..Ask::default() })?)?;
            let text = text_of(response, LISTING_BYTES_MAX)?;
            for (element, deleted) in [("Version", false), ("DeleteMarker", true)] {
                for item in xml::each(&text, element) {
                    let key = xml::first(item, "Key").unwrap_or_default();
                    let Some(path) = key.strip_prefix(&self.prefix) else { continue };
                    let version = Version {
                        id: version_id(xml::first(item, "VersionId")),
                        size: xml::first(item, "Size").and_then(|n| n.parse().ok()).unwrap_or(0),
                        newest: xml::first(item, "IsLatest").as_deref() == Some("true"),
                        deleted,
                    };
                    let time = xml::first(item, "LastModified").unwrap_or_default();
                    found.entry(path.to_owned()).or_default().push((time, version));
                }
            }
            if xml::first(&text, "IsTruncated").as_deref() != Some("true") {
                break;
            }
            let next = xml::first(&text, "NextKeyMarker").unwrap_or_default();
            after_version = xml::first(&text, "NextVersionIdMarker").unwrap_or_default();
            if next.is_empty() || (next == after && after_version.is_empty()) {
                return Err(strange("lists no further than before"));
            }
            after = next;
        }
        Ok(found.into_iter().map(|(path, versions)| (path, in_order(versions))).collect())
    }

    fn open(&self, path: &str, version: Option<&str>, offset: u64) -> io::Result<Fetched> {
        let mut ask = Ask::default();
        ask.query.extend(version.map(|version| ("versionId", version)));
        if offset > 0 {
            ask.headers.push(("range", format!("bytes={offset}-")));
        }
        let response = self.ask("GET", Some(&self.key(path)), ask)?;
        fetched(response, offset, fine)
    }

    fn put(
        &self,
        path: &str,
        object: &Object,
        body: &mut Body,
        lock: &Lock,
    ) -> io::Result<Option<String>> {
        let key = self.key(path);
        if object.size > PART_BYTES {
            self.in_parts(&key, object, body, lock)
        } else {
            self.whole(&key, object, body, lock)
        }
    }

    fn lock(&self, path: &str, version: Option<&str>) -> io::Result<Lock> {
        self.lock_at(&self.key(path), version)
    }

    fn extend(&self, path: &str, version: Option<&str>, until: Until) -> io::Result<()> {
        self.retain(&self.key(path), version, until)
    }

    fn hold(&self, path: &str, version: Option<&str>, on: bool) -> io::Result<()> {
        self.put_hold(&self.key(path), version, on)
    }
}

/// Newest first: marks of deletion come in a list of their own.
fn in_order(mut versions: Vec<(String, Version)>) -> Vec<Version> {
    versions.sort_by(|a, b| (b.1.newest, &b.0).cmp(&(a.1.newest, &a.0)));
    let mut all: Vec<_> = versions.into_iter().map(|(_, version)| version).collect();
    // What is older than the bucket's versioning has this name; without one the newest is meant.
    for version in all.iter_mut().filter(|version| !version.newest) {
        version.id.get_or_insert_with(|| "null".to_owned());
    }
    all
}

fn lock_headers(lock: &Lock) -> Vec<(&'static str, String)> {
    let mut headers = Vec::new();
    if let Some(until) = lock.until {
        headers.push(("x-amz-object-lock-mode", word(until.mode).to_owned()));
        headers.push(("x-amz-object-lock-retain-until-date", whole_seconds(until.time)));
    }
    if lock.held {
        headers.push(("x-amz-object-lock-legal-hold", "ON".to_owned()));
    }
    headers
}

/// The hash of what is sent, which the store compares; the first header is what some look for.
fn sum_headers(hash: &Sha256) -> [(&'static str, String); 2] {
    [
        ("x-amz-sdk-checksum-algorithm", "SHA256".to_owned()),
        ("x-amz-checksum-sha256", STANDARD.encode(hash.0)),
    ]
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Governance => "GOVERNANCE",
        Mode::Compliance => "COMPLIANCE",
    }
}

/// `2026-03-10T12:00:00Z`
fn whole_seconds(time: Time) -> String {
    let text = time.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

/// `20260310T120000Z`
fn now() -> String {
    whole_seconds(exchange::now()).replace(['-', ':'], "")
}

fn version_of(response: &Answer) -> Option<String> {
    version_id(header(response, "x-amz-version-id"))
}

/// A bucket that keeps no versions lists each object with the id `null`, and says none when it is
/// put there.
fn version_id(told: Option<String>) -> Option<String> {
    told.filter(|id| id != "null")
}

/// The answer when it says yes; else what it says.
fn fine(response: Answer) -> io::Result<Answer> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let region = header(&response, "x-amz-bucket-region");
    let mut text = text_of(response, MESSAGE_BYTES_MAX).unwrap_or_default();
    if let (true, Some(region)) = (status.is_redirection(), region) {
        text = format!("the bucket is in region {region}: say --region {region}");
    }
    Err(failed(status, &text))
}

fn failed(status: StatusCode, text: &str) -> io::Error {
    let passing = ["RequestTimeout", "SlowDown", "OperationAborted"];
    let passing = passing.iter().any(|code| text.contains(code));
    exchange::failed(status, &message(text), passing)
}

fn message(text: &str) -> String {
    match (xml::first(text, "Code"), xml::first(text, "Message")) {
        (Some(code), Some(message)) => format!("{message} ({code})"),
        (Some(code), None) => code,
        _ => text.trim().chars().take(200).collect(),
    }
}
