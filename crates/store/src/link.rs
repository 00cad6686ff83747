//! Links as rows.
//!
//! Not here: how links are recognised, and the graph of them (`graph`). Invariant: a link whose
//! ends were merged away names the assets they became, and one that was merged itself is in no
//! list.

use crate::{
    Change, ChangedRow, Error, LINKS, ListRequest, Page, Result, Store,
    asset::{push_filter, signed, unsigned},
    fold::fold_counts,
    names::Names,
    page::Order,
    tally::{Count, Tally},
    text::clean,
    watch::changes,
    writer::Turn,
};
use model::{AssetId, Link, LinkId, Time};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq)]
pub struct LinkRecord {
    pub link: Link,
    pub client_name: String,
    pub server_name: String,
    pub sensor: String,
    pub revision: i64,
}

const SELECT: &str = "SELECT links.id, links.sensor, links.client, links.server, links.protocol, \
    links.transport, links.port, links.first_seen, links.last_seen, links.packets, links.bytes, \
    links.operations, links.poll_interval_ms, links.revision, \
    COALESCE(c.name, links.client) AS client_name, COALESCE(s.name, links.server) AS server_name";
const FROM: &str = " FROM links LEFT JOIN assets c ON c.id = links.client \
    LEFT JOIN assets s ON s.id = links.server";

fn record(row: &SqliteRow) -> Result<LinkRecord> {
    let port: Option<i64> = row.try_get("port")?;
    let poll: Option<i64> = row.try_get("poll_interval_ms")?;
    Ok(LinkRecord {
        link: Link {
            id: LinkId(row.try_get("id")?),
            client: AssetId(row.try_get("client")?),
            server: AssetId(row.try_get("server")?),
            protocol: row.try_get("protocol")?,
            transport: row.try_get("transport")?,
            port: port.and_then(|port| port.try_into().ok()),
            first_seen: Time(row.try_get("first_seen")?),
            last_seen: Time(row.try_get("last_seen")?),
            packets: unsigned(row.try_get("packets")?),
            bytes: unsigned(row.try_get("bytes")?),
            operations: serde_json::from_str(row.try_get("operations")?)?,
            poll_interval_ms: poll.map(unsigned),
        },
        client_name: row.try_get("client_name")?,
        server_name: row.try_get("server_name")?,
        sensor: row.try_get("sensor")?,
        revision: row.try_get("revision")?,
    })
}

/// What is kept of a link.
struct Known {
    sensor: String,
    counts: Tally<Counts>,
    first_seen: Time,
    last_seen: Time,
    poll_interval_ms: Option<u64>,
}

#[derive(Default, Serialize, Deserialize)]
struct Counts {
    packets: u64,
    bytes: u64,
    operations: BTreeMap<String, u64>,
}

impl Known {
    async fn load(turn: &mut Turn, id: &LinkId) -> Result<Option<Known>> {
        let row = sqlx::query(
            "SELECT sensor, epoch, told, earlier_packets, earlier_bytes, earlier_operations, \
             packets, bytes, operations, first_seen, last_seen, poll_interval_ms FROM links \
             WHERE id = $1 AND merged_into IS NULL",
        )
        .bind(&id.0)
        .fetch_optional(&mut turn.db)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let counts = |[packets, bytes, operations]: [&str; 3]| -> Result<Counts> {
            Ok(Counts {
                packets: unsigned(row.try_get(packets)?),
                bytes: unsigned(row.try_get(bytes)?),
                operations: serde_json::from_str(row.try_get(operations)?)?,
            })
        };
        let earlier = counts(["earlier_packets", "earlier_bytes", "earlier_operations"])?;
        let all = counts(["packets", "bytes", "operations"])?;
        let sensor: String = row.try_get("sensor")?;
        let run = (sensor.as_str(), row.try_get("epoch")?);
        Ok(Some(Known {
            counts: Tally::read(row.try_get("told")?, run, earlier, &all)?,
            sensor,
            first_seen: Time(row.try_get("first_seen")?),
            last_seen: Time(row.try_get("last_seen")?),
            poll_interval_ms: row.try_get::<Option<i64>, _>("poll_interval_ms")?.map(unsigned),
        }))
    }
}

impl Count for Counts {
    fn add(&mut self, more: &Counts) {
        self.packets = self.packets.saturating_add(more.packets);
        self.bytes = self.bytes.saturating_add(more.bytes);
        let own = std::mem::take(&mut self.operations);
        self.operations = fold_counts(&more.operations, own);
    }

    fn without(&self, part: &Counts) -> Counts {
        let left = self.operations.iter().map(|(name, count)| {
            let part = part.operations.get(name).copied().unwrap_or(0);
            (name.clone(), count.saturating_sub(part))
        });
        Counts {
            packets: self.packets.saturating_sub(part.packets),
            bytes: self.bytes.saturating_sub(part.bytes),
            operations: left.filter(|(_, count)| *count > 0).collect(),
        }
    }
}

