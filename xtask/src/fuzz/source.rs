//! Which source a fuzz target runs, as digests; `build.rs` takes them of what it builds.
//!
//! Two for each target. Its `source` is the parser's own: its folder, and folders it calls that
//! are no targets themselves (`http` reads WebSocket). Its `shared` is what else it runs of ours:
//! other targets' folders, helpers, `wire`, `model` and the harness. Tests, fixtures and lines
//! that are but a comment belong to neither. Not here: dependencies and the compiler.
//! Invariant: the same code gives the same digests, in every checkout.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

const PROTOCOLS: &str = "crates/protocols/src/";
/// Where code that targets run stands.
const ROOTS: [&str; 7] = [
    "crates/detectors/src",
    "crates/inventory/src",
    "crates/model/src",
    "crates/protocols/src",
    "crates/sensor/src",
    "crates/wire/src",
    "fuzz/src",
];
/// Names the targets, one `[[bin]]` each.
const TARGETS: &str = "fuzz/Cargo.toml";

#[derive(Clone, Debug, PartialEq)]
pub struct Digests {
    pub source: String,
    pub shared: String,
}

/// By target.
pub type Sources = BTreeMap<String, Digests>;

/// Digests of what lies in a checkout.
#[allow(dead_code)] // the build script reads the files itself, to name them to cargo
pub fn sources(root: &Path) -> io::Result<Sources> {
    Ok(Files::read(root)?.sources())
}

/// As lines: target, source, shared.
#[allow(dead_code)] // the build script writes
pub fn parse(text: &str) -> Sources {
    let mut sources = Sources::new();
    for line in text.lines() {
        if let [target, source, shared] = line.split(' ').collect::<Vec<_>>()[..] {
            let digests = Digests { source: source.to_owned(), shared: shared.to_owned() };
            sources.insert(target.to_owned(), digests);
        }
    }
    sources
}

#[allow(dead_code)] // the program reads
pub fn lines(sources: &Sources) -> String {
    let line = |(target, d): (&String, &Digests)| format!("{target} {} {}\n", d.source, d.shared);
    sources.iter().map(line).collect()
}

/// Source files by their path from the root, without what no digest covers.
pub struct Files {
    code: BTreeMap<String, String>,
    targets: BTreeSet<String>,
}

impl Files {
    pub fn read(root: &Path) -> io::Result<Files> {
        let mut files = Files { code: BTreeMap::new(), targets: BTreeSet::new() };
        for folder in ROOTS {
            files.walk(root, &root.join(folder))?;
        }
        let manifest = fs::read_to_string(root.join(TARGETS))?;
        for bin in manifest.split("[[bin]]\nname = \"").skip(1) {
            files.targets.extend(bin.split('"').next().map(str::to_owned));
        }
        Ok(files)
    }

