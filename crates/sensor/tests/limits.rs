//! Every limit of the sensor is hit by traffic made for it, is counted by its name, and holds.
//!
//! Not here: limits inside one protocol, see `protocols`. Invariant: a flood of a million packets
//! costs no more memory than a flood of a thousand.

use model::{Health, Time};
use sensor::{Fold, Limits, Packet, Worker, WorkerSettings};
use wire::LinkType;

/// Frames built field by field, without checksums: the sensor looks at none.
#[derive(Clone, Copy)]
struct Ends {
    from: [u8; 4],
    to: [u8; 4],
    ports: (u16, u16),
}

impl Ends {
    fn host(number: u32) -> Ends {
        let [_, b, c, d] = number.to_be_bytes();
        Ends { from: [10, b, c, d], to: [172, 16, 0, 1], ports: (40_000, 502) }
    }

    fn ip(&self, protocol: u8, (id, field): (u16, u16), payload: &[u8]) -> Vec<u8> {
        let [a, b, c, d] = self.from;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 9, a, b, c, d, 8, 0, 0x45, 0];
        frame.extend((payload.len() as u16 + 20).to_be_bytes());
        frame.extend(id.to_be_bytes());
        frame.extend(field.to_be_bytes());
        frame.extend([64, protocol, 0, 0]);
        frame.extend(self.from.into_iter().chain(self.to));
        frame.extend(payload);
        frame
    }

    fn tcp(&self, sequence: u32, flags: u8, payload: &[u8]) -> Vec<u8> {
        let mut segment = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        segment.extend(sequence.to_be_bytes());
        segment.extend([0, 0, 0, 1, 0x50, flags, 0x20, 0, 0, 0, 0, 0]);
        segment.extend(payload);
        self.ip(6, (0, 0), &segment)
    }

    fn udp(&self, payload: &[u8]) -> Vec<u8> {
        let mut datagram = [self.ports.0.to_be_bytes(), self.ports.1.to_be_bytes()].concat();
        datagram.extend((payload.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(payload);
        self.ip(17, (0, 0), &datagram)
    }
}

const SYN: u8 = 2;
const ACK: u8 = 0x10;

/// Runs frames, a millisecond apart, with `percent` of the usual room.
fn run(percent: u32, frames: impl IntoIterator<Item = Vec<u8>>) -> (Health, Fold) {
    let limits = Limits::scaled(percent);
    let settings = WorkerSettings { limits, values: true, ..WorkerSettings::default() };
    let mut worker = Worker::new(settings);
    let mut fold = Fold::new().within(limits);
    let mut frame = 0;
    for data in frames {
        frame += 1;
        let at = Time::from_nanos(frame as i64 * 1_000_000);
        let (wire_len, link) = (data.len() as u32, LinkType::Ethernet);
        worker.push(&Packet { at, frame, wire_len, link, data: &data });
        if frame % 1_024 == 0 {
            fold.apply(worker.take_events());
        }
    }
    worker.finish(frame, Time::from_nanos(frame as i64 * 1_000_000));
    fold.apply(worker.take_events());
    fold.finish();
    let mut health = worker.health();
    health.limits.extend(fold.limits_hit());
    (health, fold)
}

#[track_caller]
fn check(health: &Health, limit: &str) -> u64 {
    let count = health.limits.get(limit).copied().unwrap_or_default();
    assert!(count > 0, "{limit} is not hit: {health:?}");
    count
}

#[test]
fn a_syn_flood_fills_flows_senders_and_addresses_and_no_more() {
    let (health, fold) = run(1, (0..20_000).map(|host| Ends::host(host).tcp(1, SYN, &[])));
    let flows = Limits::scaled(1).flows as u64;
    let evicted = check(&health, "flows");
    assert!((20_000 - flows - 8..20_000).contains(&evicted), "{evicted} evicted of 20000");
    check(&health, "senders");
    check(&health, "inventory-addresses");
    assert!(fold.inventory.assets().len() <= Limits::scaled(1).addresses);
}

#[test]
fn a_port_scan_by_one_host_leaves_the_others_their_conversations() {
    let poll = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2];
    let quiet: Vec<Ends> = (0..64).map(|host| Ends::host(1_000 + host)).collect();
    let mut frames: Vec<_> = quiet.iter().map(|ends| ends.tcp(1, ACK, &poll)).collect();
    let scan = (1..9_000).map(|port| Ends { ports: (5_000, port), ..Ends::host(7) });
    frames.extend(scan.map(|ends| ends.tcp(1, SYN, &[])));
    frames.extend(quiet.iter().map(|ends| ends.tcp(13, ACK, &poll)));
    let (health, fold) = run(5, frames);
    check(&health, "flows");
    // Whoever shares the scanner's shard may have lost its place, the other seven shards did not.
    let whole = fold.inventory.links().iter().filter(|l| l.packets == 2).count();
    assert!(whole >= 48, "{whole} of 64 conversations kept");
}

