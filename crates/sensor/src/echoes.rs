//! Echo requests that wait for their replies, which must bring back what they brought.
//!
//! Not here: what is odd in the data of one message, see `protocols::icmp`. Invariant: of a
//! request no more is kept than tells whether a reply has its data, and not longer than
//! [`ECHO_WAITS_NANOS`].

use crate::limits::{ECHO_WAITS_NANOS, ECHOES_MAX};
use foldhash::fast::FixedState;
use hashbrown::HashMap;
use model::Time;
use protocols::icmp::Echo;
use std::{collections::VecDeque, hash::BuildHasher, net::IpAddr};

/// Who asks whom, identifier and sequence number.
type Key = (IpAddr, IpAddr, [u8; 4]);

/// Octets of the data that are kept: devices with little memory bring back only the first ones.
const HEAD_OCTETS: usize = 16;

struct Brought {
    at: Time,
    octets: usize,
    hash: u64,
    head: [u8; HEAD_OCTETS],
}

pub(crate) struct Echoes {
    waiting: HashMap<Key, Brought, FixedState>,
    /// In the order they came.
    order: VecDeque<(Time, Key)>,
    hasher: FixedState,
    /// Requests that were forgotten before their time.
    pub(crate) evicted: u64,
}

impl Echoes {
    pub(crate) fn new() -> Echoes {
        let hasher = FixedState::with_seed(0x6563_686f);
        Echoes {
            waiting: HashMap::with_hasher(hasher.clone()),
            order: VecDeque::new(),
            hasher,
            evicted: 0,
        }
    }

    /// Looks at an echo message. Is it a reply that brings other data than its request did?
    pub(crate) fn is_altered(
        &mut self,
        (from, to): (IpAddr, IpAddr),
        echo: &Echo<'_>,
        at: Time,
    ) -> bool {
        if echo.reply {
            let key = (to, from, echo.number);
            let brought = self.waiting.get(&key);
            let brought = brought.filter(|b| at.since(b.at).saturating_abs() <= ECHO_WAITS_NANOS);
            return brought.is_some_and(|brought| self.differs(brought, echo.data));
        }
        self.make_room(at);
        let key = (from, to, echo.number);
        let hash = self.hasher.hash_one(echo.data);
        let mut head = [0; HEAD_OCTETS];
        head.iter_mut().zip(echo.data).for_each(|(kept, octet)| *kept = *octet);
        self.waiting.insert(key, Brought { at, octets: echo.data.len(), hash, head });
        self.order.push_back((at, key));
        false
    }

    fn differs(&self, brought: &Brought, data: &[u8]) -> bool {
        if data.len() < brought.octets {
            return data.iter().zip(brought.head).any(|(octet, kept)| *octet != kept);
        }
        data.len() > brought.octets || self.hasher.hash_one(data) != brought.hash
    }

    fn make_room(&mut self, now: Time) {
        while let Some((at, key)) = self.order.front().copied() {
            let over = now.since(at).saturating_abs() > ECHO_WAITS_NANOS;
            if !over && self.order.len() < ECHOES_MAX {
                return;
            }
            self.order.pop_front();
            // Its number may have come again since.
            if self.waiting.get(&key).is_some_and(|brought| brought.at == at) {
                self.waiting.remove(&key);
                self.evicted += u64::from(!over);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn echo(reply: bool, number: u32, data: &[u8]) -> Echo<'_> {
        Echo { reply, number: number.to_be_bytes(), data }
    }

    /// Does a reply to `asked` that comes after so many seconds count as altered?
    fn altered(asked: &[u8], replied: &[u8], secs: i64) -> bool {
        let mut echoes = Echoes::new();
        assert!(!echoes.is_altered((A, B), &echo(false, 7, asked), Time::from_secs(100)));
        echoes.is_altered((B, A), &echo(true, 7, replied), Time::from_secs(100 + secs))
    }

    #[test]
    fn a_reply_brings_back_what_was_sent_or_the_beginning_of_it() {
        assert!(!altered(
            b"abcdefghijklmnopqrstuvwabcdefghi",
            b"abcdefghijklmnopqrstuvwabcdefghi",
            1
        ));
        assert!(!altered(b"abcdefghijklmnopqrstuvwabcdefghi", b"abcdefgh", 1));
        assert!(!altered(b"", b"", 1));
        assert!(altered(b"ready", b"whoami", 1));
        assert!(altered(b"PS C:\\> ", b"whoami", 1));
        assert!(altered(
            b"abcdefghijklmnopqrstuvwabcdefghi",
            b"abcdefghijklmnopqrstuvwabcdefghX",
            1
        ));
        assert!(!altered(b"ready", b"whoami", 11), "of a request that is forgotten");
    }

    #[test]
    fn requests_beyond_the_limit_are_counted_and_the_newest_stay() {
        let mut echoes = Echoes::new();
        let at = Time::from_secs(100);
        for number in 0..=ECHOES_MAX as u32 {
            echoes.is_altered((A, B), &echo(false, number, b"ready"), at);
        }
        assert_eq!(echoes.evicted, 1);
        assert!(!echoes.is_altered((B, A), &echo(true, 0, b"whoami"), at));
        assert!(echoes.is_altered((B, A), &echo(true, ECHOES_MAX as u32, b"whoami"), at));
        echoes.is_altered((A, B), &echo(false, 1, b"ready"), at.plus_secs(60));
        assert_eq!((echoes.evicted, echoes.waiting.len()), (1, 1));
    }
}
