//! Deleting what a plan allows: snapshots, then the space only they used.
//!
//! Invariant: the log says what will be deleted before the first byte goes, from a plan made in
//! the same turn; a plan shown earlier is never executed against a vault that has changed.

use crate::{
    engine::VaultEngine,
    error::Result,
    event::{Event, SnapshotId},
    limits::FORGOTTEN_AT_ONCE_MAX,
    manifest::Manifest,
    retention::{self, Plan, Removable},
    vault::{Unlocked, Vault, Working},
};
use model::Time;

impl Vault {
    /// What `forget` would do now.
    pub fn plan(&self, now: Time) -> Result<Plan> {
        Ok(retention::plan(&self.ledger()?, now))
    }
}

impl Unlocked {
    /// Makes a plan, deletes what it allows and reclaims space; returns the plan.
    pub fn forget(&self, now: Time) -> Result<Plan> {
        let _working = Working::begin(&self.vault)?;
        let mut objects = self.reconcile(now)?.objects;
        let mut plan = self.vault.plan(now)?;
        // Only what the first plan allows: each entry moves the clock, and what it frees then is
        // for another day.
        let allowed: Vec<SnapshotId> = plan.remove.iter().map(Removable::snapshot).collect();
        plan.remove.clear();
        for part in allowed.chunks(FORGOTTEN_AT_ONCE_MAX) {
            let (mut manifest, mut going) = (Manifest::default(), Vec::new());
            self.append(now, |ledger| {
                // Made anew: a hold may have come since.
                let Plan { clock, remove, keep } = retention::plan(ledger, now);
                (plan.clock, plan.keep) = (clock, keep);
                going = remove.into_iter().filter(|r| part.contains(&r.snapshot())).collect();
                let snapshots: Vec<_> = going.iter().map(Removable::snapshot).collect();
                let path = |id: &SnapshotId| format!("snapshots/{id}");
                manifest.removed = snapshots.iter().map(path).collect();
                Ok(Event::Forgot { snapshots, objects: self.record(&manifest)? })
            })?;
            manifest.apply(&mut objects);
            self.set_aside(&going)?;
            self.engine.forget(&going)?;
            plan.remove.append(&mut going);
        }
        let before = self.engine.objects()?;
        let ledger = self.vault.ledger()?;
        self.engine.prune(ledger.kept_hours(now))?;
        let after = self.engine.objects()?;
        let mut manifest = self.difference(&objects)?;
        // Not what was lost before: that stays on the list, and `verify` keeps naming it.
        manifest.removed = before.keys().filter(|p| !after.contains_key(*p)).cloned().collect();
        if !manifest.is_empty() {
            self.seal(&manifest);
            let change = self.record(&manifest)?;
            self.append(now, |_| Ok(Event::Pruned { objects: change }))?;
        }
        self.clear_aside(&ledger, ledger.clock_at(now))?;
        Ok(plan)
    }
}
