//! Starting and stopping the server.
//!
//! Not here: sensors' processes. Invariant: `start` returns only when the port is open, and each
//! way to fail is one line that says what to do; after `stop` everything acknowledged is on disk.

use crate::{
    agents::{door, keeping},
    app::{App, Sensors, Shared, now},
    connections::{self, SILENCE, patient},
    http, parsing,
    protect::{lanes, reconcile},
    secret::{random, sha256},
    settings::{AgentsDoor, Settings},
    tls::{Certificates, TlsError},
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use store::{Role, Store};
use tokio::{sync::watch, task::JoinHandle};

#[derive(thiserror::Error, Debug)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: another program uses this port; stop that one or choose \
         another with --listen"
    )]
    PortInUse { address: SocketAddr },
    #[error("cannot listen on {address}: {reason}; choose another address with --listen")]
    Listen { address: SocketAddr, reason: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot let agents in: {0}")]
    Agents(String),
    #[error("{}; free some disk space and start again", .0.why())]
    Full(store::Error),
    #[error("{0}")]
    Limit(store::Error),
    #[error("cannot prepare the first sign-in: {0}")]
    Store(store::Error),
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Limit { .. } => StartError::Limit(error),
            error if error.is_of_disk() => StartError::Full(error),
            error => StartError::Store(error),
        }
    }
}

/// A server that runs.
pub struct Server {
    pub address: SocketAddr,
    /// What a browser has to trust.
    pub authority: PathBuf,
    /// The token of the first sign-in, as long as no admin has a password.
    pub first_token: Option<String>,
    /// Where agents of hosts call.
    pub agents: Option<SocketAddr>,
    handles: Vec<Handle<SocketAddr>>,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// How long open requests may take to end.
const DRAIN: Duration = Duration::from_secs(5);
const RENEW_EVERY: Duration = Duration::from_secs(12 * 3_600);
/// By a clock that was set the certificate may not be good yet, or no longer.
const CLOCK_EVERY: Duration = Duration::from_secs(30);
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// The sign-in link works so long.
const LINK_HOURS: i64 = 24;

impl Server {
    /// Opens the port and serves in the background.
    pub async fn start(
        settings: Settings,
        store: Store,
        sensors: Arc<dyn Sensors>,
    ) -> Result<Server, StartError> {
        let (listener, address) = listen(settings.listen)?;
        let certificates = Certificates::new(&settings.data, address, &settings.names);
        certificates.ensure()?;
        let tls = RustlsConfig::from_config(certificates.config()?);
        let authority = certificates.authority_path();
        let first_token = first_token(&store).await?;
        let interrupted = store.captures_in_parsing().await?;
        parsing::clean_up(&settings.data).await;
        let (stopping, stops) = watch::channel(false);
        let absolute = settings.session_absolute;
        let asked = settings.agents.clone();
        let app = App::new(store, settings, sensors, stops.clone());
        app.meanwhile.interrupted(interrupted);
        match app.meanwhile.settle(&app.store).await {
            // What is on the disk can be looked at even if it takes no more.
            Err(error) if error.is_of_disk() => {
                tracing::warn!(%error, "captures that were parsed when the server ended stay open");
            }
            done => done?,
        }
        keeping::write_clients(&app).await.map_err(StartError::Agents)?;
        let opened = asked.map(|asked| {
            let opened = door::open(&app, &certificates, &asked)?;
            Ok::<_, StartError>((opened, asked))
        });
        let opened = opened.transpose()?;
        let agents = app.agents.address.get().copied();
        let handle = Handle::new();
        let server = axum_server::from_tcp_rustls(listener, tls.clone())
            .map_err(|error| refused(address, &error))?
            .handle(handle.clone());
        let service = connections::each(http::service(app.clone()), SILENCE);
        let serving = tokio::spawn(async move {
            if let Err(error) = patient(server, SILENCE).serve(service).await {
                tracing::error!(%error, "the server ended");
            }
        });
        let sweeping = tokio::spawn(sweep(app.clone(), absolute, stops.clone()));
        let protecting = tokio::spawn(lanes::run(app.clone(), stops.clone()));
        let listening = tokio::spawn(reconcile::listen(app.clone(), stops.clone()));
        let mut tasks = vec![serving, sweeping, protecting, listening];
        let mut handles = vec![handle];
        let second = opened.map(|(door, asked)| {
            handles.push(door.handle);
            tasks.push(door.task);
            (door.tls, asked)
        });
        tasks.push(tokio::spawn(renew(app, certificates, tls, second, stops)));
        Ok(Server { address, authority, first_token, agents, handles, stopping, tasks })
    }

