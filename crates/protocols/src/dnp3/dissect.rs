//! Reads a DNP3 conversation: frames, fragments, requests and the answers they get.
//!
//! Not here: what objects say, see `points`. Invariant: an answer gets its class from the
//! request with its running number, or says that it is an answer and no more.

use super::{
    DNP3_GROUP, LINK_GROUP, OBJECT_GROUP,
    limits::{FRAGMENT_OCTETS_MAX, FRAGMENTS_MAX, OUTSTATIONS_MAX, REQUESTS_MAX},
    names,
    objects::{Header, Item, Stop},
    points,
    wire::{Application, HEADER_OCTETS, Link, NotLink, START, Transport, is_answer, unblock},
};
use crate::{Carrier, Dissector, Gap, Malformed, Output, Progress, Segment, Side, output::Op};
use ::wire::reader::Reader;
use model::{Object, OperationClass, Scalar, Subject};
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Conversation {
    /// User data of the frame being read; kept for its memory.
    user: Vec<u8>,
    parts: Vec<Part>,
    asked: VecDeque<Asked>,
    /// Outstations and their last indications; their addresses were reported.
    outstations: Vec<(u16, u16)>,
    masters: Vec<u16>,
}

/// A fragment under way (8.2).
struct Part {
    addresses: (u16, u16),
    from: Side,
    sequence: u8,
    octets: Vec<u8>,
}

/// What must be known of a request to understand its answer.
#[derive(Clone, Copy)]
struct Asked {
    master: u16,
    outstation: u16,
    sequence: u8,
    function: u8,
    class: OperationClass,
    name: &'static str,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let mut taken = 0_usize;
        loop {
            let rest = segment.bytes.get(taken..).unwrap_or_default();
            if rest.is_empty() {
                return Progress::Consumed(taken);
            }
            let needed = match Link::parse(rest) {
                Ok(link) if rest.len() >= link.octets() => {
                    let end = taken.saturating_add(link.octets());
                    out.begin("dnp3", taken..end);
                    let frame = rest.get(..link.octets()).unwrap_or_default();
                    self.frame(&link, frame, segment.from, out);
                    taken = end;
                    continue;
                }
                Ok(link) => {
                    if segment.carrier != Carrier::Tcp {
                        out.begin("dnp3", taken..segment.bytes.len());
                        count_link(&link, out);
                    }
                    link.octets()
                }
                Err(NotLink::Short) => HEADER_OCTETS,
                Err(why) => {
                    let wrong = rest.len().min(HEADER_OCTETS);
                    out.begin("dnp3", taken..taken.saturating_add(wrong));
                    broken(why, out);
                    let Some(skip) = next_start(rest) else {
                        if segment.after_gap || segment.carrier != Carrier::Tcp || taken > 0 {
                            return Progress::Consumed(segment.bytes.len());
                        }
                        return Progress::GiveUp(Malformed::new("dnp3-start-octets"));
                    };
                    taken = taken.saturating_add(skip);
                    continue;
                }
            };
            if segment.carrier == Carrier::Tcp {
                return Progress::NeedMore { consumed: taken, needed };
            }
            out.begin("dnp3", taken..segment.bytes.len());
            let says = "a frame cut short by the end of its datagram";
            out.violation("link-frame-too-short", says, "IEEE 1815-2012, 9.2.4");
            return Progress::Consumed(segment.bytes.len());
        }
    }

    fn gap(&mut self, gap: Gap) {
        self.parts.retain(|part| part.from != gap.from);
        self.asked.clear();
    }

    // The link layer alone has eight octets and a checksum.
    fn counted_by(&self) -> usize {
        8
    }
}

fn count_link(link: &Link, out: &mut Output) {
    let primary = u64::from(link.control.is_primary());
    let function = u64::from(link.control.function());
    out.count(&LINK_GROUP, [Scalar::Number(primary), Scalar::Number(function)]);
}

fn broken(why: NotLink, out: &mut Output) {
    let (rule, says) = match why {
        NotLink::CheckSequence => ("link-header-crc", "a link header with a wrong check sequence"),
        NotLink::Length => ("link-length-too-short", "a link frame whose length is below 5"),
        NotLink::Start | NotLink::Short => {
            ("link-start-octets", "octets between link frames that start none")
        }
    };
    out.violation(rule, says, "IEEE 1815-2012, 9.2.4");
}

/// Where the next frame may start, behind a broken one (9.2.4.1.1).
fn next_start(bytes: &[u8]) -> Option<usize> {
    let behind = bytes.get(1..)?;
    behind.windows(START.len()).position(|w| w == START)?.checked_add(1)
}

