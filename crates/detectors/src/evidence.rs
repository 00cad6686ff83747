//! Words for what was seen: messages, learned sets, names of assets.
//!
//! Invariant: text from outside is bounded before it gets here, and an excerpt is what the
//! observation carries, no more.

use crate::{
    limits::{MEMBERS_SHOWN_MAX, NAME_CHARS_MAX},
    object,
};
use inventory::Inventory;
use model::{Address, Detail, Direction, Evidence, Observation, Operation, Outcome, SessionEvent};

/// The observation as proof.
pub fn message(o: &Observation) -> Evidence {
    Evidence::Message {
        at: o.at,
        frame: o.frame,
        protocol: o.protocol.to_owned(),
        from: o.from.address(),
        to: o.to.address(),
        says: says(o),
        excerpt: o.excerpt.as_ref().map(model::Excerpt::hex),
    }
}

/// What was normal until then.
pub fn learned(says: impl Into<String>, members: impl IntoIterator<Item = String>) -> Evidence {
    let mut members: Vec<String> = members.into_iter().take(MEMBERS_SHOWN_MAX + 1).collect();
    if members.len() > MEMBERS_SHOWN_MAX {
        members.truncate(MEMBERS_SHOWN_MAX);
        members.push("and more".to_owned());
    }
    Evidence::Learned { says: says.into(), members }
}

/// What an observation says, for a person.
pub fn says(o: &Observation) -> String {
    match &o.detail {
        Detail::Presence => "it is there".to_owned(),
        Detail::Identity(identity) => {
            let facts = identity.attributes.iter().take(6);
            let facts: Vec<_> = facts.map(|a| format!("{} {}", a.path, a.value)).collect();
            format!("{}: {}", identity.message, facts.join(", "))
        }
        Detail::Operation(operation) => operation_says(o.protocol, operation),
        Detail::Value { point, value, .. } => format!("{} is {value:?}", point.0),
        Detail::State(state) => format!("{} is {}", state.what, state.value),
        Detail::Violation(v) => format!("{} ({}; {})", v.says, v.rule, v.section),
        Detail::Session(event) => match event {
            SessionEvent::Attempted { .. } => "tries to connect",
            SessionEvent::Answered => "answers",
            SessionEvent::Refused => "refuses the connection",
            SessionEvent::Closed => "closes the connection",
        }
        .to_owned(),
        Detail::Authentication(a) => {
            let user = a.user.as_deref().map(|u| format!(" as {u}")).unwrap_or_default();
            let outcome = match a.accepted {
                Some(true) => ", accepted",
                Some(false) => ", refused",
                None => "",
            };
            format!("signs in{user} with {}{outcome}", a.method)
        }
        Detail::Exchange(e) => {
            format!("packets there: {}, back: {}", e.packets_up, e.packets_down)
        }
    }
}

fn operation_says(protocol: &str, operation: &Operation) -> String {
    let what = match operation.direction {
        Direction::Request => "asks",
        Direction::Response => "answers",
        Direction::Notice => "tells",
    };
    let mut text = format!("{what}: {}", operation.function_name);
    let object = object::says(protocol, &operation.object);
    if !object.is_empty() {
        text.push_str(", ");
        text.push_str(&object);
    }
    if let Some(unit) = operation.unit {
        text.push_str(&format!(", unit {unit}"));
    }
    match operation.outcome {
        Outcome::Open => {}
        Outcome::Done => text.push_str(", done"),
        Outcome::Refused { code, name } => {
            text.push_str(&format!(", refused: {name} (0x{code:02x})"));
        }
    }
    text
}

/// What a person calls the asset that has this address, with the address.
pub fn name(address: &Address, inventory: &Inventory) -> String {
    let Some(key) = inventory.asset_of(address) else { return address.to_string() };
    named(&inventory.display(key), &address.to_string())
}

/// A device chooses its own name: a long one is cut, or a title says no more than that.
fn named(shown: &str, address: &str) -> String {
    if shown.starts_with("ast_") {
        return address.to_owned();
    }
    let name = shown.strip_suffix(&format!(" ({address})")).unwrap_or(shown);
    if name.chars().count() > NAME_CHARS_MAX {
        let cut: String = name.chars().take(NAME_CHARS_MAX - 1).collect();
        return format!("{}… ({address})", cut.trim_end());
    }
    if shown.contains(address) { shown.to_owned() } else { format!("{shown} ({address})") }
}

/// Puts names in the places of `{0}`, `{1}` and so on.
pub fn fill(text: &str, names: &[String]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let place = after.get(1..2).and_then(|d| d.parse::<usize>().ok());
        match place.filter(|_| after.get(2..3) == Some("}")) {
            Some(place) => {
                out.push_str(names.get(place).map_or("somebody", String::as_str));
                rest = &after[3..];
            }
            None => {
                out.push('{');
                rest = &after[1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_is_cut_and_its_address_stays() {
        let fits = "M".repeat(NAME_CHARS_MAX);
        let long = "Ä".repeat(NAME_CHARS_MAX + 1);
        for (shown, expect) in [
            ("filler", "filler (10.0.0.1)".to_owned()),
            ("CPU 315 (10.0.0.1)", "CPU 315 (10.0.0.1)".to_owned()),
            ("ast_1", "10.0.0.1".to_owned()),
            (&fits, format!("{fits} (10.0.0.1)")),
            (&long, format!("{}… (10.0.0.1)", "Ä".repeat(NAME_CHARS_MAX - 1))),
            (&format!("{fits} (10.0.0.1)"), format!("{fits} (10.0.0.1)")),
            (
                &format!("{long} (10.0.0.1)"),
                format!("{}… (10.0.0.1)", "Ä".repeat(NAME_CHARS_MAX - 1)),
            ),
        ] {
            assert_eq!(named(shown, "10.0.0.1"), expect);
        }
    }

    #[test]
    fn names_go_into_their_places_and_braces_of_others_stay() {
        let names = vec!["A".to_owned(), "B".to_owned()];
        assert_eq!(fill("{0} stops {1}", &names), "A stops B");
        assert_eq!(fill("asks {x} of {9}: {", &names), "asks {x} of somebody: {");
    }
}
