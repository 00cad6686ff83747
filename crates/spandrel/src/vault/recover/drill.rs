//! A drill: the same plan, in a network, process and user namespace of its own.
//!
//! The isolated part is this program once more, started by `unshare` (util-linux), so that no
//! code of ours needs to fork. It has no interface but loopback, every process in it ends with
//! it, and where the kernel has Landlock it can write below its own folder alone. Invariant: the
//! folder goes whatever ends the drill, but for a SIGKILL, after which the next drill removes it;
//! only the report stays.

use super::{
    Recovery, canary,
    desk::{Desk, Word},
    ending::{Ending, Watch},
    folder::Folder,
    health, read_people,
    steps::{self, Begun, Heard, Runner, Service},
};
use crate::vault::postgres::AS_ANOTHER;
use anyhow::{Context as _, Result, bail};
use landlock::{ABI, AccessFs, BitFlags, RulesetStatus};
use serde::{Deserialize, Serialize};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ChildStdout, Command, Stdio},
    sync::mpsc::Receiver,
    time::{Duration, Instant},
};
use vault::{
    Sha256, Vault,
    log::VerifyingKey,
    recovery::{Approval, CanaryFound, Isolated, Mode, Outcome, Plan, Used},
};

/// What the isolated part has to do.
#[derive(Serialize, Deserialize)]
struct Job {
    id: String,
    plan: Plan,
    plan_sha256: Sha256,
    vault: PathBuf,
    key_file: Option<PathBuf>,
    people: Vec<PathBuf>,
    attended: bool,
    /// Keys of those who approve at a console.
    keys: Option<PathBuf>,
    root: PathBuf,
}

/// How a drill is done.
pub struct Setting<'a> {
    /// Folder for the recovered data while it runs.
    pub work: Option<&'a Path>,
    pub key_file: Option<&'a Path>,
    pub people: &'a [PathBuf],
    /// Somebody sits at the terminal.
    pub attended: bool,
    /// People at a console, and what they say.
    pub console: Option<(PathBuf, Receiver<Word>)>,
    /// Landlock holds this process already, and forbids mounting.
    pub confined: bool,
    /// Signals that end it early; `None` where who started this process cleans up after it.
    pub ending: Option<Ending>,
}

/// What it says, one JSON line each.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    /// Milliseconds since it began, and what it saw around it.
    Isolated(u64, Isolated),
    Step(Heard),
    /// The canaries are those of databases, which can be asked only while they run.
    End(Vec<Used>, Vec<Approval>, Vec<CanaryFound>),
}

/// Drills the plan; `each` hears of every step, in milliseconds after the declaration.
pub(super) fn perform(
    recovery: &mut Recovery,
    setting: Setting<'_>,
    each: &mut dyn FnMut(&Recovery, &Heard) -> Result<()>,
) -> Result<()> {
    let work = setting.work.map_or_else(std::env::temp_dir, Path::to_owned);
    let folder = Folder::make(&work)?;
    let root = folder.path().canonicalize()?.join("data");
    fs::create_dir(&root).context("cannot make a folder for the data")?;
    let keys = setting.console.as_ref().map(|(keys, _)| keys.clone());
    let job = Job {
        id: recovery.report.id.clone(),
        plan: recovery.plan.clone(),
        plan_sha256: recovery.report.plan_sha256,
        vault: absolute(recovery.vault.vault().directory())?,
        key_file: setting.key_file.map(absolute).transpose()?,
        people: setting.people.iter().map(|path| absolute(path)).collect::<Result<_>>()?,
        attended: setting.attended,
        keys,
        root: root.clone(),
    };
    let path = folder.path().join("job.json");
    fs::write(&path, serde_json::to_vec(&job)?).context("cannot write the drill's job")?;
    let words = setting.console.map(|(_, words)| words);
    let way = (setting.confined, setting.ending);
    if let Err(error) = isolated(recovery, &path, way, words, each) {
        recovery.report.notes.push(format!("the drill broke off: {error:#}"));
        if recovery.report.isolation.is_none() {
            bail!("the drill did not begin: {}", recovery.report.notes.join("; "));
        }
        leave_out_the_rest(recovery);
    }
    let seen = std::mem::take(&mut recovery.report.canaries);
    recovery.look_for_canaries(&root, seen);
    if let Err(error) = folder.remove() {
        recovery.report.notes.push(format!("the drill's folder is still there: {error}"));
    }
    Ok(())
}

/// Steps that a drill which broke off has not ended: what was green until then is no success.
fn leave_out_the_rest(recovery: &mut Recovery) {
    let now = u64::try_from(recovery.declared.elapsed().as_millis()).unwrap_or(u64::MAX);
    let order = recovery.plan.order().unwrap_or_default();
    let all = order.iter().flat_map(|group| group.steps.iter().map(|step| (&group.name, step)));
    let rest = all.skip(recovery.report.steps.len()).map(|(group, step)| {
        let why = "the drill broke off";
        steps::record(group, step, (now, now), Outcome::Skipped, why, Vec::new())
    });
    recovery.report.steps.extend(rest.collect::<Vec<_>>());
}

