//! What a thing is and where it stands, from what it says and does, with the reason in words.
//!
//! Rules from the strongest word to the weakest: what the device says of itself, what it serves,
//! whom it asks for what. Long, for the rules stand in their order. Invariant: every
//! answer names what it rests on.

mod networks;
mod words;

pub(crate) use networks::{forwards, is_of_networks};

use crate::record::{Behaviour, Known};
use model::{AssetClass, Mac, OperationClass, Purdue, Role};
use std::{borrow::Cow, cmp::Reverse, collections::BTreeSet};
use words::{WORDS, Word, letters, words};

/// Everything a decision may rest on.
pub(crate) struct Evidence<'a> {
    pub(crate) facts: &'a [Known],
    /// What its texts tell besides.
    pub(crate) derived: &'a [Known],
    pub(crate) behaviour: &'a Behaviour,
    /// Vendor by MAC address.
    pub(crate) vendor: Option<&'a str>,
    pub(crate) virtual_machine: bool,
    pub(crate) macs: &'a BTreeSet<Mac>,
    /// A controller among the modules of its rack, by its model.
    pub(crate) controller_in_rack: Option<&'a str>,
    /// All its IP addresses are of the Internet.
    pub(crate) external: bool,
    /// All its addresses are those by which machines speak with themselves: any number of
    /// programs, of machines too where captures were joined.
    pub(crate) loopback: bool,
    /// It passes on what others send.
    pub(crate) forwards: bool,
    /// It talks with something that speaks industrial protocols.
    pub(crate) industrial_peers: bool,
}

#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Classification {
    pub(crate) class: AssetClass,
    pub(crate) role: Role,
    pub(crate) reason: String,
    pub(crate) purdue: Option<Purdue>,
    pub(crate) purdue_reason: String,
}

/// What [`is_industrial`] said of the protocol asked for last: these are a few static names, and
/// the same one comes again and again.
#[derive(Clone, Copy, Debug, Default)]
pub struct Industry(&'static str, bool);

impl Industry {
    #[inline]
    pub fn has(&mut self, protocol: &'static str) -> bool {
        if !std::ptr::eq(self.0, protocol) {
            *self = Industry(protocol, is_industrial(protocol));
        }
        self.1
    }
}

/// Protocols whose servers sit on the process.
pub fn is_industrial(protocol: &str) -> bool {
    matches!(
        protocol,
        "modbus"
            | "umas"
            | "s7comm"
            | "s7comm-plus"
            | "enip"
            | "cip"
            | "cipio"
            | "pccc"
            | "dnp3"
            | "iec104"
            | "mms"
            | "goose"
            | "sv"
            | "bacnet"
            | "bacnet_sc"
            | "opcua"
            | "fins"
            | "melsec"
            | "ams"
            | "codesys"
            | "canopen"
            | "modbus_rtu"
            | "zigbee"
            | "ifix"
            | "suitelink"
            | "pn_dcp"
            | "pn_rt"
            | "pn_io"
            | "ethercat"
            | "powerlink"
            | "hart_ip"
            | "synphasor"
            | "knxip"
            | "srtp"
            | "egd"
            | "cnip"
            | "tristation"
            | "trdp"
            | "fox"
            | "atg"
            | "roc_plus"
            | "bsap"
            | "sbus"
            | "ethersio"
            | "c1222"
            | "genisys"
            | "sel_fast"
            | "dlms"
            | "r_goose"
            | "pcworx"
            | "proconos"
            | "crimson"
    )
}

pub(crate) fn classify(evidence: &Evidence<'_>) -> Classification {
    let (class, reason) = said(evidence)
        .or_else(|| served(evidence))
        .or_else(|| relays(evidence))
        .or_else(|| asked(evidence))
        .or_else(|| named(evidence))
        .or_else(|| shares_gateway(evidence))
        .or_else(|| office(evidence))
        .unwrap_or((AssetClass::Unknown, "nothing it says or does tells".to_owned()));
    let (purdue, purdue_reason) = level(class, evidence);
    Classification { class, role: role(class, evidence), reason, purdue, purdue_reason }
}

fn fact<'a>(evidence: &'a Evidence<'_>, path: &str) -> Option<&'a str> {
    let known = best(evidence.facts, path).or_else(|| best(evidence.derived, path));
    known.map(|k| &*k.value)
}

/// As an asset's row shows it: the strongest word, of equal ones the earliest.
fn best<'a>(facts: &'a [Known], path: &str) -> Option<&'a Known> {
    let of = facts.iter().filter(|k| k.path == path);
    of.max_by_key(|k| (k.confidence, Reverse(k.first)))
}

