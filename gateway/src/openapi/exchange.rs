//! What goes in and out of each route.

use utoipa::ToSchema;

use crate::endpoints::challenge::ChallengeBody;
use crate::endpoints::fairness::ProofBody;
use crate::endpoints::holds::{HoldBody, TakeBody};
use crate::endpoints::orders::{CreateBody, OrderBody};
use crate::endpoints::organizer::OwnSaleBody;
use crate::endpoints::organizer::access_codes::{CodesBody, MakeCodesBody};
use crate::endpoints::organizer::change::ChangeBody;
use crate::endpoints::organizer::door::conflicts::ConflictList;
use crate::endpoints::organizer::door::manifest::SignedManifestBody;
use crate::endpoints::organizer::door::{CheckInBody, CheckedInBody};
use crate::endpoints::organizer::line::{AdmissionPatch, BypassBody, BypassedBody, OwnQueueBody};
use crate::endpoints::organizer::notices::TellBody;
use crate::endpoints::organizer::refunds::{RefundBody, RefundList, RefundedBody};
use crate::endpoints::organizer::reports::audit::AuditBody;
use crate::endpoints::organizer::reports::ledger::LedgerBody;
use crate::endpoints::organizer::reports::orders::OrderListBody;
use crate::endpoints::organizer::reports::statement::StatementBody;
use crate::endpoints::organizer::waitlist::OwnWaitlistBody;
use crate::endpoints::organizer::withholding::{DoneBody, UnitsBody};
use crate::endpoints::pay::{PaidBody, PayBody};
use crate::endpoints::queue::{JoinBody, JoinedBody};
use crate::endpoints::sales::{SaleBody, SaleList};
use crate::endpoints::tickets::acts::{RotateBody, RotatedBody};
use crate::endpoints::waitlist::claim::ClaimBody;
use crate::endpoints::waitlist::{EntryBody, WishBody};
use crate::json::MERGE_PATCH;
use crate::openapi::schema::{FairnessFileBody, SaleConfigBody};
use crate::position::Position;
use crate::problem::Code;
use crate::route::Route;
use crate::seat_map::SeatMapBody;
use crate::socket::Frame;

/// What goes in and out.
#[derive(Default)]
pub(super) struct Exchange {
    /// The body of the request.
    pub(super) body: Option<Given>,
    /// Whether there must be one.
    pub(super) body_need: Need,
    /// Whether it takes an Idempotency-Key.
    pub(super) key: Key,
    /// What may stand in the query, and what it says.
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Answers: status, what it means, what it carries.
    pub(super) answers: Vec<(u16, &'static str, Option<Given>)>,
    /// Problems of its own, beside those that any route may have.
    pub(super) codes: &'static [Code],
}

/// Whether a request takes an Idempotency-Key.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// It does not.
    #[default]
    No,
    /// It may.
    Optional,
    /// It must.
    Required,
}

/// Whether a body must be there.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// It must.
    #[default]
    Must,
    /// It may be left out.
    May,
}

/// A body: its media type, and its shape by name when it is JSON of ours.
pub(super) struct Given {
    /// The media type.
    pub(super) media_type: &'static str,
    /// The name of its shape among the components.
    pub(super) shape: Option<String>,
}

fn shape<T: ToSchema>() -> Option<Given> {
    Some(Given { media_type: "application/json", shape: Some(T::name().into_owned()) })
}

fn merge_patch<T: ToSchema>() -> Option<Given> {
    Some(Given { media_type: MERGE_PATCH, shape: Some(T::name().into_owned()) })
}

const fn raw(media_type: &'static str) -> Option<Given> {
    Some(Given { media_type, shape: None })
}

fn shown(given: Option<Given>) -> Exchange {
    Exchange { answers: vec![(200, "As asked for.", given)], ..Exchange::default() }
}

impl Exchange {
    fn codes(self, codes: &'static [Code]) -> Self {
        Self { codes, ..self }
    }

    fn body(self, body: Option<Given>, key: Key) -> Self {
        Self { body, key, ..self }
    }

    fn may_have(self, body: Option<Given>) -> Self {
        Self { body, body_need: Need::May, ..self }
    }

