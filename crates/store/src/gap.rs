//! Times of which less is known of a sensor than it said.
//!
//! Not here: what is being lost at present (`unsaved`). Invariant: a gap is kept once, with its
//! times, its reason and, where it is known, how much is missing.

use crate::{
    Event, GAPS_KEPT_MAX, GAPS_SHOWN_MAX, Result, Store,
    asset::{record_event, signed, unsigned},
    sensor,
    text::clean,
    writer::Turn,
};
use model::Time;
use sqlx::{Row, SqliteConnection};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Time,
    pub until: Time,
    pub reason: String,
    /// Reports that were saved after it.
    pub late: Option<u64>,
    /// Reports that were not kept.
    pub lost: Option<u64>,
}

/// A sensor says of a gap in microseconds when it ended.
const SAME_NS: i64 = 1_000;

const FOUND_AROUND: &str = "sensor = $1 AND found = 1 AND since <= $2 AND until >= $3";

/// Of a sensor only the outcome is known for a time: it says so itself, or it was `found` here.
/// What was found begins where this end knows no more and ends with the segment that came instead;
/// the sensor tells of the same later, often piece by piece, and knows the reason better.
pub(crate) async fn note(turn: &mut Turn, sensor: &str, gap: &Gap, found: bool) -> Result<()> {
    let (name, reason, until) = (clean(sensor), clean(&gap.reason), gap.until);
    let known = if found { None } else { found_around(turn, &name, until).await? };
    let from = known.unwrap_or(gap.from);
    match known {
        Some(_) => explain(turn, &name, until, &reason).await?,
        None => keep(turn, &name, gap, found).await?,
    }
    let shown = format!("until {until} only the outcome is known since {from}: {reason}");
    sensor::set_detail(turn, &name, &shown).await?;
    if known.is_some() {
        return Ok(());
    }
    let says = format!("of sensor {name} only the outcome is known since {from}: {reason}");
    let kind = "gap".to_owned();
    let event = Event { at: until, kind, asset: None, finding: None, actor: None, says };
    record_event(turn, event).await
}

/// Since when there is a gap that was found here, around a time.
async fn found_around(turn: &mut Turn, sensor: &str, at: Time) -> Result<Option<Time>> {
    let sql = format!("SELECT MIN(since) FROM gaps WHERE {FOUND_AROUND}");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(sensor).bind(at.nanos());
    let row = query.bind(at.nanos().saturating_sub(SAME_NS)).fetch_one(&mut turn.db).await?;
    Ok(row.try_get::<Option<i64>, _>(0)?.map(Time))
}

async fn explain(turn: &mut Turn, sensor: &str, at: Time, reason: &str) -> Result<()> {
    let sql = format!("UPDATE gaps SET reason = $4 WHERE {FOUND_AROUND}");
    let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(sensor).bind(at.nanos());
    let query = query.bind(at.nanos().saturating_sub(SAME_NS)).bind(reason);
    query.execute(&mut turn.db).await?;
    Ok(())
}

async fn keep(turn: &mut Turn, sensor: &str, gap: &Gap, found: bool) -> Result<()> {
    sqlx::query(
        "INSERT INTO gaps (sensor, since, until, reason, late, lost, found) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(sensor)
    .bind(gap.from.nanos())
    .bind(gap.until.nanos())
    .bind(clean(&gap.reason))
    .bind(gap.late.map(signed))
    .bind(gap.lost.map(signed))
    .bind(i64::from(found))
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

/// The newest of a sensor, newest first.
pub(crate) async fn of_sensor(db: &mut SqliteConnection, sensor: &str) -> Result<Vec<Gap>> {
    let rows = sqlx::query(
        "SELECT since, until, reason, late, lost FROM gaps WHERE sensor = $1 \
         ORDER BY until DESC LIMIT $2",
    )
    .bind(sensor)
    .bind(GAPS_SHOWN_MAX)
    .fetch_all(db)
    .await?;
    let count = |number: Option<i64>| number.map(unsigned);
    rows.iter()
        .map(|row| {
            Ok(Gap {
                from: Time(row.try_get("since")?),
                until: Time(row.try_get("until")?),
                reason: row.try_get("reason")?,
                late: count(row.try_get("late")?),
                lost: count(row.try_get("lost")?),
            })
        })
        .collect()
}

pub(crate) async fn forget_old(turn: &mut Turn) -> Result<()> {
    sqlx::query(
        "DELETE FROM gaps WHERE until < (SELECT MIN(u) FROM (SELECT until AS u FROM gaps \
         ORDER BY until DESC LIMIT $1) AS newest)",
    )
    .bind(GAPS_KEPT_MAX)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

impl Store {
    /// What a sensor said in that time was saved late, or not at all.
    pub async fn keep_gap(&self, sensor: &str, gap: Gap) -> Result<()> {
        let name = sensor.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                keep(turn, &name, &gap, false).await?;
                let (late, lost) = (gap.late.unwrap_or(0), gap.lost.unwrap_or(0));
                let (from, why) = (gap.from, clean(&gap.reason));
                let says = format!(
                    "of sensor {} {late} reports were saved late, {lost} not at all since {from}: \
                     {why}",
                    clean(&name)
                );
                let kind = "gap".to_owned();
                let at = gap.until;
                let event = Event { at, kind, asset: None, finding: None, actor: None, says };
                record_event(turn, event).await?;
                sensor::tell(turn, &name).await
            })
        })
        .await
    }
}
