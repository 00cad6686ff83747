//! Facts from the beginning of an XML export: attributes of a few elements.
//!
//! Not a parser of XML: an export may have hundreds of megabytes, what is wanted stands in its
//! first start tags. Invariant: nothing is read beyond the head, and a tag that is cut is none.

use super::Project;
use std::collections::BTreeMap;

/// Bytes of the head.
pub const BYTES_MAX: u64 = 1_048_576;
/// Controllers of one project that are listed.
const DEVICES_MAX: usize = 64;

/// UTF-8 and UTF-16 alike, since all that is looked for is ASCII but for values.
pub fn text(bytes: &[u8]) -> String {
    let wide = |two: &[u8], from: fn([u8; 2]) -> u16| {
        let (pairs, _) = two.as_chunks::<2>();
        let units: Vec<u16> = pairs.iter().map(|pair| from(*pair)).collect();
        String::from_utf16_lossy(&units)
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        [b'<', 0, ..] => wide(bytes, u16::from_le_bytes),
        [0, b'<', ..] => wide(bytes, u16::from_be_bytes),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub fn project(kind: &str, text: &str, known: Project) -> Option<Project> {
    match kind {
        "l5x" => l5x(text, known),
        "twincat" => twincat(text, known),
        _ => plcopen(text, known),
    }
}

/// Logix 5000 Controllers Import/Export, 1756-RM014: the content's and the controller's tags.
fn l5x(text: &str, known: Project) -> Option<Project> {
    let content = tags(text, "RSLogix5000Content").next()?;
    let controller = tags(text, "Controller").next().unwrap_or_default();
    let get = |tag: &BTreeMap<String, String>, name: &str| tag.get(name).cloned();
    let revision = get(&controller, "MajorRev").map(|major| {
        let minor = get(&controller, "MinorRev");
        minor.map_or(major.clone(), |minor| format!("{major}.{minor}"))
    });
    Some(Project {
        version: get(&content, "SoftwareRevision"),
        name: get(&controller, "Name").or(get(&content, "TargetName")).or(known.name.clone()),
        devices: get(&controller, "ProcessorType").into_iter().collect(),
        firmware: revision,
        author: get(&content, "Owner").filter(|owner| !owner.trim().is_empty()),
        last_change: get(&controller, "LastModifiedDate").or(get(&content, "ExportDate")),
        ..known
    })
}

/// IEC 61131-10 (PLCopen XML): file header, content header, resources.
fn plcopen(text: &str, known: Project) -> Option<Project> {
    let root = tags(text, "project").next()?;
    if !root.values().any(|value| value.contains("plcopen.org")) {
        return None;
    }
    let file = tags(text, "fileHeader").next().unwrap_or_default();
    let content = tags(text, "contentHeader").next().unwrap_or_default();
    let named = tags(text, "resource").filter_map(|tag| tag.get("name").cloned());
    Some(Project {
        tool: file.get("productName").cloned(),
        version: file.get("productVersion").cloned(),
        name: content.get("name").cloned().or(known.name.clone()),
        devices: named.take(DEVICES_MAX).collect(),
        author: content.get("author").cloned(),
        last_change: content.get("modificationDateTime").or(file.get("creationDateTime")).cloned(),
        ..known
    })
}

fn twincat(text: &str, known: Project) -> Option<Project> {
    let root = tags(text, "TcSmProject").next()?;
    let target = tags(text, "Project").find_map(|tag| tag.get("TargetNetId").cloned());
    Some(Project {
        version: root.get("TcVersion").cloned(),
        devices: target.into_iter().collect(),
        ..known
    })
}

/// The attributes of every start tag of this name.
fn tags<'a>(text: &'a str, name: &'a str) -> impl Iterator<Item = BTreeMap<String, String>> + 'a {
    let starts = text.match_indices('<').filter_map(move |(at, _)| {
        let rest = text.get(at + 1..)?.strip_prefix(name)?;
        let rest = rest.strip_prefix([' ', '\t', '\r', '\n', '>', '/']).map(|_| rest)?;
        attributes(rest)
    });
    starts.fuse()
}

/// Up to the end of the tag; `None` where it has none.
fn attributes(mut rest: &str) -> Option<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    loop {
        rest = rest.trim_start();
        if rest.starts_with('>') || rest.starts_with("/>") {
            return Some(found);
        }
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let quote = after.chars().next().filter(|c| *c == '"' || *c == '\'')?;
        let (value, after) = after.get(1..)?.split_once(quote)?;
        if name.trim().is_empty() || name.contains(['<', '>']) {
            return None;
        }
        found.insert(name.trim().to_owned(), plain(value));
        rest = after;
    }
}

/// The five entities that XML itself has (XML 1.0, 4.6), no line breaks, bounded.
fn plain(value: &str) -> String {
    let named = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")];
    let text = named.iter().fold(value.to_owned(), |text, (from, to)| text.replace(from, to));
    let text = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    text.take(300).collect::<String>().trim().to_owned()
}
