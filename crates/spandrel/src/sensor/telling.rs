//! How insights leave the sensor: as JSON lines, packed, or packed into a spool.
//!
//! Not here: when what is told. Invariant: a spool that takes nothing does not end the sensor;
//! from when on it took nothing is told as soon as it does.

use model::{Insight, Time};
use std::{
    io::{self, BufWriter, StdoutLock, Write},
    path::Path,
    time::{Duration, Instant},
};
use uplink::{Head, PREAMBLE, Packer, Spool, frame_of_batch, frame_of_head};

/// Between two attempts at a spool that took nothing, whatever is done to the clock.
const AGAIN: Duration = Duration::from_secs(60);

pub(super) enum Telling {
    Lines { out: BufWriter<StdoutLock<'static>>, line: Vec<u8> },
    Packed { out: BufWriter<StdoutLock<'static>>, packer: Box<Packer> },
    Spooled(Box<Spooled>),
}

pub(super) struct Spooled {
    packer: Packer,
    spool: Spool,
    /// Since then it takes nothing, and it is tried again then.
    full: Option<(Time, Instant)>,
    /// What was dropped to make room, from when to when, until that is told.
    dropped: Option<(Time, Time)>,
}

fn stdout() -> BufWriter<StdoutLock<'static>> {
    BufWriter::with_capacity(256 << 10, io::stdout().lock())
}

impl Telling {
    pub(super) fn lines(hello: &Insight) -> io::Result<Telling> {
        let mut telling = Telling::Lines { out: stdout(), line: Vec::new() };
        telling.add(hello)?;
        Ok(telling)
    }

    pub(super) fn packed(hello: &Insight, now: Time) -> io::Result<Telling> {
        let mut out = stdout();
        let head = Head { hello: hello.clone(), segment: 0, at: now, passed: 0 };
        out.write_all(PREAMBLE)?;
        out.write_all(&frame_of_head(&head))?;
        Ok(Telling::Packed { out, packer: Box::new(Packer::new()?) })
    }

    pub(super) fn spooled(
        folder: &Path,
        octets_max: u64,
        hello: &Insight,
        now: Time,
    ) -> io::Result<Telling> {
        let spool = Spool::open(folder, hello.clone(), octets_max)?;
        let packer = Packer::new()?;
        let mut spooled = Spooled { packer, spool, full: None, dropped: None };
        spooled.go_on(now);
        Ok(Telling::Spooled(Box::new(spooled)))
    }

    pub(super) fn add(&mut self, insight: &Insight) -> io::Result<()> {
        match self {
            Telling::Lines { out, line } => {
                line.clear();
                serde_json::to_writer(&mut *line, insight)?;
                line.push(b'\n');
                out.write_all(line)
            }
            Telling::Packed { out, packer } => {
                packer.add(insight)?;
                if packer.is_full() {
                    out.write_all(&frame_of_batch(&packer.take()?))?;
                }
                Ok(())
            }
            Telling::Spooled(spooled) => {
                spooled.packer.add(insight)?;
                if spooled.packer.is_full() {
                    let batch = spooled.packer.take()?;
                    spooled.put(&batch, super::now());
                }
                Ok(())
            }
        }
    }

    /// What was added goes out. Gives octets of the last batch, where there are batches.
    pub(super) fn flush(&mut self, now: Time) -> io::Result<u64> {
        match self {
            Telling::Lines { out, .. } => out.flush().map(|()| 0),
            Telling::Packed { out, packer } => {
                let batch = packer.take()?;
                if !batch.is_empty() {
                    out.write_all(&frame_of_batch(&batch))?;
                }
                out.flush()?;
                Ok(batch.len() as u64)
            }
            Telling::Spooled(spooled) => {
                let batch = spooled.packer.take()?;
                if !batch.is_empty() {
                    spooled.put(&batch, now);
                }
                let again = spooled.full.is_none_or(|(_, again)| Instant::now() >= again);
                if again && spooled.spool.is_due() {
                    spooled.go_on(now);
                }
                Ok(batch.len() as u64)
            }
        }
    }

