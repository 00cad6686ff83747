//! Hosts that were not there while the site was learned.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch, evidence, window::apart_secs,
};
use inventory::{is_external, is_industrial, vendor};
use model::{Address, Evidence, Mac, Observation, Severity, Time};
use std::{cell::OnceCell, collections::HashSet};

pub static NEW_ASSET: Detector = Detector {
    about: About {
        id: "new-asset",
        title: "New asset on the network",
        engine: model::Engine::Policy,
        why: "Plants change seldom. A device nobody announced is a forgotten change, a visitor's \
              laptop or an intruder's foothold.",
        techniques: &["T0864", "T0848", "T0842"],
        false_positives: "Replaced devices, service laptops, devices that speak less often than \
                          the learning lasted, and addresses given out anew.",
        runbook: "Find the device: the switch port of its MAC address, the vendor, its name.\n\
                  Ask who brought it. If it belongs here, approve it in the inventory.\n\
                  If nobody knows it, disconnect it and keep it for examination.\n\
                  Look at what it asked of controllers.",
        sees: &[Kind::Presence],
    },
    watch: || Box::<NewAsset>::default(),
    #[cfg(test)]
    cases,
};

/// Seconds after which a host's addresses are paired and its protocols known.
const SETTLING_SECS: i64 = 3;
/// New hosts that wait for that.
const WAITING_MAX: usize = 4_096;

#[derive(Default)]
struct NewAsset {
    waiting: Vec<Observation>,
}

impl Watch for NewAsset {
    fn see(&mut self, o: &Observation, site: &Site<'_>, _: &mut Findings) {
        if site.phase != Phase::Learnt || self.waiting.len() >= WAITING_MAX {
            return;
        }
        let known = |a: Option<Address>| a.is_some_and(|a| site.baseline.knows_host(&a));
        let (mac, ip) = (o.from.mac.map(Address::Mac), o.from.ip.map(Address::Ip));
        let stranger = stranger(o, site);
        if stranger.is_none() && (known(ip) || (ip.is_none() && known(mac))) {
            return;
        }
        // Behind a router that is new there may be many who are known.
        let waits = |w: &Observation| w.from.mac == stranger;
        if known(ip) && self.waiting.iter().any(waits) {
            return;
        }
        if o.from.ip.is_some_and(is_external) {
            return;
        }
        self.waiting.push(o.clone());
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        // Where the clock was set back, those from before have waited long enough.
        let due = |o: &Observation| apart_secs(now, o.at) >= SETTLING_SECS;
        let waiting = std::mem::take(&mut self.waiting);
        let servers = OnceCell::new();
        for o in waiting {
            if due(&o) {
                decide(&o, site, &servers, out);
            } else {
                self.waiting.push(o);
            }
        }
    }
}

/// The sender's MAC address, where it is one host's and was not learned.
fn stranger(o: &Observation, site: &Site<'_>) -> Option<Mac> {
    let own = |mac: &Mac| mac.is_host() && !vendor::is_shared(*mac);
    o.from.mac.filter(own).filter(|mac| !site.baseline.knows_host(&Address::Mac(*mac)))
}

/// Who is known to be asked over industrial protocols; read once for all that are decided at once.
type Servers = OnceCell<HashSet<Address>>;

fn decide(o: &Observation, site: &Site<'_>, servers: &Servers, out: &mut Findings) {
    let is_known = |address: &Address| site.baseline.knows_host(address);
    // At an address that was learned stands another device, or it is a router before who had it.
    let taken = o.from.ip.map(Address::Ip).filter(is_known);
    let stranger = taken.and(stranger(o, site)).map(Address::Mac);
    let Some(address) = stranger.or(o.from.address()) else { return };
    let Some(key) = site.inventory.asset_of(&address) else { return };
    let addresses = site.inventory.addresses(key);
    let is_own = |a: &&Address| matches!(a, Address::Mac(mac) if !vendor::is_shared(*mac));
    let mut macs = addresses.iter().filter(is_own).peekable();
    // A known host with another address is no new asset, but another host with a known one is.
    let known = match macs.peek() {
        Some(_) => macs.any(is_known),
        None => addresses.iter().any(is_known),
    };
    if known {
        return;
    }
    let asset = site.inventory.asset(key);
    let taken = taken.or(addresses.iter().copied().find(is_known));
    let industrial = asset.protocols.iter().any(|p| is_industrial(p));
    let severity = match taken {
        _ if industrial => Severity::High,
        Some(ip) if is_of_plant(&ip, site, servers) => Severity::High,
        // A telephone that makes up its address, and got that of another one.
        Some(_) if o.from.mac.is_some_and(Mac::is_local) => return,
        // Offices give their addresses out anew.
        Some(_) => Severity::Low,
        None => Severity::Medium,
    };
    // The addresses of an asset come one by one; the first record names it.
    let Some(first) = stranger.or(addresses.first().copied()) else { return };
    let raised = out.raise(&NEW_ASSET.about, first, o, || {
        let vendor = asset.vendor.as_deref().unwrap_or("unknown vendor").to_owned();
        let does = match asset.protocols.as_slice() {
            [] => "It has asked for nothing yet.".to_owned(),
            protocols => format!("It speaks {}.", protocols.join(", ")),
        };
        let seen = match taken {
            Some(ip) => format!("Its MAC address was not seen, and {ip} was another's,"),
            None => "None of its addresses was seen".to_owned(),
        };
        Draft::about(addresses.clone(), severity, format!("New asset {{0}}, made by {vendor}"))
            .because(format!(
                "{seen} in {} of learning, in which {} addresses were. {does}",
                site.baseline.watched_words(),
                site.baseline.hosts(),
            ))
    });
    let Some(open) = raised else { return };
    open.at_least(severity);
    addresses.iter().for_each(|a| open.names(*a));
    for (name, fact) in [("vendor", &asset.vendor), ("name", &asset.names.first().cloned())] {
        if let Some(value) = fact {
            let (path, value) = (name.to_owned(), value.clone());
            let source = "inventory".to_owned();
            open.proof(name, Evidence::Fact { at: o.at, path, value, source });
        }
    }
    let says = format!("{} addresses are known", site.baseline.hosts());
    open.proof("learned", evidence::learned(says, []));
}

/// Was it learned as one that asks controllers, or is asked as one?
fn is_of_plant(ip: &Address, site: &Site<'_>, servers: &Servers) -> bool {
    let asks = !site.baseline.classes_of(ip).is_empty();
    asks || servers.get_or_init(|| site.baseline.servers()).contains(ip)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, outside, presence};
    let known = || vec![presence(0, host(1)), presence(1, host(2))];
    let other = model::Endpoint { ip: host(7).ip, ..host(2) };
    let taken = model::Endpoint { mac: host(9).mac, ..host(2) };
    let routed = model::Endpoint { mac: host(1).mac, ..host(2) };
    vec![
        Case::fires("a stranger", vec![presence(9, host(9))]).after(known()),
        Case::fires("a stranger at a known address", vec![presence(9, taken)]).after(known()),
        Case::silent("a known host behind a known router", vec![presence(9, routed)])
            .after(known()),
        Case::silent("somebody known", vec![presence(9, host(2))]).after(known()),
        Case::silent("a known host's new address", vec![presence(9, other)]).after(known()),
        Case::silent("a host of the Internet", vec![presence(9, outside(3))]).after(known()),
        Case::silent("nothing learned", vec![presence(9, host(9))]),
    ]
}
