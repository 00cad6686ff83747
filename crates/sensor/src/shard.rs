//! From a packet to events: decoding, conversations, reassembly, dissection.
//!
//! One shard reads the packets of its conversations from first to last. Not here: which packets
//! these are. Invariant: what comes out depends on the packets alone; time arrives with them.

mod collect;
mod context;
mod conversation;
mod datagram;
mod quoted;
mod reading;

use crate::{
    echoes::Echoes,
    event::{Event, Place, Repeats, Sends, Sent, Stamped},
    flow::{Flow, FlowTable, Foreign, Identity},
    fragments::Fragments,
    identify::Directory,
    limits::CLOCK_SET_BACK_NANOS,
    senders::{Senders, window},
    tally::{Counted, Cursor, Tally},
    transfers::Transfers,
    unnamed::{Heads, Unnamed},
    worker::{Packet, WorkerSettings},
};
use context::Context;
use model::{
    Address, Carrier, Detail, Endpoint, Exchange, Health, Mac, Observation, SessionEvent, Time,
};
use protocols::Output;
use std::{collections::BTreeMap, net::IpAddr};
use wire::{Frame, Ip, Layer, Transport};

/// Types of an echo request (RFC 792; RFC 4443, 4.1).
const ECHO: u8 = 8;
const ECHO_V6: u8 = 128;

pub(crate) struct Shard {
    settings: WorkerSettings,
    directory: Directory,
    /// Kind of the last frame that had a protocol.
    carried: Option<Carrier>,
    flows: FlowTable,
    fragments: Fragments,
    echoes: Echoes,
    transfers: Transfers,
    senders: Senders,
    tally: Tally,
    heads: Heads,
    /// Where the last message without a conversation was counted.
    counted: Cursor,
    out: Output,
    events: Vec<Stamped>,
    /// Where events said now belong within their frame.
    place: Place,
    counters: Counters,
    /// Octets buffered in all conversations, kept up to date with each packet.
    buffered: usize,
    /// Operations that may still be remembered.
    operations_room: usize,
}

/// Number of TCP in an IP header.
const TCP: u8 = 6;

/// What health is made of.
#[derive(Default)]
struct Counters {
    unparsed: BTreeMap<&'static str, u64>,
    limits: BTreeMap<&'static str, u64>,
    /// What carried it, and the server's port.
    unidentified: BTreeMap<(Carrier, Option<u16>), u64>,
    segments_lost: u64,
    bytes_lost: u64,
}

impl Counters {
    fn unparsed(&mut self, reason: &'static str) {
        *self.unparsed.entry(reason).or_default() += 1;
    }

    fn limit(&mut self, name: &'static str) {
        *self.limits.entry(name).or_default() += 1;
    }
}

impl Shard {
    pub(crate) fn new(settings: WorkerSettings) -> Self {
        let limits = settings.limits;
        let mut out = Output::new(settings.values);
        out.uncounted = !settings.tally;
        Shard {
            settings,
            directory: Directory::new(),
            carried: None,
            flows: FlowTable::new(limits.flows),
            fragments: Fragments::new(limits.fragmented, limits.fragmented_octets),
            echoes: Echoes::new(),
            transfers: Transfers::default(),
            senders: Senders::new(limits.senders),
            tally: Tally::new(limits.tally_rows),
            heads: Heads::new(settings.unnamed),
            counted: Cursor::default(),
            out,
            events: Vec::new(),
            place: Place::PACKET,
            counters: Counters::default(),
            buffered: 0,
            operations_room: limits.operations,
        }
    }

    /// Reads a packet and its frame; what it says goes to the end of `events`.
    #[inline]
    pub(crate) fn push(
        &mut self,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        events: &mut Vec<Stamped>,
    ) {
        std::mem::swap(&mut self.events, events);
        self.frame(packet, frame);
        std::mem::swap(&mut self.events, events);
    }

