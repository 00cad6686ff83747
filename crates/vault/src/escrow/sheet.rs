//! A share as a sheet of paper: six lines of five words that can be read out and typed.
//!
//! Words are proquints (Wilkerson, arXiv:0901.4016): sixteen bits as five letters that can be
//! spoken, in no language in particular. The fifth word of a line checks the line, so a slip is
//! found where it is. Invariant: a sheet that reads at all reads as the share that was printed.

use super::SECRET_BYTES;
use crate::{
    digest::Sha256,
    error::{Error, Result},
};
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

const CONSONANTS: &[u8; 16] = b"bdfghjklmnprstvz";
const VOWELS: &[u8; 4] = b"aiou";
const LINES: usize = 6;
/// Octets of a line: four words.
const LINE_BYTES: usize = 8;
const BYTES: usize = LINES * LINE_BYTES;

/// Which of a vault's keys; the first octet of a share.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Which {
    /// The key that reads the vault.
    Reading = 1,
    /// The key that signs its log.
    Signing = 2,
}

/// One share of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    pub which: Which,
    /// The same in all shares of one splitting.
    pub set: [u8; 4],
    /// How many shares give the key.
    pub needed: u8,
    pub of: u8,
    /// 1 to `of`.
    pub number: u8,
    pub(super) value: [u8; SECRET_BYTES],
}

impl Share {
    /// The sheet; `vault` is said to the reader and not part of the share.
    pub fn to_sheet(&self, vault: &str) -> String {
        let Self { needed, of, number, .. } = self;
        let set = hex(&self.set);
        let key = match self.which {
            Which::Reading => "the key of a vault",
            Which::Signing => "the key that signs a vault's log",
        };
        let mut text = format!(
            "Spandrel: share {number} of {of} of {key}. Any {needed} give it.\n\
             Vault {vault}, set {set}\n\n"
        );
        for (at, line) in self.bytes().chunks(LINE_BYTES).enumerate() {
            let words: Vec<String> = line.chunks(2).map(|w| word([w[0], w[1]])).collect();
            let check = word(check(at, line));
            writeln!(text, "  {}   {}   {check}", at + 1, words.join(" "))
                .expect("writing to a string");
        }
        text + "\nKeep it on paper, away from the other shares. With enough of them:\n  \
                spandrel vault escrow join VAULT --to KEY_FILE SHARE_FILE SHARE_FILE ...\n"
    }

    /// Reads a sheet, or just its six lines; the numbers in front may be left out.
    pub fn from_sheet(text: &str) -> Result<Self> {
        let lines: Vec<Vec<&str>> = text.lines().filter_map(words_of).collect();
        if lines.len() != LINES {
            let text = format!("a share has {LINES} lines of five words, here are {}", lines.len());
            return Err(Error::Refused(text));
        }
        let mut bytes = [0; BYTES];
        for (at, (line, into)) in lines.iter().zip(bytes.chunks_mut(LINE_BYTES)).enumerate() {
            let number = at + 1;
            let mut read = Vec::new();
            for text in line {
                let wrong = || Error::Refused(format!("line {number}: {text:?} is no such word"));
                read.extend(parse_word(text).ok_or_else(wrong)?);
            }
            let (content, given) = read.split_at(LINE_BYTES);
            if check(at, content) != given {
                let text = format!("line {number}: a word is not what was printed");
                return Err(Error::Refused(text));
            }
            into.copy_from_slice(content);
        }
        Self::from_bytes(&bytes)
    }

