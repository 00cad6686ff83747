//! Packets that no host sends in earnest, and packets that a capture cut.
//!
//! Not here: limits, see `limits.rs`. Invariant: what is read of them does not depend on packets
//! that never come.

use model::{Detail, Direction, Mac, Object, Time};
use sensor::{Event, Packet, Worker, WorkerSettings};
use wire::LinkType;

/// IPv4 in Ethernet: ends, protocol, identification with flags and offset, payload.
fn ip(from: [u8; 4], to: [u8; 4], protocol: u8, field: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0];
    frame.extend((payload.len() as u16 + 20).to_be_bytes());
    frame.extend([0, 9]);
    frame.extend(field.to_be_bytes());
    frame.extend([64, protocol, 0, 0]);
    frame.extend(from.into_iter().chain(to));
    frame.extend(payload);
    frame
}

/// Rules broken by these frames, each with its length on the wire, and the messages counted.
fn read(frames: &[(Vec<u8>, u32)]) -> (Vec<&'static str>, u64) {
    read_group("dns", frames)
}

fn read_group(group: &str, frames: &[(Vec<u8>, u32)]) -> (Vec<&'static str>, u64) {
    let mut worker = Worker::new(WorkerSettings::default());
    for (frame, (data, wire_len)) in (1..).zip(frames) {
        let (at, link) = (Time::from_secs(i64::try_from(frame).expect("few")), LinkType::Ethernet);
        worker.push(&Packet { at, frame, wire_len: *wire_len, link, data });
    }
    let mut rules = Vec::new();
    for stamped in worker.take_events() {
        if let Event::Observed(observation) = stamped.event
            && let Detail::Violation(violation) = observation.detail
        {
            rules.push(violation.rule);
        }
    }
    let rows = worker.take_tally().into_rows();
    (rules, rows.get(group).map_or(0, |rows| rows.iter().map(|row| row.count).sum()))
}

fn whole(frame: Vec<u8>) -> (Vec<u8>, u32) {
    let octets = frame.len() as u32;
    (frame, octets)
}

const HOST: [u8; 4] = [10, 0, 0, 1];
const OTHER: [u8; 4] = [10, 0, 0, 2];

#[test]
fn a_connection_with_itself_and_fragments_over_each_other_are_told() {
    let syn = [1, 0xf6, 1, 0xf6, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x20, 0, 0, 0, 0, 0];
    assert_eq!(read(&[whole(ip(HOST, HOST, 6, 0, &syn))]).0, ["tcp-land"]);
    assert!(read(&[whole(ip(HOST, OTHER, 6, 0, &syn))]).0.is_empty());
    let loopback = [127, 0, 0, 1];
    assert!(read(&[whole(ip(loopback, loopback, 6, 0, &syn))]).0.is_empty());

    let first = whole(ip(HOST, OTHER, 17, 0x2000, &[0; 32]));
    let across = whole(ip(HOST, OTHER, 17, 2, &[0; 4]));
    assert_eq!(read(&[first.clone(), across]).0, ["ip-fragments-overlap"]);
    assert!(read(&[first.clone(), first]).0.is_empty());
}

#[test]
fn a_first_fragment_that_the_capture_cut_is_read_as_far_as_it_goes() {
    // An answer from port 53 with one question, its records cut off.
    let mut datagram = vec![0, 53, 0xc0, 0, 0x08, 0, 0, 0];
    datagram.extend([0x12, 0x34, 0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0]);
    datagram.extend(b"\x04pump\x07example\0\0\x10\0\x01");
    datagram.resize(1_480, 0);
    let frame = ip(HOST, OTHER, 17, 0x2000, &datagram);
    let cut = (frame[..100].to_vec(), frame.len() as u32);
    assert_eq!(read(&[cut]), (vec![], 1));
    // Whole, it waits for the rest of its packet.
    assert_eq!(read(&[whole(frame)]), (vec![], 0));
}

