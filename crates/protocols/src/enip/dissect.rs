//! Reads an EtherNet/IP conversation: counts, identities, operations, tag values.

use super::{
    CIP_CLASS_GROUP, CIP_GROUP, CIP_IO_GROUP, CIP_STATUS_GROUP, ENIP_GROUP, names,
    objects::{Modules, Question},
    pccc, tags,
    wire::{
        Classes, HEADER_OCTETS, Header, Message, Path, is_cyclic, items, listed, message, packed,
        unconnected,
    },
};
use crate::{Carrier, Dissector, Gap, Malformed, Output, Progress, Segment, Side, output::Op};
use model::{OperationClass, Route, Scalar, Subject, Time};
use std::collections::VecDeque;

/// Messages of one conversation whose answers are awaited.
const PENDING_MAX: usize = 64;
/// A message that was not answered for so long is not, once another comes with its number: some
/// clients use one number for all.
const UNANSWERED_NANOS: i64 = 1_000_000_000;
/// Messages packed in one that are looked into, in levels.
const NESTED_MAX: u8 = 2;
/// Connections of one conversation whose path is remembered.
const CONNECTIONS_MAX: usize = 64;
/// Service of the PCCC object.
const EXECUTE_PCCC: u8 = 0x4b;

#[derive(Default)]
pub(super) struct Conversation {
    pending: VecDeque<Sent>,
    /// Connections opened.
    connections: VecDeque<Connection>,
    /// Memory of the last message, for the next.
    seen: Seen,
    modules: Modules,
    /// Of the message being read: zeros at its end that stand for what the capture cut, and when
    /// it was sent.
    filled: usize,
    at: Time,
}

/// What tells a message sent from others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    /// Sender context of an unconnected one.
    Context(u64),
    /// Of a connected one its number, and that of the connection in the direction it goes.
    Connected { sequence: u16, connection: Option<u32> },
}

/// A message sent, with the requests it holds.
struct Sent {
    key: Key,
    at: Time,
    requests: Vec<Asked>,
    opens: Option<Opening>,
}

/// What a connection is opened with, and closed by: its serial number, and vendor and serial
/// number of who opens it (3-5.5.2); the classes in its path, and the device it leads to.
struct Opening {
    triad: [u8; 8],
    classes: Classes,
    to: Whose,
}

struct Connection {
    /// The number the target gave, which requests bear.
    number: u32,
    /// The number answers bear.
    back: u32,
    opening: Opening,
}

/// What must be known of a request to understand its answer.
#[derive(Clone)]
struct Asked {
    service: u8,
    class: Option<u32>,
    tag: Option<String>,
    whose: Whose,
    /// Of attributes of an object that says something of its device.
    question: Option<Question>,
    pccc: Option<pccc::Asked>,
    /// Elements of a tag, and octets of it before the fragment asked for.
    part: tags::Part,
}

/// The way to whom a request is for. None where nobody knows: whoever is at the end of a connection
/// that was not seen opened, or further away than a route has room for.
type Whose = Option<Route>;

/// What one encapsulated message holds, for the counted rows.
#[derive(Default)]
struct Seen {
    services: Vec<u8>,
    classes: Vec<u32>,
    requests: Vec<Asked>,
    opens: Option<Opening>,
    closes: Option<[u8; 8]>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let datagram = !matches!(segment.carrier, Carrier::Tcp);
        if datagram && is_cyclic(bytes) {
            out.begin("cipio", 0..bytes.len());
            out.count(&CIP_IO_GROUP, []);
            out.operation(Op::notice(OperationClass::Report, 0, "cyclic data"));
            return Progress::Consumed(bytes.len());
        }
        let Ok(header) = Header::parse(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS };
        };
        if names::command(header.command).is_none() {
            return match segment.carrier {
                Carrier::Tcp if segment.after_gap => Progress::Consumed(bytes.len()),
                _ => Progress::GiveUp(Malformed::new("enip-command-unknown")),
            };
        }
        let octets = HEADER_OCTETS.saturating_add(usize::from(header.length));
        let Some(data) = bytes.get(HEADER_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("enip", 0..octets);
        (self.filled, self.at) = (segment.filled, segment.at);
        let (command, status) = (u64::from(header.command), u64::from(header.status));
        out.count(&ENIP_GROUP, [Scalar::Number(command), Scalar::Number(status)]);
        self.encapsulated(&header, data, segment.from, out);
        Progress::Consumed(octets)
    }

    fn gap(&mut self, gap: Gap) {
        // Lost requests leave those before them to be answered; of lost answers nobody knows whose
        // they were.
        if gap.from == Side::Server {
            self.pending.clear();
        }
    }
}

