//! Conversations: their keys, their state, and the table that holds them.
//!
//! Invariant: the table is bounded; the conversation idle longest makes room and is handed back
//! so that what it still holds is not lost in silence.

use crate::{limits::SKIPPED_OCTETS_MAX, sieve::Seen, stream::Stream, tally::Cursor};
use foldhash::fast::FixedState;
use hashbrown::HashTable;
use model::{Carrier, Endpoint, Mac, Time};
use protocols::{About, Dissector, Protocol, Side};
use std::{
    hash::{BuildHasher, Hash, Hasher},
    net::IpAddr,
};

/// Both ends in a fixed order, so that both directions have one key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FlowKey {
    low: u128,
    high: u128,
    /// Ports of the low and the high end, and the VLAN.
    rest: u64,
    carrier: Carrier,
}

impl Hash for FlowKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(self.low);
        state.write_u128(self.high);
        state.write_u64(self.rest ^ number_of(self.carrier).rotate_left(48));
    }
}

/// Different for every carrier.
#[inline]
const fn number_of(carrier: Carrier) -> u64 {
    match carrier {
        Carrier::Tcp => 0x0100_0000_0000,
        Carrier::Udp => 0x0200_0000_0000,
        Carrier::Ip(protocol) => 0x0300_0000_0000 | protocol as u64,
        Carrier::Ethertype(kind) => 0x0400_0000_0000 | kind as u64,
        Carrier::Snap([a, b, c], pid) => {
            0x05_0000_0000_0000
                | (a as u64) << 32
                | (b as u64) << 24
                | (c as u64) << 16
                | pid as u64
        }
        Carrier::Llc(sap) => 0x0600_0000_0000 | sap as u64,
    }
}

/// An end in the key: IPv4 as IPv4-mapped IPv6, MAC addresses in the low octets.
fn number(end: &Endpoint) -> u128 {
    match (end.ip, end.mac) {
        (Some(IpAddr::V4(ip)), _) => 0xffff_0000_0000 | u128::from(u32::from(ip)),
        (Some(IpAddr::V6(ip)), _) => u128::from(ip),
        (None, Some(Mac([a, b, c, d, e, f]))) => {
            let octets = u64::from_be_bytes([0xfe, 0xfe, a, b, c, d, e, f]);
            0xfefe_fefe_fefe_fefe_0000_0000_0000_0000 | u128::from(octets)
        }
        (None, None) => 0,
    }
}

impl FlowKey {
    pub(crate) fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// The key, and whether `from` is its low end.
    #[inline]
    pub(crate) fn new(from: &Endpoint, to: &Endpoint, carrier: Carrier) -> (FlowKey, bool) {
        let a = (number(from), from.port.unwrap_or_default());
        let b = (number(to), to.port.unwrap_or_default());
        let from_is_low = a <= b;
        let (low, high) = if from_is_low { (a, b) } else { (b, a) };
        // A mirror of what enters the ports shows routed traffic once, each direction on the VLAN
        // of its sender, so for IP the VLAN must not tell conversations apart.
        let vlan = if from.ip.is_some() { 0 } else { from.vlan.unwrap_or_default() };
        let rest = u64::from(low.1) << 32 | u64::from(high.1) << 16 | u64::from(vlan);
        (FlowKey { low: low.0, high: high.0, rest, carrier }, from_is_low)
    }
}

/// How far the search for the protocol has come.
pub(crate) enum Identity {
    /// Not known yet; octets so far wait in [`Half::pending`].
    Searching {
        tries: u8,
    },
    Known {
        about: &'static About,
        dissector: Box<dyn Dissector>,
    },
    /// Known, but its octets cannot be read any more.
    Failed {
        about: &'static About,
    },
    /// Nothing fits.
    Unknown,
}

