//! The few fields of an X.509 certificate (RFC 5280, 4.1) that name who holds it.
//!
//! Not a validation of anything. Invariant: only text that stands in the subject or issuer.

use crate::{Malformed, ber::Ber, ber::Element, text};

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Certificate {
    pub subject: Name,
    pub issuer: Name,
    pub not_after: String,
    pub alternative_names: Vec<String>,
    /// The application that an OPC UA certificate is for (OPC 10000-6, 6.2.2).
    pub application_uri: String,
    /// The key's curve is written out instead of named, which certificates must not do.
    pub explicit_curve: bool,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Name {
    pub common: String,
    pub organisation: String,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OID: u8 = 0x06;
const NAMES_MAX: usize = 32;

pub fn parse(der: &[u8]) -> Result<Certificate, Malformed> {
    let mut outer = Ber::new(Ber::new(der).expect(SEQUENCE)?);
    let mut body = Ber::new(outer.expect(SEQUENCE)?);
    // The version is optional: [0] EXPLICIT, then the serial number.
    let first = body.element()?;
    if first.tag == 0xa0 {
        body.element()?;
    }
    body.expect(SEQUENCE)?;
    let issuer = name(body.expect(SEQUENCE)?)?;
    let mut validity = Ber::new(body.expect(SEQUENCE)?);
    validity.element()?;
    let not_after = text::lossy(validity.element()?.contents);
    let subject = name(body.expect(SEQUENCE)?)?;
    let (mut alternative_names, mut application_uri) = (Vec::new(), String::new());
    let explicit_curve = is_explicit(body.expect(SEQUENCE)?);
    while let Ok(element) = body.element() {
        if element.tag == 0xa3 {
            (alternative_names, application_uri) = alternatives(element).unwrap_or_default();
        }
    }
    Ok(Certificate {
        subject,
        issuer,
        not_after,
        alternative_names,
        application_uri,
        explicit_curve,
    })
}

/// RFC 5480, 2.1.1: parameters of a key on an elliptic curve are the curve's name, never its
/// numbers. Systems open to CVE-2020-0601 compare the key alone with one they trust.
fn is_explicit(key: &[u8]) -> bool {
    const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    let mut algorithm = match Ber::new(key).expect(SEQUENCE) {
        Ok(contents) => Ber::new(contents),
        Err(_) => return false,
    };
    let elliptic = algorithm.expect(OID).is_ok_and(|oid| oid == ELLIPTIC);
    elliptic && algorithm.element().is_ok_and(|parameters| parameters.tag == SEQUENCE)
}

fn name(contents: &[u8]) -> Result<Name, Malformed> {
    const COMMON_NAME: &[u8] = &[0x55, 4, 3];
    const ORGANISATION: &[u8] = &[0x55, 4, 10];
    let mut name = Name::default();
    let mut sets = Ber::new(contents);
    while !sets.is_empty() {
        let mut pair = Ber::new(Ber::new(sets.expect(SET)?).expect(SEQUENCE)?);
        let kind = pair.expect(OID)?;
        let value = pair.element()?;
        let said = match value.tag {
            0x1e => utf16be(value.contents),
            _ => text::lossy(value.contents),
        };
        match kind {
            COMMON_NAME => name.common = said,
            ORGANISATION => name.organisation = said,
            _ => {}
        }
    }
    Ok(name)
}

fn utf16be(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).filter_map(|p| p.try_into().ok()).map(u16::from_be_bytes);
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// subjectAltName (RFC 5280, 4.2.1.6): DNS names and addresses; the first URI.
fn alternatives(extensions: Element<'_>) -> Result<(Vec<String>, String), Malformed> {
    const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];
    let (mut found, mut uri) = (Vec::new(), String::new());
    let mut list = Ber::new(Ber::new(extensions.contents).expect(SEQUENCE)?);
    while !list.is_empty() {
        let mut extension = Ber::new(list.expect(SEQUENCE)?);
        if extension.expect(OID)? != SUBJECT_ALT_NAME {
            continue;
        }
        let mut value = extension.element()?;
        if value.tag == 0x01 {
            value = extension.element()?;
        }
        let mut names = Ber::new(Ber::new(value.contents).expect(SEQUENCE)?);
        while !names.is_empty() && found.len() < NAMES_MAX {
            let one = names.element()?;
            match (one.tag, one.contents) {
                (0x82, dns) => found.push(text::lossy(dns)),
                (0x86, said) if uri.is_empty() => uri = text::lossy(said),
                (0x87, [a, b, c, d]) => found.push(format!("{a}.{b}.{c}.{d}")),
                _ => {}
            }
        }
    }
    Ok((found, uri))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_that_is_written_out_is_told_apart() {
        let key = |oid: &[u8], parameters: &[u8]| {
            let oid = [&[OID, oid.len() as u8][..], oid].concat();
            let length = (oid.len() + parameters.len()) as u8;
            [&[SEQUENCE, length][..], &oid, parameters, &[3, 1, 0]].concat()
        };
        let elliptic = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
        let named = [OID, 5, 0x2b, 0x81, 4, 0, 0x22];
        let written = [SEQUENCE, 3, 2, 1, 1];
        assert!(is_explicit(&key(&elliptic, &written)));
        assert!(!is_explicit(&key(&elliptic, &named)));
        let rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        assert!(!is_explicit(&key(&rsa, &written)) && !is_explicit(&[SEQUENCE, 9, OID]));
    }
}
