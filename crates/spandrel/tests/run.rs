//! The real program on a loopback port: start, first sign-in, upload, bad input, stop.
#![cfg(all(unix, feature = "control-plane"))]

mod served;

use serde_json::Value;
use served::{PROGRAM, Server};
use std::{
    net::TcpListener,
    process::{Command, Output, Stdio},
};

fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).stdin(Stdio::null()).output().expect("runs")
}

/// Exit code 1 and one line that holds the parts.
#[track_caller]
fn fails(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(output.stdout.is_empty());
    assert_eq!(text.trim().lines().count(), 1, "{text}");
    for part in parts {
        assert!(text.contains(part), "{text:?} lacks {part:?}");
    }
}

/// A classic capture of one frame.
fn capture_of(frame: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    // magic, version 2.4, zone, accuracy, snap length 65535, link type 1 (Ethernet)
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 1] {
        file.extend(word.to_le_bytes());
    }
    let length = u32::try_from(frame.len()).expect("short");
    for word in [1_700_000_000_u32, 0, length, length] {
        file.extend(word.to_le_bytes());
    }
    file.extend(frame);
    file
}

/// 10.0.0.1 sends 10.0.0.2 four octets to UDP port 7000.
fn datagram() -> Vec<u8> {
    capture_of(
        &[
            &[0x00, 0x1b, 0x1b, 0x00, 0x00, 0x02][..],         // to
            &[0x00, 0x1b, 0x1b, 0x00, 0x00, 0x01],             // from
            &[0x08, 0x00],                                     // IPv4
            &[0x45, 0, 0, 32, 0, 1, 0, 0, 64, 17, 0x66, 0xca], // 32 octets, UDP, sum
            &[10, 0, 0, 1, 10, 0, 0, 2],
            &[0xc3, 0x50, 0x1b, 0x58, 0, 12, 0, 0], // 50000 to 7000, 12 octets, no sum
            b"tick",
            &[0; 14], // padding to 60
        ]
        .concat(),
    )
}

/// A capture with one ARP request: 10.0.0.1 asks for 10.0.0.2.
fn capture() -> Vec<u8> {
    let frame = [
        &[0xff; 6][..],                        // to everybody
        &[0x00, 0x1b, 0x1b, 0x00, 0x00, 0x01], // from
        &[0x08, 0x06],                         // ARP
        &[0, 1, 8, 0, 6, 4, 0, 1],             // Ethernet, IPv4, lengths, request
        &[0x00, 0x1b, 0x1b, 0x00, 0x00, 0x01, 10, 0, 0, 1],
        &[0, 0, 0, 0, 0, 0, 10, 0, 0, 2],
        &[0; 18], // padding to 60
    ]
    .concat();
    capture_of(&frame)
}

/// Uploads it and waits for how the parsing ended.
fn upload(server: &Server, who: &[(&str, &str)], query: &str, capture: &[u8]) -> Value {
    let taken = server.call("POST", &format!("/captures?{query}"), who, capture);
    assert_eq!(taken.0, 202, "{}", taken.2);
    let id = taken.json()["id"].as_str().expect("an id").to_owned();
    loop {
        let now = server.call("GET", &format!("/captures/{id}"), who, b"").json();
        if now["state"] != "parsing" {
            break now;
        }
    }
}