/// State of one direction.
#[derive(Default)]
pub(crate) struct Half {
    pub(crate) stream: Stream,
    /// Octets of a message not yet whole, or not yet identified.
    pub(crate) pending: Vec<u8>,
    /// Octets the message being read needs in all.
    pub(crate) needed: u32,
    /// Octets still to come of a message that a hole was in.
    pub(crate) skip: u32,
    pub(crate) after_gap: bool,
    /// Segments in which no protocol was found.
    pub(crate) tries: u8,
    /// A packet came from this end.
    pub(crate) seen: bool,
    /// Octets for an application came from this end.
    pub(crate) spoke: bool,
    pub(crate) finished: bool,
    /// Since they were last reported.
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    /// Of these, what was sent under other addresses than the conversation's, or counted before.
    pub(crate) foreign: Option<Box<Foreign>>,
    pub(crate) first: Time,
    pub(crate) last: Time,
}

impl Half {
    /// Octets of the message being read that stand behind a hole of `lost`: where the next one
    /// begins need not be guessed.
    pub(crate) fn behind(&self, lost: u64) -> u32 {
        let had = self.pending.len() as u64;
        let left = if had > 0 { u64::from(self.needed) } else { u64::from(self.skip) };
        let left = left.saturating_sub(had.saturating_add(lost));
        u32::try_from(left).ok().filter(|left| *left <= SKIPPED_OCTETS_MAX).unwrap_or_default()
    }

    /// How many of the next `count` octets belong to a message that a hole was in.
    #[inline]
    pub(crate) fn skipped(&mut self, count: usize) -> usize {
        let skipped = (self.skip as usize).min(count);
        self.skip -= skipped as u32;
        skipped
    }
}

#[derive(Clone, Copy, Default)]
pub(crate) struct Foreign {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
}

/// Kept small: a flood makes as many as there is room for.
pub(crate) struct Flow {
    pub(crate) key: FlowKey,
    /// The client is the low end of the key.
    pub(crate) client_is_low: bool,
    /// A handshake said who the client is.
    pub(crate) client_certain: bool,
    pub(crate) client: Endpoint,
    pub(crate) server: Endpoint,
    pub(crate) identity: Identity,
    /// Protocol inside the registered one, once the dissector named it.
    pub(crate) refined: Option<&'static str>,
    pub(crate) halves: [Half; 2],
    pub(crate) seen: Seen,
    pub(crate) counted: Cursor,
    /// Frame that began it; orders conversations in output.
    pub(crate) first_frame: u64,
    pub(crate) first: Time,
    pub(crate) syn: bool,
    pub(crate) answered: bool,
    pub(crate) closed: bool,
    /// Segments in a row that were no message.
    pub(crate) give_ups: u8,
    /// Times a dissector took something; ends at 255.
    pub(crate) taken: u8,
    /// Number of a SYN that the other end has yet to answer, while the conversation goes on.
    pub(crate) opening: Option<(Side, u32)>,
    /// A port of it has protocols of its own, and what was found is none of them.
    pub(crate) elsewhere: bool,
    pub(crate) rhythm: Rhythm,
}

/// How regularly the server answers datagrams, in a few octets; counts end at 255.
#[derive(Clone, Copy, Default)]
pub(crate) struct Rhythm {
    /// Datagrams of the client since the server's last.
    asks: u8,
    /// The most of them before an answer.
    asks_max: u8,
    answers: u8,
}

impl Rhythm {
    /// A server that answered so often answers what it is asked.
    const ANSWERS_MIN: u8 = 16;
    /// Who leaves more than these unanswered gives no answers, but sends when it likes.
    const ASKS_MAX: u8 = 8;
    const ASKS_MIN: u8 = 7;

    pub(crate) fn asked(&mut self) {
        self.asks = self.asks.saturating_add(1);
    }

    pub(crate) fn answered(&mut self) {
        if self.asks > 0 {
            self.asks_max = self.asks_max.max(self.asks);
            self.answers = self.answers.saturating_add(1);
            self.asks = 0;
        }
    }

    /// Is it asked far more often than ever before, in vain?
    pub(crate) fn is_broken(self) -> bool {
        self.answers >= Self::ANSWERS_MIN
            && self.asks_max <= Self::ASKS_MAX
            && self.asks >= Self::ASKS_MIN.max(self.asks_max.saturating_mul(3))
    }
}

