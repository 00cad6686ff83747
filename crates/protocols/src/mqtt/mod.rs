//! MQTT 3.1, 3.1.1 and 5: clients, log-ons, topics, and values in payloads, Sparkplug B among
//! them.
//!
//! Not here: MQTT-SN, MQTT over WebSocket. Invariant: a password is compared with those vendors
//! ship and dropped.

mod limits;
mod sparkplug;
pub(crate) mod values;
pub mod wire;

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Malformed, Output, Probe, Progress,
    Protocol, Segment, output::Op, text,
};
use limits::{ALIASES_MAX, HEAD_OCTETS, METRIC_ALIASES_MAX, TOPICS_MAX, WHOLE_OCTETS_MAX};
use model::{Authentication, OperationClass, Quality, Scalar, Subject};
use std::{collections::BTreeMap, sync::Arc};
use wire::{
    AUTH, CONNACK, CONNECT, Connect, DISCONNECT, Header, PUBACK, PUBLISH, PUBREC, Publish, SUBACK,
    SUBSCRIBE, UNSUBSCRIBE,
};

pub static MQTT_GROUP: Group = Group { name: "mqtt", ends: Ends::Pair, keys: &["msgtype"] };
pub static MQTT_TOPIC_GROUP: Group =
    Group { name: "mqtt_topic", ends: Ends::Source, keys: &["topic"] };

pub struct Mqtt;
pub static MQTT: Mqtt = Mqtt;

static ABOUT: About = About {
    name: "mqtt",
    title: "MQTT, Sparkplug B",
    specs: &["OASIS MQTT 5.0", "OASIS MQTT 3.1.1", "Eclipse Sparkplug 3.0"],
    carriers: &[Carrier::Tcp],
    ports: &[1_883],
    groups: &[&MQTT_GROUP, &MQTT_TOPIC_GROUP],
    depth: "clients, log-ons, wills, topics, values in text and JSON, Sparkplug B metrics",
};

