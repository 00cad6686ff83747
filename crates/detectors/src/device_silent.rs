//! Devices that answered and no longer do.
//!
//! Seen by connections that are tried again and again in vain, by datagrams from ever new ports, by
//! those from one port, of which the sensor says when a server that used to answer does so no more,
//! and by ARP, with which everything ends on one segment. Not here: hosts that never answered
//! (`scan`). Invariant: one lost connection is no finding; tries must go on for a while.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, watched::Watched,
    window::apart_secs,
};
use inventory::is_outside;
use model::{
    Address, Detail, Object, Observation, OperationClass, PortNumber, SessionEvent, Severity, Time,
};
use std::net::Ipv4Addr;

pub static DEVICE_SILENT: Detector = Detector {
    about: About {
        id: "device-silent",
        title: "Device does not answer any more",
        engine: model::Engine::Operational,
        why: "A controller that does not answer is stopped, cut off or overloaded; its panel \
              shows old values meanwhile. Who sees it first decides whether it becomes a \
              standstill.",
        techniques: &["T0814", "T0881", "T0803", "T0804"],
        false_positives: "Devices switched off at the end of a shift, work on the network, a \
                          service that was moved to another host.",
        runbook: "Look at the device: does it run, is its link up?\n\
                  Look at what was sent to it just before: commands, floods, scans.\n\
                  See whether others still reach it; if so, look at the way between the two.\n\
                  Tell the operators that values of it are old.",
        sees: &[Kind::Session, Kind::Operation, Kind::Identity],
    },
    watch: || {
        let (channels, claims) = (Watched::new(KNOWN_SECS), Watched::new(KNOWN_SECS));
        Box::new(DeviceSilent { channels, claims })
    },
    #[cfg(test)]
    cases,
};

/// Tries in vain, and the time they take at least.
const TRIES_MIN: u32 = 5;
const SPAN_SECS: i64 = 30;
/// Tries that are further apart are not one attempt to come back.
const GAP_SECS: i64 = 300;
/// After so long nobody expects an answer.
const KNOWN_SECS: i64 = 86_400;
/// The first port that no service has for itself.
const DYNAMIC_PORTS: PortNumber = 49_152;

struct DeviceSilent {
    channels: Watched<Key, Channel>,
    /// When an address was said to be somebody's, last.
    claims: Watched<Address, Time>,
}

/// Client, server, its port, and by what.
type Key = (Address, Address, PortNumber, By);

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum By {
    Tcp,
    Udp,
    Arp,
}

#[derive(Default)]
struct Channel {
    answered: Option<Time>,
    /// Since the last answer.
    tries: u32,
    first: Time,
    last: Time,
}

impl Watch for DeviceSilent {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "arp" && class == OperationClass::Browse
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Session(SessionEvent::Attempted { syn: true }) => {
                self.tried(o, o.to.address(), By::Tcp, site, out);
            }
            Detail::Session(SessionEvent::Attempted { syn: false }) if o.protocol == "udp" => {
                self.tried(o, o.to.address(), By::Udp, site, out);
            }
            Detail::Session(SessionEvent::Answered) if ["tcp", "udp"].contains(&o.protocol) => {
                self.answered(o);
            }
            Detail::Operation(operation) if o.protocol == "arp" => {
                if let Object::Range { first, .. } = operation.object {
                    let server = Address::Ip(Ipv4Addr::from(first).into());
                    self.tried(o, Some(server), By::Arp, site, out);
                }
            }
            Detail::Identity(identity) if o.protocol == "arp" => {
                let ips = identity.attributes.iter().filter(|a| a.path == "ip");
                for ip in ips.filter_map(|a| a.value.parse().ok()) {
                    *self.claims.of(Address::Ip(ip), o.at, || o.at) = o.at;
                }
            }
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        self.channels.dropped() + self.claims.dropped()
    }
}

impl DeviceSilent {
    fn tried(
        &mut self,
        o: &Observation,
        server: Option<Address>,
        by: By,
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let (Some(client), Some(server)) = (o.from.address(), server) else { return };
        let port = o.to.port.filter(|_| by != By::Arp).unwrap_or_default();
        let key = (client, server, port, by);
        let known = site.baseline.pair(client, server);
        // Who never answered is not remembered, so that a scan does not fill the table. That two
        // talk says nothing of datagrams: many are never answered, and are not meant to be.
        let pair = known.filter(|_| by != By::Udp);
        let claimed = self.claims.known(&server).filter(|_| by == By::Arp).copied();
        // Answers to ARP are seen here, or were while it was learned what is.
        let hears = by != By::Arp || claimed.is_some() || site.phase == Phase::Learnt;
        if (pair.is_none() && self.channels.known(&key).is_none()) || !hears {
            return;
        }
        let channel = self.channels.of(key, o.at, Channel::default);
        if claimed.is_some_and(|at| at >= channel.last) {
            (channel.answered, channel.tries) = (claimed, 0);
        }
        if channel.tries == 0 || apart_secs(o.at, channel.last) > GAP_SECS {
            (channel.tries, channel.first) = (0, o.at);
        }
        channel.tries += 1;
        channel.last = o.at;
        let (tries, first) = (channel.tries, channel.first);
        // The newest is not yet in vain.
        if tries <= TRIES_MIN || apart_secs(o.at, first) < SPAN_SECS {
            return;
        }
        let Some(answered) = channel.answered.or(pair.map(|p| p.last)) else { return };
        if is_outside(client)
            || is_outside(server)
            || (by == By::Arp && is_heard(server, first, site))
        {
            return;
        }
        let severity = if known.is_some() { Severity::Medium } else { Severity::Low };
        let tries = Tries { count: tries, first, answered };
        tries.raise(o, key, severity, out);
    }

