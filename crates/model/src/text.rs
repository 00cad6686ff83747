//! Characters that are no text: what moves a cursor, turns the text around it or is not seen.
//!
//! Names come from the network and from people who may mean harm. Invariant: what is replaced has
//! no place in a name that is read on one line.

/// A control character, or one that changes the direction or the line of what stands beside it
/// (Unicode bidirectional algorithm, UAX #9, 2; line and paragraph separators): `gnp.exe` can be
/// made to read `exe.png`. Or one that nobody sees and no script needs, with which two names look
/// alike: spaces of no width, what joins words or means a product, and tags (Unicode 16, 23.2,
/// 23.8 and 23.9). What joins letters (U+200C and U+200D) is spelling.
pub fn is_disruptive(c: char) -> bool {
    let turns = matches!(c,
        '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let hides = matches!(c,
        '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}');
    c.is_control() || turns || hides || matches!(c, '\u{2028}' | '\u{2029}')
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

    #[test]
    fn what_is_not_seen_makes_no_second_name_that_looks_like_the_first() {
        for c in ['\u{200b}', '\u{2060}', '\u{feff}', '\u{e0001}', '\u{e0041}', '\u{e007f}'] {
            assert!(is_disruptive(c), "{c:?}");
        }
        let spelled = "می\u{200c}خواهم, 👩\u{200d}🔧";
        assert!(!spelled.contains(is_disruptive), "letters and pictures are joined");
    }
}
