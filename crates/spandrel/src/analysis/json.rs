//! A report as a line of JSON, of which two threads write their halves.
//!
//! Not here: what a report is. Invariant: the octets are those of [`model::CaptureReport`], and
//! where there are many assets their rows are made one by one, so that a flood of hosts takes no
//! more memory to tell than to see.

use super::{Analysed, Settings, both, rows};
use model::Time;
use sensor::Fold;
use serde::{Serialize, Serializer};
use std::io::{self, Write};

/// Addresses above which rows are made and written one by one by one thread after all.
const APART_ADDRESSES_MAX: usize = 20_000;

/// What stands before the long parts.
#[derive(Serialize)]
struct Head<'a> {
    file: &'a str,
    packets: u64,
    bytes: u64,
    first_ts: Option<Time>,
    last_ts: Option<Time>,
}

/// Rows made as they are written.
struct Assets<'a>(&'a Fold);

impl Serialize for Assets<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.inventory.each_asset())
    }
}

/// Writes the line; gives back what was known, which may take longer to take apart than to leave.
pub fn write(out: &mut impl Write, analysed: Analysed, settings: &Settings) -> io::Result<Fold> {
    let Analysed { file, counts, messages, health, mut fold, .. } = analysed;
    let values = settings.values.then(|| fold.take_values());
    let (inventory, detection) = (&fold.inventory, &fold.detection);
    let (packets, bytes) = (counts.packets, counts.bytes);
    let (first_ts, last_ts) = (counts.first, counts.last);
    let head = serde_json::to_vec(&Head { file: &file, packets, bytes, first_ts, last_ts })?;
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    if settings.threads > 1 && inventory.addresses_known() < APART_ADDRESSES_MAX {
        let (one, other) = both(
            settings.threads,
            || -> io::Result<[Vec<u8>; 2]> {
                Ok([part("messages", &rows(messages))?, part("links", &inventory.links())?])
            },
            || -> io::Result<[Vec<u8>; 2]> {
                let findings = detection.findings(inventory);
                Ok([part("assets", &Assets(&fold))?, part("findings", &findings)?])
            },
        );
        let ([messages, links], [assets, findings]) = (one?, other?);
        for octets in [messages, assets, links, findings] {
            out.write_all(&octets)?;
        }
    } else {
        field(out, "messages", &rows(messages))?;
        field(out, "assets", &Assets(&fold))?;
        field(out, "links", &inventory.links())?;
        field(out, "findings", &detection.findings(inventory))?;
    }
    field(out, "sign_ins", &fold.sign_ins())?;
    if let Some(values) = values {
        field(out, "values", &values)?;
    }
    field(out, "health", &health)?;
    out.write_all(b"}")?;
    Ok(fold)
}

fn part(name: &str, rows: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    field(&mut octets, name, rows)?;
    Ok(octets)
}

fn field(out: &mut impl Write, name: &str, rows: &impl Serialize) -> io::Result<()> {
    write!(out, ",\"{name}\":")?;
    Ok(serde_json::to_writer(out, rows)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::{Progress, fold, read};
    use sensor::Limits;
    use std::path::Path;
    use wire::{
        LinkType,
        file::{CaptureReader, PcapWriter},
    };

    #[test]
    fn the_line_is_the_report() {
        let mut writer = PcapWriter::new(Vec::new(), LinkType::Ethernet).expect("memory");
        for host in 1..40u8 {
            let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, host, 8, 6];
            frame.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, host, 10, 0, 0, host]);
            frame.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 99]);
            writer.packet(i64::from(host) * 1_000_000, 42, &frame).expect("memory");
        }
        let capture = writer.into_inner();
        for (threads, values) in [(1, false), (1, true), (3, true)] {
            let limits = Limits::default();
            let settings = Settings { threads, values, limits, baseline: None, unnamed: false };
            let analysed = || {
                let reader = CaptureReader::open(&capture[..]).expect("a capture");
                let progress = Progress::new("", 0, false);
                read(reader, (Path::new("x"), &settings), &progress, fold(&settings))
                    .expect("it is whole")
            };
            let mut line = Vec::new();
            write(&mut line, analysed(), &settings).expect("memory");
            let report = serde_json::to_vec(&analysed().into_report(&settings)).expect("memory");
            assert!(report.windows(9).any(|part| part == b"10.0.0.39"), "hosts are told");
            assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&report));
        }
    }
}
