//! ClientHello and ServerHello (RFC 8446, 4.1; RFC 5246, 7.4.1), and their JA3 and JA4 prints.
//!
//! JA3: github.com/salesforce/ja3. JA4: FoxIO's JA4 (the client print, BSD-licensed).
//! Invariant: GREASE values (RFC 8701) are in no print.

use crate::{Malformed, text};
use md5::{Digest, Md5};
use sha2::Sha256;
use wire::reader::Reader;

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Hello {
    pub version: u16,
    pub ciphers: Vec<u16>,
    /// Types in the order they stand.
    pub extensions: Vec<u16>,
    pub server_name: Option<String>,
    pub groups: Vec<u16>,
    pub point_formats: Vec<u8>,
    pub signatures: Vec<u16>,
    pub protocols: Vec<String>,
    pub versions: Vec<u16>,
    /// A server asks for another ClientHello (RFC 8446, 4.1.4).
    pub retry: bool,
    /// A client goes on with a ticket as [`is_of_no_key`] has it.
    pub ticket_of_no_key: bool,
}

const SERVER_NAME: u16 = 0;
const SUPPORTED_GROUPS: u16 = 10;
const POINT_FORMATS: u16 = 11;
const SIGNATURE_ALGORITHMS: u16 = 13;
const ALPN: u16 = 16;
const SESSION_TICKET: u16 = 35;
const PRE_SHARED_KEY: u16 = 41;
const SUPPORTED_VERSIONS: u16 = 43;

/// The body of a ClientHello message.
pub fn client(body: &[u8]) -> Result<Hello, Malformed> {
    let mut at = Reader::new(body);
    let mut hello = Hello { version: at.be16()?, ..Hello::default() };
    at.skip(32)?;
    let session = at.u8()?;
    at.skip(usize::from(session))?;
    let length = at.be16()?;
    hello.ciphers = list16(at.bytes(usize::from(length))?);
    let compression = at.u8()?;
    at.skip(usize::from(compression))?;
    if !at.is_empty() {
        let length = at.be16()?;
        extensions(at.bytes(usize::from(length))?, true, &mut hello)?;
    }
    Ok(hello)
}

/// The body of a ServerHello message: one cipher, one version.
pub fn server(body: &[u8]) -> Result<Hello, Malformed> {
    /// The first octets of the random value that marks a HelloRetryRequest (RFC 8446, 4.1.3).
    const RETRY: [u8; 8] = [0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11];
    let mut at = Reader::new(body);
    let mut hello = Hello { version: at.be16()?, ..Hello::default() };
    hello.retry = at.bytes(32)?.starts_with(&RETRY);
    // Drafts of TLS 1.3 had neither session nor compression (draft-ietf-tls-tls13-21, 4.1.3).
    let bare = (0x7f00..=0x7f15).contains(&hello.version);
    if !bare {
        let session = at.u8()?;
        at.skip(usize::from(session))?;
    }
    hello.ciphers = vec![at.be16()?];
    if !bare {
        at.skip(1)?;
    }
    if !at.is_empty() {
        let length = at.be16()?;
        extensions(at.bytes(usize::from(length))?, false, &mut hello)?;
    }
    Ok(hello)
}

fn extensions(bytes: &[u8], from_client: bool, hello: &mut Hello) -> Result<(), Malformed> {
    let mut at = Reader::new(bytes);
    while !at.is_empty() {
        let kind = at.be16()?;
        let length = at.be16()?;
        let contents = at.bytes(usize::from(length))?;
        hello.extensions.push(kind);
        // A known extension that is malformed inside must not hide the others.
        let _unread = extension(kind, contents, from_client, hello);
    }
    Ok(())
}

