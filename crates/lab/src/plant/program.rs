//! The program of a controller, block by block, as an S7-300 gives it to whoever uploads it.
//!
//! Layout of the 36-byte header: 0 `pp`, 4 language, 5 block type, 6 number (u16), 8 length in load
//! memory (u32), 16 code time stamp, 22 interface time stamp (milliseconds of the day u32, days
//! since 1984 u16), 32 local data, 34 MC7 code (u16); behind the code 36 bytes of author, family,
//! name and version. Not here: how blocks are asked for. Invariant: the same seed and the same
//! downloads give the same blocks; a data block holds what the process has at that moment.

use super::memory::{self, Cell};
use crate::{process::Process, rng::Rng};
use std::collections::BTreeMap;

/// Kind of block: its digit in names of S7, its type in the header, its language.
const KINDS: [(&str, u8, u8); 3] = [("08", 0x08, 1), ("0A", 0x0a, 5), ("0C", 0x0c, 4)];
const ORGANISATION: &str = "08";
const DATA: &str = "0A";
const FUNCTION: &str = "0C";

/// Seconds from 1970 to 1984.
const SECONDS_1984: i64 = 441_763_200;
const SECONDS_A_DAY: i64 = 86_400;
const NANOS_A_MILLI: i64 = 1_000_000;

/// What was programmed, by kind and number; the code alone.
#[derive(Clone, Default, Debug)]
pub struct Program(BTreeMap<(&'static str, u16), Code>);

#[derive(Clone, Debug)]
struct Code {
    bytes: Vec<u8>,
    author: &'static str,
    at: i64,
}

/// A block as it is uploaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Block {
    /// Digit of the kind in names of S7.
    pub kind: u8,
    pub number: u16,
    pub bytes: Vec<u8>,
}

impl Program {
    /// A program of an ordinary size, put in at commissioning.
    pub fn commissioned(mut rng: Rng, at: i64) -> Program {
        let mut program = Program::default();
        for (kind, number, bytes) in [
            (ORGANISATION, 1, 380),
            (ORGANISATION, 35, 96),
            (ORGANISATION, 100, 64),
            (FUNCTION, 10, 620),
            (FUNCTION, 12, 540),
            (FUNCTION, 14, 700),
        ] {
            let code = Code { bytes: rng.bytes(bytes), author: "WEBER", at };
            program.0.insert((kind, number), code);
        }
        program
    }

    /// A block was downloaded.
    pub fn put(&mut self, kind: &str, number: u16, bytes: &[u8], at: i64) {
        let known = KINDS.iter().find(|(name, _, _)| *name == kind);
        // Data blocks hold what the process has; a download of one sets values.
        let Some((kind, _, _)) = known.filter(|(name, _, _)| *name != DATA) else { return };
        self.0.insert((kind, number), Code { bytes: bytes.to_vec(), author: "ENG01", at });
    }

    /// All blocks at this moment; `data` are numbers, cells and lengths of the data blocks.
    pub fn blocks(&self, process: &Process, data: &[(u16, &'static [Cell], u16)]) -> Vec<Block> {
        let code = self.0.iter().map(|((kind, number), code)| block(kind, *number, code));
        let data = data.iter().map(|(number, cells, length)| {
            let bytes = memory::read_bytes(cells, process, 0, *length);
            block(DATA, *number, &Code { bytes, author: "WEBER", at: COMMISSIONED })
        });
        code.chain(data).collect()
    }
}

/// When the plant was put into operation.
pub const COMMISSIONED: i64 = 1_520_000_000_000_000_000;

fn block(kind: &str, number: u16, code: &Code) -> Block {
    let known = KINDS.iter().find(|(name, _, _)| *name == kind);
    let (name, form, language) = known.copied().unwrap_or(KINDS[0]);
    let length = code.bytes.len() as u16;
    let mut bytes = vec![b'p', b'p', 1, 1, language, form];
    bytes.extend(number.to_be_bytes());
    bytes.extend((u32::from(length) + 72).to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(stamp(code.at));
    bytes.extend(stamp(COMMISSIONED));
    bytes.extend([0, 0, 0, 0, 0, 20]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(&code.bytes);
    for text in [code.author, "MIXING", ""] {
        bytes.extend(format!("{text:8}").into_bytes());
    }
    bytes.push(0x10);
    bytes.extend([0; 11]);
    Block { kind: name.as_bytes()[1], number, bytes }
}

/// A moment as blocks hold it.
fn stamp(at: i64) -> [u8; 6] {
    let seconds = at.div_euclid(1_000 * NANOS_A_MILLI) - SECONDS_1984;
    let days = seconds.div_euclid(SECONDS_A_DAY) as u16;
    let millis = (at.div_euclid(NANOS_A_MILLI)).rem_euclid(SECONDS_A_DAY * 1_000) as u32;
    let ([a, b, c, d], [e, f]) = (millis.to_be_bytes(), days.to_be_bytes());
    [a, b, c, d, e, f]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_changes_its_block_and_no_other() {
        let mut program = Program::commissioned(Rng::fork(1, "program"), COMMISSIONED);
        let process = Process::new(1, 0);
        let before = program.blocks(&process, &[(2, &memory::MIX_SETS, 8)]);
        program.put(FUNCTION, 12, &[0x65, 0], COMMISSIONED + 1);
        program.put(DATA, 2, &[0; 8], COMMISSIONED + 1);
        let after = program.blocks(&process, &[(2, &memory::MIX_SETS, 8)]);
        let changed: Vec<_> = before.iter().zip(&after).filter(|(a, b)| a != b).collect();
        assert_eq!(changed.len(), 1);
        let (_, now) = changed[0];
        assert_eq!((now.kind, now.number), (b'C', 12));
        assert_eq!(now.bytes[34..38], [0, 2, 0x65, 0]);
        assert_eq!(now.bytes.len(), 36 + 2 + 36);
        assert!(before.iter().any(|block| block.kind == b'A' && block.bytes.len() == 72 + 8));
    }

    #[test]
    fn a_time_stamp_counts_from_1984() {
        assert_eq!(stamp((SECONDS_1984 + SECONDS_A_DAY) * 1_000_000_000), [0, 0, 0, 0, 0, 1]);
        let noon = (SECONDS_1984 + SECONDS_A_DAY / 2) * 1_000_000_000;
        assert_eq!(stamp(noon), [2, 0x93, 0x2e, 0, 0, 0]);
    }
}