/// What somebody wrote, and the same in small letters.
struct Text<'a> {
    original: Cow<'a, str>,
    lower: String,
    letters: u32,
    /// Does a capital within a word begin one?
    joined: bool,
}

impl<'a> Text<'a> {
    fn of(text: &'a str) -> Text<'a> {
        let lower = text.to_lowercase();
        // Letters that change their length are of no maker's words.
        let same = lower.len() == text.len();
        let original = if same { Cow::Borrowed(text) } else { Cow::Owned(lower.clone()) };
        let letters = letters(&lower);
        Text { original, lower, letters, joined: true }
    }

    /// Programs' names are joined of words that tell of them, not of what they run on:
    /// `FileCatalyst`.
    fn of_program(text: &'a str) -> Text<'a> {
        Text { joined: false, ..Text::of(text) }
    }

    /// Is it in the text, from the beginning of a word on, and no more than the plural of one? A
    /// capital behind a small letter and a letter behind a digit begin words too: `SoftPLC`. So
    /// neither a virtual platform is an RTU nor a driver a drive. Nor is a part of a dotted name:
    /// `client.adapter.http`, `ups.example`.
    fn has_word(&self, word: &Word) -> bool {
        // There are hundreds of words, and most have a letter that the text has not.
        if word.letters & !self.letters != 0 {
            return false;
        }
        let word = word.text;
        self.lower.match_indices(word).any(|(at, _)| {
            let (before, from) = self.original.split_at_checked(at).unwrap_or_default();
            let capital = from.starts_with(char::is_uppercase);
            let begins = before.chars().next_back().is_none_or(|last| {
                let parts = last == '.' && !capital;
                let joined = self.joined && last.is_lowercase() && capital;
                !last.is_alphanumeric() && !parts || last.is_ascii_digit() || joined
            });
            let mut behind = from.get(word.len()..).unwrap_or_default().chars();
            let next = behind.next();
            // A series is named by its first letters.
            let letters = word.ends_with(char::is_alphabetic) && !word.contains(' ');
            let plural = next == Some('s') && behind.next().is_none_or(|c| !c.is_alphanumeric());
            let ends = next.is_none_or(|c| !c.is_lowercase()) || plural || !letters;
            begins && ends
        })
    }
}

/// What the device says it is.
fn said(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    if let Some(model) = evidence.controller_in_rack {
        return Some((Class::Plc, format!("its rack holds the controller {model}")));
    }
    if let Some(kind) = fact(evidence, "device_type").and_then(cip_class) {
        return Some((kind, "CIP identity gives its device type".to_owned()));
    }
    const PATHS: &[&str] = &[
        "model",
        "product_code",
        "description",
        "platform",
        "product",
        "device_type",
        "cpu_type",
        "http_server",
        "ftp_banner",
        "dhcp_vendor_class",
    ];
    // What a computer is made of is not what it is, and what somebody typed is but a name.
    let of_parts = |k: &Known| {
        k.path == "description" && (k.value.starts_with("Hardware:") || k.protocol == "browser")
    };
    let texts: Vec<(&Known, Text<'_>)> = (evidence.facts.iter().chain(evidence.derived))
        .filter(|k| PATHS.contains(&k.path) && !of_parts(k))
        .map(|k| match k.path {
            "http_server" | "ftp_banner" => (k, Text::of_program(&k.value)),
            _ => (k, Text::of(&k.value)),
        })
        .collect();
    let mechanisms = evidence.behaviour.asked.keys().any(|(p, _)| is_industrial(p));
    for (class, words) in WORDS {
        // A panel that polls controllers says who it is by what it does; a controller's name in
        // an answer it received is no fact of its own, so only its own facts are looked at.
        if mechanisms && *class == Class::Plc && evidence.behaviour.served.is_empty() {
            continue;
        }
        let found = texts.iter().find_map(|(known, text)| {
            Some((known, words.iter().find(|word| text.has_word(word))?))
        });
        if let Some((Known { path, value, .. }, word)) = found {
            return Some((*class, format!("{path} says \"{value}\" ({})", word.text)));
        }
    }
    if let Some(maker) = fact(evidence, "sys_object_id").and_then(maker_of_supplies) {
        return Some((Class::PowerSupply, format!("its object in SNMP is of {maker}")));
    }
    // After the words: panels and switches are PROFINET devices too.
    if let Some(known) = best(evidence.facts, "pn_role") {
        return Some(profinet(known));
    }
    let capabilities = fact(evidence, "capabilities").unwrap_or_default().to_lowercase();
    let class = match capabilities.as_str() {
        c if c.contains("telephone") => Class::Phone,
        c if c.contains("wlan") => Class::AccessPoint,
        c if c.contains("router") => Class::Router,
        c if c.contains("bridge") || c.contains("switch") => Class::Switch,
        _ => return lets_in(evidence),
    };
    Some((class, format!("announces the capabilities {capabilities}")))
}

/// What it is by its role in PROFINET, and who gives it that.
fn profinet(role: &Known) -> (AssetClass, String) {
    let Known { value, protocol, .. } = role;
    let class = match &**value {
        role if role.contains("controller") => AssetClass::Plc,
        "supervisor" => AssetClass::EngineeringStation,
        _ => AssetClass::IoAdapter,
    };
    let source = if *protocol == "pn_io" { "a PROFINET connect" } else { "PROFINET DCP" };
    (class, format!("{source} gives the role {value}"))
}

/// Who decides on others' access to the network, as it shows in IEEE 802.1X and 802.11.
fn lets_in(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    if fact(evidence, "wireless_role") == Some("access point") {
        let what = "gives stations the keys of a wireless network".to_owned();
        return Some((AssetClass::AccessPoint, what));
    }
    let role = fact(evidence, "port_access").filter(|role| role.ends_with("authenticator"))?;
    Some((AssetClass::Switch, format!("lets others into the network as {role}")))
}

/// Who says that it forwards for an address that routers share. Servers that share one for what
/// they serve speak VRRP too, so what else is known of it says more.
fn shares_gateway(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    let said = |path, name| fact(evidence, path).map(|group| (name, group));
    let (name, group) = said("hsrp_group", "HSRP").or_else(|| said("vrrp_router", "VRRP"))?;
    Some((AssetClass::Router, format!("forwards by {name} group {group}")))
}

/// IANA, Private Enterprise Numbers: makers of nothing in networks but power supplies and strips.
fn maker_of_supplies(object: &str) -> Option<&'static str> {
    if object.starts_with("1.3.6.1.2.1.33") {
        return Some("the standard for uninterruptible supplies (RFC 1628)");
    }
    let (number, line) = object.strip_prefix("1.3.6.1.4.1.")?.split_once('.')?;
    Some(match number {
        "2254" if line.starts_with("2.") => "Delta Electronics, for supplies",
        "13742" if line.starts_with(['4', '6']) => "Raritan, for strips",
        "318" => "American Power Conversion",
        "534" => "Eaton",
        "705" => "Merlin Gerin (Eaton)",
        "850" => "Tripp Lite",
        "1718" => "Server Technology",
        "3808" | "15446" => "Cyber Power",
        "4555" => "Socomec",
        "5491" => "Riello UPS",
        "12148" | "13858" => "Eltek",
        "31034" => "Schleifenbauer",
        _ => return None,
    })
}

/// CIP device profiles (CIP Vol 1, chapter 6; ODVA's list).
fn cip_class(number: &str) -> Option<AssetClass> {
    use AssetClass as Class;
    Some(match number.parse::<u16>().ok()? {
        0x0e => Class::Plc,
        0x02 | 0x03 | 0x13 | 0x16 | 0x25 => Class::Drive,
        0x07 | 0x0c | 0x22 | 0x10 => Class::IoAdapter,
        0x18 => Class::Hmi,
        0x2c => Class::Switch,
        0x1e..=0x20 => Class::Sensor,
        _ => return None,
    })
}

/// What it answers to.
fn served(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    let served = &evidence.behaviour.served;
    let told = &evidence.behaviour.told;
    let speaks = |protocol: &str| served.contains_key(protocol) || told.contains_key(protocol);
    let server = |names: &[&'static str], class| {
        let (name, count) = names.iter().find_map(|n| Some((n, served.get(n)?)))?;
        Some((class, format!("answers {count} requests in {name}")))
    };
    if evidence.external {
        return None;
    }
    if ["mms", "goose", "sv"].iter().any(|p| speaks(p)) {
        return Some((Class::Ied, "speaks IEC 61850 as a device".to_owned()));
    }
    let connects = evidence.behaviour.asked.keys().any(|(p, _)| *p == "pn_io");
    if speaks("pn_io") && !connects {
        return Some((Class::IoAdapter, "is connected to as a PROFINET device".to_owned()));
    }
    let of_networks = networks::is_of_networks(evidence.vendor.unwrap_or_default());
    if told.contains_key("ptp")
        && !of_networks
        && !served.keys().chain(told.keys()).any(|p| is_industrial(p))
    {
        return Some((Class::Clock, "sends the time by PTP".to_owned()));
    }
    let plc = ["s7comm", "s7comm-plus", "cip", "pccc", "umas", "fins", "melsec", "srtp"];
    server(&plc, Class::Plc)
        .or_else(|| server(&["pcworx", "proconos"], Class::Plc))
        .or_else(|| server(&["crimson"], Class::Hmi))
        .or_else(|| {
            server(&["dnp3", "iec104", "roc_plus", "bsap", "genisys", "sel_fast"], Class::Rtu)
        })
        .or_else(|| reports(evidence))
        .or_else(|| server(&["bacnet", "knxip", "fox", "cnip"], Class::BuildingController))
        .or_else(|| networks::answers_for_units(evidence))
        .or_else(|| server(&["modbus", "enip", "tristation", "codesys", "sbus", "ams"], Class::Plc))
        .or_else(|| server(&["c1222", "dlms"], Class::Meter))
        .or_else(|| server(&["synphasor"], Class::Ied))
        .or_else(|| server(&["atg"], Class::Sensor))
        .or_else(|| server(&["hart_ip"], Class::Gateway))
        .or_else(|| server(&["ethersio"], Class::IoAdapter))
        .or_else(|| server(&["ifix", "suitelink"], Class::Scada))
        .or_else(|| server(&["opcua"], Class::Server))
        .or_else(|| {
            let tells = |name: &&&str| told.get(name).is_some_and(|count| count > 0);
            if tells(&&"powerlink")
                && let Some(node) = powerlink_node(evidence).filter(|node| *node != "240")
            {
                return controlled(evidence, node);
            }
            let name = ["egd", "powerlink", "ethercat", "cipio"].iter().find(tells)?;
            Some((Class::Plc, format!("sends cyclic data in {name}")))
        })
}

/// The node it is in POWERLINK, as it says by its identification or with its state.
fn powerlink_node<'a>(evidence: &'a Evidence<'_>) -> Option<&'a str> {
    let of_state = || {
        let known = evidence.facts.iter().filter(|k| k.protocol == "powerlink");
        let mut states = known.filter(|k| k.path == "nmt-state");
        Some(states.next()?.value.strip_prefix("node ")?.split_once(':')?.0)
    };
    fact(evidence, "powerlink_node").or_else(of_state)
}

/// What a controlled node of POWERLINK is by the profile in the low half of its device type (CiA
/// 301, object 1000). Node 240 alone manages the others (EPSG DS 301, 4.5).
fn controlled(evidence: &Evidence<'_>, node: &str) -> Option<(AssetClass, String)> {
    let number = fact(evidence, "device_type")?.strip_prefix("0x")?;
    let (class, profile) = match u32::from_str_radix(number, 16).ok()? & 0xffff {
        401 => (AssetClass::IoAdapter, "inputs and outputs"),
        402 => (AssetClass::Drive, "drives"),
        _ => return None,
    };
    Some((class, format!("is POWERLINK node {node} with the profile of {profile}")))
}

/// Stations report by themselves what changed.
fn reports(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    let name = ["iec104", "dnp3"].iter().find(|name| evidence.behaviour.told.contains_key(name))?;
    Some((AssetClass::Rtu, format!("reports by itself in {name}")))
}

/// What a BACnet router sends is of devices of the networks behind it, whatever they ask.
fn relays(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    let is = |k: &Known| k.path == "bacnet_role" && &*k.value == "router";
    let what = "passes on what BACnet devices behind it send";
    let known = evidence.facts.iter().any(is) && !evidence.external;
    known.then(|| (AssetClass::BuildingController, what.to_owned()))
}

/// Whom it asks for what, over industrial protocols.
fn asked(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use {AssetClass as Class, OperationClass as Op};
    let asked = &evidence.behaviour.asked;
    let counts = |(p, c): &(&str, Op)| is_industrial(p) && !looks_around(p, *c);
    // Connecting to PROFINET devices is a controller's work.
    if asked.keys().any(|(p, c)| *p == "pn_io" && matches!(c, Op::Session | Op::Configure)) {
        return Some((Class::Plc, "connects to PROFINET devices".to_owned()));
    }
    let total = |classes: &[Op]| -> u64 {
        let of = asked.iter().filter(|(asked, _)| counts(asked) && classes.contains(&asked.1));
        of.map(|(_, n)| n).sum()
    };
    let programs = total(&[Op::ProgramDownload, Op::ProgramUpload, Op::FirmwareUpdate]);
    let switches = total(&[Op::Start, Op::Stop, Op::Reset]);
    let (writes, reads) = (total(&[Op::Write]), total(&[Op::Read]));
    let controllers = evidence.behaviour.controllers.len();
    if programs > 0 {
        let what = format!("programs controllers ({programs} requests)");
        return Some((Class::EngineeringStation, what));
    }
    if writes > 0 && controllers >= 5 {
        return Some((Class::Scada, format!("reads from and writes to {controllers} controllers")));
    }
    if writes > 0 {
        return Some((Class::Hmi, format!("{reads} reads and {writes} writes to controllers")));
    }
    if reads > 0 && asked.keys().filter(|asked| counts(asked)).all(|(p, _)| is_building(p)) {
        let what = format!("reads from {controllers} building controllers");
        return Some((Class::Scada, what));
    }
    if reads > 0 && controllers >= 3 {
        let what = format!("reads from {controllers} controllers and never writes");
        return Some((Class::Historian, what));
    }
    if reads > 0 {
        return Some((Class::Hmi, format!("{reads} reads from controllers")));
    }
    // One stop command does not make a historian an engineering station, so this comes late.
    if switches > 0 {
        let what = format!("starts, stops or resets controllers ({switches} requests)");
        return Some((Class::EngineeringStation, what));
    }
    asked_little(evidence, total)
}

fn is_building(protocol: &str) -> bool {
    matches!(protocol, "bacnet" | "knxip" | "fox" | "cnip")
}

/// Does it but look who is there? Any device does, controllers too.
fn looks_around(protocol: &str, class: OperationClass) -> bool {
    use OperationClass::{Browse, Diagnose, Session};
    match protocol {
        "pn_dcp" | "bacnet" | "knxip" | "ams" => class == Browse,
        // Lists of identities, services and interfaces.
        "enip" => matches!(class, Browse | Diagnose),
        // Whoever starts tells all others his address.
        "codesys" => matches!(class, Browse | Session),
        _ => false,
    }
}

/// Whom it asks for what, where it neither reads nor writes what the process is in.
fn asked_little(
    evidence: &Evidence<'_>,
    total: impl Fn(&[OperationClass]) -> u64,
) -> Option<(AssetClass, String)> {
    use {AssetClass as Class, OperationClass as Op};
    let counts = |(p, c): &(&str, Op)| is_industrial(p) && !looks_around(p, *c);
    let mut asked = evidence.behaviour.asked.keys().filter(|asked| counts(asked)).peekable();
    let first = &asked.peek()?.0;
    // Whoever gathers from measuring units asks what they send, and that they begin.
    if *first == "synphasor" && asked.all(|(protocol, _)| *protocol == "synphasor") {
        return Some((Class::Historian, "has measuring units send it phasors".to_owned()));
    }
    let work = [
        (total(&[Op::Configure]), "changes settings of devices"),
        (total(&[Op::File]), "asks controllers for files"),
        (total(&[Op::Diagnose]), "asks controllers how they are"),
        (total(&[Op::Browse]), "asks controllers what they hold"),
    ];
    if let Some((count, what)) =
        work.iter().rev().max_by_key(|(count, _)| *count).filter(|w| w.0 > 0)
    {
        return Some((Class::EngineeringStation, format!("{what} ({count} requests)")));
    }
    let vendor = evidence.vendor.unwrap_or_default();
    if *first == "cip" && makes_controllers(vendor) {
        return Some((Class::Plc, format!("connects to CIP devices and is made by {vendor}")));
    }
    // Devices of a mesh ask each other.
    let class = if is_building(first) { Class::Scada } else { Class::Hmi };
    (*first != "zigbee").then(|| (class, format!("asks in {first}, for nothing that tells more")))
}

/// What people called it.
fn named(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    const NAMED: &[(Class, &[Word])] = &[
        (Class::Switch, words!["switch", "scalance"]),
        (Class::Hmi, words!["hmi", "panel"]),
        (Class::Plc, words!["plc", "cpu"]),
        (Class::Printer, words!["printer"]),
        (Class::Historian, words!["historian"]),
        (Class::Camera, words!["camera"]),
        // As they are called until somebody calls them otherwise, in some languages.
        (Class::Mobile, words!["iphone", "iphonedi", "iphonede", "iphonevon"]),
        (Class::Mobile, words!["ipad", "ipaddi", "ipadde", "ipadvon", "android-"]),
    ];
    const PATHS: &[&str] = &["station_name", "name", "hostname", "plc_name", "system_name"];
    let typed = |k: &Known| k.path == "description" && k.protocol == "browser";
    let names = evidence.facts.iter().filter(|k| PATHS.contains(&k.path) || typed(k));
    let of_card = names.clone().find(|k| named_by_card(&k.value, evidence.macs));
    if let Some(known) = of_card {
        let what =
            format!("is called \"{}\", as HP's print servers are by their card", known.value);
        return Some((Class::Printer, what));
    }
    names.into_iter().find_map(|known| {
        let text = Text::of(&known.value);
        let says = |words: &[Word]| words.iter().any(|word| text.has_word(word));
        let class = NAMED.iter().find(|(_, words)| says(words))?.0;
        Some((class, format!("is called \"{}\"", known.value)))
    })
}

/// `NPI16A981`: print servers of HP's are called by the last half of their MAC address.
fn named_by_card(name: &str, macs: &BTreeSet<Mac>) -> bool {
    let host = name.split('.').next().unwrap_or_default();
    let Some(("NPI", half)) = host.split_at_checked(3) else { return false };
    macs.iter().any(|Mac([.., d, e, f])| half == format!("{d:02X}{e:02X}{f:02X}"))
}

/// Things beside the process.
fn office(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    if evidence.external {
        return Some((Class::External, "its address is of the Internet".to_owned()));
    }
    if evidence.loopback {
        return Some((Class::Unknown, "its address is every machine's own".to_owned()));
    }
    discovered(evidence)
        .or_else(|| networks::routes(evidence))
        .or_else(|| networks::guards(evidence))
        .or_else(|| serving(evidence))
        .or_else(|| made(evidence))
}

/// What it says of itself to all around it.
fn discovered(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    let printing = evidence.facts.iter().any(|k| {
        k.path == "service"
            && ["_ipp", "_pdl-datastream", "_printer"].iter().any(|s| k.value.starts_with(s))
    });
    if printing {
        return Some((Class::Printer, "offers printing (mDNS)".to_owned()));
    }
    let filming = evidence.facts.iter().any(|k| {
        k.path == "service" && ["_axis-video", "_onvif"].iter().any(|s| k.value.starts_with(s))
    });
    if filming {
        return Some((Class::Camera, "offers pictures (mDNS)".to_owned()));
    }
    let types = [("NetworkVideoTransmitter", Class::Camera), ("PrintDeviceType", Class::Printer)];
    let of_type = |k: &Known| types.iter().find(|t| k.path == "wsd_types" && k.value.contains(t.0));
    let (kind, class) = evidence.facts.iter().find_map(of_type)?;
    Some((*class, format!("is a {kind} (WS-Discovery)")))
}

/// By the services it offers and the system it runs.
fn serving(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    let served = &evidence.behaviour.served;
    let vendor = evidence.vendor.unwrap_or_default().to_lowercase();
    let clocks = ["meinberg", "tekron", "hopf"].iter().any(|maker| vendor.contains(maker));
    if served.contains_key("ntp") && clocks {
        let maker = evidence.vendor.unwrap_or_default();
        return Some((Class::Clock, format!("answers ntp requests and is made by {maker}")));
    }
    let system = system(evidence);
    let server_os = system.is_some_and(|os| os.contains("Server"));
    let known = ["dns", "dhcp", "smb", "ldap", "kerberos", "ftp", "ntp", "tls", "http", "ssh"];
    let own = system.and_then(|os| Some((of_system(os)?, os)));
    // People's machines answer for the files they share, and that makes none of them a server.
    let counts = |name: &&str| own.is_none() || *name != "smb";
    let serves = |name: &&&str| served.get(name).is_some_and(|count| count > 0);
    if let Some(name) = known.iter().filter(|name| counts(name)).find(serves) {
        let many = served.iter().map(|(_, count)| count).sum::<u64>() > 3 || server_os;
        if many {
            return Some((Class::Server, format!("answers {name} requests")));
        }
    }
    if server_os {
        return Some((Class::Server, "says it runs a server system".to_owned()));
    }
    own.map(|(class, os)| (class, format!("runs {os}")))
}

/// Makers that controllers have their addresses from.
const OF_CONTROLLERS: &[&str] = &["rockwell", "telemecanique", "allen-bradley"];

fn makes_controllers(vendor: &str) -> bool {
    let vendor = vendor.to_lowercase();
    OF_CONTROLLERS.iter().any(|maker| vendor.contains(maker))
}

/// By who made it, and by what it does where that tells little.
fn made(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    use AssetClass as Class;
    let vendor = evidence.vendor.unwrap_or_default().to_lowercase();
    if admits(evidence.behaviour) {
        let what = "asks by RADIUS whom to let in: a switch, an access point or a gateway";
        return Some((Class::Unknown, what.to_owned()));
    }
    let makers: &[(Class, &[&str])] = &[
        (Class::Camera, &["axis communications", "hikvision", "dahua", "mobotix"]),
        // Not Zebra: most of its addresses are in hand-held scanners.
        (Class::Printer, &["brother", "canon", "lexmark"]),
        (Class::Plc, OF_CONTROLLERS),
        (Class::Clock, &["meinberg", "tekron"]),
    ];
    for (class, names) in networks::MAKERS.iter().chain(makers).filter(|_| speaks_little(evidence))
    {
        if names.iter().any(|n| vendor.contains(n)) {
            return Some((*class, format!("made by {}", evidence.vendor.unwrap_or_default())));
        }
    }
    let bridges = evidence.behaviour.told.contains_key("stp") && evidence.vendor.is_some();
    if bridges && speaks_little(evidence) && !evidence.virtual_machine {
        return Some((Class::Switch, "sends the spanning tree's data of a bridge".to_owned()));
    }
    if asks(evidence.behaviour) && !offers(evidence.behaviour) {
        let what = "asks for services and offers none".to_owned();
        return Some((Class::Workstation, what));
    }
    evidence.virtual_machine.then(|| (Class::VirtualMachine, "virtual network card".to_owned()))
}

/// Does it ask nobody for services, and offer but what any device has to be looked after? Then who
/// made it tells what it is. Names, and who is let in, are what servers answer for.
fn speaks_little(evidence: &Evidence<'_>) -> bool {
    let Behaviour { served, told, .. } = evidence.behaviour;
    let of_upkeep =
        |name: &str| matches!(name, "snmp" | "telnet" | "ssh" | "http" | "ntp" | "dhcp");
    // Switches are PROFINET devices too.
    let tells = |name: &str| is_industrial(name) && !name.starts_with("pn_");
    let mut served = served.keys();
    !asks(evidence.behaviour)
        && served.all(|name| is_everybodys(name) || of_upkeep(name))
        && !told.keys().any(|name| tells(name))
}

/// The system it says it runs. Where one build is a desktop's and a server's, another word of its
/// own may tell which.
fn system<'a>(evidence: &'a Evidence<'_>) -> Option<&'a str> {
    let shown = fact(evidence, "os")?;
    let Some(name) = desktop(shown).filter(|_| shown.contains("Server")) else {
        return Some(shown);
    };
    let tells = |os: &&str| desktop(os) == Some(name) && !os.contains("Server");
    let all = evidence.facts.iter().filter(|k| k.path == "os").map(|k| &*k.value);
    Some(all.into_iter().find(tells).unwrap_or(shown))
}

/// The desktop system, or the first of those it may be.
fn desktop(os: &str) -> Option<&'static str> {
    const DESKTOPS: &[&str] =
        &["Windows XP", "Windows Vista", "Windows 7", "Windows 8", "Windows 10", "Windows 11"];
    DESKTOPS.iter().copied().find(|system| os.starts_with(system))
}

/// Systems of people's own machines. Where one build is a client's and a server's, it may be both.
fn of_system(os: &str) -> Option<AssetClass> {
    if ["Android", "iOS", "iPadOS"].iter().any(|system| os.starts_with(system)) {
        return Some(AssetClass::Mobile);
    }
    let desktop = desktop(os).is_some() || os.starts_with("macOS");
    (desktop && !os.contains("Server")).then_some(AssetClass::Workstation)
}

/// Does it ask for services? Everybody asks for addresses and names on the wire, for the time, and
/// to be let onto it; that makes nobody a workstation. By RADIUS devices of networks ask for
/// others, and servers tell those devices what to change.
fn asks(behaviour: &Behaviour) -> bool {
    let everybodys = |protocol: &str| {
        let of_wire = matches!(protocol, "arp" | "pn_dcp" | "icmp" | "icmpv6" | "igmp" | "eapol");
        let of_net = matches!(protocol, "dhcp" | "dhcpv6" | "ntp" | "dns" | "mdns" | "ssdp");
        of_wire || of_net || protocol == "radius"
    };
    behaviour.asked.keys().any(|(protocol, _)| !everybodys(protocol))
}

/// Does it serve others?
fn offers(behaviour: &Behaviour) -> bool {
    behaviour.served.keys().any(|protocol| !is_everybodys(protocol))
}

/// Everybody answers for its addresses and names on the wire.
fn is_everybodys(protocol: &str) -> bool {
    let of_wire = matches!(protocol, "arp" | "pn_dcp" | "icmp" | "icmpv6" | "igmp" | "eapol");
    of_wire || matches!(protocol, "mdns" | "llmnr" | "nbns" | "ssdp" | "browser")
}

/// Does it ask by RADIUS for others, and serve none by it, as servers do that pass questions on?
fn admits(behaviour: &Behaviour) -> bool {
    use OperationClass::{Authenticate, Report};
    let of_access = |class: &OperationClass| matches!(class, Authenticate | Report);
    let mut asked = behaviour.asked.keys();
    let asks = asked.any(|(protocol, class)| *protocol == "radius" && of_access(class));
    asks && !behaviour.served.contains_key("radius")
}

/// Does it serve, ask or tell in an industrial protocol?
pub(crate) fn speaks_industrial(behaviour: &Behaviour) -> bool {
    let Behaviour { served, told, asked, .. } = behaviour;
    let mut spoken = served.keys().chain(told.keys()).chain(asked.keys().map(|(p, _)| p));
    spoken.any(|protocol| is_industrial(protocol))
}

fn role(class: AssetClass, evidence: &Evidence<'_>) -> Role {
    if evidence.loopback && class == AssetClass::Unknown {
        return Role::Unknown;
    }
    use AssetClass as Class;
    match class {
        Class::Plc | Class::Rtu | Class::Ied | Class::BuildingController => Role::Controller,
        Class::IoAdapter | Class::Drive | Class::Robot | Class::Meter | Class::Sensor => {
            Role::FieldDevice
        }
        Class::Hmi | Class::Scada => Role::Operator,
        Class::EngineeringStation => Role::Engineering,
        Class::Historian => Role::Historian,
        Class::Switch | Class::Router | Class::Firewall | Class::AccessPoint | Class::Gateway => {
            Role::Infrastructure
        }
        Class::PowerSupply => Role::Infrastructure,
        Class::Server | Class::Printer | Class::Camera | Class::Clock => Role::Server,
        Class::External => Role::External,
        _ if admits(evidence.behaviour) => Role::Infrastructure,
        _ if offers(evidence.behaviour) => Role::Server,
        _ if asks(evidence.behaviour) => Role::Client,
        _ => Role::Unknown,
    }
}

fn level(class: AssetClass, evidence: &Evidence<'_>) -> (Option<Purdue>, String) {
    use AssetClass as Class;
    let said = |purdue, why: &str| (Some(purdue), why.to_owned());
    match class {
        Class::IoAdapter | Class::Drive | Class::Robot | Class::Sensor => {
            said(Purdue::Process, "field devices stand on the process")
        }
        Class::Meter => said(Purdue::Process, "meters stand on the process"),
        Class::Plc | Class::Rtu | Class::Ied | Class::BuildingController => {
            said(Purdue::Control, "controllers are level 1")
        }
        Class::Hmi | Class::Scada | Class::EngineeringStation => {
            said(Purdue::Supervisory, "supervises or programs controllers")
        }
        Class::Historian => said(Purdue::Operations, "collects from controllers for the site"),
        Class::External => said(Purdue::Enterprise, "outside the site"),
        Class::Switch | Class::Router | Class::Firewall | Class::Gateway | Class::AccessPoint => {
            if evidence.industrial_peers {
                said(Purdue::Supervisory, "network of a plant floor")
            } else {
                (None, String::new())
            }
        }
        Class::Server if evidence.industrial_peers => {
            said(Purdue::Operations, "serves devices of the plant floor")
        }
        Class::Unknown if speaks_industrial(evidence.behaviour) => {
            said(Purdue::Control, "speaks a protocol of controllers and field devices")
        }
        Class::Clock if evidence.industrial_peers => {
            said(Purdue::Supervisory, "gives controllers their time")
        }
        Class::Unknown | Class::VirtualMachine if evidence.industrial_peers => {
            said(Purdue::Operations, "talks with devices of the plant floor")
        }
        Class::PowerSupply if evidence.industrial_peers => {
            said(Purdue::Supervisory, "feeds devices of the plant floor")
        }
        Class::Unknown | Class::VirtualMachine | Class::PowerSupply => (None, String::new()),
        _ if evidence.industrial_peers => {
            said(Purdue::Operations, "office equipment that talks with the plant floor")
        }
        _ => said(Purdue::Business, "no contact with the plant floor"),
    }
}

#[cfg(test)]
mod tests;
