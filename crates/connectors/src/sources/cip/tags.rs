//! Tags of a Logix controller: names, types and values (Rockwell publication 1756-PM020, Logix 5000
//! Controllers Data Access).
//!
//! Invariant: each tag that the controller lists has a row, with its value or the reason for there
//! being none.

use super::{
    super::link::{Fields, malformed, quoted},
    client::{Client, NoAnswer, Question},
};
use crate::limits::{CIP_TAGS_MAX, CIP_TEXT_BYTES_MAX, CIP_VALUE_BYTES_MAX};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    io,
};

pub struct Tag {
    /// With the program in front when it is one of a program.
    pub name: String,
    kind: u16,
    dimensions: [u32; 3],
}

/// Bits of a symbol's type: structure, system; the rest says which.
const IS_STRUCTURE: u16 = 0x8000;
const IS_SYSTEM: u16 = 0x1000;

impl Tag {
    fn template(&self) -> Option<u16> {
        (self.kind & IS_STRUCTURE != 0).then_some(self.kind & 0x0fff)
    }

    /// Elements of all dimensions; one when it is no array.
    fn elements(&self) -> u32 {
        let count = usize::from(self.kind >> 13 & 3);
        self.dimensions.iter().take(count).fold(1, |all: u32, n| all.saturating_mul((*n).max(1)))
    }

    /// Whether it holds data that may be read: programs, tasks and the like are listed as well.
    fn has_value(&self) -> bool {
        let is_own = self.name.starts_with("__");
        let is_other = ["Program:", "Routine:", "Task:", "Map:", "Cxn:"]
            .iter()
            .any(|word| self.name.starts_with(word) && !self.name.contains('.'));
        self.kind & IS_SYSTEM == 0 && !is_own && !is_other
    }
}

struct Template {
    name: String,
    size: u32,
    members: Vec<Member>,
}

impl Template {
    /// Types of its members.
    fn inside(&self) -> impl Iterator<Item = u16> {
        let structures = self.members.iter().filter(|member| member.kind & IS_STRUCTURE != 0);
        structures.map(|member| member.kind & 0x0fff)
    }
}

struct Member {
    name: String,
    kind: u16,
    /// Elements of an array, or which bit.
    info: u16,
    offset: u32,
}

/// Tags, types and values, each as CSV.
pub struct Text {
    pub tags: String,
    pub types: String,
    pub values: String,
}

pub fn read(client: &mut Client, values: bool) -> Result<Text, NoAnswer> {
    let mut tags = symbols(client, None)?;
    let programs: Vec<String> = tags
        .iter()
        .filter(|tag| tag.name.starts_with("Program:"))
        .map(|tag| tag.name.clone())
        .collect();
    for program in programs {
        tags.extend(symbols(client, Some(&program))?);
        if tags.len() > CIP_TAGS_MAX {
            return Err(io::Error::other(format!("more than {CIP_TAGS_MAX} tags")).into());
        }
    }
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    let templates = templates(client, &tags)?;
    let mut text = Text {
        tags: String::from("tag,type,dimensions\n"),
        types: String::from("type,member,kind,size,offset\n"),
        values: String::from("tag,value\n"),
    };
    for tag in &tags {
        let count = usize::from(tag.kind >> 13 & 3);
        let sizes: Vec<_> = tag.dimensions.iter().take(count).map(u32::to_string).collect();
        let kind = kind_name(tag.kind, &templates);
        writeln!(text.tags, "{},{},{}", quoted(&tag.name), quoted(&kind), sizes.join("x"))
            .expect("to a string");
    }
    for template in templates.values() {
        let name = quoted(&template.name);
        writeln!(text.types, "{name},,,{},", template.size).expect("to a string");
        for member in &template.members {
            let kind = quoted(&kind_name(member.kind, &templates));
            let Member { name: member, info, offset, .. } = member;
            writeln!(text.types, "{name},{},{kind},{info},{offset}", quoted(member))
                .expect("to a string");
        }
    }
    for tag in tags.iter().filter(|tag| values && tag.has_value()) {
        let shown = match value(client, tag) {
            Ok(bytes) => shown(tag.kind, &bytes, &templates)
                .unwrap_or_else(|| "! as text the value is too long".to_owned()),
            Err(error @ NoAnswer::Refused(_)) => format!("! {error}"),
            Err(error) => return Err(error),
        };
        writeln!(text.values, "{},{}", quoted(&tag.name), quoted(&shown)).expect("to a string");
    }
    Ok(text)
}

