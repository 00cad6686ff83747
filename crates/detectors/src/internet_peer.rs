//! Hosts of the plant that talk with the Internet, and hosts of the Internet that reach them.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Memory, memory},
    conversation::{Conversations, Key, Whole, key_of},
    limits::WATCHED_MAX,
    window::apart_secs,
};
use inventory::{is_industrial, is_outside};
use model::{Address, Detail, Exchange, Observation, Purdue, Severity, Time};
use std::collections::BTreeMap;

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
    watch: || {
        let (conversations, unnamed) = (Conversations::default(), BTreeMap::new());
        Box::new(InternetPeer { hosts: memory(), conversations, unnamed })
    },
    #[cfg(test)]
    cases,
};

/// So long it is waited for what a conversation is in: whether that is an industrial protocol
/// decides how bad it is.
const NAMED_WITHIN_SECS: i64 = 30;

struct InternetPeer {
    /// Inside host -> how often it was seen with the outside, and what it is.
    hosts: Memory<Address, (u32, Place)>,
    /// Those that somebody outside began, and those worth a finding.
    conversations: Conversations<Severity>,
    /// Young ones of which the protocol is not known yet, as told last.
    unnamed: BTreeMap<Key, (Observation, (Address, bool))>,
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
        let (inside, outward) = match (is_outside(client), is_outside(server)) {
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
        if !outward && self.conversations.add(o, exchange).is_none() {
            // Nobody answered: the scan detector's.
            return;
        }
        if !self.waits(o, exchange, (inside, outward)) {
            self.judge(o, (inside, outward), site, out);
        }
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        let old = |key: &Key| apart_secs(now, key.0) >= NAMED_WITHIN_SECS;
        while self.unnamed.first_key_value().is_some_and(|(key, _)| old(key)) {
            let Some((_, (o, ends))) = self.unnamed.pop_first() else { return };
            self.judge(&o, ends, site, out);
        }
    }
}

impl InternetPeer {
    /// Is it too young to be judged without the name of its protocol?
    fn waits(&mut self, o: &Observation, exchange: &Exchange, ends: (Address, bool)) -> bool {
        let key = key_of(o, exchange);
        let young = apart_secs(o.at, exchange.first) < NAMED_WITHIN_SECS;
        let known = self.unnamed.contains_key(&key);
        let room = known || self.unnamed.len() < WATCHED_MAX;
        let unnamed = matches!(o.protocol, "tcp" | "udp");
        let waits = unnamed && young && room;
        if waits {
            self.unnamed.insert(key, (o.clone(), ends));
        } else if known {
            self.unnamed.remove(&key);
        }
        waits
    }

    /// `inside` is the site's end, `outward` whether it began.
    fn judge(
        &mut self,
        o: &Observation,
        (inside, outward): (Address, bool),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let Detail::Exchange(exchange) = &o.detail else { return };
        let place = self.place(inside, site);
        if outward && place == Place::Office {
            // Most are that, and nothing is remembered of them.
            return;
        }
        let whole = self.conversations.whole(key_of(o, exchange));
        let Some(other) = (if outward { &o.to } else { &o.from }).address() else { return };
        contact((o, exchange, whole), (inside, other, outward), place, out);
    }

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
    (o, exchange, whole): (&Observation, &Exchange, &mut Whole<Severity>),
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
        (Place::Office, _) => Severity::Low,
    };
    let key = (inside, outward, severity);
    let draft = || {
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
        let draft = match outward {
            true => Draft::by(inside, [other], severity, title),
            // More of them may reach it.
            false => Draft::about(vec![inside, other], severity, title),
        };
        draft.because(format!("{says} {level}"))
    };
    let about = &INTERNET_PEER.about;
    let raised = match whole.is_news(severity) {
        true => out.raise(about, key, &Observation { at: exchange.first, ..o.clone() }, draft),
        false => out.known(about, key),
    };
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
    let unnamed = |at, down| {
        let mut o = exchange(at, port(host(10), 50_000), port(outside(1), 4_444), "tcp");
        if let Detail::Exchange(exchange) = &mut o.detail {
            exchange.packets_down = down;
        }
        o
    };
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
        Case::fires("a panel calls out in nothing known", with(unnamed(9, 1))),
        Case::silent("an office computer", vec![away(9)]),
        Case::silent("as it always did", vec![away(9_000)]).after(usual),
    ]
}

/// However often a conversation is told, and whatever it was taken for at first.
#[test]
fn a_conversation_that_is_told_in_parts_is_one_by_the_name_it_got() {
    use crate::testing::{Case, asks, exchange, host, outside, port};
    use model::OperationClass::Write;
    let told =
        |protocol| exchange(9_000, port(host(10), 50_000), port(outside(1), 10_001), protocol);
    let whole = Case::fires("", vec![asks(0, Write), told("atg")]).run();
    let parts = vec![asks(0, Write), told("tcp"), told("tcp"), told("atg"), told("atg")];
    let parts = Case::fires("", parts).run();
    let rows = |found: Vec<model::Finding>| -> Vec<_> {
        let of_here = found.into_iter().filter(|f| f.detector == "internet-peer");
        of_here.map(|f| (f.id, f.severity, f.title, f.count)).collect()
    };
    let (whole, parts) = (rows(whole), rows(parts));
    assert_eq!(whole, parts);
    assert!(matches!(whole.as_slice(), [(_, Severity::High, _, 1)]), "{whole:?}");
}
