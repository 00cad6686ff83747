//! GE iFIX and FIX: SCADA nodes that exchange data over TCP.
//!
//! Nothing of it is published; header and names are as captured between iFIX nodes. Not here:
//! the blocks and fields asked for. Invariant: a message is as long as its header says twice.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass as Class, Subject};
use wire::{Reader, Short};

pub struct Ifix;
pub static IFIX: Ifix = Ifix;

static ABOUT: About = About {
    name: "ifix",
    title: "GE iFIX",
    specs: &["iFIX networking over TCP port 2010: observed header, node names"],
    carriers: &[Carrier::Tcp],
    ports: &[2_010],
    groups: &[],
    depth: "messages by number and direction, names of nodes that sign on",
};

const HEADER_OCTETS: usize = 64;
const MESSAGE_OCTETS_MAX: u16 = 16 * 1024;

impl Protocol for Ifix {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match Header::parse(head) {
            Ok(header) if header.is_plausible() => match header.answer {
                true => Probe::MatchServer,
                false => Probe::MatchClient,
            },
            Err(_)
                if hint.port && [0x66, 0x07, 0xc0].starts_with(head.get(..3).unwrap_or(head)) =>
            {
                Probe::NeedMore
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Node)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    sequence: u8,
    kind: u8,
    function: u8,
    length: u16,
    /// The low octet of the sequence number, which stands twice.
    repeated: u8,
    answer: bool,
}

impl Header {
    fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut r = Reader::new(bytes);
        let [a, b, c, sequence, kind, function] = r.array()?;
        if [a, b, c] != [0x66, 0x07, 0xc0] {
            return Err(Short { needed: 1 });
        }
        r.skip(34)?;
        let (length, repeated) = (r.le16()?, r.u8()?);
        r.skip(9)?;
        // From 3 to 2 a request, from 2 to 3 its answer; 6 on both sides signs on.
        let [_, _, _, _, role, _] = r.array()?;
        Ok(Header { sequence, kind, function, length, repeated, answer: role == 4 })
    }

    fn is_plausible(&self) -> bool {
        let length = (HEADER_OCTETS as u16..=MESSAGE_OCTETS_MAX).contains(&self.length);
        length && self.repeated == self.sequence && matches!(self.kind, 0xc0..=0xcf)
    }
}

struct Node;

impl Dissector for Node {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let header = match Header::parse(bytes) {
            Ok(header) => header,
            Err(_) if bytes.len() < HEADER_OCTETS => {
                return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
            }
            Err(_) => return Progress::GiveUp(Malformed::new("ifix-header-invalid")),
        };
        if !header.is_plausible() {
            return Progress::GiveUp(Malformed::new("ifix-header-invalid"));
        }
        let octets = usize::from(header.length);
        let Some(message) = bytes.get(..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("ifix", 0..octets);
        let (class, name) = match header.kind {
            0xc4 => (Class::Session, "sign on"),
            0xc1 => (Class::Read, "data"),
            _ => (Class::Other, "message"),
        };
        let function = u32::from(u16::from_be_bytes([header.kind, header.function]));
        out.operation(match header.answer {
            true => Op::response(class, function, name).done(),
            false => Op::request(class, function, name),
        });
        if header.kind == 0xc4 && !header.answer {
            signs_on(message, out);
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {}
}

/// The node's name: letters and digits behind the header, up to eight, ended by NUL.
fn signs_on(message: &[u8], out: &mut Output) {
    let rest = message.get(HEADER_OCTETS..).unwrap_or_default();
    let mut words = rest.split(|b| !(b.is_ascii_uppercase() || b.is_ascii_digit() || *b == b'_'));
    if let Some(name) = words.find(|word| (3..=8).contains(&word.len())) {
        out.identity(Subject::Sender, "sign on", [("ifix_node", text::lossy(name))]);
    }
}
