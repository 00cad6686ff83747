//! IP packets put together from fragments (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! The octets seen first win; overlaps are counted. Invariant: bounded in packets, octets and
//! capture time.

use crate::limits::{FRAGMENTED_MAX, FRAGMENTED_OCTETS_MAX, FRAGMENTED_SECS_MAX};
use model::Time;
use std::{collections::BTreeMap, net::IpAddr};
use wire::Ip;

type Key = (IpAddr, IpAddr, u8, u32);

#[derive(Default)]
pub(crate) struct Fragments {
    packets: BTreeMap<Key, Partial>,
    pub(crate) overlaps: u64,
    pub(crate) evicted: u64,
}

struct Partial {
    /// Offset -> octets, not overlapping.
    pieces: BTreeMap<usize, Vec<u8>>,
    octets: usize,
    total: Option<usize>,
    since: Time,
}

impl Fragments {
    /// Takes a fragment; gives the whole payload when it was the last one missing.
    pub(crate) fn push(&mut self, ip: &Ip<'_>, at: Time) -> Option<Vec<u8>> {
        let fragment = ip.fragment?;
        let key = (ip.source, ip.destination, ip.protocol, fragment.id);
        self.expire(at);
        if self.packets.len() >= FRAGMENTED_MAX && !self.packets.contains_key(&key) {
            let oldest = self.packets.iter().min_by_key(|(_, p)| p.since).map(|(k, _)| *k);
            oldest.map(|k| self.packets.remove(&k));
            self.evicted += 1;
        }
        let partial = self.packets.entry(key).or_insert_with(|| Partial {
            pieces: BTreeMap::new(),
            octets: 0,
            total: None,
            since: at,
        });
        let start = usize::from(fragment.offset);
        let end = start + ip.payload.len();
        if end > FRAGMENTED_OCTETS_MAX {
            self.evicted += 1;
            self.packets.remove(&key);
            return None;
        }
        if !fragment.more {
            partial.total = Some(end);
        }
        if partial.overlaps(start, end) {
            self.overlaps += 1;
        } else {
            partial.octets += ip.payload.len();
            partial.pieces.insert(start, ip.payload.to_vec());
        }
        if partial.total != Some(partial.octets) {
            return None;
        }
        let partial = self.packets.remove(&key)?;
        Some(partial.pieces.into_values().flatten().collect())
    }

    fn expire(&mut self, at: Time) {
        let old = |p: &Partial| at.since(p.since) > FRAGMENTED_SECS_MAX * 1_000_000_000;
        if self.packets.len() > FRAGMENTED_MAX / 2 {
            let before = self.packets.len();
            self.packets.retain(|_, p| !old(p));
            self.evicted += (before - self.packets.len()) as u64;
        }
    }
}

impl Partial {
    fn overlaps(&self, start: usize, end: usize) -> bool {
        let before = self.pieces.range(..=start).next_back();
        let after = self.pieces.range(start..).next();
        before.is_some_and(|(at, piece)| at + piece.len() > start)
            || after.is_some_and(|(at, _)| *at < end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Fragment;

    fn fragment(id: u32, offset: u16, more: bool, payload: &[u8]) -> Ip<'_> {
        Ip {
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            protocol: 17,
            ttl: 64,
            fragment: Some(Fragment { id, offset, more }),
            payload,
            missing: 0,
            routing_header: None,
        }
    }

    #[test]
    fn pieces_in_any_order_make_one_packet_and_overlaps_lose() {
        let mut table = Fragments::default();
        assert_eq!(table.push(&fragment(1, 8, false, b"tail"), Time(0)), None);
        assert_eq!(table.push(&fragment(1, 8, false, b"EVIL"), Time(0)), None);
        let whole = table.push(&fragment(1, 0, true, b"12345678"), Time(0));
        assert_eq!(whole.as_deref(), Some(&b"12345678tail"[..]));
        assert_eq!(table.overlaps, 1);
    }

    #[test]
    fn endless_first_fragments_are_bounded() {
        let mut table = Fragments::default();
        for id in 0..5_000 {
            table.push(&fragment(id, 0, true, b"12345678"), Time(i64::from(id)));
        }
        assert!(table.packets.len() <= FRAGMENTED_MAX);
        assert!(table.evicted > 0);
    }
}
