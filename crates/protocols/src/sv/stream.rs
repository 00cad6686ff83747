//! One stream of samples: what it said last, and what of the next sample is news.
//!
//! States observed: `sv-settings` (first and on change), `sv-synchronisation`, `sv-simulation`,
//! `sv-quality`, `sv-sequence` (repeated, lost, going back), `sv-rhythm` (late for good),
//! `sv-level` (a current or voltage is another than in the second before); every value begins with
//! the stream's name. Invariant: the sample after the last one is no news if it is in time.

use super::{
    limits::{DISORDER_EVERY_NANOS, LEVEL_NANOS, NAME_OCTETS_MAX, SAMPLES_PER_VALUE, STREAMS_MAX},
    rhythm::Rhythm,
    wire::{Asdu, light_edition, light_edition_quality, magnitudes},
};
use crate::{
    Output,
    output::Op,
    text::{equal, lossy, until_nul},
};
use model::{OperationClass, PointValue, Quality, Subject, Time};
use std::sync::Arc;

/// Points of the 9-2LE data set, in its order.
const CHANNELS: [&str; 8] = ["IA", "IB", "IC", "IN", "UA", "UB", "UC", "UN"];
/// Bits of quality that say invalid, questionable or test (IEC 61850-7-3, 6.2.2).
const QUALITY_BITS: u32 = 0x0803;

#[derive(Default)]
pub(super) struct Streams {
    streams: Vec<Stream>,
    /// Where the stream after the last one stands: ASDUs come in the same order each time.
    likely: usize,
    /// Streams of one sender are out of order together, so that one tells it for all.
    pub(super) disorder_told: Option<Time>,
}

pub(super) struct Stream {
    appid: u16,
    /// The name as it is sent, which need not be text.
    octets: Box<[u8]>,
    pub(super) name: Arc<str>,
    said: Option<Said>,
    data_set: Box<[u8]>,
    level: Level,
    /// Highest sample number seen: the next after it is 0.
    highest: u16,
    window: Window,
    rhythm: Rhythm,
}

#[derive(Clone, Copy)]
struct Said {
    counter: u16,
    revision: u32,
    synchronised: u8,
    simulated: bool,
    quality: u32,
}

/// Highest magnitude of each channel, in this second and the one before.
#[derive(Default)]
struct Level {
    since: Option<Time>,
    now: [u32; 8],
    before: Option<[u32; 8]>,
}

/// Sums of squares of the samples since the last value.
#[derive(Default)]
struct Window {
    squares: [f64; 8],
    count: u32,
}

impl Streams {
    /// The stream of an ASDU, and when disorder was told of its sender.
    pub(super) fn of(
        &mut self,
        appid: u16,
        id: &[u8],
        out: &mut Output,
    ) -> Option<(&mut Stream, &mut Option<Time>)> {
        let is = |s: &Stream, id: &[u8]| s.appid == appid && *s.octets == *id;
        let likely = self.streams.get(self.likely);
        let at = match likely.is_some_and(|stream| is(stream, id)) {
            true => self.likely,
            false => {
                let id = until_nul(id.get(..NAME_OCTETS_MAX).unwrap_or(id));
                let known = self.streams.iter().position(|stream| is(stream, id));
                known.or_else(|| self.add(appid, id, out))?
            }
        };
        let next = at.saturating_add(1);
        self.likely = if next < self.streams.len() { next } else { 0 };
        self.streams.get_mut(at).map(|stream| (stream, &mut self.disorder_told))
    }

    fn add(&mut self, appid: u16, id: &[u8], out: &mut Output) -> Option<usize> {
        if self.streams.len() >= STREAMS_MAX {
            out.limit("sv-streams");
            return None;
        }
        self.streams.push(Stream::new(appid, id));
        Some(self.streams.len().saturating_sub(1))
    }
}

impl Stream {
    fn new(appid: u16, id: &[u8]) -> Self {
        Stream {
            appid,
            octets: id.into(),
            name: lossy(id).into(),
            said: None,
            data_set: Box::default(),
            level: Level::default(),
            highest: 0,
            window: Window::default(),
            rhythm: Rhythm::default(),
        }
    }

    pub(super) fn see(
        &mut self,
        asdu: &Asdu<'_>,
        simulated: bool,
        (at, disorder_told): (Time, &mut Option<Time>),
        out: &mut Output,
    ) {
        let quality = light_edition_quality(asdu.samples) & QUALITY_BITS;
        if !asdu.cut || self.said.is_none() {
            self.settings(asdu, out);
        }
        let now = Said {
            counter: asdu.counter,
            revision: asdu.revision,
            synchronised: asdu.synchronised,
            simulated,
            quality,
        };
        self.changes(&now, out);
        self.order(asdu.counter, (at, disorder_told), out);
        self.level(asdu.samples, at, out);
        self.highest = self.highest.max(asdu.counter);
        self.said = Some(now);
        if out.values_wanted
            && let Some(values) = light_edition(asdu.samples)
        {
            self.sum(&values, quality, out);
        }
    }

