//! ARP (RFC 826), already decoded by `wire`: counts it and says who claims which address.
//!
//! Not in the registry: frames are not conversations. Invariant: a claim is about the hardware
//! address in the ARP message, which need not be the one in the frame.

use crate::{Ends, Group, Output, output::Op};
use model::{Address, Mac, OperationClass, Scalar, Subject};
use std::net::IpAddr;

pub static ARP: Group = Group { name: "arp", ends: Ends::None, keys: &["opcode"] };

const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// Counts an ARP message and observes what it asks and claims.
pub fn observe(
    opcode: u16,
    (sender_mac, sender_ip): (Mac, IpAddr),
    target_ip: IpAddr,
    out: &mut Output,
) {
    out.begin("arp", 0..0);
    out.count(&ARP, [Scalar::Number(u64::from(opcode))]);
    let ip_is_host = Address::Ip(sender_ip).is_host();
    let message = match (opcode, sender_ip == target_ip) {
        (REQUEST | REPLY, true) => "gratuitous ARP",
        (REQUEST, false) => "ARP request",
        (REPLY, false) => "ARP reply",
        _ => "ARP",
    };
    if sender_mac.is_host() && ip_is_host {
        let subject = Subject::Address(Address::Mac(sender_mac));
        out.identity(subject, message, [("ip", sender_ip.to_string())]);
    }
    if opcode == REQUEST && sender_ip != target_ip {
        let first = match target_ip {
            IpAddr::V4(ip) => u32::from(ip),
            IpAddr::V6(_) => 0,
        };
        let ask = Op::request(OperationClass::Browse, u32::from(opcode), "who has");
        out.operation(ask.range("ipv4", 0, first, 1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    #[test]
    fn a_reply_claims_the_senders_address_and_a_probe_claims_nothing() {
        let mac = Mac([0, 0x1b, 0x1b, 1, 2, 3]);
        let ip = |last| IpAddr::from([192, 0, 2, last]);
        let mut out = Output::default();
        observe(REPLY, (mac, ip(7)), ip(9), &mut out);
        assert!(matches!(&out.observed[..], [one] if matches!(one.detail, Detail::Identity(_))));
        out.clear();
        observe(REQUEST, (mac, IpAddr::from([0, 0, 0, 0])), ip(9), &mut out);
        let identities = out.observed.iter().filter(|o| matches!(o.detail, Detail::Identity(_)));
        assert_eq!(identities.count(), 0);
        assert_eq!(out.messages.len(), 1);
    }
}
