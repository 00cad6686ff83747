//! The wall clock, which people and time servers set while everything runs.
//!
//! Not here: clocks of the plant. Invariant: what was noted by a clock that has been set back since
//! is never taken for recent; how long ago it was nobody knows, so what depends on it is due.

use model::Time;
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

/// So much clocks are corrected by all the time, and agents' clocks differ from ours.
const AHEAD_S: i64 = 600;
/// A clock that moved so much beyond the time that went by was set.
const SET_S: i64 = 60;

pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}

/// The newest moment that can have been by now.
pub(crate) fn latest(now: Time) -> Time {
    now.plus_secs(AHEAD_S)
}

pub(crate) fn has_been(at: Time, now: Time) -> bool {
    at <= latest(now)
}

/// Whether less than so many seconds have gone since.
pub(crate) fn is_within(at: Time, secs: i64, now: Time) -> bool {
    has_been(at, now) && at.plus_secs(secs) > now
}

/// The one watch over the clock: whoever looks, the log says once what happened to it.
pub(crate) struct Clock(Mutex<Seen>);

struct Seen {
    watch: Watch,
    jumps: u64,
    /// When it was set last, and by how many seconds.
    set: Option<(Instant, i64)>,
}

impl Clock {
    pub(crate) fn new() -> Clock {
        Clock(Mutex::new(Seen { watch: Watch::new(), jumps: 0, set: None }))
    }

    /// How often it was set or slept until now. Looks itself, so nobody acts on a time from before
    /// a jump that another has not noticed yet.
    pub(crate) fn jumps(&self) -> u64 {
        let mut seen = self.0.lock().expect("no panic holds it");
        let Some(jump) = seen.watch.jump() else { return seen.jumps };
        seen.jumps += 1;
        match jump {
            Jump::Set(seconds) => {
                let way = if seconds < 0 { "back" } else { "ahead" };
                tracing::warn!(
                    seconds = seconds.abs(),
                    "this machine's clock was set {way}: times from before do not fit those from \
                     now on"
                );
                seen.set = Some((Instant::now(), seconds));
            }
            Jump::Slept(seconds) => {
                tracing::warn!(seconds, "this machine slept: nothing was heard meanwhile");
            }
        }
        seen.jumps
    }

    /// When it was set last, and by how many seconds.
    pub(crate) fn set_last(&self) -> Option<(Instant, i64)> {
        self.0.lock().expect("no panic holds it").set
    }
}

/// Why the clock may be wrong, by what was noted with it; each is told once in the log.
#[derive(Default)]
pub(crate) struct Doubts(Mutex<Doubted>);

#[derive(Default)]
struct Doubted {
    at_start: Option<(Instant, String)>,
    sweep: Option<String>,
}

/// Further ahead of the newest in the database than any standstill.
const STANDSTILL_S: i64 = 365 * 86_400;
/// Further behind it than two clocks differ.
const BEHIND_S: i64 = 3_600;
/// That it did not fit the database at the start is told for so long.
const DOUBT_TOLD: Duration = Duration::from_secs(86_400);

impl Doubts {
    /// Compares the clock with the times that were noted last before this start.
    pub(crate) fn start(&self, noted: &[Time], now: Time) {
        let Some(why) = does_not_fit(noted, now) else { return };
        tracing::warn!("{why}");
        self.0.lock().expect("no panic holds it").at_start = Some((Instant::now(), why));
    }

    /// Traffic that a sweep left, as nothing bears out yet that it is old.
    pub(crate) fn sweep(&self, newest: Option<Time>) {
        let mut doubted = self.0.lock().expect("no panic holds it");
        let Some(newest) = newest else { return doubted.sweep = None };
        if doubted.sweep.is_some() {
            return;
        }
        let why = format!(
            "by this machine's clock all traffic until {newest} is too old to be kept; it stays \
             until traffic of an hour bears the clock out: set the clock if it is wrong"
        );
        tracing::warn!("{why}");
        doubted.sweep = Some(why);
    }

    pub(crate) fn told(&self) -> Vec<String> {
        let doubted = self.0.lock().expect("no panic holds it");
        let at_start = doubted.at_start.as_ref().filter(|(at, _)| at.elapsed() < DOUBT_TOLD);
        at_start.map(|(_, why)| why.clone()).into_iter().chain(doubted.sweep.clone()).collect()
    }
}

fn does_not_fit(noted: &[Time], now: Time) -> Option<String> {
    let ahead = noted.iter().map(|at| now.since(*at) / 1_000_000_000).min_by_key(|s| s.abs())?;
    let (way, why) = match ahead {
        _ if ahead > STANDSTILL_S => ("after", "unless the server stood still so long"),
        _ if ahead < -BEHIND_S => ("before", "or it was wrong when that was noted"),
        _ => return None,
    };
    Some(format!(
        "this machine's clock says {now}, {} {way} the newest in the database: it is wrong, {why}; \
         set it, for what is kept, due and good for a time goes by it",
        span(ahead)
    ))
}

/// How long that is, for a person.
pub(crate) fn span(seconds: i64) -> String {
    let seconds = seconds.unsigned_abs();
    match seconds {
        0..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        172_800..63_072_000 => format!("{} days", seconds / 86_400),
        _ => format!("{} years", seconds / 31_557_600),
    }
}

/// Notices that the wall clock was set, by one that only goes on.
struct Watch {
    wall: Time,
    steady: Instant,
    boot: Option<Duration>,
}

