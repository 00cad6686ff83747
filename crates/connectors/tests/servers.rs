//! Sources that fetch files, against independent servers.

mod common;

use common::{
    NOON, Place, STRICT, noise,
    peers::{Peer, datagram_tap},
    plant,
};
use connectors::sources;
use std::{
    fs,
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
};
use vault::{
    Report, State,
    verify::{Demands, verify},
};

/// Backs up one source with the logins of `eva`.
fn backup(place: &Place, source: &str) -> Report {
    let secrets = place.at("secrets");
    fs::write(&secrets, "127.0.0.1 eva secret\n").unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), secrets: Some(secrets) };
    let opened = sources::open(source, &context).unwrap();
    vault.backup("panel-2", &mut [opened], NOON.plus_secs(1)).unwrap()
}

/// Backs up one source that has a key, not a password.
fn keyed_backup(place: &Place, source: &str) -> Report {
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), secrets: None };
    let opened = sources::open(source, &context).unwrap();
    vault.backup("panel-2", &mut [opened], NOON.plus_secs(1)).unwrap()
}

fn restore(place: &Place) -> PathBuf {
    let target = place.at("out");
    let vault = place.unlocked();
    let done = vault.restore(&vault.find("latest").unwrap(), &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    target
}

/// Compares the content of the plant's files with what was restored of them.
#[track_caller]
fn same_files(plant: &Path, restored: &Path, names: &[&str]) {
    for name in names {
        assert_eq!(fs::read(restored.join(name)).unwrap(), fs::read(plant.join(name)).unwrap());
    }
}

const NAMES: [&str; 4] = ["nothing", "project/line.cfg", "project/blocks/OB1", "historian.bin"];

#[test]
fn ftp_trees_come_whole_from_new_servers_and_old_ones() {
    for mode in [&[][..], &["old"]] {
        let place = Place::with_vault(STRICT);
        let tree = place.at("plant");
        plant(&tree);
        // Not for FTP: a line break in a name, a link.
        fs::remove_file(tree.join("Füllstand \"2\"\n")).unwrap();
        fs::remove_file(tree.join("current")).unwrap();
        let arguments = [&[tree.to_str().unwrap()][..], mode].concat();
        let Some(peer) = Peer::start("ftp", "pyftpdlib", &arguments) else { return };
        let report = backup(&place, &format!("ftp://127.0.0.1:{}/", peer.port));
        assert_eq!(
            (report.state, report.entries_stored, report.errors),
            (State::Complete, 4, vec![])
        );
        let restored = restore(&place).join(format!("@ftp/127.0.0.1:{}", peer.port));
        same_files(&tree, &restored, &NAMES);
    }
}

#[test]
fn a_wrong_ftp_password_or_path_is_a_fault() {
    let place = Place::with_vault(STRICT);
    let tree = place.at("plant");
    plant(&tree);
    let Some(peer) = Peer::start("ftp", "pyftpdlib", &[tree.to_str().unwrap()]) else { return };
    let report = backup(&place, &format!("ftp://carl@127.0.0.1:{}/", peer.port));
    assert_eq!((report.snapshot, report.errors.len()), (None, 1));
    assert!(report.errors[0].error.contains("530"), "{}", report.errors[0].error);
    let report = backup(&place, &format!("ftp://127.0.0.1:{}/no/such", peer.port));
    assert_eq!((report.snapshot, report.errors.len()), (None, 1));
}

#[test]
fn http_stores_a_document_and_never_an_error_page() {
    let Some(peer) = Peer::start("document", "http.server", &[]) else { return };
    let place = Place::with_vault(STRICT);
    let report = backup(&place, &format!("http://127.0.0.1:{}/cfg/export.xml", peer.port));
    assert_eq!((report.state, report.errors), (State::Complete, vec![]));
    let name = format!("@http/127.0.0.1:{}/cfg/export.xml", peer.port);
    assert_eq!(fs::read(restore(&place).join(name)).unwrap(), b"<config/>");
    for (url, status) in [("cfg/other.xml", "404"), ("cfg/export.xml", "401")] {
        let user = if status == "401" { "carl@" } else { "" };
        let report = backup(&place, &format!("http://{user}127.0.0.1:{}/{url}", peer.port));
        assert_eq!(report.snapshot, None);
        assert!(report.errors[0].error.contains(status), "{}", report.errors[0].error);
    }
}

#[test]
fn tftp_files_come_whole_and_a_missing_one_is_a_fault() {
    let folder = Place::new();
    let tree = folder.at("plant");
    plant(&tree);
    // Ends with a full block, so an empty one follows.
    fs::write(tree.join("even"), noise(5, 3 * 1_428)).unwrap();
    let Some(peer) = Peer::start("tftp", "tftpy", &[tree.to_str().unwrap()]) else { return };
    let (port, sent) = datagram_tap(peer.port);
    for name in ["project/line.cfg", "project/blocks/OB1", "even", "nothing"] {
        let place = Place::with_vault(STRICT);
        let report = backup(&place, &format!("tftp://127.0.0.1:{port}/{name}"));
        assert_eq!((report.state, report.errors), (State::Complete, vec![]), "{name}");
        let restored = restore(&place).join(format!("@tftp/127.0.0.1:{port}"));
        same_files(&tree, &restored, &[name]);
    }
    let place = Place::with_vault(STRICT);
    let report = backup(&place, &format!("tftp://127.0.0.1:{port}/no/such"));
    assert_eq!(report.snapshot, None);
    assert!(report.errors[0].error.contains("server says"), "{}", report.errors[0].error);
    // Read requests and acknowledgements; no write request (2), no data (3).
    let codes: std::collections::BTreeSet<_> =
        sent.lock().unwrap().iter().map(|packet| [packet[0], packet[1]]).collect();
    assert_eq!(codes.into_iter().collect::<Vec<_>>(), [[0, 1], [0, 4]]);
}

/// An sshd of its own on loopback, one process a connection.
struct Sshd {
    port: u16,
    config: PathBuf,
}

impl Sshd {
    #[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
    fn start(place: &Place, more: &str) -> Option<Self> {
        let sshd = Path::new("/usr/sbin/sshd");
        if !sshd.exists() {
            eprintln!("SKIPPED sftp: no sshd; scripts/setup test installs openssh-server");
            return None;
        }
        for name in ["host", "client"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(place.at(name))
                .status();
            assert!(made.unwrap().success());
        }
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let at = |name: &str| place.at(name).display().to_string();
        let server = format!(
            "HostKey {}\nAuthorizedKeysFile {}\nStrictModes no\nUsePAM no\nPidFile none\n\
             PasswordAuthentication no\nSubsystem sftp internal-sftp\n{more}\n",
            at("host"),
            at("client.pub")
        );
        fs::write(place.at("sshd_config"), server).unwrap();
        let host = fs::read_to_string(place.at("host.pub")).unwrap();
        fs::write(place.at("known"), format!("[127.0.0.1]:{port} {host}")).unwrap();
        let client = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nLogLevel ERROR\n",
            at("client"),
            at("known")
        );
        fs::write(place.at("ssh_config"), client).unwrap();
        // Privilege separation wants the directory that the package's service makes.
        drop(fs::create_dir_all("/run/sshd"));
        let config = place.at("sshd_config");
        thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                let input = connection.try_clone().unwrap();
                let mut server = Command::new("/usr/sbin/sshd")
                    .arg("-i")
                    .arg("-f")
                    .arg(&config)
                    .stdin(Stdio::from(std::os::fd::OwnedFd::from(input)))
                    .stdout(Stdio::from(std::os::fd::OwnedFd::from(connection)))
                    .stderr(Stdio::null())
                    .spawn()
                    .unwrap();
                thread::spawn(move || server.wait());
            }
        });
        Some(Self { port, config: place.at("ssh_config") })
    }
}

