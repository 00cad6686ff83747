//! Floods and servers nobody asked for, from packets to the finding.
//!
//! Not here: each detector's own cases, which begin with observations. Invariant: what is told of
//! a flood names who can be known, and is told once.

use detectors::{Detection, Phase};
use model::{Evidence, Time};
use sensor::{Fold, Packet, Worker, WorkerSettings};
use wire::LinkType;

const UDP: u8 = 17;
const TCP: u8 = 6;
const ICMP: u8 = 1;
const VICTIM: [u8; 4] = [10, 0, 0, 5];

/// Packets and when they come, in microseconds.
#[derive(Default)]
struct Capture(Vec<(i64, Vec<u8>)>);

impl Capture {
    /// So many packets, so many microseconds apart, from that second on.
    fn many(
        mut self,
        from: i64,
        (count, apart): (u32, i64),
        make: impl Fn(u32) -> Vec<u8>,
    ) -> Self {
        let at = |i: u32| from * 1_000_000 + i64::from(i) * apart;
        self.0.extend((0..count).map(|i| (at(i), make(i))));
        self.0.sort_by_key(|(at, _)| *at);
        self
    }

    fn into_fold(self, mut fold: Fold) -> Fold {
        let mut worker = Worker::new(WorkerSettings::default());
        let start = 1_700_000_000_000_000;
        let (mut last, mut count) = (Time::default(), 0);
        for (micros, data) in &self.0 {
            count += 1;
            last = Time::from_nanos((start + micros) * 1_000);
            let (wire_len, link) = (data.len() as u32, LinkType::Ethernet);
            worker.push(&Packet { at: last, frame: count, wire_len, link, data });
            fold.apply(worker.take_events());
        }
        worker.finish(count, last);
        fold.apply(worker.take_events());
        fold.finish();
        fold
    }

    /// Detector and title of all findings.
    fn findings(self) -> Vec<String> {
        let fold = self.into_fold(Fold::new());
        fold.findings().into_iter().map(|f| format!("{}: {}", f.detector, f.title)).collect()
    }
}

fn ethernet(to: [u8; 6], from: [u8; 6], kind: u16, payload: &[u8]) -> Vec<u8> {
    [&to[..], &from[..], &kind.to_be_bytes(), payload].concat()
}

fn card(last: u8) -> [u8; 6] {
    [0x00, 0x1b, 0x1b, 0, 0, last]
}

/// RFC 791; who is not of the site is behind a router.
fn ip(from: [u8; 4], to: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((payload.len() as u16 + 20).to_be_bytes());
    packet.extend([0, 1, 0, 0, 64, protocol, 0, 0]);
    packet.extend(from.into_iter().chain(to));
    packet.extend(payload);
    let router = if from[..3] == VICTIM[..3] { from[3] } else { 0xfe };
    ethernet(card(to[3]), card(router), 0x0800, &packet)
}

fn udp(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
    let length = (payload.len() as u16 + 8).to_be_bytes();
    [&ports[..], &length, &[0, 0], payload].concat()
}

fn tcp((from, to): (u16, u16), flags: u8, (seq, ack): (u32, u32), payload: &[u8]) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend(seq.to_be_bytes().into_iter().chain(ack.to_be_bytes()));
    segment.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

/// One of many senders.
fn anybody(i: u32) -> [u8; 4] {
    let [a, b, c, d] = i.wrapping_mul(0x9e37_79b1).to_be_bytes();
    [20 + a % 100, b, c, d.clamp(1, 254)]
}

fn number(i: u32) -> u16 {
    1_024 + (i.wrapping_mul(40_503) % 60_000) as u16
}

/// RFC 2131: a discovery by the client with that hardware address.
fn discover(mac: [u8; 6], options: &[u8]) -> Vec<u8> {
    let mut message = vec![1, 1, 6, 0];
    message.extend(&mac[2..]);
    message.extend([0; 20]);
    message.extend(mac);
    message.resize(236, 0);
    message.extend([99, 130, 83, 99, 53, 1, 1]);
    message.extend(options);
    message.push(255);
    let mut packet = ip([0, 0, 0, 0], [255; 4], UDP, &udp(68, 67, &message));
    packet[..6].fill(0xff);
    packet[6..12].copy_from_slice(&mac);
    packet
}

fn made_up(i: u32) -> [u8; 6] {
    let [a, b, c, d] = i.wrapping_mul(0x9e37_79b1).to_be_bytes();
    [0x02, 0x4d, a, b, c, d]
}

