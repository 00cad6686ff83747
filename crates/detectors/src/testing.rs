//! Observations for the tests of detectors, and running a case.

use crate::{Detection, Phase};
use inventory::Inventory;
use model::{
    Attribute, Authentication, Detail, Direction, Endpoint, Excerpt, Exchange, Finding, Identity,
    Mac, Object, Observation, Operation, OperationClass, Outcome, SessionEvent, StateChange,
    Subject, Time, Violation,
};
use std::net::{IpAddr, Ipv4Addr};

/// A case of a detector: what is seen, and how many findings it must raise.
pub struct Case {
    pub name: &'static str,
    /// Learned before, where something was.
    pub learned: Vec<Observation>,
    pub seen: Vec<Observation>,
    pub raises: usize,
}

impl Case {
    pub fn fires(name: &'static str, seen: Vec<Observation>) -> Self {
        Case { name, learned: Vec::new(), seen, raises: 1 }
    }

    pub fn silent(name: &'static str, seen: Vec<Observation>) -> Self {
        Case { name, learned: Vec::new(), seen, raises: 0 }
    }

    pub fn after(mut self, learned: Vec<Observation>) -> Self {
        self.learned = learned;
        self
    }

    /// Findings of the case, of all detectors.
    pub fn run(&self) -> Vec<Finding> {
        let mut inventory = Inventory::new();
        let mut detection = Detection::new(Phase::Unlearnt);
        if !self.learned.is_empty() {
            let mut learning = Detection::new(Phase::Learning);
            for o in &self.learned {
                inventory.apply(o);
                learning.see(o, &inventory);
            }
            detection = Detection::with_baseline(learning.into_baseline(), Phase::Learnt);
        }
        for o in &self.seen {
            inventory.apply(o);
            detection.see(o, &inventory);
        }
        detection.finish(&inventory);
        detection.findings(&inventory)
    }
}

/// Host `last` of the test network, with its MAC address.
pub fn host(last: u8) -> Endpoint {
    Endpoint {
        mac: Some(mac(last)),
        ip: Some(IpAddr::V4(Ipv4Addr::new(192, 168, 1, last))),
        port: None,
        vlan: None,
    }
}

pub fn mac(last: u8) -> Mac {
    Mac([0x00, 0x1b, 0x1b, 0, 0, last])
}

pub fn outside(last: u8) -> Endpoint {
    let ip = Some(IpAddr::V4(Ipv4Addr::new(93, 184, 216, last)));
    Endpoint { mac: Some(mac(1)), ip, port: None, vlan: None }
}

pub fn seen(millis: i64, from: Endpoint, to: Endpoint, detail: Detail) -> Observation {
    let at = Time::from_secs(1_000_000).plus_nanos(millis * 1_000_000);
    let frame = millis.unsigned_abs() + 1;
    let excerpt = Some(Excerpt::new(&[0xab; 12]));
    Observation { at, frame, protocol: "modbus", from, to, carrier: None, detail, excerpt }
}

pub fn of(protocol: &'static str, o: Observation) -> Observation {
    Observation { protocol, ..o }
}

pub fn port(end: Endpoint, port: u16) -> Endpoint {
    Endpoint { port: Some(port), ..end }
}

pub fn operation(class: OperationClass, function: u32) -> Operation {
    Operation {
        direction: Direction::Request,
        class,
        function,
        function_name: "test function",
        object: Object::None,
        outcome: Outcome::Open,
        unit: Some(1),
    }
}

/// Host 10 asks host 20.
pub fn asks(millis: i64, class: OperationClass) -> Observation {
    asked(millis, operation(class, 3))
}

pub fn asked(millis: i64, operation: Operation) -> Observation {
    seen(millis, port(host(10), 50_000), port(host(20), 502), Detail::Operation(operation))
}

/// Host 20 answers host 10.
pub fn refused(millis: i64, class: OperationClass, name: &'static str) -> Observation {
    let outcome = Outcome::Refused { code: 1, name };
    let operation = Operation { direction: Direction::Response, outcome, ..operation(class, 3) };
    seen(millis, port(host(20), 502), port(host(10), 50_000), Detail::Operation(operation))
}

pub fn session(millis: i64, from: Endpoint, to: Endpoint, event: SessionEvent) -> Observation {
    of("tcp", seen(millis, from, to, Detail::Session(event)))
}

pub fn exchange(millis: i64, from: Endpoint, to: Endpoint, protocol: &'static str) -> Observation {
    let at = Time::from_secs(1_000_000).plus_nanos(millis * 1_000_000);
    let exchange = Exchange {
        transport: "tcp",
        first: at,
        last: at,
        packets_up: 5,
        packets_down: 5,
        bytes_up: 500,
        bytes_down: 500,
    };
    of(protocol, seen(millis, from, to, Detail::Exchange(exchange)))
}