#[test]
fn sftp_trees_come_whole_with_links_modes_and_times() {
    let place = Place::with_vault(STRICT);
    let Some(sshd) = Sshd::start(&place, "") else { return };
    let tree = place.at("plant");
    plant(&tree);
    fs::File::create(tree.join("many")).unwrap().write_all(&noise(8, 100_000)).unwrap();
    let (port, config) = (sshd.port, sshd.config.display());
    let source = format!("sftp://127.0.0.1:{port}{}?config={config}", tree.display());
    let report = keyed_backup(&place, &source);
    assert_eq!((report.errors, report.state, report.entries_stored), (vec![], State::Complete, 7));
    let restored = restore(&place).join(format!("@sftp/127.0.0.1:{port}"));
    // A pipe has no content, and its being there is kept; left out in silence it would be lost.
    let made = std::process::Command::new("mkfifo").arg(tree.join("to-hmi")).status();
    assert!(made.unwrap().success());
    let report = backup(&place, &source);
    assert_eq!((report.errors, report.state, report.entries_stored), (vec![], State::Complete, 8));
    fs::remove_file(tree.join("to-hmi")).unwrap();
    let restored = common::below(&restored, &tree);
    same_files(&tree, &restored, &NAMES);
    same_files(&tree, &restored, &["many", "Füllstand \"2\"\n"]);
    assert_eq!(fs::read_link(restored.join("current")).unwrap(), Path::new("project/line.cfg"));
    let meta = |root: &Path| fs::metadata(root.join("project/line.cfg")).unwrap();
    let seconds = |root: &Path| std::os::unix::fs::MetadataExt::mtime(&meta(root));
    assert_eq!(meta(&restored).permissions(), meta(&tree).permissions());
    assert_eq!(seconds(&restored), seconds(&tree));
    let report = keyed_backup(&place, &format!("sftp://127.0.0.1:{port}/no/such?config={config}"));
    assert_eq!(report.snapshot, None);
    assert!(report.errors[0].error.contains("No such file"), "{}", report.errors[0].error);
}

