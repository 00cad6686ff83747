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
    let [name @ .., suffix] = octets;
    let end = name.iter().rposition(|b| *b != b' ' && *b != 0).map_or(0, |i| i.saturating_add(1));
    let name = name.get(..end).unwrap_or_default();
    Some(NetbiosName { name: crate::text::lossy(name), suffix })
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

/// What a suffix names, for machines; `None` for groups and services of the network.
pub fn is_machine(suffix: u8) -> bool {
    matches!(suffix, 0x00 | 0x20)
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
}
