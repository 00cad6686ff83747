//! The graph the map draws: assets, and each pair of them that speaks.
//!
//! Not here: links one by one. Invariant: what the map does not draw is not read; both ends of an
//! edge are nodes of the same graph.

use crate::{
    Filter, ListRequest, MAP_NODES_MAX, Result, Store,
    asset::{push_filter, unsigned},
    fold::fold_counts,
    text::{from_word, severity_from_rank, split},
};
use model::{AssetClass, AssetId, Severity, Time};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};
use std::collections::{BTreeMap, HashMap};

#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    /// Heard last first.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    /// Some assets are left out.
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub id: AssetId,
    pub name: String,
    pub class: AssetClass,
    pub purdue: Option<f64>,
    pub vendor: Option<String>,
    pub zone: Option<String>,
    pub severity: Option<Severity>,
    pub findings: u32,
    pub ip: Option<String>,
    pub vlans: Vec<u16>,
    pub criticality: Option<u8>,
    pub first_seen: Time,
    pub last_seen: Time,
}

/// All links between two assets, which are named by their positions among the nodes.
#[derive(Clone, Debug, PartialEq)]
pub struct Edge {
    /// The one with the smaller id.
    pub a: u32,
    pub b: u32,
    /// The client of all links; none where each end is the client of some.
    pub client: Option<u32>,
    /// Protocol -> bytes.
    pub volumes: BTreeMap<String, u64>,
    pub operations: BTreeMap<String, u64>,
    pub last_seen: Time,
}

impl Store {
    /// The assets a filter keeps and what passes between them.
    pub async fn graph(&self, filter: Option<Filter>) -> Result<Graph> {
        let (nodes, truncated) = nodes(self, filter).await?;
        let places: HashMap<&str, u32> =
            nodes.iter().zip(0..).map(|(node, place)| (node.id.0.as_str(), place)).collect();
        let mut edges: BTreeMap<(u32, u32), Edge> = BTreeMap::new();
        let rows = sqlx::query(
            "SELECT client, server, protocol, bytes, operations, last_seen FROM links \
             WHERE merged_into IS NULL",
        )
        .fetch_all(self.readers())
        .await?;
        for row in &rows {
            let (client, server): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
            let (Some(from), Some(to)) = (places.get(client), places.get(server)) else { continue };
            if from != to {
                let ends = if client < server { (*from, *to) } else { (*to, *from) };
                edges.entry(ends).or_insert_with(|| Edge::new(ends, *from)).add(*from, row)?;
            }
        }
        Ok(Graph { edges: edges.into_values().collect(), nodes, truncated })
    }
}

async fn nodes(store: &Store, filter: Option<Filter>) -> Result<(Vec<Node>, bool)> {
    let mut query = QueryBuilder::<Sqlite>::new(
        "SELECT id, name, class, purdue, vendor, zone, severity, findings, ips, vlans, \
         criticality, first_seen, last_seen FROM assets WHERE merged_into IS NULL",
    );
    push_filter(&ListRequest { filter, ..ListRequest::first(0) }, &mut query);
    query.push(" ORDER BY last_seen DESC, id LIMIT ");
    query.push_bind(MAP_NODES_MAX as i64 + 1);
    let mut rows = query.build().fetch_all(store.readers()).await?;
    let truncated = rows.len() > MAP_NODES_MAX;
    rows.truncate(MAP_NODES_MAX);
    Ok((rows.iter().map(node).collect::<Result<_>>()?, truncated))
}

fn node(row: &SqliteRow) -> Result<Node> {
    let list = |name: &str| -> Result<Vec<String>> { Ok(split(row.try_get::<&str, _>(name)?)) };
    Ok(Node {
        id: AssetId(row.try_get("id")?),
        name: row.try_get("name")?,
        class: from_word(row.try_get("class")?).unwrap_or(AssetClass::Unknown),
        purdue: row.try_get("purdue")?,
        vendor: row.try_get("vendor")?,
        zone: row.try_get("zone")?,
        severity: row.try_get::<Option<i64>, _>("severity")?.and_then(severity_from_rank),
        findings: u32::try_from(row.try_get::<i64, _>("findings")?).unwrap_or(0),
        ip: list("ips")?.into_iter().next(),
        vlans: list("vlans")?.iter().filter_map(|vlan| vlan.parse().ok()).collect(),
        criticality: row.try_get::<Option<i64>, _>("criticality")?.and_then(|c| c.try_into().ok()),
        first_seen: Time(row.try_get("first_seen")?),
        last_seen: Time(row.try_get("last_seen")?),
    })
}

impl Edge {
    fn new((a, b): (u32, u32), client: u32) -> Edge {
        let (volumes, operations) = Default::default();
        Edge { a, b, client: Some(client), volumes, operations, last_seen: Time(0) }
    }

    fn add(&mut self, client: u32, row: &SqliteRow) -> Result<()> {
        self.client = self.client.filter(|known| *known == client);
        let (protocol, bytes) = (row.try_get::<&str, _>(2)?, unsigned(row.try_get(3)?));
        match self.volumes.get_mut(protocol) {
            Some(volume) => *volume = volume.saturating_add(bytes),
            None => {
                self.volumes.insert(protocol.to_owned(), bytes);
            }
        }
        // Most links have none: what was not decoded has no operation.
        let operations: &str = row.try_get(4)?;
        if operations != "{}" {
            self.operations = fold_counts(&self.operations, serde_json::from_str(operations)?);
        }
        self.last_seen = self.last_seen.max(Time(row.try_get(5)?));
        Ok(())
    }
}
