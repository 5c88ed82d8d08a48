//! Every route, in one table: path and method, the limit it counts against, who may call it.
//!
//! The router, the answers 404, 405 and OPTIONS, the metric label, the rate limit and the OpenAPI document all come from
//! here; [`crate::endpoints`] has one arm for each row, and the compiler sees to it.

use std::collections::BTreeMap;

use http::{HeaderValue, Method, header};

use crate::limits::Limit;
use crate::problem::{Code, Problem};
use crate::request::Params;

/// Who may call a route, and with what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Access {
    /// Everybody.
    Anyone,
    /// Everybody; who has a visitor's cookie or a place token is recognised.
    Visitor,
    /// Who has a place: token or cookie.
    Place,
    /// Who has a pass.
    Pass,
    /// Who has the receipt of the hold.
    Receipt,
    /// The buyer of the order.
    Order,
    /// The buyer of the order, or who was given a link to its artefacts.
    Artefact,
    /// Who has the token of the entry.
    Entry,
    /// Who has an API key.
    Organizer,
    /// Stripe, by its signature.
    Signature,
}

macro_rules! routes {
    ($($(#[doc = $doc:literal])+ $name:ident = $method:ident $path:literal, $limit:expr, $access:ident;)+) => {
        /// A method on a path.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum Route {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Route {
            /// Every route.
            pub(crate) const ALL: &[Self] = &[$(Self::$name),+];

            /// The path as a template: `{name}` stands for one segment, `{*name}` for the rest.
            pub(crate) const fn path(self) -> &'static str {
                match self { $(Self::$name => $path),+ }
            }

            /// The method.
            pub(crate) const fn method(self) -> Method {
                match self { $(Self::$name => Method::$method),+ }
            }

            /// What it counts against, per address.
            pub(crate) const fn limit(self) -> Option<Limit> {
                match self { $(Self::$name => $limit),+ }
            }

            /// Who may call it.
            pub(crate) const fn access(self) -> Access {
                match self { $(Self::$name => Access::$access),+ }
            }

            /// What it does, for people.
            pub(crate) const fn summary(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+)),+ }
            }

            /// Its name, for programs that read the document.
            pub(crate) const fn operation(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }
        }
    };
}

