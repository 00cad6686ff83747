//! Assets as rows: what was observed, what the operator said, and what of both wins.
//!
//! Not here: how observations arrive (`ingest`). Invariant: the operator's word wins in the
//! columns, and the observation stays beside it.

use crate::{
    ASSETS, Change, ChangedRow, Error, LABELS_MAX, Lifecycle, ListRequest, Origin, Page, Result,
    Store, TIMELINE_EVENTS_MAX, Zone,
    link::current_id,
    overview::Count,
    page::Order,
    tally::Tally,
    text::{clean, counted_order, from_word, join, severity_from_rank, split, word},
    watch::changes,
    writer::{Turn, now},
    zone,
};
use model::{Asset, AssetClass, AssetId, Purdue, Role, Severity, Time, maker};
use serde::{Deserialize, Serialize};
use sqlx::{QueryBuilder, Row, Sqlite, sqlite::SqliteRow};
use std::collections::BTreeMap;

/// An asset as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct AssetRecord {
    pub id: AssetId,
    pub sensor: String,
    /// Of the places it was heard at the one that says whose it is.
    pub origin: Origin,
    pub generation: i64,
    pub revision: i64,
    pub name: String,
    pub names: Vec<String>,
    pub class: AssetClass,
    pub role: Role,
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
    pub zone: Option<String>,
    pub zone_name: Option<String>,
    pub criticality: Option<u8>,
    pub lifecycle: Lifecycle,
    pub labels: BTreeMap<String, String>,
    pub first_seen: Time,
    pub last_seen: Time,
    /// When it came to be here, by this machine's clock; none of a report's.
    pub known_since: Option<Time>,
    pub packets: u64,
    pub findings: u32,
    pub severity: Option<Severity>,
}

/// What the operator said; rests on disk as JSON.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Declared {
    pub name: Option<String>,
    pub class: Option<AssetClass>,
    pub purdue: Option<Purdue>,
    pub zone: Option<String>,
    pub criticality: Option<u8>,
    pub labels: BTreeMap<String, String>,
    pub lifecycle: Option<Lifecycle>,
    pub note: Option<String>,
    pub changed_by: Option<String>,
    pub changed_at: Option<Time>,
}

#[derive(Clone, Debug)]
pub struct AssetFull {
    pub record: AssetRecord,
    pub observed: Asset,
    pub observed_zone: Option<String>,
    pub declared: Declared,
}

/// `None` leaves a member, `Some(None)` takes the operator's word back.
#[derive(Clone, Debug, Default)]
pub struct AssetPatch {
    pub name: Option<Option<String>>,
    pub class: Option<Option<AssetClass>>,
    pub purdue: Option<Option<Purdue>>,
    pub zone: Option<Option<String>>,
    pub criticality: Option<Option<u8>>,
    pub labels: Option<BTreeMap<String, String>>,
    pub lifecycle: Option<Lifecycle>,
    pub note: Option<Option<String>>,
}

/// Something that happened to an asset or a finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub at: Time,
    pub kind: String,
    pub asset: Option<String>,
    pub finding: Option<String>,
    pub actor: Option<String>,
    pub says: String,
}

const COLUMNS: &str = "id, sensor, origin, generation, revision, name, names, class, role, purdue, \
    vendor, model, firmware, serial, os, ips, macs, vlans, protocols, zone, criticality, \
    lifecycle, labels, first_seen, last_seen, known_since, packets, findings, severity, \
    (SELECT z.name FROM zones z WHERE z.id = assets.zone) AS zone_name";

