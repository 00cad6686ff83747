//! Which records the ends of the newest observations have: the same few come again and again.
//!
//! Invariant: what is kept here is what a look at the records would say and change, which is
//! nothing; whoever makes or pairs records has it forgotten.

use crate::links::LinkKey;
use model::Endpoint;

/// Ends kept: those of two conversations at a time.
const ENDS: usize = 4;

#[derive(Default)]
pub(crate) struct Ends {
    kept: [Option<End>; ENDS],
    next: usize,
    link: Option<(Endpoint, Endpoint, Option<LinkKey>)>,
}

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

    /// The link between two ends, where it was asked for last.
    #[inline]
    pub(crate) fn link(&self, client: &Endpoint, server: &Endpoint) -> Option<Option<LinkKey>> {
        let (from, to, key) = self.link.as_ref()?;
        (from == client && to == server).then_some(*key)
    }

    pub(crate) fn keep_link(&mut self, client: &Endpoint, server: &Endpoint, key: Option<LinkKey>) {
        self.link = Some((*client, *server, key));
    }

    /// Something about addresses changed.
    pub(crate) fn forget(&mut self) {
        *self = Ends::default();
    }
}
