//! Connections of one conversation, messages that are not answered, and what is no EtherNet/IP.

use super::{ENIP, dissect::Conversation, wire::Header};
use crate::{Carrier, Dissector, Hint, Output, Probe, Progress, Protocol, Segment, Side};
use model::{Detail, PointValue, Route, Scalar, Subject, Time};

const ROUTER: &[u8] = &[0x20, 2, 0x24, 1];
const MANAGER: &[u8] = &[0x20, 6, 0x24, 1];
/// A value of four octets: 7.
const SEVEN: [u8; 6] = [0xc4, 0, 7, 0, 0, 0];

fn enip(command: u16, data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let header = Header { command, length, session: 1, status: 0, context: 0, options: 0 };
    [header.emit(), data.to_vec()].concat()
}

fn carried(command: u16, items: [(u16, Vec<u8>); 2]) -> Vec<u8> {
    let mut data = vec![0, 0, 0, 0, 0, 0, 2, 0];
    for (kind, item) in items {
        data.extend(kind.to_le_bytes());
        data.extend((item.len() as u16).to_le_bytes());
        data.extend(item);
    }
    enip(command, &data)
}

fn unconnected(cip: Vec<u8>) -> Vec<u8> {
    carried(0x6f, [(0, vec![]), (0xb2, cip)])
}

fn connected(connection: u32, sequence: u16, cip: &[u8]) -> Vec<u8> {
    let address = connection.to_le_bytes().to_vec();
    carried(0x70, [(0xa1, address), (0xb1, [&sequence.to_le_bytes()[..], cip].concat())])
}

fn request(service: u8, path: &[u8], data: &[u8]) -> Vec<u8> {
    [&[service, (path.len() / 2) as u8][..], path, data].concat()
}

fn answer(service: u8, data: &[u8]) -> Vec<u8> {
    [&[service | 0x80, 0, 0, 0][..], data].concat()
}

/// Reads one element of a tag with a name of three letters.
fn reads(name: &[u8; 3]) -> Vec<u8> {
    request(0x4c, &[&[0x91, 3][..], name, &[0]].concat(), &[1, 0])
}

fn says(value: u8) -> Vec<u8> {
    answer(0x4c, &[0xc4, 0, value, 0, 0, 0])
}

#[derive(Default)]
struct Talk {
    conversation: Conversation,
    seconds: i64,
    counts: Vec<String>,
    values: Vec<(String, PointValue)>,
    /// Whom identities are about.
    about: Vec<Subject>,
    limits: Vec<&'static str>,
}

impl Talk {
    fn feed(&mut self, from: Side, bytes: &[u8]) {
        let mut out = Output::new(true);
        let at = Time::from_secs(self.seconds);
        let segment = Segment { at, ..Segment::of(bytes, from, Carrier::Tcp) };
        assert_eq!(self.conversation.feed(segment, &mut out), Progress::Consumed(bytes.len()));
        for message in out.messages.iter().filter(|m| m.group.name != "enip") {
            let keys = message.keys.iter().take(message.group.keys.len()).map(|key| match key {
                Scalar::Number(number) => format!("{number:x}"),
                Scalar::Word(word) => (*word).to_owned(),
                other => format!("{other:?}"),
            });
            let keys: Vec<String> = keys.collect();
            self.counts.push(format!("{} {}", message.group.name, keys.join(" ")));
        }
        self.limits.append(&mut out.limits);
        for o in out.observed {
            match o.detail {
                Detail::Value { point, value, .. } => self.values.push((point.0.into(), value)),
                Detail::Identity(identity) => self.about.push(identity.subject),
                _ => {}
            }
        }
    }

    fn asks(&mut self, bytes: &[u8]) {
        self.feed(Side::Client, bytes);
    }

    fn answers(&mut self, bytes: &[u8]) {
        self.feed(Side::Server, bytes);
    }

    /// Opens a connection to the end of a path; the target gives it one number, the originator
    /// the other.
    fn opens(&mut self, path: &[u8], number: u32, back: u32) {
        let mut data = vec![5, 0xf9, 0, 0, 0, 0];
        data.extend(back.to_le_bytes());
        data.extend((number as u16).to_le_bytes());
        data.extend([0x4d, 0, 1, 2, 3, 4]);
        data.extend([0; 16]);
        data.extend([0xa3, (path.len() / 2) as u8]);
        data.extend(path);
        self.asks(&unconnected(request(0x54, MANAGER, &data)));
        let numbers = [number.to_le_bytes(), back.to_le_bytes(), [0; 4]].concat();
        self.answers(&unconnected(answer(0x54, &numbers)));
        self.counts.clear();
    }

