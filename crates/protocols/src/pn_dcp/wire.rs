//! DCP frames and their blocks (IEC 61158-6-10, 4.3.1).

use std::net::Ipv4Addr;
use wire::{Reader, Short};

/// Blocks read of one frame.
const BLOCKS_MAX: usize = 64;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub id: u16,
    pub service: u8,
    /// 0 request, 1 answer, 5 answer "not supported".
    pub kind: u8,
    pub transaction: u32,
    /// Octets of the blocks, by the header.
    pub length: usize,
    /// The blocks, as far as they are there.
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (id, service, kind, transaction) = (r.be16()?, r.u8()?, r.u8()?, r.be32()?);
        r.skip(2)?;
        let length = usize::from(r.be16()?);
        let data = r.bytes(length.min(r.remaining()))?;
        Ok(Frame { id, service, kind, transaction, length, data })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    pub option: u8,
    pub suboption: u8,
    /// In a set: kept when the station restarts (BlockQualifier, 4.3.1.4.2).
    pub permanent: bool,
    /// Without the block info or qualifier that most blocks begin with.
    pub value: &'a [u8],
}

impl Block<'_> {
    /// The station name in a set or identify request.
    pub fn station_name(&self) -> Option<String> {
        let named = self.option == 2 && self.suboption == 2 && !self.value.is_empty();
        named.then(|| String::from_utf8_lossy(self.value).into_owned())
    }

    /// The address that a set gives with its network, and the gateway. Where there is none, zeros
    /// or the address itself stand there.
    pub fn address(&self) -> Option<String> {
        let ((1, 2 | 3), Some(octets)) =
            ((self.option, self.suboption), self.value.first_chunk::<8>())
        else {
            return None;
        };
        let [a, b, c, d, mask @ ..] = *octets;
        let own = Ipv4Addr::new(a, b, c, d);
        let prefix = u32::from_be_bytes(mask).leading_ones();
        let gateway = self.value.get(8..).and_then(<[u8]>::first_chunk::<4>);
        let gateway = gateway.map(|octets| Ipv4Addr::from(*octets));
        Some(match gateway.filter(|gateway| !gateway.is_unspecified() && *gateway != own) {
            Some(gateway) => format!("{own}/{prefix}, gateway {gateway}"),
            None => format!("{own}/{prefix}"),
        })
    }

    /// The error of a block that says what came of one that was to be set.
    pub fn refusal(&self) -> Option<u8> {
        let answers = (self.option, self.suboption) == (5, 4);
        self.value.first().copied().filter(|code| answers && *code != 0)
    }
}

/// Why a block could not be set (BlockError, 4.3.1.4.3.3).
pub fn block_error(code: u8) -> &'static str {
    match code {
        1 => "option not supported",
        2 => "suboption not supported",
        3 => "suboption not set",
        4 => "resource error",
        5 => "cannot be set",
        6 => "cannot be set in operation",
        _ => "error",
    }
}

/// Blocks of a frame, in order, until one is longer than what is left.
pub fn blocks<'a>(frame: &Frame<'a>) -> impl Iterator<Item = Block<'a>> {
    let mut r = Reader::new(frame.data);
    // Filters of an identify request have no qualifier; options asked for by get have no blocks.
    let bare = frame.service == 5 && frame.kind == 0;
    let asks = frame.service == 3 && frame.kind == 0;
    (0..BLOCKS_MAX).map_while(move |_| {
        if asks {
            return None;
        }
        let (option, suboption) = (r.u8().ok()?, r.u8().ok()?);
        let length = usize::from(r.be16().ok()?);
        let body = r.bytes(length).ok()?;
        if length % 2 == 1 && !r.is_empty() {
            r.skip(1).ok()?;
        }
        let value = if bare { body } else { body.get(2..).unwrap_or_default() };
        let permanent = body.get(1).is_some_and(|qualifier| qualifier & 1 == 1);
        Some(Block { option, suboption, permanent, value })
    })
}

/// Vendors by their number in the register of PROFIBUS & PROFINET International.
pub fn vendor(id: u16) -> Option<&'static str> {
    Some(match id {
        0x002a => "Siemens AG",
        0x00b0 => "Phoenix Contact",
        0x011d => "WAGO",
        0x0120 => "Beckhoff Automation",
        0x014d => "Festo",
        _ => return None,
    })
}