fn record(row: &SqliteRow) -> Result<AssetRecord> {
    let list = |name: &str| -> Result<Vec<String>> { Ok(split(row.try_get::<&str, _>(name)?)) };
    let labels = list("labels")?.into_iter().filter_map(|label| {
        let (key, value) = label.split_once('=')?;
        Some((key.to_owned(), value.to_owned()))
    });
    Ok(AssetRecord {
        id: AssetId(row.try_get("id")?),
        sensor: row.try_get("sensor")?,
        origin: origin(row)?,
        generation: row.try_get("generation")?,
        revision: row.try_get("revision")?,
        name: row.try_get("name")?,
        names: list("names")?,
        class: from_word(row.try_get("class")?).unwrap_or(AssetClass::Unknown),
        role: from_word(row.try_get("role")?).unwrap_or(Role::Unknown),
        purdue: row.try_get("purdue")?,
        vendor: row.try_get("vendor")?,
        model: row.try_get("model")?,
        firmware: row.try_get("firmware")?,
        serial: row.try_get("serial")?,
        os: row.try_get("os")?,
        ips: list("ips")?,
        macs: list("macs")?,
        vlans: list("vlans")?.iter().filter_map(|vlan| vlan.parse().ok()).collect(),
        protocols: list("protocols")?,
        zone: row.try_get("zone")?,
        zone_name: row.try_get("zone_name")?,
        criticality: row.try_get::<Option<i64>, _>("criticality")?.and_then(|c| c.try_into().ok()),
        lifecycle: Lifecycle::from_word(row.try_get("lifecycle")?).unwrap_or(Lifecycle::New),
        labels: labels.collect(),
        first_seen: Time(row.try_get("first_seen")?),
        last_seen: Time(row.try_get("last_seen")?),
        known_since: Some(Time(row.try_get("known_since")?)),
        packets: unsigned(row.try_get("packets")?),
        findings: u32::try_from(row.try_get::<i64, _>("findings")?).unwrap_or(0),
        severity: row.try_get::<Option<i64>, _>("severity")?.and_then(severity_from_rank),
    })
}

/// Of what nobody knows where it was heard, nothing is asked.
fn origin(row: &SqliteRow) -> Result<Origin> {
    Ok(Origin::from_word(row.try_get("origin")?).unwrap_or(Origin::Capture))
}

/// Counts are stored as BIGINT; none is negative.
pub(crate) fn unsigned(count: i64) -> u64 {
    count.try_into().unwrap_or(0)
}

/// Greater counts are cut to it. A peer may say any number, and of a sum that is too large for a
/// whole number SQLite makes a real one or an error, which would stay with the row for good.
pub(crate) const COUNT_MAX: i64 = 1 << 60;

pub(crate) fn signed(count: u64) -> i64 {
    count.try_into().map_or(COUNT_MAX, |count: i64| count.min(COUNT_MAX))
}

/// Everything an asset's row is made of.
pub(crate) struct Stored {
    pub(crate) sensor: String,
    pub(crate) origin: Origin,
    pub(crate) epoch: i64,
    pub(crate) earlier: Option<Asset>,
    pub(crate) packets: Tally<u64>,
    pub(crate) observed: Asset,
    pub(crate) declared: Declared,
    pub(crate) known_since: Option<Time>,
    pub(crate) generation: i64,
    pub(crate) findings: u32,
    pub(crate) severity: Option<Severity>,
}

impl Stored {
    pub(crate) fn record(&self, zones: &[Zone], revision: i64) -> (AssetRecord, Option<String>) {
        let seen = &self.observed;
        let said = &self.declared;
        let observed_zone = zone::site_zone(zones, seen.class, &seen.ips, &seen.vlans);
        let observed_zone = observed_zone.map(|z| z.id.clone());
        let zone = said.zone.clone().or_else(|| observed_zone.clone());
        let full_zone = zones.iter().find(|z| Some(&z.id) == zone.as_ref());
        let purdue = said.purdue.map(Purdue::level).or(full_zone.and_then(|z| z.purdue));
        let record = AssetRecord {
            id: seen.id.clone(),
            sensor: self.sensor.clone(),
            origin: self.origin,
            generation: self.generation,
            revision,
            name: clean(&said.name.clone().unwrap_or_else(|| seen.display())),
            names: seen.names.iter().map(|name| clean(name)).collect(),
            class: said.class.unwrap_or(seen.class),
            role: seen.role,
            purdue: purdue.or(seen.purdue.map(Purdue::level)),
            vendor: seen.vendor.as_deref().map(|said| clean(maker(said))),
            model: seen.model.as_deref().map(clean),
            firmware: seen.firmware.as_deref().map(clean),
            serial: seen.serial.as_deref().map(clean),
            os: seen.os.as_deref().map(clean),
            ips: seen.ips.iter().map(ToString::to_string).collect(),
            macs: seen.macs.iter().map(ToString::to_string).collect(),
            vlans: seen.vlans.clone(),
            protocols: seen.protocols.iter().map(|protocol| clean(protocol)).collect(),
            zone,
            zone_name: full_zone.map(|z| z.name.clone()),
            criticality: said.criticality,
            lifecycle: said.lifecycle.unwrap_or(Lifecycle::New),
            labels: said.labels.clone(),
            first_seen: seen.first_seen,
            last_seen: seen.last_seen,
            known_since: self.known_since,
            packets: seen.packets,
            findings: self.findings,
            severity: self.severity,
        };
        (record, observed_zone)
    }
}

