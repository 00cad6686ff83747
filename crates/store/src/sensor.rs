//! Sensors as rows: what their processes do and what they saw a second ago.
//!
//! Not here: starting them. Invariant: a sensor that is not running shows no rate.

use crate::{
    Change, ChangedRow, Error, Gap, Origin, Result, SensorState, Store, Unsaved,
    asset::{COUNT_MAX, signed, unsigned},
    gap,
    text::clean,
    writer::Turn,
};
use model::{Health, Time};
use sqlx::{Row, sqlite::SqliteRow};
use std::{
    sync::PoisonError,
    time::{Duration, Instant},
};

#[derive(Clone, Debug, PartialEq)]
pub struct SensorRecord {
    pub id: String,
    pub interface: String,
    pub state: SensorState,
    pub detail: Option<String>,
    pub started_at: Option<Time>,
    pub last_beat: Option<Time>,
    pub packets_per_s: f64,
    pub bytes_per_s: f64,
    pub packets: u64,
    pub bytes: u64,
    pub drops: Option<u64>,
    pub restarts: u32,
    pub learning: bool,
    pub learning_until: Option<Time>,
    pub health: Option<Health>,
    pub revision: i64,
    /// What it says at present cannot be saved.
    pub unsaved: Option<Unsaved>,
    /// Times of which less is known than it said, the newest.
    pub gaps: Vec<Gap>,
}

/// What the supervisor knows of a sensor's process.
#[derive(Clone, Debug)]
pub struct SensorStatus {
    pub id: String,
    pub interface: String,
    /// Whether it hears the simulated plant; that it reads a capture it says itself.
    pub origin: Origin,
    pub state: SensorState,
    pub detail: Option<String>,
    pub restarts: u32,
    pub learning_until: Option<Time>,
}

/// How far a sensor beyond a narrow line was heard: so many batches of a segment of the run that
/// began then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    pub run: Time,
    pub segment: u32,
    pub batches: u64,
}

const COLUMNS: &str = "id, interface, state, detail, started_at, last_beat, packets_per_s, \
    bytes_per_s, CAST(packets AS INTEGER) AS packets, CAST(bytes AS INTEGER) AS bytes, drops, \
    restarts, learning, learning_until, health, revision";

fn record(row: &SqliteRow) -> Result<SensorRecord> {
    let time =
        |name: &str| -> Result<Option<Time>> { Ok(row.try_get::<Option<i64>, _>(name)?.map(Time)) };
    let health: Option<String> = row.try_get("health")?;
    Ok(SensorRecord {
        id: row.try_get("id")?,
        interface: row.try_get("interface")?,
        state: SensorState::from_word(row.try_get("state")?).unwrap_or(SensorState::Stopped),
        detail: row.try_get("detail")?,
        started_at: time("started_at")?,
        last_beat: time("last_beat")?,
        packets_per_s: row.try_get("packets_per_s")?,
        bytes_per_s: row.try_get("bytes_per_s")?,
        packets: unsigned(row.try_get("packets")?),
        bytes: unsigned(row.try_get("bytes")?),
        drops: row.try_get::<Option<i64>, _>("drops")?.map(unsigned),
        restarts: u32::try_from(row.try_get::<i64, _>("restarts")?).unwrap_or(0),
        learning: row.try_get::<i64, _>("learning")? != 0,
        learning_until: time("learning_until")?,
        health: health.map(|json| serde_json::from_str(&json)).transpose()?,
        revision: row.try_get("revision")?,
        unsaved: None,
        gaps: Vec::new(),
    })
}

pub(crate) async fn tell(turn: &mut Turn, id: &str) -> Result<()> {
    let revision = turn.revision();
    sqlx::query("UPDATE sensors SET revision = $1 WHERE id = $2")
        .bind(revision)
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    let sql = format!("SELECT {COLUMNS} FROM sensors WHERE id = $1");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_one(&mut turn.db).await?;
    let mut record = record(&row)?;
    record.gaps = gap::of_sensor(&mut turn.db, id).await?;
    turn.changed(revision, ChangedRow::Sensor(record));
    Ok(())
}