    fn settings(&mut self, asdu: &Asdu<'_>, out: &mut Output) {
        let same = self.said.is_some_and(|s| s.revision == asdu.revision);
        let data_set = asdu.data_set.get(..NAME_OCTETS_MAX).unwrap_or(asdu.data_set);
        if same && equal(&self.data_set, data_set) {
            return;
        }
        if self.said.is_none() {
            let op = Op::notice(OperationClass::Report, 0, "sampled values");
            out.operation(op.named("sv", &self.name));
            let facts = [("sv_stream", self.name.to_string())];
            out.identity(Subject::Sender, "sampled values", facts);
        }
        self.data_set = data_set.into();
        let (name, revision) = (&self.name, asdu.revision);
        let settings = format!(
            "{name}: appid 0x{:04x}, data set {}, revision {revision}, {} octets of samples",
            self.appid,
            lossy(data_set),
            asdu.samples.len()
        );
        out.state(Subject::Sender, "sv-settings", &settings);
    }

    /// Flags that are not what they were; at first those that are not as they should be.
    fn changes(&self, now: &Said, out: &mut Output) {
        let before =
            self.said.unwrap_or(Said { simulated: false, quality: 0, synchronised: 2, ..*now });
        let mut tell = |what, value: &str| {
            out.state(Subject::Sender, what, &format!("{}: {value}", self.name));
        };
        if before.synchronised != now.synchronised {
            tell(
                "sv-synchronisation",
                match now.synchronised {
                    0 => "none",
                    1 => "local clock",
                    2 => "global clock",
                    _ => "numbered clock",
                },
            );
        }
        if before.simulated != now.simulated {
            tell("sv-simulation", if now.simulated { "on" } else { "off" });
        }
        if before.quality != now.quality {
            tell(
                "sv-quality",
                match now.quality {
                    0 => "good",
                    q if q & 3 == 0 => "test",
                    q if q & 3 == 1 => "invalid",
                    _ => "questionable",
                },
            );
        }
    }

    fn order(
        &mut self,
        counter: u16,
        (at, disorder_told): (Time, &mut Option<Time>),
        out: &mut Output,
    ) {
        let Some(said) = self.said else { return };
        let before = said.counter;
        // The second may end at 3,999, 4,799 or any other rate less one.
        if counter == before.wrapping_add(1) || (counter == 0 && before >= self.highest) {
            return self.in_order(at, disorder_told, out);
        }
        self.rhythm.broken();
        if disorder_told.is_some_and(|t| at.since(t) < DISORDER_EVERY_NANOS) {
            return;
        }
        *disorder_told = Some(at);
        let name = &self.name;
        let value = if counter == before {
            format!("{name}: sample {counter} twice")
        } else if counter > before {
            let lost = counter.saturating_sub(before).saturating_sub(1);
            format!("{name}: {lost} samples missing before {counter}")
        } else {
            format!("{name}: sample {counter} after {before}")
        };
        out.state(Subject::Sender, "sv-sequence", &value);
    }

    /// The sample after the last one; its time tells whether it is in time as well.
    fn in_order(&mut self, at: Time, told: &mut Option<Time>, out: &mut Output) {
        let Some(late) = self.rhythm.beat(at) else { return };
        // Streams of one sender are late together.
        if told.is_some_and(|t| at.since(t) < DISORDER_EVERY_NANOS) {
            return;
        }
        *told = Some(at);
        let value = format!("{}: {} ms late, no sample missing", self.name, late / 1_000_000);
        out.state(Subject::Sender, "sv-rhythm", &value);
    }

    /// Compares the highest magnitude of a second with that of the second before: of a wave that
    /// is its crest, of an effective value the value itself.
    fn level(&mut self, samples: &[u8], at: Time, out: &mut Output) {
        /// Below this a channel is at rest, and its noise is no news.
        const NOISE: u32 = 8;
        let since = *self.level.since.get_or_insert(at);
        if at.since(since) >= LEVEL_NANOS {
            let now = std::mem::take(&mut self.level.now);
            self.level.since = Some(at);
            let before = self.level.before.replace(now).unwrap_or(now);
            for (index, (now, before)) in now.iter().zip(before).enumerate() {
                let (low, high) = (before.min(*now), before.max(*now));
                // A third more or less.
                if high > NOISE && high.saturating_sub(low) > high / 3 {
                    let value = format!("{}: channel {index} from {before} to {now}", self.name);
                    out.state(Subject::Sender, "sv-level", &value);
                }
            }
        }
        for (highest, magnitude) in self.level.now.iter_mut().zip(magnitudes(samples)) {
            *highest = (*highest).max(magnitude);
        }
    }

