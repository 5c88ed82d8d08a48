//! A sale at one moment, as visitors are told of it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use admission::{Incident, Standstill, View};
use domain::PlaceNumber;
use domain::sale::SaleState;
use domain::token::Spot;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::seats::SeatsSeen;
use crate::availability::{self, TierAvailability};
use crate::draws::SaleDraws;
use crate::eta::{Eta, Forecast};
use crate::odds::{Odds, Outlook};
use crate::sale::Sale;
use crate::seat_map::SeatMaps;
use crate::written::Written;

/// Everything that positions are made of: a view of Redis, the draws, and what follows from them for everybody.
pub(crate) struct Seen {
    /// The moment in Redis.
    pub(crate) view: View,
    /// Who was drawn which number.
    pub(crate) draws: Arc<SaleDraws>,
    /// Where the sale is.
    pub(crate) sale_state: SaleState,
    /// Why nobody is let in and no clock runs, if so.
    pub(crate) pause: Option<PauseBody>,
    /// What the organizer tells everyone waiting.
    pub(crate) notice: Option<Written<NoticeBody>>,
    /// What is left.
    pub(crate) availability: Written<Vec<TierAvailability>>,
    /// The seats; none when they never were read.
    pub(super) seats: Option<SeatsSeen>,
    /// How fast the line moves.
    forecast: Forecast,
    /// Whether anything will be left.
    outlook: Outlook,
    /// When this process got it.
    pub(super) at: Instant,
    /// When it asked for it: the moment in Redis is none before.
    asked_at: Instant,
}

/// Why nobody is let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Pause)]
pub(crate) struct PauseBody {
    /// Who stopped the sale.
    pub(crate) by: PausedBy,
    /// What is away, for an incident.
    pub(crate) what: Option<Away>,
}

/// Who stopped a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PausedBy {
    /// The organizer.
    Organizer,
    /// Something that selling needs is away; the sale goes on by itself.
    Incident,
}

/// What is away in an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Away {
    /// Payments cannot be taken.
    Stripe,
    /// Nothing can be written down.
    Postgres,
}

/// What the organizer tells everyone waiting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = Notice)]
pub(crate) struct NoticeBody {
    /// What.
    pub(crate) text: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
}

impl Seen {
    /// What everybody is told alike is written anew only when it changed since `last`.
    pub(super) fn new(
        view: View,
        asked_at: Instant,
        seats: Option<SeatsSeen>,
        draws: Arc<SaleDraws>,
        sale: &Sale,
        forecast: Forecast,
        last: Option<&Self>,
    ) -> Self {
        let availability = availability::of_tiers(sale, &view.stock, view.now);
        Self {
            sale_state: sale.state(view.now, availability::stock(&view.stock)),
            pause: view.standstill.map(PauseBody::of),
            notice: NoticeBody::of(sale)
                .map(|notice| Written::renewed(last.and_then(|last| last.notice.as_ref()), notice)),
            availability: Written::renewed(last.map(|last| &last.availability), availability),
            outlook: Outlook::of(&view, sale.config().per_buyer_limit, last.map(|last| &last.outlook)),
            draws,
            seats,
            forecast,
            at: Instant::now(),
            asked_at,
            view,
        }
    }

    /// How old it is at most, however long Redis took to answer.
    pub(crate) fn age(&self) -> Duration {
        self.asked_at.elapsed()
    }

    /// The seats, unless nobody knows.
    pub(crate) fn seats(&self) -> Option<&Arc<SeatMaps>> {
        self.seats.as_ref()?.maps()
    }

    /// How long somebody with so many people ahead will wait; none when there is no honest figure.
    pub(crate) fn eta(&self, ahead: u64) -> Option<Eta> {
        self.forecast.eta(ahead)
    }

    /// Whether anything will be left for somebody with so many people ahead.
    pub(crate) const fn odds(&self, ahead: u64) -> Odds {
        self.outlook.odds(ahead)
    }

    /// Whether it is news to everybody, that nobody should hear later than others: where the sale is, why it stands, what
    /// the organizer says, what was drawn.
    pub(super) fn is_loud_after(&self, last: &Self) -> bool {
        (self.sale_state, self.pause, &self.notice) != (last.sale_state, last.pause, &last.notice)
            || self.draws.progress() != last.draws.progress()
    }

    /// The number of a place; none for a registration that is not drawn.
    pub(crate) fn number_of(&self, spot: Spot) -> Option<PlaceNumber> {
        self.draws.number_of(spot)
    }
}

impl PauseBody {
    pub(crate) const fn of(standstill: Standstill) -> Self {
        match standstill {
            Standstill::Organizer => Self { by: PausedBy::Organizer, what: None },
            Standstill::Incident(Incident::Stripe) => Self { by: PausedBy::Incident, what: Some(Away::Stripe) },
            Standstill::Incident(Incident::Postgres) => Self { by: PausedBy::Incident, what: Some(Away::Postgres) },
        }
    }
}

impl NoticeBody {
    pub(crate) fn of(sale: &Sale) -> Option<Self> {
        sale.notice().map(|notice| Self { text: notice.text.clone(), at: notice.at })
    }
}
