//! Bitmaps as Redis keeps them: bit 0 is the highest bit of byte 0.

use std::cmp::Ordering;

use domain::{PlaceNumber, UnitNo};

const WORD_BITS: u64 = 64;
const WORD_BYTES: usize = 8;

/// A bitmap for counting: bits as 64-bit words from a first word on, and before each word how many bits are set.
#[derive(Debug, Clone, Default)]
pub(crate) struct CountedBitmap {
    first_word: u64,
    words: Vec<u64>,
    before: Vec<u32>,
}

impl CountedBitmap {
    /// From bytes that begin at a byte of a bitmap, which is the first of a word.
    pub(crate) fn new(first_byte: u64, bytes: &[u8]) -> Self {
        let words = bytes.chunks(WORD_BYTES).map(word).collect();
        Self::counted(first_byte / WORD_BYTES as u64, words)
    }

    fn counted(first_word: u64, words: Vec<u64>) -> Self {
        let mut total = 0;
        let before = words
            .iter()
            .map(|word| {
                let here = total;
                total += word.count_ones();
                here
            })
            .collect();
        Self { first_word, words, before }
    }

    /// The bits that are set in both; the other begins at the same word.
    pub(crate) fn and(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        Self::counted(self.first_word, words)
    }

    /// Those of its bits that are set in the other too, and all of its bits from one on; the other begins at the same word.
    pub(crate) fn and_or_from(&self, other: &Self, bit: u64) -> Self {
        let mask = |index: u64| match (self.first_word + index).cmp(&(bit / WORD_BITS)) {
            Ordering::Less => 0,
            Ordering::Equal => u64::MAX >> (bit % WORD_BITS),
            Ordering::Greater => u64::MAX,
        };
        let others = other.words.iter().copied().chain(std::iter::repeat(0));
        let words = self.words.iter().zip(others).zip(0..).map(|((word, other), index)| word & (other | mask(index)));
        Self::counted(self.first_word, words.collect())
    }

    pub(crate) fn contains(&self, bit: u64) -> bool {
        self.at(bit).is_some_and(|(index, mask)| self.words[index] & mask != 0)
    }

    /// How many bits are set below a bit. O(1).
    pub(crate) fn count_below(&self, bit: u64) -> u64 {
        if bit / WORD_BITS < self.first_word {
            return 0;
        }
        match self.at(bit) {
            Some((index, mask)) => {
                let above = mask | (mask - 1);
                u64::from(self.before[index] + (self.words[index] & !above).count_ones())
            }
            None => self.count(),
        }
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> u64 {
        let last = self.words.last().map_or(0, |word| word.count_ones());
        u64::from(self.before.last().copied().unwrap_or(0) + last)
    }

    /// The word of a bit and the bit's mask in it.
    fn at(&self, bit: u64) -> Option<(usize, u64)> {
        let index = usize::try_from((bit / WORD_BITS).checked_sub(self.first_word)?).ok()?;
        (index < self.words.len()).then_some((index, 1 << (WORD_BITS - 1 - bit % WORD_BITS)))
    }
}

fn word(bytes: &[u8]) -> u64 {
    let mut padded = [0; WORD_BYTES];
    padded[..bytes.len()].copy_from_slice(bytes);
    u64::from_be_bytes(padded)
}

/// Bytes of a bitmap, ready for Redis, and where they begin.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) first_byte: u64,
    pub(crate) bytes: Vec<u8>,
}

/// The most bytes of one patch: two million numbers. A patch larger than that is worth a call of its own.
const PATCH_BYTES_MAX: u64 = 256 * 1024;

/// The numbers as bits, in as few patches as their spread allows.
pub(crate) fn patches(numbers: &[PlaceNumber]) -> Vec<Patch> {
    let mut bits: Vec<u64> = numbers.iter().map(|number| number.0).collect();
    bits.sort_unstable();
    let near = |a: &u64, b: &u64| b / 8 - a / 8 < PATCH_BYTES_MAX;
    let mut patches = Vec::new();
    let mut rest = bits.as_slice();
    while let Some(first) = rest.first() {
        let (these, others) = rest.split_at(rest.partition_point(|bit| near(first, bit)));
        patches.push(patch(these));
        rest = others;
    }
    patches
}

fn patch(sorted_bits: &[u64]) -> Patch {
    let (first, last) = (sorted_bits[0] / 8, sorted_bits[sorted_bits.len() - 1] / 8);
    let mut bytes = zeros(last - first + 1);
    for bit in sorted_bits {
        set(&mut bytes, bit - first * 8);
    }
    Patch { first_byte: first, bytes }
}

/// A bitmap of units.
pub(crate) fn of_units(units: &[UnitNo]) -> Vec<u8> {
    let highest = units.iter().map(|unit| unit.0).max().unwrap_or(0);
    let mut bytes = zeros(u64::from(highest) / 8 + 1);
    for unit in units {
        set(&mut bytes, u64::from(unit.0));
    }
    bytes
}

/// A bitmap of numbers.
pub(crate) fn of_numbers(numbers: &[PlaceNumber]) -> Vec<u8> {
    let highest = numbers.iter().map(|number| number.0).max().unwrap_or(0);
    let mut bytes = zeros(highest / 8 + 1);
    for number in numbers {
        set(&mut bytes, number.0);
    }
    bytes
}

/// Every bit from 1 to `highest`, but those of `without`.
pub(crate) fn of_numbers_but(highest: u64, without: impl Iterator<Item = PlaceNumber>) -> Vec<u8> {
    let mut bytes = zeros(highest / 8 + 1);
    bytes.fill(u8::MAX);
    clear(&mut bytes, 0);
    for beyond in highest + 1..(highest / 8 + 1) * 8 {
        clear(&mut bytes, beyond);
    }
    for number in without.filter(|number| number.0 <= highest) {
        clear(&mut bytes, number.0);
    }
    bytes
}

fn zeros(bytes: u64) -> Vec<u8> {
    vec![0; usize::try_from(bytes).expect("bitmaps are bounded by what Redis can address, 512 MiB")]
}

fn set(bytes: &mut [u8], bit: u64) {
    bytes[byte_of(bit)] |= 0x80 >> (bit % 8);
}

fn clear(bytes: &mut [u8], bit: u64) {
    bytes[byte_of(bit)] &= !(0x80 >> (bit % 8));
}

fn byte_of(bit: u64) -> usize {
    usize::try_from(bit / 8).expect("bitmaps are bounded by what Redis can address, 512 MiB")
}

#[cfg(test)]
mod tests;
