//! A finding for a person: what happened, what it rests on, what to do.
//!
//! Of a capture's report and of the control plane alike. Not here: which findings. Invariant: what
//! was left out is said.

use crate::page::{Page, millisecond, second};
use model::Evidence;
use std::io::{Result, Write};

/// Pieces of evidence shown of one finding.
const EVIDENCE_MAX: usize = 4;

pub struct Story<'a> {
    pub explanation: &'a str,
    pub evidence: &'a [Evidence],
    pub techniques: &'a [String],
    pub runbook: &'a str,
    /// How many pieces of evidence are told.
    pub told: usize,
}

impl<'a> Story<'a> {
    /// In the report of a capture, where there are many.
    pub fn of(finding: &'a model::Finding) -> Self {
        Story {
            explanation: &finding.explanation,
            evidence: finding.evidence(),
            techniques: &finding.techniques,
            runbook: &finding.runbook,
            told: EVIDENCE_MAX,
        }
    }

    pub fn tell(&self, out: &mut Page) -> Result<()> {
        out.paragraph("  ", self.explanation)?;
        for evidence in self.evidence.iter().take(self.told) {
            out.paragraph("  - ", &proof(evidence))?;
        }
        let left = self.evidence.len().saturating_sub(self.told);
        if left > 0 {
            writeln!(out, "  - and {left} more; --format json has all")?;
        }
        if !self.runbook.is_empty() {
            writeln!(out, "  What to do now")?;
        }
        for (number, step) in self.runbook.lines().enumerate() {
            out.paragraph(&format!("  {}. ", number + 1), step)?;
        }
        let named = self.techniques.iter().map(|id| match detectors::attack::technique(id) {
            Some(name) => format!("{id} {name}"),
            None => id.clone(),
        });
        let named: Vec<String> = named.collect();
        if named.is_empty() {
            return Ok(());
        }
        out.paragraph("  ATT&CK: ", &named.join(", "))
    }
}

fn proof(evidence: &Evidence) -> String {
    match evidence {
        Evidence::Message { at, frame, protocol, from, to, says, .. } => {
            let name = |a: &Option<model::Address>| {
                a.as_ref().map_or_else(|| "nobody".to_owned(), ToString::to_string)
            };
            let (at, from, to) = (millisecond(*at), name(from), name(to));
            format!("packet {frame} at {at}, {from} to {to}, {protocol}: {says}")
        }
        Evidence::Fact { path, value, source, .. } => format!("{path} is {value} ({source})"),
        Evidence::Learned { says, members } if members.is_empty() => format!("learned: {says}"),
        Evidence::Learned { says, members } => format!("learned: {says}: {}", members.join(", ")),
        Evidence::Count { first, last, count, says } if first == last => {
            format!("{count} {says}; at {}", second(*first))
        }
        Evidence::Count { first, last, count, says } => {
            format!("{count} {says}; from {} to {}", second(*first), second(*last))
        }
    }
}
