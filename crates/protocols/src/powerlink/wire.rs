//! Frames of Ethernet POWERLINK (EPSG DS 301, 4.6), read and written.
//!
//! Invariant: what a frame carries lies within it.

use wire::{Reader, Short};

pub const SOC: u8 = 1;
pub const PREQ: u8 = 3;
pub const PRES: u8 = 4;
pub const SOA: u8 = 5;
pub const ASND: u8 = 6;

/// Services of an asynchronous send (4.6.1.1.6).
pub const IDENT_RESPONSE: u8 = 1;
pub const STATUS_RESPONSE: u8 = 2;
pub const NMT_REQUEST: u8 = 3;
pub const NMT_COMMAND: u8 = 4;
pub const SDO: u8 = 5;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub kind: u8,
    /// Node numbers: 240 is the managing node, 255 all.
    pub destination: u8,
    pub source: u8,
    pub body: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Short> {
        let mut at = Reader::new(bytes);
        let (kind, destination, source) = (at.u8()? & 0x7f, at.u8()?, at.u8()?);
        Ok(Frame { kind, destination, source, body: at.rest() })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![self.kind, self.destination, self.source];
        bytes.extend_from_slice(self.body);
        bytes
    }

    /// The state of the sender's network management, where the frame says it (4.6.1.1).
    pub fn state(&self) -> Option<u8> {
        match (self.kind, self.body) {
            (PRES | SOA, [state, ..]) => Some(*state),
            (ASND, [IDENT_RESPONSE | STATUS_RESPONSE, _, _, state, ..]) => Some(*state),
            _ => None,
        }
    }
}

/// What a node answers when it is asked who it is (7.3.3.3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ident {
    pub version: u8,
    pub device_type: u32,
    pub vendor: u32,
    pub product: u32,
    pub revision: u32,
    pub serial: u32,
    pub ip: [u8; 4],
    pub gateway: [u8; 4],
    pub host: String,
}

impl Ident {
    /// Reads what follows the service number.
    pub fn parse(data: &[u8]) -> Result<Ident, Short> {
        let mut at = Reader::new(data);
        at.skip(4)?;
        let version = at.u8()?;
        at.skip(17)?;
        let device_type = at.le32()?;
        let (vendor, product, revision, serial) = (at.le32()?, at.le32()?, at.le32()?, at.le32()?);
        at.skip(24)?;
        // Addresses are numbers of 32 bits, least octet first like all numbers here.
        let ip = at.le32()?.to_be_bytes();
        at.skip(4)?;
        let gateway = at.le32()?.to_be_bytes();
        let host = crate::text::lossy(at.bytes(32)?);
        let host = host.trim_end_matches('\0').to_owned();
        Ok(Ident { version, device_type, vendor, product, revision, serial, ip, gateway, host })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        bytes.push(self.version);
        bytes.extend([0; 17]);
        for number in [self.device_type, self.vendor, self.product, self.revision, self.serial] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend([0; 24]);
        bytes.extend(u32::from_be_bytes(self.ip).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(u32::from_be_bytes(self.gateway).to_le_bytes());
        let host: Vec<u8> = self.host.bytes().chain(std::iter::repeat(0)).take(32).collect();
        bytes.extend(host);
        bytes
    }
}

/// The command layer of a service data object by asynchronous send (6.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command {
    pub response: bool,
    pub abort: bool,
    /// 1 write by index, 2 read by index, others.
    pub command: u8,
    /// Object and part of a request by index.
    pub object: Option<(u16, u8)>,
}

/// Behind the sequence layer; `None` without a command in it.
pub fn command(data: &[u8]) -> Option<Command> {
    let mut at = Reader::new(data);
    at.skip(4).ok()?;
    at.skip(2).ok()?;
    let (flags, command) = (at.u8().ok()?, at.u8().ok()?);
    at.skip(4).ok()?;
    let (response, abort) = (flags & 0x80 != 0, flags & 0x40 != 0);
    let segmented = flags >> 4 & 3;
    // An initiating segment has the size of the whole before its object.
    if segmented == 1 {
        at.skip(4).ok()?;
    }
    let first = matches!(segmented, 0 | 1) && !response;
    let object = match (at.le16(), at.u8(), command) {
        (Ok(index), Ok(sub), 1 | 2) if first => Some((index, sub)),
        _ => None,
    };
    (command != 0).then_some(Command { response, abort, command, object })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (kind, destination, source) in (0u8..0x80, any::<u8>(), any::<u8>()),
            body in prop::collection::vec(any::<u8>(), 0..100),
            (device_type, vendor, product) in any::<(u32, u32, u32)>(),
            (revision, serial, version) in any::<(u32, u32, u8)>(),
            (ip, gateway) in any::<([u8; 4], [u8; 4])>(),
            host in "[A-Za-z0-9_]{0,32}",
        ) {
            let frame = Frame { kind, destination, source, body: &body };
            let bytes = frame.emit();
            prop_assert_eq!(Frame::parse(&bytes), Ok(frame));
            let ident = Ident {
                version, device_type, vendor, product, revision, serial, ip, gateway, host,
            };
            prop_assert_eq!(Ident::parse(&ident.emit()), Ok(ident));
        }
    }
}
