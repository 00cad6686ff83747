//! Hosts of the plant that talk with the Internet, and hosts of the Internet that reach them.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Memory, memory},
    limits::WATCHED_MAX,
};
use inventory::{is_external, is_industrial};
use model::{Address, Detail, Exchange, Observation, Purdue, Severity};

pub static INTERNET_PEER: Detector = Detector {
    about: About {
        id: "internet-peer",
        title: "Plant host in contact with the Internet",
        engine: model::Engine::Policy,
        why: "Below the demilitarised zone nothing should speak with the Internet: it is the way \
              in for attackers and the way home for their software.",
        techniques: &["T0883", "T0869", "T0885", "T0822"],
        false_positives: "Updates, time servers and cloud services that somebody allowed; sites \
                          that use public addresses inside.",
        runbook: "Look up who owns the outside address and what the host asked for.\n\
                  Ask whether anybody allowed it; if so, put it through the demilitarised zone.\n\
                  If not, block the address at the firewall and examine the host.",
        sees: &[Kind::Exchange],
    },
    watch: || Box::new(InternetPeer { hosts: memory() }),
    #[cfg(test)]
    cases,
};

struct InternetPeer {
    /// Inside host -> how often it was seen with the outside, and what it is.
    hosts: Memory<Address, (u32, Place)>,
}

/// Where the inside host stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Office,
    /// Level 3 or below.
    Plant,
    /// It is a controller or a field device.
    Process,
}

impl Watch for InternetPeer {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Exchange(exchange) = &o.detail else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let outside = |a: Address| matches!(a, Address::Ip(ip) if is_external(ip));
        let (inside, outward) = match (outside(client), outside(server)) {
            (false, true) => (client, true),
            (true, false) => (server, false),
            _ => return,
        };
        if !inside.is_host() || !matches!(inside, Address::Ip(_)) {
            return;
        }
        let known = site.phase != Phase::Unlearnt && site.baseline.reaches_outside(&inside);
        if site.phase == Phase::Learning || (known && outward) {
            return;
        }
        if !outward && exchange.packets_down == 0 {
            // Nobody answered: the scan detector's.
            return;
        }
        let place = self.place(inside, site);
        let other = if outward { server } else { client };
        contact(o, exchange, (inside, other, outward), place, out);
    }
}

impl InternetPeer {
    /// Looked up anew now and then: what a host is shows with time.
    fn place(&mut self, inside: Address, site: &Site<'_>) -> Place {
        if !self.hosts.contains_key(&inside) && self.hosts.len() >= WATCHED_MAX {
            return Place::Office;
        }
        let (times, place) = self.hosts.entry(inside).or_insert((0, Place::Office));
        *times = times.saturating_add(1);
        if times.is_power_of_two() {
            *place = place_of(inside, site);
        }
        *place
    }
}

fn place_of(inside: Address, site: &Site<'_>) -> Place {
    let Some(key) = site.inventory.asset_of(&inside) else { return Place::Office };
    match site.inventory.asset(key).purdue {
        Some(Purdue::Process | Purdue::Control) => Place::Process,
        Some(Purdue::Supervisory | Purdue::Operations) => Place::Plant,
        _ => Place::Office,
    }
}

fn contact(
    o: &Observation,
    exchange: &Exchange,
    (inside, other, outward): (Address, Address, bool),
    place: Place,
    out: &mut Findings,
) {
    let industrial = is_industrial(o.protocol);
    // Names and time are asked for by everything; a controller that does so is badly set up.
    let harmless = matches!(o.protocol, "dns" | "ntp") && outward;
    let severity = match (place, outward) {
        _ if industrial => Severity::High,
        (Place::Process, false) | (Place::Plant, false) => Severity::High,
        (Place::Process | Place::Plant, true) if harmless => Severity::Low,
        (Place::Process | Place::Plant, true) => Severity::Medium,
        (Place::Office, false) => Severity::Low,
        (Place::Office, true) => return,
    };
    let at = exchange.first;
    let seen = Observation { at, ..o.clone() };
    let raised = out.raise(&INTERNET_PEER.about, (inside, outward, severity), &seen, || {
        let (title, says) = if outward {
            let title = format!("{{0}} talks to the Internet: {{1}} ({})", o.protocol);
            (title, "It opened conversations with addresses outside the site.")
        } else {
            let title = format!("{{1}} on the Internet reaches {{0}} ({})", o.protocol);
            (title, "A host of the Internet opened a conversation with it and was answered.")
        };
        let level = match place {
            Place::Process => "It stands on the process (level 0 or 1).",
            Place::Plant => "It belongs to the plant floor (level 2 or 3).",
            Place::Office => "Its place in the plant is not known.",
        };
        Draft::about(vec![inside, other], severity, title).because(format!("{says} {level}"))
    });
    if let Some(open) = raised {
        open.names(other);
        open.spans(exchange.first, exchange.last);
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, exchange, host, outside, port};
    use model::OperationClass::{Read, Write};
    // Host 10 reads from and writes to host 20: a panel and its controller.
    let plant = || vec![asks(0, Read), asks(1, Write)];
    let away = |at| exchange(at, port(host(10), 50_000), port(outside(1), 443), "tls");
    let inward = exchange(9, port(outside(1), 50_000), port(host(20), 502), "modbus");
    let with = |more: model::Observation| {
        let mut all = plant();
        all.push(more);
        all
    };
    let mut usual = plant();
    usual.push(away(5));
    vec![
        Case::fires("a panel calls out", with(away(9))),
        Case::fires("a controller is reached", with(inward)),
        Case::silent("an office computer", vec![away(9)]),
        Case::silent("as it always did", vec![away(9_000)]).after(usual),
    ]
}
