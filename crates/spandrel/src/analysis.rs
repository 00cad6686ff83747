//! A capture from packets to report: reads, works, folds.
//!
//! Invariant: any number of workers gives the same report.

use ::sensor::{Fold, Packet, Worker, WorkerSettings};
use anyhow::{Context as _, Result};
use model::{CaptureReport, Time};
use std::{fs::File, io::Read, path::Path};
use wire::file::CaptureReader;

/// Analyses one capture.
pub fn analyse(path: &Path) -> Result<CaptureReport> {
    let shown = path.display();
    let source: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin().lock())
    } else {
        Box::new(File::open(path).with_context(|| format!("cannot open {shown}"))?)
    };
    let mut reader = CaptureReader::open(source).with_context(|| format!("cannot read {shown}"))?;
    let mut worker = Worker::new(WorkerSettings::default());
    let mut fold = Fold::new();
    let (mut packets, mut bytes) = (0u64, 0u64);
    let (mut first, mut last) = (None::<Time>, None::<Time>);
    let mut damaged = None;
    loop {
        match reader.next() {
            Ok(Some(raw)) => {
                packets += 1;
                bytes += u64::from(raw.wire_len);
                let at = Time::from_nanos(raw.at_nanos);
                first = Some(first.map_or(at, |f| f.min(at)));
                last = Some(last.map_or(at, |l| l.max(at)));
                worker.push(&Packet {
                    at,
                    frame: packets,
                    wire_len: raw.wire_len,
                    link: raw.link,
                    data: raw.data,
                });
                if packets % 1_024 == 0 {
                    fold.apply(worker.take_events());
                }
            }
            Ok(None) => break,
            Err(error) => {
                damaged = Some(format!("{:#}", anyhow::Error::from(error)));
                break;
            }
        }
    }
    worker.finish(packets, last.unwrap_or_default());
    fold.apply(worker.take_events());
    fold.finish();
    worker.count_unidentified();
    let mut health = worker.health();
    health.damaged = damaged;
    health.at = last;
    Ok(CaptureReport {
        file: shown.to_string(),
        packets,
        bytes,
        first_ts: first,
        last_ts: last,
        messages: worker.take_tally().into_rows(),
        assets: fold.inventory.assets(),
        links: fold.inventory.links(),
        findings: fold.findings(),
        values: None,
        health,
    })
}
