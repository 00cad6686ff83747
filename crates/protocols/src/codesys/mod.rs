//! CODESYS V3: who answers the name service, and what a tool does with the runtime's services.
//!
//! The layout is that of Microsoft's ics-forensics-tools. Read `tags` for the data of services.
//! Not here: encrypted sessions, what tags beyond names and users mean. Invariant: a service is
//! read from its first block, so those after it say nothing.

mod tags;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{Authentication, OperationClass as Class, Subject};
use wire::{Reader, Short};

pub struct Codesys;
pub static CODESYS: Codesys = Codesys;

static ABOUT: About = About {
    name: "codesys",
    title: "CODESYS V3",
    specs: &["microsoft/ics-forensics-tools, CodeSysV3 plugin: layers of the protocol"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[1_740, 1_741, 1_742, 1_743, 11_740, 11_741, 11_742, 11_743],
    groups: &[],
    depth: "name service with node, device, vendor, firmware, serial; addresses of nodes; \
            channels; services by group and command: log-on with user and outcome, download, \
            start, stop, reset with application, files by name, variables",
};

const TCP_MAGIC: [u8; 4] = [0x00, 0x01, 0x17, 0xe8];
const TCP_HEADER_OCTETS: usize = 8;
const DATAGRAM: u8 = 0xc5;
const PACKET_OCTETS_MAX: usize = 64 * 1024;

impl Protocol for Codesys {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier == Carrier::Tcp {
            return match head.get(..4) {
                Some(magic) if magic == TCP_MAGIC => Probe::Match,
                None if hint.port && TCP_MAGIC.starts_with(head) => Probe::NeedMore,
                _ => Probe::NoMatch,
            };
        }
        match Datagram::parse(head) {
            Ok(Some(datagram)) if datagram.is_plausible(hint.port) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Conversation)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Datagram<'a> {
    hops: u8,
    service: u8,
    /// Of the node that sent it, within its network of routers.
    sender: &'a [u8],
    body: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Magic, hops and length of the header in octets of two, flags, service, message, lengths of
    /// both addresses; the whole is padded to four octets. `None` for anything else.
    fn parse(bytes: &'a [u8]) -> Result<Option<Datagram<'a>>, Short> {
        let mut r = Reader::new(bytes);
        let [magic, hops, _, service, _, lengths] = r.array()?;
        if magic != DATAGRAM {
            return Ok(None);
        }
        r.skip(usize::from(lengths >> 4).saturating_mul(2))?;
        let sender = r.bytes(usize::from(lengths & 0x0f).saturating_mul(2))?;
        let padding = r.position() & 3;
        if padding != 0 {
            r.skip(4_usize.saturating_sub(padding))?;
        }
        Ok(Some(Datagram { hops, service, sender, body: r.rest() }))
    }

    fn is_plausible(&self, port: bool) -> bool {
        // The low three bits are the length of the header before the addresses.
        let header = self.hops & 7 == 3;
        let inner = match self.service {
            3 | 4 => self.body.get(..2).is_some_and(|c| matches!(c, [0x80 | 1 | 2, 0xc2])),
            0x40 => self.body.first().is_some_and(|k| matches!(k, 1..=3 | 0x83 | 0xc2..=0xc4)),
            1 | 2 => port,
            _ => false,
        };
        header && inner
    }
}

struct Conversation;

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        if segment.carrier != Carrier::Tcp {
            out.begin("codesys", 0..bytes.len());
            read(bytes, out);
            return Progress::Consumed(bytes.len());
        }
        let Some(header) = bytes.first_chunk::<TCP_HEADER_OCTETS>() else {
            return Progress::NeedMore { consumed: 0, needed: TCP_HEADER_OCTETS };
        };
        let [a, b, c, d, e, f, g, h] = *header;
        let octets = usize::try_from(u32::from_le_bytes([e, f, g, h])).unwrap_or(usize::MAX);
        if [a, b, c, d] != TCP_MAGIC || !(TCP_HEADER_OCTETS..PACKET_OCTETS_MAX).contains(&octets) {
            return Progress::GiveUp(Malformed::new("codesys-header-invalid"));
        }
        let Some(packet) = bytes.get(TCP_HEADER_OCTETS..octets) else {
            return Progress::NeedMore { consumed: 0, needed: octets };
        };
        out.begin("codesys", 0..octets);
        read(packet, out);
        Progress::Consumed(octets)
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(bytes: &[u8], out: &mut Output) {
    let datagram = match Datagram::parse(bytes) {
        Ok(Some(datagram)) => datagram,
        _ => {
            let says = "not a datagram of the router layer";
            return out.violation("codesys-datagram", says, "CODESYS V3, datagram layer");
        }
    };
    match datagram.service {
        1 => out.operation(Op::request(Class::Session, 1, "address notification")),
        2 => out.operation(Op::response(Class::Session, 2, "address notification").done()),
        3 => out.operation(Op::request(Class::Browse, 3, "name service")),
        4 => name_service(&datagram, out),
        0x40 => channel(datagram.body, out),
        _ => {
            let says = "a service of the datagram layer that is not known";
            out.violation("codesys-service", says, "CODESYS V3, datagram layer");
        }
    }
}

/// Answer of the name service: lengths in letters, target, firmware; then the texts.
fn name_service(datagram: &Datagram<'_>, out: &mut Output) {
    out.operation(Op::response(Class::Browse, 4, "name service").done());
    if let Ok(mut facts) = node(datagram.body) {
        let words = datagram.sender.chunks(2);
        let words = words.map(|word| word.iter().map(|b| format!("{b:02X}")).collect::<String>());
        facts.push(("codesys_address", words.collect::<Vec<_>>().join(".")));
        out.identity(Subject::Sender, "name service", facts);
    }
}

/// Name, device, vendor, firmware and serial number of a node. Texts are ended by NUL, which
/// their lengths leave out.
fn node(body: &[u8]) -> Result<Vec<(&'static str, String)>, Short> {
    const FIXED_OCTETS: usize = 48;
    let mut r = Reader::new(body);
    r.skip(12)?;
    let offset = usize::from(r.le16()?);
    let lengths = [r.le16()?, r.le16()?, r.le16()?].map(usize::from);
    let (kind, id) = (r.le16()?, r.le16()?);
    r.skip(4)?;
    let [d, c, b, a] = r.array()?;
    r.skip(4)?;
    let serial = usize::from(r.u8()?);
    let mut r = Reader::new(body);
    r.skip(FIXED_OCTETS.saturating_add(offset))?;
    let mut facts = vec![
        ("firmware", format!("{a}.{b}.{c}.{d}")),
        ("device_type", kind.to_string()),
        ("product_code", format!("0x{id:04x}")),
    ];
    for (path, letters) in ["name", "model", "vendor"].into_iter().zip(lengths) {
        let octets = r.bytes(letters.saturating_add(1).saturating_mul(2))?;
        facts.push((path, text::utf16le(octets)));
    }
    facts.push(("serial", text::lossy(r.bytes(serial)?)));
    Ok(facts)
}

/// Channel layer: opening, closing, and blocks of which the first names the service.
fn channel(body: &[u8], out: &mut Output) {
    let kind = u32::from(body.first().copied().unwrap_or_default());
    let op = match (kind, body) {
        (0xc2, _) => Op::request(Class::Session, kind, "channel information"),
        (0xc3, _) => Op::request(Class::Session, kind, "open channel"),
        (0xc4, _) => Op::request(Class::Session, kind, "close channel"),
        (3, _) => Op::notice(Class::Session, kind, "keep channel alive"),
        // The reason stands behind checksum and message number.
        (0x83, body) => {
            let op = Op::response(Class::Session, kind, "open channel");
            match body.get(12..14) {
                Some([0, 0]) => op.done(),
                Some([low, high]) => {
                    op.refused(u32::from(u16::from_le_bytes([*low, *high])), "not opened")
                }
                _ => op,
            }
        }
        (1, [_, flags, rest @ ..]) if flags & 1 == 1 => {
            // Channel, block, acknowledged block, size, checksum.
            const BEFORE: usize = 18;
            return service(rest.get(BEFORE..).unwrap_or_default(), out);
        }
        _ => return,
    };
    out.operation(op);
}

/// Service layer: protocol, size of the rest of the header, group with the bit of answers,
/// command, session, octets of data; then the data.
fn service(bytes: &[u8], out: &mut Output) {
    const BEFORE_SIZE: usize = 4;
    let mut r = Reader::new(bytes);
    let (Ok(protocol), Ok(size), Ok(group), Ok(command)) = (r.le16(), r.le16(), r.le16(), r.le16())
    else {
        return;
    };
    if protocol == 0x7557 {
        let op = Op::request(Class::Other, 0, "encrypted service");
        return out.operation(op);
    }
    if protocol != 0xcd55 {
        let says = "a service protocol that is not known";
        return out.violation("codesys-service-protocol", says, "CODESYS V3, service layer");
    }
    let answer = group & 0x80 != 0;
    let group = group & 0x7f;
    let (class, name) = meaning(group, command);
    let function = u32::from(group) << 16 | u32::from(command);
    let data = bytes.get(BEFORE_SIZE.saturating_add(usize::from(size))..).unwrap_or_default();
    if answer && (group, command) == LOG_ON {
        return logged_on(data, Op::response(class, function, name), out);
    }
    if answer {
        return out.operation(Op::response(class, function, name).done());
    }
    let op = Op::request(class, function, name);
    out.operation(match group {
        // Applications and files are asked for by name, which is the first text of all tags.
        0x02 | 0x08 | 0x11 => match first_text(data) {
            Some(text) if group == 0x02 => op.named("application", text),
            Some(text) if group == 0x08 => op.named("file", text),
            Some(text) => op.named("command", text),
            None => op,
        },
        _ => op,
    });
    if (group, command) == LOG_ON {
        log_on(data, out);
    }
}

/// Group and command of the log-on to the device.
const LOG_ON: (u16, u16) = (0x01, 0x02);

fn first_text(data: &[u8]) -> Option<&str> {
    let mut found = None;
    tags::each(data, &mut |_, _, octets| found = found.or_else(|| tags::text(octets)));
    found
}

/// User and password stand side by side; the password is only mixed with a number that was sent
/// before, and is not looked at.
fn log_on(data: &[u8], out: &mut Output) {
    const CREDENTIALS: u32 = 0x81;
    const USER: u32 = 0x10;
    let mut user = None;
    tags::each(data, &mut |parent, id, octets| {
        if (parent, id) == (Some(CREDENTIALS), USER) {
            user = user.or_else(|| tags::text(octets));
        }
    });
    if let Some(user) = user {
        out.authentication(applicant(Some(user), None));
    }
}

/// A session for who was let in, or a code that is not zero; the number of a challenge may come
/// first, which is neither.
fn logged_on(data: &[u8], op: Op, out: &mut Output) {
    const OUTCOME: u32 = 0x82;
    const CODE: u32 = 0x20;
    const SESSION: u32 = 0x21;
    let (mut code, mut session) = (None, None);
    tags::each(data, &mut |parent, id, octets| match (parent, id, octets) {
        (Some(OUTCOME), CODE, [low, high, ..]) => code = Some(u16::from_le_bytes([*low, *high])),
        (Some(OUTCOME), SESSION, [a, b, c, d, ..]) => {
            session = Some(u32::from_le_bytes([*a, *b, *c, *d]));
        }
        _ => {}
    });
    match (code.unwrap_or_default(), session) {
        (0, None | Some(0)) => out.operation(op.done()),
        (0, Some(_)) => {
            out.operation(op.done());
            out.authentication(applicant(None, Some(true)));
        }
        (code, _) => {
            out.operation(op.refused(u32::from(code), "log-on refused"));
            out.authentication(applicant(None, Some(false)));
        }
    }
}

fn applicant(user: Option<&str>, accepted: Option<bool>) -> Authentication {
    Authentication {
        user: user.map(Into::into),
        accepted,
        clear_text: false,
        default_password: false,
        method: "codesys log-on",
    }
}

/// Groups are components of the runtime; commands of the application component change it.
const fn meaning(group: u16, command: u16) -> (Class, &'static str) {
    match (group, command) {
        (0x01, 0x01) => (Class::Diagnose, "device: get target identity"),
        (0x01, 0x02) => (Class::Authenticate, "device: log-on"),
        (0x01, 0x03) => (Class::Session, "device: log-off"),
        (0x01, 0x04) => (Class::Reset, "device: reset origin"),
        (0x01, _) => (Class::Diagnose, "device service"),
        (0x02, 0x01) => (Class::Session, "application: log-on"),
        (0x02, 0x02) => (Class::Session, "application: log-off"),
        (0x02, 0x03) => (Class::ProgramDownload, "application: create"),
        (0x02, 0x04) => (Class::ProgramDownload, "application: delete"),
        (0x02, 0x05) => (Class::ProgramDownload, "application: download"),
        (0x02, 0x06 | 0x07) => (Class::ProgramDownload, "application: online change"),
        (0x02, 0x10) => (Class::Start, "application: start"),
        (0x02, 0x11) => (Class::Stop, "application: stop"),
        (0x02, 0x12) => (Class::Reset, "application: reset"),
        (0x02, 0x13) => (Class::Configure, "application: set breakpoint"),
        (0x02, 0x14..=0x1f) => (Class::Diagnose, "application: status"),
        (0x02, _) => (Class::Other, "application service"),
        (0x04, _) => (Class::Read, "visualisation service"),
        (0x05, _) => (Class::Diagnose, "log service"),
        (0x06, _) => (Class::Configure, "settings service"),
        (0x08, _) => (Class::File, "file transfer service"),
        (0x09 | 0x1b, _) => (Class::Read, "variable or monitor service"),
        (0x0b, _) => (Class::Diagnose, "I/O manager service"),
        (0x0c, _) => (Class::Configure, "user manager service"),
        (0x0f, _) => (Class::Read, "trace service"),
        (0x11, _) => (Class::Configure, "PLC shell"),
        (0x12, _) => (Class::Configure, "breakpoint service"),
        (0x13, _) => (Class::Write, "force service"),
        _ => (Class::Other, "service"),
    }
}