fn extension(
    kind: u16,
    contents: &[u8],
    from_client: bool,
    hello: &mut Hello,
) -> Result<(), Malformed> {
    let mut at = Reader::new(contents);
    match kind {
        SERVER_NAME if from_client => {
            at.skip(3)?;
            let length = at.be16()?;
            hello.server_name = Some(text::lossy(at.bytes(usize::from(length))?));
        }
        SUPPORTED_GROUPS => {
            at.skip(2)?;
            hello.groups = list16(at.rest());
        }
        POINT_FORMATS => {
            at.skip(1)?;
            hello.point_formats = at.rest().to_vec();
        }
        SIGNATURE_ALGORITHMS => {
            at.skip(2)?;
            hello.signatures = list16(at.rest());
        }
        ALPN => {
            at.skip(2)?;
            while !at.is_empty() {
                let length = at.u8()?;
                hello.protocols.push(text::lossy(at.bytes(usize::from(length))?));
            }
        }
        SESSION_TICKET if from_client => hello.ticket_of_no_key |= is_of_no_key(contents),
        PRE_SHARED_KEY if from_client => {
            at.skip(2)?;
            let length = at.be16()?;
            hello.ticket_of_no_key |= is_of_no_key(at.bytes(usize::from(length))?);
        }
        SUPPORTED_VERSIONS if from_client => {
            at.skip(1)?;
            hello.versions = list16(at.rest());
        }
        SUPPORTED_VERSIONS => hello.versions = vec![at.be16()?],
        _ => {}
    }
    Ok(())
}

/// A ticket begins with the name of the key that encrypts it (RFC 5077, 4). GnuTLS before 3.6.14
/// used a key of zeros with a name of zeros until it changed keys (CVE-2020-13777).
pub fn is_of_no_key(ticket: &[u8]) -> bool {
    let name = ticket.split_first_chunk::<16>();
    name.is_some_and(|(name, rest)| *name == [0; 16] && rest.iter().any(|octet| *octet != 0))
}

fn list16(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2).filter_map(|p| p.try_into().ok());
    pairs.map(u16::from_be_bytes).collect()
}

/// RFC 8701: 0x0a0a, 0x1a1a, ... 0xfafa.
fn is_grease(value: u16) -> bool {
    value & 0x0f0f == 0x0a0a && value >> 8 == value & 0xff
}

impl Hello {
    /// The highest version offered or chosen, without GREASE.
    pub fn highest_version(&self) -> u16 {
        let offered = self.versions.iter().copied().filter(|v| !is_grease(*v)).max();
        offered.unwrap_or(self.version)
    }

    /// MD5 over version, ciphers, extensions, groups and point formats, in hexadecimal.
    pub fn ja3(&self) -> String {
        let join = |values: &[u16]| {
            let kept = values.iter().filter(|v| !is_grease(**v)).map(u16::to_string);
            kept.collect::<Vec<_>>().join("-")
        };
        let formats: Vec<_> = self.point_formats.iter().map(u8::to_string).collect();
        let text = format!(
            "{},{},{},{},{}",
            self.version,
            join(&self.ciphers),
            join(&self.extensions),
            join(&self.groups),
            formats.join("-")
        );
        hex(&Md5::digest(text.as_bytes()))
    }

    /// JA4 of a client over TCP: readable part, sorted ciphers, sorted extensions and signatures.
    pub fn ja4(&self) -> String {
        let keep = |values: &[u16]| -> Vec<u16> {
            values.iter().copied().filter(|v| !is_grease(*v)).collect()
        };
        let (mut ciphers, extensions) = (keep(&self.ciphers), keep(&self.extensions));
        let version = match self.highest_version() {
            0x0304 => "13",
            0x0303 => "12",
            0x0302 => "11",
            0x0301 => "10",
            0x0300 => "s3",
            _ => "00",
        };
        let name = if self.server_name.is_some() { 'd' } else { 'i' };
        let protocol = self.protocols.first().map(|p| ends(p)).unwrap_or_else(|| "00".into());
        let (c, e) = (ciphers.len().min(99), extensions.len().min(99));
        ciphers.sort_unstable();
        let mut hashed: Vec<u16> =
            extensions.into_iter().filter(|x| !matches!(*x, SERVER_NAME | ALPN)).collect();
        hashed.sort_unstable();
        let mut second = words(&hashed);
        if !self.signatures.is_empty() {
            second = format!("{second}_{}", words(&keep(&self.signatures)));
        }
        let (first, second) = (short_hash(&words(&ciphers)), short_hash(&second));
        format!("t{version}{name}{c:02}{e:02}{protocol}_{first}_{second}")
    }
}

