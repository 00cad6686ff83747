//! Restores and drills on a host: what is asked for, where it lands, what waits for what.

use crate::{damage, scene::*, wait_for};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

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
