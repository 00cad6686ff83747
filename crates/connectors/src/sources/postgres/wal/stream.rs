//! The write-ahead log as it comes over the replication protocol (PostgreSQL documentation,
//! Streaming Replication Protocol).
//!
//! No slot is ever made or named, so a server keeps nothing for us and its disk cannot fill
//! because of us. Invariant: what is handed on is without a gap from the position asked for.

use super::{
    super::{
        super::link::malformed,
        session::{Session, Statement, row},
    },
    Lsn,
};
use crate::limits::POSTGRES_IDLE_MAX;
use std::io;

/// The header of a piece of log: its kind, where it begins, where the log ends, the time.
const PIECE_HEAD: usize = 25;

/// The header of a word that all is well: its kind, where the log ends, the time, whether an
/// answer is wanted.
const KEEPALIVE: usize = 18;

/// What a server says of itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub system: String,
    pub timeline: u32,
    /// How far its log is on its disk.
    pub flushed: Lsn,
}

pub fn identify(session: &mut Session) -> io::Result<Identity> {
    let rows = session.rows(&Statement::IdentifySystem)?;
    let row = rows.into_iter().next().ok_or_else(malformed)?;
    let mut words = row.into_iter().map(Option::unwrap_or_default);
    let mut next = || words.next().ok_or_else(malformed);
    let (system, timeline, flushed) = (next()?, next()?, next()?);
    Ok(Identity {
        system,
        timeline: timeline.parse().map_err(|_| malformed())?,
        flushed: Lsn::parse(&flushed).ok_or_else(malformed)?,
    })
}

/// How a stream ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The position asked for was reached.
    Reached,
    /// The timeline ends where it was left; the next one, and where it begins.
    Switched(u32, Lsn),
}

