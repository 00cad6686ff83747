//! An NBD client that can only read (NetworkBlockDevice protocol, doc/proto.md: fixed newstyle,
//! structured replies, block status).
//!
//! Invariant: [`Command`] is all that can leave once the export is chosen: read, block status,
//! disconnect. There is no write, trim, or cache request.

use super::super::link::{Line, connect, malformed};
use crate::limits::{NBD_CHUNKS_MAX, NBD_DISK_BYTES_MAX, NBD_READ_BYTES, SERVER_TIMEOUT};
use std::io::{self, Read, Write};

const OPTION_MAGIC: u64 = 0x4948_4156_454f_5054;
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const SIMPLE_MAGIC: u32 = 0x6744_6698;
const CHUNK_MAGIC: u32 = 0x668e_33ef;

/// Options.
const GO: u32 = 7;
const STRUCTURED_REPLY: u32 = 8;
const SET_META_CONTEXT: u32 = 10;

/// The context that says what is allocated.
const ALLOCATION: &str = "base:allocation";

/// Octets of one reply to an option, and of one description of extents.
const REPLY_BYTES_MAX: u32 = 1_048_576;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    Read,
    Disconnect,
    BlockStatus,
}

impl Command {
    fn number(self) -> u16 {
        match self {
            Self::Read => 0,
            Self::Disconnect => 2,
            Self::BlockStatus => 7,
        }
    }
}

pub struct Client {
    stream: Line,
    cookie: u64,
    pub size: u64,
    is_structured: bool,
    /// Number of the context, when the server has it.
    context: Option<u32>,
}

/// Flags of `base:allocation`: bit 1, reads as zeros. Bit 0, a hole, alone promises nothing.
pub const ZERO: u32 = 2;

/// Flag of `qemu:dirty-bitmap:NAME` (QEMU, docs/interop/nbd.rst): written to since it began.
pub const DIRTY: u32 = 1;

/// A run of octets and what the context says of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Extent {
    pub length: u64,
    pub flags: u32,
}

impl Drop for Client {
    fn drop(&mut self) {
        // A server that is gone needs no good-bye.
        drop(self.send(Command::Disconnect, 0, 0));
    }
}

impl Client {
    /// `context` is what extents are asked about; else what is allocated.
    pub fn open(address: &str, export: &str, context: Option<&str>) -> io::Result<Self> {
        let stream = connect(address)?.with_silence(SERVER_TIMEOUT);
        let (size, is_structured) = (0, false);
        let mut client = Self { stream, cookie: 0, size, is_structured, context: None };
        let mut greeting = [0; 18];
        client.stream.read_exact(&mut greeting)?;
        let flags = u16::from_be_bytes([greeting[16], greeting[17]]);
        if greeting[..8] != *b"NBDMAGIC" || greeting[8..16] != *b"IHAVEOPT" || flags & 1 == 0 {
            return Err(io::Error::other("it is no NBD server of today's kind"));
        }
        // Fixed newstyle, no padding.
        client.stream.write_all(&u32::from(flags & 3).to_be_bytes())?;
        client.option(STRUCTURED_REPLY, &[])?;
        client.is_structured = client.replies(STRUCTURED_REPLY, &mut |_, _| Ok(()))?;
        if client.is_structured {
            client.choose_context(export, context.unwrap_or(ALLOCATION))?;
        }
        client.go(export)?;
        Ok(client)
    }

    /// Whether the server has the context that was asked for.
    pub fn has_context(&self) -> bool {
        self.context.is_some()
    }

    fn choose_context(&mut self, export: &str, context: &str) -> io::Result<()> {
        let mut data = text(export);
        data.extend(1_u32.to_be_bytes());
        data.extend(text(context));
        self.option(SET_META_CONTEXT, &data)?;
        let mut found = None;
        self.replies(SET_META_CONTEXT, &mut |kind, body| {
            if kind == 4 && body.get(4..) == Some(context.as_bytes()) {
                found = body.first_chunk().map(|number| u32::from_be_bytes(*number));
            }
            Ok(())
        })?;
        self.context = found;
        Ok(())
    }

