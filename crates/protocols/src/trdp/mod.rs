//! TRDP: process data and messages between devices of a train.
//!
//! Not here: the safe data (SDTv2) and data sets within, which only a train's configuration
//! describes. Invariant: a header counts only with its checksum.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Malformed, Output, Probe, Progress, Protocol, Segment,
    output::Op, text,
};
use model::{OperationClass as Class, Subject};
use wire::{Reader, Short};

pub struct Trdp;
pub static TRDP: Trdp = Trdp;

static ABOUT: About = About {
    name: "trdp",
    title: "TRDP",
    specs: &["IEC 61375-2-3:2015, annex A (train real-time data protocol)"],
    carriers: &[Carrier::Udp, Carrier::Tcp],
    ports: &[17_224, 17_225],
    groups: &[],
    depth: "process data and messages by ComId, header checksum, device URIs",
};

const PROCESS_OCTETS: usize = 40;
const MESSAGE_OCTETS: usize = 116;
/// Longest data of a message (A.7): 65,388 octets.
const DATA_OCTETS_MAX: u32 = 65_388;

impl Protocol for Trdp {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let known = head.get(4..8).is_none_or(|b| b.starts_with(&[1]) && kind(b).is_some());
        match Header::parse(head) {
            Ok(Some(header)) if header.sum_right => Probe::Match,
            Err(_) if hint.carrier == Carrier::Tcp && hint.port && known => Probe::NeedMore,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Train)
    }
}

/// Message types: class and name by the two letters behind the version.
fn kind(version_and_kind: &[u8]) -> Option<(Class, &'static str)> {
    Some(match version_and_kind.get(2..4)? {
        b"Pd" => (Class::Report, "process data"),
        b"Pp" => (Class::Read, "process data reply"),
        b"Pr" => (Class::Read, "process data request"),
        b"Pe" => (Class::Report, "process data error"),
        b"Mn" => (Class::Other, "notification"),
        b"Mr" => (Class::Other, "message request"),
        b"Mp" => (Class::Other, "reply"),
        b"Mq" => (Class::Other, "reply, confirmation wanted"),
        b"Mc" => (Class::Other, "confirmation"),
        b"Me" => (Class::Other, "message error"),
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug)]
struct Header<'a> {
    letters: [u8; 2],
    class: Class,
    name: &'static str,
    com_id: u32,
    data_octets: u32,
    reply_status: i32,
    source: &'a [u8],
    octets: usize,
    sum_right: bool,
}

impl<'a> Header<'a> {
    /// `None` when these octets cannot be a header.
    fn parse(bytes: &'a [u8]) -> Result<Option<Header<'a>>, Short> {
        let mut r = Reader::new(bytes);
        r.skip(4)?;
        let word: [u8; 4] = r.array()?;
        let [1, _, first, second] = word else { return Ok(None) };
        let Some((class, name)) = kind(&word) else { return Ok(None) };
        let message = first == b'M';
        let com_id = r.be32()?;
        r.skip(8)?;
        let data_octets = r.be32()?;
        let (mut reply_status, mut source): (i32, &[u8]) = (0, &[]);
        if message {
            reply_status = r.be32()?.cast_signed();
            r.skip(20)?;
            source = r.bytes(32)?;
            r.skip(32)?;
        } else {
            r.skip(12)?;
        }
        let octets = if message { MESSAGE_OCTETS } else { PROCESS_OCTETS };
        let sum = r.le32()?;
        let summed = bytes.get(..octets.saturating_sub(4)).unwrap_or_default();
        let sum_right = crc32(summed) == sum && data_octets <= DATA_OCTETS_MAX;
        let letters = [first, second];
        Ok(Some(Header {
            letters,
            class,
            name,
            com_id,
            data_octets,
            reply_status,
            source,
            octets,
            sum_right,
        }))
    }

    /// Octets with data, which is padded to a multiple of four.
    fn whole(&self) -> usize {
        let data = usize::try_from(self.data_octets).unwrap_or(usize::MAX);
        self.octets.saturating_add(data.div_ceil(4).saturating_mul(4))
    }
}

/// IEEE 802.3, reflected.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, octet| {
        (0..8).fold(crc ^ u32::from(*octet), |crc, _| match crc & 1 {
            1 => crc >> 1 ^ 0xedb8_8320,
            _ => crc >> 1,
        })
    });
    !crc
}

struct Train;

impl Dissector for Train {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let stream = segment.carrier == Carrier::Tcp;
        let header = match Header::parse(bytes) {
            Ok(Some(header)) => header,
            Ok(None) => return Progress::GiveUp(Malformed::new("trdp-header-invalid")),
            Err(_) if stream => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            Err(_) => return Progress::GiveUp(Malformed::new("trdp-too-short")),
        };
        if stream && header.data_octets > DATA_OCTETS_MAX {
            return Progress::GiveUp(Malformed::new("trdp-data-too-long"));
        }
        let whole = header.whole();
        if stream && bytes.len() < whole {
            return Progress::NeedMore { consumed: 0, needed: whole };
        }
        let taken = if stream { whole } else { bytes.len() };
        out.begin("trdp", 0..taken);
        if !header.sum_right {
            let says = "a header whose checksum is wrong";
            out.violation("trdp-header-checksum", says, "IEC 61375-2-3, A.6.5");
        }
        if !stream && whole > bytes.len().saturating_add(segment.missing) {
            let says = "data longer than the datagram";
            out.violation("trdp-length", says, "IEC 61375-2-3, A.6.5");
        }
        read(&header, out);
        Progress::Consumed(taken)
    }

    fn gap(&mut self, _: Gap) {}
}

fn read(header: &Header<'_>, out: &mut Output) {
    let function = u32::from(u16::from_be_bytes(header.letters));
    let (class, name) = (header.class, header.name);
    let op = match &header.letters {
        b"Pd" | b"Mn" => Op::notice(class, function, name),
        b"Pr" | b"Mr" => Op::request(class, function, name),
        b"Pe" | b"Me" => Op::response(class, function, name).refused(function, "error"),
        _ if header.reply_status < 0 => {
            let status = header.reply_status.unsigned_abs();
            Op::response(class, function, name).refused(status, "reply status")
        }
        _ => Op::response(class, function, name).done(),
    };
    out.operation(op.range("ComId", 0, header.com_id, 1));
    let end = header.source.iter().position(|b| *b == 0).unwrap_or(header.source.len());
    let uri = text::lossy(header.source.get(..end).unwrap_or_default());
    out.identity(Subject::Sender, "message header", [("trdp_uri", uri)]);
}

#[cfg(test)]
mod tests {
    use super::crc32;

    #[test]
    fn checksum_of_the_usual_test_text() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }
}
