//! Servers that stop answering datagrams.
//!
//! Invariant: only who was asked and answered regularly can fall silent; others send as they like.

use model::{Detail, SessionEvent, Time};
use sensor::{Event, Packet, Worker, WorkerSettings};
use wire::LinkType;

const CLIENT: (u8, u16) = (1, 50_000);
const SERVER: (u8, u16) = (2, 161);

/// A datagram between two hosts of 10.0.0.0/24.
fn datagram(from: (u8, u16), to: (u8, u16), payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, to.0, 2, 0, 0, 0, 0, from.0, 8, 0, 0x45, 0];
    frame.extend((payload.len() as u16 + 28).to_be_bytes());
    frame.extend([0, 9, 0, 0, 64, 17, 0, 0, 10, 0, 0, from.0, 10, 0, 0, to.0]);
    frame.extend(from.1.to_be_bytes().into_iter().chain(to.1.to_be_bytes()));
    frame.extend((payload.len() as u16 + 8).to_be_bytes());
    frame.extend([0, 0]);
    frame.extend(payload);
    frame
}

/// What is told of who tried and who answered, with the second.
fn told(datagrams: impl IntoIterator<Item = (i64, Vec<u8>)>) -> Vec<(i64, &'static str)> {
    let mut worker = Worker::new(WorkerSettings::default());
    for (frame, (second, data)) in (1..).zip(datagrams) {
        let (at, link) = (Time::from_secs(second), LinkType::Ethernet);
        worker.push(&Packet { at, frame, wire_len: data.len() as u32, link, data: &data });
    }
    let events = worker.take_events().into_iter();
    let told = events.filter_map(|stamped| match stamped.event {
        Event::Observed(o) => match o.detail {
            Detail::Session(event) => {
                let word = match event {
                    SessionEvent::Attempted { .. } => "tried",
                    SessionEvent::Answered => "answered",
                    _ => "other",
                };
                assert_eq!(o.to.ip.is_some_and(|ip| ip.to_string() == "10.0.0.2"), word == "tried");
                Some((o.at.nanos() / 1_000_000_000, word))
            }
            _ => None,
        },
        _ => None,
    });
    told.collect()
}

fn ask(second: i64) -> (i64, Vec<u8>) {
    (second, datagram(CLIENT, SERVER, b"what now?"))
}

fn answer(second: i64) -> (i64, Vec<u8>) {
    (second, datagram(SERVER, CLIENT, b"all is well"))
}

/// Asked every second and answered, until that second.
fn regular(until: i64) -> impl Iterator<Item = (i64, Vec<u8>)> {
    (0..until).flat_map(|second| [ask(second), answer(second)])
}

#[test]
fn who_answered_regularly_and_stops_is_told_with_the_time_of_the_last_answer() {
    let said = told(regular(30).chain((30..51).map(ask)).chain([answer(51), ask(52)]));
    let expected = [
        (0, "tried"),
        (0, "answered"),
        // Its last answer, and then what is asked in vain, now and then.
        (29, "answered"),
        (39, "tried"),
        (40, "tried"),
        (45, "tried"),
        (50, "tried"),
        (51, "answered"),
    ];
    assert_eq!(said, expected);
}

#[test]
fn who_answered_a_few_times_or_every_now_and_then_is_not_silent() {
    let usual = [(0, "tried"), (0, "answered")];
    assert_eq!(told(regular(10).chain((10..60).map(ask))), usual);
    let seldom =
        (0..400).flat_map(|s| if s % 20 == 0 { vec![ask(s), answer(s)] } else { vec![ask(s)] });
    assert_eq!(told(seldom.chain((400..500).map(ask))), usual);
}

#[test]
fn what_keeps_a_way_open_asks_for_nothing() {
    let alive = |second| (second, datagram(CLIENT, SERVER, &[0xff]));
    assert_eq!(told(regular(30).chain((30..90).map(alive))), [(0, "tried"), (0, "answered")]);
}
