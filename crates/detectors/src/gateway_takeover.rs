//! Another router takes over the address of the gateway, or something that is no switch asks for
//! all VLANs.
//!
//! By HSRP (RFC 2281) and VRRP (RFC 9568), of which only the active router and its standby, or the
//! master alone, are heard: who takes over from one that fell silent is as it should be. Invariant:
//! a router that was heard in the network before raises nothing by becoming active.

mod claims;
mod trunk;

use crate::{About, Detector, Draft, Findings, Kind, Phase, Site, Watch, watched::FirstKnown};
use claims::{Claim, Claims, Group, Said};
use model::{Address, Detail, Observation, Severity, Time};
use trunk::Trunks;

pub static GATEWAY_TAKEOVER: Detector = Detector {
    about: About {
        id: "gateway-takeover",
        title: "Gateway or trunk taken over",
        engine: model::Engine::Anomaly,
        why: "Routers that share an address agree on who forwards for it by messages that anybody \
              can send. Whoever claims a higher priority gets all that leaves the network, and can \
              read, hold and change it. Whoever negotiates a trunk with a switch gets all VLANs.",
        techniques: &["T0830", "T1557", "T0814", "T0842"],
        false_positives: "A new router of the site, or one of a higher priority that comes back \
                          for the first time since the sensor listens; switches without spanning \
                          tree.",
        runbook: "Find the new router by its MAC address: its port at the switch, vendor, name.\n\
                  If it is one of the site, nothing is to be done; it is known from now on.\n\
                  If not, disconnect it: the others take over by themselves. What passed it may \
                  have been read or changed.\n\
                  Set digests (MD5 or SHA) for the group, and ports of end devices to access \
                  without negotiation.",
        sees: &[Kind::State, Kind::Exchange],
    },
    watch: || Box::new(GatewayTakeover::new()),
    #[cfg(test)]
    cases: claims::cases,
};

/// While a group starts, routers of higher priorities come and take over.
const STARTS_SECS: i64 = 120;
/// So long a group must be known that is first heard with an active router in it.
const KNOWN_SECS: i64 = 60;
/// The same for a claim that ordinary routers do not make.
const LOUD_KNOWN_SECS: i64 = 30;
/// Who says that it is there so long before it becomes active is a router that waits its turn
/// (RFC 2281, 5.1: the usual hold time).
const INTRODUCED_SECS: i64 = 10;

struct GatewayTakeover {
    groups: FirstKnown<Group, Standing>,
    /// Routers of a network and protocol, and when they were first heard.
    routers: FirstKnown<(Option<u16>, &'static str, Address), Time>,
    claims: Claims,
    trunks: Trunks,
}

/// What is known of a group.
struct Standing {
    since: Time,
    /// Its first message was of a router that was not active yet.
    starts: bool,
    holder: Option<Holder>,
}

#[derive(Clone, Copy)]
struct Holder {
    address: Address,
    every_ms: i64,
    /// When it gave up, if it did.
    resigned: Option<Time>,
}

impl GatewayTakeover {
    fn new() -> Self {
        let (groups, routers) = (FirstKnown::new(), FirstKnown::new());
        GatewayTakeover { groups, routers, claims: Claims::default(), trunks: Trunks::default() }
    }
}

impl Watch for GatewayTakeover {
    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::State(state) if state.what == "gateway-group" => {
                if let (Some(said), Some(from)) = (Said::parse(&state.value), o.from.address()) {
                    self.member(o, (from, &said), site, out);
                }
            }
            Detail::State(state) if state.what == "trunk-port" => self.trunks.see(o),
            Detail::Exchange(exchange) if matches!(o.protocol, "hsrp" | "vrrp") => {
                if let Some(from) = o.from.address() {
                    self.claims.heard((from, o.protocol, o.from.vlan), exchange.last, out);
                }
            }
            _ => {}
        }
    }

    fn tick(&mut self, now: Time, site: &Site<'_>, out: &mut Findings) {
        self.trunks.decide(now, site, out);
    }

    fn dropped(&self) -> u64 {
        self.groups.refused() + self.routers.refused() + self.claims.dropped()
    }
}

impl GatewayTakeover {
    fn member(
        &mut self,
        o: &Observation,
        (from, said): (Address, &Said),
        site: &Site<'_>,
        out: &mut Findings,
    ) {
        self.claims.spoke((from, o.protocol, o.from.vlan), (o.at, said.silent_ms), out);
        let router = (o.from.vlan, o.protocol, from);
        let Some(first) = self.routers.of(router, || o.at).copied() else { return };
        // Who does not know the address of the group yet waits.
        let Some(shared) = said.shared else { return };
        let group = Group { vlan: o.from.vlan, protocol: o.protocol, number: said.group, shared };
        let active = said.is_active();
        let new = || Standing { since: o.at, starts: !active, holder: None };
        let Some(standing) = self.groups.of(group, new) else { return };
        let holds = Holder { address: from, every_ms: said.every_ms, resigned: None };
        let Some(holder) = standing.holder.as_mut() else {
            standing.holder = active.then_some(holds);
            return;
        };
        if holder.address == from {
            if *said.role == *"resigned" {
                holder.resigned = Some(o.at);
            } else if let (true, Some(at)) = (active, holder.resigned.take()) {
                goes_on(o, (at, group, said), out);
            }
            return;
        }
        if !active {
            return;
        }
        let before = *holder;
        *holder = holds;
        let known_secs = o.at.since(standing.since) / 1_000_000_000;
        let starts = standing.starts && known_secs < STARTS_SECS;
        let introduced = o.at.since(first) >= INTRODUCED_SECS * 1_000_000_000;
        if starts || introduced || is_learnt(o, site) {
            return;
        }
        let claim = Claim::new(o, group, (before.address, before.every_ms), said);
        if said.is_loud() && known_secs >= LOUD_KNOWN_SECS {
            claim.raise(Severity::High, out);
        } else if before.resigned.is_none() && known_secs >= KNOWN_SECS {
            self.claims.wait(claim);
        }
    }
}

/// It told so while the sensor learned.
fn is_learnt(o: &Observation, site: &Site<'_>) -> bool {
    let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return false };
    let port = o.to.port.unwrap_or_default();
    site.phase == Phase::Learning
        || site.phase == Phase::Learnt && site.baseline.knows_link(&(from, to, o.protocol, port))
}

/// A router that gives up waits and listens first before it is active again: three intervals by
/// VRRP (RFC 9568, 6.4.1), a hold time by HSRP (RFC 2281, 7). The owner of an address need not.
fn goes_on(o: &Observation, (at, group, said): (Time, Group, &Said), out: &mut Findings) {
    let soon_ms = said.every_ms.saturating_add(said.every_ms / 4);
    if o.at.since(at) / 1_000_000 > soon_ms || said.owner || said.priority == 255 {
        return;
    }
    let Some(from) = o.from.address() else { return };
    let raised = out.raise(&GATEWAY_TAKEOVER.about, ("resigned", group), o, || {
        let title = format!("Somebody gave up {} in the name of {{0}}", group.words());
        Draft::about(vec![from], Severity::Medium, title)
            .because(
                "{0} was said to give up, and went on at once as if it had not: a router that \
                 gives up listens before it is active again. Whoever sends that in its name \
                 makes room for another, or stops the network again and again.",
            )
            .techniques(&["T0830", "T0814"])
    });
    debug_assert!(raised.is_none_or(|open| open.count() > 0));
}