#[test]
fn first_sign_in_upload_import_list_and_stop() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.call("GET", "/assets", &[], b"").0, 401);
    let (cookie, csrf) = server.first_sign_in();
    let who = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let report = upload(&server, &who, "file=line2.pcap", &capture());
    assert_eq!(report["state"], "done", "{report}");
    let id = report["id"].as_str().expect("an id");
    assert_eq!(
        (report["packets"].as_u64(), report["file"].as_str()),
        (Some(1), Some("line2.pcap"))
    );
    let seen = report["report"]["assets"].as_array().expect("assets").len();
    assert!(seen >= 1, "{report}");
    let imported = server.call("POST", &format!("/captures/{id}:import"), &who, b"");
    assert_eq!(imported.json()["assets"].as_u64(), Some(seen as u64));
    let failed = upload(&server, &who, "file=x", b"this is no capture");
    assert_eq!(failed["state"], "failed");
    assert!(failed["detail"].as_str().is_some_and(|why| !why.is_empty()), "{failed}");
    let place = dir.path().to_str().expect("text");
    let list = run(&["asset", "list", "--data", place, "--format", "json"]);
    assert_eq!(list.status.code(), Some(0));
    let rows: Vec<Value> = serde_json::from_slice(&list.stdout).expect("rows");
    assert_eq!(rows.len(), seen, "beside the running server");
    let asset = rows[0]["id"].as_str().expect("an id");
    let show = run(&["asset", "show", asset, "--data", place, "--format", "json"]);
    let shown: Value = serde_json::from_slice(&show.stdout).expect("a row");
    assert_eq!(shown["id"], asset);
    let none = run(&[
        "asset",
        "list",
        "--data",
        place,
        "--format",
        "json",
        "--filter",
        "class eq \"robot\"",
    ]);
    assert_eq!(String::from_utf8_lossy(&none.stdout).trim(), "[]");
    for list in ["asset", "finding"] {
        let csv = |filter| {
            let asked = [list, "list", "--data", place, "--format", "csv", "--filter", filter];
            String::from_utf8(run(&asked).stdout).expect("text")
        };
        let (whole, none) = (csv("id ne \"x\""), csv("id eq \"x\""));
        assert!(none.starts_with("addresses,") || none.contains(",id,ips,"), "{none}");
        assert_eq!(none.lines().collect::<Vec<_>>(), whole.lines().take(1).collect::<Vec<_>>());
    }
    fails(
        &run(&["asset", "list", "--data", place, "--filter", "colour eq 1"]),
        &["--filter", "no field"],
    );
    fails(
        &run(&["run", "--data", place, "--listen", "127.0.0.1:0"]),
        &["in use by another spandrel"],
    );
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.token, None, "an admin has a password: no link any more");
    assert_eq!(server.call("GET", "/assets", &who[..1], b"").0, 200, "sessions survive a restart");
    assert_eq!(server.stop(), Some(0));
    let server = Server::start(dir.path(), &["--sign-in-link"]);
    server.first_sign_in();
    assert_eq!(server.call("GET", "/assets", &who[..1], b"").0, 401, "the password is another");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn captures_are_read_with_the_rules_of_the_site_or_of_the_sensor_that_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = |name: &str| dir.path().join(name);
    let rule = |name: &str| {
        let says = "why = \"it must not\"\nconnection = true\nport = [7000]\n";
        format!("[[rule]]\nname = \"{name}\"\n{says}")
    };
    std::fs::write(place("cell.toml"), rule("cell")).expect("written");
    std::fs::write(place("hall.toml"), rule("hall")).expect("written");
    let sensor = |name: &str, rules: &str| {
        let rules = place(rules).display().to_string();
        format!("[[sensor]]\nname = {name:?}\ninterface = \"nowhere0\"\nrules = {rules:?}\n")
    };
    let settings = place("spandrel.toml").display().to_string();
    let start = |sensors: String| {
        std::fs::write(&settings, sensors).expect("written");
        Server::start(&place("data"), &["--config", &settings])
    };
    // `read_as`, and detectors of its findings.
    let told = |capture: &Value| {
        assert_eq!(capture["state"], "done", "{capture}");
        let findings = capture["report"]["findings"].as_array().expect("a list");
        let ids = findings.iter().filter_map(|f| f["detector"].as_str().map(str::to_owned));
        (capture["read_as"].as_str().map(str::to_owned), ids.collect::<Vec<_>>())
    };
    let as_read = |name: &str, rule: &str| (Some(name.to_owned()), vec![rule.to_owned()]);

    let server = start(sensor("line 1", "cell.toml") + &sensor("line 2", "cell.toml"));
    let (cookie, csrf) = server.first_sign_in();
    let who = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let usual = upload(&server, &who, "file=x", &datagram());
    assert_eq!(told(&usual), as_read("line 1", "rule-cell"), "the one set of the site");
    let bare = upload(&server, &who, "file=x&read_as=", &datagram());
    assert_eq!(told(&bare), (None, vec![]));
    let unknown = server.call("POST", "/captures?read_as=line%203", &who, &datagram());
    assert_eq!((unknown.0, &unknown.json()["errors"][0]["path"]), (422, &"read_as".into()));
    assert_eq!(server.stop(), Some(0));

    let server = start(sensor("line 1", "cell.toml") + &sensor("line 2", "hall.toml"));
    let open = upload(&server, &who, "file=x", &datagram());
    assert_eq!(told(&open), (None, vec![]), "two sets: nobody said which");
    let named = upload(&server, &who, "file=x&read_as=line%202", &datagram());
    assert_eq!(told(&named), as_read("line 2", "rule-hall"));
    std::fs::write(place("hall.toml"), "[[rule]]\nname = \"hall\"\n").expect("written");
    let failed = upload(&server, &who, "file=x&read_as=line%202", &datagram());
    let detail = failed["detail"].as_str().unwrap_or_default();
    assert!(detail.contains("hall.toml is wrong") && detail.contains("why"), "{failed}");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn a_server_stops_though_what_a_command_left_behind_holds_its_pipes() {
    let dir = tempfile::tempdir().expect("a directory");
    let held = dir.path().join("held");
    let began = dir.path().join("began");
    // It leaves its group, holds the error side until the server is gone, and notes when it waited
    // for that in vain.
    let left =
        format!("timeout 60 tail --pid=$PPID -f /dev/null >/dev/null || touch {}", held.display());
    let command = format!("setsid sh -c '{left}' & touch {}; exec sleep 600", began.display());
    let left_behind = command.replace("$PPID", "'$PPID'");
    let settings = dir.path().join("spandrel.toml");
    let text =
        format!("[[sensor]]\nname = \"station\"\ncommand = [\"sh\", \"-c\", {left_behind:?}]\n");
    std::fs::write(&settings, text).expect("written");
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--config", settings.to_str().expect("text")]);
    while !began.exists() {
        std::thread::yield_now();
    }
    assert_eq!(server.stop(), Some(0));
    assert!(!held.exists(), "it waited for what a command left behind");
}

