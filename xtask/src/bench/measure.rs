//! One run of a program: time by the clock, processor time, memory, output.
//!
//! Processor time and peak memory are what the kernel counted when the program ended (wait4(2)),
//! children it waited for included. Reads `/proc` besides, so Linux only. Invariant: a run that
//! failed is an error, never a figure.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use wait4::Wait4;

/// `/proc` counts in hundredths of a second on every Linux (USER_HZ, proc(5)).
const TICKS_PER_SEC: f64 = 100.0;

#[derive(Clone, Copy)]
pub struct Run {
    pub wall_secs: f64,
    /// User and system time of the process.
    pub cpu_secs: f64,
    /// The part of it that the kernel took.
    pub system_secs: f64,
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
    let own_peak_kib = peak("self").context("/proc/self/status has no peak")?;
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
    let (mut seen_kib, mut busiest) = (0, 0);
    let ended = loop {
        if let Some(ended) = child.try_wait4().context("cannot wait for the program")? {
            break ended;
        }
        seen_kib = seen_kib.max(peak(&child.id().to_string()).unwrap_or(0));
        busiest = busiest.max(busiest_thread(child.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(10));
    };
    let wall_secs = start.elapsed().as_secs_f64();
    let said = reader.join().ok().context("the reading thread failed")?;
    if !ended.status.success() {
        bail!("it ended with {}", ended.status);
    }
    let cpu_secs = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
    let busiest_secs = busiest as f64 / TICKS_PER_SEC;
    // A program inherits the peak of the one that started it (exec of a vfork shares its memory
    // until then), so a figure that is not above ours says nothing; then what was seen counts.
    let counted_kib = ended.rusage.maxrss / 1_024;
    let peak_kib = if counted_kib > own_peak_kib { counted_kib } else { seen_kib };
    let system_secs = ended.rusage.stime.as_secs_f64();
    Ok(Run { wall_secs, cpu_secs, system_secs, busiest_secs, peak_kib, said })
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

fn peak(process: &str) -> Option<u64> {
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

    #[test]
    fn a_run_has_its_processor_time_and_a_failed_one_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done"]);
        let run = measure(command).unwrap();
        assert_eq!(run.said, 5);
        assert!(run.cpu_secs > 0.0 && run.cpu_secs < 60.0 && run.peak_kib > 0, "{}", run.cpu_secs);
        assert!(measure(Command::new("false")).is_err());
    }
}
