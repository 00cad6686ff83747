//! A recovery in earnest: fencing first, then the plan, on this machine as it is.
//!
//! Invariant: two sites never run the same plant: when the failed one still answers, nothing is
//! begun unless two people whom the vault knows have signed for it. The same holds here when
//! another site said that it has taken over; and where a copy's plan is run, it says so itself.

use super::{
    Recovery,
    desk::Desk,
    health, read_people,
    steps::{Heard, Runner},
    tell,
};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path, process::ExitCode, time::Duration};
use vault::{
    recovery::{Fenced, Mode},
    site::{Fence, Takeover},
};

pub fn run(mut recovery: Recovery, to: &Path, overriding: Option<&str>) -> Result<ExitCode> {
    let used = fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some());
    if used {
        bail!("{} is not empty; recovered data must not mix with other data", to.display());
    }
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    let Recovery { declared, plan, vault, people, report, .. } = &mut recovery;
    let mut runner = Runner {
        vault,
        plan,
        plan_sha256: report.plan_sha256,
        id: report.id.clone(),
        mode: Mode::Run,
        root: to.canonicalize().context("cannot find the folder for the data")?,
        people: read_people(people)?,
        desk: Desk::Terminal,
        declared: *declared,
        services: Vec::new(),
        others: Vec::new(),
        used: Vec::new(),
        approvals: Vec::new(),
    };
    report.fencing = fence(&mut runner, overriding)?;
    let copy = runner.vault.vault();
    if copy.is_replica() {
        // Whoever mirrors from the lost site, or is asked by it, tells it from here on.
        let by = std::env::var("USER").unwrap_or_else(|_| "operator".to_owned());
        let took = Takeover::note(copy, Some(&runner.plan.name), &by, crate::vault::now()?)?;
        crate::complain(&format!("noted for the other site: {}", took.in_words()));
    }
    let steps = &mut report.steps;
    runner.follow(|heard| {
        tell(&heard);
        if let Heard::Ended(step) = heard {
            steps.push(step);
        }
        Ok(())
    })?;
    let root = runner.root.clone();
    (report.snapshots, report.approvals) = (runner.used, runner.approvals);
    recovery.look_for_canaries(&root, Vec::new());
    recovery.end()
}

fn fence(runner: &mut Runner<'_>, overriding: Option<&str>) -> Result<Option<Fenced>> {
    let heard = Fence::of(runner.vault.vault().directory());
    let fencing = runner.plan.fencing.as_ref();
    let probe = match (&heard, fencing) {
        (Some(heard), _) => heard.takeover.site.clone(),
        (None, Some(fencing)) => fencing.probe.clone(),
        (None, None) => return Ok(None),
    };
    let reached = |probe: &str, secs| health::reach(probe, Duration::from_secs(secs)).is_ok();
    let answers = fencing.is_some_and(|fencing| reached(&fencing.probe, fencing.timeout_secs));
    let answered = heard.is_some() || answers;
    let mut fenced = Fenced { probe, answered, overridden_by: Vec::new(), reason: None };
    if !answered {
        return Ok(Some(fenced));
    }
    let Some(reason) = overriding else {
        let why = match &heard {
            Some(heard) => heard.takeover.in_words(),
            None => format!("{} still answers: the failed site is alive", fenced.probe),
        };
        bail!(
            "{why}. Switch the other one off, or give --override-fencing REASON with the keys of \
             two people (--as)"
        );
    };
    let given = runner.sign(&format!("fencing overridden: {reason}"))?;
    if given.len() < 2 {
        bail!(
            "the other site runs ({}), and {} of the two people who must sign are here; give --as \
             twice",
            fenced.probe,
            given.len()
        );
    }
    fenced.overridden_by = given.iter().map(|approval| approval.by.clone()).collect();
    fenced.reason = Some(reason.to_owned());
    runner.approvals.extend(given);
    Ok(Some(fenced))
}
