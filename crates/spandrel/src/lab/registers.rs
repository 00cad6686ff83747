//! The simulated controllers' registers, served on the loopback interface for backups.
//!
//! The plant's frames go to a pipe and no host of it exists on a network, so a connector could
//! reach none. This serves the same registers over Modbus/TCP (Application Protocol V1.1b3): the
//! units of [`UNITS`] in order, numbered from 1. It answers reading alone. Invariant: an answer is
//! what the simulated controller would say at that second.

use super::door;
use anyhow::Result;
use lab::{
    actors::modbus::{UNITS, Unit},
    plant::memory,
    world::World,
};
use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex, PoisonError},
};

const READ_HOLDING: u8 = 3;
const READ_IDENTITY: u8 = 0x2b;
const ILLEGAL_FUNCTION: u8 = 1;
const ILLEGAL_ADDRESS: u8 = 2;
const NO_ANSWER_OF_TARGET: u8 = 0x0b;

/// The registers of every unit as they were in the last simulated second.
#[derive(Clone)]
pub struct Registers(Arc<Mutex<Vec<Vec<u16>>>>);

impl Registers {
    /// Opens the port; clients are answered in the background.
    pub fn serve(address: SocketAddr) -> Result<Self> {
        let registers = Registers(Arc::new(Mutex::new(Vec::new())));
        let shared = registers.clone();
        door::open(address, move |stream| shared.answer(stream))?;
        Ok(registers)
    }

    /// Takes the plant as it is.
    pub fn look(&self, world: &World) {
        let image =
            |unit: &Unit| memory::read_registers(unit.cells, &world.process, 0, unit.registers);
        let images = UNITS.iter().map(image).collect();
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = images;
    }

    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        loop {
            // MBAP header: transaction, protocol, length, unit.
            let mut head = [0; 7];
            stream.read_exact(&mut head)?;
            let length = usize::from(u16::from_be_bytes([head[4], head[5]]));
            if !(2..=254).contains(&length) || head[2..4] != [0, 0] {
                return Ok(());
            }
            let mut request = vec![0; length - 1];
            stream.read_exact(&mut request)?;
            let said = self.say(head[6], &request);
            let mut answer = head[..4].to_vec();
            let length = u16::try_from(said.len() + 1).map_err(io::Error::other)?;
            answer.extend_from_slice(&length.to_be_bytes());
            answer.push(head[6]);
            answer.extend_from_slice(&said);
            stream.write_all(&answer)?;
        }
    }

    fn say(&self, number: u8, request: &[u8]) -> Vec<u8> {
        let function = request.first().copied().unwrap_or_default();
        let no = |why| vec![function | 0x80, why];
        let index = usize::from(number).wrapping_sub(1);
        let Some(unit) = UNITS.get(index) else { return no(NO_ANSWER_OF_TARGET) };
        match *request {
            [READ_HOLDING, a, b, c, d] => {
                let images = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let first = usize::from(u16::from_be_bytes([a, b]));
                let count = usize::from(u16::from_be_bytes([c, d]));
                let values = images.get(index).and_then(|all| all.get(first..first + count));
                match values {
                    Some(values) if (1..=125).contains(&count) => {
                        let mut said = vec![READ_HOLDING, (count * 2) as u8];
                        said.extend(values.iter().flat_map(|value| value.to_be_bytes()));
                        said
                    }
                    _ => no(ILLEGAL_ADDRESS),
                }
            }
            [READ_IDENTITY, 0x0e, code, object] if !unit.identity.is_empty() => {
                identity(unit, code, object)
            }
            _ => no(ILLEGAL_FUNCTION),
        }
    }
}

/// Read Device Identification (6.21): all objects in one answer, stream access only.
fn identity(unit: &Unit, code: u8, _object: u8) -> Vec<u8> {
    let mut said = vec![READ_IDENTITY, 0x0e, code, 0x02, 0, 0, unit.identity.len() as u8];
    for (object, text) in unit.identity {
        said.extend_from_slice(&[*object, text.len() as u8]);
        said.extend_from_slice(text.as_bytes());
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_is_answered_and_only_what_is_there() {
        let registers = Registers(Arc::new(Mutex::new(vec![vec![7, 0x1234]])));
        assert_eq!(registers.say(1, &[3, 0, 0, 0, 2]), [3, 4, 0, 7, 0x12, 0x34]);
        assert_eq!(registers.say(1, &[3, 0, 1, 0, 2]), [0x83, ILLEGAL_ADDRESS]);
        assert_eq!(registers.say(1, &[6, 0, 0, 0, 2]), [0x86, ILLEGAL_FUNCTION]);
        assert_eq!(registers.say(200, &[3, 0, 0, 0, 1]), [0x83, NO_ANSWER_OF_TARGET]);
        let said = registers.say(1, &[0x2b, 0x0e, 1, 0]);
        assert!(said.windows(12).any(|part| part == b"BMX P34 2020"), "{said:02x?}");
    }
}
