//! Reads the messages of one S7comm-plus conversation: sessions, variables, objects, identity.
//!
//! Invariant: an answer gets its addresses from the request of its sequence number.

use super::{
    ITEMS_MAX, MESSAGE_OCTETS_MAX, PENDING_MAX, S7PLUS_GROUP, names,
    objects::{self, Object},
    wire::{self, Header, NOTIFICATION, REQUEST, RESPONSE, RESPONSE_SHORT, Value},
};
use crate::{Output, Side, output::Op};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass as Class, PointValue, Quality, Scalar, Subject};
use std::collections::VecDeque;

#[derive(Default)]
pub struct Conversation {
    /// Message under way, by side.
    parts: [Vec<u8>; 2],
    asked: VecDeque<Asked>,
    /// How the conversation is secured was told.
    secured: bool,
    spoken: bool,
}

/// A request whose answer is awaited.
struct Asked {
    sequence: u16,
    class: Class,
    name: &'static str,
    items: Vec<String>,
}

impl Conversation {
    pub fn gap(&mut self) {
        self.parts.iter_mut().for_each(Vec::clear);
        self.asked.clear();
    }

    /// Reads one fragment, which begins with 0x72.
    pub fn read(&mut self, side: Side, payload: &[u8], out: &mut Output) {
        self.spoken = true;
        count(payload, out);
        let Ok(fragment) = wire::fragment(payload) else {
            let says = "an S7comm-plus message shorter than its header says";
            return out.violation("s7plus-length-invalid", says, "S7comm-plus header");
        };
        // Keep-alives and system events have versions of their own and no function.
        let (1..=3, Some(part)) = (fragment.version, self.parts.get_mut(side as usize)) else {
            return;
        };
        if part.is_empty() && fragment.last {
            return self.message(fragment.version, fragment.data, out);
        }
        part.extend_from_slice(fragment.data);
        if part.len() > MESSAGE_OCTETS_MAX {
            part.clear();
            out.limit("s7plus-message-octets");
        } else if fragment.last {
            let whole = std::mem::take(part);
            self.message(fragment.version, &whole, out);
        }
    }

    /// TLS inside the ISO transport is what follows "init ssl"; nothing more can be read then.
    pub fn encrypted(&mut self, payload: &[u8], out: &mut Output) -> bool {
        let record = matches!(payload, [0x14..=0x17, 3, 0..=4, ..]);
        if self.spoken && record {
            out.begin_protocol("s7comm-plus");
            self.secured_by("TLS", Subject::Sender, out);
        }
        self.spoken && record
    }

    fn secured_by(&mut self, how: &str, subject: Subject, out: &mut Output) {
        if !std::mem::replace(&mut self.secured, true) {
            out.attribute(subject, "S7comm-plus", ("s7plus_security", how), 80);
        }
    }

    fn message(&mut self, version: u8, data: &[u8], out: &mut Output) {
        if data.first() == Some(&NOTIFICATION) {
            return out.operation(Op::notice(Class::Report, 0, "notification"));
        }
        let Ok(header) = wire::header(version, data) else { return };
        match header.opcode {
            REQUEST => {
                let digest = version == 3 || ends_with_digest(data);
                // While a session is set up, keys are not agreed on.
                if digest || !matches!(header.function, names::CREATE_OBJECT | names::SET_MANY) {
                    let how = if digest { "keyed digest, not encrypted" } else { "none" };
                    self.secured_by(how, Subject::Receiver, out);
                }
                self.request(&header, out);
            }
            RESPONSE | RESPONSE_SHORT => self.answer(&header, out),
            _ => {}
        }
    }