/// A record of an asset that is on no disk: how an uploaded capture's report shows it.
impl AssetFull {
    pub fn of_report(observed: Asset, sensor: &str) -> AssetFull {
        let stored = Stored {
            sensor: sensor.to_owned(),
            origin: Origin::Capture,
            epoch: 0,
            earlier: None,
            packets: Tally::default(),
            observed,
            declared: Declared::default(),
            known_since: None,
            generation: 0,
            findings: 0,
            severity: None,
        };
        let (record, observed_zone) = stored.record(&[], 0);
        AssetFull { record, observed: stored.observed, observed_zone, declared: stored.declared }
    }
}

/// The asset it was found to be part of.
pub(crate) async fn merged_into(turn: &mut Turn, id: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT merged_into FROM assets WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    Ok(row.map(|row| row.try_get("merged_into")).transpose()?.flatten())
}

/// An asset that comes is known since then, or since one was that proved to be part of it.
pub(crate) async fn known_since(turn: &mut Turn, id: &str) -> Result<Time> {
    let row = sqlx::query("SELECT MIN(known_since) FROM assets WHERE merged_into = $1")
        .bind(id)
        .fetch_one(&mut turn.db)
        .await?;
    let part = row.try_get::<Option<i64>, _>(0)?.map(Time);
    Ok(part.map_or_else(now, |part| part.min(now())))
}

