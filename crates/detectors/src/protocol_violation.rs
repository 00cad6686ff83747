//! Messages that the standard forbids.

use crate::{About, Detector, Draft, Findings, Kind, Site, Watch};
use inventory::is_industrial;
use model::{Detail, Observation, Severity};

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
    watch: || Box::new(ProtocolViolation),
    #[cfg(test)]
    cases,
};

struct ProtocolViolation;

impl Watch for ProtocolViolation {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Violation(violation) = &o.detail else { return };
        let severity = if is_industrial(o.protocol) { Severity::Medium } else { Severity::Low };
        let key = (o.from.address(), o.to.address(), o.protocol, violation.rule);
        let raised = out.raise(&PROTOCOL_VIOLATION.about, key, o, || {
            let title = format!("Malformed {} from {{0}} to {{1}}: {}", o.protocol, violation.says);
            Draft::between(o, severity, title).because(format!(
                "The message violates {} ({}): {}.",
                violation.section, violation.rule, violation.says
            ))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
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
