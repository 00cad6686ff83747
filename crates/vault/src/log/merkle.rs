//! Merkle tree hashes as in RFC 6962, section 2.1, and the proofs over them.
//!
//! Invariant: a proof that verifies holds for the given root alone; nothing here does IO.

use crate::digest::Sha256;

pub fn leaf(data: &[u8]) -> Sha256 {
    Sha256::of_parts(&[&[0], data])
}

pub fn node(left: &Sha256, right: &Sha256) -> Sha256 {
    Sha256::of_parts(&[&[1], &left.0, &right.0])
}

/// Root of a tree of these leaf hashes.
pub fn root(leaves: &[Sha256]) -> Sha256 {
    match leaves {
        [] => Sha256::of(b""),
        [one] => *one,
        many => {
            let (left, right) = many.split_at(split(many.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The hashes that lead from leaf `index` to the root (RFC 6962, section 2.1.1).
pub fn inclusion(leaves: &[Sha256], index: usize) -> Vec<Sha256> {
    if leaves.len() <= 1 || index >= leaves.len() {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, other) = if index < k {
        (inclusion(left, index), root(right))
    } else {
        (inclusion(right, index - k), root(left))
    };
    path.push(other);
    path
}

/// Whether `path` shows that `leaf` is entry `index` of the tree of `size` leaves with `root`.
pub fn includes(leaf: Sha256, index: u64, size: u64, path: &[Sha256], root: &Sha256) -> bool {
    if index >= size {
        return false;
    }
    // RFC 9162, section 2.1.3.2.
    let (mut node_number, mut last) = (index, size - 1);
    let mut hash = leaf;
    for step in path {
        if last == 0 {
            return false;
        }
        if node_number & 1 == 1 || node_number == last {
            hash = node(step, &hash);
            while node_number & 1 == 0 && node_number != 0 {
                node_number >>= 1;
                last >>= 1;
            }
        } else {
            hash = node(&hash, step);
        }
        node_number >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// The hashes that show that the tree of all leaves continues that of the first `earlier` ones
/// (RFC 6962, section 2.1.2).
pub fn consistency(leaves: &[Sha256], earlier: usize) -> Vec<Sha256> {
    if earlier == 0 || earlier >= leaves.len() {
        return Vec::new();
    }
    subproof(leaves, earlier, true)
}

fn subproof(leaves: &[Sha256], earlier: usize, whole: bool) -> Vec<Sha256> {
    if earlier == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    let (mut path, other) = if earlier <= k {
        (subproof(left, earlier, whole), root(right))
    } else {
        (subproof(right, earlier - k, false), root(left))
    };
    path.push(other);
    path
}

/// Whether `path` shows that the tree `later` (size, root) continues the tree `earlier`.
pub fn extends(earlier: (u64, &Sha256), later: (u64, &Sha256), path: &[Sha256]) -> bool {
    let ((first, first_root), (second, second_root)) = (earlier, later);
    if first == 0 || first >= second {
        let empty = first == 0 && *first_root == root(&[]);
        let same = first == second && first_root == second_root;
        return path.is_empty() && (empty || same);
    }
    // RFC 9162, section 2.1.4.2.
    let start = if first.is_power_of_two() { Some(first_root) } else { None };
    let mut steps = start.into_iter().chain(path);
    let Some(begin) = steps.next() else { return false };
    let (mut node_number, mut last) = (first - 1, second - 1);
    while node_number & 1 == 1 {
        node_number >>= 1;
        last >>= 1;
    }
    let (mut a, mut b) = (*begin, *begin);
    for step in steps {
        if last == 0 {
            return false;
        }
        if node_number & 1 == 1 || node_number == last {
            (a, b) = (node(step, &a), node(step, &b));
            while node_number & 1 == 0 && node_number != 0 {
                node_number >>= 1;
                last >>= 1;
            }
        } else {
            b = node(&b, step);
        }
        node_number >>= 1;
        last >>= 1;
    }
    last == 0 && a == *first_root && b == *second_root
}

/// Largest power of two below `n`, for n of 2 or more.
fn split(n: usize) -> usize {
    1 << (usize::BITS - 1 - (n - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(n: usize) -> Vec<Sha256> {
        (0..n).map(|i| leaf(&i.to_be_bytes())).collect()
    }

    /// The vectors of the Certificate Transparency reference implementation: eight entries, and
    /// the root of the first n of them.
    #[test]
    fn roots_are_those_of_the_certificate_transparency_test_vectors() {
        let entries: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
                0x6e, 0x6f,
            ],
        ];
        let hashes: Vec<_> = entries.iter().map(|e| leaf(e)).collect();
        for (n, expected) in [
            (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (1, "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
            (2, "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
            (3, "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
            (8, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
        ] {
            assert_eq!(root(&hashes[..n]).to_string(), expected, "{n} entries");
        }
    }

    #[test]
    fn every_leaf_has_a_proof_and_no_other_leaf_has_it() {
        for size in 1..40 {
            let all = leaves(size);
            let top = root(&all);
            for index in 0..size {
                let path = inclusion(&all, index);
                let at = |i: usize, l: Sha256| includes(l, i as u64, size as u64, &path, &top);
                assert!(at(index, all[index]), "{index} of {size}");
                assert!(!at(index, leaf(b"another")), "{index} of {size}");
                assert!(size == 1 || !at((index + 1) % size, all[index]), "{index} of {size}");
            }
        }
    }

    #[test]
    fn every_earlier_tree_is_continued_and_no_other_is() {
        for size in 1..40 {
            let all = leaves(size);
            let top = root(&all);
            for earlier in 0..=size {
                let path = consistency(&all, earlier);
                let old = root(&all[..earlier]);
                let shown = |old: &Sha256, path: &[Sha256]| {
                    extends((earlier as u64, old), (size as u64, &top), path)
                };
                assert!(shown(&old, &path), "{earlier} of {size}");
                assert!(!shown(&leaf(b"another"), &path), "{earlier} of {size}");
                for at in 0..path.len() {
                    let mut changed = path.clone();
                    changed[at].0[0] ^= 1;
                    assert!(!shown(&old, &changed), "{earlier} of {size}, hash {at}");
                }
            }
        }
    }
}