/// Reads an asset's row in the writer's transaction.
pub(crate) async fn load(turn: &mut Turn, id: &str) -> Result<Option<Stored>> {
    let row = sqlx::query(
        "SELECT sensor, origin, epoch, earlier, told, observed, declared, known_since, \
         generation, findings, severity FROM assets WHERE id = $1",
    )
    .bind(id)
    .fetch_optional(&mut turn.db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let (sensor, epoch): (String, i64) = (row.try_get("sensor")?, row.try_get("epoch")?);
    let earlier: Option<String> = row.try_get("earlier")?;
    let earlier: Option<Asset> = earlier.map(|json| serde_json::from_str(&json)).transpose()?;
    let observed: Asset = serde_json::from_str(row.try_get("observed")?)?;
    let before = earlier.as_ref().map_or(0, |asset| asset.packets);
    let told = row.try_get("told")?;
    Ok(Some(Stored {
        packets: Tally::read(told, (&sensor, epoch), before, &observed.packets)?,
        sensor,
        origin: origin(&row)?,
        epoch,
        earlier,
        observed,
        declared: serde_json::from_str(row.try_get("declared")?)?,
        known_since: Some(Time(row.try_get("known_since")?)),
        generation: row.try_get("generation")?,
        findings: u32::try_from(row.try_get::<i64, _>("findings")?).unwrap_or(0),
        severity: row.try_get::<Option<i64>, _>("severity")?.and_then(severity_from_rank),
    }))
}

/// Writes the row with a new revision and tells watchers.
pub(crate) async fn save(turn: &mut Turn, stored: &Stored) -> Result<AssetRecord> {
    let revision = turn.revision();
    let zones = zone::cached(turn).await?;
    let (record, observed_zone) = stored.record(&zones, revision);
    let labels = record.labels.iter().map(|(key, value)| format!("{key}={value}"));
    sqlx::query(
        "INSERT INTO assets (id, sensor, epoch, earlier, observed, observed_zone, declared, \
         merged_into, generation, revision, name, names, class, role, purdue, vendor, model, \
         firmware, serial, os, ips, macs, vlans, protocols, zone, criticality, lifecycle, labels, \
         first_seen, last_seen, packets, findings, severity, origin, told, name_order, \
         known_since) VALUES ($1, $2, $3, $4, \
         $5, $6, $7, NULL, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, \
         $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36) \
         ON CONFLICT (id) DO \
         UPDATE SET sensor = $2, epoch = $3, earlier = $4, observed = $5, \
         observed_zone = $6, declared = $7, \
         merged_into = NULL, generation = $8, revision = $9, name = $10, names = $11, class = $12, \
         role = $13, purdue = $14, vendor = $15, model = $16, firmware = $17, serial = $18, \
         os = $19, ips = $20, macs = $21, vlans = $22, protocols = $23, zone = $24, \
         criticality = $25, lifecycle = $26, labels = $27, first_seen = $28, last_seen = $29, \
         packets = $30, findings = $31, severity = $32, origin = $33, told = $34, \
         name_order = $35, known_since = $36",
    )
    .bind(&record.id.0)
    .bind(&stored.sensor)
    .bind(stored.epoch)
    .bind(stored.earlier.as_ref().map(serde_json::to_string).transpose()?)
    .bind(serde_json::to_string(&stored.observed)?)
    .bind(observed_zone)
    .bind(serde_json::to_string(&stored.declared)?)
    .bind(record.generation)
    .bind(revision)
    .bind(&record.name)
    .bind(join(&record.names))
    .bind(word(record.class))
    .bind(word(record.role))
    .bind(record.purdue)
    .bind(&record.vendor)
    .bind(&record.model)
    .bind(&record.firmware)
    .bind(&record.serial)
    .bind(&record.os)
    .bind(join(&record.ips))
    .bind(join(&record.macs))
    .bind(join(&record.vlans))
    .bind(join(&record.protocols))
    .bind(&record.zone)
    .bind(record.criticality.map(i64::from))
    .bind(record.lifecycle.word())
    .bind(join(labels))
    .bind(record.first_seen.nanos())
    .bind(record.last_seen.nanos())
    .bind(signed(record.packets))
    .bind(i64::from(record.findings))
    .bind(record.severity.map(crate::text::severity_rank))
    .bind(record.origin.word())
    .bind(stored.packets.told(&stored.sensor)?)
    .bind(counted_order(&record.name))
    .bind(record.known_since.unwrap_or(record.first_seen).nanos())
    .execute(&mut turn.db)
    .await?;
    turn.changed(revision, ChangedRow::Asset(record.clone()));
    Ok(record)
}

/// Counts the open findings of an asset anew, after one was opened, closed or muted.
pub(crate) async fn recount(turn: &mut Turn, id: &str) -> Result<()> {
    let row = sqlx::query(
        "SELECT COUNT(*) AS open, MAX(f.severity) AS worst FROM finding_assets fa \
         JOIN findings f ON f.id = fa.finding WHERE fa.asset = $1 AND f.muted = 0 \
         AND f.status IN ('open', 'acknowledged', 'in-progress')",
    )
    .bind(id)
    .fetch_one(&mut turn.db)
    .await?;
    let findings = u32::try_from(row.try_get::<i64, _>("open")?).unwrap_or(u32::MAX);
    let severity = row.try_get::<Option<i64>, _>("worst")?.and_then(severity_from_rank);
    let Some(mut stored) = load(turn, id).await? else { return Ok(()) };
    if (stored.findings, stored.severity) != (findings, severity) {
        stored.findings = findings;
        stored.severity = severity;
        save(turn, &stored).await?;
    }
    Ok(())
}

pub(crate) async fn changed_since(store: &Store, since: i64, limit: i64) -> Result<Vec<Change>> {
    let sql = format!(
        "SELECT {COLUMNS}, merged_into FROM assets WHERE revision > $1 ORDER BY revision LIMIT $2"
    );
    changes(store, sql, since, limit, |row| {
        let asset = record(row)?;
        let revision = asset.revision;
        let row = match row.try_get::<Option<String>, _>("merged_into")? {
            Some(into) => ChangedRow::AssetMerged { id: asset.id, into: AssetId(into) },
            None => ChangedRow::Asset(asset),
        };
        Ok(Change { revision, row })
    })
    .await
}

impl Store {
    /// Assets in pages; by name where no order is asked for.
    pub async fn assets(&self, request: &ListRequest) -> Result<Page<AssetRecord>> {
        let sort = request.sort.as_deref().unwrap_or("name");
        let mut order = Order::parse(sort, ASSETS, "", "id")?;
        // The worst finding and how many there are stand in one column.
        if let "severity" | "-severity" = sort {
            order = order.then("findings", sort.starts_with('-'));
        }
        if let "zone" | "-zone" = sort {
            let zones = self.zones().await?;
            let named = zones.iter().map(|zone| (zone.id.as_str(), zone.name.as_str()));
            order = order.by_zone("zone", named);
        }
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {COLUMNS}, {} FROM assets WHERE merged_into IS NULL",
            order.columns()
        ));
        push_filter(request, &mut query);
        order.push_after(request.cursor.as_deref(), &mut query)?;
        order.push_end(request.limit, &mut query);
        let rows = query.build().fetch_all(self.readers()).await?;
        let page = order.page(rows, request.limit)?;
        let items = page.items.iter().map(record).collect::<Result<_>>()?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// Values of a field and how many of the kept assets have each, most frequent first.
    pub async fn asset_facet(&self, field: &str, request: &ListRequest) -> Result<Vec<Count>> {
        let countable = ["class", "vendor", "purdue", "role", "zone", "lifecycle", "severity"];
        count_values(self, "assets WHERE merged_into IS NULL", &countable, field, request).await
    }

    /// One asset; an id that was merged away gives the asset it is part of.
    pub async fn asset(&self, id: &str) -> Result<AssetFull> {
        let sql = format!(
            "SELECT {COLUMNS}, observed, observed_zone, declared FROM assets WHERE id = \
             (SELECT COALESCE(merged_into, id) FROM assets WHERE id = $1)"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| Error::missing("asset", id))?;
        Ok(AssetFull {
            record: record(&row)?,
            observed: serde_json::from_str(row.try_get("observed")?)?,
            observed_zone: row.try_get("observed_zone")?,
            declared: serde_json::from_str(row.try_get("declared")?)?,
        })
    }

    /// Lays the operator's word over what is observed, of the asset that [`Store::asset`] gives for
    /// the id. `generation` is the one that was read.
    pub async fn patch_asset(
        &self,
        id: &str,
        generation: i64,
        patch: AssetPatch,
        actor: &str,
    ) -> Result<()> {
        check(&patch)?;
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                // What an id that was merged away shows is the asset it is part of.
                let id = current_id(turn, &id).await?;
                let stored = load(turn, &id).await?;
                let mut stored = stored.ok_or_else(|| Error::missing("asset", &id))?;
                if stored.generation != generation {
                    return Err(Error::Mismatch { current: stored.generation });
                }
                if let Some(Some(zone)) = &patch.zone
                    && !zone::cached(turn).await?.iter().any(|z| z.id == *zone)
                {
                    return Err(Error::refused("zone", format!("there is no zone {zone}")));
                }
                let says = apply(&mut stored.declared, patch);
                stored.declared.changed_by = Some(actor.clone());
                stored.declared.changed_at = Some(now());
                stored.generation += 1;
                save(turn, &stored).await?;
                let event = Event {
                    at: now(),
                    kind: "operator".to_owned(),
                    asset: Some(id),
                    finding: None,
                    actor: Some(actor),
                    says,
                };
                record_event(turn, event).await
            })
        })
        .await
    }

    /// What happened to an asset, newest first: a finding of two is told of both.
    pub async fn asset_events(&self, id: &str) -> Result<Vec<Event>> {
        let which = "asset = $1 OR actor IS NULL AND finding IN \
                     (SELECT finding FROM finding_assets WHERE asset = $1)";
        events(self, which, id).await
    }
}

