//! `spandrel.toml`: its keys, its defaults, and what to say when it is wrong.
//!
//! Not here: what the settings do. Invariant: the documented file is the defaults; a key nobody
//! knows is an error that names the key, the nearest known one and the line.

use crate::written;
use anyhow::{Result, anyhow};
use serde::Deserialize;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use toml::de::{DeTable, DeValue};

/// The documented defaults, as `spandrel config default` prints them.
pub const DEFAULT: &str = include_str!("spandrel.toml");

/// Of a settings file; the documented one has 3 KiB.
const FILE_MIB_MAX: u64 = 1;
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
    #[serde(default)]
    pub learning_hours: Option<u32>,
    /// Worker threads of its process.
    #[serde(default)]
    pub threads: Option<u8>,
    /// Files of the site: protocols and rules of its own.
    #[serde(default)]
    pub protocols: Option<PathBuf>,
    #[serde(default)]
    pub rules: Option<PathBuf>,
}

/// As many as `spandrel sensor` takes; its work has eight parts.
const THREADS_MAX: u8 = 64;
/// Most habits of a plant show in two weeks.
const LEARNING_HOURS: u32 = 14 * 24;
/// A sensor counts seconds in 32 bits.
const LEARNING_HOURS_MAX: u32 = u32::MAX / 3_600;
/// Below it a database has hardly room for what comes with it.
const DATABASE_MIB_SMALL: u32 = 64;
/// A folder is named after the sensor, with three octets for each that is no letter or digit.
const SENSOR_NAME_OCTETS_MAX: usize = 64;
/// RFC 1035, section 2.3.4: of a name in text, and of a label of it.
const HOST_OCTETS_MAX: usize = 253;
const LABEL_OCTETS_MAX: usize = 63;

impl File {
    /// What works and is hardly meant.
    pub fn advice(&self) -> Vec<String> {
        let room = self.storage.database_mib_max;
        let small = (1..DATABASE_MIB_SMALL).contains(&room);
        let small = small.then(|| {
            format!(
                "storage.database_mib_max: {room} MiB are soon full; give it \
                 {DATABASE_MIB_SMALL} or more, or 0 for no limit"
            )
        });
        let elsewhere = self.sensor.iter().filter(|sensor| sensor.is_elsewhere());
        let learns = elsewhere.filter(|sensor| sensor.learning_hours.is_some()).map(|sensor| {
            format!(
                "learning_hours: sensor {:?} is elsewhere, and learns nothing by it; give the \
                 command there --learn, in seconds, with --memory",
                sensor.name
            )
        });
        small.into_iter().chain(learns).collect()
    }
}

impl Sensor {
    /// Another place has the sensor, and its learning, protocols and rules.
    pub fn is_elsewhere(&self) -> bool {
        !self.command.is_empty()
    }

    /// How long it takes what it sees for normal.
    pub fn learning(&self) -> Duration {
        let hours = self.learning_hours.unwrap_or(LEARNING_HOURS);
        let hours = if self.is_elsewhere() { 0 } else { hours };
        Duration::from_secs(u64::from(hours) * 3_600)
    }
}

/// What a command line lays over a file.
#[derive(Default)]
pub struct Over {
    pub lab: bool,
    pub listen: Option<SocketAddr>,
}

/// Reads a file, or the system's where none is named, or the defaults where there is none.
pub fn read(path: Option<&Path>, over: &Over) -> Result<File> {
    let path = match path {
        Some(path) => path,
        None if Path::new(SYSTEM_FILE).exists() => Path::new(SYSTEM_FILE),
        None => {
            let whole = File::default().under(over).checked("");
            return whole.map_err(|(_, says)| anyhow!("{says}; there is no settings file"));
        }
    };
    let cannot = |why: &dyn std::fmt::Display| {
        anyhow!("cannot read settings {}: {why}; name the settings file", path.display())
    };
    let octets = written::read(path, FILE_MIB_MAX).map_err(|error| cannot(&error))?;
    let text = String::from_utf8(octets).map_err(|_| cannot(&"it is no text in UTF-8"))?;
    parse(&text, over).map_err(|complaint| anyhow!("{}{complaint}", path.display()))
}

