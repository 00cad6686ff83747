//! Which addresses are one host.
//!
//! An IP address belongs to a MAC address that claims it (ARP, DHCP, neighbour discovery), or
//! that it is seen with as long as the MAC looks like a host. Many unclaimed addresses behind
//! one MAC are hosts behind a router: they stand alone. A MAC address belongs to another one whose
//! frames come back with it (EtherCAT). Decided anew whenever something about
//! the pair changes, so the order of packets matters little.

use crate::{
    Inventory,
    classify::is_of_networks,
    limits::{IPS_PER_HOST_MAX, IPS_PER_MAC_MAX, UNCLAIMED_IPS_PER_HOST_MAX},
    record::{Claim, Record},
    vendor,
};
use model::{Address, Endpoint, Mac, Time};
use std::net::{IpAddr, Ipv6Addr};

/// More IPv4 addresses claimed within this are those of others, for which a router answers. A host
/// gets its leases one after the other, and makes IPv6 addresses as it likes (RFC 8981).
const TOGETHER_SECS: i64 = 86_400;
/// So long an address is held by who claimed it, or sent from it since; `arp-conflict` has the
/// same patience.
const HELD_SECS: i64 = 600;
/// So many addresses at one MAC address that are one router away are behind that router; fewer may
/// be virtual machines within a host.
const NEXT_HOSTS_MIN: usize = 3;
/// What is told of who sends Router Advertisements.
pub(crate) const ROUTER_FACT: &str = "ipv6_role";

pub(crate) mod distance;

impl Inventory {
    /// What is claimed finds room, unless a router claims so much at a time.
    pub(crate) fn make_room_for_claim(&mut self, mac: u32, at: Time) -> bool {
        if self.records[mac as usize].claims().len() >= IPS_PER_MAC_MAX {
            *self.limits.entry("claims").or_default() += 1;
            let oldest = uses(&self.records, mac).min();
            let old = |(used, _): &(Time, u32)| apart_secs(at, *used) > TOGETHER_SECS;
            let Some((_, oldest)) = oldest.filter(old) else { return false };
            self.forget_claim(mac, oldest);
        }
        self.make_room_for_partner(mac);
        true
    }

    /// Who has an address that nobody claimed, and uses it, holds it against who claims it first:
    /// one answer anybody can send is no reason to believe that another host is there.
    pub(crate) fn hold_what_is_used(&mut self, mac: u32, ip: u32, at: Time) {
        let record = &mut self.records[ip as usize];
        let is_v4 = ip_of(record).is_some_and(|ip| ip.is_ipv4());
        let used = apart_secs(at, record.last) <= HELD_SECS && record.claims().is_empty();
        let other = record.owner.filter(|owner| *owner != mac);
        if let Some(owner) = other.filter(|_| is_v4 && used) {
            let last = record.last;
            record.claimed_by(owner, last);
        }
    }

    /// A MAC address sends from an IP address, which is as good as claiming it again where it did;
    /// with the time to live of a packet of TCP or UDP, of which the first counts.
    pub fn still_sends(&mut self, from: &Endpoint, at: Time, hops: Option<u8>) {
        let (Some(ip), Some(mac)) = (from.ip, from.mac) else { return };
        let record = |address| self.index.get(&address).copied();
        let found = (record(Address::Ip(ip)), record(Address::Mac(mac)));
        let (Some(ip), Some(mac)) = found else { return };
        let record = &mut self.records[ip as usize];
        record.seen(at);
        record.used_by(mac, at);
        let Some(first) = record.partners.first().copied() else { return };
        if record.hops.is_none() && hops.is_some() && first == mac {
            record.hops = hops;
            self.regroup(mac);
        } else if first != mac && distance::is_nearer(hops, record.hops) {
            self.comes_nearer(mac, ip, hops);
        }
    }

