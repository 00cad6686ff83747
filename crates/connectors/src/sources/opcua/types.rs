//! Values of OPC UA: binary encoding (OPC 10000-6, 5.2) read, XML encoding (5.3) written.
//!
//! A structure stays the octets it is: its description is in the address space, not here.
//! Invariant: what is read is bounded by the message it stands in.

use super::super::link::{Fields, malformed};
use crate::limits::OPCUA_NESTING_MAX;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use model::Time;
use std::{fmt, io};

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct NodeId {
    pub namespace: u16,
    pub id: Id,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Id {
    Number(u32),
    Text(String),
    Guid([u8; 16]),
    Opaque(Vec<u8>),
}

impl NodeId {
    pub const fn standard(number: u32) -> Self {
        Self { namespace: 0, id: Id::Number(number) }
    }

    pub fn encode(&self, out: &mut Vec<u8>) {
        let kind = match self.id {
            Id::Number(_) => 2,
            Id::Text(_) => 3,
            Id::Guid(_) => 4,
            Id::Opaque(_) => 5,
        };
        out.push(kind);
        out.extend(self.namespace.to_le_bytes());
        match &self.id {
            Id::Number(number) => out.extend(number.to_le_bytes()),
            Id::Text(text) => put_bytes(out, Some(text.as_bytes())),
            Id::Guid(guid) => out.extend(guid),
            Id::Opaque(bytes) => put_bytes(out, Some(bytes)),
        }
    }

    /// A node identifier; the flags of an expanded one are given back.
    fn decode(fields: &mut Fields<'_>) -> io::Result<(Self, u8)> {
        let kind = fields.u8()?;
        let (namespace, id) = match kind & 0x3f {
            0 => (0, Id::Number(u32::from(fields.u8()?))),
            1 => {
                let namespace = u16::from(fields.u8()?);
                (namespace, Id::Number(u32::from(fields.u16()?)))
            }
            2 => (fields.u16()?, Id::Number(fields.u32()?)),
            3 => (fields.u16()?, Id::Text(string(fields)?.unwrap_or_default())),
            4 => (fields.u16()?, Id::Guid(fields.array()?)),
            5 => (fields.u16()?, Id::Opaque(bytes(fields)?.unwrap_or_default().to_vec())),
            _ => return Err(malformed()),
        };
        Ok((Self { namespace, id }, kind & 0xc0))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace > 0 {
            write!(f, "ns={};", self.namespace)?;
        }
        match &self.id {
            Id::Number(number) => write!(f, "i={number}"),
            Id::Text(text) => write!(f, "s={text}"),
            Id::Guid(guid) => write!(f, "g={}", guid_text(guid)),
            Id::Opaque(bytes) => write!(f, "b={}", STANDARD.encode(bytes)),
        }
    }
}

/// A GUID: its first three parts are numbers (5.2.2.6).
fn guid_text(guid: &[u8; 16]) -> String {
    let [a, b, c, d, e, f, g, h, rest @ ..] = guid;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let first = u32::from_le_bytes([*a, *b, *c, *d]);
    let (second, third) = (u16::from_le_bytes([*e, *f]), u16::from_le_bytes([*g, *h]));
    format!("{first:08x}-{second:04x}-{third:04x}-{}-{}", hex(&rest[..2]), hex(&rest[2..]))
}

pub fn node_id(fields: &mut Fields<'_>) -> io::Result<NodeId> {
    NodeId::decode(fields).map(|(id, _)| id)
}

/// An expanded identifier; `None` when the node is on another server or in a namespace that is
/// named by its address.
pub fn expanded(fields: &mut Fields<'_>) -> io::Result<Option<NodeId>> {
    let (id, flags) = NodeId::decode(fields)?;
    let uri = if flags & 0x80 != 0 { string(fields)? } else { None };
    let server = if flags & 0x40 != 0 { fields.u32()? } else { 0 };
    Ok((uri.is_none() && server == 0).then_some(id))
}

pub fn put_bytes(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.extend((-1_i32).to_le_bytes()),
        Some(bytes) => {
            let length = u32::try_from(bytes.len()).expect("what we send is short");
            out.extend(length.to_le_bytes());
            out.extend(bytes);
        }
    }
}

pub fn put_string(out: &mut Vec<u8>, text: &str) {
    put_bytes(out, Some(text.as_bytes()));
}

pub fn bytes<'a>(fields: &mut Fields<'a>) -> io::Result<Option<&'a [u8]>> {
    match usize::try_from(fields.i32()?) {
        Ok(length) => fields.take(length).map(Some),
        Err(_) => Ok(None),
    }
}

