//! The vault server: requests in, answers of the house out.
//!
//! Not here: moving bytes ([`super::transfer`]), TLS certificates. Invariant: every path ends in
//! one place that turns a refusal into a status and, where it is an attempt, into a denial.

use super::transfer::{self, Uploads};
use axum::{
    Router,
    body::Body,
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use axum_server::{Handle, Server, tls::TlsInfo, tls_rustls::RustlsConfig};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::task::JoinHandle;
use vault::{
    Sha256,
    limits::SMALL_BYTES_MAX,
    site::{Answer, Asked, Client, House, Name, Refusal, Verb, What, takeover::TAKEOVER_BYTES_MAX},
};

/// How often what is due is looked after.
const TICK: Duration = Duration::from_secs(60);
/// How long open requests may take to end.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a connection may say nothing before its first request.
const SILENCE: Duration = Duration::from_secs(60);
/// The same between two requests and within the head of one. Restic's client keeps a connection
/// for 90 seconds.
const IDLE: Duration = Duration::from_secs(120);

/// A server that runs.
pub struct Serving {
    pub address: SocketAddr,
    handle: Handle<SocketAddr>,
    tls: Option<RustlsConfig>,
    house: Arc<House>,
    tasks: Vec<JoinHandle<()>>,
}

impl Serving {
    /// Goes on with another certificate.
    pub fn renew(&self, tls: &rustls::ServerConfig) {
        if let Some(held) = &self.tls {
            held.reload_from_config(one_at_a_time(tls));
        }
    }

    /// Ends requests and writes what was counted.
    pub async fn stop(self) {
        self.handle.graceful_shutdown(Some(DRAIN));
        let [serving, ticking] = self.tasks.try_into().expect("there are two");
        ticking.abort();
        if let Err(error) = serving.await {
            tracing::error!(%error, "the server ended badly");
        }
        let house = self.house;
        drop(tokio::task::spawn_blocking(move || house.close()).await);
    }
}

/// Serves a house on a listening socket; without `tls` in clear, for loopback and proxies.
pub async fn serve(
    listener: TcpListener,
    tls: Option<Arc<rustls::ServerConfig>>,
    house: Arc<House>,
) -> io::Result<Serving> {
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    let handle = Handle::new();
    let shared = Shared { house: house.clone(), uploads: Arc::default() };
    let service = Router::new()
        .fallback(answer)
        .with_state(shared)
        .into_make_service_with_connect_info::<SocketAddr>();
    let held = handle.clone();
    let ended = |result: io::Result<()>| {
        if let Err(error) = result {
            tracing::error!(%error, "the server ended");
        }
    };
    let tls = tls.map(|tls| RustlsConfig::from_config(one_at_a_time(&tls)));
    let serving = match tls.clone() {
        Some(tls) => {
            let server = axum_server::from_tcp_rustls(listener, tls)?.handle(held);
            let server = patient(server, SILENCE, IDLE);
            tokio::spawn(async move { ended(server.serve(service).await) })
        }
        None => {
            let server = patient(axum_server::from_tcp(listener)?.handle(held), SILENCE, IDLE);
            tokio::spawn(async move { ended(server.serve(service).await) })
        }
    };
    let due = house.clone();
    let ticking = tokio::spawn(async move {
        loop {
            tokio::time::sleep(TICK).await;
            let due = due.clone();
            drop(tokio::task::spawn_blocking(move || due.tick()).await);
        }
    });
    Ok(Serving { address, handle, tls, house, tasks: vec![serving, ticking] })
}

/// A server that ends connections on which nothing comes: whoever reaches the port can connect, and
/// each connection is one of the files that a process may have. Within a body
/// [`super::transfer`] sees to it.
fn patient<A>(
    mut server: Server<SocketAddr, A>,
    silence: Duration,
    idle: Duration,
) -> Server<SocketAddr, A> {
    server.http_builder().http1().header_read_timeout(idle);
    server.first_request_timeout(silence)
}

/// One request a connection at a time: a broken link then breaks one upload.
fn one_at_a_time(tls: &rustls::ServerConfig) -> Arc<rustls::ServerConfig> {
    let mut tls = tls.clone();
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(tls)
}

#[derive(Clone)]
struct Shared {
    house: Arc<House>,
    uploads: Arc<Uploads>,
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let verb = Verb::parse(request.method().as_str());
    let path = request.uri().path().to_owned();
    let from = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0);
    let asked = Asked::parse(&path);
    let credentials = credentials(request.headers());
    // Proved by its key in the handshake of this connection.
    let tls = request.extensions().get::<Arc<TlsInfo>>();
    let presented = tls.and_then(|tls| tls.peer_certificates.first()).map(|der| Sha256::of(der));
    let house = shared.house.clone();
    let client = blocking(move || {
        let (name, token) = credentials.ok_or(Refusal::Unknown)?;
        house.client(&name, &token, presented)
    })
    .await;
    let (client, result) = match client {
        Err(refusal) => (None, Err(refusal)),
        Ok(client) => {
            let result = match &asked {
                None => Err(Refusal::Absent),
                Some(asked) => match asked.allow(&client, verb) {
                    Ok(()) => act(&shared, client.clone(), verb, asked.clone(), request).await,
                    Err(refusal) => Err(refusal),
                },
            };
            (Some(client), result)
        }
    };
    let refusal = match result {
        Ok(response) => return response,
        Err(refusal) => refusal,
    };
    // What is no path of ours is an attempt only when it is more than a question.
    let unknown = asked.is_none() && !matches!(verb, Verb::Get | Verb::Head);
    let why = refusal.denial().or(unknown.then_some("no such path"));
    if let Some(why) = why {
        let house = shared.house.clone();
        let example = from.map_or(path.clone(), |from| format!("{path} from {}", from.ip()));
        let denied = move || {
            house.deny(client.as_ref(), verb, asked.as_ref(), why, &example);
            Ok(())
        };
        drop(blocking(denied).await);
    }
    refused(&refusal, &path)
}