    fn told(&self) -> Vec<(&str, u64)> {
        let number = |value: &PointValue| match value {
            PointValue::Int(number) => *number as u64,
            other => panic!("{other:?}"),
        };
        self.values.iter().map(|(point, value)| (point.as_str(), number(value))).collect()
    }
}

#[test]
fn a_tag_on_a_connection_is_for_the_object_at_its_end() {
    let mut talk = Talk::default();
    talk.opens(ROUTER, 0xaaaa, 0x1111);
    talk.asks(&connected(0xaaaa, 1, &reads(b"ABC")));
    assert_eq!(talk.counts, ["cip 4c request 2", "cip_class_requested 2"]);
    // One service packed in another, each with a class; two in one, and nobody knows whose is
    // which.
    let tag = reads(b"ABC");
    let one = request(0x0a, ROUTER, &[&[1, 0, 4, 0][..], &tag].concat());
    let two = [&[2, 0, 6, 0, 6 + tag.len() as u8, 0][..], &tag, &tag].concat();
    for (packed, class, times) in [(one, "2", 1), (request(0x0a, ROUTER, &two), "Null", 2)] {
        talk.counts.clear();
        talk.asks(&connected(0xaaaa, 2, &packed));
        let tags = talk.counts.iter().filter(|c| **c == format!("cip 4c request {class}"));
        assert_eq!(tags.count(), times, "{:?}", talk.counts);
    }
    talk.counts.clear();
    talk.asks(&connected(0xaaaa, 3, &request(3, &[0x20, 0x6b], &[])));
    assert_eq!(talk.counts[0], "cip 3 request 6b", "its own class goes before");
}

#[test]
fn answers_on_two_connections_are_told_apart() {
    let mut talk = Talk::default();
    talk.opens(ROUTER, 0xaaaa, 0x1111);
    talk.opens(ROUTER, 0xbbbb, 0x2222);
    talk.asks(&connected(0xaaaa, 9, &reads(b"ABC")));
    talk.asks(&connected(0xbbbb, 9, &reads(b"XYZ")));
    talk.answers(&connected(0x2222, 9, &says(99)));
    talk.answers(&connected(0x1111, 9, &says(11)));
    assert_eq!(talk.told(), [("XYZ", 99), ("ABC", 11)]);
    // Of a connection that was opened before, the number of the message is all there is.
    talk.asks(&connected(0xcccc, 9, &reads(b"OLD")));
    talk.answers(&connected(0x3333, 9, &says(5)));
    assert_eq!(talk.told().last(), Some(&("OLD", 5)));
}

#[test]
fn what_is_sent_to_other_objects_is_no_service() {
    let mut talk = Talk::default();
    talk.opens(&[0x20, 0xa6, 0x24, 1], 0xaaaa, 0x1111);
    talk.asks(&connected(0xaaaa, 1, &[0, 0, 1, 0, 2, 0, 3, 0, 15, 0]));
    talk.answers(&connected(0x1111, 1, &[0, 0, 1, 0, 2, 0, 3, 0, 0x4f, 0]));
    assert_eq!(talk.counts, [""; 0]);
}

/// An Unconnected Send of a request, along a path of whole words.
fn sent(request: &[u8], path: &[u8]) -> Vec<u8> {
    let mut data = vec![10, 5];
    data.extend((request.len() as u16).to_le_bytes());
    data.extend(request);
    data.extend([(path.len() / 2) as u8, 0]);
    data.extend(path);
    self::request(0x52, MANAGER, &data)
}

/// Its own serial number, asked of an identity object and answered.
fn identifies(talk: &mut Talk, path: &[u8]) {
    talk.asks(&unconnected(sent(&request(0x0e, &[0x20, 1, 0x24, 1, 0x30, 6], &[]), path)));
    talk.answers(&unconnected(answer(0x0e, &[1, 2, 3, 4])));
}

#[track_caller]
fn way(text: &str) -> Subject {
    Subject::sender_at(text.parse::<Route>().expect("a route").place())
}

