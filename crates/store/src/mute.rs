//! Mute rules: findings of one detector on exactly these assets are quiet for a while.
//!
//! Not here: triage. Invariant: a finding's `muted` column says what the rules say; a rule that
//! ran out is taken away by the sweep.

use crate::{
    Error, NamedAsset, Result, Store, asset,
    asset::unsigned,
    finding,
    finding::name_assets,
    text::{join, new_id, split},
    writer::{Turn, now},
};
use model::{AssetId, Time};
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct Mute {
    pub id: String,
    pub detector: String,
    pub assets: Vec<NamedAsset>,
    pub reason: String,
    pub until: Option<Time>,
    pub created_by: String,
    pub created_at: Time,
    /// Findings it mutes.
    pub findings: u64,
}

fn mute(row: &SqliteRow) -> Result<Mute> {
    let until: Option<i64> = row.try_get("until")?;
    let assets = split(row.try_get("assets")?).into_iter();
    Ok(Mute {
        id: row.try_get("id")?,
        detector: row.try_get("detector")?,
        assets: assets.map(|id| NamedAsset { name: id.clone(), id: AssetId(id) }).collect(),
        reason: row.try_get("reason")?,
        until: until.map(Time),
        created_by: row.try_get("created_by")?,
        created_at: Time(row.try_get("created_at")?),
        findings: unsigned(row.try_get("findings")?),
    })
}

impl Store {
    pub async fn mutes(&self) -> Result<Vec<Mute>> {
        self.mutes_of(None).await
    }

    /// The rule of that id, or all.
    pub(crate) async fn mutes_of(&self, id: Option<String>) -> Result<Vec<Mute>> {
        let rows = sqlx::query(
            "SELECT m.id, m.detector, m.assets, m.reason, m.until, m.created_by, m.created_at, \
             (SELECT COUNT(*) FROM findings f WHERE f.mute = m.id) AS findings FROM mutes m \
             WHERE $1 IS NULL OR m.id = $1 ORDER BY m.created_at DESC, m.id",
        )
        .bind(id)
        .fetch_all(self.readers())
        .await?;
        let mut mutes = rows.iter().map(mute).collect::<Result<Vec<_>>>()?;
        let mut lists: Vec<_> = mutes.iter_mut().map(|m| &mut m.assets).collect();
        let mut db = self.readers().acquire().await?;
        name_assets(&mut db, &mut lists).await?;
        Ok(mutes)
    }

    /// Mutes the finding's detector on the finding's assets; a rule that is there is replaced.
    pub async fn mute_finding(
        &self,
        id: &str,
        reason: &str,
        until: Option<Time>,
        actor: &str,
    ) -> Result<()> {
        let reason = reason.trim().to_owned();
        if reason.is_empty() || reason.chars().count() > 1_000 {
            return Err(Error::refused("reason", "it has 1 to 1000 characters"));
        }
        if until.is_some_and(|until| until <= now()) {
            return Err(Error::refused("until", "it is in the past"));
        }
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                let (detector, assets) = subject(turn, &id).await?;
                sqlx::query(
                    "INSERT INTO mutes (id, detector, assets, reason, until, created_by, \
                     created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (detector, \
                     assets) DO UPDATE SET reason = $4, until = $5, created_by = $6, \
                     created_at = $7",
                )
                .bind(new_id("mut", now()))
                .bind(&detector)
                .bind(&assets)
                .bind(&reason)
                .bind(until.map(Time::nanos))
                .bind(&actor)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                finding::log(turn, &id, &actor, format!("muted: {reason}")).await?;
                settle_subject(turn, &detector, &assets).await
            })
        })
        .await
    }

    pub async fn unmute_finding(&self, id: &str, actor: &str) -> Result<()> {
        let (id, actor) = (id.to_owned(), actor.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                let (detector, assets) = subject(turn, &id).await?;
                finding::log(turn, &id, &actor, "unmuted".to_owned()).await?;
                match rule_of(turn, &detector, &assets).await? {
                    Some(rule) => remove(turn, &rule).await,
                    None => settle_subject(turn, &detector, &assets).await,
                }
            })
        })
        .await
    }

    pub async fn delete_mute(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| Box::pin(async move { remove(turn, &id).await })).await
    }
}

async fn subject(turn: &mut Turn, finding: &str) -> Result<(String, String)> {
    let row = sqlx::query("SELECT detector, assets FROM findings WHERE id = $1")
        .bind(finding)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("finding", finding))?;
    Ok((row.try_get("detector")?, row.try_get("assets")?))
}

