//! TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) as far as a bystander can read them: hellos, the
//! certificate of 1.2, then records of random bytes in place of encrypted ones.

use crate::rng::Rng;

const HANDSHAKE: u8 = 22;
const APPLICATION: u8 = 23;

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind, 3, 3];
    out.extend(super::with_length_be16(body));
    out
}

fn handshake(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    out.extend(&(body.len() as u32).to_be_bytes()[1..]);
    out.extend(body);
    out
}

fn extension(out: &mut Vec<u8>, kind: u16, body: &[u8]) {
    out.extend(kind.to_be_bytes());
    out.extend(super::with_length_be16(body));
}

/// Which program speaks: what makes hellos differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Client {
    Browser,
    Windows,
    Device,
}

const CIPHERS: [(&[u16], &[u16]); 3] = [
    (
        &[0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8, 0x9c, 0x9d],
        &[29, 23, 24],
    ),
    (&[0xc02c, 0xc02b, 0xc030, 0xc02f, 0xc024, 0xc023, 0x9d, 0x9c, 0x3d, 0x3c], &[29, 23, 24]),
    (&[0xc02f, 0xc030, 0x9c, 0x2f, 0x35], &[23]),
];

/// Client hello for server name `name`; versions 1.3 and 1.2 when `modern`.
pub fn client_hello(client: Client, name: &str, modern: bool, rng: &mut Rng) -> Vec<u8> {
    let (ciphers, groups) = CIPHERS[client as usize];
    let mut body = vec![3, 3];
    body.extend(rng.bytes(32));
    body.push(32);
    body.extend(rng.bytes(32));
    let list: Vec<u8> = ciphers.iter().flat_map(|c| c.to_be_bytes()).collect();
    body.extend(super::with_length_be16(&list));
    body.extend([1, 0]);
    let mut extensions = Vec::new();
    if !name.is_empty() {
        let entry = [&[0], &super::with_length_be16(name.as_bytes())[..]].concat();
        extension(&mut extensions, 0, &super::with_length_be16(&entry));
    }
    let groups: Vec<u8> = groups.iter().flat_map(|g: &u16| g.to_be_bytes()).collect();
    extension(&mut extensions, 10, &super::with_length_be16(&groups));
    extension(&mut extensions, 11, &[1, 0]);
    let signatures = [4, 3, 8, 4, 4, 1, 5, 3, 8, 5, 5, 1, 8, 6, 6, 1];
    extension(&mut extensions, 13, &super::with_length_be16(&signatures));
    if client == Client::Browser {
        let protocols = super::with_length_be16(b"\x02h2\x08http/1.1");
        extension(&mut extensions, 16, &protocols);
    }
    extension(&mut extensions, 23, &[]);
    if modern {
        extension(&mut extensions, 43, &[4, 3, 4, 3, 3]);
        let share = [&[0, 29, 0, 32], &rng.bytes(32)[..]].concat();
        extension(&mut extensions, 51, &super::with_length_be16(&share));
        extension(&mut extensions, 45, &[1, 1]);
    }
    body.extend(super::with_length_be16(&extensions));
    let mut out = record(HANDSHAKE, &handshake(1, &body));
    out[2] = 1; // the record of a first hello says TLS 1.0 (RFC 8446, 5.1)
    out
}

fn server_hello(cipher: u16, modern: bool, rng: &mut Rng) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend(rng.bytes(32));
    body.push(32);
    body.extend(rng.bytes(32));
    body.extend(cipher.to_be_bytes());
    body.push(0);
    let mut extensions = Vec::new();
    if modern {
        extension(&mut extensions, 43, &[3, 4]);
        let share = [&[0, 29, 0, 32], &rng.bytes(32)[..]].concat();
        extension(&mut extensions, 51, &share);
    } else {
        extension(&mut extensions, 0xff01, &[0]);
    }
    body.extend(super::with_length_be16(&extensions));
    handshake(2, &body)
}

