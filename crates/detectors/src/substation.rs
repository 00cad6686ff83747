//! GOOSE and sampled values that are not as one publisher sends them.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
    window::{Rate, apart_secs},
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
        techniques: &["T0856", "T0855", "T0832", "T0830", "T0848", "T0831", "T0804", "T0814"],
        false_positives: "Switching operations (state changes), tests with simulation, lost \
                          packets, devices that restart, publishers in software that stall; a \
                          device that was replaced or a test set that stands in for one (second \
                          publisher).",
        runbook: "Ask the control room whether somebody switched or tests just then.\n\
                  Compare the positions of breakers with what the messages say.\n\
                  Look for a second sender of the stream at the switch ports.\n\
                  If there is one, disconnect it and block the stream at that port.",
        sees: &[Kind::State],
    },
    watch: || Box::new(Substation { streams: memory(), publishers: memory() }),
    #[cfg(test)]
    cases,
};

/// A state taken back within this many seconds is no ordinary switching.
const BACK_SECS: i64 = 15;
/// Such pairs of changes.
const FLAPS_MIN: u32 = 2;
/// Two senders of one stream within this many seconds send at the same time; further apart one may
/// have been replaced by the other.
const TOGETHER_SECS: i64 = 60;
/// State numbers that one change passes over. What a publisher numbers it also sends, several
/// times over: so many are not lost, and who heard the high number hears the true ones no more.
const JUMP_MIN: u64 = 100;
/// States of one stream in a second: a protection function changes a few times and is done.
const STATES_PER_SEC_MAX: u32 = 50;
/// What is said of messages whose numbers and values are not as they should be.
const INJECTED: &[&str] = &["T0856", "T0855", "T0832", "T0830", "T0848", "T0831"];

/// To whom, in which VLAN, which stream.
type Published = (Address, Option<u16>, Box<str>);

struct Substation {
    /// By sender and name of the stream.
    streams: Memory<(Address, Box<str>), Stream>,
    /// Who sent a stream last, and when, by receiver and name of the stream.
    publishers: Memory<Published, (Address, Time)>,
}

struct Stream {
    changed: Time,
    flaps: u32,
    /// The last change began a pair.
    open: bool,
    changes: Rate,
}

