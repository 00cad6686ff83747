//! Rows of assets and links, made of address records when somebody asks.
//!
//! Invariant: the same records give the same rows in the same order.

use crate::{
    AssetKey, Inventory,
    classify::{Evidence, classify, forwards, speaks_industrial},
    description,
    links::{LinkKey, LinkRecord},
    record::{Behaviour, Known, Record},
    texts, vendor,
};
use model::{Address, Asset, AssetId, Fact, Link, LinkId, Mac};
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    hash::BuildHasher,
    net::{IpAddr, Ipv4Addr},
};

/// Paths that name an asset, best first.
const NAMES: &[&str] = &["station_name", "name", "hostname", "plc_name", "system_name"];

/// An asset of which no row was made yet.
pub struct UnmadeAsset {
    id: AssetId,
    root: u32,
    members: Vec<u32>,
}

impl Inventory {
    /// Every asset that sent a packet or was named by one that did, sorted by id.
    pub fn assets(&self) -> Vec<Asset> {
        self.each_asset().collect()
    }

    /// The same one by one: a row is larger than all that is known of a host that sent a packet.
    pub fn each_asset(&self) -> impl Iterator<Item = Asset> {
        self.unmade_assets().into_iter().map(|unmade| self.made(&unmade))
    }

    /// The same before their rows are made, so that several threads may make them.
    pub fn unmade_assets(&self) -> Vec<UnmadeAsset> {
        let groups = self.groups().into_iter();
        let unmade = |(root, members)| UnmadeAsset { id: self.id_of(root), root, members };
        let mut groups: Vec<_> = groups.map(unmade).collect();
        groups.sort_by(|a, b| a.id.cmp(&b.id));
        groups
    }

    /// The row of an asset, while nothing more is learned.
    pub fn made(&self, unmade: &UnmadeAsset) -> Asset {
        self.asset_of_group(unmade.root, &unmade.members)
    }

    /// Every link, sorted by client, server, protocol, port.
    pub fn links(&self) -> Vec<Link> {
        self.each_link().collect()
    }

    /// The same one by one: a row is larger than what is known of a link.
    pub fn each_link(&self) -> impl Iterator<Item = Link> {
        let spoken = self.links.rows.iter().filter(|(_, row)| !row.transport.is_empty());
        let shown = spoken.filter(|(key, _)| self.is_shown_link(key));
        let number = |record: &u32| self.id_number(self.root(*record));
        let row = |(key, row): (&LinkKey, _)| Spoken {
            client: number(&key.client),
            server: number(&key.server),
            port: key.port,
            row,
        };
        let mut rows: Vec<Spoken<'_>> = shown.map(row).collect();
        rows.sort_unstable_by(|a, b| a.order().cmp(&b.order()));
        let mut rows = rows.into_iter().peekable();
        std::iter::from_fn(move || {
            let first = rows.next()?;
            let mut row = Cow::Borrowed(first.row);
            while let Some(more) = rows.next_if(|next| next.order() == first.order()) {
                join(row.to_mut(), more.row);
            }
            let ends = (asset_id(first.client), asset_id(first.server));
            Some(LinkName::new(ends, first.port, &row).link(first.port, &row))
        })
    }

    pub fn id(&self, key: AssetKey) -> AssetId {
        self.id_of(key.0)
    }

    /// Is there a row of it? Of addresses that others only asked for there is none.
    pub fn is_shown(&self, key: AssetKey) -> bool {
        self.group(key.0).iter().any(|record| self.records[*record as usize].is_shown())
    }

    /// The records of an asset, in their order.
    pub(crate) fn group(&self, root: u32) -> Vec<u32> {
        let mut group = vec![root];
        group.extend(self.owned_by(root));
        for own in 1..group.len() {
            if mac_of(&self.records[group[own] as usize]).is_some() {
                group.extend(self.owned_by(group[own]));
            }
        }
        group.sort_unstable();
        group
    }

    /// The asset's row; for findings and titles.
    pub fn asset(&self, key: AssetKey) -> Asset {
        self.asset_of_group(key.0, &self.group(key.0))
    }

