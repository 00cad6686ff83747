//! A packet within its conversation: handshakes, order, the protocol, its messages.
//!
//! Invariant: octets reach a dissector once and in order, and a hole is announced before what
//! stands behind it.

use super::{Worker, new_flow, sender_is_client, session, side_of};
use crate::{
    flow::{Flow, FlowKey, Identity, Kind},
    identify::{Directory, Verdict},
    limits::{
        BUFFERED_OCTETS_MAX, GIVE_UPS_MAX, PENDING_OCTETS_MAX, PROBE_OCTETS_MAX, PROBE_TRIES_MAX,
    },
    stream::{Arrival, Ready},
};
use model::{Address, Endpoint, Excerpt, SessionEvent, Time};
use protocols::{Gap, Output, Progress, Segment, Side};
use wire::{Icmp, Tcp};

/// What is known of the packet being read.
#[derive(Clone, Copy)]
pub(crate) struct Context {
    pub(crate) at: Time,
    pub(crate) frame: u64,
    pub(crate) from: Endpoint,
    pub(crate) to: Endpoint,
    /// Outermost addresses, for counts of messages.
    pub(crate) peers: (Option<Address>, Option<Address>),
    pub(crate) macs: (Option<Address>, Option<Address>),
    pub(crate) wire_len: u32,
    pub(crate) missing: usize,
}

impl Context {
    pub(crate) fn with_ports(&self, from: u16, to: u16) -> Context {
        let mut context = *self;
        context.from.port = Some(from);
        context.to.port = Some(to);
        context
    }

    pub(crate) fn presence(packet: &super::Packet<'_>, from: Endpoint) -> Context {
        Context {
            at: packet.at,
            frame: packet.frame,
            from,
            to: Endpoint::default(),
            peers: (None, None),
            macs: (None, None),
            wire_len: packet.wire_len,
            missing: 0,
        }
    }
}

impl Worker {
    pub(super) fn tcp(&mut self, context: &Context, tcp: &Tcp<'_>) {
        let context = &context.with_ports(tcp.source, tcp.destination);
        let (key, _) = FlowKey::new(&context.from, &context.to, Kind::Tcp);
        let opening = is_opening(tcp);
        let known = self.flows.find(&key);
        let at = match known {
            Some(at) if opening && self.begins_anew(at, context, tcp) => {
                let flow = self.opened(context, tcp);
                let old = self.flows.replace(at, flow);
                self.retire(old, context.frame);
                self.attempted(context, tcp);
                at
            }
            Some(at) => at,
            None => {
                let flow = self.opened(context, tcp);
                let (at, evicted) = self.flows.insert(flow);
                if let Some(evicted) = evicted {
                    self.counters.limit("flows");
                    self.retire(evicted, context.frame);
                }
                self.attempted(context, tcp);
                at
            }
        };
        self.segment(at, context, tcp);
    }

    /// A SYN on a known pair of ports that is no retransmission of the one seen.
    fn begins_anew(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>) -> bool {
        let flow = self.flows.get(at);
        let side = side_of(flow, context, Kind::Tcp);
        let closed = flow.closed;
        let half = flow.half(side);
        let other_number = half.stream.is_begun() && !half.stream.began_at(tcp.sequence);
        !tcp.ack() && (other_number || (closed && half.packets + half.bytes > 0))
    }

    fn opened(&self, context: &Context, tcp: &Tcp<'_>) -> Flow {
        let client = match (is_opening(tcp), tcp.ack()) {
            (true, false) => true,
            (true, true) => false,
            _ => sender_is_client(&self.directory, context, Kind::Tcp),
        };
        let mut flow = new_flow(context, Kind::Tcp, client);
        flow.client_certain = is_opening(tcp);
        flow.syn = is_opening(tcp) && !tcp.ack();
        flow
    }

