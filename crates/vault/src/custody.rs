//! What protects snapshots beyond their lock: holds, longer locks, rules, and the people whom a
//! release needs two of.
//!
//! Invariant: every rule is checked against the log in the same turn in which the entry is
//! written, and again by everyone who reads the log later.

use crate::{
    error::{Error, Result},
    event::{Event, Policy, SnapshotId},
    key::PersonKey,
    ledger::{Ledger, Request, approval_message, person_message, request_message},
    vault::Unlocked,
};
use model::Time;

impl Unlocked {
    /// Puts a snapshot under legal hold; nothing deletes it until two people release it.
    pub fn hold(&self, snapshot: SnapshotId, reason: &str, by: &str, now: Time) -> Result<u64> {
        self.append(now, |ledger| {
            known(ledger, &snapshot)?;
            Ok(Event::Hold { snapshot, reason: reason.to_owned(), by: by.to_owned() })
        })
    }

    /// Makes the lock of a snapshot longer.
    pub fn retain(&self, snapshot: SnapshotId, until: Time, by: &str, now: Time) -> Result<u64> {
        self.append(now, |ledger| {
            known(ledger, &snapshot)?;
            let locked = ledger.snapshots.get(&snapshot).and_then(|record| record.retain_until);
            match locked {
                Some(locked) if locked > until => {
                    Err(Error::Refused(format!("it is locked until {locked}; a lock only grows")))
                }
                _ => Ok(Event::Retained { snapshot, until, by: by.to_owned() }),
            }
        })
    }

    /// Sets the rules of retention.
    pub fn set_policy(&self, policy: Policy, by: &str, now: Time) -> Result<u64> {
        self.append(now, |ledger| {
            ledger.may_change_policy(&policy).map_err(Error::Refused)?;
            Ok(Event::Policy { policy, by: by.to_owned() })
        })
    }

    /// Enrols a person; the third and every later one with the signature of an enrolled one.
    pub fn enrol(&self, person: &PersonKey, by: Option<&PersonKey>, now: Time) -> Result<u64> {
        self.append(now, |ledger| {
            let key = person.public();
            if ledger.people.contains_key(&key.name) {
                return Err(Error::Refused(format!("{} is enrolled already", key.name)));
            }
            if ledger.people.len() >= 2 {
                let by = by.ok_or_else(|| {
                    Error::Refused("a third person needs an enrolled one: give --as".to_owned())
                })?;
                is_enrolled(ledger, by)?;
            }
            Ok(Event::Person {
                key: key.to_string(),
                by: by.map(|by| by.name.clone()),
                signature: by.map(|by| by.sign(&person_message(&ledger.origin, &key))),
            })
        })
    }

    /// Asks for the release of all holds of a snapshot; the number to approve.
    pub fn ask_release(
        &self,
        snapshot: SnapshotId,
        reason: &str,
        person: &PersonKey,
        now: Time,
    ) -> Result<u64> {
        self.append(now, |ledger| {
            known(ledger, &snapshot)?;
            let holds: Vec<u64> = ledger
                .snapshots
                .get(&snapshot)
                .into_iter()
                .flat_map(|r| r.holds.keys())
                .copied()
                .collect();
            if holds.is_empty() {
                return Err(Error::Refused(format!("snapshot {snapshot} is not held")));
            }
            is_enrolled(ledger, person)?;
            if ledger.people.len() < 2 {
                let text = "only one person is enrolled, so nobody could approve; `vault person` \
                            enrols another";
                return Err(Error::Refused(text.to_owned()));
            }
            let (by, reason) = (person.name.clone(), reason.to_owned());
            let request = Request { snapshot, holds, reason, by };
            let signature = person.sign(&request_message(&ledger.origin, &request));
            ledger.may_ask(&request, &signature).map_err(Error::Refused)?;
            let Request { snapshot, holds, reason, by } = request;
            Ok(Event::ReleaseAsked { snapshot, holds, reason, by, signature })
        })
    }

    /// Approves a release as the second person.
    pub fn approve(&self, request: u64, person: &PersonKey, now: Time) -> Result<SnapshotId> {
        let mut released = None;
        self.append(now, |ledger| {
            let asked = ledger.requests.get(&request).ok_or_else(|| {
                Error::Refused(format!("no release {request} waits for approval"))
            })?;
            let signature = person.sign(&approval_message(&ledger.origin, request, asked));
            let by = person.name.clone();
            ledger.may_approve(request, &by, &signature).map_err(Error::Refused)?;
            released = Some(asked.snapshot);
            Ok(Event::Released { request, by, signature })
        })?;
        Ok(released.expect("the entry was written, so the request was found"))
    }
}

pub(crate) fn known(ledger: &Ledger, snapshot: &SnapshotId) -> Result<()> {
    if ledger.snapshots.contains_key(snapshot) {
        return Ok(());
    }
    Err(Error::NoSnapshot(snapshot.to_string()))
}

pub(crate) fn is_enrolled(ledger: &Ledger, person: &PersonKey) -> Result<()> {
    if ledger.people.get(&person.name) == Some(&person.public()) {
        return Ok(());
    }
    let name = &person.name;
    Err(Error::Refused(format!("{name} is not enrolled with this key; see `vault person`")))
}
