//! Frame 1E of the MC protocol, as A and FX3 controllers and their Ethernet modules speak it.
//!
//! SH-080008, 18 (A-compatible 1E frame), in binary and in ASCII. Not here: buffer memory and
//! extended file registers beyond their names. Invariant: an answer says nothing of its length,
//! so it is read as its request foretells.

use super::{Form, PENDING_MAX, Place, UNANSWERED_NANOS, VALUES_MAX, ascii_words, values};
use crate::{Carrier, Gap, Malformed, Output, Probe, Progress, Segment, Side, output::Op};
use ::wire::{Reader, Short};
use model::{OperationClass as Class, Subject, Time};
use std::collections::VecDeque;

/// The controller itself; stations behind it count from 0 to 64.
const OWN: u8 = 0xff;
const STATIONS: u8 = 0x40;

/// A request up to its data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Request {
    code: u8,
    station: u8,
    ascii: bool,
    /// The two letters of the device and its number, of commands on one range.
    device: Option<([u8; 2], u32)>,
    points: u16,
    data_at: usize,
    octets: usize,
}

/// Reads fields of either code: an octet, or its two digits.
struct Fields<'a> {
    r: Reader<'a>,
    ascii: bool,
}

impl Fields<'_> {
    fn u8(&mut self) -> Result<Option<u8>, Short> {
        if !self.ascii {
            return self.r.u8().map(Some);
        }
        let digits: [u8; 2] = self.r.array()?;
        let upper = digits.iter().all(|d| matches!(d, b'0'..=b'9' | b'A'..=b'F'));
        let text = std::str::from_utf8(&digits).ok().filter(|_| upper);
        Ok(text.and_then(|t| u8::from_str_radix(t, 16).ok()))
    }

    fn octets<const N: usize>(&mut self) -> Result<Option<[u8; N]>, Short> {
        let mut octets = [0; N];
        for octet in &mut octets {
            match self.u8()? {
                Some(read) => *octet = read,
                None => return Ok(None),
            }
        }
        // In binary low octets go first, in ASCII high digits do.
        if !self.ascii {
            octets.reverse();
        }
        Ok(Some(octets))
    }

    /// Number and letters of a device; in ASCII the letters go first.
    fn device(&mut self) -> Result<Option<([u8; 2], u32)>, Short> {
        let (name, number) = match self.ascii {
            true => (self.octets::<2>()?, self.octets::<4>()?),
            false => {
                let number = self.octets::<4>()?;
                (self.octets::<2>()?, number)
            }
        };
        let (Some(name), Some(number)) = (name, number) else { return Ok(None) };
        let number = u32::from_be_bytes(number);
        Ok((letters(name).is_some() && number < 1 << 24).then_some((name, number)))
    }
}

/// Device names are their letters (18.2.2); whether numbers are hexadecimal.
const fn letters(name: [u8; 2]) -> Option<(&'static str, bool)> {
    Some(match &name {
        b"D " => ("D", false),
        b"W " => ("W", true),
        b"R " => ("R", false),
        b"M " => ("M", false),
        b"L " => ("L", false),
        b"S " => ("S", false),
        b"F " => ("F", false),
        b"B " => ("B", true),
        b"X " => ("X", true),
        b"Y " => ("Y", true),
        b"TN" => ("TN", false),
        b"TS" => ("TS", false),
        b"TC" => ("TC", false),
        b"CN" => ("CN", false),
        b"CS" => ("CS", false),
        b"CC" => ("CC", false),
        _ => return None,
    })
}

