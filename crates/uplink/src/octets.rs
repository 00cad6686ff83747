//! Numbers as few octets, and a cursor that checks.
//!
//! Numbers are LEB128: seven bits an octet, least first. Signed ones are folded so that small ones
//! of both signs are short. Not here: what they mean. Invariant: reading never goes beyond the end.

/// What was read is no stream of ours, or of another version.
#[derive(thiserror::Error, Clone, PartialEq, Debug)]
#[error("the sensor's packed stream is damaged: {0}")]
pub struct Malformed(pub String);

impl Malformed {
    pub(crate) fn new(reason: &str) -> Self {
        Malformed(reason.to_owned())
    }
}

pub(crate) fn put_number(out: &mut Vec<u8>, number: u64) {
    let mut rest = number;
    while rest >= 0x80 {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub(crate) fn put_signed(out: &mut Vec<u8>, number: i64) {
    put_number(out, ((number << 1) ^ (number >> 63)) as u64);
}

pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

pub(crate) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(octets: &'a [u8]) -> Self {
        Cursor { rest: octets }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn left(&self) -> usize {
        self.rest.len()
    }

    pub(crate) fn octet(&mut self) -> Result<u8, Malformed> {
        let (first, rest) = self.rest.split_first().ok_or_else(short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(crate) fn octets(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (octets, rest) = self.rest.split_at_checked(count).ok_or_else(short)?;
        self.rest = rest;
        Ok(octets)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.octets(N)?.try_into().map_err(|_| short())
    }

    pub(crate) fn number(&mut self) -> Result<u64, Malformed> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let octet = self.octet()?;
            let bits = u64::from(octet & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            number |= bits << shift;
            if octet & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Malformed::new("a number has too many octets"))
    }

    /// A number of things that take at least an octet each.
    pub(crate) fn count(&mut self) -> Result<usize, Malformed> {
        let count = self.number()?;
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err(Malformed::new("more is promised than comes")),
        }
    }

    pub(crate) fn signed(&mut self) -> Result<i64, Malformed> {
        let folded = self.number()?;
        Ok((folded >> 1) as i64 ^ -((folded & 1) as i64))
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        let length = self.count()?;
        let octets = self.octets(length)?;
        std::str::from_utf8(octets).map_err(|_| Malformed::new("a text is no UTF-8"))
    }
}

fn short() -> Malformed {
    Malformed::new("it is cut short")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_round_trip_and_long_ones_are_refused() {
        let mut out = Vec::new();
        let numbers = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let signed = [0, 1, -1, 63, -64, 64, i64::MAX, i64::MIN];
        numbers.iter().for_each(|number| put_number(&mut out, *number));
        signed.iter().for_each(|number| put_signed(&mut out, *number));
        let mut cursor = Cursor::new(&out);
        assert!(numbers.iter().all(|number| cursor.number() == Ok(*number)));
        assert!(signed.iter().all(|number| cursor.signed() == Ok(*number)));
        assert!(cursor.is_empty() && cursor.number().is_err());
        assert!(Cursor::new(&[0xff; 11]).number().is_err());
        assert!(Cursor::new(&[0x7f, 1, 2]).count().is_err());
    }
}
