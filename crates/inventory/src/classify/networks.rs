//! Who stands between networks: what passes on what others send, by what it does, says and by who
//! made it.
//!
//! Not here: what texts tell of switches and routers (`words`). Invariant: somebody's own machine
//! that lets others through stays what it is.

use super::{Evidence, asks, fact, is_everybodys, of_system, system};
use crate::{
    grouping::{ROUTER_FACT, distance::is_through},
    record::{Behaviour, Known, Record},
};
use model::{Address, AssetClass};

/// Makers of firewalls first of all.
const OF_FIREWALLS: &[&str] =
    &["check point", "fortinet", "palo alto networks", "sonicwall", "watchguard"];

/// What makers of things for networks make most, as the registry of addresses has their names.
pub(super) const MAKERS: &[(AssetClass, &[&str])] = &[
    (AssetClass::Firewall, OF_FIREWALLS),
    (AssetClass::Router, &["mikrotik", "routerboard", "juniper networks"]),
    // Not Linksys, which Cisco sold: its addresses are in cards of computers.
    (
        AssetClass::Switch,
        &[
            "hirschmann",
            "moxa",
            "ruggedcom",
            "cisco systems",
            "westermo",
            "arista",
            "extreme networks",
            "enterasys",
            "nortel",
        ],
    ),
];

/// Do addresses stand behind one of these MAC addresses? Those are not its own, and what they
/// sent came through a router. Many addresses alone are no sign: whoever attacks makes up as many
/// as he likes, and whoever plays a capture back sends from all of them.
pub(crate) fn forwards(records: &[Record], members: &[u32]) -> bool {
    members.iter().any(|member| {
        let mac = &records[*member as usize];
        let is_its = |ip: &&Record| {
            let own = ip.owner.is_some_and(|owner| members.contains(&owner));
            ip.partners.first() == Some(member) && ip.claims().is_empty() && !own
        };
        let mut others = mac.partners.iter().map(|ip| &records[*ip as usize]).filter(is_its);
        matches!(mac.address, Address::Mac(_)) && others.any(is_through)
    })
}

/// By what it passes on, or says that it does. Of what a virtual card alone says the latter is
/// no sign: so do those who want to be taken for a router.
pub(super) fn routes(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    let of_host = |os: &str| of_system(os).is_some() || os.contains("Server");
    if system(evidence).is_some_and(of_host) {
        return None;
    }
    let of_gateway =
        |k: &Known| k.path == "upnp_type" && k.value.contains(":device:InternetGatewayDevice:");
    let advertises = fact(evidence, ROUTER_FACT) == Some("default router");
    let what = if evidence.forwards {
        "passes on what others send"
    } else if evidence.facts.iter().any(of_gateway) {
        "is a gateway to the Internet (SSDP)"
    } else if advertises && !evidence.virtual_machine {
        "says that it is a default router (IPv6)"
    } else {
        return None;
    };
    let vendor = evidence.vendor.unwrap_or_default();
    if is_of(vendor, OF_FIREWALLS) {
        return Some((AssetClass::Firewall, format!("{what} and is made by {vendor}")));
    }
    Some((AssetClass::Router, what.to_owned()))
}

/// What a maker of firewalls made is none for the names or addresses it gives out.
pub(super) fn guards(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    let vendor = evidence.vendor.filter(|vendor| is_of(vendor, OF_FIREWALLS))?;
    let Behaviour { served, .. } = evidence.behaviour;
    let of_firewall = |name: &str| matches!(name, "dns" | "dhcp" | "ntp" | "snmp" | "ssh" | "http");
    let counts = |name: &str| is_everybodys(name) || of_firewall(name);
    let served = served.keys().all(|name| counts(name));
    (served && !asks(evidence.behaviour))
        .then(|| (AssetClass::Firewall, format!("made by {vendor}")))
}

/// Does it make more for networks than of anything else?
pub(crate) fn is_of_networks(vendor: &str) -> bool {
    MAKERS.iter().any(|(_, makers)| is_of(vendor, makers))
}

/// Several units of Modbus behind what makers of gateways made are devices on a serial line.
pub(super) fn answers_for_units(evidence: &Evidence<'_>) -> Option<(AssetClass, String)> {
    const MAKERS: &[&str] =
        &["moxa", "lantronix", "digi international", "hms industrial", "red lion"];
    let vendor = evidence.vendor.filter(|vendor| is_of(vendor, MAKERS))?;
    let units = evidence.behaviour.units.count();
    let what = || format!("answers for {units} Modbus units and is made by {vendor}");
    (units > 1).then(|| (AssetClass::Gateway, what()))
}

fn is_of(vendor: &str, makers: &[&str]) -> bool {
    let vendor = vendor.to_lowercase();
    makers.iter().any(|maker| vendor.contains(maker))
}

#[cfg(test)]
mod tests;
