//! The end that hears: batches become the insights that were told.
//!
//! Not here: what is done with them. Invariant: bounded memory whatever comes; a batch that cannot
//! be read ends its segment.

use crate::{
    beat::Beat,
    diff,
    limits::{ROWS_MAX, UNPACKED_OCTETS_MAX},
    octets::{Cursor, Malformed},
    pack::{BEAT, CHANGED, GAP, LINK_MERGED, MERGED, NEW, PLAIN, STREAM, WINDOW_LOG},
    value::Hearer,
};
use model::{AssetId, Insight, LinkId};
use serde_json::Value;
use std::{
    collections::HashMap,
    io::{self, Write},
};
use zstd::stream::write::Decoder;

pub struct Unpacker {
    hearer: Hearer,
    rows: Vec<Option<Box<[u8]>>>,
    numbers: HashMap<Box<str>, u32>,
    beat: Beat,
    stream: Decoder<'static, Bounded>,
}

/// What was unpacked of one batch.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        if self.0.len() + octets.len() > UNPACKED_OCTETS_MAX {
            return Err(io::Error::other("a batch is too long"));
        }
        self.0.extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Unpacker {
    /// At the beginning of a segment.
    pub fn new() -> io::Result<Unpacker> {
        let mut stream = Decoder::new(Bounded(Vec::new()))?;
        stream.window_log_max(WINDOW_LOG)?;
        Ok(Unpacker {
            hearer: Hearer::default(),
            rows: Vec::new(),
            numbers: HashMap::new(),
            beat: Beat::default(),
            stream,
        })
    }

    /// The insights of the next batch.
    pub fn unpack(&mut self, batch: &[u8]) -> Result<Vec<Insight>, Malformed> {
        let octets = match batch.split_first() {
            Some((&PLAIN, rest)) => rest.to_vec(),
            Some((&STREAM, rest)) => {
                let read = self.stream.write_all(rest).and_then(|()| self.stream.flush());
                read.map_err(|error| Malformed(error.to_string()))?;
                std::mem::take(&mut self.stream.get_mut().0)
            }
            _ => return Err(Malformed::new("an unknown kind of batch")),
        };
        let mut cursor = Cursor::new(&octets);
        let mut insights = Vec::new();
        while !cursor.is_empty() {
            insights.push(self.insight(&mut cursor)?);
        }
        Ok(insights)
    }

    fn insight(&mut self, cursor: &mut Cursor<'_>) -> Result<Insight, Malformed> {
        match cursor.octet()? {
            NEW => {
                let row = self.hearer.take(cursor, 0)?;
                if self.rows.len() >= ROWS_MAX {
                    return Err(Malformed::new("more rows than a sensor may have"));
                }
                let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
                self.numbers.insert(id.into(), self.rows.len() as u32);
                self.rows.push(Some(json(&row)?));
                meaning(row)
            }
            CHANGED => {
                let number = usize::try_from(cursor.number()?).unwrap_or(usize::MAX);
                let row = self.rows.get_mut(number).and_then(Option::as_mut);
                let row = row.ok_or_else(|| Malformed::new("a row that was never told changed"))?;
                let old = serde_json::from_slice(row).map_err(|e| Malformed(e.to_string()))?;
                let now = diff::take(&mut self.hearer, cursor, old, 0)?;
                *row = json(&now)?;
                meaning(now)
            }
            MERGED => {
                let (id, into) = self.merged(cursor)?;
                Ok(Insight::AssetMerged { id: AssetId(id), into: AssetId(into) })
            }
            LINK_MERGED => {
                let (id, into) = self.merged(cursor)?;
                Ok(Insight::LinkMerged { id: LinkId(id), into: LinkId(into) })
            }
            BEAT => self.beat.take(&mut self.hearer, cursor),
            GAP => meaning(self.hearer.take(cursor, 0)?),
            _ => Err(Malformed::new("an unknown kind of news")),
        }
    }

    /// A row that is no more, and the one it is part of.
    fn merged(&mut self, cursor: &mut Cursor<'_>) -> Result<(String, String), Malformed> {
        let id = self.hearer.take_string(cursor)?;
        let into = self.hearer.take_string(cursor)?;
        if let Some(number) = self.numbers.remove(id.as_str())
            && let Some(row) = self.rows.get_mut(number as usize)
        {
            *row = None;
        }
        Ok((id, into))
    }
}

