//! Programs that cross the network.

use crate::{
    About, Detector, Kind,
    named::{Sign, Signs, asks, name_of},
};
use model::{Direction, Operation, Severity};

pub static EXECUTABLE_TRANSFER: Detector = Detector {
    about: About {
        id: "executable-transfer",
        title: "Program transferred between hosts",
        engine: model::Engine::Malware,
        why: "Tools and malicious software reach the next host as a file. On a plant floor \
              programs are installed seldom, and by known people.",
        techniques: &["T1570", "T1105", "T1036", "T0867"],
        false_positives: "Updates, software distribution, files fetched by FTP, programs kept on a \
                          share.",
        runbook: "Ask whether somebody installs software on the receiver.\n\
                  If not, take the file from the receiver and have it examined, never run it.\n\
                  Isolate the receiver until that is done.",
        sees: &[Kind::Operation],
    },
    watch: || {
        Box::new(Signs {
            about: &EXECUTABLE_TRANSFER.about,
            protocols: &["smb", "smb1", "smb2", "http", "ftp", "tftp", "bare_tcp"],
            signs: SIGNS,
            habits: true,
        })
    },
    #[cfg(test)]
    cases,
};

static SIGNS: &[Sign] = &[
    Sign {
        matches: |o| asks(o, &["write executable"]) && is_on_own_share(o),
        title: "{0} writes a program to an administrative share of {1}",
        severity: Severity::Medium,
        says: "the file begins as Windows or Linux programs do, and shares of whole disks are \
               where programs are put that are to be started from afar",
        techniques: &["T1570", "T0867"],
    },
    Sign {
        matches: |o| asks(o, &["write executable"]),
        title: "{0} writes a program to {1}",
        severity: Severity::Low,
        says: "the file begins as Windows or Linux programs do",
        techniques: &["T1570", "T0867"],
    },
    Sign {
        matches: |o| o.function_name == "staged executable" && o.direction == Direction::Response,
        title: "{0} fetches a program from {1} outside of any protocol",
        severity: Severity::Medium,
        says: "a Windows program crosses a bare TCP connection behind its length, as loaders of \
               malicious software fetch their next stage",
        techniques: &["T1105", "T1095", "T0867"],
    },
    Sign {
        matches: |o| o.function_name == "staged executable",
        title: "{0} sends a program to {1} outside of any protocol",
        severity: Severity::Medium,
        says: "a Windows program crosses a bare TCP connection behind its length, as exploits send \
               what they start",
        techniques: &["T1105", "T1095", "T0867"],
    },
    Sign {
        matches: |o| o.function_name == "bare executable" && o.direction != Direction::Response,
        title: "{0} sends a program to {1} on a connection of its own",
        severity: Severity::Low,
        says: "a Windows program crosses a TCP connection that says nothing else: a file of FTP, \
               or what an exploit starts",
        techniques: &["T1105", "T1095", "T0867"],
    },
    Sign {
        matches: |o| o.direction == Direction::Response && o.function_name.ends_with("disguised"),
        title: "{0} fetches a program from {1} that is said to be no program",
        severity: Severity::High,
        says: "the file begins as programs do, and the server calls it a picture, a film or a page",
        techniques: &["T1105", "T1036", "T0867"],
    },
    Sign {
        matches: |o| o.direction == Direction::Response && o.function_name.contains("executable"),
        title: "{0} fetches a program from {1}",
        severity: Severity::Low,
        says: "the file begins as programs do",
        techniques: &["T1105", "T1570", "T0867"],
    },
];

/// Names of the shares that a host has of itself, of its disks and its system folder, end so
/// ([MS-SRVS], 2.2.2.4); so do those of others that are to be hidden.
fn is_on_own_share(operation: &Operation) -> bool {
    let path = name_of(operation).strip_prefix("\\\\");
    path.and_then(|path| path.split('\\').nth(1)).is_some_and(|share| share.ends_with('$'))
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, answered_with, called, exchange, host, port};
    let bare = || vec![called(0, "bare_tcp", "bare executable")];
    let usual = vec![exchange(0, port(host(10), 50_000), port(host(20), 502), "bare_tcp")];
    vec![
        Case::fires("a stage", vec![answered_with(0, "bare_tcp", "staged executable")]),
        Case::fires("a stage that is sent", vec![called(0, "bare_tcp", "staged executable")]),
        Case::fires("a program that is sent", bare()),
        Case::fires("a file of FTP", vec![answered_with(0, "bare_tcp", "bare executable")]),
        Case::silent("a maker's own updates", bare()).after(usual),
        Case::fires("a program", vec![called(0, "smb", "write executable")]),
        Case::fires(
            "a program called a picture",
            vec![answered_with(0, "http", "executable in the answer, disguised")],
        ),
        Case::silent("a document", vec![called(0, "smb", "write")]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Case, called};
    use model::{Detail, Object};

    #[test]
    fn what_is_put_on_a_disk_is_worse_than_what_is_put_on_a_share() {
        let severity = |name: &str| {
            let mut o = called(0, "smb", "write executable");
            if let Detail::Operation(operation) = &mut o.detail {
                operation.object = Object::Name { area: "file", name: name.into() };
            }
            Case::fires("a program", vec![o]).run()[0].severity
        };
        assert_eq!(severity(r"\\10.1.1.20\C$\Windows\a.exe"), Severity::Medium);
        assert_eq!(severity(r"\\SRV-1\ADMIN$\a.exe"), Severity::Medium);
        assert_eq!(severity(r"\\SRV-1\tools\C$\setup.exe"), Severity::Low);
    }
}
