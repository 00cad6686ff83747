//! A packet within its conversation: handshakes, order, the protocol, its messages.
//!
//! Invariant: octets reach a dissector once and in order, and a hole is announced before what
//! stands behind it.

use super::{Context, Shard, observed, session, tell_repeats};
use crate::{
    event::{Event, Place, Stamped},
    flow::{Flow, FlowKey, Identity, Kind},
    identify::{Directory, Verdict},
    limits::{
        COMPLETED_OCTETS_MAX, COMPLETED_OCTETS_MIN, GIVE_UPS_MAX, PROBE_OCTETS_MAX,
        PROBE_TRIES_MAX, PROBE_TRIES_WITHOUT_BEGINNING_MAX,
    },
    sieve::Sifted,
    stream::{Arrival, Origin, Ready},
};
use model::{Detail, Direction, Excerpt, Observation, OperationClass, SessionEvent, Time};
use protocols::{Gap, Observed, Progress, Segment, Side};
use wire::Tcp;

impl Shard {
    pub(super) fn tcp(&mut self, context: &mut Context, tcp: &Tcp<'_>) {
        let (key, from_is_low) = FlowKey::new(&context.from, &context.to, Kind::Tcp);
        context.from_is_low = from_is_low;
        let context = &*context;
        let opening = is_opening(tcp);
        if opening && !tcp.ack() && is_own_answer(context) {
            let says = "a connection of an address and port with itself";
            self.violation(context, "tcp-land", says, "RFC 2827");
        }
        let at = match self.flows.find(&key) {
            Some(at) if opening && self.begins_anew(at, context, tcp) => {
                let flow = self.opened(context, key, tcp);
                let old = self.flows.replace(at, flow);
                self.retire(old, context.frame);
                self.count(at, context);
                self.attempted(context, tcp);
                at
            }
            Some(at) => {
                self.count(at, context);
                at
            }
            None => {
                let flow = self.opened(context, key, tcp);
                let at = self.insert(flow, context);
                self.attempted(context, tcp);
                at
            }
        };
        self.segment(at, context, tcp);
    }

    /// Puts a new conversation into the table and counts its first packet.
    pub(super) fn insert(&mut self, flow: Flow, context: &Context) -> u32 {
        let (at, evicted) = self.flows.insert(flow);
        if let Some(evicted) = evicted {
            self.counters.limit("flows");
            self.retire(evicted, context.frame);
        }
        self.count(at, context);
        at
    }

    /// A SYN on a known pair of ports that is no retransmission of the one seen.
    fn begins_anew(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>) -> bool {
        let flow = self.flows.get(at);
        let side = context.side(flow);
        let closed = flow.closed;
        let half = flow.half(side);
        let other_number = half.stream.is_begun() && !half.stream.began_at(tcp.sequence);
        !tcp.ack() && (other_number || (closed && half.seen))
    }

    fn opened(&self, context: &Context, key: FlowKey, tcp: &Tcp<'_>) -> Flow {
        let client = match (is_opening(tcp), tcp.ack()) {
            (true, false) => true,
            (true, true) => false,
            _ => sender_is_client(&self.directory, context, Kind::Tcp),
        };
        let mut flow = new_flow(context, key, client);
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
        let flow = self.flows.get(at);
        let before = flow.buffered();
        let side = context.side(flow);
        let half = flow.half(side);
        half.spoke |= !tcp.payload.is_empty();
        if is_opening(tcp) {
            if !half.stream.is_begun() {
                half.stream.begin(tcp.sequence);
            }
        } else if tcp.payload.is_empty() && !half.stream.is_begun() && tcp.ack() {
            // A bare acknowledgement tells where data will begin.
            half.stream.begin(tcp.sequence.wrapping_sub(1));
        }
        if tcp.ack() {
            flow.half(side.other()).stream.acknowledge(tcp.acknowledgement);
        }
        let first_answer = side == Side::Server && flow.syn && !flow.answered;
        if first_answer {
            flow.answered = true;
            let event = if tcp.rst() { SessionEvent::Refused } else { SessionEvent::Answered };
            self.observe(context, "tcp", session(event), None);
        }
        if !tcp.payload.is_empty() {
            let first = tcp.sequence.wrapping_add(u32::from(is_opening(tcp)));
            self.arrive(at, context, side, first, tcp.payload);
        }
        let flow = self.flows.get(at);
        if flow.halves.iter().any(|half| half.stream.is_holding()) {
            let back = context.sent_by(flow, context.side(flow).other());
            self.drain(at, context, false);
            self.drain(at, &back, false);
        }
        if tcp.fin() || tcp.rst() {
            let side = context.side(self.flows.get(at));
            self.close(at, context, tcp, side);
        }
        self.account(at, before);
    }

