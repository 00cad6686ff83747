//! `spandrel vault recover`: check a plan, drill it in isolation, follow it in earnest.
//!
//! Invariant: a drill reaches nothing outside itself and leaves nothing behind but its report; a
//! real recovery begins only when the failed site no longer answers, or two people say so.

pub mod desk;
pub mod drill;
mod earnest;
mod ending;
mod folder;
mod health;
mod kit;
#[cfg(feature = "control-plane")]
pub mod product;
#[cfg(feature = "control-plane")]
pub mod rehearsal;
mod steps;

use super::{Key, answer, canary, complain, exit, now, print_json, print_line, read_text};
use anyhow::{Context as _, Result, bail};
use desk::Wait;
use model::Time;
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};
use steps::Heard;
use vault::{
    PersonKey, Sha256, Unlocked, Vault,
    log::VerifyingKey,
    recovery::{Action, CanaryFound, Mode, Plan, Report, compare, page},
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Say what is wrong with a plan, before it is needed
    Check {
        plan: PathBuf,
        #[command(flatten)]
        place: Place,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Follow a plan in a network of its own and measure it; leaves only the report
    Drill {
        plan: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        report: ReportOptions,
        /// Folder for the recovered data while the drill runs
        #[arg(long, value_name = "DIR")]
        work: Option<PathBuf>,
        /// Wait for people at their steps
        #[arg(long)]
        attended: bool,
    },
    /// Follow a plan in earnest: what it starts stays
    Run {
        plan: PathBuf,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        report: ReportOptions,
        /// Folder for the recovered data; must be empty
        #[arg(long, value_name = "DIR")]
        to: PathBuf,
        /// Go on although the failed site still answers; needs the keys of two people
        #[arg(long, value_name = "REASON")]
        override_fencing: Option<String>,
    },
    /// Show where two copies of a vault part and what only one of them has; needs no key
    Compare {
        dir_a: PathBuf,
        dir_b: PathBuf,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// Fingerprint of a folder, to compare with that of a restore kit
    Fingerprint {
        folder: PathBuf,
        /// `json`: one object on standard output
        #[arg(long, value_parser = ["json"])]
        format: Option<String>,
    },
    /// The part of a drill that is isolated
    #[command(hide = true)]
    Inside { job: PathBuf },
    /// In a drill: somebody who is not root, waiting for what to start
    #[command(hide = true)]
    Another { root: PathBuf },
}

#[derive(clap::Args)]
pub struct Place {
    /// Directory of the vault
    #[arg(long, value_name = "DIR")]
    vault: PathBuf,
    #[command(flatten)]
    key: Key,
}

#[derive(clap::Args)]
pub struct ReportOptions {
    /// Folder for the report
    #[arg(long = "report", value_name = "DIR", default_value = "recovery-reports")]
    folder: PathBuf,
    /// When the site failed, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    failed_at: Option<String>,
    /// Key file of a person who approves; give it again for more
    #[arg(long = "as", value_name = "PERSON")]
    people: Vec<PathBuf>,
    /// `json`: one object on standard output
    #[arg(long, value_parser = ["json"])]
    format: Option<String>,
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Check { plan, place, format } => check(plan, place, format),
        Options::Drill { plan, place, report, work, attended } => {
            let mut recovery = Recovery::begin(plan, place, report, Mode::Drill)?;
            let people = recovery.people.clone();
            let setting = drill::Setting {
                confined: false,
                work: work.as_deref(),
                key_file: place.key.file(),
                people: &people,
                attended: *attended,
                console: None,
                ending: Some(ending::Ending::listen()?),
            };
            drill::perform(&mut recovery, setting, &mut |_, heard| {
                tell(heard);
                Ok(())
            })?;
            recovery.end()
        }
        Options::Run { plan, place, report, to, override_fencing } => {
            let recovery = Recovery::begin(plan, place, report, Mode::Run)?;
            earnest::run(recovery, to, override_fencing.as_deref())
        }
        Options::Compare { dir_a, dir_b, format } => {
            let found = compare(&Vault::open(dir_a)?, &Vault::open(dir_b)?)?;
            answer(&found, format, |found| {
                print_line(&format!("the first {} log entries are the same", found.common))?;
                for (name, side) in [(dir_a, &found.only_a), (dir_b, &found.only_b)] {
                    let n = side.entries;
                    print_line(&format!("only in {}: {n} entries", name.display()))?;
                    side.snapshots.iter().try_for_each(|id| print_line(&format!("  {id}")))?;
                }
                Ok(())
            })?;
            let same = found.only_a.entries + found.only_b.entries == 0;
            Ok(exit(same))
        }
        Options::Fingerprint { folder, format } => {
            let found = kit::fingerprint(folder)?;
            answer(&found, format, |found| print_line(&found.fingerprint.to_string()))?;
            Ok(ExitCode::SUCCESS)
        }
        Options::Inside { job } => drill::inside(job),
        Options::Another { root } => drill::another(root),
    }
}

/// The plan and the hash of its file.
fn read_plan(path: &Path) -> Result<(Plan, Sha256)> {
    let text = read_text(path)?;
    let plan = toml::from_str(&text).with_context(|| format!("{} is no plan", path.display()))?;
    Ok((plan, Sha256::of(text.as_bytes())))
}

#[derive(Serialize)]
struct Checked {
    ok: bool,
    problems: Vec<String>,
    groups: Vec<String>,
}

/// For whoever sits at the terminal.
fn tell(heard: &Heard) {
    match heard {
        Heard::Begun(_) => {}
        Heard::Waits(Wait { step, text, role, .. }) => {
            complain(&format!("{}: {text} ({step})", role.as_deref().unwrap_or("people")));
        }
        Heard::Ended(step) => {
            complain(&format!("{}: {} / {}", step.outcome.word(), step.group, step.title));
        }
    }
}

fn check(path: &Path, place: &Place, format: &Option<String>) -> Result<ExitCode> {
    let (plan, _) = read_plan(path)?;
    let vault = Vault::open(&place.vault)?.unlock(place.key.file())?;
    let known = vault.vault().ledger()?.people.len();
    let problems = problems(&plan, &vault, known)?;
    let order = plan.order().unwrap_or_default();
    let groups = order.iter().map(|group| group.name.clone()).collect();
    let checked = Checked { ok: problems.is_empty(), problems, groups };
    answer(&checked, format, |checked| {
        let Checked { groups, problems, .. } = checked;
        if problems.is_empty() {
            print_line(&format!("plan {:?} can be followed: {}", plan.name, groups.join(", ")))?;
        }
        Ok(())
    })?;
    checked.problems.iter().for_each(|problem| complain(problem));
    Ok(exit(checked.ok))
}

/// What is wrong with a plan, in itself and with this vault; so many people can approve.
fn problems(plan: &Plan, vault: &Unlocked, people: usize) -> Result<Vec<String>> {
    let mut problems = plan.problems();
    problems.extend(missing(plan, vault, people)?);
    Ok(problems)
}

/// What the plan needs of the vault and the vault does not have.
fn missing(plan: &Plan, vault: &Unlocked, people: usize) -> Result<Vec<String>> {
    let mut found = BTreeSet::new();
    for step in plan.groups.iter().flat_map(|group| &group.steps) {
        let (pick, path) = match step.action() {
            Ok(Action::Restore(restore)) => (restore.pick(), &restore.path),
            Ok(Action::Kit(kit)) => (kit.pick(), &kit.path),
            Ok(Action::Approve(approve)) if approve.people > people => {
                let n = approve.people;
                found.insert(format!("{n} people must approve, the vault knows {people}"));
                continue;
            }
            _ => continue,
        };
        match vault.pick(&pick) {
            Ok(row) if !vault.holds(&row.id, Path::new(path))? => {
                let id = &row.id.to_string()[..12];
                found.insert(format!("nothing in snapshot {id} of {} is at {path}", row.asset));
            }
            Ok(_) => {}
            Err(error) => drop(found.insert(error.to_string())),
        }
    }
    Ok(found.into_iter().collect())
}

/// A recovery that has been declared.
struct Recovery {
    declared: Instant,
    plan: Plan,
    vault: Unlocked,
    people: Vec<PathBuf>,
    report: Report,
    folder: PathBuf,
    format: Option<String>,
}

impl Recovery {
    /// From here on the time to recover runs.
    fn begin(plan: &Path, place: &Place, options: &ReportOptions, mode: Mode) -> Result<Self> {
        let (declared, declared_at) = (Instant::now(), now()?);
        let failed_at = match &options.failed_at {
            Some(text) => Time::parse(text).context("--failed-at is no RFC 3339 time")?,
            None => declared_at,
        };
        let plan = read_plan(plan)?;
        let vault = Vault::open(&place.vault)?.unlock(place.key.file())?;
        let mut begun = Self::declare(plan, vault, mode, (declared, declared_at))?;
        begun.report.failed_at = failed_at;
        begun.folder.clone_from(&options.folder);
        begun.people.clone_from(&options.people);
        begun.format.clone_from(&options.format);
        Ok(begun)
    }

    /// As if the site had failed at this moment.
    fn declare(
        (plan, plan_sha256): (Plan, Sha256),
        vault: Unlocked,
        mode: Mode,
        (declared, declared_at): (Instant, Time),
    ) -> Result<Self> {
        let problems = plan.problems();
        if let Some(first) = problems.first() {
            bail!("{first} ({} problems; `vault recover check` lists them)", problems.len());
        }
        Self::declared((plan, plan_sha256), vault, mode, (declared, declared_at))
    }

    /// The same of a plan that is known to be right.
    fn declared(
        (plan, plan_sha256): (Plan, Sha256),
        vault: Unlocked,
        mode: Mode,
        (declared, declared_at): (Instant, Time),
    ) -> Result<Self> {
        let (origin, log_entries, log_root) = vault.vault().log_state()?;
        let report = Report {
            id: id(mode, declared_at),
            mode,
            plan: plan.name.clone(),
            plan_sha256,
            vault: origin,
            log_entries,
            log_root,
            failed_at: declared_at,
            declared_at,
            ended_at: declared_at,
            ok: false,
            rto_ms: None,
            rto_target_ms: None,
            rpo_ms: None,
            rpo_target_ms: None,
            canaries: Vec::new(),
            snapshots: Vec::new(),
            isolation: None,
            fencing: None,
            steps: Vec::new(),
            approvals: Vec::new(),
            notes: Vec::new(),
        };
        let (folder, people, format) = (PathBuf::new(), Vec::new(), None);
        Ok(Self { declared, plan, vault, people, report, folder, format })
    }

    /// Looks for the canaries in what lies below `root`; `seen` are those that somebody found
    /// while the services ran.
    fn look_for_canaries(&mut self, root: &Path, mut seen: Vec<CanaryFound>) {
        let Some(check) = &self.plan.canary else { return };
        let known = |place: &&String| !seen.iter().any(|found| found.place == **place);
        let others: Vec<String> = check.found_in.iter().filter(known).cloned().collect();
        if let Some(key) = VerifyingKey::parse(&check.key) {
            seen.extend(canary::found_in(&others, root, &key));
        }
        self.report.canaries = seen;
    }

    /// Concludes and puts the hash of the report into the log; the report as JSON, and the number
    /// of the entry or why there is none.
    fn conclude(&mut self) -> Result<(Vec<u8>, vault::Result<u64>)> {
        self.report.ended_at = now()?;
        self.report.conclude(&self.plan);
        let json = serde_json::to_vec_pretty(&self.report)?;
        let ended = self.report.ended_at;
        let entry = self.vault.log_recovery(&self.report, Sha256::of(&json), ended);
        Ok((json, entry))
    }

    /// Concludes and writes the report in three forms.
    fn end(mut self) -> Result<ExitCode> {
        let (json, entry) = self.conclude()?;
        let report = &self.report;
        let cannot = || format!("cannot write the report to {}", self.folder.display());
        fs::create_dir_all(&self.folder).with_context(cannot)?;
        let mut files = Vec::new();
        for (kind, bytes) in [
            ("json", json),
            ("txt", report.text().into_bytes()),
            ("html", page(report).into_bytes()),
        ] {
            let path = self.folder.join(format!("{}.{kind}", report.id));
            fs::write(&path, bytes).with_context(cannot)?;
            files.push(path);
        }
        if let Err(error) = &entry {
            complain(&format!("the result is not in the vault's log: {error}"));
        }
        if self.format.is_some() {
            let report = serde_json::to_value(report)?;
            let entry = entry.ok();
            let answer = serde_json::json!({"report": report, "files": files, "log_entry": entry});
            print_json(&answer)?;
        } else {
            print_line(report.text().trim_end())?;
            let html = files.last().map(|path| path.display().to_string()).unwrap_or_default();
            complain(&format!("report in {html}"));
        }
        Ok(exit(report.ok))
    }
}

/// `drill-20261126T004400-1f3a`: readable, and different for each.
fn id(mode: Mode, time: Time) -> String {
    let mode = if mode == Mode::Drill { "drill" } else { "recovery" };
    let digits: String = time.to_string().chars().take(19).collect();
    let digits = digits.replace(['-', ':'], "");
    format!("{mode}-{digits}-{:x}", std::process::id())
}

fn read_people(paths: &[PathBuf]) -> Result<Vec<PersonKey>> {
    Ok(paths.iter().map(|path| PersonKey::read(path)).collect::<Result<_, _>>()?)
}
