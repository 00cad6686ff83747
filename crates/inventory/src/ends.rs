//! Which records the ends of the newest observations have: the same few come again and again.
//!
//! Invariant: what is kept here is what a look at the records would say and change, which is
//! nothing; whoever makes or pairs records has it forgotten.

use crate::links::LinkKey;
use model::{Carrier, Endpoint};

/// Ends kept: those of two conversations at a time.
const ENDS: usize = 4;

#[derive(Default)]
pub(crate) struct Ends {
    kept: [Option<End>; ENDS],
    next: usize,
    link: Option<(Link, Option<LinkKey>)>,
}

/// Client, server and what carries their conversation.
pub(crate) type Link = (Endpoint, Endpoint, Option<Carrier>);

struct End {
    end: Endpoint,
    sent: bool,
    record: Option<u32>,
}

impl Ends {
    /// The record of an end that is known to exist, to be paired and to have sent.
    #[inline]
    pub(crate) fn known(&self, end: &Endpoint, sent: bool) -> Option<Option<u32>> {
        let is = |kept: &&End| {
            let here = (kept.end.ip, kept.end.mac, kept.end.vlan);
            kept.sent == sent && here == (end.ip, end.mac, end.vlan)
        };
        self.kept.iter().flatten().find(is).map(|kept| kept.record)
    }

    pub(crate) fn keep(&mut self, end: &Endpoint, sent: bool, record: Option<u32>) {
        if let Some(place) = self.kept.get_mut(self.next) {
            *place = Some(End { end: *end, sent, record });
        }
        self.next = (self.next + 1) % ENDS;
    }

    /// The key of a link, where it was asked for last.
    #[inline]
    pub(crate) fn link(&self, link: &Link) -> Option<Option<LinkKey>> {
        let (kept, key) = self.link.as_ref()?;
        (kept == link).then_some(*key)
    }

    pub(crate) fn keep_link(&mut self, link: &Link, key: Option<LinkKey>) {
        self.link = Some((*link, key));
    }

    /// Something about addresses changed.
    pub(crate) fn forget(&mut self) {
        *self = Ends::default();
    }
}
