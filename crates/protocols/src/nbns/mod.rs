//! NetBIOS name service (RFC 1002, 4.2): which machine answers to which name.
//!
//! Not here: the datagram service with browser announcements, see [`crate::browser`].

pub mod name;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op,
};
use model::{Address, OperationClass, Subject};
use name::NetbiosName;
use std::net::IpAddr;

pub struct Nbns;
pub static NBNS: Nbns = Nbns;

static ABOUT: About = About {
    name: "nbns",
    title: "NetBIOS name service",
    specs: &["RFC 1001", "RFC 1002"],
    carriers: &[Carrier::Udp],
    ports: &[137],
    groups: &[],
    depth: "queries, registrations, node status, host names",
};

const REGISTRATION: u8 = 5;
const RELEASE: u8 = 6;
const REFRESH: u8 = 8;
const TYPE_NODE_STATUS: u16 = 0x21;

impl Protocol for Nbns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        if Packet::parse(head).is_ok() { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

/// The parts of a packet that matter: RFC 1002, 4.2.1.
struct Packet<'a> {
    response: bool,
    opcode: u8,
    code: u8,
    name: NetbiosName,
    kind: u16,
    /// Resource data of the first record behind the question or of the answer.
    data: &'a [u8],
}

impl<'a> Packet<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::new("nbns-packet-cut-short");
        let &[_, _, flags, code, 0, questions, 0, answers, ..] =
            bytes.first_chunk::<12>().ok_or(short)?
        else {
            return Err(Malformed::new("nbns-counts-not-plausible"));
        };
        // A name that nobody has is named by a record that no count tells (RFC 1002, 4.2.14).
        let negative = flags & 0x80 != 0 && code & 0xf != 0 && questions == 0;
        if questions > 1 || answers > 1 || (questions == answers && !negative) {
            return Err(Malformed::new("nbns-counts-not-plausible"));
        }
        let encoded = bytes.get(12..46).ok_or(short)?;
        let [32, letters @ .., 0] = encoded else {
            return Err(Malformed::new("nbns-name-not-encoded"));
        };
        let name = name::decode(letters).ok_or(Malformed::new("nbns-name-not-encoded"))?;
        let kind = bytes.get(46..48).and_then(|b| b.try_into().ok()).ok_or(short)?;
        // Behind a question the record's name is a pointer to it (RFC 1002, 4.2.2).
        let data = if questions == 1 { bytes.get(62..) } else { bytes.get(56..) };
        Ok(Packet {
            response: flags & 0x80 != 0,
            opcode: (flags >> 3) & 0xf,
            code: code & 0xf,
            name,
            kind: u16::from_be_bytes(kind),
            data: data.unwrap_or_default(),
        })
    }
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let taken = Progress::Consumed(segment.bytes.len());
        out.begin("nbns", 0..segment.bytes.len());
        let packet = match Packet::parse(segment.bytes) {
            Ok(packet) => packet,
            Err(_) if segment.missing > 0 => return taken,
            Err(malformed) => {
                let says = "a NetBIOS name service packet that cannot be read";
                out.violation(malformed.reason, says, "RFC 1002, 4.2");
                return taken;
            }
        };
        operation(&packet, out);
        names(&packet, out);
        taken
    }

    fn gap(&mut self, _: Gap) {}
}

fn operation(packet: &Packet<'_>, out: &mut Output) {
    let (class, name) = match packet.opcode {
        0 => (OperationClass::Browse, "query"),
        REGISTRATION => (OperationClass::Session, "registration"),
        RELEASE => (OperationClass::Session, "release"),
        REFRESH => (OperationClass::Session, "refresh"),
        _ => (OperationClass::Other, "other"),
    };
    let function = u32::from(packet.opcode);
    let op = match (packet.response, packet.code) {
        (false, _) => Op::request(class, function, name),
        (true, 0) => Op::response(class, function, name).done(),
        (true, code) => Op::response(class, function, name).refused(u32::from(code), "error"),
    };
    out.operation(op.named("name", &packet.name.name));
}

fn names(packet: &Packet<'_>, out: &mut Output) {
    let own = packet.name.is_machine();
    let announced = matches!(packet.opcode, REGISTRATION | REFRESH) && !packet.response;
    // The group bit of NB_FLAGS (RFC 1002, 4.2.1.3): a workgroup, not a machine.
    let group = packet.data.first().is_some_and(|flags| flags & 0x80 != 0);
    if announced && own && !group {
        let says = ("hostname", packet.name.name.as_str());
        out.attribute(Subject::Sender, "NBNS registration", says, 85);
    } else if announced && group && packet.name.is_workgroup() {
        let says = ("workgroup", packet.name.name.as_str());
        out.attribute(Subject::Sender, "NBNS registration", says, 80);
    } else if packet.response && packet.code == 0 && packet.kind == TYPE_NODE_STATUS {
        node_status(packet.data, out);
    } else if packet.response && packet.code == 0 && packet.opcode == 0 && own && !group {
        let octets = packet.data.get(2..6).and_then(|b| <[u8; 4]>::try_from(b).ok());
        if let Some(octets) = octets {
            let subject = Subject::Address(Address::Ip(IpAddr::from(octets)));
            let says = ("hostname", packet.name.name.as_str());
            out.attribute(subject, "NBNS answer", says, 80);
        }
    }
}

/// RFC 1002, 4.2.18: a count, then names of fifteen octets with suffix and flags.
fn node_status(data: &[u8], out: &mut Output) {
    let Some((&count, rest)) = data.split_first() else { return };
    for entry in rest.chunks_exact(18).take(usize::from(count)) {
        let Some((name, &[flags, _])) = entry.split_first_chunk() else { continue };
        let name = name::parse(name);
        let path = match flags & 0x80 != 0 {
            false if name.is_machine() => "hostname",
            true if name.is_workgroup() => "workgroup",
            _ => continue,
        };
        out.attribute(Subject::Sender, "NBNS node status", (path, &name.name), 90);
    }
}