/// What a sensor says first.
pub(crate) struct Hello<'a> {
    pub(crate) interface: &'a str,
    pub(crate) started_at: Time,
    pub(crate) replay: bool,
}

/// A sensor said hello: its run begins. Where the supervisor named the interface, its word stays,
/// and that what it hears is simulated as well.
pub(crate) async fn hello(turn: &mut Turn, id: &str, hello: Hello<'_>) -> Result<()> {
    let origin = if hello.replay { Origin::Capture } else { Origin::Network };
    sqlx::query(
        "INSERT INTO sensors (id, interface, state, started_at, packets_per_s, bytes_per_s, \
         packets, bytes, restarts, learning, revision, origin) VALUES ($1, $2, 'running', $3, 0, \
         0, 0, 0, 0, 0, 0, $4) ON CONFLICT (id) DO UPDATE SET state = 'running', detail = NULL, \
         started_at = $3, packets = 0, bytes = 0, drops = NULL, health = NULL, \
         origin = CASE WHEN sensors.origin = 'lab' THEN 'lab' ELSE $4 END",
    )
    .bind(id)
    .bind(clean(hello.interface))
    .bind(hello.started_at.nanos())
    .bind(origin.word())
    .execute(&mut turn.db)
    .await?;
    tell(turn, id).await
}

/// Where what `name` tells was heard; the rows of an imported capture are told under its id.
pub(crate) async fn origin_of(turn: &mut Turn, name: &str) -> Result<Origin> {
    let row = sqlx::query("SELECT origin FROM sensors WHERE id = $1")
        .bind(name)
        .fetch_optional(&mut turn.db)
        .await?;
    let Some(row) = row else { return Ok(Origin::Capture) };
    Ok(Origin::from_word(row.try_get("origin")?).unwrap_or(Origin::Capture))
}

/// Says what there is to know of a sensor, until it begins anew.
pub(crate) async fn set_detail(turn: &mut Turn, id: &str, detail: &str) -> Result<()> {
    sqlx::query("UPDATE sensors SET detail = $1 WHERE id = $2")
        .bind(detail)
        .bind(id)
        .execute(&mut turn.db)
        .await?;
    tell(turn, id).await
}

pub(crate) async fn set_heard(turn: &mut Turn, id: &str, heard: Heard) -> Result<()> {
    sqlx::query(
        "UPDATE sensors SET uplink_run = $1, uplink_segment = $2, uplink_batches = $3 \
         WHERE id = $4",
    )
    .bind(heard.run.nanos())
    .bind(i64::from(heard.segment))
    .bind(signed(heard.batches))
    .bind(id)
    .execute(&mut turn.db)
    .await?;
    Ok(())
}

/// What a sensor counted since its last beat.
pub(crate) struct Beat<'a> {
    pub(crate) sensor: &'a str,
    pub(crate) at: Time,
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) learning: bool,
    pub(crate) health: &'a Health,
}

