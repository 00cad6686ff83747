//! Writes a pcapng stream (IETF draft-ietf-opsawg-pcapng): one section, one Ethernet interface.
//!
//! Not a reader. Invariant: time stamps are nanoseconds, and the bytes depend on nothing but the
//! frames, so equal plants give equal files.

use std::io::{self, Write};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const LINKTYPE_ETHERNET: u16 = 1;

pub struct Pcapng<W> {
    out: W,
    block: Vec<u8>,
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    body.resize(body.len().next_multiple_of(4), 0);
}

impl<W: Write> Pcapng<W> {
    /// Writes section header and interface description.
    pub fn new(out: W, interface: &str) -> io::Result<Self> {
        let mut this = Pcapng { out, block: Vec::with_capacity(2_048) };
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend([1, 0, 0, 0]);
        body.extend((-1_i64).to_le_bytes());
        option(&mut body, 4, b"spandrel lab");
        option(&mut body, 0, b"");
        this.write_block(SECTION, &body)?;
        body.clear();
        body.extend(LINKTYPE_ETHERNET.to_le_bytes());
        body.extend([0, 0]);
        body.extend(0_u32.to_le_bytes());
        option(&mut body, 2, interface.as_bytes());
        option(&mut body, 9, &[9]); // if_tsresol: 10^-9 s
        option(&mut body, 0, b"");
        this.write_block(INTERFACE, &body)?;
        Ok(this)
    }

    fn write_block(&mut self, kind: u32, body: &[u8]) -> io::Result<()> {
        let length = 12 + body.len() as u32;
        self.block.clear();
        self.block.extend(kind.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.block.extend(body);
        self.block.extend(length.to_le_bytes());
        self.out.write_all(&self.block)
    }

    /// `at_nanos` since 1970 UTC.
    pub fn packet(&mut self, at_nanos: i64, frame: &[u8]) -> io::Result<()> {
        let padded = frame.len().next_multiple_of(4);
        let length = 32 + padded as u32;
        let at = at_nanos as u64;
        self.block.clear();
        self.block.extend(ENHANCED_PACKET.to_le_bytes());
        self.block.extend(length.to_le_bytes());
        self.block.extend(0_u32.to_le_bytes());
        self.block.extend(((at >> 32) as u32).to_le_bytes());
        self.block.extend((at as u32).to_le_bytes());
        self.block.extend((frame.len() as u32).to_le_bytes());
        self.block.extend((frame.len() as u32).to_le_bytes());
        self.block.extend(frame);
        self.block.resize(28 + padded, 0);
        self.block.extend(length.to_le_bytes());
        self.out.write_all(&self.block)
    }

    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub fn into_inner(self) -> W {
        self.out
    }
}
