//! Times of which less is known of a sensor than it said.
//!
//! Not here: what is being lost at present (`unsaved`). Invariant: a gap is kept with its times,
//! its reason and, where it is known, how much is missing.

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

pub(crate) async fn keep(turn: &mut Turn, sensor: &str, gap: &Gap) -> Result<()> {
    sqlx::query(
        "INSERT INTO gaps (sensor, since, until, reason, late, lost) \
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(sensor)
    .bind(gap.from.nanos())
    .bind(gap.until.nanos())
    .bind(clean(&gap.reason))
    .bind(gap.late.map(signed))
    .bind(gap.lost.map(signed))
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
                keep(turn, &name, &gap).await?;
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
