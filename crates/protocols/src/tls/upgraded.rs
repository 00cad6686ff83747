//! The rest of a conversation that another protocol asked to secure (STARTTLS and the like).
//!
//! Invariant: what does not begin as TLS is let pass unread.

use super::{HANDSHAKE, TLS};
use crate::{Dissector, Gap, Output, Progress, Protocol, Segment};

/// Nothing was said since; then TLS, or something else that is secret.
#[derive(Default)]
pub(crate) struct Upgraded {
    reader: Option<Box<dyn Dissector>>,
    other: bool,
}

impl Upgraded {
    pub(crate) fn feed(&mut self, segment: Segment<'_>, out: &mut Output) -> Progress {
        let all = segment.bytes.len();
        if self.reader.is_none() && !self.other {
            match segment.bytes {
                [HANDSHAKE] | [] => return Progress::NeedMore { consumed: 0, needed: 2 },
                [HANDSHAKE, 3, ..] => self.reader = Some(TLS.open()),
                _ => self.other = true,
            }
        }
        match &mut self.reader {
            Some(reader) => reader.feed(segment, out),
            None => Progress::Consumed(all),
        }
    }

    /// Both ends went back to what they spoke before: no record begins with a letter or a digit.
    pub(crate) fn is_over(&self, segment: &Segment<'_>) -> bool {
        let plain = segment.bytes.first().is_some_and(u8::is_ascii_alphanumeric);
        self.reader.is_some() && plain && !segment.after_gap
    }

    pub(crate) fn gap(&mut self, gap: Gap) {
        if let Some(reader) = &mut self.reader {
            reader.gap(gap);
        }
    }
}
