//! Files on a share that get one more ending, one after the other, whatever they were.
//!
//! Not here: files that are written anew under another name, for what is in them is not read.
//! Invariant: one name is enough to say that a file was renamed, and many are needed for a finding.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    named::{asks, name_of},
    watched::Watched,
    window::{Lately, Rate},
};
use model::{Address, Detail, Observation, OperationClass, Severity};

pub static FILE_ENCRYPTION: Detector = Detector {
    about: About {
        id: "file-encryption",
        title: "Files renamed as ransomware does",
        engine: model::Engine::Malware,
        why: "Programs that encrypt files for a ransom mark those they are done with by an ending \
              of their own. Each minute counts: projects, recipes and histories on the share are \
              lost one by one.",
        techniques: &["T1486", "T0826"],
        false_positives: "Programs that put files of all kinds aside under an ending of their own.",
        runbook: "Look at the files: can they still be opened, is there a note beside them?\n\
                  If not, disconnect the client at once, and take the share off the network.\n\
                  Do not switch the client off: its memory may hold the key.\n\
                  See which backups are whole before anything is restored.",
        sees: &[Kind::Operation],
    },
    watch: || Box::new(FileEncryption { renamed: Watched::new(SPAN_SECS) }),
    #[cfg(test)]
    cases,
};

/// Files that got the same ending within the span, and kinds of files among them.
const FILES_MIN: u32 = 20;
const KINDS_MIN: usize = 3;
const SPAN_SECS: i64 = 60;
const ENDING_CHARS_MAX: usize = 80;
/// Endings that installers, editors and programs that copy files give for a while.
const USUAL: &[&str] =
    &["bak", "backup", "old", "orig", "tmp", "temp", "new", "part", "partial", "deleted", "del"];

struct FileEncryption {
    /// By client and ending.
    renamed: Watched<(Address, Box<str>), Renamed>,
}

#[derive(Default)]
struct Renamed {
    files: Rate,
    kinds: Lately<Box<str>>,
}

impl Watch for FileEncryption {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "smb" && class == OperationClass::File
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "smb" || !asks(operation, &["rename"]) {
            return;
        }
        let Some((kind, ending)) = added(name_of(operation)) else { return };
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let key = (client, ending.to_lowercase().into());
        let renamed = self.renamed.of(key, o.at, Renamed::default);
        let kinds = renamed.kinds.see(kind.to_lowercase().into(), o.at, SPAN_SECS);
        let files = renamed.files.count(o.at, SPAN_SECS);
        if files < FILES_MIN || kinds < KINDS_MIN {
            return;
        }
        let raised = out.raise(&FILE_ENCRYPTION.about, client, o, || {
            let title = "{0} renames the files of {1} one after the other (ransomware)";
            Draft::by(client, [server], Severity::High, title).because(format!(
                "{FILES_MIN} or more files of {KINDS_MIN} or more kinds got the ending \
                 \"{ending}\" behind their own within {SPAN_SECS} s."
            ))
        });
        let Some(open) = raised else { return };
        open.names(server);
        let first = renamed.files.first;
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 60, "the words below say so");
        let says = "files renamed in the newest minute";
        open.proof_count("files", (first, o.at), (u64::from(files), says));
    }

    fn dropped(&self) -> u64 {
        self.renamed.dropped()
    }
}

/// The file's own ending and what was put behind it, of "old to new".
fn added(names: &str) -> Option<(&str, &str)> {
    let file = |path: &'_ str| path.rsplit(['\\', '/']).next().map_or(0, str::len);
    names.match_indices(" to ").find_map(|(at, middle)| {
        let (old, new) = (names.get(..at)?, names.get(at + middle.len()..)?);
        let old = old.get(old.len() - file(old)..)?;
        let new = new.get(new.len() - file(new)..)?;
        let (_, kind) = old.rsplit_once('.')?;
        let ending = new.strip_prefix(old).filter(|ending| !ending.is_empty())?;
        let word = ending.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        // Numbers are copies of a log.
        let usual = USUAL.contains(&word.as_str()) || word.bytes().all(|b| b.is_ascii_digit());
        (ending.len() <= ENDING_CHARS_MAX && !usual).then_some((kind, ending))
    })
}

#[cfg(test)]
fn cases() -> Vec<crate::testing::Case> {
    use crate::testing::{Case, asked, host, of, operation, port};
    use model::{Object, Operation};
    let rename = |at: i64, names: String| {
        let object = Object::Name { area: "file", name: names.into() };
        let function_name = "rename";
        let operation = Operation { object, function_name, ..operation(OperationClass::File, 17) };
        let o = of("smb", asked(at, operation));
        Observation { to: port(host(20), 445), ..o }
    };
    let all = |kinds: &'static [&'static str], ending: &'static str, apart: i64| {
        let one = move |i: i64| {
            let name = format!("recipes\\r {i} to {i}.{}", kinds[i as usize % kinds.len()]);
            rename(i * apart, format!("plant\\{name} to {name}{ending}"))
        };
        (0..40).map(one).collect::<Vec<_>>()
    };
    let kinds = &["docx", "zip", "acd", "csv"];
    let others = |i: i64| rename(i * 100, format!("a\\{i}.{} to b\\{i}.x", kinds[i as usize % 4]));
    vec![
        Case::fires("an ending behind all", all(kinds, ".id-7A1C.[a@b.example].lock", 100)),
        Case::silent("an installer", all(kinds, ".old", 100)),
        Case::silent("copies of logs", all(kinds, ".1", 100)),
        Case::silent("one kind of file", all(&["jpg"], ".converted", 100)),
        Case::silent("a few an hour", all(kinds, ".lock", 600_000)),
        Case::silent("other names", (0..40).map(others).collect()),
    ]
}
