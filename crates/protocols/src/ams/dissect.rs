//! Reads an AMS conversation: counts, operations, symbols, states, device info.
//!
//! Invariant: symbols and requests kept are bounded; the oldest go first.

use super::{
    AMS_GROUP, discovery, names,
    wire::{AMS_HEADER_OCTETS, Ams, Symbol, TCP_HEADER_OCTETS, tcp_length},
};
use crate::{Carrier, Dissector, Gap, Malformed, Output, Progress, Segment, output::Op, text};
use model::{OperationClass as Class, PointValue, Quality, Scalar, Subject};
use std::collections::VecDeque;
use wire::{Reader, Short};

/// Requests of one conversation whose answers are awaited.
const PENDING_MAX: usize = 64;
/// Symbols of one conversation that are remembered.
const SYMBOLS_MAX: usize = 512;
/// Longest AMS packet that is taken for one.
const PACKET_OCTETS_MAX: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Conversation {
    asked: VecDeque<Asked>,
    symbols: VecDeque<Known>,
    /// Sender's net id was told: (client, server).
    told: [bool; 2],
}

struct Asked {
    invoke: u32,
    command: u16,
    class: Class,
    name: &'static str,
    group: u32,
    offset: u32,
    octets: u32,
    port: u16,
    symbol: Option<Box<str>>,
    /// Index group, offset and octets of each read of a sum.
    places: Vec<(u32, u32, u32)>,
}

/// A symbol whose handle or place and type are known.
struct Known {
    port: u16,
    name: Box<str>,
    handle: Option<u32>,
    /// Index group and offset of its value.
    place: Option<(u32, u32)>,
    kind: u32,
    /// Number of the notification that tells its changes.
    notification: Option<u32>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier != Carrier::Tcp {
            out.begin("ams", 0..bytes.len());
            discovery::read(bytes, out);
            return Progress::Consumed(bytes.len());
        }
        let Some(length) = tcp_length(bytes) else {
            return match bytes.len() >= TCP_HEADER_OCTETS {
                true => Progress::GiveUp(Malformed::new("ams-tcp-header-invalid")),
                false => Progress::NeedMore { consumed: 0, needed: TCP_HEADER_OCTETS },
            };
        };
        if !(AMS_HEADER_OCTETS..PACKET_OCTETS_MAX).contains(&length) {
            return Progress::GiveUp(Malformed::new("ams-length-invalid"));
        }
        let octets = TCP_HEADER_OCTETS.saturating_add(length);
        let Some(packet) = bytes.get(TCP_HEADER_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        let Ok(ams) = Ams::parse(packet) else {
            return Progress::GiveUp(Malformed::new("ams-header-invalid"));
        };
        out.begin("ams", 0..octets);
        if usize::try_from(ams.length).ok() != Some(ams.data.len()) {
            let says = "data of another length than the AMS header says";
            out.violation("ams-data-length", says, "Beckhoff AMS/ADS specification, AMS header");
        }
        let kind = if ams.is_answer() { "response" } else { "request" };
        let command = Scalar::Number(u64::from(ams.command));
        out.count(&AMS_GROUP, [command, Scalar::Word(kind)]);
        if let Some(told) = self.told.get_mut(segment.from as usize)
            && !std::mem::replace(told, true)
        {
            let net = ams.source.to_string();
            out.identity(Subject::Sender, "AMS header", [("ams_net_id", net)]);
        }
        if ams.is_answer() {
            self.answer(&ams, out);
        } else {
            self.request(&ams, out);
        }
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }
}

