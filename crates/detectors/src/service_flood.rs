//! Conversations opened at a rate that wears out a service: DHCP, TCP; and clients that are made
//! up to take all addresses of DHCP.
//!
//! Invariant: requests of clients that are made up are told as such, and not as a flood as well.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    conversation::{self, Burst, BurstLimit, Key},
    watched::Watched,
    window::{Lately, Rate, apart_secs},
};
use inventory::vendor;
use model::{
    Address, Detail, Exchange, Identity, Mac, Observation, SessionEvent, Severity, Subject, Time,
};

pub static SERVICE_FLOOD: Detector = Detector {
    about: About {
        id: "service-flood",
        title: "Flood of requests to a service",
        engine: model::Engine::Anomaly,
        why: "A name or address service that is flooded gives hosts no addresses; a server that \
              is flooded with connections serves nobody. Controllers fail under far less.",
        techniques: &["T0814", "T1498", "T1499"],
        false_positives: "Networks that start after a power failure, load tests.",
        runbook: "Find the sender's switch port by its MAC address and close it.\n\
                  See whether the service recovers; restart it if not.\n\
                  For DHCP, look for addresses that were given to hosts that do not exist.",
        sees: &[Kind::Session, Kind::Identity, Kind::Exchange],
    },
    watch: || {
        let (senders, clients) = (Watched::new(SPAN_SECS), Watched::new(SPAN_SECS));
        let bursts = Watched::new(Burst::SPAN_SECS);
        Box::new(ServiceFlood { senders, clients, bursts })
    },
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 10;
const DHCP: u16 = 67;
/// New conversations of one sender with DHCP servers.
const DHCP_MIN: u32 = 60;
/// Connections to one service, from anybody (3,000 in a minute).
const CONNECTIONS_MIN: u32 = 500;
/// Clients of one network whose hardware addresses are of no vendor, within the span: programs
/// that ask for one address after the other make theirs up, and after a power failure hundreds of
/// telephones ask at once, but theirs are of their vendor.
const MADE_UP_MIN: usize = 40;
/// Requests of one conversation, which is that of all clients without an address: one asks when it
/// starts.
const ASKED: BurstLimit = BurstLimit { packets: 200, per_second: 20 };

struct ServiceFlood {
    /// Sender's MAC address for DHCP, the server for TCP; and the port.
    senders: Watched<(Address, u16), Rate>,
    /// By VLAN.
    clients: Watched<Option<u16>, MadeUp>,
    bursts: Watched<Key, Burst>,
}

/// Clients of DHCP whose cards nobody makes.
#[derive(Default)]
struct MadeUp {
    lately: Lately<Mac>,
    /// When they were told of last.
    told: Option<Time>,
}

impl Watch for ServiceFlood {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let syn = match &o.detail {
            Detail::Identity(identity) => return self.client(o, identity, out),
            Detail::Exchange(exchange) => return self.requests(o, exchange, out),
            Detail::Session(SessionEvent::Attempted { syn }) => *syn,
            _ => return,
        };
        let Some(port) = o.to.port else { return };
        let dhcp = !syn && port == DHCP;
        let about = if dhcp { o.from.mac.map(Address::Mac) } else { o.to.address() };
        let Some(address) = about.filter(|_| dhcp || syn) else { return };
        let key = (address, port);
        let rate = self.senders.of(key, o.at, Rate::default);
        let lately = rate.count(o.at, SPAN_SECS);
        if lately < if dhcp { DHCP_MIN } else { CONNECTIONS_MIN } {
            return;
        }
        let first = rate.first;
        let raised = out.raise(&SERVICE_FLOOD.about, key, o, || {
            let title = if dhcp {
                "{0} floods DHCP servers with requests".to_owned()
            } else {
                format!("{{0}} is flooded with connections to port {port}")
            };
            Draft::about(vec![address], Severity::Medium, title).because(format!(
                "{lately} new conversations within {SPAN_SECS} s: the service's addresses or \
                 connections are exhausted."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        if let Some(from) = o.from.address() {
            open.names(from);
        }
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        let says = "new conversations in the newest 10 s";
        open.proof_count("rate", (first, o.at), (u64::from(lately), says));
    }

    fn dropped(&self) -> u64 {
        self.senders.dropped() + self.clients.dropped() + self.bursts.dropped()
    }
}

impl ServiceFlood {
    /// Who asks for an address, by the hardware address the request names: that of its sender or
    /// another.
    fn client(&mut self, o: &Observation, identity: &Identity, out: &mut Findings) {
        let Subject::Address(Address::Mac(mac)) = identity.subject else { return };
        if identity.message != "DHCP request" || vendor::vendor_of(mac).is_some() {
            return;
        }
        let clients = self.clients.of(o.from.vlan, o.at, MadeUp::default);
        let count = clients.lately.see(mac, o.at, SPAN_SECS);
        if count < MADE_UP_MIN {
            return;
        }
        clients.told = Some(o.at);
        let sender = o.from.mac.filter(|mac| mac.is_host()).unwrap_or(mac);
        let raised = out.raise(&SERVICE_FLOOD.about, ("clients", o.from.vlan), o, || {
            let title = "{0} asks for addresses for clients that are made up (DHCP starvation)";
            Draft::about(vec![Address::Mac(sender)], Severity::Medium, title).because(format!(
                "{MADE_UP_MIN} or more clients with hardware addresses of no vendor asked for an \
                 address within {SPAN_SECS} s: the server soon has none left for others."
            ))
        });
        let Some(open) = raised else { return };
        open.names(Address::Mac(sender));
        let first = clients.lately.first(o.at);
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        open.proof_count("clients", (first, o.at), (count as u64, "clients in the newest 10 s"));
    }

    /// Requests of one conversation, whatever is in them.
    fn requests(&mut self, o: &Observation, e: &Exchange, out: &mut Findings) {
        let answered = e.packets_down.saturating_mul(20) >= e.packets_up;
        if o.protocol != "dhcp" || o.to.port != Some(DHCP) || answered {
            return;
        }
        let key = conversation::key_of(o, e);
        let burst = self.bursts.of(key, o.at, || Burst::begins(e.first));
        if !burst.is_over(e.packets_up, e.last, ASKED) {
            return;
        }
        let told = self.clients.known(&o.from.vlan).and_then(|clients| clients.told);
        if told.is_some_and(|told| apart_secs(e.last, told) <= SPAN_SECS) {
            return;
        }
        let own = o.from.address().filter(Address::is_host);
        let Some(first) = own.or(o.from.mac.map(Address::Mac)) else { return };
        let raised = out.raise(&SERVICE_FLOOD.about, ("requests", first), o, || {
            // Clients without an address all share one conversation.
            let title = match own {
                Some(_) => "{0} floods DHCP servers with requests",
                None => "DHCP servers are flooded with requests, the first from {0}",
            };
            Draft::about(vec![first], Severity::Medium, title).because(format!(
                "{} or more packets in one conversation, at {} or more a second, and hardly an \
                 answer.",
                ASKED.packets, ASKED.per_second
            ))
        });
        if let Some(open) = raised {
            open.spans(e.first, e.last);
        }
    }
}

/// A client asks for an address.
#[cfg(test)]
fn client(at: i64, mac: [u8; 6]) -> Observation {
    use crate::testing::{host, of, port, seen};
    let (path, value) = ("dhcp_fingerprint", "1,3,6".into());
    let attributes = vec![model::Attribute { path, value, confidence: 90 }];
    let (subject, message) = (Subject::Address(Address::Mac(Mac(mac))), "DHCP request");
    let detail = Detail::Identity(Identity { subject, message, attributes });
    of("dhcp", seen(at, port(host(10), 68), port(host(255), DHCP), detail))
}

/// Clients without an address ask, from then on and for so many seconds.
#[cfg(test)]
fn requests(at: i64, packets_up: u64, secs: i64) -> Observation {
    use crate::testing::{exchange, host, of, port, seen};
    let end = model::Endpoint { ip: None, ..port(host(30), 68) };
    let o = exchange(at, end, port(host(255), DHCP), "dhcp");
    let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
    let last = e.first.plus_secs(secs);
    let e = Exchange { transport: "udp", packets_up, packets_down: 0, last, ..e };
    of("dhcp", Observation { at: last, ..seen(at, o.from, o.to, Detail::Exchange(e)) })
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, port, session};
    let ask = |at: i64, number: u16, syn| {
        let event = SessionEvent::Attempted { syn };
        session(at, port(host(10), 50_000), port(host(20), number), event)
    };
    let made_up = |i: u8| client(i64::from(i) * 50, [0x02 | i << 2, 0x4d, i, 7, i, 3]);
    let phone = |i: u8| client(i64::from(i) * 50, [0x00, 0x1b, 0x1b, 7, 7, i]);
    let travels = |i: u8| client(i64::from(i) * 5_000, [0x02 | i << 2, 0x4d, i, 7, i, 3]);
    vec![
        Case::fires("clients made up", (0..60).map(made_up).collect()),
        Case::fires("requests for addresses", vec![requests(0, 600, 10)]),
        Case::silent("clients of a day", vec![requests(0, 600, 86_400)]),
        Case::silent("telephones after a power failure", (0..200).map(phone).collect()),
        Case::silent("visitors", (0..60).map(travels).collect()),
        Case::fires("DHCP", (0..200).map(|i| ask(i * 20, DHCP, false)).collect()),
        Case::fires("connections", (0..900).map(|i| ask(i * 10, 80, true)).collect()),
        Case::silent("a busy server", (0..900).map(|i| ask(i * 100, 80, true)).collect()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Detection, Phase};
    use inventory::Inventory;

    #[test]
    fn a_flood_is_hidden_by_made_up_clients_of_its_time_alone() {
        let found = |later: i64| {
            let mut detection = Detection::new(Phase::Unlearnt);
            let inventory = Inventory::new();
            for i in 0..60u8 {
                let asks = client(i64::from(i) * 50, [0x02 | i << 2, 0x4d, i, 7, i, 3]);
                detection.see(&asks, &inventory);
            }
            detection.see(&requests(later, 600, 5), &inventory);
            let all = detection.findings(&inventory);
            all.iter().filter(|f| f.detector == "service-flood").count()
        };
        assert_eq!((found(0), found(3_600_000)), (1, 2));
    }
}
