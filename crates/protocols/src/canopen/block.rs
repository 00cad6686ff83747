//! Transfers in blocks (CiA 301, 7.2.4.3.9 to 7.2.4.3.17): segments begin with their number where
//! other frames have their command, so one must know what goes on to read either.
//!
//! Not here: the data. Invariant: a transfer is over when either side says what has no place in it.

use super::NODES_MAX;
use crate::{Output, output::Op};

#[derive(Default)]
pub(super) struct Blocks(Vec<Block>);

struct Block {
    node: u8,
    /// To the node; else from it.
    download: bool,
    phase: Phase,
    /// What is told when all is there.
    done: Op,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Asked for, and agreed upon.
    Begun,
    /// The segment with this number was sent.
    Segment(u8),
    /// The same, and it is the last one.
    Last(u8),
    /// Who sent the data says that they are all.
    Sent,
}

/// What a frame within a transfer is.
pub(super) enum Within {
    Transfer,
    Ended(Op),
}

impl Blocks {
    /// A client asks for a transfer.
    pub(super) fn begin(&mut self, node: u8, download: bool, asked: &Op, out: &mut Output) {
        self.0.retain(|b| b.node != node);
        if self.0.len() >= NODES_MAX {
            return out.limit("canopen-blocks");
        }
        let mut done = Op::response(asked.class, asked.function, asked.name).done();
        (done.object, done.unit) = (asked.object.clone(), asked.unit);
        self.0.push(Block { node, download, phase: Phase::Begun, done });
    }

    /// What a frame is in a transfer of its node; `None` where it is to be read as any other.
    pub(super) fn within(&mut self, node: u8, client: bool, data: &[u8]) -> Option<Within> {
        let at = self.0.iter().position(|b| b.node == node)?;
        let block = self.0.get_mut(at)?;
        let phase = match client == block.download {
            true => block.sends(*data.first()?),
            false => block.takes(data),
        };
        match phase {
            Some(Phase::Sent) if !block.download || block.phase == Phase::Sent => {
                Some(Within::Ended(self.0.swap_remove(at).done))
            }
            Some(phase) => {
                block.phase = phase;
                Some(Within::Transfer)
            }
            None => {
                self.0.swap_remove(at);
                None
            }
        }
    }
}

impl Block {
    /// The side that sends the data: segments are counted from 1, the last has the upper bit.
    fn sends(&self, first: u8) -> Option<Phase> {
        const LAST: u8 = 0x80;
        let number = first & !LAST;
        let follows = match self.phase {
            // A node agrees to an upload before it sends.
            Phase::Begun if !self.download && first >> 5 == 6 && first & 1 == 0 => {
                return Some(Phase::Begun);
            }
            Phase::Begun => number == 1,
            // A segment may be missing from the capture; each block begins anew.
            Phase::Segment(before) => number > before || number == 1,
            Phase::Last(_) => {
                let end = first >> 5 == 6 && first & 3 == 1;
                return end.then_some(Phase::Sent);
            }
            Phase::Sent => false,
        };
        match (follows, first & LAST) {
            (false, _) => None,
            (true, 0) => Some(Phase::Segment(number)),
            (true, _) => Some(Phase::Last(number)),
        }
    }

    /// The side that gets them: agrees, begins an upload, says what it got, and that it got all.
    fn takes(&self, data: &[u8]) -> Option<Phase> {
        match (data, self.phase) {
            ([0xa1, ..], Phase::Sent) => Some(Phase::Sent),
            ([0xa2, got, ..], Phase::Last(number)) if *got != number => Some(Phase::Segment(*got)),
            ([0xa2, ..], phase @ (Phase::Segment(_) | Phase::Last(_))) => Some(phase),
            ([0xa3, ..], Phase::Begun) if !self.download => Some(Phase::Begun),
            ([0xa0 | 0xa4, ..], Phase::Begun) if self.download => Some(Phase::Begun),
            _ => None,
        }
    }
}
