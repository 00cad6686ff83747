//! `HOST[:PORT][?name=value&…]`, the form of every source on the network.
//!
//! Invariant: nothing is guessed; a name a kind does not know is an error with the ones it does.

use super::pace::Pause;
use std::{collections::BTreeMap, time::Duration};

#[derive(Debug, PartialEq, Eq)]
pub struct NetworkPlace {
    pub host: String,
    pub port: u16,
    pub options: BTreeMap<String, String>,
}

impl NetworkPlace {
    /// Parses `text`; `names` are the options there are.
    pub fn parse(text: &str, port: u16, names: &[&str]) -> Result<Self, String> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (host, port) = match address.rsplit_once(':') {
            // An IPv6 address stands in brackets.
            Some((host, digits)) if !digits.ends_with(']') => {
                let port = digits.parse().map_err(|_| format!("`{digits}` is no port"))?;
                (host, port)
            }
            _ => (address, port),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if host.is_empty() {
            return Err("no host".to_owned());
        }
        let mut options = BTreeMap::new();
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (name, value) = option.split_once('=').unwrap_or((option, ""));
            if !names.contains(&name) {
                return Err(format!("`{name}` is not one of {}", names.join(", ")));
            }
            options.insert(name.to_owned(), value.to_owned());
        }
        Ok(Self { host, port, options })
    }

    /// The option as a number, or `default`.
    pub fn number<T: std::str::FromStr>(&self, name: &str, default: T) -> Result<T, String> {
        let Some(text) = self.options.get(name) else { return Ok(default) };
        text.parse().map_err(|_| format!("{name}={text} is no number that fits"))
    }

    /// The option `pause_ms`.
    pub fn pause(&self) -> Result<Pause, String> {
        if !self.options.contains_key("pause_ms") {
            return Ok(Pause::default());
        }
        Ok(Pause::of(Duration::from_millis(self.number("pause_ms", 0)?)))
    }

    pub fn address(&self) -> String {
        let Self { host, port, .. } = self;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }
}

/// `0-9,100` as ranges, ends included.
pub fn ranges(text: &str) -> Result<Vec<(u16, u16)>, String> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let range = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        (range.0 <= range.1).then_some(range)
    };
    text.split(',')
        .map(|part| range(part).ok_or_else(|| format!("`{part}` is no range such as 0-99")))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_a_host_perhaps_a_port_and_known_options() {
        let place = NetworkPlace::parse("10.0.0.7?unit=3", 502, &["unit"]).unwrap();
        assert_eq!((place.address().as_str(), place.number("unit", 1)), ("10.0.0.7:502", Ok(3)));
        let place = NetworkPlace::parse("[fe80::1]:1502", 502, &[]).unwrap();
        assert_eq!(place.address(), "[fe80::1]:1502");
        assert_eq!(NetworkPlace::parse("[fe80::1]", 502, &[]).unwrap().port, 502);
        for bad in ["", ":502", "host:x", "host?speed=9", "host:70000"] {
            assert!(NetworkPlace::parse(bad, 502, &["unit"]).is_err(), "{bad}");
        }
    }

    #[test]
    fn ranges_include_their_ends() {
        assert_eq!(ranges("0-9,100"), Ok(vec![(0, 9), (100, 100)]));
        for bad in ["", "9-0", "a", "1-", "70000"] {
            assert!(ranges(bad).is_err(), "{bad}");
        }
    }
}
