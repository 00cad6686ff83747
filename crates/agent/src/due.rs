//! What a plan has to do next: pure, from what is known to an answer.
//!
//! Spans are of a clock that only goes on, so that setting the host's clock neither skips a backup
//! nor brings a storm of them. Not here: that clock. Invariant: the same plan, history and span
//! give the same answer.

use crate::books::Past;
use model::Time;
use std::time::Duration;
use uplink::host::{Plan, RunState};

const MINUTE: Duration = Duration::from_secs(60);
pub const DAY: Duration = Duration::from_secs(86_400);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    Now { cause: &'static str },
    In(Duration),
}

/// When the next backup is due; `since` is how long ago the last one ended.
pub fn backup(plan: &Plan, past: Option<&Past>, since: Duration, every_minutes_min: u32) -> Due {
    let Some(past) = past else { return Due::Now { cause: "schedule" } };
    let every = MINUTE * plan.every_minutes.max(every_minutes_min);
    let failed = past.failures > 0 && past.state != RunState::Complete;
    let (wait, cause) = if failed && past.failures <= plan.retries {
        // After 1, 2, 4... minutes, never later than the plan's own next time.
        ((MINUTE * (1 << past.failures.clamp(1, 10).saturating_sub(1))).min(every), "retry")
    } else {
        (every, "schedule")
    };
    match wait.checked_sub(since).filter(|left| !left.is_zero()) {
        Some(left) => Due::In(left),
        None => Due::Now { cause },
    }
}

/// How long ago that was. What was done at a time that lies ahead counts as never done: a clock
/// that was ahead once must not end it for as long.
pub fn ago(at: Option<Time>, now: Time) -> Option<Duration> {
    u64::try_from(now.since(at?)).ok().map(Duration::from_nanos)
}

/// The snapshot whose proof is due. `proven` and `tried` are how long ago that was.
pub fn proof<'a>(
    plan: &Plan,
    past: &'a Past,
    proven: Option<Duration>,
    tried: Option<Duration>,
) -> Option<&'a str> {
    let proven = proven.filter(|_| past.proven_level >= plan.verify_level);
    every(plan.verify_days, past, proven, tried)
}

/// The snapshot whose restore is due to be tried. `drilled` and `tried` are how long ago that was.
pub fn drill<'a>(
    plan: &Plan,
    past: &'a Past,
    drilled: Option<Duration>,
    tried: Option<Duration>,
) -> Option<&'a str> {
    every(plan.drill_days, past, drilled, tried)
}

/// The complete snapshot, when the last time that something worked with one is so many days ago
/// and it was not tried within a day; 0 days is never.
fn every(
    days: u32,
    past: &Past,
    worked: Option<Duration>,
    tried: Option<Duration>,
) -> Option<&str> {
    let snapshot = past.complete.as_deref()?;
    let within = |ago: Option<Duration>, days: u32| ago.is_some_and(|ago| ago < DAY * days);
    let due = days > 0 && !within(tried, 1) && !within(worked, days);
    due.then_some(snapshot)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        serde_json::from_value(serde_json::json!({
            "plan": "p", "target": "t", "name": "t", "sources": ["files:/x"], "every_minutes": 60,
            "retries": 2, "verify_days": 7, "verify_level": 2,
        }))
        .expect("a plan")
    }

    fn past(state: RunState, failures: u32) -> Past {
        Past { state, failures, ..Past::default() }
    }

    #[test]
    fn the_first_is_due_at_once_the_next_by_the_clock_and_never_more_often_than_allowed() {
        let minutes = |n: u32| MINUTE * n;
        let now = |cause| Due::Now { cause };
        assert_eq!(backup(&plan(), None, Duration::ZERO, 5), now("schedule"));
        let done = past(RunState::Complete, 0);
        assert_eq!(backup(&plan(), Some(&done), minutes(20), 5), Due::In(minutes(40)));
        assert_eq!(backup(&plan(), Some(&done), minutes(60), 5), now("schedule"));
        let storm = Plan { every_minutes: 0, ..plan() };
        assert_eq!(backup(&storm, Some(&done), minutes(1), 5), Due::In(minutes(4)));
    }

    #[test]
    fn failures_are_retried_with_longer_pauses_and_then_left_to_the_schedule() {
        for (failures, wait) in [(1, 1), (2, 2), (3, 60), (u32::MAX, 60)] {
            let failed = past(RunState::Failed, failures);
            let due = backup(&plan(), Some(&failed), Duration::ZERO, 1);
            assert_eq!(due, Due::In(MINUTE * wait), "{failures}");
        }
        let stopped = past(RunState::Cancelled, 0);
        assert_eq!(backup(&plan(), Some(&stopped), Duration::ZERO, 1), Due::In(MINUTE * 60));
    }

    #[test]
    fn a_proof_is_due_when_it_is_old_or_of_a_lower_level() {
        let mut known = past(RunState::Complete, 0);
        assert_eq!(proof(&plan(), &known, None, None), None, "nothing to prove");
        known.complete = Some("ab".to_owned());
        assert_eq!(proof(&plan(), &known, None, None), Some("ab"));
        known.proven_level = 2;
        assert_eq!(proof(&plan(), &known, Some(DAY * 6), None), None);
        assert_eq!(proof(&plan(), &known, Some(DAY * 7), None), Some("ab"));
        assert_eq!(proof(&plan(), &known, Some(DAY * 7), Some(MINUTE)), None, "tried just now");
        known.proven_level = 1;
        assert_eq!(proof(&plan(), &known, Some(DAY), None), Some("ab"));
    }

    #[test]
    fn a_drill_is_due_when_the_last_that_worked_is_old_and_none_was_tried_today() {
        let plan = Plan { drill_days: 30, ..plan() };
        let mut known = past(RunState::Complete, 0);
        assert_eq!(drill(&plan, &known, None, None), None, "nothing to restore");
        known.complete = Some("ab".to_owned());
        assert_eq!(drill(&plan, &known, None, None), Some("ab"));
        assert_eq!(drill(&plan, &known, Some(DAY * 29), Some(DAY * 29)), None);
        assert_eq!(drill(&plan, &known, Some(DAY * 30), Some(DAY * 30)), Some("ab"));
        assert_eq!(drill(&plan, &known, None, Some(MINUTE)), None, "it failed just now");
        let never = Plan { drill_days: 0, ..plan };
        assert_eq!(drill(&never, &known, None, None), None);
    }

    #[test]
    fn what_was_tried_under_a_clock_that_was_ahead_does_not_end_proofs_and_drills() {
        let plan = Plan { drill_days: 30, ..plan() };
        let past = Past { complete: Some("ab".to_owned()), proven_level: 2, ..Past::default() };
        let now = Time::from_secs(1_773_144_000);
        let at = |secs| ago(Some(now.plus_secs(secs)), now);
        assert_eq!((ago(None, now), at(-60), at(0)), (None, Some(MINUTE), Some(Duration::ZERO)));
        for (secs, due) in [(-60, None), (0, None), (1, Some("ab")), (86_400 * 365, Some("ab"))] {
            assert_eq!(proof(&plan, &past, at(secs), at(secs)), due, "{secs}");
            assert_eq!(drill(&plan, &past, at(secs), at(secs)), due, "{secs}");
        }
    }
}
