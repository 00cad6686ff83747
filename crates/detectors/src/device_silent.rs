//! Devices that answered and no longer do.
//!
//! Seen by connections that are tried again and again in vain, by datagrams from ever new ports,
//! and by those from one port, of which the sensor says when a server that used to answer does so
//! no more. Not here: hosts that never answered (`scan`). Invariant: one lost connection is no
//! finding; tries must go on for a while.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, watched::Watched, window::apart_secs,
};
use inventory::is_external;
use model::{Address, Detail, Observation, PortNumber, SessionEvent, Severity, Time};

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
        sees: &[Kind::Session],
    },
    watch: || Box::new(DeviceSilent { channels: Watched::new(KNOWN_SECS) }),
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
}

/// Client, server, its port, and whether by datagrams.
type Key = (Address, Address, PortNumber, bool);

#[derive(Default)]
struct Channel {
    answered: Option<Time>,
    /// Since the last answer.
    tries: u32,
    first: Time,
    last: Time,
}

impl Watch for DeviceSilent {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Session(SessionEvent::Attempted { syn: true }) => {
                self.tried(o, false, site, out);
            }
            Detail::Session(SessionEvent::Attempted { syn: false }) if o.protocol == "udp" => {
                self.tried(o, true, site, out);
            }
            Detail::Session(SessionEvent::Answered) if ["tcp", "udp"].contains(&o.protocol) => {
                self.answered(o);
            }
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        self.channels.dropped()
    }
}

impl DeviceSilent {
    fn tried(&mut self, o: &Observation, datagram: bool, site: &Site<'_>, out: &mut Findings) {
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let port = o.to.port.unwrap_or_default();
        let key = (client, server, port, datagram);
        // Who never answered is not remembered, so that a scan does not fill the table. That two
        // talk says nothing of datagrams: many are never answered, and are not meant to be.
        let pair = site.baseline.pair(client, server).filter(|_| !datagram);
        if pair.is_none() && self.channels.known(&key).is_none() {
            return;
        }
        let channel = self.channels.of(key, o.at, Channel::default);
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
        let outside = |a: Address| matches!(a, Address::Ip(ip) if is_external(ip));
        if outside(client) || outside(server) {
            return;
        }
        let known = site.baseline.pair(client, server).is_some();
        let severity = if known { Severity::Medium } else { Severity::Low };
        let transport = if datagram { "UDP" } else { "TCP" };
        let draft = || {
            Draft::about(vec![server, client], severity, "{0} no longer answers {1}").because(
                format!(
                    "It answered on {transport} port {port} until {answered} and not since, \
                     though it was tried at least {tries} times in {} s.",
                    apart_secs(o.at, first)
                ),
            )
        };
        let about = &DEVICE_SILENT.about;
        let raised = match datagram {
            true => out.raise(about, key, o, draft),
            false => out.raise(about, (client, server, port), o, draft),
        };
        if let Some(open) = raised {
            let says = match datagram {
                true => "requests, none answered",
                false => "connections tried in vain",
            };
            open.proof_count("tries", (first, o.at), (u64::from(tries) - 1, says));
        }
    }

    /// `o` is the server's answer.
    fn answered(&mut self, o: &Observation) {
        let (Some(client), Some(server)) = (o.to.address(), o.from.address()) else { return };
        let (port, datagram) = (o.from.port.unwrap_or_default(), o.protocol == "udp");
        // What two ends agreed on for once (RFC 6335, 6) is over when it is over.
        if datagram && port >= DYNAMIC_PORTS {
            return;
        }
        let key = (client, server, port, datagram);
        let channel = self.channels.of(key, o.at, Channel::default);
        (channel.answered, channel.tries) = (Some(o.at), 0);
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, host, port, session};
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
    vec![
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
            (0..9)
                .flat_map(|i| {
                    [tries(i * 10, 50_000 + i as u16), answers(i * 10, 50_000 + i as u16)]
                })
                .map(by_udp)
                .collect(),
        ),
        Case::silent(
            "a new connection each time",
            (0..9)
                .flat_map(|i| {
                    [tries(i * 10, 50_000 + i as u16), answers(i * 10, 50_000 + i as u16)]
                })
                .collect(),
        ),
    ]
}
