//! Connections of a controller that one client takes and says nothing in, and connections asked
//! for again and again when all are taken.
//!
//! Part of `stalled_requests`. Controllers serve four to some dozens of clients at a time.
//! Invariant: a connection in which either end said something does not count.

use crate::{
    Draft, Findings,
    scan::CONTROLLER_PORTS,
    stalled_requests::STALLED_REQUESTS,
    watched::Watched,
    window::{Lately, Rate},
};
use model::{
    Address, Detail, Exchange, Observation, Outcome, PortNumber, SessionEvent, Severity, Time,
};

/// Connections of one client to one controller that were silent for so long.
const HELD_MIN: usize = 8;
const HELD_SECS: i64 = 10;
/// As many are enough where the controller turned others away at once: it has no more.
const HELD_FEW: usize = 3;
const TURNED_AWAY_MIN: usize = 10;
const TURNED_AWAY_SECS: i64 = 2;
const SPAN_SECS: i64 = 600;
/// Octets of a packet without data, with all options that are usual, over IPv6 in a VLAN.
const BARE_OCTETS: u64 = 100;
/// Refusals because all are taken: who only waits for its turn asks every few seconds.
const FULL_MIN: u32 = 20;
const FULL_SECS: i64 = 10;
/// What they are called: EN ISO 22510, 5.5, and OPC 10000-6, annex A.2.
const FULL: [&str; 3] = ["no more connections", "no more unique connections", "too many sessions"];

/// Client, its port, server and its port.
type Connection = (Address, PortNumber, Address, PortNumber);
/// Client, server and its port.
type Service = (Address, Address, PortNumber);

pub(crate) struct HeldConnections {
    connections: Watched<Connection, Known>,
    held: Watched<Service, Held>,
    full: Watched<(Address, Address), Rate>,
    now: Time,
}

/// What was seen of a connection; its counters are told in parts.
struct Known {
    closed: Closed,
    spoke: bool,
}

impl Known {
    const fn new() -> Known {
        Known { closed: Closed::No, spoke: false }
    }
}

#[derive(Clone, Copy)]
enum Closed {
    No,
    ByServer,
    ByClient,
}

/// Ports of the client.
#[derive(Default)]
struct Held {
    silent: Lately<PortNumber>,
    turned_away: Lately<PortNumber>,
}

impl HeldConnections {
    pub(crate) fn new() -> Self {
        HeldConnections {
            connections: Watched::new(SPAN_SECS),
            held: Watched::new(SPAN_SECS),
            full: Watched::new(FULL_SECS),
            now: Time::default(),
        }
    }

    pub(crate) fn wants(protocol: &str) -> bool {
        matches!(protocol, "knxip" | "opcua")
    }

    pub(crate) fn passes(&mut self, now: Time) {
        self.now = now;
    }