    fn attempted(&mut self, context: &Context, tcp: &Tcp<'_>) {
        let syn = is_opening(tcp) && !tcp.ack();
        if syn {
            self.observe(context, "tcp", session(SessionEvent::Attempted { syn }), None);
        }
    }

    fn segment(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>) {
        let before = self.flows.get(at).buffered();
        let flow = self.flows.get(at);
        let side = side_of(flow, context, Kind::Tcp);
        flow.last = flow.last.max(context.at);
        let half = flow.half(side);
        half.packets += 1;
        half.bytes += u64::from(context.wire_len);
        half.seen = true;
        if is_opening(tcp) {
            if !half.stream.is_begun() {
                half.stream.begin(tcp.sequence);
            }
        } else if tcp.payload.is_empty() && !half.stream.is_begun() && tcp.ack() {
            // A bare acknowledgement tells where data will begin.
            half.stream.begin(tcp.sequence.wrapping_sub(1));
        }
        let answered = side == Side::Server && flow.syn && !flow.answered && !tcp.rst();
        let refused = side == Side::Server && flow.syn && !flow.answered && tcp.rst();
        flow.answered |= answered || refused;
        if answered {
            self.observe(context, "tcp", session(SessionEvent::Answered), None);
        } else if refused {
            self.observe(context, "tcp", session(SessionEvent::Refused), None);
        }
        if tcp.ack() {
            self.flows.get(at).half(side.other()).stream.acknowledge(tcp.acknowledgement);
        }
        if !tcp.payload.is_empty() {
            let first = tcp.sequence.wrapping_add(u32::from(is_opening(tcp)));
            self.arrive(at, context, side, first, tcp.payload);
        }
        let side = side_of(self.flows.get(at), context, Kind::Tcp);
        self.drain(at, context, side, false);
        self.drain(at, context, side.other(), false);
        self.close(at, context, tcp, side);
        self.account(at, before);
    }

    fn arrive(&mut self, at: u32, context: &Context, side: Side, sequence: u32, bytes: &[u8]) {
        let half = self.flows.get(at).half(side);
        match half.stream.arrive(sequence, bytes, context.at.nanos()) {
            Arrival::InOrder(old) => {
                let fresh = bytes.get(old..).unwrap_or_default();
                half.stream.advance(fresh.len());
                self.octets(at, context, side, fresh);
            }
            Arrival::Repeated | Arrival::Early => {}
            Arrival::Elsewhere => {
                self.counters.segments_lost += 1;
                self.lose(at, side, None);
                let half = self.flows.get(at).half(side);
                half.stream.begin(sequence.wrapping_sub(1));
                half.stream.advance(bytes.len());
                self.octets(at, context, side, bytes);
            }
        }
    }

    /// Gives out early octets whose turn has come, and holes given up.
    fn drain(&mut self, at: u32, context: &Context, side: Side, last: bool) {
        let nanos = context.at.nanos();
        while let Some(ready) = self.flows.get(at).half(side).stream.ready(nanos, last) {
            match ready {
                Ready::Bytes(bytes) => {
                    self.flows.get(at).half(side).stream.advance(bytes.len());
                    let sender = sent_by(self.flows.get(at), context, side);
                    self.octets(at, &sender, side, &bytes);
                }
                Ready::Gap(octets) => {
                    self.counters.segments_lost += 1;
                    self.counters.bytes_lost += u64::from(octets);
                    self.lose(at, side, Some(u64::from(octets)));
                }
            }
        }
    }

    fn lose(&mut self, at: u32, side: Side, bytes: Option<u64>) {
        let flow = self.flows.get(at);
        let half = flow.half(side);
        half.pending.clear();
        half.needed = 0;
        half.after_gap = true;
        if let Identity::Known { dissector, .. } = &mut flow.identity {
            dissector.gap(Gap { from: side, bytes });
        }
    }

