//! The shapes of texts. See the parent.

use super::{Told, makers, systems};

/// Longest part of a description that can be a model, in characters.
const MODEL_CHARS_MAX: usize = 48;

/// A system description (SNMP sysDescr, LLDP, CDP) with the sysObjectID beside it.
pub(super) fn description(text: &str, kind: Option<&str>) -> Told {
    let os = systems::of_description(text, kind);
    let told = siemens(text)
        .or_else(|| cisco(text))
        .or_else(|| huawei(text))
        .or_else(|| apc(text))
        .or_else(|| axis(text))
        .or_else(|| lights_out(text))
        .or_else(|| jetdirect(text));
    if let Some(told) = told {
        return Told { os, ..told };
    }
    if is_system(text) {
        // Where the text is of the system alone, its version is no firmware of the device.
        return Told { os, ..Told::default() };
    }
    let branded = makers::by_beginning(text);
    let (maker, rest) =
        branded.map_or((catalogue(text), text), |(maker, rest)| (Some(maker), rest));
    Told {
        vendor: maker,
        model: model(rest, maker.is_some()),
        firmware: firmware(text).or_else(|| maker.and_then(|_| version_word(rest))),
        serial: None,
        os,
    }
}

/// Texts of operating systems that run on anybody's hardware.
fn is_system(text: &str) -> bool {
    let begins = [
        "Linux ",
        "FreeBSD ",
        "OpenBSD ",
        "NetBSD ",
        "SunOS ",
        "Darwin ",
        "AIX ",
        "Hardware: ",
        "Microsoft Windows",
        "VMware ",
        "VxWorks",
    ];
    begins.iter().any(|b| text.starts_with(b)) || text.contains(" Linux ")
}

/// `Siemens, SIMATIC NET, MODEL, order number, HW: ..., FW: ..., serial number`.
fn siemens(text: &str) -> Option<Told> {
    let parts: Vec<&str> = text.split(',').map(str::trim).collect();
    let [maker, _, model, order, rest @ ..] = &parts[..] else { return None };
    if !maker.eq_ignore_ascii_case("siemens") || !order.starts_with("6") {
        return None;
    }
    let version = rest.iter().find_map(|p| p.strip_prefix("FW:").or(p.strip_prefix("SW:")));
    let version = version.map(|v| v.trim().trim_start_matches("Version ").trim());
    // Controllers say `V.4.2.1`, panels `V 13 0 1`.
    let version = version.map(|v| v.strip_prefix("V.").unwrap_or(v)).filter(|v| !v.is_empty());
    let serial = rest.last().filter(|p| !p.contains(':')).map(|p| p.trim_start_matches("S "));
    let is_serial =
        |s: &&str| s.len() >= 8 && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    Some(Told {
        vendor: Some("Siemens"),
        model: Some((*model).to_owned()).filter(|m| !m.is_empty()),
        firmware: version.map(str::to_owned),
        serial: serial.filter(is_serial).map(str::to_owned),
        os: None,
    })
}

/// `Cisco IOS Software, IE2000 Software (IE2000-UNIVERSALK9-M), Version 15.2(4)EA5, ...`: the
/// software names the family. Rockwell's Stratix switches run it too.
fn cisco(text: &str) -> Option<Told> {
    const STRATIX: &[&str] = &["S5400", "S5410", "S5700", "S5800", "S8000", "S8300"];
    let ios = ["Cisco IOS", "Cisco Internetwork Operating System", "Cisco NX-OS", "Cisco Adaptive"];
    if !ios.iter().any(|begin| text.starts_with(begin)) {
        return None;
    }
    let family = text.split_once(" Software (").and_then(|(before, _)| {
        let name = before.rsplit(", ").next()?.rsplit("IOS (tm) ").next()?;
        Some(name.trim_end_matches(" Switch").to_owned()).filter(|name| !name.contains("NX-OS"))
    });
    let stratix = family.as_deref().is_some_and(|family| STRATIX.contains(&family));
    let fits = |f: &String| f.len() <= MODEL_CHARS_MAX && f.contains(|c: char| c.is_ascii_digit());
    let version = text.split_once("Version ").map(|(_, rest)| rest);
    Some(Told {
        vendor: Some(if stratix { "Rockwell Automation" } else { "Cisco" }),
        model: family.filter(fits),
        firmware: version.and_then(|v| v.split([',', ' ']).next()).map(str::to_owned),
        ..Told::default()
    })
}

