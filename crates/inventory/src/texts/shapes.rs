//! The shapes of descriptions. See the parent.

use super::{
    Told, makers,
    parts::{MODEL_CHARS_MAX, firmware, is_version, model, serial, version, version_word},
    systems,
};

/// A system description (SNMP sysDescr, LLDP, CDP) with the sysObjectID beside it.
pub(super) fn description(text: &str, kind: Option<&str>) -> Told {
    let os = systems::of_description(text, kind);
    let told = siemens(text)
        .or_else(|| rockwell(text))
        .or_else(|| schneider(text))
        .or_else(|| cisco(text))
        .or_else(|| comware(text))
        .or_else(|| huawei(text))
        .or_else(|| arista(text))
        .or_else(|| apc(text))
        .or_else(|| axis(text))
        .or_else(|| lights_out(text))
        .or_else(|| jetdirect(text))
        .or_else(|| unifi(text))
        .or_else(|| nokia(text))
        .or_else(|| switching(text));
    if let Some(told) = told {
        return Told { os, ..told };
    }
    let text = text.strip_prefix("Linux, ").unwrap_or(text);
    if is_system(text) {
        // Where the text is of the system alone, its version is no firmware of the device.
        return Told { os, ..Told::default() };
    }
    let branded = makers::by_beginning(text);
    let (maker, rest) =
        branded.map_or((catalogue(text), text), |(maker, rest)| (Some(maker), rest));
    // Who names no maker has one by its object identifier.
    let numbered = kind.and_then(makers::by_kind);
    let known = maker.or(numbered).is_some();
    // `Router Model: Vigor2960`, `(MODEL: Aruba7005)`.
    let marked = ["Model: ", "MODEL: ", "Series: "].iter().find_map(|mark| rest.split_once(mark));
    let part = marked.map_or(rest, |(_, model)| model.split(')').next().unwrap_or_default());
    // `Switch Engine (5320-24P-8XE) version 32.1`: the software, then what it runs on.
    let bracketed = || rest.split_once(" (")?.1.split_once(") version ").map(|(device, _)| device);
    let device = bracketed().filter(|_| maker == Some("Extreme Networks"));
    let model = model(device.unwrap_or(part), known);
    Told {
        vendor: maker,
        firmware: firmware(text, known).or_else(|| version_word(rest).filter(|_| known)),
        serial: serial(text).filter(|_| known || model.is_some()),
        model,
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
        "HP-UX ",
        "Hardware:",
        "Microsoft Windows",
        "Microsoft (R) Windows",
        "VMware ",
        "VxWorks",
    ];
    let within = [" Linux ", " AIX version", " OpenVMS ", " UNIX ", " FreeBSD ", " on Windows NT "];
    begins.iter().any(|b| text.starts_with(b)) || within.iter().any(|w| text.contains(w))
}

/// `Siemens, SIMATIC NET, MODEL, order number, HW: ..., FW: ..., serial number`.
fn siemens(text: &str) -> Option<Told> {
    let rest = text.get("Siemens,".len()..)?;
    if !text.get(.."Siemens,".len())?.eq_ignore_ascii_case("siemens,") {
        return None;
    }
    let parts: Vec<&str> = rest.split(',').map(str::trim).collect();
    let [family, model, order, rest @ ..] = &parts[..] else {
        return Some(siemens_short(&parts));
    };
    // Order numbers begin with the number of a branch: 6 of automation, 7 of power distribution.
    let mut first = order.chars();
    let branch = first.next().is_none_or(|c| c.is_ascii_digit());
    if !branch || first.next().is_some_and(|c| !c.is_ascii_uppercase()) {
        return None;
    }
    let version = rest.iter().find_map(|p| p.strip_prefix("FW:").or(p.strip_prefix("SW:")));
    // The first of the S7-1200 name nothing that they tell.
    let version = version.or_else(|| rest.iter().copied().find(|p| p.starts_with("V.")));
    let version = version.map(|v| v.trim().trim_start_matches("Version ").trim());
    // Controllers say `V.4.2.1`, panels `V 13 0 1`, PCs nothing.
    let version = version.map(|v| v.strip_prefix("V.").unwrap_or(v));
    let version = version.filter(|v| !v.is_empty() && *v != "V00.00.00");
    let serial = rest.last().filter(|p| !p.contains(':')).map(|p| p.trim_start_matches("S "));
    let is_serial =
        |s: &&str| s.len() >= 8 && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let model = model.trim_start_matches("solution line ");
    Some(Told {
        vendor: Some("Siemens"),
        model: Some(model.to_owned()).filter(|m| !m.is_empty() && m != "unknown").or_else(|| {
            let order = order.split(' ').next().filter(|order| !order.is_empty());
            order.map(|_| (*family).to_owned())
        }),
        firmware: version.map(str::to_owned),
        serial: serial.filter(is_serial).map(str::to_owned),
        os: None,
    })
}

