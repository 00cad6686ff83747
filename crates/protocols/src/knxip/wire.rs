//! KNXnet/IP headers, description blocks and cEMI telegrams (EN ISO 22510, clauses 5 to 7).
//!
//! Invariant: a block shorter than its own two octets ends the list.

use ::wire::{Reader, Short};

pub const HEADER_OCTETS: usize = 6;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub service: u16,
    pub length: u16,
}

impl Header {
    /// Of version 1.0, whose header is six octets long; anything else counts as missing.
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut r = Reader::new(bytes);
        if r.array()? != [0x06, 0x10] {
            return Err(Short { needed: 1 });
        }
        Ok(Header { service: r.be16()?, length: r.be16()? })
    }

    pub fn emit(&self, body: &[u8]) -> Vec<u8> {
        let [a, b] = self.service.to_be_bytes();
        let [c, d] = self.length.to_be_bytes();
        [&[6, 0x10, a, b, c, d], body].concat()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block<'a> {
    pub kind: u8,
    pub data: &'a [u8],
}

/// Description information blocks.
pub fn blocks(bytes: &[u8]) -> impl Iterator<Item = Block<'_>> {
    const BLOCKS_MAX: usize = 32;
    let mut r = Reader::new(bytes);
    (0..BLOCKS_MAX).map_while(move |_| {
        let (length, kind) = (usize::from(r.u8().ok()?), r.u8().ok()?);
        Some(Block { kind, data: r.bytes(length.checked_sub(2)?).ok()? })
    })
}

/// Area, line and device of an individual address.
pub fn individual(address: u16) -> String {
    format!("{}.{}.{}", address >> 12, address >> 8 & 0x0f, address & 0xff)
}

/// A telegram of the data link layer in cEMI (ISO/IEC 14543-3-6 and -7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Telegram<'a> {
    /// 0x11 request, 0x29 indication, 0x2e confirmation.
    pub message: u8,
    /// Of a confirmation: the bus did not take it.
    pub failed: bool,
    pub source: u16,
    pub destination: u16,
    pub group: bool,
    /// It opens a connection to a device: T_Connect (ISO/IEC 14543-3-2).
    pub connects: bool,
    /// Application service and its octets; `None` for transport control.
    pub application: Option<(u16, &'a [u8])>,
    /// The six bits that stand with the service where there are no octets.
    pub small: u8,
}

impl<'a> Telegram<'a> {
    /// `None` for any other message of cEMI, or one cut short.
    pub fn parse(bytes: &'a [u8]) -> Option<Telegram<'a>> {
        let mut r = Reader::new(bytes);
        let message = r.u8().ok()?;
        if !matches!(message, 0x11 | 0x29 | 0x2e) {
            return None;
        }
        let added = usize::from(r.u8().ok()?);
        r.skip(added).ok()?;
        let [first, control] = r.array().ok()?;
        let (source, destination) = (r.be16().ok()?, r.be16().ok()?);
        // Octets behind the one of transport control.
        let length = usize::from(r.u8().ok()?);
        let transport = r.u8().ok()?;
        let (group, failed) = (control & 0x80 != 0, message == 0x2e && first & 1 != 0);
        let (connects, application) = (!group && transport == 0x80, None);
        let mut telegram = Telegram {
            message,
            failed,
            source,
            destination,
            group,
            connects,
            application,
            small: 0,
        };
        if transport & 0x80 == 0 && length > 0 {
            let second = r.u8().ok()?;
            let data = r.bytes(length.saturating_sub(1)).ok()?;
            let whole = u16::from(transport & 3) << 8 | u16::from(second);
            // The first ten services leave six bits for data, the others use all ten.
            let apci = match whole & 0x3c0 {
                0x2c0 | 0x3c0 => whole,
                service => service,
            };
            telegram.small = second & 0x3f;
            telegram.application = Some((apci, data));
        }
        Some(telegram)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(service: u16, length: u16) {
            let header = Header { service, length };
            prop_assert_eq!(Header::parse(&header.emit(&[1])), Ok(header));
        }
    }

    #[test]
    fn a_group_write_of_one_bit_has_its_value_in_the_service() {
        let bytes = [0x29, 0, 0xbc, 0xe0, 0x11, 0x05, 0x08, 0x01, 1, 0x00, 0x81];
        let telegram = Telegram::parse(&bytes).expect("a telegram");
        assert_eq!(telegram.application, Some((0x080, &[][..])));
        assert_eq!((telegram.small, telegram.group), (1, true));
        assert_eq!(individual(telegram.source), "1.1.5");
    }
}
