//! What ICMP errors quote (RFC 792; RFC 4443, 2.4): the datagram that could not be delivered.
//!
//! Its messages are counted under the ends of the error, as Wireshark counts them, because the
//! original may have passed where nobody looked. Not here: observations; the host that sent the
//! error did not say what it quotes. Invariant: a quotation touches no conversation.

use super::{Context, Shard};
use crate::identify::Verdict;
use model::Carrier;
use protocols::{Hint, Segment, Side};
use wire::{Icmp, Reader};

/// Octets of the error's own header behind the checksum.
const UNUSED_OCTETS: usize = 4;
const UDP: u8 = 17;

impl Shard {
    pub(super) fn quoted(&mut self, context: &Context, icmp: &Icmp<'_>, six: bool) {
        if !self.settings.tally || !is_error(icmp.kind, six) {
            return;
        }
        let quotation = icmp.payload.get(UNUSED_OCTETS..).unwrap_or_default();
        let Some((ports, payload)) = datagram(quotation, six) else { return };
        let [source, destination] = ports;
        let carrier = Carrier::Udp;
        let hint = Hint { carrier, port: false, from: Side::Client, missing: 0 };
        let asked = self.directory.ask(payload, hint, [destination, source]);
        let Verdict::Is(protocol, side) = asked else { return };
        let served = self.directory.is_known_port(carrier, source);
        let guess = if served { Side::Server } else { Side::Client };
        let segment = Segment {
            at: context.at,
            sender: context.to,
            receiver: context.from,
            // A quotation may stop anywhere.
            missing: 1,
            ..Segment::of(payload, side.unwrap_or(guess), carrier)
        };
        self.out.clear();
        protocol.open().feed(segment, &mut self.out);
        self.out.observed.clear();
        self.out.limits.clear();
        self.out.refined = None;
        self.collect(context, None, &[]);
    }
}

/// Destination unreachable, source quench, redirect, time exceeded, parameter problem.
fn is_error(kind: u8, six: bool) -> bool {
    if six { matches!(kind, 1..=4) } else { matches!(kind, 3 | 4 | 5 | 11 | 12) }
}

/// Ports and payload of a quoted UDP datagram that is no fragment behind the first.
fn datagram(quotation: &[u8], six: bool) -> Option<([u16; 2], &[u8])> {
    const IPV6_OCTETS: usize = 40;
    const UDP_OCTETS: usize = 8;
    let header_octets = if six {
        (quotation.get(6) == Some(&UDP)).then_some(IPV6_OCTETS)?
    } else {
        let &[first, _, _, _, _, _, high, low, _, protocol] = quotation.first_chunk()?;
        let offset = u16::from_be_bytes([high & 0x1f, low]);
        (first >> 4 == 4 && protocol == UDP && offset == 0)
            .then_some(usize::from(first & 0xf) * 4)?
    };
    let mut r = Reader::new(quotation.get(header_octets..)?);
    let ports = [r.be16().ok()?, r.be16().ok()?];
    let length = usize::from(r.be16().ok()?).checked_sub(UDP_OCTETS)?;
    r.skip(2).ok()?;
    let payload = r.rest();
    let payload = payload.get(..length).unwrap_or(payload);
    (!payload.is_empty()).then_some((ports, payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 198.51.100.7 port 4000 to port 53, UDP with the octets "ab" and link padding behind them.
    const QUOTATION: [u8; 32] = [
        0x45, 0, 0, 30, 0, 0, 0, 0, 64, 17, 0, 0, 198, 51, 100, 7, 192, 0, 2, 1, 0x0f, 0xa0, 0, 53,
        0, 10, 0, 0, b'a', b'b', 0, 0,
    ];

    #[test]
    fn a_quoted_datagram_ends_where_its_length_says() {
        assert_eq!(datagram(&QUOTATION, false), Some(([4_000, 53], &b"ab"[..])));
    }

    #[test]
    fn fragments_and_other_transports_are_left_alone() {
        let mut fragment = QUOTATION;
        fragment[7] = 1;
        assert_eq!(datagram(&fragment, false), None);
        let mut tcp = QUOTATION;
        tcp[9] = 6;
        assert_eq!(datagram(&tcp, false), None);
        assert!(is_error(3, false) && !is_error(8, false) && is_error(1, true));
    }
}
