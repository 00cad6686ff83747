//! The client's side: one vault at an address, read, filled or copied.
//!
//! Blocking. Invariant: a server that is not the one expected gets no token: without a
//! certificate of the authority given (or a public one), no request is sent over https.

use crate::limits::{REDIRECTS_MAX, SERVER_TIMEOUT};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    collections::BTreeSet,
    io::{self, Read},
    path::Path,
    sync::Arc,
    time::Duration,
};
use ureq::{
    http::{Response, StatusCode},
    tls::{Certificate, ClientCert, PemItem, RootCerts, TlsConfig, parse_pem},
};
use vault::{
    site::{Fetched, Grown, Held, Name, Origin, Sent, Takeover, Target},
    verify::Files,
};

/// How long a server may be silent while bytes are under way.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// How long a server may take to say whether it wants a body.
const CONSENT_MAX: Duration = Duration::from_secs(20);
/// Bytes of an answer that is a message or a small file.
const ANSWER_BYTES_MAX: u64 = 1 << 20;

/// Who asks, and whom to trust.
#[derive(Clone, Default)]
pub struct Access {
    /// `NAME:TOKEN`.
    pub credentials: Option<String>,
    /// Certificate authority in PEM; default the public ones.
    pub authority: Option<Vec<u8>>,
    /// Certificate and key of one's own, in PEM.
    pub identity: Option<Vec<u8>>,
}

impl Access {
    /// Reads the files with them.
    pub fn read(
        token_file: Option<&Path>,
        authority: Option<&Path>,
        identity: Option<&Path>,
    ) -> io::Result<Self> {
        let named = |path: &Path, error: io::Error| {
            io::Error::new(error.kind(), format!("cannot read {}: {error}", path.display()))
        };
        let credentials = token_file
            .map(|path| std::fs::read_to_string(path).map_err(|error| named(path, error)))
            .transpose()?
            .map(|text| text.trim().to_owned());
        let read = |path: &Path| std::fs::read(path).map_err(|error| named(path, error));
        let authority = authority.map(read).transpose()?;
        let identity = identity.map(read).transpose()?;
        Ok(Self { credentials, authority, identity })
    }

    /// A client that trusts whom it is told to.
    pub fn agent(&self, redirects_max: u32) -> io::Result<ureq::Agent> {
        let roots = match &self.authority {
            None => RootCerts::WebPki,
            Some(pem) => RootCerts::Specific(Arc::new(certificates(pem)?)),
        };
        let own = self.identity.as_deref().map(identity).transpose()?;
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(SERVER_TIMEOUT))
            .timeout_await_100(Some(CONSENT_MAX))
            .timeout_per_read(Some(SILENCE_MAX))
            .timeout_per_write(Some(SILENCE_MAX))
            .max_redirects(redirects_max)
            .http_status_as_error(false)
            .tls_config(TlsConfig::builder().root_certs(roots).client_cert(own).build())
            .build();
        Ok(config.into())
    }
}

pub struct Remote {
    agent: ureq::Agent,
    base: String,
    authorization: Option<String>,
}

impl Remote {
    /// The vault at an `http://` or `https://` address; `None` when it is no such address.
    /// `NAME:TOKEN@` in the address is taken before what `access` says.
    pub fn at(address: &str, access: &Access) -> io::Result<Option<Self>> {
        let Some((scheme, rest)) = address.split_once("://") else { return Ok(None) };
        if !["http", "https"].contains(&scheme) {
            return Ok(None);
        }
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (credentials, rest) = match rest[..authority_end].rfind('@') {
            Some(at) => (Some(rest[..at].to_owned()), &rest[at + 1..]),
            None => (access.credentials.clone(), rest),
        };
        Ok(Some(Self {
            agent: access.agent(REDIRECTS_MAX)?,
            base: format!("{scheme}://{}", rest.trim_end_matches('/')),
            authorization: credentials.map(|text| format!("Basic {}", STANDARD.encode(text))),
        }))
    }

    fn get(&self, path: &str, offset: u64) -> io::Result<Response<ureq::Body>> {
        self.ask(self.agent.get(format!("{}/{path}", self.base)), offset)
    }

    fn ask(
        &self,
        mut request: ureq::RequestBuilder<ureq::typestate::WithoutBody>,
        offset: u64,
    ) -> io::Result<Response<ureq::Body>> {
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if offset > 0 {
            request = request.header("range", format!("bytes={offset}-"));
        }
        request.call().map_err(ureq::Error::into_io)
    }

    fn send(
        &self,
        path: &str,
        put: bool,
        size: u64,
        body: &mut dyn Read,
    ) -> io::Result<Response<ureq::Body>> {
        let address = format!("{}/{path}", self.base);
        let mut request = if put { self.agent.put(address) } else { self.agent.post(address) };
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        // The server may not want it: then not a byte of the body is sent.
        if put {
            request = request.header("expect", "100-continue");
        }
        let request = request.header("content-length", size.to_string());
        request.send(ureq::SendBody::from_reader(body)).map_err(ureq::Error::into_io)
    }

    /// Says that this site has taken over; the other one is fenced from then on.
    pub fn say_takeover(&self, takeover: &Takeover) -> io::Result<()> {
        let text = serde_json::to_vec(takeover)?;
        let response = self.send("takeover", false, text.len() as u64, &mut &text[..])?;
        if response.status().is_success() { Ok(()) } else { Err(failed(response)) }
    }

    /// Whether the server's own vault of this log has taken over.
    pub fn takeover(&self, log: &str) -> io::Result<Option<Takeover>> {
        let status = self.status()?;
        let vaults = status["vaults"].as_array().cloned().unwrap_or_default();
        let mut of_log = vaults.into_iter().filter(|vault| vault["log"] == log);
        let read = |vault: serde_json::Value| -> Option<Takeover> {
            serde_json::from_value(vault["takeover"].clone()).ok()
        };
        Ok(of_log.find_map(read))
    }

