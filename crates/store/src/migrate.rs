//! Brings a database to the schema this program knows.
//!
//! Numbered SQL files with checksums, one transaction each. Not here: opening. Invariant: an older
//! program never touches the database of a newer one.

use crate::text::sha256_hex;
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
];

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
        sqlx::query("INSERT INTO migrations (number, checksum) VALUES ($1, $2)")
            .bind(number)
            .bind(sha256_hex(text.as_bytes()))
            .execute(&mut *turn)
            .await?;
        turn.commit().await?;
    }
    Ok(())
}

/// The statements of a file: comments dropped, split at `;`. No file has one inside a literal.
fn statements(text: &str) -> Vec<String> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned).collect()
}
