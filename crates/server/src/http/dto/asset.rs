//! Assets: the row, the detail, and what an operator may say about one.
//!
//! Not here: links and findings, which the detail holds as their own rows. Invariant: what was
//! observed and what the operator said are both shown; the row holds the one that wins.

use super::{AssetClass, AssetRole, Count, FindingRow, Lifecycle, Link, Origin, Severity};
use model::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// An asset as lists show it. Where the operator said something, that is what stands here.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct AssetRow {
    pub id: String,
    /// What a person would call it; never empty.
    pub name: String,
    /// Names seen, best first.
    pub names: Vec<String>,
    #[schema(value_type = AssetClass)]
    pub class: model::AssetClass,
    #[schema(value_type = AssetRole)]
    pub role: model::Role,
    /// 0, 1, 2, 3, 3.5, 4, 5 or null.
    pub purdue: Option<f64>,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub serial: Option<String>,
    pub os: Option<String>,
    pub ips: Vec<String>,
    pub macs: Vec<String>,
    pub vlans: Vec<u16>,
    pub protocols: Vec<String>,
    /// Id of its zone.
    pub zone: Option<String>,
    pub zone_name: Option<String>,
    /// 1 (low) to 4 (the plant stops without it).
    pub criticality: Option<u8>,
    #[schema(value_type = Lifecycle)]
    pub lifecycle: store::Lifecycle,
    pub labels: BTreeMap<String, String>,
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
    /// When this control plane came to know it, by its own clock; null in a capture's report.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub known_since: Option<Time>,
    /// Packets sent by it.
    pub packets: u64,
    /// Open findings that are not muted.
    pub findings: u32,
    /// Worst of them.
    #[schema(value_type = Option<Severity>)]
    pub severity: Option<model::Severity>,
    /// The sensor that saw it first.
    pub sensor: String,
    /// Where it was heard. Nothing is asked of what only the simulated plant has, nor of what only
    /// a capture has before somebody approved the asset.
    #[schema(value_type = Origin)]
    pub origin: store::Origin,
    /// Its ETag; counts the operator's changes.
    pub generation: i64,
    /// Moves with every change, also of what is observed.
    pub revision: i64,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct AssetPage {
    pub items: Vec<AssetRow>,
    pub next_cursor: Option<String>,
    /// Field -> values with their counts over all rows the filter keeps; asked for by `facets`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facets: BTreeMap<String, Vec<Count>>,
    pub revision: i64,
}

/// One thing somebody said about the asset. Conflicting facts stand side by side.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Fact {
    pub path: String,
    pub value: String,
    /// Protocol and message that said it, or `operator`.
    pub source: String,
    /// 0 to 100.
    pub confidence: u8,
    #[schema(value_type = String, format = DateTime)]
    pub observed_at: Time,
}

/// A module in the asset's rack, or a device behind its address.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Module {
    /// Of a module in the rack.
    pub slot: Option<u16>,
    pub place: Place,
    pub vendor: Option<String>,
    pub model: Option<String>,
    pub firmware: Option<String>,
    pub serial: Option<String>,
    /// What it said last: `run`, `program`.
    pub mode: Option<String>,
    /// Its own, or that of the program in it.
    pub name: Option<String>,
}

/// Where a module or a device behind the asset's address stands.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Place {
    /// `slot`, `canopen-node`, `ethercat-station`, `hart-device`, `modbus-unit`, `cip-route`,
    /// `bacnet-address`.
    pub kind: String,
    /// Which of the kind: its number, or port and address of each hop (`1/3,2/10.1.2.3`).
    pub at: String,
    /// For people: `slot 3`, `node 5`, `behind backplane 3, 10.1.2.3`.
    pub text: String,
}

/// What the sensors say, before the operator's word.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Observed {
    pub name: String,
    #[schema(value_type = AssetClass)]
    pub class: model::AssetClass,
    #[schema(value_type = AssetRole)]
    pub role: model::Role,
    /// Why this class and role.
    pub role_reason: Option<String>,
    pub purdue: Option<f64>,
    pub purdue_reason: Option<String>,
    /// Zone its addresses fall in.
    pub zone: Option<String>,
}

/// What the operator said; a null member was not said.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Declared {
    pub name: Option<String>,
    #[schema(value_type = Option<AssetClass>)]
    pub class: Option<model::AssetClass>,
    pub purdue: Option<f64>,
    pub zone: Option<String>,
    pub criticality: Option<u8>,
    pub labels: BTreeMap<String, String>,
    #[schema(value_type = Lifecycle)]
    pub lifecycle: store::Lifecycle,
    pub note: Option<String>,
    pub changed_by: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub changed_at: Option<Time>,
}

/// Something that happened to the asset.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct TimelineEntry {
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    /// `first-seen`, `changed`, `merged`, `finding`, `operator`.
    pub kind: String,
    pub says: String,
    /// Id of the finding it is about.
    pub finding: Option<String>,
    /// User who did it.
    pub actor: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct AssetDetail {
    #[serde(flatten)]
    pub row: AssetRow,
    pub observed: Observed,
    pub declared: Declared,
    pub facts: Vec<Fact>,
    pub modules: Vec<Module>,
    pub links: Vec<Link>,
    /// True when it has more links than are shown; use `/links?filter=client eq "..."`.
    pub links_truncated: bool,
    /// Findings that are not closed, worst first.
    pub open_findings: Vec<FindingRow>,
    /// Newest first.
    pub timeline: Vec<TimelineEntry>,
}

/// An asset of a capture's report, with what was observed.
#[derive(Serialize, ToSchema, Debug)]
pub struct ReportAsset {
    #[serde(flatten)]
    pub row: AssetRow,
    pub observed: Observed,
    pub facts: Vec<Fact>,
    pub modules: Vec<Module>,
}

/// JSON merge patch (RFC 7396): absent members stay, `null` takes the operator's word back.
#[derive(Deserialize, ToSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct AssetChange {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub name: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<AssetClass>)]
    pub class: Option<Option<model::AssetClass>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>)]
    pub purdue: Option<Option<f64>>,
    /// Id of a zone.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub zone: Option<Option<String>>,
    /// 1 to 4.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<u8>)]
    pub criticality: Option<Option<u8>>,
    /// Replaces all labels. Keys `[a-z0-9._/-]{1,63}`, values to 256 characters, 64 at most.
    pub labels: Option<BTreeMap<String, String>>,
    #[schema(value_type = Option<Lifecycle>)]
    pub lifecycle: Option<store::Lifecycle>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub note: Option<Option<String>>,
}

/// Tells `null` (take back) from absent (leave).
pub(super) fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}
