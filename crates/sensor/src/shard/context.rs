//! What is known of the packet being read, besides its payload.
//!
//! Invariant: `from` and `to` are the ends of the innermost packet; of a tunnel the MAC addresses
//! belong to its ends and stand apart.

use crate::{
    flow::Flow,
    tally::{Peer, Peers},
    worker::Packet,
};
use model::{Carrier, Endpoint, Mac, Time};
use protocols::{Ends, Hint, Side};
use std::net::IpAddr;

#[derive(Clone, Copy)]
pub(super) struct Context {
    pub(super) at: Time,
    pub(super) frame: u64,
    /// Frame at which it is read: of octets that waited, a later one.
    pub(super) read_at: u64,
    pub(super) from: Endpoint,
    pub(super) to: Endpoint,
    /// Ends of the outermost packet, where a tunnel was opened.
    pub(super) outer: Option<(IpAddr, IpAddr)>,
    pub(super) macs: (Option<Mac>, Option<Mac>),
    pub(super) wire_len: u32,
    pub(super) missing: usize,
    /// Time to live of the packet.
    pub(super) hops: Option<u8>,
    /// What carries the conversation, once that is known.
    pub(super) carrier: Option<Carrier>,
    /// The sender is the low end of the conversation's key.
    pub(super) from_is_low: bool,
    /// The packet is counted for its sender already.
    pub(super) counted: bool,
}

impl Context {
    pub(super) fn ports(&mut self, from: u16, to: u16) {
        (self.from.port, self.to.port) = (Some(from), Some(to));
    }

    pub(super) fn presence(packet: &Packet<'_>, from: Endpoint) -> Context {
        Context {
            at: packet.at,
            frame: packet.frame,
            read_at: packet.frame,
            from,
            to: Endpoint::default(),
            outer: None,
            macs: (None, None),
            wire_len: packet.wire_len,
            missing: 0,
            hops: None,
            carrier: None,
            from_is_low: false,
            counted: true,
        }
    }

    /// What probes are told of what `side` sent in this packet, but for the ports.
    pub(super) fn hint(&self, carrier: Carrier, side: Side) -> Hint {
        Hint { carrier, port: false, from: side, missing: self.missing }
    }

    /// The side of the conversation that sent this packet.
    pub(super) fn side(&self, flow: &Flow) -> Side {
        flow.side(self.from_is_low)
    }

    /// For counts of messages: outermost addresses, or always the MAC addresses.
    #[inline]
    pub(super) fn peers(&self, ends: Ends) -> Peers {
        let pair = || match self.outer {
            Some((a, b)) => (Peer::ip(a), Peer::ip(b)),
            None => (Peer::of(&self.from), Peer::of(&self.to)),
        };
        match ends {
            Ends::Pair => pair(),
            Ends::MacPair => (Peer::mac(self.macs.0), Peer::mac(self.macs.1)),
            Ends::Source => (pair().0, Peer::NONE),
            Ends::None => (Peer::NONE, Peer::NONE),
        }
    }

    /// The context of octets that `side` sent earlier and that are read only at this packet.
    pub(super) fn sent_by(&self, flow: &Flow, side: Side) -> Context {
        if self.side(flow) == side {
            return *self;
        }
        Context {
            from: self.to,
            to: self.from,
            outer: self.outer.map(|(a, b)| (b, a)),
            macs: (self.macs.1, self.macs.0),
            from_is_low: !self.from_is_low,
            ..*self
        }
    }
}
