//! Triconex TriStation: what an engineering station does to a safety controller.
//!
//! Nothing of it is published; the layout is that of public analyses of the TRITON malware, which
//! spoke it. Not here: TSAA, Trident. Invariant: the checksum behind a message is not checked,
//! since captures are cut and the numbers before it tell enough.

mod names;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass as Class, Subject};
use wire::{Reader, Short};

pub struct TriStation;
pub static TRISTATION: TriStation = TriStation;

static ABOUT: About = About {
    name: "tristation",
    title: "Triconex TriStation",
    specs: &[
        "FireEye, \"TRITON Attribution and Framework\" (2017); Nozomi Networks, \"TRITON: The \
         First ICS Cyber Attack on Safety Instrument Systems\" (2018), appendix",
    ],
    carriers: &[Carrier::Udp],
    ports: &[1_502],
    groups: &[],
    depth: "all commands and rejections; downloads, allocated programs and functions, run, halt, \
            key switch and run state, project",
};

impl Protocol for TriStation {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(message) = Message::parse(head) else { return Probe::NoMatch };
        match (message.is_plausible(hint.port), message.kind, message.command) {
            (false, ..) => Probe::NoMatch,
            (true, 1 | 4, _) => Probe::MatchClient,
            (true, 5, Some(command)) if command.from_controller => Probe::MatchServer,
            (true, 5, Some(_)) => Probe::MatchClient,
            _ => Probe::MatchServer,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Station>::default()
    }
}

/// What stands before and within a message; the checksum at the end is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// 1 connect, 2 connected, 3 disconnected, 4 disconnect, 5 command, 6 ping, others refuse.
    pub kind: u8,
    pub channel: u8,
    pub length: u16,
    pub command: Option<Command<'a>>,
    octets: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Command<'a> {
    pub from_controller: bool,
    pub node: u8,
    pub number: u8,
    pub sequence: u8,
    pub length: u16,
    pub data: &'a [u8],
}

const HEADER_OCTETS: u16 = 4;
const CHECKSUM_OCTETS: u16 = 2;
const COMMAND_OCTETS: u16 = 10;

impl<'a> Message<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Message<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (kind, channel, length) = (r.u8()?, r.u8()?, r.le16()?);
        let mut message = Message { kind, channel, length, command: None, octets: bytes.len() };
        if kind == 5 {
            let [direction, node, number, sequence] = r.array()?;
            r.skip(4)?;
            let length = r.le16()?;
            let rest = r.rest();
            let data = usize::from(length.saturating_sub(COMMAND_OCTETS));
            message.command = Some(Command {
                from_controller: direction == 1,
                node,
                number,
                sequence,
                length,
                data: rest.get(..data).unwrap_or(rest),
            });
        }
        Ok(message)
    }

    /// Two lengths that agree with each other and with the datagram; a message of six octets
    /// needs the usual port besides.
    fn is_plausible(&self, port: bool) -> bool {
        let added = HEADER_OCTETS.saturating_add(CHECKSUM_OCTETS);
        let whole = usize::from(self.length.saturating_add(added)) == self.octets;
        match self.command {
            Some(command) => {
                let same = command.length == self.length && command.length >= COMMAND_OCTETS;
                // Cut captures show less than the whole datagram.
                same && self.channel < 16 && command.node < 32 && (whole || port)
            }
            None => (1..=11).contains(&self.kind) && self.length == 0 && whole && port,
        }
    }

    /// With a checksum of zero; used by tests.
    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![self.kind, self.channel];
        out.extend(self.length.to_le_bytes());
        if let Some(command) = self.command {
            let direction = u8::from(command.from_controller);
            out.extend([direction, command.node, command.number, command.sequence]);
            out.extend([0; 4]);
            out.extend(command.length.to_le_bytes());
            out.extend(command.data);
        }
        out.extend([0; 2]);
        out
    }
}

#[derive(Default)]
struct Station {
    /// The last request, which a rejection is about.
    asked: Option<u8>,
    /// Key switch and run state told last; they come with every poll.
    states: Option<(u8, u8)>,
    named: bool,
}

