//! EAP over LAN (IEEE 802.1X): who asks a switch or access point to be let in, and the answer.
//!
//! Also the handshake for keys of wireless networks and the agreement on keys of MACsec, as far as
//! they are in clear. Not here: methods ([`crate::eap`]). On a cable a supplicant speaks to a group
//! of all bridges and is answered in person, which are two conversations: an outcome then names no
//! user, and who the supplicant says to be is an attempt of its own, for the sensor to join them.
//! Invariant: a body is read within its own length.

#[cfg(test)]
mod tests;

use crate::{
    About, Carrier, Dissector, Gap, Hint, Output, Probe, Progress, Protocol, Segment, eap,
    output::Op, tls,
};
use model::{Authentication, OperationClass, Subject};
use wire::{Reader, Short};

pub struct Eapol;
pub static EAPOL: Eapol = Eapol;

static ABOUT: About = About {
    name: "eapol",
    title: "EAP over LAN (IEEE 802.1X)",
    specs: &[
        "IEEE 802.1X-2020, 11",
        "IEEE 802.11-2020, 12.7",
        "RFC 3748 (EAP)",
        "RFC 5216 (EAP-TLS)",
    ],
    carriers: &[Carrier::Ethertype(0x888e), Carrier::Ethertype(0x88c7)],
    ports: &[],
    groups: &[&tls::TLS_HANDSHAKE, &tls::TLS_SNI, &tls::TLS_JA3],
    depth: "supplicants and authenticators, identities, methods, outcomes, TLS in EAP, \
            wireless key handshakes, MACsec key agreement",
};

const HEADER_OCTETS: usize = 4;
const SPEC: &str = "IEEE 802.1X-2020, 11.3";

/// Packet types (11.3.2, table 11-3).
const EAP_PACKET: u8 = 0;
const START: u8 = 1;
const LOGOFF: u8 = 2;
const KEY: u8 = 3;
const ALERT: u8 = 4;
const KEY_AGREEMENT: u8 = 5;
const ANNOUNCEMENTS: std::ops::RangeInclusive<u8> = 6..=8;

/// Of EAPOL-Key: who sends it has the answer (IEEE 802.11-2020, 12.7.2).
const KEY_ACK: u16 = 0x0080;
const KEY_MIC: u16 = 0x0100;
const KEY_SECURE: u16 = 0x0200;
const KEY_PAIRWISE: u16 = 0x0008;
const KEY_REQUEST: u16 = 0x0800;

impl Protocol for Eapol {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn probe(&self, head: &[u8], hint: Hint) -> Probe {
        let (Carrier::Ethertype(_), [1..=3, kind, _, _, body @ ..]) = (hint.carrier, head) else {
            return Probe::NoMatch;
        };
        match (*kind, body) {
            (START | LOGOFF, _) | (EAP_PACKET, [eap::RESPONSE, ..]) => Probe::MatchClient,
            (EAP_PACKET, [eap::REQUEST | eap::SUCCESS | eap::FAILURE, ..]) => Probe::MatchServer,
            (KEY, body) if body.len() > 2 => match key_information(body) & KEY_ACK {
                0 => Probe::MatchClient,
                _ => Probe::MatchServer,
            },
            (EAP_PACKET..=8, _) => Probe::Match,
            _ => Probe::NoMatch,
        }
    }

    fn open(&self) -> Box<dyn Dissector> {
        Box::<Conversation>::default()
    }
}

#[derive(Default)]
struct Conversation {
    tunnel: eap::Tunnel,
    /// Who the supplicant says to be.
    user: Option<Box<str>>,
    /// Method it was asked for last.
    method: Option<u8>,
    /// The sender of questions, of answers, or of keys, told what it is.
    authenticator_told: bool,
    supplicant_told: bool,
    access_point_told: bool,
    agreement: Option<Agreement>,
}

impl Dissector for Conversation {
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let bytes = segment.bytes;
        let all = Progress::Consumed(bytes.len());
        out.begin("eapol", 0..bytes.len());
        let Some(&[_, kind, high, low]) = bytes.first_chunk::<HEADER_OCTETS>() else {
            if segment.missing == 0 {
                out.violation("eapol-too-short", "a packet without its header", SPEC);
            }
            return all;
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let end = HEADER_OCTETS.saturating_add(length);
        let Some(body) = bytes.get(HEADER_OCTETS..end) else {
            if segment.missing == 0 {
                out.violation("eapol-too-short", "a body longer than the frame", SPEC);
            }
            return all;
        };
        let number = u32::from(kind);
        match kind {
            EAP_PACKET => self.eap(body, &segment, out),
            START => {
                out.operation(Op::request(OperationClass::Session, number, "EAPOL-Start"));
                self.supplicant(out);
            }
            LOGOFF => {
                out.operation(Op::request(OperationClass::Session, number, "EAPOL-Logoff"));
            }
            KEY => self.key(body, out),
            ALERT => out.operation(Op::notice(OperationClass::Report, number, "EAPOL alert")),
            KEY_AGREEMENT => self.key_agreement(body, out),
            kind if ANNOUNCEMENTS.contains(&kind) => {
                out.operation(Op::notice(OperationClass::Report, number, "EAPOL-Announcement"));
            }
            _ => out.violation("eapol-unknown-type", "a packet type nobody has given out", SPEC),
        }
        all
    }