pub fn string(fields: &mut Fields<'_>) -> io::Result<Option<String>> {
    let bytes = bytes(fields)?;
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

/// How many elements an array has; a null one has none. Each takes an octet at least.
pub fn count(fields: &mut Fields<'_>) -> io::Result<usize> {
    let count = usize::try_from(fields.i32()?).unwrap_or(0);
    if count > fields.0.len() { Err(malformed()) } else { Ok(count) }
}

/// Skips diagnostics: we ask for none, and a server may send them all the same.
pub fn skip_diagnostics(fields: &mut Fields<'_>, depth: usize) -> io::Result<()> {
    if depth > OPCUA_NESTING_MAX {
        return Err(malformed());
    }
    let mask = fields.u8()?;
    for bit in [1, 2, 4, 8] {
        if mask & bit != 0 {
            fields.i32()?;
        }
    }
    if mask & 0x10 != 0 {
        string(fields)?;
    }
    if mask & 0x20 != 0 {
        fields.u32()?;
    }
    if mask & 0x40 != 0 { skip_diagnostics(fields, depth + 1) } else { Ok(()) }
}

/// One value without its type.
#[derive(Clone, PartialEq, Debug)]
pub enum Item {
    Boolean(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f32),
    Double(f64),
    Text(Option<String>),
    Node(NodeId),
    Named {
        namespace: u16,
        name: String,
    },
    Localized {
        locale: Option<String>,
        text: Option<String>,
    },
    /// Written as it stands: its XML is made when it is read.
    Xml(String),
}

/// The built-in types by their number (5.1.2).
const NAMES: [&str; 26] = [
    "Null",
    "Boolean",
    "SByte",
    "Byte",
    "Int16",
    "UInt16",
    "Int32",
    "UInt32",
    "Int64",
    "UInt64",
    "Float",
    "Double",
    "String",
    "DateTime",
    "Guid",
    "ByteString",
    "XmlElement",
    "NodeId",
    "ExpandedNodeId",
    "StatusCode",
    "QualifiedName",
    "LocalizedText",
    "ExtensionObject",
    "DataValue",
    "Variant",
    "DiagnosticInfo",
];

#[derive(Clone, PartialEq, Debug)]
pub struct Variant {
    kind: u8,
    is_array: bool,
    pub items: Vec<Item>,
    dimensions: Vec<i32>,
}

impl Variant {
    pub fn decode(fields: &mut Fields<'_>, depth: usize) -> io::Result<Self> {
        if depth > OPCUA_NESTING_MAX {
            return Err(malformed());
        }
        let mask = fields.u8()?;
        let (kind, is_array) = (mask & 0x3f, mask & 0x80 != 0);
        let mut items = Vec::new();
        if kind > 25 {
            return Err(malformed());
        }
        if kind > 0 {
            let count = if is_array { count(fields)? } else { 1 };
            for _ in 0..count {
                items.push(item(kind, fields, depth)?);
            }
        }
        let mut dimensions = Vec::new();
        if mask & 0x40 != 0 {
            for _ in 0..count(fields)? {
                dimensions.push(fields.i32()?);
            }
        }
        Ok(Self { kind, is_array, items, dimensions })
    }

    pub fn is_null(&self) -> bool {
        self.kind == 0
    }

    /// The element that stands inside `Value` of a node (OPC 10000-6, F.4 and 5.3.1.17).
    pub fn to_xml(&self) -> String {
        let name = NAMES[usize::from(self.kind)];
        let mut parts = String::new();
        for item in &self.items {
            if *item == Item::Text(None) {
                parts.push_str(&format!("<uax:{name} xsi:nil=\"true\"/>"));
            } else {
                parts.push_str(&format!("<uax:{name}>{}</uax:{name}>", item.to_xml()));
            }
        }
        if !self.is_array {
            return parts;
        }
        let list = format!("<uax:ListOf{name}>{parts}</uax:ListOf{name}>");
        if self.dimensions.len() < 2 {
            return list;
        }
        let sizes = self.dimensions.iter().map(|n| format!("<uax:Int32>{n}</uax:Int32>"));
        let sizes: String = sizes.collect();
        format!(
            "<uax:Matrix><uax:Dimensions>{sizes}</uax:Dimensions>\
             <uax:Elements>{parts}</uax:Elements></uax:Matrix>"
        )
    }
}

fn item(kind: u8, fields: &mut Fields<'_>, depth: usize) -> io::Result<Item> {
    Ok(match kind {
        1 => Item::Boolean(fields.u8()? != 0),
        2 => Item::Signed(i64::from(i8::from_le_bytes(fields.array()?))),
        3 => Item::Unsigned(u64::from(fields.u8()?)),
        4 => Item::Signed(i64::from(i16::from_le_bytes(fields.array()?))),
        5 => Item::Unsigned(u64::from(fields.u16()?)),
        6 => Item::Signed(i64::from(fields.i32()?)),
        7 => Item::Unsigned(u64::from(fields.u32()?)),
        8 => Item::Signed(fields.i64()?),
        9 => Item::Unsigned(fields.u64()?),
        10 => Item::Float(f32::from_le_bytes(fields.array()?)),
        11 => Item::Double(f64::from_le_bytes(fields.array()?)),
        12 => Item::Text(string(fields)?),
        13 => Item::Xml(date_time(fields.i64()?)),
        14 => Item::Xml(wrap("String", &guid_text(&fields.array()?))),
        15 => Item::Text(bytes(fields)?.map(|bytes| STANDARD.encode(bytes))),
        16 => Item::Xml(string(fields)?.unwrap_or_default()),
        17 => Item::Node(node_id(fields)?),
        18 => {
            let id = expanded(fields)?.map(|id| id.to_string()).unwrap_or_default();
            Item::Xml(wrap("Identifier", &escaped(&id)))
        }
        19 => Item::Xml(wrap("Code", &fields.u32()?.to_string())),
        20 => qualified(fields)?,
        21 => localized(fields)?,
        22 => Item::Xml(structure(fields)?),
        23 => Item::Xml(DataValue::decode(fields, depth + 1)?.to_xml()),
        24 => Item::Xml(wrap("Value", &Variant::decode(fields, depth + 1)?.to_xml())),
        25 => {
            skip_diagnostics(fields, depth)?;
            Item::Xml(String::new())
        }
        _ => return Err(malformed()),
    })
}

pub fn qualified(fields: &mut Fields<'_>) -> io::Result<Item> {
    let namespace = fields.u16()?;
    Ok(Item::Named { namespace, name: string(fields)?.unwrap_or_default() })
}

pub fn localized(fields: &mut Fields<'_>) -> io::Result<Item> {
    let mask = fields.u8()?;
    let locale = if mask & 1 != 0 { string(fields)? } else { None };
    let text = if mask & 2 != 0 { string(fields)? } else { None };
    Ok(Item::Localized { locale, text })
}

/// An extension object as its type and its octets.
fn structure(fields: &mut Fields<'_>) -> io::Result<String> {
    let kind = node_id(fields)?;
    let body = match fields.u8()? {
        0 => None,
        1 => bytes(fields)?.map(|bytes| wrap("ByteString", &STANDARD.encode(bytes))),
        2 => string(fields)?,
        _ => return Err(malformed()),
    };
    let kind = wrap("TypeId", &wrap("Identifier", &escaped(&kind.to_string())));
    Ok(match body {
        None => kind,
        Some(body) => kind + &wrap("Body", &body),
    })
}

fn wrap(name: &str, content: &str) -> String {
    format!("<uax:{name}>{content}</uax:{name}>")
}

impl Item {
    pub fn to_xml(&self) -> String {
        match self {
            Self::Boolean(value) => value.to_string(),
            Self::Signed(value) => value.to_string(),
            Self::Unsigned(value) => value.to_string(),
            Self::Float(value) if value.is_finite() => value.to_string(),
            Self::Float(value) => unusual(f64::from(*value)),
            Self::Double(value) if value.is_finite() => value.to_string(),
            Self::Double(value) => unusual(*value),
            Self::Text(text) => escaped(text.as_deref().unwrap_or_default()),
            Self::Node(id) => wrap("Identifier", &escaped(&id.to_string())),
            Self::Named { namespace, name } => {
                let index = wrap("NamespaceIndex", &namespace.to_string());
                index + &wrap("Name", &escaped(name))
            }
            Self::Localized { locale, text } => {
                let part = |name: &str, text: &Option<String>| {
                    text.as_ref().map(|text| wrap(name, &escaped(text))).unwrap_or_default()
                };
                part("Locale", locale) + &part("Text", text)
            }
            Self::Xml(xml) => xml.clone(),
        }
    }
}

/// Numbers that have a word in XML (XML Schema 2, 3.2.4).
fn unusual(value: f64) -> String {
    let word = if value.is_nan() { "NaN" } else { "INF" };
    if value < 0.0 { format!("-{word}") } else { word.to_owned() }
}

/// 100 ns since 1601 (5.2.2.5) as a date; what is out of range is the bound.
fn date_time(ticks: i64) -> String {
    const EPOCH_SECS: i64 = 11_644_473_600;
    let since = ticks.saturating_sub(EPOCH_SECS * 10_000_000).saturating_mul(100);
    match ticks {
        ..=0 => "0001-01-01T00:00:00Z".to_owned(),
        _ => Time::from_nanos(since).to_string(),
    }
}

/// Text for XML: what XML 1.0 cannot carry at all becomes a question mark.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#13;"),
            c if c < ' ' || c == '\u{fffe}' || c == '\u{ffff}' => out.push('?'),
            c => out.push(c),
        }
    }
    out
}

