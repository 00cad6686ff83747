//! EtherCAT: cyclic process data, states of devices, mailboxes with CoE, FoE, SoE and AoE.
//!
//! Not here: safety (FSoE). A frame is seen on its way out and again on its way back; devices
//! have no address of their own on the wire, so they are modules of the master, numbered by
//! their configured address. Invariant: cyclic frames leave one operation that is equal each
//! time and is counted.

mod limits;
mod mailbox;
mod segment;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
};
use model::{Mac, Scalar, Subject};

pub static ETHERCAT_GROUP: Group =
    Group { name: "ethercat", ends: Ends::MacPair, keys: &["command"] };

const ETHERTYPE: u16 = 0x88a4;
/// Frames with datagrams.
const DATAGRAMS: u8 = 1;

pub struct Ethercat;
pub static ETHERCAT: Ethercat = Ethercat;

static ABOUT: About = About {
    name: "ethercat",
    title: "EtherCAT",
    specs: &["ETG.1000.4 (IEC 61158-4-12:2019)", "ETG.1000.6 (IEC 61158-6-12:2019)"],
    carriers: &[Carrier::Ethertype(ETHERTYPE), Carrier::Udp],
    ports: &[34_980],
    groups: &[&ETHERCAT_GROUP],
    depth: "commands, states asked for and reported, configured addresses, EEPROM identity, \
            CoE objects with identity, FoE files, SoE and AoE requests, emergencies",
};

impl Protocol for Ethercat {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Some((length, kind)) = wire::header(head) else { return Probe::NoMatch };
        if hint.carrier == Carrier::Ethertype(ETHERTYPE) {
            return if (1..=5).contains(&kind) { Probe::Match } else { Probe::NoMatch };
        }
        // Over UDP nothing but the structure tells: every datagram must be whole and known.
        let body = head.get(2..).unwrap_or_default();
        let least = wire::datagram_octets();
        let sized = kind == DATAGRAMS && body.len() == length && length > least;
        let known = |read| matches!(read, Ok(wire::Datagram { command: 0..=14, .. }));
        if sized && wire::datagrams(body).all(known) && hint.port {
            Probe::MatchClient
        } else {
            Probe::NoMatch
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Bus>::default()
    }
}

#[derive(Default)]
struct Bus {
    devices: segment::Devices,
    /// Frames seen with an address that a device marked as returning.
    returned: u64,
}

impl Dissector for Bus {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        const SECTION: &str = "ETG.1000.4, 5.3";
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("ethercat", 0..bytes.len());
        let (Some((length, kind)), whole) = (wire::header(bytes), segment.missing == 0) else {
            return all;
        };
        if kind != DATAGRAMS {
            return all;
        }
        if let Some(sender) = segment.sender.mac {
            self.returned(sender, out);
        }
        let body = bytes.get(2..).unwrap_or_default();
        if body.len() < length && whole {
            let says = "a frame longer than its octets";
            out.violation("ethercat-length-invalid", says, SECTION);
        }
        for read in wire::datagrams(body.get(..length).unwrap_or(body)) {
            match read {
                Ok(datagram) => {
                    let command = u64::from(datagram.command);
                    out.count(&ETHERCAT_GROUP, [Scalar::Number(command)]);
                    self.devices.see(&datagram, out);
                }
                Err(_) if whole => {
                    let says = "a datagram longer than its frame";
                    out.violation("ethercat-datagram-cut-short", says, SECTION);
                }
                Err(_) => {}
            }
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

impl Bus {
    /// The first device of a segment sets the local bit of the source address of what it sends
    /// back (ESC data sheet, section I, 3.1), so the master seems to be two stations. Told at
    /// powers of two, since the frame on its way out may be seen later.
    fn returned(&mut self, sender: Mac, out: &mut Output) {
        const LOCAL: u8 = 0x02;
        let [first, rest @ ..] = sender.0;
        if first & LOCAL == 0 {
            return;
        }
        self.returned = self.returned.saturating_add(1);
        if self.returned.is_power_of_two() {
            let [a, b, c, d, e] = rest;
            let master = Mac([first & !LOCAL, a, b, c, d, e]).to_string();
            out.identity(Subject::Sender, "EtherCAT frame", [("returned_from", master)]);
        }
    }
}