/// A Modbus message with a header of 20 octets of TCP before it.
fn modbus(from_server: bool, sequence: u32, message: &[u8]) -> Vec<u8> {
    let (client, server) = ([0xc3, 0x50], [1, 0xf6]);
    let mut segment = if from_server { [server, client] } else { [client, server] }.concat();
    segment.extend(sequence.to_be_bytes());
    segment.extend([0, 0, 0, 0, 0x50, 0x18, 0x20, 0, 0, 0, 0, 0]);
    segment.extend(message);
    if from_server { ip(OTHER, HOST, 6, 0, &segment) } else { ip(HOST, OTHER, 6, 0, &segment) }
}

#[test]
fn messages_cut_by_the_snap_length_are_counted_and_those_behind_are_in_order() {
    let ask = |number, registers| [0, number, 0, 0, 0, 6, 1, 3, 0, 0, 0, registers];
    let mut long = vec![0, 1, 0, 0, 0, 123, 1, 3, 120];
    long.resize(129, 7);
    let cut = modbus(true, 1, &long);
    // The function is the eighth octet.
    for (there, counted) in [(16, 4), (8, 4), (7, 3)] {
        let frames = [
            whole(modbus(false, 1, &ask(1, 60))),
            (cut[..cut.len() - long.len() + there].to_vec(), cut.len() as u32),
            whole(modbus(false, 13, &ask(2, 1))),
            whole(modbus(true, 130, &[0, 2, 0, 0, 0, 5, 1, 3, 2, 0, 9])),
        ];
        assert_eq!(read_group("modbus", &frames), (vec![], counted), "{there}");
    }
}

#[test]
fn what_the_capture_cut_breaks_no_rule() {
    // POWERLINK: an identification of node 17 (EPSG DS 301, 7.3.3.2.1) up to its states.
    let mut frame = vec![1, 0x11, 0x1e, 0, 0, 4, 2, 0, 0, 0, 0, 2, 0x88, 0xab];
    frame.extend([6, 0xff, 0x11, 1, 0, 8, 0x1d, 0]);
    assert_eq!(read(&[whole(frame.clone())]).0.len(), 1);
    assert!(read(&[(frame, 200)]).0.is_empty());
}

/// Modbus: a read of one register, and the beginning of a write of sixteen.
const READ: [u8; 12] = [0, 1, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
const WRITE: [u8; 13] = [0, 2, 0, 0, 0, 39, 1, 16, 0, 0, 0, 16, 32];

#[test]
fn an_early_segment_that_the_capture_cut_is_passed_over_as_long_as_it_was() {
    let write = modbus(false, 25, &[&WRITE[..], &[7; 32]].concat());
    let frames = [
        whole(modbus(false, 1, &READ)),
        (write[..80].to_vec(), write.len() as u32),
        whole(modbus(false, 13, &READ)),
        whole(modbus(false, 70, &READ)),
    ];
    assert_eq!(read_group("modbus", &frames), (vec![], 4));
}

#[test]
fn a_length_beyond_a_whole_frame_passes_nothing_over() {
    let mut lie = modbus(false, 1, &READ);
    lie[16] = 0x80;
    let frames = [whole(lie), whole(modbus(false, 13, &READ))];
    assert_eq!(read_group("modbus", &frames).1, 2);
}

#[test]
fn a_tunnels_packet_in_pieces_is_read_as_far_as_its_first_goes() {
    let inside = |message: &[u8], sequence| {
        let packet = modbus(false, sequence, message).split_off(14);
        [&[0, 0, 8, 0][..], &packet].concat()
    };
    let write = inside(&[&WRITE[..], &[7; 32]].concat(), 1);
    let (first, second) = write.split_at(64);
    let frames = [
        whole(ip(HOST, OTHER, 47, 0x2000, first)),
        whole(ip(HOST, OTHER, 47, 8, second)),
        whole(ip(HOST, OTHER, 47, 0, &inside(&READ, 46))),
    ];
    assert_eq!(read_group("modbus", &frames), (vec![], 2));
}

#[test]
fn a_message_with_a_hole_in_it_ends_where_it_said() {
    // A write whose registers look like requests; the segment in its middle never comes.
    let write = [&WRITE[..], &READ, &[7; 20]].concat();
    let lost = [&READ[..], &[0; 8]].concat();
    let mut frames = vec![
        whole(modbus(false, 1, &READ)),
        whole(modbus(false, 13, &write[..20])),
        whole(modbus(false, 38, &lost)),
    ];
    frames.extend((0..2).map(|i| whole(modbus(false, 58 + i * 12, &READ))));
    for number in 1..=4 {
        let mut answer = modbus(true, number, &[]);
        answer[42..46].copy_from_slice(&82u32.to_be_bytes());
        frames.push(whole(answer));
    }
    assert_eq!(read_group("modbus", &frames).1, 3);
}

#[test]
fn what_frames_of_one_access_point_carry_is_looked_for_in_each() {
    // BACnet's access point: ten frames of something else, then Who-Is (ASHRAE 135, 16.10).
    let frame = |payload: &[u8]| {
        let mut frame = vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 2, 0, 11];
        frame.extend([0x82, 0x82, 3]);
        frame.extend(payload);
        whole(frame)
    };
    let mut frames = vec![frame(&[9; 8]); 10];
    frames.push(frame(&[1, 0x20, 0xff, 0xff, 0, 0xff, 0x10, 8]));
    assert_eq!(read_group("bacnet", &frames).1, 1);
}

