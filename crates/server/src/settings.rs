//! What the operator may set of the server.
//!
//! Not here: reading `spandrel.toml`, which the program does. Invariant: the defaults are safe:
//! loopback only, short sessions.

use crate::lost_lines::LostLines;
use rustls::server::danger::ClientCertVerifier;
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU16},
    time::Duration,
};

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
    /// Of sensors that have files of their own.
    pub readings: Vec<Reading>,
    /// Protection plans that suit this server, as the API takes them.
    pub suggested_plans: Vec<serde_json::Value>,
    /// Recovery plans that suit this server: name and TOML.
    pub suggested_recovery: Vec<(String, String)>,
    /// Where agents of hosts call; none: nobody can.
    pub agents: Option<AgentsDoor>,
    /// Make a sign-in link at this start for the admin of that name, or where it is empty for the
    /// only one.
    pub sign_in_link: Option<String>,
    /// Lines of the log that could not be written, by whoever writes it.
    pub lost_lines: Arc<LostLines>,
}

/// A port for agents of hosts.
#[derive(Clone, Debug)]
pub struct AgentsDoor {
    pub listen: SocketAddr,
    /// Takes any certificate, and has its key proved.
    pub clients: Arc<dyn ClientCertVerifier>,
    /// Port of the vault server that their backups go to; 0 as long as it does not serve.
    pub vault_port: Arc<AtomicU16>,
}

/// What a sensor reads traffic with besides what comes with the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    pub sensor: String,
    pub protocols: Option<PathBuf>,
    pub rules: Option<PathBuf>,
}

impl Settings {
    /// How a capture is read when nobody says: as the site's sensors read, where all that have
    /// files of their own have the same.
    pub(crate) fn usual_reading(&self) -> Option<&Reading> {
        let first = self.readings.first()?;
        let files = |reading: &Reading| (reading.protocols.clone(), reading.rules.clone());
        self.readings.iter().all(|other| files(other) == files(first)).then_some(first)
    }

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
            readings: Vec::new(),
            suggested_plans: Vec::new(),
            suggested_recovery: Vec::new(),
            agents: None,
            sign_in_link: None,
            lost_lines: Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capture_is_read_as_the_site_reads_where_it_reads_in_one_way() {
        let mut settings = Settings::new("data".into(), "spandrel".into());
        let reading = |sensor: &str, rules: &str| Reading {
            sensor: sensor.to_owned(),
            protocols: None,
            rules: Some(rules.into()),
        };
        assert_eq!(settings.usual_reading(), None);
        settings.readings = vec![reading("line 1", "a.toml"), reading("line 2", "a.toml")];
        let usual = settings.usual_reading().map(|usual| usual.sensor.as_str());
        assert_eq!(usual, Some("line 1"));
        settings.readings.push(reading("line 3", "b.toml"));
        assert_eq!(settings.usual_reading(), None, "two sets: somebody has to say which");
    }
}
