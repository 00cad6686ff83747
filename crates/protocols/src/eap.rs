//! EAP (RFC 3748), as RADIUS and IEEE 802.1X carry it: who wants in, how, and whether it may.
//!
//! Hellos and certificates of EAP-TLS, EAP-TTLS and PEAP are read (RFC 5216, 3.1). Not here: what
//! methods do behind TLS. One tunnel is followed in a conversation; a new start begins a new one.
//! Invariant: fragments are put together in order, once each, and bounded.

use crate::{Carrier, Dissector, Output, Progress, Protocol, Segment, text, tls};
use model::Detail;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Octets of a message put together from fragments.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;

pub(crate) const REQUEST: u8 = 1;
pub(crate) const RESPONSE: u8 = 2;
pub(crate) const SUCCESS: u8 = 3;
pub(crate) const FAILURE: u8 = 4;

/// Methods (RFC 3748, 5; IANA's EAP registry).
pub(crate) const IDENTITY: u8 = 1;
pub(crate) const NOTIFICATION: u8 = 2;
pub(crate) const NAK: u8 = 3;
const TLS: u8 = 13;
const TTLS: u8 = 21;
const PEAP: u8 = 25;

/// One EAP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Packet<'a> {
    pub code: u8,
    pub id: u8,
    /// The method, of a request or response.
    pub kind: Option<u8>,
    pub data: &'a [u8],
}

impl<'a> Packet<'a> {
    /// `None` if `bytes` hold less than the packet says it has; what stands behind it is padding.
    pub fn parse(bytes: &'a [u8]) -> Option<Packet<'a>> {
        let &[code, id, high, low] = bytes.first_chunk()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let body = bytes.get(4..length)?;
        let (kind, data) = match (code, body.split_first()) {
            (REQUEST | RESPONSE, Some((kind, data))) => (Some(*kind), data),
            (REQUEST | RESPONSE, None) => return None,
            _ => (None, body),
        };
        Some(Packet { code, id, kind, data })
    }

    /// Who answers a question for identity says to be; what follows a zero are options (5.1).
    pub fn identity(&self) -> Option<String> {
        let (RESPONSE, Some(IDENTITY)) = (self.code, self.kind) else { return None };
        let name = self.data.split(|octet| *octet == 0).next().unwrap_or_default();
        (!name.is_empty()).then(|| text::lossy(name))
    }
}

/// What a method is called.
pub(crate) fn method(kind: u8) -> &'static str {
    match kind {
        IDENTITY => "EAP identity",
        NOTIFICATION => "EAP notification",
        NAK => "EAP other method wanted",
        4 => "EAP-MD5",
        5 => "EAP one-time password",
        6 => "EAP-GTC",
        TLS => "EAP-TLS",
        17 => "LEAP",
        18 => "EAP-SIM",
        TTLS => "EAP-TTLS",
        23 => "EAP-AKA",
        PEAP => "PEAP",
        26 | 29 => "EAP-MSCHAPv2",
        43 => "EAP-FAST",
        46 => "EAP-PAX",
        47 => "EAP-PSK",
        48 => "EAP-SAKE",
        49 => "EAP-IKEv2",
        50 => "EAP-AKA'",
        51 => "EAP-GPSK",
        52 => "EAP-pwd",
        53 => "EAP-EKE",
        55 => "TEAP",
        254 => "EAP expanded method",
        _ => "EAP method",
    }
}

/// TLS inside EAP.
#[derive(Default)]
pub(crate) struct Tunnel {
    tls: Option<Box<dyn Dissector>>,
    parts: [Vec<u8>; 2],
    /// The last fragment of each side, by its hash: the same again is sent again (RFC 3748, 4.1).
    last: [Option<u64>; 2],
}

impl Tunnel {
    /// Reads on in the tunnel; what it says is said by `carrier`, a protocol, in all of `segment`.
    pub fn message(
        &mut self,
        packet: &Packet<'_>,
        carrier: &'static str,
        segment: &Segment<'_>,
        out: &mut Output,
    ) {
        const WITH_LENGTH: u8 = 0x80;
        const MORE: u8 = 0x40;
        const START: u8 = 0x20;
        let (REQUEST | RESPONSE, Some(TLS | TTLS | PEAP)) = (packet.code, packet.kind) else {
            return;
        };
        let Some((flags, rest)) = packet.data.split_first() else { return };
        if flags & START != 0 {
            *self = Tunnel { tls: Some(tls::TLS.open()), ..Tunnel::default() };
            return;
        }
        let side = segment.from as usize;
        let (Some(part), Some(last)) = (self.parts.get_mut(side), self.last.get_mut(side)) else {
            return;
        };
        let mut hasher = DefaultHasher::new();
        (packet.id, packet.data).hash(&mut hasher);
        let seen = Some(hasher.finish());
        if std::mem::replace(last, seen) == seen {
            return;
        }
        let data = if flags & WITH_LENGTH != 0 { rest.get(4..) } else { Some(rest) };
        let Some(data) = data.filter(|d| !d.is_empty()) else { return };
        if part.len().saturating_add(data.len()) > MESSAGE_OCTETS_MAX {
            out.limit("eap-message-octets");
            part.clear();
            return;
        }
        part.extend_from_slice(data);
        if flags & MORE != 0 {
            return;
        }
        let whole = std::mem::take(part);
        let tls = self.tls.get_or_insert_with(|| tls::TLS.open());
        let before = out.observed.len();
        let mut taken = 0usize;
        while let Some(bytes) = whole.get(taken..).filter(|b| !b.is_empty()) {
            let within = Segment { bytes, carrier: Carrier::Tcp, ..*segment };
            match tls.feed(within, out) {
                Progress::Consumed(count) if count > 0 => taken = taken.saturating_add(count),
                _ => break,
            }
        }
        for seen in out.observed.iter_mut().skip(before) {
            seen.span = 0..segment.bytes.len();
            // Nobody here serves TLS: who answers a hello lets in.
            if matches!(seen.detail, Detail::Operation(_)) {
                seen.protocol = carrier;
            }
        }
        out.begin(carrier, 0..segment.bytes.len());
    }
}
