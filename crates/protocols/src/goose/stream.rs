//! One stream: what it said last, and what of the next message is news.
//!
//! States observed: `goose-settings` (first and on change), `goose-state` (a new state number),
//! `goose-simulation`, `goose-commissioning`, `goose-sequence` (repeated, lost, going back),
//! `goose-expired` (silent for longer than it said its message holds). Every value begins with
//! the control block reference. Invariant: a message as expected leaves no observation but the
//! operation, which is equal each time and is counted.

use super::{
    limits::{
        DATA_OCTETS_MAX, DISORDER_EVERY_NANOS, NAME_OCTETS_MAX, SETTLED_AFTER_NANOS, STREAMS_MAX,
    },
    wire::Message,
};
use crate::{
    Output,
    mms::data,
    output::Op,
    text::{equal, lossy, until_nul},
};
use model::{OperationClass, Quality, Subject, Time};
use std::sync::Arc;

const SECTION: &str = "IEC 61850-8-1, 18.1.2";

#[derive(Default)]
pub(super) struct Streams {
    streams: Vec<Stream>,
    /// Where the stream of the last message stands.
    last: usize,
}

pub(super) struct Stream {
    appid: u16,
    /// The reference as it is sent, which need not be text.
    octets: Box<[u8]>,
    pub(super) control_block: Arc<str>,
    settings: Settings,
    said: Option<Said>,
    data: Vec<u8>,
    /// When the state began.
    since: Time,
    disorder_told: Option<Time>,
}

/// What the engineering tool set.
#[derive(Default)]
struct Settings {
    octets: [Vec<u8>; 2],
    revision: u64,
    entries: u64,
}

/// The message before.
#[derive(Clone, Copy)]
struct Said {
    state: u64,
    sequence: u64,
    time: Option<Time>,
    at: Time,
    allowed_to_live: u64,
    simulated: bool,
    needs_commissioning: bool,
}

impl Streams {
    /// The stream a message belongs to; a new one is made. `None` when it names none.
    pub(super) fn of(&mut self, message: &Message<'_>, out: &mut Output) -> Option<&mut Stream> {
        let is = |s: &Stream, name: &[u8]| s.appid == message.appid && *s.octets == *name;
        let last = self.streams.get(self.last);
        if !last.is_some_and(|stream| is(stream, message.control_block)) {
            let name = until_nul(message.control_block);
            if name.is_empty() || name.len() > NAME_OCTETS_MAX {
                return None;
            }
            self.last = match self.streams.iter().position(|stream| is(stream, name)) {
                Some(at) => at,
                None => self.add(message.appid, name, out)?,
            };
        }
        let at = self.last;
        self.streams.get_mut(at)
    }

    fn add(&mut self, appid: u16, name: &[u8], out: &mut Output) -> Option<usize> {
        if self.streams.len() >= STREAMS_MAX {
            out.limit("goose-streams");
            return None;
        }
        self.streams.push(Stream {
            appid,
            octets: name.into(),
            control_block: lossy(name).into(),
            settings: Settings::default(),
            said: None,
            data: Vec::new(),
            since: Time::default(),
            disorder_told: None,
        });
        Some(self.streams.len().saturating_sub(1))
    }
}

impl Stream {
    pub(super) fn see(
        &mut self,
        message: &Message<'_>,
        (state, sequence): (u64, u64),
        (at, whole): (Time, bool),
        out: &mut Output,
    ) {
        let op = Op::notice(OperationClass::Report, 0, "GOOSE");
        if self.said.is_none() {
            out.operation(op.named("goose", &self.control_block));
        } else {
            out.operation(op.range("goose", u32::from(message.appid), 0, message.entries as u32));
        }
        // Of a message cut short what stands behind the numbers is not known.
        if whole {
            self.settings(message, out);
            self.flags(message, out);
        }
        let fresh = self.numbers(message, (state, sequence), at, out);
        if fresh {
            self.since = at;
        }
        if whole {
            self.data(message, fresh, at, out);
        }
        let (time, allowed_to_live) = (data::utc_time(message.time), message.allowed_to_live);
        let (simulated, needs_commissioning) = (message.simulated, message.needs_commissioning);
        self.said = Some(Said {
            state,
            sequence,
            time,
            at,
            allowed_to_live,
            simulated,
            needs_commissioning,
        });
    }