/// First and last octet of the first ALPN value; where one is no letter or digit, the first and
/// last digit of all of them in hexadecimal (JA4 technical details, ALPN extension value).
fn ends(protocol: &str) -> String {
    // As they were sent: what is not UTF-8 was read as Latin-1.
    let octets: Vec<u8> = match protocol.chars().all(|c| u32::from(c) < 256) {
        true => protocol.chars().map(|c| c as u8).collect(),
        false => protocol.as_bytes().to_vec(),
    };
    let (Some(&first), Some(&last)) = (octets.first(), octets.last()) else {
        return "00".to_owned();
    };
    if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() {
        return [char::from(first), char::from(last)].iter().collect();
    }
    let digits = (format!("{first:02x}"), format!("{last:02x}"));
    digits.0.chars().take(1).chain(digits.1.chars().skip(1)).collect()
}

fn words(values: &[u16]) -> String {
    values.iter().map(|v| format!("{v:04x}")).collect::<Vec<_>>().join(",")
}

fn short_hash(text: &str) -> String {
    if text.is_empty() {
        return "000000000000".to_owned();
    }
    hex(&Sha256::digest(text.as_bytes())).chars().take(12).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_ignore_grease() {
        let plain = Hello { version: 0x0303, ciphers: vec![0x1301], ..Hello::default() };
        let greased = Hello { ciphers: vec![0x0a0a, 0x1301], ..plain.clone() };
        assert_eq!(plain.ja3(), greased.ja3());
        assert_eq!(plain.ja4(), greased.ja4());
        assert!(plain.ja4().starts_with("t12i010000_"), "{}", plain.ja4());
    }

    #[test]
    fn protocols_that_are_no_words_are_shown_in_hexadecimal() {
        let all = ["h2", "http/1.1", "x", "\u{ab}", "\u{ab}\u{cd}", "0\u{ab}", "a-"];
        let shown = all.map(ends);
        assert_eq!(shown, ["h2", "h1", "xx", "ab", "ad", "3b", "6d"]);
    }

    #[test]
    fn a_ticket_of_no_key_is_known_wherever_a_client_brings_it() {
        let ticket = [[0; 16], [7; 16]].concat();
        assert!(is_of_no_key(&ticket));
        assert!(!is_of_no_key(&[0; 32]) && !is_of_no_key(&[7; 32]) && !is_of_no_key(&[0; 16]));
        let offered = [&[0, 38, 0, 32][..], &ticket, &[0; 4]].concat();
        for (kind, contents) in [(SESSION_TICKET, &ticket), (PRE_SHARED_KEY, &offered)] {
            let mut hello = Hello::default();
            extension(kind, contents, true, &mut hello).expect("well formed");
            assert!(hello.ticket_of_no_key, "{kind}");
        }
    }

    #[test]
    fn a_server_that_speaks_a_draft_of_tls_1_3_chooses_without_a_session() {
        let body = [&[0x7f, 0x14][..], &[0xc5; 32], &[0x13, 3], &[0, 4, 0, 51, 0, 0]].concat();
        let hello = server(&body).expect("draft 20");
        assert_eq!((hello.ciphers, hello.extensions), (vec![0x1303], vec![51]));
    }

    #[test]
    fn a_hello_cut_short_is_malformed() {
        assert!(client(&[3, 3, 0, 0]).is_err());
        assert!(server(&[3]).is_err());
    }
}