    /// Ends streams and requests, then returns. The store stays open: its owner closes it.
    pub async fn stop(self) {
        self.stopping.send_replace(true);
        self.handles.iter().for_each(|handle| handle.graceful_shutdown(Some(DRAIN)));
        for task in self.tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of the server ended badly");
            }
        }
    }
}

/// A port, and the address it has.
pub(crate) fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    let listener = TcpListener::bind(address).map_err(|error| refused(address, &error))?;
    listener.set_nonblocking(true).map_err(|error| refused(address, &error))?;
    let bound = listener.local_addr().map_err(|error| refused(address, &error))?;
    Ok((listener, bound))
}

fn refused(address: SocketAddr, error: &io::Error) -> StartError {
    let reason = match error.kind() {
        io::ErrorKind::AddrInUse => return StartError::PortInUse { address },
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need more rights".to_owned(),
        _ => error.to_string(),
    };
    StartError::Listen { address, reason }
}

/// Makes the first admin; as long as no admin has a password, a new link at each start.
async fn first_token(store: &Store) -> store::Result<Option<String>> {
    let users = store.users().await?;
    if users.iter().any(|u| u.role == Role::Admin && u.password.is_some() && !u.disabled) {
        return Ok(None);
    }
    if !users.iter().any(|user| user.name == "admin") {
        store.create_user("admin", Role::Admin, None).await?;
    }
    let token = random::<24>();
    let until = now().plus_secs(LINK_HOURS * 3_600);
    store.create_once("admin", sha256(token.as_bytes()), until).await?;
    Ok(Some(token))
}

/// Takes away what is old and saves what found no room before, once a minute.
async fn sweep(app: Shared, session: Duration, mut stops: watch::Receiver<bool>) {
    let session_s = i64::try_from(session.as_secs()).unwrap_or(i64::MAX);
    loop {
        tokio::select! {
            _ = stops.changed() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
        match app.store.sweep(session_s).await {
            Ok(swept) => tracing::debug!(?swept, "swept"),
            Err(error) => tracing::warn!(%error, "the sweep failed; it runs again in a minute"),
        }
        if let Err(error) = app.meanwhile.settle(&app.store).await {
            tracing::warn!(%error, "sessions and captures wait to be saved; next try in a minute");
        }
    }
}

/// Looks at the certificate twice a day, and soon after the clock was set, and serves a new one
/// without a restart.
async fn renew(
    app: Shared,
    certificates: Certificates,
    tls: RustlsConfig,
    agents: Option<(RustlsConfig, AgentsDoor)>,
    mut stops: watch::Receiver<bool>,
) {
    let mut jumps = app.clock.jumps();
    let mut looked = Instant::now();
    loop {
        tokio::select! {
            _ = stops.changed() => return,
            () = tokio::time::sleep(CLOCK_EVERY) => {}
        }
        let jumped = app.clock.jumps();
        if jumped == jumps && looked.elapsed() < RENEW_EVERY {
            continue;
        }
        (looked, jumps) = (Instant::now(), jumped);
        let renewed = certificates.ensure().and_then(|made| {
            if made {
                tls.reload_from_config(certificates.config()?);
                if let Some((tls, door)) = &agents {
                    tls.reload_from_config(door::config(&certificates, door)?);
                }
            }
            Ok(made)
        });
        match renewed {
            Ok(true) => tracing::info!("the server's certificate was renewed"),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, "the certificate could not be renewed"),
        }
    }
}
