//! S7comm PDUs: header, items of read and write jobs, read and written.
//!
//! Invariant: parameter and data parts never reach beyond the PDU.

use wire::reader::{Reader, Short};

pub const JOB: u8 = 1;
pub const ACK: u8 = 2;
pub const ACK_DATA: u8 = 3;
pub const USERDATA: u8 = 7;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pdu<'a> {
    pub rosctr: u8,
    pub reference: u16,
    /// (class, code) of acknowledgements.
    pub error: Option<(u8, u8)>,
    pub parameter: &'a [u8],
    pub data: &'a [u8],
}

pub fn parse(bytes: &[u8]) -> Result<Pdu<'_>, Short> {
    let mut at = Reader::new(bytes);
    at.skip(1)?;
    let rosctr = at.u8()?;
    at.skip(2)?;
    let reference = at.be16()?;
    let (parameter, data) = (usize::from(at.be16()?), usize::from(at.be16()?));
    let error = match rosctr {
        ACK | ACK_DATA => Some((at.u8()?, at.u8()?)),
        _ => None,
    };
    let parameter = at.bytes(parameter)?;
    let data = at.bytes(data.min(at.remaining()))?;
    Ok(Pdu { rosctr, reference, error, parameter, data })
}

pub fn emit(pdu: &Pdu<'_>) -> Vec<u8> {
    let mut bytes = vec![0x32, pdu.rosctr, 0, 0];
    bytes.extend(pdu.reference.to_be_bytes());
    bytes.extend((pdu.parameter.len() as u16).to_be_bytes());
    bytes.extend((pdu.data.len() as u16).to_be_bytes());
    if let Some((class, code)) = pdu.error {
        bytes.extend([class, code]);
    }
    bytes.extend_from_slice(pdu.parameter);
    bytes.extend_from_slice(pdu.data);
    bytes
}

/// A variable in syntax S7ANY: a count of elements from an address on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// Element type: 1 bit, 2 byte, 3 char, 4 word, 5 int, 6 dword, 7 dint, 8 real.
    pub element: u8,
    pub count: u16,
    pub block: u16,
    pub area: u8,
    /// In bits.
    pub address: u32,
}

/// Items of a read or write job: S7ANY and DB reads of one area; other syntaxes give none.
pub fn items(parameter: &[u8]) -> Result<Vec<Option<Item>>, Short> {
    let mut at = Reader::new(parameter);
    at.skip(1)?;
    let count = at.u8()?;
    let mut items = Vec::with_capacity(usize::from(count.min(20)));
    for _ in 0..count {
        at.skip(1)?;
        let length = usize::from(at.u8()?);
        let body = at.bytes(length)?;
        // Items are aligned to even addresses between each other.
        if length % 2 == 1 && !at.is_empty() {
            at.skip(1)?;
        }
        items.push(item(body).ok().flatten());
    }
    Ok(items)
}

fn item(body: &[u8]) -> Result<Option<Item>, Short> {
    const S7ANY: u8 = 0x10;
    const DB_READ: u8 = 0xb0;
    let mut at = Reader::new(body);
    match at.u8()? {
        S7ANY => {}
        // As S7-400 operator panels ask: areas of length, block, byte address.
        DB_READ if at.u8()? == 1 => {
            let (count, block) = (u16::from(at.u8()?), at.be16()?);
            let address = u32::from(at.be16()?) << 3;
            return Ok(Some(Item { element: 2, count, block, area: 0x84, address }));
        }
        _ => return Ok(None),
    }
    let element = at.u8()?;
    let (count, block) = (at.be16()?, at.be16()?);
    Ok(Some(Item { element, count, block, area: at.u8()?, address: at.be24()? }))
}

pub fn emit_items(function: u8, items: &[Item]) -> Vec<u8> {
    let mut bytes = vec![function, items.len() as u8];
    for item in items {
        bytes.extend([0x12, 0x0a, 0x10, item.element]);
        bytes.extend(item.count.to_be_bytes());
        bytes.extend(item.block.to_be_bytes());
        bytes.push(item.area);
        let [_, a, b, c] = item.address.to_be_bytes();
        bytes.extend([a, b, c]);
    }
    bytes
}

impl Item {
    /// Name of the address space.
    pub const fn area_name(&self) -> &'static str {
        match self.area {
            0x03 => "system-info",
            0x05 => "system-flags",
            0x06 => "analog-inputs-200",
            0x07 => "analog-outputs-200",
            0x1c => "C",
            0x1d => "T",
            0x1e => "counters-iec",
            0x1f => "timers-iec",
            0x80 => "P",
            0x81 => "I",
            0x82 => "Q",
            0x83 => "M",
            0x84 => "DB",
            0x85 => "DI",
            0x86 => "L",
            _ => "other",
        }
    }

    pub const fn element_octets(&self) -> usize {
        match self.element {
            1..=3 => 1,
            4 | 5 => 2,
            6..=8 => 4,
            _ => 1,
        }
    }
}

/// Results in the data part of an answer to a read, or values in that of a write job:
/// (return code, octets).
pub fn results(data: &[u8], count: usize) -> Vec<(u8, &[u8])> {
    let mut at = Reader::new(data);
    let mut found = Vec::new();
    for index in 0..count {
        let (Ok(code), Ok(size), Ok(length)) = (at.u8(), at.u8(), at.be16()) else { break };
        // Sizes 3, 4, 5 count bits, the others octets.
        let length = usize::from(length);
        let octets = if matches!(size, 3..=5) { length.div_ceil(8) } else { length };
        let Ok(value) = at.bytes(octets.min(at.remaining())) else { break };
        found.push((code, value));
        if octets % 2 == 1 && index.saturating_add(1) < count && at.skip(1).is_err() {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            reference: u16,
            items in prop::collection::vec(
                (1u8..9, 1u16..200, any::<u16>(), 0x81u8..0x86, 0u32..0x00ff_ffff), 1..6),
            data in prop::collection::vec(any::<u8>(), 0..60),
        ) {
            let items: Vec<Item> = items
                .into_iter()
                .map(|(element, count, block, area, address)| {
                    Item { element, count, block, area, address }
                })
                .collect();
            let parameter = emit_items(4, &items);
            let (error, parameter) = (None, &parameter[..]);
            let pdu = Pdu { rosctr: JOB, reference, error, parameter, data: &data };
            let bytes = emit(&pdu);
            let read = parse(&bytes).expect("own PDU");
            prop_assert_eq!(read, pdu);
            let expected: Vec<_> = items.into_iter().map(Some).collect();
            prop_assert_eq!(super::items(read.parameter).expect("own items"), expected);
        }
    }
}
