//! Data hidden in echo messages.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs},
};
use model::Severity;

pub static ICMP_CHANNEL: Detector = Detector {
    about: About {
        id: "icmp-channel",
        title: "Unusual data in echo messages",
        engine: model::Engine::Anomaly,
        why: "Echo messages pass most firewalls and nobody reads what they carry: a place for \
              commands to a back door and for data on the way out.",
        techniques: &["T1095", "T0869", "T1572"],
        false_positives: "Monitoring tools that fill echo messages with text of their own.",
        runbook: "Look at the octets: text, commands, compressed data?\n\
                  Find the program that sends them; monitoring knows its own.\n\
                  If nobody knows it, isolate both ends: one of them may run a back door.",
        sees: &[Kind::Operation],
    },
    watch: || {
        Box::new(Signs {
            about: &ICMP_CHANNEL.about,
            protocols: &["icmp"],
            signs: SIGNS,
            habits: false,
        })
    },
    #[cfg(test)]
    cases,
};

static SIGNS: &[Sign] = &[Sign {
    matches: |o| o.function_name == "echo with unusual data",
    title: "{0} sends unusual ICMP data to {1}: a covert channel or a back door",
    severity: Severity::Low,
    says: "the data is no pattern that systems use to test reachability",
    techniques: &["T1095", "T0869", "T1572"],
}];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, called};
    vec![
        Case::fires("a command", vec![called(0, "icmp", "echo with unusual data")]),
        Case::silent("another protocol", vec![called(0, "modbus", "echo with unusual data")]),
    ]
}
