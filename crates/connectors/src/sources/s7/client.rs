//! An S7 client that can only read: system status lists, block lists, block upload.
//!
//! Transport: ISO transport on TCP (RFC 1006) class 0 (ITU-T X.224). The S7 protocol itself is
//! not published by its maker; field layouts are those of public dissectors. Invariant:
//! [`Question`] is all that can leave, and has nothing that writes, starts, stops, deletes or
//! downloads.

use super::super::{
    link,
    pace::{Pace, Pause},
};
use crate::limits::{BLOCK_BYTES_MAX, FRAGMENTS_MAX, TPKT_BYTES_MAX};
use std::io::{self, Read, Write};

enum Question<'a> {
    Setup,
    StatusList { id: u16, index: u16 },
    Blocks { kind: BlockKind },
    NextFragment { group: u8, function: u8, sequence: u8 },
    StartUpload { name: &'a [u8; 9] },
    Upload { id: u8 },
    EndUpload { id: u8 },
}

/// User data groups (low nibble of the request's type byte) and functions.
const GROUP_BLOCKS: u8 = 3;
const GROUP_CPU: u8 = 4;
const LIST_OF_KIND: u8 = 2;
const READ_STATUS_LIST: u8 = 1;

const START_UPLOAD: u8 = 0x1d;
const UPLOAD: u8 = 0x1e;
const END_UPLOAD: u8 = 0x1f;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BlockKind {
    pub name: &'static str,
    code: u8,
}

/// The kinds that hold a program. System functions (SFC, SFB) are the CPU's own.
pub const BLOCK_KINDS: [BlockKind; 5] = [
    BlockKind { name: "OB", code: b'8' },
    BlockKind { name: "DB", code: b'A' },
    BlockKind { name: "SDB", code: b'B' },
    BlockKind { name: "FC", code: b'C' },
    BlockKind { name: "FB", code: b'E' },
];

#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("the CPU refuses: error {0:#06x}")]
    Refused(u16),
    #[error("the answer is not one to what was asked")]
    Malformed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

use NoAnswer::Malformed;

impl Question<'_> {
    /// Questions that take a CPU a like time.
    fn sort(&self) -> &'static str {
        match self {
            Self::Setup | Self::StartUpload { .. } | Self::EndUpload { .. } => "control",
            Self::StatusList { .. } | Self::Blocks { .. } | Self::NextFragment { .. } => "list",
            Self::Upload { .. } => "upload",
        }
    }

    /// ROSCTR (1 job, 7 user data), parameters and data.
    fn parts(&self) -> (u8, Vec<u8>, Vec<u8>) {
        let user = |group: u8, function, sequence, data: &[u8]| {
            let parameters = vec![0, 1, 0x12, 4, 0x11, 0x40 | group, function, sequence];
            (7, parameters, data.to_vec())
        };
        match *self {
            // One job in flight, PDU of 240 bytes, the least of any CPU: a part of an upload
            // is as short as can be, so that nobody who asks meanwhile waits for long.
            Self::Setup => (1, vec![0xf0, 0, 0, 1, 0, 1, 0, 240], Vec::new()),
            Self::StatusList { id, index } => {
                let ([a, b], [c, d]) = (id.to_be_bytes(), index.to_be_bytes());
                user(GROUP_CPU, READ_STATUS_LIST, 0, &[0xff, 9, 0, 4, a, b, c, d])
            }
            Self::Blocks { kind } => {
                user(GROUP_BLOCKS, LIST_OF_KIND, 0, &[0xff, 9, 0, 2, b'0', kind.code])
            }
            Self::NextFragment { group, function, sequence } => {
                let head = [0, 1, 0x12, 8, 0x12, 0x40 | group, function, sequence, 0, 0, 0, 0];
                (7, head.to_vec(), vec![0x0a, 0, 0, 0])
            }
            Self::StartUpload { name } => {
                let mut parameters = vec![START_UPLOAD, 0, 0, 0, 0, 0, 0, 0, 9];
                parameters.extend_from_slice(name);
                (1, parameters, Vec::new())
            }
            Self::Upload { id } => (1, vec![UPLOAD, 0, 0, 0, 0, 0, 0, id], Vec::new()),
            Self::EndUpload { id } => (1, vec![END_UPLOAD, 0, 0, 0, 0, 0, 0, id], Vec::new()),
        }
    }
}

