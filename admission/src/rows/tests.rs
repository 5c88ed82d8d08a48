use super::*;
use crate::scripts;

/// The rows that have n free side by side, as the bitmaps say.
fn rows_with(bitmaps: &[u8], n: usize) -> Vec<usize> {
    let bytes = ROWS_MAX / 8;
    let bitmap = &bitmaps[(n - 1) * bytes..n * bytes];
    (0..ROWS_MAX).filter(|row| bitmap[row / 8] & (0x80 >> (row % 8)) != 0).collect()
}

#[test]
fn rows_begin_where_the_ones_before_end() {
    assert_eq!(firsts(&[20, 1, 70_000]), [0, 0, 0, 0, 0, 20, 0, 0, 21, 1, 0x11, 0x85]);
    assert_eq!(firsts(&[]), [0_u8; 0]);
}

#[test]
fn a_row_is_in_the_bitmap_of_each_number_it_has_side_by_side() {
    let taken = [2, 5, 9, 11];
    let free: Vec<_> = (0..37).filter(|unit| !taken.contains(unit)).map(UnitNo).collect();
    let bitmaps = runs(&[4, 6, 2, 25], &free);
    assert_eq!(rows_with(&bitmaps, 1), [0, 1, 2, 3]);
    assert_eq!(rows_with(&bitmaps, 2), [0, 1, 3], "0-1, 6-8, only 10 in the third row, and all of the fourth");
    assert_eq!(rows_with(&bitmaps, 3), [1, 3]);
    assert_eq!(rows_with(&bitmaps, 4), [3]);
    assert_eq!(rows_with(&bitmaps, RUN_MAX), [3]);
    assert_eq!(runs(&[], &free), [0_u8; 0]);
}

#[test]
fn rows_read_back_as_they_were_packed() {
    assert_eq!(sizes(&firsts(&[20, 1, 70_000])), [20, 1, 70_000]);
    assert_eq!(sizes(&firsts(&[])), [0_u32; 0]);
}

#[test]
fn a_row_whose_bits_are_not_so_is_named() {
    let (rows, free) = ([4, 6, 9], [0, 1, 5, 6, 7].map(UnitNo));
    let whole = runs(&rows, &free);
    let last = whole.iter().rposition(|byte| *byte != 0).unwrap();
    for right in [&whole[..], &whole[..=last]] {
        assert_eq!(differing(&rows, &free, right), [0_usize; 0], "{} bytes", right.len());
    }
    assert_eq!(differing(&rows, &free, &[]), [0, 1]);
    let mut wrong = whole;
    wrong[2 * ROWS_MAX / 8] ^= 0x80 >> 1;
    wrong[0] ^= 0x80 >> 2;
    assert_eq!(differing(&rows, &free, &wrong), [1, 2]);
}

#[test]
fn the_scripts_have_room_for_as_many_rows_and_as_long_runs() {
    for (name, value) in [("RUN_MAX", RUN_MAX), ("ROW_BITS", ROWS_MAX)] {
        let (_, after) = scripts::ROWS.split_once(&format!("local {name} = ")).unwrap();
        assert_eq!(after.split(' ').next().unwrap().parse(), Ok(value), "{name}");
    }
}
