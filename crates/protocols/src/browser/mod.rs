//! NetBIOS datagrams (RFC 1002, 4.4) with the announcements of the Windows browser service
//! ([MS-BRWS], 2.2): name, version and role of machines that announce themselves.
//!
//! Invariant: only a datagram whose header, names and SMB signature all stand is taken.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment,
    nbns::name::{self, NetbiosName},
    output::Op,
    smb::SMB1,
    text,
};
use model::{OperationClass, Scalar, Subject};

/// NetBIOS frames and Novell's IPX, both directly on IEEE 802.2.
const NETBEUI: Carrier = Carrier::Llc(0xf0);
const IPX: Carrier = Carrier::Llc(0xe0);

pub struct Browser;
pub static BROWSER: Browser = Browser;

static ABOUT: About = About {
    name: "browser",
    title: "NetBIOS datagrams, browser announcements",
    specs: &["RFC 1002, 4.4", "MS-BRWS, 2.2", "MS-CIFS, 2.2.4.33"],
    carriers: &[Carrier::Udp, NETBEUI, IPX],
    ports: &[138],
    groups: &[&SMB1],
    depth: "host and domain announcements, OS version, server roles",
};

impl Protocol for Browser {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.carrier != Carrier::Udp {
            let found = netbeui(head).or_else(|| ipx(head));
            return if found.is_some() { Probe::Match } else { Probe::NoMatch };
        }
        let matches = source_name(head).is_some();
        if matches || (hint.port && is_datagram(head)) { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Reader)
    }
}

/// Message types 0x10 to 0x16 (RFC 1002, 4.4.1) with no reserved flag set.
fn is_datagram(bytes: &[u8]) -> bool {
    matches!(bytes.first_chunk::<2>(), Some([0x10..=0x16, flags]) if flags & 0xf0 == 0)
}

/// Direct datagrams carry a source name at octet 14.
fn source_name(bytes: &[u8]) -> Option<NetbiosName> {
    if !is_datagram(bytes) || !matches!(bytes.first(), Some(0x10..=0x12)) {
        return None;
    }
    match bytes.get(14..48)? {
        [32, letters @ .., 0] => name::decode(letters),
        _ => None,
    }
}

/// The sender's name of sixteen octets and what stands behind the names.
type Datagram<'a> = (&'a [u8; 16], &'a [u8]);

/// A datagram without a network layer (IBM LAN Technical Reference SC30-3587, chapter 5).
fn netbeui(bytes: &[u8]) -> Option<Datagram<'_>> {
    const DATAGRAM: u8 = 8;
    match bytes.first_chunk::<5>()? {
        [0x2c, 0, 0xff, 0xef, DATAGRAM] => bytes.get(28..)?.split_first_chunk(),
        _ => None,
    }
}

/// A mailslot over IPX, socket 0x0553: 32 octets of networks passed, operation, two names. A
/// datagram of NetBIOS over IPX, socket 0x0455: control, kind, two names. The sender's stands
/// first there and last in a mailslot: Windows announces groups to `__MSBROWSE__`.
fn ipx(bytes: &[u8]) -> Option<Datagram<'_>> {
    const DATAGRAM: u8 = 0x0b;
    if !bytes.starts_with(&[0xff, 0xff]) {
        return None;
    }
    match (bytes.get(16..18)?, bytes.get(31)?) {
        ([0x05, 0x53], _) => bytes.get(82..)?.split_first_chunk(),
        ([0x04, 0x55], &DATAGRAM) => Some((bytes.get(32..)?.first_chunk()?, bytes.get(64..)?)),
        _ => None,
    }
}

struct Reader;

