//! The API over HTTP.
//!
//! Read `routes` first: every route is a line there. Not here: storage, processes. Invariant: every
//! route is in the OpenAPI document and says who may call it.

mod accounts;
mod agents;
mod assets;
mod caller;
mod captures;
mod console;
mod copies;
pub(crate) mod dto;
mod extract;
pub(crate) mod fault;
mod findings;
mod finish;
mod guard;
mod linger;
mod list;
mod network;
mod openapi;
mod planned;
mod protection;
mod query;
mod recovery;
mod routes;
mod rows;
mod session;
mod system;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_agents;
#[cfg(test)]
mod tests_copies;
#[cfg(test)]
mod tests_finish;
#[cfg(test)]
mod tests_protection;
#[cfg(test)]
mod tests_recovery;
#[cfg(test)]
mod tests_session;
mod vault;
mod watch;

pub use assets::detail as asset_detail;
pub use dto::{AssetDetail, AssetRow, FindingDetail, FindingRow};
pub(crate) use finish::finish;
pub use list::{csv, members};
pub use openapi::openapi_json;
pub(crate) use routes::service;
