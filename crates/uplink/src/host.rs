//! What an agent on a host and the control plane say to each other: JSON over HTTPS.
//!
//! The agent asks, always: it enrols once, and from then on makes one call again and again, in
//! which it tells what came of its plans and hears what they are now. Not here: who sends, and who
//! believes what. Invariant: a call may be repeated as often as the line breaks; a run is known by
//! its number, and goes from the agent's books only when the other end said that it has it.

use model::Time;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Paths of the control plane for agents.
pub const AUTHORITY_PATH: &str = "/agent/v1/authority";
pub const ENROL_PATH: &str = "/agent/v1/enrol";
pub const CALL_PATH: &str = "/agent/v1/call";

/// What a one-time token begins with.
const TOKEN: &str = "spa1";

/// The text a person carries from the console to the host: `spa1.SECRET.AUTHORITY`, the second
/// being the SHA-256 of the authority that signs the control plane's certificates. So the first
/// contact proves both ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub secret: String,
    pub authority: String,
}

impl Token {
    pub fn text(&self) -> String {
        format!("{TOKEN}.{}.{}", self.secret, self.authority)
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.');
        let (kind, secret, authority) = (parts.next()?, parts.next()?, parts.next()?);
        let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let fits = kind == TOKEN && parts.next().is_none();
        let fits = fits && secret.len() == 48 && authority.len() == 64;
        let all_hexadecimal = hexadecimal(secret) && hexadecimal(authority);
        let (secret, authority) = (secret.to_owned(), authority.to_ascii_lowercase());
        (fits && all_hexadecimal).then_some(Self { secret, authority })
    }
}

/// The agent's first words, over a connection on which it proved its key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrol {
    pub secret: String,
    /// Hash of the token it made for the vault server; the token itself stays on the host.
    pub vault_token_sha256: String,
    pub version: String,
    pub host: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enrolled {
    /// What the agent is called from now on.
    pub name: String,
}

/// Where backups go: a vault server on the host that the agent calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VaultPlace {
    pub port: u16,
    /// Name of the agent's own vault there.
    pub vault: String,
    /// Name it is known by there.
    pub client: String,
    /// Authority that signs the server's certificate, PEM.
    pub authority: String,
}

/// What an agent tells with every call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Call {
    pub version: String,
    pub host: String,
    /// The host's clock.
    pub now: Time,
    /// What the host's owner lets be read.
    pub allow: Vec<String>,
    /// Where restores may be made.
    #[serde(default)]
    pub restore_into: Vec<String>,
    /// What it can be asked for besides backups.
    #[serde(default)]
    pub can: Vec<Ability>,
    /// Hash of the plans it has; none before it heard of any.
    pub plans: Option<String>,
    pub runs: Vec<RunTold>,
    pub spool: Spool,
    /// Runs whose account was given up because its books were full.
    #[serde(default)]
    pub lost: Option<Lost>,
}

/// What an agent can be asked for; a word that is not known is one of a later version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ability {
    Drill,
    Restore,
    #[serde(other)]
    Other,
}

/// How the vault on the host stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spool {
    /// Public key of its log.
    pub log_key: String,
    /// Entries of its log.
    pub entries: u64,
    pub bytes: u64,
    /// Why it could not be sent when that was tried last.
    pub fault: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lost {
    pub count: u64,
    pub from: Time,
    pub until: Time,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    Running,
    Complete,
    Partial,
    Failed,
    Cancelled,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunKind {
    Backup,
    Verify,
    /// A proof of level 3: restored on the host, and compared.
    Drill,
    Restore,
}

/// A run as the agent tells it. Times are by the host's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunTold {
    /// Counts the runs of this agent, and is never used twice.
    pub number: u64,
    /// The run that the control plane asked for.
    #[serde(default)]
    pub asked: Option<String>,
    pub kind: RunKind,
    pub plan: String,
    pub target: String,
    /// `schedule`, `retry` or `person`.
    pub cause: String,
    pub state: RunState,
    pub started_at: Time,
    #[serde(default)]
    pub finished_at: Option<Time>,
    #[serde(default)]
    pub snapshot: Option<String>,
    /// Entry of the log that brought the snapshot.
    #[serde(default)]
    pub entry: Option<u64>,
    #[serde(default)]
    pub entries: u64,
    #[serde(default)]
    pub bytes_read: u64,
    #[serde(default)]
    pub bytes_stored: u64,
    #[serde(default)]
    pub faults: u64,
    #[serde(default)]
    pub detail: Option<String>,
    /// The first faults.
    #[serde(default)]
    pub errors: Vec<Fault>,
    /// Of a verification: the level that was proven.
    #[serde(default)]
    pub level: Option<u8>,
    /// How far a drill is and what it came to, as the control plane's own tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drill: Option<Value>,
    /// The report whose hash is in the vault's log, once a drill has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<Value>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Fault {
    pub source: String,
    pub path: String,
    pub error: String,
}

