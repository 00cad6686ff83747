//! Push: a vault's objects to a server, then the entries that name them.
//!
//! The server keeps what it has of an object when the link breaks, and says how much that is; the
//! log is continued when all its objects are there. Invariant: no byte that the server has is
//! sent again, and the entries are sent last, so the server never names what it lacks unsaid.

use super::{LogCopy, Name, copy, pace::Pace, patience::Patience, wanted};
use crate::{
    digest::Sha256,
    error::{Error, IoContext, Result},
    limits::EXTENSION_BYTES_MAX,
    log::{Checkpoint, tile},
    vault::{DESCRIPTION, LOG, Vault},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Cursor, Read, Seek, SeekFrom},
};

/// What is sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sent {
    File(Name),
    /// Entries that continue the log, under the hash of their message.
    Extension(Sha256),
}

/// A vault server. A refusal that no second try changes has the kind `PermissionDenied`.
pub trait Target {
    /// A small file.
    fn fetch(&self, name: &Name) -> io::Result<Option<Vec<u8>>>;

    /// Sends a small file in one piece.
    fn post(&self, name: &Name, bytes: &[u8]) -> io::Result<()>;

    /// How much of it the server has.
    fn held(&self, sent: &Sent) -> io::Result<Held>;

    /// Sends the bytes from `offset` on of something with `size` bytes.
    fn put(&self, sent: &Sent, offset: u64, size: u64, body: &mut dyn Read) -> io::Result<Held>;
}

/// How much of something the server has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Held {
    Whole,
    /// Go on at this byte.
    Part(u64),
    /// The log was continued.
    Grown(Grown),
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Grown {
    /// Entries of the log there.
    pub size: u64,
    /// Objects they name that neither side has.
    pub missing: u64,
}

/// How a push ended.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pushed {
    /// Entries of the log at the server.
    pub entries: u64,
    pub objects_sent: u64,
    pub bytes_sent: u64,
    /// Objects the new entries name and nobody has.
    pub missing: u64,
}

/// Entries that continue a log, as one message.
#[derive(Debug, PartialEq, Eq)]
pub struct Extension {
    pub note: String,
    /// Objects that the sender has lost itself.
    pub missing: u64,
    pub entries: Vec<Vec<u8>>,
}

const MAGIC: &str = "spandrel log extension 1";

impl Extension {
    pub fn encode(&self) -> Vec<u8> {
        let Self { note, missing, entries } = self;
        let head = format!("{MAGIC} {missing} {} {}\n{note}", note.len(), entries.len());
        [head.as_bytes(), &tile::bundle(entries)].concat()
    }

    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().take(200).position(|byte| *byte == b'\n')?;
        let (head, rest) = (str::from_utf8(&bytes[..end]).ok()?, &bytes[end + 1..]);
        let mut words = head.strip_prefix(MAGIC)?.strip_prefix(' ')?.split(' ');
        let mut number = || words.next()?.parse::<u64>().ok();
        let (missing, length, count) = (number()?, number()?, number()?);
        let (note, bundle) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let note = str::from_utf8(note).ok()?.to_owned();
        // Every entry has two bytes of length at least.
        let fits = count <= bundle.len() as u64 / 2;
        let entries = fits.then(|| tile::entries(bundle, count)).flatten()?;
        Some(Self { note, missing, entries })
    }
}

/// How to push.
pub struct Push<'a> {
    pub target: &'a dyn Target,
    pub pace: &'a Pace<'a>,
    /// Tries without progress before it gives up.
    pub tries_max: u32,
}

