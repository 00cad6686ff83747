//! Databases and shares of plants, against PostgreSQL and Samba, with a tap that proves that
//! they are only read.

mod common;

use common::{
    NOON, Place, STRICT, noise,
    peers::{Sent, tap},
    plant,
};
use connectors::sources;
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use vault::{Report, State};

/// Backs up one source; `login` is the line of secrets for this machine.
fn backup(place: &Place, source: &str, login: &str) -> Report {
    let secrets = place.at("secrets");
    fs::write(&secrets, format!("127.0.0.1 {login}\nlocalhost {login}\n")).unwrap();
    fs::set_permissions(&secrets, fs::Permissions::from_mode(0o600)).unwrap();
    let vault = place.unlocked();
    let context = sources::Context { staging: vault.vault().staging(), secrets: Some(secrets) };
    let opened = sources::open(source, &context).unwrap();
    vault.backup("historian-1", &mut [opened], NOON.plus_secs(1)).unwrap()
}

fn restore(place: &Place, report: &Report) -> PathBuf {
    let target = place.at("out");
    let done = place.unlocked().restore(&report.snapshot.unwrap(), &target, None, NOON).unwrap();
    assert_eq!(done.errors, []);
    target
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a program of ours takes connections.
fn until_listening(port: u16, child: &mut Child) {
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(child.try_wait().unwrap().is_none(), "the server ended");
        std::thread::yield_now();
    }
}

#[expect(clippy::print_stderr, reason = "a skipped test must be seen")]
fn skipped(what: &str, package: &str) {
    eprintln!("SKIPPED {what}: {package} is not installed; scripts/setup test installs it");
}

/// A PostgreSQL server of its own, with a small historian in it.
struct Postgres {
    child: Child,
    bin: PathBuf,
    port: u16,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Smart enough: an immediate shutdown, as nothing in it is kept.
        let pid = self.child.id().to_string();
        drop(Command::new("kill").args(["-QUIT", &pid]).status());
        drop(self.child.wait());
    }
}

impl Postgres {
    fn start(place: &Place) -> Option<Self> {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let bins = versions.map(|entry| entry.path().join("bin"));
        let Some(bin) = bins.filter(|bin| bin.join("initdb").exists()).max() else {
            skipped("postgres", "postgresql");
            return None;
        };
        let folder = place.at("postgres");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("password"), "secret\n").unwrap();
        let is_root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        if is_root {
            // The server refuses to run as root; its own user must reach the folder.
            fs::set_permissions(place.at(""), fs::Permissions::from_mode(0o711)).unwrap();
            let owned = Command::new("chown").args(["-R", "postgres"]).arg(&folder).status();
            assert!(owned.unwrap().success());
        }
        let run = |program: &str| {
            let program = bin.join(program);
            if !is_root {
                return Command::new(program);
            }
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
            command.arg(program);
            command
        };
        let mut made = run("initdb");
        made.current_dir(&folder).args(["-D", "data", "-U", "eva", "-N", "-A", "scram-sha-256"]);
        let made = made.args(["--pwfile=password", "-E", "UTF8", "--locale=C"]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = free_port();
        let settings = ["fsync=off", "listen_addresses=127.0.0.1", "unix_socket_directories="];
        let mut server = run("postgres");
        server.current_dir(&folder).args(["-D", "data", "-p", &port.to_string()]);
        server.args(settings.iter().flat_map(|setting| ["-c", setting]));
        let child = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut server = Self { child, bin, port };
        until_listening(port, &mut server.child);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers/historian.sql");
        server.psql("postgres", &["-f", script.to_str().unwrap()], place);
        Some(server)
    }

