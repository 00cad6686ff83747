//! Reads BACnet messages: counts, operations, answers with their requests.
//!
//! Invariant: either end may ask; who asks is known by the kind of PDU, not by ports.

use super::{
    BACNET_GROUP, BVLC_GROUP, NETWORK_GROUP,
    limits::PENDING_REQUESTS_MAX,
    names,
    segments::{Added, Segments},
    services,
    services::Meaning,
    tag::{self, Tags, application},
    wire::{Apdu, BVLC_IPV4, BVLC_IPV6, Bvlc, Kind, MstpFrame, Npdu, Remote},
};
use crate::{Carrier, Dissector, Gap, Output, Progress, Segment, Side, output::Op};
use model::{Address, BacnetAddress, OperationClass as Class, Place, Scalar, Subject};
use std::{collections::VecDeque, net::IpAddr};

#[derive(Default)]
pub(super) struct Conversation {
    asked: VecDeque<Asked>,
    segments: Segments,
    /// What files are read or written for, between start and end of a backup or restore (19.1).
    procedure: Option<Class>,
    /// It was told of each side that it passes on what devices behind it say.
    relays: [bool; 2],
}

/// A request whose answer is awaited.
#[derive(Clone, Copy)]
struct Asked {
    from: Side,
    invoke: u8,
    /// Network and last octet of the address of the device behind a router.
    remote: (u16, u8),
    meaning: Meaning,
}

/// Who speaks and to whom, in one network message.
#[derive(Clone, Copy)]
struct Peers {
    from: Side,
    /// Whom identities in this message are about; `None` for one that has no place of its own.
    subject: Option<Subject>,
    source: (u16, u8),
    destination: (u16, u8),
    /// The capture cut the message, so what is missing is nobody's fault.
    cut: bool,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("bacnet", 0..bytes.len());
        match segment.carrier {
            Carrier::Udp => self.link(&segment, out),
            Carrier::Llc(_) => self.network(bytes, &segment, None, out),
            _ => match MstpFrame::parse(bytes) {
                Ok(frame) => {
                    if !frame.header_crc_right {
                        let says = "an MS/TP frame whose header checksum is wrong";
                        out.violation("mstp-header-crc", says, "ASHRAE 135, 9.3");
                    }
                    if frame.carries_npdu() {
                        self.network(frame.data, &segment, None, out);
                    }
                }
                Err(_) if segment.missing > 0 => {}
                Err(_) => {
                    let says = "an MS/TP frame shorter than its header says";
                    out.violation("mstp-too-short", says, "ASHRAE 135, 9.3");
                }
            },
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
        self.segments.clear();
    }
}

impl Conversation {
    fn link(&mut self, segment: &Segment<'_>, out: &mut Output) {
        let Ok(bvlc) = Bvlc::parse(segment.bytes) else {
            let says = "a message shorter than the virtual link header";
            return out.violation("bvlc-too-short", says, "ASHRAE 135, J.2");
        };
        if !matches!(segment.bytes.first(), Some(&(BVLC_IPV4 | BVLC_IPV6))) {
            let says = "a message of a virtual link that is none of BACnet";
            return out.violation("bvlc-type", says, "ASHRAE 135, J.2 and U.2");
        }
        let there = segment.bytes.len().saturating_add(segment.missing);
        if usize::from(bvlc.length) != there {
            let says = "the virtual link length is not that of the datagram";
            out.violation("bvlc-length", says, "ASHRAE 135, J.2");
        }
        if !bvlc.ipv6 {
            out.count(&BVLC_GROUP, [Scalar::Number(u64::from(bvlc.function))]);
        }
        if let Some((network, origin)) = bvlc.carried() {
            return self.network(network, segment, origin, out);
        }
        if bvlc.ipv6 {
            return link_ipv6(bvlc.function, out);
        }
        let function = u32::from(bvlc.function);
        let Some((class, name)) = names::link(bvlc.function) else {
            let says = "a virtual link function that the standard does not define";
            return out.violation("bvlc-function-undefined", says, "ASHRAE 135, J.2");
        };
        match bvlc.function {
            0 => {
                let code = bvlc.body.first_chunk::<2>().map(|c| u16::from_be_bytes(*c));
                let op = Op::response(class, function, name);
                out.operation(match code {
                    Some(0) => op.done(),
                    Some(code) => op.refused(u32::from(code), "not acknowledged"),
                    None => op,
                });
            }
            3 | 7 => out.operation(Op::response(class, function, name).done()),
            _ => out.operation(Op::request(class, function, name)),
        }
        if matches!(bvlc.function, 3) {
            let role = "broadcast management device".to_owned();
            out.identity(Subject::Sender, name, [("bacnet_role", role)]);
        }
    }

