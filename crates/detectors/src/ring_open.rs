//! Rings of switches that are open: the spare way is in use, or gone.

use crate::{About, Detector, Draft, Findings, Kind, Site, Watch};
use model::{Detail, Observation, Severity};

pub static RING_OPEN: Detector = Detector {
    about: About {
        id: "ring-open",
        title: "Redundant ring is open",
        engine: model::Engine::Operational,
        why: "A ring survives one broken link. While it is open the next break divides the \
              network, and nobody notices before. Forged ring messages make switches send \
              everywhere or cut stations off.",
        techniques: &["T0814", "T0830"],
        false_positives: "Work on a cabinet, a switch that restarts, an extension of the ring.",
        runbook: "Look at the ring ports of the manager and of both neighbours of the gap.\n\
                  Ask whether somebody works on a cabinet of the ring.\n\
                  Replace the cable or the switch before a second link breaks.\n\
                  If all links are up, look for a station that sends ring messages and is none.",
        sees: &[Kind::State],
    },
    watch: || Box::new(RingOpen),
    #[cfg(test)]
    cases,
};

struct RingOpen;

impl Watch for RingOpen {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        let what = match state.what {
            "mrp-ring" => "ring",
            "mrp-interconnection" => "interconnection of rings",
            _ => return,
        };
        if !state.value.starts_with("open") {
            return;
        }
        let raised = out.raise(&RING_OPEN.about, (state.what, o.from.address()), o, || {
            let title = format!("The {what} that {{0}} manages is open");
            let devices = o.from.address().into_iter().collect();
            Draft::about(devices, Severity::Medium, title).because(format!(
                "Its manager says: {}. Its tests no longer come back, so it sends over the spare \
                 way; the next broken link is no longer covered.",
                state.value
            ))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, state};
    let ring = |at, value| of("mrp", state(at, "mrp-ring", value));
    vec![
        Case::fires(
            "a ring that opens",
            vec![ring(0, "closed, 0 transitions"), ring(900, "open, 1 transitions")],
        ),
        Case::silent("a closed ring", vec![ring(0, "closed, 3 transitions")]),
        Case::silent("a change of topology", vec![ring(0, "the topology changes")]),
    ]
}
