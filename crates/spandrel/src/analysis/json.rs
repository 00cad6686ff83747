//! A report as a line of JSON, of which several threads write parts.
//!
//! Not here: what a report is. Invariant: the octets are those of [`model::CaptureReport`], and
//! where there are many assets their rows are made one by one, so that a flood of hosts takes no
//! more memory to tell than to see.

use super::{Analysed, Leftovers, Settings};
use crew::Part;
use inventory::UnmadeAsset;
use model::{MessageRow, Time};
use sensor::Fold;
use serde::{Serialize, Serializer};
use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{Arc, OnceLock},
};

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

/// Writes the line, with its end.
pub fn write(
    out: &mut impl Write,
    analysed: Analysed,
    settings: &Settings,
) -> io::Result<Leftovers> {
    let Analysed { file, counts, messages, health, mut fold, remains, mut helpers, .. } = analysed;
    let values = settings.values.then(|| fold.take_values());
    let (packets, bytes) = (counts.packets, counts.bytes);
    let (first_ts, last_ts) = (counts.first, counts.last);
    let head = serde_json::to_vec(&Head { file: &file, packets, bytes, first_ts, last_ts })?;
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    let (fold, messages) = (Arc::new(fold), Arc::new(messages));
    let mut leftovers = Leftovers(vec![Box::new(remains)]);
    if settings.threads > 1 && fold.inventory.addresses_known() < APART_ADDRESSES_MAX {
        let (places, parts): (Vec<_>, Vec<_>) = parts(&messages, &fold).into_iter().unzip();
        let mut made: Vec<_> = places.into_iter().zip(helpers.share(parts)).collect();
        made.sort_by_key(|(place, _)| *place);
        let made = made.into_iter().map(|(_, made)| made).collect::<io::Result<Vec<_>>>()?;
        made.iter().try_for_each(|made| made.write(out))?;
        leftovers.0.extend([Box::new(made) as Box<dyn Send>, Box::new(messages)]);
    } else {
        field(out, "messages", &*messages)?;
        // There is as much to come.
        drop(messages);
        field(out, "assets", &Assets(&fold))?;
        field(out, "links", &fold.inventory.links())?;
        field(out, "findings", &fold.detection.findings(&fold.inventory))?;
    }
    field(out, "sign_ins", &fold.sign_ins())?;
    if let Some(values) = values {
        field(out, "values", &values)?;
    }
    field(out, "health", &health)?;
    out.write_all(b"}\n")?;
    leftovers.0.push(Box::new(fold));
    Ok(leftovers)
}

/// Parts in which assets are written.
const ASSET_PARTS: usize = 16;

/// Text in pieces: a vector that grows to as much is copied to new memory again and again.
struct Pieces {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
}

impl Pieces {
    /// Octets from which on a piece is full.
    const FULL: usize = 256 << 10;
    /// Room for what comes with the row that fills it; few rows are longer.
    const ROOM: usize = Pieces::FULL + (32 << 10);

    fn new() -> Pieces {
        Pieces { full: Vec::new(), last: Vec::with_capacity(Pieces::ROOM) }
    }

    fn text(&mut self, text: &str) {
        self.last.extend_from_slice(text.as_bytes());
    }

    fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.last, row)?;
        if self.last.len() >= Pieces::FULL {
            let next = Vec::with_capacity(Pieces::ROOM);
            self.full.push(std::mem::replace(&mut self.last, next));
        }
        Ok(())
    }

    /// Rows with commas between them.
    fn rows<T: Serialize>(&mut self, rows: impl IntoIterator<Item = T>) -> io::Result<()> {
        for (at, row) in rows.into_iter().enumerate() {
            if at > 0 {
                self.text(",");
            }
            self.row(&row)?;
        }
        Ok(())
    }

    /// Writes all of it, one after the other.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.full.iter().chain([&self.last]).try_for_each(|piece| out.write_all(piece))
    }
}

/// Rows of counted messages.
type Groups = BTreeMap<&'static str, Vec<MessageRow>>;

