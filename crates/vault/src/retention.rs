//! Which snapshots may go: rules make a plan, a person reads it, then it runs.
//!
//! Not here: deleting anything. Invariant: a [`Removable`] is made in one place, from a record
//! without a hold whose lock has run out by the vault's own clock; so a plan that deletes a
//! locked or held snapshot cannot be built.

use crate::{
    event::{Keep, SnapshotId, State},
    ledger::{Ledger, Record},
};
use model::Time;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What would be deleted and what stays, each with its reasons.
#[derive(Debug, Serialize)]
pub struct Plan {
    /// The clock locks were compared with; it may lag behind the machine's.
    pub clock: Time,
    pub remove: Vec<Removable>,
    pub keep: Vec<Kept>,
}

/// A snapshot that nothing protects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removable {
    snapshot: SnapshotId,
    asset: String,
    time: Time,
}

impl Removable {
    /// The proof, or what forbids it.
    fn prove(record: &Record, clock: Time) -> Result<Self, Protection> {
        if let Some(hold) = record.holds.values().next() {
            return Err(Protection::Held { reason: hold.reason.clone() });
        }
        match record.retain_until {
            Some(until) if until > clock => Err(Protection::Locked { until }),
            _ => Ok(Self {
                snapshot: record.snapshot,
                asset: record.asset.clone(),
                time: record.time,
            }),
        }
    }

    pub fn snapshot(&self) -> SnapshotId {
        self.snapshot
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub snapshot: SnapshotId,
    pub asset: String,
    pub time: Time,
    pub reasons: Vec<Protection>,
}

/// Why a snapshot stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Protection {
    Held {
        reason: String,
    },
    Locked {
        until: Time,
    },
    /// One of the newest.
    Last,
    /// Newest of its hour, day, week, month or year.
    Newest {
        of: &'static str,
    },
    /// The newest complete snapshot of its asset and sources, whatever the rules say.
    OnlyComplete,
}

/// Applies the vault's rules to its snapshots.
pub fn plan(ledger: &Ledger, now: Time) -> Plan {
    let clock = ledger.clock_at(now);
    let mut reasons: BTreeMap<SnapshotId, Vec<Protection>> = BTreeMap::new();
    for group in groups(ledger).values() {
        rules(&ledger.policy.keep, group, &mut reasons, |_| true);
        // Rules of a plan hold for the snapshots that were made under them, so a plan that keeps
        // less from today on frees nothing of yesterday.
        let own: BTreeSet<&Keep> = group.iter().filter_map(|record| record.keep.as_ref()).collect();
        for keep in own {
            rules(keep, group, &mut reasons, |record| record.keep.as_ref() == Some(keep));
        }
    }
    let (mut remove, mut keep) = (Vec::new(), Vec::new());
    for record in ledger.snapshots.values() {
        let mut reasons = reasons.remove(&record.snapshot).unwrap_or_default();
        match Removable::prove(record, clock) {
            Ok(removable) if reasons.is_empty() => {
                remove.push(removable);
                continue;
            }
            Ok(_) => {}
            Err(protection) => reasons.insert(0, protection),
        }
        let (snapshot, asset, time) = (record.snapshot, record.asset.clone(), record.time);
        keep.push(Kept { snapshot, asset, time, reasons });
    }
    remove.sort_by_key(|r| (r.time, r.snapshot));
    keep.sort_by_key(|k| (k.time, k.snapshot));
    Plan { clock, remove, keep }
}

/// Snapshots of the same asset and sources, newest first: those of a clock that was ahead, too,
/// are as old as their entries.
fn groups(ledger: &Ledger) -> BTreeMap<(&str, &[String]), Vec<&Record>> {
    let mut groups: BTreeMap<_, Vec<&Record>> = BTreeMap::new();
    for record in ledger.snapshots.values() {
        groups.entry((&record.asset[..], &record.sources[..])).or_default().push(record);
    }
    for group in groups.values_mut() {
        group.sort_by_key(|record| std::cmp::Reverse(record.entry));
    }
    groups
}

