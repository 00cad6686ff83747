//! Conversations between hosts that did not talk while the site was learned.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::link_key, evidence,
};
use inventory::{is_external, is_industrial};
use model::{Address, Detail, Observation, Severity};

pub static NEW_LINK: Detector = Detector {
    about: About {
        id: "new-link",
        title: "New conversation",
        engine: model::Engine::Policy,
        why: "Machines talk to the same partners for years. A new conversation is a change \
              somebody made, or a step from one host to the next.",
        techniques: &["T0886", "T0885", "T0867"],
        false_positives: "Conversations rarer than the learning lasted: monthly reports, backups, \
                          engineers at work.",
        runbook: "Ask whether the two should talk, and about what.\n\
                  If so, accept the finding; if the conversation is lasting, learn it.\n\
                  If not, look at what else the client began at that time.",
        sees: &[Kind::Exchange],
    },
    watch: || Box::new(NewLink),
    #[cfg(test)]
    cases,
};

struct NewLink;

impl Watch for NewLink {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Exchange(exchange) = &o.detail else { return };
        if site.phase != Phase::Learnt || exchange.transport == "icmp" {
            return;
        }
        let Some(key) = link_key(o) else { return };
        let (client, server, protocol, port) = key;
        if !server.is_host() || !client.is_host() || site.baseline.knows_link(&key) {
            return;
        }
        // Attempts are the scan detector's, the Internet has a detector of its own.
        let outside = |a: Address| matches!(a, Address::Ip(ip) if is_external(ip));
        if exchange.packets_down == 0 || outside(client) || outside(server) {
            return;
        }
        let industrial = is_industrial(protocol);
        let severity = if industrial { Severity::Medium } else { Severity::Low };
        let at = exchange.first;
        let seen = Observation { at, ..o.clone() };
        let raised = out.raise(&NEW_LINK.about, key, &seen, || {
            let to = if port == 0 { String::new() } else { format!(", port {port}") };
            Draft::between(o, severity, format!("{{0}} talks to {{1}} ({protocol}{to})")).because(
                format!(
                    "The two did not talk this way in {} of learning.",
                    site.baseline.watched_words()
                ),
            )
        });
        if let Some(open) = raised.filter(|open| open.is_new()) {
            let peers = site.baseline.peers_of(&client);
            let says = format!("partners of {client} until then: {}", peers.len());
            let members = peers.iter().map(Address::to_string);
            open.proof("learned", evidence::learned(says, members));
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, outside, port};
    let talk =
        |at, to: u8, number| exchange(at, port(host(10), 50_000), port(host(to), number), "modbus");
    let known = || vec![talk(0, 20, 502)];
    let away = exchange(9, port(host(10), 50_000), port(outside(1), 443), "tls");
    vec![
        Case::fires("another server", vec![talk(9, 21, 502)]).after(known()),
        Case::silent("the known one", vec![talk(9, 20, 502)]).after(known()),
        Case::silent("the Internet", vec![away]).after(known()),
        Case::silent("nothing learned", vec![talk(9, 21, 502)]),
    ]
}
