//! Calls to the control plane.
//!
//! Blocking. Not here: when to call. Invariant: nothing is said to a server whose certificate is
//! not of the authority that the token named, and no connection is taken.

use crate::{Error, Result, limits::ANSWER_BYTES_MAX};
use connectors::vault_http::Access;
use serde::{Serialize, de::DeserializeOwned};
use std::time::Duration;
use uplink::host::{self, AUTHORITY_PATH};
use ureq::{
    http::Response,
    tls::{PemItem, TlsConfig, parse_pem},
};

/// How long reading the authority may take.
const FIRST_TIMEOUT: Duration = Duration::from_secs(30);

/// Why a call came to nothing.
#[derive(Debug)]
pub enum CallError {
    /// It will not be let in again.
    Refused(String),
    /// Nobody knows it there: not yet, or no longer, as where the control plane went back to a
    /// backup from before.
    Unknown(String),
    /// Later it may.
    Later(String),
}

#[derive(Clone)]
pub struct Line {
    agent: ureq::Agent,
    base: String,
}

impl Line {
    /// A line to the control plane at `base`, with a certificate of one's own.
    pub fn open(base: &str, authority: &str, identity: &str) -> Result<Self> {
        let access = Access {
            credentials: None,
            authority: Some(authority.as_bytes().to_vec()),
            identity: Some(identity.as_bytes().to_vec()),
        };
        let agent = access.agent(0).map_err(|error| Error::Refused(error.to_string()))?;
        Ok(Line { agent, base: base.trim_end_matches('/').to_owned() })
    }

    pub fn enrol(&self, words: &host::Enrol) -> std::result::Result<host::Enrolled, CallError> {
        self.post(host::ENROL_PATH, words)
    }

    pub fn call(&self, words: &host::Call) -> std::result::Result<host::Reply, CallError> {
        self.post(host::CALL_PATH, words)
    }

    fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        words: &impl Serialize,
    ) -> std::result::Result<T, CallError> {
        let later = |error: ureq::Error| CallError::Later(error.to_string());
        let text = serde_json::to_vec(words).expect("plain data");
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json");
        let response = request.send(&text[..]).map_err(later)?;
        let status = response.status().as_u16();
        let bytes = body(response).map_err(later)?;
        match status {
            200 => serde_json::from_slice(&bytes)
                .map_err(|error| CallError::Later(format!("its answer cannot be read: {error}"))),
            401 => Err(CallError::Unknown(said(status, &bytes))),
            403 => Err(CallError::Refused(said(status, &bytes))),
            status => Err(CallError::Later(said(status, &bytes))),
        }
    }
}

fn body(response: Response<ureq::Body>) -> std::result::Result<Vec<u8>, ureq::Error> {
    response.into_body().with_config().limit(ANSWER_BYTES_MAX).read_to_vec()
}

/// What a problem document says (RFC 9457).
fn said(status: u16, bytes: &[u8]) -> String {
    let problem: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let detail = problem["detail"].as_str().map(str::to_owned);
    let detail = detail.or_else(|| Some(problem["errors"][0]["detail"].as_str()?.to_owned()));
    detail.unwrap_or_else(|| format!("it answers with {status}"))
}

/// The authority of a server that is not known yet, as PEM and as the certificate's bytes: to be
/// held against the hash that the token has before a word is said.
pub fn authority(base: &str) -> Result<(String, Vec<u8>)> {
    let config = ureq::Agent::config_builder()
        .timeout_global(Some(FIRST_TIMEOUT))
        .max_redirects(0)
        .http_status_as_error(false)
        .tls_config(TlsConfig::builder().disable_verification(true).build())
        .build();
    let agent: ureq::Agent = config.into();
    let address = format!("{}{AUTHORITY_PATH}", base.trim_end_matches('/'));
    let failed = |error: ureq::Error| Error::Line(error.to_string());
    let response = agent.get(address).call().map_err(failed)?;
    if response.status().as_u16() != 200 {
        return Err(Error::Line("there is no control plane for agents at this address".to_owned()));
    }
    let text = String::from_utf8(body(response).map_err(failed)?);
    let none = || {
        let why = "it does not say who signs its certificate, as the port for agents does: try the \
                   port of `listen` in [agents] of the server's settings";
        Error::Line(why.to_owned())
    };
    let text = text.map_err(|_| none())?;
    let der = certificate(&text).ok_or_else(none)?;
    Ok((text, der))
}

/// The bytes of a certificate that is PEM.
pub fn certificate(text: &str) -> Option<Vec<u8>> {
    match parse_pem(text.as_bytes()).next()?.ok()? {
        PemItem::Certificate(certificate) => Some(certificate.der().to_vec()),
        _ => None,
    }
}
