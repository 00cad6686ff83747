//! A vault behind a web server, for `vault verify URL`: a plain copy of its directory, served.
//!
//! Invariant: only GET is sent, and an answer other than 200 or 404 is an error, never content.

use crate::limits::{DOCUMENT_TIMEOUT, REDIRECTS_MAX, SERVER_TIMEOUT};
use std::{
    collections::BTreeSet,
    io::{self, Read},
};
use vault::verify::Files;

pub struct Web {
    agent: ureq::Agent,
    base: String,
}

impl Web {
    /// The vault at an `http://` or `https://` address; `None` when it is no such address.
    pub fn at(address: &str) -> Option<Self> {
        let is_web = address.starts_with("http://") || address.starts_with("https://");
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(SERVER_TIMEOUT))
            .timeout_global(Some(DOCUMENT_TIMEOUT))
            .max_redirects(REDIRECTS_MAX)
            .build();
        let base = address.trim_end_matches('/').to_owned();
        is_web.then(|| Self { agent: config.into(), base })
    }
}

impl Files for Web {
    fn open(&self, path: &str) -> io::Result<Box<dyn Read>> {
        let response = self.agent.get(format!("{}/{path}", self.base)).call();
        match response {
            Ok(response) if response.status() == 200 => {
                Ok(Box::new(response.into_body().into_reader()))
            }
            Err(ureq::Error::StatusCode(404)) => Err(io::ErrorKind::NotFound.into()),
            Ok(response) => Err(io::Error::other(format!("status {}", response.status()))),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn list(&self) -> io::Result<Option<BTreeSet<String>>> {
        Ok(None)
    }
}
