//! The `ssh` program as a child: it carries the connection of sources that need one.
//!
//! Keys, known hosts and old algorithms are the matter of its own configuration. A password, when
//! the secrets have one, is handed over by `SSH_ASKPASS`. Invariant: no password is on a command
//! line or in a file, a server whose key is not known is not talked to, and one that falls silent
//! is not waited for.

use super::{login, login::Login, url::Url};
use crate::limits::{ANSWER_BYTES_MAX, DOCUMENT_TIMEOUT, SERVER_TIMEOUT};
use std::{
    fs,
    io::{self, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, sync_channel},
    thread,
    time::{Duration, Instant},
};

/// How long nothing may come after the start: connecting may take one, the first answer another.
pub const FIRST_TIMEOUT: Duration = Duration::from_secs(2 * SERVER_TIMEOUT.as_secs());

/// Pieces that wait to be heard.
const PIECES_AHEAD: usize = 4;

/// Whether ssh would take a part of the address for an option of its own.
pub fn is_option(url: &Url) -> bool {
    url.host.starts_with('-') || url.user.as_ref().is_some_and(|user| user.starts_with('-'))
}

/// The password of the user that the address names; without a name there are keys only.
pub fn login(url: &Url, secrets: Option<&Path>) -> io::Result<Option<Login>> {
    match &url.user {
        Some(user) => login::find(secrets, &url.host, Some(user)),
        None => Ok(None),
    }
}

/// `ssh` up to the host's name; what is to run there is added by the caller.
pub fn command(url: &Url, login: Option<&Login>, staging: &Path) -> io::Result<Command> {
    let mut ssh = Command::new("ssh");
    ssh.args(["-o", "ConnectTimeout=20", "-o", "ForwardAgent=no", "-o", "ForwardX11=no"]);
    ssh.args(["-o", "StrictHostKeyChecking=yes"]);
    // A link that is cut without a word is noticed within a minute.
    ssh.args(["-o", "ServerAliveInterval=20", "-o", "ServerAliveCountMax=3"]);
    match login {
        None => drop(ssh.args(["-o", "BatchMode=yes"])),
        Some(login) => {
            ssh.args(["-o", "NumberOfPasswordPrompts=1"]);
            ssh.env("SSH_ASKPASS", askpass(staging)?).env("SSH_ASKPASS_REQUIRE", "force");
            ssh.env("SPANDREL_SSH_PASSWORD", &login.password);
        }
    }
    if let Some(config) = url.options.get("config") {
        ssh.arg("-F").arg(config);
    }
    if let Some(port) = url.port {
        ssh.arg("-p").arg(port.to_string());
    }
    if let Some(user) = &url.user {
        ssh.arg("-l").arg(user);
    }
    Ok(ssh)
}

/// A program that says the password that stands in its environment, which others cannot read.
fn askpass(staging: &Path) -> io::Result<std::path::PathBuf> {
    let path = staging.join("askpass");
    let text = "#!/bin/sh\nprintf '%s\\n' \"$SPANDREL_SSH_PASSWORD\"\n";
    let opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o700).open(&path);
    match opened {
        Ok(mut file) => file.write_all(text.as_bytes())?,
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    Ok(path)
}

/// A child whose words are read beside us, so that nobody waits for one that says none.
pub struct Talk {
    child: Child,
    to: Option<ChildStdin>,
    from: Receiver<Vec<u8>>,
}

impl Drop for Talk {
    fn drop(&mut self) {
        self.end();
    }
}

impl Talk {
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = started.map_err(|error| {
            io::Error::other(format!("cannot start ssh; install openssh-client: {error}"))
        })?;
        let to = child.stdin.take();
        let mut output = child.stdout.take().expect("it is piped");
        let (send, from) = sync_channel(PIECES_AHEAD);
        thread::spawn(move || {
            let mut buffer = [0; 65_536];
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Ok(Self { child, to, from })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let to = self.to.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        to.write_all(bytes)?;
        to.flush()
    }

    /// What comes next; nothing more comes from one that is disconnected.
    pub fn hear(&self, wait: Duration) -> Result<Vec<u8>, RecvTimeoutError> {
        self.from.recv_timeout(wait)
    }

    /// Ends it.
    pub fn end(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits for its own end.
    fn status(&mut self, wait: Duration) -> io::Result<ExitStatus> {
        let end = Instant::now() + wait;
        loop {
            match self.child.try_wait()? {
                Some(status) => return Ok(status),
                None if Instant::now() >= end => return Err(silent()),
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

/// All that a command says until it ends; it may be silent for `wait`.
pub fn output(command: &mut Command, wait: Duration) -> io::Result<Output> {
    let mut talk = Talk::start(command.stderr(Stdio::piped()))?;
    drop(talk.to.take());
    let errors = talk.child.stderr.take().expect("it is piped");
    let (send, said) = sync_channel(1);
    thread::spawn(move || {
        let mut text = Vec::new();
        drop(errors.take(ANSWER_BYTES_MAX as u64).read_to_end(&mut text));
        drop(send.send(text));
    });
    let end = Instant::now() + DOCUMENT_TIMEOUT;
    let mut stdout = Vec::new();
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match talk.hear(wait.min(left)) {
            Ok(bytes) => stdout.extend(bytes),
            Err(RecvTimeoutError::Timeout) => return Err(silent()),
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if stdout.len() > ANSWER_BYTES_MAX {
            return Err(io::Error::other("the answer is too long"));
        }
    }
    let status = talk.status(wait)?;
    // A process of its own that outlives ssh may keep the other end open.
    let stderr = said.recv_timeout(wait).unwrap_or_default();
    Ok(Output { status, stdout, stderr })
}

/// Of one that says nothing in time.
pub fn silent() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "it stopped answering")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_comes_whole_and_one_that_does_not_end_is_not_waited_for() {
        let run = |script: &str, wait| output(Command::new("sh").args(["-c", script]), wait);
        let long = Duration::from_secs(60);
        let done = run("echo one; echo two; echo no >&2; exit 3", long).unwrap();
        assert_eq!(
            (done.status.code(), &done.stdout[..], &done.stderr[..]),
            (Some(3), &b"one\ntwo\n"[..], &b"no\n"[..])
        );
        let short = Duration::from_millis(50);
        for script in ["exec sleep 1000", "echo one; exec sleep 1000", "exec sleep 1000 >&-"] {
            let error = run(script, short).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::TimedOut, "{script}");
        }
        assert_eq!(run("exec yes", long).unwrap_err().to_string(), "the answer is too long");
    }
}
