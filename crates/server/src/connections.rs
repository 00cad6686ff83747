//! How many may be connected, and for how long one may say nothing.
//!
//! Whoever reaches a port can connect without a password: how much of this server that holds is
//! bounded, in all and by address, and ends when nothing comes. A stream of events lives on, for
//! there it is the server that speaks. Not here: TLS; `axum_server` gives a handshake ten seconds.
//! Invariant: a place is given back when its connection ends.

use crate::{
    limits::{CONNECTIONS_MAX, CONNECTIONS_OF_ONE_MAX},
    places::{Place, Places},
};
use axum::{Extension, Router, extract::ConnectInfo, middleware::AddExtension};
use axum_server::Server;
use std::{
    future::{Ready, ready},
    io,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tower::{Layer, Service, service_fn};
use tower_http::timeout::{RequestBodyTimeout, RequestBodyTimeoutLayer};

/// What a port bears.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// How long a connection may say nothing: before its first request, within a body.
    silence: Duration,
    /// The same between two requests and within the head of one. `None`: it has one request.
    idle: Option<Duration>,
    /// Connections of one address.
    of_one: usize,
}

const SILENCE: Duration = Duration::from_secs(60);
/// Proxies keep a connection for a minute, as a rule: none of them should send a request on one
/// that is just being closed.
const IDLE: Duration = Duration::from_secs(90);

/// With the console and the API.
pub(crate) const WITH_PEOPLE: Patience =
    Patience { silence: SILENCE, idle: Some(IDLE), of_one: CONNECTIONS_OF_ONE_MAX };
/// With agents: each calls twice a minute, and those of a plant may all have one address.
pub(crate) const WITH_AGENTS: Patience =
    Patience { silence: SILENCE, idle: None, of_one: CONNECTIONS_MAX };

/// A client of HTTP/2 that does not answer is gone.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_ANSWER: Duration = Duration::from_secs(30);

type Connected = AddExtension<
    AddExtension<RequestBodyTimeout<Router>, Arc<Place<IpAddr>>>,
    ConnectInfo<SocketAddr>,
>;

/// A server that ends connections on which nothing comes.
pub(crate) fn patient<A>(
    mut server: Server<SocketAddr, A>,
    Patience { silence, idle, .. }: Patience,
) -> Server<SocketAddr, A> {
    let http = server.http_builder();
    http.http1().header_read_timeout(idle.unwrap_or(silence)).keep_alive(idle.is_some());
    http.http2().keep_alive_interval(PING_EVERY).keep_alive_timeout(PING_ANSWER);
    server.first_request_timeout(silence)
}

/// The service for each connection that there is a place for.
pub(crate) fn each(
    service: Router,
    Patience { silence, of_one, .. }: Patience,
) -> impl Service<
    SocketAddr,
    Response = Connected,
    Error = io::Error,
    Future = Ready<io::Result<Connected>>,
> + Send {
    let places = Places::new(CONNECTIONS_MAX);
    service_fn(move |peer: SocketAddr| {
        let connected = place(&places, peer.ip(), of_one).map(|place| {
            let service = RequestBodyTimeoutLayer::new(silence).layer(service.clone());
            Extension(ConnectInfo(peer)).layer(Extension(place).layer(service))
        });
        ready(connected.ok_or_else(|| {
            tracing::debug!(%peer, "too many connections, this one was closed");
            io::Error::other("too many connections")
        }))
    })
}

/// A place for a connection, if there is one.
fn place(open: &Arc<Places<IpAddr>>, ip: IpAddr, of_one_max: usize) -> Option<Arc<Place<IpAddr>>> {
    let ip = ip.to_canonical();
    // A proxy on this machine brings everybody.
    let most = if ip.is_loopback() { CONNECTIONS_MAX } else { of_one_max };
    open.take(one_of(ip), most).ok().map(Arc::new)
}

/// The address that stands for all of whoever has this one.
pub(crate) fn one_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        // Who has one address of a /64 has all of them.
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        ip => ip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{
        body::Body,
        routing::{get, post},
    };
    use futures_util::StreamExt;
    use std::{
        io::{Read, Write},
        net::{TcpListener, TcpStream},
    };

    #[test]
    fn places_are_bounded_by_address_and_in_all_and_given_back() {
        let places = Places::new(CONNECTIONS_MAX);
        let many = |ip: &str| {
            let ip: IpAddr = ip.parse().expect("an address");
            std::iter::from_fn(|| place(&places, ip, CONNECTIONS_OF_ONE_MAX)).collect::<Vec<_>>()
        };
        let one = many("10.0.0.1");
        assert_eq!(one.len(), CONNECTIONS_OF_ONE_MAX);
        assert_eq!(many("::ffff:10.0.0.1").len(), 0, "it is the same");
        let held = many("2001:db8::1");
        assert_eq!((held.len(), many("2001:db8::2").len()), (CONNECTIONS_OF_ONE_MAX, 0));
        let more: Vec<_> = (2..20).flat_map(|n| many(&format!("10.0.0.{n}"))).collect();
        assert_eq!(one.len() + held.len() + more.len(), CONNECTIONS_MAX);
        drop((one, held, more));
        assert_eq!(many("::1").len(), CONNECTIONS_MAX, "a proxy on this machine");
        let one = |ip: &str| one_of(ip.parse().expect("an address")).to_string();
        assert_eq!(
            (one("2001:db8::1:2"), one("2001:db8::3")),
            (one("2001:db8::"), one("2001:db8::"))
        );
        assert_eq!(
            (one("::ffff:10.0.0.1"), one("10.0.0.2")),
            ("10.0.0.1".into(), "10.0.0.2".into())
        );
        assert_eq!(many("10.0.0.9").len(), CONNECTIONS_OF_ONE_MAX, "all were given back");
    }

    /// What comes back until the connection ends.
    fn answer_to(address: SocketAddr, words: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        stream.write_all(words.as_bytes()).expect("it takes words");
        let mut answer = Vec::new();
        // One that is ended while there is more to read is reset.
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_says_nothing_is_let_go_and_who_listens_is_not() {
        let silence = Duration::from_millis(500);
        let events = move || async move {
            let events = futures_util::stream::iter(0..4).then(move |n| async move {
                tokio::time::sleep(silence / 2).await;
                Ok::<_, io::Error>(format!("event {n}\n"))
            });
            Body::from_stream(events)
        };
        let upload = |body: Body| async move {
            let read = axum::body::to_bytes(body, usize::MAX).await;
            if read.is_ok() { "whole" } else { "broke off" }
        };
        let service = Router::new().route("/events", get(events)).route("/upload", post(upload));
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("it has one");
        let server = axum_server::from_tcp(listener).expect("it listens");
        let patience = Patience { silence, idle: Some(silence), of_one: CONNECTIONS_OF_ONE_MAX };
        let server = patient(server, patience).serve(each(service, patience));
        let server = tokio::spawn(server);
        let said = move |words: &'static str| {
            let answer = tokio::task::spawn_blocking(move || answer_to(address, words));
            async move { answer.await.expect("it ends") }
        };
        assert_eq!(said("").await, "");
        assert_eq!(said("GET /events HT").await, "");
        let listened = said("GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(listened.contains("event 3"), "{listened}");
        let upload = "POST /upload HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nhalf";
        assert!(said(upload).await.ends_with("broke off"));
        server.abort();
    }
}
