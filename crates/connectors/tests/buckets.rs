//! Copies of a vault in stores of objects that lock what is put there.

mod common;

use common::{
    NOON, Place, STRICT, below, flip, has, noise, objects, peers::Peer, plant, site::mirror, tree,
};
use connectors::{buckets, vault_http::Access};
use model::Time;
use std::{
    collections::HashSet,
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use testkit::link::{Link, Weather};
use vault::{
    PersonKey, Policy, Vault,
    site::{
        Calendar, Clock, Pace,
        bucket::{Bucket, Deposit, Deposited, Mode, Rules, Standing, Withdrawal, targets},
    },
    verify::{Demands, Verdict, verify},
};

const DAY: i64 = 86_400;
const RULES: Rules = Rules { mode: Some(Mode::Compliance), days: 30, days_max: 400 };

/// The machine's clock, since the store compares times with its own.
struct Now;

impl Clock for Now {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        Time::from_nanos(i64::try_from(since.as_nanos()).unwrap())
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

fn in_days(days: i64) -> Time {
    Now.now().plus_secs(days * DAY)
}

/// An S3 server with anybody's signature.
fn s3() -> Option<Peer> {
    Peer::start("s3", "moto.server, flask", &[])
}

fn bucket(port: u16, path: &str) -> Box<dyn Bucket> {
    let access = Access { credentials: Some("id:secret".into()), ..Access::default() };
    let address = format!("s3:http://127.0.0.1:{port}/{path}");
    buckets::at(&address, None, &access).unwrap().unwrap()
}

fn deposit_by(place: &Place, bucket: &dyn Bucket, rules: Rules) -> vault::Result<Deposited> {
    let pace = Pace { clock: &Now, bytes_per_second: None, calendar: Calendar::default() };
    let deposit = Deposit { bucket, pace: &pace, rules, tries_max: 8 };
    deposit.run(&Vault::open(&place.vault()).unwrap())
}

fn deposit(place: &Place, bucket: &dyn Bucket) -> Deposited {
    deposit_by(place, bucket, RULES).unwrap()
}

fn proved(port: u16, path: &str) -> (Verdict, Vec<String>) {
    let stored = Withdrawal::begin(bucket(port, path)).unwrap();
    (verify(&stored, &Demands::default()), stored.covered())
}

/// Copies out of the store and restores the newest snapshot of the plant.
fn restores(place: &Place, port: u16, path: &str) {
    let copy = place.at("copy-out-of-the-store");
    drop(fs::remove_dir_all(&copy));
    mirror(&Withdrawal::begin(bucket(port, path)).unwrap(), &copy).unwrap();
    let vault = Vault::open(&copy).unwrap().unlock(Some(&place.key())).unwrap();
    let out = place.at("out");
    drop(fs::remove_dir_all(&out));
    let done = vault.restore(&vault.find("latest").unwrap(), &out, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&out, &place.at("plant"))), tree(&place.at("plant")));
    // Straight from the store: of the vault only what is no pack comes to lie here.
    let (thin, out) = (place.at("thin"), place.at("straight"));
    for folder in [&thin, &out] {
        drop(fs::remove_dir_all(folder));
    }
    let stored = Withdrawal::begin(bucket(port, path)).unwrap();
    let (vault, note) = stored.lay_out(&thin).unwrap();
    assert_eq!(note, None);
    let vault = vault.unlock_reading(Some(&place.key()), Arc::new(stored)).unwrap();
    let done = vault.extract(&vault.find("latest").unwrap(), &out, None, false).unwrap();
    assert_eq!(done.errors, []);
    assert_eq!(tree(&below(&out, &place.at("plant"))), tree(&place.at("plant")));
    assert_eq!(fs::read_dir(thin.join("repository/data")).unwrap().count(), 0);
}

fn backed_up() -> Place {
    let place = Place::with_vault(Policy::default());
    plant(&place.at("plant"));
    place.backup_files(&place.at("plant"), 1);
    place
}

