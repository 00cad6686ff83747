//! GE Ethernet Global Data: exchanges that producers send cyclically.
//!
//! Not here: the configuration service on UDP 7937; what an exchange holds, which only its
//! configuration says. Invariant: one operation an exchange, whatever its data.

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, output::Op,
};
use model::{Address, OperationClass as Class, Subject};
use std::net::{IpAddr, Ipv4Addr};
use wire::{Reader, Short};

pub struct GeEgd;
pub static EGD: GeEgd = GeEgd;

static ABOUT: About = About {
    name: "egd",
    title: "GE Ethernet Global Data",
    specs: &["GE Fanuc GFK-1541 (TCP/IP Ethernet Communications), Ethernet Global Data"],
    carriers: &[Carrier::Udp],
    ports: &[18_246],
    groups: &[],
    depth: "exchanges by producer and id, their status, configuration signatures",
};

impl Protocol for GeEgd {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        match Exchange::parse(head) {
            Ok(exchange) if exchange.is_plausible(hint.port) => Probe::MatchClient,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Producer>::default()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Exchange<'a> {
    pub request: u16,
    pub producer: [u8; 4],
    pub id: u32,
    pub nanoseconds: u32,
    pub status: u32,
    pub signature: u32,
    pub reserved: u32,
    pub data: &'a [u8],
}

impl<'a> Exchange<'a> {
    /// Type 13, version 1; anything else counts as missing.
    pub fn parse(bytes: &'a [u8]) -> Result<Exchange<'a>, Short> {
        let mut r = Reader::new(bytes);
        if r.array()? != [0x0d, 0x01] {
            return Err(Short { needed: 1 });
        }
        let (request, producer, id) = (r.le16()?, r.array()?, r.le32()?);
        r.skip(4)?;
        let (nanoseconds, status) = (r.le32()?, r.le32()?);
        let (signature, reserved) = (r.le32()?, r.le32()?);
        let data = r.rest();
        Ok(Exchange { request, producer, id, nanoseconds, status, signature, reserved, data })
    }

    fn is_plausible(&self, port: bool) -> bool {
        const DATA_OCTETS_MAX: usize = 1_400;
        let time = self.nanoseconds < 1_000_000_000 || port;
        let producer = self.producer != [0; 4];
        time && producer && self.reserved == 0 && self.data.len() <= DATA_OCTETS_MAX
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = vec![0x0d, 0x01];
        out.extend(self.request.to_le_bytes());
        out.extend(self.producer);
        let numbers = [self.id, 0, self.nanoseconds, self.status, self.signature, self.reserved];
        numbers.iter().for_each(|n| out.extend(n.to_le_bytes()));
        out.extend(self.data);
        out
    }
}

/// Exchanges of one conversation whose configuration is remembered.
const EXCHANGES_MAX: usize = 64;

#[derive(Default)]
struct Producer {
    told: bool,
    /// Producer, exchange, and the signature of its configuration: each has one of its own.
    signatures: Vec<([u8; 4], u32, u32)>,
}

impl Dissector for Producer {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("egd", 0..bytes.len());
        match Exchange::parse(bytes) {
            Ok(exchange) => self.exchange(&exchange, out),
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "a message that is no exchange of version 1";
                out.violation("egd-header", says, "GFK-1541, EGD data production");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Producer {
    fn exchange(&mut self, exchange: &Exchange<'_>, out: &mut Output) {
        let op = Op::notice(Class::Report, 0x0d, "data production");
        let op = op.range("exchange", 0, exchange.id, 1);
        // 0 nothing new, 1 and 2 fine, 3 a clock that no server sets: the data are good. Others
        // name what is wrong with them.
        out.operation(match exchange.status & 0xffff {
            0..=3 => op,
            status => op.refused(status, status_name(status)),
        });
        if !std::mem::replace(&mut self.told, true) {
            let ip = IpAddr::V4(Ipv4Addr::from(exchange.producer));
            let id = exchange.id.to_string();
            let subject = Subject::Address(Address::Ip(ip));
            out.identity(subject, "data production", [("egd_exchange", id)]);
        }
        let Exchange { producer, id, signature, .. } = *exchange;
        let room = self.signatures.len() < EXCHANGES_MAX;
        let known = self.signatures.iter_mut().find(|s| (s.0, s.1) == (producer, id));
        match known {
            Some((_, _, before)) if *before != signature => {
                *before = signature;
                let value = format!("configuration signature {signature:08x}");
                out.state(Subject::Sender, "configuration", &value);
            }
            Some(_) => {}
            None if room => self.signatures.push((producer, id, signature)),
            None => out.limit("egd-exchanges"),
        }
    }
}

/// Exchange status words (GFK-1541, EGD).
const fn status_name(status: u32) -> &'static str {
    match status {
        4 => "specification error",
        6 => "data refresh error",
        7 => "data refresh period exceeded",
        10 => "IP layer not initialised",
        12 => "lack of resources",
        16 => "name resolution in progress",
        18 => "loss of the Ethernet interface",
        22 => "EGD not supported by the interface",
        26 => "no response from the interface",
        28 => "exchange could not be created",
        30 => "exchange deleted",
        _ => "production status",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;
    use model::Detail;
    use proptest::prelude::*;

    #[test]
    fn exchanges_of_one_producer_have_signatures_of_their_own() {
        let (mut producer, mut out) = (Producer::default(), Output::default());
        let said = [(1, 0x0101), (2, 0x0202), (1, 0x0101), (2, 0x0202), (2, 0x0303), (1, 0x0101)];
        for (id, signature) in said {
            let (request, nanoseconds, status, reserved) = (0, 0, 1, 0);
            let exchange = Exchange {
                request,
                producer: [192, 0, 2, 1],
                id,
                nanoseconds,
                status,
                signature,
                reserved,
                data: &[7],
            };
            let bytes = exchange.emit();
            producer.feed(Segment::of(&bytes, Side::Client, Carrier::Udp), &mut out);
        }
        let states = out.observed.iter().filter_map(|o| match &o.detail {
            Detail::State(state) => Some(&*state.value),
            _ => None,
        });
        assert_eq!(states.collect::<Vec<_>>(), ["configuration signature 00000303"]);
    }

    #[test]
    fn data_that_were_consumed_are_no_refusal() {
        let refused = |status: u32| {
            let exchange = Exchange {
                request: 0,
                producer: [192, 0, 2, 1],
                id: 1,
                nanoseconds: 0,
                status,
                signature: 0,
                reserved: 0,
                data: &[7],
            };
            let mut out = Output::default();
            Producer::default().exchange(&exchange, &mut out);
            let Detail::Operation(operation) = &out.observed[0].detail else { panic!("{out:?}") };
            matches!(operation.outcome, model::Outcome::Refused { .. })
        };
        assert_eq!([0, 1, 2, 3, 4, 30].map(refused), [false, false, false, false, true, true]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(request: u16, producer: [u8; 4], numbers: [u32; 4]) {
            let [id, nanoseconds, status, signature] = numbers;
            let data = &[1, 2, 3][..];
            let exchange = Exchange {
                request, producer, id, nanoseconds, status, signature, reserved: 0, data,
            };
            let bytes = exchange.emit();
            prop_assert_eq!(Exchange::parse(&bytes), Ok(exchange));
        }
    }
}
