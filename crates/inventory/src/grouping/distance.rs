//! What the time to live of an address and its conversations tell of routers before it.
//!
//! Not here: who claims what. Invariant: a time to live that some device begins with says nothing
//! by itself.

use super::{ip_of, is_link_local, same_net};
use crate::{Inventory, asset::is_external, record::Record};
use model::{Address, Mac};
use std::net::IpAddr;

/// What systems give a packet to live when they send it. Devices begin with 30, 32, 60 or 120 too,
/// and with what they like.
const BEGINNINGS: [u8; 3] = [64, 128, 255];
const OF_DEVICES: [u8; 2] = [60, 120];
/// Routers on the way through the Internet, and within one site, at most.
const ROUTERS_MAX: u8 = 30;
const ROUTERS_OF_SITE_MAX: u8 = 8;
/// Scanners draw a first time to live from these (nmap).
const DRAWN: std::ops::RangeInclusive<u8> = 37..=59;

impl Inventory {
    /// It was seen first as what a router passed on, and is here where it begins.
    pub(super) fn comes_nearer(&mut self, mac: u32, ip: u32, hops: Option<u8>) {
        let record = &mut self.records[ip as usize];
        let place = record.partners.iter().position(|partner| *partner == mac);
        if let Some(partners) = place.and_then(|place| record.partners.get_mut(..=place)) {
            partners.rotate_right(1);
            (record.hops, record.routed) = (hops, false);
            let router = record.partners.get(1).copied();
            router.into_iter().chain([mac]).for_each(|mac| self.regroup(mac));
        }
    }

    /// Two addresses hold a conversation, which may show what is behind a router.
    pub(crate) fn converse(&mut self, (one, other): (u32, u32), macs: (Option<Mac>, Option<Mac>)) {
        let from = |record: u32| {
            let record = &self.records[record as usize];
            let first = record.partners.first().copied();
            first.filter(|_| record.claims().is_empty() && ip_of(record).is_some())
        };
        let (from_one, from_other) = (from(one), from(other));
        // A host sends itself nothing over the wire.
        if let Some(mac) = from_one.filter(|_| from_one == from_other && one != other) {
            self.is_routed(mac, mac);
        }
        self.converse_over(one, other, from_other, macs.1);
        self.converse_over(other, one, from_one, macs.0);
    }

    /// `here` is what the conversation has for the far end: where both sides of a router are seen,
    /// that may be the router, and `mac` the host.
    fn converse_over(&mut self, near: u32, far: u32, mac: Option<u32>, here: Option<Mac>) {
        let Some(mac) = mac else { return };
        let is_here = here.map(Address::Mac) == Some(self.records[mac as usize].address);
        if is_behind(&self.records[near as usize], &self.records[far as usize], is_here) {
            self.is_routed(far, mac);
        }
    }

    fn is_routed(&mut self, record: u32, mac: u32) {
        if !std::mem::replace(&mut self.records[record as usize].routed, true) {
            self.regroup(mac);
        }
    }
}

/// Routers between, where that can be told.
fn routers(hops: u8) -> Option<u8> {
    let begun = BEGINNINGS.into_iter().find(|begun| *begun >= hops)?;
    let routers = begun - hops;
    (routers <= ROUTERS_MAX && !OF_DEVICES.contains(&hops)).then_some(routers)
}

/// Does the same packet have another router before it there?
pub(super) fn is_nearer(here: Option<u8>, there: Option<u8>) -> bool {
    let (Some(here), Some(there)) = (here, there) else { return false };
    let between = here.checked_sub(there);
    routers(here) == Some(0) && between.is_some_and(|n| n > 0 && routers(there) == Some(n))
}

/// Is an address nobody claims behind a router, whatever else its MAC address sends? One router
/// less alone may be within a host, before a virtual machine that shares its address.
pub(super) fn is_far(record: &Record) -> bool {
    let drawn = is_of_site(record) && record.hops.is_some_and(|hops| DRAWN.contains(&hops));
    record.routed || between(record).is_some_and(|routers| routers > 1) && !drawn
}

/// Did what it sent come through a router, be that within a host, and through no more than there
/// may be?
pub(crate) fn is_through(record: &Record) -> bool {
    record.routed || between(record).is_some_and(|routers| routers > 0)
}

/// Routers before it, as many as there may be.
fn between(record: &Record) -> Option<u8> {
    let most = if is_of_site(record) { ROUTERS_OF_SITE_MAX } else { ROUTERS_MAX };
    record.hops.and_then(routers).filter(|routers| *routers <= most)
}

fn is_of_site(record: &Record) -> bool {
    !ip_of(record).is_some_and(is_external)
}

/// Is it one router away? See [`is_far`] for what that may be instead.
pub(super) fn is_next(record: &Record) -> bool {
    between(record) == Some(1)
}

/// One of another net that is a router further than who begins on this wire, or on the Internet
/// from where it is private.
fn is_behind(near: &Record, far: &Record, is_here: bool) -> bool {
    let (Some(near_ip @ IpAddr::V4(v4)), Some(far_ip)) = (ip_of(near), ip_of(far)) else {
        return false;
    };
    let apart = !same_net(near_ip, far_ip) && !is_link_local(near_ip) && !is_link_local(far_ip);
    let begins = |record: &Record| record.hops.and_then(routers) == Some(0);
    let further = far.hops.and_then(routers).is_some_and(|routers| routers > 0);
    // Who sends back another way than it is sent to comes from elsewhere, unless it begins here.
    let is_here = is_here || !begins(far);
    let outside = is_here && v4.is_private() && is_external(far_ip);
    apart && begins(near) && (further || outside)
}
