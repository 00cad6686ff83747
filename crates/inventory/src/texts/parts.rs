//! Models, versions and serial numbers within texts.
//!
//! Not here: whose text it is. Invariant: what is found is a part of the text.

/// Longest part of a description that can be a model, in characters.
pub(super) const MODEL_CHARS_MAX: usize = 48;

/// What ends the name of a model.
const ENDS: &[&str] = &[
    ", ",
    ",",
    ";",
    " (",
    " SW:",
    " FW",
    " HW:",
    " Firmware",
    " firmware",
    " Version",
    " version",
    " Software",
    " Main ",
    " Rev.",
    " Rev ",
    " Rev:",
    " Revision",
    " Series A ",
    " Series B ",
    " Ver.",
    " Ver:",
    " Ver ",
    " FID=",
    " Release",
    " Ser#",
    " SN-",
    " SN ",
    " HW ",
    " [v",
    ":HW ",
    " S/N",
    " Snr ",
    // Of printers: what they print besides.
    " / ",
    " /P",
    // Junipers call all that they make so.
    " internet router",
    " - ",
    "\r",
    "\n",
];

/// Words of texts that are about something else than a model.
const OTHERS: &[&str] = &[
    "software",
    "linux",
    "hardware:",
    "windows",
    "version",
    "operating system",
    "networking os",
    "server",
    "agent",
    "build",
    "mib module",
    "copyright",
];

/// What a kind of device is called is nobody's model.
const KINDS: &[&str] =
    &["unknown", "router", "switch", "router/switch", "phone", "printer", "release"];

/// A short first part that is not about software; with a word of letters and digits, where nobody
/// says whose it is: descriptions are also what people type.
pub(super) fn model(text: &str, known_maker: bool) -> Option<String> {
    let end = ENDS.iter().filter_map(|end| text.find(end)).min().unwrap_or(text.len());
    let part = text.get(..end)?;
    // Where the version is no part of the model, it stands behind it.
    let is_end = |at: usize, word: &str| is_marked_version(word) || at > 0 && is_bare_version(word);
    let end = word_starts(part).find(|(at, word)| is_end(*at, word)).map(|(at, _)| at);
    let part = part.get(..end.unwrap_or(part.len()))?.trim_matches([' ', '-', ':', '/', '(', ')']);
    // What is in a bracket that stays open is cut off: of a bracket around the end.
    let part = match part.split_once('(') {
        Some((before, rest)) if !rest.contains(')') => before.trim_end(),
        _ => part,
    };
    // Of some a blank stands before the version's number.
    let part = part.strip_suffix(['v', 'V']).filter(|p| p.ends_with(' ')).unwrap_or(part);
    let part = part.trim_end();
    let lower = part.to_lowercase();
    let digit = |c: char| c.is_ascii_digit();
    let mixed = |word: &str| word.contains(digit) && word.contains(char::is_alphabetic);
    let named = known_maker || part.split(' ').any(mixed) && !lower.contains("ethernet");
    let fits = part.len() <= MODEL_CHARS_MAX
        && part.contains(char::is_alphanumeric)
        && !(part.contains('.') && part.chars().all(|c| c == '.' || digit(c)))
        && named
        && !KINDS.contains(&&*lower)
        && !lower.starts_with("release ")
        && !lower.ends_with(" os")
        && !OTHERS.iter().any(|s| lower.contains(s));
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

/// `V6.11.0.0`, `v7.0.5`, `R2.1.0.0`; a radius or a revision has fewer parts.
fn is_marked_version(word: &str) -> bool {
    let release = word.strip_prefix('R').filter(|rest| rest.matches('.').count() > 1);
    let rest = word.strip_prefix(['V', 'v']).or(release);
    rest.is_some_and(|rest| rest.contains('.') && is_version(rest))
}

/// `03.00.01.00`, `7.1R6`, `FL.10.10.1019`; no measure such as `1.5kW`.
fn is_bare_version(word: &str) -> bool {
    let rest = match word.split_once('.') {
        Some((letters, rest)) if letters.len() <= 2 && letters.chars().all(char::is_uppercase) => {
            rest
        }
        _ => word,
    };
    let end = rest.trim_end_matches(char::is_alphabetic).len();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '(' | ')');
    is_version(rest)
        && rest.contains('.')
        && rest.chars().all(plain)
        && rest.len() - end <= 1
        && rest.split('.').all(|number| number.contains(|c: char| c.is_ascii_digit()))
}

