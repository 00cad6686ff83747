//! A PostgreSQL session that can only read (PostgreSQL documentation, Frontend/Backend Protocol
//! 3.0; SCRAM-SHA-256: RFC 5802, RFC 7677).
//!
//! One transaction, `REPEATABLE READ READ ONLY`: the server itself refuses to write in it, and
//! all that is read is of one moment. Invariant: [`Statement`] is all that can leave.

use super::{
    super::{link, link::malformed, login::Login},
    tls::Tls,
};
use crate::{
    limits::{
        POSTGRES_ASIDES_MAX, POSTGRES_MESSAGE_BYTES_MAX, POSTGRES_ROWS_BYTES_MAX, SERVER_TIMEOUT,
    },
    md5,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::{
    digest, hmac, pbkdf2,
    rand::{SecureRandom, SystemRandom},
};
use rustls::{ClientConnection, StreamOwned};
use std::{
    io::{self, BufReader, Read, Write},
    num::NonZeroU32,
    os::unix::net::UnixStream,
    path::Path,
};

/// What can be sent once the session is open.
pub enum Statement<'a> {
    Begin,
    /// Where the transaction goes back to when a table cannot be read: else no other could be.
    Mark,
    GoBack,
    /// A query of the catalogues, one of ours.
    Catalogue(&'static str),
    /// The rows of one table, in the text format of COPY.
    Copy {
        schema: &'a str,
        table: &'a str,
    },
    /// The newest value of a column that has an index.
    Newest {
        schema: &'a str,
        table: &'a str,
        column: &'a str,
    },
    /// Who the server is and how far its log is.
    IdentifySystem,
    /// A setting, by one of our names.
    Show(&'static str),
    /// Where timelines came from.
    TimelineHistory(u32),
    /// The log from a position on, with no slot: nothing is kept at the server for us.
    StartReplication {
        from: super::wal::Lsn,
        timeline: u32,
    },
}

impl Statement<'_> {
    fn text(&self) -> String {
        let quote = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        match self {
            Self::Begin => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY".to_owned(),
            Self::Mark => "SAVEPOINT tables".to_owned(),
            Self::GoBack => "ROLLBACK TO SAVEPOINT tables".to_owned(),
            Self::Catalogue(text) => (*text).to_owned(),
            Self::Copy { schema, table } => {
                format!("COPY {}.{} TO STDOUT", quote(schema), quote(table))
            }
            Self::Newest { schema, table, column } => {
                let (column, table) = (quote(column), quote(table));
                format!("SELECT max({column})::text FROM {}.{table}", quote(schema))
            }
            Self::IdentifySystem => "IDENTIFY_SYSTEM".to_owned(),
            Self::Show(name) => format!("SHOW {name}"),
            Self::TimelineHistory(timeline) => format!("TIMELINE_HISTORY {timeline}"),
            Self::StartReplication { from, timeline } => {
                format!("START_REPLICATION PHYSICAL {from} TIMELINE {timeline}")
            }
        }
    }
}

/// Nothing of the session's own is ever written either. Rows that a policy hides from this user are
/// an error of their table and not left out.
const OPTIONS: &str = "-c default_transaction_read_only=on -c search_path= -c datestyle=ISO \
                       -c row_security=off";

/// TCP, in clear or encrypted, or a socket of this machine.
trait Stream: Read + Write + Send {}
impl Stream for link::Line {}
impl Stream for StreamOwned<ClientConnection, link::Line> {}
impl Stream for UnixStream {}

/// Where a server is: its address, or a socket of this machine instead; how it is protected.
pub type Way<'a> = (&'a str, Option<&'a Path>, &'a Tls);

pub struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// It broke off within an answer: what comes next would be taken for that of another statement.
    is_lost: bool,
    /// Messages since the last question that were no rows.
    asides: usize,
}

impl Session {
    /// Over a server that says what a test wants.
    #[cfg(test)]
    pub fn of_said(said: Vec<u8>) -> Self {
        struct Said(io::Cursor<Vec<u8>>);
        impl Read for Said {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                self.0.read(out)
            }
        }
        impl Write for Said {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Stream for Said {}
        let stream: Box<dyn Stream> = Box::new(Said(io::Cursor::new(said)));
        Self { stream: BufReader::new(stream), is_lost: false, asides: 0 }
    }

