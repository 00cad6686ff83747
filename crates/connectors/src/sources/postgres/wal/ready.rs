//! A restored folder of `postgres-wal:` as a data directory that a PostgreSQL server starts from:
//! it replays the log up to its end or to a time, and goes on in a timeline of its own.
//!
//! Not here: starting it. Invariant: base and log are left as they were restored, so another
//! time can be chosen later; the data directory is whole or has no `recovery.signal`.

use super::{super::super::smb::tar, spool::State, tablespace};
use model::Time;
use std::{
    fmt::Write as _,
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// What was made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ready {
    pub data: PathBuf,
    /// For sockets and the rules of who may connect while it is tried.
    pub run: PathBuf,
    /// The major version of the server that must start it.
    pub version: String,
    /// When the log was received last.
    pub received_at: Time,
}

/// Makes `folder/data` out of `folder/base` and `folder/wal`.
pub fn make(folder: &Path, until: Option<Time>) -> io::Result<Ready> {
    let said = |error: io::Error, what: &Path| {
        io::Error::new(error.kind(), format!("{}: {error}", what.display()))
    };
    let path = folder.join("state.json");
    let state = fs::read(&path).map_err(|error| said(error, &path))?;
    let state: State = serde_json::from_slice(&state).map_err(io::Error::other)?;
    let data = folder.join("data");
    if data.exists() {
        let text = format!("{} is there already; remove it first", data.display());
        return Err(io::Error::other(text));
    }
    foreign_tablespaces(&folder.join("wal"), &state)?;
    let base = folder.join("base");
    unpack(&base.join("base.tar"), &data)?;
    tablespaces(folder, &data)?;
    for name in ["pg_wal", "pg_wal/archive_status", "pg_tblspc"] {
        directory(&data.join(name))?;
    }
    finish_log(&folder.join("wal"), state.segment_bytes)?;
    let version = fs::read_to_string(data.join("PG_VERSION"))?.trim().to_owned();
    configure(&data, &state, until)?;
    let run = folder.join("run");
    directory(&run)?;
    write(&run.join("pg_hba.conf"), RULES)?;
    // The base of a standby says that it is one, and that word wins: it would wait for ever.
    match fs::remove_file(data.join("standby.signal")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    write(&data.join("recovery.signal"), "")?;
    Ok(Ready { data, run, version, received_at: state.received_at })
}

/// Refuses a log that makes a tablespace where replaying would not, or would take what is another
/// server's: it does that at the very path of the server that was backed up.
fn foreign_tablespaces(wal: &Path, state: &State) -> io::Result<()> {
    let from = state.base.as_ref().map_or(state.log_from, |base| base.start);
    for tablespace::Made { at, path } in tablespace::made(wal, state, from)? {
        let why = match fs::read_dir(&path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => continue,
            Ok(false) => "which is in use here",
            Err(error) if error.kind() == io::ErrorKind::NotFound => "which is not here",
            Err(_) => "which cannot be looked into here",
        };
        let path = path.display();
        return Err(io::Error::other(format!(
            "after the base backup the log makes a tablespace (at {at}) in {path}, {why}: make \
             {path} an empty directory of the user that starts the server, on a machine where it \
             is nobody else's, or take a snapshot whose base backup is newer"
        )));
    }
    Ok(())
}

/// Who may connect while it is tried: this user through a socket that only he reaches, services
/// by their passwords from this machine.
const RULES: &str = "local all all trust\n\
                     host all all 127.0.0.1/32 md5\n\
                     host all all ::1/128 md5\n";

impl Ready {
    /// Settings for a try beside everything else, as arguments of `postgres`; they win over what
    /// the data directory says. Memory is shared below it, and not in `/dev/shm`.
    pub fn arguments(&self, port: u16, more: &[(String, String)]) -> Vec<String> {
        let run = self.run.display().to_string();
        let own = [
            ("port", port.to_string()),
            ("listen_addresses", "127.0.0.1".to_owned()),
            ("unix_socket_directories", run.clone()),
            ("hba_file", format!("{run}/pg_hba.conf")),
            ("dynamic_shared_memory_type", "mmap".to_owned()),
            ("archive_mode", "off".to_owned()),
            ("ssl", "off".to_owned()),
            ("logging_collector", "off".to_owned()),
            ("log_destination", "stderr".to_owned()),
        ];
        let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
        let settings = own.chain(more.iter().cloned());
        let data = ["-D".to_owned(), self.data.display().to_string()];
        let settings =
            settings.flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]);
        data.into_iter().chain(settings).collect()
    }
}

