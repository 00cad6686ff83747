//! Weaker rules: two people and three days.
//!
//! As soon as two people are enrolled, nobody alone makes a vault keep less: one asks, a second
//! agrees, and [`WEAKENING_DELAY_SECS`] later it comes into force, unless anybody enrolled
//! withdraws it. Not here: rules that keep more, which need nobody, and releases of holds
//! ([`crate::release`]). Invariant: the delay runs by the vault's own clock, which a machine's
//! clock moves by [`EXPIRY_STEP_MAX_SECS`](crate::limits::EXPIRY_STEP_MAX_SECS) an entry at most.

use crate::{
    custody::is_enrolled,
    error::{Error, Result},
    event::{Event, Policy},
    key::{PersonKey, is_signed},
    ledger::Ledger,
    limits::WEAKENING_DELAY_SECS,
    vault::Unlocked,
};
use model::Time;

/// Rules that keep less, and who asked for them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Weaker {
    pub policy: Policy,
    pub by: String,
    /// When they come into force; `None` as long as nobody has agreed.
    pub from: Option<Time>,
}

/// Whether `new` keeps anything for a shorter time than `old`, or moves the bound of locks: a
/// further one lets who has the key fill the vault, a nearer one forbids locks that were allowed.
pub fn is_weaker(old: &Policy, new: &Policy) -> bool {
    let counts = |policy: &Policy| {
        let keep = &policy.keep;
        [
            policy.lock_days,
            keep.last,
            keep.hourly,
            keep.daily,
            keep.weekly,
            keep.monthly,
            keep.yearly,
            policy.undelete_days,
            policy.release_delay_hours,
        ]
    };
    let moved = old.lock_days_max > 0 && old.lock_days_max != new.lock_days_max;
    moved || counts(old).iter().zip(counts(new)).any(|(old, new)| new < *old)
}

impl Ledger {
    /// Whether one person alone may set these rules.
    pub(crate) fn needs_two(&self, new: &Policy) -> bool {
        self.people.len() >= 2 && is_weaker(&self.policy, new)
    }

    pub(crate) fn ask_weaker(
        &mut self,
        number: u64,
        policy: Policy,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        self.may_become(&policy)?;
        self.signed(by, &asking(&self.origin, &policy, by), signature)?;
        self.weaker.insert(number, Weaker { policy, by: by.to_owned(), from: None });
        Ok(())
    }

    pub(crate) fn may_agree(
        &self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        let asked = self.waiting(request)?;
        if asked.from.is_some() {
            return Err(format!("{request} has been agreed to"));
        }
        if asked.by == by {
            return Err(format!("{by} asked for it; a second person must approve"));
        }
        self.signed(by, &agreeing(&self.origin, request, asked), signature)
    }

    pub(crate) fn agree_weaker(
        &mut self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        self.may_agree(request, by, signature)?;
        // By the vault's clock: a time that an entry claims could lie in the past.
        let from = self.clock().plus_secs(WEAKENING_DELAY_SECS);
        if let Some(asked) = self.weaker.get_mut(&request) {
            asked.from = Some(from);
        }
        Ok(())
    }

    pub(crate) fn withdraw_weaker(
        &mut self,
        request: u64,
        by: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        self.waiting(request)?;
        self.signed(by, &withdrawing(&self.origin, request), signature)?;
        self.weaker.remove(&request);
        Ok(())
    }

    /// What has waited long enough by this clock comes into force, in the order of its entries.
    pub(crate) fn come_into_force(&mut self, clock: Time) {
        let due = |weaker: &Weaker| weaker.from.is_some_and(|from| from <= clock);
        let numbers: Vec<u64> =
            self.weaker.iter().filter(|(_, w)| due(w)).map(|(number, _)| *number).collect();
        for number in numbers {
            let Some(weaker) = self.weaker.remove(&number) else { continue };
            // Rules that were made stronger and locked meanwhile stay.
            if self.may_become(&weaker.policy).is_ok() {
                self.policy = weaker.policy;
            }
        }
        self.end_holds(clock);
        self.withdrawn.retain(|_, withdrawn| withdrawn.until > clock);
    }

    fn waiting(&self, request: u64) -> std::result::Result<&Weaker, String> {
        self.weaker.get(&request).ok_or(format!("no weaker rules {request} wait for approval"))
    }

    pub(crate) fn signed(
        &self,
        by: &str,
        message: &str,
        signature: &str,
    ) -> std::result::Result<(), String> {
        let signer = self.people.get(by).ok_or(format!("{by} is not enrolled"))?;
        let fine = is_signed(signer, message, signature);
        if fine { Ok(()) } else { Err(format!("the signature is not of {by}")) }
    }
}

impl Unlocked {
    /// Asks for weaker rules; the number to approve.
    pub fn ask_policy(&self, policy: Policy, person: &PersonKey, now: Time) -> Result<u64> {
        self.append(now, |ledger| {
            ledger.may_become(&policy).map_err(Error::Refused)?;
            is_enrolled(ledger, person)?;
            let by = person.name.clone();
            let signature = person.sign(&asking(&ledger.origin, &policy, &by));
            Ok(Event::PolicyAsked { policy, by, signature })
        })
    }

