//! Symbols and data types of a TwinCAT runtime as it uploads them, and values as text.
//!
//! Entries have their length first, so later fields of newer runtimes are passed over (Beckhoff
//! Information System: `AdsSymbolEntry`, `AdsDatatypeEntry`). Invariant: nothing is read past an
//! entry's own end.

use super::super::link::{Fields, malformed};
use std::io;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Symbol {
    pub name: String,
    pub group: u32,
    pub offset: u32,
    pub size: u32,
    /// ADST number of the base type.
    pub base: u32,
    pub flags: u32,
    pub kind: String,
    pub comment: String,
}

/// All entries of a symbol upload.
pub fn symbols(bytes: &[u8]) -> io::Result<Vec<Symbol>> {
    entries(bytes)?
        .into_iter()
        .map(|entry| {
            let mut fields = Fields(entry);
            let (group, offset, size) = (fields.u32()?, fields.u32()?, fields.u32()?);
            let (base, flags) = (fields.u32()?, fields.u32()?);
            let lengths = [fields.u16()?, fields.u16()?, fields.u16()?];
            let [name, kind, comment] = texts(&mut fields, lengths)?;
            Ok(Symbol { name, group, offset, size, base, flags, kind, comment })
        })
        .collect()
}

/// One row of a data type: the type itself or a member of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TypeRow {
    /// `TYPE` or `TYPE.MEMBER`.
    pub name: String,
    pub kind: String,
    pub size: u32,
    pub offset: u32,
}

/// All entries of a data type upload, members after their type.
pub fn types(bytes: &[u8]) -> io::Result<Vec<TypeRow>> {
    let mut rows = Vec::new();
    for entry in entries(bytes)? {
        type_rows("", entry, 0, &mut rows)?;
    }
    Ok(rows)
}

fn type_rows(of: &str, entry: &[u8], depth: usize, rows: &mut Vec<TypeRow>) -> io::Result<()> {
    // Members of members are entries of their own; the format could nest for ever.
    if depth > 1 {
        return Ok(());
    }
    let mut fields = Fields(entry);
    // Version, two hash values; size, offset, base type, flags.
    fields.take(12)?;
    let (size, offset) = (fields.u32()?, fields.u32()?);
    fields.take(8)?;
    let lengths = [fields.u16()?, fields.u16()?, fields.u16()?];
    let (dimensions, members) = (fields.u16()?, fields.u16()?);
    let [name, kind, _comment] = texts(&mut fields, lengths)?;
    let name = if of.is_empty() { name } else { format!("{of}.{name}") };
    rows.push(TypeRow { name: name.clone(), kind, size, offset });
    fields.take(usize::from(dimensions) * 8)?;
    for _ in 0..members {
        let mut ahead = fields;
        let length = ahead.u32()?.checked_sub(4).ok_or_else(malformed)?;
        fields.take(4)?;
        let member = fields.take(usize::try_from(length).map_err(|_| malformed())?)?;
        type_rows(&name, member, depth + 1, rows)?;
    }
    Ok(())
}

/// Entries without their length.
fn entries(bytes: &[u8]) -> io::Result<Vec<&[u8]>> {
    let mut fields = Fields(bytes);
    let mut found = Vec::new();
    while !fields.0.is_empty() {
        let length = fields.u32()?.checked_sub(4).ok_or_else(malformed)?;
        found.push(fields.take(usize::try_from(length).map_err(|_| malformed())?)?);
    }
    Ok(found)
}

/// Three texts, each with a zero behind it that its length does not count.
fn texts(fields: &mut Fields<'_>, lengths: [u16; 3]) -> io::Result<[String; 3]> {
    let mut found: [String; 3] = Default::default();
    for (text, length) in found.iter_mut().zip(lengths) {
        // TwinCAT runs on Windows code pages; what is not ASCII may be shown wrongly.
        *text = String::from_utf8_lossy(fields.take(usize::from(length))?).into_owned();
        if !fields.0.is_empty() {
            fields.u8()?;
        }
    }
    Ok(found)
}

/// A value by its ADST base type; what is no single number or text is hex.
pub fn value_text(base: u32, bytes: &[u8]) -> String {
    fn all<const N: usize>(bytes: &[u8], show: impl Fn([u8; N]) -> String) -> Option<String> {
        let (parts, rest) = bytes.as_chunks::<N>();
        let shown: Vec<_> = parts.iter().map(|part| show(*part)).collect();
        (rest.is_empty() && !parts.is_empty()).then(|| shown.join(" "))
    }
    let shown = match base {
        2 => all(bytes, |b| i16::from_le_bytes(b).to_string()),
        3 => all(bytes, |b| i32::from_le_bytes(b).to_string()),
        4 => all(bytes, |b| f32::from_le_bytes(b).to_string()),
        5 => all(bytes, |b| f64::from_le_bytes(b).to_string()),
        16 => all(bytes, |b| i8::from_le_bytes(b).to_string()),
        17 | 33 => all(bytes, |b| u8::from_le_bytes(b).to_string()),
        18 => all(bytes, |b| u16::from_le_bytes(b).to_string()),
        19 => all(bytes, |b| u32::from_le_bytes(b).to_string()),
        20 => all(bytes, |b| i64::from_le_bytes(b).to_string()),
        21 => all(bytes, |b| u64::from_le_bytes(b).to_string()),
        30 => {
            let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
            Some(String::from_utf8_lossy(text).into_owned())
        }
        _ => None,
    };
    shown.unwrap_or_else(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&length.to_le_bytes()[..], body].concat()
    }

    #[test]
    fn types_have_rows_for_their_members() {
        let member = [
            &[0; 12][..],
            &[4, 0, 0, 0, 8, 0, 0, 0],
            &[0; 8],
            &[5, 0, 4, 0, 0, 0, 0, 0, 0, 0],
            b"Speed\0REAL\0\0",
        ]
        .concat();
        let kind = [
            &[0; 12][..],
            &[12, 0, 0, 0, 0, 0, 0, 0],
            &[0; 8],
            &[7, 0, 0, 0, 0, 0, 0, 0, 1, 0],
            b"ST_Axis\0\0\0",
            &entry(&member),
        ]
        .concat();
        let rows = types(&entry(&kind)).unwrap();
        let shown: Vec<_> =
            rows.iter().map(|r| (r.name.as_str(), r.kind.as_str(), r.size, r.offset)).collect();
        assert_eq!(shown, [("ST_Axis", "", 12, 0), ("ST_Axis.Speed", "REAL", 4, 8)]);
        for cut in 5..entry(&kind).len() {
            assert!(types(&entry(&kind)[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn values_are_numbers_where_they_can_be() {
        assert_eq!(value_text(3, &[255; 4]), "-1");
        assert_eq!(value_text(18, &[1, 0, 2, 0]), "1 2");
        assert_eq!(value_text(30, b"run\0xx"), "run");
        assert_eq!(value_text(65, &[1, 0xab]), "01ab");
        assert_eq!(value_text(5, &[1, 2]), "0102");
    }
}
