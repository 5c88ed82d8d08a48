use std::collections::BTreeSet;

use proptest::prelude::*;

use super::super::super::{RowConfig, TierConfig};
use super::*;

fn hall(sizes: &[u32]) -> Seating {
    let row = |(index, seats): (usize, &u32)| RowConfig { row: index.to_string(), seats: *seats };
    let tier = TierConfig {
        id: "stalls".parse().unwrap(),
        name: "Stalls".to_owned(),
        price: 100,
        capacity: None,
        rows: sizes.iter().enumerate().map(row).collect(),
        per_buyer_limit: None,
    };
    Seating::of(&tier).unwrap()
}

/// A hall drawn row by row: `.` is free, `#` taken, `x` wanted and taken.
struct Drawn {
    seating: Seating,
    free: BTreeSet<UnitNo>,
    wanted: Vec<UnitNo>,
}

impl Drawn {
    fn new(rows: &[&str]) -> Self {
        let seats: String = rows.concat();
        let units =
            |mark: char| seats.chars().zip(0..).filter(move |(seat, _)| *seat == mark).map(|(_, unit)| UnitNo(unit));
        let sizes: Vec<_> = rows.iter().map(|row| u32::try_from(row.len()).unwrap()).collect();
        Self { seating: hall(&sizes), free: units('.').collect(), wanted: units('x').collect() }
    }

    fn together(&self, count: u32) -> Vec<Vec<u32>> {
        let offers = self.seating.together_near(&self.wanted, some(count), 3, |unit| self.free.contains(&unit));
        offers.into_iter().map(|seats| seats.into_iter().map(|seat| seat.0).collect()).collect()
    }

    fn apart(&self, count: u32) -> Vec<u32> {
        let seats = self.seating.apart_near(&self.wanted, some(count), |unit| self.free.contains(&unit));
        seats.into_iter().map(|seat| seat.0).collect()
    }
}

fn some(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap()
}

#[test]
fn the_nearest_in_the_row_come_first_and_then_those_of_the_next_rows() {
    let hall = Drawn::new(&["..........", "...xx.....", ".........."]);
    // In the row: 1 and 2 are two seats away, 5 and 6 too; behind and before: one row, which is as far as two seats.
    assert_eq!(hall.together(2), [[3, 4], [11, 12], [15, 16]]);
    let hall = Drawn::new(&["#.........", "..#xx#####", "....#....."]);
    assert_eq!(hall.together(2), [[3, 4], [10, 11], [22, 23]]);
}

#[test]
fn rows_are_compared_by_their_middles() {
    let hall = Drawn::new(&["....", "####xx####"]);
    assert_eq!(hall.together(2), [[1, 2]]);
}

#[test]
fn apart_is_the_nearest_there_is_or_all_there_is() {
    let hall = Drawn::new(&[".#.#.", "#.x##", "#####"]);
    assert_eq!(hall.together(2), Vec::<Vec<u32>>::new());
    assert_eq!(hall.apart(2), [2, 6]);
    assert_eq!(hall.apart(20), [0, 2, 4, 6]);
    assert_eq!(Drawn::new(&["xx", "##"]).apart(2), Vec::<u32>::new());
}

#[test]
fn who_wanted_nothing_of_the_tier_is_offered_nothing() {
    let seating = hall(&[4]);
    assert!(seating.together_near(&[], some(1), 3, |_| true).is_empty());
    assert!(seating.apart_near(&[UnitNo(4)], some(1), |_| true).is_empty());
}

/// Every block of free seats with its distance, computed the long way: what no offer may be further than.
fn distances(sizes: &[u32], free: &[bool], wanted: u32, count: u32) -> Vec<u64> {
    let firsts: Vec<u32> = sizes.iter().scan(0, |next, size| Some(std::mem::replace(next, *next + size))).collect();
    let row_of = |unit: u32| firsts.partition_point(|first| *first <= unit) - 1;
    let across = |unit: u32, count: u32| {
        let row = row_of(unit);
        i64::from(2 * (unit - firsts[row]) + count) - i64::from(sizes[row])
    };
    let all: u32 = sizes.iter().sum();
    let block = |first: u32| {
        let fits = first + count <= all
            && row_of(first) == row_of(first + count - 1)
            && (first..first + count).all(|unit| free[unit as usize]);
        let rows = row_of(first).abs_diff(row_of(wanted)) as u64;
        fits.then(|| rows * ROW_HALF_SEATS + across(first, count).abs_diff(across(wanted, 1)))
    };
    let mut distances: Vec<_> = (0..all).filter_map(block).collect();
    distances.sort_unstable();
    distances
}

proptest! {
    #[test]
    fn offers_are_free_side_by_side_apart_from_each_other_and_none_is_nearer(
        (sizes, free) in prop::collection::vec(1_u32..12, 1..12).prop_flat_map(|sizes| {
            let seats = sizes.iter().sum::<u32>() as usize;
            (Just(sizes), prop::collection::vec(any::<bool>(), seats))
        }),
        wanted in any::<prop::sample::Index>(),
        count in 1_u32..5,
    ) {
        let (seating, wanted) = (hall(&sizes), u32::try_from(wanted.index(free.len())).unwrap());
        let is_free = |unit: UnitNo| free[unit.0 as usize];
        let offers = seating.together_near(&[UnitNo(wanted)], some(count), 3, is_free);
        let distances = distances(&sizes, &free, wanted, count);
        prop_assert_eq!(offers.is_empty(), distances.is_empty());
        let mut seen = BTreeSet::new();
        for offer in &offers {
            prop_assert_eq!(offer.len(), count as usize);
            prop_assert!(offer.iter().all(|seat| is_free(*seat) && seen.insert(*seat)), "{:?}", offers);
            prop_assert!(offer.windows(2).all(|pair| pair[0].0 + 1 == pair[1].0));
            let rows: BTreeSet<_> = offer.iter().map(|seat| seating.place(*seat).unwrap().row).collect();
            prop_assert_eq!(rows.len(), 1);
        }
        let away = |first: UnitNo| {
            let (to, from) = (seating.place(first).unwrap(), seating.place(UnitNo(wanted)).unwrap());
            let across = seating.rows[to.row].across(first.0 - seating.rows[to.row].first, count);
            to.row.abs_diff(from.row) as u64 * ROW_HALF_SEATS + across.abs_diff(from.across)
        };
        let offered: Vec<_> = offers.iter().map(|offer| away(offer[0])).collect();
        prop_assert!(offered.is_sorted());
        prop_assert_eq!(offered.first(), distances.first());
        let apart = seating.apart_near(&[UnitNo(wanted)], some(count), is_free);
        let free = free.iter().filter(|is_free| **is_free).count();
        prop_assert_eq!(apart.len(), free.min(count as usize));
        prop_assert!(apart.is_sorted() && apart.iter().all(|seat| is_free(*seat)));
    }
}