impl Protocol for Mqtt {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let header = match Header::parse(head) {
            None if head.is_empty() || head.first() == Some(&0x10) => return Probe::NeedMore,
            None | Some(Err(())) => return Probe::NoMatch,
            Some(Ok(header)) => header,
        };
        let body = head.get(header.octets..).unwrap_or_default();
        // Short packets are met by chance, so nothing or another packet must stand behind them.
        let behind = body.get(header.rest..);
        let whole = behind.is_some_and(|b| b.is_empty() || matches!(Header::parse(b), Some(Ok(_))));
        match (header.kind, body) {
            (CONNECT, [0, 4, b'M', b'Q', b'T', b'T', ..]) => Probe::MatchClient,
            (CONNECT, [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', ..]) => Probe::MatchClient,
            (CONNECT, body) if body.len() < 8 => Probe::NeedMore,
            (CONNECT, _) => Probe::NoMatch,
            (CONNACK, [0 | 1, ..]) if hint.port && header.rest < 128 => Probe::MatchServer,
            (PUBLISH, [high, low, topic @ ..]) if hint.port => {
                let length = usize::from(u16::from_be_bytes([*high, *low]));
                let topic = topic.get(..length).unwrap_or(topic);
                let texty = topic.iter().all(|b| *b >= 0x20) && !topic.is_empty();
                let fits = length.saturating_add(2) <= header.rest;
                if texty && fits { Probe::Match } else { Probe::NoMatch }
            }
            (4..=7 | 9 | 11, [_, _, ..]) if hint.port && whole && header.rest < 64 => Probe::Match,
            (SUBSCRIBE | UNSUBSCRIBE, [_, _, 0, _, ..]) if hint.port => Probe::MatchClient,
            (12..=14, _) if hint.port && whole && header.rest == 0 => Probe::Match,
            // Success, continue, authenticate again (version 5, 3.15.2.1).
            (AUTH, [0 | 0x18 | 0x19, ..]) if hint.port && whole => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    /// Version as CONNECT says it; 0 where that was not seen.
    level: u8,
    /// The client sent packets, and none of them was CONNECT.
    asked_before: bool,
    /// Octets of a long payload still to be skipped, by side.
    skip: [usize; 2],
    applicant: Option<Authentication>,
    /// Topics seen, so that counting one again allocates nothing.
    topics: BTreeMap<Box<[u8]>, Arc<str>>,
    /// Topics by alias and side (version 5).
    aliases: BTreeMap<(u8, u16), Arc<str>>,
    /// Sparkplug metrics by place and name or alias: what a birth says of them.
    metrics: BTreeMap<(Box<str>, Metric), Born>,
}

/// How data refer to a metric of a birth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Metric {
    Alias(u64),
    Name(Box<str>),
}

struct Born {
    name: Box<str>,
    kind: u64,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let side = segment.from as usize;
        if let Some(skip) = self.skip.get_mut(side)
            && *skip > 0
        {
            let skipped = (*skip).min(bytes.len());
            *skip = skip.saturating_sub(skipped);
            return Progress::Consumed(skipped);
        }
        let header = match Header::parse(bytes) {
            None => {
                return Progress::NeedMore { consumed: 0, needed: bytes.len().saturating_add(1) };
            }
            Some(Err(())) => return Progress::GiveUp(Malformed::new("mqtt-header-invalid")),
            Some(Ok(header)) => header,
        };
        let whole = header.octets.saturating_add(header.rest);
        let needed = if whole > WHOLE_OCTETS_MAX { HEAD_OCTETS } else { whole };
        let Some(packet) = bytes.get(..needed) else {
            return Progress::NeedMore { consumed: 0, needed };
        };
        if let Some(skip) = self.skip.get_mut(side) {
            *skip = whole.saturating_sub(needed);
        }
        out.begin("mqtt", 0..needed);
        out.count(&MQTT_GROUP, [Scalar::Number(u64::from(header.kind))]);
        let body = packet.get(header.octets..).unwrap_or_default();
        let there = body.len().saturating_sub(segment.filled);
        if let Err(malformed) = self.packet(&header, side as u8, (body, there), out) {
            let says = "an MQTT packet that cannot be read";
            out.violation(malformed.reason, says, "MQTT 5.0, 3");
        }
        Progress::Consumed(needed)
    }

    fn gap(&mut self, gap: Gap) {
        if let Some(skip) = self.skip.get_mut(gap.from as usize) {
            *skip = gap.left_of(*skip);
        }
    }
}

impl Conversation {
    /// Of the body so many octets are there; zeros stand for the others.
    fn packet(
        &mut self,
        header: &Header,
        side: u8,
        (body, there): (&[u8], usize),
        out: &mut Output,
    ) -> Result<(), Malformed> {
        let number = u32::from(header.kind);
        if header.kind == CONNECT && self.asked_before {
            let says = "a client that asked for something before it connected";
            out.violation("mqtt-packet-before-connect", says, "MQTT 3.1.1, 3.1.0-1");
        }
        self.asked_before |= header.kind != CONNECT && side == crate::Side::Client as u8;
        match header.kind {
            CONNECT => {
                self.connect(Connect::parse(body)?, out);
                // Who logs on is no name with zeros in it.
                self.applicant.take_if(|_| there < body.len());
            }
            CONNACK => self.accepted(body, out),
            PUBLISH => {
                // Only version 5 lets a topic be empty, where an alias stands for it (3.3.2.1).
                if self.level == 0 && matches!(body, [0, 0, ..]) {
                    self.level = 5;
                }
                let mut publish = Publish::parse(body, header.flags, self.level)?;
                if publish.topic.len().saturating_add(2) > there {
                    return Ok(());
                }
                let before = body.len().saturating_sub(publish.payload.len());
                publish.alias.take_if(|_| before > there);
                self.publish(&publish, side, out);
            }
            SUBSCRIBE | UNSUBSCRIBE => {
                let subscribe = header.kind == SUBSCRIBE;
                let (class, name) = match subscribe {
                    true => (OperationClass::Read, "subscribe"),
                    false => (OperationClass::Session, "unsubscribe"),
                };
                if self.level == 0 && there == body.len() {
                    self.level = wire::level_of(body, subscribe).unwrap_or_default();
                }
                let body = body.get(..there).unwrap_or(body);
                for filter in wire::filters(body, self.level, subscribe)? {
                    let filter = filter?;
                    out.operation(Op::request(class, number, name).named("topic", &filter));
                    out.count(&MQTT_TOPIC_GROUP, [Scalar::Shared(filter.into())]);
                }
            }
            SUBACK | PUBACK | PUBREC => self.acknowledged(number, body, out),
            DISCONNECT => {
                out.operation(Op::notice(OperationClass::Session, number, "disconnect"));
            }
            _ => {}
        }
        Ok(())
    }

