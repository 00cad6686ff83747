//! Another site has taken over: said by the one that did, heard by the one that was lost.
//!
//! Site B says it whenever it asks site A for anything, and to whoever asks B how it stands, so A
//! hears of it as soon as one of them reaches the other. From then on A is fenced: two sites must
//! not run one plant, nor write two histories of one vault. B signs what it says with the key by
//! which it vouches for A's log as a witness. Whose key that is A knows from the first copy that
//! was acknowledged, so who has no more than a token of B's fences nobody. Not here: the way there
//! (HTTP). A fence deletes nothing and is lifted by a person at A. Invariant: a vault that is
//! fenced takes no backup, and what was lifted once is not heard again.

use super::{Journal, Noted, REPLICA, SITE};
use crate::{
    durable,
    error::{Error, IoContext, Result},
    key::is_signed,
    log::{Checkpoint, VerifyingKey},
    vault::Vault,
};
use model::Time;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Octets of what is said.
pub const TAKEOVER_BYTES_MAX: usize = 8_192;

/// What the site that took over keeps and says.
const SAID: &str = "takeover.json";
/// What the site that was lost has heard.
const HEARD: &str = ".fenced";
/// Up to when what was heard is over, in the site's own directory.
const LIFTED: &str = "lifted.json";

/// A site took over. Formats at rest and on the way: a field is added, never changed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Takeover {
    /// Name of the site that did.
    pub site: String,
    /// Name of the vault's log.
    pub log: String,
    pub at: Time,
    pub by: String,
    /// The recovery plan that was run in earnest; none when the copy became the vault.
    #[serde(default)]
    pub plan: Option<String>,
    /// The site's public key and its signature over the rest.
    #[serde(default)]
    pub key: String,
    #[serde(default)]
    pub signature: String,
}

impl Takeover {
    /// Notes that this site, which has a copy of a vault, took over; it is said from then on.
    pub fn note(vault: &Vault, plan: Option<&str>, by: &str, now: Time) -> Result<Self> {
        let site = vault.directory().join(SITE);
        let journal = Journal::open(&site, "site", now)?;
        let mut takeover = Self {
            site: journal.public().name,
            log: vault.log_key().name.clone(),
            at: now,
            by: by.to_owned(),
            plan: plan.map(str::to_owned),
            key: journal.public().to_string(),
            signature: String::new(),
        };
        takeover.signature = journal.sign(&takeover.message());
        write(&site.join(SAID), &takeover)?;
        Ok(takeover)
    }

    /// What this site says, if it took over.
    pub fn said(directory: &Path) -> Option<Self> {
        read(&directory.join(SITE).join(SAID))
    }

    /// What another site sent; `None` when it is not that.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let takeover: Self = serde_json::from_slice(bytes).ok()?;
        let texts = [Some(&takeover.site), Some(&takeover.by), takeover.plan.as_ref()];
        let fits = |text: &String| text.len() <= 256 && !text.chars().any(char::is_control);
        let is_text = texts.into_iter().flatten().all(fits);
        is_text.then_some(takeover)
    }

    /// What is signed. No text in it has a line break.
    fn message(&self) -> String {
        let Self { site, log, at, by, plan, .. } = self;
        let plan = plan.as_deref().map_or(String::new(), |plan| format!("plan {plan}\n"));
        format!("spandrel takeover 1\n{site}\n{log}\n{at}\n{by}\n{plan}")
    }

    /// Whether the site said it that vouched for this checkpoint.
    pub fn is_of_witness(&self, note: &str) -> bool {
        let Some(key) = VerifyingKey::parse(&self.key) else { return false };
        key.name == self.site
            && is_signed(&key, &self.message(), &self.signature)
            && Checkpoint::cosigned_by(note, &key).is_some()
    }

    /// In words, for whoever is fenced.
    pub fn in_words(&self) -> String {
        let Self { site, at, by, plan, .. } = self;
        match plan {
            Some(plan) => format!(
                "{site} ran the recovery plan \"{plan}\" in earnest at {at} (by {by}); this site \
                 is fenced"
            ),
            None => format!("{site} was promoted at {at} (by {by}); this site is fenced"),
        }
    }
}

