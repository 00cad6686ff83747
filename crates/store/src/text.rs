//! Text and lists as columns.
//!
//! A list is its elements, each between two line feeds, so that one element is found with a plain
//! substring match. Invariant: no element holds a line feed or a NUL, and none is longer than
//! [`TEXT_CHARS_MAX`] characters.

use crate::TEXT_CHARS_MAX;

/// Text as a column holds it: what is no text replaced, cut to the limit.
pub(crate) fn clean(text: &str) -> String {
    let plain = |c| if model::is_disruptive(c) { '\u{fffd}' } else { c };
    text.chars().take(TEXT_CHARS_MAX).map(plain).collect()
}

/// A text that sorts as people count: `plc-2` before `PLC-10`.
pub(crate) fn counted_order(name: &str) -> String {
    let mut order = String::with_capacity(name.len() + 8);
    let mut left = name;
    while !left.is_empty() {
        let words = left.find(|c: char| c.is_ascii_digit()).unwrap_or(left.len());
        order.extend(left[..words].chars().flat_map(char::to_lowercase));
        let rest = &left[words..];
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let number = rest[..digits].trim_start_matches('0');
        if digits > 0 {
            // The longer number is the greater one; names have no more than some hundred digits.
            order.push_str(&format!("{:03}{number}", number.len()));
        }
        left = &rest[digits..];
    }
    order
}

pub(crate) fn join<T: ToString>(elements: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for element in elements {
        if text.is_empty() {
            text.push('\n');
        }
        text.push_str(&clean(&element.to_string()));
        text.push('\n');
    }
    text
}

pub(crate) fn split(text: &str) -> Vec<String> {
    text.split('\n').filter(|e| !e.is_empty()).map(str::to_owned).collect()
}

/// Lowercase hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a String takes any text");
    }
    text
}

pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    hex(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

/// A new id: prefix, milliseconds, randomness, so ids sort by age.
pub(crate) fn new_id(prefix: &str, now: model::Time) -> String {
    let mut random = [0u8; 8];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
        .expect("the system has a source of randomness");
    format!("{prefix}_{:012x}{}", now.nanos().max(0) / 1_000_000, hex(&random))
}

/// The word serde gives a plain enum.
pub(crate) fn word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        other => unreachable!("a plain enum serialises to its word, not {other:?}"),
    }
}

/// The value of a word, where it is one.
pub(crate) fn from_word<T: serde::de::DeserializeOwned>(word: &str) -> Option<T> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
}

pub(crate) fn severity_rank(severity: model::Severity) -> i64 {
    severity as i64
}

pub(crate) fn severity_from_rank(rank: i64) -> Option<model::Severity> {
    use model::Severity::{Critical, High, Info, Low, Medium};
    [Info, Low, Medium, High, Critical].into_iter().find(|s| severity_rank(*s) == rank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn list_elements_cannot_break_out() {
        let column = join(["plc\n1", "b\0", "\u{202e}gnp", ""]);
        assert_eq!(split(&column), ["plc\u{fffd}1", "b\u{fffd}", "\u{fffd}gnp"]);
        assert_eq!(join(Vec::<String>::new()), "");
        assert_eq!(clean(&"x".repeat(5_000)).chars().count(), TEXT_CHARS_MAX);
    }

    #[test]
    fn names_stand_in_the_order_people_count_in() {
        let names =
            ["10.0.0.9", "10.0.0.10", "Line 2", "line 2b", "PLC", "plc-2", "PLC-010", "plc-x"];
        let mut sorted = names;
        sorted.reverse();
        sorted.sort_by_key(|name| counted_order(name));
        assert_eq!(sorted, names);
        assert_eq!(counted_order("PLC-010"), counted_order("plc-10"));
    }

    #[test]
    fn severities_have_ranks_in_order() {
        for rank in 0..5 {
            assert_eq!(severity_from_rank(rank).map(severity_rank), Some(rank));
        }
        assert_eq!(severity_from_rank(5), None);
    }
}
