//! Answers kept for `Idempotency-Key`: the same request again gets the same answer.
//!
//! Not here: which routes keep one. Invariant: a key belongs to one caller.

use crate::{Result, Store, writer::now};
use sqlx::Row;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub request_hash: String,
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

impl Store {
    pub async fn reply(&self, owner: &str, key: &str) -> Result<Option<Reply>> {
        let row = sqlx::query(
            "SELECT request_hash, status, content_type, body FROM replies WHERE owner = $1 \
             AND idempotency_key = $2 AND created_at > $3",
        )
        .bind(owner)
        .bind(key)
        .bind(now().plus_secs(-crate::REPLIES_KEPT_S).nanos())
        .fetch_optional(self.readers())
        .await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Reply {
            request_hash: row.try_get("request_hash")?,
            status: u16::try_from(row.try_get::<i64, _>("status")?).unwrap_or(200),
            content_type: row.try_get("content_type")?,
            body: row.try_get("body")?,
        }))
    }

    pub async fn keep_reply(&self, owner: &str, key: &str, reply: Reply) -> Result<()> {
        let (owner, key) = (owner.to_owned(), key.to_owned());
        self.write(move |turn| {
            Box::pin(async move {
                sqlx::query(
                    "INSERT INTO replies (owner, idempotency_key, request_hash, status, \
                     content_type, body, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
                     ON CONFLICT (owner, idempotency_key) DO UPDATE SET request_hash = $3, \
                     status = $4, content_type = $5, body = $6, created_at = $7",
                )
                .bind(owner)
                .bind(key)
                .bind(reply.request_hash)
                .bind(i64::from(reply.status))
                .bind(reply.content_type)
                .bind(reply.body)
                .bind(now().nanos())
                .execute(&mut turn.db)
                .await?;
                Ok(())
            })
        })
        .await
    }
}
