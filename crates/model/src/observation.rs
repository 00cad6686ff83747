//! Observation: the first type on the path from packet to insight that may leave the sensor.
//!
//! Dissectors say what a message means, the sensor adds who, when and in which frame. Everything
//! downstream (inventory, baseline, detectors) sees only this. Invariant: payload is in an
//! [`Excerpt`] or nowhere, and an excerpt is bounded.

use crate::{Address, Carrier, Endpoint, Operation, Place, Point, PointValue, Quality, Time};
use serde::Serialize;

/// Longest payload excerpt that leaves the sensor, in bytes.
pub const EXCERPT_BYTES_MAX: usize = 256;

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Observation {
    pub at: Time,
    /// Number of the packet in its capture or since the sensor started, from 1.
    pub frame: u64,
    /// Short name of the protocol that said it, e.g. `modbus`.
    pub protocol: &'static str,
    /// Sender and receiver of the message.
    pub from: Endpoint,
    pub to: Endpoint,
    /// What carried the message; none where no conversation did.
    pub carrier: Option<Carrier>,
    pub detail: Detail,
    /// The message's bytes, where a finding may need them.
    pub excerpt: Option<Excerpt>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Detail {
    /// The sender exists: first packet from this pair of MAC, IP and VLAN.
    Presence,
    Identity(Identity),
    Operation(Operation),
    Value {
        point: Point,
        value: PointValue,
        unit: Option<&'static str>,
        quality: Quality,
    },
    State(StateChange),
    Violation(Violation),
    Session(SessionEvent),
    Authentication(Authentication),
    /// Counters of a conversation since they were last reported.
    Exchange(Exchange),
}

/// Whom an identity is about.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    Sender,
    Receiver,
    /// A third host, e.g. a lease in a DHCP answer or a reply in ARP.
    Address(Address),
    /// A module in the sender's rack.
    SenderModule {
        slot: u16,
    },
    ReceiverModule {
        slot: u16,
    },
    /// A device behind the sender; in a slot of its rack it is a [`Subject::SenderModule`].
    BehindSender(Place),
    BehindReceiver(Place),
}

impl Subject {
    /// The sender, or what stands at a place behind it.
    pub const fn sender_at(place: Option<Place>) -> Subject {
        match place {
            None => Subject::Sender,
            Some(Place::Slot(slot)) => Subject::SenderModule { slot },
            Some(place) => Subject::BehindSender(place),
        }
    }

    /// Where it stands behind the host that speaks or is spoken to; none is the host itself.
    pub const fn place(self) -> Option<Place> {
        match self {
            Subject::SenderModule { slot } | Subject::ReceiverModule { slot } => {
                Some(Place::Slot(slot))
            }
            Subject::BehindSender(place) | Subject::BehindReceiver(place) => Some(place),
            Subject::Sender | Subject::Receiver | Subject::Address(_) => None,
        }
    }
}

/// Attributes one message gives about one subject.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Identity {
    pub subject: Subject,
    /// The message that said it, e.g. `List Identity` or `SZL 0x001c`.
    pub message: &'static str,
    pub attributes: Vec<Attribute>,
}

/// A fact in the making. The usual paths: `vendor`,
/// `vendor_id`, `model`, `product_code`, `device_type`, `firmware`, `hardware`, `serial`, `name`,
/// `hostname`, `os`, `order_number`, `mac`, `ip`, `gateway`, `name_server`,
/// `user_agent`, `software`, `mode`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Attribute {
    pub path: &'static str,
    pub value: Box<str>,
    /// 0 to 100: 90 and above is the device's own word, 50 a fair guess.
    pub confidence: u8,
}

/// A state a device reports or is put in, e.g. `mode` = `run`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StateChange {
    pub subject: Subject,
    /// What state: `mode`, `key`, `protection`, `alarm`, `restart`.
    pub what: &'static str,
    pub value: Box<str>,
}

/// Something the standard forbids, or that no decoder can make sense of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Violation {
    /// Stable kebab-case id, e.g. `length-beyond-segment`, `function-code-zero`.
    pub rule: &'static str,
    /// What it is, for a person.
    pub says: &'static str,
    /// Standard and section.
    pub section: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionEvent {
    /// First packet of a conversation; `syn` when it is a TCP connection attempt seen to begin.
    Attempted {
        syn: bool,
    },
    /// The server answered: a TCP handshake or a first datagram back.
    Answered,
    /// TCP reset or ICMP unreachable in answer to an attempt.
    Refused,
    Closed,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Authentication {
    pub user: Option<Box<str>>,
    /// `None` while the answer is not seen.
    pub accepted: Option<bool>,
    /// The password or token itself was readable on the wire. The secret is never kept.
    pub clear_text: bool,
    /// The password is one that vendors ship; checked on the sensor, the secret is never kept.
    pub default_password: bool,
    /// E.g. `ftp password`, `http basic`, `snmp community`, `ntlm`.
    pub method: &'static str,
}

/// Conversation counters since the last report, with the estimated polling period.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Exchange {
    /// `tcp`, `udp`, `icmp`, `ip` or `ethernet`.
    pub transport: &'static str,
    pub first: Time,
    pub last: Time,
    /// Sender to receiver, where the sender of this observation is the client.
    pub packets_up: u64,
    pub packets_down: u64,
    pub bytes_up: u64,
    pub bytes_down: u64,
}

/// Bounded payload bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Excerpt(Box<[u8]>);

impl Excerpt {
    /// Keeps the first [`EXCERPT_BYTES_MAX`] bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Excerpt(bytes.get(..EXCERPT_BYTES_MAX).unwrap_or(bytes).into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Lowercase hexadecimal without blanks.
    pub fn hex(&self) -> String {
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('?');
        self.0.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
    }
}

impl Serialize for Excerpt {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_behind_another_makes_no_observation_larger() {
        // Sensors keep and carry very many of them.
        assert!(size_of::<Subject>() <= 48, "{}", size_of::<Subject>());
        assert_eq!(size_of::<Detail>(), size_of::<Operation>());
        assert_eq!(size_of::<Observation>(), 216);
    }

    #[test]
    fn excerpt_is_bounded() {
        let excerpt = Excerpt::new(&[0xab; 4_000]);
        assert_eq!(excerpt.bytes().len(), EXCERPT_BYTES_MAX);
        assert!(excerpt.hex().starts_with("abab"));
    }
}
