//! PROFINET IO records and blocks (IEC 61158-6-10, 5.2): headers, connect, control, I&M.
//!
//! Blocks are big endian whatever the RPC header declares. Invariant: a block is read within its
//! own length.

use crate::{dcerpc::wire::Uuid, text};
use ::wire::reader::{Reader, Short};

/// Blocks of one PDU that are read.
const BLOCKS_MAX: usize = 64;
/// Modules of one block of expected submodules that are read.
const MODULES_MAX: usize = 64;

pub const CONNECT_REQUEST: u16 = 0x0101;
pub const WRITE_REQUEST: u16 = 0x0008;
pub const READ_REQUEST: u16 = 0x0009;
pub const WRITE_RESPONSE: u16 = 0x8008;
pub const READ_RESPONSE: u16 = 0x8009;
pub const EXPECTED_SUBMODULES: u16 = 0x0104;
/// ARServerBlock (5.2.4.4): the station that answers.
pub const SERVER: u16 = 0x8106;
/// Set in the types of blocks that answer others.
pub const RESPONSE: u16 = 0x8000;
pub const IM0: u16 = 0x0020;
pub const IM1: u16 = 0x0021;
pub const IM3: u16 = 0x0023;
/// Records of several write requests in one (5.2.4.20).
pub const WRITE_MULTIPLE_INDEX: u16 = 0xe040;
/// Header of read and write blocks (5.2.4.17), without the block header.
pub const RECORD_HEADER_OCTETS: usize = 58;

/// Type and contents behind the version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    pub kind: u16,
    pub body: &'a [u8],
}

/// Blocks one after the other; what cannot be one ends them. With `rest_of_last`, what stands
/// behind the last block header belongs to nobody and is returned beside them.
pub fn blocks(bytes: &[u8]) -> (Vec<Block<'_>>, &[u8]) {
    let mut found = Vec::new();
    let mut r = Reader::new(bytes);
    while found.len() < BLOCKS_MAX {
        let rest = r.rest();
        match block(&mut r) {
            Ok(block) => {
                let record = matches!(block.kind, WRITE_REQUEST | READ_RESPONSE);
                found.push(block);
                if record {
                    return (found, r.rest());
                }
            }
            Err(_) => return (found, rest),
        }
    }
    (found, r.rest())
}

fn block<'a>(r: &mut Reader<'a>) -> Result<Block<'a>, Short> {
    const VERSION_OCTETS: usize = 2;
    let kind = r.be16()?;
    let length = usize::from(r.be16()?);
    if length < VERSION_OCTETS || kind == 0 {
        return Err(Short { needed: VERSION_OCTETS });
    }
    r.skip(VERSION_OCTETS)?;
    Ok(Block { kind, body: r.bytes(length.saturating_sub(VERSION_OCTETS))? })
}

/// Control blocks (5.2.1.2) that a device sends to its controller: the application is ready, at
/// first and after a module was plugged, ready for the companion, ready for RT class 3.
pub fn of_device(kind: u16) -> bool {
    matches!(kind, 0x0112 | 0x0113 | 0x0116 | 0x0117)
}

/// Where a record stands (5.2.4.17, 5.2.4.18).
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Record {
    pub slot: u16,
    pub subslot: u16,
    pub index: u16,
    pub length: u32,
}

impl Record {
    pub fn parse(body: &[u8]) -> Result<Record, Short> {
        let mut r = Reader::new(body);
        // sequence number, relation, interface
        r.skip(2 + 16 + 4)?;
        let (slot, subslot) = (r.be16()?, r.be16()?);
        r.skip(2)?;
        Ok(Record { slot, subslot, index: r.be16()?, length: r.be32()? })
    }

    /// Writes the body of a read request. Used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = vec![0; 22];
        bytes.extend(self.slot.to_be_bytes());
        bytes.extend(self.subslot.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend(self.index.to_be_bytes());
        bytes.extend(self.length.to_be_bytes());
        bytes.resize(RECORD_HEADER_OCTETS, 0);
        bytes
    }
}

/// Who connects (ARBlockReq, 5.2.4.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Relation {
    /// 1 is a controller, 6 a supervisor.
    pub kind: u16,
    pub object: Uuid,
    pub station: String,
}