impl Watch for Substation {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        let stream = state.value.split(": ").next().unwrap_or_default();
        if state.what.starts_with("goose-") || state.what.starts_with("sv-") {
            self.published(o, stream, site, out);
        }
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
    /// A stream has one publisher, which numbers its messages; who injects messages from an
    /// address of their own is a second one.
    fn published(&mut self, o: &Observation, stream: &str, site: &Site<'_>, out: &mut Findings) {
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        if self.publishers.len() >= WATCHED_MAX {
            self.publishers.clear();
        }
        let known = self.publishers.entry((to, o.from.vlan, stream.into())).or_insert((from, o.at));
        let (before, last) = std::mem::replace(known, (from, o.at));
        if before == from {
            return;
        }
        // One that changes nothing says nothing of itself here, and sends all the same.
        let sends = site.inventory.asset_of(&before).is_some_and(|asset| {
            apart_secs(o.at, site.inventory.asset(asset).last_seen) <= TOGETHER_SECS
        });
        let together = sends || apart_secs(o.at, last) <= TOGETHER_SECS;
        let severity = if together { Severity::High } else { Severity::Medium };
        let raised = out.raise(&SUBSTATION.about, ("publisher", to, stream), o, || {
            let title = format!("Second publisher of the stream {stream}");
            Draft::between(o, severity, title)
                .because(format!(
                    "{{0}} sends it to {to}, as {before} did before. A control block is of one \
                     device: the second sender was put in its place, or injects messages that \
                     receivers take for those of the first."
                ))
                .techniques(&["T0856", "T0830"])
        });
        let Some(open) = raised else { return };
        open.names(before);
        open.at_least(severity);
    }

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
            changes: Rate::default(),
        });
        let soon = known.open && apart_secs(o.at, known.changed) <= BACK_SECS;
        known.flaps += u32::from(soon);
        known.open = !soon;
        known.changed = o.at;
        let flaps = known.flaps;
        if known.changes.count(o.at, 1) > STATES_PER_SEC_MAX {
            flood(o, (from, stream), out);
        }
        if let Some(over) = passed_over(&state.value).filter(|over| *over > JUMP_MIN) {
            jump(o, (from, stream), over, out);
        }
        let raised = out.raise(&SUBSTATION.about, ("state", from, stream), o, || {
            let title = format!("GOOSE state changes of {stream}");
            Draft::between(o, Severity::Low, title).because(format!(
                "{{0}} published a new state: {}. A breaker or a protection function changed, or \
                 somebody who modifies or injects messages says so.",
                state.value
            ))
            .techniques(INJECTED)
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

/// How many numbers forward a state is, of `B: state 900 after 7`.
fn passed_over(value: &str) -> Option<u64> {
    let (_, numbers) = value.rsplit_once(": state ")?;
    let (now, before) = numbers.split_once(" after ")?;
    now.parse::<u64>().ok()?.checked_sub(before.parse().ok()?)
}

fn jump(o: &Observation, (from, stream): (Address, &str), over: u64, out: &mut Findings) {
    let raised = out.raise(&SUBSTATION.about, ("jump", from, stream), o, || {
        let title = format!("State number of {stream} runs ahead");
        Draft::between(o, Severity::Medium, title)
            .because(format!(
                "{{0}} published a state number {over} above the one before. Receivers discard \
                 messages with lower numbers (IEC 62351-6, 7.2.2): with a number far ahead the \
                 true publisher is not heard any more."
            ))
            .techniques(&["T0804"])
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}

fn flood(o: &Observation, (from, stream): (Address, &str), out: &mut Findings) {
    let raised = out.raise(&SUBSTATION.about, ("flood", from, stream), o, || {
        let title = format!("Flood of GOOSE states of {stream}");
        Draft::between(o, Severity::Medium, title)
            .because(format!(
                "{{0}} published more than {STATES_PER_SEC_MAX} new states within a second. \
                 Receivers take in each of them, and have no time for other streams."
            ))
            .techniques(&["T0814"])
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
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
        .techniques(INJECTED)
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
        Draft::between(o, severity, format!("{what} {stream} of {{0}}"))
            .because(format!(
                "{}: {}. Receivers that accept it act on values that are none.",
                state.what, state.value
            ))
            .techniques(INJECTED)
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}

/// As many states of one control block, one after the other.
#[cfg(test)]
fn states(count: i64, every_millis: i64) -> Vec<Observation> {
    use crate::testing::{of, state};
    let of =
        |i| of("goose", state(i * every_millis, "goose-state", &format!("A/LLN0$GO$1: state {i}")));
    (0..count).map(of).collect()
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, seen, state};
    use model::Endpoint;
    let goose = |at, what, value: &str| of("goose", state(at, what, value));
    // To one group of all receivers, on Ethernet.
    let from = |mac: u8, at, value: &str| {
        let (sender, group) = (host(mac), host(200));
        let ends = [sender, group].map(|end| Endpoint { ip: None, ..end });
        let what = if value.starts_with("MU") { "sv-settings" } else { "goose-settings" };
        of("goose", seen(at, ends[0], ends[1], goose(at, what, value).detail))
    };
    let also = |case: Case| Case { raises: 2, ..case };
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
        Case::fires(
            "two publishers of a control block",
            vec![from(10, 0, "A: revision 1"), from(66, 59_000, "A: revision 1")],
        ),
        Case::fires(
            "two publishers of sampled values",
            vec![from(10, 0, "MU1: revision 1"), from(66, 59_000, "MU1: revision 1")],
        ),
        Case::fires(
            "another publisher after an hour",
            vec![from(10, 0, "A: revision 1"), from(66, 3_600_000, "A: revision 1")],
        ),
        // Each state of its own is a finding about changes.
        also(Case::fires(
            "a state number far ahead",
            vec![goose(0, "goose-state", "A/LLN0$GO$1: state 208 after 107")],
        )),
        also(Case::fires("states without end", states(51, 10))),
        Case::fires(
            "a hundred states that the sensor missed",
            vec![goose(0, "goose-state", "A/LLN0$GO$1: state 207 after 107")],
        ),
        Case::fires(
            "a publisher that restarts",
            vec![goose(0, "goose-state", "A/LLN0$GO$1: state 1 after 4000")],
        ),
        Case::fires("a burst of switching", states(50, 10)),
        Case::fires("switching all day", states(500, 200)),
        Case::silent("its settings", vec![goose(0, "goose-settings", "A: revision 1")]),
        Case::silent(
            "one publisher of two streams, and two of one each",
            vec![
                from(10, 0, "A: revision 1"),
                from(10, 10, "B: revision 1"),
                from(66, 20, "C: revision 1"),
                from(10, 30, "A: revision 2"),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Severities and techniques of the findings of a case.
    fn found(case: &str) -> Vec<(Severity, Vec<String>)> {
        let cases = cases();
        let case = cases.iter().find(|c| c.name == case).expect("a case of this name");
        let facts =
            |f: &model::Finding| (f.severity, f.techniques.iter().map(|t| t.to_string()).collect());
        case.run().iter().map(facts).collect()
    }

    #[test]
    fn who_injects_at_the_same_time_is_worse_than_who_takes_over() {
        let of = |severity| vec![(severity, vec!["T0856".to_owned(), "T0830".to_owned()])];
        assert_eq!(found("two publishers of a control block"), of(Severity::High));
        assert_eq!(found("two publishers of sampled values"), of(Severity::High));
        assert_eq!(found("another publisher after an hour"), of(Severity::Medium));
    }

    #[test]
    fn a_jump_and_a_flood_are_told_beside_the_changes() {
        for (case, technique) in
            [("a state number far ahead", "T0804"), ("states without end", "T0814")]
        {
            let found = found(case);
            let told = (Severity::Medium, vec![technique.to_owned()]);
            assert!(found.len() == 2 && found.contains(&told), "{case}: {found:?}");
        }
    }
}
