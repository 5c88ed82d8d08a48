//! How a visitor comes to a place.
//!
//! | a visitor who              | gets                                                              |
//! |----------------------------|-------------------------------------------------------------------|
//! | proves a place that lives  | that place: no door, no code, no work is asked again              |
//! | proves a registration and shows a code | what the code opens; without such a door the registration stays |
//! | finds a phase open         | a number, behind everybody who was drawn                          |
//! | registered for phases that have opened and proves only the holder | the place of the first of these registrations whose number lives, else of the last one |
//! | finds a prequeue           | a registration: durable before it is answered                     |
//! | comes at the very opening  | what the stores say: the clock of Postgres ends the prequeue, and who was too late for it joins the line |
//!
//! Nothing is given before everything that may be wrong with the request was looked at, so a refused join uses up no
//! number. Asking again is safe at every point: a holder has one registration a phase and one number.

use std::sync::Arc;

use admission::{JoinAsk, PlaceView};
use domain::PlaceNumber;
use domain::sale::{DoorKind, PhaseNo, SaleState, Stock};
use domain::token::{Allowance, PlaceToken, Spot};
use http::HeaderValue;
use jiff::Timestamp;
use ledger::registrations::{Register, Registrations};

use super::{JoinBody, position, registered};
use crate::access;
use crate::app::App;
use crate::endpoints::challenge;
use crate::floor::{Floor, Place};
use crate::identity::Visitor;
use crate::joins::{Arrival, Number, NumberAsk};
use crate::metrics;
use crate::position::{Position, Standing};
use crate::problem::{Code, Problem};
use crate::sale::Sale;

/// How often the doors are looked at: a prequeue that closed in between is the only reason to look again.
const DOORS_LOOKED_AT_MAX: u32 = 2;

/// A place in the hands of a visitor.
pub(crate) struct Joined {
    /// Proves the place.
    pub(crate) token: String,
    /// Where it is in the line, or that it is registered.
    spot: Spot,
    /// Whether it is new.
    pub(crate) arrival: Arrival,
    /// Where it is.
    pub(crate) position: Position,
    /// What a browser keeps of it.
    pub(crate) cookies: Vec<HeaderValue>,
}

/// Gives a visitor a place, or finds the one there is.
///
/// # Errors
/// The sale takes nobody now, a code or a proof is missing, too many join at once, or a store is away.
pub(crate) async fn join_visitor(
    app: &Arc<App>,
    sale: &Arc<Sale>,
    visitor: Visitor,
    body: JoinBody,
) -> Result<Joined, Problem> {
    let joined = give_place(app, sale, visitor, body).await;
    metrics::join_ended(sale.id(), outcome(&joined));
    joined
}

/// The word for how a join ended.
fn outcome(joined: &Result<Joined, Problem>) -> &'static str {
    match joined {
        Ok(Joined { arrival: Arrival::Known, .. }) => "known",
        Ok(Joined { spot: Spot::Registration { .. }, .. }) => "registration",
        Ok(_) => "number",
        Err(problem) => problem.code().word(),
    }
}

async fn give_place(app: &Arc<App>, sale: &Arc<Sale>, visitor: Visitor, body: JoinBody) -> Result<Joined, Problem> {
    if !sale.is_live() {
        return Err(Code::SaleClosed.into());
    }
    let floor = app.floor(sale);
    let entrance = Entrance { app, sale, floor: &floor, visitor: &visitor, body: &body };
    let found = match entrance.keep().await? {
        Some(found) => found,
        None => entrance.enter().await?,
    };
    let place = entrance.token(&found);
    let position = entrance.position(&found, &place).await?;
    let token = app.signer.sign_place(&place);
    let cookie = app.cookies.set_place(sale.id(), &token);
    let cookies = visitor.new_cookie.into_iter().chain([cookie]).collect();
    Ok(Joined { token, spot: place.spot, arrival: found.arrival, position, cookies })
}

/// One join.
#[derive(Clone, Copy)]
struct Entrance<'a> {
    app: &'a Arc<App>,
    sale: &'a Arc<Sale>,
    floor: &'a Arc<Floor>,
    visitor: &'a Visitor,
    body: &'a JoinBody,
}

/// The place that a join came to.
struct Found {
    spot: Spot,
    epoch: u32,
    arrival: Arrival,
}

