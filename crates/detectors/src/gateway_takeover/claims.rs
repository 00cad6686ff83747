//! Routers that nobody knew and that took over a group: from one that was still there, or from one
//! that had fallen silent?
//!
//! That shows later: when the other speaks again, or when its messages are counted. Invariant: a
//! claim raises nothing until its group's former router is known to have been there.

use super::GATEWAY_TAKEOVER;
use crate::{Draft, Findings};
use model::{Address, Observation, Severity, Time};
use std::net::IpAddr;

/// Claims that wait.
const CLAIMS_MAX: usize = 64;
/// A router that did not speak for so many intervals is gone.
const INTERVALS: i64 = 2;
const MILLI: i64 = 1_000_000;

/// A group of routers. Those of several networks may have the same number, but not the address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Group {
    pub(super) vlan: Option<u16>,
    pub(super) protocol: &'static str,
    pub(super) number: u32,
    pub(super) shared: IpAddr,
}

impl Group {
    pub(super) fn words(&self) -> String {
        let Group { number, shared, .. } = self;
        let name = if self.protocol == "hsrp" { "HSRP" } else { "VRRP" };
        format!("{name} group {number} for {shared}")
    }
}

/// What a router said of itself in a group.
pub(super) struct Said {
    pub(super) role: Box<str>,
    pub(super) group: u32,
    pub(super) priority: u32,
    pub(super) every_ms: i64,
    pub(super) shared: Option<IpAddr>,
    pub(super) owner: bool,
    /// How long it had said nothing, where others may have taken it for gone.
    pub(super) silent_ms: i64,
}

impl Said {
    /// `active in HSRP group 1, priority 110, every 3000 ms, for 192.168.1.254`, perhaps with
    /// `, its own` and `, silent for 12000 ms`.
    pub(super) fn parse(value: &str) -> Option<Said> {
        let mut parts = value.split(", ");
        let (role, group) = parts.next()?.split_once(" in ")?;
        let group = group.rsplit_once(' ')?.1.parse().ok()?;
        let (role, shared) = (role.into(), None);
        let mut said =
            Said { role, group, priority: 0, every_ms: 0, shared, owner: false, silent_ms: 0 };
        let ms = |text: &str| text.strip_suffix(" ms").and_then(|ms| ms.parse().ok());
        for part in parts {
            match part.split_once(' ') {
                Some(("priority", number)) => said.priority = number.parse().ok()?,
                Some(("every", text)) => said.every_ms = ms(text)?,
                Some(("for", address)) => said.shared = address.parse().ok(),
                Some(("its", "own")) => said.owner = true,
                Some(("silent", text)) => said.silent_ms = ms(text.strip_prefix("for ")?)?,
                _ => {}
            }
        }
        Some(said)
    }

    /// It forwards, or takes over.
    pub(super) fn is_active(&self) -> bool {
        matches!(&*self.role, "active" | "coup" | "master")
    }

    /// The priority nobody can better; by VRRP it is for the owner of the address alone (RFC 9568,
    /// 5.2.4).
    pub(super) fn is_loud(&self) -> bool {
        self.priority >= 255 && !self.owner
    }
}

pub(super) struct Claim {
    group: Group,
    by: Address,
    holder: Address,
    /// From when on a message of the former router shows that it was still there.
    alive_from: Time,
    priority: u32,
    /// What it is worth once it is known to be one.
    severity: Severity,
    said: Box<Observation>,
}

impl Claim {
    pub(super) fn new(
        o: &Observation,
        group: Group,
        (holder, every_ms): (Address, i64),
        said: &Said,
    ) -> Claim {
        let gone_ms = every_ms.clamp(0, 60_000) * INTERVALS;
        Claim {
            group,
            by: o.from.address().unwrap_or(holder),
            holder,
            alive_from: o.at.plus_nanos(-gone_ms * MILLI),
            priority: said.priority,
            // The owner of an address is given it back (RFC 9568, 6.1).
            severity: if said.owner { Severity::Low } else { Severity::Medium },
            said: Box::new(o.clone()),
        }
    }

