//! From a lost site to running services: the guide of docs/recovery.md as it stands, drills in
//! isolation, fencing, shares of a key.

#![cfg(feature = "vault")]

use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

const SPANDREL: &str = env!("CARGO_BIN_EXE_spandrel");

/// Site A with a plant, a vault, two people; and where things of it are.
struct Site {
    root: tempfile::TempDir,
    canary: String,
}

impl Site {
    fn new(plan: impl FnOnce(&Site) -> String) -> Self {
        let mut site = Self { root: tempfile::tempdir().unwrap(), canary: String::new() };
        fs::create_dir_all(site.at("srv/plant")).unwrap();
        let database = rusqlite::Connection::open(site.at("srv/plant/h.db")).unwrap();
        database.execute_batch("CREATE TABLE points(t, v)").unwrap();
        database.execute_batch("INSERT INTO points VALUES (1, 20.5), (2, 21.0)").unwrap();
        drop(database);
        fs::write(site.at("srv/plant/press.log"), "pump on\n").unwrap();
        fs::write(site.at("srv/plant/OB1.mc7"), [7; 900]).unwrap();
        let places =
            ["files:srv/plant/canary.txt", "log:srv/plant/press.log", "sqlite:srv/plant/h.db"];
        let mut canary =
            vec!["vault", "canary", "--as", "canary.key", "--count", "2", "--every", "0"];
        places.iter().for_each(|place| canary.extend(["--into", place]));
        site.canary = said(&site.good(&canary));
        site.good(&["vault", "init", "vault", "--key-file", "vault.key"]);
        for name in ["anna", "bert"] {
            site.good(&["vault", "person", "vault", name, "--person-key", &format!("{name}.key")]);
        }
        fs::write(site.at("srv/plant/recovery.toml"), plan(&site)).unwrap();
        site.backup();
        site
    }

    fn backup(&self) {
        let sources = ["--source", "files:srv/plant", "--source", "sqlite:srv/plant/h.db"];
        let backup = ["backup", "--vault", "vault", "--asset", "line-4"];
        self.good(&[&backup[..], &sources].concat());
    }

    fn at(&self, name: &str) -> PathBuf {
        self.root.path().canonicalize().unwrap().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(SPANDREL);
        command.args(arguments).current_dir(self.root.path());
        command.env_remove("SPANDREL_VAULT_KEY_FILE").output().unwrap()
    }

    #[track_caller]
    fn good(&self, arguments: &[&str]) -> Output {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        output
    }

    #[track_caller]
    fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn drill(&self, code: i32) -> Value {
        let drill = ["vault", "recover", "drill", "srv/plant/recovery.toml", "--vault", "vault"];
        fs::create_dir_all(self.at("work")).unwrap();
        let answer =
            self.json(&[&drill[..], &["--work", "work", "--report", "reports"]].concat(), code);
        let left = fs::read_dir(self.at("work")).unwrap().count();
        assert_eq!(left, 0, "only the report stays");
        answer
    }

    /// A plan that restores the plant, starts a web server in it and looks at both.
    fn plan(&self, port: u16, more: &str) -> String {
        let (canary, plant) = (&self.canary, self.at("srv/plant"));
        let plant = plant.display();
        format!(
            r#"
name = "line 4 at site B"
rto_target_secs = 120
rpo_target_secs = 600
{more}
[canary]
key = "{canary}"
found_in = ["files:plant/canary.txt", "log:plant/press.log", "sqlite:plant/h.db"]

[[group]]
name = "hmi"
after = ["data"]
[[group.step]]
[group.step.start]
name = "hmi"
command = ["python3", "-m", "http.server", "{port}", "--bind", "127.0.0.1"]
directory = "plant"
[[group.step]]
wait_for = {{ http = "http://127.0.0.1:{port}/press.log", contains = "pump on" }}
timeout_secs = 40
[[group.step]]
approve = {{ people = 2 }}

[[group]]
name = "data"
[[group.step]]
restore = {{ asset = "line-4", path = "{plant}", to = "plant" }}
[[group.step]]
wait_for = {{ sqlite = "plant/h.db", query = "SELECT count(*) FROM points", equals = "2" }}
timeout_secs = 5
[[group.step]]
[group.step.restore_kit]
asset = "line-4"
path = "{plant}/OB1.mc7"
to = "kit"
instructions = "CPU in STOP."
"#
        )
    }
}

