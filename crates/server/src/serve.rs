//! Starting and stopping the server.
//!
//! Not here: sensors' processes. Invariant: `start` returns only when the port is open, and each
//! way to fail is one line that says what to do; after `stop` everything acknowledged is on disk.

use crate::{
    agents::{door, keeping},
    app::{App, Sensors, Shared, now},
    connections::{self, WITH_PEOPLE, patient},
    http, parsing,
    protect::{lanes, own, reconcile},
    secret::{FIRST_ADMIN, link_token, sha256},
    settings::{AgentsDoor, Settings},
    tls::{Certificates, TlsError},
};
use axum_server::{Handle, tls_rustls::RustlsConfig};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};
use store::{AuditBegin, AuditEnd, Role, Store};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

#[derive(thiserror::Error, Debug)]
pub enum StartError {
    #[error(
        "cannot listen on {address}: another program uses this port; stop that one or choose \
         another with --listen"
    )]
    PortInUse { address: SocketAddr },
    #[error("cannot listen on {address}: {reason}; choose another address with --listen")]
    Listen { address: SocketAddr, reason: String },
    #[error(
        "cannot listen for agents on {address}: {reason}; choose another address in the settings, \
         agents.listen"
    )]
    ListenForAgents { address: SocketAddr, reason: String },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot let agents in: {0}")]
    Agents(String),
    #[error("cannot make a sign-in link: {0}")]
    Link(String),
    #[error("{}; free some disk space and start again", .0.why())]
    Full(store::Error),
    #[error("{0}")]
    Limit(store::Error),
    #[error("{}; see which with `fuser` on spandrel.db, end it and start again", .0.why())]
    Busy(store::Error),
    #[error("cannot prepare the first sign-in: {0}")]
    Store(store::Error),
}

impl From<store::Error> for StartError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Limit { .. } => StartError::Limit(error),
            store::Error::Busy => StartError::Busy(error),
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
    /// As long as no admin has a password, and where the settings ask for one.
    pub sign_in: Option<SignInLink>,
    /// Those made in its place, where the clock was set and it works no more.
    pub new_links: mpsc::Receiver<SignInLink>,
    /// Where agents of hosts call.
    pub agents: Option<SocketAddr>,
    handles: Vec<Handle<SocketAddr>>,
    stopping: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