pub(super) fn is_version(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

/// A version without a word that announces it. Parts of a device, such as a network card in a
/// printer, have theirs too and say whose it is.
pub(super) fn version_word(text: &str) -> Option<String> {
    const PARTS: &[&str] = &[
        "net ",
        "nic ",
        "ui ",
        "eng",
        "boot",
        "rom",
        "hw",
        "pcl",
        "ps ",
        "ps3",
        "pdf",
        "controller",
        "iot",
        "me ",
        "nc ",
        "iit",
        "adf",
        "dadf",
        "fax",
        "hcf",
        "fin ",
        "sjfi",
        "ssmi",
    ];
    let of_part = |text: &&str| {
        let lower = text.trim_start().to_ascii_lowercase();
        PARTS.iter().any(|part| lower.starts_with(part))
    };
    let mut words = text
        .split([',', ';', '\r', '\n'])
        .flat_map(|part| part.split(" ("))
        .filter(|part| !of_part(part))
        .flat_map(|part| {
            let mut before = "";
            part.split(' ').filter(move |word| {
                let of_hardware = before.eq_ignore_ascii_case("hw");
                before = word;
                !of_hardware
            })
        })
        .map(|word| word.trim_start_matches('('))
        .filter_map(version);
    words.find(|word| is_marked_version(word) || is_bare_version(word))
}

/// What announces a version, the surest first. Where both are told, `FW` is what starts the
/// software.
const MARKS: &[&str] = &[
    "Application Software Version: ",
    "SW:",
    "FW: Version ",
    "FW:",
    "FW ",
    "primary:",
    "Firmware Version",
    "Firmware Ver.",
    "Firmware version",
    "firmware:",
    "Firmware:",
    "firmware ",
    "Firmware ",
    "Software version ",
    "SW version ",
    "SW Version ",
    "SW Version:",
    "SW V",
    "HiveOS ",
    "JUNOS ",
    ", revision ",
    "Main v",
    "HiOS-",
    "Version 3Com OS ",
    "Version ",
    "Version: ",
    "version ",
    "Version:",
];

/// Whose version it is that such a word announces, where it is not that of the device: of what it
/// is made of, of what starts it, of protocols and programs.
const OTHERS_VERSIONS: &[&str] = &[
    "HW:",
    "HW",
    "Hardware",
    "hardware",
    "Boot",
    "boot",
    "Bootcode",
    "Bootloader",
    "bootloader",
    "ROM",
    "Bios",
    "BIOS",
    "PROM",
    "TLS",
    "SSL",
    "SSH",
    "NTP",
    "Shell",
    "Telnetd",
    "Protocol",
    "protocol",
    "Kernel",
    "kernel",
    "API",
    "TELNET server",
    "Telnet Server",
];

/// These announce versions where it is known whose text it is.
const WEAK_MARKS: &[&str] = &[
    " Rev ",
    " Rev.",
    " Revision: ",
    " Revision ",
    " Ver ",
    " Ver.",
    " Ver:",
    " Ver",
    "Software v",
];

/// Behind a word that announces it.
pub(super) fn firmware(text: &str, known_maker: bool) -> Option<String> {
    let weak = WEAK_MARKS.iter().filter(|_| known_maker);
    MARKS.iter().chain(weak).find_map(|mark| {
        let of_device = |at: &usize| {
            let before = text.get(..*at).unwrap_or_default().trim_end();
            !OTHERS_VERSIONS.iter().any(|other| before.ends_with(other))
        };
        let at = text.match_indices(mark).map(|(at, _)| at).find(of_device)?;
        let whole = matches!(*mark, "HiOS-" | "Main v" | "SW V");
        let behind = if whole { mark.rfind(' ').map_or(0, |blank| blank + 1) } else { mark.len() };
        let rest = text.get(at + behind..).unwrap_or_default().trim_start_matches([' ', ':']);
        version(rest).or_else(|| {
            // Of some the versions are letters.
            let letter = *mark == "Firmware Ver.";
            let word = rest.split([' ', ',']).next().unwrap_or_default();
            let is_letter = letter && word.len() == 1 && word.contains(char::is_uppercase);
            is_letter.then(|| word.to_owned())
        })
    })
}

/// The version a text begins with: `15.2(4)EA5`, `7.1.070, Release 3208P03`.
pub(super) fn version(text: &str) -> Option<String> {
    let end = text.find([',', ';', ' ', '[', ']', '\r', '\n']).unwrap_or(text.len());
    let word = text.get(..end)?;
    // A bracket that was not opened closes one around the version.
    let end = match word.find(')') {
        Some(at) if !word.contains('(') => at,
        _ => word.len(),
    };
    let word = word.get(..end)?.trim_end_matches(['.', ':']);
    let of_wire = word.contains("BASE") || word.contains("Base");
    (word.contains(|c: char| c.is_ascii_digit()) && !of_wire).then(|| word.to_owned())
}

/// Behind a word that announces it.
pub(super) fn serial(text: &str) -> Option<String> {
    const SERIALS: &[&str] = &[
        "SN: ",
        "SN:",
        ";SN ",
        " SN ",
        "S/N: ",
        "S/N ",
        "Ser#:",
        "Serial No. ",
        "Serial Number: ",
        "Serial ",
    ];
    SERIALS.iter().find_map(|mark| {
        let rest = text.split_once(mark)?.1;
        let word = rest.split([' ', ',', ';', ')', '\r', '\n']).next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let fits = word.len() >= 5
            && word.chars().all(plain)
            && word.contains(|c: char| c.is_ascii_digit());
        fits.then(|| word.to_owned())
    })
}
