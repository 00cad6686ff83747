//! RTPS, the wire protocol of DDS (OMG RTPS 2.5): submessages, participants, topics.
//!
//! Not here: user data, security plug-ins. Invariant: a submessage is read within its length.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use ::wire::reader::{Reader, Short};
use model::{OperationClass, Scalar, Subject};

pub static RTPS_GROUP: Group = Group { name: "rtps", ends: Ends::Pair, keys: &["submessage"] };

pub struct Rtps;
pub static RTPS: Rtps = Rtps;

static ABOUT: About = About {
    name: "rtps",
    title: "RTPS (DDS)",
    specs: &["OMG DDSI-RTPS 2.5, 8.3 and 9.4 to 9.6"],
    carriers: &[Carrier::Udp],
    ports: &[7_400, 7_401, 7_410, 7_411],
    groups: &[&RTPS_GROUP],
    depth: "submessages, vendors, participants, topics and types of discovery",
};

/// Submessages of one message that are read.
const SUBMESSAGES_MAX: usize = 256;
/// Before the prefix of who sent it: name, version, vendor.
const START_OCTETS: usize = 8;
const DATA: u8 = 0x15;
const PAD: u8 = 0x01;
const INFO_TIME: u8 = 0x09;

impl Protocol for Rtps {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        let known = head.starts_with(b"RTPS") || head.starts_with(b"RTPX");
        match head.get(4..6) {
            Some([major @ (1 | 2), _]) if known => {
                let whole = head.len() >= START_OCTETS.saturating_add(prefix_octets(*major));
                if whole { Probe::Match } else { Probe::NoMatch }
            }
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Participant)
    }
}

struct Participant;

