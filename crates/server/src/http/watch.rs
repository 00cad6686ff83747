//! `/watch`: changes as server-sent events.
//!
//! Not here: how changes come about. Invariant: between its first event and its last a stream
//! misses no row: where it falls behind it goes on from disk, and where that is too much it ends
//! with an event that says to read the lists again.

use super::{
    caller::{Caller, still_valid},
    dto::*,
    extract::Asked,
    fault::{Answer, Fault},
    openapi::Failures,
};
use crate::{
    app::Shared,
    limits::WATCHERS_OF_ONE_MAX,
    places::{Full, Place},
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::stream::Stream;
use serde::Deserialize;
use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};
use store::{Backlog, Change, ChangedRow};
use tokio::sync::broadcast::{Receiver, error::RecvError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WatchQuery {
    since: Option<i64>,
    kinds: Option<String>,
}

const KINDS: [&str; 9] =
    ["asset", "asset-merged", "link", "link-merged", "finding", "sensor", "capture", "run", "beat"];
/// How often a stream asks whether its caller may still listen.
const RECHECK: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(15);

/// Changes as server-sent events; see WatchEvent.
#[utoipa::path(
    get, path = "/api/v1/watch", tag = "watch", operation_id = "watch_watch",
    params(
        (
            "since" = Option<i64>, Query,
            description = "Revision to go on from; `Last-Event-ID` wins"
        ),
        ("kinds" = Option<String>, Query, description = "Only these, e.g. `finding,sensor`"),
    ),
    responses(
        (
            status = 200, description = "A stream of events",
            body = WatchEvent, content_type = "text/event-stream"
        ),
        (
            status = 410, description = "The revision is too old; read the lists again",
            body = Problem, content_type = "application/problem+json"
        ),
        (
            status = 429, description = "As many streams as one user may have are open",
            body = Problem, content_type = "application/problem+json"
        ),
        Failures
    ),
    security(("session" = []), ("token" = []))
)]
pub(crate) async fn watch(
    State(app): State<Shared>,
    caller: Caller,
    headers: HeaderMap,
    Asked(query): Asked<WatchQuery>,
) -> Answer<Sse<impl Stream<Item = Result<Event, Infallible>>>> {
    let kinds = kinds(query.kinds.as_deref())?;
    let place = app.watchers.take(caller.user.clone(), WATCHERS_OF_ONE_MAX).map_err(no_place)?;
    let last = headers.get("last-event-id").and_then(|v| v.to_str().ok());
    let since = match last.map(str::parse::<i64>) {
        Some(Ok(since)) => Some(since),
        Some(Err(_)) => return Err(too_old()),
        None => query.since,
    };
    // Subscribe first: what is committed while the backlog is read comes twice, never not at all.
    let live = app.store.watch();
    let sent = match since {
        Some(since) => since,
        None => app.store.revision().await?,
    };
    let waiting = match app.store.backlog(sent).await? {
        Backlog::Changes(changes) => changes.into_iter().map(Arc::new).collect(),
        Backlog::TooOld => return Err(too_old()),
    };
    let stopping = app.stopping.clone();
    let watcher = Watcher {
        app,
        caller,
        kinds,
        live,
        sent,
        waiting,
        stopping,
        recheck: tokio::time::interval(RECHECK),
        ended: false,
        _place: place,
    };
    let stream = futures_util::stream::unfold(watcher, |mut watcher| async move {
        watcher.next().await.map(|event| (Ok(event), watcher))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("alive")))
}

fn no_place(full: Full) -> Fault {
    match full {
        Full::OfOne => {
            let detail = format!(
                "{WATCHERS_OF_ONE_MAX} streams are open in your name: close a window of the console"
            );
            Fault::new(StatusCode::TOO_MANY_REQUESTS, "too-many-streams", detail)
        }
        Full::InAll => {
            let detail = "too many watchers; close one and try again";
            Fault::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail)
        }
    }
}

fn too_old() -> Fault {
    let detail = "the revision is too old or not of this server; read the lists again";
    Fault::new(StatusCode::GONE, "revision-compacted", detail)
}

fn kinds(text: Option<&str>) -> Answer<Vec<&'static str>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(KINDS.to_vec()) };
    text.split(',')
        .map(|kind| {
            KINDS.into_iter().find(|known| *known == kind.trim()).ok_or_else(|| {
                Fault::member("kinds", "invalid", format!("they are {}", KINDS.join(", ")))
            })
        })
        .collect()
}

struct Watcher {
    app: Shared,
    caller: Caller,
    kinds: Vec<&'static str>,
    live: Receiver<Arc<Change>>,
    sent: i64,
    waiting: VecDeque<Arc<Change>>,
    stopping: tokio::sync::watch::Receiver<bool>,
    recheck: tokio::time::Interval,
    ended: bool,
    _place: Place<String>,
}

impl Watcher {
    /// The next event; `None` ends the stream and the client comes again with its last id.
    async fn next(&mut self) -> Option<Event> {
        while !self.ended {
            if let Some(change) = self.waiting.pop_front() {
                if let Some(event) = self.event(&change) {
                    return Some(event);
                }
                continue;
            }
            tokio::select! {
                change = self.live.recv() => match change {
                    Ok(change) => self.waiting.push_back(change),
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => self.ended = true,
                },
                _ = self.stopping.changed() => self.ended = true,
                _ = self.recheck.tick() => self.ended = !still_valid(&self.app, &self.caller).await,
            }
        }
        None
    }

    async fn catch_up(&mut self) {
        match self.app.store.backlog(self.sent).await {
            Ok(Backlog::Changes(changes)) => {
                self.waiting = changes.into_iter().map(Arc::new).collect();
            }
            // The client's next try gets 410 and reads the lists again.
            Ok(Backlog::TooOld) | Err(_) => self.ended = true,
        }
    }

    fn event(&mut self, change: &Change) -> Option<Event> {
        // What is told and not committed has no place that a client could come back to.
        let committed = change.revision > 0;
        if committed && change.revision <= self.sent {
            return None;
        }
        self.sent = self.sent.max(change.revision);
        let kind = kind(&change.row);
        if !self.kinds.contains(&kind) {
            return None;
        }
        let mut row = change.row.clone();
        if let ChangedRow::Sensor(sensor) = &mut row {
            self.app.store.complete(sensor);
        }
        let mut event = Event::default().event(kind);
        if committed {
            event = event.id(change.revision.to_string());
        }
        let event = event.json_data(WatchEvent::from(row));
        event.inspect_err(|error| tracing::error!(%error, "an event could not be written")).ok()
    }
}

fn kind(row: &ChangedRow) -> &'static str {
    match row {
        ChangedRow::Asset(_) => "asset",
        ChangedRow::AssetMerged { .. } => "asset-merged",
        ChangedRow::Link(_) => "link",
        ChangedRow::LinkMerged { .. } => "link-merged",
        ChangedRow::Finding(_) => "finding",
        ChangedRow::Sensor(_) => "sensor",
        ChangedRow::Capture(_) => "capture",
        ChangedRow::Run(_) => "run",
        ChangedRow::Beat { .. } => "beat",
    }
}