/// Symbols of the controller or of a program, by instance.
fn symbols(client: &mut Client, program: Option<&str>) -> Result<Vec<Tag>, NoAnswer> {
    let mut found = BTreeMap::new();
    let mut from = 0;
    loop {
        let answer = client.ask(&Question::Symbols { program, from })?;
        let before = found.len();
        let mut fields = Fields(&answer.data);
        while !fields.0.is_empty() {
            let instance = fields.u32()?;
            let length = fields.u16()?;
            let name = String::from_utf8_lossy(fields.take(usize::from(length))?).into_owned();
            let name = match program {
                Some(program) => format!("{program}.{name}"),
                None => name,
            };
            let kind = fields.u16()?;
            let dimensions = [fields.u32()?, fields.u32()?, fields.u32()?];
            // From the last one on: whether that comes again depends on the controller.
            from = from.max(instance);
            found.insert(instance, Tag { name, kind, dimensions });
        }
        if found.len() > CIP_TAGS_MAX {
            return Err(io::Error::other(format!("more than {CIP_TAGS_MAX} tags")).into());
        }
        if !answer.is_partial {
            return Ok(found.into_values().collect());
        }
        if found.len() == before {
            return Err(malformed().into());
        }
    }
}

/// The types that tags have, and those that these are made of.
fn templates(client: &mut Client, tags: &[Tag]) -> Result<BTreeMap<u16, Template>, NoAnswer> {
    let mut waiting: BTreeSet<u16> = tags.iter().filter_map(Tag::template).collect();
    let mut found = BTreeMap::new();
    while let Some(number) = waiting.pop_first() {
        let template = match template(client, number) {
            Ok(template) => template,
            // A type that the controller keeps to itself.
            Err(NoAnswer::Refused(status)) => {
                let name = format!("type {number:#x}, not shown: status {status:#04x}");
                Template { name, size: 0, members: Vec::new() }
            }
            Err(error) => return Err(error),
        };
        waiting.extend(template.inside().filter(|n| !found.contains_key(n)));
        found.insert(number, template);
        waiting.retain(|number| !found.contains_key(number));
    }
    if let Some(name) = inside_itself(&found) {
        let text = format!("the type {name} is inside itself, which no memory could hold");
        return Err(io::Error::new(io::ErrorKind::InvalidData, text).into());
    }
    Ok(found)
}

/// A type that is among its own parts, or among theirs.
fn inside_itself(templates: &BTreeMap<u16, Template>) -> Option<&str> {
    // False on the way from a type to the parts of its parts, true when all of these were seen.
    let mut seen: BTreeMap<u16, bool> = BTreeMap::new();
    for start in templates.keys() {
        let mut way = vec![*start];
        while let Some(number) = way.last().copied() {
            let Some(template) = templates.get(&number) else {
                way.pop();
                continue;
            };
            if let Some(done) = seen.get_mut(&number) {
                *done = true;
                way.pop();
                continue;
            }
            seen.insert(number, false);
            for part in template.inside() {
                match seen.get(&part) {
                    Some(false) => return Some(&template.name),
                    Some(true) => {}
                    None => way.push(part),
                }
            }
        }
    }
    None
}

