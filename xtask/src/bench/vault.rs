//! `cargo xtask bench vault`: our backup against restic's on the same files, in turns.
//!
//! The files are made by seed: logs that compress, noise that does not, copies, many small
//! configurations. Processor time and peak memory are the figures; the clock moves with whatever
//! else the machine does. Invariant: what was restored is compared with what was backed up.

use super::measure::{Run, measure};
use crate::options::Options;
use anyhow::{Context, Result, bail};
use std::{
    fs::{self, File},
    io::{BufWriter, Read, Write},
    path::{Path, PathBuf},
    process::Command,
};

pub fn run(arguments: &[String]) -> Result<()> {
    let options = Options::read(arguments, &["mb", "configs", "binary", "runs", "folder"])?;
    let megabytes: usize = options.number("mb", 300)?;
    let configs: usize = options.number("configs", 6_000)?;
    let runs: usize = options.number("runs", 1)?;
    let binary = match options.text("binary") {
        Some(path) => PathBuf::from(path).canonicalize().context("no such binary")?,
        None => build()?,
    };
    let temporary = match options.text("folder") {
        Some(folder) => tempfile::tempdir_in(folder),
        None => tempfile::tempdir(),
    };
    let temporary = temporary.context("cannot make a temporary folder")?;
    let plant = temporary.path().join("plant");
    make(&plant, megabytes, configs)?;
    println!("{megabytes} MB in large files, {configs} small ones, {runs} runs");
    for number in 0..runs {
        let folder = temporary.path().join(format!("run-{number}"));
        fs::create_dir(&folder).context("cannot make a folder")?;
        // Nothing is removed before the last run has ended: ext4 gives nobody the inodes that
        // were freed in the last minutes, and looks for others with up to ten seconds of
        // processor time when a restore makes as many files as were removed before it.
        race(&binary, &plant, &folder)?;
    }
    Ok(())
}

/// As shipped, but built faster: no link-time optimisation.
pub(super) fn build() -> Result<PathBuf> {
    let arguments = ["build", "--profile", "quick", "-p", "spandrel", "--no-default-features"];
    let mut cargo = Command::new("cargo");
    let done = cargo.args(arguments).args(["--features", "vault"]).status();
    if !done.context("cannot run cargo")?.success() {
        bail!("the binary does not build");
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(Path::new(&target).join("quick/spandrel"))
}

/// One program with its repository.
struct Racer {
    name: &'static str,
    commands: [Command; 4],
    repository: PathBuf,
    restored: PathBuf,
}

fn race(binary: &Path, plant: &Path, folder: &Path) -> Result<()> {
    let mut racers = vec![spandrel(binary, plant, folder)?];
    match restic(plant, folder) {
        Ok(racer) => racers.push(racer),
        Err(error) => println!("  restic: not measured, {error:#}"),
    }
    for (number, step) in ["first backup", "no change", "1 % changed", "restore"].iter().enumerate()
    {
        if number == 2 {
            change(plant)?;
        }
        let mut ran = Vec::new();
        for racer in &mut racers {
            let command = std::mem::replace(&mut racer.commands[number], Command::new("true"));
            let run = measure(command).with_context(|| format!("{}, {step}", racer.name))?;
            show(racer.name, step, &run);
            ran.push(run);
        }
        if let [ours, theirs] = &ran[..] {
            println!(
                "  of restic's  {step:12} {:6.2} CPU   {:7.2}   {:5.2}",
                ours.cpu_secs / theirs.cpu_secs,
                ours.wall_secs / theirs.wall_secs,
                ours.peak_kib as f64 / theirs.peak_kib as f64
            );
        }
    }
    for racer in &racers {
        let restored = racer.restored.join(plant.strip_prefix("/").unwrap_or(plant));
        let same = Command::new("diff").arg("-rq").arg(plant).arg(&restored).status();
        if !same.context("cannot run diff")?.success() {
            bail!("{}: what was restored differs", racer.name);
        }
        println!("  {}: repository of {} MB", racer.name, size(&racer.repository)? / 1_000_000);
    }
    Ok(())
}

fn spandrel(binary: &Path, plant: &Path, folder: &Path) -> Result<Racer> {
    let (vault, key) = (folder.join("vault"), folder.join("key"));
    let restored = folder.join("by-spandrel");
    let mut init = Command::new(binary);
    init.args(["vault", "init"]).arg(&vault).arg("--key-file").arg(&key);
    measure(init).context("cannot make a vault")?;
    let backup = || {
        let mut command = Command::new(binary);
        command.args(["backup", "--format", "json", "--vault"]).arg(&vault);
        command.arg("--source").arg(format!("files:{}", plant.display()));
        command
    };
    let mut restore = Command::new(binary);
    restore.args(["vault", "restore"]).arg(&vault).args(["latest", "--to"]).arg(&restored);
    let commands = [backup(), backup(), backup(), restore];
    Ok(Racer { name: "spandrel", commands, repository: vault, restored })
}

fn restic(plant: &Path, folder: &Path) -> Result<Racer> {
    let (repository, restored) = (folder.join("restic"), folder.join("by-restic"));
    let restic = || {
        let mut command = Command::new("restic");
        command.arg("--no-cache").arg("-r").arg(&repository).env("RESTIC_PASSWORD", "bench");
        command
    };
    let mut init = restic();
    init.arg("init");
    measure(init)?;
    let backup = || {
        let mut command = restic();
        command.arg("backup").arg(plant);
        command
    };
    let mut restore = restic();
    restore.args(["restore", "latest", "--target"]).arg(&restored);
    let commands = [backup(), backup(), backup(), restore];
    Ok(Racer { name: "restic", commands, repository, restored })
}

fn show(name: &str, step: &str, run: &Run) {
    let Run { cpu_secs, system_secs, wall_secs, peak_kib, .. } = run;
    let mib = peak_kib / 1_024;
    println!(
        "  {name:9} {step:12} {cpu_secs:6.2} CPU s ({system_secs:5.2} in the kernel) \
         {wall_secs:7.2} s {mib:5} MiB at most"
    );
}

fn size(path: &Path) -> Result<u64> {
    let meta = fs::symlink_metadata(path).context("cannot read the repository")?;
    if !meta.is_dir() {
        return Ok(meta.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path).context("cannot list the repository")? {
        sum += size(&entry.context("cannot list the repository")?.path())?;
    }
    Ok(sum)
}

/// xorshift: the same bytes on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(length + 8);
        while bytes.len() < length {
            bytes.extend_from_slice(&self.next().to_le_bytes());
        }
        bytes.truncate(length);
        bytes
    }
}