/// `... Versatile Routing Platform Software, Version 5.170 (S5720 V200R011C10SPC600)`.
fn huawei(text: &str) -> Option<Told> {
    let (_, rest) = text.split_once("Huawei Versatile Routing Platform")?;
    let inner = rest.rsplit_once('(').map(|(_, inner)| inner.split(')').next().unwrap_or_default());
    let (model, version) = inner.and_then(|inner| inner.split_once(' ')).unzip();
    Some(Told {
        vendor: Some("Huawei"),
        model: model.map(str::to_owned),
        firmware: version.map(str::to_owned),
        ..Told::default()
    })
}

/// `APC Web/SNMP Management Card (... AF1:v6.9.6 ... MN:AP9631 HR:05 SN: ZA1323017566 ...)`: the
/// card in a UPS, a strip or a switch; its application's version is that people speak of.
fn apc(text: &str) -> Option<Told> {
    let (start, _) = text.split_once(" Management Card")?;
    let value = |mark: &str| {
        let rest = text.split_once(mark)?.1.trim_start();
        rest.split([' ', ')']).next().filter(|v| !v.is_empty()).map(str::to_owned)
    };
    start.starts_with("APC ").then(|| Told {
        vendor: Some("APC"),
        model: value("MN:"),
        firmware: value("AF1:").or_else(|| value("PF:")),
        serial: value("SN:"),
        os: None,
    })
}

/// `; AXIS P3245-V; Network Camera; 9.80.1; ...`.
fn axis(text: &str) -> Option<Told> {
    let mut parts = text.trim_start_matches([';', ' ']).split(';').map(str::trim);
    let model = parts.next()?.strip_prefix("AXIS ")?;
    let (_, version) = (parts.next()?, parts.next()?);
    Some(Told {
        vendor: Some("Axis"),
        model: Some(model.to_owned()),
        firmware: Some(version.to_owned()).filter(|v| is_version(v)),
        ..Told::default()
    })
}

/// `Integrated Lights-Out 5 2.44 Apr 30 2021`.
fn lights_out(text: &str) -> Option<Told> {
    const NAME: &str = "Integrated Lights-Out ";
    let mut words = text.strip_prefix(NAME)?.split(' ');
    let model = format!("{NAME}{}", words.next()?);
    let firmware = words.next().filter(|v| is_version(v)).map(str::to_owned);
    Some(Told { vendor: Some("HPE"), model: Some(model), firmware, ..Told::default() })
}

/// `HP ETHERNET MULTI-ENVIRONMENT,...,SN:...,PID:HP LaserJet MFP M426fdn`.
fn jetdirect(text: &str) -> Option<Told> {
    let rest = text.strip_prefix("HP ETHERNET MULTI-ENVIRONMENT")?;
    let value = |mark: &str| rest.split(',').find_map(|p| p.strip_prefix(mark)).map(str::to_owned);
    let (model, serial) = (value("PID:"), value("SN:"));
    Some(Told { vendor: Some("HP"), model, serial, ..Told::default() })
}

/// Rockwell's catalogue numbers at the beginning.
fn catalogue(text: &str) -> Option<&'static str> {
    const FAMILIES: &[&str] = &[
        "1734-", "1738-", "1756-", "1761-", "1762-", "1763-", "1766-", "1768-", "1769-", "1783-",
        "1789-", "1794-", "2080-", "2711P-", "2711R-", "5069-", "5094-",
    ];
    FAMILIES.iter().any(|family| text.starts_with(family)).then_some("Rockwell Automation")
}

/// A short first part that is not about software; with a word of letters and digits, where nobody
/// says whose it is: descriptions are also what people type.
fn model(text: &str, known_maker: bool) -> Option<String> {
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

fn is_version(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_digit())
}

fn version_word(text: &str) -> Option<String> {
    let mut words = text.split([' ', ',', ';', '(', ')']);
    words.find(|word| is_marked_version(word)).map(str::to_owned)
}