    fn gap(&mut self, _: Gap) {}
}

impl Conversation {
    fn supplicant(&mut self, out: &mut Output) {
        if !std::mem::replace(&mut self.supplicant_told, true) {
            let facts = [("port_access", "IEEE 802.1X supplicant".to_owned())];
            out.identity(Subject::Sender, "EAPOL", facts);
        }
    }

    fn eap(&mut self, body: &[u8], segment: &Segment<'_>, out: &mut Output) {
        use OperationClass::Authenticate;
        let Some(packet) = eap::Packet::parse(body) else {
            let says = "an EAP packet that does not fit its frame";
            return out.violation("eap-length-invalid", says, "RFC 3748, 4");
        };
        let from_authenticator = packet.code != eap::RESPONSE;
        if from_authenticator && !std::mem::replace(&mut self.authenticator_told, true) {
            let facts = [("port_access", "IEEE 802.1X authenticator".to_owned())];
            out.identity(Subject::Sender, "EAPOL", facts);
        }
        let number = u32::from(packet.kind.unwrap_or_default());
        match (packet.code, packet.kind) {
            (eap::REQUEST, Some(kind)) => {
                if !matches!(kind, eap::IDENTITY | eap::NOTIFICATION) {
                    self.method = Some(kind);
                }
                out.operation(Op::response(Authenticate, number, eap::method(kind)));
            }
            (eap::RESPONSE, Some(kind)) => {
                let op = Op::request(Authenticate, number, eap::method(kind));
                if let Some(name) = packet.identity() {
                    out.operation(op.named("user", &name));
                    self.supplicant(out);
                    introduced(&name, out);
                    self.said(name.into(), segment, out);
                } else {
                    out.operation(op);
                }
            }
            (eap::SUCCESS, _) => {
                out.operation(Op::response(Authenticate, number, "EAP success").done());
                self.outcome(true, out);
            }
            (eap::FAILURE, _) => {
                let op = Op::response(Authenticate, number, "EAP failure");
                out.operation(op.refused(u32::from(eap::FAILURE), "not let in"));
                self.outcome(false, out);
            }
            _ => {
                let says = "an EAP code nobody has given out";
                out.violation("eap-unknown-code", says, "RFC 3748, 4");
            }
        }
        self.tunnel.message(&packet, "eapol", segment, out);
    }

    /// Who the supplicant says to be, until the outcome: here, or in another conversation.
    fn said(&mut self, name: Box<str>, segment: &Segment<'_>, out: &mut Output) {
        if segment.receiver.mac.is_none_or(|mac| mac.is_host()) {
            self.user = Some(name);
            return;
        }
        out.authentication(Authentication {
            user: Some(name),
            accepted: None,
            clear_text: false,
            default_password: false,
            method: "802.1x",
        });
    }

    fn outcome(&mut self, accepted: bool, out: &mut Output) {
        let (method, clear_text) = match self.method.take() {
            Some(4) => ("802.1x md5", false),
            Some(5) => ("802.1x one-time password", true),
            Some(6) => ("802.1x gtc", true),
            Some(13) => ("802.1x tls", false),
            Some(17) => ("802.1x leap", false),
            Some(21) => ("802.1x ttls", false),
            Some(25) => ("802.1x peap", false),
            Some(26 | 29) => ("802.1x mschapv2", false),
            Some(43) => ("802.1x fast", false),
            Some(55) => ("802.1x teap", false),
            _ => ("802.1x", false),
        };
        out.authentication(Authentication {
            user: self.user.take(),
            accepted: Some(accepted),
            clear_text,
            default_password: false,
            method,
        });
    }

