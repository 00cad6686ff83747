//! DLMS/COSEM: electricity, gas and water meters over TCP, UDP and HDLC.
//!
//! Not here: decryption of protected APDUs. Invariant: an answer is understood through the
//! request with its invocation number, or only told as an answer.

mod apdu;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    Side, output::Op,
};
use apdu::{
    ACTION_REQUEST, ACTION_RESPONSE, Association, EVENT_NOTIFICATION, GET_REQUEST, GET_RESPONSE,
    Object, SET_REQUEST, SET_RESPONSE,
};
use model::{Authentication, OperationClass, PointValue, Quality, Subject};
use std::collections::VecDeque;
use wire::{Frame, Hdlc};

const ACCESS_REQUEST: u8 = 0xd9;
const ACCESS_RESPONSE: u8 = 0xda;
const GENERAL_BLOCK_TRANSFER: u8 = 0xe0;
/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 32;
/// Octets of one APDU put together from HDLC frames.
const APDU_OCTETS_MAX: usize = 64 * 1024;

pub struct Dlms;
pub static DLMS: Dlms = Dlms;

static ABOUT: About = About {
    name: "dlms",
    title: "DLMS/COSEM",
    specs: &["IEC 62056-5-3:2017", "IEC 62056-46:2002", "IEC 62056-47:2006", "IEC 62056-6-1:2017"],
    carriers: &[Carrier::Tcp, Carrier::Udp],
    ports: &[4_059],
    groups: &[],
    depth: "associations with security, objects by OBIS code read, set and acted on, values, \
            serial, name and firmware of the meter",
};

impl Protocol for Dlms {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let size = match wire::size(head) {
            None => return Probe::NeedMore,
            Some(Ok(size)) => size,
            Some(Err(())) => return Probe::NoMatch,
        };
        let Some(whole) = head.get(..size) else {
            let wait = hint.carrier == Carrier::Tcp && size <= 2_048;
            return if wait { Probe::NeedMore } else { Probe::NoMatch };
        };
        match wire::parse(whole) {
            // The check sequence of HDLC is right; SNRM and DISC are a client's, UA a server's.
            Some(Frame::Hdlc(hdlc)) => match hdlc.control & 0xef {
                0x83 | 0x43 => Probe::MatchClient,
                0x63 | 0x0f => Probe::MatchServer,
                _ => Probe::Match,
            },
            Some(Frame::Wrapper { apdu: [tag, ..], source, destination })
                if (source <= 0x7f || destination <= 0x7f) || hint.port =>
            {
                match *tag {
                    0x60 | 0x62 | GET_REQUEST | SET_REQUEST | ACTION_REQUEST => Probe::MatchClient,
                    0x61 | 0x63 | GET_RESPONSE | SET_RESPONSE | ACTION_RESPONSE => {
                        Probe::MatchServer
                    }
                    0xc8..=0xcf | 0xd0..=0xd7 | 0xdb | 0xdc if hint.port => Probe::Match,
                    _ => Probe::NoMatch,
                }
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    pending: VecDeque<(u8, u8, Vec<Object>)>,
    /// What is being set or acted on in blocks.
    in_blocks: Vec<Object>,
    /// APDU under way in HDLC frames, by side.
    parts: [Vec<u8>; 2],
    /// Who gave a secret and waits to be let in.
    applicant: Option<Authentication>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        // Time between frames may be filled with flags (IEC 62056-46, 6.4.4).
        if matches!(bytes, [0x7e, 0x7e, ..]) {
            return Progress::Consumed(1);
        }
        let size = match wire::size(bytes) {
            None => return Progress::NeedMore { consumed: 0, needed: 8 },
            Some(Err(())) => return Progress::GiveUp(Malformed::new("dlms-frame-start-missing")),
            Some(Ok(size)) => size,
        };
        let Some(whole) = bytes.get(..size) else {
            return Progress::NeedMore { consumed: 0, needed: size };
        };
        out.begin("dlms", 0..size);
        match wire::parse(whole) {
            Some(Frame::Wrapper { apdu, .. }) => self.apdu(segment.from, apdu, out),
            Some(Frame::Hdlc(hdlc)) => self.hdlc(segment.from, &hdlc, out),
            None => {
                let says = "a frame whose check sequence does not fit";
                out.violation("dlms-frame-damaged", says, "IEC 62056-46, 6.4");
            }
        }
        // Frames may share the flag between them.
        let shared = bytes.first() == Some(&0x7e) && bytes.get(size).is_some_and(|b| b >> 4 == 0xa);
        Progress::Consumed(if shared { size.saturating_sub(1) } else { size })
    }

    fn gap(&mut self, gap: Gap) {
        self.pending.clear();
        if let Some(part) = self.parts.get_mut(gap.from as usize) {
            part.clear();
        }
    }
}

impl Conversation {
    fn hdlc(&mut self, side: Side, hdlc: &Hdlc<'_>, out: &mut Output) {
        use OperationClass::Session;
        let number = u32::from(hdlc.control);
        match hdlc.control & 0xef {
            0x83 => out.operation(Op::request(Session, number, "set normal response mode")),
            0x43 => out.operation(Op::request(Session, number, "disconnect")),
            0x63 => out.operation(Op::response(Session, number, "acknowledged").done()),
            0x0f => out.operation(Op::response(Session, number, "disconnected")),
            _ => {}
        }
        // Only information carries APDUs, numbered or, as meters push it, not.
        const UNNUMBERED_INFORMATION: u8 = 0x03;
        if hdlc.control & 1 == 1 && hdlc.control & 0xef != UNNUMBERED_INFORMATION {
            return;
        }
        let Some(part) = self.parts.get_mut(side as usize) else { return };
        part.extend_from_slice(hdlc.information);
        if part.len() > APDU_OCTETS_MAX {
            part.clear();
            return out.limit("dlms-apdu-octets");
        }
        if !hdlc.segmented {
            let whole = std::mem::take(part);
            // Logical link control: destination, source, quality.
            if let [0xe6, 0xe6 | 0xe7, 0, apdu @ ..] = whole.as_slice() {
                self.apdu(side, apdu, out);
            }
        }
    }

