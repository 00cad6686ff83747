//! Whatever is seen and whenever somebody asks, the rows told add up to those of a report.
//!
//! Invariant: a seed that once failed stays in the list.

use crate::{Changes, Inventory};
use model::{
    Address, Asset, AssetId, Attribute, Carrier, Detail, Direction, Endpoint, Exchange, Identity,
    Link, LinkId, Mac, Object, Observation, Operation, OperationClass, Outcome, StateChange,
    Subject, Time,
};
use proptest::{prelude::*, test_runner::Config};
use std::collections::BTreeMap;

/// What somebody who only hears of changes has.
#[derive(Default)]
struct Heard {
    assets: BTreeMap<AssetId, Asset>,
    links: BTreeMap<LinkId, Link>,
}

impl Heard {
    fn take(&mut self, changes: Changes) {
        self.assets.extend(changes.assets.into_iter().map(|asset| (asset.id.clone(), asset)));
        changes.merged.iter().for_each(|(id, _)| drop(self.assets.remove(id)));
        self.links.extend(changes.links.into_iter().map(|link| (link.id.clone(), link)));
        for (id, into) in changes.merged_links {
            self.links.remove(&id);
            assert!(self.links.contains_key(&into), "{id:?} became {into:?}, never told");
        }
    }

    fn is_whole(&self, inventory: &Inventory) -> Result<(), TestCaseError> {
        let heard: Vec<_> = self.assets.values().cloned().collect();
        prop_assert_eq!(heard, inventory.assets());
        let links = inventory.links();
        let ids: BTreeMap<_, _> = links.iter().map(|link| (link.id.clone(), link)).collect();
        prop_assert_eq!(ids.len(), links.len(), "two rows of one link");
        let heard: Vec<_> = self.links.values().collect();
        prop_assert_eq!(heard, ids.into_values().collect::<Vec<_>>());
        Ok(())
    }
}

type Seed = (u8, [u8; 6]);

fn mac(number: u8) -> Option<Mac> {
    match number % 8 {
        0 | 1 => None,
        // The first with its local bit set; one that routers share.
        2 => Some(Mac([2, 0x1b, 0x1b, 0, 0, 3])),
        7 => Some(Mac([0, 0, 0x5e, 0, 1, 7])),
        last => Some(Mac([0, 0x1b, 0x1b, 0, 0, last])),
    }
}

const IPS: [&str; 9] = [
    "10.0.0.1",
    "10.0.0.2",
    "10.0.0.3",
    "10.0.0.255",
    "172.16.0.9",
    "8.8.8.8",
    "93.184.216.34",
    "fe80::21b:1bff:fe00:3",
    "2001:db8::21b:1bff:fe00:3",
];

fn end(number: u8, port: u8) -> Endpoint {
    let ip = IPS.get(usize::from(number) % 10).map(|ip| ip.parse().expect("an address"));
    let port = [None, Some(502), Some(46_413)][usize::from(port) % 3];
    let vlan = (number % 11 == 3).then_some(u16::from(port.is_some()) + 7);
    Endpoint { mac: mac(number / 10), ip, port, vlan }
}

fn operation(direction: u8, class: u8) -> Operation {
    use OperationClass as Class;
    let direction = match direction % 3 {
        0 => Direction::Request,
        1 => Direction::Response,
        _ => Direction::Notice,
    };
    let name = Object::Name { area: "station", name: "filler1".into() };
    Operation {
        direction,
        class: [Class::Read, Class::Write, Class::Browse][usize::from(class) % 3],
        function: 3,
        function_name: "test",
        object: if class.is_multiple_of(2) { Object::None } else { name },
        outcome: Outcome::Open,
        unit: None,
    }
}

fn said(subject: Subject, path: &'static str, value: String, confidence: u8) -> Detail {
    let attributes = vec![Attribute { path, value: value.into(), confidence }];
    Detail::Identity(Identity { subject, message: "test", attributes })
}

fn detail(kind: u8, [a, b, c, d]: [u8; 4]) -> Detail {
    let about = mac(a).map_or(Subject::Sender, |mac| Subject::Address(Address::Mac(mac)));
    let ip = || IPS[usize::from(b) % IPS.len()].to_owned();
    let state = |what| StateChange { subject: Subject::Receiver, what, value: ip().into() };
    match kind {
        0 | 1 => Detail::Presence,
        2 => said(about, "ip", ip(), 90),
        3 => said(Subject::Sender, "ip", ip(), 90),
        4 => {
            let sender = mac(a).map(|mac| mac.to_string()).unwrap_or_default();
            said(Subject::Sender, "returned_from", sender, 90)
        }
        5 => said(about, ["name", "model"][usize::from(c) % 2], ip(), d),
        6 => said(Subject::SenderModule { slot: u16::from(c % 3) }, "model", ip(), 80),
        7 => Detail::State(state(["mode", "alarm"][usize::from(c) % 2])),
        8..=10 => Detail::Operation(operation(a, b)),
        _ => Detail::Exchange(Exchange {
            transport: ["tcp", "udp", "icmp"][usize::from(a) % 3],
            first: Time::from_secs(i64::from(b)),
            last: Time::from_secs(i64::from(b) + i64::from(c)),
            packets_up: u64::from(c % 3),
            packets_down: u64::from(d % 3),
            bytes_up: u64::from(c),
            bytes_down: u64::from(d),
        }),
    }
}

