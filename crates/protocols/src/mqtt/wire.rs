//! Control packets of MQTT 3.1, 3.1.1 and 5 (OASIS MQTT 5.0, chapter 2 and 3).
//!
//! Invariant: a packet is read within its remaining length.

use crate::{Malformed, text};
use ::wire::reader::Reader;

pub const CONNECT: u8 = 1;
pub const CONNACK: u8 = 2;
pub const PUBLISH: u8 = 3;
pub const SUBSCRIBE: u8 = 8;
pub const PUBACK: u8 = 4;
pub const PUBREC: u8 = 5;
pub const SUBACK: u8 = 9;
pub const UNSUBSCRIBE: u8 = 10;
pub const DISCONNECT: u8 = 14;
pub const AUTH: u8 = 15;

/// Topic filters of one request that are read.
const FILTERS_MAX: usize = 256;

/// Fixed header (2.1): type, flags, octets of the header and of the rest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub kind: u8,
    pub flags: u8,
    pub octets: usize,
    pub rest: usize,
}

impl Header {
    /// `None` while octets are missing; an error when these begin no packet.
    pub fn parse(bytes: &[u8]) -> Option<Result<Header, ()>> {
        let (&first, rest) = bytes.split_first()?;
        let (kind, flags) = (first >> 4, first & 0x0f);
        let fits = match kind {
            0 => false,
            PUBLISH => flags & 0x06 != 0x06,
            6 | SUBSCRIBE | UNSUBSCRIBE => matches!(flags, 2 | 10),
            // MQTT 3.1 allowed a mark for repeated packets.
            _ => matches!(flags, 0 | 8),
        };
        if !fits {
            return Some(Err(()));
        }
        let mut length = 0usize;
        for (i, octet) in rest.iter().take(4).enumerate() {
            length |= usize::from(octet & 0x7f) << i.saturating_mul(7);
            if octet & 0x80 == 0 {
                return Some(Ok(Header { kind, flags, octets: i.saturating_add(2), rest: length }));
            }
        }
        if rest.len() >= 4 { Some(Err(())) } else { None }
    }
}

/// A string of two octets of length and UTF-8 (1.5.4).
pub fn string(r: &mut Reader<'_>) -> Result<String, Malformed> {
    octets(r).map(text::lossy)
}

pub fn octets<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let length = usize::from(r.be16()?);
    Ok(r.bytes(length)?)
}

/// A variable byte integer (1.5.5).
pub fn variable(r: &mut Reader<'_>) -> Result<usize, Malformed> {
    let mut value = 0usize;
    for i in 0..4usize {
        let octet = r.u8()?;
        value |= usize::from(octet & 0x7f) << i.saturating_mul(7);
        if octet & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(Malformed::new("mqtt-length-too-long"))
}

/// Steps over the properties of version 5 (2.2.2) and returns them.
pub fn properties<'a>(r: &mut Reader<'a>, level: u8) -> Result<&'a [u8], Malformed> {
    if level < 5 {
        return Ok(&[]);
    }
    let length = variable(r)?;
    Ok(r.bytes(length)?)
}

/// What a client says when it connects (3.1).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Connect {
    pub level: u8,
    pub client: String,
    pub user: Option<String>,
    pub password: Option<Vec<u8>>,
    pub will: Option<String>,
}

impl Connect {
    pub fn parse(body: &[u8]) -> Result<Connect, Malformed> {
        let mut r = Reader::new(body);
        if !matches!(octets(&mut r)?, b"MQTT" | b"MQIsdp") {
            return Err(Malformed::new("mqtt-protocol-name-unknown"));
        }
        // The bridge bit is set by brokers that connect to brokers.
        let level = r.u8()? & 0x7f;
        let flags = r.u8()?;
        r.be16()?;
        properties(&mut r, level)?;
        let mut connect = Connect { level, client: string(&mut r)?, ..Connect::default() };
        if flags & 0x04 != 0 {
            properties(&mut r, level)?;
            connect.will = Some(string(&mut r)?);
            octets(&mut r)?;
        }
        if flags & 0x80 != 0 {
            connect.user = Some(string(&mut r)?);
        }
        if flags & 0x40 != 0 {
            connect.password = Some(octets(&mut r)?.to_vec());
        }
        Ok(connect)
    }