impl Dissector for Participant {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("rtps", 0..bytes.len());
        if let Err(Short { .. }) = message(bytes, out)
            && segment.missing == 0
        {
            let says = "a submessage longer than its message";
            out.violation("rtps-submessage-beyond-message", says, "RTPS 2.5, 8.3.4");
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

/// Host, application and, since version 2, instance, four octets each (8.3.3.1).
const fn prefix_octets(major: u8) -> usize {
    if major < 2 { 8 } else { 12 }
}

fn message(bytes: &[u8], out: &mut Output) -> Result<(), Short> {
    let mut r = Reader::new(bytes);
    r.skip(4)?;
    let [major, minor] = r.array()?;
    let vendor = r.be16()?;
    r.skip(prefix_octets(major))?;
    let facts = [
        ("dds_vendor", vendor_name(vendor).to_owned()),
        ("rtps_version", format!("{major}.{minor}")),
    ];
    out.identity(Subject::Sender, "RTPS header", facts);
    for _ in 0..SUBMESSAGES_MAX {
        if r.is_empty() {
            return Ok(());
        }
        let (kind, flags) = (r.u8()?, r.u8()?);
        let little = flags & 1 != 0;
        let length = usize::from(if little { r.le16()? } else { r.be16()? });
        out.count(&RTPS_GROUP, [Scalar::Number(u64::from(kind))]);
        // 8.3.4.1: a last submessage may leave its length open.
        let last = length == 0 && !matches!(kind, PAD | INFO_TIME);
        let body = if last { r.bytes(r.remaining())? } else { r.bytes(length)? };
        if kind == DATA {
            data(body, flags, out).unwrap_or_default();
        }
    }
    out.limit("rtps-submessages");
    Ok(())
}

/// Vendor ids as the OMG keeps them (8.3.3.1).
fn vendor_name(vendor: u16) -> &'static str {
    match vendor {
        0x0101 => "RTI Connext",
        0x0102 => "OpenSplice DDS",
        0x0103 => "OpenDDS",
        0x0104 => "MilSOFT DDS",
        0x0105 => "InterCOM DDS",
        0x0106 => "CoreDX DDS",
        0x0109 => "ETRI Diamond DDS",
        0x010a => "RTI Connext Micro",
        0x010b => "Vortex Cafe",
        0x010d => "Vortex Lite",
        0x010e => "Technicolor Qeo",
        0x010f => "eProsima Fast DDS",
        0x0110 => "Eclipse Cyclone DDS",
        0x0111 => "GurumDDS",
        0x0112 => "RustDDS",
        _ => "",
    }
}

/// 9.4.5.3: data of the built-in end points describe participants and topics.
fn data(body: &[u8], flags: u8, out: &mut Output) -> Result<(), Short> {
    const INLINE_QOS: u8 = 2;
    const PAYLOAD: u8 = 4;
    let little = flags & 1 != 0;
    let mut r = Reader::new(body);
    r.skip(4)?;
    r.skip(4)?;
    let writer = r.be32()?;
    r.skip(8)?;
    if flags & INLINE_QOS != 0 {
        parameters(&mut r, little, |_, _| {})?;
    }
    let class = OperationClass::Browse;
    let (name, gone) = match writer {
        0x0001_00c2 => ("participant", "participant leaves"),
        0x0000_03c2 => ("writer of topic", "writer leaves"),
        0x0000_04c2 => ("reader of topic", "reader leaves"),
        _ => {
            out.operation(Op::notice(OperationClass::Report, u32::from(DATA), "data"));
            return Ok(());
        }
    };
    // 8.7.4: who is disposed of is named by a key alone, or by the status in front.
    if flags & PAYLOAD == 0 {
        out.operation(Op::notice(class, u32::from(DATA), gone));
        return Ok(());
    }
    let [_, encapsulation] = r.array()?;
    r.skip(2)?;
    let little = encapsulation & 1 != 0;
    let (mut topic, mut facts) = (String::new(), Vec::new());
    parameters(&mut r, little, |id, value| match id {
        0x0005 => topic = string(value, little).unwrap_or_default(),
        0x0062 => facts.push(("dds_participant", string(value, little).unwrap_or_default())),
        0x0059 => facts.extend(host_property(value, little)),
        _ => {}
    })?;
    out.operation(Op::notice(class, u32::from(DATA), name).named("topic", &topic));
    out.identity(Subject::Sender, "RTPS discovery", facts);
    Ok(())
}

/// 9.4.2.11: id, length, value, until the sentinel.
fn parameters<'a>(
    r: &mut Reader<'a>,
    little: bool,
    mut see: impl FnMut(u16, &'a [u8]),
) -> Result<(), Short> {
    const SENTINEL: u16 = 1;
    loop {
        let (id, length) = if little { (r.le16()?, r.le16()?) } else { (r.be16()?, r.be16()?) };
        if id == SENTINEL {
            return Ok(());
        }
        see(id, r.bytes(usize::from(length))?);
    }
}

fn string(value: &[u8], little: bool) -> Option<String> {
    let mut r = Reader::new(value);
    let length = if little { r.le32() } else { r.be32() }.ok()?;
    let octets = r.bytes(length as usize).ok()?;
    Some(text::lossy(octets.strip_suffix(&[0]).unwrap_or(octets)))
}

/// Some write the name of their host into the property list (PID_PROPERTY_LIST, 9.6.2.2).
fn host_property(value: &[u8], little: bool) -> Option<(&'static str, String)> {
    const PROPERTIES_MAX: u32 = 32;
    let mut r = Reader::new(value);
    let number = |r: &mut Reader<'_>| if little { r.le32() } else { r.be32() };
    for _ in 0..number(&mut r).ok()?.min(PROPERTIES_MAX) {
        let mut text = || -> Option<String> {
            let length = number(&mut r).ok()? as usize;
            let octets = r.bytes(length).ok()?;
            let odd = length.next_multiple_of(4).saturating_sub(length);
            r.skip(odd).ok()?;
            Some(text::lossy(octets.strip_suffix(&[0]).unwrap_or(octets)))
        };
        let (name, value) = (text()?, text()?);
        // The same of Cyclone DDS.
        if matches!(&*name, "dds.sys_info.hostname" | "__Hostname") {
            return Some(("hostname", value));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn vendors_have_the_numbers_of_the_dds_foundation() {
        assert_eq!([0x0101, 0x010a].map(vendor_name), ["RTI Connext", "RTI Connext Micro"]);
        assert_eq!([0x0105, 0x0110].map(vendor_name), ["InterCOM DDS", "Eclipse Cyclone DDS"]);
    }

    #[test]
    fn who_leaves_does_not_appear() {
        let said = |flags: u8| {
            let mut out = Output::default();
            // Flags, offset of what follows, reader, writer, number; a key, or nothing.
            let data = [&[0, 0, 16, 0, 0, 0, 0, 0, 0, 1, 0, 0xc2][..], &[0; 8], &[0, 3, 0, 0]];
            data_of(&[&data.concat()[..], &[1, 0, 0, 0]].concat(), flags, &mut out);
            let model::Detail::Operation(said) = &out.observed[0].detail else { panic!() };
            said.function_name
        };
        let data_flags = (1, 1 | 4, 1 | 8);
        assert_eq!(said(data_flags.1), "participant");
        assert_eq!([said(data_flags.0), said(data_flags.2)], ["participant leaves"; 2]);
    }

    fn data_of(body: &[u8], flags: u8, out: &mut Output) {
        data(body, flags, out).expect("a whole submessage");
    }

    #[test]
    fn the_header_of_version_1_is_shorter() {
        let info_time = [9, 1, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
        for (major, prefix) in [(1, 8), (2, 12)] {
            let start = [b'R', b'T', b'P', b'S', major, 1, 1, 1];
            let bytes = [&start[..], &vec![0; prefix], &info_time].concat();
            let hint = Hint { carrier: Carrier::Udp, port: false, from: Side::Client, missing: 0 };
            assert_eq!(RTPS.probe(&bytes[..8 + prefix], hint), Probe::Match);
            assert_eq!(RTPS.probe(&bytes[..7 + prefix], hint), Probe::NoMatch);
            let mut out = Output::new(false);
            RTPS.open().feed(Segment::of(&bytes, Side::Client, Carrier::Udp), &mut out);
            let kinds: Vec<_> =
                out.messages.iter().map(|message| message.keys[0].clone()).collect();
            assert_eq!(kinds, [Scalar::Number(9)], "version {major}");
        }
    }
}