    fn go(&mut self, export: &str) -> io::Result<()> {
        // No further information is asked for.
        let data = [text(export), vec![0, 0]].concat();
        self.option(GO, &data)?;
        let mut size = None;
        let done = self.replies(GO, &mut |kind, body| {
            // Information of type 0: the export's size and flags.
            if let (3, [0, 0, rest @ ..]) = (kind, body) {
                size = rest.first_chunk().map(|size| u64::from_be_bytes(*size));
            }
            Ok(())
        })?;
        match size {
            Some(size) if done && size > NBD_DISK_BYTES_MAX => {
                Err(io::Error::other(format!("a disk of {size} octets is no disk")))
            }
            Some(size) if done => {
                self.size = size;
                Ok(())
            }
            _ => Err(io::Error::other(format!("the server has no export `{export}` for us"))),
        }
    }

    fn option(&mut self, option: u32, data: &[u8]) -> io::Result<()> {
        let length = u32::try_from(data.len()).expect("options are short");
        let head = [&OPTION_MAGIC.to_be_bytes()[..], &option.to_be_bytes(), &length.to_be_bytes()];
        self.stream.write_all(&[&head.concat(), data].concat())
    }

    /// Replies to an option up to its acknowledgement; false when the server refuses it.
    fn replies(
        &mut self,
        option: u32,
        take: &mut dyn FnMut(u32, &[u8]) -> io::Result<()>,
    ) -> io::Result<bool> {
        for _ in 0..1_000 {
            let magic = u64::from_be_bytes(self.array()?);
            let (of, kind) = (u32::from_be_bytes(self.array()?), u32::from_be_bytes(self.array()?));
            let length = u32::from_be_bytes(self.array()?);
            if magic != REPLY_MAGIC || of != option || length > REPLY_BYTES_MAX {
                return Err(malformed());
            }
            let mut body = vec![0; length as usize];
            self.stream.read_exact(&mut body)?;
            match kind {
                1 => return Ok(true),
                kind if kind & 0x8000_0000 != 0 => return Ok(false),
                kind => take(kind, &body)?,
            }
        }
        Err(malformed())
    }

    fn array<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn send(&mut self, command: Command, offset: u64, length: u32) -> io::Result<()> {
        self.cookie = self.cookie.wrapping_add(1);
        let mut request = Vec::from(REQUEST_MAGIC.to_be_bytes());
        request.extend([0, 0]);
        request.extend(command.number().to_be_bytes());
        request.extend(self.cookie.to_be_bytes());
        request.extend(offset.to_be_bytes());
        request.extend(length.to_be_bytes());
        self.stream.write_all(&request)
    }

    /// What the context says from `offset` on; nothing where the server does not know.
    pub fn extents(&mut self, offset: u64, length: u32) -> io::Result<Vec<Extent>> {
        let whole = Extent { length: u64::from(length), flags: 0 };
        let Some(context) = self.context else { return Ok(vec![whole]) };
        self.send(Command::BlockStatus, offset, length)?;
        let mut found = Vec::new();
        self.chunks(&mut |kind, body| {
            if kind != 5 || body.first_chunk() != Some(&context.to_be_bytes()) {
                return Ok(());
            }
            if found.len() > REPLY_BYTES_MAX as usize {
                return Err(malformed());
            }
            for pair in body[4..].as_chunks::<8>().0 {
                let [l0, l1, l2, l3, f0, f1, f2, f3] = *pair;
                let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
                let flags = u32::from_be_bytes([f0, f1, f2, f3]);
                found.push(Extent { length, flags });
            }
            Ok(())
        })?;
        if found.iter().any(|extent| extent.length > 0) { Ok(found) } else { Err(malformed()) }
    }

    /// Octets from `offset` on, as many as `buffer` holds.
    pub fn read(&mut self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let length = u32::try_from(buffer.len()).map_err(|_| malformed())?;
        self.send(Command::Read, offset, length)?;
        if !self.is_structured {
            let magic = u32::from_be_bytes(self.array()?);
            let (error, cookie) =
                (u32::from_be_bytes(self.array()?), u64::from_be_bytes(self.array()?));
            if magic != SIMPLE_MAGIC || cookie != self.cookie {
                return Err(malformed());
            }
            return if error == 0 { self.stream.read_exact(buffer) } else { Err(refused(error)) };
        }
        let mut filled = 0;
        self.chunks(&mut |kind, body| {
            let at = body.first_chunk().map(|offset| u64::from_be_bytes(*offset));
            let from = at.and_then(|at| usize::try_from(at.checked_sub(offset)?).ok());
            let (data, hole): (&[u8], usize) = match kind {
                1 => (&body[8..], 0),
                2 => {
                    let length = body.get(8..).and_then(<[u8]>::first_chunk);
                    (&[], u32::from_be_bytes(*length.ok_or_else(malformed)?) as usize)
                }
                _ => return Ok(()),
            };
            let from = from.ok_or_else(malformed)?;
            let length = data.len() + hole;
            let end = from.checked_add(length).ok_or_else(malformed)?;
            let place = buffer.get_mut(from..end).ok_or_else(malformed)?;
            if hole > 0 {
                place.fill(0)
            } else {
                place.copy_from_slice(data)
            }
            filled += length;
            Ok(())
        })?;
        if filled == buffer.len() { Ok(()) } else { Err(malformed()) }
    }

