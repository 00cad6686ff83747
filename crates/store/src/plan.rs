//! Protection plans: the rows; what a plan says is its owner's JSON.
//!
//! Not here: what a plan means. Invariant: a plan's generation counts its changes, and a change on
//! an old one is refused.

use crate::{
    Error, PLANS_MAX, Result, Store,
    text::{clean, new_id},
    writer::{Turn, now},
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    pub id: String,
    pub name: String,
    pub spec: serde_json::Value,
    pub generation: i64,
    pub updated_at: Time,
}

const SELECT: &str = "SELECT id, name, spec, generation, updated_at FROM plans";

fn plan(row: &SqliteRow) -> Result<Plan> {
    Ok(Plan {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        spec: serde_json::from_str(row.try_get("spec")?)?,
        generation: row.try_get("generation")?,
        updated_at: Time(row.try_get("updated_at")?),
    })
}

impl Store {
    /// By name.
    pub async fn plans(&self) -> Result<Vec<Plan>> {
        let sql = format!("{SELECT} ORDER BY name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(plan).collect()
    }

    pub async fn plan(&self, id: &str) -> Result<Plan> {
        let sql = format!("{SELECT} WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        plan(&row.ok_or_else(|| Error::missing("plan", id))?)
    }

    pub async fn create_plan(&self, name: &str, spec: serde_json::Value) -> Result<String> {
        let name = checked(name)?;
        self.write(move |turn| {
            Box::pin(async move {
                let row = sqlx::query("SELECT COUNT(*) FROM plans").fetch_one(&mut turn.db).await?;
                if row.try_get::<i64, _>(0)? >= PLANS_MAX {
                    let reason = format!("a site has at most {PLANS_MAX} plans");
                    return Err(Error::refused("name", reason));
                }
                let id = new_id("pln", now());
                put(turn, &id, &name, &spec, 1).await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn replace_plan(
        &self,
        id: &str,
        generation: i64,
        name: &str,
        spec: serde_json::Value,
    ) -> Result<()> {
        let (id, name) = (id.to_owned(), checked(name)?);
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                put(turn, &id, &name, &spec, generation + 1).await
            })
        })
        .await
    }

    /// Deletes a plan and what is known of its targets; runs and backups stay.
    pub async fn delete_plan(&self, id: &str, generation: i64) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                for sql in
                    ["DELETE FROM plans WHERE id = $1", "DELETE FROM protections WHERE plan = $1"]
                {
                    sqlx::query(sql).bind(&id).execute(&mut turn.db).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// A setting of the control plane that is kept with its state.
    pub async fn setting(&self, name: &str) -> Result<Option<serde_json::Value>> {
        let row = sqlx::query("SELECT value FROM settings WHERE name = $1")
            .bind(name)
            .fetch_optional(self.readers())
            .await?;
        let value = row.map(|row| row.try_get::<String, _>("value")).transpose()?;
        Ok(value.map(|text| serde_json::from_str(&text)).transpose()?)
    }

    pub async fn set_setting(&self, name: &'static str, value: serde_json::Value) -> Result<()> {
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO \
                     UPDATE SET value = $2",
                )
                .bind(name)
                .bind(value.to_string())
                .execute(&mut turn.db)
                .await?;
                Ok(())
            })
        })
        .await
    }
}

pub(crate) fn checked(name: &str) -> Result<String> {
    let name = clean(name.trim());
    if name.is_empty() || name.chars().count() > 64 {
        return Err(Error::refused("name", "it has 1 to 64 characters"));
    }
    Ok(name)
}

async fn is_at(turn: &mut Turn, id: &str, generation: i64) -> Result<()> {
    let row = sqlx::query("SELECT generation FROM plans WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("plan", id))?;
    let current = row.try_get("generation")?;
    if current == generation { Ok(()) } else { Err(Error::Mismatch { current }) }
}

async fn put(
    turn: &mut Turn,
    id: &str,
    name: &str,
    spec: &serde_json::Value,
    generation: i64,
) -> Result<()> {
    let taken = sqlx::query("SELECT id FROM plans WHERE name = $1 AND id <> $2")
        .bind(name)
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    if taken.is_some() {
        return Err(Error::Exists { kind: "plan", id: name.to_owned() });
    }
    sqlx::query(
        "INSERT INTO plans (id, name, spec, generation, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (id) DO UPDATE SET name = $2, spec = $3, generation = $4, updated_at = $5",
    )
    .bind(id)
    .bind(name)
    .bind(spec.to_string())
    .bind(generation)
    .bind(now().nanos())
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
