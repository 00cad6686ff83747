//! Bounds of everything the store keeps or accepts.
//!
//! Invariant: each has a unit in its name.

/// Calls that share one commit at most.
pub const BATCH_CALLS_MAX: usize = 256;
/// Calls that may wait for the writer; more wait outside.
pub const QUEUE_CALLS_MAX: usize = 1_024;
/// Connections that read at the same time.
pub const READERS_MAX: u32 = 4;
/// Changes a slow watcher may be behind before it reads from disk.
pub const WATCH_CHANGES_MAX: usize = 4_096;
/// Rows a watcher may catch up from disk; behind that it reads the lists again.
pub const BACKLOG_ROWS_MAX: usize = 5_000;

/// Length of a filter.
pub const FILTER_BYTES_MAX: usize = 4_096;
/// Comparisons in a filter.
pub const FILTER_TERMS_MAX: usize = 64;
/// Parentheses and `not` inside one another.
pub const FILTER_DEPTH_MAX: usize = 32;
/// Values of one `in`.
pub const FILTER_IN_MAX: usize = 100;

/// Values of one facet.
pub const FACET_VALUES_MAX: usize = 50;
/// Facts kept of an asset over sensor restarts.
pub const FACTS_MAX: usize = 400;
/// Elements of a list kept of an asset over sensor restarts: addresses, names, protocols.
pub const LIST_ELEMENTS_MAX: usize = 256;
/// Sensors of which it is known apart how much each counted of one asset, link or finding; what the
/// others counted is known as a sum.
pub const SENSORS_COUNTED_MAX: usize = 256;
/// Characters of a text column; a hostile device may call itself anything.
pub const TEXT_CHARS_MAX: usize = 512;
/// Links shown with an asset.
pub const ASSET_LINKS_MAX: usize = 500;
/// Events shown with an asset or a finding.
pub const TIMELINE_EVENTS_MAX: usize = 200;
/// Evidence kept of a finding over sensor restarts.
pub const EVIDENCE_MAX: usize = 32;
/// Nodes of one map.
pub const MAP_NODES_MAX: usize = 5_000;

/// Labels of an asset.
pub const LABELS_MAX: usize = 64;
/// Zones of a site.
pub const ZONES_MAX: usize = 1_000;
/// Ranges or VLANs of a zone.
pub const ZONE_RANGES_MAX: usize = 256;

/// Plans of a site.
pub const PLANS_MAX: i64 = 500;

/// Copies of the vault that the control plane makes.
pub const COPIES_MAX: i64 = 20;
/// Agents on hosts, revoked ones included: their names and keys stay known.
pub const AGENTS_MAX: i64 = 10_000;
/// Runs that one agent may tell of within a day; others are taken and not kept.
pub const AGENT_RUNS_A_DAY_MAX: i64 = 5_000;
/// Finished runs kept, the newest; besides those of backups that are what a target has.
pub const RUNS_KEPT_MAX: i64 = 20_000;

/// Events kept.
pub const EVENTS_MAX: i64 = 200_000;
/// Gaps of sensors kept, the newest; and those shown with a sensor.
pub const GAPS_KEPT_MAX: i64 = 1_000;
pub const GAPS_SHOWN_MAX: i64 = 5;
/// Times at which commits failed that are remembered until the program ends.
pub const TROUBLES_MAX: usize = 20;
/// Beats as they came: two hours.
pub const BEATS_KEPT_S: i64 = 2 * 3_600;
/// Beats rolled up to a minute: 30 days.
pub const MINUTES_KEPT_S: i64 = 30 * 86_400;
/// Answers kept for `Idempotency-Key`: a day.
pub const REPLIES_KEPT_S: i64 = 86_400;
/// Sessions of one user.
pub const SESSIONS_MAX: i64 = 50;
/// API tokens of one user.
pub const TOKENS_MAX: i64 = 50;
/// Local users.
pub const USERS_MAX: i64 = 1_000;