    /// What was read.
    #[allow(dead_code)] // for the build script
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.code.keys().map(String::as_str).chain([TARGETS])
    }

    fn walk(&mut self, root: &Path, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            if ["tests", "fixtures"].contains(&stem) {
                continue;
            }
            if path.is_dir() {
                self.walk(root, &path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                self.code.insert(from(root, &path), code(&fs::read_to_string(&path)?));
            }
        }
        Ok(())
    }

    pub fn sources(&self) -> Sources {
        let calls = self.calls();
        let digests = |target: &String| {
            let (source, shared) = self.covered(target, &calls)?;
            let digests = Digests { source: self.digest(&source), shared: self.digest(&shared) };
            Some((target.clone(), digests))
        };
        self.targets.iter().filter_map(digests).collect()
    }

    /// Paths of a target's own source, and of what it shares with others; none if its folder is
    /// missing.
    fn covered(&self, target: &str, calls: &Calls) -> Option<(Vec<&str>, Vec<&str>)> {
        let below = |starts: &[&str]| -> Vec<&str> {
            let paths = self.code.keys().map(String::as_str);
            paths.filter(|path| starts.iter().any(|start| path.starts_with(start))).collect()
        };
        let harness = ["fuzz/src/", "crates/model/src/", "crates/wire/src/"];
        let file = |path: &&str| path.starts_with("crates/wire/src/file");
        let (source, mut shared) = match target {
            "capture" => (below(&["crates/wire/src/file"]), below(&harness)),
            "frame" => {
                let mut source = below(&["crates/wire/src/", "crates/sensor/src/sharding.rs"]);
                source.retain(|path| !file(path));
                (source, below(&["fuzz/src/"]))
            }
            "pipeline" => {
                let own = ["crates/sensor/src/", "crates/inventory/src/", "crates/detectors/src/"];
                let mut shared = below(&harness);
                shared.extend(below(&[PROTOCOLS]));
                (below(&own), shared)
            }
            protocol => {
                calls.get(protocol)?;
                let own = self.reached(protocol, calls, |m| self.is_of_no_target(m));
                let all = self.reached(protocol, calls, |_| true);
                let of = |modules: &BTreeSet<&str>| -> Vec<&str> {
                    let paths = self.code.keys().map(String::as_str);
                    paths.filter(|p| module(p).is_some_and(|m| modules.contains(m))).collect()
                };
                let mut shared = below(&harness);
                shared.extend(of(&all));
                (of(&own), shared)
            }
        };
        shared.retain(|path| !source.contains(path));
        Some((source, shared))
    }

    /// A folder (not a file of helpers) that a target reads for others.
    fn is_of_no_target(&self, module: &str) -> bool {
        let folder = self.code.contains_key(&format!("{PROTOCOLS}{module}/mod.rs"));
        folder && !self.targets.contains(module)
    }

    /// A module, and what is called from there on, as far as `goes`.
    fn reached<'a>(
        &'a self,
        first: &'a str,
        calls: &Calls<'a>,
        goes: impl Fn(&str) -> bool,
    ) -> BTreeSet<&'a str> {
        let (mut reached, mut next) = (BTreeSet::from([first]), vec![first]);
        while let Some(module) = next.pop() {
            for called in calls.get(module).into_iter().flatten() {
                if goes(called) && reached.insert(called) {
                    next.push(called);
                }
            }
        }
        reached
    }

    /// Modules of `protocols`, and those each names behind `crate::`.
    fn calls(&self) -> Calls<'_> {
        let mut calls = Calls::new();
        for path in self.code.keys() {
            calls.extend(module(path).map(|module| (module, BTreeSet::new())));
        }
        let modules: BTreeSet<&str> = calls.keys().copied().collect();
        for (path, code) in &self.code {
            let Some(own) = module(path).and_then(|module| calls.get_mut(module)) else { continue };
            for behind in code.split("crate::").skip(1) {
                let word = |c: char| c.is_alphanumeric() || c == '_';
                // `use crate::{...}`: every name in it, or the one name.
                let named = match behind.strip_prefix('{') {
                    Some(group) => group.split(';').next().unwrap_or(group),
                    None => behind.split(|c| !word(c)).next().unwrap_or_default(),
                };
                own.extend(named.split(|c| !word(c)).filter_map(|n| modules.get(n).copied()));
            }
        }
        calls
    }

    fn digest(&self, paths: &[&str]) -> String {
        let parts = paths.iter().filter_map(|path| Some((*path, self.code.get(*path)?.as_str())));
        let octets = parts.flat_map(|(path, code)| [path, "\n", code]).flat_map(str::bytes);
        format!("{:016x}", digest(octets))
    }
}

/// By module, what it calls.
type Calls<'a> = BTreeMap<&'a str, BTreeSet<&'a str>>;

