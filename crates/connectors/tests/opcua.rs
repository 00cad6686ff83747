//! The OPC UA source on protected channels, against asyncua: every policy and mode, every kind of
//! user, certificates that are not the ones they should be, and a proof that it only reads.

mod common;

use common::{
    NOON, Place, STRICT,
    forked::Server,
    peers::{Sent, tap},
    restored_text,
};
use connectors::sources;
use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt};
use vault::{Report, Sha256, State};

const POLICIES: [&str; 3] = ["Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"];
const PASSWORD: &str = "kö secret";

/// What matters here is in the first messages: no waiting, no values.
const QUICK: &str = "pause_ms=0&values=no";

/// A server with its certificates in the place; `told` are further members of its JSON.
fn server(place: &Place, told: &str) -> Option<Server> {
    let folder = place.at("certificates");
    fs::create_dir_all(&folder).unwrap();
    let comma = if told.is_empty() { "" } else { "," };
    Server::start(&format!("\"folder\":\"{}\"{comma}{told}", folder.display()))
}

/// The same, and our own certificate and key are made already, as somebody may put them there.
fn server_and_own(place: &Place, told: &str) -> Option<Server> {
    let own = place.vault().join(".kept/opcua/own.pem");
    let comma = if told.is_empty() { "" } else { "," };
    server(place, &format!("\"own\":\"{}\"{comma}{told}", own.display()))
}

/// The fingerprint of the server's certificate.
fn pin(place: &Place) -> Sha256 {
    Sha256::of(&fs::read(place.at("certificates/server.der")).unwrap())
}

fn backup_by(place: &Place, source: &str, password: &str) -> Report {
    let secrets = place.at("secrets");
    fs::write(&secrets, format!("127.0.0.1 eva {password}\n")).unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), secrets: Some(secrets) };
    let opened = sources::open(source, &context).unwrap();
    let secs = i64::try_from(vault.list().unwrap().len()).unwrap() + 1;
    vault.backup("line-7", &mut [opened], NOON.plus_secs(secs)).unwrap()
}

fn backup(place: &Place, port: u16, options: &str) -> Report {
    backup_by(place, &format!("opcua:127.0.0.1:{port}?{QUICK}{options}"), PASSWORD)
}

#[track_caller]
fn complete(report: &Report) {
    assert_eq!((&report.errors[..], report.state), (&[][..], State::Complete));
}

/// What the backup fails with, and nothing is stored.
#[track_caller]
fn fails(report: &Report, words: &[&str]) {
    assert_eq!((report.snapshot, report.errors.len()), (None, 1), "{:?}", report.errors);
    for word in words {
        assert!(report.errors[0].error.contains(word), "{word:?} in {}", report.errors[0].error);
    }
    assert!(!report.errors[0].error.contains(PASSWORD));
}

fn text(place: &Place, report: &Report, port: u16, name: &str) -> String {
    restored_text(place, report, &format!("/@opcua/127.0.0.1:{port}/{name}"))
}

/// What stands before each message, which nothing encrypts: its kind, and whether it is the last.
fn kinds(sent: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while let [a, b, c, part, l0, l1, l2, l3, ..] = rest {
            found.push(String::from_utf8_lossy(&[*a, *b, *c, *part]).into_owned());
            let length = u32::from_le_bytes([*l0, *l1, *l2, *l3]);
            rest = &rest[usize::try_from(length).unwrap()..];
        }
    }
    found
}

