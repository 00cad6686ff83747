//! SNMP messages: v1 (RFC 1157), v2c (RFC 1901, 3416), v3 (RFC 3412), read and written.
//!
//! Invariant: a v3 message with an encrypted scoped PDU has no [`Pdu`], never a guessed one.

use crate::{Malformed, ber};
use ber::Ber;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// As on the wire: 0 is v1, 1 is v2c, 3 is v3.
    pub version: u8,
    /// Of v1 and v2c.
    pub community: Option<Vec<u8>>,
    /// Of v3: the user, and whether the message is authenticated and encrypted.
    pub user: Option<User>,
    pub pdu: Option<Pdu>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct User {
    pub name: Vec<u8>,
    pub engine: Vec<u8>,
    pub authenticated: bool,
    pub encrypted: bool,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pdu {
    /// Context tag: 0 get, 1 get-next, 2 response, 3 set, 4 v1 trap, 5 get-bulk, 6 inform,
    /// 7 trap, 8 report.
    pub kind: u8,
    pub error: i64,
    pub variables: Vec<Variable>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    pub name: Vec<u8>,
    /// BER tag and contents.
    pub tag: u8,
    pub value: Vec<u8>,
}

const VARIABLES_MAX: usize = 256;
const V1_TRAP: u8 = 4;
const PDU_TAG: u8 = 0xa0;
const KIND_MAX: u8 = 8;

pub fn parse(bytes: &[u8]) -> Result<Message, Malformed> {
    let mut message = Ber::new(Ber::new(bytes).expect(0x30)?);
    let version = message.integer()?;
    match version {
        0 | 1 => {
            let community = message.octets()?.to_vec();
            let pdu = Some(pdu(message.element()?)?);
            Ok(Message { version: version as u8, community: Some(community), user: None, pdu })
        }
        3 => parse_v3(message),
        _ => Err(Malformed::new("snmp-version-unknown")),
    }
}

/// As far as the capture has a message: its version, community or user, and kind of PDU.
pub fn head(bytes: &[u8]) -> Option<Message> {
    let open = |bytes| Some(Ber::new(bytes).lenient().filter(|e| e.tag == 0x30)?.contents);
    let mut message = Ber::new(open(bytes)?);
    let version = message.integer().ok()?;
    if version == 3 {
        return head_v3(message);
    }
    let community = Some(message.octets().ok()?.to_vec()).filter(|_| (0..=1).contains(&version))?;
    let pdu = Some(pdu_head(message.lenient()?.tag)?);
    Some(Message { version: version as u8, community: Some(community), user: None, pdu })
}

fn head_v3(mut message: Ber<'_>) -> Option<Message> {
    let user = user(&mut message).ok()?;
    let mut found = None;
    if !user.encrypted {
        let mut scoped = Ber::new(message.lenient().filter(|e| e.tag == 0x30)?.contents);
        scoped.octets().ok()?;
        scoped.octets().ok()?;
        found = Some(pdu_head(scoped.lenient()?.tag)?);
    }
    Some(Message { version: 3, community: None, user: Some(user), pdu: found })
}

/// A PDU of which the kind is known and no more.
fn pdu_head(tag: u8) -> Option<Pdu> {
    let kind = tag.wrapping_sub(PDU_TAG);
    (kind <= KIND_MAX).then(|| Pdu { kind, error: 0, variables: Vec::new() })
}

/// RFC 3412, 6 and RFC 3414, 2.4.
fn parse_v3(mut message: Ber<'_>) -> Result<Message, Malformed> {
    let user = user(&mut message)?;
    let mut found = None;
    if !user.encrypted {
        let mut scoped = Ber::new(message.expect(0x30)?);
        scoped.octets()?;
        scoped.octets()?;
        found = Some(pdu(scoped.element()?)?);
    }
    Ok(Message { version: 3, community: None, user: Some(user), pdu: found })
}

/// Header and security parameters.
fn user(message: &mut Ber<'_>) -> Result<User, Malformed> {
    let mut header = Ber::new(message.expect(0x30)?);
    header.integer()?;
    header.integer()?;
    let flags = header.octets()?.first().copied().unwrap_or_default();
    let mut security = Ber::new(Ber::new(message.octets()?).expect(0x30)?);
    let engine = security.octets()?.to_vec();
    security.integer()?;
    security.integer()?;
    let name = security.octets()?.to_vec();
    let encrypted = flags & 2 != 0;
    Ok(User { name, engine, authenticated: flags & 1 != 0, encrypted })
}

fn pdu(element: ber::Element<'_>) -> Result<Pdu, Malformed> {
    let kind = element.tag.wrapping_sub(PDU_TAG);
    if kind > KIND_MAX {
        return Err(Malformed::new("snmp-pdu-unknown"));
    }
    let mut body = Ber::new(element.contents);
    let mut error = 0;
    if kind == V1_TRAP {
        for _ in 0..5 {
            body.element()?;
        }
    } else {
        body.integer()?;
        error = body.integer()?;
        body.integer()?;
    }
    let mut list = Ber::new(body.expect(0x30)?);
    let mut variables = Vec::new();
    while !list.is_empty() && variables.len() < VARIABLES_MAX {
        let mut pair = Ber::new(list.expect(0x30)?);
        let name = pair.expect(0x06)?.to_vec();
        let value = pair.element()?;
        variables.push(Variable { name, tag: value.tag, value: value.contents.to_vec() });
    }
    Ok(Pdu { kind, error, variables })
}

/// Writes v1 and v2c messages; other PDUs than the v1 trap. Used by tests and the lab.
pub fn emit(version: u8, community: &[u8], request: i32, pdu: &Pdu) -> Vec<u8> {
    let variables: Vec<u8> = pdu
        .variables
        .iter()
        .flat_map(|v| {
            let pair = [tlv(0x06, &v.name), tlv(v.tag, &v.value)].concat();
            tlv(0x30, &pair)
        })
        .collect();
    let body = [
        tlv(0x02, &request.to_be_bytes()),
        tlv(0x02, &[pdu.error as u8]),
        tlv(0x02, &[0]),
        tlv(0x30, &variables),
    ]
    .concat();
    let message =
        [tlv(0x02, &[version]), tlv(0x04, community), tlv(PDU_TAG.wrapping_add(pdu.kind), &body)];
    tlv(0x30, &message.concat())
}

fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match contents.len() {
        n @ 0..=0x7f => bytes.push(n as u8),
        n @ 0x80..=0xff => bytes.extend([0x81, n as u8]),
        n => bytes.extend([0x82, (n >> 8) as u8, n as u8]),
    }
    bytes.extend(contents);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            version in 0u8..2,
            community in prop::collection::vec(any::<u8>(), 0..20),
            kind in prop::sample::select(vec![0u8, 1, 2, 3, 5, 6, 7]),
            values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..4),
        ) {
            let variables = values.into_iter().map(|value| {
                Variable { name: vec![0x2b, 6, 1, 2, 1, 1, 5, 0], tag: 4, value }
            });
            let pdu = Pdu { kind, error: 0, variables: variables.collect() };
            let read = parse(&emit(version, &community, 77, &pdu)).expect("own message");
            prop_assert_eq!(read.pdu, Some(pdu));
            prop_assert_eq!(read.community, Some(community));
        }
    }
}