impl Conversation {
    fn request(&mut self, ams: &Ams<'_>, out: &mut Output) {
        let mut r = Reader::new(ams.data);
        let (mut class, mut name) = names::command(ams.command);
        let (mut group, mut offset, mut octets) = (0, 0, 0);
        let mut written: &[u8] = &[];
        match ams.command {
            2 | 3 | 6 | 9 => {
                (group, offset) = (r.le32().unwrap_or(0), r.le32().unwrap_or(0));
                octets = r.le32().unwrap_or(0);
                if ams.command == 9 {
                    r.skip(4).unwrap_or_default();
                }
                written = r.rest();
            }
            5 => (class, name) = names::control(r.le16().unwrap_or(0)),
            8 => {
                let op = Op::notice(class, u32::from(ams.command), name);
                out.operation(op.unit(ams.source.port.into()));
                return self.notified(ams, out);
            }
            _ => {}
        }
        let write = ams.command == 3;
        let system = if ams.target.port == names::SYSTEM_SERVICE && ams.command != 6 {
            names::system(group, write)
        } else {
            None
        };
        if matches!(ams.command, 2 | 3 | 9) {
            (class, name) =
                system.or_else(|| names::general(group, write)).unwrap_or((class, name));
        }
        if ams.command == 9
            && !written.is_empty()
            && let Some(meaning) = names::written_and_read(group)
        {
            (class, name) = meaning;
        }
        let symbol = self.symbol(ams, group, offset, written);
        let port = ams.target.port;
        let op = Op::request(class, u32::from(ams.command), name).unit(u32::from(port));
        out.operation(match (&symbol, ams.command) {
            (Some(symbol), _) => op.named(area(group), symbol),
            (None, 2 | 3 | 6 | 9) => op.range("index-group", group, offset, octets),
            _ => op,
        });
        if write && out.values_wanted {
            self.value(port, (group, offset), written, out);
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("ams-pending-requests");
        }
        let (invoke, command) = (ams.invoke, ams.command);
        let sum = command == 9 && group == names::SUM_READ && out.values_wanted;
        let places = if sum { places(written) } else { Vec::new() };
        let asked =
            Asked { invoke, command, class, name, group, offset, octets, port, symbol, places };
        self.asked.push_back(asked);
    }

    /// The symbol a request names, by its text or by a handle handed out before.
    fn symbol(&self, ams: &Ams<'_>, group: u32, offset: u32, data: &[u8]) -> Option<Box<str>> {
        match (ams.command, group) {
            (
                9,
                names::HANDLE_BY_NAME
                | names::VALUE_BY_NAME
                | names::SYMBOL_BY_NAME
                | names::SYMBOL_BY_NAME_EX,
            ) => {
                let name = text::lossy(data.get(..data.len().min(256))?);
                Some(name.trim_end_matches('\0').into())
            }
            (2 | 3 | 6, _) | (9, names::VALUE_BY_HANDLE) => {
                self.known(ams.target.port, (group, offset)).map(|k| k.name.clone())
            }
            (9, 200) if ams.target.port == names::SYSTEM_SERVICE => {
                // Key and value name of the registry, each ended by NUL.
                let key = text::lossy(data.get(..data.len().min(256))?);
                Some(key.trim_end_matches('\0').replace('\0', "\\").into())
            }
            _ => None,
        }
    }

    /// The symbol at an index group and offset, or of a handle.
    fn known(&self, port: u16, (group, offset): (u32, u32)) -> Option<&Known> {
        self.symbols.iter().find(|k| {
            k.port == port
                && match group {
                    names::VALUE_BY_HANDLE => k.handle == Some(offset),
                    _ => k.place == Some((group, offset)),
                }
        })
    }

    fn remember(&mut self, port: u16, name: &str, out: &mut Output) -> Option<&mut Known> {
        let at = self.symbols.iter().position(|k| k.port == port && *k.name == *name);
        let at = match at {
            Some(at) => at,
            None => {
                if self.symbols.len() >= SYMBOLS_MAX {
                    self.symbols.pop_front();
                    out.limit("ams-symbols");
                }
                self.symbols.push_back(Known {
                    port,
                    name: name.into(),
                    handle: None,
                    place: None,
                    kind: 0,
                    notification: None,
                });
                self.symbols.len().saturating_sub(1)
            }
        };
        self.symbols.get_mut(at)
    }

