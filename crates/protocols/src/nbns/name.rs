//! NetBIOS names (RFC 1001, 14.1): sixteen octets, each half an octet a letter from A to P.

/// A decoded name and its sixteenth octet, the suffix that says what it names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NetbiosName {
    pub name: String,
    pub suffix: u8,
}

/// Decodes the 32 letters of a first-level encoded name.
pub fn decode(letters: &[u8]) -> Option<NetbiosName> {
    let letters: &[u8; 32] = letters.try_into().ok()?;
    let mut octets = [0u8; 16];
    for (octet, pair) in octets.iter_mut().zip(letters.chunks_exact(2)) {
        let &[high, low] = pair else { return None };
        if !(b'A'..=b'P').contains(&high) || !(b'A'..=b'P').contains(&low) {
            return None;
        }
        *octet = high.wrapping_sub(b'A') << 4 | low.wrapping_sub(b'A');
    }
    Some(parse(&octets))
}

/// A name as it stands where it is not encoded.
pub fn parse(octets: &[u8; 16]) -> NetbiosName {
    let [name @ .., suffix] = *octets;
    let end = name.iter().rposition(|b| *b != b' ' && *b != 0).map_or(0, |i| i.saturating_add(1));
    let name = name.get(..end).unwrap_or_default();
    NetbiosName { name: crate::text::lossy(name), suffix }
}

/// Encodes a name of at most fifteen octets, padded with blanks.
pub fn encode(name: &NetbiosName) -> [u8; 32] {
    let mut octets = [b' '; 16];
    for (octet, byte) in octets.iter_mut().take(15).zip(name.name.bytes()) {
        *octet = byte;
    }
    octets[15] = name.suffix;
    let mut letters = [0; 32];
    for (pair, octet) in letters.chunks_exact_mut(2).zip(octets) {
        if let [high, low] = pair {
            *high = (octet >> 4).wrapping_add(b'A');
            *low = (octet & 0xf).wrapping_add(b'A');
        }
    }
    letters
}

impl NetbiosName {
    /// The suffix is that of machines, where the name is not that of a group.
    pub fn is_machine(&self) -> bool {
        matches!(self.suffix, 0x00 | 0x20) && !self.is_of_service()
    }

    /// The suffix of a workgroup, of its domain's controllers or of its browsers, where the name
    /// is that of a group.
    pub fn is_workgroup(&self) -> bool {
        matches!(self.suffix, 0x00 | 0x1c | 0x1e) && !self.is_of_service()
    }

    /// Names that Windows has for its services: `__MSBROWSE__` between control characters, and
    /// those of its web server.
    fn is_of_service(&self) -> bool {
        let web = self.name == "INet~Services" || self.name.starts_with("IS~");
        web || self.name.contains(|letter: char| letter.is_ascii_control())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_lose_their_padding() {
        let name = NetbiosName { name: "HMI-LINE2".into(), suffix: 0x20 };
        assert_eq!(decode(&encode(&name)), Some(name));
        assert_eq!(decode(b"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAZ"), None);
    }

    #[test]
    fn names_of_services_are_no_machines_and_no_workgroups() {
        let kinds = |name: &[u8; 16]| (parse(name).is_machine(), parse(name).is_workgroup());
        assert_eq!(kinds(b"HMI-LINE2      \0"), (true, true));
        assert_eq!(kinds(b"HMI-LINE2       "), (true, false));
        assert_eq!(kinds(b"PLANT          \x1e"), (false, true));
        assert_eq!(kinds(b"\x01\x02__MSBROWSE__\x02\x01"), (false, false));
        assert_eq!(kinds(b"\x01\x02__MSBROWSE__\x02\0"), (false, false));
        assert_eq!(kinds(b"INet~Services  \x1c"), (false, false));
        assert_eq!(kinds(b"IS~HMI-LINE2   \0"), (false, false));
    }
}