    fn network(
        &mut self,
        bytes: &[u8],
        segment: &Segment<'_>,
        origin: Option<IpAddr>,
        out: &mut Output,
    ) {
        let cut = segment.missing > 0;
        let Ok(npdu) = Npdu::parse(bytes) else {
            if !cut {
                let says = "a network message shorter than its header";
                out.violation("npdu-too-short", says, "ASHRAE 135, 6.2");
            }
            return;
        };
        if npdu.version != 1 {
            let says = "a network message of another version than 1";
            out.violation("npdu-version", says, "ASHRAE 135, 6.2.1");
        }
        if let Some((kind, vendor)) = npdu.message {
            return network_message(kind, vendor, npdu.body, out);
        }
        if npdu.source.is_some() && origin.is_none() {
            self.relays(segment.from, out);
        }
        let subject = match (npdu.source, origin) {
            (None, Some(origin)) => Some(Subject::Address(Address::Ip(origin))),
            (None, None) => Some(Subject::Sender),
            (Some(remote), _) => behind(&remote),
        };
        let peers = Peers {
            from: segment.from,
            subject,
            source: place(npdu.source),
            destination: place(npdu.destination),
            cut,
        };
        self.application(npdu.body, &peers, out);
    }

    /// Only routers put a source into the header (6.2.2): what is said is of a device behind them.
    fn relays(&mut self, from: Side, out: &mut Output) {
        if let Some(told @ false) = self.relays.get_mut(from as usize) {
            *told = true;
            let facts = [("bacnet_role", "router".to_owned())];
            out.identity(Subject::Sender, "source network", facts);
        }
    }

    fn application(&mut self, bytes: &[u8], peers: &Peers, out: &mut Output) {
        let apdu = match Apdu::parse(bytes) {
            Ok(Some(apdu)) => apdu,
            Ok(None) => {
                let says = "an application PDU of a reserved type";
                return out.violation("apdu-type-reserved", says, "ASHRAE 135, 20.1.1");
            }
            Err(_) if peers.cut => return,
            Err(_) => {
                let says = "an application PDU shorter than its header";
                return out.violation("apdu-too-short", says, "ASHRAE 135, 20.1");
            }
        };
        let service = match apdu.kind {
            Kind::SegmentAck | Kind::Reject | Kind::Abort => Scalar::Null,
            _ => Scalar::Number(u64::from(apdu.choice)),
        };
        out.count(&BACNET_GROUP, [Scalar::Number(u64::from(apdu.kind.number())), service]);
        if apdu.segment.is_some() {
            return self.segment(&apdu, peers, out);
        }
        self.whole(&apdu, peers, out);
    }

    fn whole(&mut self, apdu: &Apdu<'_>, peers: &Peers, out: &mut Output) {
        match apdu.kind {
            Kind::ConfirmedRequest => self.request(apdu, peers, out),
            Kind::UnconfirmedRequest => unconfirmed(apdu, peers, out),
            Kind::SegmentAck => {}
            _ => self.answer(apdu, peers, out),
        }
    }

