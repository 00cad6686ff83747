//! Who looks on while a backup, a restore or a proof runs, and may slow it down.
//!
//! Not here: who that is. Invariant: an onlooker may slow work down or end it, and
//! changes nothing of what is read or written until then.

use std::path::Path;

pub trait Onlooker: Send + Sync {
    /// So many bytes of this entry went by. The work waits for the answer: a limit of bandwidth
    /// is an onlooker that sleeps.
    fn passed(&self, path: &Path, bytes: u64);

    /// Whether to go on: asked before each chunk of a restore. What is whole by then stays.
    fn goes_on(&self) -> bool {
        true
    }

    /// Why not; it is said of what was not done.
    fn why_not(&self) -> String {
        "broken off".to_owned()
    }
}

/// Nobody.
impl Onlooker for () {
    fn passed(&self, _: &Path, _: u64) {}
}
