//! `ftp://[USER@]HOST[:PORT]/PATH`: a tree of an FTP server, as many controllers and panels have.
//!
//! Passive mode, binary type (RFC 959, RFC 2428, RFC 3659). Invariant: [`Command`] has nothing
//! that stores, renames, deletes or makes; only it becomes a line.

use super::{Context, Kind, Unusable, login, login::Login, spool, url::Url};
use crate::limits::{
    DEPTH_MAX, LINE_BYTES_MAX, LISTING_BYTES_MAX, REPLY_LINES_MAX, SERVER_TIMEOUT as TIMEOUT,
};
use model::Time;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs},
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use vault::{Meta, Offer, Open, Opened, Source, What};

enum Command<'a> {
    User(&'a str),
    Password(&'a str),
    Binary,
    ExtendedPassive,
    Passive,
    ListFacts(&'a str),
    List(&'a str),
    Retrieve(&'a str),
}

impl Command<'_> {
    fn line(&self) -> String {
        match self {
            Self::User(name) => format!("USER {name}"),
            Self::Password(password) => format!("PASS {password}"),
            Self::Binary => "TYPE I".to_owned(),
            Self::ExtendedPassive => "EPSV".to_owned(),
            Self::Passive => "PASV".to_owned(),
            Self::ListFacts(path) => format!("MLSD {path}"),
            Self::List(path) => format!("LIST {path}"),
            Self::Retrieve(path) => format!("RETR {path}"),
        }
    }
}

pub struct Ftp;

pub const FTP: Ftp = Ftp;

impl Kind for Ftp {
    fn name(&self) -> &'static str {
        "ftp"
    }

    fn form(&self) -> &'static str {
        "//[USER@]HOST[:PORT]/PATH"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &[]).map_err(|why| Unusable::place(self, text, why))?;
        Ok(Box::new(Server { url, context: context.clone() }))
    }
}

struct Server {
    url: Url,
    context: Context,
}

impl Source for Server {
    fn name(&self) -> String {
        format!("ftp://{}{}", self.url.address(21), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from("/@ftp").join(self.url.address(21));
        let session = match self.connect() {
            Ok(session) => Arc::new(Mutex::new(session)),
            Err(error) => return offer.fault(&folder, error.to_string()),
        };
        let start = self.url.path.trim_end_matches('/').to_owned();
        let mut waiting = vec![(start, 0)];
        while let Some((path, depth)) = waiting.pop() {
            let here = folder.join(path.trim_start_matches('/'));
            if depth > DEPTH_MAX {
                offer.fault(&here, format!("more than {DEPTH_MAX} directories deep"));
                continue;
            }
            let listed = lock(&session).list(if path.is_empty() { "/" } else { &path });
            let entries = match listed {
                Ok(entries) => entries,
                Err(error) => {
                    offer.fault(&here, error.to_string());
                    continue;
                }
            };
            if !path.is_empty() {
                offer.entry(here.clone(), What::Directory(directory()));
            }
            for entry in entries {
                let Entry { name, is_directory, modified, .. } = entry;
                let path = format!("{path}/{name}");
                if is_directory {
                    waiting.push((path, depth + 1));
                } else {
                    let session = session.clone();
                    let staging = self.context.staging.clone();
                    let file = Remote { session, path, staging, modified, size: entry.size };
                    offer.entry(here.join(name), What::File(Box::new(file)));
                }
            }
        }
    }
}

impl Server {
    fn connect(&self) -> io::Result<Session> {
        let secrets = self.context.secrets.as_deref();
        let login = login::find(secrets, &self.url.host, self.url.user.as_deref())?;
        // Without a login, as anyone (RFC 1635).
        let anyone = || Login { user: "anonymous".to_owned(), password: "spandrel@".to_owned() };
        Session::open(&self.url.address(21), &login.unwrap_or_else(anyone))
    }
}

fn directory() -> Meta {
    Meta { mode: 0o755, ..Meta::default() }
}

struct Remote {
    session: Arc<Mutex<Session>>,
    path: String,
    staging: PathBuf,
    modified: Option<Time>,
    size: Option<u64>,
}

impl Open for Remote {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let mut file = spool::file(&self.staging)?;
        let copied = lock(&self.session)
            .transfer(&Command::Retrieve(&self.path), |data| io::copy(data, &mut file))?;
        // The end of a connection is the end of a file: only the size tells a cut one.
        if let Some(size) = self.size.filter(|size| *size > copied) {
            return Err(io::Error::other(format!("{copied} of {size} bytes came")));
        }
        spool::opened(file, self.modified, 0o600)
    }
}

