//! The source of time of a network is another one, or is worse than it was.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use model::{Detail, Observation, Severity};

pub static CLOCK_SOURCE: Detector = Detector {
    about: About {
        id: "clock-source",
        title: "Source of time changed",
        engine: model::Engine::Operational,
        why: "Protection, motion and records of events follow the clock of the network. The best \
              clock that announces itself wins without a log-on: whoever announces a better one \
              sets the time of all devices.",
        techniques: &["T0830", "T0856", "T0814"],
        false_positives: "A grandmaster that restarts or loses its antenna, a spare that takes \
                          over, work on the network.",
        runbook: "Find the new grandmaster: its port at the switch, its vendor, its name.\n\
                  Compare its time with another source.\n\
                  If nobody knows it, disconnect it; the former clock takes over by itself.\n\
                  If the known clock got worse, look at its antenna and receiver.",
        sees: &[Kind::State],
    },
    watch: || Box::new(ClockSource { known: memory() }),
    #[cfg(test)]
    cases,
};

struct ClockSource {
    /// Network and PTP domain -> identity of the grandmaster.
    known: Memory<(Option<u16>, Box<str>), Box<str>>,
}

impl Watch for ClockSource {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        match state.what {
            "ptp-grandmaster" => self.grandmaster(o, &state.value, out),
            "ptp-clock-quality" => worse(o, &state.value, out),
            _ => {}
        }
    }
}

impl ClockSource {
    fn grandmaster(&mut self, o: &Observation, value: &str, out: &mut Findings) {
        let (now, domain) = value.split_once(" in ").unwrap_or((value, ""));
        let key = (o.from.vlan, domain.into());
        let before = match self.known.get_mut(&key) {
            Some(known) if **known == *now => return,
            Some(known) => std::mem::replace(known, now.into()),
            None => {
                if self.known.len() < WATCHED_MAX {
                    self.known.insert(key, now.into());
                }
                return;
            }
        };
        let Some(sender) = o.from.address() else { return };
        let about = &CLOCK_SOURCE.about;
        let raised = out.raise(about, ("grandmaster", domain, now, o.from.vlan), o, || {
            let title = format!("Clock {now} became the source of time, announced by {{0}}");
            Draft::about(vec![sender], Severity::Medium, title)
                .because(format!(
                    "In PTP {domain} the grandmaster was {before} until then (IEEE 1588, 9.3: \
                     the best clock that announces itself is followed)."
                ))
                .techniques(&["T0830", "T0856"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

/// Clock classes that say that the source was lost (IEEE 1588, 7.6.2.5).
fn worse(o: &Observation, value: &str, out: &mut Findings) {
    const LOST: [&str; 2] = ["holdover", "degraded"];
    let Some(sender) = o.from.address() else { return };
    if !LOST.iter().any(|lost| value.contains(lost)) {
        return;
    }
    let raised = out.raise(&CLOCK_SOURCE.about, ("quality", sender), o, || {
        Draft::about(vec![sender], Severity::Low, "{0} has lost its own source of time")
            .because(format!("It announces itself as: {value}. It goes on from memory and drifts."))
            .techniques(&["T0814"])
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, state};
    let clock = |at, value| of("ptp", state(at, "ptp-grandmaster", value));
    vec![
        Case::fires(
            "another grandmaster",
            vec![clock(0, "00a0 in domain 0"), clock(900, "00b1 in domain 0")],
        ),
        Case::fires(
            "a clock without its antenna",
            vec![of("ptp", state(0, "ptp-clock-quality", "holdover (class 7), accuracy 0x21"))],
        ),
        Case::silent(
            "two domains",
            vec![clock(0, "00a0 in domain 0"), clock(900, "00b1 in domain 1")],
        ),
        Case::silent(
            "said again",
            vec![clock(0, "00a0 in domain 0"), clock(9, "00a0 in domain 0")],
        ),
    ]
}
