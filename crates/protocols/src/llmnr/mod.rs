//! LLMNR (RFC 4795): the messages of DNS, multicast on its own port.
//!
//! Not here: the message format, see [`crate::dns`]. Invariant: the port decides between members
//! of the DNS family, because their messages do not differ.

use crate::dns::{self, Flavour, NameMessages};
use crate::{About, Carrier, Dissector, Hint, Probe, Protocol};

pub struct Llmnr;
pub static LLMNR: Llmnr = Llmnr;

static ABOUT: About = About {
    name: "llmnr",
    title: "LLMNR",
    specs: &["RFC 4795"],
    carriers: &[Carrier::Udp],
    ports: &[5355],
    groups: dns::GROUPS,
    depth: "questions, answers, host names",
};

impl Protocol for Llmnr {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        if hint.port && dns::plausible(head) { Probe::Match } else { Probe::NoMatch }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::new(NameMessages::new(Flavour::Llmnr))
    }
}
