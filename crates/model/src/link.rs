//! A link: one client, one server, one protocol, with what was asked for and how often.

use crate::{AssetId, PortNumber, Time};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `lnk_` and 16 hexadecimal digits over client, server, protocol, transport and port.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkId(pub String);

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Link {
    pub id: LinkId,
    pub client: AssetId,
    pub server: AssetId,
    pub protocol: String,
    /// `tcp`, `udp`, `icmp`, `ethernet` or the IP protocol number.
    pub transport: String,
    /// The server's port, where there is one.
    pub port: Option<PortNumber>,
    pub first_seen: Time,
    pub last_seen: Time,
    pub packets: u64,
    pub bytes: u64,
    /// Operation class -> requests and notices seen.
    pub operations: BTreeMap<String, u64>,
    /// Time between equal requests, median, where the client polls. Milliseconds.
    pub poll_interval_ms: Option<u64>,
}
