//! Who signed in where, how, and whether the server let them: one row for each distinct answer.
//!
//! Not here: what is wrong with it, which detectors say. Invariant: an attempt whose answer was
//! seen stands in one row, with its answer.

use inventory::Inventory;
use model::{Address, Authentication, Detail, Observation, SignInRow, Time};
use std::collections::BTreeMap;

/// Distinct rows at most.
const ROWS_MAX: usize = 20_000;

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    client: Address,
    server: Address,
    protocol: &'static str,
    method: &'static str,
    user: Option<Box<str>>,
    accepted: Option<bool>,
}

struct Seen {
    clear_text: bool,
    default_password: bool,
    first: Time,
    last: Time,
    count: u64,
}

#[derive(Default)]
pub(crate) struct SignIns {
    rows: BTreeMap<Key, Seen>,
    pub(crate) refused: u64,
}

impl SignIns {
    pub(crate) fn see(&mut self, observation: &Observation) {
        let Detail::Authentication(sign_in) = &observation.detail else { return };
        let Some(key) = key(observation, sign_in) else { return };
        let key = self.met_with_silence(key, observation);
        match self.settled(key, sign_in) {
            Some((key, seen)) => self.add(key, seen, observation.at),
            None => self.refused += 1,
        }
    }

    /// What no answer came to is known to be refused when the client says its next message: then
    /// it is the client who seems to answer, from a port above the server's.
    fn met_with_silence(&self, key: Key, seen: &Observation) -> Key {
        if key.accepted != Some(false) || seen.from.port <= seen.to.port {
            return key;
        }
        let (client, server) = (key.server, key.client);
        let turned = Key { client, server, user: None, accepted: None, ..key.clone() };
        let tried = self.rows.range(&turned..).next().is_some_and(|(known, _)| {
            let of = |key: &Key| (key.client, key.server, key.protocol, key.method);
            of(known) == of(&turned)
        });
        if tried { Key { user: key.user, accepted: key.accepted, ..turned } } else { key }
    }

    /// The row this is counted in, and what its attempt knew that the answer does not say again.
    fn settled(&mut self, mut key: Key, sign_in: &Authentication) -> Option<(Key, Seen)> {
        let mut seen = Seen {
            clear_text: sign_in.clear_text,
            default_password: sign_in.default_password,
            first: Time::default(),
            last: Time::default(),
            count: 0,
        };
        if key.accepted.is_some()
            && let Some(asked) = self.asked(&key)
            && let Some(attempt) = self.rows.get_mut(&asked)
        {
            seen.clear_text |= attempt.clear_text;
            seen.default_password |= attempt.default_password;
            attempt.count -= 1;
            if attempt.count == 0 {
                self.rows.remove(&asked);
            }
            key.user = asked.user;
        }
        (self.rows.contains_key(&key) || self.rows.len() < ROWS_MAX).then_some((key, seen))
    }

    /// The attempt without an answer that this is the answer to.
    fn asked(&self, answer: &Key) -> Option<Key> {
        let open = Key { accepted: None, ..answer.clone() };
        let of_all = Key { user: None, ..open.clone() };
        let same = |key: &Key| {
            let ends = (&key.client, &key.server) == (&answer.client, &answer.server);
            ends && (key.protocol, key.method) == (answer.protocol, answer.method)
        };
        if self.rows.contains_key(&open) {
            return Some(open);
        }
        if answer.user.is_some() {
            return None;
        }
        let rows = self.rows.range(of_all..).map(|(key, _)| key);
        rows.take_while(|key| same(key)).find(|key| key.accepted.is_none()).cloned()
    }

    fn add(&mut self, key: Key, new: Seen, at: Time) {
        let seen = self.rows.entry(key).or_insert(Seen { first: at, ..new });
        seen.clear_text |= new.clear_text;
        seen.default_password |= new.default_password;
        (seen.last, seen.count) = (at, seen.count + 1);
    }