/// Ends what a recovery in earnest left running, by the numbers in its report.
fn end_services(reports: &Path) {
    for entry in fs::read_dir(reports).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("recovery-") && name.ends_with(".json")) {
            continue;
        }
        let report: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        let steps = report["steps"].as_array().unwrap().iter();
        for step in steps.filter(|step| step["kind"] == "start" && step["outcome"] == "ok") {
            let number = step["detail"].as_str().unwrap().strip_prefix("process ").unwrap();
            assert!(Command::new("kill").arg(number).status().unwrap().success());
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap().trim().to_owned()
}

/// Whether namespaces can be made here; when not, says what is not tested.
#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn can_isolate(what: &str) -> bool {
    let unshare = ["--user", "--map-root-user", "--net", "--pid", "--fork", "ip", "link"];
    let can = Command::new("unshare").args(unshare).output().is_ok_and(|o| o.status.success());
    if !can {
        eprintln!("SKIPPED {what}: no network namespaces here; needs util-linux and iproute2");
    }
    can
}

/// A port that nothing listens on; each name space has its own, so it stays free inside.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_guide_for_a_lost_site_works_with_the_mirror_two_sheets_and_this_program() {
    if !can_isolate("the guide for a lost site") {
        return;
    }
    let site = Site::new(|site| site.plan(free_port(), "").replace("people = 2", "people = 1"));
    site.good(&["vault", "escrow", "split", "vault", "--to", "sheets", "--by", "anna"]);
    // Site B has the mirror alone; two people bring their sheets and one a key of her own.
    let b = tempfile::tempdir().unwrap();
    let copy = [site.at("vault"), b.path().join("mirror")];
    assert!(Command::new("cp").arg("-a").args(copy).status().unwrap().success());
    for number in [1, 3] {
        let sheet = site.at(&format!("sheets/share-{number}-of-3.txt"));
        fs::copy(sheet, b.path().join(format!("share-{number}-of-3.txt"))).unwrap();
    }
    fs::copy(site.at("anna.key"), b.path().join("anna.key")).unwrap();
    let plant = site.at("srv/plant");
    drop(site);
    let guide = include_str!("../../../docs/recovery.md");
    let block = guide.split("<!-- tested:").nth(1).expect("the guide is marked");
    let block = block.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    // The plan of this test wants a person's approval in earnest.
    let script = block
        .replace("/srv/plant", &plant.display().to_string())
        .replace("recover run", "recover run --as anna.key");
    let bin = Path::new(SPANDREL).parent().unwrap().display().to_string();
    let output = Command::new("sh")
        .args(["-e", "-c", &script])
        .current_dir(b.path())
        .env("PATH", format!("{bin}:{}", std::env::var("PATH").unwrap()))
        .output()
        .unwrap();
    end_services(&b.path().join("reports"));
    assert!(output.status.success(), "{output:?}");
    let database = rusqlite::Connection::open(b.path().join("recovered/plant/h.db")).unwrap();
    let sum: f64 = database.query_row("SELECT sum(v) FROM points", [], |row| row.get(0)).unwrap();
    assert_eq!(sum, 41.5);
    let kit = fs::read_to_string(b.path().join("recovered/kit/INSTRUCTIONS.txt")).unwrap();
    assert!(kit.contains("CPU in STOP.") && kit.contains("never writes to a controller"));
}

