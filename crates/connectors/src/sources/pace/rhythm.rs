//! When somebody else asks the same device: learned from how long our own questions wait.
//!
//! A controller serves one question after the other. An answer of ours that came late waited
//! behind somebody else's question, and tells when that one had been served; two such moments and
//! all that did not wait tell a rhythm. Right behind such a question is the best moment for ours:
//! its asker comes again after a whole period. Not here: the clock. Invariant: a rhythm is kept
//! only as long as questions put right behind it wait as foretold, so that a wrong one is never
//! followed for long, and no other client can come to wait for us each time.

use std::collections::{BTreeMap, VecDeque};

/// Answers that are looked back at.
const SEEN_MAX: usize = 160;
/// Moments that must fit a rhythm.
const MOMENTS: usize = 8;
/// Questions between two that show whether the rhythm still holds.
const UNCHECKED_MAX: usize = 6;
/// Questions right behind somebody else's that did not wait; then the rhythm is forgotten.
const MISSES_MAX: u32 = 8;
/// Of more moments than these one may be the network's.
const OUTLIER_OF: usize = 4;
/// What is kept of the answers when it is.
const KEPT: usize = 12;
/// Answers by which it is judged whether a device varies by itself.
const JUDGED: usize = 16;
/// A wait shorter than this may be the network's, in microseconds.
const WAIT_MIN: i64 = 1_000;
/// Who asks more seldom seldom waits for us: its rhythm is not looked for. In microseconds.
const PERIOD_MAX: i64 = 2_000_000;

/// Questions that take a device about the same time.
type Sort = &'static str;

/// One of our questions. Times in microseconds since any moment.
#[derive(Clone, Copy)]
struct Seen {
    sort: Sort,
    asked: i64,
    took: i64,
    /// Whether it was put behind somebody else's on purpose.
    aimed: bool,
}

/// Somebody asks every `period`; one of these questions had been served at `served`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beat {
    served: i64,
    period: i64,
}

#[derive(Default)]
pub struct Rhythm {
    seen: VecDeque<Seen>,
    /// The shortest answer of each sort: nobody was served before.
    floors: BTreeMap<Sort, i64>,
    /// The longest wait behind somebody: how long serving the other takes, as far as seen.
    length: i64,
    beat: Option<Beat>,
    misses: u32,
    confirmed: u32,
    unchecked: usize,
}

impl Rhythm {
    /// The shortest answer of a sort.
    pub fn floor(&self, sort: Sort) -> Option<i64> {
        self.floors.get(&sort).copied()
    }

    /// Whether a rhythm is known that holds.
    pub fn is_known(&self) -> bool {
        self.beat.is_some() && self.confirmed > 0
    }

    /// Whether somebody asks this device whose rhythm is not known, or we have not listened long
    /// enough to tell.
    pub fn is_uncertain(&self) -> bool {
        let (late, all) = self.late();
        !self.is_known() && (all < JUDGED || late > 0 && !varies(late, all))
    }

    /// Of the latest questions that were put anywhere: those that waited, and all.
    fn late(&self) -> (usize, usize) {
        let free = self.seen.iter().rev().filter(|seen| !seen.aimed).take(JUDGED);
        let late = free.clone().filter(|seen| self.waited(seen).is_some()).count();
        (late, free.count())
    }

    /// The moment to ask, at `due` or later, and whether it is right behind somebody else.
    pub fn moment(&self, due: i64, sort: Sort) -> (i64, bool) {
        let Some(Beat { served, period }) = self.beat else { return (due, false) };
        let own = self.floor(sort).or_else(|| self.floors.values().max().copied()).unwrap_or(0);
        let next = served + (due - served).div_euclid(period) * period + period;
        let margin = (self.length / 3).max(WAIT_MIN);
        // While the other is being served, rather late than early: too late harms nobody.
        let aim = next - self.length * 2 / 5;
        let must = self.unchecked >= UNCHECKED_MAX || self.misses > 0 || self.confirmed < 2;
        if due <= next - self.length - own - margin && !must {
            (due, false)
        } else if due <= aim {
            (aim, true)
        } else if must {
            (aim + period, true)
        } else {
            // Just before the other has been served, or right after.
            (due, false)
        }
    }

    /// Takes in an answer; how long the device had taken for it alone.
    pub fn answered(&mut self, sort: Sort, asked: i64, took: i64, aimed: bool) -> i64 {
        let floor = self.floors.entry(sort).or_insert(took);
        *floor = took.min(*floor);
        if self.seen.len() == SEEN_MAX {
            self.seen.pop_front();
        }
        let seen = Seen { sort, asked, took, aimed };
        self.seen.push_back(seen);
        let waited = self.waited(&seen);
        match (aimed, waited.is_some()) {
            (false, _) => self.unchecked += 1,
            (true, true) => {
                (self.misses, self.unchecked, self.confirmed) =
                    (0, 0, self.confirmed.saturating_add(1))
            }
            (true, false) => (self.misses, self.unchecked) = (self.misses + 1, 0),
        }
        self.beat = self.learn();
        let foretold = self.length * 3 / 5;
        took - waited.filter(|_| aimed).unwrap_or(0).min(foretold)
    }

    /// How long a question waited for somebody else's to be served, if it did.
    fn waited(&self, seen: &Seen) -> Option<i64> {
        let floor = self.floor(seen.sort)?;
        let waited = seen.took - floor;
        // What takes far longer is a slow device, not somebody else's question.
        let range = (floor / 5).max(WAIT_MIN) + 1..=floor.saturating_mul(4);
        range.contains(&waited).then_some(waited)
    }

