//! Layers of ZigBee from ZEP down to cluster commands: little endian throughout.
//!
//! Invariant: of a frame only what its control fields leave is payload.

use crate::text;
use ::wire::{Reader, Short};
use model::PointValue;

/// The radio's frame within ZEP of version 1 or 2, without its checksum; empty for an
/// acknowledgement.
pub(super) fn zep(bytes: &[u8]) -> Option<&[u8]> {
    const FCS_OCTETS: usize = 2;
    let mut r = Reader::new(bytes);
    if &r.array::<2>().ok()? != b"EX" {
        return None;
    }
    let skip = match (r.u8().ok()?, r.peek_u8()?) {
        // Channel, device, checksum mode, quality, reserved.
        (1, _) => 12,
        (2, 1) => 28,
        (2, 2) => return Some(&[]),
        _ => return None,
    };
    r.skip(skip).ok()?;
    let length = usize::from(r.u8().ok()?);
    if length != r.remaining() {
        return None;
    }
    r.bytes(length.checked_sub(FCS_OCTETS)?).ok()
}

/// MAC frame (IEEE 802.15.4, 7.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Mac<'a> {
    /// 0 beacon, 1 data, 2 acknowledgement, 3 command.
    pub kind: u8,
    pub secured: bool,
    pub network: u16,
    /// Short address of the sender, where it has one.
    pub source: Option<u16>,
    pub payload: &'a [u8],
}

impl<'a> Mac<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Mac<'a>, Short> {
        let mut r = Reader::new(bytes);
        let control = r.le16()?;
        r.skip(1)?;
        let (kind, secured) = ((control & 7) as u8, control & 8 != 0);
        let (to, from) = (control >> 10 & 3, control >> 14 & 3);
        let mut network = 0xffff;
        let address = |mode: u16, r: &mut Reader<'a>| -> Result<Option<u16>, Short> {
            match mode {
                2 => r.le16().map(Some),
                3 => r.skip(8).map(|()| None),
                _ => Ok(None),
            }
        };
        if to != 0 {
            network = r.le16()?;
        }
        address(to, &mut r)?;
        if from != 0 && control & 0x40 == 0 {
            network = r.le16()?;
        }
        let source = address(from, &mut r)?;
        Ok(Mac { kind, secured, network, source, payload: r.rest() })
    }
}

/// Network frame (05-3474-21, 3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Nwk<'a> {
    pub command: bool,
    pub secured: bool,
    pub source: u16,
    pub payload: &'a [u8],
}

impl<'a> Nwk<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Nwk<'a>, Short> {
        let mut r = Reader::new(bytes);
        let control = r.le16()?;
        if !matches!(control >> 2 & 0x0f, 1..=3) {
            return Err(Short { needed: 1 });
        }
        r.skip(2)?;
        let source = r.le16()?;
        r.skip(2)?;
        for bit in [0x0800, 0x1000] {
            if control & bit != 0 {
                r.skip(8)?;
            }
        }
        if control & 0x0100 != 0 {
            r.skip(1)?;
        }
        if control & 0x0400 != 0 {
            let relays = usize::from(r.u8()?);
            r.skip(relays.saturating_mul(2).saturating_add(1))?;
        }
        let (command, secured) = (control & 3 == 1, control & 0x0200 != 0);
        Ok(Nwk { command, secured, source, payload: r.rest() })
    }
}

/// Application support frame (2.2.5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Aps<'a> {
    /// 0 data, 1 command, 2 acknowledgement.
    pub kind: u8,
    pub secured: bool,
    pub cluster: u16,
    pub profile: u16,
    pub payload: &'a [u8],
}

impl<'a> Aps<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Aps<'a>, Short> {
        let mut r = Reader::new(bytes);
        let control = r.u8()?;
        let (kind, secured) = (control & 3, control & 0x20 != 0);
        let (mut cluster, mut profile) = (0, 0);
        if kind == 0 {
            // A group has two octets, an endpoint one.
            r.skip(if control >> 2 & 3 == 3 { 2 } else { 1 })?;
            (cluster, profile) = (r.le16()?, r.le16()?);
            r.skip(1)?;
        }
        r.skip(1)?;
        // Fragmented data has a header of its own.
        if control & 0x80 != 0 && r.u8()? & 3 != 0 {
            r.skip(1)?;
        }
        Ok(Aps { kind, secured, cluster, profile, payload: r.rest() })
    }
}

/// Cluster library frame (07-5123-06, 2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Zcl<'a> {
    pub global: bool,
    pub from_server: bool,
    pub command: u8,
    pub payload: &'a [u8],
}

impl<'a> Zcl<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Zcl<'a>, Short> {
        let mut r = Reader::new(bytes);
        let control = r.u8()?;
        if control & 4 != 0 {
            r.skip(2)?;
        }
        r.skip(1)?;
        let (global, from_server) = (control & 3 == 0, control & 8 != 0);
        Ok(Zcl { global, from_server, command: r.u8()?, payload: r.rest() })
    }
}

/// A value of a data type (2.6.2); `None` where its size is not known.
pub(super) fn value(kind: u8, r: &mut Reader<'_>) -> Option<PointValue> {
    let number = |octets: &[u8]| octets.iter().rev().fold(0_u64, |n, b| n << 8 | u64::from(*b));
    Some(match kind {
        0x10 => PointValue::Bool(r.u8().ok()? != 0),
        // Data, bitmaps, unsigned numbers and enumerations of one to eight octets.
        0x08..=0x0f | 0x18..=0x27 | 0x30 | 0x31 => {
            let octets = match kind {
                0x30 | 0x31 => usize::from(kind & 1).saturating_add(1),
                kind => usize::from(kind & 7).saturating_add(1),
            };
            PointValue::Unsigned(number(r.bytes(octets).ok()?))
        }
        0x28..=0x2f => {
            let octets = r.bytes(usize::from(kind & 7).saturating_add(1)).ok()?;
            let negative = octets.last().is_some_and(|b| b & 0x80 != 0);
            let start = if negative { -1_i64 } else { 0 };
            PointValue::Int(octets.iter().rev().fold(start, |n, b| n << 8 | i64::from(*b)))
        }
        0x39 => PointValue::Float(f64::from(f32::from_bits(r.le32().ok()?))),
        0x42 => {
            let length = usize::from(r.u8().ok()?);
            PointValue::Text(text::lossy(r.bytes(length).ok()?).into())
        }
        0xe2 => PointValue::Unsigned(u64::from(r.le32().ok()?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_numbers_keep_their_sign() {
        let mut r = Reader::new(&[0xfe, 0xff]);
        assert_eq!(value(0x29, &mut r), Some(PointValue::Int(-2)));
        assert!(r.is_empty());
    }
}
