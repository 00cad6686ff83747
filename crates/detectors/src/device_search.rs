//! What stands behind an address, looked for number by number: units of a gateway, stations of a
//! line, places of a rack, devices of a bus, devices, networks and names of BACnet, lists of a CPU.
//!
//! A master asks the same numbers again and again, and most of them answer; who looks for them
//! tries each once, or asks each what it is and nothing else. Not here: functions and objects that
//! are refused (`refused_requests`), hosts and ports (`scan`). Invariant: a number that answered
//! once is never one that is looked for.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::{Few, few},
    limits::TARGETS_MAX,
    watched::Watched,
    window::{Lately, apart_secs},
};
use model::{
    Address, Detail, Direction, Evidence, Object, Observation, Operation, OperationClass, Outcome,
    Severity, Time,
};
use std::{
    collections::BTreeSet,
    hash::{BuildHasher, Hash},
};

pub static DEVICE_SEARCH: Detector = Detector {
    about: About {
        id: "device-search",
        title: "Numbers tried one after another to find devices",
        engine: model::Engine::Anomaly,
        why: "Behind one address stand many devices: units of a gateway, stations of a line, \
              modules of a rack. Whoever does not know them tries all numbers, and the next thing \
              it does may be a command to those it found.",
        techniques: &["T0846", "T0888"],
        false_positives: "Commissioning, when the number of a device is not known; masters whose \
                          devices are all switched off; an inventory of the site's own.",
        runbook: "Ask whether somebody commissions or tests devices there.\n\
                  If not, disconnect the source and look at what it asked the devices it found.\n\
                  Let the gateway or the firewall of the cell admit known clients only.",
        sees: &[Kind::Operation, Kind::Repeat],
    },
    watch: || Box::new(DeviceSearch { pairs: Watched::new(SPAN_SECS), dirty: BTreeSet::new() }),
    #[cfg(test)]
    cases,
};

/// Numbers that did not answer count for so long.
const SPAN_SECS: i64 = 600;
/// Numbers that did not answer, once the search is over; and as many as no master has in vain.
const NUMBERS_MIN: usize = 12;
const NUMBERS_MANY: usize = 40;
/// A client that is known, or of which nothing is known, may poll devices that are off: its next
/// round is told by then. Of a stranger a shorter silence is enough.
const ROUND_SECS: i64 = 1_800;
const SILENCE_SECS: i64 = 30;
/// Places of racks: a station with many CPUs has four.
const PLACES_MIN: usize = 6;
/// Ranges of BACnet device numbers, or networks, each where the one before ended.
const RANGES_MIN: usize = 40;
/// Names of BACnet objects: a workstation asks where a few are that it does not find.
const NAMES_MIN: usize = 60;
/// Lists of a CPU's state (SZL), each with the number after the one before: STEP 7 asks for two
/// dozen of them, by number here and there.
const LISTS_MIN: usize = 24;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum What {
    Units,
    Places,
    BusDevices,
    Ranges,
    Networks,
    Names,
    Lists,
    /// Units that said what they are, and were asked nothing else.
    Identities,
}

type Key = (Address, Address, What);

struct DeviceSearch {
    pairs: Watched<Key, Search>,
    /// Those to judge when nothing new was tried for a while.
    dirty: BTreeSet<Key>,
}

struct Search {
    answered: Few<u32>,
    /// Of units: those that are asked for more than what they are.
    used: Few<u32>,
    sought: Lately<u32>,
    /// Tried last.
    last: u32,
    /// Where the range asked for last ended, and how many came in a row.
    next: u32,
    in_a_row: usize,
    /// How often a number was tried again after others.
    rounds: u32,
    at: Time,
    example: Box<Observation>,
}

