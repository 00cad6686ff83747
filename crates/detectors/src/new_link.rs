//! Conversations between hosts that did not talk while the site was learned.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::link_key, evidence,
};
use inventory::{is_industrial, is_outside};
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
                  If so, accept the finding: it stays closed when the two talk again.\n\
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
        // Attempts are the scan detector's, the Internet has a detector of its own. One packet
        // back over TCP is a handshake at most.
        let answers = if exchange.transport == "tcp" { 2 } else { 1 };
        if exchange.packets_down < answers || is_outside(client) || is_outside(server) {
            return;
        }
        // Of conversations nobody understands, two hosts have one finding for all ports.
        let unknown = matches!(protocol, "tcp" | "udp");
        let told = if unknown { (client, server, protocol, 0) } else { key };
        // Of controllers the detector of new clients tells, at the first request.
        if is_industrial(protocol) {
            return;
        }
        let at = exchange.first;
        let seen = Observation { at, ..o.clone() };
        let raised = out.raise(&NEW_LINK.about, told, &seen, || {
            let to = if port == 0 { String::new() } else { format!(", port {port}") };
            Draft::between(o, Severity::Low, format!("{{0}} talks to {{1}} ({protocol}{to})"))
                .because(format!(
                    "The two did not talk this way in {} of learning.",
                    site.baseline.watched_words()
                ))
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
        |at, to: u8, number| exchange(at, port(host(10), 50_000), port(host(to), number), "smb");
    let known = || vec![talk(0, 20, 445)];
    let away = exchange(9, port(host(10), 50_000), port(outside(1), 443), "tls");
    vec![
        Case::fires("another server", vec![talk(9, 21, 445)]).after(known()),
        Case::silent("the known one", vec![talk(9, 20, 445)]).after(known()),
        Case::silent("the Internet", vec![away]).after(known()),
        Case::silent("nothing learned", vec![talk(9, 21, 445)]),
    ]
}