    /// Runs psql until it can connect, as the server may still be starting.
    #[track_caller]
    fn psql(&self, database: &str, arguments: &[&str], place: &Place) -> String {
        let run = || -> Output {
            Command::new(self.bin.join("psql"))
                .current_dir(place.at(""))
                .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "eva", "-X", "-q"])
                .args(["-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database])
                .args(arguments)
                .env("PGPASSWORD", "secret")
                .output()
                .unwrap()
        };
        let mut output = run();
        while output.status.code() == Some(2) {
            output = run();
        }
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The statements in what a client sent to a PostgreSQL server.
fn statements(sent: &Sent) -> Vec<String> {
    let mut found = Vec::new();
    for bytes in sent.lock().unwrap().iter() {
        let startup = u32::from_be_bytes(bytes[..4].try_into().unwrap());
        let mut rest = &bytes[usize::try_from(startup).unwrap()..];
        while let [kind, l0, l1, l2, l3, ..] = rest {
            let length = usize::try_from(u32::from_be_bytes([*l0, *l1, *l2, *l3])).unwrap();
            assert!(b"pQX".contains(kind), "message {}", char::from(*kind));
            if *kind == b'Q' {
                let text = &rest[5..length];
                found.push(String::from_utf8(text.to_vec()).unwrap());
            }
            rest = &rest[1 + length..];
        }
    }
    found
}

#[test]
fn a_historian_comes_whole_and_psql_makes_it_again() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::start(&place) else { return };
    let (port, sent) = tap(server.port);
    let report = backup(&place, &format!("postgres://eva@127.0.0.1:{port}/postgres"), "eva secret");
    assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete));
    let folder = restore(&place, &report).join(format!("@postgres/127.0.0.1:{port}/postgres"));
    let tables = fs::read_to_string(folder.join("tables.csv")).unwrap();
    assert_eq!(
        tables,
        "table,rows,newest\n\"plant.odd/name\",1,\"\"\n\"plant.point\",2,\"\"\n\
         \"plant.sample_2026\",10000,\"2026-03-01 02:46:39+00\"\n"
    );
    // What was sent: one transaction that reads.
    let statements = statements(&sent);
    assert_eq!(statements[0], "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY");
    for statement in &statements[1..] {
        let reads = statement.starts_with("SELECT ")
            || statement == "SAVEPOINT tables"
            || (statement.starts_with("COPY \"plant\".") && statement.ends_with(" TO STDOUT"));
        assert!(reads, "{statement}");
    }
    // Into another database; then both say the same.
    server.psql("postgres", &["-c", "CREATE DATABASE again TEMPLATE template0"], &place);
    fs::set_permissions(place.at(""), fs::Permissions::from_mode(0o711)).unwrap();
    let script = format!("\\cd {}\n\\i restore.psql\n", folder.display());
    fs::write(place.at("script"), script).unwrap();
    server.psql("again", &["-f", "script"], &place);
    let questions = [
        "SELECT * FROM plant.point ORDER BY id",
        "SELECT md5(string_agg(s::text, '' ORDER BY at)) FROM plant.sample s",
        "SELECT * FROM plant.\"odd/name\"",
        "SELECT * FROM plant.counts",
        "SELECT nextval('plant.counter'), plant.twice(4)",
        "INSERT INTO plant.point (name) VALUES ('new') RETURNING id, code, fill, twice",
        "UPDATE plant.point SET name = 'level' WHERE id = 2 RETURNING name",
        "SELECT indexdef FROM pg_indexes WHERE schemaname = 'plant' ORDER BY indexname",
    ];
    for question in questions {
        let ask = |database: &str| server.psql(database, &["-c", question], &place);
        assert_eq!(ask("again"), ask("postgres"), "{question}");
    }
}

