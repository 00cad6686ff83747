//! The one writer: calls queue up, share a transaction, and are answered after its commit.
//!
//! Not here: what the calls do. Invariant: a call is answered with success only after the commit
//! that holds it; watchers hear of a change only then, too.

use crate::{
    BATCH_CALLS_MAX, Change, Error, QUEUE_CALLS_MAX, Result, Store,
    open::{PAGE_BYTES, Settings, has_no_room},
    trouble::Troubles,
    vital::Vital,
    watch::{ChangedRow, Watchers},
};
use model::Time;
use sqlx::{Connection, Row, SqliteConnection};
use std::{
    collections::HashMap, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration,
};
use tokio::sync::{Mutex, mpsc, oneshot};

pub(crate) type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// A call's turn with the database.
pub(crate) struct Turn {
    pub(crate) db: SqliteConnection,
    counters: HashMap<&'static str, i64>,
    changes: Vec<Change>,
    pub(crate) zones: Option<Vec<crate::Zone>>,
    path: PathBuf,
}

impl Turn {
    /// The next number of a counter that survives restarts; a failed call leaves a gap.
    pub(crate) fn next(&mut self, counter: &'static str) -> i64 {
        let value = self.counters.entry(counter).or_insert(0);
        *value += 1;
        *value
    }

    /// The number `next` gave last.
    pub(crate) fn peek(&self, counter: &'static str) -> i64 {
        self.counters.get(counter).copied().unwrap_or(0)
    }

    pub(crate) fn revision(&mut self) -> i64 {
        self.next(REVISION)
    }

    /// Tells watchers, once it is committed.
    pub(crate) fn changed(&mut self, revision: i64, row: ChangedRow) {
        self.changes.push(Change { revision, row });
    }

    /// Which room SQLite has run out of: it says the same of the disk and of the database's limit.
    /// What was taken back is not counted, so at the limit is more than half of it, with a disk
    /// that takes a page more.
    async fn without_room(&mut self) -> Error {
        let (most, used) = match (self.pages(MAX_PAGE_COUNT).await, self.pages(PAGE_COUNT).await) {
            (Ok(most), Ok(used)) => (most, used),
            _ => return Error::Full,
        };
        if used < most / 2 || has_no_room(&self.path) {
            return Error::Full;
        }
        Error::Limit { mib: (most * PAGE_BYTES) >> 20 }
    }

    async fn pages(&mut self, pragma: &'static str) -> Result<u64> {
        let row = sqlx::query(pragma).fetch_one(&mut self.db).await?;
        Ok(row.try_get::<i64, _>(0)?.unsigned_abs())
    }
}

const MAX_PAGE_COUNT: &str = "PRAGMA max_page_count";
const PAGE_COUNT: &str = "PRAGMA page_count";

pub(crate) const REVISION: &str = "revision";
pub(crate) const EVENT: &str = "event";
pub(crate) const AUDIT: &str = "audit";
const COUNTERS: [&str; 3] = [REVISION, EVENT, AUDIT];

/// Runs in the transaction; gives back what to do once it is known whether it was committed.
type Job = Box<dyn for<'t> FnOnce(Result<&'t mut Turn>) -> Answering<'t> + Send>;
type Answering<'t> = Pin<Box<dyn Future<Output = Answer> + Send + 't>>;

struct Answer {
    failed: Option<Error>,
    deliver: Box<dyn FnOnce(std::result::Result<(), Error>) + Send>,
}

pub(crate) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    pub(crate) trouble: Arc<Troubles>,
    task: Mutex<Option<tokio::task::JoinHandle<()>>>,
}

impl Writer {
    pub(crate) async fn start(
        mut db: SqliteConnection,
        settings: &Settings,
        (watchers, path): (Watchers, PathBuf),
        vital: &Vital,
    ) -> sqlx::Result<Writer> {
        let mut counters = HashMap::new();
        for name in COUNTERS {
            sqlx::query("INSERT INTO counters (name, value) VALUES ($1, 0) ON CONFLICT DO NOTHING")
                .bind(name)
                .execute(&mut db)
                .await?;
            let row = sqlx::query("SELECT value FROM counters WHERE name = $1")
                .bind(name)
                .fetch_one(&mut db)
                .await?;
            counters.insert(name, row.try_get(0)?);
        }
        let turn = Turn { db, counters, changes: Vec::new(), zones: None, path };
        let (queue, jobs) = mpsc::channel(QUEUE_CALLS_MAX);
        let trouble = Arc::<Troubles>::default();
        let running = run(turn, jobs, settings.clone(), (watchers, trouble.clone()));
        let task = vital.spawn("saving to the database", running);
        Ok(Writer { queue: Mutex::new(Some(queue)), trouble, task: Mutex::new(Some(task)) })
    }

    /// Takes no more calls, commits those that wait, closes the database.
    pub(crate) async fn stop(&self) {
        drop(self.queue.lock().await.take());
        if let Some(task) = self.task.lock().await.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the writer ended badly");
        }
    }
}

