//! Encapsulation header, common packet items, CIP requests and answers, identities.

use model::Route;
use wire::{Reader, Short};

pub const HEADER_OCTETS: usize = 24;
/// Items in a common packet that are read.
const ITEMS_MAX: usize = 8;

/// Encapsulation header (Volume 2, 2-3.1), little endian.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    pub command: u16,
    pub length: u16,
    pub session: u32,
    pub status: u32,
    pub context: u64,
    pub options: u32,
}

impl Header {
    pub fn parse(bytes: &[u8]) -> Result<Header, Short> {
        let mut r = Reader::new(bytes);
        Ok(Header {
            command: r.le16()?,
            length: r.le16()?,
            session: r.le32()?,
            status: r.le32()?,
            context: r.le64()?,
            options: r.le32()?,
        })
    }

    pub fn emit(&self) -> Vec<u8> {
        let mut out = self.command.to_le_bytes().to_vec();
        out.extend(self.length.to_le_bytes());
        out.extend(self.session.to_le_bytes());
        out.extend(self.status.to_le_bytes());
        out.extend(self.context.to_le_bytes());
        out.extend(self.options.to_le_bytes());
        out
    }

    /// Options are always zero (2-3.1); commands and their lengths are few.
    pub fn is_plausible(&self) -> bool {
        let length = match self.command {
            0x65 => self.length == 4,
            0x66 => self.length == 0,
            0x04 | 0x63 | 0x64 => self.length < 2_048,
            0x6f | 0x70 => (6..=0xfff0).contains(&self.length),
            _ => false,
        };
        length && self.options == 0 && self.status <= 0x0fff
    }

    /// Is the message one that hardly any other looks like? Commands without data are small
    /// numbers and zeros, which others have as well (a Modbus answer may be all of that); of the
    /// others the data begins in the same way (2-4.4, 2-4.7): protocol version 1, or interface
    /// handle 0, a timeout, and items of which the first is an address.
    pub fn is_certain(&self, message: &[u8]) -> bool {
        let data = message.get(HEADER_OCTETS..).unwrap_or_default();
        match self.command {
            0x04 | 0x63 | 0x64 | 0x66 => self.status == 0 && data.len() == usize::from(self.length),
            0x65 => data.starts_with(&[1, 0, 0, 0]),
            _ => matches!(
                data,
                [0, 0, 0, 0, _, _, 1..=8, 0, 0, 0, 0, 0, ..]
                    | [0, 0, 0, 0, _, _, 1..=8, 0, 0xa1, 0, 4, 0, ..]
            ),
        }
    }
}

/// An item of the common packet format (2-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item<'a> {
    pub kind: u16,
    pub data: &'a [u8],
}

/// The items, where all of them fit.
pub fn items(bytes: &[u8]) -> Result<impl Iterator<Item = Item<'_>> + use<'_>, Short> {
    let mut r = Reader::new(bytes);
    let count = usize::from(r.le16()?).min(ITEMS_MAX);
    let mut rest = r;
    for _ in 0..count {
        item(&mut r)?;
    }
    Ok((0..count).map_while(move |_| item(&mut rest).ok()))
}

fn item<'a>(r: &mut Reader<'a>) -> Result<Item<'a>, Short> {
    let kind = r.le16()?;
    let length = usize::from(r.le16()?);
    Ok(Item { kind, data: r.bytes(length)? })
}

/// Cyclic data by UDP: a sequenced address item, then connected data.
pub fn is_cyclic(bytes: &[u8]) -> bool {
    matches!(bytes, [2, 0, 2, 0x80, 8, 0, _, _, _, _, _, _, _, _, 0xb1, 0, ..])
}

/// Classes that are kept of a path; to name a link, a connection and an object takes fewer.
const CLASSES_MAX: usize = 8;

/// The classes of a path, without an allocation: most requests name one.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Classes {
    kept: [u32; CLASSES_MAX],
    count: usize,
}

impl Classes {
    fn push(&mut self, class: u32) {
        if let Some(slot) = self.kept.get_mut(self.count) {
            *slot = class;
            self.count = self.count.saturating_add(1);
        }
    }
}

impl std::ops::Deref for Classes {
    type Target = [u32];

    fn deref(&self) -> &[u32] {
        self.kept.get(..self.count).unwrap_or_default()
    }
}

