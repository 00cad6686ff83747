//! What a protocol is to the sensor: how to recognise it and how to read a conversation in it.
//!
//! A port is a hint, never a decision: a probe that matches on content wins wherever it is
//! spoken. Anomalies are observations, not errors.

use crate::Output;
use model::{Carrier, Endpoint, Time};

/// Static description of a protocol.
#[derive(Debug)]
pub struct About {
    /// Short name in code, JSON, CLI and console: `modbus`.
    pub name: &'static str,
    /// Full name for people: `Modbus/TCP`.
    pub title: &'static str,
    /// Standards the parser follows, with the edition.
    pub specs: &'static [&'static str],
    pub carriers: &'static [Carrier],
    /// Usual server ports, for the hint only.
    pub ports: &'static [u16],
    /// Groups of counted messages it reports.
    pub groups: &'static [&'static crate::Group],
    /// Depth, for the docs table: what is decoded beyond the header, in a few words.
    pub depth: &'static str,
}

/// What is known of the bytes besides themselves when a probe looks at them.
#[derive(Clone, Copy, Debug)]
pub struct Hint {
    pub carrier: Carrier,
    /// One of the conversation's ports is in [`About::ports`].
    pub port: bool,
    /// Who seems to have sent these bytes, by TCP handshake or ports.
    pub from: Side,
    /// Bytes the capture's snap length cut off their end, which count where a length is compared.
    pub missing: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// These bytes are this protocol.
    Match,
    /// They are, and only a server sends them, whatever the ports suggest.
    MatchServer,
    /// They are, and only a client sends them.
    MatchClient,
    NoMatch,
    /// Too short to tell.
    NeedMore,
}

/// An end of a conversation. Where no one serves (multicast notices) the sender is the client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Side {
    Client,
    Server,
}

impl Side {
    pub const fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Bytes of one direction: for TCP the contiguous bytes not yet consumed, for anything else
/// exactly one datagram or frame payload.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    pub bytes: &'a [u8],
    pub from: Side,
    pub at: Time,
    pub carrier: Carrier,
    /// Sender and receiver as in the frame.
    pub sender: Endpoint,
    pub receiver: Endpoint,
    /// Bytes were lost just before these: a message may begin in the middle.
    pub after_gap: bool,
    /// Bytes the capture's snap length cut off the end of this datagram.
    pub missing: usize,
    /// Of a message in a stream that the capture cut, how many zeros at the end of `bytes` stand
    /// for what is not there: they make it as long as it was, and say nothing.
    pub filled: usize,
}

impl<'a> Segment<'a> {
    /// Octets that are all there, of nobody in particular and at no time: the ground on which
    /// to say what else is known of them.
    #[inline]
    pub fn of(bytes: &'a [u8], from: Side, carrier: Carrier) -> Segment<'a> {
        Segment {
            bytes,
            from,
            at: Time(0),
            carrier,
            sender: Endpoint::default(),
            receiver: Endpoint::default(),
            after_gap: false,
            missing: 0,
            filled: 0,
        }
    }
}

pub trait Protocol: Sync {
    fn about(&self) -> &'static About;

    /// Looks at the first bytes of one direction of a conversation. Must be cheap, and must say
    /// no to every other protocol's messages: the registry's tests hold all against all.
    fn probe(&self, head: &[u8], hint: Hint) -> Probe;

    /// State for one conversation. Bounded: see each protocol's `limits`.
    fn open(&self) -> Box<dyn Dissector>;
}

/// Reads one conversation.
pub trait Dissector: Send {
    /// Reads as many whole messages as `segment` holds and says how far it came.
    ///
    /// On TCP the unconsumed rest comes again with more bytes behind it. On datagrams and frames
    /// the rest is dropped: a message cut short there is a violation, not a wait.
    fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress;

    /// Bytes of one direction are lost for good; transactions waiting for them are void.
    fn gap(&mut self, gap: Gap);

    /// Octets at the beginning of a message that say all that is counted of it: with these, one
    /// that the capture cut off is counted.
    fn counted_by(&self) -> usize {
        16
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Gap {
    pub from: Side,
    /// Bytes lost, where known.
    pub bytes: Option<u64>,
}

impl Gap {
    /// How many of so many octets to be passed over stand behind the gap.
    pub fn left_of(self, octets: usize) -> usize {
        let lost = self.bytes.and_then(|lost| usize::try_from(lost).ok());
        lost.map_or(0, |lost| octets.saturating_sub(lost))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Progress {
    /// Took this many bytes; call again at once if some are left and progress was made.
    Consumed(usize),
    /// Took `consumed`, and the message behind that needs `needed` bytes in all to be read.
    NeedMore { consumed: usize, needed: usize },
    /// This is not the protocol (any more): the sensor stops asking and counts why.
    GiveUp(Malformed),
}

/// Why bytes cannot be read: the peer's fault, never an error of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Malformed {
    /// Stable kebab-case reason, a key of the health counters.
    pub reason: &'static str,
}

impl Malformed {
    pub const fn new(reason: &'static str) -> Self {
        Malformed { reason }
    }
}

impl From<wire::reader::Short> for Malformed {
    fn from(_: wire::reader::Short) -> Self {
        Malformed::new("message-shorter-than-its-fields")
    }
}
