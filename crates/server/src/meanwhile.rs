//! What waits in memory while the disk has no room: who signs in and out, and how the parsing of
//! captures ended.
//!
//! A session is a row, and so is every try. Without room for rows nobody could look at the plant
//! on the day it matters, so both wait here. Not here: changes people ask for, which are refused
//! then, and what sensors say, which `intake` holds.
//! Invariant: a try is on the audit chain or waits to get there in its order, and is in the log at
//! once; a session that waits ends as one on disk would.

use crate::limits::{SESSIONS_WAITING_MAX, TRIES_WAITING_MAX};
use model::Time;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Mutex, MutexGuard},
};
use store::{AuditBegin, AuditEnd, CaptureSummary, Error, Result, Session, Store, User};

#[derive(Default)]
pub(crate) struct Meanwhile(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    sessions: HashMap<String, Held>,
    /// Sessions on disk that were ended.
    ended: HashSet<String>,
    tries: VecDeque<Tried>,
    parsed: VecDeque<(String, Parsed)>,
}

/// What came of a capture, or why nothing did.
pub(crate) type Parsed = std::result::Result<CaptureSummary, String>;

/// A session without a row.
#[derive(Clone)]
struct Held {
    session: Session,
    /// Of the user's row: another password or right ends the session.
    generation: i64,
    ip: Option<String>,
}

impl Held {
    /// Its user, who may still sign in and whose password and right are those of then.
    async fn user(&self, store: &Store) -> Result<Option<User>> {
        match store.user(&self.session.user).await {
            Ok(user) if user.generation == self.generation && !user.disabled => Ok(Some(user)),
            Ok(_) | Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A try to sign in or out that is not on the audit chain, or not with its end.
#[derive(Clone)]
pub(crate) struct Tried {
    pub(crate) record: Option<i64>,
    pub(crate) begin: AuditBegin,
    pub(crate) result: String,
    pub(crate) at: Time,
}

impl Meanwhile {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().expect("no panic holds it")
    }

    /// Holds a session. The oldest gives way when there are many.
    pub(crate) fn hold(&self, session: Session, generation: i64, ip: Option<String>) {
        let sessions = &mut self.waiting().sessions;
        if sessions.len() >= SESSIONS_WAITING_MAX {
            let oldest = sessions.values().min_by_key(|held| held.session.created_at);
            let oldest = oldest.map(|held| held.session.hash.clone());
            oldest.and_then(|hash| sessions.remove(&hash));
        }
        sessions.insert(session.hash.clone(), Held { session, generation, ip });
    }

    /// The session with this hash, on disk or held, of a user who may still sign in.
    pub(crate) async fn session(&self, store: &Store, hash: &str) -> Result<Option<Session>> {
        let held = {
            let waiting = self.waiting();
            if waiting.ended.contains(hash) {
                return Ok(None);
            }
            waiting.sessions.get(hash).cloned()
        };
        let Some(held) = held else { return store.session(hash).await };
        let user = held.user(store).await?;
        Ok(user.map(|user| Session { role: user.role, ..held.session }))
    }

    /// Ends a session, whether there is room to note it or not.
    pub(crate) async fn end(&self, store: &Store, hash: &str) -> Result<()> {
        if self.waiting().sessions.remove(hash).is_some() {
            return Ok(());
        }
        match store.delete_session(hash).await {
            Err(error) if error.is_of_disk() => {
                self.waiting().ended.insert(hash.to_owned());
                Ok(())
            }
            done => done,
        }
    }

    /// Remembers a try, which the log has from now on.
    pub(crate) fn tried(&self, tried: Tried) {
        let AuditBegin { actor, ip, action, .. } = &tried.begin;
        let (ip, result) = (ip.as_deref().unwrap_or("?"), &tried.result);
        tracing::warn!(%actor, %ip, %action, %result, "no room to save who signed in or out");
        let tries = &mut self.waiting().tries;
        if tries.len() < TRIES_WAITING_MAX {
            tries.push_back(tried);
        }
    }

    /// Notes captures that were being parsed when the server ended.
    pub(crate) fn interrupted(&self, captures: Vec<String>) {
        for id in captures {
            let reason = "the server stopped while it was parsed; upload it again".to_owned();
            self.parsed(id, Err(reason));
        }
    }

    /// Notes what came of a capture.
    pub(crate) fn parsed(&self, id: String, outcome: Parsed) {
        self.waiting().parsed.push_back((id, outcome));
    }

    /// Saves what waits, as far as there is room.
    pub(crate) async fn settle(&self, store: &Store) -> Result<()> {
        let parsed: Vec<_> = self.waiting().parsed.iter().cloned().collect();
        for (id, outcome) in parsed {
            match store.finish_capture(&id, outcome).await {
                // Somebody threw it away meanwhile.
                Ok(()) | Err(Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
            self.waiting().parsed.retain(|(waits, _)| *waits != id);
        }
        self.settle_tries(store).await?;
        self.settle_sessions(store).await
    }

    async fn settle_tries(&self, store: &Store) -> Result<()> {
        loop {
            let Some(mut tried) = self.waiting().tries.front().cloned() else { break };
            let written = write(store, &mut tried).await;
            let tries = &mut self.waiting().tries;
            match written {
                Ok(()) => drop(tries.pop_front()),
                Err(error) => {
                    if let Some(first) = tries.front_mut() {
                        first.record = tried.record;
                    }
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    async fn settle_sessions(&self, store: &Store) -> Result<()> {
        let held: Vec<Held> = self.waiting().sessions.values().cloned().collect();
        for held in held {
            let hash = held.session.hash.clone();
            // Only one that is still good gets a row.
            store.create_session(held.session, held.generation, held.ip).await?;
            let mut waiting = self.waiting();
            if waiting.sessions.remove(&hash).is_none() {
                // It was ended while it was saved: its row goes as well.
                waiting.ended.insert(hash);
            }
        }
        let ended: Vec<String> = self.waiting().ended.iter().cloned().collect();
        for hash in ended {
            store.delete_session(&hash).await?;
            self.waiting().ended.remove(&hash);
        }
        Ok(())
    }
}

async fn write(store: &Store, tried: &mut Tried) -> Result<()> {
    let record = match tried.record {
        Some(record) => record,
        None => *tried.record.insert(store.audit_begin(tried.begin.clone()).await?),
    };
    let reason = Some(format!("at {}, when there was no room to save it", tried.at));
    let end = AuditEnd { result: tried.result.clone(), reason, ..AuditEnd::default() };
    store.audit_end(record, &tried.begin.actor, end).await
}
