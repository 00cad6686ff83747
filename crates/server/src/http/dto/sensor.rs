//! Sensors as the server sees them.
//!
//! Not here: their processes. Invariant: what a sensor could not do is shown as numbers.

use super::SensorState;
use model::{Health, Time};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Sensor {
    /// Its configured name.
    pub id: String,
    pub name: String,
    /// Interface, or what it reads instead of one.
    pub interface: String,
    #[schema(value_type = SensorState)]
    pub state: store::SensorState,
    /// Why it is in that state, and what to do, in one line.
    pub detail: Option<String>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub started_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_beat: Option<Time>,
    pub packets_per_s: f64,
    pub bytes_per_s: f64,
    /// Since it started.
    pub packets: u64,
    pub bytes: u64,
    /// Packets the kernel dropped before the sensor saw them, since it started.
    pub drops: Option<u64>,
    pub restarts: u32,
    pub learning: bool,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub learning_until: Option<Time>,
    #[schema(value_type = Option<SensorHealth>)]
    pub health: Option<Health>,
    pub revision: i64,
    /// What it says at present cannot be saved, e.g. as the server's disk is full.
    pub unsaved: Option<SensorUnsaved>,
    /// Times of which less is known than it said, the newest five, newest first.
    pub gaps: Vec<SensorGap>,
}

/// What a sensor says is not on disk.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct SensorUnsaved {
    #[schema(value_type = String, format = DateTime)]
    pub since: Time,
    pub reason: String,
    /// Reports that the server holds in memory until it can save them. Null where they wait in the
    /// sensor's spool.
    pub waiting: Option<u64>,
    /// Reports there was no room for.
    pub lost: u64,
}

/// A time of which only the outcome is known.
#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct SensorGap {
    #[schema(value_type = String, format = DateTime)]
    pub from: Time,
    #[schema(value_type = String, format = DateTime)]
    pub until: Time,
    pub reason: String,
    /// Reports that were saved after it, where they were counted.
    pub late: Option<u64>,
    /// Reports that were not kept, where they were counted.
    pub lost: Option<u64>,
}

/// What the sensor could not do.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used; the wire has `model::Health`")]
pub struct SensorHealth {
    /// Reason -> packets whose headers or payload could not be read.
    pub unparsed: BTreeMap<String, u64>,
    pub segments_lost: u64,
    pub bytes_lost: u64,
    pub kernel_drops: Option<u64>,
    /// Limit -> times hit.
    pub limits: BTreeMap<String, u64>,
    /// Flows no protocol was found for, by transport and server port.
    pub unidentified: BTreeMap<String, u64>,
    pub damaged: Option<String>,
    #[schema(format = DateTime)]
    pub at: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct SensorList {
    pub items: Vec<Sensor>,
}
