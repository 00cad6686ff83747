//! OPC UA binary encoding of built-in types (OPC 10000-6, 5.2.2).
//!
//! Invariant: arrays and nesting are bounded by what is there and by [`super::limits`].

use super::limits::{ARRAY_MAX, ELEMENTS_MAX, NESTED_MAX};
use crate::{Malformed, text};
use ::wire::reader::Reader;
use model::PointValue;
use std::fmt;

/// Reads built-in types one after the other.
#[derive(Clone, Debug)]
pub struct Decoder<'a> {
    r: Reader<'a>,
}

/// A node's number or name in its namespace (5.2.2.9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NodeId {
    pub namespace: u16,
    pub id: Identifier,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Identifier {
    Number(u32),
    Name(Box<str>),
    Opaque(Box<[u8]>),
}

impl NodeId {
    /// The number of a node of the standard's own namespace.
    pub fn standard(&self) -> Option<u32> {
        match self.id {
            Identifier::Number(number) if self.namespace == 0 => Some(number),
            _ => None,
        }
    }
}

impl fmt::Display for NodeId {
    /// OPC 10000-6, 5.3.1.10.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace != 0 {
            write!(f, "ns={};", self.namespace)?;
        }
        match &self.id {
            Identifier::Number(number) => write!(f, "i={number}"),
            Identifier::Name(name) => write!(f, "s={name}"),
            Identifier::Opaque(octets) => {
                f.write_str("b=")?;
                octets.iter().take(16).try_for_each(|octet| write!(f, "{octet:02x}"))
            }
        }
    }
}

/// A value with what it was said to be worth (5.2.2.17).
#[derive(Clone, PartialEq, Debug)]
pub struct DataValue<'a> {
    pub value: Option<Variant<'a>>,
    pub status: u32,
}

/// A scalar, an object of a structured type, or something else that was stepped over (5.2.2.16).
#[derive(Clone, PartialEq, Debug)]
pub enum Variant<'a> {
    Scalar(PointValue),
    Object {
        kind: NodeId,
        body: &'a [u8],
    },
    /// The first elements of an array.
    Array(Vec<PointValue>),
    Other,
}

