//! The directories of a server's tree that are still to be listed.
//!
//! Invariant: the walk ends, whatever a server lists: a directory that contains itself makes a tree
//! without bottom, and one that does so twice has 2^64 directories above the deepest that is looked
//! at.

use crate::limits::{DEPTH_MAX, DIRECTORIES_MAX};

pub struct Tree<P> {
    /// With how deep each one lies.
    waiting: Vec<(P, usize)>,
    listed: usize,
}

impl<P> Tree<P> {
    pub fn new() -> Self {
        Self { waiting: Vec::new(), listed: 0 }
    }

    pub fn push(&mut self, directory: P, depth: usize) {
        self.waiting.push((directory, depth));
    }

    /// The next one to list and its depth, or why it is not listed; no other is after too many.
    pub fn next(&mut self) -> Option<(P, Result<usize, String>)> {
        let (directory, depth) = self.waiting.pop()?;
        if depth > DEPTH_MAX {
            return Some((directory, Err(format!("more than {DEPTH_MAX} directories deep"))));
        }
        if self.listed == DIRECTORIES_MAX {
            self.waiting.clear();
            let why = format!("more than {DIRECTORIES_MAX} directories; the rest is missing");
            return Some((directory, Err(why)));
        }
        self.listed += 1;
        Some((directory, Ok(depth)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Directories listed and faults, where each directory has so many.
    fn walked(inside: usize) -> (usize, Vec<String>) {
        let (mut tree, mut listed, mut faults) = (Tree::new(), 0, Vec::new());
        tree.push((), 0);
        while let Some(((), next)) = tree.next() {
            match next {
                Ok(depth) => {
                    listed += 1;
                    (0..inside).for_each(|_| tree.push((), depth + 1));
                }
                Err(why) if faults.last() == Some(&why) => {}
                Err(why) => faults.push(why),
            }
        }
        (listed, faults)
    }

    #[test]
    fn a_directory_that_contains_itself_is_not_listed_for_ever() {
        assert_eq!(walked(0), (1, vec![]));
        let deep = format!("more than {DEPTH_MAX} directories deep");
        assert_eq!(walked(1), (DEPTH_MAX + 1, vec![deep.clone()]));
        let (listed, faults) = walked(2);
        assert_eq!((listed, faults.len()), (DIRECTORIES_MAX, 2));
        assert!(faults[0] == deep && faults[1].ends_with("the rest is missing"), "{faults:?}");
    }
}
