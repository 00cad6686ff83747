//! What the host's owner says, in a file of TOML on the host.
//!
//! Not here: plans, which the control plane makes. Invariant: no plan reads, sends, keeps or
//! repeats more than this file allows; a key nobody knows is an error.

use crate::{Error, Result, file};
use serde::Deserialize;
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};
use vault::site::Window;

/// Of a settings file; the documented one has 2 KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// The documented defaults, as `spandrel agent default` prints them.
pub const DEFAULT: &str = include_str!("agent.toml");

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    pub data: PathBuf,
    pub allow: Vec<PathBuf>,
    pub restore_into: Vec<PathBuf>,
    pub quiet: Vec<String>,
    pub read_kib_per_s: u32,
    pub send_kbit_per_s: u64,
    pub every_minutes_min: u32,
    pub lock_days_max: u32,
    pub spool_mib_max: u64,
    pub call_every_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: PathBuf::from("/var/lib/spandrel-agent"),
            allow: Vec::new(),
            restore_into: Vec::new(),
            quiet: Vec::new(),
            read_kib_per_s: 0,
            send_kbit_per_s: 0,
            every_minutes_min: 5,
            lock_days_max: 90,
            spool_mib_max: 0,
            call_every_s: 30,
        }
    }
}

impl Config {
    pub fn read(path: &Path) -> Result<Self> {
        let text = read(path).map_err(|error| {
            let shown = path.display();
            match error.kind() {
                std::io::ErrorKind::NotFound => Error::Refused(format!(
                    "there is no {shown}; `spandrel agent default >{shown}` writes one to begin \
                     with, of which `allow` is to be set"
                )),
                _ => file("read", path)(error),
            }
        })?;
        Self::parse(&text).map_err(|why| Error::Refused(format!("{}: {why}", path.display())))
    }

    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let config: Config = toml::from_str(text).map_err(|error| {
            let before = error.span().map(|span| &text[..span.start.min(text.len())]);
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> std::result::Result<(), String> {
        for path in self.allow.iter().chain(&self.restore_into).chain([&self.data]) {
            if !path.is_absolute() {
                return Err(format!("{} is not a path from the root", path.display()));
            }
        }
        for into in &self.restore_into {
            let mut kept = self.allow.iter().chain([&self.data]);
            if let Some(kept) = kept.find(|kept| into.starts_with(kept)) {
                let (into, kept) = (into.display(), kept.display());
                return Err(format!(
                    "restore_into {into} lies in {kept}; nothing is restored there"
                ));
            }
        }
        if let Some(wrong) = self.quiet.iter().find(|text| Window::parse(text).is_none()) {
            return Err(format!("quiet {wrong:?}: write it as \"mon-fri 06:00-18:00\""));
        }
        let positive =
            [("every_minutes_min", self.every_minutes_min), ("call_every_s", self.call_every_s)];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((key, _)) => Err(format!("{key} is 0; it has to be 1 or more")),
            None => Ok(()),
        }
    }

    /// What is kept below the data directory.
    pub fn place(&self, name: &str) -> PathBuf {
        self.data.join(name)
    }

    /// The vault on this host, and the key that stays here.
    pub fn spool(&self) -> PathBuf {
        self.place("spool")
    }

    /// What drills restore lies there while they run.
    pub fn drills(&self) -> PathBuf {
        self.place("drills")
    }

    pub fn key_file(&self) -> PathBuf {
        self.place("vault.key")
    }
}

/// The text of a file that somebody wrote by hand. A device, a pipe or what is much larger was not
/// meant, and to read it would take all memory or never end.
fn read(path: &Path) -> io::Result<String> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is no regular file; name the settings of the agent"));
    }
    let mut text = String::new();
    File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other("it has more than 1 MiB; name the settings of the agent"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_file_of_settings_is_told_and_not_read() {
        for path in ["/dev/zero", "/"] {
            let said = Config::read(Path::new(path)).expect_err("refused").to_string();
            assert!(said.contains("it is no regular file"), "{said}");
        }
    }

    #[test]
    fn documented_file_is_the_defaults() {
        assert_eq!(Config::parse(DEFAULT), Ok(Config::default()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expect) in [
            ("allow = [\"srv\"]", "srv is not a path from the root"),
            (
                "allow = [\"/srv\"]\nrestore_into = [\"/srv/back\"]",
                "restore_into /srv/back lies in /srv; nothing is restored there",
            ),
            ("quiet = [\"noon\"]", "quiet \"noon\": write it as \"mon-fri 06:00-18:00\""),
            ("\ncall_every_s = 0", "call_every_s is 0; it has to be 1 or more"),
        ] {
            assert_eq!(Config::parse(text), Err(expect.to_owned()), "{text}");
        }
        let unknown = Config::parse("\nalow = []").expect_err("no such key");
        assert!(unknown.starts_with("line 2: unknown field `alow`"), "{unknown}");
    }
}
