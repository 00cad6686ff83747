//! DHCP messages (RFC 2131, 2; options RFC 2132), read and written.
//!
//! Invariant: options are taken until END or the end of the bytes; an option cut short ends them.

use crate::Malformed;
use std::net::Ipv4Addr;

pub const MAGIC_COOKIE: [u8; 4] = [0x63, 0x82, 0x53, 0x63];
/// Octets before the options: the BOOTP fields and the cookie.
pub const HEADER_OCTETS: usize = 240;

pub const OPTION_HOST_NAME: u8 = 12;
pub const OPTION_ROUTER: u8 = 3;
pub const OPTION_NAME_SERVER: u8 = 6;
pub const OPTION_DOMAIN: u8 = 15;
pub const OPTION_REQUESTED_ADDRESS: u8 = 50;
const OPTION_OVERLOAD: u8 = 52;
pub const OPTION_MESSAGE_TYPE: u8 = 53;
pub const OPTION_PARAMETERS: u8 = 55;
pub const OPTION_VENDOR_CLASS: u8 = 60;
pub const OPTION_FQDN: u8 = 81;
const OPTION_PAD: u8 = 0;
const OPTION_END: u8 = 255;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// 1 from a client, 2 from a server.
    pub op: u8,
    pub transaction: u32,
    pub client_address: Ipv4Addr,
    pub your_address: Ipv4Addr,
    /// Hardware address where it is Ethernet.
    pub client_mac: Option<[u8; 6]>,
    /// (code, contents) in the order they stand, without pad and end.
    pub options: Vec<(u8, Vec<u8>)>,
}

impl Message {
    pub fn option(&self, code: u8) -> Option<&[u8]> {
        self.options.iter().find(|(c, _)| *c == code).map(|(_, contents)| contents.as_slice())
    }

    /// Option 53; BOOTP messages have none.
    pub fn message_type(&self) -> Option<u8> {
        self.option(OPTION_MESSAGE_TYPE).and_then(|o| o.first().copied())
    }
}

pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let short = Malformed::new("dhcp-message-cut-short");
    let (header, rest) = bytes.split_at_checked(HEADER_OCTETS).ok_or(short)?;
    let word = |at: usize| -> Result<[u8; 4], Malformed> {
        let end = at.checked_add(4).ok_or(short)?;
        header.get(at..end).and_then(|b| b.try_into().ok()).ok_or(short)
    };
    if word(236)? != MAGIC_COOKIE {
        return Err(Malformed::new("dhcp-magic-cookie-missing"));
    }
    let [op, hardware, hardware_length, _] = word(0)?;
    let ethernet = hardware == 1 && hardware_length == 6;
    let client_mac = header.get(28..34).and_then(|b| b.try_into().ok()).filter(|_| ethernet);
    let mut options = Vec::new();
    read(rest, &mut options);
    // The fields of the boot file and the server's name may hold more of them (RFC 2132, 9.3).
    let overload = options.iter().find(|(code, _)| *code == OPTION_OVERLOAD);
    let fields = overload.and_then(|(_, contents)| contents.first().copied()).unwrap_or_default();
    for (bit, field) in [(1, 108..236), (2, 44..108)] {
        if fields & bit != 0 {
            read(header.get(field).unwrap_or_default(), &mut options);
        }
    }
    Ok(Message {
        op,
        transaction: u32::from_be_bytes(word(4)?),
        client_address: word(12)?.into(),
        your_address: word(16)?.into(),
        client_mac,
        options,
    })
}

fn read(mut rest: &[u8], options: &mut Vec<(u8, Vec<u8>)>) {
    while let Some((&code, after)) = rest.split_first() {
        if code == OPTION_PAD {
            rest = after;
            continue;
        }
        let Some((&length, after)) = after.split_first().filter(|_| code != OPTION_END) else {
            return;
        };
        let Some((contents, after)) = after.split_at_checked(usize::from(length)) else { return };
        options.push((code, contents.to_vec()));
        rest = after;
    }
}

/// Contents of an option are cut at 255 octets.
pub fn emit(message: &Message) -> Vec<u8> {
    let mut bytes = vec![message.op, 1, 6, 0];
    bytes.extend(message.transaction.to_be_bytes());
    bytes.extend([0; 4]);
    bytes.extend(message.client_address.octets());
    bytes.extend(message.your_address.octets());
    bytes.extend([0; 8]);
    bytes.extend(message.client_mac.unwrap_or_default());
    bytes.resize(HEADER_OCTETS.saturating_sub(4), 0);
    bytes.extend(MAGIC_COOKIE);
    for (code, contents) in &message.options {
        let contents: Vec<u8> = contents.iter().take(255).copied().collect();
        bytes.extend([*code, contents.len() as u8]);
        bytes.extend(contents);
    }
    bytes.push(OPTION_END);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn options_go_on_in_the_fields_that_are_not_needed() {
        for (overload, at, found) in [(1, 108, true), (3, 44, true), (2, 108, false)] {
            let message = Message {
                op: 1,
                transaction: 1,
                client_address: Ipv4Addr::UNSPECIFIED,
                your_address: Ipv4Addr::UNSPECIFIED,
                client_mac: None,
                options: vec![(OPTION_OVERLOAD, vec![overload])],
            };
            let mut bytes = emit(&message);
            bytes[at..at + 4].copy_from_slice(&[OPTION_MESSAGE_TYPE, 1, 3, OPTION_END]);
            let read = parse(&bytes).expect("own message");
            assert_eq!(read.message_type(), found.then_some(3));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            transaction: u32,
            mac: [u8; 6],
            your: [u8; 4],
            options in prop::collection::vec(
                (1u8..255, prop::collection::vec(any::<u8>(), 0..40)),
                0..6,
            ),
        ) {
            let message = Message {
                op: 1,
                transaction,
                client_address: Ipv4Addr::UNSPECIFIED,
                your_address: your.into(),
                client_mac: Some(mac),
                options,
            };
            prop_assert_eq!(parse(&emit(&message)).expect("own message"), message);
        }
    }
}
