//! Packets that come faster than a small device can look at them: UDP, echo requests, answers of
//! TCP to nothing.
//!
//! Told by conversations that begin and by their counters, not packet by packet. Not here:
//! connections that are opened and requests for addresses (`service_flood`), commands
//! (`command_flood`). Invariant: a mirror that shows one direction only shows connections of more
//! than two packets.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::link_key,
    conversation::{self, Burst, BurstLimit, Key},
    watched::Watched,
    window::Rate,
};
use model::{Address, AssetClass, Detail, Exchange, Observation, SessionEvent, Severity, Time};

pub static PACKET_FLOOD: Detector = Detector {
    about: About {
        id: "packet-flood",
        title: "Flood of packets to a host",
        engine: model::Engine::Anomaly,
        why: "Controllers have small processors that look at each packet. Thousands a second, \
              whatever is in them, make their cycle late, cut their connections or stop them.",
        techniques: &["T0814", "T1498", "T1499"],
        false_positives: "Load tests, measurements of a line by echo requests, hosts of networks \
                          without servers that talk to hundreds of others.",
        runbook: "Look at the target: does it run, do its panel and its partners still reach it?\n\
                  Find the sender's switch port by its MAC address and close it; the IP addresses \
                  may be made up.\n\
                  Limit the rate of such packets at the switch or the firewall of the cell.",
        sees: &[Kind::Session, Kind::Exchange],
    },
    watch: || {
        let (begun, strays) = (Watched::new(SPAN_SECS), Watched::new(SPAN_SECS));
        let (echoes, bursts) = (Watched::new(Burst::SPAN_SECS), Watched::new(Burst::SPAN_SECS));
        Box::new(PacketFlood { begun, strays, echoes, bursts })
    },
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 10;
/// Conversations that begin with one host within the span.
const BEGUN_MIN: u32 = 1_000;
const DNS: u16 = 53;
/// Tools that measure a line send a hundred echo requests, and cyclic inputs and outputs come each
/// millisecond.
const ECHO: BurstLimit = BurstLimit { packets: 1_000, per_second: 200 };
const STREAM: BurstLimit = BurstLimit { packets: 10_000, per_second: 2_000 };
/// Counters of a conversation that tell of so small a part of the limit are of no flood: there are
/// many, and most tell all there is to tell of theirs.
const SMALL_PART: u64 = 100;
/// Broadcasts reach every device, and of these routers send them on to slow buses: 76,800 bit/s
/// of MS/TP (ASHRAE 135, 9.2) carry a hundred small messages a second, KNX carries fifty.
const BROADCASTS: BurstLimit = BurstLimit { packets: 300, per_second: 100 };
/// So many are too many within a second.
const ALL_AT_ONCE: u64 = 1_000;
const ONTO_BUSES: [(&str, &str); 2] = [("bacnet", "BACnet broadcasts"), ("knxip", "KNX telegrams")];
/// Octets of a segment on the wire that carries nothing, with its options.
const EMPTY_OCTETS: u64 = 90;

struct PacketFlood {
    /// By target and transport: conversations that began with it.
    begun: Watched<(Address, &'static str), Rate>,
    /// By target: connections that are none.
    strays: Watched<Address, Strays>,
    /// Who sent echo requests to whom.
    echoes: Watched<(Address, Address), ()>,
    bursts: Watched<Key, Burst>,
}

/// Connections of a packet or two in one direction.
#[derive(Default)]
struct Strays {
    rate: Rate,
    count: u64,
    /// Tries to open one, which may stay without answer for other reasons.
    tries: u64,
}

impl Watch for PacketFlood {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Session(SessionEvent::Attempted { syn }) => {
                let Some(target) = o.to.address().filter(Address::is_host) else { return };
                if *syn {
                    self.strays.of(target, o.at, Strays::default).tries += 1;
                } else if matches!(o.protocol, "udp" | "icmp") {
                    self.begins(o, target, out);
                }
            }
            Detail::Exchange(exchange) => match exchange.transport {
                "tcp" => {
                    self.stray(o, exchange, out);
                    self.stream(o, exchange, site, out);
                }
                "udp" | "icmp" => self.stream(o, exchange, site, out),
                _ => {}
            },
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        let of_targets = self.begun.dropped() + self.strays.dropped();
        of_targets + self.echoes.dropped() + self.bursts.dropped()
    }
}

impl PacketFlood {
    fn begins(&mut self, o: &Observation, target: Address, out: &mut Findings) {
        if let (Some(from), "icmp") = (o.from.address(), o.protocol) {
            self.echoes.of((from, target), o.at, || ());
        }
        // Each look-up is a conversation of its own, and an answer the head of one that is seen
        // from one side.
        if o.to.port == Some(DNS) || o.from.port == Some(DNS) {
            return;
        }
        let rate = self.begun.of((target, o.protocol), o.at, Rate::default);
        let (lately, first) = (rate.count(o.at, SPAN_SECS), rate.first);
        if lately < BEGUN_MIN {
            return;
        }
        let what = if o.protocol == "udp" { "UDP packets" } else { "echo requests" };
        let says = "conversations begun in the newest 10 s";
        let why = format!("{BEGUN_MIN} or more conversations began with it within {SPAN_SECS} s.");
        let facts = (target, what, why);
        many(o, facts, (first, u64::from(lately), says), out);
    }

    /// Answers to nothing, and other segments without a connection.
    fn stray(&mut self, o: &Observation, exchange: &Exchange, out: &mut Findings) {
        let target = match (exchange.packets_up, exchange.packets_down) {
            (1 | 2, 0) => o.to.address(),
            (0, 1 | 2) => o.from.address(),
            _ => return,
        };
        // Of one that goes on, little is told each second.
        let new = exchange.last.since(exchange.first) < 1_000_000_000;
        let Some(target) = target.filter(|target| new && target.is_host()) else { return };
        let strays = self.strays.of(target, o.at, Strays::default);
        strays.count += 1;
        let (lately, first) = (strays.rate.count(o.at, SPAN_SECS), strays.rate.first);
        if lately < BEGUN_MIN || strays.tries.saturating_mul(2) >= strays.count {
            return;
        }
        let says = "connections of a packet or two in the newest 10 s";
        let why = format!(
            "{BEGUN_MIN} or more packets of TCP came within {SPAN_SECS} s, each for a connection \
             that nobody opened."
        );
        let facts = (target, "TCP packets", why);
        many(o, facts, (first, u64::from(lately), says), out);
    }

    /// One conversation.
    fn stream(&mut self, o: &Observation, e: &Exchange, site: &Site<'_>, out: &mut Findings) {
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        // Of segments without a connection nobody knows which end is the server.
        let back = e.transport == "tcp" && e.packets_down > e.packets_up;
        let (from, to) = if back { (to, from) } else { (from, to) };
        let (up, down) = ((e.packets_up, e.bytes_up), (e.packets_down, e.bytes_down));
        let ((sent, octets), (answers, _)) = if back { (down, up) } else { (up, down) };
        let one_way = answers.saturating_mul(20) < sent;
        let empty = octets <= sent.saturating_mul(EMPTY_OCTETS);
        // An address of all hosts of a network looks like any other; on the wire it is told apart.
        let to_all = !to.is_host() || o.to.mac.is_some_and(|mac| !mac.is_host());
        let onto_bus = ONTO_BUSES.iter().find(|(name, _)| to_all && *name == o.protocol);
        let (limit, what) = match (e.transport, o.protocol) {
            ("udp", _) if let Some((_, what)) = onto_bus => (BROADCASTS, *what),
            ("icmp", _) if self.echoes.known(&(from, to)).is_some() => (ECHO, "echo requests"),
            ("udp", "udp") if one_way => (STREAM, "UDP packets"),
            ("tcp", _) if one_way && empty => (STREAM, "TCP packets"),
            _ => return,
        };
        if sent < limit.packets / SMALL_PART {
            return;
        }
        let key = conversation::key_of(o, e);
        let burst = self.bursts.of(key, o.at, || Burst::begins(e.first));
        let short = e.last.since(e.first) < 1_000_000_000;
        let at_once = onto_bus.is_some() && short && sent >= ALL_AT_ONCE;
        if !burst.is_over(sent, e.last, limit) && !at_once {
            return;
        }
        let known = link_key(o).is_some_and(|key| site.baseline.knows_link(&key));
        // Of datagrams nobody understands, those to controllers are no pictures or sounds; and of
        // a download of which a mirror shows one side, they are not who fetches it.
        let of_weight = what == "echo requests"
            || onto_bus.is_some()
            || (is_controller(to, site) && !(site.phase != Phase::Unlearnt && known));
        if !of_weight {
            return;
        }
        let sender = if back { &o.to } else { &o.from };
        let own = Some(from).filter(Address::is_host);
        let Some(by) = own.or(sender.mac.map(Address::Mac)) else { return };
        let raised = out.raise(&PACKET_FLOOD.about, (what, by, to), o, || {
            let to_one = to.is_host() && onto_bus.is_none();
            let title = if to_one {
                format!("{{0}} floods {{1}} with {what}")
            } else {
                format!("{{0}} floods the network with {what}")
            };
            Draft::by(by, [to].into_iter().filter(|_| to_one), Severity::Medium, title).because(
                format!(
                    "{} or more packets in one conversation, at {} or more a second.",
                    limit.packets, limit.per_second
                ),
            )
        });
        if let Some(open) = raised {
            open.spans(e.first, e.last);
        }
    }
}

/// Many senders, or one that makes up many.
fn many(
    o: &Observation,
    (target, what, why): (Address, &'static str, String),
    (first, count, says): (Time, u64, &'static str),
    out: &mut Findings,
) {
    let raised = out.raise(&PACKET_FLOOD.about, (what, target), o, || {
        let title = format!("{{0}} is flooded with {what}");
        Draft::about(vec![target], Severity::Medium, title).because(why)
    });
    let Some(open) = raised else { return };
    open.spans(first, o.at);
    // IP addresses may be made up, and then there are many.
    let ends = [&o.from, &o.to].into_iter().filter(|end| end.address() != Some(target));
    for sender in ends.filter_map(|end| end.mac.map(Address::Mac).or(end.address())) {
        open.names(sender);
    }
    open.proof_count("rate", (first, o.at), (count, says));
}

fn is_controller(address: Address, site: &Site<'_>) -> bool {
    site.inventory.asset_of(&address).is_some_and(|key| {
        use AssetClass::{BuildingController, Drive, Ied, IoAdapter, Plc, Robot, Rtu};
        let class = site.inventory.asset(key).class;
        matches!(class, Plc | Rtu | Ied | IoAdapter | Drive | Robot | BuildingController)
    })
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asks, exchange, host, of, port, refused, session};
    use model::{Endpoint, OperationClass};
    let begins = |at: i64, protocol, from: Endpoint, number| {
        let event = SessionEvent::Attempted { syn: false };
        of(protocol, session(at, from, port(host(20), number), event))
    };
    let from = |i: i64| port(host((i % 200) as u8 + 30), 1_024 + i as u16);
    let udp = |apart_micros: i64, number| {
        let one = |i: i64| begins(i * apart_micros / 1_000, "udp", from(i), number);
        (0..3_000).map(one).collect::<Vec<_>>()
    };
    let stray = |i: i64| {
        let o = exchange(i * 2, port(host(20), 502), from(i), "tcp");
        of("tcp", Observation { at: o.at, ..told("tcp", (0, 1), 0, o) })
    };
    let tries = |i: i64| {
        session(i * 2, from(i), port(host(20), 502), SessionEvent::Attempted { syn: true })
    };
    let pings = |packets, secs| {
        let icmp = exchange(0, host(30), host(20), "icmp");
        let asked = begins(0, "icmp", host(30), 0);
        let asked = Observation { to: host(20), ..asked };
        vec![asked, of("icmp", told("icmp", (packets, packets), secs, icmp))]
    };
    let scan = (0..3_000).map(tries).chain((0..3_000).map(stray)).collect();
    let stream = |packets| {
        let o = exchange(0, port(host(30), 5_004), port(host(20), 5_004), "udp");
        of("udp", told("udp", (packets, 0), 10, o))
    };
    // Nothing is in them, or much.
    let segments = |to: u8, octets: u64| {
        let o = exchange(0, port(host(to), 502), port(host(30), 5_004), "tcp");
        let mut o = of("tcp", told("tcp", (0, 90_000), 10, o));
        if let Detail::Exchange(e) = &mut o.detail {
            e.bytes_down = octets * e.packets_down;
        }
        o
    };
    // It serves Modbus.
    let controller = |o| {
        let answers = refused(1, OperationClass::Read, "illegal data address");
        vec![asks(0, OperationClass::Read), answers, o]
    };
    let mut all = cases_of_broadcasts();
    all.extend([
        Case::fires("UDP from many", udp(1_000, 9_999)),
        Case::fires("answers of TCP to nothing", (0..3_000).map(stray).collect()),
        Case::fires("echo requests", pings(5_000, 5)),
        Case::fires("UDP to a controller", controller(stream(90_000))),
        Case::fires("empty segments", controller(segments(20, 60))),
        Case::silent("a program, one side seen", controller(segments(20, 900))),
        Case::silent("who fetches, one side seen", vec![segments(21, 60)]),
        Case::silent("look-ups of names", udp(1_000, DNS)),
        Case::silent("a busy service", udp(50_000, 9_999)),
        Case::silent("a scan nobody answers", scan),
        Case::silent("a day of monitoring", pings(86_400, 86_400)),
        Case::silent("cyclic outputs of a controller", controller(stream(9_000))),
        Case::silent("pictures", vec![stream(90_000)]),
    ]);
    all
}

/// The conversation of `o`, with so many packets up and down, over so many seconds.
#[cfg(test)]
fn told(
    transport: &'static str,
    (packets_up, packets_down): (u64, u64),
    secs: i64,
    o: Observation,
) -> Observation {
    let Detail::Exchange(e) = o.detail else { unreachable!("an exchange") };
    let last = e.first.plus_secs(secs);
    let e = Exchange { transport, packets_up, packets_down, last, ..e };
    Observation { at: last, ..crate::testing::seen(0, o.from, o.to, Detail::Exchange(e)) }
}

#[cfg(test)]
fn cases_of_broadcasts() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, of, port};
    let all = model::Endpoint { mac: Some(model::Mac([0xff; 6])), ..host(255) };
    let broadcasts = |packets, secs| {
        let o = exchange(0, port(host(30), 47_808), port(all, 47_808), "bacnet");
        of("bacnet", told("udp", (packets, 0), secs, o))
    };
    vec![
        Case::fires("broadcasts onto buses", vec![broadcasts(900, 3)]),
        Case::fires("all of them within a second", vec![broadcasts(2_000, 0)]),
        Case::silent("a network that starts", vec![broadcasts(200, 3), broadcasts(200, 0)]),
    ]
}
