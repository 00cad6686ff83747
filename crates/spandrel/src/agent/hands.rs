//! The process that reads, stores and proves for an agent: `spandrel vault worker`, held closer.
//!
//! It reads what the host's owner allows, the key and the vault on the host, writes that vault
//! alone, and has no network. Not here: what it does. Invariant: it ends with the agent.

use agent::{Config, Job, Running, Says, Word, Worker};
use anyhow::{Context as _, Result};
use server::work;
use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::PathBuf,
    process::{Child, ChildStderr, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
};
use uplink::host::Keep;

/// One word of the worker.
const LINE_BYTES_MAX: u64 = 16 << 20;
/// What it says when it dies.
const COMPLAINT_BYTES_MAX: u64 = 16 << 10;

pub struct Hands {
    program: PathBuf,
    vault: PathBuf,
    key_file: PathBuf,
    temporary: PathBuf,
}

impl Hands {
    pub fn new(program: PathBuf, config: &Config) -> Result<Self> {
        let temporary = config.place("tmp");
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&temporary)
            .with_context(|| format!("cannot create {}", temporary.display()))?;
        Ok(Hands { program, vault: config.spool(), key_file: config.key_file(), temporary })
    }

    fn order(&self, job: &Job) -> work::Order {
        let (vault, key_file) = (self.vault.clone(), self.key_file.clone());
        let (job, reads) = match job.clone() {
            Job::Backup { asset, sources, reads, kib_per_s, lock_days, keep } => {
                let (secrets, keep) = (None, keep.map(own_rules));
                (work::Job::Backup { asset, sources, secrets, kib_per_s, lock_days, keep }, reads)
            }
            Job::Verify { snapshot, level } => {
                (work::Job::Verify { level, snapshot: Some(snapshot) }, Vec::new())
            }
            Job::Drill { snapshot, work, ordered_ms } => {
                (work::Job::Rehearse { snapshot, work, ordered_ms }, Vec::new())
            }
            Job::Restore { snapshot, to, only, into, outside } => {
                (work::Job::RestoreWithin { snapshot, to, only, into, outside }, Vec::new())
            }
            Job::Forget => (work::Job::Forget, Vec::new()),
        };
        work::Order { vault, key_file, job, reads: Some(reads) }
    }
}

fn own_rules(keep: Keep) -> work::OwnRules {
    let Keep { last, hourly, daily, weekly, monthly, yearly } = keep;
    work::OwnRules { last, hourly, daily, weekly, monthly, yearly }
}

impl Worker for Hands {
    fn begin(&self, job: &Job, says: Says) -> io::Result<Box<dyn Running>> {
        let mut command = Command::new(&self.program);
        command.args(["vault", "worker"]).env_clear();
        // As for the control plane's own: less memory.
        command.env("MALLOC_ARENA_MAX", "1").env("MIMALLOC_PURGE_DELAY", "0");
        command.env("TMPDIR", &self.temporary);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn()?;
        let mut line = serde_json::to_vec(&self.order(job)).expect("plain data");
        line.push(b'\n');
        let mut told = child.stdin.take().expect("piped");
        if let Err(error) = told.write_all(&line) {
            tracing::debug!(%error, "a worker ended before it was told what to do");
        }
        let (words, complaints) =
            (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        let child = Arc::new(Mutex::new(child));
        let held = Arc::clone(&child);
        thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let last = listen(words, complaints, &says);
            // Its standard input is open until here: a worker whose agent is gone ends by that.
            drop(told);
            reap(&held);
            says(last);
        })?;
        Ok(Box::new(Work(child)))
    }
}

struct Work(Arc<Mutex<Child>>);

impl Running for Work {
    fn end(&mut self) {
        let mut child = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // It has ended already: fine.
        drop(child.kill());
        drop(child.wait());
    }
}

fn reap(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap_or_else(PoisonError::into_inner);
    if let Err(error) = child.wait() {
        tracing::warn!(%error, "a worker's end could not be seen");
    }
}

/// Passes words on; gives the last.
fn listen(words: ChildStdout, complaints: ChildStderr, says: &Says) -> Word {
    let complaint = thread::spawn(move || {
        let mut text = Vec::new();
        // What cannot be read is not told; that it died is.
        drop(complaints.take(COMPLAINT_BYTES_MAX).read_to_end(&mut text));
        text
    });
    let mut words = BufReader::new(words);
    let last = loop {
        let mut line = Vec::new();
        match (&mut words).take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            Err(_) | Ok(0) => break None,
            Ok(_) => {}
        }
        match serde_json::from_slice(&line) {
            Ok(work::Word::Progress { bytes, at }) => says(Word::Progress { bytes, at }),
            Ok(work::Word::Drill { drill }) => {
                says(Word::Drill(serde_json::to_value(drill).expect("plain data")));
            }
            Ok(work::Word::Done { answer }) => break Some(Word::Done(answer)),
            Ok(work::Word::Failed { why }) => break Some(Word::Failed(why)),
            Err(error) => break Some(Word::Failed(format!("the worker's word is none: {error}"))),
        }
    };
    if let Some(last) = last {
        return last;
    }
    let text = complaint.join().unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let said = text.lines().rev().find(|line| !line.trim().is_empty());
    let said = said.unwrap_or("the process that backs up ended without an answer");
    Word::Failed(said.trim_start_matches("spandrel: ").to_owned())
}
