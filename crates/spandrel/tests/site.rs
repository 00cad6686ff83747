//! Two sites as an operator runs them: processes, TLS, restic, kills, a full disk, the manual.

#![cfg(all(feature = "vault", feature = "control-plane"))]

mod place;

use place::{Place, SPANDREL};
use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

const MANUAL: &str = include_str!("../../../docs/vault.md");

impl Place {
    /// Enrols a client and keeps its line in a file of its name.
    fn client(&self, name: &str, role: &str) {
        let made = self.run(&[
            "vault",
            "client",
            name,
            "--role",
            role,
            "--vault",
            "press",
            "--clients",
            "@clients",
        ]);
        assert!(made.status.success(), "{made:?}");
        fs::write(self.at(name), made.stdout).unwrap();
    }

    /// Starts a server; its address.
    fn serve(&self, options: &[&str]) -> (Running, String) {
        let all = [&["vault", "serve", "@a", "--clients", "@clients"], options].concat();
        let mut child =
            self.command(&all).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.starts_with("http"), "{line}");
        (Running(child), line.trim().to_owned())
    }
}

/// Killed when dropped, as by a power cut.
struct Running(Child);

impl Running {
    fn terminate(mut self) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").arg(id).status().unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// A simulated plant that runs until dropped, and where its controller answers.
fn plant() -> (Running, String) {
    let mut plant = Command::new(SPANDREL)
        .args(["lab", "--live", "--seed", "2", "--s7", "127.0.0.1:0", "--out", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut says = BufReader::new(plant.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = says.find_map(|line| Some(line.strip_prefix("spandrel: S7 on ")?.to_owned()));
    // What it says later is read, so that it never waits for a reader.
    std::thread::spawn(move || says.count());
    (Running(plant), address.unwrap())
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let step = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(step).flatten().take(length).collect()
}

/// Sizes of all files below a directory.
fn files(root: &Path) -> BTreeMap<PathBuf, u64> {
    let mut found = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(at) = waiting.pop() {
        for entry in fs::read_dir(at).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => waiting.push(entry.path()),
                Ok(meta) => drop(found.insert(entry.path(), meta.len())),
                Err(_) => {}
            }
        }
    }
    found
}

fn bytes_in(root: &Path) -> u64 {
    files(root).values().sum()
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn has(program: &str, argument: &str, what: &str) -> bool {
    let there = Command::new(program).arg(argument).output().is_ok();
    if !there {
        eprintln!("SKIPPED {what}: {program} is not installed; scripts/setup test installs it");
    }
    there
}

const BACKUP: [&str; 13] = [
    "backup",
    "--vault",
    "URL",
    "--spool",
    "@spool",
    "--key-file",
    "@key",
    "--token-file",
    "@edge",
    "--ca",
    "@a/.site/tls/ca.pem",
    "--source",
    "files:@plant",
];

/// The arguments with URL made the address of the vault.
fn to<'a>(arguments: &[&'a str], url: &'a str) -> Vec<&'a str> {
    arguments.iter().map(|argument| if *argument == "URL" { url } else { *argument }).collect()
}

#[test]
fn restic_checks_and_restores_from_the_server_and_can_change_nothing() {
    if !has("restic", "version", "restic over rest:") {
        return;
    }
    let place = Place::with_plant();
    fs::write(place.at("plant/historian"), noise(1, 5_000_000)).unwrap();
    place.client("edge", "edge");
    place.client("reader", "reader");
    let (server, address) = place.serve(&["--listen", "127.0.0.1:0", "--no-immutable"]);
    let url = format!("{address}/press");
    let report = place.json(&to(&BACKUP, &url), 0);
    assert_eq!(report["pushed"]["entries"], 2);
    let sizes = || files(&place.at("a/press"));
    let before = sizes();
    let token = fs::read_to_string(place.at("reader")).unwrap();
    let repository = format!("rest:{}", url.replace("://", &format!("://{}@", token.trim())));
    let command = |arguments: &[&str]| {
        let mut command = Command::new("restic");
        command.args(["--no-cache", "-r", &repository, "--password-file"]).arg(place.at("key"));
        command.arg("--cacert").arg(place.at("a/.site/tls/ca.pem")).args(arguments);
        command
    };
    let restic = |arguments: &[&str]| command(arguments).output().unwrap();
    let checked = restic(&["check", "--read-data"]);
    assert!(checked.status.success(), "{checked:?}");
    let out = place.at("out");
    let restored = restic(&["restore", "latest", "--target", out.to_str().unwrap()]);
    assert!(restored.status.success(), "{restored:?}");
    let below = out.join(place.at("plant/historian").strip_prefix("/").unwrap());
    assert_eq!(fs::read(below).unwrap(), noise(1, 5_000_000));
    let (plant, id) = (place.at("plant/line.cfg"), report["snapshot"].as_str().unwrap());
    let journal = || fs::read_to_string(place.at("a/.site/log/checkpoint")).unwrap();
    for arguments in
        [&["forget", id][..], &["tag", "--add", "x", id], &["backup", plant.to_str().unwrap()]]
    {
        // What was killed left its lock, which is the reader's own to remove.
        let unlocked = restic(&["unlock", "--remove-all"]);
        assert!(unlocked.status.success(), "{unlocked:?}");
        // It tries again for minutes: one refusal is enough.
        let noted = journal();
        let mut child =
            command(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        until(&mut child, || journal() != noted);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_ne!(journal(), noted, "{arguments:?} was not refused");
        assert_eq!(sizes(), before, "{arguments:?}");
    }
    let mut reader = ["vault", "verify", "URL", "--token-file", "@reader", "--ca", "@ca"];
    fs::copy(place.at("a/.site/tls/ca.pem"), place.at("ca")).unwrap();
    reader[2] = &url;
    assert_eq!(place.json(&reader, 0)["problems"], serde_json::json!([]));
    server.terminate();
    let journal = place.json(&["vault", "journal", "@a"], 0);
    let denied = journal.as_array().unwrap().iter().filter(|entry| entry["kind"] == "denied");
    assert!(denied.count() >= 3, "{journal}");
}

/// Waits until something has come so far, or the process has ended.
fn until(child: &mut Child, come: impl Fn() -> bool) {
    while !come() && child.try_wait().unwrap().is_none() {
        std::thread::yield_now();
    }
}

#[test]
fn killed_on_either_end_at_any_moment_the_push_goes_on_and_ends_whole() {
    let place = Place::with_plant();
    fs::write(place.at("plant/historian"), noise(1, 6_000_000)).unwrap();
    place.client("edge", "edge");
    let (mut server, address) =
        place.serve(&["--listen", "127.0.0.1:0", "--plain", "--no-immutable"]);
    let listen = address.strip_prefix("http://").unwrap().to_owned();
    let url = format!("{address}/press");
    let made = place.run(&["vault", "init", "@spool", "--key-file", "@key", "--pack-mib", "2"]);
    assert!(made.status.success(), "{made:?}");
    let local = ["backup", "--vault", "@spool", "--key-file", "@key", "--source", "files:@plant"];
    place.json(&local, 0);
    let push = ["vault", "push", "@spool", &url, "--token-file", "@edge", "--rate-kbit", "80000"];
    for step in 0..8_u64 {
        let mut client = place.command(&push).stderr(Stdio::null()).spawn().unwrap();
        let mark = bytes_in(&place.at("a")) + step * 200_000;
        until(&mut client, || bytes_in(&place.at("a")) > mark);
        if step % 2 == 0 {
            client.kill().unwrap();
        } else {
            server.0.kill().unwrap();
            server.0.wait().unwrap();
            client.kill().unwrap();
            server = place.serve(&["--listen", &listen, "--plain", "--no-immutable"]).0;
        }
        client.wait().unwrap();
    }
    let pushed = place.json(&push, 0);
    assert_eq!((&pushed["entries"], &pushed["missing"]), (&2.into(), &0.into()));
    assert_eq!(place.json(&["vault", "verify", "@a/press"], 0)["problems"], serde_json::json!([]));
    assert_eq!(bytes_in(&place.at("a/.site/incoming")), 0, "nothing unfinished is left");
}

#[test]
fn killed_at_any_moment_a_copy_is_whole_or_not_there_and_goes_on() {
    let place = Place::with_plant();
    fs::write(place.at("plant/historian"), noise(1, 6_000_000)).unwrap();
    let made = place.run(&["vault", "init", "@vault", "--key-file", "@key", "--pack-mib", "2"]);
    assert!(made.status.success(), "{made:?}");
    let backup = ["backup", "--vault", "@vault", "--key-file", "@key", "--source", "files:@plant"];
    place.json(&backup, 0);
    let mirror = ["vault", "mirror", "@vault", "@b", "--rate-kbit", "80000", "--no-immutable"];
    for step in 0..10_u64 {
        let mut copying = place.command(&mirror).stderr(Stdio::null()).spawn().unwrap();
        let mark = bytes_in(&place.at("b")) + step * 150_000;
        until(&mut copying, || bytes_in(&place.at("b")) > mark);
        copying.kill().unwrap();
        copying.wait().unwrap();
        if place.at("b/vault.json").exists() {
            place.json(&["vault", "verify", "@b"], 0);
        }
    }
    let done = place.json(&mirror, 0);
    assert_eq!((&done["state"], &done["entries"]), (&"complete".into(), &2.into()));
    assert_eq!(place.json(&["vault", "verify", "@b"], 0)["problems"], serde_json::json!([]));
    let restored =
        place.json(&["vault", "restore", "@b", "latest", "--to", "@out", "--key-file", "@key"], 0);
    assert_eq!(restored["errors"], serde_json::json!([]));
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn on_a_full_disk_at_the_second_site_the_copy_waits_and_then_goes_on() {
    let place = Place::with_plant();
    fs::write(place.at("big"), noise(1, 9_000_000)).unwrap();
    fs::create_dir(place.at("b")).unwrap();
    let script = r#"
        set -e
        mount -t tmpfs -o size=6m tmpfs b || exit 77
        "$S" vault init vault --key-file key
        "$S" backup --vault vault --key-file key --source files:plant
        "$S" vault mirror vault b/copy --no-immutable || exit 10
        "$S" backup --vault vault --key-file key --source files:big
        if "$S" vault mirror vault b/copy --no-immutable; then exit 11; fi
        "$S" vault verify b/copy || exit 12
        "$S" vault restore b/copy latest --to out --key-file key || exit 13
        mount -o remount,size=40m b
        "$S" vault mirror vault b/copy --no-immutable || exit 14
        "$S" vault verify b/copy || exit 15
        "$S" vault list b/copy --key-file key --format json >list
        [ "$(grep -o '"id":' list | wc -l)" = 2 ] || exit 16
    "#;
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script])
        .env("S", SPANDREL)
        .current_dir(place.root())
        .output();
    match output {
        Ok(output) if output.status.success() => {}
        Ok(output) if (10..17).contains(&output.status.code().unwrap_or_default()) => {
            panic!("{output:?}")
        }
        other => eprintln!("SKIPPED a full disk: no small file system can be mounted: {other:?}"),
    }
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn an_immutable_object_is_kept_from_root_itself() {
    let place = Place::with_plant();
    let made = place.run(&["vault", "init", "@vault", "--key-file", "@key"]);
    assert!(made.status.success(), "{made:?}");
    let copied = place.run(&["vault", "mirror", "@vault", "@b"]);
    let config = place.at("b/repository/config");
    let removed = fs::remove_file(&config).is_ok();
    let said = String::from_utf8_lossy(&copied.stderr).into_owned();
    // Before anything can fail: a sealed file would outlive the test.
    let opened = Command::new("chattr").args(["-R", "-i"]).arg(place.at("b")).output();
    assert!(copied.status.success(), "{copied:?}");
    if said.contains("are not made immutable") {
        eprintln!("SKIPPED the immutable flag: {}", said.lines().next().unwrap_or_default());
        assert!(removed);
        return;
    }
    assert!(!removed, "it was sealed");
    opened.unwrap();
    assert_eq!(place.json(&["vault", "verify", "@b"], 0)["problems"], serde_json::json!([]));
}

/// The commands of a chapter of the manual, as they stand there.
fn chapter(title: &str) -> Vec<String> {
    let text = MANUAL.split(&format!("\n## {title}\n")).nth(1).expect("the manual has the chapter");
    let text = text.split("\n## ").next().unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap());
    let script: String = blocks.collect();
    let script = script.replace("\\\n", " ");
    script.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

/// Where the chapters of the manual are lived through.
struct Chapters {
    place: Place,
    /// The controller of a simulated plant, as `HOST:PORT`.
    controller: String,
    /// Where the vault server listens, as `https://HOST:PORT`; empty until it does.
    server: String,
}

impl Chapters {
    fn new() -> Self {
        let place = Place::with_plant();
        for folder in ["etc", "srv/plc", "bin", "mnt"] {
            fs::create_dir_all(place.at(folder)).unwrap();
        }
        std::os::unix::fs::symlink(SPANDREL, place.at("bin/spandrel")).unwrap();
        fs::write(place.at("srv/plc/line.cfg"), "speed=36000\n").unwrap();
        Self { place, controller: String::new(), server: String::new() }
    }

    /// The line of the manual, with every place and address made one of this test.
    fn here(&self, line: &str) -> String {
        let root = self.place.root().display();
        let here = line
            .replace("/srv/", &format!("{root}/srv/"))
            .replace("/etc/spandrel/", &format!("{root}/etc/"))
            .replace("/mnt/", &format!("{root}/mnt/"))
            .replace("--listen 0.0.0.0:8445", "--listen 127.0.0.1:0 --no-immutable")
            .replace("vault mirror", "vault mirror --no-immutable")
            .replace("vault import", "vault import --no-immutable")
            .replace("s7:192.168.0.1", &format!("s7:{}?pause_ms=1", self.controller))
            .replace("https://vault.site-a:8445", &self.server)
            .replace("@vault.site-a:8445", &self.server.replace("https://", "@"));
        let foreign =
            |part: &str| part.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| !ip.is_loopback());
        let mut parts = here.split(|c: char| !c.is_ascii_digit() && c != '.');
        assert!(!parts.any(foreign), "it would ask an address that is not ours: {here}");
        here
    }

    fn shell(&self, script: &str) -> Command {
        let path = format!(
            "{}:{}",
            self.place.at("bin").display(),
            std::env::var("PATH").unwrap_or_default()
        );
        let mut command = Command::new("sh");
        command.args(["-e", "-c", script]).env("PATH", path).current_dir(self.place.root());
        command
    }

    /// Carries out what is no server.
    #[track_caller]
    fn live_through(&self, line: &str) {
        let output = self.shell(&self.here(line)).output().unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
    }

    fn serve(&mut self, line: &str) -> Running {
        let mut serving = self.shell(&format!("exec {}", self.here(line)));
        let mut child = serving.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        address.trim().clone_into(&mut self.server);
        assert!(self.server.starts_with("https://"), "{line}");
        Running(child)
    }
}

#[test]
fn the_manual_s_chapter_works_word_for_word() {
    if !has("restic", "version", "the manual's chapter") {
        return;
    }
    let mut chapters = Chapters::new();
    let lines = chapter("A second site");
    assert!(lines.len() > 10, "{lines:?}");
    let mut server = None;
    for line in &lines {
        if line.starts_with("spandrel vault serve") {
            server = Some(chapters.serve(line));
        } else {
            chapters.live_through(line);
        }
    }
    server.expect("the chapter starts a server").terminate();
}

#[test]
fn the_courier_s_chapter_works_word_for_word() {
    let mut chapters = Chapters::new();
    let (plant, controller) = plant();
    chapters.controller = controller;
    let lines = chapter("A courier");
    let (enrol, then) = lines.split_first().unwrap();
    chapters.live_through(enrol);
    let server = chapters.serve(
        "spandrel vault serve /srv/site-a --clients /etc/spandrel/clients --listen 0.0.0.0:8445",
    );
    let certificate = chapters.place.at("srv/site-a/.site/tls/ca.pem");
    fs::copy(certificate, chapters.place.at("ca.pem")).unwrap();
    for line in then {
        chapters.live_through(line);
    }
    server.terminate();
    drop(plant);
    for copy in ["srv/site-a/laptop-1", "srv/site-b/laptop-1"] {
        let copy = format!("@{copy}");
        let out = format!("{copy}-out");
        let restore =
            ["vault", "restore", &copy, "latest", "--to", &out, "--key-file", "@laptop.key"];
        let report = chapters.place.json(&restore, 0);
        let device = chapters.place.at(&out[1..]).join("@s7").join(&chapters.controller);
        let block = fs::read(device.join("rack-0-slot-2/blocks/OB1.mc7")).unwrap();
        assert_eq!(&block[..2], b"pp", "{report}");
    }
}
