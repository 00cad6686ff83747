//! Messages whose head was read and whose end is awaited: they are counted where they end.
//!
//! Not here: what they mean, which is told at once. Invariant: a message is counted once, and
//! not at all when nothing more comes of it.

use super::{
    HTTP_HOST, HTTP_REQUEST, HTTP_STATUS,
    head::{Head, Start},
};
use crate::{Output, text};
use model::Scalar;

/// There should be one (RFC 9112, 3.2); who smuggles requests sends a second.
const HOSTS_MAX: usize = 4;

#[derive(Debug)]
pub(super) enum Owed {
    Request { method: Box<str>, hosts: Vec<Box<str>> },
    Response { status: u16 },
}

impl Owed {
    pub(super) fn of(head: &Head<'_>) -> Owed {
        match head.start {
            Start::Request { method, .. } => {
                let hosts = head.headers("host").filter(|h| !h.is_empty()).take(HOSTS_MAX);
                let hosts = hosts.map(|h| text::lossy(h).into()).collect();
                Owed::Request { method: text::lossy(method).into(), hosts }
            }
            Start::Response { status } => Owed::Response { status },
        }
    }

    pub(super) fn count(self, out: &mut Output) {
        match self {
            Owed::Request { method, hosts } => {
                out.count(&HTTP_REQUEST, [Scalar::Text(method)]);
                for host in hosts {
                    out.count(&HTTP_HOST, [Scalar::Text(host)]);
                }
            }
            Owed::Response { status } => {
                out.count(&HTTP_STATUS, [Scalar::Number(u64::from(status))]);
            }
        }
    }
}
