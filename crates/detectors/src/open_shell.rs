//! Command shells that cross the network without any protocol around them.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs},
};
use model::{Direction, Severity};

pub static OPEN_SHELL: Detector = Detector {
    about: About {
        id: "open-shell",
        title: "Command shell over bare TCP",
        engine: model::Engine::Malware,
        why: "A shell on a TCP connection, with no sign-in and no protocol around it, is what \
              exploits leave behind: whoever is at the other end commands the host.",
        techniques: &["T1059", "T1095", "T0869"],
        false_positives: "Service consoles that makers of devices leave open on a TCP port; \
                          administrators who use a network tool as a shell.",
        runbook: "Isolate both hosts: one of them is commanded by the other.\n\
                  Find the program that listens or called, and what started it.\n\
                  Look at what else the two hosts and their accounts did since then.\n\
                  If it is a maker's console, close it or mute the finding for this pair.",
        sees: &[Kind::Operation],
    },
    watch: || {
        Box::new(Signs {
            about: &OPEN_SHELL.about,
            protocols: &["bare_tcp"],
            signs: SIGNS,
            habits: false,
        })
    },
    #[cfg(test)]
    cases,
};

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| o.function_name == "command shell" && o.direction == Direction::Response,
        title: "{0} has an open command shell on {1}",
        severity: Severity::High,
        says: "what crosses the connection is what a shell prints, and nobody signed in",
        techniques: &["T1059", "T1095", "T0869"],
    },
    Sign {
        matches: |o| o.function_name == "command shell",
        title: "{0} hands a command shell of its own to {1} (reverse shell)",
        severity: Severity::High,
        says: "what crosses the connection is what a shell prints, and the host that runs it made \
               the connection, as programs do that pass firewalls from within",
        techniques: &["T1059", "T1095", "T0869"],
    },
];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, answered_with, called};
    vec![
        Case::fires("a server's", vec![answered_with(0, "bare_tcp", "command shell")]),
        Case::fires("a client's", vec![called(0, "bare_tcp", "command shell")]),
        Case::silent("a program", vec![called(0, "bare_tcp", "bare executable")]),
        Case::silent("Telnet", vec![called(0, "telnet", "command shell")]),
    ]
}
