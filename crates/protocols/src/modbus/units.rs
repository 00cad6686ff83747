//! Devices behind one address: a gateway leads to as many on its serial lines as there are units.
//!
//! Not here: what they say of themselves. Invariant: a device that answers for every unit stays
//! one; only units that say they are different devices have places of their own.

use crate::Output;
use model::{Bus, Place, Subject};

/// Units that are the host itself, whatever is behind it (Messaging Guide V1.0b, 3.1.3).
const ITSELF: [u8; 2] = [0, 255];
/// What is remembered of the first.
const FACTS_MAX: usize = 16;

/// Path and value.
pub(super) type Fact = (&'static str, String);

#[derive(Default)]
pub(super) enum Units {
    #[default]
    None,
    /// All that spoke so far may be one device: the unit that was the first, the message that told
    /// of it, and what they said.
    One(u8, &'static str, Vec<Fact>),
    Several,
}

impl Units {
    /// Tells what a unit says of itself. With the first that is another device than the one before,
    /// the one before is told anew, in its place.
    pub(super) fn tell(
        &mut self,
        unit: u8,
        message: &'static str,
        facts: Vec<Fact>,
        out: &mut Output,
    ) {
        match self {
            Units::None => {
                let known = facts.iter().take(FACTS_MAX).cloned().collect();
                *self = Units::One(unit, message, known);
            }
            Units::One(first, said, known) if *first != unit && are_apart(known, &facts) => {
                out.identity(place(*first), said, std::mem::take(known));
                *self = Units::Several;
            }
            Units::One(.., known) => add(known, &facts),
            Units::Several => {}
        }
        let subject = match self {
            Units::Several => place(unit),
            Units::None | Units::One(..) => Subject::Sender,
        };
        out.identity(subject, message, facts);
    }
}

fn place(unit: u8) -> Subject {
    if ITSELF.contains(&unit) {
        return Subject::Sender;
    }
    Subject::BehindSender(Place::Station { bus: Bus::Modbus, number: unit.into() })
}

/// Do they contradict each other?
fn are_apart(known: &[Fact], facts: &[Fact]) -> bool {
    // Objects of the maker's own share a path, and say nothing when they differ.
    let tells = |path| path != super::names::OWN_OBJECT;
    let other = |(path, value): &Fact| known.iter().any(|(p, v)| p == path && v != value);
    facts.iter().any(|fact| tells(fact.0) && other(fact))
}

fn add(known: &mut Vec<Fact>, facts: &[Fact]) {
    for (path, value) in facts {
        let room = known.len() < FACTS_MAX;
        match known.iter_mut().find(|(known, _)| known == path) {
            Some((_, said)) => said.clone_from(value),
            None if room => known.push((path, value.clone())),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    /// What is told when units say these things of themselves, a letter for vendor and model each.
    fn told(said: &[(u8, &str)]) -> Vec<String> {
        let (mut units, mut out) = (Units::default(), Output::new(false));
        for (unit, letters) in said {
            let paths = ["vendor", "model"].into_iter();
            let facts = paths.zip(letters.chars()).filter(|(_, letter)| *letter != '-');
            let facts = facts.map(|(path, letter)| (path, letter.to_string())).collect();
            units.tell(*unit, "test", facts, &mut out);
        }
        let text = |detail: &Detail| {
            let Detail::Identity(identity) = detail else { panic!("{detail:?}") };
            let place = identity.subject.place().map_or("itself".to_owned(), |p| p.to_string());
            let values = identity.attributes.iter().map(|a| &*a.value).collect::<String>();
            format!("{place} {values}")
        };
        out.observed.iter().map(|seen| text(&seen.detail)).collect()
    }

    #[test]
    fn a_device_that_answers_for_every_unit_is_one() {
        assert_eq!(
            told(&[(1, "ab"), (2, "ab"), (255, "a-")]),
            ["itself ab", "itself ab", "itself a"]
        );
        assert_eq!(told(&[(3, "ab"), (3, "ac")]), ["itself ab", "itself ac"], "an update");
    }

    #[test]
    fn units_that_are_different_devices_have_places() {
        let expected = ["itself ab", "unit 1 ab", "unit 2 ac", "unit 1 ab", "itself gw"];
        assert_eq!(told(&[(1, "ab"), (2, "ac"), (1, "ab"), (255, "gw")]), expected);
        // The gateway itself spoke first.
        assert_eq!(told(&[(255, "gw"), (7, "ab")]), ["itself gw", "itself gw", "unit 7 ab"]);
        // What is told apart by a later message.
        assert_eq!(
            told(&[(1, "a-"), (2, "ab"), (3, "ac")]),
            ["itself a", "itself ab", "unit 1 ab", "unit 3 ac"]
        );
    }
}
