//! The answer of `spandrel pcap --format json`: one object for each capture file.

use crate::{Asset, Finding, Health, Link, Time};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::collections::BTreeMap;

/// A value of a message row: a number as on the wire, a text, or absent.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(untagged)]
pub enum Scalar {
    Null,
    Bool(bool),
    Number(u64),
    /// A text out of a fixed few, such as `request`: counting it allocates nothing.
    Word(&'static str),
    /// A text that a conversation keeps and counts again and again, such as a share's name:
    /// counting it allocates nothing. A group uses either this or [`Scalar::Text`] for a key.
    Shared(std::sync::Arc<str>),
    Text(Box<str>),
}

/// One distinct combination of keys and how often it was seen.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct MessageRow {
    pub keys: Vec<(&'static str, Scalar)>,
    pub count: u64,
    /// What was drawn from numbers the messages carry, e.g. the lowest; most groups have none.
    pub figures: Vec<(&'static str, u64)>,
}

impl Serialize for MessageRow {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(self.keys.len() + 1 + self.figures.len()))?;
        for (name, value) in &self.keys {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("count", &self.count)?;
        for (name, value) in &self.figures {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// One process value seen passing by.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ValueRow {
    pub asset: crate::AssetId,
    pub protocol: &'static str,
    pub point: crate::Point,
    pub ts: Time,
    pub value: crate::PointValue,
    pub unit: Option<&'static str>,
    pub quality: crate::Quality,
    pub operation: &'static str,
}

/// Attempts of one user to sign in, with the same answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SignInRow {
    pub client: crate::AssetId,
    pub server: crate::AssetId,
    pub protocol: &'static str,
    pub method: &'static str,
    /// Where the protocol says it readable.
    pub user: Option<Box<str>>,
    /// Null where the answer was not seen, or tells nothing.
    pub accepted: Option<bool>,
    pub clear_text: bool,
    pub default_password: bool,
    pub first_seen: Time,
    pub last_seen: Time,
    pub count: u64,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct CaptureReport {
    pub file: String,
    pub packets: u64,
    /// On the wire, not as captured.
    pub bytes: u64,
    pub first_ts: Option<Time>,
    pub last_ts: Option<Time>,
    pub messages: BTreeMap<&'static str, Vec<MessageRow>>,
    pub assets: Vec<Asset>,
    pub links: Vec<Link>,
    pub findings: Vec<Finding>,
    pub sign_ins: Vec<SignInRow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<ValueRow>>,
    pub health: Health,
}