fn see(inventory: &mut Inventory, at: i64, (kind, [from, to, ports, rest @ ..]): Seed) {
    let [a, b, c] = rest;
    let from = end(from, ports);
    let protocols = ["tcp", "modbus", "pn_dcp", "arp"];
    let observation = Observation {
        at: Time::from_secs(at),
        frame: 1,
        protocol: protocols[usize::from(c) % 4],
        from,
        to: end(to, ports / 3),
        carrier: [None, Some(Carrier::Tcp), Some(Carrier::Udp)][usize::from(c / 4) % 3],
        detail: detail(kind % 16, [a, b, c, ports]),
        excerpt: None,
    };
    match kind {
        16 => {
            let times = (observation.at, Time::from_secs(at + i64::from(a)));
            inventory.count_sent(&from, u64::from(b), times);
        }
        17 => {
            let counts = (u64::from(a), Some(u64::from(c)).filter(|_| b.is_multiple_of(2)));
            inventory.count_repeats(&observation, &operation(b, c), counts);
        }
        _ => inventory.apply(&observation),
    }
}

fn check(seeds: &[Seed], room: (usize, usize)) -> Result<(), TestCaseError> {
    let mut inventory = Inventory::bounded(room.0, room.1);
    let mut heard = Heard::default();
    for (at, seed) in (0..).zip(seeds) {
        match seed.0 {
            18 => heard.take(inventory.drain_news()),
            19 => {
                heard.take(inventory.drain_changes());
                heard.is_whole(&inventory)?;
            }
            _ => see(&mut inventory, at, *seed),
        }
    }
    heard.take(inventory.drain_changes());
    heard.is_whole(&inventory)
}

proptest! {
    #![proptest_config(Config { cases: 1_500, failure_persistence: None, ..Config::default() })]

    #[test]
    fn rows_told_add_up_to_the_report(
        seeds in prop::collection::vec((0u8..20, any::<[u8; 6]>()), 1..120),
        small in any::<bool>(),
    ) {
        check(&seeds, if small { (7, 5) } else { (1_000, 1_000) })?;
    }
}

fn exchange(inventory: &mut Inventory, from: Endpoint, to: Endpoint) {
    let detail = Detail::Exchange(Exchange {
        transport: "tcp",
        first: Time(1),
        last: Time(2),
        packets_up: 4,
        packets_down: 3,
        bytes_up: 400,
        bytes_down: 300,
    });
    let (at, protocol) = (Time(1), "modbus");
    inventory.apply(&Observation {
        at,
        frame: 1,
        protocol,
        from,
        to,
        carrier: None,
        detail,
        excerpt: None,
    });
}

#[test]
fn links_of_two_addresses_that_prove_to_be_one_asset_become_one_row() {
    let mut inventory = Inventory::new();
    let at = |ip: &str, mac| {
        let ip = Some(ip.parse().expect("an address"));
        Endpoint { mac, ip, port: Some(502), vlan: None }
    };
    let plc = at("10.0.0.9", Some(Mac([0, 0x1b, 0x1b, 0, 0, 9])));
    for ip in ["10.0.0.1", "10.0.0.2"] {
        exchange(&mut inventory, at(ip, None), plc);
    }
    let before = inventory.drain_changes();
    assert_eq!((before.links.len(), before.merged_links.len()), (2, 0));
    for ip in ["10.0.0.1", "10.0.0.2"] {
        let from = at(ip, Some(Mac([0, 0x1b, 0x1b, 0, 0, 1])));
        let (at, to) = (Time(3), Endpoint::default());
        let detail = Detail::Presence;
        let seen = Observation {
            at,
            frame: 2,
            protocol: "arp",
            from,
            to,
            carrier: None,
            detail,
            excerpt: None,
        };
        inventory.apply(&seen);
    }
    // Nothing was said on them since: they are told because their end is another.
    let after = inventory.drain_news();
    assert_eq!(after.links.iter().map(|link| link.packets).collect::<Vec<_>>(), [14]);
    let gone: Vec<_> = after.merged_links.iter().map(|(id, _)| id).collect();
    let mut told: Vec<_> = before.links.iter().map(|link| &link.id).collect();
    told.sort();
    assert_eq!(gone, told);
    assert!(after.merged_links.iter().all(|(_, into)| *into == after.links[0].id));
}

#[test]
fn a_link_whose_protocol_is_known_at_last_is_no_second_one() {
    let mut inventory = Inventory::new();
    let end = |last: u8| Endpoint { port: Some(502), ..end(last * 10 + last, 1) };
    let (client, server) = (end(3), end(4));
    let attempt = |protocol| Observation {
        at: Time(1),
        frame: 1,
        protocol,
        from: client,
        to: server,
        carrier: None,
        detail: detail(11, [0, 1, 1, 1]),
        excerpt: None,
    };
    inventory.apply(&attempt("tcp"));
    let first = inventory.drain_changes();
    inventory.apply(&attempt("modbus"));
    let then = inventory.drain_news();
    assert_eq!((&*first.links[0].protocol, &*then.links[0].protocol), ("tcp", "modbus"));
    assert_eq!(then.merged_links, [(first.links[0].id.clone(), then.links[0].id.clone())]);
}
