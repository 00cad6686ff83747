//! Somebody has everything that site A has: tokens, keys, root. What is at site B stays, every
//! attempt is in a journal, and B alone restores.

mod common;

use common::{
    NOON, Place, below,
    identity::{Identity, serving, trusting},
    noise, plant,
    site::{Server, ask, asked, denied, mirror, proved, push, remote},
    tree,
};
use connectors::vault_http::{Access, Remote};
use std::{collections::BTreeMap, fs, path::Path};
use vault::{
    Policy, Sha256, Unlocked, Vault,
    site::{Noted, Progress, Role, SITE, view},
};

const VERBS: [&str; 11] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "MKCOL", "MOVE", "COPY", "TRACE"];

/// Paths of everything that is served, as restic and as a copy ask for it, and some that are
/// meant to lead elsewhere.
fn paths(root: &Path) -> Vec<String> {
    let mut found = vec![
        "/press/".to_owned(),
        "/press/?create=true".into(),
        "/press/locks/".into(),
        "/press/data/".into(),
        "/press/snapshots/".into(),
        "/press/log/extension/".to_owned() + &Sha256::of(b"x").to_string(),
        "/press/data/".to_owned() + &Sha256::of(b"x").to_string(),
        "/press/locks/".to_owned() + &Sha256::of(b"x").to_string(),
        "/press/acknowledge".into(),
        "/press/.site/key".into(),
        "/.site/key".into(),
        "/press/..%2f..%2fetc/passwd".into(),
        "/press/../../etc/passwd".into(),
        "/mill/config".into(),
    ];
    for path in tree(root).keys() {
        let path = path.to_string_lossy();
        found.push(format!("/press/{path}"));
        found.push(format!("/press/{path}?offset=0&size=7"));
        if let Some(object) = path.strip_prefix("repository/") {
            found.push(format!("/press/{object}"));
        }
    }
    found
}

/// What a vault's files hold, without the site's own.
fn content(root: &Path) -> BTreeMap<std::path::PathBuf, String> {
    let mut all = tree(root);
    all.retain(|path, seen| !path.starts_with(SITE) && !seen.starts_with("directory"));
    all
}

/// Asks for everything with every verb; how many attempts were refused.
fn assault(server: &Server, credentials: &str, paths: &[String]) -> u64 {
    assault_by(&|verb, path| ask(server.address, verb, path, credentials, b"garbage"), paths)
}

fn assault_by(ask: &dyn Fn(&str, &str) -> u16, paths: &[String]) -> u64 {
    let mut refused = 0;
    for path in paths {
        for verb in VERBS {
            let status = ask(verb, path);
            assert_ne!(status, 500, "{verb} {path}");
            refused += u64::from([401, 403, 405, 411, 413, 422, 507].contains(&status));
            let is_question = ["GET", "HEAD"].contains(&verb);
            // What is no path is counted when it is more than a question.
            refused += u64::from(status == 404 && !is_question);
        }
    }
    refused
}

#[test]
fn with_every_secret_of_site_a_nothing_is_lost_at_b_and_b_alone_restores() {
    let place = Place::with_vault(Policy::default());
    plant(&place.at("plant"));
    place.backup_files(&place.at("plant"), 1);
    let good = tree(&place.at("plant"));
    let a = Server::begin(place.at("a"), None);
    let tokens = [Role::Edge, Role::Reader, Role::Mirror, Role::Auditor]
        .map(|role| a.client(role.word(), role, "press"));
    push(&place, &remote(a.address, "press", &tokens[0])).unwrap();
    let b = place.at("b/press");
    let from_a = remote(a.address, "press", &tokens[2]);
    assert_eq!(mirror(&from_a, &b).unwrap().state, Progress::Complete);
    let (at_a, at_b) = (content(&place.at("a/press")), content(&b));

    // Every verb on every path with every token of A, against A itself.
    let mut attempts = 0;
    for token in &tokens {
        attempts += assault(&a, token, &paths(&place.at("a/press")));
    }
    assert_eq!(content(&place.at("a/press")), at_a);
    assert_eq!(proved(&place.at("a/press")).problems, []);
    // And against B's own server, which knows none of them.
    let server = Server::begin(place.at("b"), None);
    let mut strange = 0;
    for token in &tokens {
        strange += assault(&server, token, &paths(&place.at("b/press")));
    }
    assert_eq!(denied(&server.journal()), strange);
    assert_eq!(content(&b), at_b);

    // With the vault's key: the newest snapshots are encrypted garbage, the rules are set to
    // nothing, the clock of the log is driven ahead, everything is forgotten and pruned.
    fs::write(place.at("plant/historian.bin"), noise(66, 3_500_000)).unwrap();
    place.backup_files(&place.at("plant"), 100);
    let rules = common::STRICT;
    let vault = place.unlocked();
    vault.set_policy(rules.clone(), "eve", NOON.plus_secs(101)).unwrap();
    for week in 1..60 {
        vault.set_policy(rules.clone(), "eve", NOON.plus_secs(week * 7 * 86_400)).unwrap();
    }
    let later = NOON.plus_secs(61 * 7 * 86_400);
    let plan = vault.forget(later).unwrap();
    assert_eq!(plan.remove.len(), 1, "the good one is gone at the edge");
    vault.forget(later.plus_secs(8 * 86_400)).unwrap();
    push(&place, &remote(a.address, "press", &tokens[0])).unwrap();
    mirror(&from_a, &b).unwrap();
    let now = content(&b);
    let is_kept = |path: &std::path::PathBuf| path.starts_with("repository");
    for (path, seen) in at_b.iter().filter(|(path, _)| is_kept(path)) {
        assert_eq!(now.get(path), Some(seen), "{}", path.display());
    }
    assert!(attempts > 1_000, "{attempts}");
    assert_eq!(denied(&a.journal()), attempts);

    // A burns. B restores the good snapshot with the key from the safe.
    fs::remove_dir_all(place.at("a")).unwrap();
    fs::remove_dir_all(place.vault()).unwrap();
    let rows = unlocked(&place, &b).list().unwrap();
    let oldest = rows.iter().min_by_key(|row| row.time).unwrap();
    assert_eq!(restored(&place, &b, &oldest.id.to_string(), "out"), good);
    // The same from the copy as it was before the attack, without a byte that came after.
    let before = place.at("before");
    let seen = view(unlocked(&place, &b).vault(), 2, &before).unwrap();
    assert_eq!(seen.missing, Vec::<String>::new());
    assert_eq!(restored(&place, &before, "latest", "out-of-view"), good);
}

