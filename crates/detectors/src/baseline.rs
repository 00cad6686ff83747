//! What is normal: who is there, who talks to whom about what, in sets learned from observations.
//!
//! Not here: when learning ends, and what follows from something new. Invariant: a set that is
//! full takes everything for known, so a limit never becomes an alarm.

pub mod kept;

use crate::limits::LEARNED_MAX;
use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};
use inventory::{Industry, is_industrial, is_outside};
use model::{
    Address, Detail, Direction, Endpoint, Exchange, Object, Observation, Operation, OperationClass,
    Outcome, Time,
};
use std::{collections::BTreeMap, hash::Hash};

/// Server ports from here on are made up for one conversation (IANA's range starts at 49152, but
/// Linux takes them from 32768).
const EPHEMERAL_PORTS_FROM: u16 = 32_768;

#[derive(Clone, Debug, Default)]
pub struct Baseline {
    hosts: Bounded<Address, Time>,
    links: Bounded<LinkKey, Time>,
    pairs: Bounded<(Address, Address), Pair>,
    operations: Bounded<OperationKey, ()>,
    ranges: Bounded<RangeKey, (u32, u32)>,
    classes: Bounded<Address, Classes>,
    /// Inside hosts that talk with the Internet.
    outward: Bounded<Address, ()>,
    first: Option<Time>,
    last: Time,
    /// Learned last: the same comes again and again.
    newest: Option<OperationKey>,
    industry: Industry,
}

