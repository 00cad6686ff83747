//! Writers: pcapng with nanoseconds, and classic pcap with nanoseconds.

use crate::link::LinkType;
use std::io::{self, Write};

/// One section, one interface, enhanced packet blocks.
pub struct PcapngWriter<W> {
    sink: W,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section and the interface.
    pub fn new(mut sink: W, link: LinkType) -> io::Result<Self> {
        let mut head = Vec::new();
        head.extend([0x0a, 0x0d, 0x0d, 0x0a]);
        head.extend(28u32.to_le_bytes());
        head.extend(0x1a2b_3c4du32.to_le_bytes());
        head.extend([1, 0, 0, 0]);
        head.extend([0xff; 8]);
        head.extend(28u32.to_le_bytes());
        head.extend(1u32.to_le_bytes());
        head.extend(32u32.to_le_bytes());
        head.extend(link.number().to_le_bytes());
        head.extend([0, 0]);
        head.extend(0u32.to_le_bytes());
        // if_tsresol 9: nanoseconds; end of options.
        head.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        head.extend(32u32.to_le_bytes());
        sink.write_all(&head)?;
        Ok(PcapngWriter { sink })
    }

    pub fn packet(&mut self, at_nanos: i64, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len())
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "packet over 4 GiB"))?;
        let padding = length.next_multiple_of(4).saturating_sub(length);
        let total = length.saturating_add(padding).saturating_add(32);
        let ticks = u64::try_from(at_nanos).unwrap_or_default();
        let mut head = [0u8; 28];
        let words =
            [6, total, 0, (ticks >> 32) as u32, (ticks & 0xffff_ffff) as u32, length, length];
        for (slot, word) in head.chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        self.sink.write_all(&head)?;
        self.sink.write_all(data)?;
        self.sink.write_all([0; 3].get(..padding as usize).unwrap_or_default())?;
        self.sink.write_all(&total.to_le_bytes())
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    pub fn into_inner(self) -> W {
        self.sink
    }
}

/// Classic pcap, little endian, nanoseconds.
pub struct PcapWriter<W> {
    sink: W,
}

impl<W: Write> PcapWriter<W> {
    pub fn new(mut sink: W, link: LinkType) -> io::Result<Self> {
        let mut head = vec![0x4d, 0x3c, 0xb2, 0xa1, 2, 0, 4, 0];
        head.extend([0; 8]);
        head.extend(262_144u32.to_le_bytes());
        head.extend(u32::from(link.number()).to_le_bytes());
        sink.write_all(&head)?;
        Ok(PcapWriter { sink })
    }

    /// A packet of `wire_len` octets of which `data` are kept.
    pub fn packet(&mut self, at_nanos: i64, wire_len: u32, data: &[u8]) -> io::Result<()> {
        let seconds = at_nanos.div_euclid(1_000_000_000);
        let words = [
            u32::try_from(seconds).unwrap_or_default(),
            at_nanos.rem_euclid(1_000_000_000) as u32,
            data.len() as u32,
            wire_len,
        ];
        let mut head = [0u8; 16];
        for (slot, word) in head.chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        self.sink.write_all(&head)?;
        self.sink.write_all(data)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }

    pub fn into_inner(self) -> W {
        self.sink
    }
}