const fn meaning(code: u8) -> Option<(Class, &'static str)> {
    Some(match code {
        0x00 => (Class::Read, "batch read in bits"),
        0x01 => (Class::Read, "batch read in words"),
        0x02 => (Class::Write, "batch write in bits"),
        0x03 => (Class::Write, "batch write in words"),
        0x04 => (Class::Write, "random write in bits"),
        0x05 => (Class::Write, "random write in words"),
        0x06 => (Class::Read, "register monitor in bits"),
        0x07 => (Class::Read, "register monitor in words"),
        0x08 => (Class::Read, "monitor in bits"),
        0x09 => (Class::Read, "monitor in words"),
        0x13 => (Class::Start, "remote run"),
        0x14 => (Class::Stop, "remote stop"),
        0x15 => (Class::Diagnose, "read PC model"),
        0x16 => (Class::Diagnose, "loop-back test"),
        _ => return None,
    })
}

/// Reads a request; `None` when the octets are none.
pub(super) fn request(bytes: &[u8]) -> Result<Option<Request>, Short> {
    let ascii = bytes.first().is_some_and(u8::is_ascii_hexdigit);
    let mut fields = Fields { r: Reader::new(bytes), ascii };
    let (Some(code), Some(station)) = (fields.u8()?, fields.u8()?) else { return Ok(None) };
    if meaning(code).is_none() || !(station == OWN || station <= STATIONS) {
        return Ok(None);
    }
    let Some(_timer) = fields.octets::<2>()? else { return Ok(None) };
    let mut device = None;
    if code <= 0x03 {
        device = fields.device()?;
        if device.is_none() {
            return Ok(None);
        }
    }
    let mut points = 0;
    if code <= 0x07 {
        let (Some(count), Some(0)) = (fields.u8()?, fields.u8()?) else { return Ok(None) };
        points = if count == 0 { 256 } else { u16::from(count) };
    } else if code == 0x16 {
        let Some(count) = fields.u8()? else { return Ok(None) };
        points = u16::from(count);
    }
    let data_at = fields.r.position();
    let data = data_octets(code, usize::from(points), ascii);
    let octets = data_at.saturating_add(data);
    Ok(Some(Request { code, station, ascii, device, points, data_at, octets }))
}

/// Octets of a request behind its points.
const fn data_octets(code: u8, points: usize, ascii: bool) -> usize {
    let half = if ascii { points.saturating_add(points & 1) } else { points.div_ceil(2) };
    let letters = if ascii { 2 } else { 1 };
    let each = match code {
        0x02 => return half,
        0x03 => 2,
        0x04 => 7,
        0x05 => 8,
        0x06 | 0x07 => 6,
        0x16 => return points,
        _ => 0,
    };
    points.saturating_mul(each).saturating_mul(letters)
}

/// How sure the first octets of a client are a request: alone only where a device is named.
/// Where none is, little tells a request from others' messages (a TLS record has a stop's code and
/// a station), so it must be for the controller itself and all that was sent.
pub(super) fn probe(head: &[u8], stream: bool, port: bool) -> Probe {
    match request(head) {
        Ok(Some(request)) => {
            let whole = request.octets == head.len();
            let sure = match request.device {
                Some(_) => whole || (port && stream && request.octets < head.len()),
                None => whole && port && request.station == OWN,
            };
            match sure {
                true => Probe::MatchClient,
                false => Probe::NoMatch,
            }
        }
        Ok(None) => Probe::NoMatch,
        // Only the controller itself is waited for, which is asked nearly always.
        Err(_) if stream && port && matches!(head, [_, OWN, ..] | [_, _, b'F', b'F', ..]) => {
            Probe::NeedMore
        }
        Err(_) => Probe::NoMatch,
    }
}

/// A conversation in frames 1E.
#[derive(Default)]
pub(super) struct Line {
    /// Requests, and when they were sent.
    asked: VecDeque<(Time, Request)>,
    /// Points registered for monitoring.
    monitored: u16,
}

impl Line {
    pub(super) fn feed(&mut self, segment: &Segment<'_>, out: &mut Output) -> Progress {
        let stream = segment.carrier == Carrier::Tcp;
        match segment.from {
            Side::Client => self.client(segment.bytes, (stream, segment.at), out),
            Side::Server => self.server(segment.bytes, stream, out),
        }
    }