/// What sets an admin's password, once.
pub struct SignInLink {
    pub user: String,
    pub token: String,
    /// No admin has a password yet.
    pub is_first: bool,
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
        let noted = store.noted_last().await?;
        let certificates = Certificates::new(&settings.data, address, &settings.names);
        ensure_beside(&certificates, &store).await?;
        let tls = RustlsConfig::from_config(certificates.config()?);
        let authority = certificates.authority_path();
        remember_place(&store, &settings.data).await?;
        let sign_in = sign_in_link(&store, settings.sign_in_link.as_deref()).await?;
        let interrupted = store.captures_in_parsing().await?;
        parsing::clean_up(&settings.data).await;
        let (stopping, stops) = watch::channel(false);
        let vital = store.vital().clone();
        let absolute = settings.session_absolute;
        let asked = settings.agents.clone();
        let app = App::new(store, settings, sensors, stops.clone());
        app.doubts.start(&noted, now());
        note_certificates(&app, &certificates);
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
        let service = connections::each(http::service(app.clone()), WITH_PEOPLE);
        let serving = vital.spawn("answering", async move {
            if let Err(error) = patient(server, WITH_PEOPLE).serve(service).await {
                tracing::error!(%error, "the server ended");
            }
        });
        let sweeping = vital.spawn("sweeping", sweep(app.clone(), absolute, stops.clone()));
        let protecting = vital.spawn("protection", lanes::run(app.clone(), stops.clone()));
        let changes = reconcile::listen(app.clone(), stops.clone());
        let listening = vital.spawn("following changes of plans", changes);
        let mut tasks = vec![serving, sweeping, protecting, listening];
        let mut handles = vec![handle];
        let second = opened.map(|(door, asked)| {
            handles.push(door.handle);
            tasks.push(door.task);
            (door.tls, asked)
        });
        let (links, new_links) = mpsc::channel(1);
        let known = sign_in.as_ref().filter(|link| link.is_first);
        let known = known.map(|link| sha256(link.token.as_bytes()));
        let linking = link_anew(app.clone(), known, links, stops.clone());
        tasks.push(vital.spawn("making sign-in links", linking));
        let renewing = renew(app, certificates, tls, second, stops);
        tasks.push(vital.spawn("renewing certificates", renewing));
        Ok(Server { address, authority, sign_in, new_links, agents, handles, stopping, tasks })
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

/// Certificates, and a word where they are new and the data are not.
async fn ensure_beside(certificates: &Certificates, store: &Store) -> Result<(), StartError> {
    let are_new = !certificates.authority_path().exists();
    certificates.ensure()?;
    if are_new && !store.users().await?.is_empty() {
        tracing::warn!(
            authority = %certificates.authority_path().display(),
            "the certificates were gone beside the database and are made anew: browsers, sensors \
             and agents have to trust the new authority; to go on with the old one stop, put the \
             folder tls back from a backup and start"
        );
    }
    Ok(())
}

/// Notes where the data lie: what was backed up from there stays an admin's.
async fn remember_place(store: &Store, data: &Path) -> Result<(), StartError> {
    match own::remember(store, data).await {
        // The folder of today is known without it, and the next start tries again.
        Err(error) if error.is_of_disk() => {
            tracing::warn!(%error, "where the data lie could not be noted");
            Ok(())
        }
        done => Ok(done?),
    }
}

/// A port, and the address it has.
fn listen(address: SocketAddr) -> Result<(TcpListener, SocketAddr), StartError> {
    bind(address).map_err(|error| refused(address, &error))
}

/// The same for agents.
pub(crate) fn listen_for_agents(
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), StartError> {
    bind(address).map_err(|error| {
        let reason = why_not(&error);
        StartError::ListenForAgents { address, reason }
    })
}

fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

fn refused(address: SocketAddr, error: &io::Error) -> StartError {
    match error.kind() {
        io::ErrorKind::AddrInUse => StartError::PortInUse { address },
        _ => StartError::Listen { address, reason: why_not(error) },
    }
}

/// Why nobody can listen there.
fn why_not(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another program uses this port".to_owned(),
        io::ErrorKind::AddrNotAvailable => "this machine does not have the address".to_owned(),
        io::ErrorKind::PermissionDenied => "ports below 1024 need more rights".to_owned(),
        _ => error.to_string(),
    }
}

/// Makes the first admin; as long as no admin has a password, a new link at each start. Later one
/// where it is `asked` for by an admin's name, or by none where there is one admin: who may start
/// the server owns its data.
async fn sign_in_link(
    store: &Store,
    asked: Option<&str>,
) -> Result<Option<SignInLink>, StartError> {
    let users = store.users().await?;
    let admins: Vec<_> = users.iter().filter(|u| u.role == Role::Admin && !u.disabled).collect();
    let is_first = admins.iter().all(|admin| admin.password.is_none());
    let mut names: Vec<&str> = admins.iter().map(|admin| admin.name.as_str()).collect();
    if names.is_empty() {
        names.push(FIRST_ADMIN);
    }
    let user = match (asked, &names[..]) {
        (None, _) if !is_first => return Ok(None),
        (None | Some(""), _) if is_first => FIRST_ADMIN,
        (Some(""), [one]) => one,
        (Some(name), _) if names.contains(&name) => name,
        (asked, _) => {
            let what = asked.filter(|name| !name.is_empty());
            let what = what.map(|name| format!("{name:?} is no admin"));
            let what = what.unwrap_or_else(|| "there are several admins".to_owned());
            let names = names.join(", ");
            return Err(StartError::Link(format!("{what}; name one of: {names}")));
        }
    };
    if user == FIRST_ADMIN && !users.iter().any(|user| user.name == FIRST_ADMIN) {
        store.create_user(FIRST_ADMIN, Role::Admin, None).await?;
    }
    let token = link_token(user);
    let until = now().plus_secs(LINK_HOURS * 3_600);
    let (hash, user) = (sha256(token.as_bytes()), user.to_owned());
    if is_first {
        store.create_once(&user, hash, until).await?;
    } else {
        audited(store, &user, store.create_once(&user, hash, until)).await?;
    }
    Ok(Some(SignInLink { user, token, is_first }))
}

