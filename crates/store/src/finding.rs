//! Findings as rows: what the detectors say and what people did with it.
//!
//! Not here: detection. Invariant: an upsert from a sensor never changes owner or note, and
//! changes a status only to open a resolved finding again that was seen anew.

use crate::{
    Change, ChangedRow, Count, Error, Event, FINDINGS, FindingStatus, ListRequest, Mute, Page,
    Result, Store, asset,
    asset::{count_values, events, push_filter, record_event, signed, unsigned},
    fold::fold_finding,
    link::current_id,
    mute,
    names::{Names, rows_of_assets},
    page::Order,
    tally::Tally,
    text::{clean, from_word, join, severity_from_rank, severity_rank, split, word},
    writer::{Turn, now},
};
use model::{Address, AssetId, Engine, Finding, FindingId, Severity, Time};
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};
use std::collections::{BTreeSet, HashMap};

/// An asset by id, with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedAsset {
    pub id: AssetId,
    pub name: String,
}

/// A finding as lists show it.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRecord {
    pub id: FindingId,
    pub detector: String,
    pub engine: Engine,
    pub severity: Severity,
    pub title: String,
    pub techniques: Vec<String>,
    pub status: FindingStatus,
    pub owner: Option<String>,
    pub muted: bool,
    pub first_seen: Time,
    pub last_seen: Time,
    pub count: u64,
    pub assets: Vec<NamedAsset>,
    pub addresses: Vec<String>,
    pub sensor: String,
    pub generation: i64,
    pub revision: i64,
}

/// One end of what a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Party {
    pub address: String,
    /// None for one that is no asset, as a host on the Internet.
    pub asset: Option<NamedAsset>,
    /// The other addresses the finding names that are this asset's.
    pub others: Vec<String>,
}

impl Party {
    /// The end that has the address, of a finding that `named` these.
    pub fn of(
        address: Address,
        named: &[Address],
        owner: impl Fn(&Address) -> Option<NamedAsset>,
    ) -> Party {
        let asset = owner(&address);
        let others = match &asset {
            None => Vec::new(),
            Some(asset) => {
                let own = |other: &Address| owner(other).is_some_and(|by| by.id == asset.id);
                let others = named.iter().filter(|other| **other != address && own(other));
                others.map(ToString::to_string).collect()
            }
        };
        Party { address: address.to_string(), asset, others }
    }
}

/// Addresses that a finding names and nobody owns, without who began it.
pub fn strangers(finding: &Finding, is_owned: impl Fn(&Address) -> bool) -> Vec<String> {
    let named = finding.addresses.iter().filter(|address| Some(**address) != finding.initiator);
    named.filter(|address| !is_owned(address)).map(ToString::to_string).collect()
}

#[derive(Clone, Debug)]
pub struct FindingFull {
    pub record: FindingRecord,
    pub observed: Finding,
    /// Who began it, where one end did something to the others.
    pub initiator: Option<Party>,
    /// Addresses it names that are none of its assets' and not that one's.
    pub strangers: Vec<String>,
    pub note: Option<String>,
    pub mute: Option<Mute>,
    /// Newest first.
    pub history: Vec<Event>,
}

/// `None` leaves a member, `Some(None)` clears it.
#[derive(Clone, Debug, Default)]
pub struct FindingPatch {
    pub status: Option<FindingStatus>,
    pub owner: Option<Option<String>>,
    pub note: Option<Option<String>>,
}

const COLUMNS: &str = "id, sensor, detector, engine, severity, title, techniques, status, owner, \
    note, mute, muted, first_seen, last_seen, count, assets, addresses, generation, \
    revision, json_extract(observed, '$.assets') AS named";

fn record(row: &SqliteRow) -> Result<FindingRecord> {
    let mut assets = split(row.try_get("assets")?);
    // They rest as a set; whoever did it is told first.
    let named: Option<String> = row.try_get("named")?;
    let named = named.map(|ids| serde_json::from_str(&ids)).transpose()?;
    let named: Vec<String> = named.unwrap_or_default();
    assets.sort_by_key(|asset| named.iter().position(|id| id == asset));
    Ok(FindingRecord {
        id: FindingId(row.try_get("id")?),
        detector: row.try_get("detector")?,
        engine: from_word(row.try_get("engine")?).unwrap_or(Engine::Operational),
        severity: severity_from_rank(row.try_get("severity")?).unwrap_or(Severity::Info),
        title: row.try_get("title")?,
        techniques: split(row.try_get("techniques")?),
        status: FindingStatus::from_word(row.try_get("status")?).unwrap_or(FindingStatus::Open),
        owner: row.try_get("owner")?,
        muted: row.try_get::<i64, _>("muted")? != 0,
        first_seen: Time(row.try_get("first_seen")?),
        last_seen: Time(row.try_get("last_seen")?),
        count: unsigned(row.try_get("count")?),
        assets: assets
            .into_iter()
            .map(|id| NamedAsset { name: id.clone(), id: AssetId(id) })
            .collect(),
        addresses: split(row.try_get("addresses")?),
        sensor: row.try_get("sensor")?,
        generation: row.try_get("generation")?,
        revision: row.try_get("revision")?,
    })
}