#[test]
fn a_wrong_password_a_table_that_may_not_be_read_and_what_is_not_kept_are_faults() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::start(&place) else { return };
    let source = format!("postgres://eva@127.0.0.1:{}/postgres", server.port);
    let report = backup(&place, &source, "eva wrong");
    assert_eq!(report.snapshot, None);
    assert!(report.errors[0].error.contains("password authentication"), "{:?}", report.errors);
    let script = "SET password_encryption = md5; CREATE ROLE bert LOGIN PASSWORD 'old'; \
                  GRANT USAGE ON SCHEMA plant TO bert; GRANT SELECT ON plant.point TO bert; \
                  GRANT SELECT ON ALL SEQUENCES IN SCHEMA plant TO bert; \
                  SELECT lo_create(7); \
                  CREATE TABLE plant.alarm AS SELECT generate_series(1, 9) AS id; \
                  ALTER TABLE plant.alarm ENABLE ROW LEVEL SECURITY; \
                  CREATE POLICY one ON plant.alarm USING (id = 1); \
                  GRANT SELECT ON plant.alarm TO bert; \
                  CREATE COLLATION plant.plain (provider = libc, locale = 'C'); \
                  CREATE PUBLICATION mirror FOR TABLE plant.point;";
    server.psql("postgres", &["-c", script], &place);
    // The old way to prove a password is what old servers ask for.
    let rules = place.at("postgres/data/pg_hba.conf");
    fs::write(&rules, "host all bert 127.0.0.1/32 md5\nhost all all 127.0.0.1/32 scram-sha-256\n")
        .unwrap();
    server.psql("postgres", &["-c", "SELECT pg_reload_conf()"], &place);
    let source = format!("postgres://bert@127.0.0.1:{}/postgres", server.port);
    let report = backup(&place, &source, "bert old");
    assert_eq!(report.state, State::Partial);
    let said: Vec<_> = report.errors.iter().map(|fault| fault.error.as_str()).collect();
    assert!(said.contains(&"not kept: large objects 1"), "{said:?}");
    let warned: Vec<_> = report.warnings.iter().map(|fault| fault.error.as_str()).collect();
    for what in [
        "policy one of plant.alarm",
        "row-level security of plant.alarm",
        "collation plant.plain",
        "publication mirror",
    ] {
        assert!(warned.contains(&&*format!("not kept: {what}")), "{what}: {warned:?}");
    }
    // What a policy hides is not left out in silence.
    let hidden = |text: &&str| text.contains("row-level security policy for table \"alarm\"");
    assert_eq!(said.iter().copied().filter(hidden).count(), 1, "{said:?}");
    let denied = said.iter().filter(|text| text.contains("permission denied")).count();
    assert_eq!(denied, 2, "{said:?}");
    // Tables that come after those are read all the same.
    let folder =
        restore(&place, &report).join(format!("@postgres/127.0.0.1:{}/postgres", server.port));
    let rows = fs::read_to_string(folder.join("2-rows/plant.point.copy")).unwrap();
    assert_eq!(rows.lines().count(), 2, "{rows}");
    assert!(!folder.join("2-rows/plant.alarm.copy").exists());
}

/// A Samba server of its own with one share, read-only as the folder is the test's.
struct Samba {
    child: Child,
    port: u16,
}

impl Drop for Samba {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Samba {
    fn start(place: &Place, share: &Path) -> Option<Self> {
        let programs = ["/usr/sbin/smbd", "/usr/bin/smbclient", "/usr/bin/pdbedit"];
        if !programs.iter().all(|program| Path::new(program).exists()) {
            skipped("smb", "samba or smbclient");
            return None;
        }
        let folder = place.at("samba");
        fs::create_dir(&folder).unwrap();
        let (own, port) = (folder.display(), free_port());
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout);
        let user = user.unwrap();
        let mut config = String::from("[global]\n");
        for name in ["private dir", "lock directory", "state directory", "cache directory"] {
            config += &format!("{name} = {own}\n");
        }
        config += &format!(
            "pid directory = {own}\nncalrpc dir = {own}/rpc\nlog file = {own}/log\n\
             smb ports = {port}\nbind interfaces only = yes\ninterfaces = lo\n\
             server role = standalone\ndisable spoolss = yes\nload printers = no\n\
             username map = {own}/users\n[plant]\npath = {}\nread only = no\n",
            share.display()
        );
        fs::write(folder.join("smb.conf"), config).unwrap();
        fs::write(folder.join("users"), format!("{} = eva\n", user.trim())).unwrap();
        let mut added = Command::new("pdbedit")
            .arg(format!("--configfile={own}/smb.conf"))
            .args(["-a", "-t", "-u", user.trim()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut added.stdin.take().unwrap(), b"secret\nsecret\n").unwrap();
        assert!(added.wait().unwrap().success());
        let mut child = Command::new("smbd")
            .arg(format!("--configfile={own}/smb.conf"))
            .args(["-F", "--no-process-group", "-l"])
            .arg(&folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        until_listening(port, &mut child);
        Some(Self { child, port })
    }
}

/// Commands, and how files were opened, in what a client sent to an SMB 2 or 3 server.
fn smb_commands(sent: &Sent) -> std::collections::BTreeSet<(u16, u32)> {
    let mut found = std::collections::BTreeSet::new();
    for bytes in sent.lock().unwrap().iter() {
        let mut rest = &bytes[..];
        while rest.len() > 4 {
            let length = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]);
            let (frame, after) = rest[4..].split_at(usize::try_from(length).unwrap());
            rest = after;
            // SMB 1 is used to ask which version to speak.
            if frame.starts_with(b"\xffSMB") {
                found.insert((u16::from(frame[4]), 0));
                continue;
            }
            assert!(frame.starts_with(b"\xfeSMB"), "encrypted frames cannot be judged");
            let mut at = 0;
            loop {
                let command = u16::from_le_bytes([frame[at + 12], frame[at + 13]]);
                // Create: its disposition; 1 opens what is there.
                let how = if command == 5 { frame[at + 64 + 36] } else { 0 };
                found.insert((command, u32::from(how)));
                let next = u32::from_le_bytes(frame[at + 20..at + 24].try_into().unwrap());
                if next == 0 {
                    break;
                }
                at += usize::try_from(next).unwrap();
            }
        }
    }
    found
}

