//! Northbrook Bottling: its devices, and where each controller keeps which process value.
//!
//! Not here: behaviour. Invariant: what a device says of itself on the wire is what stands in
//! this table, so the table is the ground truth of the inventory.

pub mod devices;
pub mod memory;
pub mod program;
pub mod zones;

pub use devices::{DEVICES, Device, OUTSIDE};
pub use zones::ZONES;

use crate::net::{Gateway, Host, HostId};
use model::Mac;
use std::net::Ipv4Addr;

/// Name of the layer 3 switch.
pub const CORE: &str = "core-sw-01";
/// Name of the firewall, behind which the outside is.
pub const FIREWALL: &str = "fw-01";

/// The hosts of the network: devices, strangers that scenarios bring, the outside.
pub fn hosts() -> (Vec<Host>, Gateway) {
    let firewall = devices::named(FIREWALL);
    let mut hosts: Vec<Host> = DEVICES
        .iter()
        .chain(devices::STRANGERS)
        .map(|d| Host {
            name: d.name,
            mac: Mac(d.mac),
            ip: d.ip(),
            vlan: d.vlan,
            stack: d.stack,
            latency_us: d.latency_us,
            external: false,
        })
        .collect();
    hosts.extend(OUTSIDE.iter().map(|(name, ip)| Host {
        name,
        mac: Mac(firewall.mac),
        ip: Ipv4Addr::from(*ip),
        vlan: firewall.vlan,
        stack: crate::net::Stack::Linux,
        latency_us: 24_000,
        external: true,
    }));
    // Where a scan finds nobody: its address is whatever is being asked for.
    hosts.push(Host {
        name: "nowhere",
        mac: Mac([0; 6]),
        ip: Ipv4Addr::UNSPECIFIED,
        vlan: 0,
        stack: crate::net::Stack::Linux,
        latency_us: 0,
        external: false,
    });
    let core = hosts.iter().position(|h| h.name == CORE).expect("the core switch is a device");
    let gateway = Gateway { mac: hosts[core].mac, host: HostId(core) };
    (hosts, gateway)
}
