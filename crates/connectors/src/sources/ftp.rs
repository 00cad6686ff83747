//! `ftp://[USER@]HOST[:PORT]/PATH`: a tree of an FTP server, as many controllers and panels have.
//!
//! Passive mode, binary type (RFC 959, RFC 2428, RFC 3659). Invariant: [`Command`] has nothing
//! that stores, renames, deletes or makes; only it becomes a line.

use super::{
    Context, Kind, Unusable, link::Line, login, login::Login, spool, tree::Tree, url::Url,
};
use crate::limits::{
    LINE_BYTES_MAX, LISTING_BYTES_MAX, REPLY_LINES_MAX, SERVER_TIMEOUT as TIMEOUT,
};
use model::Time;
use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
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
        let mut tree = Tree::new();
        tree.push(start, 0);
        while let Some((path, depth)) = tree.next() {
            let here = folder.join(path.trim_start_matches('/'));
            let listed = depth.and_then(|depth| {
                let listed = lock(&session).list(if path.is_empty() { "/" } else { &path });
                Ok((depth, listed.map_err(|error| error.to_string())?))
            });
            let (depth, entries) = match listed {
                Ok(listed) => listed,
                Err(why) => {
                    offer.fault(&here, why);
                    continue;
                }
            };
            if !path.is_empty() {
                offer.entry(here.clone(), What::Directory(directory()));
            }
            for entry in entries {
                let Entry { name, sort, modified, size } = entry;
                let path = format!("{path}/{name}");
                match sort {
                    Sort::Directory => tree.push(path, depth + 1),
                    Sort::File => {
                        let (session, staging) = (session.clone(), self.context.staging.clone());
                        let file = Remote { session, path, staging, modified, size };
                        offer.entry(here.join(name), What::File(Box::new(file)));
                    }
                    Sort::Link(to) => {
                        let meta = Meta { mode: 0o777, modified, ..Meta::default() };
                        offer.entry(here.join(name), What::Symlink(meta, to.into()));
                    }
                    Sort::Other(what) => offer.fault(&here.join(name), what),
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
    control: BufReader<Line>,
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
        let stream = Line::open(found, TIMEOUT)?;
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
    fn passive(&mut self) -> io::Result<Line> {
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
        Line::open(SocketAddr::new(self.peer, port), TIMEOUT)
    }

    fn transfer<T>(
        &mut self,
        command: &Command<'_>,
        work: impl FnOnce(&mut Line) -> io::Result<T>,
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
        let read = |data: &mut Line| {
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
        text.lines().filter_map(|line| listed(line).transpose()).collect()
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

#[derive(Debug, PartialEq, Eq)]
struct Entry {
    name: String,
    sort: Sort,
    size: Option<u64>,
    modified: Option<Time>,
}

#[derive(Debug, PartialEq, Eq)]
enum Sort {
    Directory,
    File,
    /// Kept as a link, not followed: it could lead anywhere.
    Link(String),
    /// What FTP cannot give the content of, and why; it is a fault, never left out in silence.
    Other(String),
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
    let sort = match kind.as_str() {
        "dir" => Sort::Directory,
        "file" => Sort::File,
        // The listed directory and its parent.
        "cdir" | "pdir" => return Ok(None),
        // RFC 3659, 7.5.1.5 leaves other types to the system; servers on Unix write these.
        other => match other.split_once("slink:") {
            Some((_, to)) if !to.is_empty() => Sort::Link(link_of(facts).unwrap_or(to.to_owned())),
            _ => Sort::Other(format!("the server calls it {other:?}; not a file or directory")),
        },
    };
    plain(name)?;
    Ok(Some(Entry { name: name.to_owned(), sort, size, modified }))
}

/// The target of a link, as it is written: types compare without case, targets do not.
fn link_of(facts: &str) -> Option<String> {
    let at = facts.to_ascii_lowercase().find("slink:")? + "slink:".len();
    let to = facts.get(at..)?.split(';').next()?;
    Some(to.to_owned())
}

fn time(text: &str) -> Option<Time> {
    let part = |from: usize, to: usize| text.get(from..to);
    let (y, mo, d) = (part(0, 4)?, part(4, 6)?, part(6, 8)?);
    let (h, mi, s) = (part(8, 10)?, part(10, 12)?, part(12, 14)?);
    Time::parse(&format!("{y}-{mo}-{d}T{h}:{mi}:{s}Z"))
}

/// A line of LIST: RFC 959 leaves the form open, servers write that of `ls -l` or that of DOS. A
/// line in another form may be a file, so it is an error.
fn listed(line: &str) -> io::Result<Option<Entry>> {
    let line = line.trim_end();
    let is_total = line.strip_prefix("total ").is_some_and(|n| n.trim().parse::<u64>().is_ok());
    if line.is_empty() || is_total {
        return Ok(None);
    }
    let found = unix_line(line).or_else(|| dos_line(line));
    let Some(entry) = found else {
        let shown: String = line.chars().take(80).collect();
        return Err(io::Error::other(format!("a line of the listing cannot be read: {shown:?}")));
    };
    if [".", ".."].contains(&&entry.name[..]) {
        return Ok(None);
    }
    plain(&entry.name)?;
    Ok(Some(entry))
}

/// `-rw-r--r-- 1 plc plc 512 Mar 10 12:00 DB1.dat`.
fn unix_line(line: &str) -> Option<Entry> {
    let (words, rest) = words(line, 8)?;
    let sort = match words[0].chars().next()? {
        'd' => Sort::Directory,
        '-' => Sort::File,
        'l' => {
            let (name, to) = rest.split_once(" -> ")?;
            let sort = Sort::Link(to.to_owned());
            return Some(Entry { name: name.to_owned(), sort, size: None, modified: None });
        }
        'p' | 's' | 'b' | 'c' => {
            Sort::Other("it is a device, pipe or socket; FTP cannot give its content".to_owned())
        }
        _ => return None,
    };
    let size = words[4].parse().ok();
    Some(Entry { name: rest.to_owned(), sort, size, modified: None })
}

/// `03-10-26 12:00PM <DIR> project`, as servers on Windows and Windows CE write it.
fn dos_line(line: &str) -> Option<Entry> {
    let (words, rest) = words(line, 3)?;
    let digits = |text: &str| text.starts_with(|c: char| c.is_ascii_digit());
    if !(digits(words[0]) && words[0].contains('-') && words[1].contains(':')) {
        return None;
    }
    let (sort, size) = match words[2] {
        "<DIR>" => (Sort::Directory, None),
        size => (Sort::File, Some(size.parse().ok()?)),
    };
    Some(Entry { name: rest.to_owned(), sort, size, modified: None })
}

/// The first words of a line, and what follows them.
fn words(line: &str, count: usize) -> Option<(Vec<&str>, &str)> {
    let (mut rest, mut words) = (line, Vec::new());
    for _ in 0..count {
        let (word, after) = rest.split_once(' ')?;
        words.push(word);
        rest = after.trim_start();
    }
    (!rest.is_empty()).then_some((words, rest))
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
        let entry = listed("-rw-r--r--   1 plc  plc   512 Mar 10 12:00 DB 1.dat").unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.size), ("DB 1.dat", Some(512)));
        assert_eq!(listed("total 8").unwrap(), None);
        assert!(listed("-rw-r--r-- 1 plc plc 512 Mar 10 12:00 a/b").is_err());
    }

    #[test]
    fn what_is_no_file_is_a_link_or_a_fault_and_an_unknown_line_is_an_error() {
        let sort = |line: &str| listed(line).unwrap().unwrap().sort;
        assert_eq!(
            sort("lrwxrwxrwx 1 plc plc 7 Mar 10 12:00 now -> a/B.cfg"),
            Sort::Link("a/B.cfg".into())
        );
        for special in ["prw-r--r--", "srwxr-xr-x", "brw-rw----", "crw-rw----"] {
            let line = format!("{special} 1 plc plc 0 Mar 10 12:00 x");
            assert!(matches!(sort(&line), Sort::Other(_)), "{line}");
        }
        let sort = |line: &str| facts(line).unwrap().unwrap().sort;
        assert_eq!(sort("type=OS.unix=slink:/srv/A;size=9; now"), Sort::Link("/srv/A".into()));
        assert!(matches!(sort("type=OS.unix=chr-4/64;size=0; ttyS0"), Sort::Other(_)));
        assert!(listed("EPLF and other dreams of RFC 959's authors").is_err());
        assert!(listed("drwxr-xr-x nothing more").is_err());
    }

    #[test]
    fn listings_of_windows_are_read() {
        let entry = listed("03-10-26  12:00PM       <DIR>          Recipes").unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.sort), ("Recipes", Sort::Directory));
        let entry = listed("03-10-26  12:00PM             1024 Line 1.dat").unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.size), ("Line 1.dat", Some(1024)));
    }
}