/// Makes a new link where the clock was set, nobody has a password and the old one works no more.
async fn link_anew(
    app: Shared,
    mut known: Option<String>,
    links: mpsc::Sender<SignInLink>,
    mut stops: watch::Receiver<bool>,
) {
    let mut jumps = app.clock.jumps();
    while known.is_some() {
        tokio::select! {
            _ = stops.changed() => return,
            () = tokio::time::sleep(CLOCK_EVERY) => {}
        }
        let jumped = app.clock.jumps();
        if jumped == jumps {
            continue;
        }
        match in_place_of(&app.store, &mut known).await {
            Ok(link) => {
                jumps = jumped;
                // Where nobody reads them the next start has another.
                if let Some(link) = link {
                    drop(links.try_send(link));
                }
            }
            Err(error) => tracing::warn!(%error, "no new sign-in link yet; next try in a moment"),
        }
    }
}

/// A link in the place of one that works no more; none is known once somebody has a password.
async fn in_place_of(
    store: &Store,
    known: &mut Option<String>,
) -> Result<Option<SignInLink>, StartError> {
    let Some(hash) = known else { return Ok(None) };
    if store.has_once(hash).await? {
        return Ok(None);
    }
    let link = sign_in_link(store, None).await?;
    *known = link.as_ref().map(|link| sha256(link.token.as_bytes()));
    Ok(link)
}

/// Has the making of a link on the audit chain, from before it is there.
async fn audited(
    store: &Store,
    user: &str,
    making: impl Future<Output = store::Result<()>>,
) -> store::Result<()> {
    let actor = "spandrel run --sign-in-link";
    let begin = AuditBegin {
        actor: actor.to_owned(),
        method: "start".to_owned(),
        session: None,
        ip: None,
        trace_id: String::new(),
        action: "make a sign-in link".to_owned(),
        resource: format!("/api/v1/users/{user}"),
    };
    let record = store.audit_begin(begin).await?;
    let made = making.await;
    let result = if made.is_ok() { "done" } else { "failed" };
    let end = AuditEnd { result: result.to_owned(), ..AuditEnd::default() };
    store.audit_end(record, actor, end).await?;
    made
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
            Ok(swept) => {
                tracing::debug!(?swept, "swept");
                app.doubts.sweep(swept.doubted);
            }
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
            // A folder that was removed or spoiled is put back more easily today than in months.
            note_certificates(&app, &certificates);
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
        note_certificates(&app, &certificates);
    }
}

/// Keeps for the state of the server what is to do about its certificates, and says it once.
pub(crate) fn note_certificates(app: &App, certificates: &Certificates) {
    note_renewal(app, certificates.check_authority());
    let replaced = certificates.replaced();
    let mut known = app.new_authority.lock().expect("no panic holds it");
    if let Some(why) = replaced.as_ref().filter(|why| known.as_ref() != Some(*why)) {
        tracing::warn!("{why}");
    }
    *known = replaced;
}

/// Keeps for the state of the server why its certificate cannot be renewed, and says it once.
pub(crate) fn note_renewal(app: &App, checked: Result<(), TlsError>) {
    let why = checked.err().map(|error| error.to_string());
    let mut known = app.no_renewal.lock().expect("no panic holds it");
    if let Some(why) = why.as_ref().filter(|why| known.as_ref() != Some(*why)) {
        tracing::error!("{why}");
    }
    *known = why;
}

#[cfg(test)]
mod tests {
    use super::*;

    const LATER: Option<&str> = Some("");

    async fn link(store: &Store, asked: Option<&str>) -> Result<Option<SignInLink>, String> {
        sign_in_link(store, asked).await.map_err(|error| error.to_string())
    }

    async fn redeem(store: &Store, link: &SignInLink) -> Option<String> {
        let redeemed = store.redeem_once(sha256(link.token.as_bytes()), "phc".to_owned()).await;
        redeemed.expect("answers").map(|once| once.user)
    }