    fn bytes(&self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[0] = self.which as u8;
        bytes[1..5].copy_from_slice(&self.set);
        bytes[5..8].copy_from_slice(&[self.needed, self.of, self.number]);
        bytes[8..8 + SECRET_BYTES].copy_from_slice(&self.value);
        let sum = Sha256::of(&bytes[..8 + SECRET_BYTES]);
        bytes[8 + SECRET_BYTES..].copy_from_slice(&sum.0[..4]);
        bytes
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Result<Self> {
        let which = if bytes[0] == 2 { Which::Signing } else { Which::Reading };
        let mut share = Self {
            which,
            set: [bytes[1], bytes[2], bytes[3], bytes[4]],
            needed: bytes[5],
            of: bytes[6],
            number: bytes[7],
            value: [0; SECRET_BYTES],
        };
        share.value.copy_from_slice(&bytes[8..8 + SECRET_BYTES]);
        let sound = (1..=share.of).contains(&share.number) && share.needed >= 2;
        if share.bytes() != *bytes || !sound {
            return Err(Error::Refused("the lines are not all of the same share".to_owned()));
        }
        Ok(share)
    }
}

/// The words of a line that can be one of a share.
fn words_of(line: &str) -> Option<Vec<&str>> {
    let mut words: Vec<&str> = line.split_whitespace().collect();
    if words.len() == 6 && words[0].trim_end_matches(['.', ':', ')']).parse::<u8>().is_ok() {
        words.remove(0);
    }
    (words.len() == 5 && words.iter().all(|word| word.len() == 5)).then_some(words)
}

/// Depends on the line's number, so lines in another order are found.
fn check(at: usize, line: &[u8]) -> [u8; 2] {
    let number = u8::try_from(at).expect("a share has six lines");
    let hash = Sha256::of_parts(&[b"spandrel share line", &[number], line]);
    [hash.0[0], hash.0[1]]
}

fn word(bytes: [u8; 2]) -> String {
    let bits = u16::from_be_bytes(bytes);
    let at = |shift: u32, mask: u16| usize::from(bits >> shift & mask);
    let letters = [
        CONSONANTS[at(12, 15)],
        VOWELS[at(10, 3)],
        CONSONANTS[at(6, 15)],
        VOWELS[at(4, 3)],
        CONSONANTS[at(0, 15)],
    ];
    letters.iter().map(|letter| char::from(*letter)).collect()
}

fn parse_word(text: &str) -> Option<[u8; 2]> {
    let letters: [u8; 5] = text.as_bytes().try_into().ok()?;
    let mut bits = 0_u16;
    for (at, letter) in letters.iter().map(u8::to_ascii_lowercase).enumerate() {
        let (alphabet, width): (&[u8], u32) =
            if at % 2 == 0 { (CONSONANTS, 4) } else { (VOWELS, 2) };
        let value = alphabet.iter().position(|known| *known == letter)?;
        bits = bits << width | u16::try_from(value).ok()?;
    }
    Some(bits.to_be_bytes())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share() -> Share {
        let mut value = [0; SECRET_BYTES];
        for (at, byte) in value.iter_mut().enumerate() {
            *byte = (at * 37) as u8;
        }
        let which = Which::Signing;
        Share { which, set: [0xde, 0xad, 1, 2], needed: 2, of: 3, number: 3, value }
    }

    /// The examples of the proquint paper: 127.0.0.1 and 63.84.220.193.
    #[test]
    fn words_are_proquints() {
        let address = |a: [u8; 4]| word([a[0], a[1]]) + "-" + &word([a[2], a[3]]);
        assert_eq!(address([127, 0, 0, 1]), "lusab-babad");
        assert_eq!(address([63, 84, 220, 193]), "gutih-tugad");
        for bits in 0..=u16::MAX {
            assert_eq!(parse_word(&word(bits.to_be_bytes())), Some(bits.to_be_bytes()));
        }
        assert_eq!(parse_word("lusac"), None);
    }

    #[test]
    fn a_sheet_reads_back_as_typed_by_a_person() {
        let sheet = share().to_sheet("spandrel.vault/1");
        assert!(Share::from_sheet(&sheet).unwrap() == share());
        let typed: String = sheet
            .lines()
            .filter_map(words_of)
            .map(|words| format!("{}\r\n", words.join("  ").to_uppercase()))
            .collect();
        assert!(Share::from_sheet(&typed).unwrap() == share());
    }

    #[test]
    fn every_wrong_letter_and_every_exchanged_line_is_found() {
        let sheet = share().to_sheet("v");
        let lines: Vec<&str> = sheet.lines().filter(|line| words_of(line).is_some()).collect();
        for (number, line) in lines.iter().enumerate() {
            for at in line.find(char::is_alphabetic).unwrap()..line.len() {
                let old = line.as_bytes()[at];
                if old == b' ' {
                    continue;
                }
                let new = if old == b'b' { 'd' } else { 'b' };
                let mut wrong = (*line).to_owned();
                wrong.replace_range(at..=at, &new.to_string());
                let mut all = lines.clone();
                all[number] = &wrong;
                let error = Share::from_sheet(&all.join("\n")).err().expect("found");
                assert!(error.to_string().starts_with(&format!("line {}", number + 1)), "{error}");
            }
        }
        for number in 1..lines.len() {
            let mut all = lines.clone();
            all.swap(0, number);
            assert!(Share::from_sheet(&all.join("\n")).is_err());
        }
        assert!(Share::from_sheet(&lines[..5].join("\n")).is_err());
    }
}
