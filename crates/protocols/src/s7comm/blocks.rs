//! Blocks that are asked for and what the CPU says of them: number, name, author, checksum.
//!
//! Layout as the Wireshark project found it. Invariant: an answer too short gives no name.

use super::names;
use crate::text;
use ::wire::reader::{Reader, Short};
use model::Direction;

const LIST_OF_TYPE: u8 = 2;
const INFO: u8 = 3;

/// The block or type of blocks that a block function is about, for a person.
pub(super) fn named(subfunction: u8, direction: Direction, octets: &[u8]) -> Option<String> {
    match (subfunction, direction, octets) {
        (LIST_OF_TYPE, Direction::Request, [b'0', kind, ..]) => {
            Some(names::block_type(*kind).to_owned())
        }
        (INFO, Direction::Request, [b'0', kind, number @ ..]) => {
            let digits: String = number.iter().take(5).map(|b| char::from(*b)).collect();
            let number: u32 = digits.parse().ok()?;
            Some(format!("{} {number}", names::block_type(*kind)))
        }
        (INFO, Direction::Response, _) => info(octets).ok().flatten(),
        _ => None,
    }
}

/// E.g. `FC 5 SCALE 1.2, family CONVERT, author SIMATIC, checksum c5a0`.
fn info(octets: &[u8]) -> Result<Option<String>, Short> {
    let mut at = Reader::new(octets);
    at.skip(11)?;
    let kind = char::from_digit(u32::from(at.u8()? & 0x0f), 16).map(|c| c.to_ascii_uppercase());
    let number = at.be16()?;
    // Sizes, protection, two time stamps.
    at.skip(28)?;
    let mut word = || at.bytes(8).map(|b| text::lossy(b).trim_matches(['\0', ' ']).to_owned());
    let (author, family, name) = (word()?, word()?, word()?);
    let version = at.u8()?;
    at.skip(1)?;
    let checksum = at.be16()?;
    let Some(kind) = kind.and_then(|k| u8::try_from(k).ok()) else { return Ok(None) };
    let mut said = format!("{} {number}", names::block_type(kind));
    if !name.is_empty() {
        said.push_str(&format!(" {name}"));
    }
    said.push_str(&format!(" {}.{}", version >> 4, version & 0x0f));
    for (what, text) in [("family", family), ("author", author)] {
        if !text.is_empty() {
            said.push_str(&format!(", {what} {text}"));
        }
    }
    said.push_str(&format!(", checksum {checksum:04x}"));
    Ok(Some(said))
}
