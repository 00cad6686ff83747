//! Blocks of S7-300 and S7-400 as uploaded from the CPU: header, code, who made it.
//!
//! Layout of the 36-byte header: 0 `pp`, 3 attributes, 4 language, 5 block type, 6 number (u16),
//! 8 length in load memory (u32), 12 protection (u32), 16 code time stamp, 22 interface time
//! stamp (milliseconds of the day u32, days since 1984 u16), 28 length of the interface part, 30
//! of segment table, 32 local data, 34 MC7 code (u16 each). The last 36 bytes are author, family
//! and name (8 characters each), version, and checksum.

use super::{Change, Difference, Format};
use std::path::Path;

pub struct S7Block;

impl Format for S7Block {
    fn name(&self) -> &'static str {
        "s7-block"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        path.extension().filter(|e| *e == "mc7")?;
        let (a, b) = (Block::parse(before)?, Block::parse(after)?);
        let text = |unit: &str, a: String, b: String| Difference::of(unit, Some(a), Some(b));
        let mut found: Vec<Difference> = [
            text("language", language(a.language), language(b.language)),
            text("protection", a.protection.to_string(), b.protection.to_string()),
            text("local data bytes", a.local_data.to_string(), b.local_data.to_string()),
            text("author", a.author, b.author),
            text("version", a.version, b.version),
        ]
        .into_iter()
        .flatten()
        .collect();
        for (unit, a, b) in
            [("code", a.code, b.code), ("interface and segments", a.interface, b.interface)]
        {
            if a != b {
                let (before, after) = (Some(lengths(a)), Some(lengths(b)));
                let unit = Some(unit.to_owned());
                found.push(Difference { change: Change::Changed, unit, before, after, risk: None });
            }
        }
        for difference in &mut found {
            difference.risk = match difference.unit.as_deref() {
                Some("code")
                    if path.file_name().is_some_and(|name| is_main(&name.to_string_lossy())) =>
                {
                    Some("an organisation block runs by itself: check who changed it")
                }
                Some("code") => Some("the program changed: is there an order for it?"),
                Some("protection") => Some("know-how protection changed"),
                _ => None,
            };
        }
        if found.is_empty() {
            let times = [(a.code_time, b.code_time), (a.interface_time, b.interface_time)];
            for (unit, (a, b)) in ["code time stamp", "interface time stamp"].iter().zip(times) {
                found.extend(text(unit, stamp(a), stamp(b)));
            }
        }
        Some(found)
    }
}

fn is_main(name: &str) -> bool {
    name.starts_with("OB")
}

struct Block<'a> {
    language: u8,
    protection: u32,
    code_time: [u8; 6],
    interface_time: [u8; 6],
    local_data: u16,
    code: &'a [u8],
    interface: &'a [u8],
    author: String,
    version: String,
}

const HEADER: usize = 36;
const TRAILER: usize = 36;

impl<'a> Block<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let body = bytes.strip_prefix(b"pp").map(|_| bytes)?;
        let byte = |at: usize| body.get(at).copied();
        let u16_at = |at: usize| Some(u16::from_be_bytes(body.get(at..at + 2)?.try_into().ok()?));
        let time = |at: usize| body.get(at..at + 6)?.try_into().ok();
        let code_length = usize::from(u16_at(34)?);
        let code = body.get(HEADER..HEADER + code_length)?;
        let after_code = body.get(HEADER + code_length..)?;
        let (interface, trailer) = after_code.split_at(after_code.len().saturating_sub(TRAILER));
        let words = |at: usize| {
            let word = trailer.get(at..at + 8).unwrap_or_default();
            String::from_utf8_lossy(word).trim_matches(['\0', ' ']).to_owned()
        };
        let version = trailer.get(24).copied().unwrap_or_default();
        Some(Self {
            language: byte(4)?,
            protection: u32::from_be_bytes(body.get(12..16)?.try_into().ok()?),
            code_time: time(16)?,
            interface_time: time(22)?,
            local_data: u16_at(32)?,
            code,
            interface,
            author: [words(0), words(8), words(16)].join(" ").trim().to_owned(),
            version: format!("{}.{}", version >> 4, version & 15),
        })
    }
}

fn language(code: u8) -> String {
    match code {
        1 => "STL".into(),
        2 => "LAD".into(),
        3 => "FBD".into(),
        4 => "SCL".into(),
        5 => "DB".into(),
        6 => "GRAPH".into(),
        7 => "SDB".into(),
        other => format!("language {other}"),
    }
}

fn lengths(bytes: &[u8]) -> String {
    let hash = crate::Sha256::of(bytes).to_string();
    format!("{} bytes, sha256 {}", bytes.len(), &hash[..16])
}

/// A time stamp as RFC 3339: days count from 1984-01-01.
fn stamp(time: [u8; 6]) -> String {
    let [m0, m1, m2, m3, d0, d1] = time;
    let millis = i64::from(u32::from_be_bytes([m0, m1, m2, m3]));
    let days = i64::from(u16::from_be_bytes([d0, d1]));
    const SECS_1984: i64 = 441_763_200;
    let start = model::Time::from_secs(SECS_1984 + days * 86_400);
    start.plus_nanos(millis * 1_000_000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(code: &[u8], days: u16, author: &str) -> Vec<u8> {
        let mut bytes = b"pp\x01\x00\x01\x08\x00\x01".to_vec();
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(&[0, 0, 0, 0]);
        bytes.extend_from_slice(&days.to_be_bytes());
        bytes.extend_from_slice(&[0; 10]);
        bytes.extend_from_slice(&[0, 20]);
        bytes.extend_from_slice(&u16::try_from(code.len()).unwrap().to_be_bytes());
        bytes.extend_from_slice(code);
        bytes.extend_from_slice(b"interface");
        bytes.extend_from_slice(format!("{author:8}").as_bytes());
        bytes.resize(bytes.len() + 28, 0);
        bytes
    }

    #[track_caller]
    fn check(a: &[u8], b: &[u8], expected: &[(&str, bool)]) {
        let found = S7Block.compare(Path::new("/x/OB1.mc7"), a, b).expect("blocks");
        let found: Vec<_> =
            found.iter().map(|d| (d.unit.as_deref().unwrap(), d.risk.is_some())).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn code_author_and_time_stamps_are_told_apart() {
        let old = block(b"\x65\x00", 8_000, "eva");
        check(&old, &old.clone(), &[]);
        check(&old, &block(b"\x65\x00", 8_001, "eva"), &[("code time stamp", false)]);
        check(&old, &block(b"\x65\x01", 8_001, "eva"), &[("code", true)]);
        check(&old, &block(b"\x65\x00", 8_000, "carl"), &[("author", false)]);
        assert_eq!(stamp([0, 0, 0, 1, 0, 1]), "1984-01-02T00:00:00.001000Z");
    }

    #[test]
    fn every_prefix_of_a_block_is_read_or_refused() {
        let whole = block(b"\x65\x00", 8_000, "eva");
        for n in 0..whole.len() {
            drop(S7Block.compare(Path::new("OB1.mc7"), &whole[..n], &whole));
        }
        assert_eq!(S7Block.compare(Path::new("OB1.mc7"), &whole[..20], &whole), None);
    }
}