fn lock(session: &Mutex<Session>) -> std::sync::MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Session {
    control: BufReader<TcpStream>,
    peer: IpAddr,
    has_facts: bool,
}

struct Reply {
    code: u16,
    text: String,
}

impl Session {
    fn open(address: &str, login: &Login) -> io::Result<Self> {
        let found = address.to_socket_addrs()?.next();
        let found = found.ok_or_else(|| io::Error::other("the name has no address"))?;
        let stream = connect(found)?;
        let mut session =
            Self { control: BufReader::new(stream), peer: found.ip(), has_facts: true };
        session.reply()?.expect(&[220])?;
        let user = session.ask(&Command::User(&login.user))?;
        if user.code == 331 {
            session.ask(&Command::Password(&login.password))?.expect(&[230, 202])?;
        } else {
            user.expect(&[230])?;
        }
        session.ask(&Command::Binary)?.expect(&[200])?;
        Ok(session)
    }

    fn ask(&mut self, command: &Command<'_>) -> io::Result<Reply> {
        let line = command.line();
        // A name with a line break would be two commands.
        if line.contains(['\r', '\n', '\0']) {
            return Err(io::Error::other("a name with a line break cannot be asked for"));
        }
        self.control.get_mut().write_all(format!("{line}\r\n").as_bytes())?;
        self.reply()
    }

    /// A reply of one or more lines (RFC 959, 4.2).
    fn reply(&mut self) -> io::Result<Reply> {
        let first = self.line()?;
        let code: u16 = first.get(..3).and_then(|c| c.parse().ok()).ok_or_else(malformed)?;
        if first.as_bytes().get(3) == Some(&b'-') {
            let end = format!("{code} ");
            let mut lines = 1;
            while !self.line()?.starts_with(&end) {
                lines += 1;
                if lines > REPLY_LINES_MAX {
                    return Err(malformed());
                }
            }
        }
        Ok(Reply { code, text: first })
    }

    fn line(&mut self) -> io::Result<String> {
        let mut bytes = Vec::new();
        (&mut self.control).take(LINE_BYTES_MAX).read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            return Err(malformed());
        }
        Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
    }

    /// The data connection always goes to the server itself, whatever address it names.
    fn passive(&mut self) -> io::Result<TcpStream> {
        let extended = self.ask(&Command::ExtendedPassive)?;
        let port = if extended.code == 229 {
            let inner = extended.text.split("(|||").nth(1).and_then(|rest| rest.split('|').next());
            inner.and_then(|port| port.parse().ok()).ok_or_else(malformed)?
        } else {
            let reply = self.ask(&Command::Passive)?.expect(&[227])?;
            let numbers = reply.text.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            let numbers: Vec<u8> = numbers
                .and_then(|(list, _)| list.split(',').map(|n| n.trim().parse().ok()).collect())
                .ok_or_else(malformed)?;
            match numbers[..] {
                [_, _, _, _, high, low] => u16::from_be_bytes([high, low]),
                _ => return Err(malformed()),
            }
        };
        connect(SocketAddr::new(self.peer, port))
    }

    fn transfer<T>(
        &mut self,
        command: &Command<'_>,
        work: impl FnOnce(&mut TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut data = self.passive()?;
        self.ask(command)?.expect(&[125, 150])?;
        let result = work(&mut data);
        drop(data);
        // Asked for also after a failure, so that the next command gets its own reply.
        let reply = self.reply()?;
        let value = result?;
        reply.expect(&[226, 250])?;
        Ok(value)
    }

    fn list(&mut self, path: &str) -> io::Result<Vec<Entry>> {
        let read = |data: &mut TcpStream| {
            let mut bytes = Vec::new();
            data.take(LISTING_BYTES_MAX).read_to_end(&mut bytes)?;
            if bytes.len() as u64 == LISTING_BYTES_MAX {
                return Err(io::Error::other("the listing is too long"));
            }
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        if self.has_facts {
            match self.transfer(&Command::ListFacts(path), read) {
                Ok(text) => return text.lines().filter_map(|l| facts(l).transpose()).collect(),
                Err(error) if not_known(&error) => self.has_facts = false,
                Err(error) => return Err(error),
            }
        }
        let text = self.transfer(&Command::List(path), read)?;
        text.lines().filter_map(|line| unix_line(line).transpose()).collect()
    }
}

impl Reply {
    fn expect(self, codes: &[u16]) -> io::Result<Self> {
        if codes.contains(&self.code) {
            return Ok(self);
        }
        let kind = match self.code {
            500 | 502 | 504 => io::ErrorKind::Unsupported,
            _ => io::ErrorKind::Other,
        };
        Err(io::Error::new(kind, format!("the server says: {}", self.text)))
    }
}

fn not_known(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::Unsupported
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    Ok(stream)
}

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    is_directory: bool,
    size: Option<u64>,
    modified: Option<Time>,
}

