//! The state of a vault, folded from its log: snapshots, locks, holds, people, objects.
//!
//! Needs no key. Invariant: the fold never trusts an entry; one that breaks a rule (a lock made
//! shorter, a held snapshot deleted, a release without a second person) is a [`Violation`] with
//! its number, and changes nothing it may not.

use crate::{
    digest::Sha256,
    event::{Event, Keep, LockMode, LogEntry, ObjectChange, Policy, SnapshotId, State, Stored},
    key::is_signed,
    limits::EXPIRY_STEP_MAX_SECS,
    log::VerifyingKey,
    recovery::Occasion,
    source::Fault,
    undelete::Withdrawn,
    weaken::Weaker,
};
use model::Time;
use serde::Serialize;
use std::collections::BTreeMap;

pub struct Ledger {
    pub origin: String,
    pub description: Option<Sha256>,
    pub policy: Policy,
    pub snapshots: BTreeMap<SnapshotId, Record>,
    /// Who may ask for and approve releases, by name.
    pub people: BTreeMap<String, VerifyingKey>,
    /// Releases that wait for a second person, by the number of their entry.
    pub requests: BTreeMap<u64, Request>,
    /// Of these, the ones that were agreed to, and when their holds end.
    pub releases: BTreeMap<u64, Time>,
    /// Weaker rules that wait for a second person or for the delay, by the number of their entry.
    pub weaker: BTreeMap<u64, Weaker>,
    /// Deleted snapshots that can be taken back.
    pub withdrawn: BTreeMap<SnapshotId, Withdrawn>,
    /// Lists of objects that came and went, in order.
    pub changes: Vec<(u64, ObjectChange)>,
    pub violations: Vec<Violation>,
    /// To whom the vault was given; nothing but a promotion may follow.
    pub handed_over: Option<String>,
    /// Entries folded so far.
    pub size: u64,
    /// What locks expire by: follows the entries' times, never back and never far at once.
    clock: Time,
    started: bool,
}

/// A snapshot the log knows.
#[derive(Clone, Debug)]
pub struct Record {
    pub snapshot: SnapshotId,
    /// Number of the entry that brought it.
    pub entry: u64,
    /// When the vault logged it; what retention goes by.
    pub time: Time,
    pub asset: String,
    pub sources: Vec<String>,
    pub state: State,
    pub files: u64,
    pub bytes: u64,
    /// What a person should know of how it was read.
    pub warnings: Vec<Fault>,
    pub retain_until: Option<Time>,
    /// Rules of its own, besides the vault's.
    pub keep: Option<Keep>,
    pub holds: BTreeMap<u64, Hold>,
    /// Last restore or verification that read all of it and found every file right.
    pub verified_at: Option<Time>,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Hold {
    pub reason: String,
    pub by: String,
    pub since: Time,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Request {
    pub snapshot: SnapshotId,
    pub holds: Vec<u64>,
    pub reason: String,
    pub by: String,
}

/// An entry that breaks a rule.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    pub entry: u64,
    pub what: String,
}

impl Ledger {
    pub fn new(origin: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            description: None,
            policy: Policy::default(),
            snapshots: BTreeMap::new(),
            people: BTreeMap::new(),
            requests: BTreeMap::new(),
            releases: BTreeMap::new(),
            weaker: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            changes: Vec::new(),
            violations: Vec::new(),
            handed_over: None,
            size: 0,
            clock: Time::default(),
            started: false,
        }
    }

    /// The clock that locks expire by, as of the last entry.
    pub(crate) fn clock(&self) -> Time {
        self.clock
    }

    /// The clock that locks expire by, at `now` of the machine.
    pub fn clock_at(&self, now: Time) -> Time {
        now.clamp(self.clock, self.clock.plus_secs(EXPIRY_STEP_MAX_SECS))
    }

    /// Number of the entry that brought the snapshot; after all others what the log does not know.
    /// Snapshots go by it and not by their times, since a clock that was ahead once would leave one
    /// the newest for years.
    pub fn place_of(&self, snapshot: &SnapshotId) -> u64 {
        // Deleted, and its file is still there, as after a crash: older than all.
        let unknown = if self.withdrawn.contains_key(snapshot) { 0 } else { u64::MAX };
        self.snapshots.get(snapshot).map_or(unknown, |record| record.entry)
    }

