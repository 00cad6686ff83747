//! The network of the lab: hosts, address resolution, datagrams, TCP conversations, and the
//! queue that puts their frames in time order.
//!
//! Not here: what the bytes mean. The mirror port stands on the core switch and copies what
//! enters each port, so every frame is seen once, on its sender's VLAN. Invariant: frames leave
//! in time order, and nothing here reads a clock.

pub mod frame;
pub mod pcapng;
pub mod tcp;

use crate::{limits, rng::Rng};
use frame::{Ip, Link, Over6};
use model::Mac;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap},
    net::{Ipv4Addr, Ipv6Addr},
};

/// Nanoseconds since 1970 UTC.
pub type Nanos = i64;

pub const MICROSECOND: Nanos = 1_000;
pub const MILLISECOND: Nanos = 1_000_000;
pub const SECOND: Nanos = 1_000_000_000;

/// Number of a host in [`Net`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostId(pub usize);

/// TCP/IP implementation: what shows of it in headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stack {
    Windows,
    Linux,
    Apple,
    /// Controllers, drives, meters: small windows, no options but MSS.
    Embedded,
    Cisco,
}

impl Stack {
    pub const fn ttl(self) -> u8 {
        match self {
            Stack::Windows => 128,
            Stack::Cisco => 255,
            Stack::Linux | Stack::Apple | Stack::Embedded => 64,
        }
    }

    const fn window(self) -> u16 {
        match self {
            Stack::Windows | Stack::Linux => 64_240,
            Stack::Apple => 65_535,
            Stack::Embedded => 8_192,
            Stack::Cisco => 4_128,
        }
    }

