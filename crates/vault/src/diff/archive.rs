//! Projects of engineering tools by the parts of their archives, or else by their kind.
//!
//! TIA Portal and Logix keep their projects in formats of their own; what can be said is that the
//! project changed. Those of CODESYS and packed ones of TIA Portal are ZIP archives
//! (APPNOTE.TXT 6.3.10, 4.3.12): their parts have checksums. Invariant: nothing is unpacked.

use super::{Difference, Format};
use std::{collections::BTreeMap, path::Path};

pub struct Archive;

const ORDER: &str = "the project changed: is there an order for it?";

impl Format for Archive {
    fn name(&self) -> &'static str {
        "engineering-project"
    }

    fn compare(&self, path: &Path, before: &[u8], after: &[u8]) -> Option<Vec<Difference>> {
        let tool = tool(path)?;
        let mut found: Vec<Difference> = match (parts(before), parts(after)) {
            (Some(a), Some(b)) => {
                let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
                names.sort_unstable();
                names.dedup();
                let one = |name: &String| {
                    Difference::of(name, a.get(name).cloned(), b.get(name).cloned())
                };
                names.into_iter().filter_map(one).collect()
            }
            _ => Vec::new(),
        };
        if found.is_empty() {
            let shown = |bytes: &[u8]| {
                let sum = crate::Sha256::of(bytes).to_string();
                Some(format!("{} bytes, {}", bytes.len(), &sum[..12]))
            };
            found.extend(Difference::of(tool, shown(before), shown(after)));
        }
        found.iter_mut().for_each(|difference| difference.risk = Some(ORDER));
        Some(found)
    }
}

/// The tool whose project a file is, by its name.
fn tool(path: &Path) -> Option<String> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let version = |prefix: &str| {
        let digits = extension.strip_prefix(prefix)?;
        let version: u32 = digits.parse().ok()?;
        // `.ap15_1` and the like are older; numbers alone are V11 and up.
        (11..=99).contains(&version).then(|| format!("TIA Portal V{version} project"))
    };
    if let Some(tool) = version("ap").or_else(|| version("zap")) {
        return Some(tool);
    }
    let tool = match extension.as_str() {
        "ap15_1" | "zap15_1" => "TIA Portal V15.1 project",
        "acd" => "Logix project",
        "rss" => "RSLogix 500 project",
        "s7p" | "s7l" => "STEP 7 project",
        "project" | "projectarchive" | "library" => "CODESYS project",
        "tsproj" | "tszip" => "TwinCAT project",
        "stu" | "sta" | "zef" => "Control Expert project",
        "cxp" | "smc2" => "Sysmac or CX project",
        _ => return None,
    };
    Some(tool.to_owned())
}

/// The parts of a ZIP archive: name, and checksum with length.
fn parts(bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    const END: &[u8] = b"PK\x05\x06";
    if !bytes.starts_with(b"PK\x03\x04") {
        return None;
    }
    // The end record has a comment of at most 65,535 octets behind it.
    let tail = bytes.len().saturating_sub(22 + 65_535);
    let end = bytes.get(tail..)?.windows(4).rposition(|window| window == END)? + tail;
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = u16_at(end + 10)?;
    let mut at = usize::try_from(u32_at(end + 16)?).ok()?;
    let mut found = BTreeMap::new();
    for _ in 0..count {
        if bytes.get(at..at + 4)? != b"PK\x01\x02" {
            return None;
        }
        let (checksum, length) = (u32_at(at + 16)?, u32_at(at + 24)?);
        let lengths = [u16_at(at + 28)?, u16_at(at + 30)?, u16_at(at + 32)?].map(usize::from);
        let name = bytes.get(at + 46..at + 46 + lengths[0])?;
        let name = String::from_utf8_lossy(name).into_owned();
        found.insert(name, format!("{length} bytes, checksum {checksum:08x}"));
        at += 46 + lengths.iter().sum::<usize>();
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::Change;

    /// A stored archive of one part.
    fn zip(name: &str, checksum: u32) -> Vec<u8> {
        let mut bytes = b"PK\x03\x04".to_vec();
        bytes.resize(30, 0);
        let start = u32::try_from(bytes.len()).unwrap();
        let mut entry = b"PK\x01\x02".to_vec();
        entry.resize(46, 0);
        entry[16..20].copy_from_slice(&checksum.to_le_bytes());
        entry[24] = 9;
        entry[28] = u8::try_from(name.len()).unwrap();
        bytes.extend(entry);
        bytes.extend(name.as_bytes());
        let mut end = b"PK\x05\x06".to_vec();
        end.resize(22, 0);
        end[10] = 1;
        end[16..20].copy_from_slice(&start.to_le_bytes());
        bytes.extend(end);
        bytes
    }

    #[test]
    fn an_archive_is_compared_by_its_parts_and_another_project_as_a_whole() {
        let path = Path::new("line.project");
        let found = Archive.compare(path, &zip("a/pou", 1), &zip("a/pou", 2)).unwrap();
        assert_eq!((found.len(), found[0].unit.as_deref()), (1, Some("a/pou")));
        assert_eq!(found[0].after.as_deref(), Some("9 bytes, checksum 00000002"));
        assert_eq!(found[0].risk, Some(ORDER));
        let found = Archive.compare(Path::new("p.ap17"), b"one", b"two").unwrap();
        assert_eq!(found[0].unit.as_deref(), Some("TIA Portal V17 project"));
        assert_eq!(found[0].change, Change::Changed);
        for (name, is_known) in
            [("x.ACD", true), ("x.ap15_1", true), ("x.ap3", false), ("x.txt", false), ("x", false)]
        {
            assert_eq!(tool(Path::new(name)).is_some(), is_known, "{name}");
        }
    }

    #[test]
    fn a_damaged_archive_is_compared_as_a_whole() {
        let whole = zip("a", 1);
        for cut in 0..whole.len() {
            let found = Archive.compare(Path::new("x.project"), &whole, &whole[..cut]).unwrap();
            assert_eq!(found.len(), 1, "{cut}");
        }
    }
}