#[test]
fn a_drill_measures_both_figures_reaches_nothing_and_leaves_its_report_in_the_log() {
    if !can_isolate("a drill") {
        return;
    }
    // Of the plant: it answers outside, so only the isolation keeps the drill from it.
    let plant = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plant.local_addr().unwrap();
    let isolation = format!("[isolation]\nmust_not_reach = [\"{address}\"]\n");
    let site = Site::new(|site| site.plan(address.port(), &isolation));
    let check = ["vault", "recover", "check", "srv/plant/recovery.toml", "--vault", "vault"];
    let checked = site.json(&check, 0);
    assert_eq!(checked["groups"], serde_json::json!(["data", "hmi"]));
    let answer = site.drill(0);
    let report = &answer["report"];
    let outcome = |title: &str| {
        let steps = report["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["title"] == title);
        step.unwrap_or_else(|| panic!("{title} in {report}"))["outcome"].clone()
    };
    assert_eq!(outcome("restore plant"), "ok");
    assert_eq!(outcome("start hmi"), "ok");
    assert_eq!(outcome("approval of 2"), "not-exercised");
    let (rto, rpo) = (report["rto_ms"].as_u64().unwrap(), report["rpo_ms"].as_u64().unwrap());
    assert!((1..120_000).contains(&rto) && (1..600_000).contains(&rpo), "{rto} {rpo}");
    assert_eq!(report["isolation"]["interfaces"], serde_json::json!(["lo"]));
    assert_eq!(report["isolation"]["routes"], 0);
    assert_eq!(report["isolation"]["unreachable"][0], address.to_string());
    for (number, count) in [(0, 1), (1, 2), (2, 2)] {
        assert_eq!(report["canaries"][number]["count"], count, "{report}");
    }
    let json = answer["files"][0].as_str().unwrap();
    let hash = vault::Sha256::of(&fs::read(site.at(json)).unwrap()).to_string();
    let entries = fs::read_dir(site.at("vault/log/tile/entries/000.p")).unwrap();
    let bundle = fs::read(entries.last().unwrap().unwrap().path()).unwrap();
    assert!(String::from_utf8_lossy(&bundle).contains(&hash), "the log names the report");
    assert_eq!(site.json(&["vault", "verify", "vault"], 0)["ok"], true);
    // With the keys of two people their step is exercised, and the log takes their signatures.
    let drill = ["vault", "recover", "drill", "srv/plant/recovery.toml", "--vault", "vault"];
    let people = ["--as", "anna.key", "--as", "bert.key", "--report", "reports"];
    let answer = site.json(&[&drill[..], &people].concat(), 0);
    assert_eq!(answer["report"]["approvals"].as_array().unwrap().len(), 2);
    assert_eq!(site.json(&["vault", "verify", "vault"], 0)["ok"], true);
}

#[test]
fn a_drill_that_does_not_get_healthy_fails_says_why_and_is_cleared_away() {
    if !can_isolate("a drill that fails") {
        return;
    }
    let site = Site::new(|site| {
        let plan = site.plan(free_port(), "");
        plan.replace("equals = \"2\"", "equals = \"3\"")
            .replace("timeout_secs = 5", "timeout_secs = 1")
    });
    let report = site.drill(1)["report"].clone();
    assert_eq!((&report["ok"], &report["rto_ms"]), (&Value::Bool(false), &Value::Null));
    let steps = report["steps"].as_array().unwrap();
    let failed = steps.iter().find(|step| step["outcome"] == "failed").unwrap();
    assert!(failed["detail"].as_str().unwrap().contains("gives 2, not 3"), "{failed}");
    assert!(steps.iter().any(|step| step["outcome"] == "skipped"));
    // The service that would have been started never was.
    assert!(!steps.iter().any(|step| step["kind"] == "start" && step["outcome"] == "ok"));
}

#[test]
fn while_the_failed_site_answers_only_two_people_can_begin() {
    let alive = TcpListener::bind("127.0.0.1:0").unwrap();
    let probe = alive.local_addr().unwrap();
    let fencing = format!("[fencing]\nprobe = \"{probe}\"\n");
    let site = Site::new(|site| site.plan(free_port(), &fencing));
    let run = ["vault", "recover", "run", "srv/plant/recovery.toml", "--vault", "vault"];
    let run = |more: &[&str]| {
        let places = ["--to", "recovered", "--report", "reports"];
        site.run(&[&run[..], &places, more].concat())
    };
    let refused = |output: Output, why: &str| {
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(1) && error.contains(why), "{output:?}");
        assert!(fs::read_dir(site.at("recovered")).map_or(0, Iterator::count) == 0);
    };
    refused(run(&[]), "still answers");
    let reason = ["--override-fencing", "its network is cut, it answers by radio alone"];
    refused(run(&[&reason[..], &["--as", "anna.key"]].concat()), "1 of the two people");
    site.good(&["vault", "canary", "--as", "carl.key", "--into", "files:x", "--count", "1"]);
    let stranger = [&reason[..], &["--as", "anna.key", "--as", "carl.key"]].concat();
    refused(run(&stranger), "1 of the two people");
    let both =
        [&reason[..], &["--as", "anna.key", "--as", "bert.key", "--format", "json"]].concat();
    let output = run(&both);
    end_services(&site.at("reports"));
    assert!(output.status.success(), "{output:?}");
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let fencing = &answer["report"]["fencing"];
    assert_eq!(
        (&fencing["answered"], &fencing["overridden_by"]),
        (&Value::Bool(true), &serde_json::json!(["anna", "bert"]))
    );
    assert_eq!(site.json(&["vault", "verify", "vault"], 0)["ok"], true);
}

