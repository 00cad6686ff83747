//! Control-plane state on disk: the only crate that speaks SQL.
//!
//! Read in the order of the modules. One writer task turns calls into transactions, many calls to
//! a commit; readers have a pool of their own. Not here: HTTP, rights, processes.
//! Invariant: nothing is acknowledged before it is committed.

mod account;
mod agent;
mod asset;
mod audit;
mod capture;
mod changes;
mod columns;
mod copies;
mod error;
mod filter;
mod finding;
mod fold;
mod gap;
mod graph;
mod ingest;
mod limits;
mod link;
mod migrate;
mod mute;
mod named;
mod names;
mod open;
mod overview;
mod page;
mod plan;
mod recovery;
mod reply;
mod retention;
mod run;
mod sensor;
mod tally;
mod text;
mod trouble;
mod unsaved;
mod vital;
mod watch;
mod words;
mod writer;
mod zone;

pub use account::{Once, Session, Token, User, UserPatch};
pub use agent::{Agent, AgentCall, AgentRun, AgentState};
pub use asset::{AssetFull, AssetPatch, AssetRecord, Declared, Event};
pub use audit::{AuditAsked, AuditBegin, AuditEnd, AuditRecord, ChainState};
pub use capture::{Capture, CaptureSummary, NewCapture};
pub use changes::PendingChange;
pub use columns::AssetColumns;
pub use copies::VaultCopy;
pub use error::{Error, OpenError, Result};
pub use filter::{ASSETS, FINDINGS, Field, Filter, FilterError, Kind, LINKS, Row, Value};
pub use finding::{FindingFull, FindingPatch, FindingRecord, NamedAsset, Party, strangers};
pub use gap::Gap;
pub use graph::{Edge, Graph, Node};
pub use limits::*;
pub use link::LinkRecord;
pub use mute::Mute;
pub use open::{Settings, Store};
pub use overview::{Count, Overview, ProtocolShare, Talker, TrafficPoint};
pub use page::{ListRequest, Page};
pub use plan::Plan;
pub use recovery::{NewRecoveryPlan, RecoveryPlan};
pub use reply::Reply;
pub use retention::Swept;
pub use run::{NewRun, Protection, Run, RunEnd, RunsWanted};
pub use sensor::{Heard, SensorRecord, SensorStatus};
pub use trouble::Trouble;
pub use unsaved::{Unsaved, Waits};
pub use vital::Vital;
pub use watch::{Backlog, Change, ChangedRow};
pub use words::{CaptureState, FindingStatus, Lifecycle, Origin, Role, RunState, SensorState};
pub use zone::{Zone, ZoneSpec, site_zone};
