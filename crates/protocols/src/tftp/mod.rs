//! TFTP (RFC 1350, 2347): files read and written without any log-on.
//!
//! Not here: their contents. Answers come from another port: the sensor knows whom they are for,
//! and without the request they are known by themselves only where they begin a transfer.
//! Invariant: blocks are counted and never kept.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass, Scalar};

pub static TFTP_GROUP: Group = Group { name: "tftp", ends: Ends::Pair, keys: &["opcode"] };

pub struct Tftp;
pub static TFTP: Tftp = Tftp;

static ABOUT: About = About {
    name: "tftp",
    title: "TFTP",
    specs: &["RFC 1350", "RFC 2347 (options)"],
    carriers: &[Carrier::Udp],
    ports: &[69],
    groups: &[&TFTP_GROUP],
    depth: "files read and written, errors, programs among them",
};

const READ: u16 = 1;
const WRITE: u16 = 2;
const DATA: u16 = 3;
const ACK: u16 = 4;
const ERROR: u16 = 5;
const OPTIONS: u16 = 6;
const BLOCK_OCTETS: usize = 516;

/// File name and mode of a request: two texts, each ended by a NUL.
fn request(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut parts = body.split(|b| *b == 0);
    let (file, mode) = (parts.next()?, parts.next()?);
    parts.next()?;
    let known = [&b"octet"[..], b"netascii", b"mail"];
    let mode_known = known.iter().any(|m| mode.eq_ignore_ascii_case(m));
    (is_name(file) && mode_known).then_some((file, mode))
}

/// Names are in the letters of whoever gave them.
fn is_name(file: &[u8]) -> bool {
    !file.is_empty() && file.iter().all(|b| *b >= 0x20 && *b != 0x7f)
}

/// A request's name and its end, whatever stands behind.
fn begins_request(body: &[u8]) -> bool {
    let end = body.iter().position(|b| *b == 0);
    end.and_then(|end| body.get(..end)).is_some_and(is_name)
}

impl Protocol for Tftp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some((code, body)) = head.split_first_chunk::<2>() else { return Probe::NoMatch };
        match (u16::from_be_bytes(*code), body) {
            (READ | WRITE, body) if request(body).is_some() => Probe::MatchClient,
            (READ | WRITE, body) if hint.port && begins_request(body) => Probe::MatchClient,
            (OPTIONS, body) if options(body) => Probe::MatchServer,
            // The first block of a file, full; the first acknowledgement of a write.
            (DATA, [0, 1, ..]) if head.len() == BLOCK_OCTETS => Probe::MatchServer,
            (DATA | ACK | ERROR, [_, _, ..]) if hint.port => Probe::Match,
            (ACK, [0, 0]) => Probe::MatchServer,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Transfer)
    }
}

/// RFC 2347: names and values, each ended by a NUL.
fn options(body: &[u8]) -> bool {
    let name = body.split(|b| *b == 0).next().unwrap_or_default();
    let known = [&b"blksize"[..], b"tsize", b"timeout", b"windowsize"];
    known.iter().any(|k| name.eq_ignore_ascii_case(k)) && body.last() == Some(&0)
}

struct Transfer;

impl Dissector for Transfer {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("tftp", 0..bytes.len());
        if let Some((code, body)) = bytes.split_first_chunk::<2>() {
            let code = u16::from_be_bytes(*code);
            if (READ..=OPTIONS).contains(&code) {
                out.count(&TFTP_GROUP, [Scalar::Number(u64::from(code))]);
                operation(code, body, out);
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn operation(code: u16, body: &[u8], out: &mut Output) {
    let number = u32::from(code);
    let class = OperationClass::File;
    match code {
        READ | WRITE => {
            let Some((file, _)) = request(body) else {
                let says = "a request without file name and mode";
                return out.violation("tftp-request-invalid", says, "RFC 1350, 5");
            };
            let name = if code == READ { "read" } else { "write" };
            out.operation(Op::request(class, number, name).named("file", &text::lossy(file)));
        }
        DATA => {
            let first = body.starts_with(&[0, 1]);
            let contents = body.get(2..).unwrap_or_default();
            let program = contents.starts_with(b"MZ") || contents.starts_with(b"\x7fELF");
            if first && program {
                out.operation(Op::notice(class, number, "executable"));
            }
        }
        ERROR => {
            let code = body.first_chunk::<2>().map_or(0, |c| u16::from_be_bytes(*c));
            let name = match code {
                1 => "file not found",
                2 => "access violation",
                3 => "disk full",
                5 => "unknown transfer",
                6 => "file exists",
                _ => "error",
            };
            out.operation(Op::response(class, number, "error").refused(u32::from(code), name));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_any_letters_and_on_the_port_any_mode() {
        let probe = |head: &[u8], port| {
            let hint = Hint { carrier: Carrier::Udp, port, from: crate::Side::Client, missing: 0 };
            TFTP.probe(head, hint)
        };
        for head in ["\0\u{1}t\u{e4}st.cfg\0octet\0".as_bytes(), b"\0\x02\xe4.cfg\0OCTET\0"] {
            assert_eq!(probe(head, false), Probe::MatchClient);
        }
        for head in [&b"\0\x01a.cfg\0"[..], b"\0\x01a.cfg\0other\0"] {
            assert_eq!(
                (probe(head, true), probe(head, false)),
                (Probe::MatchClient, Probe::NoMatch)
            );
        }
        assert_eq!(probe(b"\0\x01a\x01\0octet\0", true), Probe::NoMatch);
        assert_eq!(probe(b"\0\x01\0octet\0", true), Probe::NoMatch);
        assert_eq!(probe(b"\0\x01a.cfg", true), Probe::NoMatch);
    }
}
