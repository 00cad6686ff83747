//! Reads the PDUs of one S7 conversation: counts, operations, values.

use super::{
    S7_ERROR_GROUP, S7_GROUP,
    limits::PENDING_JOBS_MAX,
    names, userdata,
    userdata::Userdata,
    wire::{self, ACK, ACK_DATA, Item, JOB, Pdu, USERDATA},
};
use crate::{Output, Side, output::Op, text};
use model::{OperationClass, PointValue, Quality, Scalar, Time};
use std::collections::VecDeque;

const READ: u8 = 4;
const WRITE: u8 = 5;

/// A job that was not answered for so long is not, once another comes with its reference: some
/// clients use one for all.
const UNANSWERED_NANOS: i64 = 1_000_000_000;

struct Asked {
    at: Time,
    reference: u16,
    function: u8,
    /// What it is for; an answer names its function alone, and a refusal not even that.
    meaning: (OperationClass, &'static str),
    items: Vec<Option<Item>>,
}

#[derive(Default)]
pub struct Conversation {
    pending: VecDeque<Asked>,
    userdata: Userdata,
}

impl Conversation {
    /// Octets of one side are lost. Parts of a list come from the server alone.
    pub fn gap(&mut self, from: Side) {
        self.pending.clear();
        if from == Side::Server {
            self.userdata.gap();
        }
    }

    /// Reads one PDU that begins with 0x32 and a known message type.
    pub fn read(&mut self, at: Time, payload: &[u8], out: &mut Output) {
        let pdu = match wire::parse(payload) {
            Ok(pdu) => pdu,
            Err(_) => {
                let rosctr = payload.get(1).map_or(0, |b| u64::from(*b));
                count(rosctr, [None; 4], out);
                let says = "an S7 message shorter than its header says";
                return out.violation("s7-length-invalid", says, "S7comm header");
            }
        };
        if let Some((class, _)) = pdu.error {
            out.count(&S7_ERROR_GROUP, [Scalar::Number(u64::from(class))]);
        }
        let rosctr = u64::from(pdu.rosctr);
        let function = pdu.parameter.first().copied();
        match pdu.rosctr {
            JOB | ACK_DATA => count(rosctr, [function, None, None, None], out),
            USERDATA => match userdata::header(pdu.parameter) {
                Ok(header) => {
                    let (kind, group) = (Some(header.kind), Some(header.group));
                    // Mode transitions (group 0) have no subfunction.
                    let subfunction = Some(header.subfunction).filter(|_| header.group != 0);
                    count(rosctr, [None, kind, group, subfunction], out);
                    self.userdata.read(&pdu, &header, out);
                }
                Err(_) => count(rosctr, [None; 4], out),
            },
            _ => count(rosctr, [None; 4], out),
        }
        match (pdu.rosctr, function) {
            (JOB, Some(function)) => self.job(&pdu, at, function, out),
            (ACK_DATA | ACK, function) => {
                // A refusal may come without the function.
                let is_it = |asked: &Asked| {
                    asked.reference == pdu.reference
                        && function.is_none_or(|function| function == asked.function)
                };
                let at = self.pending.iter().position(is_it);
                let asked = at.and_then(|at| self.pending.remove(at));
                match function {
                    Some(function) if pdu.rosctr == ACK_DATA => answer(&pdu, function, asked, out),
                    _ => acknowledged(&pdu, asked.as_ref(), out),
                }
            }
            _ => {}
        }
    }

    fn job(&mut self, pdu: &Pdu<'_>, at: Time, function: u8, out: &mut Output) {
        let (class, name) = names::function(function);
        // In a download the controller fetches the blocks: its jobs are part of the answer to the
        // station that asked for the download, and the station's acknowledgements bring the code.
        let op = match fetches_blocks(function) {
            true => Op::response(class, u32::from(function), name),
            false => Op::request(class, u32::from(function), name),
        };
        let op = match function {
            0x1a | 0x1d => block_name(op, pdu.parameter),
            0x28 => invocation(pdu.parameter),
            _ => op,
        };
        let meaning = (op.class, op.name);
        let items = match function {
            READ | WRITE => variables(pdu, op, function, out),
            _ => {
                out.operation(op);
                Vec::new()
            }
        };
        if !fetches_blocks(function) {
            self.wait(Asked { at, reference: pdu.reference, function, meaning, items }, out);
        }
    }