fn absolute(path: &Path) -> Result<PathBuf> {
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

/// Namespaces of their own for what follows. Where Landlock holds this process nothing is mounted,
/// as it forbids that here and inside; else what is mounted inside stays inside.
pub fn unshare(confined: bool) -> Command {
    // They end with this process, however it ends, where setpriv (util-linux) can ask for that.
    let bound = ["--pdeathsig", "KILL"];
    let mut setpriv = Command::new("setpriv");
    let tried = setpriv.args(bound).arg("true").stdout(Stdio::null()).stderr(Stdio::null());
    let mut unshare = if tried.status().is_ok_and(|status| status.success()) {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(bound).arg("unshare");
        setpriv
    } else {
        Command::new("unshare")
    };
    if !rustix::process::geteuid().is_root() {
        unshare.args(["--user", "--map-root-user"]);
    }
    let propagation = if confined { "unchanged" } else { "private" };
    unshare.args(["--net", "--mount", "--propagation", propagation, "--pid", "--uts", "--ipc"]);
    unshare.args(["--fork", "--kill-child=KILL"]);
    unshare
}

/// Starts the isolated part and takes down what it says.
fn isolated(
    recovery: &mut Recovery,
    job: &Path,
    (confined, ending): (bool, Option<Ending>),
    words: Option<Receiver<Word>>,
    each: &mut dyn FnMut(&Recovery, &Heard) -> Result<()>,
) -> Result<()> {
    let mut unshare = unshare(confined);
    unshare
        .arg(std::env::current_exe().context("cannot find this program's file")?)
        .args(["vault", "recover", "inside"])
        .arg(job)
        .stdout(Stdio::piped());
    if words.is_some() {
        unshare.stdin(Stdio::piped());
    }
    let mut child = unshare.spawn().context("cannot start unshare; install util-linux")?;
    let watch = ending.map(|ending| ending.watch(&child));
    let stdout = child.stdout.take().expect("it is piped");
    if let Some((words, mut stdin)) = words.zip(child.stdin.take()) {
        // Ends with this process: the isolated part hears that nobody speaks any more.
        std::thread::spawn(move || {
            for word in words {
                let line = serde_json::to_string(&word).expect("plain data");
                if writeln!(stdin, "{line}").and_then(|()| stdin.flush()).is_err() {
                    break;
                }
            }
        });
    }
    let heard = hear(recovery, stdout, each);
    if heard.is_err() {
        // Nobody listens any more. It may have ended.
        drop(child.kill());
    }
    let signal = watch.and_then(Watch::end);
    let status = child.wait().context("cannot wait for the isolated part")?;
    if let Some(signal) = signal.filter(|_| !status.success()) {
        bail!("{signal} ended it");
    }
    if !heard? || !status.success() {
        bail!(
            "the isolated part ended with {status}; a drill needs network namespaces, which this \
             machine may forbid to this user"
        );
    }
    Ok(())
}

/// Takes down what the isolated part says; whether it came to its end.
fn hear(
    recovery: &mut Recovery,
    stdout: ChildStdout,
    each: &mut dyn FnMut(&Recovery, &Heard) -> Result<()>,
) -> Result<bool> {
    let (mut offset, mut ended) = (0, false);
    for line in BufReader::new(stdout).lines() {
        let line = line.context("cannot hear the isolated part")?;
        match serde_json::from_str(&line).context("the isolated part is not understood")? {
            Said::Isolated(since_ms, isolated) => {
                let now = recovery.declared.elapsed().as_millis();
                offset = u64::try_from(now).unwrap_or(u64::MAX).saturating_sub(since_ms);
                recovery.report.isolation = Some(isolated);
            }
            Said::Step(heard) => {
                let heard = later(heard, offset);
                if let Heard::Ended(step) = &heard {
                    recovery.report.steps.push(step.clone());
                }
                each(recovery, &heard)?;
            }
            Said::End(used, approvals, found) => {
                (recovery.report.snapshots, recovery.report.approvals) = (used, approvals);
                recovery.report.canaries = found;
                ended = true;
            }
        }
    }
    Ok(ended)
}

/// The clock of the isolated part began later than the declaration.
fn later(heard: Heard, offset_ms: u64) -> Heard {
    match heard {
        Heard::Begun(Begun { started_ms, group, title, kind }) => Heard::Begun(Begun {
            started_ms: started_ms.saturating_add(offset_ms),
            group,
            title,
            kind,
        }),
        Heard::Ended(mut step) => {
            step.started_ms = step.started_ms.saturating_add(offset_ms);
            step.ended_ms = step.ended_ms.saturating_add(offset_ms);
            Heard::Ended(step)
        }
        waits @ Heard::Waits(_) => waits,
    }
}

/// The isolated part.
pub fn inside(job: &Path) -> Result<std::process::ExitCode> {
    let began = Instant::now();
    let job: Job = serde_json::from_str(&super::read_text(job)?).context("cannot read the job")?;
    let (isolated, others) = isolate(&job)?;
    let since_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    say(&Said::Isolated(since_ms, isolated))?;
    let vault = Vault::open(&job.vault)?.unlock(job.key_file.as_deref())?;
    let desk = match (&job.keys, job.attended) {
        (Some(keys), _) => Desk::console(keys.clone()),
        (None, true) => Desk::Terminal,
        (None, false) => Desk::Empty,
    };
    let mut runner = Runner {
        vault: &vault,
        plan: &job.plan,
        plan_sha256: job.plan_sha256,
        id: job.id.clone(),
        mode: Mode::Drill,
        root: job.root.clone(),
        people: read_people(&job.people)?,
        desk,
        declared: began,
        services: Vec::new(),
        others,
        used: Vec::new(),
        approvals: Vec::new(),
    };
    runner.follow(|heard| say(&Said::Step(heard)))?;
    let found = living_canaries(&job);
    say(&Said::End(runner.used, runner.approvals, found))?;
    Ok(std::process::ExitCode::SUCCESS)
}

/// The canaries in databases that the plan started.
fn living_canaries(job: &Job) -> Vec<CanaryFound> {
    let Some(check) = &job.plan.canary else { return Vec::new() };
    let Some(key) = VerifyingKey::parse(&check.key) else { return Vec::new() };
    let of_servers = |place: &&String| place.starts_with("postgres:");
    let places: Vec<String> = check.found_in.iter().filter(of_servers).cloned().collect();
    canary::found_in(&places, &job.root, &key)
}

fn say(said: &Said) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", serde_json::to_string(said)?)?;
    Ok(out.flush()?)
}

