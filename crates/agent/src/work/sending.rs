//! The vault on the host, and its way to the vault server.
//!
//! Not here: the sending itself ([`crate::ship`]). Invariant: nothing is sent while the vault's
//! rules are carried out.

use super::{Agent, Event};
use crate::{limits::CALL_PAUSE_MIN, limits::TEXT_CHARS_MAX, runs, ship::send};
use std::time::Duration;
use vault::Vault;

impl Agent<'_> {
    pub(super) fn look_at_spool(&mut self) {
        self.look_at_log(None);
        self.spool.bytes = crate::size_of(&self.config.spool()).1;
    }

    /// The same without counting its files: so many bytes came to it.
    pub(super) fn look_at_log(&mut self, more: Option<u64>) {
        let path = self.config.spool();
        match Vault::open(&path).and_then(|vault| Ok((vault.log_state()?, vault))) {
            Ok(((_, entries, _), vault)) => {
                (self.spool.log_key, self.spool.entries) = (vault.log_key().to_string(), entries);
            }
            Err(error) => tracing::error!(%error, "the vault on this host cannot be read"),
        }
        self.spool.bytes = self.spool.bytes.saturating_add(more.unwrap_or(0));
    }

    /// Sends what the vault server lacks; else says how long not.
    pub(super) fn begin_sending(&mut self) -> Option<Duration> {
        let lacks = self.sent.is_none_or(|sent| sent < self.spool.entries);
        let place = self.books.vault().cloned()?;
        if !lacks || self.under.is_tidying() || self.spool.entries < 2 {
            return None;
        }
        if let Some(left) = self.sending.waits() {
            return left;
        }
        let (config, enrolment) = (self.config.clone(), self.enrolment.clone());
        let events = self.events.clone();
        self.sending.begin("send", move || {
            drop(events.send(Event::Sent(send(&config, &enrolment, &place))));
        });
        None
    }

    pub(super) fn was_sent(&mut self, done: std::result::Result<u64, String>) {
        match done {
            Ok(entries) => {
                (self.sent, self.spool.fault) = (Some(entries), None);
                self.sending.done(Duration::ZERO);
            }
            Err(why) => {
                if self.sending.failures == 0 {
                    tracing::warn!(why, "backups do not arrive at the vault; they are kept here");
                }
                self.spool.fault = Some(runs::text(&why, TEXT_CHARS_MAX));
                self.sending.failed(Duration::from_secs(u64::from(self.config.call_every_s)));
            }
        }
        self.call_soon(CALL_PAUSE_MIN);
    }
}
