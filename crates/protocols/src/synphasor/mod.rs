//! Synchrophasors (IEEE C37.118): phasor measurement units and data concentrators.
//!
//! Not here: IEC 61850-90-5. Invariant: values are read by the configuration frame of the same
//! conversation or not at all.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op,
};
use ::wire::Reader;
use model::{OperationClass, PointValue, Quality, Scalar, Subject};
use wire::{COMMAND, Configuration, DATA, Frame, Measured, Pmu, SYNC};

pub static SYNPHASOR_GROUP: Group =
    Group { name: "synphasor", ends: Ends::Pair, keys: &["frame_type", "idcode"] };

pub struct Synphasor;
pub static SYNPHASOR: Synphasor = Synphasor;

static ABOUT: About = About {
    name: "synphasor",
    title: "Synchrophasors (C37.118)",
    specs: &["IEEE C37.118.2-2011", "IEEE C37.118-2005"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[4_712, 4_713],
    groups: &[&SYNPHASOR_GROUP],
    depth: "configurations as identity, commands, phasors, frequency, analogs and digitals with \
            quality, status changes, check sequences",
};

impl Protocol for Synphasor {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let size = match wire::size(head) {
            None if head.first().is_none_or(|b| *b == SYNC) => return Probe::NeedMore,
            Some(Ok(size)) => size,
            _ => return Probe::NoMatch,
        };
        let datagram = hint.carrier == Carrier::Udp;
        let sure = match head.get(..size) {
            Some(whole) => has_right_check(whole),
            // Of a frame that the capture cut the check sequence is not there to be believed.
            None if hint.missing > 0 => {
                let there = head.len().saturating_add(hint.missing);
                hint.port && is_version(head) && (!datagram || size <= there)
            }
            None if datagram => return Probe::NoMatch,
            None if head.len() < 256 => return Probe::NeedMore,
            None => hint.port && is_version(head),
        };
        match head.get(1).map(|b| b >> 4) {
            _ if !sure => Probe::NoMatch,
            Some(COMMAND) => Probe::MatchClient,
            _ => Probe::MatchServer,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Stream>::default()
    }
}

/// Versions there are (table 2), for frames that have no check sequence to be known by.
fn is_version(head: &[u8]) -> bool {
    head.get(1).is_some_and(|kind| matches!(kind & 0xf, 1..=3))
}

fn has_right_check(frame: &[u8]) -> bool {
    let checked = frame.split_last_chunk::<2>();
    checked.is_some_and(|(bytes, sum)| wire::check(bytes) == u16::from_be_bytes(*sum))
}

#[derive(Default)]
struct Stream {
    configuration: Configuration,
    /// Whose configuration that is: several streams may share a connection.
    configured: Option<u16>,
    /// Status words told last, by device.
    status: Vec<u16>,
}

impl Dissector for Stream {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let size = match wire::size(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: wire::HEADER_OCTETS },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("synphasor-sync-missing")),
            Some(Ok(size)) => size,
        };
        let Some(whole) = bytes.get(..size) else {
            if segment.carrier == Carrier::Udp && segment.missing > 0 {
                out.begin("synphasor", 0..bytes.len());
                if let Some((kind, id)) = wire::kind_and_id(bytes) {
                    count(kind, id, out);
                }
                return Progress::Consumed(bytes.len());
            }
            return Progress::NeedMore { consumed: 0, needed: size };
        };
        out.begin("synphasor", 0..size);
        let Ok(frame) = Frame::parse(whole) else { return Progress::Consumed(size) };
        count(frame.kind, frame.id, out);
        if !has_right_check(whole) {
            let says = "a check sequence that does not fit the frame";
            out.violation("synphasor-check-wrong", says, "IEEE C37.118.2, annex B");
        }
        self.frame(&frame, out);
        Progress::Consumed(size)
    }

    fn gap(&mut self, _: Gap) {}

    // Type and length of the frame, and who sends it.
    fn counted_by(&self) -> usize {
        8
    }
}

fn count(kind: u8, id: u16, out: &mut Output) {
    let keys = [Scalar::Number(u64::from(kind)), Scalar::Number(u64::from(id))];
    out.count(&SYNPHASOR_GROUP, keys);
}