    fn settings(&mut self, message: &Message<'_>, out: &mut Output) {
        let cut = |octets: &[u8]| octets.get(..NAME_OCTETS_MAX).unwrap_or(octets).to_vec();
        let names = [message.data_set, message.id];
        let same_names = self
            .settings
            .octets
            .iter()
            .zip(names)
            .all(|(known, name)| equal(known, name.get(..NAME_OCTETS_MAX).unwrap_or(name)));
        let same = same_names
            && self.settings.revision == message.revision
            && self.settings.entries == message.entries;
        if same && self.said.is_some() {
            return;
        }
        let (revision, entries) = (message.revision, message.entries);
        self.settings =
            Settings { octets: [cut(message.data_set), cut(message.id)], revision, entries };
        let (data_set, id) = (lossy(message.data_set), lossy(message.id));
        let settings = format!(
            "{}: appid 0x{:04x}, data set {data_set}, id {id}, revision {revision}, \
             {entries} entries",
            self.control_block, self.appid
        );
        out.state(Subject::Sender, "goose-settings", &settings);
        let block = self.control_block.to_string();
        let facts = [("goose_control_block", block), ("goose_id", id)];
        out.identity(Subject::Sender, "GOOSE", facts);
    }

    fn flags(&self, message: &Message<'_>, out: &mut Output) {
        let (simulated, commissioning) =
            self.said.map_or((false, false), |s| (s.simulated, s.needs_commissioning));
        let flags = [
            ("goose-simulation", simulated, message.simulated),
            ("goose-commissioning", commissioning, message.needs_commissioning),
        ];
        for (what, before, now) in flags {
            if before != now {
                let word = if now { "on" } else { "off" };
                out.state(Subject::Sender, what, &format!("{}: {word}", self.control_block));
            }
        }
    }

    /// Compares state and sequence number with those before; says whether the state is new.
    fn numbers(
        &mut self,
        message: &Message<'_>,
        (state, sequence): (u64, u64),
        at: Time,
        out: &mut Output,
    ) -> bool {
        let Some(said) = self.said else { return true };
        let allowed = said.allowed_to_live.min(i64::MAX as u64 / 4_000_000) as i64;
        let silent = at.since(said.at);
        // The receiver's clock and the network have their own delay, so twice the time.
        let expired = allowed > 0 && silent > allowed.saturating_mul(2_000_000);
        if expired {
            let millis = silent / 1_000_000;
            let value = format!("{}: silent for {millis} ms of {allowed}", self.control_block);
            out.state(Subject::Sender, "goose-expired", &value);
        }
        if state == said.state {
            self.repetition(said, sequence, at, out);
            return false;
        }
        let value = if state == said.state.saturating_add(1) {
            format!("{}: state {state}", self.control_block)
        } else {
            format!("{}: state {state} after {}", self.control_block, said.state)
        };
        out.state(Subject::Sender, "goose-state", &value);
        // A publisher that restarts begins with state 1, and its first messages unless it was away
        // before; any other way back is a replay or a second sender (IEC 62351-6, 7.2.2: a
        // subscriber discards it).
        if state < said.state && (state > 1 || (sequence > 1 && !expired)) {
            let says = "the state number of a stream went back without a restart";
            out.violation("goose-state-number-back", says, SECTION);
        }
        let time = data::utc_time(message.time);
        if state > said.state && time.zip(said.time).is_some_and(|(now, then)| now < then) {
            let says = "a new state is older than the state before";
            out.violation("goose-state-time-back", says, SECTION);
        }
        true
    }

    /// The same state again: its sequence number is one more.
    fn repetition(&mut self, said: Said, sequence: u64, at: Time, out: &mut Output) {
        let next = said.sequence.wrapping_add(1);
        let wrapped = said.sequence >= u64::from(u32::MAX) && sequence <= 1;
        if sequence == next || wrapped {
            return;
        }
        let told = self.disorder_told.is_some_and(|t| at.since(t) < DISORDER_EVERY_NANOS);
        if told {
            return;
        }
        self.disorder_told = Some(at);
        let (block, before) = (&self.control_block, said.sequence);
        let value = if sequence == before {
            format!("{block}: sequence {sequence} twice in state {}", said.state)
        } else if sequence < before {
            format!("{block}: sequence {sequence} after {before} in state {}", said.state)
        } else {
            let lost = sequence.saturating_sub(next);
            format!("{block}: {lost} messages missing in state {}", said.state)
        };
        out.state(Subject::Sender, "goose-sequence", &value);
    }

