//! Modbus/TCP: MODBUS Messaging on TCP/IP V1.0b and Application Protocol V1.1b3.

pub const READ_HOLDING: u8 = 3;
pub const WRITE_SINGLE: u8 = 6;
pub const WRITE_MULTIPLE: u8 = 16;
pub const ENCAPSULATED: u8 = 0x2b;

pub const ILLEGAL_FUNCTION: u8 = 1;
pub const ILLEGAL_ADDRESS: u8 = 2;

/// Header with transaction and unit in front of a protocol data unit.
pub fn adu(transaction: u16, unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut out = transaction.to_be_bytes().to_vec();
    out.extend([0, 0]);
    out.extend((pdu.len() as u16 + 1).to_be_bytes());
    out.push(unit);
    out.extend(pdu);
    out
}

pub fn read(function: u8, first: u16, count: u16) -> Vec<u8> {
    let mut pdu = vec![function];
    pdu.extend(first.to_be_bytes());
    pdu.extend(count.to_be_bytes());
    pdu
}

pub fn registers(function: u8, values: &[u16]) -> Vec<u8> {
    let mut pdu = vec![function, values.len() as u8 * 2];
    pdu.extend(values.iter().flat_map(|v| v.to_be_bytes()));
    pdu
}

/// Both the request and its answer, which repeats it.
pub fn write_single(register: u16, value: u16) -> Vec<u8> {
    let mut pdu = vec![WRITE_SINGLE];
    pdu.extend(register.to_be_bytes());
    pdu.extend(value.to_be_bytes());
    pdu
}

pub fn write_multiple(first: u16, values: &[u16]) -> (Vec<u8>, Vec<u8>) {
    let mut answer = vec![WRITE_MULTIPLE];
    answer.extend(first.to_be_bytes());
    answer.extend((values.len() as u16).to_be_bytes());
    let mut request = answer.clone();
    request.push(values.len() as u8 * 2);
    request.extend(values.iter().flat_map(|v| v.to_be_bytes()));
    (request, answer)
}

pub fn exception(function: u8, code: u8) -> Vec<u8> {
    vec![function | 0x80, code]
}

/// Read device identification (6.21): basic and regular objects in one stream.
pub fn identification(objects: &[(u8, &str)]) -> (Vec<u8>, Vec<u8>) {
    let request = vec![ENCAPSULATED, 0x0e, 2, 0];
    let mut answer = vec![ENCAPSULATED, 0x0e, 2, 0x82, 0, 0, objects.len() as u8];
    for (id, text) in objects {
        answer.extend([*id, text.len() as u8]);
        answer.extend(text.as_bytes());
    }
    (request, answer)
}
