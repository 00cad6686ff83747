//! One direction of a TCP conversation put back in order (RFC 9293, 3.10.7.4).
//!
//! Not here: what the octets mean. The octets seen first win; what comes twice is dropped. What
//! only the sensor believes, because somebody made up a segment that the receiver drops, is given
//! up as soon as what the receiver waits for goes on. Invariant: octets are given out in order,
//! and a hole is always announced before what stands behind it.

use crate::limits::{
    HELD_OCTETS_PER_FLOW_MAX, HELD_SEGMENTS_PER_FLOW_MAX, LOST_AFTER_NANOS, LOST_AFTER_SEGMENTS,
    LOST_BY_ALL_AFTER_NANOS, SEQUENCE_JUMP_MAX,
};
use model::Mac;
use std::{cmp::Ordering, net::IpAddr};

/// More than a receiver takes ahead of what it waits for, where the window is not scaled.
const WINDOW_OCTETS: i32 = 65_535;

#[derive(Default)]
pub(crate) struct Stream {
    /// Sequence number expected next, once one is known.
    next: Option<u32>,
    /// Highest acknowledgement of the other side.
    acknowledged: Option<u32>,
    /// Segments of the other side since a hole was acknowledged.
    patience: u8,
    /// A hole was given up that the receiver has as well, as far as is known.
    jumped: bool,
    /// Where the octets given out begin that have no hole in them.
    run: u32,
    /// Apart, because most conversations never have any.
    early: Option<Box<Early>>,
}

/// Early segments; there is one at least.
#[derive(Default)]
struct Early {
    /// By sequence number from `next` on, without overlaps decided yet.
    held: Vec<Held>,
    octets: usize,
}

struct Held {
    sequence: u32,
    bytes: Vec<u8>,
    frame: Origin,
    /// What was expected when it came.
    expected: u32,
}

/// What the packet of a segment said besides its octets.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Origin {
    pub(crate) at_nanos: i64,
    pub(crate) frame: u64,
    /// Octets that stood behind these and that the capture cut off.
    pub(crate) missing: usize,
    /// Ends of the tunnel it came through.
    pub(crate) outer: Option<(IpAddr, IpAddr)>,
    /// Of its sender and its receiver.
    pub(crate) macs: (Option<Mac>, Option<Mac>),
}

/// What a segment did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arrival {
    /// The octets from this offset on are next in order.
    InOrder(usize),
    /// Every octet was seen before.
    Repeated,
    /// Kept until what is missing before it comes.
    Early,
    /// So far from what was expected that the conversation must have begun anew, or what was
    /// expected is nothing the receiver knows of.
    Elsewhere,
}

/// Octets that can be given out now.
pub(crate) enum Ready {
    Bytes(Vec<u8>, Origin),
    /// This many octets are lost.
    Gap(u32),
}

/// `a - b` in sequence space.
fn distance(a: u32, b: u32) -> i32 {
    a.wrapping_sub(b) as i32
}

impl Stream {
    /// A SYN fixes the numbers: data begin behind it.
    pub(crate) fn begin(&mut self, sequence: u32) {
        self.start(sequence.wrapping_add(1));
        self.early = None;
    }

    fn start(&mut self, sequence: u32) {
        self.next = Some(sequence);
        (self.run, self.jumped) = (sequence, false);
    }

    pub(crate) fn is_begun(&self) -> bool {
        self.next.is_some()
    }

    /// Is a SYN with this number the one already seen?
    pub(crate) fn began_at(&self, sequence: u32) -> bool {
        self.next.is_none_or(|next| {
            distance(next, sequence.wrapping_add(1)) >= 0
                && distance(next, sequence) < SEQUENCE_JUMP_MAX as i32
        })
    }

    /// Early segments wait for what is missing before them.
    pub(crate) fn is_holding(&self) -> bool {
        self.early.is_some()
    }

    pub(crate) fn held_octets(&self) -> usize {
        self.early.as_ref().map_or(0, |early| early.octets)
    }

