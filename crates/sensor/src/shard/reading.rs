//! What octets of a conversation say: which protocol they are, and its messages.
//!
//! Invariant: what a dissector has not consumed waits, bounded, and comes again with more behind.

use super::{Context, Shard};
use crate::{
    flow::{Flow, Identity},
    identify::{Directory, Verdict},
    limits::{
        GIVE_UPS_MAX, MISTAKEN_MAX, PROBE_OCTETS_MAX, PROBE_TRIES_MAX,
        PROBE_TRIES_WITHOUT_BEGINNING_MAX,
    },
};
use model::Carrier;
use protocols::{Gap, Hint, Progress, Segment, Side};

impl Shard {
    /// Octets of one direction, in order.
    pub(super) fn octets(&mut self, at: u32, context: &Context, side: Side, bytes: &[u8]) {
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
        let waited = head.len();
        head.extend_from_slice(bytes);
        let hint = context.hint(flow.carrier(), side);
        // What waited may have been the octet of a keep-alive before the first message seen.
        let alone = |flow: &mut Flow, tries| {
            search(&self.directory, flow, hint, bytes, tries);
            let is_known = matches!(flow.identity, Identity::Known { .. });
            if !is_known {
                flow.identity = Identity::Searching { tries };
            }
            is_known
        };
        let one_waited = waited == 1 && !flow.client_certain;
        let mut keep = false;
        if one_waited && alone(flow, tries) {
            head = bytes.to_vec();
        } else {
            keep = search(&self.directory, flow, hint, &head, tries);
        }
        if let (Identity::Searching { tries }, true) = (&flow.identity, waited > 0 && !one_waited) {
            let tries = *tries;
            if alone(flow, tries) {
                head = bytes.to_vec();
            }
        }
        match flow.identity {
            Identity::Known { .. } => {
                // The other side may have spoken first and waited to be understood.
                let now = context.side(flow);
                let other = std::mem::take(&mut flow.half(now.other()).pending);
                // A lone octet is that of a keep-alive there, too.
                if other.len() > usize::from(!flow.client_certain) {
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
            let flow = self.flows.get(at);
            let side = context.side(flow);
            flow.half(side).pending.extend_from_slice(rest);
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
            let flow = self.flows.get(at);
            let side = context.side(flow);
            flow.half(side).pending = pending;
        }
        let side = context.side(self.flows.get(at));
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
    fn read_some(&mut self, at: u32, context: &Context, mut side: Side, bytes: &[u8]) -> usize {
        let mut taken = 0;
        loop {
            let rest = bytes.get(taken..).unwrap_or_default();
            let flow = self.flows.get(at);
            let carrier = flow.carrier();
            let half = flow.half(side);
            half.needed = 0;
            let after_gap = std::mem::take(&mut half.after_gap);
            let Identity::Known { dissector, .. } = &mut flow.identity else {
                return bytes.len();
            };
            self.out.clear();
            let segment = segment(context, side, carrier, rest, after_gap);
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
                    if self.was_mistaken(at, context, rest) {
                        // Which may have told that the ends were taken the wrong way round.
                        side = context.side(self.flows.get(at));
                        continue;
                    }
                    self.no_message(at, side);
                    return bytes.len();
                }
            };
            if consumed > 0 {
                let flow = self.flows.get(at);
                (flow.give_ups, flow.taken) = (0, flow.taken.saturating_add(1));
            }
            taken += consumed;
            if consumed == 0 || taken >= bytes.len() {
                return taken;
            }
        }
    }

    /// A first message of small numbers may have been taken for that of a protocol which has none
    /// of these ports; what comes behind it tells. Not asked of a conversation that was read.
    fn was_mistaken(&mut self, at: u32, context: &Context, bytes: &[u8]) -> bool {
        let flow = self.flows.get(at);
        let Identity::Known { about, .. } = &flow.identity else { return false };
        let (hint, ports) = (context.hint(flow.carrier(), context.side(flow)), flow.ports());
        if flow.taken > MISTAKEN_MAX || about.ports.iter().any(|port| ports.contains(port)) {
            return false;
        }
        match self.directory.ask(bytes, hint, ports) {
            Verdict::Is(protocol, sender) if !std::ptr::eq(protocol.about(), *about) => {
                // Once is enough: what this one cannot read either is nobody's.
                flow.taken = u8::MAX;
                flow.identify(protocol, sender.is_some_and(|sender| sender != hint.from));
                true
            }
            _ => false,
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
}

pub(super) fn segment<'a>(
    context: &Context,
    from: Side,
    carrier: Carrier,
    bytes: &'a [u8],
    after_gap: bool,
) -> Segment<'a> {
    Segment {
        at: context.at,
        sender: context.from,
        receiver: context.to,
        after_gap,
        missing: context.missing,
        ..Segment::of(bytes, from, carrier)
    }
}

/// Looks for the protocol of a conversation in the first octets of one direction.
/// Says whether the octets must be kept for another look.
pub(super) fn search(
    directory: &Directory,
    flow: &mut Flow,
    hint: Hint,
    head: &[u8],
    tries: u8,
) -> bool {
    let side = hint.from;
    // A stream is tried from each side: one may be in the middle of a long message while the
    // other begins one.
    let stream = flow.carrier() == Carrier::Tcp;
    let most = match flow.client_certain || !stream {
        true => PROBE_TRIES_MAX,
        false => PROBE_TRIES_WITHOUT_BEGINNING_MAX,
    };
    if stream && flow.half(side).tries >= most {
        return false;
    }
    match directory.ask(head, hint, flow.ports()) {
        Verdict::Is(protocol, sender) => {
            flow.identify(protocol, sender.is_some_and(|sender| sender != side));
        }
        Verdict::NeedMore => return true,
        Verdict::Nothing => {
            let half = flow.half(side);
            half.tries = half.tries.saturating_add(1);
            half.pending.clear();
            let tried = match flow.carrier() {
                Carrier::Tcp => flow.halves.iter().all(|half| half.tries >= most),
                Carrier::Udp => tries + 1 >= most,
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