/// Takes a link of a sensor's run that began at `epoch`.
pub(crate) async fn take(turn: &mut Turn, sensor: &str, epoch: i64, mut link: Link) -> Result<()> {
    let mut counts = Tally::default();
    if let Some(known) = Known::load(turn, &link.id).await? {
        link.first_seen = link.first_seen.min(known.first_seen);
        link.last_seen = link.last_seen.max(known.last_seen);
        link.poll_interval_ms = link.poll_interval_ms.or(known.poll_interval_ms);
        counts = known.counts;
    }
    let operations = std::mem::take(&mut link.operations);
    let counted = Counts { packets: link.packets, bytes: link.bytes, operations };
    counts.take(sensor, epoch, counted);
    let all = counts.all();
    (link.packets, link.bytes, link.operations) = (all.packets, all.bytes, all.operations);
    link.protocol = clean(&link.protocol);
    link.client = AssetId(current_id(turn, &link.client.0).await?);
    link.server = AssetId(current_id(turn, &link.server.0).await?);
    put(turn, (sensor, epoch), &counts, &link).await
}

/// A link proved to be part of `into`, whose row tells what this run of a sensor saw of both; what
/// earlier runs and other sensors saw goes over to it.
pub(crate) async fn merge(
    turn: &mut Turn,
    run: (&str, i64),
    id: &LinkId,
    into: &LinkId,
) -> Result<()> {
    if id == into {
        return Err(Error::refused("into", "a link cannot merge into itself"));
    }
    // A sensor tells all that holds when it begins anew: this one went before.
    let Some(gone) = Known::load(turn, id).await? else { return Ok(()) };
    let Some(mut heir) = Known::load(turn, into).await? else { return Ok(()) };
    let (first_seen, last_seen) = (gone.first_seen, gone.last_seen);
    heir.counts.join(gone.counts, run);
    let (earlier, all) = (heir.counts.earlier(), heir.counts.all());
    let revision = turn.revision();
    sqlx::query(
        "UPDATE links SET merged_into = $1, revision = $2 WHERE id = $3 OR merged_into = $3",
    )
    .bind(&into.0)
    .bind(revision)
    .bind(&id.0)
    .execute(&mut turn.db)
    .await?;
    turn.changed(revision, ChangedRow::LinkMerged { id: id.clone(), into: into.clone() });
    sqlx::query(
        "UPDATE links SET earlier_packets = $1, earlier_bytes = $2, earlier_operations = $3, \
         packets = $4, bytes = $5, operations = $6, first_seen = $7, last_seen = $8, \
         revision = $9, told = $11 WHERE id = $10",
    )
    .bind(signed(earlier.packets))
    .bind(signed(earlier.bytes))
    .bind(serde_json::to_string(&earlier.operations)?)
    .bind(signed(all.packets))
    .bind(signed(all.bytes))
    .bind(serde_json::to_string(&all.operations)?)
    .bind(heir.first_seen.min(first_seen).nanos())
    .bind(heir.last_seen.max(last_seen).nanos())
    .bind(turn.revision())
    .bind(&into.0)
    .bind(heir.counts.told(&heir.sensor)?)
    .execute(&mut turn.db)
    .await?;
    tell(turn, &into.0).await
}

async fn put(
    turn: &mut Turn,
    (sensor, epoch): (&str, i64),
    counts: &Tally<Counts>,
    link: &Link,
) -> Result<()> {
    let revision = turn.revision();
    let earlier = counts.earlier();
    sqlx::query(
        "INSERT INTO links (id, sensor, epoch, earlier_packets, earlier_bytes, \
         earlier_operations, client, server, protocol, transport, port, first_seen, last_seen, \
         packets, bytes, operations, poll_interval_ms, revision, told) VALUES ($1, $2, $3, $4, \
         $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19) ON CONFLICT (id) \
         DO UPDATE SET sensor = $2, epoch = $3, earlier_packets = $4, earlier_bytes = $5, \
         earlier_operations = $6, client = $7, server = $8, protocol = $9, transport = $10, \
         port = $11, first_seen = $12, last_seen = $13, packets = $14, bytes = $15, \
         operations = $16, poll_interval_ms = $17, revision = $18, merged_into = NULL, \
         told = $19",
    )
    .bind(&link.id.0)
    .bind(sensor)
    .bind(epoch)
    .bind(signed(earlier.packets))
    .bind(signed(earlier.bytes))
    .bind(serde_json::to_string(&earlier.operations)?)
    .bind(&link.client.0)
    .bind(&link.server.0)
    .bind(&link.protocol)
    .bind(clean(&link.transport))
    .bind(link.port.map(i64::from))
    .bind(link.first_seen.nanos())
    .bind(link.last_seen.nanos())
    .bind(signed(link.packets))
    .bind(signed(link.bytes))
    .bind(serde_json::to_string(&link.operations)?)
    .bind(link.poll_interval_ms.map(signed))
    .bind(revision)
    .bind(counts.told(sensor)?)
    .execute(&mut turn.db)
    .await?;
    tell(turn, &link.id.0).await
}

