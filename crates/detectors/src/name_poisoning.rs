//! Hosts that answer for names of others (LLMNR, NetBIOS), or give themselves out as routers.
//!
//! What counts is that a host gives its own address for names that no host has several of.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch, watched::Watched, window::Lately,
};
use model::{Address, Detail, Identity, Observation, Severity, Subject};

pub static NAME_POISONING: Detector = Detector {
    about: About {
        id: "name-poisoning",
        title: "Host answers for names of others",
        engine: model::Engine::Malware,
        why: "A host that mistypes a name asks everybody for it. Whoever answers receives its \
              sign-in, and with that the hash of a password, or passes it on to a server.",
        techniques: &["T1557", "T0830"],
        false_positives: "Test tools of the site's own administrators. Name servers (WINS) answer \
                          for others, but with the others' addresses.",
        runbook: "Disconnect the host that answers and find out what runs on it.\n\
                  Change the passwords of whoever signed in there.\n\
                  Switch LLMNR and NetBIOS name resolution off by policy, and sign SMB.",
        sees: &[Kind::Identity],
    },
    watch: || Box::new(NamePoisoning { answered: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Names a host gave its own address for within the span. A host has one, and its workgroup's.
const NAMES_MIN: usize = 3;
const SPAN_SECS: i64 = 600;
/// Names that programs look for by themselves and no host is called (proxy, tunnel of IPv6).
const SOUGHT: &[&str] = &["wpad", "isatap"];
const MESSAGES: &[&str] = &["LLMNR answer", "NBNS answer"];

struct NamePoisoning {
    answered: Watched<Address, Lately<Box<str>>>,
}

impl Watch for NamePoisoning {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Identity(identity) = &o.detail else { return };
        let Some((own, name)) = own_name(o, identity) else { return };
        let names = self.answered.of(own, o.at, Lately::default);
        let sought = SOUGHT.contains(&&*name);
        if names.see(name.clone(), o.at, SPAN_SECS) < NAMES_MIN && !sought {
            return;
        }
        let raised = out.raise(&NAME_POISONING.about, own, o, || {
            let asks = o.to.address().filter(|to| to.is_host());
            Draft::by(own, asks, Severity::High, "{0} answers for names of others").because(
                format!(
                    "By {} it gave its own address for {} within {SPAN_SECS} s: whoever asks for \
                     one of them signs in there.",
                    o.protocol,
                    if sought { format!("\"{name}\"") } else { shown(names) }
                ),
            )
        });
        let Some(open) = raised else { return };
        if let Some(asks) = o.to.address().filter(|to| to.is_host()) {
            open.names(asks);
        }
        open.spans(names.first(o.at), o.at);
    }

    fn dropped(&self) -> u64 {
        self.answered.dropped()
    }
}

/// The name for which the sender gave the address it sends from.
fn own_name(o: &Observation, identity: &Identity) -> Option<(Address, Box<str>)> {
    let Subject::Address(own @ Address::Ip(ip)) = identity.subject else { return None };
    if o.from.ip != Some(ip) || !MESSAGES.contains(&identity.message) {
        return None;
    }
    let name = identity.attributes.iter().find(|a| a.path == "hostname")?;
    let label = name.value.split('.').next().unwrap_or_default();
    Some((own, label.to_lowercase().into()))
}

fn shown(names: &Lately<Box<str>>) -> String {
    let some: Vec<_> = names.iter().take(6).map(|name| format!("\"{name}\"")).collect();
    some.join(", ")
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, port, seen};
    use model::Attribute;
    let answer = |at: i64, about: u8, name: &str| {
        let attributes = vec![Attribute { path: "hostname", value: name.into(), confidence: 80 }];
        let address = host(about).address().expect("it has one");
        let (subject, message) = (Subject::Address(address), "LLMNR answer");
        let detail = Detail::Identity(Identity { subject, message, attributes });
        of("llmnr", seen(at, port(host(20), 5_355), port(host(10), 50_000), detail))
    };
    let names = ["fileserv", "FILESERV", "printsrv", "intranet"];
    let all = |about: u8| {
        let one = |(i, name): (usize, &&str)| answer(i as i64 * 2_000, about, name);
        names.iter().enumerate().map(one).collect::<Vec<_>>()
    };
    vec![
        Case::fires("three names", all(20)),
        Case::fires("the name of a proxy", vec![answer(0, 20, "wpad")]),
        Case::silent("addresses of others", all(30)),
        Case::silent("its own name and its group's", all(20)[..3].to_vec()),
    ]
}