    /// What a person calls the asset: [`Asset::display`] of its row, without the work of a row.
    pub fn display(&self, key: AssetKey) -> String {
        let records: Vec<&Record> =
            self.group(key.0).into_iter().map(|r| &self.records[r as usize]).collect();
        let mut known: Vec<Known> = records.iter().flat_map(|r| r.facts.iter().cloned()).collect();
        known.extend(description::name_looked_for(&known));
        if let Some(name) = names(&known).into_iter().next() {
            return name;
        }
        let ip = records.iter().filter_map(|r| ip_of(r)).min().map(|ip| ip.to_string());
        let mac = || records.iter().filter_map(|r| mac_of(r)).min().map(|mac| mac.to_string());
        let own = description::own_facts(&known);
        match (model(&own, &texts::derived(&own)), ip.or_else(mac)) {
            (Some(model), Some(address)) => format!("{model} ({address})"),
            (Some(model), None) => model,
            (None, Some(address)) => address,
            (None, None) => self.id_of(key.0).0,
        }
    }

    /// Addresses of an asset.
    pub fn addresses(&self, key: AssetKey) -> Vec<Address> {
        let records = self.group(key.0).into_iter();
        let mut addresses: Vec<_> = records.map(|r| self.records[r as usize].address).collect();
        addresses.sort();
        addresses
    }

    pub(crate) fn id_of(&self, root: u32) -> AssetId {
        asset_id(self.id_number(root))
    }

    fn id_number(&self, root: u32) -> u64 {
        hash(&self.records[root as usize].address.to_string())
    }

    fn groups(&self) -> BTreeMap<u32, Vec<u32>> {
        let mut groups: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for record in 0..self.records.len() as u32 {
            groups.entry(self.root(record)).or_default().push(record);
        }
        groups.retain(|_, members| members.iter().any(|r| self.records[*r as usize].is_shown()));
        groups
    }

    /// Both ends are assets; what is sent to nobody known is no link.
    pub(crate) fn is_shown_link(&self, key: &LinkKey) -> bool {
        let shown = |record: u32| self.records[record as usize].is_shown();
        shown(key.client) && shown(key.server)
    }

    pub(crate) fn asset_of_group(&self, root: u32, members: &[u32]) -> Asset {
        let records: Vec<&Record> = members.iter().map(|r| &self.records[*r as usize]).collect();
        let mut known: Vec<Known> = records.iter().flat_map(|r| r.facts.iter().cloned()).collect();
        known.extend(description::name_looked_for(&known));
        let mut behaviour = Behaviour::default();
        records.iter().for_each(|r| behaviour.merge(r.behaviour()));
        description::drop_of_s7(&mut known, &behaviour);
        let own = description::own_facts(&known);
        let derived = texts::derived(&own);
        let macs: BTreeSet<Mac> = records.iter().filter_map(|r| mac_of(r)).collect();
        let ips: BTreeSet<IpAddr> = records.iter().filter_map(|r| ip_of(r)).collect();
        let oui = macs.iter().find_map(|m| vendor::vendor_of(*m));
        let decided = classify(&Evidence {
            facts: &own,
            derived: &derived,
            behaviour: &behaviour,
            vendor: oui,
            macs: &macs,
            controller_in_rack: records
                .iter()
                .flat_map(|r| r.more().modules.values())
                .filter_map(|m| m.model.as_deref())
                .find(|model| description::is_logix(model)),
            virtual_machine: macs.iter().any(|m| vendor::is_virtual(*m)),
            // Plants use public addresses too: what is claimed by ARP or speaks to controllers by
            // itself stands in the plant.
            external: !ips.is_empty()
                && ips.iter().all(|ip| is_external(*ip))
                && (macs.is_empty()
                    || (!speaks_industrial(&behaviour)
                        && records.iter().all(|r| r.claims().is_empty()))),
            loopback: !ips.is_empty() && ips.iter().all(IpAddr::is_loopback),
            forwards: forwards(&self.records, members),
            industrial_peers: speaks_industrial(&behaviour),
        });
        let best = |path: &str| best_fact(&own, &[path]).or_else(|| best_fact(&derived, &[path]));
        let vlans: BTreeSet<u16> =
            records.iter().flat_map(|r| r.more().vlans.iter().copied()).collect();
        let first_seen = records.iter().map(|r| r.first).min().unwrap_or_default();
        let last_seen = records.iter().map(|r| r.last).max().unwrap_or_default();
        Asset {
            id: self.id_of(root),
            macs: macs.into_iter().collect(),
            ips: ips.into_iter().collect(),
            vlans: vlans.into_iter().collect(),
            names: names(&known),
            vendor: best("vendor").or(oui.map(str::to_owned)),
            model: model(&own, &derived),
            firmware: best("firmware"),
            serial: best("serial"),
            class: decided.class,
            role: decided.role,
            role_reason: Some(decided.reason).filter(|r| !r.is_empty()),
            purdue: decided.purdue,
            purdue_reason: Some(decided.purdue_reason).filter(|r| !r.is_empty()),
            os: best("os"),
            protocols: protocols(&behaviour),
            first_seen,
            last_seen,
            packets: records.iter().map(|r| r.packets).sum(),
            facts: facts(&known, oui, first_seen),
            modules: records.iter().flat_map(|r| r.more().modules.values().cloned()).collect(),
        }
    }

