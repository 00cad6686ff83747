//! GOOSE and sampled values that are not as one publisher sends them.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
    window::apart_secs,
};
use model::{Address, Detail, Observation, Severity, StateChange, Time};

pub static SUBSTATION: Detector = Detector {
    about: About {
        id: "substation-stream",
        title: "GOOSE or sampled values out of order",
        engine: model::Engine::Anomaly,
        why: "Breakers trip on GOOSE messages and protection decides on sampled values, within \
              milliseconds and without a log-on. Who injects or changes them opens breakers or \
              blinds the protection.",
        techniques: &["T0856", "T0855", "T0832", "T0830", "T0848", "T0831"],
        false_positives: "Switching operations (state changes), tests with simulation, lost \
                          packets, devices that restart, publishers in software that stall.",
        runbook: "Ask the control room whether somebody switched or tests just then.\n\
                  Compare the positions of breakers with what the messages say.\n\
                  Look for a second sender of the stream at the switch ports.\n\
                  If there is one, disconnect it and block the stream at that port.",
        sees: &[Kind::State],
    },
    watch: || Box::new(Substation { streams: memory() }),
    #[cfg(test)]
    cases,
};

/// A state taken back within this many seconds is no ordinary switching.
const BACK_SECS: i64 = 15;
/// Such pairs of changes.
const FLAPS_MIN: u32 = 2;

struct Substation {
    streams: Memory<(Address, Box<str>), Stream>,
}

struct Stream {
    changed: Time,
    flaps: u32,
    /// The last change began a pair.
    open: bool,
}

impl Watch for Substation {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        let stream = state.value.split(": ").next().unwrap_or_default();
        match state.what {
            "goose-state" => self.changed(o, (stream, state), site, out),
            "goose-sequence" | "sv-sequence" => disorder(o, stream, state, out),
            "sv-rhythm" => {
                let what = "Sampled values out of rhythm, as if sent again by another, in stream";
                tell(o, (stream, state), Severity::Medium, what, out);
            }
            "goose-simulation" | "sv-simulation" if state.value.ends_with(": on") => {
                tell(o, (stream, state), Severity::Medium, "Simulated messages in stream", out);
            }
            "sv-quality" if state.value.ends_with(": test") => {
                tell(o, (stream, state), Severity::Low, "Test values in stream", out);
            }
            _ => {}
        }
    }
}

impl Substation {
    /// One change is switching; there and back again and again is somebody who plays with it.
    fn changed(
        &mut self,
        o: &Observation,
        (stream, state): (&str, &StateChange),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let Some(from) = o.from.address() else { return };
        if self.streams.len() >= WATCHED_MAX {
            self.streams.clear();
        }
        let known = self.streams.entry((from, stream.into())).or_insert(Stream {
            changed: o.at,
            flaps: 0,
            open: false,
        });
        let soon = known.open && apart_secs(o.at, known.changed) <= BACK_SECS;
        known.flaps += u32::from(soon);
        known.open = !soon;
        known.changed = o.at;
        let flaps = known.flaps;
        let raised = out.raise(&SUBSTATION.about, ("state", from, stream), o, || {
            let title = format!("GOOSE state changes of {stream}");
            Draft::between(o, Severity::Low, title).because(format!(
                "{{0}} published a new state: {}. A breaker or a protection function changed, or \
                 somebody who modifies or injects messages says so.",
                state.value
            ))
        });
        // Where nothing was learned, streams of measured values that change are common.
        if let Some(open) = raised
            && flaps >= FLAPS_MIN
            && site.phase == Phase::Learnt
        {
            open.at_least(Severity::Medium);
        }
    }
}

/// Numbers that jump back or come twice: two senders of one stream.
fn disorder(o: &Observation, stream: &str, state: &StateChange, out: &mut Findings) {
    let lost = state.value.contains("missing");
    let key = ("order", o.from.address(), stream);
    let raised = out.raise(&SUBSTATION.about, key, o, || {
        let (kind, what) = match state.what {
            "sv-sequence" => ("Sampled values", "sample counter"),
            _ => ("GOOSE messages", "sequence number"),
        };
        let title = format!("{kind} of {stream} out of sequence");
        Draft::between(o, Severity::Low, title).because(format!(
            "The {what} does not follow the one before ({}). Lost packets leave gaps; steps back \
             and duplicates are injected messages or a second publisher of the stream.",
            state.value
        ))
    });
    let Some(open) = raised else { return };
    if !lost && open.count() >= 3 {
        open.at_least(Severity::Medium);
    }
}

fn tell(
    o: &Observation,
    (stream, state): (&str, &StateChange),
    severity: Severity,
    what: &str,
    out: &mut Findings,
) {
    let raised = out.raise(&SUBSTATION.about, (state.what, o.from.address(), stream), o, || {
        Draft::between(o, severity, format!("{what} {stream} of {{0}}")).because(format!(
            "{}: {}. Receivers that accept it act on values that are none.",
            state.what, state.value
        ))
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, state};
    let goose = |at, what, value| of("goose", state(at, what, value));
    vec![
        Case::fires(
            "a stream that flaps",
            vec![
                goose(0, "goose-state", "A/LLN0$GO$1: state 2"),
                goose(4_000, "goose-state", "A/LLN0$GO$1: state 3"),
            ],
        ),
        Case::fires(
            "a counter that jumps back",
            vec![of("sv", state(0, "sv-sequence", "MU1: sample 402 after 417"))],
        ),
        Case::fires(
            "samples that stay late",
            vec![of("sv", state(0, "sv-rhythm", "MU1: 60 ms late, no sample missing"))],
        ),
        Case::silent("its settings", vec![goose(0, "goose-settings", "A: revision 1")]),
    ]
}
