//! FINS frames (W227, 3-3) and the header FINS/TCP puts before them (W421, 7-4-2).
//!
//! Invariant: a frame has its ten octets of header and its command, or there is no frame.

use super::names;
use ::wire::{Reader, Short};

pub const TCP_HEADER_OCTETS: usize = 16;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpHeader {
    /// Octets from the command on.
    pub length: u32,
    pub command: u32,
    pub error: u32,
}

/// The header of FINS/TCP without looking at its magic word.
pub fn tcp_header(bytes: &[u8]) -> Result<TcpHeader, Short> {
    let mut r = Reader::new(bytes);
    r.skip(4)?;
    Ok(TcpHeader { length: r.be32()?, command: r.be32()?, error: r.be32()? })
}

/// Network, node and unit (W227, 3-4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Node {
    pub network: u8,
    pub node: u8,
    pub unit: u8,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frame<'a> {
    pub icf: u8,
    pub rsv: u8,
    pub gateways: u8,
    pub destination: Node,
    pub source: Node,
    pub service: u8,
    pub command: u16,
    pub data: &'a [u8],
}

impl<'a> Frame<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Frame<'a>, Short> {
        let mut r = Reader::new(bytes);
        let [icf, rsv, gateways] = r.array()?;
        let mut node = || r.array().map(|[network, node, unit]| Node { network, node, unit });
        let (destination, source) = (node()?, node()?);
        let (service, command) = (r.u8()?, r.be16()?);
        let data = r.rest();
        Ok(Frame { icf, rsv, gateways, destination, source, service, command, data })
    }

    pub const fn is_answer(&self) -> bool {
        self.icf & 0x40 != 0
    }

    /// Node and unit asked, as one number.
    pub fn unit(&self) -> u32 {
        u32::from(self.destination.node) << 8 | u32::from(self.destination.unit)
    }

    pub fn source_unit(&self) -> u32 {
        u32::from(self.source.node) << 8 | u32::from(self.source.unit)
    }

    /// Fixed bits as the manual has them and a command that exists. Without the usual port an
    /// answer must have its end code too.
    pub fn is_plausible(&self, port: bool) -> bool {
        let fixed = self.icf & 0x3e == 0 && self.rsv == 0 && self.gateways <= 7;
        let networks = self.destination.network < 0x80 && self.source.network < 0x80;
        let sized = port || !self.is_answer() || self.data.len() >= 2;
        let framed = port || (self.icf & 0x80 != 0 && self.gateways > 0);
        fixed && networks && sized && framed && names::command(self.command).is_some()
    }

    pub fn emit(&self) -> Vec<u8> {
        let (d, s) = (self.destination, self.source);
        let [high, low] = self.command.to_be_bytes();
        let head = [self.icf, self.rsv, self.gateways, d.network, d.node, d.unit];
        let tail = [s.network, s.node, s.unit, self.service, high, low];
        [&head[..], &tail[..], self.data].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(head: [u8; 10], command: u16, data: [u8; 5]) {
            let [icf, rsv, gateways, a, b, c, d, e, f, service] = head;
            let frame = Frame {
                icf,
                rsv,
                gateways,
                destination: Node { network: a, node: b, unit: c },
                source: Node { network: d, node: e, unit: f },
                service,
                command,
                data: &data,
            };
            let bytes = frame.emit();
            prop_assert_eq!(Frame::parse(&bytes), Ok(frame));
        }
    }
}