impl Stream {
    fn frame(&mut self, frame: &Frame<'_>, out: &mut Output) {
        use OperationClass::{Diagnose, Report};
        let (number, unit) = (u32::from(frame.kind), u32::from(frame.id));
        let op = match frame.kind {
            DATA => Op::notice(Report, number, "data"),
            wire::HEADER => Op::response(Diagnose, number, "header").done(),
            COMMAND => return command(frame, out),
            _ => Op::response(Diagnose, number, "configuration").done(),
        };
        out.operation(op.unit(unit));
        match frame.kind {
            DATA => self.data(frame, out),
            wire::HEADER => {
                let text = crate::text::lossy(frame.body);
                out.attribute(Subject::Sender, "C37.118 header", ("description", &text), 90);
            }
            _ => self.configure(frame, out),
        }
    }

    fn configure(&mut self, frame: &Frame<'_>, out: &mut Output) {
        let read = match frame.kind {
            wire::CONFIGURATION_3 => Configuration::parse_third(frame.body),
            _ => Configuration::parse(frame.body).map(Some),
        };
        let read = match read {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(_) => {
                let says = "a configuration shorter than its devices and channels";
                return out.violation("synphasor-configuration-wrong", says, "IEEE C37.118.2, 6.4");
            }
        };
        let says = "C37.118 configuration";
        if let [only] = &read.pmus[..] {
            out.identity(Subject::Sender, says, [("name", only.name.clone())]);
        }
        for pmu in &read.pmus {
            let facts = [
                ("pmu", format!("{} ({})", pmu.name, pmu.id)),
                ("pmu_nominal_hz", pmu.nominal_hz.to_string()),
                ("pmu_frames_per_second", read.rate.to_string()),
            ];
            out.identity(Subject::Sender, says, facts);
        }
        // Configuration 1 is what a device can do, 2 and 3 what it sends.
        if frame.kind != wire::CONFIGURATION_1 {
            let changed = self.configuration.pmus.iter().zip(&read.pmus);
            for (_, now) in changed.filter(|(before, now)| before.changes != now.changes) {
                let value = format!("{}: {} changes", now.name, now.changes);
                out.state(Subject::Sender, "pmu-configuration", &value);
            }
            self.status = vec![0; read.pmus.len()];
            (self.configuration, self.configured) = (read, Some(frame.id));
        }
    }

    fn data(&mut self, frame: &Frame<'_>, out: &mut Output) {
        if self.configured != Some(frame.id) {
            return;
        }
        let mut at = Reader::new(frame.body);
        for (pmu, told) in self.configuration.pmus.iter().zip(&mut self.status) {
            let Ok(measured) = wire::measured(&mut at, pmu) else {
                let says = "data that does not fit the configuration";
                return out.violation("synphasor-data-wrong", says, "IEEE C37.118.2, 6.3");
            };
            status(pmu, measured.status, told, out);
            if out.values_wanted {
                values(pmu, &measured, out);
            }
        }
    }
}

fn command(frame: &Frame<'_>, out: &mut Output) {
    use OperationClass::{Diagnose, Other, Session};
    let command = Reader::new(frame.body).be16().unwrap_or_default();
    let (class, name) = match command {
        1 => (Session, "stop sending data"),
        2 => (Session, "send data"),
        3 => (Diagnose, "send header"),
        4 => (Diagnose, "send configuration 1"),
        5 => (Diagnose, "send configuration 2"),
        6 => (Diagnose, "send configuration 3"),
        8 => (Other, "extended command"),
        _ => (Other, "command"),
    };
    out.operation(Op::request(class, u32::from(command), name).unit(u32::from(frame.id)));
}

/// Bits of STAT that matter (6.3, table 7): data error, no synchronisation, trigger.
const STATUS_BITS: u16 = 0xe800;

