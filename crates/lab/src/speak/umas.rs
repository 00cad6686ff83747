//! UMAS, the engineering protocol of Schneider Electric's Modicon controllers: Modbus function
//! 90. Unpublished; the shapes follow what a Modicon is seen to say on the wire.

use super::modbus::adu;

const FUNCTION: u8 = 0x5a;
pub const READ_ID: u8 = 0x02;
pub const READ_PROJECT: u8 = 0x03;
pub const TAKE_RESERVATION: u8 = 0x10;
pub const RELEASE_RESERVATION: u8 = 0x11;
pub const KEEP_ALIVE: u8 = 0x12;
pub const BEGIN_DOWNLOAD: u8 = 0x30;
pub const DOWNLOAD_BLOCK: u8 = 0x31;
pub const END_DOWNLOAD: u8 = 0x32;
pub const START: u8 = 0x40;
pub const STOP: u8 = 0x41;

/// `session` is the reservation the controller gave, 0 without one.
pub fn request(transaction: u16, session: u8, function: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = vec![FUNCTION, session, function];
    pdu.extend(body);
    adu(transaction, 0, &pdu)
}

pub fn answer(transaction: u16, session: u8, body: &[u8]) -> Vec<u8> {
    let mut pdu = vec![FUNCTION, session, 0xfe];
    pdu.extend(body);
    adu(transaction, 0, &pdu)
}

/// What a controller says of itself: `firmware` is major and minor, binary coded.
pub fn identity(model: &str, firmware: (u8, u8)) -> Vec<u8> {
    let mut body = vec![0x10, 0xff, 0x5a, 0x01, 0x01, 0, 0, 0];
    body.extend([firmware.1, firmware.0]);
    body.extend([0x27, 0, 9, 0, 8, 0, 0, 0, 0]);
    body.push(model.len() as u8);
    body.extend(model.as_bytes());
    body.extend([1, 1, 1, 0, 0, 0, 0, 0x11, 0]);
    body
}

/// Project name and version.
pub fn project(name: &str) -> Vec<u8> {
    let mut body = vec![2, 5, 0, 0, 0x98, 0x88, 1, 0, 0, 2, 5, 0, 0, 0x98, 0x88, 1, 0, 0];
    body.extend([2, 0x0c, 0x3b, 0x0c, 0x0e, 1, 0xde, 7, 2, 0x0c, 0x3b, 0x0c, 0x0e, 1, 0xde, 7]);
    body.extend([8, 0, 0, 0]);
    body.push(name.len() as u8 + 1);
    body.extend(name.as_bytes());
    body.push(0);
    body
}
