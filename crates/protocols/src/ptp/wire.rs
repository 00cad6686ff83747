//! PTP messages (IEEE 1588-2019, clause 13), read and written.
//!
//! Invariant: a message ends where its header says, or where the frame ends.

use wire::{Reader, Short};

pub const HEADER_OCTETS: usize = 34;

pub const VERSION: u8 = 2;

pub const SYNC: u8 = 0;
pub const DELAY_RESP: u8 = 9;
pub const ANNOUNCE: u8 = 0xb;
pub const SIGNALING: u8 = 0xc;
pub const MANAGEMENT: u8 = 0xd;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// `majorSdoId` (transportSpecific): 1 is gPTP, IEEE 802.1AS.
    pub profile: u8,
    pub kind: u8,
    pub version: u8,
    pub length: u16,
    pub domain: u8,
    pub flags: u16,
    /// Identity of the clock that sent it, and the number of its port.
    pub clock: [u8; 8],
    pub port: u16,
    pub sequence: u16,
}

/// What an Announce says of the grandmaster (13.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announce {
    pub priority1: u8,
    /// 6 locked to a primary reference, 7 holdover, 52, 187 degraded, 248 default.
    pub class: u8,
    pub accuracy: u8,
    pub priority2: u8,
    pub grandmaster: [u8; 8],
    pub steps: u16,
    pub source: u8,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut at = Reader::new(bytes);
        let (first, version, length, domain) = (at.u8()?, at.u8()?, at.be16()?, at.u8()?);
        at.skip(1)?;
        let flags = at.be16()?;
        at.skip(12)?;
        let (clock, port, sequence) = (at.array::<8>()?, at.be16()?, at.be16()?);
        at.skip(2)?;
        let (profile, kind, version) = (first >> 4, first & 0xf, version & 0xf);
        Ok(Header { profile, kind, version, length, domain, flags, clock, port, sequence })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![self.profile << 4 | self.kind, self.version];
        bytes.extend(self.length.to_be_bytes());
        bytes.extend([self.domain, 0]);
        bytes.extend(self.flags.to_be_bytes());
        bytes.extend([0; 12]);
        bytes.extend(self.clock);
        bytes.extend(self.port.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend([control(self.kind), 0]);
        bytes
    }

    /// Octets a message of this kind has at least (13.4 to 13.13).
    pub const fn least_octets(&self) -> usize {
        match self.kind {
            SYNC | 1 | 8 | SIGNALING => 44,
            2 | 3 | DELAY_RESP | 0xa => 54,
            ANNOUNCE => 64,
            MANAGEMENT => 48,
            _ => usize::MAX,
        }
    }

    /// A message of a kind that the standard keeps for later (table 36), as long as it says.
    pub fn is_reserved_in(&self, octets: usize) -> bool {
        let reserved = matches!(self.kind, 4..=7 | 0xe | 0xf);
        let length = usize::from(self.length);
        reserved && self.version == VERSION && length >= HEADER_OCTETS && length == octets
    }

    /// Could this be the header of a message in `octets` octets?
    pub fn is_plausible(&self, octets: usize) -> bool {
        let length = usize::from(self.length);
        self.version == VERSION && length >= self.least_octets() && length <= octets
    }
}

/// The control field of version 1 that version 2 keeps (table 42).
const fn control(kind: u8) -> u8 {
    match kind {
        SYNC => 0,
        1 => 1,
        8 => 2,
        DELAY_RESP => 3,
        MANAGEMENT => 4,
        _ => 5,
    }
}

/// A datagram that hardly anything else looks like: its length, of which the capture may have cut
/// some, is the message's, the control field fits the kind, the interval is one of seconds and its
/// fractions.
pub fn is_strict(bytes: &[u8], octets: usize, header: &Header) -> bool {
    let &[.., control_field, interval] = bytes.get(..HEADER_OCTETS).unwrap_or_default() else {
        return false;
    };
    header.profile == 0
        && usize::from(header.length) == octets
        && control_field == control(header.kind)
        && matches!(i8::from_le_bytes([interval]), -10..=10 | 0x7f)
}

impl Announce {
    /// Reads what follows the header.
    pub fn parse(body: &[u8]) -> Result<Announce, Short> {
        let mut at = Reader::new(body);
        at.skip(13)?;
        let (priority1, class, accuracy) = (at.u8()?, at.u8()?, at.u8()?);
        at.skip(2)?;
        let (priority2, grandmaster) = (at.u8()?, at.array::<8>()?);
        let (steps, source) = (at.be16()?, at.u8()?);
        Ok(Announce { priority1, class, accuracy, priority2, grandmaster, steps, source })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![0; 13];
        bytes.extend([self.priority1, self.class, self.accuracy, 0, 0, self.priority2]);
        bytes.extend(self.grandmaster);
        bytes.extend(self.steps.to_be_bytes());
        bytes.push(self.source);
        bytes
    }
}

/// Texts of the management TLV CLOCK_DESCRIPTION (15.5.3.1.2): product, revisions, user's name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Description<'a> {
    pub product: &'a [u8],
    pub revision: &'a [u8],
    pub user: &'a [u8],
}

/// The management TLV behind the header of a management message: (id, data).
pub fn management(body: &[u8]) -> Result<(u16, &[u8]), Short> {
    let mut at = Reader::new(body);
    at.skip(14)?;
    let (_kind, length) = (at.be16()?, usize::from(at.be16()?));
    let mut value = at.sub(length)?;
    Ok((value.be16()?, value.rest()))
}

pub fn description(data: &[u8]) -> Result<Description<'_>, Short> {
    fn text<'a>(at: &mut Reader<'a>) -> Result<&'a [u8], Short> {
        let length = usize::from(at.u8()?);
        at.bytes(length)
    }
    let mut at = Reader::new(data);
    at.skip(2)?;
    text(&mut at)?;
    let physical = usize::from(at.be16()?);
    at.skip(physical)?;
    at.skip(2)?;
    let address = usize::from(at.be16()?);
    at.skip(address)?;
    at.skip(4)?;
    Ok(Description { product: text(&mut at)?, revision: text(&mut at)?, user: text(&mut at)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (profile, kind, length, domain) in (0u8..16, 0u8..16, any::<u16>(), any::<u8>()),
            (flags, clock, port, sequence) in any::<(u16, [u8; 8], u16, u16)>(),
            (priority1, class, accuracy, priority2) in any::<(u8, u8, u8, u8)>(),
            (grandmaster, steps, source) in any::<([u8; 8], u16, u8)>(),
        ) {
            let header =
                Header { profile, kind, version: 2, length, domain, flags, clock, port, sequence };
            prop_assert_eq!(Header::parse(&header.emit()), Ok(header));
            let announce =
                Announce { priority1, class, accuracy, priority2, grandmaster, steps, source };
            prop_assert_eq!(Announce::parse(&announce.emit()), Ok(announce));
        }
    }
}
