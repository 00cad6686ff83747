//! Round trips and hostile names.

use super::{
    DNS,
    wire::{Message, Question, Record, Value, emit, parse},
};
use crate::{Carrier, Output, Protocol, Segment, Side};
use proptest::prelude::*;

fn label() -> impl Strategy<Value = String> {
    "[a-z0-9_-]{1,20}(\\.[a-z0-9_-]{1,20}){0,3}"
}

fn value() -> impl Strategy<Value = (u16, Value)> {
    prop_oneof![
        any::<[u8; 4]>().prop_map(|o| (1, Value::Address(o.into()))),
        any::<[u8; 16]>().prop_map(|o| (28, Value::Address(o.into()))),
        label().prop_map(|n| (12, Value::Name(n))),
        (any::<u16>(), label()).prop_map(|(port, target)| (33, Value::Service { port, target })),
        prop::collection::vec("[a-z=]{0,30}", 0..3).prop_map(|t| (16, Value::Text(t))),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_written_is_read(
        id: u16,
        flags: u16,
        names in prop::collection::vec(label(), 0..3),
        values in prop::collection::vec((label(), value(), any::<u32>()), 0..4),
    ) {
        let questions = names.into_iter().map(|name| Question { name, kind: 1, class: 1 });
        let records = values.into_iter().map(|(name, (kind, value), ttl)| {
            Record { name, kind, class: 1, ttl, value }
        });
        let (questions, records) = (questions.collect(), records.collect());
        let message = Message { id, flags, questions, records };
        prop_assert_eq!(parse(&emit(&message)).expect("own message"), message);
    }
}

#[test]
fn a_control_character_in_a_name_is_written_out() {
    let mut octets = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 5];
    octets.extend(b"a\x04 \x1bb\x03net\0\0\x01\0\x01");
    let message = parse(&octets).expect("a question");
    assert_eq!(message.questions[0].name, "a\\004 \\027b.net");
}

#[test]
fn a_pointer_to_itself_ends() {
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    bytes.extend([0xc0, 0x0c, 0, 1, 0, 1]);
    let malformed = parse(&bytes).expect_err("a loop");
    assert_eq!(malformed.reason, "dns-name-pointer-loop");
}

#[test]
fn a_name_of_octets_outside_of_ascii_is_as_long_as_it_was_sent() {
    // 3 labels of 63 and one of 40: 234 octets, of which each is two as UTF-8.
    let mut bytes = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for length in [63, 63, 63, 40] {
        bytes.push(length);
        bytes.extend(std::iter::repeat_n(0xe4, usize::from(length)));
    }
    bytes.extend([0, 0, 10, 0, 1]);
    let name = parse(&bytes).expect("a long name").questions[0].name.clone();
    assert_eq!(name.chars().filter(|c| *c == '\u{e4}').count(), 229);
    // One label more is too much.
    let end = bytes.len() - 5;
    bytes.splice(end..end, [21].into_iter().chain([b'a'; 21]));
    assert_eq!(parse(&bytes).expect_err("too long").reason, "dns-name-too-long");
}

