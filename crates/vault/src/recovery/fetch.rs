//! Data for a recovery: which snapshot, and its files where a plan wants them.
//!
//! Invariant: `last-known-good` is a snapshot that a whole restore or verification has read
//! without a fault; when there is none, that is said, and nothing else is taken for it.

use crate::{
    engine::{Found, VaultEngine},
    error::{Error, Result},
    event::{SnapshotId, State},
    listing::Row,
    vault::Unlocked,
};
use model::Time;
use std::path::Path;

/// Which snapshot.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pick {
    pub asset: String,
    /// `latest` complete one, `last-known-good`, or an id or its beginning.
    pub snapshot: String,
    /// Only older ones: the attack was then.
    pub before: Option<Time>,
}

impl Pick {
    /// The snapshot among `rows`, which are oldest first.
    pub fn among<'a>(&self, rows: &'a [Row]) -> Result<&'a Row> {
        let of_asset = |row: &&Row| {
            row.asset == self.asset && self.before.is_none_or(|before| row.time < before)
        };
        let mut newest_first = rows.iter().filter(of_asset).rev();
        let found = match &self.snapshot[..] {
            "latest" => newest_first.find(|row| row.state == State::Complete),
            "last-known-good" => {
                newest_first.find(|row| row.state == State::Complete && row.verified_at.is_some())
            }
            id if id.len() >= 4 => newest_first.find(|row| row.id.to_string().starts_with(id)),
            _ => None,
        };
        found.ok_or_else(|| {
            let Self { asset, snapshot, .. } = self;
            let text = format!("there is no snapshot {snapshot} of {asset}");
            Error::Refused(match &snapshot[..] {
                "last-known-good" => text + "; a restore or verification of a whole one makes one",
                _ => text,
            })
        })
    }
}

impl Unlocked {
    /// The snapshot that a plan picks.
    pub fn pick(&self, pick: &Pick) -> Result<Row> {
        Ok(pick.among(&self.list()?)?.clone())
    }

    /// Whether a snapshot has anything at this path.
    pub fn holds(&self, snapshot: &SnapshotId, path: &Path) -> Result<bool> {
        let (path, mut there) = (Path::new("/").join(path), false);
        self.engine.read(snapshot)?.walk(&mut |found| {
            there |= matches!(found, Found::Entry { path: at, .. } if at == path);
            Ok(())
        })?;
        Ok(there || path == Path::new("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Sha256;

    fn row(n: i64, asset: &str, state: State, verified: bool) -> Row {
        let time = Time::from_secs(n);
        Row {
            id: SnapshotId(Sha256::of(&n.to_be_bytes())),
            time,
            asset: asset.into(),
            sources: Vec::new(),
            state,
            files: 1,
            warnings: Vec::new(),
            bytes: 1,
            retain_until: None,
            holds: Vec::new(),
            verified_at: verified.then_some(time),
            logged: true,
        }
    }

    #[test]
    fn the_newest_complete_one_and_the_last_proven_one_are_not_the_same() {
        let rows = [
            row(1, "a", State::Complete, true),
            row(2, "a", State::Complete, false),
            row(3, "a", State::Partial, false),
            row(4, "b", State::Complete, true),
        ];
        let pick = |snapshot: &str, before: Option<i64>| {
            let before = before.map(Time::from_secs);
            let pick = Pick { asset: "a".into(), snapshot: snapshot.into(), before };
            pick.among(&rows).map(|row| row.time.nanos() / 1_000_000_000).map_err(|e| e.to_string())
        };
        assert_eq!(pick("latest", None), Ok(2));
        assert_eq!(pick("latest", Some(2)), Ok(1));
        assert_eq!(pick("last-known-good", None), Ok(1));
        assert!(pick("last-known-good", Some(1)).unwrap_err().contains("of a whole one"));
        assert_eq!(pick(&rows[2].id.to_string()[..8], None), Ok(3));
        assert!(pick(&rows[3].id.to_string()[..8], None).is_err(), "of another asset");
    }
}
