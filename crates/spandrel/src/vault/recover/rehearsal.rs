//! A drill of one snapshot where its key is: restored, compared to the last byte, removed again.
//!
//! For an agent, on its host. Nothing is started: no command of a plan runs there. What it says is
//! in the form of every other drill. Not here: orders and words ([`server::work`]). Invariant: the
//! time to recover runs from the order to the last byte compared; what was restored is gone at the
//! end, however it went.

use super::{
    Recovery,
    product::{conclude, failures, follow, leftovers},
    steps::{Begun, Heard},
};
use crate::vault::{left_out, now, worker::Teller};
use anyhow::{Context as _, Result, bail};
use connectors::checks::SqliteIntegrity;
use serde_json::{Value, json};
use server::work::{Drill, DrillStep};
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::Path,
    time::{Duration, Instant},
};
use vault::{
    CHECKS, Check, Proof, Row, Sha256, SnapshotId, Unlocked,
    recovery::{Isolation, Mode, Outcome, Plan, StepRecord, Used},
};

const GROUP: &str = "on the host";
/// Steps: what each is called, and its kind in a plan.
const RESTORE: (&str, &str) = ("restore all of it", "restore");
const COMPARE: (&str, &str) = ("compare every file, open databases", "wait_for");
/// So much of the disk stays free.
pub const LEFT_FREE_BYTES: u64 = 256 << 20;

pub struct Order<'a> {
    pub snapshot: &'a str,
    /// Folder for what is restored.
    pub work: &'a Path,
    /// How long ago it was ordered.
    pub ordered_ms: u64,
}

/// Drills, telling `say` how far it is.
pub fn perform(
    vault: Unlocked,
    order: &Order<'_>,
    say: &mut dyn FnMut(&Drill) -> Result<()>,
) -> Result<Value> {
    leftovers(order.work);
    let id = vault.find(order.snapshot)?;
    let rows = vault.list()?;
    let row = rows.iter().find(|row| row.id == id).context("the snapshot is not there")?;
    room(order.work, row.bytes)?;
    let entry = vault.vault().ledger()?.snapshots.get(&id).map(|record| record.entry);
    let mut run = Rehearsal::begin(vault, row, order.ordered_ms)?;
    say(&run.drill)?;
    let proof = run.follow(&id, order.work, say)?;
    if let Err(error) = vault::remove_restored(&order.work.join("data")) {
        run.recovery.report.notes.push(format!("what was restored is still there: {error}"));
    }
    run.end(&id, &proof, entry)
}

/// A disk that is filled helps nobody.
pub fn room(work: &Path, bytes: u64) -> Result<()> {
    let free = free(work)?;
    if free < bytes.saturating_add(LEFT_FREE_BYTES) {
        let mib = |bytes: u64| bytes >> 20;
        bail!(
            "restoring takes {} MiB, and {} MiB of {} MiB free must stay: there is no room to try",
            mib(bytes),
            mib(LEFT_FREE_BYTES),
            mib(free)
        );
    }
    Ok(())
}

