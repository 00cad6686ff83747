//! Follows a plan: group after group, step after step, each with its times and what was seen.
//!
//! The same code in a drill and in earnest; what differs is where it runs and what becomes of the
//! services. Invariant: every step of the plan ends up in the records, also those not reached.

use super::{
    desk::{Desk, Wait, Word},
    health, kit,
};
use crate::{page, vault::postgres};
use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::Write,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use vault::{
    Onlooker, PersonKey, Restored, Row, Sha256, Unlocked,
    recovery::{
        Action, Approval, Approve, Manual, Mode, Occasion, OnFail, Outcome, Pick, Plan, Postgres,
        Start, Step, StepRecord, Used, WaitFor,
    },
};

/// Where logs of services and their temporary files lie, below the recovered data.
const OWN: &str = ".recovery";

/// Health checks get so long when the plan does not say.
const USUAL_SECS: u64 = 60;

/// A database gets so long to replay its log when the plan does not say.
const REPLAY_SECS: u64 = 600;

/// People get so long when the plan does not say.
const PEOPLE_SECS: u64 = 3_600;

pub struct Runner<'a> {
    pub vault: &'a Unlocked,
    pub plan: &'a Plan,
    pub plan_sha256: Sha256,
    pub id: String,
    pub mode: Mode,
    /// Where the recovered data goes.
    pub root: PathBuf,
    pub people: Vec<PersonKey>,
    /// Where people are who do the manual steps.
    pub desk: Desk,
    pub declared: Instant,
    pub services: Vec<Service>,
    /// Those who wait to start something as somebody who is not root.
    pub others: Vec<Service>,
    pub used: Vec<Used>,
    pub approvals: Vec<Approval>,
}

pub struct Service {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Service {
    /// Starts it; its output goes to a log of its own below the recovered data.
    pub fn start(root: &Path, name: &str, mut command: Command) -> Result<Self> {
        let own = root.join(OWN);
        fs::create_dir_all(&own).context("cannot make a folder for logs")?;
        let log = own.join(format!("{}.log", name.replace('/', "_")));
        let output = File::create(&log).context("cannot make a log")?;
        command
            .stderr(output.try_clone().context("cannot use the log")?)
            .stdout(output)
            // Out of reach of the interrupt key: in earnest it must stay.
            .process_group(0);
        let child = command.spawn();
        let program = command.get_program().to_string_lossy().into_owned();
        let child = child.with_context(|| format!("cannot start {program}"))?;
        Ok(Self { name: name.to_owned(), child, log })
    }
}

/// What is heard of a plan while it is followed.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Heard {
    Begun(Begun),
    /// A step waits for people.
    Waits(Wait),
    Ended(StepRecord),
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Begun {
    pub group: String,
    pub title: String,
    pub kind: String,
    pub started_ms: u64,
}

/// Ends a restore when the time of its step is over.
struct Deadline(Option<Instant>);

impl Onlooker for Deadline {
    fn passed(&self, _: &Path, _: u64) {}

    fn goes_on(&self) -> bool {
        self.0.is_none_or(|end| Instant::now() < end)
    }
}

type Listener<'a> = &'a mut dyn FnMut(Heard) -> Result<()>;

/// How a step went that did not fail.
struct Done {
    outcome: Outcome,
    detail: String,
    by: Vec<String>,
}

impl Done {
    fn ok(detail: impl Into<String>) -> Self {
        Self { outcome: Outcome::Ok, detail: detail.into(), by: Vec::new() }
    }

