use super::*;
use crate::sale::RowConfig;

fn tier(rows: &[(&str, u32)]) -> TierConfig {
    let row = |(row, seats): &(&str, u32)| RowConfig { row: (*row).to_owned(), seats: *seats };
    TierConfig {
        id: "stalls".parse().unwrap(),
        name: "Stalls".to_owned(),
        price: 100,
        capacity: None,
        rows: rows.iter().map(row).collect(),
        per_buyer_limit: None,
    }
}

#[test]
fn numbers_run_through_the_rows_and_every_seat_leads_back() {
    let tier = tier(&[("A", 3), ("B", 1), ("Box 1-2", 2)]);
    let seating = Seating::of(&tier).unwrap();
    let names: Vec<_> = (0..tier.capacity()).map(|unit| seating.seat(UnitNo(unit)).unwrap()).collect();
    assert_eq!(names, ["A-1", "A-2", "A-3", "B-1", "Box 1-2-1", "Box 1-2-2"]);
    for (unit, name) in (0..).zip(&names) {
        assert_eq!(seating.unit(name), Some(UnitNo(unit)), "{name}");
    }
    assert_eq!(seating.seat(UnitNo(6)), None);
}

#[test]
fn what_is_no_seat_has_no_unit() {
    let seating = Seating::of(&tier(&[("A", 3), ("B", 1)])).unwrap();
    for text in ["", "A", "A-", "A-0", "A-4", "A-01", "A-+1", "A--1", "a-1", "C-1", "-1", "A-1 ", "A-99999999999"] {
        assert_eq!(seating.unit(text), None, "{text:?}");
    }
}

#[test]
fn a_tier_without_rows_has_no_seats() {
    let floor = TierConfig { capacity: Some(5), ..tier(&[]) };
    assert_eq!((Seating::of(&floor), floor.capacity()), (None, 5));
}
