//! The files of a bundle, from its parts.
//!
//! Invariant: equal parts give equal bytes; what is here and no part itself is a result of parts.

use super::{
    Evidence,
    signed::{self, Signed},
    tar::Files,
};
use crate::{
    digest::Sha256,
    event::{Event, LogEntry},
    log::{Checkpoint, VerifyingKey},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt::Write as _;

pub const README: &str = include_str!("README.txt");
pub const SCRIPT: &str = include_str!("verify.py");
pub const SUMS: &str = "SHA256SUMS";
pub const SIGNATURE: &str = "SHA256SUMS.sig";
/// First line of a C2SP tlog-proof.
pub const PROOF: &str = "c2sp.org/tlog-proof@v1";

impl Evidence {
    /// Every file of the bundle.
    pub(super) fn render(&self) -> Files {
        let mut files = self.listed();
        files.insert(SUMS.to_owned(), self.sums());
        if let Some(signature) = &self.signature {
            files.insert(SIGNATURE.to_owned(), signature.clone());
        }
        files
    }

    /// The list of files with their hashes. Its first line says whose it is, so that nothing else
    /// that the same key signs can be taken for it; `sha256sum` passes over such a line.
    pub(super) fn sums(&self) -> Vec<u8> {
        let mut text = format!("# evidence of {}\n", self.about.vault);
        for (name, content) in self.listed() {
            writeln!(text, "{}  {name}", Sha256::of(&content)).expect("writing to a string");
        }
        text.into_bytes()
    }

    fn listed(&self) -> Files {
        let mut files = Files::new();
        let mut put = |name: String, content: Vec<u8>| drop(files.insert(name, content));
        let about = serde_json::to_string_pretty(&self.about).expect("plain data") + "\n";
        put("README.txt".into(), self.readme.clone());
        put("verify.py".into(), self.script.clone());
        put("evidence.json".into(), about.into_bytes());
        put("events.csv".into(), self.events().into_bytes());
        for (number, bytes) in &self.entries {
            put(entry_name(*number), bytes.clone());
        }
        for (number, hashes) in &self.proofs {
            put(proof_name(*number), self.proof(&format!("index {number}"), hashes));
        }
        for (place, (note, hashes)) in (1..).zip(&self.earlier) {
            let place: u32 = place;
            put(format!("earlier/{place}.note"), note.clone().into_bytes());
            put(format!("earlier/{place}.proof"), lines(hashes).into_bytes());
        }
        for (hash, bytes) in &self.lists {
            put(format!("objects/{hash}"), bytes.clone());
        }
        for (id, text) in &self.files {
            put(format!("files/{id}.sha256"), text.clone().into_bytes());
        }
        self.put_keys(&mut put);
        self.put_signatures(&mut put);
        files
    }

    fn put_keys(&self, put: &mut impl FnMut(String, Vec<u8>)) {
        let mut key = |name: String, key: &VerifyingKey| {
            put(format!("keys/{name}.vkey"), format!("{key}\n").into_bytes());
            put(format!("keys/{name}.pem"), pem(key).into_bytes());
        };
        key("log".into(), &self.log_key);
        for witness in &self.witnesses {
            key(format!("witness-{}", plain(&witness.name)), witness);
        }
        for (name, person) in signed::people(&self.read()) {
            key(format!("person-{}", plain(&name)), &person);
        }
        let signer = self.about.signed_by.as_deref().and_then(VerifyingKey::parse);
        if let Some(signer) = signer {
            key("signer".into(), &signer);
        }
    }

    /// Signed texts and signatures each in a file of its own, as openssl takes them.
    fn put_signatures(&self, put: &mut impl FnMut(String, Vec<u8>)) {
        put("checkpoint/note".into(), self.note.clone().into_bytes());
        let mut pair = |name: String, (text, signature): (Vec<u8>, Vec<u8>)| {
            put(format!("{name}.text"), text);
            put(format!("{name}.sig"), signature);
        };
        if let Some(parts) = Checkpoint::signature_of(&self.note, &self.log_key) {
            pair("checkpoint/log".into(), parts);
        }
        for witness in &self.witnesses {
            if let Some(parts) = Checkpoint::cosignature_of(&self.note, witness) {
                pair(format!("checkpoint/witness-{}", plain(&witness.name)), parts);
            }
        }
        let origin = &self.about.vault;
        let of_people = signed::signed(origin, &self.read()).into_iter().flatten();
        for (place, signed) in (1..).zip(of_people) {
            let place: u32 = place;
            let bytes = signed.bytes();
            let Signed { entry, by, message, .. } = signed;
            let name = format!("approvals/{entry:08}.{place}@person-{}", plain(&by));
            pair(name, (message.into_bytes(), bytes));
        }
    }

    /// A proof in the form of C2SP tlog-proof.
    fn proof(&self, index: &str, hashes: &[Sha256]) -> Vec<u8> {
        format!("{PROOF}\n{index}\n{}\n{}", lines(hashes), self.note).into_bytes()
    }

    /// One line an entry, for a spreadsheet.
    fn events(&self) -> String {
        let mut text = "entry,time,kind,subject,by,what\n".to_owned();
        for (number, LogEntry { time, event }) in self.read() {
            let value = serde_json::to_value(&event).unwrap_or_default();
            let kind = value["kind"].as_str().unwrap_or_default().to_owned();
            let by = value["by"].as_str().unwrap_or_default().to_owned();
            let (subject, what) = told(&event);
            let cells = [kind, subject, by, what].map(|cell| quoted(&cell)).join(",");
            writeln!(text, "{number},{time},{cells}").expect("writing to a string");
        }
        text
    }
}

/// Whom an entry is about, and what it says.
fn told(event: &Event) -> (String, String) {
    match event {
        Event::Init { policy, .. } | Event::Policy { policy, .. } => {
            (String::new(), format!("new snapshots are locked for {} days", policy.lock_days))
        }
        Event::Snapshot(stored) | Event::Adopted(stored) => {
            let (files, bytes, faults) = (stored.files, stored.bytes, stored.faults_total);
            let noun = |count, one, many| if count == 1 { one } else { many };
            let what = format!(
                "{}: {files} {}, {bytes} bytes, {faults} {}",
                stored.asset,
                noun(files, "file", "files"),
                noun(faults, "fault", "faults")
            );
            (stored.snapshot.to_string(), what)
        }
        Event::PolicyAsked { policy, .. } => {
            (String::new(), format!("asks for locks of {} days", policy.lock_days))
        }
        Event::PolicyAgreed { request, .. } | Event::PolicyWithdrawn { request, .. } => {
            (String::new(), format!("request {request}"))
        }
        Event::Retained { snapshot, until, .. } => {
            (snapshot.to_string(), format!("locked until {until}"))
        }
        Event::Hold { snapshot, reason, .. } => (snapshot.to_string(), reason.clone()),
        Event::Person { key, .. } => (String::new(), key.clone()),
        Event::ReleaseAsked { snapshot, reason, .. } => (snapshot.to_string(), reason.clone()),
        Event::Released { request, .. }
        | Event::ReleaseAgreed { request, .. }
        | Event::ReleaseWithdrawn { request, .. } => (String::new(), format!("request {request}")),
        Event::Undeleted { snapshot, until, .. } => {
            let until = until.map_or("not locked".into(), |until| format!("locked until {until}"));
            (snapshot.to_string(), format!("taken back, {until}"))
        }
        Event::Forgot { snapshots, .. } => {
            let ids: Vec<String> = snapshots.iter().map(ToString::to_string).collect();
            (ids.join(" "), format!("{} snapshots deleted", ids.len()))
        }
        Event::Repaired { objects } | Event::Pruned { objects } => {
            (String::new(), format!("{} objects added, {} removed", objects.added, objects.removed))
        }
        Event::Escrowed { needed, of, .. } => (String::new(), format!("{needed} of {of} shares")),
        Event::Recovery { id, mode, ok, rto_ms, rpo_ms, .. } => {
            let ms = |ms: &Option<u64>| ms.map_or("not measured".into(), |ms| format!("{ms} ms"));
            let word = if *ok { "met" } else { "NOT met" };
            let (rto, rpo) = (ms(rto_ms), ms(rpo_ms));
            (id.clone(), format!("{mode:?}: {word}; RTO {rto}, RPO {rpo}"))
        }
        Event::Promoted { from, .. } => {
            (String::new(), format!("another site goes on after {from} entries"))
        }
        Event::HandedOver { to, .. } => (String::new(), format!("handed over to {to}")),
        Event::Restored { snapshot, files, faults, .. } => {
            (snapshot.to_string(), format!("{files} files restored, {faults} faults"))
        }
        Event::Verified { snapshot, level, files, faults, .. } => {
            (snapshot.to_string(), format!("level {level}: {files} files read, {faults} faults"))
        }
    }
}

/// A cell of CSV (RFC 4180). A sign that a spreadsheet takes for a formula gets an apostrophe.
fn quoted(cell: &str) -> String {
    let formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let mark = if formula { "'" } else { "" };
    format!("\"{mark}{}\"", cell.replace('"', "\"\""))
}

pub fn entry_name(number: u64) -> String {
    format!("entries/{number:08}.json")
}

pub fn proof_name(number: u64) -> String {
    format!("proofs/{number:08}.tlog-proof")
}

fn lines(hashes: &[Sha256]) -> String {
    hashes.iter().map(|hash| STANDARD.encode(hash.0) + "\n").collect()
}

/// A name that is one file name everywhere.
pub fn plain(name: &str) -> String {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    name.chars().take(40).map(|c| if fine(c) { c } else { '_' }).collect()
}

/// A public key as openssl reads it (RFC 8410, section 4).
fn pem(key: &VerifyingKey) -> String {
    let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
    der.extend_from_slice(key.bytes());
    let encoded = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{encoded}\n-----END PUBLIC KEY-----\n")
}
