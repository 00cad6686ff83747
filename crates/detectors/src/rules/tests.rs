//! Rules as people write them, right and wrong.

use super::{Broken, End, Rule, SiteRules, Span, Talk, like, memory, parse, when};
use crate::{
    Baseline, Findings, Phase, Site, Watch,
    act::Targets,
    limits::WATCHED_MAX,
    testing::{Case, asked, exchange, host, operation, port, refused},
    watched::Watched,
};
use model::{Address, Evidence, Object, Observation, Operation, OperationClass as Class};

/// What the watch goes by in tests.
const RULES: &str = r#"
utc_offset = "+01:00"

[[rule]]
name = "recipe"
title = "{0} writes the recipe of {1}"
severity = "high"
why = "Only the recipe server writes these registers, at night never."
protocol = ["modbus"]
class = ["write"]
area = "holding registers"
first = 100
last = 199
to = ["192.168.1.0/24"]
not_from = ["192.168.1.11"]

[[rule]]
name = "office-in-the-cell"
why = "The office and the cell must not meet."
connection = true
protocol = ["http"]
from = ["192.168.1.30"]

[[rule]]
name = "many-stops"
why = "More than two stops in a minute are no operator."
class = ["stop"]
function = [41]
at_least = 3
within_secs = 60
"#;

pub(super) fn rules() -> Vec<Rule> {
    parse(RULES).expect("the rules of the tests are right")
}

fn writes(at: i64, first: u32, count: u32) -> Observation {
    let object = Object::Range { area: "holding registers", block: 0, first, count };
    asked(at, Operation { object, ..operation(Class::Write, 16) })
}

fn by(last: u8, o: Observation) -> Observation {
    Observation { from: port(host(last), 50_000), ..o }
}

pub(super) fn cases() -> Vec<Case> {
    let stop = |at| asked(at, operation(Class::Stop, 41));
    let office = exchange(0, port(host(30), 50_000), port(host(20), 80), "http");
    vec![
        Case::fires("a write that touches the range", vec![writes(0, 90, 11), writes(9, 150, 1)]),
        Case::fires("a conversation", vec![office.clone(), office]),
        Case::fires("too often", vec![stop(0), stop(9_000), stop(20_000)]),
        Case::silent("beside the range", vec![writes(0, 90, 10), writes(9, 200, 1)]),
        Case::silent("by the one who may", vec![by(11, writes(0, 100, 1))]),
        Case::silent("an answer alone", vec![refused(0, Class::Stop, "access denied")]),
        Case::silent("seldom", vec![stop(0), stop(90_000), stop(200_000)]),
    ]
}

#[test]
fn a_finding_has_the_words_of_its_rule_and_says_when_it_was_refused() {
    let object = Object::Range { area: "holding registers", block: 0, first: 100, count: 1 };
    let mut answer = refused(5, Class::Write, "illegal address");
    if let model::Detail::Operation(operation) = &mut answer.detail {
        operation.object = object;
    }
    let found = Case::fires("", vec![writes(0, 100, 1), answer]).run();
    let finding = found.iter().find(|f| f.detector == "rule-recipe").expect("it is raised");
    assert_eq!(finding.title, "192.168.1.10 writes the recipe of 192.168.1.20 (refused)");
    assert!(finding.explanation.starts_with("Only the recipe server"), "{finding:#?}");
    assert!(finding.techniques == ["T0855"] && finding.runbook.lines().count() >= 3);
}

#[test]
fn who_breaks_a_rule_with_many_has_a_finding_for_a_few_and_one_for_the_rest() {
    let to = |last| exchange(0, port(host(30), 50_000), port(host(last), 80), "http");
    let found = Case::fires("", (40..90).map(to).collect()).run();
    let found: Vec<_> = found.iter().filter(|f| f.detector == "rule-office-in-the-cell").collect();
    let of_many =
        found.iter().find(|f| f.title.contains("many devices")).expect("one for the rest");
    assert_eq!((found.len(), of_many.count), (4, 47), "{found:#?}");
}

#[test]
fn a_rule_about_how_often_shows_itself_and_the_count() {
    let stop = |at| asked(at, operation(Class::Stop, 41));
    let found = Case::fires("", vec![stop(0), stop(9_000), stop(20_000)]).run();
    let finding = found.iter().find(|f| f.detector == "rule-many-stops").expect("it is raised");
    let of_rule = |e: &Evidence| match e {
        Evidence::Fact { value, source, .. } => {
            (value.as_str(), source.as_str()) == ("stop, function 41", "rule-many-stops")
        }
        _ => false,
    };
    let counted = |e: &Evidence| matches!(e, Evidence::Count { count: 3, .. });
    let evidence = finding.evidence();
    assert!(evidence.iter().any(of_rule) && evidence.iter().any(counted), "{finding:#?}");
}

#[test]
fn a_rule_about_one_block_leaves_the_others_alone() {
    let text = "[[rule]]\nname = \"x\"\nwhy = \"y\"\narea = \"DB\"\nblock = 5\nlast = 9\nfirst = 0";
    let rules = parse(text).expect("a rule");
    let touches = |block, first| {
        let object = Object::Range { area: "DB", block, first, count: 4 };
        rules[0].fits(&Operation { object, ..operation(Class::Write, 5) })
    };
    assert_eq!([touches(5, 8), touches(5, 10), touches(6, 8)], [true, false, false]);
    assert_eq!(rules[0].words(), "DB, block 5, 0 to 9");
}

