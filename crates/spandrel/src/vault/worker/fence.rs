//! What a worker gives up before it works: gaining rights, and writing anywhere but where its order
//! needs it; with a list of what may be read, also reading elsewhere and connections.
//!
//! Not here: the work. Invariant: a folder that an order names is made before the fence stands, and
//! nothing outside the fence is written to after that.

use super::{make_directory, new_folder::new_folder};
use anyhow::{Context as _, Result};
use landlock::{ABI, Access, AccessFs, AccessNet, BitFlags, RulesetStatus};
use server::work::{Job, Order};
use std::{
    os::fd::AsRawFd,
    path::{Path, PathBuf},
};

/// Gives up gaining rights, and writing anywhere but where the order needs it. False where the
/// kernel has no Landlock.
pub fn confine(order: &Order) -> Result<bool> {
    let (mut places, mut held) = (vec![order.vault.clone()], None);
    // Devices and the like: files there are written to, none is made.
    let mut files = vec![PathBuf::from("/dev/null")];
    match &order.job {
        Job::Drill { work, people, .. } => {
            for own in [people, work] {
                make_directory(own)?;
                places.push(own.clone());
            }
            files.push(PathBuf::from("/dev"));
            // Users are mapped there: one who is not root into the drill's namespace, and for a
            // PostgreSQL, which root may not start, somebody else. What a plan starts is held
            // more closely before it runs.
            files.push(PathBuf::from("/proc"));
        }
        Job::Make => {
            make_directory(&order.vault)?;
            let key_folder = order.key_file.parent().unwrap_or(Path::new("/"));
            make_directory(key_folder)?;
            places.push(key_folder.to_owned());
        }
        Job::Restore { to: own, .. } | Job::Rehearse { work: own, .. } => {
            make_directory(own)?;
            places.push(own.clone());
        }
        Job::RestoreWithin { to, into, outside, .. } => {
            // The folder itself, wherever its name leads by now; it stays open until the rules
            // name it.
            let made = new_folder(to, into, outside)?;
            places.push(PathBuf::from(format!("/proc/self/fd/{}", made.as_raw_fd())));
            held = Some(made);
        }
        Job::Kit { file, .. } => {
            let folder = file.parent().context("a kit needs a directory")?;
            make_directory(folder)?;
            places.push(folder.to_owned());
        }
        Job::AskRelease { people, .. }
        | Job::AskRules { people, .. }
        | Job::Approve { people, .. }
        | Job::Withdraw { people, .. } => {
            make_directory(people)?;
            places.push(people.clone());
        }
        _ => {}
    }
    places.push(std::env::temp_dir());
    let (all, file) = (AccessFs::from_all(ABI::V3), AccessFs::from_file(ABI::V3));
    let net = match order.reads {
        None => BitFlags::EMPTY,
        Some(_) => AccessNet::from_all(ABI::V4),
    };
    let rooms = places.into_iter().map(|place| (place, all));
    let files = files.into_iter().map(|place| (place, file));
    let status = crate::fence::around((all, net), readable(order).chain(rooms).chain(files))
        .context("cannot give up writing elsewhere")?;
    drop(held);
    Ok(status != RulesetStatus::NotEnforced)
}

/// What may be read: everything, or what the order says, and the keys.
fn readable(order: &Order) -> impl Iterator<Item = (PathBuf, BitFlags<AccessFs>)> {
    let Some(reads) = &order.reads else {
        return vec![(PathBuf::from("/"), AccessFs::from_read(ABI::V3))].into_iter();
    };
    let keys = [order.key_file.clone(), vault::signing_file(&order.key_file)];
    let places = reads.iter().cloned().chain(keys).map(|place| {
        let folder = place.is_dir();
        let rights = AccessFs::from_read(ABI::V3) & !BitFlags::from(AccessFs::Execute);
        (place, if folder { rights } else { AccessFs::ReadFile.into() })
    });
    places.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::{super::super::recover::drill, *};
    use std::{fs, io::Write};

    /// The rules hold for a thread, so the other tests go on.
    #[test]
    fn a_worker_writes_below_its_vault_and_target_alone() {
        let site = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let place = |name: &str| site.path().join(name);
        fs::create_dir(place("vault")).expect("made");
        fs::write(place("plant"), "as it was").expect("written");
        let job = Job::Restore { snapshot: String::new(), to: place("target"), only: None };
        let order = Order { vault: place("vault"), key_file: place("key"), job, reads: None };
        let (plant, vault, target) = (place("plant"), place("vault/x"), place("target/x"));
        let outcome = std::thread::spawn(move || {
            confine(&order).expect("confined");
            let read = fs::read_to_string(&plant).is_ok();
            let allowed = [fs::write(vault, "x").is_ok(), fs::write(target, "x").is_ok()];
            (read, allowed, fs::write(&plant, "changed").is_err())
        });
        let (read, allowed, denied) = outcome.join().expect("the thread goes on");
        assert_eq!((read, allowed), (true, [true; 2]));
        let known = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        if !denied && !known.contains("landlock") {
            let skipped = "this kernel has no Landlock: not shown that a worker is confined\n";
            std::io::stderr().write_all(skipped.as_bytes()).expect("told");
            return;
        }
        assert!(denied, "what it backs up it cannot change");
    }

    /// Landlock forbids mounting, so the drill's namespaces must do without.
    #[test]
    fn a_drill_s_worker_is_confined_and_its_namespaces_begin_all_the_same() {
        let site = tempfile::tempdir_in(env!("CARGO_MANIFEST_DIR")).expect("a directory");
        let place = |name: &str| site.path().join(name);
        fs::create_dir(place("vault")).expect("made");
        let text = String::new();
        let what = server::work::Drilled::Plan { text };
        let job =
            Job::Drill { what, attended: false, work: place("work"), people: place("people") };
        let order = Order { vault: place("vault"), key_file: place("key"), job, reads: None };
        let (plant, work) = (place("plant"), place("work/x"));
        let start = |confined| drill::unshare(confined).arg("true").status();
        let possible = start(false).is_ok_and(|status| status.success());
        let outcome = std::thread::spawn(move || {
            let confined = confine(&order).expect("confined");
            let begun = start(confined).is_ok_and(|status| status.success());
            (begun, fs::write(work, "x").is_ok(), fs::write(plant, "changed").is_err())
        });
        let (begun, allowed, denied) = outcome.join().expect("the thread goes on");
        assert_eq!((begun, allowed), (possible, true));
        let known = fs::read_to_string("/sys/kernel/security/lsm").unwrap_or_default();
        if !possible || (!denied && !known.contains("landlock")) {
            let skipped = "no namespaces or no Landlock here: not shown that a drill is confined\n";
            std::io::stderr().write_all(skipped.as_bytes()).expect("told");
            return;
        }
        assert!(denied, "outside of its folders it writes nothing");
    }
}
