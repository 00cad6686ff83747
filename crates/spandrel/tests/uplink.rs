//! A sensor beyond a narrow line: what the control plane knows is what the sensor told, however
//! often the line was cut.
//!
//! Invariant: a line that is never cut and one that is end in a store each, which are compared.
#![cfg(feature = "control-plane")]

use model::{Insight, Time};
use server::{Remote, intake};
use std::{
    collections::BTreeMap,
    fs::File,
    path::Path,
    process::{Command, Stdio},
};
use store::{ListRequest, Settings, Store};
use tokio::io::AsyncReadExt;

fn binary() -> Command {
    Command::new(env!("CARGO_BIN_EXE_spandrel"))
}

/// Runs a sensor on the plant's frames; gives what it says on standard output.
fn sensor(frames: &Path, more: &[&str]) -> Vec<u8> {
    let out = binary()
        .args(["sensor", "--stdin", "--replay", "--name", "far"])
        .args(more)
        .stdin(File::open(frames).expect("there"))
        .output()
        .expect("the binary was built for this test");
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

fn plant(folder: &Path) -> std::path::PathBuf {
    let frames = folder.join("plant.pcapng");
    let made = binary()
        .args(["lab", "--minutes", "12", "--seed", "6", "--scenario", "scan,rogue-writer"])
        .arg("--out")
        .arg(&frames)
        .status();
    assert!(made.expect("it runs").success());
    frames
}

/// All that a control plane knows of a site, by id.
async fn picture(store: &Store) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let request = ListRequest::first(5_000);
    let assets = store.assets(&request).await.expect("reads");
    let links = store.links(&request).await.expect("reads");
    let findings = store.findings(&request).await.expect("reads");
    for page in [&assets.next_cursor, &links.next_cursor, &findings.next_cursor] {
        assert_eq!(*page, None);
    }
    for asset in assets.items {
        let row = store.asset(&asset.id.0).await.expect("reads").observed;
        all.insert(asset.id.0, serde_json::to_string(&row).expect("plain data"));
    }
    for link in links.items {
        let row = serde_json::to_string(&link.link).expect("plain data");
        all.insert(link.link.id.0, row);
    }
    for finding in findings.items {
        let row = store.finding(&finding.id.0).await.expect("reads").observed;
        all.insert(finding.id.0, serde_json::to_string(&row).expect("plain data"));
    }
    all
}

async fn open(folder: &Path) -> Store {
    Store::open(folder, Settings::default()).await.expect("opens")
}

