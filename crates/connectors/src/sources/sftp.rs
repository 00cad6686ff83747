//! `sftp://[USER@]HOST[:PORT]/PATH[?config=FILE]`: a tree of a server with SSH.
//!
//! The `ssh` program carries the connection, with its keys, known hosts and configuration. The
//! protocol in it is ours: SFTP version 3 (draft-ietf-secsh-filexfer-02). Invariant: [`Request`]
//! has nothing that writes, removes, makes or renames, and files are opened for reading only.

use super::{
    Context, Kind, Unusable,
    login::Login,
    spool,
    ssh::{self, Talk},
    tree::Tree,
    url::Url,
};
use crate::limits::{DIRECTORY_ENTRIES_MAX, DISK_TIMEOUT, EMPTY_ANSWERS_MAX, PACKET_BYTES_MAX};
use model::Time;
use std::{
    io::{self, Write},
    mem,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc::RecvTimeoutError},
    time::Duration,
};
use vault::{Meta, Offer, Open, Opened, Source, Special, What};

/// Octets asked for at once.
const READ_BYTES: u32 = 32_768;

/// Status codes (section 7).
const END_OF_FILE: u32 = 1;

enum Request<'a> {
    Init,
    OpenForReading(&'a [u8]),
    Close(&'a [u8]),
    Read { handle: &'a [u8], offset: u64 },
    OpenDirectory(&'a [u8]),
    ReadDirectory(&'a [u8]),
    ReadLink(&'a [u8]),
    LinkStatus(&'a [u8]),
}

impl Request<'_> {
    /// Type (section 3) and body; `id` numbers the request.
    fn packet(&self, id: u32) -> Vec<u8> {
        let string = |text: &[u8]| {
            let length = u32::try_from(text.len()).expect("names are short");
            [&length.to_be_bytes()[..], text].concat()
        };
        let (kind, body) = match self {
            // SSH_FXP_INIT has the version in place of an id.
            Self::Init => return vec![1, 0, 0, 0, 3],
            // SSH_FXF_READ, no attributes.
            Self::OpenForReading(path) => {
                (3, [&string(path)[..], &[0, 0, 0, 1, 0, 0, 0, 0]].concat())
            }
            Self::Close(handle) => (4, string(handle)),
            Self::Read { handle, offset } => {
                let range = [&offset.to_be_bytes()[..], &READ_BYTES.to_be_bytes()].concat();
                (5, [string(handle), range].concat())
            }
            Self::LinkStatus(path) => (7, string(path)),
            Self::OpenDirectory(path) => (11, string(path)),
            Self::ReadDirectory(handle) => (12, string(handle)),
            Self::ReadLink(path) => (19, string(path)),
        };
        [&[kind][..], &id.to_be_bytes(), &body].concat()
    }
}

pub struct Sftp;

pub const SFTP: Sftp = Sftp;

impl Kind for Sftp {
    fn name(&self) -> &'static str {
        "sftp"
    }

    fn form(&self) -> &'static str {
        "//[USER@]HOST[:PORT]/PATH[?config=SSH_CONFIG]"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &["config"]).map_err(|why| Unusable::place(self, text, why))?;
        if ssh::is_option(&url) {
            return Err(Unusable::place(self, text, "a name may not begin with -"));
        }
        Ok(Box::new(Server { url, context: context.clone() }))
    }
}

struct Server {
    url: Url,
    context: Context,
}

impl Source for Server {
    fn name(&self) -> String {
        format!("sftp://{}{}", self.url.address(22), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@sftp").join(self.url.address(22));
        let staging = self.context.staging.clone();
        let opened = ssh::login(&self.url, self.context.secrets.as_deref())
            .and_then(|login| Session::open(&self.url, login.as_ref(), &staging));
        let session = match opened {
            Ok(session) => Arc::new(Mutex::new(session)),
            Err(error) => return offer.fault(&folder, error.to_string()),
        };
        let mut walk = Walk { session, folder, staging, tree: Tree::new() };
        let start = self.url.path.trim_end_matches('/').as_bytes().to_vec();
        let found = lock(&walk.session).status(if start.is_empty() { b"/" } else { &start });
        match found {
            Ok(attributes) => walk.entry(start, &attributes, 0, offer),
            Err(error) => return offer.fault(&walk.place(&start), error.to_string()),
        }
        while let Some((path, depth)) = walk.tree.next() {
            match depth {
                Ok(depth) => walk.directory(&path, depth, offer),
                Err(why) => offer.fault(&walk.place(&path), why),
            }
        }
    }
}

struct Walk {
    session: Arc<Mutex<Session>>,
    folder: PathBuf,
    staging: PathBuf,
    tree: Tree<Vec<u8>>,
}

impl Walk {
    fn place(&self, path: &[u8]) -> PathBuf {
        use std::os::unix::ffi::OsStrExt;
        let path = path.strip_prefix(b"/").unwrap_or(path);
        self.folder.join(std::ffi::OsStr::from_bytes(path))
    }

    fn directory(&mut self, path: &[u8], depth: usize, offer: &mut Offer) {
        let listed = lock(&self.session).list(if path.is_empty() { b"/" } else { path });
        match listed {
            Ok(entries) => {
                for (name, attributes) in entries {
                    let path = [path, b"/", &name].concat();
                    self.entry(path, &attributes, depth + 1, offer);
                }
            }
            Err(error) => offer.fault(&self.place(path), error.to_string()),
        }
    }

    fn entry(&mut self, path: Vec<u8>, found: &Attributes, depth: usize, offer: &mut Offer) {
        let place = self.place(&path);
        let meta = found.meta();
        // The type bits of POSIX `st_mode`.
        match found.mode & 0o170_000 {
            0o040_000 => {
                if !path.is_empty() {
                    offer.entry(place, What::Directory(meta));
                }
                self.tree.push(path, depth);
            }
            0o120_000 => match lock(&self.session).link(&path) {
                Ok(target) => offer.entry(place, What::Symlink(meta, target)),
                Err(error) => offer.fault(&place, error.to_string()),
            },
            0o100_000 => {
                let session = self.session.clone();
                let file = Remote { session, path, staging: self.staging.clone(), meta };
                offer.entry(place, What::File(Box::new(file)));
            }
            0o010_000 => offer.entry(place, What::Special(meta, Special::Pipe)),
            0o140_000 => offer.entry(place, What::Special(meta, Special::Socket)),
            // SFTP version 3 gives no numbers of devices, so one could not be made again.
            0o020_000 | 0o060_000 => offer.fault(&place, "it is a device; sftp cannot give it"),
            _ => offer.fault(&place, "the server does not say what it is"),
        }
    }
}

struct Remote {
    session: Arc<Mutex<Session>>,
    path: Vec<u8>,
    staging: PathBuf,
    meta: Meta,
}

impl Open for Remote {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let mut file = spool::file(&self.staging)?;
        lock(&self.session).fetch(&self.path, &mut file)?;
        let mut opened = spool::opened(file, self.meta.modified, self.meta.mode)?;
        opened.meta = Meta { size: opened.meta.size, ..self.meta };
        Ok(opened)
    }
}

fn lock(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Default)]
struct Attributes {
    size: u64,
    mode: u32,
    modified: u32,
}

impl Attributes {
    fn meta(&self) -> Meta {
        Meta {
            mode: self.mode & 0o7777,
            modified: Some(Time::from_secs(i64::from(self.modified))),
            size: self.size,
            ..Meta::default()
        }
    }
}

struct Session {
    talk: Talk,
    /// What came and was not taken yet.
    heard: Vec<u8>,
    wait: Duration,
    id: u32,
}

impl Session {
    fn open(url: &Url, login: Option<&Login>, staging: &Path) -> io::Result<Self> {
        let mut command = ssh::command(url, login, staging)?;
        let talk = Talk::start(command.arg("-s").arg(&url.host).arg("sftp"))?;
        let mut session = Self { talk, heard: Vec::new(), wait: ssh::FIRST_TIMEOUT, id: 0 };
        session.send(&Request::Init)?;
        match session.receive() {
            Ok((2, _)) => {
                session.wait = DISK_TIMEOUT;
                Ok(session)
            }
            Ok(_) => Err(malformed()),
            Err(_) => Err(io::Error::other("ssh could not connect; its own message is above")),
        }
    }

    fn send(&mut self, request: &Request<'_>) -> io::Result<()> {
        self.id = self.id.wrapping_add(1);
        let packet = request.packet(self.id);
        let length = u32::try_from(packet.len()).expect("requests are short");
        self.talk.send(&[&length.to_be_bytes()[..], &packet].concat())
    }

    /// Type and body of the next packet.
    fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let length = self.take(4)?;
        let length = length.try_into().map(u32::from_be_bytes).map_err(|_| malformed())?;
        if !(1..=PACKET_BYTES_MAX).contains(&length) {
            return Err(malformed());
        }
        let mut packet = self.take(length as usize)?;
        let body = packet.split_off(1);
        Ok((packet[0], body))
    }

    /// The next octets. A server that sends none in time is left: every question that follows is
    /// an error at once.
    fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.heard.len() < length {
            match self.talk.hear(self.wait) {
                Ok(bytes) => self.heard.extend(bytes),
                Err(RecvTimeoutError::Timeout) => {
                    self.talk.end();
                    return Err(ssh::silent());
                }
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(io::Error::other("the connection has ended"));
                }
            }
        }
        let rest = self.heard.split_off(length);
        Ok(mem::replace(&mut self.heard, rest))
    }

    /// The answer to a request: its type and what follows the id.
    fn ask(&mut self, request: &Request<'_>) -> io::Result<(u8, Vec<u8>)> {
        self.send(request)?;
        let (kind, body) = self.receive()?;
        let (id, rest) = body.split_first_chunk::<4>().ok_or_else(malformed)?;
        if u32::from_be_bytes(*id) != self.id {
            return Err(malformed());
        }
        Ok((kind, rest.to_vec()))
    }

    fn handle(&mut self, request: &Request<'_>) -> io::Result<Vec<u8>> {
        match self.ask(request)? {
            (102, body) => Ok(Fields(&body).string()?.to_vec()),
            (101, body) => Err(status(&body)),
            _ => Err(malformed()),
        }
    }

    fn close(&mut self, handle: &[u8]) -> io::Result<()> {
        self.ask(&Request::Close(handle)).map(drop)
    }

    fn fetch(&mut self, path: &[u8], to: &mut impl Write) -> io::Result<()> {
        let handle = self.handle(&Request::OpenForReading(path))?;
        let mut offset = 0;
        loop {
            match self.ask(&Request::Read { handle: &handle, offset })? {
                (103, body) => {
                    let bytes = Fields(&body).string()?;
                    if bytes.is_empty() {
                        return Err(malformed());
                    }
                    to.write_all(bytes)?;
                    offset += bytes.len() as u64;
                }
                (101, body) if Fields(&body).number()? == END_OF_FILE => break,
                (101, body) => return Err(status(&body)),
                _ => return Err(malformed()),
            }
        }
        self.close(&handle)
    }

    fn list(&mut self, path: &[u8]) -> io::Result<Vec<(Vec<u8>, Attributes)>> {
        let handle = self.handle(&Request::OpenDirectory(path))?;
        let mut found = Vec::new();
        let (mut names, mut empty) = (0, 0);
        loop {
            match self.ask(&Request::ReadDirectory(&handle))? {
                (104, body) => {
                    let mut fields = Fields(&body);
                    let count = fields.number()?;
                    empty = if count == 0 { empty + 1 } else { 0 };
                    if empty > EMPTY_ANSWERS_MAX {
                        return Err(malformed());
                    }
                    for _ in 0..count {
                        names += 1;
                        let name = fields.string()?.to_vec();
                        fields.string()?;
                        let attributes = fields.attributes()?;
                        if name.contains(&b'/') || name.is_empty() {
                            return Err(malformed());
                        }
                        if name != b"." && name != b".." {
                            found.push((name, attributes));
                        }
                    }
                    if names > DIRECTORY_ENTRIES_MAX {
                        return Err(io::Error::other("the directory has too many entries"));
                    }
                }
                (101, body) if Fields(&body).number()? == END_OF_FILE => break,
                (101, body) => return Err(status(&body)),
                _ => return Err(malformed()),
            }
        }
        self.close(&handle)?;
        Ok(found)
    }

    fn status(&mut self, path: &[u8]) -> io::Result<Attributes> {
        match self.ask(&Request::LinkStatus(path))? {
            (105, body) => Fields(&body).attributes(),
            (101, body) => Err(status(&body)),
            _ => Err(malformed()),
        }
    }

    fn link(&mut self, path: &[u8]) -> io::Result<PathBuf> {
        use std::os::unix::ffi::OsStringExt;
        match self.ask(&Request::ReadLink(path))? {
            (104, body) => {
                let mut fields = Fields(&body);
                fields.number()?;
                let target = fields.string()?.to_vec();
                Ok(std::ffi::OsString::from_vec(target).into())
            }
            (101, body) => Err(status(&body)),
            _ => Err(malformed()),
        }
    }
}