/// What an EPATH names (Volume 1, appendix C).
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Path {
    pub classes: Classes,
    pub instance: Option<u32>,
    pub attribute: Option<u32>,
    pub symbol: Option<String>,
    /// The device that the port segments lead to, of its host.
    pub route: Route,
    /// It leads further than a route has room for.
    pub too_far: bool,
    /// A safety network segment (Volume 5, 3-5): what is connected is CIP Safety.
    pub safety: bool,
}

impl Path {
    /// The way to the device, where it is known whole.
    pub fn way(&self) -> Option<Route> {
        Some(self.route).filter(|_| !self.too_far)
    }

    /// Reads what it knows and stops at the first segment it does not.
    pub fn parse(bytes: &[u8]) -> Path {
        let mut path = Path::default();
        let mut r = Reader::new(bytes);
        while !r.is_empty() {
            if path.segment(&mut r).is_err() {
                break;
            }
        }
        path
    }

    fn segment(&mut self, r: &mut Reader<'_>) -> Result<(), Short> {
        let kind = r.u8()?;
        match kind {
            0x00..=0x1f => self.hop(kind, r)?,
            0x20..=0x33 => {
                let value = match kind & 3 {
                    0 => u32::from(r.u8()?),
                    1 => {
                        r.u8()?;
                        u32::from(r.le16()?)
                    }
                    _ => {
                        r.u8()?;
                        r.le32()?
                    }
                };
                match kind & 0xfc {
                    0x20 => self.classes.push(value),
                    0x24 => self.instance = self.instance.or(Some(value)),
                    // A member of an array tag; of more dimensions, one segment each.
                    0x28 => self.symbol.iter_mut().for_each(|symbol| member(symbol, value)),
                    0x30 => self.attribute = self.attribute.or(Some(value)),
                    _ => {}
                }
            }
            0x34 => {
                // Format 5 of the electronic key has the serial number too.
                let octets = if r.u8()? == 5 { 12 } else { 8 };
                r.bytes(octets)?;
            }
            // Network segments (C-1.4.3): of one octet, or as long as they say.
            0x41..=0x43 => r.skip(1)?,
            0x50..=0x5f => {
                let words = usize::from(r.u8()?);
                r.bytes(words.saturating_mul(2))?;
                self.safety |= kind == 0x50;
            }
            0x80 => {
                let words = usize::from(r.u8()?);
                r.bytes(words.saturating_mul(2))?;
            }
            0x91 => {
                let length = usize::from(r.u8()?);
                let name = String::from_utf8_lossy(r.bytes(length)?).into_owned();
                if length % 2 == 1 {
                    r.u8()?;
                }
                match &mut self.symbol {
                    Some(symbol) => {
                        symbol.push('.');
                        symbol.push_str(&name);
                    }
                    None => self.symbol = Some(name),
                }
            }
            _ => return Err(Short { needed: 1 }),
        }
        Ok(())
    }

    /// A port segment (C-1.4.1): the link address is one octet, or as long as an octet before it
    /// says, such as an address of IP as text; it ends on an even octet.
    fn hop(&mut self, kind: u8, r: &mut Reader<'_>) -> Result<(), Short> {
        const LONG: u8 = 0x10;
        const PORT_BEHIND: u8 = 0x0f;
        let octets = if kind & LONG != 0 { usize::from(r.u8()?) } else { 1 };
        let port = match kind & PORT_BEHIND {
            PORT_BEHIND => r.le16()?,
            port => u16::from(port),
        };
        let link = r.bytes(octets)?;
        if kind & LONG != 0 && octets % 2 == 1 {
            r.skip(1)?;
        }
        self.too_far |= !self.route.hop(port, link);
        Ok(())
    }
}

/// `Tag` becomes `Tag[3]`, `Tag[3]` becomes `Tag[3,5]`.
fn member(symbol: &mut String, index: u32) {
    let more = symbol.ends_with(']');
    if more {
        symbol.pop();
    }
    symbol.push_str(&format!("{}{index}]", if more { ',' } else { '[' }));
}