    /// Rows there was no room for.
    pub(super) fn refused(&self) -> u64 {
        match self {
            Telling::Lines { .. } => 0,
            Telling::Packed { packer, .. } => packer.refused(),
            Telling::Spooled(spooled) => spooled.packer.refused(),
        }
    }
}

impl Spooled {
    fn put(&mut self, batch: &[u8], now: Time) {
        if self.full.is_none()
            && let Err(error) = self.spool.put(batch)
        {
            self.note_full(now, &error);
        }
    }

    fn note_full(&mut self, now: Time, error: &io::Error) {
        let since = self.full.map_or(now, |(since, _)| since);
        if self.full.is_none() {
            let complaint = format!("spandrel: the spool takes nothing: {error}");
            // Nobody listens to complaints: then there is nobody to tell.
            drop(writeln!(io::stderr().lock(), "{complaint}"));
        }
        self.full = Some((since, Instant::now() + AGAIN));
    }

    fn go_on(&mut self, now: Time) {
        if let Err(error) = self.begin(now) {
            self.note_full(now, &error);
        }
    }

    /// Begins a segment, and names what is missing before it.
    fn begin(&mut self, now: Time) -> io::Result<()> {
        if let Some((from, until)) = self.spool.begin(&self.packer.begin_anew()?, now)? {
            let (first, last) = self.dropped.unwrap_or((from, until));
            self.dropped = Some((first.min(from), last.max(until)));
        }
        let full = self.full.map(|(since, _)| (since, now, "the spool took nothing"));
        let dropped = self.dropped.map(|(from, until)| (from, until, "the spool was full"));
        for (from, until, reason) in full.into_iter().chain(dropped) {
            self.packer.add(&Insight::Gap { from, until, reason: reason.to_owned() })?;
        }
        let batch = self.packer.take()?;
        if !batch.is_empty() {
            self.spool.put(&batch)?;
        }
        (self.full, self.dropped) = (None, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_that_takes_nothing_at_first_is_tried_again_and_the_gap_is_told() {
        let place = tempfile::tempdir().expect("a folder");
        let folder = place.path().join("spool");
        std::fs::create_dir(&folder).expect("a folder");
        let hello: Insight = serde_json::from_value(serde_json::json!({
            "kind": "hello", "version": 1, "sensor": "a", "interface": "eth0",
            "started_at": "2026-01-01T00:00:00Z"
        }))
        .expect("an insight");
        let spool = Spool::open(&folder, hello, 64 << 20).expect("a spool");
        std::fs::rename(&folder, place.path().join("away")).expect("it goes away");
        let packer = Packer::new().expect("a packer");
        let mut spooled = Spooled { packer, spool, full: None, dropped: None };
        spooled.go_on(Time::from_secs(100));
        spooled.go_on(Time::from_secs(160));
        assert_eq!(spooled.full.map(|(since, _)| since), Some(Time::from_secs(100)));
        let mut telling = Telling::Spooled(Box::new(spooled));
        telling.flush(Time::from_secs(10_000)).expect("it goes on");
        std::fs::rename(place.path().join("away"), &folder).expect("it comes back");
        let files = || std::fs::read_dir(&folder).expect("a folder").count();
        let before = files();
        // The clock was set back: what counts is how long ago it was tried.
        let Telling::Spooled(spooled) = &mut telling else { panic!("it is a spool") };
        spooled.full = spooled.full.map(|(since, _)| (since, Instant::now()));
        telling.flush(Time::from_secs(50)).expect("it goes on");
        let Telling::Spooled(spooled) = &telling else { panic!("it is a spool") };
        assert!(spooled.full.is_none() && files() == before + 1, "a segment has begun");
    }
}
