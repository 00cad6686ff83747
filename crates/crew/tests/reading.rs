//! A capture gives the same with any number of threads, also one that is damaged, one that is all
//! one conversation, and one with a clock that jumps.

use crew::{Beside, read_capture};
use model::Time;
use sensor::{Fold, WorkerSettings};
use std::io::Read;
use wire::{
    LinkType,
    file::{CaptureReader, PcapWriter},
};

/// A host asks who has an address.
fn arp(host: u16, asked: u16) -> Vec<u8> {
    let [high, low] = host.to_be_bytes();
    let [asked_high, asked_low] = asked.to_be_bytes();
    let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, high, low, 8, 6];
    frame.extend([0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, high, low, 10, 0, high, low]);
    frame.extend([0, 0, 0, 0, 0, 0, 10, 0, asked_high, asked_low]);
    frame
}

/// A host sends 10.255.0.1 a datagram, or is sent one.
fn udp(host: u16, answer: bool) -> Vec<u8> {
    let [high, low] = host.to_be_bytes();
    let host = ([2, 0, 0, 0, high, low], [10, 0, high, low], [0xc3, 0x50]);
    let server = ([2, 1, 0, 0, 0, 0], [10, 255, 0, 1], [0, 161]);
    let (from, to) = if answer { (server, host) } else { (host, server) };
    let mut frame = [to.0, from.0].concat();
    frame.extend([8, 0, 0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([from.1, to.1].concat());
    frame.extend([from.2, to.2].concat());
    frame.extend([0, 10, 0, 0, high, low]);
    frame
}

fn capture(packets: impl Iterator<Item = (i64, Vec<u8>)>) -> Vec<u8> {
    let mut writer = PcapWriter::new(Vec::new(), LinkType::Ethernet).expect("memory");
    for (at, frame) in packets {
        let wire_len = u32::try_from(frame.len()).expect("short");
        writer.packet(at, wire_len, &frame).expect("memory");
    }
    writer.into_inner()
}

/// Packets, the last time, damage, assets and links, as one can compare them.
type Told = (u64, Option<Time>, Option<String>, String);

fn told(capture: &[u8], threads: usize) -> Told {
    let source: Box<dyn Read> = Box::new(capture);
    let reader = CaptureReader::open(source).expect("a capture");
    let work = (threads, WorkerSettings::default());
    let mut shown = 0;
    let hear: (&mut dyn FnMut(u64), Beside<'_>) = (&mut |packets| shown = packets, &mut |_| false);
    let read = read_capture(reader, work, Fold::default(), hear);
    let mut read = read.expect("threads");
    assert!(read.counts.packets - shown < 4_096, "progress is shown");
    let fold = &mut read.fold;
    fold.finish();
    let all = format!("{:?} {:?}", fold.inventory.assets(), fold.inventory.links());
    (read.counts.packets, read.counts.last, read.damage.map(|damage| damage.to_string()), all)
}

fn same_with_any_number_of_threads(capture: &[u8]) -> Told {
    let alone = told(capture, 1);
    for threads in [2, 3, 7] {
        assert_eq!(told(capture, threads), alone, "{threads} threads");
    }
    alone
}

#[test]
fn many_hosts_are_the_same_with_any_number_of_threads() {
    let packets = (0..30_000u16).map(|at| (i64::from(at) * 1_000, arp(at % 700, at % 31)));
    let (packets, _, damage, all) = same_with_any_number_of_threads(&capture(packets));
    assert_eq!((packets, damage), (30_000, None));
    assert!(all.contains("10.0.2.187"), "the last host is there");
}

#[test]
fn one_conversation_alone_and_a_clock_that_jumps_are_the_same() {
    let at = |packet: i64| if packet % 1_000 < 500 { packet } else { 1_700_000_000 - packet };
    let packets = (0..20_000).map(|packet| (at(packet), arp(1, 2)));
    assert_eq!(same_with_any_number_of_threads(&capture(packets)).0, 20_000);
}

#[test]
fn conversations_that_pause_for_long_are_told_before_the_end_and_lose_nothing() {
    let (first, again) = (1..500u16, 1..=250u16);
    let between = std::iter::repeat_n(1_000, 40_000);
    let hosts = first.chain(between).chain(again);
    let frames = hosts.flat_map(|host| [udp(host, false), udp(host, true)]);
    let packets = (0..).zip(frames).map(|(at, frame)| (at * 1_000, frame));
    let (packets, _, _, all) = same_with_any_number_of_threads(&capture(packets));
    assert_eq!(packets, 2 * (499 + 40_000 + 250));
    let counted = |packets: &str| all.matches(&format!(" packets: {packets}, bytes")).count();
    assert_eq!([counted("4"), counted("2"), counted("80000")], [250, 249, 1]);
}

#[test]
fn what_was_read_before_the_damage_counts() {
    let whole = capture((0..9_000u16).map(|at| (i64::from(at), arp(at, 1))));
    let (packets, _, damage, _) = same_with_any_number_of_threads(&whole[..whole.len() - 5]);
    assert_eq!(packets, 8_999);
    assert!(damage.is_some());
}

#[test]
fn nothing_at_all_is_read() {
    assert_eq!(same_with_any_number_of_threads(&capture(std::iter::empty())).0, 0);
}
