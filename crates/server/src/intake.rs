//! A sensor's stream into the store: JSON lines of one beside us, packed batches of one beyond a
//! narrow line (`remote`).
//!
//! Not here: the process that writes it. Invariant: a line is taken only when its batch is
//! committed; a sensor that writes faster than the disk waits at its pipe and counts what it drops.
//! Where the disk takes nothing at all, lines are held (`held`), for a plant that goes on must go
//! on being seen, and batches wait at the other end of their line.

mod held;
mod remote;

use held::{AGAIN, Held};
pub use remote::Remote;

use crate::limits::{BAD_LINES_MAX, INSIGHT_BYTES_MAX, INSIGHTS_BATCH_MAX, SILENCE_MAX};
use model::{INSIGHT_VERSION, Insight, Time};
use std::time::Duration;
use store::Store;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    time::{Instant, timeout_at},
};

/// Why a stream was given up.
#[derive(thiserror::Error, Debug)]
pub enum IntakeError {
    #[error("cannot read the sensor's output: {0}")]
    Read(#[from] std::io::Error),
    #[error("the sensor speaks version {0} of the stream; this server knows {INSIGHT_VERSION}")]
    Version(u32),
    #[error("the sensor's output is no stream of insights: {0}")]
    Garbage(String),
    #[error("cannot save what the sensor says: {0}")]
    Store(#[from] store::Error),
    #[error("{0}")]
    Malformed(#[from] uplink::Malformed),
    #[error("the line to the sensor is silent for {} s", SILENCE_MAX.as_secs())]
    Silent,
}

/// How long the first line of a batch waits for company.
const BATCH_DELAY: Duration = Duration::from_millis(200);

/// Reads to the end of the stream. Gives how many insights were taken.
pub async fn intake(
    store: &Store,
    sensor: &str,
    stream: impl AsyncRead + Unpin,
    remote: &mut Remote,
) -> Result<u64, IntakeError> {
    let mut stream = BufReader::with_capacity(256 << 10, stream);
    remote.greet(store, sensor).await?;
    if stream.fill_buf().await?.first() == uplink::PREAMBLE.first() {
        return remote.hear(store, sensor, stream).await;
    }
    lines(store, sensor, Lines { stream, line: Vec::new() }, &mut remote.held).await
}

/// A stream of JSON lines.
async fn lines(
    store: &Store,
    sensor: &str,
    mut lines: Lines<impl AsyncRead + Unpin>,
    held: &mut Held,
) -> Result<u64, IntakeError> {
    let mut taken = 0;
    let mut epoch: Option<Time> = None;
    let mut bad = 0;
    let mut ended = false;
    while !ended {
        let mut batch = Vec::new();
        // What is held is tried again though the sensor says nothing.
        let mut deadline = (!held.is_empty()).then(|| Instant::now() + AGAIN);
        while batch.len() < INSIGHTS_BATCH_MAX {
            let next = match deadline {
                None => lines.next().await?,
                Some(deadline) => match timeout_at(deadline, lines.next()).await {
                    Ok(next) => next?,
                    Err(_) => break,
                },
            };
            let Some(line) = next else {
                ended = true;
                break;
            };
            match serde_json::from_slice::<Insight>(&line) {
                Ok(Insight::Hello { version, .. }) if version > INSIGHT_VERSION => {
                    return Err(IntakeError::Version(version));
                }
                Ok(insight) => {
                    if let Insight::Hello { started_at, .. } = &insight {
                        epoch = Some(*started_at);
                    }
                    batch.push(insight);
                }
                Err(error) => {
                    bad += 1;
                    tracing::warn!(sensor, %error, bad, "a line of the sensor cannot be read");
                    if bad >= BAD_LINES_MAX || epoch.is_none() {
                        return Err(IntakeError::Garbage(error.to_string()));
                    }
                }
            }
            if batch.len() <= 1 {
                deadline = Some(Instant::now() + BATCH_DELAY);
            }
        }
        if batch.is_empty() {
            held.save(store, sensor).await?;
            continue;
        }
        let Some(epoch) = epoch else {
            return Err(IntakeError::Garbage("its first line is no hello".to_owned()));
        };
        taken += batch.len() as u64;
        held.take(store, sensor, (epoch, batch)).await?;
    }
    Ok(taken)
}

/// Lines with a bound; what a cancelled read has read so far is kept.
struct Lines<R> {
    stream: BufReader<R>,
    line: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, IntakeError> {
        loop {
            let buffer = self.stream.fill_buf().await?;
            if buffer.is_empty() {
                let rest = std::mem::take(&mut self.line);
                return Ok((!rest.is_empty()).then_some(rest));
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let length = end.unwrap_or(buffer.len());
            if self.line.len() + length > INSIGHT_BYTES_MAX {
                let reason = format!("a line is longer than {INSIGHT_BYTES_MAX} bytes");
                return Err(IntakeError::Garbage(reason));
            }
            self.line.extend_from_slice(&buffer[..length]);
            self.stream.consume(length + usize::from(end.is_some()));
            if end.is_some() && !self.line.is_empty() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use store::{ListRequest, Settings};

    const HELLO: &str = "{\"kind\":\"hello\",\"version\":1,\"sensor\":\"s\",\
        \"interface\":\"eth0\",\"started_at\":\"2026-01-01T00:00:00Z\"}";

    async fn run(text: &str) -> (Result<u64, IntakeError>, usize, usize) {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), Settings::default()).await.expect("opens");
        let taken = intake(&store, "s", text.as_bytes(), &mut Remote::default()).await;
        let sensors = store.sensors().await.expect("reads").len();
        let links = store.links(&ListRequest::first(10)).await.expect("reads").items.len();
        store.close().await;
        (taken, sensors, links)
    }

    #[tokio::test]
    async fn lines_become_rows_and_one_bad_line_costs_itself_only() {
        let link = serde_json::json!({
            "kind": "link", "id": "lnk_1", "client": "a", "server": "b", "protocol": "modbus",
            "transport": "tcp", "port": 502, "first_seen": "2026-01-01T00:00:00Z",
            "last_seen": "2026-01-01T00:00:00Z", "packets": 1, "bytes": 1, "operations": {},
            "poll_interval_ms": null,
        });
        let (taken, sensors, links) = run(&format!("{HELLO}\nnonsense\n{link}")).await;
        assert_eq!((taken.expect("taken"), sensors, links), (2, 1, 1));
    }

    #[tokio::test]
    async fn a_stream_that_is_none_is_given_up() {
        assert!(matches!(run("hello world\n").await.0, Err(IntakeError::Garbage(_))));
        let newer = HELLO.replace("\"version\":1", "\"version\":99");
        assert!(matches!(run(&newer).await.0, Err(IntakeError::Version(99))));
        let beat = r#"{"kind":"asset-merged","id":"a","into":"b"}"#;
        assert!(matches!(run(beat).await.0, Err(IntakeError::Garbage(_))));
        let endless = "x".repeat(INSIGHT_BYTES_MAX + 10);
        assert!(matches!(run(&endless).await.0, Err(IntakeError::Garbage(_))));
    }
}