    fn frame(&mut self, packet: &Packet<'_>, frame: &Frame<'_>) {
        if let Some(reason) = frame.malformed {
            self.counters.unparsed(reason);
        }
        let macs = (frame.source_mac.map(Mac), frame.destination_mac.map(Mac));
        let vlan = frame.vlans.innermost();
        if let (Some(mac), false) = (frame.outer_source_mac, matches!(frame.layer, Layer::Ip(_))) {
            self.sent(packet, Some(Mac(mac)), frame.outer.map(|(from, _)| from), vlan);
        }
        match &frame.layer {
            Layer::Ip(ip) => self.ip(packet, frame, ip, macs),
            Layer::Arp(arp) => self.arp(packet, frame, arp),
            Layer::Ethernet { ethertype, payload } => {
                self.link_layer(packet, frame, Carrier::Ethertype(*ethertype), payload);
            }
            Layer::Llc { dsap, oui, pid, payload, .. } => {
                let carrier = match (oui, pid) {
                    (Some(oui), Some(pid)) => Carrier::Snap(*oui, *pid),
                    _ => Carrier::Llc(*dsap),
                };
                self.link_layer(packet, frame, carrier, payload);
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
        macs: (Option<Mac>, Option<Mac>),
    ) {
        let vlan = frame.vlans.innermost();
        // In a tunnel of frames the inner addresses belong together; in one of packets the MAC
        // addresses are those of its ends, and the inner addresses stand alone.
        let outer_ip = frame.outer.map(|(from, _)| from);
        let inner_macs = match (frame.outer_source_mac, outer_ip) {
            (Some(mac), outer) => {
                self.sent(packet, Some(Mac(mac)), outer, vlan);
                macs
            }
            (None, Some(outer)) => {
                self.sent(packet, macs.0, Some(outer), vlan);
                (None, None)
            }
            (None, None) => macs,
        };
        let end = |mac, ip| Endpoint { mac, ip: Some(ip), port: None, vlan };
        // A length beyond a frame that is whole is a lie: nobody takes its octets for received.
        let cut = (packet.wire_len as usize).saturating_sub(packet.data.len());
        let whole = ip.protocol == TCP && !frame.in_pieces;
        let missing = if whole { ip.missing.min(cut) } else { ip.missing };
        let mut context = Context {
            at: packet.at,
            frame: packet.frame,
            read_at: packet.frame,
            from: end(inner_macs.0, ip.source),
            to: end(inner_macs.1, ip.destination),
            outer: frame.outer,
            macs,
            wire_len: packet.wire_len,
            missing,
            hops: Some(ip.ttl),
            carrier: Some(Carrier::Ip(ip.protocol)),
            from_is_low: false,
            counted: false,
        };
        if ip.routing_header.is_some_and(|kind| kind == 0) {
            let says = "deprecated source routing";
            self.violation(&context, "ipv6-routing-header-0", says, "RFC 5095");
        }
        // A first piece that the capture cut cannot be put together with others: what is there of
        // it is read as the beginning of the whole.
        let cut = ip.missing > 0 && ip.fragment.is_some_and(|fragment| fragment.offset == 0);
        if ip.fragment.is_none() || cut {
            return self.transport(&mut context, ip.protocol, ip.payload);
        }
        self.sent(packet, inner_macs.0, Some(ip.source), vlan);
        context.counted = true;
        let whole = self.fragments.push(ip, packet.at);
        if let Some((rule, says)) = self.fragments.odd.take() {
            self.violation(&context, rule, says, "RFC 1858; RFC 5722");
        }
        if let Some(whole) = whole {
            self.extensions(&mut context, ip.protocol, &whole);
        }
    }

    /// What is odd in an echo message; ordinary ones say nothing.
    fn echo(&mut self, context: &Context, protocol: u8, icmp: &wire::Icmp<'_>) {
        self.out.clear();
        protocols::icmp::observe(protocol, icmp.kind, icmp.payload, &mut self.out);
        let echo = protocols::icmp::echo(protocol, icmp.kind, icmp.payload);
        if let (Some(echo), Some(from), Some(to), 0) =
            (echo, context.from.ip, context.to.ip, context.missing)
            && self.echoes.is_altered((from, to), &echo, context.at)
        {
            protocols::icmp::altered(icmp.kind, &mut self.out);
        }
        if !self.out.observed.is_empty() {
            self.collect(context, None, icmp.payload);
        }
    }

    /// Extension headers that were spread over fragments (RFC 8200, 4.5: behind the fragment
    /// header stands whatever was fragmented).
    fn extensions(&mut self, context: &mut Context, mut protocol: u8, mut payload: &[u8]) {
        const HEADERS_MAX: usize = 8;
        for _ in 0..HEADERS_MAX {
            let (0 | 43 | 60, [next, units, kind, ..]) = (protocol, payload) else { break };
            if protocol == 43 && *kind == 0 {
                let says = "deprecated source routing";
                self.violation(context, "ipv6-routing-header-0", says, "RFC 5095");
            }
            protocol = *next;
            payload = payload.get((usize::from(*units) + 1) * 8..).unwrap_or_default();
        }
        self.transport(context, protocol, payload);
    }

    fn transport(&mut self, context: &mut Context, protocol: u8, payload: &[u8]) {
        match wire::transport(protocol, payload) {
            Transport::Tcp(tcp) => {
                context.ports(tcp.source, tcp.destination);
                self.tcp(context, &tcp);
            }
            Transport::Udp(udp) => {
                context.ports(udp.source, udp.destination);
                context.missing = context.missing.max(udp.missing);
                self.datagram(context, Carrier::Udp, udp.payload);
            }
            Transport::Malformed(reason) => {
                self.sent_in(context);
                if context.missing > 0 {
                    return self.counters.unparsed("cut-by-snap-length");
                }
                self.counters.unparsed(reason);
                let says = "a transport header that cannot be";
                self.violation(context, reason, says, "RFC 9293, 3.1");
            }
            Transport::Icmp(icmp) => {
                let asks = icmp.kind == ECHO;
                self.payload(context, Carrier::Ip(protocol), icmp.payload, asks);
                self.quoted(context, &icmp, false);
                self.echo(context, protocol, &icmp);
            }
            Transport::Icmpv6(icmp) => {
                // The type tells what stands behind it, so it goes along.
                let asks = icmp.kind == ECHO_V6;
                self.payload(context, Carrier::Ip(protocol), payload, asks);
                self.quoted(context, &icmp, true);
                self.echo(context, protocol, &icmp);
            }
            Transport::Igmp { .. } => {
                self.datagram(context, Carrier::Ip(protocol), payload);
            }
            Transport::Other => self.datagram(context, Carrier::Ip(protocol), payload),
        }
    }

    fn link_layer(
        &mut self,
        packet: &Packet<'_>,
        frame: &Frame<'_>,
        carrier: Carrier,
        payload: &[u8],
    ) {
        let (source, destination) = (frame.source_mac.map(Mac), frame.destination_mac.map(Mac));
        let vlan = frame.vlans.innermost();
        let known = self.carried == Some(carrier);
        if !known && !self.directory.is_carried(carrier) {
            self.sent(packet, source, None, vlan);
            *self.counters.unidentified.entry((carrier, None)).or_default() += 1;
            return;
        }
        self.carried = Some(carrier);
        let end = |mac| Endpoint { mac, ip: None, port: None, vlan };
        let mut context = Context {
            at: packet.at,
            frame: packet.frame,
            read_at: packet.frame,
            from: end(source),
            to: end(destination),
            outer: frame.outer,
            macs: (source, destination),
            wire_len: packet.wire_len,
            missing: (packet.wire_len as usize).saturating_sub(packet.data.len()),
            hops: None,
            carrier: Some(carrier),
            from_is_low: false,
            counted: false,
        };
        self.datagram(&mut context, carrier, payload);
    }

    fn arp(&mut self, packet: &Packet<'_>, frame: &Frame<'_>, arp: &wire::Arp) {
        let (sender, target) = (Mac(arp.sender_mac), Mac(arp.target_mac));
        let vlan = frame.vlans.innermost();
        self.sent(packet, frame.source_mac.map(Mac), None, vlan);
        self.out.clear();
        protocols::arp::observe(arp.opcode, (sender, arp.sender_ip), arp.target_ip, &mut self.out);
        let ip = |ip: IpAddr| Some(ip).filter(|ip| Address::Ip(*ip).is_host());
        let context = Context {
            at: packet.at,
            frame: packet.frame,
            read_at: packet.frame,
            from: Endpoint { mac: Some(sender), ip: ip(arp.sender_ip), port: None, vlan },
            to: Endpoint { mac: Some(target), ip: ip(arp.target_ip), port: None, vlan },
            outer: None,
            macs: (Some(sender), frame.destination_mac.map(Mac)),
            wire_len: packet.wire_len,
            missing: 0,
            hops: None,
            carrier: Some(Carrier::Ethertype(0x0806)),
            from_is_low: false,
            counted: true,
        };
        self.collect(&context, None, &[]);
    }

    /// Counts a packet that belongs to no conversation.
    fn sent(
        &mut self,
        packet: &Packet<'_>,
        mac: Option<Mac>,
        ip: Option<IpAddr>,
        vlan: Option<u16>,
    ) {
        let end = Endpoint { mac, ip, port: None, vlan };
        let Some(from) = sender(&end) else { return };
        if self.senders.count(from, packet.wire_len, packet.at) {
            self.observe(&Context::presence(packet, from), "wire", Detail::Presence, None);
        }
    }

    fn sent_in(&mut self, context: &Context) {
        let Some(from) = sender(&context.from).filter(|_| !context.counted) else { return };
        if self.senders.count(from, context.wire_len, context.at) {
            self.present(context, from);
        }
    }

    fn present(&mut self, context: &Context, from: Endpoint) {
        let presence = Context { from, to: Endpoint::default(), ..*context };
        self.observe(&presence, "wire", Detail::Presence, None);
    }

    /// Counts a packet of a conversation, with its sender where that is not the conversation's.
    fn count(&mut self, at: u32, context: &Context) {
        let flow = self.flows.get(at);
        let side = context.side(flow);
        let end = flow.end(side);
        let own = end.mac == context.from.mac && end.vlan == context.from.vlan;
        let half = flow.half(side);
        let new = !half.seen;
        if new {
            (half.seen, half.first, half.last) = (true, context.at, context.at);
        } else if half.packets == 0 {
            half.first = context.at;
        }
        let new_here = new || !own && half.foreign.is_none();
        let says = new_here || window(context.at) > window(half.last);
        // Packets come a little out of order; far ahead was a clock that was set back since.
        let set_back = half.last.since(context.at) > CLOCK_SET_BACK_NANOS;
        half.last = if set_back { context.at } else { half.last.max(context.at) };
        half.packets += 1;
        half.bytes += u64::from(context.wire_len);
        if !own || context.counted {
            let foreign = half.foreign.get_or_insert_default();
            foreign.packets += 1;
            foreign.bytes += u64::from(context.wire_len);
            self.sent_in(context);
        } else if new
            && let Some(from) = sender(&context.from)
            && self.senders.note(from, context.at)
        {
            self.present(context, from);
        }
        if says {
            self.still_sends(at, context);
        }
    }

    /// Says now and then that the sender sends. Only who holds an IPv4 address matters.
    fn still_sends(&mut self, flow: u32, context: &Context) {
        let carrier = self.flows.get(flow).carrier();
        let Some(from) = sender(&context.from) else { return };
        let (Some(_), Some(IpAddr::V4(_))) = (from.mac, from.ip) else { return };
        // To many at once a packet goes as far as its sender means it to.
        let to_one = sender(&context.to).is_some_and(|to| to.mac.is_some() && to.ip.is_some());
        let hops =
            context.hops.filter(|_| to_one && matches!(carrier, Carrier::Tcp | Carrier::Udp));
        if self.senders.is_to_be_said(&from, context.at, hops) {
            let event = Event::Sends(Sends { from, at: context.at, hops });
            self.events.push(Stamped { frame: context.read_at, place: self.place, event });
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

    fn observe(
        &mut self,
        context: &Context,
        protocol: &'static str,
        detail: Detail,
        excerpt: Option<model::Excerpt>,
    ) {
        self.events.push(observed(context, self.place, (protocol, detail, excerpt)));
    }

    /// Conversations with packets since they were last reported: frames that began them, and
    /// their places.
    pub(crate) fn conversations(&mut self) -> impl Iterator<Item = (u64, u32)> {
        let flows = self.flows.iter_mut().zip(0..);
        flows.filter(|(flow, _)| is_untold(flow)).map(|(flow, at)| (flow.first_frame, at))
    }

    /// The same of those that have been silent for so many frames, each once.
    pub(crate) fn silent(&mut self, frame: u64, frames: u32) -> impl Iterator<Item = (u64, u32)> {
        let flows = &mut self.flows;
        let next = move || {
            let at = flows.next_silent(frame, frames)?;
            let flow = flows.get(at);
            Some(is_untold(flow).then_some((flow.first_frame, at)))
        };
        std::iter::from_fn(next).flatten()
    }

    /// Reports counters of a conversation, stamped with `frame`.
    pub(crate) fn report(&mut self, at: u32, frame: u64, events: &mut Vec<Stamped>) {
        let flow = self.flows.get(at);
        let place = Place::conversation(flow.first_frame);
        report(flow, (frame, place), &mut self.senders, events);
    }

    /// Reports counters of senders, stamped with `frame`, when those of conversations are.
    pub(crate) fn report_senders(&mut self, frame: u64, events: &mut Vec<Stamped>) {
        let stamped = |sent| Stamped { frame, place: Place::SENDER, event: Event::Sent(sent) };
        events.extend(self.senders.drain().into_iter().map(stamped));
    }

    /// Gives up holes still waited for, and counts conversations whose protocol was never found.
    pub(crate) fn give_up_holes(&mut self, frame: u64, at: Time, events: &mut Vec<Stamped>) {
        std::mem::swap(&mut self.events, events);
        self.give_up(frame, at);
        self.place = Place::PACKET;
        std::mem::swap(&mut self.events, events);
    }

    pub(crate) fn take_tally(&mut self) -> Counted {
        self.tally.take()
    }

    pub(crate) fn health(&self) -> Health {
        let mut health = Health {
            segments_lost: self.counters.segments_lost,
            bytes_lost: self.counters.bytes_lost,
            ..Health::default()
        };
        let text = |(k, v): (&&'static str, &u64)| ((*k).to_owned(), *v);
        health.unparsed = self.counters.unparsed.iter().map(text).collect();
        health.limits = self.counters.limits.iter().map(text).collect();
        for ((carrier, port), count) in &self.counters.unidentified {
            *health.unidentified.entry(carrier.shown(*port)).or_default() += count;
        }
        for (name, count) in [
            ("senders", self.senders.refused),
            ("tally-rows", self.tally.refused),
            ("unnamed-conversations", self.heads.refused),
            ("fragmented-packets", self.fragments.evicted),
            ("fragment-overlaps", self.fragments.overlaps),
            ("echo-requests", self.echoes.evicted),
            ("file-requests", self.transfers.evicted),
        ] {
            if count > 0 {
                health.limits.insert(name.to_owned(), count);
            }
        }
        health
    }

    /// A conversation leaves the table.
    fn retire(&mut self, mut flow: Flow, frame: u64) {
        self.buffered = self.buffered.saturating_sub(flow.buffered());
        self.operations_room += flow.seen.operations();
        count_unidentified(&flow, &mut self.counters);
        self.heads.end(&flow);
        report(&mut flow, (frame, self.place), &mut self.senders, &mut self.events);
    }

    /// A conversation of which nothing more will be heard.
    fn end(&mut self, at: u32) {
        let flow = self.flows.get(at);
        count_unidentified(flow, &mut self.counters);
        self.heads.end(flow);
    }

    pub(crate) fn take_unnamed(&mut self) -> Vec<Unnamed> {
        self.heads.take()
    }
}

/// What was said of the packet, as an event.
fn observed(
    context: &Context,
    place: Place,
    (protocol, detail, excerpt): (&'static str, Detail, Option<model::Excerpt>),
) -> Stamped {
    let event = Event::Observed(Observation {
        at: context.at,
        frame: context.frame,
        protocol,
        from: context.from,
        to: context.to,
        carrier: context.carrier,
        detail,
        excerpt,
    });
    Stamped { frame: context.read_at, place, event }
}

/// The end as a sender: without port, and without addresses that several have.
fn sender(end: &Endpoint) -> Option<Endpoint> {
    let mac = end.mac.filter(|m| m.is_host());
    let ip = end.ip.filter(|ip| Address::Ip(*ip).is_host());
    (mac.is_some() || ip.is_some()).then_some(Endpoint { mac, ip, port: None, vlan: end.vlan })
}

fn count_unidentified(flow: &Flow, counters: &mut Counters) {
    // ICMP and IGMP are the network's own business.
    let spoke =
        flow.halves.iter().any(|h| h.spoke) && !matches!(flow.carrier(), Carrier::Ip(1 | 2 | 58));
    if matches!(flow.identity, Identity::Unknown | Identity::Searching { .. }) && spoke {
        *counters.unidentified.entry((flow.carrier(), flow.server.port)).or_default() += 1;
    }
}

/// Has it packets since they were last reported?
fn is_untold(flow: &Flow) -> bool {
    flow.halves.iter().any(|half| half.packets > 0)
}

/// Counters of a conversation since they were last reported.
fn report(
    flow: &mut Flow,
    (frame, place): (u64, Place),
    senders: &mut Senders,
    events: &mut Vec<Stamped>,
) {
    let (client, server) = (flow.client, flow.server);
    let protocol = flow.protocol().unwrap_or(flow.carrier().transport());
    let (last, carrier) = (flow.last(), flow.carrier());
    for (half, end) in flow.halves.iter_mut().zip([&client, &server]) {
        let foreign = half.foreign.take().map_or_else(Foreign::default, |foreign| *foreign);
        let packets = half.packets.saturating_sub(foreign.packets);
        if let (Some(from), true) = (sender(end), packets > 0) {
            let bytes = half.bytes.saturating_sub(foreign.bytes);
            senders.add(Sent { from, packets, bytes, first: half.first, last: half.last });
        }
    }
    // What a server says by itself is of a link of its own until this is told.
    tell_repeats(flow, (frame, place), events);
    let [up, down] = &mut flow.halves;
    if up.packets + down.packets > 0 {
        let exchange = Exchange {
            transport: carrier.transport(),
            first: flow.first,
            last,
            packets_up: std::mem::take(&mut up.packets),
            packets_down: std::mem::take(&mut down.packets),
            bytes_up: std::mem::take(&mut up.bytes),
            bytes_down: std::mem::take(&mut down.bytes),
        };
        let observation = Observation {
            at: last,
            frame: flow.first_frame,
            protocol,
            from: client,
            to: server,
            carrier: Some(carrier),
            detail: Detail::Exchange(exchange),
            excerpt: None,
        };
        events.push(Stamped { frame, place, event: Event::Observed(observation) });
    }
}

/// What was asked again since it was last told.
fn tell_repeats(flow: &mut Flow, (frame, place): (u64, Place), events: &mut Vec<Stamped>) {
    let (client, server, client_is_low) = (flow.client, flow.server, flow.client_is_low);
    let carrier = flow.carrier();
    for repeat in flow.seen.drain() {
        let by_client = repeat.by_low == client_is_low;
        let (from, to) = if by_client { (client, server) } else { (server, client) };
        let repeats = Repeats {
            from,
            to,
            carrier,
            protocol: repeat.protocol,
            operation: repeat.operation.clone(),
            count: std::mem::take(&mut repeat.count),
            last: repeat.last,
            period_ms: repeat.period_ms(),
        };
        events.push(Stamped { frame, place, event: Event::Repeated(repeats) });
    }
}

/// Kept here so that both files of this module agree on it.
fn session(event: SessionEvent) -> Detail {
    Detail::Session(event)
}