#[test]
fn times_are_those_of_the_site() {
    // 2023-11-15 was a Wednesday; 1_700_000_000 is 22:13:20 UTC the day before.
    let (tuesday_evening, midnight) = (1_700_000_000, 1_700_006_400);
    let span = |text| Span::parse(text).expect(text);
    assert!(span("tue").has(tuesday_evening) && !span("tue").has(midnight));
    assert!(span("22:00-06:00").has(tuesday_evening) && span("22:00-06:00").has(midnight));
    assert!(span("tue 22:00-06:00").has(midnight) && !span("wed 22:00-06:00").has(midnight));
    assert!(span("sat-tue 20:00-24:00").has(tuesday_evening));
    assert!(!span("mon-fri 06:00-22:00").has(tuesday_evening));
    assert_eq!(when::offset("-05:30"), Some(-19_800));
    for wrong in ["", "someday", "25:00-26:00", "06:00", "6:00-7:00", "mon-xyz", "08:00-08:00"] {
        assert_eq!(Span::parse(wrong), None, "{wrong:?}");
    }
}

#[test]
fn names_fit_patterns() {
    for (pattern, text, fits) in [
        ("recipe*", "Recipe_12", true),
        ("*.mer", "panel.MER", true),
        ("a*b*c", "aXXbYYc", true),
        ("a*b*c", "acb", false),
        ("DB1", "db12", false),
        ("*", "", true),
        ("ab*ba", "aba", false),
    ] {
        assert_eq!(like(pattern, text), fits, "{pattern} {text}");
    }
}

#[test]
fn networks_hold_their_addresses() {
    let ip = |text: &str| Address::Ip(text.parse().expect(text));
    let net = |text: &str, prefix| End::Net(text.parse().expect(text), prefix);
    assert!(net("10.1.0.0", 16).has(ip("10.1.255.1")) && !net("10.1.0.0", 16).has(ip("10.2.0.1")));
    assert!(net("0.0.0.0", 0).has(ip("8.8.8.8")) && !net("0.0.0.0", 0).has(ip("::1")));
    assert!(net("fd00::", 8).has(ip("fd12::1")) && !net("fd00::", 8).has(ip("fe80::1")));
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    let wrong = |lines: &str| {
        let text = format!("[[rule]]\nname = \"x\"\nwhy = \"y\"\n{lines}\n");
        parse(&text).err().map(|why| why.to_string()).unwrap_or_default()
    };
    for (lines, says) in [
        ("colour = 1", "colour"),
        ("class = [\"explode\"]", "explode"),
        ("from = [\"10.0.0.0/40\"]", "is no address"),
        ("from = [\"plc-1\"]", "is no address"),
        ("when = [\"now and then\"]", "is no time"),
        ("techniques = [\"0836\"]", "no technique"),
        ("at_least = 3", "belong together"),
        ("at_least = 3\nwithin_secs = 9\nclass = [\"read\"]", "only of those that change"),
        ("port = [80]", "connection = true"),
        ("connection = true\nclass = [\"read\"]", "cannot say what is asked"),
        ("first = 9\nlast = 3", "a range"),
        ("first = 9\nobject = \"x\"", "named ones"),
        ("block = 5", "belongs to an area"),
        ("area = \"DB\"\nblock = 5\nobject = \"x\"", "named ones"),
        ("severity = \"loud\"", "loud"),
    ] {
        let why = wrong(lines);
        assert!(why.contains(says), "{lines}: {why:?}");
    }
    assert!(parse("utc_offset = \"CET\"\nrule = []").is_err());
    let twice = "[[rule]]\nname = \"x\"\nwhy = \"y\"\n".repeat(2);
    assert!(parse(&twice).is_err_and(|why| why.to_string().contains("twice")));
}

#[test]
fn a_pair_that_is_known_costs_a_full_memory_nothing() {
    let mut watch = SiteRules {
        concerned: memory(),
        broken: Broken { rates: Watched::new(60), targets: Targets::default() },
    };
    let known = writes(0, 100, 1);
    let talk = Talk::of(&known).expect("a request");
    watch.concerned.insert(talk, Vec::new());
    for number in 1..u32::try_from(WATCHED_MAX).expect("fits") {
        let server = Address::Ip(std::net::Ipv4Addr::from(number).into());
        watch.concerned.insert(Talk { server, ..talk }, Vec::new());
    }
    let (inventory, baseline) = (inventory::Inventory::new(), Baseline::default());
    let (phase, industrial) = (Phase::Learnt, true);
    let site = Site { inventory: &inventory, baseline: &baseline, phase, industrial, times: 1 };
    let mut out = Findings::default();
    let mut see = |o: &Observation| {
        watch.see(o, &site, &mut out);
        watch.concerned.len()
    };
    assert_eq!(see(&known), WATCHED_MAX, "the known are still known");
    assert_eq!(see(&by(99, known)), 1, "a new one finds no room");
}