/// One connection: so many octets come through, then the line is cut.
async fn connect(store: &Store, spool: &Path, remote: &mut Remote, octets: u64) -> u64 {
    let mut line = tokio::process::Command::new(env!("CARGO_BIN_EXE_spandrel"))
        .args(["uplink", "send", "--once"])
        .arg(spool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the binary was built for this test");
    remote.answers = line.stdin.take().map(|answers| Box::new(answers) as _);
    let out = line.stdout.take().expect("piped").take(octets);
    let taken = intake(store, "far", out, remote).await.expect("a cut line is no damage");
    line.kill().await.expect("it is ours");
    taken
}

fn differences(one: &BTreeMap<String, String>, other: &BTreeMap<String, String>) -> Vec<String> {
    let keys: std::collections::BTreeSet<_> = one.keys().chain(other.keys()).collect();
    let differ = keys.into_iter().filter(|key| one.get(*key) != other.get(*key));
    differ.map(|key| format!("{key}\n  {:?}\n  {:?}", one.get(key), other.get(key))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_cut_again_and_again_gives_the_same_picture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let frames = plant(folder.path());
    let beside = open(&folder.path().join("beside")).await;
    let packed = sensor(&frames, &["--sparing"]);
    let taken = intake(&beside, "far", &packed[..], &mut Remote::default()).await;
    assert_eq!(taken.expect("a stream"), read(packed).len() as u64);
    let expected = picture(&beside).await;
    assert!(expected.keys().filter(|id| id.starts_with("fnd_")).count() > 3);

    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).expect("room");
    assert_eq!(sensor(&frames, &["--spool", &spool.display().to_string()]), b"");
    let far = folder.path().join("far");
    let mut store = open(&far).await;
    let mut remote = Remote::default();
    let mut taken = 0;
    for (turn, octets) in [300, 2_000, 9_000, 1_000, 20_000, 3_000].into_iter().enumerate() {
        taken += connect(&store, &spool, &mut remote, octets).await;
        if turn % 2 == 1 {
            // The control plane starts anew and remembers what is on its disk.
            store.close().await;
            drop(store);
            (store, remote) = (open(&far).await, Remote::default());
        }
    }
    taken += connect(&store, &spool, &mut remote, u64::MAX).await;
    // Nothing is left, and nothing is taken twice.
    assert_eq!(connect(&store, &spool, &mut remote, u64::MAX).await, 0);
    let read = binary()
        .args(["uplink", "send", "--once"])
        .arg(&spool)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let told = told(read.expect("it runs"));
    assert_eq!(taken, told.len() as u64, "each insight was taken once");
    let known = picture(&store).await;
    assert_eq!(differences(&expected, &known), [""; 0]);
    let sensor = store.sensor("far").await.expect("it is known");
    let heard: u64 = told.iter().map(packets).sum();
    assert_eq!(sensor.packets, heard, "beats count once");
    store.close().await;
    beside.close().await;
}

fn packets(insight: &Insight) -> u64 {
    match insight {
        Insight::Beat { packets, .. } => *packets,
        _ => 0,
    }
}

/// All that lies in a spool, as `uplink read` prints it.
fn told(mut send: std::process::Child) -> Vec<Insight> {
    use std::io::Write;
    let mut answers = send.stdin.take().expect("piped");
    answers.write_all(b"have nothing\n").expect("it listens");
    drop(answers);
    read(send.wait_with_output().expect("it ends").stdout)
}

/// A packed stream as `uplink read` prints it.
fn read(packed: Vec<u8>) -> Vec<Insight> {
    use std::io::Write;
    let mut read = binary()
        .args(["uplink", "read"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it runs");
    let mut into = read.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || into.write_all(&packed).expect("it reads"));
    let text = read.wait_with_output().expect("it ends").stdout;
    writer.join().expect("it wrote");
    let lines = text.split(|octet| *octet == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).expect("an insight a line")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_spool_dropped_is_named_and_the_rows_are_right() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool_folder = folder.path().join("spool");
    std::fs::create_dir(&spool_folder).expect("room");
    let hello = Insight::Hello {
        version: 1,
        sensor: "far".to_owned(),
        interface: "eth1".to_owned(),
        started_at: Time::from_secs(1_700_000_000),
        replay: false,
    };
    let at = |second: i64| Time::from_secs(1_700_000_000 + second);
    let mut spool = uplink::Spool::open(&spool_folder, hello, 20_000).expect("opens");
    let mut packer = uplink::Packer::new().expect("memory");
    let mut last = None;
    for second in 0..2_000 {
        let link: model::Link = serde_json::from_value(serde_json::json!({
            "id": "lnk_00000000000000aa", "client": "ast_1", "server": "ast_2",
            "protocol": "modbus", "transport": "tcp", "port": 502, "first_seen": at(0),
            "last_seen": at(second), "packets": second * second, "bytes": second * 977,
            "operations": { "read": second }, "poll_interval_ms": null,
        }))
        .expect("a link");
        packer.add(&Insight::Link(link.clone())).expect("memory");
        last = Some(link);
        if spool.is_due() {
            let lost = spool.begin(&packer.begin_anew().expect("memory"), at(second));
            if let Some((from, until)) = lost.expect("room") {
                let reason = "the spool was full".to_owned();
                packer.add(&Insight::Gap { from, until, reason }).expect("memory");
            }
        }
        let batch = packer.take().expect("memory");
        if !batch.is_empty() {
            spool.put(&batch).expect("room");
        }
    }
    drop(spool);
    let store = open(&folder.path().join("far")).await;
    connect(&store, &spool_folder, &mut Remote::default(), u64::MAX).await;
    let links = store.links(&ListRequest::first(9)).await.expect("reads").items;
    assert_eq!(links.first().map(|link| &link.link), last.as_ref());
    let detail = store.sensor("far").await.expect("it is known").detail.unwrap_or_default();
    assert!(detail.ends_with("the spool was full"), "{detail}");
    store.close().await;
}

/// A sensor runs so many seconds after the first of its runs, and leaves a segment.
fn run_of(spool: &Path, second: i64) {
    let at = |second: i64| Time::from_secs(1_700_000_000 + second);
    let hello = Insight::Hello {
        version: 1,
        sensor: "far".to_owned(),
        interface: "eth1".to_owned(),
        started_at: at(second),
        replay: false,
    };
    let mut packer = uplink::Packer::new().expect("memory");
    let beat = Insight::Beat {
        at: at(second + 50),
        packets: 7,
        bytes: 420,
        learning: false,
        health: model::Health::default(),
    };
    packer.add(&beat).expect("memory");
    let mut spool = uplink::Spool::open(spool, hello, 1 << 20).expect("opens");
    spool.begin(&[packer.take().expect("memory")], at(second)).expect("room");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_control_plane_took_is_a_gap_of_this_one() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool = folder.path().join("spool");
    std::fs::create_dir(&spool).expect("room");
    let [one, other] = ["one", "other"].map(|name| folder.path().join(name));
    let connected = async |at: &Path| {
        let store = open(at).await;
        connect(&store, &spool, &mut Remote::default(), u64::MAX).await;
        let gaps = store.sensor("far").await.expect("it is known").gaps;
        store.close().await;
        let second = |time: Time| time.nanos() / 1_000_000_000 - 1_700_000_000;
        gaps.iter().map(|gap| (second(gap.from), second(gap.until))).collect::<Vec<_>>()
    };
    run_of(&spool, 0);
    run_of(&spool, 100);
    assert_eq!(connected(&one).await, []);
    run_of(&spool, 200);
    run_of(&spool, 300);
    assert_eq!(connected(&other).await, [], "what was before it is none of its");
    for _ in 0..2 {
        assert_eq!(connected(&one).await, [(150, 300)], "told once");
    }
    run_of(&spool, 400);
    assert_eq!(connected(&one).await, [(150, 300)]);
    // The spool is made anew, and both follow what is told there.
    std::fs::remove_dir_all(&spool).expect("it is there");
    std::fs::create_dir(&spool).expect("room");
    run_of(&spool, 500);
    assert_eq!(connected(&one).await, [(450, 500), (150, 300)]);
    assert_eq!(connected(&other).await, [(350, 500)]);
    run_of(&spool, 600);
    assert_eq!(connected(&other).await, [(350, 500)]);
}
