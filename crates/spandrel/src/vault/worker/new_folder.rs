//! The folder that a restore makes at the word of an agent, wherever the names lead by then.
//!
//! Not here: which folders a host's owner allows (`agent`). Invariant: the folder is new, and
//! lies where it was looked for.

use agent::is_in;
use anyhow::{Context as _, Result, bail};
use std::{
    fs,
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Makes the folder of a restore, looks where it lies, and keeps it open. A link that was put into
/// its path since it was looked at leads nowhere, and nothing that is there is taken.
pub fn new_folder(to: &Path, into: &[PathBuf], outside: &[PathBuf]) -> Result<fs::File> {
    use std::os::unix::fs::DirBuilderExt;
    let parent = to.parent().context("a restore makes a folder")?.canonicalize();
    let parent = parent.context("the folder it would be made in is not there")?;
    if !is_in(&parent, into) || is_in(to, outside) || is_in(&parent, outside) {
        bail!("{} is outside of where restores may be made", to.display());
    }
    let made = fs::DirBuilder::new().mode(0o700).create(to);
    made.with_context(|| format!("cannot make {}", to.display()))?;
    let folder = fs::File::open(to).context("cannot open the folder that was made")?;
    let place = fs::read_link(format!("/proc/self/fd/{}", folder.as_raw_fd()))
        .context("cannot see where the folder lies that was made")?;
    if place != parent.join(to.file_name().unwrap_or_default())
        || fs::read_dir(&place)?.next().is_some()
    {
        bail!("{} is not the folder that was made", to.display());
    }
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::super::fence::confine;
    use server::work::{Job, Order};
    use std::{fs, io::Write};

    /// The rules hold for a thread, so the other tests go on.
    #[test]
    fn a_restore_for_an_agent_writes_into_the_folder_it_made_alone() {
        let site = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let root = site.path().canonicalize().expect("there");
        let place = |name: &str| root.join(name);
        for folder in ["vault", "back/plc", "other"] {
            fs::create_dir_all(place(folder)).expect("made");
        }
        fs::write(place("back/recipe"), "milk").expect("written");
        std::os::unix::fs::symlink(place("other"), place("back/out")).expect("linked");
        let order = |to: &str| {
            let (into, outside) = (vec![place("back")], vec![place("back/plc")]);
            let (snapshot, only) = (String::new(), None);
            let job = Job::RestoreWithin { snapshot, to: place(to), only, into, outside };
            let reads = Some(Vec::new());
            Order { vault: place("vault"), key_file: place("key"), job, reads }
        };
        // Whoever told this process so: it looks itself.
        for refused in ["other/new", "new", "back/out/new", "back/plc/new", "back/plc", "back/out"]
        {
            let order = order(refused);
            let outcome = std::thread::spawn(move || confine(&order).is_err()).join();
            assert!(outcome.expect("the thread goes on"), "{refused}");
        }
        for there in ["back", "back/recipe"] {
            let order = order(there);
            let outcome = std::thread::spawn(move || confine(&order).is_err()).join();
            assert!(outcome.expect("the thread goes on"), "{there} is there already");
        }
        assert!(fs::read_dir(place("other")).expect("there").next().is_none());
        let order = order("back/new");
        let (inside, beside) = (place("back/new/x"), place("back/recipe"));
        let outcome = std::thread::spawn(move || {
            confine(&order).expect("confined");
            (fs::write(inside, "x").is_ok(), fs::write(beside, "changed").is_err())
        });
        let (allowed, denied) = outcome.join().expect("the thread goes on");
        assert!(allowed, "into what it made it writes");
        let known = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        if !denied && !known.contains("landlock") {
            let skipped = "this kernel has no Landlock: not shown that a restore is confined\n";
            std::io::stderr().write_all(skipped.as_bytes()).expect("told");
            return;
        }
        assert!(denied, "what lies beside it cannot be changed");
    }
}
