//! DHCP (RFC 2131, options of RFC 2132).

use model::Mac;
use std::net::Ipv4Addr;

pub const REQUEST: u8 = 3;
pub const ACK: u8 = 5;
pub const DISCOVER: u8 = 1;
pub const OFFER: u8 = 2;

/// What a client says of itself.
#[derive(Clone, Copy, Debug)]
pub struct Client<'a> {
    pub mac: Mac,
    pub name: &'a str,
    /// Option 60, e.g. `MSFT 5.0`.
    pub class: &'a str,
    /// Option 55: what it wants to know, in its own order.
    pub wants: &'a [u8],
}

fn head(op: u8, id: u32, (current, offered): (Ipv4Addr, Ipv4Addr), mac: Mac) -> Vec<u8> {
    let mut out = vec![op, 1, 6, 0];
    out.extend(id.to_be_bytes());
    out.extend([0; 4]);
    out.extend(current.octets());
    out.extend(offered.octets());
    out.extend([0; 8]);
    out.extend(mac.0);
    out.resize(236, 0);
    out.extend([0x63, 0x82, 0x53, 0x63]);
    out
}

/// An answer as it travels to the relay that asked for the client (RFC 2131, 4.1).
pub fn relayed(mut answer: Vec<u8>, relay: Ipv4Addr) -> Vec<u8> {
    answer[24..28].copy_from_slice(&relay.octets());
    answer
}

/// DHCPv6 solicit (RFC 8415) of a host nobody answers: identifier, elapsed time, its name.
pub fn solicit6(id: u32, mac: Mac, name: &str) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out[0] = 1;
    let mut part = |code: u16, value: &[u8]| {
        out.extend(code.to_be_bytes());
        out.extend(super::with_length_be16(value));
    };
    part(8, &[0, 0]);
    part(1, &[&[0, 3, 0, 1], &mac.0[..]].concat());
    part(3, &[14, 0, 0x6b, 0x2d, 0, 0, 0, 0, 0, 0, 0, 0]);
    // Client name (RFC 4704): flags, then one label without a domain.
    part(39, &[&[0, name.len() as u8], name.as_bytes()].concat());
    part(16, &[&[0, 0, 1, 0x37, 0, 8], &b"MSFT 5.0"[..]].concat());
    part(6, &[0, 17, 0, 23, 0, 24, 0, 39]);
    out
}

fn option(out: &mut Vec<u8>, code: u8, value: &[u8]) {
    out.extend([code, value.len() as u8]);
    out.extend(value);
}

/// A request of `kind`; `asked` is the address wanted, `current` the one held, if any.
pub fn request(
    kind: u8,
    id: u32,
    client: &Client<'_>,
    current: Option<Ipv4Addr>,
    asked: Option<Ipv4Addr>,
) -> Vec<u8> {
    let held = current.unwrap_or(Ipv4Addr::UNSPECIFIED);
    let mut out = head(1, id, (held, Ipv4Addr::UNSPECIFIED), client.mac);
    option(&mut out, 53, &[kind]);
    option(&mut out, 61, &[&[1], &client.mac.0[..]].concat());
    if let Some(asked) = asked {
        option(&mut out, 50, &asked.octets());
    }
    option(&mut out, 12, client.name.as_bytes());
    if !client.class.is_empty() {
        option(&mut out, 60, client.class.as_bytes());
    }
    option(&mut out, 55, client.wants);
    out.push(255);
    out.resize(out.len().max(300), 0);
    out
}

/// An offer or acknowledgment by `server`, which also names servers.
pub fn answer(
    kind: u8,
    id: u32,
    client: &Client<'_>,
    address: Ipv4Addr,
    (server, gateway): (Ipv4Addr, Ipv4Addr),
) -> Vec<u8> {
    let mut out = head(2, id, (Ipv4Addr::UNSPECIFIED, address), client.mac);
    option(&mut out, 53, &[kind]);
    option(&mut out, 54, &server.octets());
    option(&mut out, 51, &28_800_u32.to_be_bytes());
    option(&mut out, 1, &[255, 255, 255, 0]);
    option(&mut out, 3, &gateway.octets());
    option(&mut out, 6, &server.octets());
    option(&mut out, 15, b"northbrook.example");
    out.push(255);
    out.resize(out.len().max(300), 0);
    out
}
