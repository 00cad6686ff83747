//! Another protocol than the port is for, and controllers in conversations of no known kind.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::link_key,
    conversation::{Conversations, Whole},
    findings::Open,
};
use inventory::{is_industrial, is_outside};
use model::{Address, AssetClass, Detail, Exchange, Observation, Severity};
use std::hash::Hash;

pub static WRONG_PROTOCOL: Detector = Detector {
    about: About {
        id: "wrong-protocol",
        title: "Unexpected protocol on a port",
        engine: model::Engine::Anomaly,
        why: "Firewalls trust ports. Remote shells, tunnels and scanners hide on the port of \
              something else, or on one that nothing uses.",
        techniques: &["T0885", "T0869", "T1571", "T1095"],
        false_positives: "Services moved to another port, makers' own protocols between devices.",
        runbook: "Find out which program on the server listens on this port.\n\
                  If it belongs there, mute the finding for the pair.\n\
                  If not, isolate both ends: it may be a remote shell.",
        sees: &[Kind::Exchange],
    },
    watch: || Box::new(WrongProtocol { conversations: Conversations::default() }),
    #[cfg(test)]
    cases,
};

/// TCP ports and what is spoken there.
const PORTS: &[(u16, &[&str])] = &[
    (22, &["ssh"]),
    (53, &["dns"]),
    (102, &["cotp", "s7comm", "s7comm-plus", "mms", "tpkt", "rdp"]),
    (443, &["tls", "http"]),
    // Gateways of serial lines pass RTU frames on as they are, on this port as well.
    (502, &["modbus", "modbus_rtu", "umas"]),
    (2_404, &["iec104"]),
    (20_000, &["dnp3"]),
    (44_818, &["enip", "cip", "pccc", "cipio"]),
];
/// Ports below this are assigned (RFC 6335); services of operating systems use some above.
const ASSIGNED_BELOW: u16 = 1_024;
const COMMON: &[u16] = &[
    1_089, 1_433, 1_521, 1_883, 2_222, 3_306, 3_389, 4_840, 5_094, 5_432, 5_900, 5_985, 5_986,
    8_000, 8_080, 8_443, 8_883, 9_100,
];

struct WrongProtocol {
    /// Those that nothing here excuses.
    conversations: Conversations<&'static str>,
}

impl Watch for WrongProtocol {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Exchange(exchange) = &o.detail else { return };
        let Some(port) = o.to.port.filter(|_| exchange.transport == "tcp") else { return };
        let expected = PORTS.iter().find(|(number, _)| *number == port);
        // Neither the port nor the name of a conversation changes: most need not be remembered.
        let excused = match expected {
            Some((_, names)) => names.contains(&o.protocol),
            None if port < ASSIGNED_BELOW || COMMON.contains(&port) => true,
            None => is_industrial(o.protocol) || !is_inside(o),
        };
        let knows = || link_key(o).is_some_and(|key| site.baseline.knows_link(&key));
        if excused || (site.phase != Phase::Unlearnt && knows()) {
            return;
        }
        let Some(whole) = self.conversations.add(o, exchange).filter(|all| all.packets_down >= 2)
        else {
            return;
        };
        match expected {
            Some(_) if o.protocol != "tcp" => {
                wrong(o, exchange, (port, whole), out);
            }
            Some(_) => {}
            None => odd(o, exchange, (port, whole), site, out),
        }
    }
}

fn wrong(
    o: &Observation,
    exchange: &Exchange,
    (port, whole): (u16, &mut Whole<&'static str>),
    out: &mut Findings,
) {
    let severity = if matches!(port, 22 | 53 | 443) { Severity::Low } else { Severity::Medium };
    let key = (o.from.address(), o.to.address(), port, o.protocol);
    let raised = joined(key, (o, exchange, whole.is_news(o.protocol)), out, || {
        let title = format!("{{0}} speaks {} to {{1}} on port {port}", o.protocol);
        Draft::between(o, severity, title).because(format!(
            "Port {port} is for another protocol; an unexpected protocol there may be a tunnel \
             or a scanner."
        ))
    });
    if let Some(open) = raised {
        open.spans(exchange.first, exchange.last);
    }
}

/// The finding of a conversation, which counts there once.
fn joined<'a>(
    key: impl Hash,
    (o, exchange, is_news): (&Observation, &Exchange, bool),
    out: &'a mut Findings,
    draft: impl FnOnce() -> Draft,
) -> Option<&'a mut Open> {
    if !is_news {
        return out.known(&WRONG_PROTOCOL.about, key);
    }
    let seen = Observation { at: exchange.first, ..o.clone() };
    out.raise(&WRONG_PROTOCOL.about, key, &seen, draft)
}

/// Does it go from one host of the site to another?
fn is_inside(o: &Observation) -> bool {
    let ends = o.from.address().zip(o.to.address());
    ends.is_some_and(|(client, server)| {
        client != server && !is_outside(client) && !is_outside(server)
    })
}

/// Two controllers that talk in nothing industrial, on a port of nothing known.
fn odd(
    o: &Observation,
    exchange: &Exchange,
    (port, whole): (u16, &mut Whole<&'static str>),
    site: &Site<'_>,
    out: &mut Findings,
) {
    let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
    let controls = |address: Address| {
        site.inventory.asset_of(&address).is_some_and(|key| {
            use AssetClass::{BuildingController, Ied, Plc, Rtu};
            matches!(site.inventory.asset(key).class, Plc | Rtu | Ied | BuildingController)
        })
    };
    if !controls(client) || !controls(server) {
        return;
    }
    let key = ("odd", client, server, port);
    let raised = joined(key, (o, exchange, whole.is_news("odd")), out, || {
        let title = format!("Controllers {{0}} and {{1}} talk on the unusual port {port}");
        Draft::between(o, Severity::Medium, title).because(format!(
            "Both are controllers, and their conversation ({}) is in no industrial protocol: it \
             may be a remote shell or command and control.",
            o.protocol
        ))
    });
    if let Some(open) = raised {
        open.spans(exchange.first, exchange.last);
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, port};
    let talk = |number: u16, protocol| {
        vec![exchange(0, port(host(10), 50_000), port(host(20), number), protocol)]
    };
    let parts = |number: u16, protocol| {
        let mut told = talk(number, protocol);
        if let Detail::Exchange(exchange) = &mut told[0].detail {
            exchange.packets_down = 1;
        }
        vec![told[0].clone(), told[0].clone()]
    };
    vec![
        Case::fires("TLS on the port of Modbus", talk(502, "tls")),
        Case::fires("an answer told in parts", parts(502, "tls")),
        Case::silent("Modbus", talk(502, "modbus")),
        Case::silent("frames of a serial line", talk(502, "modbus_rtu")),
        Case::silent("an office program", talk(4_444, "tls")),
    ]
}
