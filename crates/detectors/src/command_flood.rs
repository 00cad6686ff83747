//! Commands to a controller at many times the usual rate, or to one output after the other, or to
//! one output again and again.
//!
//! Invariant: what was sent before this watch began counts for nothing, so a master that was fast
//! while the site was learned is none that floods after a restart.

use crate::{
    About, Detector, Draft, Findings, Kind, Phase, Site, Watch,
    baseline::range_key,
    watched::Watched,
    window::{Lately, Rate, is_set_back},
};
use inventory::is_industrial;
use model::{
    Address, Detail, Direction, Object, Observation, Operation, OperationClass, Severity, Time,
};

pub static COMMAND_FLOOD: Detector = Detector {
    about: About {
        id: "command-flood",
        title: "Flood of commands to a controller",
        engine: model::Engine::Anomaly,
        why: "A controller that is flooded with commands answers late or not at all, and its \
              outputs wear or flutter. Floods are a denial of service and a way to force a value \
              against the operator's.",
        techniques: &["T0806", "T0814", "T0836", "T0855"],
        false_positives: "Recipes and projects that are loaded by many writes at once, masters \
                          that write each coil by itself, tests of a breaker or relay.",
        runbook: "Look at the process: which value is written, and does it hold?\n\
                  Find the program on the sender; ask its operator.\n\
                  If nobody meant it, disconnect the sender.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let (pairs, servers) = (Watched::new(USUAL_SECS), Watched::new(USUAL_SECS));
        let (outputs, again) = (Watched::new(SPAN_SECS), Watched::new(AGAIN_SECS));
        Box::new(CommandFlood { began: None, pairs, servers, outputs, again })
    },
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 10;
/// Commands within the span, at least.
const COMMANDS_MIN: u32 = 50;
/// Times the usual rate of the pair, at least.
const TIMES_USUAL: f64 = 8.0;
/// Commands within the span of a station that never asked the controller for anything before: a
/// panel that begins to write in cycles sends fewer.
const STRANGER_MIN: u32 = 200;
/// Seconds a pair is known before its usual rate means something.
const KNOWN_SECS: i64 = 60;
/// Commands within the span, and a second, of which no rate is usual where nothing was ever asked:
/// controllers that write to each other do so in cycles of ten milliseconds at the fastest.
const STORM_MIN: u32 = 1_000;
const STORM_PER_SEC: u64 = 200;
/// Who does this, too, is a master, or loads something.
const NO_STORM: [OperationClass; 5] = [
    OperationClass::Read,
    OperationClass::ProgramDownload,
    OperationClass::FirmwareUpdate,
    OperationClass::Configure,
    OperationClass::File,
];
/// After so long without commands nothing is usual.
const USUAL_SECS: i64 = 86_400;
/// Outputs commanded one by one within the span: nobody operates so many at once.
const OUTPUTS_MIN: usize = 30;
/// Spaces of outputs that are on or off: coils, information objects of IEC 60870-5, relays of
/// DNP3, outputs of MELSEC.
const OUTPUT_AREAS: &[&str] = &["coil", "object", "control-relay", "Y"];

/// Commands to one output within so many seconds: a hand that opens and closes it does so less
/// often, and no program moves a breaker like that.
const AGAIN_MIN: u32 = 24;
const AGAIN_SECS: i64 = 60;

/// Spaces of such outputs, and what commands to them are called: DNP3 (IEEE 1815, 11.5), single,
/// double and step commands of IEC 60870-5-101, 7.3.2. Coils of Modbus are used as signs of life.
const MOVES: &[(&str, &str)] = &[
    ("control-relay", "operate"),
    ("control-relay", "direct operate"),
    ("object", "C_SC"),
    ("object", "C_DC"),
    ("object", "C_RC"),
];

/// Block and number of an output.
type Output = (u32, u32);

struct CommandFlood {
    /// What was commanded before nobody saw, though it may have been learned who commands.
    began: Option<Time>,
    pairs: Watched<(Address, Address), Commands>,
    /// From anybody.
    servers: Watched<Address, Commands>,
    /// Which outputs were commanded lately.
    outputs: Watched<(Address, Address), Lately<Output>>,
    /// How often one output was.
    again: Watched<(Address, Address, Output), Rate>,
}

struct Commands {
    first: Time,
    count: u64,
    rate: Rate,
}

impl Commands {
    fn begin(at: Time) -> Self {
        Commands { first: at, count: 0, rate: Rate::default() }
    }

    /// Counts; gives how many came within the span.
    fn add(&mut self, times: u64, at: Time) -> u32 {
        if is_set_back(self.rate.last, at) {
            *self = Commands::begin(at);
        }
        self.count += times;
        self.rate.count_times(times, at, SPAN_SECS)
    }

    /// How many a second came before the newest span, when all since then were counted.
    fn usual(&self, lately: u32, known_secs: i64) -> f64 {
        let earlier = self.count.saturating_sub(u64::from(lately)) as f64;
        earlier / (known_secs - SPAN_SECS).max(1) as f64
    }
}

impl Watch for CommandFlood {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        is_industrial(protocol) && class.changes()
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        let request = operation.direction == Direction::Request;
        if !request || !operation.class.changes() || !site.industrial {
            return;
        }
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let began = self.began(o.at);
        let key = (client, server);
        self.one_by_one((o, operation), key, site, out);
        self.again_and_again((o, operation), key, site, out);
        let all = self.servers.of(server, o.at, || Commands::begin(o.at));
        let to_server = all.add(site.times, o.at);
        let usual_of_server = all.usual(to_server, secs(began, o.at));
        let pair = self.pairs.of(key, o.at, || Commands::begin(o.at));
        let lately = pair.add(site.times, o.at);
        if lately < COMMANDS_MIN {
            return;
        }
        let now = f64::from(lately) / SPAN_SECS as f64;
        let known = match since(key, pair.first, began, site) {
            Since::Known(since) => secs(since, o.at),
            Since::Stranger if lately < STRANGER_MIN || now < usual_of_server * TIMES_USUAL => {
                return;
            }
            Since::Stranger => secs(began, o.at).max(KNOWN_SECS),
        };
        if known < KNOWN_SECS {
            let (count, first) = (pair.count, pair.first);
            return self.storm((o, operation), (count, lately, first), site, out);
        }
        let usual = pair.usual(lately, known);
        if now < usual * TIMES_USUAL {
            return;
        }
        let first = pair.rate.first;
        let raised = out.raise(&COMMAND_FLOOD.about, key, o, || {
            Draft::between(o, Severity::Medium, "{0} floods {1} with commands").because(format!(
                "{lately} commands within {SPAN_SECS} s (\"{}\"), where {usual:.2} a second is \
                 usual between the two.",
                operation.function_name
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        let says = "commands in the newest 10 s";
        open.proof_count("rate", (first, o.at), (u64::from(lately), says));
    }

    fn tick(&mut self, now: Time, _: &Site<'_>, _: &mut Findings) {
        self.began(now);
    }

    fn dropped(&self) -> u64 {
        self.pairs.dropped()
            + self.servers.dropped()
            + self.outputs.dropped()
            + self.again.dropped()
    }
}

/// Since when the commands of a pair are counted.
enum Since {
    Known(Time),
    /// It is not known to ask the other anything, while others were seen for long enough.
    Stranger,
}

fn since((client, server): (Address, Address), first: Time, began: Time, site: &Site<'_>) -> Since {
    let talk = site.baseline.pair(client, server);
    let first = talk.map_or(first, |talk| first.min(talk.first));
    match (site.phase, talk) {
        (Phase::Learnt, None) if !site.baseline.knows_pair(client, server) => Since::Stranger,
        // Nothing but questions was learned: none of its commands was missed.
        (Phase::Learnt, Some(talk)) if !talk.classes.changes() => Since::Known(first),
        (Phase::Unlearnt, _) if secs(began, first) >= KNOWN_SECS => Since::Stranger,
        _ => Since::Known(first.max(began)),
    }
}

fn secs(since: Time, until: Time) -> i64 {
    until.since(since) / 1_000_000_000
}

impl CommandFlood {
    /// When this watch began, by the clock of the observations.
    fn began(&mut self, now: Time) -> Time {
        let set_back = self.began.is_some_and(|began| is_set_back(began, now));
        if set_back {
            self.began = None;
        }
        *self.began.get_or_insert(now)
    }

    /// A flood that is there from the first packet on: there is nothing to hold it against but
    /// that its sender asks nothing, and is faster than any controller has a use for.
    fn storm(
        &self,
        (o, operation): (&Observation, &Operation),
        (count, lately, first): (u64, u32, Time),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let per_sec = count / u64::try_from(secs(first, o.at)).unwrap_or_default().max(1);
        let talk = site.baseline.pair(client, server);
        let does_too =
            |class: &OperationClass| talk.is_some_and(|talk| talk.classes.contains(*class));
        let storms = lately >= STORM_MIN && per_sec >= STORM_PER_SEC;
        let writes = operation.class == OperationClass::Write && !NO_STORM.iter().any(does_too);
        if !storms || !writes || site.phase != Phase::Unlearnt {
            return;
        }
        let raised = out.raise(&COMMAND_FLOOD.about, (client, server), o, || {
            Draft::between(o, Severity::Medium, "{0} floods {1} with commands").because(format!(
                "{STORM_MIN} or more commands within {SPAN_SECS} s (\"{}\"), {STORM_PER_SEC} or \
                 more a second, of a sender that asks {{1}} for nothing.",
                operation.function_name
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 10, "the words below say so");
        let says = "commands in the newest 10 s";
        open.proof_count("rate", (first, o.at), (u64::from(lately), says));
    }

    fn one_by_one(
        &mut self,
        (o, operation): (&Observation, &Operation),
        key: (Address, Address),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let Object::Range { area, block, first, count: 1 } = operation.object else { return };
        let sets = operation.class == OperationClass::Write && OUTPUT_AREAS.contains(&area);
        // Set-points and bit strings of IEC 60870-5-101, 7.2.6, are values.
        let values = ["C_SE", "C_BO"];
        if !sets || values.iter().any(|name| operation.function_name.starts_with(name)) {
            return;
        }
        if is_usual(key, operation, site) {
            return;
        }
        let outputs = self.outputs.of(key, o.at, Lately::default);
        let count = outputs.see((block, first), o.at, SPAN_SECS);
        if count < OUTPUTS_MIN {
            return;
        }
        let begun = outputs.first(o.at);
        let raised = out.raise(&COMMAND_FLOOD.about, ("outputs", key), o, || {
            let title = "{0} commands the outputs of {1} one after another";
            Draft::between(o, Severity::Medium, title)
                .because(format!(
                    "{OUTPUTS_MIN} or more outputs within {SPAN_SECS} s, each by a command of its \
                     own (\"{}\"): somebody tries what they do, or opens and closes everything.",
                    operation.function_name
                ))
                .techniques(&["T0806", "T0855"])
        });
        let Some(open) = raised else { return };
        open.spans(begun, o.at);
        let says = "outputs commanded in the newest 10 s";
        open.proof_count("outputs", (begun, o.at), (count as u64, says));
    }

    /// One output that is moved by commands of a person, as those of stations and relays are.
    fn again_and_again(
        &mut self,
        (o, operation): (&Observation, &Operation),
        key: (Address, Address),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        let Object::Range { area, block, first, count: 1 } = operation.object else { return };
        let moves =
            MOVES.iter().any(|(of, name)| area == *of && operation.function_name.starts_with(name));
        if operation.class != OperationClass::Write || !moves || is_usual(key, operation, site) {
            return;
        }
        let rate = self.again.of((key.0, key.1, (block, first)), o.at, Rate::default);
        let count = rate.count_times(site.times, o.at, AGAIN_SECS);
        if count < AGAIN_MIN {
            return;
        }
        let begun = rate.first;
        let raised = out.raise(&COMMAND_FLOOD.about, ("again", key), o, || {
            let title = "{0} commands one output of {1} again and again";
            let why = format!(
                "{AGAIN_MIN} or more commands to {area} {first} within {AGAIN_SECS} s (\"{}\"): \
                 what it moves wears out, or does not do what the operator means.",
                operation.function_name
            );
            Draft::between(o, Severity::Medium, title).because(why).techniques(&["T0806", "T0855"])
        });
        let Some(open) = raised else { return };
        open.spans(begun, o.at);
        const _: () = assert!(AGAIN_SECS == 60, "the words below say so");
        let says = "commands to one output in the newest 60 s";
        open.proof_count("again", (begun, o.at), (u64::from(count), says));
    }
}

/// Was it learned that the pair writes there, or is that being learned?
fn is_usual(key: (Address, Address), operation: &Operation, site: &Site<'_>) -> bool {
    let known = range_key(key, operation).is_some_and(|(range, low, high)| {
        site.baseline.range(&range).is_some_and(|(first, last)| first <= low && high <= last)
    });
    match site.phase {
        Phase::Learning => true,
        Phase::Learnt => known,
        Phase::Unlearnt => false,
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, asks, host, of, operation};
    use model::OperationClass::{Read, Write};
    let mut flood: Vec<_> = (0..20).map(|i| asks(i * 10_000, Write)).collect();
    flood.extend((0..200).map(|i| asks(200_000 + i * 20, Write)));
    let mut back: Vec<_> = (0..20).map(|i| asks(9_000_000 + i * 10_000, Write)).collect();
    back.extend(flood.iter().cloned());
    let output = |area, at: i64, first: u32| {
        let object = Object::Range { area, block: 0, first, count: 1 };
        asked(at, Operation { object, ..operation(Write, 5) })
    };
    let coil = |at, first| output("coil", at, first);
    let panel = |at| Observation { from: host(11), ..asks(at, Read) };
    // Another station asks for values; then one nobody knows sends commands.
    let polls = |until: i64| (0..until).map(|i| panel(i * 1_000)).collect::<Vec<_>>();
    let with = |mut before: Vec<_>, count: i64, apart: i64| {
        before.extend((0..count).map(|i| asks(200_000 + i * apart, Write)));
        before
    };
    let relay = |name, at: i64, first| {
        let object = Object::Range { area: "control-relay", block: 1, first, count: 1 };
        let sets = Operation { object, function_name: name, ..operation(Write, 5) };
        of("dnp3", asked(at, sets))
    };
    let moved = |apart: i64| (0..40).map(move |i| relay("direct operate", i * apart, 3));
    let always = |from: i64| (0..900).map(move |i| asks(from + i * 100, Write)).collect::<Vec<_>>();
    let cycle = |apart: i64| (0..3_000).map(|i| asks(i * apart, Write)).collect::<Vec<_>>();
    let bench = (0..2_000).flat_map(|i| [asks(i * 2, Read), asks(i * 2 + 1, Write)]).collect();
    let firmware = cycle(1).into_iter().map(|o| match o.detail {
        Detail::Operation(operation) => {
            let class = OperationClass::FirmwareUpdate;
            Observation { detail: Detail::Operation(Operation { class, ..operation }), ..o }
        }
        _ => o,
    });
    let relays = (0..40).map(|i| of("dnp3", output("control-relay", i * 100, i as u32))).collect();
    vec![
        Case::fires("a storm from the first packet on", cycle(1)),
        Case::silent("a controller that writes in each cycle", cycle(10)),
        Case::silent("a test of speed that reads and writes", bench),
        Case::silent("firmware", firmware.collect()),
        Case::fires("all outputs one by one", (0..40).map(|i| coil(i * 100, i as u32)).collect()),
        Case::fires("all relays of an outstation", relays),
        Case::silent("two outputs in turn", (0..40).map(|i| coil(i * 100, i as u32 % 2)).collect()),
        Case::fires("many at once after few", flood),
        Case::silent("always many", (0..2_000).map(|i| asks(i * 100, Write)).collect()),
        Case::silent("many at the start", (0..200).map(|i| asks(i * 20, Write)).collect()),
        Case::fires("the same after the clock was set back", back),
        Case::fires("a station nobody knows", with(polls(190), 400, 20)),
        Case::fires("the same where others are learned", with(Vec::new(), 400, 20))
            .after(polls(90)),
        Case::silent("a panel that is switched on", with(polls(190), 400, 200)),
        Case::silent("a master that always sends many", always(9_000_000)).after(always(0)),
        Case::silent("one that takes over from it", {
            let other = |o| Observation { from: host(11), ..o };
            with((0..1_900).map(|i| other(asks(i * 100, Write))).collect(), 400, 50)
        }),
        Case::fires("a reader that sends many", with(Vec::new(), 400, 20))
            .after((0..90).map(|i| asks(i * 1_000, Read)).collect()),
        Case::fires("one relay again and again", moved(1_000).collect()),
        Case::silent("one that is learned", moved(1_000).collect()).after(moved(5_000).collect()),
        Case::silent(
            "one that is selected",
            (0..40).map(|i| relay("select", i * 1_000, 3)).collect(),
        ),
        Case::silent("one relay now and then", moved(5_000).collect()),
    ]
}
