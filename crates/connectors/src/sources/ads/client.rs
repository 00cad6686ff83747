//! An ADS client that can only read (Beckhoff Information System: ADS/AMS specification, AMS/TCP
//! packet, ADS commands, index groups).
//!
//! Invariant: [`Question`] is all that can leave: device information, state, and reads. There is
//! no write, no write control, no notification, and no read-write, which takes a handle.

use super::super::{
    link::{Fields, Line, connect, malformed},
    pace::{Pace, Pause},
};
use crate::limits::{ADS_BYTES_MAX, ADS_FRAMES_MAX};
use std::io::{self, Read, Write};

#[derive(Clone, Copy)]
pub enum Question {
    DeviceInfo,
    State,
    Read { group: u32, offset: u32, length: u32 },
}

impl Question {
    /// Command (ADS specification, 3.2) and data.
    fn parts(self) -> (u16, Vec<u8>) {
        match self {
            Self::DeviceInfo => (1, Vec::new()),
            Self::State => (4, Vec::new()),
            Self::Read { group, offset, length } => {
                (2, [group, offset, length].iter().flat_map(|n| n.to_le_bytes()).collect())
            }
        }
    }

    fn sort(self) -> &'static str {
        match self {
            // Lists of symbols and types are long; values are short.
            Self::Read { length, .. } if length > 1_024 => "upload",
            Self::Read { .. } => "read",
            _ => "state",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("{}", error_text(*.0))]
    Refused(u32),
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// ADS return codes that a reader meets.
fn error_text(code: u32) -> String {
    let name = match code {
        0x06 => "no such port: is the runtime there?",
        0x07 => "no such machine: the target has no route to us",
        0x701 => "not supported",
        0x702 => "invalid index group",
        0x703 => "invalid index offset",
        0x704 => "reading is not permitted",
        0x705 => "the size is wrong",
        0x710 => "no such symbol",
        0x745 => "timeout",
        _ => return format!("ADS error {code:#x}"),
    };
    format!("{name} (ADS error {code:#x})")
}

/// AMS NetId and port.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Address {
    pub net: [u8; 6],
    pub port: u16,
}

impl Address {
    fn encode(self) -> [u8; 8] {
        let ([a, b, c, d, e, f], [low, high]) = (self.net, self.port.to_le_bytes());
        [a, b, c, d, e, f, low, high]
    }
}

pub struct Client {
    stream: Line,
    target: Address,
    own: Address,
    number: u32,
    pace: Pace,
}

impl Client {
    /// Connects; the target must know a route to `own`.
    pub fn open(
        address: &str,
        target: Address,
        own: Option<[u8; 6]>,
        pause: Pause,
    ) -> io::Result<Self> {
        let stream = connect(address)?;
        // By custom the NetId is the address with 1.1 behind it.
        let net = match (own, stream.local_address()?.ip()) {
            (Some(net), _) => net,
            (None, std::net::IpAddr::V4(ip)) => {
                let [a, b, c, d] = ip.octets();
                [a, b, c, d, 1, 1]
            }
            (None, _) => return Err(io::Error::other("over IPv6 give own=NETID")),
        };
        let own = Address { net, port: 32_905 };
        Ok(Self { stream, target, own, number: 0, pace: Pace::new(pause) })
    }

    /// Version and name of the runtime.
    pub fn device_info(&mut self) -> Result<(String, String), NoAnswer> {
        let answer = self.ask(Question::DeviceInfo)?;
        let mut fields = Fields(&answer);
        let (major, minor, build) = (fields.u8()?, fields.u8()?, fields.u16()?);
        let name = fields.0.split(|byte| *byte == 0).next().unwrap_or_default();
        Ok((format!("{major}.{minor}.{build}"), String::from_utf8_lossy(name).into_owned()))
    }

    /// ADS state (5 is run) and device state.
    pub fn state(&mut self) -> Result<(u16, u16), NoAnswer> {
        let answer = self.ask(Question::State)?;
        let mut fields = Fields(&answer);
        Ok((fields.u16()?, fields.u16()?))
    }

    pub fn read(&mut self, group: u32, offset: u32, length: u32) -> Result<Vec<u8>, NoAnswer> {
        let answer = self.ask(Question::Read { group, offset, length })?;
        let mut fields = Fields(&answer);
        let length = fields.u32()?;
        Ok(fields.take(usize::try_from(length).map_err(|_| malformed())?)?.to_vec())
    }

    /// The answer's data after its result.
    fn ask(&mut self, question: Question) -> Result<Vec<u8>, NoAnswer> {
        self.number = self.number.wrapping_add(1);
        let (command, data) = question.parts();
        let length = u32::try_from(data.len()).expect("questions are short");
        // AMS/TCP: two reserved octets and the length of what follows.
        let mut frame = vec![0, 0];
        frame.extend((32 + length).to_le_bytes());
        frame.extend(self.target.encode());
        frame.extend(self.own.encode());
        frame.extend(command.to_le_bytes());
        // State flags: a command over TCP, a request. Then length, error, number.
        frame.extend(4_u16.to_le_bytes());
        frame.extend(length.to_le_bytes());
        frame.extend([0; 4]);
        frame.extend(self.number.to_le_bytes());
        frame.extend(data);
        let Self { stream, number, pace, .. } = self;
        pace.ask(question.sort(), || {
            stream.write_all(&frame)?;
            answer(stream, command, *number)
        })
    }
}

fn answer(stream: &mut impl Read, command: u16, number: u32) -> Result<Vec<u8>, NoAnswer> {
    for _ in 0..ADS_FRAMES_MAX {
        let mut head = [0; 6];
        stream.read_exact(&mut head)?;
        let [_, _, l0, l1, l2, l3] = head;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        if !(32..=ADS_BYTES_MAX).contains(&length) {
            return Err(malformed().into());
        }
        let mut frame = vec![0; length as usize];
        stream.read_exact(&mut frame)?;
        let mut fields = Fields(&frame);
        fields.take(16)?;
        let (of, flags, length) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let (error, own) = (fields.u32()?, fields.u32()?);
        // What is not an answer, or one to another's question, is not for us.
        if flags & 1 == 0 || own != number {
            continue;
        }
        if error != 0 {
            return Err(NoAnswer::Refused(error));
        }
        if of != command || length as usize != fields.0.len() {
            return Err(malformed().into());
        }
        let result = fields.u32()?;
        if result != 0 {
            return Err(NoAnswer::Refused(result));
        }
        return Ok(fields.0.to_vec());
    }
    let text = format!("{ADS_FRAMES_MAX} frames came and none of them is the answer");
    Err(io::Error::new(io::ErrorKind::InvalidData, text).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_no_answer_are_passed_over_but_not_for_ever() {
        let frame = |flags: u16, number: u32| {
            let mut frame = vec![0, 0, 36, 0, 0, 0];
            frame.extend([0; 16]);
            frame.extend([4_u16, flags].iter().flat_map(|n| n.to_le_bytes()));
            // Length, error, number; a result.
            frame.extend([4, 0, number, 0].iter().flat_map(|n: &u32| n.to_le_bytes()));
            frame
        };
        // A notification, an answer to another question, ours.
        let others = [frame(4, 7), frame(5, 6)].concat();
        let ours = [others.clone(), frame(5, 7)].concat();
        assert_eq!(answer(&mut &ours[..], 4, 7).unwrap(), Vec::<u8>::new());
        let endless = others.repeat(ADS_FRAMES_MAX);
        let mut rest = &endless[..];
        let error = answer(&mut rest, 4, 7).unwrap_err().to_string();
        assert!(error.contains("none of them") && !rest.is_empty(), "{error}");
    }
}
