//! Lanes: what is queued is done beside what it need not wait for.
//!
//! A recovery point that is promised every minute must not wait for a drill of an hour. What
//! writes to the repository goes one after the other, as the vault demands; what reads it (proofs
//! and drills, restores) goes beside that, each sort in a lane of its own; copies have theirs in
//! [`super::copying`]. Not here: what is due, and the work ([`super::reconcile`]). Invariant: a
//! run is in exactly one lane, and a lane does one run at a time.

use super::{
    VaultSettings, copying, fence,
    reconcile::{LOOK_EVERY, carry_out, queue},
};
use crate::{
    agents::keeping,
    app::{Shared, now},
    limits::AGENT_UNHEARD_S,
};
use std::time::{Duration, Instant};
use store::{Run, RunState};
use tokio::sync::{Notify, watch};

const CLEAN_EVERY: Duration = Duration::from_secs(3_600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// Backups and what else changes the repository.
    Writing,
    /// Verifications and drills; nobody waits for them at this moment.
    Proving,
    /// Restores and kits, for which somebody does.
    Restoring,
    Copying,
}

impl Lane {
    pub(crate) fn of(run: &Run) -> Self {
        match run.kind.as_str() {
            "verify" | "drill" => Self::Proving,
            "restore" | "kit" => Self::Restoring,
            "copy" => Self::Copying,
            _ => Self::Writing,
        }
    }
}

/// Wakes the lanes when something was queued.
#[derive(Default)]
pub(crate) struct Wakes([Notify; 3]);

impl Wakes {
    fn all(&self) {
        self.0.iter().for_each(Notify::notify_one);
    }

    fn of(&self, lane: Lane) -> &Notify {
        let [writing, proving, restoring] = &self.0;
        match lane {
            Lane::Writing | Lane::Copying => writing,
            Lane::Proving => proving,
            Lane::Restoring => restoring,
        }
    }
}

/// Looks and works until the server stops.
pub(crate) async fn run(app: Shared, mut stops: watch::Receiver<bool>) {
    while let Err(error) = app.store.fail_interrupted_runs().await {
        tracing::error!(%error, "runs that were under way could not be noted as failed");
        // Without room none can begin either, and later nobody could tell those from new ones.
        if !error.is_of_disk() || *stops.borrow() {
            break;
        }
        tokio::select! {
            _ = stops.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    let lane = |lane| work_on(&app, lane, stops.clone());
    tokio::join!(
        look(&app, stops.clone()),
        lane(Lane::Writing),
        lane(Lane::Proving),
        lane(Lane::Restoring),
        copying::run(&app, stops.clone()),
    );
}

/// Queues what is due, again and again.
async fn look(app: &Shared, mut stops: watch::Receiver<bool>) {
    let mut began = Instant::now();
    let mut jumps = app.clock.jumps();
    while !*stops.borrow() {
        // By a clock that jumped, or while this machine slept, nobody was heard.
        let jumped = app.clock.jumps();
        if jumped != jumps {
            (began, jumps) = (Instant::now(), jumped);
        }
        let looked = async {
            // While this server was away nobody was heard either.
            if began.elapsed().as_secs() >= AGENT_UNHEARD_S.unsigned_abs() {
                keeping::fail_unheard(app, now()).await?;
            }
            keeping::queue(app).await?;
            if let Some(vault) = app.protect.vault(&app.store).await? {
                fence::look(app, &vault.directory).await?;
                queue(app).await?;
            }
            store::Result::Ok(())
        };
        if let Err(error) = looked.await {
            tracing::warn!(%error, "protection could not look; it does so again");
        }
        app.protect.lanes.all();
        tokio::select! {
            _ = stops.changed() => return,
            () = app.protect.wake.notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

async fn work_on(app: &Shared, lane: Lane, mut stops: watch::Receiver<bool>) {
    let mut cleaned: Option<Instant> = None;
    while !*stops.borrow() {
        // Here, where no drill is under way: what drills left is deleted as well.
        if lane == Lane::Proving && cleaned.is_none_or(|at| at.elapsed() > CLEAN_EVERY) {
            app.protect.clean_up().await;
            cleaned = Some(Instant::now());
        }
        match one(app, lane, &mut stops).await {
            Ok(true) => {
                // What it came to may make something else due.
                app.protect.wake.notify_one();
                continue;
            }
            Ok(false) => {}
            Err(error) => {
                tracing::warn!(%error, ?lane, "protection could not work; it tries again")
            }
        }
        tokio::select! {
            _ = stops.changed() => return,
            () = app.protect.lanes.of(lane).notified() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Has the oldest run of a lane done; false when there is none.
pub(crate) async fn one(
    app: &Shared,
    lane: Lane,
    stops: &mut watch::Receiver<bool>,
) -> store::Result<bool> {
    let vault = app.protect.vault(&app.store).await?;
    // The vault of an agent lies elsewhere, and is verified whether there is another or not.
    let of_agent = |run: &Run| keeping::verified_by(run, &app.settings.data);
    let mut waiting = app.store.open_runs().await?;
    // One that is under way and not here has an end that is not noted yet: it was done.
    waiting.retain(|run| run.state == RunState::Queued);
    waiting.retain(|run| Lane::of(run) == lane && !run.is_elsewhere());
    waiting.retain(|run| vault.is_some() || of_agent(run).is_some());
    // What a person or a change asked for goes before the clock's own.
    waiting.sort_by_key(|run| !matches!(run.cause.as_str(), "person" | "change"));
    let Some(run) = waiting.into_iter().next() else { return Ok(false) };
    let Some(vault) = of_agent(&run).map(VaultSettings::keyless).or(vault) else {
        return Ok(false);
    };
    carry_out(app, &vault, run, stops).await?;
    Ok(true)
}
