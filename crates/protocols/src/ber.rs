//! Basic Encoding Rules (X.690): tag, length, contents.
//!
//! Not a schema: callers know what they expect. Invariant: never reads past its bytes and
//! always makes progress.

use crate::Malformed;

const CUT_SHORT: Malformed = Malformed::new("ber-element-cut-short");
const END_OF_CONTENTS: [u8; 2] = [0, 0];
/// Bit of an identifier: other elements are the contents (8.1.2.5).
const CONSTRUCTED: u8 = 0x20;
/// A number that says that the number is in the octets behind (8.1.2.4).
const NUMBER_BEHIND: u8 = 0x1f;

/// One element: its identifier octet and contents.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Element<'a> {
    pub tag: u8,
    pub contents: &'a [u8],
}

/// An element of a message that may be cut short, see [`Ber::lenient`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clipped<'a> {
    pub tag: u8,
    pub contents: &'a [u8],
    /// The contents are shorter than their length says.
    pub cut: bool,
}

/// One element whose tag may be longer than an octet (X.690, 8.1.2.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Tagged<'a> {
    /// Class and form: the upper three bits of the identifier.
    pub form: u8,
    pub number: u32,
    pub contents: &'a [u8],
}

impl Tagged<'_> {
    /// A tag of context-specific class, in either form.
    pub fn is_context(&self) -> bool {
        self.form & 0xc0 == 0x80
    }
}

/// Reads elements one after the other.
#[derive(Clone, Copy, Debug)]
pub struct Ber<'a> {
    rest: &'a [u8],
    indefinite: bool,
}

impl<'a> Ber<'a> {
    /// Of definite lengths, as LDAP and SNMP demand them and all others write them.
    pub fn new(bytes: &'a [u8]) -> Self {
        Ber { rest: bytes, indefinite: false }
    }

