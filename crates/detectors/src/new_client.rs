//! Hosts that ask a controller for something and never did before.

use crate::{About, Detector, Draft, Findings, Kind, Phase, Site, Watch, evidence};
use inventory::is_industrial;
use model::{Address, Detail, Direction, Observation, OperationClass, Severity};

pub static NEW_CLIENT: Detector = Detector {
    about: About {
        id: "new-client",
        title: "Controller asked by a host that never did",
        engine: model::Engine::Policy,
        why: "Controllers answer whoever asks. A second master beside the known ones can read the \
              process, and the next thing it does may be a command.",
        techniques: &["T0848", "T0888", "T0801"],
        false_positives: "New panels, engineers at work, clients that ask less often than the \
                          learning lasted.",
        runbook: "Ask whether the host should reach this controller.\n\
                  Look at what it asked for, above all for writes.\n\
                  If nobody knows of it, disconnect it; let the firewall of the cell admit known \
                  clients only.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(NewClient),
    #[cfg(test)]
    cases,
};

struct NewClient;

impl Watch for NewClient {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        is_industrial(protocol)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let request = operation.direction == Direction::Request;
        if site.phase != Phase::Learnt || !request || !site.industrial {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let broadcast = !server.is_host();
        if broadcast || site.baseline.knows_pair(client, server) {
            return;
        }
        let raised = out.raise(&NEW_CLIENT.about, (client, server, o.protocol), o, || {
            let title = format!("{{0}} is a new client of {{1}} ({})", o.protocol);
            Draft::between(o, Severity::Medium, title).because(format!(
                "It asked for \"{}\"; in {} of learning it asked this device for nothing.",
                operation.function_name,
                site.baseline.watched_words()
            ))
        });
        if let Some(open) = raised.filter(|open| open.is_new()) {
            let who = site.baseline.clients_of(&server);
            let says = format!("known clients of {server}: {}", who.len());
            open.proof("learned", evidence::learned(says, who.iter().map(Address::to_string)));
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, host, port};
    let asks_as_stranger =
        |class| model::Observation { from: port(host(66), 50_000), ..asks(9_000, class) };
    let stranger = asks_as_stranger(OperationClass::Read);
    let downloads = asks_as_stranger(OperationClass::ProgramDownload);
    let known = || vec![asks(0, OperationClass::Read)];
    vec![
        Case::fires("a stranger reads", vec![stranger.clone()]).after(known()),
        Case::fires("a stranger downloads", vec![downloads]).after(known()),
        Case::silent("the known client", vec![asks(9_000, OperationClass::Read)]).after(known()),
        Case::silent("nothing learned", vec![stranger]),
    ]
}
