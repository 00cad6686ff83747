//! Uploaded captures and their reports.
//!
//! Not here: reading packets, which a child process does. Invariant: a report stands by itself;
//! its rows join the site only when somebody imports it.

use super::{CaptureState, FindingDetail, Link, ReportAsset, SensorHealth, Severity};
use model::{Health, Time};
use serde::Serialize;
use std::collections::BTreeMap;
use utoipa::ToSchema;

#[derive(Serialize, ToSchema, Debug, Clone)]
pub struct Capture {
    pub id: String,
    /// As the uploader named it.
    pub file: String,
    pub size_bytes: u64,
    /// Of the file, hexadecimal.
    pub sha256: String,
    #[schema(value_type = CaptureState)]
    pub state: store::CaptureState,
    /// Why it failed, and what to do.
    pub detail: Option<String>,
    pub uploaded_by: String,
    #[schema(value_type = String, format = DateTime)]
    pub uploaded_at: Time,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Time>,
    pub packets: Option<u64>,
    pub bytes: Option<u64>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub first_ts: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub last_ts: Option<Time>,
    pub assets: Option<u64>,
    pub links: Option<u64>,
    pub findings: Option<u64>,
    /// Worst of its findings.
    #[schema(value_type = Option<Severity>)]
    pub severity: Option<model::Severity>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub imported_at: Option<Time>,
    /// The sensor with whose rules and declared protocols it is read; null: with those of none.
    pub read_as: Option<String>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct CaptureList {
    pub items: Vec<Capture>,
    pub readings: Vec<Reading>,
}

/// A sensor with rules or protocols of its own, to read a capture with.
#[derive(Serialize, ToSchema, Debug)]
pub struct Reading {
    pub sensor: String,
    pub protocols: bool,
    pub rules: bool,
    /// A capture is read as this sensor reads when nobody says.
    pub usual: bool,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct CaptureDetail {
    #[serde(flatten)]
    pub row: Capture,
    /// Null until it is parsed.
    pub report: Option<CaptureReport>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct CaptureReport {
    pub assets: Vec<ReportAsset>,
    pub links: Vec<Link>,
    pub findings: Vec<FindingDetail>,
    /// Group of messages -> messages seen.
    pub messages: BTreeMap<String, u64>,
    #[schema(value_type = SensorHealth)]
    pub health: Health,
}

/// What an import did.
#[derive(Serialize, ToSchema, Debug)]
pub struct Imported {
    pub assets: u64,
    pub links: u64,
    pub findings: u64,
}