/// A segment to port 44818, then nothing of it beyond `there` octets of what it says.
fn cut_enip(message: &[u8], there: usize) -> (Vec<u8>, u32) {
    let mut frame = modbus(false, 1, message);
    frame[36..38].copy_from_slice(&44_818u16.to_be_bytes());
    (frame[..54 + there].to_vec(), frame.len() as u32)
}

#[test]
fn services_that_would_begin_behind_the_cut_are_not_made_up() {
    // Send Unit Data with three services packed in one (Volume 1, A-4.10), cut in the second.
    let part = [0x4c, 2, 0x20, 0x6b, 0x25, 0, 1, 0];
    let mut cip = vec![0x0a, 2, 0x20, 2, 0x24, 1, 3, 0, 8, 0, 16, 0, 24, 0];
    (0..3).for_each(|_| cip.extend(part));
    let mut message = vec![0x70, 0];
    message.extend((22 + cip.len() as u16).to_le_bytes());
    message.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    message.extend([0, 0, 0, 0, 0, 0, 2, 0, 0xa1, 0, 4, 0, 9, 0, 0, 0, 0xb1, 0]);
    message.extend((2 + cip.len() as u16).to_le_bytes());
    message.extend([7, 0]);
    message.extend(cip);
    let whole = message.len();
    for (there, said) in [(whole, 4), (whole - 10, 3), (whole - 16, 2), (whole - 36, 1)] {
        let frames = [cut_enip(&message, there)];
        assert_eq!(read_group("enip", &frames).1, 1, "{there} octets");
        assert_eq!(read_group("cip", &frames).1, said, "{there} octets");
    }
}

#[test]
fn a_hello_that_the_capture_cut_has_no_print() {
    // RFC 8446, 4.1.2: one cipher, and an extension of forty octets.
    let mut hello = vec![3, 3];
    hello.extend([7; 32]);
    hello.extend([0, 0, 2, 0x13, 1, 1, 0, 0, 44, 0, 21, 0, 40]);
    hello.extend([0; 40]);
    let mut record = vec![22, 3, 1, 0, 4 + hello.len() as u8, 1, 0, 0, hello.len() as u8];
    record.extend(&hello);
    let frame = modbus(false, 1, &record);
    let cut = (frame[..frame.len() - 50].to_vec(), frame.len() as u32);
    for (frames, prints) in [([whole(frame)], 1), ([cut], 0)] {
        assert_eq!(read_group("tls_handshake", &frames).1, 1);
        assert_eq!(read_group("tls_ja3", &frames).1, prints);
    }
}

#[test]
fn a_long_message_that_the_capture_cut_is_passed_over_to_its_end() {
    // MQTT: connect, then a publication of 100,000 octets in four segments, each cut, then a ping.
    let mut publish = vec![0x30, 0xa0, 0x8d, 0x06, 0, 4];
    publish.extend(b"line");
    publish.resize(100_004, 0x50);
    let connect = [0x10, 14, 0, 4, b'M', b'Q', b'T', b'T', 4, 2, 0, 60, 0, 2, b'h', b'1'];
    let mut frames = vec![whole(modbus(false, 1, &connect))];
    let mut sequence = 17;
    for piece in publish.chunks(30_000) {
        let frame = modbus(false, sequence, piece);
        frames.push((frame[..128].to_vec(), frame.len() as u32));
        sequence += piece.len() as u32;
    }
    frames.push(whole(modbus(false, sequence, &[0xc0, 0])));
    assert_eq!(read_group("mqtt", &frames).1, 3);
}

