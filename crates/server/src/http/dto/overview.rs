//! The first page: the site in numbers, and the stream of changes.
//!
//! Not here: lists. Invariant: each number is counted from rows, none is kept by hand.

use super::{AssetName, Count, FindingRow, Sensor};
use model::Time;
use serde::Serialize;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema, Debug)]
pub struct Overview {
    pub assets: u64,
    /// Known to this control plane since less than 24 hours, whenever they were seen.
    pub assets_new_24h: u64,
    pub links: u64,
    pub findings_open: u64,
    pub assets_by_class: Vec<Count>,
    pub assets_by_purdue: Vec<Count>,
    pub assets_by_lifecycle: Vec<Count>,
    /// Open findings that are not muted.
    pub findings_by_severity: Vec<Count>,
    pub findings_by_status: Vec<Count>,
    pub traffic: Traffic,
    /// Most bytes first.
    pub talkers: Vec<Talker>,
    /// Most bytes first.
    pub protocols: Vec<ProtocolShare>,
    /// Newest first.
    pub recent_findings: Vec<FindingRow>,
    pub sensors: Vec<Sensor>,
    pub revision: i64,
}

/// What all sensors saw in the last hour.
#[derive(Serialize, ToSchema, Debug)]
pub struct Traffic {
    /// Seconds between two points.
    pub step_s: u32,
    pub points: Vec<TrafficPoint>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct TrafficPoint {
    /// Start of the step.
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    pub packets: u64,
    pub bytes: u64,
    pub drops: u64,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct Talker {
    pub asset: AssetName,
    pub packets: u64,
    /// Sent and received on its links.
    pub bytes: u64,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct ProtocolShare {
    pub protocol: String,
    pub links: u64,
    pub packets: u64,
    pub bytes: u64,
}

/// `data` of one server-sent event of `/watch`. The event's name is `kind`, its id the revision.
#[derive(Serialize, ToSchema, Debug, Clone)]
#[serde(tag = "kind", content = "row", rename_all = "kebab-case")]
pub enum WatchEvent {
    /// Made or changed.
    Asset(super::AssetRow),
    /// Merged into another asset; rows that named it name the other now.
    AssetMerged {
        id: String,
        into: String,
    },
    Link(super::Link),
    /// Merged into another link; what it held stands in that one's row.
    LinkMerged {
        id: String,
        into: String,
    },
    Finding(FindingRow),
    Sensor(Sensor),
    Capture(super::Capture),
    Run(super::Run),
    Beat(Beat),
}

/// What one sensor saw since its last beat, about once a second.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Beat {
    pub sensor: String,
    #[schema(value_type = String, format = DateTime)]
    pub at: Time,
    pub packets: u64,
    pub bytes: u64,
    pub drops: u64,
    pub learning: bool,
}