    fn apdu(&mut self, side: Side, apdu: &[u8], out: &mut Output) {
        let Some((&tag, body)) = apdu.split_first() else { return };
        let number = u32::from(tag);
        match tag {
            0x60 | 0x61 => self.associated(apdu, out),
            0x62 => out.operation(Op::request(OperationClass::Session, number, "release")),
            0x63 => out.operation(Op::response(OperationClass::Session, number, "release").done()),
            GET_REQUEST | SET_REQUEST | ACTION_REQUEST => self.request(tag, body, out),
            GET_RESPONSE | SET_RESPONSE | ACTION_RESPONSE => self.response(tag, body, out),
            EVENT_NOTIFICATION | 0x0f => {
                let op = Op::notice(OperationClass::Report, number, "notification");
                out.operation(op);
            }
            0x10 => {
                let op = Op::response(OperationClass::Report, number, "notification");
                out.operation(op.done());
            }
            0xd8 => {
                let code = body.get(1).copied().map_or(0, u32::from);
                let op = Op::response(OperationClass::Other, number, "exception");
                out.operation(op.refused(code, "exception"));
            }
            0x0e => {
                let op = Op::response(OperationClass::Other, number, "confirmed service");
                let code = body.get(2).copied().map_or(0, u32::from);
                out.operation(op.refused(code, "service error"));
            }
            0x05 | 0x06 | 0x0c | 0x0d | 0x16 | 0x18 => short_name(tag, out),
            // What is asked and answered in one list, and what comes in blocks, is told by kind.
            ACCESS_REQUEST | ACCESS_RESPONSE => by_side(side, number, "access", out),
            GENERAL_BLOCK_TRANSFER => by_side(side, number, "block transfer", out),
            0xc8..=0xcf | 0xd0..=0xd7 | 0xdb..=0xdf => by_side(side, number, "protected", out),
            // The same of services on short names, with the global or a dedicated key.
            0x21 | 0x25 | 0x26 | 0x28 | 0x2c | 0x2d | 0x36 | 0x38 | 0x41 | 0x45 | 0x46 | 0x48
            | 0x4c | 0x4d | 0x56 | 0x58 => by_side(side, number, "protected", out),
            _ => {
                let says = "an APDU of no known kind";
                out.violation("dlms-apdu-unknown", says, "IEC 62056-5-3, 7.3");
            }
        }
    }