    fn answer(&mut self, ams: &Ams<'_>, out: &mut Output) {
        let at = self.asked.iter().position(|a| {
            (a.invoke, a.command, a.port) == (ams.invoke, ams.command, ams.source.port)
        });
        let asked = at.and_then(|at| self.asked.remove(at));
        let mut r = Reader::new(ams.data);
        let result = match (ams.error, r.le32()) {
            (0, Ok(result)) => result,
            (error, _) => error,
        };
        // All may be well with a sum of requests and not with one of them.
        let result = match (&asked, result) {
            (Some(asked), 0) if asked.command == 9 => {
                names::sum_result(asked.group, asked.offset, ams.data.get(8..).unwrap_or_default())
            }
            (_, result) => result,
        };
        let (class, name) =
            asked.as_ref().map_or(names::command(ams.command), |a| (a.class, a.name));
        let op = Op::response(class, u32::from(ams.command), name).unit(ams.source.port.into());
        let op = match &asked {
            Some(Asked { symbol: Some(symbol), group, .. }) => op.named(area(*group), symbol),
            Some(a) if matches!(a.command, 2 | 3 | 9) => {
                op.range("index-group", a.group, a.offset, a.octets)
            }
            _ => op,
        };
        out.operation(match result {
            0 => op.done(),
            code => op.refused(code, names::error(code)),
        });
        let summed = asked.as_ref().is_some_and(|a| a.group == names::SUM_READ);
        if result != 0 && !summed {
            return;
        }
        match ams.command {
            1 => device_info(ams, r, out),
            4 => {
                if let Some(state) = r.le16().ok().and_then(names::state)
                    && ams.source.port == names::SYSTEM_SERVICE
                {
                    out.state(Subject::Sender, "mode", state);
                }
            }
            2 | 9 => {
                if let (Ok(_), Some(asked)) = (r.le32(), asked) {
                    self.read(&asked, r.rest(), out);
                }
            }
            6 => {
                if let (Ok(number), Some(Asked { symbol: Some(name), port, .. })) =
                    (r.le32(), asked)
                    && let Some(known) = self.remember(port, &name, out)
                {
                    known.notification = Some(number);
                }
            }
            _ => {}
        }
    }

    /// Data that was read: handles, symbols, values.
    fn read(&mut self, asked: &Asked, data: &[u8], out: &mut Output) {
        let handle = data.first_chunk::<4>().map(|h| u32::from_le_bytes(*h));
        match (&asked.symbol, asked.group) {
            (Some(name), names::HANDLE_BY_NAME) => {
                // A handle that was given back is given out again.
                let same = |k: &&mut Known| k.port == asked.port && k.handle == handle;
                self.symbols.iter_mut().filter(same).for_each(|k| k.handle = None);
                if let Some(known) = self.remember(asked.port, name, out) {
                    known.handle = handle;
                }
            }
            (Some(name), names::SYMBOL_BY_NAME_EX) => {
                if let Ok(symbol) = Symbol::parse(data)
                    && let Some(known) = self.remember(asked.port, name, out)
                {
                    known.kind = symbol.kind;
                    known.place = Some((symbol.group, symbol.offset));
                }
            }
            (_, names::SUM_READ) if out.values_wanted => self.sum(asked, data, out),
            _ if out.values_wanted => {
                self.value(asked.port, (asked.group, asked.offset), data, out);
            }
            _ => {}
        }
    }

    /// Results of all reads, then the data of all; those of a read that failed are none.
    fn sum(&self, asked: &Asked, data: &[u8], out: &mut Output) {
        let results = usize::try_from(asked.offset).unwrap_or(usize::MAX).saturating_mul(4);
        let (mut result, mut r) =
            (Reader::new(data), Reader::new(data.get(results..).unwrap_or_default()));
        for place in &asked.places {
            let (group, offset, octets) = *place;
            let Ok(octets) = r.bytes(octets.try_into().unwrap_or(usize::MAX)) else { return };
            if result.le32() == Ok(0) {
                self.value(asked.port, (group, offset), octets, out);
            }
        }
    }

    /// Stamps with samples, each with the number of its notification (ADS device notification).
    fn notified(&self, ams: &Ams<'_>, out: &mut Output) {
        if out.values_wanted {
            // A stream cut short has told what it held.
            let _short = self.samples(ams, out);
        }
    }

