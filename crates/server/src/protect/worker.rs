//! The child process that works in the vault: started, told one order, heard, ended.
//!
//! Not here: what it does. Invariant: a worker that is ended, dies or talks nonsense is a
//! [`Failure`] with a line for a person; the server reads bounded JSON and nothing else of it.

use super::work::{Order, Word};
use crate::limits::VAULT_LINE_BYTES_MAX;
use std::{future::Future, path::Path, process::Stdio};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdout, Command},
    sync::mpsc::{UnboundedReceiver, unbounded_channel},
};

/// Nothing to be told on the way.
pub(crate) fn silence() -> UnboundedReceiver<String> {
    unbounded_channel().1
}

/// Why a worker gave no answer.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) why: String,
    /// It was ended on purpose.
    pub(crate) ended: bool,
}

impl Failure {
    pub(crate) fn of(why: impl Into<String>) -> Self {
        Failure { why: why.into(), ended: false }
    }
}

/// Has the order done; `says` are lines it is told while it works, `end` ends it.
pub(crate) async fn perform(
    program: &Path,
    order: &Order,
    mut hear: impl FnMut(Word),
    mut says: UnboundedReceiver<String>,
    end: impl Future<Output = ()>,
) -> Result<serde_json::Value, Failure> {
    let mut child = start(program).map_err(|e| Failure::of(format!("cannot start it: {e}")))?;
    let mut line = serde_json::to_vec(order).expect("plain data");
    line.push(b'\n');
    let mut told = child.stdin.take().expect("piped");
    if let Err(error) = told.write_all(&line).await {
        tracing::debug!(%error, "a worker ended before it was told what to do");
    }
    let words = child.stdout.take().expect("piped");
    let mut complaints = child.stderr.take().expect("piped").take(16 << 10);
    let listening = async {
        let mut complaint = Vec::new();
        let (outcome, _) =
            tokio::join!(listen(words, &mut hear), complaints.read_to_end(&mut complaint));
        (outcome, complaint)
    };
    let speaking = async {
        while let Some(line) = says.recv().await {
            if let Err(error) = told.write_all(format!("{line}\n").as_bytes()).await {
                tracing::debug!(%error, "a worker did not take what it was told");
            }
        }
        std::future::pending::<()>().await;
    };
    // Its standard input stays open: a worker whose server is gone reads its end there and ends.
    let heard = tokio::select! {
        heard = listening => heard,
        () = speaking => unreachable!("it goes on for ever"),
        () = end => {
            stop(&mut child).await;
            return Err(Failure { why: "it was stopped".to_owned(), ended: true });
        }
    };
    drop(told);
    let status = child.wait().await;
    match heard {
        (Ok(Some(Word::Done { answer })), _) => Ok(answer),
        (Ok(Some(Word::Failed { why })), _) => Err(Failure::of(why)),
        (Err(why), _) => {
            stop(&mut child).await;
            Err(Failure::of(why))
        }
        (Ok(_), complaint) => {
            let text = String::from_utf8_lossy(&complaint);
            let last = text.lines().rev().find(|line| !line.trim().is_empty());
            let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            Err(Failure::of(match last {
                Some(line) => line.trim_start_matches("spandrel: ").to_owned(),
                None => format!("the worker ended without an answer: {how}"),
            }))
        }
    }
}

fn start(program: &Path) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    command.args(["vault", "worker"]).env_clear();
    // One arena of the C library: the engine's threads otherwise hold a seventh more memory.
    command.env("MALLOC_ARENA_MAX", "1");
    // What is free goes back to the system at once: 102 MiB at most for a first backup of 1 GB,
    // not 110 to 117.
    command.env("MIMALLOC_PURGE_DELAY", "0");
    // The sftp source runs ssh with its user's keys.
    for name in ["PATH", "HOME", "USER", "TZ"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    command.process_group(0);
    command.kill_on_drop(true).spawn()
}

