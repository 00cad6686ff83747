//! Protection plans: the rows; what a plan says is its owner's JSON.
//!
//! Not here: what a plan means; how named rows are changed (`named`). Invariant: what is known of
//! a plan's targets goes with the plan.

use crate::{
    Error, PLANS_MAX, Result, Store,
    named::{Table, spec_cells},
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

static PLANS: Table = Table {
    table: "plans",
    kind: "plan",
    prefix: "pln",
    rows_max: PLANS_MAX,
    full: "plans of a site are at most",
    counts: &[],
};

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
        PLANS.create(self, name, spec_cells(&spec)).await
    }

    pub async fn replace_plan(
        &self,
        id: &str,
        generation: i64,
        name: &str,
        spec: serde_json::Value,
    ) -> Result<()> {
        PLANS.replace(self, (id, generation), name, spec_cells(&spec)).await
    }

    /// Deletes a plan and what is known of its targets; runs and backups stay.
    pub async fn delete_plan(&self, id: &str, generation: i64) -> Result<()> {
        PLANS.delete(self, (id, generation), &[("protections", "plan")]).await
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
