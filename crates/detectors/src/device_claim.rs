//! Numbers of BACnet devices that two hosts claim, and hosts that claim many.
//!
//! Seen by I-Am (ASHRAE 135, 16.10). Devices behind routers have numbers too, and may be heard over
//! several: they are left out. Invariant: who had the number first is still there when another is
//! told to claim it, so a device that moves to another address raises nothing.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    act::whose,
    watched::{FirstKnown, Watched},
    window::{Lately, apart_secs},
};
use model::{Address, Detail, Observation, PortNumber, Severity, Time};
use std::net::IpAddr;

pub static DEVICE_CLAIM: Detector = Detector {
    about: About {
        id: "device-claim",
        title: "BACnet device number claimed by another host",
        engine: model::Engine::Anomaly,
        why: "Devices of BACnet are found by their number: whoever answers for it is asked for \
              values and gets the commands. A host that claims the number of a controller takes \
              its place, or makes workstations ask nobody.",
        techniques: &["T0856", "T0830", "T0848", "T0814"],
        false_positives: "Two devices with the same number by mistake, redundant controllers that \
                          share one, simulators of many devices.",
        runbook: "Look at both hosts: which of them is the device of that number?\n\
                  If both are devices of the site, give one another number; nothing works well \
                  until then.\n\
                  If not, disconnect the other and let workstations look for the device anew.\n\
                  See what was written to it meanwhile.",
        sees: &[Kind::Identity],
    },
    watch: || {
        let (holders, hosts) = (FirstKnown::new(), Watched::new(SPAN_SECS));
        Box::new(DeviceClaim { holders, hosts, claims: Vec::new() })
    },
    #[cfg(test)]
    cases,
};

/// Numbers that one host claims within the span: it has one, and a gateway tells others' networks.
const NUMBERS_MIN: usize = 8;
const SPAN_SECS: i64 = 60;
/// So long the first one is waited for, and so much later it must be heard.
const WAIT_SECS: i64 = 600;
const LATER_SECS: i64 = 2;
/// Claims that wait.
const CLAIMS_MAX: usize = 64;

/// Of a device that was given no number yet (ASHRAE 135, 12.11): many have it.
const NO_NUMBER: u32 = 4_194_303;

struct DeviceClaim {
    /// Who claimed a number first, by VLAN and number.
    holders: FirstKnown<(Option<u16>, u32), Address>,
    /// Numbers of a host and port.
    hosts: Watched<(Address, PortNumber), Lately<u32>>,
    claims: Vec<Claim>,
}

struct Claim {
    number: u32,
    holder: Address,
    by: Address,
    at: Time,
    said: Box<Observation>,
}

impl Watch for DeviceClaim {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Identity(identity) = &o.detail else { return };
        if o.protocol != "bacnet" || identity.message != "I-Am" {
            return;
        }
        let number = identity.attributes.iter().find(|a| a.path == "bacnet_instance");
        let number = number.and_then(|a| a.value.parse::<u32>().ok());
        let number = number.filter(|number| *number != NO_NUMBER);
        let (None, Some(host), Some(number)) =
            (identity.subject.place(), whose(o, identity.subject), number)
        else {
            return;
        };
        if !host.is_host() || self.many(o, host, number, out) {
            return;
        }
        let Some(holder) = self.holders.of((o.from.vlan, number), || host) else { return };
        let holder = *holder;
        let asset = |address| site.inventory.asset_of(&address);
        if holder == host || !are_neighbours(holder, host) || asset(holder) == asset(host) {
            return;
        }
        let same = |c: &Claim| (c.number, c.by) == (number, host);
        if self.claims.len() < CLAIMS_MAX && !self.claims.iter().any(same) {
            let said = Box::new(o.clone());
            self.claims.push(Claim { number, holder, by: host, at: o.at, said });
        }
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        self.claims.retain(|claim| {
            let last = site
                .inventory
                .asset_of(&claim.holder)
                .map(|key| site.inventory.asset(key).last_seen);
            if last.is_some_and(|last| last > claim.at.plus_secs(LATER_SECS)) {
                claim.raise(out);
                return false;
            }
            apart_secs(now, claim.at) < WAIT_SECS
        });
    }

    fn dropped(&self) -> u64 {
        self.holders.refused() + self.hosts.dropped()
    }
}

