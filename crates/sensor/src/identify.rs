//! Which protocol a conversation speaks, by content, with the port as a hint.
//!
//! Invariant: a port alone decides nothing; every probe sees the octets.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use protocols::{About, Carrier, Hint, Probe, Protocol, REGISTRY, Side};

/// Protocols by what carries them, in registry order, and by usual port.
pub(crate) struct Directory {
    carried: HashMap<Carrier, Vec<&'static dyn Protocol>, FixedState>,
    ports: HashMap<(Carrier, u16), Vec<&'static dyn Protocol>, FixedState>,
}

/// What the probes said of the first octets of a direction.
pub(crate) enum Verdict {
    /// This one, and whether the sender must be client or server.
    Is(&'static dyn Protocol, Option<Side>),
    NeedMore,
    Nothing,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let hasher = || FixedState::with_seed(0x0064_6972_6563_7479);
        let mut directory = Directory {
            carried: HashMap::with_hasher(hasher()),
            ports: HashMap::with_hasher(hasher()),
        };
        for protocol in REGISTRY.iter().copied().chain(protocols::declared::all()) {
            let about = protocol.about();
            for carrier in about.carriers {
                directory.carried.entry(*carrier).or_default().push(protocol);
                for port in about.ports {
                    directory.ports.entry((*carrier, *port)).or_default().push(protocol);
                }
            }
        }
        directory
    }

    pub(crate) fn is_known_port(&self, carrier: Carrier, port: u16) -> bool {
        self.ports.contains_key(&(carrier, port))
    }

    pub(crate) fn is_carried(&self, carrier: Carrier) -> bool {
        self.carried.contains_key(&carrier)
    }

    /// Asks the protocols of the ports first, then all others of the carrier, as the hint is:
    /// without a port.
    pub(crate) fn ask(&self, head: &[u8], hint: Hint, ports: [u16; 2]) -> Verdict {
        let (carrier, empty) = (hint.carrier, Vec::new());
        let of_port = |port| self.ports.get(&(carrier, port)).unwrap_or(&empty);
        let hinted = || of_port(ports[0]).iter().chain(of_port(ports[1]));
        let mut need_more = false;
        for protocol in hinted() {
            match protocol.probe(head, Hint { port: true, ..hint }) {
                Probe::NoMatch => {}
                Probe::NeedMore => need_more = true,
                found => {
                    let weak = Verdict::Is(*protocol, side(found));
                    return self.stronger(head, hint, *protocol).unwrap_or(weak);
                }
            }
        }
        for protocol in self.carried.get(&carrier).unwrap_or(&empty) {
            let asked = |p: &&&dyn Protocol| std::ptr::eq(p.about(), protocol.about());
            if hinted().any(|p| asked(&p)) {
                continue;
            }
            match protocol.probe(head, hint) {
                Probe::NoMatch => {}
                Probe::NeedMore => need_more = true,
                found => return Verdict::Is(*protocol, side(found)),
            }
        }
        if need_more { Verdict::NeedMore } else { Verdict::Nothing }
    }

    /// Has one of the ports protocols of its own, and this is none of them?
    pub(crate) fn is_elsewhere(
        &self,
        carrier: Carrier,
        ports: [u16; 2],
        known: Option<&'static About>,
    ) -> bool {
        let is_it = |p: &&dyn Protocol| known.is_some_and(|known| std::ptr::eq(p.about(), known));
        let mut own = ports.iter().filter_map(|port| self.ports.get(&(carrier, *port)));
        own.any(|protocols| !protocols.iter().any(is_it))
    }

    /// A protocol of one of the ports that says these octets are its own, where the one `known`
    /// says they are not.
    pub(crate) fn ask_ports(
        &self,
        head: &[u8],
        hint: Hint,
        ports: [u16; 2],
        known: Option<&'static About>,
    ) -> Option<(&'static dyn Protocol, Option<Side>)> {
        let carrier = hint.carrier;
        let own = ports.iter().filter_map(|port| self.ports.get(&(carrier, *port))).flatten();
        let found = own.copied().find_map(|protocol| {
            let found = protocol.probe(head, Hint { port: true, ..hint });
            (!matches!(found, Probe::NoMatch | Probe::NeedMore)).then(|| (protocol, side(found)))
        });
        let (protocol, sender) = found?;
        if let Some(known) = known {
            let all = self.carried.get(&carrier)?;
            let known = all.iter().find(|p| std::ptr::eq(p.about(), known))?;
            if !matches!(known.probe(head, hint), Probe::NoMatch) {
                return None;
            }
        }
        self.stronger(head, hint, protocol).is_none().then_some((protocol, sender))
    }

    /// Another protocol that needs no port to be recognised, where `likely` does: what is said
    /// goes before where it is said. The registry begins with the strongest signatures, so that
    /// only those before `likely` are asked.
    fn stronger(&self, head: &[u8], hint: Hint, likely: &'static dyn Protocol) -> Option<Verdict> {
        let sure = |probe| !matches!(probe, Probe::NoMatch | Probe::NeedMore);
        if sure(likely.probe(head, hint)) {
            return None;
        }
        let before = |p: &&&'static dyn Protocol| !std::ptr::eq(p.about(), likely.about());
        let mut others = self.carried.get(&hint.carrier)?.iter().take_while(before);
        others.find_map(|protocol| {
            let probe = protocol.probe(head, hint);
            sure(probe).then(|| Verdict::Is(*protocol, side(probe)))
        })
    }
}

fn side(probe: Probe) -> Option<Side> {
    match probe {
        Probe::MatchServer => Some(Side::Server),
        Probe::MatchClient => Some(Side::Client),
        _ => None,
    }
}