/// A segment between a master and a controller, with numbers and flags as given.
fn segment(from_server: bool, numbers: (u32, u32), flags: u8, message: &[u8]) -> (Vec<u8>, u32) {
    let mut frame = modbus(from_server, numbers.0, message);
    frame[42..46].copy_from_slice(&numbers.1.to_be_bytes());
    frame[47] = flags;
    whole(frame)
}

const SYN: u8 = 2;
const ACK: u8 = 0x10;
const PUSH: u8 = 0x18;

/// A frame, and its length on the wire.
type Sent = (Vec<u8>, u32);

/// Asks and answers of one register each, from and to these numbers, and the numbers behind.
fn polls(count: u32, (mut client, mut server): (u32, u32)) -> (Vec<Sent>, (u32, u32)) {
    let mut frames = Vec::new();
    for number in 0..count as u8 {
        let ask = [0, number, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1];
        frames.push(segment(false, (client, server), PUSH, &ask));
        client += 12;
        let answer = [0, number, 0, 0, 0, 5, 1, 3, 2, 0, 9];
        frames.push(segment(true, (server, client), PUSH, &answer));
        server += 11;
    }
    (frames, (client, server))
}

#[test]
fn a_segment_that_the_receiver_drops_hides_nothing_behind_it() {
    const FAR: u32 = 1 << 20;
    let (mut frames, (client, server)) = polls(5, (1, 1));
    let (mut more, _) = polls(20, (client, server));
    let ahead = segment(false, (client + FAR, server), PUSH, b"?");
    let syn = segment(false, (client + FAR, 0), SYN, &[]);
    let challenge = segment(true, (server, client), ACK, &[]);
    for made_up in [vec![ahead.clone()], vec![syn.clone(), challenge], vec![syn.clone(), ahead]] {
        let all = [frames.clone(), made_up, more.clone()].concat();
        assert_eq!(read_group("modbus", &all), (vec![], 50));
    }
    // The same ports again, and the server agrees.
    let (client, server) = (client + FAR, 900_000);
    let answer = segment(true, (server, client + 1), SYN | ACK, &[]);
    let (anew, _) = polls(3, (client + 1, server + 1));
    more.extend([syn.clone(), syn, answer]);
    frames.extend(more.into_iter().chain(anew));
    assert_eq!(read_group("modbus", &frames), (vec![], 56));
}