/// How many to keep, of what, and the number of the one a time is in.
type Span = (u32, &'static str, fn(Time) -> i64);

fn rules(
    keep: &Keep,
    group: &[&Record],
    reasons: &mut BTreeMap<SnapshotId, Vec<Protection>>,
    of: impl Fn(&Record) -> bool,
) {
    let mut because = |record: &Record, why| {
        if of(record) {
            let known = reasons.entry(record.snapshot).or_default();
            if !known.contains(&why) {
                known.push(why);
            }
        }
    };
    if let Some(newest) = group.iter().find(|record| record.state == State::Complete) {
        because(newest, Protection::OnlyComplete);
    }
    for record in group.iter().take(keep.last as usize) {
        because(record, Protection::Last);
    }
    let spans: [Span; 5] = [
        (keep.hourly, "hour", |t| seconds(t).div_euclid(3_600)),
        (keep.daily, "day", day),
        // Day 0 of 1970 was a Thursday; weeks begin on Monday.
        (keep.weekly, "week", |t| (day(t) + 3).div_euclid(7)),
        (keep.monthly, "month", |t| digits(t, 7)),
        (keep.yearly, "year", |t| digits(t, 4)),
    ];
    for (count, of, number) in spans {
        // A partial snapshot stands for its span only when it has no complete one.
        let (mut best, mut newest_first) = (BTreeMap::new(), Vec::new());
        for &record in group {
            let slot: &mut &Record = best.entry(number(record.time)).or_insert_with(|| {
                newest_first.push(number(record.time));
                record
            });
            if slot.state == State::Partial && record.state == State::Complete {
                *slot = record;
            }
        }
        for span in newest_first.iter().take(count as usize) {
            because(best[span], Protection::Newest { of });
        }
    }
}

fn seconds(time: Time) -> i64 {
    time.nanos().div_euclid(1_000_000_000)
}

fn day(time: Time) -> i64 {
    seconds(time).div_euclid(86_400)
}

/// The year, or year and month, as a number that grows with time.
fn digits(time: Time, length: usize) -> i64 {
    let text: String = time.to_string().chars().take(length).filter(|c| *c != '-').collect();
    text.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{digest::Sha256, event::Policy, ledger::Hold};
    use proptest::prelude::*;

    fn record(time: &str, state: State) -> Record {
        let id = SnapshotId(Sha256::of(format!("{time}{state:?}").as_bytes()));
        let time = Time::parse(&format!("{time}Z")).expect("a time");
        Record::for_test(id, "press-4", time, state)
    }

    fn ledger(records: Vec<Record>, keep: Keep) -> Ledger {
        let policy = Policy { keep, ..Policy::default() };
        Ledger::for_test(records, policy)
    }

    const NONE: Keep = Keep { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0 };

    #[track_caller]
    fn kept(records: &[Record], keep: Keep, expected: &[&str]) {
        let ledger = ledger(records.to_vec(), keep);
        let now = records.iter().map(|r| r.time).max().unwrap_or_default();
        let plan = plan(&ledger, now);
        let times: Vec<_> = plan.keep.iter().map(|k| k.time.to_string()[..16].to_owned()).collect();
        assert_eq!(times, expected);
        assert_eq!(plan.keep.len() + plan.remove.len(), records.len());
    }

    #[test]
    fn the_newest_of_each_span_stays_and_a_partial_one_only_where_nothing_better_is() {
        let complete = |t| record(t, State::Complete);
        let records = [
            complete("2025-12-31T23:00:00"),
            complete("2026-01-01T01:00:00"),
            complete("2026-01-04T12:00:00"), // a Sunday
            complete("2026-01-05T08:00:00"),
            record("2026-01-05T09:00:00", State::Partial),
            record("2026-01-06T09:00:00", State::Partial),
            complete("2026-01-07T09:00:00"),
        ];
        let newest = "2026-01-07T09:00";
        kept(&records, NONE, &[newest]);
        kept(&records, Keep { last: 2, ..NONE }, &["2026-01-06T09:00", newest]);
        let days = ["2026-01-05T08:00", "2026-01-06T09:00", newest];
        kept(&records, Keep { daily: 3, ..NONE }, &days);
        kept(&records, Keep { weekly: 2, ..NONE }, &["2026-01-04T12:00", newest]);
        kept(&records, Keep { monthly: 9, ..NONE }, &["2025-12-31T23:00", newest]);
        kept(&records, Keep { yearly: 1, ..NONE }, &[newest]);
    }

    #[test]
    fn a_snapshot_of_a_clock_that_was_ahead_is_the_newest_until_the_next() {
        let complete = |t| record(t, State::Complete);
        let ahead = [complete("2026-01-01T01:00:00"), complete("2036-01-01T01:00:00")];
        kept(&ahead, Keep { last: 1, ..NONE }, &["2036-01-01T01:00"]);
        let [first, ahead] = ahead;
        let records =
            [first, ahead, complete("2026-01-02T01:00:00"), complete("2026-01-03T01:00:00")];
        let days = ["2026-01-02T01:00", "2026-01-03T01:00"];
        kept(&records, NONE, &days[1..]);
        kept(&records, Keep { last: 2, ..NONE }, &days);
        kept(&records, Keep { daily: 2, ..NONE }, &days);
        kept(&records, Keep { yearly: 1, ..NONE }, &days[1..]);
    }

    #[test]
    fn rules_of_a_plan_hold_for_what_was_made_under_them() {
        let with = |time: &str, keep: &Keep| Record {
            keep: Some(keep.clone()),
            ..record(time, State::Complete)
        };
        let (much, little) = (Keep { daily: 9, ..NONE }, Keep { last: 1, ..NONE });
        let records = [
            with("2026-01-01T01:00:00", &much),
            with("2026-01-01T02:00:00", &much),
            with("2026-01-02T01:00:00", &much),
            with("2026-01-03T01:00:00", &little),
            with("2026-01-04T01:00:00", &little),
        ];
        // The vault's own rules keep nothing; those of the newest plan would keep one.
        let days = ["2026-01-01T02:00", "2026-01-02T01:00", "2026-01-04T01:00"];
        kept(&records, NONE, &days);
        let all = ["2026-01-01T02:00", "2026-01-02T01:00", "2026-01-03T01:00", "2026-01-04T01:00"];
        kept(&records, Keep { daily: 4, ..NONE }, &all);
    }

    #[test]
    fn a_newer_partial_snapshot_does_not_drive_out_the_last_complete_one() {
        let records = [
            record("2026-01-01T00:00:00", State::Complete),
            record("2026-02-01T00:00:00", State::Partial),
        ];
        kept(&records, Keep { last: 1, ..NONE }, &["2026-01-01T00:00", "2026-02-01T00:00"]);
    }

    #[test]
    fn a_clock_set_years_ahead_frees_no_lock_that_has_more_than_a_step_left() {
        let mut old = record("2026-01-01T00:00:00", State::Complete);
        old.retain_until = Some(old.time.plus_secs(30 * 86_400));
        let new = record("2026-01-02T00:00:00", State::Complete);
        let ledger = ledger(vec![old, new], NONE);
        let now = Time::parse("2036-01-01T00:00:00Z").unwrap();
        let plan = plan(&ledger, now);
        assert_eq!(plan.clock.to_string(), "2026-01-10T00:00:00.000000Z");
        assert!(plan.remove.is_empty());
    }

    proptest! {
        #[test]
        fn no_plan_removes_what_is_locked_or_held(
            snapshots in prop::collection::vec((0_i64..400, any::<bool>(), 0_i64..500), 1..40),
            now in 0_i64..900,
            last in 0_u32..3,
        ) {
            let records: Vec<Record> = snapshots.iter().enumerate().map(|(i, (day, held, lock))| {
                let id = SnapshotId(Sha256::of(&i.to_be_bytes()));
                let mut record =
                    Record::for_test(id, "a", Time::from_secs(day * 86_400), State::Complete);
                record.retain_until = Some(record.time.plus_secs(lock * 86_400));
                if *held {
                    record.holds.insert(9, Hold::for_test());
                }
                record
            }).collect();
            let ledger = ledger(records, Keep { last, ..NONE });
            let now = Time::from_secs(now * 86_400);
            let plan = plan(&ledger, now);
            for removed in &plan.remove {
                let record = &ledger.snapshots[&removed.snapshot];
                prop_assert!(record.holds.is_empty());
                prop_assert!(record.retain_until.unwrap() <= ledger.clock_at(now));
            }
            prop_assert_eq!(plan.remove.len() + plan.keep.len(), ledger.snapshots.len());
        }
    }
}