impl Conversation {
    fn encapsulated(&mut self, header: &Header, data: &[u8], from: Side, out: &mut Output) {
        let name = names::command(header.command).unwrap_or("command");
        let number = u32::from(header.command);
        let class = match header.command {
            0x63 => OperationClass::Diagnose,
            0x04 | 0x64 => OperationClass::Browse,
            0x65 | 0x66 => OperationClass::Session,
            0x6f | 0x70 => return self.carried(header, data, from, out),
            _ => return,
        };
        match from {
            Side::Client => out.operation(Op::request(class, number, name)),
            Side::Server if header.status != 0 => refused(header, class, out),
            Side::Server => out.operation(Op::response(class, number, name).done()),
        }
        if header.command == 0x63 && from == Side::Server {
            for item in items(data).into_iter().flatten() {
                if item.kind == 0x0c
                    && let Ok(found) = listed(item.data)
                {
                    self.modules.listed(found, out);
                }
            }
        }
    }

    /// Send RR Data and Send Unit Data: interface handle, timeout, items.
    fn carried(&mut self, header: &Header, data: &[u8], from: Side, out: &mut Output) {
        const BEFORE: usize = 6;
        // What could not be carried is not there (Volume 2, 2-3.5).
        if header.status != 0 && data.is_empty() && from == Side::Server {
            return refused(header, OperationClass::Session, out);
        }
        let packet = data.get(BEFORE..).unwrap_or_default();
        let Ok(found) = items(packet) else {
            let says = "the items are longer than the message";
            return out.violation("enip-items-beyond-message", says, "Volume 2, 2-6");
        };
        let mut connection = None;
        for item in found {
            let (key, bytes) = match (item.kind, item.data) {
                (0xa1, [a, b, c, d]) => {
                    connection = Some(u32::from_le_bytes([*a, *b, *c, *d]));
                    continue;
                }
                (0xb2, bytes) => (Key::Context(header.context), bytes),
                (0xb1, [low, high, bytes @ ..]) => {
                    let sequence = u16::from_le_bytes([*low, *high]);
                    if self.carries_no_services(connection, from) {
                        continue;
                    }
                    (Key::Connected { sequence, connection }, bytes)
                }
                _ => continue,
            };
            let Some(read) = known(bytes, self.filled) else { continue };
            out.begin("cip", 0..HEADER_OCTETS.saturating_add(usize::from(header.length)));
            match read {
                Message::Request { .. } => self.requests(key, read, out),
                Message::Answer { .. } => self.answers(key, read, out),
            }
        }
    }

    /// Was a connection opened to another object than the Message Router? What those are sent is
    /// laid out as they please.
    fn carries_no_services(&self, number: Option<u32>, from: Side) -> bool {
        let meant = |c: &&Connection| {
            let own = if from == Side::Client { c.number } else { c.back };
            Some(own) == number
        };
        let last = self.connections.iter().rev().find(meant).and_then(|c| c.opening.classes.last());
        last.is_some_and(|class| *class != names::MESSAGE_ROUTER)
    }

    fn requests(&mut self, key: Key, read: Message<'_>, out: &mut Output) {
        let mut seen = std::mem::take(&mut self.seen);
        seen.services.clear();
        seen.classes.clear();
        seen.requests.clear();
        let number = match key {
            Key::Connected { connection, .. } => connection,
            Key::Context(_) => None,
        };
        let meant = |c: &&Connection| Some(c.number) == number;
        let found = self.connections.iter().rev().find(meant);
        let to = match (key, found) {
            (_, Some(connection)) => connection.opening.to,
            (Key::Connected { .. }, None) => None,
            (Key::Context(_), None) => Some(Route::default()),
        };
        request(read, (Some(Route::default()), to), NESTED_MAX, &mut seen, out);
        // A connected message goes first to the object at the end of the connection's path, and
        // what closes the connection is for that object too.
        let closes = seen.closes.take();
        let closed = |c: &&Connection| Some(c.opening.triad) == closes;
        let found = self.connections.iter().rev().find(|c| meant(c) || closed(c));
        let path = found.map(|c| &*c.opening.classes).unwrap_or_default();
        count(&seen, path, out);
        let at = self.at;
        self.pending.retain(|s| s.key != key || at.since(s.at) < UNANSWERED_NANOS);
        if self.pending.len() >= PENDING_MAX {
            out.limit("cip-pending-full");
            self.pending.pop_front();
        }
        let (requests, opens) = (std::mem::take(&mut seen.requests), seen.opens.take());
        self.pending.push_back(Sent { key, at, requests, opens });
        self.seen = seen;
    }

