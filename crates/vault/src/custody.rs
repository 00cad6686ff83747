//! What protects snapshots beyond their lock: holds, longer locks, rules, and the people whom a
//! release needs two of.
//!
//! Not here: releases ([`crate::release`]), weaker rules ([`crate::weaken`]). Invariant: every
//! rule is checked against the log in the same turn in which the entry is written, and again by
//! everyone who reads the log later.

use crate::{
    error::{Error, Result},
    event::{Event, Policy, SnapshotId},
    key::PersonKey,
    ledger::{Ledger, person_message},
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
            ledger.may_lock(until, ledger.clock_at(now)).map_err(Error::Refused)?;
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
