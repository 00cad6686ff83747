//! `spandrel.toml`: its keys, its defaults, and what to say when it is wrong.
//!
//! Not here: what the settings do. Invariant: the documented file is the defaults; a key nobody
//! knows is an error that names the key, the nearest known one and the line.

use anyhow::{Result, anyhow};
use serde::Deserialize;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// The documented defaults, as `spandrel config default` prints them.
pub const DEFAULT: &str = include_str!("spandrel.toml");

/// Where the file is looked for when nobody names one.
const SYSTEM_FILE: &str = "/etc/spandrel/spandrel.toml";

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
pub struct File {
    pub server: Server,
    pub storage: Storage,
    pub lab: Lab,
    pub sensor: Vec<Sensor>,
    pub agents: Option<Agents>,
}

/// Where agents of hosts call, and where their backups go.
#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Agents {
    pub listen: SocketAddr,
    pub vault_listen: SocketAddr,
    /// Room of one agent's vault; 0 leaves it to the disk.
    #[serde(default)]
    pub vault_mib_max: u64,
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    pub listen: SocketAddr,
    pub names: Vec<String>,
    pub session_idle_minutes: u32,
    pub session_hours: u32,
    pub upload_mib_max: u32,
    pub parse_minutes_max: u32,
}

impl Default for Server {
    fn default() -> Self {
        Server {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            names: Vec::new(),
            session_idle_minutes: 15,
            session_hours: 12,
            upload_mib_max: 1_024,
            parse_minutes_max: 10,
        }
    }
}

#[derive(Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Storage {
    pub data: PathBuf,
    pub database_mib_max: u32,
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Lab {
    pub enabled: bool,
    pub seed: u64,
    pub modbus_port: u16,
    pub s7_port: u16,
}

impl Default for Lab {
    fn default() -> Self {
        Lab { enabled: false, seed: 1, modbus_port: 15_020, s7_port: 15_102 }
    }
}

#[derive(Deserialize, Clone, Debug, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Sensor {
    pub name: String,
    #[serde(default)]
    pub interface: String,
    /// Instead of an interface: what brings the stream of a sensor elsewhere.
    #[serde(default)]
    pub command: Vec<String>,
    #[serde(default = "two_weeks")]
    pub learning_hours: u32,
    /// Files of the site: protocols and rules of its own.
    #[serde(default)]
    pub protocols: Option<PathBuf>,
    #[serde(default)]
    pub rules: Option<PathBuf>,
}

fn two_weeks() -> u32 {
    14 * 24
}

/// Reads a file, or the system's where none is named, or the defaults where there is none.
pub fn read(path: Option<&Path>) -> Result<File> {
    let path = match path {
        Some(path) => path,
        None if Path::new(SYSTEM_FILE).exists() => Path::new(SYSTEM_FILE),
        None => return Ok(File::default()),
    };
    let text = std::fs::read_to_string(path).map_err(|error| {
        anyhow!("cannot read settings {}: {error}; name a file with --config", path.display())
    })?;
    parse(&text).map_err(|complaint| anyhow!("{}{complaint}", path.display()))
}

/// A file's text. The complaint starts with `:LINE: `, to stand after the file's name.
pub fn parse(text: &str) -> Result<File, String> {
    let file: File = toml::from_str(text).map_err(|error| explain(text, &error))?;
    check(&file).map_err(|complaint| format!(": {complaint}"))?;
    Ok(file)
}