    /// A port with a MAC address of its own named that of the whole, which counts up from it: both
    /// are one device's. A port with an IP address is a host, and what owns others is no port.
    pub(crate) fn port_of(&mut self, port: u32, chassis: &str, at: Time) {
        const PORTS_MAX: u8 = 64;
        let Address::Mac(Mac([port_maker @ .., port_last])) = self.records[port as usize].address
        else {
            return;
        };
        let Ok(chassis @ Mac([maker @ .., last])) = chassis.parse::<Mac>() else { return };
        let near = maker == port_maker && (1..PORTS_MAX).contains(&last.abs_diff(port_last));
        if !near || chassis.is_local() || self.owned_by(port).next().is_some() {
            return;
        }
        if let Some(chassis) = self.record(Address::Mac(chassis), at) {
            self.claim(chassis, port, at);
        }
    }

    /// Another one holds the address and has not said so for long, so it was given to this one.
    /// Of IPv6 hosts say once what they have, and none is given twice.
    pub(crate) fn is_handed_over(&self, mac: u32, ip: u32, at: Time) -> bool {
        let record = &self.records[ip as usize];
        let Some(holder) = record.claims().first().filter(|claim| claim.of != mac) else {
            return false;
        };
        let is_v4 = ip_of(record).is_some_and(|ip| ip.is_ipv4());
        let shared = match self.records[mac as usize].address {
            Address::Mac(address) => vendor::is_shared(address),
            Address::Ip(_) => true,
        };
        let silent = apart_secs(at, holder.at) > HELD_SECS;
        is_v4 && silent && !shared && !answers_for_others(&self.records, mac)
    }

    /// The address is this one's from here on. What was learned of it is of the host that had it.
    pub(crate) fn hand_over(&mut self, mac: u32, ip: u32, at: Time) {
        let claims = &mut self.records[ip as usize].more_mut().claims;
        let Some(holder) = claims.first().map(|claim| claim.of) else { return };
        claims.sort_by_key(|claim| claim.of != mac);
        self.touch(ip);
        let (one, other) = (holder as usize, ip as usize);
        // One that answered for others, or an address that several share, never was this host.
        let was_its = self.records[other].owner == Some(holder);
        if let Ok([holder, ip]) = self.records.get_disjoint_mut([one, other]) {
            let refused = if was_its { holder.take_over(ip, at) } else { 0 };
            if refused > 0 {
                *self.limits.entry("facts").or_default() += refused;
            }
        }
        self.touch(holder);
        self.regroup(holder);
        self.regroup(mac);
    }

    /// An address that was a host's long ago.
    fn forget_claim(&mut self, mac: u32, ip: u32) {
        if self.records[ip as usize].owner == Some(mac) {
            self.belongs(ip, None);
        }
        for (one, other) in [(mac, ip), (ip, mac)] {
            let record = &mut self.records[one as usize];
            record.partners.retain(|partner| *partner != other);
            record.more_mut().claims.retain(|claim| claim.of != other);
        }
        for claim in self.records[ip as usize].claims().to_vec() {
            self.regroup(claim.of);
        }
    }

    /// What a router claims is its own, however many hosts were seen behind it before.
    fn make_room_for_partner(&mut self, mac: u32) {
        let record = &mut self.records[mac as usize];
        if record.partners.len() >= IPS_PER_MAC_MAX
            && let Some(at) = record.partners.iter().rposition(|ip| !record.has_claim(*ip))
        {
            let gone = record.partners.remove(at);
            if self.records[gone as usize].owner == Some(mac) {
                self.belongs(gone, None);
            }
        }
    }

    /// Decides anew which addresses belong to a MAC address.
    pub(crate) fn regroup(&mut self, mac: u32) {
        let owned = owned(&self.records, mac);
        let partners = self.records[mac as usize].partners.clone();
        for partner in partners {
            let before = self.records[partner as usize].owner;
            let after = owned.contains(&partner).then_some(mac);
            if after.is_some() && before != after {
                self.merged.insert(partner);
                self.belongs(partner, after);
            } else if before == Some(mac) && after.is_none() {
                self.belongs(partner, None);
                // Another one that claims it may have it.
                let mut claims = self.records[partner as usize].claims().iter();
                if let Some(next) = claims.find(|claim| claim.of != mac).map(|claim| claim.of) {
                    self.regroup(next);
                }
            }
        }
    }

    /// From here on an address is its owner's, or an asset of its own.
    fn belongs(&mut self, record: u32, owner: Option<u32>) {
        self.touch(record);
        self.records[record as usize].owner = owner;
        self.touch(record);
        self.moved.insert(record);
        for own in self.owned_by(record).collect::<Vec<_>>() {
            self.moved.insert(own);
        }
    }

