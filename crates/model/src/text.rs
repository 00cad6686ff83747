//! Characters that are no text: what moves a cursor, or turns the text around it.
//!
//! Names come from the network and from people who may mean harm. Invariant: what is replaced has
//! no place in a name that is read on one line.

/// A control character, or one that changes the direction or the line of what stands beside it
/// (Unicode bidirectional algorithm, UAX #9, 2; line and paragraph separators): `gnp.exe` can be
/// made to read `exe.png`.
pub fn is_disruptive(c: char) -> bool {
    let turns = matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::is_disruptive;

    #[test]
    fn names_of_all_scripts_are_text_and_overrides_are_not() {
        let names = "Füller 2, 充填機, مضخة, משאבה, Ωmega 👷";
        assert!(!names.contains(is_disruptive));
        for c in ['\u{1b}', '\n', '\u{7f}', '\u{9b}', '\u{202e}', '\u{2066}', '\u{2028}'] {
            assert!(is_disruptive(c), "{c:?}");
        }
    }
}
