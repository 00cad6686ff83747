//! Trunks that are negotiated by what is no switch.
//!
//! A switch that speaks DTP says who it is by spanning tree or CDP as well, from the same address.
//! Invariant: only hosts and addresses that no maker gave out are told.

use super::GATEWAY_TAKEOVER;
use crate::{Draft, Findings, Site, window::apart_secs};
use inventory::vendor;
use model::{Address, AssetClass, Detail, Mac, Observation, Severity, Time};

/// So long a sender may take to say that it is a switch: CDP comes once a minute.
const WAIT_SECS: i64 = 90;
/// Senders that wait, and that were decided on.
const SENDERS_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Trunks {
    waiting: Vec<Observation>,
    known: Vec<Mac>,
}

impl Trunks {
    pub(super) fn see(&mut self, o: &Observation) {
        let Some(mac) = o.from.mac.filter(|mac| !self.known.contains(mac)) else { return };
        if self.known.len() < SENDERS_MAX {
            self.known.push(mac);
            self.waiting.push(o.clone());
        }
    }

    pub(super) fn decide(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        self.waiting.retain(|o| {
            if apart_secs(now, o.at) < WAIT_SECS {
                return true;
            }
            decide(o, site, out);
            false
        });
    }
}

fn decide(o: &Observation, site: &Site<'_>, out: &mut Findings) {
    let Some(mac) = o.from.mac else { return };
    let Some(key) = site.inventory.asset_of(&Address::Mac(mac)) else { return };
    let asset = site.inventory.asset(key);
    let speaks = |name: &str| asset.protocols.iter().any(|protocol| protocol == name);
    // Not routers: who passes on what others send may be a man in the middle.
    let network =
        matches!(asset.class, AssetClass::Switch | AssetClass::AccessPoint | AssetClass::Firewall);
    if network || ["stp", "cdp", "lldp"].into_iter().any(speaks) {
        return;
    }
    let made_up = mac.is_local() || vendor::is_virtual(mac) || vendor::vendor_of(mac).is_none();
    if asset.ips.is_empty() && !made_up {
        return;
    }
    let Detail::State(state) = &o.detail else { return };
    let raised = out.raise(&GATEWAY_TAKEOVER.about, ("trunk", mac), o, || {
        let title = "{0} negotiates a trunk of all VLANs, and is no switch";
        let what = match made_up {
            true => "its address is of no maker of switches",
            false => "it has an address as a host has",
        };
        Draft::about(vec![Address::Mac(mac)], Severity::High, title)
            .because(format!(
                "It says by DTP: {}. It speaks neither spanning tree nor CDP, and {what}. A port \
                 that is left to negotiate becomes a trunk, which carries all VLANs to it.",
                state.value
            ))
            .techniques(&["T0842", "T0830"])
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}

#[cfg(test)]
pub(super) fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, operation, presence, seen};
    use model::{Direction, Endpoint, Operation, OperationClass, StateChange, Subject};
    let end = |mac: [u8; 6]| Endpoint { mac: Some(Mac(mac)), ..Endpoint::default() };
    let asks = |from: Endpoint| {
        let (subject, what) = (Subject::Sender, "trunk-port");
        let value = "access, set to desirable, 802.1Q".into();
        let from = Endpoint { ip: None, ..from };
        let detail = Detail::State(StateChange { subject, what, value });
        of("dtp", seen(1_000, from, end([1, 0, 0x0c, 0xcc, 0xcc, 0xcc]), detail))
    };
    let tree = |from: Endpoint| {
        let direction = Direction::Notice;
        let operation = Operation { direction, ..operation(OperationClass::Report, 0) };
        of("stp", seen(2_000, from, Endpoint::default(), Detail::Operation(operation)))
    };
    let (cisco, made_up) = (end([0, 0x1e, 0xf6, 0, 0, 1]), end([2, 0, 0, 0, 0, 1]));
    vec![
        Case::fires("a host that asks for a trunk", vec![presence(0, host(30)), asks(host(30))]),
        Case::fires("an address of no maker", vec![asks(made_up)]),
        Case::silent("a switch", vec![asks(cisco)]),
        Case::silent("a switch in software", vec![asks(made_up), tree(made_up)]),
    ]
}
