//! The Merkle tree over registrations, in the shape of RFC 6962 (section 2.1).
//!
//! A node is SHA-256 of `0x01 ‖ left ‖ right`, a leaf begins with `0x00`, so neither passes for the other. The left half
//! of a tree is always a full power of two; seen from below: neighbours are joined level by level, and a last one without
//! a neighbour goes up as it is. The root of nothing is SHA-256 of nothing.

use sha2::{Digest as _, Sha256};

use crate::token::Holder;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

const LEAF: [u8; 1] = [0];
const NODE: [u8; 1] = [1];

/// The leaf of a registration: SHA-256 of `0x00 ‖ salt ‖ index (4 bytes, big-endian) ‖ holder`. The salt, which only the
/// registrant learns, keeps a leaf from telling whose it is.
#[must_use]
pub fn leaf(salt: [u8; 16], index: u32, holder: Holder) -> Hash {
    let hasher = Sha256::new().chain_update(LEAF).chain_update(salt).chain_update(index.to_be_bytes());
    hasher.chain_update(holder.0).finalize().into()
}

/// The root over leaves in the order of their index.
#[must_use]
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    if leaves.is_empty() {
        return Sha256::digest([]).into();
    }
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        level = parents(&level);
    }
    level[0]
}

/// The neighbours on the way from a leaf to the root, from below; together with the leaf they give the root. None for an
/// index that has no leaf.
#[must_use]
pub fn inclusion_path(leaves: &[Hash], index: u32) -> Vec<Hash> {
    let mut path = Vec::new();
    let mut at = index as usize;
    if at >= leaves.len() {
        return path;
    }
    let mut level = leaves.to_vec();
    while level.len() > 1 {
        path.extend(level.get(at ^ 1));
        level = parents(&level);
        at /= 2;
    }
    path
}

/// The root that a leaf and its path lead to; `None` when a path of that length cannot belong to that index.
#[must_use]
pub fn root_of_path(leaf: Hash, index: u32, count: u32, path: &[Hash]) -> Option<Hash> {
    if index >= count {
        return None;
    }
    let (mut hash, mut at, mut last) = (leaf, index, count - 1);
    let mut path = path.iter();
    while last > 0 {
        if at % 2 == 1 {
            hash = node(path.next()?, &hash);
        } else if at < last {
            hash = node(&hash, path.next()?);
        }
        (at, last) = (at / 2, last / 2);
    }
    path.next().is_none().then_some(hash)
}

fn parents(level: &[Hash]) -> Vec<Hash> {
    let parent = |pair: &[Hash]| match pair {
        [left, right] => node(left, right),
        alone => alone[0],
    };
    level.chunks(2).map(parent).collect()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update(NODE).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests;
