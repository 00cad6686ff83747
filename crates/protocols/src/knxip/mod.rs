//! KNXnet/IP: discovery, tunnelling, routing, and the telegrams on the bus within them.
//!
//! Read `wire` for frames and telegrams. Not here: KNX Secure payloads, which are encrypted.
//! Invariant: a telegram's data has no type on the bus; one to four octets are told as a number.

pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, text,
};
use model::{OperationClass as Class, PointValue, Quality, Scalar, Subject};
use wire::{Block, HEADER_OCTETS, Header, Telegram, blocks, individual};

pub static KNXIP_GROUP: Group = Group { name: "knxip", ends: Ends::Pair, keys: &["service"] };

pub struct KnxIp;
pub static KNXIP: KnxIp = KnxIp;

static ABOUT: About = About {
    name: "knxip",
    title: "KNXnet/IP",
    specs: &["EN ISO 22510:2020 (KNXnet/IP)", "ISO/IEC 14543-3 (telegrams, application layer)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[3_671],
    groups: &[&KNXIP_GROUP],
    depth: "all services; device information; telegrams by group address with values, individual \
            address writes, memory writes, restarts; properties",
};

impl Protocol for KnxIp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(header) = Header::parse(head) else {
            let tcp = hint.carrier == Carrier::Tcp && hint.port;
            let possible = tcp && [6, 0x10].starts_with(head.get(..2).unwrap_or(head));
            return if possible { Probe::NeedMore } else { Probe::NoMatch };
        };
        let length = usize::from(header.length);
        let there = head.len().saturating_add(hint.missing);
        let known = service(header.service).is_some();
        let fits = match hint.carrier {
            Carrier::Tcp => known,
            _ if hint.port => length == there || known && another(head, length).is_some(),
            _ => known && length == there,
        };
        if fits { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

/// What stands behind a frame of so many octets in its datagram, if that begins another one.
fn another(bytes: &[u8], octets: usize) -> Option<&[u8]> {
    let behind = bytes.get(octets.max(HEADER_OCTETS)..)?;
    let header = Header::parse(behind).ok()?;
    let whole = (HEADER_OCTETS..=behind.len()).contains(&usize::from(header.length));
    (whole && service(header.service).is_some()).then_some(behind)
}

/// Services by number: class, name, and whether it answers.
const fn service(number: u16) -> Option<(Class, &'static str, bool)> {
    Some(match number {
        0x0201 => (Class::Browse, "search request", false),
        0x0202 => (Class::Browse, "search response", true),
        0x0203 => (Class::Browse, "description request", false),
        0x0204 => (Class::Browse, "description response", true),
        0x0205 => (Class::Session, "connect request", false),
        0x0206 => (Class::Session, "connect response", true),
        0x0207 => (Class::Session, "connection state request", false),
        0x0208 => (Class::Session, "connection state response", true),
        0x0209 => (Class::Session, "disconnect request", false),
        0x020a => (Class::Session, "disconnect response", true),
        0x020b => (Class::Browse, "search request extended", false),
        0x020c => (Class::Browse, "search response extended", true),
        0x0310 => (Class::Configure, "device configuration request", false),
        0x0311 => (Class::Session, "device configuration acknowledgement", true),
        0x0420 => (Class::Other, "tunnelling request", false),
        0x0421 => (Class::Session, "tunnelling acknowledgement", true),
        0x0422 => (Class::Diagnose, "tunnelling feature get", false),
        0x0423 => (Class::Diagnose, "tunnelling feature response", true),
        0x0424 => (Class::Configure, "tunnelling feature set", false),
        0x0425 => (Class::Report, "tunnelling feature info", true),
        0x0530 => (Class::Other, "routing indication", false),
        0x0531 => (Class::Report, "routing lost message", true),
        0x0532 => (Class::Report, "routing busy", true),
        0x0533 => (Class::Other, "routing system broadcast", false),
        0x0740 => (Class::Diagnose, "remote diagnostic request", false),
        0x0741 => (Class::Diagnose, "remote diagnostic response", true),
        0x0742 => (Class::Configure, "remote basic configuration request", false),
        0x0743 => (Class::Reset, "remote reset request", false),
        0x0950 => (Class::Other, "secure wrapper", false),
        0x0951 => (Class::Authenticate, "session request", false),
        0x0952 => (Class::Authenticate, "session response", true),
        0x0953 => (Class::Authenticate, "session authenticate", false),
        0x0954 => (Class::Authenticate, "session status", true),
        0x0955 => (Class::Session, "timer notify", false),
        _ => return None,
    })
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let datagram = segment.carrier != Carrier::Tcp;
        let mut taken = 0usize;
        // A frame has a datagram of its own, but some senders put several into one.
        loop {
            let bytes = segment.bytes.get(taken..).unwrap_or_default();
            match frame(bytes, taken, &segment, out) {
                Progress::Consumed(octets) if datagram && octets < bytes.len() => {
                    taken = taken.saturating_add(octets);
                }
                Progress::Consumed(octets) => {
                    return Progress::Consumed(taken.saturating_add(octets));
                }
                other => return other,
            }
        }
    }

    fn gap(&mut self, _: Gap) {}
}

/// One frame at the beginning of these octets, which stand behind `before` of their segment.
fn frame(bytes: &[u8], before: usize, segment: &Segment<'_>, out: &mut Output) -> Progress {
    let datagram = segment.carrier != Carrier::Tcp;
    let Ok(header) = Header::parse(bytes) else {
        return match datagram || bytes.len() >= HEADER_OCTETS {
            true => Progress::GiveUp(Malformed::new("knx-header-invalid")),
            false => Progress::NeedMore { consumed: 0, needed: HEADER_OCTETS },
        };
    };
    let octets = usize::from(header.length).max(HEADER_OCTETS);
    let body = match bytes.get(HEADER_OCTETS..octets) {
        Some(body) => body,
        None if datagram => bytes.get(HEADER_OCTETS..).unwrap_or_default(),
        None => return Progress::NeedMore { consumed: 0, needed: octets },
    };
    let last = datagram && another(bytes, octets).is_none();
    let taken = if last { bytes.len() } else { octets };
    out.begin("knxip", before..before.saturating_add(taken.min(bytes.len())));
    if last && octets != bytes.len().saturating_add(segment.missing) {
        let says = "the total length is not that of the datagram";
        out.violation("knx-length", says, "EN ISO 22510, 5.2");
    }
    out.count(&KNXIP_GROUP, [Scalar::Number(u64::from(header.service))]);
    message(header.service, body, out);
    Progress::Consumed(taken)
}

fn message(number: u16, body: &[u8], out: &mut Output) {
    let Some((class, name, answers)) = service(number) else {
        let says = "a service that the standard does not define";
        return out.violation("knx-service-undefined", says, "EN ISO 22510, 5.3");
    };
    let function = u32::from(number);
    // Connection header: length, channel, sequence counter, reserved or status.
    const CONNECTION_HEADER: usize = 4;
    match (number, body) {
        (0x0420 | 0x0310, body) => {
            telegram(number, body.get(CONNECTION_HEADER..).unwrap_or_default(), out);
        }
        (0x0530 | 0x0533, body) => telegram(number, body, out),
        (0x0202 | 0x0204 | 0x020c, body) => {
            out.operation(Op::response(class, function, name).done());
            // The endpoint comes first in search responses (7.6).
            let skip = if number == 0x0204 { 0 } else { 8 };
            described(body.get(skip..).unwrap_or_default(), name, out);
        }
        // Channel and status.
        (0x0206 | 0x0208 | 0x020a, [_, status, ..]) => {
            let op = Op::response(class, function, name);
            out.operation(match status {
                0 => op.done(),
                status => op.refused(u32::from(*status), refusal(*status)),
            });
        }
        // Each side acknowledges what the other sends: that answers no request.
        (0x0311 | 0x0421, _) => out.operation(Op::notice(class, function, name)),
        _ if answers => out.operation(Op::response(class, function, name)),
        _ => out.operation(Op::request(class, function, name)),
    }
}

/// Error codes (EN ISO 22510, 5.5).
const fn refusal(status: u8) -> &'static str {
    match status {
        0x21 => "connection unknown",
        0x22 => "connection type not supported",
        0x23 => "connection option not supported",
        0x24 => "no more connections",
        0x25 => "no more unique connections",
        0x26 => "data connection error",
        0x27 => "KNX connection error",
        0x28 => "authorization error",
        0x29 => "tunnelling layer not supported",
        _ => "error",
    }
}