/// `Siemens, SIMATIC, S7-300`, `Siemens, SIMATIC NET CP1613 FW V 06.33`.
fn siemens_short(parts: &[&str]) -> Told {
    let last = parts.last().copied().unwrap_or_default();
    let (name, version) = match last.split_once(" FW V") {
        Some((name, version)) => (name, Some(version.trim())),
        None => (last, None),
    };
    let model = model(name.trim_start_matches("SIMATIC NET "), true);
    let firmware = version.and_then(self::version);
    Told { vendor: Some("Siemens"), model, firmware, ..Told::default() }
}

/// `Allen-Bradley 1747-L551/C SLC-5/05 Series C Revision 11 1747_slc 3.46 13-Jan-06`: behind the
/// catalogue number there is what it is, with the versions of its parts.
fn rockwell(text: &str) -> Option<Told> {
    let (maker, rest) = makers::by_beginning(text)?;
    let number = rest.split(' ').next().filter(|n| n.contains('-'))?;
    if maker != "Rockwell Automation" || !is_version(number) {
        return None;
    }
    let revision = text.split_once("Revision").map(|(_, r)| r.trim_start_matches([' ', ':']));
    let firmware = revision.and_then(version);
    let model = Some(number.to_owned());
    Some(Told { vendor: Some(maker), model, firmware, ..Told::default() })
}

/// `Product: BMX NOE 0100 - Ethernet Module. FwId: 02.60`.
fn schneider(text: &str) -> Option<Told> {
    let (model, rest) = text.strip_prefix("Product: ")?.split_once(" - ")?;
    let (_, version) = rest.split_once("FwId: ")?;
    let model = Some(model.trim().to_owned());
    let firmware = self::version(version);
    Some(Told { vendor: Some("Schneider Electric"), model, firmware, ..Told::default() })
}

/// `Cisco IOS Software, IE2000 Software (IE2000-UNIVERSALK9-M), Version 15.2(4)EA5, ...`: the
/// software names the family. Rockwell's Stratix switches run it too.
fn cisco(text: &str) -> Option<Told> {
    const STRATIX: &[&str] = &["S5400", "S5410", "S5700", "S5800", "S8000", "S8300"];
    if let Some((_, rest)) = text.split_once("Codec SoftW: ") {
        return Some(codec(rest));
    }
    let ios = ["Cisco IOS", "Cisco Internetwork Operating System", "Cisco NX-OS", "Cisco Adaptive"];
    if !ios.iter().any(|begin| text.starts_with(begin)) {
        return None;
    }
    // `Cisco NX-OS(tm) m9100, Software (...)`, `Cisco IOS XR Software (ASR9K), Version ...`.
    let nexus = text.strip_prefix("Cisco NX-OS(tm) ").and_then(|rest| rest.split(',').next());
    let xr = text.strip_prefix("Cisco IOS XR Software (").and_then(|rest| rest.split(')').next());
    let xr = xr.filter(|series| !series.contains("IOS"));
    let family = text.split_once(" Software (").and_then(|(before, _)| {
        let name = before.rsplit(", ").next()?.rsplit("IOS (tm) ").next()?;
        let name = name.trim_end_matches(" Switch").trim_end_matches(" L3");
        // Images are made for boards, or for all of a kind: `s72033_rp`, `Virtual XE`.
        let of_image = name.contains('_') || name.contains("NX-OS");
        (!of_image).then(|| name.to_owned())
    });
    let family = nexus.or(xr).map(str::to_owned).or(family);
    let stratix = family.as_deref().is_some_and(|family| STRATIX.contains(&family));
    let fits = |f: &String| f.len() <= MODEL_CHARS_MAX && f.contains(|c: char| c.is_ascii_digit());
    let version = text.split_once("Version ").map(|(_, rest)| rest);
    Some(Told {
        vendor: Some(if stratix { "Rockwell Automation" } else { "Cisco" }),
        model: family.filter(fits),
        firmware: version.and_then(self::version),
        ..Told::default()
    })
}

