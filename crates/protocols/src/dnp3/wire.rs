//! DNP3 link frames, transport segments and application headers, read and written.
//!
//! IEEE 1815-2012, clauses 4, 8 and 9. Not here: objects, see `objects`. Invariant: a header is
//! returned only when its check sequence is right.

use wire::reader::{Reader, Short};

pub const START: [u8; 2] = [0x05, 0x64];
/// Start, length, control, destination, source, check sequence (9.2.4.1).
pub const HEADER_OCTETS: usize = 10;
/// User data come in blocks of at most this many octets, each with its check sequence (9.2.4.1).
pub const BLOCK_OCTETS: usize = 16;
/// What the length octet counts besides user data: control, destination, source.
const LENGTH_MIN: u8 = 5;
/// Application octets of one frame: 250 of user data less the transport octet.
pub const SEGMENT_OCTETS: usize = 249;

/// The link layer's control octet (9.2.4.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Control(pub u8);

impl Control {
    /// Unconfirmed user data, as nearly all traffic over IP is.
    pub const fn user_data(from_master: bool) -> Control {
        Control(if from_master { 0xc4 } else { 0x44 })
    }

    pub const fn from_master(self) -> bool {
        self.0 & 0x80 != 0
    }

    /// Sent by the station that started the link transaction, whichever it is.
    pub const fn is_primary(self) -> bool {
        self.0 & 0x40 != 0
    }

    pub const fn function(self) -> u8 {
        self.0 & 0x0f
    }

    /// Confirmed or unconfirmed user data: a transport segment follows.
    pub const fn has_user_data(self) -> bool {
        self.is_primary() && matches!(self.function(), 3 | 4)
    }
}

/// A link frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Link {
    /// User data without check sequences.
    pub user_octets: u8,
    pub control: Control,
    pub destination: u16,
    pub source: u16,
}

/// Why bytes are no link frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotLink {
    Short,
    Start,
    Length,
    CheckSequence,
}

impl From<Short> for NotLink {
    fn from(_: Short) -> Self {
        NotLink::Short
    }
}

impl Link {
    pub fn parse(bytes: &[u8]) -> Result<Link, NotLink> {
        if bytes.iter().zip(START).any(|(a, b)| *a != b) {
            return Err(NotLink::Start);
        }
        let mut at = Reader::new(bytes);
        let checked = at.bytes(HEADER_OCTETS.saturating_sub(2))?;
        let right = at.array::<2>()? == crc(checked);
        let mut at = Reader::new(checked);
        at.skip(START.len())?;
        let length = at.u8()?;
        let control = Control(at.u8()?);
        let (destination, source) = (at.le16()?, at.le16()?);
        if !right {
            return Err(NotLink::CheckSequence);
        }
        let user_octets = length.checked_sub(LENGTH_MIN).ok_or(NotLink::Length)?;
        Ok(Link { user_octets, control, destination, source })
    }

    /// The whole frame, with the check sequences of its blocks.
    pub fn octets(&self) -> usize {
        let user = usize::from(self.user_octets);
        let blocks = user.div_ceil(BLOCK_OCTETS).saturating_mul(2);
        HEADER_OCTETS.saturating_add(user).saturating_add(blocks)
    }

    /// Header and blocks around `user`, of which the first 250 octets are taken.
    pub fn emit(control: Control, destination: u16, source: u16, user: &[u8]) -> Vec<u8> {
        let user = user.get(..250).unwrap_or(user);
        let length = u8::try_from(user.len()).unwrap_or_default().saturating_add(LENGTH_MIN);
        let mut frame = vec![START[0], START[1], length, control.0];
        frame.extend(destination.to_le_bytes());
        frame.extend(source.to_le_bytes());
        frame.extend(crc(&frame));
        for block in user.chunks(BLOCK_OCTETS) {
            frame.extend(block);
            frame.extend(crc(block));
        }
        frame
    }
}

/// Takes the check sequences out of the blocks behind a header; `false` when one is wrong.
pub fn unblock(blocks: &[u8], user: &mut Vec<u8>) -> bool {
    user.clear();
    blocks.chunks(BLOCK_OCTETS.saturating_add(2)).all(|block| match block.split_last_chunk::<2>() {
        Some((octets, sum)) => {
            user.extend_from_slice(octets);
            *sum == crc(octets)
        }
        None => false,
    })
}

/// CRC-16/DNP (9.2.5), low octet first.
pub fn crc(bytes: &[u8]) -> [u8; 2] {
    let sum = bytes.iter().fold(0_u16, |sum, byte| {
        let [low, high] = sum.to_le_bytes();
        let step = CRC_TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
        u16::from(high) ^ step
    });
    (!sum).to_le_bytes()
}

static CRC_TABLE: [u16; 256] = crc_table();

// Runs at compile time: an index or sum out of range would not build.
#[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
const fn crc_table() -> [u16; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut value = i as u16;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { value >> 1 ^ 0xa6bc } else { value >> 1 };
            bit += 1;
        }
        table[i] = value;
        i += 1;
    }
    table
}

/// The transport function's octet (8.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transport(pub u8);

impl Transport {
    pub const fn is_final(self) -> bool {
        self.0 & 0x80 != 0
    }

    pub const fn is_first(self) -> bool {
        self.0 & 0x40 != 0
    }

    pub const fn sequence(self) -> u8 {
        self.0 & 0x3f
    }
}

/// All frames of one application fragment, one behind the other.
pub fn frames(
    from_master: bool,
    (destination, source): (u16, u16),
    sequence: u8,
    fragment: &[u8],
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = sequence & 0x3f;
    let mut parts = fragment.chunks(SEGMENT_OCTETS).peekable();
    let mut first = true;
    while let Some(part) = parts.next() {
        let last = parts.peek().is_none();
        let mut user = vec![u8::from(last) << 7 | u8::from(first) << 6 | sequence];
        user.extend(part);
        out.extend(Link::emit(Control::user_data(from_master), destination, source, &user));
        sequence = sequence.wrapping_add(1) & 0x3f;
        first = false;
    }
    out
}

/// An application fragment (4.2.2): control, function, internal indications of answers, objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Application<'a> {
    pub control: u8,
    pub function: u8,
    /// First octet (IIN1) low, second (IIN2) high; only in answers.
    pub indications: Option<u16>,
    pub objects: &'a [u8],
}

impl<'a> Application<'a> {
    pub fn parse(fragment: &'a [u8]) -> Result<Self, Short> {
        let mut at = Reader::new(fragment);
        let (control, function) = (at.u8()?, at.u8()?);
        let indications = if is_answer(function) { Some(at.le16()?) } else { None };
        Ok(Application { control, function, indications, objects: at.rest() })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.control, self.function];
        out.extend(self.indications.into_iter().flat_map(u16::to_le_bytes));
        out.extend(self.objects);
        out
    }

    /// Running number that an answer repeats (4.2.2.4.5).
    pub const fn sequence(&self) -> u8 {
        self.control & 0x0f
    }
}

/// Response, unsolicited response, authentication response (4.2.2.5).
pub const fn is_answer(function: u8) -> bool {
    matches!(function, 0x81..=0x83)
}
