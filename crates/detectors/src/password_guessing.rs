//! Sign-ins that fail again and again, and sessions too many to be a person's.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    baseline::{Few, few},
    credentials::ends,
    desktop_guessing::DesktopGuessing,
    limits::TARGETS_MAX,
    watched::Watched,
    window::{Lately, Rate},
};
use model::{Address, Detail, Evidence, Observation, SessionEvent, Severity};
use std::hash::BuildHasher;

pub static PASSWORD_GUESSING: Detector = Detector {
    about: About {
        id: "password-guessing",
        title: "Password guessing",
        engine: model::Engine::Anomaly,
        why: "Many failed sign-ins are somebody who tries passwords. When one fits, the account \
              belongs to the attacker.",
        techniques: &["T1110", "T0812", "T0859"],
        false_positives: "Services with an expired password, a forgotten password, monitoring \
                          that connects often, or tries a list of SNMP communities.",
        runbook: "See whether a sign-in of this source was accepted after the failed ones.\n\
                  If the source is a service, give it its new password.\n\
                  If not, block the source and change the passwords of the accounts it tried.",
        sees: &[Kind::Authentication, Kind::Session],
    },
    watch: || {
        let (refusals, sessions) = (Watched::new(ACCOUNTS_SECS), Watched::new(SPAN_SECS));
        let (servers, desktops) = (Watched::new(SPAN_SECS), DesktopGuessing::new());
        Box::new(PasswordGuessing { refusals, sessions, servers, desktops })
    },
    #[cfg(test)]
    cases,
};

/// Refused sign-ins within the span.
const REFUSED_MIN: u32 = 5;
const REFUSED_HIGH: u32 = 20;
const SPAN_SECS: i64 = 60;
/// Accounts that one server refused one client within an hour, one now and then so that none is
/// locked; and how many of its sign-ins may be accepted: who hands on those of many people has
/// more that fit than not.
const ACCOUNTS_MIN: usize = 8;
const ACCOUNTS_SECS: i64 = 3_600;
const ACCEPTED_PART: u32 = 4;
/// Servers that refused one client within the span; a service with an old password has few.
const SERVERS_MIN: usize = 5;
const SERVERS_HIGH: usize = 20;
/// Sessions of one client with one service for people, within the span.
const SESSIONS_MIN: u32 = 8;
/// Scripts that copy files or change settings open one session after the other; programs that
/// guess open some at once, or more than any script.
const SESSIONS_MEDIUM: u32 = 15;
const AT_ONCE_MEDIUM: u32 = 3;
const SESSIONS_MANY: u32 = 60;
/// SSH, Telnet, remote desktop, VNC.
const SERVICES: &[(u16, &str)] =
    &[(22, "SSH"), (23, "Telnet"), (3_389, "remote desktop"), (5_900, "VNC")];

struct PasswordGuessing {
    refusals: Watched<(Address, Address), Refusals>,
    sessions: Watched<(Address, Address, u16), Sessions>,
    /// By client: who refused it lately.
    servers: Watched<Address, Lately<Address>>,
    desktops: DesktopGuessing,
}

#[derive(Default)]
struct Sessions {
    rate: Rate,
    /// Now, and at the most.
    open: u32,
    at_once: u32,
}

struct Refusals {
    rate: Rate,
    users: Few<Box<str>>,
    total: u64,
    /// Within the hour: how many, of which accounts, and how many were accepted.
    hourly: Rate,
    accounts: Lately<u64>,
    accepted: Rate,
}

impl Refusals {
    fn new() -> Self {
        let (rate, hourly, accepted) = Default::default();
        Refusals { rate, users: few(), total: 0, hourly, accounts: Lately::default(), accepted }
    }
}

impl Watch for PasswordGuessing {
    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        match &o.detail {
            Detail::Authentication(sign_in) => match sign_in.accepted {
                Some(false) => {
                    self.refused(o, sign_in.user.as_deref(), sign_in.method, out);
                    self.refused_by_many(o, out);
                }
                Some(true) => self.accepted(o, out),
                None => self.desktops.begins(o, sign_in),
            },
            Detail::Session(SessionEvent::Answered) if o.protocol == "tcp" => {
                self.answered(o, out);
            }
            Detail::Session(SessionEvent::Closed) if o.protocol == "tcp" => {
                self.closed(o);
                self.desktops.ends(o, out);
            }
            _ => {}
        }
    }

    fn dropped(&self) -> u64 {
        let all = self.refusals.dropped() + self.sessions.dropped() + self.servers.dropped();
        all + self.desktops.dropped()
    }
}

