//! SAIA Ether-S-Bus: registers, flags, programs and run state of PCD controllers.
//!
//! Not here: S-Bus on serial lines. Invariant: a telegram counts only with its checksum, so the
//! probe needs no port.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
    text,
};
use model::{OperationClass as Class, PointValue, Quality, Subject};
use std::collections::VecDeque;
use wire::{Reader, Short};

pub struct EtherSBus;
pub static SBUS: EtherSBus = EtherSBus;

static ABOUT: About = About {
    name: "sbus",
    title: "SAIA Ether-S-Bus",
    specs: &["Saia-Burgess 26/739 (S-Bus manual), data mode; Ether-S-Bus telegrams"],
    carriers: &[Carrier::Udp],
    ports: &[5_050],
    groups: &[],
    depth: "all commands; elements with addresses and values; CPU run, stop, restart, status; \
            programs and texts; PCD type and firmware",
};

const PENDING_MAX: usize = 32;

impl Protocol for EtherSBus {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match Telegram::parse(head) {
            Ok(t) if t.is_plausible(head.len()) => match t.attribute {
                0 => Probe::MatchClient,
                _ => Probe::MatchServer,
            },
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Telegram<'a> {
    pub length: u32,
    pub version: u8,
    pub kind: u8,
    pub sequence: u16,
    /// 0 request, 1 answer, 2 acknowledgement.
    pub attribute: u8,
    pub data: &'a [u8],
    pub sum_right: bool,
}

impl<'a> Telegram<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Telegram<'a>, Short> {
        let mut r = Reader::new(bytes);
        let (length, version, kind) = (r.be32()?, r.u8()?, r.u8()?);
        let (sequence, attribute) = (r.be16()?, r.u8()?);
        let (data, sum) = r.rest().split_last_chunk::<2>().ok_or(Short { needed: 2 })?;
        let summed = bytes.get(..bytes.len().saturating_sub(2)).unwrap_or_default();
        let sum_right = checksum(summed) == u16::from_be_bytes(*sum);
        Ok(Telegram { length, version, kind, sequence, attribute, data, sum_right })
    }

    fn is_plausible(&self, octets: usize) -> bool {
        let length = usize::try_from(self.length).ok() == Some(octets);
        length && self.version <= 1 && self.kind == 0 && self.attribute <= 2 && self.sum_right
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = self.length.to_be_bytes().to_vec();
        out.extend([self.version, self.kind]);
        out.extend(self.sequence.to_be_bytes());
        out.push(self.attribute);
        out.extend(self.data);
        out.extend(checksum(&out).to_be_bytes());
        out
    }
}

/// CRC-16 with the polynomial 0x1021, from zero.
fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, octet| {
        (0..8).fold(crc ^ u16::from(*octet) << 8, |crc, _| match crc & 0x8000 {
            0 => crc << 1,
            _ => crc << 1 ^ 0x1021,
        })
    })
}