    fn samples(&self, ams: &Ams<'_>, out: &mut Output) -> Result<(), Short> {
        let mut r = Reader::new(ams.data);
        r.skip(4)?;
        for _ in 0..r.le32()? {
            r.skip(8)?;
            for _ in 0..r.le32()? {
                let (number, octets) = (r.le32()?, r.le32()?);
                let octets = r.bytes(octets.try_into().unwrap_or(usize::MAX))?;
                let known = self
                    .symbols
                    .iter()
                    .find(|k| k.port == ams.source.port && k.notification == Some(number));
                known.into_iter().for_each(|k| k.tell(octets, out));
            }
        }
        Ok(())
    }

    fn value(&self, port: u16, place: (u32, u32), data: &[u8], out: &mut Output) {
        if let Some(known) = self.known(port, place) {
            known.tell(data, out);
        }
    }
}

impl Known {
    fn tell(&self, data: &[u8], out: &mut Output) {
        // Numbers of automation types; BIT, BOOL and the unsigned ones are the usual IEC types. An
        // array has the number of its elements and more octets than one of them.
        let value = match (self.kind, data) {
            (33, [v]) => PointValue::Bool(*v != 0),
            (16, [v]) => PointValue::Int(i64::from(i8::from_le_bytes([*v]))),
            (17, [v]) => PointValue::Unsigned(u64::from(*v)),
            (2, &[a, b]) => PointValue::Int(i64::from(i16::from_le_bytes([a, b]))),
            (18, &[a, b]) => PointValue::Unsigned(u64::from(u16::from_le_bytes([a, b]))),
            (3, &[a, b, c, d]) => PointValue::Int(i64::from(i32::from_le_bytes([a, b, c, d]))),
            (19, &[a, b, c, d]) => {
                PointValue::Unsigned(u64::from(u32::from_le_bytes([a, b, c, d])))
            }
            (4, &[a, b, c, d]) => PointValue::Float(f64::from(f32::from_le_bytes([a, b, c, d]))),
            (5 | 20 | 21, data) => match (self.kind, <[u8; 8]>::try_from(data)) {
                (5, Ok(octets)) => PointValue::Float(f64::from_le_bytes(octets)),
                (20, Ok(octets)) => PointValue::Int(i64::from_le_bytes(octets)),
                (_, Ok(octets)) => PointValue::Unsigned(u64::from_le_bytes(octets)),
                _ => return,
            },
            _ => return,
        };
        out.value(self.name.to_string(), value, (None, Quality::Good));
    }
}

/// Index group, offset and octets of each read of a sum.
fn places(data: &[u8]) -> Vec<(u32, u32, u32)> {
    const SUM_MAX: usize = 512;
    let mut r = Reader::new(data);
    let next = || Some((r.le32().ok()?, r.le32().ok()?, r.le32().ok()?));
    std::iter::from_fn(next).take(SUM_MAX).collect()
}

/// What a name is a name of, by the index group it stands with.
const fn area(group: u32) -> &'static str {
    if group == 200 { "registry" } else { "symbol" }
}

/// Version and name of the service behind a port; that of the system service is the controller's.
fn device_info(ams: &Ams<'_>, mut r: Reader<'_>, out: &mut Output) {
    let (Ok(major), Ok(minor), Ok(build)) = (r.u8(), r.u8(), r.le16()) else { return };
    let name = text::lossy(r.rest().get(..16).unwrap_or(r.rest()));
    let name = name.split('\0').next().unwrap_or_default();
    let software = format!("{name} {major}.{minor}.{build}");
    out.identity(Subject::Sender, "read device info", [("software", software)]);
    if ams.source.port == names::SYSTEM_SERVICE {
        let firmware = format!("TwinCAT {major}.{minor}.{build}");
        let facts = [("vendor", "Beckhoff Automation".to_owned()), ("firmware", firmware)];
        out.identity(Subject::Sender, "read device info", facts);
    }
}