impl Watch for DeviceSearch {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        match protocol {
            "s7comm" => class == OperationClass::Diagnose,
            "modbus" | "modbus_rtu" | "dnp3" | "iec104" | "fins" | "hart_ip" => true,
            "knxip" | "cotp" | "bacnet" => true,
            _ => false,
        }
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if !self.wants(o.protocol, operation.class) {
            return;
        }
        match operation.direction {
            Direction::Request => {
                let Some((what, number)) = sought(o.protocol, operation) else { return };
                let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else {
                    return;
                };
                if what == What::Units && !identifies(operation) {
                    self.uses(client, server, number);
                }
                self.tried(o, (client, server, what), number);
                self.judge((client, server, what), (o.at, false), site, out);
            }
            Direction::Response | Direction::Notice => self.answered(o, operation),
        }
    }

    /// A master comes back to what did not answer; who looks around does not.
    fn repeated(&mut self, o: &Observation, operation: &Operation) {
        if operation.direction != Direction::Request {
            return;
        }
        let Some((what, number)) = sought(o.protocol, operation) else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let search = self.pairs.known(&(client, server, what));
        if let Some(search) = search.filter(|s| s.sought.iter().any(|known| *known == number)) {
            search.rounds += 1;
        }
        if what == What::Units && !identifies(operation) {
            self.uses(client, server, number);
        }
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        let due = std::mem::take(&mut self.dirty);
        for key in due {
            if !self.judge(key, (now, true), site, out) {
                self.dirty.insert(key);
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.pairs.dropped()
    }
}

/// What a request looks for, and its number.
fn sought(protocol: &str, operation: &Operation) -> Option<(What, u32)> {
    match (protocol, &operation.object) {
        ("knxip", Object::Range { area: "device", first, .. }) => Some((What::BusDevices, *first)),
        ("knxip", _) => None,
        ("bacnet", Object::Range { area: "device", first, .. })
            if operation.class == OperationClass::Browse =>
        {
            Some((What::Ranges, *first))
        }
        ("bacnet", Object::Range { area: "network", first, .. })
            if operation.class == OperationClass::Browse =>
        {
            Some((What::Networks, *first))
        }
        ("bacnet", Object::Name { name, .. }) if operation.function_name == "Who-Has" => {
            Some((What::Names, hashed(name)))
        }
        ("bacnet", _) => None,
        ("s7comm", Object::Range { area: "szl", first, .. }) => Some((What::Lists, *first)),
        ("s7comm", _) => None,
        ("cotp", Object::Name { area: "tsap", name }) => {
            // "programming device, rack 0 slot 2"; other names are of services, not of places.
            let (_, place) = name.split_once(", rack ")?;
            Some((What::Places, hashed(place)))
        }
        ("cotp", _) => None,
        _ => Some((What::Units, operation.unit?)),
    }
}

fn hashed(name: &str) -> u32 {
    foldhash::fast::FixedState::with_seed(17).hash_one(name) as u32
}

/// Is it asked, or says it, what it is (MODBUS Application Protocol 1.1b3, 6.13 and 6.21)?
fn identifies(operation: &Operation) -> bool {
    matches!(operation.function_name, "read device identification" | "report server id")
}

/// Refusals in the place of one who is not there: of Modbus gateways and servers (MODBUS
/// Application Protocol 1.1b3, section 7), IEC 60870-5-101, 7.2.3, and FINS (W342, 5-1-3). A
/// negative confirmation says nothing of why.
const NOT_THERE: [&str; 8] = [
    "negative confirmation",
    "gateway path unavailable",
    "gateway target device failed to respond",
    "server device failure",
    "unknown common address",
    "destination node error",
    "routing error",
    "no such unit",
];

impl DeviceSearch {
    /// The unit is asked for more than what it is.
    fn uses(&mut self, client: Address, server: Address, unit: u32) {
        if let Some(search) = self.pairs.known(&(client, server, What::Identities)) {
            search.sought.forget(&unit);
        }
        if let Some(search) = self.pairs.known(&(client, server, What::Units))
            && search.used.len() < TARGETS_MAX
        {
            search.used.insert(unit);
        }
    }

    /// A unit said what it is; `o` is its answer.
    fn identified(&mut self, o: &Observation, client: Address, server: Address, unit: u32) {
        let known = self.pairs.known(&(client, server, What::Units));
        if known
            .is_none_or(|search| search.used.contains(&unit) || search.used.len() >= TARGETS_MAX)
        {
            return;
        }
        self.tried(o, (client, server, What::Identities), unit);
    }

    fn tried(&mut self, o: &Observation, key: Key, number: u32) {
        let new = || Search {
            answered: few(),
            used: few(),
            sought: Lately::default(),
            last: number,
            next: number,
            in_a_row: 0,
            rounds: 0,
            at: o.at,
            example: Box::new(o.clone()),
        };
        let search = self.pairs.of(key, o.at, new);
        if search.answered.contains(&number) {
            return;
        }
        let again = search.sought.iter().any(|known| *known == number);
        if again && number != search.last && key.2 != What::Places {
            search.rounds += 1;
        }
        if matches!(key.2, What::Ranges | What::Networks | What::Lists) {
            search.range(o, number);
        }
        let before = search.sought.see(number, o.at, SPAN_SECS);
        (search.last, search.at) = (number, o.at);
        if before == 1 {
            (search.rounds, *search.example) = (0, o.clone());
        }
        if before >= PLACES_MIN {
            self.dirty.insert(key);
        }
    }

    fn answered(&mut self, o: &Observation, operation: &Operation) {
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let (what, number) = match (o.protocol, operation.direction) {
            // A confirmation says that the question went out; an answer has its own sender.
            ("knxip", Direction::Notice) => (What::BusDevices, operation.unit),
            ("knxip" | "bacnet" | "cotp" | "s7comm", _) => return,
            _ => (What::Units, operation.unit),
        };
        let gone = matches!(operation.outcome, Outcome::Refused { name, .. }
            if NOT_THERE.contains(&name));
        let Some(number) = number.filter(|_| !gone) else { return };
        if identifies(operation) && operation.outcome == Outcome::Done {
            self.identified(o, client, server, number);
        }
        let Some(search) = self.pairs.known(&(client, server, what)) else { return };
        search.sought.forget(&number);
        if search.answered.len() < TARGETS_MAX {
            search.answered.insert(number);
        }
    }

    /// Raises what was found; says whether there is no more to wait for.
    fn judge(
        &mut self,
        key: Key,
        (now, ticks): (Time, bool),
        site: &Site<'_>,
        out: &mut Findings,
    ) -> bool {
        let (client, server, what) = key;
        let Some(search) = self.pairs.known(&key) else { return true };
        let count = search.sought.len();
        let stranger = site.phase == Phase::Learnt && !site.baseline.knows_pair(client, server);
        let silence = if stranger { SILENCE_SECS } else { ROUND_SECS };
        let over = ticks && apart_secs(now, search.at) >= silence;
        let (enough, severity) = match what {
            What::Places => (count >= PLACES_MIN, Severity::Medium),
            What::Ranges | What::Networks => (search.in_a_row >= RANGES_MIN, Severity::Low),
            What::Lists => (search.in_a_row >= LISTS_MIN, Severity::Low),
            What::Names => (count >= NAMES_MIN, Severity::Low),
            What::Identities => (over && count >= NUMBERS_MIN, Severity::Low),
            _ if search.rounds as usize * 4 > count => (false, Severity::Low),
            _ if count >= NUMBERS_MANY => (true, Severity::Medium),
            _ => (over && count >= NUMBERS_MIN, Severity::Low),
        };
        let learnt = site.phase != Phase::Unlearnt && !stranger;
        if !enough || learnt && !matches!(what, What::Units) {
            return over;
        }
        let severity = if stranger { severity.max(Severity::Medium) } else { severity };
        let raised = out.raise(&DEVICE_SEARCH.about, key, &search.example, || {
            // What BACnet is asked for is asked of everybody.
            let all = matches!(what, What::Ranges | What::Networks | What::Names);
            let others = [server].into_iter().filter(|_| !all);
            Draft::by(client, others, severity, what.title())
        });
        let Some(open) = raised else { return true };
        open.at_least(severity);
        let (first, answered) = (search.sought.first(search.at), search.answered.len());
        open.spans(first, search.at);
        open.explained(what.explained(count, answered));
        let says = what.words(&search.sought);
        open.proof(
            "numbers",
            Evidence::Count { first, last: search.at, count: count as u64, says },
        );
        over
    }
}

impl Search {
    /// Where the one before ended the next begins.
    fn range(&mut self, o: &Observation, number: u32) {
        let Detail::Operation(operation) = &o.detail else { return };
        let Object::Range { count, .. } = operation.object else { return };
        self.in_a_row = if number == self.next { self.in_a_row + 1 } else { 1 };
        self.next = number.saturating_add(count);
    }
}

impl What {
    const fn title(self) -> &'static str {
        match self {
            What::Units => "{0} tries the unit numbers of {1} one after another",
            What::Places => "{0} tries the racks and slots of {1}",
            What::BusDevices => "{0} tries the device addresses of the bus behind {1}",
            What::Ranges => "{0} looks for BACnet devices number by number",
            What::Networks => "{0} looks for BACnet networks number by number",
            What::Names => "{0} looks for BACnet objects name by name",
            What::Lists => "{0} asks {1} for lists of its state one after another (SZL)",
            What::Identities => "{0} asks the units of {1} one after another what they are",
        }
    }

    fn explained(self, count: usize, answered: usize) -> String {
        match self {
            What::Places => format!(
                "{{0}} connected to {count} places within {SPAN_SECS} s; a project names the \
                 place of its CPU, and who does not know it tries all."
            ),
            What::Ranges => format!(
                "{{0}} asked {count} ranges of device numbers who is there, each where the one \
                 before ended: programs that map a network do so."
            ),
            What::Networks => format!(
                "{{0}} asked who leads to {count} networks, each by the number after the one \
                 before: programs that map a network do so."
            ),
            What::Names => format!(
                "{{0}} asked who has {count} different names within {SPAN_SECS} s: a workstation \
                 knows which device has what, and asks for the few that it does not find."
            ),
            What::Lists => format!(
                "{{0}} asked for {count} lists, by numbers that follow each other; engineering \
                 tools ask for those they show."
            ),
            What::Identities => format!(
                "{{0}} was told by {count} units what they are, and asked them nothing else: an \
                 inventory, or somebody who looks around."
            ),
            What::Units | What::BusDevices => format!(
                "{{0}} asked for {count} numbers that are not there or did not answer, each once; \
                 {answered} did. A master asks those of its project, and comes back to them."
            ),
        }
    }

    fn words(self, sought: &Lately<u32>) -> String {
        let numbers: BTreeSet<u32> = sought.iter().copied().collect();
        let (lowest, highest) = (numbers.first(), numbers.last());
        match (self, lowest, highest) {
            (What::Places, ..) => "places tried".to_owned(),
            (What::Names, ..) => "names asked for".to_owned(),
            (What::Networks, Some(low), Some(high)) => {
                format!("networks asked for, from {low} to {high}")
            }
            (What::Lists, Some(low), Some(high)) => {
                format!("lists asked for, from 0x{low:04x} to 0x{high:04x}")
            }
            (What::Identities, Some(low), Some(high)) => {
                format!("units that said what they are, from {low} to {high}")
            }
            (What::Ranges, Some(low), Some(high)) => {
                format!("ranges asked for, from device {low} to {high}")
            }
            (_, Some(low), Some(high)) => {
                format!("numbers tried in vain, from {low} to {high}")
            }
            _ => "numbers tried".to_owned(),
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, of, operation, refused};
    use OperationClass::{Browse, Read, Session};
    let unit = |at: i64, unit: u32| asked(at, Operation { unit: Some(unit), ..operation(Read, 3) });
    let says = |at: i64, unit: u32, name| {
        let mut o = refused(at, Read, name);
        if let Detail::Operation(operation) = &mut o.detail {
            operation.unit = Some(unit);
        }
        o
    };
    let sweep = |count: u32| (1..=count).map(move |i| unit(i64::from(i) * 100, i));
    let all = |name| {
        let both = |i: u32| [unit(i64::from(i) * 100, i), says(i64::from(i) * 100 + 9, i, name)];
        (1..=60).flat_map(both).collect::<Vec<_>>()
    };
    let rounds = (0..10).flat_map(|i| (1..=20).map(move |u| unit(i * 30_000 + u * 900, u as u32)));
    let place = |i: u32| {
        let name = format!("basic, rack {} slot {}", i / 8, i % 8).into();
        let object = Object::Name { area: "tsap", name };
        of("cotp", asked(i.into(), Operation { object, ..operation(Session, 0xe0) }))
    };
    let who = |i: u32| {
        let object = Object::Range { area: "device", block: 0, first: i * 100, count: 100 };
        of("bacnet", asked(i64::from(i) * 50, Operation { object, ..operation(Browse, 8) }))
    };
    vec![
        Case::fires("units that do not answer", sweep(60).collect()),
        Case::fires("few of them, when it is over", sweep(15).collect()),
        Case::fires("units a gateway does not reach", all("gateway path unavailable")),
        Case::fires("places of racks", (0..16).map(place).collect()),
        Case::fires("BACnet devices by ranges", (0..60).map(who).collect()),
        Case::silent("units that answer", all("illegal data address")),
        Case::silent("devices that are off, round after round", rounds.collect()),
        Case::silent("a few units", sweep(5).collect()),
        Case::silent("two CPUs", (0..2).map(place).collect()),
        Case::silent("a few ranges", (0..8).map(who).collect()),
    ]
    .into_iter()
    .chain(cases_of_what_answers())
    .collect()
}

#[cfg(test)]
fn cases_of_what_answers() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, of, operation};
    use OperationClass::{Browse, Diagnose, Read};
    let one = |area, first| Object::Range { area, block: 0, first, count: 1 };
    let networks = |at: i64, network: u32| {
        let object = one("network", network);
        of("bacnet", asked(at, Operation { object, ..operation(Browse, 0) }))
    };
    let who_has = |i: i64| {
        let object = Object::Name { area: "object", name: format!("AHU-{i}").into() };
        let asks = Operation { object, function_name: "Who-Has", ..operation(Browse, 7) };
        of("bacnet", asked(i * 500, asks))
    };
    let list = |at: i64, id: u32| {
        of("s7comm", asked(at, Operation { object: one("szl", id), ..operation(Diagnose, 1) }))
    };
    let what_is = |at: i64, unit: u32| {
        let function_name = "read device identification";
        let asks = Operation { unit: Some(unit), function_name, ..operation(Diagnose, 43) };
        let (direction, outcome) = (Direction::Response, Outcome::Done);
        let says = Operation { direction, outcome, ..asks.clone() };
        let asks = asked(at, asks);
        let (from, to) = (asks.to, asks.from);
        let says = Observation {
            from,
            to,
            detail: Detail::Operation(says),
            ..asked(at + 9, operation(Diagnose, 43))
        };
        [asks, says]
    };
    let reads = |at, unit| asked(at, Operation { unit: Some(unit), ..operation(Read, 3) });
    let all = || (1..=20).flat_map(|i| what_is(i64::from(i) * 100, i)).collect::<Vec<_>>();
    let polls =
        |from: i64| (1..=20).map(move |i| reads(from + i64::from(i), i)).collect::<Vec<_>>();
    vec![
        Case::fires("BACnet networks", (1..=60).map(|i| networks(i64::from(i), i)).collect()),
        Case::silent(
            "those of a project",
            (1..=60).map(|i| networks(i64::from(i), i * 10)).collect(),
        ),
        Case::fires("names of objects", (0..80).map(who_has).collect()),
        Case::silent("a few names", (0..20).map(who_has).collect()),
        Case::fires("lists of a CPU", (0..40).map(|i| list(i64::from(i), i)).collect()),
        Case::silent("those of STEP 7", (0..40).map(|i| list(i64::from(i), i * 7)).collect()),
        Case::fires("what all units are", all()),
        Case::silent("the same, polled from then on", [all(), polls(60_000)].concat()),
        Case::silent("the same, polled before", [polls(-60_000), all()].concat()),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Detection,
        testing::{asked, operation},
    };

    #[test]
    fn polls_that_come_again_and_are_only_counted_are_no_search() {
        let inventory = inventory::Inventory::new();
        let found = |rounds: bool| {
            let mut detection = Detection::new(Phase::Unlearnt);
            let polls: Vec<_> = (1..=20)
                .map(|unit| Operation { unit: Some(unit), ..operation(OperationClass::Read, 3) })
                .collect();
            for (i, poll) in polls.iter().enumerate() {
                detection.see(&asked(i as i64 * 900, poll.clone()), &inventory);
            }
            for poll in polls.iter().filter(|_| rounds) {
                let o = Observation { detail: Detail::Presence, ..asked(60_000, poll.clone()) };
                detection.see_repeats(o, (poll, 3), &inventory);
            }
            detection.finish(&inventory);
            detection.findings(&inventory).len()
        };
        assert_eq!((found(false), found(true)), (1, 0));
    }
}
