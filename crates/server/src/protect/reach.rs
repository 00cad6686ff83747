//! Which addresses may be asked: those that were heard on a network.
//!
//! The simulated plant and captures have addresses too. There is nothing behind them, or somebody
//! else's device. Not here: what a plan says (`spec`). Invariant: a source whose address only the
//! simulation or an unapproved capture has is refused, whoever wrote it.

use std::{collections::BTreeMap, net::IpAddr};
use store::{AssetRecord, Lifecycle, Origin};

/// The assets of the site by their addresses.
pub(crate) struct Reach<'a> {
    of: BTreeMap<IpAddr, Vec<&'a AssetRecord>>,
    pub(super) assets: &'a [AssetRecord],
}

impl<'a> Reach<'a> {
    pub(crate) fn new(assets: &'a [AssetRecord]) -> Self {
        let mut of: BTreeMap<IpAddr, Vec<&AssetRecord>> = BTreeMap::new();
        for asset in assets {
            for ip in asset.ips.iter().filter_map(|ip| ip.parse().ok()) {
                of.entry(ip).or_default().push(asset);
            }
        }
        Reach { of, assets }
    }

    /// Why the source is not asked, and what to do.
    pub(crate) fn refuses(&self, source: &str) -> Option<String> {
        let ip = address(source)?;
        let named = self.of.get(&ip)?;
        if ip.is_loopback() || named.iter().any(|asset| unreachable(asset).is_none()) {
            return None;
        }
        let asset = named.first()?;
        let why = unreachable(asset)?;
        let instead = match asset.origin {
            Origin::Lab => {
                "use the plans that suit this server, or a server of its own for your plant"
            }
            Origin::Capture | Origin::Network => "approve the asset if it is yours",
        };
        let mut name = asset.name.clone();
        if !name.contains(&ip.to_string()) {
            name = format!("{name} ({ip})");
        }
        Some(format!("{name} {why}; its address may be somebody else's: {instead}"))
    }
}

/// Why nothing is asked of an asset; none when it may be asked.
pub(crate) fn unreachable(asset: &AssetRecord) -> Option<&'static str> {
    let approved = matches!(asset.lifecycle, Lifecycle::Approved | Lifecycle::Maintenance);
    match asset.origin {
        Origin::Lab => Some("exists in the simulated plant only"),
        Origin::Capture if !approved => Some("is known from a capture only"),
        Origin::Capture | Origin::Network => None,
    }
}

/// Whether a source names a numeric address.
pub(crate) fn is_numeric(source: &str) -> bool {
    address(source).is_some()
}

/// The numeric address that a source asks: `KIND:[//][USER@]ADDRESS[:PORT][/PATH][?OPTIONS]`.
fn address(source: &str) -> Option<IpAddr> {
    let (_, place) = source.split_once(':')?;
    let place = place.strip_prefix("//").unwrap_or(place);
    let place = place.split(['/', '?', '#']).next()?;
    let host = place.rsplit_once('@').map_or(place, |(_, host)| host).trim();
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split(']').next()?.parse().ok();
    }
    let bare = host.parse().ok();
    bare.or_else(|| host.split_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_source_is_found_wherever_it_stands() {
        for (source, ip) in [
            ("s7:10.20.10.11", Some("10.20.10.11")),
            ("modbus:10.20.30.7:502?unit=1&holding=0-99", Some("10.20.30.7")),
            ("ftp://anna@10.0.0.9:2121/jobs", Some("10.0.0.9")),
            ("smb://PLANT;anna@10.0.0.9/share", Some("10.0.0.9")),
            ("bacnet:[fe80::1]:47808", Some("fe80::1")),
            ("opcua:fe80::1", Some("fe80::1")),
            ("s7:press-4.plant.example", None),
            ("files:/srv/10.0.0.9", None),
            ("sqlite:/var/lib/historian.db", None),
        ] {
            assert_eq!(address(source), ip.map(|ip| ip.parse().expect("an address")), "{source}");
        }
    }
}
