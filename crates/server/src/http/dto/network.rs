//! Links, the map's graph, and zones.
//!
//! Not here: assets. Invariant: every edge of a graph joins two of its nodes.

use super::{AssetClass, Severity};
use model::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// One client, one server, one protocol.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Link {
    pub id: String,
    /// Asset id of the client.
    pub client: String,
    pub client_name: String,
    /// Asset id of the server.
    pub server: String,
    pub server_name: String,
    pub protocol: String,
    pub transport: String,
    pub port: Option<u16>,
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
    pub packets: u64,
    pub bytes: u64,
    /// Operation class -> requests and notices seen.
    pub operations: BTreeMap<String, u64>,
    /// Median time between equal requests, where the client polls. Milliseconds.
    pub poll_interval_ms: Option<u64>,
    pub sensor: String,
    pub revision: i64,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct LinkPage {
    pub items: Vec<Link>,
    pub next_cursor: Option<String>,
}

/// An asset as the map draws it.
#[derive(Serialize, ToSchema, Debug)]
pub struct MapNode {
    pub id: String,
    pub name: String,
    #[schema(value_type = AssetClass)]
    pub class: model::AssetClass,
    /// 0, 1, 2, 3, 3.5, 4, 5 or null.
    pub purdue: Option<f64>,
    pub vendor: Option<String>,
    pub zone: Option<String>,
    /// Worst of its open findings.
    #[schema(value_type = Option<Severity>)]
    pub severity: Option<model::Severity>,
    /// Open findings that are not muted.
    pub findings: u32,
    pub ip: Option<String>,
    pub vlans: Vec<u16>,
    pub criticality: Option<u8>,
    #[schema(value_type = String, format = DateTime)]
    pub first_seen: Time,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
}

/// All that passes between two assets. They are named by their positions in `nodes`: by their ids
/// the map of a large site would be twice as long.
#[derive(Serialize, ToSchema, Debug)]
pub struct MapEdge {
    /// Of the asset with the smaller id.
    pub a: u32,
    pub b: u32,
    /// The one that asks, in all links of the pair; null where each asks the other.
    pub client: Option<u32>,
    /// Protocol -> bytes.
    pub volumes: BTreeMap<String, u64>,
    /// Operation class -> requests and notices seen, over all links of the pair.
    pub operations: BTreeMap<String, u64>,
    #[schema(value_type = String, format = DateTime)]
    pub last_seen: Time,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct MapGraph {
    pub revision: i64,
    pub nodes: Vec<MapNode>,
    pub edges: Vec<MapEdge>,
    /// True when the site has more assets than one graph holds; narrow it with `filter`.
    pub truncated: bool,
}

/// Who may talk to whom (IEC 62443-3-2): assets belong by address or VLAN.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Zone {
    pub id: String,
    pub name: String,
    /// 0, 1, 2, 3, 3.5, 4, 5 or null: then each asset keeps the level seen for it.
    pub purdue: Option<f64>,
    /// Address ranges, e.g. `10.1.2.0/24`. The longest match wins.
    pub cidrs: Vec<String>,
    pub vlans: Vec<u16>,
    pub assets: u64,
    pub generation: i64,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
}

/// A zone to make, or what one shall become.
#[derive(Deserialize, ToSchema, Clone)]
#[serde(deny_unknown_fields)]
pub struct ZoneSpec {
    pub name: String,
    pub purdue: Option<f64>,
    #[serde(default)]
    pub cidrs: Vec<String>,
    #[serde(default)]
    pub vlans: Vec<u16>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct ZoneList {
    pub items: Vec<Zone>,
}