/// Device information (7.5.4.2): medium, status, address, project, serial, multicast address,
/// MAC, name.
fn described(bytes: &[u8], said_in: &'static str, out: &mut Output) {
    for Block { kind, data } in blocks(bytes) {
        match (kind, data) {
            (1, [_, status, high, low, _, _, rest @ ..]) => {
                let Some((serial, rest)) = rest.split_first_chunk::<6>() else { continue };
                let mac = rest.get(4..10).unwrap_or_default();
                let name = rest.get(10..40).unwrap_or_default();
                let hex = |octets: &[u8], between: &str| {
                    let octets: Vec<String> = octets.iter().map(|b| format!("{b:02x}")).collect();
                    octets.join(between)
                };
                let facts = [
                    ("name", text::lossy(name).trim_end_matches('\0').to_owned()),
                    ("serial", hex(serial, "")),
                    ("mac", hex(mac, ":")),
                    ("knx_address", individual(u16::from_be_bytes([*high, *low]))),
                ];
                let [high, low, ..] = *serial;
                let vendor = manufacturer(u16::from_be_bytes([high, low]));
                let vendor = vendor.map(|vendor| ("vendor", vendor.to_owned()));
                out.identity(Subject::Sender, said_in, facts.into_iter().chain(vendor));
                if status & 1 != 0 {
                    out.state(Subject::Sender, "mode", "programming");
                }
            }
            // Manufacturer data begins with the number of KNX Association's register.
            (0xfe, [high, low, ..]) => {
                let id = u16::from_be_bytes([*high, *low]).to_string();
                out.identity(Subject::Sender, said_in, [("vendor_id", id)]);
            }
            _ => {}
        }
    }
}