#[expect(clippy::cast_precision_loss, reason = "a rate is shown, not computed with")]
pub(crate) async fn beat(turn: &mut Turn, beat: Beat<'_>) -> Result<()> {
    let row = sqlx::query("SELECT last_beat, drops, learning, health FROM sensors WHERE id = $1")
        .bind(beat.sensor)
        .fetch_optional(&mut turn.db)
        .await?;
    // A beat before any hello is from a stream that does not keep the protocol.
    let Some(row) = row else { return Err(Error::missing("sensor", beat.sensor)) };
    let last: Option<i64> = row.try_get("last_beat")?;
    let known_drops: Option<i64> = row.try_get("drops")?;
    let was_learning = row.try_get::<i64, _>("learning")? != 0;
    let total_drops = beat.health.kernel_drops;
    let drops = total_drops.unwrap_or(0).saturating_sub(known_drops.map_or(0, unsigned));
    let elapsed = last.map_or(1.0, |last| beat.at.since(Time(last)) as f64 / 1e9);
    // Beats come once a second; after a pause the rate is over the pause.
    let elapsed = if elapsed > 0.0 { elapsed.clamp(0.5, 60.0) } else { 1.0 };
    let revision = turn.revision();
    sqlx::query(
        "UPDATE sensors SET last_beat = $1, packets_per_s = $2, bytes_per_s = $3, \
         packets = MIN(packets, $11) + $4, bytes = MIN(bytes, $11) + $5, drops = $6, \
         learning = $7, health = $8, revision = $9 WHERE id = $10",
    )
    .bind(beat.at.nanos())
    .bind(beat.packets as f64 / elapsed)
    .bind(beat.bytes as f64 / elapsed)
    .bind(signed(beat.packets))
    .bind(signed(beat.bytes))
    .bind(total_drops.map(signed))
    .bind(i64::from(beat.learning))
    .bind(serde_json::to_string(beat.health)?)
    .bind(revision)
    .bind(beat.sensor)
    .bind(COUNT_MAX)
    .execute(&mut turn.db)
    .await?;
    add_to_series(turn, &beat, drops).await?;
    turn.changed(
        revision,
        ChangedRow::Beat {
            sensor: beat.sensor.to_owned(),
            at: beat.at,
            packets: beat.packets,
            bytes: beat.bytes,
            drops,
            learning: beat.learning,
        },
    );
    if was_learning != beat.learning {
        tell(turn, beat.sensor).await?;
    }
    Ok(())
}

/// One row a second and one a minute; the sweep drops the old ones of each.
async fn add_to_series(turn: &mut Turn, beat: &Beat<'_>, drops: u64) -> Result<()> {
    for step_s in [1, 60] {
        let step = step_s * 1_000_000_000;
        let at = beat.at.nanos().div_euclid(step).saturating_mul(step);
        sqlx::query(
            "INSERT INTO beats (sensor, step_s, at, packets, bytes, drops) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (sensor, step_s, at) DO UPDATE SET \
             packets = MIN(beats.packets, $7) + $4, bytes = MIN(beats.bytes, $7) + $5, \
             drops = MIN(beats.drops, $7) + $6",
        )
        .bind(beat.sensor)
        .bind(step_s)
        .bind(at)
        .bind(signed(beat.packets))
        .bind(signed(beat.bytes))
        .bind(signed(drops))
        .bind(COUNT_MAX)
        .execute(&mut turn.db)
        .await?;
    }
    Ok(())
}

pub(crate) async fn changed_since(store: &Store, since: i64) -> Result<Vec<Change>> {
    let sensors = store.sensors().await?.into_iter().filter(|sensor| sensor.revision > since);
    Ok(sensors.map(|s| Change { revision: s.revision, row: ChangedRow::Sensor(s) }).collect())
}