/// Fowler, Noll and Vo's hash (FNV-1a): tells states of sources apart, and holds off nobody.
pub fn digest(octets: impl Iterator<Item = u8>) -> u64 {
    octets.fold(0xcbf2_9ce4_8422_2325, |sum, octet| {
        (sum ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn from(root: &Path, path: &Path) -> String {
    let below: PathBuf = path.strip_prefix(root).unwrap_or(path).into();
    below.to_string_lossy().replace('\\', "/")
}

/// The module of `protocols` that a file belongs to.
fn module(path: &str) -> Option<&str> {
    let name = path.strip_prefix(PROTOCOLS)?.split('/').next()?;
    Some(name.strip_suffix(".rs").unwrap_or(name)).filter(|name| *name != "lib")
}

/// A file without blank lines, lines that are but a comment, and what is there for tests alone.
///
/// It reads lines as `cargo fmt` sets them: an item ends at its own indentation. Where that errs
/// (text of a test that stands at the margin), more is covered than need be.
fn code(text: &str) -> String {
    let (mut code, mut tests) = (String::new(), None);
    for line in text.lines() {
        let trimmed = line.trim();
        let indentation = line.len() - line.trim_start().len();
        if trimmed.is_empty() || trimmed.starts_with("//") {
            continue;
        }
        if let Some(begun) = tests {
            let ends = trimmed.ends_with([';', '}', ',']) && !trimmed.starts_with('#');
            if indentation == begun && ends {
                tests = None;
            }
        } else if trimmed == "#[cfg(test)]" {
            tests = Some(indentation);
        } else {
            code += line.trim_end();
            code.push('\n');
        }
    }
    code
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A tree of sources with two protocols, one that reads a third, and a helper.
    pub fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for (path, text) in [
            ("fuzz/src/lib.rs", "pub fn run() {}\n"),
            ("fuzz/Cargo.toml", "[[bin]]\nname = \"a\"\n\n[[bin]]\nname = \"b\"\n"),
            ("crates/protocols/src/lib.rs", "pub mod a;\npub mod b;\n"),
            ("crates/protocols/src/a/mod.rs", "use crate::{Output, inner::I, text};\n"),
            ("crates/protocols/src/a/tests.rs", "fn first() {}\n"),
            ("crates/protocols/src/a/fixtures/one.rs", "00 01\n"),
            ("crates/protocols/src/b/mod.rs", "fn b() { crate::a::read() }\n"),
            ("crates/protocols/src/inner/mod.rs", "fn inner() {}\n"),
            ("crates/protocols/src/text.rs", "fn text() {}\n"),
            ("crates/wire/src/reader.rs", "fn read() {}\n"),
            ("crates/model/src/lib.rs", "fn model() {}\n"),
            ("crates/sensor/src/lib.rs", "fn sensor() {}\n"),
            ("crates/inventory/src/lib.rs", "fn inventory() {}\n"),
            ("crates/detectors/src/lib.rs", "fn detectors() {}\n"),
        ] {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("room");
            fs::write(path, text).expect("room");
        }
        root
    }

    /// Which targets' source and shared digests a change of a file changes.
    #[track_caller]
    fn check(path: &str, text: &str, expect: &str) {
        let root = tree();
        let before = sources(root.path()).expect("readable");
        let path = root.path().join(path);
        let old = fs::read_to_string(&path).expect("it is there");
        fs::write(path, old + text).expect("room");
        let after = sources(root.path()).expect("readable");
        let mut changed = Vec::new();
        for (target, was) in &before {
            let is = &after[target];
            changed.extend((was.source != is.source).then(|| target.clone()));
            changed.extend((was.shared != is.shared).then(|| format!("{target}+")));
        }
        assert_eq!(changed.join(" "), expect);
    }

    #[test]
    fn a_change_of_code_changes_who_runs_it_and_who_shares_it() {
        check("crates/protocols/src/a/mod.rs", "fn more() {}\n", "a b+");
        check("crates/protocols/src/b/mod.rs", "fn more() {}\n", "b");
        check("crates/protocols/src/inner/mod.rs", "fn more() {}\n", "a b+");
        check("crates/protocols/src/text.rs", "fn more() {}\n", "a+ b+");
        check("crates/wire/src/reader.rs", "fn more() {}\n", "a+ b+");
        check("fuzz/src/lib.rs", "fn more() {}\n", "a+ b+");
        check("crates/protocols/src/lib.rs", "pub mod c;\n", "");
        check("crates/sensor/src/lib.rs", "fn more() {}\n", "");
    }

    #[test]
    fn tests_fixtures_and_comments_are_in_no_digest() {
        check("crates/protocols/src/a/tests.rs", "fn second() {}\n", "");
        check("crates/protocols/src/a/fixtures/one.rs", "02\n", "");
        check("crates/protocols/src/a/mod.rs", "\n    // Why.\n/// What.\n", "");
        let tests = "\n#[cfg(test)]\nmod tests {\n    fn one() {\n    }\n}\n";
        check("crates/protocols/src/a/mod.rs", tests, "");
        check("crates/protocols/src/a/mod.rs", "#[cfg(test)]\nmod tests;\n", "");
        check("crates/protocols/src/a/mod.rs", &format!("{tests}fn behind() {{}}\n"), "a b+");
    }

    #[test]
    fn every_target_has_digests_and_they_are_those_this_program_was_built_of() {
        let sources = sources(&crate::checkout::root()).expect("readable");
        for target in super::super::targets::names() {
            let digests = sources.get(target);
            assert!(digests.is_some_and(|d| d.source != d.shared), "{target}: {digests:?}");
        }
        assert_eq!(parse(&lines(&sources)), sources);
        assert_eq!(parse(super::super::BUILT_OF), sources, "build.rs was not run");
    }
}