    #[test]
    fn a_port_that_is_taken_is_told_with_the_setting_that_moves_it() {
        let held = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = held.local_addr().expect("it has one");
        let people = listen(address).expect_err("taken").to_string();
        assert!(people.contains("another program uses this port"), "{people}");
        assert!(people.ends_with("--listen"), "{people}");
        let agents = listen_for_agents(address).expect_err("taken").to_string();
        assert!(agents.contains("another program uses this port"), "{agents}");
        assert!(agents.ends_with("in the settings, agents.listen"), "{agents}");
    }

    #[tokio::test]
    async fn a_link_that_works_no_more_is_made_anew_while_nobody_has_a_password() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        let first = link(&store, None).await.expect("made").expect("the first start");
        let hash = sha256(first.token.as_bytes());
        let mut known = Some(hash.clone());
        assert!(in_place_of(&store, &mut known).await.expect("reads").is_none(), "it works");
        // As one made by a clock that was far behind is, once it is right.
        store.create_once("admin", hash, model::Time(0)).await.expect("made");
        let next = in_place_of(&store, &mut known).await.expect("made").expect("another");
        assert!(in_place_of(&store, &mut known).await.expect("reads").is_none(), "it works");
        assert_eq!(redeem(&store, &next).await.as_deref(), Some("admin"));
        assert!(in_place_of(&store, &mut known).await.expect("reads").is_none());
        assert_eq!(known, None, "somebody has a password");
        store.close().await;
    }

    #[tokio::test]
    async fn a_link_is_made_while_no_admin_has_a_password_and_later_when_asked_for() {
        let dir = tempfile::tempdir().expect("a directory");
        let store = Store::open(dir.path(), store::Settings::default()).await.expect("opens");
        let records =
            async || store.audit(&store::AuditAsked::default(), None, 100).await.expect("reads").0;
        let said = link(&store, Some("ada")).await.err().expect("nobody is there");
        assert!(said.ends_with("\"ada\" is no admin; name one of: admin"), "{said}");
        let old = link(&store, None).await.expect("made").expect("the first start");
        let first = link(&store, LATER).await.expect("made").expect("still no password");
        assert_eq!((first.user.as_str(), first.is_first), ("admin", true));
        assert_eq!(records().await.len(), 0);
        assert_eq!(redeem(&store, &old).await, None, "a new link ends the one before");
        assert_eq!(redeem(&store, &first).await.as_deref(), Some("admin"));
        assert!(link(&store, None).await.expect("no fault").is_none(), "there is a password");

        let later = link(&store, LATER).await.expect("made").expect("the only admin");
        assert_eq!((later.user.as_str(), later.is_first), ("admin", false));
        let (record, all) = (&records().await[0], records().await.len());
        assert_eq!((record.begin.actor.as_str(), all), ("spandrel run --sign-in-link", 1));
        assert_eq!(record.begin.resource, "/api/v1/users/admin");
        assert_eq!(record.end.as_ref().map(|(_, end)| end.result.as_str()), Some("done"));
        assert_eq!(redeem(&store, &later).await.as_deref(), Some("admin"));
        assert_eq!(redeem(&store, &later).await, None, "it works once");

        for (name, role) in [("ada", Role::Admin), ("an", Role::Analyst)] {
            store.create_user(name, role, Some("phc".to_owned())).await.expect("made");
        }
        let several = "cannot make a sign-in link: there are several admins; \
            name one of: ada, admin";
        assert_eq!(link(&store, LATER).await.err().as_deref(), Some(several));
        for name in ["an", "nobody"] {
            let said = link(&store, Some(name)).await.err().expect("no admin");
            assert!(said.contains(&format!("{name:?} is no admin")), "{said}");
        }
        let ada = link(&store, Some("ada")).await.expect("made").expect("named");
        assert_eq!(crate::secret::user_of_link(&ada.token), "ada");
        assert_eq!(redeem(&store, &ada).await.as_deref(), Some("ada"));
        store.close().await;
    }
}
