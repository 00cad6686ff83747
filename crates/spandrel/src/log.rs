//! The log, on standard error.
//!
//! Not here: what is said. Invariant: whoever logs goes on, whether or not the line could be
//! written: a log on a full disk, or whose reader has gone, ends nothing. What is lost is counted.

use server::LostLines;
use std::{
    io::{IsTerminal as _, Result, Write},
    sync::Arc,
};
use tracing_subscriber::EnvFilter;

/// For a person on a terminal, as JSON for programs. Gives the count of lines that are lost.
pub fn log_to_stderr() -> Arc<LostLines> {
    let filter = std::env::var("SPANDREL_LOG").unwrap_or_else(|_| "info,sqlx=warn".to_owned());
    let filter = EnvFilter::try_new(filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lost = Arc::<LostLines>::default();
    let counted = Arc::clone(&lost);
    let lines = move || Lines { to: std::io::stderr(), lost: Arc::clone(&counted) };
    // Its own complaints go to where the lines do, and panic where that takes none.
    let log = tracing_subscriber::fmt().log_internal_errors(false);
    let log = log.with_env_filter(filter).with_writer(lines);
    // Somebody else has set one already: then that one is used.
    let set = if std::io::stderr().is_terminal() {
        log.with_target(false).try_init()
    } else {
        log.json().flatten_event(true).try_init()
    };
    drop(set);
    lost
}

/// Takes each line, written or not.
struct Lines<W> {
    to: W,
    lost: Arc<LostLines>,
}

impl<W: Write> Write for Lines<W> {
    fn write(&mut self, line: &[u8]) -> Result<usize> {
        if self.to.write_all(line).is_err() {
            self.lost.count();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_cannot_be_written_is_counted_and_no_failure() {
        let lost = Arc::<LostLines>::default();
        let mut room = [0; 8];
        let mut lines = Lines { to: &mut room[..], lost: Arc::clone(&lost) };
        for line in ["one\n", "two\n", "three\n", "four\n"] {
            lines.write_all(line.as_bytes()).expect("it never fails");
        }
        assert_eq!((lost.lost(), &room), (2, b"one\ntwo\n"));
    }
}
