//! Controllers that are stopped, started or change their operating mode.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    act::{Act, Acts, is_managed, whose},
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use model::{Address, Detail, Observation, OperationClass as Class, Place, Severity};

pub static CONTROLLER_MODE: Detector = Detector {
    about: About {
        id: "controller-mode",
        title: "Controller stopped, started or switched",
        engine: model::Engine::Operational,
        why: "A controller that stops no longer regulates, interlocks or reports; one that starts \
              moves machinery. Attackers stop controllers to halt the process or to load a \
              changed program.",
        techniques: &["T0858", "T0816", "T0881"],
        false_positives: "Maintenance and commissioning: engineers stop controllers to download.",
        runbook: "Ask the shift whether somebody works on this controller.\n\
                  Look at the controller: mode, key position, diagnostic buffer.\n\
                  If nobody knows of it, disconnect the station that asked and go to manual.\n\
                  Compare the program with the last backup before the controller runs again.",
        sees: &[Kind::Operation, Kind::State],
    },
    watch: || {
        let acts = Acts::new(&CONTROLLER_MODE.about, ACTS);
        Box::new(ControllerMode { acts, modes: memory() })
    },
    #[cfg(test)]
    cases,
};

/// It keeps running its program, and nobody hears of it.
const SILENCED: &[&str] = &[
    "device communication control: disable",
    "device communication control: disable initiation",
    "force listen only mode",
];

static ACTS: &[Act] = &[
    Act {
        class: Class::Stop,
        special: Some((
            SILENCED,
            "It silences the device: its program runs on, but masters and operators no longer \
             hear of it until it is let speak again.",
        )),
        title: "{0} silences {1}",
        severity: Severity::High,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0814", "T0804"],
    },
    Act {
        class: Class::Start,
        special: Some((
            &["device communication control: enable"],
            "It ends a silence: neither the silence nor its end touches the device's program.",
        )),
        title: "{0} lets {1} speak again",
        severity: Severity::Medium,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0814"],
    },
    Act {
        class: Class::Stop,
        special: None,
        title: "{0} stops {1}",
        severity: Severity::High,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0858", "T0816", "T0881"],
    },
    Act {
        class: Class::Start,
        special: None,
        title: "{0} starts {1}",
        severity: Severity::Medium,
        from_engineering: Severity::Medium,
        habit: Severity::Low,
        techniques: &["T0858", "T0816"],
    },
];

struct ControllerMode {
    acts: Acts,
    /// Device or its module, and what of it -> what it reported last.
    modes: Memory<(Part, &'static str), Box<str>>,
}

/// A device, or what stands at a place behind it: a rack may hold several controllers.
type Part = (Address, Option<Place>);

impl Watch for ControllerMode {
    fn wants(&self, protocol: &str, class: Class) -> bool {
        self.acts.wants(protocol, class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::State(state) = &o.detail else {
            return self.acts.see(o, site, out);
        };
        if is_managed(o.protocol) {
            return;
        }
        let Some(device) = whose(o, state.subject) else { return };
        let device = (device, state.subject.place());
        match state.what {
            "mode" => self.reported(o, device, &state.value, out),
            "key" | "protection" => self.unlocked(o, device, (state.what, &state.value), out),
            _ => {}
        }
    }
}

impl ControllerMode {
    /// What was reported before, where it was another.
    fn before(&mut self, device: Part, what: &'static str, now: &str) -> Option<Box<str>> {
        match self.modes.get_mut(&(device, what)) {
            Some(known) if **known == *now => None,
            Some(known) => Some(std::mem::replace(known, now.into())),
            None => {
                if self.modes.len() < WATCHED_MAX {
                    self.modes.insert((device, what), now.into());
                }
                None
            }
        }
    }

