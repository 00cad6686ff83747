//! Observations and facts become assets, links, roles and levels.
//!
//! Read [`Inventory::apply`] first. The same code runs on the sensor and on the server. Not here:
//! findings. Invariant: assets are groups of address records computed by rule, so the order in
//! which packets came matters little and every merge can be split again.

mod asset;
mod changes;
mod classify;
mod description;
mod ends;
mod grouping;
pub mod limits;
mod links;
mod marks;
mod record;
mod texts;
mod told;
pub mod vendor;

pub use asset::{UnmadeAsset, is_external, is_outside};
pub use changes::Changes;
pub use classify::{Industry, is_industrial};

use ends::Ends;
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use links::{LinkKey, Links};
use marks::Marks;
use model::{
    Address, Detail, Direction, Endpoint, Exchange, Identity, Mac, Object, Observation, Operation,
    OperationClass, Outcome, Place, StateChange, Subject, Time,
};
use record::{Claim, Known, Learnt, Record};
use std::collections::BTreeMap;
use told::Told;

/// An asset within this inventory, until its addresses are regrouped.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct AssetKey(u32);

pub struct Inventory {
    records: Vec<Record>,
    index: HashMap<Address, u32, FixedState>,
    links: Links,
    addresses_max: usize,
    limits: BTreeMap<&'static str, u64>,
    /// Something else than counters and times changed.
    changed: Marks,
    /// Only those did.
    counted: Marks,
    /// Assets of their own until they were found to belong to another.
    merged: Marks,
    /// Their links are told in other rows now, or are rows at last.
    moved: Marks,
    told: Told,
    ends: Ends,
    industry: Industry,
}

impl Default for Inventory {
    fn default() -> Self {
        Self::new()
    }
}

impl Inventory {
    pub fn new() -> Self {
        Self::bounded(limits::ADDRESSES_MAX, limits::LINKS_MAX)
    }

    /// An inventory of at most so many addresses and links.
    pub fn bounded(addresses_max: usize, links_max: usize) -> Self {
        Inventory {
            records: Vec::new(),
            index: HashMap::with_hasher(FixedState::with_seed(0x696e_7665_6e74_6f72)),
            links: Links::new(links_max),
            addresses_max,
            limits: BTreeMap::new(),
            changed: Marks::default(),
            counted: Marks::default(),
            merged: Marks::default(),
            moved: Marks::default(),
            told: Told::default(),
            ends: Ends::default(),
            industry: Industry::default(),
        }
    }

    /// Learns from one observation.
    pub fn apply(&mut self, observation: &Observation) {
        let at = observation.at;
        if let Detail::Exchange(exchange) = &observation.detail {
            return self.exchange(observation, exchange);
        }
        let sender = self.endpoint(&observation.from, at, true);
        match &observation.detail {
            Detail::Presence | Detail::Exchange(_) => {}
            Detail::Identity(identity) => self.identity(observation, identity),
            Detail::Operation(operation) => self.operation(observation, sender, operation, 1),
            Detail::State(state) => self.reported(observation, state),
            Detail::Value { .. }
            | Detail::Violation(_)
            | Detail::Session(_)
            | Detail::Authentication(_) => {}
        }
        if let Some(sender) = sender {
            self.records[sender as usize].seen(at);
            self.counted.insert(self.root(sender));
        }
    }

    /// Adds packets an address sent.
    pub fn count_sent(&mut self, from: &Endpoint, packets: u64, (first, last): (Time, Time)) {
        if let Some(record) = self.endpoint(from, first, true) {
            let entry = &mut self.records[record as usize];
            entry.packets += packets;
            entry.seen(first);
            entry.seen(last);
            self.counted.insert(self.root(record));
        }
    }

    /// Adds operations that were counted instead of passed one by one.
    pub fn count_repeats(
        &mut self,
        o: &Observation,
        operation: &Operation,
        (count, period_ms): (u64, Option<u64>),
    ) {
        let sender = self.endpoint(&o.from, o.at, true);
        self.operation(o, sender, operation, count);
        if let (Some(key), Some(period)) = (self.link_key(o, operation.direction), period_ms)
            && operation.class == OperationClass::Read
            && let Some(row) = self.links.known(key)
        {
            row.poll = row.poll.max(Some((count, period)));
        }
    }

    /// How many addresses are known.
    pub fn addresses_known(&self) -> usize {
        self.records.len()
    }