    pub(super) fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }

    fn client(&mut self, bytes: &[u8], (stream, at): (bool, Time), out: &mut Output) -> Progress {
        let request = match request(bytes) {
            Ok(Some(request)) => request,
            Ok(None) => return Progress::GiveUp(Malformed::new("melsec-1e-request-invalid")),
            Err(short) if stream => {
                let needed = bytes.len().saturating_add(short.needed);
                return Progress::NeedMore { consumed: 0, needed };
            }
            Err(_) => return Progress::GiveUp(Malformed::new("melsec-frame-cut-short")),
        };
        let Some(data) = bytes.get(request.data_at..request.octets) else {
            return match stream {
                true => Progress::NeedMore { consumed: 0, needed: request.octets },
                false => Progress::GiveUp(Malformed::new("melsec-frame-cut-short")),
            };
        };
        out.begin("melsec", 0..request.octets);
        let Some((class, name)) = meaning(request.code) else { return Progress::Consumed(1) };
        let op = Op::request(class, u32::from(request.code), name);
        out.operation(request.on(op));
        if out.values_wanted && matches!(request.code, 0x02 | 0x03) {
            request.tell(data, out);
        }
        if matches!(request.code, 0x06 | 0x07) {
            self.monitored = request.points;
        }
        self.asked.retain(|(asked, _)| stream && at.since(*asked) < UNANSWERED_NANOS);
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("melsec-pending-requests");
        }
        self.asked.push_back((at, request));
        Progress::Consumed(if stream { request.octets } else { bytes.len() })
    }

    fn server(&mut self, bytes: &[u8], stream: bool, out: &mut Output) -> Progress {
        let Some((_, asked)) = self.asked.front().copied() else {
            // Without its request the length of an answer is not known.
            return Progress::Consumed(bytes.len());
        };
        let mut fields = Fields { r: Reader::new(bytes), ascii: asked.ascii };
        let (code, end) = match (fields.u8(), fields.u8()) {
            (Ok(Some(code)), Ok(Some(end))) => (code, end),
            (Err(_), _) | (_, Err(_)) if stream => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            _ => return Progress::GiveUp(Malformed::new("melsec-1e-answer-invalid")),
        };
        let data_at = fields.r.position();
        if code != asked.code | 0x80 {
            self.asked.pop_front();
            return Progress::Consumed(bytes.len());
        }
        let octets = data_at.saturating_add(self.answer_octets(&asked, end));
        if stream && bytes.len() < octets {
            return Progress::NeedMore { consumed: 0, needed: octets };
        }
        self.asked.pop_front();
        out.begin("melsec", 0..octets.min(bytes.len()));
        let data = bytes.get(data_at..octets).unwrap_or_default();
        asked.answered(end, data, out);
        Progress::Consumed(if stream { octets } else { bytes.len() })
    }

    fn answer_octets(&self, asked: &Request, end: u8) -> usize {
        let ascii = asked.ascii;
        let points = usize::from(match asked.code {
            0x08 | 0x09 => self.monitored,
            _ => asked.points,
        });
        match (end, asked.code) {
            // The code of the error follows, and a zero.
            (0x5b, _) => data_octets(0x03, 1, ascii),
            (1.., _) => 0,
            (0, 0x00 | 0x08) => data_octets(0x02, points, ascii),
            (0, 0x01 | 0x09) => data_octets(0x03, points, ascii),
            (0, 0x15) => data_octets(0x03, 1, ascii),
            (0, 0x16) => points.saturating_add(if ascii { 2 } else { 1 }),
            _ => 0,
        }
    }
}

impl Request {
    fn place(&self) -> Option<Place> {
        let (name, first) = self.device?;
        let (device, hexadecimal) = letters(name)?;
        let form = if self.code & 1 == 0 { Form::Bits } else { Form::Words };
        let count = u32::from(self.points);
        Some(Place { device, form, hexadecimal, first, count })
    }