#[test]
fn a_server_that_stopped_leaves_nothing_of_a_command_however_deaf() {
    let dir = tempfile::tempdir().expect("a directory");
    let began = dir.path().join("began");
    // Both do not hear SIGTERM: the command, and what it started.
    let deaf = "trap \"\" TERM; while :; do sleep 1; done";
    let command = format!(
        "trap \"\" TERM; sh -c '{deaf}' & echo $! > {0}.new; mv {0}.new {0}; {deaf}",
        began.display()
    );
    let settings = dir.path().join("spandrel.toml");
    let text = format!("[[sensor]]\nname = \"station\"\ncommand = [\"sh\", \"-c\", {command:?}]\n");
    std::fs::write(&settings, text).expect("written");
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--config", settings.to_str().expect("text")]);
    while !began.exists() {
        std::thread::yield_now();
    }
    let left: u32 = std::fs::read_to_string(&began).expect("there").trim().parse().expect("a pid");
    assert_eq!(server.stop(), Some(0));
    // A killed process may still be shown until its new parent has asked for it, as a zombie.
    let stat = std::fs::read_to_string(format!("/proc/{left}/stat")).unwrap_or_default();
    let state = stat.rsplit(')').next().unwrap_or_default().trim().chars().next();
    assert!(matches!(state, None | Some('Z' | 'X')), "{stat}");
}

#[test]
fn port_that_is_taken_is_one_clear_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let place = dir.path().to_str().expect("text");
    let output = run(&["run", "--data", place, "--listen", &address]);
    fails(&output, &["cannot listen on", &address, "--listen"]);
}

#[test]
fn settings_that_are_wrong_name_key_and_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spandrel.toml");
    std::fs::write(&path, "[server]\nlistn = \"x\"\n").expect("written");
    let path = path.to_str().expect("text");
    let parts = [":2:", "\"listn\"", "did you mean \"listen\"?"];
    fails(&run(&["config", "check", path]), &parts);
    fails(&run(&["run", "--config", path]), &parts);
    let default = run(&["config", "default"]);
    std::fs::write(path, &default.stdout).expect("written");
    assert_eq!(run(&["config", "check", path]).status.code(), Some(0));
    assert_eq!(run(&["config", "frobnicate"]).status.code(), Some(2));
}

#[test]
fn settings_for_another_machine_are_good_and_what_is_not_here_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spandrel.toml");
    let text = "[[sensor]]\nname = \"line 2\"\ninterface = \"none-such0\"\n";
    std::fs::write(&path, text).expect("written");
    let checked = run(&["config", "check", path.to_str().expect("text")]);
    let said = String::from_utf8_lossy(&checked.stderr);
    assert_eq!(checked.status.code(), Some(0), "{said}");
    assert!(said.contains("warning: sensor \"line 2\": this machine has no interface"), "{said}");
    assert!(said.contains("is good: 1 sensor"), "{said}");
}

#[test]
fn what_cannot_be_meant_is_refused_with_one_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = |name: &str| dir.path().join(name).display().to_string();
    let out = place("plant.pcapng");
    std::fs::write(&out, "of yesterday").expect("written");
    fails(&run(&["lab", "--out", &out, "--minutes", "0"]), &["--minutes 0", "1 or more"]);
    assert_eq!(std::fs::read(&out).expect("there"), b"of yesterday");
    let (spool, rules) = (place("none"), place("rules.toml"));
    fails(&run(&["uplink", "send", &spool]), &["no spool", &spool, "sensor --spool"]);
    fails(&run(&["uplink", "send", &out]), &["is no folder", &out]);
    std::fs::write(&rules, b"# rules\nname = \"\xff\"\n").expect("written");
    let wrong = run(&["pcap", "--rules", &rules, &out]);
    fails(&wrong, &["rules.toml is no text in UTF-8, from line 2", "save it as UTF-8"]);
}