/// What the clocks say of the time that went by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Jump {
    /// The wall clock was set by so many seconds: ahead, or back where negative.
    Set(i64),
    /// The machine slept for so many seconds, and its clock is right.
    Slept(i64),
}

impl Watch {
    fn new() -> Watch {
        Watch { wall: now(), steady: Instant::now(), boot: since_boot() }
    }

    /// What happened to the clock since it was asked last, if anything.
    fn jump(&mut self) -> Option<Jump> {
        self.look(now(), self.steady.elapsed(), since_boot())
    }

    fn look(&mut self, wall: Time, gone: Duration, boot: Option<Duration>) -> Option<Jump> {
        let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
        // The steady clock stands while the machine sleeps; the one since boot goes on.
        let really = match (boot, self.boot) {
            (Some(boot), Some(before)) => boot.saturating_sub(before).max(gone),
            _ => gone,
        };
        let moved = wall.since(self.wall);
        let set = moved.saturating_sub(nanos(really)) / 1_000_000_000;
        let slept = nanos(really).saturating_sub(nanos(gone)) / 1_000_000_000;
        (self.wall, self.steady, self.boot) = (wall, self.steady + gone, boot);
        if set.abs() >= SET_S {
            return Some(Jump::Set(set));
        }
        (slept >= SET_S).then_some(Jump::Slept(slept))
    }
}

/// Linux counts the time asleep in it (proc_uptime(5)); where there is none, sleep cannot be told
/// from a clock that was set.
fn since_boot() -> Option<Duration> {
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_in_the_future_is_not_recent() {
        let at = Time::from_secs;
        assert!(is_within(at(1_000), 60, at(1_059)));
        assert!(!is_within(at(1_000), 60, at(1_060)));
        assert!(is_within(at(1_000), 60, at(1_000 - AHEAD_S)), "a corrected clock");
        assert!(!is_within(at(1_000), 60, at(999 - AHEAD_S)), "one that was set back");
    }

    #[test]
    fn a_clock_that_does_not_fit_what_was_noted_is_doubted_at_the_start() {
        let day = |days: i64| Time::from_secs(1_800_000_000 + days * 86_400);
        assert_eq!(does_not_fit(&[], day(0)), None, "a new server");
        assert_eq!(does_not_fit(&[day(0)], day(300)), None, "a long standstill");
        assert_eq!(does_not_fit(&[day(-3_650), day(0)], day(1)), None, "one of them fits");
        let ahead = does_not_fit(&[day(0), day(-1)], day(3_653)).expect("told");
        assert!(ahead.contains(", 10 years after the newest"), "{ahead}");
        let behind = does_not_fit(&[day(0)], day(-20)).expect("told");
        assert!(behind.contains(", 20 days before the newest"), "{behind}");
        let doubts = Doubts::default();
        doubts.start(&[day(0)], day(-20));
        doubts.sweep(Some(day(0)));
        assert_eq!(doubts.told().len(), 2);
        doubts.sweep(None);
        assert_eq!(doubts.told(), [behind]);
    }

    #[test]
    fn a_span_is_told_in_what_people_count_it_by() {
        let spans = [-7_199, 7_200, 172_800, -5_068_799 * 60].map(span);
        assert_eq!(spans, ["119 minutes", "2 hours", "2 days", "9 years"]);
    }

    fn watch(boot: Option<Duration>) -> Watch {
        Watch { wall: Time::from_secs(1_000), steady: Instant::now(), boot }
    }

    #[test]
    fn a_clock_that_is_set_is_noticed_once_and_by_how_much() {
        let mut watch = watch(None);
        let second = Duration::from_secs(1);
        let mut look = |secs| watch.look(Time::from_secs(secs), second, None);
        assert_eq!(look(1_001), None);
        assert_eq!(look(8_202), Some(Jump::Set(7_200)));
        assert_eq!(look(8_203), None);
        assert_eq!(look(8_204 - 86_400), Some(Jump::Set(-86_400)));
        assert_eq!(look(8_205 - 86_400 + 59), None, "a correction");
    }

    #[test]
    fn whoever_looks_hears_of_a_jump_whether_another_saw_it_first_or_not() {
        let clock = Clock::new();
        let (one, other) = (clock.jumps(), clock.jumps());
        assert_eq!((one, other, clock.set_last()), (0, 0, None));
        clock.0.lock().expect("it is free").watch.wall = now().plus_secs(-7_200);
        assert_ne!(clock.jumps(), one);
        assert_ne!(clock.jumps(), other, "it was noticed by the other");
        let (_, seconds) = clock.set_last().expect("it was set");
        assert!((7_199..=7_201).contains(&seconds), "{seconds}");
    }

    #[test]
    fn a_machine_that_slept_is_no_clock_that_was_set() {
        let secs = Duration::from_secs;
        let mut watch = watch(Some(secs(50)));
        let mut look = |wall, boot| watch.look(Time::from_secs(wall), secs(1), Some(secs(boot)));
        assert_eq!(look(1_001, 51), None);
        assert_eq!(look(1_001 + 28_800, 51 + 28_800), Some(Jump::Slept(28_799)));
        assert_eq!(look(29_802, 28_852), None, "it is said once");
        // It slept, and its clock was set back by a day meanwhile.
        assert_eq!(look(29_802 + 600 - 86_400, 29_452), Some(Jump::Set(-86_400)));
    }

    #[test]
    fn the_time_since_boot_is_read_where_there_is_a_proc() {
        let there = std::path::Path::new("/proc/uptime").exists();
        assert_eq!(since_boot().is_some_and(|boot| boot > Duration::ZERO), there);
    }
}
