//! Scans that open nothing: segments of connections that nobody opened, and protocols of IP.
//!
//! Part of `scan`. What comes back tells what a filter lets through (acknowledgements, nmap -sA),
//! or which protocols a host understands (nmap -sO). Invariant: a port to which a connection was
//! seen to be opened does not count, whatever else goes there.

use crate::{
    Draft, Findings,
    baseline::{Few, few},
    scan::SCAN,
    watched::Watched,
    window::{Lately, Rate},
};
use model::{Address, Detail, Exchange, Observation, PortNumber, SessionEvent, Severity, Time};

/// Ports of one host to which one other sent lone segments, within the span. Of services: those
/// who answer them use none of these numbers themselves (RFC 6335, 6; rlogin and NFS take theirs
/// from 512 up).
const PORTS_MIN: usize = 12;
const PORT_END: PortNumber = 512;
const SPAN_SECS: i64 = 120;
/// What IP carries between two hosts, of what is no TCP, UDP or ICMP: routers have four or five.
const PROTOCOLS_MIN: u32 = 16;
/// A lone segment, said again when nothing came back.
const PACKETS_MAX: u64 = 3;
/// Octets of a packet without data, with all options that are usual, over IPv6 in a VLAN.
const BARE_OCTETS: u64 = 100;

type Pair = (Address, Address);

pub(crate) struct Sounding {
    ports: Watched<Pair, Ports>,
    /// Conversations of other protocols than those with ports.
    protocols: Watched<Pair, Rate>,
}

struct Ports {
    opened: Few<PortNumber>,
    sounded: Lately<PortNumber>,
}

impl Sounding {
    pub(crate) fn new() -> Self {
        Sounding { ports: Watched::new(SPAN_SECS), protocols: Watched::new(SPAN_SECS) }
    }

    pub(crate) fn see(&mut self, o: &Observation, out: &mut Findings) {
        match &o.detail {
            Detail::Session(SessionEvent::Attempted { syn: false }) if o.protocol == "ip" => {
                self.protocol(o, out);
            }
            Detail::Session(SessionEvent::Attempted { syn: true }) => {
                if let Some((pair, port)) = service(o) {
                    self.ports.of(pair, o.at, Ports::new).opened.insert(port);
                }
            }
            Detail::Exchange(exchange) if exchange.transport == "tcp" && is_bare(exchange) => {
                self.segment(o, exchange.first, out);
            }
            _ => {}
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.ports.dropped() + self.protocols.dropped()
    }

    fn segment(&mut self, o: &Observation, at: Time, out: &mut Findings) {
        let Some(((source, target), port)) = service(o) else { return };
        let ports = self.ports.of((source, target), at, Ports::new);
        if ports.opened.contains(&port) {
            return;
        }
        let count = ports.sounded.see(port, at, SPAN_SECS);
        if count < PORTS_MIN {
            return;
        }
        let first = ports.sounded.first(at);
        let raised = out.raise(&SCAN.about, ("sounded", source), o, || {
            let title = "{0} sounds out which ports of {1} a filter lets through";
            Draft::by(source, [target], Severity::Medium, title).because(format!(
                "{{0}} sent lone segments to {PORTS_MIN} or more ports of services of {{1}} within \
                 {SPAN_SECS} s, in connections that nobody opened: by what comes back it sees \
                 what lies between the two (an ACK scan)."
            ))
        });
        let Some(open) = raised else { return };
        open.names(target);
        open.spans(first, at);
        let says = "ports of services that it sent lone segments to";
        open.proof_count("ports", (first, at), (count as u64, says));
    }

    fn protocol(&mut self, o: &Observation, out: &mut Findings) {
        let (Some(source), Some(target)) = (o.from.address(), o.to.address()) else { return };
        if !source.is_host() || !target.is_host() {
            return;
        }
        let rate = self.protocols.of((source, target), o.at, Rate::default);
        let count = rate.count(o.at, SPAN_SECS);
        if count < PROTOCOLS_MIN {
            return;
        }
        let first = rate.first;
        let raised = out.raise(&SCAN.about, ("protocols", source), o, || {
            let title = "{0} tries which protocols of IP {1} understands";
            Draft::by(source, [target], Severity::Medium, title).because(format!(
                "{{0}} began {PROTOCOLS_MIN} or more conversations with {{1}} within {SPAN_SECS} s \
                 in protocols that are none of TCP, UDP and ICMP; hosts have one or two between \
                 them."
            ))
        });
        let Some(open) = raised else { return };
        open.names(target);
        open.spans(first, o.at);
        let says = "conversations in protocols of IP";
        open.proof_count("protocols", (first, o.at), (u64::from(count), says));
    }
}

impl Ports {
    fn new() -> Self {
        Ports { opened: few(), sounded: Lately::default() }
    }
}

/// Who speaks to which service.
fn service(o: &Observation) -> Option<(Pair, PortNumber)> {
    let port = o.to.port.filter(|port| (1..PORT_END).contains(port))?;
    Some(((o.from.address()?, o.to.address()?), port))
}

fn is_bare(e: &Exchange) -> bool {
    let bare = |bytes: u64, packets: u64| bytes <= packets.saturating_mul(BARE_OCTETS);
    (1..=PACKETS_MAX).contains(&e.packets_up)
        && e.packets_down <= PACKETS_MAX
        && bare(e.bytes_up, e.packets_up)
        && bare(e.bytes_down, e.packets_down)
}

#[cfg(test)]
pub(crate) fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, of, port, session};
    let lone = |at: i64, number: u16, bytes: u64| {
        let o = exchange(at, port(host(10), 55_778), port(host(20), number), "tcp");
        let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
        let (packets_up, packets_down) = (1, 1);
        let e = Exchange { packets_up, packets_down, bytes_up: bytes, bytes_down: 54, ..e };
        Observation { detail: Detail::Exchange(e), ..o }
    };
    let all = |from: u16, bytes| (from..from + 30).map(move |i| lone(i.into(), i, bytes));
    let opens = |i: u16| {
        let (from, to) = (port(host(10), 55_778), port(host(20), i));
        session(i.into(), from, to, SessionEvent::Attempted { syn: true })
    };
    let answers = |i: u16| {
        let (from, to) = (port(host(20), i), port(host(10), 55_778));
        session(i.into(), from, to, SessionEvent::Answered)
    };
    let checked = (20..50).flat_map(|i| [opens(i), answers(i), lone(i64::from(i), i, 60)]);
    let protocol = |i: i64| {
        of("ip", session(i * 100, host(10), host(20), SessionEvent::Attempted { syn: false }))
    };
    vec![
        Case::fires("acknowledgements to services", all(20, 54).collect()),
        Case::silent("to ports of clients", all(40_000, 54).collect()),
        Case::silent("ends of conversations", all(20, 900).collect()),
        Case::silent("services that are looked after", checked.collect()),
        Case::fires("protocols of IP", (0..40).map(protocol).collect()),
        Case::silent("protocols of routers", (0..6).map(protocol).collect()),
    ]
}
