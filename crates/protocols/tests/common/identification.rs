//! Who is taken for whom: every probe against the fixtures of all others, as the sensor asks them.
//!
//! Makes docs/identification.md. Not here: what a dissector makes of what it is given. Invariant:
//! without the hint of a port nothing is taken for what it is not.

use super::{Fixture, fixtures, protocol};
use protocols::{Carrier, Hint, Probe, Protocol, REGISTRY, Side};
use std::{collections::BTreeMap, fmt::Write};

/// Messages of one direction that are looked at before it stays unnamed.
const MESSAGES_MAX: usize = 4;

type Known = &'static dyn Protocol;

fn all() -> Vec<Known> {
    REGISTRY.iter().copied().chain(protocols::declared::all()).collect()
}

/// The protocols that ports of `port_of` hint at, then all others of the carrier.
fn asked(carrier: Carrier, port_of: Option<Known>) -> Vec<(Known, bool)> {
    let ports = port_of.map_or(&[][..], |p| p.about().ports);
    let carried = all().into_iter().filter(|p| p.about().carriers.contains(&carrier));
    let hinted = |p: &Known| p.about().ports.iter().any(|port| ports.contains(port));
    let (first, then): (Vec<Known>, Vec<Known>) = carried.partition(hinted);
    first.into_iter().map(|p| (p, true)).chain(then.into_iter().map(|p| (p, false))).collect()
}

/// The name that the octets of one side get, message by message.
fn named(fixture: &Fixture, from: Side, port_of: Option<Known>) -> Option<&'static str> {
    let asked = asked(fixture.carrier, port_of);
    let messages = fixture.segments.iter().filter(|(side, _)| *side == from);
    let mut head = Vec::new();
    for (_, message) in messages.take(MESSAGES_MAX) {
        if fixture.carrier != Carrier::Tcp {
            head.clear();
        }
        head.extend_from_slice(message);
        let mut need_more = false;
        for (protocol, port) in &asked {
            let hint = Hint { carrier: fixture.carrier, port: *port, from, missing: 0 };
            match protocol.probe(&head, hint) {
                Probe::NoMatch => {}
                Probe::NeedMore => need_more = true,
                _ if *port => return Some(stronger(&head, *protocol, hint).about().name),
                _ => return Some(protocol.about().name),
            }
        }
        if !need_more {
            head.clear();
        }
    }
    None
}

/// As the sensor does: what is recognised without a port goes before what needs one, if the
/// registry has it before.
fn stronger(head: &[u8], likely: Known, hint: Hint) -> Known {
    let hint = Hint { port: false, ..hint };
    let sure = |p: &Known| !matches!(p.probe(head, hint), Probe::NoMatch | Probe::NeedMore);
    let carried = |p: &Known| p.about().carriers.contains(&hint.carrier);
    let before = |p: &Known| p.about().name != likely.about().name;
    if sure(&likely) {
        return likely;
    }
    all().into_iter().filter(carried).take_while(before).find(sure).unwrap_or(likely)
}

/// What became of the fixtures of one protocol.
#[derive(Default)]
struct Row {
    title: &'static str,
    fixtures: usize,
    /// Named without a port by what the client says, by what the server says; of how many.
    by: [(usize, usize); 2],
    /// On ports of others: how often tried, and what it was taken for.
    tried: usize,
    unnamed: usize,
    taken_for: BTreeMap<&'static str, usize>,
}

fn rows() -> BTreeMap<&'static str, Row> {
    let mut rows: BTreeMap<&'static str, Row> = BTreeMap::new();
    for fixture in &fixtures() {
        let own = protocol(&fixture.protocol).about();
        let row = rows.entry(own.name).or_default();
        row.title = own.title;
        row.fixtures += 1;
        for (side, by) in [Side::Client, Side::Server].into_iter().zip(&mut row.by) {
            if fixture.segments.iter().any(|(s, _)| *s == side) {
                by.1 += 1;
                let name = named(fixture, side, None);
                // Servers of fixtures say wrong things too; clients never begin with them.
                let right = name.is_none_or(|n| n == own.name) || side == Side::Server;
                assert!(right, "{name:?}: {}", fixture.path.display());
                by.0 += usize::from(name == Some(own.name));
            }
        }
        let carried = |p: &Known| p.about().carriers.contains(&fixture.carrier);
        let others = all().into_iter().filter(carried).filter(|p| {
            let ports = p.about().ports;
            !ports.is_empty() && !ports.iter().any(|port| own.ports.contains(port))
        });
        let first = fixture.segments.first().map_or(Side::Client, |(side, _)| *side);
        for other in others {
            row.tried += 1;
            match named(fixture, first, Some(other)) {
                None => row.unnamed += 1,
                Some(name) if name == own.name => {}
                Some(name) => *row.taken_for.entry(name).or_default() += 1,
            }
        }
    }
    rows
}

pub fn page() -> String {
    let rows = &rows();
    let sum = |of: fn(&Row) -> usize| rows.values().map(of).sum::<usize>();
    let (tried, unnamed) = (sum(|r| r.tried), sum(|r| r.unnamed));
    let wrong = sum(|r| r.taken_for.values().sum());
    let mut text = format!(
        "# How sure a name is\n\n\
         The sensor names a protocol by what is said; a port is a hint. This page is made by a \
         test that\nasks every probe about the fixtures of all protocols, in the order in which \
         the sensor asks:\n`UPDATE=1 cargo test -p protocols --test registry`. For \
         captures of your\nown, \
         `spandrel pcap --unnamed FILE` writes the first octets of what got no name.\n\n\
         {} conversations of {} protocols. Without a port, the first messages of the client \
         name {} of {},\nthose of the server alone {} of {}; none is taken for\nanother \
         by what its client says. On the \
         usual port of another\nprotocol, {tried} combinations were tried: {} are named right, \
         {unnamed} stay unnamed, {wrong} are taken for\nanother.\n\n\
         | protocol | fixtures | by the client | by the server | on others' ports \
         | unnamed there | taken there for |\n|---|---|---|---|---|---|---|\n",
        sum(|r| r.fixtures),
        rows.len(),
        sum(|r| r.by[0].0),
        sum(|r| r.by[0].1),
        sum(|r| r.by[1].0),
        sum(|r| r.by[1].1),
        tried - unnamed - wrong,
    );
    for row in rows.values() {
        let taken: Vec<_> =
            row.taken_for.iter().map(|(name, count)| format!("`{name}` {count}")).collect();
        writeln!(
            text,
            "| {} | {} | {} of {} | {} of {} | {} | {} | {} |",
            row.title.replace('|', "/"),
            row.fixtures,
            row.by[0].0,
            row.by[0].1,
            row.by[1].0,
            row.by[1].1,
            row.tried,
            row.unnamed,
            taken.join(", "),
        )
        .expect("a String");
    }
    text
}
