//! Names: DNS (RFC 1035), mDNS (RFC 6762), LLMNR (RFC 4795), NetBIOS names (RFC 1002).

use std::net::Ipv4Addr;

pub const A: u16 = 1;
pub const PTR: u16 = 12;
pub const TXT: u16 = 16;
pub const SRV: u16 = 33;

fn labels(out: &mut Vec<u8>, name: &str) {
    for label in name.split('.').filter(|l| !l.is_empty()) {
        out.push(label.len() as u8);
        out.extend(label.as_bytes());
    }
    out.push(0);
}

fn header(id: u16, flags: u16, counts: [u16; 4]) -> Vec<u8> {
    let mut out = id.to_be_bytes().to_vec();
    out.extend(flags.to_be_bytes());
    out.extend(counts.iter().flat_map(|c| c.to_be_bytes()));
    out
}

fn question(out: &mut Vec<u8>, name: &str, kind: u16) {
    labels(out, name);
    out.extend(kind.to_be_bytes());
    out.extend([0, 1]);
}

fn record(out: &mut Vec<u8>, name: &str, (kind, class): (u16, u16), seconds: u32, data: &[u8]) {
    labels(out, name);
    out.extend(kind.to_be_bytes());
    out.extend(class.to_be_bytes());
    out.extend(seconds.to_be_bytes());
    out.extend(super::with_length_be16(data));
}

/// A question to a name server.
pub fn ask(id: u16, name: &str, kind: u16) -> Vec<u8> {
    let mut out = header(id, 0x0100, [1, 0, 0, 0]);
    question(&mut out, name, kind);
    out
}

/// Its answer with an address, or "no such name".
pub fn answer(id: u16, name: &str, address: Option<Ipv4Addr>) -> Vec<u8> {
    let (flags, count) = if address.is_some() { (0x8180, 1) } else { (0x8183, 0) };
    let mut out = header(id, flags, [1, count, 0, 0]);
    question(&mut out, name, A);
    if let Some(address) = address {
        record(&mut out, name, (A, 1), 300, &address.octets());
    }
    out
}

/// A reverse look-up answered with a name.
pub fn reverse(id: u16, of: Ipv4Addr, name: &str) -> (Vec<u8>, Vec<u8>) {
    let [a, b, c, d] = of.octets();
    let asked = format!("{d}.{c}.{b}.{a}.in-addr.arpa");
    let mut data = Vec::new();
    labels(&mut data, name);
    let mut says = header(id, 0x8580, [1, 1, 0, 0]);
    question(&mut says, &asked, PTR);
    record(&mut says, &asked, (PTR, 1), 1_200, &data);
    (ask(id, &asked, PTR), says)
}

/// LLMNR has the format of DNS without recursion.
pub fn llmnr(id: u16, name: &str) -> Vec<u8> {
    let mut out = header(id, 0, [1, 0, 0, 0]);
    question(&mut out, name, A);
    out
}

/// A service a host announces: instance, type, host name, address, port, text.
#[derive(Clone, Copy, Debug)]
pub struct Service<'a> {
    pub instance: &'a str,
    pub kind: &'a str,
    pub host: &'a str,
    pub ip: Ipv4Addr,
    pub port: u16,
    pub text: &'a [&'a str],
}

/// An unsolicited mDNS announcement (RFC 6762, 8.3).
pub fn announce(s: &Service<'_>) -> Vec<u8> {
    let full = format!("{}.{}", s.instance, s.kind);
    let host = format!("{}.local", s.host);
    let mut out = header(0, 0x8400, [0, 4, 0, 0]);
    let mut pointer = Vec::new();
    labels(&mut pointer, &full);
    record(&mut out, s.kind, (PTR, 1), 4_500, &pointer);
    let mut server = vec![0, 0, 0, 0];
    server.extend(s.port.to_be_bytes());
    labels(&mut server, &host);
    record(&mut out, &full, (SRV, 0x8001), 120, &server);
    let text: Vec<u8> =
        s.text.iter().flat_map(|t| [&[t.len() as u8], t.as_bytes()].concat()).collect();
    record(&mut out, &full, (TXT, 0x8001), 4_500, if text.is_empty() { &[0] } else { &text });
    record(&mut out, &host, (A, 0x8001), 120, &s.ip.octets());
    out
}

/// Who offers services of this type? (RFC 6763)
pub fn browse(kind: &str) -> Vec<u8> {
    let mut out = header(0, 0, [1, 0, 0, 0]);
    question(&mut out, kind, PTR);
    out
}

/// First-level encoding of a NetBIOS name (RFC 1001, 14.1) with its suffix.
fn netbios(name: &str, suffix: u8) -> String {
    let mut padded: Vec<u8> = format!("{name:<15}").to_uppercase().into_bytes();
    padded.truncate(15);
    padded.push(suffix);
    padded.iter().flat_map(|b| [b'A' + (b >> 4), b'A' + (b & 15)].map(char::from)).collect()
}

/// NetBIOS name query by broadcast.
pub fn netbios_query(id: u16, name: &str, suffix: u8) -> Vec<u8> {
    let mut out = header(id, 0x0110, [1, 0, 0, 0]);
    question(&mut out, &netbios(name, suffix), 0x20);
    out
}

/// NetBIOS name registration by broadcast: "this is my name".
pub fn netbios_register(id: u16, name: &str, suffix: u8, ip: Ipv4Addr) -> Vec<u8> {
    let mut out = header(id, 0x2910, [1, 0, 0, 1]);
    question(&mut out, &netbios(name, suffix), 0x20);
    out.extend([0xc0, 0x0c, 0, 0x20, 0, 1]);
    out.extend(300_000_u32.to_be_bytes());
    out.extend([0, 6, 0, 0]);
    out.extend(ip.octets());
    out
}
