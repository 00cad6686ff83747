//! IP packets put together from fragments (RFC 791, 3.2; RFC 8200, 4.5).
//!
//! The octets seen first win; overlaps are counted. Invariant: bounded in packets, octets and
//! capture time.

use crate::limits::{FRAGMENTED_OCTETS_MAX, FRAGMENTED_SECS_MAX, FRAGMENTS_PER_PACKET_MAX};
use model::Time;
use std::{collections::BTreeMap, net::IpAddr};
use wire::{Fragment, Ip};

type Key = (IpAddr, IpAddr, u8, u32);

pub(crate) struct Fragments {
    packets: BTreeMap<Key, Partial>,
    packets_max: usize,
    /// Of all packets.
    octets: usize,
    octets_max: usize,
    pub(crate) overlaps: u64,
    pub(crate) evicted: u64,
    /// Rule and words, where the fragment pushed last is one that no sender makes.
    pub(crate) odd: Option<(&'static str, &'static str)>,
}

struct Partial {
    /// Offset -> octets, not overlapping.
    pieces: BTreeMap<usize, Vec<u8>>,
    octets: usize,
    total: Option<usize>,
    since: Time,
}

impl Fragments {
    pub(crate) fn new(packets_max: usize, octets_max: usize) -> Self {
        Fragments {
            packets: BTreeMap::new(),
            packets_max,
            octets: 0,
            octets_max,
            overlaps: 0,
            evicted: 0,
            odd: None,
        }
    }

    /// Takes a fragment; gives the whole payload when it was the last one missing.
    pub(crate) fn push(&mut self, ip: &Ip<'_>, at: Time) -> Option<Vec<u8>> {
        let fragment = ip.fragment?;
        let key = (ip.source, ip.destination, ip.protocol, fragment.id);
        if self.packets.get(&key).is_some_and(|partial| partial.is_over(at)) {
            // Its number is used again, for another packet.
            self.evict(&key);
        }
        self.make_room(&key, ip.payload.len(), at);
        let partial = self.packets.entry(key).or_insert_with(|| Partial {
            pieces: BTreeMap::new(),
            octets: 0,
            total: None,
            since: at,
        });
        let before = partial.octets;
        if usize::from(fragment.offset) + ip.payload.len() > FRAGMENTED_OCTETS_MAX {
            self.odd = Some(("ip-fragments-too-long", "fragments of a packet longer than any"));
        }
        let Ok(added) = partial.add(fragment, ip.payload) else {
            self.evict(&key);
            return None;
        };
        self.overlaps += u64::from(added != Added::New);
        if added == Added::Across {
            self.odd = Some(("ip-fragments-overlap", "fragments that lie over each other"));
        }
        self.octets += partial.octets - before;
        if partial.total != Some(partial.octets) {
            return None;
        }
        let partial = self.packets.remove(&key)?;
        self.octets -= partial.octets;
        Some(partial.pieces.into_values().flatten().collect())
    }

    /// Drops what is too old, then the oldest while there is too much.
    fn make_room(&mut self, key: &Key, more: usize, at: Time) {
        if self.packets.len() > self.packets_max / 2 {
            let expired: Vec<_> =
                self.packets.iter().filter(|(_, p)| p.is_over(at)).map(|(k, _)| *k).collect();
            expired.iter().for_each(|key| self.evict(key));
        }
        let full = |table: &Self| {
            let crowded = table.packets.len() >= table.packets_max;
            (crowded && !table.packets.contains_key(key)) || table.octets + more > table.octets_max
        };
        while full(self) {
            let oldest = self.packets.iter().min_by_key(|(k, p)| (p.since, **k)).map(|(k, _)| *k);
            let Some(oldest) = oldest else { return };
            self.evict(&oldest);
        }
    }

    fn evict(&mut self, key: &Key) {
        if let Some(partial) = self.packets.remove(key) {
            self.octets -= partial.octets;
            self.evicted += 1;
        }
    }
}

/// A packet that cannot become whole within its bounds.
struct Hopeless;

/// What became of a piece.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Added {
    New,
    /// Known to the octet: seen twice.
    Again,
    /// It lies over parts of others.
    Across,
}

