//! Coverage: is each asset protected, and where it is not, why.
//!
//! Pure: from assets, plans and what their runs came to. Invariant: an asset has exactly one
//! state, and each state other than protected has a reason and something to do.

use super::{
    reach,
    spec::{self, Target},
};
use crate::{
    clock,
    http::dto::{CoverageRow, PlanSpec},
};
use model::{AssetClass, Time};
use std::collections::BTreeMap;
use store::{AssetRecord, Origin, Protection, RunState};

/// A plan with what it comes to.
pub(crate) struct Planned {
    pub(crate) id: String,
    pub(crate) spec: PlanSpec,
    pub(crate) targets: Vec<Target>,
}

/// One row for each asset of the site, and one for each subject that is no asset; the worst first.
pub(crate) fn rows(
    assets: &[AssetRecord],
    plans: &[Planned],
    known: &[Protection],
    now: Time,
) -> Vec<CoverageRow> {
    let known: BTreeMap<(&str, &str), &Protection> =
        known.iter().map(|p| ((p.plan.as_str(), p.target.as_str()), p)).collect();
    let mut of: BTreeMap<&str, Vec<(&Planned, &Target)>> = BTreeMap::new();
    for plan in plans {
        for target in &plan.targets {
            of.entry(&target.id).or_default().push((plan, target));
        }
    }
    let mut rows = Vec::new();
    for asset in assets.iter().filter(|asset| asset.class != AssetClass::External) {
        let plans = of.remove(asset.id.0.as_str()).unwrap_or_default();
        let mut row = best(&plans, &known, now).unwrap_or_else(|| unplanned(asset));
        row.asset = Some(asset.id.0.clone());
        row.name.clone_from(&asset.name);
        row.class = Some(asset.class);
        row.criticality = asset.criticality;
        rows.push(row);
    }
    for (_, plans) in of {
        rows.extend(best(&plans, &known, now));
    }
    rows.sort_by(|a, b| {
        // Of what has no plan first that which could have one.
        let hopeless = |row: &CoverageRow| row.plan.is_none() && row.suggested.is_empty();
        let rank = |row: &CoverageRow| {
            (order(&row.state), std::cmp::Reverse(row.criticality), hopeless(row))
        };
        rank(a)
            .cmp(&rank(b))
            .then_with(|| a.name.cmp(&b.name))
            .then_with(|| a.target.cmp(&b.target))
    });
    rows
}

/// Worst first: what was promised and is not kept stands before what nobody promised.
fn order(state: &str) -> u8 {
    match state {
        "failing" => 0,
        "late" => 1,
        "partial" => 2,
        "waiting" => 3,
        "unprotected" => 4,
        _ => 5,
    }
}

fn best(
    plans: &[(&Planned, &Target)],
    known: &BTreeMap<(&str, &str), &Protection>,
    now: Time,
) -> Option<CoverageRow> {
    let rows = plans.iter().map(|(plan, target)| {
        let known = known.get(&(plan.id.as_str(), target.id.as_str()));
        planned(plan, target, known.copied(), now)
    });
    rows.max_by_key(|row| order(&row.state))
}

fn blank(target: &str, name: &str) -> CoverageRow {
    CoverageRow {
        target: target.to_owned(),
        asset: None,
        name: name.to_owned(),
        class: None,
        criticality: None,
        state: "unprotected".to_owned(),
        reason: String::new(),
        plan: None,
        plan_name: None,
        rpo_minutes: None,
        last_run: None,
        last_state: None,
        last_at: None,
        complete_at: None,
        snapshot: None,
        proven_at: None,
        proven_level: None,
        recovered_at: None,
        recovered_snapshot: None,
        agent: None,
        suggested: Vec::new(),
    }
}

fn unplanned(asset: &AssetRecord) -> CoverageRow {
    let suggested: Vec<String> = spec::suggested(asset).into_iter().map(str::to_owned).collect();
    let reason = if let Some(why) = reach::unreachable(asset) {
        let approve =
            if asset.origin == Origin::Capture { "; approve it if it is yours" } else { "" };
        format!("it {why}: nothing is asked of it{approve}")
    } else if suggested.is_empty() {
        let spoken = match asset.protocols.as_slice() {
            [] => "nothing".to_owned(),
            some => some.iter().take(4).cloned().collect::<Vec<_>>().join(", "),
        };
        format!("no source reads it over what it speaks ({spoken}); back up its project files")
    } else {
        "no plan covers it".to_owned()
    };
    CoverageRow { reason, suggested, ..blank(&asset.id.0, &asset.name) }
}

