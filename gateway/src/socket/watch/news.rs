//! What is news: the difference between what a visitor was told and what there is to tell.

use crate::eta::Eta;
use crate::position::{PlaceState, Position};
use crate::socket::message::News;

/// What a client does not know yet. At first, everything; a position says all there is, so other news come only without
/// one. `pass` is asked for when it is told. Neither position has its own.
pub(super) fn news(told: Option<&Position>, now: &Position, pass: impl FnOnce() -> String) -> [Option<News>; 2] {
    let Some(told) = told.filter(|told| !has_moved(told, now)) else {
        let position = now.clone().with_pass(pass);
        let admitted = admitted(told, &position);
        return [Some(News::Position(position)), admitted];
    };
    let Position { sale_state: state, pause, ref notice, ref availability, odds, .. } = *now;
    let has_changed = (told.sale_state, told.pause, &told.notice) != (state, pause, notice);
    let sale = has_changed.then(|| News::Sale { state, pause, notice: notice.clone() });
    let is_left_news = (&told.availability, told.odds) != (availability, odds);
    let left = is_left_news.then(|| News::Availability { availability: availability.clone(), odds });
    [sale, left]
}

/// Whether the place itself is another one, or what is held must be asked for again.
fn has_moved(told: &Position, now: &Position) -> bool {
    let may_hold = now.state == PlaceState::Admitted;
    (may_hold && told.epoch != now.epoch)
        || (told.state, told.number, told.ahead) != (now.state, now.number, now.ahead)
        || (told.pass_expires_at, told.opens_at) != (now.pass_expires_at, now.opens_at)
        || has_eta_moved(told.eta_s, now.eta_s)
}

/// The turn itself is news of its own, once.
fn admitted(told: Option<&Position>, now: &Position) -> Option<News> {
    if told.is_some_and(|told| told.state == PlaceState::Admitted) {
        return None;
    }
    let (pass, pass_expires_at) = now.pass.clone().zip(now.pass_expires_at)?;
    Some(News::Admitted { pass, pass_expires_at })
}

/// A waiting time whose middle or end moves by less than a quarter is no news.
fn has_eta_moved(told: Option<Eta>, now: Option<Eta>) -> bool {
    let far = |told: u64, now: u64| told.abs_diff(now) * 4 > told.max(8);
    match (told, now) {
        (Some(told), Some(now)) => far(told.p50, now.p50) || far(told.p90, now.p90),
        (told, now) => told.is_some() != now.is_some(),
    }
}

#[cfg(test)]
mod tests;