    /// Takes note of a segment with data. In order: the caller feeds the octets, then calls
    /// [`Self::advance`].
    pub(crate) fn arrive(&mut self, sequence: u32, bytes: &[u8], frame: Origin) -> Arrival {
        let Some(next) = self.next else {
            // A keep-alive has an octet of its own before what comes next (RFC 9293, 3.8.4).
            let end = sequence.wrapping_add(1);
            let has_it = || self.acknowledged.is_some_and(|a| distance(a, end) >= 0);
            if bytes.len() == 1 && has_it() {
                self.start(end);
                return Arrival::Repeated;
            }
            self.start(sequence);
            return Arrival::InOrder(0);
        };
        let ahead = distance(sequence, next);
        let length = bytes.len() as i32;
        if ahead <= 0 {
            let old = ahead.unsigned_abs() as usize;
            return match ahead.saturating_add(length).cmp(&0) {
                Ordering::Greater => Arrival::InOrder(old),
                _ if ahead.unsigned_abs() > SEQUENCE_JUMP_MAX => Arrival::Elsewhere,
                _ if self.is_passed_over(sequence) => Arrival::Elsewhere,
                _ => Arrival::Repeated,
            };
        }
        if ahead as u32 > SEQUENCE_JUMP_MAX {
            return Arrival::Elsewhere;
        }
        self.hold((sequence, next), bytes, frame)
    }

    /// Were octets of this number never given out, and does the receiver wait for them? They are
    /// what is really sent, and a segment far ahead of them was none the receiver took.
    fn is_passed_over(&self, sequence: u32) -> bool {
        let before = distance(self.run, sequence);
        let wanted = self.acknowledged.is_some_and(|a| distance(a, sequence) <= 0);
        // Of a conversation seen from its middle on, the first segments may change places.
        let apart = if self.jumped { 0 } else { WINDOW_OCTETS };
        wanted && before > apart
    }

    fn hold(&mut self, (sequence, expected): (u32, u32), bytes: &[u8], frame: Origin) -> Arrival {
        let held = self.early.as_ref().map_or(&[][..], |early| early.held.as_slice());
        let at = held.partition_point(|h| distance(h.sequence, sequence) < 0);
        let end = sequence.wrapping_add(bytes.len() as u32);
        let known = |h: &Held| {
            distance(h.sequence, sequence) <= 0
                && distance(h.sequence.wrapping_add(h.bytes.len() as u32), end) >= 0
        };
        let before = at.checked_sub(1).and_then(|i| held.get(i));
        if before.is_some_and(known) || held.get(at).is_some_and(known) {
            return Arrival::Repeated;
        }
        let early = self.early.get_or_insert_default();
        early.octets = early.octets.saturating_add(bytes.len());
        early.held.insert(at, Held { sequence, bytes: bytes.to_vec(), frame, expected });
        Arrival::Early
    }

    /// `count` octets were given out.
    pub(crate) fn advance(&mut self, count: usize) {
        const FAR: u32 = 2 * SEQUENCE_JUMP_MAX;
        let Some(next) = self.next else { return };
        let next = next.wrapping_add(count as u32);
        self.next = Some(next);
        // Numbers come again after 4 GiB, so how far the run reaches back has a bound.
        if distance(next, self.run) > FAR as i32 {
            self.run = next.wrapping_sub(FAR);
        }
    }

    /// The other side acknowledged octets up to `number`; where it `answers`, what it has is read
    /// before what it says.
    pub(crate) fn acknowledge(&mut self, number: u32, answers: bool) {
        if self.acknowledged.is_none_or(|a| distance(number, a) > 0) {
            self.acknowledged = Some(number);
        }
        let beyond = self.next.is_some_and(|next| distance(number, next) > 0);
        let waiting = beyond && self.early.is_some();
        let has_held = || {
            let first = self.early.as_ref().and_then(|early| early.held.first());
            first.is_some_and(|held| distance(number, held.sequence) > 0)
        };
        self.patience = match waiting {
            true if answers && has_held() => LOST_AFTER_SEGMENTS,
            true => self.patience.saturating_add(1),
            false => 0,
        };
    }