    fn on(&self, op: Op) -> Op {
        let op = op.unit(u32::from(self.station));
        match self.place() {
            Some(at) => op.range(at.device, 0, at.first, at.count),
            None => op,
        }
    }

    /// Values in either code, as the binary code of frame 3E has them.
    fn tell(&self, data: &[u8], out: &mut Output) {
        let Some(at) = self.place().filter(|at| at.count <= VALUES_MAX) else { return };
        match (self.ascii, at.form == Form::Bits) {
            (false, _) => values(at, data, out),
            (true, false) => values(at, &ascii_words(data), out),
            (true, true) => {
                let pairs = data.chunks(2).map(|pair| match pair {
                    [b'1', b'1'] => 0x11,
                    [b'1', _] => 0x10,
                    [_, b'1'] => 0x01,
                    _ => 0,
                });
                values(at, &pairs.collect::<Vec<u8>>(), out);
            }
        }
    }

    fn answered(&self, end: u8, data: &[u8], out: &mut Output) {
        let Some((class, name)) = meaning(self.code) else { return };
        let op = self.on(Op::response(class, u32::from(self.code), name));
        if end != 0 {
            return out.operation(op.refused(u32::from(end), end_code(end)));
        }
        out.operation(op.done());
        let mut fields = Fields { r: Reader::new(data), ascii: self.ascii };
        match self.code {
            0x00 | 0x01 if out.values_wanted => self.tell(data, out),
            0x15 => {
                if let Ok(Some(model)) = fields.u8() {
                    let facts = [
                        ("vendor", "Mitsubishi Electric".to_owned()),
                        ("cpu_code", format!("0x{model:02x}")),
                    ];
                    out.identity(Subject::Sender, "read PC model", facts);
                }
            }
            _ => {}
        }
    }
}

/// Complete codes (SH-080008, 18.1.2).
const fn end_code(code: u8) -> &'static str {
    match code {
        0x50 => "subheader wrong",
        0x54 => "ASCII data that cannot be converted",
        0x56 => "device wrong",
        0x57 => "number of points out of range",
        0x58 => "address out of range",
        0x5b => "CPU error",
        0x60 => "no communication with the CPU",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn emit(code: u8, number: u32, points: u8, ascii: bool) -> Vec<u8> {
        let data = data_octets(code, usize::from(points), ascii);
        let filler = if ascii { b'0' } else { 0 };
        let mut octets = match ascii {
            true => format!("{code:02X}FF000A4420{number:08X}{points:02X}00").into_bytes(),
            false => {
                let mut octets = vec![code, OWN, 10, 0];
                octets.extend(number.to_le_bytes());
                octets.extend([0x20, 0x44, points, 0]);
                octets
            }
        };
        octets.extend(std::iter::repeat_n(filler, data));
        octets
    }

    #[test]
    fn records_of_tls_are_no_requests() {
        let probe = |head: &[u8]| probe(head, true, true);
        // A hello, a change of cipher, an alert: 0x16, 0x14 and 0x15 are codes, 3 is a station.
        assert_eq!(probe(&[0x16, 3, 1, 0, 2, 1, 0]), Probe::NoMatch);
        assert_eq!(probe(&[0x14, 3, 3, 0, 1, 1]), Probe::NoMatch);
        assert_eq!(probe(&[0x15, 3, 3, 0]), Probe::NoMatch);
        assert_eq!(probe(&[0x14, OWN, 10, 0]), Probe::MatchClient);
        assert_eq!(probe(&[0x14, OWN, 10, 0, 0]), Probe::NoMatch);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            code in 0u8..4,
            number in 0u32..1 << 24,
            points in 1u8..255,
            ascii: bool,
        ) {
            let octets = emit(code, number, points, ascii);
            let read = request(&octets).expect("long enough").expect("a request");
            prop_assert_eq!(read.octets, octets.len());
            prop_assert_eq!((read.code, read.device), (code, Some((*b"D ", number))));
            prop_assert_eq!((read.points, read.ascii), (u16::from(points), ascii));
        }
    }
}
