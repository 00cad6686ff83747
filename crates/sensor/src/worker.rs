//! From a packet to events: decoding, conversations, reassembly, dissection.
//!
//! One worker reads the packets of its shard from first to last. Invariant: what comes out
//! depends on the packets alone; time arrives with them.

mod conversation;

use crate::{
    event::{Event, Repeats, Stamped},
    flow::{Flow, FlowKey, FlowTable, Identity, Kind},
    fragments::Fragments,
    identify::Directory,
    limits::FLOWS_MAX,
    senders::Senders,
    tally::Tally,
};
use conversation::Context;
use foldhash::fast::FixedState;
use model::{
    Address, Detail, Endpoint, Exchange, Health, Mac, MessageRow, Observation, SessionEvent, Time,
};
use protocols::{Output, Side};
use std::{collections::BTreeMap, hash::BuildHasher, net::IpAddr};
use wire::{Frame, Ip, Layer, LinkType, Transport};

/// A packet on its way into a worker.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    pub at: Time,
    /// From 1, over all workers.
    pub frame: u64,
    pub wire_len: u32,
    pub link: LinkType,
    pub data: &'a [u8],
}

/// What a worker does besides its duty.
#[derive(Clone, Copy, Debug)]
pub struct WorkerSettings {
    /// Count messages for `messages` of a capture report.
    pub tally: bool,
    /// Report process values.
    pub values: bool,
    /// Keep excerpts of messages as evidence.
    pub excerpts: bool,
    /// (this worker, number of workers)
    pub shard: (u32, u32),
    pub flows_max: usize,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        let (tally, values, excerpts) = (true, false, true);
        WorkerSettings { tally, values, excerpts, shard: (0, 1), flows_max: FLOWS_MAX }
    }
}

pub struct Worker {
    settings: WorkerSettings,
    directory: Directory,
    flows: FlowTable,
    fragments: Fragments,
    senders: Senders,
    tally: Tally,
    out: Output,
    events: Vec<Stamped>,
    counters: Counters,
    /// Octets buffered in all conversations, kept up to date with each packet.
    buffered: usize,
}

/// What health is made of.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) unparsed: BTreeMap<&'static str, u64>,
    pub(crate) limits: BTreeMap<&'static str, u64>,
    pub(crate) unidentified: BTreeMap<String, u64>,
    pub(crate) segments_lost: u64,
    pub(crate) bytes_lost: u64,
}

impl Counters {
    pub(crate) fn unparsed(&mut self, reason: &'static str) {
        *self.unparsed.entry(reason).or_default() += 1;
    }

    pub(crate) fn limit(&mut self, name: &'static str) {
        *self.limits.entry(name).or_default() += 1;
    }
}

impl Worker {
    pub fn new(settings: WorkerSettings) -> Self {
        Worker {
            settings,
            directory: Directory::new(),
            flows: FlowTable::new(settings.flows_max),
            fragments: Fragments::default(),
            senders: Senders::new(),
            tally: Tally::default(),
            out: Output::new(settings.values),
            events: Vec::new(),
            counters: Counters::default(),
            buffered: 0,
        }
    }

    /// Reads a packet if it belongs to this worker's shard.
    pub fn push(&mut self, packet: &Packet<'_>) {
        let frame = wire::decode(packet.link, packet.data);
        let (own, workers) = self.settings.shard;
        if workers > 1 && shard(&frame) % u64::from(workers) != u64::from(own) {
            return;
        }
        if let Some(reason) = frame.malformed {
            self.counters.unparsed(reason);
        }
        let macs = (mac(frame.source_mac), mac(frame.destination_mac));
        let vlan = frame.vlans.innermost();
        match &frame.layer {
            Layer::Ip(ip) => self.ip(packet, &frame, ip, macs),
            Layer::Arp(arp) => self.arp(packet, &frame, arp),
            Layer::Ethernet { ethertype, payload } => {
                self.sent(packet, macs.0, None, vlan);
                self.link_layer(packet, macs, vlan, Kind::Ethertype(*ethertype), payload);
            }
            Layer::Llc { dsap, oui, pid, payload, .. } => {
                self.sent(packet, macs.0, None, vlan);
                let kind = match (oui, pid) {
                    (Some(oui), Some(pid)) => Kind::Snap(*oui, *pid),
                    _ => Kind::Llc(*dsap),
                };
                self.link_layer(packet, macs, vlan, kind, payload);
            }
            Layer::Unknown(name) => {
                self.sent(packet, macs.0, None, vlan);
                if frame.malformed.is_none() {
                    self.counters.unparsed(name);
                }
            }
        }
    }