    fn learn(&mut self) -> Option<Beat> {
        if self.misses >= MISSES_MAX {
            self.seen.drain(..self.seen.len().saturating_sub(KEPT));
            (self.misses, self.confirmed, self.length) = (0, 0, 0);
            return None;
        }
        let (late, all) = self.late();
        if all < JUDGED / 2 || varies(late, all) {
            return None;
        }
        let behind = self.seen.iter().rev().filter_map(|seen| {
            let longest = 2 * self.floor(seen.sort)?;
            self.waited(seen).map(|waited| (seen.asked + waited, waited.min(longest)))
        });
        let (moments, waits): (Vec<i64>, Vec<i64>) = behind.unzip();
        self.length = self.length.max(waits.into_iter().max()?);
        let own = self.floors.values().min().copied()?;
        let moments = &moments[..moments.len().min(MOMENTS)];
        let oldest = *moments.last()?;
        let free_at = self.seen.iter().filter(|seen| self.waited(seen).is_none());
        let free_at: Vec<i64> = free_at.map(|seen| seen.asked).filter(|at| *at > oldest).collect();
        // There must be room for a question of ours.
        let shortest = (2 * own + self.length).max(1);
        let latest = moments.iter().take(if moments.len() > OUTLIER_OF { 2 } else { 1 });
        let pairs = latest.flat_map(|last| moments.iter().rev().map(move |first| (*last, *first)));
        let beats = pairs.flat_map(|(served, first)| {
            let span = served - first;
            let periods = (1..=span / shortest).rev().map(move |n| span / n);
            periods.map(move |period| Beat { served, period })
        });
        beats
            .filter(|beat| beat.period <= PERIOD_MAX)
            .find(|beat| self.fits(*beat, moments, &free_at))
    }

    /// Whether a rhythm says nothing that was seen to be otherwise.
    fn fits(&self, beat: Beat, moments: &[i64], free_at: &[i64]) -> bool {
        let Beat { served, period } = beat;
        let slack = (self.length / 5).max(WAIT_MIN / 2);
        // From the nearest moment of the rhythm, before or after it.
        let off = |at: i64| (at - served + period / 2).rem_euclid(period) - period / 2;
        let allowed = usize::from(moments.len() > OUTLIER_OF);
        if moments.iter().filter(|at| off(**at).abs() > slack).count() > allowed {
            return false;
        }
        let within = |at: &&i64| (slack - self.length..-slack).contains(&off(**at));
        free_at.iter().filter(within).count() <= allowed
    }
}

/// Most answers are late: the device itself takes now this long, now that.
fn varies(late: usize, all: usize) -> bool {
    late * 2 > all + 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: Sort = "read";
    const SERVICE: i64 = 10_000;

    /// Somebody asks every 50 ms, served from 0, 50, 100 ms on for 10 ms.
    fn answer(rhythm: &mut Rhythm, asked: i64, aimed: bool) -> i64 {
        let phase = asked.rem_euclid(50_000);
        let waited = if phase < SERVICE { SERVICE - phase } else { 0 };
        rhythm.answered(READ, asked, waited + SERVICE, aimed);
        waited + SERVICE
    }

    /// Asks until the rhythm is known and has held; when the next question is due.
    fn known() -> (Rhythm, i64) {
        let mut rhythm = Rhythm::default();
        let (mut due, mut questions) = (30_000, 0);
        while rhythm.confirmed < 8 {
            let (at, aimed) = rhythm.moment(due, READ);
            let took = answer(&mut rhythm, at, aimed);
            due = at + took + 20_000 + questions % 16 * 2_600;
            questions += 1;
            assert!(questions < 100, "no rhythm found");
        }
        (rhythm, due)
    }

    #[test]
    fn questions_that_waited_and_those_that_did_not_tell_a_rhythm() {
        let mut rhythm = Rhythm::default();
        for asked in [30, 102, 171, 225, 274, 333, 380, 425, 473] {
            answer(&mut rhythm, asked * 1_000, false);
        }
        assert_eq!(rhythm.beat, None, "one that waited tells no rhythm");
        assert!(rhythm.is_uncertain());
        let (rhythm, due) = known();
        let Beat { served, period } = rhythm.beat.expect("a rhythm");
        assert_eq!((served.rem_euclid(50_000), period), (SERVICE, 50_000));
        assert!(!rhythm.is_uncertain());
        // What has ended before the other asks goes when it is due.
        let ask = due.div_euclid(50_000) * 50_000 + 50_000;
        assert_eq!(rhythm.moment(ask + 15_000, READ), (ask + 15_000, false));
        // What has not goes behind it, while it is being served.
        let (at, aimed) = rhythm.moment(ask + 45_000, READ);
        assert!(aimed && (ask + 50_000..ask + 60_000).contains(&at), "{at}");
    }

    #[test]
    fn a_rhythm_that_does_not_hold_any_more_is_forgotten() {
        let (mut rhythm, mut due) = known();
        for _ in 0..MISSES_MAX {
            // Nobody asks any more.
            let at = loop {
                let (at, aimed) = rhythm.moment(due, READ);
                rhythm.answered(READ, at, SERVICE, aimed);
                due = at + 30_000;
                if aimed || rhythm.beat.is_none() {
                    break at;
                }
            };
            due = at + 30_000;
        }
        assert_eq!((rhythm.beat, rhythm.moment(due, READ)), (None, (due, false)));
    }

    #[test]
    fn a_device_whose_answers_vary_by_themselves_has_no_rhythm() {
        let mut rhythm = Rhythm::default();
        for n in 0..200 {
            let took = SERVICE + n * 7_919 % SERVICE;
            rhythm.answered(READ, n * 50_000, took, false);
            assert_eq!(rhythm.beat, None);
        }
    }
}
