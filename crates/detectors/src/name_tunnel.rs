//! Data hidden in look-ups of names, and names made up by a program.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Few, Memory, few, memory},
    limits::{TARGETS_MAX, WATCHED_MAX},
    named::name_of,
    window::apart_secs,
};
use model::{
    Address, Detail, Direction, Evidence, Object, Observation, OperationClass, Outcome, Severity,
    Time,
};

pub static NAME_TUNNEL: Detector = Detector {
    about: About {
        id: "name-tunnel",
        title: "Tunnel or generated names in DNS",
        engine: model::Engine::Malware,
        why: "Look-ups of names pass nearly every firewall. Malicious software fetches commands \
              and carries data out in them, or asks for names it makes up until one answers.",
        techniques: &["T1071", "T1572", "T1568", "T1048", "T0869", "T0884"],
        false_positives: "Mail servers (TXT records), content networks and antivirus look-ups with \
                          long names, networks without a working name server.",
        runbook: "Look at the names: whose domain is it, what do they carry?\n\
                  If nobody knows the domain, block it at the name server.\n\
                  Isolate the host that asks and have it examined.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(NameTunnel { asked: memory(), unknown: memory() }),
    #[cfg(test)]
    cases,
};

const SPAN_SECS: i64 = 60;
/// Different TXT names below one domain.
const TXT_MIN: usize = 8;
/// Different long names below one domain.
const LONG_MIN: usize = 20;
const LONG_CHARS: usize = 50;
/// Different made-up names that do not exist.
const MADE_UP_MIN: usize = 12;

struct NameTunnel {
    /// Client and domain.
    asked: Memory<(Address, Box<str>), Names>,
    unknown: Memory<Address, Names>,
}

struct Names {
    since: Time,
    texts: Few<Box<str>>,
    long: Few<Box<str>>,
    example: Box<str>,
}

impl Names {
    fn new(since: Time) -> Self {
        Names { since, texts: few(), long: few(), example: "".into() }
    }
}

impl Watch for NameTunnel {
    fn wants(&self, protocol: &str, _: OperationClass) -> bool {
        protocol == "dns"
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "dns" {
            return;
        }
        let Object::Name { area, .. } = operation.object else { return };
        let name = name_of(operation);
        match (operation.direction, operation.outcome) {
            (Direction::Request, _) => self.asked(o, area, name, out),
            (Direction::Response, Outcome::Refused { code: 3, .. }) => {
                self.does_not_exist(o, name, out);
            }
            _ => {}
        }
    }
}

impl NameTunnel {
    fn asked(&mut self, o: &Observation, area: &str, name: &str, out: &mut Findings) {
        let Some(client) = o.from.address() else { return };
        let nowhere = is_nowhere(name);
        let text = area == "TXT" || nowhere;
        let long = name.len() >= LONG_CHARS;
        if !text && !long {
            return;
        }
        let below = if nowhere { Some("no domain") } else { domain(name) };
        let Some(domain) = below.filter(|d| d.len() < name.len() && !is_local(d)) else {
            return;
        };
        if self.asked.len() >= WATCHED_MAX {
            self.asked.clear();
        }
        let key = (client, domain.into());
        let names = self.asked.entry(key).or_insert_with(|| Names::new(o.at));
        if apart_secs(o.at, names.since) > SPAN_SECS {
            *names = Names::new(o.at);
        }
        let set = if text { &mut names.texts } else { &mut names.long };
        if set.len() < TARGETS_MAX {
            set.insert(name.into());
        }
        let (count, least) = if text { (set.len(), TXT_MIN) } else { (set.len(), LONG_MIN) };
        if count < least {
            return;
        }
        let raised = out.raise(&NAME_TUNNEL.about, ("tunnel", client, domain), o, || {
            let title = match nowhere {
                true => "{0} uses a DNS tunnel to {1}".to_owned(),
                false => format!("{{0}} uses a DNS tunnel to {domain}"),
            };
            let kind = if area == "TXT" { "TXT records of" } else { "long" };
            let kind = if nowhere { "made-up" } else { kind };
            let why = format!(
                "It asked for {least} or more {kind} names below {domain} within {SPAN_SECS} s, \
                 for example {name}: that is how data and commands are carried."
            );
            Draft::between(o, Severity::Medium, title)
                .because(why)
                .techniques(&["T1071", "T1572", "T1048", "T0869", "T0884"])
        });
        if let Some(open) = raised {
            open.spans(names.since, o.at);
            let says = format!("different names below {domain}");
            let (first, last, count) = (names.since, o.at, count as u64);
            open.proof("names", Evidence::Count { first, last, count, says });
        }
    }

    fn does_not_exist(&mut self, o: &Observation, name: &str, out: &mut Findings) {
        let Some(client) = o.to.address() else { return };
        if !name.split('.').rev().nth(1).is_some_and(is_made_up) {
            return;
        }
        if self.unknown.len() >= WATCHED_MAX {
            self.unknown.clear();
        }
        let names = self.unknown.entry(client).or_insert_with(|| Names::new(o.at));
        if apart_secs(o.at, names.since) > SPAN_SECS {
            *names = Names::new(o.at);
        }
        if names.long.len() < TARGETS_MAX {
            names.long.insert(name.into());
        }
        names.example = name.into();
        if names.long.len() < MADE_UP_MIN {
            return;
        }
        let raised = out.raise(&NAME_TUNNEL.about, ("generated", client), o, || {
            Draft::back(o, Severity::Medium, "{0} asks for generated domain names (DGA)")
                .because(format!(
                    "It asked for {MADE_UP_MIN} or more names that do not exist and look made up, \
                     for example {}.",
                    names.example
                ))
                .techniques(&["T1568", "T1071", "T0869"])
        });
        if let Some(open) = raised {
            open.spans(names.since, o.at);
        }
    }
}

/// The last two labels, or three below a public suffix of two (`co.uk`).
fn domain(name: &str) -> Option<&str> {
    let name = name.trim_end_matches('.');
    let mut dots = name.rmatch_indices('.').map(|(at, _)| at);
    let (_, second) = (dots.next()?, dots.next());
    let short = |at: usize| name[at + 1..].split('.').all(|label| label.len() <= 3);
    match second {
        Some(at) if short(at) => Some(dots.next().map_or(name, |at| &name[at + 1..])),
        Some(at) => Some(&name[at + 1..]),
        None => Some(name),
    }
}

/// Does a name end below no domain there can be? Those that talk with their own server directly
/// need none, and no top-level domain has digits (RFC 3696, 2).
fn is_nowhere(name: &str) -> bool {
    const LABEL_CHARS_MIN: usize = 8;
    let Some((_, last)) = name.rsplit_once('.') else { return false };
    let digits = last.bytes().any(|b| b.is_ascii_digit());
    digits && last.len() >= LABEL_CHARS_MIN && last.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Names of reverse look-ups and of the local network carry nothing out.
fn is_local(domain: &str) -> bool {
    ["in-addr.arpa", "ip6.arpa", "local", "lan", "arpa"].iter().any(|d| domain.ends_with(d))
}

/// Does a label look as if a program made it up? Digits and letters mixed, or hardly a vowel.
pub(crate) fn is_made_up(label: &str) -> bool {
    let bytes = label.as_bytes();
    if bytes.len() < 8 || !bytes.iter().all(u8::is_ascii_alphanumeric) {
        return false;
    }
    let changes = bytes.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit());
    let digits = bytes.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = bytes.len() - digits;
    let vowels = bytes.iter().filter(|b| b"aeiouyAEIOUY".contains(b)).count();
    (changes.count() >= 3 && digits >= 3 && letters >= 2)
        || (digits == 0 && bytes.len() >= 10 && vowels * 6 < letters)
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, looked_up, not_there};
    let text = |i: i64| looked_up(i * 400, "TXT", &format!("l.{i}.ns.tunnel.example"));
    let made_up = |i: i64| not_there(i * 400, &format!("a{i}b7c{i}d9e.example"));
    let label = |i: i64| not_there(i * 400, &format!("x4k{:02}z9q2.example", i + 10));
    let direct = |i: i64| looked_up(i * 400, "MX", &format!("cat.{:08x}", i * 7_919_317 + 1_000));
    let usual = |i: i64| looked_up(i * 400, "A", &format!("host{i}.plant.example"));
    vec![
        Case::fires("commands in TXT", (0..12).map(text).collect()),
        Case::fires("names below no domain", (0..40).map(direct).collect()),
        Case::fires("names made up", (0..16).map(label).collect()),
        Case::silent("ordinary names", (0..60).map(usual).collect()),
        Case::silent("a few that are not there", (0..4).map(made_up).collect()),
    ]
}