fn status(pmu: &Pmu, status: u16, told: &mut u16, out: &mut Output) {
    let now = status & STATUS_BITS;
    if now == *told {
        return;
    }
    let clock = |s: u16| s & 0x2000 != 0;
    if clock(now) != clock(*told) {
        let word = if clock(now) { "not synchronised" } else { "synchronised" };
        out.state(Subject::Sender, "pmu-clock", &format!("{}: {word}", pmu.name));
    }
    if now & 0xc000 != *told & 0xc000 {
        let word = match now >> 14 {
            0 => "good",
            1 => "no data",
            2 => "test mode",
            _ => "error",
        };
        out.state(Subject::Sender, "pmu-data", &format!("{}: {word}", pmu.name));
    }
    if now & 0x0800 != *told & 0x0800 {
        let word = if now & 0x0800 != 0 { "trigger" } else { "no trigger" };
        out.state(Subject::Sender, "pmu-trigger", &format!("{}: {word}", pmu.name));
    }
    *told = now;
}

fn values(pmu: &Pmu, measured: &Measured, out: &mut Output) {
    let quality = match measured.status {
        s if s & 0xc000 != 0 => Quality::Bad,
        s if s & 0x2000 != 0 => Quality::Uncertain,
        _ => Quality::Good,
    };
    let name = &pmu.name;
    let mut put = |point: String, value: f64, unit| {
        out.value(point, PointValue::Float(value), (unit, quality));
    };
    for (channel, (magnitude, angle)) in pmu.phasors.iter().zip(&measured.phasors) {
        let unit = if channel.current { "A" } else { "V" };
        put(format!("{name}/{}", channel.name), *magnitude, Some(unit));
        put(format!("{name}/{}.angle", channel.name), *angle, Some("rad"));
    }
    put(format!("{name}/frequency"), measured.frequency_hz, Some("Hz"));
    put(format!("{name}/rocof"), measured.change_hz_per_s, Some("Hz/s"));
    for (channel, value) in pmu.analogs.iter().zip(&measured.analogs) {
        put(format!("{name}/{}", channel.name), *value, None);
    }
    for (index, word) in measured.digitals.iter().enumerate() {
        let point = format!("{name}/digital.{index}");
        out.value(point, PointValue::Unsigned(u64::from(*word)), (None, quality));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    fn probe(head: &[u8], carrier: Carrier, (port, missing): (bool, usize)) -> Probe {
        SYNPHASOR.probe(head, Hint { carrier, port, from: Side::Server, missing })
    }

    fn frame(version: u8) -> Vec<u8> {
        Frame { kind: DATA, version, id: 7, second: 1, fraction: 0, body: &[0; 40], check: 0 }
            .emit()
    }

    #[test]
    fn a_frame_that_the_capture_cut_is_known_on_the_port_and_counted() {
        let (whole, udp, tcp) = (frame(1), Carrier::Udp, Carrier::Tcp);
        let (head, missing) = (&whole[..20], whole.len() - 20);
        for (carrier, expected) in [(udp, Probe::NoMatch), (tcp, Probe::NeedMore)] {
            assert_eq!(probe(head, carrier, (true, missing)), Probe::MatchServer);
            assert_eq!(probe(head, carrier, (false, missing)), Probe::NoMatch);
            assert_eq!(probe(head, carrier, (true, 0)), expected);
        }
        assert_eq!(probe(head, udp, (true, missing - 1)), Probe::NoMatch);
        let mut out = Output::new(false);
        let segment = Segment { missing, ..Segment::of(head, Side::Server, udp) };
        assert_eq!(SYNPHASOR.open().feed(segment, &mut out), Progress::Consumed(20));
        let keys: Vec<_> = out.messages.iter().map(|message| message.keys[1].clone()).collect();
        assert_eq!((keys, out.observed.len()), (vec![Scalar::Number(7)], 0));
    }

    #[test]
    fn a_version_to_come_is_known_by_its_check_sequence() {
        let mut whole = frame(5);
        assert_eq!(probe(&whole, Carrier::Udp, (false, 0)), Probe::MatchServer);
        assert_eq!(probe(&whole[..20], Carrier::Udp, (true, whole.len() - 20)), Probe::NoMatch);
        whole[20] ^= 1;
        assert_eq!(probe(&whole, Carrier::Udp, (true, 0)), Probe::NoMatch);
    }
}