/// A device with two cards may say its number on both networks.
fn are_neighbours(a: Address, b: Address) -> bool {
    match (a, b) {
        (Address::Ip(IpAddr::V4(a)), Address::Ip(IpAddr::V4(b))) => {
            a.octets()[..3] == b.octets()[..3]
        }
        _ => false,
    }
}

impl DeviceClaim {
    /// Does the host claim so many numbers that they are made up?
    fn many(&mut self, o: &Observation, host: Address, number: u32, out: &mut Findings) -> bool {
        let port = o.from.port.unwrap_or_default();
        let numbers = self.hosts.of((host, port), o.at, Lately::default);
        let count = numbers.see(number, o.at, SPAN_SECS);
        if count < NUMBERS_MIN {
            return false;
        }
        let first = numbers.first(o.at);
        let raised = out.raise(&DEVICE_CLAIM.about, ("many", host), o, || {
            let title = "{0} claims to be many BACnet devices";
            Draft::by(host, [], Severity::Medium, title)
                .because(format!(
                    "It said {NUMBERS_MIN} or more device numbers within {SPAN_SECS} s, all its \
                     own: a host has one (ASHRAE 135, 12.11), and those behind a gateway are on \
                     networks of their own. Workstations are led astray, or filled with devices."
                ))
                .techniques(&["T0856", "T0814"])
        });
        if let Some(open) = raised {
            open.spans(first, o.at);
            const _: () = assert!(SPAN_SECS == 60, "the words below say so");
            let says = "device numbers in the newest 60 s";
            open.proof_count("numbers", (first, o.at), (count as u64, says));
        }
        true
    }
}

impl Claim {
    fn raise(&self, out: &mut Findings) {
        let Claim { number, holder, by, .. } = *self;
        let key = ("claim", number, by);
        let raised = out.raise(&DEVICE_CLAIM.about, key, &self.said, || {
            let title = format!("{{0}} claims BACnet device number {number} of {{1}}");
            Draft::by(by, [holder], Severity::Medium, title)
                .because(
                    "{1} said that number before and is still there: one of the two gets what is \
                     meant for the other.",
                )
                .techniques(&["T0856", "T0830", "T0848"])
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, port, presence, seen};
    use model::{Attribute, Endpoint, Identity, Subject};
    let says = |at: i64, from: Endpoint, number: u32| {
        let (path, value) = ("bacnet_instance", number.to_string().into());
        let attributes = vec![Attribute { path, value, confidence: 90 }];
        let identity = Identity { subject: Subject::Sender, message: "I-Am", attributes };
        let (from, to) = (port(from, 47_808), port(host(255), 47_808));
        of("bacnet", seen(at, from, to, Detail::Identity(identity)))
    };
    let claimed = |number, last: i64| {
        let claims = says(90_000, host(30), number);
        vec![says(0, host(20), number), claims, presence(last, host(20))]
    };
    let moved = Endpoint { mac: host(20).mac, ..host(30) };
    vec![
        Case::fires("the number of another", claimed(7, 99_000)),
        Case::silent("one that is gone", claimed(7, 90_100)),
        Case::silent("devices without a number", claimed(NO_NUMBER, 99_000)),
        Case::silent("another number", vec![says(0, host(20), 7), says(90_000, host(30), 8)]),
        Case::silent(
            "a device that moves",
            vec![says(0, host(20), 7), says(90_000, moved, 7), presence(99_000, moved)],
        ),
        Case::fires("many numbers", (0..20).map(|i| says(i * 100, host(30), i as u32)).collect()),
        Case::silent(
            "one after the other",
            (0..20).map(|i| says(i * 90_000, host(30), i as u32)).collect(),
        ),
    ]
}