impl Relation {
    pub fn parse(body: &[u8]) -> Result<Relation, Short> {
        let mut r = Reader::new(body);
        let kind = r.be16()?;
        // relation, session key, MAC address
        r.skip(16 + 2 + 6)?;
        let object = Uuid(u128::from(r.be64()?) << 64 | u128::from(r.be64()?));
        // properties, timeout, UDP port
        r.skip(4 + 2 + 2)?;
        let length = usize::from(r.be16()?);
        Ok(Relation { kind, object, station: text::lossy(r.bytes(length)?) })
    }

    /// Used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let mut bytes = self.kind.to_be_bytes().to_vec();
        bytes.extend([0; 24]);
        bytes.extend(self.object.0.to_be_bytes());
        bytes.extend([0, 0, 0, 0x11, 0, 100, 0x88, 0x92]);
        bytes.extend((self.station.len() as u16).to_be_bytes());
        bytes.extend(self.station.as_bytes());
        bytes
    }
}

/// The name in an ARServerBlock.
pub fn server_station(body: &[u8]) -> Result<String, Short> {
    let mut r = Reader::new(body);
    let length = usize::from(r.be16()?);
    Ok(text::lossy(r.bytes(length)?))
}

/// Slots and module identification numbers a controller expects (5.2.4.13).
pub fn expected_modules(body: &[u8]) -> Vec<(u16, u32)> {
    let mut found = Vec::new();
    let mut r = Reader::new(body);
    let count = r.be16().unwrap_or_default();
    for _ in 0..usize::from(count).min(MODULES_MAX) {
        match expected_module(&mut r) {
            Ok(module) => found.push(module),
            Err(_) => break,
        }
    }
    found
}

fn expected_module(r: &mut Reader<'_>) -> Result<(u16, u32), Short> {
    r.skip(4)?;
    let (slot, ident) = (r.be16()?, r.be32()?);
    r.skip(2)?;
    let submodules = r.be16()?;
    for _ in 0..submodules {
        r.skip(2 + 4)?;
        let properties = r.be16()?;
        // Each data description: direction, length, two lengths of status (5.2.4.14).
        let descriptions = if properties & 3 == 3 { 2usize } else { 1 };
        r.skip(descriptions.saturating_mul(6))?;
    }
    Ok((slot, ident))
}

/// I&M0 (5.2.4.27).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identification {
    pub vendor: u16,
    pub order: String,
    pub serial: String,
    pub hardware: u16,
    pub firmware: String,
    pub profile: u16,
}

impl Identification {
    pub fn parse(body: &[u8]) -> Result<Identification, Short> {
        let mut r = Reader::new(body);
        let vendor = r.be16()?;
        let order = text::lossy(r.bytes(20)?);
        let serial = text::lossy(r.bytes(16)?);
        let hardware = r.be16()?;
        let [prefix, a, b, c] = r.array()?;
        r.skip(2)?;
        let firmware = format!("{}{a}.{b}.{c}", char::from(prefix));
        Ok(Identification { vendor, order, serial, hardware, firmware, profile: r.be16()? })
    }
}

/// Vendor and device id in an object UUID (4.10.3.2): dea00000-6c97-11d1-8271-IIIIDDDDVVVV.
pub fn object_ids(object: Uuid) -> Option<(u16, u16)> {
    const PREFIX: u128 = 0xdea0_0000_6c97_11d1_8271;
    (object.0 >> 48 == PREFIX).then_some((object.0 as u16, (object.0 >> 16) as u16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            slot: u16, subslot: u16, index: u16, length: u32,
            kind: u16, object: u128, station in "[a-z0-9.-]{0,60}",
        ) {
            let record = Record { slot, subslot, index, length };
            prop_assert_eq!(Record::parse(&record.emit()), Ok(record));
            let relation = Relation { kind, object: Uuid(object), station };
            prop_assert_eq!(Relation::parse(&relation.emit()), Ok(relation));
        }
    }

    #[test]
    fn an_object_names_vendor_and_device() {
        let object = Uuid(0xdea0_0000_6c97_11d1_8271_0001_010d_002a);
        assert_eq!(object_ids(object), Some((0x002a, 0x010d)));
        assert_eq!(object_ids(Uuid(1)), None);
    }
}
