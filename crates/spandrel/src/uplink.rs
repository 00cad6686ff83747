//! `spandrel uplink`: what a sensor kept goes over a line, and packed streams become readable.
//!
//! `send` is what the control plane starts at the plant, over ssh or whatever it reaches it by: it
//! says on standard output what lies in the sensor's spool and hears on standard input what has
//! arrived. Not here: the format (`uplink`). Invariant: a file is removed only when what lies
//! behind it has arrived.

use crate::sensor::confine;
use anyhow::{Context as _, Result, bail};
use model::Insight;
use std::{
    io::{self, BufRead, BufReader, ErrorKind, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use uplink::{
    Frame, Have, Head, PREAMBLE, Position, Said, Shelf, Tape, Unpacker, frame_of_batch,
    frame_of_head, take_frame, take_preamble,
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Send what a sensor keeps in its spool, as it comes, to whoever reads standard output
    Send {
        /// The folder of `spandrel sensor --spool`
        folder: PathBuf,
        /// End when all that lies there is sent
        #[arg(long)]
        once: bool,
    },
    /// Read a packed stream from standard input and print it as JSON lines
    Read,
}

const MAKES_ONE: &str = "name the folder that `spandrel sensor --spool` keeps there";
/// Between two looks for more.
const LOOK: Duration = Duration::from_secs(1);
/// Octets of a line that answers.
const LINE_OCTETS_MAX: u64 = uplink::limits::LINE_OCTETS_MAX as u64;

pub fn run(options: &Options) -> Result<ExitCode> {
    let done = match options {
        Options::Send { folder, once } => send(folder, *once),
        Options::Read => read(),
    };
    match done {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if is_gone(&error) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error),
    }
}

/// Who listened has gone: that is how a line ends.
fn is_gone(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// One line of standard input; none at its end.
fn line() -> Result<Option<String>> {
    let mut line = String::new();
    let read = io::stdin().lock().take(LINE_OCTETS_MAX).read_line(&mut line)?;
    Ok((read > 0).then_some(line))
}

fn send(folder: &Path, once: bool) -> Result<()> {
    // Said before the other end is waited for, so that who tries it by hand hears it too.
    let kind = std::fs::metadata(folder)
        .with_context(|| format!("there is no spool {}: {MAKES_ONE}", folder.display()))?;
    if !kind.is_dir() {
        bail!("{} is no folder: {MAKES_ONE}", folder.display());
    }
    confine(&[folder])?;
    let Some(first) = line()? else { return Ok(()) };
    let Said::Have(have) = Said::read(&first)? else {
        bail!("the other end does not say what it has");
    };
    let arrived = Arc::new(Arrived::default());
    if let Have::Saved { position: Position { segment, batches, .. }, .. } = have {
        arrived.batches.store(place(segment, batches), Ordering::Relaxed);
    }
    let (noted, shelf) = (Arc::clone(&arrived), folder.to_owned());
    std::thread::Builder::new()
        .name("answers".to_owned())
        .spawn(move || {
            hear(&shelf, &noted);
            noted.gone.store(true, Ordering::Relaxed);
        })
        .context("cannot start the thread that hears answers")?;
    let sent = send_all(folder, have, once, &arrived)?;
    // All is sent; that it has arrived is still heard.
    while !arrived.is_gone() && arrived.batches.load(Ordering::Relaxed) < sent {
        std::thread::sleep(LOOK / 20);
    }
    Ok(())
}

/// What the thread that hears answers knows.
#[derive(Default)]
struct Arrived {
    gone: AtomicBool,
    /// The last segment's, in the order of [`place`].
    batches: AtomicU64,
}

impl Arrived {
    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Relaxed)
    }
}

/// A number that grows from batch to batch and from segment to segment.
fn place(segment: u32, batches: u64) -> u64 {
    u64::from(segment) << 32 | batches.min(u64::from(u32::MAX))
}