    /// The row a part of a link is told in, by its ends' roots and port.
    pub(crate) fn named(&self, key: LinkKey, row: &LinkRecord) -> LinkName {
        LinkName::new((self.id_of(key.client), self.id_of(key.server)), key.port, row)
    }
}

/// A link of two records, by the numbers of the assets they are of.
struct Spoken<'a> {
    client: u64,
    server: u64,
    port: u16,
    row: &'a LinkRecord,
}

impl Spoken<'_> {
    /// What rows are sorted by; those of one link are equal.
    fn order(&self) -> (u64, u64, &str, u16, &str) {
        (self.client, self.server, self.row.protocol, self.port, self.row.transport)
    }
}

/// Which row of a link, and whose.
pub(crate) struct LinkName {
    client: AssetId,
    server: AssetId,
    pub(crate) hash: u64,
}

impl LinkName {
    fn new((client, server): (AssetId, AssetId), port: u16, row: &LinkRecord) -> LinkName {
        let hash = hash(&format!("{client} {server} {} {} {port}", row.protocol, row.transport));
        LinkName { client, server, hash }
    }

    pub(crate) fn link(self, port: u16, row: &LinkRecord) -> Link {
        Link {
            id: link_id(self.hash),
            client: self.client,
            server: self.server,
            protocol: row.protocol.to_owned(),
            transport: row.transport.to_owned(),
            port: Some(port).filter(|p| *p != 0),
            first_seen: row.first,
            last_seen: row.last,
            packets: row.packets,
            bytes: row.bytes,
            operations: row.operations.iter().map(|(c, n)| (c.word().to_owned(), *n)).collect(),
            poll_interval_ms: row.poll.map(|(_, period_ms)| period_ms),
        }
    }
}

/// Written out they have the order of their numbers.
fn asset_id(number: u64) -> AssetId {
    AssetId(format!("ast_{number:016x}"))
}

pub(crate) fn link_id(hash: u64) -> LinkId {
    LinkId(format!("lnk_{hash:016x}"))
}

pub(crate) fn join(known: &mut LinkRecord, row: &LinkRecord) {
    known.first = known.first.min(row.first);
    known.last = known.last.max(row.last);
    known.packets += row.packets;
    known.bytes += row.bytes;
    for (class, count) in &row.operations {
        *known.operations.entry(*class).or_default() += count;
    }
    known.poll = known.poll.max(row.poll);
}

fn hash(text: &str) -> u64 {
    foldhash::quality::FixedState::with_seed(0x7370_616e_6472_656c).hash_one(text)
}

fn mac_of(record: &Record) -> Option<Mac> {
    match record.address {
        Address::Mac(mac) => Some(mac),
        Address::Ip(_) => None,
    }
}

fn ip_of(record: &Record) -> Option<IpAddr> {
    match record.address {
        Address::Ip(ip) => Some(ip),
        Address::Mac(_) => None,
    }
}

/// Is it [`is_external`]? Hardware addresses are all of the site.
pub fn is_outside(address: Address) -> bool {
    matches!(address, Address::Ip(ip) if is_external(ip))
}

