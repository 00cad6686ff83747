//! Which folders of a snapshot a control plane or an agent kept what is its own in.
//!
//! Told by what lies there, since the path says nothing: the backup may be another host's, or from
//! before the data were moved. Not here: who may see it. Invariant: nothing is opened; names alone
//! are looked at.

use std::{
    collections::BTreeSet,
    ffi::OsStr,
    path::{Path, PathBuf},
};

/// Where one of these lies, all beside it is as secret.
const MARKS: [&str; 2] = ["spandrel.db", "enrolment.json"];
/// The keys that a control plane has in its folder `tls`.
const KEYS: [&str; 2] = ["ca.key", "server.key"];

pub fn own_folders<'a>(files: impl Iterator<Item = &'a Path>) -> BTreeSet<PathBuf> {
    let is_one_of = |name: &OsStr, names: &[&str]| names.iter().any(|one| name == *one);
    let found = files.filter_map(|path| {
        let (name, folder) = (path.file_name()?, path.parent()?);
        let of_tls = folder.file_name().is_some_and(|folder| folder == "tls");
        (is_one_of(name, &MARKS) || of_tls && is_one_of(name, &KEYS)).then(|| folder.to_owned())
    });
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[&str], expect: &[&str]) {
        let found = own_folders(files.iter().map(Path::new));
        assert_eq!(found, expect.iter().map(PathBuf::from).collect());
    }

    #[test]
    fn folders_of_a_control_plane_and_of_an_agent_are_told_by_what_lies_there() {
        check(&["/old/spandrel.db", "/old/vault.key"], &["/old"]);
        check(&["/mnt/host/tls/ca.key", "/mnt/host/tls/ca.pem"], &["/mnt/host/tls"]);
        check(&["/srv/agent/enrolment.json", "/srv/agent/identity.pem"], &["/srv/agent"]);
        check(&["/etc/web/server.key", "/plc/recipe.csv", "/x/spandrel.db/a"], &[]);
    }
}
