//! `cip:HOST[:PORT]`: identity of an EtherNet/IP device, as CSV.
//!
//! Sends ListIdentity, and in a session Get_Attributes_All on the Identity object (CIP Networks
//! Library, volume 1, 5A-2; volume 2, 2-4). Invariant: these two and the session's opening are the
//! only requests there are; none writes.

use super::{Context, Kind, Unusable, place::NetworkPlace};
use crate::limits::{DEVICE_TIMEOUT as TIMEOUT, ENCAPSULATION_BYTES_MAX};
use std::{
    fmt::Write as _,
    io::{self, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    path::PathBuf,
};
use vault::{Offer, Source};

/// Encapsulation commands.
const LIST_IDENTITY: u16 = 0x63;
const REGISTER_SESSION: u16 = 0x65;
const SEND_RR_DATA: u16 = 0x6f;

/// Get_Attributes_All of class 1 (Identity), instance 1.
const GET_IDENTITY: [u8; 6] = [0x01, 2, 0x20, 1, 0x24, 1];

const UNCONNECTED_DATA: u16 = 0xb2;
const IDENTITY_ITEM: u16 = 0x0c;

pub struct Cip;

pub const CIP: Cip = Cip;

impl Kind for Cip {
    fn name(&self) -> &'static str {
        "cip"
    }

    fn form(&self) -> &'static str {
        "HOST[:PORT]"
    }

    fn open(&self, text: &str, _context: &Context) -> Result<Box<dyn Source>, Unusable> {
        match NetworkPlace::parse(text, 44_818, &[]) {
            Ok(place) => Ok(Box::new(Device { place })),
            Err(why) => Err(Unusable::place(self, text, why)),
        }
    }
}

struct Device {
    place: NetworkPlace,
}

impl Source for Device {
    fn name(&self) -> String {
        format!("cip:{}", self.place.address())
    }

    fn offer(&mut self, offer: &mut Offer) {
        let path = PathBuf::from("/@cip").join(self.place.address()).join("identity.csv");
        match read(&self.place.address()) {
            Ok(text) => offer.bytes(path, text.into_bytes()),
            Err(error) => offer.fault(&path, error.to_string()),
        }
    }
}

fn read(address: &str) -> io::Result<String> {
    let found = address.to_socket_addrs()?.next();
    let found = found.ok_or_else(|| io::Error::other("the name has no address"))?;
    let mut stream = TcpStream::connect_timeout(&found, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let mut text = String::from("source,attribute,value\n");
    let (_, listed) = ask(&mut stream, LIST_IDENTITY, 0, &[])?;
    let item = items(&listed).and_then(|items| find(items, IDENTITY_ITEM)).ok_or_else(malformed)?;
    // Protocol version, then a socket address of 16 bytes; the identity object follows.
    describe("list", item.get(18..).ok_or_else(malformed)?, &mut text)?;
    // Protocol version 1, no options.
    let (session, _) = ask(&mut stream, REGISTER_SESSION, 0, &[1, 0, 0, 0])?;
    // CIP interface, ten seconds, a null address and the request as unconnected data.
    let mut data = vec![0, 0, 0, 0, 10, 0, 2, 0, 0, 0, 0, 0];
    data.extend(UNCONNECTED_DATA.to_le_bytes());
    data.extend([GET_IDENTITY.len() as u8, 0]);
    data.extend(GET_IDENTITY);
    let (_, answer) = ask(&mut stream, SEND_RR_DATA, session, &data)?;
    let reply = answer
        .get(6..)
        .and_then(items)
        .and_then(|items| find(items, UNCONNECTED_DATA))
        .ok_or_else(malformed)?;
    match reply {
        [0x81, _, 0, additional, rest @ ..] => {
            let body = rest.get(2 * usize::from(*additional)..).ok_or_else(malformed)?;
            describe("object", body, &mut text)?;
        }
        [0x81, _, status, ..] => {
            let text = format!("the device refuses its identity: status {status:#04x}");
            return Err(io::Error::other(text));
        }
        _ => return Err(malformed()),
    }
    Ok(text)
}

/// One request and its answer: session handle and data.
fn ask(
    stream: &mut TcpStream,
    command: u16,
    session: u32,
    data: &[u8],
) -> io::Result<(u32, Vec<u8>)> {
    let mut request = Vec::from(command.to_le_bytes());
    request.extend(u16::try_from(data.len()).expect("requests are short").to_le_bytes());
    request.extend(session.to_le_bytes());
    // Status, sender context, options.
    request.extend([0; 16]);
    request.extend(data);
    stream.write_all(&request)?;
    let mut head = [0; 24];
    stream.read_exact(&mut head)?;
    let [c0, c1, l0, l1, h0, h1, h2, h3, s0, s1, s2, s3, ..] = head;
    let length = u16::from_le_bytes([l0, l1]);
    let status = u32::from_le_bytes([s0, s1, s2, s3]);
    if u16::from_le_bytes([c0, c1]) != command || length > ENCAPSULATION_BYTES_MAX {
        return Err(malformed());
    }
    if status != 0 {
        return Err(io::Error::other(format!("the device refuses: status {status:#x}")));
    }
    let mut data = vec![0; usize::from(length)];
    stream.read_exact(&mut data)?;
    Ok((u32::from_le_bytes([h0, h1, h2, h3]), data))
}

/// The items of the common packet format: type and content.
fn items(bytes: &[u8]) -> Option<Vec<(u16, &[u8])>> {
    let (count, mut rest) = bytes.split_first_chunk::<2>()?;
    let mut found = Vec::new();
    for _ in 0..u16::from_le_bytes(*count) {
        let ([t0, t1, l0, l1], after) = rest.split_first_chunk::<4>()?;
        let length = usize::from(u16::from_le_bytes([*l0, *l1]));
        let (content, after) = after.split_at_checked(length)?;
        found.push((u16::from_le_bytes([*t0, *t1]), content));
        rest = after;
    }
    Some(found)
}

fn find(items: Vec<(u16, &[u8])>, wanted: u16) -> Option<&[u8]> {
    items.into_iter().find(|(kind, _)| *kind == wanted).map(|(_, content)| content)
}

/// Vendor, device type, product code, revision, status, serial number, product name.
fn describe(source: &str, bytes: &[u8], text: &mut String) -> io::Result<()> {
    let (head, name) = bytes.split_first_chunk::<15>().ok_or_else(malformed)?;
    let number = |at: usize| u16::from_le_bytes([head[at], head[at + 1]]);
    let serial = u32::from_le_bytes([head[10], head[11], head[12], head[13]]);
    let name = name.get(..usize::from(head[14])).ok_or_else(malformed)?;
    let name = String::from_utf8_lossy(name).replace('"', "\"\"");
    let mut row = |attribute: &str, value: String| {
        writeln!(text, "{source},{attribute},{value}").expect("to a string");
    };
    row("vendor", number(0).to_string());
    row("device_type", number(2).to_string());
    row("product_code", number(4).to_string());
    row("revision", format!("{}.{}", head[6], head[7]));
    row("status", format!("0x{:04x}", number(8)));
    row("serial", format!("0x{serial:08x}"));
    row("product_name", format!("\"{name}\""));
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not one to what was asked")
}