/// What this site has heard, and from when on it is fenced.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fence {
    #[serde(flatten)]
    pub takeover: Takeover,
    pub heard_at: Time,
    /// Client or address that it came from.
    pub from: String,
}

impl Fence {
    pub fn of(directory: &Path) -> Option<Self> {
        read(&directory.join(HEARD))
    }

    /// Fences a vault; false when it is so already, or when it is a copy and takes no backups.
    pub fn raise(vault: &Vault, takeover: Takeover, from: &str, now: Time) -> Result<bool> {
        if takeover.log != vault.log_key().name {
            return Err(Error::Refused("it is said of another vault".to_owned()));
        }
        let directory = vault.directory();
        let held = Self::of(directory);
        let is_known = held.is_some_and(|held| held.takeover == takeover);
        let lifted: Option<Time> = read(&directory.join(SITE).join(LIFTED));
        let is_over = lifted.is_some_and(|lifted| takeover.at <= lifted);
        if is_known || is_over || directory.join(REPLICA).exists() {
            return Ok(false);
        }
        let (site, by, at) = (takeover.site.clone(), takeover.by.clone(), takeover.at);
        let fence = Self { takeover, heard_at: now, from: from.to_owned() };
        write(&directory.join(HEARD), &fence)?;
        let log = vault.log_key().name.clone();
        let journal = Journal::open(&directory.join(SITE), "site", now)?;
        journal.note(Noted::Fenced { log, site, by, at, from: from.to_owned() }, now)?;
        Ok(true)
    }

    pub(crate) fn refusal(&self) -> Error {
        Error::Refused(format!(
            "{}: follow it with `vault failback`; if it is not so, a person lifts the fence with \
             `vault unfence`",
            self.takeover.in_words()
        ))
    }
}

/// Takes back what was said and what was heard, because it is not so or is over; whether there was
/// anything.
pub fn unfence(directory: &Path, reason: &str, by: &str, now: Time) -> Result<bool> {
    let vault = Vault::open(directory)?;
    note_lifted(directory)?;
    let mut any = false;
    for path in places(directory) {
        match fs::remove_file(&path) {
            Ok(()) => any = true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error).doing("remove", path),
        }
    }
    if any {
        let (log, by) = (vault.log_key().name.clone(), by.to_owned());
        let journal = Journal::open(&directory.join(SITE), "site", now)?;
        journal.note(Noted::Unfenced { log, reason: reason.to_owned(), by }, now)?;
    }
    Ok(any)
}

/// Silently: the vault changed hands in order.
pub(super) fn forget(directory: &Path) -> Result<()> {
    note_lifted(directory)?;
    for path in places(directory) {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).doing("remove", path);
            }
            _ => {}
        }
    }
    Ok(())
}

/// What was heard is not to be heard again.
fn note_lifted(directory: &Path) -> Result<()> {
    let Some(fence) = Fence::of(directory) else { return Ok(()) };
    let path = directory.join(SITE).join(LIFTED);
    let before: Option<Time> = read(&path);
    write(&path, &before.map_or(fence.takeover.at, |before| before.max(fence.takeover.at)))
}

fn places(directory: &Path) -> [PathBuf; 2] {
    [directory.join(HEARD), directory.join(SITE).join(SAID)]
}

fn write(path: &Path, value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_vec(value).expect("it is plain data");
    durable::write(path, &[&text, b"\n"], 0o644).doing("write", path)
}

