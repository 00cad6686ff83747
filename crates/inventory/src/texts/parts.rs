//! Models and versions within texts.
//!
//! Not here: whose text it is. Invariant: what is found is a part of the text.

/// Longest part of a description that can be a model, in characters.
pub(super) const MODEL_CHARS_MAX: usize = 48;

/// A short first part that is not about software; with a word of letters and digits, where nobody
/// says whose it is: descriptions are also what people type.
pub(super) fn model(text: &str, known_maker: bool) -> Option<String> {
    let ends = [
        ", ",
        ",",
        ";",
        " (",
        " - SW",
        " SW:",
        " FW",
        " HW:",
        " Firmware",
        " firmware",
        " Version",
        " version",
        " Main ",
        " Rev.",
        " FID=",
        " Release",
    ];
    let end = ends.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let part = text.get(..end)?;
    let end = word_starts(part).find(|(_, word)| is_marked_version(word)).map(|(at, _)| at);
    let part = part.get(..end.unwrap_or(part.len()))?.trim_matches([' ', '-', ':', '/', '(', ')']);
    let lower = part.to_lowercase();
    let other: &[&str] = &[
        "software",
        "linux",
        "hardware:",
        "windows",
        "version",
        "operating system",
        "networking os",
        "server",
    ];
    let digit = |c: char| c.is_ascii_digit();
    let mixed = |word: &str| word.contains(digit) && word.contains(char::is_alphabetic);
    let named = known_maker || part.split(' ').any(mixed) && !lower.contains("ethernet");
    let fits = part.len() <= MODEL_CHARS_MAX
        && part.contains(char::is_alphabetic)
        && named
        && !other.iter().any(|s| lower.contains(s));
    fits.then(|| part.to_owned())
}

/// Words and where they start.
fn word_starts(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(' ').map(move |word| {
        let start = at;
        at += word.len() + 1;
        (start, word)
    })
}

/// `V6.11.0.0`, `v7.0.5`.
fn is_marked_version(word: &str) -> bool {
    let rest = word.strip_prefix(['V', 'v']);
    rest.is_some_and(|rest| rest.contains('.') && is_version(rest))
}

pub(super) fn is_version(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn version_word(text: &str) -> Option<String> {
    let mut words = text.split([' ', ',', ';', '(', ')']);
    words.find(|word| is_marked_version(word)).map(str::to_owned)
}

/// Behind a word that announces it.
pub(super) fn firmware(text: &str) -> Option<String> {
    const MARKS: &[&str] = &[
        "FW: Version ",
        "FW:",
        "FW ",
        "SW:",
        "primary:",
        "Firmware Version ",
        "Firmware Ver.",
        "Firmware version",
        "firmware:",
        "Firmware:",
        "firmware ",
        "Firmware ",
        "Software version ",
        "JUNOS ",
        ", revision ",
        "Main v",
        "HiOS-",
        "Version ",
        "version ",
    ];
    for mark in MARKS {
        let Some(at) = text.find(mark) else { continue };
        let before = text.get(..at).unwrap_or_default();
        // That of the hardware or of what starts the firmware is another one.
        if ["HW: ", "Hardware ", "Boot ", "ROM "].iter().any(|other| before.ends_with(other)) {
            continue;
        }
        let whole = matches!(*mark, "HiOS-" | "Main v");
        let behind = if whole { mark.rfind(' ').map_or(0, |blank| blank + 1) } else { mark.len() };
        let rest = text.get(at + behind..).unwrap_or_default().trim_start();
        let version = rest.split([',', ';', ' ', ')']).next().unwrap_or_default();
        if version.contains(|c: char| c.is_ascii_digit()) {
            return Some(version.to_owned());
        }
    }
    None
}