    /// Takes in entry number `number`.
    pub fn fold(&mut self, number: u64, bytes: &[u8]) {
        self.size = number + 1;
        let result = match serde_json::from_slice::<LogEntry>(bytes) {
            Ok(LogEntry { time, event }) => {
                self.clock = if self.started { self.clock_at(time) } else { time };
                self.started = true;
                self.come_into_force(self.clock);
                self.apply(number, time, event)
            }
            Err(error) => Err(format!("it is no entry of a vault: {error}")),
        };
        if let Err(what) = result {
            self.violations.push(Violation { entry: number, what });
        }
    }

    fn apply(&mut self, number: u64, time: Time, event: Event) -> Result<(), String> {
        self.succeed(number, &event)?;
        match event {
            Event::Init { description, objects, policy } => {
                if number != 0 {
                    return Err("a vault begins once".into());
                }
                self.description = Some(description);
                self.changes.push((number, objects));
                self.policy = policy;
            }
            Event::Snapshot(stored) | Event::Adopted(stored) => self.store(number, time, stored)?,
            Event::Repaired { objects } | Event::Pruned { objects } => {
                self.changes.push((number, objects));
            }
            Event::Retained { snapshot, until, .. } => {
                self.may_lock(until, self.clock)?;
                let record = self.record(&snapshot)?;
                if record.retain_until.is_some_and(|now| now > until) {
                    return Err(format!("it shortens the lock of snapshot {snapshot}"));
                }
                record.retain_until = Some(until);
            }
            Event::Hold { snapshot, reason, by } => {
                let hold = Hold { reason, by, since: time };
                self.record(&snapshot)?.holds.insert(number, hold);
            }
            Event::Person { key, by, signature } => self.enrol(&key, by, signature)?,
            Event::ReleaseAsked { snapshot, holds, reason, by, signature } => {
                let request = Request { snapshot, holds, reason, by };
                self.may_ask(&request, &signature)?;
                self.requests.insert(number, request);
            }
            Event::Released { request, by, signature } => {
                self.release_at_once(request, &by, &signature)?;
            }
            Event::ReleaseAgreed { request, by, signature } => {
                self.agree_release(request, &by, &signature)?;
            }
            Event::ReleaseWithdrawn { request, by, signature } => {
                self.withdraw_release(request, &by, &signature)?;
            }
            Event::Undeleted { snapshot, until, objects, .. } => {
                self.changes.push((number, objects));
                self.undelete(&snapshot, until)?;
            }
            Event::Forgot { snapshots, objects } => {
                self.changes.push((number, objects));
                self.forget(&snapshots)?;
            }
            // The first two were looked at above; the third is said for people.
            Event::Promoted { .. } | Event::HandedOver { .. } | Event::Escrowed { .. } => {}
            Event::Recovery { id, plan_sha256, approvals, .. } => {
                let occasion = Occasion { vault: &self.origin, plan: &plan_sha256, id: &id };
                if let Some(bad) = approvals.iter().find(|a| !a.holds(&self.people, occasion)) {
                    return Err(format!("the approval of {} is not of {}", bad.step, bad.by));
                }
            }
            Event::Restored { snapshot, whole, .. } | Event::Verified { snapshot, whole, .. } => {
                if whole {
                    self.record(&snapshot)?.verified_at = Some(time);
                }
            }
            rules => self.apply_rules(number, rules)?,
        }
        Ok(())
    }

    /// New rules, and what becomes of those that keep less.
    fn apply_rules(&mut self, number: u64, event: Event) -> Result<(), String> {
        match event {
            Event::Policy { policy, .. } => {
                self.may_change_policy(&policy)?;
                self.policy = policy;
                Ok(())
            }
            Event::PolicyAsked { policy, by, signature } => {
                self.ask_weaker(number, policy, &by, &signature)
            }
            Event::PolicyAgreed { request, by, signature } => {
                self.agree_weaker(request, &by, &signature)
            }
            Event::PolicyWithdrawn { request, by, signature } => {
                self.withdraw_weaker(request, &by, &signature)
            }
            other => Err(format!("this is not about rules: {other:?}")),
        }
    }

