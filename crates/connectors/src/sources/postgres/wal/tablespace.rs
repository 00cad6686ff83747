//! Which tablespaces a write-ahead log makes: a record of one names a directory of the server it
//! was made on, and whoever replays the log uses that very path.
//!
//! A base backup has its tablespaces with it and they are put elsewhere; one that was made after
//! it is in the log alone. Replayed beside the server itself the path would be the living one's.
//! Not a reader of records besides: it goes from one to the next (PostgreSQL's `xlog_internal.h`
//! and `xlogrecord.h`, the same since 9.5). Invariant: what cannot be read is passed over up to the
//! next segment, which begins anew.

use super::{Lsn, spool::State};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Octets of a record before what it holds.
const RECORD_HEAD: usize = 24;
/// Of a record that is looked into: a path and little else.
const RECORD_KEPT_MAX: usize = 8_192;
/// Octets of a page's header, and of the first of a segment.
const PAGE_HEAD: usize = 24;
const PAGE_HEAD_LONG: usize = 40;
/// A page goes on with a record of the page before; its header is the long one.
const GOES_ON: u16 = 1;
const LONG: u16 = 2;

/// Resource managers and kinds: a tablespace is made, the rest of a segment is not used.
const TABLESPACE: (u8, u8) = (5, 0x00);
const SWITCH: (u8, u8) = (0, 0x40);

/// A tablespace that was made, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Made {
    pub at: Lsn,
    pub path: PathBuf,
}

/// Those that replaying from `from` on makes, of the segments in `wal`.
pub fn made(wal: &Path, state: &State, from: Lsn) -> io::Result<Vec<Made>> {
    let mut segments = BTreeMap::new();
    for entry in fs::read_dir(wal)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let name = name.strip_suffix(".partial").unwrap_or(&name);
        if let Some((timeline, number)) = state.parse_segment(name)
            && number >= from.0 / state.segment_bytes
        {
            // Of a segment that two timelines have, the newer one is replayed.
            let newest = segments.entry(number).or_insert((timeline, path.clone()));
            if newest.0 < timeline {
                *newest = (timeline, path);
            }
        }
    }
    let mut scan = Scan { from, record: None, made: Vec::new() };
    let mut last = None;
    for (number, (_, path)) in segments {
        if last != Some(number.wrapping_sub(1)) {
            scan.record = None;
        }
        last = Some(number);
        scan.segment(&fs::read(path)?);
    }
    Ok(scan.made)
}

/// A record of which a part was seen.
struct Record {
    at: Lsn,
    length: usize,
    seen: usize,
    kept: Vec<u8>,
}

struct Scan {
    from: Lsn,
    record: Option<Record>,
    made: Vec<Made>,
}

impl Scan {
    fn segment(&mut self, bytes: &[u8]) {
        let block = number::<4>(bytes, PAGE_HEAD + 12).map_or(0, u32::from_le_bytes) as usize;
        if !(1_024..=1 << 16).contains(&block) {
            self.record = None;
            return;
        }
        for page in bytes.chunks(block) {
            if self.page(page).is_none() {
                self.record = None;
                return;
            }
        }
    }

    /// Reads one page; nothing when the segment holds no more, or none that can be read.
    fn page(&mut self, page: &[u8]) -> Option<()> {
        let flags = u16::from_le_bytes(number(page, 2)?);
        let head = if flags & LONG != 0 { PAGE_HEAD_LONG } else { PAGE_HEAD };
        let begins = u64::from_le_bytes(number(page, 8)?);
        let left = u32::from_le_bytes(number(page, 16)?) as usize;
        if number(page, 0)? == [0, 0] {
            return None;
        }
        let mut at = head;
        if flags & GOES_ON == 0 {
            // What was before was never ended.
            self.record = None;
        } else if self.record.is_none() {
            at += left.next_multiple_of(8);
        }
        while at < page.len() {
            if self.record.is_none() {
                let length = u32::from_le_bytes(number(page, at)?) as usize;
                if length < RECORD_HEAD {
                    return None;
                }
                let lsn = Lsn(begins + at as u64);
                self.record = Some(Record { at: lsn, length, seen: 0, kept: Vec::new() });
            }
            let record = self.record.as_mut()?;
            let part = (record.length - record.seen).min(page.len() - at);
            let room = RECORD_KEPT_MAX.saturating_sub(record.kept.len()).min(part);
            record.kept.extend(page.get(at..at + room)?);
            record.seen += part;
            at += part;
            if record.seen == record.length {
                let record = self.record.take()?;
                at = at.next_multiple_of(8);
                if self.ended(&record)? == SWITCH {
                    return None;
                }
            }
        }
        Some(())
    }

