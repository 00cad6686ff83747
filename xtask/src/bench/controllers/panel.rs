//! A panel that polls a controller at a fixed rhythm, as operators' panels do.
//!
//! Invariant: an answer belongs to the time alone or to that beside a backup, never to both.

use anyhow::{Context, Result};
use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant, SystemTime},
};

/// The unit number by which the controller's log knows the panel.
pub const UNIT: u8 = 2;

/// An answer to the panel.
pub struct Polled {
    /// Whether a backup ran.
    pub busy: bool,
    pub asked: SystemTime,
    pub took: Duration,
}

impl Polled {
    pub fn ms(&self) -> f64 {
        self.took.as_secs_f64() * 1_000.0
    }
}

pub struct Panel {
    busy: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    polls: JoinHandle<Result<Vec<Polled>>>,
}

impl Panel {
    pub fn start(port: u16, rhythm: Duration) -> Self {
        let (busy, stop) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let polls = {
            let (busy, stop) = (busy.clone(), stop.clone());
            thread::spawn(move || poll(port, rhythm, &busy, &stop))
        };
        Self { busy, stop, polls }
    }

    /// Whether a backup runs from now on.
    pub fn is_busy(&self, busy: bool) {
        self.busy.store(busy, Ordering::SeqCst);
    }

    pub fn end(self) -> Result<Vec<Polled>> {
        self.stop.store(true, Ordering::SeqCst);
        self.polls.join().expect("the panel does not panic")
    }
}

/// Reads ten registers at a fixed rhythm.
fn poll(port: u16, rhythm: Duration, busy: &AtomicBool, stop: &AtomicBool) -> Result<Vec<Polled>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).context("cannot connect")?;
    stream.set_nodelay(true).context("cannot set the connection")?;
    let mut times = Vec::new();
    while !stop.load(Ordering::SeqCst) {
        let before = busy.load(Ordering::SeqCst);
        let (asked, begun) = (SystemTime::now(), Instant::now());
        stream.write_all(&[0, 1, 0, 0, 0, 6, UNIT, 3, 0, 0, 0, 10]).context("cannot ask")?;
        stream.read_exact(&mut [0; 29]).context("no answer")?;
        let took = begun.elapsed();
        if before == busy.load(Ordering::SeqCst) {
            times.push(Polled { busy: before, asked, took });
        }
        thread::sleep(rhythm.saturating_sub(took));
    }
    Ok(times)
}
