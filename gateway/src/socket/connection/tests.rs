use super::*;
use crate::availability::{Availability, TierAvailability};
use jiff::Timestamp;

fn waiting(ahead: u64) -> Position {
    Position {
        state: PlaceState::Waiting,
        sale_state: SaleState::Open,
        ahead: Some(ahead),
        eta_s: Some(Eta { p50: 20, p90: 33 }),
        availability: vec![TierAvailability { tier: "ga".parse().unwrap(), left: Availability::NONE }],
        pass: None,
        pass_expires_at: None,
        poll_after_ms: 1_000,
    }
}

fn inside() -> Position {
    Position {
        state: PlaceState::Admitted,
        ahead: None,
        eta_s: None,
        pass: Some("pas_x".to_owned()),
        pass_expires_at: Some(Timestamp::UNIX_EPOCH),
        ..waiting(0)
    }
}

fn kinds(told: Option<&Position>, now: &Position) -> Vec<String> {
    let kind = |news: &News| serde_json::to_value(news).unwrap()["type"].as_str().unwrap().to_owned();
    news(told, now).iter().map(kind).collect()
}

#[test]
fn at_first_everything_is_told() {
    assert_eq!(kinds(None, &waiting(3)), ["position"]);
    assert_eq!(kinds(None, &inside()), ["position", "admitted"]);
}

#[test]
fn then_only_what_changed() {
    assert!(kinds(Some(&waiting(3)), &waiting(3)).is_empty());
    assert_eq!(kinds(Some(&waiting(3)), &waiting(2)), ["position"]);
    let few = Position { availability: Vec::new(), ..waiting(3) };
    assert_eq!(kinds(Some(&waiting(3)), &few), ["availability"]);
    let paused = Position { sale_state: SaleState::Paused, ..waiting(3) };
    assert_eq!(kinds(Some(&waiting(3)), &paused), ["sale"]);
}

#[test]
fn a_turn_is_told_once() {
    assert_eq!(kinds(Some(&waiting(0)), &inside()), ["position", "admitted"]);
    let later = Position { pass_expires_at: Some(Timestamp::from_second(60).unwrap()), ..inside() };
    assert_eq!(kinds(Some(&inside()), &later), ["position"]);
}

#[test]
fn a_waiting_time_must_move_by_a_quarter_to_be_news() {
    let eta = |p50| Some(Eta { p50, p90: p50 * 2 });
    assert!(!eta_moved(eta(100), eta(80)) && eta_moved(eta(100), eta(70)));
    assert!(!eta_moved(eta(1), eta(2)), "a second is no news");
    assert!(eta_moved(eta(100), None) && !eta_moved(None, None));
}

#[test]
fn a_part_is_never_more_than_the_whole() {
    for _ in 0..1_000 {
        assert!(part_of(Duration::from_secs(5)) <= Duration::from_secs(5));
    }
}