    /// Whether this entry may follow: after a vault was handed over only a promotion does.
    fn succeed(&mut self, number: u64, event: &Event) -> Result<(), String> {
        let given = self.handed_over.take();
        match event {
            Event::Promoted { from, .. } if *from != number => {
                return Err(format!("it says that it follows {from} entries"));
            }
            Event::Promoted { .. } => return Ok(()),
            Event::HandedOver { to, .. } => self.handed_over = Some(to.clone()),
            _ => {}
        }
        match given {
            Some(to) => Err(format!("it was written after the vault had been handed over to {to}")),
            None => Ok(()),
        }
    }

    fn store(&mut self, number: u64, time: Time, stored: Stored) -> Result<(), String> {
        self.changes.push((number, stored.objects));
        let from = time.max(self.clock);
        let locked = from.plus_secs(i64::from(self.policy.lock_days) * 86_400);
        // By the vault's clock: an entry may claim any time.
        let most = self.locks_end(self.clock);
        let locked = most.map_or(locked, |most| locked.min(most));
        let short = self.policy.lock_days > 0 && stored.retain_until.is_none_or(|u| u < locked);
        let long = stored.retain_until.zip(most).is_some_and(|(until, most)| until > most);
        let record = Record {
            snapshot: stored.snapshot,
            entry: number,
            time,
            asset: stored.asset,
            sources: stored.sources,
            state: stored.state,
            files: stored.files,
            bytes: stored.bytes,
            warnings: stored.warnings,
            retain_until: if long { most } else { stored.retain_until },
            keep: stored.keep,
            holds: BTreeMap::new(),
            verified_at: None,
        };
        self.snapshots.entry(stored.snapshot).or_insert(record);
        if long {
            return Err("its lock is longer than the policy allows".into());
        }
        if short { Err("its lock is shorter than the policy says".into()) } else { Ok(()) }
    }

    /// What no lock made at this time reaches beyond.
    pub fn locks_end(&self, from: Time) -> Option<Time> {
        let days = self.policy.lock_days_max;
        (days > 0).then(|| from.plus_secs(i64::from(days) * 86_400))
    }

    /// Whether a lock made at `clock` may reach so far.
    pub(crate) fn may_lock(&self, until: Time, clock: Time) -> Result<(), String> {
        match self.locks_end(clock) {
            Some(most) if until > most => {
                let days = self.policy.lock_days_max;
                Err(format!("no lock reaches further than {days} days, which is until {most}"))
            }
            _ => Ok(()),
        }
    }

    /// Whether one person may set these rules now.
    pub fn may_change_policy(&self, new: &Policy) -> Result<(), String> {
        self.may_become(new)?;
        if self.needs_two(new) {
            let text = "rules that keep less, and another lock-days-max, need two people: say who \
                        you are with --as FILE; a second person approves, and 72 hours later they \
                        come into force";
            return Err(text.into());
        }
        Ok(())
    }

    /// Whether the rules in force allow these ones to follow, whoever agrees.
    pub(crate) fn may_become(&self, new: &Policy) -> Result<(), String> {
        let locked = self.policy.mode == LockMode::Locked;
        if locked && new.mode != LockMode::Locked {
            return Err("a locked retention cannot be unlocked".into());
        }
        if locked && new.lock_days < self.policy.lock_days {
            let days = self.policy.lock_days;
            return Err(format!("a locked retention only grows; it is {days} days"));
        }
        if new.lock_days_max > 0 && new.lock_days > new.lock_days_max {
            return Err("lock-days is more than lock-days-max".into());
        }
        Ok(())
    }

    fn enrol(
        &mut self,
        key: &str,
        by: Option<String>,
        signature: Option<String>,
    ) -> Result<(), String> {
        let key = VerifyingKey::parse(key).ok_or("the person's key is not a verifier key")?;
        if self.people.contains_key(&key.name) {
            return Err(format!("{} is enrolled already", key.name));
        }
        if self.people.len() >= 2 {
            let by = by.ok_or("a third person needs the signature of an enrolled one")?;
            let signer = self.people.get(&by).ok_or(format!("{by} is not enrolled"))?;
            let message = person_message(&self.origin, &key);
            if !is_signed(signer, &message, signature.as_deref().unwrap_or_default()) {
                return Err(format!("the signature is not of {by}"));
            }
        }
        self.people.insert(key.name.clone(), key);
        Ok(())
    }