#[test]
fn two_devices_behind_one_bridge_are_told_apart() {
    let mut talk = Talk::default();
    let far = |last: &[u8]| [&[1, 3, 0x12, 8][..], b"10.1.2.", last].concat();
    for path in [far(b"3"), far(b"4"), [&far(b"4")[..], &[1, 0]].concat(), vec![1, 3], vec![]] {
        identifies(&mut talk, &path);
    }
    let ways = ["1/3,2/10.1.2.3", "1/3,2/10.1.2.4", "1/3,2/10.1.2.4,1/0", "1/3", ""];
    assert_eq!(talk.about, ways.map(way));
    assert_eq!(talk.about[3..], [Subject::SenderModule { slot: 3 }, Subject::Sender]);
}

#[test]
fn a_device_too_far_away_to_be_named_is_not_taken_for_another() {
    let mut talk = Talk::default();
    identifies(&mut talk, &[1, 3].repeat(40));
    assert_eq!((&*talk.about, &*talk.limits), (&[][..], &["cip-route-long"][..]));
}

#[test]
fn on_a_connection_the_way_goes_on_from_its_end() {
    let mut talk = Talk::default();
    talk.opens(&[&[1, 3, 0x12, 8][..], b"10.1.2.3", ROUTER].concat(), 0xaaaa, 0x1111);
    let serial = request(0x0e, &[0x20, 1, 0x24, 1, 0x30, 6], &[]);
    talk.asks(&connected(0xaaaa, 1, &serial));
    talk.answers(&connected(0x1111, 1, &answer(0x0e, &[1, 2, 3, 4])));
    talk.asks(&connected(0xaaaa, 2, &sent(&serial, &[1, 0])));
    talk.answers(&connected(0x1111, 2, &answer(0x0e, &[1, 2, 3, 4])));
    assert_eq!(talk.about, ["1/3,2/10.1.2.3", "1/3,2/10.1.2.3,1/0"].map(way));
}

#[test]
fn a_request_that_is_never_answered_takes_no_later_answer() {
    let mut talk = Talk::default();
    talk.asks(&unconnected(reads(b"OLD")));
    talk.seconds = 2;
    talk.asks(&unconnected(reads(b"ABC")));
    talk.asks(&unconnected(reads(b"XYZ")));
    talk.answers(&unconnected(says(1)));
    talk.answers(&unconnected(says(2)));
    assert_eq!(talk.told(), [("ABC", 1), ("XYZ", 2)], "two at once are answered in order");
}

#[test]
fn the_path_in_a_question_for_a_connections_owner_is_counted() {
    let mut talk = Talk::default();
    talk.asks(&unconnected(request(0x5a, MANAGER, &[0, 2, 0x20, 4, 0x24, 0x65])));
    let wanted = ["cip 5a request Null", "cip_class_requested 6", "cip_class_requested 4"];
    assert_eq!(talk.counts, wanted);
}

#[test]
fn rare_commands_end_no_conversation() {
    for command in [0x72, 0x73, 0xc8] {
        Talk::default().asks(&enip(command, &[0; 4]));
    }
}

#[track_caller]
fn named(message: &[u8], port: bool, expected: Probe) {
    let hint = Hint { carrier: Carrier::Tcp, port, from: Side::Client, missing: 0 };
    assert_eq!(ENIP.probe(message, hint), expected, "{message:02x?}");
}

#[test]
fn small_numbers_and_zeros_are_another_protocols_answer() {
    for transaction in [0x04, 0x63, 0x64, 0x66] {
        // Modbus/TCP: ten registers read, all zero.
        let mut modbus = vec![transaction, 0, 0, 0, 0, 23, 1, 3, 20];
        modbus.resize(29, 0);
        named(&modbus, false, Probe::NoMatch);
        named(&enip(transaction.into(), &[]), false, Probe::Match);
    }
    named(&enip(0x65, &[1, 0, 0, 0]), false, Probe::Match);
    named(&enip(0x65, &[0; 4]), false, Probe::NoMatch);
    named(&enip(0x65, &[0; 4]), true, Probe::Match);
    named(&unconnected(answer(0x4c, &SEVEN)), false, Probe::Match);
    named(&connected(1, 1, &answer(0x4c, &SEVEN)), false, Probe::Match);
    named(&enip(0x6f, &[0; 12]), false, Probe::NoMatch);
}