#[test]
fn a_share_comes_whole_and_smbclient_is_made_to_read_only() {
    let place = Place::with_vault(STRICT);
    let tree = place.at("plant");
    plant(&tree);
    // Not for Windows: such a name. Samba follows the link inside the share.
    fs::remove_file(tree.join("Füllstand \"2\"\n")).unwrap();
    fs::remove_file(tree.join("current")).unwrap();
    let long = "n".repeat(150);
    fs::write(tree.join(&long), b"long").unwrap();
    fs::write(tree.join("Füllstand 2"), noise(9, 70_000)).unwrap();
    let Some(server) = Samba::start(&place, &tree) else { return };
    let (port, sent) = tap(server.port);
    let report = backup(&place, &format!("smb://eva@127.0.0.1:{port}/plant"), "eva secret");
    assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete));
    assert_eq!(report.entries_stored, 6);
    let folder = restore(&place, &report).join(format!("@smb/127.0.0.1:{port}/plant"));
    let names = ["nothing", "project/line.cfg", "project/blocks/OB1", "historian.bin"];
    for name in names.into_iter().chain(["Füllstand 2", &long]) {
        assert_eq!(fs::read(folder.join(name)).unwrap(), fs::read(tree.join(name)).unwrap());
        let seconds = |root: &Path| {
            std::os::unix::fs::MetadataExt::mtime(&fs::metadata(root.join(name)).unwrap())
        };
        assert_eq!(seconds(&folder), seconds(&tree), "{name}");
    }
    assert!(folder.join("empty").is_dir());
    let commands = smb_commands(&sent);
    // Negotiate, set-up, logoff, connect, disconnect, create, close, read, control, echo, find,
    // query; no write (9), no set (17), no lock; and create opens only.
    let allowed = [0, 1, 2, 3, 4, 5, 6, 8, 11, 13, 14, 16, 0x72];
    assert!(commands.iter().all(|(c, _)| allowed.contains(c)), "{commands:?}");
    let opens = commands.iter().filter(|(command, _)| *command == 5);
    assert!(opens.map(|(_, how)| *how).eq([1]), "{commands:?}");
}

#[test]
fn a_folder_of_a_share_and_what_cannot_be_had_of_one() {
    let place = Place::with_vault(STRICT);
    let tree = place.at("plant");
    plant(&tree);
    let Some(server) = Samba::start(&place, &tree) else { return };
    let port = server.port;
    let report = backup(&place, &format!("smb://eva@127.0.0.1:{port}/plant/project"), "eva secret");
    assert_eq!((report.errors.clone(), report.entries_stored), (vec![], 2));
    let folder = restore(&place, &report).join(format!("@smb/127.0.0.1:{port}/plant"));
    assert!(folder.join("project/blocks/OB1").exists());
    for (source, login, word) in [
        (format!("smb://eva@127.0.0.1:{port}/plant"), "eva wrong", "LOGON_FAILURE"),
        (format!("smb://eva@127.0.0.1:{port}/other"), "eva secret", "BAD_NETWORK_NAME"),
        (format!("smb://eva@127.0.0.1:{port}/plant/no/such"), "eva secret", "NOT_FOUND"),
    ] {
        let report = backup(&place, &source, login);
        assert_eq!((report.snapshot, report.errors.len()), (None, 1), "{source}");
        assert!(report.errors[0].error.contains(word), "{}", report.errors[0].error);
    }
}

