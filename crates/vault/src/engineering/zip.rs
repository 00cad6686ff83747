//! The directory of a ZIP archive (APPNOTE.TXT 6.3.10, 4.3.12 and 4.3.16): names and times.
//!
//! Nothing is unpacked. Invariant: every offset and length comes from the archive and is checked;
//! one that does not fit means that it is no archive.

use super::Look;
use std::io::{Read, SeekFrom};

/// Bytes of a directory that are read.
const DIRECTORY_BYTES_MAX: u64 = 16 << 20;
/// The end record and the longest comment behind it.
const TAIL_BYTES: u64 = 22 + 65_535;

pub struct Part {
    pub name: String,
    /// Local time of the machine that packed it, `2026-03-09T03:12:00`.
    pub modified: Option<String>,
}

pub fn parts(look: &mut dyn Look, length: u64) -> Option<Vec<Part>> {
    let tail = read(look, length.saturating_sub(TAIL_BYTES), TAIL_BYTES)?;
    let end = tail.windows(4).rposition(|window| window == b"PK\x05\x06")?;
    let end = tail.get(end..)?;
    let (size, offset) = (u32_at(end, 12)?, u32_at(end, 16)?);
    if u64::from(size) > DIRECTORY_BYTES_MAX || u64::from(offset) + u64::from(size) > length {
        return None;
    }
    let directory = read(look, offset.into(), size.into())?;
    let (mut rest, mut found) = (directory.as_slice(), Vec::new());
    while rest.starts_with(b"PK\x01\x02") {
        let lengths = [u16_at(rest, 28)?, u16_at(rest, 30)?, u16_at(rest, 32)?].map(usize::from);
        let name = rest.get(46..46 + lengths[0])?;
        let modified = dos(u16_at(rest, 14)?, u16_at(rest, 12)?);
        found.push(Part { name: String::from_utf8_lossy(name).into_owned(), modified });
        rest = rest.get(46 + lengths.iter().sum::<usize>()..)?;
    }
    (found.len() == usize::from(u16_at(end, 10)?)).then_some(found)
}

fn read(look: &mut dyn Look, offset: u64, length: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    look.seek(SeekFrom::Start(offset)).ok()?;
    look.take(length).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Date and time of MS-DOS; zero is none.
fn dos(date: u16, time: u16) -> Option<String> {
    let (year, month, day) = (1980 + (date >> 9), date >> 5 & 15, date & 31);
    let (hour, minute, second) = (time >> 11, time >> 5 & 63, (time & 31) * 2);
    let right = (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60;
    let text = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    right.then_some(text)
}

#[cfg(test)]
pub mod tests {
    type Moment = (u16, u16, u16, u16, u16, u16);

    /// An archive of empty parts, with times.
    pub fn archive(parts: &[(&str, Moment)]) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(64, 0);
        let start = u32::try_from(bytes.len()).unwrap();
        for (name, (year, month, day, hour, minute, second)) in parts {
            let mut entry = b"PK\x01\x02".to_vec();
            entry.resize(46, 0);
            let time = (hour << 11) | (minute << 5) | (second / 2);
            let date = ((year - 1980) << 9) | (month << 5) | day;
            entry[12..14].copy_from_slice(&time.to_le_bytes());
            entry[14..16].copy_from_slice(&date.to_le_bytes());
            entry[28] = u8::try_from(name.len()).unwrap();
            bytes.extend(entry);
            bytes.extend(name.as_bytes());
        }
        let size = u32::try_from(bytes.len()).unwrap() - start;
        let mut end = b"PK\x05\x06".to_vec();
        end.resize(22, 0);
        end[10] = u8::try_from(parts.len()).unwrap();
        end[12..16].copy_from_slice(&size.to_le_bytes());
        end[16..20].copy_from_slice(&start.to_le_bytes());
        bytes.extend(end);
        bytes
    }
}
