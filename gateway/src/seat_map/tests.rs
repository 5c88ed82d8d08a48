use std::io::Read as _;

use admission::SeatBits;
use domain::SaleId;
use domain::sale::StoredState;
use flate2::read::GzDecoder;
use ledger::sales::SaleRow;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;

/// A floor, two rows of stalls, and so many rows of ten in a balcony.
pub(crate) fn hall(balcony_rows: usize) -> Arc<Sale> {
    let balcony: Vec<_> = (1..=balcony_rows).map(|row| json!({ "row": format!("{row}"), "seats": 10 })).collect();
    let config = serde_json::from_value(json!({
        "name": "Hall", "currency": "eur", "opens_at": "2030-01-01T00:00:00Z",
        "tiers": [
            { "id": "ga", "name": "Floor", "price": 100, "capacity": 9 },
            { "id": "stalls", "name": "Stalls", "price": 200, "rows": [{ "row": "A", "seats": 4 }, { "row": "B", "seats": 3 }] },
            { "id": "balcony", "name": "Balcony", "price": 150, "rows": balcony },
        ],
    }))
    .unwrap();
    let row = SaleRow {
        id: SaleId::from_uuid(Uuid::nil()),
        organizer: domain::OrganizerId::from_uuid(Uuid::nil()),
        slug: "hall".to_owned(),
        config,
        state: StoredState::Published,
        epoch: 12,
        version: 1,
        published_at: None,
        notice: None,
        payment_latency: None,
    };
    Arc::new(Sale::new(row))
}

/// The map of a version, in which only these units are free or held.
pub(crate) fn map(sale: &Arc<Sale>, version: (u32, u64), free: &[(&str, u32)], held: &[(&str, u32)]) -> SeatMap {
    let bits = |tier: &TierId, units: u32, of: &[(&str, u32)]| {
        let mut bytes = vec![0; units.div_ceil(8) as usize];
        for (_, unit) in of.iter().filter(|(name, _)| *name == tier.as_str()) {
            bytes[*unit as usize / 8] |= 0x80 >> (unit % 8);
        }
        bytes
    };
    let seats = |(tier, units): (TierId, u32)| {
        let seats = SeatBits::new(units, bits(&tier, units, free), bits(&tier, units, held));
        (tier, seats)
    };
    let (epoch, changes) = version;
    let tiers = seated_tiers(sale).into_iter().map(seats).collect();
    SeatMap::new(Arc::clone(sale), SeatsView { epoch, changes, tiers })
}

fn json_of<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

/// What changed between two maps that were read one after the other.
fn delta(earlier: &SeatMap, map: &SeatMap) -> Option<SeatsDelta> {
    SeatsDelta::each_to(map, std::iter::once(&*earlier.view)).pop()
}

/// What a client knows that takes a delta as it is told to; none when it has to fetch the map.
fn taken(mut known: Value, delta: &SeatsDelta) -> Option<Value> {
    for change in json_of(delta)["changes"].as_array()? {
        let tier = known["tiers"].as_array_mut().unwrap().iter_mut().find(|tier| tier["tier"] == change[0]).unwrap();
        let row = tier["rows"].as_array_mut().unwrap().iter_mut().find(|row| row["row"] == change[1]).unwrap();
        let mut states: Vec<char> = row["states"].as_str().unwrap().chars().collect();
        states[usize::try_from(change[2].as_u64().unwrap()).unwrap() - 1] =
            change[3].as_str().unwrap().parse().unwrap();
        row["states"] = states.into_iter().collect::<String>().into();
    }
    known["version"] = delta.to.to_string().into();
    Some(known)
}

#[test]
fn a_map_has_a_letter_for_each_seat_of_each_row() {
    let free = [("stalls", 0), ("stalls", 1), ("stalls", 4), ("balcony", 9)];
    let map = map(&hall(1), (12, 40), &free, &[("stalls", 3), ("balcony", 0)]);
    let stalls = json!([{ "row": "A", "states": "ffsh" }, { "row": "B", "states": "fss" }]);
    let balcony = json!([{ "row": "1", "states": "hssssssssf" }]);
    let tiers = json!([{ "tier": "stalls", "rows": stalls }, { "tier": "balcony", "rows": balcony }]);
    let whole = json!({ "version": "12-40", "tiers": tiers });
    assert_eq!(serde_json::from_slice::<Value>(&map.text().whole.body).unwrap(), whole);
    let mut unpacked = Vec::new();
    GzDecoder::new(&*map.text().gzip.body).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, map.text().whole.body);
}

#[test]
fn a_version_is_in_the_tag_and_the_encoding_too() {
    let map = map(&hall(1), (12, 40), &[], &[]);
    assert_eq!((&*map.text().whole.etag, &*map.text().gzip.etag), ("\"12-40\"", "\"12-40-gzip\""));
}

#[test]
fn a_map_is_written_once_and_a_sale_without_rows_has_an_empty_one() {
    let map = map(&hall(1), (12, 40), &[], &[]);
    assert!(std::ptr::eq(map.text(), map.text()));
    let empty = SeatMap::empty(hall(1), 3);
    assert!(empty.is_empty() && !map.is_empty());
    assert_eq!(empty.version(), Version { epoch: 3, changes: 0 });
}