#[test]
fn a_datagram_of_another_protocol_hides_nothing_behind_it() {
    let udp = |message: &[u8]| {
        let mut datagram = vec![0xc3, 0x50, 0x25, 0x80];
        datagram.extend((message.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(message);
        whole(ip(HOST, OTHER, 17, 0, &datagram))
    };
    let search = b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\n\
        MAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n";
    // OMRON FINS: stop (W342, 5-3-12), to node 2 from node 1.
    let stop = |number| udp(&[0x80, 0, 2, 0, 2, 0, 0, 1, 0, number, 4, 2]);
    let stops = || (1..=20).map(stop);
    assert_eq!(read_group("fins", &stops().collect::<Vec<_>>()).1, 20);
    for (first, count) in [(&search[..], 1), (b"\xff\xfe nothing at all", 9)] {
        let frames: Vec<_> = std::iter::repeat_n(udp(first), count).chain(stops()).collect();
        assert_eq!(read_group("fins", &frames).1, 20, "{first:?}");
    }
}

#[test]
fn a_first_message_of_small_numbers_hides_nothing_behind_it() {
    // As EtherNet/IP ends a session, on a port of Modbus: whatever it was, what follows is that.
    let mut first = vec![0x66, 0];
    first.resize(24, 0);
    let mut frames = vec![whole(modbus(false, 1, &first))];
    let mut sequence = 25;
    for number in 1..=3 {
        frames.push(whole(modbus(false, sequence, &[0x30, number, 0, 0, 0, 6, 1, 3, 0, 0, 0, 1])));
        sequence += 12;
    }
    assert_eq!(read_group("enip", &frames[..1]).1, 1);
    assert_eq!(read_group("modbus", &frames).1, 3);
}

#[test]
fn datagrams_that_the_capture_cut_behind_their_header_are_counted() {
    /// UDP between these ports, of which so many octets are there.
    fn cut((from, to): (u16, u16), message: &[u8], there: usize) -> (Vec<u8>, u32) {
        let mut datagram = [from.to_be_bytes(), to.to_be_bytes()].concat();
        datagram.extend((message.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(message);
        let (mut frame, octets) = whole(ip(HOST, OTHER, 17, 0, &datagram));
        frame.truncate(frame.len() - message.len() + there);
        (frame, octets)
    }
    // PROFINET: connect, to the interface of devices (IEC 61158-6-10, 4.10.3.2).
    let mut connect = vec![4, 0, 0x20, 0, 0x10, 0, 0, 0];
    connect.extend([0; 16]);
    connect.extend([1, 0, 0xa0, 0xde, 0x97, 0x6c, 0xd1, 0x11, 0x82, 0x71, 0, 0xa0, 0x24, 0x42]);
    connect.extend([0xdf, 0x7d]);
    connect.extend([0; 34]);
    connect.extend([100, 0, 0, 0, 0, 0]);
    assert_eq!(connect.len(), 80);
    connect.resize(180, 0);
    // PTP: a Sync; HART-IP: command 0 to the device polled as 0.
    let mut sync = vec![0, 2, 0, 44];
    sync.resize(44, 0);
    let command = [1, 0, 3, 0, 0, 2, 0, 13, 2, 0x80, 0, 0, 0x82];
    for (group, ports, message, there) in [
        ("pn_io", (50_000, 34_964), &connect[..], 90),
        ("ptp", (319, 319), &sync, 36),
        ("hart_ip", (50_000, 5_094), &command, 10),
    ] {
        for there in [there, message.len()] {
            let frames = [cut(ports, message, there), cut(ports, message, there)];
            assert_eq!(read_group(group, &frames), (vec![], 2), "{group}");
        }
    }
}

#[test]
fn files_are_followed_to_the_port_their_server_sends_them_from() {
    let udp = |(from, to): ([u8; 4], [u8; 4]), (source, destination): (u16, u16), says: &[u8]| {
        let mut datagram = [source.to_be_bytes(), destination.to_be_bytes()].concat();
        datagram.extend((says.len() as u16 + 8).to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(says);
        whole(ip(from, to, 17, 0, &datagram))
    };
    let (asks, answers) = ((HOST, OTHER), (OTHER, HOST));
    let block = b"\0\x03\0\x01a short one";
    let transfer = [
        udp(asks, (4_000, 69), b"\0\x01a.cfg\0octet\0"),
        udp(answers, (5_000, 4_000), block),
        udp(asks, (4_000, 5_000), b"\0\x04\0\x01"),
    ];
    assert_eq!(read_group("tftp", &transfer).1, 3);
    // Without the request they may be anything.
    assert_eq!(read_group("tftp", &transfer[1..]).1, 0);
    let elsewhere = [transfer[0].clone(), udp(answers, (5_000, 4_001), block)];
    assert_eq!(read_group("tftp", &elsewhere).1, 1);
}

#[test]
fn keep_alives_that_a_capture_begins_with_are_no_messages() {
    // Both ends send one, as their octets before what comes next; then one is asked.
    let tcp = |ports: [u8; 4], sequence: u32, acknowledged: u32, data: &[u8]| {
        let mut segment = ports.to_vec();
        segment.extend(sequence.to_be_bytes().into_iter().chain(acknowledged.to_be_bytes()));
        segment.extend([0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        segment.extend(data);
        segment
    };
    let command = [0x68, 14, 6, 0, 32, 0, 45, 1, 6, 0, 1, 0, 7, 0, 0, 0];
    let station = |at, wants, data: &[u8]| {
        whole(ip(HOST, OTHER, 6, 0, &tcp([0x09, 0x64, 0xc3, 0x50], at, wants, data)))
    };
    let master = |at, wants, data: &[u8]| {
        whole(ip(OTHER, HOST, 6, 0, &tcp([0xc3, 0x50, 0x09, 0x64], at, wants, data)))
    };
    let frames = [
        station(499, 900, &[0]),
        master(900, 500, &[]),
        master(899, 500, &[0]),
        station(500, 900, &[]),
        master(900, 500, &command),
        station(500, 916, &command),
    ];
    assert_eq!(read_group("iec104_apci", &frames), (vec![], 2));
    // Of one side alone the octet comes after what tells the protocol.
    let frames = [station(500, 900, &command), master(899, 516, &[0]), master(900, 516, &command)];
    assert_eq!(read_group("iec104_apci", &frames), (vec![], 2));
}

#[test]
fn a_request_behind_a_hole_is_read_before_its_answer() {
    let request = |number: u8| [0, number, 0, 0, 0, 6, 1, 3, 0, number, 0, 1];
    let answer = |number: u8| [0, number, 0, 0, 0, 5, 1, 3, 2, 0, 7];
    let frames = [
        (false, 1_000u32, 500u32, request(1).to_vec()),
        (true, 500, 1_012, answer(1).to_vec()),
        // What the client sent before it is not in the capture.
        (false, 1_024, 511, request(3).to_vec()),
        (true, 511, 1_036, answer(3).to_vec()),
    ];
    let mut worker = Worker::new(WorkerSettings::default());
    for (frame, (back, sequence, acknowledged, data)) in (1..).zip(frames) {
        let ports = [[0xc3, 0x50, 1, 0xf6], [1, 0xf6, 0xc3, 0x50]][usize::from(back)];
        let mut segment = ports.to_vec();
        segment.extend(sequence.to_be_bytes().into_iter().chain(acknowledged.to_be_bytes()));
        segment.extend([0x50, 0x18, 1, 0, 0, 0, 0, 0]);
        segment.extend(data);
        let (from, to) = if back { (OTHER, HOST) } else { (HOST, OTHER) };
        let (data, wire_len) = whole(ip(from, to, 6, 0, &segment));
        let (at, link) = (Time::from_secs(frame.try_into().expect("few")), LinkType::Ethernet);
        worker.push(&Packet { at, frame, wire_len, link, data: &data });
    }
    let operations = worker.take_events().into_iter().filter_map(|stamped| match stamped.event {
        Event::Observed(observation) => match observation.detail {
            Detail::Operation(operation) => {
                // Both ends are behind one router, so whose frame it was shows.
                assert_eq!(observation.from.mac, Some(Mac([2, 0, 0, 0, 0, 2])));
                Some((operation.direction, operation.object))
            }
            _ => None,
        },
        _ => None,
    });
    let of = |number| Object::Range { area: "holding-register", block: 1, first: number, count: 1 };
    let said: Vec<_> = operations.collect();
    let expected = [
        (Direction::Request, of(1)),
        (Direction::Response, of(1)),
        (Direction::Request, of(3)),
        (Direction::Response, of(3)),
    ];
    assert_eq!(said, expected);
}

#[test]
fn who_answers_from_another_mac_than_was_asked_is_known_by_its_hops() {
    let ask = ip(HOST, OTHER, 17, 0, &[0x27, 0x10, 0x27, 0x11, 0, 12, 0, 0, 1, 2, 3, 4]);
    let mut answer = ip(OTHER, HOST, 17, 0, &[0x27, 0x11, 0x27, 0x10, 0, 12, 0, 0, 1, 2, 3, 4]);
    // The address of two routers was asked; one of them passes on what comes back.
    answer[..12].copy_from_slice(&[2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 7]);
    answer[22] = 61;
    let mut worker = Worker::new(WorkerSettings::default());
    for (frame, data) in (1..).zip([&ask, &answer, &answer]) {
        let (at, wire_len) = (Time::from_secs(1), data.len() as u32);
        worker.push(&Packet { at, frame, wire_len, link: LinkType::Ethernet, data });
    }
    let said: Vec<_> = worker
        .take_events()
        .into_iter()
        .filter_map(|stamped| match stamped.event {
            Event::Sends(sends) => Some((sends.from.mac, sends.hops)),
            _ => None,
        })
        .collect();
    let mac = |last| Some(Mac([2, 0, 0, 0, 0, last]));
    assert_eq!(said, [(mac(2), Some(64)), (mac(7), Some(61))]);
}