#[track_caller]
fn by_restic(place: &Place, port: u16, arguments: &[&str]) {
    let output = Command::new("restic")
        .args(["--no-cache", "--no-lock", "-r"])
        .arg(format!("s3:http://127.0.0.1:{port}/plant/press/repository"))
        .arg("--password-file")
        .arg(place.key())
        .args(arguments)
        .env("AWS_ACCESS_KEY_ID", "id")
        .env("AWS_SECRET_ACCESS_KEY", "secret")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "restic {arguments:?}: {errors}");
}

/// A request by hand, as somebody makes it who has the store's keys.
fn by_hand(port: u16, verb: &str, path: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let head = format!(
        "{verb} {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nconnection: close\r\n\
         authorization: AWS4-HMAC-SHA256 Credential=id/20260101/us-east-1/s3/aws4_request, \
         SignedHeaders=host, Signature=00\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
}

#[test]
fn what_is_put_is_locked_and_restored_from_by_us_and_by_restic() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    let store = bucket(server.port, "plant/press");
    let done = deposit(&place, &*store);
    let standing = &done.standing;
    assert_eq!((standing.entries, standing.snapshots), (2, 1));
    assert_eq!((standing.objects, standing.error.as_ref()), (done.objects_sent, None));
    let until = standing.locked_until.unwrap();
    assert!(until > in_days(30) && until < in_days(35), "{until}");
    assert_eq!(targets(&place.vault()), std::slice::from_ref(standing));
    let again = deposit(&place, &*store);
    assert_eq!((again.objects_sent, again.extended), (0, 0));
    assert_eq!(proved(server.port, "plant/press"), (verdict_of(&place), vec![]));
    // Nobody ends a version, whoever he is; without one it is covered, which is another test.
    let listed = store.list().unwrap();
    assert_eq!(listed.len() as u64, done.objects_sent);
    for (path, versions) in &listed {
        let version = versions[0].id.as_ref().unwrap();
        let path = format!("/plant/press/{path}?versionId={version}");
        assert_eq!(by_hand(server.port, "DELETE", &path, b""), 403, "{path}");
    }
    restores(&place, server.port, "plant/press");
    if has("restic", "restoring from S3 with restic") {
        by_restic(&place, server.port, &["check", "--read-data"]);
        let target = place.at("by-restic");
        let target = target.to_str().unwrap();
        by_restic(&place, server.port, &["restore", "latest", "--target", target]);
        let restored = below(&place.at("by-restic"), &place.at("plant"));
        assert_eq!(tree(&restored), tree(&place.at("plant")));
    }
    // A bucket without locks takes nothing, unless it is said.
    let plain = bucket(server.port, "plain/press");
    let refused = deposit_by(&place, &*plain, RULES).unwrap_err().to_string();
    assert!(refused.contains("no Object Lock"), "{refused}");
    assert_eq!(plain.list().unwrap().len(), 0);
}

/// What the vault itself proves to be.
fn verdict_of(place: &Place) -> Verdict {
    let verdict = common::site::proved(&place.vault());
    assert_eq!(verdict.problems, []);
    verdict
}

#[test]
fn a_lock_grows_with_a_newer_snapshot_and_never_shrinks() {
    let Some(server) = s3() else { return };
    let place = Place::with_vault(STRICT);
    plant(&place.at("plant"));
    let first = place.backup_files(&place.at("plant"), 1).snapshot.unwrap();
    let store = bucket(server.port, "plant/press");
    let done = deposit(&place, &*store);
    let all = done.standing.objects;
    let config = "repository/config";
    let before = store.lock(config, None).unwrap().until.unwrap();
    assert_eq!(before.mode, Mode::Compliance);
    // A lock that a snapshot got meanwhile binds every object it may need.
    let vault = place.unlocked();
    vault.retain(first, in_days(200), "anna", NOON.plus_secs(2)).unwrap();
    let done = deposit(&place, &*store);
    // But for what the new entry changed: two bundles of it, and the checkpoint.
    assert_eq!(done.extended, all - 3, "{done:?}");
    let after = store.lock(config, None).unwrap().until.unwrap();
    assert!(after.time > in_days(199) && after.time < in_days(231), "{after:?}");
    assert_eq!(deposit(&place, &*store).extended, 0);
    // Rules that ask for less change nothing.
    let less = Rules { mode: Some(Mode::Governance), days: 1, ..RULES };
    assert_eq!(deposit_by(&place, &*store, less).unwrap().extended, 0);
    assert_eq!(store.lock(config, None).unwrap().until, Some(after));
    // No further than the store may be made to keep, whatever the log says.
    vault.retain(first, in_days(40_000), "eve", NOON.plus_secs(3)).unwrap();
    let done = deposit(&place, &*store);
    assert!(done.standing.notes[0].contains("400 days"), "{done:?}");
    assert!(store.lock(config, None).unwrap().until.unwrap().time < in_days(401));
}

