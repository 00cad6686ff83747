//! Addresses that two hosts claim, and answers nobody asked for; by ARP, and where a host takes
//! over several of others, by neighbour discovery of IPv6.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    watched::Watched,
    window::{Lately, apart_secs},
};
use model::{
    Address, Detail, Direction, Identity, Mac, Object, Observation, OperationClass, Severity,
    Subject, Time,
};
use std::net::{IpAddr, Ipv4Addr};

pub static ARP_CONFLICT: Detector = Detector {
    about: About {
        id: "arp-conflict",
        title: "Address claimed by another host (ARP spoofing)",
        engine: model::Engine::Anomaly,
        why: "Who answers for the address of another receives its messages and can read, hold and \
              change them: the position in the middle between a panel and its controller.",
        techniques: &["T0830", "T1557"],
        false_positives: "Redundant pairs that share an address (VRRP, HSRP, failover), replaced \
                          devices, two devices set to the same address by mistake.",
        runbook: "Find both MAC addresses on the switch.\n\
                  If one is a redundant partner, mute the finding for the two.\n\
                  If it is a mistake, give one device another address.\n\
                  If it is unknown, disconnect it: what passed between the two may have been \
                  changed.",
        sees: &[Kind::Identity, Kind::Operation],
    },
    watch: || {
        let (holders, asked) = (Watched::new(CONFLICT_SECS), Watched::new(ANSWER_SECS));
        let (rivals, claims) = (Watched::new(CONFLICT_SECS), Watched::new(CONFLICT_SECS));
        let taken = Watched::new(CONFLICT_SECS);
        Box::new(ArpConflict { holders, asked, rivals, claims, taken })
    },
    #[cfg(test)]
    cases,
};

/// Two claims further apart are a changed address, not a conflict.
const CONFLICT_SECS: i64 = 600;
/// An answer comes within this of its question.
const ANSWER_SECS: i64 = 10;
/// Addresses of one host that is no router, by what it claims.
const CLAIMS_MAX: usize = 8;
/// Pairs that fight for one address and are told one by one; more are one flood.
const RIVALS_MAX: usize = 4;
/// IPv6 addresses one host takes over, and of how many others: a partner that fails over takes
/// those of one.
const TAKEN_MIN: usize = 3;
const TAKEN_FROM_MIN: usize = 2;

struct ArpConflict {
    /// Address -> who claimed it last, and when.
    holders: Watched<IpAddr, (Mac, Time)>,
    /// Who asked for which address, and when.
    asked: Watched<(Mac, IpAddr), Time>,
    /// Address -> pairs that fought for it.
    rivals: Watched<IpAddr, Vec<(Mac, Mac)>>,
    /// Addresses a host claims, and which of them by answers nobody asked for.
    claims: Watched<Mac, Claims>,
    /// By host: IPv6 addresses it took over, and whose they were.
    taken: Watched<Mac, Lately<(IpAddr, Mac)>>,
}

#[derive(Default)]
struct Claims {
    ips: Vec<IpAddr>,
    /// The newest at the end.
    unasked: Vec<IpAddr>,
}

impl Watch for ArpConflict {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "arp"
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Identity(identity) if o.protocol == "icmpv6" => {
                return self.neighbour(o, identity, out);
            }
            _ if o.protocol != "arp" => return,
            _ => {}
        }
        match &o.detail {
            Detail::Operation(operation) if operation.direction == Direction::Request => {
                let Object::Range { first, .. } = operation.object else { return };
                let (Some(mac), target) = (o.from.mac, IpAddr::V4(Ipv4Addr::from(first))) else {
                    return;
                };
                *self.asked.of((mac, target), o.at, || o.at) = o.at;
            }
            Detail::Identity(identity) => self.claimed(o, identity, out),
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        let of_addresses = self.holders.dropped() + self.rivals.dropped() + self.taken.dropped();
        of_addresses + self.asked.dropped() + self.claims.dropped()
    }
}

impl ArpConflict {
    fn claimed(&mut self, o: &Observation, identity: &Identity, out: &mut Findings) {
        let Some((mac, ip)) = claim(identity) else { return };
        // Who gives an address back says so in the name of its holder.
        let itself = o.from.mac.is_none_or(|sender| sender == mac);
        let unasked = itself && identity.message == "ARP reply" && self.is_unasked(o, ip);
        if let Some(other) = self.held_before(o, mac, ip) {
            // The one that was asked, or only asks itself, is the likely owner.
            let by_other = self.claims.known(&other).is_some_and(|c| c.unasked.contains(&ip));
            match (unasked, by_other) {
                (true, false) => self.conflict(o, ip, (mac, other, true), out),
                (false, true) => self.conflict(o, ip, (other, mac, true), out),
                _ => self.conflict(o, ip, (mac, other, false), out),
            }
        }
        let claims = self.claims.of(mac, o.at, Claims::default);
        if !claims.ips.contains(&ip) && claims.ips.len() <= CLAIMS_MAX {
            claims.ips.push(ip);
        }
        if unasked {
            claims.unasked.retain(|known| *known != ip);
            if claims.unasked.len() <= CLAIMS_MAX {
                claims.unasked.push(ip);
            }
        }
        let several = (2..=CLAIMS_MAX).contains(&claims.ips.len());
        if let (Some(unasked), true) = (claims.unasked.last(), several) {
            two_faced(o, mac, *unasked, &claims.ips, out);
        }
    }