routes! {
    /// Published sales, searchable, in the order of their opening.
    ListSales = GET "/v1/sales", Some(Limit::Read), Anyone;
    /// A sale: state, prices, availability.
    ShowSale = GET "/v1/sales/{sale}", Some(Limit::Read), Anyone;
    /// Who may have which seat, of the tiers that have rows: free, held by somebody, or not to be had.
    ShowSeats = GET "/v1/sales/{sale}/seats", Some(Limit::Read), Anyone;
    /// Join the queue, or find the place this visitor has already.
    JoinQueue = POST "/v1/sales/{sale}/queue", Some(Limit::Join), Visitor;
    /// Where one is in the queue; asking is also a sign of life.
    ShowPlace = GET "/v1/sales/{sale}/queue/place", Some(Limit::Shop), Place;
    /// The inclusion proof of one's own registration in the prequeue: that it was in the draw.
    ProvePlace = GET "/v1/sales/{sale}/queue/place/proof", Some(Limit::Shop), Place;
    /// Leave the queue, and the sale.
    LeaveQueue = DELETE "/v1/sales/{sale}/queue/place", Some(Limit::Shop), Place;
    /// A proof of work to solve before joining, where the sale asks for one.
    ShowChallenge = GET "/v1/sales/{sale}/queue/challenge", Some(Limit::Read), Visitor;
    /// Everything that is needed to recompute the order of the prequeue.
    ShowFairness = GET "/v1/sales/{sale}/fairness", Some(Limit::File), Anyone;
    /// The position, the turn and availability, or an entry of the waitlist, pushed: WebSocket (sub-protocol v1.onsale) or event stream.
    WatchPlace = GET "/v1/sales/{sale}/live", Some(Limit::Live), Place;
    /// Hold units for a while.
    TakeHold = POST "/v1/sales/{sale}/holds", Some(Limit::Shop), Pass;
    /// Ask for units that come back, of tiers that are sold out; who has a place in the queue joins by its number.
    JoinWaitlist = POST "/v1/sales/{sale}/waitlist", Some(Limit::Wish), Visitor;
    /// Look at one's entry in the waitlist.
    ShowEntry = GET "/v1/sales/{sale}/waitlist/{entry}", Some(Limit::Shop), Entry;
    /// Leave the waitlist, or give an offer back, or the unpaid order made of it.
    LeaveWaitlist = DELETE "/v1/sales/{sale}/waitlist/{entry}", Some(Limit::Shop), Entry;
    /// Confirm an entry with the token that came by mail: only then it is in line.
    ConfirmEntry = POST "/v1/sales/{sale}/waitlist/{entry}/confirm", Some(Limit::Shop), Entry;
    /// Make an order of an offer.
    ClaimOffer = POST "/v1/sales/{sale}/waitlist/{entry}/claim", Some(Limit::Shop), Entry;
    /// Look at a hold.
    ShowHold = GET "/v1/sales/{sale}/holds/{hold}", Some(Limit::Shop), Pass;
    /// Give a hold back; an unpaid order made of it is given up.
    ReleaseHold = DELETE "/v1/sales/{sale}/holds/{hold}", Some(Limit::Shop), Pass;
    /// Hold for longer: adds the TTL once more, as often as the sale allows.
    ExtendHold = POST "/v1/sales/{sale}/holds/{hold}/extend", Some(Limit::Shop), Pass;
    /// Get a hold back after the store of holds was lost: the same units, until the same time.
    ReclaimHold = POST "/v1/sales/{sale}/holds/{hold}/reclaim", Some(Limit::Shop), Receipt;
    /// Order the units of a hold.
    CreateOrder = POST "/v1/sales/{sale}/orders", Some(Limit::Shop), Pass;
    /// Look at an order and its tickets.
    ShowOrder = GET "/v1/sales/{sale}/orders/{order}", Some(Limit::Shop), Order;
    /// Pay an order.
    PayOrder = POST "/v1/sales/{sale}/orders/{order}/pay", Some(Limit::Shop), Order;
    /// The QR code of a ticket, as SVG.
    ShowTicketSvg = GET "/v1/sales/{sale}/orders/{order}/tickets/{ticket}/qr.svg", Some(Limit::Shop), Artefact;
    /// The QR code of a ticket, as PNG.
    ShowTicketPng = GET "/v1/sales/{sale}/orders/{order}/tickets/{ticket}/qr.png", Some(Limit::Shop), Artefact;
    /// A ticket to print or to keep, as accessible PDF.
    ShowTicketPdf = GET "/v1/sales/{sale}/orders/{order}/tickets/{ticket}/ticket.pdf", Some(Limit::Shop), Artefact;
    /// When and where, as an entry of a calendar.
    ShowCalendar = GET "/v1/sales/{sale}/orders/{order}/calendar.ics", Some(Limit::Shop), Artefact;
    /// Have the tickets sent again, as they are.
    SendTickets = POST "/v1/sales/{sale}/orders/{order}/tickets/send", Some(Limit::Shop), Order;
    /// Replace the code of a ticket: the old one is void from then on, and the new one is sent.
    RotateTicket = POST "/v1/sales/{sale}/orders/{order}/tickets/{ticket}/rotate", Some(Limit::Shop), Order;

    /// Events from Stripe.
    ReceiveStripeEvent = POST "/v1/stripe/webhook", None, Signature;

    /// Create a draft of a sale.
    CreateSale = POST "/v1/organizer/sales", Some(Limit::Organizer), Organizer;
    /// The organizer's view of a sale.
    ShowOwnSale = GET "/v1/organizer/sales/{sale}", Some(Limit::Organizer), Organizer;
    /// Change a sale: a merge patch (RFC 7396) of what creating it takes, for the version that `If-Match` names. Of a draft everything
    /// may change; of a published sale what people are told, and what becomes more: a tier grows, and who waits for it is served first.
    ChangeSale = PATCH "/v1/organizer/sales/{sale}", Some(Limit::Organizer), Organizer;
    /// Put a draft on sale.
    PublishSale = POST "/v1/organizer/sales/{sale}/publish", Some(Limit::Organizer), Organizer;
    /// Stop admission and new holds for a while.
    PauseSale = POST "/v1/organizer/sales/{sale}/pause", Some(Limit::Organizer), Organizer;
    /// Go on after a pause.
    ResumeSale = POST "/v1/organizer/sales/{sale}/resume", Some(Limit::Organizer), Organizer;
    /// End a sale.
    CloseSale = POST "/v1/organizer/sales/{sale}/close", Some(Limit::Organizer), Organizer;
    /// Call a sale off, for good: every order that is not paid ends, everybody who paid is paid back in full, all are told by mail.
    CancelSale = POST "/v1/organizer/sales/{sale}/cancel", Some(Limit::Organizer), Organizer;
    /// Tell everyone who waits something.
    AddNotice = POST "/v1/organizer/sales/{sale}/notices", Some(Limit::Organizer), Organizer;
    /// Change how fast visitors are let in; acts within a second.
    SetAdmission = PATCH "/v1/organizer/sales/{sale}/admission", Some(Limit::Organizer), Organizer;
    /// Make codes that open a phase.
    CreateAccessCodes = POST "/v1/organizer/sales/{sale}/access-codes", Some(Limit::Organizer), Organizer;
    /// Let one waiting visitor in out of turn; it is logged with its reason.
    BypassQueue = POST "/v1/organizer/sales/{sale}/bypasses", Some(Limit::Organizer), Organizer;
    /// Keep free units back from a live sale.
    WithholdUnits = POST "/v1/organizer/sales/{sale}/withhold", Some(Limit::Organizer), Organizer;
    /// Put units on sale again that were kept back.
    ReleaseUnits = POST "/v1/organizer/sales/{sale}/release", Some(Limit::Organizer), Organizer;
    /// Give money of an order back: the price of tickets, which become void and are sold again, an amount, or all that is left.
    RefundOrder = POST "/v1/organizer/sales/{sale}/orders/{order}/refunds", Some(Limit::Organizer), Organizer;
    /// What went back of an order, is going, or failed to go.
    ListRefunds = GET "/v1/organizer/sales/{sale}/orders/{order}/refunds", Some(Limit::Organizer), Organizer;
    /// Have a buyer's tickets sent again, as they are.
    SendOwnTickets = POST "/v1/organizer/sales/{sale}/orders/{order}/tickets/send", Some(Limit::Organizer), Organizer;
    /// Replace the code of a buyer's ticket: the old one is void from then on, and the new one is sent.
    RotateOwnTicket = POST "/v1/organizer/sales/{sale}/orders/{order}/tickets/{ticket}/rotate", Some(Limit::Organizer), Organizer;
    /// What scanners need to judge tickets without a network: public keys, and the tickets to refuse though they verify.
    ShowManifest = GET "/v1/organizer/sales/{sale}/scanner-manifest", Some(Limit::Organizer), Organizer;
    /// Judge scans, one or many of a device.
    CheckIn = POST "/v1/organizer/sales/{sale}/checkins", Some(Limit::Door), Organizer;
    /// Tickets with which more than one went in, or one who should not.
    ListConflicts = GET "/v1/organizer/sales/{sale}/checkins/conflicts", Some(Limit::Organizer), Organizer;
    /// The queue as its organizer sees it: how many, how fast and why, and what was logged.
    ShowOwnQueue = GET "/v1/organizer/sales/{sale}/queue", Some(Limit::Organizer), Organizer;
    /// The waitlist as its organizer sees it: how many wait, and what became of offers.
    ShowOwnWaitlist = GET "/v1/organizer/sales/{sale}/waitlist", Some(Limit::Organizer), Organizer;
    /// The trial balance of a sale: every account with its debits, credits and balance.
    ShowLedger = GET "/v1/organizer/sales/{sale}/ledger", Some(Limit::Organizer), Organizer;
    /// The invariants of a sale, checked now: what each was counted over, and what breaks it. One at a time, and not for long.
    AuditSale = GET "/v1/organizer/sales/{sale}/audit", Some(Limit::Organizer), Organizer;
    /// The orders of a sale, the latest first.
    ListOrders = GET "/v1/organizer/sales/{sale}/orders", Some(Limit::Organizer), Organizer;
    /// Every transfer that was booked for an order, with its entries.
    ShowStatement = GET "/v1/organizer/sales/{sale}/orders/{order}/statement", Some(Limit::Organizer), Organizer;
    /// Orders, lines, payments and refunds of a sale as CSV; the last record is `end`.
    ExportOrders = GET "/v1/organizer/sales/{sale}/export.csv", Some(Limit::Organizer), Organizer;

    /// The list of sales, as a page.
    HomePage = GET "/", Some(Limit::Page), Anyone;
    /// The waiting room of a sale, as a page.
    SalePage = GET "/s/{slug}", Some(Limit::Page), Anyone;
    /// The waiting room without JavaScript: a page that asks for itself again.
    PlainPage = GET "/s/{slug}/plain", Some(Limit::Shop), Visitor;
    /// Join or leave from the page without JavaScript.
    ActPlainly = POST "/s/{slug}/plain", Some(Limit::Join), Visitor;
    /// Paying, as a page of its own with its own content security policy.
    CheckoutPage = GET "/s/{slug}/checkout", Some(Limit::Page), Anyone;
    /// An order and its tickets, as a page; 3-D Secure returns here.
    OrderPage = GET "/s/{slug}/orders/{order}", Some(Limit::Page), Anyone;
    /// Joining the waitlist, as a page.
    WaitlistPage = GET "/s/{slug}/waitlist", Some(Limit::Page), Anyone;
    /// An entry of the waitlist, as a page; where its mails lead.
    EntryPage = GET "/s/{slug}/waitlist/{entry}", Some(Limit::Page), Anyone;
    /// What the pages are made of.
    ShowAsset = GET "/assets/{*file}", Some(Limit::Page), Anyone;
    /// This document.
    ShowOpenApi = GET "/openapi.json", Some(Limit::Read), Anyone;
    /// What a kind of problem means.
    ShowProblem = GET "/problems/{code}", Some(Limit::Read), Anyone;
}