/// A value with its status.
pub struct DataValue {
    pub value: Variant,
    pub status: u32,
}

impl DataValue {
    pub fn decode(fields: &mut Fields<'_>, depth: usize) -> io::Result<Self> {
        let mask = fields.u8()?;
        let value = if mask & 1 != 0 {
            Variant::decode(fields, depth)?
        } else {
            Variant { kind: 0, is_array: false, items: Vec::new(), dimensions: Vec::new() }
        };
        let status = if mask & 2 != 0 { fields.u32()? } else { 0 };
        for (bit, length) in [(4, 8), (0x10, 2), (8, 8), (0x20, 2)] {
            if mask & bit != 0 {
                fields.take(length)?;
            }
        }
        Ok(Self { value, status })
    }

    /// Good, or good enough to have a value (OPC 10000-4, 7.39: the highest bit says bad).
    pub fn is_usable(&self) -> bool {
        self.status & 0x8000_0000 == 0
    }

    fn to_xml(&self) -> String {
        let status = wrap("StatusCode", &wrap("Code", &self.status.to_string()));
        wrap("Value", &self.value.to_xml()) + &status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], expected: &str) {
        let mut fields = Fields(bytes);
        let value = Variant::decode(&mut fields, 0).unwrap();
        assert!(fields.0.is_empty(), "{} octets left", fields.0.len());
        assert_eq!(value.to_xml(), expected);
    }

    #[test]
    fn values_are_written_as_the_standard_writes_them() {
        check(&[1, 1], "<uax:Boolean>true</uax:Boolean>");
        check(&[11, 0, 0, 0, 0, 0, 0, 0xf8, 0x3f], "<uax:Double>1.5</uax:Double>");
        check(&[10, 0, 0, 0x80, 0xff], "<uax:Float>-INF</uax:Float>");
        check(&[12, 3, 0, 0, 0, b'a', b'<', b'b'], "<uax:String>a&lt;b</uax:String>");
        check(&[12, 255, 255, 255, 255], "<uax:String xsi:nil=\"true\"/>");
        check(
            &[0x84, 2, 0, 0, 0, 1, 0, 255, 255],
            "<uax:ListOfInt16><uax:Int16>1</uax:Int16><uax:Int16>-1</uax:Int16></uax:ListOfInt16>",
        );
        check(
            &[17, 1, 2, 7, 0],
            "<uax:NodeId><uax:Identifier>ns=2;i=7</uax:Identifier></uax:NodeId>",
        );
        check(
            &[13, 0x80, 0xd6, 0xb5, 0xda, 0x74, 0x98, 0xdc, 0x01],
            "<uax:DateTime>2026-02-07T21:00:56.725056Z</uax:DateTime>",
        );
    }

    #[test]
    fn a_count_beyond_the_message_or_endless_nesting_is_an_error() {
        assert!(Variant::decode(&mut Fields(&[0x84, 255, 255, 255, 0x7f]), 0).is_err());
        assert!(Variant::decode(&mut Fields(&[24; 1_000]), 0).is_err());
        assert!(Variant::decode(&mut Fields(&[0x98, 1, 0, 0, 0]), 0).is_err());
    }

    #[test]
    fn identifiers_read_back() {
        for id in
            [Id::Number(70_000), Id::Text("a.b".into()), Id::Guid([7; 16]), Id::Opaque(vec![1, 2])]
        {
            let id = NodeId { namespace: 3, id };
            let mut bytes = Vec::new();
            id.encode(&mut bytes);
            assert_eq!(node_id(&mut Fields(&bytes)).unwrap(), id);
        }
    }
}