impl Store {
    /// Runs `work` in a transaction of the writer and waits for its commit. `work` alone is taken
    /// back when it fails; others of the batch stay.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: for<'t> FnOnce(&'t mut Turn) -> Work<'t, T> + Send + 'static,
    {
        let writer = self.inner.writer.as_ref().ok_or(Error::Closed)?;
        let queue = writer.queue.lock().await.clone().ok_or(Error::Closed)?;
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |turn| {
            Box::pin(async move {
                let result = match turn {
                    Ok(turn) => match work(&mut *turn).await {
                        // A limit ends a statement; a commit fails for want of a disk alone.
                        Err(Error::Full) => Err(turn.without_room().await),
                        done => done,
                    },
                    Err(error) => Err(error),
                };
                let failed = result.as_ref().err().cloned();
                let deliver = Box::new(move |committed: std::result::Result<(), Error>| {
                    // Who asked may have gone; the change stands all the same.
                    drop(reply.send(committed.and(result)));
                });
                Answer { failed, deliver }
            })
        });
        queue.send(job).await.map_err(|_| Error::Closed)?;
        answer.await.map_err(|_| Error::Closed)?
    }
}

async fn run(
    mut turn: Turn,
    mut jobs: mpsc::Receiver<Job>,
    settings: Settings,
    (watchers, trouble): (Watchers, Arc<Troubles>),
) {
    let mut is_busy = false;
    while let Some(first) = jobs.recv().await {
        let mut batch = vec![first];
        let deadline = tokio::time::Instant::now() + settings.commit_delay;
        while batch.len() < BATCH_CALLS_MAX {
            match tokio::time::timeout_at(deadline, jobs.recv()).await {
                Ok(Some(job)) => batch.push(job),
                Ok(None) | Err(_) => break,
            }
        }
        let before = turn.counters.clone();
        let (answers, committed) = transact(&mut turn, batch).await;
        if is_busy != matches!(committed, Err(Error::Busy)) {
            is_busy = !is_busy;
            let wait = if is_busy { BUSY_AGAIN } else { settings.busy_wait };
            wait_for_others(&mut turn, wait.min(settings.busy_wait)).await;
        }
        let changes = std::mem::take(&mut turn.changes);
        match &committed {
            Ok(()) => {
                // A commit of nothing needs no room and proves none.
                if turn.counters != before {
                    trouble.is_well(now());
                }
                watchers.tell(changes);
            }
            Err(error) => {
                trouble.is_ill(now(), error, answers.len());
                turn.zones = None;
                turn.counters = before;
            }
        }
        for answer in answers {
            (answer.deliver)(committed.clone());
        }
    }
    if let Err(error) = turn.db.close().await {
        tracing::warn!(%error, "closing the database failed");
    }
}

/// How long a commit waits for another program that has held the database for long: whoever asks
/// for something is to hear at once that it cannot be saved.
const BUSY_AGAIN: Duration = Duration::from_millis(200);

async fn wait_for_others(turn: &mut Turn, wait: Duration) {
    let sql = format!("PRAGMA busy_timeout = {}", wait.as_millis());
    let set = sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&mut turn.db).await;
    if let Err(error) = set {
        tracing::debug!(%error, "commits wait for other programs as long as before");
    }
}

async fn transact(turn: &mut Turn, batch: Vec<Job>) -> (Vec<Answer>, Result<()>) {
    let mut answers = Vec::with_capacity(batch.len());
    let mut outcome = command(turn, "BEGIN IMMEDIATE").await;
    for job in batch {
        if outcome.is_ok() {
            outcome = command(turn, "SAVEPOINT call").await;
        }
        // After a full disk SQLite has left the transaction: a call that ran now would commit by
        // itself, so the rest is refused unseen.
        if let Err(error) = &outcome {
            answers.push(job(Err(error.clone())).await);
            continue;
        }
        let mark = turn.changes.len();
        let answer = job(Ok(&mut *turn)).await;
        outcome = match &answer.failed {
            None => command(turn, "RELEASE call").await,
            Some(error) => {
                turn.changes.truncate(mark);
                turn.zones = None;
                take_back(turn, error).await
            }
        };
        answers.push(answer);
    }
    if outcome.is_ok() {
        outcome = commit(turn).await;
    }
    if outcome.is_err()
        && let Err(error) = command(turn, "ROLLBACK").await
    {
        // SQLite has rolled back by itself after a full disk or an IO error.
        tracing::debug!(%error, "nothing left to roll back");
    }
    (answers, outcome)
}

/// Undoes one call and keeps the batch; where SQLite has dropped the batch, says why.
async fn take_back(turn: &mut Turn, error: &Error) -> Result<()> {
    let undone = match command(turn, "ROLLBACK TO call").await {
        Ok(()) => command(turn, "RELEASE call").await,
        failed => failed,
    };
    if undone.is_err() && error.is_of_disk() { Err(error.clone()) } else { undone }
}

async fn commit(turn: &mut Turn) -> Result<()> {
    for name in COUNTERS {
        let value = turn.counters[name];
        sqlx::query("UPDATE counters SET value = $1 WHERE name = $2 AND value <> $1")
            .bind(value)
            .bind(name)
            .execute(&mut turn.db)
            .await?;
    }
    command(turn, "COMMIT").await
}

async fn command(turn: &mut Turn, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(&mut turn.db).await?;
    Ok(())
}

/// The wall clock: when the server did something, never when the plant did.
pub(crate) fn now() -> Time {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Time(since.map_or(0, |d| i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)))
}