    pub(super) fn raise(&self, severity: Severity, out: &mut Findings) {
        let Claim { group, by, holder, priority, .. } = *self;
        let raised = out.raise(&GATEWAY_TAKEOVER.about, ("taken", group), &self.said, || {
            let title = format!("{{0}} took over {} from {{1}}", group.words());
            let loud = match group.protocol {
                "vrrp" => "is for the owner of the address alone (RFC 9568, 5.2.4)",
                _ => "is the highest there is",
            };
            let why = match severity {
                Severity::High => format!("Its priority of {priority} {loud}."),
                _ => format!("It has priority {priority}, and {{1}} had not fallen silent."),
            };
            Draft::by(by, [holder], severity, title)
                .because(format!(
                    "It was not heard in this network before. {why} What hosts send to {} goes to \
                     it.",
                    group.shared
                ))
                .techniques(&["T0830", "T1557"])
        });
        if let Some(open) = raised {
            open.at_least(severity);
            open.names(by);
        }
    }

    fn is_of(&self, (address, protocol, vlan): (Address, &str, Option<u16>)) -> bool {
        (self.holder, self.group.protocol, self.group.vlan) == (address, protocol, vlan)
    }
}

#[derive(Default)]
pub(super) struct Claims {
    waiting: Vec<Claim>,
    dropped: u64,
}

impl Claims {
    pub(super) fn wait(&mut self, claim: Claim) {
        let same = |c: &Claim| (c.group, c.by) == (claim.group, claim.by);
        if self.waiting.iter().any(same) {
            return;
        }
        if self.waiting.len() >= CLAIMS_MAX {
            self.waiting.remove(0);
            self.dropped += 1;
        }
        self.waiting.push(claim);
    }

    /// A former router speaks again: its last message before was so long ago.
    pub(super) fn spoke(
        &mut self,
        of: (Address, &str, Option<u16>),
        (at, silent_ms): (Time, i64),
        out: &mut Findings,
    ) {
        let before = at.plus_nanos(silent_ms.saturating_mul(-MILLI));
        self.waiting.retain(|claim| {
            let of_it = claim.is_of(of) && at >= claim.said.at;
            if of_it && before >= claim.alive_from {
                claim.raise(claim.severity, out);
            }
            !of_it
        });
    }

    /// A former router sent its last message then, and without a silence before.
    pub(super) fn heard(
        &mut self,
        of: (Address, &str, Option<u16>),
        last: Time,
        out: &mut Findings,
    ) {
        self.waiting.retain(|claim| {
            let alive = claim.is_of(of) && last >= claim.alive_from;
            if alive {
                claim.raise(claim.severity, out);
            }
            !alive
        });
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }
}

/// A router says it is in a group, by either protocol.
#[cfg(test)]
fn says(protocol: &'static str, at: i64, who: u8, value: String) -> Observation {
    use crate::testing::{host, of, port, seen};
    use model::{Detail, StateChange, Subject};
    let (subject, what) = (Subject::Sender, "gateway-group");
    let detail = Detail::State(StateChange { subject, what, value: value.into() });
    of(protocol, seen(at, port(host(who), 1_985), port(host(255), 1_985), detail))
}

#[cfg(test)]
fn hsrp(at: i64, who: u8, role: &str, priority: u32) -> Observation {
    let more = "every 3000 ms, for 192.168.1.254";
    says("hsrp", at, who, format!("{role} in HSRP group 1, priority {priority}, {more}"))
}

#[cfg(test)]
fn vrrp(at: i64, who: u8, role: &str, priority: u32, more: &str) -> Observation {
    let of = format!("VRRP group 7, priority {priority}, every 1000 ms, for 192.168.1.254");
    says("vrrp", at, who, format!("{role} in {of}{more}"))
}

#[cfg(test)]
pub(super) fn cases() -> Vec<crate::testing::Case> {
    let mut cases = cases_of_hsrp();
    cases.extend(cases_of_vrrp());
    cases.extend(super::trunk::cases());
    cases
}