/// Puts the assets' names into records, with their addresses where two of a record are equal.
pub(crate) async fn name_assets(
    db: &mut SqliteConnection,
    lists: &mut [&mut Vec<NamedAsset>],
) -> Result<()> {
    let ids = lists.iter().flat_map(|list| list.iter().map(|asset| asset.id.0.clone()));
    let names = Names::read(db, ids.collect()).await?;
    for list in lists {
        let together: BTreeSet<&str> = list.iter().map(|asset| &*asset.id.0).collect();
        let mut apart = names.told_apart(together);
        for asset in list.iter_mut() {
            asset.name = apart.remove(&asset.id.0).unwrap_or_else(|| asset.name.clone());
        }
    }
    Ok(())
}

async fn records(store: &Store, rows: &[SqliteRow]) -> Result<Vec<FindingRecord>> {
    let mut records = rows.iter().map(record).collect::<Result<Vec<_>>>()?;
    let mut lists: Vec<_> = records.iter_mut().map(|r| &mut r.assets).collect();
    let mut db = store.readers().acquire().await?;
    name_assets(&mut db, &mut lists).await?;
    Ok(records)
}

/// Takes a finding of a sensor's run that began at `epoch`.
pub(crate) async fn take(
    turn: &mut Turn,
    sensor: &str,
    epoch: i64,
    mut finding: Finding,
) -> Result<()> {
    // Merged ones may be the same; the order says who did it.
    let mut assets: Vec<AssetId> = Vec::with_capacity(finding.assets.len());
    for id in &finding.assets {
        let id = AssetId(current_id(turn, &id.0).await?);
        if !assets.contains(&id) {
            assets.push(id);
        }
    }
    finding.assets = assets;
    let known = sqlx::query(
        "SELECT sensor, epoch, told, earlier_count, observed, count, status, closed_at \
         FROM findings WHERE id = $1",
    )
    .bind(&finding.id.0)
    .fetch_optional(&mut turn.db)
    .await?;
    let counted = finding.count;
    let mut counts = Tally::default();
    let mut opened = true;
    let mut worse = false;
    let mut moved = false;
    // An imported one may have begun long before it is told.
    let mut event =
        (finding.first_seen, format!("raised with severity {}", word(finding.severity)));
    let mut concerned: BTreeSet<AssetId> = finding.assets.iter().cloned().collect();
    if let Some(row) = known {
        let (earlier, all) = (row.try_get("earlier_count")?, row.try_get("count")?);
        let run = (row.try_get("sensor")?, row.try_get("epoch")?);
        counts = Tally::read(row.try_get("told")?, run, unsigned(earlier), &unsigned(all))?;
        let before: Finding = serde_json::from_str(row.try_get("observed")?)?;
        finding = fold_finding(&before, finding);
        let status = FindingStatus::from_word(row.try_get("status")?);
        let closed: Option<i64> = row.try_get("closed_at")?;
        opened = status == Some(FindingStatus::Resolved)
            && closed.is_some_and(|closed| finding.last_seen.nanos() > closed);
        worse = finding.severity > before.severity;
        event = (finding.last_seen, again(opened, finding.severity));
        let before = assets_of(turn, &finding.id.0).await?.into_iter().map(AssetId).collect();
        for gone in &before - &concerned {
            leave(turn, &finding.id.0, &gone.0).await?;
        }
        // Those it is about no more count one less, new ones one more.
        moved = before != concerned;
        concerned = match worse || opened || moved {
            true => &concerned | &before,
            false => BTreeSet::new(),
        };
    }
    counts.take(sensor, epoch, counted);
    finding.count = counts.all();
    put(turn, (sensor, epoch), &counts, &finding, opened).await?;
    // Rules are for exactly the assets they name.
    if opened || moved {
        mute::settle(turn, &finding.id.0).await?;
    }
    if opened || worse {
        note(turn, &finding, event).await?;
    }
    for id in &concerned {
        asset::recount(turn, &id.0).await?;
    }
    tell(turn, &finding.id.0).await
}