#[test]
fn joined_shares_read_the_vault_and_cannot_write_its_history() {
    let site = Site::new(|site| site.plan(80, ""));
    site.good(&[
        "vault", "escrow", "split", "vault", "--to", "sheets", "--shares", "5", "--needed", "3",
    ]);
    let sheet = |number: u8| format!("sheets/share-{number}-of-5.txt");
    let join = |sheets: &[u8], to: &str| {
        let sheets: Vec<String> = sheets.iter().map(|number| sheet(*number)).collect();
        let mut arguments = vec!["vault", "escrow", "join", "vault", "--to", to];
        arguments.extend(sheets.iter().map(String::as_str));
        site.run(&arguments)
    };
    let few = join(&[1, 4], "few.key");
    assert!(!few.status.success() && !site.at("few.key").exists(), "{few:?}");
    assert!(join(&[5, 1, 4], "joined.key").status.success());
    assert_eq!(fs::read(site.at("joined.key")).unwrap(), fs::read(site.at("vault.key")).unwrap());
    assert!(!join(&[5, 1, 4], "joined.key").status.success(), "no key file is overwritten");
    site.good(&["vault", "restore", "vault", "latest", "--to", "out", "--key-file", "joined.key"]);
    let hold = ["vault", "hold", "vault", "latest", "--reason", "r", "--key-file", "joined.key"];
    let refused = site.run(&hold);
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("signs this vault's log"),
        "{refused:?}"
    );
    assert_eq!(site.json(&["vault", "verify", "vault"], 0)["ok"], true);
}

#[test]
fn two_copies_of_a_vault_part_where_one_went_on() {
    let site = Site::new(|site| site.plan(80, ""));
    let copied = Command::new("cp").arg("-a").args([site.at("vault"), site.at("mirror")]).status();
    assert!(copied.unwrap().success());
    let same = site.json(&["vault", "recover", "compare", "vault", "mirror"], 0);
    assert_eq!(same["only_a"]["entries"], 0);
    fs::write(site.at("srv/plant/press.log"), "after the mirror\n").unwrap();
    site.backup();
    let apart = site.json(&["vault", "recover", "compare", "vault", "mirror"], 1);
    assert_eq!(apart["common"], same["common"]);
    assert_eq!(apart["only_a"]["snapshots"].as_array().unwrap().len(), 1);
    assert_eq!(apart["only_b"]["entries"], 0);
}

