//! Promotion: a copy becomes a vault of its own, when the site it was copied from is lost or has
//! handed it over.
//!
//! Invariant: only a copy whose log and objects are whole by its own checkpoint is promoted; with
//! the key of the log its first own entry says who did it, and the journal says so in any case.
//! From then on the other side's entries are no continuation.

use super::{Journal, Noted, REPLICA, SITE, Takeover, takeover};
use crate::{
    durable,
    error::{Error, IoContext, Result},
    event::Event,
    vault::{REPOSITORY, Unlocked, Vault},
};
use model::Time;
use std::fs;

/// Makes the copy a vault that backups may be written to; the size of its log.
pub fn promote(vault: &Vault, by: &str, now: Time) -> Result<u64> {
    let marker = vault.directory().join(REPLICA);
    if !marker.exists() {
        return Err(Error::Refused("it is no copy; it can be written to already".to_owned()));
    }
    let ledger = vault.ledger()?;
    let journal = Journal::open(&vault.directory().join(SITE), "site", now)?;
    let (log, size) = (ledger.origin.clone(), ledger.size);
    journal.note(Noted::Promoted { log, size, by: by.to_owned() }, now)?;
    // A repository that is written to has all its folders; a copy has those that hold something.
    let repository = vault.directory().join(REPOSITORY);
    let data = (0..=u8::MAX).map(|byte| format!("data/{byte:02x}"));
    let others = ["index", "keys", "locks", "snapshots"].map(str::to_owned);
    for folder in data.chain(others).map(|name| repository.join(name)) {
        fs::create_dir_all(&folder).doing("create", folder)?;
    }
    // What was heard before is over; that this site took over is said from here on.
    takeover::forget(vault.directory())?;
    Takeover::note(vault, None, by, now)?;
    fs::remove_file(&marker).doing("remove", &marker)?;
    durable::sync_directory(vault.directory()).doing("write", vault.directory())?;
    Ok(size)
}

impl Unlocked {
    /// Promotes, and says so in the log: everything that follows was written here.
    pub fn promote(&self, by: &str, now: Time) -> Result<u64> {
        self.signer()?;
        let size = promote(self.vault(), by, now)?;
        self.append(now, |_| Ok(Event::Promoted { from: size, by: by.to_owned() }))?;
        Ok(size)
    }

    /// The last entry before another site takes over.
    pub(crate) fn log_hand_over(&self, to: &str, by: &str, now: Time) -> Result<u64> {
        let (to, by) = (to.to_owned(), by.to_owned());
        self.append(now, |_| Ok(Event::HandedOver { to, by }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Policy, Sha256, event::ObjectChange, ledger::Ledger, vault::encode};

    fn folded(last: Event) -> Vec<(u64, String)> {
        let objects = ObjectChange { list: Sha256::of(b""), added: 0, removed: 0, added_bytes: 0 };
        let (description, policy) = (Sha256::of(b"description"), Policy::default());
        let events = [
            Event::Init { description, objects, policy },
            Event::HandedOver { to: "site-a".into(), by: "anna".into() },
            last,
        ];
        let mut ledger = Ledger::new("log.example/1");
        for (number, event) in (0..).zip(events) {
            ledger.fold(number, &encode(Time::from_secs(9), event));
        }
        ledger.violations.into_iter().map(|found| (found.entry, found.what)).collect()
    }

    #[test]
    fn after_a_vault_was_handed_over_nothing_but_a_promotion_breaks_no_rule() {
        let promoted = |from| folded(Event::Promoted { from, by: "bert".into() });
        assert_eq!(promoted(2), []);
        assert_eq!(promoted(7), [(2, "it says that it follows 7 entries".to_owned())]);
        let written = folded(Event::Policy { policy: Policy::default(), by: "anna".into() });
        assert_eq!(written.len(), 1);
        assert!(written[0].1.contains("handed over to site-a"), "{written:?}");
    }
}
