//! Hosts that look for others: addresses, ports, ARP.
//!
//! What counts is attempts that fail; who talks to many and is answered is a server's client, and
//! controllers that are away are no strangers to their master.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, limits::TARGETS_MAX, sounding::Sounding,
    watched::Watched,
};
use inventory::is_external;
use model::{
    Address, Detail, Endpoint, Evidence, Object, Observation, OperationClass, PortNumber,
    SessionEvent, Severity, Time,
};
use std::collections::{BTreeMap, BTreeSet};

pub static SCAN: Detector = Detector {
    about: About {
        id: "scan",
        title: "Address or port scan",
        engine: model::Engine::Anomaly,
        why: "A scan is the first look around: which hosts are there, what do they offer. Some \
              controllers stop answering when they are scanned.",
        techniques: &["T0846", "T0840", "T0888", "T1046"],
        false_positives: "Inventory and vulnerability scanners, monitoring that looks for hosts \
                          that are switched off, peer-to-peer software.",
        runbook: "Find out who runs the source. If it is the site's scanner, mute the finding for \
                  it and keep it away from controllers.\n\
                  If not, disconnect it and look at whom it reached.\n\
                  See whether the controllers it touched still work.",
        sees: &[Kind::Session, Kind::Operation, Kind::Exchange],
    },
    watch: || {
        let (sources, dirty) = (Watched::new(SPAN_SECS), BTreeSet::new());
        Box::new(Scan { sources, dirty, sounding: Sounding::new() })
    },
    #[cfg(test)]
    cases,
};

/// Ports of one host, or hosts of one port, that failed within the span.
const PORTS_MIN: usize = 8;
const HOSTS_MIN: usize = 8;
const SPAN_SECS: i64 = 120;
/// Hosts on a port of controllers that failed within the span.
const CONTROLLERS_MIN: usize = 5;
pub(crate) const CONTROLLER_PORTS: &[u16] =
    &[102, 502, 789, 1911, 2404, 4840, 5007, 9600, 18_245, 20_000, 34_962, 44_818, 47_808];
/// Hosts that failed over any time: a slow scan, from the Internet or from inside.
const SLOW_OUTSIDE_MIN: usize = 5;
const SLOW_INSIDE_MIN: usize = 24;
/// The fewest targets of any finding.
const TARGETS_MIN: usize = 5;
const _: () = assert!(
    TARGETS_MIN <= PORTS_MIN
        && TARGETS_MIN <= HOSTS_MIN
        && TARGETS_MIN <= CONTROLLERS_MIN
        && TARGETS_MIN <= ARP_MIN
        && TARGETS_MIN <= ECHO_MIN
        && TARGETS_MIN <= UDP_PORTS_MIN
        && TARGETS_MIN <= SLOW_OUTSIDE_MIN
        && TARGETS_MIN <= SLOW_INSIDE_MIN
);
/// Addresses asked for by ARP within the span.
const ARP_MIN: usize = 40;
/// Hosts that gave no echo within the span.
const ECHO_MIN: usize = 24;
/// Ports of one host that answered no datagram within the span: calls and games try a few.
const UDP_PORTS_MIN: usize = 20;
/// From here on traceroute counts up (its manual, "-p port").
const TRACEROUTE: PortNumber = 33_434;
/// Seconds after which an attempt counts as not answered.
const PATIENCE_SECS: i64 = 2;

/// By what a host is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum By {
    Arp,
    Echo,
    Tcp,
    Udp,
}

impl By {
    /// What carries a conversation, where hosts are looked for by it.
    fn carrier(protocol: &str) -> Option<By> {
        match protocol {
            "tcp" => Some(By::Tcp),
            "udp" => Some(By::Udp),
            "icmp" => Some(By::Echo),
            _ => None,
        }
    }
}

struct Scan {
    sources: Watched<(Address, By), Source>,
    /// Sources to look at when the second is over.
    dirty: BTreeSet<(Address, By)>,
    sounding: Sounding,
}

struct Source {
    targets: Vec<Target>,
    /// Its newest attempt, as evidence, once there are enough of them for a finding.
    example: Option<Box<Observation>>,
}

#[derive(Clone, Copy)]
struct Target {
    address: Address,
    /// 0 where it is looked for by ARP or echo.
    port: PortNumber,
    at: Time,
    refused: bool,
    /// The source asks it for something as a rule: it need not look for it.
    known: bool,
}

