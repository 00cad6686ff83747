//! What servers say first, platforms of CDP and classes of DHCP clients. See the parent.

use super::{
    Told, makers,
    parts::{self, is_version, model},
    shapes::{catalogue, description},
    systems,
};

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
    let welcomes = ["Welcome to the ", "Welcome to ", "FTP Server ("];
    let text = welcomes.iter().find_map(|welcome| text.strip_prefix(welcome)).unwrap_or(text);
    // `HP HTTP Server; HP LaserJet MFP M426fdn - F6W14A; Serial Number: ...; Built: ...`.
    if let Some(rest) = text.strip_prefix("HP HTTP Server; ") {
        let mut parts = rest.trim_start_matches("Hewlett-Packard ").split("; ");
        let model = parts.next().and_then(|m| m.split(" - ").next()).map(str::to_owned);
        let serial = parts.find_map(|p| p.strip_prefix("Serial Number: "));
        let serial = serial.map(|s| s.trim_end_matches(';').to_owned());
        return Told { vendor: Some("HP"), model, serial, ..Told::default() };
    }
    // `AXIS P1343 Network Camera 5.40.9.2 (2013) ready.`, or behind names of software in UPnP.
    let axis = ["AXIS ", "Axis "].iter().find_map(|name| text.split_once(name)).map(|(_, r)| r);
    if let Some((model, rest)) = axis.and_then(|rest| rest.split_once([' ', '/'])) {
        let version = rest.split(' ').find(|w| {
            let number = w.trim_start_matches('V');
            number.contains('.') && is_version(number)
        });
        let model = Some(model).filter(|m| m.contains(|c: char| c.is_ascii_digit()));
        let (model, firmware) = (model.map(str::to_owned), version.map(str::to_owned));
        return Told { vendor: Some("Axis"), model, firmware, serial: None, os };
    }
    let told = routing(text).or_else(|| printing(text)).or_else(|| power_card(text));
    if let Some(told) = told.or_else(|| vision(text)).or_else(|| numbered(text)) {
        return Told { os, ..told };
    }
    let named = text.contains(" FTP ") && begins_with_host(text);
    let begins = makers::by_beginning(text).map(|(maker, _)| maker).filter(|_| !named);
    let zebra = text.contains("Zebra Technologies").then_some("Zebra");
    // Servers for anybody's computers have their makers' names too.
    let software = ["HP Web ", "HP System ", "IBM"].iter().any(|begin| text.starts_with(begin));
    Told { vendor: begins.or(zebra).filter(|_| !software), os, ..Told::default() }
}

/// Hosts are named for what they are: `cisco.example FTP server`, `hp-2 FTP server`.
fn begins_with_host(text: &str) -> bool {
    let first = text.split(' ').next().unwrap_or_default();
    let of_domain = |(_, top): (&str, &str)| top.chars().all(char::is_alphabetic);
    let of_maker = makers::by_beginning(first).and_then(|(_, rest)| first.strip_suffix(rest));
    let numbered = of_maker.is_some_and(|maker| maker != first && maker.ends_with('-'));
    numbered || first.rsplit_once('.').is_some_and(of_domain)
}

/// `ET0021B7 Lexmark T654 FTP Server NR.APS.F368 ready.`, `RICOH Aficio 2045e FTP server (4.12)
/// ready.`, `SHARP MX-6200N Ver 01.02.00 FTP server.`: the version in brackets is the server's.
fn printing(text: &str) -> Option<Told> {
    let at = text.find(" FTP server").or_else(|| text.find(" FTP Server"))?;
    let (device, behind) = (text.get(..at)?, text.get(at + " FTP server".len()..)?);
    let nameless = device.split_once(' ').map_or("", |(_, device)| device);
    let found = Some(device).filter(|_| !begins_with_host(text)).and_then(makers::by_beginning);
    let found = found.or_else(|| makers::by_beginning(nameless));
    let (maker, rest) = found.filter(|(maker, _)| !["IBM", "Check Point"].contains(maker))?;
    let before = rest.split_once(" Ver ").and_then(|(_, version)| parts::version(version));
    let word = behind.trim_start().split(' ').next().unwrap_or_default();
    let named = word.contains('.') && !word.starts_with('(') && behind.ends_with("ready.");
    Some(Told {
        vendor: Some(maker),
        model: model(rest, true)
            .filter(|m| m.contains(|c: char| c.is_ascii_digit()) && !rest.starts_with('(')),
        firmware: before.or_else(|| parts::version(word).filter(|_| named)),
        ..Told::default()
    })
}

