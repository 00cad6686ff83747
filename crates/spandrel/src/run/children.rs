//! The sensors' processes: started, read, started again, ended.
//!
//! A sensor has fewer rights than the server and may die of what it reads, so it is a process of
//! its own whose output is insights, a JSON line each. The lab's frames go from its process
//! through a pipe to a sensor's standard input: no interface is involved. Not here: what insights
//! do. Invariant: a sensor that fails never stops the server; its state says why.

use crate::{sensor::memory, site_files::SiteFiles};
use model::Time;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use server::{Remote, Sensors, intake};
use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use store::{Origin, SensorState, SensorStatus, Store};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    sync::watch,
    task::JoinHandle,
};

/// A sensor to run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub name: String,
    pub source: Source,
    /// How long it takes what it sees for normal.
    pub learning: Duration,
    /// Worker threads of its process.
    pub threads: u8,
    /// Keeps what it learned, so that a new start goes on where the last one was.
    pub memory: Option<PathBuf>,
    pub site: SiteFiles,
}

#[derive(Clone, Debug)]
pub enum Source {
    Interface(String),
    /// Of a sensor elsewhere, through what this starts.
    Remote(Vec<String>),
    /// The simulated plant, through a pipe.
    Lab {
        seed: u64,
        /// Where it serves its controllers' registers; port 0 is nowhere.
        modbus_port: u16,
        /// Where it serves the mixing controller's program; port 0 is nowhere.
        s7_port: u16,
        /// Where it keeps its process values.
        historian: PathBuf,
    },
}

impl Source {
    fn origin(&self) -> Origin {
        match self {
            Source::Lab { .. } => Origin::Lab,
            Source::Interface(_) | Source::Remote(_) => Origin::Network,
        }
    }

    fn shown(&self) -> String {
        match self {
            Source::Interface(name) => name.clone(),
            Source::Remote(command) => command.join(" "),
            Source::Lab { seed, .. } => format!("lab plant, seed {seed}"),
        }
    }
}

pub(super) const PAUSE_MIN: Duration = Duration::from_secs(1);
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(60);
/// A run this long was a good one: the next pause is short again.
const GOOD_RUN: Duration = Duration::from_secs(60);
/// A child that was asked to end has so long to do it.
const GRACE: Duration = Duration::from_secs(2);
/// How often it is looked whether what a child started is gone.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// A line of a child's complaints that is kept.
const COMPLAINT_CHARS_MAX: usize = 400;

pub struct Children {
    store: Store,
    program: PathBuf,
    stop: watch::Sender<bool>,
    tasks: Mutex<BTreeMap<String, JoinHandle<()>>>,
    /// Sensors that run, by name.
    running: Mutex<BTreeMap<String, Pid>>,
}

impl Sensors for Children {
    fn end_learning(&self, sensor: &str) -> Result<(), String> {
        let running = self.running.lock().expect("no panic holds it");
        let Some(pid) = running.get(sensor) else {
            let there = "one elsewhere ends its learning there, by SIGUSR1";
            return Err(format!("{sensor} does not run here at present; {there}"));
        };
        // Its input is packets and its output insights: a signal is how it is told.
        kill_process(*pid, Signal::USR1).map_err(|error| format!("{sensor} is gone: {error}"))
    }
}

impl Children {
    pub fn new(store: Store, program: PathBuf) -> Self {
        let (stop, _) = watch::channel(false);
        let (tasks, running) = Default::default();
        Children { store, program, stop, tasks, running }
    }

    /// Runs the sensor in the background until [`Children::stop`].
    pub fn start(self: &Arc<Self>, plan: Plan) {
        let name = plan.name.clone();
        let supervised = supervise(Arc::clone(self), plan, self.stop.subscribe());
        let task = self.store.vital().spawn("running a sensor", supervised);
        self.tasks.lock().expect("no panic holds it").insert(name, task);
    }

    /// Ends every child and waits until it is gone.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        let tasks = std::mem::take(&mut *self.tasks.lock().expect("no panic holds it"));
        for (sensor, task) in tasks {
            if let Err(error) = task.await {
                tracing::error!(sensor, %error, "a sensor's supervisor ended badly");
            }
        }
    }

    async fn note(&self, plan: &Plan, state: SensorState, detail: Option<String>, restarts: u32) {
        let status = SensorStatus {
            id: plan.name.clone(),
            interface: plan.source.shown(),
            origin: plan.source.origin(),
            state,
            detail,
            restarts,
            learning_until: learning_until(plan, state),
        };
        if let Err(error) = self.store.set_sensor(status).await {
            tracing::error!(sensor = plan.name, %error, "a sensor's state could not be saved");
        }
    }
}

/// Planned end of the learning that begins or goes on with this start.
fn learning_until(plan: &Plan, state: SensorState) -> Option<Time> {
    if state != SensorState::Starting || plan.learning.is_zero() {
        return None;
    }
    let kept = plan.memory.as_deref().and_then(memory::progress);
    let left = kept.map_or(plan.learning, |head| Duration::from_secs(head.secs_left.into()));
    if left.is_zero() {
        return None;
    }
    let since = (SystemTime::now() + left.min(plan.learning))
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    Some(Time::from_nanos(i64::try_from(since.as_nanos()).ok()?))
}