#[test]
fn the_signing_key_has_sheets_of_its_own_and_with_both_the_vault_goes_on() {
    let site = Site::new(|site| site.plan(80, ""));
    site.good(&["vault", "escrow", "split", "vault", "--to", "sheets"]);
    site.good(&["vault", "escrow", "split", "vault", "--to", "sheets", "--signing"]);
    fs::remove_file(site.at("vault.key")).unwrap();
    fs::remove_file(site.at("vault.key.sign")).unwrap();
    let join = |sort: &str| {
        let sheet = |number: u8| format!("sheets/{sort}share-{number}-of-3.txt");
        site.good(&["vault", "escrow", "join", "vault", "--to", "b.key", &sheet(3), &sheet(2)]);
    };
    join("");
    assert!(!site.run(&["vault", "policy", "vault", "--key-file", "b.key"]).status.success());
    join("sign-");
    site.good(&["vault", "policy", "vault", "--key-file", "b.key"]);
    assert_eq!(site.json(&["vault", "verify", "vault"], 0)["ok"], true);
}

#[test]
fn a_drill_that_is_ended_early_leaves_its_report_and_a_killed_one_what_the_next_removes() {
    if !can_isolate("a drill that is ended early") {
        return;
    }
    let site = Site::new(|site| {
        let plant = site.at("srv/plant");
        let plant = plant.display();
        format!(
            r#"
name = "never healthy"
rto_target_secs = 600
[[group]]
name = "data"
[[group.step]]
restore = {{ asset = "line-4", path = "{plant}", to = "plant" }}
[[group.step]]
wait_for = {{ command = ["false"] }}
timeout_secs = 300
"#
        )
    });
    let work = site.at("work");
    fs::create_dir(&work).unwrap();
    let folders = || -> Vec<PathBuf> {
        fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let begin = |others: &[PathBuf]| {
        let drill = ["vault", "recover", "drill", "srv/plant/recovery.toml", "--vault", "vault"];
        let mut command = Command::new(SPANDREL);
        command.args(drill).args(["--work", "work", "--report", "reports"]);
        command.current_dir(site.root.path()).env_remove("SPANDREL_VAULT_KEY_FILE");
        let (child, begun) = (command.stdout(Stdio::null()).spawn().unwrap(), Instant::now());
        let restored = |folder: &PathBuf| {
            !others.contains(folder) && folder.join("data/plant/press.log").exists()
        };
        while !folders().iter().any(restored) {
            assert!(begun.elapsed() < Duration::from_secs(120), "nothing is restored");
            std::thread::sleep(Duration::from_millis(20));
        }
        child
    };
    let mut killed = begin(&[]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let left = folders();
    assert_eq!(left.len(), 1, "nobody could remove it");
    let mut ended = begin(&left);
    assert!(!left[0].exists(), "nobody holds it");
    // Not SIGINT: where tests run in the background it is ignored, and stays so.
    let terminate = Command::new("kill").arg("-TERM").arg(ended.id().to_string()).status();
    assert!(terminate.unwrap().success());
    assert_eq!(ended.wait().unwrap().code(), Some(1));
    assert_eq!(folders(), Vec::<PathBuf>::new());
    let reports = fs::read_dir(site.at("reports")).unwrap().map(|entry| entry.unwrap().path());
    let reports: Vec<_> = reports.filter(|path| path.extension().unwrap() == "json").collect();
    let [report] = &reports[..] else { panic!("{reports:?}") };
    let report: Value = serde_json::from_slice(&fs::read(report).unwrap()).unwrap();
    assert_eq!(report["ok"], false);
    assert!(report["notes"].to_string().contains("SIGTERM ended it"), "{report:#}");
    let steps = report["steps"].as_array().unwrap();
    assert_eq!((steps.len(), &steps[1]["outcome"]), (2, &Value::from("skipped")), "{report:#}");
}
