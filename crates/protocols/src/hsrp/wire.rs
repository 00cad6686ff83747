//! Messages of HSRP: one of fixed length in version 1, parts with type and length in version 2.
//!
//! Invariant: a part is read within its own length; authentication is handed on as it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use wire::{Reader, Short};

/// RFC 2281, 5.1: what a message is for.
pub const HELLO: u8 = 0;
pub const COUP: u8 = 1;
pub const RESIGN: u8 = 2;
/// Not in the RFC: what a router is on an interface of which it leads no group.
pub const ADVERTISE: u8 = 3;

/// Type and length of the part of version 2 that has the group's state.
pub const GROUP_STATE: [u8; 2] = [1, 40];
pub const INTERFACE_STATE: [u8; 2] = [2, 4];
const TEXT: u8 = 3;
/// Parts of one message at most.
const PARTS_MAX: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Message<'a> {
    /// As on the wire: 0 is version 1.
    pub version: u8,
    pub code: u8,
    pub role: &'static str,
    pub hello_ms: u32,
    pub hold_ms: u32,
    pub priority: u32,
    pub group: u16,
    /// All zeros while the router does not know it.
    pub shared: IpAddr,
    /// The password in clear text: in version 1 always, in version 2 a part of its own.
    pub text: Option<&'a [u8; 8]>,
}

/// RFC 2281, 5.1, and the numbers of version 2 as tshark has them.
const ROLES_1: [(u8, &str); 6] = [
    (0, "initial"),
    (1, "learning"),
    (2, "listening"),
    (4, "speaking"),
    (8, "standby"),
    (16, "active"),
];
const ROLES_2: [(u8, &str); 6] = [
    (1, "initial"),
    (2, "learning"),
    (3, "listening"),
    (4, "speaking"),
    (5, "standby"),
    (6, "active"),
];

/// What the router is by the number of its state.
pub fn role(version: u8, state: u8) -> Option<&'static str> {
    let roles = if version == 0 { &ROLES_1 } else { &ROLES_2 };
    roles.iter().find(|(number, _)| *number == state).map(|(_, role)| *role)
}

/// RFC 2281, 5.1.
pub fn parse_1(bytes: &[u8]) -> Result<Message<'_>, Short> {
    let mut r = Reader::new(bytes);
    let (version, code, state, hello) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let (hold, priority, group, _) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let text = r.bytes(8)?.first_chunk();
    let shared = IpAddr::V4(Ipv4Addr::from(r.array::<4>()?));
    let ms = |seconds: u8| u32::from(seconds).saturating_mul(1_000);
    Ok(Message {
        version,
        code,
        role: role(0, state).unwrap_or("in an unknown state"),
        hello_ms: ms(hello),
        hold_ms: ms(hold),
        priority: u32::from(priority),
        group: u16::from(group),
        shared,
        text,
    })
}

/// Version 2: `None` where no part has a group's state.
pub fn parse_2(bytes: &[u8]) -> Result<Option<Message<'_>>, Short> {
    let (mut r, mut message, mut text) = (Reader::new(bytes), None, None);
    for _ in 0..PARTS_MAX {
        if r.is_empty() {
            break;
        }
        let (kind, length) = (r.u8()?, r.u8()?);
        let part = r.bytes(usize::from(length))?;
        match [kind, length] {
            GROUP_STATE => message = Some(group_state(part)?),
            [TEXT, 8] => text = part.first_chunk(),
            _ => {}
        }
    }
    Ok(message.map(|message: Message<'_>| Message { text, ..message }))
}

fn group_state(part: &[u8]) -> Result<Message<'_>, Short> {
    let mut r = Reader::new(part);
    let (version, code, state, family) = (r.u8()?, r.u8()?, r.u8()?, r.u8()?);
    let group = r.be16()?;
    // The router's own MAC address.
    r.skip(6)?;
    let (priority, hello_ms, hold_ms) = (r.be32()?, r.be32()?, r.be32()?);
    let octets = r.array::<16>()?;
    let shared = match (family, octets.first_chunk::<4>()) {
        (4, Some(v4)) => IpAddr::V4(Ipv4Addr::from(*v4)),
        _ => IpAddr::V6(Ipv6Addr::from(octets)),
    };
    let role = role(version, state).unwrap_or("in an unknown state");
    Ok(Message { version, code, role, hello_ms, hold_ms, priority, group, shared, text: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number(message: &Message<'_>) -> u8 {
        let roles = if message.version == 0 { &ROLES_1 } else { &ROLES_2 };
        roles.iter().find(|(_, role)| *role == message.role).expect("a state").0
    }

    fn emit_1(m: &Message<'_>, address: Ipv4Addr) -> Vec<u8> {
        let [hello, hold] = [m.hello_ms, m.hold_ms].map(|ms| (ms / 1_000) as u8);
        let head = [0, m.code, number(m), hello, hold, m.priority as u8, m.group as u8, 0];
        let text = m.text.expect("version 1 has one");
        [&head[..], text, &address.octets()].concat()
    }

    fn emit_2(m: &Message<'_>, address: [u8; 16]) -> Vec<u8> {
        let family = if m.shared.is_ipv4() { 4 } else { 6 };
        let mut bytes = [GROUP_STATE, [2, m.code], [number(m), family]].concat();
        bytes.extend(m.group.to_be_bytes());
        bytes.extend([0x00, 0x1b, 0x1b, 0, 0, 1]);
        for number in [m.priority, m.hello_ms, m.hold_ms] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(address);
        if let Some(text) = m.text {
            bytes.extend([TEXT, 8]);
            bytes.extend(text);
        }
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (code, place) in (0u8..3, 0usize..6),
            [hello, hold, priority, group] in any::<[u8; 4]>(),
            (wide, six) in any::<(u32, bool)>(),
            text: Option<[u8; 8]>,
            octets: [u8; 16],
        ) {
            let v4 = Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]);
            let password = text.unwrap_or(*b"cisco\0\0\0");
            let first = Message {
                version: 0,
                code,
                role: ROLES_1[place].1,
                hello_ms: u32::from(hello) * 1_000,
                hold_ms: u32::from(hold) * 1_000,
                priority: u32::from(priority),
                group: u16::from(group),
                shared: IpAddr::V4(v4),
                text: Some(&password),
            };
            let bytes = emit_1(&first, v4);
            prop_assert_eq!(parse_1(&bytes), Ok(first));
            let mut address = octets;
            if !six {
                address[4..].fill(0);
            }
            let second = Message {
                version: 2,
                role: ROLES_2[place].1,
                hello_ms: wide,
                priority: wide,
                shared: if six { IpAddr::V6(octets.into()) } else { IpAddr::V4(v4) },
                text: text.as_ref(),
                ..first
            };
            let bytes = emit_2(&second, address);
            prop_assert_eq!(parse_2(&bytes), Ok(Some(second)));
        }
    }
}