    fn close(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>, side: Side) {
        let flow = self.flows.get(at);
        flow.half(side).finished |= tcp.fin();
        let both = flow.halves.iter().all(|h| h.finished);
        if (tcp.rst() || both) && !flow.closed {
            flow.closed = true;
            if flow.client_certain {
                self.observe(context, "tcp", session(SessionEvent::Closed), None);
            }
        }
    }

    /// Keeps the sum of buffered octets and its bound.
    fn account(&mut self, at: u32, before: usize) {
        let now = self.flows.get(at).buffered();
        self.buffered = (self.buffered + now).saturating_sub(before);
        if self.buffered > BUFFERED_OCTETS_MAX {
            self.counters.limit("buffered-octets");
            let flow = self.flows.get(at);
            for side in [Side::Client, Side::Server] {
                let half = flow.half(side);
                half.pending = Vec::new();
                half.stream = Default::default();
                half.after_gap = true;
            }
            self.buffered = self.buffered.saturating_sub(now);
        }
    }

    pub(super) fn give_up_holes(&mut self, frame: u64, at: Time) {
        for index in 0..self.flows.len() as u32 {
            let flow = self.flows.get(index);
            if flow.kind != Kind::Tcp {
                continue;
            }
            let (client, server) = (flow.client, flow.server);
            for side in [Side::Client, Side::Server] {
                let ends = if side == Side::Client { (client, server) } else { (server, client) };
                let context = Context {
                    at,
                    frame,
                    from: ends.0,
                    to: ends.1,
                    peers: (ends.0.address(), ends.1.address()),
                    macs: (ends.0.mac.map(Address::Mac), ends.1.mac.map(Address::Mac)),
                    wire_len: 0,
                    missing: 0,
                };
                self.drain(index, &context, side, true);
            }
        }
    }

    pub(super) fn icmp(&mut self, context: &Context, protocol: u8, icmp: &Icmp<'_>) {
        self.datagram(context, Kind::Ip(protocol), icmp.payload);
    }

    /// A datagram or a frame's payload: one message or several, never a part of one.
    pub(super) fn datagram(&mut self, context: &Context, kind: Kind, payload: &[u8]) {
        let (key, _) = FlowKey::new(&context.from, &context.to, kind);
        let at = match self.flows.find(&key) {
            Some(at) => at,
            None => {
                let client = sender_is_client(&self.directory, context, kind);
                let (at, evicted) = self.flows.insert(new_flow(context, kind, client));
                if let Some(evicted) = evicted {
                    self.counters.limit("flows");
                    self.retire(evicted, context.frame);
                }
                let attempted = session(SessionEvent::Attempted { syn: false });
                self.observe(context, kind.transport(), attempted, None);
                at
            }
        };
        let flow = self.flows.get(at);
        let side = side_of(flow, context, kind);
        flow.last = flow.last.max(context.at);
        let half = flow.half(side);
        half.packets += 1;
        half.bytes += u64::from(context.wire_len);
        half.seen = true;
        if flow.halves.iter().all(|h| h.seen) && !flow.answered {
            flow.answered = true;
            self.observe(context, kind.transport(), session(SessionEvent::Answered), None);
        }
        if payload.is_empty() {
            return;
        }
        let flow = self.flows.get(at);
        if let Identity::Searching { tries } = flow.identity {
            search(&self.directory, flow, side, payload, tries);
        }
        let side = side_of(self.flows.get(at), context, kind);
        self.feed_whole(at, context, side, payload);
    }

    fn feed_whole(&mut self, at: u32, context: &Context, side: Side, payload: &[u8]) {
        let flow = self.flows.get(at);
        let Identity::Known { dissector, .. } = &mut flow.identity else { return };
        self.out.clear();
        let segment = segment(context, side, flow.kind, payload, false);
        match dissector.feed(segment, &mut self.out) {
            Progress::GiveUp(why) => self.counters.unparsed(why.reason),
            Progress::Consumed(_) | Progress::NeedMore { .. } => {}
        }
        self.collect(context, Some(at), payload);
    }

