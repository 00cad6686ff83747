//! A report as a line of JSON, of which several threads write parts.
//!
//! Not here: what a report is. Invariant: the octets are those of [`model::CaptureReport`], and
//! where there are many assets their rows are made one by one, so that a flood of hosts takes no
//! more memory to tell than to see.

use super::{Analysed, Leftovers, Settings};
use crew::{MessageRows, Part};
use inventory::UnmadeAsset;
use model::Time;
use sensor::Fold;
use serde::{Serialize, Serializer};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock, PoisonError},
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

/// The same of links.
struct Links<'a>(&'a Fold);

impl Serialize for Links<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.inventory.each_link())
    }
}

/// Writes the line, with its end.
pub fn write(
    out: &mut impl Write,
    analysed: Analysed,
    settings: &Settings,
) -> io::Result<Leftovers> {
    let Analysed { file, counts, messages, told, health, mut fold, .. } = analysed;
    let Analysed { remains, memory, mut helpers, .. } = analysed;
    let values = settings.values.then(|| fold.take_values());
    let (packets, bytes) = (counts.packets, counts.bytes);
    let (first_ts, last_ts) = (counts.first, counts.last);
    let head = serde_json::to_vec(&Head { file: &file, packets, bytes, first_ts, last_ts })?;
    out.write_all(head.strip_suffix(b"}").unwrap_or(&head))?;
    let (fold, messages) = (Arc::new(fold), Arc::new(messages));
    let mut leftovers = Leftovers(vec![Box::new(remains)]);
    if settings.threads > 1 && fold.inventory.addresses_known() < APART_ADDRESSES_MAX {
        let rest = parts((&messages, told.len()), &fold, memory);
        let (places, parts): (Vec<_>, Vec<_>) = rest.into_iter().unzip();
        let mut made: Vec<_> = places.into_iter().zip(helpers.share(parts)).collect();
        made.sort_by_key(|(place, _)| *place);
        let made = told.into_iter().chain(made.into_iter().map(|(_, made)| made));
        let made = made.collect::<io::Result<Vec<_>>>()?;
        made.iter().try_for_each(|made| made.write(out))?;
        leftovers.0.extend([Box::new(made) as Box<dyn Send>, Box::new(messages)]);
    } else {
        field(out, "messages", &*messages)?;
        // There is as much to come.
        drop(messages);
        field(out, "assets", &Assets(&fold))?;
        field(out, "links", &Links(&fold))?;
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

/// Parts in which messages are written, and assets.
pub const MESSAGE_PARTS: usize = 16;
const ASSET_PARTS: usize = 16;

/// Text in pieces: a vector that grows to as much is copied to new memory again and again.
pub struct Pieces {
    full: Vec<Vec<u8>>,
    last: Vec<u8>,
    sheets: Sheets,
}

/// Memory to write on that was used before: to touch new memory takes longer than to write there.
pub type Sheets = Arc<Mutex<Vec<Vec<u8>>>>;

impl Pieces {
    /// Octets from which on a piece is full; with the row that fills it, it seldom comes to more
    /// than a block that packets were read into.
    const FULL: usize = 224 << 10;
    const ROOM: usize = 256 << 10;

    pub fn new(sheets: &Sheets) -> Pieces {
        let mut pieces = Pieces { full: Vec::new(), last: Vec::new(), sheets: Arc::clone(sheets) };
        pieces.last = pieces.sheet();
        pieces
    }

    fn sheet(&self) -> Vec<u8> {
        let used = self.sheets.lock().unwrap_or_else(PoisonError::into_inner).pop();
        used.unwrap_or_else(|| Vec::with_capacity(Pieces::ROOM))
    }

    fn text(&mut self, text: &str) {
        self.last.extend_from_slice(text.as_bytes());
    }

    fn row(&mut self, row: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut self.last, row)?;
        if self.last.len() >= Pieces::FULL {
            let next = self.sheet();
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

    /// With the field of these rows behind.
    fn field<T: Serialize>(
        mut self,
        name: &str,
        rows: impl IntoIterator<Item = T>,
    ) -> io::Result<Pieces> {
        self.text(&format!(",\"{name}\":["));
        self.rows(rows)?;
        self.text("]");
        Ok(self)
    }

    /// Writes all of it, one after the other.
    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.full.iter().chain([&self.last]).try_for_each(|piece| out.write_all(piece))
    }
}

/// The long parts but for those of the messages that are `told`, and where they stand in the line.
/// One thread finds out which assets there are while others write links; what takes long comes
/// before what takes less, so that all end at about one time.
fn parts(
    (messages, told): (&Arc<MessageRows>, usize),
    fold: &Arc<Fold>,
    memory: Vec<Vec<u8>>,
) -> Vec<(usize, Part<io::Result<Pieces>>)> {
    let (assets, sheets) = (Arc::new(OnceLock::new()), Arc::new(Mutex::new(memory)));
    let part = |number| -> (usize, Part<_>) {
        let (assets, fold) = (Arc::clone(&assets), Arc::clone(fold));
        let pieces = Pieces::new(&sheets);
        let make = move || asset_part(&fold, &assets, (number, pieces));
        (MESSAGE_PARTS + number, Box::new(make))
    };
    let message = |number| -> (usize, Part<_>) {
        let (messages, pieces) = (Arc::clone(messages), Pieces::new(&sheets));
        (number, Box::new(move || message_part(&messages, number, pieces)))
    };
    let (of_links, of_findings) = (Arc::clone(fold), Arc::clone(fold));
    let (to_links, to_findings) = (Pieces::new(&sheets), Pieces::new(&sheets));
    let findings = move || of_findings.detection.findings(&of_findings.inventory);
    let links = MESSAGE_PARTS + ASSET_PARTS;
    let mut parts = vec![
        part(0),
        (links, Box::new(move || to_links.field("links", of_links.inventory.each_link()))),
        (links + 1, Box::new(move || to_findings.field("findings", findings()))),
    ];
    parts.extend((1..ASSET_PARTS).map(part));
    parts.extend((told..MESSAGE_PARTS).map(message));
    parts
}

/// One of the parts of the assets: rows with commas between them, the field's name before the
/// first part and its end behind the last.
fn asset_part(
    fold: &Fold,
    assets: &OnceLock<Vec<UnmadeAsset>>,
    (number, mut pieces): (usize, Pieces),
) -> io::Result<Pieces> {
    let assets = assets.get_or_init(|| fold.inventory.unmade_assets());
    let bound = |number: usize| assets.len() * number / ASSET_PARTS;
    pieces.text(if number == 0 { ",\"assets\":[" } else { "" });
    let own = assets.get(bound(number)..bound(number + 1)).unwrap_or_default();
    if bound(number) > 0 && !own.is_empty() {
        pieces.text(",");
    }
    pieces.rows(own.iter().map(|asset| fold.inventory.made(asset)))?;
    pieces.text(if number + 1 == ASSET_PARTS { "]" } else { "" });
    Ok(pieces)
}

/// One of the parts of the field of counted messages, of which the groups are fields.
pub fn message_part(groups: &MessageRows, number: usize, mut pieces: Pieces) -> io::Result<Pieces> {
    // A group's begin counts as a row.
    let all: usize = groups.values().map(|rows| 1 + rows.len()).sum();
    let bound = |number: usize| all * number / MESSAGE_PARTS;
    let own = bound(number)..bound(number + 1);
    pieces.text(if number == 0 { ",\"messages\":{" } else { "" });
    let mut begin = 0;
    for (group, rows) in groups {
        let end = begin + 1 + rows.len();
        for at in own.start.max(begin)..own.end.min(end) {
            let row = at.checked_sub(begin + 1).and_then(|at| rows.get(at));
            pieces.text(if at > begin + 1 || at == begin && begin > 0 { "," } else { "" });
            match row {
                Some(row) => pieces.row(row)?,
                // Names of groups are ours and need no escapes.
                None => pieces.text(&format!("\"{group}\":[")),
            }
            pieces.text(if at + 1 == end { "]" } else { "" });
        }
        begin = end;
    }
    pieces.text(if number + 1 == MESSAGE_PARTS { "}" } else { "" });
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
    use model::MessageRow;
    use sensor::Limits;
    use std::{io::Read, path::Path};
    use wire::{
        LinkType,
        file::{CaptureReader, PcapWriter},
    };

    #[test]
    fn parts_of_messages_are_the_field() {
        let rows = |count: u64| -> Vec<MessageRow> {
            let row = |count| MessageRow { keys: Vec::new(), count, figures: Vec::new() };
            (0..count).map(row).collect()
        };
        let few = [("a", rows(1)), ("b", Vec::new()), ("c", rows(2))];
        let many = [("a", rows(100)), ("b", rows(7)), ("c", rows(1))];
        for groups in [MessageRows::new(), MessageRows::from(few), MessageRows::from(many)] {
            let mut text = b"{\"x\":1".to_vec();
            for number in 0..MESSAGE_PARTS {
                let pieces = Pieces::new(&Sheets::default());
                let part = message_part(&groups, number, pieces).expect("memory");
                part.write(&mut text).expect("memory");
            }
            text.push(b'}');
            let whole = serde_json::json!({ "x": 1, "messages": groups });
            let read: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
            assert_eq!(read, whole, "{}", String::from_utf8_lossy(&text));
        }
    }

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
                json: true,
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
