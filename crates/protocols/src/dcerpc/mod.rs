//! DCE/RPC over TCP and UDP; SMB hands it what goes through named pipes.
//!
//! Not here: PROFINET IO, see [`crate::pn_io`]; DCOM objects beyond the host names in bindings.
//! Invariant: what is encrypted is counted and never interpreted.

mod activation;
mod arguments;
mod interfaces;
mod limits;
mod session;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, pn_io,
};
use model::{OperationClass, Scalar};
pub use session::Session;
use wire::{
    ALTER, ALTER_ACK, AUTH3, BIND, BIND_ACK, BIND_NAK, Datagram, FAULT, HEADER_OCTETS, Header,
    REQUEST, RESPONSE,
};

pub static DCERPC_GROUP: Group =
    Group { name: "dcerpc", ends: Ends::Pair, keys: &["pkt_type", "opnum"] };
pub static DCERPC_BIND_GROUP: Group =
    Group { name: "dcerpc_bind", ends: Ends::Pair, keys: &["uuid"] };
pub static SERVICE_CREATED_GROUP: Group =
    Group { name: "service_created", ends: Ends::Pair, keys: &["name"] };

pub struct DceRpc;
pub static DCERPC: DceRpc = DceRpc;

static ABOUT: About = About {
    name: "dcerpc",
    title: "DCE/RPC, DCOM",
    specs: &["C706 (DCE 1.1: RPC)", "MS-RPCE", "MS-DCOM", "MS-SCMR", "MS-NRPC", "MS-DRSR"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[135],
    groups: &[&DCERPC_GROUP, &DCERPC_BIND_GROUP, &SERVICE_CREATED_GROUP],
    depth: "binds and calls by interface, services created, log-ons, end point map, classes and \
            OPC Classic servers started",
};

impl Protocol for DceRpc {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == Carrier::Udp {
            return match Datagram::parse(head, hint.missing) {
                Some(header) if pn_io::is_interface(header.interface) => Probe::NoMatch,
                Some(header) => datagram_side(header.kind),
                None => Probe::NoMatch,
            };
        }
        match Header::parse(head) {
            None => Probe::NeedMore,
            Some(Err(())) => Probe::NoMatch,
            Some(Ok(header)) => match header.kind {
                REQUEST | BIND | ALTER | AUTH3 => Probe::MatchClient,
                RESPONSE | FAULT | BIND_ACK | BIND_NAK | ALTER_ACK => Probe::MatchServer,
                _ => Probe::Match,
            },
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

/// Are these octets the beginning of a call, of its answer, or of what comes before calls?
pub(crate) fn is_call(bytes: &[u8]) -> bool {
    matches!(Header::parse(bytes), Some(Ok(_)))
}

/// C706, 12.1: requests, pings and cancels come from clients.
pub(crate) fn datagram_side(kind: u8) -> Probe {
    match kind {
        0 | 1 | 7 | 8 => Probe::MatchClient,
        2..=6 | 9 | 10 => Probe::MatchServer,
        _ => Probe::NoMatch,
    }
}

#[derive(Default)]
struct Conversation {
    session: Session,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier != Carrier::Tcp {
            out.begin("dcerpc", 0..bytes.len());
            match Datagram::parse(bytes, segment.missing) {
                Some(header) if pn_io::is_interface(header.interface) => {
                    pn_io::datagram(&header, bytes, out);
                }
                Some(header) => datagram(&header, out),
                None => {}
            }
            return Progress::Consumed(bytes.len());
        }
        let header = match Header::parse(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("dcerpc-header-invalid")),
            Some(Ok(header)) => header,
        };
        let length = usize::from(header.length);
        let Some(pdu) = bytes.get(..length) else {
            return Progress::NeedMore { consumed: 0, needed: length };
        };
        out.begin("dcerpc", 0..length);
        let there = length.saturating_sub(segment.filled);
        self.session.pdu(&header, pdu.get(..there).unwrap_or_default(), out);
        Progress::Consumed(length)
    }

    fn gap(&mut self, gap: Gap) {
        self.session.gap(gap.from);
    }
}

/// One datagram of any interface but PROFINET's.
pub(crate) fn datagram(header: &Datagram, out: &mut Output) {
    out.begin_protocol("dcerpc");
    let number = Scalar::Number(u64::from(header.operation));
    out.count(&DCERPC_GROUP, [Scalar::Number(u64::from(header.kind)), number]);
    let known = interfaces::find(header.interface);
    let (class, name) =
        known.map_or((OperationClass::Other, "call"), |i| i.operation(header.operation));
    let number = u32::from(header.operation);
    let op = match header.kind {
        0 if header.fragment == 0 => Op::request(class, number, name),
        2 if header.fragment == 0 => Op::response(class, number, name).done(),
        3 | 6 => Op::response(class, number, name).refused(0, "fault"),
        _ => return,
    };
    match known {
        Some(known) => out.operation(op.named("interface", known.name)),
        None => out.operation(op.named("interface", &header.interface.to_string())),
    }
}
