//! What people signed in the entries of a bundle.
//!
//! Not here: whether they were allowed to; the whole log tells that. Invariant: a message is made
//! from the entries alone, as it was when it was signed.

use crate::{
    event::{Event, LogEntry},
    key::is_signed,
    ledger::{Request, approval_message, person_message, request_message},
    log::VerifyingKey,
    recovery::{Occasion, message},
    release::withdrawing_release,
    weaken::{Weaker, agreeing, asking, withdrawing},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use std::collections::BTreeMap;

pub struct Signed {
    pub entry: u64,
    pub by: String,
    pub message: String,
    pub signature: String,
}

impl Signed {
    pub fn holds(&self, people: &BTreeMap<String, VerifyingKey>) -> bool {
        people.get(&self.by).is_some_and(|key| is_signed(key, &self.message, &self.signature))
    }

    /// As openssl wants it.
    pub fn bytes(&self) -> Vec<u8> {
        URL_SAFE_NO_PAD.decode(&self.signature).unwrap_or_default()
    }
}

/// Keys of the people whom the entries enrol.
pub fn people(entries: &[(u64, LogEntry)]) -> BTreeMap<String, VerifyingKey> {
    let key = |(_, entry): &(u64, LogEntry)| match &entry.event {
        Event::Person { key, .. } => VerifyingKey::parse(key),
        _ => None,
    };
    entries.iter().filter_map(key).map(|key| (key.name.clone(), key)).collect()
}

/// Everything that somebody signed; `Err` is an entry whose request is not in the bundle.
pub fn signed(origin: &str, entries: &[(u64, LogEntry)]) -> Vec<Result<Signed, u64>> {
    let mut asked = BTreeMap::new();
    let mut weaker = BTreeMap::new();
    let mut found = Vec::new();
    for (number, LogEntry { event, .. }) in entries {
        let entry = *number;
        let mut add = |by: &str, message: String, signature: &str| {
            let (by, signature) = (by.to_owned(), signature.to_owned());
            found.push(Ok(Signed { entry, by, message, signature }));
        };
        match event {
            Event::Person { key, by: Some(by), signature: Some(signature) } => {
                if let Some(key) = VerifyingKey::parse(key) {
                    add(by, person_message(origin, &key), signature);
                }
            }
            Event::ReleaseAsked { snapshot, holds, reason, by, signature } => {
                let (snapshot, holds) = (*snapshot, holds.clone());
                let request = Request { snapshot, holds, reason: reason.clone(), by: by.clone() };
                add(by, request_message(origin, &request), signature);
                asked.insert(entry, request);
            }
            Event::Released { request, by, signature }
            | Event::ReleaseAgreed { request, by, signature } => match asked.get(request) {
                Some(asked) => add(by, approval_message(origin, *request, asked), signature),
                None => found.push(Err(entry)),
            },
            Event::ReleaseWithdrawn { request, by, signature } => {
                add(by, withdrawing_release(origin, *request), signature);
            }
            Event::PolicyAsked { policy, by, signature } => {
                add(by, asking(origin, policy, by), signature);
                let (policy, by) = (policy.clone(), by.clone());
                weaker.insert(entry, Weaker { policy, by, from: None });
            }
            Event::PolicyAgreed { request, by, signature } => match weaker.get(request) {
                Some(asked) => add(by, agreeing(origin, *request, asked), signature),
                None => found.push(Err(entry)),
            },
            Event::PolicyWithdrawn { request, by, signature } => {
                add(by, withdrawing(origin, *request), signature);
            }
            Event::Recovery { id, plan_sha256, approvals, .. } => {
                let occasion = Occasion { vault: origin, plan: plan_sha256, id };
                for approval in approvals {
                    add(&approval.by, message(occasion, &approval.step), &approval.signature);
                }
            }
            _ => {}
        }
    }
    found
}