    fn data(&mut self, message: &Message<'_>, fresh: bool, at: Time, out: &mut Output) {
        let data = message.data.get(..DATA_OCTETS_MAX).unwrap_or(message.data);
        let first = self.said.is_none();
        if equal(&self.data, data) && !first {
            return;
        }
        self.data.clear();
        self.data.extend_from_slice(data);
        // Some relays send what changed right behind a state within the same state.
        let settled = at.since(self.since) > SETTLED_AFTER_NANOS;
        if !fresh && !first && settled {
            let says = "the data of a stream changed within one state";
            out.violation("goose-data-changed-in-state", says, SECTION);
        }
        if out.values_wanted {
            let name = match lossy(message.data_set) {
                name if name.is_empty() => self.control_block.to_string(),
                name => name,
            };
            let quality = match message.simulated || message.needs_commissioning {
                true => Quality::Uncertain,
                false => Quality::Good,
            };
            data::entries(&name, message.data, &mut |point, value| {
                out.value(point, value, (None, quality));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goose::wire::Message;
    use model::Detail;

    fn message(state: u64, sequence: u64, data: &'static [u8]) -> Message<'static> {
        Message {
            appid: 1,
            control_block: b"LD/LLN0$GO$g",
            allowed_to_live: 4_000,
            state: Some(state),
            sequence: Some(sequence),
            entries: 1,
            data,
            ..Message::default()
        }
    }

    fn said(messages: &[(u64, u64, &'static [u8])]) -> Vec<String> {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for (i, (state, sequence, data)) in messages.iter().enumerate() {
            out.clear();
            let message = message(*state, *sequence, data);
            let at = Time::from_nanos(i as i64 * 1_500_000_000);
            let stream = streams.of(&message, &mut out).expect("a named stream");
            stream.see(&message, (*state, *sequence), (at, true), &mut out);
        }
        let text = |seen: &crate::Observed| match &seen.detail {
            Detail::State(state) => Some(format!("{} {}", state.what, state.value)),
            Detail::Violation(violation) => Some(violation.rule.to_owned()),
            _ => None,
        };
        out.observed.iter().filter_map(text).collect()
    }

    #[test]
    fn a_repetition_is_no_news() {
        assert_eq!(said(&[(3, 7, &[0x83, 1, 0]), (3, 8, &[0x83, 1, 0])]), [""; 0]);
    }

    #[test]
    fn a_new_state_is_news_and_a_step_back_is_a_violation() {
        let forth = said(&[(3, 7, &[0x83, 1, 0]), (4, 0, &[0x83, 1, 1])]);
        assert_eq!(forth, ["goose-state LD/LLN0$GO$g: state 4"]);
        let back = said(&[(9, 7, &[0x83, 1, 0]), (4, 0, &[0x83, 1, 1])]);
        assert_eq!(back, ["goose-state LD/LLN0$GO$g: state 4 after 9", "goose-state-number-back"]);
    }

    #[test]
    fn a_restart_begins_with_the_first_messages_of_state_1() {
        let told = "goose-state LD/LLN0$GO$g: state 1 after 9";
        for sequence in [0, 1] {
            assert_eq!(said(&[(9, 7, &[0x83, 1, 0]), (1, sequence, &[0x83, 1, 0])]), [told]);
        }
        let back = said(&[(9, 7, &[0x83, 1, 0]), (1, 2, &[0x83, 1, 0])]);
        assert_eq!(back, [told, "goose-state-number-back"]);
    }

    #[test]
    fn a_name_ends_with_its_first_nul() {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for padded in [&b"LD/LLN0$GO$g"[..], b"LD/LLN0$GO$g\0", b"LD/LLN0$GO$g\0\0x"] {
            let message = Message { control_block: padded, ..message(1, 1, &[0x83, 1, 0]) };
            let stream = streams.of(&message, &mut out).expect("a named stream");
            assert_eq!(&*stream.control_block, "LD/LLN0$GO$g");
        }
        assert_eq!(streams.streams.len(), 1);
        let nameless = Message { control_block: b"\0x", ..message(1, 1, &[0x83, 1, 0]) };
        assert!(streams.of(&nameless, &mut out).is_none());
    }

    #[test]
    fn data_that_changes_without_a_state_is_a_violation() {
        let got = said(&[(3, 7, &[0x83, 1, 0]), (3, 8, &[0x83, 1, 1])]);
        assert_eq!(got, ["goose-data-changed-in-state"]);
    }

    #[test]
    fn a_sequence_number_twice_is_told() {
        let got = said(&[(3, 7, &[0x83, 1, 0]), (3, 7, &[0x83, 1, 0])]);
        assert_eq!(got, ["goose-sequence LD/LLN0$GO$g: sequence 7 twice in state 3"]);
    }

    #[test]
    fn streams_are_bounded() {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for appid in 0..=STREAMS_MAX as u16 {
            let message = Message { appid, ..message(1, 1, &[0x83, 1, 0]) };
            assert_eq!(streams.of(&message, &mut out).is_some(), usize::from(appid) < STREAMS_MAX);
        }
        assert_eq!(out.limits, ["goose-streams"]);
    }
}
