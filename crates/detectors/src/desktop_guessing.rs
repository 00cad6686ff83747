//! Remote desktop sessions that end as soon as they began: what is tried in them is encrypted.
//!
//! Part of `password_guessing`, which tells of many within a minute; here are those tried slowly,
//! and with many accounts. Invariant: a client of which one session in four goes on is none that
//! guesses, be it a gateway for many users or a program that connects again when the line fails.

use crate::{
    Draft, Findings,
    password_guessing::PASSWORD_GUESSING,
    watched::Watched,
    window::{Lately, Rate, apart_secs},
};
use model::{Address, Authentication, Observation, PortNumber, Severity, Time};
use std::hash::BuildHasher;

const SPAN_SECS: i64 = 600;
/// A desktop is not seen by then; who is refused is out within two or three seconds.
const SHORT_SECS: i64 = 15;
/// Short sessions within the span: a check each minute makes ten.
const SHORT_MIN: u32 = 30;
/// Accounts that they were opened for, by the name a client gives first ([MS-RDPBCGR], 2.2.1.1).
const USERS_MIN: usize = 8;

pub(crate) struct DesktopGuessing {
    /// Client, its port and server: when the session began, and for whom.
    sessions: Watched<(Address, PortNumber, Address), Option<(Time, u64)>>,
    /// Client, server and its port.
    pairs: Watched<(Address, Address, PortNumber), Desktops>,
}

#[derive(Default)]
struct Desktops {
    begun: Rate,
    short: Rate,
    users: Lately<u64>,
}

impl DesktopGuessing {
    pub(crate) fn new() -> Self {
        DesktopGuessing { sessions: Watched::new(SHORT_SECS), pairs: Watched::new(SPAN_SECS) }
    }

    /// The client said for whom it wants a session.
    pub(crate) fn begins(&mut self, o: &Observation, sign_in: &Authentication) {
        if sign_in.method != "rdp" {
            return;
        }
        let ends = (o.from.address(), o.from.port, o.to.address(), o.to.port);
        let (Some(client), Some(port), Some(server), Some(service)) = ends else { return };
        let hasher = foldhash::fast::FixedState::with_seed(23);
        let user = hasher.hash_one(sign_in.user.as_deref().unwrap_or_default());
        *self.sessions.of((client, port, server), o.at, || None) = Some((o.at, user));
        let pair = self.pairs.of((client, server, service), o.at, Desktops::default);
        pair.begun.count(o.at, SPAN_SECS);
    }

    /// Either end may close.
    pub(crate) fn ends(&mut self, o: &Observation, out: &mut Findings) {
        for (client, server) in [(&o.from, &o.to), (&o.to, &o.from)] {
            let ends = (client.address(), client.port, server.address(), server.port);
            let (Some(client), Some(port), Some(server), Some(service)) = ends else { continue };
            let session = self.sessions.known(&(client, port, server)).and_then(Option::take);
            let Some((begun, user)) = session else { continue };
            if apart_secs(o.at, begun) < SHORT_SECS {
                self.short((o, user), (client, server, service), out);
            }
        }
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.sessions.dropped() + self.pairs.dropped()
    }

    fn short(
        &mut self,
        (o, user): (&Observation, u64),
        key: (Address, Address, PortNumber),
        out: &mut Findings,
    ) {
        let Some(pair) = self.pairs.known(&key) else { return };
        let begun = pair.begun.count_times(0, o.at, SPAN_SECS);
        let short = pair.short.count(o.at, SPAN_SECS);
        let users = pair.users.see(user, o.at, SPAN_SECS);
        let others = begun.saturating_sub(short);
        if others * 4 > short || short < SHORT_MIN && users < USERS_MIN {
            return;
        }
        let (client, server, _) = key;
        let spray = users >= USERS_MIN;
        let first = pair.short.first;
        let raised = out.raise(&PASSWORD_GUESSING.about, ("desktops", key, spray), o, || {
            let (title, severity) = match spray {
                true => ("{0} tries passwords of many accounts at {1} (rdp)", Severity::Medium),
                false => ("{0} guesses passwords of {1}, slowly (rdp)", Severity::Low),
            };
            Draft::by(client, [server], severity, title).because(format!(
                "It opened one remote desktop session after the other, and nearly all ended within \
                 {SHORT_SECS} s: nobody was let in. What was tried is encrypted."
            ))
        });
        let Some(open) = raised else { return };
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 600, "the words below say so");
        let says = "short sessions in the newest 10 minutes";
        open.proof_count("short", (first, o.at), (u64::from(short), says));
        if spray {
            let says = "accounts they were opened for";
            open.proof_count("accounts", (first, o.at), (users as u64, says));
        }
    }
}

#[cfg(test)]
pub(crate) fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, host, of, port, seen, session};
    use model::{Detail, SessionEvent};
    let desktop = |at: i64, i: u16, user: u16, secs: i64| {
        let (client, server) = (port(host(10), 50_000 + i), port(host(20), 3_389));
        let sign_in = Authentication {
            user: Some(format!("user{user}").into()),
            accepted: None,
            clear_text: false,
            default_password: false,
            method: "rdp",
        };
        let begins = of("rdp", seen(at, client, server, Detail::Authentication(sign_in)));
        [begins, session(at + secs * 1_000, client, server, SessionEvent::Closed)]
    };
    let all = |count: u16, apart: i64, users: u16, secs: i64| {
        let one = move |i: u16| desktop(i64::from(i) * apart * 1_000, i, i % users, secs);
        let mut all: Vec<_> = (0..count).flat_map(one).collect();
        all.sort_by_key(|o| o.at);
        all
    };
    // Windows asks for the password between a first session and the one that stays.
    let twice = |i: u16| {
        let at = i64::from(i) * 20_000;
        let [begins, ends] = desktop(at + 5_000, 100 + i, i, 600);
        let [first, over] = desktop(at, i, i, 1);
        [first, over, begins, ends]
    };
    let mut gateway: Vec<_> = (0..20).flat_map(twice).collect();
    gateway.sort_by_key(|o| o.at);
    vec![
        Case::fires("desktops tried slowly", all(60, 12, 1, 1)),
        Case::fires("desktops of many accounts", all(12, 40, 12, 1)),
        Case::silent("a check each minute", all(60, 60, 1, 1)),
        Case::silent("a gateway for many users", gateway),
        Case::silent("users of a terminal server", all(20, 30, 20, 900)),
    ]
}