    /// Of lengths that may be indefinite (8.1.3.6), for protocols that leave the sender the choice.
    pub fn of_any_length(bytes: &'a [u8]) -> Self {
        Ber { rest: bytes, indefinite: true }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next element, whatever its tag.
    pub fn element(&mut self) -> Result<Element<'a>, Malformed> {
        let (&tag, rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        let contents = self.contents(rest, tag)?;
        Ok(Element { tag, contents })
    }

    /// The contents of an element, of which the identifier is read: its first octet tells the form.
    fn contents(&mut self, rest: &'a [u8], identifier: u8) -> Result<&'a [u8], Malformed> {
        let (&first, rest) = rest.split_first().ok_or(CUT_SHORT)?;
        if first == 0x80 && self.indefinite && identifier & CONSTRUCTED != 0 {
            let length = until_end_of_contents(rest).ok_or(CUT_SHORT)?;
            let (contents, rest) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
            self.rest = rest.strip_prefix(&END_OF_CONTENTS).ok_or(CUT_SHORT)?;
            return Ok(contents);
        }
        let (length, rest) = definite(first, rest)?;
        let (contents, rest) = rest.split_at_checked(length).ok_or(CUT_SHORT)?;
        self.rest = rest;
        Ok(contents)
    }

    /// The next element, whose contents may end early with the bytes; `None` without a header.
    /// For protocols whose messages fit a frame: two octets of length are enough, but some senders
    /// write all lengths alike with more.
    #[inline]
    pub fn lenient(&mut self) -> Option<Clipped<'a>> {
        let (&tag, rest) = self.rest.split_first()?;
        let (&first, rest) = rest.split_first()?;
        // Nearly all are short.
        if first < 0x80 {
            return Some(self.clipped(tag, usize::from(first), rest));
        }
        self.lenient_long(tag, first, rest)
    }

    #[inline]
    fn clipped(&mut self, tag: u8, length: usize, rest: &'a [u8]) -> Clipped<'a> {
        let whole = rest.split_at_checked(length);
        let (contents, behind) = whole.unwrap_or((rest, &[]));
        self.rest = behind;
        Clipped { tag, contents, cut: whole.is_none() }
    }

    /// The same where the length does not stand in its first octet.
    #[cold]
    fn lenient_long(&mut self, tag: u8, first: u8, rest: &'a [u8]) -> Option<Clipped<'a>> {
        if first == 0x80 && self.indefinite && tag & CONSTRUCTED != 0 {
            let whole =
                until_end_of_contents(rest).and_then(|length| rest.split_at_checked(length));
            let (contents, behind) = whole.unwrap_or((rest, &[]));
            self.rest = behind.strip_prefix(&END_OF_CONTENTS).unwrap_or_default();
            return Some(Clipped { tag, contents, cut: whole.is_none() });
        }
        let (length, rest) = match (first, rest) {
            (0x81, [n, rest @ ..]) => (usize::from(*n), rest),
            (0x82, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            (0x83, [a, b, c, rest @ ..]) => (u32::from_be_bytes([0, *a, *b, *c]) as usize, rest),
            (0x84, [a, b, c, d, rest @ ..]) => {
                (u32::from_be_bytes([*a, *b, *c, *d]) as usize, rest)
            }
            _ => return None,
        };
        Some(self.clipped(tag, length, rest))
    }

    /// The next element, with a tag of any length.
    pub fn tagged(&mut self) -> Result<Tagged<'a>, Malformed> {
        let (&first, mut rest) = self.rest.split_first().ok_or(CUT_SHORT)?;
        let (form, mut number) = (first & 0xe0, u32::from(first & NUMBER_BEHIND));
        if first & NUMBER_BEHIND == NUMBER_BEHIND {
            number = 0;
            loop {
                let (&octet, after) = rest.split_first().ok_or(CUT_SHORT)?;
                if number > u32::MAX >> 7 {
                    return Err(Malformed::new("ber-tag-too-long"));
                }
                number = number << 7 | u32::from(octet & 0x7f);
                rest = after;
                if octet & 0x80 == 0 {
                    break;
                }
            }
        }
        let contents = self.contents(rest, first)?;
        Ok(Tagged { form, number, contents })
    }

    /// The contents of the next element if it has this tag; an error otherwise.
    pub fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let element = self.element()?;
        if element.tag == tag {
            Ok(element.contents)
        } else {
            Err(Malformed::new("ber-unexpected-tag"))
        }
    }

    /// An INTEGER that fits 64 bits.
    pub fn integer(&mut self) -> Result<i64, Malformed> {
        integer(self.expect(0x02)?)
    }

    pub fn octets(&mut self) -> Result<&'a [u8], Malformed> {
        self.expect(0x04)
    }
}

/// A definite length (8.1.3.3) by its first octet, and what stands behind it.
fn definite(first: u8, rest: &[u8]) -> Result<(usize, &[u8]), Malformed> {
    if first < 0x80 {
        return Ok((usize::from(first), rest));
    }
    let octets = usize::from(first & 0x7f);
    if octets == 0 || octets > 4 {
        return Err(Malformed::new("ber-length-form-not-supported"));
    }
    let (bytes, rest) = rest.split_at_checked(octets).ok_or(CUT_SHORT)?;
    Ok((bytes.iter().fold(0usize, |n, b| n << 8 | usize::from(*b)), rest))
}

/// How many octets stand before the end of contents of indefinite length (8.1.5); elements of
/// such length within have an end of their own.
fn until_end_of_contents(bytes: &[u8]) -> Option<usize> {
    const ELEMENTS_MAX: usize = 4_096;
    const DEPTH_MAX: usize = 32;
    let (mut rest, mut depth) = (bytes, 0usize);
    for _ in 0..ELEMENTS_MAX {
        if let Some(behind) = rest.strip_prefix(&END_OF_CONTENTS) {
            if depth == 0 {
                return bytes.len().checked_sub(rest.len());
            }
            depth = depth.saturating_sub(1);
            rest = behind;
            continue;
        }
        let (&identifier, mut behind) = rest.split_first()?;
        if identifier & NUMBER_BEHIND == NUMBER_BEHIND {
            let last = behind.iter().position(|octet| octet & 0x80 == 0)?;
            behind = behind.get(last.checked_add(1)?..)?;
        }
        let (&first, behind) = behind.split_first()?;
        rest = if first == 0x80 && identifier & CONSTRUCTED != 0 {
            depth = depth.checked_add(1).filter(|depth| *depth < DEPTH_MAX)?;
            behind
        } else {
            let (length, contents) = definite(first, behind).ok()?;
            contents.get(length..)?
        };
    }
    None
}

/// Members of a SEQUENCE with explicit context tags: (number, contents), as Kerberos writes all.
pub fn members(sequence: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = Ber::new(sequence);
    std::iter::from_fn(move || {
        let element = rest.element().ok()?;
        Some((element.tag.wrapping_sub(0xa0), element.contents))
    })
}

/// Two's complement, big endian, one to eight octets.
pub fn integer(contents: &[u8]) -> Result<i64, Malformed> {
    if contents.is_empty() || contents.len() > 8 {
        return Err(Malformed::new("ber-integer-of-odd-size"));
    }
    let negative = contents.first().is_some_and(|b| b & 0x80 != 0);
    let start = if negative { -1 } else { 0 };
    Ok(contents.iter().fold(start, |n: i64, b| n << 8 | i64::from(*b)))
}

/// An OBJECT IDENTIFIER as dotted text.
pub fn object_identifier(contents: &[u8]) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    let mut arc = 0u64;
    for (i, byte) in contents.iter().enumerate() {
        arc = arc << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        let written = if text.is_empty() && i < 10 {
            let root = (arc / 40).min(2);
            write!(text, "{root}.{}", arc.saturating_sub(root.saturating_mul(40)))
        } else {
            write!(text, ".{arc}")
        };
        written.expect("a String takes any text");
        arc = 0;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_form_length_and_nested_elements() {
        let bytes = [0x30, 0x81, 0x05, 0x02, 0x01, 0xff, 0x04, 0x00];
        let mut outer = Ber::new(&bytes);
        let mut inner = Ber::new(outer.expect(0x30).expect("a sequence"));
        assert_eq!(inner.integer(), Ok(-1));
        assert_eq!(inner.octets(), Ok(&[][..]));
        assert!(outer.is_empty());
    }

    #[test]
    fn tags_of_several_octets() {
        let bytes = [0xbf, 0x48, 2, 0x80, 0, 0x9f, 0x81, 0x00, 1, 7, 0xa4, 0];
        let mut at = Ber::new(&bytes);
        let open = at.tagged().expect("fileOpen");
        assert_eq!((open.form, open.number, open.contents), (0xa0, 72, &[0x80, 0][..]));
        let long = at.tagged().expect("two octets of number");
        assert_eq!((long.number, long.contents, long.is_context()), (128, &[7][..], true));
        assert_eq!(at.tagged().expect("read").number, 4);
        assert!(at.is_empty());
    }

    #[test]
    fn a_length_beyond_the_bytes_is_malformed() {
        assert!(Ber::new(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]).element().is_err());
        assert!(Ber::new(&[0x30, 0x80, 0, 0]).element().is_err());
    }