/// A CIP message: request with its path, or answer with its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'a> {
    Request { service: u8, path: Path, data: &'a [u8] },
    Answer { service: u8, status: u8, data: &'a [u8] },
}

pub fn message(bytes: &[u8]) -> Result<Message<'_>, Short> {
    let mut r = Reader::new(bytes);
    let first = r.u8()?;
    let service = first & 0x7f;
    if first & 0x80 != 0 {
        r.u8()?;
        let status = r.u8()?;
        let words = usize::from(r.u8()?);
        r.bytes(words.saturating_mul(2))?;
        return Ok(Message::Answer { service, status, data: r.rest() });
    }
    let words = usize::from(r.u8()?);
    let path = Path::parse(r.bytes(words.saturating_mul(2))?);
    Ok(Message::Request { service, path, data: r.rest() })
}

/// The message inside an Unconnected Send, and the path to whom it is for (3-5.5.4).
pub fn unconnected(data: &[u8]) -> Result<(&[u8], Path), Short> {
    let mut r = Reader::new(data);
    r.bytes(2)?;
    let length = usize::from(r.le16()?);
    let inner = r.bytes(length)?;
    if length % 2 == 1 {
        r.u8()?;
    }
    let words = usize::from(r.u8()?);
    r.u8()?;
    let path = Path::parse(r.bytes(words.saturating_mul(2))?);
    Ok((inner, path))
}

/// Messages of a Multiple Service Packet (Volume 1, A-4.10).
pub fn packed(data: &[u8]) -> impl Iterator<Item = &[u8]> {
    const PACKED_MAX: usize = 256;
    let offset = |at: usize| {
        let octets = data.get(at.saturating_mul(2)..)?.first_chunk::<2>()?;
        Some(usize::from(u16::from_le_bytes(*octets)))
    };
    let count = offset(0).unwrap_or_default().min(PACKED_MAX);
    // Offsets stand behind the count; a message cut short has not all of them.
    let count = (1..=count).take_while(|at| offset(*at).is_some()).count();
    (1..=count).filter_map(move |at| {
        let end = if at < count { offset(at.saturating_add(1))? } else { data.len() };
        data.get(offset(at)?..end.min(data.len()))
    })
}

/// The attributes of the identity within an item of a List Identity answer: after version and
/// socket address.
pub fn listed(item: &[u8]) -> Result<&[u8], Short> {
    const BEFORE: usize = 18;
    item.get(BEFORE..).ok_or(Short { needed: BEFORE })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leads(path: &[u8], way: &str, classes: &[u32]) {
        let path = Path::parse(path);
        let read = path.way().map(|way| way.to_string());
        assert_eq!((read.as_deref(), &*path.classes), (Some(way), classes), "{path:?}");
    }

    #[test]
    fn a_path_leads_to_a_slot_or_a_node() {
        leads(&[0x20, 2, 0x24, 1], "", &[2]);
        leads(&[1, 3, 0x20, 2], "1/3", &[2]);
        leads(&[2, 5, 0x20, 2], "2/5", &[2]);
        leads(&[0x0f, 18, 0, 7, 0x20, 2], "18/7", &[2]);
    }

    #[test]
    fn a_path_leads_over_bridges() {
        let far = |link: &[u8], further: &[u8]| {
            let size = link.len() as u8;
            let pad = &[0][..link.len() % 2];
            [&[1, 3, 0x12, size][..], link, pad, further, &[0x20, 1, 0x24, 1]].concat()
        };
        leads(&far(b"10.1.2.3", &[]), "1/3,2/10.1.2.3", &[1]);
        leads(&far(b"10.1.2.30", &[]), "1/3,2/10.1.2.30", &[1]);
        leads(&far(b"10.1.2.3", &[1, 0]), "1/3,2/10.1.2.3,1/0", &[1]);
        leads(&[1, 3, 2, 5, 0x20, 1, 0x24, 1], "1/3,2/5", &[1]);
        let long = far(b"one-of-many-mixers.bakery.plant.example", &[]);
        let path = Path::parse(&long);
        assert_eq!((path.way(), &*path.classes, path.instance), (None, &[1][..], Some(1)));
    }

    #[test]
    fn keys_and_network_segments_stand_before_the_object() {
        leads(&[0x34, 4, 1, 0, 14, 0, 54, 0, 0x94, 11, 0x20, 4, 0x24, 1], "", &[4]);
        let with_serial = [&[0x34, 5][..], &[0; 12], &[0x20, 4]].concat();
        leads(&with_serial, "", &[4]);
        leads(&[0x43, 10, 0x51, 1, 1, 2, 0x20, 4], "", &[4]);
        assert!(Path::parse(&[0x50, 1, 0, 0]).safety);
    }
}