async fn act(
    shared: &Shared,
    client: Client,
    verb: Verb,
    asked: Asked,
    request: Request,
) -> Answer<Response> {
    let house = shared.house.clone();
    let head = verb == Verb::Head;
    let vault = asked.vault.clone();
    match (verb, asked.what.clone()) {
        (Verb::Get | Verb::Head, What::File(name)) => {
            file(house, client, vault, name, head, request.headers()).await
        }
        (Verb::Get | Verb::Head, What::Journal(path)) => {
            let (file, size) = blocking(move || house.read_journal(&path)).await?;
            transfer::send(file, size, head, request.headers())
        }
        (Verb::Get | Verb::Head, What::List(kind)) => {
            let list = blocking(move || house.list(&vault, kind)).await?;
            let list = list.into_iter().map(|(hash, size)| (hash.to_string(), size));
            Ok(listing(list, request.headers()))
        }
        (Verb::Get | Verb::Head, What::Locks) => {
            let list = blocking(move || Ok(house.locks(&vault).list()?)).await?;
            Ok(listing(list.into_iter(), request.headers()))
        }
        (Verb::Get | Verb::Head, What::Lock(hash)) => {
            let lock = blocking(move || Ok(house.locks(&vault).read(&hash)?)).await?;
            lock.map(IntoResponse::into_response).ok_or(Refusal::Absent)
        }
        (Verb::Get | Verb::Head, What::Status) => {
            let status = blocking(move || house.status(&client)).await?;
            Ok(axum::Json(status).into_response())
        }
        (Verb::Head, What::Extension(hash)) => {
            let begun = blocking(move || house.begun(&client, &hash)).await?;
            Err(Refusal::Offset(begun))
        }
        (Verb::Delete, What::Lock(hash)) => {
            blocking(move || house.release_lock(&vault, &client, &hash)).await?;
            Ok(StatusCode::OK.into_response())
        }
        (Verb::Post | Verb::Put, _) => take(shared, client, verb, asked, request).await,
        _ => Err(Refusal::Method),
    }
}

/// A file of a vault; of an object that is not whole, how much there is.
async fn file(
    house: Arc<House>,
    client: Client,
    vault: String,
    name: Name,
    head: bool,
    headers: &HeaderMap,
) -> Answer<Response> {
    let opened = blocking(move || match house.read(&vault, &name) {
        Err(Refusal::Absent) if head => {
            let begun = name.hash().map_or(Ok(0), |hash| house.begun(&client, &hash))?;
            Err(if begun > 0 { Refusal::Offset(begun) } else { Refusal::Absent })
        }
        opened => opened,
    });
    match opened.await {
        Ok((file, size)) => transfer::send(file, size, head, headers),
        // To restic, which asks by HEAD, it is not there.
        Err(Refusal::Offset(held)) => {
            let held = [("upload-offset", HeaderValue::from(held))];
            Ok((StatusCode::NOT_FOUND, held).into_response())
        }
        Err(refusal) => Err(refusal),
    }
}

