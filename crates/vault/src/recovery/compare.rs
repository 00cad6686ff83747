//! Two copies of one vault that went different ways: where they part, and what only one has.
//!
//! After a failover the old site may still hold backups that never reached the second one. They
//! are not thrown away when it comes back. Needs no key. Invariant: two logs part at the first
//! entry whose hash differs; everything before it is proven to be the same.

use crate::{
    error::{Error, Result},
    event::SnapshotId,
    vault::Vault,
};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Entries that both logs begin with.
    pub common: u64,
    pub only_a: Side,
    pub only_b: Side,
}

#[derive(Debug, Serialize)]
pub struct Side {
    /// Log entries that the other one does not have.
    pub entries: u64,
    /// Snapshots that the other one does not know.
    pub snapshots: Vec<SnapshotId>,
}

pub fn compare(a: &Vault, b: &Vault) -> Result<Comparison> {
    if a.log_key() != b.log_key() {
        let text = "they are two vaults: their logs are signed with different keys";
        return Err(Error::Refused(text.to_owned()));
    }
    let ((ledger_a, log_a), (ledger_b, log_b)) = (a.read_log()?, b.read_log()?);
    // Roots of equal beginnings are equal, so the place where they part is found by halving.
    let (mut same, mut differs) = (0, log_a.size().min(log_b.size()) + 1);
    while differs - same > 1 {
        let middle = same + (differs - same) / 2;
        if log_a.root(middle) == log_b.root(middle) {
            same = middle;
        } else {
            differs = middle;
        }
    }
    let missing = |here: &crate::Ledger, there: &crate::Ledger| {
        here.snapshots.keys().filter(|id| !there.snapshots.contains_key(id)).copied().collect()
    };
    Ok(Comparison {
        common: same,
        only_a: Side { entries: log_a.size() - same, snapshots: missing(&ledger_a, &ledger_b) },
        only_b: Side { entries: log_b.size() - same, snapshots: missing(&ledger_b, &ledger_a) },
    })
}