    /// Another host that claimed the address less than the span before.
    fn held_before(&mut self, o: &Observation, mac: Mac, ip: IpAddr) -> Option<Mac> {
        let holder = self.holders.of(ip, o.at, || (mac, o.at));
        let (other, at) = std::mem::replace(holder, (mac, o.at));
        (other != mac && apart_secs(o.at, at) <= CONFLICT_SECS).then_some(other)
    }

    /// RFC 4861, 7.2.5: an advertisement takes the place of what is known. That an address moves
    /// is usual (7.2.6), that several of different hosts move to one is not.
    fn neighbour(&mut self, o: &Observation, identity: &Identity, out: &mut Findings) {
        let Some((mac, ip)) = claim(identity).filter(|_| is_neighbour(identity)) else { return };
        let Some(other) = self.held_before(o, mac, ip) else { return };
        let taken = self.taken.of(mac, o.at, Lately::default);
        let count = taken.see((ip, other), o.at, CONFLICT_SECS);
        let mut from: Vec<Mac> = taken.iter().map(|(_, other)| *other).collect();
        from.sort_unstable();
        from.dedup();
        if count < TAKEN_MIN || from.len() < TAKEN_FROM_MIN {
            return;
        }
        let raised = out.raise(&ARP_CONFLICT.about, ("taken", mac), o, || {
            let title = format!("Neighbour spoofing: {mac} claims the IPv6 addresses of others");
            Draft::about(vec![Address::Mac(mac)], Severity::High, title).because(format!(
                "It said it has {TAKEN_MIN} or more addresses that other hosts held less than {} \
                 minutes before. What is sent to them goes to it.",
                CONFLICT_SECS / 60
            ))
        });
        let Some(open) = raised else { return };
        taken.iter().for_each(|(ip, _)| open.names(Address::Ip(*ip)));
        open.spans(taken.first(o.at), o.at);
    }

    fn conflict(
        &mut self,
        o: &Observation,
        ip: IpAddr,
        (mac, other, unasked): (Mac, Mac, bool),
        out: &mut Findings,
    ) {
        let pair = if mac < other { (mac, other) } else { (other, mac) };
        let rivals = self.rivals.of(ip, o.at, Vec::new);
        if rivals.contains(&pair) || rivals.len() < RIVALS_MAX {
            if !rivals.contains(&pair) {
                rivals.push(pair);
            }
            return two_fight(o, ip, (mac, other, unasked), out);
        }
        let raised = out.raise(&ARP_CONFLICT.about, ("many", ip), o, || {
            Draft::about(vec![Address::Ip(ip)], Severity::High, "ARP flood: many hosts claim {0}")
                .because(format!(
                    "More than {RIVALS_MAX} pairs of MAC addresses fought for {ip}, {mac} and \
                     {other} the last: a program makes addresses up, or its frames are damaged."
                ))
        });
        debug_assert!(raised.is_none_or(|open| open.count() > 0));
    }

    /// Nobody asked lately; only of answers to one host, for announcements ask nothing.
    fn is_unasked(&mut self, o: &Observation, ip: IpAddr) -> bool {
        let Some(told) = o.to.mac.filter(|m| m.is_host()) else { return false };
        match self.asked.known(&(told, ip)) {
            Some(at) => apart_secs(o.at, *at) > ANSWER_SECS,
            None => true,
        }
    }
}

/// Who says it has which address.
fn claim(identity: &Identity) -> Option<(Mac, IpAddr)> {
    let Subject::Address(Address::Mac(mac)) = identity.subject else { return None };
    let claimed = identity.attributes.iter().find(|a| a.path == "ip")?;
    Some((mac, claimed.value.parse().ok()?))
}

fn is_neighbour(identity: &Identity) -> bool {
    identity.message == "neighbour discovery"
}

fn two_fight(
    o: &Observation,
    ip: IpAddr,
    (mac, other, unasked): (Mac, Mac, bool),
    out: &mut Findings,
) {
    let pair = if mac < other { (mac, other) } else { (other, mac) };
    let raised = out.raise(&ARP_CONFLICT.about, (ip, pair), o, || {
        let addresses = vec![Address::Ip(ip), Address::Mac(mac), Address::Mac(other)];
        if unasked {
            let title = format!("ARP spoofing: {mac} claims {{0}} of {other} unasked");
            return Draft::about(addresses, Severity::Medium, title).because(format!(
                "{mac} told another host that it has the address {ip}, though nobody had asked; \
                 {other} says so too, less than {} minutes apart, and does not do so unasked.",
                CONFLICT_SECS / 60
            ));
        }
        let title = format!("ARP conflict: {mac} claims {{0}}, which {other} held");
        Draft::about(addresses, Severity::Low, title).because(format!(
            "{mac} says it has the address {ip}; {other} said so less than {} minutes before.",
            CONFLICT_SECS / 60
        ))
    });
    let Some(open) = raised else { return };
    // One change is a replaced device; back and forth is two that fight for the address.
    match open.count() {
        0 | 1 => {}
        2 | 3 => open.at_least(Severity::Medium),
        _ => open.at_least(Severity::High),
    }
}