/// A file's text. The complaint starts with `:LINE: `, to stand after the file's name.
pub fn parse(text: &str, over: &Over) -> Result<File, String> {
    let file: File = toml::from_str(text).map_err(|error| explain(text, &error))?;
    file.under(over).checked(text).map_err(|(line, says)| format!(":{line}: {says}"))
}

impl File {
    fn under(mut self, over: &Over) -> File {
        self.lab.enabled |= over.lab;
        self.server.listen = over.listen.unwrap_or(self.server.listen);
        self
    }

    /// The first mistake of settings that can be read, with its line in their text.
    fn checked(self, text: &str) -> Result<File, (usize, String)> {
        let mut mistakes = Mistakes::default();
        mistakes.of_numbers(&self);
        mistakes.of_names(&self.server.names);
        mistakes.of_ports(&self);
        mistakes.of_sensors(&self);
        let placed = mistakes.0.into_iter().map(|(key, says)| (line_of(text, &key), says));
        placed.min_by_key(|(line, _)| *line).map_or(Ok(self), Err)
    }
}

/// What is wrong in a file that can be read: the way to the key, and what to say.
#[derive(Default)]
struct Mistakes(Vec<(String, String)>);

impl Mistakes {
    fn note(&mut self, key: impl Into<String>, says: impl Into<String>) {
        self.0.push((key.into(), says.into()));
    }

    fn of_numbers(&mut self, file: &File) {
        let positive = [
            ("server.session_idle_minutes", file.server.session_idle_minutes),
            ("server.session_hours", file.server.session_hours),
            ("server.upload_mib_max", file.server.upload_mib_max),
            ("server.parse_minutes_max", file.server.parse_minutes_max),
        ];
        for (key, _) in positive.iter().filter(|(_, value)| *value == 0) {
            self.note(*key, format!("{key} is 0; it has to be 1 or more"));
        }
    }

    fn of_names(&mut self, names: &[String]) {
        for (at, name) in names.iter().enumerate().filter(|(_, name)| !is_host(name)) {
            self.note(
                format!("server.names.{at}"),
                format!(
                    "server.names has {name:?}; each is a host's name or address alone, as \
                     \"spandrel.plant.example\" or \"10.0.0.5\""
                ),
            );
        }
    }

    fn of_ports(&mut self, file: &File) {
        let mut ports = vec![("server.listen", file.server.listen)];
        if let Some(agents) = &file.agents {
            ports.push(("agents.listen", agents.listen));
            ports.push(("agents.vault_listen", agents.vault_listen));
        }
        if file.lab.enabled {
            let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            ports.push(("lab.modbus_port", local(file.lab.modbus_port)));
            ports.push(("lab.s7_port", local(file.lab.s7_port)));
        }
        for (at, (key, address)) in ports.iter().enumerate() {
            let taken = ports[..at].iter().find(|(_, other)| collide(*address, *other));
            if let Some((other, _)) = taken {
                let port = address.port();
                self.note(*key, format!("{key} and {other} both take port {port}"));
            }
        }
    }

    fn of_sensors(&mut self, file: &File) {
        for (at, sensor) in file.sensor.iter().enumerate() {
            let Sensor { name, interface, command, learning_hours, threads, protocols, rules } =
                sensor;
            let mut wrong = |key: &str, says: String| self.note(format!("sensor.{at}.{key}"), says);
            let is_taken = file.sensor[..at].iter().any(|other| other.name == *name)
                || file.lab.enabled && name == LAB;
            if is_taken {
                wrong("name", format!("two sensors are named {name:?}; give each its own name"));
            }
            if name.trim().is_empty()
                || name.len() > SENSOR_NAME_OCTETS_MAX
                || name.contains(|c: char| c == '/' || c.is_control())
            {
                let most = SENSOR_NAME_OCTETS_MAX;
                let says = "octets (a letter beyond ASCII has two or more), none a / or a control";
                wrong("name", format!("sensor name {name:?} has to be 1 to {most} {says}"));
            }
            match (interface.trim().is_empty(), sensor.is_elsewhere()) {
                (true, false) => {
                    wrong("name", format!("sensor {name:?} names no interface and no command"));
                }
                (false, true) => wrong(
                    "command",
                    format!("sensor {name:?} names an interface and a command; one is it"),
                ),
                _ => {}
            }
            if !sensor.is_elsewhere() {
                if learning_hours.is_some_and(|hours| hours > LEARNING_HOURS_MAX) {
                    let most = LEARNING_HOURS_MAX;
                    let says = format!("sensor {name:?}: learning_hours is {most} at most");
                    wrong("learning_hours", says);
                }
                if threads.is_some_and(|threads| !(1..=THREADS_MAX).contains(&threads)) {
                    let says = format!("sensor {name:?}: threads is 1 to {THREADS_MAX}");
                    wrong("threads", says);
                }
                continue;
            }
            if command[0].trim().is_empty() || command.iter().any(|word| word.contains('\0')) {
                wrong("command", format!("sensor {name:?}: its command names no program to start"));
            }
            let there = [
                ("protocols", protocols.is_some(), "--protocols"),
                ("rules", rules.is_some(), "--rules"),
                ("threads", threads.is_some(), "--threads"),
            ];
            for (key, _, option) in there.iter().filter(|(_, is_set, _)| *is_set) {
                let says = "is elsewhere, and so is what this says: give the command there";
                wrong(key, format!("{key}: sensor {name:?} {says} {option}"));
            }
        }
    }
}

