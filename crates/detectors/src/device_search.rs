//! What stands behind an address, looked for number by number: units of a gateway, stations of a
//! line, places of a rack, devices of a bus or of BACnet.
//!
//! A master asks the same numbers again and again, and most of them answer; who looks for them
//! tries each once. Not here: functions and objects that are refused (`refused_requests`), hosts
//! and ports (`scan`). Invariant: a number that answered once is never one that is looked for.

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
                          devices are all switched off.",
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
/// Ranges of BACnet device numbers, each where the one before ended.
const RANGES_MIN: usize = 40;

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
enum What {
    Units,
    Places,
    BusDevices,
    Ranges,
}

type Key = (Address, Address, What);

struct DeviceSearch {
    pairs: Watched<Key, Search>,
    /// Those to judge when nothing new was tried for a while.
    dirty: BTreeSet<Key>,
}

struct Search {
    answered: Few<u32>,
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
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        matches!(
            protocol,
            "modbus"
                | "modbus_rtu"
                | "dnp3"
                | "iec104"
                | "fins"
                | "hart_ip"
                | "knxip"
                | "cotp"
                | "bacnet"
        )
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
        ("bacnet", _) => None,
        ("cotp", Object::Name { area: "tsap", name }) => {
            // "programming device, rack 0 slot 2"; other names are of services, not of places.
            let (_, place) = name.split_once(", rack ")?;
            let hash = foldhash::fast::FixedState::with_seed(17).hash_one(place);
            Some((What::Places, hash as u32))
        }
        ("cotp", _) => None,
        _ => Some((What::Units, operation.unit?)),
    }
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
    fn tried(&mut self, o: &Observation, key: Key, number: u32) {
        let new = || Search {
            answered: few(),
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
        if key.2 == What::Ranges {
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
            ("knxip" | "bacnet" | "cotp", _) => return,
            _ => (What::Units, operation.unit),
        };
        let gone = matches!(operation.outcome, Outcome::Refused { name, .. }
            if NOT_THERE.contains(&name));
        let Some(number) = number.filter(|_| !gone) else { return };
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
            What::Ranges => (search.in_a_row >= RANGES_MIN, Severity::Low),
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
            let others = [server].into_iter().filter(|_| what != What::Ranges);
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