/// A line of MLSD (RFC 3659, 7): `type=file;size=3;modify=20260310120000; name`.
fn facts(line: &str) -> io::Result<Option<Entry>> {
    let (facts, name) = line.split_once(' ').ok_or_else(malformed)?;
    let (mut size, mut modified, mut kind) = (None, None, String::new());
    for fact in facts.split(';') {
        match fact.split_once('=').map(|(name, value)| (name.to_ascii_lowercase(), value)) {
            Some((name, value)) if name == "type" => kind = value.to_ascii_lowercase(),
            Some((name, value)) if name == "size" => size = value.parse().ok(),
            Some((name, value)) if name == "modify" => modified = time(value),
            _ => {}
        }
    }
    let is_directory = match kind.as_str() {
        "dir" => true,
        "file" => false,
        // The listed directory and its parent; links and devices are not followed.
        _ => return Ok(None),
    };
    plain(name)?;
    Ok(Some(Entry { name: name.to_owned(), is_directory, size, modified }))
}

fn time(text: &str) -> Option<Time> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (y, mo, d) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (h, mi, s) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    Time::parse(&format!("{y}-{mo}-{d}T{h}:{mi}:{s}Z"))
}

/// A line of LIST as `ls -l` writes it; the form RFC 959 leaves open and most servers use.
fn unix_line(line: &str) -> io::Result<Option<Entry>> {
    let mut rest = line.trim_end();
    let mut words = Vec::new();
    for _ in 0..8 {
        let Some((word, after)) = rest.split_once(' ') else { return Ok(None) };
        words.push(word);
        rest = after.trim_start();
    }
    let is_directory = match words.first().and_then(|word| word.chars().next()) {
        Some('d') => true,
        Some('-') => false,
        _ => return Ok(None),
    };
    if [".", ".."].contains(&rest) {
        return Ok(None);
    }
    plain(rest)?;
    let size = words.get(4).and_then(|word| word.parse().ok());
    Ok(Some(Entry { name: rest.to_owned(), is_directory, size, modified: None }))
}

/// A server could name a file so that it lies elsewhere in the snapshot.
fn plain(name: &str) -> io::Result<()> {
    if name.is_empty() || name.contains(['/', '\\']) || [".", ".."].contains(&name) {
        return Err(io::Error::other(format!("it lists a file named {name:?}")));
    }
    Ok(())
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the answer is not one of an FTP server")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_of_listing_are_read_and_names_that_climb_are_refused() {
        let line = "type=file;size=3;modify=20260310120000;UNIX.mode=0644; line 1.cfg";
        let entry = facts(line).unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.size), ("line 1.cfg", Some(3)));
        assert_eq!(entry.modified, Time::parse("2026-03-10T12:00:00Z"));
        assert_eq!(facts("type=cdir; /x").unwrap(), None);
        assert!(facts("type=file; ../etc/passwd").is_err());
        let entry =
            unix_line("-rw-r--r--   1 plc  plc   512 Mar 10 12:00 DB 1.dat").unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.size), ("DB 1.dat", Some(512)));
        assert_eq!(unix_line("total 8").unwrap(), None);
        assert!(unix_line("-rw-r--r-- 1 plc plc 512 Mar 10 12:00 a/b").is_err());
    }
}