    /// EAPOL-Key: which step of a handshake it is goes by its flags (IEEE 802.11-2020, 12.7.6.1).
    fn key(&mut self, body: &[u8], out: &mut Output) {
        use OperationClass::Authenticate;
        // Descriptors of RSN and of WPA; the one with RC4 of 2001 has no flags.
        let number = u32::from(KEY);
        let ([2 | 254, ..], true) = (body, body.len() > 2) else {
            return out.operation(Op::notice(Authenticate, number, "EAPOL-Key"));
        };
        let flags = key_information(body);
        let has = |flag: u16| flags & flag != 0;
        if has(KEY_ACK) && !std::mem::replace(&mut self.access_point_told, true) {
            let facts = [("wireless_role", "access point".to_owned())];
            out.identity(Subject::Sender, "EAPOL-Key", facts);
        }
        out.operation(match (has(KEY_PAIRWISE), has(KEY_ACK), has(KEY_MIC), has(KEY_SECURE)) {
            _ if has(KEY_REQUEST) => Op::request(Authenticate, number, "key wanted"),
            (true, true, false, _) => Op::response(Authenticate, number, "pairwise key, 1 of 4"),
            (true, false, true, false) if !nonce_absent(body) => {
                Op::request(Authenticate, number, "pairwise key, 2 of 4")
            }
            (true, true, true, _) => Op::response(Authenticate, number, "pairwise key, 3 of 4"),
            (true, false, true, _) => {
                Op::request(Authenticate, number, "pairwise key, 4 of 4").done()
            }
            (false, true, ..) => Op::response(Authenticate, number, "group key, 1 of 2"),
            (false, false, ..) => Op::request(Authenticate, number, "group key, 2 of 2").done(),
            (true, false, false, _) => Op::notice(Authenticate, number, "EAPOL-Key"),
        });
    }

    /// MACsec key agreement: the basic parameter set (IEEE 802.1X-2020, 11.11.1).
    fn key_agreement(&mut self, body: &[u8], out: &mut Output) {
        let number = u32::from(KEY_AGREEMENT);
        out.operation(Op::notice(OperationClass::Report, number, "MACsec key agreement"));
        let Ok(agreement) = Agreement::parse(body) else {
            let says = "a key agreement without its basic parameters";
            return out.violation("mka-parameters-invalid", says, "IEEE 802.1X-2020, 11.11.1");
        };
        if self.agreement.as_ref() == Some(&agreement) {
            return;
        }
        let role = if agreement.key_server { "key server" } else { "member" };
        let offers = match agreement.capability {
            0 => "not implemented",
            1 => "integrity",
            2 => "integrity and confidentiality",
            _ => "integrity and confidentiality with offset",
        };
        let wanted = if agreement.desired { "" } else { ", not wanted" };
        let facts = [
            ("macsec_role", role.to_owned()),
            ("macsec", format!("{offers}{wanted}")),
            ("macsec_key_name", agreement.key_name.clone()),
        ];
        out.identity(Subject::Sender, "MACsec key agreement", facts);
        self.agreement = Some(agreement);
    }
}

/// What a supplicant's identity tells: a machine as Windows names it, a user, or nothing where it
/// hides behind its realm (RFC 5216, 2.1.4).
fn introduced(name: &str, out: &mut Output) {
    let user = name.split('@').next().unwrap_or_default();
    let fact = match name.strip_prefix("host/") {
        Some(host) => ("hostname", host.to_owned()),
        None if user.is_empty() || user.eq_ignore_ascii_case("anonymous") => return,
        None => ("user", name.to_owned()),
    };
    out.identity(Subject::Sender, "EAP identity", [fact]);
}

fn key_information(body: &[u8]) -> u16 {
    match body {
        [_, high, low, ..] => u16::from_be_bytes([*high, *low]),
        _ => 0,
    }
}

/// The nonce is zero in the last message of a handshake: WPA does not say "secure" there.
fn nonce_absent(body: &[u8]) -> bool {
    const NONCE: std::ops::Range<usize> = 13..45;
    body.get(NONCE).is_some_and(|nonce| nonce.iter().all(|octet| *octet == 0))
}

/// The basic parameter set of a MACsec key agreement.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Agreement {
    key_server: bool,
    desired: bool,
    /// 0 to 3 (IEEE 802.1X-2020, table 11-6).
    capability: u8,
    /// Name of the connectivity association's key: no secret.
    key_name: String,
}

impl Agreement {
    fn parse(body: &[u8]) -> Result<Agreement, Short> {
        /// Identifiers of sender and member, message number and algorithm agility.
        const BEFORE_NAME: usize = 8 + 12 + 4 + 4;
        let mut r = Reader::new(body);
        let (_version, _priority, flags) = (r.u8()?, r.u8()?, r.be16()?);
        let length = usize::from(flags & 0x0fff);
        let set = r.bytes(length)?;
        let name = set.get(BEFORE_NAME..).ok_or(Short { needed: BEFORE_NAME })?;
        Ok(Agreement {
            key_server: flags & 0x8000 != 0,
            desired: flags & 0x4000 != 0,
            capability: (flags >> 12) as u8 & 3,
            key_name: key_name(name),
        })
    }
}

/// As text where it is text, else in hexadecimal: administrators write it both ways.
fn key_name(name: &[u8]) -> String {
    let name = name.strip_suffix(&[0]).unwrap_or(name);
    if !name.is_empty() && name.iter().all(u8::is_ascii_graphic) {
        return name.iter().map(|octet| char::from(*octet)).collect();
    }
    name.iter().map(|octet| format!("{octet:02x}")).collect()
}