/// Manufacturers by their number in the register of KNX Association, with which serial numbers
/// begin (ISO/IEC 14543-3-3). Those whose interfaces and routers are common.
const fn manufacturer(number: u16) -> Option<&'static str> {
    Some(match number {
        1 => "Siemens",
        2 => "ABB",
        4 => "Albrecht Jung",
        6 => "Berker",
        7 => "Busch-Jaeger",
        8 => "Gira",
        9 => "Hager",
        12 => "Merten",
        72 => "Theben",
        100 => "Schneider Electric",
        113 => "Zennio",
        131 => "MDT technologies",
        166 => "Enertex",
        197 => "Weinzierl",
        200 => "B.E.G.",
        201 => "Elsner Elektronik",
        _ => return None,
    })
}

/// A message about the interface itself (EN ISO 22510, cEMI): its properties, functions, a reset.
fn interface(function: u32, bytes: &[u8], out: &mut Output) {
    let (class, name) = match bytes.first() {
        Some(0xfc | 0xfb) => (Class::Diagnose, "property read"),
        Some(0xf6 | 0xf5) => (Class::Configure, "property write"),
        Some(0xf8) => (Class::Configure, "function property command"),
        Some(0xf9) => (Class::Diagnose, "function property state read"),
        Some(0xf1) => (Class::Reset, "interface reset"),
        Some(0xf0) => return out.state(Subject::Sender, "restart", "interface reset"),
        Some(0xf7) => return out.operation(Op::notice(Class::Report, function, "property info")),
        Some(_) => (Class::Other, "cEMI message"),
        None => {
            let says = "no telegram in the message";
            return out.violation("knx-too-short", says, "EN ISO 22510, 6");
        }
    };
    // Object type, instance, property, four bits of number of elements, twelve of the first one.
    let (property, elements) = match bytes {
        [0xfc | 0xfb | 0xf6 | 0xf5, high, low, _, property, elements, ..] => {
            let object = u32::from(u16::from_be_bytes([*high, *low]));
            (Some((object, u32::from(*property))), elements >> 4)
        }
        _ => (None, 1),
    };
    let op = match bytes.first() {
        // Without elements stands why.
        Some(0xfb | 0xf5) if elements == 0 => {
            let why = bytes.get(7).copied().map_or(0, u32::from);
            Op::response(class, function, name).refused(why, "property refused")
        }
        Some(0xfb | 0xf5) => Op::response(class, function, name).done(),
        Some(0xfa) => Op::response(class, function, name),
        _ => Op::request(class, function, name),
    };
    out.operation(match property {
        Some((object, property)) => op.range("property", object, property, 1),
        None => op,
    });
}