    fn request(&mut self, header: &Header<'_>, out: &mut Output) {
        let mut at = Reader::new(header.body);
        let (mut class, mut name) = names::function(header.function);
        let mut items = Vec::new();
        // What could be read of a request that ends early is told all the same.
        let _short = match header.function {
            names::SET_MANY | names::GET_MANY | names::SET_VARIABLE | names::GET_VARIABLE => {
                variables(header, &mut at, &mut items, out)
            }
            names::CREATE_OBJECT => {
                (class, name) = created(&mut at, &mut items, out);
                Ok(())
            }
            names::DELETE_OBJECT | names::EXPLORE | names::GET_STREAMED => {
                at.be32().map(|object| {
                    if header.function == names::DELETE_OBJECT && names::block(object).is_some() {
                        (class, name) = (Class::Configure, "delete block");
                    }
                    let name = if object == header.session {
                        "session".to_owned()
                    } else {
                        names::object(object)
                    };
                    items.push(Item { name, class: None });
                })
            }
            _ => Ok(()),
        };
        for item in &items {
            let (class, name) = item.class.unwrap_or((class, name));
            let op = Op::request(class, u32::from(header.function), name);
            out.operation(op.named("object", &item.name));
        }
        if items.is_empty() {
            out.operation(Op::request(class, u32::from(header.function), name));
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("s7plus-pending-requests");
        }
        let own = items.first().and_then(|item| item.class).unwrap_or((class, name));
        let items = items.into_iter().map(|item| item.name).collect();
        let sequence = header.sequence;
        self.asked.push_back(Asked { sequence, class: own.0, name: own.1, items });
    }

    fn answer(&mut self, header: &Header<'_>, out: &mut Output) {
        let at = self.asked.iter().position(|a| a.sequence == header.sequence);
        let asked = at.and_then(|at| self.asked.remove(at));
        let (class, name) =
            asked.as_ref().map_or(names::function(header.function), |a| (a.class, a.name));
        let op = Op::response(class, u32::from(header.function), name);
        let items = asked.map(|a| a.items).unwrap_or_default();
        let mut at = Reader::new(header.body);
        let Ok(returned) = wire::vlq(&mut at) else { return out.operation(op) };
        // The lowest half is the error: negative ones refuse, others inform.
        let code = returned as u16;
        if (class, name) == LEGITIMATION {
            out.authentication(legitimation(Some(code & 0x8000 == 0)));
        }
        if code & 0x8000 != 0 {
            return out.operation(op.refused(u32::from(code), "s7comm-plus error"));
        }
        match items.as_slice() {
            [only] => out.operation(op.named("object", only).done()),
            _ => out.operation(op.done()),
        }
        let _short = match header.function {
            names::CREATE_OBJECT => opened(&mut at, out),
            names::GET_MANY => read_values(&mut at, &items, out),
            names::GET_VARIABLE => wire::value(&mut at).map(|value| {
                items.first().into_iter().for_each(|item| tell(item, &value, out));
            }),
            names::EXPLORE => at.skip(4).map(|()| explored(at.rest(), out)),
            _ => Ok(()),
        };
    }
}

/// Rows of the group go by fragment, the opcode and function as they stand in each.
fn count(payload: &[u8], out: &mut Output) {
    let version = payload.get(1).copied();
    let full = payload.len() >= 9 && matches!(version, Some(1 | 2));
    let number = |n: Option<u64>| n.map_or(Scalar::Null, Scalar::Number);
    let opcode = payload.get(4).filter(|_| full).map(|b| u64::from(*b));
    let function = payload.get(7..).and_then(|b| Reader::new(b).be16().ok()).filter(|_| full);
    let keys = [number(version.map(u64::from)), number(opcode), number(function.map(u64::from))];
    out.count(&S7PLUS_GROUP, keys);
}

/// Length and 32 octets at the end of a message of version 2.
fn ends_with_digest(data: &[u8]) -> bool {
    const DIGEST: u8 = 32;
    let at = data.len().checked_sub(usize::from(DIGEST).saturating_add(1));
    at.and_then(|at| data.get(at)) == Some(&DIGEST)
}