fn was_sent(sent: &Sent, text: &str) -> bool {
    let sent = sent.lock().unwrap();
    sent.iter().any(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

#[test]
fn every_policy_and_mode_reads_the_same_address_space() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server(&place, "") else { return };
    let (port, sent) = tap(peer.port);
    let clear = backup(&place, port, "");
    complete(&clear);
    let nodes = text(&place, &clear, port, "nodeset.xml");
    assert_eq!(nodes.matches("<UAVariable NodeId=\"ns=2;").count(), 20, "{nodes}");
    assert!(was_sent(&sent, "Point7"));
    assert!(text(&place, &clear, port, "security.csv").contains("policy,None\nmode,None\n"));
    let pin = pin(&place);
    // It says so, and what the server has that is better.
    let offers = "the server offers Aes256_Sha256_RsaPss SignAndEncrypt: add pin=";
    let warned = &clear.warnings[..];
    assert!(warned.len() == 1 && warned[0].error.contains("read in clear"), "{warned:?}");
    assert!(warned[0].error.contains(&format!("{offers}{pin} ")), "{warned:?}");
    assert_eq!(place.unlocked().list().unwrap()[0].warnings, warned, "it is kept whole");
    assert_eq!(backup(&place, port, "&policy=None").warnings, [], "that is what was said");
    for policy in POLICIES {
        for mode in ["Sign", "SignAndEncrypt"] {
            sent.lock().unwrap().clear();
            let report = backup(&place, port, &format!("&pin={pin}&policy={policy}&mode={mode}"));
            complete(&report);
            assert_eq!(report.warnings, []);
            assert!(text(&place, &report, port, "nodeset.xml") == nodes, "{policy} {mode}");
            let told = text(&place, &report, port, "security.csv");
            assert!(told.contains(&format!("policy,{policy}\nmode,{mode}\n")), "{told}");
            assert_eq!(was_sent(&sent, "Point7"), mode == "Sign", "{policy} {mode}");
        }
    }
    // Of all those the strongest.
    let best = backup(&place, port, &format!("&pin={pin}"));
    let told = text(&place, &best, port, "security.csv");
    assert!(told.contains("policy,Aes256_Sha256_RsaPss\nmode,SignAndEncrypt\n"), "{told}");
    assert!(told.contains("offered,Basic256Sha256 Sign\n"), "{told}");
}

#[test]
fn a_key_that_takes_two_octets_of_padding_is_spoken_to() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server_and_own(&place, "\"bits\":4096") else { return };
    for policy in &POLICIES[1..] {
        let options = format!("&pin={}&policy={policy}", pin(&place));
        complete(&backup(&place, peer.port, &options));
    }
}

#[test]
fn a_password_is_read_by_the_server_alone() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server_and_own(&place, "\"users\":[\"name\"]") else { return };
    let (port, sent) = tap(peer.port);
    let pin = pin(&place);
    let signed = POLICIES.map(|policy| format!("policy={policy}&mode=Sign"));
    let others = ["mode=SignAndEncrypt", "policy=None"].map(str::to_owned);
    // In clear the server's word on passwords is a policy of its own.
    for how in signed.iter().chain(&others) {
        complete(&backup(&place, port, &format!("&user=eva&pin={pin}&{how}")));
        let source = format!("opcua:127.0.0.1:{port}?{QUICK}&user=eva&pin={pin}&{how}");
        let refused = backup_by(&place, &source, "kö wrong");
        fails(&refused, &["eva is not let in", "0x801f0000"]);
    }
    assert!(!was_sent(&sent, PASSWORD) && !was_sent(&sent, "kö wrong"));
    // Nobody who is not known by a fingerprint gets it.
    fails(&backup(&place, port, "&user=eva"), &["is not known", &format!("pin={pin}")]);
    fails(&backup(&place, port, ""), &["nobody without a name"]);
}

#[test]
fn a_password_goes_in_clear_only_when_that_is_said() {
    let place = Place::with_vault(STRICT);
    let told = "\"users\":[\"name\"],\"endpoints\":[\"NoSecurity\"]";
    let Some(peer) = server_and_own(&place, told) else { return };
    let (port, sent) = tap(peer.port);
    fails(&backup(&place, port, "&user=eva"), &["others can read", "add policy=None"]);
    assert!(!was_sent(&sent, PASSWORD));
    complete(&backup(&place, port, "&user=eva&policy=None"));
    assert!(was_sent(&sent, PASSWORD));
}

#[test]
fn a_user_with_a_certificate_is_let_in_and_a_stranger_is_not() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server_and_own(&place, "\"users\":[\"certificate\"]") else { return };
    let pin = pin(&place);
    let files = |name: &str| {
        let at = |end: &str| place.at(&format!("certificates/{name}.{end}")).display().to_string();
        format!("&user_certificate={}&user_key={}", at("der"), at("pem"))
    };
    for policy in ["Basic256Sha256", "Aes256_Sha256_RsaPss", "None"] {
        let options = format!("&pin={pin}&policy={policy}");
        complete(&backup(&place, peer.port, &(files("user") + &options)));
        let refused = backup(&place, peer.port, &(files("stranger") + &options));
        fails(&refused, &["certificate is not let in", "0x801f0000"]);
    }
    let mixed = files("user").replace("user.pem", "stranger.pem");
    let refused = backup(&place, peer.port, &format!("{mixed}&pin={pin}"));
    fails(&refused, &["do not belong together"]);
}

