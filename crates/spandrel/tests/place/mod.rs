//! A folder with a small plant in it, and the program run there.
//!
//! Not here: what a test does with it. Invariant: nothing outside of the folder is touched.

use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

pub const SPANDREL: &str = env!("CARGO_BIN_EXE_spandrel");

pub struct Place {
    root: tempfile::TempDir,
}

impl Place {
    /// A place with a plant and no vault.
    pub fn with_plant() -> Self {
        let place = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(place.at("plant")).unwrap();
        fs::write(place.at("plant/line.cfg"), "speed=36000\n").unwrap();
        place
    }

    pub fn root(&self) -> &Path {
        self.root.path()
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// The arguments with `@name` made a path.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(SPANDREL);
        for argument in arguments {
            match argument.split_once('@') {
                Some((before, name)) => {
                    command.arg(format!("{before}{}", self.at(name).display()));
                }
                None => drop(command.arg(argument)),
            }
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    #[track_caller]
    pub fn json(&self, arguments: &[&str], code: i32) -> Value {
        let output = self.run(&[arguments, &["--format", "json"]].concat());
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        serde_json::from_slice(&output.stdout).unwrap()
    }
}