#[test]
fn floods_of_many_conversations_name_the_target() {
    let flood = (20_000, 500);
    type Make = fn(u32) -> Vec<u8>;
    let cases: [(&str, Make); 4] = [
        ("UDP packets", |i| {
            ip(anybody(i), VICTIM, UDP, &udp(number(i), 30_000 + (i % 9_999) as u16, &[0xff; 32]))
        }),
        ("echo requests", |i| ip(anybody(i), VICTIM, ICMP, &[8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4])),
        ("TCP packets", |i| {
            let numbers = (i.wrapping_mul(77_777), 1);
            ip(anybody(i), VICTIM, TCP, &tcp((80, number(i)), 0x12, numbers, b""))
        }),
        ("TCP packets", |i| {
            let numbers = (i.wrapping_mul(77_777), 0);
            ip(anybody(i), VICTIM, TCP, &tcp((80, number(i)), 0x04, numbers, b""))
        }),
    ];
    for (what, make) in cases {
        let findings = Capture::default().many(0, flood, make).findings();
        assert_eq!(findings, [format!("packet-flood: 10.0.0.5 is flooded with {what}")]);
    }
}

#[test]
fn echo_requests_of_one_host_name_it() {
    let ask = |i: u32| {
        let [.., high, low] = i.to_be_bytes();
        ip([10, 0, 0, 66], VICTIM, ICMP, &[8, 0, 0, 0, 0, 7, high, low, 1, 2, 3, 4])
    };
    let findings = Capture::default().many(0, (20_000, 500), ask).findings();
    assert_eq!(findings, ["packet-flood: 10.0.0.66 floods 10.0.0.5 with echo requests"]);
    assert!(Capture::default().many(0, (600, 1_000_000), ask).findings().is_empty());
}

/// The victim answers a reader of registers: Modbus/TCP, section 6.3 of the application protocol.
fn talk(i: u32) -> Vec<u8> {
    exchange(i, &[1, 3, 0, 10, 0, 1], &[1, 3, 2, 0, 7])
}

/// It answers one who writes the same into the same register (section 6.6).
fn writes(i: u32) -> Vec<u8> {
    exchange(i, &[1, 6, 0, 10, 0, 1], &[1, 6, 0, 10, 0, 1])
}

/// A connection of questions and answers: a unit and what it is told.
fn exchange(i: u32, question: &[u8], answer: &[u8]) -> Vec<u8> {
    let hmi = [10, 0, 0, 9];
    let asks = |flags, numbers, message: &[u8]| {
        ip(hmi, VICTIM, TCP, &tcp((50_000, 502), flags, numbers, message))
    };
    let answers = |flags, numbers, message: &[u8]| {
        ip(VICTIM, hmi, TCP, &tcp((502, 50_000), flags, numbers, message))
    };
    let Some(round) = (i / 2).checked_sub(1) else {
        return if i == 0 { asks(0x02, (99, 0), b"") } else { answers(0x12, (499, 100), b"") };
    };
    let framed = |message: &[u8]| {
        [&[(round >> 8) as u8, round as u8, 0, 0, 0, message.len() as u8], message].concat()
    };
    let (question, answer) = (framed(question), framed(answer));
    let (seq, ack) = (100 + round * question.len() as u32, 500 + round * answer.len() as u32);
    if i.is_multiple_of(2) {
        asks(0x18, (seq, ack), &question)
    } else {
        answers(0x18, (ack, seq + question.len() as u32), &answer)
    }
}

#[test]
fn writes_that_were_only_counted_are_no_fewer() {
    // Sixteen within five minutes, then two thousand within a second.
    let capture =
        Capture::default()
            .many(0, (34, 9_000_000), writes)
            .many(400, (4_000, 200), |i| writes(34 + i));
    let fold = capture.into_fold(Fold::new());
    let links = fold.inventory.links();
    let link = links.iter().find(|link| link.protocol == "modbus").expect("a link");
    assert_eq!(link.operations["write"], 2_016);
    let findings = fold.findings();
    let found = |detector| findings.iter().find(|f| f.detector == detector).expect(detector);
    // It begins with the fiftieth, or with those counted before and told with the one after.
    let flood = found("command-flood");
    assert!((1_000..=2_000).contains(&flood.count), "{}", flood.count);
    let within = |e: &Evidence| matches!(e, Evidence::Count { count: 2_000, .. });
    assert!(flood.evidence().iter().any(within), "{:?}", flood.evidence());
}