    fn arrive(&mut self, at: u32, context: &Context, side: Side, sequence: u32, bytes: &[u8]) {
        let half = self.flows.get(at).half(side);
        let (at_nanos, missing, outer) = (context.at.nanos(), context.missing, context.outer);
        match half.stream.arrive(sequence, bytes, Origin { at_nanos, missing, outer }) {
            Arrival::InOrder(old) => {
                let fresh = bytes.get(old..).unwrap_or_default();
                half.stream.advance(fresh.len());
                self.octets(at, context, side, fresh);
                self.cut_off(at, context);
            }
            Arrival::Repeated | Arrival::Early => {}
            Arrival::Elsewhere => {
                self.counters.segments_lost += 1;
                self.lose(at, side, None, 0);
                let half = self.flows.get(at).half(side);
                half.stream.begin(sequence.wrapping_sub(1));
                half.stream.advance(bytes.len());
                self.octets(at, context, side, bytes);
                self.cut_off(at, context);
            }
        }
    }

    /// Where the capture cut the end of this segment, how much there was is known, what it said
    /// is not.
    fn cut_off(&mut self, at: u32, context: &Context) {
        if context.missing > 0 {
            // Its octets may have told that the ends were taken the wrong way round.
            let side = context.side(self.flows.get(at));
            let filled = self.complete(at, context, side);
            self.flows.get(at).half(side).stream.advance(context.missing);
            self.lose(at, side, Some(context.missing as u64), filled as u64);
        }
    }

    /// Counts a message whose beginning is there and whose length is known, with zeros for what
    /// was cut off. Nothing is believed of it but that it was there. Says how many zeros were read.
    fn complete(&mut self, at: u32, context: &Context, side: Side) -> usize {
        let flow = self.flows.get(at);
        let kind = flow.kind();
        let half = flow.half(side);
        let (begun, needed) = (half.pending.len(), half.needed as usize);
        if begun < COMPLETED_OCTETS_MIN || !(begun..=COMPLETED_OCTETS_MAX).contains(&needed) {
            return 0;
        }
        let mut message = std::mem::take(&mut half.pending);
        message.resize(needed, 0);
        let Identity::Known { dissector, .. } = &mut flow.identity else { return 0 };
        self.out.clear();
        let filled = needed.saturating_sub(begun);
        let segment = Segment { filled, ..segment(context, side, kind, &message, false) };
        let progress = dissector.feed(segment, &mut self.out);
        if matches!(progress, Progress::Consumed(_)) {
            // Zeros where a number was may be a command nobody gave.
            self.out.observed.clear();
            self.collect(context, Some(at), &[]);
        }
        self.out.clear();
        message.truncate(begun);
        self.flows.get(at).half(side).pending = message;
        if progress == Progress::Consumed(needed) { filled } else { 0 }
    }

    /// Gives out early octets of the sender whose turn has come, and holes given up.
    fn drain(&mut self, at: u32, sender: &Context, last: bool) {
        let nanos = sender.at.nanos();
        loop {
            let flow = self.flows.get(at);
            let side = sender.side(flow);
            match flow.half(side).stream.ready(nanos, last) {
                Some(Ready::Bytes(bytes, Origin { missing, outer, .. })) => {
                    flow.half(side).stream.advance(bytes.len());
                    let sender = Context { missing, outer, ..*sender };
                    self.octets(at, &sender, side, &bytes);
                    self.cut_off(at, &sender);
                }
                Some(Ready::Gap(octets)) => {
                    self.counters.segments_lost += 1;
                    self.counters.bytes_lost += u64::from(octets);
                    self.lose(at, side, Some(u64::from(octets)), 0);
                }
                None => return,
            }
        }
    }

