//! The worker of the vault as a server drives it: orders in, words out, killed and stopped.

#![cfg(feature = "vault")]

use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Place { dir: tempfile::tempdir().expect("a directory") };
        let plant = place.path("plant");
        fs::create_dir_all(plant.join("plc")).expect("made");
        fs::write(plant.join("plc/OB1.awl"), "ORGANIZATION_BLOCK OB1\nA I0.0\n= Q0.0\n")
            .expect("written");
        fs::write(plant.join("plc/points.json"), r#"{"pressure":{"limit":6}}"#).expect("written");
        let answer = place.done(json!({"kind": "make"}));
        assert!(answer["log_key"].as_str().is_some_and(|key| key.contains("spandrel.vault/")));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, job: &Value) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_spandrel"))
            .args(["vault", "worker"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("starts");
        let order = json!({"vault": self.path("vault"), "key_file": self.path("key"), "job": job});
        let told = child.stdin.as_mut().expect("piped");
        writeln!(told, "{order}").expect("told");
        child
    }

    /// The last word, with the ones before it.
    fn words(&self, job: &Value) -> (Value, Vec<Value>) {
        let mut child = self.start(job);
        let out = BufReader::new(child.stdout.take().expect("piped"));
        let mut words: Vec<Value> = out
            .lines()
            .map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
            .collect();
        child.wait().expect("ends");
        (words.pop().expect("a word"), words)
    }

    #[track_caller]
    fn done(&self, job: Value) -> Value {
        let (word, _) = self.words(&job);
        assert_eq!(word["says"], "done", "{word}");
        word["answer"].clone()
    }

    fn backup(&self) -> Value {
        let source = format!("files:{}", self.path("plant").display());
        self.done(json!({"kind": "backup", "asset": "press-4", "sources": [source]}))
    }
}

#[test]
fn a_backup_is_seen_compared_proven_and_restored() {
    let place = Place::new();
    let first = place.backup();
    assert_eq!(
        (first["state"].as_str(), first["entries_stored"].as_u64()),
        (Some("complete"), Some(2))
    );
    fs::write(place.path("plant/plc/points.json"), r#"{"pressure":{"limit":9}}"#).expect("written");
    let second = place.backup();
    let (a, b) = (&first["snapshot"], &second["snapshot"]);
    let rows = place.done(json!({"kind": "diff", "before": a, "after": b}));
    let row = &rows[0];
    assert_eq!(
        (row["unit"].as_str(), row["before"].as_str(), row["after"].as_str()),
        (Some("/pressure/limit"), Some("6"), Some("9"))
    );
    let folder = place.path("plant/plc");
    let tree = place.done(json!({"kind": "tree", "snapshot": b, "at": folder}));
    let names: Vec<_> =
        tree["items"].as_array().expect("rows").iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["OB1.awl", "points.json"]);
    let file = place.done(json!({"kind": "file", "snapshot": a, "path": folder.join("OB1.awl")}));
    assert!(file["text"].as_str().is_some_and(|text| text.contains("ORGANIZATION_BLOCK")));
    let proof = place.done(json!({"kind": "verify", "level": 2, "snapshot": b}));
    assert_eq!(
        (&proof["files"], &proof["checked"]["json"], &proof["errors"]),
        (&json!(2), &json!(1), &json!([]))
    );
    let view = place.done(json!({"kind": "overview"}));
    let newest = view["snapshots"].as_array().expect("rows").last().expect("one");
    assert!(newest["verified_at"].is_string(), "the log says that it was proven: {newest}");
    let whole = place.done(json!({"kind": "verify", "level": 0, "snapshot": null}));
    assert_eq!(whole["errors"], json!([]));
    let to = place.path("out");
    let restored = place.done(json!({"kind": "restore", "snapshot": a, "to": to, "only": null}));
    assert_eq!(restored["errors"], json!([]));
    let back = to.join(folder.strip_prefix("/").expect("absolute")).join("points.json");
    assert_eq!(fs::read_to_string(back).expect("restored"), r#"{"pressure":{"limit":6}}"#);
}

#[test]
fn a_kit_holds_files_instructions_and_fingerprints() {
    let place = Place::new();
    let snapshot = place.backup()["snapshot"].clone();
    let file = place.path("kits/press.zip");
    let kit = place.done(json!({"kind": "kit", "snapshot": snapshot, "only": null, "file": file}));
    assert_eq!(kit["files"], 2);
    let bytes = fs::read(&file).expect("the kit");
    for part in ["READ-ME-FIRST.txt", "fingerprints.json", "OB1.awl", "Back up again"] {
        let found = bytes.windows(part.len()).any(|window| window == part.as_bytes());
        assert!(found, "{part}");
    }
}

#[test]
fn a_damaged_pack_is_found_by_a_proof_and_named() {
    let place = Place::new();
    let snapshot = place.backup()["snapshot"].clone();
    fn packs(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() { packs(&path, found) } else { found.push(path) }
        }
    }
    let mut found = Vec::new();
    packs(&place.path("vault/repository/data"), &mut found);
    for pack in found {
        let mut bytes = fs::read(&pack).expect("read");
        bytes[20] ^= 1;
        drop(fs::remove_file(&pack));
        fs::write(&pack, bytes).expect("written");
    }
    let (word, _) = place.words(&json!({"kind": "verify", "level": 1, "snapshot": snapshot}));
    let told = word["answer"]["errors"].as_array().is_some_and(|errors| !errors.is_empty());
    assert!(told || word["says"] == "failed", "{word}");
    let whole = place.done(json!({"kind": "verify", "level": 0, "snapshot": null}));
    assert!(whole["errors"].as_array().is_some_and(|errors| !errors.is_empty()), "{whole}");
}