#[test]
fn a_stream_counts_where_it_meets_a_controller() {
    let stream = |i: u32| {
        let payload = [&[0xee; 30][..], &i.to_be_bytes()].concat();
        ip([10, 0, 0, 66], VICTIM, UDP, &udp(5_004, 5_004, &payload))
    };
    let to_anybody = Capture::default().many(0, (60_000, 200), stream).findings();
    assert!(to_anybody.is_empty(), "{to_anybody:?}");
    let capture = Capture::default().many(0, (60, 100_000), talk).many(7, (60_000, 200), stream);
    let floods: Vec<_> =
        capture.findings().into_iter().filter(|one| one.starts_with("packet-flood")).collect();
    assert_eq!(floods, ["packet-flood: 10.0.0.66 floods 10.0.0.5 with UDP packets"]);
}

#[test]
fn empty_segments_of_no_connection_are_a_flood_of_a_controller() {
    for ports in [(5_555, 502), (502, 5_555)] {
        let empty = |_| ip([10, 0, 0, 66], VICTIM, TCP, &tcp(ports, 0x10, (1_000, 1), b""));
        let capture = Capture::default().many(0, (60, 100_000), talk).many(7, (60_000, 200), empty);
        let floods: Vec<_> =
            capture.findings().into_iter().filter(|one| one.starts_with("packet-flood")).collect();
        let title = "packet-flood: 10.0.0.66 floods 10.0.0.5 with TCP packets";
        assert_eq!(floods, [title], "{ports:?}");
    }
}

#[test]
fn requests_for_addresses_are_told_once() {
    let starves = |i: u32| discover(made_up(i), &[55, 3, 1, 3, 6]);
    let findings = Capture::default().many(0, (2_000, 5_000), starves).findings();
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.starts_with("service-flood"), "{finding}");
    assert!(finding.ends_with("made up (DHCP starvation)"), "{finding}");
    // Of vendors, so they may be real: nobody in particular is at it.
    let of_vendors = |i: u32| {
        let [.., a, b] = i.to_be_bytes();
        discover([0x00, 0x1b, 0x1b, 1, a, b], &[])
    };
    let findings = Capture::default().many(0, (2_000, 5_000), of_vendors).findings();
    let title = "DHCP servers are flooded with requests, the first from 00:1b:1b:01:00:00";
    assert_eq!(findings, [format!("service-flood: {title}")]);
    // A hall after a power failure.
    let telephones = Capture::default().many(0, (150, 60_000), of_vendors).findings();
    assert!(telephones.is_empty(), "{telephones:?}");
}

/// RFC 8415: the client asks all servers, and one answers.
fn addresses(server: u8, i: u32) -> Vec<u8> {
    let client_id = [0, 1, 0, 10, 0, 3, 0, 1, 0x00, 0x1b, 0x1b, 0, 0, 0x10];
    let server_id = [0, 2, 0, 10, 0, 3, 0, 1, 0x00, 0x1b, 0x1b, 0, 0, server];
    let link_local = |last: u8| {
        let mut address = [0; 16];
        (address[0], address[1], address[15]) = (0xfe, 0x80, last);
        address
    };
    let exchange = (i / 2) as u8;
    let (message, from, to, ports, card_of) = if i.is_multiple_of(2) {
        let mut all = link_local(2);
        (all[0], all[1], all[13], all[15]) = (0xff, 0x02, 1, 2);
        let message = [&[1, 0, 0, exchange][..], &client_id].concat();
        (message, link_local(0x10), all, (546, 547), card(0x10))
    } else {
        let message = [&[7, 0, 0, exchange][..], &client_id, &server_id].concat();
        (message, link_local(server), link_local(0x10), (547, 546), card(server))
    };
    let datagram = udp(ports.0, ports.1, &message);
    let length = (datagram.len() as u16).to_be_bytes();
    let packet = [&[0x60, 0, 0, 0][..], &length, &[UDP, 1], &from, &to, &datagram].concat();
    ethernet(card(0x02), card_of, 0x86dd, &packet)
}

#[test]
fn a_second_server_of_ipv6_addresses_is_told_by_its_address() {
    let learning = Fold::with(Detection::new(Phase::Learning));
    let usual = || Capture::default().many(0, (20, 500_000), |i| addresses(1, i));
    let baseline = usual().into_fold(learning).detection.into_baseline();
    let servers = |capture: Capture| {
        let detection = Detection::with_baseline(baseline.clone(), Phase::Learnt);
        let findings = capture.into_fold(Fold::with(detection)).findings();
        let own = findings.into_iter().filter(|f| f.detector == "address-server");
        own.map(|f| f.title).collect::<Vec<_>>()
    };
    assert!(servers(usual()).is_empty());
    let rogue = usual().many(3, (4, 500_000), |i| addresses(0x66, i));
    assert_eq!(servers(rogue), ["fe80::66 acts as a DHCPv6 server"]);
}
