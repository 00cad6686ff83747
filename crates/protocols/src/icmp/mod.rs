//! Echo messages of ICMP (RFC 792) and ICMPv6 (RFC 4443), already decoded by `wire`: odd data.
//!
//! Not in the registry: ordinary ones say nothing. Neighbour discovery is [`crate::icmpv6`].
//! Invariant: octets of an echo are looked at and not kept.

use crate::{Output, output::Op};
use model::OperationClass;

pub const V4: u8 = 1;
pub const V6: u8 = 58;
/// Octets of an echo a program may use for its clock.
const CLOCK_OCTETS: usize = 16;

/// A request that data be sent back, or the reply with it.
#[derive(Clone, Copy, Debug)]
pub struct Echo<'a> {
    pub reply: bool,
    /// Identifier and sequence number, by which a reply is known (RFC 792, echo).
    pub number: [u8; 4],
    pub data: &'a [u8],
}

/// Reads an echo message; `payload` stands behind the checksum.
pub fn echo(protocol: u8, kind: u8, payload: &[u8]) -> Option<Echo<'_>> {
    let reply = match (protocol, kind) {
        (V4, 8) | (V6, 128) => false,
        (V4, 0) | (V6, 129) => true,
        _ => return None,
    };
    let (number, data) = payload.split_first_chunk::<4>()?;
    Some(Echo { reply, number: *number, data })
}

/// "The data received in the echo message must be returned in the echo reply message" (RFC 792);
/// this reply brings other data. It is of the message observed last.
pub fn altered(kind: u8, out: &mut Output) {
    let name = "echo answered with other data";
    out.operation(Op::response(OperationClass::Other, u32::from(kind), name).done());
}

/// Observes what is odd in a message; `payload` stands behind the checksum.
pub fn observe(protocol: u8, kind: u8, payload: &[u8], out: &mut Output) {
    out.begin("icmp", 0..payload.len());
    let echo = matches!((protocol, kind), (V4, 0 | 8) | (V6, 128 | 129));
    // Identifier and sequence number stand before the data (RFC 792, echo).
    if echo && is_unusual(payload.get(4..).unwrap_or_default()) {
        let name = "echo with unusual data";
        out.operation(Op::notice(OperationClass::Other, u32::from(kind), name));
    }
}

/// Octets of a pattern that comes again and again; routers of Cisco send two, AB CD.
const PATTERN_OCTETS: usize = 4;

/// Neither a pattern nor few octets again and again, as programs that test reachability send.
fn is_unusual(data: &[u8]) -> bool {
    let Some((head, tail)) = data.split_at_checked(CLOCK_OCTETS).filter(|(_, t)| !t.is_empty())
    else {
        return false;
    };
    let counts = |w: &[u8]| matches!(w, [a, b] if *b == a.wrapping_add(1));
    let same = |w: &[u8]| matches!(w, [a, b] if a == b);
    // Windows sends the letters a to w over and over.
    let letters = |w: &[u8]| counts(w) || matches!(w, [b'w' | b'z', b'a'] | [b'W' | b'Z', b'A']);
    if data.windows(2).all(letters) || data.windows(2).all(same) {
        return false;
    }
    let repeats = |octets| tail.iter().zip(tail.iter().skip(octets)).all(|(a, b)| a == b);
    // It has come twice at least.
    let longest = PATTERN_OCTETS.min(tail.len() / 2).max(1);
    let ordinary = tail.windows(2).all(counts) || (1..=longest).any(repeats);
    // A word before the padding is a command, not a clock.
    let word = head.iter().take_while(|b| b.is_ascii_alphabetic()).count();
    !ordinary || word >= 5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(protocol: u8, kind: u8, payload: &[u8]) -> usize {
        let mut out = Output::default();
        observe(protocol, kind, payload, &mut out);
        out.observed.len()
    }

    #[test]
    fn an_echo_is_read_with_the_number_that_joins_request_and_reply() {
        let read = |protocol, kind| echo(protocol, kind, &[0, 7, 0, 9, b'x']);
        let request = read(V4, 8).expect("a request");
        assert_eq!((request.reply, request.number, request.data), (false, [0, 7, 0, 9], &b"x"[..]));
        assert!(read(V6, 129).is_some_and(|echo| echo.reply));
        assert!(read(V4, 128).is_none() && read(V4, 3).is_none() && echo(V4, 8, &[0; 3]).is_none());
    }

    #[test]
    fn pings_of_systems_are_ordinary_and_a_command_is_not() {
        let mut windows = vec![0, 1, 0, 7];
        windows.extend(b"abcdefghijklmnopqrstuvwabcdefghi");
        let mut linux =
            vec![0, 1, 0, 7, 0x66, 0x0d, 0x0a, 0x5f, 0, 0, 0, 0, 9, 8, 7, 6, 0, 0, 0, 0];
        linux.extend(0x10..0x38);
        let mut cisco = vec![0, 1, 0, 7, 0, 0, 0, 0, 0, 3, 0x4c, 0x3c];
        cisco.extend([0xab, 0xcd].repeat(32));
        let mut command = vec![0, 1, 0, 7];
        command.extend(b"shell");
        command.extend([0; 700]);
        let mut data = vec![0, 1, 0, 7];
        data.extend((0..64_u8).map(|i| i.wrapping_mul(37) ^ 0x5a));
        assert_eq!(observed(V4, 8, &windows), 0);
        assert_eq!(observed(V4, 0, &linux), 0);
        assert_eq!(observed(V4, 8, &cisco), 0);
        assert_eq!(observed(V4, 8, &[0; 4]), 0);
        assert_eq!(observed(V4, 8, &command), 1);
        assert_eq!(observed(V4, 8, &data), 1);
    }
}
