//! RADIUS (RFC 2865, 2866, 5176): who is let into the network, by which access server.
//!
//! Invariant: attributes fill the packet exactly or it is not RADIUS.

use crate::{
    About, Carrier, Dissector, Ends, Gap, Group, Hint, Output, Probe, Progress, Protocol, Segment,
    eap, output::Op, text, tls,
};
use ::wire::reader::{Reader, Short};
use model::{Authentication, OperationClass, Scalar, Subject};
use std::collections::VecDeque;

pub static RADIUS_GROUP: Group = Group { name: "radius", ends: Ends::Pair, keys: &["code"] };

pub struct Radius;
pub static RADIUS: Radius = Radius;

static ABOUT: About = About {
    name: "radius",
    title: "RADIUS",
    specs: &["RFC 2865", "RFC 2866", "RFC 3579 (EAP)", "RFC 5216 (EAP-TLS)", "RFC 5176"],
    carriers: &[Carrier::Udp],
    // 1700 is where some access servers listen for what RFC 5176 sends to 3799.
    ports: &[1_812, 1_813, 1_645, 1_646, 3_799, 1_700],
    groups: &[&RADIUS_GROUP, &tls::TLS_HANDSHAKE, &tls::TLS_SNI, &tls::TLS_JA3],
    depth: "requests with user and access server, accepted and rejected log-ons, TLS in EAP",
};

const HEADER_OCTETS: usize = 20;
/// Requests whose answers are awaited: the identifier has one octet.
const ASKED_MAX: usize = 256;

#[derive(Default)]
struct Packet {
    code: u8,
    id: u8,
    user: Option<Box<str>>,
    /// NAS-Identifier
    server: String,
    /// User-Password, CHAP-Password or EAP-Message.
    method: &'static str,
    /// EAP-Message attributes one after the other (RFC 3579, 3.1).
    eap: Vec<u8>,
}

/// Code, identifier and length, if they can be those of a packet (RFC 2865, 3).
fn header(bytes: &[u8]) -> Option<(u8, u8, usize)> {
    let &[code, id, high, low] = bytes.first_chunk()?;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let known = is_common(code) || seldom(code).is_some();
    (known && (HEADER_OCTETS..=4_096).contains(&length)).then_some((code, id, length))
}

/// Codes that servers send every day, by which RADIUS is known on any port.
const fn is_common(code: u8) -> bool {
    matches!(code, 1..=5 | 11..=13 | 40..=45)
}

/// The others that are assigned (RFC 3575, 2.1, and RFC 7930): their name, and whether it answers.
const fn seldom(code: u8) -> Option<(&'static str, bool)> {
    Some(match code {
        6 => ("Accounting-Status", false),
        7 => ("Password-Request", false),
        8 => ("Password-Ack", true),
        9 => ("Password-Reject", true),
        10 => ("Accounting-Message", false),
        21 => ("Resource-Free-Request", false),
        22 => ("Resource-Free-Response", true),
        23 => ("Resource-Query-Request", false),
        24 => ("Resource-Query-Response", true),
        25 => ("Alternate-Resource-Reclaim-Request", false),
        26 => ("NAS-Reboot-Request", false),
        27 => ("NAS-Reboot-Response", true),
        29 => ("Next-Passcode", true),
        30 => ("New-Pin", true),
        31 => ("Terminate-Session", false),
        32 => ("Password-Expired", true),
        33 => ("Event-Request", false),
        34 => ("Event-Response", true),
        50 => ("IP-Address-Allocate", false),
        51 => ("IP-Address-Release", false),
        52 => ("Protocol-Error", true),
        _ => return None,
    })
}

impl Packet {
    fn parse(bytes: &[u8]) -> Result<Packet, Short> {
        let refuse = Short { needed: 1 };
        let (code, id, length) = header(bytes).ok_or(refuse)?;
        if length > bytes.len() {
            return Err(refuse);
        }
        let mut packet = Packet { code, id, ..Packet::default() };
        let mut r = Reader::new(bytes.get(HEADER_OCTETS..length).unwrap_or_default());
        while !r.is_empty() {
            let kind = r.u8()?;
            let length = r.u8()?.checked_sub(2).ok_or(refuse)?;
            let value = r.bytes(usize::from(length))?;
            match kind {
                1 => packet.user = Some(text::lossy(value).into()),
                2 => packet.method = "radius password",
                3 => packet.method = "radius chap",
                32 => packet.server = text::lossy(value),
                79 => {
                    packet.method = "radius eap";
                    packet.eap.extend_from_slice(value);
                }
                0 => return Err(refuse),
                _ => {}
            }
        }
        Ok(packet)
    }
}