    /// What the server tells of itself.
    pub fn status(&self) -> io::Result<serde_json::Value> {
        let response = self.get("status", 0)?;
        if response.status() != StatusCode::OK {
            return Err(failed(response));
        }
        let text = text(response)?;
        serde_json::from_str(&text).map_err(io::Error::other)
    }
}

fn path_of(sent: &Sent) -> String {
    match sent {
        Sent::File(name) => name.path(),
        Sent::Extension(hash) => format!("log/extension/{hash}"),
    }
}

/// A certificate and the key it is of.
fn identity(pem: &[u8]) -> io::Result<ClientCert> {
    let key = parse_pem(pem).find_map(|item| match item {
        Ok(PemItem::PrivateKey(key)) => Some(key),
        _ => None,
    });
    let text = "there is no key in the file of the identity; `vault identity` makes one";
    let key = key.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, text))?;
    Ok(ClientCert::new_with_certs(&certificates(pem)?, key))
}

fn certificates(pem: &[u8]) -> io::Result<Vec<Certificate<'static>>> {
    let found: Vec<_> = parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if found.is_empty() {
        let text = "there is no certificate in the file";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    }
    Ok(found)
}

fn text(response: Response<ureq::Body>) -> io::Result<String> {
    let mut text = String::new();
    response.into_body().into_reader().take(ANSWER_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// An error with what the server said; its kind tells whether trying again can help.
fn failed(response: Response<ureq::Body>) -> io::Error {
    let status = response.status();
    let said = text(response).unwrap_or_default();
    let text = format!("the server answers {}: {}", status.as_u16(), said.trim());
    match status {
        StatusCode::NOT_FOUND => io::Error::new(io::ErrorKind::NotFound, text),
        _ if status.is_client_error() => io::Error::new(io::ErrorKind::PermissionDenied, text),
        StatusCode::INSUFFICIENT_STORAGE => io::Error::new(io::ErrorKind::PermissionDenied, text),
        _ => io::Error::other(text),
    }
}

fn number(response: &Response<ureq::Body>, header: &str) -> Option<u64> {
    response.headers().get(header)?.to_str().ok()?.parse().ok()
}

impl Origin for Remote {
    fn open(&self, name: &Name, offset: u64) -> io::Result<Fetched> {
        let response = self.get(&name.path(), offset)?;
        let offset = match response.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => offset,
            // It ends where we are.
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Ok(Fetched { reader: Box::new(io::empty()), offset });
            }
            _ => return Err(failed(response)),
        };
        Ok(Fetched { reader: Box::new(response.into_body().into_reader()), offset })
    }

    fn acknowledge(&self, note: &str) -> io::Result<()> {
        let response = self.send("acknowledge", false, note.len() as u64, &mut note.as_bytes())?;
        // A plain copy behind a web server wants to know nothing.
        let fine = response.status().is_success()
            || [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED].contains(&response.status());
        if fine { Ok(()) } else { Err(failed(response)) }
    }
}

impl Target for Remote {
    fn fetch(&self, name: &Name) -> io::Result<Option<Vec<u8>>> {
        let response = self.get(&name.path(), 0)?;
        match response.status() {
            StatusCode::OK => {
                let mut bytes = Vec::new();
                response
                    .into_body()
                    .into_reader()
                    .take(ANSWER_BYTES_MAX)
                    .read_to_end(&mut bytes)?;
                Ok(Some(bytes))
            }
            StatusCode::NOT_FOUND => Ok(None),
            _ => Err(failed(response)),
        }
    }

    fn post(&self, name: &Name, bytes: &[u8]) -> io::Result<()> {
        let mut body = bytes;
        let response = self.send(&name.path(), false, bytes.len() as u64, &mut body)?;
        if response.status().is_success() { Ok(()) } else { Err(failed(response)) }
    }

    fn held(&self, sent: &Sent) -> io::Result<Held> {
        let path = path_of(sent);
        let response = self.ask(self.agent.head(format!("{}/{path}", self.base)), 0)?;
        match response.status() {
            StatusCode::OK => Ok(Held::Whole),
            StatusCode::NOT_FOUND | StatusCode::CONFLICT => {
                Ok(Held::Part(number(&response, "upload-offset").unwrap_or_default()))
            }
            _ => Err(failed(response)),
        }
    }

    fn put(&self, sent: &Sent, offset: u64, size: u64, body: &mut dyn Read) -> io::Result<Held> {
        let path = format!("{}?offset={offset}&size={size}", path_of(sent));
        let response = self.send(&path, true, size.saturating_sub(offset), body)?;
        match (response.status(), sent) {
            (StatusCode::OK, Sent::File(_)) => Ok(Held::Whole),
            (StatusCode::OK, Sent::Extension(_)) => {
                let grown: Grown = serde_json::from_str(&text(response)?)?;
                Ok(Held::Grown(grown))
            }
            (StatusCode::CONFLICT, _) => match number(&response, "upload-offset") {
                Some(held) => Ok(Held::Part(held)),
                None => Err(failed(response)),
            },
            _ => Err(failed(response)),
        }
    }
}

/// For `vault verify URL`.
impl Files for Remote {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let response = self.get(path, 0)?;
        match response.status() {
            StatusCode::OK => Ok(Box::new(response.into_body().into_reader())),
            _ => Err(failed(response)),
        }
    }

    fn list(&self) -> io::Result<Option<BTreeSet<String>>> {
        Ok(None)
    }
}
