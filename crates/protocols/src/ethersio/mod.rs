//! SAIA Ether-S-I/O: cyclic transfers between PCD stations and their remote I/O.
//!
//! Not here: what the data means, which only the stations' configuration says. Invariant: a
//! transfer is read within the length the header gives.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{OperationClass as Class, Subject};
use wire::{Reader, Short};

pub struct EtherSIo;
pub static ETHERSIO: EtherSIo = EtherSIo;

static ABOUT: About = About {
    name: "ethersio",
    title: "SAIA Ether-S-I/O",
    specs: &["Saia-Burgess Ether-S-I/O telegrams, as registered for UDP port 6060"],
    carriers: &[Carrier::Udp],
    ports: &[6_060],
    groups: &[],
    depth: "telegram types, stations, transfers by id",
};

impl Protocol for EtherSIo {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], _: Hint) -> Probe {
        match Header::parse(head) {
            Ok(header) if usize::from(header.length) <= head.len() => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(Transfers { told: false })
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// 1 transfer of data, 2 its acknowledgement.
    pub kind: u16,
    pub length: u16,
    pub transaction: u16,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut r = Reader::new(bytes);
        if &r.array::<4>()? != b"ESIO" {
            return Err(Short { needed: 1 });
        }
        let kind = r.be16()?;
        r.skip(2)?;
        Ok(Header { kind, length: r.be16()?, transaction: r.be16()? })
    }
}

struct Transfers {
    told: bool,
}

impl Dissector for Transfers {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        const HEADER_OCTETS: usize = 12;
        let bytes = segment.bytes;
        out.begin("ethersio", 0..bytes.len());
        let Ok(header) = Header::parse(bytes) else {
            let says = "a telegram without its header";
            out.violation("ethersio-header", says, "Ether-S-I/O, header");
            return Progress::Consumed(bytes.len());
        };
        let function = u32::from(header.kind);
        let mut r = Reader::new(bytes.get(HEADER_OCTETS..).unwrap_or_default());
        let (telegram, station) = match header.kind {
            1 | 2 => (r.be32().unwrap_or(0), r.be32().unwrap_or(0)),
            _ => (0, 0),
        };
        out.operation(match header.kind {
            1 => {
                let op = Op::notice(Class::Report, function, "data transfer");
                op.range("telegram", 0, telegram, 1).unit(station)
            }
            2 => Op::response(Class::Report, function, "acknowledgement").unit(station),
            _ => Op::notice(Class::Other, function, "telegram"),
        });
        if header.kind == 1 && !std::mem::replace(&mut self.told, true) {
            let station = station.to_string();
            out.identity(Subject::Sender, "data transfer", [("sio_station", station)]);
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}
