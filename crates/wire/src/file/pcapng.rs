//! The pcapng format (draft-ietf-opsawg-pcapng): sections, interfaces, packets; unknown blocks
//! are stepped over.

use super::{Found, ReadError, buffer::Buffer};
use crate::{
    limits::{BLOCK_OCTETS_MAX, INTERFACES_MAX, PACKET_OCTETS_MAX},
    link::LinkType,
    reader::{Reader, Short},
};
use std::io::Read;

pub(super) const SECTION: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;

#[derive(Default)]
pub(super) struct Pcapng {
    big_endian: bool,
    /// The section is of a version that is not known: its blocks are stepped over (4.1).
    foreign: bool,
    interfaces: Vec<Interface>,
    /// Simple packets have no time; they get that of the packet before.
    last_nanos: i64,
}

#[derive(Clone, Copy)]
struct Interface {
    link: LinkType,
    snap_octets: u32,
    resolution: Resolution,
    /// Seconds to add to every time.
    offset_secs: i64,
}

/// if_tsresol: a power of ten or of two a second.
#[derive(Clone, Copy)]
enum Resolution {
    Ten(u32),
    Two(u32),
}

impl Pcapng {
    pub(super) fn next<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
    ) -> Result<Option<Found>, ReadError> {
        loop {
            let offset = buffer.offset();
            let io = |source| ReadError::Io { offset, source };
            let damaged = |what| ReadError::Damaged { offset, what };
            let head = buffer.fill(12).map_err(io)?;
            if head.is_empty() {
                return Ok(None);
            }
            let Some(&[a, b, c, d, e, f, g, h, i, j, k, l]) = head.first_chunk::<12>() else {
                return Err(ReadError::Truncated { offset });
            };
            if [a, b, c, d] == SECTION {
                self.big_endian = match [i, j, k, l] {
                    [0x1a, 0x2b, 0x3c, 0x4d] => true,
                    [0x4d, 0x3c, 0x2b, 0x1a] => false,
                    _ => return Err(damaged("a section without its byte-order magic")),
                };
                self.interfaces.clear();
            }
            let kind = self.number([a, b, c, d]);
            let total = self.number([e, f, g, h]) as usize;
            if total < 12 || !total.is_multiple_of(4) || total > BLOCK_OCTETS_MAX {
                return Err(damaged("a block of impossible length"));
            }
            let block = buffer.fill(total).map_err(io)?;
            if block.len() < total {
                return Err(ReadError::Truncated { offset });
            }
            let Some(body) = block.get(8..total.saturating_sub(4)) else {
                return Err(ReadError::Truncated { offset });
            };
            let found = self.block(kind, body).map_err(|_| damaged("a block cut short inside"))?;
            match found {
                Some(found) => return Ok(Some(Found { record: total, ..found })),
                None => buffer.consume(total),
            }
        }
    }

    fn number(&self, octets: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
    }

    fn word(&self, at: &mut Reader<'_>) -> Result<u32, Short> {
        at.array::<4>().map(|octets| self.number(octets))
    }

    fn half(&self, at: &mut Reader<'_>) -> Result<u16, Short> {
        if self.big_endian { at.be16() } else { at.le16() }
    }

    /// A packet, if the block is one. Offsets are from the start of the block.
    fn block(&mut self, kind: u32, body: &[u8]) -> Result<Option<Found>, Short> {
        let mut at = Reader::new(body);
        match kind {
            SECTION_HEADER => {
                at.skip(4)?;
                self.foreign = self.half(&mut at)? != 1;
                Ok(None)
            }
            _ if self.foreign => Ok(None),
            INTERFACE => {
                if self.interfaces.len() < INTERFACES_MAX {
                    let interface = self.interface(&mut at)?;
                    self.interfaces.push(interface);
                }
                Ok(None)
            }
            ENHANCED_PACKET => {
                let interface = self.word(&mut at)?;
                self.packet(interface, &mut at)
            }
            OBSOLETE_PACKET => {
                let interface = u32::from(self.half(&mut at)?);
                at.skip(2)?;
                self.packet(interface, &mut at)
            }
            SIMPLE_PACKET => self.simple(&mut at),
            _ => Ok(None),
        }
    }

    fn interface(&self, at: &mut Reader<'_>) -> Result<Interface, Short> {
        const RESOLUTION: u16 = 9;
        const OFFSET: u16 = 14;
        let link = LinkType::from_number(self.half(at)?);
        at.skip(2)?;
        let snap_octets = self.word(at)?;
        let mut interface =
            Interface { link, snap_octets, resolution: Resolution::Ten(6), offset_secs: 0 };
        while at.remaining() >= 4 {
            let (code, length) = (self.half(at)?, usize::from(self.half(at)?));
            if code == 0 {
                break;
            }
            let Ok(value) = at.bytes(length) else { break };
            // Options are padded to 32 bits; the last one may miss its padding.
            let padding = length.next_multiple_of(4).saturating_sub(length);
            at.skip(padding.min(at.remaining()))?;
            match (code, value) {
                (RESOLUTION, [r, ..]) if r & 0x80 != 0 => {
                    interface.resolution = Resolution::Two(u32::from(r & 0x7f));
                }
                (RESOLUTION, [r, ..]) => interface.resolution = Resolution::Ten(u32::from(*r)),
                (OFFSET, value) => {
                    if let Some(octets) = value.first_chunk::<8>() {
                        let big = self.big_endian;
                        let read = if big { i64::from_be_bytes } else { i64::from_le_bytes };
                        interface.offset_secs = read(*octets);
                    }
                }
                _ => {}
            }
        }
        Ok(interface)
    }

    /// Enhanced and obsolete packet blocks from the time on.
    fn packet(&mut self, interface: u32, at: &mut Reader<'_>) -> Result<Option<Found>, Short> {
        let (high, low) = (self.word(at)?, self.word(at)?);
        let (captured, wire_len) = (self.word(at)?, self.word(at)?);
        let data_len = captured as usize;
        if data_len > PACKET_OCTETS_MAX || data_len > at.remaining() {
            return Err(Short { needed: data_len.saturating_sub(at.remaining()) });
        }
        // A packet of an interface that was not described is still a packet.
        let known = self.interfaces.get(interface as usize).copied();
        let ticks = u64::from(high) << 32 | u64::from(low);
        self.last_nanos = known.map_or(0, |i| i.nanos(ticks));
        let link = known.map_or(LinkType::Other(u16::MAX), |i| i.link);
        Ok(Some(self.found(
            interface,
            link,
            (8usize.saturating_add(at.position()), data_len),
            wire_len,
        )))
    }

    fn simple(&mut self, at: &mut Reader<'_>) -> Result<Option<Found>, Short> {
        let wire_len = self.word(at)?;
        let Some(interface) = self.interfaces.first() else { return Ok(None) };
        let snap = if interface.snap_octets == 0 { u32::MAX } else { interface.snap_octets };
        let data_len = (wire_len.min(snap) as usize).min(at.remaining());
        let data_at = 8usize.saturating_add(at.position());
        Ok(Some(self.found(0, interface.link, (data_at, data_len), wire_len)))
    }

    fn found(
        &self,
        interface: u32,
        link: LinkType,
        (data_at, data_len): (usize, usize),
        wire_len: u32,
    ) -> Found {
        let wire_len = wire_len.max(data_len as u32);
        let at_nanos = self.last_nanos;
        Found { at_nanos, wire_len, link, interface, data_at, data_len, record: 0 }
    }
}

impl Interface {
    fn nanos(&self, ticks: u64) -> i64 {
        let ticks = u128::from(ticks);
        let nanos = match self.resolution {
            Resolution::Ten(power @ 0..=9) => {
                ticks.saturating_mul(10u128.saturating_pow(9u32.saturating_sub(power)))
            }
            Resolution::Ten(power) => {
                let unit = 10u128.saturating_pow(power.saturating_sub(9).min(30));
                ticks.checked_div(unit).unwrap_or_default()
            }
            Resolution::Two(power) => {
                ticks.saturating_mul(1_000_000_000).checked_shr(power).unwrap_or_default()
            }
        };
        let offset = self.offset_secs.saturating_mul(1_000_000_000);
        i64::try_from(nanos).unwrap_or(i64::MAX).saturating_add(offset)
    }
}