    /// Writes the whole packet for versions below 5, without a will. Used by tests and the lab.
    pub fn emit(&self) -> Vec<u8> {
        let text = |t: &[u8]| [&(t.len() as u16).to_be_bytes()[..], t].concat();
        let flags = u8::from(self.user.is_some()) << 7 | u8::from(self.password.is_some()) << 6;
        let mut body = text(if self.level == 3 { b"MQIsdp" } else { b"MQTT" });
        body.extend([self.level, flags | 2, 0, 60]);
        body.extend(text(self.client.as_bytes()));
        for part in [self.user.as_ref().map(|u| u.as_bytes()), self.password.as_deref()] {
            body.extend(part.map(text).unwrap_or_default());
        }
        let mut packet = vec![CONNECT << 4];
        let mut rest = body.len();
        loop {
            let more = rest > 0x7f;
            packet.push((rest & 0x7f) as u8 | u8::from(more) << 7);
            rest >>= 7;
            if !more {
                break;
            }
        }
        packet.extend(body);
        packet
    }
}

/// Topic, alias and payload (3.3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publish<'a> {
    pub topic: &'a [u8],
    pub alias: Option<u16>,
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    pub fn parse(body: &'a [u8], flags: u8, level: u8) -> Result<Publish<'a>, Malformed> {
        let mut r = Reader::new(body);
        let topic = octets(&mut r)?;
        if flags & 0x06 != 0 {
            r.be16()?;
        }
        let alias = topic_alias(properties(&mut r, level)?);
        Ok(Publish { topic, alias, payload: r.rest() })
    }
}

/// Topic alias (3.3.2.3.4) among properties; those before it are stepped over by their type.
fn topic_alias(properties: &[u8]) -> Option<u16> {
    const ALIAS: u8 = 0x23;
    let mut r = Reader::new(properties);
    loop {
        match r.u8().ok()? {
            ALIAS => return r.be16().ok(),
            0x01 => r.skip(1).ok()?,
            0x02 => r.skip(4).ok()?,
            0x03 | 0x08 | 0x09 => octets(&mut r).map(|_| ()).ok()?,
            0x0b => variable(&mut r).map(|_| ()).ok()?,
            0x26 => {
                octets(&mut r).ok()?;
                octets(&mut r).ok()?;
            }
            _ => return None,
        }
    }
}

/// Octets before the codes of an acknowledgement of several things: its number, and in version 5
/// its properties (3.9.2).
pub fn before_codes(body: &[u8], level: u8) -> usize {
    const NUMBER_OCTETS: usize = 2;
    match level {
        5 => {}
        // The last is one, whatever stands before it.
        0 => return body.len().saturating_sub(1).max(NUMBER_OCTETS),
        _ => return NUMBER_OCTETS,
    }
    let mut r = Reader::new(body.get(NUMBER_OCTETS..).unwrap_or_default());
    match properties(&mut r, level) {
        Ok(_) => body.len().saturating_sub(r.remaining()),
        Err(_) => body.len(),
    }
}

/// Topic filters of SUBSCRIBE (3.8.3) and UNSUBSCRIBE (3.10.3), to the first that cannot be read.
pub fn filters(
    body: &[u8],
    level: u8,
    subscribe: bool,
) -> Result<impl Iterator<Item = Result<String, Malformed>>, Malformed> {
    let mut r = Reader::new(body);
    r.be16()?;
    properties(&mut r, level)?;
    Ok((0..FILTERS_MAX).map_while(move |_| {
        if r.is_empty() {
            return None;
        }
        let filter = string(&mut r);
        let options = if subscribe { r.u8().map(drop) } else { Ok(()) };
        Some(filter.and_then(|filter| options.map(|()| filter).map_err(Malformed::from)))
    }))
}

/// The version of which a SUBSCRIBE or UNSUBSCRIBE is: with the properties of version 5 before
/// them, filters are read at the wrong place in the others, where none may be empty (4.7.3).
pub fn level_of(body: &[u8], subscribe: bool) -> Option<u8> {
    [4, 5].into_iter().find(|level| {
        let whole = |filter: Result<String, Malformed>| filter.is_ok_and(|f| !f.is_empty());
        filters(body, *level, subscribe).is_ok_and(|mut filters| filters.all(whole))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn what_is_written_is_read(
            level in 3u8..=4,
            client in "\\PC{0,40}",
            user in prop::option::of("\\PC{0,200}"),
            password in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        ) {
            let connect = Connect { level, client, user, password, will: None };
            let packet = connect.emit();
            let header = Header::parse(&packet).expect("whole").expect("a packet");
            prop_assert_eq!(header.octets + header.rest, packet.len());
            prop_assert_eq!(Connect::parse(&packet[header.octets..]), Ok(connect));
        }
    }
}