    /// Octets are lost, of which the dissector has read `filled` as zeros already.
    fn lose(&mut self, at: u32, side: Side, bytes: Option<u64>, filled: u64) {
        let flow = self.flows.get(at);
        let half = flow.half(side);
        half.skip = half.behind(bytes.unwrap_or(u64::MAX));
        half.pending.clear();
        half.needed = 0;
        half.after_gap = true;
        if let Identity::Known { dissector, .. } = &mut flow.identity {
            let bytes = bytes.map(|lost| lost.saturating_sub(filled));
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
        if self.buffered > self.settings.limits.buffered_octets {
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

    pub(super) fn give_up(&mut self, frame: u64, at: Time) {
        for index in 0..self.flows.len() as u32 {
            let flow = self.flows.get(index);
            if !flow.halves.iter().any(|half| half.stream.is_holding()) {
                self.end(index);
                continue;
            }
            self.place = Place::given_up(flow.first_frame);
            let (client, server) = (flow.client, flow.server);
            let context = Context {
                at,
                frame,
                from: client,
                to: server,
                outer: None,
                macs: (client.mac, server.mac),
                wire_len: 0,
                missing: 0,
                from_is_low: flow.client_is_low,
                counted: true,
            };
            let back = context.sent_by(flow, Side::Server);
            self.drain(index, &context, true);
            self.drain(index, &back, true);
            self.end(index);
        }
    }

    /// Octets of one direction, in order.
    fn octets(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8]) {
        let flow = self.flows.get(at);
        let bytes = bytes.get(flow.half(side).skipped(bytes.len())..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
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
        self.heads.see(flow, side, bytes);
        let mut head = std::mem::take(&mut flow.half(side).pending);
        let waiting = !head.is_empty();
        head.extend_from_slice(bytes);
        let keep = search(&self.directory, flow, side, &head, tries);
        // What waited may have been the octet of a keep-alive before the first message seen.
        if let (true, Identity::Searching { tries }) = (waiting, &flow.identity) {
            let tries = *tries;
            search(&self.directory, flow, side, bytes, tries);
            match flow.identity {
                Identity::Known { .. } => head = bytes.to_vec(),
                _ => flow.identity = Identity::Searching { tries },
            }
        }
        match flow.identity {
            Identity::Known { .. } => {
                // The other side may have spoken first and waited to be understood.
                let now = context.side(flow);
                let other = std::mem::take(&mut flow.half(now.other()).pending);
                if !other.is_empty() {
                    let back = context.sent_by(self.flows.get(at), now.other());
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
            if half.pending.len() < half.needed as usize {
                return self.bound_pending(at, side);
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
        self.bound_pending(at, side);
    }

    /// A message that waits for more than its conversation has room for is given up.
    fn bound_pending(&mut self, at: u32, side: Side) {
        let half = self.flows.get(at).half(side);
        if half.pending.len() > self.settings.limits.pending_octets {
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
            let kind = flow.kind();
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
                    half.needed = u32::try_from(needed).unwrap_or(u32::MAX);
                    return taken + consumed.min(rest.len());
                }
                Progress::GiveUp(why) => {
                    self.counters.unparsed(why.reason);
                    self.no_message(at, side);
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
    fn no_message(&mut self, at: u32, side: Side) {
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
        if !self.out.messages.is_empty() {
            let cursor = match at {
                Some(at) => &mut self.flows.get(at).counted,
                None => &mut self.counted,
            };
            for message in self.out.messages.iter_mut() {
                let peers = context.peers(message.group.ends);
                self.tally.count(message, &peers, cursor);
            }
            self.out.messages.clear();
        }
        for name in self.out.limits.drain(..) {
            self.counters.limit(name);
        }
        if let (Some(at), Some(refined)) = (at, self.out.refined) {
            self.flows.get(at).refined = Some(refined);
        }
        if !self.out.observed.is_empty() {
            self.collect_observed(context, at, bytes);
        }
    }

    fn collect_observed(&mut self, context: &Context, at: Option<u32>, bytes: &[u8]) {
        if context.missing > 0 {
            // What is short because the capture cut it breaks no rule.
            self.out.observed.retain(|seen| !matches!(seen.detail, Detail::Violation(_)));
        }
        if self.settings.values && self.out.observed.iter().any(is_value) {
            self.take_values(context);
        }
        let mut flow = at.map(|at| self.flows.get(at));
        // Most do not pass: none is moved before.
        for seen in &mut self.out.observed {
            if let Some(flow) = &mut flow {
                let said = (seen.protocol, context.at);
                match flow.seen.passes(&seen.detail, said, &mut self.operations_room) {
                    Sifted::Held => continue,
                    Sifted::Passes => {}
                    Sifted::Turns => {
                        tell_repeats(flow, (context.frame, self.place), &mut self.events);
                    }
                }
            }
            let wanted = self.settings.excerpts && is_evidence(&seen.detail);
            let excerpt = bytes.get(seen.span.clone()).filter(|b| wanted && !b.is_empty());
            let detail = std::mem::replace(&mut seen.detail, Detail::Presence);
            let said = (seen.protocol, detail, excerpt.map(Excerpt::new));
            self.events.push(observed(context, self.place, said));
        }
        self.out.observed.clear();
    }

    /// Process values of one feed: each is moved by the operation of its message, and belongs to
    /// who is written to or to who tells it.
    fn take_values(&mut self, context: &Context) {
        let out = &mut self.out;
        let operations: Vec<_> = out
            .observed
            .iter()
            .filter_map(|seen| match &seen.detail {
                Detail::Operation(operation) => {
                    Some((seen.span.start, operation.direction, operation.class))
                }
                _ => None,
            })
            .collect();
        for seen in out.observed.extract_if(.., |seen| is_value(seen)) {
            let of = operations.iter().find(|(start, ..)| *start == seen.span.start);
            let (direction, class) =
                of.map_or((Direction::Notice, OperationClass::Report), |(_, d, c)| (*d, *c));
            let event = Event::Valued {
                of_receiver: direction == Direction::Request,
                class,
                observation: Observation {
                    at: context.at,
                    frame: context.frame,
                    protocol: seen.protocol,
                    from: context.from,
                    to: context.to,
                    detail: seen.detail,
                    excerpt: None,
                },
            };
            self.events.push(Stamped { frame: context.frame, place: self.place, event });
        }
    }
}

fn is_value(seen: &Observed) -> bool {
    matches!(seen.detail, Detail::Value { .. })
}

/// Findings show the octets of what was asked, broken or logged on to, not of counters.
fn is_evidence(detail: &Detail) -> bool {
    !matches!(detail, Detail::Presence | Detail::Exchange(_) | Detail::Value { .. })
}

pub(super) fn new_flow(context: &Context, key: FlowKey, sender_is_client: bool) -> Flow {
    let ends = (context.from, context.to, sender_is_client);
    Flow::new((key, context.from_is_low), ends, (context.frame, context.at))
}

/// Which end of a conversation without a handshake serves, by its ports.
pub(super) fn sender_is_client(directory: &Directory, context: &Context, kind: Kind) -> bool {
    let (Some(from), Some(to)) = (context.from.port, context.to.port) else { return true };
    let known = |port| directory.is_known_port(kind.carrier(), port);
    match (known(from), known(to)) {
        (true, false) => false,
        (false, true) => true,
        _ => from >= to,
    }
}

/// A SYN that a TCP stack may send: with FIN or RST beside it, it opens nothing.
fn is_opening(tcp: &Tcp<'_>) -> bool {
    tcp.syn() && !tcp.fin() && !tcp.rst()
}

/// From an address and port to the same ones, which only made-up packets are.
fn is_own_answer(context: &Context) -> bool {
    let (from, to) = (&context.from, &context.to);
    let travels = from.ip.is_some_and(|ip| !ip.is_loopback());
    travels && (from.ip, from.port) == (to.ip, to.port)
}

pub(super) fn segment<'a>(
    context: &Context,
    from: Side,
    kind: Kind,
    bytes: &'a [u8],
    after_gap: bool,
) -> Segment<'a> {
    Segment {
        at: context.at,
        sender: context.from,
        receiver: context.to,
        after_gap,
        missing: context.missing,
        ..Segment::of(bytes, from, kind.carrier())
    }
}

/// Looks for the protocol of a conversation in the first octets of one direction.
/// Says whether the octets must be kept for another look.
pub(super) fn search(
    directory: &Directory,
    flow: &mut Flow,
    side: Side,
    head: &[u8],
    tries: u8,
) -> bool {
    // A stream is tried from each side: one may be in the middle of a long message while the
    // other begins one.
    let stream = flow.kind() == Kind::Tcp;
    let most = match flow.client_certain || !stream {
        true => PROBE_TRIES_MAX,
        false => PROBE_TRIES_WITHOUT_BEGINNING_MAX,
    };
    if stream && flow.half(side).tries >= most {
        return false;
    }
    let carrier = flow.kind().carrier();
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
        Verdict::Nothing => {
            let half = flow.half(side);
            half.tries = half.tries.saturating_add(1);
            half.pending.clear();
            let tried = match flow.kind() {
                Kind::Tcp => flow.halves.iter().all(|half| half.tries >= most),
                Kind::Udp => tries + 1 >= most,
                // What a frame carries is one of few, and two hosts may speak several of them.
                _ => false,
            };
            flow.identity = match tried {
                true => Identity::Unknown,
                false => Identity::Searching { tries: tries.saturating_add(1) },
            };
        }
    }
    false
}