    /// Addresses that belong to this one itself.
    pub(crate) fn owned_by(&self, owner: u32) -> impl Iterator<Item = u32> {
        let partners = self.records[owner as usize].partners.iter().copied();
        partners.filter(move |partner| self.records[*partner as usize].owner == Some(owner))
    }
}

/// Which of its partners belong to the MAC address at `mac`, as record indices.
fn owned(records: &[Record], mac: u32) -> Vec<u32> {
    let record = &records[mac as usize];
    let Address::Mac(address) = record.address else { return Vec::new() };
    if vendor::is_shared(address) || !address.is_host() {
        return Vec::new();
    }
    let router = is_router(records, record);
    let mut owned: Vec<u32> = record
        .partners
        .iter()
        .copied()
        .filter(|ip| belongs(records, (mac, address), *ip, router))
        .collect();
    let mut room = IPS_PER_HOST_MAX;
    let bounds_all = answers_for_others(records, mac);
    owned.retain(|ip| {
        let counts = bounds_all || !record.has_claim(*ip);
        let fits = !counts || room > 0;
        room = room.saturating_sub(usize::from(counts));
        fits
    });
    owned
}

/// Does it claim more addresses at a time than a host has?
fn answers_for_others(records: &[Record], mac: u32) -> bool {
    let Some((newest, _)) = uses(records, mac).max() else { return false };
    let of_v4 = |ip: u32| ip_of(&records[ip as usize]).is_some_and(|ip| ip.is_ipv4());
    let together = |used: Time| apart_secs(newest, used) <= TOGETHER_SECS;
    let claimed = uses(records, mac).filter(|(used, ip)| of_v4(*ip) && together(*used));
    claimed.count() > IPS_PER_HOST_MAX
}

/// When the MAC address claimed each address last, or sent from it as from its own.
fn uses(records: &[Record], mac: u32) -> impl Iterator<Item = (Time, u32)> {
    records[mac as usize].claims().iter().map(move |claim| {
        let of = &records[claim.of as usize];
        let used = if of.owner == Some(mac) { claim.at.max(of.last) } else { claim.at };
        (used, claim.of)
    })
}

fn apart_secs(a: Time, b: Time) -> i64 {
    a.since(b).saturating_abs() / 1_000_000_000
}

/// Unclaimed addresses of several nets or at several distances, beside claimed ones, or too many
/// of any kind; or it says so.
fn is_router(records: &[Record], record: &Record) -> bool {
    let unclaimed: Vec<IpAddr> = record
        .partners
        .iter()
        .filter(|ip| !record.has_claim(**ip))
        .filter_map(|ip| ip_of(&records[*ip as usize]))
        .filter(|ip| !is_link_local(*ip))
        .collect();
    let v4: Vec<_> = unclaimed.iter().filter(|ip| ip.is_ipv4()).collect();
    let claimed_v4 = record
        .claims()
        .iter()
        .filter_map(|claim| ip_of(&records[claim.of as usize]))
        .filter(IpAddr::is_ipv4)
        .count();
    let several_nets = v4.iter().any(|ip| !same_net(**ip, *v4[0]));
    let advertises =
        advertises(record) || record.partners.iter().any(|ip| advertises(&records[*ip as usize]));
    let claimed_and_others = claimed_v4 > 0 && !v4.is_empty();
    record.routed
        || claimed_and_others
        || several_nets
        || advertises
        || several_sites(record, &unclaimed)
        || several_distances(records, record)
        || v4.len() > UNCLAIMED_IPS_PER_HOST_MAX
        || unclaimed.len() > IPS_PER_HOST_MAX
}

/// Did it send Router Advertisements?
fn advertises(record: &Record) -> bool {
    record.facts.iter().any(|fact| fact.path == ROUTER_FACT)
}