/// Sends until the line is gone, or with `once` until all is sent. Gives the place of the last.
fn send_all(folder: &Path, have: Have, once: bool, arrived: &Arrived) -> Result<u64> {
    let mut out = io::stdout().lock();
    out.write_all(PREAMBLE)?;
    let mut next = begin(folder, have)?;
    let mut last = 0;
    while once || !arrived.is_gone() {
        let shelf = Shelf::list(folder).context("cannot list the spool")?;
        let mut left = shelf.0.into_iter().filter(|(segment, _)| *segment >= next.segment);
        let (Some((segment, path)), is_last) = (left.next(), left.next().is_none()) else {
            out.flush()?;
            if once {
                break;
            }
            std::thread::sleep(LOOK);
            continue;
        };
        if segment != next.segment || (next.tape.is_none() && !next.unreadable) {
            next = Next::open(segment, &path);
        }
        let mut sent = next.send(&mut out)?;
        if !is_last {
            // What was written between the last look into it and the next segment.
            sent += next.send(&mut out)?;
        }
        out.flush()?;
        if next.sent > 0 {
            last = place(segment, next.sent);
        }
        if !is_last {
            next = Next { segment: segment + 1, ..Next::default() };
        } else if once && sent == 0 {
            break;
        } else if sent == 0 {
            std::thread::sleep(LOOK);
        }
    }
    Ok(last)
}

/// Takes what has arrived off the shelf until the line ends.
fn hear(folder: &Path, arrived: &Arrived) {
    while let Ok(Some(line)) = line() {
        let Ok(Said::Ack(Position { segment, batches, .. })) = Said::read(&line) else { return };
        arrived.batches.fetch_max(place(segment, batches), Ordering::Relaxed);
        if Shelf::remove_before(folder, segment).is_err() {
            // The sensor makes room by itself where it needs some.
            continue;
        }
    }
}

/// The segment being sent.
#[derive(Default)]
struct Next {
    segment: u32,
    tape: Option<Tape>,
    /// As it is told, where it was read and is not told yet.
    head: Option<Head>,
    /// Batches of it that the other end has, or was sent.
    sent: u64,
    begun: bool,
    /// Its file cannot be read on: what is left of it is passed over, as the next one begins with
    /// all rows.
    unreadable: bool,
}

/// Where to begin for an end that has so much.
fn begin(folder: &Path, have: Have) -> Result<Next> {
    let Have::Saved { position, live } = have else { return Ok(Next::default()) };
    for (segment, path) in Shelf::list(folder).context("cannot list the spool")?.0 {
        let mut next = Next::open(segment, &path);
        let Some(mut head) = next.read(Tape::head) else { continue };
        if (segment, head.run()) != (position.segment, Some(position.run)) {
            continue;
        }
        // What the other end has and remembers.
        let passed = if live { position.batches } else { 0 };
        for _ in 0..passed {
            if next.read(Tape::batch).is_none() {
                // A power cut took what had arrived: that run is over, another begins a segment.
                // Its head is told all the same, as nothing is missing at the other end.
                (next.tape, next.unreadable) = (None, true);
                break;
            }
        }
        head.passed = passed;
        return Ok(Next { head: Some(head), sent: passed, ..next });
    }
    Ok(Next::default())
}

impl Next {
    fn open(segment: u32, path: &Path) -> Next {
        let mut next = Next { segment, ..Next::default() };
        match Tape::open(path) {
            Ok(tape) => next.tape = Some(tape),
            Err(error) => next.pass_over(&error),
        }
        next
    }

    /// What comes next of its file; nothing where that cannot be read.
    fn read<T>(&mut self, read: impl FnOnce(&mut Tape) -> io::Result<Option<T>>) -> Option<T> {
        let found = read(self.tape.as_mut()?);
        found.unwrap_or_else(|error| {
            self.pass_over(&error);
            None
        })
    }

    fn pass_over(&mut self, error: &io::Error) {
        // Taken away meanwhile is what has arrived, or what had to make room.
        if error.kind() != ErrorKind::NotFound {
            let segment = self.segment;
            let says = format!(
                "spandrel: segment {segment} of the spool cannot be read on ({error}); what is \
                 left of it is passed over: look at the disk"
            );
            drop(writeln!(io::stderr(), "{says}"));
        }
        (self.tape, self.unreadable) = (None, true);
    }

    /// Sends what is there of it and was not sent yet; gives how many frames.
    fn send(&mut self, out: &mut impl Write) -> Result<u64> {
        let mut sent = 0;
        if !self.begun {
            let Some(head) = self.head.take().or_else(|| self.read(Tape::head)) else {
                return Ok(0);
            };
            out.write_all(&frame_of_head(&head))?;
            self.begun = true;
            sent += 1;
        }
        while let Some(batch) = self.read(Tape::batch) {
            out.write_all(&frame_of_batch(&batch))?;
            self.sent += 1;
            sent += 1;
        }
        Ok(sent)
    }
}

