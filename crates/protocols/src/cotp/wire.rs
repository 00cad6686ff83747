//! TPKT (RFC 1006, 6) and class 0 transport PDUs (ISO 8073, 13; X.224), read and written.
//!
//! Invariant: a TPDU never reaches beyond its TPKT.

use wire::reader::{Reader, Short};

pub const TPKT_OCTETS: usize = 4;

/// Codes without the credit bits.
pub const CONNECT_REQUEST: u8 = 0xe0;
pub const CONNECT_CONFIRM: u8 = 0xd0;
pub const DATA: u8 = 0xf0;

/// A transport PDU.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tpdu<'a> {
    /// Upper four bits, as in [`DATA`].
    pub code: u8,
    /// Variable part of a connection PDU, or the end-of-TSDU bit of data.
    pub last: bool,
    pub parameters: &'a [u8],
    pub payload: &'a [u8],
}

/// Length of the TPKT at the start of `bytes`: `None` while its header is not there.
pub fn tpkt_length(bytes: &[u8]) -> Option<Result<usize, ()>> {
    let [version, _, high, low] = *bytes.first_chunk::<4>()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    // Header, length indicator, code and one octet more: nothing shorter exists.
    Some(if version == 3 && length >= 7 { Ok(length) } else { Err(()) })
}

/// Reads the TPDU of a TPKT's payload.
pub fn parse(bytes: &[u8]) -> Result<Tpdu<'_>, Short> {
    let mut at = Reader::new(bytes);
    let indicator = usize::from(at.u8()?);
    let header = at.bytes(indicator)?;
    let payload = at.rest();
    let mut at = Reader::new(header);
    let code = at.u8()? & 0xf0;
    if code == DATA {
        let last = at.u8()? & 0x80 != 0;
        return Ok(Tpdu { code, last, parameters: &[], payload });
    }
    // Destination and source reference, class.
    let _fixed = at.skip(5);
    Ok(Tpdu { code, last: true, parameters: at.rest(), payload })
}

/// Calling (0xc1) and called (0xc2) transport selectors of a connection PDU.
pub fn selectors(parameters: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let (mut calling, mut called) = (None, None);
    let mut at = Reader::new(parameters);
    while let (Ok(code), Ok(length)) = (at.u8(), at.u8()) {
        let Ok(value) = at.bytes(usize::from(length)) else { break };
        match code {
            0xc1 => calling = Some(value),
            0xc2 => called = Some(value),
            _ => {}
        }
    }
    (calling, called)
}

fn tpkt(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = TPKT_OCTETS.saturating_add(1).saturating_add(header.len());
    let length = length.saturating_add(payload.len()).min(usize::from(u16::MAX));
    let mut bytes = vec![3, 0];
    bytes.extend((length as u16).to_be_bytes());
    bytes.push(header.len() as u8);
    bytes.extend_from_slice(header);
    bytes.extend_from_slice(payload);
    bytes
}

/// Connect request or confirm with transport selectors.
pub fn emit_connection(code: u8, calling: &[u8], called: &[u8]) -> Vec<u8> {
    let mut header = vec![code, 0, 0, 0, 1, 0, 0xc0, 1, 0x0a];
    for (kind, selector) in [(0xc1, calling), (0xc2, called)] {
        header.extend([kind, selector.len() as u8]);
        header.extend_from_slice(selector);
    }
    tpkt(&header, &[])
}

/// One data TPDU that ends its TSDU.
pub fn emit_data(payload: &[u8]) -> Vec<u8> {
    tpkt(&[DATA, 0x80], payload)
}