    /// Agrees as the second person; when the rules come into force.
    pub fn agree_policy(&self, request: u64, person: &PersonKey, now: Time) -> Result<Time> {
        let mut from = now;
        self.append(now, |ledger| {
            let asked = ledger.waiting(request).map_err(Error::Refused)?;
            let signature = person.sign(&agreeing(&ledger.origin, request, asked));
            let by = person.name.clone();
            ledger.may_agree(request, &by, &signature).map_err(Error::Refused)?;
            from = ledger.clock_at(now).plus_secs(WEAKENING_DELAY_SECS);
            Ok(Event::PolicyAgreed { request, by, signature })
        })?;
        Ok(from)
    }

    /// Withdraws weaker rules that are not in force; any enrolled person may.
    pub fn withdraw_policy(&self, request: u64, person: &PersonKey, now: Time) -> Result<()> {
        self.append(now, |ledger| {
            ledger.waiting(request).map_err(Error::Refused)?;
            is_enrolled(ledger, person)?;
            let signature = person.sign(&withdrawing(&ledger.origin, request));
            Ok(Event::PolicyWithdrawn { request, by: person.name.clone(), signature })
        })?;
        Ok(())
    }
}

pub(crate) fn asking(origin: &str, policy: &Policy, by: &str) -> String {
    let policy = serde_json::to_string(policy).expect("rules are plain data");
    format!("spandrel vault: ask for weaker rules\n{origin}\n{policy}\n{by}\n")
}

pub(crate) fn agreeing(origin: &str, request: u64, asked: &Weaker) -> String {
    let policy = serde_json::to_string(&asked.policy).expect("rules are plain data");
    let by = &asked.by;
    format!("spandrel vault: agree to weaker rules\n{origin}\n{request}\n{policy}\n{by}\n")
}

pub(crate) fn withdrawing(origin: &str, request: u64) -> String {
    format!("spandrel vault: withdraw weaker rules\n{origin}\n{request}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Vault, manifest::Manifest, verify};

    const NOON: Time = Time::from_secs(1_773_144_000);
    const DAY: i64 = 86_400;

    struct Setting {
        root: tempfile::TempDir,
        vault: Unlocked,
        people: [PersonKey; 3],
    }

    /// A vault whose two enrolled people are anna and bert; carl is not.
    fn setting() -> Setting {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let vault = Vault::init(&at("vault"), &at("key"), Policy::default(), NOON).unwrap();
        let people = ["anna", "bert", "carl"].map(|n| PersonKey::create(&at(n), n).unwrap());
        vault.enrol(&people[0], None, NOON).unwrap();
        vault.enrol(&people[1], None, NOON).unwrap();
        Setting { root, vault, people }
    }

    impl Setting {
        fn lock_days(&self) -> u32 {
            self.vault.vault().ledger().unwrap().policy.lock_days
        }

        /// A day passes, and something is logged.
        fn day(&self, day: i64) {
            let objects = self.vault.record(&Manifest::default()).unwrap();
            let now = NOON.plus_secs(day * DAY);
            self.vault.append(now, |_| Ok(Event::Repaired { objects })).unwrap();
        }

        fn holds(&self) {
            let files = verify::Directory(self.root.path().join("vault"));
            assert_eq!(verify::verify(&files, &verify::Demands::default()).problems, []);
        }
    }

    fn days(lock_days: u32) -> Policy {
        Policy { lock_days, ..Policy::default() }
    }

    #[test]
    fn weaker_rules_need_a_second_person_and_three_days() {
        let s = setting();
        let [anna, bert, carl] = &s.people;
        assert!(s.vault.set_policy(days(1), "anna", NOON).is_err(), "nobody alone");
        s.vault.set_policy(days(30), "anna", NOON).unwrap();
        assert!(s.vault.ask_policy(days(1), carl, NOON).is_err(), "not enrolled");
        let request = s.vault.ask_policy(days(1), anna, NOON).unwrap();
        assert!(s.vault.agree_policy(request, anna, NOON).is_err(), "the same person");
        assert!(s.vault.agree_policy(request, carl, NOON).is_err(), "not enrolled");
        let from = s.vault.agree_policy(request, bert, NOON).unwrap();
        assert_eq!(from, NOON.plus_secs(3 * DAY));
        s.day(2);
        assert_eq!(s.lock_days(), 30);
        s.day(3);
        assert_eq!(s.lock_days(), 1);
        s.holds();
    }

    #[test]
    fn weaker_rules_are_withdrawn_by_anybody_before_they_are_in_force() {
        let s = setting();
        let [anna, bert, carl] = &s.people;
        let request = s.vault.ask_policy(days(1), anna, NOON).unwrap();
        s.vault.agree_policy(request, bert, NOON).unwrap();
        assert!(s.vault.withdraw_policy(request, carl, NOON).is_err(), "not enrolled");
        s.vault.withdraw_policy(request, bert, NOON).unwrap();
        s.day(9);
        assert_eq!(s.lock_days(), 14);
        s.holds();
    }

    #[test]
    fn rules_locked_meanwhile_are_not_weakened_by_what_was_agreed_before() {
        let s = setting();
        let [anna, bert, _] = &s.people;
        let request = s.vault.ask_policy(days(1), anna, NOON).unwrap();
        s.vault.agree_policy(request, bert, NOON).unwrap();
        let locked = Policy { mode: crate::LockMode::Locked, ..days(14) };
        s.vault.set_policy(locked.clone(), "anna", NOON).unwrap();
        s.vault.set_policy(locked, "anna", NOON.plus_secs(9 * DAY)).unwrap();
        assert_eq!(s.lock_days(), 14);
        s.holds();
    }
}