impl Store {
    pub async fn sensors(&self) -> Result<Vec<SensorRecord>> {
        let sql = format!("SELECT {COLUMNS} FROM sensors ORDER BY id");
        let mut db = self.readers().acquire().await?;
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *db).await?;
        let mut sensors = Vec::with_capacity(rows.len());
        for row in &rows {
            let mut sensor = record(row)?;
            sensor.gaps = gap::of_sensor(&mut db, &sensor.id).await?;
            self.complete(&mut sensor);
            sensors.push(sensor);
        }
        Ok(sensors)
    }

    pub async fn sensor(&self, id: &str) -> Result<SensorRecord> {
        let sensors = self.sensors().await?;
        sensors.into_iter().find(|s| s.id == id).ok_or_else(|| Error::missing("sensor", id))
    }

    /// How far a sensor beyond a narrow line was heard, as of the last commit.
    pub async fn heard(&self, id: &str) -> Result<Option<Heard>> {
        let row = sqlx::query(
            "SELECT uplink_run, uplink_segment, uplink_batches FROM sensors \
             WHERE id = $1 AND uplink_run IS NOT NULL",
        )
        .bind(id)
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Heard {
            run: Time(row.try_get("uplink_run")?),
            segment: u32::try_from(row.try_get::<i64, _>("uplink_segment")?).unwrap_or(0),
            batches: unsigned(row.try_get("uplink_batches")?),
        }))
    }

    /// What the supervisor says of a sensor's process. Where it cannot be saved it is told all the
    /// same, and [`Store::save_state`] tries again.
    pub async fn set_sensor(&self, status: SensorStatus) -> Result<()> {
        let id = status.id.clone();
        let saved = self.save_status(status.clone()).await;
        self.inner.unsaved.state(status, &saved);
        if saved.is_err() {
            self.say_of(&id).await;
        }
        saved
    }

    async fn save_status(&self, status: SensorStatus) -> Result<()> {
        self.write(move |turn| {
            Box::pin(async move {
                let idle = status.state != SensorState::Running;
                sqlx::query(
                    "INSERT INTO sensors (id, interface, state, detail, packets_per_s, \
                     bytes_per_s, packets, bytes, restarts, learning, learning_until, revision, \
                     origin) VALUES ($1, $2, $3, $4, 0, 0, 0, 0, $5, 0, $6, 0, $8) \
                     ON CONFLICT (id) DO UPDATE SET interface = $2, state = $3, detail = $4, \
                     restarts = $5, learning_until = $6, origin = CASE WHEN $8 = 'lab' OR \
                     sensors.origin = 'lab' THEN $8 ELSE sensors.origin END, \
                     packets_per_s = CASE WHEN $7 = 1 THEN 0 ELSE sensors.packets_per_s END, \
                     bytes_per_s = CASE WHEN $7 = 1 THEN 0 ELSE sensors.bytes_per_s END",
                )
                .bind(&status.id)
                .bind(clean(&status.interface))
                .bind(status.state.word())
                .bind(status.detail.as_deref().map(clean))
                .bind(i64::from(status.restarts))
                .bind(status.learning_until.map(Time::nanos))
                .bind(i64::from(idle))
                .bind(status.origin.word())
                .execute(&mut turn.db)
                .await?;
                tell(turn, &status.id).await
            })
        })
        .await
    }

    /// Drops sensors that are configured no longer; what they saw stays.
    pub async fn keep_sensors(&self, configured: Vec<String>) -> Result<()> {
        for sensor in self.sensors().await? {
            if !configured.contains(&sensor.id) {
                self.write(move |turn| {
                    Box::pin(async move {
                        sqlx::query("DELETE FROM sensors WHERE id = $1")
                            .bind(&sensor.id)
                            .execute(&mut turn.db)
                            .await?;
                        Ok(())
                    })
                })
                .await?;
            }
        }
        Ok(())
    }

    /// A sensor whose line was cut is heard again.
    pub async fn sensor_goes_on(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE sensors SET state = 'running', detail = NULL WHERE id = $1")
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                tell(turn, &id).await
            })
        })
        .await
    }

    /// Sensors that say they run and are silent for longer than `limit_s`; those beyond a narrow
    /// line beat once a minute.
    pub async fn silent_sensors(&self, limit_s: u64) -> Result<Vec<String>> {
        let mut silent = Vec::new();
        for sensor in self.sensors().await? {
            let far = self.heard(&sensor.id).await?.is_some();
            let limit = Duration::from_secs(limit_s * if far { 5 } else { 1 });
            let beaten = self.inner.beaten.lock().unwrap_or_else(PoisonError::into_inner);
            let last = beaten.get(&sensor.id).copied().unwrap_or(self.inner.opened);
            if sensor.state == SensorState::Running && last.elapsed() > limit {
                silent.push(sensor.id);
            }
        }
        Ok(silent)
    }

    /// A beat of it was heard.
    pub fn beaten(&self, sensor: String) {
        let mut beaten = self.inner.beaten.lock().unwrap_or_else(PoisonError::into_inner);
        beaten.insert(sensor, Instant::now());
    }
}