#[test]
fn a_hold_of_a_snapshot_is_one_of_its_objects_and_ends_with_it() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    let store = bucket(server.port, "plant/press");
    deposit(&place, &*store);
    let vault = place.unlocked();
    let snapshot = vault.find("latest").unwrap();
    vault.hold(snapshot, "dispute 7", "anna", NOON.plus_secs(2)).unwrap();
    assert!(deposit(&place, &*store).standing.held);
    let held = |path: &str| store.lock(path, None).unwrap().held;
    assert!(held("repository/config") && held("vault.json") && held("log/checkpoint"));
    let people = ["anna", "bert"].map(|n| PersonKey::create(&place.at(n), n).unwrap());
    for person in &people {
        vault.enrol(person, None, NOON.plus_secs(3)).unwrap();
    }
    let request = vault.ask_release(snapshot, "settled", &people[0], NOON.plus_secs(4)).unwrap();
    assert!(deposit(&place, &*store).standing.held, "one person is not enough");
    vault.approve(request, &people[1], NOON.plus_secs(5)).unwrap();
    assert!(deposit(&place, &*store).standing.held, "it waits");
    vault.set_policy(Policy::default(), "anna", NOON.plus_secs(5 + 3 * DAY)).unwrap();
    assert!(!deposit(&place, &*store).standing.held);
    assert!(!held("repository/config") && !held("log/checkpoint"));
}

#[test]
fn what_somebody_put_on_top_hides_nothing_and_is_told() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    let store = bucket(server.port, "plant/press");
    deposit(&place, &*store);
    let old = fs::read(place.vault().join("log/checkpoint")).unwrap();
    fs::write(place.at("plant/more"), noise(5, 10_000)).unwrap();
    place.backup_files(&place.at("plant"), 2);
    deposit(&place, &*store);
    let whole = verdict_of(&place);
    let listed = store.list().unwrap();
    let one = |kind: &str| {
        let start = format!("repository/{kind}/");
        listed.keys().find(|path| path.starts_with(&start)).unwrap().clone()
    };
    let (pack, snapshot) = (one("data"), one("snapshots"));
    let put = |path: &str, body: &[u8]| {
        assert_eq!(by_hand(server.port, "PUT", &format!("/plant/press/{path}"), body), 200);
    };
    put(&pack, b"garbage");
    put("vault.json", b"{}");
    put("log/checkpoint", &old);
    let marked = by_hand(server.port, "DELETE", &format!("/plant/press/{snapshot}"), b"");
    assert_eq!(marked, 204);
    let covered = ["log/checkpoint", &pack, &snapshot, "vault.json"].map(str::to_owned).to_vec();
    assert_eq!(proved(server.port, "plant/press"), (whole, covered.clone()));
    restores(&place, server.port, "plant/press");
    // The next copying tells, and puts on top what restic must find.
    let done = deposit(&place, &*store);
    let mut told = done.standing.covered.clone();
    told.sort();
    assert_eq!(told, covered);
    assert_eq!(done.objects_sent, 4);
    let known: Vec<Standing> = targets(&place.vault());
    assert_eq!(known[0].covered.len(), 4);
    if has("restic", "restoring from S3 with restic") {
        by_restic(&place, server.port, &["check", "--read-data"]);
    }
    assert_eq!(deposit(&place, &*store).standing.covered, Vec::<String>::new());
}