#[test]
fn a_client_that_asks_for_files_from_ever_other_ports_fills_its_list_and_no_more() {
    let asks = |ports: u16| {
        let ends = (0..ports).map(|port| Ends { ports: (10_000 + port, 69), ..Ends::host(1) });
        ends.map(|ends| ends.udp(b"\0\x01a\0octet\0")).collect::<Vec<_>>()
    };
    assert_eq!(check(&run(100, asks(300)).0, "file-requests"), 44);
    assert!(!run(100, asks(256)).0.limits.contains_key("file-requests"));
}

#[test]
fn endless_fragments_are_dropped_oldest_first() {
    let pieces = (0..5_000).map(|id| Ends::host(id).ip(17, (id as u16, 0x2000), &[0; 64]));
    let (health, _) = run(1, pieces);
    check(&health, "fragmented-packets");
    let twice = (0..2).map(|_| Ends::host(1).ip(17, (9, 0x2000), &[0; 64]));
    check(&run(100, twice).0, "fragment-overlaps");
}

#[test]
fn questions_never_answered_are_forgotten() {
    let ends = Ends::host(1);
    let polls = (0..2_000u16).map(|i| {
        let [high, low] = i.to_be_bytes();
        let poll = [high, low, 0, 0, 0, 6, 1, 3, 0, 0, 0, 2];
        ends.tcp(1 + u32::from(i) * 12, ACK, &poll)
    });
    check(&run(100, polls).0, "modbus-pending-requests");
}

#[test]
fn early_segments_of_many_conversations_share_their_room() {
    let frames = (0..2_000).flat_map(|host| {
        let ends = Ends::host(host);
        [ends.tcp(1, SYN, &[]), ends.tcp(5_000, ACK, &[7; 1_400])]
    });
    check(&run(1, frames).0, "buffered-octets");
}

#[test]
fn a_message_without_end_is_given_up() {
    // An LDAP search of 60,000 octets (RFC 4511, 4.5.1), of which there is room for 10,485.
    let ends = Ends { ports: (40_000, 389), ..Ends::host(1) };
    let mut head = vec![0x30, 0x82, 0xea, 0x5c, 2, 1, 1, 0x63, 0x82, 0xea, 0x55];
    head.resize(1_400, 0);
    let frames = (0..40u32).map(|i| {
        let payload = if i == 0 { head.clone() } else { vec![0; 1_400] };
        ends.tcp(1 + i * 1_400, ACK, &payload)
    });
    check(&run(1, frames).0, "pending-octets");
}

#[test]
fn rows_operations_and_links_are_bounded() {
    let polls = (0..400u32).flat_map(|host| {
        let ends = Ends::host(host);
        (0..12u16).map(move |i| {
            let [high, low] = i.to_be_bytes();
            let poll = [0, low, 0, 0, 0, 6, low, 3, high, low, 0, 2];
            ends.tcp(1 + u32::from(i) * 12, ACK, &poll)
        })
    });
    let (health, fold) = run(1, polls);
    check(&health, "tally-rows");
    // Operations without room pass instead of being counted: nothing is lost but quiet.
    let asked: u64 = fold.inventory.links().iter().filter_map(|l| l.operations.get("read")).sum();
    assert_eq!(asked, 4_800);
    let many = (0..3_000u32).map(|host| {
        Ends::host(host).udp(&[0; 4]);
        Ends { ports: (host as u16, 9_999), ..Ends::host(host % 3) }.udp(&[1; 8])
    });
    let servers = many.zip(0..).map(|(mut frame, server): (Vec<u8>, u16)| {
        frame[36..38].copy_from_slice(&(server + 1).to_be_bytes());
        frame
    });
    check(&run(1, servers).0, "inventory-links");
}

#[test]
fn process_values_are_bounded() {
    let (client, server) = (Ends::host(1), Ends::host(1));
    let server = Ends { from: server.to, to: server.from, ports: (502, 40_000) };
    let frames = (0..250u16).flat_map(|i| {
        let [high, low] = i.to_be_bytes();
        let ask = [high, low, 0, 0, 0, 6, 1, 3, 0, 0, 0, 100];
        let mut answer = vec![high, low, 0, 0, 0, 203, 1, 3, 200];
        answer.resize(209, low);
        let (asked, answered) = (u32::from(i) * 12, u32::from(i) * 209);
        [client.tcp(1 + asked, ACK, &ask), server.tcp(1 + answered, ACK, &answer)]
    });
    let (health, mut fold) = run(1, frames);
    assert_eq!(check(&health, "values"), 25_000 - 20_000);
    assert_eq!(fold.take_values().len(), 20_000);
}

#[test]
fn a_connection_in_the_middle_of_a_long_message_is_named_by_what_begins_later() {
    let ends = Ends::host(9);
    let back = Ends { from: ends.to, to: ends.from, ports: (ends.ports.1, ends.ports.0) };
    // Twenty segments of a message whose beginning was not seen, then an answer to it.
    let middle = (0..20).map(|part| ends.tcp(1 + part * 100, ACK, &[0xee; 100]));
    let answer = [0, 1, 0, 0, 0, 5, 1, 3, 2, 0, 7];
    let answers = (0..2).map(|at| back.tcp(1 + at * 11, ACK, &answer));
    let (_, fold) = run(100, middle.chain(answers));
    let links = fold.inventory.links();
    assert_eq!((links.len(), links[0].protocol.as_str()), (1, "modbus"), "{links:?}");
}
