//! What the sensor could not do, said with numbers: nothing is lost in silence.

use crate::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A reason or a limit, and how often it was met.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Counter {
    pub name: String,
    pub count: u64,
}

#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Health {
    /// Reason -> packets whose headers or payload could not be read.
    pub unparsed: BTreeMap<String, u64>,
    /// TCP segments and bytes known to be missing from the capture.
    pub segments_lost: u64,
    pub bytes_lost: u64,
    /// Packets the kernel dropped before we saw them; `None` for files.
    pub kernel_drops: Option<u64>,
    /// Limit -> times hit.
    pub limits: BTreeMap<String, u64>,
    /// Flows no protocol was found for, by transport and server port.
    pub unidentified: BTreeMap<String, u64>,
    /// Why the capture could not be read to its end, where it could not.
    pub damaged: Option<String>,
    /// Time of the newest packet.
    pub at: Option<Time>,
}