/// How many of the rows that are kept have each value; `rows` is what stands after FROM.
pub(crate) async fn count_values(
    store: &Store,
    rows: &'static str,
    countable: &[&str],
    field: &str,
    request: &ListRequest,
) -> Result<Vec<Count>> {
    if !countable.contains(&field) {
        let reason = format!("cannot count {field:?}; there are {}", countable.join(", "));
        return Err(Error::refused("facets", reason));
    }
    let mut query = QueryBuilder::<Sqlite>::new(format!(
        "SELECT CAST({field} AS TEXT) AS value, COUNT(*) AS count FROM {rows}"
    ));
    push_filter(request, &mut query);
    query.push(format_args!(" GROUP BY {field} ORDER BY 2 DESC, 1 LIMIT "));
    query.push_bind(crate::FACET_VALUES_MAX as i64);
    let rows = query.build().fetch_all(store.readers()).await?;
    let named = |value: Option<String>| match (field, value) {
        ("severity", Some(rank)) => rank.parse().ok().and_then(severity_from_rank).map(word),
        ("purdue", Some(level)) => Some(level.trim_end_matches(".0").to_owned()),
        (_, value) => value,
    };
    rows.iter()
        .map(|row| {
            let value = named(row.try_get("value")?);
            Ok(Count { value, count: unsigned(row.try_get("count")?) })
        })
        .collect()
}