fn again(opened: bool, severity: Severity) -> String {
    match opened {
        true => "seen again after it was resolved".to_owned(),
        false => format!("is {} now", word(severity)),
    }
}

async fn note(turn: &mut Turn, finding: &Finding, (at, event): (Time, String)) -> Result<()> {
    let entry = Event {
        at,
        kind: "finding".to_owned(),
        asset: finding.assets.first().map(|id| id.0.clone()),
        finding: Some(finding.id.0.clone()),
        actor: None,
        says: format!("{}: {event}", clean(&finding.title)),
    };
    record_event(turn, entry).await
}

async fn put(
    turn: &mut Turn,
    (sensor, epoch): (&str, i64),
    counts: &Tally<u64>,
    finding: &Finding,
    opened: bool,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO findings (id, sensor, epoch, earlier_count, observed, detector, engine, \
         severity, title, techniques, status, muted, first_seen, last_seen, count, assets, \
         addresses, generation, revision, told) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, \
         'open', 0, $11, $12, $13, $14, $15, 1, 0, $17) ON CONFLICT (id) DO UPDATE SET sensor = \
         $2, epoch = $3, earlier_count = $4, observed = $5, engine = $7, severity = $8, \
         title = $9, techniques = $10, first_seen = $11, last_seen = $12, count = $13, \
         assets = $14, addresses = $15, \
         status = CASE WHEN $16 = 1 THEN 'open' ELSE findings.status END, \
         generation = findings.generation + $16, told = $17",
    )
    .bind(&finding.id.0)
    .bind(sensor)
    .bind(epoch)
    .bind(signed(*counts.earlier()))
    .bind(serde_json::to_string(finding)?)
    .bind(clean(&finding.detector))
    .bind(word(finding.engine))
    .bind(severity_rank(finding.severity))
    .bind(clean(&finding.title))
    .bind(join(&finding.techniques))
    .bind(finding.first_seen.nanos())
    .bind(finding.last_seen.nanos())
    .bind(signed(finding.count))
    // Mutes compare it: a set has one order.
    .bind(join(finding.assets.iter().collect::<BTreeSet<_>>()))
    .bind(join(&finding.addresses))
    .bind(i64::from(opened))
    .bind(counts.told(sensor)?)
    .execute(&mut turn.db)
    .await?;
    for id in &finding.assets {
        sqlx::query(
            "INSERT INTO finding_assets (asset, finding) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(&id.0)
        .bind(&finding.id.0)
        .execute(&mut turn.db)
        .await?;
    }
    Ok(())
}

