//! What a plan has to do next for one target: pure, from what is known to an answer.
//!
//! Not here: doing it. Invariant: the same plan, history and time give the same answer, and an
//! answer other than `Now` says what is waited for.

use crate::{clock, http::dto::PlanSpec};
use model::Time;
use store::{PendingChange, Protection, RunState};

const DAY_S: i64 = 86_400;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Now {
        cause: &'static str,
    },
    /// Not before then.
    At(Time),
    /// It would be time, but these are quiet hours.
    Quiet,
    /// The plan is switched off.
    Off,
}

/// When the next backup is due. `quiet` is whether the plan's quiet hours hold at `now`.
pub(crate) fn backup(
    spec: &PlanSpec,
    known: Option<&Protection>,
    change: Option<&PendingChange>,
    now: Time,
    quiet: bool,
) -> Due {
    if !spec.enabled {
        return Due::Off;
    }
    let (at, cause) = when(spec, known, change, now);
    match at {
        Some(at) if at > now => Due::At(at),
        _ if quiet => Due::Quiet,
        _ => Due::Now { cause },
    }
}

/// `None` is at once.
fn when(
    spec: &PlanSpec,
    known: Option<&Protection>,
    change: Option<&PendingChange>,
    now: Time,
) -> (Option<Time>, &'static str) {
    let every = i64::from(spec.every_minutes) * 60;
    let been = |at: &Time| clock::has_been(*at, now);
    let last = known.and_then(|known| known.last_at).filter(been);
    let scheduled = last.map(|last| last.plus_secs(every));
    let planned = match known {
        Some(known) if is_failing(known) && known.failures <= spec.retries => {
            // After 1, 2, 4... minutes, never later than the plan's own next time.
            let wait = (60i64 << known.failures.clamp(1, 10).saturating_sub(1)).min(every);
            (last.map(|last| last.plus_secs(wait)), "retry")
        }
        _ => (scheduled, "schedule"),
    };
    let changed = change.filter(|_| spec.on_change).map(|change| {
        let calm = change.last_at.plus_secs(i64::from(spec.debounce_s));
        // Changes that never stop are not waited out for ever.
        let latest = change.first_at.plus_secs(i64::from(spec.debounce_s) * 5);
        (Some(calm.min(latest)).filter(|_| been(&change.last_at)), "change")
    });
    match changed {
        Some(changed) if planned.0.is_some_and(|at| changed.0.is_none_or(|c| c <= at)) => changed,
        Some((_, cause)) if planned.0.is_none() => (None, cause),
        _ => planned,
    }
}

fn is_failing(known: &Protection) -> bool {
    known.failures > 0 && matches!(known.last_state, Some(RunState::Failed | RunState::Partial))
}

/// The snapshot whose verification is due.
pub(crate) fn verification<'a>(
    spec: &PlanSpec,
    known: &'a Protection,
    now: Time,
) -> Option<&'a str> {
    let snapshot = known.complete_snapshot.as_deref()?;
    if !spec.enabled || spec.verify_days == 0 {
        return None;
    }
    let days = i64::from(spec.verify_days) * 86_400;
    let proven = known.proven_at.is_some_and(|at| clock::is_within(at, days, now))
        && known.proven_level.is_some_and(|level| level >= spec.verify_level);
    (!proven).then_some(snapshot)
}

