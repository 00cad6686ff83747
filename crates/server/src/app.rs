//! What every request shares.
//!
//! Not here: routes. Invariant: nothing here is a second copy of what the store holds, except
//! when sessions were last used, which is written back every minute; what waits for room on the
//! disk is nowhere else.

use crate::{
    agents::Agents,
    clock::{Clock, Doubts},
    limits::{CAPTURES_WAITING_MAX, LARGE_REPORTS_MAX, WATCHERS_MAX},
    meanwhile::Meanwhile,
    places::Places,
    protect::Protect,
    secret::Passwords,
    settings::Settings,
    throttle::Throttle,
};
use model::Time;
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
};
use store::Store;
use tokio::sync::{Semaphore, watch};

pub(crate) type Shared = Arc<App>;

/// What the server may ask of running sensors; the program that runs them answers.
pub trait Sensors: Send + Sync {
    /// Ends the learning of a sensor, or says why it cannot.
    fn end_learning(&self, sensor: &str) -> Result<(), String>;
}

/// A server without sensors of its own.
pub struct NoSensors;

impl Sensors for NoSensors {
    fn end_learning(&self, sensor: &str) -> Result<(), String> {
        Err(format!("{sensor} is not run by this server"))
    }
}

pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) settings: Settings,
    pub(crate) sensors: Arc<dyn Sensors>,
    pub(crate) passwords: Passwords,
    pub(crate) protect: Protect,
    pub(crate) agents: Agents,
    pub(crate) throttle: Throttle,
    /// Session hash -> when it was used last, and when that was written.
    pub(crate) used: Mutex<HashMap<String, (Time, Time)>>,
    /// Requests with an `Idempotency-Key`, by it and whose it is.
    pub(crate) under_way: Mutex<HashSet<String>>,
    /// Who signs in while the disk has no room.
    pub(crate) meanwhile: Meanwhile,
    /// Streams of changes, by user.
    pub(crate) watchers: Arc<Places<String>>,
    pub(crate) captures_waiting: Arc<Semaphore>,
    pub(crate) parsing: Arc<Semaphore>,
    /// Large reports of captures that are read, or on their way to a caller.
    pub(crate) reports: Arc<Semaphore>,
    /// The newest audit row that was checked, with its hash.
    pub(crate) audited: tokio::sync::Mutex<Option<(i64, String)>>,
    pub(crate) clock: Clock,
    /// Why this machine's clock may be wrong, by what is in the database.
    pub(crate) doubts: Doubts,
    /// Why the server's certificate cannot be renewed.
    pub(crate) no_renewal: Mutex<Option<String>>,
    /// Who has to trust the authority's new certificate, and until when.
    pub(crate) new_authority: Mutex<Option<String>>,
    /// True once the server stops; streams end.
    pub(crate) stopping: watch::Receiver<bool>,
}

impl App {
    pub(crate) fn new(
        store: Store,
        settings: Settings,
        sensors: Arc<dyn Sensors>,
        stopping: watch::Receiver<bool>,
    ) -> Shared {
        let protect = Protect::new(&settings);
        Arc::new(App {
            store,
            settings,
            sensors,
            passwords: Passwords::new(),
            protect,
            agents: Agents::default(),
            throttle: Throttle::default(),
            used: Mutex::new(HashMap::new()),
            under_way: Mutex::default(),
            meanwhile: Meanwhile::default(),
            watchers: Places::new(WATCHERS_MAX),
            captures_waiting: Arc::new(Semaphore::new(CAPTURES_WAITING_MAX)),
            parsing: Arc::new(Semaphore::new(1)),
            reports: Arc::new(Semaphore::new(LARGE_REPORTS_MAX)),
            audited: tokio::sync::Mutex::new(None),
            clock: Clock::new(),
            doubts: Doubts::default(),
            no_renewal: Mutex::default(),
            new_authority: Mutex::default(),
            stopping,
        })
    }
}

pub(crate) use crate::clock::now;