/// A cEMI frame: a telegram on the bus or a property of the interface itself.
fn telegram(number: u16, bytes: &[u8], out: &mut Output) {
    let function = u32::from(number);
    let Some(telegram) = Telegram::parse(bytes) else {
        return interface(function, bytes, out);
    };
    let Some((apci, data)) = telegram.application else {
        if telegram.connects && telegram.message == 0x11 {
            let op = Op::request(Class::Session, function, "connect to device");
            let op = op.range("device", 0, u32::from(telegram.destination), 1);
            return out.operation(op.unit(u32::from(telegram.source)));
        }
        return out.operation(Op::notice(Class::Session, function, "transport control"));
    };
    let (class, name, answer) = application(apci);
    // What a tunnel tells its client was said on the bus by somebody else, to somebody else.
    let overheard = number == 0x0420 && telegram.message == 0x29 && matches!(apci, 0 | 0x080);
    let op = match (telegram.message, answer) {
        _ if overheard => Op::notice(Class::Report, apci.into(), name),
        // Confirmation of what the client sent itself: whether it went out on the bus.
        (0x2e, _) if telegram.failed => {
            Op::response(class, apci.into(), name).refused(1, "not confirmed on the bus")
        }
        (0x2e, _) => Op::response(class, apci.into(), name),
        (_, true) => Op::notice(class, apci.into(), name),
        _ => Op::request(class, apci.into(), name),
    };
    let area = if telegram.group { "group" } else { "device" };
    let destination = u32::from(telegram.destination);
    out.operation(op.range(area, 0, destination, 1).unit(u32::from(telegram.source)));
    let told = matches!(apci, 0x040 | 0x080) && telegram.group && telegram.message != 0x2e;
    if told && out.values_wanted {
        let value = match data {
            [] => u64::from(telegram.small),
            data if data.len() <= 4 => data.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b)),
            _ => return,
        };
        let address = telegram.destination;
        let point = format!("{}/{}/{}", address >> 11, address >> 8 & 7, address & 0xff);
        out.value(point, PointValue::Unsigned(value), (None, Quality::Good));
    }
}