/// Listens before `port` and passes on until a connection has had `most` bytes; then both its ends
/// are closed.
fn breaking(port: u16, most: u64) -> u16 {
    use std::{io::Read as _, net::TcpStream, thread};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let client = client.unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            let (mut up, mut back) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut up, &mut back));
            thread::spawn(move || {
                // Either end may be gone already, which is what this is for.
                drop(std::io::copy(&mut (&server).take(most), &mut &client));
                drop(client.shutdown(std::net::Shutdown::Both));
                drop(server.shutdown(std::net::Shutdown::Both));
            });
        }
    });
    own
}

#[test]
fn a_file_during_which_the_link_broke_is_a_fault_and_not_kept() {
    let place = Place::with_vault(STRICT);
    let tree = place.at("plant");
    // smbclient takes the files of a folder before the folders in it.
    fs::create_dir_all(tree.join("db")).unwrap();
    fs::write(tree.join("line.cfg"), b"1").unwrap();
    fs::write(tree.join("db/dump.bak"), noise(9, 3_000_000)).unwrap();
    let Some(server) = Samba::start(&place, &tree) else { return };
    let port = breaking(server.port, 1_500_000);
    let report = backup(&place, &format!("smb://eva@127.0.0.1:{port}/plant"), "eva secret");
    assert_eq!(report.state, State::Partial);
    let share = format!("/@smb/127.0.0.1:{port}/plant/");
    let faults: Vec<_> = report.errors.iter().map(|fault| fault.path.as_str()).collect();
    assert_eq!(faults, [share.clone(), format!("{share}db/dump.bak")], "{:?}", report.errors);
    let folder = restore(&place, &report).join(&share[1..]);
    assert_eq!(fs::read(folder.join("line.cfg")).unwrap(), b"1");
    assert!(!folder.join("db/dump.bak").exists());
}

/// A program that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn a_disk_of_a_virtual_machine_comes_whole_and_its_empty_parts_are_not_read() {
    let place = Place::with_vault(STRICT);
    if Command::new("qemu-nbd").arg("--version").output().is_err() {
        return skipped("nbd", "qemu-utils");
    }
    let (raw, disk) = (place.at("disk.raw"), place.at("disk.qcow2"));
    let file = fs::File::create(&raw).unwrap();
    file.set_len(96 * 1_048_576).unwrap();
    // Data at the beginning, over a border of clusters in the middle, and at the very end.
    for (seed, at) in [(1, 0), (2, 40 * 1_048_576 + 65_000), (3, 96 * 1_048_576 - 300_000)] {
        std::os::unix::fs::FileExt::write_all_at(&file, &noise(seed, 300_000), at).unwrap();
    }
    drop(file);
    let convert = Command::new("qemu-img")
        .args(["convert", "-f", "raw", "-O", "qcow2"])
        .args([&raw, &disk])
        .status();
    assert!(convert.unwrap().success());
    let port = free_port();
    let mut server = Running(
        Command::new("qemu-nbd")
            .args(["--read-only", "--persistent", "--shared=0", "-b", "127.0.0.1", "-x", "hmi"])
            .args(["-f", "qcow2", "-p", &port.to_string()])
            .arg(&disk)
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );
    until_listening(port, &mut server.0);
    let (port, sent) = tap(port);
    let report = backup(&place, &format!("nbd://127.0.0.1:{port}/hmi"), "eva secret");
    assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete));
    let image = restore(&place, &report).join(format!("@nbd/127.0.0.1:{port}/hmi.raw"));
    assert!(fs::read(image).unwrap() == fs::read(&raw).unwrap(), "the image differs");
    // Requests: magic, flags, type, cookie, offset, length.
    let bytes = sent.lock().unwrap().concat();
    let first = bytes.windows(4).position(|word| word == [0x25, 0x60, 0x95, 0x13]).unwrap();
    let requests = bytes[first..].as_chunks::<28>().0;
    let mut read = 0;
    for request in requests {
        assert_eq!(request[..6], [0x25, 0x60, 0x95, 0x13, 0, 0]);
        let length = u32::from_be_bytes(request[24..].try_into().unwrap());
        match request[6..8] {
            [0, 0] => read += length,
            [0, 2 | 7] => {}
            ref other => panic!("command {other:?} was sent"),
        }
    }
    assert!((900_000..4_000_000).contains(&read), "{read} octets of 96 MiB were read");
    let report = backup(&place, &format!("nbd://127.0.0.1:{port}/other"), "eva secret");
    assert_eq!(report.snapshot, None);
    assert!(report.errors[0].error.contains("no export `other`"), "{:?}", report.errors);
}

