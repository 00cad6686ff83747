//! Tasks without which the program must not go on: where one panics, whoever runs it ends it.
//!
//! A server of which a part is dead without a word looks well, saves nothing and answers nobody;
//! one that ends is started again. Not here: how it ends. Invariant: a task that returned by
//! itself, or was not let to its end, has not failed.

use std::{future::Future, sync::Arc};
use tokio::{sync::watch, task::JoinHandle};

/// The watch over them. Clones share it.
#[derive(Clone, Debug)]
pub struct Vital(Arc<watch::Sender<Option<&'static str>>>);

impl Default for Vital {
    fn default() -> Self {
        Vital(Arc::new(watch::Sender::new(None)))
    }
}

impl Vital {
    /// Runs a task in the background; `what` says what does not go on without it.
    pub fn spawn<T: Send + 'static>(
        &self,
        what: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let guard = Guard { vital: self.clone(), what };
        tokio::spawn(async move {
            let _told = guard;
            task.await
        })
    }

    /// Waits until one has panicked, and says what does not go on.
    pub async fn failed(&self) -> &'static str {
        let mut failures = self.0.subscribe();
        let failed = failures.wait_for(Option::is_some).await;
        failed.ok().and_then(|what| *what).unwrap_or("the program")
    }
}

struct Guard {
    vital: Vital,
    what: &'static str,
}

impl Drop for Guard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.vital.0.send_if_modified(|failed| {
                let is_first = failed.is_none();
                failed.get_or_insert(self.what);
                is_first
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Error, Settings, Store};
    use std::time::Duration;

    #[tokio::test]
    async fn what_panics_is_told_and_what_ends_or_is_ended_is_not() {
        let vital = Vital::default();
        vital.spawn("nothing", async {}).await.expect("ends");
        let endless = vital.spawn("nothing", std::future::pending::<()>());
        endless.abort();
        endless.await.expect_err("aborted");
        let soon = tokio::time::timeout(Duration::from_millis(20), vital.failed());
        soon.await.expect_err("nothing has failed");
        vital.spawn("the first", async { panic!("on purpose") }).await.expect_err("panics");
        vital.spawn("the second", async { panic!("on purpose") }).await.expect_err("panics");
        assert_eq!(vital.failed().await, "the first");
    }

    #[tokio::test]
    async fn a_writer_that_panics_keeps_nobody_waiting_and_is_told() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        let panics = store.write::<(), _>(|_| Box::pin(async { panic!("on purpose") })).await;
        assert!(matches!(panics, Err(Error::Closed)), "{panics:?}");
        assert_eq!(store.vital().failed().await, "saving to the database");
        assert!(matches!(store.ping().await, Err(Error::Closed)));
        store.close().await;
    }
}