async fn remove(turn: &mut Turn, id: &str) -> Result<()> {
    let row = sqlx::query("SELECT detector, assets FROM mutes WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("mute rule", id))?;
    // Also those it muted before they came to be about others.
    let muted =
        sqlx::query("SELECT id FROM findings WHERE mute = $1 OR (detector = $2 AND assets = $3)")
            .bind(id)
            .bind(row.try_get::<&str, _>("detector")?)
            .bind(row.try_get::<&str, _>("assets")?)
            .fetch_all(&mut turn.db)
            .await?;
    sqlx::query("DELETE FROM mutes WHERE id = $1").bind(id).execute(&mut turn.db).await?;
    settle_all(turn, &muted).await
}

async fn rule_of(turn: &mut Turn, detector: &str, assets: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT id FROM mutes WHERE detector = $1 AND assets = $2")
        .bind(detector)
        .bind(assets)
        .fetch_optional(&mut turn.db)
        .await?;
    Ok(row.map(|row| row.try_get("id")).transpose()?)
}

/// What was said of `id` is said of `into` from here on; its findings are about that by now. Where
/// there is a rule for those assets, that one holds.
pub(crate) async fn rename_assets(turn: &mut Turn, id: &str, into: &str) -> Result<()> {
    let rows =
        sqlx::query("SELECT id, detector, assets FROM mutes").fetch_all(&mut turn.db).await?;
    for row in rows {
        let before: &str = row.try_get("assets")?;
        if !split(before).iter().any(|asset| asset == id) {
            continue;
        }
        let (rule, detector): (&str, &str) = (row.try_get("id")?, row.try_get("detector")?);
        let assets = join(finding::renamed(before, id, into));
        if rule_of(turn, detector, &assets).await?.is_some() {
            remove(turn, rule).await?;
            continue;
        }
        sqlx::query("UPDATE mutes SET assets = $1 WHERE id = $2")
            .bind(&assets)
            .bind(rule)
            .execute(&mut turn.db)
            .await?;
        settle_subject(turn, detector, &assets).await?;
    }
    Ok(())
}

/// Takes rules away that ran out; says how many.
pub(crate) async fn expire(turn: &mut Turn) -> Result<u64> {
    let rows = sqlx::query("SELECT id FROM mutes WHERE until IS NOT NULL AND until <= $1")
        .bind(now().nanos())
        .fetch_all(&mut turn.db)
        .await?;
    for row in &rows {
        let id: String = row.try_get("id")?;
        remove(turn, &id).await?;
    }
    // A database of before may hold findings that a rule mutes which is gone.
    let left = sqlx::query(
        "SELECT id FROM findings WHERE mute IS NOT NULL AND mute NOT IN (SELECT id FROM mutes)",
    )
    .fetch_all(&mut turn.db)
    .await?;
    settle_all(turn, &left).await?;
    Ok(rows.len() as u64)
}

async fn settle_subject(turn: &mut Turn, detector: &str, assets: &str) -> Result<()> {
    let rows = sqlx::query("SELECT id FROM findings WHERE detector = $1 AND assets = $2")
        .bind(detector)
        .bind(assets)
        .fetch_all(&mut turn.db)
        .await?;
    settle_all(turn, &rows).await
}

/// Findings by their ids, and the assets they count on.
async fn settle_all(turn: &mut Turn, findings: &[SqliteRow]) -> Result<()> {
    for row in findings {
        let id: String = row.try_get("id")?;
        settle(turn, &id).await?;
        for asset in finding::assets_of(turn, &id).await? {
            asset::recount(turn, &asset).await?;
        }
        finding::tell(turn, &id).await?;
    }
    Ok(())
}

/// Looks up whether a rule mutes the finding.
pub(crate) async fn settle(turn: &mut Turn, finding: &str) -> Result<()> {
    sqlx::query(
        "UPDATE findings SET mute = (SELECT m.id FROM mutes m WHERE m.detector = \
         findings.detector AND m.assets = findings.assets) WHERE id = $1",
    )
    .bind(finding)
    .execute(&mut turn.db)
    .await?;
    sqlx::query(
        "UPDATE findings SET muted = CASE WHEN mute IS NULL THEN 0 ELSE 1 END WHERE id = $1",
    )
    .bind(finding)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