    #[test]
    fn contents_of_indefinite_length_end_where_their_own_end_stands() {
        let bytes =
            [&[0x30, 0x80, 0xbf, 0x48, 0x80, 4, 2, 0, 0, 0, 0, 2, 1, 5, 0, 0][..], &[0x02, 1, 7]]
                .concat();
        let mut at = Ber::of_any_length(&bytes);
        let mut inside = Ber::of_any_length(at.expect(0x30).expect("a sequence"));
        let open = inside.tagged().expect("of indefinite length too");
        assert_eq!((open.number, open.contents), (72, &[4, 2, 0, 0][..]));
        assert_eq!((inside.integer(), inside.is_empty()), (Ok(5), true));
        assert_eq!((at.integer(), at.is_empty()), (Ok(7), true));
        // Where the form is forbidden, of a primitive, without an end, too deep.
        assert!(Ber::new(&bytes).element().is_err());
        assert!(Ber::of_any_length(&[0x04, 0x80, 0, 0]).element().is_err());
        assert!(Ber::of_any_length(&bytes[..10]).element().is_err());
        let deep = [[0x30, 0x80].repeat(40), vec![0; 80]].concat();
        assert!(Ber::of_any_length(&deep).element().is_err());
        assert!(Ber::of_any_length(&deep[20..]).element().is_ok());
    }

    #[test]
    fn lengths_of_one_to_four_octets_are_read_leniently() {
        for length in [&[2][..], &[0x81, 2], &[0x82, 0, 2], &[0x83, 0, 0, 2], &[0x84, 0, 0, 0, 2]] {
            let bytes = [&[0x61], length, &[7, 8, 9]].concat();
            let mut at = Ber::new(&bytes);
            let element = Clipped { tag: 0x61, contents: &[7, 8], cut: false };
            assert_eq!((at.lenient(), at.rest()), (Some(element), &[9][..]));
        }
        let endless = [0x61, 0x80, 0x80, 1, 7, 0xab, 0x80, 0x83, 1, 1, 0, 0, 0, 0, 9];
        let mut at = Ber::of_any_length(&endless);
        let element = Clipped { tag: 0x61, contents: &endless[2..12], cut: false };
        assert_eq!((at.lenient(), at.rest()), (Some(element), &[9][..]));
        let cut = Ber::of_any_length(&endless[..12]).lenient();
        assert_eq!(cut, Some(Clipped { tag: 0x61, contents: &endless[2..12], cut: true }));
        assert_eq!(Ber::new(&endless).lenient(), None);
        let cut = Ber::new(&[0x61, 0x84, 0xff, 0xff, 0xff, 0xff, 7]).lenient();
        assert_eq!(cut, Some(Clipped { tag: 0x61, contents: &[7], cut: true }));
    }

    #[test]
    fn sys_descr_has_its_usual_name() {
        assert_eq!(object_identifier(&[0x2b, 6, 1, 2, 1, 1, 1, 0]), "1.3.6.1.2.1.1.1.0");
        assert_eq!(object_identifier(&[0x2b, 6, 1, 4, 1, 0x82, 0x37]), "1.3.6.1.4.1.311");
    }
}
