//! The end of a hold: two people and a delay.
//!
//! One asks, a second agrees, and [`Policy::release_delay_hours`](crate::Policy) later the holds
//! that there were when it was asked for end, unless anybody enrolled withdraws it. In vaults made
//! before there was a delay the holds end at once, until the rules say otherwise. Invariant: the
//! delay runs by the vault's own clock.

use crate::{
    custody::{is_enrolled, known},
    error::{Error, Result},
    event::{Event, SnapshotId},
    key::PersonKey,
    ledger::{Ledger, Request, approval_message, request_message},
    vault::Unlocked,
};
use model::Time;

/// What the second person's approval comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Approved {
    pub snapshot: SnapshotId,
    /// When the holds end.
    pub from: Time,
}

impl Ledger {
    pub(crate) fn release_at_once(
        &mut self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        self.may_approve(request, by, signature)?;
        if self.policy.release_delay_hours > 0 {
            return Err("it releases a hold without the delay".into());
        }
        self.releases.insert(request, self.clock());
        self.end_holds(self.clock());
        Ok(())
    }

    pub(crate) fn agree_release(
        &mut self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        self.may_approve(request, by, signature)?;
        // By the vault's clock: a time that an entry claims could lie in the past.
        let from = self.clock().plus_secs(i64::from(self.policy.release_delay_hours) * 3_600);
        self.releases.insert(request, from);
        Ok(())
    }

    pub(crate) fn withdraw_release(
        &mut self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        if !self.requests.contains_key(&request) {
            return Err(format!("no release {request} waits"));
        }
        self.signed(by, &withdrawing_release(&self.origin, request), signature)?;
        self.requests.remove(&request);
        self.releases.remove(&request);
        Ok(())
    }

    /// Ends the holds whose release has waited long enough by this clock.
    pub(crate) fn end_holds(&mut self, clock: Time) {
        let due: Vec<u64> =
            self.releases.iter().filter(|(_, from)| **from <= clock).map(|(n, _)| *n).collect();
        for number in due {
            self.releases.remove(&number);
            let Some(request) = self.requests.remove(&number) else { continue };
            // A snapshot that is not there has no holds.
            let Ok(record) = self.record(&request.snapshot) else { continue };
            for hold in &request.holds {
                record.holds.remove(hold);
            }
        }
    }
}

impl Unlocked {
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
    pub fn approve(&self, request: u64, person: &PersonKey, now: Time) -> Result<Approved> {
        let mut approved = None;
        self.append(now, |ledger| {
            let asked = ledger.requests.get(&request).ok_or_else(|| {
                Error::Refused(format!("no release {request} waits for approval"))
            })?;
            let signature = person.sign(&approval_message(&ledger.origin, request, asked));
            let by = person.name.clone();
            ledger.may_approve(request, &by, &signature).map_err(Error::Refused)?;
            let hours = ledger.policy.release_delay_hours;
            let from = ledger.clock_at(now).plus_secs(i64::from(hours) * 3_600);
            approved = Some(Approved { snapshot: asked.snapshot, from });
            Ok(if hours == 0 {
                Event::Released { request, by, signature }
            } else {
                Event::ReleaseAgreed { request, by, signature }
            })
        })?;
        Ok(approved.expect("the entry was written, so the request was found"))
    }

    /// Withdraws a release whose holds have not ended; any enrolled person may.
    pub fn withdraw_release(&self, request: u64, person: &PersonKey, now: Time) -> Result<()> {
        self.append(now, |ledger| {
            if !ledger.requests.contains_key(&request) {
                return Err(Error::Refused(format!("no release {request} waits")));
            }
            is_enrolled(ledger, person)?;
            let signature = person.sign(&withdrawing_release(&ledger.origin, request));
            Ok(Event::ReleaseWithdrawn { request, by: person.name.clone(), signature })
        })?;
        Ok(())
    }
}

