//! A vault over HTTP: the server that guards one, and the client that reads, fills and copies it.
//!
//! The server speaks restic's REST protocol (version 2), so stock restic can list, check and
//! restore, and serves the vault's files as they lie, so `vault verify` works on its address. Its
//! rules are in [`vault::site::House`]; here is only what HTTP adds. Invariant: a request is
//! answered only after [`vault::site::Asked::allow`] said yes, and what it refused is counted.

mod certificate;
mod client;
mod server;
mod transfer;

pub use certificate::AnyCertificate;
pub use client::{Access, Remote};
pub use server::{Serving, serve};
