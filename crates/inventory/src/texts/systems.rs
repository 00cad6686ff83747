//! Operating systems by how they describe themselves.
//!
//! Invariant: a release is part of the text, or Microsoft's name for a build that is.

use super::makers;
use model::windows_releases;

/// Of a description; `kind` is the sysObjectID beside it.
pub(super) fn of_description(text: &str, kind: Option<&str>) -> Option<String> {
    if let Some(at) = text.find("Software: Windows") {
        return windows(text.get(at..)?, kind);
    }
    if let Some(system) = unix(text).or_else(|| on_servers(text)) {
        return Some(system);
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
        && !distribution.ends_with([',', '('])
        && makers::by_beginning(distribution).is_none()
    {
        return Some(distribution.to_owned());
    }
    let known = [
        "Linux",
        "FreeBSD",
        "OpenBSD",
        "NetBSD",
        "SunOS",
        "VxWorks",
        "VMware ESXi",
        "VMware ESX",
        "Darwin",
    ];
    if let Some(system) = known.iter().find_map(|name| release(name)) {
        let ubuntu = system.starts_with("Linux ") && text.contains("-Ubuntu ");
        return Some(if ubuntu { system.replacen("Linux", "Ubuntu Linux", 1) } else { system });
    }
    if text.starts_with("Microsoft Windows ") {
        return Some(text.get("Microsoft ".len()..)?.to_owned());
    }
    // What the makers of network devices call their systems, wherever it stands.
    let systems = [
        ("Cisco IOS XR", "Cisco IOS XR"),
        // From 3.1 on a train of it has a name.
        ("Cisco IOS Software [", "Cisco IOS XE"),
        ("IOSXE", "Cisco IOS XE"),
        ("Catalyst Operating System", "Cisco CatOS"),
        ("Cisco Firepower Threat Defense", "Cisco FTD"),
        ("Arista Networks EOS", "Arista EOS"),
        ("Comware", "Comware"),
        ("ArubaOS", "ArubaOS"),
        ("IOS-XE", "Cisco IOS XE"),
        ("IOS XE", "Cisco IOS XE"),
        ("Cisco IOS", "Cisco IOS"),
        ("IOS (tm)", "Cisco IOS"),
        ("Cisco NX-OS", "Cisco NX-OS"),
        ("Cisco Adaptive Security Appliance", "Cisco ASA"),
        ("JUNOS", "Junos"),
        ("Versatile Routing Platform", "Huawei VRP"),
        ("RouterOS", "MikroTik RouterOS"),
        ("MikroTik v", "MikroTik RouterOS"),
        ("ExtremeXOS", "ExtremeXOS"),
        ("AlliedWare Plus", "AlliedWare Plus"),
        ("TiMOS-", "TiMOS"),
        ("EdgeOS v", "EdgeOS"),
        ("HiveOS", "HiveOS"),
    ];
    let found = systems.iter().find(|(mark, _)| text.contains(mark));
    let found = found.or(text.starts_with("VxWorks").then_some(&("", "VxWorks")));
    found.map(|(_, os)| (*os).to_owned())
}

/// Systems of makers of computers: `... Base Operating System Runtime AIX version: 06.01.0006.0015
/// ...`, `host VAX 4000-200 OpenVMS V7.2 ...`.
fn unix(text: &str) -> Option<String> {
    let marks = [
        ("AIX version: ", "AIX"),
        (" OpenVMS ", "OpenVMS"),
        (" Tru64 UNIX ", "Tru64 UNIX"),
        (" Digital UNIX ", "Digital UNIX"),
        ("Software:UCOS ", "UCOS"),
        ("Windows NT (TM) Version ", "Windows NT"),
    ];
    if let Some(rest) = text.strip_prefix("pfSense ") {
        return Some(format!("pfSense {}", rest.split(' ').nth(1)?));
    }
    if let Some((distribution, _)) = text.split_once(" (Linux Kernel ") {
        return Some(distribution.to_owned());
    }
    if let Some(rest) = text.strip_prefix("HP-UX ") {
        return Some(format!("HP-UX {}", rest.split(' ').nth(1)?));
    }
    let (at, mark, name) =
        marks.iter().find_map(|(mark, name)| Some((text.find(mark)?, *mark, *name)))?;
    let mut words = text.get(at + mark.len()..)?.split([' ', ',', ';', ')']);
    let version = words.find(|word| word.contains(|c: char| c.is_ascii_digit()))?;
    Some(format!("{name} {version}"))
}

/// Windows by other agents than Microsoft's: `Windows HOST 6.2.9200 Server 4.0 ...`,
/// `... on Windows NT 5.0`.
fn on_servers(text: &str) -> Option<String> {
    if let Some((_, version)) = text.split_once(" on Windows NT ") {
        return Some(format!("Windows NT {version}"));
    }
    let mut words = text.strip_prefix("Windows ")?.split_whitespace();
    let build = words.nth(1)?.split('.').nth(2)?.parse().ok()?;
    let server = words.next() == Some("Server");
    let (client, of_server) = windows_releases(build)?;
    Some(if server { of_server } else { client }).filter(|os| !os.is_empty()).map(str::to_owned)
}

/// `Software: Windows Version 6.3 (Build 19042 Multiprocessor Free)`. The object identifier tells
/// workstations from servers: the last number is 1, or 2, or 3 of a domain controller.
fn windows(text: &str, kind: Option<&str>) -> Option<String> {
    // Of NT there is but one: `Windows NT Version 4.0  (Build Number: 1381 Uniprocessor Free )`.
    if let Some((_, version)) = text.split_once("Windows NT Version ") {
        return Some(format!("Windows NT {}", version.split(' ').next()?));
    }
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
        // These two name the system they were made on, for others too.
        let made_elsewhere = ["iniUPnPd/", "iniupnpd/", "iniDLNA/"];
        let own = !made_elsewhere.iter().any(|program| text.contains(program));
        let number = version.starts_with(|c: char| c.is_ascii_digit());
        return Some(if own && number { format!("{word} {version}") } else { word.to_owned() });
    }
    // `VxWorks (5.4.2) FTP server`, `Tornado-vxWorks (VxWorks5.5.1) FTP server`.
    if let Some((_, rest)) = text.rsplit_once("xWorks") {
        let version = rest.trim_start_matches([' ', '(']).split([')', ' ']).next()?;
        let known = version.starts_with(|c: char| c.is_ascii_digit());
        return Some(if known { format!("VxWorks {version}") } else { "VxWorks".to_owned() });
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
        ("Microsoft-WinCE/", "Windows CE"),
        ("WindRiver-WebServer/", "VxWorks"),
        ("Cisco AWARE", "Cisco ASA"),
        ("Microsoft FTP Service", "Windows"),
        ("Microsoft ESMTP", "Windows"),
        ("VMware ESXi", "VMware ESXi"),
        ("cisco-IOS", "Cisco IOS"),
        ("MikroTik", "MikroTik RouterOS"),
        ("OpenWrt/", "OpenWrt"),
        ("OpenWRT/", "OpenWrt"),
        ("TiMOS-", "TiMOS"),
    ];
    // What serves films calls itself as Microsoft's does, for the sake of those who play them.
    let pretends = text.contains("QNAPDLNA/");
    let found = marks.iter().find(|(mark, _)| text.contains(mark) && !pretends);
    let found = found.map(|(_, os)| (*os).to_owned());
    found.or_else(|| (word == "Linux").then(|| "Linux".to_owned()))
}