    /// What came of a subscription, or of what was published.
    fn acknowledged(&self, number: u32, body: &[u8], out: &mut Output) {
        let bad = |code: &u8| *code >= 0x80;
        if number == u32::from(SUBACK) {
            // A reason of 0x80 and more is a refusal (3.9.3), of one of several filters.
            let codes = body.get(wire::before_codes(body, self.level)..).unwrap_or_default();
            let op = Op::response(OperationClass::Read, number, "subscribe");
            return out.operation(match codes.iter().copied().find(bad) {
                Some(code) => op.refused(u32::from(code), "subscription refused"),
                None => op.done(),
            });
        }
        // Only version 5 says what came of it, and nothing where all is well (3.4.2.1).
        if let Some(code) = body.get(2).copied().filter(bad) {
            let op = Op::response(OperationClass::Report, number, "publish");
            let name = if code == 0x87 { "not authorized" } else { "publish refused" };
            out.operation(op.refused(u32::from(code), name));
        }
    }

    fn connect(&mut self, connect: Connect, out: &mut Output) {
        self.level = connect.level;
        let op = Op::request(OperationClass::Session, u32::from(CONNECT), "connect");
        out.operation(op.named("client", &connect.client));
        let version = match connect.level {
            3 => "3.1",
            4 => "3.1.1",
            5 => "5.0",
            _ => "",
        };
        let facts = [
            ("mqtt_client_id", connect.client),
            ("mqtt_version", version.to_owned()),
            ("mqtt_will_topic", connect.will.unwrap_or_default()),
        ];
        out.identity(Subject::Sender, "MQTT connect", facts);
        let password = connect.password.unwrap_or_default();
        let shipped: [&[u8]; 7] =
            [b"public", b"admin", b"password", b"guest", b"mosquitto", b"1234", b"hivemq"];
        self.applicant = Some(Authentication {
            user: connect.user.map(String::into_boxed_str),
            accepted: None,
            clear_text: !password.is_empty(),
            default_password: shipped.contains(&password.as_slice()),
            method: if password.is_empty() { "mqtt anonymous" } else { "mqtt password" },
        });
    }

    /// 3.2.2.2; codes of 3.1.1 are 1 to 5, those of version 5 begin at 0x80.
    fn accepted(&mut self, body: &[u8], out: &mut Output) {
        let code = body.get(1).copied().unwrap_or_default();
        let op = Op::response(OperationClass::Session, u32::from(CONNACK), "connect");
        let name = match code {
            0 => "accepted",
            1 | 0x84 => "protocol version not supported",
            2 | 0x85 => "client identifier not valid",
            3 | 0x88 => "server unavailable",
            4 | 0x86 => "bad user name or password",
            5 | 0x87 => "not authorized",
            0x8a => "banned",
            _ => "refused",
        };
        out.operation(if code == 0 { op.done() } else { op.refused(u32::from(code), name) });
        if let Some(mut applicant) = self.applicant.take() {
            applicant.accepted = Some(code == 0);
            out.authentication(applicant);
        }
    }

    fn topic(&mut self, octets: &[u8]) -> Arc<str> {
        if let Some(known) = self.topics.get(octets) {
            return known.clone();
        }
        let topic: Arc<str> = text::lossy(octets).into();
        if self.topics.len() < TOPICS_MAX {
            self.topics.insert(octets.into(), topic.clone());
        }
        topic
    }

