//! The root of a network of switches is another one than before.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use model::{Address, Detail, Observation, Severity};

pub static BRIDGE_ROOT: Detector = Detector {
    about: About {
        id: "bridge-root",
        title: "Root of the switched network changed",
        engine: model::Engine::Operational,
        why: "All paths of a network of switches lead by way of its root. Whoever announces a \
              better root without being asked draws the traffic to himself; each change stops \
              the network for up to half a minute.",
        techniques: &["T0830", "T0814"],
        false_positives: "The root switch was restarted, replaced or cut off, a switch was added \
                          whose priority nobody set.",
        runbook: "Find the new root by its MAC address: vendor, name, port.\n\
                  If it is not meant to be, disconnect it; the former root takes over by itself.\n\
                  Set the priority of the switch that is meant, and guard ports of end devices \
                  (BPDU guard, root guard).",
        sees: &[Kind::State],
    },
    watch: || Box::new(BridgeRoot { told: memory() }),
    #[cfg(test)]
    cases,
};

struct BridgeRoot {
    /// Who tells, in which network, of which tree -> the root told last.
    told: Memory<(Address, Option<u16>, u32), Box<str>>,
}

/// Switches with a tree for each VLAN put its number below the priority (IEEE 802.1D, 9.2.5).
fn tree(root: &str) -> u32 {
    let priority = root.split('/').next().and_then(|priority| priority.parse::<u32>().ok());
    priority.unwrap_or_default() % 4_096
}

impl Watch for BridgeRoot {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else { return };
        if state.what != "stp-root" {
            return;
        }
        // "ROOT, cost N", "ROOT (itself), cost N"
        let now = state.value.split([',', ' ']).next().unwrap_or_default();
        let Some(sender) = o.from.address() else { return };
        let key = (sender, o.from.vlan, tree(now));
        let before = match self.told.get_mut(&key) {
            Some(told) if **told == *now => return,
            Some(told) => std::mem::replace(told, now.into()),
            None => {
                if self.told.len() < WATCHED_MAX {
                    self.told.insert(key, now.into());
                }
                return;
            }
        };
        let raised = out.raise(&BRIDGE_ROOT.about, (now, o.from.vlan), o, || {
            let title = format!("The root of the switched network is now {now}, says {{0}}");
            Draft::about(vec![sender], Severity::Medium, title).because(format!(
                "It followed {before} until then. Priority and MAC address stand in the name; \
                 the lowest wins (IEEE 802.1D, 17.3.1)."
            ))
        });
        if let Some(open) = raised {
            open.names(sender);
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, of, state};
    let root = |at, value| of("stp", state(at, "stp-root", value));
    vec![
        Case::fires(
            "a better root",
            vec![
                root(0, "32768/00:1b:1b:00:00:01, cost 4"),
                root(900, "4096/00:1b:1b:00:00:09, cost 8"),
            ],
        ),
        Case::silent(
            "a tree for each of two VLANs",
            vec![
                root(0, "32777/00:1b:1b:00:00:01, cost 4"),
                root(9, "32778/00:1b:1b:00:00:02, cost 4"),
            ],
        ),
        Case::silent(
            "another way to the same",
            vec![
                root(0, "32768/00:1b:1b:00:00:01, cost 4"),
                root(900, "32768/00:1b:1b:00:00:01, cost 8"),
            ],
        ),
    ]
}