/// A file to write bit by bit: what this process holds in memory would count as memory of the
/// programs it starts.
fn create(path: PathBuf) -> Result<BufWriter<File>> {
    let folder = path.parent().context("a file without a folder")?;
    fs::create_dir_all(folder).context("cannot make a folder")?;
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(BufWriter::new(file))
}

/// A third logs, a third noise, a sixth of it again shifted by some bytes, and configurations.
fn make(plant: &Path, megabytes: usize, configs: usize) -> Result<()> {
    let mut noise = Noise(0x5eed);
    let each = megabytes * 1_000_000 / 12;
    for number in 0..6 {
        let mut log = create(plant.join(format!("scada/log-{number}.csv")))?;
        let (mut second, mut length) = (0, 0);
        while length < each {
            second += noise.next() % 3;
            let value = 500 + noise.next() % 40;
            let line = format!(
                "2026-03-{number:02}T00:00:{second},line{number}/oven/temperature,{value},good\n"
            );
            log.write_all(line.as_bytes())?;
            length += line.len();
        }
        log.flush()?;
    }
    for number in 0..4 {
        let mut image = create(plant.join(format!("images/{number}.bin")))?;
        let mut again = match number {
            0 | 1 => Some(create(plant.join(format!("images/{number}-again.bin")))?),
            _ => None,
        };
        for at in (0..each).step_by(1 << 16) {
            let bytes = noise.bytes((each - at).min(1 << 16));
            image.write_all(&bytes)?;
            let shifted = if at == 0 { bytes.get(777..).unwrap_or(&[]) } else { &bytes };
            again.as_mut().map_or(Ok(()), |again| again.write_all(shifted))?;
        }
        image.flush()?;
        again.map_or(Ok(()), |mut again| again.flush())?;
    }
    for number in 0..configs {
        let mut config = create(plant.join(format!("configs/{}/{number}.cfg", number % 100)))?;
        let (speed, rest) = (noise.next() % 999, noise.bytes(90));
        writeln!(config, "device={number}\nspeed={speed}\n{rest:x?}")?;
        config.flush()?;
    }
    Ok(())
}

/// Logs grow a little and one configuration in forty is edited.
fn change(plant: &Path) -> Result<()> {
    let mut noise = Noise(0xc4a9);
    for number in 0..6 {
        let path = plant.join(format!("scada/log-{number}.csv"));
        let mut file =
            File::options().read(true).append(true).open(&path).context("cannot open a log")?;
        let mut more = vec![0; usize::try_from(file.metadata()?.len() / 100)?];
        file.read_exact(&mut more).context("cannot read a log")?;
        file.write_all(&more).context("cannot write a log")?;
    }
    for number in (0..).step_by(40) {
        let path = plant.join(format!("configs/{}/{number}.cfg", number % 100));
        if !path.exists() {
            return Ok(());
        }
        fs::write(&path, format!("edited={}\n", noise.next())).context("cannot edit a file")?;
    }
    Ok(())
}