#[test]
fn a_worker_killed_at_any_moment_leaves_a_whole_vault() {
    let place = Place::new();
    let noise: Vec<u8> =
        (0..6_000_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for name in ["a", "b", "c"] {
        let mut content = noise.clone();
        content[0] = name.as_bytes()[0];
        fs::write(place.path("plant").join(name), content).expect("written");
    }
    let source = format!("files:{}", place.path("plant").display());
    // Slow enough that it is surely under way when its first word comes.
    let job =
        json!({"kind": "backup", "asset": "press-4", "sources": [source], "kib_per_s": 4_000});
    let mut child = place.start(&job);
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().expect("piped")).read_line(&mut line).expect("a word");
    let word: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(word["says"], "progress", "{word}");
    child.kill().expect("killed");
    child.wait().expect("gone");
    let whole = place.done(json!({"kind": "verify", "level": 0, "snapshot": null}));
    assert_eq!(whole["errors"], json!([]), "no object and no entry is damaged");
    let after = place.backup();
    assert_eq!(after["state"], "complete");
    let proof = place.done(json!({"kind": "verify", "level": 1, "snapshot": after["snapshot"]}));
    assert_eq!((&proof["files"], &proof["errors"]), (&json!(5), &json!([])));
}

#[test]
fn a_worker_ends_when_its_server_goes() {
    let place = Place::new();
    let source = format!("files:{}", place.path("plant").display());
    fs::write(place.path("plant/large"), vec![7u8; 4_000_000]).expect("written");
    let job = json!({"kind": "backup", "asset": "press-4", "sources": [source], "kib_per_s": 1});
    let mut child = place.start(&job);
    drop(child.stdin.take());
    let status = child.wait().expect("ends by itself");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn two_people_release_a_hold_and_one_does_not() {
    let place = Place::new();
    let snapshot = place.backup()["snapshot"].clone();
    let people = place.path("people");
    place.done(json!({"kind": "hold", "snapshot": snapshot, "reason": "dispute", "by": "anna"}));
    let ask = |others: &[&str]| {
        json!({"kind": "ask-release", "snapshot": snapshot, "reason": "settled", "by": "anna",
               "others": others, "people": people})
    };
    let (alone, _) = place.words(&ask(&[]));
    assert!(alone["why"].as_str().is_some_and(|why| why.contains("only one person")), "{alone}");
    let number = place.done(ask(&["bert", "carl"]))["number"].clone();
    let approve = |by: &str| {
        json!({"kind": "approve", "request": number, "by": by,
                                    "people": people})
    };
    let (same, _) = place.words(&approve("anna"));
    assert!(same["why"].as_str().is_some_and(|why| why.contains("second person")), "{same}");
    place.done(approve("bert"));
    let view = place.done(json!({"kind": "overview"}));
    assert!(view["requests"][0]["from"].is_string(), "{view}");
    assert_eq!(view["snapshots"][0]["holds"][0]["reason"], "dispute", "it waits three days");
    let withdraw = json!({"kind": "withdraw", "request": number, "by": "carl", "people": people});
    place.done(withdraw);
    assert_eq!(place.done(json!({"kind": "overview"}))["requests"], json!([]));
}

#[test]
fn rules_that_keep_less_are_asked_for_and_a_plan_has_rules_of_its_own() {
    let place = Place::new();
    place.backup();
    let people = place.path("people");
    let rules = place.done(json!({"kind": "overview"}))["rules"].clone();
    let mut less = rules.clone();
    less["keep_daily"] = json!(1);
    let ask = json!({"kind": "ask-rules", "rules": less, "by": "anna", "others": ["bert"],
                     "people": people});
    let number = place.done(ask)["number"].clone();
    let approve = json!({"kind": "approve", "request": number, "by": "bert", "people": people});
    assert!(place.done(approve)["from"].is_string());
    let view = place.done(json!({"kind": "overview"}));
    assert_eq!((&view["rules"], &view["weaker"][0]["rules"]), (&rules, &less));
    let keep = json!({"daily": 400});
    let source = format!("files:{}", place.path("plant").display());
    let made = place.done(json!({"kind": "backup", "asset": "press-4", "sources": [source],
                                 "keep": keep}));
    assert_eq!(made["state"], "complete");
    let log = vault::Vault::open(&place.path("vault")).expect("a vault").ledger().expect("a log");
    assert!(log.snapshots.values().any(|r| r.keep.as_ref().is_some_and(|k| k.daily == 400)));
}

#[test]
fn a_part_that_is_not_in_the_snapshot_is_refused_by_name() {
    let place = Place::new();
    let snapshot = place.backup()["snapshot"].clone();
    let (word, _) = place.words(&json!({"kind": "restore", "snapshot": snapshot,
                                        "to": place.path("out"), "only": "/nothing/there"}));
    assert_eq!(word["says"], "failed");
    assert!(word["why"].as_str().is_some_and(|why| why.contains("nothing in the snapshot")));
}

/// Whether namespaces can be made here; when not, says what is not tested.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn can_isolate() -> bool {
    let unshare = ["--user", "--map-root-user", "--net", "--pid", "--fork", "ip", "link"];
    let can = Command::new("unshare").args(unshare).output().is_ok_and(|o| o.status.success());
    if !can {
        eprintln!("SKIPPED drills: no network namespaces here; needs util-linux and iproute2");
    }
    can
}