    /// Whether this request may be made.
    pub fn may_ask(&self, request: &Request, signature: &str) -> Result<(), String> {
        let by = &request.by;
        let signer = self.people.get(by).ok_or(format!("{by} is not enrolled"))?;
        if !is_signed(signer, &request_message(&self.origin, request), signature) {
            return Err(format!("the signature is not of {by}"));
        }
        Ok(())
    }

    /// Whether `by` may approve the request with this number.
    pub fn may_approve(&self, number: u64, by: &str, signature: &str) -> Result<(), String> {
        let request = self.requests.get(&number);
        let request = request.ok_or(format!("no release {number} waits for approval"))?;
        if let Some(from) = self.releases.get(&number) {
            return Err(format!("{number} has been agreed to; the holds end at {from}"));
        }
        if request.by == by {
            return Err(format!("{by} asked for it; a second person must approve"));
        }
        let signer = self.people.get(by).ok_or(format!("{by} is not enrolled"))?;
        if !is_signed(signer, &approval_message(&self.origin, number, request), signature) {
            return Err(format!("the signature is not of {by}"));
        }
        Ok(())
    }

    /// Removes what may go; names the first that may not.
    fn forget(&mut self, snapshots: &[SnapshotId]) -> Result<(), String> {
        let clock = self.clock;
        let mut broken = None;
        for snapshot in snapshots {
            let Some(record) = self.snapshots.remove(snapshot) else {
                broken.get_or_insert(format!("it deletes snapshot {snapshot}, which is not there"));
                continue;
            };
            if let Some(hold) = record.holds.values().next() {
                let reason = &hold.reason;
                broken.get_or_insert(format!(
                    "it deletes snapshot {snapshot}, which is held: {reason}"
                ));
            }
            if let Some(until) = record.retain_until.filter(|until| *until > clock) {
                broken.get_or_insert(format!(
                    "it deletes snapshot {snapshot}, which is locked until {until}"
                ));
            }
            let until = clock.plus_secs(i64::from(self.policy.undelete_days) * 86_400);
            self.withdrawn.insert(*snapshot, Withdrawn { record, at: clock, until });
        }
        broken.map_or(Ok(()), Err)
    }

    pub(crate) fn record(&mut self, snapshot: &SnapshotId) -> Result<&mut Record, String> {
        self.snapshots.get_mut(snapshot).ok_or(format!("there is no snapshot {snapshot}"))
    }
}

/// What an enrolled person signs to enrol another.
pub fn person_message(origin: &str, key: &VerifyingKey) -> String {
    format!("spandrel vault: enrol a person\n{origin}\n{key}\n")
}

/// What a person signs to ask for a release.
pub fn request_message(origin: &str, request: &Request) -> String {
    let Request { snapshot, holds, reason, by } = request;
    format!("spandrel vault: ask for a release\n{origin}\n{snapshot}\n{holds:?}\n{by}\n{reason}\n")
}

/// What a second person signs to approve it.
pub fn approval_message(origin: &str, number: u64, request: &Request) -> String {
    let Request { snapshot, holds, reason, by } = request;
    format!(
        "spandrel vault: approve a release\n{origin}\n{number}\n{snapshot}\n{holds:?}\n{by}\n\
         {reason}\n"
    )
}

#[cfg(test)]
impl Record {
    pub fn for_test(snapshot: SnapshotId, asset: &str, time: Time, state: State) -> Self {
        Self {
            snapshot,
            entry: 0,
            time,
            asset: asset.into(),
            sources: Vec::new(),
            state,
            files: 0,
            bytes: 0,
            warnings: Vec::new(),
            retain_until: None,
            keep: None,
            holds: BTreeMap::new(),
            verified_at: None,
        }
    }
}

#[cfg(test)]
impl Hold {
    pub fn for_test() -> Self {
        Self { reason: "dispute".into(), by: "eva".into(), since: Time::default() }
    }
}

#[cfg(test)]
impl Ledger {
    /// A ledger of these records in this order, whose clock stands at the newest.
    pub fn for_test(records: Vec<Record>, policy: Policy) -> Self {
        let clock = records.iter().map(|r| r.time).max().unwrap_or_default();
        let in_order = (0..).zip(records);
        let snapshots = in_order.map(|(entry, r)| (r.snapshot, Record { entry, ..r })).collect();
        Self { policy, snapshots, clock, started: true, ..Self::new("test") }
    }
}
