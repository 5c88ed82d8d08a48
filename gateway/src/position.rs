//! What a visitor is told: where, how long, what is left, and the pass.
//!
//! A pure function of one view of the sale and the visitor's spot: every gateway answers alike, by poll, by socket and by
//! event stream, and no answer costs the stores anything. How long it may take is in [`crate::eta`], whether anything will be left in [`crate::odds`]. A registration needs
//! no view: it is answered also while Redis is away.

use admission::PlaceView;
use domain::PlaceNumber;
use domain::sale::SaleState;
use domain::token::PlaceToken;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::availability::TierAvailability;
use crate::eta::Eta;
use crate::floor::{NoticeBody, PauseBody, Seen};
use crate::odds::Odds;
use crate::written::Written;

/// Where a place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PlaceState {
    /// Registered; the number comes from the draw.
    Prequeue,
    /// In line.
    Waiting,
    /// It is one's turn.
    Admitted,
    /// Given up.
    Left,
    /// Over: the session ended, or nothing was heard for half an hour.
    Expired,
}

/// What a visitor is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Position {
    /// Where the place is.
    pub(crate) state: PlaceState,
    /// Where the sale is.
    #[schema(value_type = String, example = "open")]
    pub(crate) sale_state: SaleState,
    /// The place's number; none before the draw.
    #[schema(value_type = Option<u64>)]
    pub(crate) number: Option<PlaceNumber>,
    /// Live visitors with a smaller number; none when one is not in line.
    pub(crate) ahead: Option<u64>,
    /// How long it may take; none when there is no honest figure.
    pub(crate) eta_s: Option<Eta>,
    /// Whether anything will be left at one's turn; none when one is not in line.
    pub(crate) odds: Option<Odds>,
    /// What is left.
    #[schema(value_type = Vec<TierAvailability>)]
    pub(crate) availability: Written<Vec<TierAvailability>>,
    /// Opens a shopping session.
    pub(crate) pass: Option<String>,
    /// When the turn, or the session, is over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) pass_expires_at: Option<Timestamp>,
    /// When the draw is held, for who is registered.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) opens_at: Option<Timestamp>,
    /// Why nobody is let in and no clock runs, if so.
    pub(crate) pause: Option<PauseBody>,
    /// What the organizer tells everyone waiting.
    #[schema(value_type = Option<NoticeBody>)]
    pub(crate) notice: Option<Written<NoticeBody>>,
    /// Grows when the store of places and holds was lost: who holds units asks for them then, and shows the receipt.
    pub(crate) epoch: u32,
    /// When to ask again, without a socket.
    pub(crate) poll_after_ms: u32,
}

/// Where a spot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Registered, and not drawn yet.
    Prequeue,
    /// In line, behind so many.
    Waiting {
        /// Live visitors with a smaller number.
        ahead: u64,
    },
    /// Inside, until then.
    Inside {
        /// The end of the turn or the session.
        until: Timestamp,
    },
    /// Given up.
    Left,
    /// Over.
    Expired,
}

/// What everybody is told of a sale, whether Redis is there or not.
pub(crate) struct Common {
    /// Where the sale is.
    pub(crate) sale_state: SaleState,
    /// Why nobody is let in.
    pub(crate) pause: Option<PauseBody>,
    /// What the organizer says.
    pub(crate) notice: Option<Written<NoticeBody>>,
    /// What is left; nothing where nobody can tell.
    pub(crate) availability: Written<Vec<TierAvailability>>,
    /// The time.
    pub(crate) now: Timestamp,
    /// How often the store was loaded.
    pub(crate) epoch: u32,
}

impl Standing {
    /// Where a place stands.
    pub(crate) fn of(seen: &Seen, place: &PlaceToken) -> Self {
        let number = seen.number_of(place.spot);
        number.map_or(Self::Prequeue, |number| Self::of_number(seen, number, place.epoch))
    }

    /// Where a number stands that was given in that epoch. One that the view does not know yet was given since, and is
    /// behind everyone in it. The numbers between are others who joined since, each of whom may be here; but after a rebuild
    /// they are what was reserved and not used, and nobody has them.
    fn of_number(seen: &Seen, number: PlaceNumber, epoch: u32) -> Self {
        let view = &seen.view;
        match view.place(number) {
            PlaceView::Waiting { ahead, .. } => Self::Waiting { ahead },
            PlaceView::Turn { claim_by: until } | PlaceView::Shopping { until } => Self::Inside { until },
            PlaceView::Left => Self::Left,
            PlaceView::Expired => Self::Expired,
            PlaceView::Unknown if view.epoch == epoch => {
                Self::Waiting { ahead: view.waiting() + number.0.saturating_sub(view.next_number) }
            }
            PlaceView::Unknown => Self::Waiting { ahead: view.waiting() },
        }
    }