/// Commands of the S-Bus.
const fn command(code: u8) -> (Class, &'static str) {
    match code {
        0x00 => (Class::Read, "read counters"),
        0x01 => (Class::Read, "read display register"),
        0x02 => (Class::Read, "read flags"),
        0x03 => (Class::Read, "read inputs"),
        0x04 => (Class::Diagnose, "read real-time clock"),
        0x05 => (Class::Read, "read outputs"),
        0x06 => (Class::Read, "read registers"),
        0x07 => (Class::Read, "read timers"),
        0x0a => (Class::Write, "write counters"),
        0x0b => (Class::Write, "write flags"),
        0x0c => (Class::TimeSync, "write real-time clock"),
        0x0d => (Class::Write, "write outputs"),
        0x0e => (Class::Write, "write registers"),
        0x0f => (Class::Write, "write timers"),
        0x13 => (Class::Read, "read or write multi-medias"),
        0x14..=0x1b => (Class::Diagnose, "read PCD status"),
        0x1d => (Class::Browse, "read station number"),
        0x1e..=0x1f => (Class::ProgramUpload, "read user memory or program"),
        0x20 => (Class::Diagnose, "read firmware version"),
        0x21 => (Class::ProgramUpload, "read text"),
        0x22 => (Class::Diagnose, "read active transition"),
        0x23..=0x24 => (Class::ProgramDownload, "write user memory or program"),
        0x25 => (Class::ProgramDownload, "write text"),
        0x28..=0x30 => (Class::Start, "run procedure"),
        0x32..=0x39 => (Class::Reset, "restart cold"),
        0x3c..=0x44 => (Class::Stop, "stop procedure"),
        0x46..=0x4b => (Class::Diagnose, "read CPU internals"),
        0x50..=0x53 => (Class::Write, "write CPU internals"),
        0x5a..=0x5e => (Class::Write, "clear elements"),
        0x64..=0x6b => (Class::Reset, "restart warm"),
        0x6e => (Class::ProgramDownload, "change block"),
        0x6f => (Class::Configure, "clear history failure"),
        0x70 | 0x72 => (Class::ProgramDownload, "delete or insert program line"),
        0x71 | 0x73..=0x74 | 0x76..=0x77 => (Class::Start, "execute step by step"),
        0x75 => (Class::ProgramDownload, "make text"),
        0x82..=0x84 => (Class::Write, "interrupt"),
        0x91 => (Class::Diagnose, "read hang-up timeout"),
        0x96 => (Class::Read, "read data block"),
        0x97 => (Class::Write, "write data block"),
        0x98..=0x9a => (Class::ProgramDownload, "make or clear data block or text"),
        0x9b..=0x9f => (Class::Diagnose, "read block information"),
        0xa1 => (Class::Diagnose, "read EEPROM register"),
        0xa3 => (Class::Configure, "write EEPROM register"),
        0xa5 => (Class::Configure, "erase flash"),
        0xa6 => (Class::Reset, "restart cold flag"),
        0xa7 => (Class::Configure, "write system buffer"),
        0xa8 => (Class::Diagnose, "read system buffer"),
        0xa9 => (Class::ProgramDownload, "read or write block data"),
        0xaa..=0xab => (Class::Diagnose, "system information"),
        0xac => (Class::ProgramDownload, "change blocks on run"),
        0xad => (Class::File, "flash card telegram"),
        0xae => (Class::FirmwareUpdate, "download firmware"),
        _ => (Class::Other, "undocumented command"),
    }
}

/// What is read or written, and bits of an element.
const fn area(code: u8) -> Option<(&'static str, u8)> {
    Some(match code {
        0x00 | 0x0a => ("counter", 32),
        0x02 | 0x0b => ("flag", 1),
        0x03 => ("input", 1),
        0x05 | 0x0d => ("output", 1),
        0x06 | 0x0e => ("register", 32),
        0x07 | 0x0f => ("timer", 32),
        _ => return None,
    })
}

#[derive(Default)]
struct Conversation {
    asked: VecDeque<Asked>,
}

#[derive(Clone, Copy)]
struct Asked {
    sequence: u16,
    code: u8,
    station: u8,
    place: Option<Place>,
}

#[derive(Clone, Copy)]
struct Place {
    area: &'static str,
    bits: u8,
    first: u16,
    count: u16,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("sbus", 0..bytes.len());
        let Ok(telegram) = Telegram::parse(bytes) else {
            if segment.missing == 0 {
                let says = "a telegram shorter than its header";
                out.violation("sbus-too-short", says, "Ether-S-Bus, header");
            }
            return Progress::Consumed(bytes.len());
        };
        if !telegram.sum_right && segment.missing == 0 {
            let says = "a telegram whose checksum is wrong";
            out.violation("sbus-checksum", says, "Ether-S-Bus, telegram");
        }
        match telegram.attribute {
            0 => self.request(&telegram, out),
            _ => self.answer(&telegram, out),
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {
        self.asked.clear();
    }
}

impl Conversation {
    fn request(&mut self, telegram: &Telegram<'_>, out: &mut Output) {
        let [station, code, rest @ ..] = telegram.data else {
            let says = "a request without its command";
            return out.violation("sbus-no-command", says, "Ether-S-Bus, request");
        };
        let (class, name) = command(*code);
        let op = Op::request(class, u32::from(*code), name).unit(u32::from(*station));
        let place = match (area(*code), rest) {
            (Some((area, bits)), [count, high, low, ..]) => {
                let first = u16::from_be_bytes([*high, *low]);
                // Reads count from zero; writes give octets of what follows, less one.
                let count = u16::from(*count);
                let count = match (class, bits) {
                    (Class::Read, _) => count.saturating_add(1),
                    (_, 1) => rest.get(3).map_or(1, |bits| u16::from(*bits).saturating_add(1)),
                    _ => count.saturating_sub(1) >> 2,
                };
                Some(Place { area, bits, first, count: count.max(1) })
            }
            _ => None,
        };
        out.operation(match place {
            Some(at) => op.range(at.area, 0, u32::from(at.first), u32::from(at.count)),
            None => op,
        });
        if let Some(at) = place
            && class == Class::Write
            && out.values_wanted
        {
            let skip = if at.bits == 1 { 4 } else { 3 };
            values(at, rest.get(skip..).unwrap_or_default(), out);
        }
        if self.asked.len() >= PENDING_MAX {
            self.asked.pop_front();
            out.limit("sbus-pending-requests");
        }
        let (sequence, code, station) = (telegram.sequence, *code, *station);
        self.asked.push_back(Asked { sequence, code, station, place });
    }

