//! What a process may still reach once it has put a fence around itself (Landlock).
//!
//! Not here: who may reach what; that is said by the sensor, the workers, a drill and the vault
//! server, each where it begins. Invariant: a fence only ever takes away. Older kernels know less
//! of it or nothing: then it is as high as they can.

use anyhow::Result;
use landlock::{
    AccessFs, AccessNet, BitFlags, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    path_beneath_rules,
};
use std::path::PathBuf;

/// Takes away `all` of the files and of the network, but for what is allowed below each place
/// that exists.
pub fn around(
    all: (BitFlags<AccessFs>, BitFlags<AccessNet>),
    places: impl IntoIterator<Item = (PathBuf, BitFlags<AccessFs>)>,
) -> Result<RulesetStatus> {
    rustix::thread::set_no_new_privs(true)?;
    let mut rules = Ruleset::default().handle_access(all.0)?;
    if !all.1.is_empty() {
        rules = rules.handle_access(all.1)?;
    }
    let mut made = rules.create()?;
    for (place, allowed) in places {
        made = made.add_rules(path_beneath_rules([place], allowed))?;
    }
    Ok(made.restrict_self()?.ruleset)
}
