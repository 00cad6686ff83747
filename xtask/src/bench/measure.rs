//! One run of a program: time by the clock, processor time, memory, output.
//!
//! Reads `/proc`, so Linux only. Invariant: a run that failed is an error, never a figure.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

/// `/proc` counts in hundredths of a second on every Linux (USER_HZ, proc(5)).
const TICKS_PER_SEC: f64 = 100.0;

#[derive(Clone, Copy)]
pub struct Run {
    pub wall_secs: f64,
    /// User and system time of the process.
    pub cpu_secs: f64,
    /// Processor time of its busiest thread, as last seen.
    pub busiest_secs: f64,
    pub peak_kib: u64,
    /// Octets on standard output.
    pub said: u64,
}

impl Run {
    /// The faster of two.
    pub fn min(self, other: Run) -> Run {
        if other.cpu_secs < self.cpu_secs { other } else { self }
    }
}

pub fn measure(mut command: Command) -> Result<Run> {
    let before = children_ticks()?;
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let mut stdout = child.stdout.take().context("no standard output")?;
    let reader = std::thread::spawn(move || {
        let (mut said, mut buffer) = (0u64, vec![0; 1 << 20]);
        while let Ok(count @ 1..) = stdout.read(&mut buffer) {
            said += count as u64;
        }
        said
    });
    let (mut peak_kib, mut busiest) = (0, 0);
    let status = loop {
        if let Some(status) = child.try_wait().context("cannot wait for the program")? {
            break status;
        }
        peak_kib = peak_kib.max(peak(child.id()).unwrap_or(0));
        busiest = busiest.max(busiest_thread(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    };
    let wall_secs = start.elapsed().as_secs_f64();
    let ticks = children_ticks()?.saturating_sub(before);
    let said = reader.join().ok().context("the reading thread failed")?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    let cpu_secs = ticks as f64 / TICKS_PER_SEC;
    let busiest_secs = busiest as f64 / TICKS_PER_SEC;
    Ok(Run { wall_secs, cpu_secs, busiest_secs, peak_kib, said })
}

/// User and system time of children waited for (fields 16 and 17 of proc_pid_stat(5)).
fn children_ticks() -> Result<u64> {
    let stat = fs::read_to_string("/proc/self/stat").context("cannot read /proc/self/stat")?;
    sum(&stat, [13, 14]).context("/proc/self/stat has no times of children")
}

/// Fields behind the command's name, which may hold blanks itself; the first of them is 0.
fn sum(stat: &str, fields: [usize; 2]) -> Option<u64> {
    let rest: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let field = |at: usize| rest.get(at)?.parse::<u64>().ok();
    Some(field(fields[0])? + field(fields[1])?)
}

fn busiest_thread(process: u32) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let stats = tasks.flatten().filter_map(|t| fs::read_to_string(t.path().join("stat")).ok());
    stats.filter_map(|stat| sum(&stat, [11, 12])).max()
}

fn peak(process: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_stand_behind_a_name_with_blanks_and_brackets() {
        let stat = "7 (a (b) c) S 1 2 3 4 5 6 7 8 9 10 11 22 33 44 15";
        assert_eq!(sum(stat, [11, 12]), Some(33));
        assert_eq!(sum(stat, [13, 14]), Some(77));
    }
}