fn check(file: &File) -> Result<(), String> {
    let positive = [
        ("server.session_idle_minutes", file.server.session_idle_minutes),
        ("server.session_hours", file.server.session_hours),
        ("server.upload_mib_max", file.server.upload_mib_max),
        ("server.parse_minutes_max", file.server.parse_minutes_max),
    ];
    if let Some((key, _)) = positive.iter().find(|(_, value)| *value == 0) {
        return Err(format!("{key} is 0; it has to be 1 or more"));
    }
    let mut names: Vec<&str> = file.sensor.iter().map(|sensor| sensor.name.as_str()).collect();
    if file.lab.enabled {
        names.push(LAB);
    }
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!("two sensors are named {:?}; give each its own name", pair[0]));
    }
    for sensor in &file.sensor {
        if sensor.name.trim().is_empty() || sensor.name.len() > 64 || sensor.name.contains('/') {
            let name = &sensor.name;
            return Err(format!("sensor name {name:?} has to be 1 to 64 characters without /"));
        }
        match (sensor.interface.trim().is_empty(), sensor.command.is_empty()) {
            (true, true) => {
                return Err(format!("sensor {:?} names no interface and no command", sensor.name));
            }
            (false, false) => {
                let name = &sensor.name;
                return Err(format!("sensor {name:?} names an interface and a command; one is it"));
            }
            _ => {}
        }
        let files = sensor.protocols.is_some() || sensor.rules.is_some();
        if files && !sensor.command.is_empty() {
            let name = &sensor.name;
            return Err(format!(
                "sensor {name:?} is elsewhere: its protocols and rules belong to the command \
                 there, as --protocols and --rules"
            ));
        }
    }
    Ok(())
}

/// Name of the sensor that listens to the simulated plant.
pub const LAB: &str = "lab";

fn explain(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().map(|span| &text[..span.start.min(text.len())]);
    let line = before.map_or(1, |before| before.matches('\n').count() + 1);
    let message = error.message().replace('\n', " ");
    // serde says: unknown field `x`, expected one of `a`, `b`
    let Some(rest) = message.strip_prefix("unknown field ") else {
        let written = text.lines().nth(line - 1).and_then(|written| written.split_once('='));
        return match written {
            Some((key, value)) if message == "invalid socket address syntax" => {
                let (key, value) = (key.trim(), value.trim());
                format!(":{line}: {key} is an address with a port as \"0.0.0.0:8443\", not {value}")
            }
            Some((key, _)) => format!(":{line}: {}: {message}", key.trim()),
            None => format!(":{line}: {message}"),
        };
    };
    let mut words = rest.split('`').skip(1).step_by(2);
    let unknown = words.next().unwrap_or_default();
    let nearest = words.min_by_key(|known| distance(unknown, known));
    match nearest {
        Some(known) => format!(":{line}: unknown key {unknown:?}; did you mean {known:?}?"),
        None => format!(":{line}: unknown key {unknown:?}"),
    }
}

/// Levenshtein distance in characters.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substitute = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = substitute.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documented_file_is_the_defaults() {
        assert_eq!(parse(DEFAULT).expect("the default file"), File::default());
    }

    #[track_caller]
    fn complains(text: &str, expect: &str) {
        assert_eq!(parse(text).expect_err(text), expect);
    }

    #[test]
    fn unknown_key_is_named_with_the_nearest_and_its_line() {
        complains(
            "[server]\nnames = []\nlisten_on = \"x\"\n",
            ":3: unknown key \"listen_on\"; did you mean \"listen\"?",
        );
        complains("[sever]\n", ":1: unknown key \"sever\"; did you mean \"server\"?");
        complains(
            "[[sensor]]\nname = \"a\"\ninterfaces = \"eth0\"\n",
            ":3: unknown key \"interfaces\"; did you mean \"interface\"?",
        );
    }

    #[test]
    fn wrong_values_say_what_is_wrong() {
        complains(
            "[server]\nlisten = \"nowhere\"\n",
            ":2: listen is an address with a port as \"0.0.0.0:8443\", not \"nowhere\"",
        );
        complains(
            "[lab]\nseed = \"one\"\n",
            ":2: seed: invalid type: string \"one\", expected u64",
        );
        complains(
            "[server]\nsession_hours = 0\n",
            ": server.session_hours is 0; it has to be 1 or more",
        );
        complains(
            "[lab]\nenabled = true\n[[sensor]]\nname = \"lab\"\ninterface = \"eth0\"\n",
            ": two sensors are named \"lab\"; give each its own name",
        );
        assert!(parse("[server\n").expect_err("no table").starts_with(":1:"));
        complains(
            "[[sensor]]\nname = \"a\"\ninterface = \"\"\n",
            ": sensor \"a\" names no interface and no command",
        );
        complains(
            "[[sensor]]\nname = \"a\"\ninterface = \"eth0\"\ncommand = [\"ssh\"]\n",
            ": sensor \"a\" names an interface and a command; one is it",
        );
    }
}
