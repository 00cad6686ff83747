//! What dissectors put into the output: counted, sifted and told with its peers.
//!
//! Invariant: what is short because the capture cut it breaks no rule.

use super::{Context, Shard, observed, tell_repeats};
use crate::{
    event::{Event, Stamped},
    sieve::Sifted,
};
use model::{Detail, Direction, Excerpt, Observation, OperationClass};
use protocols::Observed;

impl Shard {
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
                let said = (seen.protocol, context.at, context.from_is_low);
                match flow.seen.passes(&seen.detail, said, &mut self.operations_room) {
                    Sifted::Held => continue,
                    Sifted::Passes => {}
                    Sifted::Turns => {
                        tell_repeats(flow, (context.read_at, self.place), &mut self.events);
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
                    carrier: context.carrier,
                    detail: seen.detail,
                    excerpt: None,
                },
            };
            self.events.push(Stamped { frame: context.read_at, place: self.place, event });
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
