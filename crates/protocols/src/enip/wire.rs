//! Encapsulation header, common packet items, CIP requests and answers, identities.

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
    /// Link address behind the port segment: the slot of a rack.
    pub slot: Option<u8>,
    /// A safety network segment (Volume 5, 3-5): what is connected is CIP Safety.
    pub safety: bool,
}

impl Path {
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
            0x00..=0x0f => self.slot = Some(r.u8()?),
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
                let length = usize::from(r.u8()?).saturating_mul(2);
                r.bytes(length.min(8))?;
            }
            0x50 => {
                let words = usize::from(r.u8()?);
                r.bytes(words.saturating_mul(2))?;
                self.safety = true;
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

/// The message inside an Unconnected Send, and the slot it is for (3-5.5.4).
pub fn unconnected(data: &[u8]) -> Result<(&[u8], Option<u8>), Short> {
    let mut r = Reader::new(data);
    r.bytes(2)?;
    let length = usize::from(r.le16()?);
    let inner = r.bytes(length)?;
    if length % 2 == 1 {
        r.u8()?;
    }
    let words = usize::from(r.u8()?);
    r.u8()?;
    let route = Path::parse(r.bytes(words.saturating_mul(2))?);
    Ok((inner, route.slot))
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

/// Attributes 1 to 7 of the identity object.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Identity {
    pub vendor: u16,
    pub device_type: u16,
    pub product_code: u16,
    pub revision: (u8, u8),
    pub status: u16,
    pub serial: u32,
    pub name: String,
}

pub fn identity(bytes: &[u8]) -> Result<Identity, Short> {
    let mut r = Reader::new(bytes);
    let (vendor, device_type, product_code) = (r.le16()?, r.le16()?, r.le16()?);
    let revision = (r.u8()?, r.u8()?);
    let (status, serial) = (r.le16()?, r.le32()?);
    let length = usize::from(r.u8()?);
    let name = String::from_utf8_lossy(r.bytes(length)?).into_owned();
    Ok(Identity { vendor, device_type, product_code, revision, status, serial, name })
}

/// The identity within an item of a List Identity answer: after version and socket address.
pub fn listed(item: &[u8]) -> Result<Identity, Short> {
    const BEFORE: usize = 18;
    identity(item.get(BEFORE..).ok_or(Short { needed: BEFORE })?)
}
