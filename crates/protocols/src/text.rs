//! Lines and words of protocols that speak text. Not a parser of any one of them.
//!
//! Invariant: a line is returned only when its end was seen.

/// The first line of `bytes` without its CR LF or LF, and the bytes it takes with them.
pub fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let text = bytes.get(..end)?;
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    Some((text, end.saturating_add(1)))
}

/// Text as the peer meant it: UTF-8 where it is, else Latin-1 letter by letter.
pub fn lossy(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|b| char::from(*b)).collect(),
    }
}

/// A name in a field of fixed length: what is before the first NUL.
pub fn until_nul(bytes: &[u8]) -> &[u8] {
    bytes.split(|b| *b == 0).next().unwrap_or_default()
}

/// Equal octets. Comparing nothing with nothing calls `memcmp` with a pointer to nowhere, which
/// processors with masked loads take a hundred times as long for as for a few octets.
#[inline]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && (a.is_empty() || a == b)
}

/// UTF-16LE as Windows sends it; a dangling byte is dropped.
pub fn utf16le(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| match pair {
        [low, high] => u16::from_le_bytes([*low, *high]),
        _ => 0,
    });
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// Splits at the first blank.
pub fn word(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    (word, rest.strip_prefix(b" ").unwrap_or(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_needs_its_end() {
        assert_eq!(line(b"USER x\r\nPA"), Some((&b"USER x"[..], 8)));
        assert_eq!(line(b"USER x\r"), None);
    }

    #[test]
    fn text_that_is_not_utf8_keeps_its_letters() {
        assert_eq!(lossy(b"caf\xe9"), "café");
        assert_eq!(utf16le(b"P\0C\x001"), "PC");
    }
}
