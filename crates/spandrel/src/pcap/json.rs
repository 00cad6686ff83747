//! A report as a line of JSON, of which two threads write their halves.
//!
//! Invariant: the octets are those of the report's own `Serialize`.

use crate::analysis::both;
use model::{CaptureReport, Time};
use serde::Serialize;
use std::io::{self, Write};

/// What stands before the long parts.
#[derive(Serialize)]
struct Head<'a> {
    file: &'a str,
    packets: u64,
    bytes: u64,
    first_ts: Option<Time>,
    last_ts: Option<Time>,
}

pub fn write(out: &mut impl Write, report: &CaptureReport, threads: usize) -> io::Result<()> {
    if threads <= 1 {
        return Ok(serde_json::to_writer(out, report)?);
    }
    let CaptureReport { file, packets, bytes, first_ts, last_ts, messages, .. } = report;
    let CaptureReport { assets, links, findings, values, health, .. } = report;
    let (packets, bytes, first_ts, last_ts) = (*packets, *bytes, *first_ts, *last_ts);
    let head = serde_json::to_vec(&Head { file, packets, bytes, first_ts, last_ts })?;
    let (one, other) = both(
        threads,
        || Ok::<_, serde_json::Error>((part(messages)?, part(links)?)),
        || Ok::<_, serde_json::Error>((part(assets)?, part(findings)?)),
    );
    let ((messages, links), (assets, findings)) = (one?, other?);
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    let parts =
        [("messages", messages), ("assets", assets), ("links", links), ("findings", findings)];
    for (name, octets) in parts {
        write!(out, ",\"{name}\":")?;
        out.write_all(&octets)?;
    }
    if let Some(values) = values {
        out.write_all(b",\"values\":")?;
        serde_json::to_writer(&mut *out, values)?;
    }
    out.write_all(b",\"health\":")?;
    serde_json::to_writer(&mut *out, health)?;
    out.write_all(b"}")
}

fn part(rows: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    serde_json::to_vec(rows)
}
