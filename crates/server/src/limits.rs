//! Bounds of what the server accepts and holds.
//!
//! Invariant: each has a unit in its name.

/// Body of a JSON request.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Connections to one port at the same time, and those of one address: each is a file of the
/// system, of which a process has 1,024 as a rule.
pub const CONNECTIONS_MAX: usize = 320;
pub const CONNECTIONS_OF_ONE_MAX: usize = 100;
/// Watchers at the same time, and those of one user with all tokens of theirs: each is a connection
/// held open. A control room may share one user.
pub const WATCHERS_MAX: usize = 128;
pub const WATCHERS_OF_ONE_MAX: usize = 32;
/// Captures that wait to be parsed.
pub const CAPTURES_WAITING_MAX: usize = 8;
/// Output of the process that parses a capture.
pub const REPORT_BYTES_MAX: usize = 256 << 20;
/// Reports of more octets are large: each takes its size a few times over while it is read, and is
/// held until the caller has it. So many at the same time, and how long another waits for a place.
pub const REPORT_SMALL_BYTES_MAX: u64 = 1 << 20;
pub const LARGE_REPORTS_MAX: usize = 2;
pub const LARGE_REPORT_WAIT: std::time::Duration = std::time::Duration::from_secs(10);
/// Line of a sensor's stream.
pub const INSIGHT_BYTES_MAX: usize = 8 << 20;
/// Insights of one batch to the store.
pub const INSIGHTS_BATCH_MAX: usize = 500;
/// What is held of one sensor while the disk takes nothing, and what a row takes besides its text.
pub const HELD_OCTETS_MAX: usize = 32 << 20;
pub const HELD_ROW_OCTETS: usize = 256;
/// How long a sensor beyond a narrow line may say nothing; it beats each minute.
pub const SILENCE_MAX: std::time::Duration = std::time::Duration::from_secs(300);
/// Bad lines of one sensor run before it is given up.
pub const BAD_LINES_MAX: u32 = 100;
/// Names and addresses whose failed sign-ins are remembered.
pub const THROTTLED_MAX: usize = 10_000;
/// Sessions and tries to sign in that wait for room on the disk.
pub const SESSIONS_WAITING_MAX: usize = 64;
pub const TRIES_WAITING_MAX: usize = 1_000;
/// Passwords that are checked at the same time; each takes 19 MiB.
pub const PASSWORD_CHECKS_MAX: usize = 2;
/// Characters of a password.
pub const PASSWORD_CHARS_MIN: usize = 12;
pub const PASSWORD_CHARS_MAX: usize = 256;
/// Questions to the vault at the same time; each is a process.
pub const VAULT_QUESTIONS_MAX: usize = 2;
/// One word of a worker of the vault.
pub const VAULT_LINE_BYTES_MAX: u64 = 64 << 20;
/// How long the vault may take to answer a question.
pub const VAULT_ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(120);
/// Runs that wait.
pub const RUNS_QUEUED_MAX: usize = 500;
/// Rows of one list of runs.
pub const RUNS_SHOWN_MAX: u32 = 500;
/// Faults of one run that are kept with it; all are counted.
pub const FAULTS_SHOWN_MAX: usize = 50;
/// A command that tries recovered data.
pub const COMMAND_BYTES_MAX: usize = 4_096;
/// Text of a recovery plan.
pub const RECOVERY_PLAN_BYTES_MAX: usize = 262_144;
/// Sources of one plan.
pub const PLAN_SOURCES_MAX: usize = 20;
/// Assets of one plan.
pub const PLAN_TARGETS_MAX: usize = 5_000;
/// Runs of one call of an agent; the rest comes with the next.
pub const AGENT_RUNS_MAX: usize = 200;
/// Folders of an agent that are shown.
pub const AGENT_ALLOWS_MAX: usize = 100;
/// Bytes of what an agent tells of one drill, and of its report.
pub(crate) const AGENT_DRILL_BYTES_MAX: usize = 64 << 10;
/// What is under way at an agent that was not heard for so long has failed, as far as anybody
/// knows: three times the longest pause between two of its tries.
pub(crate) const AGENT_UNHEARD_S: i64 = 900;
/// Faults of a run of an agent that are kept with it.
pub const AGENT_FAULTS_MAX: usize = 20;
/// How long an invitation of an agent may hold: 30 days.
pub const INVITATION_HOURS_MAX: u32 = 720;
/// Assets that protection looks at.
pub const SITE_ASSETS_MAX: usize = 100_000;