/// `TC5.1.0.280662 MCU: Cisco TelePresence SX20 Date: 2012-02-14 S/N: FTT16070041 ...`.
fn codec(rest: &str) -> Told {
    let model = rest.split_once("MCU: ").and_then(|(_, model)| {
        let model = model.split(['\r', '\n']).next()?.split(" Date:").next()?;
        Some(model.trim_start_matches("Cisco ").trim_start_matches("TANDBERG ").to_owned())
    });
    Told { vendor: Some("Cisco"), model, firmware: version(rest), serial: serial(rest), os: None }
}

/// `HPE Comware Platform Software, Software Version 7.1.070, Release 3208P03\r\nHPE 5130 ...`: of
/// these the release is the version people speak of.
fn comware(text: &str) -> Option<Told> {
    let (maker, _) = makers::by_beginning(text)?;
    let (_, rest) = text.split_once("Software Version ")?;
    let at = rest.find("Release ")?;
    if !["HP", "HPE", "H3C", "3Com"].contains(&maker) || at > 16 {
        return None;
    }
    let release = rest.get(at + "Release ".len()..)?;
    let end = at + "Release ".len() + release.find([' ', ',', '\r', '\n']).unwrap_or(release.len());
    // The device stands before the words on the software, or in a line or a sentence behind them.
    let before = text.split(" Software Version").next().filter(|b| !b.contains("Platform"));
    let behind = rest.get(end..)?.trim_start_matches([' ', ',', '\r', '\n']);
    let router = text.split_once(" Comware").map(|(before, _)| before.trim_end_matches(" HP"));
    let router = router.filter(|before| before.contains("Router"));
    let device = before.or(router).unwrap_or(behind).split(['\r', '\n']).next()?;
    let (_, device) = makers::by_beginning(device)?;
    let device = device.split(" Copyright").next()?.trim_start_matches("Series Router ");
    let device = device.trim_start_matches("Switch ").split(" Switch").next()?;
    Some(Told {
        vendor: Some(maker),
        model: model(device, true),
        firmware: rest.get(..end).map(|v| v.trim().to_owned()),
        ..Told::default()
    })
}

/// `Arista Networks EOS version 4.28.6.1M running on an Arista Networks DCS-7050QX-32S`.
fn arista(text: &str) -> Option<Told> {
    let (version, on) =
        text.strip_prefix("Arista Networks EOS version ")?.split_once(" running ")?;
    let model = on.strip_prefix("on an ").and_then(makers::by_beginning);
    Some(Told {
        vendor: Some("Arista"),
        model: model.map(|(_, model)| model.to_owned()),
        firmware: Some(version.to_owned()),
        ..Told::default()
    })
}

