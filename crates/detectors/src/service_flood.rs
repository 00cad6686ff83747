//! Conversations opened at a rate that wears out a service: DHCP, TCP.

use crate::{About, Detector, Draft, Findings, Kind, Site, Watch, watched::Watched, window::Rate};
use model::{Address, Detail, Observation, SessionEvent, Severity};

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
        sees: &[Kind::Session],
    },
    watch: || Box::new(ServiceFlood { senders: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 10;
const DHCP: u16 = 67;
/// New conversations of one sender with DHCP servers.
const DHCP_MIN: u32 = 60;
/// Connections to one service, from anybody (3,000 in a minute).
const CONNECTIONS_MIN: u32 = 500;

struct ServiceFlood {
    /// Sender's MAC address for DHCP, the server for TCP; and the port.
    senders: Watched<(Address, u16), Rate>,
}

impl Watch for ServiceFlood {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Session(SessionEvent::Attempted { syn }) = o.detail else { return };
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
        self.senders.dropped()
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, port, session};
    let ask = |at: i64, number: u16, syn| {
        let event = SessionEvent::Attempted { syn };
        session(at, port(host(10), 50_000), port(host(20), number), event)
    };
    vec![
        Case::fires("DHCP", (0..200).map(|i| ask(i * 20, DHCP, false)).collect()),
        Case::fires("connections", (0..900).map(|i| ask(i * 10, 80, true)).collect()),
        Case::silent("a busy server", (0..900).map(|i| ask(i * 100, 80, true)).collect()),
    ]
}
