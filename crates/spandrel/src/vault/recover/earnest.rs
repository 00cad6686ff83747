//! A recovery in earnest: fencing first, then the plan, on this machine as it is.
//!
//! Invariant: two sites never run the same plant: when the failed one still answers, nothing is
//! begun unless two people whom the vault knows have signed for it.

use super::{
    Recovery,
    desk::Desk,
    health, read_people,
    steps::{Heard, Runner},
    tell,
};
use anyhow::{Context as _, Result, bail};
use std::{fs, path::Path, process::ExitCode, time::Duration};
use vault::recovery::{Fenced, Mode};

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
    let Some(fencing) = &runner.plan.fencing else { return Ok(None) };
    let probe = fencing.probe.clone();
    let within = Duration::from_secs(fencing.timeout_secs);
    let answered = health::reach(&probe, within).is_ok();
    let mut fenced = Fenced { probe, answered, overridden_by: Vec::new(), reason: None };
    if !answered {
        return Ok(Some(fenced));
    }
    let Some(reason) = overriding else {
        bail!(
            "{} still answers: the failed site is alive. Switch it off, or give \
             --override-fencing REASON with the keys of two people (--as)",
            fenced.probe
        );
    };
    let given = runner.sign(&format!("fencing overridden: {reason}"))?;
    if given.len() < 2 {
        bail!(
            "{} still answers, and {} of the two people who must sign are here; give --as twice",
            fenced.probe,
            given.len()
        );
    }
    fenced.overridden_by = given.iter().map(|approval| approval.by.clone()).collect();
    fenced.reason = Some(reason.to_owned());
    runner.approvals.extend(given);
    Ok(Some(fenced))
}
