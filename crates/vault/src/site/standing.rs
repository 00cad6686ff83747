//! How a site stands: what it tells its clients, and what other sites have told it.
//!
//! Not here: what it takes in ([`super::house`]). Invariant: an acknowledgement is kept only when
//! it is of a checkpoint that this site's own log has had.

use super::{
    Answer, Client, Fence, House, LogCopy, Name, Noted, Refusal, Takeover,
    house::{description_key, disk},
    role::{SELF, folder_of, is_plain},
};
use crate::{
    durable,
    log::Checkpoint,
    vault::{DESCRIPTION, LOG, Vault},
};
use std::{collections::BTreeMap, fs, os::unix::fs::DirBuilderExt, path::PathBuf};

impl House {
    /// Another site says that it holds everything up to a checkpoint, cosigned by it.
    pub fn acknowledge(&self, vault: &str, client: &Client, note: &str) -> Answer<()> {
        let directory = self.vault(vault);
        let key = description_key(&fs::read(directory.join(DESCRIPTION))?)
            .ok_or_else(|| Refusal::Fault("the vault's description cannot be read".into()))?;
        let theirs = Checkpoint::open(note, &key)
            .map_err(|_| Refusal::Wrong("it is no checkpoint of this vault"))?;
        let log = LogCopy::open(&directory.join(LOG), &key)?;
        if log.root(theirs.size) != Some(theirs.root) {
            return Err(Refusal::Wrong("it is no checkpoint of this vault"));
        }
        let folder = self.acknowledgements(vault);
        fs::DirBuilder::new().recursive(true).mode(0o755).create(&folder)?;
        // Who vouched for the first copy is the other site from then on; its name alone is not.
        let paired = self.paired(vault);
        if !paired.join(&client.name).exists() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&paired)?;
            durable::write(&paired.join(&client.name), &[note.as_bytes()], 0o644)?;
        }
        let path = folder.join(&client.name);
        if fs::read_to_string(&path).is_ok_and(|held| held == note) {
            return Ok(());
        }
        durable::write(&path, &[note.as_bytes()], 0o644)?;
        let (size, root) = (theirs.size, theirs.root);
        let (vault, client) = (vault.to_owned(), client.name.clone());
        self.note(Noted::Acknowledged { vault, client, size, root });
        Ok(())
    }

    /// Another site says that it has taken over: the vault is fenced.
    pub fn take_over(&self, vault: &str, client: &Client, bytes: &[u8]) -> Answer<()> {
        let said = Takeover::parse(bytes).ok_or(Refusal::Wrong("it is no takeover"))?;
        let here = Vault::open(&self.vault(vault))?;
        if said.log != here.log_key().name {
            return Err(Refusal::Wrong("it is said of another vault"));
        }
        let vouched = fs::read_to_string(self.paired(vault).join(&client.name));
        if !vouched.is_ok_and(|note| said.is_of_witness(&note)) {
            return Err(Refusal::Wrong(
                "it is not signed by the site that vouched for its first copy of this vault",
            ));
        }
        if Fence::raise(&here, said, &client.name, self.clock.now())? {
            tracing::error!(vault, from = client.name, "another site has taken over: fenced");
        }
        Ok(())
    }

    fn acknowledgements(&self, vault: &str) -> PathBuf {
        self.site.join("acknowledged").join(folder_of(vault))
    }

    /// The first checkpoint that each client vouched for.
    fn paired(&self, vault: &str) -> PathBuf {
        self.site.join("paired").join(folder_of(vault))
    }

    /// What the site is and how it stands, for a client.
    pub fn status(&self, client: &Client) -> Answer<serde_json::Value> {
        let mut vaults = Vec::new();
        let folders = fs::read_dir(&self.root)?.flatten();
        let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> =
            names.filter(|name| is_plain(name)).chain([SELF.to_owned()]).collect();
        names.sort();
        for name in names.iter().filter(|name| client.may_enter(name)) {
            vaults.extend(self.vault_status(name));
        }
        let (used, all) = disk(&self.root)?;
        Ok(serde_json::json!({
            "site": self.journal.public().name,
            "key": self.journal.public().to_string(),
            "time": self.clock.now(),
            "sealed": self.options.seal.is_on(),
            "disk_used_bytes": used,
            "disk_bytes": all,
            "alarms": self.alarms(),
            "vaults": vaults,
        }))
    }

    fn vault_status(&self, vault: &str) -> Option<serde_json::Value> {
        let directory = self.vault(vault);
        let key = description_key(&fs::read(directory.join(DESCRIPTION)).ok()?)?;
        let note = fs::read_to_string(directory.join(Name::Checkpoint.path())).ok();
        let size = |note: &str| Checkpoint::open(note, &key).ok().map(|found| found.size);
        let held = fs::read_dir(self.acknowledgements(vault)).into_iter().flatten().flatten();
        let held: BTreeMap<String, Option<u64>> = held
            .map(|entry| {
                let note = fs::read_to_string(entry.path()).unwrap_or_default();
                (entry.file_name().to_string_lossy().into_owned(), size(&note))
            })
            .collect();
        Some(serde_json::json!({
            "vault": vault,
            "log": key.name,
            "entries": note.as_deref().and_then(size),
            "bytes": self.used(vault).ok(),
            "acknowledged": held,
            "takeover": Takeover::said(&directory),
            "fenced": Fence::of(&directory),
        }))
    }
}