/// Makes sure of the isolation before anything is restored.
fn isolate(job: &Job) -> Result<(Isolated, Vec<Service>)> {
    let name: String = job.id.chars().take(63).collect();
    // For those who look at the processes of this machine; a drill without a name is one as well.
    drop(Command::new("hostname").arg(&name).status());
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status();
    if !up.context("cannot start ip; install iproute2")?.success() {
        bail!("the drill's loopback interface does not come up");
    }
    // Of this network namespace, unlike /sys/class/net, which is that of the mount.
    let devices = fs::read_to_string("/proc/self/net/dev").context("cannot list interfaces")?;
    let interfaces: Vec<String> = devices
        .lines()
        .skip(2)
        .filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()))
        .collect();
    // Tunnel devices without an address come with some kernels; they lead nowhere.
    let routes = fs::read_to_string("/proc/self/net/route").context("cannot list routes")?;
    let routes = routes.lines().skip(1).count() as u64;
    if routes > 0 {
        bail!("the drill's network has {routes} routes to elsewhere");
    }
    let mut unreachable = Vec::new();
    for address in &job.plan.isolation.must_not_reach {
        if health::reach(address, Duration::from_secs(2)).is_ok() {
            bail!("{address} of the plant can be reached from the drill");
        }
        unreachable.push(address.clone());
    }
    let others = others(job)?;
    let writes_confined = confine_writes(&job.root)?;
    Ok((Isolated { name, interfaces, routes, unreachable, writes_confined }, others))
}

/// One who is not root for each PostgreSQL of the plan, which refuses to be started by root. To
/// become another in a user namespace something below `/proc` is written, which whoever is
/// confined cannot; so they are made before, and confine themselves.
fn others(job: &Job) -> Result<Vec<Service>> {
    let steps = job.plan.groups.iter().flat_map(|group| &group.steps);
    let program = std::env::current_exe().context("cannot find this program's file")?;
    let mut others = Vec::new();
    for postgres in steps.filter_map(|step| step.postgres.as_ref()) {
        let mut command = Command::new("unshare");
        command.args(AS_ANOTHER).arg(&program).args(["vault", "recover", "another"]);
        command.arg(&job.root).stdin(Stdio::piped()).current_dir(&job.root);
        others.push(Service::start(&job.root, &postgres.data, command)?);
    }
    Ok(others)
}

/// One of those: what to start comes as a line.
pub fn another(root: &Path) -> Result<std::process::ExitCode> {
    use std::os::unix::process::CommandExt;
    confine_writes(root)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("cannot hear what to start")?;
    let words: Vec<String> = serde_json::from_str(&line).context("nothing to start")?;
    let (program, arguments) = words.split_first().context("nothing to start")?;
    let error = Command::new(program).args(arguments).stdin(Stdio::null()).exec();
    Err(error).with_context(|| format!("cannot start {program}"))
}

/// From here on this process and those it starts write below `root` and to devices alone. False
/// where the kernel has no Landlock.
fn confine_writes(root: &Path) -> Result<bool> {
    let writing = AccessFs::from_write(ABI::V5);
    let to_devices = AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let places = [(root.to_owned(), writing), (PathBuf::from("/dev"), to_devices)];
    let status = crate::fence::around((writing, BitFlags::EMPTY), places)
        .context("cannot confine the drill's writing")?;
    Ok(status != RulesetStatus::NotEnforced)
}