impl Place {
    fn drill(&self, what: Value, attended: bool) -> Value {
        let (work, people) = (self.path("drills"), self.path("people"));
        json!({"kind": "drill", "what": what, "attended": attended, "work": work,
               "people": people})
    }
}

#[test]
fn a_drill_waits_for_the_people_of_its_steps_and_tells_how_far_it_is() {
    if !can_isolate() {
        return;
    }
    let place = Place::new();
    place.backup();
    let text = format!(
        "name = \"press\"\nrto_target_secs = 300\n[[group]]\nname = \"files\"\n[[group.step]]\n\
         restore = {{ asset = \"press-4\", path = \"{}\", to = \"plc\" }}\n[[group.step]]\n\
         wait_for = {{ command = [\"grep\", \"-q\", \"limit\", \"plc/points.json\"] }}\n\
         [[group]]\nname = \"people\"\nafter = [\"files\"]\n[[group.step]]\n\
         manual = {{ role = \"shift lead\", text = \"look\" }}\n[[group.step]]\n\
         approve = {{ people = 2, text = \"release\" }}\n",
        place.path("plant/plc").display()
    );
    let outline = place.done(json!({"kind": "outline", "text": text}));
    assert_eq!(outline["problems"], json!([]));
    assert_eq!(outline["steps"].as_array().expect("steps").len(), 4);
    let wrong = place.done(json!({"kind": "outline", "text": "name = 7"}));
    assert!(wrong["wrong"].as_str().is_some_and(|why| why.contains("name")), "{wrong}");

    let mut child = place.start(&place.drill(json!({"of": "plan", "text": text}), true));
    let mut told = child.stdin.take().expect("piped");
    let mut say = |by: &str, step: &str, approves: bool| {
        let said = json!({"step": step, "by": by, "approves": approves});
        writeln!(told, "{said}").expect("told");
    };
    let (mut answer, mut waits) = (Value::Null, Vec::new());
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        let word: Value = serde_json::from_str(&line.expect("a line")).expect("JSON");
        let wait = word["drill"]["waiting"].clone();
        if let Some(step) = wait["step"].as_str() {
            match waits.len() {
                // A word for another step does nothing, and neither does one twice.
                0 => {
                    say("anna", "files / look", false);
                    say("anna", step, false);
                }
                1 => say("anna", step, true),
                _ => say("bert", step, true),
            }
            waits.push(wait.clone());
        }
        answer = word;
    }
    child.wait().expect("ends");
    assert_eq!(answer["says"], "done", "{answer}");
    let drill = &answer["answer"]["drill"];
    assert_eq!((&drill["ok"], &answer["answer"]["errors"]), (&json!(true), &json!([])), "{drill}");
    assert_eq!(waits.len(), 3, "{waits:?}");
    assert_eq!((&waits[0]["role"], &waits[0]["people"]), (&json!("shift lead"), &Value::Null));
    assert_eq!((&waits[1]["people"], &waits[2]["given"]), (&json!(2), &json!(["anna"])));
    assert_eq!(drill["steps"][2]["by"], json!(["anna"]));
    assert_eq!(drill["steps"][3]["by"], json!(["anna", "bert"]));
    assert!(drill["rto_ms"].is_u64() && drill["log_entry"].is_u64(), "{drill}");
    let page = answer["answer"]["page"].as_str().expect("a page");
    assert!(page.contains("<svg") && page.contains("shift lead: look") || page.contains("look"));
    let left: Vec<_> = fs::read_dir(place.path("drills")).expect("there").collect();
    assert!(left.is_empty(), "nothing of a drill stays: {left:?}");
}