#[test]
fn directory_without_a_database_is_said_plainly() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = dir.path().to_str().expect("text");
    fails(&run(&["finding", "list", "--data", place]), &["no spandrel database", "--data"]);
}

#[test]
fn parser_of_uploads_has_limits() {
    // A limit on file size means that not even the shell may write.
    let output = run(&["confine", "--", "config", "default"]);
    assert_eq!(output.status.code(), Some(0), "what needs no more than it has works");
    let starved = run(&["confine", "--memory-mib", "1", "--", "config", "default"]);
    assert_ne!(starved.status.code(), Some(0), "what needs more does not");
}

#[test]
fn sensor_that_cannot_run_says_why_and_the_server_goes_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("spandrel.toml");
    let text = "[[sensor]]\nname = \"line 2\"\ninterface = \"none-such0\"\n";
    std::fs::write(&path, text).expect("written");
    let data = dir.path().join("data");
    let server = Server::start(&data, &["--config", path.to_str().expect("text")]);
    let (cookie, _) = server.first_sign_in();
    let who = [("cookie", cookie.as_str())];
    let sensor = loop {
        let list = server.call("GET", "/sensors", &who, b"").json();
        let sensor = list["items"][0].clone();
        if !matches!(sensor["state"].as_str(), None | Some("starting")) {
            break sensor;
        }
    };
    assert_eq!((sensor["state"].as_str(), sensor["id"].as_str()), (Some("failed"), Some("line 2")));
    // Without the right to capture that is what it says first.
    let why = sensor["detail"].as_str().expect("a reason");
    assert!(why.contains("none-such0"), "{why}");
    assert!(why.contains("there are:") || why.contains("CAP_NET_RAW"), "{why}");
    assert_eq!(server.call("GET", "/health", &who, b"").json()["state"], "warning");
    assert_eq!(server.stop(), Some(0));
}

#[test]
fn lab_plant_shows_assets_through_its_private_pipe() {
    let dir = tempfile::tempdir().expect("a directory");
    let server = Server::start(dir.path(), &["--lab"]);
    let (cookie, _) = server.first_sign_in();
    let who = [("cookie", cookie.as_str())];
    let started = std::time::Instant::now();
    let overview = loop {
        let now = server.call("GET", "/overview", &who, b"").json();
        if now["assets"].as_u64() >= Some(20) && now["links"].as_u64() >= Some(20) {
            break now;
        }
        assert!(started.elapsed().as_secs() < 60, "no plant within a minute: {now}");
    };
    assert_eq!(overview["sensors"][0]["state"], "running");
    assert!(overview["traffic"]["points"].as_array().is_some_and(|points| !points.is_empty()));
    let map = server.call("GET", "/map", &who, b"").json();
    let nodes = map["nodes"].as_array().expect("nodes");
    for edge in map["edges"].as_array().expect("edges") {
        let end = |name: &str| edge[name].as_u64().and_then(|place| nodes.get(place as usize));
        let (Some(a), Some(b)) = (end("a"), end("b")) else { panic!("an end is no node: {edge}") };
        assert!(a["id"].as_str() < b["id"].as_str(), "{edge}");
    }
    assert_eq!(server.stop(), Some(0));
}

/// A disk that is full, or a pipe whose reader has gone, under the log.
#[test]
fn a_log_that_cannot_be_written_ends_nothing_and_is_told() {
    let dir = tempfile::tempdir().expect("a directory");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("opens");
    let server = Server::start_with_log(dir.path(), &["--lab"], full.into());
    let (cookie, csrf) = server.first_sign_in();
    let who = [("cookie", cookie.as_str()), ("x-csrf-token", csrf.as_str())];
    let health = server.call("GET", "/health", &who, b"").json();
    let checks = health["checks"].as_array().expect("checks");
    let log = checks.iter().find(|check| check["name"] == "log").expect("it is told");
    assert!(log["detail"].as_str().expect("text").contains("lines of the log were lost"), "{log}");
    let sensors = server.call("GET", "/sensors", &who, b"");
    assert_eq!(sensors.0, 200, "{}", sensors.2);
    assert_eq!(server.stop(), Some(0));
}
