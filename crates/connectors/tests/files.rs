//! Files and databases that change while they are backed up.

mod common;

use common::{NOON, Place, STRICT, below, noise, plant, tree};
use connectors::sources;
use rusqlite::Connection;
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};
use vault::{Offer, Onlooker, Source, State};

/// A source that does something to the plant after another source has listed it.
struct Meanwhile(Option<Box<dyn FnOnce() + Send>>);

impl Source for Meanwhile {
    fn name(&self) -> String {
        "test:meanwhile".into()
    }

    fn offer(&mut self, _offer: &mut Offer) {
        self.0.take().expect("offered once")();
    }
}

/// Backs up `directory` with `then` done between listing and reading.
fn backup_while(
    place: &Place,
    directory: &Path,
    then: impl FnOnce() + Send + 'static,
) -> vault::Report {
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), ..Default::default() };
    let files = sources::open(&format!("files:{}", directory.display()), &context).unwrap();
    let mut both = [files, Box::new(Meanwhile(Some(Box::new(then))))];
    vault.backup("press-4", &mut both, NOON.plus_secs(1)).unwrap()
}

fn restore(place: &Place, name: &str) -> PathBuf {
    let target = place.at(name);
    let vault = place.unlocked();
    let done = vault.restore(&vault.find("latest").unwrap(), &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    target
}

#[test]
fn a_log_rotated_between_listing_and_reading_loses_no_line() {
    let place = Place::with_vault(STRICT);
    let logs = place.at("logs");
    fs::create_dir(&logs).unwrap();
    fs::write(logs.join("plc.log"), b"new 1\nnew 2\n").unwrap();
    fs::write(logs.join("plc.log.1"), b"old 1\n").unwrap();
    let at = logs.clone();
    let report = backup_while(&place, &logs, move || {
        fs::rename(at.join("plc.log.1"), at.join("plc.log.2")).unwrap();
        fs::rename(at.join("plc.log"), at.join("plc.log.1")).unwrap();
        fs::write(at.join("plc.log"), b"fresh\n").unwrap();
    });
    assert_eq!((report.state, report.errors), (State::Complete, vec![]));
    let restored = below(&restore(&place, "out"), &logs);
    assert_eq!(fs::read(restored.join("plc.log")).unwrap(), b"new 1\nnew 2\n");
    assert_eq!(fs::read(restored.join("plc.log.1")).unwrap(), b"old 1\n");
}

/// Has enough after so many bytes.
struct Enough(AtomicU64);

impl Onlooker for Enough {
    fn passed(&self, _: &Path, bytes: u64) {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(bytes))
            })
            .unwrap();
    }

    fn goes_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    fn why_not(&self) -> String {
        "the disk is full".to_owned()
    }
}

#[test]
fn a_restore_that_is_broken_off_says_so_and_leaves_only_whole_files() {
    let place = Place::with_vault(STRICT);
    let logs = place.at("logs");
    fs::create_dir(&logs).unwrap();
    let length = 3 << 20;
    for n in 0..6 {
        fs::write(logs.join(format!("{n}.bin")), noise(n, length)).unwrap();
    }
    place.backup_files(&logs, 1);
    let (vault, target) = (place.unlocked(), place.at("out"));
    let latest = vault.find("latest").unwrap();
    let enough = Enough(AtomicU64::new(7 << 20));
    let done = vault.extract_watched(&latest, &target, Some(&logs), true, &enough);
    match done {
        Ok(done) => {
            let says = |fault: &vault::Fault| fault.error == "the disk is full";
            assert!(!done.errors.is_empty() && done.errors.iter().all(says), "{:?}", done.errors);
        }
        Err(error) => assert!(error.to_string().contains("the disk is full"), "{error}"),
    }
    let there: Vec<_> = fs::read_dir(&target).unwrap().map(Result::unwrap).collect();
    assert!(there.len() < 6, "{there:?}");
    for file in there {
        assert_eq!(file.metadata().unwrap().len(), length as u64, "{file:?}");
    }
}

#[test]
fn a_file_replaced_or_deleted_meanwhile_is_taken_as_it_is_or_a_fault() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    fs::create_dir(&plant).unwrap();
    fs::write(plant.join("recipe"), b"old").unwrap();
    fs::write(plant.join("gone"), b"gone").unwrap();
    let at = plant.clone();
    let report = backup_while(&place, &plant, move || {
        fs::write(at.join("recipe.new"), b"saved anew").unwrap();
        fs::rename(at.join("recipe.new"), at.join("recipe")).unwrap();
        fs::remove_file(at.join("gone")).unwrap();
    });
    assert_eq!(report.state, State::Partial);
    assert_eq!((report.entries_offered, report.entries_stored), (2, 1));
    assert!(report.errors[0].path.ends_with("gone"), "{:?}", report.errors);
    let restored = below(&restore(&place, "out"), &plant);
    assert_eq!(fs::read(restored.join("recipe")).unwrap(), b"saved anew");
}

