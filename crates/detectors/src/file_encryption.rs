//! Files on a share that get the same ending, one after the other, whatever they were: by a new
//! name, or by a copy after which they are deleted.
//!
//! Not here: what is in the files, which is not read; files that keep their names. Invariant: one
//! name is enough to say that a file was marked, and many are needed for a finding.

use crate::{
    About, Detector, Draft, Findings, Kind, Site, Watch,
    named::{asks, name_of},
    watched::Watched,
    window::{Lately, Rate},
};
use model::{Address, Detail, Observation, OperationClass, Severity, Time};
use std::collections::VecDeque;

pub static FILE_ENCRYPTION: Detector = Detector {
    about: About {
        id: "file-encryption",
        title: "Files renamed as ransomware does",
        engine: model::Engine::Malware,
        why: "Programs that encrypt files for a ransom mark those they are done with by an ending \
              of their own. Each minute counts: projects, recipes and histories on the share are \
              lost one by one.",
        techniques: &["T1486", "T0826"],
        false_positives: "Programs that put files of all kinds aside, or encrypt them on behalf of \
                          their owner, under an ending of their own.",
        runbook: "Look at the files: can they still be opened, is there a note beside them?\n\
                  If not, disconnect the client at once, and take the share off the network.\n\
                  Do not switch the client off: its memory may hold the key.\n\
                  See which backups are whole before anything is restored.",
        sees: &[Kind::Operation],
    },
    watch: || {
        let (marked, created) = (Watched::new(SPAN_SECS), Watched::new(SPAN_SECS));
        Box::new(FileEncryption { marked, created })
    },
    #[cfg(test)]
    cases,
};

/// Files that got the same ending within the span, and kinds of files among them.
const FILES_MIN: u32 = 20;
const KINDS_MIN: usize = 3;
const SPAN_SECS: i64 = 60;
const ENDING_CHARS_MAX: usize = 80;
/// Files a client created last that are remembered.
const CREATED_MAX: usize = 32;
/// Endings that installers, editors and programs that copy or pack files give.
const USUAL: &[&str] = &[
    "bak", "backup", "old", "orig", "tmp", "temp", "new", "part", "partial", "deleted", "del",
    "gz", "bz2", "xz", "zst", "lz4", "zip", "7z", "rar",
];

struct FileEncryption {
    /// By client and ending.
    marked: Watched<(Address, Box<str>), Marked>,
    /// By client: paths, the newest last.
    created: Watched<Address, VecDeque<Box<str>>>,
}

#[derive(Default)]
struct Marked {
    files: Rate,
    kinds: Lately<Box<str>>,
}

impl Watch for FileEncryption {
    fn wants(&self, protocol: &str, class: OperationClass) -> bool {
        protocol == "smb" && class == OperationClass::File
    }

    fn see(&mut self, o: &Observation, _: &Site<'_>, out: &mut Findings) {
        let Detail::Operation(operation) = &o.detail else { return };
        if o.protocol != "smb" || !asks(operation, &["rename", "create", "overwrite", "delete"]) {
            return;
        }
        let name = name_of(operation);
        let (Some(client), Some(server)) = (o.from.address(), o.to.address()) else { return };
        let (kind, ending) = match operation.function_name {
            "create" | "overwrite" => return self.creates(client, name, o.at),
            "delete" => {
                let created = self.created.of(client, o.at, VecDeque::new);
                let Some(mark) = created.iter().find_map(|new| marked(name, new)) else { return };
                mark
            }
            _ => {
                let Some(mark) = renamed(name) else { return };
                mark
            }
        };
        let key = (client, ending.to_lowercase().into());
        let marked = self.marked.of(key, o.at, Marked::default);
        let kinds = marked.kinds.see(kind.to_lowercase().into(), o.at, SPAN_SECS);
        let files = marked.files.count(o.at, SPAN_SECS);
        if files < FILES_MIN || kinds < KINDS_MIN {
            return;
        }
        let raised = out.raise(&FILE_ENCRYPTION.about, client, o, || {
            let title = "{0} renames the files of {1} one after the other (ransomware)";
            Draft::by(client, [server], Severity::High, title).because(format!(
                "{FILES_MIN} or more files of {KINDS_MIN} or more kinds got the ending \
                 \"{ending}\" within {SPAN_SECS} s."
            ))
        });
        let Some(open) = raised else { return };
        open.names(server);
        let first = marked.files.first;
        open.spans(first, o.at);
        const _: () = assert!(SPAN_SECS == 60, "the words below say so");
        let says = "files renamed in the newest minute";
        open.proof_count("files", (first, o.at), (u64::from(files), says));
    }

    fn dropped(&self) -> u64 {
        self.marked.dropped() + self.created.dropped()
    }
}