fn template(client: &mut Client, template: u16) -> Result<Template, NoAnswer> {
    let answer = client.ask(&Question::TemplateSizes { template })?;
    let mut fields = Fields(&answer.data);
    let (mut words, mut size, mut count) = (0, 0, 0);
    for _ in 0..fields.u16()? {
        let (attribute, status) = (fields.u16()?, fields.u16()?);
        match (status, attribute) {
            (0, 4) => words = fields.u32()?,
            (0, 5) => size = fields.u32()?,
            (0, 2) => count = fields.u16()?,
            (0, _) => drop(fields.u16()?),
            _ => return Err(malformed().into()),
        }
    }
    // The size counts 23 octets of a header that is not sent.
    let length = words.saturating_mul(4).saturating_sub(23).clamp(1, CIP_VALUE_BYTES_MAX);
    let mut bytes = Vec::new();
    loop {
        let offset = u32::try_from(bytes.len()).map_err(|_| malformed())?;
        let left = u16::try_from(length.saturating_sub(offset).max(1)).unwrap_or(u16::MAX);
        let answer = client.ask(&Question::Template { template, offset, length: left })?;
        if answer.is_partial && answer.data.is_empty() || bytes.len() > 1_048_576 {
            return Err(malformed().into());
        }
        bytes.extend(answer.data);
        if !answer.is_partial {
            break;
        }
    }
    Ok(definition(&bytes, count, size)?)
}

/// Members, then the name of the type up to a semicolon, then their names.
fn definition(bytes: &[u8], count: u16, size: u32) -> io::Result<Template> {
    let mut fields = Fields(bytes);
    let mut members = Vec::new();
    for number in 0..count {
        let (info, kind, offset) = (fields.u16()?, fields.u16()?, fields.u32()?);
        members.push(Member { name: format!("member {number}"), kind, info, offset });
    }
    let mut names = fields.0.split(|byte| *byte == 0).map(String::from_utf8_lossy);
    let name = names.next().unwrap_or_default();
    let name = name.split(';').next().unwrap_or_default().to_owned();
    for (member, name) in members.iter_mut().zip(names) {
        if !name.is_empty() {
            member.name = name.into_owned();
        }
    }
    Ok(Template { name, size, members })
}

/// All octets of a tag's value.
fn value(client: &mut Client, tag: &Tag) -> Result<Vec<u8>, NoAnswer> {
    let elements = u16::try_from(tag.elements()).unwrap_or(u16::MAX);
    let mut bytes = Vec::new();
    loop {
        let offset = u32::try_from(bytes.len()).map_err(|_| malformed())?;
        let answer = client.ask(&Question::Tag { name: &tag.name, elements, offset })?;
        let mut fields = Fields(&answer.data);
        // A structure's type is followed by its handle.
        if fields.u16()? == 0x02a0 {
            fields.u16()?;
        }
        if answer.is_partial && fields.0.is_empty() {
            return Err(malformed().into());
        }
        bytes.extend(fields.0);
        if bytes.len() > CIP_VALUE_BYTES_MAX as usize {
            return Err(io::Error::other(format!("{}: the value is too long", tag.name)).into());
        }
        if !answer.is_partial {
            return Ok(bytes);
        }
    }
}

fn kind_name(kind: u16, templates: &BTreeMap<u16, Template>) -> String {
    if kind & IS_STRUCTURE != 0 {
        let template = templates.get(&(kind & 0x0fff));
        return template.map_or_else(|| format!("type {:#x}", kind & 0xfff), |t| t.name.clone());
    }
    let name = match kind & 0xff {
        0xc1 => "BOOL",
        0xc2 => "SINT",
        0xc3 => "INT",
        0xc4 => "DINT",
        0xc5 => "LINT",
        0xc6 => "USINT",
        0xc7 => "UINT",
        0xc8 => "UDINT",
        0xc9 => "ULINT",
        0xca => "REAL",
        0xcb => "LREAL",
        0xd3 => "DWORD",
        other => return format!("type {other:#04x}"),
    };
    name.to_owned()
}

