//! Deleting what a plan allows: snapshots, then the space only they used.
//!
//! Invariant: the log says what will be deleted before the first byte goes, from a plan made in
//! the same turn; a plan shown earlier is never executed against a vault that has changed.

use crate::{
    engine::VaultEngine,
    error::Result,
    event::Event,
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
        if !plan.remove.is_empty() {
            let mut manifest = Manifest::default();
            self.append(now, |ledger| {
                // Made anew: a hold may have come since.
                plan = retention::plan(ledger, now);
                let going = || plan.remove.iter().map(Removable::snapshot);
                manifest.removed = going().map(|id| format!("snapshots/{id}")).collect();
                let snapshots = going().collect();
                Ok(Event::Forgot { snapshots, objects: self.record(&manifest)? })
            })?;
            manifest.apply(&mut objects);
            self.engine.forget(&plan.remove)?;
        }
        let before = self.engine.objects()?;
        self.engine.prune()?;
        let after = self.engine.objects()?;
        let mut manifest = self.difference(&objects)?;
        // Not what was lost before: that stays on the list, and `verify` keeps naming it.
        manifest.removed = before.keys().filter(|p| !after.contains_key(*p)).cloned().collect();
        if !manifest.is_empty() {
            let change = self.record(&manifest)?;
            self.append(now, |_| Ok(Event::Pruned { objects: change }))?;
        }
        Ok(plan)
    }
}