fn planned(plan: &Planned, target: &Target, known: Option<&Protection>, now: Time) -> CoverageRow {
    let (state, reason) = judge(&plan.spec, target, known, now);
    let mut row = CoverageRow {
        state: state.to_owned(),
        reason,
        plan: Some(plan.id.clone()),
        plan_name: Some(plan.spec.name.clone()),
        rpo_minutes: Some(plan.spec.rpo_minutes),
        agent: plan.spec.agent.clone(),
        ..blank(&target.id, &target.name)
    };
    if let Some(known) = known {
        row.last_run.clone_from(&known.last_run);
        row.last_state = known.last_state;
        row.last_at = known.last_at;
        row.complete_at = known.complete_at;
        row.snapshot = known.complete_snapshot.clone().or(known.partial_snapshot.clone());
        (row.proven_at, row.proven_level) = (known.proven_at, known.proven_level);
        row.recovered_at = known.recovered_at;
        row.recovered_snapshot.clone_from(&known.recovered_snapshot);
    }
    row
}

fn judge(
    spec: &PlanSpec,
    target: &Target,
    known: Option<&Protection>,
    now: Time,
) -> (&'static str, String) {
    if let Err(why) = &target.sources {
        return ("failing", why.to_string());
    }
    let Some(known) = known.filter(|known| known.last_at.is_some()) else {
        let off = "its plan is switched off and no backup was ever made";
        let soon = "its first backup has not run yet";
        let soon = target.note.as_ref().map_or(soon.to_owned(), |note| format!("{soon}; {note}"));
        return if spec.enabled { ("waiting", soon) } else { ("unprotected", off.into()) };
    };
    let fresh = |at: Option<Time>| {
        at.is_some_and(|at| clock::is_within(at, i64::from(spec.rpo_minutes) * 60, now))
    };
    let why = known.last_detail.clone().unwrap_or_else(|| "the last backup failed".to_owned());
    if fresh(known.complete_at) {
        // Whole, but for example read in clear.
        let warned =
            known.last_detail.clone().filter(|_| known.last_state == Some(RunState::Complete));
        return ("protected", warned.unwrap_or_default());
    }
    if fresh(known.partial_at) {
        return ("partial", why);
    }
    let failed = matches!(known.last_state, Some(RunState::Failed | RunState::Partial));
    if known.complete_at.is_some_and(|at| !clock::has_been(at, now)) {
        let why =
            "this server's clock was set back since: how old its last backup is, nobody knows";
        return ("late", why.to_owned());
    }
    match known.complete_at.or(known.partial_at) {
        None => ("failing", format!("never succeeded: {}", explained(&why))),
        Some(_) if failed => ("late", format!("the last backup failed: {}", explained(&why))),
        Some(_) if !spec.enabled => ("late", "its plan is switched off".to_owned()),
        Some(_) => {
            let late = "the last complete backup is older than the plan allows";
            let note = target.note.as_ref().map_or(String::new(), |note| format!("; {note}"));
            ("late", format!("{late}{note}"))
        }
    }
}

/// A refused login has its own thing to do.
fn explained(why: &str) -> String {
    let lower = why.to_lowercase();
    let login = ["password", "login", "credential", "authenticat", "401", "530 "];
    if login.iter().any(|word| lower.contains(word)) {
        return format!("{why}; put its login into the file of logins");
    }
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(targets: Vec<Target>) -> Planned {
        let spec = serde_json::from_value(serde_json::json!({
            "name": "p", "subject": "s", "sources": ["files:/x"], "every_minutes": 60,
            "rpo_minutes": 60,
        }))
        .expect("a plan");
        Planned { id: "pln".into(), spec, targets }
    }

    fn state(known: Option<Protection>) -> (String, String) {
        let sources = Ok(vec!["files:/x".into()]);
        let target = Target { id: "s".into(), name: "s".into(), sources, note: None };
        let known: Vec<_> = known
            .map(|k| Protection { plan: "pln".into(), target: "s".into(), ..k })
            .into_iter()
            .collect();
        let rows = rows(&[], &[plan(vec![target])], &known, Time::from_secs(10_000));
        assert_eq!(rows.len(), 1);
        (rows[0].state.clone(), rows[0].reason.clone())
    }

    #[test]
    fn a_target_has_the_state_its_runs_came_to() {
        let at = |secs| Some(Time::from_secs(secs));
        let base = Protection { last_at: at(9_000), ..Protection::default() };
        assert_eq!(state(None).0, "waiting");
        let done = Protection { complete_at: at(9_000), ..base.clone() };
        assert_eq!(state(Some(done.clone())).0, "protected");
        let (last_state, last_detail) = (Some(RunState::Complete), Some("read in clear".into()));
        let warned = Protection { last_state, last_detail, ..done.clone() };
        assert_eq!(state(Some(warned)), ("protected".into(), "read in clear".into()));
        let old = Protection { complete_at: at(1_000), ..done.clone() };
        assert_eq!(state(Some(old.clone())).0, "late");
        let ahead = Protection { complete_at: at(90_000), ..done.clone() };
        assert_eq!(state(Some(ahead)).0, "late", "the clock was set back: its age is not known");
        let half = Protection { partial_at: at(9_000), ..old };
        assert_eq!(state(Some(half)).0, "partial");
        let never = Protection {
            last_state: Some(RunState::Failed),
            last_detail: Some("530 Login incorrect".into()),
            ..base
        };
        let (word, reason) = state(Some(never));
        assert_eq!(word, "failing");
        assert!(reason.contains("file of logins"), "{reason}");
    }
}
