//! The site in numbers, each counted from rows.
//!
//! Not here: lists. Invariant: read in one go, so the numbers are of nearly the same moment.

use crate::{
    Result, Store,
    asset::unsigned,
    text::{severity_from_rank, word},
    writer::now,
};
use model::{AssetId, Time};
use sqlx::Row;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub value: Option<String>,
    pub count: u64,
}

#[derive(Clone, Debug)]
pub struct Overview {
    pub assets: u64,
    pub assets_new_24h: u64,
    pub links: u64,
    pub findings_open: u64,
    pub by_class: Vec<Count>,
    pub by_purdue: Vec<Count>,
    pub by_lifecycle: Vec<Count>,
    pub by_severity: Vec<Count>,
    pub by_status: Vec<Count>,
    /// Seconds between two points.
    pub step_s: u32,
    pub traffic: Vec<TrafficPoint>,
    pub talkers: Vec<Talker>,
    pub protocols: Vec<ProtocolShare>,
    pub revision: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficPoint {
    pub at: Time,
    pub packets: u64,
    pub bytes: u64,
    pub drops: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Talker {
    pub id: AssetId,
    pub name: String,
    pub packets: u64,
    pub bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtocolShare {
    pub protocol: String,
    pub links: u64,
    pub packets: u64,
    pub bytes: u64,
}

/// An hour in steps of ten seconds: as many points as a chart has room for.
const TRAFFIC_STEP_S: i64 = 10;
const TRAFFIC_SPAN_S: i64 = 3_600;
const LIVE: &str = "FROM assets WHERE merged_into IS NULL";
const LINKS_LIVE: &str = "links WHERE merged_into IS NULL";
const OPEN: &str = "FROM findings WHERE muted = 0 AND \
    status IN ('open', 'acknowledged', 'in-progress')";

/// SQL of a sum that has no end: SUM fails where it is too large for a whole number.
fn total(column: &str) -> String {
    format!("CAST(TOTAL({column}) AS INTEGER)")
}

impl Store {
    pub async fn overview(&self) -> Result<Overview> {
        let (now, day_ago) = (now().nanos(), now().plus_secs(-86_400).nanos());
        // Behind now is what came while the clock was wrong.
        let new =
            format!("SELECT COUNT(*) {LIVE} AND known_since > {day_ago} AND known_since <= {now}");
        let by = |column: &str| {
            format!(
                "SELECT CAST({column} AS TEXT) AS value, COUNT(*) AS count {LIVE} \
                 GROUP BY {column} ORDER BY 1"
            )
        };
        let severity = format!(
            "SELECT CAST(severity AS TEXT) AS value, COUNT(*) AS count {OPEN} \
             GROUP BY severity ORDER BY severity DESC"
        );
        let status = "SELECT status AS value, COUNT(*) AS count FROM findings \
            WHERE muted = 0 GROUP BY status ORDER BY 1";
        let mut by_severity = self.counts(severity).await?;
        for count in &mut by_severity {
            let rank = count.value.as_deref().and_then(|rank| rank.parse().ok());
            count.value = rank.and_then(severity_from_rank).map(word);
        }
        let mut by_purdue = self.counts(by("purdue")).await?;
        for count in &mut by_purdue {
            let level = count.value.as_deref().map(|level| level.trim_end_matches(".0").to_owned());
            count.value = level;
        }
        Ok(Overview {
            assets: self.number(format!("SELECT COUNT(*) {LIVE}")).await?,
            assets_new_24h: self.number(new).await?,
            links: self.number(format!("SELECT COUNT(*) FROM {LINKS_LIVE}")).await?,
            findings_open: self.number(format!("SELECT COUNT(*) {OPEN}")).await?,
            by_class: self.counts(by("class")).await?,
            by_purdue,
            by_lifecycle: self.counts(by("lifecycle")).await?,
            by_severity,
            by_status: self.counts(status.to_owned()).await?,
            step_s: u32::try_from(TRAFFIC_STEP_S).expect("a small constant"),
            traffic: self.traffic().await?,
            talkers: self.talkers().await?,
            protocols: self.protocols().await?,
            revision: self.revision().await?,
        })
    }

    async fn number(&self, sql: String) -> Result<u64> {
        let row = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_one(self.readers()).await?;
        Ok(unsigned(row.try_get(0)?))
    }

    async fn counts(&self, sql: String) -> Result<Vec<Count>> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        let count = |row: &sqlx::sqlite::SqliteRow| {
            Ok(Count { value: row.try_get("value")?, count: unsigned(row.try_get("count")?) })
        };
        rows.iter().map(count).collect()
    }

    async fn traffic(&self) -> Result<Vec<TrafficPoint>> {
        let step = TRAFFIC_STEP_S * 1_000_000_000;
        let [packets, bytes, drops] = ["packets", "bytes", "drops"].map(total);
        let sql = format!(
            "SELECT (at / $1) * $1 AS step, {packets} AS packets, {bytes} AS bytes, \
             {drops} AS drops FROM beats WHERE step_s = 1 AND at > $2 AND at <= $3 GROUP BY \
             step ORDER BY step",
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(step)
            .bind(now().plus_secs(-TRAFFIC_SPAN_S).nanos())
            // Before the clock was set back it was later.
            .bind(now().plus_secs(TRAFFIC_STEP_S).nanos())
            .fetch_all(self.readers())
            .await?;
        rows.iter()
            .map(|row| {
                Ok(TrafficPoint {
                    at: Time(row.try_get("step")?),
                    packets: unsigned(row.try_get("packets")?),
                    bytes: unsigned(row.try_get("bytes")?),
                    drops: unsigned(row.try_get("drops")?),
                })
            })
            .collect()
    }

    async fn talkers(&self) -> Result<Vec<Talker>> {
        let [packets, bytes] = ["l.packets", "l.bytes"].map(total);
        let sql = format!(
            "SELECT a.id, a.name, {packets} AS packets, {bytes} AS bytes FROM \
             (SELECT client AS asset, packets, bytes FROM {LINKS_LIVE} UNION ALL \
             SELECT server AS asset, packets, bytes FROM {LINKS_LIVE} AND server <> client) AS l \
             JOIN assets a ON a.id = l.asset GROUP BY a.id, a.name \
             ORDER BY bytes DESC, a.id LIMIT 10"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(Talker {
                    id: AssetId(row.try_get("id")?),
                    name: row.try_get("name")?,
                    packets: unsigned(row.try_get("packets")?),
                    bytes: unsigned(row.try_get("bytes")?),
                })
            })
            .collect()
    }

    async fn protocols(&self) -> Result<Vec<ProtocolShare>> {
        let [packets, bytes] = ["packets", "bytes"].map(total);
        let sql = format!(
            "SELECT protocol, COUNT(*) AS links, {packets} AS packets, {bytes} AS bytes \
             FROM {LINKS_LIVE} GROUP BY protocol ORDER BY bytes DESC, protocol LIMIT 20"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| {
                Ok(ProtocolShare {
                    protocol: row.try_get("protocol")?,
                    links: unsigned(row.try_get("links")?),
                    packets: unsigned(row.try_get("packets")?),
                    bytes: unsigned(row.try_get("bytes")?),
                })
            })
            .collect()
    }
}
