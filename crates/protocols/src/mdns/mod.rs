//! mDNS (RFC 6762): the messages of DNS, multicast on its own port.
//!
//! Not here: the message format, see [`crate::dns`]. Invariant: the port decides between members
//! of the DNS family, because their messages do not differ.

use crate::dns::{self, Flavour, NameMessages};
use crate::{About, Carrier, Dissector, Hint, Probe, Protocol};

pub struct Mdns;
pub static MDNS: Mdns = Mdns;

static ABOUT: About = About {
    name: "mdns",
    title: "mDNS",
    specs: &["RFC 6762"],
    carriers: &[Carrier::Udp],
    ports: &[5353],
    groups: dns::GROUPS,
    depth: "questions, answers, host names, services and device descriptions",
};

impl Protocol for Mdns {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.port && dns::plausible(head) { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(NameMessages::new(Flavour::Mdns))
    }
}