fn two_faced(o: &Observation, mac: Mac, unasked: IpAddr, ips: &[IpAddr], out: &mut Findings) {
    let raised = out.raise(&ARP_CONFLICT.about, ("two-faced", mac), o, || {
        let mut addresses = vec![Address::Mac(mac), Address::Ip(unasked)];
        let others = ips.iter().filter(|ip| **ip != unasked);
        addresses.extend(others.map(|ip| Address::Ip(*ip)));
        let others = ips.iter().filter(|ip| **ip != unasked);
        let others: Vec<_> = others.map(ToString::to_string).collect();
        let title = format!("ARP spoofing: {mac} claims the address {unasked} unasked");
        Draft::about(addresses, Severity::Medium, title).because(format!(
            "{mac} says it has {unasked} though nobody had asked, and says so of {} as well. One \
             of them is not its own, unless it has several addresses.",
            others.join(", ")
        ))
    });
    let Some(open) = raised else { return };
    if let Some(told) = o.to.address() {
        open.names(told);
    }
    if open.count() >= 5 {
        open.at_least(Severity::High);
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, arp, arp_asks, host, mac, seen};
    use model::Attribute;
    let reply = |at, who: u8, claimed, told| arp(at, "ARP reply", mac(who), claimed, host(told));
    let honest = vec![arp_asks(0, 3, 4), reply(1, 4, 4, 3), arp_asks(90, 4, 3), reply(91, 3, 3, 4)];
    let neighbour = |at: i64, who: u8, of: u8| {
        let value = format!("fe80::{of:x}").into();
        let attributes = vec![Attribute { path: "ip", value, confidence: 90 }];
        let (subject, message) = (Subject::Address(Address::Mac(mac(who))), "neighbour discovery");
        let detail = Detail::Identity(Identity { subject, message, attributes });
        crate::testing::of("icmpv6", seen(at, host(who), host(3), detail))
    };
    let taken = |others: fn(u8) -> u8| -> Vec<_> {
        let own = (0..4).map(|i| neighbour(i64::from(i), others(i), 40 + i));
        own.chain((0..4).map(|i| neighbour(9_000 + i64::from(i), 9, 40 + i))).collect()
    };
    vec![
        Case::fires("one takes the addresses of several", taken(|i| 40 + i)),
        Case::silent("a partner that takes over", taken(|_| 40)),
        Case::silent("another neighbour", vec![neighbour(1, 8, 40), neighbour(9, 9, 40)]),
        Case::fires(
            "two hosts claim one address",
            vec![arp_asks(0, 3, 4), reply(1, 4, 4, 3), arp_asks(50, 3, 4), reply(51, 9, 4, 3)],
        ),
        // Pairs up to the bound, then one for all others.
        Case {
            raises: RIVALS_MAX + 1,
            ..Case::fires("many", (9..39).map(|who| reply(who.into(), who, 4, 3)).collect())
        },
        Case::fires("one host answers for two others", vec![reply(1, 9, 4, 3), reply(2, 9, 3, 4)]),
        Case::silent("questions and answers", honest),
    ]
}

#[cfg(test)]
mod tests {
    use crate::testing::{Case, arp, arp_asks, host, mac};

    /// Host 9 tells host 3 that it has the address of host 4, and gives it back in the end.
    #[test]
    fn who_claims_unasked_is_the_culprit_whoever_came_first() {
        let reply = |at, who: u8, told| arp(at, "ARP reply", mac(who), 4, host(told));
        let asks = |at| arp(at, "ARP request", mac(4), 4, host(3));
        let lies = [reply(0, 9, 3), reply(2_000, 9, 3)];
        let mut back = reply(9_000, 4, 3);
        back.from.mac = Some(mac(9));
        // It lies to host 4 as well.
        let other = arp(2_500, "ARP reply", mac(9), 3, host(4));
        let first = vec![lies[0].clone(), lies[1].clone(), other, asks(3_000), back];
        let owner = vec![arp_asks(0, 3, 4), reply(1, 4, 3), reply(12_000, 9, 3)];
        for seen in [first, owner] {
            let found = Case::fires("spoofing", seen).run();
            let begins = format!("ARP spoofing: {} claims ", mac(9));
            let titles: Vec<_> = found.iter().map(|f| f.title.as_str()).collect();
            assert!(
                !titles.is_empty() && titles.iter().all(|t| t.starts_with(&begins)),
                "{titles:?}"
            );
        }
    }
}