fn json(row: &Value) -> Result<Box<[u8]>, Malformed> {
    let json = serde_json::to_vec(row).map_err(|error| Malformed(error.to_string()))?;
    Ok(json.into_boxed_slice())
}

fn meaning(value: Value) -> Result<Insight, Malformed> {
    serde_json::from_value(value).map_err(|error| Malformed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Packer;
    use model::Time;

    fn asset(id: u64, packets: u64, second: i64) -> Insight {
        let row = serde_json::json!({
            "kind": "asset", "id": format!("ast_{id:016x}"), "macs": ["02:00:00:00:00:01"],
            "ips": [format!("10.0.{}.{}", id / 256, id % 256)], "vlans": [], "names": [],
            "vendor": "Schneider Electric", "model": null, "firmware": null, "serial": null,
            "class": "plc", "role": "controller", "role_reason": "it answers Modbus",
            "purdue": 1.0, "purdue_reason": null, "os": null, "protocols": ["modbus"],
            "first_seen": "2026-01-01T00:00:00.000000Z",
            "last_seen": Time::from_secs(1_767_225_600 + second).to_string(),
            "packets": packets, "facts": [], "modules": [],
        });
        serde_json::from_value(row).expect("an asset")
    }

    fn merged(id: u64, into: u64) -> Insight {
        let name = |number: u64| AssetId(format!("ast_{number:016x}"));
        Insight::AssetMerged { id: name(id), into: name(into) }
    }

    fn hear(unpacker: &mut Unpacker, packer: &mut Packer) -> (usize, Vec<Insight>) {
        let batch = packer.take().expect("memory");
        (batch.len(), unpacker.unpack(&batch).expect("it is whole"))
    }

    #[test]
    fn rows_told_again_cost_what_changed_of_them() {
        let (mut packer, mut unpacker) =
            (Packer::new().expect("memory"), Unpacker::new().expect("memory"));
        let first: Vec<_> = (0..50).map(|id| asset(id, 1, 0)).collect();
        first.iter().for_each(|row| packer.add(row).expect("memory"));
        assert_eq!(hear(&mut unpacker, &mut packer).1, first);
        for minute in 1..4 {
            let again: Vec<_> =
                (0..50).map(|id| asset(id, 1 + minute * 600, minute as i64 * 60)).collect();
            again.iter().for_each(|row| packer.add(row).expect("memory"));
            let (octets, heard) = hear(&mut unpacker, &mut packer);
            assert_eq!(heard, again);
            assert!(octets < 50 * 14, "{octets} octets for counters and times of 50 rows");
            // Nothing changed: nothing is told.
            again.iter().for_each(|row| packer.add(row).expect("memory"));
            assert!(packer.take().expect("memory").is_empty());
        }
    }

    #[test]
    fn a_finding_says_who_began_it_on_the_other_side_too() {
        let (mut packer, mut unpacker) =
            (Packer::new().expect("memory"), Unpacker::new().expect("memory"));
        let evidence = model::Evidence::Count {
            first: Time(0),
            last: Time(1_000),
            count: 2,
            says: "writes".to_owned(),
        };
        let (id, title) = (model::FindingId("fnd_1".to_owned()), "it writes".to_owned());
        let grade = (model::Engine::Policy, model::Severity::High);
        let mut one = model::Finding::new(id, "new-writer", grade, title, Time(0), evidence);
        one.addresses = ["10.0.0.2", "10.0.0.1"]
            .map(|ip| model::Address::Ip(ip.parse().expect("an address")))
            .to_vec();
        for initiator in [None, one.addresses.last().copied(), None] {
            one.initiator = initiator;
            let told = Insight::Finding(one.clone());
            packer.add(&told).expect("memory");
            assert_eq!(hear(&mut unpacker, &mut packer).1, [told]);
        }
    }

    #[test]
    fn a_segment_begins_with_all_that_holds() {
        let mut packer = Packer::new().expect("memory");
        for insight in
            [asset(1, 1, 0), asset(2, 1, 0), merged(2, 1), asset(1, 9, 60), asset(3, 1, 0)]
        {
            packer.add(&insight).expect("memory");
        }
        packer.take().expect("memory");
        let batches = packer.begin_anew().expect("memory");
        let mut unpacker = Unpacker::new().expect("memory");
        let heard: Vec<_> =
            batches.iter().flat_map(|batch| unpacker.unpack(batch).expect("whole")).collect();
        assert_eq!(heard, [asset(1, 9, 60), asset(3, 1, 0), merged(2, 1)]);
        packer.add(&asset(3, 5, 9)).expect("memory");
        assert_eq!(hear(&mut unpacker, &mut packer).1, [asset(3, 5, 9)]);
    }

    #[test]
    fn a_link_that_was_merged_is_told_as_one_and_may_come_back() {
        let link = |id: &str, packets: u64| -> Insight {
            let row = serde_json::json!({
                "kind": "link", "id": id, "client": "ast_1", "server": "ast_2",
                "protocol": "modbus", "transport": "tcp", "port": 502,
                "first_seen": "2026-01-01T00:00:00Z", "last_seen": "2026-01-01T00:00:00Z",
                "packets": packets, "bytes": 1, "operations": {}, "poll_interval_ms": null,
            });
            serde_json::from_value(row).expect("a link")
        };
        let merged =
            Insight::LinkMerged { id: LinkId("lnk_1".into()), into: LinkId("lnk_2".into()) };
        let (mut packer, mut unpacker) =
            (Packer::new().expect("memory"), Unpacker::new().expect("memory"));
        let said = [link("lnk_1", 1), link("lnk_2", 3), merged.clone(), link("lnk_2", 4)];
        said.iter().for_each(|insight| packer.add(insight).expect("memory"));
        assert_eq!(hear(&mut unpacker, &mut packer).1, said);
        let again = packer.begin_anew().expect("memory");
        let mut anew = Unpacker::new().expect("memory");
        let heard: Vec<_> = again.iter().flat_map(|b| anew.unpack(b).expect("whole")).collect();
        assert_eq!(heard, [link("lnk_2", 4), merged]);
        packer.add(&link("lnk_1", 2)).expect("memory");
        assert_eq!(hear(&mut anew, &mut packer).1, [link("lnk_1", 2)]);
    }

    #[test]
    fn a_beat_that_tells_nothing_new_takes_few_octets() {
        let (mut packer, mut unpacker) =
            (Packer::new().expect("memory"), Unpacker::new().expect("memory"));
        let mut health = model::Health::default();
        for minute in 0..5 {
            let at = Time::from_secs(1_767_225_600 + minute * 60).plus_nanos(345_000_000);
            if minute > 0 {
                health.at = Some(at.plus_nanos(-123_000_000));
            }
            if minute == 4 {
                health.limits.insert("flows".to_owned(), 7);
            }
            let (packets, bytes) = (900 + minute.cast_unsigned(), 70_000);
            let beat =
                Insight::Beat { at, packets, bytes, learning: false, health: health.clone() };
            packer.add(&beat).expect("memory");
            let (octets, heard) = hear(&mut unpacker, &mut packer);
            assert_eq!(heard, [beat]);
            assert!(!(2..4).contains(&minute) || octets <= 15, "{octets} octets");
        }
    }

    #[test]
    fn a_batch_out_of_its_place_and_a_bomb_are_refused() {
        let mut packer = Packer::new().expect("memory");
        for packets in [1, 2] {
            packer.add(&asset(1, packets, 0)).expect("memory");
            packer.add(&asset(9 + packets, 0, 0)).expect("memory");
            let batch = packer.take().expect("memory");
            let read = Unpacker::new().expect("memory").unpack(&batch);
            assert_eq!(read.is_ok(), packets == 1);
        }
        let mut bomb = zstd::encode_all(&vec![0; UNPACKED_OCTETS_MAX + 1][..], 3).expect("memory");
        bomb.insert(0, STREAM);
        assert!(Unpacker::new().expect("memory").unpack(&bomb).is_err());
    }
}
