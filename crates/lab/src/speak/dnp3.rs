//! DNP3 (IEEE 1815-2012): link, transport and application layer over TCP.

const READ: u8 = 1;
const SELECT: u8 = 3;
const OPERATE: u8 = 4;
const RESPONSE: u8 = 0x81;

/// CRC-16 of the data link layer (9.2.5), reflected polynomial 0xa6bc, complemented.
fn crc(bytes: &[u8]) -> [u8; 2] {
    let sum = bytes.iter().fold(0_u16, |crc, b| {
        (0..8).fold(crc ^ u16::from(*b), |c, _| if c & 1 == 1 { c >> 1 ^ 0xa6bc } else { c >> 1 })
    });
    (!sum).to_le_bytes()
}

/// One link frame, and with it one transport segment, around an application fragment of at most
/// 249 bytes; longer ones take several.
fn frames(master: bool, (to, from): (u16, u16), sequence: u8, fragment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let count = fragment.chunks(249).count();
    for (i, part) in fragment.chunks(249).enumerate() {
        let transport = u8::from(i + 1 == count) << 7
            | u8::from(i == 0) << 6
            | (sequence.wrapping_add(i as u8) & 0x3f);
        // Unconfirmed user data; DIR says the master sends, PRM that it is a primary frame.
        let control = if master { 0xc4 } else { 0x44 };
        let mut header = vec![5, 0x64, part.len() as u8 + 6, control];
        header.extend(to.to_le_bytes());
        header.extend(from.to_le_bytes());
        header.extend(crc(&header));
        out.extend(header);
        let body: Vec<u8> = [transport].into_iter().chain(part.iter().copied()).collect();
        for block in body.chunks(16) {
            out.extend(block);
            out.extend(crc(block));
        }
    }
    out
}

/// Addresses and running numbers of a master's association with an outstation.
#[derive(Clone, Copy, Debug)]
pub struct Association {
    pub master: u16,
    pub outstation: u16,
    pub sequence: u8,
}

impl Association {
    fn request(self, fragment: &[u8]) -> Vec<u8> {
        frames(true, (self.outstation, self.master), self.sequence, fragment)
    }

    fn response(self, fragment: &[u8]) -> Vec<u8> {
        frames(false, (self.master, self.outstation), self.sequence, fragment)
    }

    fn control(self) -> u8 {
        0xc0 | self.sequence & 0x0f
    }

    /// Integrity poll of classes 1, 2, 3, 0 answered with measurements and states.
    pub fn integrity(
        self,
        analogs: &[f64],
        binaries: &[bool],
        counters: &[u32],
    ) -> super::s7::Pair {
        let mut asks = vec![self.control(), READ];
        asks.extend([60, 2, 6, 60, 3, 6, 60, 4, 6, 60, 1, 6]);
        (self.request(&asks), self.response(&self.points(analogs, binaries, counters)))
    }

    /// Poll of event classes; the answer has the analog values that changed, with their indexes.
    pub fn events(self, changed: &[(u8, f64)]) -> super::s7::Pair {
        let asks = [self.control(), READ, 60, 2, 6, 60, 3, 6, 60, 4, 6];
        let mut says = vec![self.control(), RESPONSE, 0, 0];
        if !changed.is_empty() {
            // Group 32 variation 5: analog event, single precision, no time.
            says.extend([32, 5, 0x17, changed.len() as u8]);
            for (index, value) in changed {
                says.extend([*index, 1]);
                says.extend((*value as f32).to_le_bytes());
            }
        }
        (self.request(&asks), self.response(&says))
    }

    fn points(self, analogs: &[f64], binaries: &[bool], counters: &[u32]) -> Vec<u8> {
        let mut says = vec![self.control(), RESPONSE, 0, 0];
        if !binaries.is_empty() {
            says.extend([1, 2, 0, 0, binaries.len() as u8 - 1]);
            says.extend(binaries.iter().map(|b| if *b { 0x81 } else { 1 }));
        }
        if !counters.is_empty() {
            says.extend([20, 1, 0, 0, counters.len() as u8 - 1]);
            says.extend(counters.iter().flat_map(|c| {
                let [a, b, d, e] = c.to_le_bytes();
                [1, a, b, d, e]
            }));
        }
        if !analogs.is_empty() {
            says.extend([30, 5, 0, 0, analogs.len() as u8 - 1]);
            says.extend(analogs.iter().flat_map(|v| {
                let [a, b, d, e] = (*v as f32).to_le_bytes();
                [1, a, b, d, e]
            }));
        }
        says
    }

    /// Select, then operate, of a control relay output block (group 12 variation 1).
    pub fn control_relay(self, index: u8, close: bool) -> [super::s7::Pair; 2] {
        let block = |function: u8, sequence: u8| {
            let control = 0xc0 | sequence & 0x0f;
            let mut p = vec![control, function, 12, 1, 0x17, 1, index];
            p.extend([if close { 0x41 } else { 0x81 }, 1]);
            p.extend(100_u32.to_le_bytes());
            p.extend(0_u32.to_le_bytes());
            p.push(0);
            p
        };
        let answer = |request: &[u8]| {
            let mut says = vec![request[0], RESPONSE, 0, 0];
            says.extend(&request[2..]);
            says
        };
        let next = Association { sequence: self.sequence.wrapping_add(1), ..self };
        let select = block(SELECT, self.sequence);
        let operate = block(OPERATE, next.sequence);
        [
            (self.request(&select), self.response(&answer(&select))),
            (next.request(&operate), next.response(&answer(&operate))),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_header_has_the_check_sequence_of_the_standards_example() {
        // IEEE 1815-2012 data link reset from 1024 to 1: header 05 64 05 c0 01 00 00 04, e9 21.
        assert_eq!(crc(&[0x05, 0x64, 0x05, 0xc0, 0x01, 0x00, 0x00, 0x04]), [0xe9, 0x21]);
    }
}