    fn not_exercised(detail: &str) -> Self {
        Self { outcome: Outcome::NotExercised, detail: detail.to_owned(), by: Vec::new() }
    }
}

impl Runner<'_> {
    /// Goes through the whole plan; `each` hears of every step as it begins and ends.
    pub fn follow(&mut self, mut each: impl FnMut(Heard) -> Result<()>) -> Result<()> {
        let plan = self.plan;
        let order = plan.order().context("the groups wait for each other in a circle")?;
        let mut failed_groups: Vec<&str> = Vec::new();
        let mut stopped = false;
        for group in order {
            let after_failed = group.after.iter().any(|name| failed_groups.contains(&&name[..]));
            let mut skipping = stopped || after_failed;
            for step in &group.steps {
                let record = if skipping {
                    self.left_out(&group.name, step)
                } else {
                    self.take(&group.name, step, &mut each)?
                };
                if record.outcome == Outcome::Failed && step.on_fail != OnFail::Continue {
                    skipping = true;
                    stopped |= step.on_fail == OnFail::Stop;
                }
                each(Heard::Ended(record))?;
            }
            if skipping {
                failed_groups.push(&group.name);
            }
        }
        Ok(())
    }

    fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.declared.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn left_out(&self, group: &str, step: &Step) -> StepRecord {
        let now = self.elapsed_ms();
        record(group, step, (now, now), Outcome::Skipped, "something before it failed", Vec::new())
    }

    fn take(&mut self, group: &str, step: &Step, each: Listener<'_>) -> Result<StepRecord> {
        let started = self.elapsed_ms();
        let title = format!("{group} / {}", step.title());
        each(Heard::Begun(Begun {
            group: group.to_owned(),
            title: step.title(),
            kind: kind(step).to_owned(),
            started_ms: started,
        }))?;
        let result = match step.action() {
            Ok(action) => self.act(&title, step, action, each),
            Err(what) => Err(anyhow::anyhow!(what)),
        };
        let times = (started, self.elapsed_ms());
        Ok(match result {
            Ok(Done { outcome, detail, by }) => record(group, step, times, outcome, &detail, by),
            Err(error) => {
                let detail = format!("{error:#}");
                record(group, step, times, Outcome::Failed, &detail, Vec::new())
            }
        })
    }

    fn act(
        &mut self,
        title: &str,
        step: &Step,
        action: Action<'_>,
        each: Listener<'_>,
    ) -> Result<Done> {
        let within = Duration::from_secs(step.timeout_secs.unwrap_or(USUAL_SECS));
        match action {
            Action::Restore(restore) => {
                let (row, done) = self.fetch(&restore.pick(), &restore.path, &restore.to, step)?;
                let Restored { files, bytes, .. } = done;
                let id = &row.id.to_string()[..12];
                let noun = if files == 1 { "file" } else { "files" };
                Ok(Done::ok(format!(
                    "{files} {noun}, {} of snapshot {id} of {} UTC",
                    page::size(bytes),
                    page::second(row.time)
                )))
            }
            Action::Kit(wanted) => {
                let files = format!("{}/files", wanted.to);
                let (row, _) = self.fetch(&wanted.pick(), &wanted.path, &files, step)?;
                let folder = self.root.join(&wanted.to);
                let fingerprint = kit::write(&folder, &wanted.instructions, &row)?;
                Ok(Done::ok(format!("in {}, fingerprint {fingerprint}", wanted.to)))
            }
            Action::Start(start) => self.start(start),
            Action::Postgres(wanted) => {
                let within = step.timeout_secs.unwrap_or(REPLAY_SECS);
                self.postgres(wanted, Duration::from_secs(within))
            }
            Action::WaitFor(check) => self.wait_for(check, within),
            Action::Manual(manual) => self.manual(title, manual, step.timeout_secs, each),
            Action::Approve(approve) => self.approve(title, approve, step.timeout_secs, each),
        }
    }

