//! Rows an operator names and changes: plans, recovery plans, copies of the vault.
//!
//! Not here: what a row holds and how it is read. Invariant: a row's generation counts its changes,
//! a change on an old one is refused, and no two rows of a table have the same name.

use crate::{
    Error, Result, Store,
    text::{clean, new_id},
    writer::{Turn, now},
};
use sqlx::{AssertSqlSafe, QueryBuilder, Row, Sqlite};

/// A table of such rows: `id`, `name`, `generation`, `updated_at`, and others of its own.
pub(crate) struct Table {
    pub(crate) table: &'static str,
    /// What one is called, and what ids begin with.
    pub(crate) kind: &'static str,
    pub(crate) prefix: &'static str,
    pub(crate) rows_max: i64,
    /// Says how many there may be, where there are.
    pub(crate) full: &'static str,
    /// Columns a new row begins with at nought.
    pub(crate) counts: &'static [&'static str],
}

/// What is written of a column.
pub(crate) enum Cell {
    Text(String),
    Number(i64),
}

/// Columns of the table's own.
pub(crate) type Cells = Vec<(&'static str, Cell)>;

/// Of a table that keeps what its owner says as JSON.
pub(crate) fn spec_cells(spec: &serde_json::Value) -> Cells {
    vec![("spec", Cell::Text(spec.to_string()))]
}

impl Table {
    pub(crate) async fn create(
        &'static self,
        store: &Store,
        name: &str,
        cells: Cells,
    ) -> Result<String> {
        let name = checked(name)?;
        store
            .write(move |turn| {
                Box::pin(async move {
                    let sql = format!("SELECT COUNT(*) FROM {}", self.table);
                    let count = sqlx::query(AssertSqlSafe(sql)).fetch_one(&mut turn.db).await?;
                    if count.try_get::<i64, _>(0)? >= self.rows_max {
                        let reason = format!("{} {}", self.full, self.rows_max);
                        return Err(Error::refused("name", reason));
                    }
                    let id = new_id(self.prefix, now());
                    self.is_free(turn, &id, &name).await?;
                    self.insert(turn, &id, &name, cells).await?;
                    Ok(id)
                })
            })
            .await
    }

    pub(crate) async fn replace(
        &'static self,
        store: &Store,
        (id, generation): (&str, i64),
        name: &str,
        cells: Cells,
    ) -> Result<()> {
        let (id, name) = (id.to_owned(), checked(name)?);
        store
            .write(move |turn| {
                Box::pin(async move {
                    self.is_at(turn, &id, generation).await?;
                    self.is_free(turn, &id, &name).await?;
                    let sql = format!("UPDATE {} SET generation = ", self.table);
                    let mut query = QueryBuilder::<Sqlite>::new(sql);
                    query.push_bind(generation + 1);
                    query.push(", updated_at = ").push_bind(now().nanos());
                    query.push(", name = ").push_bind(name);
                    for (column, cell) in cells {
                        query.push(format!(", {column} = "));
                        push(&mut query, cell);
                    }
                    query.push(" WHERE id = ").push_bind(id);
                    query.build().execute(&mut turn.db).await?;
                    Ok(())
                })
            })
            .await
    }

    /// Deletes a row, and those of other tables that name it: (table, column).
    pub(crate) async fn delete(
        &'static self,
        store: &Store,
        (id, generation): (&str, i64),
        with: &'static [(&'static str, &'static str)],
    ) -> Result<()> {
        let id = id.to_owned();
        store
            .write(move |turn| {
                Box::pin(async move {
                    self.is_at(turn, &id, generation).await?;
                    for (table, column) in [(self.table, "id")].iter().chain(with) {
                        let sql = format!("DELETE FROM {table} WHERE {column} = $1");
                        sqlx::query(AssertSqlSafe(sql)).bind(&id).execute(&mut turn.db).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn insert(&self, turn: &mut Turn, id: &str, name: &str, cells: Cells) -> Result<()> {
        let own = cells.iter().map(|(column, _)| *column).chain(self.counts.iter().copied());
        let columns: String = own.map(|column| format!(", {column}")).collect();
        let mut query = QueryBuilder::<Sqlite>::new(format!(
            "INSERT INTO {} (id, name, generation, updated_at{columns}) VALUES (",
            self.table
        ));
        query.push_bind(id.to_owned()).push(", ").push_bind(name.to_owned());
        query.push(", 1, ").push_bind(now().nanos());
        for (_, cell) in cells {
            query.push(", ");
            push(&mut query, cell);
        }
        query.push(", 0".repeat(self.counts.len())).push(")");
        query.build().execute(&mut turn.db).await?;
        Ok(())
    }

    async fn is_at(&self, turn: &mut Turn, id: &str, generation: i64) -> Result<()> {
        let sql = format!("SELECT generation FROM {} WHERE id = $1", self.table);
        let row = sqlx::query(AssertSqlSafe(sql)).bind(id).fetch_optional(&mut turn.db).await?;
        let row = row.ok_or_else(|| Error::missing(self.kind, id))?;
        let current = row.try_get("generation")?;
        if current == generation { Ok(()) } else { Err(Error::Mismatch { current }) }
    }

    /// Nobody else has the name.
    async fn is_free(&self, turn: &mut Turn, id: &str, name: &str) -> Result<()> {
        let sql = format!("SELECT id FROM {} WHERE name = $1 AND id <> $2", self.table);
        let taken = sqlx::query(AssertSqlSafe(sql)).bind(name).bind(id);
        match taken.fetch_optional(&mut turn.db).await? {
            Some(_) => Err(Error::Exists { kind: self.kind, id: name.to_owned() }),
            None => Ok(()),
        }
    }
}

fn push(query: &mut QueryBuilder<Sqlite>, cell: Cell) {
    match cell {
        Cell::Text(text) => query.push_bind(text),
        Cell::Number(number) => query.push_bind(number),
    };
}

fn checked(name: &str) -> Result<String> {
    let name = clean(name.trim());
    if name.is_empty() || name.chars().count() > 64 {
        return Err(Error::refused("name", "it has 1 to 64 characters"));
    }
    Ok(name)
}