/// What the two ends say until data flows, each entry by client and server in turn.
pub fn handshake_13(client: Client, name: &str, rng: &mut Rng) -> Vec<(Vec<u8>, Vec<u8>)> {
    let hello = client_hello(client, name, true, rng);
    let mut says = record(HANDSHAKE, &server_hello(0x1301, true, rng));
    says.extend([20, 3, 3, 0, 1, 1]);
    says.extend(sealed(rng, 2_360));
    let mut done = vec![20, 3, 3, 0, 1, 1];
    done.extend(sealed(rng, 53));
    vec![(hello, says), (done, sealed(rng, 250))]
}

/// As [`handshake_13`] in version 1.2, where the certificate is readable.
pub fn handshake_12(
    client: Client,
    name: &str,
    (subject, issuer): (&str, &str),
    rng: &mut Rng,
) -> Vec<(Vec<u8>, Vec<u8>)> {
    let hello = client_hello(client, name, false, rng);
    let mut says = server_hello(0xc02f, false, rng);
    let certificate = certificate(subject, issuer, rng);
    let length = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
    let list = [length(certificate.len()), certificate].concat();
    says.extend(handshake(11, &[length(list.len()), list].concat()));
    let mut exchange = vec![3, 0, 29, 32];
    exchange.extend(rng.bytes(32));
    exchange.extend([4, 1]);
    exchange.extend(super::with_length_be16(&rng.bytes(256)));
    says.extend(handshake(12, &exchange));
    says.extend(handshake(14, &[]));
    let mut key = vec![32];
    key.extend(rng.bytes(32));
    let mut done = record(HANDSHAKE, &handshake(16, &key));
    done.extend([20, 3, 3, 0, 1, 1]);
    done.extend(record(HANDSHAKE, &rng.bytes(40)));
    let mut finished = vec![20, 3, 3, 0, 1, 1];
    finished.extend(record(HANDSHAKE, &rng.bytes(40)));
    vec![(hello, record(HANDSHAKE, &says)), (done, finished)]
}

/// A record of `count` bytes nobody can read.
pub fn sealed(rng: &mut Rng, count: usize) -> Vec<u8> {
    record(APPLICATION, &rng.bytes(count))
}

/// Longer data in records of at most 16 KiB.
pub fn sealed_stream(rng: &mut Rng, mut count: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while count > 0 {
        let part = count.min(16_000);
        out.extend(sealed(rng, part));
        count -= part;
    }
    out
}

fn der(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    match body.len() {
        n if n < 128 => out.push(n as u8),
        n if n < 256 => out.extend([0x81, n as u8]),
        n => {
            out.push(0x82);
            out.extend((n as u16).to_be_bytes());
        }
    }
    out.extend(body);
    out
}

fn common_name(name: &str) -> Vec<u8> {
    let attribute = [der(6, &[0x55, 4, 3]), der(0x0c, name.as_bytes())].concat();
    der(0x30, &der(0x31, &der(0x30, &attribute)))
}

/// An X.509 certificate (RFC 5280) with a made-up key and signature: nobody trusts it, and it
/// says its names.
fn certificate(subject: &str, issuer: &str, rng: &mut Rng) -> Vec<u8> {
    let rsa_sha256 = [der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 11]), der(5, &[])].concat();
    let rsa = [der(6, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 13, 1, 1, 1]), der(5, &[])].concat();
    let mut modulus = rng.bytes(256);
    modulus[0] |= 0x80;
    modulus.insert(0, 0);
    let key = der(0x30, &[der(2, &modulus), der(2, &[1, 0, 1])].concat());
    let mut serial = rng.bytes(8);
    serial[0] = serial[0] & 0x7f | 1;
    let body = [
        der(0xa0, &der(2, &[2])),
        der(2, &serial),
        der(0x30, &rsa_sha256),
        common_name(issuer),
        der(0x30, &[der(0x17, b"240101000000Z"), der(0x17, b"340101000000Z")].concat()),
        common_name(subject),
        der(0x30, &[der(0x30, &rsa), der(3, &[&[0], &key[..]].concat())].concat()),
    ]
    .concat();
    let signature = [&[0], &rng.bytes(256)[..]].concat();
    der(0x30, &[der(0x30, &body), der(0x30, &rsa_sha256), der(3, &signature)].concat())
}
