//! Making, replacing and deleting plans of backup and of recovery, and copies of the vault.
//!
//! Not here: what one says and how it is kept; that is `protection`, `recovery` and `copies`.
//! Invariant: what was before and what was asked for is noted before anything changes, never a
//! secret, and the reconciler looks at once at what did.

use super::{extract::etag, fault::Answer, guard::Notes};
use crate::app::Shared;
use axum::{
    Json,
    http::{HeaderName, StatusCode},
};
use serde::Serialize;
use tokio::sync::Notify;

type Tagged<P> = ([(HeaderName, String); 1], Json<P>);

/// A kind of plan: where it is kept and how it is shown.
pub(super) trait Planned: Serialize + Sized {
    /// What is asked for.
    type Asked;

    /// What of it stands in the audit.
    fn noted(asked: &Self::Asked) -> serde_json::Value;
    /// Wakes the reconciler of its kind.
    fn bell(app: &Shared) -> &Notify {
        &app.protect.wake
    }
    fn generation(&self) -> i64;
    async fn one(app: &Shared, id: &str) -> Answer<Self>;
    /// What is kept of it now, for the audit.
    async fn before(app: &Shared, id: &str) -> Answer<serde_json::Value>;
    async fn make(app: &Shared, asked: Self::Asked) -> Answer<String>;
    async fn change(app: &Shared, id: &str, generation: i64, asked: Self::Asked) -> Answer<()>;
    async fn delete(app: &Shared, id: &str, generation: i64) -> Answer<()>;
}

fn tagged<P: Planned>(plan: P) -> Tagged<P> {
    (etag(plan.generation()), Json(plan))
}

pub(super) async fn shown<P: Planned>(app: &Shared, id: &str) -> Answer<Tagged<P>> {
    Ok(tagged(P::one(app, id).await?))
}

pub(super) async fn made<P: Planned>(
    app: &Shared,
    notes: &Notes,
    asked: P::Asked,
) -> Answer<(StatusCode, [(HeaderName, String); 1], Json<P>)> {
    notes.after(P::noted(&asked));
    let id = P::make(app, asked).await?;
    P::bell(app).notify_one();
    let (tag, plan) = shown(app, &id).await?;
    Ok((StatusCode::CREATED, tag, plan))
}

pub(super) async fn replaced<P: Planned>(
    app: &Shared,
    notes: &Notes,
    (id, generation): (&str, i64),
    asked: P::Asked,
) -> Answer<Tagged<P>> {
    notes.before(P::before(app, id).await?);
    notes.after(P::noted(&asked));
    P::change(app, id, generation, asked).await?;
    P::bell(app).notify_one();
    shown(app, id).await
}

pub(super) async fn deleted<P: Planned>(
    app: &Shared,
    notes: &Notes,
    id: &str,
    generation: i64,
) -> Answer<StatusCode> {
    notes.before(P::before(app, id).await?);
    P::delete(app, id, generation).await?;
    Ok(StatusCode::NO_CONTENT)
}
