//! Connections to a web server that are held open by requests that never end (Slowloris), and to
//! controllers by saying nothing (`held_connections`).
//!
//! What counts is many connections of one client in which it spoke for a while, asked nothing whole
//! and was answered nothing. Not here: connections opened at a rate that wears out a service
//! (`service_flood`). Invariant: a client that asked something in a connection, were it to wait
//! long for the answer, does not count by it.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    conversation::{Key, key_of},
    held_connections::HeldConnections,
    watched::Watched,
    window::Lately,
};
use model::{
    Address, Detail, Direction, Exchange, Observation, OperationClass, PortNumber, Severity, Time,
};

pub static STALLED_REQUESTS: Detector = Detector {
    about: About {
        id: "stalled-requests",
        title: "Server kept busy by connections in which nothing is asked",
        engine: model::Engine::Anomaly,
        why: "A server waits for a request and its end, and has only so many connections. Who \
              begins many requests and sends a line now and then, or connects and says nothing, \
              keeps everybody else out with next to no traffic; panels and controllers have a \
              handful of connections.",
        techniques: &["T1499", "T0814"],
        false_positives: "Load tests, clients behind a line so slow that requests take many \
                          seconds, and programs that forget to close their connections.",
        runbook: "Find the program on the client and stop it, or close its switch port.\n\
                  See whether the server answers others; restart its service if not.\n\
                  Let the server or a proxy before it bound how long the head of a request may \
                  take, and how many connections one client may have.",
        sees: &[Kind::Exchange, Kind::Operation, Kind::Session],
    },
    watch: || {
        let (asked, begun) = (Watched::new(SPAN_SECS), Watched::new(SPAN_SECS));
        let (stalled, held) = (Watched::new(SPAN_SECS), HeldConnections::new());
        Box::new(StalledRequests { asked, begun, stalled, held })
    },
    #[cfg(test)]
    cases,
};

/// Connections of one client to one server, within the span.
const CONNECTIONS_MIN: usize = 50;
const SPAN_SECS: i64 = 120;
/// So long a request has not ended.
const STALLED_SECS: i64 = 10;
/// Octets of a packet without data, with all options that are usual, over IPv6 in a VLAN.
const BARE_OCTETS: u64 = 100;

struct StalledRequests {
    /// Client, its port and server: connections in which something was asked.
    asked: Watched<(Address, PortNumber, Address), ()>,
    /// Connections in which the server said nothing yet.
    begun: Watched<Key, Begun>,
    /// Ports of a client at a server.
    stalled: Watched<(Address, Address), Lately<PortNumber>>,
    held: HeldConnections,
}

#[derive(Default)]
struct Begun {
    /// The server acknowledges, so both ends are seen.
    heard: bool,
    answered: bool,
}

impl Watch for StalledRequests {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "http" || HeldConnections::wants(protocol)
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        if o.protocol != "http" {
            return self.held.see(o, out);
        }
        match &o.detail {
            Detail::Operation(operation) if operation.direction == Direction::Request => {
                let ends = (o.from.address(), o.from.port, o.to.address());
                let (Some(client), Some(port), Some(server)) = ends else { return };
                self.asked.of((client, port, server), o.at, || ());
            }
            Detail::Exchange(exchange) if exchange.transport == "tcp" => {
                self.goes_on(o, exchange, out);
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Time, _: &Site<'_>, _: &mut Findings) {
        self.held.passes(now);
    }

    fn dropped(&self) -> u64 {
        let requests = self.asked.dropped() + self.begun.dropped() + self.stalled.dropped();
        requests + self.held.dropped()
    }
}

impl StalledRequests {
    fn goes_on(&mut self, o: &Observation, exchange: &Exchange, out: &mut Findings) {
        let ends = (o.from.address(), o.from.port, o.to.address());
        let (Some(client), Some(port), Some(server)) = ends else { return };
        let said = exchange.bytes_down > exchange.packets_down.saturating_mul(BARE_OCTETS);
        let begun = self.begun.of(key_of(o, exchange), o.at, Begun::default);
        begun.heard |= exchange.packets_down > 0;
        begun.answered |= said;
        let secs = exchange.last.since(exchange.first) / 1_000_000_000;
        let asked = self.asked.known(&(client, port, server)).is_some();
        if !begun.heard || begun.answered || asked || secs < STALLED_SECS {
            return;
        }
        let ports = self.stalled.of((client, server), o.at, Lately::default);
        let count = ports.see(port, o.at, SPAN_SECS);
        if count < CONNECTIONS_MIN {
            return;
        }
        self.tell(o, (client, server), count, exchange.first, out);
    }

    fn tell(
        &mut self,
        o: &Observation,
        (client, server): (Address, Address),
        count: usize,
        first: Time,
        out: &mut Findings,
    ) {
        let raised = out.raise(&STALLED_REQUESTS.about, (client, server), o, || {
            let title = "{0} keeps {1} busy with requests that never end";
            Draft::by(client, [server], Severity::Medium, title).because(format!(
                "In {CONNECTIONS_MIN} or more connections it began a request that was not whole \
                 after {STALLED_SECS} s or more: the server waits for the rest, and has no \
                 connections left for others."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 120, "the words below say so");
        let says = "connections in the newest 120 s";
        open.proof_count("connections", (first, o.at), (count as u64, says));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, port, requested};
    let held = |i: u16, secs: i64, bytes_down: u64| {
        let o = exchange(i64::from(i), port(host(10), 50_000 + i), port(host(20), 80), "http");
        let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
        let last = e.first.plus_secs(secs);
        let e = Exchange { last, packets_up: 7, packets_down: 6, bytes_down, ..e };
        Observation { at: last, detail: Detail::Exchange(e), ..o }
    };
    let asked = |i: u16| {
        let o = requested(i64::from(i), "/events");
        Observation { from: port(host(10), 50_000 + i), ..o }
    };
    let all = |secs, bytes_down| (0..80).map(move |i| held(i, secs, bytes_down));
    vec![
        Case::fires("requests that never end", all(16, 400).collect()),
        Case::silent("a few of them", all(16, 400).take(20).collect()),
        Case::silent("requests that are answered", all(16, 4_000).collect()),
        Case::silent("requests that end soon", all(3, 400).collect()),
        Case::silent(
            "clients that wait for news",
            (0..80).flat_map(|i| [asked(i), held(i, 16, 400)]).collect(),
        ),
    ]
    .into_iter()
    .chain(crate::held_connections::cases())
    .collect()
}