impl PasswordGuessing {
    fn refused(
        &mut self,
        o: &Observation,
        user: Option<&str>,
        method: &'static str,
        out: &mut Findings,
    ) {
        let Some((client, server)) = ends(o) else { return };
        let key = (client, server);
        let known = self.refusals.of(key, o.at, Refusals::new);
        known.total += 1;
        let refused = known.hourly.count(o.at, ACCOUNTS_SECS);
        if let Some(user) = user {
            let hasher = foldhash::fast::FixedState::with_seed(29);
            known.accounts.see(hasher.hash_one(user), o.at, ACCOUNTS_SECS);
        }
        if let Some(user) = user
            && known.users.len() < TARGETS_MAX
            && !known.users.contains(user)
        {
            known.users.insert(user.into());
        }
        let lately = known.rate.count(o.at, SPAN_SECS);
        if lately < REFUSED_MIN {
            let accepted = known.accepted.count_times(0, o.at, ACCOUNTS_SECS);
            if known.accounts.len() >= ACCOUNTS_MIN && accepted * ACCEPTED_PART <= refused {
                slowly(o, key, known, method, out);
            }
            return;
        }
        let spray = known.users.len() >= 4;
        let raised = out.raise(&PASSWORD_GUESSING.about, ("refused", key, spray), o, || {
            let title = if spray {
                format!("{{0}} tries passwords of many accounts at {{1}} ({method})")
            } else {
                format!("{{0}} guesses passwords of {{1}} ({method})")
            };
            Draft::by(client, [server], Severity::Medium, title).because(format!(
                "{{1}} refused {{0}} {REFUSED_MIN} or more times within {SPAN_SECS} s: somebody \
                     guesses passwords, or a service still has an old one."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(known.rate.first, o.at);
        if lately >= REFUSED_HIGH {
            open.at_least(Severity::High);
        }
        let mut users: Vec<_> = known.users.iter().take(8).map(|u| u.to_string()).collect();
        users.sort();
        let accounts = if users.is_empty() { "not told".to_owned() } else { users.join(", ") };
        let says = format!("failed sign-ins; accounts: {accounts}");
        let (first, last, count) = (known.rate.first, o.at, known.total);
        open.proof("refused", Evidence::Count { first, last, count, says });
    }

    /// One try at each of many servers, so that no account is locked.
    fn refused_by_many(&mut self, o: &Observation, out: &mut Findings) {
        let Some((client, server)) = ends(o) else { return };
        let servers = self.servers.of(client, o.at, Lately::default);
        let count = servers.see(server, o.at, SPAN_SECS);
        if count < SERVERS_MIN {
            return;
        }
        let first = servers.first(o.at);
        let raised = out.raise(&PASSWORD_GUESSING.about, ("servers", client), o, || {
            let title = "{0} guesses passwords at many servers";
            Draft::by(client, [server], Severity::Medium, title).because(format!(
                "{SERVERS_MIN} or more servers refused {{0}} within {SPAN_SECS} s: somebody tries \
                 one password after the other where no account is locked for it."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        servers.iter().take(8).for_each(|server| open.names(*server));
        if count >= SERVERS_HIGH {
            open.at_least(Severity::High);
        }
        let says = "servers that refused it lately";
        open.proof_count("servers", (first, o.at), (count as u64, says));
    }

    fn answered(&mut self, o: &Observation, out: &mut Findings) {
        // The answer comes from the server.
        let (Some(server), Some(client)) = (o.from.address(), o.to.address()) else { return };
        let port = o.from.port.unwrap_or_default();
        let Some((_, service)) = SERVICES.iter().find(|(number, _)| *number == port) else {
            return;
        };
        let key = (client, server, port);
        let sessions = self.sessions.of(key, o.at, Sessions::default);
        let lately = sessions.rate.count(o.at, SPAN_SECS);
        sessions.open += 1;
        sessions.at_once = sessions.at_once.max(sessions.open);
        if lately < SESSIONS_MIN {
            return;
        }
        let (first, at_once) = (sessions.rate.first, sessions.at_once);
        let raised = out.raise(&PASSWORD_GUESSING.about, ("sessions", key), o, || {
            let title = format!("{{0}} guesses {service} passwords of {{1}}: many short sessions");
            Draft::by(client, [server], Severity::Low, title).because(format!(
                "It opened {SESSIONS_MIN} or more {service} sessions within {SPAN_SECS} s, more \
                 than a person does. What was tried is encrypted or not kept."
            ))
        });
        if let Some(open) = raised {
            open.spans(first, o.at);
            let guesses = lately >= SESSIONS_MEDIUM && at_once >= AT_ONCE_MEDIUM;
            if guesses || lately >= SESSIONS_MANY {
                open.at_least(Severity::Medium);
            }
        }
    }

    /// Either end may close.
    fn closed(&mut self, o: &Observation) {
        let (Some(from), Some(to)) = (o.from.address(), o.to.address()) else { return };
        for (client, server, port) in [(from, to, o.to.port), (to, from, o.from.port)] {
            let key = (client, server, port.unwrap_or_default());
            if let Some(sessions) = self.sessions.known(&key) {
                sessions.open = sessions.open.saturating_sub(1);
            }
        }
    }
}

/// One account after the other, each now and then.
fn slowly(
    o: &Observation,
    key: (Address, Address),
    known: &Refusals,
    method: &'static str,
    out: &mut Findings,
) {
    let first = known.accounts.first(o.at);
    let raised = out.raise(&PASSWORD_GUESSING.about, ("refused", key, true), o, || {
        let title = format!("{{0}} tries passwords of many accounts at {{1}}, slowly ({method})");
        Draft::by(key.0, [key.1], Severity::Medium, title).because(format!(
            "{{1}} refused {{0}} {ACCOUNTS_MIN} or more accounts within an hour and accepted next \
             to none: one password is tried with each, so that none is locked."
        ))
    });
    let Some(open) = raised else { return };
    open.spans(first, o.at);
    const _: () = assert!(ACCOUNTS_SECS == 3_600, "the words below say so");
    let says = "accounts refused in the newest hour";
    open.proof_count("accounts", (first, o.at), (known.accounts.len() as u64, says));
}

impl PasswordGuessing {
    /// A sign-in that fits, perhaps after many that did not.
    fn accepted(&mut self, o: &Observation, out: &mut Findings) {
        let Some(key) = ends(o) else { return };
        if let Some(known) = self.refusals.known(&key) {
            known.accepted.count(o.at, ACCOUNTS_SECS);
        }
        accepted(o, key, out);
    }
}

fn accepted(o: &Observation, key: (Address, Address), out: &mut Findings) {
    for spray in [false, true] {
        if let Some(open) = out.known(&PASSWORD_GUESSING.about, ("refused", key, spray)) {
            open.at_least(Severity::High);
            open.proof("accepted", crate::evidence::message(o));
        }
    }
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, port, session, sign_in};
    let tries = |count: i64| (0..count).map(|i| sign_in(i * 500, Some(false), false)).collect();
    let ssh = |count: i64| {
        let one = |i: i64| {
            let (server, client) = (port(host(20), 22), port(host(10), 50_000 + i as u16));
            session(i * 300, server, client, SessionEvent::Answered)
        };
        (0..count).map(one).collect()
    };
    // A script, one session after the other.
    let script = |count: i64| {
        let one = |i: i64| {
            let (server, client) = (port(host(20), 22), port(host(10), 50_000 + i as u16));
            let answered = session(i * 1_500, server, client, SessionEvent::Answered);
            [answered, session(i * 1_500 + 900, client, server, SessionEvent::Closed)]
        };
        (0..count).flat_map(one).collect()
    };
    let servers = |count: u8| {
        let one = |i: u8| {
            let o = sign_in(i64::from(i) * 500, Some(false), false);
            // The server says so.
            Observation { from: host(100 + i), ..o }
        };
        (0..count).map(one).collect()
    };
    let account = |at: i64, i: i64, accepted| {
        let mut o = sign_in(at, Some(accepted), false);
        if let Detail::Authentication(sign_in) = &mut o.detail {
            sign_in.user = Some(format!("user{i}").into());
        }
        o
    };
    let slowly = || (0..12).map(|i| account(i * 120_000, i, false));
    // A gateway signs its users in; each mistypes once.
    let people = (0..12).flat_map(|i| {
        let at = i * 120_000;
        [account(at, i, false), account(at + 9_000, i, true), account(at + 60_000, i + 20, true)]
    });
    vec![
        Case::fires("one try for each of many accounts", slowly().collect()),
        Case::silent("the same account", (0..40).map(|i| account(i * 60_000, 1, false)).collect()),
        Case::silent("a few accounts", slowly().take(5).collect()),
        Case::silent("people at a gateway", people.collect()),
        Case::fires("one try at each of many servers", servers(6)),
        Case::silent("a few servers that have no such user", servers(3)),
        Case::fires("twelve tries", tries(12)),
        Case::fires("SSH sessions", ssh(20)),
        Case::fires("a script", script(30)),
        Case::silent("a person who mistypes", tries(3)),
        Case::silent("a few sessions", ssh(4)),
    ]
    .into_iter()
    .chain(crate::desktop_guessing::cases())
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_at_once_are_worse_than_one_after_the_other() {
        let severity = |name| {
            let case = cases().into_iter().find(|case| case.name == name);
            case.expect("it is there").run()[0].severity
        };
        assert_eq!(severity("SSH sessions"), Severity::Medium);
        assert_eq!(severity("a script"), Severity::Low);
    }
}