/// Services of the application layer (ISO/IEC 14543-3-1): class, name, and whether it answers.
const fn application(apci: u16) -> (Class, &'static str, bool) {
    match apci {
        0x000 => (Class::Read, "group value read", false),
        0x040 => (Class::Report, "group value response", true),
        0x080 => (Class::Write, "group value write", false),
        0x0c0 => (Class::Configure, "individual address write", false),
        0x100 => (Class::Browse, "individual address read", false),
        0x140 => (Class::Browse, "individual address response", true),
        0x180 => (Class::Read, "ADC read", false),
        0x1c0 => (Class::Read, "ADC response", true),
        0x200 => (Class::ProgramUpload, "memory read", false),
        0x240 => (Class::ProgramUpload, "memory response", true),
        0x280 => (Class::ProgramDownload, "memory write", false),
        0x2c0 => (Class::Other, "user message", false),
        0x300 => (Class::Browse, "device descriptor read", false),
        0x340 => (Class::Browse, "device descriptor response", true),
        0x380 => (Class::Reset, "restart", false),
        0x3d1 => (Class::Authenticate, "authorize request", false),
        0x3d2 => (Class::Authenticate, "authorize response", true),
        0x3d3 => (Class::Configure, "key write", false),
        0x3d5 => (Class::Diagnose, "property value read", false),
        0x3d6 => (Class::Diagnose, "property value response", true),
        0x3d7 => (Class::Configure, "property value write", false),
        0x3d8 => (Class::Diagnose, "property description read", false),
        0x3d9 => (Class::Diagnose, "property description response", true),
        0x3dc => (Class::Browse, "serial number read", false),
        0x3de => (Class::Configure, "serial number write", false),
        0x3e0 => (Class::Configure, "domain address write", false),
        0x3f1 => (Class::Other, "secure service", false),
        _ => (Class::Other, "application service", false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn several_frames_in_one_datagram_are_each_counted() {
        let frame = Header { service: 0x0421, length: 10 }.emit(&[4, 1, 0, 0]);
        let two = [&frame[..], &frame].concat();
        let probe = |head: &[u8], port| {
            let hint = Hint { carrier: Carrier::Udp, port, from: Side::Client, missing: 0 };
            KNXIP.probe(head, hint)
        };
        assert_eq!([probe(&two, true), probe(&two, false)], [Probe::Match, Probe::NoMatch]);
        assert_eq!(probe(&two[..19], true), Probe::NoMatch);
        let mut out = Output::new(false);
        let datagram = Segment::of(&two, Side::Client, Carrier::Udp);
        assert_eq!(KNXIP.open().feed(datagram, &mut out), Progress::Consumed(20));
        assert_eq!(out.messages.len(), 2);
    }

    #[test]
    fn a_connection_to_a_device_is_asked_for_and_its_end_is_upkeep() {
        // Tunnel, then cEMI: L_Data.req to 1.1.5 without octets but the one of transport control.
        let said = |control: u8| {
            let body = [4, 1, 0, 0, 0x11, 0, 0xb0, 0x60, 0, 0, 0x11, 5, 0, control];
            let frame = Header { service: 0x0420, length: 20 }.emit(&body);
            let mut out = Output::new(false);
            KNXIP.open().feed(Segment::of(&frame, Side::Client, Carrier::Udp), &mut out);
            format!("{:?}", out.observed)
        };
        let (connect, disconnect) = (said(0x80), said(0x81));
        let device =
            r#""connect to device", object: Range { area: "device", block: 0, first: 4357"#;
        assert!(connect.contains("Request") && connect.contains(device), "{connect}");
        assert!(disconnect.contains("Notice"), "{disconnect}");
    }

    #[test]
    fn a_datagram_that_the_capture_cut_is_known_by_the_length_it_had() {
        let whole = Header { service: 0x0530, length: 17 }.emit(&[0; 11]);
        let probe = |head: &[u8], missing| {
            let hint = Hint { carrier: Carrier::Udp, port: true, from: Side::Client, missing };
            KNXIP.probe(head, hint)
        };
        assert_eq!(probe(&whole, 0), Probe::Match);
        assert_eq!(probe(&whole[..12], 5), Probe::Match);
        assert_eq!(probe(&whole[..12], 0), Probe::NoMatch);
        assert_eq!(probe(&whole[..12], 6), Probe::NoMatch);
    }
}