/// Gives the row a new revision and tells watchers.
pub(crate) async fn tell(turn: &mut Turn, id: &str) -> Result<()> {
    let revision = turn.revision();
    sqlx::query("UPDATE findings SET revision = $1 WHERE id = $2")
        .bind(revision)
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    let sql = format!("SELECT {COLUMNS} FROM findings WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut turn.db).await?;
    let mut record = record(&row)?;
    name_assets(&mut turn.db, &mut [&mut record.assets]).await?;
    turn.changed(revision, ChangedRow::Finding(record));
    Ok(())
}

/// The finding is about that asset no more.
async fn leave(turn: &mut Turn, finding: &str, asset: &str) -> Result<()> {
    sqlx::query("DELETE FROM finding_assets WHERE asset = $1 AND finding = $2")
        .bind(asset)
        .bind(finding)
        .execute(&mut turn.db)
        .await?;
    Ok(())
}

/// Findings of `id` are findings of `into` from here on.
pub(crate) async fn rename_assets(turn: &mut Turn, id: &str, into: &str) -> Result<()> {
    let rows = sqlx::query(
        "SELECT f.id, f.assets FROM finding_assets fa JOIN findings f ON f.id = fa.finding \
         WHERE fa.asset = $1",
    )
    .bind(id)
    .fetch_all(&mut turn.db)
    .await?;
    let mut concerned = BTreeSet::from([into.to_owned()]);
    let mut findings = Vec::with_capacity(rows.len());
    for row in rows {
        let finding: String = row.try_get("id")?;
        let assets = renamed(row.try_get("assets")?, id, into);
        leave(turn, &finding, id).await?;
        sqlx::query(
            "INSERT INTO finding_assets (asset, finding) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(into)
        .bind(&finding)
        .execute(&mut turn.db)
        .await?;
        sqlx::query("UPDATE findings SET assets = $1 WHERE id = $2")
            .bind(join(&assets))
            .bind(&finding)
            .execute(&mut turn.db)
            .await?;
        concerned.extend(assets);
        findings.push(finding);
    }
    mute::rename_assets(turn, id, into).await?;
    for finding in &findings {
        mute::settle(turn, finding).await?;
        tell(turn, finding).await?;
    }
    for asset in &concerned {
        asset::recount(turn, asset).await?;
    }
    Ok(())
}

/// A set of assets in which `id` is part of `into`.
pub(crate) fn renamed(assets: &str, id: &str, into: &str) -> BTreeSet<String> {
    let name = |asset| if asset == id { into.to_owned() } else { asset };
    split(assets).into_iter().map(name).collect()
}

/// Assets of a finding, in the writer's transaction.
pub(crate) async fn assets_of(turn: &mut Turn, id: &str) -> Result<Vec<String>> {
    let row = sqlx::query("SELECT assets FROM findings WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("finding", id))?;
    Ok(split(row.try_get("assets")?))
}

pub(crate) async fn changed_since(store: &Store, since: i64, limit: i64) -> Result<Vec<Change>> {
    let sql =
        format!("SELECT {COLUMNS} FROM findings WHERE revision > $1 ORDER BY revision LIMIT $2");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(since)
        .bind(limit)
        .fetch_all(store.readers())
        .await?;
    let changes = records(store, &rows).await?.into_iter();
    Ok(changes.map(|f| Change { revision: f.revision, row: ChangedRow::Finding(f) }).collect())
}

impl Store {
    /// Findings in pages; newest first where no order is asked for.
    pub async fn findings(&self, request: &ListRequest) -> Result<Page<FindingRecord>> {
        let sort = request.sort.as_deref().unwrap_or("-last_seen");
        let order = Order::parse(sort, FINDINGS, "", "id")?.then("last_seen", true);
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "SELECT {COLUMNS}, {} FROM findings WHERE 1 = 1",
            order.columns()
        ));
        push_filter(request, &mut query);
        order.push_after(request.cursor.as_deref(), &mut query)?;
        order.push_end(request.limit, &mut query);
        let rows = query.build().fetch_all(self.readers()).await?;
        let page = order.page(rows, request.limit)?;
        let items = records(self, &page.items).await?;
        Ok(Page { items, next_cursor: page.next_cursor })
    }

    /// Values of a field and how many of the kept findings have each, most frequent first.
    pub async fn finding_facet(&self, field: &str, request: &ListRequest) -> Result<Vec<Count>> {
        let countable = ["detector", "engine", "severity", "status", "owner"];
        count_values(self, "findings WHERE 1 = 1", &countable, field, request).await
    }

    /// Findings of an asset that somebody still has to look at, worst first.
    pub async fn asset_findings(&self, id: &str) -> Result<Vec<FindingRecord>> {
        let sql = format!(
            "SELECT {COLUMNS} FROM findings WHERE id IN (SELECT finding FROM finding_assets \
             WHERE asset = $1) AND status IN ('open', 'acknowledged', 'in-progress') \
             ORDER BY severity DESC, last_seen DESC, id LIMIT 200"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_all(self.readers()).await?;
        records(self, &rows).await
    }

    pub async fn finding(&self, id: &str) -> Result<FindingFull> {
        let sql = format!("SELECT {COLUMNS}, observed FROM findings WHERE id = $1");
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(id)
            .fetch_optional(self.readers())
            .await?
            .ok_or_else(|| Error::missing("finding", id))?;
        let observed: Finding = serde_json::from_str(row.try_get("observed")?)?;
        let note = row.try_get("note")?;
        let mute: Option<String> = row.try_get("mute")?;
        let mut records = records(self, &[row]).await?;
        let record = records.pop().expect("one row in, one record out");
        let mute = match mute {
            Some(id) => self.mutes_of(Some(id)).await?.pop(),
            None => None,
        };
        let owners = owners(self, &record.assets).await?;
        let owner = |address: &Address| owners.get(&address.to_string()).cloned();
        let initiator =
            observed.initiator.map(|address| Party::of(address, &observed.addresses, owner));
        Ok(FindingFull {
            initiator,
            strangers: strangers(&observed, |address| owner(address).is_some()),
            record,
            observed,
            note,
            mute,
            history: events(self, "finding = $1", id).await?,
        })
    }

    /// Triage. `generation` is the one that was read.
    pub async fn patch_finding(
        &self,
        id: &str,
        generation: i64,
        patch: FindingPatch,
        actor: &str,
    ) -> Result<()> {
        if let Some(Some(note)) = &patch.note
            && note.chars().count() > 4_000
        {
            return Err(Error::refused("note", "it has at most 4000 characters"));
        }
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.write(move |turn| Box::pin(triage(turn, id, generation, patch, actor))).await
    }
}

/// These columns of these assets, as many as there are.
/// Which of the assets has which address now: they merge, and addresses move with them.
async fn owners(store: &Store, assets: &[NamedAsset]) -> Result<HashMap<String, NamedAsset>> {
    let ids: Vec<String> = assets.iter().map(|asset| asset.id.0.clone()).collect();
    let mut db = store.readers().acquire().await?;
    let mut owners = HashMap::new();
    for row in rows_of_assets(&mut db, "id, ips, macs", &ids).await? {
        let id: String = row.try_get("id")?;
        let Some(asset) = assets.iter().find(|asset| asset.id.0 == id) else { continue };
        for address in split(row.try_get("ips")?).into_iter().chain(split(row.try_get("macs")?)) {
            owners.insert(address, asset.clone());
        }
    }
    Ok(owners)
}

async fn triage(
    turn: &mut Turn,
    id: String,
    generation: i64,
    patch: FindingPatch,
    actor: String,
) -> Result<()> {
    let row = sqlx::query("SELECT generation, status, owner, note FROM findings WHERE id = $1")
        .bind(&id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("finding", &id))?;
    let current: i64 = row.try_get("generation")?;
    if current != generation {
        return Err(Error::Mismatch { current });
    }
    if let Some(Some(owner)) = &patch.owner {
        let known = sqlx::query("SELECT name FROM users WHERE name = $1")
            .bind(owner)
            .fetch_optional(&mut turn.db)
            .await?;
        if known.is_none() {
            return Err(Error::refused("owner", format!("there is no user {owner}")));
        }
    }
    let before: String = row.try_get("status")?;
    let status = patch.status.map_or(before, |status| status.word().to_owned());
    let open = FindingStatus::from_word(&status).is_none_or(FindingStatus::is_open);
    let owner = match &patch.owner {
        Some(owner) => owner.clone(),
        None => row.try_get("owner")?,
    };
    let note = match &patch.note {
        Some(note) => note.clone(),
        None => row.try_get("note")?,
    };
    sqlx::query(
        "UPDATE findings SET status = $1, owner = $2, note = $3, closed_at = $4, \
         generation = generation + 1 WHERE id = $5",
    )
    .bind(&status)
    .bind(owner)
    .bind(note)
    .bind((!open).then(|| now().nanos()))
    .bind(&id)
    .execute(&mut turn.db)
    .await?;
    let says = describe(&patch);
    log(turn, &id, &actor, says).await?;
    for asset in assets_of(turn, &id).await? {
        asset::recount(turn, &asset).await?;
    }
    tell(turn, &id).await
}

fn describe(patch: &FindingPatch) -> String {
    let mut parts = Vec::new();
    if let Some(status) = patch.status {
        parts.push(format!("status set to {status}"));
    }
    match &patch.owner {
        Some(Some(owner)) => parts.push(format!("given to {owner}")),
        Some(None) => parts.push("owner taken away".to_owned()),
        None => {}
    }
    match &patch.note {
        Some(Some(note)) => parts.push(format!("note: {note}")),
        Some(None) => parts.push("note cleared".to_owned()),
        None => {}
    }
    if parts.is_empty() { "nothing changed".to_owned() } else { parts.join("; ") }
}

/// An entry in the finding's history.
pub(crate) async fn log(turn: &mut Turn, id: &str, actor: &str, says: String) -> Result<()> {
    let event = Event {
        at: now(),
        kind: "finding".to_owned(),
        asset: None,
        finding: Some(id.to_owned()),
        actor: Some(actor.to_owned()),
        says,
    };
    record_event(turn, event).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_the_asset_that_has_its_address_or_an_address_alone() {
        let ip = |text: &str| Address::Ip(text.parse().expect("an address"));
        let (panel, its_other, controller) = (ip("10.0.0.1"), ip("10.0.0.9"), ip("10.0.0.2"));
        let owner = |address: &Address| {
            let id = match *address {
                one if one == panel || one == its_other => "ast_a",
                one if one == controller => "ast_b",
                _ => return None,
            };
            Some(NamedAsset { id: AssetId(id.to_owned()), name: format!("name of {id}") })
        };
        let named = [panel, its_other, controller, ip("192.0.2.7")];
        let known = Party::of(panel, &named, owner);
        assert_eq!(known.asset.map(|asset| asset.name).as_deref(), Some("name of ast_a"));
        assert_eq!(known.others, ["10.0.0.9"]);
        let outside = Party::of(ip("192.0.2.7"), &[ip("192.0.2.7"), ip("192.0.2.8")], owner);
        assert_eq!((outside.address.as_str(), outside.asset.is_some()), ("192.0.2.7", false));
        assert!(outside.others.is_empty());
    }
}
