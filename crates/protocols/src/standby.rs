//! What a router tells of its part in a group of routers that share an address. Not a protocol.
//!
//! VRRP and HSRP say it in every message, some of them many times a second. Invariant: what a
//! router says again is not told again, and the groups of one router are bounded.

use crate::Output;
use model::{Subject, Time};
use std::{fmt::Write, net::IpAddr};

/// Groups remembered of one conversation: `standby-groups`.
const GROUPS_MAX: usize = 256;
/// Intervals without a message after which others take a router for gone (RFC 9568, 6.1; RFC 2281,
/// 5.1 recommends as much).
const INTERVALS_MAX: i64 = 3;
/// RFC 2281, 5.1: where none is known.
const EVERY_MS: u32 = 3_000;
/// What is heard of shorter ones is as late as captures are.
const EVERY_MS_MIN: i64 = 100;

/// A router in one group.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    pub(crate) group: u16,
    /// What it is or does: `active`, `standby`, `master`, `resigned`.
    pub(crate) role: &'static str,
    pub(crate) priority: u32,
    /// The address the group shares, the first of several.
    pub(crate) shared: Option<IpAddr>,
    /// The shared address is the router's own.
    pub(crate) owner: bool,
    /// From one message to the next.
    pub(crate) every_ms: u32,
}

/// What a router said last of each of its groups, and when.
#[derive(Default)]
pub(crate) struct Members(Vec<(Member, Time)>);

impl Members {
    /// Tells it by state `gateway-group` where it is another than before, or comes after a silence
    /// in which others may have taken over. Says whether the group is a new one.
    pub(crate) fn tell(&mut self, name: &str, now: Member, at: Time, out: &mut Output) -> bool {
        let room = self.0.len() < GROUPS_MAX;
        let Some((known, last)) = self.0.iter_mut().find(|(known, _)| known.group == now.group)
        else {
            if !room {
                out.limit("standby-groups");
                return false;
            }
            self.0.push((now, at));
            out.state(Subject::Sender, "gateway-group", &words(name, &now, 0));
            return true;
        };
        let silent_ms = at.since(*last).max(0) / 1_000_000;
        let every_ms = if known.every_ms == 0 { EVERY_MS } else { known.every_ms };
        let gone_ms = i64::from(every_ms).max(EVERY_MS_MIN).saturating_mul(INTERVALS_MAX);
        let silent_ms = if silent_ms > gone_ms { silent_ms } else { 0 };
        *last = at;
        if *known != now || silent_ms > 0 {
            *known = now;
            out.state(Subject::Sender, "gateway-group", &words(name, &now, silent_ms));
        }
        false
    }
}

/// `active in HSRP group 1, priority 110, every 3000 ms, for 192.168.1.254`.
fn words(name: &str, member: &Member, silent_ms: i64) -> String {
    let Member { group, role, priority, shared, owner, every_ms } = *member;
    let mut words = format!("{role} in {name} group {group}, priority {priority}");
    let said = write!(words, ", every {every_ms} ms").and_then(|()| match shared {
        Some(address) => write!(words, ", for {address}"),
        None => Ok(()),
    });
    let said = said.and_then(|()| if owner { words.write_str(", its own") } else { Ok(()) });
    let said = said.and_then(|()| match silent_ms {
        0 => Ok(()),
        ms => write!(words, ", silent for {ms} ms"),
    });
    debug_assert!(said.is_ok(), "a text takes all that is written");
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(group: u16, role: &'static str) -> Member {
        let shared = "192.168.1.254".parse().ok();
        Member { group, role, priority: 110, shared, owner: false, every_ms: 3_000 }
    }

    #[test]
    fn what_is_said_again_is_not_told_again() {
        let (mut members, mut out) = (Members::default(), Output::default());
        let mut tell = |group, role, secs| {
            members.tell("HSRP", member(group, role), Time::from_secs(secs), &mut out)
        };
        assert!(tell(1, "standby", 0));
        assert!(!tell(1, "standby", 3));
        assert!(tell(2, "standby", 3));
        assert!(!tell(1, "active", 6));
        assert_eq!(out.observed.len(), 3);
        let own = Member { owner: true, ..member(1, "master") };
        let expected = "master in VRRP group 1, priority 110, every 3000 ms, for 192.168.1.254";
        assert_eq!(words("VRRP", &own, 0), format!("{expected}, its own"));
        assert_eq!(words("VRRP", &own, 7), format!("{expected}, its own, silent for 7 ms"));
    }

    #[test]
    fn who_was_silent_so_long_that_others_may_take_over_tells_it() {
        let (mut members, mut out) = (Members::default(), Output::default());
        for secs in [0, 3, 12, 15, 25] {
            members.tell("HSRP", member(1, "active"), Time::from_secs(secs), &mut out);
        }
        let told = out.observed.iter().map(|seen| match &seen.detail {
            model::Detail::State(state) => state.value.ends_with("silent for 10000 ms"),
            _ => false,
        });
        assert_eq!(told.collect::<Vec<_>>(), [false, true]);
    }

    #[test]
    fn where_messages_come_often_a_short_silence_is_one() {
        let (mut members, mut out) = (Members::default(), Output::default());
        let often = Member { every_ms: 100, ..member(1, "master") };
        for ms in [0, 100, 400, 701] {
            members.tell("VRRP", often, Time::from_nanos(ms * 1_000_000), &mut out);
        }
        assert_eq!(out.observed.len(), 2);
    }

    #[test]
    fn groups_of_one_router_are_bounded_and_counted() {
        let (mut members, mut out) = (Members::default(), Output::default());
        let mut tell = |group: &u16| {
            members.tell("HSRP", member(*group, "active"), Time::from_secs(0), &mut out)
        };
        assert_eq!((0..300).filter(&mut tell).count(), GROUPS_MAX);
        assert_eq!((out.observed.len(), out.limits.len()), (GROUPS_MAX, 300 - GROUPS_MAX));
    }
}