    fn publish(&mut self, publish: &Publish<'_>, side: u8, out: &mut Output) {
        let given = self.topic(publish.topic);
        let topic = match publish.alias {
            None => given,
            Some(alias) if given.is_empty() => {
                let known = self.aliases.get(&(side, alias)).cloned();
                known.unwrap_or(given)
            }
            Some(alias) => {
                if self.aliases.len() < ALIASES_MAX {
                    self.aliases.insert((side, alias), given.clone());
                } else {
                    out.limit("mqtt-topic-aliases");
                }
                given
            }
        };
        if !topic.is_empty() {
            out.count(&MQTT_TOPIC_GROUP, [Scalar::Shared(topic.clone())]);
        }
        let sparkplug = sparkplug::Topic::parse(&topic);
        let number = u32::from(PUBLISH);
        let op = match sparkplug {
            Some(s) if s.is_command() => Op::request(OperationClass::Write, number, "command"),
            Some(s) if s.kind.ends_with("BIRTH") => {
                Op::notice(OperationClass::Session, number, "birth")
            }
            Some(s) if s.kind.ends_with("DEATH") => {
                Op::notice(OperationClass::Session, number, "death")
            }
            _ => Op::notice(OperationClass::Report, number, "publish"),
        };
        out.operation(op.named("topic", &topic));
        match sparkplug {
            Some(place) if place.kind != "STATE" => self.sparkplug(&place, publish.payload, out),
            _ if out.values_wanted => {
                for (name, value) in values::values(publish.payload) {
                    let point = match name.is_empty() {
                        true => topic.to_string(),
                        false => format!("{topic}#{name}"),
                    };
                    out.value(point, value, (None, Quality::Good));
                }
            }
            _ => {}
        }
    }