type Read<T> = Result<T, Malformed>;

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Decoder { r: Reader::new(bytes) }
    }

    pub fn skip(&mut self, count: usize) -> Read<()> {
        Ok(self.r.skip(count)?)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.r.rest()
    }

    pub fn u8(&mut self) -> Read<u8> {
        Ok(self.r.u8()?)
    }

    pub fn u32(&mut self) -> Read<u32> {
        Ok(self.r.le32()?)
    }

    pub fn octets(&mut self) -> Read<&'a [u8]> {
        let length = self.r.le32()?;
        // -1 is null (5.2.2.4).
        if length == u32::MAX {
            return Ok(&[]);
        }
        Ok(self.r.bytes(length as usize)?)
    }

    pub fn string(&mut self) -> Read<String> {
        self.octets().map(text::lossy)
    }

    /// The number of elements of an array; each takes at least one octet.
    pub fn count(&mut self) -> Read<usize> {
        let count = self.r.le32()?;
        if count == u32::MAX {
            return Ok(0);
        }
        let count = count as usize;
        if count > self.r.remaining() || count > ARRAY_MAX {
            return Err(Malformed::new("opcua-array-longer-than-message"));
        }
        Ok(count)
    }

    pub fn strings(&mut self) -> Read<()> {
        for _ in 0..self.count()? {
            self.octets()?;
        }
        Ok(())
    }

    pub fn node(&mut self) -> Read<NodeId> {
        let form = self.u8()?;
        self.node_of(form & 0x3f)
    }

    fn node_of(&mut self, form: u8) -> Read<NodeId> {
        let r = &mut self.r;
        let (namespace, id) = match form {
            0 => (0, Identifier::Number(u32::from(r.u8()?))),
            1 => (u16::from(r.u8()?), Identifier::Number(u32::from(r.le16()?))),
            2 => (r.le16()?, Identifier::Number(r.le32()?)),
            3 => {
                let namespace = r.le16()?;
                (namespace, Identifier::Name(self.string()?.into()))
            }
            4 => (r.le16()?, Identifier::Opaque(r.bytes(16)?.into())),
            5 => {
                let namespace = r.le16()?;
                (namespace, Identifier::Opaque(self.octets()?.into()))
            }
            _ => return Err(Malformed::new("opcua-node-id-unknown")),
        };
        Ok(NodeId { namespace, id })
    }

    fn expanded_node(&mut self) -> Read<NodeId> {
        let form = self.u8()?;
        let node = self.node_of(form & 0x3f)?;
        if form & 0x80 != 0 {
            self.octets()?;
        }
        if form & 0x40 != 0 {
            self.u32()?;
        }
        Ok(node)
    }

    pub fn localized(&mut self) -> Read<String> {
        let mask = self.u8()?;
        if mask & 1 != 0 {
            self.octets()?;
        }
        if mask & 2 != 0 { self.string() } else { Ok(String::new()) }
    }

    pub fn qualified(&mut self) -> Read<String> {
        self.r.le16()?;
        self.string()
    }

    /// An ExtensionObject (5.2.2.15): its type and, where it is binary, its body.
    pub fn object(&mut self) -> Read<(NodeId, &'a [u8])> {
        let kind = self.node()?;
        let body = match self.u8()? {
            0 => &[],
            1 | 2 => self.octets()?,
            _ => return Err(Malformed::new("opcua-object-encoding-unknown")),
        };
        Ok((kind, body))
    }

    pub fn diagnostics(&mut self) -> Read<()> {
        for _ in 0..NESTED_MAX {
            let mask = self.u8()?;
            for bit in [0x01, 0x02, 0x04, 0x08] {
                if mask & bit != 0 {
                    self.skip(4)?;
                }
            }
            if mask & 0x10 != 0 {
                self.octets()?;
            }
            if mask & 0x20 != 0 {
                self.skip(4)?;
            }
            if mask & 0x40 == 0 {
                return Ok(());
            }
        }
        Err(Malformed::new("opcua-nested-too-deep"))
    }

    pub fn data_value(&mut self) -> Read<DataValue<'a>> {
        let mask = self.u8()?;
        let value = if mask & 0x01 != 0 { Some(self.variant(0)?) } else { None };
        let status = if mask & 0x02 != 0 { self.u32()? } else { 0 };
        for (bit, octets) in [(0x04, 8), (0x10, 2), (0x08, 8), (0x20, 2)] {
            if mask & bit != 0 {
                self.skip(octets)?;
            }
        }
        Ok(DataValue { value, status })
    }

    pub fn variant(&mut self, depth: u8) -> Read<Variant<'a>> {
        if depth > NESTED_MAX {
            return Err(Malformed::new("opcua-nested-too-deep"));
        }
        let form = self.u8()?;
        let kind = form & 0x3f;
        if form & 0x80 == 0 {
            return self.scalar(kind, depth);
        }
        let mut elements = Vec::new();
        for _ in 0..self.count()? {
            let element = self.scalar(kind, depth)?;
            if let Variant::Scalar(value) = element
                && elements.len() < ELEMENTS_MAX
            {
                elements.push(value);
            }
        }
        if form & 0x40 != 0 {
            let dimensions = self.count()?;
            self.skip(dimensions.saturating_mul(4))?;
        }
        Ok(if elements.is_empty() { Variant::Other } else { Variant::Array(elements) })
    }

    /// Built-in types by their numbers (5.1.2).
    fn scalar(&mut self, kind: u8, depth: u8) -> Read<Variant<'a>> {
        use PointValue::{Bool, Float, Int, Text, Unsigned};
        let r = &mut self.r;
        let value = match kind {
            0 => return Ok(Variant::Other),
            1 => Bool(r.u8()? != 0),
            2 => Int(i64::from(i8::from_le_bytes([r.u8()?]))),
            3 => Unsigned(u64::from(r.u8()?)),
            4 => Int(i64::from(i16::from_le_bytes(r.array()?))),
            5 => Unsigned(u64::from(r.le16()?)),
            6 => Int(i64::from(i32::from_le_bytes(r.array()?))),
            7 => Unsigned(u64::from(r.le32()?)),
            8 => Int(i64::from_le_bytes(r.array()?)),
            9 => Unsigned(r.le64()?),
            10 => Float(f64::from(f32::from_le_bytes(r.array()?))),
            11 => Float(f64::from_le_bytes(r.array()?)),
            12 => Text(self.string()?.into()),
            13 => return self.skip(8).map(|()| Variant::Other),
            14 => return self.skip(16).map(|()| Variant::Other),
            15 | 16 => return self.octets().map(|_| Variant::Other),
            17 => return self.node().map(|_| Variant::Other),
            18 => return self.expanded_node().map(|_| Variant::Other),
            19 => Unsigned(u64::from(r.le32()?)),
            20 => Text(self.qualified()?.into()),
            21 => Text(self.localized()?.into()),
            22 => return self.object().map(|(kind, body)| Variant::Object { kind, body }),
            23 => {
                let depth = depth.saturating_add(1);
                if depth > NESTED_MAX {
                    return Err(Malformed::new("opcua-nested-too-deep"));
                }
                return self.data_value_at(depth);
            }
            24 => {
                self.variant(depth.saturating_add(1))?;
                return Ok(Variant::Other);
            }
            25 => return self.diagnostics().map(|()| Variant::Other),
            _ => return Err(Malformed::new("opcua-built-in-type-unknown")),
        };
        Ok(Variant::Scalar(value))
    }

    fn data_value_at(&mut self, depth: u8) -> Read<Variant<'a>> {
        let mask = self.u8()?;
        if mask & 0x01 != 0 {
            self.variant(depth)?;
        }
        for (bit, octets) in [(0x02, 4), (0x04, 8), (0x10, 2), (0x08, 8), (0x20, 2)] {
            if mask & bit != 0 {
                self.skip(octets)?;
            }
        }
        Ok(Variant::Other)
    }
}

/// Writes a node's id in its shortest form. Used by tests and the lab.
pub fn emit_node(node: &NodeId, bytes: &mut Vec<u8>) {
    let namespace = node.namespace.to_le_bytes();
    match &node.id {
        Identifier::Number(n @ 0..=0xff) if node.namespace == 0 => bytes.extend([0, *n as u8]),
        Identifier::Number(n @ 0..=0xffff) if node.namespace <= 0xff => {
            let [low, high, _, _] = n.to_le_bytes();
            bytes.extend([1, namespace[0], low, high]);
        }
        Identifier::Number(n) => {
            bytes.push(2);
            bytes.extend(namespace);
            bytes.extend(n.to_le_bytes());
        }
        Identifier::Name(name) => {
            bytes.push(3);
            bytes.extend(namespace);
            bytes.extend((name.len() as u32).to_le_bytes());
            bytes.extend(name.as_bytes());
        }
        Identifier::Opaque(octets) => {
            bytes.push(5);
            bytes.extend(namespace);
            bytes.extend((octets.len() as u32).to_le_bytes());
            bytes.extend(octets.iter());
        }
    }
}