    fn request(&mut self, tag: u8, body: &[u8], out: &mut Output) {
        let Ok(request) = apdu::request(tag, body) else { return malformed(out) };
        let number = u32::from(tag);
        if request.continued {
            out.operation(Op::request(OperationClass::Other, number, "block"));
        } else if request.objects.is_empty() {
            let (class, name) = meaning(tag, None);
            out.operation(Op::request(class, number, name));
        }
        for object in &request.objects {
            let (class, name) = meaning(tag, Some(object));
            out.operation(Op::request(class, number, name).named("obis", &object.name()));
        }
        // A selector, where there is one, stands before the value.
        if let (SET_REQUEST, [object], [0, value @ ..], true) =
            (tag, &request.objects[..], request.data, out.values_wanted)
            && let Some(value) = apdu::value(value)
        {
            out.value(object.name(), value, (None, Quality::Good));
        }
        let objects = match request.continued {
            true => self.in_blocks.clone(),
            false => request.objects,
        };
        if request.begun {
            self.in_blocks.clone_from(&objects);
        }
        if self.pending.len() >= PENDING_MAX {
            out.limit("dlms-pending");
            self.pending.pop_front();
        }
        self.pending.push_back((tag, request.invocation & 0x0f, objects));
    }

    fn response(&mut self, tag: u8, body: &[u8], out: &mut Output) {
        let Ok(response) = apdu::response(tag, body) else { return malformed(out) };
        let asked_by = tag.saturating_sub(4);
        let at = self.pending.iter().position(|(asked, invocation, _)| {
            *asked == asked_by && *invocation == response.invocation & 0x0f
        });
        let objects = at.and_then(|at| self.pending.remove(at)).map(|(_, _, objects)| objects);
        let objects = objects.unwrap_or_default();
        if response.results.is_empty() {
            out.operation(Op::response(OperationClass::Other, u32::from(tag), "block"));
        }
        for (index, (result, data)) in response.results.iter().enumerate() {
            let object = objects.get(index);
            let (class, name) = meaning(asked_by, object.or(objects.first()));
            let op = Op::response(class, u32::from(tag), name);
            let op = match object {
                Some(object) => op.named("obis", &object.name()),
                None => op,
            };
            out.operation(match *result {
                0 => op.done(),
                code => op.refused(u32::from(code), access_result(code)),
            });
            if let (GET_RESPONSE, Some(object)) = (tag, object)
                && let Some(value) = apdu::value(data)
            {
                told(object, value, out);
            }
        }
        // IEC 62056-5-3, 4.2.3.3: the client's answer to the challenge is accepted or not.
        if let (ACTION_RESPONSE, [Object { class: 15, member: 1, .. }]) = (tag, &objects[..]) {
            self.admit(response.results.first().is_some_and(|(result, _)| *result == 0), out);
        }
    }
}

impl Conversation {
    fn associated(&mut self, apdu: &[u8], out: &mut Output) {
        use OperationClass::Session;
        /// The reply to a challenge decides.
        const AUTHENTICATION_REQUIRED: u8 = 14;
        let Some(association) = apdu::association(apdu) else { return malformed(out) };
        let number = apdu.first().copied().map_or(0, u32::from);
        let Some(result) = association.result else {
            out.operation(Op::request(Session, number, "associate"));
            self.applicant = association.secret.then(|| applicant(&association));
            self.applicant.clone().into_iter().for_each(|a| out.authentication(a));
            return;
        };
        let op = Op::response(Session, number, "associate");
        out.operation(match result {
            0 => op.done(),
            code => op.refused(u32::from(code), "association refused"),
        });
        if result != 0 || association.diagnostic != AUTHENTICATION_REQUIRED {
            self.admit(result == 0, out);
        }
    }

