//! What is known of one address. Assets are groups of these, so a merge can always be split.
//!
//! Invariant: bounded; facts that conflict stand side by side.

use crate::limits::{
    FACTS_PER_ADDRESS_MAX, IPS_PER_MAC_MAX, MODULES_PER_ADDRESS_MAX, NAMES_OF_OTHERS_MAX,
    PEERS_MAX, VLANS_PER_ADDRESS_MAX,
};
use model::{Address, Module, OperationClass, Place, Time};
use std::collections::{BTreeMap, BTreeSet};

/// What servers say of others, who may be many.
const OF_OTHERS: [&str; 2] = ["dhcp_names", "opcua_offers"];

/// Kept small: a flood makes as many as there is room for.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) address: Address,
    pub(crate) facts: Vec<Known>,
    pub(crate) packets: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// It sent a packet or was named by one that did.
    pub(crate) sent: bool,
    /// Others hold conversations with it, whose other half is not in what was captured.
    pub(crate) spoken_to: bool,
    /// Of an IP: the time to live of the first packet of TCP or UDP that came from it.
    pub(crate) hops: Option<u8>,
    /// Of an IP: what it talks with shows that it is behind a router. Of a MAC: it passes on what
    /// others say to each other.
    pub(crate) routed: bool,
    /// The record of the MAC address it belongs to.
    pub(crate) owner: Option<u32>,
    /// Of a MAC: records of IP addresses seen from it. Of an IP: of MAC addresses it came from.
    pub(crate) partners: Vec<u32>,
    more: Option<Box<More>>,
}

/// What most addresses of a flood have nothing of.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) modules: BTreeMap<Place, Module>,
    pub(crate) vlans: Vec<u16>,
    pub(crate) behaviour: Behaviour,
    /// Of a MAC: IP records it claimed as its own. Of an IP: MAC records that claimed it, whose
    /// it is first.
    pub(crate) claims: Vec<Claim>,
}

/// The other record, and when it was claimed last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Claim {
    pub(crate) of: u32,
    pub(crate) at: Time,
}

static NOTHING: More = More {
    modules: BTreeMap::new(),
    vlans: Vec::new(),
    behaviour: Behaviour {
        served: Counts::new(),
        asked: Counts::new(),
        told: Counts::new(),
        controllers: BTreeSet::new(),
        units: Units([0; 4]),
    },
    claims: Vec::new(),
};

/// A fact and when it was first and last said.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) path: &'static str,
    pub(crate) value: Box<str>,
    pub(crate) protocol: &'static str,
    pub(crate) message: &'static str,
    pub(crate) confidence: u8,
    pub(crate) first: Time,
}

/// What an address does, counted by protocol.
#[derive(Clone, Debug, Default)]
pub(crate) struct Behaviour {
    /// Requests answered, by protocol.
    pub(crate) served: Counts<&'static str>,
    /// Requests made, by protocol and class.
    pub(crate) asked: Counts<(&'static str, OperationClass)>,
    /// Notices sent: cyclic data, announcements.
    pub(crate) told: Counts<&'static str>,
    /// Records of servers asked over industrial protocols.
    pub(crate) controllers: BTreeSet<u32>,
    /// Those of Modbus it answered for.
    pub(crate) units: Units,
}

/// A set of unit numbers of Modbus but those that mean the host itself.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Units([u64; 4]);

impl Units {
    pub(crate) fn insert(&mut self, unit: u32) {
        let word = usize::try_from(unit / 64).ok().and_then(|at| self.0.get_mut(at));
        if let Some(word) = word.filter(|_| !matches!(unit, 0 | 255)) {
            *word |= 1 << (unit % 64);
        }
    }

