//! The order: an unbiased Fisher–Yates shuffle whose every draw follows from one key.
//!
//! 1. key = SHA-256 of `"onsale draw 1" ‖ seed ‖ root ‖ count ‖ beacon flag ‖ beacon value`, each of fixed size.
//! 2. Block *b* = SHA-256 of `key ‖ b`; its 32 bytes are eight words of 32 bits. Blocks 0, 1, 2, … give one stream of words.
//! 3. A draw below *n* takes the next word *x*. When *x* is not below the largest multiple of *n* that 32 bits hold, it is
//!    thrown away and the next is taken; else the draw is *x* mod *n*. So every value is equally likely, exactly.
//! 4. Ranks begin as 0, 1, 2, …. For each index *i* from 0, its rank changes places with that of *i* + a draw below *count* − *i*.
//!    After step *i* the rank of registration *i* is final.
//!
//! Numbers are big-endian. A million registrations take some tens of milliseconds.

use sha2::{Digest as _, Sha256};

use super::merkle::Hash;
use super::seed::Seed;

/// Keeps this use of SHA-256 apart from any other; the 1 is the version of the whole procedure.
const LABEL: &[u8] = b"onsale draw 1";
const WORDS_PER_BLOCK: usize = 8;

/// What every draw of one shuffle follows from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrawKey(pub Hash);

/// The key of a draw. Without a beacon the flag and the value are zero.
#[must_use]
pub fn draw_key(seed: &Seed, root: &Hash, count: u32, beacon: Option<&Hash>) -> DrawKey {
    let hasher = Sha256::new()
        .chain_update(LABEL)
        .chain_update(seed.0)
        .chain_update(root)
        .chain_update(count.to_be_bytes())
        .chain_update([u8::from(beacon.is_some())])
        .chain_update(beacon.unwrap_or(&[0; 32]));
    DrawKey(hasher.finalize().into())
}

/// The rank of each registration, from 0: `order[index] = rank`.
#[must_use]
pub fn order(key: &DrawKey, count: u32) -> Vec<u32> {
    let mut ranks: Vec<u32> = (0..count).collect();
    let mut draws = Draws::new(key);
    for index in 0..count {
        let other = index + draws.below(count - index);
        ranks.swap(index as usize, other as usize);
    }
    ranks
}

/// The stream of words, and draws from it.
struct Draws {
    /// SHA-256 that has read the key already.
    keyed: Sha256,
    next_block: u64,
    block: Hash,
    /// How many words of the block were taken.
    taken: usize,
}

impl Draws {
    fn new(key: &DrawKey) -> Self {
        let keyed = Sha256::new().chain_update(key.0);
        Self { keyed, next_block: 0, block: [0; 32], taken: WORDS_PER_BLOCK }
    }

    /// A number below `bound`, each equally likely. Below 1 there is only 0, and no word is taken for it.
    fn below(&mut self, bound: u32) -> u32 {
        if bound == 1 {
            return 0;
        }
        // 2^32 mod bound words at the top would make small values likelier.
        let refused = (u32::MAX % bound + 1) % bound;
        loop {
            let word = self.word();
            if word <= u32::MAX - refused {
                return word % bound;
            }
        }
    }

    fn word(&mut self) -> u32 {
        if self.taken == WORDS_PER_BLOCK {
            self.block = self.keyed.clone().chain_update(self.next_block.to_be_bytes()).finalize().into();
            self.next_block += 1;
            self.taken = 0;
        }
        let word = self.block.as_chunks().0[self.taken];
        self.taken += 1;
        u32::from_be_bytes(word)
    }
}

#[cfg(test)]
mod tests;