/// The octets that commands of reading asked for.
fn octets_read(sent: &[u8]) -> u64 {
    let first = sent.windows(4).position(|word| word == [0x25, 0x60, 0x95, 0x13]);
    let Some(first) = first else { return 0 };
    // What follows a good-bye is the greeting of another connection; requests begin anew there.
    let mut read = 0;
    let mut rest = &sent[first..];
    while let Some(request) = rest.first_chunk::<28>() {
        if request[..4] != [0x25, 0x60, 0x95, 0x13] {
            rest = &rest[1..];
            continue;
        }
        if request[6..8] == [0, 0] {
            read += u64::from(u32::from_be_bytes(request[24..].try_into().unwrap()));
        }
        rest = &rest[28..];
    }
    read
}

#[track_caller]
fn qemu(program: &str, arguments: &[&str], disk: &std::path::Path) {
    let status = Command::new(program).args(arguments).arg(disk).stdout(Stdio::null()).status();
    assert!(status.unwrap().success(), "{program} {arguments:?}");
}

fn qemu_nbd(disk: &std::path::Path, port: u16, bitmap: Option<&str>) -> Running {
    let mut command = Command::new("qemu-nbd");
    command.args(["--read-only", "--persistent", "--shared=0", "-b", "127.0.0.1", "-x", "hmi"]);
    command.args(["-f", "qcow2", "-p", &port.to_string()]);
    command.args(bitmap.into_iter().flat_map(|name| ["-B", name]));
    let mut server = Running(command.arg(disk).stderr(Stdio::null()).spawn().unwrap());
    until_listening(port, &mut server.0);
    server
}

/// Bitmaps are added and ended with the disk's name in the middle.
fn bitmap(action: &str, disk: &std::path::Path, name: &str) {
    let status =
        Command::new("qemu-img").args(["bitmap", action]).arg(disk).arg(name).status().unwrap();
    assert!(status.success(), "{action} {name}");
}