    fn answers(&mut self, key: Key, read: Message<'_>, out: &mut Output) {
        let at = self.pending.iter().position(|s| self.is_answered(s.key, key));
        let sent = at.and_then(|at| self.pending.remove(at));
        let (mut requests, opens) = sent.map(|s| (s.requests, s.opens)).unwrap_or_default();
        if let (Some(opening), Message::Answer { status: 0, data, .. }) = (opens, &read) {
            self.opened(data, opening, out);
        }
        answer(read, &mut requests.drain(..), NESTED_MAX, (&mut self.modules, out));
        self.seen.requests = requests;
    }

    /// Is this the key of the answer to what was sent with that? Numbers of messages are those of
    /// their connection; which one that is cannot be told where it was not seen opened.
    fn is_answered(&self, sent: Key, answer: Key) -> bool {
        let (
            Key::Connected { sequence, connection },
            Key::Connected { sequence: answered, connection: back },
        ) = (sent, answer)
        else {
            return sent == answer;
        };
        let opened = self.connections.iter().rev().find(|c| Some(c.back) == back);
        sequence == answered && opened.is_none_or(|c| Some(c.number) == connection)
    }

    /// The answer to a Forward Open begins with the number the target wants, then has the one the
    /// other end does (3-5.5.2).
    fn opened(&mut self, data: &[u8], opening: Opening, out: &mut Output) {
        let Some([a, b, c, d, back @ ..]) = data.first_chunk::<8>() else { return };
        if self.connections.len() >= CONNECTIONS_MAX {
            out.limit("cip-connections-full");
            self.connections.pop_front();
        }
        let (number, back) = (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes(*back));
        self.connections.push_back(Connection { number, back, opening });
    }
}

/// The answer to a command that the encapsulation did not carry out.
fn refused(header: &Header, class: OperationClass, out: &mut Output) {
    let name = names::command(header.command).unwrap_or("command");
    let op = Op::response(class, u32::from(header.command), name);
    out.operation(op.refused(header.status, names::encapsulation_status(header.status)));
}

/// Counts requests with their class, where as many classes as services are named: a tag names
/// none, so that on a connection it is for the object the connection leads to.
fn count(seen: &Seen, path: &[u32], out: &mut Output) {
    let services = seen.services.len();
    let own = seen.classes.len() == services;
    let through = path.len().saturating_add(seen.classes.len()) == services;
    let all = || path.iter().chain(&seen.classes);
    let mut classes = all().skip(if own { path.len() } else { 0 });
    for service in &seen.services {
        let class = classes.next().filter(|_| own || through);
        let class = class.map_or(Scalar::Null, |c| Scalar::Number(u64::from(*c)));
        let kind = Scalar::Word("request");
        out.count(&CIP_GROUP, [Scalar::Number(u64::from(*service)), kind, class]);
    }
    for class in all() {
        out.count(&CIP_CLASS_GROUP, [Scalar::Number(u64::from(*class))]);
    }
}

/// The message, without the zeros at its end that stand for what the capture cut: what begins in
/// them was not said. The item with the message is the last that is long.
fn known(bytes: &[u8], filled: usize) -> Option<Message<'_>> {
    const STATUS_OCTETS: usize = 3;
    let there = bytes.len().checked_sub(filled).filter(|there| *there > 0)?;
    let cut = |data: &[u8]| data.len().saturating_sub(filled);
    Some(match message(bytes).ok()? {
        Message::Request { service, data, .. } if filled > data.len() => {
            Message::Request { service, path: Path::default(), data: &[] }
        }
        Message::Request { service, path, data } => {
            Message::Request { service, path, data: data.get(..cut(data))? }
        }
        Message::Answer { service, status, data } if there >= STATUS_OCTETS => {
            Message::Answer { service, status, data: data.get(..cut(data))? }
        }
        Message::Answer { .. } => return None,
    })
}