    fn reported(&mut self, o: &Observation, device: Part, mode: &str, out: &mut Findings) {
        let Some(before) = self.before(device, "mode", mode) else { return };
        // Startup is on the way to run: the step that matters follows.
        if mode == "startup" || (&*before == "startup" && mode == "run") {
            return;
        }
        let severity = if mode == "run" { Severity::Low } else { Severity::Medium };
        let about = &CONTROLLER_MODE.about;
        let raised = out.raise(about, ("mode", device, mode), o, || {
            let title = format!("{} went from {before} to {mode}", named(device));
            Draft::about(vec![device.0], severity, title)
                .because(format!("It reported the mode {before} before and reports {mode} now."))
                .techniques(&["T0858"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }

    /// The key switch or the protection, which decide what others may do to it.
    fn unlocked(
        &mut self,
        o: &Observation,
        device: Part,
        (what, now): (&'static str, &str),
        out: &mut Findings,
    ) {
        let Some(before) = self.before(device, what, now) else { return };
        let word = if what == "key" { "key switch" } else { "write protection" };
        let raised = out.raise(&CONTROLLER_MODE.about, (what, device, now), o, || {
            let title = format!("{}: {word} went from {before} to {now}", named(device));
            Draft::about(vec![device.0], Severity::Medium, title)
                .because(format!(
                    "It reported {before} before and reports {now} now. The {word} decides \
                     whether its program can be changed from the network."
                ))
                .techniques(&["T0858"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

/// As titles name it.
fn named((_, place): Part) -> String {
    place.map_or("{0}".to_owned(), |place| format!("{{0}} ({place})"))
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, refused, state};
    use model::Subject;
    let at_place = |at: i64, place: Place, value: &str| {
        let mut o = state(at, "mode", value);
        let Detail::State(change) = &mut o.detail else { unreachable!("a state") };
        change.subject = Subject::sender_at(Some(place));
        o
    };
    let of_module = |at, slot, value: &str| at_place(at, Place::Slot(slot), value);
    let node = |number| Place::Station { bus: model::Bus::Canopen, number };
    let rack = [(0, 0, "run"), (1, 3, "program"), (2, 0, "run"), (3, 3, "program")];
    vec![
        Case::fires("a stop", vec![asks(0, Class::Stop)]),
        Case::fires("a silence", vec![silenced(0)]),
        Case::fires(
            "a device that stopped",
            vec![state(0, "mode", "run"), state(9, "mode", "stop")],
        ),
        Case::fires(
            "a key turned to program",
            vec![state(0, "key", "run"), state(9, "key", "program")],
        ),
        Case::fires(
            "a module that stopped",
            vec![of_module(0, 3, "run"), of_module(9, 3, "program")],
        ),
        Case::fires(
            "a node that stopped",
            vec![at_place(0, node(3), "run"), at_place(9, node(3), "stop")],
        ),
        Case::silent(
            "a node and a slot of the same number",
            vec![at_place(0, node(3), "run"), of_module(9, 3, "program")],
        ),
        Case::silent(
            "two controllers of a rack",
            rack.map(|(at, slot, value)| of_module(at, slot, value)).to_vec(),
        ),
        Case::silent("the key as it was", vec![state(0, "key", "run"), state(9, "key", "run")]),
        Case::silent("reads", vec![asks(0, Class::Read), asks(1, Class::Read)]),
        Case::silent("a refusal alone", vec![refused(0, Class::Stop, "access denied")]),
        Case::silent("starting up", vec![state(0, "mode", "startup"), state(9, "mode", "run")]),
    ]
}

#[cfg(test)]
fn silenced(at: i64) -> Observation {
    let operation = crate::testing::operation(Class::Stop, 8);
    let function_name = "force listen only mode";
    crate::testing::asked(at, model::Operation { function_name, ..operation })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, asks};

    #[test]
    fn who_is_silenced_is_not_stopped() {
        let found = Case::fires("both", vec![silenced(0), asks(9, Class::Stop)]).run();
        let found = found.iter().filter(|f| f.detector == CONTROLLER_MODE.about.id);
        let mut titles: Vec<_> = found.map(|f| f.title.as_str()).collect();
        titles.sort_unstable();
        let (client, server) = ("192.168.1.10", "192.168.1.20");
        let expected = ["silences", "stops"].map(|does| format!("{client} {does} {server}"));
        assert_eq!(titles, expected);
    }

    #[test]
    fn titles_say_the_place_in_words() {
        let far = "1/3,2/10.1.2.3".parse::<model::Route>().expect("a route").place();
        for (place, title) in [
            (None, "{0}"),
            (Some(Place::Slot(3)), "{0} (slot 3)"),
            (far, "{0} (behind backplane 3, 10.1.2.3)"),
        ] {
            let device = Address::Mac(model::Mac([2, 0, 0, 0, 0, 1]));
            assert_eq!(named((device, place)), title);
        }
    }
}
