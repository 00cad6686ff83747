//! Frames of SLMP (SH-080956ENG, 4.2 to 4.4) in both codes, and of MELSOFT.
//!
//! Invariant: a frame says how long it is before anything of it is read.

use ::wire::{Reader, Short};
use std::borrow::Cow;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Framing {
    /// 3E: without a serial number.
    Three,
    /// 4E: with one.
    Four,
    ThreeAscii,
    FourAscii,
    Melsoft,
    /// MELSOFT's search for controllers.
    Search,
}

/// Network and station asked.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Target {
    pub network: u8,
    pub station: u8,
}

/// A frame with its data in binary, whatever code it came in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub answer: bool,
    pub melsoft: bool,
    /// Numbers came as hexadecimal digits.
    pub ascii: bool,
    pub serial: Option<u16>,
    pub target: Target,
    pub command: u16,
    pub subcommand: u16,
    /// End code of an answer.
    pub end: u16,
    pub data: Cow<'a, [u8]>,
    /// Octets of the whole frame.
    pub octets: usize,
}

/// What the first octets say, if they are of this protocol at all.
pub fn framing(bytes: &[u8]) -> Option<Framing> {
    Some(match bytes.first_chunk::<4>()? {
        [0x50 | 0xd0, 0x00, _, _] => Framing::Three,
        [0x54 | 0xd4, 0x00, _, _] => Framing::Four,
        b"5000" | b"D000" => Framing::ThreeAscii,
        b"5400" | b"D400" => Framing::FourAscii,
        [0x57 | 0xd7, _, 0, 0] => Framing::Melsoft,
        [0x5a | 0xda, 0, 0, _] => Framing::Search,
        _ => return None,
    })
}

/// Reads a frame; `None` when it cannot be one. Data that has not come yet is left out.
pub fn frame(bytes: &[u8], framing: Framing) -> Result<Option<Frame<'_>>, Short> {
    match framing {
        Framing::Three => slmp(bytes, false),
        Framing::Four => slmp(bytes, true),
        Framing::ThreeAscii | Framing::FourAscii => ascii(bytes, framing == Framing::FourAscii),
        Framing::Melsoft => melsoft(bytes),
        Framing::Search => Ok(Some(Frame {
            answer: bytes.first() == Some(&0xda),
            melsoft: true,
            ascii: false,
            serial: None,
            target: Target::default(),
            command: 0,
            subcommand: 0,
            end: 0,
            data: Cow::Borrowed(&[]),
            octets: bytes.len(),
        })),
    }
}

fn slmp(bytes: &[u8], serial: bool) -> Result<Option<Frame<'_>>, Short> {
    let mut r = Reader::new(bytes);
    let answer = r.le16()? & 0x80 != 0;
    let serial = if serial { Some(r.le32()? as u16) } else { None };
    let [network, station] = r.array()?;
    r.skip(3)?;
    let length = usize::from(r.le16()?);
    let octets = r.position().saturating_add(length);
    let mut frame = Frame {
        answer,
        melsoft: false,
        ascii: false,
        serial,
        target: Target { network, station },
        command: 0,
        subcommand: 0,
        end: 0,
        data: Cow::Borrowed(&[]),
        octets,
    };
    let shortest = if answer { 2 } else { 6 };
    if length < shortest {
        return Ok(None);
    }
    if answer {
        frame.end = r.le16()?;
    } else {
        r.skip(2)?;
        (frame.command, frame.subcommand) = (r.le16()?, r.le16()?);
    }
    frame.data = Cow::Borrowed(rest(&r, bytes, octets));
    Ok(Some(frame))
}

/// What of the frame stands behind the reader, without what follows the frame.
fn rest<'a>(r: &Reader<'_>, bytes: &'a [u8], octets: usize) -> &'a [u8] {
    let end = octets.min(bytes.len());
    bytes.get(r.position()..end).unwrap_or_default()
}

/// Numbers as hexadecimal digits, high digit first (4.4.2).
struct Digits<'a> {
    r: Reader<'a>,
}