    fn ip(
        &mut self,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        ip: &Ip<'_>,
        (source_mac, destination_mac): (Option<Mac>, Option<Mac>),
    ) {
        let vlan = frame.vlans.innermost();
        // Of a tunnel the MAC addresses belong to its ends, the inner addresses stand alone.
        let inner_mac = match frame.outer {
            Some((outer, _)) => {
                self.sent(packet, source_mac, Some(outer), vlan);
                None
            }
            None => source_mac,
        };
        self.sent(packet, inner_mac, Some(ip.source), vlan);
        let end = |mac: Option<Mac>, ip| Endpoint {
            mac: mac.filter(|_| frame.outer.is_none()),
            ip: Some(ip),
            port: None,
            vlan,
        };
        let ends = (end(source_mac, ip.source), end(destination_mac, ip.destination));
        let context = Context {
            at: packet.at,
            frame: packet.frame,
            from: ends.0,
            to: ends.1,
            peers: match frame.outer {
                Some((a, b)) => (Some(Address::Ip(a)), Some(Address::Ip(b))),
                None => (Some(Address::Ip(ip.source)), Some(Address::Ip(ip.destination))),
            },
            macs: (source_mac.map(Address::Mac), destination_mac.map(Address::Mac)),
            wire_len: packet.wire_len,
            missing: ip.missing,
        };
        if ip.routing_header.is_some_and(|kind| kind == 0) {
            self.violation(
                &context,
                "ipv6-routing-header-0",
                "deprecated source routing",
                "RFC 5095",
            );
        }
        if ip.fragment.is_none() {
            return self.transport(&context, ip.protocol, ip.payload);
        }
        if let Some(whole) = self.fragments.push(ip, packet.at) {
            self.transport(&context, ip.protocol, &whole);
        }
    }

    fn transport(&mut self, context: &Context, protocol: u8, payload: &[u8]) {
        match wire::transport(protocol, payload) {
            Transport::Tcp(tcp) => self.tcp(context, &tcp),
            Transport::Udp(udp) => {
                let context = context.with_ports(udp.source, udp.destination);
                let context = Context { missing: context.missing.max(udp.missing), ..context };
                self.datagram(&context, Kind::Udp, udp.payload);
            }
            Transport::Malformed(reason) if context.missing == 0 => {
                self.counters.unparsed(reason);
                self.violation(
                    context,
                    reason,
                    "a transport header that cannot be",
                    "RFC 9293, 3.1",
                );
            }
            Transport::Malformed(_) => self.counters.unparsed("cut-by-snap-length"),
            Transport::Icmp(icmp) | Transport::Icmpv6(icmp) => {
                self.icmp(context, protocol, &icmp);
            }
            Transport::Igmp { payload, .. } => {
                self.datagram(context, Kind::Ip(protocol), payload);
            }
            Transport::Other => self.datagram(context, Kind::Ip(protocol), payload),
        }
    }

    fn link_layer(
        &mut self,
        packet: &Packet<'_>,
        (source, destination): (Option<Mac>, Option<Mac>),
        vlan: Option<u16>,
        kind: Kind,
        payload: &[u8],
    ) {
        let end = |mac| Endpoint { mac, ip: None, port: None, vlan };
        let macs = (source.map(Address::Mac), destination.map(Address::Mac));
        let context = Context {
            at: packet.at,
            frame: packet.frame,
            from: end(source),
            to: end(destination),
            peers: macs,
            macs,
            wire_len: packet.wire_len,
            missing: (packet.wire_len as usize).saturating_sub(packet.data.len()),
        };
        if self.directory.is_carried(kind.carrier()) {
            self.datagram(&context, kind, payload);
        } else {
            let name = match kind {
                Kind::Ethertype(t) => format!("ethertype 0x{t:04x}"),
                Kind::Llc(sap) => format!("llc 0x{sap:02x}"),
                _ => "snap".to_owned(),
            };
            *self.counters.unidentified.entry(name).or_default() += 1;
        }
    }