    fn wait(&mut self, new: Asked, out: &mut Output) {
        let awaited = |asked: &Asked| new.at.since(asked.at) < UNANSWERED_NANOS;
        self.pending.retain(|asked| asked.reference != new.reference || awaited(asked));
        if self.pending.len() >= PENDING_JOBS_MAX {
            self.pending.pop_front();
            out.limit("s7-pending-jobs");
        }
        self.pending.push_back(new);
    }
}

/// The items of a read or write, said one by one.
fn variables(pdu: &Pdu<'_>, op: Op, function: u8, out: &mut Output) -> Vec<Option<Item>> {
    let Ok(items) = wire::items(pdu.parameter) else {
        let says = "items longer than the job";
        out.violation("s7-items-invalid", says, "S7comm read and write");
        out.operation(op);
        return Vec::new();
    };
    for item in &items {
        match item {
            Some(item) => out.operation(with_item(op.clone(), item)),
            None => out.operation(op.clone()),
        }
    }
    if function == WRITE && out.values_wanted {
        let values = wire::results(pdu.data, items.len());
        for (item, (_, octets)) in items.iter().zip(values) {
            item.iter().for_each(|item| values_of(item, octets, out));
        }
    }
    items
}

fn answer(pdu: &Pdu<'_>, function: u8, asked: Option<Asked>, out: &mut Output) {
    let (class, name) = asked.as_ref().map_or(names::function(function), |asked| asked.meaning);
    if fetches_blocks(function) {
        return out.operation(Op::request(class, u32::from(function), name));
    }
    let op = Op::response(class, u32::from(function), name);
    if let Some((class @ 1.., code)) = pdu.error {
        let code = u32::from(class) << 8 | u32::from(code);
        return out.operation(op.refused(code, names::error_class(class)));
    }
    if !matches!(function, READ | WRITE) {
        return out.operation(op.done());
    }
    let Some(Asked { items, .. }) = asked else {
        return out.operation(op.done());
    };
    if function == WRITE {
        for (item, code) in items.iter().zip(pdu.data) {
            let op = item.as_ref().map_or(op.clone(), |item| with_item(op.clone(), item));
            out.operation(finished(op, *code));
        }
        return;
    }
    for (item, (code, octets)) in items.iter().zip(wire::results(pdu.data, items.len())) {
        let Some(item) = item else {
            out.operation(finished(op.clone(), code));
            continue;
        };
        out.operation(finished(with_item(op.clone(), item), code));
        if code == 0xff && out.values_wanted {
            values_of(item, octets, out);
        }
    }
}

fn count(rosctr: u64, keys: [Option<u8>; 4], out: &mut Output) {
    let [a, b, c, d] = keys.map(|k| k.map_or(Scalar::Null, |k| Scalar::Number(u64::from(k))));
    out.count(&S7_GROUP, [Scalar::Number(rosctr), a, b, c, d]);
}

fn finished(op: Op, code: u8) -> Op {
    match code {
        0xff => op.done(),
        code => op.refused(u32::from(code), names::item_error(code)),
    }
}

fn with_item(op: Op, item: &Item) -> Op {
    let octets = if item.element == 1 { 1 } else { item.element_octets() };
    let count = u32::from(item.count).saturating_mul(octets as u32);
    op.range(item.area_name(), u32::from(item.block), item.address >> 3, count)
}

fn acknowledged(pdu: &Pdu<'_>, asked: Option<&Asked>, out: &mut Output) {
    if let Some((class @ 1.., code)) = pdu.error {
        let op = match asked {
            Some(Asked { function, meaning: (class, name), .. }) => {
                Op::response(*class, u32::from(*function), name)
            }
            None => Op::response(OperationClass::Other, 0, "acknowledge"),
        };
        let code = u32::from(class) << 8 | u32::from(code);
        out.operation(op.refused(code, names::error_class(class)));
    }
}

/// Download block and download ended: jobs that a controller sends.
const fn fetches_blocks(function: u8) -> bool {
    matches!(function, 0x1b | 0x1c)
}

/// Names of blocks stand as text: `_0A00001P` is DB 1 in the passive file system.
fn block_name(op: Op, parameter: &[u8]) -> Op {
    let name = parameter.iter().position(|b| *b == b'_').and_then(|at| parameter.get(at..));
    let Some([_, b'0', kind, number @ ..]) = name else { return op };
    let digits: String = number.iter().take(5).map(|b| char::from(*b)).collect();
    match digits.parse::<u32>() {
        Ok(number) => op.named("block", &format!("{} {number}", names::block_type(*kind))),
        Err(_) => op,
    }
}

/// The service is the text at the end, behind its length.
fn invocation(parameter: &[u8]) -> Op {
    let is_name = |b: &u8| b.is_ascii_uppercase() || *b == b'_';
    let length = parameter.iter().rev().take_while(|b| is_name(b)).count();
    let at = parameter.len().saturating_sub(length);
    let service = text::lossy(parameter.get(at..).unwrap_or_default());
    let (class, name) = names::invocation(&service);
    Op::request(class, 0x28, name).named("service", &service)
}

/// Values of an item, as points `DB1.DBX0.0`, `DB1.DBD4`, `MW10`.
fn values_of(item: &Item, octets: &[u8], out: &mut Output) {
    let width = item.element_octets();
    for (index, chunk) in octets.chunks_exact(width).take(usize::from(item.count)).enumerate() {
        let bits = (index as u32).saturating_mul(if item.element == 1 { 1 } else { 8 });
        let address = item.address.saturating_add(bits.saturating_mul(if item.element == 1 {
            1
        } else {
            width as u32
        }));
        let (byte, bit) = (address >> 3, address & 7);
        let prefix = match item.area {
            0x84 => format!("DB{}.DB", item.block),
            _ => item.area_name().to_owned(),
        };
        let (suffix, value) = match (item.element, chunk) {
            (1, [b]) => {
                let letter = if item.area == 0x84 { "X" } else { "" };
                (format!("{letter}{byte}.{bit}"), PointValue::Bool(b & 1 == 1))
            }
            (5, [a, b]) => {
                (format!("W{byte}"), PointValue::Int(i16::from_be_bytes([*a, *b]).into()))
            }
            (4, [a, b]) => {
                (format!("W{byte}"), PointValue::Unsigned(u16::from_be_bytes([*a, *b]).into()))
            }
            (8, [a, b, c, d]) => {
                let real = f32::from_be_bytes([*a, *b, *c, *d]);
                (format!("D{byte}"), PointValue::Float(real.into()))
            }
            (7, [a, b, c, d]) => {
                let long = i32::from_be_bytes([*a, *b, *c, *d]);
                (format!("D{byte}"), PointValue::Int(long.into()))
            }
            (6, [a, b, c, d]) => {
                let long = u32::from_be_bytes([*a, *b, *c, *d]);
                (format!("D{byte}"), PointValue::Unsigned(long.into()))
            }
            (_, [b, ..]) => (format!("B{byte}"), PointValue::Unsigned((*b).into())),
            _ => continue,
        };
        out.value(format!("{prefix}{suffix}"), value, (None, Quality::Good));
    }
}
