//! `//[USER@]HOST[:PORT]/PATH[?name=value]` after the kind: the form of sources that serve files.
//!
//! Invariant: a password in it is refused, as the text is stored with the snapshot.

use std::collections::BTreeMap;

#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
    /// Begins with `/`.
    pub path: String,
    pub options: BTreeMap<String, String>,
}

impl Url {
    /// Parses what stands after `KIND:`; options are split off only when `names` has some.
    pub fn parse(text: &str, names: &[&str]) -> Result<Self, String> {
        let rest = text.strip_prefix("//").ok_or("no // after the kind")?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (user, address) = match authority.rsplit_once('@') {
            Some((user, address)) => (Some(user.to_owned()), address),
            None => (None, authority),
        };
        if user.as_ref().is_some_and(|user| user.contains(':')) {
            return Err("a password would be stored; put it into the --secrets file".to_owned());
        }
        let (host, port) = match address.rsplit_once(':') {
            Some((host, digits)) if !digits.ends_with(']') => {
                let port = digits.parse().map_err(|_| format!("`{digits}` is no port"))?;
                (host, Some(port))
            }
            _ => (address, None),
        };
        if host.is_empty() {
            return Err("no host".to_owned());
        }
        let (path, query) = match path.split_once('?') {
            Some((path, query)) if !names.is_empty() => (path, query),
            _ => (path, ""),
        };
        let mut options = BTreeMap::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if !names.contains(&name) {
                return Err(format!("`{name}` is not one of {}", names.join(", ")));
            }
            options.insert(name.to_owned(), value.to_owned());
        }
        let (host, path) = (host.trim_matches(['[', ']']).to_owned(), format!("/{path}"));
        Ok(Self { user, host, port, path, options })
    }

    /// Host and port for a person and for a path.
    pub fn address(&self, port: u16) -> String {
        let port = self.port.unwrap_or(port);
        let host = &self.host;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host_and_never_a_password() {
        let url = Url::parse("//eva@plc.example:2121/cfg/a?b", &[]).unwrap();
        assert_eq!(
            (url.user.as_deref(), url.address(21)),
            (Some("eva"), "plc.example:2121".into())
        );
        assert_eq!(url.path, "/cfg/a?b");
        let url = Url::parse("//[::1]/x?config=/c", &["config"]).unwrap();
        assert_eq!((url.address(22), url.path.as_str()), ("[::1]:22".into(), "/x"));
        assert_eq!(url.options["config"], "/c");
        for bad in ["host/x", "///x", "//eva:secret@h/x", "//h:x/", "//h/x?other=1"] {
            assert!(Url::parse(bad, &["config"]).is_err(), "{bad}");
        }
    }
}