impl Flow {
    pub(crate) fn new(
        (key, from_is_low): (FlowKey, bool),
        (from, to, sender_is_client): (Endpoint, Endpoint, bool),
        (frame, at): (u64, Time),
    ) -> Flow {
        let (client, server) = if sender_is_client { (from, to) } else { (to, from) };
        Flow {
            key,
            client_is_low: from_is_low == sender_is_client,
            client_certain: false,
            client,
            server,
            identity: Identity::Searching { tries: 0 },
            refined: None,
            halves: [Half::default(), Half::default()],
            seen: Seen::default(),
            counted: Cursor::default(),
            first_frame: frame,
            first: at,
            syn: false,
            answered: false,
            closed: false,
            give_ups: 0,
            taken: 0,
            opening: None,
            elsewhere: false,
            rhythm: Rhythm::default(),
        }
    }

    /// What it rides on.
    pub(crate) fn carrier(&self) -> Carrier {
        self.key.carrier
    }

    /// Time of the newest packet.
    pub(crate) fn last(&self) -> Time {
        let of = |half: &Half| if half.seen { half.last } else { self.first };
        of(&self.halves[0]).max(of(&self.halves[1]))
    }

    /// The end that `side` speaks from.
    pub(crate) fn end(&self, side: Side) -> &Endpoint {
        match side {
            Side::Client => &self.client,
            Side::Server => &self.server,
        }
    }

    pub(crate) fn side(&self, from_is_low: bool) -> Side {
        if from_is_low == self.client_is_low { Side::Client } else { Side::Server }
    }

    pub(crate) fn half(&mut self, side: Side) -> &mut Half {
        &mut self.halves[side as usize]
    }

    /// The ends were taken the wrong way round.
    pub(crate) fn swap(&mut self) {
        self.client_is_low = !self.client_is_low;
        std::mem::swap(&mut self.client, &mut self.server);
        self.halves.swap(0, 1);
        self.opening = self.opening.map(|(side, number)| (side.other(), number));
    }

    /// Numbers of the ports of both ends.
    pub(crate) fn ports(&self) -> [u16; 2] {
        [self.server.port, self.client.port].map(Option::unwrap_or_default)
    }

    /// It speaks this, and the ends may have been taken the wrong way round.
    pub(crate) fn identify(&mut self, protocol: &'static dyn Protocol, wrong_way: bool) {
        if wrong_way && !self.client_certain {
            self.swap();
        }
        let (about, dissector) = (protocol.about(), protocol.open());
        self.identity = Identity::Known { about, dissector };
        self.refined = None;
    }

    /// What the conversation speaks, by its most precise name.
    pub(crate) fn protocol(&self) -> Option<&'static str> {
        match &self.identity {
            Identity::Known { about, .. } | Identity::Failed { about } => {
                Some(self.refined.unwrap_or(about.name))
            }
            _ => None,
        }
    }

    pub(crate) fn buffered(&self) -> usize {
        let of = |h: &Half| h.pending.capacity() + h.stream.held_octets();
        self.halves.iter().map(of).sum()
    }
}

const NONE: u32 = u32::MAX;
const SEED: u64 = 0x666c_6f77_7365_6564;

/// Conversations in one piece of memory: a table that grows moves none of them.
const CHUNK: usize = 32;

/// Conversations by key, in order of last use.
pub(crate) struct FlowTable {
    /// Places of conversations, by their keys.
    index: HashTable<u32>,
    /// Each but the last is full.
    chunks: Vec<Vec<Flow>>,
    /// Beside the conversations, so that moving one to the front touches few cache lines.
    links: Vec<Neighbours>,
    newest: u32,
    oldest: u32,
    /// Of those silent for long the last that was given out; those older were given out before.
    given: u32,
    max: usize,
}

#[derive(Clone, Copy)]
struct Neighbours {
    older: u32,
    newer: u32,
    /// Low bits of the frame in which another became the newest after it.
    until: u32,
}