/// What is there; a file that cannot be read fences nobody and is not taken for none silently.
fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> Option<T> {
    let text = fs::read(path).ok()?;
    let value = serde_json::from_slice(&text);
    if let Err(error) = &value {
        tracing::error!(path = %path.display(), %error, "it cannot be read");
    }
    value.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Policy;

    fn vault(root: &Path) -> Vault {
        let (directory, key) = (root.join("vault"), root.join("key"));
        let now = Time::from_secs(1_000);
        Vault::init(&directory, &key, Policy::default(), now).unwrap();
        Vault::open(&directory).unwrap()
    }

    fn takeover(vault: &Vault) -> Takeover {
        let (log, at) = (vault.log_key().name.clone(), Time::from_secs(2_000));
        let (key, signature) = (String::new(), String::new());
        Takeover { site: "site-b".into(), log, at, by: "anna".into(), plan: None, key, signature }
    }

    #[test]
    fn a_fenced_vault_takes_no_backup_until_a_person_lifts_the_fence() {
        let root = tempfile::tempdir().unwrap();
        let vault = vault(root.path());
        let now = Time::from_secs(3_000);
        assert!(Fence::raise(&vault, takeover(&vault), "mirror-b", now).unwrap());
        assert!(!Fence::raise(&vault, takeover(&vault), "mirror-b", now).unwrap(), "known");
        let directory = vault.directory().to_owned();
        let refused = crate::vault::Working::begin(&vault).err().unwrap().to_string();
        assert!(refused.contains("site-b was promoted at 1970-01-01T00:33:20"), "{refused}");
        assert!(refused.contains("this site is fenced"), "{refused}");
        assert!(unfence(&directory, "a mistake", "bert", now).unwrap());
        assert!(crate::vault::Working::begin(&vault).is_ok());
        assert!(!Fence::raise(&vault, takeover(&vault), "mirror-b", now).unwrap(), "lifted");
        assert!(crate::vault::Working::begin(&vault).is_ok());
        let noted = super::super::journal::entries(&directory.join(SITE)).unwrap();
        let kinds: Vec<_> = noted.into_iter().skip(1).map(|entry| entry.noted).collect();
        assert!(matches!(kinds[..], [Noted::Fenced { .. }, Noted::Unfenced { .. }]), "{kinds:?}");
    }

    #[test]
    fn only_the_site_that_vouched_for_a_checkpoint_takes_over() {
        let root = tempfile::tempdir().unwrap();
        let vault = vault(root.path());
        let (now, directory) = (Time::from_secs(3_000), vault.directory());
        let note = fs::read_to_string(directory.join("log/checkpoint")).unwrap();
        let site = |name: &str| Journal::open(&root.path().join(name), "site-b", now).unwrap();
        let (site_b, stranger) = (site("b"), site("stranger"));
        let vouched = site_b.cosign(&note, now).unwrap();
        let signed = |by: &Journal, key: &Journal| {
            let said = Takeover { key: key.public().to_string(), ..takeover(&vault) };
            Takeover { signature: by.sign(&said.message()), ..said }
        };
        assert!(signed(&site_b, &site_b).is_of_witness(&vouched));
        assert!(!signed(&site_b, &site_b).is_of_witness(&note), "it never vouched for it");
        assert!(!signed(&stranger, &stranger).is_of_witness(&vouched));
        assert!(!signed(&stranger, &site_b).is_of_witness(&vouched));
        let later = Takeover { at: now, ..signed(&site_b, &site_b) };
        assert!(!later.is_of_witness(&vouched), "it was not said of this moment");
        assert!(!takeover(&vault).is_of_witness(&vouched));
    }

    #[test]
    fn what_is_said_of_another_vault_or_is_no_text_fences_nobody() {
        let root = tempfile::tempdir().unwrap();
        let vault = vault(root.path());
        let other = Takeover { log: "other".into(), ..takeover(&vault) };
        let now = Time::from_secs(3_000);
        assert!(Fence::raise(&vault, other, "mirror-b", now).is_err());
        let said = Takeover { by: "anna\n".into(), ..takeover(&vault) };
        assert_eq!(Takeover::parse(&serde_json::to_vec(&said).unwrap()), None);
        let said = serde_json::to_vec(&takeover(&vault)).unwrap();
        assert_eq!(Takeover::parse(&said), Some(takeover(&vault)));
        assert_eq!(Fence::of(vault.directory()), None);
    }
}