    /// Rows between assets, in the order of their addresses.
    pub(crate) fn rows(&self, inventory: &Inventory) -> Vec<SignInRow> {
        let row = |(key, seen): (&Key, &Seen)| {
            Some(SignInRow {
                client: inventory.id(inventory.asset_of(&key.client)?),
                server: inventory.id(inventory.asset_of(&key.server)?),
                protocol: key.protocol,
                method: key.method,
                user: key.user.clone(),
                accepted: key.accepted,
                clear_text: seen.clear_text,
                default_password: seen.default_password,
                first_seen: seen.first,
                last_seen: seen.last,
                count: seen.count,
            })
        };
        self.rows.iter().filter_map(row).collect()
    }
}

/// Only an answer says whether somebody was let in, so who says it is the server.
fn key(observation: &Observation, sign_in: &Authentication) -> Option<Key> {
    let (from, to) = (observation.from.address()?, observation.to.address()?);
    let answers = sign_in.accepted.is_some();
    let (client, server) = if answers { (to, from) } else { (from, to) };
    Some(Key {
        client,
        server,
        protocol: observation.protocol,
        method: sign_in.method,
        user: sign_in.user.clone(),
        accepted: sign_in.accepted,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Endpoint;

    fn seen(
        rows: &[(bool, Option<&str>, Option<bool>)],
    ) -> Vec<(Option<String>, Option<bool>, u64)> {
        let (panel, station) = ("10.0.0.1", "10.0.0.2");
        let end = |ip: &str| Endpoint { ip: ip.parse().ok(), ..Endpoint::default() };
        let mut sign_ins = SignIns::default();
        for (answer, user, accepted) in rows {
            let (from, to) = if *answer { (station, panel) } else { (panel, station) };
            sign_ins.see(&Observation {
                at: Time::default(),
                frame: 1,
                protocol: "test",
                from: end(from),
                to: end(to),
                carrier: None,
                detail: Detail::Authentication(Authentication {
                    user: user.map(Into::into),
                    accepted: *accepted,
                    clear_text: !answer,
                    default_password: false,
                    method: "test password",
                }),
                excerpt: None,
            });
        }
        let station: Address = end(station).address().expect("it has one");
        assert!(sign_ins.rows.keys().all(|key| key.server == station));
        assert!(sign_ins.rows.values().all(|seen| seen.clear_text));
        let rows = sign_ins.rows.iter();
        rows.map(|(k, s)| (k.user.as_deref().map(str::to_owned), k.accepted, s.count)).collect()
    }

    #[test]
    fn what_silence_refused_is_of_the_client_who_goes_on() {
        let end = |ip: &str, port| Endpoint {
            ip: ip.parse().ok(),
            port: Some(port),
            ..Endpoint::default()
        };
        let (manager, agent) = (end("10.0.0.9", 40_000), end("10.0.0.2", 161));
        let mut sign_ins = SignIns::default();
        let mut say = |(from, to), accepted| {
            let detail = Detail::Authentication(Authentication {
                user: None,
                accepted,
                clear_text: true,
                default_password: false,
                method: "snmp community",
            });
            let (at, protocol) = (Time::default(), "snmp");
            sign_ins.see(&Observation {
                at,
                frame: 1,
                protocol,
                from,
                to,
                carrier: None,
                detail,
                excerpt: None,
            });
        };
        say((manager, agent), None);
        (0..3).for_each(|_| say((manager, agent), Some(false)));
        say((agent, manager), Some(true));
        let rows: Vec<_> = sign_ins.rows.iter().map(|(k, s)| (k, s.count)).collect();
        assert!(rows.iter().all(|(key, _)| key.server == agent.address().expect("an address")));
        let answers: Vec<_> = rows.iter().map(|(key, count)| (key.accepted, *count)).collect();
        assert_eq!(answers, [(Some(false), 3), (Some(true), 1)]);
    }

    #[test]
    fn an_attempt_and_its_answer_are_one_row() {
        let (asks, yes, no) = (None, Some(true), Some(false));
        assert_eq!(
            seen(&[(false, Some("ann"), asks), (true, None, no), (false, Some("ann"), asks)]),
            [(Some("ann".to_owned()), None, 1), (Some("ann".to_owned()), no, 1)]
        );
        assert_eq!(
            seen(&[(false, None, asks), (true, None, yes), (false, None, asks), (true, None, yes)]),
            [(None, yes, 2)]
        );
    }
}