#[test]
fn of_a_disk_with_a_dirty_bitmap_only_what_changed_is_read_and_the_image_is_whole() {
    let place = Place::with_vault(STRICT);
    if Command::new("qemu-nbd").arg("--version").output().is_err() {
        return skipped("nbd with dirty bitmaps", "qemu-utils");
    }
    let disk = place.at("disk.qcow2");
    let write = |pattern: u8, at: &str, length: &str| {
        let command = format!("write -P {pattern} {at} {length}");
        qemu("qemu-io", &["-f", "qcow2", "-c", &command], &disk);
    };
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("64M");
    assert!(create.status().unwrap().success());
    for (pattern, at) in [(1, "0"), (2, "20M"), (3, "60M")] {
        write(pattern, at, "3M");
    }
    let port = free_port();
    let serve = |bitmap: Option<&str>| qemu_nbd(&disk, port, bitmap);
    let (tapped, sent) = tap(port);
    let now = std::cell::Cell::new(0);
    let take = |options: &str| {
        sent.lock().unwrap().clear();
        // Two images of one moment and one size would be taken for the same.
        now.set(now.get() + 60);
        let source = format!("nbd://127.0.0.1:{tapped}/hmi{options}");
        let report = place.backup(&[&source], now.get());
        assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete), "{options}");
        drop(fs::remove_dir_all(place.at("out")));
        let folder = restore(&place, &report).join(format!("@nbd/127.0.0.1:{tapped}"));
        let raw = place.at("now.raw");
        let mut convert = Command::new("qemu-img");
        convert.args(["convert", "-U", "-O", "raw"]).arg(&disk).arg(&raw);
        assert!(convert.status().unwrap().success());
        let same = fs::read(folder.join("hmi.raw")).unwrap() == fs::read(&raw).unwrap();
        assert!(same, "the image after {options} differs");
        let read = octets_read(&sent.lock().unwrap().concat());
        let word = fs::read_to_string(folder.join("hmi.bitmap.json")).unwrap_or_default();
        (read, word)
    };
    bitmap("--add", &disk, "b0");
    let server = serve(None);
    let (read, word) = take("?next=b0");
    assert!(read >= 9 << 20, "{read} octets: all that is not zero");
    assert!(word.contains("\"next\":\"b0\"") && word.contains("\"changed\":null"), "{word}");
    drop(server);
    write(7, "21M", "128k");
    write(8, "40M", "64k");
    bitmap("--add", &disk, "b1");
    let server = serve(Some("b0"));
    let (read, word) = take("?bitmap=b0&next=b1");
    assert!((192 << 10..1 << 20).contains(&read), "{read} octets of 64 MiB");
    assert!(word.contains("\"changed\":196608"), "{word}");
    drop(server);
    // A bitmap that began before the snapshot before, or one that is not served, is not used.
    write(9, "5M", "64k");
    let server = serve(Some("b0"));
    let (read, _) = take("?bitmap=b0&next=b9");
    assert!(read > 9 << 20, "{read} octets");
    let (read, _) = take("?bitmap=b9&next=b1");
    assert!(read > 9 << 20, "{read} octets");
    drop(server);
    let server = serve(Some("b1"));
    let (read, word) = take("?bitmap=b1");
    assert!(read <= 1 << 20 && word.is_empty(), "{read} octets, {word}");
    drop(server);
}

#[test]
fn a_bitmap_whose_name_was_offered_again_since_the_snapshot_before_is_not_trusted() {
    let place = Place::with_vault(STRICT);
    if Command::new("qemu-nbd").arg("--version").output().is_err() {
        return skipped("nbd with names of bitmaps in turn", "qemu-utils");
    }
    let disk = place.at("disk.qcow2");
    let mut create = Command::new("qemu-img");
    create.args(["create", "-q", "-f", "qcow2"]).arg(&disk).arg("8M");
    assert!(create.status().unwrap().success());
    let port = free_port();
    let round = std::cell::Cell::new(0_u8);
    // Each round writes somewhere else; `more` is a source that fails, so that it is not whole.
    let take = |served: Option<&str>, options: &str, more: Option<&str>| {
        round.set(round.get() + 1);
        let n = round.get();
        let source = format!("nbd://127.0.0.1:{port}/hmi{options}");
        let server = qemu_nbd(&disk, port, served);
        let sources: Vec<&str> = [&source[..]].into_iter().chain(more).collect();
        let report = place.backup(&sources, 60 * i64::from(n));
        drop(server);
        let write = format!("write -P {n} {n}M 64k");
        qemu("qemu-io", &["-f", "qcow2", "-c", &write], &disk);
        report
    };
    let fails = Some("http://127.0.0.1:1/nobody");
    bitmap("--add", &disk, "b0");
    assert_eq!(take(None, "?next=b0", None).state, State::Complete);
    bitmap("--add", &disk, "b1");
    assert_eq!(take(Some("b0"), "?bitmap=b0&next=b1", fails).state, State::Partial);
    bitmap("--remove", &disk, "b0");
    bitmap("--add", &disk, "b0");
    assert_eq!(take(Some("b1"), "?bitmap=b1&next=b0", fails).state, State::Partial);
    // The newest whole snapshot says `next` b0, and this b0 knows nothing of the first two writes.
    let raw = place.at("now.raw");
    let mut convert = Command::new("qemu-img");
    convert.args(["convert", "-O", "raw"]).arg(&disk).arg(&raw);
    assert!(convert.status().unwrap().success());
    let report = take(Some("b0"), "?bitmap=b0&next=b1", None);
    assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete));
    let image = restore(&place, &report).join(format!("@nbd/127.0.0.1:{port}/hmi.raw"));
    assert!(fs::read(image).unwrap() == fs::read(&raw).unwrap(), "the image differs");
}

