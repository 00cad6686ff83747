//! How fast and when a copy may use the link: a token bucket and a calendar of windows, in UTC.
//!
//! Time comes through [`Clock`], so tests need not wait. Invariant: over any stretch of time no
//! more bytes pass than rate times that time and one bucket.

use model::Time;
use std::{
    io::{self, Read},
    time::Duration,
};

/// Where time comes from.
pub trait Clock: Send + Sync {
    fn now(&self) -> Time;
    fn sleep(&self, time: Duration);
}

/// When and how fast.
pub struct Pace<'a> {
    pub clock: &'a dyn Clock,
    /// `None` is as fast as the link is.
    pub bytes_per_second: Option<u64>,
    /// Empty is always.
    pub calendar: Calendar,
}

impl Pace<'_> {
    /// A reader that gives no more than the rate allows.
    pub fn slow<'r>(&'r self, inner: &'r mut dyn Read) -> Paced<'r> {
        let since = self.clock.now();
        Paced { inner, clock: self.clock, rate: self.bytes_per_second, since, passed: 0 }
    }

    pub fn is_open(&self) -> bool {
        self.calendar.is_open(self.clock.now())
    }
}

pub struct Paced<'a> {
    inner: &'a mut dyn Read,
    clock: &'a dyn Clock,
    rate: Option<u64>,
    since: Time,
    passed: u64,
}

/// Parts of a second that the bucket holds: short enough that a link never sees a burst.
const BUCKETS_PER_SECOND: u64 = 8;

impl Read for Paced<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(rate) = self.rate else { return self.inner.read(buffer) };
        let bucket = usize::try_from((rate / BUCKETS_PER_SECOND).max(1)).unwrap_or(usize::MAX);
        let room = buffer.len().min(bucket);
        let n = self.inner.read(&mut buffer[..room])?;
        self.passed += n as u64;
        let due = self.since.nanos().saturating_add(nanos_of(self.passed, rate));
        let now = self.clock.now().nanos();
        let ahead = u64::try_from(due.saturating_sub(now)).unwrap_or_default();
        let second = 1_000_000_000;
        if ahead > 10 * second + nanos_of(n as u64, rate).unsigned_abs() {
            // The clock was set back: begin anew rather than wait for it.
            (self.since, self.passed) = (self.clock.now(), 0);
        } else if ahead > 0 {
            self.clock.sleep(Duration::from_nanos(ahead));
        } else if now.saturating_sub(due) > second as i64 {
            // Nothing is saved up for more than a second.
            (self.since, self.passed) = (self.clock.now(), 0);
        }
        Ok(n)
    }
}

fn nanos_of(bytes: u64, rate: u64) -> i64 {
    let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(rate.max(1));
    i64::try_from(nanos).unwrap_or(i64::MAX)
}

/// Windows of the week in which bulk may be copied.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Calendar(pub Vec<Window>);

/// `mon-fri 18:00-06:00`: days on which it begins, and from when to when; over midnight is fine.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Window {
    days: [bool; 7],
    from_minute: i64,
    minutes: i64,
}

const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const DAY_MINUTES: i64 = 24 * 60;

impl Window {
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim().to_ascii_lowercase();
        let (days, hours) = match text.split_once(' ') {
            Some((days, hours)) => (parse_days(days)?, hours.trim()),
            None => ([true; 7], text.as_str()),
        };
        let (from, to) = hours.split_once('-')?;
        let (from, to) = (minute(from)?, minute(to)?);
        let minutes = match (to - from).rem_euclid(DAY_MINUTES) {
            0 => DAY_MINUTES,
            minutes => minutes,
        };
        (from < DAY_MINUTES).then_some(Self { days, from_minute: from, minutes })
    }

    fn is_open(&self, time: Time) -> bool {
        let minute = time.nanos().div_euclid(60_000_000_000);
        // Day 0 of 1970 was a Thursday.
        let today = minute.div_euclid(DAY_MINUTES);
        [today, today - 1].into_iter().any(|day| {
            let begin = day * DAY_MINUTES + self.from_minute;
            let weekday = usize::try_from((day + 3).rem_euclid(7)).unwrap_or_default();
            self.days[weekday] && (begin..begin + self.minutes).contains(&minute)
        })
    }
}

