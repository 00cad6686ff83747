//! Requests that are told by their name alone: one rule for detectors of host attacks.
//!
//! Not here: what the names mean; see the detectors. Invariant: one message is enough.

use crate::{About, Draft, Findings, Phase, Site, Watch, object};
use model::{Detail, Direction, Object, Observation, Operation, OperationClass, Outcome, Severity};

/// An operation that is told.
pub(crate) struct Sign {
    pub(crate) matches: fn(&Operation) -> bool,
    /// Title; `{0}` asks, `{1}` is asked.
    pub(crate) title: &'static str,
    pub(crate) severity: Severity,
    pub(crate) says: &'static str,
    pub(crate) techniques: &'static [&'static str],
}

pub(crate) struct Signs {
    pub(crate) about: &'static About,
    pub(crate) protocols: &'static [&'static str],
    pub(crate) signs: &'static [Sign],
    /// A pair known to talk this way while the site was learned is spared.
    pub(crate) habits: bool,
}

impl Watch for Signs {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        self.protocols.contains(&protocol)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if !self.protocols.contains(&o.protocol) {
            return;
        }
        let Some(sign) = self.signs.iter().find(|s| (s.matches)(operation)) else { return };
        let response = operation.direction == Direction::Response;
        let (client, server) = if response { (&o.to, &o.from) } else { (&o.from, &o.to) };
        let (Some(client), Some(server)) = (client.address(), server.address()) else { return };
        if self.habits && site.phase == Phase::Learning {
            return;
        }
        let port = if response { o.from.port } else { o.to.port }.unwrap_or_default();
        let usual = |port| site.baseline.knows_link(&(client, server, o.protocol, port));
        if self.habits && site.phase == Phase::Learnt && (usual(port) || usual(0)) {
            return;
        }
        let raised = out.raise(self.about, (sign.title, client, server), o, || {
            let object = object::says(o.protocol, &operation.object);
            let object = if object.is_empty() { object } else { format!(" ({object})") };
            Draft::by(client, [server], sign.severity, sign.title)
                .because(format!("\"{}\"{object}: {}", operation.function_name, sign.says))
                .techniques(sign.techniques)
        });
        if let Some(open) = raised
            && let Outcome::Refused { .. } = operation.outcome
        {
            open.proof_of("answer", o);
        }
    }
}

pub(crate) fn asks(operation: &Operation, names: &[&str]) -> bool {
    operation.direction != Direction::Response && names.contains(&operation.function_name)
}

/// The name an operation acts on.
pub(crate) fn name_of(operation: &Operation) -> &str {
    match &operation.object {
        Object::Name { name, .. } => name,
        _ => "",
    }
}