/// Hands on the log of `timeline` from `from` until `until` is reached or the timeline ends.
pub fn stream(
    session: &mut Session,
    (timeline, from, until): (u32, Lsn, Lsn),
    take: &mut dyn FnMut(Lsn, &[u8]) -> io::Result<()>,
) -> io::Result<Ended> {
    session.query(&Statement::StartReplication { from, timeline })?;
    let (mut at, mut stopping, mut failed, mut next) = (from, false, None, None);
    let (mut idle, mut last) = (0, from);
    loop {
        if idle > POSTGRES_IDLE_MAX {
            let text = "the server keeps the connection alive and sends no more of its log";
            return Err(io::Error::new(io::ErrorKind::TimedOut, text));
        }
        let (kind, body) = match session.receive() {
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::Other => {
                failed = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        // What was under way comes also after we said that it is enough.
        idle = if at > last { 0 } else { idle + 1 };
        last = at;
        match kind {
            b'd' if stopping => {}
            b'd' => {
                if let Some((start, piece)) = piece(&body) {
                    if start != at {
                        let text = format!("the server sent its log from {start}, not from {at}");
                        return Err(io::Error::new(io::ErrorKind::InvalidData, text));
                    }
                    take(start, piece)?;
                    at = Lsn(at.0 + piece.len() as u64);
                } else if wants_answer(&body) {
                    session.send(Some(b'd'), &status(at))?;
                }
                if at >= until {
                    session.send(Some(b'c'), &[])?;
                    stopping = true;
                }
            }
            // The server has no more of this timeline; when we have ended it answers the same.
            b'c' if !stopping => {
                session.send(Some(b'c'), &[])?;
                stopping = true;
            }
            b'D' => next = switch(&row(&body)?),
            b'Z' => break,
            _ => {}
        }
    }
    match (failed, next) {
        (Some(error), _) => Err(error),
        (None, Some((timeline, start))) => Ok(Ended::Switched(timeline, start)),
        (None, None) if at >= until => Ok(Ended::Reached),
        (None, None) => Err(malformed()),
    }
}

fn piece(body: &[u8]) -> Option<(Lsn, &[u8])> {
    let (head, piece) = body.split_at_checked(PIECE_HEAD)?;
    let (kind, rest) = head.split_first()?;
    let (start, _) = rest.split_first_chunk::<8>()?;
    (*kind == b'w').then(|| (Lsn(u64::from_be_bytes(*start)), piece))
}

fn wants_answer(body: &[u8]) -> bool {
    body.len() == KEEPALIVE && body.first() == Some(&b'k') && body.last() == Some(&1)
}

/// How far we are. That it is safe with us (flushed, applied) is never said: a server whose
/// `synchronous_standby_names` is `*` would let its own commits depend on a backup.
fn status(at: Lsn) -> Vec<u8> {
    let mut message = vec![b'r'];
    for number in [at.0, 0, 0, 0] {
        message.extend(number.to_be_bytes());
    }
    message.push(0);
    message
}

fn switch(row: &[Option<String>]) -> Option<(u32, Lsn)> {
    let [Some(timeline), Some(start)] = row else { return None };
    Some((timeline.parse().ok()?, Lsn::parse(start)?))
}

/// The server's settings that whoever restores wants to know. One that it shows to nobody but its
/// administrator would be an error in its log each time.
pub fn settings(session: &mut Session) -> io::Result<Vec<(&'static str, String)>> {
    let mut found = Vec::new();
    for name in SETTINGS {
        match session.rows(&Statement::Show(name)) {
            Ok(rows) => {
                let value = rows.into_iter().flatten().flatten().next();
                found.push((name, value.unwrap_or_default()));
            }
            Err(error) if error.kind() == io::ErrorKind::Other => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whether it follows another server, where its version says that (14 and later).
pub fn is_standby(session: &mut Session, version: u32) -> io::Result<bool> {
    const TELLS: u32 = 140_000;
    if version < TELLS {
        return Ok(false);
    }
    let rows = session.rows(&Statement::Show("in_hot_standby"))?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("on"))
}

const SETTINGS: [&str; 11] = [
    "server_version",
    "server_version_num",
    "wal_segment_size",
    "wal_level",
    "wal_keep_size",
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
    "data_checksums",
];

/// Where a timeline began, out of the history of a later one: lines `TIMELINE LSN REASON`, each
/// naming one that ended and where (PostgreSQL documentation, Timelines).
pub fn left_at(history: &str, timeline: u32) -> Option<Lsn> {
    history.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let number: u32 = words.next()?.parse().ok()?;
        (number == timeline).then(|| Lsn::parse(words.next()?))?
    })
}

/// The history file of a timeline; `None` when the server has none.
pub fn history(session: &mut Session, timeline: u32) -> io::Result<Option<String>> {
    match session.rows(&Statement::TimelineHistory(timeline)) {
        Ok(rows) => Ok(rows.into_iter().next().and_then(|row| row.into_iter().nth(1)?)),
        Err(error) if error.kind() == io::ErrorKind::Other => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_tells_where_a_timeline_was_left() {
        let text = "1\t0/3000148\tno recovery target specified\n\n2\t1/5000000\tbefore x\n";
        assert_eq!(left_at(text, 1), Some(Lsn(0x300_0148)));
        assert_eq!(left_at(text, 2), Some(Lsn(0x1_0500_0000)));
        assert_eq!(left_at(text, 3), None);
    }

    #[test]
    fn a_stream_that_brings_nothing_ends() {
        let message = |body: &[u8]| {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            [&b"d"[..], &length, body].concat()
        };
        let streamed = |said: Vec<u8>| {
            let mut session = Session::of_said(said);
            let ended = stream(&mut session, (1, Lsn(0), Lsn(2)), &mut |_, _| Ok(()));
            ended.unwrap_err().kind()
        };
        let alive = message(&[&b"k"[..], &[0; 17]].concat());
        // Two octets of log, and then more than was asked for.
        let piece = message(&[&b"w"[..], &[0; 24], b"ab"].concat());
        let most = POSTGRES_IDLE_MAX;
        for (said, kind) in [
            (alive.repeat(most - 1), io::ErrorKind::UnexpectedEof),
            (alive.repeat(most + 2), io::ErrorKind::TimedOut),
            (piece.repeat(most - 1), io::ErrorKind::UnexpectedEof),
            (piece.repeat(most + 3), io::ErrorKind::TimedOut),
        ] {
            assert_eq!(streamed(said), kind);
        }
    }

    #[test]
    fn what_is_said_to_a_server_never_counts_as_safe() {
        let said = status(Lsn(0x10));
        assert_eq!((said.len(), said[0], said[8]), (34, b'r', 0x10));
        assert!(said[9..].iter().all(|byte| *byte == 0));
    }
}