    /// Births give metrics their aliases and types, which data need not repeat (Sparkplug 3.0,
    /// 6.4.6 and 6.4.7).
    fn sparkplug(&mut self, topic: &sparkplug::Topic<'_>, payload: &[u8], out: &mut Output) {
        let birth = topic.kind.ends_with("BIRTH");
        if birth {
            let says = ("sparkplug_node", topic.place());
            out.identity(Subject::Sender, "Sparkplug birth", [says]);
        }
        if !birth && !out.values_wanted {
            return;
        }
        let place: Box<str> = topic.place().into();
        for metric in sparkplug::metrics(payload) {
            let key = match metric.alias {
                Some(alias) => Metric::Alias(alias),
                None => Metric::Name(metric.name.as_str().into()),
            };
            let key = (place.clone(), key);
            if birth && !metric.name.is_empty() {
                if self.metrics.len() >= METRIC_ALIASES_MAX {
                    out.limit("sparkplug-aliases");
                } else {
                    let (name, kind) = (metric.name.as_str().into(), metric.kind);
                    self.metrics.insert(key.clone(), Born { name, kind });
                }
            }
            if out.values_wanted {
                told(&place, metric, self.metrics.get(&key), out);
            }
        }
    }
}

/// A metric's value, unless it is of an earlier time: what is told is so now.
fn told(place: &str, metric: sparkplug::Metric, born: Option<&Born>, out: &mut Output) {
    let kind = match metric.kind {
        0 => born.map_or(0, |b| b.kind),
        kind => kind,
    };
    let name = match (metric.name.is_empty(), born) {
        (false, _) => &*metric.name,
        (true, Some(born)) => &*born.name,
        (true, None) => return,
    };
    if let (false, Some(value)) = (metric.historical, metric.raw.and_then(|raw| raw.value(kind))) {
        out.value(format!("{place}/{name}"), value, (None, metric.quality));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    /// Topics counted of a packet of which zeros stand for the last octets.
    fn topics(packet: &[u8], filled: usize) -> Vec<String> {
        let mut out = Output::new(false);
        let segment = Segment { filled, ..Segment::of(packet, Side::Client, Carrier::Tcp) };
        assert_eq!(MQTT.open().feed(segment, &mut out), Progress::Consumed(packet.len()));
        let topics = out.messages.iter().filter(|m| std::ptr::eq(m.group, &MQTT_TOPIC_GROUP));
        topics.map(|message| format!("{:?}", message.keys[0])).collect()
    }

    #[test]
    fn a_topic_that_the_capture_cut_is_none() {
        let publish = [0x30, 9, 0, 3, b'a', b'/', b'b', 0, 0, 0, 0];
        assert_eq!(topics(&publish, 0), topics(&publish, 4));
        assert_eq!((topics(&publish, 4).len(), topics(&publish, 5)), (1, vec![]));
        let subscribe = [0x82, 12, 0, 1, 0, 1, b'a', 0, 0, 3, b'b', b'/', 0, 0];
        assert_eq!((topics(&subscribe, 0).len(), topics(&subscribe, 3).len()), (2, 1));
    }

    #[test]
    fn of_several_filters_one_may_be_refused_and_so_may_what_is_published() {
        let refused = |level: u8, packets: &[&[u8]]| {
            let (mut client, mut out) =
                (Conversation { level, ..Default::default() }, Output::default());
            for packet in packets {
                client.feed(Segment::of(packet, Side::Server, Carrier::Tcp), &mut out);
            }
            let outcomes = out.observed.into_iter().filter_map(|seen| match seen.detail {
                model::Detail::Operation(operation) => Some(operation.outcome),
                _ => None,
            });
            outcomes.map(|o| matches!(o, model::Outcome::Refused { .. })).collect::<Vec<_>>()
        };
        assert_eq!(refused(4, &[&[0x90, 4, 0, 1, 0x80, 0]]), [true]);
        assert_eq!(refused(4, &[&[0x90, 4, 0, 1, 1, 0]]), [false]);
        // Properties of version 5 are no codes.
        assert_eq!(refused(5, &[&[0x90, 8, 0, 1, 4, 0x1f, 0, 1, 0xc3, 0]]), [false]);
        assert_eq!(refused(5, &[&[0x90, 5, 0, 1, 0, 0x87, 0]]), [true]);
        assert_eq!(refused(5, &[&[0x40, 3, 0, 1, 0x87], &[0x40, 2, 0, 2]]), [true]);
    }

    #[test]
    fn the_version_shows_in_the_middle_of_a_connection() {
        let mut client = MQTT.open();
        let mut out = Output::new(false);
        let mut feed = |packet: &[u8]| {
            client.feed(Segment::of(packet, Side::Client, Carrier::Tcp), &mut out);
        };
        feed(&[0x82, 7, 0, 1, 0, 0, 1, b'a', 1]);
        feed(&[0x82, 9, 0, 1, 2, 0x0b, 1, 0, 1, b'a', 1]);
        feed(&[0x30, 8, 0, 1, b'b', 3, 0x23, 0, 7, b'1']);
        feed(&[0x30, 7, 0, 0, 3, 0x23, 0, 7, b'2']);
        let topics = out.messages.iter().filter(|m| std::ptr::eq(m.group, &MQTT_TOPIC_GROUP));
        let topics: Vec<_> = topics.map(|message| message.keys[0].clone()).collect();
        let named = ["a", "a", "b", "b"].map(|topic| Scalar::Shared(topic.into()));
        assert_eq!(topics, named);
        assert_eq!(wire::level_of(&[0, 1, 0, 1, b'a', 1], true), Some(4));
    }

    #[test]
    fn an_exchange_of_authentication_is_known_in_its_middle() {
        let of = |packet: &[u8]| {
            let hint = Hint { carrier: Carrier::Tcp, port: true, from: Side::Server, missing: 0 };
            MQTT.probe(packet, hint)
        };
        assert_eq!(of(&[0xf0, 7, 0x18, 5, 0x15, 0, 2, b'S', b'C']), Probe::Match);
        assert_eq!(of(&[0xf0, 7, 0x80, 5, 0x15, 0, 2, b'S', b'C']), Probe::NoMatch);
    }

    #[test]
    fn the_middle_of_a_connection_is_known_by_a_long_topic_too() {
        let of = |length: [u8; 2], topic: &[u8]| {
            let packet = [&[0x30, 0xb0, 2], &length[..], topic].concat();
            let hint = Hint { carrier: Carrier::Tcp, port: true, from: Side::Server, missing: 0 };
            MQTT.probe(&packet, hint)
        };
        assert_eq!(of([1, 0x2c], &[b'u'; 302]), Probe::Match);
        assert_eq!(of([1, 0x2f], &[b'u'; 302]), Probe::NoMatch, "longer than its packet");
        assert_eq!(of([1, 0x2c], &[1; 302]), Probe::NoMatch);
    }
}
