//! What leaves a live sensor, one JSON object a line: upserts of whole rows, keyed by id.

use crate::{Asset, Finding, Health, Link, Time};
use serde::{Deserialize, Serialize};

/// Version of this stream; a reader refuses a newer major one.
pub const INSIGHT_VERSION: u32 = 2;

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Insight {
    /// First line of a stream.
    Hello {
        version: u32,
        sensor: String,
        interface: String,
        started_at: Time,
        /// It reads a capture of some other time or place, not a wire.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        replay: bool,
    },
    Asset(Asset),
    /// An asset that was merged into another; rows that name it now mean `into`.
    AssetMerged {
        id: crate::AssetId,
        into: crate::AssetId,
    },
    Link(Link),
    /// A link of which an end or the protocol proved to be another; what it held is told in `into`.
    LinkMerged {
        id: crate::LinkId,
        into: crate::LinkId,
    },
    Finding(Finding),
    /// What happened between these times is known by its outcome alone: the line was cut for
    /// longer than there was room to keep what was told.
    Gap {
        from: Time,
        until: Time,
        reason: String,
    },
    /// Once a second: packets and bytes since the last beat, and the state of the sensor.
    Beat {
        at: Time,
        packets: u64,
        bytes: u64,
        learning: bool,
        health: Health,
    },
}