pub struct Client {
    stream: link::Line,
    reference: u16,
    pace: Pace,
}

struct Answer {
    parameters: Vec<u8>,
    data: Vec<u8>,
}

impl Client {
    pub fn connect(address: &str, rack: u8, slot: u8, pause: Pause) -> Result<Self, NoAnswer> {
        let mut stream = link::connect(address)?;
        // X.224 connection request: TPDU size 1,024, calling TSAP 1.0, called TSAP 3 (other
        // connections, as a panel uses) with rack and slot.
        let called = (rack << 5) | (slot & 0x1f);
        let request = [
            3, 0, 0, 22, 17, 0xe0, 0, 0, 0, 1, 0, 0xc0, 1, 0x0a, 0xc1, 2, 1, 0, 0xc2, 2, 3, called,
        ];
        stream.write_all(&request)?;
        let confirm = frame(&mut stream)?;
        if confirm.get(1) != Some(&0xd0) {
            return Err(Malformed);
        }
        let mut client = Self { stream, reference: 0, pace: Pace::new(pause) };
        client.ask(&Question::Setup)?;
        Ok(client)
    }

    /// A system status list, without its id and index.
    pub fn status_list(&mut self, id: u16, index: u16) -> Result<Vec<u8>, NoAnswer> {
        let question = Question::StatusList { id, index };
        let bytes = self.user_data(&question, GROUP_CPU, READ_STATUS_LIST)?;
        let (head, rest) = bytes.split_first_chunk::<4>().ok_or(Malformed)?;
        if head[..2] != id.to_be_bytes() {
            return Err(Malformed);
        }
        Ok(rest.to_vec())
    }

    /// Numbers of the blocks of a kind.
    pub fn blocks(&mut self, kind: BlockKind) -> Result<Vec<u16>, NoAnswer> {
        let bytes = self.user_data(&Question::Blocks { kind }, GROUP_BLOCKS, LIST_OF_KIND)?;
        let (entries, rest) = bytes.as_chunks::<4>();
        if !rest.is_empty() {
            return Err(Malformed);
        }
        Ok(entries.iter().map(|[high, low, ..]| u16::from_be_bytes([*high, *low])).collect())
    }

    /// Uploads a block as the CPU holds it.
    pub fn upload(&mut self, kind: BlockKind, number: u16) -> Result<Vec<u8>, NoAnswer> {
        let text = format!("_0{}{number:05}A", char::from(kind.code));
        let name = text.as_bytes().try_into().expect("five digits hold any number");
        let started = self.ask(&Question::StartUpload { name })?;
        let id = *started.parameters.get(7).ok_or(Malformed)?;
        let mut block = Vec::new();
        loop {
            let part = self.ask(&Question::Upload { id })?;
            let (head, bytes) = part.data.split_first_chunk::<4>().ok_or(Malformed)?;
            let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
            block.extend_from_slice(bytes.get(..length).ok_or(Malformed)?);
            if block.len() > BLOCK_BYTES_MAX {
                return Err(Malformed);
            }
            match part.parameters.get(1) {
                Some(0) => break,
                Some(1) if length > 0 => {}
                _ => return Err(Malformed),
            }
        }
        self.ask(&Question::EndUpload { id })?;
        Ok(block)
    }