/// `In-Sight (R) 5403 Release 4.02.00 (136) ready`: cameras that look at what a machine makes.
fn vision(text: &str) -> Option<Told> {
    let (model, rest) = text.strip_prefix("In-Sight")?.split_once(" Release ")?;
    let model = model.trim_start_matches("(tm)").trim_start_matches(" (R)").trim();
    Some(Told {
        vendor: Some("Cognex"),
        model: Some(format!("In-Sight {model}")).filter(|_| !model.is_empty()),
        firmware: parts::version(rest),
        ..Told::default()
    })
}

/// `Linux, UPnP/1.0, DIR-615 Ver 20.06`: behind names of software the device with its version.
fn numbered(text: &str) -> Option<Told> {
    let (device, version) = text.rsplit_once(", ")?.1.split_once(" Ver ")?;
    let (maker, _) = makers::by_beginning(device)?;
    let (model, firmware) = (Some(device.to_owned()), parts::version(version));
    Some(Told { vendor: Some(maker), model, firmware, ..Told::default() })
}

/// `name FTP server (MikroTik 6.49.2) ready`.
fn routing(text: &str) -> Option<Told> {
    let (_, version) = text.split_once(" FTP server (MikroTik ")?;
    Some(Told { vendor: Some("MikroTik"), firmware: parts::version(version), ..Told::default() })
}

/// `AP7932 Network Management Card AOS v3.3.4 FTP server ready.`, of APC.
fn power_card(text: &str) -> Option<Told> {
    let (model, rest) = text.split_once(" Network Management Card AOS ")?;
    Some(Told {
        vendor: Some("APC"),
        model: Some(model.to_owned()).filter(|m| !m.contains(' ')),
        firmware: parts::version(rest),
        ..Told::default()
    })
}

/// `SSH-2.0-Cisco-1.25`: software of makers for their own devices. Most systems are told by the
/// reader of SSH.
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
        ("ArubaOS_", "HPE Aruba"),
        ("Zyxel ", "Zyxel"),
        ("3Com OS-", "3Com"),
        ("AtiSSH_", "Allied Telesis"),
        ("AudioCodes", "AudioCodes"),
        ("CISCO_WLC", "Cisco"),
        ("CPS_SSH_ID_", "CyberPower"),
        ("DLink ", "D-Link"),
        ("DraySSH_", "DrayTek"),
        ("VRP-", "Huawei"),
        ("moxa_", "Moxa"),
        ("Nortel", "Nortel"),
        ("RomCliSecure_", "Adtran"),
    ];
    let begins = own.iter().find(|(begin, _)| software.starts_with(begin));
    let vendor = begins.map(|(_, maker)| *maker);
    let vendor = vendor.or(software.contains("_Mikrotik_v").then_some("MikroTik"));
    Told { vendor, os: systems::of_shell(software), ..Told::default() }
}

/// A line of Telnet with a version or firmware in it: of the device, or of a program in a shell.
pub(super) fn line(text: &str) -> Told {
    let os = systems::of_description(text, None);
    let welcomes = ["Welcome to the ", "Welcome to "];
    let text = welcomes.iter().find_map(|welcome| text.strip_prefix(welcome)).unwrap_or(text);
    let told = description(text, None);
    // The name of a program begins with a word, that of a device with letters and digits.
    let first = text.split(' ').next().unwrap_or_default();
    let digit = |c: char| c.is_ascii_digit();
    let named = first.contains(digit) && first.contains(char::is_alphabetic);
    let model = told.model.filter(|model| match told.vendor {
        Some(_) => model.contains(digit),
        None => named,
    });
    let lower = text.to_ascii_lowercase();
    let begins = |word: &str| {
        lower.match_indices(word).any(|(at, _)| {
            !lower.get(..at).unwrap_or_default().ends_with(|c: char| c.is_ascii_alphanumeric())
        })
    };
    let own = ["firmware", "software", "sw ", "fw ", "f/w "].iter().any(|w| begins(w));
    let firmware = told.firmware.filter(|_| own || told.vendor.is_some() || model.is_some());
    Told { model, firmware, os, ..told }
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
    if text.starts_with("Microsoft Windows CE") {
        return os("Windows CE".to_owned());
    }
    if text.contains(":android:") {
        let vendor = makers::by_beginning(text).map(|(maker, _)| maker);
        return Told { vendor, ..os("Android".to_owned()) };
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
