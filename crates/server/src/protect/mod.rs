//! Protection: plans are carried out, and what they came to is told.
//!
//! Read `work` for what a worker is told, `spec` for plans, `reach` for what may be asked,
//! `due` for what comes next, `lanes` for
//! what goes beside what, `reconcile` for who does it. Backups are made by a child process, never
//! here. Invariant: one run at a time in each lane, and a run's end is on disk before the next of
//! its lane begins.

pub(crate) mod copying;
pub(crate) mod coverage;
pub(crate) mod due;
pub(crate) mod fence;
pub(crate) mod lanes;
pub(crate) mod own;
pub(crate) mod quiet;
pub(crate) mod reach;
pub(crate) mod reconcile;
pub(crate) mod spec;
pub(crate) mod view;
pub mod work;
pub(crate) mod worker;

pub(crate) use view::{VaultSettings, VaultView};

use crate::{app::now, limits::VAULT_QUESTIONS_MAX, protect::work::Job, settings::Settings};
use model::Time;
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use store::Store;
use tokio::sync::{Notify, Semaphore, mpsc::UnboundedSender};
use worker::Failure;

/// A run under way, how to end it and how to say something to it.
pub(crate) struct Running {
    pub(crate) id: String,
    pub(crate) end: Arc<Notify>,
    pub(crate) says: UnboundedSender<String>,
}

/// What requests and the reconciler share.
pub(crate) struct Protect {
    pub(crate) data: PathBuf,
    program: PathBuf,
    /// Something to do may have come.
    pub(crate) wake: Notify,
    /// Something to do is queued.
    lanes: lanes::Wakes,
    pub(crate) running: Mutex<Vec<Running>>,
    /// A copy may be due.
    pub(crate) wake_copies: Notify,
    /// Questions that are asked of the vault at the same time.
    questions: Semaphore,
    /// What the vault said last; forgotten when something was written to it.
    view: tokio::sync::Mutex<Option<Arc<VaultView>>>,
    /// Held from the look at the vault's rules to the change of them.
    pub(crate) setting_rules: tokio::sync::Mutex<()>,
    /// Copies that are late, and when that was said last.
    said_late: Mutex<BTreeMap<String, Time>>,
    /// When it was said last that this site is fenced.
    said_fenced: Mutex<Option<Time>>,
}

/// What the vault said is asked for again after a minute.
const VIEW_KEPT_NANOS: i64 = 60 * 1_000_000_000;
/// A kit holds plant data in clear: it is there for a day.
const KIT_KEPT: Duration = Duration::from_secs(86_400);

/// What findings of the control plane's own come from, where others name a sensor.
const SOURCE: &str = "control-plane";

/// Name of the setting that says where the vault is.
const VAULT: &str = "vault";

impl Protect {
    pub(crate) fn new(settings: &Settings) -> Self {
        Protect {
            data: settings.data.clone(),
            program: settings.program.clone(),
            wake: Notify::new(),
            lanes: lanes::Wakes::default(),
            running: Mutex::new(Vec::new()),
            wake_copies: Notify::new(),
            questions: Semaphore::new(VAULT_QUESTIONS_MAX),
            view: tokio::sync::Mutex::new(None),
            setting_rules: tokio::sync::Mutex::new(()),
            said_late: Mutex::new(BTreeMap::new()),
            said_fenced: Mutex::new(None),
        }
    }

    /// Where the vault is; `None` before one was made.
    pub(crate) async fn vault(&self, store: &Store) -> store::Result<Option<VaultSettings>> {
        let value = store.setting(VAULT).await?;
        Ok(value.and_then(|value| serde_json::from_value(value).ok()))
    }

    pub(crate) async fn set_vault(
        &self,
        store: &Store,
        vault: &VaultSettings,
    ) -> store::Result<()> {
        let value = serde_json::to_value(vault).expect("plain data");
        store.set_setting(VAULT, value).await
    }

    /// Asks a worker something that is answered at once; no run, no progress.
    pub(crate) async fn ask(
        &self,
        vault: &VaultSettings,
        job: Job,
    ) -> Result<serde_json::Value, Failure> {
        let _place = self.questions.acquire().await.map_err(|_| Failure::of("it is stopping"))?;
        let order = vault.order(job);
        let limit = crate::limits::VAULT_ANSWER_TIMEOUT;
        let never = std::future::pending();
        let work = worker::perform(&self.program, &order, |_| (), worker::silence(), never);
        match tokio::time::timeout(limit, work).await {
            Ok(answer) => answer,
            Err(_) => Err(Failure::of("the vault took too long to answer")),
        }
    }

    /// What is in the vault, as it said last.
    pub(crate) async fn view(&self, vault: &VaultSettings) -> Result<Arc<VaultView>, Failure> {
        let mut known = self.view.lock().await;
        // The command line, a witness or restic may have written to it as well.
        let fresh =
            |view: &&Arc<VaultView>| (0..VIEW_KEPT_NANOS).contains(&now().since(view.read_at));
        if let Some(view) = known.as_ref().filter(fresh) {
            return Ok(view.clone());
        }
        let answer = self.ask(vault, Job::Overview).await?;
        let view: VaultView = serde_json::from_value(answer)
            .map_err(|error| Failure::of(format!("its answer cannot be read: {error}")))?;
        let view = Arc::new(VaultView { read_at: now(), ..view });
        *known = Some(view.clone());
        Ok(view)
    }

    /// The vault was written to.
    pub(crate) async fn changed(&self) {
        *self.view.lock().await = None;
    }

    /// Ends the worker of a run; false when it is not under way.
    pub(crate) fn end(&self, run: &str) -> bool {
        let running = self.running.lock().expect("no panic holds it");
        let under_way = running.iter().find(|running| running.id == run);
        if let Some(running) = under_way {
            running.end.notify_one();
        }
        under_way.is_some()
    }

    /// Says a line to the worker of a run; false when it is not under way.
    pub(crate) fn say(&self, run: &str, line: String) -> bool {
        let running = self.running.lock().expect("no panic holds it");
        let under_way = running.iter().find(|running| running.id == run);
        under_way.is_some_and(|running| running.says.send(line).is_ok())
    }

    /// Where a drill has its data while it runs.
    pub(crate) fn drill_folder(&self) -> PathBuf {
        self.data.join("drills")
    }

    /// Deletes restore kits that are old; whoever needs one makes it again.
    pub(crate) async fn clean_up(&self) {
        // What a drill left that was killed with its server is plant data in clear.
        match tokio::fs::remove_dir_all(self.drill_folder()).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!(%error, "what a drill left could not be deleted");
            }
            _ => {}
        }
        let Ok(mut entries) = tokio::fs::read_dir(self.data.join("kits")).await else { return };
        while let Ok(Some(entry)) = entries.next_entry().await {
            let made = entry.metadata().await.and_then(|meta| meta.modified());
            let old = made.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > KIT_KEPT));
            if old && let Err(error) = tokio::fs::remove_file(entry.path()).await {
                tracing::warn!(%error, "an old restore kit could not be deleted");
            }
        }
    }

    /// Where a restore kit of a run lies.
    pub(crate) fn kit(&self, run: &str) -> PathBuf {
        self.data.join("kits").join(format!("{run}.zip"))
    }
}
