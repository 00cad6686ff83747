//! Modbus/TCP application data units: MBAP header and PDU, read and written.
//!
//! Messaging on TCP/IP Implementation Guide V1.0b (the Guide) and Application Protocol
//! Specification V1.1b3 (the Specification). Invariant: a PDU that breaks the Specification is
//! kept as [`Pdu::Invalid`] with its reason, never taken for another.

use wire::reader::{Reader, Short};

/// Transaction, protocol, length, unit (the Guide, 3.1.3).
pub const MBAP_OCTETS: usize = 7;
/// The Specification, 4.1: 253 octets of PDU; the unit makes 254.
pub const LENGTH_MAX: u16 = 254;

/// Address spaces (the Specification, 4.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Table {
    Coil,
    DiscreteInput,
    InputRegister,
    HoldingRegister,
}

impl Table {
    pub const fn name(self) -> &'static str {
        match self {
            Table::Coil => "coil",
            Table::DiscreteInput => "discrete-input",
            Table::InputRegister => "input-register",
            Table::HoldingRegister => "holding-register",
        }
    }

    pub const fn is_bit(self) -> bool {
        matches!(self, Table::Coil | Table::DiscreteInput)
    }
}

/// A PDU sent by a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Request<'a> {
    Read {
        table: Table,
        first: u16,
        count: u16,
    },
    WriteSingle {
        table: Table,
        address: u16,
        value: u16,
    },
    /// `data` are packed bits or big-endian registers.
    WriteMultiple {
        table: Table,
        first: u16,
        count: u16,
        data: &'a [u8],
    },
    MaskWrite {
        address: u16,
        and: u16,
        or: u16,
    },
    ReadWrite {
        read: (u16, u16),
        write: (u16, u16),
        data: &'a [u8],
    },
    ReadFifo {
        address: u16,
    },
    Diagnostics {
        subfunction: u16,
        data: &'a [u8],
    },
    /// Functions 7, 11, 12 and 17: no parameters.
    Status {
        function: u8,
    },
    File {
        write: bool,
        data: &'a [u8],
    },
    DeviceIdentification {
        code: u8,
        object: u8,
    },
    CanOpen {
        data: &'a [u8],
    },
    /// Schneider Electric's function 90: session, function, parameters.
    Umas {
        session: u8,
        function: u8,
        data: &'a [u8],
    },
    Other {
        function: u8,
        data: &'a [u8],
    },
}

/// Why a PDU is against the Specification.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Invalid {
    pub rule: &'static str,
    pub says: &'static str,
    pub section: &'static str,
}

const fn invalid(rule: &'static str, says: &'static str, section: &'static str) -> Invalid {
    Invalid { rule, says, section }
}

impl From<Short> for Invalid {
    fn from(_: Short) -> Self {
        invalid("pdu-too-short", "a request shorter than its parameters", "V1.1b3, 6")
    }
}

/// The MBAP header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mbap {
    pub transaction: u16,
    pub protocol: u16,
    /// Octets that follow, from the unit on.
    pub length: u16,
    pub unit: u8,
}

impl Mbap {
    pub fn parse(bytes: &[u8]) -> Result<Mbap, Short> {
        let mut at = Reader::new(bytes);
        Ok(Mbap {
            transaction: at.be16()?,
            protocol: at.be16()?,
            length: at.be16()?,
            unit: at.u8()?,
        })
    }
}

/// Reads the PDU of a request, from the function code on.
pub fn parse_request(pdu: &[u8]) -> Result<Request<'_>, Invalid> {
    let mut at = Reader::new(pdu);
    let function = at.u8()?;
    match function {
        0 => Err(invalid("function-code-zero", "function code 0 is not valid", "V1.1b3, 4.1")),
        1 => read(Table::Coil, 2_000, &mut at),
        2 => read(Table::DiscreteInput, 2_000, &mut at),
        3 => read(Table::HoldingRegister, 125, &mut at),
        4 => read(Table::InputRegister, 125, &mut at),
        5 => write_single(Table::Coil, &mut at),
        6 => write_single(Table::HoldingRegister, &mut at),
        7 | 11 | 12 | 17 => Ok(Request::Status { function }),
        8 => Ok(Request::Diagnostics { subfunction: at.be16()?, data: at.rest() }),
        15 => write_multiple(Table::Coil, 1_968, &mut at),
        16 => write_multiple(Table::HoldingRegister, 123, &mut at),
        20 => Ok(Request::File { write: false, data: at.rest() }),
        21 => Ok(Request::File { write: true, data: at.rest() }),
        22 => {
            let (address, and, or) = (at.be16()?, at.be16()?, at.be16()?);
            Ok(Request::MaskWrite { address, and, or })
        }
        23 => {
            let read = (at.be16()?, at.be16()?);
            let write = (at.be16()?, at.be16()?);
            let octets = at.u8()?;
            Ok(Request::ReadWrite { read, write, data: at.bytes(usize::from(octets))? })
        }
        24 => Ok(Request::ReadFifo { address: at.be16()? }),
        43 => match at.u8()? {
            0x0e => Ok(Request::DeviceIdentification { code: at.u8()?, object: at.u8()? }),
            0x0d => Ok(Request::CanOpen { data: at.rest() }),
            _ => Ok(Request::Other { function, data: at.rest() }),
        },
        90 => {
            let (session, code) = (at.u8()?, at.u8()?);
            Ok(Request::Umas { session, function: code, data: at.rest() })
        }
        _ => Ok(Request::Other { function, data: at.rest() }),
    }
}

