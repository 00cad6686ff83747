//! A host's agent as its owner and the plant's run it: processes, TLS, cut lines, kills, refusals.

#![cfg(all(unix, feature = "vault", feature = "control-plane"))]

mod restores;
mod scene;
#[path = "../served/mod.rs"]
mod served;

use scene::*;
use serde_json::{Value, json};
use served::PROGRAM;
use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt, fs::symlink},
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant},
};

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

#[test]
fn a_control_plane_of_before_the_agent_stops_no_backup_and_takes_it_in_again() {
    let mut scene = Scene::new();
    let database = |name: &str| scene.root.path().join("data").join(name);
    let (present, before) = (database("spandrel.db"), database("before.db"));
    assert_eq!(scene.server.take().unwrap().stop(), Some(0));
    fs::copy(&present, &before).unwrap();
    scene.start();
    let host = scene.enrolled("press-4", "");
    scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    let agent = host.run();
    scene.run("kind=backup", "complete");
    assert_eq!(scene.server.take().unwrap().stop(), Some(0));
    fs::rename(&before, &present).unwrap();
    scene.start();
    wait_for(&host, "the control plane does not know this agent; backups go on");
    // Not with another's token, and with one of its own as it was told.
    let refused = scene.enrol(&host, &format!("spa1.{}.{}", "0".repeat(48), "0".repeat(64)));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("of another control plane"), "{said}");
    let token = scene.invite("press-4");
    let again = scene.enrol(&host, &token);
    assert!(again.status.success(), "{again:?}");
    scene.post("/plans", &scene.plan("Press 4", "press-4", &["files:@plant"]));
    scene.run("kind=backup", "complete");
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