    /// Effective values once a second or so.
    fn sum(&mut self, values: &[(i32, u32); 8], quality: u32, out: &mut Output) {
        for (sum, (value, _)) in self.window.squares.iter_mut().zip(values) {
            *sum += f64::from(*value) * f64::from(*value);
        }
        self.window.count = self.window.count.saturating_add(1);
        if self.window.count < SAMPLES_PER_VALUE {
            return;
        }
        let Window { squares, count } = std::mem::take(&mut self.window);
        let quality = match quality & 3 {
            0 => Quality::Good,
            1 => Quality::Bad,
            _ => Quality::Uncertain,
        };
        for (index, (channel, squares)) in CHANNELS.iter().zip(squares).enumerate() {
            let (scale, unit) = if index < 4 { (0.001, "A") } else { (0.01, "V") };
            let value = (squares / f64::from(count)).sqrt() * scale;
            let point = format!("{}/{channel}", self.name);
            out.value(point, PointValue::Float(value), (Some(unit), quality));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    fn said(counters: &[u16]) -> Vec<String> {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for (i, counter) in counters.iter().enumerate() {
            let asdu = Asdu { id: b"MU01", counter: *counter, synchronised: 2, ..Asdu::default() };
            let at = Time::from_nanos(i as i64 * 250_000);
            let (stream, told) = streams.of(0x4000, asdu.id, &mut out).expect("room");
            stream.see(&asdu, false, (at, told), &mut out);
        }
        let text = |seen: &crate::Observed| match &seen.detail {
            Detail::State(state) if state.what == "sv-sequence" => Some(state.value.to_string()),
            _ => None,
        };
        out.observed.iter().filter_map(text).collect()
    }

    #[test]
    fn samples_in_order_over_the_second_are_no_news() {
        assert_eq!(said(&[3_997, 3_998, 3_999, 0, 1]), [""; 0]);
    }

    #[test]
    fn a_sample_twice_and_samples_missing_are_told() {
        assert_eq!(said(&[7, 7]), ["MU01: sample 7 twice"]);
        assert_eq!(said(&[7, 10]), ["MU01: 2 samples missing before 10"]);
        assert_eq!(said(&[3_998, 3_999, 12]), ["MU01: sample 12 after 3999"]);
    }

    #[test]
    fn a_name_ends_with_its_first_nul_and_need_not_be_text() {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for id in [&b"MU01"[..], b"MU01\0", b"MU01\0\0x", b"caf\xe9", b"caf\xe9", b"caf\xe9\0", b""]
        {
            streams.of(0x4000, id, &mut out).expect("room");
        }
        let names: Vec<_> = streams.streams.iter().map(|stream| &*stream.name).collect();
        assert_eq!(names, ["MU01", "caf\u{e9}", ""]);
    }

    #[test]
    fn streams_are_bounded() {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for appid in 0..=STREAMS_MAX as u16 {
            assert_eq!(
                streams.of(appid, b"x", &mut out).is_some(),
                usize::from(appid) < STREAMS_MAX
            );
        }
        assert_eq!(out.limits, ["sv-streams"]);
    }

    #[test]
    fn effective_values_have_their_unit() {
        let (mut streams, mut out) = (Streams::default(), Output::new(true));
        let mut samples = vec![0; 64];
        samples[..4].copy_from_slice(&2_000i32.to_be_bytes());
        for counter in 0..SAMPLES_PER_VALUE as u16 {
            let asdu = Asdu { id: b"MU", counter, samples: &samples, ..Asdu::default() };
            let (stream, told) = streams.of(1, asdu.id, &mut out).expect("room");
            stream.see(&asdu, false, (Time(0), told), &mut out);
        }
        let values: Vec<_> = out
            .observed
            .iter()
            .filter_map(|seen| match &seen.detail {
                Detail::Value { point, value, unit, .. } => Some((point, value, unit)),
                _ => None,
            })
            .collect();
        assert_eq!(values.len(), 8);
        assert_eq!(&*values[0].0.0, "MU/IA");
        assert_eq!((values[0].1, values[0].2), (&PointValue::Float(2.0), &Some("A")));
    }

    #[test]
    fn a_current_that_doubles_is_told_and_one_at_rest_is_not() {
        let (mut streams, mut out) = (Streams::default(), Output::new(false));
        for (second, current) in [20i32, 20, 40, 40].into_iter().enumerate() {
            let samples = [&current.to_be_bytes()[..], &[0; 4], &[0, 0, 0, 1], &[0; 4]].concat();
            for counter in 0..10 {
                let asdu = Asdu { id: b"MU", counter, samples: &samples, ..Asdu::default() };
                let at = Time::from_nanos(second as i64 * 1_000_000_000 + i64::from(counter));
                let (stream, told) = streams.of(1, asdu.id, &mut out).expect("room");
                stream.see(&asdu, false, (at, told), &mut out);
            }
        }
        let levels: Vec<_> = out
            .observed
            .iter()
            .filter_map(|seen| match &seen.detail {
                Detail::State(state) if state.what == "sv-level" => Some(&*state.value),
                _ => None,
            })
            .collect();
        assert_eq!(levels, ["MU: channel 0 from 20 to 40"]);
    }
}
