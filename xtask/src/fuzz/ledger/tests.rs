//! Rows over runs, changes of source, and processes beside each other.

use super::{super::source::tests::tree, *};

const MINUTE: Stretch = Stretch { seconds: 60, runs: 1_000, failures: 0 };

/// As a program built of what the checkout has.
fn ledger(root: &Path) -> Ledger {
    Ledger::new(root, source::sources(root).expect("readable"))
}

fn change(root: &Path, path: &str) {
    let path = root.join("crates").join(path);
    let old = fs::read_to_string(&path).expect("it is there");
    fs::write(path, old + "fn more() {}\n").expect("room");
}

#[track_caller]
fn go(begun: Result<Begun>) -> Entry {
    match begun.expect("readable") {
        Begun::Go(entry) => entry,
        Begun::Left(why) => panic!("{why}"),
    }
}

#[track_caller]
fn left(begun: Result<Begun>) -> String {
    match begun.expect("readable") {
        Begun::Go(entry) => panic!("{} may run", entry.target),
        Begun::Left(why) => why,
    }
}

/// Runs a target for a minute.
#[track_caller]
fn minute(ledger: &Ledger, target: &str) {
    let mut entry = go(ledger.begin(target, None));
    assert!(ledger.tell(&mut entry, MINUTE).expect("room"));
}

/// Seconds, of them with shared code, runs, last seed.
#[track_caller]
fn check(ledger: &Ledger, target: &str, expect: [u64; 4]) {
    let row = &ledger.rows().expect("readable")[target];
    assert_eq!([row.seconds, row.shared_seconds, row.runs, row.seed], expect);
}

#[test]
fn a_row_adds_up_and_begins_anew_when_its_source_changes() {
    let root = tree();
    let before = ledger(root.path());
    minute(&before, "a");
    minute(&before, "a");
    minute(&before, "b");
    check(&before, "a", [120, 120, 2_000, 2]);
    change(root.path(), "protocols/src/a/tests.rs");
    minute(&ledger(root.path()), "a");
    check(&before, "a", [180, 180, 3_000, 3]);
    change(root.path(), "protocols/src/a/mod.rs");
    let after = ledger(root.path());
    minute(&after, "a");
    // Seeds go on, so that no two rows of one target ever ran the same.
    check(&after, "a", [60, 60, 1_000, 4]);
    check(&after, "b", [60, 60, 1_000, 1]);
}

#[test]
fn time_with_shared_code_is_counted_beside() {
    let root = tree();
    minute(&ledger(root.path()), "a");
    change(root.path(), "wire/src/reader.rs");
    let after = ledger(root.path());
    minute(&after, "a");
    check(&after, "a", [120, 60, 2_000, 2]);
}

#[test]
fn a_target_that_runs_on_is_told_in_stretches() {
    let root = tree();
    let ledger = ledger(root.path());
    let mut entry = go(ledger.begin("a", None));
    for seconds in [60, 60, 150] {
        let all = Stretch { seconds, runs: seconds * 10, failures: seconds / 100 };
        assert!(ledger.tell(&mut entry, all).expect("room"));
    }
    check(&ledger, "a", [150, 150, 1_500, 1]);
    assert!(ledger.hangs("a").expect("room"));
    assert_eq!(ledger.rows().expect("readable")["a"].failures, 2);
}

#[test]
fn a_program_of_other_source_claims_nothing_of_todays() {
    let root = tree();
    let old = ledger(root.path());
    let mut running = go(old.begin("a", None));
    change(root.path(), "protocols/src/a/mod.rs");
    let new = ledger(root.path());
    // What ran is true, and stale.
    assert!(old.tell(&mut running, MINUTE).expect("room"));
    let today = new.today().expect("readable");
    assert_ne!(new.rows().expect("readable")["a"].source, today["a"].source);
    drop(running);
    let mut running = go(new.begin("a", None));
    assert!(new.tell(&mut running, MINUTE).expect("room"));
    // From here on the row is about today's source, which the old program does not know.
    assert!(!old.add("a", 9, MINUTE).expect("room"));
    check(&new, "a", [60, 60, 1_000, 2]);
    assert!(left(old.begin("a", None)).contains("build it anew"));
}

#[test]
fn a_target_has_one_runner_and_no_seed_twice() {
    let root = tree();
    let ledger = ledger(root.path());
    let first = go(ledger.begin("a", None));
    assert!(left(ledger.begin("a", None)).contains("another process"));
    drop(first);
    let mut second = go(ledger.begin("a", Some(7)));
    ledger.tell(&mut second, MINUTE).expect("room");
    drop(second);
    let said = ledger.begin("a", Some(7)).err().expect("a seed that has run").to_string();
    assert!(said.contains("up to 7"), "{said}");
    assert_eq!(go(ledger.begin("a", None)).seed, 8);
}

#[test]
fn writers_at_once_lose_nothing() {
    let root = tree();
    std::thread::scope(|scope| {
        for target in ["a", "b", "a", "b"] {
            let ledger = ledger(root.path());
            scope.spawn(move || {
                for seed in 0..25 {
                    assert!(ledger.add(target, seed, MINUTE).expect("room"));
                }
            });
        }
    });
    let ledger = ledger(root.path());
    check(&ledger, "a", [50 * 60, 50 * 60, 50_000, 24]);
    check(&ledger, "b", [50 * 60, 50 * 60, 50_000, 24]);
}

#[test]
fn what_is_no_ledger_is_left_as_it_is() {
    let root = tree();
    let ledger = ledger(root.path());
    let path = root.path().join("fuzz/ledger.toml");
    for text in ["<<<<<<< HEAD\n", "a = { seconds = -1 }\n"] {
        fs::write(&path, text).expect("room");
        assert!(ledger.add("a", 1, MINUTE).is_err());
        assert_eq!(fs::read_to_string(&path).expect("it is there"), text);
    }
}

#[test]
fn the_table_says_what_is_stale_and_how_many_have_enough() {
    let root = tree();
    let old = ledger(root.path());
    minute(&old, "a");
    minute(&old, "b");
    let table = |minutes: u64| {
        let goal = Duration::from_secs(minutes * 60);
        let (rows, today) = (old.rows().expect("readable"), old.today().expect("readable"));
        let due = due(vec!["a", "b", "c"], &rows, &today, goal).join(" ");
        let table = status(&["c", "b", "a"], &rows, &today, goal);
        let lines: Vec<String> =
            table.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        (lines[1..].join("\n"), due)
    };
    assert_eq!(
        table(1),
        (
            "a 1.0 1.0 1000 0 the same\nb 1.0 1.0 1000 0 the same\nc 0 0 0 0 never run\n\
             2 of 3 targets have 1 minutes and more on today's source, 2 of them with today's \
             shared code too; in all 2.0 minutes, 2000 runs, 0 failures"
                .to_owned(),
            "c".to_owned()
        )
    );
    change(root.path(), "protocols/src/a/mod.rs");
    assert_eq!(
        table(2),
        (
            "a 1.0 0.0 1000 0 STALE: changed since, counts no more\n\
             b 1.0 0.0 1000 0 the same; shared code changed since\nc 0 0 0 0 never run\n\
             0 of 3 targets have 2 minutes and more on today's source, 0 of them with today's \
             shared code too; in all 1.0 minutes, 1000 runs, 0 failures"
                .to_owned(),
            "a c b".to_owned()
        )
    );
}