#[test]
fn a_proof_of_level_three_restores_starts_and_checks_and_says_when_that_failed() {
    if !can_isolate() {
        return;
    }
    let place = Place::new();
    let snapshot = place.backup()["snapshot"].clone();
    let below = place.path("plant/plc").strip_prefix("/").expect("absolute").display().to_string();
    let proof = |check: &str| {
        let start = format!("cp {below}/points.json served.json; sleep 100");
        let what = json!({"of": "proof", "snapshot": snapshot, "start": start, "check": check});
        place.done(place.drill(what, false))
    };
    let good = proof("test -s served.json && grep -q pressure served.json");
    assert_eq!((&good["level"], &good["errors"]), (&json!(3), &json!([])), "{good}");
    assert_eq!((&good["snapshot"], &good["files"]), (&snapshot, &json!(2)));
    let view = place.done(json!({"kind": "overview"}));
    assert!(view["snapshots"][0]["verified_at"].is_string(), "the log has the proof: {view}");
    // A service that ends badly is not waited for.
    let what = json!({"of": "proof", "snapshot": snapshot, "start": "echo no licence; exit 3",
                      "check": "test -s served.json"});
    let bad = place.done(place.drill(what, false));
    assert_eq!(bad["level"], Value::Null, "{bad}");
    let error = bad["errors"][0]["error"].as_str().expect("a fault");
    assert!(error.contains("no licence"), "{bad}");
    let verdict = place.done(json!({"kind": "verify", "level": 0, "snapshot": null}));
    assert_eq!(verdict["errors"], json!([]), "the log holds after all that");
}

#[test]
fn the_vault_is_sent_to_a_server_at_another_site_and_then_only_what_is_new() {
    let place = Place::new();
    place.backup();
    let (clients, token) = (place.path("clients"), place.path("token"));
    let made = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["vault", "client", "edge", "--role", "edge", "--vault", "press", "--clients"])
        .arg(&clients)
        .output()
        .expect("enrolled");
    fs::write(&token, made.stdout).expect("kept");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("set");
    let mut server = Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["vault", "serve", "--plain", "--no-immutable", "--listen", "127.0.0.1:0"])
        .arg("--clients")
        .arg(&clients)
        .arg(place.path("elsewhere"))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let mut line = String::new();
    let out = server.stdout.take().expect("piped");
    BufReader::new(out).read_line(&mut line).expect("its address");
    let copy = json!({
        "kind": "copy", "address": format!("{}/press", line.trim().trim_end_matches('/')),
        "lock": null, "lock_days": 30, "lock_days_max": 400, "region": null, "kbit_per_s": null,
        "token_file": token, "ca": null,
    });
    let first = place.done(copy.clone());
    assert_eq!((&first["whole"], &first["errors"]), (&json!(true), &json!([])), "{first}");
    assert!(first["files"].as_u64().is_some_and(|sent| sent > 3), "{first}");
    let again = place.done(copy);
    assert_eq!((&again["files"], &again["bytes"]), (&json!(0), &json!(0)), "{again}");
    server.kill().expect("ended");
    server.wait().expect("gone");
}
