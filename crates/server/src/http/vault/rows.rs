//! The vault's own words as rows of the API.
//!
//! Not here: asking the vault. Invariant: a row says what the vault said, in other words at most.

use crate::{
    http::dto::*,
    protect::{
        VaultSettings,
        fence::Fence,
        view::{self, Request},
        work::Rules,
    },
};

pub(crate) fn rules(rules: &Rules, settings: &VaultSettings) -> RetentionRules {
    RetentionRules {
        keep_last: rules.keep_last,
        keep_hourly: rules.keep_hourly,
        keep_daily: rules.keep_daily,
        keep_weekly: rules.keep_weekly,
        keep_monthly: rules.keep_monthly,
        keep_yearly: rules.keep_yearly,
        lock_days: rules.lock_days,
        locked: rules.locked,
        undelete_days: rules.undelete_days,
        release_delay_hours: rules.release_delay_hours,
        lock_days_max: rules.lock_days_max,
        auto_forget: settings.auto_forget,
    }
}

pub(crate) fn release_row(request: &Request) -> Release {
    Release {
        number: request.number,
        snapshot: request.snapshot.clone(),
        reason: request.reason.clone(),
        by: request.by.clone(),
        from: request.from,
    }
}

pub(crate) fn weaker_row(weaker: &view::WeakerRules, settings: &VaultSettings) -> WeakerRules {
    WeakerRules {
        number: weaker.number,
        rules: rules(&weaker.rules, settings),
        by: weaker.by.clone(),
        from: weaker.from,
    }
}

pub(crate) fn fence_row(fence: &Fence) -> VaultFence {
    let Fence { site, at, by, plan, heard_at } = fence.clone();
    VaultFence { site, at, by, plan, heard_at }
}

pub(crate) fn withdrawn_row(row: &view::Withdrawn) -> WithdrawnSnapshot {
    WithdrawnSnapshot {
        id: row.id.clone(),
        time: row.time,
        asset: row.asset.clone(),
        files: row.files,
        bytes: row.bytes,
        deleted_at: row.deleted_at,
        until: row.until,
        here: row.here,
    }
}

pub(crate) fn target_row(target: &view::Target) -> VaultTarget {
    VaultTarget {
        address: target.address.clone(),
        mode: target.mode.clone(),
        tried_at: target.tried_at,
        copied_at: target.copied_at,
        entries: target.entries,
        snapshots: target.snapshots,
        objects: target.objects,
        bytes: target.bytes,
        locked_until: target.locked_until,
        held: target.held,
        covered: target.covered.len() as u64,
        missing: target.missing.len() as u64,
        gone: target.gone.len() as u64,
        notes: target.notes.clone(),
        error: target.error.clone(),
    }
}