/// The snapshot that is due to be restored in isolation and tried.
pub(crate) fn recovery<'a>(spec: &PlanSpec, known: &'a Protection, now: Time) -> Option<&'a str> {
    let snapshot = known.complete_snapshot.as_deref()?;
    if !spec.enabled || spec.recover_days == 0 {
        return None;
    }
    let days = i64::from(spec.recover_days) * DAY_S;
    let fresh = known.recovered_at.is_some_and(|at| clock::is_within(at, days, now));
    (!fresh).then_some(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> PlanSpec {
        serde_json::from_value(serde_json::json!({
            "name": "p", "subject": "s", "sources": ["files:/x"], "every_minutes": 60,
            "rpo_minutes": 120, "retries": 2, "on_change": true, "debounce_s": 30,
            "verify_days": 7, "verify_level": 2,
        }))
        .expect("a plan")
    }

    fn at(secs: i64) -> Time {
        Time::from_secs(secs)
    }

    fn known(state: RunState, failures: u32, last: i64) -> Protection {
        let (last_state, last_at) = (Some(state), Some(at(last)));
        Protection { last_state, last_at, failures, ..Protection::default() }
    }

    #[test]
    fn the_first_is_due_at_once_and_the_next_by_the_clock() {
        let now = |cause| Due::Now { cause };
        assert_eq!(backup(&spec(), None, None, at(5), false), now("schedule"));
        assert_eq!(backup(&spec(), None, None, at(5), true), Due::Quiet);
        let done = known(RunState::Complete, 0, 1_000);
        assert_eq!(backup(&spec(), Some(&done), None, at(2_000), false), Due::At(at(4_600)));
        assert_eq!(backup(&spec(), Some(&done), None, at(4_600), false), now("schedule"));
        let off = PlanSpec { enabled: false, ..spec() };
        assert_eq!(backup(&off, None, None, at(5), false), Due::Off);
    }

    #[test]
    fn failures_are_retried_with_longer_pauses_and_then_left_to_the_schedule() {
        for (failures, due) in [(1, 1_060), (2, 1_120), (3, 4_600)] {
            let failed = known(RunState::Failed, failures, 1_000);
            let answer = backup(&spec(), Some(&failed), None, at(1_001), false);
            assert_eq!(answer, Due::At(at(due)), "{failures}");
        }
    }

    #[test]
    fn a_change_brings_a_backup_when_it_has_been_calm_for_a_while() {
        let done = known(RunState::Complete, 0, 1_000);
        let change = |first, last| PendingChange {
            target: "a".into(),
            finding: "f".into(),
            first_at: at(first),
            last_at: at(last),
        };
        let ask = |c: &PendingChange, now| backup(&spec(), Some(&done), Some(c), at(now), false);
        assert_eq!(ask(&change(2_000, 2_010), 2_020), Due::At(at(2_040)));
        assert_eq!(ask(&change(2_000, 2_010), 2_040), Due::Now { cause: "change" });
        assert_eq!(ask(&change(2_000, 2_149), 2_150), Due::Now { cause: "change" });
        let deaf = PlanSpec { on_change: false, ..spec() };
        let answer = backup(&deaf, Some(&done), Some(&change(2_000, 2_010)), at(3_000), false);
        assert_eq!(answer, Due::At(at(4_600)));
    }

    #[test]
    fn a_clock_that_was_set_back_brings_one_of_each_instead_of_none_for_years() {
        let years = 10 * 365 * DAY_S;
        let (mut done, now) = (known(RunState::Complete, 0, years), at(1_000));
        let due = |known: &Protection| backup(&spec(), Some(known), None, now, false);
        assert_eq!(due(&done), Due::Now { cause: "schedule" });
        assert_eq!(due(&known(RunState::Failed, 1, years)), Due::Now { cause: "retry" });
        let change = PendingChange {
            target: "a".into(),
            finding: "f".into(),
            first_at: at(years),
            last_at: at(years),
        };
        let recent = known(RunState::Complete, 0, 900);
        let changed = backup(&spec(), Some(&recent), Some(&change), now, false);
        assert_eq!(changed, Due::Now { cause: "change" });
        done.complete_snapshot = Some("ab".into());
        (done.proven_at, done.proven_level) = (Some(at(years)), Some(2));
        assert_eq!(verification(&spec(), &done, now), Some("ab"));
        done.recovered_at = Some(at(years));
        assert_eq!(recovery(&PlanSpec { recover_days: 90, ..spec() }, &done, now), Some("ab"));
    }

    #[test]
    fn a_proof_is_due_when_it_is_old_or_of_a_lower_level() {
        let mut known = known(RunState::Complete, 0, 1_000);
        assert_eq!(verification(&spec(), &known, at(2_000)), None);
        known.complete_snapshot = Some("ab".into());
        assert_eq!(verification(&spec(), &known, at(2_000)), Some("ab"));
        (known.proven_at, known.proven_level) = (Some(at(1_500)), Some(2));
        assert_eq!(verification(&spec(), &known, at(2_000)), None);
        assert_eq!(verification(&spec(), &known, at(1_500 + 7 * 86_400)), Some("ab"));
        known.proven_level = Some(1);
        assert_eq!(verification(&spec(), &known, at(2_000)), Some("ab"));
    }

    #[test]
    fn a_recovery_is_due_when_none_was_tried_or_it_was_long_ago() {
        let spec = PlanSpec { recover_days: 90, recover_check: Some("true".into()), ..spec() };
        let mut known = known(RunState::Complete, 0, 1_000);
        assert_eq!(recovery(&spec, &known, at(2_000)), None, "nothing to recover");
        known.complete_snapshot = Some("ab".into());
        assert_eq!(recovery(&spec, &known, at(2_000)), Some("ab"));
        known.recovered_at = Some(at(1_500));
        assert_eq!(recovery(&spec, &known, at(1_499 + 90 * DAY_S)), None);
        assert_eq!(recovery(&spec, &known, at(1_500 + 90 * DAY_S)), Some("ab"));
        let never = PlanSpec { recover_days: 0, ..spec };
        assert_eq!(recovery(&never, &known, at(1_500 + 90 * DAY_S)), None);
    }
}