    /// Restores what is at `path` of the picked snapshot to `to` itself.
    fn fetch(&mut self, pick: &Pick, path: &str, to: &str, step: &Step) -> Result<(Row, Restored)> {
        let row = self.vault.pick(pick)?;
        let target = self.root.join(to);
        // All of a snapshot has no place of its own to be put in the place of.
        let only = Some(Path::new(path)).filter(|path| *path != Path::new("/"));
        let within = step.timeout_secs.map(Duration::from_secs);
        let end = Deadline(within.and_then(|within| Instant::now().checked_add(within)));
        let done = self.vault.extract_watched(&row.id, &target, only, true, &end);
        if let Some(secs) = step.timeout_secs.filter(|_| !end.goes_on()) {
            bail!("it took longer than {secs} s and was broken off");
        }
        let done = done?;
        if let Some(fault) = done.errors.first() {
            let n = done.errors.len();
            bail!("{n} files were not restored, the first {}: {}", fault.path, fault.error);
        }
        let used = Used { id: row.id, asset: row.asset.clone(), time: row.time };
        if !self.used.contains(&used) {
            self.used.push(used);
        }
        Ok((row, done))
    }

    fn command(&self, words: &[String]) -> Command {
        let mut command = Command::new(words.first().map_or("", String::as_str));
        command
            .args(words.get(1..).unwrap_or_default())
            .current_dir(&self.root)
            .env("SPANDREL_DATA", &self.root)
            .env("SPANDREL_RECOVERY", &self.id);
        if self.mode == Mode::Drill {
            command.env("TMPDIR", self.root.join(OWN)).env("HOME", self.root.join(OWN));
        }
        command
    }

    fn start(&mut self, start: &Start) -> Result<Done> {
        let mut command = self.command(&start.command);
        if let Some(directory) = &start.directory {
            command.current_dir(self.root.join(directory));
        }
        command.envs(&start.env).stdin(Stdio::null());
        let service = Service::start(&self.root, &start.name, command)?;
        let pid = service.child.id();
        self.services.push(service);
        Ok(Done::ok(format!("process {pid}")))
    }

    fn postgres(&mut self, wanted: &Postgres, within: Duration) -> Result<Done> {
        let Postgres { data, port, until, user, settings } = wanted;
        let folder = self.root.join(data);
        let ready = postgres::make_ready(&folder, *until, user)?;
        let waiting = self.others.iter().position(|other| other.name == *data);
        let service = match waiting.map(|at| self.others.remove(at)) {
            Some(mut other) => {
                let words = postgres::command(&ready, *port, settings)?;
                let mut told = other.child.stdin.take().context("nobody listens there")?;
                writeln!(told, "{}", serde_json::to_string(&words)?)
                    .context("cannot tell what to start")?;
                other
            }
            None => {
                let words = postgres::as_another(postgres::command(&ready, *port, settings)?);
                let mut command = self.command(&words);
                command.stdin(Stdio::null());
                Service::start(&self.root, data, command)?
            }
        };
        self.services.push(service);
        let start = Instant::now();
        let check = WaitFor {
            postgres: Some(format!("{data}/postgres")),
            query: Some("SELECT NOT pg_is_in_recovery()".to_owned()),
            equals: Some("t".to_owned()),
            ..WaitFor::default()
        };
        let left = within.saturating_sub(start.elapsed());
        self.wait_for(&check, left).context("PostgreSQL did not replay its log")?;
        Ok(Done::ok(format!(
            "PostgreSQL {} on port {port}; its log was received last at {}",
            ready.version, ready.received_at
        )))
    }