fn read<'a>(table: Table, most: u16, at: &mut Reader<'a>) -> Result<Request<'a>, Invalid> {
    let (first, count) = (at.be16()?, at.be16()?);
    check_quantity(first, count, most)?;
    Ok(Request::Read { table, first, count })
}

fn write_single<'a>(table: Table, at: &mut Reader<'a>) -> Result<Request<'a>, Invalid> {
    let (address, value) = (at.be16()?, at.be16()?);
    if table == Table::Coil && !matches!(value, 0 | 0xff00) {
        let says = "a coil is written with neither 0x0000 nor 0xFF00";
        return Err(invalid("coil-value-invalid", says, "V1.1b3, 6.5"));
    }
    Ok(Request::WriteSingle { table, address, value })
}

fn write_multiple<'a>(
    table: Table,
    most: u16,
    at: &mut Reader<'a>,
) -> Result<Request<'a>, Invalid> {
    let (first, count) = (at.be16()?, at.be16()?);
    let octets = usize::from(at.u8()?);
    check_quantity(first, count, most)?;
    let expected = if table.is_bit() {
        usize::from(count.div_ceil(8))
    } else {
        usize::from(count).saturating_mul(2)
    };
    if octets != expected {
        let says = "the byte count does not fit the quantity written";
        return Err(invalid("byte-count-mismatch", says, "V1.1b3, 6.11 and 6.12"));
    }
    Ok(Request::WriteMultiple { table, first, count, data: at.bytes(octets)? })
}

fn check_quantity(first: u16, count: u16, most: u16) -> Result<(), Invalid> {
    if count == 0 || count > most {
        let says = "the quantity is 0 or more than one message can carry";
        return Err(invalid("quantity-out-of-range", says, "V1.1b3, 6.1 to 6.12"));
    }
    if u32::from(first).saturating_add(u32::from(count)) > 0x1_0000 {
        let says = "the range goes beyond address 65535";
        return Err(invalid("address-out-of-range", says, "V1.1b3, 4.4"));
    }
    Ok(())
}

impl Request<'_> {
    pub const fn function(&self) -> u8 {
        match self {
            Request::Read { table, .. } => match table {
                Table::Coil => 1,
                Table::DiscreteInput => 2,
                Table::HoldingRegister => 3,
                Table::InputRegister => 4,
            },
            Request::WriteSingle { table: Table::Coil, .. } => 5,
            Request::WriteSingle { .. } => 6,
            Request::WriteMultiple { table: Table::Coil, .. } => 15,
            Request::WriteMultiple { .. } => 16,
            Request::MaskWrite { .. } => 22,
            Request::ReadWrite { .. } => 23,
            Request::ReadFifo { .. } => 24,
            Request::Diagnostics { .. } => 8,
            Request::Status { function } | Request::Other { function, .. } => *function,
            Request::File { write: false, .. } => 20,
            Request::File { write: true, .. } => 21,
            Request::DeviceIdentification { .. } | Request::CanOpen { .. } => 43,
            Request::Umas { .. } => 90,
        }
    }

    /// The whole ADU. Data are cut at what one ADU can carry.
    pub fn emit(&self, transaction: u16, unit: u8) -> Vec<u8> {
        let mut pdu = vec![self.function()];
        match self {
            Request::Read { first, count, .. } => push16(&mut pdu, &[*first, *count]),
            Request::WriteSingle { address, value, .. } => push16(&mut pdu, &[*address, *value]),
            Request::WriteMultiple { first, count, data, .. } => {
                push16(&mut pdu, &[*first, *count]);
                pdu.push(data.len() as u8);
                pdu.extend_from_slice(data);
            }
            Request::MaskWrite { address, and, or } => push16(&mut pdu, &[*address, *and, *or]),
            Request::ReadWrite { read, write, data } => {
                push16(&mut pdu, &[read.0, read.1, write.0, write.1]);
                pdu.push(data.len() as u8);
                pdu.extend_from_slice(data);
            }
            Request::ReadFifo { address } => push16(&mut pdu, &[*address]),
            Request::Diagnostics { subfunction, data } => {
                push16(&mut pdu, &[*subfunction]);
                pdu.extend_from_slice(data);
            }
            Request::Status { .. } => {}
            Request::File { data, .. } | Request::Other { data, .. } => pdu.extend_from_slice(data),
            Request::DeviceIdentification { code, object } => pdu.extend([0x0e, *code, *object]),
            Request::CanOpen { data } => {
                pdu.push(0x0d);
                pdu.extend_from_slice(data);
            }
            Request::Umas { session, function, data } => {
                pdu.extend([*session, *function]);
                pdu.extend_from_slice(data);
            }
        }
        emit_adu(transaction, unit, &pdu)
    }
}

