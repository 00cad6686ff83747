//! Web requests to hosts whose name a program made up.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, name_tunnel::is_made_up, named::name_of,
};
use inventory::is_external;
use model::{Address, Detail, Direction, Observation, OperationClass, Severity};

pub static GENERATED_HOST: Detector = Detector {
    about: About {
        id: "generated-host",
        title: "Web request to a generated name",
        engine: model::Engine::Malware,
        why: "Malicious software finds its masters under names made up from the date, so that \
              none can be blocked for long. People choose names they can remember.",
        techniques: &["T1568", "T1071", "T0869", "T0884"],
        false_positives: "Content networks and trackers with such names.",
        runbook: "Look up the name: who registered it, and when?\n\
                  Block it at the name server and the proxy.\n\
                  Isolate the host that asked and have it examined.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(GeneratedHost),
    #[cfg(test)]
    cases,
};

struct GeneratedHost;

impl Watch for GeneratedHost {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "http"
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "http" || operation.direction != Direction::Request {
            return;
        }
        let outside = matches!(o.to.address(), Some(Address::Ip(ip)) if is_external(ip));
        let host = name_of(operation).strip_prefix("http://");
        let Some(host) = host.filter(|_| outside).and_then(|h| h.split(['/', ':']).next()) else {
            return;
        };
        if !host.split('.').rev().nth(1).is_some_and(is_made_up) {
            return;
        }
        let raised = out.raise(&GENERATED_HOST.about, (o.from.address(), host), o, || {
            let title = format!("{{0}} calls {host} on the Internet, a generated domain name");
            Draft::between(o, Severity::Medium, title).because(
                "The name mixes letters and digits as programs do that make names up (domain \
                 generation); command and control hides behind such names.",
            )
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, outside, port, requested};
    let to = |text: &str| {
        let mut o = requested(0, text);
        o.to = port(outside(4), 80);
        vec![o]
    };
    vec![
        Case::fires("a made-up name", to("http://db54a845.top/de/")),
        Case::silent("a name for people", to("http://www.example.com/")),
        Case::silent("an inside host", vec![requested(0, "http://db54a845.top/de/")]),
    ]
}
