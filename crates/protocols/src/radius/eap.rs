//! TLS inside EAP (RFC 3748; RFC 5216, 3.1): hellos and certificates of those who want in.
//!
//! Not here: what methods do behind TLS. One tunnel is followed in a conversation; a new start
//! begins a new one. Invariant: fragments are put together in order and bounded.

use crate::{Carrier, Dissector, Output, Progress, Protocol, Segment, tls};

/// Octets of a message put together from fragments.
const MESSAGE_OCTETS_MAX: usize = 64 * 1024;

#[derive(Default)]
pub(super) struct Tunnel {
    tls: Option<Box<dyn Dissector>>,
    parts: [Vec<u8>; 2],
}

impl Tunnel {
    pub(super) fn message(&mut self, eap: &[u8], segment: &Segment<'_>, out: &mut Output) {
        const WITH_LENGTH: u8 = 0x80;
        const MORE: u8 = 0x40;
        const START: u8 = 0x20;
        // Code, identifier, length, then EAP-TLS (13), EAP-TTLS (21) or PEAP (25) and its flags.
        let [1 | 2, _, _, _, 13 | 21 | 25, flags, rest @ ..] = eap else { return };
        if flags & START != 0 {
            self.tls = Some(tls::TLS.open());
            self.parts = [Vec::new(), Vec::new()];
            return;
        }
        let data = if flags & WITH_LENGTH != 0 { rest.get(4..) } else { Some(rest) };
        let Some(data) = data.filter(|d| !d.is_empty()) else { return };
        let Some(part) = self.parts.get_mut(segment.from as usize) else { return };
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
        }
        out.begin("radius", 0..segment.bytes.len());
    }
}