/// Nothing is lost by ending a worker at any moment: the vault is made for that.
async fn stop(child: &mut Child) {
    if let Err(error) = child.kill().await {
        tracing::warn!(%error, "a worker could not be ended");
    }
}

/// The last word; `None` when the stream ended before it.
async fn listen(words: ChildStdout, hear: &mut impl FnMut(Word)) -> Result<Option<Word>, String> {
    let mut words = BufReader::new(words);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut words).take(VAULT_LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line).await;
        match read.map_err(|error| format!("its words cannot be read: {error}"))? {
            0 => return Ok(None),
            n if n as u64 == VAULT_LINE_BYTES_MAX => return Err("its answer is too long".into()),
            _ => {}
        }
        match serde_json::from_slice(&line) {
            Ok(word @ (Word::Progress { .. } | Word::Drill { .. })) => hear(word),
            Ok(word) => return Ok(Some(word)),
            Err(error) => return Err(format!("it says what is no word of a worker: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protect::work::Job;
    use std::{os::unix::fs::PermissionsExt, path::PathBuf};

    async fn with(script: &str) -> (Result<serde_json::Value, Failure>, Vec<u64>) {
        let dir = tempfile::tempdir().expect("a directory");
        let program: PathBuf = dir.path().join("worker");
        std::fs::write(&program, format!("#!/bin/sh\nread order\n{script}\n")).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("set");
        let order =
            Order { vault: "v".into(), key_file: "k".into(), job: Job::Overview, reads: None };
        let mut told = Vec::new();
        let never = std::future::pending();
        let hear = |word| {
            if let Word::Progress { bytes, .. } = word {
                told.push(bytes);
            }
        };
        let answer = perform(&program, &order, hear, silence(), never).await;
        (answer, told)
    }

    #[tokio::test]
    async fn an_answer_a_refusal_and_a_death_are_told_apart() {
        let (answer, told) = with(
            "echo '{\"says\":\"progress\",\"bytes\":5,\"at\":\"/a\"}'
             echo '{\"says\":\"done\",\"answer\":[1]}'",
        )
        .await;
        assert_eq!((answer.expect("an answer"), told), (serde_json::json!([1]), vec![5]));
        let (answer, _) = with(r#"echo '{"says":"failed","why":"no key"}'"#).await;
        assert_eq!(answer.expect_err("refused").why, "no key");
        let (answer, _) = with("echo 'spandrel: it broke' >&2; exit 1").await;
        assert_eq!(answer.expect_err("died").why, "it broke");
        let (answer, _) = with("echo hello").await;
        assert!(answer.expect_err("nonsense").why.contains("no word"));
    }

    #[tokio::test]
    async fn a_worker_hears_what_it_is_told_while_it_works() {
        let dir = tempfile::tempdir().expect("a directory");
        let program: PathBuf = dir.path().join("worker");
        let script = "#!/bin/sh\nread order\nread line\necho \"{\\\"says\\\":\\\"failed\\\",\
                      \\\"why\\\":\\\"heard $line\\\"}\"\n";
        std::fs::write(&program, script).expect("written");
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).expect("set");
        let order =
            Order { vault: "v".into(), key_file: "k".into(), job: Job::Overview, reads: None };
        let (tell, says) = unbounded_channel();
        tell.send("done".to_owned()).expect("somebody listens");
        let never = std::future::pending();
        let answer = perform(&program, &order, |_| (), says, never).await;
        assert_eq!(answer.expect_err("refused").why, "heard done");
    }

    #[tokio::test]
    async fn a_worker_is_ended_when_it_is_asked_to() {
        let order =
            Order { vault: "v".into(), key_file: "k".into(), job: Job::Overview, reads: None };
        let end = std::future::ready(());
        // It reads its order, gives nothing back and would wait for ever.
        let answer = perform(Path::new("/bin/cat"), &order, |_| (), silence(), end).await;
        let failure = answer.expect_err("no answer");
        assert!(failure.ended || failure.why.contains("worker"), "{failure:?}");
    }
}