/// `USW-8P-60, 4.3.20.11298, Linux 3.6.5`, `Ubiquiti UniFi UDM-Pro 5.1.19 Linux 4.19.152 al324`.
fn unifi(text: &str) -> Option<Told> {
    let (device, kernel) = text.split_once(" Linux ")?;
    let (model, version) = device.trim_end_matches(',').rsplit_once(' ')?;
    let model = model.trim_end_matches(',');
    let unifi = model.strip_prefix("Ubiquiti ").or(model.starts_with("US").then_some(model))?;
    (is_version(version) && is_version(kernel)).then(|| Told {
        vendor: Some("Ubiquiti"),
        model: Some(unifi.to_owned()),
        firmware: Some(version.to_owned()),
        ..Told::default()
    })
}

/// `TiMOS-B-20.10.R1 both/hops Nokia 7210 SAS-K 2F2T Copyright ...`, `... ALCATEL SR 7750 ...`.
fn nokia(text: &str) -> Option<Told> {
    let (version, rest) = text.strip_prefix("TiMOS-")?.split_once(' ')?;
    let (_, device) = rest.split_once(" Nokia ").or_else(|| rest.split_once(" ALCATEL "))?;
    Some(Told {
        vendor: Some("Nokia"),
        model: model(device.split(" Copyright").next()?, true),
        firmware: Some(version.to_owned()),
        ..Told::default()
    })
}

/// `EdgeSwitch 24-Port 250W, 1.6.0, Linux 3.6.5`, `HPE OfficeConnect Switch 1920S, PD.01.05, Linux
/// 3.6.5-ac96795c, U-Boot 2012.10`: switches of many makers on the same software name the device,
/// its version and what that runs on.
fn switching(text: &str) -> Option<Told> {
    let (before, kernel) = text.split_once(", Linux ")?;
    let (device, version) = before.rsplit_once(", ")?;
    let numbered = version.contains('.') && version.contains(|c: char| c.is_ascii_digit());
    if !is_version(kernel) || !numbered || version.contains(' ') {
        return None;
    }
    let (maker, rest) = makers::by_beginning(device).unzip();
    let rest = rest.unwrap_or(device);
    Some(Told {
        vendor: maker,
        model: model(rest.strip_prefix("EMC Networking ").unwrap_or(rest), true),
        firmware: Some(version.to_owned()),
        ..Told::default()
    })
}

/// `... Versatile Routing Platform Software, Version 5.170 (S5720 V200R011C10SPC600)`.
fn huawei(text: &str) -> Option<Told> {
    let (_, rest) = text.split_once("Huawei Versatile Routing Platform")?;
    let (_, rest) = rest.split_once("ersion ")?;
    let inner = rest.split_once('(').and_then(|(_, inner)| inner.split(')').next());
    let (model, version) = inner.and_then(|inner| inner.split_once(' ')).unzip();
    let of_huawei = version.is_some_and(|v| v.starts_with('V'));
    Some(Told {
        vendor: Some("Huawei"),
        model: model.filter(|_| of_huawei).map(str::to_owned),
        firmware: version.filter(|_| of_huawei).map(str::to_owned),
        ..Told::default()
    })
}

/// `APC Web/SNMP Management Card (... AF1:v6.9.6 ... MN:AP9631 HR:05 SN: ZA1323017566 ...)`: the
/// card in a UPS, a strip or a switch; its application's version is that people speak of.
fn apc(text: &str) -> Option<Told> {
    let (_, rest) = text.strip_prefix("APC ")?.split_once(" (")?;
    let value = |mark: &str| {
        let rest = rest.split_once(mark)?.1.trim_start();
        rest.split([' ', ')', ',']).next().filter(|v| !v.is_empty()).map(str::to_owned)
    };
    let model = ["MN:", "MOD:", "Mod:"].iter().find_map(|mark| value(mark))?;
    let firmware = ["AF1:", "SW ", "PF:"].iter().find_map(|mark| value(mark));
    let serial = value("SN:").filter(|s| s.len() > 1);
    Some(Told { vendor: Some("APC"), model: Some(model), firmware, serial, os: None })
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