    fn arp(&mut self, packet: &Packet<'_>, frame: &Frame<'_>, arp: &wire::Arp) {
        let (sender, target) = (Mac(arp.sender_mac), Mac(arp.target_mac));
        let vlan = frame.vlans.innermost();
        self.sent(packet, mac(frame.source_mac), None, vlan);
        self.out.clear();
        protocols::arp::observe(arp.opcode, (sender, arp.sender_ip), arp.target_ip, &mut self.out);
        let ip = |ip: IpAddr| Some(ip).filter(|ip| Address::Ip(*ip).is_host());
        let from = Endpoint { mac: Some(sender), ip: ip(arp.sender_ip), port: None, vlan };
        let to = Endpoint { mac: Some(target), ip: ip(arp.target_ip), port: None, vlan };
        let macs = (Some(Address::Mac(sender)), mac(frame.destination_mac).map(Address::Mac));
        let context = Context {
            at: packet.at,
            frame: packet.frame,
            from,
            to,
            peers: macs,
            macs,
            wire_len: packet.wire_len,
            missing: 0,
        };
        self.collect(&context, None, &[]);
    }

    fn sent(
        &mut self,
        packet: &Packet<'_>,
        mac: Option<Mac>,
        ip: Option<IpAddr>,
        vlan: Option<u16>,
    ) {
        let mac = mac.filter(|m| m.is_host());
        let ip = ip.filter(|ip| Address::Ip(*ip).is_host());
        if mac.is_none() && ip.is_none() {
            return;
        }
        let from = Endpoint { mac, ip, port: None, vlan };
        if self.senders.count(from, packet.wire_len, packet.at) {
            let context = Context::presence(packet, from);
            self.observe(&context, "wire", Detail::Presence, None);
        }
    }

    fn violation(
        &mut self,
        context: &Context,
        rule: &'static str,
        says: &'static str,
        section: &'static str,
    ) {
        let violation = model::Violation { rule, says, section };
        self.observe(context, "ip", Detail::Violation(violation), None);
    }

    pub(crate) fn observe(
        &mut self,
        context: &Context,
        protocol: &'static str,
        detail: Detail,
        excerpt: Option<model::Excerpt>,
    ) {
        let observation = Observation {
            at: context.at,
            frame: context.frame,
            protocol,
            from: context.from,
            to: context.to,
            detail,
            excerpt,
        };
        let event = Event::Observed(observation);
        self.events.push(Stamped { frame: context.frame, event });
    }

    /// Reports counters of conversations and senders, stamped with `frame`. Call at the same
    /// packets for every worker.
    pub fn tick(&mut self, frame: u64) {
        let mut events = Vec::new();
        let mut flows: Vec<&mut Flow> = self.flows.iter_mut().collect();
        flows.sort_unstable_by_key(|f| f.first_frame);
        for flow in flows {
            report(flow, frame, &mut events);
        }
        for sent in self.senders.drain() {
            events.push(Stamped { frame, event: Event::Sent(sent) });
        }
        self.events.append(&mut events);
    }

    /// Gives up holes still waited for and reports everything counted.
    pub fn finish(&mut self, frame: u64, at: Time) {
        self.give_up_holes(frame, at);
        self.tick(frame);
    }

    /// Events since the last call, in the order of frames.
    pub fn take_events(&mut self) -> Vec<Stamped> {
        std::mem::take(&mut self.events)
    }

    /// The counted messages; the worker counts none from here on.
    pub fn take_tally(&mut self) -> Messages {
        Messages(std::mem::take(&mut self.tally))
    }

    pub fn health(&self) -> Health {
        let mut health = Health {
            segments_lost: self.counters.segments_lost,
            bytes_lost: self.counters.bytes_lost,
            unidentified: self.counters.unidentified.clone(),
            ..Health::default()
        };
        let text = |(k, v): (&&'static str, &u64)| ((*k).to_owned(), *v);
        health.unparsed = self.counters.unparsed.iter().map(text).collect();
        health.limits = self.counters.limits.iter().map(text).collect();
        for (name, count) in [
            ("senders", self.senders.refused),
            ("tally-rows", self.tally.refused),
            ("fragmented-packets", self.fragments.evicted),
            ("fragment-overlaps", self.fragments.overlaps),
        ] {
            if count > 0 {
                health.limits.insert(name.to_owned(), count);
            }
        }
        health
    }

    pub(crate) fn retire(&mut self, mut flow: Flow, frame: u64) {
        self.buffered = self.buffered.saturating_sub(flow.buffered());
        count_unidentified(&flow, &mut self.counters);
        report(&mut flow, frame, &mut self.events);
    }

    /// Conversations whose protocol was never found, at the end.
    pub fn count_unidentified(&mut self) {
        let counters = &mut self.counters;
        for flow in self.flows.iter_mut() {
            count_unidentified(flow, counters);
        }
    }
}

fn count_unidentified(flow: &Flow, counters: &mut Counters) {
    let spoke = flow.halves.iter().any(|h| h.bytes > 0);
    if matches!(flow.identity, Identity::Unknown | Identity::Searching { .. }) && spoke {
        let name = match flow.server.port {
            Some(port) => format!("{}/{port}", flow.kind.transport()),
            None => flow.kind.transport().to_owned(),
        };
        *counters.unidentified.entry(name).or_default() += 1;
    }
}

/// Counted messages of one or more workers.
pub struct Messages(Tally);

impl Messages {
    pub fn merge(&mut self, other: Messages) {
        self.0.merge(other.0);
    }