#[test]
fn an_inverse_query_is_plausible_with_its_answer_alone() {
    assert!(super::plausible(&[0x77, 0xfc, 9, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
    assert!(!super::plausible(&[0x77, 0xfc, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
    assert!(!super::plausible(&[0x77, 0xfc, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]));
}

/// What a server's answer over TCP is called, in the order of its operations.
fn told(message: &Message) -> Vec<&'static str> {
    let message = emit(message);
    let bytes = [&(message.len() as u16).to_be_bytes()[..], &message].concat();
    let mut out = Output::default();
    DNS.open().feed(Segment::of(&bytes, Side::Server, Carrier::Tcp), &mut out);
    let operations = out.observed.iter().filter_map(|seen| match &seen.detail {
        model::Detail::Operation(operation) => Some(operation.function_name),
        _ => None,
    });
    operations.collect()
}

/// An answer to a question for such records with one of them.
fn answer(kind: u16, data: Option<Vec<u8>>) -> Message {
    let name = || "plant.example".to_owned();
    let question = Question { name: name(), kind, class: 1 };
    let record = |data| Record { name: name(), kind, class: 1, ttl: 0, value: Value::Other(data) };
    let records = data.map(record).into_iter().collect();
    Message { id: 1, flags: 0x8400, questions: vec![question], records }
}

#[test]
fn a_signature_of_nearly_all_a_message_holds_is_told_and_one_that_signs_the_message_is_not() {
    let signed = |covered: u8, octets: usize| {
        let mut data = vec![0; octets];
        data[1] = covered;
        told(&answer(24, Some(data)))
    };
    assert_eq!(signed(1, 65_300), ["oversized SIG", "query"]);
    assert_eq!(signed(1, 65_000), ["query"]);
    assert_eq!(signed(0, 65_300), ["query"]);
}

#[test]
fn a_zone_that_is_given_away_is_told_apart() {
    assert_eq!(told(&answer(252, Some(vec![0; 20]))), ["zone transfer"]);
    assert_eq!(told(&answer(1, Some(vec![10, 1, 1, 1]))), ["query"]);
}

/// What an mDNS message from 10.0.0.1 says of whom.
fn facts_of(records: Vec<(&str, u16, Value)>) -> Vec<String> {
    let records = records.into_iter().map(|(name, kind, value)| Record {
        name: name.to_owned(),
        kind,
        class: 1,
        ttl: 120,
        value,
    });
    let (questions, records) = (Vec::new(), records.collect());
    let bytes = emit(&Message { id: 0, flags: 0x8400, questions, records });
    let mut out = Output::default();
    let mut segment = Segment::of(&bytes, Side::Client, Carrier::Udp);
    segment.sender.ip = Some([10, 0, 0, 1].into());
    crate::mdns::MDNS.open().feed(segment, &mut out);
    let identities = out.observed.into_iter().filter_map(|seen| match seen.detail {
        model::Detail::Identity(identity) => Some(identity),
        _ => None,
    });
    let each = identities.flat_map(|i| {
        let whose = match i.subject {
            model::Subject::Address(address) => format!("{address} "),
            _ => String::new(),
        };
        i.attributes.into_iter().map(move |a| format!("{whose}{}={}", a.path, a.value))
    });
    each.collect()
}

fn service(port: u16, target: &str) -> Value {
    Value::Service { port, target: target.to_owned() }
}

fn texts(texts: &[&str]) -> Value {
    Value::Text(texts.iter().map(|text| (*text).to_owned()).collect())
}

#[test]
fn what_is_repeated_for_another_host_is_of_that_host() {
    const INSTANCE: &str = "Label._ipp._tcp.local";
    let of = |last| {
        let address = Value::Address([10, 0, 0, last].into());
        facts_of(vec![
            (INSTANCE, 16, texts(&["ty=LX-9", "note=Room 5", "version=1"])),
            (INSTANCE, 33, service(631, "lx.local")),
            ("lx.local", 1, address),
        ])
    };
    let own = ["model=LX-9", "location=Room 5", "service=_ipp._tcp port 631", "hostname=lx"];
    let name = |last: u8| format!("10.0.0.{last} hostname=lx");
    assert_eq!(of(1), [&own.map(str::to_owned)[..], &[name(1)]].concat());
    let others = own.map(|fact| format!("10.0.0.9 {fact}"));
    assert_eq!(of(9), [&others[..], &[name(9)]].concat());
}

#[test]
fn numbers_are_no_models_and_addresses_no_part_of_a_name() {
    assert!(facts_of(vec![("a._x._tcp.local", 16, texts(&["version=1", "model=1"]))]).is_empty());
    let list = "_workstation._tcp.local";
    let name = Value::Name("gw [00:1b:1b:aa:bb:cc]._workstation._tcp.local".to_owned());
    assert_eq!(facts_of(vec![(list, 12, name)]), ["service=_workstation._tcp", "name=gw"]);
}

#[test]
fn an_instance_is_a_name_where_it_is_the_device_s() {
    let names = |instance: &str, service: &str, more: Option<(&str, u16, Value)>| {
        let (list, whole) = (format!("{service}.local"), format!("{instance}.{service}.local"));
        let pointer = (list.as_str(), 12, Value::Name(whole));
        let told = facts_of([pointer].into_iter().chain(more).collect());
        let names = told.iter().filter_map(|fact| fact.strip_prefix("name=").map(str::to_owned));
        names.collect::<Vec<_>>()
    };
    assert!(names("iTunes_Ctrl_4ABB39A41EEFDEB3", "_dacp._tcp", None).is_empty());
    assert_eq!(names("Label printer", "_ipp._tcp", None), ["Label printer"]);
    assert_eq!(names("001B1BAABBCC@Hall", "_raop._tcp", None), ["Hall"]);
    let host = |host| Some(("Line 2._x._tcp.local", 33, service(80, host)));
    assert_eq!(names("Line 2", "_x._tcp", host("line-2.local")), ["Line 2"]);
    assert!(names("Line 2", "_x._tcp", host("hmi.local")).is_empty());
    let described = ("Line 2._device-info._tcp.local", 16, texts(&["model=HMI"]));
    assert_eq!(names("Line 2", "_x._tcp", Some(described)), ["Line 2"]);
}

#[test]
fn addresses_of_both_kinds_have_reverse_names() {
    let of = |name: &str| facts_of(vec![(name, 12, Value::Name("plc.local".to_owned()))]);
    assert_eq!(of("7.0.0.10.in-addr.arpa"), ["10.0.0.7 hostname=plc"]);
    let digits = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f";
    assert_eq!(of(&format!("{digits}.ip6.arpa")), ["fe80::1 hostname=plc"]);
    assert!(of("1.0.0.ip6.arpa").is_empty());
}