/// An authority's certificate, and one it signed for these names with its key.
fn certified(names: &[&str]) -> (String, String, String) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = rcgen::KeyPair::generate().unwrap();
    let signed = rcgen::CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    (root.pem(), signed.pem(), key.serialize_pem())
}

#[test]
fn a_server_that_proves_itself_is_read_encrypted_and_no_other() {
    let place = Place::with_vault(STRICT);
    let Some(server) = Postgres::start(&place) else { return };
    let (root, certificate, key) = certified(&["127.0.0.1"]);
    let (stranger, _, _) = certified(&["127.0.0.1"]);
    let data = place.at("postgres/data");
    for (name, text) in [("root.pem", &root), ("own.pem", &certificate), ("other.pem", &stranger)] {
        fs::write(place.at(name), text).unwrap();
    }
    // The server's own files, as its own user.
    let own = format!(
        "COPY (SELECT unnest(string_to_array('{}', E'\n'))) TO '{data}/server.crt'; \
         COPY (SELECT unnest(string_to_array('{}', E'\n'))) TO '{data}/server.key'",
        certificate.trim(),
        key.trim(),
        data = data.display(),
    );
    server.psql("postgres", &["-c", &own], &place);
    let mode = fs::Permissions::from_mode(0o600);
    fs::set_permissions(data.join("server.key"), mode).unwrap();
    let refuse = format!("postgres://eva@127.0.0.1:{}/postgres?sslrootcert=", server.port);
    let root = place.at("root.pem").display().to_string();
    let report = backup(&place, &format!("{refuse}{root}"), "eva secret");
    assert!(report.errors[0].error.contains("does not encrypt"), "{:?}", report.errors);
    server.psql("postgres", &["-c", "ALTER SYSTEM SET ssl = on"], &place);
    let rules = "hostssl all all 127.0.0.1/32 scram-sha-256\nhost all eva 127.0.0.1/32 reject\n";
    fs::write(data.join("pg_hba.conf"), rules).unwrap();
    server.psql("postgres", &["-c", "SELECT pg_reload_conf()"], &place);
    let on = || server.psql("postgres", &["-c", "SHOW ssl"], &place).starts_with("on");
    assert!((0..400).any(|_| on()), "the server does not begin to encrypt");

    let (port, sent) = tap(server.port);
    let source = |file: &str, more: &str| {
        let file = place.at(file).display().to_string();
        format!("postgres://eva@127.0.0.1:{port}/postgres?sslrootcert={file}{more}")
    };
    let report = backup(&place, &source("other.pem", ""), "eva secret");
    assert!(report.errors[0].error.contains("certificate"), "{:?}", report.errors);
    let asked = sent.lock().unwrap().concat();
    assert!(!asked.windows(3).any(|part| part == b"eva"), "nobody is told who we are");
    for file in ["root.pem", "own.pem"] {
        let report = backup(&place, &source(file, ""), "eva secret");
        assert_eq!((report.errors.clone(), report.state), (vec![], State::Complete), "{file}");
    }
    let said = sent.lock().unwrap().concat();
    assert!(!said.windows(6).any(|part| part == b"SELECT"), "nothing is read in clear");
    // In clear the server refuses, and it is not tried in another way.
    let clear = format!("postgres://eva@127.0.0.1:{}/postgres", server.port);
    assert!(backup(&place, &clear, "eva secret").snapshot.is_none());
    // A certificate for another name.
    let elsewhere = format!("postgres://eva@localhost:{port}/postgres?sslrootcert={root}");
    let report = backup(&place, &elsewhere, "eva secret");
    assert!(report.errors[0].error.contains("name"), "{:?}", report.errors);
    let report = backup(&place, &format!("{elsewhere}&sslmode=verify-ca"), "eva secret");
    assert_eq!(report.errors, vec![]);
}