/// An item of a request, with a meaning of its own where that is not the function's.
struct Item {
    name: String,
    class: Option<(Class, &'static str)>,
}

/// Addresses, then, of writes, values.
fn variables(
    header: &Header<'_>,
    at: &mut Reader<'_>,
    items: &mut Vec<Item>,
    out: &mut Output,
) -> Result<(), Short> {
    let object = at.be32()?;
    let single = matches!(header.function, names::SET_VARIABLE | names::GET_VARIABLE);
    let count = wire::vlq(at)?;
    // Fields of all addresses.
    if !single {
        wire::vlq(at)?;
    }
    let mut ids = Vec::new();
    for _ in 0..count {
        if items.len() >= ITEMS_MAX {
            out.limit("s7plus-items");
            return Ok(());
        }
        let (area, path) = match object {
            0 => address(at)?,
            object => (object, vec![wire::id(at)?]),
        };
        let (name, class) = match (area, path.as_slice()) {
            (object, _) if object == header.session => {
                ("session".to_owned(), Some((Class::Session, "set up session")))
            }
            // Credit and cycle of a subscription.
            (_, [1_002..=1_054]) => {
                ("subscription".to_owned(), Some((Class::Session, "renew subscription")))
            }
            _ => (names::variable(area, &path), None),
        };
        items.push(Item { name, class });
        ids.push((area, path));
    }
    if !matches!(header.function, names::SET_VARIABLE | names::SET_MANY) {
        return Ok(());
    }
    for index in 0..items.len() {
        if !single && wire::vlq(at)? == 0 {
            return Ok(());
        }
        let value = wire::value(at)?;
        let (Some(item), Some((area, path))) = (items.get_mut(index), ids.get(index)) else {
            return Ok(());
        };
        written(item, (*area, path), &value, out);
    }
    Ok(())
}

fn written(item: &mut Item, (area, path): (u32, &[u32]), value: &Value, out: &mut Output) {
    match path {
        [names::SESSION_RESPONSE] => {
            item.class = Some(LEGITIMATION);
            out.authentication(legitimation(None));
        }
        [names::MODE_WANTED] if area == names::EXECUTION_UNIT => {
            item.class = value.number().and_then(names::mode_wanted);
        }
        _ if item.class.is_none() => tell(&item.name, value, out),
        _ => {}
    }
}

const LEGITIMATION: (Class, &str) = (Class::Authenticate, "legitimation");

fn legitimation(accepted: Option<bool>) -> Authentication {
    Authentication {
        user: None,
        accepted,
        clear_text: false,
        default_password: false,
        method: "s7comm-plus legitimation",
    }
}

/// Check number of the symbol, area, then the ids that lead to the variable.
fn address(at: &mut Reader<'_>) -> Result<(u32, Vec<u32>), Short> {
    wire::vlq(at)?;
    let area = wire::id(at)?;
    let count = wire::vlq(at)?;
    let mut path = Vec::new();
    for _ in 0..count {
        path.push(wire::id(at)?);
    }
    Ok((area, path))
}

/// What the objects of a request are that creates them.
fn created(at: &mut Reader<'_>, items: &mut Vec<Item>, out: &mut Output) -> (Class, &'static str) {
    let before = at.be32().and_then(|_| wire::value(at));
    let made = if before.is_ok() { objects::read(at.rest()) } else { Vec::new() };
    for object in &made {
        if let Some((kind, number)) = names::block(object.relation) {
            let class = Some((Class::ProgramDownload, "download block"));
            items.push(Item { name: format!("{kind}{number}"), class });
        }
    }
    match made.first().map_or(0, |object| object.class) {
        names::CLASS_SESSION => {
            made.first().into_iter().for_each(|session| client(session, out));
            (Class::Session, "create session")
        }
        names::CLASS_SUBSCRIPTION => (Class::Read, "subscribe"),
        _ => names::function(names::CREATE_OBJECT),
    }
}

fn client(session: &Object, out: &mut Output) {
    let text = |id| session.attribute(id).and_then(Value::text).unwrap_or_default().to_owned();
    let facts = [
        ("s7plus_application", text(names::SESSION_APPLICATION)),
        ("s7plus_host", text(names::SESSION_HOST)),
        ("s7plus_comment", text(names::SESSION_COMMENT)),
    ];
    out.identity(Subject::Sender, "S7comm-plus create session", facts);
}

/// The answer to "create object": ids, then the object; a session tells the CPU.
fn opened(at: &mut Reader<'_>, out: &mut Output) -> Result<(), Short> {
    for _ in 0..at.u8()? {
        wire::vlq(at)?;
    }
    for session in objects::read(at.rest()).iter().filter(|o| o.class == names::CLASS_SESSION) {
        let version = session.attribute(names::SESSION_VERSION);
        let device = version.and_then(|v| v.member(names::SESSION_DEVICE)).and_then(Value::text);
        if let Some(device) = device {
            device_of(device, out);
        }
        if session.attribute(names::SESSION_CHALLENGE).is_some() {
            let asks = ("s7plus_session", "asks for a keyed answer");
            out.attribute(Subject::Sender, "S7comm-plus create session", asks, 80);
        }
        let software = session.attribute(names::SESSION_COMMENT).and_then(Value::text);
        if let Some(software) = software {
            let facts = [("software", software.to_owned())];
            out.identity(Subject::Sender, "S7comm-plus create session", facts);
        }
    }
    Ok(())
}

/// `1;6ES7 511-1AK00-0AB0;V1.0`: order number and firmware of the CPU.
fn device_of(text: &str, out: &mut Output) {
    let mut parts = text.split(';').skip(1).map(str::trim);
    let (Some(order), firmware) = (parts.next(), parts.next()) else { return };
    let siemens = order.starts_with("6ES7") || order.starts_with("6AG");
    let vendor = if siemens { "Siemens" } else { "" };
    let facts = [
        ("vendor", vendor.to_owned()),
        ("order_number", order.to_owned()),
        ("firmware", firmware.unwrap_or_default().to_owned()),
    ];
    out.identity(Subject::Sender, "S7comm-plus create session", facts);
}

/// Objects as the CPU lists them: its mode, and names.
fn explored(body: &[u8], out: &mut Output) {
    for object in objects::read(body) {
        for (id, value) in &object.attributes {
            state(*id, value, out);
        }
        if let (48, Some(name)) =
            (object.relation, object.attribute(names::OBJECT_NAME).and_then(Value::text))
        {
            let facts = [("plc_name", name.to_owned())];
            out.identity(Subject::Sender, "S7comm-plus explore", facts);
        }
    }
}

fn state(id: u32, value: &Value, out: &mut Output) {
    let actual =
        if id == names::MODE_ACTUAL { Some(value) } else { value.member(names::MODE_ACTUAL) };
    if let Some(mode) = actual.and_then(Value::number).and_then(names::mode) {
        out.state(Subject::Sender, "mode", mode);
    }
}

/// Number of the item and its value, until an item of number nothing.
fn read_values(at: &mut Reader<'_>, items: &[String], out: &mut Output) -> Result<(), Short> {
    loop {
        let number = wire::vlq(at)?;
        let Some(index) = number.checked_sub(1) else { return Ok(()) };
        let value = wire::value(at)?;
        let item = usize::try_from(index).ok().and_then(|index| items.get(index));
        item.into_iter().for_each(|item| tell(item, &value, out));
    }
}

/// Values of a variable; a structure tells the CPU's mode where it has it.
fn tell(item: &str, value: &Value, out: &mut Output) {
    /// Elements of one array that are told.
    const ELEMENTS_MAX: usize = 64;
    state(0, value, out);
    if !out.values_wanted {
        return;
    }
    match value {
        Value::One(value) => out.value(item.to_owned(), value.clone(), (None, Quality::Good)),
        Value::Array(elements) => match string(elements) {
            Some(text) => {
                let text = PointValue::Text(crate::output::clean_text(&text));
                out.value(item.to_owned(), text, (None, Quality::Good));
            }
            None => {
                for (index, value) in elements.iter().take(ELEMENTS_MAX).enumerate() {
                    let point = format!("{item}[{index}]");
                    out.value(point, value.clone(), (None, Quality::Good));
                }
            }
        },
        _ => {}
    }
}

/// A string is an array of octets: room, length, letters.
fn string(elements: &[PointValue]) -> Option<String> {
    let octet = |value: &PointValue| match value {
        PointValue::Unsigned(number) => u8::try_from(*number).ok(),
        _ => None,
    };
    let [room, length, letters @ ..] = elements else { return None };
    let (room, length) = (octet(room)?, usize::from(octet(length)?));
    if usize::from(room) != letters.len() || length > letters.len() {
        return None;
    }
    let letters: Option<Vec<u8>> = letters.iter().take(length).map(octet).collect();
    letters.map(|letters| crate::text::lossy(&letters))
}
