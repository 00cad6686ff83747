//! Media redundancy (IEC 62439-2): the ring of switches and PROFINET devices, open or closed.
//!
//! Not here: options of makers. Invariant: a ring or an interconnection of rings that stays as it
//! is is only counted.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{OperationClass, Subject};
use wire::Reader;

pub struct Mrp;
pub static MRP: Mrp = Mrp;

const ETHERTYPE: u16 = 0x88e3;
/// Parts of one frame at most.
const PARTS_MAX: usize = 16;

static ABOUT: About = About {
    name: "mrp",
    title: "Media redundancy protocol (MRP)",
    specs: &["IEC 62439-2:2021, 8"],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[],
    depth: "ring managers, state and transitions of rings and interconnections, link changes",
};

impl Protocol for Mrp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match (hint.carrier, head) {
            (Carrier::Ethertype(ETHERTYPE), [0, 1, ..]) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Ring>::default()
    }
}

/// What a manager said last of its ring.
#[derive(Default)]
struct Ring {
    /// (closed, transitions)
    said: Option<(bool, u16)>,
    /// The same of an interconnection of rings, with its number.
    interconnection: Option<(u16, bool, u16)>,
}

impl Dissector for Ring {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("mrp", 0..bytes.len());
        let mut at = Reader::new(bytes.get(2..).unwrap_or_default());
        for _ in 0..PARTS_MAX {
            let (Ok(kind @ 1..), Ok(length)) = (at.u8(), at.u8()) else { break };
            let Ok(value) = at.bytes(usize::from(length)) else {
                if segment.missing == 0 {
                    let says = "a part longer than its frame";
                    out.violation("mrp-part-cut-short", says, "IEC 62439-2, 8.1");
                }
                break;
            };
            self.part(kind, value, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Ring {
    fn part(&mut self, kind: u8, value: &[u8], out: &mut Output) {
        let notice = |name| Op::notice(OperationClass::Report, u32::from(kind), name);
        match kind {
            2 => {
                out.operation(notice("ring test"));
                self.test(value, out);
            }
            3 => {
                out.operation(notice("topology change"));
                out.state(Subject::Sender, "mrp-ring", "the topology changes");
            }
            4 => {
                out.operation(notice("link down"));
                out.state(Subject::Sender, "mrp-link", "down");
            }
            5 => {
                out.operation(notice("link up"));
                out.state(Subject::Sender, "mrp-link", "up");
            }
            6 => {
                out.operation(notice("interconnection test"));
                self.interconnection(value, out);
            }
            7 => {
                out.operation(notice("interconnection topology change"));
                out.state(Subject::Sender, "mrp-interconnection", "the topology changes");
            }
            8 => {
                out.operation(notice("interconnection link down"));
                out.state(Subject::Sender, "mrp-link", "interconnection down");
            }
            9 => {
                out.operation(notice("interconnection link up"));
                out.state(Subject::Sender, "mrp-link", "interconnection up");
            }
            10 => out.operation(notice("interconnection link poll")),
            _ => {}
        }
    }

    /// Priority, address, port role, ring state, transitions (8.1.5).
    fn test(&mut self, value: &[u8], out: &mut Output) {
        let mut at = Reader::new(value);
        let (Ok(priority), Ok(_), Ok(_), Ok(state), Ok(transitions)) =
            (at.be16(), at.skip(6), at.be16(), at.be16(), at.be16())
        else {
            return;
        };
        let now = (state == 1, transitions);
        if self.said.is_none() {
            let facts =
                [("mrp_role", "manager".to_owned()), ("mrp_priority", format!("0x{priority:04x}"))];
            out.identity(Subject::Sender, "MRP test", facts);
        }
        if self.said != Some(now) {
            self.said = Some(now);
            let word = if now.0 { "closed" } else { "open" };
            let value = format!("{word}, {transitions} transitions");
            out.state(Subject::Sender, "mrp-ring", &value);
        }
    }

    /// Number, address, port role, state, transitions (8.1.10).
    fn interconnection(&mut self, value: &[u8], out: &mut Output) {
        let mut at = Reader::new(value);
        let (Ok(id), Ok(_), Ok(_), Ok(state), Ok(transitions)) =
            (at.be16(), at.skip(6), at.be16(), at.be16(), at.be16())
        else {
            return;
        };
        let now = (id, state == 1, transitions);
        if self.interconnection.is_none() {
            let facts = [
                ("mrp_role", "interconnection manager".to_owned()),
                ("mrp_interconnection", id.to_string()),
            ];
            out.identity(Subject::Sender, "MRP interconnection test", facts);
        }
        if self.interconnection != Some(now) {
            self.interconnection = Some(now);
            let word = if now.1 { "closed" } else { "open" };
            let value = format!("{word}, {transitions} transitions");
            out.state(Subject::Sender, "mrp-interconnection", &value);
        }
    }
}
