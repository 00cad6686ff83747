//! Reads a Modbus/TCP conversation: counts, operations, values, violations.

use super::{
    MODBUS_GROUP, UMAS_GROUP,
    limits::PENDING_REQUESTS_MAX,
    names,
    noise::Meter,
    umas,
    units::Units,
    wire::{
        LENGTH_MAX, MBAP_OCTETS, Mbap, Request, Table, exception_name, identification,
        parse_request,
    },
};
use crate::{
    Carrier, Dissector, Gap, Malformed, Output, Progress, Segment, Side, output::Op, text,
};
use model::{OperationClass, PointValue, Quality, Scalar, Subject, Time};
use std::collections::VecDeque;

/// A request that was not answered for so long is not, once another comes with its number: some
/// clients use one for all.
const UNANSWERED_NANOS: i64 = 1_000_000_000;
/// No client waits for an answer as long as that.
const FORGOTTEN_NANOS: i64 = 60_000_000_000;

#[derive(Default)]
pub(crate) struct Conversation {
    pending: VecDeque<Asked>,
    /// Of the message being read: when it was sent, and whether in a datagram.
    at: Time,
    datagram: bool,
    noise: Meter,
    units: Units,
}

/// What must be known of a request to understand its answer.
#[derive(Clone, Copy)]
struct Asked {
    at: Time,
    transaction: u16,
    unit: u8,
    function: u8,
    meaning: Meaning,
    what: What,
}

