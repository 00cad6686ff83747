//! A control plane, hosts with agents on them, and the line between.

use crate::served::{PROGRAM, Server};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU16, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// However slow the machine, what a test waits for has happened by then.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// A control plane, a host with a plant on it, and the line between.
pub struct Scene {
    pub root: tempfile::TempDir,
    pub server: Option<Server>,
    pub cookie: String,
    pub csrf: String,
    pub line: Line,
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Where the vault server may make objects immutable, they would outlive the test.
        drop(self.server.take());
        drop(Command::new("chattr").args(["-R", "-f", "-i"]).arg(self.at("data")).output());
    }
}

impl Scene {
    pub fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(at("plant/line 2")).unwrap();
        fs::write(at("plant/line.cfg"), "speed=36000\n").unwrap();
        fs::write(at("plant/line 2/recipe"), "milk\n").unwrap();
        fs::create_dir(at("secret")).unwrap();
        fs::write(at("secret/key"), "nobody's business").unwrap();
        let settings = "[agents]\nlisten = \"127.0.0.1:0\"\nvault_listen = \"127.0.0.1:0\"\n\
                        vault_mib_max = 64\n";
        fs::write(at("spandrel.toml"), settings).unwrap();
        let (cookie, csrf, server) = (String::new(), String::new(), None);
        let mut scene = Scene { line: Line::new(), root, server, cookie, csrf };
        scene.start();
        let server = scene.server.as_ref().unwrap();
        (scene.cookie, scene.csrf) = server.first_sign_in();
        scene
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    pub fn start(&mut self) {
        let settings = self.at("spandrel.toml");
        let server = Server::start(&self.at("data"), &["--config", settings.to_str().unwrap()]);
        self.line.to.store(server.agents.expect("a port for agents"), Ordering::Relaxed);
        self.server = Some(server);
    }

    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("content-type", "application/json"),
        ];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let server = self.server.as_ref().unwrap();
        let answer = server.call(method, path, &headers, body.as_bytes());
        (answer.0, answer.json())
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, body);
        assert!((200..300).contains(&status), "{path}: {status} {answer:#}");
        answer
    }

    pub fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).1
    }

    /// Waits until what is at a path is as it should be; gives it.
    #[track_caller]
    pub fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let begun = Instant::now();
        loop {
            let answer = self.get(path);
            if fits(&answer) {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "{path}: {answer:#}");
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The newest run of a kind, once it is in this state.
    #[track_caller]
    pub fn run(&self, query: &str, state: &str) -> Value {
        let found =
            self.until(&format!("/runs?{query}"), |runs| runs["items"][0]["state"] == state);
        found["items"][0].clone()
    }

    /// An invitation's token.
    pub fn invite(&self, name: &str) -> String {
        let invited = self.post("/agents", &json!({"name": name}));
        assert_eq!(invited["agent"]["state"], "invited", "{invited:#}");
        invited["token"].as_str().unwrap().to_owned()
    }

    /// The settings of a host of that name, with more lines of its own.
    pub fn host(&self, name: &str, more: &str) -> Host {
        let (plant, data) = (self.at("plant"), self.at(name));
        let text = format!(
            "data = {data:?}\nallow = [{plant:?}]\ncall_every_s = 1\nevery_minutes_min = 1\n\
             {more}\n"
        );
        let config = self.at(&format!("{name}.toml"));
        fs::write(&config, text).unwrap();
        Host { config, data }
    }

    pub fn enrol(&self, host: &Host, token: &str) -> Output {
        let address = format!("https://127.0.0.1:{}", self.line.port);
        host.command(&["enrol", &address, "--token", token]).output().unwrap()
    }

    /// A host that was invited and came.
    pub fn enrolled(&self, name: &str, more: &str) -> Host {
        let (host, token) = (self.host(name, more), self.invite(name));
        let done = self.enrol(&host, &token);
        assert!(done.status.success(), "{done:?}");
        host
    }

    pub fn plan(&self, name: &str, agent: &str, sources: &[&str]) -> Value {
        let plant = self.at("plant").display().to_string();
        let sources: Vec<String> = sources.iter().map(|s| s.replace("@plant", &plant)).collect();
        json!({"name": name, "subject": name, "agent": agent, "sources": sources,
               "every_minutes": 60, "rpo_minutes": 120})
    }
}

pub struct Host {
    pub config: PathBuf,
    pub data: PathBuf,
}

impl Host {
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("agent").args(arguments).arg("--config").arg(&self.config);
        command
    }

    pub fn run(&self) -> Process {
        let mut command = self.command(&["run"]);
        let log = File::options().create(true).append(true).open(self.data.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().unwrap())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

/// Killed when dropped, as by a power cut.
pub struct Process(pub Child);

impl Process {
    pub fn terminate(mut self) {
        signal("TERM", &self.0.id().to_string());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }

    /// The processes it has begun, by number.
    pub fn children(&self) -> Vec<String> {
        let own = self.0.id().to_string();
        let processes = fs::read_dir("/proc").unwrap().flatten();
        let is_child = |process: &Path| {
            let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
            // Number, name in brackets, state, parent.
            let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
            parent == Some(own.as_str())
        };
        let children = processes.filter(|process| is_child(&process.path()));
        children.map(|process| process.file_name().into_string().unwrap()).collect()
    }
}

pub fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status();
    assert!(sent.unwrap().success(), "{name} to {process}");
}

/// So many octets that hardly shrink.
pub fn noise(octets: u32) -> Vec<u8> {
    (0..octets).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The line between a host and the control plane: can be cut, and leads where it is told to.
pub struct Line {
    pub port: u16,
    pub to: Arc<AtomicU16>,
    pub open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    pub fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, open) = (Arc::new(AtomicU16::new(0)), Arc::new(Mutex::new(Vec::new())));
        let line = Line { port, to: Arc::clone(&to), open: Arc::clone(&open) };
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let Ok(far) = TcpStream::connect(("127.0.0.1", to.load(Ordering::Relaxed))) else {
                    continue;
                };
                let both = [near.try_clone().unwrap(), far.try_clone().unwrap()];
                open.lock().unwrap().extend(both);
                pass(near.try_clone().unwrap(), far.try_clone().unwrap());
                pass(far, near);
            }
        });
        line
    }

    pub fn cut(&self) {
        self.to.store(0, Ordering::Relaxed);
        for stream in self.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

pub fn pass(mut from: TcpStream, mut to: TcpStream) {
    thread::spawn(move || {
        let mut buffer = [0; 16 << 10];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        drop(to.shutdown(Shutdown::Write));
    });
}

#[track_caller]
pub fn same_tree(restored: &Path, name: &str, expect: &str) {
    let found = fs::read_to_string(restored.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found, expect, "{name}");
}

pub fn database(path: &Path, journal: &str) -> rusqlite::Connection {
    let open = rusqlite::Connection::open(path).unwrap();
    open.query_row(&format!("PRAGMA journal_mode={journal}"), [], |_| Ok(())).unwrap();
    open.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (42)").unwrap();
    open
}

pub fn value(path: &Path) -> i64 {
    let copy = rusqlite::Connection::open(path).unwrap();
    copy.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap()
}