/// Bytes of the disk that are free.
pub fn free(work: &Path) -> Result<u64> {
    let disk = rustix::fs::statvfs(work).context("cannot see how much room there is")?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

struct Rehearsal {
    recovery: Recovery,
    drill: Drill,
}

impl Rehearsal {
    /// As if the host had been lost when it was ordered.
    fn begin(vault: Unlocked, row: &Row, ordered_ms: u64) -> Result<Self> {
        let name = format!("drill of {}", row.asset);
        let text =
            json!({"restore": row.id, "compare": "every file, by its hashes and its format"});
        let plan = Plan {
            name: name.clone(),
            about: String::new(),
            rto_target_secs: None,
            rpo_target_secs: None,
            fencing: None,
            isolation: Isolation::default(),
            canary: None,
            groups: Vec::new(),
        };
        let waited = Duration::from_millis(ordered_ms);
        let declared = Instant::now().checked_sub(waited).unwrap_or_else(Instant::now);
        let before = i64::try_from(declared.elapsed().as_nanos()).unwrap_or(0);
        let declared_at = now()?.plus_nanos(-before);
        let plan = (plan, Sha256::of(&serde_json::to_vec(&text)?));
        let mut recovery = Recovery::declared(plan, vault, Mode::Drill, (declared, declared_at))?;
        let used = Used { id: row.id, asset: row.asset.clone(), time: row.time };
        recovery.report.snapshots.push(used);
        let age = declared_at.since(row.time) / 1_000_000;
        recovery.report.rpo_ms = Some(u64::try_from(age).unwrap_or(0));
        let planned = [RESTORE, COMPARE].map(|(title, kind)| DrillStep {
            group: GROUP.to_owned(),
            title: title.to_owned(),
            kind: kind.to_owned(),
        });
        let drill = Drill {
            id: recovery.report.id.clone(),
            plan: name,
            declared_at: Some(declared_at),
            planned: planned.to_vec(),
            ..Drill::default()
        };
        Ok(Self { recovery, drill })
    }

    fn follow(
        &mut self,
        id: &SnapshotId,
        work: &Path,
        say: &mut dyn FnMut(&Drill) -> Result<()>,
    ) -> Result<Proof> {
        let root = work.join("data");
        let mut proof = Proof::default();
        self.step(RESTORE, say, |vault| {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
            let done = vault.extract_watched(id, &root, None, false, &Teller::writing(&root))?;
            if let Some(fault) = done.errors.first() {
                let n = done.errors.len();
                bail!("{n} files were not restored, the first {}: {}", fault.path, fault.error);
            }
            let left_out = left_out(done.left_out);
            Ok(format!("{} files and links, {} bytes{left_out}", done.files, done.bytes))
        })?;
        let restored = self.recovery.report.steps.iter().all(|step| step.outcome == Outcome::Ok);
        self.step(COMPARE, say, |vault| {
            if !restored {
                bail!("not all of it was restored");
            }
            let mut checks: Vec<&dyn Check> = vec![&SqliteIntegrity];
            checks.extend(CHECKS);
            proof = vault.compare_restored(id, &root, &checks, &Teller::new(None))?;
            match proof.errors.first() {
                Some(fault) => {
                    let n = proof.errors.len();
                    bail!("{n} are not as they were, the first {}: {}", fault.path, fault.error)
                }
                None => Ok(seen(&proof)),
            }
        })?;
        Ok(proof)
    }

    /// One step: its times, and what was seen.
    fn step(
        &mut self,
        (title, kind): (&str, &str),
        say: &mut dyn FnMut(&Drill) -> Result<()>,
        work: impl FnOnce(&Unlocked) -> Result<String>,
    ) -> Result<()> {
        let (group, title, kind) = (GROUP.to_owned(), title.to_owned(), kind.to_owned());
        let started_ms = self.elapsed_ms();
        let begun = Begun { group, title, kind, started_ms };
        follow(&mut self.drill, &self.recovery, &Heard::Begun(begun.clone()));
        say(&self.drill)?;
        let (outcome, detail) = match work(&self.recovery.vault) {
            Ok(detail) => (Outcome::Ok, detail),
            Err(error) => (Outcome::Failed, format!("{error:#}")),
        };
        let Begun { group, title, kind, started_ms } = begun;
        let (ended_ms, by) = (self.elapsed_ms(), Vec::new());
        let record = StepRecord { group, title, kind, started_ms, ended_ms, outcome, detail, by };
        self.recovery.report.steps.push(record.clone());
        follow(&mut self.drill, &self.recovery, &Heard::Ended(record));
        say(&self.drill)
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.recovery.declared.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Concludes, and puts the hash of the report and the proof into the vault's log.
    fn end(mut self, id: &SnapshotId, proof: &Proof, snapshot_entry: Option<u64>) -> Result<Value> {
        let (_, entry) = self.recovery.conclude()?;
        conclude(&mut self.drill, &self.recovery);
        match entry {
            Ok(entry) => self.drill.log_entry = Some(entry),
            Err(error) => {
                self.drill.notes.push(format!("it is not in the vault's log: {error}"));
            }
        }
        let report = &self.recovery.report;
        if report.ok
            && let Err(error) = self.recovery.vault.prove_recovered(id, now()?)
        {
            self.drill.notes.push(format!("the proof is not in the vault's log: {error}"));
        }
        Ok(json!({
            "drill": self.drill, "report": report, "errors": failures(&self.recovery),
            "files": proof.files, "bytes": proof.bytes, "entry": snapshot_entry,
        }))
    }
}

/// What a comparison without a fault came to.
fn seen(proof: &Proof) -> String {
    let formats = proof.checked.iter().map(|(name, count)| format!("{count} {name}"));
    let formats: Vec<String> = formats.collect();
    let opened = match formats.is_empty() {
        true => String::new(),
        false => format!("; opened by their format: {}", formats.join(", ")),
    };
    let large = match proof.too_large {
        0 => String::new(),
        n => format!("; {n} too large for that"),
    };
    let (files, bytes, besides) = (proof.files, proof.bytes, left_out(proof.left_out));
    format!("{files} files, {bytes} bytes have every hash{opened}{large}{besides}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_content_to_compare_is_said() {
        let mut proof = Proof { files: 2, bytes: 9, ..Proof::default() };
        assert_eq!(seen(&proof), "2 files, 9 bytes have every hash");
        proof.left_out = 1;
        let one = "2 files, 9 bytes have every hash; 1 device, pipe or socket left out, what uses \
                   it makes it";
        assert_eq!(seen(&proof), one);
        (proof.left_out, proof.too_large) = (3, 1);
        proof.checked.insert("json", 2);
        let all = "2 files, 9 bytes have every hash; opened by their format: 2 json; 1 too large \
                   for that; 3 devices, pipes and sockets left out, what uses them makes them";
        assert_eq!(seen(&proof), all);
    }
}
