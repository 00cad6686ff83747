//! Runs the plant into a writer: as fast as it goes, or at the pace of a clock.
//!
//! Invariant: without a pace nothing here looks at a clock, so equal options give equal bytes.

use crate::{
    actors, limits,
    net::{MILLISECOND, Nanos, SECOND, pcapng::Pcapng},
    scenarios::{self, Scenario},
    truth::Labels,
    world::{Schedule, World},
};
use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

/// A Tuesday morning in the first shift: 2026-03-10T09:30:00Z.
pub const DEFAULT_START: Nanos = 1_773_135_000 * SECOND;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot write the capture")]
    Write(#[from] io::Error),
    #[error("a run has at most {} minutes", limits::MINUTES_MAX)]
    TooLong,
}

/// How a live run follows the clock.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Simulated seconds in a second; time stamps are those of the clock.
    pub speed: f64,
}

#[derive(Clone)]
pub struct Options {
    pub seed: u64,
    /// Nanoseconds since 1970 UTC.
    pub start: Nanos,
    /// Without an end the plant runs until the writer is closed; only when live.
    pub minutes: Option<u32>,
    pub scenarios: Vec<&'static Scenario>,
    /// When the first scenario begins, after the start.
    pub quiet: Nanos,
    /// Begin again when all scenarios have run, for a demonstration without end.
    pub repeat: bool,
    pub pace: Option<Pace>,
}

impl Options {
    /// `minutes` of ordinary operation from the default start.
    pub fn new(seed: u64, minutes: u32) -> Self {
        Options {
            seed,
            start: DEFAULT_START,
            minutes: Some(minutes),
            scenarios: Vec::new(),
            quiet: 180 * SECOND,
            repeat: false,
            pace: None,
        }
    }
}

/// Writes the plant's frames to `out` as pcapng and returns what really happened.
///
/// `progress` is told every simulated second how far the run is, in nanoseconds, and shown the
/// plant. A closed pipe ends a live run without an error.
pub fn run<W: Write>(
    options: &Options,
    out: W,
    mut progress: impl FnMut(Nanos, &World),
) -> Result<Labels, Error> {
    let minutes = i64::from(options.minutes.unwrap_or(0));
    if minutes > i64::from(limits::MINUTES_MAX) {
        return Err(Error::TooLong);
    }
    let end = match options.minutes {
        Some(_) => options.start.saturating_add(minutes * 60 * SECOND),
        None => Nanos::MAX,
    };
    let mut world = World::new(options.seed, options.start);
    let mut cast = actors::cast(&mut world);
    cast.extend(scenarios::director(options));
    let mut schedule = Schedule::new(cast, options.start);
    let mut clock = Clock::new(options);
    let outcome = play(&mut world, &mut schedule, end, &mut clock, out, &mut progress);
    match outcome {
        // The reader of a live stream went away: that is how such a run ends.
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe && options.pace.is_some() => {}
        other => other?,
    }
    Ok(world.recorder.labels(options.seed, options.start, &world.net))
}

fn play<W: Write>(
    world: &mut World,
    schedule: &mut Schedule,
    end: Nanos,
    clock: &mut Clock,
    out: W,
    progress: &mut impl FnMut(Nanos, &World),
) -> io::Result<()> {
    let mut capture = Pcapng::new(out, "mirror0")?;
    capture.flush()?;
    let mut reported = clock.start;
    loop {
        let now = schedule.next().unwrap_or(end).min(end);
        clock.wait(now, &mut capture)?;
        while let Some(next) = world.net.pop_before(now) {
            let stamp = clock.stamp(next.at);
            world.recorder.written(stamp, next.mark);
            capture.packet(stamp, &next.frame)?;
        }
        if now >= end {
            break;
        }
        if now - reported >= SECOND {
            reported = now;
            progress(now - clock.start, world);
        }
        schedule.step(world);
    }
    capture.flush()
}

/// Simulated time against the clock on the wall.
struct Clock {
    start: Nanos,
    pace: Option<(Pace, Instant)>,
    flushed: Instant,
}

/// Frames leave at least this often when live.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

impl Clock {
    fn new(options: &Options) -> Self {
        let now = Instant::now();
        Clock { start: options.start, pace: options.pace.map(|p| (p, now)), flushed: now }
    }

    /// The time stamp of simulated time `at`: the same, or at that speed since the start.
    fn stamp(&self, at: Nanos) -> Nanos {
        match self.pace {
            Some((pace, _)) if pace.speed != 1.0 => {
                let passed = at.saturating_sub(self.start) as f64 / pace.speed;
                self.start.saturating_add(passed as Nanos)
            }
            _ => at,
        }
    }

    /// Sleeps until it is `at`, and flushes what was written before.
    fn wait<W: Write>(&mut self, at: Nanos, capture: &mut Pcapng<W>) -> io::Result<()> {
        let Some((_, began)) = self.pace else { return Ok(()) };
        let due = Duration::from_nanos((self.stamp(at) - self.start).max(0) as u64);
        let ahead = due.saturating_sub(began.elapsed());
        if ahead.as_nanos() > (2 * MILLISECOND) as u128 || self.flushed.elapsed() > FLUSH_EVERY {
            capture.flush()?;
            self.flushed = Instant::now();
        }
        if !ahead.is_zero() {
            std::thread::sleep(ahead);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader that goes away after some bytes.
    struct Leaving(usize);

    impl Write for Leaving {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_live_run_ends_quietly_when_its_reader_goes_and_a_file_does_not() {
        let mut options = Options { minutes: None, ..Options::new(1, 0) };
        options.pace = Some(Pace { speed: 1e6 });
        let labels = run(&options, Leaving(500_000), |_, _| {}).expect("the end of a live run");
        assert!(labels.packets > 1_000);
        let options = Options::new(1, 1);
        assert!(matches!(run(&options, Leaving(500_000), |_, _| {}), Err(Error::Write(_))));
    }

    #[test]
    fn a_paced_run_stamps_with_the_clock_not_with_the_plant() {
        let mut options = Options::new(1, 1);
        options.pace = Some(Pace { speed: 600.0 });
        let began = Instant::now();
        let labels = run(&options, Vec::new(), |_, _| {}).expect("memory takes every write");
        assert!(began.elapsed() >= Duration::from_millis(95), "a minute takes a tenth of a second");
        assert!(labels.end.since(labels.start) <= 100 * MILLISECOND, "{:?}", labels.end);
    }

    #[test]
    fn a_run_longer_than_the_limit_is_refused() {
        let options = Options::new(1, limits::MINUTES_MAX + 1);
        assert!(matches!(run(&options, Vec::new(), |_, _| {}), Err(Error::TooLong)));
    }
}
