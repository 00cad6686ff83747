//! What assets are called where several are shown together.
//!
//! Not here: how an asset comes by its name (`model`). Invariant: two assets that one answer shows
//! have different names, if an address tells them apart.

use crate::{Result, text::split};
use model::told_apart;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, sqlite::SqliteRow};
use std::collections::{BTreeSet, HashMap};

/// Asset -> its name, and the address people know it by.
pub(crate) struct Names(HashMap<String, (String, Option<String>)>);

impl Names {
    pub(crate) async fn read(db: &mut SqliteConnection, ids: BTreeSet<String>) -> Result<Names> {
        let ids: Vec<String> = ids.into_iter().collect();
        let mut names = HashMap::new();
        for row in rows_of_assets(db, "id, name, ips, macs", &ids).await? {
            let (ips, macs) = (split(row.try_get("ips")?), split(row.try_get("macs")?));
            let address = ips.into_iter().chain(macs).next();
            names.insert(row.try_get("id")?, (row.try_get("name")?, address));
        }
        Ok(Names(names))
    }

    /// What to call each of these where all of them are shown. Those that are not known are left
    /// out.
    pub(crate) fn told_apart(&self, together: BTreeSet<&str>) -> HashMap<String, String> {
        let known = together.into_iter().filter_map(|id| Some((id, self.0.get(id)?)));
        let known: Vec<_> = known.collect();
        let apart = told_apart(known.iter().map(|(_, (name, at))| (&**name, at.as_deref())));
        known.into_iter().map(|(id, _)| id.to_owned()).zip(apart).collect()
    }
}

pub(crate) async fn rows_of_assets(
    db: &mut SqliteConnection,
    columns: &str,
    ids: &[String],
) -> Result<Vec<SqliteRow>> {
    let mut rows = Vec::new();
    // SQLite takes 32,766 parameters, PostgreSQL 65,535.
    for some in ids.chunks(1_000) {
        let sql = format!("SELECT {columns} FROM assets WHERE id IN (");
        let mut query = QueryBuilder::<Sqlite>::new(sql);
        let mut list = query.separated(", ");
        for id in some {
            list.push_bind(id.clone());
        }
        query.push(")");
        rows.extend(query.build().fetch_all(&mut *db).await?);
    }
    Ok(rows)
}
