//! Engineering projects among what is backed up: recognised, and what can be said of each without
//! the tool that made it.
//!
//! Facts go into the snapshot as [`FACTS`], encrypted like all of it, so that they are compared,
//! searched and restored with it. Only what a format tells in the open is read: XML exports say
//! device and version, ZIP archives the newest of their parts, formats of a vendor's own nothing
//! but their name. Not here: comparing projects ([`crate::diff`]). Invariant: a project that
//! cannot be read is backed up all the same, and a fact that is not in it is absent.

mod head;
mod zip;

use crate::{
    limits::PROJECTS_MAX,
    source::{Entry, What},
    vault::Unlocked,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{Read, Seek, SeekFrom},
    path::Path,
};

/// Where the facts lie in a snapshot.
pub const FACTS: &str = "/@engineering/projects.json";

/// What is known of one project: a format at rest.
#[derive(Clone, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Project {
    /// `tia-portal`, `step-7`, `logix`, `l5x`, `codesys`, `plcopen-xml`, `twincat`, `sysmac` or
    /// `control-expert`.
    pub kind: String,
    /// The tool that made it, with its version where that is known.
    pub tool: Option<String>,
    pub version: Option<String>,
    pub name: Option<String>,
    /// Controllers it is for.
    pub devices: Vec<String>,
    /// Of the controller, where the project says it.
    pub firmware: Option<String>,
    pub author: Option<String>,
    /// As the project says it, or of its newest part.
    pub last_change: Option<String>,
}

/// By path in the snapshot.
pub type Projects = BTreeMap<String, Project>;

/// Content that can be looked at before it is backed up.
pub trait Look: Read + Seek {}
impl<T: Read + Seek> Look for T {}

/// Looks through what is offered.
pub(crate) fn recognise(entries: &[Entry]) -> Projects {
    let mut found = Projects::new();
    for entry in entries {
        let What::File(file) = &entry.what else { continue };
        if found.len() >= PROJECTS_MAX {
            break;
        }
        let Some(guess) = by_name(&entry.path) else { continue };
        let told = file.look().and_then(|mut look| by_content(&guess, &mut *look));
        let told = match told {
            Some(told) => told,
            // XML and archives of other kinds have the same endings.
            None if guess.is_certain => Some(guess.project()),
            None => None,
        };
        if let Some(project) = told {
            found.insert(entry.path.to_string_lossy().into_owned(), project);
        }
    }
    found
}

/// What the name of a file says.
struct Guess {
    kind: &'static str,
    tool: Option<String>,
    version: Option<String>,
    name: Option<String>,
    form: Form,
    /// No other kind of file has this ending.
    is_certain: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Xml,
    Zip,
    Closed,
}

fn by_name(path: &Path) -> Option<Guess> {
    let extension = path.extension()?.to_str()?.to_ascii_lowercase();
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let guess = |kind, tool: Option<&str>, form, is_certain| {
        let tool = tool.map(str::to_owned);
        Some(Guess { kind, tool, version: None, name: name.clone(), form, is_certain })
    };
    let tia = |prefix: &str| {
        let version = extension.strip_prefix(prefix)?.replace('_', ".");
        let major: u32 = version.split('.').next()?.parse().ok()?;
        (11..=99).contains(&major).then_some(version)
    };
    for (prefix, form) in [("zap", Form::Zip), ("ap", Form::Closed)] {
        if let Some(version) = tia(prefix) {
            let guess = guess("tia-portal", Some("TIA Portal"), form, true)?;
            return Some(Guess { version: Some(version), ..guess });
        }
    }
    match extension.as_str() {
        "acd" => guess("logix", Some("Studio 5000 Logix Designer"), Form::Closed, true),
        "l5x" => guess("l5x", Some("Studio 5000 Logix Designer"), Form::Xml, true),
        "s7p" => guess("step-7", Some("STEP 7"), Form::Closed, true),
        "project" => guess("codesys", Some("CODESYS"), Form::Zip, false),
        "projectarchive" => guess("codesys", Some("CODESYS"), Form::Zip, true),
        "tsproj" => guess("twincat", Some("TwinCAT"), Form::Xml, true),
        "tszip" | "tnzip" => guess("twincat", Some("TwinCAT"), Form::Zip, true),
        "zef" | "sta" => guess("control-expert", Some("Control Expert"), Form::Zip, true),
        "smc2" => guess("sysmac", Some("Sysmac Studio"), Form::Closed, true),
        "xml" => guess("plcopen-xml", None, Form::Xml, false),
        _ => None,
    }
}

