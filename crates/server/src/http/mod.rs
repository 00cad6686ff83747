//! The API over HTTP.
//!
//! Not here: storage. Invariant: every route is in the OpenAPI document.

mod dto;
mod gen_doc;
mod openapi;
mod query;

pub use openapi::openapi_json;
