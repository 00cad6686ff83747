//! Recovery plans: the rows; what one says is its owner's TOML.
//!
//! Not here: what a plan means; how named rows are changed (`named`); drills, which are runs.
//! Invariant: what a plan comes to may be looked at anew without a change of the plan.

use crate::{
    Error, PLANS_MAX, Result, Store,
    named::{Cell, Cells, Table},
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

static RECOVERY_PLANS: Table = Table {
    table: "recovery_plans",
    kind: "recovery plan",
    prefix: "rpl",
    rows_max: PLANS_MAX,
    full: "recovery plans of a site are at most",
    counts: &[],
};

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
        RECOVERY_PLANS.create(self, &new.name, cells(&new)).await
    }

    pub async fn replace_recovery_plan(
        &self,
        id: &str,
        generation: i64,
        new: NewRecoveryPlan,
    ) -> Result<()> {
        RECOVERY_PLANS.replace(self, (id, generation), &new.name, cells(&new)).await
    }

    /// Deletes a plan; its drills stay.
    pub async fn delete_recovery_plan(&self, id: &str, generation: i64) -> Result<()> {
        RECOVERY_PLANS.delete(self, (id, generation), &[]).await
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

fn cells(new: &NewRecoveryPlan) -> Cells {
    vec![
        ("text", Cell::Text(new.text.clone())),
        ("outline", Cell::Text(new.outline.to_string())),
        ("every_days", Cell::Number(i64::from(new.every_days))),
    ]
}
