//! Who asked for a file by TFTP: the server answers from a port of its own (RFC 1350, 4).
//!
//! Not here: what is said, see `protocols`. Invariant: requests are bounded, and forgotten when no
//! answer can come any more.

use crate::limits::{TRANSFER_WAITS_NANOS, TRANSFERS_MAX};
use model::{Endpoint, Time};
use std::{collections::VecDeque, net::IpAddr};

#[derive(Clone, Copy, PartialEq, Eq)]
struct Transfer {
    client: IpAddr,
    port: u16,
    server: IpAddr,
}

impl Transfer {
    fn of(client: &Endpoint, server: &Endpoint) -> Option<Transfer> {
        Some(Transfer { client: client.ip?, port: client.port?, server: server.ip? })
    }
}

/// Requests of one shard, oldest first.
#[derive(Default)]
pub(crate) struct Transfers {
    asked: VecDeque<(Time, Transfer)>,
    /// Requests forgotten before their time, for want of room.
    pub(crate) evicted: u64,
}

impl Transfers {
    /// Keeps who asks in a datagram in which TFTP was recognised.
    pub(crate) fn see(&mut self, from: &Endpoint, to: &Endpoint, payload: &[u8], at: Time) {
        // A read, a write.
        let ([0, 1 | 2, ..], Some(transfer)) = (payload, Transfer::of(from, to)) else { return };
        let old = |asked: &Time| at.since(*asked).saturating_abs() > TRANSFER_WAITS_NANOS;
        self.asked.retain(|(asked, known)| *known != transfer && !old(asked));
        if self.asked.len() >= TRANSFERS_MAX {
            self.evicted += 1;
            self.asked.pop_front();
        }
        self.asked.push_back((at, transfer));
    }

    /// Where a datagram between other ports belongs to a transfer: did its client send it?
    pub(crate) fn client_sent(
        &self,
        from: &Endpoint,
        to: &Endpoint,
        payload: &[u8],
        at: Time,
    ) -> Option<bool> {
        // Data, acknowledgement, error, options.
        let [0, 3..=6, _, _, ..] = payload else { return None };
        let asks = |client, server| {
            let transfer = Transfer::of(client, server);
            self.asked.iter().any(|(asked, known)| {
                Some(*known) == transfer
                    && at.since(*asked).saturating_abs() <= TRANSFER_WAITS_NANOS
            })
        };
        if asks(to, from) {
            return Some(false);
        }
        asks(from, to).then_some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(last: u8, port: u16) -> Endpoint {
        let ip = Some([192, 0, 2, last].into());
        Endpoint { ip, port: Some(port), ..Endpoint::default() }
    }

    #[test]
    fn an_answer_from_another_port_is_known_for_a_while() {
        let mut transfers = Transfers::default();
        let (client, server, now) = (end(1, 4_000), end(2, 69), Time::from_secs(10));
        transfers.see(&client, &server, b"\0\x01a\0octet\0", now);
        let block = b"\0\x03\0\x01abc";
        let sent = |from: Endpoint, to: Endpoint, payload: &[u8], at| {
            transfers.client_sent(&from, &to, payload, at)
        };
        let answer = end(2, 5_000);
        assert_eq!(sent(answer, client, block, now), Some(false));
        assert_eq!(sent(client, answer, b"\0\x04\0\x01", now), Some(true));
        assert_eq!(sent(end(3, 5_000), client, block, now), None);
        assert_eq!(sent(answer, end(1, 4_001), block, now), None);
        assert_eq!(sent(answer, client, b"\0\x07\0\x01", now), None);
        assert_eq!(sent(answer, client, block, Time::from_secs(100)), None);
    }

    #[test]
    fn a_client_that_asks_without_end_hits_the_limit() {
        let mut transfers = Transfers::default();
        for port in 0..=TRANSFERS_MAX as u16 {
            for _ in 0..2 {
                transfers.see(&end(1, port), &end(2, 69), b"\0\x01a\0octet\0", Time(0));
            }
        }
        assert_eq!((transfers.asked.len(), transfers.evicted), (TRANSFERS_MAX, 1));
        let sent =
            |port| transfers.client_sent(&end(2, 9), &end(1, port), b"\0\x03\0\x01", Time(0));
        assert_eq!((sent(0), sent(1)), (None, Some(false)));
        // Old ones make room by themselves.
        transfers.see(&end(1, 9), &end(2, 69), b"\0\x02a\0octet\0", Time::from_secs(3_600));
        assert_eq!((transfers.asked.len(), transfers.evicted), (1, 1));
    }
}
