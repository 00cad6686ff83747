//! SEL's binary protocols: Fast Meter, Fast Operate and Fast Message (0xA546) of relays.
//!
//! Over serial lines, and over TCP as it is or through Telnet. Read [`wire`] for blocks, `meter`
//! for values. Not here: ASCII commands, mirrored bits, LMD. Invariant: a control is told only
//! where its code agrees with the octet that repeats it.

mod meter;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side,
    output::Op, text,
};
use ::wire::{Reader, Short};
use meter::Layout;
use model::{OperationClass as Class, Subject};
use wire::{Begins, Block, MESSAGE, message};

pub struct SelFast;
pub static SEL_FAST: SelFast = SelFast;

static ABOUT: About = About {
    name: "sel_fast",
    title: "SEL Fast Meter, Fast Operate, Fast Message",
    specs: &[
        "SEL-AG95-10, Configuration and Fast Meter Messages",
        "SEL-AN2002-14, Fast SER and Fast Message, as Wireshark's field list names them",
    ],
    carriers: &[Carrier::Tcp],
    ports: &[23],
    groups: &[],
    depth: "relay definition, meter values with names and scales, breaker and remote bit \
            controls, messages by function: unsolicited reports, memory read and written, device \
            description with firmware",
};

impl Protocol for SelFast {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match wire::begins(head, hint.from == Side::Server) {
            // One kind has a header that chance does not write, others a length and a sum.
            Begins::Block(block) if is_whole(&block) => match client_sends(&block) {
                Some(true) => Probe::MatchClient,
                Some(false) => Probe::MatchServer,
                None => Probe::Match,
            },
            Begins::Poll(_) if hint.port && head.len() == 2 => Probe::MatchClient,
            Begins::Short(_) if hint.port && head.len() < 256 && !head.is_empty() => {
                Probe::NeedMore
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Line>::default()
    }
}

fn is_whole(block: &Block<'_>) -> bool {
    match block.kind {
        MESSAGE => message(&block.body).is_ok_and(|message| {
            let routing = block.body.get(..5).is_some_and(|route| route == [0; 5]);
            routing && function(message.function).is_some()
        }),
        _ => block.sound && block.body.len() >= 2,
    }
}

/// Whether a client sends such a block; `None` where both do.
fn client_sends(block: &Block<'_>) -> Option<bool> {
    match block.kind {
        MESSAGE => match message(&block.body).ok()?.function {
            0x12 | 0x18 | 0x32 | 0x80..=0x97 | 0xb0..=0xb3 => Some(false),
            0x20 | 0x21 => None,
            _ => Some(true),
        },
        kind => Some(wire::always_block(kind)),
    }
}

/// One line to a relay.
#[derive(Default)]
struct Line {
    /// As the relay described its meter blocks: instantaneous, demand, peak demand.
    layouts: [Option<Layout>; 3],
}

impl Dissector for Line {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        match wire::begins(bytes, segment.from == Side::Server) {
            Begins::Short(needed) => Progress::NeedMore { consumed: 0, needed },
            Begins::Poll(kind) => {
                out.begin("sel_fast", 0..2);
                let (class, name) = meaning(kind);
                out.operation(Op::request(class, u32::from(kind), name));
                Progress::Consumed(2)
            }
            Begins::Block(block) => {
                out.begin("sel_fast", 0..block.octets);
                if self.block(&block, out).is_err() {
                    let says = "a block shorter than its fields";
                    out.violation("sel-too-short", says, "SEL-AG95-10");
                }
                Progress::Consumed(block.octets)
            }
            // Text of the log-on, prompts and negotiation of Telnet stand between blocks.
            Begins::Other => {
                let next = bytes.iter().skip(1).position(|b| *b == wire::MARK);
                Progress::Consumed(next.map_or(bytes.len(), |at| at.saturating_add(1)))
            }
        }
    }

    fn gap(&mut self, _: Gap) {}
}

