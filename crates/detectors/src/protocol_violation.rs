//! Messages that the standard forbids.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Few, Memory, few, memory},
};
use model::{Address, Detail, Observation, Severity};

pub static PROTOCOL_VIOLATION: Detector = Detector {
    about: About {
        id: "protocol-violation",
        title: "Malformed or forbidden message",
        engine: model::Engine::Protocol,
        why: "Devices of the process crash on messages they do not expect. Forbidden messages come \
              from broken software, from test tools, and from somebody who looks for weaknesses.",
        techniques: &["T0814", "T0866", "T0819"],
        false_positives: "Makers who bend the standard, gateways that pad messages, captures that \
                          lost packets.",
        runbook: "See whether the receiver still works.\n\
                  Look at the message and at the section of the standard it breaks.\n\
                  If the sender is a tool or unknown, disconnect it.\n\
                  If it is a device, ask its maker and mute the finding for this pair.",
        sees: &[Kind::Violation],
    },
    watch: || Box::new(ProtocolViolation { senders: memory() }),
    #[cfg(test)]
    cases,
};

struct ProtocolViolation {
    /// Protocol and rule -> who broke it.
    senders: Memory<(&'static str, &'static str), Few<Address>>,
}

/// Senders that break one rule, each with a finding of its own; more are a habit of a maker or
/// a version, and share one.
const SENDERS_APART: usize = 3;

/// Rules that are broken by exploits alone, with what they do.
const EXPLOITS: &[(&str, Severity, &[&str])] =
    &[("tls-heartbeat-over-read", Severity::High, &["T1190", "T1210", "T0819"])];

impl Watch for ProtocolViolation {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Violation(violation) = &o.detail else { return };
        let Some(sender) = o.from.address() else { return };
        let senders = self.senders.entry((o.protocol, violation.rule)).or_insert_with(few);
        if senders.len() < SENDERS_APART {
            senders.insert(sender);
        }
        let apart = senders.contains(&sender).then_some(sender);
        let exploit = EXPLOITS.iter().find(|(rule, ..)| *rule == violation.rule);
        let (severity, techniques) =
            exploit.map_or((Severity::Low, &[][..]), |(_, severity, does)| (*severity, *does));
        let raised =
            out.raise(&PROTOCOL_VIOLATION.about, (o.protocol, violation.rule, apart), o, || {
                let title = match apart {
                    Some(_) => {
                        format!("Malformed {} from {{0}} to {{1}}: {}", o.protocol, violation.says)
                    }
                    None => {
                        format!("Malformed {} from many senders: {}", o.protocol, violation.says)
                    }
                };
                Draft::between(o, severity, title)
                    .because(format!(
                        "The message violates {} ({}): {}.",
                        violation.section, violation.rule, violation.says
                    ))
                    .techniques(techniques)
            });
        let Some(open) = raised else { return };
        [o.from.address(), o.to.address()].into_iter().flatten().for_each(|a| open.names(a));
        // Once may be a lost packet; again is not.
        if open.count() >= 2 && apart.is_some() && site.industrial {
            open.at_least(Severity::Medium);
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, violation};
    let twice = vec![violation(0, "length"), violation(5, "length")];
    vec![
        Case::fires("a violation, twice", twice),
        Case::silent("a request", vec![asks(0, model::OperationClass::Read)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, violation};

    #[test]
    fn a_rule_that_only_exploits_break_is_severe_at_once() {
        let severity = |rule| {
            let found = Case::fires("one", vec![violation(0, rule)]).run();
            let own = found.iter().find(|f| f.detector == "protocol-violation");
            own.expect("a finding").severity
        };
        assert_eq!(severity("tls-heartbeat-over-read"), Severity::High);
        assert_eq!(severity("length"), Severity::Low);
    }
}