async fn supervise(children: Arc<Children>, plan: Plan, mut stop: watch::Receiver<bool>) {
    let mut restarts = 0;
    let mut pause = PAUSE_MIN;
    let mut remote = Remote::default();
    while !*stop.borrow() {
        children.note(&plan, SensorState::Starting, None, restarts).await;
        let started = Instant::now();
        let end = run_once(&children, (&plan, &mut remote), &mut stop).await;
        if *stop.borrow() {
            break;
        }
        let good = started.elapsed() > GOOD_RUN;
        pause = if good { PAUSE_MIN } else { pause };
        tracing::warn!(sensor = plan.name, reason = end.reason, ?pause, "a sensor ended");
        let state = if end.hopeless { SensorState::Failed } else { SensorState::Restarting };
        children.note(&plan, state, Some(end.reason), restarts).await;
        let wait = if end.hopeless { PAUSE_MAX } else { pause };
        tokio::select! {
            () = remote.pause(&children.store, &plan.name, wait) => {}
            _ = stop.changed() => break,
        }
        pause = (pause * 2).min(PAUSE_MAX);
        restarts += 1;
    }
    remote.leave(&children.store, &plan.name).await;
    children.note(&plan, SensorState::Stopped, None, restarts).await;
}

/// How a run of a sensor ended.
struct End {
    reason: String,
    /// It said itself that it cannot run as things are: no rights, no such interface.
    hopeless: bool,
}

impl End {
    fn start(what: &str, error: &std::io::Error) -> End {
        End { reason: format!("cannot start {what}: {error}"), hopeless: true }
    }
}

async fn run_once(
    children: &Children,
    (plan, remote): (&Plan, &mut Remote),
    stop: &mut watch::Receiver<bool>,
) -> End {
    let (mut sensor, mut lab) = match spawn(&children.program, plan) {
        Ok(spawned) => spawned,
        Err(end) => return end,
    };
    if let (Some(pid), false) = (pid_of(&sensor), matches!(plan.source, Source::Remote(_))) {
        children.running.lock().expect("no panic holds it").insert(plan.name.clone(), pid);
    }
    let out = sensor.stdout.take().expect("piped");
    let complaints = sensor.stderr.take().expect("piped");
    remote.answers = sensor.stdin.take().map(|answers| Box::new(answers) as _);
    let mut said_by_lab = None;
    if let Some(stderr) = lab.as_mut().and_then(|lab| lab.stderr.take()) {
        said_by_lab = Some(tokio::spawn(last_complaint(format!("{} source", plan.name), stderr)));
    }
    let said = tokio::spawn(last_complaint(plan.name.clone(), complaints));
    let taken = tokio::select! {
        taken = intake(&children.store, &plan.name, out, remote) => taken,
        _ = stop.changed() => Ok(0),
    };
    let lab_status = match lab.as_mut() {
        Some(lab) => end_child(lab).await,
        None => None,
    };
    children.running.lock().expect("no panic holds it").remove(&plan.name);
    let status = end_child(&mut sensor).await;
    let said = heard(said).await;
    let said_by_lab = match said_by_lab {
        Some(task) => heard(task).await,
        None => None,
    };
    reason(taken, status, said, lab_status.and_then(|status| failed(status, said_by_lab)))
}

/// Why the source of frames ended by itself; not where it was asked to.
fn failed(status: ExitStatus, said: Option<String>) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(code), _) if code != 0 => Some(said.unwrap_or_else(|| format!("the lab: {status}"))),
        (None, Some(signal)) if signal != Signal::TERM.as_raw() => {
            Some(format!("the lab ended: {status}"))
        }
        _ => None,
    }
}

fn reason(
    taken: Result<u64, server::IntakeError>,
    status: Option<ExitStatus>,
    said: Option<String>,
    said_by_source: Option<String>,
) -> End {
    // Exit code 2 is wrong usage: the sensor does not understand this server.
    let code = status.and_then(|status| status.code());
    if let Some(said) = said_by_source {
        return End { reason: said, hopeless: false };
    }
    match (taken, said) {
        (Err(error), None) => End { reason: error.to_string(), hopeless: false },
        (Err(error @ server::IntakeError::Store(_)), _) => {
            End { reason: error.to_string(), hopeless: false }
        }
        (Ok(0) | Err(_), Some(said)) => End { reason: said, hopeless: matches!(code, Some(1 | 2)) },
        (Ok(_), Some(said)) => End { reason: said, hopeless: false },
        (Ok(_), None) => {
            let how = status.map_or_else(|| "it vanished".to_owned(), |s| s.to_string());
            End { reason: format!("the sensor ended: {how}"), hopeless: false }
        }
    }
}