impl Conversation {
    fn frame(&mut self, link: &Link, frame: &[u8], from: Side, out: &mut Output) {
        count_link(link, out);
        if !link.control.has_user_data() {
            return link_operation(link, out);
        }
        let mut user = std::mem::take(&mut self.user);
        if unblock(frame.get(HEADER_OCTETS..).unwrap_or_default(), &mut user) {
            self.segment(link, &user, from, out);
        } else {
            let says = "user data with a wrong check sequence";
            out.violation("link-data-crc", says, "IEEE 1815-2012, 9.2.5");
        }
        self.user = user;
    }

    /// Puts application fragments together (8.2).
    fn segment(&mut self, link: &Link, user: &[u8], from: Side, out: &mut Output) {
        let Some((transport, octets)) = user.split_first() else {
            let says = "user data without a transport octet";
            return out.violation("transport-octet-missing", says, "IEEE 1815-2012, 8.2.1");
        };
        let transport = Transport(*transport);
        let addresses = (link.source, link.destination);
        let at = self.parts.iter().position(|p| p.addresses == addresses);
        if transport.is_first() {
            if let Some(at) = at {
                self.parts.swap_remove(at);
            }
            if transport.is_final() {
                return self.fragment(link, octets, out);
            }
            if self.parts.len() >= FRAGMENTS_MAX {
                self.parts.clear();
                out.limit("dnp3-fragments");
            }
            let octets = octets.to_vec();
            let sequence = transport.sequence();
            return self.parts.push(Part { addresses, from, sequence, octets });
        }
        // Without its first segment nothing can be understood: the capture began in the middle.
        let Some(part) = at.and_then(|at| self.parts.get_mut(at)) else { return };
        if transport.sequence() == part.sequence {
            return;
        }
        part.octets.extend_from_slice(octets);
        let follows = transport.sequence() == part.sequence.wrapping_add(1) & 0x3f;
        let full = part.octets.len() > FRAGMENT_OCTETS_MAX;
        part.sequence = transport.sequence();
        if follows && !full && !transport.is_final() {
            return;
        }
        let whole = at.map(|at| self.parts.swap_remove(at).octets).unwrap_or_default();
        if !follows {
            let says = "a transport segment out of sequence";
            out.violation("transport-sequence", says, "IEEE 1815-2012, 8.2.2");
        } else if full {
            out.limit("dnp3-fragment-octets");
        } else {
            self.fragment(link, &whole, out);
        }
    }

    fn fragment(&mut self, link: &Link, octets: &[u8], out: &mut Output) {
        let Ok(application) = Application::parse(octets) else {
            // Two octets tell the function even where the indications are missing.
            if let Some(function) = octets.get(1) {
                count(link, *function, out);
            }
            let says = "an application fragment shorter than its header";
            return out.violation("application-too-short", says, "IEEE 1815-2012, 4.2.2");
        };
        count(link, application.function, out);
        if is_answer(application.function) {
            self.answer(link, &application, out);
        } else {
            self.request(link, &application, out);
        }
    }

    fn request(&mut self, link: &Link, application: &Application<'_>, out: &mut Output) {
        let function = application.function;
        let known = names::function(function);
        if known.is_none() {
            let says = "a function code that the standard does not define";
            out.violation("function-code-undefined", says, "IEEE 1815-2012, 4.2.2.5");
        }
        if !link.control.from_master() && (1..=33).contains(&function) {
            let says = "a request with the direction bit of an outstation";
            out.violation("direction-bit", says, "IEEE 1815-2012, 9.2.4.1.3");
        }
        if !self.masters.contains(&link.source) && self.masters.len() < OUTSTATIONS_MAX {
            self.masters.push(link.source);
            report_address(link.source, out);
        }
        let (class, name) = known.unwrap_or((OperationClass::Other, "undefined function"));
        let op = Op::request(class, u32::from(function), name).unit(u32::from(link.destination));
        let class = request_objects(application, op, out);
        if matches!(function, 0 | 6 | 8 | 10 | 12 | 33) {
            return;
        }
        if self.asked.len() >= REQUESTS_MAX {
            self.asked.pop_front();
            out.limit("dnp3-pending-requests");
        }
        let (master, outstation) = (link.source, link.destination);
        let sequence = application.sequence();
        self.asked.push_back(Asked { master, outstation, sequence, function, class, name });
    }