    fn wait_for(&mut self, check: &WaitFor, within: Duration) -> Result<Done> {
        let start = Instant::now();
        loop {
            let seen = health::attempt(check, &self.root, |words| self.command(words));
            match seen {
                Ok(seen) => return Ok(Done::ok(seen)),
                Err(error) if start.elapsed() >= within => {
                    return Err(error.context(format!("not healthy after {} s", within.as_secs())));
                }
                Err(_) => {}
            }
            self.still_running()?;
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A service that ended badly will not become healthy.
    fn still_running(&mut self) -> Result<()> {
        for Service { name, child, log } in &mut self.services {
            if let Some(status) = child.try_wait()?.filter(|status| !status.success()) {
                let said = fs::read_to_string(log).unwrap_or_default();
                let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("");
                bail!("{name} ended with {status}: {last}");
            }
        }
        Ok(())
    }

    fn manual(
        &mut self,
        title: &str,
        manual: &Manual,
        timeout_secs: Option<u64>,
        each: Listener<'_>,
    ) -> Result<Done> {
        let Manual { text, role } = manual;
        let wait = Wait {
            step: title.to_owned(),
            text: text.clone(),
            role: Some(role.clone()),
            people: None,
            given: Vec::new(),
        };
        if matches!(self.desk, Desk::Empty) {
            return Ok(Done::not_exercised("nobody was there"));
        }
        each(Heard::Waits(wait))?;
        let within = Duration::from_secs(timeout_secs.unwrap_or(PEOPLE_SECS));
        let Word { by, .. } = self.desk.next(title, within)?;
        Ok(Done { outcome: Outcome::Ok, detail: text.clone(), by: vec![by] })
    }

    fn approve(
        &mut self,
        title: &str,
        approve: &Approve,
        timeout_secs: Option<u64>,
        each: Listener<'_>,
    ) -> Result<Done> {
        let mut given = self.sign(title)?;
        let deadline = Instant::now() + Duration::from_secs(timeout_secs.unwrap_or(PEOPLE_SECS));
        while given.len() < approve.people && self.desk.has_keys() {
            each(Heard::Waits(Wait {
                step: title.to_owned(),
                text: approve.text.clone(),
                role: None,
                people: Some(approve.people),
                given: given.iter().map(|approval| approval.by.clone()).collect(),
            }))?;
            let word = self.desk.next(title, deadline.saturating_duration_since(Instant::now()))?;
            self.people.push(self.desk.key_of(&word.by)?);
            given = self.sign(title)?;
        }
        if given.len() < approve.people {
            let alone = matches!(self.desk, Desk::Empty);
            if self.mode == Mode::Drill && given.is_empty() && alone {
                return Ok(Done::not_exercised("no person's key was given"));
            }
            bail!(
                "{} of {} people approve; give their key files with --as",
                given.len(),
                approve.people
            );
        }
        let by = given.iter().map(|approval| approval.by.clone()).collect();
        self.approvals.extend(given);
        Ok(Done { outcome: Outcome::Ok, detail: approve.text.clone(), by })
    }

    /// Signatures under a step, of everybody here whom the vault knows.
    pub fn sign(&self, step: &str) -> Result<Vec<Approval>> {
        let ledger = self.vault.vault().ledger()?;
        let occasion = Occasion { vault: &ledger.origin, plan: &self.plan_sha256, id: &self.id };
        let mut given: Vec<Approval> =
            self.people.iter().map(|person| Approval::sign(person, occasion, step)).collect();
        given.retain(|approval| approval.holds(&ledger.people, occasion));
        given.sort_by(|a, b| a.by.cmp(&b.by));
        given.dedup_by(|a, b| a.by == b.by);
        Ok(given)
    }
}

/// The action's word in the plan.
pub fn kind(step: &Step) -> &'static str {
    match step.action() {
        Ok(Action::Restore(_)) => "restore",
        Ok(Action::Kit(_)) => "restore_kit",
        Ok(Action::Start(_)) => "start",
        Ok(Action::Postgres(_)) => "postgres",
        Ok(Action::WaitFor(_)) => "wait_for",
        Ok(Action::Manual(_)) => "manual",
        Ok(Action::Approve(_)) => "approve",
        Err(_) => "none",
    }
}

pub fn record(
    group: &str,
    step: &Step,
    (started_ms, ended_ms): (u64, u64),
    outcome: Outcome,
    detail: &str,
    by: Vec<String>,
) -> StepRecord {
    StepRecord {
        group: group.to_owned(),
        title: step.title(),
        kind: kind(step).to_owned(),
        started_ms,
        ended_ms,
        outcome,
        detail: detail.to_owned(),
        by,
    }
}