    /// All fragments of a user data answer.
    fn user_data(
        &mut self,
        question: &Question<'_>,
        group: u8,
        function: u8,
    ) -> Result<Vec<u8>, NoAnswer> {
        let mut found = Vec::new();
        let mut answer = self.ask(question)?;
        for _ in 0..FRAGMENTS_MAX {
            let [code, _, l0, l1, bytes @ ..] = &answer.data[..] else { return Err(Malformed) };
            // 0xff is success; 0x0a, "object does not exist", an empty list.
            match code {
                0xff => {}
                0x0a => return Ok(found),
                code => return Err(NoAnswer::Refused(u16::from(*code))),
            }
            let length = usize::from(u16::from_be_bytes([*l0, *l1]));
            found.extend_from_slice(bytes.get(..length).ok_or(Malformed)?);
            // Head 3, length, method, type, function, sequence, reference, last unit.
            match answer.parameters.get(9) {
                None | Some(0) => return Ok(found),
                Some(_) => {}
            }
            let sequence = *answer.parameters.get(7).ok_or(Malformed)?;
            answer = self.ask(&Question::NextFragment { group, function, sequence })?;
        }
        Err(Malformed)
    }

    fn ask(&mut self, question: &Question<'_>) -> Result<Answer, NoAnswer> {
        self.reference = self.reference.wrapping_add(1);
        let (rosctr, parameters, data) = question.parts();
        let length = |n: usize| u16::try_from(n).expect("questions are short").to_be_bytes();
        let mut request = vec![3, 0];
        request.extend(length(4 + 3 + 10 + parameters.len() + data.len()));
        request.extend([2, 0xf0, 0x80, 0x32, rosctr, 0, 0]);
        request.extend(self.reference.to_be_bytes());
        request.extend(length(parameters.len()));
        request.extend(length(data.len()));
        request.extend(&parameters);
        request.extend(&data);
        let Self { stream, reference, pace } = self;
        pace.ask(question.sort(), || {
            stream.write_all(&request)?;
            answer(stream, rosctr, *reference)
        })
    }
}

fn answer(stream: &mut impl Read, asked: u8, reference: u16) -> Result<Answer, NoAnswer> {
    let frame = frame(stream)?;
    let pdu = frame.strip_prefix(&[2, 0xf0, 0x80]).ok_or(Malformed)?;
    let [0x32, rosctr, _, _, r0, r1, p0, p1, d0, d1, rest @ ..] = pdu else {
        return Err(Malformed);
    };
    if u16::from_be_bytes([*r0, *r1]) != reference {
        return Err(Malformed);
    }
    let rest = match (asked, rosctr) {
        (7, 7) => rest,
        // Acknowledgement, with or without data: error class and code first.
        (1, 2 | 3) => match rest {
            [0, 0, rest @ ..] => rest,
            [class, code, ..] => {
                return Err(NoAnswer::Refused(u16::from_be_bytes([*class, *code])));
            }
            _ => return Err(Malformed),
        },
        _ => return Err(Malformed),
    };
    let parameters = usize::from(u16::from_be_bytes([*p0, *p1]));
    let data = usize::from(u16::from_be_bytes([*d0, *d1]));
    let (parameters, rest) = rest.split_at_checked(parameters).ok_or(Malformed)?;
    let data = rest.get(..data).ok_or(Malformed)?;
    if let [_, _, _, _, _, _, _, _, _, _, e0, e1, ..] = parameters
        && *rosctr == 7
        && [*e0, *e1] != [0, 0]
    {
        return Err(NoAnswer::Refused(u16::from_be_bytes([*e0, *e1])));
    }
    Ok(Answer { parameters: parameters.to_vec(), data: data.to_vec() })
}

/// One TPKT (RFC 1006, section 6) without its header.
fn frame(stream: &mut impl Read) -> Result<Vec<u8>, NoAnswer> {
    let mut head = [0; 4];
    stream.read_exact(&mut head)?;
    let length = u16::from_be_bytes([head[2], head[3]]);
    if head[0] != 3 || !(7..=TPKT_BYTES_MAX).contains(&length) {
        return Err(Malformed);
    }
    let mut bytes = vec![0; usize::from(length) - 4];
    stream.read_exact(&mut bytes)?;
    Ok(bytes)
}
