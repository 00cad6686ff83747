//! Kerberos tickets asked for in the form in which they can be cracked.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs},
};
use model::Severity;

pub static KERBEROS_ABUSE: Detector = Detector {
    about: About {
        id: "kerberos-abuse",
        title: "Kerberos ticket that can be cracked",
        engine: model::Engine::Malware,
        why: "A ticket encrypted with RC4 or DES, or given without proof of the password, can be \
              taken away and its password guessed at leisure (Kerberoasting, AS-REP roasting).",
        techniques: &["T1558"],
        false_positives: "Old devices and services that know no better encryption.",
        runbook: "Look at the account the ticket is for: give it a long random password.\n\
                  Switch RC4 and DES off where no device needs them.\n\
                  If the client is no old device, examine it.",
        sees: &[Kind::Operation],
    },
    watch: || {
        Box::new(Signs {
            about: &KERBEROS_ABUSE.about,
            protocols: &["kerberos"],
            signs: SIGNS,
            habits: true,
        })
    },
    #[cfg(test)]
    cases,
};

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| o.function_name.starts_with("TGS-") && o.function_name.contains("weak"),
        title: "{0} asks {1} for a service ticket with weak encryption (Kerberoasting)",
        severity: Severity::Medium,
        says: "a service ticket in RC4 or DES lets its account's password be guessed offline",
        techniques: &["T1558"],
    },
    Sign {
        matches: |o| o.function_name == "AS-REP without pre-authentication",
        title: "{0} got a ticket of {1} without proof of the password (AS-REP roasting)",
        severity: Severity::Medium,
        says: "the account needs no pre-authentication, so anybody may ask and guess offline",
        techniques: &["T1558"],
    },
    Sign {
        matches: |o| o.function_name == "AS-REQ with weak encryption",
        title: "{0} offers {1} nothing but weak encryption",
        severity: Severity::Low,
        says: "only DES and RC4 are offered, as tools that crack tickets do",
        techniques: &["T1558"],
    },
];

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, called};
    vec![
        Case::fires("roasting", vec![called(0, "kerberos", "TGS-REQ with weak encryption")]),
        Case::silent("a log-on", vec![called(0, "kerberos", "AS-REQ")]),
    ]
}