pub(crate) fn withdrawing_release(origin: &str, request: u64) -> String {
    format!("spandrel vault: withdraw a release\n{origin}\n{request}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Policy, Sha256, State, Vault,
        event::Stored,
        manifest::Manifest,
        verify::{Demands, Directory, verify},
    };

    const NOON: Time = Time::from_secs(1_773_144_000);
    const DAY: i64 = 86_400;

    struct Setting {
        root: tempfile::TempDir,
        vault: Unlocked,
        people: [PersonKey; 3],
        held: SnapshotId,
    }

    /// A vault with a held snapshot, whose two enrolled people are anna and bert; carl is not.
    fn setting(policy: Policy) -> Setting {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let vault = Vault::init(&at("vault"), &at("key"), policy, NOON).unwrap();
        let people = ["anna", "bert", "carl"].map(|n| PersonKey::create(&at(n), n).unwrap());
        vault.enrol(&people[0], None, NOON).unwrap();
        vault.enrol(&people[1], None, NOON).unwrap();
        let held = SnapshotId(Sha256::of(b"snapshot"));
        let objects = vault.record(&Manifest::default()).unwrap();
        let stored = Stored {
            snapshot: held,
            asset: "press-4".into(),
            sources: Vec::new(),
            state: State::Complete,
            taken_at: NOON,
            retain_until: Some(NOON.plus_secs(14 * DAY)),
            files: 0,
            bytes: 0,
            entries_offered: 0,
            entries_stored: 0,
            faults: Vec::new(),
            faults_total: 0,
            warnings: Vec::new(),
            keep: None,
            objects,
        };
        vault.append(NOON, |_| Ok(Event::Snapshot(stored))).unwrap();
        vault.hold(held, "dispute 7", "eva", NOON).unwrap();
        Setting { root, vault, people, held }
    }

    impl Setting {
        fn is_held(&self) -> bool {
            !self.vault.vault().ledger().unwrap().snapshots[&self.held].holds.is_empty()
        }

        /// Days pass, and something is logged.
        fn day(&self, day: i64) {
            let objects = self.vault.record(&Manifest::default()).unwrap();
            let now = NOON.plus_secs(day * DAY);
            self.vault.append(now, |_| Ok(Event::Repaired { objects })).unwrap();
        }

        fn problems(&self) -> Vec<String> {
            let files = Directory(self.root.path().join("vault"));
            verify(&files, &Demands::default()).problems.into_iter().map(|p| p.what).collect()
        }
    }

    #[test]
    fn a_release_waits_three_days_after_the_second_person_and_spares_later_holds() {
        let s = setting(Policy::default());
        let [anna, bert, carl] = &s.people;
        let request = s.vault.ask_release(s.held, "settled", anna, NOON).unwrap();
        assert!(s.vault.approve(request, anna, NOON).is_err(), "the same person");
        assert!(s.vault.approve(request, carl, NOON).is_err(), "not enrolled");
        let approved = s.vault.approve(request, bert, NOON).unwrap();
        assert_eq!(approved, Approved { snapshot: s.held, from: NOON.plus_secs(3 * DAY) });
        assert!(s.vault.approve(request, bert, NOON).is_err(), "agreed already");
        s.day(2);
        assert!(s.is_held());
        s.vault.hold(s.held, "dispute 8", "eva", NOON.plus_secs(2 * DAY)).unwrap();
        s.day(3);
        let ledger = s.vault.vault().ledger().unwrap();
        let reasons: Vec<_> =
            ledger.snapshots[&s.held].holds.values().map(|hold| &hold.reason[..]).collect();
        assert_eq!(reasons, ["dispute 8"]);
        assert_eq!(s.problems(), Vec::<String>::new());
    }

    #[test]
    fn a_release_is_withdrawn_by_anybody_before_the_holds_end() {
        let s = setting(Policy::default());
        let [anna, bert, carl] = &s.people;
        let request = s.vault.ask_release(s.held, "settled", anna, NOON).unwrap();
        s.vault.approve(request, bert, NOON).unwrap();
        assert!(s.vault.withdraw_release(request, carl, NOON).is_err(), "not enrolled");
        s.vault.withdraw_release(request, bert, NOON).unwrap();
        s.day(9);
        assert!(s.is_held());
        assert!(s.vault.withdraw_release(request, bert, NOON).is_err(), "it is gone");
        assert_eq!(s.problems(), Vec::<String>::new());
    }

    #[test]
    fn with_all_keys_the_delay_is_not_left_out_unseen() {
        let s = setting(Policy::default());
        let [anna, bert, _] = &s.people;
        let request = s.vault.ask_release(s.held, "settled", anna, NOON).unwrap();
        let at_once = |ledger: &Ledger| {
            let asked = &ledger.requests[&request];
            let signature = bert.sign(&approval_message(&ledger.origin, request, asked));
            Ok(Event::Released { request, by: "bert".into(), signature })
        };
        s.vault.append(NOON, at_once).unwrap();
        assert!(s.is_held());
        assert_eq!(s.problems(), ["it releases a hold without the delay"]);
    }

    #[test]
    fn a_vault_without_the_delay_releases_at_once_and_takes_one_from_anybody() {
        let s = setting(Policy { release_delay_hours: 0, ..Policy::default() });
        let [anna, bert, _] = &s.people;
        let request = s.vault.ask_release(s.held, "settled", anna, NOON).unwrap();
        assert_eq!(s.vault.approve(request, bert, NOON).unwrap().from, NOON);
        assert!(!s.is_held());
        s.vault.set_policy(Policy::default(), "anna", NOON).unwrap();
        let shorter = Policy { release_delay_hours: 71, ..Policy::default() };
        assert!(s.vault.set_policy(shorter, "anna", NOON).is_err(), "two people");
        assert_eq!(s.problems(), Vec::<String>::new());
    }

    #[test]
    fn no_lock_reaches_beyond_the_bound_and_one_person_does_not_move_it() {
        let s = setting(Policy { lock_days_max: 100, ..Policy::default() });
        let until = |days: i64| NOON.plus_secs(days * DAY);
        assert!(s.vault.retain(s.held, until(101), "eve", NOON).is_err());
        s.vault.retain(s.held, until(100), "anna", NOON).unwrap();
        for bound in [0, 99, 101] {
            let moved = Policy { lock_days_max: bound, ..Policy::default() };
            assert!(s.vault.set_policy(moved, "eve", NOON).is_err(), "{bound}");
        }
        let less = Policy { lock_days_max: 10, ..Policy::default() };
        assert!(s.vault.ask_policy(less, &s.people[0], NOON).is_err(), "shorter than lock-days");
        // Who has the key can write what he likes; it does not count, and is seen.
        let (snapshot, until) = (s.held, until(40_000));
        let by = "eve".to_owned();
        s.vault.append(NOON, |_| Ok(Event::Retained { snapshot, until, by })).unwrap();
        let kept = s.vault.vault().ledger().unwrap().snapshots[&s.held].retain_until;
        assert_eq!(kept, Some(NOON.plus_secs(100 * DAY)));
        assert_eq!(s.problems().len(), 1);
    }
}
