//! A PostgreSQL server of a test's own, in a folder of its place.

use super::Place;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

pub struct Postgres {
    child: Child,
    bin: PathBuf,
    folder: PathBuf,
    pub port: u16,
    /// Who asks, and with what password; none where the socket lets in.
    user: Option<&'static str>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop("-QUIT");
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped() {
    eprintln!("SKIPPED postgres: postgresql is not installed; scripts/setup test installs it");
}

fn bin() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max()
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().unwrap().stdout == b"0\n"
}

/// A program of the server, which refuses to be root.
fn program(bin: &Path, name: &str) -> Command {
    let path = bin.join(name);
    if !is_root() {
        return Command::new(path);
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
    command.arg(path);
    command
}

/// Gives a folder to the server's user.
fn hand_over(place: &Place, folder: &Path) {
    if is_root() {
        fs::set_permissions(place.at(""), fs::Permissions::from_mode(0o711)).unwrap();
        let owned = Command::new("chown").args(["-R", "postgres"]).arg(folder).status();
        assert!(owned.unwrap().success());
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Postgres {
    /// Makes one, with a role `vault` that may replicate; `None`, loudly, without PostgreSQL.
    pub fn make(place: &Place, name: &str, settings: &[&str]) -> Option<Self> {
        Self::make_at(place, name, free_port(), settings)
    }

    pub fn make_at(place: &Place, name: &str, port: u16, settings: &[&str]) -> Option<Self> {
        let Some(bin) = bin() else {
            skipped();
            return None;
        };
        let folder = place.at(name);
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), "secret\n").unwrap();
        hand_over(place, &folder);
        let mut made = program(&bin, "initdb");
        made.current_dir(&folder).args(["-D", "data", "-U", "eva", "-N", "-A", "scram-sha-256"]);
        made.args(["--wal-segsize=1", "--pwfile=password", "-E", "UTF8", "--locale=C"]);
        let made = made.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut text = format!("port={port}\nfsync=off\nlisten_addresses='127.0.0.1'\n");
        text.push_str("unix_socket_directories=''\nwal_keep_size=64MB\n");
        settings.iter().for_each(|setting| text.push_str(&format!("{setting}\n")));
        let config = folder.join("data/postgresql.conf");
        fs::write(&config, text).unwrap();
        let child = Self::run(&bin, &folder, &["-D", "data"]);
        let server = Self { child, bin, folder, port, user: Some("eva") };
        server.ask("CREATE ROLE vault LOGIN REPLICATION PASSWORD 'sealed'");
        Some(server)
    }

    /// A standby of this server, made from a base backup of it.
    pub fn standby(&self, place: &Place, name: &str) -> Self {
        let (folder, port) = (Self::folder(place, name), free_port());
        let mut made = program(&self.bin, "pg_basebackup");
        made.current_dir(&folder).args(["-D", "data", "-R", "-X", "stream", "-c", "fast"]);
        made.args(["-h", "127.0.0.1", "-U", "eva", "-p", &self.port.to_string()]);
        let made = made.env("PGPASSWORD", "secret").output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let config = folder.join("data/postgresql.conf");
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, format!("{text}port={port}\n")).unwrap();
        let (bin, user) = (self.bin.clone(), Some("eva"));
        Self { child: Self::run(&bin, &folder, &["-D", "data"]), bin, folder, port, user }
    }

    /// A folder of the server's user.
    pub fn folder(place: &Place, name: &str) -> PathBuf {
        let folder = place.at(name);
        fs::create_dir(&folder).unwrap();
        hand_over(place, &folder);
        folder
    }

    /// Asks until the answer is this one, as that of a standby will be.
    #[track_caller]
    pub fn comes_to_say(&self, query: &str, answer: &str) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let said = self.ask(query);
            if said == answer {
                return;
            }
            assert!(Instant::now() < end, "{query}: {said}, not {answer}");
        }
    }

    /// Starts what a backup was restored to.
    pub fn restored(
        place: &Place,
        folder: &Path,
        ready: &connectors::sources::postgres_ready::Ready,
    ) -> Self {
        let bin = bin().unwrap();
        hand_over(place, folder);
        let mut above = folder;
        // The folders of the path in the snapshot are closed to others.
        while let Some(parent) = above.parent().filter(|parent| parent.starts_with(place.at(""))) {
            fs::set_permissions(parent, fs::Permissions::from_mode(0o711)).unwrap();
            above = parent;
        }
        let port = free_port();
        let words = ready.arguments(port, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let child = Self::run(&bin, folder, &words);
        Self { child, bin, folder: ready.run.clone(), port, user: None }
    }

    fn run(bin: &Path, folder: &Path, words: &[&str]) -> Child {
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("said"));
        let mut server = program(bin, "postgres");
        server.current_dir(folder).args(words);
        server.stdout(Stdio::null()).stderr(log.unwrap()).spawn().unwrap()
    }

    fn stop(&mut self, how: &str) {
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args([how, &pid]).status());
        drop(self.child.wait());
    }

    /// Stops it in order and starts it again as it then is.
    pub fn start_again(&mut self, change: impl FnOnce(&Path)) {
        self.stop("-INT");
        change(&self.folder.join("data"));
        self.child = Self::run(&self.bin, &self.folder, &["-D", "data"]);
    }

    /// One that has ended and was not waited for is a zombie. Its command line would not tell:
    /// that of one just started is empty for a moment too.
    fn is_running(&self) -> bool {
        let about = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let state = about.as_deref().unwrap_or_default().rsplit(')').next();
        !state.is_some_and(|state| state.is_empty() || state.starts_with(" Z"))
    }

    /// Asks, waiting until it can connect.
    #[track_caller]
    pub fn ask(&self, query: &str) -> String {
        let run = || -> Output {
            let mut psql = Command::new(self.bin.join("psql"));
            match self.user {
                Some(user) => {
                    psql.args(["-h", "127.0.0.1", "-U", user]).env("PGPASSWORD", "secret")
                }
                None => psql.arg("-h").arg(&self.folder).args(["-U", "eva"]),
            };
            psql.args(["-p", &self.port.to_string(), "-X", "-q", "-A", "-t"])
                .args(["-v", "ON_ERROR_STOP=1", "-d", "postgres", "-c", query])
                .output()
                .unwrap()
        };
        let mut output = run();
        // 2: no connection yet.
        while output.status.code() == Some(2) {
            let places = [self.folder.join("said"), self.folder.with_file_name("said")];
            let said = || places.iter().find_map(|path| fs::read_to_string(path).ok());
            assert!(self.is_running(), "the server ended: {}", said().unwrap_or_default());
            output = run();
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