/// Behind a word that announces it.
fn firmware(text: &str) -> Option<String> {
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

/// What CDP calls the platform: `cisco WS-C2960-24TT-L`.
pub(super) fn platform(text: &str) -> Told {
    let Some((maker, rest)) = makers::by_beginning(text) else { return Told::default() };
    let maker = catalogue(rest)
        .or(rest.starts_with("Stratix").then_some("Rockwell Automation"))
        .unwrap_or(maker);
    let model = Some(rest.to_owned()).filter(|m| !m.is_empty());
    Told { vendor: Some(maker), model, ..Told::default() }
}

/// What a server of HTTP, UPnP, FTP or SMTP says first.
pub(super) fn greeting(text: &str) -> Told {
    let os = systems::of_greeting(text);
    // `HP HTTP Server; HP LaserJet MFP M426fdn - F6W14A; Serial Number: ...; Built: ...`.
    if let Some(rest) = text.strip_prefix("HP HTTP Server; ") {
        let mut parts = rest.split("; ");
        let model = parts.next().and_then(|m| m.split(" - ").next()).map(str::to_owned);
        let serial = parts.find_map(|p| p.strip_prefix("Serial Number: ")).map(str::to_owned);
        return Told { vendor: Some("HP"), model, serial, ..Told::default() };
    }
    // `AXIS P1343 Network Camera 5.40.9.2 (2013) ready.`, or behind names of software in UPnP.
    let axis = text.split_once("AXIS ").map(|(_, rest)| rest);
    if let Some((model, rest)) = axis.and_then(|rest| rest.split_once([' ', '/'])) {
        let version = rest.split(' ').find(|w| w.contains('.') && is_version(w));
        let (model, firmware) = (Some(model.to_owned()), version.map(str::to_owned));
        return Told { vendor: Some("Axis"), model, firmware, serial: None, os };
    }
    let begins = makers::by_beginning(text).map(|(maker, _)| maker);
    let zebra = text.contains("Zebra Technologies").then_some("Zebra");
    Told { vendor: begins.or(zebra), os, ..Told::default() }
}

/// `SSH-2.0-Cisco-1.25`: software of makers for their own devices. The reader of SSH tells the
/// system.
pub(super) fn ssh(text: &str) -> Told {
    let software = text.splitn(3, '-').nth(2).unwrap_or_default();
    let own = [
        ("Cisco-", "Cisco"),
        ("ROSSSH", "MikroTik"),
        ("HUAWEI-", "Huawei"),
        ("mpSSH_", "HPE"),
        ("FortiSSH_", "Fortinet"),
        ("NetScreen", "Juniper Networks"),
        ("lancom", "LANCOM Systems"),
    ];
    let vendor = own.iter().find(|(begin, _)| software.starts_with(begin)).map(|(_, maker)| *maker);
    Told { vendor, ..Told::default() }
}

/// DHCP option 60 (RFC 2132, 9.13), which makers fill as they like.
pub(super) fn vendor_class(text: &str) -> Told {
    // `Mfg=Xerox;Typ=MFP;Mod=WorkCentre 3345;Ser=...`.
    if text.starts_with("Mfg=") {
        let value = |key: &str| text.split(';').find_map(|p| p.strip_prefix(key));
        let vendor = value("Mfg=").and_then(|m| match m.to_ascii_lowercase() {
            m if m.contains("xerox") => Some("Xerox"),
            m if m == "hewlett packard" || m == "hp" => Some("HP"),
            _ => makers::by_beginning(m).map(|(maker, _)| maker),
        });
        let owned = |v: Option<&str>| v.filter(|v| !v.is_empty()).map(str::to_owned);
        let (model, serial) = (owned(value("Mod=")), owned(value("Ser=")));
        return Told { vendor, model, serial, ..Told::default() };
    }
    // `AXIS,Network Camera,P3343,5.20.3`.
    if let ["AXIS", _, model, version] = text.split(',').collect::<Vec<_>>()[..] {
        let (model, firmware) = (Some(model.to_owned()), Some(version.to_owned()));
        return Told { vendor: Some("Axis"), model, firmware, ..Told::default() };
    }
    let os = |os: String| Told { os: Some(os), ..Told::default() };
    if text.starts_with("MSFT ") {
        return os("Windows".to_owned());
    }
    if let Some(version) = text.strip_prefix("android-dhcp-") {
        return os(format!("Android {version}"));
    }
    // `dhcpcd-6.11.5:Linux-4.14.78:armv7l:Freescale`.
    if let Some((_, rest)) = text.split_once(":Linux-") {
        return os(format!("Linux {}", rest.split(':').next().unwrap_or_default()));
    }
    let Some((maker, rest)) = makers::by_beginning(text) else {
        return Told {
            vendor: catalogue(text),
            model: catalogue(text).map(|_| text.to_owned()),
            ..Told::default()
        };
    };
    let rest = rest.trim_end_matches(" dslforum.org");
    Told { vendor: Some(maker), model: model(rest, false), ..Told::default() }
}