/// What a certificate can be for, and a browser can ask for.
fn is_host(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=LABEL_OCTETS_MAX).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    name.parse::<IpAddr>().is_ok()
        || name.len() <= HOST_OCTETS_MAX
            && name.strip_prefix("*.").unwrap_or(name).split('.').all(is_label)
}

/// Whether two addresses cannot both be listened on. `[::]` takes a port of IPv4 as well.
fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let takes = |all: IpAddr, one: IpAddr| all.is_unspecified() && (all.is_ipv6() || one.is_ipv4());
    let (of_a, of_b) = (a.ip(), b.ip());
    let is_same = of_a == of_b || takes(of_a, of_b) || takes(of_b, of_a);
    a.port() != 0 && a.port() == b.port() && is_same
}

/// Where a key stands, or what it would stand in.
fn line_of(text: &str, key: &str) -> usize {
    let Ok(root) = DeTable::parse(text) else { return 1 };
    let (mut value, mut start) = (&DeValue::Table(root.into_inner()), 0);
    for step in key.split('.') {
        let next = match value {
            DeValue::Table(table) => {
                let known = table.iter().find(|(key, _)| key.get_ref() == step);
                known.map(|(key, value)| (key.span(), value))
            }
            DeValue::Array(all) => {
                let known = step.parse().ok().and_then(|at: usize| all.get(at));
                known.map(|value| (value.span(), value))
            }
            _ => None,
        };
        let Some((span, inner)) = next else { break };
        (value, start) = (inner.get_ref(), span.start);
    }
    line_at(text, start)
}

fn line_at(text: &str, octet: usize) -> usize {
    text.bytes().take(octet).filter(|b| *b == b'\n').count() + 1
}

/// Name of the sensor that listens to the simulated plant.
pub const LAB: &str = "lab";

