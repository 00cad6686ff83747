//! What is known of one address. Assets are groups of these, so a merge can always be split.
//!
//! Invariant: bounded; facts that conflict stand side by side.

use crate::limits::{
    FACTS_PER_ADDRESS_MAX, MODULES_PER_ADDRESS_MAX, PEERS_MAX, VLANS_PER_ADDRESS_MAX,
};
use model::{Address, Module, OperationClass, Time};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) address: Address,
    pub(crate) facts: Vec<Known>,
    pub(crate) modules: BTreeMap<u16, Module>,
    pub(crate) vlans: Vec<u16>,
    pub(crate) packets: u64,
    pub(crate) first: Time,
    pub(crate) last: Time,
    /// It sent a packet or was named by one that did.
    pub(crate) sent: bool,
    /// Others hold conversations with it, whose other half is not in what was captured.
    pub(crate) spoken_to: bool,
    pub(crate) behaviour: Behaviour,
    /// Of an IP: the record of the MAC address it belongs to.
    pub(crate) owner: Option<u32>,
    /// Of a MAC: records of IP addresses seen from it. Of an IP: of MAC addresses it came from.
    pub(crate) partners: Vec<u32>,
    /// Of a MAC: IP records it claimed as its own. Of an IP: MAC records that claimed it.
    pub(crate) claims: Vec<u32>,
}

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
    pub(crate) served: BTreeMap<&'static str, u64>,
    /// Requests made, by protocol and class.
    pub(crate) asked: BTreeMap<(&'static str, OperationClass), u64>,
    /// Notices sent: cyclic data, announcements.
    pub(crate) told: BTreeMap<&'static str, u64>,
    /// Records of servers asked over industrial protocols.
    pub(crate) controllers: BTreeSet<u32>,
}

impl Record {
    pub(crate) fn new(address: Address, at: Time) -> Self {
        Record {
            address,
            facts: Vec::new(),
            modules: BTreeMap::new(),
            vlans: Vec::new(),
            packets: 0,
            first: at,
            last: at,
            sent: false,
            spoken_to: false,
            behaviour: Behaviour::default(),
            owner: None,
            partners: Vec::new(),
            claims: Vec::new(),
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
        if self.facts.len() >= FACTS_PER_ADDRESS_MAX {
            return Learnt::Full;
        }
        self.facts.push(fact);
        Learnt::New
    }

    pub(crate) fn module(&mut self, slot: u16) -> Option<&mut Module> {
        if !self.modules.contains_key(&slot) && self.modules.len() >= MODULES_PER_ADDRESS_MAX {
            return None;
        }
        let empty = Module { slot, vendor: None, model: None, firmware: None, serial: None };
        Some(self.modules.entry(slot).or_insert(empty))
    }

    pub(crate) fn in_vlan(&mut self, vlan: Option<u16>) {
        if let Some(vlan) = vlan
            && !self.vlans.contains(&vlan)
            && self.vlans.len() < VLANS_PER_ADDRESS_MAX
        {
            self.vlans.push(vlan);
        }
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
        *self.asked.entry((protocol, class)).or_default() += count;
    }

    pub(crate) fn served(&mut self, protocol: &'static str, count: u64) {
        *self.served.entry(protocol).or_default() += count;
    }

    pub(crate) fn told(&mut self, protocol: &'static str, count: u64) {
        *self.told.entry(protocol).or_default() += count;
    }

    pub(crate) fn controls(&mut self, server: u32) {
        if self.controllers.len() < PEERS_MAX {
            self.controllers.insert(server);
        }
    }

    pub(crate) fn merge(&mut self, other: &Behaviour) {
        for (protocol, count) in &other.served {
            self.served(protocol, *count);
        }
        for ((protocol, class), count) in &other.asked {
            self.asked(protocol, *class, *count);
        }
        for (protocol, count) in &other.told {
            self.told(protocol, *count);
        }
        self.controllers.extend(&other.controllers);
    }
}
