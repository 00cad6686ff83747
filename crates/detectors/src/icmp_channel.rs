//! Data hidden in echo messages.
//!
//! Not here: which data is unusual; see `protocols::icmp`. Invariant: data that is sent again and
//! again is a habit of a monitoring tool, and counts once.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    named::{Sign, Signs},
    watched::Watched,
    window::Rate,
};
use foldhash::quality::FixedState;
use model::{Address, Detail, Observation, OperationClass, Severity};
use std::hash::BuildHasher;

pub static ICMP_CHANNEL: Detector = Detector {
    about: About {
        id: "icmp-channel",
        title: "Unusual data in echo messages",
        engine: model::Engine::Anomaly,
        why: "Echo messages pass most firewalls and nobody reads what they carry: a place for \
              commands to a back door and for data on the way out.",
        techniques: &["T1095", "T0869", "T1572"],
        false_positives: "Monitoring tools that fill echo messages with text of their own; devices \
                          that do not return what they were sent.",
        runbook: "Look at the octets: text, commands, compressed data?\n\
                  Find the program that sends them; monitoring knows its own.\n\
                  If nobody knows it, isolate both ends: one of them may run a back door.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let signs =
            Signs { about: &ICMP_CHANNEL.about, protocols: &["icmp"], signs: SIGNS, habits: false };
        Box::new(IcmpChannel { signs, pairs: Watched::new(SPAN_SECS) })
    },
    #[cfg(test)]
    cases,
};

/// Within this time unusual data of one pair is counted.
const SPAN_SECS: i64 = 60;
/// Different unusual data of one pair within that time: more than tools to test a path have.
const UNUSUAL_MIN: u32 = 8;
/// Replies with other data than their requests had: one may have been damaged on its way.
const ALTERED_MIN: u32 = 2;

struct IcmpChannel {
    signs: Signs,
    pairs: Watched<(Address, Address), Pair>,
}

/// What two hosts sent one another, whoever asked.
#[derive(Default)]
struct Pair {
    unusual: Rate,
    altered: Rate,
    /// Of the unusual data that came last.
    hash: u64,
}

impl Watch for IcmpChannel {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        self.signs.wants(protocol, class)
    }

    fn see(&mut self, o: &Observation, site: &Site<'_>, out: &mut Findings) {
        self.signs.see(o, site, out);
        let Detail::Operation(operation) = &o.detail else { return };
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        if o.protocol != "icmp" {
            return;
        }
        let pair = self.pairs.of((from.min(to), from.max(to)), o.at, Pair::default);
        match operation.function_name {
            UNUSUAL => {
                // Identifier and sequence number stand before the data.
                let data = o.excerpt.as_ref().and_then(|excerpt| excerpt.bytes().get(4..));
                let hash = data.map_or(0, |data| FixedState::with_seed(0).hash_one(data));
                if data.is_some() && hash == pair.hash {
                    return;
                }
                pair.hash = hash;
                if pair.unusual.count(o.at, SPAN_SECS) >= UNUSUAL_MIN
                    && let Some(open) = out.known(&ICMP_CHANNEL.about, (SIGNS[0].title, from, to))
                {
                    open.at_least(Severity::Medium);
                }
            }
            ALTERED if pair.altered.count(o.at, SPAN_SECS) >= ALTERED_MIN => {
                let raised = out.raise(&ICMP_CHANNEL.about, ("altered", to, from), o, || {
                    let title = "{0} and {1} talk by echo messages: an ICMP tunnel or a back door";
                    Draft::back(o, Severity::High, title)
                        .because(
                            "A reply must return the data of its request (RFC 792). Replies of \
                             {1} bring other data: a program answers there, not the system.",
                        )
                        .techniques(&["T1095", "T1572"])
                });
                debug_assert!(raised.is_none_or(|open| open.count() > 0));
            }
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        self.pairs.dropped()
    }
}

const UNUSUAL: &str = "echo with unusual data";
const ALTERED: &str = "echo answered with other data";

static SIGNS: &[Sign] = &[Sign {
    matches: |o| o.function_name == UNUSUAL,
    title: "{0} sends unusual ICMP data to {1}: a covert channel or a back door",
    severity: Severity::Low,
    says: "the data is no pattern that systems use to test reachability",
    techniques: &["T1095", "T0869", "T1572"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, answered_with, called};
    let altered = |at| answered_with(at, "icmp", ALTERED);
    vec![
        Case::fires("a command", vec![called(0, "icmp", UNUSUAL)]),
        Case::fires("answers with other data", vec![altered(0), altered(9)]),
        Case::silent("one damaged answer", vec![altered(0)]),
        Case::silent("another protocol", vec![called(0, "modbus", UNUSUAL)]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, called};
    use model::Excerpt;

    /// The severity of what is found after so many messages, a second apart.
    fn after(count: u8, data: impl Fn(u8) -> u8) -> Option<Severity> {
        let unusual = |i: u8| {
            let excerpt = Some(Excerpt::new(&[0, 7, 0, i, data(i)]));
            Observation { excerpt, ..called(i64::from(i) * 1_000, "icmp", UNUSUAL) }
        };
        let found = Case::fires("echoes", (0..count).map(unusual).collect()).run();
        found.iter().find(|f| f.detector == "icmp-channel").map(|f| f.severity)
    }

    #[test]
    fn data_that_changes_all_the_time_is_worse_than_a_text_that_comes_again() {
        assert_eq!(after(7, |i| i), Some(Severity::Low));
        assert_eq!(after(8, |i| i), Some(Severity::Medium));
        assert_eq!(after(50, |_| 9), Some(Severity::Low));
    }
}
