//! One run of a program: time by the clock, processor time, memory.
//!
//! What it says goes to `/dev/null`: who reads it would need a processor, and take it from a
//! program that works on all of them. Nothing else runs beside it either: processor time and peak
//! memory are what the kernel counted when the program ended (wait4(2)), children it waited for
//! included. Invariant: a run that failed is an error, never a figure.

use anyhow::{Context, Result, bail};
use std::{
    fs,
    process::{Command, Stdio},
    time::Instant,
};
use wait4::Wait4;

#[derive(Clone, Copy)]
pub struct Run {
    pub wall_secs: f64,
    /// User and system time of the process.
    pub cpu_secs: f64,
    /// The part of it that the kernel took.
    pub system_secs: f64,
    /// Never less than the memory of this program when it started the other, some 10 MiB.
    pub peak_kib: u64,
}

impl Run {
    /// The faster of two.
    pub fn min(self, other: Run) -> Run {
        if other.cpu_secs < self.cpu_secs { other } else { self }
    }
}

pub fn measure(mut command: Command) -> Result<Run> {
    // A program inherits the peak of the one that started it (exec of a vfork shares its memory
    // until then): 5 sets ours back to what is held now (proc(5), clear_refs). Where the kernel
    // cannot, peaks are said too high, never too low.
    let _ = fs::write("/proc/self/clear_refs", "5");
    let start = Instant::now();
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start {:?}", command.get_program()))?;
    let ended = child.wait4().context("cannot wait for the program")?;
    let wall_secs = start.elapsed().as_secs_f64();
    if !ended.status.success() {
        bail!("it ended with {}", ended.status);
    }
    let cpu_secs = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
    let peak_kib = ended.rusage.maxrss / 1_024;
    let system_secs = ended.rusage.stime.as_secs_f64();
    Ok(Run { wall_secs, cpu_secs, system_secs, peak_kib })
}

/// How many octets a program says, which are not read while it is measured.
pub fn said(mut command: Command) -> Result<u64> {
    let program = command.get_program().to_owned();
    let output = command.output().with_context(|| format!("cannot start {program:?}"))?;
    if !output.status.success() {
        bail!("it ended with {}", output.status);
    }
    Ok(output.stdout.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_its_processor_time_and_a_failed_one_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo done"]);
        let run = measure(command).unwrap();
        assert!(run.cpu_secs > 0.0 && run.cpu_secs < 60.0 && run.peak_kib > 0, "{}", run.cpu_secs);
        assert!(measure(Command::new("false")).is_err());
    }

    #[test]
    fn what_this_program_once_needed_is_not_what_another_needs() {
        let held = vec![1_u8; 400 << 20];
        assert_eq!(std::hint::black_box(&held).len(), 400 << 20);
        drop(held);
        if fs::write("/proc/self/clear_refs", "5").is_ok() {
            let peak_kib = measure(Command::new("true")).unwrap().peak_kib;
            assert!(peak_kib < 200 << 10, "{peak_kib} KiB");
        }
    }

    #[test]
    fn what_a_program_says_is_counted_and_a_failed_one_is_an_error() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo done; echo more >&2"]);
        assert_eq!(said(command).unwrap(), 5);
        assert!(said(Command::new("false")).is_err());
    }
}