/// All of the long parts, and where they stand in the line. One thread finds out which assets there
/// are while others write messages; what takes long comes before what takes less, so that all end
/// at about one time.
fn parts(messages: &Arc<Groups>, fold: &Arc<Fold>) -> Vec<(usize, Part<io::Result<Pieces>>)> {
    let assets = Arc::new(OnceLock::new());
    let part = |number| -> (usize, Part<_>) {
        let (assets, fold) = (Arc::clone(&assets), Arc::clone(fold));
        (1 + number, Box::new(move || asset_part(&fold, &assets, number)))
    };
    let messages = Arc::clone(messages);
    let (of_links, of_findings) = (Arc::clone(fold), Arc::clone(fold));
    let findings = move || of_findings.detection.findings(&of_findings.inventory);
    let (behind, last) = (ASSET_PARTS + 1, ASSET_PARTS + 2);
    let mut parts = vec![
        part(0),
        (0, Box::new(move || told(&messages))),
        (behind, Box::new(move || field_of("links", of_links.inventory.links()))),
        (last, Box::new(move || field_of("findings", findings()))),
    ];
    parts.extend((1..ASSET_PARTS).map(part));
    parts
}

/// One of the parts of the assets: rows with commas between them, the field's name before the
/// first part and its end behind the last.
fn asset_part(
    fold: &Fold,
    assets: &OnceLock<Vec<UnmadeAsset>>,
    number: usize,
) -> io::Result<Pieces> {
    let assets = assets.get_or_init(|| fold.inventory.unmade_assets());
    let bound = |number: usize| assets.len() * number / ASSET_PARTS;
    let mut pieces = Pieces::new();
    pieces.text(if number == 0 { ",\"assets\":[" } else { "" });
    let own = assets.get(bound(number)..bound(number + 1)).unwrap_or_default();
    if bound(number) > 0 && !own.is_empty() {
        pieces.text(",");
    }
    pieces.rows(own.iter().map(|asset| fold.inventory.made(asset)))?;
    pieces.text(if number + 1 == ASSET_PARTS { "]" } else { "" });
    Ok(pieces)
}

/// The field of counted messages, with groups as its fields.
fn told(groups: &Groups) -> io::Result<Pieces> {
    let mut pieces = Pieces::new();
    let mut before = ",\"messages\":{\"";
    for (group, rows) in groups {
        pieces.text(before);
        // Names of groups are ours and need no escapes.
        pieces.text(group);
        pieces.text("\":[");
        pieces.rows(rows)?;
        pieces.text("]");
        before = ",\"";
    }
    pieces.text(if groups.is_empty() { ",\"messages\":{}" } else { "}" });
    Ok(pieces)
}

fn field_of<T: Serialize>(name: &str, rows: Vec<T>) -> io::Result<Pieces> {
    let mut pieces = Pieces::new();
    pieces.text(&format!(",\"{name}\":["));
    pieces.rows(rows)?;
    pieces.text("]");
    Ok(pieces)
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
    use std::{io::Read, path::Path};
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
            let settings = Settings {
                threads,
                values,
                limits,
                messages: true,
                baseline: None,
                unnamed: false,
            };
            let analysed = || {
                let source: Box<dyn Read> = Box::new(&capture[..]);
                let reader = CaptureReader::open(source).expect("a capture");
                let progress = Progress::new("", 0, false);
                read(reader, (Path::new("x"), &settings), &progress, fold(&settings))
                    .expect("it is whole")
            };
            let mut line = Vec::new();
            write(&mut line, analysed(), &settings).expect("memory");
            let (report, _) = analysed().into_report(&settings);
            let mut report = serde_json::to_vec(&report).expect("memory");
            report.push(b'\n');
            assert!(report.windows(9).any(|part| part == b"10.0.0.39"), "hosts are told");
            assert_eq!(String::from_utf8_lossy(&line), String::from_utf8_lossy(&report));
        }
    }
}
