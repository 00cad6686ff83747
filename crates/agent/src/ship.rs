//! Sends what is in the vault on the host to the vault server, which only adds.
//!
//! Needs no key. Not here: when. Invariant: what the server has is not sent again, and a broken
//! link costs what was under way.

use crate::{Config, Enrolment, limits::SEND_TRIES};
use connectors::vault_http::{Access, Remote};
use model::Time;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use uplink::host::VaultPlace;
use vault::{
    Vault,
    site::{Calendar, Clock, Pace, Push},
};

/// This host's clock.
pub struct HostClock;

impl Clock for HostClock {
    fn now(&self) -> Time {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// Sends what the server lacks: how many entries of the log are there then.
pub fn send(config: &Config, enrolment: &Enrolment, place: &VaultPlace) -> Result<u64, String> {
    let text = |error: std::io::Error| error.to_string();
    let identity = std::fs::read(Enrolment::identity(config)).map_err(text)?;
    let access = Access {
        credentials: Some(format!("{}:{}", place.client, enrolment.vault_token)),
        authority: Some(place.authority.clone().into_bytes()),
        identity: Some(identity),
    };
    let address = format!("https://{}:{}/{}", host_of(&enrolment.address), place.port, place.vault);
    let remote = Remote::at(&address, &access).map_err(text)?.ok_or("no address")?;
    let vault = Vault::open(&config.spool()).map_err(|error| error.to_string())?;
    let rate = config.send_kbit_per_s;
    let bytes_per_second = (rate > 0).then(|| rate.saturating_mul(125));
    let pace = Pace { clock: &HostClock, bytes_per_second, calendar: Calendar::default() };
    let push = Push { target: &remote, pace: &pace, tries_max: SEND_TRIES };
    let pushed = push.run(&vault).map_err(|error| whole(&error))?;
    if pushed.missing > 0 {
        tracing::warn!(objects = pushed.missing, "lost here, and were never at the server");
    }
    Ok(pushed.entries)
}

/// An error with what was behind it: a file that was refused, and why.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// The host of an https address: where the vault server is as well.
fn host_of(address: &str) -> &str {
    let rest = address.strip_prefix("https://").unwrap_or(address);
    let end = rest.find('/').unwrap_or(rest.len());
    let authority = &rest[..end];
    match authority.rfind(':') {
        // The colons of an IPv6 address are inside its brackets.
        Some(at) if !authority[at..].contains(']') => &authority[..at],
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vault_server_is_on_the_host_that_is_called() {
        for (address, host) in [
            ("https://plant:8444", "plant"),
            ("https://plant", "plant"),
            ("https://10.0.0.1:8444/", "10.0.0.1"),
            ("https://[fe80::1]:8444", "[fe80::1]"),
            ("https://[fe80::1]", "[fe80::1]"),
        ] {
            assert_eq!(host_of(address), host, "{address}");
        }
    }
}
