//! Supervision of PRP and HSR (IEC 62439-3): nodes attached to two networks, or to a ring.
//!
//! Not here: the trailers and tags of the frames themselves; a tag is taken off below. Invariant:
//! a node is told once for each address it names.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{Mac, OperationClass, Subject};
use wire::{Reader, Short};

pub struct Prp;
pub static PRP: Prp = Prp;

const ETHERTYPE: u16 = 0x88fb;

static ABOUT: About = About {
    name: "prp",
    title: "PRP and HSR supervision",
    specs: &["IEC 62439-3:2021, 4.3 and 5.7"],
    carriers: &[Carrier::Ethertype(ETHERTYPE)],
    ports: &[],
    groups: &[],
    depth: "redundant nodes and boxes with their addresses",
};

impl Protocol for Prp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match (hint.carrier, head) {
            (Carrier::Ethertype(ETHERTYPE), [_, _, _, _, 20..=23, 6 | 12, ..]) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Node>::default()
    }
}

#[derive(Default)]
struct Node {
    /// Kind and address told last.
    told: Option<(u8, [u8; 6])>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Supervision {
    kind: u8,
    node: [u8; 6],
    /// The box through which a node without redundancy is attached.
    redundancy_box: Option<[u8; 6]>,
}

fn parse(bytes: &[u8]) -> Result<Supervision, Short> {
    const BOX: u8 = 30;
    let mut at = Reader::new(bytes);
    at.skip(4)?;
    let (kind, length) = (at.u8()?, usize::from(at.u8()?));
    let node = at.array()?;
    // Older nodes send two addresses.
    at.skip(length.saturating_sub(6))?;
    let redundancy_box = match (at.u8(), at.u8()) {
        (Ok(BOX), Ok(6)) => Some(at.array()?),
        _ => None,
    };
    Ok(Supervision { kind, node, redundancy_box })
}

impl Dissector for Node {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("prp", 0..bytes.len());
        match parse(bytes) {
            Ok(read) => {
                let number = u32::from(read.kind);
                out.operation(Op::notice(OperationClass::Report, number, "supervision"));
                let node = read.redundancy_box.unwrap_or(read.node);
                if self.told != Some((read.kind, node)) {
                    self.told = Some((read.kind, node));
                    tell(&read, out);
                }
            }
            Err(_) if segment.missing == 0 => {
                let says = "a supervision frame without its address";
                out.violation("prp-too-short", says, "IEC 62439-3, 4.3");
            }
            Err(_) => {}
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn tell(read: &Supervision, out: &mut Output) {
    let redundancy = if read.kind == 23 { "HSR" } else { "PRP" };
    let mut facts = vec![("redundancy", redundancy.to_owned())];
    match read.redundancy_box {
        // A box speaks for each node behind it in turn, and those are not redundant.
        Some(mac) => facts.push(("redundancy_box", Mac(mac).to_string())),
        None => facts.push(("redundant_node", Mac(read.node).to_string())),
    }
    out.identity(Subject::Sender, "supervision frame", facts);
}