    /// Octets of one direction, in order.
    fn octets(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let flow = self.flows.get(at);
        match &flow.identity {
            Identity::Known { .. } => self.read(at, context, side, bytes),
            Identity::Searching { tries } => {
                let tries = *tries;
                self.search_stream(at, context, side, bytes, tries);
            }
            Identity::Failed { .. } | Identity::Unknown => {}
        }
    }

    fn search_stream(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8], tries: u8) {
        let flow = self.flows.get(at);
        let mut head = std::mem::take(&mut flow.half(side).pending);
        head.extend_from_slice(bytes);
        let keep = search(&self.directory, flow, side, &head, tries);
        match flow.identity {
            Identity::Known { .. } => {
                // The other side may have spoken first and waited to be understood.
                let now = side_of(flow, context, Kind::Tcp);
                let other = std::mem::take(&mut flow.half(now.other()).pending);
                if !other.is_empty() {
                    let back = sent_by(self.flows.get(at), context, now.other());
                    self.read(at, &back, now.other(), &other);
                }
                self.read(at, context, now, &head);
            }
            Identity::Searching { .. } if keep && head.len() <= PROBE_OCTETS_MAX => {
                flow.half(side).pending = head;
            }
            Identity::Searching { .. } if keep => self.counters.limit("probe-octets"),
            _ => {}
        }
    }

    /// Feeds a dissector what it has not consumed yet and `bytes` behind it.
    fn read(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8]) {
        let flow = self.flows.get(at);
        let half = flow.half(side);
        if half.pending.is_empty() {
            let taken = self.read_some(at, context, side, bytes);
            let rest = bytes.get(taken..).unwrap_or_default();
            self.flows.get(at).half(side).pending.extend_from_slice(rest);
        } else {
            half.pending.extend_from_slice(bytes);
            if half.pending.len() < half.needed {
                return;
            }
            let mut pending = std::mem::take(&mut half.pending);
            let taken = self.read_some(at, context, side, &pending);
            if taken >= pending.len() {
                pending.clear();
                pending.shrink_to(4_096);
            } else {
                pending.drain(..taken);
            }
            self.flows.get(at).half(side).pending = pending;
        }
        let half = self.flows.get(at).half(side);
        if half.pending.len() > PENDING_OCTETS_MAX {
            half.pending = Vec::new();
            half.needed = 0;
            half.after_gap = true;
            self.counters.limit("pending-octets");
        }
    }

    /// Calls the dissector until it needs more; returns the octets it took.
    fn read_some(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let flow = self.flows.get(at);
            let kind = flow.kind;
            let half = flow.half(side);
            half.needed = 0;
            let after_gap = std::mem::take(&mut half.after_gap);
            let Identity::Known { dissector, .. } = &mut flow.identity else {
                return bytes.len();
            };
            self.out.clear();
            let segment = segment(context, side, kind, rest, after_gap);
            let progress = dissector.feed(segment, &mut self.out);
            self.collect(context, Some(at), rest);
            let consumed = match progress {
                Progress::Consumed(count) => count.min(rest.len()),
                Progress::NeedMore { consumed, needed } => {
                    let half = self.flows.get(at).half(side);
                    half.needed = needed;
                    return taken + consumed.min(rest.len());
                }
                Progress::GiveUp(why) => {
                    self.counters.unparsed(why.reason);
                    self.give_up(at, side);
                    return bytes.len();
                }
            };
            if consumed > 0 {
                self.flows.get(at).give_ups = 0;
            }
            taken += consumed;
            if consumed == 0 || taken >= bytes.len() {
                return taken;
            }
        }
    }

    /// Octets that are no message: the next segment may begin with one again, but not for ever.
    fn give_up(&mut self, at: u32, side: Side) {
        let flow = self.flows.get(at);
        flow.give_ups += 1;
        let half = flow.half(side);
        half.needed = 0;
        half.after_gap = true;
        if let Identity::Known { about, dissector } = &mut flow.identity {
            if flow.give_ups >= GIVE_UPS_MAX {
                flow.identity = Identity::Failed { about };
            } else {
                dissector.gap(Gap { from: side, bytes: None });
            }
        }
    }

    /// Takes what a dissector put into the output: counts, observations, limits.
    pub(super) fn collect(&mut self, context: &Context, at: Option<u32>, bytes: &[u8]) {
        let mut out = std::mem::take(&mut self.out);
        if self.settings.tally {
            for message in out.messages.drain(..) {
                let mac_pair = message.group.ends == protocols::Ends::MacPair;
                let (a, b) = if mac_pair { context.macs } else { context.peers };
                let peers = match message.group.ends {
                    protocols::Ends::Pair | protocols::Ends::MacPair => (a, b),
                    protocols::Ends::Source => (a, None),
                    protocols::Ends::None => (None, None),
                };
                self.tally.count(message, peers);
            }
        }
        for name in out.limits.drain(..) {
            self.counters.limit(name);
        }
        if let (Some(at), Some(refined)) = (at, out.refined) {
            self.flows.get(at).refined = Some(refined);
        }
        self.collect_observed(context, at, bytes, &mut out);
        self.out = out;
    }

    fn collect_observed(
        &mut self,
        context: &Context,
        at: Option<u32>,
        bytes: &[u8],
        out: &mut Output,
    ) {
        for seen in out.observed.drain(..) {
            if let Some(at) = at {
                let flow = self.flows.get(at);
                if !flow.seen.passes(&seen.detail, seen.protocol, context.at) {
                    continue;
                }
            }
            let wanted = self.settings.excerpts;
            let excerpt = bytes.get(seen.span.clone()).filter(|b| wanted && !b.is_empty());
            self.observe(context, seen.protocol, seen.detail, excerpt.map(Excerpt::new));
        }
    }
}

