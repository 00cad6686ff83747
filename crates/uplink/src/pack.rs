//! The end that tells: insights become batches of changes.
//!
//! Not here: where batches go. Invariant: a batch is told whole or the segment begins anew, for
//! each goes on where the one before ended.

use crate::{
    beat::Beat,
    diff,
    limits::{BATCH_INSIGHTS_MAX, BATCH_OCTETS, ROWS_MAX},
    octets::put_number,
    value::Teller,
};
use model::Insight;
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    io::{self, Write},
};
use zstd::stream::write::Encoder;

pub(crate) const NEW: u8 = 0;
pub(crate) const CHANGED: u8 = 1;
pub(crate) const MERGED: u8 = 2;
pub(crate) const BEAT: u8 = 3;
pub(crate) const GAP: u8 = 4;
pub(crate) const LINK_MERGED: u8 = 5;

/// Both ends look back so far, in powers of two octets: a mebibyte, which is most of a segment.
pub(crate) const WINDOW_LOG: u32 = 20;
/// What a batch begins with: whether it went through the stream. Few octets gain nothing there.
pub(crate) const PLAIN: u8 = 0;
pub(crate) const STREAM: u8 = 1;
const PLAIN_OCTETS_MAX: usize = 40;
/// Thorough: a batch is small and comes seldom.
const LEVEL: i32 = 16;

pub struct Packer {
    teller: Teller,
    /// As told last, by number; none where one was merged away.
    rows: Vec<Option<Box<[u8]>>>,
    numbers: HashMap<Box<str>, u32>,
    /// What was told of those, by id.
    merged: BTreeMap<String, Insight>,
    beat: Beat,
    stream: Encoder<'static, Vec<u8>>,
    batch: Vec<u8>,
    insights: usize,
    refused: u64,
}

impl Packer {
    pub fn new() -> io::Result<Packer> {
        Ok(Packer {
            teller: Teller::default(),
            rows: Vec::new(),
            numbers: HashMap::new(),
            merged: BTreeMap::new(),
            beat: Beat::default(),
            stream: stream()?,
            batch: Vec::new(),
            insights: 0,
            refused: 0,
        })
    }

    /// Adds what changed of it; a hello stands in the head of a segment and adds nothing.
    pub fn add(&mut self, insight: &Insight) -> io::Result<()> {
        let before = self.batch.len();
        match insight {
            Insight::Hello { .. } => {}
            Insight::Asset(asset) => self.add_row(&asset.id.0, serde_json::to_value(insight)?)?,
            Insight::Link(link) => self.add_row(&link.id.0, serde_json::to_value(insight)?)?,
            Insight::Finding(finding) => {
                self.add_row(&finding.id.0, serde_json::to_value(insight)?)?;
            }
            Insight::AssetMerged { id, into } => self.add_merge(MERGED, (&id.0, &into.0), insight),
            Insight::LinkMerged { id, into } => {
                self.add_merge(LINK_MERGED, (&id.0, &into.0), insight);
            }
            Insight::Beat { at, packets, bytes, learning, health } => {
                self.batch.push(BEAT);
                let counts = (*packets, *bytes, *learning);
                self.beat.put(&mut self.teller, &mut self.batch, *at, counts, health)?;
            }
            Insight::Gap { .. } => {
                self.batch.push(GAP);
                self.teller.put(&mut self.batch, &serde_json::to_value(insight)?);
            }
        }
        self.insights += usize::from(self.batch.len() > before);
        Ok(())
    }

    fn add_row(&mut self, id: &str, row: Value) -> io::Result<()> {
        let json = serde_json::to_vec(&row)?.into_boxed_slice();
        let number = self.numbers.get(id).copied();
        let Some(number) = number else {
            if self.rows.len() >= ROWS_MAX {
                self.refused += 1;
                return Ok(());
            }
            // What stands alone again is merged no more.
            self.merged.remove(id);
            self.batch.push(NEW);
            self.teller.put(&mut self.batch, &row);
            self.numbers.insert(id.into(), self.rows.len() as u32);
            self.rows.push(Some(json));
            return Ok(());
        };
        let told = self.rows.get_mut(number as usize).and_then(Option::as_mut);
        let told = told.expect("a number is that of a row");
        if *told != json {
            self.batch.push(CHANGED);
            put_number(&mut self.batch, u64::from(number));
            let old = serde_json::from_slice(told)?;
            diff::put(&mut self.teller, &mut self.batch, &old, &row);
            *told = json;
        }
        Ok(())
    }

    fn add_merge(&mut self, kind: u8, (id, into): (&str, &str), insight: &Insight) {
        self.batch.push(kind);
        self.teller.put_string(&mut self.batch, id);
        self.teller.put_string(&mut self.batch, into);
        if let Some(number) = self.numbers.remove(id)
            && let Some(row) = self.rows.get_mut(number as usize)
        {
            *row = None;
        }
        if self.merged.len() < ROWS_MAX {
            self.merged.insert(id.to_owned(), insight.clone());
        }
    }

    /// Is it time to take the batch, so that none gets too long?
    pub fn is_full(&self) -> bool {
        self.insights >= BATCH_INSIGHTS_MAX || self.batch.len() >= BATCH_OCTETS
    }

    /// What was added since the last batch; empty where nothing was.
    pub fn take(&mut self) -> io::Result<Vec<u8>> {
        if self.batch.is_empty() {
            return Ok(Vec::new());
        }
        self.insights = 0;
        let batch = std::mem::take(&mut self.batch);
        if batch.len() <= PLAIN_OCTETS_MAX {
            return Ok([&[PLAIN], &batch[..]].concat());
        }
        self.stream.write_all(&batch)?;
        self.stream.flush()?;
        Ok([&[STREAM], &std::mem::take(self.stream.get_mut())[..]].concat())
    }

    /// Rows there was no room for.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Begins a segment: gives its first batches, which tell all rows and merges.
    pub fn begin_anew(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let fresh = Packer { refused: self.refused, ..Packer::new()? };
        let told = std::mem::replace(self, fresh);
        let mut batches = Vec::new();
        for row in told.rows.into_iter().flatten() {
            let row: Value = serde_json::from_slice(&row)?;
            let id = row.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
            self.add_row(&id, row)?;
            self.insights += 1;
            self.take_full(&mut batches)?;
        }
        for insight in told.merged.values() {
            self.add(insight)?;
            self.take_full(&mut batches)?;
        }
        let last = self.take()?;
        batches.extend((!last.is_empty()).then_some(last));
        Ok(batches)
    }

    fn take_full(&mut self, batches: &mut Vec<Vec<u8>>) -> io::Result<()> {
        if self.is_full() {
            batches.push(self.take()?);
        }
        Ok(())
    }
}

fn stream() -> io::Result<Encoder<'static, Vec<u8>>> {
    let mut stream = Encoder::new(Vec::new(), LEVEL)?;
    stream.window_log(WINDOW_LOG)?;
    stream.include_checksum(false)?;
    Ok(stream)
}
