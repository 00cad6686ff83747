//! Reads an upload to its end, also when it was answered before that.
//!
//! Most clients send all of a body before they read the answer. One that is hung up on meanwhile
//! learns nothing: not that its session ran out, not how large a capture may be. So what still
//! comes is read and thrown away. Not here: answers. Invariant: of an upload that was answered
//! nothing is kept, and it is read for no longer than [`PATIENCE`].

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::header,
    middleware::Next,
    response::Response,
};
use futures_util::{StreamExt, stream};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long more is read after the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Around the route of an upload.
pub(super) async fn linger(request: Request, next: Next) -> Response {
    // It waits for a word before it sends, and reads the answer when it is that.
    if request.headers().contains_key(header::EXPECT) {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let (pieces, taken) = mpsc::channel(1);
    tokio::spawn(pass_on(body, pieces));
    let taken = stream::unfold(taken, |mut taken| async move {
        let piece: Result<Bytes, axum::Error> = taken.recv().await?;
        Some((piece, taken))
    });
    next.run(Request::from_parts(parts, Body::from_stream(taken))).await
}

/// Ends with the body; once nobody takes the pieces, after a while.
async fn pass_on(body: Body, pieces: mpsc::Sender<Result<Bytes, axum::Error>>) {
    let mut body = body.into_data_stream();
    while let Some(piece) = body.next().await {
        if pieces.send(piece).await.is_err() {
            let rest = async { while let Some(Ok(_)) = body.next().await {} };
            drop(tokio::time::timeout(PATIENCE, rest).await);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::{Router, http::StatusCode, middleware::from_fn, routing::post};
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpListener, TcpStream},
    };

    /// More than all buffers on the way hold.
    const BODY_BYTES: usize = 32 << 20;

    fn answer_after_all_is_sent(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).expect("it listens");
        let head = format!("POST / HTTP/1.1\r\nhost: x\r\ncontent-length: {BODY_BYTES}\r\n\r\n");
        stream.write_all(head.as_bytes()).expect("it takes words");
        stream.write_all(&vec![0; BODY_BYTES]).expect("it takes all of it");
        let mut answer = [0; 512];
        let length = stream.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_sends_all_before_reading_hears_why_it_was_refused() {
        let refuse = || async { (StatusCode::PAYLOAD_TOO_LARGE, "split it") };
        let count = |body: Body| async {
            let all = axum::body::to_bytes(body, usize::MAX).await.expect("all of it");
            all.len().to_string()
        };
        for (route, expect) in [(post(refuse), "split it"), (post(count), "33554432")] {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
            listener.set_nonblocking(true).expect("a socket");
            let address = listener.local_addr().expect("it has one");
            let service = Router::new().route("/", route.layer(from_fn(linger)));
            let server = axum_server::from_tcp(listener).expect("it listens");
            let server = tokio::spawn(server.serve(service.into_make_service()));
            let answer = tokio::task::spawn_blocking(move || answer_after_all_is_sent(address));
            let answer = answer.await.expect("it was sent");
            assert!(answer.ends_with(expect), "{answer}");
            server.abort();
        }
    }
}
