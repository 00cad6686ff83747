//! What the texts of a device tell of its maker, model, firmware, serial number and system:
//! descriptions of SNMP, LLDP and CDP, greetings of servers, classes of DHCP clients.
//!
//! Makers write texts as they please, so only shapes that devices are known to send are read.
//! What a protocol has a field of its own for is worth more. Invariant: nothing is made up: a
//! model, a version and a serial number are parts of the text.

mod greetings;
mod makers;
mod parts;
mod shapes;
mod systems;
#[cfg(test)]
mod tests;

use crate::record::Known;
use greetings::{platform, vendor_class};
use shapes::description;
pub(crate) use systems::common_name;

/// What one text tells.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Told {
    pub(crate) vendor: Option<&'static str>,
    pub(crate) model: Option<String>,
    pub(crate) firmware: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) os: Option<String>,
}

/// How much of what a device says in which place is believed, in percent.
const OF_PLATFORMS: u8 = 60;
const OF_DESCRIPTIONS: u8 = 50;
const OF_GREETINGS: u8 = 40;
/// SNMP enterprise numbers name who made the agent, mostly the device's maker.
const OF_NUMBERS: u8 = 30;
/// A host's browsers, which may say what they like.
const OF_AGENTS: u8 = 20;

/// What the texts among a device's own facts tell, as facts of the same source.
pub(crate) fn derived(own: &[Known]) -> Vec<Known> {
    let mut facts = Vec::new();
    for known in own {
        let Some((confidence, told)) = read(known, own) else { continue };
        let vendor = told.vendor.map(str::to_owned);
        let said = [
            ("vendor", vendor),
            ("model", told.model),
            ("firmware", told.firmware),
            ("serial", told.serial),
            ("os", told.os),
        ];
        let said = said.into_iter().filter_map(|(path, value)| Some((path, value?)));
        facts.extend(said.map(|(path, value)| {
            let first = known.first;
            let (protocol, message) = (known.protocol, known.message);
            Known { path, value: value.into(), protocol, message, confidence, first }
        }));
    }
    drop_quarrels(&mut facts);
    facts
}

/// Texts that name several systems are of several hosts behind one address, or of programs that
/// pass themselves off as others. Android is a Linux, and some programs on it say no more.
fn drop_quarrels(facts: &mut Vec<Known>) {
    let is = |k: &Known, os: &str| k.path == "os" && k.value.starts_with(os);
    if facts.iter().any(|k| is(k, "Android")) {
        facts.retain(|k| !(is(k, "Linux") && k.confidence <= OF_AGENTS));
    }
    let family = |os: &str| {
        match os {
            os if os.starts_with("Windows") => "Windows",
            os if os.contains("Linux") || os.starts_with("Ubuntu") => "Linux",
            os if os.starts_with("Android") => "Android",
            _ => "",
        }
        .to_owned()
    };
    let weak = |k: &&Known| k.path == "os" && k.confidence <= OF_GREETINGS;
    let mut families = facts.iter().filter(weak).map(|k| match family(&k.value) {
        family if family.is_empty() => k.value.to_string(),
        family => family,
    });
    let first = families.next();
    if families.any(|other| Some(other) != first) {
        facts.retain(|k| !weak(&k));
    }
}

fn read(known: &Known, own: &[Known]) -> Option<(u8, Told)> {
    let text = known.value.trim();
    Some(match (known.path, known.protocol) {
        // In browser announcements a description is what somebody typed.
        ("description", "browser") => return None,
        // Of CDP it is the software, which only Cisco's names what it runs on.
        ("description", "cdp") => {
            let told = description(text, None);
            (OF_DESCRIPTIONS, Told { model: told.model.filter(|_| told.vendor.is_some()), ..told })
        }
        ("description", _) => {
            let kind = own.iter().find(|k| k.path == "sys_object_id").map(|k| &*k.value);
            (OF_DESCRIPTIONS, description(text, kind))
        }
        ("platform", "cdp") => (OF_PLATFORMS, platform(text)),
        ("banner", "telnet") => (OF_GREETINGS, greetings::line(text)),
        // A server of mail begins with the host's name (RFC 5321, 4.2), and its maker's stands
        // behind that: programs for anybody's computers.
        ("banner", _) => (OF_GREETINGS, Told { os: systems::of_greeting(text), ..Told::default() }),
        ("ftp_banner" | "http_server" | "onvif_name", _) => {
            (OF_GREETINGS, greetings::greeting(text))
        }
        ("ssh_banner", _) => (OF_GREETINGS, greetings::ssh(text)),
        ("dhcp_vendor_class", _) => (OF_GREETINGS, vendor_class(text)),
        ("sys_object_id", _) => {
            (OF_NUMBERS, Told { vendor: makers::by_kind(text), ..Told::default() })
        }
        ("snmp_enterprise", _) => {
            (OF_NUMBERS, Told { vendor: makers::by_number(text), ..Told::default() })
        }
        ("user_agent", _) => (OF_AGENTS, Told { os: systems::of_agent(text), ..Told::default() }),
        _ => return None,
    })
}
