//! Brings a database to the schema this program knows.
//!
//! Numbered SQL files with checksums, one transaction each. Not here: opening. Invariant: an older
//! program never touches the database of a newer one.

use crate::text::{clean, counted_order, sha256_hex};
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};

/// Number, text. Append only: a shipped file never changes.
const MIGRATIONS: &[(i64, &str)] = &[
    (1, include_str!("../migrations/0001_first.sql")),
    (2, include_str!("../migrations/0002_protection.sql")),
    (3, include_str!("../migrations/0003_recovery.sql")),
    (4, include_str!("../migrations/0004_copies.sql")),
    (5, include_str!("../migrations/0005_uplink.sql")),
    (6, include_str!("../migrations/0006_merged_links.sql")),
    (7, include_str!("../migrations/0007_read_as.sql")),
    (8, include_str!("../migrations/0008_origin.sql")),
    (9, include_str!("../migrations/0009_agents.sql")),
    (10, include_str!("../migrations/0010_gaps.sql")),
    (11, include_str!("../migrations/0011_tallies.sql")),
    (ORDERED, include_str!("../migrations/0012_order.sql")),
    (13, include_str!("../migrations/0013_found.sql")),
    (14, include_str!("../migrations/0014_known.sql")),
    (15, include_str!("../migrations/0015_links.sql")),
];

/// From here on rows have what SQL cannot make of them.
const ORDERED: i64 = 12;

/// The newest schema this program knows.
pub(crate) const SCHEMA: i64 = MIGRATIONS[MIGRATIONS.len() - 1].0;

/// Schema the database is at; 0 for a new one.
pub(crate) async fn schema_of(db: &mut SqliteConnection) -> sqlx::Result<i64> {
    let known = sqlx::query("SELECT COUNT(*) FROM sqlite_master WHERE name = 'migrations'")
        .fetch_one(&mut *db)
        .await?
        .try_get::<i64, _>(0)?;
    if known == 0 {
        return Ok(0);
    }
    let row = sqlx::query("SELECT COALESCE(MAX(number), 0) FROM migrations").fetch_one(db).await?;
    row.try_get(0)
}

/// Runs what is missing. The caller has checked that the database is not newer.
pub(crate) async fn migrate(db: &mut SqliteConnection) -> sqlx::Result<()> {
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS migrations (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL)",
    )
    .execute(&mut *db)
    .await?;
    let at = schema_of(db).await?;
    for (number, text) in MIGRATIONS.iter().filter(|(number, _)| *number > at) {
        let mut turn = db.begin_with("BEGIN IMMEDIATE").await?;
        for statement in statements(text) {
            sqlx::query(AssertSqlSafe(statement)).execute(&mut *turn).await?;
        }
        if *number == ORDERED {
            put_in_order(&mut turn).await?;
        }
        sqlx::query("INSERT INTO migrations (number, checksum) VALUES ($1, $2)")
            .bind(number)
            .bind(sha256_hex(text.as_bytes()))
            .execute(&mut *turn)
            .await?;
        turn.commit().await?;
    }
    Ok(())
}

/// Gives assets that are there what is written with each from now on.
async fn put_in_order(db: &mut SqliteConnection) -> sqlx::Result<()> {
    let rows = sqlx::query("SELECT id, name, vendor FROM assets").fetch_all(&mut *db).await?;
    for row in rows {
        let vendor: Option<String> = row.try_get("vendor")?;
        sqlx::query("UPDATE assets SET name_order = $1, vendor = $2 WHERE id = $3")
            .bind(counted_order(row.try_get("name")?))
            .bind(vendor.map(|said| clean(model::maker(&said))))
            .bind(row.try_get::<String, _>("id")?)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

/// The statements of a file: comments dropped, split at `;`. No file has one inside a literal.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn assets_of_an_earlier_version_stand_in_order_and_have_one_name_of_their_maker() {
        let mut db = SqliteConnection::connect("sqlite::memory:").await.expect("opens");
        for (_, text) in MIGRATIONS.iter().filter(|(number, _)| *number < ORDERED) {
            for statement in statements(text) {
                sqlx::query(AssertSqlSafe(statement)).execute(&mut db).await.expect("migrates");
            }
        }
        let insert = "INSERT INTO assets (id, sensor, epoch, observed, declared, generation, \
             revision, name, names, class, role, vendor, ips, macs, vlans, protocols, lifecycle, \
             labels, first_seen, last_seen, packets, findings) VALUES \
             ('a', 's', 1, '{}', '{}', 1, 1, 'PLC-10', '', 'plc', 'controller', 'Siemens AG', '', \
             '', '', '', 'new', '', 1, 1, 1, 0), \
             ('b', 's', 1, '{}', '{}', 1, 1, 'plc-9', '', 'plc', 'controller', NULL, '', \
             '', '', '', 'new', '', 1, 1, 1, 0)";
        sqlx::query(insert).execute(&mut db).await.expect("inserts");
        sqlx::query("CREATE TABLE migrations (number BIGINT PRIMARY KEY, checksum TEXT NOT NULL)")
            .execute(&mut db)
            .await
            .expect("makes it");
        sqlx::query("INSERT INTO migrations VALUES ($1, '')")
            .bind(ORDERED - 1)
            .execute(&mut db)
            .await
            .expect("inserts");
        migrate(&mut db).await.expect("migrates");
        let known = "SELECT COUNT(*) FROM assets WHERE known_since = first_seen";
        let known = sqlx::query(known).fetch_one(&mut db).await.expect("reads");
        assert_eq!(known.get::<i64, _>(0), 2, "known since they were seen");
        let rows = sqlx::query("SELECT name, vendor FROM assets ORDER BY name_order")
            .fetch_all(&mut db)
            .await
            .expect("reads");
        let rows: Vec<(String, Option<String>)> =
            rows.iter().map(|row| (row.get("name"), row.get("vendor"))).collect();
        let [nine, ten] = ["plc-9", "PLC-10"].map(str::to_owned);
        assert_eq!(rows, [(nine, None), (ten, Some("Siemens".to_owned()))]);
    }
}