#[test]
fn a_server_is_known_by_its_certificate() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server_and_own(&place, "") else { return };
    let (port, before) = (peer.port, pin(&place));
    let other = Sha256::of(b"another");
    let changed = ["shows another certificate", &before.to_string(), &other.to_string()];
    fails(&backup(&place, port, &format!("&pin={other}")), &changed);
    let encrypts = "&mode=SignAndEncrypt";
    let unknown = [&format!("pin={before}"), "trust=first"];
    fails(&backup(&place, port, encrypts), &unknown);
    let first = backup(&place, port, "&trust=first");
    complete(&first);
    let told = text(&place, &first, port, "security.csv");
    assert!(told.contains("trusted,\"on first use, at this backup\""), "{told}");
    // Known from then on, also without the word.
    let second = backup(&place, port, encrypts);
    let told = text(&place, &second, port, "security.csv");
    assert!(told.contains("trusted,\"on first use, at an earlier backup\""), "{told}");
    // Another one in its place is not taken, whatever was said about the first.
    drop(peer);
    fs::remove_dir_all(place.at("certificates")).unwrap();
    let Some(peer) = server_and_own(&place, &format!("\"port\":{port}")) else { return };
    let (kept, after) =
        (place.vault().join(format!(".kept/opcua/127.0.0.1:{port}.der")), pin(&place));
    let words = [&after.to_string(), &before.to_string(), "take ", &kept.display().to_string()[..]];
    for options in ["&trust=first", encrypts] {
        fails(&backup(&place, peer.port, options), &words);
    }
    fs::remove_file(kept).unwrap();
    complete(&backup(&place, port, "&trust=first"));
}

#[test]
fn an_expired_certificate_is_refused_unless_that_is_said() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server_and_own(&place, "\"expired\":true") else { return };
    for trust in [format!("&pin={}", pin(&place)), "&trust=first".to_owned()] {
        fails(&backup(&place, peer.port, &trust), &["is valid from", "expired=yes"]);
        complete(&backup(&place, peer.port, &format!("{trust}&expired=yes")));
        fs::remove_dir_all(place.vault().join(".kept/opcua")).unwrap();
    }
}

#[test]
fn a_server_that_does_not_trust_us_is_told_apart_and_so_is_a_hidden_endpoint() {
    let place = Place::with_vault(STRICT);
    let Some(peer) = server(&place, "\"distrusts\":true") else { return };
    let shown = place.vault().join(".kept/opcua/own.der").display().to_string();
    let words = ["certificate not trusted", "trusted clients", &shown];
    let pin = format!("&pin={}", pin(&place));
    fails(&backup(&place, peer.port, &pin), &words);
    assert!(fs::metadata(&shown).unwrap().len() > 500);
    drop(peer);
    let Some(peer) = server(&place, "\"hides\":true") else { return };
    let words = ["Aes256_Sha256_RsaPss SignAndEncrypt", "somebody stands in between"];
    fails(&backup(&place, peer.port, &pin), &words);
}

#[test]
fn a_long_walk_renews_its_channel_cuts_its_messages_and_only_reads() {
    let place = Place::with_vault(STRICT);
    let services = place.at("services");
    // A token of a fifth of a second, a clock that jumps, chunks of the least size, long names.
    let told = format!(
        "\"services\":\"{}\",\"lifetime_ms\":200,\"clock_jumps\":true,\"chunk\":8192,\
         \"points\":150,\"long\":150,\"types\":true",
        services.display()
    );
    let Some(peer) = server_and_own(&place, &told) else { return };
    for mode in ["SignAndEncrypt", "Sign"] {
        drop(fs::remove_file(&services));
        let (port, sent) = tap(peer.port);
        let pin = pin(&place);
        let source = format!("opcua:127.0.0.1:{port}?pause_ms=20&pin={pin}&mode={mode}");
        let report = backup_by(&place, &source, PASSWORD);
        complete(&report);
        let nodes = text(&place, &report, port, "nodeset.xml");
        assert_eq!(nodes.matches("<UAVariable NodeId=\"ns=2;").count(), 150);
        let kinds = kinds(&sent);
        let count = |kind: &str| kinds.iter().filter(|found| *found == kind).count();
        assert!(count("OPNF") > 3, "the token is renewed: {kinds:?}");
        assert!(count("MSGC") > 0, "a request goes in chunks: {kinds:?}");
        let known = ["HELF", "OPNF", "MSGF", "MSGC", "CLOF"];
        assert!(kinds.iter().all(|kind| known.contains(&&kind[..])), "{kinds:?}");
        // What was inside, by the server's own record: finding, session, browse, read. Browse
        // next only where the server cuts its answers.
        let asked = fs::read_to_string(&services).unwrap();
        let mut asked: BTreeSet<u32> = asked.lines().map(|line| line.parse().unwrap()).collect();
        asked.remove(&533);
        asked.remove(&452);
        assert_eq!(asked.into_iter().collect::<Vec<_>>(), [428, 461, 467, 473, 527, 631]);
        // Opening and closing are told by their kind, all else is one of those.
        assert_eq!(count("HELF"), 2);
    }
}