#[cfg(test)]
fn cases_of_hsrp() -> Vec<crate::testing::Case> {
    use crate::testing::Case;
    use model::Endpoint;
    let start = [hsrp(0, 2, "active", 110), hsrp(1_000, 3, "standby", 100)];
    let then = |more: Vec<Observation>| start.iter().cloned().chain(more).collect::<Vec<_>>();
    let vlan = |o: Observation| Observation { from: Endpoint { vlan: Some(9), ..o.from }, ..o };
    vec![
        Case::fires("a coup of the highest priority", then(vec![hsrp(90_000, 66, "coup", 255)])),
        Case::fires(
            "a stranger, and the former goes to standby",
            then(vec![hsrp(90_000, 66, "coup", 120), hsrp(90_500, 2, "speaking", 110)]),
        ),
        Case::silent("the standby router takes over", then(vec![hsrp(90_000, 3, "active", 100)])),
        Case::silent(
            "and back again",
            then(vec![hsrp(90_000, 3, "active", 100), hsrp(300_000, 2, "coup", 110)]),
        ),
        Case::silent("a capture that begins in the middle", vec![hsrp(0, 66, "coup", 255)]),
        Case::silent(
            "a third router that waits its turn",
            then(vec![hsrp(90_000, 4, "standby", 90), hsrp(120_000, 4, "active", 90)]),
        ),
        Case::silent(
            "a start",
            vec![
                hsrp(0, 3, "speaking", 100),
                hsrp(10_000, 3, "active", 100),
                hsrp(60_000, 2, "coup", 255),
            ],
        ),
        Case::silent(
            "the same number in another network",
            then(vec![vlan(hsrp(90_000, 66, "active", 255))]),
        ),
    ]
}

#[cfg(test)]
fn cases_of_vrrp() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, exchange, host, port};
    // The messages of a router are counted when it is over.
    let heard = |who, last| exchange(last, port(host(who), 1_985), port(host(255), 1_985), "vrrp");
    let often = |at, who| {
        let of = "master in VRRP group 7, priority 100, every 100 ms, for 192.168.1.254";
        says("vrrp", at, who, of.to_owned())
    };
    let master = || vrrp(0, 2, "master", 100, "");
    vec![
        Case::fires(
            "a master of the highest priority that owns nothing",
            vec![master(), vrrp(90_000, 66, "master", 255, "")],
        ),
        Case::fires(
            "a master of a higher one, from one that was there",
            vec![master(), vrrp(90_000, 66, "master", 150, ""), heard(2, 89_500)],
        ),
        Case::silent(
            "a master that takes the place of one that fell silent",
            vec![master(), vrrp(90_000, 3, "master", 90, ""), heard(2, 86_400)],
        ),
        Case::silent(
            "the same where they speak ten times a second",
            vec![often(0, 2), often(90_000, 3), heard(2, 89_640)],
        ),
        Case::silent(
            "one that comes back",
            vec![
                master(),
                vrrp(90_000, 3, "master", 90, ""),
                vrrp(300_000, 2, "master", 100, ", silent for 213600 ms"),
                heard(2, 900_000),
            ],
        ),
        Case::silent(
            "one that gave up",
            vec![
                master(),
                vrrp(90_000, 2, "resigned", 0, ""),
                vrrp(90_600, 3, "master", 90, ""),
                heard(2, 90_000),
            ],
        ),
        Case::fires(
            "one that never gave up",
            vec![master(), vrrp(90_000, 2, "resigned", 0, ""), vrrp(90_700, 2, "master", 100, "")],
        ),
        Case::silent(
            "a service that is started anew",
            vec![
                master(),
                vrrp(90_000, 2, "resigned", 0, ""),
                vrrp(94_000, 2, "master", 100, ", silent for 4000 ms"),
            ],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Detail;

    #[test]
    fn what_a_router_says_is_read_back() {
        let value = "master in VRRP group 7, priority 255, every 1000 ms, for fe80::1, its own, \
                     silent for 4200 ms";
        let said = Said::parse(value).expect("it is one");
        assert_eq!((&*said.role, said.group, said.priority), ("master", 7, 255));
        assert_eq!((said.every_ms, said.shared), (1_000, "fe80::1".parse().ok()));
        assert!(said.owner && said.is_active() && !said.is_loud());
        assert_eq!(said.silent_ms, 4_200);
        let waits = Said::parse("speaking in HSRP group 1, priority 110, every 3000 ms");
        assert!(waits.is_some_and(|said| said.shared.is_none() && !said.is_active()));
        assert!(Said::parse("another state").is_none());
    }

    #[test]
    fn claims_that_wait_are_bounded_and_counted() {
        let o = &hsrp(0, 2, "active", 110);
        let Detail::State(state) = &o.detail else { unreachable!("a state") };
        let said = Said::parse(&state.value).expect("it is one");
        let mut claims = Claims::default();
        let holder = o.from.address().expect("it has one");
        for number in 0..CLAIMS_MAX as u32 + 3 {
            let shared = said.shared.expect("it has one");
            let group = Group { vlan: None, protocol: "hsrp", number, shared };
            claims.wait(Claim::new(o, group, (holder, 3_000), &said));
        }
        assert_eq!((claims.waiting.len(), claims.dropped()), (CLAIMS_MAX, 3));
    }
}