/// What opens and closes connections names objects in the path at its end too (3-5.5.2 and
/// 3-5.5.3).
fn manage(service: u8, data: &[u8], seen: &mut Seen, out: &mut Output) {
    let path = |before: usize| Path::parse(data.get(before..).unwrap_or_default());
    match service {
        0x54 | 0x5b => {
            // The large form has four octets more of parameters.
            let path = path(if service == 0x54 { 36 } else { 40 });
            if path.safety {
                let yes = "yes".to_owned();
                out.identity(Subject::Receiver, "Forward Open", [("cip_safety", yes)]);
            }
            seen.classes.extend(path.classes.iter());
            let (classes, to) = (path.classes, way(&path, out));
            seen.opens = triad(data, 10).map(|triad| Opening { triad, classes, to });
        }
        0x4e => {
            seen.classes.extend(path(12).classes.iter());
            seen.closes = triad(data, 2);
        }
        // Get Connection Owner: a zero, the path's length, the path.
        0x5a => seen.classes.extend(path(2).classes.iter()),
        _ => {}
    }
}

/// The numbers that tell a connection from all others.
fn triad(data: &[u8], at: usize) -> Option<[u8; 8]> {
    data.get(at..)?.first_chunk().copied()
}

/// The way that a path leads, which may be too long to be told.
fn way(path: &Path, out: &mut Output) -> Option<Route> {
    if path.too_far {
        out.limit("cip-route-long");
    }
    path.way()
}

/// A route as the number of a unit: a slot is one, and what is further away has none.
fn unit(route: Option<Route>) -> Option<u32> {
    let slot = route?.place().and_then(|place| place.slot());
    slot.map(u32::from)
}

/// `route` is the way that the message goes itself, and `to` who is at the end of the connection
/// that carries it.
fn request(
    read: Message<'_>,
    (route, to): (Option<Route>, Whose),
    levels: u8,
    seen: &mut Seen,
    out: &mut Output,
) {
    let Message::Request { service, path, data } = read else { return };
    seen.services.push(service);
    seen.classes.extend(path.classes.iter());
    let class = path.classes.first().copied();
    let manager = class == Some(names::CONNECTION_MANAGER);
    if manager {
        manage(service, data, seen, out);
    }
    let own = way(&path, out);
    let route = if own.is_some_and(|own| own.is_here()) { route } else { own };
    if levels > 0 && service == 0x52 && manager {
        if let Ok((inner, path)) = unconnected(data)
            && let Ok(read) = message(inner)
        {
            let route = way(&path, out);
            request(read, (route, to), levels.saturating_sub(1), seen, out);
        }
        return;
    }
    let whose = match route {
        Some(route) if route.is_here() => to,
        // On a connection the way goes on from its end.
        Some(route) => to.unwrap_or_default().then(&route),
        None => None,
    };
    let part = tags::Part::default();
    let asked = Asked { service, class, tag: None, whose, question: None, pccc: None, part };
    if levels > 0 && service == 0x0a {
        seen.requests.push(asked);
        for part in packed(data) {
            if let Ok(read) = message(part) {
                request(read, (route, to), 0, seen, out);
            }
        }
        return;
    }
    if (service, class) == (EXECUTE_PCCC, Some(names::PCCC)) {
        out.begin_protocol("pccc");
        let pccc = pccc::request(data, unit(route), out);
        out.begin_protocol("cip");
        return seen.requests.push(Asked { pccc, ..asked });
    }
    let logix = names::logix(service, &path.classes);
    let (meaning, name) = logix.unwrap_or_else(|| names::service(service, class));
    let mut op = Op::request(meaning, u32::from(service), name);
    op.unit = unit(route);
    let op = match (&path.symbol, class) {
        (Some(symbol), _) => op.named("tag", symbol),
        (None, Some(class)) => op.range("class", class, path.instance.unwrap_or_default(), 1),
        (None, None) => op,
    };
    out.operation(op);
    if let Some(symbol) = path.symbol.as_deref().filter(|_| out.values_wanted) {
        tags::written(symbol, service, data, out);
    }
    let (part, question) = (tags::Part::asked(service, data), question(service, &path));
    seen.requests.push(Asked { tag: path.symbol, part, question, ..asked });
}

