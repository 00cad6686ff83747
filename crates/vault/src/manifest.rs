//! Lists of repository files that came and went, kept beside the log under their hash.
//!
//! One line a file: `+ SHA256 SIZE PATH` or `- PATH`. Invariant: a list has one form (sorted, no
//! spare bytes), so equal changes have equal hashes; parsing takes no other form.

use crate::{digest::Sha256, event::ObjectChange};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

/// What the log says of one file of the repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    pub hash: Sha256,
    pub size: u64,
}

#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Manifest {
    pub added: BTreeMap<String, Object>,
    pub removed: BTreeSet<String>,
}

impl Manifest {
    pub fn is_empty(&self) -> bool {
        self.added.is_empty() && self.removed.is_empty()
    }

    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for (path, Object { hash, size }) in &self.added {
            writeln!(text, "+ {hash} {size} {path}").expect("writing to a string");
        }
        for path in &self.removed {
            writeln!(text, "- {path}").expect("writing to a string");
        }
        text
    }

    pub fn parse(text: &str) -> Option<Self> {
        let mut found = Self::default();
        for line in text.lines() {
            match line.split_at_checked(2)? {
                ("+ ", rest) => {
                    let mut words = rest.splitn(3, ' ');
                    let hash = Sha256::parse(words.next()?)?;
                    let size = words.next()?.parse().ok()?;
                    found.added.insert(words.next()?.to_owned(), Object { hash, size });
                }
                ("- ", path) => drop(found.removed.insert(path.to_owned())),
                _ => return None,
            }
        }
        (found.to_text() == text).then_some(found)
    }

    pub fn change(&self) -> ObjectChange {
        ObjectChange {
            list: Sha256::of(self.to_text().as_bytes()),
            added: self.added.len() as u64,
            removed: self.removed.len() as u64,
            added_bytes: self.added.values().map(|object| object.size).sum(),
        }
    }

    /// Takes this change into the objects there are.
    pub fn apply(&self, objects: &mut BTreeMap<String, Object>) {
        for path in &self.removed {
            objects.remove(path);
        }
        objects.extend(self.added.iter().map(|(path, object)| (path.clone(), *object)));
    }
}

/// The hash a repository file must have by its name; the config alone has no such name.
pub fn named_hash(path: &str) -> Option<Sha256> {
    Sha256::parse(path.rsplit('/').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back_and_a_list_in_another_form_does_not() {
        let mut manifest = Manifest::default();
        let object = Object { hash: Sha256::of(b"x"), size: 1 };
        manifest.added.insert("data/aa/b c".into(), object);
        manifest.removed.insert("index/old".into());
        let text = manifest.to_text();
        assert_eq!(Manifest::parse(&text), Some(manifest));
        for bad in [format!("{text}\n"), text.replace("- ", "_ "), text.trim_end().into()] {
            assert_eq!(Manifest::parse(&bad), None, "{bad}");
        }
    }
}
