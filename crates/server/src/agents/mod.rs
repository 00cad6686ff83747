//! Agents on hosts: who they are, what they are to do, what they told.
//!
//! Read `door` for how they come in, `calls` for what is said, `keeping` for their vaults,
//! `restoring` for what people want back from them. An agent
//! is known by the certificate it came with when it was enrolled; the token it showed then worked
//! once. Not here: the agent (`agent`), its words (`uplink::host`). Invariant: an agent is told of
//! its own plans alone, and what it says counts for its own plans and its own vault alone.

pub(crate) mod calls;
pub(crate) mod door;
pub(crate) mod keeping;
pub(crate) mod restoring;

use crate::protect::coverage::Planned;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::{Duration, Instant},
};

/// Between two calls of one agent.
const CALL_PAUSE_MIN: Duration = Duration::from_millis(250);
/// What plans come to is looked at anew so often, whoever asks.
const PLANNED_FOR: Duration = Duration::from_secs(2);

/// What requests and calls share.
#[derive(Default)]
pub(crate) struct Agents {
    /// Where they call.
    pub(crate) address: OnceLock<SocketAddr>,
    /// Runs that are to end, by agent.
    cancelled: Mutex<BTreeMap<String, BTreeSet<String>>>,
    called: Mutex<BTreeMap<String, Instant>>,
    planned: tokio::sync::Mutex<Option<(Instant, Arc<Vec<Planned>>)>>,
    /// Held while the file of the vault server's clients is written.
    clients: tokio::sync::Mutex<()>,
}

impl Agents {
    /// Has an agent end a run when it calls next.
    pub(crate) fn cancel(&self, agent: &str, run: &str) {
        let mut cancelled = self.cancelled.lock().expect("no panic holds it");
        cancelled.entry(agent.to_owned()).or_default().insert(run.to_owned());
    }

    /// Of these runs, the ones an agent is to end.
    fn to_end(&self, agent: &str, open: &[&store::Run]) -> Vec<u64> {
        let mut cancelled = self.cancelled.lock().expect("no panic holds it");
        let Some(wanted) = cancelled.get_mut(agent) else { return Vec::new() };
        wanted.retain(|run| open.iter().any(|open| open.id == *run));
        let ending = open.iter().filter(|open| wanted.contains(&open.id));
        ending.filter_map(|open| open.agent_run).collect()
    }

    #[cfg(test)]
    pub(crate) fn forget_calls(&self) {
        self.called.lock().expect("no panic holds it").clear();
    }

    /// Whether an agent may call again already.
    fn may_call(&self, agent: &str) -> bool {
        let mut called = self.called.lock().expect("no panic holds it");
        let now = Instant::now();
        let last = called.insert(agent.to_owned(), now);
        last.is_none_or(|last| now.duration_since(last) >= CALL_PAUSE_MIN)
    }
}

/// A name for an agent: it becomes a folder and a word in a file.
pub(crate) fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=48).contains(&text.len()) && !text.starts_with('.') && text.bytes().all(fits)
}
