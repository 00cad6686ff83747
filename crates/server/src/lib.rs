//! The control plane: API, console, rights, audit.
//!
//! Read `serve`, then `http/routes`. Not here: packets, protocols, SQL, processes of sensors.
//! Invariant: nothing here can see `wire`, `protocols`, `sensor` or `capture`; what they found
//! arrives as `model::Insight`.

mod agents;
mod app;
mod clock;
mod connections;
mod http;
mod intake;
mod limits;
mod lost_lines;
mod meanwhile;
mod parsing;
mod places;
mod protect;
mod secret;
mod serve;
mod settings;
mod throttle;
mod tls;

pub use app::{NoSensors, Sensors};
pub use http::{
    AssetDetail, AssetRow, FindingDetail, FindingRow, asset_detail, csv, members, openapi_json,
};
pub use intake::{IntakeError, Remote, intake};
pub use lost_lines::LostLines;
pub use protect::work;
pub use serve::{Server, SignInLink, StartError};
pub use settings::{AgentsDoor, Reading, Settings};
pub use tls::{Certificates, TlsError, self_made_identity};
