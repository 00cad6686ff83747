//! The host's veto: which of the sources that a plan names may be read.
//!
//! Looked at before each run, with links resolved, so that one that was put there since leads
//! nowhere. Where the kernel has Landlock the process that reads is held to the same folders
//! besides. Not here: reading. Invariant: a source passes only when what it names, with every link
//! resolved, is an allowed folder, or below one, or an allowed file.

use std::path::{Component, Path, PathBuf};

/// Kinds that read this host's own files.
const KINDS: [&str; 2] = ["files", "sqlite"];

/// Folders and files of the owner's list as they are now, with links resolved: what is not there
/// allows nothing.
pub fn resolved(allow: &[PathBuf]) -> Vec<PathBuf> {
    allow.iter().filter_map(|path| path.canonicalize().ok()).collect()
}

/// Whether a path is one of these or below one, by its parts: links are resolved before.
pub fn is_in(path: &Path, folders: &[PathBuf]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

/// The source as it is to be read, or why it is not.
pub fn source(text: &str, allow: &[PathBuf]) -> Result<String, String> {
    let (kind, place) = text.split_once(':').ok_or("it is no source")?;
    if !KINDS.contains(&kind) {
        return Err(format!("an agent reads files: and sqlite: of its host, not {kind}:"));
    }
    let path = Path::new(place);
    let climbs = path.components().any(|part| part == Component::ParentDir);
    if !path.is_absolute() || climbs || place.contains('\0') {
        return Err("it is not a plain path from the root".to_owned());
    }
    // Said before it is looked at: what lies outside is nobody's business, not even whether it is
    // there.
    let listed = |path: &Path| is_in(path, allow);
    let real = path.canonicalize();
    match real {
        Ok(real) if listed(&real) => match real.to_str() {
            Some(real) => Ok(format!("{kind}:{real}")),
            None => Err("its path is no text".to_owned()),
        },
        Err(_) if is_below(path, allow) => Ok(format!("{kind}:{place}")),
        _ => Err("the host does not allow it to be read".to_owned()),
    }
}

/// The folder that a restore makes, with links resolved: in or below one of `into`, and outside of
/// `outside`, which is what is backed up and the agent's own; or why it may not.
///
/// What lies elsewhere is nobody's business: the same is said whether it is there or not.
pub fn target(text: &str, into: &[PathBuf], outside: &[PathBuf]) -> Result<PathBuf, String> {
    let refused = || Err("the host does not allow a restore there".to_owned());
    let path = Path::new(text);
    let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
    let (true, Some(parent), Some(name)) = (
        path.is_absolute() && path.components().all(plain) && !text.contains('\0'),
        path.parent(),
        path.file_name(),
    ) else {
        return Err("it is not a plain path from the root".to_owned());
    };
    let Ok(parent) = parent.canonicalize() else { return refused() };
    let real = parent.join(name);
    if !parent.is_dir()
        || !is_in(&parent, into)
        || is_in(&parent, outside)
        || outside.contains(&real)
    {
        return refused();
    }
    match real.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(real),
        Err(error) => Err(error.to_string()),
        Ok(_) => Err("it is there already; nothing is written over".to_owned()),
    }
}

/// Whether a path that is not there would be below an allowed folder: its parent that is there is.
fn is_below(path: &Path, allow: &[PathBuf]) -> bool {
    let there = path.ancestors().skip(1).find_map(|parent| parent.canonicalize().ok());
    there.is_some_and(|there| is_in(&there, allow))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, os::unix::fs::symlink};

    #[test]
    fn only_what_is_below_an_allowed_folder_passes() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        fs::create_dir_all(at("plc/line")).unwrap();
        fs::create_dir_all(at("plc-secret")).unwrap();
        fs::write(at("plc/a"), "a").unwrap();
        fs::write(at("plc-secret/key"), "k").unwrap();
        symlink(at("plc-secret"), at("plc/out")).unwrap();
        symlink(at("plc/line"), at("plc/in")).unwrap();
        symlink(at("plc"), at("door")).unwrap();
        let allow = resolved(&[at("plc"), at("nothing")]);
        assert_eq!(allow, [at("plc")]);
        let ask =
            |text: &str| source(&text.replace('@', &format!("{}/", at("").display())), &allow);
        let named = |name: &str| Ok(format!("files:{}", at(name).display()));
        assert_eq!(ask("files:@plc"), named("plc"));
        assert_eq!(ask("files:@plc/a"), named("plc/a"));
        assert_eq!(ask("files:@plc/in"), named("plc/line"), "a link that stays inside");
        assert_eq!(ask("files:@door/line"), named("plc/line"), "another way in");
        assert!(ask("files:@plc/not/there").is_ok(), "a fault of the run, not of the plan");
        for refused in [
            "files:/",
            "files:/etc/shadow",
            "files:@plc-secret",
            "files:@plc-secret/key",
            "files:@plc/out",
            "files:@plc/out/key",
            "files:@plc/out/not-there",
            "files:@plc/../plc-secret",
            "files:@nothing",
            "files:plc",
            "files:",
            "sqlite:/etc/passwd",
            "s7:192.168.0.1",
            "http://control-plane/x",
            "nonsense",
        ] {
            assert!(ask(refused).is_err(), "{refused}");
        }
    }

    #[test]
    fn a_restore_makes_a_new_folder_where_the_owner_says_and_nowhere_else() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().canonicalize().unwrap().join(name);
        for folder in ["back/line", "back/plc", "other", "back/own"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("back/file"), "x").unwrap();
        symlink(at("other"), at("back/out")).unwrap();
        symlink(at("nowhere"), at("back/dangling")).unwrap();
        symlink(at("back/line"), at("door")).unwrap();
        let (into, outside) =
            (resolved(&[at("back")]), resolved(&[at("back/plc"), at("back/own")]));
        let ask = |name: &str| target(&format!("{}/{name}", at("").display()), &into, &outside);
        assert_eq!(ask("/back/new"), Ok(at("back/new")));
        assert_eq!(ask("/back/line/new"), Ok(at("back/line/new")));
        assert_eq!(ask("/door/new"), Ok(at("back/line/new")), "another way in");
        for there in ["/back/line", "/back/file", "/back/out", "/back/dangling"] {
            let why = ask(there).unwrap_err();
            assert!(why.contains("there already"), "{there}: {why}");
        }
        for refused in [
            "/back",
            "/new",
            "/other/new",
            "/back/out/new",
            "/back/dangling/new",
            "/back/file/new",
            "/back/not/there",
            "/back/plc",
            "/back/plc/new",
            "/back/own/new",
            "/back/../other/new",
            "/back/line/..",
        ] {
            assert!(ask(refused).is_err(), "{refused}");
        }
        assert!(target("back/new", &into, &outside).is_err());
        assert!(target("/", &into, &outside).is_err());
        assert!(target(&at("back/new").display().to_string(), &[], &outside).is_err());
    }
}