    pub(crate) fn count(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

impl Record {
    pub(crate) fn new(address: Address, at: Time) -> Self {
        Record {
            address,
            facts: Vec::new(),
            packets: 0,
            first: at,
            last: at,
            sent: false,
            spoken_to: false,
            hops: None,
            routed: false,
            owner: None,
            partners: Vec::new(),
            more: None,
        }
    }

    pub(crate) fn more(&self) -> &More {
        self.more.as_deref().unwrap_or(&NOTHING)
    }

    #[inline]
    pub(crate) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    pub(crate) fn behaviour(&self) -> &Behaviour {
        &self.more().behaviour
    }

    pub(crate) fn claims(&self) -> &[Claim] {
        &self.more().claims
    }

    pub(crate) fn has_claim(&self, of: u32) -> bool {
        self.claims().iter().any(|claim| claim.of == of)
    }

    /// It is claimed again; says whether it was before.
    pub(crate) fn renew_claim(&mut self, of: u32, at: Time) -> bool {
        let claims = self.more.as_mut().map(|more| more.claims.iter_mut());
        let known = claims.and_then(|mut claims| claims.find(|claim| claim.of == of));
        known.map(|claim| claim.at = at).is_some()
    }

    /// Who claimed it sends from it: as good as claiming it again.
    pub(crate) fn used_by(&mut self, of: u32, at: Time) {
        let claims = self.more.as_mut().map(|more| more.claims.iter_mut());
        if let Some(claim) = claims.and_then(|mut claims| claims.find(|claim| claim.of == of)) {
            claim.at = claim.at.max(at);
        }
    }

    /// Is it worth a row of its own?
    pub(crate) fn is_shown(&self) -> bool {
        self.sent || self.spoken_to
    }

    /// Keeps a state, which takes the place of the one before: a device is in one at a time, and
    /// a substation's devices change theirs thousands of times a day.
    pub(crate) fn enter(&mut self, state: Known) -> Learnt {
        let same = |k: &&mut Known| {
            (k.path, k.message, k.protocol) == (state.path, state.message, state.protocol)
        };
        match self.facts.iter_mut().find(same) {
            Some(known) if known.value == state.value => Learnt::Old,
            Some(known) => {
                *known = state;
                Learnt::New
            }
            None => self.learn(state),
        }
    }

    /// Keeps a fact; says whether it is new. A full record keeps what it has.
    pub(crate) fn learn(&mut self, fact: Known) -> Learnt {
        // Values differ more often than paths.
        let same = |k: &&mut Known| k.value == fact.value && k.path == fact.path;
        if let Some(known) = self.facts.iter_mut().find(same) {
            if fact.confidence > known.confidence {
                let first = known.first;
                *known = Known { first, ..fact };
                return Learnt::New;
            }
            return Learnt::Old;
        }
        let same_path = || self.facts.iter().filter(|known| known.path == fact.path).count();
        let of_others = OF_OTHERS.contains(&fact.path) && same_path() >= NAMES_OF_OTHERS_MAX;
        if of_others || self.facts.len() >= FACTS_PER_ADDRESS_MAX {
            return Learnt::Full;
        }
        self.facts.push(fact);
        Learnt::New
    }

    /// Of an IP: a MAC address claims it. Those that never held it make room for others.
    pub(crate) fn claimed_by(&mut self, mac: u32, at: Time) {
        if self.renew_claim(mac, at) {
            return;
        }
        let claims = &mut self.more_mut().claims;
        if claims.len() >= IPS_PER_MAC_MAX {
            claims.remove(1);
        }
        claims.push(Claim { of: mac, at });
    }

    /// Takes over what is known of another address of the same host; says how many facts found no
    /// room. The other one is as if never seen before `at`.
    pub(crate) fn take_over(&mut self, other: &mut Record, at: Time) -> u64 {
        let facts = std::mem::take(&mut other.facts).into_iter();
        let full = facts.map(|fact| self.learn(fact)).filter(|learnt| *learnt == Learnt::Full);
        let refused = full.count() as u64;
        let more = other.more_mut();
        let (modules, behaviour) =
            (std::mem::take(&mut more.modules), std::mem::take(&mut more.behaviour));
        for (place, module) in modules {
            if let Some(own) = self.module(place) {
                *own = module;
            }
        }
        self.more_mut().behaviour.merge(&behaviour);
        self.packets += std::mem::take(&mut other.packets);
        self.seen(other.first);
        self.sent |= other.sent;
        other.first = at;
        refused
    }

    pub(crate) fn module(&mut self, place: Place) -> Option<&mut Module> {
        let modules = &mut self.more_mut().modules;
        if !modules.contains_key(&place) && modules.len() >= MODULES_PER_ADDRESS_MAX {
            return None;
        }
        Some(modules.entry(place).or_insert(Module::at(place)))
    }

    /// Says whether it was never seen there.
    pub(crate) fn in_vlan(&mut self, vlan: Option<u16>) -> bool {
        let Some(vlan) = vlan else { return false };
        let vlans = &mut self.more_mut().vlans;
        let new = !vlans.contains(&vlan) && vlans.len() < VLANS_PER_ADDRESS_MAX;
        if new {
            vlans.push(vlan);
        }
        new
    }

    pub(crate) fn seen(&mut self, at: Time) {
        self.first = self.first.min(at);
        self.last = self.last.max(at);
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Learnt {
    New,
    Old,
    Full,
}

impl Behaviour {
    pub(crate) fn asked(&mut self, protocol: &'static str, class: OperationClass, count: u64) {
        self.asked.add((protocol, class), count);
    }

    pub(crate) fn served(&mut self, protocol: &'static str, count: u64) {
        self.served.add(protocol, count);
    }

    pub(crate) fn told(&mut self, protocol: &'static str, count: u64) {
        self.told.add(protocol, count);
    }

    pub(crate) fn controls(&mut self, server: u32) {
        if self.controllers.len() < PEERS_MAX {
            self.controllers.insert(server);
        }
    }

    pub(crate) fn merge(&mut self, other: &Behaviour) {
        for (protocol, count) in other.served.iter() {
            self.served(protocol, *count);
        }
        for ((protocol, class), count) in other.asked.iter() {
            self.asked(protocol, *class, *count);
        }
        for (protocol, count) in other.told.iter() {
            self.told(protocol, *count);
        }
        self.controllers.extend(&other.controllers);
        for (own, other) in self.units.0.iter_mut().zip(other.units.0) {
            *own |= other;
        }
    }
}

/// Counts in the order of their keys, of which there are few; the one counted last is found
/// without a search.
#[derive(Clone, Debug)]
pub(crate) struct Counts<K> {
    rows: Vec<(K, u64)>,
    last: usize,
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Counts::new()
    }
}

impl<K> Counts<K> {
    const fn new() -> Self {
        Counts { rows: Vec::new(), last: 0 }
    }
}

/// A key whose texts are static: mostly the very same octets, which need no look at them.
pub(crate) trait Key: Ord + Copy {
    fn is(self, other: Self) -> bool;
}

impl Key for &'static str {
    fn is(self, other: Self) -> bool {
        std::ptr::eq(self, other)
    }
}

impl Key for (&'static str, OperationClass) {
    fn is(self, other: Self) -> bool {
        std::ptr::eq(self.0, other.0) && self.1 == other.1
    }
}

impl<K: Key> Counts<K> {
    fn add(&mut self, key: K, count: u64) {
        if let Some((_, known)) = self.rows.get_mut(self.last).filter(|(last, _)| last.is(key)) {
            *known += count;
            return;
        }
        self.last = match self.rows.binary_search_by(|(known, _)| known.cmp(&key)) {
            Ok(at) => {
                self.rows[at].1 += count;
                at
            }
            Err(at) => {
                self.rows.insert(at, (key, count));
                at
            }
        };
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &u64)> {
        self.rows.iter().map(|(key, count)| (key, count))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.rows.iter().map(|(key, _)| key)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

impl Counts<&'static str> {
    pub(crate) fn get(&self, key: &str) -> Option<u64> {
        self.rows.iter().find(|(known, _)| *known == key).map(|(_, count)| *count)
    }

    pub(crate) fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small_and_one_without_more_has_nothing() {
        assert!(size_of::<Record>() <= 128, "{}", size_of::<Record>());
        let mut record = Record::new(Address::Mac(model::Mac([2, 0, 0, 0, 0, 1])), Time::default());
        assert!(!record.in_vlan(None));
        assert!(record.more.is_none() && record.claims().is_empty());
        assert!(record.behaviour().served.is_empty() && record.more().modules.is_empty());
        assert!(record.in_vlan(Some(7)) && !record.in_vlan(Some(7)));
        assert_eq!(record.more().vlans, [7]);
    }
}
