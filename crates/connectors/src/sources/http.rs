//! `http://HOST[:PORT]/PATH` and `https://…`: one document of a device or server.
//!
//! Only GET is ever sent. A certificate must be valid by the public roots; there is no switch to
//! trust any. Invariant: a status other than 200 is a fault, never a stored error page.

use super::{Context, Kind, Unusable, login, spool, url::Url};
use crate::limits::{DOCUMENT_TIMEOUT, REDIRECTS_MAX, SERVER_TIMEOUT};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::{io, path::PathBuf};
use vault::{Offer, Open, Opened, Source, What};

pub struct Http {
    scheme: &'static str,
}

pub const HTTP: Http = Http { scheme: "http" };
pub const HTTPS: Http = Http { scheme: "https" };

impl Kind for Http {
    fn name(&self) -> &'static str {
        self.scheme
    }

    fn form(&self) -> &'static str {
        "//[USER@]HOST[:PORT]/PATH"
    }

    fn open(&self, text: &str, context: &Context) -> Result<Box<dyn Source>, Unusable> {
        let url = Url::parse(text, &[]).map_err(|why| Unusable::place(self, text, why))?;
        Ok(Box::new(Document { scheme: self.scheme, url, context: context.clone() }))
    }
}

struct Document {
    scheme: &'static str,
    url: Url,
    context: Context,
}

impl Document {
    fn address(&self) -> String {
        self.url.address(if self.scheme == "http" { 80 } else { 443 })
    }
}

impl Source for Document {
    fn name(&self) -> String {
        format!("{}://{}{}", self.scheme, self.address(), self.url.path)
    }

    fn offer(&mut self, offer: &mut Offer) {
        let folder = PathBuf::from(format!("/@{}", self.scheme)).join(self.address());
        // A name for the document of a folder, and none that climbs out of it.
        let parts = self.url.path.split('/').filter(|part| !["", ".", ".."].contains(part));
        let mut path = folder.join(parts.collect::<PathBuf>());
        if self.url.path.ends_with('/') {
            path.push("index");
        }
        let user = self.url.user.as_deref();
        let login = login::find(self.context.secrets.as_deref(), &self.url.host, user);
        match login {
            Ok(login) => {
                let authorization = login
                    .map(|login| STANDARD.encode(format!("{}:{}", login.user, login.password)));
                let get = Get {
                    url: self.name(),
                    authorization,
                    staging: self.context.staging.clone(),
                    now: offer.now(),
                };
                offer.entry(path, What::File(Box::new(get)));
            }
            Err(error) => offer.fault(&path, error.to_string()),
        }
    }
}

struct Get {
    url: String,
    authorization: Option<String>,
    staging: PathBuf,
    now: model::Time,
}

impl Open for Get {
    fn open(self: Box<Self>) -> io::Result<Opened> {
        let config = ureq::Agent::config_builder()
            .timeout_connect(Some(SERVER_TIMEOUT))
            .timeout_global(Some(DOCUMENT_TIMEOUT))
            .max_redirects(REDIRECTS_MAX)
            .build();
        let mut request = ureq::Agent::from(config).get(&self.url);
        if let Some(basic) = &self.authorization {
            request = request.header("Authorization", format!("Basic {basic}"));
        }
        let response = request.call().map_err(io::Error::other)?;
        if response.status() != 200 {
            return Err(io::Error::other(format!("status {}", response.status())));
        }
        let file = spool::copy(response.into_body().into_reader(), &self.staging)?;
        spool::opened(file, Some(self.now), 0o600)
    }
}
