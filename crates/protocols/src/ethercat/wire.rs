//! EtherCAT frames, datagrams and mailbox messages (ETG.1000.4), read and written.
//!
//! Invariant: a datagram ends where its length says, a mailbox message within its datagram.

use wire::{Reader, Short};

/// Datagrams of one frame at most; Ethernet has room for about 120 empty ones.
const DATAGRAMS_MAX: usize = 128;
const DATAGRAM_OCTETS: usize = 10;

/// Commands (ETG.1000.4, 5.4.1).
pub const APRD: u8 = 1;
pub const APWR: u8 = 2;
pub const FPRD: u8 = 4;
pub const FPWR: u8 = 5;
pub const FPRW: u8 = 6;
pub const BWR: u8 = 8;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Datagram<'a> {
    pub command: u8,
    pub index: u8,
    /// Position or configured address of the device, for commands with physical addresses.
    pub device: u16,
    /// Register or memory in the device.
    pub offset: u16,
    pub data: &'a [u8],
    /// How often devices have worked on it.
    pub working_counter: u16,
}

/// Length and type of a frame (5.3.2): type 1 holds datagrams.
pub fn header(bytes: &[u8]) -> Option<(usize, u8)> {
    let word = u16::from_le_bytes(*bytes.first_chunk::<2>()?);
    Some((usize::from(word & 0x07ff), (word >> 12) as u8))
}

/// Datagrams of a frame, until the last or one that is cut short.
pub fn datagrams(body: &[u8]) -> impl Iterator<Item = Result<Datagram<'_>, Short>> {
    let mut at = Reader::new(body);
    let mut more = true;
    (0..DATAGRAMS_MAX).map_while(move |_| {
        if !more {
            return None;
        }
        let read = datagram(&mut at);
        more = read.as_ref().is_ok_and(|(_, more)| *more);
        Some(read.map(|(datagram, _)| datagram))
    })
}

fn datagram<'a>(at: &mut Reader<'a>) -> Result<(Datagram<'a>, bool), Short> {
    let (command, index, device, offset) = (at.u8()?, at.u8()?, at.le16()?, at.le16()?);
    let length = at.le16()?;
    at.skip(2)?;
    let data = at.bytes(usize::from(length & 0x07ff))?;
    let working_counter = at.le16()?;
    let datagram = Datagram { command, index, device, offset, data, working_counter };
    Ok((datagram, length & 0x8000 != 0))
}

/// A frame with these datagrams.
pub fn emit(datagrams: &[Datagram<'_>]) -> Vec<u8> {
    let mut body = Vec::new();
    for (at, datagram) in datagrams.iter().enumerate() {
        let more = at.saturating_add(1) < datagrams.len();
        body.extend([datagram.command, datagram.index]);
        body.extend(datagram.device.to_le_bytes());
        body.extend(datagram.offset.to_le_bytes());
        let length = datagram.data.len() as u16 & 0x07ff;
        body.extend((length | if more { 0x8000 } else { 0 }).to_le_bytes());
        body.extend([0; 2]);
        body.extend_from_slice(datagram.data);
        body.extend(datagram.working_counter.to_le_bytes());
    }
    let mut frame = (body.len() as u16 & 0x07ff | 0x1000).to_le_bytes().to_vec();
    frame.extend(body);
    frame
}

/// Octets of a datagram without data and its counter.
pub const fn datagram_octets() -> usize {
    DATAGRAM_OCTETS
}

/// A mailbox message (ETG.1000.4, 5.6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mailbox<'a> {
    /// Of the device it comes from or goes to, 0 for the master.
    pub address: u16,
    /// 1 AoE, 2 EoE, 3 CoE, 4 FoE, 5 SoE, 15 vendor; 0 is an error.
    pub kind: u8,
    pub data: &'a [u8],
}

/// A mailbox message in the data of a datagram: its length fits and its type is known.
pub fn mailbox(data: &[u8]) -> Option<Mailbox<'_>> {
    let mut at = Reader::new(data);
    let (length, address) = (at.le16().ok()?, at.le16().ok()?);
    let (_channel, kind) = (at.u8().ok()?, at.u8().ok()? & 0x0f);
    if length == 0 || !matches!(kind, 0..=5 | 15) {
        return None;
    }
    Some(Mailbox { address, kind, data: at.bytes(usize::from(length)).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            parts in prop::collection::vec(
                (any::<(u8, u8, u16, u16, u16)>(), prop::collection::vec(any::<u8>(), 0..60)),
                1..6,
            ),
        ) {
            let written: Vec<Datagram<'_>> = parts
                .iter()
                .map(|((command, index, device, offset, working_counter), data)| Datagram {
                    command: *command,
                    index: *index,
                    device: *device,
                    offset: *offset,
                    data,
                    working_counter: *working_counter,
                })
                .collect();
            let bytes = emit(&written);
            prop_assert_eq!(header(&bytes), Some((bytes.len() - 2, 1)));
            let read: Result<Vec<_>, _> = datagrams(&bytes[2..]).collect();
            prop_assert_eq!(read, Ok(written));
        }
    }
}
