//! Round trips of requests, and the rules of the Specification that a parser must know.

use super::wire::{LENGTH_MAX, MBAP_OCTETS, Mbap, Request, Table, parse_request};
use super::{MODBUS, limits::PENDING_REQUESTS_MAX};
use crate::{Carrier, Hint, Output, Probe, Protocol, Segment, Side};
use model::{Detail, Object, Outcome, Time};
use proptest::prelude::*;

fn request() -> impl Strategy<Value = (Request<'static>, &'static [u8])> {
    static DATA: [u8; 246] = [0x5a; 246];
    let table = prop::sample::select(vec![
        Table::Coil,
        Table::DiscreteInput,
        Table::InputRegister,
        Table::HoldingRegister,
    ]);
    let read = (table, 0u16..60_000, 1u16..125).prop_map(|(table, first, count)| Request::Read {
        table,
        first,
        count,
    });
    let single = (0u16.., any::<u16>()).prop_map(|(address, value)| Request::WriteSingle {
        table: Table::HoldingRegister,
        address,
        value,
    });
    let many = (0u16..60_000, 1u16..=123).prop_map(|(first, count)| Request::WriteMultiple {
        table: Table::HoldingRegister,
        first,
        count,
        data: &DATA[..usize::from(count) * 2],
    });
    let umas = (any::<u8>(), any::<u8>(), 0usize..200).prop_map(|(session, function, length)| {
        Request::Umas { session, function, data: &DATA[..length] }
    });
    let identify = (any::<u8>(), any::<u8>())
        .prop_map(|(code, object)| Request::DeviceIdentification { code, object });
    prop_oneof![read, single, many, umas, identify].prop_map(|r| (r, &DATA[..0]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]
    #[test]
    fn what_is_written_is_read((request, _) in request(), transaction: u16, unit: u8) {
        let adu = request.emit(transaction, unit);
        let mbap = Mbap::parse(&adu).expect("a header");
        prop_assert_eq!((mbap.transaction, mbap.unit, mbap.protocol), (transaction, unit, 0));
        prop_assert!(mbap.length <= LENGTH_MAX);
        prop_assert_eq!(parse_request(&adu[MBAP_OCTETS..]), Ok(request));
    }
}

#[track_caller]
fn breaks(pdu: &[u8], rule: &str) {
    assert_eq!(parse_request(pdu).expect_err("against the Specification").rule, rule);
}

#[test]
fn requests_against_the_specification_name_the_rule() {
    breaks(&[0], "function-code-zero");
    breaks(&[3, 0, 0, 0, 126], "quantity-out-of-range");
    breaks(&[3, 0, 0, 0, 0], "quantity-out-of-range");
    breaks(&[1, 0xff, 0xff, 0, 2], "address-out-of-range");
    breaks(&[5, 0, 1, 0, 1], "coil-value-invalid");
    breaks(&[16, 0, 0, 0, 2, 3, 1, 2, 3], "byte-count-mismatch");
    breaks(&[3, 0], "pdu-too-short");
}

#[test]
fn requests_that_nobody_answers_are_forgotten_and_counted() {
    let (mut dissector, mut out) = (MODBUS.open(), Output::new(false));
    for i in 0..=PENDING_REQUESTS_MAX {
        let asks = Request::Read { table: Table::HoldingRegister, first: 0, count: 1 };
        let bytes = asks.emit(i as u16, 1);
        assert_eq!(out.limits.len(), 0, "request {i}");
        dissector.feed(Segment::of(&bytes, Side::Client, Carrier::Tcp), &mut out);
    }
    assert_eq!(out.limits, ["modbus-pending-requests"]);
}

/// Addresses that answers give to their values, of requests for registers that all bear one
/// number: (seconds, first register, how many), and the answers in their order.
#[track_caller]
fn values(carrier: Carrier, asked: &[(i64, u16, u16)], answers: &[u16], expected: &[&str]) {
    let (mut dissector, mut out) = (MODBUS.open(), Output::new(true));
    let mut feed = |seconds, from, bytes: &[u8]| {
        let at = Time::from_secs(seconds);
        dissector.feed(Segment { at, ..Segment::of(bytes, from, carrier) }, &mut out);
    };
    for (seconds, first, count) in asked {
        let asks = Request::Read { table: Table::HoldingRegister, first: *first, count: *count };
        feed(*seconds, Side::Client, &asks.emit(0, 1));
    }
    for count in answers {
        let data = (*count as u8) * 2;
        let mut bytes = vec![0, 0, 0, 0, 0, data + 3, 1, 3, data];
        bytes.resize(bytes.len() + usize::from(data), 0);
        feed(asked.last().expect("a request").0, Side::Server, &bytes);
    }
    let points = out.observed.iter().filter_map(|o| match &o.detail {
        Detail::Value { point, .. } => Some(&*point.0),
        _ => None,
    });
    assert_eq!(points.collect::<Vec<_>>(), expected);
    assert!(!out.observed.iter().any(|o| matches!(o.detail, Detail::Violation(_))));
}

#[test]
fn a_request_that_is_never_answered_takes_no_later_answer() {
    values(Carrier::Tcp, &[(0, 0, 1), (1, 100, 1)], &[1], &["holding-register/1/100"]);
    values(Carrier::Udp, &[(0, 0, 1), (0, 100, 1)], &[1], &["holding-register/1/100"]);
    // Of several at once the one that the length fits, else in order.
    values(
        Carrier::Tcp,
        &[(0, 0, 1), (0, 100, 2)],
        &[2, 1],
        &["holding-register/1/100", "holding-register/1/101", "holding-register/1/0"],
    );
}

/// Whoever tries one range after the other is told from whoever asks for one again and again.
#[test]
fn a_refusal_tells_the_range_that_was_asked_for() {
    let (mut dissector, mut out) = (MODBUS.open(), Output::default());
    let request = Request::Read { table: Table::HoldingRegister, first: 500, count: 10 };
    let asked = request.emit(7, 1);
    dissector.feed(Segment::of(&asked, Side::Client, Carrier::Tcp), &mut out);
    let refused = super::wire::emit_exception(7, 1, 3, 2);
    dissector.feed(Segment::of(&refused, Side::Server, Carrier::Tcp), &mut out);
    let last = out.observed.last().expect("the refusal");
    let Detail::Operation(operation) = &last.detail else { panic!("{last:?}") };
    assert!(matches!(operation.outcome, Outcome::Refused { code: 2, .. }));
    let object = Object::Range { area: "holding-register", block: 1, first: 500, count: 10 };
    assert_eq!(operation.object, object);
}

#[test]
fn a_frame_of_a_serial_line_on_the_port_is_none_of_this() {
    // Registers from 0 on: the number of ten reaches beyond the frame, that of two ends with it.
    let ten = [1, 3, 0, 0, 0, 10, 0xc5, 0xcd];
    let two = [1, 3, 0, 0, 0, 2, 0xc4, 0x0b];
    let other = [1, 3, 0, 0, 0, 10, 0xc5, 0xce];
    for (head, expected) in [(ten, Probe::NoMatch), (two, Probe::Match), (other, Probe::Match)] {
        let hint = Hint { carrier: Carrier::Tcp, port: true, from: Side::Client, missing: 0 };
        assert_eq!(MODBUS.probe(&head, hint), expected, "{head:02x?}");
    }
}
