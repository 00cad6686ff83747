//! Counts of messages: one row for each distinct combination of peers and keys.
//!
//! Invariant: rows come out sorted and sums do not depend on the order of counting, so any
//! number of workers gives the same table.

mod numbers;

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::{Endpoint, Mac, MessageRow, Scalar};
use numbers::Numbers;
use protocols::{Ends, Group, Message};
use std::{
    collections::BTreeMap,
    hash::BuildHasher,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

const SEED: u64 = 0x7461_6c6c_7973_6565;

pub(crate) type Peers = (Peer, Peer);

/// An address as a number, 0 for none: made, compared and hashed without a look at its parts.
/// Those of IPv4 and MAC addresses stand in blocks of IPv6 that no host may have (site-local,
/// RFC 3879).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Peer(u128);

impl Peer {
    pub(crate) const NONE: Peer = Peer(0);
    const V4: u128 = 0xfefd_fefd_fefd_fefd << 64;
    const MAC: u128 = 0xfefe_fefe_fefe_fefe << 64;

    #[inline]
    pub(crate) fn ip(ip: IpAddr) -> Peer {
        match ip {
            IpAddr::V4(v4) => Peer(Peer::V4 | u128::from(u32::from(v4))),
            IpAddr::V6(v6) => Peer(u128::from(v6)),
        }
    }

    #[inline]
    pub(crate) fn mac(mac: Option<Mac>) -> Peer {
        mac.map_or(Peer::NONE, |mac| Peer(Peer::MAC | u128::from(mac.number())))
    }

    /// As [`Endpoint::address`] says.
    #[inline]
    pub(crate) fn of(end: &Endpoint) -> Peer {
        end.ip.map_or_else(|| Peer::mac(end.mac), Peer::ip)
    }

    fn shown(self) -> Scalar {
        const LOW: u128 = u64::MAX as u128;
        if self == Peer::NONE {
            return Scalar::Null;
        }
        let text = match self.0 & !LOW {
            Peer::V4 => Ipv4Addr::from(self.0 as u32).to_string(),
            Peer::MAC => {
                let [_, _, a, b, c, d, e, f] = (self.0 as u64).to_be_bytes();
                Mac([a, b, c, d, e, f]).to_string()
            }
            _ => Ipv6Addr::from(self.0).to_string(),
        };
        Scalar::Text(text.into())
    }
}

struct Row {
    group: &'static Group,
    peers: Peers,
    count: u64,
    /// Row counted next when this one was last counted: traffic is cyclic, so it is the likely
    /// one again, and needs no hash.
    next: Cursor,
    keys: [Scalar; protocols::output::KEYS_MAX],
    numbers: Option<Box<Numbers>>,
}

impl Row {
    #[inline]
    fn is(&self, group: &'static Group, peers: &Peers, keys: &[Scalar]) -> bool {
        std::ptr::eq(self.group, group)
            && self.peers == *peers
            && self.keys.iter().zip(keys).take(group.keys.len()).all(|(a, b)| same(a, b))
    }
}

impl Row {
    #[inline]
    fn again(&mut self, message: &Message) {
        self.count += 1;
        if let Some(numbers) = &mut self.numbers {
            numbers.see(&message.numbers);
        }
    }
}

/// Where a conversation's last message was counted.
#[derive(Clone, Copy)]
pub(crate) struct Cursor(u32);

impl Default for Cursor {
    fn default() -> Self {
        Cursor(u32::MAX)
    }
}

#[derive(Default)]
pub(crate) struct Tally {
    rows: Vec<Row>,
    index: HashTable<u32>,
    max: usize,
    pub(crate) refused: u64,
}

/// Folds words into a sum: most rows are told apart by a few numbers, so this is cheaper than a
/// hash of everything; texts from outside are hashed whole, so that nobody can make them collide.
fn hash(group: &'static Group, peers: &Peers, keys: &[Scalar]) -> u64 {
    let mut sum = mix(SEED, group.name.as_ptr().addr() as u64);
    for Peer(peer) in [peers.0, peers.1] {
        sum = mix(sum ^ (peer >> 64) as u64, peer as u64);
    }
    for key in keys.iter().take(group.keys.len()) {
        let (kind, word) = match key {
            Scalar::Null => (0, 0),
            Scalar::Bool(b) => (1, u64::from(*b)),
            Scalar::Number(n) => (2, *n),
            Scalar::Word(word) => (3, outline(word.as_bytes())),
            Scalar::Shared(text) => (4, FixedState::with_seed(SEED).hash_one(&**text)),
            Scalar::Text(text) => (4, FixedState::with_seed(SEED).hash_one(&**text)),
        };
        sum = mix(sum ^ kind, word);
    }
    sum ^ (sum >> 29)
}

#[inline]
fn mix(sum: u64, word: u64) -> u64 {
    let product = u128::from(sum ^ word.rotate_left(23)) * 0x9e37_79b9_7f4a_7c15;
    (product >> 64) as u64 ^ product as u64
}

/// Equal; words and kept texts are mostly the very same octets, which need no look at them.
#[inline]
fn same(a: &Scalar, b: &Scalar) -> bool {
    match (a, b) {
        (Scalar::Number(a), Scalar::Number(b)) => a == b,
        (Scalar::Word(a), Scalar::Word(b)) => std::ptr::eq(*a, *b) || a == b,
        (Scalar::Shared(a), Scalar::Shared(b)) => std::sync::Arc::ptr_eq(a, b) || a == b,
        _ => a == b,
    }
}

/// Length and ends of a word out of a fixed few.
#[inline]
fn outline(word: &[u8]) -> u64 {
    let first = word.first_chunk::<4>().map_or(0, |octets| u32::from_le_bytes(*octets));
    let last = word.last_chunk::<4>().map_or(0, |octets| u32::from_le_bytes(*octets));
    (u64::from(first) << 32 | u64::from(last)) ^ (word.len() as u64) << 24
}

impl Tally {
    pub(crate) fn new(max: usize) -> Self {
        Tally { max, ..Tally::default() }
    }

    /// Counts a message behind the one that was counted at `cursor`.
    #[inline]
    pub(crate) fn count(&mut self, message: &mut Message, peers: &Peers, cursor: &mut Cursor) {
        let next = self.rows.get(cursor.0 as usize).map_or(*cursor, |row| row.next);
        if let Some(row) = self.rows.get_mut(next.0 as usize)
            && row.is(message.group, peers, &message.keys)
        {
            row.again(message);
            *cursor = next;
            return;
        }
        self.count_elsewhere(message, peers, cursor);
    }

    #[inline(never)]
    fn count_elsewhere(&mut self, message: &mut Message, peers: &Peers, cursor: &mut Cursor) {
        let hashed = hash(message.group, peers, &message.keys);
        let at = match self.find(hashed, message.group, peers, &message.keys) {
            Some(at) => {
                self.rows[at.0 as usize].again(message);
                at
            }
            None => {
                const KEYS: [Scalar; protocols::output::KEYS_MAX] =
                    [const { Scalar::Null }; protocols::output::KEYS_MAX];
                let Message { group, figures, numbers, .. } = *message;
                let keys = std::mem::replace(&mut message.keys, KEYS);
                let numbers =
                    (!figures.is_empty()).then(|| Box::new(Numbers::new(figures, numbers)));
                let next = Cursor::default();
                let row = Row { group, peers: *peers, keys, count: 1, next, numbers };
                self.insert(hashed, row)
            }
        };
        if let Some(before) = self.rows.get_mut(cursor.0 as usize) {
            before.next = at;
        }
        *cursor = at;
    }

    fn find(
        &self,
        hashed: u64,
        group: &'static Group,
        peers: &Peers,
        keys: &[Scalar],
    ) -> Option<Cursor> {
        let is = |at: &u32| self.rows[*at as usize].is(group, peers, keys);
        self.index.find(hashed, is).map(|at| Cursor(*at))
    }

    fn insert(&mut self, hashed: u64, row: Row) -> Cursor {
        if self.rows.len() >= self.max {
            self.refused += row.count;
            return Cursor::default();
        }
        let at = self.rows.len() as u32;
        self.rows.push(row);
        let rows = &self.rows;
        self.index.insert_unique(hashed, at, |at| {
            let row = &rows[*at as usize];
            hash(row.group, &row.peers, &row.keys)
        });
        Cursor(at)
    }

    /// The rows so far, without those that had no room; it has none for others from here on.
    pub(crate) fn take(&mut self) -> Counted {
        let rows = std::mem::take(&mut self.rows);
        (self.index, self.max) = (HashTable::new(), 0);
        Counted(rows)
    }
}

/// Rows of one tally.
pub(crate) struct Counted(Vec<Row>);

impl Counted {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Group -> rows, as `spandrel pcap` prints them. What several tallies counted of the same stands
/// beside each other once it is sorted, as it must be anyway, and is added up there.
pub(crate) fn rows_of(all: Vec<Counted>) -> BTreeMap<&'static str, Vec<MessageRow>> {
    type Parts = (Vec<(&'static str, Scalar)>, u64, Option<Box<Numbers>>);
    let mut groups: BTreeMap<&'static str, Vec<Parts>> = BTreeMap::new();
    for row in all.into_iter().flat_map(|counted| counted.0) {
        let (source, destination) = row.peers;
        let mut keys = Vec::with_capacity(2 + row.group.keys.len());
        match row.group.ends {
            Ends::Pair | Ends::MacPair => {
                keys.push(("src", source.shown()));
                keys.push(("dst", destination.shown()));
            }
            Ends::Source => keys.push(("src", source.shown())),
            Ends::None => {}
        }
        keys.extend(row.group.keys.iter().copied().zip(row.keys));
        groups.entry(row.group.name).or_default().push((keys, row.count, row.numbers));
    }
    let made = |(keys, count, numbers): Parts| {
        let figures = numbers.map(|n| n.figures()).unwrap_or_default();
        MessageRow { keys, count, figures }
    };
    let summed = |mut rows: Vec<Parts>| {
        rows.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        rows.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
                if let (Some(first), Some(later)) = (&mut first.2, &later.2) {
                    first.merge(later);
                }
            }
            same
        });
        rows.into_iter().map(made).collect()
    };
    groups.into_iter().map(|(name, rows)| (name, summed(rows))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static GROUP: Group = Group { name: "test", ends: Ends::None, keys: &["n"] };

    fn message(n: u64) -> Message {
        let mut keys = [const { Scalar::Null }; protocols::output::KEYS_MAX];
        keys[0] = Scalar::Number(n);
        Message { group: &GROUP, keys, figures: &[], numbers: [0; 2] }
    }

    fn count(tally: &mut Tally, messages: impl IntoIterator<Item = Message>) {
        let mut cursor = Cursor::default();
        for mut message in messages {
            tally.count(&mut message, &(Peer::NONE, Peer::NONE), &mut cursor);
        }
    }

    #[test]
    fn a_peer_is_shown_as_its_address() {
        let check = |end: Endpoint| {
            let shown = end.address().map_or(Scalar::Null, |a| Scalar::Text(a.to_string().into()));
            assert_eq!(Peer::of(&end).shown(), shown);
        };
        check(Endpoint::default());
        let mac = Some(Mac([2, 0, 0x5e, 0xff, 0, 9]));
        check(Endpoint { mac, ..Endpoint::default() });
        for ip in
            ["10.0.0.1", "0.0.0.0", "255.255.255.255", "fe80::1", "2001:db8::ffff:1", "ff02::1"]
        {
            check(Endpoint { mac, ip: ip.parse().ok(), ..Endpoint::default() });
        }
        check(Endpoint { ip: "::ffff:10.0.0.1".parse().ok(), ..Endpoint::default() });
    }

    #[test]
    fn what_comes_in_cycles_and_what_does_not_is_counted_alike() {
        let mut tally = Tally::new(9);
        count(&mut tally, [1, 2, 1, 2, 3, 1, 1, 2, 3, 3].map(message));
        let rows = &rows_of(vec![tally.take()])["test"];
        assert_eq!(rows.iter().map(|r| r.count).collect::<Vec<_>>(), [4, 3, 3]);
    }

    #[test]
    fn what_two_counted_is_what_one_would_have() {
        let (mut a, mut b) = (Tally::new(9), Tally::new(9));
        count(&mut a, [1, 2, 2].map(message));
        count(&mut b, [message(2)]);
        let rows = &rows_of(vec![a.take(), b.take()])["test"];
        assert_eq!(rows.iter().map(|r| r.count).collect::<Vec<_>>(), [1, 3]);
    }

    #[test]
    fn a_full_table_counts_what_it_refuses() {
        let mut tally = Tally::new(2);
        count(&mut tally, [1, 2, 3, 4, 1].map(message));
        let rows = rows_of(vec![tally.take()]);
        assert_eq!((tally.refused, rows["test"].len()), (2, 2));
    }

    #[test]
    fn figures_are_drawn_from_the_numbers_of_a_row() {
        const FIGURES: &[protocols::output::Figure] = &[protocols::output::Figure {
            name: "highest",
            number: 0,
            drawn: protocols::output::Drawn::Greatest,
        }];
        let (mut a, mut b) = (Tally::new(9), Tally::new(9));
        for n in [5, 9, 7] {
            let counted = Message { figures: FIGURES, numbers: [n, 0], ..message(1) };
            count(&mut a, [counted.clone()]);
            count(&mut b, [Message { numbers: [n + 1, 0], ..counted }]);
        }
        let rows = &rows_of(vec![a.take(), b.take()])["test"];
        assert_eq!((rows[0].count, &rows[0].figures[..]), (6, &[("highest", 10)][..]));
    }
}