/// What a client sends.
async fn take(
    shared: &Shared,
    client: Client,
    verb: Verb,
    asked: Asked,
    request: Request,
) -> Answer<Response> {
    let house = shared.house.clone();
    let vault = asked.vault.clone();
    match asked.what.clone() {
        What::File(Name::Description) => {
            let bytes = transfer::small(request, SMALL_BYTES_MAX).await?;
            blocking(move || house.begin(&vault, &client, &bytes)).await?;
        }
        What::File(Name::Config) => {
            let bytes = transfer::small(request, SMALL_BYTES_MAX).await?;
            blocking(move || house.configure(&vault, &bytes)).await?;
        }
        What::Lock(hash) => {
            let bytes = transfer::small(request, SMALL_BYTES_MAX).await?;
            blocking(move || house.take_lock(&vault, &client, &hash, &bytes)).await?;
        }
        What::Acknowledge => {
            let bytes = transfer::small(request, SMALL_BYTES_MAX).await?;
            let note = String::from_utf8(bytes).map_err(|_| Refusal::Wrong("it is no note"))?;
            blocking(move || house.acknowledge(&vault, &client, &note)).await?;
        }
        What::Takeover => {
            let bytes = transfer::small(request, TAKEOVER_BYTES_MAX).await?;
            blocking(move || house.take_over(&vault, &client, &bytes)).await?;
        }
        _ => return transfer::receive(house, &shared.uploads, client, verb, asked, request).await,
    }
    Ok(StatusCode::OK.into_response())
}

/// Restic's listing: version 2 has sizes.
fn listing(list: impl Iterator<Item = (String, u64)>, headers: &HeaderMap) -> Response {
    const V2: &str = "application/vnd.x.restic.rest.v2";
    let accepts = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    if accepts.is_some_and(|accepts| accepts.contains(V2)) {
        let list: Vec<_> =
            list.map(|(name, size)| serde_json::json!({"name": name, "size": size})).collect();
        return ([(header::CONTENT_TYPE, V2)], serde_json::Value::from(list).to_string())
            .into_response();
    }
    let list: Vec<String> = list.map(|(name, _)| name).collect();
    let v1 = "application/vnd.x.restic.rest.v1";
    ([(header::CONTENT_TYPE, v1)], serde_json::Value::from(list).to_string()).into_response()
}

/// Name and token (RFC 7617).
fn credentials(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, token) = text.split_once(':')?;
    Some((name.to_owned(), token.to_owned()))
}

fn refused(refusal: &Refusal, path: &str) -> Response {
    let status = match refusal {
        Refusal::Unknown => StatusCode::UNAUTHORIZED,
        Refusal::Forbidden(_) | Refusal::Exists => StatusCode::FORBIDDEN,
        Refusal::Absent => StatusCode::NOT_FOUND,
        Refusal::Method => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::NoLength => StatusCode::LENGTH_REQUIRED,
        Refusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Full(_) => StatusCode::INSUFFICIENT_STORAGE,
        Refusal::Offset(_) | Refusal::Behind(_) | Refusal::Lacking(_) => StatusCode::CONFLICT,
        Refusal::Fault(reason) => {
            tracing::error!(path, reason, "a request failed");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    // A fault's reason has paths of this machine; the client is told that there is one.
    let text = match refusal {
        Refusal::Fault(_) => "the server failed; its own messages say why".to_owned(),
        other => other.to_string(),
    };
    let mut response = (status, text + "\n").into_response();
    let headers = response.headers_mut();
    match refusal {
        Refusal::Unknown => {
            let value = HeaderValue::from_static("Basic realm=\"spandrel vault\"");
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        Refusal::Offset(held) => drop(headers.insert("upload-offset", HeaderValue::from(*held))),
        Refusal::Behind(size) => drop(headers.insert("log-size", HeaderValue::from(*size))),
        _ => {}
    }
    response
}

/// Runs what touches files where it may take its time.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Answer<T> + Send + 'static,
) -> Answer<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Refusal::Fault(error.to_string())))
}

pub(super) fn empty(status: StatusCode) -> Response {
    (status, Body::empty()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        io::{Read, Write},
        net::TcpStream,
    };

    /// Whether it hangs up on who says this, and what it answered before.
    fn hangs_up_on(address: SocketAddr, words: &str) -> (bool, String) {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a time");
        stream.write_all(words.as_bytes()).expect("it takes words");
        let mut answer = Vec::new();
        let hung_up = stream.read_to_end(&mut answer).is_ok();
        (hung_up, String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_says_nothing_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("it has one");
        let server = axum_server::from_tcp(listener).expect("it listens");
        let server = patient(server, Duration::from_millis(300), Duration::from_millis(200));
        let service = Router::new().fallback(|| async { "here" }).into_make_service();
        let serving = tokio::spawn(server.serve(service));
        for (words, answered) in
            [("", ""), ("GET / HT", ""), ("GET / HTTP/1.1\r\nhost: x\r\n\r\n", "here")]
        {
            let said = tokio::task::spawn_blocking(move || hangs_up_on(address, words));
            let (hung_up, answer) = said.await.expect("it ends");
            assert!(hung_up && answer.ends_with(answered), "{words:?}: {hung_up} {answer}");
        }
        serving.abort();
    }
}
