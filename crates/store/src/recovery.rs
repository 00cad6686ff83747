//! Recovery plans: the rows; what one says is its owner's TOML.
//!
//! Not here: what a plan means, and drills; those are runs. Invariant: a plan's generation counts
//! its changes, and a change on an old one is refused.

use crate::{
    Error, PLANS_MAX, Result, Store,
    plan::checked,
    text::new_id,
    writer::{Turn, now},
};
use model::Time;
use sqlx::{Row, sqlite::SqliteRow};

#[derive(Clone, Debug, PartialEq)]
pub struct RecoveryPlan {
    pub id: String,
    pub name: String,
    pub text: String,
    /// What it comes to, when it was last looked at.
    pub outline: serde_json::Value,
    /// Drilled at least so often; 0 is only when asked for.
    pub every_days: u32,
    pub generation: i64,
    pub updated_at: Time,
}

/// What is written of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRecoveryPlan {
    pub name: String,
    pub text: String,
    pub outline: serde_json::Value,
    pub every_days: u32,
}

const SELECT: &str =
    "SELECT id, name, text, outline, every_days, generation, updated_at FROM recovery_plans";

fn plan(row: &SqliteRow) -> Result<RecoveryPlan> {
    Ok(RecoveryPlan {
        id: row.try_get("id")?,
        name: row.try_get("name")?,
        text: row.try_get("text")?,
        outline: serde_json::from_str(row.try_get("outline")?)?,
        every_days: u32::try_from(row.try_get::<i64, _>("every_days")?).unwrap_or(0),
        generation: row.try_get("generation")?,
        updated_at: Time(row.try_get("updated_at")?),
    })
}

impl Store {
    /// By name.
    pub async fn recovery_plans(&self) -> Result<Vec<RecoveryPlan>> {
        let sql = format!("{SELECT} ORDER BY name");
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(self.readers()).await?;
        rows.iter().map(plan).collect()
    }

    pub async fn recovery_plan(&self, id: &str) -> Result<RecoveryPlan> {
        let sql = format!("{SELECT} WHERE id = $1");
        let row =
            sqlx::query(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(self.readers()).await?;
        plan(&row.ok_or_else(|| Error::missing("recovery plan", id))?)
    }

    pub async fn create_recovery_plan(&self, new: NewRecoveryPlan) -> Result<String> {
        let new = NewRecoveryPlan { name: checked(&new.name)?, ..new };
        self.write(move |turn| {
            Box::pin(async move {
                let sql = "SELECT COUNT(*) FROM recovery_plans";
                let row = sqlx::query(sql).fetch_one(&mut turn.db).await?;
                if row.try_get::<i64, _>(0)? >= PLANS_MAX {
                    let reason = format!("a site has at most {PLANS_MAX} recovery plans");
                    return Err(Error::refused("name", reason));
                }
                let id = new_id("rpl", now());
                put(turn, &id, &new, 1).await?;
                Ok(id)
            })
        })
        .await
    }

    pub async fn replace_recovery_plan(
        &self,
        id: &str,
        generation: i64,
        new: NewRecoveryPlan,
    ) -> Result<()> {
        let new = NewRecoveryPlan { name: checked(&new.name)?, ..new };
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                put(turn, &id, &new, generation + 1).await
            })
        })
        .await
    }

    /// Deletes a plan; its drills stay.
    pub async fn delete_recovery_plan(&self, id: &str, generation: i64) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                is_at(turn, &id, generation).await?;
                let sql = "DELETE FROM recovery_plans WHERE id = $1";
                sqlx::query(sql).bind(&id).execute(&mut turn.db).await?;
                Ok(())
            })
        })
        .await
    }

    /// What a plan comes to now; no change of the plan.
    pub async fn set_outline(&self, id: &str, outline: serde_json::Value) -> Result<()> {
        let id = id.to_owned();
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query("UPDATE recovery_plans SET outline = $1 WHERE id = $2")
                    .bind(outline.to_string())
                    .bind(&id)
                    .execute(&mut turn.db)
                    .await?;
                Ok(())
            })
        })
        .await
    }
}

async fn is_at(turn: &mut Turn, id: &str, generation: i64) -> Result<()> {
    let row = sqlx::query("SELECT generation FROM recovery_plans WHERE id = $1")
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?
        .ok_or_else(|| Error::missing("recovery plan", id))?;
    let current = row.try_get("generation")?;
    if current == generation { Ok(()) } else { Err(Error::Mismatch { current }) }
}

async fn put(turn: &mut Turn, id: &str, new: &NewRecoveryPlan, generation: i64) -> Result<()> {
    let taken = sqlx::query("SELECT id FROM recovery_plans WHERE name = $1 AND id <> $2")
        .bind(&new.name)
        .bind(id)
        .fetch_optional(&mut turn.db)
        .await?;
    if taken.is_some() {
        return Err(Error::Exists { kind: "recovery plan", id: new.name.clone() });
    }
    sqlx::query(
        "INSERT INTO recovery_plans (id, name, text, outline, every_days, generation, updated_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET name = $2, text = $3, \
         outline = $4, every_days = $5, generation = $6, updated_at = $7",
    )
    .bind(id)
    .bind(&new.name)
    .bind(&new.text)
    .bind(new.outline.to_string())
    .bind(i64::from(new.every_days))
    .bind(generation)
    .bind(now().nanos())
    .execute(&mut turn.db)
    .await?;
    Ok(())
}