impl Guess {
    fn project(&self) -> Project {
        Project {
            kind: self.kind.to_owned(),
            tool: self.tool.clone(),
            version: self.version.clone(),
            name: self.name.clone(),
            ..Project::default()
        }
    }
}

/// `None` where it cannot be read; `Some(None)` where it is something else.
fn by_content(guess: &Guess, look: &mut dyn Look) -> Option<Option<Project>> {
    match guess.form {
        Form::Closed => Some(Some(guess.project())),
        Form::Xml => {
            let mut bytes = Vec::new();
            look.take(head::BYTES_MAX).read_to_end(&mut bytes).ok()?;
            Some(head::project(guess.kind, &head::text(&bytes), guess.project()))
        }
        Form::Zip => {
            let length = look.seek(SeekFrom::End(0)).ok()?;
            let parts = zip::parts(look, length)?;
            let mut project = guess.project();
            project.last_change = parts.iter().filter_map(|part| part.modified.clone()).max();
            // The archive of a TIA project has the project's own file at its top.
            let own = parts.iter().filter_map(|part| {
                let (stem, ending) = part.name.rsplit(['/', '\\']).next()?.rsplit_once('.')?;
                let digits = ending.strip_prefix("ap")?;
                digits.starts_with(|c: char| c.is_ascii_digit()).then(|| stem.to_owned())
            });
            if guess.kind == "tia-portal" {
                project.name = own.into_iter().next().or(project.name);
            }
            Some(Some(project))
        }
    }
}

impl Unlocked {
    /// The projects in a snapshot; none where it has none.
    pub fn projects(&self, snapshot: &crate::SnapshotId) -> crate::Result<Projects> {
        let path = Path::new(FACTS);
        if !self.holds(snapshot, path)? {
            return Ok(Projects::new());
        }
        let content = self.content(snapshot, path, usize::MAX)?;
        serde_json::from_slice(&content.bytes)
            .map_err(|error| crate::Error::Damaged(format!("{FACTS} cannot be read: {error}")))
    }
}