/// A host makes itself as many IPv6 addresses as it likes, in the one site it is in (RFC 6177: of
/// /48 at most). One it made of its MAC address is its own wherever that is.
fn several_sites(record: &Record, unclaimed: &[IpAddr]) -> bool {
    let Address::Mac(mac) = record.address else { return false };
    let mut sites = unclaimed.iter().filter_map(|ip| match ip {
        IpAddr::V6(v6) if v6.octets()[0] >> 5 == 1 && interface(*v6) != eui64(mac) => {
            Some(v6.segments().first_chunk::<3>().copied())
        }
        _ => None,
    });
    let first = sites.next();
    sites.any(|site| Some(site) != first)
}

/// What one host sends by TCP and UDP starts with one time to live, so that two of them are of
/// two hosts, as is one that shows a router by itself: by how far it is, or with who sends it.
fn several_distances(records: &[Record], mac: &Record) -> bool {
    let is_its = |ip: &&Record| {
        let first = ip.partners.first().map(|first| &records[*first as usize]);
        first.is_some_and(|first| first.address == mac.address)
    };
    let unclaimed = mac.partners.iter().filter(|ip| !mac.has_claim(**ip));
    let unclaimed = unclaimed.map(|ip| &records[*ip as usize]).filter(is_its);
    let v4 = unclaimed.filter(|ip| ip_of(ip).is_some_and(|ip| ip.is_ipv4()));
    let v4: Vec<&Record> = v4.filter(|ip| ip.hops.is_some() || ip.routed).collect();
    let next = v4.iter().filter(|ip| distance::is_next(ip)).count();
    let maker = || match mac.address {
        Address::Mac(mac) => vendor::vendor_of(mac),
        Address::Ip(_) => None,
    };
    next >= NEXT_HOSTS_MIN
        || next > 0 && maker().is_some_and(is_of_networks)
        || v4.iter().any(|ip| ip.hops != v4[0].hops || distance::is_far(ip))
}

fn belongs(records: &[Record], (mac, address): (u32, Mac), ip: u32, router: bool) -> bool {
    let record = &records[ip as usize];
    let Some(ip_address) = ip_of(record) else {
        // Only the way back with the local bit set, never the other way round, and ports without
        // an IP address; and of one only, that sent something and is not another one's itself.
        let is_mac = |claim: &&Claim| ip_of(&records[claim.of as usize]).is_none();
        let first = record.claims().iter().find(is_mac);
        let of = &records[mac as usize];
        let way_back = matches!(record.address, Address::Mac(mac) if mac.is_local());
        let is_host = record.partners.iter().any(|ip| ip_of(&records[*ip as usize]).is_some());
        let whole = !address.is_local() && of.sent && of.owner.is_none();
        return whole && (way_back || !is_host) && first.is_some_and(|claim| claim.of == mac);
    };
    // One MAC address only: who claimed it, else who used it first. Who is taken to hold it without
    // a claim holds nothing once it proves to be a router.
    let holds = |claim: &&Claim| {
        let of = &records[claim.of as usize];
        of.has_claim(ip) || !is_router(records, of)
    };
    if let Some(rightful) = record.claims().iter().find(holds) {
        return rightful.of == mac;
    }
    if record.partners.first() != Some(&mac) {
        return false;
    }
    match ip_address {
        IpAddr::V6(v6) if eui64(address) == interface(v6) => true,
        // Router Advertisements are sent from an own address (RFC 4861, 4.2).
        IpAddr::V6(_) if advertises(record) => true,
        _ => !router,
    }
}

fn ip_of(record: &Record) -> Option<IpAddr> {
    match record.address {
        Address::Ip(ip) => Some(ip),
        Address::Mac(_) => None,
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

/// The same /16 for private IPv4, where plants' masks are unknown.
fn same_net(a: IpAddr, b: IpAddr) -> bool {
    match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            a.octets()[..2] == b.octets()[..2] && a.is_private() == b.is_private()
        }
        _ => true,
    }
}

/// Interface identifier made of a MAC address (RFC 4291, appendix A).
fn eui64(Mac([a, b, c, d, e, f]): Mac) -> [u8; 8] {
    [a ^ 2, b, c, 0xff, 0xfe, d, e, f]
}

fn interface(ip: Ipv6Addr) -> [u8; 8] {
    let [.., a, b, c, d, e, f, g, h] = ip.octets();
    [a, b, c, d, e, f, g, h]
}

#[cfg(test)]
mod tests;