impl Digits<'_> {
    /// `Err` where digits are missing, `Ok(None)` where they are none.
    fn number(&mut self, digits: usize) -> Result<Option<u32>, Short> {
        let digits = self.r.bytes(digits)?;
        let text = std::str::from_utf8(digits).ok();
        Ok(text.and_then(|t| u32::from_str_radix(t, 16).ok()))
    }

    /// Device and number, whose digits are of the kind the device has: number and code in binary.
    fn place(&mut self) -> Option<[u8; 4]> {
        let name = std::str::from_utf8(self.r.bytes(2).ok()?).ok()?;
        let (code, hexadecimal) = super::names::device_code(name.trim_end_matches('*'))?;
        let number = std::str::from_utf8(self.r.bytes(6).ok()?).ok()?;
        let radix = if hexadecimal { 16 } else { 10 };
        let [a, b, c, _] = u32::from_str_radix(number, radix).ok()?.to_le_bytes();
        Some([a, b, c, code])
    }
}

fn ascii(bytes: &[u8], serial: bool) -> Result<Option<Frame<'_>>, Short> {
    let mut digits = Digits { r: Reader::new(bytes) };
    let answer = bytes.first() == Some(&b'D');
    digits.r.skip(4)?;
    let serial = match serial {
        true => {
            let number = digits.number(4)?;
            digits.r.skip(4)?;
            number.and_then(|n| u16::try_from(n).ok())
        }
        false => None,
    };
    let (network, station) = (digits.number(2)?, digits.number(2)?);
    digits.r.skip(6)?;
    let Some(length) = digits.number(4)? else { return Ok(None) };
    let octets = digits.r.position().saturating_add(usize::try_from(length).unwrap_or(0));
    let mut frame = Frame {
        answer,
        melsoft: false,
        ascii: true,
        serial,
        target: Target { network: network.unwrap_or(0) as u8, station: station.unwrap_or(0) as u8 },
        command: 0,
        subcommand: 0,
        end: 0,
        data: Cow::Borrowed(&[]),
        octets,
    };
    if answer {
        let Some(end) = digits.number(4)? else { return Ok(None) };
        frame.end = end as u16;
    } else {
        digits.number(4)?;
        let (Some(command), Some(subcommand)) = (digits.number(4)?, digits.number(4)?) else {
            return Ok(None);
        };
        (frame.command, frame.subcommand) = (command as u16, subcommand as u16);
        let body = rest(&digits.r, bytes, octets);
        frame.data = ascii_device(frame.command, frame.subcommand, body);
    }
    if answer {
        // A type name stands as text; words would need the request to be read.
        frame.data = Cow::Borrowed(rest(&digits.r, bytes, octets));
    }
    Ok(Some(frame))
}

/// Words written as four digits each, in their binary form.
pub fn ascii_words(digits: &[u8]) -> Vec<u8> {
    let words = digits.chunks_exact(4).map_while(|word| {
        let text = std::str::from_utf8(word).ok()?;
        u16::from_str_radix(text, 16).ok()
    });
    words.flat_map(u16::to_le_bytes).collect()
}

/// Bits written as a digit each, in their binary form: the first in the high half.
pub fn ascii_bits(digits: &[u8]) -> Vec<u8> {
    let bit = |digit: Option<&u8>| u8::from(digit == Some(&b'1'));
    digits.chunks(2).map(|pair| bit(pair.first()) << 4 | bit(pair.get(1))).collect()
}

/// Double words written as eight digits each, in their binary form.
pub fn ascii_double_words(digits: &[u8]) -> Vec<u8> {
    let double = |digits: &[u8]| {
        let text = std::str::from_utf8(digits).ok()?;
        u32::from_str_radix(text, 16).ok().map(u32::to_le_bytes)
    };
    digits.chunks_exact(8).map_while(double).flatten().collect()
}