    /// A message in segments is told when it is whole, with the peers of its last segment.
    fn segment(&mut self, apdu: &Apdu<'_>, peers: &Peers, out: &mut Output) {
        let remote = match apdu.kind {
            Kind::ConfirmedRequest => peers.destination,
            _ => peers.source,
        };
        let key = (peers.from, apdu.invoke, remote, apdu.kind);
        match self.segments.add(key, apdu, out) {
            Added::Whole(part) | Added::Broken(part) => self.whole(&part.apdu(), peers, out),
            // Its beginning is not in the capture: an answer is one all the same.
            Added::Unknown => {
                let last = apdu.segment.is_some_and(|(_, more)| !more);
                if last && apdu.kind == Kind::ComplexAck {
                    self.answer(&Apdu { body: &[], ..*apdu }, peers, out);
                }
            }
            Added::Kept => {}
        }
    }

    fn request(&mut self, apdu: &Apdu<'_>, peers: &Peers, out: &mut Output) {
        if names::confirmed(apdu.choice).is_none() {
            let says = "a confirmed service that the standard does not define";
            out.violation("service-undefined", says, "ASHRAE 135, 21");
        }
        let mut meaning = services::confirmed(apdu.choice, apdu.body, out);
        match (apdu.choice, meaning.name) {
            (20, "reinitialize device: start backup") => {
                self.procedure = Some(Class::ProgramUpload);
            }
            (20, "reinitialize device: start restore") => {
                self.procedure = Some(Class::ProgramDownload);
            }
            (20, _) => self.procedure = None,
            (6 | 7, _) => meaning.class = self.procedure.unwrap_or(meaning.class),
            _ => {}
        }
        let function = u32::from(apdu.choice);
        let op = meaning.apply(Op::request(meaning.class, function, meaning.name));
        out.operation(unit(op, peers.destination));
        if self.asked.len() >= PENDING_REQUESTS_MAX {
            self.asked.pop_front();
            out.limit("bacnet-pending-requests");
        }
        let (from, invoke, remote) = (peers.from, apdu.invoke, peers.destination);
        self.asked.push_back(Asked { from, invoke, remote, meaning });
    }

    fn answer(&mut self, apdu: &Apdu<'_>, peers: &Peers, out: &mut Output) {
        let at = self.asked.iter().position(|a| {
            (a.from, a.invoke, a.remote) == (peers.from.other(), apdu.invoke, peers.source)
        });
        let asked = at.and_then(|at| self.asked.remove(at)).map(|a| a.meaning);
        let function = u32::from(apdu.choice);
        let meaning = match apdu.kind {
            Kind::ComplexAck => {
                let told = services::acknowledged(apdu.choice, apdu.body, peers.subject, out);
                match asked {
                    Some(asked) if told.target.is_none() => asked,
                    Some(asked) => Meaning { class: asked.class, name: asked.name, ..told },
                    None => told,
                }
            }
            _ => asked.unwrap_or_else(|| unasked(apdu)),
        };
        let op = meaning.apply(Op::response(meaning.class, function, meaning.name));
        let reason = u32::from(apdu.choice);
        let op = match apdu.kind {
            Kind::Error => {
                let code = error_code(apdu.body).unwrap_or_default();
                op.refused(code, names::error(code))
            }
            Kind::Reject => op.refused(reason, names::reject(apdu.choice)),
            Kind::Abort => op.refused(reason, names::abort(apdu.choice)),
            _ => op.done(),
        };
        out.operation(unit(op, peers.source));
    }
}

/// The meaning of an answer whose request was not seen.
fn unasked(apdu: &Apdu<'_>) -> Meaning {
    let known = match apdu.kind {
        Kind::Reject | Kind::Abort => None,
        _ => names::confirmed(apdu.choice),
    };
    let (class, name) = known.unwrap_or((Class::Other, "request not seen"));
    Meaning { class, name, target: None }
}

/// Class and code, in some services within tag 0 (21, Error).
fn error_code(body: &[u8]) -> Option<u32> {
    let mut tags = Tags::new(body);
    let mut inner = match tags.inside(0) {
        Some(inner) => Tags::new(inner),
        None => tags,
    };
    inner.application(application::ENUMERATED)?;
    tag::unsigned(inner.application(application::ENUMERATED)?)
}