#[inline]
fn hash(key: &FlowKey) -> u64 {
    FixedState::with_seed(SEED).hash_one(key)
}

#[inline]
fn flow(chunks: &[Vec<Flow>], at: u32) -> &Flow {
    let at = at as usize;
    &chunks[at / CHUNK][at % CHUNK]
}

impl FlowTable {
    pub(crate) fn new(max: usize) -> Self {
        let (index, chunks, links) = (HashTable::new(), Vec::new(), Vec::new());
        FlowTable { index, chunks, links, newest: NONE, oldest: NONE, given: NONE, max }
    }

    /// Finds a conversation and makes it the newest in this frame.
    #[inline]
    pub(crate) fn find(&mut self, key: &FlowKey, frame: u64) -> Option<u32> {
        let chunks = &self.chunks;
        // Who speaks mostly goes on.
        let newest = chunks.get(self.newest as usize / CHUNK);
        if newest.and_then(|chunk| chunk.get(self.newest as usize % CHUNK))?.key == *key {
            return Some(self.newest);
        }
        let at = *self.index.find(hash(key), |at| flow(chunks, *at).key == *key)?;
        self.unlink(at);
        self.link_newest(at, frame);
        Some(at)
    }

    #[inline]
    pub(crate) fn get(&mut self, at: u32) -> &mut Flow {
        let at = at as usize;
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }

    /// Adds a conversation; a full table gives the one idle longest back.
    pub(crate) fn insert(&mut self, flow: Flow) -> (u32, Option<Flow>) {
        let (key, frame) = (flow.key, flow.first_frame);
        if self.len() < self.max {
            let at = self.len() as u32;
            match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < CHUNK => chunk.push(flow),
                _ => {
                    let mut chunk = Vec::with_capacity(CHUNK);
                    chunk.push(flow);
                    self.chunks.push(chunk);
                }
            }
            self.links.push(Neighbours { older: NONE, newer: NONE, until: 0 });
            self.link_newest(at, frame);
            self.enter(&key, at);
            return (at, None);
        }
        let at = self.oldest;
        self.unlink(at);
        let evicted = std::mem::replace(self.get(at), flow);
        if let Ok(entry) = self.index.find_entry(hash(&evicted.key), |known| *known == at) {
            entry.remove();
        }
        self.link_newest(at, frame);
        self.enter(&key, at);
        (at, Some(evicted))
    }

    fn enter(&mut self, key: &FlowKey, at: u32) {
        let chunks = &self.chunks;
        self.index.insert_unique(hash(key), at, |at| hash(&flow(chunks, *at).key));
    }

    /// Puts a new conversation where one with the same key stands; gives the old one.
    pub(crate) fn replace(&mut self, at: u32, flow: Flow) -> Flow {
        std::mem::replace(self.get(at), flow)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Flow> {
        self.chunks.iter_mut().flatten()
    }

    pub(crate) fn len(&self) -> usize {
        self.links.len()
    }

    /// The next that has been silent for so many frames, those silent longest first; once, unless
    /// it speaks again.
    pub(crate) fn next_silent(&mut self, frame: u64, frames: u32) -> Option<u32> {
        let next = match self.given {
            NONE => self.oldest,
            given => self.links[given as usize].newer,
        };
        let until = self.links.get(next as usize).filter(|_| next != self.newest)?.until;
        let is_silent = (frame as u32).wrapping_sub(until) >= frames;
        is_silent.then(|| {
            self.given = next;
            next
        })
    }

    fn unlink(&mut self, at: u32) {
        let Neighbours { older, newer, .. } = self.links[at as usize];
        if self.given == at {
            self.given = older;
        }
        match older {
            NONE => self.oldest = newer,
            older => self.links[older as usize].newer = newer,
        }
        match newer {
            NONE => self.newest = older,
            newer => self.links[newer as usize].older = older,
        }
    }

    fn link_newest(&mut self, at: u32, frame: u64) {
        let before = self.newest;
        self.links[at as usize] = Neighbours { older: before, newer: NONE, until: 0 };
        match before {
            NONE => self.oldest = at,
            before => {
                let before = &mut self.links[before as usize];
                (before.newer, before.until) = (at, frame as u32);
            }
        }
        self.newest = at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { ip: Some([10, 0, 0, last].into()), port: Some(port), ..Endpoint::default() }
    }

    fn flow(last: u8) -> Flow {
        let (a, b) = (end(last, 1), end(200, 2));
        Flow::new(FlowKey::new(&a, &b, Carrier::Tcp), (a, b, true), (1, Time(0)))
    }

    #[test]
    fn both_directions_have_one_key() {
        let (a, b) = (end(1, 49_152), end(2, 502));
        let (there, low) = FlowKey::new(&a, &b, Carrier::Tcp);
        let (back, high) = FlowKey::new(&b, &a, Carrier::Tcp);
        assert_eq!(there, back);
        assert_ne!(low, high);
    }

    #[test]
    fn a_hole_within_a_message_leaves_its_end_where_it_was() {
        let mut half = Half { pending: vec![0; 10], needed: 100, ..Half::default() };
        assert_eq!((half.behind(30), half.behind(90), half.behind(u64::MAX)), (60, 0, 0));
        half.skip = half.behind(30);
        half.pending.clear();
        assert_eq!(half.skipped(25), 25);
        half.skip = half.behind(5);
        assert_eq!((half.skipped(50), half.skipped(50)), (30, 0));
        half = Half { pending: vec![0; 10], needed: u32::MAX, ..Half::default() };
        assert_eq!(half.behind(1), 0);
    }

    #[test]
    fn a_conversation_is_small() {
        assert!(size_of::<Flow>() <= 432, "{}", size_of::<Flow>());
    }

    #[test]
    fn many_are_found_again() {
        let mut table = FlowTable::new(1_000);
        let keys: Vec<_> = (0..100).map(|last| table_key(&mut table, last)).collect();
        let places: Vec<_> = keys.iter().filter_map(|key| table.find(key, 1)).collect();
        assert_eq!(places, (0..100).collect::<Vec<_>>());
        assert!(places.iter().zip(&keys).all(|(at, key)| table.get(*at).key == *key));
    }

    fn table_key(table: &mut FlowTable, last: u8) -> FlowKey {
        let flow = flow(last);
        let key = flow.key;
        table.insert(flow);
        key
    }

    #[test]
    fn a_full_table_gives_up_the_conversation_idle_longest() {
        let mut table = FlowTable::new(2);
        let (first, second) = (flow(1), flow(2));
        let (key_first, key_second) = (first.key, second.key);
        table.insert(first);
        table.insert(second);
        table.find(&key_first, 1);
        let (_, evicted) = table.insert(flow(3));
        assert_eq!(evicted.map(|f| f.key), Some(key_second));
        assert!(table.find(&key_second, 1).is_none() && table.find(&key_first, 1).is_some());
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn who_is_silent_for_long_is_given_once_until_it_speaks() {
        let mut table = FlowTable::new(9);
        let begin = |table: &mut FlowTable, frame: u64| {
            let flow = Flow { first_frame: frame, ..flow(frame as u8) };
            let key = flow.key;
            table.insert(flow);
            key
        };
        let mut keys = Vec::new();
        for frame in 1..=4 {
            keys.push(begin(&mut table, frame));
        }
        let silent = |table: &mut FlowTable, frame| -> Vec<u32> {
            std::iter::from_fn(|| table.next_silent(frame, 10)).collect()
        };
        // The first was followed in frame 2, the last by nobody.
        assert_eq!(silent(&mut table, 11), []);
        assert_eq!(silent(&mut table, 13), [0, 1]);
        assert_eq!(silent(&mut table, 13), []);
        assert_eq!(table.find(&keys[1], 14), Some(1));
        assert_eq!(silent(&mut table, 20), [2]);
        assert_eq!(table.find(&keys[2], 21), Some(2));
        assert_eq!(silent(&mut table, 40), [3, 1]);
    }
}
