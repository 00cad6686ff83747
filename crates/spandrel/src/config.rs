//! `spandrel config default|check`: the settings file, shown and checked.
//!
//! Invariant: what `default` prints passes `check`.

use crate::{
    complain, settings,
    settings::{Over, Sensor},
    site_files::SiteFiles,
};
use anyhow::{Context as _, Result};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[derive(clap::Subcommand)]
pub enum Options {
    /// Print the settings file with every default and what it means
    Default,
    /// Check a settings file and the files it names; the first mistake is named with its line
    Check {
        /// The file to check
        file: PathBuf,
    },
}

pub fn run(options: &Options) -> Result<ExitCode> {
    match options {
        Options::Default => std::io::stdout().write_all(settings::DEFAULT.as_bytes())?,
        Options::Check { file } => {
            let read = settings::read(Some(file), &Over::default())?;
            for sensor in &read.sensor {
                SiteFiles { protocols: sensor.protocols.clone(), rules: sensor.rules.clone() }
                    .check()
                    .with_context(|| format!("sensor {:?} cannot start", sensor.name))?;
            }
            let advice = read.advice().into_iter();
            for line in advice.chain(absent(&read.sensor, Path::new("/sys/class/net"))) {
                complain(&format!("warning: {line}"));
            }
            let lab = if read.lab.enabled { " and the lab" } else { "" };
            let (count, shown) = (read.sensor.len(), file.display());
            let sensors = if count == 1 { "sensor" } else { "sensors" };
            complain(&format!("{shown} is good: {count} {sensors}{lab}, {}", read.server.listen));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Sensors whose interface this machine does not have. Settings may be checked on another machine
/// than the one they are for, and an interface may come later: it is no mistake.
fn absent(sensors: &[Sensor], interfaces: &Path) -> Vec<String> {
    let Ok(known) = interfaces.read_dir() else { return Vec::new() };
    let mut known: Vec<_> =
        known.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    known.sort_unstable();
    let absent = sensors.iter().filter(|sensor| !sensor.is_elsewhere());
    let absent = absent.filter(|sensor| !known.contains(&sensor.interface));
    let all = known.join(", ");
    absent
        .map(|Sensor { name, interface, .. }| {
            format!("sensor {name:?}: this machine has no interface {interface}; it has: {all}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interface_that_is_not_here_is_told_and_a_sensor_elsewhere_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["eth1", "eth0"] {
            std::fs::create_dir(folder.path().join(name)).expect("an interface");
        }
        let text = "[[sensor]]\nname = \"a\"\ninterface = \"eth1\"\n[[sensor]]\nname = \"b\"\n\
             interface = \"eht1\"\n[[sensor]]\nname = \"c\"\ncommand = [\"ssh\"]\n";
        let file = settings::parse(text, &Over::default()).expect("settings");
        let said = absent(&file.sensor, folder.path());
        assert_eq!(said, ["sensor \"b\": this machine has no interface eht1; it has: eth0, eth1"]);
        assert!(absent(&file.sensor, &folder.path().join("none")).is_empty(), "no such system");
    }
}