impl Partial {
    /// Keeps a piece if none of its octets is known already.
    fn add(&mut self, fragment: Fragment, payload: &[u8]) -> Result<Added, Hopeless> {
        let start = usize::from(fragment.offset);
        let end = start + payload.len();
        if end > FRAGMENTED_OCTETS_MAX || self.pieces.len() >= FRAGMENTS_PER_PACKET_MAX {
            return Err(Hopeless);
        }
        if !fragment.more {
            self.total = Some(end);
        }
        if self.overlaps(start, end) {
            let same = self.pieces.get(&start).is_some_and(|piece| piece.len() == payload.len());
            return Ok(if same { Added::Again } else { Added::Across });
        }
        self.octets += payload.len();
        self.pieces.insert(start, payload.to_vec());
        Ok(Added::New)
    }
}

impl Partial {
    /// Nothing of it will come any more: it is too long ago, or in a time that was set back.
    fn is_over(&self, at: Time) -> bool {
        at.since(self.since).saturating_abs() > FRAGMENTED_SECS_MAX * 1_000_000_000
    }

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
        let mut table = Fragments::new(64, 1 << 20);
        assert_eq!(table.push(&fragment(1, 8, false, b"tail"), Time(0)), None);
        assert_eq!(table.push(&fragment(1, 8, false, b"EVIL"), Time(0)), None);
        let whole = table.push(&fragment(1, 0, true, b"12345678"), Time(0));
        assert_eq!(whole.as_deref(), Some(&b"12345678tail"[..]));
        assert_eq!(table.overlaps, 1);
    }

    #[test]
    fn pieces_across_others_are_odd_and_pieces_seen_twice_are_not() {
        let mut table = Fragments::new(64, 1 << 20);
        table.push(&fragment(1, 0, true, &[1; 16]), Time(0));
        table.push(&fragment(1, 0, true, &[1; 16]), Time(1));
        assert_eq!((table.odd, table.overlaps), (None, 1));
        table.push(&fragment(1, 8, false, &[2; 4]), Time(2));
        assert_eq!(table.odd.map(|(rule, _)| rule), Some("ip-fragments-overlap"));
        table.push(&fragment(2, 65_528, false, &[3; 100]), Time(3));
        assert_eq!(table.odd.map(|(rule, _)| rule), Some("ip-fragments-too-long"));
    }

    #[test]
    fn a_piece_left_over_joins_no_packet_that_has_its_number_later() {
        for later in [1, -1] {
            let mut table = Fragments::new(64, 1 << 20);
            let (then, now) = (Time(0), Time::from_secs(later * (FRAGMENTED_SECS_MAX + 1)));
            assert_eq!(table.push(&fragment(1, 8, false, b"old!"), then), None);
            assert_eq!(table.push(&fragment(1, 0, true, b"12345678"), now), None);
            let whole = table.push(&fragment(1, 8, false, b"tail"), now);
            assert_eq!(whole.as_deref(), Some(&b"12345678tail"[..]));
            assert_eq!((table.overlaps, table.octets), (0, 0));
        }
    }

    #[test]
    fn endless_first_fragments_are_bounded() {
        let mut table = Fragments::new(64, 1 << 20);
        for id in 0..5_000 {
            table.push(&fragment(id, 0, true, b"12345678"), Time(i64::from(id)));
        }
        assert!(table.packets.len() <= 64);
        assert_eq!(table.evicted as usize, 5_000 - table.packets.len());
    }

    #[test]
    fn octets_and_pieces_are_bounded() {
        let mut table = Fragments::new(64, 40_000);
        for id in 0..50 {
            table.push(&fragment(id, 0, true, &[0; 1_480]), Time(i64::from(id)));
            assert!(table.octets <= 40_000);
        }
        let small = |at: usize| u16::try_from(at * 16).expect("small");
        for piece in 0..=FRAGMENTS_PER_PACKET_MAX {
            table.push(&fragment(77, small(piece), true, &[0; 8]), Time(100));
        }
        let most = table.packets.values().map(|p| p.pieces.len()).max();
        assert!(most <= Some(FRAGMENTS_PER_PACKET_MAX));
        let kept: usize = table.packets.values().map(|p| p.octets).sum();
        assert_eq!(table.octets, kept);
    }
}