    /// Looks at a whole record; its kind.
    fn ended(&mut self, record: &Record) -> Option<(u8, u8)> {
        let [kind, manager] = number(&record.kept, 16)?;
        let kind = (manager, kind & 0xf0);
        if kind == TABLESPACE
            && record.at >= self.from
            && let Some(path) = path(record.kept.get(RECORD_HEAD..)?)
        {
            self.made.push(Made { at: record.at, path });
        }
        Some(kind)
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The path in what a record holds: its parts are named by numbers, and its own data comes last:
/// the tablespace's number and its path. One inside the data directory has none.
fn path(mut rest: &[u8]) -> Option<PathBuf> {
    let own = loop {
        let (part, after) = rest.split_first()?;
        rest = match part {
            // Where it came from; the transaction above.
            253 => after.get(2..)?,
            252 => after.get(4..)?,
            254 => break after.get(4..)?,
            255 => break after.get(1..)?,
            _ => return None,
        };
    };
    let text = own.get(4..)?.split(|byte| *byte == 0).next()?;
    (!text.is_empty()).then(|| PathBuf::from(String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCK: usize = 8_192;

    fn record(manager: u8, kind: u8, own: &[u8]) -> Vec<u8> {
        let length = RECORD_HEAD + 5 + own.len();
        let mut bytes = u32::try_from(length).unwrap().to_le_bytes().to_vec();
        bytes.extend([0; 12]);
        bytes.extend([kind, manager, 0, 0, 9, 9, 9, 9, 254]);
        bytes.extend(u32::try_from(own.len()).unwrap().to_le_bytes());
        bytes.extend(own);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes
    }

    fn tablespace(path: &str) -> Vec<u8> {
        record(5, 0, &[&[1, 2, 3, 4], path.as_bytes(), &[0]].concat())
    }

    /// Pages of a segment that begins at `start` and holds `stream`.
    fn pages(start: u64, stream: &[u8], mut left: usize) -> Vec<u8> {
        let (mut bytes, mut rest) = (Vec::new(), stream);
        let mut at = start;
        while !rest.is_empty() {
            let is_first = at == start;
            let head = if is_first { PAGE_HEAD_LONG } else { PAGE_HEAD };
            let flags = u16::from(is_first) * LONG + u16::from(left > 0) * GOES_ON;
            let mut page = vec![0x0d, 0xd1];
            page.extend(flags.to_le_bytes());
            page.extend(1_u32.to_le_bytes());
            page.extend(at.to_le_bytes());
            page.extend(u32::try_from(left).unwrap().to_le_bytes());
            page.resize(PAGE_HEAD, 0);
            if is_first {
                page.extend([0; 12]);
                page.extend(u32::try_from(BLOCK).unwrap().to_le_bytes());
            }
            let (now, after) = rest.split_at(rest.len().min(BLOCK - head));
            page.extend(now);
            page.resize(BLOCK, 0);
            // The tests' long records come first: what is not in yet goes on.
            left = after.len();
            bytes.extend(page);
            rest = after;
            at += BLOCK as u64;
        }
        bytes
    }

    fn found(from: u64, segments: &[Vec<u8>]) -> Vec<(u64, String)> {
        let mut scan = Scan { from: Lsn(from), record: None, made: Vec::new() };
        segments.iter().for_each(|segment| scan.segment(segment));
        let shown = |made: Made| (made.at.0, made.path.display().to_string());
        scan.made.into_iter().map(shown).collect()
    }

    #[test]
    fn a_tablespace_is_found_among_other_records_from_the_position_on() {
        let other = record(10, 0x20, &[7; 100]);
        let stream = [&other[..], &tablespace("/fast/a"), &other, &tablespace("/fast/b")].concat();
        let first = (PAGE_HEAD_LONG + other.len()) as u64;
        let second = first + (tablespace("/fast/a").len() + other.len()) as u64;
        let segment = [pages(0, &stream, 0)];
        let all = [(first, "/fast/a".to_owned()), (second, "/fast/b".to_owned())];
        assert_eq!(found(0, &segment), all);
        assert_eq!(found(first + 1, &segment), all[1..]);
        // In the data directory, or another kind of the same manager.
        let none = [&tablespace("")[..], &record(5, 0x10, b"1234/fast/a\0")].concat();
        assert_eq!(found(0, &[pages(0, &none, 0)]), []);
    }

    #[test]
    fn records_over_pages_a_switch_and_damage_are_passed() {
        // One that reaches over the page, its end at the end of the next one's beginning.
        let long = record(10, 0, &vec![7; BLOCK]);
        let over = [&long[..], &tablespace("/x")].concat();
        assert_eq!(found(0, &[pages(0, &over, 0)]).len(), 1);
        // It began in a segment that is not here.
        let mut rest = vec![7; 16];
        rest.extend(tablespace("/y"));
        assert_eq!(found(0, &[pages(0, &rest, 13)]).len(), 1);
        // After a switch a segment holds what it held before.
        let old = [&record(0, 0x40, &[])[..], &tablespace("/old")].concat();
        assert_eq!(found(0, &[pages(0, &old, 0)]), []);
        let damaged = [&[3_u8, 0, 0, 0, 0, 0, 0, 0][..], &tablespace("/z")].concat();
        let next = pages(1 << 20, &tablespace("/next"), 0);
        assert_eq!(found(0, &[pages(0, &damaged, 0), next.clone()]).len(), 1);
        assert_eq!(found(0, &[vec![0; BLOCK], next, vec![9; 3]]).len(), 1);
    }
}