async fn tell(turn: &mut Turn, id: &str) -> Result<()> {
    let sql = format!("{SELECT}{FROM} WHERE links.id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut turn.db).await?;
    let record = record(&row)?;
    turn.changed(record.revision, ChangedRow::Link(record));
    Ok(())
}

/// The id an asset has after merges.
pub(crate) async fn current_id(turn: &mut Turn, id: &str) -> Result<String> {
    let row = sqlx::query("SELECT merged_into FROM assets WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    let into: Option<String> = row.map(|row| row.try_get("merged_into")).transpose()?.flatten();
    Ok(into.unwrap_or_else(|| id.to_owned()))
}

/// Links that name `id` name `into` from here on.
pub(crate) async fn rename_ends(turn: &mut Turn, id: &str, into: &str) -> Result<()> {
    let rows = sqlx::query(
        "SELECT id FROM links WHERE (client = $1 OR server = $1) AND merged_into IS NULL",
    )
    .bind(id)
    .fetch_all(&mut turn.db)
    .await?;
    for row in rows {
        let link: String = row.try_get("id")?;
        let revision = turn.revision();
        sqlx::query(
            "UPDATE links SET client = CASE WHEN client = $1 THEN $2 ELSE client END, \
             server = CASE WHEN server = $1 THEN $2 ELSE server END, revision = $3 WHERE id = $4",
        )
        .bind(id)
        .bind(into)
        .bind(revision)
        .bind(&link)
        .execute(&mut turn.db)
        .await?;
        tell(turn, &link).await?;
    }
    Ok(())
}

pub(crate) async fn changed_since(store: &Store, since: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = format!(
        "{SELECT}, links.merged_into{FROM} WHERE links.revision > $1 \
         ORDER BY links.revision LIMIT $2"
    );
    changes(store, sql, since, limit, |row| {
        let record = record(row)?;
        let revision = record.revision;
        let row = match row.try_get::<Option<String>, _>("merged_into")? {
            Some(into) => ChangedRow::LinkMerged { id: record.link.id, into: LinkId(into) },
            None => ChangedRow::Link(record),
        };
        Ok(Change { revision, row })
    })
    .await
}

/// Tells ends of one name apart that are shown together.
async fn name_ends(store: &Store, links: &mut [LinkRecord]) -> Result<()> {
    let ends = |record: &LinkRecord| [record.link.client.0.clone(), record.link.server.0.clone()];
    let ids: BTreeSet<String> = links.iter().flat_map(ends).collect();
    let mut db = store.readers().acquire().await?;
    let names = Names::read(&mut db, ids.clone()).await?;
    let apart = names.told_apart(ids.iter().map(String::as_str).collect());
    for record in links {
        for (id, name) in [
            (&record.link.client, &mut record.client_name),
            (&record.link.server, &mut record.server_name),
        ] {
            if let Some(apart) = apart.get(&id.0) {
                name.clone_from(apart);
            }
        }
    }
    Ok(())
}

impl Store {
    /// Links in pages; most bytes first where no order is asked for.
    pub async fn links(&self, request: &ListRequest) -> Result<Page<LinkRecord>> {
        let sort = request.sort.as_deref().unwrap_or("-bytes");
        let order = Order::parse(sort, LINKS, "links.", "links.id")?;
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "{SELECT}, {} FROM (SELECT * FROM links \
             WHERE merged_into IS NULL",
            order.columns()
        ));
        // Inside, the columns a filter names are the links' own.
        push_filter(request, &mut query);
        query.push(
            ") AS links LEFT JOIN assets c ON c.id = links.client \
             LEFT JOIN assets s ON s.id = links.server WHERE 1 = 1",
        );
        order.push_after(request.cursor.as_deref(), &mut query)?;
        order.push_end(request.limit, &mut query);
        let rows = query.build().fetch_all(self.readers()).await?;
        let page = order.page(rows, request.limit)?;
        let mut items = page.items.iter().map(record).collect::<Result<Vec<_>>>()?;
        name_ends(self, &mut items).await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// Links of an asset, most bytes first; says whether there are more.
    pub async fn asset_links(&self, id: &str) -> Result<(Vec<LinkRecord>, bool)> {
        let sql = format!(
            "{SELECT}{FROM} WHERE (links.client = $1 OR links.server = $1) \
             AND links.merged_into IS NULL ORDER BY links.bytes DESC, links.id LIMIT $2"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .bind(crate::ASSET_LINKS_MAX as i64 + 1)
            .fetch_all(self.readers())
            .await?;
        let more = rows.len() > crate::ASSET_LINKS_MAX;
        let links = rows.iter().take(crate::ASSET_LINKS_MAX).map(record);
        let mut links = links.collect::<Result<Vec<_>>>()?;
        name_ends(self, &mut links).await?;
        Ok((links, more))
    }
}
