//! The vaults that agents add to: where they lie, who may add, how far each has come.
//!
//! A vault server, a process of its own, guards them; it knows its clients from a file that is
//! written here after what the store says. Nobody here has a key of theirs. Not here: that
//! server's rules (`vault::site`). Invariant: an agent that was revoked is not in the file.

use crate::{
    app::{Shared, now},
    clock::{is_within, latest},
    limits::AGENT_UNHEARD_S,
    protect::{copying, reconcile::verification},
};
use model::Time;
use std::{
    fs,
    path::{Path, PathBuf},
};
use store::{Agent, AgentState, NewRun, Run, RunState, RunsWanted};

/// What the names of our clients begin with; other lines of the file are left alone.
const CLIENT: &str = "agent-";
/// What the targets of their verifications begin with.
const TARGET: &str = "agent-vault:";
const DAY_S: i64 = 86_400;
/// The first lines of a checkpoint are short.
const CHECKPOINT_BYTES_MAX: u64 = 64 << 10;

pub(crate) fn vaults(data: &Path) -> PathBuf {
    data.join("agents").join("vaults")
}

pub(crate) fn clients_file(data: &Path) -> PathBuf {
    data.join("agents").join("clients")
}

/// The name by which an agent is known at the vault server.
pub(crate) fn client_of(agent: &str) -> String {
    format!("{CLIENT}{agent}")
}

/// Writes the vault server's clients anew.
pub(crate) async fn write_clients(app: &Shared) -> Result<(), String> {
    let _turn = app.agents.clients.lock().await;
    let agents = app.store.agents().await.map_err(|error| error.to_string())?;
    let path = clients_file(&app.settings.data);
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(format!("cannot read {}: {error}", path.display())),
    };
    let text = clients(&before, &agents);
    if path.exists() && text == before {
        return Ok(());
    }
    copying::keep(&path, &text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn clients(before: &str, agents: &[Agent]) -> String {
    let others = before.lines().filter(|line| !line.trim_start().starts_with(CLIENT));
    let active = agents.iter().filter(|agent| agent.state == AgentState::Active);
    let ours = active.filter_map(|agent| {
        let token = agent.vault_token.as_ref()?;
        let certificate = agent.certificate.as_ref()?;
        let (client, vault) = (client_of(&agent.name), &agent.name);
        Some(format!("{client} edge {vault} {token} {certificate}"))
    });
    others.map(str::to_owned).chain(ours).map(|line| line + "\n").collect()
}

/// How far a vault has come at the server.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Arrived {
    /// Name of its log.
    pub(crate) log: String,
    /// Entries whose objects are all there, or lost for good.
    pub(crate) entries: u64,
}

/// What the vault server has of an agent's vault. It moves a checkpoint on only when the objects
/// that the entries name are there, so that is all there is to ask.
pub(crate) fn arrived(data: &Path, agent: &str) -> Arrived {
    let path = vaults(data).join(agent).join("log").join("checkpoint");
    let fits = fs::metadata(&path).is_ok_and(|meta| meta.len() <= CHECKPOINT_BYTES_MAX);
    let note = if fits { fs::read_to_string(&path).unwrap_or_default() } else { String::new() };
    // A checkpoint (C2SP tlog-checkpoint): the log's name, its size, its root, a line each.
    let mut lines = note.lines();
    let (log, size) = (lines.next().unwrap_or_default(), lines.next());
    let entries = size.and_then(|size| size.parse().ok()).unwrap_or(0);
    Arrived { log: log.to_owned(), entries }
}

/// The vault that a run verifies, where it is one of an agent.
pub(crate) fn verified_by(run: &Run, data: &Path) -> Option<PathBuf> {
    let agent = run.target.as_deref().filter(|_| run.kind == "verify")?.strip_prefix(TARGET)?;
    super::is_name(agent).then(|| vaults(data).join(agent))
}

/// The last verifications of an agent's vault, without its key.
pub(crate) async fn verifications(app: &Shared, agent: &str) -> store::Result<Vec<Run>> {
    let wanted = RunsWanted {
        target: Some(format!("{TARGET}{agent}")),
        kind: Some("verify".to_owned()),
        until: Some(latest(now())),
        limit: 5,
        ..RunsWanted::default()
    };
    app.store.runs(&wanted).await
}

/// When every object of an agent's vault here was read last and had its hash.
pub(crate) async fn last_whole(app: &Shared, agent: &str) -> store::Result<Option<Time>> {
    let runs = verifications(app, agent).await?;
    let last = runs.into_iter().find(|run| run.finished_at.is_some());
    let whole = last.filter(|run| run.state == RunState::Complete);
    Ok(whole.and_then(|run| run.started_at))
}

/// Ends what is under way at agents that were not heard for long; `now` is when that is looked at.
pub(crate) async fn fail_unheard(app: &Shared, now: Time) -> store::Result<()> {
    app.store.fail_unheard_runs(now.plus_secs(-AGENT_UNHEARD_S)).await
}

/// Queues the daily proof of each agent's vault.
pub(crate) async fn queue(app: &Shared) -> store::Result<()> {
    for agent in app.store.agents().await? {
        let there = vaults(&app.settings.data).join(&agent.name).join("log").join("checkpoint");
        let last = verifications(app, &agent.name).await?.into_iter().next();
        let due =
            last.is_none_or(|run| run.finished_at.is_some_and(|at| !is_within(at, DAY_S, now())));
        if there.exists() && due {
            let target = format!("{TARGET}{}", agent.name);
            let name = format!("Vault of {}", agent.name);
            let run: NewRun = verification(0, None, Some(&target), &name);
            app.store.create_run(run).await?;
        }
    }
    Ok(())
}
