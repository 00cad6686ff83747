//! Who a supplicant said to be: on a cable it says so to all bridges (IEEE 802.1X-2020, 7.8) and is
//! answered in person, so question and answer are two conversations and only here one.
//!
//! Invariant: what was said is used once; the answer after next knows of nobody.

use model::{Address, Detail, Observation};
use std::collections::BTreeMap;

/// Supplicants that wait for an answer at most.
const SUPPLICANTS_MAX: usize = 10_000;

#[derive(Default)]
pub(crate) struct Supplicants {
    said: BTreeMap<Address, Box<str>>,
    /// There was no room for what they said.
    pub(crate) refused: u64,
}

impl Supplicants {
    /// Takes what a supplicant said to all bridges, and says whether it was that; gives the answer
    /// its user.
    pub(crate) fn see(&mut self, observation: &mut Observation) -> bool {
        let Observation { protocol: "eapol", from, to, detail, .. } = observation else {
            return false;
        };
        let Detail::Authentication(sign_in) = detail else { return false };
        match (sign_in.accepted, from.address(), to.address()) {
            (None, Some(supplicant), Some(bridges)) if !bridges.is_host() => {
                let room = self.said.len() < SUPPLICANTS_MAX;
                match sign_in.user.take() {
                    Some(user) if room || self.said.contains_key(&supplicant) => {
                        self.said.insert(supplicant, user);
                    }
                    Some(_) => self.refused += 1,
                    None => {}
                }
                true
            }
            (Some(_), _, Some(supplicant)) => {
                let said = self.said.remove(&supplicant);
                sign_in.user = sign_in.user.take().or(said);
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Authentication, Endpoint, Mac, Time};

    const HOST: Mac = Mac([2, 0, 0, 0, 0, 7]);
    const BRIDGE: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const ALL_BRIDGES: Mac = Mac([1, 0x80, 0xc2, 0, 0, 3]);

    fn seen(from: Mac, to: Mac, user: Option<&str>, accepted: Option<bool>) -> Observation {
        let end = |mac| Endpoint { mac: Some(mac), ..Endpoint::default() };
        let sign_in = Authentication {
            user: user.map(Into::into),
            accepted,
            clear_text: false,
            default_password: false,
            method: "802.1x",
        };
        Observation {
            at: Time(0),
            frame: 1,
            protocol: "eapol",
            from: end(from),
            to: end(to),
            carrier: None,
            detail: Detail::Authentication(sign_in),
            excerpt: None,
        }
    }

    fn user(observation: &Observation) -> Option<&str> {
        match &observation.detail {
            Detail::Authentication(sign_in) => sign_in.user.as_deref(),
            _ => None,
        }
    }

    #[test]
    fn the_answer_in_person_names_who_asked_all_bridges() {
        let mut supplicants = Supplicants::default();
        assert!(supplicants.see(&mut seen(HOST, ALL_BRIDGES, Some("ann"), None)));
        assert!(supplicants.see(&mut seen(HOST, ALL_BRIDGES, Some("bob"), None)));
        let mut other = seen(BRIDGE, Mac([2, 0, 0, 0, 0, 8]), None, Some(true));
        assert!(!supplicants.see(&mut other));
        assert_eq!(user(&other), None);
        let mut answer = seen(BRIDGE, HOST, None, Some(false));
        assert!(!supplicants.see(&mut answer));
        assert_eq!(user(&answer), Some("bob"));
        let mut again = seen(BRIDGE, HOST, None, Some(true));
        supplicants.see(&mut again);
        assert_eq!(user(&again), None, "nobody said who it is this time");
    }

    #[test]
    fn what_is_asked_and_answered_in_person_stays_as_it_is() {
        let mut supplicants = Supplicants::default();
        assert!(!supplicants.see(&mut seen(HOST, BRIDGE, Some("ann"), None)));
        let mut answer = seen(BRIDGE, HOST, Some("cy"), Some(true));
        assert!(!supplicants.see(&mut answer));
        assert_eq!(user(&answer), Some("cy"));
    }
}