fn unconfirmed(apdu: &Apdu<'_>, peers: &Peers, out: &mut Output) {
    if names::unconfirmed(apdu.choice).is_none() {
        let says = "an unconfirmed service that the standard does not define";
        out.violation("service-undefined", says, "ASHRAE 135, 21");
    }
    let (meaning, named) = services::unconfirmed(apdu.choice, apdu.body, peers.subject, out);
    let function = u32::from(apdu.choice);
    let op = match apdu.choice {
        // Broadcasts that ask, set the clock or write.
        6..=10 | 14 => Op::request(meaning.class, function, meaning.name),
        _ => Op::notice(meaning.class, function, meaning.name),
    };
    let op = meaning.apply(op);
    let op = match named {
        Some(name) => op.named("object", &name),
        None => op,
    };
    out.operation(unit(op, peers.destination));
}

fn network_message(kind: u8, vendor: Option<u16>, body: &[u8], out: &mut Output) {
    out.count(&NETWORK_GROUP, [Scalar::Number(u64::from(kind))]);
    let (class, name) = names::network(kind);
    if name == "reserved network message" {
        let says = "a network message that the standard does not define";
        out.violation("network-message-undefined", says, "ASHRAE 135, 6.2.4");
    }
    let number = u32::from(kind);
    let op = match kind {
        0x00 | 0x06 | 0x08 | 0x09 | 0x12 => Op::request(class, number, name),
        _ => Op::notice(class, number, name),
    };
    let first = body.first_chunk::<2>().map(|n| u32::from(u16::from_be_bytes(*n)));
    out.operation(match (vendor, first) {
        (Some(vendor), _) => op.range("vendor", 0, u32::from(vendor), 1),
        (None, Some(network)) if kind <= 0x13 => op.range("network", 0, network, 1),
        _ => op,
    });
    if kind == 0x01 {
        let networks = body.chunks_exact(2).take(64).filter_map(|n| n.first_chunk::<2>());
        let networks: Vec<String> = networks.map(|n| u16::from_be_bytes(*n).to_string()).collect();
        let facts = [("bacnet_role", "router".to_owned()), ("bacnet_networks", networks.join(" "))];
        out.identity(Subject::Sender, name, facts);
    }
}

/// Messages of the virtual link over IPv6 that carry no network message (U.2).
fn link_ipv6(function: u8, out: &mut Output) {
    let (class, name) = match function {
        0 => (Class::Session, "BVLC-Result"),
        3 => (Class::Browse, "Address-Resolution"),
        4 => (Class::Browse, "Forwarded-Address-Resolution"),
        5 => (Class::Browse, "Address-Resolution-Ack"),
        6 => (Class::Browse, "Virtual-Address-Resolution"),
        7 => (Class::Browse, "Virtual-Address-Resolution-Ack"),
        9 => (Class::Session, "Register-Foreign-Device"),
        10 => (Class::Configure, "Delete-Foreign-Device-Table-Entry"),
        11 => (Class::Other, "Secure-BVLL"),
        _ => {
            let says = "a virtual link function that the standard does not define";
            return out.violation("bvlc-function-undefined", says, "ASHRAE 135, U.2");
        }
    };
    let function = u32::from(function);
    out.operation(match function {
        0 | 5 | 7 => Op::response(class, function, name),
        _ => Op::request(class, function, name),
    });
}

/// A device behind a router; none where it is not told which one.
fn behind(remote: &Remote<'_>) -> Option<Subject> {
    let address = BacnetAddress::new(remote.network, remote.address)?;
    Some(Subject::BehindSender(Place::Bacnet(address)))
}

fn place(remote: Option<Remote<'_>>) -> (u16, u8) {
    let of = |r: Remote<'_>| (r.network, r.address.last().copied().unwrap_or_default());
    remote.map(of).unwrap_or_default()
}

/// The network number beyond the router, where there is one.
fn unit(op: Op, (network, address): (u16, u8)) -> Op {
    match (network, address) {
        (0, _) | (0xffff, _) => op,
        _ => op.unit(u32::from(network) << 8 | u32::from(address)),
    }
}
