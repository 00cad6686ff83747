//! What the operator may set of the server.
//!
//! Not here: reading `spandrel.toml`, which the program does. Invariant: the defaults are safe:
//! loopback only, short sessions.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub struct Settings {
    pub listen: SocketAddr,
    pub data: PathBuf,
    /// Names and addresses the certificate shall also be for.
    pub names: Vec<String>,
    /// A session ends after so long without a request.
    pub session_idle: Duration,
    /// A session ends after so long however much it is used.
    pub session_absolute: Duration,
    pub upload_bytes_max: u64,
    /// The program that parses captures, this one.
    pub program: PathBuf,
    /// Longest time to parse a capture.
    pub parse_timeout: Duration,
    /// Protection plans that suit this server, as the API takes them.
    pub suggested_plans: Vec<serde_json::Value>,
    /// Recovery plans that suit this server: name and TOML.
    pub suggested_recovery: Vec<(String, String)>,
}

impl Settings {
    /// Defaults for a data directory; `program` is `spandrel` itself.
    pub fn new(data: PathBuf, program: PathBuf) -> Self {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8443)),
            data,
            names: Vec::new(),
            session_idle: Duration::from_secs(15 * 60),
            session_absolute: Duration::from_secs(12 * 3_600),
            upload_bytes_max: 1 << 30,
            program,
            parse_timeout: Duration::from_secs(600),
            suggested_plans: Vec::new(),
            suggested_recovery: Vec::new(),
        }
    }
}