impl Line {
    fn block(&mut self, block: &Block<'_>, out: &mut Output) -> Result<(), Short> {
        if !block.sound {
            let says = "a block or message whose sum is wrong";
            out.violation("sel-checksum", says, "SEL-AG95-10");
            // A message has a header that says as much as the sum that is wrong.
            if block.kind != MESSAGE {
                return Ok(());
            }
        }
        let (class, name) = meaning(block.kind);
        let function = u32::from(block.kind);
        match block.kind {
            MESSAGE => return fast_message(&block.body, out),
            0xe0 | 0xe3 | 0xe5..=0xe9 | 0xed => return control(block, out),
            _ => out.operation(Op::response(class, function, name).done()),
        }
        match block.kind {
            0xc0 => relay(&block.body, out),
            kind @ 0xc1..=0xc3 => {
                let layout = Layout::read(&block.body)?;
                if let Some(slot) = self.layouts.get_mut(usize::from(kind & 3).saturating_sub(1)) {
                    *slot = Some(layout);
                }
                Ok(())
            }
            kind @ 0xd1..=0xd3 if out.values_wanted => {
                let layout = self.layouts.get(usize::from(kind & 3).saturating_sub(1));
                match layout {
                    Some(Some(layout)) => layout.tell(&block.body, out),
                    _ => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }
}

/// Numbers of protocols, meter messages and flags; their kinds; the protocols.
fn relay(body: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut at = Reader::new(body);
    let [protocols, meters, flags] = at.array()?;
    at.skip(usize::from(meters).saturating_mul(4))?;
    at.skip(usize::from(flags).saturating_mul(8))?;
    let mut names = Vec::new();
    for _ in 0..protocols {
        names.push(match at.be16()? & 0xff {
            0 => "Fast Meter",
            1 => "LMD",
            2 => "Modbus",
            3 => "SY/MAX",
            4 => "relay to relay",
            5 => "DNP3",
            6 => "Mirrored Bits",
            7 => "C37.118",
            8 => "IEC 61850",
            _ => continue,
        });
    }
    names.dedup();
    let facts = [
        ("vendor", "Schweitzer Engineering Laboratories".to_owned()),
        ("sel_protocols", names.join(", ")),
    ];
    out.identity(Subject::Sender, "relay definition", facts);
    Ok(())
}

/// Fast operate: a code, and four times the code plus one.
fn control(block: &Block<'_>, out: &mut Output) -> Result<(), Short> {
    let (class, name) = meaning(block.kind);
    let mut at = Reader::new(&block.body);
    let code = at.u8()?;
    let number = u32::from(block.kind);
    if block.kind == 0xed {
        out.operation(Op::request(class, number, name));
        return Ok(());
    }
    if matches!(block.kind, 0xe0 | 0xe3) && at.u8()? != code.wrapping_mul(4).wrapping_add(1) {
        let says = "a control whose code and validation differ";
        out.violation("sel-control-validation", says, "SEL-AG95-10, fast operate");
        return Ok(());
    }
    let (name, bit) = match (block.kind, code) {
        (0xe0, 0x00..=0x1f) => ("clear remote bit", code & 0x1f),
        (0xe0, 0x20..=0x3f) => ("set remote bit", code & 0x1f),
        (0xe0, 0x40..=0x5f) => ("pulse remote bit", code & 0x1f),
        (0xe3, 0x11..=0x2f) => ("close breaker", code.wrapping_sub(0x10)),
        (0xe3, 0x31..=0x4f) => ("open breaker", code.wrapping_sub(0x30)),
        _ => (name, code),
    };
    let area = if name.contains("breaker") { "breaker" } else { "remote bit" };
    // Remote bits count from 1, their codes from 0.
    let first = u32::from(bit).saturating_add(u32::from(area == "remote bit"));
    out.operation(Op::request(class, number, name).range(area, 0, first, 1));
    Ok(())
}

fn fast_message(body: &[u8], out: &mut Output) -> Result<(), Short> {
    let message = message(body)?;
    let number = u32::from(message.function);
    let Some((class, name)) = function(message.function) else {
        let says = "a function that is not known";
        out.violation("sel-function", says, "SEL Fast Message, function codes");
        return Ok(());
    };
    let mut at = Reader::new(message.data);
    let op = match message.function {
        0x12 | 0x18 | 0x32 => Op::notice(class, number, name),
        0x10 => {
            let (first, words) = (at.be32()?, at.be16()?);
            Op::request(class, number, name).range("word", 0, first, u32::from(words))
        }
        0x20 | 0x21 => {
            let (high, low, words) = (at.be16()?, at.be16()?, at.be16()?);
            let first = u32::from(high) << 16 | u32::from(low);
            Op::request(class, number, name).range("word", 0, first, u32::from(words))
        }
        0x00..=0x7f => Op::request(class, number, name),
        _ => match refusal(message.status) {
            None => Op::response(class, number, name).done(),
            Some(why) => Op::response(class, number, name).refused(u32::from(message.status), why),
        },
    };
    out.operation(op);
    if message.function == 0xb0 {
        described(message.data, out)?;
    }
    Ok(())
}

/// Firmware and relay identifiers as the relay prints them, of 50 and 40 letters.
fn described(data: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut at = Reader::new(data);
    let (firmware, relay) = (text::lossy(at.bytes(50)?), text::lossy(at.bytes(40)?));
    let clean = |text: &str| text.trim_matches(['\0', ' ', '"']).to_owned();
    let firmware = clean(firmware.trim_start_matches("FID="));
    // SEL-451-5-R101-V0-Z001001-D20120213: the model stands before the release.
    let model = firmware.find("-R").and_then(|end| firmware.get(..end)).unwrap_or_default();
    let facts = [
        ("vendor", "Schweitzer Engineering Laboratories".to_owned()),
        ("model", model.to_owned()),
        ("firmware", firmware.clone()),
        ("name", clean(&relay)),
    ];
    out.identity(Subject::Sender, "device description", facts);
    Ok(())
}

const fn meaning(kind: u8) -> (Class, &'static str) {
    match kind {
        0xb9 => (Class::Diagnose, "clear status bits"),
        0xc0 => (Class::Diagnose, "relay definition"),
        0xc1 => (Class::Browse, "fast meter configuration"),
        0xc2 => (Class::Browse, "demand meter configuration"),
        0xc3 => (Class::Browse, "peak demand meter configuration"),
        0xcd => (Class::Browse, "fast operate reset definition"),
        0xce => (Class::Browse, "fast operate configuration"),
        0xcf => (Class::Browse, "alternate fast operate configuration"),
        0xd1 => (Class::Read, "fast meter"),
        0xd2 => (Class::Read, "demand meter"),
        0xd3 => (Class::Read, "peak demand meter"),
        0xe0 => (Class::Write, "remote bit control"),
        0xe3 => (Class::Write, "breaker control"),
        0xe5 => (Class::Write, "open breaker"),
        0xe6 => (Class::Write, "close breaker"),
        0xe7 => (Class::Write, "set remote bit"),
        0xe8 => (Class::Write, "clear remote bit"),
        0xe9 => (Class::Write, "pulse remote bit"),
        0xed => (Class::Reset, "fast operate reset"),
        _ => (Class::Other, "block"),
    }
}

/// Functions of Fast Messages; answers have the high bit.
const fn function(code: u8) -> Option<(Class, &'static str)> {
    Some(match code & 0x7f {
        0x00 => (Class::Diagnose, "message configuration"),
        0x01 => (Class::Session, "enable unsolicited data"),
        0x02 => (Class::Configure, "disable unsolicited data"),
        0x05 => (Class::Session, "ping"),
        0x10 => (Class::Read, "read memory"),
        0x12 => (Class::Report, "unsolicited data"),
        0x16 => (Class::Read, "present state of events"),
        0x18 => (Class::Report, "sequence of events"),
        0x20 => (Class::Write, "write memory"),
        0x21 => (Class::Write, "write memory, acknowledged"),
        0x30 => (Class::Diagnose, "device description"),
        0x31 => (Class::Browse, "data format"),
        0x32 => (Class::Report, "unsolicited data format"),
        0x33 => (Class::Browse, "bit labels"),
        0x40 => (Class::Configure, "management"),
        _ => return None,
    })
}

const fn refusal(status: u8) -> Option<&'static str> {
    Some(match status {
        0 => return None,
        1 => "function not known",
        2 => "function disabled",
        3 => "address invalid",
        4 => "data invalid",
        5 => "out of memory",
        6 => "busy",
        _ => "error",
    })
}
