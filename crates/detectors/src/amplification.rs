//! Servers whose answers are many times what was asked for: somebody asks in another's name.
//!
//! Not here: whether the sender's address is made up, which nobody can see. Invariant: answers
//! alone say nothing, for a mirror may show one direction only.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    watched::Watched,
    window::{Rate, apart_secs},
};
use model::{
    Address, Detail, Direction, Exchange, Object, Observation, Operation, OperationClass, Severity,
    Time,
};

pub static AMPLIFICATION: Detector = Detector {
    about: About {
        id: "amplification",
        title: "Server used to flood another host",
        engine: model::Engine::Anomaly,
        why: "Some services answer a small datagram with many large ones. Who asks them in the \
              name of another host floods that host by them, and the line between as well.",
        techniques: &["T1498", "T0814"],
        false_positives: "Tools that ask a service for all it knows: a walk through a device by \
                          SNMP with very large answers, a list of a cache's contents.",
        runbook: "Ask whether the service is to be reached from there at all; close it in the \
                  firewall if not.\n\
                  Switch off what answers so much: monlist of NTP, recursion and ANY of DNS for \
                  strangers, UDP of memcached.\n\
                  If the one who seems to ask is a host of your own, look at what it suffers.",
        sees: &[Kind::Exchange, Kind::Operation],
    },
    watch: || {
        let (servers, anything) = (Watched::new(SPAN_SECS), Watched::new(ANY_SECS));
        Box::new(Amplification { servers, anything })
    },
    #[cfg(test)]
    cases,
};

/// Services over UDP that are known for it (US-CERT TA14-017A).
const SERVICES: &[(u16, &str)] = &[
    (17, "QOTD"),
    (19, "CHARGEN"),
    (53, "DNS"),
    (111, "portmapper"),
    (123, "NTP"),
    (161, "SNMP"),
    (389, "LDAP"),
    (1_900, "SSDP"),
    (3_702, "WS-Discovery"),
    (5_683, "CoAP"),
    (11_211, "memcached"),
];
const SPAN_SECS: i64 = 60;
/// Octets of answers within the span, and how many times those of the questions: SNMP in its
/// largest packets comes to seventeen times.
const OCTETS_MIN: u64 = 200_000;
const TIMES_MIN: u64 = 20;
/// Questions for all records of a name by one host within a span: nobody needs the answers.
const ANY_MIN: u32 = 50;
const ANY_SECS: i64 = 10;

struct Amplification {
    servers: Watched<(Address, u16), Sums>,
    /// By who seems to ask, and whom.
    anything: Watched<(Address, Address), Rate>,
}

struct Sums {
    since: Time,
    asked: u64,
    answered: u64,
}

impl Watch for Amplification {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "dns" && class == OperationClass::Browse
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Exchange(exchange) if exchange.transport == "udp" => {
                self.exchanged(o, exchange, out);
            }
            Detail::Operation(operation) => self.asked(o, operation, out),
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        self.servers.dropped() + self.anything.dropped()
    }
}

impl Amplification {
    fn exchanged(&mut self, o: &Observation, exchange: &Exchange, out: &mut Findings) {
        let of_port = |port| SERVICES.iter().find(|(known, _)| *known == port);
        let Some((port, service)) = o.to.port.and_then(of_port) else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        if exchange.packets_up == 0 || !server.is_host() || !client.is_host() {
            return;
        }
        let new = || Sums { since: o.at, asked: 0, answered: 0 };
        let sums = self.servers.of((server, *port), o.at, new);
        if apart_secs(o.at, sums.since) > SPAN_SECS {
            *sums = new();
        }
        sums.asked = sums.asked.saturating_add(exchange.bytes_up);
        sums.answered = sums.answered.saturating_add(exchange.bytes_down);
        let least = sums.asked.saturating_mul(TIMES_MIN).max(OCTETS_MIN);
        if sums.answered < least {
            return;
        }
        let seen = Observation { at: exchange.first, ..o.clone() };
        let raised = out.raise(&AMPLIFICATION.about, (server, port), &seen, || {
            let title = format!("{{0}} floods {{1}} with answers ({service} amplification)");
            Draft::about(vec![server, client], Severity::Medium, title).because(format!(
                "Within {SPAN_SECS} s its answers were {TIMES_MIN} or more times as large as what \
                 it was asked: {} octets for {}. Whoever asks may do so in the name of {{1}}.",
                sums.answered, sums.asked
            ))
        });
        let Some(open) = raised else { return };
        open.spans(exchange.first, exchange.last);
        open.names(client);
    }

    fn asked(&mut self, o: &Observation, operation: &Operation, out: &mut Findings) {
        let any = matches!(&operation.object, Object::Name { area: "ANY", .. });
        if o.protocol != "dns" || operation.direction != Direction::Request || !any {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let rate = self.anything.of((client, server), o.at, Rate::default);
        let (lately, first) = (rate.count(o.at, ANY_SECS), rate.first);
        if lately < ANY_MIN {
            return;
        }
        let raised = out.raise(&AMPLIFICATION.about, ("any", client, server), o, || {
            let title = "{0} is asked for all records of names, in the name of {1}";
            Draft::about(vec![server, client], Severity::Medium, title).because(format!(
                "{ANY_MIN} or more questions of type ANY within {ANY_SECS} s. Their answers are \
                 the largest there are, and go to {{1}}, whoever asked (RFC 8482)."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(ANY_SECS == 10, "the words below say so");
        let says = "questions of type ANY in the newest 10 s";
        open.proof_count("rate", (first, o.at), (u64::from(lately), says));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, looked_up, of, port, seen};
    let talk = |at: i64, number: u16, (bytes_up, bytes_down): (u64, u64)| {
        let o = exchange(at, port(host(10), 50_000), port(host(20), number), "udp");
        let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
        let packets_up = u64::from(bytes_up > 0);
        let e = Exchange { transport: "udp", packets_up, bytes_up, bytes_down, ..e };
        of("udp", Observation { at: o.at, ..seen(at, o.from, o.to, Detail::Exchange(e)) })
    };
    let many = |number, bytes| (0..20).map(|i| talk(i * 100, number, bytes)).collect();
    let any =
        |kind, apart: i64| (0..200).map(|i| looked_up(i * apart, kind, "plant.example")).collect();
    vec![
        Case::fires("monlist", many(123, (50, 24_000))),
        Case::fires("a cache", many(11_211, (57, 28_000))),
        Case::fires("all records of a name", any("ANY", 20)),
        Case::silent("a walk by SNMP", many(161, (5_000, 75_000))),
        Case::silent("one large answer", vec![talk(0, 53, (80, 4_000))]),
        Case::silent("answers alone", many(123, (0, 24_000))),
        Case::silent("another service", many(5_004, (50, 24_000))),
        Case::silent("a mail server that asks for ANY", any("ANY", 5_000)),
        Case::silent("addresses of a name", any("A", 20)),
    ]
}
