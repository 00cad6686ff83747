//! Router advertisements that many senders make up.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, watched::Watched, window::Lately,
};
use model::{Address, Detail, Observation, Severity};

pub static ROUTER_FLOOD: Detector = Detector {
    about: About {
        id: "router-flood",
        title: "Flood of IPv6 router advertisements",
        engine: model::Engine::Anomaly,
        why: "Each advertised router gives every host another address and route. A flood of them \
              stops hosts that were never meant to use IPv6, panels and historians among them.",
        techniques: &["T0814", "T1498", "T1557"],
        false_positives: "None known: a network has a few routers, and they say so minutes apart.",
        runbook: "Find the sender's switch port by its MAC addresses and close it.\n\
                  Restart hosts that no longer answer.\n\
                  Let switches drop router advertisements at ports of hosts (RA guard, RFC 6105).",
        sees: &[Kind::Identity],
    },
    watch: || Box::new(RouterFlood { senders: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Routers that advertised themselves on one network within the span.
const ROUTERS_MIN: usize = 10;
const SPAN_SECS: i64 = 10;

struct RouterFlood {
    /// By VLAN: who said so lately.
    senders: Watched<Option<u16>, Lately<Address>>,
}

impl Watch for RouterFlood {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Identity(identity) = &o.detail else { return };
        if identity.message != "router advertisement" {
            return;
        }
        let Some(sender) = o.from.address() else { return };
        let senders = self.senders.of(o.from.vlan, o.at, Lately::default);
        let count = senders.see(sender, o.at, SPAN_SECS);
        if count < ROUTERS_MIN {
            return;
        }
        let raised = out.raise(&ROUTER_FLOOD.about, o.from.vlan, o, || {
            let title = "Flood of router advertisements, {0} among their senders";
            Draft::about(vec![sender], Severity::High, title).because(format!(
                "{count} routers advertised themselves within {SPAN_SECS} s. A network has a few."
            ))
        });
        let Some(open) = raised else { return };
        senders.iter().take(8).for_each(|sender| open.names(*sender));
    }

    fn dropped(&self) -> u64 {
        self.senders.dropped()
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, seen};
    use model::{Attribute, Identity, Subject};
    let says = |at: i64, router: u8| {
        let value = "default router".into();
        let attributes = vec![Attribute { path: "ipv6_role", value, confidence: 90 }];
        let (subject, message) = (Subject::Sender, "router advertisement");
        let detail = Detail::Identity(Identity { subject, message, attributes });
        of("icmpv6", seen(at, host(router), host(255), detail))
    };
    vec![
        Case::fires("a flood", (0..40).map(|i| says(i64::from(i) * 50, 20 + i)).collect()),
        Case::silent(
            "two routers",
            (0..40).map(|i| says(i64::from(i) * 200, 20 + i % 2)).collect(),
        ),
    ]
}
