//! Findings, their evidence, their triage, and mute rules.
//!
//! Not here: how a finding is raised. Invariant: a detail has evidence.

use super::{Count, Engine, FindingStatus, Severity, asset::given};
use model::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A finding as lists show it.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct FindingRow {
    pub id: String,
    pub detector: String,
    #[schema(value_type = Engine)]
    pub engine: model::Engine,
    #[schema(value_type = Severity)]
    pub severity: model::Severity,
    pub title: String,
    /// MITRE ATT&CK technique ids.
    pub techniques: Vec<String>,
    #[schema(value_type = FindingStatus)]
    pub status: store::FindingStatus,
    pub owner: Option<String>,
    pub muted: bool,
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
    /// How many times the same facts were seen.
    pub count: u64,
    pub assets: Vec<AssetName>,
    pub addresses: Vec<String>,
    pub sensor: String,
    /// Its ETag; counts the operators' changes.
    pub generation: i64,
    pub revision: i64,
}

/// An asset by id, with its name.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct AssetName {
    pub id: String,
    pub name: String,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct FindingPage {
    pub items: Vec<FindingRow>,
    pub next_cursor: Option<String>,
    /// Field -> values with their counts over all rows the filter keeps; asked for by `facets`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facets: BTreeMap<String, Vec<Count>>,
    pub revision: i64,
}

/// One piece of proof.
#[derive(Serialize, ToSchema, Debug, Clone)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Evidence {
    /// A message on the wire.
    Message {
        #[schema(value_type = String, format = DateTime)]
        at: Time,
        frame: u64,
        protocol: String,
        from: Option<String>,
        to: Option<String>,
        /// Decoded, for a person.
        says: String,
        /// Its first bytes, hexadecimal, at most 256 bytes.
        excerpt: Option<String>,
    },
    /// A fact about an asset.
    Fact {
        #[schema(value_type = String, format = DateTime)]
        at: Time,
        path: String,
        value: String,
        source: String,
    },
    /// What was normal until then.
    Learned { says: String, members: Vec<String> },
    /// A count over a time span.
    Count {
        #[schema(value_type = String, format = DateTime)]
        first: Time,
        #[schema(value_type = String, format = DateTime)]
        last: Time,
        count: u64,
        says: String,
    },
}

/// One end of what a finding is about.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Party {
    pub address: String,
    /// Null for one that is no asset, as a host on the Internet.
    pub asset: Option<AssetName>,
    /// The other addresses the finding names that are this asset's.
    pub others: Vec<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct FindingDetail {
    #[serde(flatten)]
    pub row: FindingRow,
    /// Who began it, where one end did something to the others.
    pub initiator: Option<Party>,
    /// Addresses it names that are no asset's, as those a scan tried, without who began it.
    pub strangers: Vec<String>,
    pub explanation: String,
    /// What to do now, verb first, one step a line.
    pub runbook: String,
    pub evidence: Vec<Evidence>,
    pub note: Option<String>,
    /// The rule that mutes it, where one does.
    pub mute: Option<Mute>,
    /// What was done with it, newest first.
    pub history: Vec<HistoryEntry>,
}

#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct HistoryEntry {
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// Null: the sensor saw it (again).
    pub actor: Option<String>,
    pub says: String,
}

/// Absent members stay as they are; `null` clears owner or note.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct FindingChange {
    #[schema(value_type = Option<FindingStatus>)]
    pub status: Option<store::FindingStatus>,
    /// Name of a user.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub owner: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub note: Option<Option<String>>,
}

/// Why and until when findings of this detector on these assets shall be quiet.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MuteRequest {
    pub reason: String,
    /// Absent: until somebody unmutes it.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
}

/// A rule: findings of this detector on exactly these assets are quiet.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Mute {
    pub id: String,
    pub detector: String,
    pub assets: Vec<AssetName>,
    pub reason: String,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub until: Option<Time>,
    pub created_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Time,
    /// How many findings it mutes.
    pub findings: u64,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct MuteList {
    pub items: Vec<Mute>,
}