/// Of an SSH server's software, where the reader of SSH does not tell it.
pub(super) fn of_shell(software: &str) -> Option<String> {
    let marks = [
        ("Sun_SSH_", "SunOS"),
        ("NetBSD_Secure_Shell", "NetBSD"),
        ("HUAWEI-", "Huawei VRP"),
        ("VRP-", "Huawei VRP"),
        ("ArubaOS_", "ArubaOS"),
        ("ArrayOS", "ArrayOS"),
        ("_Mikrotik_v", "MikroTik RouterOS"),
        ("WinSSHD", "Windows"),
        ("WeOnlyDo", "Windows"),
        ("Windows NT", "Windows"),
    ];
    if let Some(rest) = software.strip_prefix("IPSSH").and_then(|r| r.strip_prefix(['-', '_'])) {
        return Some(format!("VxWorks {}", rest.split(' ').next()?));
    }
    marks.iter().find(|(mark, _)| software.contains(mark)).map(|(_, os)| (*os).to_owned())
}

/// Microsoft's name of a version of Windows NT.
fn of_version(version: &str) -> Option<&'static str> {
    Some(match version {
        "10.0" => "Windows 10 or later",
        "6.3" => "Windows 8.1",
        "6.2" => "Windows 8",
        "6.1" => "Windows 7",
        "6.0" => "Windows Vista",
        "5.2" => "Windows XP x64 or Windows Server 2003",
        "5.1" => "Windows XP",
        "5.0" => "Windows 2000",
        _ => return None,
    })
}

/// A name of Windows as people say it, where a server of files gives a version instead: `Windows
/// 5.1`, and of XP its year: `Windows 2002 Service Pack 3 2600`.
pub(crate) fn common_name(os: &str) -> Option<&'static str> {
    let rest = os.strip_prefix("Windows ")?;
    if rest.starts_with("2002 ") && rest.split(' ').any(|word| word == "2600") {
        let packs = ["Windows XP SP1", "Windows XP SP2", "Windows XP SP3"];
        let pack = |name: &&&str| {
            let number = name.chars().next_back().unwrap_or_default();
            rest.contains(&format!("Service Pack {number}"))
        };
        return Some(packs.iter().find(pack).unwrap_or(&"Windows XP"));
    }
    of_version(rest)
}

/// Of a program on a phone or tablet: `Dalvik/2.1.0 (Linux; U; Android 5.1.1; ...)`, `Argo/9.1.0
/// (iPhone; iOS 10.2; Scale/2.00)`, `Instagram 8.0.0 Android (18/4.3; ...)`.
fn of_app(text: &str) -> Option<&'static str> {
    let marks = [
        ("(iPhone;", "iOS"),
        ("(iPod touch;", "iOS"),
        ("(iPad;", "iPadOS"),
        (" Android (", "Android"),
        ("; Android ", "Android"),
        ("(Android ", "Android"),
        ("(Android;", "Android"),
    ];
    marks.iter().find(|(mark, _)| text.contains(mark)).map(|(_, os)| *os)
}

/// Of a browser or a part of a system (RFC 9110, 10.1.5; Microsoft, Windows NT tokens).
pub(super) fn of_agent(text: &str) -> Option<String> {
    let parts =
        ["Microsoft-CryptoAPI/", "Windows-Update-Agent", "Microsoft NCSI", "Microsoft BITS/"];
    if parts.iter().any(|part| text.starts_with(part)) {
        return Some("Windows".to_owned());
    }
    if !text.starts_with("Mozilla/") {
        return of_app(text).map(str::to_owned);
    }
    let inner = text.split_once('(')?.1;
    let inner = inner.split(')').next()?;
    // Explorer's older names say more before they say this.
    if let Some((_, version)) = inner.split_once("Windows NT ") {
        let version = version.split([';', ' ']).next()?;
        return Some(of_version(version).unwrap_or("Windows").to_owned());
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