#[test]
fn a_growing_log_is_stored_up_to_its_length_and_is_no_fault() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    fs::create_dir(&plant).unwrap();
    let log = plant.join("historian.csv");
    fs::write(&log, noise(4, 2_000_000)).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (log, stop) = (log.clone(), stop.clone());
        thread::spawn(move || {
            use std::io::Write;
            let mut file = fs::File::options().append(true).open(log).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(&noise(5, 10_000)).unwrap();
                thread::yield_now();
            }
        })
    };
    let report = place.backup_files(&plant, 1);
    stop.store(true, Ordering::Relaxed);
    writer.join().unwrap();
    assert_eq!((report.state, report.errors), (State::Complete, vec![]));
    let stored = fs::read(below(&restore(&place, "out"), &log)).unwrap();
    let now = fs::read(&log).unwrap();
    assert!(stored.len() >= 2_000_000 && now.starts_with(&stored));
}

#[test]
fn the_vault_in_the_tree_is_left_out() {
    let place = Place::with_vault(STRICT);
    plant(&place.at("plant"));
    let report = place.backup_files(&place.at(""), 1);
    // The six of the plant and both keys.
    assert_eq!((report.state, report.entries_stored), (State::Complete, 8));
}

/// A database with rows, and a writer that inserts more until told to stop.
fn database(path: &Path, journal: &str) -> (Arc<AtomicBool>, thread::JoinHandle<u64>) {
    let open = Connection::open(path).unwrap();
    open.pragma_update(None, "journal_mode", journal).unwrap();
    open.execute_batch("CREATE TABLE value (id INTEGER PRIMARY KEY, a TEXT, b TEXT);").unwrap();
    for _ in 0..500 {
        open.execute("INSERT INTO value (a, b) VALUES (hex(randomblob(500)), '')", []).unwrap();
    }
    open.execute("UPDATE value SET b = a", []).unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let told = stop.clone();
    let writer = thread::spawn(move || {
        let mut refused = 0;
        while !told.load(Ordering::Relaxed) {
            let text = "BEGIN IMMEDIATE;
                INSERT INTO value (a, b) VALUES ('1', '');
                UPDATE value SET b = a WHERE b != a; COMMIT;";
            refused += u64::from(open.execute_batch(text).is_err());
        }
        refused
    });
    (stop, writer)
}

#[test]
fn a_database_in_wal_mode_is_copied_whole_and_its_writer_never_refused() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    fs::create_dir(&plant).unwrap();
    let path = plant.join("historian.db");
    let (stop, writer) = database(&path, "wal");
    let sources = [format!("files:{}", plant.display()), format!("sqlite:{}", path.display())];
    let report = place.backup(&[&sources[0], &sources[1]], 1);
    stop.store(true, Ordering::Relaxed);
    assert_eq!(writer.join().unwrap(), 0, "a commit was refused");
    assert_eq!((report.state, report.errors), (State::Complete, vec![]));
    assert_eq!(report.entries_stored, 1, "the database alone, without its journals");
    let restored = below(&restore(&place, "out"), &path);
    let copy = Connection::open(restored).unwrap();
    let ask = |sql: &str| copy.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert!(ask("SELECT count(*) FROM value") >= 500);
    assert_eq!(ask("SELECT count(*) FROM value WHERE a != b"), 0, "a torn transaction");
    assert_eq!(fs::read_dir(place.unlocked().vault().staging()).unwrap().count(), 0);
}

#[test]
fn a_file_that_is_no_database_or_a_damaged_one_is_a_fault() {
    let place = Place::with_vault(STRICT);
    let plain = place.at("plain.db");
    fs::write(&plain, noise(3, 9_000)).unwrap();
    let broken = place.at("broken.db");
    let open = Connection::open(&broken).unwrap();
    open.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (hex(randomblob(9000)));")
        .unwrap();
    open.close().unwrap();
    let mut bytes = fs::read(&broken).unwrap();
    bytes[4_096..4_200].fill(0xff);
    fs::write(&broken, bytes).unwrap();
    let sources = [&plain, &broken].map(|path| format!("sqlite:{}", path.display()));
    let report = place.backup(&[&sources[0], &sources[1]], 1);
    assert_eq!((report.snapshot, report.errors.len()), (None, 2), "{:?}", report.errors);
    let mode = fs::metadata(place.unlocked().vault().staging()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}

#[test]
fn a_tree_restored_over_itself_is_unchanged() {
    let place = Place::with_vault(STRICT);
    let source = place.at("plant");
    plant(&source);
    let before = tree(&source);
    place.backup_files(&source, 1);
    fs::write(source.join("project/line.cfg"), b"ruined").unwrap();
    let vault = place.unlocked();
    let done = vault.restore(&vault.find("latest").unwrap(), Path::new("/"), Some(&source), NOON);
    assert_eq!(done.unwrap().errors, []);
    assert_eq!(tree(&source), before);
}

#[test]
fn engineering_projects_are_recognised_and_compared_by_what_they_are_for() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    fs::create_dir_all(&plant).unwrap();
    let l5x = |processor: &str| {
        format!(
            "<?xml version=\"1.0\"?><RSLogix5000Content SoftwareRevision=\"33.01\"><Controller \
             Name=\"Press4\" ProcessorType=\"{processor}\" MajorRev=\"33\" MinorRev=\"11\" \
             LastModifiedDate=\"Sun Mar 08 21:00:00 2026\"/></RSLogix5000Content>"
        )
    };
    fs::write(plant.join("Press4.L5X"), l5x("1756-L71")).unwrap();
    fs::write(plant.join("Line.ap17"), b"closed").unwrap();
    fs::write(plant.join("pom.xml"), "<project xmlns=\"http://maven.apache.org\"/>").unwrap();
    let first = place.backup_files(&plant, 1);
    assert_eq!(first.errors, []);
    fs::write(plant.join("Press4.L5X"), l5x("1756-L85E")).unwrap();
    let second = place.backup_files(&plant, 2);
    let vault = place.unlocked();
    let projects = vault.projects(&second.snapshot.unwrap()).unwrap();
    assert_eq!(projects.len(), 2, "{projects:?}");
    let press = &projects[&plant.join("Press4.L5X").display().to_string()];
    assert_eq!(
        (&press.devices[..], press.firmware.as_deref()),
        (&["1756-L85E".to_owned()][..], Some("33.11"))
    );
    assert!(press.mentions("1756-l85e"));
    let rows = vault.diff(&first.snapshot.unwrap(), &second.snapshot.unwrap(), &[]).unwrap();
    let row = rows.iter().find(|row| row.kind == "engineering-facts").expect("a row of facts");
    assert!(row.unit.as_ref().is_some_and(|unit| unit.ends_with("Press4.L5X, devices")));
    assert_eq!(
        (row.before.as_deref(), row.after.as_deref()),
        (Some("1756-L71"), Some("1756-L85E"))
    );
    assert!(row.risk.is_some());
    assert!(rows.iter().any(|row| row.kind == "l5x"), "and by its own format: {rows:?}");
}

