//! Another site said that it has taken over: a finding, until the vault here follows it or a person
//! says that it is not so.
//!
//! What was heard lies beside the vault, where its server and its copies put it; backups are
//! refused by the vault itself. Not here: hearing it. Invariant: a fence is a finding as long as it
//! stands, whatever was done with the finding.

use super::copying::finding_id;
use crate::{
    app::{Shared, now},
    clock,
};
use model::{Engine, Evidence, Finding, Insight, Severity, Time};
use serde::Deserialize;
use std::path::Path;

/// A finding of a fence that stands is raised again after so long.
const SAID_AGAIN_S: i64 = 3_600;

/// As it lies beside the vault.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Fence {
    /// Who took over.
    pub(crate) site: String,
    pub(crate) at: Time,
    pub(crate) by: String,
    /// The recovery plan that was run there in earnest.
    pub(crate) plan: Option<String>,
    pub(crate) heard_at: Time,
}

impl Fence {
    async fn of(vault: &Path) -> Option<Self> {
        let text = tokio::fs::read(vault.join(".fenced")).await.ok()?;
        serde_json::from_slice(&text).ok()
    }

    pub(crate) fn in_words(&self) -> String {
        let Self { site, at, by, plan, .. } = self;
        // Who reads it at night wants no microseconds.
        let at = at.to_string().replace('T', " ");
        let at = format!("{} UTC", at.split('.').next().unwrap_or_default());
        match plan {
            Some(plan) => {
                format!("{site} ran the recovery plan \"{plan}\" in earnest at {at} (by {by})")
            }
            None => format!("{site} was promoted at {at} (by {by})"),
        }
    }
}

/// Says that this site is fenced, when it is.
pub(super) async fn look(app: &Shared, vault: &Path) -> store::Result<()> {
    let fence = Fence::of(vault).await;
    let now = now();
    {
        let mut said = app.protect.said_fenced.lock().expect("no panic holds it");
        let last = *said;
        match &fence {
            None => {
                *said = None;
                return Ok(());
            }
            Some(_) if last.is_some_and(|last| clock::is_within(last, SAID_AGAIN_S, now)) => {
                return Ok(());
            }
            Some(_) => *said = Some(now),
        }
    }
    let Some(fence) = fence else { return Ok(()) };
    app.protect.changed().await;
    tracing::error!(site = fence.site, at = %fence.at, "another site has taken over: fenced");
    app.store.take(super::SOURCE, now, vec![Insight::Finding(finding(&fence, now))]).await
}

fn finding(fence: &Fence, at: Time) -> Finding {
    let value = fence.in_words();
    let title = format!("{value}; this site is fenced");
    let id = finding_id("site-fenced", &fence.site);
    let path = "vault/fenced".to_owned();
    let evidence = Evidence::Fact { at, path, value: value.clone(), source: fence.site.clone() };
    let kind = (Engine::Operational, Severity::Critical);
    let mut finding = Finding::new(id, "site-fenced", kind, title, at, evidence);
    finding.explanation = format!(
        "{value}. Two sites must not run one plant: no backup goes into the vault here, and no \
         recovery plan is run here without two people, until this site follows the other one."
    );
    finding.runbook = "Stop here what the plan starts at the other site, if it still runs.\n\
                       Call the other site and make sure that it is so.\n\
                       If it is: follow it with spandrel vault failback (docs/recovery.md, Back \
                       again).\n\
                       If it is not: lift the fence with spandrel vault unfence, and change the \
                       token of the client that said it."
        .to_owned();
    finding
}
