//! Frames that carry DLMS: the wrapper of TCP and UDP (IEC 62056-47), and HDLC (IEC 62056-46).
//!
//! Invariant: an APDU lies within its frame.

use wire::Reader;

const FLAG: u8 = 0x7e;
const WRAPPER_OCTETS: usize = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame<'a> {
    /// Client and server ports of the wrapper, by direction.
    Wrapper {
        source: u16,
        destination: u16,
        apdu: &'a [u8],
    },
    Hdlc(Hdlc<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hdlc<'a> {
    pub destination: u32,
    pub source: u32,
    pub control: u8,
    /// More of this information follows in another frame.
    pub segmented: bool,
    pub information: &'a [u8],
}

/// Octets of the frame at the start of `bytes`; `None` while its length is not there.
pub fn size(bytes: &[u8]) -> Option<Result<usize, ()>> {
    match bytes {
        [FLAG, high, low, ..] if high >> 4 == 0xa => {
            let length = usize::from(u16::from_be_bytes([high & 7, *low]));
            // Addresses, control and check sequence at least; a flag before and behind.
            Some(if length >= 7 { Ok(length.saturating_add(2)) } else { Err(()) })
        }
        [FLAG, high, ..] if high >> 4 != 0xa => Some(Err(())),
        [0, 1, _, _, _, _, high, low, ..] => {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            Some(Ok(length.saturating_add(WRAPPER_OCTETS)))
        }
        [] | [FLAG] | [FLAG, _] | [0] => None,
        [0, 1, ..] => None,
        _ => Some(Err(())),
    }
}

/// Reads a whole frame; `None` when it is damaged.
pub fn parse(frame: &[u8]) -> Option<Frame<'_>> {
    let mut at = Reader::new(frame);
    if frame.first() != Some(&FLAG) {
        at.skip(2).ok()?;
        let (source, destination) = (at.be16().ok()?, at.be16().ok()?);
        let length = usize::from(at.be16().ok()?);
        return Some(Frame::Wrapper { source, destination, apdu: at.bytes(length).ok()? });
    }
    let [_, body @ .., FLAG] = frame else { return None };
    let (checked, sum) = body.split_last_chunk::<2>()?;
    if check(checked) != u16::from_le_bytes(*sum) {
        return None;
    }
    let mut at = Reader::new(checked);
    let segmented = at.be16().ok()? & 0x0800 != 0;
    let (destination, source) = (address(&mut at)?, address(&mut at)?);
    let control = at.u8().ok()?;
    // A header check sequence stands before information.
    if !at.is_empty() {
        at.skip(2).ok()?;
    }
    let information = at.rest();
    Some(Frame::Hdlc(Hdlc { destination, source, control, segmented, information }))
}

/// Seven bits an octet, the last with its lowest bit set.
fn address(at: &mut Reader<'_>) -> Option<u32> {
    let mut address = 0;
    for _ in 0..4 {
        let octet = at.u8().ok()?;
        address = address << 7 | u32::from(octet >> 1);
        if octet & 1 == 1 {
            return Some(address);
        }
    }
    None
}

/// CRC-16 of X.25 (IEC 62056-46, annex A).
pub fn check(bytes: &[u8]) -> u16 {
    let crc =
        bytes.iter().fold(0xffffu16, |crc, byte| {
            (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
                if crc & 1 != 0 { crc >> 1 ^ 0x8408 } else { crc >> 1 }
            })
        });
    !crc
}

/// A wrapper, or an HDLC frame with one-octet addresses.
pub fn emit(frame: &Frame<'_>) -> Vec<u8> {
    match frame {
        Frame::Wrapper { source, destination, apdu } => {
            let mut bytes = vec![0, 1];
            bytes.extend(source.to_be_bytes());
            bytes.extend(destination.to_be_bytes());
            bytes.extend((apdu.len() as u16).to_be_bytes());
            bytes.extend_from_slice(apdu);
            bytes
        }
        Frame::Hdlc(hdlc) => {
            let more = if hdlc.information.is_empty() { 0 } else { 2 };
            let length = hdlc.information.len().saturating_add(7).saturating_add(more);
            let segmented = if hdlc.segmented { 0x0800 } else { 0 };
            let mut bytes = (0xa000 | segmented | length as u16 & 0x07ff).to_be_bytes().to_vec();
            bytes.extend([(hdlc.destination << 1) as u8 | 1, (hdlc.source << 1) as u8 | 1]);
            bytes.push(hdlc.control);
            if !hdlc.information.is_empty() {
                bytes.extend(check(&bytes).to_le_bytes());
            }
            bytes.extend_from_slice(hdlc.information);
            bytes.extend(check(&bytes).to_le_bytes());
            [&[FLAG][..], &bytes, &[FLAG]].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            (source, destination) in any::<(u16, u16)>(),
            (control, segmented) in any::<(u8, bool)>(),
            octets in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let hdlc = Hdlc {
                destination: u32::from(destination & 0x7f),
                source: u32::from(source & 0x7f),
                control,
                segmented,
                information: &octets,
            };
            let wrapper = Frame::Wrapper { source, destination, apdu: &octets };
            for frame in [wrapper, Frame::Hdlc(hdlc)] {
                let bytes = emit(&frame);
                prop_assert_eq!(size(&bytes), Some(Ok(bytes.len())));
                prop_assert_eq!(parse(&bytes), Some(frame));
            }
        }
    }

    #[test]
    fn the_check_sequence_is_that_of_x25() {
        assert_eq!(check(b"123456789"), 0x906e);
    }
}