#[test]
fn a_switch_shows_its_configuration_and_gets_no_command_that_changes_it() {
    for pages in ["modern", "paged"] {
        let place = Place::with_vault(STRICT);
        let log = place.at("commands");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/switch.py");
        let command = format!("python3 {} {} {pages}", script.display(), log.display());
        let Some(sshd) = Sshd::start(&place, &format!("ForceCommand {command}")) else { return };
        let (port, config) = (sshd.port, sshd.config.display());
        let source = format!("ssh-config://127.0.0.1:{port}/cisco-ios?mask=yes&config={config}");
        let report = keyed_backup(&place, &source);
        assert_eq!((report.errors, report.state), (vec![], State::Complete));
        let folder = restore(&place).join(format!("@ssh-config/127.0.0.1:{port}"));
        let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let running = text("running-config.txt");
        assert_eq!(running.lines().count(), 5 + 96 + 2, "{running}");
        for line in ["hostname sw1", "username eva privilege 15 secret 5 <masked>", "end"] {
            assert!(running.lines().any(|l| l == line), "{line} in {running}");
        }
        assert!(!running.contains("clock-period") && !running.contains("03:12"), "{running}");
        assert!(text("last-change.txt").contains("by eva"));
        assert_eq!(text("version.txt"), "Version 15.2(7)E\n24 ports\n");
        // What the device does not know is told.
        let not_shown = text("not-shown.csv");
        assert!(not_shown.contains("\"show vlan brief\",\"% Invalid input"), "{not_shown}");
        let commands = fs::read_to_string(&log).unwrap();
        let allowed = ["terminal length 0", "terminal width 0", "exit"];
        let sent: Vec<_> = commands.lines().collect();
        assert_eq!(sent.len(), 7, "{commands}");
        assert!(sent.iter().all(|c| allowed.contains(c) || c.starts_with("show ")), "{commands}");
    }
}

#[test]
fn a_switch_that_shows_no_configuration_is_a_fault() {
    let place = Place::with_vault(STRICT);
    let command = "printf 'login ok\\nsw1> '; read a; exit 0";
    let Some(sshd) = Sshd::start(&place, &format!("ForceCommand {command}")) else { return };
    let (port, config) = (sshd.port, sshd.config.display());
    let report =
        keyed_backup(&place, &format!("ssh-config://127.0.0.1:{port}/moxa?config={config}"));
    assert_eq!((report.snapshot, report.errors.len()), (None, 1));
    assert!(report.errors[0].error.contains("hung up"), "{}", report.errors[0].error);
}