impl FileEncryption {
    fn creates(&mut self, client: Address, name: &str, at: Time) {
        let created = self.created.of(client, at, VecDeque::new);
        if created.len() >= CREATED_MAX {
            created.pop_front();
        }
        created.push_back(name.into());
    }
}

/// The file's own ending and the one it got, of "old to new".
fn renamed(names: &str) -> Option<(&str, &str)> {
    names
        .match_indices(" to ")
        .find_map(|(at, middle)| marked(names.get(..at)?, names.get(at + middle.len()..)?))
}

/// The file's own ending and the one under which it lies now: behind its own, or in place of the
/// last. A mark that a file had for a while, as in `a.csv.tmp`, is not its own.
fn marked<'a>(old: &'a str, new: &'a str) -> Option<(&'a str, &'a str)> {
    let parts = |path: &'a str| path.rsplit_once(['\\', '/']).unwrap_or(("", path));
    let ((old_folder, old), (new_folder, new)) = (parts(old), parts(new));
    let (base, last) = old.rsplit_once('.')?;
    let (kind, ending) = match new.strip_prefix(old) {
        Some(ending) => (last, ending),
        None => {
            let ending = new.strip_prefix(base)?.strip_prefix('.')?;
            // What a file is renamed to is told within its share.
            if !old_folder.ends_with(new_folder) || ending.contains('.') {
                return None;
            }
            let of_base = base.rsplit_once('.').map(|(_, kind)| kind);
            (of_base.filter(|kind| is_kind(kind)).unwrap_or(last), ending)
        }
    };
    let ending = ending.trim_matches(|c: char| !c.is_alphanumeric());
    let word = ending.to_lowercase();
    // Numbers are copies of a log.
    let usual = USUAL.contains(&word.as_str()) || word.bytes().all(|b| b.is_ascii_digit());
    (ending.len() <= ENDING_CHARS_MAX && !usual && is_kind(kind)).then_some((kind, ending))
}

/// May this be the ending of a kind of file, and no part of a version or a date?
fn is_kind(ending: &str) -> bool {
    (1..=8).contains(&ending.chars().count()) && ending.contains(char::is_alphabetic)
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
            rename(i * apart, format!("plant\\a\\{name} to {name}{ending}"))
        };
        (0..40).map(one).collect::<Vec<_>>()
    };
    let does = |at: i64, function_name, name: String| {
        let mut o = rename(at, name);
        if let Detail::Operation(operation) = &mut o.detail {
            operation.function_name = function_name;
        }
        o
    };
    // A copy under another name, then the file itself goes.
    let copies = |kinds: &'static [&'static str], ending: &'static str| {
        let one = move |i: i64| {
            let name = format!("plant\\r{i}.{}", kinds[i as usize % kinds.len()]);
            let copy = does(i * 200, "create", format!("{name}{ending}"));
            [copy, does(i * 200 + 90, "delete", name)]
        };
        (0..40).flat_map(one).collect::<Vec<_>>()
    };
    let kinds = &["docx", "zip", "acd", "csv"];
    let swaps = |old: &'static str, new: &'static str| {
        let one = move |i: i64| {
            let name = format!("plant\\r{i}.{}", kinds[i as usize % kinds.len()]);
            rename(i * 100, format!("{name}{old} to {name}{new}"))
        };
        (0..40).map(one).collect::<Vec<_>>()
    };
    let instead = |new: &'static str| {
        let kind = |i: i64| kinds[i as usize % kinds.len()];
        let name = move |i: i64| format!("plant\\a\\r{i}.{} to a\\r{i}{new}", kind(i));
        (0..40).map(|i| rename(i * 100, name(i))).collect::<Vec<_>>()
    };
    let others = |i: i64| rename(i * 100, format!("a\\{i}.{} to b\\{i}.x", kinds[i as usize % 4]));
    vec![
        Case::fires("an ending behind all", all(kinds, ".id-7A1C.[a@b.example].lock", 100)),
        Case::fires("another ending for all", instead(".locked")),
        Case::fires("a mark of its own at first", swaps(".WNCRYT", ".WNCRY")),
        Case::fires("copies instead of files", copies(kinds, ".id-7.[a@b.example].enc")),
        Case::silent("files packed", copies(kinds, ".gz")),
        Case::silent("written beside and put in place", swaps(".tmp", "")),
        Case::silent("put aside", instead(".bak")),
        Case::silent("an installer", all(kinds, ".old", 100)),
        Case::silent("copies of logs", all(kinds, ".1", 100)),
        Case::silent("one kind of file", all(&["jpg"], ".converted", 100)),
        Case::silent("a few an hour", all(kinds, ".lock", 600_000)),
        Case::silent("other names", (0..40).map(others).collect()),
    ]
}
