//! Who looks on while a backup, a restore or a proof runs, and may slow it down.
//!
//! Not here: who that is. Invariant: nothing an onlooker does changes what is read or written.

use std::path::Path;

pub trait Onlooker: Send + Sync {
    /// So many bytes of this entry went by. The work waits for the answer: a limit of bandwidth
    /// is an onlooker that sleeps.
    fn passed(&self, path: &Path, bytes: u64);
}

/// Nobody.
impl Onlooker for () {
    fn passed(&self, _: &Path, _: u64) {}
}
