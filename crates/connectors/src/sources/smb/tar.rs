//! Tar archives as `smbclient` and PostgreSQL write them (POSIX.1-2017, pax: pax and ustar
//! formats).
//!
//! Invariant: an archive that does not end as one must is an error, so one that was cut off is
//! never taken for a whole one.

use model::Time;
use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
};

const BLOCK: u64 = 512;

/// Octets of one extended header: long names, times.
const EXTENDED_MAX: u64 = 65_536;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Member {
    /// Without `./` in front or `/` behind.
    pub name: String,
    pub is_directory: bool,
    pub offset: u64,
    pub length: u64,
    pub modified: Time,
}

/// The members of the archive in `file`.
pub fn members(file: &File) -> io::Result<Vec<Member>> {
    let mut found = Vec::new();
    let mut at = 0;
    let mut extended = BTreeMap::new();
    loop {
        let mut head = [0; BLOCK as usize];
        file.read_exact_at(&mut head, at)
            .map_err(|_| io::Error::other("the archive ends too early"))?;
        if head.iter().all(|byte| *byte == 0) {
            return Ok(found);
        }
        at += BLOCK;
        let own = octal(&head[124..136])?;
        let kind = head[156];
        if kind == b'x' || kind == b'L' {
            if own > EXTENDED_MAX {
                return Err(damaged());
            }
            let mut bytes = vec![0; usize::try_from(own).map_err(|_| damaged())?];
            file.read_exact_at(&mut bytes, at)?;
            if kind == b'x' {
                extended = records(&bytes)?;
            } else {
                let name = text(&bytes);
                extended.insert("path".to_owned(), name);
            }
            at += own.next_multiple_of(BLOCK);
            continue;
        }
        let number = |name: &str| extended.get(name).map(String::as_str);
        let length = match number("size") {
            Some(size) => size.parse().map_err(|_| damaged())?,
            None => own,
        };
        let modified = match number("mtime").and_then(|time| time.split('.').next()) {
            Some(seconds) => seconds.parse().map_err(|_| damaged())?,
            None => i64::try_from(octal(&head[136..148])?).map_err(|_| damaged())?,
        };
        let name = extended.remove("path").unwrap_or_else(|| short_name(&head));
        let name = name.trim_start_matches("./").trim_end_matches('/').to_owned();
        let (is_directory, modified) = (kind == b'5', Time::from_secs(modified));
        if kind != b'g' {
            found.push(Member { name, is_directory, offset: at, length, modified });
        }
        extended.clear();
        at = length
            .checked_next_multiple_of(BLOCK)
            .and_then(|length| at.checked_add(length))
            .ok_or_else(damaged)?;
    }
}

/// Prefix and name.
fn short_name(head: &[u8]) -> String {
    let (name, prefix) = (text(&head[..100]), text(&head[345..500]));
    if prefix.is_empty() { name } else { format!("{prefix}/{name}") }
}

fn text(bytes: &[u8]) -> String {
    let bytes = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(bytes).into_owned()
}

/// A number in octal digits; or, with the highest bit set, in binary.
fn octal(bytes: &[u8]) -> io::Result<u64> {
    if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
        let sum = |sum: u64, byte: &u8| sum.wrapping_shl(8) | u64::from(*byte);
        return Ok(bytes[bytes.len() - 8..].iter().fold(0, sum));
    }
    let digits = text(bytes);
    let digits = digits.trim();
    if digits.is_empty() {
        return Ok(0);
    }
    u64::from_str_radix(digits, 8).map_err(|_| damaged())
}

/// Records of an extended header: `LENGTH KEY=VALUE\n`.
fn records(mut bytes: &[u8]) -> io::Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = text(&bytes[..digits]).parse::<usize>().map_err(|_| damaged())?;
        let (record, rest) = bytes.split_at_checked(length).ok_or_else(damaged)?;
        let record = record.get(digits + 1..).and_then(|r| r.strip_suffix(b"\n"));
        let record = String::from_utf8_lossy(record.ok_or_else(damaged)?).into_owned();
        let (key, value) = record.split_once('=').ok_or_else(damaged)?;
        found.insert(key.to_owned(), value.to_owned());
        bytes = rest;
    }
    Ok(found)
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the archive is damaged")
}

/// Part of an archive, for reading.
pub struct Part {
    pub file: std::sync::Arc<File>,
    pub offset: u64,
    pub left: u64,
}

impl Read for Part {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let length = self.file.read_at(&mut buffer[..most], self.offset)?;
        self.offset += length as u64;
        self.left -= length as u64;
        Ok(length)
    }
}

/// The same part, to look at in any order.
pub struct Window {
    pub part: Part,
    pub length: u64,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.part.read(buffer)
    }
}

impl Seek for Window {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let begin = self.part.offset + self.part.left - self.length;
        let at = self.length - self.part.left;
        let wanted = match to {
            SeekFrom::Start(at) => i128::from(at),
            SeekFrom::End(back) => i128::from(self.length) + i128::from(back),
            SeekFrom::Current(by) => i128::from(at) + i128::from(by),
        };
        let before = || io::Error::new(io::ErrorKind::InvalidInput, "before the beginning");
        let at = u64::try_from(wanted).map_err(|_| before())?.min(self.length);
        (self.part.offset, self.part.left) = (begin + at, self.length - at);
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn header(name: &str, length: u64, kind: u8) -> Vec<u8> {
        let mut head = vec![0; 512];
        head[..name.len()].copy_from_slice(name.as_bytes());
        head[124..135].copy_from_slice(format!("{length:011o}").as_bytes());
        head[136..147].copy_from_slice(b"00000000017");
        head[156] = kind;
        head
    }

    #[test]
    fn long_names_come_out_of_extended_headers_and_a_cut_archive_is_an_error() {
        let record = b"17 path=./a/long\n20 mtime=1700000000.5\n";
        let mut bytes = header("PaxHeader/x", 17 + 22, b'x');
        let record = [&record[..17], b"22 mtime=1700000000.5\n"].concat();
        bytes.extend(&record);
        bytes.resize(1_024, 0);
        bytes.extend(header("./short", 3, b'0'));
        bytes.extend(b"abc");
        bytes.resize(2_048, 0);
        bytes.extend(header("./empty/", 0, b'5'));
        let cut = bytes.clone();
        bytes.resize(bytes.len() + 1_024, 0);
        let read = |bytes: &[u8]| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(bytes).unwrap();
            members(&file)
        };
        let member = |name: &str, is_directory, offset, length, secs| Member {
            name: name.to_owned(),
            is_directory,
            offset,
            length,
            modified: Time::from_secs(secs),
        };
        let expected =
            [member("a/long", false, 1_536, 3, 1_700_000_000), member("empty", true, 2_560, 0, 15)];
        assert_eq!(read(&bytes).unwrap(), expected);
        assert!(read(&cut).is_err());
    }
}
