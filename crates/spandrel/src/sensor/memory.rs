//! What a sensor has learned, in a file, so that a restart does not begin anew.
//!
//! Two lines of JSON: how far learning is, and the baseline. Not here: what is learned
//! (`detectors`). Invariant: the file is replaced whole or not at all; a file that cannot be read
//! is an error that says what to do, never a silent new beginning.

use ::detectors::{
    Baseline, Phase,
    baseline::kept::{self, Kept},
};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{BufRead, BufReader, BufWriter, ErrorKind, Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

const VERSION: u32 = 1;
/// Largest file that is read back; full sets have about a fifth of it.
const MEMORY_BYTES_MAX: u64 = 1 << 30;
const HEAD_BYTES_MAX: u64 = 4_096;

/// The first line.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Head {
    version: u32,
    /// Learning goes on for so long; 0 when it has ended.
    pub secs_left: u32,
}

/// The file of a sensor.
pub struct Memory {
    path: PathBuf,
}

impl Memory {
    pub fn new(path: PathBuf) -> Self {
        Memory { path }
    }

    /// The folder the file lies in: what a confined sensor may write to.
    pub fn folder(&self) -> &Path {
        match self.path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// What was learned earlier; nothing at the first start.
    pub fn recall(&self) -> Result<Option<(Head, Baseline)>> {
        self.read().with_context(|| {
            let path = self.path.display();
            format!("cannot read what was learned from {path}: delete it to learn anew")
        })
    }

    fn read(&self) -> Result<Option<(Head, Baseline)>> {
        let Some((head, rest)) = open(&self.path)? else { return Ok(None) };
        let kept: Kept = serde_json::from_reader(rest)?;
        Ok(Some((head, Baseline::recall(kept))))
    }

    /// Replaces the file. `phase` and `secs_left` say how far learning is.
    pub fn keep(&self, baseline: &Baseline, phase: Phase, secs_left: u32) -> Result<()> {
        let secs_left = if phase == Phase::Learning { secs_left.max(1) } else { 0 };
        let head = Head { version: VERSION, secs_left };
        self.write(&head, &baseline.keep()).with_context(|| {
            let path = self.path.display();
            format!("cannot keep what was learned in {path}; a restart would learn anew")
        })
    }

    fn write(&self, head: &Head, kept: &kept::Kept) -> Result<()> {
        let fresh = self.path.with_extension("new");
        let mut out = BufWriter::with_capacity(256 << 10, InPlaces(File::create(&fresh)?, 0));
        serde_json::to_writer(&mut out, head)?;
        out.write_all(b"\n")?;
        serde_json::to_writer(&mut out, kept)?;
        out.write_all(b"\n")?;
        out.into_inner().map_err(std::io::IntoInnerError::into_error)?.0.sync_all()?;
        std::fs::rename(&fresh, &self.path)?;
        File::open(self.folder())?.sync_all()?;
        Ok(())
    }
}

/// Writes a file at places: a confined sensor has no other way.
struct InPlaces(File, u64);

impl Write for InPlaces {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let written = self.0.write_at(octets, self.1)?;
        self.1 += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// How far learning is by the file; `None` where there is none yet or it cannot be read.
#[cfg(feature = "control-plane")]
pub fn progress(path: &Path) -> Option<Head> {
    open(path).ok().flatten().map(|(head, _)| head)
}

fn open(path: &Path) -> Result<Option<(Head, impl Read + use<>)>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut reader = BufReader::with_capacity(256 << 10, file);
    let mut line = Vec::new();
    reader.by_ref().take(HEAD_BYTES_MAX).read_until(b'\n', &mut line)?;
    let head: Head = serde_json::from_slice(&line).context("its first line is damaged")?;
    anyhow::ensure!(head.version == VERSION, "it is of version {}", head.version);
    Ok(Some((head, reader.take(MEMORY_BYTES_MAX))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_damage_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("line 2.learned");
        let memory = Memory::new(path.clone());
        assert!(memory.recall().expect("no file is no error").is_none());
        memory.keep(&Baseline::default(), Phase::Learning, 90).expect("room");
        let (head, _) = memory.recall().expect("whole").expect("there");
        assert_eq!(head.secs_left, 90);
        memory.keep(&Baseline::default(), Phase::Learnt, 90).expect("room");
        let (head, _) = memory.recall().expect("whole").expect("there");
        assert_eq!(head.secs_left, 0);
        let text = std::fs::read(&path).expect("there");
        for cut in [0, 5, text.len() / 2, text.len() - 3] {
            std::fs::write(&path, &text[..cut]).expect("room");
            let error = memory.recall().expect_err("it is damaged").to_string();
            assert!(error.contains("delete it to learn anew"), "{error}");
        }
    }
}