#[test]
fn later_maps_are_greater_also_after_redis_was_lost() {
    let version = |epoch, changes| Version { epoch, changes };
    assert!(version(1, 9) < version(1, 10) && version(1, 10) < version(2, 0));
}

#[test]
fn a_delta_names_each_seat_that_changed_and_what_it_is() {
    let sale = hall(1);
    let before = map(&sale, (12, 40), &[("stalls", 2), ("stalls", 4)], &[("stalls", 3)]);
    let after = map(&sale, (12, 51), &[("stalls", 3), ("stalls", 4)], &[("stalls", 2), ("balcony", 9)]);
    let delta = delta(&before, &after).unwrap();
    let changes = json!([["balcony", "1", 10, "h"], ["stalls", "A", 3, "h"], ["stalls", "A", 4, "f"]]);
    assert_eq!(json_of(&delta), json!({ "from": "12-40", "to": "12-51", "changes": changes }));
    let known = taken(json_of(&before.body()), &delta).unwrap();
    assert_eq!(known, json_of(&after.body()));
    assert_eq!(taken(known.clone(), &delta), Some(known), "hearing it twice does no harm");
}

#[test]
fn what_is_too_much_for_a_frame_or_of_another_epoch_is_fetched_again() {
    let sale = hall(100);
    let free: Vec<_> = (0..1_000).map(|unit| ("balcony", unit)).collect();
    let before = map(&sale, (12, 40), &free, &[]);
    let after = |count: usize| map(&sale, (12, 41), &free[count..], &[]);
    let fits = |count| delta(&before, &after(count)).is_some();
    assert!(fits(1) && fits(30) && !fits(60) && !fits(1_000));
    let rebuilt = map(&sale, (13, 41), &free[1..], &[]);
    assert_eq!(delta(&before, &rebuilt), None);
    assert_eq!(json_of(&SeatsDelta::anew(rebuilt.version())), json!({ "from": null, "to": "13-41", "changes": null }));
}

#[test]
fn each_of_the_last_maps_leads_to_the_latest_and_older_ones_do_not() {
    let sale = hall(1);
    let nth =
        |n: u32| map(&sale, (12, n.into()), &[("balcony", n % 10), ("balcony", (n * 7) % 10)], &[("stalls", n % 4)]);
    let mut maps = SeatMaps::after(None, nth(0));
    for n in 1..=20_u32 {
        maps = SeatMaps::after(Some(&maps), nth(n));
        let latest = json_of(&maps.latest().body());
        for back in 1..=5.min(n) {
            let earlier = nth(n - back);
            let delta = maps.since(earlier.version()).expect("it is one of the last");
            assert_eq!(taken(json_of(&earlier.body()), &delta), Some(latest.clone()), "{back} before {n}");
        }
        assert!(n < 6 || maps.since(nth(n - 6).version()).is_none(), "it is too long ago");
        assert!(maps.since(maps.latest().version()).is_none(), "nothing changed since");
    }
}

/// The seat is held, free and held again: from the first map to the last nothing changed, but who has one of those between
/// has to be told.
#[test]
fn who_has_a_map_between_two_hears_of_what_changed_and_changed_back() {
    let sale = hall(1);
    let read = |changes: u64| {
        let seat = [("stalls", 2)];
        if changes.is_multiple_of(2) {
            map(&sale, (12, changes), &[], &seat)
        } else {
            map(&sale, (12, changes), &seat, &[])
        }
    };
    let first = SeatMaps::after(None, read(40));
    let maps = (41..=44).fold(first, |maps, changes| SeatMaps::after(Some(&maps), read(changes)));
    let latest = json_of(&maps.latest().body());
    for from in 40..44 {
        let delta = maps.since(read(from).version()).expect("it is one of the last");
        for known in from..44 {
            assert_eq!(taken(json_of(&read(known).body()), &delta), Some(latest.clone()), "{known}, told since {from}");
        }
    }
}

#[test]
fn so_much_changing_and_changing_back_that_it_fits_no_frame_is_fetched_again() {
    let sale = hall(100);
    let rows_of = |free: std::ops::Range<u32>| free.map(|unit| ("balcony", unit)).collect::<Vec<_>>();
    let reads = [rows_of(0..0), rows_of(0..30), rows_of(30..30), rows_of(100..130), rows_of(130..130)];
    let mut maps = SeatMaps::after(None, map(&sale, (12, 0), &reads[0], &[]));
    for (changes, free) in (1..).zip(&reads[1..]) {
        maps = SeatMaps::after(Some(&maps), map(&sale, (12, changes), free, &[]));
    }
    let is_told = [0, 1, 2, 3].map(|changes| maps.since(Version { epoch: 12, changes }).is_some());
    assert_eq!(is_told, [false, false, true, true], "thirty seats fit, sixty do not");
}

#[test]
fn of_earlier_maps_only_the_seats_are_kept() {
    let sale = hall(1);
    let first = SeatMaps::after(None, map(&sale, (12, 1), &[], &[]));
    let (whole, seats) = (Arc::downgrade(first.latest()), Arc::downgrade(&first.latest().view));
    first.latest().text();
    let maps = SeatMaps::after(Some(&first), map(&sale, (12, 2), &[("stalls", 1)], &[]));
    drop(first);
    assert!(whole.upgrade().is_none() && seats.upgrade().is_some(), "its text went with the map");
    assert!(maps.since(Version { epoch: 12, changes: 1 }).is_some());
}