    /// The asset at an end of a conversation.
    pub fn asset_at(&self, endpoint: &Endpoint) -> Option<AssetKey> {
        let ip = endpoint.ip.and_then(|ip| self.index.get(&Address::Ip(ip)));
        let mac = || endpoint.mac.and_then(|mac| self.index.get(&Address::Mac(mac)));
        ip.or_else(mac).map(|record| AssetKey(self.root(*record)))
    }

    /// The asset that holds an address.
    pub fn asset_of(&self, address: &Address) -> Option<AssetKey> {
        self.index.get(address).map(|record| AssetKey(self.root(*record)))
    }

    /// Reasons for which something was not kept, with counts.
    pub fn limits_hit(&self) -> BTreeMap<&'static str, u64> {
        let mut limits = self.limits.clone();
        if self.links.refused > 0 {
            limits.insert("links", self.links.refused);
        }
        limits
    }

    /// The record an asset goes by. An IP address belongs to a MAC address, and that may belong to
    /// another one, which belongs to nobody.
    fn root(&self, record: u32) -> u32 {
        let owner = |record: u32| self.records[record as usize].owner.unwrap_or(record);
        owner(owner(record))
    }

    fn touch(&mut self, record: u32) {
        let root = self.root(record);
        self.changed.insert(root);
    }

    /// The record of an address, made if it is new and there is room.
    fn record(&mut self, address: Address, at: Time) -> Option<u32> {
        if let Some(record) = self.index.get(&address) {
            return Some(*record);
        }
        if self.records.len() >= self.addresses_max {
            *self.limits.entry("addresses").or_default() += 1;
            return None;
        }
        let record = self.records.len() as u32;
        self.records.push(Record::new(address, at));
        self.index.insert(address, record);
        self.ends.forget();
        self.changed.insert(record);
        Some(record)
    }

    /// Records of an end; pairs its addresses. Gives the IP's record, else the MAC's.
    fn endpoint(&mut self, end: &Endpoint, at: Time, sent: bool) -> Option<u32> {
        if let Some(known) = self.ends.known(end, sent) {
            return known;
        }
        let ip_address = end.ip.map(Address::Ip).filter(Address::is_host);
        let mac_address = end.mac.filter(|m| m.is_host()).map(Address::Mac);
        let ip = ip_address.and_then(|a| self.record(a, at));
        let mac = mac_address.and_then(|a| self.record(a, at));
        for record in [ip, mac].into_iter().flatten() {
            let entry = &mut self.records[record as usize];
            let (shown, new_vlan) = (entry.is_shown(), entry.in_vlan(end.vlan));
            let first = sent && !entry.sent && !entry.claims().is_empty();
            entry.sent |= sent;
            if first {
                self.regroup(record);
            }
            if sent && !shown {
                self.shows(record);
            } else if new_vlan {
                self.touch(record);
            }
        }
        if let (Some(ip), Some(mac), true) = (ip, mac, sent) {
            self.pair(mac, ip);
        }
        // Each address there was no room for counts.
        if (ip.is_some(), mac.is_some()) == (ip_address.is_some(), mac_address.is_some()) {
            self.ends.keep(end, sent, ip.or(mac));
        }
        ip.or(mac)
    }

    /// From here on there is a row of it, and are rows of its links.
    fn shows(&mut self, record: u32) {
        self.touch(record);
        self.moved.insert(record);
    }

    /// A MAC address sent packets of an IP address.
    fn pair(&mut self, mac: u32, ip: u32) {
        if self.records[mac as usize].partners.contains(&ip) {
            return;
        }
        if self.records[mac as usize].partners.len() >= limits::IPS_PER_MAC_MAX {
            // So many are behind a router, which owns none of them but what it claims.
            return;
        }
        self.ends.forget();
        self.records[mac as usize].partners.push(ip);
        if self.records[ip as usize].partners.len() < limits::IPS_PER_MAC_MAX {
            self.records[ip as usize].partners.push(mac);
        }
        self.regroup(mac);
    }

    /// A MAC address said that an IP address is its own.
    fn claim(&mut self, mac: u32, ip: u32, at: Time) {
        let known = self.records[mac as usize].renew_claim(ip, at);
        if !known && !self.make_room_for_claim(mac, at) {
            return;
        }
        self.hold_what_is_used(mac, ip, at);
        let handed_over = self.is_handed_over(mac, ip, at);
        self.records[ip as usize].claimed_by(mac, at);
        if known && !handed_over {
            return;
        }
        self.ends.forget();
        if handed_over {
            self.hand_over(mac, ip, at);
        }
        if !known {
            self.records[mac as usize].more_mut().claims.push(Claim { of: ip, at });
        }
        // What is claimed stands in the plant, whoever it belongs to.
        self.touch(ip);
        self.touch(mac);
        let other_macs = self.records[ip as usize].partners.clone();
        self.pair(mac, ip);
        self.regroup(mac);
        for other in other_macs {
            self.regroup(other);
        }
    }

    /// What PROFINET calls somebody else than this address. The first two say already that it
    /// looks for others.
    fn others_name(
        &mut self,
        record: u32,
        observation: &Observation,
        message: &'static str,
        name: &str,
    ) {
        let facts = self.records[record as usize].facts.iter();
        if facts.filter(|k| k.path == description::OTHERS_NAME).count() < 2 {
            self.learn(record, observation, (description::OTHERS_NAME, message), name, 50);
        }
    }

    fn identity(&mut self, observation: &Observation, identity: &Identity) {
        if observation.protocol == "pn_dcp"
            && let Some(name) = identity.attributes.iter().find(|said| said.path == "station_name")
            && let Some(asked) = self.endpoint(&observation.to, observation.at, false)
        {
            self.others_name(asked, observation, identity.message, &name.value);
        }
        if let Some(place) = identity.subject.place() {
            let said = identity.attributes.iter().map(|said| (said.path, &*said.value));
            return self.module((identity.subject, place), observation, said);
        }
        self.about(identity.subject, observation, |inventory, record| {
            // Whoever asks for an address is there, also where a relay agent asks for it.
            if identity.message == "DHCP request" && !inventory.records[record as usize].sent {
                inventory.records[record as usize].sent = true;
                inventory.shows(record);
            }
            for attribute in &identity.attributes {
                if attribute.path == "ip" {
                    inventory.claimed_ip(record, &attribute.value, observation.at);
                    continue;
                }
                if attribute.path == "returned_from" {
                    inventory.returned(record, &attribute.value, observation.at);
                    continue;
                }
                if attribute.path == "port_of" {
                    inventory.port_of(record, &attribute.value, observation.at);
                    continue;
                }
                let source = (attribute.path, identity.message);
                inventory.learn(
                    record,
                    observation,
                    source,
                    &attribute.value,
                    attribute.confidence,
                );
            }
        });
    }

    /// A state; the mode of what stands behind an address is not that of the address, where there
    /// may be several.
    fn reported(&mut self, observation: &Observation, state: &StateChange) {
        if let (Some(place), "mode") = (state.subject.place(), state.what) {
            let mode = [("mode", &*state.value)];
            return self.module((state.subject, place), observation, mode.into_iter());
        }
        self.about(state.subject, observation, |inventory, record| {
            let known = known(observation, (state.what, "state"), &state.value, 90);
            inventory.state(record, known);
        });
    }

    /// Calls `then` with the record a statement is about.
    fn about(
        &mut self,
        subject: Subject,
        observation: &Observation,
        then: impl FnOnce(&mut Self, u32),
    ) {
        let record = match subject {
            Subject::Sender | Subject::SenderModule { .. } | Subject::BehindSender(_) => {
                self.endpoint(&observation.from, observation.at, true)
            }
            Subject::Receiver | Subject::ReceiverModule { .. } | Subject::BehindReceiver(_) => {
                self.endpoint(&observation.to, observation.at, false)
            }
            Subject::Address(address) if address.is_host() => self.record(address, observation.at),
            Subject::Address(_) => None,
        };
        if let Some(record) = record {
            then(self, record);
        }
    }

    fn claimed_ip(&mut self, record: u32, value: &str, at: Time) {
        let Ok(ip) = value.parse() else { return };
        let address = Address::Ip(ip);
        if !address.is_host() || !matches!(self.records[record as usize].address, Address::Mac(_)) {
            return;
        }
        if let Some(ip) = self.record(address, at) {
            self.claim(record, ip, at);
        }
    }

    /// Frames of another address came back with this one, which is the other with its local bit
    /// set: both are one station's. So nobody who owns an address this way is owned himself.
    fn returned(&mut self, record: u32, sender: &str, at: Time) {
        let local = |record: &u32| match self.records[*record as usize].address {
            Address::Mac(mac) => mac.is_local(),
            Address::Ip(_) => false,
        };
        let sender = sender.parse().ok().and_then(|mac| self.index.get(&Address::Mac(mac)));
        let sender = sender.copied().filter(|s| self.records[*s as usize].sent && !local(s));
        if let Some(sender) = sender.filter(|_| local(&record)) {
            self.claim(sender, record, at);
        }
    }

    fn learn(
        &mut self,
        record: u32,
        observation: &Observation,
        (path, message): (&'static str, &'static str),
        value: &str,
        confidence: u8,
    ) {
        let known = known(observation, (path, message), value, confidence);
        let learnt = self.records[record as usize].learn(known);
        self.learnt(record, learnt);
        if path == grouping::ROUTER_FACT && learnt == Learnt::New {
            let first = self.records[record as usize].partners.first().copied();
            self.regroup(match self.records[record as usize].address {
                Address::Mac(_) => record,
                Address::Ip(_) => first.unwrap_or(record),
            });
        }
    }

    /// What a device is in now. Only of its mode a new value is news of the device: others come
    /// and go with the process.
    fn state(&mut self, record: u32, known: Known) {
        let entry = &mut self.records[record as usize];
        let passing = known.path != "mode" && entry.facts.iter().any(|f| f.path == known.path);
        match entry.enter(known) {
            Learnt::New if passing => {
                self.counted.insert(self.root(record));
            }
            learnt => self.learnt(record, learnt),
        }
    }

    fn learnt(&mut self, record: u32, learnt: Learnt) {
        match learnt {
            Learnt::New => self.touch(record),
            Learnt::Old => {}
            Learnt::Full => *self.limits.entry("facts").or_default() += 1,
        }
    }

    /// What a module or a device behind an address said. Only what is new is news.
    fn module<'a>(
        &mut self,
        (subject, place): (Subject, Place),
        observation: &Observation,
        said: impl Iterator<Item = (&'static str, &'a str)>,
    ) {
        self.about(subject, observation, |inventory, record| {
            let entry = &mut inventory.records[record as usize];
            let mut news = !entry.more().modules.contains_key(&place);
            let Some(module) = entry.module(place) else {
                *inventory.limits.entry("modules").or_default() += 1;
                return;
            };
            for (path, value) in said {
                let known = match path {
                    "vendor" => &mut module.vendor,
                    "model" => &mut module.model,
                    "firmware" => &mut module.firmware,
                    "serial" => &mut module.serial,
                    "mode" => &mut module.mode,
                    "name" | "plc_name" => &mut module.name,
                    // Until it says its name: what others know it by.
                    "bacnet_instance" if module.name.is_none() => {
                        module.name = Some(format!("BACnet device {value}"));
                        news = true;
                        continue;
                    }
                    _ => continue,
                };
                if known.as_deref() != Some(value) {
                    *known = Some(value.to_owned());
                    news = true;
                }
            }
            if news {
                inventory.touch(record);
            }
        });
    }

    fn operation(
        &mut self,
        observation: &Observation,
        from: Option<u32>,
        operation: &Operation,
        count: u64,
    ) {
        let at = observation.at;
        let to = self.endpoint(&observation.to, at, false);
        let protocol = observation.protocol;
        if let Some(from) = from {
            let behaviour = &mut self.records[from as usize].more_mut().behaviour;
            match operation.direction {
                Direction::Request => behaviour.asked(protocol, operation.class, count),
                Direction::Response => {
                    behaviour.served(protocol, count);
                    // A gateway refuses for units that are not there.
                    let done = !matches!(operation.outcome, Outcome::Refused { .. });
                    if let Some(unit) = operation.unit.filter(|_| done && protocol == "modbus") {
                        behaviour.units.insert(unit);
                    }
                }
                Direction::Notice => behaviour.told(protocol, count),
            }
            self.counted.insert(self.root(from));
        }
        if let (Some(from), "pn_dcp", Direction::Request, Object::Name { area: "station", name }) =
            (from, protocol, operation.direction, &operation.object)
        {
            match operation.class {
                OperationClass::Browse => {
                    let source = (description::SEARCHED_NAME, "DCP identify request");
                    self.learn(from, observation, source, name, 50);
                }
                _ => self.others_name(from, observation, "DCP set", name),
            }
        }
        if operation.direction == Direction::Request
            && let (Some(from), Some(to), true) = (from, to, self.industry.has(protocol))
        {
            self.records[from as usize].more_mut().behaviour.controls(to);
        }
        // Answers belong to the link of their question.
        if operation.direction != Direction::Response
            && let Some(key) = self.link_key(observation, operation.direction)
            && let Some((row, new)) = self.links.row(key, protocol, at)
        {
            let times = row.operations.entry(operation.class).or_default();
            row.news |= *times == 0;
            *times += count;
            if new {
                self.changed.insert(self.root(key.client));
            }
        }
    }

    fn link_key(&mut self, o: &Observation, direction: Direction) -> Option<LinkKey> {
        let link = match direction {
            Direction::Response => (o.to, o.from, o.carrier),
            _ => (o.from, o.to, o.carrier),
        };
        if let Some(known) = self.ends.link(&link) {
            return known;
        }
        let key = self.find_link_key(&link);
        self.ends.keep_link(&link, key);
        key
    }

    fn find_link_key(&self, (client, server, carrier): &ends::Link) -> Option<LinkKey> {
        let find = |end: &Endpoint| {
            let ip = end.ip.map(Address::Ip);
            let address = ip.or(end.mac.map(Address::Mac))?;
            self.index.get(&address).copied()
        };
        let (client, port) = (find(client)?, server.port.unwrap_or_default());
        Some(LinkKey { client, server: find(server)?, port, carrier: *carrier })
    }

    fn exchange(&mut self, observation: &Observation, exchange: &Exchange) {
        let at = exchange.first;
        let client = self.endpoint(&observation.from, at, exchange.packets_up > 0);
        let server = self.endpoint(&observation.to, at, exchange.packets_down > 0);
        let (Some(client), Some(server)) = (client, server) else { return };
        let (port, carrier) = (observation.to.port.unwrap_or_default(), observation.carrier);
        let key = LinkKey { client, server, port, carrier };
        let answered = exchange.packets_down > 0 || exchange.transport != "tcp";
        if !answered && !self.links.rows.contains_key(&key) {
            return;
        }
        let Some((row, _)) = self.links.row(key, observation.protocol, at) else { return };
        row.last = row.last.max(exchange.last);
        row.packets += exchange.packets_up + exchange.packets_down;
        row.bytes += exchange.bytes_up + exchange.bytes_down;
        // Of a service one knows what it speaks, also while a new connection to it does not say.
        let unnamed = observation.protocol == exchange.transport;
        let protocol = if unnamed { row.protocol } else { observation.protocol };
        row.news |= (row.transport, row.protocol) != (exchange.transport, protocol);
        (row.transport, row.protocol) = (exchange.transport, protocol);
        self.absorb_notices(key, observation.from.port.unwrap_or_default());
        self.converse((client, server), (observation.from.mac, observation.to.mac));
        self.speaking((client, server), observation, exchange);
        for end in [client, server] {
            let root = self.root(end);
            self.counted.insert(root);
        }
    }

    /// What a server told by itself made a link of its own before it was known who serves: its
    /// operations belong to the conversation.
    fn absorb_notices(&mut self, key: LinkKey, client_port: u16) {
        let (client, server) = (key.server, key.client);
        let reverse = LinkKey { client, server, port: client_port, ..key };
        let rows = &mut self.links.rows;
        if reverse == key || rows.get(&reverse).is_none_or(|row| !row.transport.is_empty()) {
            return;
        }
        let Some(notices) = rows.remove(&reverse) else { return };
        if let Some(row) = rows.get_mut(&key) {
            for (class, count) in notices.operations {
                let times = row.operations.entry(class).or_default();
                row.news |= *times == 0;
                *times += count;
            }
        }
    }

    /// An end that never sends is shown where the other holds a conversation with it: a TCP
    /// connection that is answered, or a known protocol. Broadcasts of a network are nobody.
    fn speaking(&mut self, (client, server): (u32, u32), o: &Observation, exchange: &Exchange) {
        let known = o.protocol != exchange.transport;
        if exchange.transport != "tcp" && !known {
            return;
        }
        for end in [client, server] {
            let record = &mut self.records[end as usize];
            let broadcast = match record.address {
                Address::Ip(std::net::IpAddr::V4(v4)) => v4.octets()[3] == 255,
                _ => false,
            };
            let shown = record.is_shown();
            record.spoken_to |= !broadcast;
            if !shown && !broadcast {
                self.shows(end);
            }
        }
    }

    /// Vendor by the registry, for an asset's MAC address.
    pub fn vendor_of(&self, mac: Mac) -> Option<&'static str> {
        vendor::vendor_of(mac)
    }
}

fn known(
    observation: &Observation,
    (path, message): (&'static str, &'static str),
    value: &str,
    confidence: u8,
) -> Known {
    let (protocol, first) = (observation.protocol, observation.at);
    Known { path, value: value.into(), protocol, message, confidence, first }
}

#[cfg(test)]
mod tests;
