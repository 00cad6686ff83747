//! Operating systems by how they describe themselves.
//!
//! Invariant: a release is part of the text, or Microsoft's name for a build that is.

use model::windows_releases;

/// Of a description; `kind` is the sysObjectID beside it.
pub(super) fn of_description(text: &str, kind: Option<&str>) -> Option<String> {
    if let Some(at) = text.find("Software: Windows") {
        return windows(text.get(at..)?, kind);
    }
    let release = |name: &str| {
        let rest = text.strip_prefix(name)?.strip_prefix(' ')?;
        let mut words = rest.split_whitespace().take(3).map(|w| w.trim_end_matches(','));
        Some(format!("{name} {}", words.find(|w| w.starts_with(|c: char| c.is_ascii_digit()))?))
    };
    // LLDP agents of Linux: the distribution, then what `uname` says.
    if let Some((distribution, kernel)) = text.split_once(" Linux ")
        && kernel.starts_with(|c: char| c.is_ascii_digit())
        && distribution.len() <= 48
    {
        return Some(distribution.to_owned());
    }
    let known = ["Linux", "FreeBSD", "OpenBSD", "NetBSD", "SunOS", "VxWorks", "VMware ESXi"];
    if let Some(system) = known.iter().find_map(|name| release(name)) {
        let ubuntu = system.starts_with("Linux ") && text.contains("-Ubuntu ");
        return Some(if ubuntu { system.replacen("Linux", "Ubuntu Linux", 1) } else { system });
    }
    if text.starts_with("Microsoft Windows ") {
        return Some(text.get("Microsoft ".len()..)?.to_owned());
    }
    // What the makers of network devices call their systems, wherever it stands.
    let systems = [
        ("IOS-XE", "Cisco IOS XE"),
        ("IOS XE", "Cisco IOS XE"),
        ("Cisco IOS", "Cisco IOS"),
        ("IOS (tm)", "Cisco IOS"),
        ("Cisco NX-OS", "Cisco NX-OS"),
        ("Cisco Adaptive Security Appliance", "Cisco ASA"),
        ("JUNOS", "Junos"),
        ("Versatile Routing Platform", "Huawei VRP"),
        ("RouterOS", "MikroTik RouterOS"),
        ("ExtremeXOS", "ExtremeXOS"),
    ];
    systems.iter().find(|(mark, _)| text.contains(mark)).map(|(_, os)| (*os).to_owned())
}

/// `Software: Windows Version 6.3 (Build 19042 Multiprocessor Free)`. The object identifier tells
/// workstations from servers: the last number is 1, or 2, or 3 of a domain controller.
fn windows(text: &str, kind: Option<&str>) -> Option<String> {
    let build = text.split_once("(Build ")?.1.split([' ', ')']).next()?;
    let (client, server) = windows_releases(build.parse().ok()?)?;
    let workstation = kind == Some("1.3.6.1.4.1.311.1.1.3.1.1");
    let is_server = kind.is_some_and(|k| k.starts_with("1.3.6.1.4.1.311.1.1.3.1.") && !workstation);
    Some(match (client, server) {
        (client, "") => client.to_owned(),
        ("", server) => server.to_owned(),
        (client, _) if workstation => client.to_owned(),
        (_, server) if is_server => server.to_owned(),
        (client, server) => format!("{client} or {server}"),
    })
}

/// Of what a server says of its software: `Apache/2.4.41 (Ubuntu)`, `Linux/3.10.39, UPnP/1.0`.
pub(super) fn of_greeting(text: &str) -> Option<String> {
    let word = text.split([' ', ',', '/']).next().unwrap_or_default();
    if let Some(version) = text.strip_prefix("Linux/").or_else(|| text.strip_prefix("VxWorks/")) {
        let version = version.split([' ', ',']).next()?;
        return Some(format!("{word} {version}"));
    }
    if let Some((_, rest)) = text.split_once("VxWorks (") {
        return Some(format!("VxWorks {}", rest.split(')').next()?));
    }
    let marks = [
        ("(Ubuntu)", "Ubuntu Linux"),
        ("(Debian", "Debian Linux"),
        ("(CentOS)", "CentOS Linux"),
        ("(Red Hat", "Red Hat Linux"),
        ("(Fedora)", "Fedora Linux"),
        ("(FreeBSD)", "FreeBSD"),
        ("(Win32)", "Windows"),
        ("(Win64)", "Windows"),
        ("Microsoft-IIS/", "Windows"),
        ("Microsoft-HTTPAPI/", "Windows"),
        ("Microsoft-Windows/", "Windows"),
        ("Microsoft FTP Service", "Windows"),
        ("Microsoft ESMTP", "Windows"),
        ("VMware ESXi", "VMware ESXi"),
        ("cisco-IOS", "Cisco IOS"),
        ("MikroTik", "MikroTik RouterOS"),
    ];
    let found = marks.iter().find(|(mark, _)| text.contains(mark)).map(|(_, os)| (*os).to_owned());
    found.or_else(|| (word == "Linux").then(|| "Linux".to_owned()))
}

/// Of a browser or a part of a system (RFC 9110, 10.1.5; Microsoft, Windows NT tokens).
pub(super) fn of_agent(text: &str) -> Option<String> {
    let parts =
        ["Microsoft-CryptoAPI/", "Windows-Update-Agent", "Microsoft NCSI", "Microsoft BITS/"];
    if parts.iter().any(|part| text.starts_with(part)) {
        return Some("Windows".to_owned());
    }
    let inner = text.starts_with("Mozilla/").then(|| text.split_once('(')).flatten()?.1;
    let inner = inner.split(')').next()?;
    // Explorer's older names say more before they say this.
    if let Some((_, version)) = inner.split_once("Windows NT ") {
        let version = version.split([';', ' ']).next()?;
        let name = match version {
            "10.0" => "Windows 10 or later",
            "6.3" => "Windows 8.1",
            "6.2" => "Windows 8",
            "6.1" => "Windows 7",
            "6.0" => "Windows Vista",
            "5.2" => "Windows XP x64 or Windows Server 2003",
            "5.1" => "Windows XP",
            "5.0" => "Windows 2000",
            _ => "Windows",
        };
        return Some(name.to_owned());
    }
    let known = [
        ("iPhone", "iOS"),
        ("iPad", "iPadOS"),
        ("Mac OS X", "macOS"),
        ("Android", "Android"),
        ("Ubuntu", "Ubuntu Linux"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ];
    known.iter().find(|(mark, _)| inner.contains(mark)).map(|(_, os)| (*os).to_owned())
}