    fn answer(&mut self, link: &Link, application: &Application<'_>, out: &mut Output) {
        if link.control.from_master() {
            let says = "an answer with the direction bit of a master";
            out.violation("direction-bit", says, "IEEE 1815-2012, 9.2.4.1.3");
        }
        let indications = application.indications.unwrap_or_default();
        self.states(link.source, indications, out);
        let function = u32::from(application.function);
        let unit = u32::from(link.source);
        let asked = (application.function != UNSOLICITED)
            .then(|| self.asked(link, application.sequence()))
            .flatten();
        let mut op = match (application.function, asked) {
            (UNSOLICITED, _) => {
                Op::notice(OperationClass::Report, function, "unsolicited response").unit(unit)
            }
            (_, Some(asked)) => Op::response(asked.class, function, asked.name).unit(unit).done(),
            (code, None) => {
                let (class, name) =
                    names::function(code).unwrap_or((OperationClass::Other, "undefined function"));
                Op::response(class, function, name).unit(unit)
            }
        };
        if let Some((code, name)) = names::refusal(indications) {
            op = op.refused(code, name);
        }
        let controls = asked.is_some_and(|a| matches!(a.function, 3..=6));
        answer_objects(application, op, controls, out);
    }

    /// The request an answer belongs to; those of the same association before it are void.
    fn asked(&mut self, link: &Link, sequence: u8) -> Option<Asked> {
        let at = self.asked.iter().position(|a| {
            (a.master, a.outstation, a.sequence) == (link.destination, link.source, sequence)
        })?;
        let asked = self.asked.remove(at)?;
        let same = |a: &Asked| (a.master, a.outstation) == (asked.master, asked.outstation);
        let mut index = 0_usize;
        self.asked.retain(|a| {
            let old = index < at && same(a);
            index = index.saturating_add(1);
            !old
        });
        Some(asked)
    }

    /// Tells of indications that came or went since the outstation's last answer.
    fn states(&mut self, outstation: u16, indications: u16, out: &mut Output) {
        let room = self.outstations.len() < OUTSTATIONS_MAX;
        let known = self.outstations.iter_mut().find(|(address, _)| *address == outstation);
        let before = match known {
            Some((_, before)) => std::mem::replace(before, indications),
            None if room => {
                self.outstations.push((outstation, indications));
                report_address(outstation, out);
                0
            }
            None => return out.limit("dnp3-outstations"),
        };
        for (bit, what) in names::STATES {
            if (before ^ indications) & bit != 0 {
                let value = if indications & bit != 0 { "yes" } else { "no" };
                out.state(Subject::Sender, what, value);
            }
        }
    }
}

const UNSOLICITED: u8 = 0x82;

fn count(link: &Link, function: u8, out: &mut Output) {
    let numbers = [u64::from(link.source), u64::from(link.destination), u64::from(function)];
    out.count(&DNP3_GROUP, numbers.map(Scalar::Number));
}

fn report_address(address: u16, out: &mut Output) {
    let address = address.to_string();
    out.identity(Subject::Sender, "DNP3 link frame", [("dnp3_address", address)]);
}

/// Link services without user data (9.2.4.1.3).
fn link_operation(link: &Link, out: &mut Output) {
    use OperationClass::Session;
    let function = u32::from(link.control.function());
    let destination = u32::from(link.destination);
    let request = |name| Op::request(Session, function, name).unit(destination);
    let answer = |name| Op::response(Session, function, name).unit(u32::from(link.source)).done();
    let op = match (link.control.is_primary(), function) {
        (true, 0) => request("reset link states"),
        // Obsolete, but devices that know it restart.
        (true, 1) => Op::request(OperationClass::Reset, 1, "reset user process").unit(destination),
        (true, 2) => request("test link states"),
        (true, 9) => request("request link status"),
        (false, 0) => answer("ack"),
        (false, 1) => answer("nack"),
        (false, 11) => answer("link status"),
        (false, 14 | 15) => answer("not supported"),
        _ => {
            let says = "a link function that the standard does not define";
            return out.violation("link-function-undefined", says, "IEEE 1815-2012, 9.2.4.1.3");
        }
    };
    // Either station asks whether the link is there; a master that answers serves nothing by that.
    if link.control.is_primary() || !link.control.from_master() {
        out.operation(op);
    }
}

/// Functions whose objects are counted: those in which the reference dissector (Wireshark 4)
/// looks for objects. Freeze at time, assign class, authentication and some file functions are
/// read, not counted.
const fn counts_objects(function: u8) -> bool {
    matches!(function, 0..=10 | 20 | 21 | 25..=27 | 0x81 | 0x82)
}