/// What a function does, and its name.
type Meaning = (OperationClass, &'static str);

#[derive(Clone, Copy)]
enum What {
    Range { table: Table, first: u16, count: u16 },
    Umas { function: u8 },
    Other,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let Ok(mbap) = Mbap::parse(bytes) else {
            return Progress::NeedMore { consumed: 0, needed: MBAP_OCTETS };
        };
        if mbap.protocol != 0 || !is_length(mbap.length, bytes.get(MBAP_OCTETS)) {
            out.begin("modbus", 0..bytes.len().min(MBAP_OCTETS));
            let says = "not a Modbus message on a Modbus conversation";
            out.violation("mbap-header-invalid", says, "Messaging Guide V1.0b, 3.1.3");
            return match segment.carrier {
                Carrier::Tcp if segment.after_gap => Progress::Consumed(bytes.len()),
                _ => Progress::GiveUp(Malformed::new("modbus-header-invalid")),
            };
        }
        let octets = usize::from(mbap.length).saturating_add(6);
        let Some(pdu) = bytes.get(MBAP_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("modbus", 0..octets);
        (self.at, self.datagram) = (segment.at, segment.carrier != Carrier::Tcp);
        let Some(&function) = pdu.first() else { return Progress::Consumed(octets) };
        match segment.from {
            Side::Client => self.request(mbap, function, pdu, out),
            Side::Server => self.response(mbap, function, pdu, out),
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {
        self.pending.clear();
    }

    // The header and the function.
    fn counted_by(&self) -> usize {
        8
    }
}

/// UMAS messages are longer than public ones: devices negotiate up to about a kilobyte.
pub(super) fn is_length(length: u16, function: Option<&u8>) -> bool {
    const UMAS: u8 = 90;
    const UMAS_LENGTH_MAX: u16 = 2_048;
    let most = if function == Some(&UMAS) { UMAS_LENGTH_MAX } else { LENGTH_MAX };
    (2..=most).contains(&length)
}

fn count(mbap: Mbap, function: u8, kind: &'static str, exception: Option<u8>, out: &mut Output) {
    let exception = exception.map_or(Scalar::Null, |e| Scalar::Number(u64::from(e)));
    let (unit, function) = (u64::from(mbap.unit), u64::from(function));
    let kind = Scalar::Word(kind);
    out.count(&MODBUS_GROUP, [Scalar::Number(unit), Scalar::Number(function), kind, exception]);
}

fn count_umas(kind: &'static str, function: u8, out: &mut Output) {
    let kind = Scalar::Word(kind);
    out.count(&UMAS_GROUP, [kind, Scalar::Number(u64::from(function))]);
}

impl Conversation {
    /// A message of a serial line: one request at a time, so an answer is that of the last one.
    pub(crate) fn serial(&mut self, unit: u8, pdu: &[u8], from: Side, out: &mut Output) {
        let Some(&function) = pdu.first() else { return };
        let mbap = Mbap { transaction: 0, protocol: 0, length: 0, unit };
        match from {
            Side::Client => {
                self.pending.clear();
                self.request(mbap, function, pdu, out);
            }
            Side::Server => self.response(mbap, function, pdu, out),
        }
    }

    fn request(&mut self, mbap: Mbap, function: u8, pdu: &[u8], out: &mut Output) {
        if function & 0x80 != 0 {
            let code = pdu.get(1).copied().unwrap_or_default();
            count(mbap, function & 0x7f, "exception", Some(code), out);
            let says = "an exception sent by a client";
            return out.violation("exception-from-client", says, "V1.1b3, 7");
        }
        count(mbap, function, "request", None, out);
        let unit = u32::from(mbap.unit);
        let (class, name) = names::function(function);
        let request = match parse_request(pdu) {
            Ok(request) => request,
            Err(invalid) => {
                out.violation(invalid.rule, invalid.says, invalid.section);
                out.operation(Op::request(class, u32::from(function), name).unit(unit));
                return self.remember(mbap, function, ((class, name), What::Other), out);
            }
        };
        let (class, name) = match request {
            Request::Diagnostics { subfunction, .. } => names::diagnostics(subfunction),
            // Reads or writes an object dictionary (CiA 309-2): which, its own octets say.
            Request::CanOpen { .. } => (OperationClass::Other, "CANopen general reference"),
            _ => (class, name),
        };
        let op = Op::request(class, u32::from(function), name).unit(unit);
        let what = self.operation(&request, op, out);
        if out.values_wanted {
            written_values(mbap.unit, &request, out);
        }
        self.remember(mbap, function, ((class, name), what), out);
    }

    fn operation(&mut self, request: &Request<'_>, op: Op, out: &mut Output) -> What {
        let unit = op.unit.unwrap_or_default();
        let range = |op: Op, table: Table, first: u16, count: u16| {
            op.range(table.name(), unit, u32::from(first), u32::from(count))
        };
        match *request {
            Request::Read { table, first, count } => {
                out.operation(range(op, table, first, count));
                return What::Range { table, first, count };
            }
            Request::WriteSingle { table, address, .. } => {
                out.operation(range(op, table, address, 1));
                return What::Range { table, first: address, count: 1 };
            }
            Request::WriteMultiple { table, first, count, .. } => {
                out.operation(range(op, table, first, count));
                return What::Range { table, first, count };
            }
            Request::MaskWrite { address, .. } => {
                out.operation(range(op, Table::HoldingRegister, address, 1));
            }
            Request::ReadWrite { read, write, .. } => {
                out.operation(range(op, Table::HoldingRegister, write.0, write.1));
                let (first, count) = read;
                return What::Range { table: Table::HoldingRegister, first, count };
            }
            Request::ReadFifo { address } => {
                out.operation(range(op, Table::HoldingRegister, address, 1));
            }
            Request::Diagnostics { subfunction, .. } => {
                let block = u32::from(subfunction);
                out.operation(op.range("diagnostics", unit, block, 1));
            }
            Request::DeviceIdentification { object, .. } => {
                out.operation(op.range("identification", unit, u32::from(object), 1));
            }
            Request::Umas { function, data, .. } => {
                count_umas("request", function, out);
                out.begin_protocol("umas");
                out.operation(umas::request(function, data).unit(unit));
                return What::Umas { function };
            }
            Request::Status { .. }
            | Request::File { .. }
            | Request::CanOpen { .. }
            | Request::Other { .. } => out.operation(op),
        }
        What::Other
    }

    fn remember(
        &mut self,
        mbap: Mbap,
        function: u8,
        (meaning, what): (Meaning, What),
        out: &mut Output,
    ) {
        let (at, datagram) = (self.at, self.datagram);
        self.pending.retain(|a| {
            let age = at.since(a.at);
            let late = age >= UNANSWERED_NANOS || datagram;
            age < FORGOTTEN_NANOS && !(late && a.is_of(mbap, function))
        });
        if self.pending.len() >= PENDING_REQUESTS_MAX {
            self.pending.pop_front();
            out.limit("modbus-pending-requests");
        }
        let (transaction, unit) = (mbap.transaction, mbap.unit);
        self.pending.push_back(Asked { at, transaction, unit, function, meaning, what });
    }

    /// The request an answer belongs to: of several with its number the first whose length it
    /// has, or the first.
    fn asked(&mut self, mbap: Mbap, function: u8, data: &[u8]) -> Option<Asked> {
        let same = |a: &Asked| a.is_of(mbap, function);
        let fits = |a: &Asked| match a.what {
            What::Range { count, .. } => is_answer_to(count, function, data),
            What::Umas { .. } | What::Other => true,
        };
        let best = self.pending.iter().position(|a| same(a) && fits(a));
        let at = best.or_else(|| self.pending.iter().position(same))?;
        self.pending.remove(at)
    }

    fn response(&mut self, mbap: Mbap, function: u8, pdu: &[u8], out: &mut Output) {
        let unit = u32::from(mbap.unit);
        if function & 0x80 != 0 {
            let (function, code) = (function & 0x7f, pdu.get(1).copied().unwrap_or_default());
            count(mbap, function, "exception", Some(code), out);
            let asked = self.asked(mbap, function, &[]);
            let (class, name) = asked.map_or(names::function(function), |a| a.meaning);
            let op = Op::response(class, u32::from(function), name).unit(unit);
            let op = match asked.map(|a| a.what) {
                Some(What::Range { table, first, count }) => {
                    op.range(table.name(), unit, u32::from(first), u32::from(count))
                }
                _ => op,
            };
            return out.operation(op.refused(u32::from(code), exception_name(code)));
        }
        count(mbap, function, "response", None, out);
        let data = pdu.get(1..).unwrap_or_default();
        let asked = self.asked(mbap, function, data);
        let (class, name) = asked.map_or(names::function(function), |a| a.meaning);
        let op = Op::response(class, u32::from(function), name).unit(unit).done();
        match asked.map(|a| a.what) {
            Some(What::Range { table, first, count }) => {
                if !is_answer_to(count, function, data) {
                    let says = "an answer whose length does not fit the question";
                    out.violation("response-length-mismatch", says, "V1.1b3, 6.1 to 6.4");
                }
                let (first32, count32) = (u32::from(first), u32::from(count));
                out.operation(op.range(table.name(), unit, first32, count32));
                let values = data.get(1..).unwrap_or_default();
                if matches!(function, 3 | 4) {
                    self.hidden((mbap.unit, table, first), values, out);
                }
                if out.values_wanted && matches!(function, 1..=4 | 23) {
                    values_of(mbap.unit, table, (first, count), values, out);
                }
            }
            Some(What::Umas { function }) => umas_answer(unit, function, data, out),
            None if function == 90 => {
                count_umas("response", data.get(1).copied().unwrap_or_default(), out);
            }
            Some(What::Other) | None => out.operation(op),
        }
        match (function, data) {
            (43, [0x0e, objects @ ..]) => self.identity(mbap.unit, objects, out),
            (17, [_, id @ ..]) => self.server_id(mbap.unit, id, out),
            _ => {}
        }
    }

    fn identity(&mut self, unit: u8, data: &[u8], out: &mut Output) {
        let (objects, whole) = identification(data);
        if !whole {
            let says = "an identification cut short";
            out.violation("identification-too-short", says, "V1.1b3, 6.21");
        }
        let facts = objects.iter().map(|(id, value)| (names::object(*id), text::lossy(value)));
        self.units.tell(unit, "Read Device Identification", facts.collect(), out);
    }

    /// V1.1b3, 6.13: contents are the maker's; text is worth keeping.
    fn server_id(&mut self, unit: u8, id: &[u8], out: &mut Output) {
        let printable = id.iter().take_while(|b| (0x20..0x7f).contains(*b)).count();
        if printable >= 4 {
            let said = text::lossy(id.get(..printable).unwrap_or_default());
            self.units.tell(unit, "Report Server ID", vec![("server_id", said)], out);
        }
    }

    /// Registers that carry something else than a process.
    fn hidden(&mut self, place: (u8, Table, u16), values: &[u8], out: &mut Output) {
        let Some((noisy, followed)) = self.noise.see(place, values) else { return };
        let (unit, table, first) = place;
        let value = format!(
            "{noisy} of {followed} registers from {}/{unit}/{first} are evenly drawn numbers",
            table.name()
        );
        out.state(Subject::Sender, "register-noise", &value);
    }
}

impl Asked {
    fn is_of(&self, mbap: Mbap, function: u8) -> bool {
        (self.transaction, self.unit, self.function) == (mbap.transaction, mbap.unit, function)
    }
}

/// V1.1b3, 6.1 to 6.4: the byte count of an answer follows from the question.
fn is_answer_to(count: u16, function: u8, data: &[u8]) -> bool {
    let expected = match function {
        1 | 2 => usize::from(count.div_ceil(8)),
        3 | 4 | 23 => usize::from(count).saturating_mul(2),
        _ => return true,
    };
    let declared = data.first().map(|n| usize::from(*n));
    let there = data.len().saturating_sub(1);
    declared == Some(expected) && there >= expected
}

fn umas_answer(unit: u32, function: u8, data: &[u8], out: &mut Output) {
    let status = data.get(1).copied().unwrap_or_default();
    count_umas("response", status, out);
    out.begin_protocol("umas");
    out.operation(umas::answer(function, status == umas::ANSWER_OK).unit(unit));
    if function == 0x02 && status == umas::ANSWER_OK {
        umas::plc_id(data.get(2..).unwrap_or_default(), out);
    }
}

/// Bits and registers of an answer, as points `holding-register/1/40`.
fn values_of(unit: u8, table: Table, (first, count): (u16, u16), data: &[u8], out: &mut Output) {
    for index in 0..count {
        let at = usize::from(index);
        let value = if table.is_bit() {
            data.get(at >> 3).map(|b| PointValue::Bool(b >> (at & 7) & 1 == 1))
        } else {
            let start = at.saturating_mul(2);
            let pair = data.get(start..).and_then(|d| d.first_chunk::<2>());
            pair.map(|p| PointValue::Unsigned(u64::from(u16::from_be_bytes(*p))))
        };
        let Some(value) = value else { return };
        let point = format!("{}/{unit}/{}", table.name(), first.wrapping_add(index));
        out.value(point, value, (None, Quality::Good));
    }
}

fn written_values(unit: u8, request: &Request<'_>, out: &mut Output) {
    match *request {
        Request::WriteSingle { table: Table::Coil, address, value } => {
            let data = [u8::from(value != 0)];
            values_of(unit, Table::Coil, (address, 1), &data, out);
        }
        Request::WriteSingle { table, address, value } => {
            values_of(unit, table, (address, 1), &value.to_be_bytes(), out);
        }
        Request::WriteMultiple { table, first, count, data } => {
            values_of(unit, table, (first, count), data, out);
        }
        Request::ReadWrite { write, data, .. } => {
            values_of(unit, Table::HoldingRegister, write, data, out);
        }
        _ => {}
    }
}