fn directory(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut file = options.create(true).append(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

/// Unpacks an archive of a base backup. Links in it are those of tablespaces, which the server
/// makes again from its map.
fn unpack(archive: &Path, to: &Path) -> io::Result<()> {
    let said =
        |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", archive.display()));
    let file = Arc::new(File::open(archive).map_err(said)?);
    directory(to)?;
    for member in tar::members(&file).map_err(said)? {
        let name = Path::new(&member.name);
        if !name.components().all(|part| matches!(part, Component::Normal(_))) {
            let text = format!("{} leads out of the archive", member.name);
            return Err(said(io::Error::other(text)));
        }
        if is_tablespace(&member.name) {
            continue;
        }
        let path = to.join(name);
        if member.is_directory {
            directory(&path)?;
            continue;
        }
        directory(path.parent().unwrap_or(to))?;
        let mut options = OpenOptions::new();
        let mut out = options.create(true).write(true).truncate(true).mode(0o600).open(path)?;
        let (offset, left) = (member.offset, member.length);
        let copied = io::copy(&mut tar::Part { file: file.clone(), offset, left }, &mut out)?;
        if copied != left {
            return Err(said(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    Ok(())
}

fn is_tablespace(name: &str) -> bool {
    let number = name.strip_prefix("pg_tblspc/").unwrap_or_default();
    !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Puts other tablespaces beside the data, and writes there where they are: lines `OID PATH`
/// (PostgreSQL documentation, Base Backup: `tablespace_map`).
fn tablespaces(folder: &Path, data: &Path) -> io::Result<()> {
    let mut map = String::new();
    let place = std::path::absolute(folder)?.join("tablespaces");
    for entry in fs::read_dir(folder.join("base"))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(number) = name.strip_suffix(".tar").filter(|name| *name != "base") else {
            continue;
        };
        let to = place.join(number);
        unpack(&entry.path(), &to)?;
        writeln!(map, "{number} {}", to.display()).expect("to a string");
    }
    let path = data.join("tablespace_map");
    if map.is_empty() && !path.exists() {
        return Ok(());
    }
    fs::write(path, map)
}

/// The segment that was growing gets its name and length; zeros end the log.
fn finish_log(wal: &Path, segment_bytes: u64) -> io::Result<()> {
    for entry in fs::read_dir(wal)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "partial") {
            let whole = path.with_extension("");
            fs::rename(&path, &whole)?;
            OpenOptions::new().write(true).open(whole)?.set_len(segment_bytes)?;
        }
    }
    Ok(())
}

/// What the server must know to replay. It reads this file last of all.
fn configure(data: &Path, state: &State, until: Option<Time>) -> io::Result<()> {
    let mut text = format!(
        "\n# Written when this directory was restored; of no use when the log has been replayed.\n\
         restore_command = 'cp \"../wal/%f\" \"%p\"'\n\
         recovery_target_timeline = '{}'\n\
         primary_conninfo = ''\nprimary_slot_name = ''\n\
         # Otherwise limits such as max_connections must be as large as they were.\n\
         hot_standby = off\n",
        state.timeline
    );
    if let Some(until) = until {
        // It reads this before it knows names of zones, `Z` among them.
        let until = until.to_string().replace('T', " ").replace('Z', "+00");
        writeln!(text, "recovery_target_time = '{until}'\nrecovery_target_action = 'promote'")
            .expect("to a string");
    }
    write(&data.join("postgresql.auto.conf"), &text)?;
    // Debian keeps these elsewhere, so that they are in no base backup.
    for (name, text) in [
        ("postgresql.conf", "# The server's own file was not in its data directory.\n"),
        ("pg_hba.conf", "# The server's own file was not in its data directory.\n"),
        ("pg_ident.conf", ""),
    ] {
        if !data.join(name).exists() {
            write(&data.join(name), text)?;
        }
    }
    Ok(())
}