fn spawn(program: &Path, plan: &Plan) -> Result<(Child, Option<Child>), End> {
    if let Source::Remote(command) = &plan.source {
        return spawn_remote(command).map(|line| (line, None));
    }
    let mut sensor = Command::new(program);
    sensor.arg("sensor").args(["--name", &plan.name]);
    sensor.args(["--learn", &plan.learning.as_secs().to_string()]);
    sensor.args(["--threads", &plan.threads.to_string()]);
    if let Some(memory) = &plan.memory {
        sensor.arg("--memory").arg(memory);
    }
    let SiteFiles { protocols, rules } = &plan.site;
    for (option, file) in [("--protocols", protocols), ("--rules", rules)] {
        if let Some(file) = file {
            sensor.arg(option).arg(file);
        }
    }
    let mut lab = None;
    match &plan.source {
        Source::Interface(interface) => {
            sensor.args(["--interface", interface]).stdin(Stdio::null());
        }
        Source::Remote(_) => {}
        Source::Lab { seed, modbus_port, s7_port, historian } => {
            let mut source = Command::new(program);
            source.args(["lab", "--live", "--seed", &seed.to_string(), "--out", "-"]);
            if *modbus_port > 0 {
                source.args(["--modbus", &format!("127.0.0.1:{modbus_port}")]);
            }
            if *s7_port > 0 {
                source.args(["--s7", &format!("127.0.0.1:{s7_port}")]);
            }
            if cfg!(feature = "vault") {
                source.arg("--historian").arg(historian);
            }
            source.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child =
                with_group(&mut source).spawn().map_err(|error| End::start("the lab", &error))?;
            let frames = child.stdout.take().expect("piped");
            let frames: Stdio =
                frames.try_into().map_err(|error| End::start("the lab's pipe", &error))?;
            sensor.arg("--stdin").stdin(frames);
            lab = Some(child);
        }
    }
    sensor.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = with_group(&mut sensor).spawn();
    Ok((child.map_err(|error| End::start("the sensor", &error))?, lab))
}

/// What brings the stream of a sensor elsewhere.
fn spawn_remote(command: &[String]) -> Result<Child, End> {
    let (program, arguments) = command.split_first().expect("the settings name a program");
    let mut line = Command::new(program);
    line.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    with_group(&mut line).spawn().map_err(|error| End::start(program, &error))
}

/// In a group of its own, so that Ctrl-C on the terminal reaches this process first, which ends
/// its children in order.
pub(super) fn with_group(command: &mut Command) -> &mut Command {
    command.kill_on_drop(true).process_group(0)
}

fn pid_of(child: &Child) -> Option<Pid> {
    child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?))
}

/// What was said last by a child that has ended. Something that it started, such as ssh's
/// connection for later, may hold its error side open for ever: that is not waited for.
async fn heard(task: JoinHandle<Option<String>>) -> Option<String> {
    let listening = task.abort_handle();
    let said = tokio::time::timeout(GRACE, task).await;
    listening.abort();
    said.ok()?.ok()?
}

/// Asks it and what it started, waits, insists.
pub(super) async fn end_child(child: &mut Child) -> Option<ExitStatus> {
    // A child whose output has ended is about to end by itself; its own status says more.
    if let Ok(Ok(status)) = tokio::time::timeout(Duration::from_millis(200), child.wait()).await {
        return Some(status);
    }
    let group = pid_of(child);
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::TERM)
    {
        tracing::debug!(%error, "a child was gone before it was asked to end");
    }
    let ended = tokio::time::timeout(GRACE, async {
        let status = child.wait().await.ok();
        // What it started may outlive it for a moment.
        while group.is_some_and(|group| test_kill_process_group(group).is_ok()) {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        status
    });
    if let Ok(status) = ended.await {
        return status;
    }
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::debug!(%error, "a child's group was gone before it was ended");
    }
    // It may have ended in time, with something that it started being left.
    child.wait().await.ok()
}

/// Passes a child's complaints on to the log and keeps the one that says why: the last, unless it
/// follows a usage error with hints.
async fn last_complaint(sensor: String, stream: impl AsyncRead + Unpin) -> Option<String> {
    let mut lines = BufReader::new(stream).lines();
    let mut last = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let line: String = line.chars().take(COMPLAINT_CHARS_MAX).collect();
        let line = line.trim().trim_start_matches("spandrel: ").to_owned();
        if !line.is_empty() {
            tracing::warn!(sensor, says = line, "a sensor complains");
            let explained = last.as_ref().is_some_and(|last: &String| last.starts_with("error: "));
            if !explained {
                last = Some(line);
            }
        }
    }
    last
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_that_was_killed_is_told_and_one_that_was_asked_to_end_is_not() {
        // As wait(2) has it: the signal below, the code above.
        let (killed, asked) = (ExitStatus::from_raw(9), ExitStatus::from_raw(15));
        let (said, done) = (Some("no room".to_owned()), ExitStatus::from_raw(0));
        let why = failed(killed, None).expect("a reason");
        assert!(why.contains("the lab ended") && why.contains("9"), "{why}");
        assert_eq!(failed(ExitStatus::from_raw(1 << 8), said.clone()), said);
        assert_eq!((failed(asked, None), failed(done, said)), (None, None));
    }
}