pub(crate) fn push_filter(request: &ListRequest, query: &mut QueryBuilder<Sqlite>) {
    if let Some(filter) = &request.filter {
        query.push(" AND ");
        filter.push(query);
    }
}

fn check(patch: &AssetPatch) -> Result<()> {
    if let Some(Some(criticality)) = patch.criticality
        && !(1..=4).contains(&criticality)
    {
        return Err(Error::refused("criticality", "it is 1, 2, 3 or 4"));
    }
    if let Some(Some(name)) = &patch.name
        && (name.trim().is_empty() || name.chars().count() > 128)
    {
        return Err(Error::refused("name", "it has 1 to 128 characters"));
    }
    if let Some(Some(name)) = &patch.name
        && name.contains(model::is_disruptive)
    {
        return Err(Error::refused("name", "it has characters that cannot be seen"));
    }
    if let Some(Some(note)) = &patch.note
        && note.chars().count() > 4_000
    {
        return Err(Error::refused("note", "it has at most 4000 characters"));
    }
    let Some(labels) = &patch.labels else { return Ok(()) };
    if labels.len() > LABELS_MAX {
        return Err(Error::refused("labels", format!("an asset has at most {LABELS_MAX} labels")));
    }
    for (key, value) in labels {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._/-".contains(c);
        if key.is_empty() || key.len() > 63 || !key.chars().all(plain) {
            return Err(Error::refused("labels", "a key is 1 to 63 of a-z 0-9 . _ / -"));
        }
        if value.chars().count() > 256 || value.contains(model::is_disruptive) {
            return Err(Error::refused("labels", "a value has at most 256 plain characters"));
        }
    }
    Ok(())
}

/// Changes what was declared and says so in one line.
fn apply(said: &mut Declared, patch: AssetPatch) -> String {
    let mut changes = Vec::new();
    let mut note = |member: &str, value: Option<String>| match value {
        Some(value) => changes.push(format!("{member} set to {value:?}")),
        None => changes.push(format!("{member} left to the sensors")),
    };
    if let Some(name) = patch.name {
        note("name", name.clone());
        said.name = name;
    }
    if let Some(class) = patch.class {
        note("class", class.map(word));
        said.class = class;
    }
    if let Some(purdue) = patch.purdue {
        note("Purdue level", purdue.map(|p| p.level().to_string()));
        said.purdue = purdue;
    }
    if let Some(zone) = patch.zone {
        note("zone", zone.clone());
        said.zone = zone;
    }
    if let Some(criticality) = patch.criticality {
        note("criticality", criticality.map(|c| c.to_string()));
        said.criticality = criticality;
    }
    if let Some(lifecycle) = patch.lifecycle {
        note("lifecycle", Some(lifecycle.to_string()));
        said.lifecycle = Some(lifecycle);
    }
    if let Some(labels) = patch.labels {
        let list: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        note("labels", Some(list.join(", ")));
        said.labels = labels;
    }
    if let Some(text) = patch.note {
        note("note", text.clone());
        said.note = text;
    }
    if changes.is_empty() { "nothing changed".to_owned() } else { changes.join("; ") }
}

pub(crate) async fn record_event(turn: &mut Turn, event: Event) -> Result<()> {
    let seq = turn.next(crate::writer::EVENT);
    sqlx::query(
        "INSERT INTO events (seq, at, kind, asset, finding, actor, says) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(seq)
    .bind(event.at.nanos())
    .bind(event.kind)
    .bind(event.asset)
    .bind(event.finding)
    .bind(event.actor)
    .bind(event.says)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

/// Those that happened last, however late they were told; `which` says of what row they are, its id
/// is `$1`.
pub(crate) async fn events(store: &Store, which: &'static str, id: &str) -> Result<Vec<Event>> {
    let sql = format!(
        "SELECT at, kind, asset, finding, actor, says FROM events WHERE {which} \
         ORDER BY at DESC, seq DESC LIMIT $2"
    );
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(id)
        .bind(TIMELINE_EVENTS_MAX as i64)
        .fetch_all(store.readers())
        .await?;
    rows.iter()
        .map(|row| {
            Ok(Event {
                at: Time(row.try_get("at")?),
                kind: row.try_get("kind")?,
                asset: row.try_get("asset")?,
                finding: row.try_get("finding")?,
                actor: row.try_get("actor")?,
                says: row.try_get("says")?,
            })
        })
        .collect()
}
