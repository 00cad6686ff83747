//! Whole zones of DNS that are given to a host that serves no names.
//!
//! Not here: tunnels in names, see `name_tunnel`. Invariant: whoever was seen to answer as a DNS
//! server may fetch zones, and so may who did while the site was learned, of the same server.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, baseline::zone_key, named::name_of,
    watched::Watched,
};
use model::{Address, Detail, Direction, Observation, OperationClass, Outcome, Severity};

pub static ZONE_TRANSFER: Detector = Detector {
    about: About {
        id: "zone-transfer",
        title: "Whole DNS zone fetched",
        engine: model::Engine::Anomaly,
        why: "A zone lists every host of the plant with its name and address: a map for an \
              intruder, drawn by one question. Only other DNS servers need it.",
        techniques: &["T1590", "T1018"],
        false_positives: "After a start, secondary DNS servers that were not seen to answer yet; \
                          address management; administrators who look for an error in a zone.",
        runbook: "Find out whether the client is a secondary DNS server or address management.\n\
                  If so, mute the finding for the pair.\n\
                  If not, find who uses the client, and what it asked of the hosts in the zone.\n\
                  Let the DNS server give zones to its secondary servers alone.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(ZoneTransfer { servers: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// A server that was not heard of for so long may be none any more.
const SPAN_SECS: i64 = 30 * 86_400;

struct ZoneTransfer {
    /// Who answers questions.
    servers: Watched<Address, ()>,
}

impl Watch for ZoneTransfer {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "dns"
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "dns" || operation.direction != Direction::Response {
            return;
        }
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let given = match operation.outcome {
            Outcome::Done => true,
            Outcome::Refused { .. } => false,
            Outcome::Open => return,
        };
        if given {
            self.servers.of(server, o.at, || ());
        }
        let Some(key) = zone_key(o, operation) else { return };
        let usual = match site.phase {
            Phase::Learning => true,
            Phase::Learnt => site.baseline.knows_operation(&key),
            Phase::Unlearnt => false,
        };
        if usual || self.servers.known(&client).is_some() {
            return;
        }
        let raised = out.raise(&ZONE_TRANSFER.about, (client, server, given), o, || {
            let zone = name_of(operation);
            let (severity, title, how) = match given {
                true => (Severity::Medium, "{0} fetches a whole DNS zone from {1}", "gave it"),
                false => (Severity::Low, "{1} refuses a whole DNS zone to {0}", "refused it"),
            };
            Draft::back(o, severity, title).because(format!(
                "{{0}}, which serves no names itself, asked {{1}} for all of the zone {zone:?}, \
                 and {{1}} {how}."
            ))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }

    fn dropped(&self) -> u64 {
        self.servers.dropped()
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, answered_with, host, operation, port, refused, seen};
    let given = || vec![answered_with(9, "dns", "zone transfer")];
    let mut no = crate::testing::of("dns", refused(0, OperationClass::Browse, "refused"));
    if let Detail::Operation(operation) = &mut no.detail {
        operation.function_name = "zone transfer";
    }
    // The client answers a third host.
    let (direction, outcome) = (Direction::Response, Outcome::Done);
    let operation = model::Operation { direction, outcome, ..operation(OperationClass::Browse, 0) };
    let detail = Detail::Operation(operation);
    let serves =
        crate::testing::of("dns", seen(0, port(host(10), 53), port(host(30), 50_001), detail));
    vec![
        Case::fires("a zone", given()),
        Case::fires("a zone that is refused", vec![no]),
        Case::silent("an answer", vec![answered_with(0, "dns", "query")]),
        Case::silent("a secondary server", [vec![serves], given()].concat()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Baseline, Detection, testing::answered_with};
    use inventory::Inventory;

    #[test]
    fn a_transfer_that_was_usual_while_the_site_was_learned_is_none_afterwards() {
        let found = |usual: bool| {
            let mut detection = Detection::new(Phase::Learning);
            let inventory = Inventory::new();
            if usual {
                detection.see(&answered_with(0, "dns", "zone transfer"), &inventory);
            }
            // The program is started anew.
            let kept = detection.into_baseline().keep();
            let baseline = Baseline::recall(kept);
            let mut detection = Detection::with_baseline(baseline, Phase::Learnt);
            detection.see(&answered_with(9_000, "dns", "zone transfer"), &inventory);
            let all = detection.findings(&inventory);
            all.iter().filter(|f| f.detector == "zone-transfer").count()
        };
        assert_eq!((found(true), found(false)), (0, 1));
    }
}