fn unlocked(place: &Place, directory: &Path) -> Unlocked {
    Vault::open(directory).unwrap().unlock(Some(&place.key())).unwrap()
}

/// What a snapshot of the plant restores to.
fn restored(
    place: &Place,
    directory: &Path,
    snapshot: &str,
    to: &str,
) -> BTreeMap<std::path::PathBuf, String> {
    let (vault, out) = (unlocked(place, directory), place.at(to));
    let done = vault.restore(&vault.find(snapshot).unwrap(), &out, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    tree(&below(&out, &place.at("plant")))
}

/// Site A asks for certificates; each of its clients is bound to one.
#[test]
fn a_stolen_token_opens_nothing_without_its_certificate_and_with_it_loses_nothing() {
    let place = Place::with_vault(Policy::default());
    plant(&place.at("plant"));
    place.backup_files(&place.at("plant"), 1);
    let (own, others, site) = (Identity::new(), Identity::new(), Identity::new());
    let a = Server::begin_with(place.at("a"), None, Some(serving(&site)));
    let roles = [Role::Edge, Role::Reader, Role::Mirror, Role::Auditor];
    let tokens = roles.map(|role| a.bound_client(role.word(), role, "press", own.hash()));
    let press = |identity: Option<&Identity>| {
        let access = Access {
            credentials: Some(tokens[0].clone()),
            authority: Some(site.pem()),
            identity: identity.map(Identity::pem),
        };
        let address = format!("https://localhost:{}/press", a.address.port());
        Remote::at(&address, &access).unwrap().unwrap()
    };
    for stranger in [None, Some(&others)] {
        let refused = format!("{:?}", push(&place, &press(stranger)).unwrap_err());
        assert!(refused.contains("401"), "{refused}");
    }
    push(&place, &press(Some(&own))).unwrap();
    let at_a = content(&place.at("a/press"));
    // Every verb on every path: with the tokens alone nothing is even looked at.
    let paths: Vec<String> = paths(&place.at("a/press")).into_iter().step_by(5).collect();
    let mut attempts = 2;
    for identity in [None, Some(&others), Some(&own)] {
        for token in &tokens {
            let by = |verb: &str, path: &str| {
                let stream = trusting(&site, identity, a.address);
                let status = asked(stream, verb, path, token, b"garbage");
                assert!(identity.is_some_and(|identity| identity.is(&own)) || status == 401);
                status
            };
            attempts += assault_by(&by, &paths);
        }
    }
    assert_eq!(content(&place.at("a/press")), at_a);
    assert_eq!(proved(&place.at("a/press")).problems, []);
    assert!(attempts > 500, "{attempts}");
    assert_eq!(denied(&a.journal()), attempts);
}

#[test]
fn a_vault_beyond_its_quota_takes_no_more_and_the_alarm_came_before() {
    let place = Place::with_vault(Policy::default());
    fs::create_dir(place.at("plant")).unwrap();
    fs::write(place.at("plant/a"), noise(1, 750_000)).unwrap();
    place.backup_files(&place.at("plant"), 1);
    let a = Server::begin(place.at("a"), Some(1_000_000));
    let edge = remote(a.address, "press", &a.client("edge", Role::Edge, "press"));
    push(&place, &edge).unwrap();
    fs::write(place.at("plant/b"), noise(2, 750_000)).unwrap();
    place.backup_files(&place.at("plant"), 2);
    let refused = format!("{:?}", push(&place, &edge).unwrap_err());
    assert!(refused.contains("quota"), "{refused}");
    assert_eq!(proved(&place.at("a/press")).problems, [], "what is there is whole");
    let told = a.journal();
    let alarms = told
        .iter()
        .filter(|noted| matches!(noted, Noted::Alarm { what, .. } if what == "quota of press"));
    assert_eq!(alarms.count(), 1);
    assert_eq!(denied(&told), 1);
}

#[test]
fn a_flood_of_refused_attempts_is_counted_in_full_and_does_not_fill_the_journal() {
    let place = Place::new();
    let a = Server::begin(place.at("a"), None);
    let token = a.client("edge", Role::Edge, "press");
    for i in 0..300 {
        let path = format!("/press/data/{}", Sha256::of(&[i as u8]));
        assert_eq!(ask(a.address, "DELETE", &path, &token, b""), 403);
        assert_eq!(ask(a.address, "GET", &path, "edge:wrong", b""), 401);
    }
    let told = a.journal();
    assert_eq!(denied(&told), 600);
    assert!(told.len() < 20, "{}", told.len());
}