    fn admit(&mut self, accepted: bool, out: &mut Output) {
        if let Some(applicant) = self.applicant.take() {
            out.authentication(Authentication { accepted: Some(accepted), ..applicant });
        }
    }
}

/// A client is known by the title of its keys, where it has one.
fn applicant(association: &Association) -> Authentication {
    let title: String = association.title.iter().map(|b| format!("{b:02x}")).collect();
    Authentication {
        user: (!title.is_empty()).then(|| title.into()),
        accepted: None,
        clear_text: association.mechanism == 1,
        default_password: false,
        method: "dlms association",
    }
}

/// APDUs of which only their kind is told.
fn by_side(side: Side, number: u32, name: &'static str, out: &mut Output) {
    let class = OperationClass::Other;
    out.operation(match side {
        Side::Client => Op::request(class, number, name),
        Side::Server => Op::response(class, number, name),
    });
}

fn malformed(out: &mut Output) {
    let says = "an APDU shorter than its fields";
    out.violation("dlms-apdu-cut-short", says, "IEC 62056-5-3, 7.3");
}

/// Services on short names, told by their kind alone.
fn short_name(tag: u8, out: &mut Output) {
    use OperationClass::{Read, Report, Write};
    let number = u32::from(tag);
    out.operation(match tag {
        0x05 => Op::request(Read, number, "read"),
        0x06 => Op::request(Write, number, "write"),
        0x16 => Op::request(Write, number, "unconfirmed write"),
        0x0c => Op::response(Read, number, "read"),
        0x0d => Op::response(Write, number, "write"),
        _ => Op::notice(Report, number, "information report"),
    });
}

/// What a service on an object does (IEC 62056-6-2: classes).
fn meaning(tag: u8, object: Option<&Object>) -> (OperationClass, &'static str) {
    use OperationClass::*;
    const CLOCK: u16 = 8;
    const IMAGE_TRANSFER: u16 = 18;
    const DISCONNECTOR: u16 = 70;
    match (tag, object.map(|o| (o.class, o.member))) {
        (GET_REQUEST, _) => (Read, "get"),
        (SET_REQUEST, Some((CLOCK, 2))) => (TimeSync, "set clock"),
        (SET_REQUEST, Some((1 | 3 | 4 | 5, 2))) => (Write, "set"),
        (SET_REQUEST, _) => (Configure, "set"),
        (_, Some((DISCONNECTOR, 1))) => (Stop, "disconnect supply"),
        (_, Some((DISCONNECTOR, 2))) => (Start, "reconnect supply"),
        (_, Some((IMAGE_TRANSFER, _))) => (FirmwareUpdate, "image transfer"),
        (_, Some((CLOCK, _))) => (TimeSync, "adjust clock"),
        (_, Some((15, 1))) => (Authenticate, "reply to challenge"),
        (_, Some((9, _))) => (Write, "execute script"),
        (_, Some((3 | 4 | 5 | 7, 1))) => (Reset, "reset"),
        _ => (Configure, "action"),
    }
}

/// Data access results (IEC 62056-5-3, 7.3.2).
const fn access_result(code: u8) -> &'static str {
    match code {
        1 => "hardware fault",
        2 => "temporary failure",
        3 => "read-write denied",
        4 => "object undefined",
        9 => "object class inconsistent",
        11 => "object unavailable",
        12 => "type unmatched",
        13 => "scope of access violated",
        14 => "data block unavailable",
        15 | 17 => "transfer in blocks aborted",
        16 | 18 => "no transfer in blocks under way",
        19 => "number of block invalid",
        _ => "refused",
    }
}

/// Objects that say who a meter is (IEC 62056-6-1, 6), and values.
fn told(object: &Object, value: PointValue, out: &mut Output) {
    let path = match (object.obis, object.member) {
        ([0, 0, 42, 0, 0, 255], 2) => "name",
        ([0, 0, 96, 1, 0, 255], 2) => "serial",
        ([1, 0, 0, 2, 0, 255] | [0, 0, 0, 2, 0, 255], 2) => "firmware",
        ([0, 0, 96, 1, 1, 255], 2) => "device_type",
        _ => {
            if out.values_wanted && object.member != 1 {
                out.value(object.name(), value, (None, Quality::Good));
            }
            return;
        }
    };
    let text = match value {
        PointValue::Text(text) => text.into_string(),
        PointValue::Unsigned(number) => number.to_string(),
        _ => return,
    };
    out.identity(Subject::Sender, "COSEM object", [(path, text)]);
}
