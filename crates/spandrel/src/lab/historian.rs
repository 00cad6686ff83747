//! The simulated plant's historian: its process values in a SQLite file, as a real one keeps them.
//!
//! A small database in write-ahead mode that is written to all the time: what a backup has to cope
//! with. Not here: the product's own history. Invariant: every sample is a value the simulated
//! process had.

use anyhow::{Context as _, Result};
use lab::{actors::modbus::UNITS, plant::memory, world::World};
use rusqlite::{Connection, params};
use std::{
    collections::HashMap,
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

/// Samples are kept so long.
const KEPT_S: i64 = 24 * 3_600;
/// Seconds between two samples of a point.
const EVERY_S: u32 = 5;

pub struct Historian {
    database: Connection,
    /// The newest value of each point; one that did not change is not written again.
    last: HashMap<(usize, u16), f64>,
    seconds: u32,
    /// The newest sample could not be written.
    gap: bool,
}

impl Historian {
    pub fn open(path: &Path) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)
                .with_context(|| format!("cannot create {}", folder.display()))?;
        }
        let shown = || format!("cannot open the plant's historian {}", path.display());
        let database = Connection::open(path).with_context(shown)?;
        database
            .execute_batch(
                "PRAGMA journal_mode = wal; PRAGMA synchronous = normal;
                 CREATE TABLE IF NOT EXISTS point (
                   id INTEGER PRIMARY KEY, station TEXT NOT NULL, unit INTEGER NOT NULL,
                   address INTEGER NOT NULL, UNIQUE (station, unit, address));
                 CREATE TABLE IF NOT EXISTS sample (
                   point INTEGER NOT NULL REFERENCES point, at INTEGER NOT NULL,
                   value REAL NOT NULL, PRIMARY KEY (point, at)) WITHOUT ROWID;",
            )
            .with_context(shown)?;
        Ok(Historian { database, last: HashMap::new(), seconds: 0, gap: false })
    }

    /// One second of the plant has gone. After a sample that could not be written the next has the
    /// values of all points.
    pub fn look(&mut self, world: &World) -> Result<()> {
        self.seconds = self.seconds.wrapping_add(1);
        // A gap ends with the first sample that can be written.
        if !self.seconds.is_multiple_of(EVERY_S) && !self.gap {
            return Ok(());
        }
        let written = self.write(world).context("cannot write to the historian");
        self.gap = written.is_err();
        if self.gap {
            self.last.clear();
        }
        written
    }

    fn write(&mut self, world: &World) -> Result<()> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = i64::try_from(since.as_secs())?;
        let turn = self.database.transaction()?;
        for (index, unit) in UNITS.iter().enumerate() {
            let words = memory::read_registers(unit.cells, &world.process, 0, unit.registers);
            for cell in unit.cells {
                let address = cell.at / 2;
                let value = f64::from(words.get(usize::from(address)).copied().unwrap_or(0));
                if self.last.insert((index, address), value) == Some(value) {
                    continue;
                }
                turn.execute(
                    "INSERT OR IGNORE INTO point (station, unit, address) VALUES (?1, ?2, ?3)",
                    params![unit.server, unit.unit, address],
                )?;
                turn.execute(
                    "INSERT OR REPLACE INTO sample SELECT id, ?4, ?5 FROM point WHERE station = \
                     ?1 AND unit = ?2 AND address = ?3",
                    params![unit.server, unit.unit, address, at, value],
                )?;
            }
        }
        turn.execute("DELETE FROM sample WHERE at < ?1", [at - KEPT_S])?;
        Ok(turn.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_cannot_be_written_leaves_a_gap_and_no_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut historian = Historian::open(&dir.path().join("plant/h.db")).expect("opens");
        let world = World::new(7, 0);
        let lock = |historian: &Historian, on: bool| {
            historian.database.pragma_update(None, "query_only", on).expect("set");
        };
        let samples = |historian: &Historian| -> i64 {
            let count = "SELECT count(*) FROM sample";
            historian.database.query_row(count, [], |row| row.get(0)).expect("counts")
        };
        lock(&historian, true);
        let looks: Vec<_> = (0..EVERY_S).map(|_| historian.look(&world).is_ok()).collect();
        assert!(looks[..looks.len() - 1].iter().all(|ok| *ok) && !looks[looks.len() - 1]);
        assert_eq!(samples(&historian), 0);
        lock(&historian, false);
        historian.look(&world).expect("writes again, at once");
        let cells: usize = UNITS.iter().map(|unit| unit.cells.len()).sum();
        assert_eq!(usize::try_from(samples(&historian)), Ok(cells));
    }
}