    /// The chunks of a structured reply.
    fn chunks(&mut self, take: &mut dyn FnMut(u16, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut failed = None;
        for _ in 0..NBD_CHUNKS_MAX {
            let magic = u32::from_be_bytes(self.array()?);
            let (flags, kind) =
                (u16::from_be_bytes(self.array()?), u16::from_be_bytes(self.array()?));
            let cookie = u64::from_be_bytes(self.array()?);
            let length = u32::from_be_bytes(self.array()?) as usize;
            let most = NBD_READ_BYTES.max(REPLY_BYTES_MAX as usize) + 64;
            if magic != CHUNK_MAGIC || cookie != self.cookie || length > most {
                return Err(malformed());
            }
            let mut body = vec![0; length];
            self.stream.read_exact(&mut body)?;
            if kind & 0x8000 != 0 {
                let error = body.first_chunk().map_or(0, |error| u32::from_be_bytes(*error));
                failed = Some(refused(error));
            } else if (kind == 1 && length < 8) || (kind == 5 && length < 4) {
                return Err(malformed());
            } else {
                take(kind, &body)?;
            }
            if flags & 1 != 0 {
                return failed.map_or(Ok(()), Err);
            }
        }
        Err(malformed())
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("names are short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn refused(error: u32) -> io::Error {
    let name = match error {
        1 => "not permitted",
        5 => "input/output error",
        22 => "invalid request",
        _ => "an error",
    };
    io::Error::other(format!("the server says: {name} ({error})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client whose server says this, whatever it is asked.
    fn told(said: Vec<u8>) -> Client {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = connect(&listener.local_addr().unwrap().to_string()).unwrap();
        let (mut peer, _) = listener.accept().unwrap();
        std::thread::spawn(move || {
            // The client may have had enough of it.
            drop(peer.write_all(&said));
            drop(io::copy(&mut peer, &mut io::sink()));
        });
        Client { stream, cookie: 0, size: 0, is_structured: true, context: Some(7) }
    }

    #[test]
    fn an_answer_has_an_end() {
        let chunk = |flags: u8, length: u32| {
            let head = [&CHUNK_MAGIC.to_be_bytes()[..], &[0, flags, 0, 5], &1_u64.to_be_bytes()];
            let body = [7, length, 0].map(u32::to_be_bytes).concat();
            [&head.concat()[..], &12_u32.to_be_bytes(), &body].concat()
        };
        let answer = |times| [chunk(0, 0).repeat(times), chunk(1, 4_096)].concat();
        let found = told(answer(NBD_CHUNKS_MAX - 1)).extents(0, 4_096).unwrap();
        assert_eq!((found.len(), found.last().unwrap().length), (NBD_CHUNKS_MAX, 4_096));
        let error = told(answer(NBD_CHUNKS_MAX)).extents(0, 4_096).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_disk_that_cannot_be_is_not_read() {
        let export = |size: u64| {
            let head = [&REPLY_MAGIC.to_be_bytes()[..], &GO.to_be_bytes()].concat();
            let size = [&[0, 0, 0, 3, 0, 0, 0, 10, 0, 0][..], &size.to_be_bytes()].concat();
            let mut client = told([&head[..], &size, &head, &[0, 0, 0, 1, 0, 0, 0, 0]].concat());
            client.go("disk").map(|()| client.size)
        };
        assert_eq!(export(NBD_DISK_BYTES_MAX).unwrap(), NBD_DISK_BYTES_MAX);
        let error = export(NBD_DISK_BYTES_MAX + 1).unwrap_err();
        assert!(error.to_string().contains("is no disk"), "{error}");
    }
}