/// Steps over object headers until the end or until one cannot be read.
fn headers<'a>(
    application: &Application<'a>,
    out: &mut Output,
    mut each: impl FnMut(&Header, &mut Reader<'a>, &mut Output) -> Result<(), Stop>,
) {
    let mut at = Reader::new(application.objects);
    let mut result = Ok(());
    while let (Ok(()), Ok([group, variation])) = (result, at.array::<2>()) {
        if counts_objects(application.function) {
            out.count(&OBJECT_GROUP, [Scalar::Number(Header::code(group, variation))]);
        }
        result = Header::parse(group, variation, &mut at).and_then(|header| {
            if header.reserved {
                let says = "an object qualifier of those reserved";
                out.violation("object-qualifier-reserved", says, "IEEE 1815-2012, 4.2.2.7");
            }
            each(&header, &mut at, out)
        });
    }
    if result.is_ok() && !at.is_empty() {
        result = Err(Stop::Short);
    }
    let Err(stop) = result else { return };
    let (rule, says) = match stop {
        Stop::Short => ("object-cut-short", "objects longer than their fragment"),
        Stop::Backwards => ("object-range-invalid", "an object range that ends before it starts"),
        Stop::Unknown => ("object-undefined", "an object that the standard does not define"),
    };
    out.violation(rule, says, "IEEE 1815-2012, 4.2.2.7");
}

fn on_header(op: &Op, header: &Header) -> Op {
    let variation = u32::from(header.variation);
    op.clone().range(header.area(), variation, header.first, header.count)
}

/// Reports a request by its objects and returns the class its answer will have.
fn request_objects(application: &Application<'_>, op: Op, out: &mut Output) -> OperationClass {
    let function = application.function;
    let mut class = op.class;
    let mut first = None;
    let mut told = false;
    headers(application, out, |header, at, out| {
        let mut op = op.clone();
        if function == 2 {
            op.class = names::write_class(header.group);
            class = op.class;
        }
        first.get_or_insert_with(|| on_header(&op, header).object);
        // Reads, freezes and assignments name objects; the others bring them along.
        let with_data = !matches!(function, 0 | 1 | 7..=12 | 22) || header.group == 50;
        match function {
            3..=6 => {
                let mut each = |item: Item<'_>| {
                    told = true;
                    out.operation(on_item(&op, header, &item));
                    if out.values_wanted && function != 3 {
                        points::value(header, &item, out);
                    }
                };
                header.walk(at, with_data, Some(&mut each))
            }
            2 | 25..=30 | 32 | 33 => {
                told = true;
                let mut name = None;
                let mut each = |item: Item<'_>| match (header.group, header.variation) {
                    (70, 2) => points::file_user(&item, out),
                    (70, _) => name = points::file_name(header, &item).or(name.take()),
                    (120, _) => points::secure_authentication(header, &item, out),
                    _ if out.values_wanted => points::value(header, &item, out),
                    _ => {}
                };
                let walked = header.walk(at, with_data, Some(&mut each));
                out.operation(match name {
                    Some(name) => op.named("file", &name),
                    None => on_header(&op, header),
                });
                walked
            }
            7..=12 | 20..=22 => {
                told = true;
                out.operation(on_header(&op, header));
                header.walk(at, with_data, None)
            }
            _ => header.walk(at, with_data, None),
        }
    });
    if !told {
        out.operation(Op { object: first.unwrap_or(Object::None), ..op });
    }
    class
}

fn on_item(op: &Op, header: &Header, item: &Item<'_>) -> Op {
    op.clone().range(header.area(), u32::from(header.variation), item.index, 1)
}

/// Reports an answer: the outcome of each control, or one operation for all it brings.
fn answer_objects(application: &Application<'_>, op: Op, controls: bool, out: &mut Output) {
    let mut first = None;
    let mut told = false;
    headers(application, out, |header, at, out| {
        if first.is_none() {
            first = Some(on_header(&op, header).object);
        }
        let quiet = !out.values_wanted && !matches!(header.group, 0 | 12 | 41 | 70 | 120);
        if quiet {
            return header.walk(at, true, None);
        }
        let mut each = |item: Item<'_>| match header.group {
            12 | 41 if controls => {
                told = true;
                let answered = on_item(&op, header, &item);
                out.operation(match points::control_status(&item) {
                    0 => answered,
                    code => answered.refused(u32::from(code), names::control_status(code)),
                });
            }
            0 => points::attribute(header, &item, out),
            70 if header.variation == 2 => points::file_key(&item, out),
            12 | 41 | 70 => {}
            120 => points::secure_authentication(header, &item, out),
            _ => points::value(header, &item, out),
        };
        header.walk(at, true, Some(&mut each))
    });
    if !told {
        let class = match (op.class, &first) {
            (OperationClass::Other, Some(_)) => OperationClass::Read,
            (class, _) => class,
        };
        out.operation(Op { class, object: first.unwrap_or(Object::None), ..op });
    }
}
