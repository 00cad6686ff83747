//! A Modbus/TCP client that can only read (MODBUS Application Protocol V1.1b3; Messaging on
//! TCP/IP Implementation Guide V1.0b).
//!
//! Invariant: [`Question`] has no variant that writes, and only it becomes a request; function
//! codes 1 to 4 and 43/14 are all that can leave.

use super::super::{
    link,
    pace::{Pace, Pause},
};
use std::io::{self, Read, Write};

/// Function code 43, MEI type 14: read device identification (V1.1b3, 6.21).
const IDENTIFICATION: u8 = 0x2b;
const MEI_TYPE: u8 = 0x0e;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Table {
    Coils,
    Discrete,
    Holding,
    Input,
}

pub const TABLES: [Table; 4] = [Table::Coils, Table::Discrete, Table::Holding, Table::Input];

impl Table {
    pub fn name(self) -> &'static str {
        match self {
            Self::Coils => "coil",
            Self::Discrete => "discrete",
            Self::Holding => "holding",
            Self::Input => "input",
        }
    }

    fn function(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::Discrete => 2,
            Self::Holding => 3,
            Self::Input => 4,
        }
    }

    fn is_bits(self) -> bool {
        matches!(self, Self::Coils | Self::Discrete)
    }

    /// Most values one response can carry (V1.1b3, 6.1 to 6.4).
    fn values_max(self) -> u16 {
        if self.is_bits() { 2_000 } else { 125 }
    }
}

enum Question {
    Values { table: Table, first: u16, count: u16 },
    Identification { from: u8 },
}

impl Question {
    fn pdu(&self) -> Vec<u8> {
        match *self {
            Self::Values { table, first, count } => {
                let mut pdu = vec![table.function()];
                pdu.extend_from_slice(&first.to_be_bytes());
                pdu.extend_from_slice(&count.to_be_bytes());
                pdu
            }
            // 1: the basic objects, as a stream.
            Self::Identification { from } => vec![IDENTIFICATION, MEI_TYPE, 1, from],
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The device refuses this one request (V1.1b3, 7).
    #[error("exception {0}: {name}", name = exception_name(*.0))]
    Exception(u8),
    #[error("the answer is not one to what was asked")]
    Malformed,
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn exception_name(code: u8) -> &'static str {
    match code {
        1 => "illegal function",
        2 => "illegal data address",
        3 => "illegal data value",
        4 => "server device failure",
        6 => "server device busy",
        10 | 11 => "the gateway cannot reach it",
        _ => "unknown",
    }
}

pub struct Client {
    stream: link::Line,
    unit: u8,
    transaction: u16,
    pace: Pace,
}

impl Client {
    /// Connects; between two questions the client waits for `pause`, and longer when the device
    /// is slow.
    pub fn connect(address: &str, unit: u8, pause: Pause) -> io::Result<Self> {
        let stream = link::connect(address)?;
        Ok(Self { stream, unit, transaction: 0, pace: Pace::new(pause) })
    }

    /// `count` values from `first` on.
    pub fn values(&mut self, table: Table, first: u16, count: u16) -> Result<Vec<u16>, NoAnswer> {
        // An identification has nothing to do with the process image and may take longer.
        let sort = (table.name(), u32::from(count));
        let pdu = self.ask(sort, &Question::Values { table, first, count })?;
        let (&[bytes], data) = pdu.split_first_chunk::<1>().ok_or(NoAnswer::Malformed)?;
        if data.len() != usize::from(bytes) {
            return Err(NoAnswer::Malformed);
        }
        let count = usize::from(count);
        let values: Vec<u16> = if table.is_bits() {
            let bit = |i: usize| data.get(i / 8).map(|byte| u16::from(byte >> (i % 8) & 1));
            (0..count).map_while(bit).collect()
        } else {
            data.as_chunks::<2>().0.iter().map(|pair| u16::from_be_bytes(*pair)).collect()
        };
        if values.len() == count { Ok(values) } else { Err(NoAnswer::Malformed) }
    }

    /// The basic identification objects: number and text.
    pub fn identification(&mut self) -> Result<Vec<(u8, String)>, NoAnswer> {
        let (mut found, mut from) = (Vec::new(), 0);
        // A device has at most 256 objects; one that keeps saying "more follows" is stopped.
        for _ in 0..256 {
            let pdu = self.ask(("identification", 1), &Question::Identification { from })?;
            // MEI type, read code, conformity, more follows, next object, number of objects.
            let (head, mut rest) = pdu.split_first_chunk::<6>().ok_or(NoAnswer::Malformed)?;
            for _ in 0..head[5] {
                let ([id, length], after) =
                    rest.split_first_chunk::<2>().ok_or(NoAnswer::Malformed)?;
                let (text, after) =
                    after.split_at_checked(usize::from(*length)).ok_or(NoAnswer::Malformed)?;
                found.push((*id, String::from_utf8_lossy(text).into_owned()));
                rest = after;
            }
            if head[3] != 0xff {
                return Ok(found);
            }
            from = head[4];
        }
        Err(NoAnswer::Malformed)
    }

    /// How many values to ask for at once: no more than the device answers as fast as a few.
    pub fn values_at_once(&mut self, table: Table) -> u16 {
        self.pace.size(table.name(), table.values_max())
    }

    /// The answer's bytes after the function code.
    fn ask(&mut self, sort: (&'static str, u32), question: &Question) -> Result<Vec<u8>, NoAnswer> {
        self.transaction = self.transaction.wrapping_add(1);
        let pdu = question.pdu();
        let length = u16::try_from(pdu.len() + 1).expect("requests are short");
        let mut request = Vec::from(self.transaction.to_be_bytes());
        request.extend_from_slice(&[0, 0]);
        request.extend_from_slice(&length.to_be_bytes());
        request.push(self.unit);
        request.extend_from_slice(&pdu);
        let Self { stream, unit, transaction, pace } = self;
        let answer = pace.ask_for(sort, || {
            stream.write_all(&request)?;
            answer(stream, *unit, *transaction)
        })?;
        match answer.split_first() {
            Some((function, rest)) if *function == pdu[0] => Ok(rest.to_vec()),
            Some((function, [code])) if *function == pdu[0] | 0x80 => {
                Err(NoAnswer::Exception(*code))
            }
            _ => Err(NoAnswer::Malformed),
        }
    }
}

fn answer(stream: &mut impl Read, unit: u8, transaction: u16) -> Result<Vec<u8>, NoAnswer> {
    let mut head = [0; 7];
    stream.read_exact(&mut head)?;
    let [t0, t1, p0, p1, l0, l1, from] = head;
    let length = u16::from_be_bytes([l0, l1]);
    let same = u16::from_be_bytes([t0, t1]) == transaction && from == unit;
    // The longest PDU is 253 bytes (V1.1b3, 4.1).
    if !same || [p0, p1] != [0, 0] || !(2..=254).contains(&length) {
        return Err(NoAnswer::Malformed);
    }
    let mut pdu = vec![0; usize::from(length) - 1];
    stream.read_exact(&mut pdu)?;
    Ok(pdu)
}