fn read() -> Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut out = io::stdout().lock();
    let mut preamble = [0; PREAMBLE.len()];
    input.read_exact(&mut preamble).context("no packed stream")?;
    take_preamble(&preamble)?;
    let (mut octets, mut unpacker, mut run) = (Vec::new(), Unpacker::new()?, None);
    loop {
        let mut used = 0;
        while let Some((frame, length)) = take_frame(&octets[used..])? {
            used += length;
            match frame {
                Frame::Head(head) => {
                    unpacker = Unpacker::new()?;
                    if run.replace(head.run()) != Some(head.run()) {
                        print(&mut out, &head.hello)?;
                    }
                }
                Frame::Batch(batch) => {
                    unpacker.unpack(batch)?.iter().try_for_each(|row| print(&mut out, row))?;
                }
            }
        }
        octets.drain(..used);
        out.flush()?;
        let more = input.fill_buf()?;
        if more.is_empty() {
            return Ok(());
        }
        octets.extend_from_slice(more);
        let count = more.len();
        input.consume(count);
    }
}

fn print(out: &mut impl Write, insight: &Insight) -> Result<()> {
    serde_json::to_writer(&mut *out, insight).map_err(io::Error::from)?;
    out.write_all(b"\n")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Time;
    use std::fs::{OpenOptions, metadata};
    use uplink::Spool;

    fn spool(folder: &Path, run: i64, batches: &[&[u8]]) {
        let hello = Insight::Hello {
            version: 1,
            sensor: "s".to_owned(),
            interface: "eth1".to_owned(),
            started_at: Time::from_secs(run),
            replay: false,
        };
        let mut spool = Spool::open(folder, hello, 1 << 30).expect("opens");
        spool.begin(&[], Time::from_secs(run)).expect("room");
        batches.iter().for_each(|batch| spool.put(batch).expect("room"));
    }

    /// What is sent of the first segment, as its head's `passed` and its batches.
    fn sent(mut next: Next) -> Vec<String> {
        let mut out = Vec::new();
        next.send(&mut out).expect("memory");
        let (mut frames, mut used) = (Vec::new(), 0);
        while let Some((frame, length)) = take_frame(&out[used..]).expect("frames") {
            used += length;
            frames.push(match frame {
                Frame::Head(head) => format!("segment {} after {}", head.segment, head.passed),
                Frame::Batch(batch) => String::from_utf8_lossy(batch).into_owned(),
            });
        }
        frames
    }

    #[test]
    fn a_segment_that_cannot_be_read_holds_up_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        for run in 5..8 {
            spool(folder.path(), run, &[b"one"]);
        }
        let middle = folder.path().join("0000000001.told");
        std::fs::remove_file(&middle).expect("there");
        // Opens, and gives an error when it is read, as a bad sector does.
        std::fs::create_dir(&middle).expect("room");
        let mut paths = Shelf::list(folder.path()).expect("a folder").0.into_iter();
        let mut told = || paths.next().map(|(segment, path)| sent(Next::open(segment, &path)));
        assert_eq!(told(), Some(vec!["segment 0 after 0".to_owned(), "one".to_owned()]));
        assert_eq!(told(), Some(Vec::new()));
        assert_eq!(told(), Some(vec!["segment 2 after 0".to_owned(), "one".to_owned()]));
        let position = Position { run: Time::from_secs(7), segment: 2, batches: 1 };
        let next = begin(folder.path(), Have::Saved { position, live: true }).expect("reads");
        assert_eq!((next.segment, next.sent), (2, 1));
    }

    #[test]
    fn what_a_power_cut_took_of_a_segment_holds_up_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        spool(folder.path(), 5, &[b"one", b"two", b"three"]);
        spool(folder.path(), 6, &[b"of the next run"]);
        let have = |batches, live| {
            let position = Position { run: Time::from_secs(5), segment: 0, batches };
            begin(folder.path(), Have::Saved { position, live }).expect("reads")
        };
        assert_eq!(sent(have(2, true)), ["segment 0 after 2", "three"]);
        let file = Shelf::list(folder.path()).expect("a folder").0.remove(0).1;
        let octets = metadata(&file).expect("there").len();
        let cut = OpenOptions::new().write(true).open(&file).expect("there");
        cut.set_len(octets - 1).expect("cut");
        assert_eq!(sent(have(2, true)), ["segment 0 after 2"]);
        assert_eq!(sent(have(3, false)), ["segment 0 after 0", "one", "two"]);
        assert_eq!(sent(have(3, true)), ["segment 0 after 3"]);
        // Zeros instead of what was not written yet.
        cut.set_len(octets - 13).expect("cut");
        cut.set_len(octets + 4_096).expect("zeros");
        assert_eq!(sent(have(0, false)), ["segment 0 after 0", "one", "two"]);
    }
}
