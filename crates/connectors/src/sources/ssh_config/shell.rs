//! A command line of a device over `ssh`: commands in, their answers out.
//!
//! Invariant: an answer is whole: it ends with the prompt that the device showed at first, else
//! it is an error.

use super::super::{
    login::Login,
    ssh::{self, Talk},
    url::Url,
};
use crate::limits::{ANSWER_BYTES_MAX, DOCUMENT_TIMEOUT, PROMPT_QUIET, SERVER_TIMEOUT};
use std::{
    io,
    path::Path,
    sync::mpsc::RecvTimeoutError,
    time::{Duration, Instant},
};

pub struct Shell {
    talk: Talk,
    heard: Vec<u8>,
    prompt: String,
    /// What this answer may still have, pages that were wiped away included, and until when.
    room: usize,
    end: Instant,
}

impl Shell {
    /// Logs in and waits for the first prompt, which ends with one of `prompts`.
    pub fn open(
        url: &Url,
        login: Option<&Login>,
        staging: &Path,
        prompts: &[char],
    ) -> io::Result<Self> {
        // Two times: a terminal is asked for though we have none; devices want one.
        let mut command = ssh::command(url, login, staging)?;
        let mut shell = Self::over(Talk::start(command.arg("-tt").arg(&url.host))?);
        shell.first_prompt(prompts)?;
        Ok(shell)
    }

    fn over(talk: Talk) -> Self {
        let mut shell =
            Self { talk, heard: Vec::new(), prompt: String::new(), room: 0, end: Instant::now() };
        shell.begin();
        shell
    }

    /// What comes from here on is another answer.
    fn begin(&mut self) {
        self.heard.clear();
        (self.room, self.end) = (ANSWER_BYTES_MAX, Instant::now() + DOCUMENT_TIMEOUT);
    }

    /// A banner may end as a prompt does, so the device must also be quiet.
    fn first_prompt(&mut self, prompts: &[char]) -> io::Result<()> {
        loop {
            let line = last_line(&self.heard);
            let is_prompt = line.trim_end().ends_with(prompts) && line.len() < 100;
            let wait = if is_prompt { PROMPT_QUIET } else { SERVER_TIMEOUT };
            if !self.hear(wait)? {
                if is_prompt {
                    self.prompt = line;
                    return Ok(());
                }
                return Err(io::Error::other("the device shows no prompt"));
            }
        }
    }

    /// The answer to a command, without its echo and the prompt.
    pub fn ask(&mut self, command: &str) -> io::Result<String> {
        self.begin();
        self.talk.send(command.as_bytes())?;
        self.talk.send(b"\r")?;
        loop {
            let line = last_line(&self.heard);
            // Devices wait for a key after a page: the space bar shows the next.
            if is_pager(&line) {
                let start = self.heard.len() - last_line_length(&self.heard);
                self.heard.truncate(start);
                self.talk.send(b" ")?;
            } else if line == self.prompt && self.heard.contains(&b'\n') {
                break;
            }
            if !self.hear(SERVER_TIMEOUT)? {
                let text = format!("no prompt after `{command}`; the last line was `{line}`");
                return Err(io::Error::other(text));
            }
        }
        let text = plain(&self.heard);
        let mut lines: Vec<&str> = text.lines().collect();
        lines.pop();
        if lines.first().is_some_and(|line| line.trim_end().ends_with(command)) {
            lines.remove(0);
        }
        Ok(lines.iter().flat_map(|line| [*line, "\n"]).collect())
    }

    /// Says good-bye and waits until the device hangs up, so that its session is really over: few
    /// devices have more than five. One that stays on the line is left after `SERVER_TIMEOUT`.
    pub fn leave(mut self, command: &str) {
        self.begin();
        drop(self.talk.send(command.as_bytes()).and_then(|()| self.talk.send(b"\r")));
        let end = Instant::now() + SERVER_TIMEOUT;
        while let Ok(true) = self.hear(end.saturating_duration_since(Instant::now())) {}
    }

    /// Takes in what comes; false when nothing came in time.
    fn hear(&mut self, wait: Duration) -> io::Result<bool> {
        match self.talk.hear(wait) {
            Ok(bytes) => {
                self.room = self.room.saturating_sub(bytes.len());
                self.heard.extend(bytes);
            }
            Err(RecvTimeoutError::Timeout) => return Ok(false),
            Err(RecvTimeoutError::Disconnected) => {
                let text = "ssh could not connect, or the device hung up; ssh's own message is \
                            above";
                return Err(io::Error::other(text));
            }
        }
        if self.room == 0 || Instant::now() > self.end {
            return Err(io::Error::other("the answer is too long"));
        }
        Ok(true)
    }
}

fn last_line_length(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|byte| **byte != b'\n').count()
}

fn last_line(bytes: &[u8]) -> String {
    plain(&bytes[bytes.len() - last_line_length(bytes)..])
}

fn is_pager(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    let words = ["--more--", "---- more ----", "<--- more --->", "press any key", "-- more --"];
    words.iter().any(|word| lower.contains(word))
}

/// Text as a terminal shows it: without escape sequences, a carriage return goes back to the
/// beginning of the line, a backspace one place.
fn plain(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let mut place = 0_usize;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        let line = lines.last_mut().expect("there is always one");
        match letter {
            '\u{1b}' => {
                if letters.next_if_eq(&'[').is_some() {
                    while letters.next().is_some_and(|c| !c.is_ascii_alphabetic()) {}
                } else {
                    letters.next();
                }
            }
            '\n' => {
                lines.push(Vec::new());
                place = 0;
            }
            '\r' => place = 0,
            '\u{8}' => place = place.saturating_sub(1),
            c if c.is_control() && c != '\t' => {}
            c => {
                if let Some(old) = line.get_mut(place) {
                    *old = c;
                } else {
                    line.push(c);
                }
                place += 1;
            }
        }
    }
    let lines: Vec<String> = lines.into_iter().map(|line| line.into_iter().collect()).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_without_end_are_left() {
        let mut pages = std::process::Command::new("sh");
        let talk = Talk::start(pages.args(["-c", "yes -- --More-- | tr -d '\\n'"])).unwrap();
        let mut shell = Shell::over(talk);
        shell.room = 1 << 20;
        shell.prompt = "plc#".to_owned();
        while let Ok(true) = shell.hear(SERVER_TIMEOUT) {
            if is_pager(&last_line(&shell.heard)) {
                shell.heard.clear();
            }
        }
        assert_eq!((shell.room, shell.heard.len() < 1 << 20), (0, true));
    }

    #[test]
    fn a_terminal_shows_no_escapes_and_erases_its_pager() {
        assert_eq!(plain(b"a\x1b[2Kb\x1b7c\r\nnext"), "abc\nnext");
        assert_eq!(plain(b"--More--\r        \rreal line\n"), "real line\n");
        assert_eq!(plain(b"ab\x08c"), "ac");
        assert!(is_pager(" --More-- ") && !is_pager("more or less"));
    }
}
