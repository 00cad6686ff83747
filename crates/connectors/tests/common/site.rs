//! A vault server and a second site in one test process.

use super::{NOON, Place};
use connectors::vault_http::{Access, Remote, Serving, serve};
use model::Time;
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;
use vault::{
    Sha256, Vault,
    site::{
        Calendar, Clients, Clock, House, Mirror, Mirrored, Noted, Options, Origin, Pace, Push,
        Pushed, Role, SITE, Seal, journal,
    },
    verify::{Demands, Directory, Verdict, verify},
};

/// Noon, and what has passed since the test began; jumps by `ahead` seconds.
pub struct Watch {
    begun: Instant,
    pub ahead: i64,
}

impl Watch {
    pub fn ahead(ahead: i64) -> Self {
        Self { begun: Instant::now(), ahead }
    }
}

impl Clock for Watch {
    fn now(&self) -> Time {
        let nanos = i64::try_from(self.begun.elapsed().as_nanos()).unwrap();
        Time::from_nanos(NOON.plus_secs(self.ahead).nanos() + nanos)
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// A server that runs until it is dropped.
pub struct Server {
    pub root: PathBuf,
    pub address: SocketAddr,
    clients: PathBuf,
    serving: Option<Serving>,
    runtime: Runtime,
}

impl Server {
    pub fn begin(root: PathBuf, quota_bytes: Option<u64>) -> Self {
        Self::begin_with(root, quota_bytes, None)
    }

    pub fn begin_with(
        root: PathBuf,
        quota_bytes: Option<u64>,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        fs::create_dir_all(&root).unwrap();
        let clients = root.with_extension("clients");
        fs::write(&clients, "").unwrap();
        let options = Options {
            name: "site-a".into(),
            clients: clients.clone(),
            seal: Seal::OFF,
            quota_bytes,
        };
        let house = House::open(&root, options, Box::new(Watch::ahead(0))).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let serving = runtime.block_on(serve(listener, tls, Arc::new(house))).unwrap();
        let address = serving.address;
        Self { root, address, clients, serving: Some(serving), runtime }
    }

    /// `NAME:TOKEN` of a new client.
    pub fn client(&self, name: &str, role: Role, vault: &str) -> String {
        let token = Clients::enrol(&self.clients, name, role, vault).unwrap();
        format!("{name}:{token}")
    }

    /// The same, bound to a certificate.
    pub fn bound_client(&self, name: &str, role: Role, vault: &str, hash: Sha256) -> String {
        let token = Clients::enrol_bound(&self.clients, name, role, vault, Some(hash)).unwrap();
        format!("{name}:{token}")
    }

    /// Ends it and reads its journal.
    pub fn journal(mut self) -> Vec<Noted> {
        self.stop();
        notes(&self.root)
    }

    fn stop(&mut self) {
        if let Some(serving) = self.serving.take() {
            self.runtime.block_on(serving.stop());
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

pub fn notes(root: &Path) -> Vec<Noted> {
    let entries = journal::entries(&root.join(SITE)).unwrap();
    entries.into_iter().map(|entry| entry.noted).collect()
}

/// Refused attempts that a journal counts.
pub fn denied(notes: &[Noted]) -> u64 {
    let count = |noted: &Noted| match noted {
        Noted::Denied { count, .. } => *count,
        _ => 0,
    };
    notes.iter().map(count).sum()
}

pub fn remote(address: SocketAddr, vault: &str, credentials: &str) -> Remote {
    let access = Access { credentials: Some(credentials.into()), ..Access::default() };
    Remote::at(&format!("http://{address}/{vault}"), &access).unwrap().unwrap()
}

pub fn push(place: &Place, to: &Remote) -> vault::Result<Pushed> {
    let clock = Watch::ahead(0);
    let pace = Pace { clock: &clock, bytes_per_second: None, calendar: Calendar::default() };
    let vault = Vault::open(&place.vault()).unwrap();
    Push { target: to, pace: &pace, tries_max: 3 }.run(&vault)
}

pub fn mirror(from: &dyn Origin, to: &Path) -> vault::Result<Mirrored> {
    mirror_at(from, to, 0, Calendar::default())
}

/// Copies with a clock so many seconds ahead.
pub fn mirror_at(
    from: &dyn Origin,
    to: &Path,
    ahead: i64,
    calendar: Calendar,
) -> vault::Result<Mirrored> {
    fs::create_dir_all(to).unwrap();
    let clock = Watch::ahead(ahead);
    let pace = Pace { clock: &clock, bytes_per_second: None, calendar };
    let mirror = Mirror {
        directory: to,
        origin: from,
        pace: &pace,
        site: "site-b",
        seal: Seal::OFF,
        log_key: None,
        tries_max: 3,
        seeds: None,
    };
    mirror.run()
}

pub fn proved(directory: &Path) -> Verdict {
    verify(&Directory(directory.to_owned()), &Demands::default())
}

/// One request by hand; the status.
pub fn ask(address: SocketAddr, verb: &str, path: &str, credentials: &str, body: &[u8]) -> u16 {
    asked(TcpStream::connect(address).unwrap(), verb, path, credentials, body)
}

/// The same over a connection that is there.
pub fn asked(
    mut stream: impl Read + Write,
    verb: &str,
    path: &str,
    credentials: &str,
    body: &[u8],
) -> u16 {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Basic {}\r\n\
         content-length: {}\r\n\r\n",
        STANDARD.encode(credentials),
        body.len()
    );
    // A server that refuses may close before the body is sent.
    drop(stream.write_all(&[head.as_bytes(), body].concat()));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    let text = String::from_utf8_lossy(&answer).into_owned();
    text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}
