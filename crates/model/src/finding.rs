//! A finding: something a person should look at, with the evidence that raised it.
//!
//! Invariant: a finding has evidence. [`Finding::evidence`] is private to enforce it.

use crate::{Address, AssetId, Time};
use serde::{Deserialize, Deserializer, Serialize, de::Error};

/// `fnd_` and 16 hexadecimal digits over detector, assets and the key fact, so identical facts
/// join one open finding.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FindingId(pub String);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

/// What kind of reasoning raised it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engine {
    Policy,
    Protocol,
    Malware,
    Anomaly,
    Operational,
}

/// One piece of proof.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// A message on the wire: when, between whom, what it asked, and its first bytes.
    Message {
        at: Time,
        frame: u64,
        protocol: String,
        from: Option<Address>,
        to: Option<Address>,
        /// Decoded, for a person: "write multiple registers, holding registers 40..49".
        says: String,
        /// At most 256 bytes, hexadecimal; absent when excerpts are switched off.
        excerpt: Option<String>,
    },
    /// A fact about an asset.
    Fact { at: Time, path: String, value: String, source: String },
    /// What was normal until then: the learned set the observation departs from.
    Learned { says: String, members: Vec<String> },
    /// A count over a time span.
    Count { first: Time, last: Time, count: u64, says: String },
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Finding {
    pub id: FindingId,
    /// Id of the detector, e.g. `program-download`.
    pub detector: String,
    pub engine: Engine,
    pub severity: Severity,
    /// One line that names the assets.
    pub title: String,
    /// MITRE ATT&CK technique ids, ICS matrix, Enterprise where ICS has none.
    pub techniques: Vec<String>,
    pub first_seen: Time,
    pub last_seen: Time,
    /// How many times the same facts were seen.
    pub count: u64,
    pub assets: Vec<AssetId>,
    pub addresses: Vec<Address>,
    /// Of the addresses the one that began it, where one end did something to the others; none
    /// where they are all alike.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator: Option<Address>,
    pub explanation: String,
    evidence: Vec<Evidence>,
    /// What to do now, verb first, one step a line.
    pub runbook: String,
}

impl Finding {
    /// A finding seen once, at the time of its evidence.
    ///
    /// `assets`, `addresses`, `initiator`, `explanation` and `runbook` start empty and are public
    /// to fill.
    pub fn new(
        id: FindingId,
        detector: &str,
        (engine, severity): (Engine, Severity),
        title: String,
        at: Time,
        evidence: Evidence,
    ) -> Self {
        Finding {
            id,
            detector: detector.to_owned(),
            engine,
            severity,
            title,
            techniques: Vec::new(),
            first_seen: at,
            last_seen: at,
            count: 1,
            assets: Vec::new(),
            addresses: Vec::new(),
            initiator: None,
            explanation: String::new(),
            evidence: vec![evidence],
            runbook: String::new(),
        }
    }

    /// Never empty.
    pub fn evidence(&self) -> &[Evidence] {
        &self.evidence
    }

    /// Adds evidence unless `max` pieces are held already; says whether it was added.
    pub fn add_evidence(&mut self, evidence: Evidence, max: usize) -> bool {
        let room = self.evidence.len() < max.max(1);
        if room {
            self.evidence.push(evidence);
        }
        room
    }
}

impl<'de> Deserialize<'de> for Finding {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Row {
            id: FindingId,
            detector: String,
            engine: Engine,
            severity: Severity,
            title: String,
            techniques: Vec<String>,
            first_seen: Time,
            last_seen: Time,
            count: u64,
            assets: Vec<AssetId>,
            addresses: Vec<Address>,
            /// Sensors of before did not tell.
            #[serde(default)]
            initiator: Option<Address>,
            explanation: String,
            evidence: Vec<Evidence>,
            runbook: String,
        }
        let row = Row::deserialize(d)?;
        if row.evidence.is_empty() {
            return Err(D::Error::custom("a finding needs evidence"));
        }
        Ok(Finding {
            id: row.id,
            detector: row.detector,
            engine: row.engine,
            severity: row.severity,
            title: row.title,
            techniques: row.techniques,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            count: row.count,
            assets: row.assets,
            addresses: row.addresses,
            initiator: row.initiator,
            explanation: row.explanation,
            evidence: row.evidence,
            runbook: row.runbook,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_without_evidence_cannot_be_read() {
        let finding = Finding::new(
            FindingId("fnd_0".into()),
            "port-scan",
            (Engine::Anomaly, Severity::High),
            "scan".into(),
            Time(0),
            Evidence::Learned { says: "nothing".into(), members: vec![] },
        );
        let mut json = serde_json::to_value(&finding).expect("plain data");
        assert_eq!(serde_json::from_value::<Finding>(json.clone()).expect("same"), finding);
        json["evidence"] = serde_json::json!([]);
        assert!(serde_json::from_value::<Finding>(json).is_err());
    }
}