impl Dissector for Station {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("tristation", 0..bytes.len());
        match Message::parse(bytes) {
            Ok(message) => self.message(&message, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a message shorter than its header";
                out.violation("tristation-too-short", says, "TriStation, message header");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Station {
    fn message(&mut self, message: &Message<'_>, out: &mut Output) {
        let kind = u32::from(message.kind);
        let session = |name| Op::response(Class::Session, kind, name);
        let op = match (message.kind, &message.command) {
            (_, Some(command)) if command.from_controller => return self.answer(command, out),
            (_, Some(command)) => return self.request(command, out),
            (1, _) => Op::request(Class::Session, kind, "connect"),
            (2, _) => session("connect").done(),
            (3, _) => session("disconnect").done(),
            (4, _) => Op::request(Class::Session, kind, "disconnect"),
            (6, _) => Op::request(Class::Diagnose, kind, "ping"),
            (7, _) => session("connect").refused(kind, "connection limit reached"),
            (8, _) => session("command").refused(kind, "not connected"),
            (9, _) => session("command").refused(kind, "main processors do not respond"),
            (10, _) => session("command").refused(kind, "access denied"),
            (11, _) => session("connect").refused(kind, "connection failed"),
            _ => {
                let says = "a message of a type that is not known";
                return out.violation("tristation-type", says, "TriStation, message header");
            }
        };
        out.operation(op);
    }

    fn request(&mut self, command: &Command<'_>, out: &mut Output) {
        let (class, name) = names::request(command.number);
        self.asked = Some(command.number);
        let op = Op::request(class, u32::from(command.number), name).unit(command.node.into());
        let mut r = Reader::new(command.data);
        out.operation(match command.number {
            // Downloads begin with the name of the project.
            0 | 1 | 59 => op.named("project", &project(command.data)),
            // Number of the program or function and of 32-bit words in it.
            55 | 56 => match (r.le16(), r.skip(6), r.le16()) {
                (Ok(number), Ok(()), Ok(words)) => {
                    let area = if command.number == 55 { "program" } else { "function" };
                    op.range(area, 0, u32::from(number), u32::from(words))
                }
                _ => op,
            },
            65 | 66 => match r.le16() {
                Ok(number) => op.range("program", 0, u32::from(number), 1),
                Err(_) => op,
            },
            _ => op,
        });
    }

    fn answer(&mut self, command: &Command<'_>, out: &mut Output) {
        let number = u32::from(command.number);
        let asked = self.asked.take();
        let (class, name) = asked.map_or((Class::Other, "command"), names::request);
        let op = Op::response(class, number, name).unit(command.node.into());
        out.operation(match command.number {
            // The reason of a rejection is the first octet behind.
            100 => {
                let reason = command.data.first().copied().unwrap_or_default();
                op.refused(u32::from(reason), names::refusal(reason))
            }
            101..=199 => op.done(),
            reason => op.refused(number, names::refusal(reason)),
        });
        if command.number == 108 {
            self.status(command.data, out);
        }
    }

    /// Control program status: load, validity, key switch, run state; the project further back.
    fn status(&mut self, data: &[u8], out: &mut Output) {
        let [_, _, _, _, _, _, _, key, running, ..] = data else { return };
        if self.states != Some((*key, *running)) {
            self.states = Some((*key, *running));
            let position = match key {
                0 => "stop",
                1 => "program",
                2 => "run",
                3 => "remote",
                _ => "invalid",
            };
            out.state(Subject::Sender, "key", position);
            let mode = match running {
                0 => "run",
                1 => "stop",
                2 => "pause",
                _ => "exception",
            };
            out.state(Subject::Sender, "mode", mode);
        }
        if !std::mem::replace(&mut self.named, true) {
            let mut facts = vec![
                ("vendor", "Triconex".to_owned()),
                ("model", "Tricon safety controller".to_owned()),
            ];
            let mut r = Reader::new(data.get(56..).unwrap_or_default());
            if let (Ok(minor), Ok(major), Ok(())) = (r.le16(), r.le16(), r.skip(6)) {
                let name = project(r.rest());
                facts.push(("project", format!("{name} {major}.{minor}")));
            }
            out.identity(Subject::Sender, "CP status", facts);
        }
    }
}

fn project(data: &[u8]) -> String {
    let name = data.iter().take(10).take_while(|b| (0x20..0x7f).contains(*b));
    text::lossy(&name.copied().collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            from_controller: bool,
            node in 0u8..32,
            number: u8,
            sequence: u8,
            data in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            let length = 10 + data.len() as u16;
            let command = Command { from_controller, node, number, sequence, length, data: &data };
            let octets = data.len() + 16;
            let message =
                Message { kind: 5, channel: 0, length, command: Some(command), octets };
            let bytes = message.emit();
            prop_assert_eq!(Message::parse(&bytes), Ok(message));
            prop_assert!(message.is_plausible(false));
        }
    }
}