/// A SYN that a TCP stack may send: with FIN or RST beside it, it opens nothing.
fn is_opening(tcp: &Tcp<'_>) -> bool {
    tcp.syn() && !tcp.fin() && !tcp.rst()
}

fn segment<'a>(
    context: &Context,
    from: Side,
    kind: Kind,
    bytes: &'a [u8],
    after_gap: bool,
) -> Segment<'a> {
    Segment {
        bytes,
        from,
        at: context.at,
        carrier: kind.carrier(),
        sender: context.from,
        receiver: context.to,
        after_gap,
        missing: context.missing,
    }
}

/// Looks for the protocol of a conversation in the first octets of one direction.
/// Says whether the octets must be kept for another look.
fn search(directory: &Directory, flow: &mut Flow, side: Side, head: &[u8], tries: u8) -> bool {
    let carrier = flow.kind.carrier();
    let ports = [flow.server.port, flow.client.port].map(Option::unwrap_or_default);
    match directory.ask(head, carrier, ports, side) {
        Verdict::Is(protocol, sender) => {
            let wrong = sender.is_some_and(|sender| sender != side);
            if wrong && !flow.client_certain {
                flow.swap();
            }
            let (about, dissector) = (protocol.about(), protocol.open());
            flow.identity = Identity::Known { about, dissector };
        }
        Verdict::NeedMore => return true,
        Verdict::Nothing if tries + 1 >= PROBE_TRIES_MAX => flow.identity = Identity::Unknown,
        Verdict::Nothing => {
            flow.identity = Identity::Searching { tries: tries + 1 };
            flow.half(side).pending.clear();
        }
    }
    false
}

/// The context of octets that `side` sent earlier and that are read only at this packet.
fn sent_by(flow: &Flow, context: &Context, side: Side) -> Context {
    if side_of(flow, context, flow.kind) == side {
        return *context;
    }
    let (a, b) = context.peers;
    let (c, d) = context.macs;
    Context { from: context.to, to: context.from, peers: (b, a), macs: (d, c), ..*context }
}