impl Calendar {
    pub fn is_open(&self, time: Time) -> bool {
        self.0.is_empty() || self.0.iter().any(|window| window.is_open(time))
    }
}

fn parse_days(text: &str) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    let day = |name: &str| DAYS.iter().position(|day| *day == name);
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut at, last) = (day(first)?, day(last)?);
        loop {
            days[at] = true;
            if at == last {
                break;
            }
            at = (at + 1) % 7;
        }
    }
    Some(days)
}

fn minute(text: &str) -> Option<i64> {
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (i64, i64) = (hour.parse().ok()?, minute.parse().ok()?);
    let fits =
        (0..60).contains(&minute) && (0..=24).contains(&hour) && hour * 60 + minute <= DAY_MINUTES;
    fits.then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Sleeping moves it.
    struct Hand(Mutex<Time>);

    impl Clock for Hand {
        fn now(&self) -> Time {
            *self.0.lock().unwrap()
        }
        fn sleep(&self, time: Duration) {
            let mut now = self.0.lock().unwrap();
            *now = Time::from_nanos(now.nanos() + i64::try_from(time.as_nanos()).unwrap());
        }
    }

    #[test]
    fn ten_megabytes_at_a_megabyte_a_second_take_ten_seconds() {
        let clock = Hand(Mutex::new(Time::from_secs(1_000)));
        let pace = Pace {
            clock: &clock,
            bytes_per_second: Some(1_000_000),
            calendar: Calendar::default(),
        };
        let mut source = io::repeat(7).take(10_000_000);
        let mut paced = pace.slow(&mut source);
        assert_eq!(io::copy(&mut paced, &mut io::sink()).unwrap(), 10_000_000);
        assert_eq!(clock.now(), Time::from_secs(1_010));
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_copy() {
        let clock = Hand(Mutex::new(Time::from_secs(1_000_000)));
        let pace =
            Pace { clock: &clock, bytes_per_second: Some(1_000), calendar: Calendar::default() };
        let mut source = io::repeat(7).take(4_000);
        let mut paced = pace.slow(&mut source);
        let mut one = [0; 100];
        paced.read_exact(&mut one).unwrap();
        *clock.0.lock().unwrap() = Time::from_secs(10);
        io::copy(&mut paced, &mut io::sink()).unwrap();
        assert!(clock.now() < Time::from_secs(20), "{}", clock.now());
    }

    #[track_caller]
    fn open(window: &str, times: &[(&str, bool)]) {
        let calendar = Calendar(vec![Window::parse(window).unwrap()]);
        for (time, expected) in times {
            let at = Time::parse(&format!("{time}:00Z")).unwrap();
            assert_eq!(calendar.is_open(at), *expected, "{window} at {time}");
        }
    }

    #[test]
    fn windows_open_on_their_days_and_reach_over_midnight() {
        // 2026-03-13 was a Friday.
        open(
            "mon-fri 18:00-06:00",
            &[
                ("2026-03-13T17:59", false),
                ("2026-03-13T18:00", true),
                ("2026-03-14T05:59", true),
                ("2026-03-14T06:00", false),
                ("2026-03-14T20:00", false),
                ("2026-03-16T03:00", false),
                ("2026-03-17T03:00", true),
            ],
        );
        open("sat,sun 00:00-24:00", &[("2026-03-14T00:00", true), ("2026-03-16T00:00", false)]);
        open("01:30-02:00", &[("2026-03-16T01:45", true), ("2026-03-16T02:00", false)]);
        assert!(Calendar::default().is_open(Time::default()));
        for bad in ["", "18-06", "mon", "xyz 18:00-19:00", "25:00-26:00", "10:61-11:00"] {
            assert_eq!(Window::parse(bad), None, "{bad}");
        }
    }
}
