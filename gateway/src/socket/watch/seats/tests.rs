use serde_json::{Value, json};

use super::*;
use crate::seat_map::SeatMap;
use crate::seat_map::tests::{hall, map};

/// A client and the maps it is told of.
struct Client {
    told: SeatsTold,
    maps: SeatMaps,
    now: Instant,
}

impl Client {
    fn of(map: SeatMap) -> Self {
        Self { told: SeatsTold::default(), maps: SeatMaps::after(None, map), now: Instant::now() }
    }

    fn goes_on(&mut self, map: SeatMap) {
        self.maps = SeatMaps::after(Some(&self.maps), map);
    }

    /// What it is told: the version it leads from, if any, and to.
    fn hears(&mut self, after: Duration) -> Option<(Value, Value)> {
        self.now += after;
        let delta = serde_json::to_value(&*self.told.news(&self.maps, self.now)?).unwrap();
        Some((delta["from"].clone(), delta["to"].clone()))
    }
}

const TICK: Duration = Duration::from_millis(200);

/// The map of a version in which so many seats of the balcony are free.
fn free(changes: u64, seats: u32) -> SeatMap {
    let free: Vec<_> = (0..seats).map(|unit| ("balcony", unit)).collect();
    map(&hall(100), (12, changes), &free, &[])
}

#[test]
fn at_first_it_is_told_which_map_there_is_and_then_what_changed() {
    let mut client = Client::of(free(40, 10));
    assert_eq!(client.hears(TICK), Some((Value::Null, json!("12-40"))));
    assert_eq!(client.hears(TICK), None);
    client.goes_on(free(41, 12));
    assert_eq!(client.hears(TICK), Some((json!("12-40"), json!("12-41"))));
    assert_eq!(client.hears(TICK), None);
}

#[test]
fn who_missed_a_few_ticks_is_told_of_all_of_them_and_who_missed_many_fetches_the_map() {
    let mut client = Client::of(free(40, 10));
    client.hears(TICK);
    for changes in 41..=43 {
        client.goes_on(free(changes, 10));
    }
    assert_eq!(client.hears(3 * TICK), Some((json!("12-40"), json!("12-43"))));
    for changes in 44..=50 {
        client.goes_on(free(changes, 10));
    }
    assert_eq!(client.hears(7 * TICK), Some((Value::Null, json!("12-50"))));
}

#[test]
fn a_crowd_that_takes_more_than_a_frame_holds_makes_it_fetch_now_and_then() {
    let mut client = Client::of(free(0, 900));
    client.hears(ANEW_MIN);
    let mut fetches = 0;
    for tick in 1..=10_u32 {
        client.goes_on(free(tick.into(), 900 - tick * 80));
        if let Some((from, to)) = client.hears(TICK) {
            assert_eq!((from, to), (Value::Null, json!(format!("12-{tick}"))));
            fetches += 1;
        }
    }
    assert_eq!(fetches, 2, "of ten ticks");
    assert_eq!(client.hears(ANEW_MIN), Some((Value::Null, json!("12-10"))), "and the last of it is not forgotten");
}

#[test]
fn a_new_epoch_is_a_new_map_and_a_sale_without_rows_has_nothing_to_tell() {
    let mut client = Client::of(free(40, 10));
    client.hears(ANEW_MIN);
    client.goes_on(map(&hall(100), (13, 0), &[], &[]));
    assert_eq!(client.hears(ANEW_MIN), Some((Value::Null, json!("13-0"))));
    assert_eq!(Client::of(SeatMap::empty(hall(0), 1)).hears(TICK), None);
}