    fn answers(self, answers: Vec<(u16, &'static str, Option<Given>)>) -> Self {
        Self { answers, ..self }
    }

    fn query(self, query: &'static [(&'static str, &'static str)]) -> Self {
        Self { query, ..self }
    }
}

const SEARCH: &[(&str, &str)] = &[
    ("q", "Words in name or venue."),
    ("from", "Opening at or after, RFC 3339."),
    ("to", "Opening before, RFC 3339."),
    ("category", "Of this category."),
    ("limit", "At most so many, 1 to 100."),
    ("cursor", "Where the list goes on: the next_cursor of the page before."),
];

const SINCE: &[(&str, &str)] = &[("since", "Only what came since: the cursor of a manifest before.")];

const PAGE_OF_CONFLICTS: &[(&str, &str)] = &[
    ("limit", "At most so many, 1 to 100."),
    ("cursor", "Where the list goes on: the next_cursor of the page before."),
];

/// What goes in and out of a route.
pub(super) fn of(route: Route) -> Exchange {
    match route {
        Route::ListSales => shown(shape::<SaleList>()).query(SEARCH).codes(&[Code::ValidationFailed]),
        Route::ShowSale => shown(shape::<SaleBody>()),
        Route::ShowSeats => seats(),
        Route::ShowFairness => shown(shape::<FairnessFileBody>()),
        Route::ProvePlace
        | Route::ShowChallenge
        | Route::JoinQueue
        | Route::ShowPlace
        | Route::LeaveQueue
        | Route::WatchPlace => queue(route),
        Route::TakeHold | Route::ShowHold | Route::ReleaseHold | Route::ExtendHold | Route::ReclaimHold => holds(route),
        Route::JoinWaitlist | Route::ShowEntry | Route::LeaveWaitlist | Route::ConfirmEntry | Route::ClaimOffer => {
            waitlist(route)
        }
        Route::CreateOrder | Route::ShowOrder | Route::PayOrder => orders(route),
        Route::ShowTicketSvg
        | Route::ShowTicketPng
        | Route::ShowTicketPdf
        | Route::ShowCalendar
        | Route::SendTickets
        | Route::SendOwnTickets
        | Route::RotateTicket
        | Route::RotateOwnTicket => tickets(route),
        Route::ShowManifest | Route::CheckIn | Route::ListConflicts => door(route),
        Route::ReceiveStripeEvent => shown(raw("application/json"))
            .body(raw("application/json"), Key::No)
            .codes(&[Code::SignatureInvalid, Code::BodyTooLarge]),
        Route::CreateSale
        | Route::ShowOwnSale
        | Route::ChangeSale
        | Route::PublishSale
        | Route::PauseSale
        | Route::ResumeSale
        | Route::CloseSale
        | Route::CancelSale
        | Route::WithholdUnits
        | Route::ReleaseUnits => organizer(route),
        Route::RefundOrder => Exchange::default()
            .body(shape::<RefundBody>(), Key::Required)
            .answers(vec![(201, "Under way; Stripe says later whether it came.", shape::<RefundedBody>())])
            .codes(&[
                Code::Forbidden,
                Code::RefundAboveCaptured,
                Code::OrderNotRefundable,
                Code::TicketUsed,
                Code::TicketVoid,
            ]),
        Route::ListRefunds => {
            shown(shape::<RefundList>()).query(REFUNDS).codes(&[Code::Forbidden, Code::ValidationFailed])
        }
        Route::AddNotice
        | Route::SetAdmission
        | Route::CreateAccessCodes
        | Route::BypassQueue
        | Route::ShowOwnQueue => organizer_queue(route),
        Route::ShowOwnWaitlist => shown(shape::<OwnWaitlistBody>()).codes(&[Code::Forbidden]),
        Route::ShowLedger | Route::AuditSale => books(route),
        Route::ListOrders | Route::ShowStatement | Route::ExportOrders => reports(route),
        Route::PlainPage | Route::ActPlainly => plain(route),
        Route::SalePage => Exchange::default()
            .answers(vec![
                (200, "As asked for.", raw("text/html; charset=utf-8")),
                (303, "To the page without JavaScript, when `?plain` asks for it.", None),
            ])
            .query(&[("plain", "Leads to the page without JavaScript.")]),
        Route::HomePage | Route::CheckoutPage | Route::OrderPage | Route::WaitlistPage | Route::EntryPage => {
            shown(raw("text/html; charset=utf-8"))
        }
        Route::ShowAsset => shown(raw("*/*")),
        Route::ShowOpenApi | Route::ShowProblem => shown(raw("application/json")),
    }
}

fn seats() -> Exchange {
    Exchange::default()
        .answers(vec![
            (200, "The map; its version is its ETag, too.", shape::<SeatMapBody>()),
            (304, "The client has this very map: `If-None-Match` names its ETag.", None),
        ])
        .codes(&[Code::SaleClosed])
}

const ARTEFACT: &[(&str, &str)] = &[("token", "The artefact token that links carry, in place of the order's token.")];

fn queue(route: Route) -> Exchange {
    const LIVE: &[Code] = &[Code::SaleClosed];
    match route {
        Route::JoinQueue => Exchange::default()
            .may_have(shape::<JoinBody>())
            .answers(vec![
                (201, "A new place.", shape::<JoinedBody>()),
                (200, "The place this visitor has.", shape::<JoinedBody>()),
            ])
            .codes(&[
                Code::PlaceInvalid,
                Code::Forbidden,
                Code::AccessCodeRequired,
                Code::ProofRequired,
                Code::SaleNotOpen,
                Code::SalePaused,
                Code::SaleClosed,
            ]),
        Route::WatchPlace => Exchange::default()
            .answers(vec![
                (101, "Frames follow, as text; see Frame.", None),
                (200, "The same frames as an event stream, when `Accept` asks for one.", Some(frames())),
            ])
            .codes(&[Code::UpgradeRequired, Code::Forbidden, Code::SaleClosed]),
        Route::ProvePlace => shown(shape::<ProofBody>()).codes(&[Code::SaleNotOpen]),
        Route::ShowChallenge => {
            shown(shape::<ChallengeBody>()).codes(&[Code::PlaceInvalid, Code::Forbidden, Code::SaleClosed])
        }
        Route::LeaveQueue => Exchange::default().answers(vec![(204, "Left, now or before.", None)]).codes(LIVE),
        _ => shown(shape::<Position>()).codes(LIVE),
    }
}

fn holds(route: Route) -> Exchange {
    match route {
        Route::TakeHold => Exchange::default()
            .body(shape::<TakeBody>(), Key::Required)
            .answers(vec![(201, "Held.", shape::<HoldBody>())])
            .codes(&[
                Code::SoldOut,
                Code::TooFewLeft,
                Code::AllHeld,
                Code::SeatTaken,
                Code::NoneTogether,
                Code::AllocationSoldOut,
                Code::LimitReached,
                Code::PassInUse,
                Code::PassExpired,
                Code::SaleNotOpen,
                Code::SalePaused,
                Code::SaleClosed,
            ]),
        Route::ReleaseHold => Exchange::default().answers(vec![(204, "Given back, now or before.", None)]).codes(&[
            Code::HoldNotFound,
            Code::OrderNotCancellable,
            Code::RequestInProgress,
        ]),
        Route::ExtendHold => Exchange { key: Key::Optional, ..shown(shape::<HoldBody>()) }.codes(&[
            Code::HoldNotFound,
            Code::HoldNotExtendable,
            Code::HoldExpired,
        ]),
        Route::ReclaimHold => {
            shown(shape::<HoldBody>()).codes(&[Code::HoldExpired, Code::PassInUse, Code::SeatTaken, Code::SaleClosed])
        }
        _ => shown(shape::<HoldBody>()).codes(&[Code::HoldNotFound]),
    }
}

fn waitlist(route: Route) -> Exchange {
    match route {
        Route::JoinWaitlist => Exchange::default()
            .body(shape::<WishBody>(), Key::Optional)
            .answers(vec![(201, "Joined; to be confirmed by mail.", shape::<EntryBody>())])
            .codes(&[
                Code::WaitlistNotOpen,
                Code::AlreadyOnWaitlist,
                Code::PlaceInvalid,
                Code::Forbidden,
                Code::SaleClosed,
            ]),
        Route::ConfirmEntry => shown(shape::<EntryBody>()).codes(&[
            Code::Forbidden,
            Code::WaitlistNotOpen,
            Code::AlreadyOnWaitlist,
            Code::LimitReached,
            Code::SaleClosed,
        ]),
        Route::LeaveWaitlist => Exchange::default()
            .answers(vec![(204, "Left, now or before.", None)])
            .codes(&[Code::Forbidden, Code::OrderNotCancellable]),
        Route::ClaimOffer => Exchange::default()
            .body(shape::<ClaimBody>(), Key::No)
            .answers(vec![
                (201, "Ordered.", shape::<OrderBody>()),
                (200, "The order that the offer became.", shape::<OrderBody>()),
            ])
            .codes(&[Code::Forbidden, Code::OfferNotLive, Code::LimitReached, Code::SalePaused, Code::SaleClosed]),
        _ => shown(shape::<EntryBody>()),
    }
}

fn orders(route: Route) -> Exchange {
    match route {
        Route::CreateOrder => Exchange::default()
            .body(shape::<CreateBody>(), Key::Required)
            .answers(vec![
                (201, "Ordered.", shape::<OrderBody>()),
                (200, "The order that the hold has.", shape::<OrderBody>()),
            ])
            .codes(&[
                Code::HoldNotFound,
                Code::HoldExpired,
                Code::SeatTaken,
                Code::LimitReached,
                Code::CouponInvalid,
                Code::SalePaused,
                Code::SaleClosed,
            ]),
        Route::PayOrder => Exchange::default()
            .body(shape::<PayBody>(), Key::Required)
            .answers(vec![(200, "The attempt is made; the webhook brings its outcome.", shape::<PaidBody>())])
            .codes(&[Code::PaymentDeclined, Code::CardLimitReached, Code::OrderExpired, Code::OrderNotPayable]),
        _ => shown(shape::<OrderBody>()),
    }
}

fn tickets(route: Route) -> Exchange {
    match route {
        Route::ShowTicketSvg => shown(raw("image/svg+xml")).query(ARTEFACT),
        Route::ShowTicketPng => shown(raw("image/png")).query(ARTEFACT),
        Route::ShowTicketPdf => shown(raw("application/pdf")).query(ARTEFACT),
        Route::ShowCalendar => shown(raw("text/calendar; charset=utf-8")).query(ARTEFACT),
        Route::SendTickets | Route::SendOwnTickets => Exchange { key: Key::Required, ..Exchange::default() }
            .answers(vec![(202, "A letter is on its way, or was for this very request.", None)])
            .codes(&[Code::TicketsNone, Code::LettersLimitReached]),
        _ => shown(shape::<RotatedBody>()).body(shape::<RotateBody>(), Key::No).codes(&[
            Code::RotationStale,
            Code::TicketUsed,
            Code::TicketVoid,
            Code::LettersLimitReached,
        ]),
    }
}

fn door(route: Route) -> Exchange {
    match route {
        Route::ShowManifest => shown(shape::<SignedManifestBody>()).query(SINCE).codes(&[Code::Forbidden]),
        Route::CheckIn => {
            shown(shape::<CheckedInBody>()).body(shape::<CheckInBody>(), Key::No).codes(&[Code::Forbidden])
        }
        _ => shown(shape::<ConflictList>()).query(PAGE_OF_CONFLICTS).codes(&[Code::Forbidden]),
    }
}

fn organizer(route: Route) -> Exchange {
    match route {
        Route::CreateSale => Exchange::default()
            .body(shape::<SaleConfigBody>(), Key::Optional)
            .answers(vec![(201, "A draft.", shape::<OwnSaleBody>())])
            .codes(&[Code::Forbidden, Code::SlugTaken]),
        Route::ShowOwnSale => shown(shape::<OwnSaleBody>()).codes(&[Code::Forbidden]),
        Route::ChangeSale => shown(shape::<OwnSaleBody>()).body(merge_patch::<ChangeBody>(), Key::No).codes(&[
            Code::Forbidden,
            Code::NotChangeable,
            Code::SaleStateConflict,
            Code::SlugTaken,
            Code::PreconditionFailed,
            Code::PreconditionRequired,
        ]),
        Route::WithholdUnits => shown(shape::<DoneBody>()).body(shape::<UnitsBody>(), Key::Required).codes(&[
            Code::Forbidden,
            Code::SaleStateConflict,
            Code::TooFewFree,
            Code::SeatTaken,
        ]),
        Route::ReleaseUnits => shown(shape::<DoneBody>()).body(shape::<UnitsBody>(), Key::Required).codes(&[
            Code::Forbidden,
            Code::SaleStateConflict,
            Code::NotWithheld,
        ]),
        _ => shown(shape::<OwnSaleBody>()).codes(&[Code::Forbidden, Code::SaleStateConflict]),
    }
}

fn organizer_queue(route: Route) -> Exchange {
    match route {
        Route::AddNotice => shown(shape::<OwnSaleBody>())
            .body(shape::<TellBody>(), Key::No)
            .codes(&[Code::Forbidden, Code::SaleStateConflict]),
        Route::SetAdmission => shown(shape::<OwnSaleBody>())
            .body(shape::<AdmissionPatch>(), Key::No)
            .codes(&[Code::Forbidden, Code::SaleStateConflict]),
        Route::CreateAccessCodes => Exchange::default()
            .body(shape::<MakeCodesBody>(), Key::No)
            .answers(vec![(201, "Made; they are shown now and never again.", shape::<CodesBody>())])
            .codes(&[Code::Forbidden, Code::SaleStateConflict]),
        Route::BypassQueue => Exchange::default()
            .body(shape::<BypassBody>(), Key::No)
            .answers(vec![(201, "It is that number's turn.", shape::<BypassedBody>())])
            .codes(&[Code::Forbidden, Code::SaleStateConflict, Code::NotWaiting, Code::NoRoom]),
        _ => shown(shape::<OwnQueueBody>()).query(LOG).codes(&[Code::Forbidden, Code::ValidationFailed]),
    }
}

fn books(route: Route) -> Exchange {
    match route {
        Route::AuditSale => shown(shape::<AuditBody>()).codes(&[Code::Forbidden, Code::Overloaded]),
        _ => shown(shape::<LedgerBody>()).codes(&[Code::Forbidden]),
    }
}

fn reports(route: Route) -> Exchange {
    match route {
        Route::ListOrders => {
            shown(shape::<OrderListBody>()).query(ORDERS).codes(&[Code::Forbidden, Code::ValidationFailed])
        }
        Route::ShowStatement => shown(shape::<StatementBody>()).codes(&[Code::Forbidden]),
        _ => shown(raw("text/csv; charset=utf-8; header=present")).codes(&[Code::Forbidden]),
    }
}

const ORDERS: &[(&str, &str)] = &[
    ("state", "In this state only."),
    ("limit", "At most so many orders, 1 to 100."),
    ("cursor", "Where the list goes on, towards the first order: the next_cursor of the page before."),
];

const REFUNDS: &[(&str, &str)] = &[
    ("limit", "At most so many refunds, 1 to 100."),
    ("cursor", "Where the list goes on, towards the latest refund: the next_cursor of the page before."),
];

const LOG: &[(&str, &str)] = &[
    ("limit", "At most so many lines of the log, 1 to 100."),
    ("cursor", "Where the log goes on, towards its beginning: the next_cursor of the page before."),
];

fn plain(route: Route) -> Exchange {
    match route {
        Route::ActPlainly => Exchange::default()
            .body(raw("application/x-www-form-urlencoded"), Key::No)
            .answers(vec![(303, "Back to the page, which says what came of it.", None)])
            .codes(&[Code::Forbidden]),
        _ => shown(raw("text/html; charset=utf-8")).query(PLAIN),
    }
}

const PLAIN: &[(&str, &str)] = &[("refresh", "`off`: the page does not ask for itself again.")];

fn frames() -> Given {
    Given { media_type: "text/event-stream", shape: Some(Frame::name().into_owned()) }
}