/// A cursor over the fields of a packet.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn number(&mut self) -> io::Result<u32> {
        let (bytes, rest) = self.0.split_first_chunk::<4>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*bytes))
    }

    fn string(&mut self) -> io::Result<&'a [u8]> {
        let length = self.number()? as usize;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(text)
    }

    /// Attributes (section 5): each present when its flag is.
    fn attributes(&mut self) -> io::Result<Attributes> {
        let flags = self.number()?;
        let mut found = Attributes::default();
        if flags & 1 != 0 {
            found.size = u64::from(self.number()?) << 32 | u64::from(self.number()?);
        }
        if flags & 2 != 0 {
            self.number()?;
            self.number()?;
        }
        if flags & 4 != 0 {
            found.mode = self.number()?;
        }
        if flags & 8 != 0 {
            self.number()?;
            found.modified = self.number()?;
        }
        if flags & 0x8000_0000 != 0 {
            for _ in 0..self.number()? {
                self.string()?;
                self.string()?;
            }
        }
        Ok(found)
    }
}

/// What the server says of a failure.
fn status(body: &[u8]) -> io::Error {
    let mut fields = Fields(body);
    let code = fields.number().unwrap_or_default();
    let text = fields.string().map(|text| String::from_utf8_lossy(text).into_owned());
    io::Error::other(format!("the server says: {} ({code})", text.unwrap_or_default()))
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of an SFTP server")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_directory_whose_end_does_not_come_is_left() {
        // A handle, then answers without a name, each for the next question.
        let listed = |empty: usize| {
            let script = format!(
                r"printf '\0\0\0\12\146\0\0\0\1\0\0\0\1h'; n=2; while [ $n -lt {end} ]; do
                  printf '\0\0\0\11\150\0\0\0\'$(printf %o $n)'\0\0\0\0'; n=$((n + 1)); done
                  printf '\0\0\0\11\145\0\0\0\'$(printf %o $n)'\0\0\0\1'; n=$((n + 1))
                  printf '\0\0\0\11\145\0\0\0\'$(printf %o $n)'\0\0\0\0'; exec sleep 1000",
                end = empty + 2
            );
            let talk = Talk::start(Command::new("sh").args(["-c", &script])).unwrap();
            let mut session = Session { talk, heard: Vec::new(), wait: DISK_TIMEOUT, id: 0 };
            session.list(b"/").map(|found| found.len()).map_err(|error| error.kind())
        };
        assert_eq!(listed(EMPTY_ANSWERS_MAX), Ok(0));
        assert_eq!(listed(EMPTY_ANSWERS_MAX + 1), Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn a_server_that_falls_silent_is_left_and_nothing_more_is_asked_of_it() {
        // It takes every question; it says its version, or less than that, and then nothing.
        for (answer, is_version) in
            [(r"\0\0\0\5\2\0\0\0\3", true), (r"\0\0", false), (r"\0\0\0\5\2", false)]
        {
            let script = format!("printf '{answer}'; exec sleep 1000");
            let talk = Talk::start(Command::new("sh").args(["-c", &script])).unwrap();
            let mut session = Session { talk, heard: Vec::new(), wait: DISK_TIMEOUT, id: 0 };
            if is_version {
                assert_eq!(session.receive().unwrap(), (2, vec![0, 0, 0, 3]));
            }
            session.wait = Duration::from_millis(50);
            let error = session.status(b"/").err().expect("it is silent");
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{answer}");
            session.wait = Duration::from_secs(3_600);
            assert!(session.status(b"/").is_err() && session.list(b"/").is_err());
        }
    }
}
