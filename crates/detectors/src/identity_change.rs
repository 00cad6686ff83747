//! Devices that are no longer what they were: other firmware, model or serial number.
//!
//! Not here: the command that changed it (`firmware-update`). Invariant: a value is a change when
//! the same device said another one in the same message before; what it says of several parts at
//! about the same time is no change.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, act::whose, watched::FirstKnown,
    window::apart_secs,
};
use model::{Address, Detail, Evidence, Identity, Observation, Place, Severity, Time};

pub static IDENTITY_CHANGE: Detector = Detector {
    about: About {
        id: "identity-change",
        title: "Firmware, model or serial number of a device changed",
        engine: model::Engine::Policy,
        why: "Firmware that changed without a plan may be somebody else's, and it survives every \
              program download. Another serial number at the same address is another device: a \
              repair, or one that was put in its place.",
        techniques: &["T0857", "T0839", "T0848"],
        false_positives: "Planned updates and repairs, addresses given to another device, \
                          gateways that answer for several devices.",
        runbook: "Ask whether the device was updated or replaced.\n\
                  Compare the version with what the maker published, and its file by checksum.\n\
                  Take a backup of the new state and compare the program with the last one.\n\
                  If nobody planned it, take the device out of service and examine it.",
        sees: &[Kind::Identity],
    },
    watch: || Box::new(IdentityChange { known: FirstKnown::new() }),
    #[cfg(test)]
    cases,
};

/// What must not change by itself, and the word for it.
const WATCHED: [(&str, &str); 4] = [
    ("firmware", "firmware"),
    ("serial", "serial number"),
    ("model", "model"),
    ("order_number", "order number"),
];
/// The device's own word.
const CONFIDENCE_MIN: u8 = 90;
/// Values that come within this time are those of several parts.
const TOGETHER_SECS: i64 = 60;
/// Parts told apart.
const PARTS_MAX: usize = 8;

struct IdentityChange {
    known: FirstKnown<Said, Vec<Part>>,
}

/// Whose attribute, in which message.
#[derive(PartialEq, Eq, Hash)]
struct Said {
    device: Address,
    place: Option<Place>,
    path: &'static str,
    protocol: &'static str,
    message: &'static str,
}

struct Part {
    value: Box<str>,
    last: Time,
}

impl Watch for IdentityChange {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Identity(identity) = &o.detail else { return };
        let Some(device) = whose(o, identity.subject) else { return };
        let place = identity.subject.place();
        for attribute in &identity.attributes {
            let Some((path, word)) = WATCHED.iter().find(|(path, _)| *path == attribute.path)
            else {
                continue;
            };
            if attribute.confidence < CONFIDENCE_MIN || attribute.value.is_empty() {
                continue;
            }
            let (protocol, message) = (o.protocol, identity.message);
            let said = Said { device, place, path, protocol, message };
            if let Some(before) = self.before(said, &attribute.value, o.at) {
                let change = Change { device, place, path, word, before: &before };
                change.raise(o, identity, &attribute.value, out);
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.known.refused()
    }
}

impl IdentityChange {
    /// What was said before, where this is another value.
    fn before(&mut self, said: Said, value: &str, at: Time) -> Option<Box<str>> {
        // Whoever makes up devices must not make the real ones forgotten.
        let parts = self.known.of(said, Vec::new)?;
        if let Some(part) = parts.iter_mut().find(|part| *part.value == *value) {
            part.last = part.last.max(at);
            return None;
        }
        let newest = parts.iter().max_by_key(|part| part.last);
        let before = newest
            .filter(|part| apart_secs(at, part.last) >= TOGETHER_SECS)
            .map(|part| part.value.clone());
        if before.is_some() {
            // What it was is history; only what it is now can change again.
            parts.clear();
        }
        if parts.len() < PARTS_MAX {
            parts.push(Part { value: value.into(), last: at });
        }
        before
    }
}

struct Change<'a> {
    device: Address,
    place: Option<Place>,
    path: &'static str,
    word: &'static str,
    before: &'a str,
}

impl Change<'_> {
    fn raise(&self, o: &Observation, identity: &Identity, value: &str, out: &mut Findings) {
        let Change { device, place, path, word, before } = *self;
        let key = (device, place, path, value);
        let raised = out.raise(&IDENTITY_CHANGE.about, key, o, || {
            let part = place.map(|place| format!(", {place}")).unwrap_or_default();
            let title = format!("{{0}}{part}: {word} changed from {before} to {value}");
            let technique: &[&str] = match path {
                "firmware" if matches!(place, Some(Place::Slot(_))) => &["T0839"],
                "firmware" => &["T0857"],
                _ => &["T0848"],
            };
            Draft::about(vec![device], Severity::Medium, title)
                .because(format!(
                    "In the same message ({}) the same address said {before} before.",
                    identity.message
                ))
                .techniques(technique)
        });
        if let Some(open) = raised {
            open.proof(
                "now",
                Evidence::Fact {
                    at: o.at,
                    path: path.to_owned(),
                    value: value.to_owned(),
                    source: format!("{} {}", o.protocol, identity.message),
                },
            );
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, port, seen};
    use model::{Attribute, Subject};
    let says = |at, path, value: &str| {
        let attributes = vec![Attribute { path, value: value.into(), confidence: 95 }];
        let (subject, message) = (Subject::Sender, "List Identity");
        let detail = Detail::Identity(Identity { subject, message, attributes });
        of("enip", seen(at, port(host(20), 44_818), host(10), detail))
    };
    let behind = |at, way: &str, value| {
        let mut o = says(at, "serial", value);
        let Detail::Identity(identity) = &mut o.detail else { unreachable!("an identity") };
        let place = way.parse::<model::Route>().expect("a route").place();
        identity.subject = Subject::sender_at(place);
        o
    };
    vec![
        Case::fires(
            "another device far behind a bridge",
            vec![behind(0, "1/3,2/10.1.2.3", "A1"), behind(90_000, "1/3,2/10.1.2.3", "B2")],
        ),
        Case::silent(
            "two devices behind one bridge",
            vec![behind(0, "1/3,2/10.1.2.3", "A1"), behind(90_000, "1/3,2/10.1.2.4", "B2")],
        ),
        Case::fires(
            "another firmware",
            vec![says(0, "firmware", "20.11"), says(3_600_000, "firmware", "20.12")],
        ),
        Case::fires(
            "and back: the first change and the second",
            vec![
                says(0, "serial", "A1"),
                says(90_000, "serial", "B2"),
                says(91_000, "serial", "B2"),
            ],
        ),
        Case::silent(
            "several parts",
            vec![
                says(0, "firmware", "1.0"),
                says(10, "firmware", "2.0"),
                says(3_600_000, "firmware", "1.0"),
                says(3_600_010, "firmware", "2.0"),
            ],
        ),
        Case::silent(
            "a name is not what it is",
            vec![says(0, "name", "pump 1"), says(90_000, "name", "pump 2")],
        ),
    ]
}
