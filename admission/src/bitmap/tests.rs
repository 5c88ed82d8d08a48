use std::collections::BTreeSet;

use domain::{PlaceNumber, UnitNo};
use proptest::prelude::*;

use super::{CountedBitmap, PATCH_BYTES_MAX, of_numbers_but, of_units, patches};

fn numbers(bits: &[u64]) -> Vec<PlaceNumber> {
    bits.iter().copied().map(PlaceNumber).collect()
}

/// So many bytes of a bitmap, from the second word on.
fn bitmap_of(bits: &BTreeSet<u64>, bytes: usize) -> CountedBitmap {
    let mut bitmap = vec![0_u8; bytes];
    for bit in bits {
        bitmap[usize::try_from(bit / 8).unwrap()] |= 0x80 >> (bit % 8);
    }
    CountedBitmap::new(16, &bitmap[16..])
}

#[test]
fn bit_0_is_the_highest_bit_of_byte_0() {
    assert_eq!(of_units(&[UnitNo(0), UnitNo(9)]), [0b1000_0000, 0b0100_0000]);
    assert_eq!(of_units(&[]), [0]);
}

#[test]
fn everyone_up_to_the_mark_but_the_named_is_in_line() {
    assert_eq!(of_numbers_but(9, numbers(&[2, 8, 50]).into_iter()), [0b0101_1111, 0b0100_0000]);
    assert_eq!(of_numbers_but(0, std::iter::empty()), [0]);
}

#[test]
fn numbers_that_lie_far_apart_go_in_patches_of_their_own() {
    let far = PATCH_BYTES_MAX * 8 + 16;
    let sent = patches(&numbers(&[far, 9, 16]));
    let spans: Vec<_> = sent.iter().map(|patch| (patch.first_byte, patch.bytes.len())).collect();
    assert_eq!(spans, [(1, 2), (far / 8, 1)]);
    assert_eq!(patches(&[]), []);
}

proptest! {
    #[test]
    fn counts_agree_with_counting_one_by_one(
        bits in proptest::collection::btree_set(128_u64..900, 0..200),
        others in proptest::collection::btree_set(128_u64..900, 0..200),
        probe in 0_u64..1_200,
        from in 0_u64..1_200,
    ) {
        let bitmap = |bits| bitmap_of(bits, 120);
        let (one, both) = (bitmap(&bits), bitmap(&bits).and(&bitmap(&others)));
        prop_assert_eq!(one.contains(probe), bits.contains(&probe));
        prop_assert_eq!(one.count(), bits.len() as u64);
        prop_assert_eq!(one.count_below(probe), bits.range(..probe).count() as u64);
        prop_assert_eq!(both.count_below(probe), bits.intersection(&others).filter(|bit| **bit < probe).count() as u64);
        // Redis cuts a bitmap behind its last byte that is set.
        let short: BTreeSet<_> = others.range(..300).copied().collect();
        let expected = bits.iter().filter(|bit| short.contains(bit) || **bit >= from).filter(|bit| **bit < probe).count();
        let filled = bitmap(&bits).and_or_from(&bitmap_of(&short, 40), from);
        prop_assert_eq!(filled.count_below(probe), expected as u64);
    }
}