/// A value as text: numbers, texts, members by name; what is not known as hex. `None` when it is
/// too long: types are the device's own, and may have their members in one place again and again.
fn shown(kind: u16, bytes: &[u8], templates: &BTreeMap<u16, Template>) -> Option<String> {
    let mut shown = Shown { templates, text: String::new(), left: CIP_TEXT_BYTES_MAX };
    shown.value(kind, bytes, 0)?;
    Some(shown.text)
}

struct Shown<'a> {
    templates: &'a BTreeMap<u16, Template>,
    text: String,
    /// What may still be written and looked at.
    left: usize,
}

impl Shown<'_> {
    /// Costs more than the text, so that nothing is to be had for nothing.
    fn put(&mut self, text: &str) -> Option<()> {
        self.left = self.left.checked_sub(text.len() + 1)?;
        self.text.push_str(text);
        Some(())
    }

    fn value(&mut self, kind: u16, bytes: &[u8], depth: usize) -> Option<()> {
        fn all<const N: usize>(bytes: &[u8], show: impl Fn([u8; N]) -> String) -> String {
            bytes.as_chunks::<N>().0.iter().map(|part| show(*part)).collect::<Vec<_>>().join(" ")
        }
        let templates = self.templates;
        if kind & IS_STRUCTURE != 0
            && depth < 16
            && let Some(template) = templates.get(&(kind & 0x0fff))
            && let Ok(size @ 1..) = usize::try_from(template.size)
        {
            for (at, part) in bytes.chunks(size).enumerate() {
                self.put(if at > 0 { " " } else { "" })?;
                self.structure(template, part, depth)?;
            }
            return Some(());
        }
        self.put(&match kind & 0x80ff {
            0xc1 | 0xc6 => all(bytes, |b: [u8; 1]| b[0].to_string()),
            0xc2 => all(bytes, |b| i8::from_le_bytes(b).to_string()),
            0xc3 => all(bytes, |b| i16::from_le_bytes(b).to_string()),
            0xc4 => all(bytes, |b| i32::from_le_bytes(b).to_string()),
            0xc5 => all(bytes, |b| i64::from_le_bytes(b).to_string()),
            0xc7 => all(bytes, |b| u16::from_le_bytes(b).to_string()),
            0xc8 => all(bytes, |b| u32::from_le_bytes(b).to_string()),
            0xc9 => all(bytes, |b| u64::from_le_bytes(b).to_string()),
            0xca => all(bytes, |b| f32::from_le_bytes(b).to_string()),
            0xcb => all(bytes, |b| f64::from_le_bytes(b).to_string()),
            0xd3 => all(bytes, |b| format!("{:#010x}", u32::from_le_bytes(b))),
            _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    fn structure(&mut self, template: &Template, bytes: &[u8], depth: usize) -> Option<()> {
        let at = |offset: u32| usize::try_from(offset).ok().and_then(|from| bytes.get(from..));
        // A string is a length and its letters.
        if let [length, data] = &template.members[..]
            && (length.name.as_str(), data.name.as_str()) == ("LEN", "DATA")
            && let Some(count) = at(length.offset).and_then(|rest| rest.first_chunk::<4>())
            && let Some(text) = at(data.offset)
        {
            let count = usize::try_from(u32::from_le_bytes(*count)).unwrap_or(usize::MAX);
            return self.put(&String::from_utf8_lossy(&text[..count.min(text.len())]));
        }
        // Bits lie in a member of their own that the tool hides.
        let hidden = |name: &str| name.starts_with("ZZZZZZZZZZ") || name.starts_with("__");
        let mut between = "{";
        for member in &template.members {
            let Some(rest) = at(member.offset).filter(|_| !hidden(&member.name)) else {
                self.put("")?;
                continue;
            };
            self.put(std::mem::replace(&mut between, "; "))?;
            self.put(&member.name)?;
            self.put("=")?;
            if member.kind & 0x80ff == 0xc1 {
                if let Some(byte) = rest.first() {
                    self.put(if byte >> (member.info & 7) & 1 == 1 { "1" } else { "0" })?;
                }
                continue;
            }
            let one = match member.kind & IS_STRUCTURE {
                0 => width(member.kind),
                _ => self
                    .templates
                    .get(&(member.kind & 0x0fff))
                    .and_then(|inside| usize::try_from(inside.size).ok())
                    .unwrap_or(0),
            };
            let length = one.saturating_mul(usize::from(member.info.max(1))).min(rest.len());
            self.value(member.kind, &rest[..length], depth + 1)?;
        }
        self.put(if between == "{" { "{}" } else { "}" })
    }
}

fn width(kind: u16) -> usize {
    match kind & 0xff {
        0xc1 | 0xc2 | 0xc6 => 1,
        0xc3 | 0xc7 => 2,
        0xc5 | 0xc9 | 0xcb => 8,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_members_bits_and_texts() {
        let bytes = [
            // Info, type, offset of three members.
            &[0, 0, 0xc4, 0, 0, 0, 0, 0][..],
            &[3, 0, 0xc1, 0, 4, 0, 0, 0],
            &[0, 0, 0x02, 0x80, 8, 0, 0, 0],
            b"Axis;nEBECEBEC\0Pos\0Ready\0Name\0",
        ]
        .concat();
        let axis = definition(&bytes, 3, 20).unwrap();
        let member =
            |name: &str, kind, info, offset| Member { name: name.to_owned(), kind, info, offset };
        let text = Template {
            name: "STRING".into(),
            size: 12,
            members: vec![member("LEN", 0xc4, 0, 0), member("DATA", 0xc2, 8, 4)],
        };
        let templates = BTreeMap::from([(1, axis), (2, text)]);
        let value = [&[7, 0, 0, 0, 0b1000, 0, 0, 0, 3, 0, 0, 0][..], b"abc\0\0\0\0\0"].concat();
        let shown = |kind, bytes: &[u8], all| super::shown(kind, bytes, all).unwrap();
        assert_eq!(shown(0x8001, &value, &templates), "{Pos=7; Ready=1; Name=abc}");
        assert_eq!(kind_name(0x8001, &templates), "Axis");
        assert_eq!(shown(0xc3, &[1, 0, 255, 255], &templates), "1 -1");
        assert_eq!(shown(0x80ff, &[1, 2], &BTreeMap::new()), "0102");
    }

    /// A type with members of other types, all at its beginning.
    fn made_of(parts: &[u16]) -> Template {
        let member = |(at, part): (usize, &u16)| Member {
            name: format!("m{at}"),
            kind: IS_STRUCTURE | part,
            info: 0,
            offset: 0,
        };
        let members = parts.iter().enumerate().map(member).collect();
        Template { name: "T".into(), size: 1, members }
    }

    #[test]
    fn a_type_is_not_inside_itself_and_a_value_does_not_grow_without_end() {
        // Each made of four of the next: the text of one octet would have 4^16 parts.
        let mut types: BTreeMap<_, _> = (0..20).map(|n| (n, made_of(&[n + 1; 4]))).collect();
        assert_eq!(inside_itself(&types), None);
        assert_eq!(shown(0x8000, &[5], &types), None);
        assert_eq!(shown(0x8013, &[5], &types).unwrap(), "{m0=; m1=; m2=; m3=}");
        types.insert(20, made_of(&[30, 3]));
        assert_eq!(inside_itself(&types), Some("T"));
        let own = BTreeMap::from([(1, made_of(&[1]))]);
        assert_eq!(inside_itself(&own), Some("T"));
        let twice = [(1, made_of(&[2, 3])), (2, made_of(&[3, 3])), (3, made_of(&[]))];
        let twice = BTreeMap::from(twice);
        assert_eq!(inside_itself(&twice), None);
        assert_eq!(shown(0x8002, &[5], &twice).unwrap(), "{m0={}; m1={}}");
    }
}