fn explain(text: &str, error: &toml::de::Error) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    let message = error.message().replace('\n', " ");
    // serde says: unknown field `x`, expected one of `a`, `b`
    let Some(rest) = message.strip_prefix("unknown field ") else {
        let written = text.lines().nth(line - 1).and_then(|written| written.split_once('='));
        return match written {
            Some((key, value)) if message == "invalid socket address syntax" => {
                let (key, value) = (key.trim(), value.trim());
                let usual = usual_port(text, line, key);
                format!(
                    ":{line}: {key} is an address with a port as \"0.0.0.0:{usual}\", not {value}"
                )
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

/// The port that the documented file has for a key of that name.
fn usual_port(text: &str, line: usize, key: &str) -> u16 {
    let table = text.lines().take(line).filter(|written| written.trim_start().starts_with('['));
    match (key, table.last().is_some_and(|table| table.contains("agents"))) {
        ("vault_listen", _) => 8_445,
        (_, true) => 8_444,
        (_, false) => 8_443,
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

    fn parse(text: &str) -> Result<File, String> {
        super::parse(text, &Over::default())
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
            "[agents]\nlisten = \"nowhere\"\n",
            ":2: listen is an address with a port as \"0.0.0.0:8444\", not \"nowhere\"",
        );
        assert!(parse("[server\n").expect_err("no table").starts_with(":1:"));
    }

    #[test]
    fn wrong_numbers_are_named_and_the_first_mistake_of_a_file_comes_first() {
        complains(
            "[server]\nupload_mib_max = 0\nsession_hours = 0\n",
            ":2: server.upload_mib_max is 0; it has to be 1 or more",
        );
        complains(
            "server.session_idle_minutes = 9\nserver.session_hours = 0\n",
            ":2: server.session_hours is 0; it has to be 1 or more",
        );
    }

    #[test]
    fn names_of_the_certificate_are_hosts() {
        let good = ["a", "plant-server", "spandrel.plant.example", "*.example", "10.0.0.5", "::1"];
        let text = format!("[server]\nnames = {good:?}\n");
        assert_eq!(parse(&text).expect("hosts").server.names, good);
        let long = "a".repeat(64);
        let bad = ["", "a b", "https://a", "a:8443", "a/", "a.", ".a", "anlage-süd.example", &long];
        for name in bad {
            let text = format!("[server]\nnames = [\n\"good\",\n{name:?}]\n");
            let said = parse(&text).expect_err(name);
            let expect = format!(":4: server.names has {name:?}; each is a host's name or address");
            assert!(said.starts_with(&expect), "{said}");
        }
    }

    #[test]
    fn a_port_is_taken_once() {
        let two = |server: &str, agents: &str, vaults: &str| {
            parse(&format!(
                "[server]\nlisten = \"{server}\"\n[agents]\nlisten = \"{agents}\"\n\
                 vault_listen = \"{vaults}\"\n"
            ))
        };
        let said = |complaint: &str| Err(complaint.to_owned());
        let first = ":4: agents.listen and server.listen both take port 1";
        let second = ":5: agents.vault_listen and agents.listen both take port 2";
        for (server, agents) in [
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("0.0.0.0:1", "127.0.0.1:1"),
            ("10.0.0.1:1", "[::]:1"),
            ("[::1]:1", "[::]:1"),
        ] {
            assert_eq!(two(server, agents, "[::]:2"), said(first), "{server} {agents}");
        }
        assert_eq!(two("[::]:1", "0.0.0.0:2", "10.0.0.1:2"), said(second));
        for (server, agents) in
            [("127.0.0.1:1", "10.0.0.1:1"), ("0.0.0.0:1", "[::1]:1"), ("[::]:0", "[::]:0")]
        {
            assert!(two(server, agents, "[::]:2").is_ok(), "{server} {agents}");
        }
        complains(
            "[agents]\nvault_listen = \"[::]:2\"\nlisten = \"127.0.0.1:8443\"\n",
            ":3: agents.listen and server.listen both take port 8443",
        );
        complains(
            "[lab]\nenabled = true\ns7_port = 15020\n",
            ":3: lab.s7_port and lab.modbus_port both take port 15020",
        );
    }

    #[test]
    fn ports_are_compared_as_the_command_line_leaves_them() {
        let text = "[agents]\nlisten = \"127.0.0.1:8443\"\nvault_listen = \"127.0.0.1:2\"\n\
                    [[sensor]]\nname = \"lab\"\ninterface = \"eth0\"\n";
        let listen = |port| Over { listen: Some(([127, 0, 0, 1], port).into()), lab: false };
        let says = ":2: agents.listen and server.listen both take port";
        assert_eq!(parse(text).expect_err("one port"), format!("{says} 8443"));
        assert!(super::parse(text, &listen(1)).is_ok(), "the command line parts them");
        let text = text.replace("8443", "1");
        assert_eq!(super::parse(&text, &listen(1)).expect_err("one port"), format!("{says} 1"));
        let lab = Over { lab: true, ..Over::default() };
        let twice = ":5: two sensors are named \"lab\"; give each its own name";
        assert_eq!(super::parse(&text, &lab).expect_err("two labs"), twice);
        let over = Over { lab: true, listen: listen(15_020).listen };
        assert!(File::default().under(&over).checked("").is_err(), "there need be no file");
    }

    #[test]
    fn sensors_are_told_apart_and_have_one_source_each() {
        complains(
            "[lab]\nenabled = true\n[[sensor]]\nname = \"lab\"\ninterface = \"eth0\"\n",
            ":4: two sensors are named \"lab\"; give each its own name",
        );
        complains(
            "[[sensor]]\nname = \"a\"\ninterface = \"eth0\"\n[[sensor]]\ninterface = \"eth1\"\n\
             name = \"a\"\n",
            ":6: two sensors are named \"a\"; give each its own name",
        );
        complains(
            "[[sensor]]\nname = \"a\"\ninterface = \"\"\n",
            ":2: sensor \"a\" names no interface and no command",
        );
        complains(
            "[[sensor]]\nname = \"a\"\ninterface = \"eth0\"\ncommand = [\"ssh\"]\n",
            ":4: sensor \"a\" names an interface and a command; one is it",
        );
        let umlauts = "ä".repeat(32);
        let good = format!("[[sensor]]\nname = \"{umlauts}\"\ninterface = \"eth0\"\n");
        assert!(parse(&good).is_ok(), "64 octets");
        for name in ["", " ", "a/b", "a\\u001b[2J", "a\\n", &"ä".repeat(33)] {
            let text = format!("[[sensor]]\nname = \"{name}\"\ninterface = \"eth0\"\n");
            let said = parse(&text).expect_err(name);
            assert!(said.starts_with(":2: sensor name \""), "{said}");
            assert!(said.contains("1 to 64 octets") && !said.contains('\u{1b}'), "{said}");
        }
    }

    #[test]
    fn what_works_and_is_hardly_meant_is_told() {
        let told = |text: &str| parse(text).expect("it works").advice();
        let there = "[[sensor]]\nname = \"a\"\ncommand = [\"ssh\"]\n";
        assert_eq!(told(&format!("{there}[storage]\ndatabase_mib_max = 64\n")), [""; 0]);
        let small = told("[storage]\ndatabase_mib_max = 63\n");
        assert!(small[0].contains("63 MiB are soon full"), "{small:?}");
        let learns = told(&format!("{there}learning_hours = 9\n"));
        assert!(learns[0].contains("give the command there --learn"), "{learns:?}");
    }

    #[test]
    fn what_belongs_to_a_sensor_elsewhere_is_not_said_here() {
        let there = "[[sensor]]\nname = \"a\"\ncommand = [\"ssh\"]\n";
        for (key, value, option) in [
            ("rules", "\"r.toml\"", "--rules"),
            ("protocols", "\"p.toml\"", "--protocols"),
            ("threads", "2", "--threads"),
        ] {
            complains(
                &format!("{there}{key} = {value}\n"),
                &format!(
                    ":4: {key}: sensor \"a\" is elsewhere, and so is what this says: \
                     give the command there {option}"
                ),
            );
        }
        for command in ["[\"\"]", "[\" \", \"a\"]", "[\"ssh\", \"a\\u0000\"]"] {
            complains(
                &format!("[[sensor]]\nname = \"a\"\ncommand = {command}\n"),
                ":3: sensor \"a\": its command names no program to start",
            );
        }
        assert!(parse(there).expect("good").sensor[0].learning().is_zero());
    }

    #[test]
    fn a_sensor_has_a_number_of_threads() {
        let sensor = "[[sensor]]\nname = \"a\"\ninterface = \"eth0\"\n";
        let threads = |text: &str| parse(&format!("{sensor}{text}")).expect(text).sensor[0].threads;
        assert_eq!((threads(""), threads("threads = 4")), (None, Some(4)));
        for text in ["threads = 0", "threads = 65"] {
            complains(&format!("{sensor}{text}"), ":4: sensor \"a\": threads is 1 to 64");
        }
    }

    #[test]
    fn learning_fits_what_a_sensor_counts_in() {
        let here = |hours: &str| {
            parse(&format!("[[sensor]]\nname = \"a\"\ninterface = \"eth0\"\n{hours}"))
        };
        let learning = |hours: &str| here(hours).expect(hours).sensor[0].learning().as_secs();
        assert_eq!(learning(""), 1_209_600);
        assert_eq!(learning("learning_hours = 0"), 0);
        assert!(u32::try_from(learning("learning_hours = 1193046")).is_ok());
        let said = here("learning_hours = 1193047").expect_err("too long");
        assert_eq!(said, ":4: sensor \"a\": learning_hours is 1193046 at most");
    }
}