fn push16(pdu: &mut Vec<u8>, words: &[u16]) {
    words.iter().for_each(|word| pdu.extend(word.to_be_bytes()));
}

/// MBAP header and PDU.
pub fn emit_adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let pdu = pdu.get(..pdu.len().min(253)).unwrap_or(pdu);
    let length = (pdu.len() as u16).saturating_add(1);
    let mut adu = Vec::with_capacity(MBAP_OCTETS.saturating_add(pdu.len()));
    push16(&mut adu, &[transaction, 0, length]);
    adu.push(unit);
    adu.extend_from_slice(pdu);
    adu
}

/// The answer to a read: packed bits or big-endian registers.
pub fn emit_read_response(transaction: u16, unit: u8, function: u8, data: &[u8]) -> Vec<u8> {
    let mut pdu = vec![function, data.len() as u8];
    pdu.extend_from_slice(data);
    emit_adu(transaction, unit, &pdu)
}

/// The answer to functions 5, 6, 15 and 16: the address, and the value or quantity.
pub fn emit_write_response(transaction: u16, unit: u8, function: u8, words: [u16; 2]) -> Vec<u8> {
    let mut pdu = vec![function];
    push16(&mut pdu, &words);
    emit_adu(transaction, unit, &pdu)
}

pub fn emit_exception(transaction: u16, unit: u8, function: u8, code: u8) -> Vec<u8> {
    emit_adu(transaction, unit, &[function | 0x80, code])
}

/// The answer to function 43/14 (the Specification, 6.21): basic identification.
pub fn emit_identification(transaction: u16, unit: u8, objects: &[(u8, &str)]) -> Vec<u8> {
    let mut pdu = vec![43, 0x0e, 1, 1, 0, 0, objects.len() as u8];
    for (id, text) in objects {
        let text: Vec<u8> = text.bytes().take(60).collect();
        pdu.extend([*id, text.len() as u8]);
        pdu.extend(text);
    }
    emit_adu(transaction, unit, &pdu)
}

/// Whole objects in an answer to function 43/14, from behind the MEI type on, and whether these
/// are as many as it says.
pub fn identification(data: &[u8]) -> (Vec<(u8, &[u8])>, bool) {
    let mut objects = Vec::new();
    let whole = objects_of(data, &mut objects).is_ok();
    (objects, whole)
}

fn objects_of<'a>(data: &'a [u8], objects: &mut Vec<(u8, &'a [u8])>) -> Result<(), Short> {
    let mut at = Reader::new(data);
    at.skip(4)?;
    for _ in 0..at.u8()? {
        let (id, length) = (at.u8()?, at.u8()?);
        objects.push((id, at.bytes(usize::from(length))?));
    }
    Ok(())
}

/// The Specification, 7.
pub fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        5 => "acknowledge",
        6 => "server device busy",
        8 => "memory parity error",
        10 => "gateway path unavailable",
        11 => "gateway target device failed to respond",
        _ => "unknown exception",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_before_one_that_is_cut_are_read() {
        let adu = emit_identification(1, 1, &[(0, "Schneider"), (1, "BMX")]);
        let data = adu.get(MBAP_OCTETS + 2..).expect("there");
        let (first, second) = ((0, &b"Schneider"[..]), (1, &b"BMX"[..]));
        assert_eq!(identification(data), (vec![first, second], true));
        let cut = data.get(..data.len() - 1).expect("there");
        assert_eq!(identification(cut), (vec![first], false));
        let mut more = data.to_vec();
        more[4] = 3;
        assert_eq!(identification(&more), (vec![first, second], false));
        assert_eq!(identification(&data[..4]), (vec![], false));
    }
}
