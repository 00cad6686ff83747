//! A host's agent as its owner and the plant's run it: processes, TLS, cut lines, kills, refusals.

#![cfg(all(unix, feature = "vault", feature = "control-plane"))]

mod served;

use serde_json::{Value, json};
use served::{PROGRAM, Server};
use std::{
    ffi::OsStr,
    fs::{self, File},
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    os::unix::{ffi::OsStrExt, fs::symlink},
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
const PATIENCE: Duration = Duration::from_secs(120);

/// A control plane, a host with a plant on it, and the line between.
struct Scene {
    root: tempfile::TempDir,
    server: Option<Server>,
    cookie: String,
    csrf: String,
    line: Line,
}

impl Drop for Scene {
    fn drop(&mut self) {
        // Where the vault server may make objects immutable, they would outlive the test.
        drop(self.server.take());
        drop(Command::new("chattr").args(["-R", "-f", "-i"]).arg(self.at("data")).output());
    }
}

impl Scene {
    fn new() -> Self {
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

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    fn start(&mut self) {
        let settings = self.at("spandrel.toml");
        let server = Server::start(&self.at("data"), &["--config", settings.to_str().unwrap()]);
        self.line.to.store(server.agents.expect("a port for agents"), Ordering::Relaxed);
        self.server = Some(server);
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
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
    fn post(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, body);
        assert!((200..300).contains(&status), "{path}: {status} {answer:#}");
        answer
    }

    fn get(&self, path: &str) -> Value {
        self.call("GET", path, &Value::Null).1
    }

    /// Waits until what is at a path is as it should be; gives it.
    #[track_caller]
    fn until(&self, path: &str, fits: impl Fn(&Value) -> bool) -> Value {
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
    fn run(&self, query: &str, state: &str) -> Value {
        let found =
            self.until(&format!("/runs?{query}"), |runs| runs["items"][0]["state"] == state);
        found["items"][0].clone()
    }

    /// An invitation's token.
    fn invite(&self, name: &str) -> String {
        let invited = self.post("/agents", &json!({"name": name}));
        assert_eq!(invited["agent"]["state"], "invited", "{invited:#}");
        invited["token"].as_str().unwrap().to_owned()
    }

    /// The settings of a host of that name, with more lines of its own.
    fn host(&self, name: &str, more: &str) -> Host {
        let (plant, data) = (self.at("plant"), self.at(name));
        let text = format!(
            "data = {data:?}\nallow = [{plant:?}]\ncall_every_s = 1\nevery_minutes_min = 1\n\
             {more}\n"
        );
        let config = self.at(&format!("{name}.toml"));
        fs::write(&config, text).unwrap();
        Host { config, data }
    }

    fn enrol(&self, host: &Host, token: &str) -> Output {
        let address = format!("https://127.0.0.1:{}", self.line.port);
        host.command(&["enrol", &address, "--token", token]).output().unwrap()
    }

    /// A host that was invited and came.
    fn enrolled(&self, name: &str, more: &str) -> Host {
        let (host, token) = (self.host(name, more), self.invite(name));
        let done = self.enrol(&host, &token);
        assert!(done.status.success(), "{done:?}");
        host
    }

    fn plan(&self, name: &str, agent: &str, sources: &[&str]) -> Value {
        let plant = self.at("plant").display().to_string();
        let sources: Vec<String> = sources.iter().map(|s| s.replace("@plant", &plant)).collect();
        json!({"name": name, "subject": name, "agent": agent, "sources": sources,
               "every_minutes": 60, "rpo_minutes": 120})
    }
}

struct Host {
    config: PathBuf,
    data: PathBuf,
}

impl Host {
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("agent").args(arguments).arg("--config").arg(&self.config);
        command
    }

    fn run(&self) -> Process {
        let mut command = self.command(&["run"]);
        let log = File::options().create(true).append(true).open(self.data.join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Process(command.spawn().unwrap())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.data.join("log")).unwrap_or_default()
    }
}

/// Killed when dropped, as by a power cut.
struct Process(Child);

impl Process {
    fn terminate(mut self) {
        signal("TERM", &self.0.id().to_string());
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }

    /// The processes it has begun, by number.
    fn children(&self) -> Vec<String> {
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

fn signal(name: &str, process: &str) {
    let sent = Command::new("kill").args(["-s", name, process]).status();
    assert!(sent.unwrap().success(), "{name} to {process}");
}

/// So many octets that hardly shrink.
fn noise(octets: u32) -> Vec<u8> {
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
struct Line {
    port: u16,
    to: Arc<AtomicU16>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn new() -> Self {
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

    fn cut(&self) {
        self.to.store(0, Ordering::Relaxed);
        for stream in self.open.lock().unwrap().drain(..) {
            drop(stream.shutdown(Shutdown::Both));
        }
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
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
fn same_tree(restored: &Path, name: &str, expect: &str) {
    let found = fs::read_to_string(restored.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(found, expect, "{name}");
}

fn database(path: &Path, journal: &str) -> rusqlite::Connection {
    let open = rusqlite::Connection::open(path).unwrap();
    open.query_row(&format!("PRAGMA journal_mode={journal}"), [], |_| Ok(())).unwrap();
    open.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (42)").unwrap();
    open
}

fn value(path: &Path) -> i64 {
    let copy = rusqlite::Connection::open(path).unwrap();
    copy.query_row("SELECT x FROM t", [], |row| row.get(0)).unwrap()
}

#[test]
fn a_host_is_enrolled_backed_up_proven_and_restored() {
    let mut scene = Scene::new();
    let plant = scene.at("plant");
    // Names as a hostile or careless host has them, a link out, and a database in use.
    for name in [&b"line\nfeed"[..], b"\x1b[31mred", b"not \xff text", b"-rf"] {
        fs::write(plant.join(OsStr::from_bytes(name)), "x").unwrap();
    }
    symlink(scene.at("secret"), plant.join("out")).unwrap();
    let _in_use = database(&plant.join("history.db"), "delete");
    // One whose program is stopped, and beside which nothing may be made.
    database(&plant.join("idle.db"), "wal").close().unwrap();

    let host = scene.enrolled("press-4", "");
    let agents = scene.get("/agents");
    let agent = &agents["items"][0];
    assert_eq!((&agent["state"], &agent["vault"]), (&json!("silent"), &Value::Null), "{agents:#}");
    let sources = ["files:@plant", "sqlite:@plant/history.db", "sqlite:@plant/idle.db"];
    let mut plan = scene.plan("Press 4", "press-4", &sources);
    (plan["verify_days"], plan["verify_level"]) = (json!(1), json!(2));
    scene.post("/plans", &plan);
    let agent = host.run();
    let run = scene.run("kind=backup", "complete");
    assert_eq!((&run["agent"], &run["faults"]), (&json!("press-4"), &json!(0)), "{run:#}");
    assert_eq!(run["entries"], 9, "files and links: {run:#}");
    // The agent proves it by itself, since the key is nowhere else.
    let proof = scene.until("/runs?kind=verify&target=Press%204", |runs| {
        runs["items"][0]["state"] == "complete"
    });
    assert_eq!(proof["items"][0]["level"], 2, "{proof:#}");
    let coverage = scene.get("/coverage");
    let row = &coverage["items"].as_array().unwrap().iter().find(|row| row["target"] == "Press 4");
    let row = row.unwrap();
    assert_eq!((&row["state"], &row["agent"]), (&json!("protected"), &json!("press-4")), "{row:#}");
    assert_eq!((&row["proven_level"], &row["snapshot"]), (&json!(2), &run["snapshot"]), "{row:#}");
    // The control plane holds the vault without its key, and proves that all of it is there.
    let target = "/runs?kind=verify&target=agent-vault%3Apress-4";
    scene.until(target, |runs| runs["items"][0]["state"] == "complete");
    let listed = scene.until("/agents", |agents| agents["items"][0]["verified"] == true);
    let listed = &listed["items"][0];
    assert_eq!((&listed["state"], &listed["plans"]), (&json!("active"), &json!(1)), "{listed:#}");
    assert_eq!(listed["allow"], json!([plant]), "{listed:#}");

    let vault = PathBuf::from(listed["vault"].as_str().unwrap());
    let key = host.data.join("vault.key");
    assert!(!is_found(&scene.at("data"), &fs::read(&key).unwrap()), "the key stays on the host");
    let restored = scene.at("restored");
    let done = Command::new(PROGRAM)
        .args(["vault", "restore"])
        .arg(&vault)
        .args(["latest", "--to"])
        .arg(&restored)
        .arg("--key-file")
        .arg(&key)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    let restored = restored.join(plant.strip_prefix("/").unwrap());
    same_tree(&restored, "line.cfg", "speed=36000\n");
    same_tree(&restored, "line 2/recipe", "milk\n");
    for name in [&b"line\nfeed"[..], b"\x1b[31mred", b"not \xff text", b"-rf"] {
        assert_eq!(fs::read(restored.join(OsStr::from_bytes(name))).unwrap(), b"x", "{name:?}");
    }
    assert_eq!(fs::read_link(restored.join("out")).unwrap(), scene.at("secret"));
    for name in ["history.db", "idle.db"] {
        assert_eq!(value(&restored.join(name)), 42, "{name}");
    }
    stock_restic(&vault, &key, &scene.at("restic"), &plant);
    agent.terminate();
    assert_eq!(scene.server.take().unwrap().stop(), Some(0), "the vault server with it");
}

#[test]
fn a_drill_restores_on_the_host_compares_everything_and_leaves_nothing() {
    let scene = Scene::new();
    let plant = scene.at("plant");
    let database = rusqlite::Connection::open(plant.join("history.db")).unwrap();
    database.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (42)").unwrap();
    symlink(scene.at("secret"), plant.join("out")).unwrap();
    let made = Command::new("mkfifo").arg(plant.join("to-hmi")).status();
    assert!(made.unwrap().success());
    let host = scene.enrolled("press-4", "");
    let sources = ["files:@plant", "sqlite:@plant/history.db"];
    let mut plan = scene.plan("Press 4", "press-4", &sources);
    plan["recover_days"] = json!(30);
    // A command from here would be a way to run anything on the host.
    plan["recover_check"] = json!("true");
    let (status, answer) = scene.call("POST", "/plans", &plan);
    assert_eq!(
        (status, &answer["errors"][0]["path"]),
        (422, &json!("recover_check")),
        "{answer:#}"
    );
    plan["recover_check"] = Value::Null;
    let plan = scene.post("/plans", &plan);
    let drill_path = format!("/plans/{}:drill", plan["id"].as_str().unwrap());
    let (status, answer) = scene.call("POST", &drill_path, &json!({}));
    assert_eq!((status, &answer["code"]), (409, &json!("cannot")), "not heard yet: {answer:#}");
    // What a drill left that was killed with its agent.
    fs::create_dir_all(host.data.join("drills/data/closed")).unwrap();
    fs::write(host.data.join("drills/data/closed/recipe"), "milk").unwrap();
    let agent = host.run();
    let backup = scene.run("kind=backup", "complete");
    // By the plan's clock, right after the first backup.
    let run = scene.run("kind=verify&target=Press%204", "complete");
    assert_eq!((&run["level"], &run["cause"]), (&json!(3), &json!("schedule")), "{run:#}");
    assert_eq!((&run["snapshot"], &run["faults"]), (&backup["snapshot"], &json!(0)), "{run:#}");
    let drill = &run["drill"];
    assert_eq!(drill["ok"], json!(true), "{run:#}");
    assert!(drill["rto_ms"].is_u64() && drill["rpo_ms"].is_u64(), "{run:#}");
    assert!(drill["log_entry"].is_u64(), "the vault's log has the report's hash: {run:#}");
    let steps = drill["steps"].as_array().unwrap();
    assert!(steps.len() == 2 && steps.iter().all(|step| step["outcome"] == "ok"), "{run:#}");
    assert!(steps[1]["detail"].as_str().unwrap().contains("1 sqlite"), "{run:#}");
    let said = |step: &Value| step["detail"].as_str().unwrap().contains("1 device, pipe or socket");
    assert!(steps.iter().all(said), "{run:#}");
    let notes = drill["notes"].to_string();
    assert!(notes.contains("from the spool on the host; the vault here has"), "{notes}");
    let coverage = scene.get("/coverage");
    let row = coverage["items"].as_array().unwrap().iter().find(|row| row["target"] == "Press 4");
    let row = row.unwrap();
    assert_eq!(row["recovered_snapshot"], backup["snapshot"], "{row:#}");
    // Asked for, it counts from when somebody asked.
    let asked = scene.post(&drill_path, &json!({}));
    let asked = asked["items"][0]["id"].as_str().unwrap().to_owned();
    let run = scene.until(&format!("/runs/{asked}"), |run| run["state"] == "complete");
    assert_eq!((&run["cause"], &run["actor"]), (&json!("person"), &json!("admin")), "{run:#}");
    let server = scene.server.as_ref().unwrap();
    let cookie = [("cookie", scene.cookie.as_str())];
    let page = server.call("GET", &format!("/runs/{asked}/report"), &cookie, b"");
    assert!(page.0 == 200 && page.2.contains("drill of Press 4"), "{} {}", page.0, page.2);
    assert!(page.2.contains("age of the backup"), "{}", page.2);
    let left: Vec<_> = fs::read_dir(host.data.join("drills")).into_iter().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    // What is damaged on the host is not proven, and it is said.
    damage(&host.data.join("spool/repository/data"));
    let asked = scene.post(&drill_path, &json!({}));
    let asked = asked["items"][0]["id"].as_str().unwrap().to_owned();
    let run = scene.until(&format!("/runs/{asked}"), |run| run["state"] == "failed");
    assert_eq!(run["level"], Value::Null, "{run:#}");
    assert!(run["faults"].as_u64() > Some(0) || run["detail"].is_string(), "{run:#}");
    agent.terminate();
}

#[test]
fn a_restore_asked_for_in_the_console_makes_a_new_folder_where_the_owner_says() {
    let scene = Scene::new();
    let (plant, back) = (scene.at("plant"), scene.at("back"));
    fs::create_dir_all(back.join("taken")).unwrap();
    fs::write(back.join("taken/recipe"), "honey\n").unwrap();
    symlink(scene.at("secret"), back.join("out")).unwrap();
    let host = scene.enrolled("press-4", &format!("restore_into = [{back:?}]"));
    scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    let backup = scene.run("kind=backup", "complete");
    let ask = format!("/runs/{}:restore", backup["id"].as_str().unwrap());
    let listed = scene.until("/agents", |agents| agents["items"][0]["restore_into"] != json!([]));
    assert_eq!(listed["items"][0]["restore_into"], json!([back]), "{listed:#}");
    let restored = |to: &str, path: Option<&Path>, state: &str| {
        let run = scene.post(&ask, &json!({"to": back.join(to), "path": path}));
        assert_eq!(run["needs_approval"], json!(false), "there is one administrator: {run:#}");
        let path = format!("/runs/{}", run["id"].as_str().unwrap());
        let run = scene.until(&path, |run| run["finished_at"].is_string());
        assert_eq!(run["state"], state, "{run:#}");
        run
    };
    let run = restored("whole", None, "complete");
    assert_eq!((&run["entries"], &run["faults"]), (&json!(2), &json!(0)), "{run:#}");
    let whole = back.join("whole").join(plant.strip_prefix("/").unwrap());
    same_tree(&whole, "line.cfg", "speed=36000\n");
    same_tree(&whole, "line 2/recipe", "milk\n");
    restored("part", Some(&plant.join("line 2")), "complete");
    let part = back.join("part").join(plant.strip_prefix("/").unwrap());
    same_tree(&part, "line 2/recipe", "milk\n");
    assert!(!part.join("line.cfg").exists());
    // What the host's owner did not allow is refused there, whatever the control plane thinks.
    for there in ["whole", "taken", "out", "taken/recipe"] {
        let why = restored(there, None, "failed")["detail"].to_string();
        assert!(why.contains("there already"), "{there}: {why}");
    }
    for elsewhere in ["out/new", "not/there", "taken/recipe/new"] {
        let why = restored(elsewhere, None, "failed")["detail"].to_string();
        assert!(why.contains("does not allow"), "{elsewhere}: {why}");
    }
    // One that finds nothing leaves nothing.
    restored("nothing", Some(Path::new("/not/in/it")), "failed");
    assert!(!back.join("nothing").exists());
    same_tree(&back, "taken/recipe", "honey\n");
    same_tree(&plant, "line.cfg", "speed=36000\n");
    let names = |folder: &Path| fs::read_dir(folder).unwrap().count();
    assert_eq!((names(&scene.at("secret")), names(&back)), (1, 4), "nothing else was made");
    let audit = scene.get("/audit").to_string();
    assert!(audit.contains("restore ended") && audit.contains("agent press-4"), "{audit}");
    agent.terminate();
}

#[test]
fn a_folder_for_restores_that_is_missing_is_named_and_taken_when_the_agent_starts_again() {
    let scene = Scene::new();
    let (plant, back) = (scene.at("plant"), scene.at("mnt/back"));
    let host = scene.enrolled("press-4", &format!("restore_into = [{back:?}]"));
    scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    let missing = format!("{} is not there", back.display());
    wait_for(&host, &missing);
    let backup = scene.run("kind=backup", "complete");
    let ask = format!("/runs/{}:restore", backup["id"].as_str().unwrap());
    scene.until("/agents", |agents| agents["items"][0]["restore_into"] != json!([]));
    let restore = || {
        let run = scene.post(&ask, &json!({"to": back.join("new"), "path": null}));
        let path = format!("/runs/{}", run["id"].as_str().unwrap());
        scene.until(&path, |run| run["finished_at"].is_string())
    };
    let run = restore();
    assert_eq!(run["state"], "failed", "{run:#}");
    assert!(run["detail"].as_str().unwrap().contains(&missing), "{run:#}");
    fs::create_dir_all(&back).unwrap();
    let run = restore();
    // Without a fence in the kernel there is nothing in its way.
    let fenced = host.log().contains("start the agent again");
    assert_eq!(run["state"], if fenced { "failed" } else { "complete" }, "{run:#}");
    if fenced {
        let why = run["detail"].as_str().unwrap();
        assert!(why.contains("after the agent started"), "{run:#}");
        assert_eq!(fs::read_dir(&back).unwrap().count(), 0);
    }
    agent.terminate();
    drop(fs::remove_dir_all(back.join("new")));
    let agent = host.run();
    let run = restore();
    assert_eq!(run["state"], "complete", "{run:#}");
    let whole = back.join("new").join(plant.strip_prefix("/").unwrap());
    same_tree(&whole, "line.cfg", "speed=36000\n");
    agent.terminate();
}

#[test]
fn a_drill_and_a_restore_go_beside_a_backup_and_stop_alone() {
    let scene = Scene::new();
    let (plant, back) = (scene.at("plant"), scene.at("back"));
    fs::create_dir(&back).unwrap();
    let more = format!("restore_into = [{back:?}]\nread_kib_per_s = 64");
    let host = scene.enrolled("press-4", &more);
    let plan = scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    let first = scene.run("kind=backup", "complete");
    // Minutes of reading, by what the owner allows.
    fs::write(plant.join("archive"), noise(16 << 20)).unwrap();
    let id = plan["id"].as_str().unwrap();
    let run_of = |answer: Value| {
        let run = answer["items"][0]["id"].as_str().or(answer["id"].as_str()).unwrap();
        format!("/runs/{run}")
    };
    let backup = run_of(scene.post(&format!("/plans/{id}:run"), &json!({})));
    let reads = |run: &Value| run["state"] == "running" && run["bytes_read"].as_u64() > Some(0);
    scene.until(&backup, reads);
    let drill = run_of(scene.post(&format!("/plans/{id}:drill"), &json!({})));
    let run = scene.until(&drill, |run| run["finished_at"].is_string());
    assert_eq!((&run["state"], &run["drill"]["ok"]), (&json!("complete"), &json!(true)), "{run:#}");
    assert_eq!(run["snapshot"], first["snapshot"], "of what is complete: {run:#}");
    let ask = format!("/runs/{}:restore", first["id"].as_str().unwrap());
    let restore = run_of(scene.post(&ask, &json!({"to": back.join("new"), "path": null})));
    let run = scene.until(&restore, |run| run["finished_at"].is_string());
    assert_eq!(run["state"], "complete", "{run:#}");
    same_tree(&back.join("new").join(plant.strip_prefix("/").unwrap()), "line 2/recipe", "milk\n");
    let run = scene.get(&backup);
    assert_eq!(run["state"], "running", "it has gone on all the while: {run:#}");
    // Stopping one stops that one.
    scene.post(&format!("{backup}:cancel"), &json!({}));
    let run = scene.until(&backup, |run| run["finished_at"].is_string());
    assert_eq!(run["state"], "cancelled", "{run:#}");
    fs::remove_file(plant.join("archive")).unwrap();
    let again = run_of(scene.post(&format!("/plans/{id}:run"), &json!({})));
    let run = scene.until(&again, |run| run["finished_at"].is_string());
    assert_eq!(run["state"], "complete", "the vault is whole: {run:#}");
    agent.terminate();
}

#[test]
fn who_needs_a_file_back_does_not_wait_for_a_drill() {
    let scene = Scene::new();
    let (plant, back) = (scene.at("plant"), scene.at("back"));
    fs::create_dir(&back).unwrap();
    fs::write(plant.join("archive"), noise(64 << 20)).unwrap();
    let host = scene.enrolled("press-4", &format!("restore_into = [{back:?}]"));
    let plan = scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    let backup = scene.run("kind=backup", "complete");
    let id = plan["id"].as_str().unwrap();
    let drill = scene.post(&format!("/plans/{id}:drill"), &json!({}));
    let drill = format!("/runs/{}", drill["items"][0]["id"].as_str().unwrap());
    // It holds still as soon as it has begun to restore.
    let begun = Instant::now();
    let drills = host.data.join("drills");
    while fs::read_dir(&drills).map_or(0, Iterator::count) == 0 {
        assert!(begun.elapsed() < PATIENCE, "no drill begins: {}", host.log());
        thread::sleep(Duration::from_millis(1));
    }
    let held = agent.children();
    assert_eq!(held.len(), 1, "the drill alone");
    signal("STOP", &held[0]);
    let ask = format!("/runs/{}:restore", backup["id"].as_str().unwrap());
    let restore = scene.post(&ask, &json!({"to": back.join("new"), "path": null}));
    let restore = format!("/runs/{}", restore["id"].as_str().unwrap());
    let run = scene.until(&restore, |run| run["finished_at"].is_string());
    assert_eq!(run["state"], "complete", "{run:#}");
    same_tree(&back.join("new").join(plant.strip_prefix("/").unwrap()), "line 2/recipe", "milk\n");
    let run = scene.get(&drill);
    assert_eq!(run["finished_at"], Value::Null, "it is still held: {run:#}");
    signal("CONT", &held[0]);
    let run = scene.until(&drill, |run| run["finished_at"].is_string());
    assert_eq!((&run["state"], &run["drill"]["ok"]), (&json!("complete"), &json!(true)), "{run:#}");
    agent.terminate();
}

/// Flips a byte in the middle of every file below a folder.
fn damage(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            damage(&path);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }
}

/// Restores with restic where it is installed.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn stock_restic(vault: &Path, key: &Path, to: &Path, plant: &Path) {
    let restic = Command::new("restic")
        .args(["--no-cache", "--no-lock", "-r"])
        .arg(vault.join("repository"))
        .arg("--password-file")
        .arg(key)
        .args(["restore", "latest", "--target"])
        .arg(to)
        .output();
    match restic {
        Err(_) => eprintln!("SKIPPED restic: not installed; scripts/setup test installs it"),
        Ok(done) => {
            assert!(done.status.success(), "{done:?}");
            same_tree(&to.join(plant.strip_prefix("/").unwrap()), "line.cfg", "speed=36000\n");
        }
    }
}

/// Whether a file below a folder has these bytes in it.
fn is_found(folder: &Path, bytes: &[u8]) -> bool {
    let needle = bytes.trim_ascii();
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return is_found(&path, needle);
        }
        let text = fs::read(&path).unwrap_or_default();
        text.windows(needle.len()).any(|part| part == needle)
    })
}

#[test]
fn a_host_goes_on_while_the_line_is_cut_and_all_arrives_when_it_is_back() {
    let mut scene = Scene::new();
    // It hears of its plans in quiet hours, so that the first backup falls into the cut.
    let host = scene.enrolled("press-4", "quiet = [\"00:00-24:00\"]");
    let plan = scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    scene.until("/agents", |agents| agents["items"][0]["state"] == "active");
    wait_for(&host, "the plans are others");
    agent.terminate();
    scene.line.cut();
    // Killed, as by a power cut: it must know its agents when it is back.
    drop(scene.server.take());
    scene.host("press-4", "");
    let agent = host.run();
    wait_for(&host, "Complete");
    // A second start while cut changes nothing of it.
    agent.terminate();
    let agent = host.run();
    scene.start();
    let run = scene.run("kind=backup", "complete");
    assert_eq!((&run["agent"], &run["cause"]), (&json!("press-4"), &json!("schedule")), "{run:#}");
    let runs = scene.get("/runs?kind=backup");
    assert_eq!(runs["items"].as_array().unwrap().len(), 1, "told once: {runs:#}");
    // What a person asks for is done by the agent, once.
    let id = plan["id"].as_str().unwrap();
    let asked = scene.post(&format!("/plans/{id}:run"), &json!({}));
    let asked = asked["items"][0]["id"].as_str().unwrap().to_owned();
    let run = scene.until(&format!("/runs/{asked}"), |run| run["state"] == "complete");
    assert_eq!((&run["cause"], &run["actor"]), (&json!("person"), &json!("admin")), "{run:#}");
    let runs = scene.get("/runs?kind=backup");
    assert_eq!(runs["items"].as_array().unwrap().len(), 2, "{runs:#}");
    agent.terminate();
}

/// Waits until the agent's log says something.
#[track_caller]
fn wait_for(host: &Host, words: &str) {
    let begun = Instant::now();
    while !host.log().contains(words) {
        assert!(begun.elapsed() < PATIENCE, "{words}: {}", host.log());
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn an_agent_killed_in_the_middle_says_so_and_its_vault_is_whole() {
    let scene = Scene::new();
    fs::write(scene.at("plant/archive"), noise(4 << 20)).unwrap();
    let host = scene.enrolled("press-4", "read_kib_per_s = 64");
    let plan = scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    let running = scene.until("/runs?kind=backup", |runs| {
        let run = &runs["items"][0];
        run["state"] == "running" && run["bytes_read"].as_u64() > Some(0)
    });
    assert_eq!(running["items"][0]["agent"], "press-4", "{running:#}");
    drop(agent);
    scene.host("press-4", "");
    let agent = host.run();
    let run = scene.run("kind=backup", "failed");
    let said = run["detail"].as_str().unwrap();
    assert!(said.contains("ended while it ran"), "{run:#}");
    let id = plan["id"].as_str().unwrap();
    scene.post(&format!("/plans/{id}:run"), &json!({}));
    scene.run("kind=backup", "complete");
    let verified =
        Command::new(PROGRAM).args(["vault", "verify"]).arg(host.data.join("spool")).output();
    let verified = verified.unwrap();
    assert!(verified.status.success(), "{verified:?}");
    agent.terminate();
}

#[test]
fn what_the_host_does_not_allow_is_not_read_whoever_asks() {
    let scene = Scene::new();
    let host = scene.enrolled("press-4", "");
    symlink(scene.at("secret"), scene.at("plant/out")).unwrap();
    let secret = format!("files:{}", scene.at("secret").display());
    // The control plane does not know yet what the host allows, as a hostile one would not care.
    scene.post("/plans", &scene.plan("Part", "press-4", &["files:@plant/line.cfg", &secret]));
    scene.post("/plans", &scene.plan("Link", "press-4", &["files:@plant/out/key"]));
    for (field, wrong) in [("sources", "s7:10.0.0.1"), ("sources", "files:plant"), ("agent", "")] {
        let mut plan = scene.plan("Wrong", "press-4", &["files:@plant"]);
        plan[field] = if field == "sources" { json!([wrong]) } else { json!("nobody") };
        let (status, answer) = scene.call("POST", "/plans", &plan);
        assert_eq!((status, &answer["errors"][0]["path"]), (422, &json!(field)), "{answer:#}");
    }
    let agent = host.run();
    let run = scene.run("target=Part", "partial");
    let said = run["errors"][0]["error"].as_str().unwrap();
    assert_eq!(said, "the host does not allow it to be read", "{run:#}");
    let run = scene.run("target=Link", "failed");
    let said = run["detail"].as_str().unwrap();
    assert!(said.ends_with("the host does not allow it to be read"), "{run:#}");
    let coverage = scene.get("/coverage");
    let row = coverage["items"].as_array().unwrap().iter().find(|row| row["target"] == "Link");
    let reason = row.unwrap()["reason"].as_str().unwrap();
    assert!(reason.contains("does not allow"), "{coverage:#}");
    // Once it does know, it says so at once.
    let (status, answer) =
        scene.call("POST", "/plans", &scene.plan("Third", "press-4", &[&secret]));
    assert_eq!((status, &answer["errors"][0]["code"]), (422, &json!("not-allowed")), "{answer:#}");
    let key = host.data.join("vault.key");
    let listed = Command::new(PROGRAM)
        .args(["vault", "restore"])
        .arg(host.data.join("spool"))
        .args(["latest", "--to"])
        .arg(scene.at("restored"))
        .arg("--key-file")
        .arg(key)
        .output()
        .unwrap();
    assert!(listed.status.success(), "{listed:?}");
    assert!(!is_found(&scene.at("restored"), b"nobody's business"));
    agent.terminate();
}

#[test]
fn a_token_works_once_and_a_revoked_agent_is_turned_away() {
    let scene = Scene::new();
    let (host, token) = (scene.host("press-4", ""), scene.invite("press-4"));
    let (status, _) = scene.call("POST", "/agents", &json!({"name": "../up"}));
    assert_eq!(status, 422);
    let mistyped = token.replace("spa1.", "spa1.x");
    let mut foreign = token.clone();
    foreign.replace_range(token.len() - 1.., if token.ends_with('0') { "1" } else { "0" });
    for (wrong, expect) in [(&mistyped, "not whole"), (&foreign, "not the one that made")] {
        let refused = scene.enrol(&host, wrong);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(expect), "{said}");
    }
    assert!(scene.enrol(&host, &token).status.success());
    let thief = scene.host("thief", "");
    let refused = scene.enrol(&thief, &token);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("used by another host"), "{said}");
    let refused = String::from_utf8(thief.command(&["run"]).output().unwrap().stderr).unwrap();
    assert!(refused.contains("not ended"), "{refused}");

    scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let mut agent = host.run();
    scene.run("kind=backup", "complete");
    let second = String::from_utf8(host.command(&["run"]).output().unwrap().stderr).unwrap();
    assert!(second.contains("another agent works in"), "{second}");
    let clients = scene.at("data/agents/clients");
    assert!(fs::read_to_string(&clients).unwrap().contains("agent-press-4 edge press-4 "));
    let revoked = scene.post("/agents/press-4:revoke", &json!({}));
    assert_eq!(revoked["state"], "revoked", "{revoked:#}");
    assert_eq!(agent.0.wait().unwrap().code(), Some(1));
    assert!(host.log().contains("this agent was revoked at the console"), "{}", host.log());
    assert_eq!(fs::read_to_string(&clients).unwrap(), "", "nor does the vault server know it");
    let coverage = scene.get("/coverage");
    let row = coverage["items"].as_array().unwrap().iter().find(|row| row["target"] == "Press 4");
    let row = row.unwrap();
    assert_eq!(row["reason"], "agent press-4 was revoked", "{coverage:#}");
    let (status, _) = scene.call("POST", "/agents", &json!({"name": "press-4"}));
    assert_eq!(status, 409, "its name stays its own");
    // The audit has who came and who was sent away.
    let audit = scene.get("/audit").to_string();
    assert!(audit.contains("/agent/v1/enrol") && audit.contains(":revoke"), "{audit}");
    assert!(!audit.contains(&token), "and no token");
}