    /// Group -> rows, sorted.
    pub fn into_rows(self) -> BTreeMap<&'static str, Vec<MessageRow>> {
        self.0.into_rows()
    }
}

/// Counters of a conversation since they were last reported.
fn report(flow: &mut Flow, frame: u64, events: &mut Vec<Stamped>) {
    let (client, server) = (flow.client, flow.server);
    let protocol = flow.protocol().unwrap_or(flow.kind.transport());
    let [up, down] = &mut flow.halves;
    if up.packets + down.packets > 0 {
        let exchange = Exchange {
            transport: flow.kind.transport(),
            first: flow.first,
            last: flow.last,
            packets_up: std::mem::take(&mut up.packets),
            packets_down: std::mem::take(&mut down.packets),
            bytes_up: std::mem::take(&mut up.bytes),
            bytes_down: std::mem::take(&mut down.bytes),
        };
        let observation = Observation {
            at: flow.last,
            frame: flow.first_frame,
            protocol,
            from: client,
            to: server,
            detail: Detail::Exchange(exchange),
            excerpt: None,
        };
        events.push(Stamped { frame, event: Event::Observed(observation) });
    }
    for repeat in flow.seen.drain() {
        let response = repeat.operation.direction == model::Direction::Response;
        let (from, to) = if response { (server, client) } else { (client, server) };
        let repeats = Repeats {
            from,
            to,
            protocol: repeat.protocol,
            operation: repeat.operation.clone(),
            count: std::mem::take(&mut repeat.count),
            last: repeat.last,
            period_ms: repeat.period_ms(),
        };
        events.push(Stamped { frame, event: Event::Repeated(repeats) });
    }
}

fn mac(octets: Option<[u8; 6]>) -> Option<Mac> {
    octets.map(Mac)
}

/// The same for both directions of a conversation and for fragments of its packets.
fn shard(frame: &Frame<'_>) -> u64 {
    let hasher = FixedState::with_seed(0x7368_6172_6400_0000);
    let pair = |a: u64, b: u64| a.wrapping_add(b).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    match &frame.layer {
        Layer::Ip(ip) => pair(hasher.hash_one(ip.source), hasher.hash_one(ip.destination)),
        Layer::Arp(arp) => pair(hasher.hash_one(arp.sender_mac), 0),
        _ => pair(hasher.hash_one(frame.source_mac), hasher.hash_one(frame.destination_mac)),
    }
}

/// Kept here so that both files of this module agree on it.
fn session(event: SessionEvent) -> Detail {
    Detail::Session(event)
}

fn new_flow(context: &Context, kind: Kind, sender_is_client: bool) -> Flow {
    let key = FlowKey::new(&context.from, &context.to, kind);
    let ends = (context.from, context.to, sender_is_client);
    Flow::new(key, kind, ends, (context.frame, context.at))
}

/// Which end of a conversation without a handshake serves, by its ports.
fn sender_is_client(directory: &Directory, context: &Context, kind: Kind) -> bool {
    let (Some(from), Some(to)) = (context.from.port, context.to.port) else { return true };
    let known = |port| directory.is_known_port(kind.carrier(), port);
    match (known(from), known(to)) {
        (true, false) => false,
        (false, true) => true,
        _ => from >= to,
    }
}

/// Sides as seen from a packet.
fn side_of(flow: &Flow, context: &Context, kind: Kind) -> Side {
    let (_, from_is_low) = FlowKey::new(&context.from, &context.to, kind);
    flow.side(from_is_low)
}
