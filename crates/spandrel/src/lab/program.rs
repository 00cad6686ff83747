//! The mixing controller's program, served on the loopback interface for backups.
//!
//! An S7-300 as a programming device reads it: identity by system status lists, lists of blocks,
//! upload of each (RFC 1006 and S7comm as `lab` speaks it). It answers reading alone. Invariant: a
//! block is what the simulated controller would give at that second; one being uploaded does not
//! change in between.

use super::door;
use anyhow::Result;
use lab::{actors::controllers, plant::program::Block, speak::s7, world::World};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

/// Octets of a block in one answer, as a PDU of 240 has room for.
const PART_OCTETS: usize = 200;
const TPKT_OCTETS_MAX: usize = 1_024;

const JOB: u8 = 1;
const USER_DATA: u8 = 7;
const SETUP: u8 = 0xf0;
const START_UPLOAD: u8 = 0x1d;
const UPLOAD: u8 = 0x1e;
const END_UPLOAD: u8 = 0x1f;
/// What the controller says to a job it has no answer for, and to one for a block it has not.
const NOT_SUPPORTED: (u8, u8) = (0x81, 0x04);
const NO_SUCH_BLOCK: (u8, u8) = (0xd2, 0x09);

/// The blocks as they were in the last simulated second.
#[derive(Clone)]
pub struct Program(Arc<Mutex<Vec<Block>>>);

/// An upload under way.
type Upload = Option<(Vec<u8>, usize)>;

impl Program {
    /// Opens the port; clients are answered in the background.
    pub fn serve(address: SocketAddr) -> Result<(Self, SocketAddr)> {
        let program = Program(Arc::new(Mutex::new(Vec::new())));
        let shared = program.clone();
        let bound = door::open(address, move |stream| shared.answer(stream))?;
        Ok((program, bound))
    }

    /// Takes the plant as it is.
    pub fn look(&self, world: &World) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = controllers::program(world);
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let mut upload: Upload = None;
        loop {
            let frame = frame(&mut stream)?;
            let said = match frame.get(1) {
                // X.224: a request to connect is confirmed with its own parameters.
                Some(0xe0) => confirm(&frame),
                Some(0xf0) => frame.get(3..).and_then(|pdu| self.say(pdu, &mut upload)),
                _ => None,
            };
            let Some(said) = said else { return Ok(()) };
            stream.write_all(&said)?;
        }
    }

    /// The answer to a unit of S7; none ends the conversation.
    fn say(&self, pdu: &[u8], upload: &mut Upload) -> Option<Vec<u8>> {
        let [0x32, kind, _, _, r0, r1, p0, p1, _, _, rest @ ..] = pdu else { return None };
        let reference = u16::from_be_bytes([*r0, *r1]);
        let length = usize::from(u16::from_be_bytes([*p0, *p1]));
        let (parameters, data) = rest.split_at_checked(length)?;
        match *kind {
            JOB => Some(self.job(reference, parameters, upload)),
            USER_DATA => self.user_data(reference, parameters, data),
            _ => None,
        }
    }

    fn job(&self, reference: u16, parameters: &[u8], upload: &mut Upload) -> Vec<u8> {
        match parameters.first().copied() {
            Some(SETUP) => s7::setup(reference).1,
            Some(START_UPLOAD) => match self.block(parameters) {
                Some(bytes) => {
                    let length = bytes.len();
                    *upload = Some((bytes, 0));
                    s7::upload_began(reference, 1, length)
                }
                None => s7::refused(reference, NO_SUCH_BLOCK),
            },
            Some(UPLOAD) => {
                let Some((bytes, at)) = upload else {
                    return s7::refused(reference, NOT_SUPPORTED);
                };
                let rest = bytes.get(*at..).unwrap_or_default();
                let part = rest.get(..PART_OCTETS).unwrap_or(rest);
                *at += part.len();
                s7::upload_part(reference, part, *at < bytes.len())
            }
            Some(END_UPLOAD) => {
                *upload = None;
                s7::upload_ended(reference)
            }
            _ => s7::refused(reference, NOT_SUPPORTED),
        }
    }

    /// The block a job names: `_0`, its kind, five digits, the file system.
    fn block(&self, parameters: &[u8]) -> Option<Vec<u8>> {
        let name = std::str::from_utf8(parameters.get(9..18)?).ok()?;
        let kind = *name.strip_prefix("_0")?.as_bytes().first()?;
        let number: u16 = name.get(3..8)?.parse().ok()?;
        let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = blocks.iter().find(|block| (block.kind, block.number) == (kind, number));
        found.map(|block| block.bytes.clone())
    }

    fn user_data(&self, reference: u16, parameters: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        let [.., group, function, sequence] = parameters else { return None };
        match (group & 0x0f, function, data.get(4..)?) {
            (4, 1, [a, b, c, d]) => {
                let (list, index) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                let records = controllers::status_list(list);
                Some(s7::szl(reference, *sequence, (list, index), &records).1)
            }
            (3, 2, [_, kind]) => {
                let blocks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let of_kind = blocks.iter().filter(|block| block.kind == *kind);
                let numbers: Vec<u16> = of_kind.map(|block| block.number).collect();
                Some(s7::block_list(reference, *sequence, &numbers))
            }
            _ => None,
        }
    }
}

/// One TPKT (RFC 1006, section 6) without its header.
fn frame(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    if head[0] != 3 || !(7..=TPKT_OCTETS_MAX).contains(&length) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut frame = vec![0; length - 4];
    stream.read_exact(&mut frame)?;
    Ok(frame)
}

fn confirm(request: &[u8]) -> Option<Vec<u8>> {
    let [length, _, _, _, s0, s1, class, parameters @ ..] = request else { return None };
    let total = u16::try_from(request.len() + 4).ok()?.to_be_bytes();
    let mut said = vec![3, 0, total[0], total[1], *length, 0xd0, *s0, *s1, 0, 0x44, *class];
    said.extend_from_slice(parameters);
    Some(said)
}
