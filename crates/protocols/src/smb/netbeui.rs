//! SMB over NetBIOS frames, without a network layer (IBM LAN Technical Reference SC30-3587,
//! chapter 5), as DOS and old Windows on machines still have it.
//!
//! Not here: names and datagrams, see [`crate::browser`]. Invariant: what is put together is
//! bounded.

use super::{is_smb, limits::WHOLE_OCTETS_MAX};
use crate::{Output, Side};

const HEADER_OCTETS: usize = 14;

/// A frame with a piece of a message.
pub(super) struct Piece<'a> {
    last: bool,
    octets: &'a [u8],
}

impl<'a> Piece<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Piece<'a>> {
        const FIRST_MIDDLE: u8 = 0x15;
        const ONLY_LAST: u8 = 0x16;
        let &[0x0e, 0, 0xff, 0xef, command @ (FIRST_MIDDLE | ONLY_LAST)] = bytes.first_chunk()?
        else {
            return None;
        };
        Some(Piece { last: command == ONLY_LAST, octets: bytes.get(HEADER_OCTETS..)? })
    }

    /// The message, if one begins here.
    pub(super) fn begins(&self) -> Option<&'a [u8]> {
        is_smb(self.octets).then_some(self.octets)
    }
}

/// Pieces that came so far, by side.
#[derive(Default)]
pub(super) struct Pieces([Vec<u8>; 2]);

impl Pieces {
    /// The whole message, with the last of its pieces.
    pub(super) fn push(
        &mut self,
        from: Side,
        piece: &Piece<'_>,
        out: &mut Output,
    ) -> Option<Vec<u8>> {
        let held = self.0.get_mut(from as usize)?;
        // A message that lost its end is followed by another's beginning.
        if piece.begins().is_some() {
            held.clear();
        } else if held.is_empty() {
            return None;
        }
        if held.len().saturating_add(piece.octets.len()) > WHOLE_OCTETS_MAX {
            out.limit("smb-netbeui-octets");
            held.clear();
            return None;
        }
        held.extend_from_slice(piece.octets);
        piece.last.then(|| std::mem::take(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(command: u8, octets: &[u8]) -> Vec<u8> {
        [&[0x0e, 0, 0xff, 0xef, command, 0, 0, 0, 0, 0, 0, 0, 1, 2][..], octets].concat()
    }

    #[test]
    fn pieces_make_a_message_and_without_a_beginning_none() {
        let (mut pieces, mut out) = (Pieces::default(), Output::default());
        let mut push = |command, octets: &[u8]| {
            let frame = frame(command, octets);
            pieces.push(Side::Client, &Piece::parse(&frame).expect("a piece"), &mut out)
        };
        assert_eq!(push(0x16, b"tail"), None);
        assert_eq!(push(0x15, b"\xffSMB12"), None);
        assert_eq!(push(0x16, b"34").as_deref(), Some(&b"\xffSMB1234"[..]));
        push(0x15, b"\xffSMB");
        for _ in 0..=WHOLE_OCTETS_MAX / 1_000 {
            push(0x15, &[0; 1_000]);
        }
        assert!(push(0x16, b"end").is_none());
        assert_eq!(out.limits, ["smb-netbeui-octets"]);
    }
}
