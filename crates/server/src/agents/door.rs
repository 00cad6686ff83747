//! Where agents come in: a port of its own, TLS, each with a certificate it made itself.
//!
//! Any certificate is taken at the handshake and its key proved; who it is, the store says. Nobody
//! signs agents' certificates, so none runs out: an agent that was off for months comes back by
//! its key. Not here: what is said ([`super::calls`]). Invariant: without a known certificate only
//! the authority can be read and an invitation used.

use super::calls;
use crate::{
    app::Shared,
    connections::{self, WITH_AGENTS, patient},
    http::finish,
    limits::BODY_BYTES_MAX,
    serve::{StartError, listen_for_agents},
    settings::AgentsDoor,
    tls::Certificates,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, FromRequestParts},
    http::request::Parts,
    middleware::from_fn,
    routing::{get, post},
};
use axum_server::{Handle, tls::TlsInfo, tls_rustls::RustlsConfig};
use std::{convert::Infallible, net::SocketAddr, sync::Arc};
use tokio::task::JoinHandle;
use uplink::host::{AUTHORITY_PATH, CALL_PATH, ENROL_PATH};

/// SHA-256 of the certificate that a connection proved the key of.
pub(crate) struct Shown(pub(crate) Option<String>);

#[cfg(test)]
#[derive(Clone)]
pub(crate) struct Presented(pub(crate) Vec<u8>);

impl<S: Send + Sync> FromRequestParts<S> for Shown {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // What tests of the words show without a handshake.
        #[cfg(test)]
        if let Some(Presented(der)) = parts.extensions.get() {
            return Ok(Self(Some(crate::secret::sha256(der))));
        }
        let tls = parts.extensions.get::<Arc<TlsInfo>>();
        let first = tls.and_then(|tls| tls.peer_certificates.first());
        Ok(Self(first.map(|der| crate::secret::sha256(der))))
    }
}

/// A door that is open.
pub(crate) struct Door {
    pub(crate) handle: Handle<SocketAddr>,
    pub(crate) tls: RustlsConfig,
    pub(crate) task: JoinHandle<()>,
}

/// How rustls serves agents.
pub(crate) fn config(
    certificates: &Certificates,
    door: &AgentsDoor,
) -> Result<Arc<rustls::ServerConfig>, crate::tls::TlsError> {
    certificates.config_asking(door.clients.clone())
}

/// Opens the port.
pub(crate) fn open(
    app: &Shared,
    certificates: &Certificates,
    door: &AgentsDoor,
) -> Result<Door, StartError> {
    let (listener, address) = listen_for_agents(door.listen)?;
    let tls = RustlsConfig::from_config(config(certificates, door)?);
    let handle = Handle::new();
    let server = axum_server::from_tcp_rustls(listener, tls.clone())
        .map_err(|error| StartError::ListenForAgents { address, reason: error.to_string() })?
        .handle(handle.clone());
    app.agents.address.get_or_init(|| address);
    let service = connections::each(service(app.clone()), WITH_AGENTS);
    let task = tokio::spawn(async move {
        if let Err(error) = patient(server, WITH_AGENTS).serve(service).await {
            tracing::error!(%error, "the door of the agents closed");
        }
    });
    Ok(Door { handle, tls, task })
}

pub(crate) fn service(app: Shared) -> Router {
    Router::new()
        .route(AUTHORITY_PATH, get(calls::authority))
        .route(ENROL_PATH, post(calls::enrol))
        .route(CALL_PATH, post(calls::call))
        .with_state(app)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(finish))
}