/// Finds routes.
pub(crate) struct Router {
    paths: matchit::Router<PathEntry>,
}

/// One path with its methods.
struct PathEntry {
    methods: Vec<(Method, Route)>,
    allow: HeaderValue,
}

/// Where a request leads.
pub(crate) enum Matched {
    /// To an endpoint.
    To(Route, Params),
    /// To a path; it asks which methods there are.
    Options(HeaderValue),
    /// Nowhere.
    Refused(Problem),
}

impl Router {
    /// A router for every route.
    pub(crate) fn new() -> Self {
        let mut by_path: BTreeMap<&str, Vec<(Method, Route)>> = BTreeMap::new();
        for route in Route::ALL {
            by_path.entry(route.path()).or_default().push((route.method(), *route));
        }
        let mut paths = matchit::Router::new();
        for (path, methods) in by_path {
            let allow = allow(&methods);
            paths.insert(path, PathEntry { methods, allow }).expect("the paths of the table do not overlap");
        }
        Self { paths }
    }

    /// Where a request leads. HEAD is GET without the body.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Matched {
        let Ok(found) = self.paths.at(path) else {
            return Matched::Refused(Problem::new(Code::NotFound));
        };
        if method == Method::OPTIONS {
            return Matched::Options(found.value.allow.clone());
        }
        let wanted = if method == Method::HEAD { &Method::GET } else { method };
        match found.value.methods.iter().find(|(method, _)| method == wanted) {
            Some((_, route)) => {
                let params = found.params.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                Matched::To(*route, Params(params))
            }
            None => {
                Matched::Refused(Problem::new(Code::MethodNotAllowed).header(header::ALLOW, found.value.allow.clone()))
            }
        }
    }
}

fn allow(methods: &[(Method, Route)]) -> HeaderValue {
    let mut words: Vec<&str> = methods.iter().map(|(method, _)| method.as_str()).collect();
    if words.contains(&"GET") {
        words.push("HEAD");
    }
    words.push("OPTIONS");
    HeaderValue::from_str(&words.join(", ")).expect("methods are fit for a header")
}

#[cfg(test)]
mod tests;