    /// Where somebody stands who just joined. The view may be a tick older than the place: a number that it says is over was
    /// given back to life by the join.
    pub(crate) fn of_joined(seen: &Seen, place: &PlaceToken) -> Self {
        match Self::of(seen, place) {
            Self::Left | Self::Expired => Self::Waiting { ahead: seen.view.waiting() },
            standing @ (Self::Prequeue | Self::Waiting { .. } | Self::Inside { .. }) => standing,
        }
    }

    /// The word for it.
    pub(crate) const fn state(self) -> PlaceState {
        match self {
            Self::Prequeue => PlaceState::Prequeue,
            Self::Waiting { .. } => PlaceState::Waiting,
            Self::Inside { .. } => PlaceState::Admitted,
            Self::Left => PlaceState::Left,
            Self::Expired => PlaceState::Expired,
        }
    }
}

impl Common {
    /// What a view says to everybody.
    pub(crate) fn of(seen: &Seen) -> Self {
        Self {
            sale_state: seen.sale_state,
            pause: seen.pause,
            notice: seen.notice.clone(),
            availability: seen.availability.clone(),
            now: seen.view.now,
            epoch: seen.view.epoch,
        }
    }
}

impl Position {
    /// What a visitor is told who has a number and stands there, save for the pass.
    pub(crate) fn of(seen: &Seen, number: PlaceNumber, standing: Standing) -> Self {
        let (ahead, until) = match standing {
            Standing::Waiting { ahead } => (Some(ahead), None),
            Standing::Inside { until } => (None, Some(until)),
            Standing::Prequeue | Standing::Left | Standing::Expired => (None, None),
        };
        Self {
            number: Some(number),
            ahead,
            eta_s: ahead.and_then(|ahead| seen.eta(ahead)),
            odds: ahead.map(|ahead| seen.odds(ahead)),
            pass_expires_at: until,
            ..Self::nowhere(Common::of(seen), standing.state(), poll_after_ms(standing))
        }
    }

    /// The same with its pass, which is asked for when there is one.
    pub(crate) fn with_pass(self, pass: impl FnOnce() -> String) -> Self {
        Self { pass: self.pass_expires_at.map(|_| pass()), ..self }
    }

    /// What a visitor is told who registered for a draw.
    pub(crate) fn registered(common: Common, opens_at: Option<Timestamp>) -> Self {
        let poll_after_ms = poll_after_ms_before_draw(common.now, opens_at);
        Self { opens_at, ..Self::nowhere(common, PlaceState::Prequeue, poll_after_ms) }
    }

    fn nowhere(common: Common, state: PlaceState, poll_after_ms: u32) -> Self {
        Self {
            state,
            sale_state: common.sale_state,
            number: None,
            ahead: None,
            eta_s: None,
            odds: None,
            availability: common.availability,
            pass: None,
            pass_expires_at: None,
            opens_at: None,
            pause: common.pause,
            notice: common.notice,
            epoch: common.epoch,
            poll_after_ms,
        }
    }
}

/// Far behind nothing changes soon; 15 s of silence would pass the visitor over, so a third of that is the most.
fn poll_after_ms(standing: Standing) -> u32 {
    match standing {
        Standing::Waiting { ahead: 0..1_000 } => 1_000,
        Standing::Waiting { ahead: 1_000..10_000 } => 3_000,
        Standing::Waiting { .. } | Standing::Inside { .. } | Standing::Prequeue => 5_000,
        Standing::Left | Standing::Expired => 10_000,
    }
}

/// Nobody needs to be heard before the draw but shortly before it.
const LONG_BEFORE_DRAW_S: i64 = 120;
const POLL_LONG_BEFORE_DRAW_MS: u32 = 30_000;

fn poll_after_ms_before_draw(now: Timestamp, opens_at: Option<Timestamp>) -> u32 {
    let is_long = opens_at.is_some_and(|opens_at| opens_at.as_second() - now.as_second() > LONG_BEFORE_DRAW_S);
    if is_long { POLL_LONG_BEFORE_DRAW_MS } else { poll_after_ms(Standing::Prequeue) }
}

#[cfg(test)]
mod tests;
