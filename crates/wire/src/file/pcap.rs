//! The pcap format (draft-ietf-opsawg-pcap): both byte orders, micro- and nanoseconds, and the
//! modified form of old Linux kernels with longer record headers.

use super::{Found, ReadError, buffer::Buffer};
use crate::{limits::PACKET_OCTETS_MAX, link::LinkType, reader::Reader};
use std::io::Read;

pub(super) const HEADER_OCTETS: usize = 24;

#[derive(Clone, Copy)]
pub(super) struct Form {
    big_endian: bool,
    nanoseconds: bool,
    record_header: usize,
}

impl Form {
    pub(super) fn from_magic(magic: [u8; 4]) -> Option<Form> {
        let form = |big_endian, nanoseconds, record_header| {
            Some(Form { big_endian, nanoseconds, record_header })
        };
        match magic {
            [0xa1, 0xb2, 0xc3, 0xd4] => form(true, false, 16),
            [0xd4, 0xc3, 0xb2, 0xa1] => form(false, false, 16),
            [0xa1, 0xb2, 0x3c, 0x4d] => form(true, true, 16),
            [0x4d, 0x3c, 0xb2, 0xa1] => form(false, true, 16),
            [0xa1, 0xb2, 0xcd, 0x34] => form(true, false, 24),
            [0x34, 0xcd, 0xb2, 0xa1] => form(false, false, 24),
            _ => None,
        }
    }

    fn number(&self, octets: [u8; 4]) -> u32 {
        if self.big_endian { u32::from_be_bytes(octets) } else { u32::from_le_bytes(octets) }
    }
}

pub(super) struct Pcap {
    form: Form,
    link: LinkType,
}

impl Pcap {
    pub(super) fn from_header(form: Form, head: &[u8]) -> Option<Pcap> {
        let link = head.get(20..24)?.first_chunk::<4>()?;
        // The upper bits hold the length of a frame check sequence.
        let link = LinkType::from_number((form.number(*link) & 0xffff) as u16);
        Some(Pcap { form, link })
    }

    /// The next packet where it stands whole in the buffer, as nearly all do.
    #[inline]
    pub(super) fn here(&self, octets: &[u8]) -> Option<Found> {
        let header = self.form.record_header;
        let &[s0, s1, s2, s3, f0, f1, f2, f3, c0, c1, c2, c3, w0, w1, w2, w3] =
            octets.first_chunk::<16>()?;
        let captured = self.form.number([c0, c1, c2, c3]);
        let record = header.saturating_add(captured as usize);
        if captured as usize > PACKET_OCTETS_MAX || octets.len() < record {
            return None;
        }
        let seconds = self.form.number([s0, s1, s2, s3]);
        let fraction = self.form.number([f0, f1, f2, f3]);
        let lengths = (captured, self.form.number([w0, w1, w2, w3]));
        Some(self.found((seconds, fraction), lengths))
    }

    fn found(&self, (seconds, fraction): (u32, u32), (captured, wire_len): (u32, u32)) -> Found {
        let unit = if self.form.nanoseconds { 1 } else { 1_000 };
        let nanos = i64::from(fraction).saturating_mul(unit);
        Found {
            at_nanos: i64::from(seconds).saturating_mul(1_000_000_000).saturating_add(nanos),
            // Some programs write a wire length below the captured one.
            wire_len: wire_len.max(captured),
            link: self.link,
            interface: 0,
            data_at: self.form.record_header,
            data_len: captured as usize,
            record: self.form.record_header.saturating_add(captured as usize),
        }
    }

    #[inline]
    pub(super) fn next<R: Read>(
        &mut self,
        buffer: &mut Buffer<R>,
    ) -> Result<Option<Found>, ReadError> {
        match self.here(buffer.available()) {
            Some(found) => Ok(Some(found)),
            None => self.fetch(buffer),
        }
    }

    #[cold]
    fn fetch<R: Read>(&mut self, buffer: &mut Buffer<R>) -> Result<Option<Found>, ReadError> {
        let offset = buffer.offset();
        let io = |source| ReadError::Io { offset, source };
        let header = self.form.record_header;
        let head = buffer.fill(header).map_err(io)?;
        if head.is_empty() {
            return Ok(None);
        }
        let mut at = Reader::new(head);
        let mut word = || at.array::<4>().map(|octets| self.form.number(octets));
        let (Ok(seconds), Ok(fraction), Ok(captured), Ok(wire_len), true) =
            (word(), word(), word(), word(), head.len() >= header)
        else {
            return Err(ReadError::Truncated { offset });
        };
        let data_len = captured as usize;
        if data_len > PACKET_OCTETS_MAX {
            let what = "a packet longer than any capture program writes";
            return Err(ReadError::Damaged { offset, what });
        }
        let record = header.saturating_add(data_len);
        if buffer.fill(record).map_err(io)?.len() < record {
            return Err(ReadError::Truncated { offset });
        }
        Ok(Some(self.found((seconds, fraction), (captured, wire_len))))
    }
}
