//! Whether a bundle holds, with nothing but itself and what is known from elsewhere.
//!
//! Not here: making one. Invariant: a changed byte anywhere is a problem, unless whoever changed
//! it also made the list of files anew and nobody signed that; then it is a note that nobody did.

use super::{
    About, Evidence,
    render::{PROOF, SIGNATURE, SUMS, entry_name, plain, proof_name},
    signed, tar,
};
use crate::{
    digest::Sha256,
    event::{LogEntry, SnapshotId},
    log::{Checkpoint, VerifyingKey, merkle},
    manifest::Manifest,
    verify::{Demands, Problem},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// The verdict on a bundle.
#[derive(Debug, Default, Serialize)]
pub struct Examined {
    pub ok: bool,
    pub about: Option<About>,
    pub log_key: Option<String>,
    /// Entries that the log is shown to contain.
    pub entries: u64,
    pub snapshots: u64,
    /// Signatures of people that hold.
    pub signatures: u64,
    /// Witnesses whose cosignature holds, and when they gave it, in seconds since 1970.
    pub witnesses: BTreeMap<String, u64>,
    /// Whether the key that signed the list of files is the log's or of somebody whom it knows.
    pub signer: Option<String>,
    pub problems: Vec<Problem>,
    pub notes: Vec<String>,
}

/// Examines a bundle.
pub fn examine(bytes: &[u8], demands: &Demands) -> Examined {
    let mut examined = Examined::default();
    match tar::read(bytes) {
        Err(why) => examined.problem(None, "the bundle", why),
        Ok(files) => match Evidence::from_files(&files) {
            Err(problem) => examined.problems.push(problem),
            Ok(evidence) => {
                examined.proofs(&evidence);
                examined.people(&evidence);
                examined.period(&evidence);
                examined.elsewhere(&evidence, demands);
                examined.same(&files, &evidence.render());
                examined.signed(&evidence);
                examined.log_key = Some(evidence.log_key.to_string());
                examined.snapshots = evidence.stored().len() as u64;
                examined.about = Some(evidence.about);
            }
        },
    }
    examined.ok = examined.problems.is_empty();
    examined
}

impl Examined {
    fn problem(&mut self, entry: Option<u64>, path: &str, what: impl Into<String>) {
        self.problems.push(Problem { entry, path: path.to_owned(), what: what.into() });
    }

    /// Checkpoint, entries, lists and earlier checkpoints.
    fn proofs(&mut self, evidence: &Evidence) {
        let checkpoint = match Checkpoint::open(&evidence.note, &evidence.log_key) {
            Ok(checkpoint) => checkpoint,
            Err(why) => return self.problem(None, "checkpoint/note", why),
        };
        let (size, root) = (checkpoint.size, checkpoint.root);
        let said = (evidence.about.log_entries, evidence.about.log_root);
        if said != (size, root) || evidence.about.vault != checkpoint.origin {
            self.problem(None, "evidence.json", "it is not about this checkpoint");
        }
        for (number, bytes) in &evidence.entries {
            let path = evidence.proofs.get(number).map(Vec::as_slice).unwrap_or_default();
            if merkle::includes(merkle::leaf(bytes), *number, size, path, &root) {
                self.entries += 1;
            } else {
                let what = "the log is not shown to contain it";
                self.problem(Some(*number), &entry_name(*number), what);
            }
        }
        for number in evidence.proofs.keys().filter(|n| !evidence.entries.contains_key(n)) {
            self.problem(Some(*number), &proof_name(*number), "it proves nothing that is here");
        }
        for (note, path) in &evidence.earlier {
            let earlier = Checkpoint::open(note, &evidence.log_key);
            let holds = earlier.is_ok_and(|earlier| {
                merkle::extends((earlier.size, &earlier.root), (size, &root), path)
            });
            if !holds {
                self.problem(None, "earlier", "the log is not shown to continue a checkpoint");
            }
        }
        for (hash, bytes) in &evidence.lists {
            let text = String::from_utf8_lossy(bytes);
            if Sha256::of(bytes) != *hash || Manifest::parse(&text).is_none() {
                self.problem(None, &format!("objects/{hash}"), "it does not hash to its name");
            }
        }
    }

    fn people(&mut self, evidence: &Evidence) {
        let entries = evidence.read();
        for number in evidence.entries.keys().filter(|n| !entries.iter().any(|(m, _)| m == *n)) {
            let what = "this program does not know what it says; use a newer one";
            self.problem(Some(*number), &entry_name(*number), what);
        }
        let people = signed::people(&entries);
        for signed in signed::signed(&evidence.about.vault, &entries) {
            match signed {
                Ok(signed) if signed.holds(&people) => self.signatures += 1,
                Ok(signed) => {
                    let what = format!("the signature is not of {}", signed.by);
                    self.problem(Some(signed.entry), "approvals", what);
                }
                Err(number) => {
                    let what = "what it answers is not in the bundle";
                    self.problem(Some(number), &entry_name(number), what);
                }
            }
        }
    }

    /// Nothing of the period is left out but what the bundle says is.
    fn period(&mut self, evidence: &Evidence) {
        let about = &evidence.about;
        let Some((first, last)) = about.first.zip(about.last) else {
            if !about.withheld.is_empty() || about.first.is_some() || about.last.is_some() {
                self.problem(None, "evidence.json", "it has a period without an end");
            }
            return;
        };
        let missing = |n: &u64| !evidence.entries.contains_key(n);
        if last >= about.log_entries || first > last {
            return self.problem(None, "evidence.json", "its period is not within the log");
        }
        let absent: Vec<u64> = (first..=last).filter(missing).collect();
        if absent != about.withheld {
            self.problem(None, "evidence.json", "it does not name what is left out");
        }
        if !absent.is_empty() && about.assets.is_empty() && about.chosen.is_empty() {
            self.problem(None, "evidence.json", "entries of the period are left out");
        }
        for (number, LogEntry { time, .. }) in evidence.read() {
            let within = about.from.is_none_or(|from| time >= from)
                && about.until.is_none_or(|until| time <= until);
            let beyond = number < first || number > last;
            let edge = number == first || number == last;
            if within && beyond || !within && edge {
                self.problem(Some(number), &entry_name(number), "it is on the wrong side");
            }
        }
        for number in [first.checked_sub(1), Some(last + 1)].into_iter().flatten() {
            if number < about.log_entries && missing(&number) {
                self.problem(Some(number), &entry_name(number), "it bounds the period; it is lost");
            }
        }
        if !absent.is_empty() {
            let text = format!("{} entries of the period are of other snapshots", absent.len());
            self.notes.push(text);
        }
    }

    /// What must hold besides the bundle agreeing with itself.
    fn elsewhere(&mut self, evidence: &Evidence, demands: &Demands) {
        match &demands.log_key {
            Some(key) if *key != evidence.log_key => {
                self.problem(None, "keys/log.vkey", "its log key is not the one given");
            }
            Some(_) => {}
            None => {
                self.notes.push("the log's key is the bundle's own word: give --log-key".into())
            }
        }
        for witness in &evidence.witnesses {
            match Checkpoint::cosigned_by(&evidence.note, witness) {
                Some(at) => drop(self.witnesses.insert(witness.name.clone(), at)),
                None => {
                    let name = format!("keys/witness-{}.vkey", plain(&witness.name));
                    self.problem(None, &name, "this witness has not cosigned the checkpoint");
                }
            }
        }
        for witness in &demands.witnesses {
            if Checkpoint::cosigned_by(&evidence.note, witness).is_none() {
                let what = format!("witness {} has not cosigned it", witness.name);
                self.problem(None, "checkpoint/note", what);
            }
        }
        if let Some(note) = &demands.checkpoint {
            let earlier = Checkpoint::open(note, &evidence.log_key);
            let included = earlier.is_ok_and(|earlier| {
                let known = evidence.earlier.iter().map(|(note, _)| note);
                known.chain([&evidence.note]).any(|note| {
                    Checkpoint::open(note, &evidence.log_key).is_ok_and(|known| known == earlier)
                })
            });
            if !included {
                let what = "the bundle does not show that the log continues it";
                self.problem(None, "the checkpoint given", what);
            }
        }
    }

    /// Every byte is what the parts give.
    fn same(&mut self, found: &tar::Files, made: &tar::Files) {
        let names: BTreeSet<&String> = found.keys().chain(made.keys()).collect();
        for name in names {
            match (found.get(name), made.get(name)) {
                (Some(a), Some(b)) if a == b => {}
                (Some(_), Some(_)) => self.problem(None, name, "it is not what it must be"),
                (Some(_), None) => self.problem(None, name, "it does not belong here"),
                (None, _) => self.problem(None, name, "it is missing"),
            }
        }
    }

    fn signed(&mut self, evidence: &Evidence) {
        let said = evidence.about.signed_by.as_deref();
        let (Some(key), Some(signature)) = (said, &evidence.signature) else {
            if said.is_some() || evidence.signature.is_some() {
                return self.problem(
                    None,
                    SIGNATURE,
                    "signature and signer do not belong together",
                );
            }
            let text = "nobody signed the list of files: texts for people and hashes of files \
                        within snapshots are its maker's word alone";
            return self.notes.push(text.to_owned());
        };
        let signer = VerifyingKey::parse(key);
        let Some(signer) = signer.filter(|key| key.verifies(&evidence.sums(), signature)) else {
            return self.problem(None, SUMS, "its signature is not of the key that is named");
        };
        if signer == evidence.log_key {
            self.signer = Some("the log's key".to_owned());
        } else if signed::people(&evidence.read()).get(&signer.name) == Some(&signer) {
            self.signer = Some(signer.name);
        } else {
            let text = format!("the log does not know {}, who signed the list", signer.name);
            self.notes.push(text);
        }
    }
}

impl Evidence {
    /// Takes the files of a bundle apart.
    fn from_files(files: &tar::Files) -> Result<Self, Problem> {
        let problem = |path: &str, what: &str| Problem {
            entry: None,
            path: path.to_owned(),
            what: what.to_owned(),
        };
        let get = |name: &str| files.get(name).ok_or_else(|| problem(name, "it is missing"));
        let text = |name: &str| {
            let text = std::str::from_utf8(get(name)?).map_err(|_| problem(name, "it is no text"));
            text.map(str::to_owned)
        };
        let key = |name: &str| {
            VerifyingKey::parse(&text(name)?).ok_or_else(|| problem(name, "it is no public key"))
        };
        let about: About = serde_json::from_slice(get("evidence.json")?)
            .map_err(|_| problem("evidence.json", "it cannot be read"))?;
        if about.format != 1 {
            return Err(problem("evidence.json", "it has a newer format; use a newer spandrel"));
        }
        let note = text("checkpoint/note")?;
        let mut made = Self {
            log_key: key("keys/log.vkey")?,
            witnesses: Vec::new(),
            note,
            entries: BTreeMap::new(),
            proofs: BTreeMap::new(),
            earlier: Vec::new(),
            lists: BTreeMap::new(),
            files: BTreeMap::new(),
            readme: get("README.txt")?.clone(),
            script: get("verify.py")?.clone(),
            signature: files.get(SIGNATURE).cloned(),
            about,
        };
        for (name, bytes) in files {
            let odd = || problem(name, "it cannot be read");
            let Some((folder, rest)) = name.split_once('/') else { continue };
            let stem = rest.split_once('.').map_or(rest, |(stem, _)| stem);
            match folder {
                "entries" => {
                    let number = stem.parse().map_err(|_| odd())?;
                    made.entries.insert(number, bytes.clone());
                }
                "proofs" => {
                    let number = stem.parse().map_err(|_| odd())?;
                    let hashes = proof(&text(name)?, number).ok_or_else(odd)?;
                    made.proofs.insert(number, hashes);
                }
                "objects" => {
                    let hash = Sha256::parse(rest).ok_or_else(odd)?;
                    made.lists.insert(hash, bytes.clone());
                }
                "files" => {
                    let id = Sha256::parse(stem).map(SnapshotId).ok_or_else(odd)?;
                    made.files.insert(id, text(name)?);
                }
                "keys" if rest.starts_with("witness-") && rest.ends_with(".vkey") => {
                    made.witnesses.push(key(name)?);
                }
                _ => {}
            }
        }
        made.earlier = earlier(files)?;
        Ok(made)
    }
}

/// Checkpoints seen before, with the proof of each.
fn earlier(files: &tar::Files) -> Result<Vec<(String, Vec<Sha256>)>, Problem> {
    let mut found = Vec::new();
    for place in 1u32.. {
        let name = format!("earlier/{place}.note");
        let Some(note) = files.get(&name) else { break };
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        let proof = files.get(&format!("earlier/{place}.proof"));
        let read = || Some((text(note)?, hashes(&text(proof?)?)?));
        let odd = || Problem {
            entry: None,
            path: name.clone(),
            what: "it and its proof cannot be read".to_owned(),
        };
        found.push(read().ok_or_else(odd)?);
    }
    Ok(found)
}

/// The hashes of a C2SP tlog-proof of this index.
fn proof(text: &str, index: u64) -> Option<Vec<Sha256>> {
    let rest = text.strip_prefix(PROOF)?.strip_prefix(&format!("\nindex {index}\n"))?;
    if rest.starts_with('\n') {
        return Some(Vec::new());
    }
    hashes(rest.split_once("\n\n")?.0)
}

fn hashes(lines: &str) -> Option<Vec<Sha256>> {
    let hash = |line: &str| Some(Sha256(STANDARD.decode(line).ok()?.try_into().ok()?));
    lines.lines().map(hash).collect()
}
