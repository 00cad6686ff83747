//! Round trips of frames and fragments, and what stops a walk or fills a limit.

use super::{
    DNP3,
    limits::{FRAGMENT_OCTETS_MAX, FRAGMENTS_MAX, OUTSTATIONS_MAX, REQUESTS_MAX},
    wire::{Application, Control, Link, NotLink, Transport, crc, frames, unblock},
};
use crate::{Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, Side};
use model::{Detail, Outcome};
use proptest::prelude::*;

fn feed(dissector: &mut dyn Dissector, from: Side, bytes: &[u8], out: &mut Output) -> Progress {
    dissector.feed(Segment::of(bytes, from, Carrier::Tcp), out)
}

fn request(sequence: u8, function: u8, objects: &[u8]) -> Vec<u8> {
    let control = 0xc0 | sequence;
    let asks = Application { control, function, indications: None, objects }.emit();
    frames(true, (10, 1), sequence, &asks)
}

fn answer(sequence: u8, indications: u16, objects: &[u8]) -> Vec<u8> {
    let (control, indications) = (0xc0 | sequence, Some(indications));
    let says = Application { control, function: 0x81, indications, objects }.emit();
    frames(false, (1, 10), sequence, &says)
}

fn said(out: &Output) -> Vec<String> {
    let operation = |detail: &Detail| match detail {
        Detail::Operation(o) => {
            let outcome = match o.outcome {
                Outcome::Open => "open",
                Outcome::Done => "done",
                Outcome::Refused { name, .. } => name,
            };
            Some(format!("{} {} {outcome}", o.class.word(), o.function_name))
        }
        Detail::Violation(v) => Some(v.rule.to_owned()),
        _ => None,
    };
    out.observed.iter().filter_map(|o| operation(&o.detail)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_is_framed_is_read(
        fragment in prop::collection::vec(any::<u8>(), 1..1_200),
        to: u16, from: u16, sequence in 0u8..64,
    ) {
        let bytes = frames(true, (to, from), sequence, &fragment);
        let (mut rest, mut whole, mut user) = (&bytes[..], Vec::new(), Vec::new());
        while !rest.is_empty() {
            let link = Link::parse(rest).expect("a frame");
            prop_assert_eq!((link.destination, link.source), (to, from));
            let (frame, behind) = rest.split_at(link.octets());
            prop_assert!(unblock(&frame[10..], &mut user));
            let transport = Transport(user[0]);
            prop_assert_eq!(transport.is_first(), whole.is_empty());
            prop_assert_eq!(transport.is_final(), behind.is_empty());
            whole.extend_from_slice(&user[1..]);
            rest = behind;
        }
        prop_assert_eq!(whole, fragment);
    }

    #[test]
    fn an_application_header_round_trips(
        control: u8, function: u8, word: u16, objects in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let indications = super::wire::is_answer(function).then_some(word);
        let application = Application { control, function, indications, objects: &objects };
        let octets = application.emit();
        prop_assert_eq!(Application::parse(&octets), Ok(application));
    }
}

#[test]
fn check_sequence_is_the_one_of_the_standards_example() {
    // IEEE 1815-2012: link reset from 1024 to 1.
    assert_eq!(crc(&[0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04]), [0xe9, 0x21]);
}

#[test]
fn a_wrong_check_sequence_is_a_violation_and_the_next_frame_is_read() {
    let mut bytes = request(0, 1, &[60, 1, 6]);
    bytes[5] ^= 1;
    assert_eq!(Link::parse(&bytes), Err(NotLink::CheckSequence));
    let mut data = request(1, 1, &[60, 1, 6]);
    data[12] ^= 1;
    bytes.extend(data);
    bytes.extend(request(2, 13, &[]));
    let mut out = Output::new(false);
    let mut dissector = DNP3.open();
    let progress = feed(&mut *dissector, Side::Client, &bytes, &mut out);
    assert_eq!(progress, Progress::Consumed(bytes.len()));
    assert_eq!(said(&out), ["link-header-crc", "link-data-crc", "reset cold restart open"]);
}

#[test]
fn an_answer_takes_its_class_from_the_request_and_its_outcome_from_status_and_indications() {
    let (mut out, mut dissector) = (Output::new(false), DNP3.open());
    let relay = [12, 1, 0x17, 1, 4, 0x41, 1, 100, 0, 0, 0, 0, 0, 0, 0, 0];
    feed(&mut *dissector, Side::Client, &request(3, 5, &relay), &mut out);
    let mut refused = relay;
    refused[15] = 4;
    feed(&mut *dissector, Side::Server, &answer(3, 0, &refused), &mut out);
    feed(&mut *dissector, Side::Client, &request(4, 14, &[]), &mut out);
    feed(&mut *dissector, Side::Server, &answer(4, 0x0100, &[]), &mut out);
    let expect = [
        "write direct operate open",
        "write direct operate not supported",
        "reset warm restart open",
        "reset warm restart function not supported",
    ];
    assert_eq!(said(&out), expect);
}

#[test]
fn undefined_functions_objects_and_directions_are_violations() {
    let check = |bytes: &[u8], expect: &str| {
        let (mut out, mut dissector) = (Output::new(true), DNP3.open());
        feed(&mut *dissector, Side::Client, bytes, &mut out);
        assert!(said(&out).iter().any(|s| s == expect), "{expect}: {:?}", said(&out));
    };
    check(&request(0, 99, &[]), "function-code-undefined");
    check(&request(0, 2, &[200, 1, 0, 0, 0, 1]), "object-undefined");
    check(&request(0, 1, &[1, 2, 0, 9, 3]), "object-range-invalid");
    check(&request(0, 1, &[1, 2, 0x0f]), "object-qualifier-reserved");
    check(&request(0, 1, &[1, 2]), "object-cut-short");
    check(&answer(0, 0, &[30, 1, 0, 0, 9, 1]), "object-cut-short");
    check(&frames(false, (10, 1), 0, &[0xc0, 1, 60, 1, 6]), "direction-bit");
    check(&Link::emit(Control(0xc7), 10, 1, &[]), "link-function-undefined");
}

#[test]
fn every_limit_is_counted_when_it_is_hit() {
    let (mut out, mut dissector) = (Output::new(false), DNP3.open());
    for i in 0..=REQUESTS_MAX {
        feed(&mut *dissector, Side::Client, &request(i as u8 & 15, 1, &[]), &mut out);
    }
    let begin = |from: u16| Link::emit(Control::user_data(true), 10, from, &[0x40, 0xc0, 1]);
    for from in 0..=FRAGMENTS_MAX {
        feed(&mut *dissector, Side::Client, &begin(from as u16), &mut out);
    }
    let long = vec![0; FRAGMENT_OCTETS_MAX + 1];
    feed(&mut *dissector, Side::Client, &frames(true, (10, 1), 0, &long), &mut out);
    for from in 0..=OUTSTATIONS_MAX {
        let bytes = frames(false, (1, from as u16), 0, &[0xc0, 0x81, 0, 0]);
        feed(&mut *dissector, Side::Server, &bytes, &mut out);
    }
    let names = ["pending-requests", "fragments", "fragment-octets", "outstations"];
    for name in names.map(|n| format!("dnp3-{n}")) {
        assert!(out.limits.iter().any(|l| *l == name), "{name} in {:?}", out.limits);
    }
}

#[test]
fn the_function_tells_who_is_master_whatever_the_port() {
    let hint = Hint { carrier: Carrier::Tcp, port: false, from: Side::Server, missing: 0 };
    assert_eq!(DNP3.probe(&request(0, 1, &[60, 1, 6]), hint), Probe::MatchClient);
    assert_eq!(DNP3.probe(&answer(0, 0, &[]), hint), Probe::MatchServer);
    assert_eq!(DNP3.probe(&Link::emit(Control(0xc9), 10, 1, &[]), hint), Probe::Match);
    assert_eq!(DNP3.probe(&[0x05, 0x64, 0x05], hint), Probe::NeedMore);
    assert_eq!(DNP3.probe(&[0; 12], hint), Probe::NoMatch);
}

#[test]
fn a_hole_in_what_one_side_says_leaves_what_the_other_is_saying() {
    // An answer of two segments: what is lost between them is the master's, then the outstation's.
    let says = answer(1, 0, &[0; 400]);
    let cut = 300;
    for (from, expected) in [(Side::Client, 1), (Side::Server, 0)] {
        let (mut dissector, mut out) = (DNP3.open(), Output::default());
        let Progress::NeedMore { consumed, .. } =
            feed(&mut *dissector, Side::Server, &says[..cut], &mut out)
        else {
            panic!("the second segment is not whole")
        };
        dissector.gap(Gap { from, bytes: Some(10) });
        feed(&mut *dissector, Side::Server, &says[consumed..], &mut out);
        let answers = out.messages.iter_mut().filter(|m| m.group.name == "dnp3").count();
        assert_eq!(answers, expected, "{from:?}");
    }
}

#[test]
fn a_master_that_says_its_link_is_there_serves_nothing() {
    let answers = |control: u8| {
        let mut out = Output::new(false);
        let frame = Link::emit(Control(control), 1, 10, &[]);
        feed(&mut *DNP3.open(), Side::Client, &frame, &mut out);
        said(&out)
    };
    assert_eq!(answers(0x0b), ["session link status done"], "an outstation");
    assert_eq!(answers(0x8b), [""; 0], "a master");
}