/// What the control plane answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Numbers of runs whose end is on its disk, and whose backups are in its vault.
    pub accepted: Vec<u64>,
    /// The plans, where the agent has others.
    pub plans: Option<Plans>,
    /// What a person or a change asks for.
    pub asks: Vec<Ask>,
    #[serde(default)]
    pub drills: Vec<DrillAsk>,
    #[serde(default)]
    pub restores: Vec<RestoreAsk>,
    /// Runs to end, by the agent's numbers.
    pub cancel: Vec<u64>,
    pub vault: Option<VaultPlace>,
    pub lost_noted: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plans {
    pub hash: String,
    pub items: Vec<Plan>,
}

/// One target of a plan, as far as the host has to do with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    pub plan: String,
    pub target: String,
    /// What a person calls the target: what its snapshots are of.
    pub name: String,
    pub sources: Vec<String>,
    pub every_minutes: u32,
    pub retries: u32,
    #[serde(default)]
    pub quiet: Vec<Quiet>,
    #[serde(default)]
    pub kib_per_s: Option<u32>,
    #[serde(default)]
    pub lock_days: Option<u32>,
    #[serde(default)]
    pub keep: Option<Keep>,
    #[serde(default)]
    pub verify_days: u32,
    #[serde(default)]
    pub verify_level: u8,
    /// Restore the newest backup and compare it at least so often; 0 is never.
    #[serde(default)]
    pub drill_days: u32,
}

/// Hours in which it does not begin, by the host's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quiet {
    /// 1 is Monday; empty is every day.
    pub days: Vec<u8>,
    pub from: String,
    pub until: String,
}

/// How many snapshots stay besides those that the vault's rules keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Keep {
    pub last: u32,
    pub hourly: u32,
    pub daily: u32,
    pub weekly: u32,
    pub monthly: u32,
    pub yearly: u32,
}

/// Back up now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    pub run: String,
    pub plan: String,
    pub target: String,
}

/// Restore the newest backup into a folder that goes again, and compare it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrillAsk {
    pub run: String,
    pub plan: String,
    pub target: String,
    /// How long ago it was asked for: the time to recover runs from there.
    pub waited_ms: u64,
}

/// Restore a snapshot, or a part of it, into a new folder of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreAsk {
    pub run: String,
    pub plan: String,
    pub target: String,
    pub snapshot: String,
    /// The folder to make.
    pub to: String,
    /// Only what is at or below it.
    pub only: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_read_back_and_a_mistyped_one_is_none() {
        let token = Token { secret: "0a".repeat(24), authority: "b1".repeat(32) };
        let text = token.text();
        assert!(Token::parse(&text) == Some(token.clone()));
        assert!(Token::parse(&format!(" {text}\n")) == Some(token));
        for bad in ["", "spa1", &text[1..], &text[..text.len() - 1], &format!("{text}.x")] {
            assert!(Token::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_call_and_its_answer_keep_their_form() {
        let told = r#"{"number":3,"asked":null,"kind":"backup","plan":"pln_1","target":"press",
            "cause":"schedule","state":"complete","started_at":"2026-01-01T00:00:00.000000Z",
            "finished_at":"2026-01-01T00:00:05.000000Z","snapshot":"ab","entry":2,"entries":1,
            "bytes_read":4,"bytes_stored":5,"faults":0,"detail":null,"errors":[],"level":null}"#;
        let told: String = told.split_whitespace().collect();
        let run: RunTold = serde_json::from_str(&told).expect("a run");
        assert_eq!(serde_json::to_string(&run).expect("plain data"), told);
        // What a later version adds does not trouble an earlier one.
        let reply = r#"{"accepted":[3],"plans":null,"asks":[],"cancel":[],"vault":null,
            "lost_noted":false,"more":1}"#;
        let reply: Reply = serde_json::from_str(reply).expect("a reply");
        assert_eq!(reply, Reply { accepted: vec![3], ..Reply::default() });
    }
}
