//! IGMP (RFC 2236, RFC 3376): who listens to which multicast group, and who asks.
//!
//! Invariant: a report names groups only within its own length.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use ::wire::reader::{Reader, Short};
use model::{OperationClass, Subject};

pub struct Igmp;
pub static IGMP: Igmp = Igmp;

static ABOUT: About = About {
    name: "igmp",
    title: "IGMP",
    specs: &["RFC 2236", "RFC 3376"],
    carriers: &[Carrier::Ip(2)],
    ports: &[],
    groups: &[],
    depth: "queries, memberships and leaves by group",
};

const QUERY: u8 = 0x11;
const REPORT_3: u8 = 0x22;
/// Groups of one report that are told.
const GROUPS_MAX: u16 = 64;

impl Protocol for Igmp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let ours = matches!(hint.carrier, Carrier::Ip(2)) && head.len() >= 8;
        if ours { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Members)
    }
}

struct Members;

impl Dissector for Members {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("igmp", 0..bytes.len());
        if message(bytes, out).is_err() && segment.missing == 0 {
            let says = "a message shorter than its fields";
            out.violation("igmp-message-cut-short", says, "RFC 3376, 4");
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(bytes: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut r = Reader::new(bytes);
    let kind = r.u8()?;
    r.skip(3)?;
    match kind {
        QUERY => {
            say(kind, "query", r.be32()?, out);
            let says = [("igmp_role", "querier".to_owned())];
            out.identity(Subject::Sender, "IGMP query", says);
        }
        0x12 | 0x16 => say(kind, "membership", r.be32()?, out),
        0x17 => say(kind, "leave", r.be32()?, out),
        REPORT_3 => {
            r.skip(2)?;
            for _ in 0..r.be16()?.min(GROUPS_MAX) {
                // type, length of auxiliary data in words, sources, group (RFC 3376, 4.2.4)
                let (change, auxiliary) = (r.u8()?, usize::from(r.u8()?));
                let sources = usize::from(r.be16()?);
                let group = r.be32()?;
                r.skip(sources.saturating_add(auxiliary).saturating_mul(4))?;
                // Including nobody is leaving.
                let leaves = matches!(change, 1 | 3) && sources == 0;
                say(kind, if leaves { "leave" } else { "membership" }, group, out);
            }
        }
        _ => {}
    }
    Ok(())
}

fn say(kind: u8, name: &'static str, group: u32, out: &mut Output) {
    let op = Op::notice(OperationClass::Session, u32::from(kind), name);
    out.operation(op.range("multicast group", 0, group, 1));
}