pub fn presence(millis: i64, from: Endpoint) -> Observation {
    of("wire", seen(millis, from, Endpoint::default(), Detail::Presence))
}

pub fn violation(millis: i64, rule: &'static str) -> Observation {
    let violation = Violation { rule, says: "what may not be", section: "Test 1.2" };
    seen(millis, port(host(10), 50_000), port(host(20), 502), Detail::Violation(violation))
}

pub fn state(millis: i64, what: &'static str, value: &str) -> Observation {
    let state = StateChange { subject: Subject::Sender, what, value: value.into() };
    seen(millis, port(host(20), 502), port(host(10), 50_000), Detail::State(state))
}

pub fn sign_in(millis: i64, accepted: Option<bool>, default_password: bool) -> Observation {
    let authentication = Authentication {
        user: Some("admin".into()),
        accepted,
        clear_text: true,
        default_password,
        method: "ftp password",
    };
    let detail = Detail::Authentication(authentication);
    let (server, client) = (port(host(20), 21), port(host(10), 50_000));
    // An attempt is the client's message, its outcome the server's.
    let (from, to) = if accepted.is_some() { (server, client) } else { (client, server) };
    of("ftp", seen(millis, from, to, detail))
}

/// `who` says by ARP that it holds the address of `claimed`.
pub fn arp(
    millis: i64,
    message: &'static str,
    who: Mac,
    claimed: u8,
    told: Endpoint,
) -> Observation {
    let attributes = vec![Attribute {
        path: "ip",
        value: host(claimed).ip.expect("it has one").to_string().into(),
        confidence: 90,
    }];
    let subject = Subject::Address(model::Address::Mac(who));
    let from = Endpoint { mac: Some(who), ..host(claimed) };
    let detail = Detail::Identity(Identity { subject, message, attributes });
    of("arp", seen(millis, from, told, detail))
}

/// Host `who` asks by ARP for the address of host `target`.
pub fn arp_asks(millis: i64, who: u8, target: u8) -> Observation {
    let IpAddr::V4(ip) = host(target).ip.expect("it has one") else { unreachable!("IPv4") };
    let first = u32::from(ip);
    let object = Object::Range { area: "ipv4", block: 0, first, count: 1 };
    let operation = Operation { object, ..operation(OperationClass::Browse, 1) };
    of("arp", seen(millis, host(who), host(target), Detail::Operation(operation)))
}

/// Host 10 calls a function of host 20 by its name.
pub fn called(millis: i64, protocol: &'static str, function_name: &'static str) -> Observation {
    let operation = Operation { function_name, ..operation(OperationClass::Other, 1) };
    of(protocol, asked(millis, operation))
}

/// Host 20 answers host 10.
pub fn answered_with(
    millis: i64,
    protocol: &'static str,
    function_name: &'static str,
) -> Observation {
    let (direction, outcome) = (Direction::Response, Outcome::Done);
    let operation =
        Operation { function_name, direction, outcome, ..operation(OperationClass::File, 0) };
    of(
        protocol,
        seen(millis, port(host(20), 80), port(host(10), 50_000), Detail::Operation(operation)),
    )
}

fn on(name: &str, area: &'static str) -> Object {
    Object::Name { area, name: name.into() }
}

/// Host 10 asks host 20 for a page.
pub fn requested(millis: i64, uri: &str) -> Observation {
    let object = on(uri, "uri");
    let operation = Operation { object, ..operation(OperationClass::Read, 0) };
    of(
        "http",
        seen(millis, port(host(10), 50_000), port(host(20), 80), Detail::Operation(operation)),
    )
}

/// Host 10 asks host 20 for a name.
pub fn looked_up(millis: i64, kind: &'static str, name: &str) -> Observation {
    let operation = Operation { object: on(name, kind), ..operation(OperationClass::Browse, 0) };
    of(
        "dns",
        seen(millis, port(host(10), 50_000), port(host(20), 53), Detail::Operation(operation)),
    )
}

/// Host 20 answers host 10 that there is no such name.
pub fn not_there(millis: i64, name: &str) -> Observation {
    let outcome = Outcome::Refused { code: 3, name: "no such name" };
    let (object, direction) = (on(name, "A"), Direction::Response);
    let operation =
        Operation { object, direction, outcome, ..operation(OperationClass::Browse, 0) };
    of(
        "dns",
        seen(millis, port(host(20), 53), port(host(10), 50_000), Detail::Operation(operation)),
    )
}