    fn answer(&mut self, telegram: &Telegram<'_>, out: &mut Output) {
        let at = self.asked.iter().position(|a| a.sequence == telegram.sequence);
        let Some(asked) = at.and_then(|at| self.asked.remove(at)) else {
            let op = Op::response(Class::Other, 0, "request not seen");
            return out.operation(op);
        };
        let (class, name) = command(asked.code);
        let op = Op::response(class, u32::from(asked.code), name).unit(asked.station.into());
        let op = match asked.place {
            Some(at) => op.range(at.area, 0, u32::from(at.first), u32::from(at.count)),
            None => op,
        };
        let refused = match (telegram.attribute, telegram.data) {
            (2, [high, low, ..]) => u32::from(u16::from_be_bytes([*high, *low])),
            _ => 0,
        };
        out.operation(match refused {
            0 => op.done(),
            1 => op.refused(1, "not acknowledged"),
            2 => op.refused(2, "password needed"),
            3 => op.refused(3, "programming unit is connected"),
            code => op.refused(code, "not acknowledged"),
        });
        if telegram.attribute != 1 {
            return;
        }
        match (asked.code, telegram.data) {
            (0x20, data) => {
                let of = |range| text::lossy(data.get(range).unwrap_or_default());
                let facts = [
                    ("vendor", "Saia-Burgess Controls".to_owned()),
                    ("model", format!("PC{}", of(0..5))),
                    ("firmware", of(5..8)),
                ];
                out.identity(Subject::Sender, "read firmware version", facts);
            }
            (0x14..=0x1b, [status, ..]) => {
                let word = match status {
                    b'R' => "run",
                    b'C' => "conditional run",
                    b'S' => "stop",
                    b'H' => "halt",
                    _ => return,
                };
                out.state(Subject::Sender, "mode", word);
            }
            (_, data) => {
                if let Some(at) = asked.place.filter(|_| out.values_wanted) {
                    values(at, data, out);
                }
            }
        }
    }
}

/// Bits, the first in the lowest place, or numbers of four octets.
fn values(at: Place, data: &[u8], out: &mut Output) {
    let numbers = at.first..at.first.saturating_add(at.count);
    if at.bits == 1 {
        let bits = data.iter().flat_map(|octet| (0..8).map(move |bit| octet >> bit & 1 == 1));
        for (number, bit) in numbers.zip(bits) {
            let point = format!("{}/{number}", at.area);
            out.value(point, PointValue::Bool(bit), (None, Quality::Good));
        }
        return;
    }
    for (number, octets) in numbers.zip(data.chunks_exact(4)) {
        let Some(octets) = octets.first_chunk::<4>() else { continue };
        let value = PointValue::Int(i64::from(i32::from_be_bytes(*octets)));
        out.value(format!("{}/{number}", at.area), value, (None, Quality::Good));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            sequence: u16,
            attribute in 0u8..3,
            data in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let length = data.len() as u32 + 11;
            let telegram = Telegram {
                length,
                version: 1,
                kind: 0,
                sequence,
                attribute,
                data: &data,
                sum_right: true,
            };
            let bytes = telegram.emit();
            prop_assert_eq!(Telegram::parse(&bytes), Ok(telegram));
            prop_assert!(telegram.is_plausible(bytes.len()));
        }
    }
}
