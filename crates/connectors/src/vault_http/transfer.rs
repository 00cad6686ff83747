//! Bytes in and out: files in ranges, uploads that go on where they broke off.
//!
//! Invariant: an upload holds one piece of some KiB in memory, and of two uploads of one object
//! the older ends, so a client that lost its link need not wait for the dead one to be noticed.
//! Its part has one writer: a request that is dropped with its connection keeps its turn until
//! what it began on the disk is done.

use super::server::{blocking, empty};
use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use std::{
    collections::BTreeMap,
    fs::File,
    io::{Seek, SeekFrom},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::AsyncReadExt,
    sync::{Notify, OwnedMutexGuard, mpsc},
    time::timeout,
};
use vault::site::{Answer, Asked, Client, House, Refusal, Taken, Upload, Verb, What};

/// How long a client may be silent within a body.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Bytes read from a file at once.
const PIECE_BYTES: u64 = 64 * 1024;
/// Pieces of an upload that wait for the disk.
const WAITING_MAX: usize = 8;

/// Sends a file, or the range of it that was asked for (RFC 9110, section 14).
pub fn send(file: File, size: u64, head: bool, headers: &HeaderMap) -> Answer<Response> {
    let (begin, end, status) = match range(headers, size) {
        None => (0, size, StatusCode::OK),
        Some(Some((begin, end))) => (begin, end, StatusCode::PARTIAL_CONTENT),
        Some(None) => {
            let all = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, all).into_response());
        }
    };
    let body = if head { Body::empty() } else { stream_of(file, begin, end - begin)? };
    let mut response = (status, body).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(end - begin));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let octets = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, octets);
    if status == StatusCode::PARTIAL_CONTENT {
        let text = format!("bytes {begin}-{}/{size}", end - 1);
        let value = HeaderValue::from_str(&text).expect("digits are a header");
        headers.insert(header::CONTENT_RANGE, value);
    }
    Ok(response)
}

/// The one range asked for: `None` is all, `Some(None)` cannot be satisfied.
fn range(headers: &HeaderMap, size: u64) -> Option<Option<(u64, u64)>> {
    let text = headers.get(header::RANGE)?.to_str().ok()?;
    // Several ranges, or another unit: a server may send all (RFC 9110, 14.2).
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    if first.is_empty() {
        let count: u64 = last.parse().ok()?;
        return Some((count > 0 && size > 0).then(|| (size.saturating_sub(count), size)));
    }
    let first: u64 = first.parse().ok()?;
    let last = match last {
        "" => u64::MAX,
        last => last.parse().ok()?,
    };
    if last < first {
        return None;
    }
    Some((first < size).then(|| (first, last.saturating_add(1).min(size))))
}

