//! The shapes of descriptions. See the parent.

use super::{
    Told, makers,
    parts::{MODEL_CHARS_MAX, firmware, is_version, model, version_word},
    systems,
};

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
pub(super) fn catalogue(text: &str) -> Option<&'static str> {
    const FAMILIES: &[&str] = &[
        "1734-", "1738-", "1756-", "1761-", "1762-", "1763-", "1766-", "1768-", "1769-", "1783-",
        "1789-", "1794-", "2080-", "2711P-", "2711R-", "5069-", "5094-",
    ];
    FAMILIES.iter().any(|family| text.starts_with(family)).then_some("Rockwell Automation")
}
