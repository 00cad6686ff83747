//! What goes over the line: frames up, and lines that say what has arrived down.
//!
//! Up, behind a line that names the format: `length | kind | body`, the length as in
//! [`crate::octets`]; a head is JSON, a batch is what a packer gave. Down: `have …` once, then
//! `ack …`. Not here: whoever reads or writes. Invariant: a peer of another version is told apart
//! by the first line.

use crate::{
    limits::{FRAME_OCTETS_MAX, LINE_OCTETS_MAX},
    octets::{Cursor, Malformed, put_number},
    spool::Head,
};
use model::Time;

/// The first line. Since 2 a batch may look back a mebibyte, which who reads 1 does not remember.
pub const PREAMBLE: &[u8] = b"spandrel uplink 2\n";
/// The first line of those that look back less far: what reads 2 reads them too.
const EARLIER: &[u8] = b"spandrel uplink 1\n";
const _: () = assert!(PREAMBLE.len() == EARLIER.len());

/// The first line as it was read, if what follows can be read.
pub fn take_preamble(line: &[u8]) -> Result<(), UnknownPreamble> {
    if [PREAMBLE, EARLIER].contains(&line) { Ok(()) } else { Err(UnknownPreamble) }
}

/// Nothing packed, or packed in a way that came later.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "it is no packed stream, or the sensor is newer than this control plane: update the control \
     plane first"
)]
pub struct UnknownPreamble;

const HEAD: u8 = 1;
const BATCH: u8 = 2;

/// So many batches of a segment have arrived.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Position {
    /// When the run of the sensor began.
    pub run: Time,
    pub segment: u32,
    pub batches: u64,
}

/// What the end that hears has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Have {
    Nothing,
    /// All up to there is saved.
    Saved {
        position: Position,
        /// It also remembers the rows and can go on; else the segment has to be told again, and
        /// what was saved is passed over.
        live: bool,
    },
}

/// A line of the end that hears.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Said {
    Have(Have),
    Ack(Position),
}

#[derive(PartialEq, Debug)]
pub enum Frame<'a> {
    Head(Box<Head>),
    Batch(&'a [u8]),
}

pub fn frame_of_head(head: &Head) -> Vec<u8> {
    frame(HEAD, &serde_json::to_vec(head).expect("a head is plain data"))
}

pub fn frame_of_batch(batch: &[u8]) -> Vec<u8> {
    frame(BATCH, batch)
}

fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 5);
    put_number(&mut frame, body.len() as u64 + 1);
    frame.push(kind);
    frame.extend_from_slice(body);
    frame
}

/// The first frame of the octets and its length, once it is there as a whole.
pub fn take_frame(octets: &[u8]) -> Result<Option<(Frame<'_>, usize)>, Malformed> {
    let mut cursor = Cursor::new(octets);
    let length = match cursor.number() {
        Ok(length) => usize::try_from(length).unwrap_or(usize::MAX),
        Err(_) if octets.len() < 10 => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > FRAME_OCTETS_MAX {
        return Err(Malformed::new("a frame is too long"));
    }
    let begin = octets.len() - cursor.left();
    let Ok(frame) = cursor.octets(length) else { return Ok(None) };
    let frame = match frame.split_first() {
        Some((&HEAD, body)) => {
            let head = serde_json::from_slice(body);
            let head = head.map_err(|error| Malformed(format!("no head of a segment: {error}")));
            Frame::Head(Box::new(head?))
        }
        Some((&BATCH, body)) => Frame::Batch(body),
        _ => return Err(Malformed::new("an unknown kind of frame")),
    };
    Ok(Some((frame, begin + length)))
}

impl Said {
    pub fn line(&self) -> String {
        let place = |Position { run, segment, batches }: &Position| {
            format!("{} {segment} {batches}", run.nanos())
        };
        match self {
            Said::Have(Have::Nothing) => "have nothing\n".to_owned(),
            Said::Have(Have::Saved { position, live }) => {
                format!("have {} {}\n", place(position), if *live { "live" } else { "saved" })
            }
            Said::Ack(position) => format!("ack {}\n", place(position)),
        }
    }

    /// Reads a line, with or without its end.
    pub fn read(line: &str) -> Result<Said, Malformed> {
        let wrong = || Malformed::new("an answer cannot be read");
        if line.len() > LINE_OCTETS_MAX {
            return Err(wrong());
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let place = |run: &str, segment: &str, batches: &str| -> Option<Position> {
            Some(Position {
                run: Time::from_nanos(run.parse().ok()?),
                segment: segment.parse().ok()?,
                batches: batches.parse().ok()?,
            })
        };
        match *words {
            ["have", "nothing"] => Ok(Said::Have(Have::Nothing)),
            ["have", run, segment, batches, state @ ("live" | "saved")] => {
                let position = place(run, segment, batches).ok_or_else(wrong)?;
                Ok(Said::Have(Have::Saved { position, live: state == "live" }))
            }
            ["ack", run, segment, batches] => {
                place(run, segment, batches).map(Said::Ack).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read() {
        let position = Position { run: Time(1_700_000_000_123_456_000), segment: 7, batches: 9 };
        for said in [
            Said::Have(Have::Nothing),
            Said::Have(Have::Saved { position, live: true }),
            Said::Have(Have::Saved { position, live: false }),
            Said::Ack(position),
        ] {
            assert_eq!(Said::read(&said.line()), Ok(said));
        }
        for wrong in ["", "have", "ack 1 2", "ack 1 2 x", "have 1 2 3 dead", &"a".repeat(999)] {
            assert!(Said::read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn streams_of_before_are_read_and_others_are_told_what_to_do() {
        assert_eq!(take_preamble(PREAMBLE), Ok(()));
        assert_eq!(take_preamble(b"spandrel uplink 1\n"), Ok(()));
        for unknown in [&b"spandrel uplink 3\n"[..], b"spandrel uplink", b""] {
            assert_eq!(take_preamble(unknown), Err(UnknownPreamble));
        }
    }

    #[test]
    fn frames_come_whole_or_not_yet() {
        let octets = [frame_of_batch(&[7; 300]), frame_of_batch(&[])].concat();
        for cut in 0..octets.len() - 2 {
            let frame = take_frame(&octets[..cut]).expect("not wrong yet");
            assert_eq!(frame.is_some(), cut >= 303, "{cut} octets");
        }
        let (first, length) = take_frame(&octets).expect("right").expect("whole");
        assert_eq!((first, length), (Frame::Batch(&[7; 300]), 303));
        assert_eq!(take_frame(&octets[length..]), Ok(Some((Frame::Batch(&[]), 2))));
        assert!(take_frame(&[0xff; 12]).is_err());
        assert!(take_frame(&[1, 9]).is_err());
        assert!(take_frame(&[0xff, 0xff, 0xff, 0xff, 0x7f]).is_err());
    }
}