    /// Opens a session and its transaction; by a socket of this machine, or by address.
    pub fn open(way: Way<'_>, database: &str, login: &Login) -> io::Result<Self> {
        let parameters = [
            ("database", database),
            ("application_name", "spandrel backup"),
            ("client_encoding", "UTF8"),
            ("options", OPTIONS),
        ];
        let mut session = Self::connect(way, login, &parameters)?;
        session.rows(&Statement::Begin)?;
        Ok(session)
    }

    /// Opens a session for physical replication, in which the server knows no SQL at all.
    pub fn open_replication(way: Way<'_>, login: &Login) -> io::Result<Self> {
        let parameters = [("replication", "true"), ("application_name", "spandrel backup")];
        Self::connect(way, login, &parameters)
    }

    fn connect(
        (address, socket, tls): Way<'_>,
        login: &Login,
        parameters: &[(&str, &str)],
    ) -> io::Result<Self> {
        let stream: Box<dyn Stream> = match socket {
            Some(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(SERVER_TIMEOUT))?;
                stream.set_write_timeout(Some(SERVER_TIMEOUT))?;
                Box::new(stream)
            }
            None => {
                let stream = link::connect(address)?.with_silence(SERVER_TIMEOUT);
                match tls {
                    Tls::InClear => Box::new(stream),
                    Tls::Verified { config, name } => Box::new(Tls::begin(config, name, stream)?),
                }
            }
        };
        let mut session = Self { stream: BufReader::new(stream), is_lost: false, asides: 0 };
        let mut startup = Vec::from(196_608_u32.to_be_bytes());
        for (name, value) in [("user", login.user.as_str())].iter().chain(parameters) {
            startup.extend(name.bytes().chain([0]).chain(value.bytes()).chain([0]));
        }
        startup.push(0);
        session.send(None, &startup)?;
        session.authenticate(login)?;
        session.until_ready()?;
        Ok(session)
    }

    fn authenticate(&mut self, login: &Login) -> io::Result<()> {
        let mut scram = None;
        loop {
            let (kind, body) = self.receive()?;
            if kind != b'R' {
                return Err(malformed());
            }
            let (code, rest) = body.split_first_chunk::<4>().ok_or_else(malformed)?;
            match (u32::from_be_bytes(*code), &mut scram) {
                (0, _) => return Ok(()),
                (5, _) => {
                    let inner = md5::hex(format!("{}{}", login.password, login.user).as_bytes());
                    let outer = md5::hex(&[inner.as_bytes(), rest].concat());
                    self.send(Some(b'p'), format!("md5{outer}\0").as_bytes())?;
                }
                (10, none @ None) => {
                    let scram = none.insert(Scram::new(&login.password)?);
                    let first = format!("n,,{}", scram.first());
                    let length = u32::try_from(first.len()).expect("a nonce is short");
                    let mechanism = b"SCRAM-SHA-256\0";
                    let message =
                        [&mechanism[..], &length.to_be_bytes(), first.as_bytes()].concat();
                    self.send(Some(b'p'), &message)?;
                }
                (11, Some(scram)) => {
                    let last = scram.answer(rest)?;
                    self.send(Some(b'p'), last.as_bytes())?;
                }
                (12, Some(scram)) => scram.check(rest)?,
                (3, _) => {
                    let text = "the server wants the password in clear; set scram-sha-256 for us";
                    return Err(io::Error::other(text));
                }
                (other, _) => {
                    let text = format!("the server wants a login of kind {other}, not SCRAM");
                    return Err(io::Error::other(text));
                }
            }
        }
    }

    /// Rows of a statement, as text; `None` is NULL.
    pub fn rows(&mut self, statement: &Statement<'_>) -> io::Result<Vec<Vec<Option<String>>>> {
        self.query(statement)?;
        let (mut rows, mut failed, mut octets) = (Vec::new(), None, 0);
        loop {
            let (kind, body) = match self.receive() {
                Ok(message) => message,
                Err(error) if error.kind() == io::ErrorKind::Other => {
                    failed = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match kind {
                b'D' => {
                    // A row takes room by itself, and each of its values.
                    octets += 64 + 8 * body.len();
                    if octets > POSTGRES_ROWS_BYTES_MAX {
                        self.is_lost = true;
                        return Err(malformed());
                    }
                    rows.push(row(&body).inspect_err(|_| self.is_lost = true)?);
                }
                b'Z' => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// Copies a table's rows; how many there were.
    pub fn copy(&mut self, schema: &str, table: &str, to: &mut dyn Write) -> io::Result<u64> {
        self.query(&Statement::Copy { schema, table })?;
        let (mut rows, mut failed, mut is_done) = (0, None, false);
        loop {
            let (kind, body) = match self.receive() {
                Ok(message) => message,
                Err(error) if error.kind() == io::ErrorKind::Other => {
                    failed = Some(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            match kind {
                b'd' => to.write_all(&body).inspect_err(|_| self.is_lost = true)?,
                // The tag: `COPY 42`.
                b'C' => {
                    let tag = String::from_utf8_lossy(&body);
                    let count = tag.trim_end_matches('\0').strip_prefix("COPY ");
                    rows = count.and_then(|n| n.parse().ok()).ok_or_else(malformed)?;
                    is_done = true;
                }
                b'Z' if failed.is_none() && !is_done => return Err(malformed()),
                b'Z' => return failed.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    pub fn query(&mut self, statement: &Statement<'_>) -> io::Result<()> {
        self.asides = 0;
        self.send(Some(b'Q'), format!("{}\0", statement.text()).as_bytes())
    }

    fn until_ready(&mut self) -> io::Result<()> {
        while self.receive()?.0 != b'Z' {}
        Ok(())
    }

    pub fn send(&mut self, kind: Option<u8>, body: &[u8]) -> io::Result<()> {
        if self.is_lost {
            let text = "the connection was given up at an earlier table";
            return Err(io::Error::new(io::ErrorKind::NotConnected, text));
        }
        let length = u32::try_from(body.len() + 4).expect("statements are short");
        let head: Vec<u8> = kind.into_iter().chain(length.to_be_bytes()).collect();
        let stream = self.stream.get_mut();
        let sent = stream.write_all(&[&head, body].concat()).and_then(|()| stream.flush());
        sent.inspect_err(|_| self.is_lost = true)
    }

    /// The next message. What the server says of a failure is an error of kind `Other`.
    pub fn receive(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let (kind, body) = self.message().inspect_err(|_| self.is_lost = true)?;
        self.asides += usize::from(!matches!(kind, b'D' | b'd'));
        if self.asides > POSTGRES_ASIDES_MAX {
            self.is_lost = true;
            return Err(malformed());
        }
        if kind == b'E' { Err(said(&body)) } else { Ok((kind, body)) }
    }

    fn message(&mut self) -> io::Result<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.stream.read_exact(&mut head)?;
        let [kind, length @ ..] = head;
        let length = u32::from_be_bytes(length);
        if !(4..=POSTGRES_MESSAGE_BYTES_MAX).contains(&length) {
            return Err(malformed());
        }
        let mut body = vec![0; length as usize - 4];
        self.stream.read_exact(&mut body)?;
        Ok((kind, body))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Terminate: the server rolls back. One that is gone has done so already.
        drop(self.send(Some(b'X'), &[]));
    }
}

pub fn row(body: &[u8]) -> io::Result<Vec<Option<String>>> {
    let (count, mut rest) = body.split_first_chunk::<2>().ok_or_else(malformed)?;
    let mut found = Vec::new();
    for _ in 0..u16::from_be_bytes(*count) {
        let (length, after) = rest.split_first_chunk::<4>().ok_or_else(malformed)?;
        let length = i32::from_be_bytes(*length);
        let Ok(length) = usize::try_from(length) else {
            found.push(None);
            rest = after;
            continue;
        };
        let (text, after) = after.split_at_checked(length).ok_or_else(malformed)?;
        found.push(Some(String::from_utf8_lossy(text).into_owned()));
        rest = after;
    }
    Ok(found)
}

/// An error message: fields of a letter and a text; M is the message, C its code.
fn said(body: &[u8]) -> io::Error {
    let field = |wanted: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        let found = fields.find_map(|field| field.strip_prefix(&[wanted]));
        String::from_utf8_lossy(found.unwrap_or_default()).into_owned()
    };
    io::Error::other(format!("the server says: {} ({})", field(b'M'), field(b'C')))
}

/// One SCRAM exchange.
struct Scram {
    password: String,
    nonce: String,
    expected: Option<Vec<u8>>,
}

impl Scram {
    fn new(password: &str) -> io::Result<Self> {
        let mut nonce = [0; 18];
        let random = SystemRandom::new();
        random.fill(&mut nonce).map_err(|_| io::Error::other("no random numbers"))?;
        Ok(Self { password: password.to_owned(), nonce: STANDARD.encode(nonce), expected: None })
    }

    /// The name stands in the startup message, so it is empty here.
    fn first(&self) -> String {
        format!("n=,r={}", self.nonce)
    }

    /// The answer to the server's nonce, salt and count (RFC 5802, 3).
    fn answer(&mut self, challenge: &[u8]) -> io::Result<String> {
        let challenge = str::from_utf8(challenge).map_err(|_| malformed())?;
        let part = |name: &str| {
            challenge.split(',').find_map(|part| part.strip_prefix(name)).ok_or_else(malformed)
        };
        let (nonce, salt, count) = (part("r=")?, part("s=")?, part("i=")?);
        let salt = STANDARD.decode(salt).map_err(|_| malformed())?;
        // A count beyond this is an attempt to keep us busy.
        let count = count.parse().ok().filter(|count| *count <= 1_000_000);
        let count = count.and_then(NonZeroU32::new).ok_or_else(malformed)?;
        if !nonce.starts_with(&self.nonce) || nonce.len() == self.nonce.len() {
            return Err(malformed());
        }
        let mut salted = [0; 32];
        let password = self.password.as_bytes();
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, count, &salt, password, &mut salted);
        let sign = |key: &[u8], text: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
        };
        let client_key = sign(&salted, b"Client Key");
        let stored_key = digest::digest(&digest::SHA256, &client_key);
        // No channel binding: the header is `n,,`.
        let without_proof = format!("c=biws,r={nonce}");
        let message = format!("{},{challenge},{without_proof}", self.first());
        let signature = sign(stored_key.as_ref(), message.as_bytes());
        let proof: Vec<u8> = client_key.iter().zip(&signature).map(|(a, b)| a ^ b).collect();
        self.expected = Some(sign(&sign(&salted, b"Server Key"), message.as_bytes()));
        Ok(format!("{without_proof},p={}", STANDARD.encode(proof)))
    }

    /// The server must know the password too.
    fn check(&self, last: &[u8]) -> io::Result<()> {
        let signature = last.strip_prefix(b"v=").and_then(|text| STANDARD.decode(text).ok());
        if signature.is_some() && signature == self.expected {
            return Ok(());
        }
        Err(io::Error::other("the server does not know the password: is it the right one?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exchange_is_that_of_rfc_7677() {
        let mut scram = Scram {
            password: "pencil".into(),
            nonce: "rOprNGfwEbeRWgbNEkqO".into(),
            expected: None,
        };
        let challenge = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                          s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
        // The RFC's example has a user name in its first message; PostgreSQL sends none, so the
        // proof differs. What must hold is that a changed challenge is refused.
        assert!(scram.answer(challenge).unwrap().starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO%"));
        assert!(scram.check(b"v=AAAA").is_err());
        assert!(scram.answer(b"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096").is_err());
        assert!(scram.answer(b"r=rOprNGfwEbeRWgbNEkqO1,s=W22Z,i=9999999999").is_err());
    }

    #[test]
    fn a_server_that_never_comes_to_an_end_is_left() {
        let message = |kind: u8, body: &[u8]| {
            let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
            [&[kind][..], &length, body].concat()
        };
        let long = [&1_u16.to_be_bytes()[..], &(40_u32 << 20).to_be_bytes()].concat();
        let long = [long, vec![b'a'; 40 << 20]].concat();
        let (most, begin) = (POSTGRES_ASIDES_MAX, Statement::Begin);
        for (said, is_left) in [
            (message(b'N', b"").repeat(most - 1), false),
            (message(b'N', b"").repeat(most), true),
            (message(b'E', b"").repeat(most), true),
            (message(b'D', &long), true),
        ] {
            let mut session = Session::of_said([said, message(b'Z', b"I")].concat());
            let rows = session.rows(&begin).map(|rows| rows.len());
            if is_left {
                assert_eq!(rows.unwrap_err().kind(), io::ErrorKind::InvalidData);
                let next = session.rows(&begin).unwrap_err();
                assert_eq!(next.kind(), io::ErrorKind::NotConnected);
            } else {
                assert_eq!(rows.unwrap(), 0);
            }
        }
    }

    #[test]
    fn a_statement_cannot_break_out_of_its_quotes() {
        let copy = Statement::Copy { schema: "a", table: "b\" TO PROGRAM 'rm'; --" };
        assert_eq!(copy.text(), "COPY \"a\".\"b\"\" TO PROGRAM 'rm'; --\" TO STDOUT");
    }
}