    /// How long an acknowledgment waits for data to ride on.
    const fn delayed_ack(self) -> Nanos {
        match self {
            Stack::Windows => 50 * MILLISECOND,
            Stack::Linux | Stack::Apple => 40 * MILLISECOND,
            Stack::Embedded | Stack::Cisco => 20 * MILLISECOND,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Host {
    pub name: &'static str,
    pub mac: Mac,
    pub ip: Ipv4Addr,
    pub vlan: u16,
    pub stack: Stack,
    /// Time to answer, without queueing, in microseconds. For a host outside: the round trip.
    pub latency_us: u32,
    /// Beyond the firewall: its frames bear the firewall's address.
    pub external: bool,
}

/// The layer 3 switch all VLANs meet at.
#[derive(Clone, Copy, Debug)]
pub struct Gateway {
    pub mac: Mac,
    pub host: HostId,
}

/// A frame that waits for its turn. Ordered by time, then by the order of making.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Pending {
    pub at: Nanos,
    order: u64,
    /// Scenario it belongs to.
    pub mark: Option<usize>,
    pub frame: Vec<u8>,
}

pub struct Net {
    pub hosts: Vec<Host>,
    pub rng: Rng,
    /// Frames lost behind the mirror port and sent again, for the ground truth.
    pub retransmissions: u64,
    /// Share of TCP data segments that are lost.
    pub loss: f64,
    gateway: Gateway,
    ip_ids: Vec<u16>,
    ephemeral: Vec<u16>,
    neighbours: BTreeMap<(HostId, Ipv4Addr), Nanos>,
    /// Scenario the frames being made belong to, for the ground truth.
    pub mark: Option<usize>,
    pending: BinaryHeap<Reverse<Pending>>,
    order: u64,
    conversations: tcp::Table,
}

impl Net {
    pub fn new(hosts: Vec<Host>, gateway: Gateway, mut rng: Rng) -> Self {
        let ip_ids = hosts.iter().map(|_| rng.u16()).collect();
        let ephemeral = hosts.iter().map(|_| 49_152 + rng.below(8_000) as u16).collect();
        Net {
            hosts,
            rng,
            retransmissions: 0,
            loss: 0.0002,
            gateway,
            ip_ids,
            ephemeral,
            neighbours: BTreeMap::new(),
            mark: None,
            pending: BinaryHeap::new(),
            order: 0,
            conversations: tcp::Table::default(),
        }
    }

    pub fn host(&self, id: HostId) -> &Host {
        &self.hosts[id.0]
    }

    /// The host called `name`.
    ///
    /// # Panics
    /// If there is none: names are those of our own plant.
    pub fn find(&self, name: &str) -> HostId {
        let at = self.hosts.iter().position(|h| h.name == name);
        HostId(at.unwrap_or_else(|| panic!("the plant has no host {name}")))
    }

    /// Queues a frame that the mirror sees at `at`.
    pub fn raw(&mut self, at: Nanos, frame: Vec<u8>) {
        assert!(self.pending.len() < limits::PENDING_FRAMES_MAX, "an actor runs ahead of time");
        self.order += 1;
        self.pending.push(Reverse(Pending { at, order: self.order, mark: self.mark, frame }));
    }

    /// Takes the next frame that is due before `horizon`.
    pub fn pop_before(&mut self, horizon: Nanos) -> Option<Pending> {
        match self.pending.peek() {
            Some(Reverse(next)) if next.at < horizon => {}
            _ => return None,
        }
        self.pending.pop().map(|Reverse(next)| next)
    }

    fn ip_header(&mut self, from: HostId, to: Ipv4Addr) -> Ip {
        let host = &self.hosts[from.0];
        let id = &mut self.ip_ids[from.0];
        *id = id.wrapping_add(1);
        // Internet hosts are some routers away.
        let ttl = host.stack.ttl() - if host.external { 11 } else { 0 };
        let dont_fragment = host.stack != Stack::Embedded;
        Ip { source: host.ip, destination: to, ttl, id: *id, dont_fragment, service: 0 }
    }

    pub fn ephemeral_port(&mut self, host: HostId) -> u16 {
        let port = &mut self.ephemeral[host.0];
        *port = if *port >= 65_500 { 49_152 } else { *port + 1 };
        *port
    }

    fn link_to(&self, from: HostId, destination: Mac) -> Link {
        let host = &self.hosts[from.0];
        Link { source: host.mac, destination, vlan: host.vlan, priority: 0 }
    }

    /// Where `from` sends a packet for `to`, asking by ARP where it does not know. Returns the
    /// link and the time at which the packet can go.
    fn route(&mut self, from: HostId, to: HostId, at: Nanos) -> (Link, Nanos) {
        let (sender, target) = (&self.hosts[from.0], &self.hosts[to.0]);
        let direct = sender.vlan == target.vlan && !target.external && !sender.external;
        let (mac, ip) = if direct {
            (target.mac, target.ip)
        } else {
            (self.gateway.mac, gateway_address(sender))
        };
        let known = sender.external || from == self.gateway.host;
        let link = self.link_to(from, mac);
        if known || self.neighbours.get(&(from, ip)).is_some_and(|until| *until > at) {
            return (link, at);
        }
        let lifetime = SECOND * (180 + self.rng.below(240) as i64);
        self.neighbours.insert((from, ip), at + lifetime);
        if direct {
            // Who is asked learns the asker's address (RFC 826).
            let asker = self.hosts[from.0].ip;
            self.neighbours.insert((to, asker), at + lifetime);
        }
        let ready = self.ask_arp(from, ip, Some(mac), at);
        (link, ready)
    }

    /// An ARP request by `from` and, where somebody has the address, the answer.
    pub fn ask_arp(&mut self, from: HostId, ip: Ipv4Addr, owner: Option<Mac>, at: Nanos) -> Nanos {
        let sender = self.hosts[from.0].clone();
        let link = self.link_to(from, Mac::BROADCAST);
        let asks = frame::arp(link, 1, (sender.mac, sender.ip), (Mac([0; 6]), ip));
        self.raw(at, asks);
        let Some(owner) = owner else { return at };
        let answered = at + self.jitter(200 * MICROSECOND);
        let back = Link { source: owner, destination: sender.mac, ..link };
        self.raw(answered, frame::arp(back, 2, (owner, ip), (sender.mac, sender.ip)));
        answered + 60 * MICROSECOND
    }

    /// `around` varied by a third either way.
    pub fn jitter(&mut self, around: Nanos) -> Nanos {
        (around as f64 * self.rng.between(0.67, 1.33)) as Nanos
    }

    /// Time the host takes to answer something simple.
    pub fn latency(&mut self, host: HostId) -> Nanos {
        let around = Nanos::from(self.hosts[host.0].latency_us) * MICROSECOND;
        self.jitter(around)
    }

    /// Sends a datagram and returns when it passed the mirror.
    pub fn udp(
        &mut self,
        (from, source_port): (HostId, u16),
        (to, port): (HostId, u16),
        at: Nanos,
        payload: &[u8],
    ) -> Nanos {
        let (link, at) = self.route(from, to, at);
        let destination = self.hosts[to.0].ip;
        let ip = self.ip_header(from, destination);
        self.raw(at, frame::udp(link, ip, (source_port, port), payload));
        at
    }

    /// A question by UDP and its answer; returns when the answer passed the mirror.
    pub fn ask(
        &mut self,
        client: (HostId, u16),
        server: (HostId, u16),
        at: Nanos,
        (question, answer): (&[u8], &[u8]),
    ) -> Nanos {
        let at = self.udp(client, server, at, question);
        let at = at + self.latency(server.0);
        self.udp(server, client, at, answer)
    }

    /// Sends a datagram to an address of the layer 3 switch.
    pub fn udp_to_gateway(
        &mut self,
        from: HostId,
        (destination, ports): (Ipv4Addr, (u16, u16)),
        at: Nanos,
        payload: &[u8],
    ) {
        let (link, at) = self.route(from, self.gateway.host, at);
        let ip = self.ip_header(from, destination);
        self.raw(at, frame::udp(link, ip, ports, payload));
    }

    /// Multicast or broadcast from `from` on its own VLAN.
    pub fn spread(
        &mut self,
        (from, source_port): (HostId, u16),
        (group, port): (Ipv4Addr, u16),
        at: Nanos,
        payload: &[u8],
    ) {
        let [_, b, c, d] = group.octets();
        let mac =
            if group.is_multicast() { Mac([1, 0, 0x5e, b & 0x7f, c, d]) } else { Mac::BROADCAST };
        let link = self.link_to(from, mac);
        let mut ip = self.ip_header(from, group);
        // Link-local groups do not leave the link; mDNS demands 255 (RFC 6762, 11).
        if group.is_multicast() {
            ip.ttl = if port == 5353 { 255 } else { 1 };
        }
        self.raw(at, frame::udp(link, ip, (source_port, port), payload));
    }

    /// As [`Self::spread`] by a host that has no address yet (DHCP).
    pub fn spread_unnumbered(&mut self, from: HostId, ports: (u16, u16), at: Nanos, load: &[u8]) {
        let link = self.link_to(from, Mac::BROADCAST);
        let mut ip = self.ip_header(from, Ipv4Addr::BROADCAST);
        ip.source = Ipv4Addr::UNSPECIFIED;
        self.raw(at, frame::udp(link, ip, ports, load));
    }

    /// Multicast over IPv6 from the host's link-local address.
    pub fn spread6(&mut self, from: HostId, group: Ipv6Addr, at: Nanos, over: Over6, load: &[u8]) {
        let [.., c, d, e, f] = group.octets();
        let link = self.link_to(from, Mac([0x33, 0x33, c, d, e, f]));
        let source = link_local(self.hosts[from.0].mac);
        self.raw(at, frame::ipv6(link, (source, group), over, load));
    }

    /// An echo request and, when `answered`, its reply.
    pub fn ping(&mut self, from: HostId, to: HostId, at: Nanos, sequence: u16, answered: bool) {
        let (link, at) = self.route(from, to, at);
        let (source, destination) = (self.hosts[from.0].ip, self.hosts[to.0].ip);
        let ip = self.ip_header(from, destination);
        self.raw(at, frame::echo(link, ip, 8, (1, sequence)));
        if answered {
            let at = at + self.latency(to);
            let (link, at) = self.route(to, from, at);
            let ip = self.ip_header(to, source);
            self.raw(at, frame::echo(link, ip, 0, (1, sequence)));
        }
    }

    /// A frame of a protocol directly on Ethernet, to a group or station address.
    pub fn ethernet(&mut self, from: HostId, to: Mac, at: Nanos, (kind, load): (u16, &[u8])) {
        let mut link = self.link_to(from, to);
        if kind == frame::ETHERTYPE_PROFINET {
            link.priority = 6;
        }
        self.raw(at, frame::ethernet(link, kind, load));
    }

    /// As [`Self::ethernet`] in an IEEE 802.2 frame.
    pub fn llc(&mut self, from: HostId, to: Mac, at: Nanos, load: &[u8]) {
        let link = self.link_to(from, to);
        self.raw(at, frame::llc(link, load));
    }
}

/// Link-local address made of a MAC address (RFC 4291, appendix A).
pub fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// Address of the layer 3 switch in a host's VLAN.
pub fn gateway_address(host: &Host) -> Ipv4Addr {
    let [a, b, c, _] = host.ip.octets();
    Ipv4Addr::new(a, b, c, 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net() -> Net {
        let host = |name, vlan: u16, last| Host {
            name,
            mac: Mac([2, 0, 0, 0, vlan as u8, last]),
            ip: Ipv4Addr::new(10, 20, vlan as u8, last),
            vlan,
            stack: Stack::Linux,
            latency_us: 300,
            external: false,
        };
        let hosts = vec![host("core", 50, 1), host("a", 10, 5), host("b", 10, 6), host("c", 20, 7)];
        let gateway = Gateway { mac: hosts[0].mac, host: HostId(0) };
        Net::new(hosts, gateway, Rng::new(1))
    }

    fn drain(net: &mut Net) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| net.pop_before(Nanos::MAX)).map(|p| p.frame).collect()
    }

    #[test]
    fn address_resolution_comes_before_the_first_packet_and_only_once() {
        let mut net = net();
        let (a, b) = (net.find("a"), net.find("b"));
        net.ask((a, 1_000), (b, 2_000), 0, (b"q", b"r"));
        net.ask((a, 1_000), (b, 2_000), SECOND, (b"q", b"r"));
        let kinds: Vec<u16> =
            drain(&mut net).iter().map(|f| u16::from_be_bytes([f[16], f[17]])).collect();
        assert_eq!(kinds, [0x806, 0x806, 0x800, 0x800, 0x800, 0x800]);
    }

    #[test]
    fn another_vlan_is_reached_through_the_layer_3_switch() {
        let mut net = net();
        let (a, c) = (net.find("a"), net.find("c"));
        net.udp((a, 1_000), (c, 2_000), 0, b"x");
        let frames = drain(&mut net);
        let last = frames.last().expect("a frame");
        assert_eq!(last[..6], net.hosts[0].mac.0);
        assert_eq!(u16::from_be_bytes([last[14], last[15]]), 10);
    }

    #[test]
    #[should_panic(expected = "an actor leaves conversations open")]
    fn open_conversations_are_bounded() {
        let mut net = net();
        let (a, b) = (net.find("a"), net.find("b"));
        for i in 0..=limits::CONVERSATIONS_MAX as i64 {
            net.open(a, b, 502, i * SECOND);
            while net.pop_before(i * SECOND).is_some() {}
        }
    }

    #[test]
    #[should_panic(expected = "an actor runs ahead of time")]
    fn frames_waiting_are_bounded() {
        let mut net = net();
        for i in 0..=limits::PENDING_FRAMES_MAX {
            net.raw(i as Nanos, vec![0; 1]);
        }
    }
}
