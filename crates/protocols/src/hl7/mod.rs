//! HL7 version 2 over MLLP: which clinical systems exchange which messages.
//!
//! Not here: patients. Invariant: of a message only the header segment (MSH) and the
//! acknowledgement code (MSA) are read.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass, Subject};

pub struct Hl7;
pub static HL7: Hl7 = Hl7;

static ABOUT: About = About {
    name: "hl7",
    title: "HL7 v2 (MLLP)",
    specs: &["HL7 v2.5.1, chapter 2", "HL7 MLLP release 1"],
    carriers: &[Carrier::Tcp],
    ports: &[2_575],
    groups: &[],
    depth: "message types, sending and receiving applications, acknowledgements",
};

const START: u8 = 0x0b;
const END: [u8; 2] = [0x1c, 0x0d];
const MESSAGE_OCTETS_MAX: usize = 512 * 1024;

impl Protocol for Hl7 {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match head {
            [START, b'M', b'S', b'H', b'|', ..] => Probe::Match,
            [START] | [START, b'M'] | [START, b'M', b'S'] | [START, b'M', b'S', b'H'] => {
                Probe::NeedMore
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Messages)
    }
}

struct Messages;

impl Dissector for Messages {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if bytes.first() != Some(&START) {
            return Progress::GiveUp(Malformed::new("hl7-start-missing"));
        }
        let Some(end) = bytes.windows(2).position(|w| w == END) else {
            if bytes.len() > MESSAGE_OCTETS_MAX {
                return Progress::GiveUp(Malformed::new("hl7-message-too-long"));
            }
            return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
        };
        let taken = end.saturating_add(END.len());
        out.begin("hl7", 0..taken);
        message(bytes.get(1..end).unwrap_or_default(), out);
        Progress::Consumed(taken)
    }

    fn gap(&mut self, _: Gap) {}
}

fn message(bytes: &[u8], out: &mut Output) {
    let mut segments = bytes.split(|b| *b == b'\r');
    let header: Vec<_> = segments.next().unwrap_or_default().split(|b| *b == b'|').collect();
    // MSH-1 is the separator itself, so field n stands at n - 1.
    let field = |n: usize| header.get(n).copied().map(text::lossy).unwrap_or_default();
    let (kind, version) = (field(8), field(11));
    let acknowledged = segments
        // Some end a segment with a line feed as well.
        .filter_map(|s| s.trim_ascii_start().strip_prefix(b"MSA|"))
        .next()
        .and_then(|s| s.first_chunk::<2>().copied());
    match acknowledged {
        None => {
            // Queries are named by a first letter of their own (chapter 5).
            let (class, name) = match kind.as_bytes() {
                [b'Q', ..] => (OperationClass::Read, "query"),
                _ => (OperationClass::Report, "message"),
            };
            out.operation(Op::request(class, 0, name).named("message", &kind));
        }
        Some([_, b'A']) => {
            out.operation(Op::response(OperationClass::Report, 0, "acknowledgement").done());
        }
        Some([_, code]) => {
            let op = Op::response(OperationClass::Report, 0, "acknowledgement");
            let name = if code == b'R' { "rejected" } else { "error" };
            out.operation(op.refused(u32::from(code), name));
        }
    }
    let facts =
        [("hl7_application", field(2)), ("hl7_facility", field(3)), ("hl7_version", version)];
    out.identity(Subject::Sender, "HL7 header", facts);
}