impl Project {
    /// Whether any fact has this word in it, in any case.
    pub fn mentions(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        let single = [&self.tool, &self.version, &self.name, &self.firmware, &self.author];
        let texts = single.into_iter().flatten().chain(&self.devices).chain([&self.kind]);
        texts.into_iter().any(|text| text.to_lowercase().contains(&word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn told(name: &str, content: &[u8]) -> Option<Project> {
        let guess = by_name(Path::new(name))?;
        by_content(&guess, &mut Cursor::new(content.to_vec())).unwrap_or(Some(guess.project()))
    }

    #[test]
    fn an_l5x_says_device_firmware_version_and_who_changed_it() {
        let text = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<RSLogix5000Content SchemaRevision="1.0" SoftwareRevision="33.01" TargetName="Press4"
 TargetType="Controller" Owner="Anna &amp; Bert, Lyon" ExportDate="Mon Mar 09 03:12:00 2026">
<Controller Use="Target" Name="Press4" ProcessorType="1756-L71" MajorRev="33" MinorRev="11"
 LastModifiedDate="Sun Mar 08 21:00:00 2026"><DataTypes/></Controller></RSLogix5000Content>"#;
        let expected = Project {
            kind: "l5x".into(),
            tool: Some("Studio 5000 Logix Designer".into()),
            version: Some("33.01".into()),
            name: Some("Press4".into()),
            devices: vec!["1756-L71".into()],
            firmware: Some("33.11".into()),
            author: Some("Anna & Bert, Lyon".into()),
            last_change: Some("Sun Mar 08 21:00:00 2026".into()),
        };
        assert_eq!(told("/p/Press4.L5X", text.as_bytes()), Some(expected.clone()));
        let wide: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(told("/p/Press4.L5X", &wide), Some(expected), "UTF-16 as well");
        for cut in 0..text.len() {
            drop(told("/p/Press4.L5X", &text.as_bytes()[..cut]));
        }
    }

    #[test]
    fn plcopen_and_twincat_exports_say_what_they_are_and_other_xml_is_none() {
        let plcopen = r#"<project xmlns="http://www.plcopen.org/xml/tc6_0200">
<fileHeader companyName="Muster" productName="CODESYS" productVersion="CODESYS V3.5 SP19"
 creationDateTime="2026-03-09T03:12:00"/>
<contentHeader name="Pump.project" author="anna" modificationDateTime="2026-03-09T03:11:00"/>
<instances><configurations><configuration name="c"><resource name="PLC_1"/>
<resource name="PLC_2"/></configuration></configurations></instances></project>"#;
        let found = told("/p/pump.xml", plcopen.as_bytes()).unwrap();
        assert_eq!(found.kind, "plcopen-xml");
        assert_eq!(found.tool.as_deref(), Some("CODESYS"));
        assert_eq!(found.version.as_deref(), Some("CODESYS V3.5 SP19"));
        assert_eq!(found.devices, ["PLC_1", "PLC_2"]);
        assert_eq!(found.last_change.as_deref(), Some("2026-03-09T03:11:00"));
        assert!(found.mentions("plc_2") && found.mentions("ANNA") && !found.mentions("press"));
        assert_eq!(told("/p/maven.xml", b"<project xmlns=\"http://maven.apache.org\"/>"), None);
        assert_eq!(told("/p/page.xml", b"<html/>"), None);
        let twincat = br#"<TcSmProject TcSmVersion="1.0" TcVersion="3.1.4024.12"><Project
 ProjectGUID="{1}" TargetNetId="5.1.2.3.1.1"/></TcSmProject>"#;
        let found = told("/p/line.tsproj", twincat).unwrap();
        assert_eq!(found.version.as_deref(), Some("3.1.4024.12"));
        assert_eq!(found.devices, ["5.1.2.3.1.1"]);
    }

    #[test]
    fn a_name_says_the_tool_and_for_tia_portal_the_version() {
        for (name, kind, version) in [
            ("/p/line.ap17", "tia-portal", Some("17")),
            ("/p/line.ap15_1", "tia-portal", Some("15.1")),
            ("/p/Press.ACD", "logix", None),
            ("/p/alt.s7p", "step-7", None),
        ] {
            let found = told(name, b"").unwrap();
            assert_eq!((found.kind.as_str(), found.version.as_deref()), (kind, version), "{name}");
            assert!(found.devices.is_empty() && found.last_change.is_none());
        }
        for name in ["/p/x.ap3", "/p/x.txt", "/p/x", "/p/x.application"] {
            assert!(by_name(Path::new(name)).is_none(), "{name}");
        }
    }

    #[test]
    fn an_archive_tells_its_newest_part_and_the_project_in_it() {
        let archive = zip::tests::archive(&[
            ("Line4/Line4.ap17", (2026, 3, 8, 21, 0, 10)),
            ("Line4/System/PEData.plf", (2026, 3, 9, 3, 12, 0)),
        ]);
        let found = told("/p/backup of the line.zap17", &archive).unwrap();
        assert_eq!((found.name.as_deref(), found.version.as_deref()), (Some("Line4"), Some("17")));
        assert_eq!(found.last_change.as_deref(), Some("2026-03-09T03:12:00"));
        let codesys = told("/p/pump.project", &archive).unwrap();
        assert_eq!((codesys.kind.as_str(), codesys.name.as_deref()), ("codesys", Some("pump")));
        // Eclipse has files of this name; they are no archive.
        let guess = by_name(Path::new("/p/.project/x.project")).unwrap();
        assert!(!guess.is_certain);
        assert!(by_content(&guess, &mut Cursor::new(b"<projectDescription/>".to_vec())).is_none());
        for cut in 0..archive.len() {
            let found = told("/p/x.zap17", &archive[..cut]).unwrap();
            assert_eq!(found.version.as_deref(), Some("17"), "{cut}");
        }
    }
}