fn stream_of(mut file: File, begin: u64, length: u64) -> Answer<Body> {
    file.seek(SeekFrom::Start(begin))?;
    let file = tokio::fs::File::from_std(file);
    let pieces = stream::unfold((file, length), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut buffer = Vec::new();
        let room = usize::try_from(left.min(PIECE_BYTES)).unwrap_or_default();
        buffer.resize(room, 0);
        match file.read(&mut buffer).await {
            Ok(0) => Some((Err(std::io::ErrorKind::UnexpectedEof.into()), (file, 0))),
            Ok(n) => {
                buffer.truncate(n);
                Some((Ok(Bytes::from(buffer)), (file, left - n as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    });
    Ok(Body::from_stream(pieces))
}

/// A body that is kept in memory.
pub async fn small(request: Request, bytes_max: usize) -> Answer<Vec<u8>> {
    let body = axum::body::to_bytes(request.into_body(), bytes_max);
    match timeout(SILENCE_MAX, body).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(_)) => Err(Refusal::TooLarge("the body is too long or broke off")),
        Err(_) => Err(Refusal::Wrong("the body did not come")),
    }
}

/// Uploads that run, by client and object.
#[derive(Default)]
pub struct Uploads(Mutex<BTreeMap<(String, String), Arc<Slot>>>);

#[derive(Default)]
struct Slot {
    turn: Arc<tokio::sync::Mutex<()>>,
    /// Counts uploads of the same; only the newest goes on.
    newest: AtomicU64,
    newer: Notify,
}

impl Uploads {
    fn slot(&self, key: (String, String)) -> (Arc<Slot>, u64) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The map itself holds one reference; who holds no other has ended.
        all.retain(|_, slot| Arc::strong_count(slot) > 1);
        let slot = all.entry(key).or_default().clone();
        let number = slot.newest.fetch_add(1, Ordering::SeqCst) + 1;
        slot.newer.notify_waiters();
        (slot, number)
    }
}

/// The right to write an upload's part; it goes where the writing is done.
struct Turn {
    _guard: OwnedMutexGuard<()>,
    /// A slot that nobody has is forgotten, and a new one would know nothing of this turn.
    _slot: Arc<Slot>,
}

impl Turn {
    async fn of(slot: &Arc<Slot>) -> Self {
        Self { _guard: slot.turn.clone().lock_owned().await, _slot: slot.clone() }
    }
}

/// Takes an object or log entries: `PUT ?offset=N&size=M` goes on at N, POST is all at once.
pub async fn receive(
    house: Arc<House>,
    uploads: &Uploads,
    client: Client,
    verb: Verb,
    asked: Asked,
    request: Request,
) -> Answer<Response> {
    let (offset, size) = if verb == Verb::Put {
        let query = request.uri().query().unwrap_or_default();
        (Some(number(query, "offset")?), number(query, "size")?)
    } else {
        let length = request.headers().get(header::CONTENT_LENGTH);
        let length = length.and_then(|value| value.to_str().ok()?.parse().ok());
        (None, length.ok_or(Refusal::NoLength)?)
    };
    let hash = match &asked.what {
        What::File(name) => name.hash().map(|hash| hash.to_string()).unwrap_or_default(),
        What::Extension(hash) => hash.to_string(),
        _ => return Err(Refusal::Method),
    };
    let (slot, number) = uploads.slot((client.name.clone(), hash));
    let turn = Turn::of(&slot).await;
    let (upload, turn) =
        blocking(move || Ok((house.upload(&client, &asked, offset, size)?, turn))).await?;
    match pour(upload, turn, request.into_body(), &slot, number).await? {
        Taken::Published => Ok(empty(StatusCode::OK)),
        Taken::Extended(grown) => Ok(axum::Json(grown).into_response()),
        Taken::Part(held) => Err(Refusal::Offset(held)),
    }
}

/// Body to disk, piece by piece, until it ends, is silent, or a newer upload comes.
async fn pour(
    mut upload: Upload,
    turn: Turn,
    body: Body,
    slot: &Slot,
    number: u64,
) -> Answer<Taken> {
    let (sender, mut pieces) = mpsc::channel::<Bytes>(WAITING_MAX);
    let writing = blocking(move || {
        let _turn = turn;
        while let Some(piece) = pieces.blocking_recv() {
            upload.write(&piece)?;
        }
        upload.finish()
    });
    let reading = async move {
        let mut body = body.into_data_stream();
        loop {
            // Listened for before it is looked at, so that none comes between.
            let mut newer = std::pin::pin!(slot.newer.notified());
            newer.as_mut().enable();
            if slot.newest.load(Ordering::SeqCst) != number {
                return;
            }
            let piece = tokio::select! {
                piece = timeout(SILENCE_MAX, body.next()) => piece,
                () = newer => return,
            };
            let Ok(Some(Ok(piece))) = piece else { return };
            if sender.send(piece).await.is_err() {
                return;
            }
        }
    };
    let (taken, ()) = tokio::join!(writing, reading);
    taken
}

fn number(query: &str, name: &str) -> Answer<u64> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let value = pairs.find(|(found, _)| *found == name).and_then(|(_, value)| value.parse().ok());
    value.ok_or(Refusal::Wrong("give ?offset= and &size="))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[tokio::test]
    async fn a_dropped_request_keeps_its_turn_until_its_writing_is_done() {
        let uploads = Uploads::default();
        let key = ("edge".to_owned(), "hash".to_owned());
        let (finish, end) = std::sync::mpsc::channel::<()>();
        let (slot, _) = uploads.slot(key.clone());
        let turn = Turn::of(&slot).await;
        let writing = blocking(move || {
            let _turn = turn;
            end.recv().map_err(|error| Refusal::Fault(error.to_string()))
        });
        // The connection is cut: the request's future goes, what it began does not.
        let mut request = Box::pin(writing);
        assert!((&mut request).now_or_never().is_none());
        drop((request, slot));
        let (slot, number) = uploads.slot(key);
        assert_eq!(number, 2, "the slot is the same");
        let mut second = Box::pin(Turn::of(&slot));
        assert!((&mut second).now_or_never().is_none());
        finish.send(()).unwrap();
        second.await;
    }

    #[track_caller]
    fn check(text: &str, size: u64, expected: Option<Option<(u64, u64)>>) {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, HeaderValue::from_str(text).unwrap());
        assert_eq!(range(&headers, size), expected, "{text} of {size}");
    }

    #[test]
    fn ranges_are_those_of_rfc_9110() {
        check("bytes=0-9", 100, Some(Some((0, 10))));
        check("bytes=90-", 100, Some(Some((90, 100))));
        check("bytes=90-500", 100, Some(Some((90, 100))));
        check("bytes=-10", 100, Some(Some((90, 100))));
        check("bytes=-500", 100, Some(Some((0, 100))));
        check("bytes=100-", 100, Some(None));
        check("bytes=-0", 100, Some(None));
        check("bytes=9-5", 100, None);
        check("bytes=0-1,5-6", 100, None);
        check("lines=0-1", 100, None);
        assert_eq!(range(&HeaderMap::new(), 5), None);
    }
}
