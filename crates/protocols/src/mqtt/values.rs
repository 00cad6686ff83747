//! Process values in payloads that are plain text: a number, a switch, or JSON with numbers.
//!
//! Not a JSON parser: names and the numbers behind them are found, nothing is checked. Invariant:
//! work is linear in the payload and the number of values is bounded.

use model::PointValue;

/// Payloads longer than this are documents, not values.
const PAYLOAD_OCTETS_MAX: usize = 8_192;
/// Values of one payload.
const VALUES_MAX: usize = 64;

/// Values with the names they have inside the payload, empty for a payload that is one value.
pub fn values(payload: &[u8]) -> Vec<(String, PointValue)> {
    if payload.len() > PAYLOAD_OCTETS_MAX {
        return Vec::new();
    }
    let Ok(text) = std::str::from_utf8(payload) else { return Vec::new() };
    let text = text.trim();
    if text.starts_with('{') {
        return members(text);
    }
    scalar(text).map(|value| vec![(String::new(), value)]).unwrap_or_default()
}

fn scalar(text: &str) -> Option<PointValue> {
    match text {
        "true" | "TRUE" | "on" | "ON" => return Some(PointValue::Bool(true)),
        "false" | "FALSE" | "off" | "OFF" => return Some(PointValue::Bool(false)),
        _ => {}
    }
    let numeric = text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-' | b'+' | b'e' | b'E'));
    if !numeric || text.is_empty() {
        return None;
    }
    if let Ok(whole) = text.parse() {
        return Some(PointValue::Int(whole));
    }
    text.parse().ok().map(PointValue::Float)
}

/// `"name": number` at any depth; names of objects around it stand before it, joined by dots.
fn members(text: &str) -> Vec<(String, PointValue)> {
    let mut found = Vec::new();
    let mut path: Vec<&str> = Vec::new();
    let mut name = "";
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if found.len() >= VALUES_MAX || path.len() > 16 {
            break;
        }
        match first {
            '{' => {
                path.push(name);
                rest = rest.get(1..).unwrap_or_default();
            }
            '}' => {
                path.pop();
                rest = rest.get(1..).unwrap_or_default();
            }
            '"' => {
                let (text, behind) = quoted(rest);
                rest = behind.trim_start();
                if rest.starts_with(':') {
                    name = text;
                }
            }
            ':' => {
                rest = rest.get(1..).unwrap_or_default().trim_start();
                let end = rest.find([',', '}', ']', '{', '[', '"']).unwrap_or(rest.len());
                let (text, behind) = rest.split_at_checked(end).unwrap_or_default();
                if let Some(value) = scalar(text.trim()) {
                    let parts = path.iter().filter(|p| !p.is_empty()).chain([&name]);
                    let parts: Vec<_> = parts.copied().collect();
                    found.push((parts.join("."), value));
                }
                rest = behind;
            }
            other => rest = rest.get(other.len_utf8()..).unwrap_or_default(),
        }
    }
    found
}

/// The text between quotes, and what is behind them.
fn quoted(text: &str) -> (&str, &str) {
    let inner = text.get(1..).unwrap_or_default();
    let mut escaped = false;
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => {
                let behind = inner.get(at..).and_then(|r| r.get(1..)).unwrap_or_default();
                return (inner.get(..at).unwrap_or_default(), behind);
            }
            _ => {}
        }
    }
    (inner, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_under_the_names_around_them() {
        let json = br#"{"ts": "x", "motor": {"rpm": 1480, "on": true}, "t":-2.5}"#;
        let expected = [
            ("motor.rpm".to_owned(), PointValue::Int(1_480)),
            ("motor.on".to_owned(), PointValue::Bool(true)),
            ("t".to_owned(), PointValue::Float(-2.5)),
        ];
        assert_eq!(values(json), expected);
    }

    #[test]
    fn a_number_alone_is_a_value_and_words_are_none() {
        assert_eq!(values(b" 21.5\n"), [(String::new(), PointValue::Float(21.5))]);
        assert!(values(b"hello").is_empty() && values(b"{\"a\":\"").is_empty());
    }
}