impl Push<'_> {
    /// Sends what the server lacks of the vault.
    pub fn run(&self, vault: &Vault) -> Result<Pushed> {
        let mut done = Pushed::default();
        let directory = vault.directory();
        let log = LogCopy::open(&directory.join(LOG), vault.log_key())?;
        let note = log.note()?.unwrap_or_default();
        let from = self.begin(vault, &log)?;
        done.entries = from;
        if from == log.size() {
            return Ok(done);
        }
        let (ledger, before) =
            (log.ledger(), copy::ledger(log.key(), &log.entries()[..from as usize]));
        let there: BTreeSet<String> = vault.known_objects(&before)?.into_keys().collect();
        for (entry, change) in &ledger.changes {
            if *entry >= from {
                self.send_file(vault, &Name::List(change.list), &mut done)?;
            }
        }
        let mut missing = 0;
        for wanted in wanted::wanted(&ledger, |list| read_list(vault, list))? {
            let path = wanted.name.object_path().unwrap_or_default();
            if there.contains(&path) || wanted.name == Name::Config {
                continue;
            }
            let path = directory.join(wanted.name.path());
            if fs::metadata(&path).is_ok_and(|meta| meta.len() == wanted.object.size) {
                self.send_file(vault, &wanted.name, &mut done)?;
            } else {
                missing += 1;
            }
        }
        let entries = log.entries()[from as usize..].to_vec();
        let grown = self.extend(&Extension { note, missing, entries }, &mut done)?;
        (done.entries, done.missing) = (grown.size, grown.missing);
        Ok(done)
    }

    /// Begins the vault at the server when it is not there; the entries the server has.
    fn begin(&self, vault: &Vault, log: &LogCopy) -> Result<u64> {
        let path = vault.directory().join(DESCRIPTION);
        let description = fs::read(&path).doing("read", &path)?;
        match self.fetch(&Name::Description)? {
            Some(theirs) if theirs != description => {
                let text = "the server has another vault under this address; push to another one";
                return Err(Error::Refused(text.to_owned()));
            }
            Some(_) => {}
            None => self.post(&Name::Description, &description)?,
        }
        if self.fetch(&Name::Config)?.is_none() {
            let path = vault.directory().join(Name::Config.path());
            let config = fs::read(&path).doing("read", &path)?;
            self.post(&Name::Config, &config)?;
        }
        let Some(theirs) = self.fetch(&Name::Checkpoint)? else { return Ok(0) };
        let theirs = String::from_utf8(theirs).unwrap_or_default();
        let theirs = Checkpoint::open(&theirs, log.key())
            .map_err(|why| Error::Damaged(format!("the checkpoint at the server: {why}")))?;
        if log.root(theirs.size) != Some(theirs.root) {
            let size = theirs.size;
            let text = format!(
                "the server has {size} entries of this vault that are not in its log here: one \
                 of the two was changed or restored from a copy; nothing was sent"
            );
            return Err(Error::Refused(text));
        }
        Ok(theirs.size)
    }

    fn fetch(&self, name: &Name) -> Result<Option<Vec<u8>>> {
        self.again(name, || self.target.fetch(name))
    }

    fn post(&self, name: &Name, bytes: &[u8]) -> Result<()> {
        self.again(name, || self.target.post(name, bytes))
    }

    fn again<T>(&self, name: &Name, mut work: impl FnMut() -> io::Result<T>) -> Result<T> {
        let mut patience = Patience::new(self.pace.clock, self.tries_max);
        loop {
            match work() {
                Ok(found) => return Ok(found),
                Err(error) => patience.wait(error).doing("send", name.path())?,
            }
        }
    }

    fn send_file(&self, vault: &Vault, name: &Name, done: &mut Pushed) -> Result<()> {
        let path = vault.directory().join(name.path());
        let mut file = File::open(&path).doing("read", &path)?;
        let size = file.metadata().doing("read", &path)?.len();
        let sent = self.send(&Sent::File(name.clone()), size, done, &mut |offset| {
            file.seek(SeekFrom::Start(offset))?;
            Ok(Box::new(file.try_clone()?))
        });
        sent.doing("send", path)?;
        done.objects_sent += u64::from(matches!(name, Name::Object(..)));
        Ok(())
    }

    fn extend(&self, extension: &Extension, done: &mut Pushed) -> Result<Grown> {
        let bytes = extension.encode();
        let size = bytes.len() as u64;
        if size > EXTENSION_BYTES_MAX {
            return Err(Error::Refused(format!("{size} bytes of log entries at once")));
        }
        let sent = Sent::Extension(Sha256::of(&bytes));
        let held = self.send(&sent, size, done, &mut |offset| {
            let mut rest = Cursor::new(bytes.clone());
            rest.set_position(offset);
            Ok(Box::new(rest))
        });
        match held.doing("send", "log entries")? {
            Held::Grown(grown) => Ok(grown),
            _ => Err(Error::Refused("the server took the log entries and did not answer".into())),
        }
    }

    fn send(
        &self,
        sent: &Sent,
        size: u64,
        done: &mut Pushed,
        open: &mut dyn FnMut(u64) -> io::Result<Box<dyn Read>>,
    ) -> io::Result<Held> {
        let mut patience = Patience::new(self.pace.clock, self.tries_max);
        let mut furthest = 0;
        loop {
            let offset = match self.target.held(sent) {
                Ok(Held::Part(offset)) => offset,
                Ok(whole) => return Ok(whole),
                Err(error) => {
                    patience.wait(error)?;
                    continue;
                }
            };
            if offset > furthest {
                patience.progress();
                furthest = offset;
            }
            let mut body = open(offset)?.take(size.saturating_sub(offset));
            let mut slow = self.pace.slow(&mut body);
            let mut counted = Counted { inner: &mut slow, bytes: &mut done.bytes_sent };
            match self.target.put(sent, offset, size, &mut counted) {
                Ok(Held::Part(held)) if held > furthest => {}
                Ok(Held::Part(held)) => {
                    let text = format!("the server stays at {held} of {size} bytes");
                    patience.wait(io::Error::other(text))?;
                }
                Ok(taken) => return Ok(taken),
                Err(error) => patience.wait(error)?,
            }
        }
    }
}

struct Counted<'a> {
    inner: &'a mut dyn Read,
    bytes: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        *self.bytes += n as u64;
        Ok(n)
    }
}

fn read_list(vault: &Vault, list: &Sha256) -> Result<String> {
    let path = vault.directory().join(Name::List(*list).path());
    fs::read_to_string(&path).doing("read", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_reads_back_and_no_shorter_or_longer_one_does() {
        let entries = vec![b"one".to_vec(), Vec::new()];
        let extension = Extension { note: "a\n2\nroot\n".into(), missing: 3, entries };
        let bytes = extension.encode();
        for end in 0..bytes.len() {
            assert_eq!(Extension::decode(&bytes[..end]), None, "{end}");
        }
        let longer = [&bytes[..], b"x"].concat();
        assert_eq!(Extension::decode(&longer), None);
        assert_eq!(Extension::decode(&bytes), Some(extension));
        let many = format!("{MAGIC} 0 0 99999999999999\n");
        assert_eq!(Extension::decode(many.as_bytes()), None);
    }
}