#[test]
fn a_pipe_and_a_socket_are_kept_and_what_is_restored_is_whole_without_them() {
    let place = Place::with_vault(STRICT);
    let spool = place.at("spool");
    fs::create_dir(&spool).unwrap();
    fs::write(spool.join("queue"), b"job 1\n").unwrap();
    let made = std::process::Command::new("mkfifo").arg(spool.join("to-hmi")).status();
    assert!(made.unwrap().success());
    let socket = std::os::unix::net::UnixListener::bind(spool.join("control")).unwrap();
    let report = place.backup_files(&spool, 1);
    assert_eq!((&report.errors[..], report.state), (&[][..], State::Complete));
    drop(socket);
    let vault = place.unlocked();
    let (target, latest) = (place.at("out"), vault.find("latest").unwrap());
    let done = vault.restore(&latest, &target, None, NOON).unwrap();
    assert_eq!((&done.errors[..], done.left_out), (&[][..], 2));
    let names: Vec<_> = fs::read_dir(below(&target, &spool)).unwrap().collect();
    assert_eq!(names.len(), 1, "{names:?}");
    let compared = vault.compare_restored(&latest, &target, &[], &()).unwrap();
    assert_eq!((&compared.errors[..], compared.files, compared.left_out), (&[][..], 1, 2));
    let proof = vault.prove(&latest, &[], NOON, &()).unwrap();
    assert_eq!((&proof.errors[..], proof.files, proof.left_out), (&[][..], 1, 2));
    // A file that is gone is still missed.
    fs::remove_file(below(&target, &spool).join("queue")).unwrap();
    let compared = vault.compare_restored(&latest, &target, &[], &()).unwrap();
    assert_eq!(compared.errors.len(), 1);
}

#[test]
fn what_lies_where_something_of_another_kind_was_is_not_what_was_restored() {
    let place = Place::with_vault(STRICT);
    let plant = place.at("plant");
    fs::create_dir_all(plant.join("folder")).unwrap();
    fs::write(plant.join("file"), b"recipe\n").unwrap();
    std::os::unix::fs::symlink("file", plant.join("link")).unwrap();
    place.backup_files(&plant, 1);
    let vault = place.unlocked();
    let (target, latest) = (place.at("out"), vault.find("latest").unwrap());
    assert_eq!(vault.restore(&latest, &target, None, NOON).unwrap().errors, []);
    let compare = || vault.compare_restored(&latest, &target, &[], &()).unwrap();
    assert_eq!((compare().errors, compare().files), (vec![], 1));
    let at = below(&target, &plant);
    fs::remove_dir(at.join("folder")).unwrap();
    std::os::unix::fs::symlink("/etc", at.join("folder")).unwrap();
    fs::remove_file(at.join("link")).unwrap();
    fs::write(at.join("link"), b"recipe\n").unwrap();
    // The bytes are right, and they are not there.
    fs::rename(at.join("file"), place.at("away")).unwrap();
    std::os::unix::fs::symlink(place.at("away"), at.join("file")).unwrap();
    let compared = compare();
    let mut said: Vec<_> = compared.errors.iter().map(|fault| fault.error.as_str()).collect();
    said.dedup();
    assert_eq!((compared.errors.len(), compared.files), (3, 0), "{:?}", compared.errors);
    assert_eq!(said, ["something else is in its place"]);
}