#[test]
fn a_linux_firewall_is_asked_command_by_command() {
    let place = Place::with_vault(STRICT);
    let Some(sshd) = Sshd::start(&place, "") else { return };
    let (port, config) = (sshd.port, sshd.config.display());
    let report =
        keyed_backup(&place, &format!("ssh-config://127.0.0.1:{port}/linux?config={config}"));
    let folder = restore(&place).join(format!("@ssh-config/127.0.0.1:{port}"));
    let text = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!((report.errors, report.state), (vec![], State::Complete));
    assert!(text("addresses.txt").contains("127.0.0.1/8"));
    assert!(text("release.txt").contains("ID="));
    let path = format!("ssh-config://127.0.0.1:{port}/linuks");
    let context = sources::Context::default();
    let error = sources::open(&path, &context).err().unwrap().to_string();
    assert!(error.contains("cisco-ios, hirschmann-hios"), "{error}");
}

#[test]
fn a_vault_behind_a_web_server_is_verified_and_a_changed_byte_found() {
    let place = Place::with_vault(STRICT);
    let tree = place.at("plant");
    plant(&tree);
    place.backup_files(&tree, 1);
    let vault = place.vault();
    let Some(peer) = Peer::start("folder", "http.server", &[vault.to_str().unwrap()]) else {
        return;
    };
    let access = connectors::vault_http::Access::default();
    let web =
        connectors::vault_http::Remote::at(&format!("http://127.0.0.1:{}/", peer.port), &access)
            .unwrap()
            .unwrap();
    let verdict = verify(&web, &Demands::default());
    assert_eq!((verdict.problems, verdict.entries, verdict.snapshots), (vec![], 2, 1));
    let packs = common::objects(&place, "data");
    common::flip(&packs[0], 100);
    let verdict = verify(&web, &Demands::default());
    assert_eq!((verdict.ok, verdict.problems[0].entry), (false, Some(1)));
    fs::remove_file(&packs[0]).unwrap();
    let verdict = verify(&web, &Demands::default());
    assert_eq!(verdict.problems[0].what, "it is missing");
    assert!(connectors::vault_http::Remote::at("/srv/vault", &access).unwrap().is_none());
}

/// A peer that answers everything with noise, then hangs up.
fn babbler(seed: u64, length: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut noise = noise(seed, length);
            // Now and then something that looks like the protocol's own beginning.
            let heads: [&[u8]; 9] = [
                b"220 hello\r\n331 \r\n230 \r\n200 \r\n229 (|||9|)\r\n",
                &[3, 0, 0, 22, 17, 0xd0],
                &[0, 1, 0, 0, 0, 9, 1, 3],
                &[0x63, 0, 40, 0],
                b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
                b"ACKF\x08\0\0\0OPNF\x40\0\0\0",
                &[0, 0, 40, 0, 0, 0],
                b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I",
                b"NBDMAGICIHAVEOPT\0\x03",
            ];
            let head = heads[usize::try_from(seed).unwrap() % heads.len()];
            noise[..head.len()].copy_from_slice(head);
            drop(connection.write_all(&noise));
        }
    });
    port
}

#[test]
fn peers_that_babble_are_faults_and_never_a_panic() {
    let place = Place::with_vault(STRICT);
    for seed in 0..20 {
        let port = babbler(seed, 200 + 37 * usize::try_from(seed).unwrap());
        for source in [
            format!("modbus:127.0.0.1:{port}?unit=1&holding=0-9&pause_ms=0"),
            format!("s7:127.0.0.1:{port}?pause_ms=0"),
            format!("cip:127.0.0.1:{port}"),
            format!("ftp://127.0.0.1:{port}/"),
            format!("http://127.0.0.1:{port}/x"),
            format!("opcua:127.0.0.1:{port}?pause_ms=0"),
            format!("ads:127.0.0.1:{port}?pause_ms=0"),
            format!("cip:127.0.0.1:{port}?tags=yes&pause_ms=0"),
            format!("postgres://eva@127.0.0.1:{port}/x"),
            format!("nbd://127.0.0.1:{port}/x"),
        ] {
            let context = sources::Context { staging: place.at(""), secrets: None };
            let mut opened = sources::open(&source, &context).unwrap();
            let vault = place.unlocked();
            let report = vault.backup("x", std::slice::from_mut(&mut opened), NOON).unwrap();
            assert!(!report.errors.is_empty(), "{source}");
        }
    }
}