impl Watch for Scan {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "arp" && class == OperationClass::Browse
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        self.sounding.see(o, out);
        match &o.detail {
            Detail::Session(SessionEvent::Attempted { syn }) => {
                let (port, by) = (o.to.port.unwrap_or_default(), By::carrier(o.protocol));
                let Some(by) = by.filter(|by| *syn == (*by == By::Tcp)) else { return };
                if by != By::Udp || (1..TRACEROUTE).contains(&port) {
                    self.attempted(o, (&o.from, by), (o.to.address(), port), site);
                }
            }
            Detail::Session(SessionEvent::Answered) => self.answered(o),
            Detail::Session(SessionEvent::Refused) => self.refused(o),
            Detail::Operation(operation)
                if o.protocol == "arp" && operation.class == OperationClass::Browse =>
            {
                if let Object::Range { first, .. } = operation.object {
                    let target = Address::Ip(std::net::Ipv4Addr::from(first).into());
                    let from = Endpoint { ip: None, ..o.from };
                    self.attempted(o, (&from, By::Arp), (Some(target), 0), site);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Time, _: &Site<'_>, out: &mut Findings) {
        let dirty = std::mem::take(&mut self.dirty);
        for key in dirty {
            let Some(source) = self.sources.known(&key) else { continue };
            let waits = source.judge(key, now, out);
            if waits {
                self.dirty.insert(key);
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.sources.dropped() + self.sounding.dropped()
    }
}

impl Scan {
    fn attempted(
        &mut self,
        o: &Observation,
        (from, by): (&Endpoint, By),
        (target, port): (Option<Address>, PortNumber),
        site: &Site<'_>,
    ) {
        let (Some(source), Some(target)) = (from.address(), target) else { return };
        if !target.is_host() || !source.is_host() || source == target {
            return;
        }
        let new = || Source { targets: Vec::new(), example: None };
        let source_of = self.sources.of((source, by), o.at, new);
        let same = |t: &&mut Target| t.address == target && t.port == port;
        if let Some(known) = source_of.targets.iter_mut().find(same) {
            known.at = known.at.max(o.at);
            return;
        }
        if source_of.targets.len() >= TARGETS_MAX {
            // The older half has been judged.
            source_of.targets.drain(..TARGETS_MAX / 2);
        }
        // A master may look for its controllers where it asks them, and for nothing else of theirs.
        let asks = port == 0 || CONTROLLER_PORTS.contains(&port);
        let known = asks && site.baseline.pair(source, target).is_some();
        let (address, at, refused) = (target, o.at, false);
        source_of.targets.push(Target { address, port, at, refused, known });
        if source_of.targets.len() >= TARGETS_MIN {
            source_of.example = Some(Box::new(o.clone()));
        }
        self.dirty.insert((source, by));
    }

    /// `o` is the server's answer.
    fn answered(&mut self, o: &Observation) {
        let (Some(source), Some(target)) = (o.to.address(), o.from.address()) else { return };
        let Some(by) = By::carrier(o.protocol) else { return };
        let Some(known) = self.sources.known(&(source, by)) else { return };
        let port = o.from.port.unwrap_or_default();
        // One that was refused before was only starting.
        known.targets.retain(|t| t.address != target || t.port != port);
    }

    fn refused(&mut self, o: &Observation) {
        let (Some(source), Some(target)) = (o.to.address(), o.from.address()) else { return };
        let Some(known) = self.sources.known(&(source, By::Tcp)) else { return };
        let port = o.from.port.unwrap_or_default();
        for t in known.targets.iter_mut().filter(|t| t.address == target && t.port == port) {
            t.refused = true;
        }
        self.dirty.insert((source, By::Tcp));
    }
}

impl Source {
    /// Raises what the failed attempts show; says whether some are still waited for.
    fn judge(&mut self, (source, by): (Address, By), now: Time, out: &mut Findings) -> bool {
        let waiting = |t: &Target| {
            !t.refused && now.since(t.at).saturating_abs() < PATIENCE_SECS * 1_000_000_000
        };
        let failed: Vec<Target> = self.targets.iter().filter(|t| !waiting(t)).copied().collect();
        let waits = failed.len() < self.targets.len();
        match by {
            By::Tcp => self.connections(source, &failed, out),
            By::Udp => self.datagrams(source, &failed, out),
            By::Arp | By::Echo => {
                let sought: Vec<_> = failed.into_iter().filter(|t| !t.known).collect();
                let least = if by == By::Arp { ARP_MIN } else { ECHO_MIN };
                if let Some(burst) = densest(&sought, least) {
                    self.hosts(source, (by, 0), burst, out);
                }
            }
        }
        waits
    }

    fn datagrams(&self, source: Address, failed: &[Target], out: &mut Findings) {
        let mut by_host: BTreeMap<Address, Vec<Target>> = BTreeMap::new();
        for target in failed {
            by_host.entry(target.address).or_default().push(*target);
        }
        let least = UDP_PORTS_MIN;
        let bursts = by_host.iter().filter_map(|(host, t)| Some((*host, densest(t, least)?)));
        self.ports((source, By::Udp), &bursts.collect::<Vec<_>>(), out);
    }

    fn connections(&self, source: Address, failed: &[Target], out: &mut Findings) {
        let mut by_host: BTreeMap<Address, Vec<Target>> = BTreeMap::new();
        let mut by_port: BTreeMap<PortNumber, Vec<Target>> = BTreeMap::new();
        for target in failed {
            by_host.entry(target.address).or_default().push(*target);
            if !target.known {
                by_port.entry(target.port).or_default().push(*target);
            }
        }
        let bursts = by_host.iter().filter_map(|(host, t)| Some((*host, densest(t, PORTS_MIN)?)));
        self.ports((source, By::Tcp), &bursts.collect::<Vec<_>>(), out);
        let mut controllers = Vec::new();
        for (port, targets) in &by_port {
            let industrial = CONTROLLER_PORTS.contains(port);
            let least = if industrial { CONTROLLERS_MIN } else { HOSTS_MIN };
            match densest(targets, least) {
                Some(burst) if industrial => controllers.push((*port, burst)),
                Some(burst) => self.hosts(source, (By::Tcp, *port), burst, out),
                None => {}
            }
        }
        self.controllers(source, &controllers, out);
        let outside = matches!(source, Address::Ip(ip) if is_external(ip));
        let least = if outside { SLOW_OUTSIDE_MIN } else { SLOW_INSIDE_MIN };
        by_host.retain(|_, targets| targets.iter().any(|t| !t.known));
        if by_host.len() >= least {
            let sought = failed.iter().filter(|t| !t.known);
            self.slow(source, by_host.len(), &sought.copied().collect::<Vec<_>>(), out);
        }
    }

    /// Many ports of each of `hosts`. One finding, however many hosts it goes through.
    fn ports(
        &self,
        (source, by): (Address, By),
        hosts: &[(Address, &[Target])],
        out: &mut Findings,
    ) {
        let Some((first, _)) = hosts.first() else { return };
        let Some(example) = self.example.as_deref() else { return };
        let (word, least, severity) = match by {
            By::Udp => ("UDP ports", UDP_PORTS_MIN, Severity::Medium),
            _ => ("ports", PORTS_MIN, Severity::High),
        };
        let raised = out.raise(&SCAN.about, (word, source), example, || {
            let title = format!("{{0}} scans the {word} of {{1}}");
            Draft::by(source, [*first], severity, title).because(format!(
                "{{0}} tried {least} or more {word} of {{1}} within {SPAN_SECS} s and was \
                 refused or got no answer: somebody looks for what runs there."
            ))
        });
        let Some(open) = raised else { return };
        hosts.iter().for_each(|(host, _)| open.names(*host));
        if hosts.len() > 1 {
            open.titled(format!("{{0}} scans the {word} of {{1}} and other hosts"));
        }
        let of_host = |(host, burst): &(Address, &[Target])| {
            let mut ports: Vec<_> = burst.iter().map(|t| t.port).collect();
            ports.sort_unstable();
            format!("ports of {host}: {}", listed(&ports, 40 / hosts.len().min(4)))
        };
        let shown: Vec<_> = hosts.iter().take(4).map(of_host).collect();
        prove(open, &joined(hosts), &shown.join("; "));
    }

    /// One port of many hosts.
    fn hosts(
        &self,
        source: Address,
        (by, port): (By, PortNumber),
        burst: &[Target],
        out: &mut Findings,
    ) {
        let Some(example) = self.example.as_deref() else { return };
        let raised = out.raise(&SCAN.about, ("hosts", source, by, port), example, || {
            let (title, what) = match by {
                By::Arp => (
                    "{0} scans for hosts by ARP".to_owned(),
                    format!("{{0}} asked who has {ARP_MIN} or more addresses"),
                ),
                By::Echo => (
                    "{0} scans for hosts by echo requests".to_owned(),
                    format!("{{0}} asked {ECHO_MIN} or more hosts for an echo in vain"),
                ),
                By::Tcp | By::Udp => (
                    format!("{{0}} scans addresses for port {port}"),
                    format!("{{0}} tried port {port} of {HOSTS_MIN} or more hosts in vain"),
                ),
            };
            Draft::by(source, [], Severity::Medium, title)
                .because(format!("{what} within {SPAN_SECS} s: somebody looks for who is there."))
        });
        let Some(open) = raised else { return };
        prove_hosts(open, burst);
    }

    /// Ports that controllers listen at, each of many hosts.
    fn controllers(&self, source: Address, ports: &[(PortNumber, &[Target])], out: &mut Findings) {
        if ports.is_empty() {
            return;
        }
        let Some(example) = self.example.as_deref() else { return };
        let raised = out.raise(&SCAN.about, ("controllers", source), example, || {
            Draft::by(source, [], Severity::High, "{0} scans for controllers").because(format!(
                "{{0}} tried ports at which controllers listen, at {CONTROLLERS_MIN} or more \
                     hosts within {SPAN_SECS} s and in vain: somebody looks for controllers."
            ))
        });
        let Some(open) = raised else { return };
        let numbers: Vec<_> = ports.iter().map(|(port, _)| *port).collect();
        let noun = if numbers.len() == 1 { "port" } else { "ports" };
        open.titled(format!(
            "{{0}} scans for controllers ({noun} {})",
            listed(&numbers, numbers.len())
        ));
        prove_hosts(open, &joined(ports));
    }

    fn slow(&self, source: Address, hosts: usize, targets: &[Target], out: &mut Findings) {
        let Some(example) = self.example.as_deref() else { return };
        let raised = out.raise(&SCAN.about, ("slow", source), example, || {
            Draft::by(source, [], Severity::Medium, "{0} scans addresses slowly")
                .because("{0} tried many hosts in vain, over a long time: a scan that hides.")
        });
        let Some(open) = raised else { return };
        targets.iter().take(8).for_each(|t| open.names(t.address));
        prove(open, targets, &format!("of {hosts} hosts"));
    }
}

fn joined<T>(bursts: &[(T, &[Target])]) -> Vec<Target> {
    bursts.iter().flat_map(|(_, burst)| burst.iter().copied()).collect()
}

/// The first `most` of them, as words, and how many are left.
fn listed<T: ToString>(items: &[T], most: usize) -> String {
    let shown = items.iter().take(most).map(T::to_string).collect::<Vec<_>>().join(", ");
    match items.len().saturating_sub(most) {
        0 => shown,
        left => format!("{shown} and {left} more"),
    }
}

fn prove_hosts(open: &mut crate::findings::Open, targets: &[Target]) {
    let hosts: BTreeSet<_> = targets.iter().map(|t| t.address).collect();
    targets.iter().for_each(|t| open.names(t.address));
    // Those it names come first, so that whoever reads of one finds it among whom it was done to.
    let (mut shown, others): (Vec<Address>, Vec<Address>) =
        hosts.into_iter().partition(|host| open.has_named(*host));
    let named = shown.len();
    shown.extend(others);
    prove(open, targets, &format!("addresses: {}", listed(&shown, named)));
}

fn prove(open: &mut crate::findings::Open, targets: &[Target], what: &str) {
    let first = targets.iter().map(|t| t.at).min().unwrap_or_default();
    let last = targets.iter().map(|t| t.at).max().unwrap_or_default();
    open.spans(first, last);
    let (count, says) = (targets.len() as u64, format!("attempts that failed, {what}"));
    open.proof("targets", Evidence::Count { first, last, count, says });
}

/// The most targets tried within the span, if they are at least so many. `targets` of one
/// source; in the order they were first tried, which time stamps need not follow.
fn densest(targets: &[Target], least: usize) -> Option<&[Target]> {
    if targets.len() < least {
        return None;
    }
    let span = SPAN_SECS * 1_000_000_000;
    let mut best: &[Target] = &[];
    let mut begin = 0;
    for end in 0..targets.len() {
        while targets[end].at.since(targets[begin].at).saturating_abs() > span {
            begin += 1;
        }
        if end + 1 - begin > best.len() {
            best = &targets[begin..=end];
        }
    }
    (best.len() >= least).then_some(best)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, arp_asks, asks, host, outside, port, session};
    let attempt = |at: i64, from, to: u8, number: u16| {
        let (from, to) = (port(from, 50_000), port(host(to), number));
        session(at, from, to, SessionEvent::Attempted { syn: true })
    };
    let answer = |at: i64, from: u8, number: u16| {
        session(at, port(host(from), number), port(host(10), 50_000), SessionEvent::Answered)
    };
    let many = |count: u8| (1..=count).map(|i| attempt(i.into(), host(10), 20, i.into())).collect();
    let sweep = (30..40).map(|i| attempt(i.into(), host(10), i, 445)).collect();
    let controllers = [102, 502, 44_818]
        .into_iter()
        .flat_map(|number| (30..40).map(move |i| (i, number)))
        .map(|(i, number)| attempt(i.into(), host(10), i, number))
        .collect();
    let hours = 3_600_000;
    let slow = (30..40).map(|i| attempt(i64::from(i) * hours, outside(9), i, 23)).collect();
    let mut client = Vec::new();
    for i in 30..60 {
        client.push(attempt(i.into(), host(10), i, 445));
        client.push(answer(i64::from(i) + 1, i, 445));
    }
    let asks_for = |to: u8| Observation { to: host(to), ..asks(0, OperationClass::Read) };
    let polls = || (30..40).map(asks_for).collect();
    let away = |to: u8, ports: std::ops::Range<u16>| {
        ports.map(move |i| attempt(i64::from(i), host(10), to, i))
    };
    let refuses = |at: i64, from: u8| Observation {
        detail: Detail::Session(SessionEvent::Refused),
        ..answer(at, from, 502)
    };
    // Others than it polls: they start, and answer a second later.
    let starting = (50..60).flat_map(|i: u8| {
        let at = i64::from(i);
        let again = attempt(at + 1_000, host(10), i, 502);
        [attempt(at, host(10), i, 502), refuses(at, i), again, answer(at + 1_001, i, 502)]
    });
    let mut all = cases_without_connections();
    all.extend(crate::sounding::cases());
    all.extend([
        Case::silent(
            "a master whose controllers are away",
            (30..40).flat_map(|to| away(to, 502..503)).collect(),
        )
        .after(polls()),
        Case::fires("the ports of one of them", away(30, 1..20).collect()).after(polls()),
        Case::fires(
            "another service of its own",
            (30..50).flat_map(|to| away(to, 445..446)).collect(),
        )
        .after((30..50).map(asks_for).collect()),
        Case::fires("others than its own", (50..60).flat_map(|to| away(to, 502..503)).collect())
            .after(polls()),
        Case::silent("controllers that start", starting.collect()),
        Case::fires("ports of one host", many(20)),
        Case::fires("one port of many hosts", sweep),
        Case::fires("ports of controllers", controllers),
        Case::fires("a slow scan from outside", slow),
        Case::fires("ARP", (1..=60).map(|i| arp_asks(i.into(), 200, i)).collect()),
        Case::silent("a few ports", many(4)),
        Case::silent("many that answer", client),
        Case::silent("some ARP", (1..=20).map(|i| arp_asks(i.into(), 200, i)).collect()),
    ]);
    all
}

#[cfg(test)]
fn cases_without_connections() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, port, session};
    let by = |protocol, at: i64, to: u8, number: Option<u16>, event| {
        let end = |end| number.map_or(end, |number| port(end, number));
        of(protocol, session(at, end(host(10)), end(host(to)), event))
    };
    let tried = SessionEvent::Attempted { syn: false };
    let datagrams = |ports: std::ops::Range<u16>| {
        ports.map(|i| by("udp", i64::from(i) * 10, 20, Some(i), tried)).collect::<Vec<_>>()
    };
    let echoes = || (30..60).map(|i| by("icmp", i64::from(i) * 10, i, None, tried));
    let echo = |o: &Observation| Observation {
        detail: Detail::Session(SessionEvent::Answered),
        from: o.to,
        to: o.from,
        ..o.clone()
    };
    vec![
        Case::fires("UDP ports of one host", datagrams(100..130)),
        Case::silent("a way traced", datagrams(33_434..33_500)),
        Case::silent("a call that tries some ports", datagrams(10_000..10_012)),
        Case::fires("hosts asked for an echo", echoes().collect()),
        Case::silent(
            "hosts that give one",
            echoes().flat_map(|ask| [ask.clone(), echo(&ask)]).collect(),
        ),
    ]
}
