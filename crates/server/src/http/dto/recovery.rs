//! Recovery plans and their drills.
//!
//! Not here: the plan's own grammar, which is text. Invariant: a plan that cannot be followed is a
//! row with its problems, no error.

use super::Run;
use crate::protect::work::DrillStep;
use model::Time;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A recovery plan to make, or what one shall become.
#[derive(Serialize, Deserialize, ToSchema, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RecoveryPlanSpec {
    /// TOML, as docs/recovery.md has it.
    pub text: String,
    /// Drill it at least so often, without people; 0 is only when asked for.
    #[serde(default)]
    pub every_days: u32,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct RecoveryPlan {
    pub id: String,
    pub generation: i64,
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Time,
    pub name: String,
    pub about: String,
    pub text: String,
    pub every_days: u32,
    /// What it does, in order.
    pub steps: Vec<DrillStep>,
    /// Why it cannot be followed as it is.
    pub problems: Vec<String>,
    pub rto_target_ms: Option<u64>,
    pub rpo_target_ms: Option<u64>,
    /// Canaries tell what was lost.
    pub canaries: bool,
    /// Its newest drill.
    pub last: Option<Run>,
    /// When it last passed one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub passed_at: Option<Time>,
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Time>,
}

#[derive(Serialize, ToSchema, Debug)]
pub struct RecoveryPlanList {
    pub items: Vec<RecoveryPlan>,
    /// Plans that suit this server, to begin with.
    pub suggestions: Vec<RecoveryPlanSpec>,
}

/// How to drill.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DrillRequest {
    /// People do their steps at the console; else those are left out.
    #[serde(default)]
    pub attended: bool,
}

/// A step that somebody has done or approves.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ConfirmRequest {
    /// As the drill's `waiting` names it.
    pub step: String,
}