impl Entrance<'_> {
    /// The place that the visitor proves, if it lives.
    async fn keep(&self) -> Result<Option<Found>, Problem> {
        let Some(place) = self.visitor.place else {
            return Ok(None);
        };
        match self.floor.place_of(&place) {
            Place::Prequeue(_) if self.body.access_code.is_some() => Ok(None),
            Place::Prequeue(spot) => Ok(Some(Found { spot, epoch: place.epoch, arrival: Arrival::Known })),
            Place::Numbered(number) if self.lives(number).await? => self.number(Some(place.spot), 0).await.map(Some),
            Place::Numbered(_) => Ok(None),
        }
    }

    async fn lives(&self, number: PlaceNumber) -> Result<bool, Problem> {
        let seen = self.floor.seen_soon().await?;
        Ok(!matches!(seen.view.place(number), PlaceView::Left | PlaceView::Expired))
    }

    /// A new place, through the first door that opens.
    async fn enter(&self) -> Result<Found, Problem> {
        let mut now = self.now().await?;
        require_joinable(self.sale.state(now, Stock::Left))?;
        if self.body.allowance() == Allowance::Usual {
            challenge::verify(self.app, self.sale, self.visitor.holder, self.body.proof.as_ref())?;
        }
        for _ in 0..DOORS_LOOKED_AT_MAX {
            let doors = self.sale.doors(now);
            let code = self.body.access_code.as_deref();
            let door = access::enter(self.app, self.sale, &doors, self.visitor, code).await?;
            match door.kind {
                DoorKind::Open => return self.walk_up(now).await,
                DoorKind::Prequeue => match self.register(door.phase.no).await? {
                    Some(found) => return Ok(found),
                    None => now = now.max(door.phase.opens_at),
                },
            }
        }
        Err(Code::Overloaded.into())
    }

    /// The time of the stores: that of Redis, or of Postgres until Redis was seen. Our own clock opens no door.
    async fn now(&self) -> Result<Timestamp, Problem> {
        match self.floor.now() {
            Some(now) => Ok(now),
            None => Ok(self.app.ledger.now().await?),
        }
    }

    /// A registration for a phase, or the one there is; none when Postgres says that the prequeue is over.
    async fn register(&self, phase: PhaseNo) -> Result<Option<Found>, Problem> {
        let epoch = self.sale.epoch();
        if let Some((_, index)) = self.registrations().await?.into_iter().find(|(of, _)| *of == phase) {
            let spot = Spot::Registration { phase, index };
            return Ok(Some(Found { spot, epoch, arrival: Arrival::Known }));
        }
        Ok(match self.floor.joins.register(phase, self.visitor.holder).await? {
            Register::At(index) => {
                let spot = Spot::Registration { phase, index };
                Some(Found { spot, epoch, arrival: Arrival::New })
            }
            Register::Closed => None,
        })
    }

    /// The registrations of a visitor who lost the place's cookie. One whose own cookie is new registered nowhere.
    async fn registrations(&self) -> Result<Registrations, Problem> {
        match self.visitor.new_cookie {
            Some(_) => Ok(Registrations::new()),
            None => self.floor.joins.registrations_of(self.visitor.holder).await,
        }
    }

    /// A number in the line, or the place of one of the visitor's registrations for phases that have opened.
    async fn walk_up(&self, now: Timestamp) -> Result<Found, Problem> {
        let cohorts = self.sale.opened_draws(now);
        let registrations = if cohorts == 0 { Registrations::new() } else { self.registrations().await? };
        let Some(spot) = self.first_alive(&registrations, now).await? else {
            return self.number(None, cohorts).await;
        };
        match self.floor.draws().number_of(spot) {
            Some(_) => self.number(Some(spot), cohorts).await,
            None => Ok(Found { spot, epoch: self.sale.epoch(), arrival: Arrival::Known }),
        }
    }

    /// Of the registrations for phases that have opened, the first whose number lives; when none does, the last one.
    async fn first_alive(&self, registrations: &Registrations, now: Timestamp) -> Result<Option<Spot>, Problem> {
        let has_opened = |phase: PhaseNo| self.sale.phase(phase).is_some_and(|phase| phase.opens_at <= now);
        let opened = registrations.iter().filter(|(phase, _)| has_opened(*phase));
        let spots: Vec<Spot> = opened.map(|&(phase, index)| Spot::Registration { phase, index }).collect();
        let Some((last, earlier)) = spots.split_last() else {
            return Ok(None);
        };
        for spot in earlier {
            if let Some(number) = self.floor.draws().number_of(*spot)
                && self.lives(number).await?
            {
                return Ok(Some(*spot));
            }
        }
        Ok(Some(*last))
    }

    /// A number; that of the proven spot, where its place still lives. Nobody who could not be told is given one.
    async fn number(&self, spot: Option<Spot>, cohorts: u32) -> Result<Found, Problem> {
        self.floor.seen_soon().await?;
        let number_of = |spot| self.floor.draws().number_of(spot);
        let join =
            JoinAsk { holder: self.visitor.holder, proven: spot.and_then(number_of), allowance: self.allowance() };
        let Number { number, epoch, arrival } = self.floor.joins.number(NumberAsk { join, cohorts }).await?;
        // A registration stays one in the token: it proves where the number comes from.
        let same = spot.filter(|spot| number_of(*spot) == Some(number));
        Ok(Found { spot: same.unwrap_or(Spot::Number(number)), epoch, arrival })
    }

    /// What was asked for once is kept.
    fn allowance(&self) -> Allowance {
        match self.visitor.place {
            Some(PlaceToken { allowance: Allowance::MoreTime, .. }) => Allowance::MoreTime,
            Some(_) | None => self.body.allowance(),
        }
    }

    fn token(&self, found: &Found) -> PlaceToken {
        PlaceToken {
            sale: self.sale.id(),
            epoch: found.epoch,
            spot: found.spot,
            allowance: self.allowance(),
            holder: self.visitor.holder,
        }
    }

    async fn position(&self, found: &Found, place: &PlaceToken) -> Result<Position, Problem> {
        self.floor.heard(place);
        match self.floor.place_of(place) {
            Place::Prequeue(spot) => Ok(registered(self.app, self.sale, self.floor, spot)),
            Place::Numbered(number) => {
                let seen = self.floor.seen_by(number, found.epoch).await?;
                let standing = Standing::of_joined(&seen, place);
                Ok(position(self.app, self.sale, &seen, standing, place))
            }
        }
    }
}

fn require_joinable(state: SaleState) -> Result<(), Problem> {
    match state {
        // Units of orders that are not paid come back, so a place is worth something also when nothing is left.
        SaleState::Open | SaleState::SoldOut | SaleState::Prequeue | SaleState::Scheduled => Ok(()),
        SaleState::Draft => Err(Code::NotFound.into()),
        SaleState::Paused => Err(Code::SalePaused.into()),
        SaleState::Closed | SaleState::Cancelled => Err(Code::SaleClosed.into()),
    }
}