#[test]
fn another_vault_or_another_past_is_not_put_over_what_is_there() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    let copied =
        Command::new("cp").arg("-a").arg(place.vault()).arg(place.at("older")).status().unwrap();
    assert!(copied.success());
    place.backup_files(&place.at("plant"), 2);
    let store = bucket(server.port, "plant/press");
    deposit(&place, &*store);
    let there = store.list().unwrap();
    let refused = |place: &Place, store: &dyn Bucket, why: &str| {
        let mode = RULES.mode.filter(|_| store.cannot_lock().unwrap().is_none());
        let error = deposit_by(place, store, Rules { mode, ..RULES }).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        let [standing] = &targets(&place.vault())[..] else { panic!("one store") };
        assert!(standing.error.is_some() && standing.copied_at.is_none(), "{standing:?}");
    };
    // Put back to an older state, it goes on differently.
    fs::rename(place.vault(), place.at("newer")).unwrap();
    fs::rename(place.at("older"), place.vault()).unwrap();
    for secs in [3, 4] {
        place.backup_files(&place.at("plant"), secs);
        refused(&place, &*store, "not in its log here");
    }
    refused(&backed_up(), &*store, "another vault");
    assert_eq!(store.list().unwrap(), there);
    restores(&place, server.port, "plant/press");
    // Without versions as well; what is no vault's is put right.
    let plain = bucket(server.port, "plain/press");
    let unlocked = Rules { mode: None, ..RULES };
    deposit_by(&place, &*plain, unlocked).unwrap();
    refused(&backed_up(), &*plain, "another vault");
    for (path, garbage) in [("vault.json", "{}"), ("log/checkpoint", "garbage")] {
        let path = format!("/plain/press/{path}");
        assert_eq!(by_hand(server.port, "PUT", &path, garbage.as_bytes()), 200);
    }
    assert_eq!(deposit_by(&place, &*plain, unlocked).unwrap().standing.covered.len(), 2);
    assert_eq!(proved(server.port, "plain/press"), (verdict_of(&place), vec![]));
}

#[test]
fn what_is_damaged_or_lost_at_either_end_is_named() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    let unlocked = Rules { mode: None, days: 0, days_max: 0 };
    let plain = bucket(server.port, "plain/press");
    let done = deposit_by(&place, &*plain, unlocked).unwrap();
    assert_eq!(done.standing.locked_until, None);
    let again = deposit_by(&place, &*plain, unlocked).unwrap();
    assert_eq!((again.objects_sent, again.standing.gone), (0, vec![]), "it is all there");
    let pack = objects(&place, "data")[0].clone();
    let name = pack.strip_prefix(place.vault()).unwrap().to_str().unwrap().to_owned();
    // At the store, which keeps no older version here.
    let bytes = noise(8, usize::try_from(fs::metadata(&pack).unwrap().len()).unwrap());
    assert_eq!(by_hand(server.port, "PUT", &format!("/plain/press/{name}"), &bytes), 200);
    let verdict = proved(server.port, "plain/press").0;
    let [problem] = &verdict.problems[..] else { panic!("{:?}", verdict.problems) };
    assert_eq!((&problem.path, problem.entry), (&name, Some(1)));
    assert_eq!(problem.what, "its bytes do not hash to its name");
    // Here: it does not take the place of nothing.
    flip(&pack, 100);
    let locked = bucket(server.port, "plant/press");
    let done = deposit(&place, &*locked);
    assert_eq!((&done.standing.missing, done.standing.copied_at), (&vec![name.clone()], None));
    assert!(!locked.list().unwrap().contains_key(&name));
}

