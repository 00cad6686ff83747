//! A TCP segment within its conversation: handshakes, order, what was lost.
//!
//! Not here: what the octets say ([`super::reading`]). Invariant: octets reach a dissector once and
//! in order, and a hole is announced before what stands behind it.

use super::{Context, Shard, reading::segment, session};
use crate::{
    event::Place,
    flow::{Flow, FlowKey, Identity},
    identify::Directory,
    limits::COMPLETED_OCTETS_MAX,
    stream::{Arrival, Origin, Ready},
};
use model::{Address, Carrier, Endpoint, Mac, SessionEvent, Time};
use protocols::{Gap, Progress, Segment, Side};
use wire::Tcp;

impl Shard {
    pub(super) fn tcp(&mut self, context: &mut Context, tcp: &Tcp<'_>) {
        let (key, from_is_low) = FlowKey::new(&context.from, &context.to, Carrier::Tcp);
        (context.carrier, context.from_is_low) = (Some(Carrier::Tcp), from_is_low);
        let context = &*context;
        let opening = is_opening(tcp);
        if opening && !tcp.ack() && is_own_answer(context) {
            let says = "a connection of an address and port with itself";
            self.violation(context, "tcp-land", says, "RFC 2827");
        }
        let at = match self.flows.find(&key, context.read_at) {
            Some(at) if opening && self.begins_anew(at, context, tcp) => {
                let (waits, told) = self.is_to_be_answered(at, context, tcp);
                if !waits {
                    let flow = self.opened(context, key, tcp);
                    self.replace(at, flow, context);
                }
                self.count(at, context);
                if !told {
                    self.attempted(context, tcp);
                }
                if waits {
                    return;
                }
                at
            }
            Some(at) if self.answers_anew(at, context, tcp) => {
                let flow = self.flows.get(at);
                let opener = context.sent_by(flow, context.side(flow).other());
                let mut flow = new_flow(&opener, key, true);
                (flow.client_certain, flow.syn) = (true, true);
                let client = flow.half(Side::Client);
                client.stream.begin(tcp.acknowledgement.wrapping_sub(1));
                (client.seen, client.first, client.last) = (true, context.at, context.at);
                self.replace(at, flow, context);
                self.count(at, context);
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

    /// Where the other end is seen as well, a SYN counts when that end says so: everybody can send
    /// one, and an end that has a connection goes on with it (RFC 9293, 3.10.7.4; RFC 5961, 4).
    /// Says whether this one has to wait for that, and whether it came before.
    fn is_to_be_answered(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>) -> (bool, bool) {
        let flow = self.flows.get(at);
        let side = context.side(flow);
        if !flow.half(side.other()).seen {
            return (false, false);
        }
        let before = flow.opening.replace((side, tcp.sequence));
        (true, before == Some((side, tcp.sequence)))
    }

    /// Does this end answer a SYN that would begin the conversation anew?
    fn answers_anew(&mut self, at: u32, context: &Context, tcp: &Tcp<'_>) -> bool {
        let flow = self.flows.get(at);
        let other = context.side(flow).other();
        let asked = flow.opening.filter(|(side, _)| *side == other);
        tcp.ack() && asked.is_some_and(|(_, number)| tcp.acknowledgement == number.wrapping_add(1))
    }

    fn replace(&mut self, at: u32, flow: Flow, context: &Context) {
        let old = self.flows.replace(at, flow);
        self.retire(old, context.frame);
    }

    fn opened(&self, context: &Context, key: FlowKey, tcp: &Tcp<'_>) -> Flow {
        let client = match (is_opening(tcp), tcp.ack()) {
            (true, false) => true,
            (true, true) => false,
            _ => sender_is_client(&self.directory, context, Carrier::Tcp),
        };
        let mut flow = new_flow(context, key, client);
        flow.client_certain = is_opening(tcp);
        flow.syn = is_opening(tcp) && !tcp.ack();
        flow
    }

    fn attempted(&mut self, context: &Context, tcp: &Tcp<'_>) {
        let syn = is_opening(tcp) && !tcp.ack();
        // Whoever sends nothing, or FIN alone, to a port looks at what comes back.
        if syn || is_probe(tcp) {
            let attempted = SessionEvent::Attempted { syn: true };
            self.observe(context, "tcp", session(attempted), None);
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
        let answers = !tcp.payload.is_empty();
        let mut asked_first = false;
        if tcp.ack() {
            let other = &mut flow.half(side.other()).stream;
            other.acknowledge(tcp.acknowledgement, answers);
            asked_first = answers && other.is_holding();
        }
        let first_answer = side == Side::Server && flow.syn && !flow.answered;
        if first_answer {
            flow.answered = true;
            let event = if tcp.rst() { SessionEvent::Refused } else { SessionEvent::Answered };
            self.observe(context, "tcp", session(event), None);
        }
        if asked_first {
            let flow = self.flows.get(at);
            let back = context.sent_by(flow, context.side(flow).other());
            self.drain(at, &back, false);
        }
        if answers {
            let side = context.side(self.flows.get(at));
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
        let (at_nanos, frame) = (context.at.nanos(), context.frame);
        let (missing, outer) = (context.missing, context.outer);
        let macs = (context.from.mac, context.to.mac);
        let origin = Origin { at_nanos, frame, missing, outer, macs };
        match half.stream.arrive(sequence, bytes, origin) {
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
        let carrier = flow.carrier();
        let half = flow.half(side);
        let (begun, needed) = (half.pending.len(), half.needed as usize);
        let Identity::Known { dissector, .. } = &mut flow.identity else { return 0 };
        if begun < dissector.counted_by() || !(begun..=COMPLETED_OCTETS_MAX).contains(&needed) {
            return 0;
        }
        let half = &mut flow.halves[side as usize];
        let mut message = std::mem::take(&mut half.pending);
        message.resize(needed, 0);
        self.out.clear();
        let filled = needed.saturating_sub(begun);
        let segment = Segment { filled, ..segment(context, side, carrier, &message, false) };
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
                Some(Ready::Bytes(bytes, Origin { at_nanos, frame, missing, outer, macs })) => {
                    flow.half(side).stream.advance(bytes.len());
                    let at_time = Time::from_nanos(at_nanos);
                    let from = Endpoint { mac: macs.0, ..sender.from };
                    let to = Endpoint { mac: macs.1, ..sender.to };
                    let sender =
                        Context { at: at_time, frame, missing, outer, from, to, ..*sender };
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
                read_at: frame,
                from: client,
                to: server,
                outer: None,
                macs: (client.mac, server.mac),
                wire_len: 0,
                missing: 0,
                hops: None,
                carrier: Some(Carrier::Tcp),
                from_is_low: flow.client_is_low,
                counted: true,
            };
            let back = context.sent_by(flow, Side::Server);
            self.drain(index, &context, true);
            self.drain(index, &back, true);
            self.end(index);
        }
    }
}

pub(super) fn new_flow(context: &Context, key: FlowKey, sender_is_client: bool) -> Flow {
    let ends = (context.from, context.to, sender_is_client);
    Flow::new((key, context.from_is_low), ends, (context.frame, context.at))
}

/// Which end of a conversation without a handshake serves, by its ports.
pub(super) fn sender_is_client(directory: &Directory, context: &Context, carrier: Carrier) -> bool {
    let (Some(from), Some(to)) = (context.from.port, context.to.port) else { return true };
    let known = |port| directory.is_known_port(carrier, port);
    match (known(from), known(to)) {
        (true, false) => false,
        (false, true) => true,
        // Nobody serves at an address of many.
        _ => from >= to || is_group(&context.to),
    }
}

/// All hosts, or those that listen to a group: a network's own broadcast address shows in the
/// frame's.
fn is_group(end: &Endpoint) -> bool {
    end.mac.is_some_and(Mac::is_group) || end.ip.is_some_and(|ip| !Address::Ip(ip).is_host())
}

/// A SYN that a TCP stack may send: with FIN or RST beside it, it opens nothing.
fn is_opening(tcp: &Tcp<'_>) -> bool {
    tcp.syn() && !tcp.fin() && !tcp.rst()
}

/// A segment that can neither open a connection nor belong to one: those behind the SYN have ACK
/// set (RFC 9293, 3.10.7.4).
fn is_probe(tcp: &Tcp<'_>) -> bool {
    !tcp.ack() && !tcp.rst() && !is_opening(tcp)
}

/// From an address and port to the same ones, which only made-up packets are.
fn is_own_answer(context: &Context) -> bool {
    let (from, to) = (&context.from, &context.to);
    let travels = from.ip.is_some_and(|ip| !ip.is_loopback());
    travels && (from.ip, from.port) == (to.ip, to.port)
}