impl Dissector for Reader {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("browser", 0..bytes.len());
        if segment.carrier != Carrier::Udp {
            if let Some((name, smb)) = netbeui(bytes).or_else(|| ipx(bytes)) {
                sent_by(&name::parse(name), out);
                if smb.starts_with(b"\xffSMB") {
                    mailslot(smb, out);
                }
            }
            return Progress::Consumed(bytes.len());
        }
        if let Some(name) = source_name(bytes) {
            sent_by(&name, out);
        }
        if let Some(smb) = bytes.get(82..).filter(|b| b.starts_with(b"\xffSMB")) {
            mailslot(smb, out);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

fn sent_by(name: &NetbiosName, out: &mut Output) {
    if name.is_machine() {
        out.attribute(Subject::Sender, "NetBIOS datagram", ("hostname", &name.name), 85);
    }
}

/// SMB_COM_TRANSACTION to a mailslot: its data begin where DataOffset says (MS-CIFS, 2.2.4.33.1).
fn mailslot(smb: &[u8], out: &mut Output) {
    const TRANSACTION: u8 = 0x25;
    let Some(&command) = smb.get(4) else { return };
    let response = smb.get(9).is_some_and(|flags| flags & 0x80 != 0);
    let kind = if response { "response" } else { "request" };
    out.count(&SMB1, [Scalar::Number(u64::from(command)), Scalar::Word(kind)]);
    let word = |at: usize| -> Option<u16> {
        let bytes = smb.get(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    };
    if command != TRANSACTION || response {
        return;
    }
    let (Some(count), Some(offset)) = (word(55), word(57)) else { return };
    let start = usize::from(offset);
    let end = start.saturating_add(usize::from(count)).min(smb.len());
    if let Some(data) = smb.get(start..end) {
        announcement(data, out);
    }
}

/// MS-BRWS, 2.2.1 to 2.2.3: host, local master and domain announcements have one layout.
fn announcement(data: &[u8], out: &mut Output) {
    const HOST: u8 = 1;
    const DOMAIN: u8 = 12;
    const LOCAL_MASTER: u8 = 15;
    let Some(&opcode) = data.first() else { return };
    let what = match opcode {
        HOST => "host announcement",
        DOMAIN => "domain announcement",
        LOCAL_MASTER => "local master announcement",
        _ => return out.operation(Op::notice(OperationClass::Browse, opcode.into(), "browser")),
    };
    out.operation(Op::notice(OperationClass::Browse, u32::from(opcode), what));
    let Some(name) = data.get(6..22).map(until_nul) else { return };
    if opcode == DOMAIN {
        return out.attribute(Subject::Sender, "browser announcement", ("workgroup", &name), 85);
    }
    let version = data.get(22..24).and_then(|b| <[u8; 2]>::try_from(b).ok());
    let comment = data.get(32..).map(until_nul).unwrap_or_default();
    let [major, minor] = version.unwrap_or_default();
    let kinds = data.get(24..28).and_then(|b| <[u8; 4]>::try_from(b).ok());
    let kinds = kinds.map(u32::from_le_bytes).unwrap_or_default();
    let facts = [
        ("hostname", name),
        ("os", windows(major, minor, kinds)),
        ("description", comment),
        ("server_roles", roles(kinds)),
    ];
    out.identity(Subject::Sender, "browser announcement", facts);
}

fn until_nul(bytes: &[u8]) -> String {
    text::lossy(bytes.split(|b| *b == 0).next().unwrap_or_default())
}

/// The announced version names the kernel, which several editions share.
fn windows(major: u8, minor: u8, kinds: u32) -> String {
    const UNIX: u32 = 0x0000_0800;
    /// SV_TYPE_WINDOWS: no kernel of NT, though it has the version of one.
    const WITHOUT_NT: u32 = 0x0040_0000;
    if kinds & UNIX != 0 {
        return format!("Unix (Samba, announces {major}.{minor})");
    }
    let server = kinds & 0x0000_8018 != 0;
    let name = match (major, minor, server) {
        (0, 0, _) => return String::new(),
        (4, _, _) if kinds & WITHOUT_NT != 0 => "Windows 95, 98 or Me",
        (4, _, _) => "Windows NT 4.0",
        (5, 0, _) => "Windows 2000",
        (5, 1, _) => "Windows XP",
        (5, 2, _) => "Windows Server 2003 or XP x64",
        (6, 0, true) => "Windows Server 2008",
        (6, 0, false) => "Windows Vista",
        (6, 1, true) => "Windows Server 2008 R2",
        (6, 1, false) => "Windows 7",
        (6, 2, true) => "Windows Server 2012",
        (6, 2, false) => "Windows 8",
        (6, 3, true) => "Windows Server 2012 R2",
        (6, 3, false) => "Windows 8.1",
        (10, 0, true) => "Windows Server 2016 or later",
        (10, 0, false) => "Windows 10 or later",
        _ => return format!("Windows {major}.{minor}"),
    };
    name.to_owned()
}

/// MS-BRWS, 2.2.1, ServerType.
fn roles(kinds: u32) -> String {
    let known = [
        (0x4, "SQL server"),
        (0x8, "domain controller"),
        (0x10, "backup domain controller"),
        (0x20, "time source"),
        (0x200, "print server"),
        (0x800, "Unix"),
        (0x8000, "Windows server"),
    ];
    let names: Vec<_> = known.iter().filter(|(bit, _)| kinds & bit != 0).map(|(_, n)| *n).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_4_is_no_nt_where_the_announcement_says_so() {
        assert_eq!(windows(4, 0, 0x0040_2003), "Windows 95, 98 or Me");
        assert_eq!(windows(4, 0, 0x0000_1003), "Windows NT 4.0");
        assert_eq!(windows(4, 9, 0x0040_0800), "Unix (Samba, announces 4.9)");
    }

    /// What a datagram of NetBIOS over IPX says of who sent it.
    fn sender_of(names: &[&[u8; 16]; 2]) -> Vec<String> {
        let mut bytes = vec![0xff; 64];
        bytes[16..18].copy_from_slice(&[4, 0x55]);
        bytes[31] = 0x0b;
        bytes[32..].copy_from_slice(&names.map(|name| *name).concat());
        let mut out = Output::default();
        let side = crate::Side::Client;
        BROWSER.open().feed(Segment::of(&bytes, side, IPX), &mut out);
        let identities = out.observed.into_iter().filter_map(|seen| match seen.detail {
            model::Detail::Identity(identity) => Some(identity),
            _ => None,
        });
        identities.flat_map(|i| i.attributes).map(|a| a.value.to_string()).collect()
    }

    #[test]
    fn the_sender_over_ipx_stands_first_and_is_a_machine() {
        let (machine, group) = (b"PRESS-3        \0", b"\x01\x02__MSBROWSE__\x02\x01");
        assert_eq!(sender_of(&[machine, group]), ["PRESS-3"]);
        assert!(sender_of(&[group, machine]).is_empty());
    }
}