/// What commands on devices ask for, as their binary form: `D*000100` and `0002`, and behind it
/// what is written.
fn ascii_device(command: u16, subcommand: u16, body: &[u8]) -> Cow<'_, [u8]> {
    match (command, subcommand) {
        (0x0401 | 0x1401, _) => Cow::Owned(ascii_batch(subcommand, body).unwrap_or_default()),
        (0x0403 | 0x0406 | 0x1402 | 0x1406, 0 | 1) => {
            Cow::Owned(ascii_several(command, subcommand, body).unwrap_or_default())
        }
        _ => Cow::Borrowed(body),
    }
}

fn ascii_batch(subcommand: u16, body: &[u8]) -> Option<Vec<u8>> {
    let mut digits = Digits { r: Reader::new(body) };
    let place = digits.place()?;
    let [low, high, ..] = digits.number(4).ok()??.to_le_bytes();
    let data = digits.r.rest();
    let data = if subcommand & 1 == 1 { ascii_bits(data) } else { ascii_words(data) };
    Some([&place[..], &[low, high], &data].concat())
}

fn ascii_several(command: u16, subcommand: u16, body: &[u8]) -> Option<Vec<u8>> {
    let bits = subcommand & 1 == 1;
    let mut digits = Digits { r: Reader::new(body) };
    let mut binary = Vec::new();
    let mut counts = [0, 0];
    for count in counts.iter_mut().take(if bits { 1 } else { 2 }) {
        *count = u8::try_from(digits.number(2).ok()??).ok()?;
        binary.push(*count);
    }
    let [singles, doubles] = counts.map(u32::from);
    for index in 0..singles.saturating_add(doubles) {
        binary.extend(digits.place()?);
        let points = match command {
            0x0406 | 0x1406 => {
                let points = digits.number(4).ok()??;
                binary.extend(points.to_le_bytes().iter().take(2));
                points
            }
            _ => 1,
        };
        let (each, octets) = match command {
            0x0403 | 0x0406 => continue,
            _ if bits => (2, 1),
            0x1402 if index >= singles => (8, 4),
            _ => (4, 2),
        };
        for _ in 0..points {
            let value = digits.number(each).ok()??;
            binary.extend(value.to_le_bytes().iter().take(octets));
        }
    }
    Some(binary)
}

/// MELSOFT: 19 octets of addresses, a length, a block whose third octet is its own length less
/// two, and the command, high octet first.
fn melsoft(bytes: &[u8]) -> Result<Option<Frame<'_>>, Short> {
    let mut r = Reader::new(bytes);
    let [kind, _, _, _] = r.array()?;
    let marks: [u8; 3] = r.array()?;
    if !matches!(marks, [_, 0x11, 0x11]) {
        return Ok(None);
    }
    let mut r = Reader::new(bytes);
    r.skip(19)?;
    let length = usize::from(r.le16()?);
    let octets = r.position().saturating_add(length);
    let block: [u8; 3] = r.array()?;
    let [_, _, inner] = block;
    r.skip(usize::from(inner).saturating_sub(1))?;
    let command = r.be16()?;
    let answer = kind == 0xd7;
    if !(32..=8_192).contains(&length) {
        return Ok(None);
    }
    // Number of the command, two octets of it again for answers' end codes.
    let number = r.le16()?;
    let end = if answer { r.le16()? } else { 0 };
    let data = Cow::Borrowed(rest(&r, bytes, octets));
    Ok(Some(Frame {
        answer,
        melsoft: true,
        ascii: false,
        serial: Some(number),
        target: Target::default(),
        command,
        subcommand: 0,
        end,
        data,
        octets,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emit(command: u16, subcommand: u16, data: &[u8]) -> Vec<u8> {
        let mut out = vec![0x50, 0, 0, 0xff, 0xff, 3, 0];
        out.extend((data.len() as u16 + 6).to_le_bytes());
        out.extend([0x10, 0]);
        out.extend(command.to_le_bytes());
        out.extend(subcommand.to_le_bytes());
        out.extend(data);
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            command: u16,
            subcommand: u16,
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let bytes = emit(command, subcommand, &data);
            let read = frame(&bytes, Framing::Three).expect("long enough").expect("a frame");
            prop_assert_eq!((read.command, read.subcommand), (command, subcommand));
            prop_assert_eq!((&*read.data, read.octets), (&*data, bytes.len()));
        }
    }
}
