//! SSH (RFC 4253): the version banners and the algorithms offered. The rest is encrypted.
//!
//! Invariant: after the key exchange starts nothing is read; bytes are taken and dropped.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, Side, output::Op, text,
};
use model::{OperationClass, Scalar, Subject};

pub static SSH_BANNER: Group = Group { name: "ssh_banner", ends: Ends::Source, keys: &["banner"] };

pub struct Ssh;
pub static SSH: Ssh = Ssh;

static ABOUT: About = About {
    name: "ssh",
    title: "SSH",
    specs: &["RFC 4253, 4.2 and 7.1"],
    carriers: &[Carrier::Tcp],
    ports: &[22],
    groups: &[&SSH_BANNER],
    depth: "banners, software, operating system hints, key exchange algorithms",
};

/// RFC 4253, 4.2 bounds the identification line at 255; lines before it are allowed.
const BANNER_OCTETS_MAX: usize = 255;
const LINES_BEFORE_OCTETS_MAX: usize = 8_192;

impl Protocol for Ssh {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        let prefix = head.get(..head.len().min(4)).unwrap_or_default();
        match (head.starts_with(b"SSH-"), b"SSH-".starts_with(prefix)) {
            (true, _) => Probe::Match,
            (false, true) => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Reader>::default()
    }
}

#[derive(Default)]
struct Reader {
    client: Stage,
    server: Stage,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Banner,
    KeyExchange,
    Encrypted,
}

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let stage = match segment.from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        match *stage {
            Stage::Banner => read_banner(&segment, stage, out),
            Stage::KeyExchange => read_key_exchange(&segment, stage, out),
            Stage::Encrypted => Progress::Consumed(segment.bytes.len()),
        }
    }

    fn gap(&mut self, gap: Gap) {
        match gap.from {
            Side::Client => self.client = Stage::Encrypted,
            Side::Server => self.server = Stage::Encrypted,
        }
    }
}

fn read_banner(segment: &Segment<'_>, stage: &mut Stage, out: &mut Output) -> Progress {
    let Some((line, taken)) = text::line(segment.bytes) else {
        if segment.bytes.len() > LINES_BEFORE_OCTETS_MAX {
            return Progress::GiveUp(Malformed::new("ssh-banner-missing"));
        }
        let needed = segment.bytes.len().saturating_add(1);
        return Progress::NeedMore { consumed: 0, needed };
    };
    out.begin("ssh", 0..taken);
    if !line.starts_with(b"SSH-") {
        return Progress::Consumed(taken);
    }
    *stage = Stage::KeyExchange;
    if line.len() > BANNER_OCTETS_MAX {
        let says = "an SSH identification longer than 255 octets";
        out.violation("ssh-banner-too-long", says, "RFC 4253, 4.2");
    }
    let banner = text::lossy(line);
    out.count(&SSH_BANNER, [Scalar::Text(banner.as_str().into())]);
    let software = banner.splitn(3, '-').nth(2).unwrap_or_default().to_owned();
    let facts = [
        ("ssh_banner", banner.clone()),
        ("software", software.replace('_', " ")),
        ("os", operating_system(&software).to_owned()),
    ];
    out.identity(Subject::Sender, "SSH banner", facts);
    out.operation(match segment.from {
        Side::Client => Op::request(OperationClass::Session, 0, "connect"),
        Side::Server => Op::response(OperationClass::Session, 0, "connect").done(),
    });
    Progress::Consumed(taken)
}

/// What distributions and vendors write behind the software version.
fn operating_system(software: &str) -> &'static str {
    let known = [
        ("Ubuntu", "Ubuntu Linux"),
        ("Debian", "Debian Linux"),
        ("Raspbian", "Raspbian Linux"),
        ("FreeBSD", "FreeBSD"),
        ("for_Windows", "Windows"),
        ("Cisco", "Cisco IOS"),
        ("ROSSSH", "MikroTik RouterOS"),
        ("Comware", "Comware"),
        ("VxWorks", "VxWorks"),
    ];
    known.iter().find(|(mark, _)| software.contains(mark)).map_or("", |(_, os)| os)
}

/// SSH_MSG_KEXINIT (RFC 4253, 7.1): the first name-list says how modern the peer is.
fn read_key_exchange(segment: &Segment<'_>, stage: &mut Stage, out: &mut Output) -> Progress {
    const KEXINIT: u8 = 20;
    const PACKET_OCTETS_MAX: usize = 35_000;
    let Some(length) = segment.bytes.first_chunk::<4>() else {
        return Progress::NeedMore { consumed: 0, needed: 4 };
    };
    let length = u32::from_be_bytes(*length) as usize;
    *stage = Stage::Encrypted;
    if length > PACKET_OCTETS_MAX || segment.bytes.get(5).is_some_and(|t| *t != KEXINIT) {
        return Progress::Consumed(segment.bytes.len());
    }
    let needed = length.saturating_add(4);
    let Some(packet) = segment.bytes.get(..needed) else {
        *stage = Stage::KeyExchange;
        return Progress::NeedMore { consumed: 0, needed };
    };
    out.begin("ssh", 0..needed);
    let list_length = packet.get(22..26).and_then(|b| <[u8; 4]>::try_from(b).ok());
    let end = list_length.map(|l| 26usize.saturating_add(u32::from_be_bytes(l) as usize));
    if let Some(list) = end.and_then(|e| packet.get(26..e)) {
        let list = text::lossy(list);
        out.attribute(Subject::Sender, "SSH key exchange", ("ssh_kex", &list), 80);
        let weak = list.split(',').all(|n| n.ends_with("-sha1"));
        if weak && !list.is_empty() {
            let says = ("ssh_weakness", "offers only SHA-1 key exchange");
            out.attribute(Subject::Sender, "SSH key exchange", says, 80);
        }
    }
    Progress::Consumed(segment.bytes.len())
}