    pub(crate) fn see(&mut self, o: &Observation, out: &mut Findings) {
        match &o.detail {
            Detail::Session(SessionEvent::Answered) if o.protocol == "tcp" => {
                if let Some(connection) = connection(o, false) {
                    // The client may have taken the port for another connection before.
                    *self.connections.of(connection, o.at, Known::new) = Known::new();
                }
            }
            Detail::Session(SessionEvent::Closed) if o.protocol == "tcp" => self.closed(o),
            Detail::Exchange(exchange) if exchange.transport == "tcp" => {
                // Nothing was said that would tell the protocol.
                if o.protocol == "tcp" && is_bare(exchange) {
                    self.silent(o, exchange, out);
                } else {
                    self.spoke(o);
                }
            }
            Detail::Operation(operation) if Self::wants(o.protocol) => {
                if let Outcome::Refused { name, .. } = operation.outcome
                    && FULL.contains(&name)
                {
                    self.full(o, out);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.connections.dropped() + self.held.dropped() + self.full.dropped()
    }

    fn closed(&mut self, o: &Observation) {
        for (asks, how) in [(false, Closed::ByServer), (true, Closed::ByClient)] {
            let known = connection(o, asks).and_then(|key| self.connections.known(&key));
            if let Some(known) = known {
                known.closed = how;
            }
        }
    }

    fn spoke(&mut self, o: &Observation) {
        let Some(connection) = connection(o, true) else { return };
        let Some(known) = self.connections.known(&connection) else { return };
        known.spoke = true;
        let (client, port, server, service) = connection;
        if let Some(held) = self.held.known(&(client, server, service)) {
            held.silent.forget(&port);
        }
    }

    fn silent(&mut self, o: &Observation, exchange: &Exchange, out: &mut Findings) {
        let Some(connection) = connection(o, true) else { return };
        let (client, port, server, service) = connection;
        let Some(known) = self.connections.known(&connection) else { return };
        if known.spoke {
            return;
        }
        let closed = known.closed;
        let until = match closed {
            Closed::No => self.now.max(exchange.last),
            _ => exchange.last,
        };
        let secs = until.since(exchange.first) / 1_000_000_000;
        let key = (client, server, service);
        let held = self.held.of(key, o.at, Held::default);
        match closed {
            Closed::ByServer if secs < TURNED_AWAY_SECS => {
                held.turned_away.see(port, exchange.first, SPAN_SECS);
            }
            _ if secs >= HELD_SECS => {
                held.silent.see(port, exchange.first, SPAN_SECS);
            }
            _ => return,
        }
        let (count, away) = (held.silent.len(), held.turned_away.len());
        if count < HELD_MIN && (count < HELD_FEW || away < TURNED_AWAY_MIN) {
            return;
        }
        let first = held.silent.first(exchange.first);
        let raised = out.raise(&STALLED_REQUESTS.about, key, o, || {
            let title = "{0} takes connections of {1} and says nothing in them";
            Draft::by(client, [server], Severity::Medium, title)
        });
        let Some(open) = raised else { return };
        let others = match away {
            0 => String::new(),
            away => format!(", and {away} more were ended by {{1}} at once"),
        };
        open.explained(format!(
            "{count} connections to port {service} were silent for {HELD_SECS} s or \
             longer{others}. A controller has only so many; its masters find none left."
        ));
        open.spans(first, exchange.first);
        let says = "connections in which nothing was said";
        open.proof_count("held", (first, until), (count as u64, says));
    }

    /// `o` is the server's answer.
    fn full(&mut self, o: &Observation, out: &mut Findings) {
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let key = (client, server);
        let rate = self.full.of(key, o.at, Rate::default);
        let count = rate.count(o.at, FULL_SECS);
        if count < FULL_MIN {
            return;
        }
        let first = rate.first;
        let raised = out.raise(&STALLED_REQUESTS.about, key, o, || {
            let title = "{0} asks {1} for connections again and again until all are taken";
            Draft::by(client, [server], Severity::Medium, title).because(format!(
                "{{1}} had no more for {{0}}, {FULL_MIN} or more times within {FULL_SECS} s; who \
                 waits for its turn asks less often. Whoever needs one finds none left."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(FULL_SECS == 10, "the words below say so");
        let says = "refusals in the newest 10 s";
        open.proof_count("full", (first, o.at), (u64::from(count), says));
    }
}

/// The connection that `o` belongs to, where it is one to a controller.
fn connection(o: &Observation, said_by_client: bool) -> Option<Connection> {
    let (client, server) = if said_by_client { (&o.from, &o.to) } else { (&o.to, &o.from) };
    let service = server.port.filter(|port| CONTROLLER_PORTS.contains(port))?;
    Some((client.address()?, client.port?, server.address()?, service))
}

fn is_bare(e: &Exchange) -> bool {
    let bare = |bytes: u64, packets: u64| bytes <= packets.saturating_mul(BARE_OCTETS);
    e.packets_down > 0 && bare(e.bytes_up, e.packets_up) && bare(e.bytes_down, e.packets_down)
}

#[cfg(test)]
pub(crate) fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, of, port, refused, session};
    use SessionEvent::{Answered, Closed};
    use model::OperationClass;
    let ends = |i: u16| (port(host(10), 50_000 + i), port(host(20), 502));
    let counted = |i: u16, secs: i64, packets: u64| {
        let (client, server) = ends(i);
        let o = exchange(i64::from(i) * 100, client, server, "tcp");
        let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
        let last = e.first.plus_secs(secs);
        let (packets_up, packets_down, bytes_up) = (packets, 2, packets * 66);
        let e = Exchange { last, packets_up, packets_down, bytes_up, bytes_down: 140, ..e };
        Observation { at: last, detail: Detail::Exchange(e), ..o }
    };
    let opened = |i: u16| {
        let (client, server) = ends(i);
        session(i64::from(i) * 100, server, client, Answered)
    };
    let turned_away = |i: u16| {
        let (client, server) = ends(i);
        [opened(i), session(i64::from(i) * 100 + 1, server, client, Closed), counted(i, 0, 2)]
    };
    let held = |i: u16, secs| [opened(i), counted(i, secs, 3)];
    let asks = |at: i64| of("knxip", refused(at, OperationClass::Session, FULL[0]));
    let spare = (0..2).flat_map(|i| held(i, 600)).collect();
    let some = || (0..4).flat_map(|i| held(i, 40));
    // A live sensor tells of each second.
    let parts = |i: u16| {
        let said = counted(i, 5, 3);
        let Detail::Exchange(e) = said.detail else { unreachable!("an exchange") };
        let said =
            Observation { detail: Detail::Exchange(Exchange { bytes_up: 900, ..e }), ..said };
        [opened(i), counted(i, 0, 2), said, counted(i, 60, 1)]
    };
    vec![
        Case::fires("silent connections", (0..20).flat_map(|i| held(i, 40)).collect()),
        Case::fires("all there are", some().chain((4..40).flat_map(turned_away)).collect()),
        Case::silent("connections in reserve", spare),
        Case::silent("one that is turned away", (0..40).flat_map(turned_away).collect()),
        Case::silent("connections that rest", (0..20).flat_map(parts).collect()),
        Case::silent("short ones", (0..20).flat_map(|i| held(i, 1)).collect()),
        Case::fires("tunnels", (0..30).map(|i| asks(i * 50)).collect()),
        Case::silent("a client that waits for one", (0..30).map(|i| asks(i * 3_000)).collect()),
    ]
}