    /// What can be given out: early octets that are next, or a hole given up. `at_nanos` is the
    /// time of the packet being looked at; `last` says that nothing more will come.
    pub(crate) fn ready(&mut self, at_nanos: i64, last: bool) -> Option<Ready> {
        let next = self.next?;
        let missed_by_all = self.acknowledged.is_some_and(|a| distance(a, next) <= 0);
        let wait = if missed_by_all { LOST_BY_ALL_AFTER_NANOS } else { LOST_AFTER_NANOS };
        loop {
            let early = self.early.as_mut()?;
            let first = early.held.first()?;
            let ahead = distance(first.sequence, next);
            let old = at_nanos.saturating_sub(first.frame.at_nanos) > wait;
            // The sender has gone on before it and the receiver waits: it was none of theirs.
            let made_up = missed_by_all && old && !last && distance(next, first.expected) > 0;
            if ahead <= 0 || made_up {
                let held = early.held.remove(0);
                early.octets = early.octets.saturating_sub(held.bytes.len());
                if early.held.is_empty() {
                    self.early = None;
                }
                if ahead > 0 {
                    continue;
                }
                let passed = (ahead.unsigned_abs() as usize).min(held.bytes.len());
                let mut bytes = held.bytes;
                bytes.drain(..passed);
                return Some(Ready::Bytes(bytes, held.frame));
            }
            let full = early.held.len() > HELD_SEGMENTS_PER_FLOW_MAX
                || early.octets > HELD_OCTETS_PER_FLOW_MAX;
            let acknowledged = self.acknowledged.is_some_and(|a| distance(a, first.sequence) >= 0)
                && self.patience >= LOST_AFTER_SEGMENTS;
            if !(full || old || acknowledged || last) {
                return None;
            }
            let sequence = first.sequence;
            self.start(sequence);
            // Of many in flight one is often lost, and sent again a little later.
            self.jumped = missed_by_all && !full;
            self.patience = 0;
            return Some(Ready::Gap(ahead.unsigned_abs()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn collect(stream: &mut Stream, last: bool) -> (Vec<u8>, u32) {
        let (mut bytes, mut lost) = (Vec::new(), 0);
        while let Some(ready) = stream.ready(0, last) {
            match ready {
                Ready::Bytes(more, _) => {
                    stream.advance(more.len());
                    bytes.extend(more);
                }
                Ready::Gap(count) => lost += count,
            }
        }
        (bytes, lost)
    }

    fn begun() -> Stream {
        let mut stream = Stream::default();
        stream.begin(u32::MAX - 1);
        stream
    }

    #[test]
    fn early_segments_wait_and_come_in_order_across_the_wrap() {
        let mut stream = begun();
        let first = u32::MAX;
        assert_eq!(stream.arrive(first.wrapping_add(2), b"cd", Origin::default()), Arrival::Early);
        assert_eq!(stream.arrive(first.wrapping_add(4), b"e", Origin::default()), Arrival::Early);
        assert!(collect(&mut stream, false).0.is_empty());
        assert_eq!(stream.arrive(first, b"ab", Origin::default()), Arrival::InOrder(0));
        stream.advance(2);
        assert_eq!(collect(&mut stream, false), (b"cde".to_vec(), 0));
    }

    #[test]
    fn a_retransmission_is_repeated_and_an_overlap_gives_only_its_end() {
        let mut stream = begun();
        assert_eq!(stream.arrive(u32::MAX, b"abc", Origin::default()), Arrival::InOrder(0));
        stream.advance(3);
        assert_eq!(stream.arrive(u32::MAX, b"abc", Origin::default()), Arrival::Repeated);
        assert_eq!(stream.arrive(u32::MAX, b"abcd", Origin::default()), Arrival::InOrder(3));
    }

    #[test]
    fn a_hole_is_lost_when_acknowledged_and_when_nothing_more_comes() {
        let mut stream = begun();
        stream.arrive(u32::MAX.wrapping_add(5), b"xyz", Origin::default());
        assert_eq!(collect(&mut stream, false).1, 0);
        for _ in 0..LOST_AFTER_SEGMENTS {
            stream.acknowledge(u32::MAX.wrapping_add(8), false);
        }
        assert_eq!(collect(&mut stream, false), (b"xyz".to_vec(), 5));
        stream.arrive(u32::MAX.wrapping_add(20), b"q", Origin::default());
        assert_eq!(collect(&mut stream, true), (b"q".to_vec(), 12));
    }

    #[test]
    fn what_is_held_is_read_before_an_answer_that_acknowledges_it() {
        for (acknowledged, answers, given) in [(8, true, 3), (8, false, 0), (5, true, 0)] {
            let mut stream = begun();
            stream.arrive(u32::MAX.wrapping_add(5), b"xyz", Origin::default());
            stream.acknowledge(u32::MAX.wrapping_add(acknowledged), answers);
            assert_eq!(collect(&mut stream, false).0.len(), given, "{acknowledged} {answers}");
        }
    }

    #[test]
    fn a_hole_that_the_receiver_has_too_is_waited_for_longer() {
        let late = LOST_AFTER_NANOS + 1;
        for (acknowledged, given_up) in [(None, true), (Some(u32::MAX), false)] {
            let mut stream = begun();
            if let Some(number) = acknowledged {
                stream.acknowledge(number, false);
            }
            stream.arrive(u32::MAX.wrapping_add(5), b"xyz", Origin::default());
            assert!(stream.ready(late - 1, false).is_none());
            assert_eq!(stream.ready(late, false).is_some(), given_up, "{acknowledged:?}");
            assert!(given_up || stream.ready(LOST_BY_ALL_AFTER_NANOS + 1, false).is_some());
        }
    }

    const FAR: u32 = 1 << 20;

    #[test]
    fn what_the_receiver_waits_for_is_read_behind_a_segment_it_dropped() {
        let mut stream = begun();
        stream.acknowledge(u32::MAX, false);
        let made_up = Origin { at_nanos: 0, ..Origin::default() };
        assert_eq!(stream.arrive(FAR, b"?", made_up), Arrival::Early);
        let late = LOST_BY_ALL_AFTER_NANOS + 1;
        let gap = stream.ready(late, false);
        assert!(matches!(gap, Some(Ready::Gap(_))), "nothing else came");
        assert!(matches!(stream.ready(late, false), Some(Ready::Bytes(..))));
        stream.advance(1);
        assert_eq!(stream.arrive(u32::MAX, b"ab", Origin::default()), Arrival::Elsewhere);
        // What the receiver has is not wanted again.
        stream.acknowledge(1, false);
        assert_eq!(stream.arrive(u32::MAX, b"ab", Origin::default()), Arrival::Repeated);
    }

    #[test]
    fn a_segment_far_ahead_is_dropped_while_the_sender_goes_on_before_it() {
        let mut stream = begun();
        stream.acknowledge(u32::MAX, false);
        assert_eq!(stream.arrive(FAR, b"?", Origin::default()), Arrival::Early);
        for (count, sequence) in [u32::MAX, 0, 1].into_iter().enumerate() {
            let at_nanos = LOST_BY_ALL_AFTER_NANOS * count as i64;
            let here = Origin { at_nanos, ..Origin::default() };
            assert_eq!(stream.arrive(sequence, b"a", here), Arrival::InOrder(0));
            stream.advance(1);
            stream.acknowledge(sequence.wrapping_add(1), false);
            assert!(stream.ready(at_nanos, false).is_none());
        }
        assert!(!stream.is_holding());
    }

    #[test]
    fn of_a_stream_seen_from_its_middle_on_the_first_segments_may_change_places() {
        let mut stream = Stream::default();
        stream.acknowledge(1_000, false);
        assert_eq!(stream.arrive(2_000, b"b", Origin::default()), Arrival::InOrder(0));
        stream.advance(1);
        assert_eq!(stream.arrive(1_000, b"a", Origin::default()), Arrival::Repeated);
        let mut stream = Stream::default();
        stream.acknowledge(1_000, false);
        assert_eq!(stream.arrive(FAR, b"?", Origin::default()), Arrival::InOrder(0));
        stream.advance(1);
        assert_eq!(stream.arrive(1_000, b"a", Origin::default()), Arrival::Elsewhere);
    }

    #[test]
    fn a_stream_seen_from_its_middle_on_may_begin_with_a_keep_alive() {
        let mut stream = Stream::default();
        stream.acknowledge(1_001, false);
        assert_eq!(stream.arrive(1_000, b"\0", Origin::default()), Arrival::Repeated);
        assert_eq!(stream.arrive(1_001, b"ab", Origin::default()), Arrival::InOrder(0));
        let mut stream = Stream::default();
        stream.acknowledge(1_000, false);
        assert_eq!(stream.arrive(1_000, b"a", Origin::default()), Arrival::InOrder(0));
    }

    #[test]
    fn an_early_segment_keeps_what_its_packet_said() {
        let mut stream = begun();
        let outer = Some((IpAddr::from([192, 0, 2, 1]), IpAddr::from([192, 0, 2, 2])));
        let macs = (Some(Mac([2, 0, 0, 0, 0, 1])), None);
        let frame = Origin { at_nanos: 7, frame: 3, missing: 90, outer, macs };
        assert_eq!(stream.arrive(u32::MAX.wrapping_add(2), b"cd", frame), Arrival::Early);
        assert_eq!(stream.arrive(u32::MAX, b"ab", Origin::default()), Arrival::InOrder(0));
        stream.advance(2);
        let Some(Ready::Bytes(bytes, said)) = stream.ready(9, false) else { panic!("ready") };
        assert_eq!((&bytes[..], said), (&b"cd"[..], frame));
    }

    #[test]
    fn a_flood_of_early_segments_is_bounded() {
        let mut stream = begun();
        for i in 0..10_000u32 {
            stream.arrive(u32::MAX.wrapping_add(10 + i * 10), &[0; 5], Origin::default());
            while let Some(ready) = stream.ready(0, false) {
                if let Ready::Bytes(bytes, _) = ready {
                    stream.advance(bytes.len());
                }
            }
            let held = stream.early.as_ref().map_or(0, |early| early.held.len());
            assert!(held <= HELD_SEGMENTS_PER_FLOW_MAX + 1);
        }
    }
}