    /// `o` is the server's answer.
    fn answered(&mut self, o: &Observation) {
        let (Some(client), Some(server)) = (o.to.address(), o.from.address()) else { return };
        let (port, datagram) = (o.from.port.unwrap_or_default(), o.protocol == "udp");
        // What two ends agreed on for once (RFC 6335, 6) is over when it is over.
        if datagram && port >= DYNAMIC_PORTS {
            return;
        }
        let by = if datagram { By::Udp } else { By::Tcp };
        let key = (client, server, port, by);
        let channel = self.channels.of(key, o.at, Channel::default);
        (channel.answered, channel.tries) = (Some(o.at), 0);
    }
}

/// What was tried in vain.
struct Tries {
    count: u32,
    first: Time,
    answered: Time,
}

impl Tries {
    fn raise(
        &self,
        o: &Observation,
        (client, server, port, by): Key,
        severity: Severity,
        out: &mut Findings,
    ) {
        let Tries { count, first, answered } = *self;
        let draft = || {
            let answer = match by {
                By::Tcp => format!("It answered on TCP port {port}"),
                By::Udp => format!("It answered on UDP port {port}"),
                By::Arp => "It said that it has its address".to_owned(),
            };
            let title = "{0} no longer answers {1}";
            Draft::about(vec![server, client], severity, title).because(format!(
                "{answer} until {answered} and not since, though it was tried at least {count} \
                 times in {} s.",
                apart_secs(o.at, first)
            ))
        };
        let about = &DEVICE_SILENT.about;
        let raised = match by {
            By::Tcp => out.raise(about, (client, server, port), o, draft),
            By::Udp => out.raise(about, (client, server, port, true), o, draft),
            By::Arp => out.raise(about, (client, server, "arp"), o, draft),
        };
        let says = match by {
            By::Tcp => "connections tried in vain",
            By::Udp => "requests, none answered",
            By::Arp => "questions who has its address, none answered",
        };
        if let Some(open) = raised {
            open.proof_count("tries", (first, o.at), (u64::from(count) - 1, says));
        }
    }
}

/// Did it send anything since? Answers to ARP go to one host, where not everybody sees them.
fn is_heard(server: Address, since: Time, site: &Site<'_>) -> bool {
    let key = site.inventory.asset_of(&server);
    key.is_some_and(|key| site.inventory.asset(key).last_seen > since)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, arp, arp_asks, asks, host, mac, port, session};
    use model::OperationClass::Read;
    let tries = |second: i64, client_port: u16| {
        let attempted = SessionEvent::Attempted { syn: true };
        session(second * 1_000, port(host(10), client_port), port(host(20), 502), attempted)
    };
    let answers = |second: i64, client_port: u16| {
        let answered = SessionEvent::Answered;
        session(second * 1_000, port(host(20), 502), port(host(10), client_port), answered)
    };
    let by_udp = |o: Observation| match o.detail {
        Detail::Session(SessionEvent::Attempted { .. }) => {
            let detail = Detail::Session(SessionEvent::Attempted { syn: false });
            Observation { protocol: "udp", detail, ..o }
        }
        _ => Observation { protocol: "udp", ..o },
    };
    let again = |from: i64| (0..9).map(move |i| tries(from + i * 10, 50_100 + i as u16));
    let each_answered = || {
        (0..9).flat_map(|i| [tries(i * 10, 50_000 + i as u16), answers(i * 10, 50_000 + i as u16)])
    };
    let polls = || vec![asks(0, Read)];
    let sought = |from: i64| (0..9).map(move |i| arp_asks((from + i * 10) * 1_000, 10, 20));
    let there = |second: i64| arp(second * 1_000, "ARP reply", mac(20), 20, host(10));
    let answered = (0..9).flat_map(|i| [arp_asks(i * 10_000, 10, 20), there(i * 10)]);
    vec![
        Case::fires("off since the start", sought(60).collect()).after(polls()),
        Case::fires(
            "there by ARP, then not",
            [asks(0, Read), there(0)].into_iter().chain(sought(60)).collect(),
        ),
        Case::silent("there by ARP", answered.collect()).after(polls()),
        Case::silent(
            "its answers to ARP are not seen here",
            polls().into_iter().chain(sought(60)).collect(),
        ),
        Case::silent("sought by who never talks to it", sought(60).collect())
            .after(vec![Observation { from: host(11), ..asks(0, Read) }]),
        Case::fires(
            "connected once, then tried in vain",
            [tries(0, 50_000), answers(0, 50_000)].into_iter().chain(again(60)).collect(),
        ),
        Case::fires(
            "a poll that began before",
            [asks(0, Read)].into_iter().chain(again(60)).collect(),
        ),
        Case::fires(
            "a datagram was answered, those from later ports are not",
            [tries(0, 50_000), answers(0, 50_000)]
                .into_iter()
                .chain(again(60))
                .map(by_udp)
                .collect(),
        ),
        Case::silent("never there", again(0).collect()),
        Case::silent(
            "datagrams that nobody ever answers, between two that talk",
            [asks(0, Read)].into_iter().chain(again(60).map(by_udp)).collect(),
        ),
        Case::silent(
            "datagrams from ever new ports, each answered",
            each_answered().map(by_udp).collect(),
        ),
        Case::silent("a new connection each time", each_answered().collect()),
    ]
}