/// An address of the public Internet (RFC 6890): none of the special ones.
pub fn is_external(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let shared = a == 100 && (64..128).contains(&b);
            let benchmark = a == 198 && (18..20).contains(&b);
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_documentation()
                || v4.is_multicast()
                || v4.is_broadcast()
                || a == 0
                || shared
                || benchmark
                || a >= 240)
        }
        IpAddr::V6(v6) => {
            if let [0x64, 0xff9b, 0, 0, 0, 0, high, low] = v6.segments() {
                // Beside who translates, an IPv4 address looks so (RFC 6052, 2.1).
                let v4 = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
                return is_external(IpAddr::V4(v4));
            }
            let [first, second, ..] = v6.segments();
            (0x2000..0x4000).contains(&first) && !(first == 0x2001 && second == 0x0db8)
        }
    }
}

fn model(own: &[Known], derived: &[Known]) -> Option<String> {
    // In CIP the product code is a number; as text it is what the maker calls the product.
    let product = || {
        let code = best_fact(own, &["product_code"]);
        code.filter(|p| p.contains(|c: char| !c.is_ascii_digit()))
    };
    // Of AMQP, and of CDP on servers, the platform is what a program runs on.
    let of_device = |k: &&Known| k.protocol == "cdp" && &*k.value != "Linux";
    let platform = || own.iter().filter(of_device).find(|k| k.path == "platform");
    best_fact(own, &["model", "order_number"])
        .or_else(|| best_fact(derived.iter().filter(|k| k.protocol == "cdp"), &["model"]))
        .or_else(|| platform().map(|k| k.value.to_string()))
        .or_else(product)
        .or_else(|| best_fact(derived, &["model"]))
}

fn best_fact<'a>(
    known: impl IntoIterator<Item = &'a Known> + Clone,
    paths: &[&str],
) -> Option<String> {
    for path in paths {
        let named = known.clone().into_iter().filter(|k| k.path == *path);
        // The strongest word; of equal ones the earliest, so that rows do not flicker.
        let best = named.max_by_key(|k| (k.confidence, std::cmp::Reverse(k.first)));
        if let Some(best) = best {
            return Some(best.value.to_string());
        }
    }
    None
}

/// Names a host answers to by LLMNR at most: it has one (RFC 4795, 2.3), before and after it gets
/// another. Who answers to more does so in the place of others.
const ANSWERED_NAMES_MAX: usize = 2;

fn names(known: &[Known]) -> Vec<String> {
    let answered = |k: &&Known| k.protocol == "llmnr" && k.path == "hostname";
    let of_others = known.iter().filter(answered).count() > ANSWERED_NAMES_MAX;
    let mut ranked: Vec<_> = known
        .iter()
        .filter(|k| !(of_others && answered(k)))
        .filter_map(|k| {
            let rank = NAMES.iter().position(|n| *n == k.path)?;
            Some((std::cmp::Reverse(k.confidence), rank, &k.value))
        })
        .collect();
    ranked.sort();
    let mut names: Vec<String> = Vec::new();
    for (_, _, name) in ranked {
        if !names.iter().any(|n| n.eq_ignore_ascii_case(name)) {
            names.push(name.to_string());
        }
    }
    names
}

fn protocols(behaviour: &Behaviour) -> Vec<String> {
    let names: BTreeSet<&str> = behaviour
        .served
        .keys()
        .chain(behaviour.told.keys())
        .copied()
        .chain(behaviour.asked.keys().map(|(p, _)| *p))
        .collect();
    names.into_iter().map(str::to_owned).collect()
}

fn facts(known: &[Known], oui: Option<&str>, first: model::Time) -> Vec<Fact> {
    let mut facts: Vec<Fact> = known
        .iter()
        .map(|k| Fact {
            path: k.path.to_owned(),
            value: k.value.to_string(),
            source: format!("{} {}", k.protocol, k.message),
            confidence: k.confidence,
            observed_at: k.first,
        })
        .collect();
    if let Some(vendor) = oui {
        facts.push(Fact {
            path: "vendor".to_owned(),
            value: vendor.to_owned(),
            source: "IEEE registry of MAC addresses".to_owned(),
            confidence: 60,
            observed_at: first,
        });
    }
    facts.sort();
    facts.dedup();
    facts
}
