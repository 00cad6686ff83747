//! How far a long reading is, for a person at a terminal.
//!
//! Invariant: nothing is shown where nobody looks, nor of what takes less than two seconds.

use std::{
    cell::Cell,
    io::{self, IsTerminal, Read, Write},
    time::{Duration, Instant},
};

const QUIET: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(200);
const BAR_CELLS: u64 = 30;

pub struct Progress {
    name: String,
    /// Of the file, 0 where it is not known.
    length: u64,
    read: Cell<u64>,
    shown: bool,
    next: Cell<Instant>,
    drawn: Cell<bool>,
}

impl Progress {
    pub fn new(name: &str, length: u64, shown: bool) -> Progress {
        Progress {
            name: name.to_owned(),
            length,
            read: Cell::new(0),
            shown: shown && io::stderr().is_terminal(),
            next: Cell::new(Instant::now() + QUIET),
            drawn: Cell::new(false),
        }
    }

    /// Draws the bar if it is time to.
    pub fn show(&self, packets: u64) {
        if !self.shown || Instant::now() < self.next.get() {
            return;
        }
        self.next.set(Instant::now() + BETWEEN);
        self.drawn.set(true);
        let millions = packets as f64 / 1e6;
        let line = match (self.read.get() * 100).checked_div(self.length) {
            Some(percent) => {
                let percent = percent.min(100);
                let full = percent * BAR_CELLS / 100;
                let bar: String =
                    (0..BAR_CELLS).map(|cell| if cell < full { '#' } else { '.' }).collect();
                format!("{} [{bar}] {percent} %, {millions:.1} M packets", self.name)
            }
            None => format!("{} {millions:.1} M packets", self.name),
        };
        self.write(&line);
    }

    /// Takes the bar away again.
    pub fn clear(&self) {
        if self.drawn.get() {
            self.write("");
        }
    }

    fn write(&self, line: &str) {
        let mut out = io::stderr().lock();
        // A terminal that went away misses only the bar.
        drop(write!(out, "\r\x1b[K{line}").and_then(|()| out.flush()));
    }
}

/// A source whose octets are counted as they are read.
pub struct Watched<'a, R> {
    source: R,
    progress: &'a Progress,
}

impl<'a, R> Watched<'a, R> {
    pub fn new(source: R, progress: &'a Progress) -> Self {
        Watched { source, progress }
    }
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(into)?;
        self.progress.read.set(self.progress.read.get().saturating_add(count as u64));
        Ok(count)
    }
}