fn question(service: u8, path: &Path) -> Option<Question> {
    let (instance, attribute) = (path.instance?, path.attribute.unwrap_or_default());
    match *path.classes {
        [class] => Some(Question { service, class, instance, attribute }),
        _ => None,
    }
}

fn answer(
    read: Message<'_>,
    asked: &mut dyn Iterator<Item = Asked>,
    levels: u8,
    (modules, out): (&mut Modules, &mut Output),
) {
    let Message::Answer { service, status, data } = read else { return };
    let kind = Scalar::Word("response");
    out.count(&CIP_GROUP, [Scalar::Number(u64::from(service)), kind, Scalar::Null]);
    out.count(&CIP_STATUS_GROUP, [Scalar::Number(u64::from(status))]);
    let asked_for = asked.next();
    if service == 0x0a && levels > 0 {
        for part in packed(data) {
            if let Ok(read) = message(part) {
                answer(read, asked, 0, (modules, out));
            }
        }
        return;
    }
    let known = asked_for.filter(|a| a.service == service);
    let class = known.as_ref().and_then(|a| a.class);
    let (meaning, name) = names::service(service, class);
    let op = Op::response(meaning, u32::from(service), name);
    // 6 is "more to come", an answer all the same.
    let done = matches!(status, 0 | 6);
    if done && (service, class) == (EXECUTE_PCCC, Some(names::PCCC)) {
        let (pccc, whose) = known.map_or((None, None), |k| (k.pccc, k.whose));
        out.begin_protocol("pccc");
        pccc::reply(data, pccc, whose, out);
        return out.begin_protocol("cip");
    }
    out.operation(if done { op.done() } else { op.refused(status.into(), names::status(status)) });
    // Of a list some attributes may be refused, and the others are there (Volume 1, B-1).
    const SOME_REFUSED: u8 = 0x0a;
    let Some(known) = known.filter(|_| done || status == SOME_REFUSED) else { return };
    if let (Some(question), Some(route)) = (known.question, known.whose) {
        modules.answered(question, route.place(), data, out);
    }
    if let Some(tag) = known.tag.filter(|_| out.values_wanted && tags::is_read(service)) {
        tags::read(&tag, known.part, data, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    /// Send RR Data with a request for the identity object or its answer.
    fn message(cip: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x6f, 0];
        bytes.extend((16 + cip.len() as u16).to_le_bytes());
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        bytes.extend([0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0xb2, 0]);
        bytes.extend((cip.len() as u16).to_le_bytes());
        bytes.extend(cip);
        bytes
    }

    #[test]
    fn what_the_encapsulation_refuses_is_not_malformed() {
        let (mut conversation, mut out) = (Conversation::default(), Output::default());
        let refused = [&[0x6f, 0, 0, 0, 1, 0, 0, 0, 0x65][..], &[0; 15]].concat();
        conversation.feed(Segment::of(&refused, Side::Server, Carrier::Tcp), &mut out);
        let [only] = &out.observed[..] else { panic!("{:?}", out.observed) };
        let Detail::Operation(operation) = &only.detail else { panic!("{only:?}") };
        let invalid = model::Outcome::Refused { code: 0x65, name: "invalid length" };
        assert_eq!(operation.outcome, invalid);
    }

    #[test]
    fn a_hole_in_what_is_asked_leaves_what_was_asked_before() {
        let asks = message(&[1, 2, 0x20, 1, 0x24, 1]);
        let identity = [1, 0, 14, 0, 54, 0, 20, 11, 0x60, 0x31, 0x78, 0x56, 0x34, 0x12, 1, b'L'];
        let says = message(&[&[0x81, 0, 0, 0][..], &identity].concat());
        for (from, known) in [(Side::Client, true), (Side::Server, false)] {
            let (mut conversation, mut out) = (Conversation::default(), Output::default());
            let mut feed = |side, bytes: &[u8]| {
                conversation.feed(Segment::of(bytes, side, Carrier::Tcp), &mut out);
                conversation.gap(Gap { from, bytes: None });
            };
            feed(Side::Client, &asks);
            feed(Side::Server, &says);
            let told = out.observed.iter().any(|o| matches!(o.detail, Detail::Identity(_)));
            assert_eq!(told, known, "{from:?}");
        }
    }
}
