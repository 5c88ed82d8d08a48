use domain::PlaceNumber;
use domain::sale::SaleState;
use jiff::Timestamp;

use super::*;
use crate::availability::{Availability, TierAvailability};
use crate::floor::{NoticeBody, PauseBody};
use crate::odds::Odds;
use crate::written::Written;

fn waiting(ahead: u64) -> Position {
    Position {
        state: PlaceState::Waiting,
        sale_state: SaleState::Open,
        number: Some(PlaceNumber(7)),
        ahead: Some(ahead),
        eta_s: Some(Eta { p10: 15, p50: 20, p90: 33 }),
        odds: Some(Odds::Likely),
        availability: Written::new(vec![TierAvailability {
            tier: "ga".parse().unwrap(),
            left: Availability::of(admission::TierStock::default(), None),
        }]),
        pass: None,
        pass_expires_at: None,
        opens_at: None,
        pause: None,
        notice: None,
        epoch: 1,
        poll_after_ms: 1_000,
    }
}

fn inside() -> Position {
    Position {
        state: PlaceState::Admitted,
        ahead: None,
        eta_s: None,
        odds: None,
        pass_expires_at: Some(Timestamp::UNIX_EPOCH),
        ..waiting(0)
    }
}

fn registered() -> Position {
    let opens_at = Some(Timestamp::UNIX_EPOCH);
    Position {
        state: PlaceState::Prequeue,
        sale_state: SaleState::Prequeue,
        number: None,
        ahead: None,
        eta_s: None,
        odds: None,
        opens_at,
        ..waiting(0)
    }
}

fn told(before: Option<&Position>, now: &Position) -> Vec<serde_json::Value> {
    let news = news(before, now, || "pas_x".to_owned());
    news.iter().flatten().map(|news| serde_json::to_value(news).unwrap()).collect()
}

fn kinds(before: Option<&Position>, now: &Position) -> Vec<String> {
    told(before, now).iter().map(|news| news["type"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn at_first_everything_is_told() {
    assert_eq!(kinds(None, &waiting(3)), ["position"]);
    assert_eq!(kinds(None, &inside()), ["position", "admitted"]);
    assert_eq!(kinds(None, &registered()), ["position"]);
}

#[test]
fn then_only_what_changed() {
    assert!(kinds(Some(&waiting(3)), &waiting(3)).is_empty());
    assert_eq!(kinds(Some(&waiting(3)), &waiting(2)), ["position"]);
    let worse = Position { odds: Some(Odds::Unlikely), ..waiting(3) };
    let odds = told(Some(&waiting(3)), &worse);
    assert_eq!(
        (odds.len(), &odds[0]["type"], &odds[0]["data"]["odds"]),
        (1, &"availability".into(), &"unlikely".into())
    );
    let sold = Position { availability: Written::new(Vec::new()), ..waiting(3) };
    assert_eq!(kinds(Some(&waiting(3)), &sold), ["availability"]);
    let pause = Some(PauseBody::of(admission::Standstill::Organizer));
    let paused = Position { sale_state: SaleState::Paused, pause, ..waiting(3) };
    assert_eq!(kinds(Some(&waiting(3)), &paused), ["sale"]);
    let later = Position { poll_after_ms: 5_000, ..waiting(3) };
    assert!(kinds(Some(&waiting(3)), &later).is_empty(), "when to poll is nothing to a socket");
}

#[test]
fn a_notice_comes_with_the_sale_and_goes_with_it() {
    let text = "Doors open at eight.".to_owned();
    let notice = Some(Written::new(NoticeBody { text, at: Timestamp::UNIX_EPOCH }));
    let noticed = Position { notice, ..waiting(3) };
    let sale = told(Some(&waiting(3)), &noticed);
    let data = serde_json::json!({
        "state": "open", "pause": null, "notice": { "text": "Doors open at eight.", "at": "1970-01-01T00:00:00Z" },
    });
    assert_eq!((sale.len(), &sale[0]["data"]), (1, &data));
    assert_eq!(kinds(Some(&noticed), &waiting(3)), ["sale"]);
}

#[test]
fn a_draw_is_told_as_a_position_with_a_number() {
    let drawn = told(Some(&registered()), &waiting(3));
    assert_eq!((drawn.len(), &drawn[0]["data"]["number"], &drawn[0]["data"]["ahead"]), (1, &7.into(), &3.into()));
}

#[test]
fn a_turn_is_told_once_and_a_pass_whenever_it_is_told() {
    let turn = told(Some(&waiting(0)), &inside());
    assert_eq!((&turn[0]["data"]["pass"], &turn[1]["data"]["pass"]), (&"pas_x".into(), &"pas_x".into()));
    assert_eq!(kinds(Some(&waiting(0)), &inside()), ["position", "admitted"]);
    let later = Position { pass_expires_at: Some(Timestamp::from_second(60).unwrap()), ..inside() };
    assert_eq!(kinds(Some(&inside()), &later), ["position"]);
}

#[test]
fn nothing_is_signed_that_is_not_told() {
    for now in [waiting(3), inside()] {
        let silence = news(Some(&now), &now, || panic!("nobody is told"));
        assert!(silence.iter().flatten().next().is_none());
    }
}

#[test]
fn a_waiting_time_must_move_by_a_quarter_to_be_news() {
    let eta = |p50| Some(Eta { p10: 1, p50, p90: p50 * 2 });
    assert!(!has_eta_moved(eta(100), eta(80)) && has_eta_moved(eta(100), eta(70)));
    assert!(!has_eta_moved(eta(1), eta(2)), "a second is no news");
    assert!(has_eta_moved(eta(100), None) && !has_eta_moved(None, None));
    let vaguer = Some(Eta { p10: 1, p50: 100, p90: 400 });
    assert!(has_eta_moved(eta(100), vaguer));
}

/// Who waits has nothing to ask for; a frame to all of them would be for nothing.
#[test]
fn a_new_epoch_is_news_to_those_inside_alone() {
    assert_eq!(kinds(Some(&inside()), &Position { epoch: 2, ..inside() }), ["position"]);
    assert!(kinds(Some(&waiting(3)), &Position { epoch: 2, ..waiting(3) }).is_empty());
    assert!(kinds(Some(&registered()), &Position { epoch: 2, ..registered() }).is_empty());
}