impl Protocol for Radius {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let Ok(packet) = Packet::parse(head) else {
            return if hint.port && header(head).is_some() { Probe::Match } else { Probe::NoMatch };
        };
        // Without attributes, or with a code that is seldom seen, there is little to go by.
        let short = head.len() < HEADER_OCTETS.saturating_add(6);
        if !hint.port && (short || !is_common(packet.code)) {
            return Probe::NoMatch;
        }
        match packet.code {
            1 | 4 | 12 | 40 | 43 => Probe::MatchClient,
            code if is_common(code) => Probe::MatchServer,
            _ => Probe::Match,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    eap: eap::Tunnel,
    asked: VecDeque<(u8, Option<Box<str>>, &'static str)>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        out.begin("radius", 0..bytes.len());
        if let Some((code, _, _)) = header(bytes) {
            out.count(&RADIUS_GROUP, [Scalar::Number(u64::from(code))]);
        }
        match Packet::parse(bytes) {
            Ok(packet) => {
                if let Some(eap) = eap::Packet::parse(&packet.eap) {
                    self.eap.message(&eap, "radius", &segment, out);
                }
                self.packet(packet, out);
            }
            Err(_) if segment.missing > 0 => {}
            Err(_) => {
                let says = "attributes that do not fill their packet";
                out.violation("radius-attributes-invalid", says, "RFC 2865, 5");
            }
        }
        Progress::Consumed(bytes.len())
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn packet(&mut self, packet: Packet, out: &mut Output) {
        use OperationClass::{Authenticate, Configure, Diagnose, Report};
        let number = u32::from(packet.code);
        if let Some((name, answers)) = seldom(packet.code) {
            return out.operation(match answers {
                true => Op::response(OperationClass::Other, number, name).done(),
                false => Op::request(OperationClass::Other, number, name),
            });
        }
        match packet.code {
            1 => {
                let op = Op::request(Authenticate, number, "Access-Request");
                out.operation(op.named("user", packet.user.as_deref().unwrap_or_default()));
                let facts = [
                    ("name", packet.server.clone()),
                    ("service", "RADIUS access server".to_owned()),
                ];
                out.identity(Subject::Sender, "RADIUS Access-Request", facts);
                if self.asked.len() >= ASKED_MAX {
                    self.asked.pop_front();
                }
                self.asked.retain(|(id, _, _)| *id != packet.id);
                self.asked.push_back((packet.id, packet.user, packet.method));
            }
            2 => {
                out.operation(Op::response(Authenticate, number, "Access-Accept").done());
                self.outcome(packet.id, true, out);
            }
            3 => {
                let op = Op::response(Authenticate, number, "Access-Reject");
                out.operation(op.refused(number, "rejected"));
                self.outcome(packet.id, false, out);
            }
            4 => {
                let op = Op::request(Report, number, "Accounting-Request");
                out.operation(op.named("user", packet.user.as_deref().unwrap_or_default()));
            }
            5 => out.operation(Op::response(Report, number, "Accounting-Response").done()),
            11 => out.operation(Op::response(Authenticate, number, "Access-Challenge")),
            12 | 13 => out.operation(Op::request(Diagnose, number, "Status")),
            40 => out.operation(Op::request(Configure, number, "Disconnect-Request")),
            43 => out.operation(Op::request(Configure, number, "CoA-Request")),
            41 | 44 => out.operation(Op::response(Configure, number, "ACK").done()),
            _ => out.operation(Op::response(Configure, number, "NAK").refused(number, "refused")),
        }
    }

    fn outcome(&mut self, id: u8, accepted: bool, out: &mut Output) {
        let at = self.asked.iter().position(|(asked, _, _)| *asked == id);
        let Some((_, user, method)) = at.and_then(|at| self.asked.remove(at)) else { return };
        out.authentication(Authentication {
            user,
            accepted: Some(accepted),
            clear_text: false,
            default_password: false,
            method: if method.is_empty() { "radius" } else { method },
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Side;

    #[test]
    fn a_code_seldom_seen_is_counted_where_radius_is_served() {
        let mut packet = [0; HEADER_OCTETS];
        packet[3] = HEADER_OCTETS as u8;
        let mut probe = |code, port| {
            packet[0] = code;
            let hint = Hint { carrier: Carrier::Udp, port, from: Side::Client, missing: 0 };
            RADIUS.probe(&packet, hint)
        };
        assert_eq!([probe(26, true), probe(26, false)], [Probe::Match, Probe::NoMatch]);
        assert_eq!([probe(28, true), probe(53, true)], [Probe::NoMatch; 2], "not assigned");
        packet[0] = 26;
        let mut out = Output::new(false);
        let whole = Segment::of(&packet, Side::Client, Carrier::Udp);
        assert_eq!(RADIUS.open().feed(whole, &mut out), Progress::Consumed(HEADER_OCTETS));
        assert_eq!(out.messages[0].keys[0], Scalar::Number(26));
    }
}