/// Client, server, protocol or transport, server port; 0 for ports made up on the spot.
pub type LinkKey = (Address, Address, &'static str, u16);
/// Client, server, protocol, class, function.
pub type OperationKey = (Address, Address, &'static str, OperationClass, u32);
/// Client, server, area, block, whether it is written.
pub type RangeKey = (Address, Address, &'static str, u32, bool);

/// A zone of DNS that a host fetched from another, or was refused: all that is kept of what is
/// asked of IT.
pub(crate) fn zone_key(o: &Observation, operation: &Operation) -> Option<OperationKey> {
    /// Type of the question for a whole zone (RFC 5936, 2.1).
    const AXFR: u32 = 252;
    let answers = operation.direction == Direction::Response
        && operation.outcome != Outcome::Open
        && operation.function_name == "zone transfer";
    let (server, client) = (o.from.address()?, o.to.address()?);
    (o.protocol == "dns" && answers).then_some((client, server, o.protocol, operation.class, AXFR))
}

/// Classes of operations, as a set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Classes(u32);

impl Classes {
    pub fn add(&mut self, class: OperationClass) {
        self.0 |= 1 << class as u32;
    }

    pub fn contains(self, class: OperationClass) -> bool {
        self.0 & 1 << class as u32 != 0
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Is one among them that changes something?
    pub fn changes(self) -> bool {
        OperationClass::ALL.into_iter().any(|class| class.changes() && self.contains(class))
    }

    pub fn words(self) -> impl Iterator<Item = &'static str> {
        OperationClass::ALL.into_iter().filter(move |c| self.contains(*c)).map(|c| c.word())
    }
}

/// What one client asks of one server over industrial protocols.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    pub first: Time,
    pub last: Time,
    /// Things asked for: a request may name many.
    pub requests: u64,
    pub classes: Classes,
}

/// A map that stops growing.
#[derive(Clone, Debug)]
struct Bounded<K, V> {
    known: HashMap<K, V, FixedState>,
    refused: u64,
}

impl<K, V> Default for Bounded<K, V> {
    fn default() -> Self {
        let hasher = FixedState::with_seed(0x6261_7365_6c69_6e65);
        Bounded { known: HashMap::with_hasher(hasher), refused: 0 }
    }
}

impl<K: Eq + Hash, V> Bounded<K, V> {
    fn knows(&self, key: &K) -> bool {
        self.refused > 0 || self.known.contains_key(key)
    }

    fn get(&mut self, key: K, new: impl FnOnce() -> V) -> Option<&mut V> {
        if self.known.len() >= LEARNED_MAX && !self.known.contains_key(&key) {
            self.refused += 1;
            return None;
        }
        Some(self.known.entry(key).or_insert_with(new))
    }
}

impl Baseline {
    /// Takes an observation for normal.
    pub fn learn(&mut self, o: &Observation) {
        self.first = self.first.or(Some(o.at));
        self.last = self.last.max(o.at);
        match &o.detail {
            Detail::Presence => self.learn_host(&o.from, o.at),
            Detail::Operation(operation) => self.learn_operation(o, operation, 1),
            Detail::Exchange(exchange) => self.learn_exchange(o, exchange),
            _ => {}
        }
    }

    /// Requests that came again and were only counted.
    pub fn learn_repeats(&mut self, o: &Observation, operation: &Operation, count: u64) {
        self.last = self.last.max(o.at);
        self.learn_operation(o, operation, count);
    }

    fn learn_host(&mut self, end: &Endpoint, at: Time) {
        let addresses = [end.mac.map(Address::Mac), end.ip.map(Address::Ip)];
        for address in addresses.into_iter().flatten().filter(Address::is_host) {
            self.hosts.get(address, || at);
        }
    }

    fn learn_exchange(&mut self, o: &Observation, exchange: &Exchange) {
        let Some(key) = link_key(o) else { return };
        self.links.get(key, || exchange.first);
        match (is_outside(key.0), is_outside(key.1)) {
            (false, true) => self.outward.get(key.0, || ()),
            (true, false) => self.outward.get(key.1, || ()),
            _ => None,
        };
    }

    fn learn_operation(&mut self, o: &Observation, operation: &Operation, count: u64) {
        if let Some(key) = zone_key(o, operation) {
            self.operations.get(key, || ());
            return;
        }
        if operation.direction != Direction::Request || !self.industry.has(o.protocol) {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let (class, at) = (operation.class, o.at);
        let new = || Pair { first: at, last: at, requests: 0, classes: Classes::default() };
        if let Some(pair) = self.pairs.get((client, server), new) {
            pair.requests += count;
            pair.last = pair.last.max(at);
            pair.classes.add(class);
        }
        let key = (client, server, o.protocol, class, operation.function);
        if self.newest != Some(key) {
            let classes = self.classes.get(client, Classes::default);
            let room = classes.map(|classes| classes.add(class)).is_some();
            let room = self.operations.get(key, || ()).is_some() && room;
            // What there is no room for counts each time.
            self.newest = Some(key).filter(|_| room);
        }
        if let Some((key, low, high)) = range_key((client, server), operation)
            && let Some(range) = self.ranges.get(key, || (low, high))
        {
            *range = (range.0.min(low), range.1.max(high));
        }
    }

    pub fn knows_host(&self, address: &Address) -> bool {
        self.hosts.knows(address)
    }

    pub fn knows_link(&self, key: &LinkKey) -> bool {
        self.links.knows(key)
    }

    pub fn knows_operation(&self, key: &OperationKey) -> bool {
        self.operations.knows(key)
    }

    /// Does the client ask the server for something? A full set knows everything.
    pub fn knows_pair(&self, client: Address, server: Address) -> bool {
        self.pairs.knows(&(client, server))
    }

    /// What the client asks of the server, where it is known to ask anything.
    pub fn pair(&self, client: Address, server: Address) -> Option<&Pair> {
        self.pairs.known.get(&(client, server))
    }

    /// Clients known to ask the server for something over industrial protocols, sorted.
    pub fn clients_of(&self, server: &Address) -> Vec<Address> {
        let all = self.pairs.known.keys().filter(|(_, to)| to == server);
        let mut all: Vec<Address> = all.map(|(from, _)| *from).collect();
        all.sort();
        all
    }

    /// Who is known to be asked over industrial protocols.
    pub fn servers(&self) -> std::collections::HashSet<Address> {
        self.pairs.known.keys().map(|(_, server)| *server).collect()
    }

    /// Servers known of this protocol; `None` where the set of links is full.
    pub(crate) fn servers_over(&self, protocol: &str) -> Option<Few<Address>> {
        let of_protocol = self.links.known.keys().filter(|(_, _, of, _)| *of == protocol);
        (self.links.refused == 0).then(|| of_protocol.map(|(_, server, ..)| *server).collect())
    }

    /// Everything the client asks of anybody over industrial protocols.
    pub fn classes_of(&self, client: &Address) -> Classes {
        self.classes.known.get(client).copied().unwrap_or_default()
    }

    /// Does the client do operations of this class as a habit? A full set knows everything.
    pub fn does(&self, client: &Address, class: OperationClass) -> bool {
        self.classes.refused > 0 || self.classes_of(client).contains(class)
    }

    /// The learned bounds of a range, lowest and highest unit.
    pub fn range(&self, key: &RangeKey) -> Option<(u32, u32)> {
        if self.ranges.refused > 0 { None } else { self.ranges.known.get(key).copied() }
    }

    /// Clients known to do operations of this class, sorted.
    pub fn who_does(&self, class: OperationClass) -> Vec<Address> {
        let all = self.classes.known.iter().filter(|(_, c)| c.contains(class));
        let mut all: Vec<Address> = all.map(|(a, _)| *a).collect();
        all.sort();
        all
    }

    pub fn reaches_outside(&self, inside: &Address) -> bool {
        self.outward.knows(inside)
    }

    /// Servers the client is known to talk to, sorted.
    pub fn peers_of(&self, client: &Address) -> Vec<Address> {
        let all = self.links.known.keys().filter(|(from, ..)| from == client);
        let mut all: Vec<Address> = all.map(|(_, to, ..)| *to).collect();
        all.sort();
        all.dedup();
        all
    }

    pub fn hosts(&self) -> usize {
        self.hosts.known.len()
    }

    /// Nanoseconds over which observations were taken in.
    pub fn watched_nanos(&self) -> i64 {
        self.first.map_or(0, |first| self.last.since(first))
    }

    /// For words: "in 12 minutes of learning".
    pub fn watched_words(&self) -> String {
        let secs = self.watched_nanos() / 1_000_000_000;
        match secs {
            0..=119 => format!("{secs} seconds"),
            120..=7_199 => format!("{} minutes", secs / 60),
            7_200..=172_799 => format!("{} hours", secs / 3_600),
            _ => format!("{} days", secs / 86_400),
        }
    }

    pub(crate) fn limits_hit(&self, limits: &mut BTreeMap<&'static str, u64>) {
        let refused = self.hosts.refused
            + self.links.refused
            + self.pairs.refused
            + self.operations.refused
            + self.ranges.refused
            + self.classes.refused;
        if refused > 0 {
            limits.insert("learned-set", refused);
        }
    }
}

/// The link an exchange belongs to.
pub fn link_key(o: &Observation) -> Option<LinkKey> {
    let (client, server) = (o.from.address()?, o.to.address()?);
    let port = o.to.port.filter(|p| *p < EPHEMERAL_PORTS_FROM || is_industrial(o.protocol));
    Some((client, server, o.protocol, port.unwrap_or_default()))
}

/// The range an operation touches: key, lowest and highest unit.
pub fn range_key(
    (client, server): (Address, Address),
    operation: &Operation,
) -> Option<(RangeKey, u32, u32)> {
    let write = match operation.class {
        OperationClass::Read => false,
        OperationClass::Write => true,
        _ => return None,
    };
    let Object::Range { area, block, first, count } = operation.object else { return None };
    let last = first.saturating_add(count.saturating_sub(1));
    Some(((client, server, area, block, write), first, last))
}

/// A set of addresses that stops growing; for watches.
pub(crate) type Few<K> = HashSet<K, FixedState>;

pub(crate) fn few<K>() -> Few<K> {
    HashSet::with_hasher(FixedState::with_seed(0x6665_7700_0000_0000))
}

/// A map for watches.
pub(crate) type Memory<K, V> = HashMap<K, V, FixedState>;

pub(crate) fn memory<K, V>() -> Memory<K, V> {
    HashMap::with_hasher(FixedState::with_seed(0x6d65_6d6f_7279_0000))
}
