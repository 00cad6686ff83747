//! A datagram or a frame's payload within its conversation.
//!
//! Not here: datagrams that carry a stream of their own, which their dissectors read. Invariant: a
//! payload is one message or several, never a part of one.

use super::{
    Context, Shard,
    conversation::{new_flow, sender_is_client},
    reading::{search, segment},
    session,
};
use crate::{
    flow::{Flow, FlowKey, Identity},
    identify::Directory,
};
use model::{Carrier, SessionEvent};
use protocols::{About, Hint, Progress, Protocol, Side, tftp::TFTP};

/// A server that is asked in vain for so long is silent.
const SILENT_NANOS: i64 = 10_000_000_000;
/// What is asked in vain is told once in so long.
const ASKS_APART_NANOS: i64 = 5_000_000_000;
/// Fewer octets keep a way through translators open and ask for nothing (RFC 3948, 2.3; RFC 5626,
/// 3.5.1).
const ASK_OCTETS_MIN: usize = 5;

fn about(flow: &Flow) -> Option<&'static About> {
    match flow.identity {
        Identity::Known { about, .. } => Some(about),
        _ => None,
    }
}

/// Looks at each datagram of a conversation whose port is that of another protocol: one that says
/// something else, sent first, must not hide what is said to a controller behind it.
fn find_again(directory: &Directory, flow: &mut Flow, hint: Hint, payload: &[u8]) {
    let ports = flow.ports();
    let Some((protocol, sender)) = directory.ask_ports(payload, hint, ports, about(flow)) else {
        return;
    };
    flow.identify(protocol, sender.is_some_and(|sender| sender != hint.from));
    flow.elsewhere = directory.is_elsewhere(hint.carrier, ports, about(flow));
}

impl Shard {
    /// A datagram or a frame's payload: one message or several, never a part of one.
    pub(super) fn datagram(&mut self, context: &mut Context, carrier: Carrier, payload: &[u8]) {
        self.payload(context, carrier, payload, true);
    }

    /// The same, of which not every first one asks for an answer.
    pub(super) fn payload(
        &mut self,
        context: &mut Context,
        carrier: Carrier,
        payload: &[u8],
        asks: bool,
    ) {
        let (key, from_is_low) = FlowKey::new(&context.from, &context.to, carrier);
        (context.carrier, context.from_is_low) = (Some(carrier), from_is_low);
        let context = &*context;
        let at = match self.flows.find(&key, context.read_at) {
            Some(at) => {
                // Less than that keeps a way open, and asks for nothing.
                if carrier == Carrier::Udp && payload.len() >= ASK_OCTETS_MIN {
                    self.rhythm(at, context);
                }
                self.count(at, context);
                at
            }
            None => {
                let client = sender_is_client(&self.directory, context, carrier);
                let at = self.insert(new_flow(context, key, client), context);
                if asks {
                    let attempted = session(SessionEvent::Attempted { syn: false });
                    self.observe(context, carrier.transport(), attempted, None);
                }
                at
            }
        };
        let flow = self.flows.get(at);
        let answers = context.side(flow) == Side::Server && flow.half(Side::Client).seen;
        if !flow.answered && answers {
            flow.answered = true;
            self.observe(context, carrier.transport(), session(SessionEvent::Answered), None);
        }
        if payload.is_empty() {
            return;
        }
        let flow = self.flows.get(at);
        let side = context.side(flow);
        flow.half(side).spoke = true;
        let hint = context.hint(carrier, side);
        match flow.identity {
            Identity::Searching { tries } => {
                self.heads.see(flow, side, payload);
                let (from, to) = (&context.from, &context.to);
                match self.transfers.client_sent(from, to, payload, context.at) {
                    Some(client) => flow.identify(&TFTP, client != (side == Side::Client)),
                    None => _ = search(&self.directory, flow, hint, payload, tries),
                }
                flow.elsewhere = carrier == Carrier::Udp
                    && !matches!(flow.identity, Identity::Searching { .. })
                    && self.directory.is_elsewhere(carrier, flow.ports(), about(flow));
            }
            _ if flow.elsewhere => find_again(&self.directory, flow, hint, payload),
            _ => {}
        }
        let flow = self.flows.get(at);
        let side = context.side(flow);
        if matches!(payload, [0, 1 | 2, ..]) && flow.protocol() == Some(TFTP.about().name) {
            self.transfers.see(&context.from, &context.to, payload, context.at);
        }
        self.feed_whole(at, context, side, payload);
    }

    fn feed_whole(&mut self, at: u32, context: &Context, side: Side, payload: &[u8]) {
        let flow = self.flows.get(at);
        let Identity::Known { dissector, .. } = &mut flow.identity else { return };
        self.out.clear();
        let segment = segment(context, side, flow.key.carrier(), payload, false);
        match dissector.feed(segment, &mut self.out) {
            Progress::GiveUp(why) => self.counters.unparsed(why.reason),
            Progress::Consumed(_) | Progress::NeedMore { .. } => {}
        }
        self.collect(context, Some(at), payload);
    }

    /// Tells of a server that was asked and answered again and again from one port to one port, and
    /// answers no more: when it answered last, then of what is asked in vain.
    fn rhythm(&mut self, at: u32, context: &Context) {
        let flow = self.flows.get(at);
        if context.side(flow) == Side::Server {
            flow.rhythm.answered();
            return;
        }
        flow.rhythm.asked();
        let [before, last] = [Side::Client, Side::Server].map(|side| flow.half(side).last);
        // Where the clock was ahead, its last answer is yet to come.
        let silent = context.at.since(last).saturating_abs() >= SILENT_NANOS;
        if !flow.rhythm.is_broken() || !silent {
            return;
        }
        if std::mem::take(&mut flow.answered) {
            let back = Context { at: last, ..context.sent_by(flow, Side::Server) };
            self.observe(&back, "udp", session(SessionEvent::Answered), None);
        } else if before.nanos() / ASKS_APART_NANOS == context.at.nanos() / ASKS_APART_NANOS {
            return;
        }
        self.observe(context, "udp", session(SessionEvent::Attempted { syn: false }), None);
    }
}