/// Parts of 8 MiB, which the link carries in a second each.
#[test]
fn a_link_that_is_cut_costs_a_part_or_two_and_not_the_object() {
    let Some(server) = s3() else { return };
    let place = Place::with_vault(Policy::default());
    fs::create_dir(place.at("plant")).unwrap();
    fs::write(place.at("plant/historian"), noise(3, 45_000_000)).unwrap();
    place.backup_files(&place.at("plant"), 1);
    let weather = Weather {
        rate: Some(8_000_000),
        cut_every: Some(Duration::from_millis(3_500)),
        seed: 7,
        ..Weather::default()
    };
    let link = Link::to(SocketAddr::from(([127, 0, 0, 1], server.port)), weather).unwrap();
    let done = deposit(&place, &*bucket(link.address.port(), "plant/press"));
    let passed = link.passed();
    assert!(passed.cuts >= 1, "{passed:?}");
    let lost = passed.to_server - done.bytes_sent;
    // The part under way, and the one before it that the server had not put away yet.
    assert!(lost < (passed.cuts + 1) * (16 << 20), "{lost} of {passed:?}");
    assert_eq!(proved(server.port, "plant/press"), (verdict_of(&place), vec![]));
    let packs = objects(&place, "data");
    let name = packs[0].strip_prefix(place.vault()).unwrap().to_str().unwrap();
    let lock = bucket(server.port, "plant/press").lock(name, None).unwrap();
    assert!(lock.until.unwrap().time > in_days(30), "{lock:?}");
    // Several packs, read by several readers at once.
    restores(&place, server.port, "plant/press");
}

/// The server checks each signature by itself, and the rights that the manual gives.
#[test]
fn the_rights_in_the_manual_are_enough_and_every_request_is_signed_right() {
    let manual = include_str!("../../../docs/vault.md");
    let policy = manual.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let policy: serde_json::Value = serde_json::from_str(policy).unwrap();
    let place = backed_up();
    let file = place.at("s3.token");
    let arguments = [file.to_str().unwrap(), &policy.to_string()];
    let Some(server) = Peer::start("s3", "moto.server, flask", &arguments) else { return };
    let address = format!("s3:http://127.0.0.1:{}/plant/press", server.port);
    let store = |credentials: &str| {
        let access = Access { credentials: Some(credentials.trim().into()), ..Access::default() };
        buckets::at(&address, None, &access).unwrap().unwrap()
    };
    let credentials = fs::read_to_string(&file).unwrap();
    let right = store(&credentials);
    deposit(&place, &*right);
    let vault = place.unlocked();
    let snapshot = vault.find("latest").unwrap();
    vault.hold(snapshot, "dispute 7", "anna", NOON.plus_secs(2)).unwrap();
    vault.retain(snapshot, in_days(99), "anna", NOON.plus_secs(3)).unwrap();
    let done = deposit(&place, &*right);
    assert!(done.extended > 5 && done.standing.held, "{done:?}");
    let stored = Withdrawal::begin(store(&credentials)).unwrap();
    assert_eq!(verify(&stored, &Demands::default()), verdict_of(&place));
    let wrong = deposit_by(&place, &*store(&credentials.replace(':', ":x")), RULES);
    let wrong = format!("{:?}", wrong.unwrap_err());
    assert!(wrong.contains("SignatureDoesNotMatch"), "{wrong}");
    assert!(targets(&place.vault())[0].error.is_some());
}

/// Hands requests on to a store, and answers each thing that is asked for by an error first.
fn stumbling(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let mut seen = HashSet::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            let text = String::from_utf8(head).unwrap();
            let Some((asked, headers)) = text.split_once("\r\n") else { continue };
            if seen.insert(asked.to_owned()) {
                let error = b"HTTP/1.1 500 no\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
                stream.write_all(error).unwrap();
                continue;
            }
            let request = format!("{asked}\r\nconnection: close\r\n{headers}");
            thread::spawn(move || {
                let mut store = TcpStream::connect(("127.0.0.1", port)).unwrap();
                store.write_all(request.as_bytes()).unwrap();
                // Who has read what it wanted hangs up.
                drop(std::io::copy(&mut store, &mut stream));
            });
        }
    });
    address.port()
}

#[test]
fn a_store_that_fails_now_and_then_is_asked_again_and_nothing_is_missing() {
    let Some(server) = s3() else { return };
    let place = backed_up();
    deposit(&place, &*bucket(server.port, "plant/press"));
    restores(&place, stumbling(server.port), "plant/press");
}
