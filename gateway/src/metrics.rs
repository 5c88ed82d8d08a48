//! The metrics of the edge, declared once. `docs/metrics.md` has them all in one table.
//!
//! Names of routes are templates and methods are a closed list, so no client can make a label. `sale` is a label only of
//! live sales: what a sale leaves behind in gauges is set to zero when it ends.

use std::sync::LazyLock;
use std::time::Duration;

use admission::{Reclaim, Take, View};
use domain::SaleId;
use domain::order::OrderState;
use http::{Method, StatusCode};
use metrics::{
    Counter, Histogram, Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};

use crate::route::Route;
use handles::Handles;

mod handles;
mod line;
mod log;
mod sale;

pub(crate) use log::{join_ended, joins_gathered, log_is_behind, tick_logged};
pub(crate) use sale::{admission_ticked, sale_stands};

/// How long answers take.
pub const REQUEST_DURATION: &str = "http_server_request_duration_seconds";
const QUEUE_WAITING: &str = "onsale_queue_waiting";
const QUEUE_ADMITTED: &str = "onsale_queue_admitted_total";
const SHOPPERS: &str = "onsale_shoppers";
const HOLD_TTL: &str = "onsale_hold_ttl_seconds";
const SOCKETS: &str = "onsale_sockets";
const SOCKETS_MAX: &str = "onsale_sockets_max";
const EVENT_STREAMS: &str = "onsale_event_streams";
const HOLDS: &str = "onsale_holds_total";
const ORDERS: &str = "onsale_orders_total";
const STORE_ERRORS: &str = "onsale_store_errors_total";
const CHECKINS: &str = "onsale_checkins_total";
const DISAGREEMENTS: &str = "onsale_seat_disagreements_total";
const WEBHOOK_EVENTS: &str = "onsale_webhook_events_total";

/// The buckets of [`REQUEST_DURATION`], as OpenTelemetry proposes for HTTP servers.
pub const REQUEST_DURATION_BUCKETS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// How many joins go to a store together.
pub const JOIN_BATCH_SIZE: &str = log::BATCH;
/// The buckets of [`JOIN_BATCH_SIZE`]: one alone, and powers of two up to the largest batch.
pub const JOIN_BATCH_SIZE_BUCKETS: [f64; 8] = [1.0, 4.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// What becomes of an event that Stripe delivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Webhook {
    /// It is in the inbox now.
    Stored,
    /// It was there before.
    Duplicate,
    /// Its signature does not verify.
    Refused,
    /// It could not be stored; Stripe will deliver it again.
    Failed,
}

impl Webhook {
    const ALL: [Self; 4] = [Self::Stored, Self::Duplicate, Self::Refused, Self::Failed];

    const fn word(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Duplicate => "duplicate",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_histogram!(REQUEST_DURATION, Unit::Seconds, "How long answers take, by route, method and status.");
    describe_gauge!(QUEUE_WAITING, "Live visitors in line, by sale.");
    describe_counter!(QUEUE_ADMITTED, "Turns given, by sale.");
    describe_gauge!(SHOPPERS, "Shoppers inside, unused turns included, by sale.");
    describe_gauge!(HOLD_TTL, Unit::Seconds, "How long a hold taken now lasts, by sale.");
    describe_gauge!(SOCKETS, "Open sockets of this gateway.");
    describe_gauge!(
        SOCKETS_MAX,
        "The most sockets this gateway has room for; an event stream takes the room of several."
    );
    describe_gauge!(EVENT_STREAMS, "Open event streams of this gateway.");
    describe_counter!(HOLDS, "Answers to holds, by sale and outcome.");
    describe_counter!(ORDERS, "Orders, by sale and the state they came to.");
    describe_counter!(STORE_ERRORS, "Failed calls, by store.");
    describe_counter!(CHECKINS, "Scans judged, by sale and verdict.");
    describe_counter!(DISAGREEMENTS, "Holds whose units Postgres did not have free, by sale.");
    describe_counter!(
        WEBHOOK_EVENTS,
        "Events that Stripe delivered, by outcome: stored, duplicate, refused or failed."
    );
    sale::describe();
    line::describe();
    log::describe();
}

/// A gateway starts: what has no label of a sale is there with a zero. An alert on the rise of a counter would not see the first
/// of what it waits for.
pub(crate) fn begin(sockets_max: u32) {
    gauge!(SOCKETS).set(0.0);
    gauge!(SOCKETS_MAX).set(f64::from(sockets_max));
    gauge!(EVENT_STREAMS).set(0.0);
    for store in ["redis", "postgres", "stripe"] {
        counter!(STORE_ERRORS, "store" => store).increment(0);
    }
    for outcome in Webhook::ALL {
        counter!(WEBHOOK_EVENTS, "outcome" => outcome.word()).increment(0);
    }
}

/// By route, method and status.
type Durations = Handles<(Option<Route>, &'static str, StatusCode), Histogram>;

pub(crate) fn request_ended(route: Option<Route>, method: &Method, status: StatusCode, took: Duration) {
    static DURATIONS: LazyLock<Durations> = LazyLock::new(Handles::default);
    let (path, method) = (route.map_or("_OTHER", Route::path), method_word(method));
    let durations = DURATIONS.of((route, method, status), || {
        histogram!(
            REQUEST_DURATION,
            "http_route" => path,
            "http_request_method" => method,
            "http_response_status_code" => status.as_str().to_owned(),
        )
    });
    durations.record(took.as_secs_f64());
}

/// The gateway begins to tick a sale.
pub(crate) fn sale_begins(sale: SaleId) {
    sale::begins(sale);
    turns_given(sale, 0);
}

pub(crate) fn sale_seen(sale: SaleId, view: &View, hold_ttl_s: u32) {
    line::seen(sale, view);
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float; 2^53 visitors are more than there are people")]
    gauge!(QUEUE_WAITING, "sale" => sale.to_string()).set(view.waiting() as f64);
    gauge!(SHOPPERS, "sale" => sale.to_string()).set(f64::from(view.shoppers()));
    gauge!(HOLD_TTL, "sale" => sale.to_string()).set(f64::from(hold_ttl_s));
}

pub(crate) fn sale_ended(sale: SaleId) {
    sale::ended(sale);
    line::ended(sale);
    log::ended(sale);
    gauge!(QUEUE_WAITING, "sale" => sale.to_string()).set(0.0);
    gauge!(SHOPPERS, "sale" => sale.to_string()).set(0.0);
    gauge!(HOLD_TTL, "sale" => sale.to_string()).set(0.0);
}

pub(crate) fn turns_given(sale: SaleId, turns: u64) {
    counter!(QUEUE_ADMITTED, "sale" => sale.to_string()).increment(turns);
}

pub(crate) fn checked_in(sale: SaleId, verdict: &'static str) {
    counter!(CHECKINS, "sale" => sale.to_string(), "verdict" => verdict).increment(1);
}

pub(crate) fn socket_opened() {
    gauge!(SOCKETS).increment(1.0);
}

pub(crate) fn socket_closed() {
    gauge!(SOCKETS).decrement(1.0);
}

pub(crate) fn stream_opened() {
    gauge!(EVENT_STREAMS).increment(1.0);
}

pub(crate) fn stream_closed() {
    gauge!(EVENT_STREAMS).decrement(1.0);
}

pub(crate) fn hold_taken(sale: SaleId, take: &Take) {
    let outcome = match take {
        Take::Taken(_) => "taken",
        Take::Replayed(_) => "replayed",
        Take::RequestReused => "request_reused",
        Take::SoldOut { .. } => "sold_out",
        Take::TooFewLeft { .. } => "too_few_left",
        Take::AllHeld { .. } => "all_held",
        Take::SeatTaken { .. } => "seat_taken",
        Take::NoneTogether { .. } => "none_together",
        Take::AllocationSoldOut { .. } => "allocation_sold_out",
        Take::LimitReached { .. } => "limit_reached",
        Take::PassInUse => "pass_in_use",
        Take::PassExpired => "pass_expired",
        Take::PassUnknown => "pass_unknown",
        Take::Paused => "paused",
        Take::Reclaiming { .. } => "reclaiming",
    };
    hold_answered(sale, outcome);
}

fn hold_answered(sale: SaleId, outcome: &'static str) {
    static ANSWERS: LazyLock<Handles<(SaleId, &str), Counter>> = LazyLock::new(Handles::default);
    let answers = ANSWERS.of((sale, outcome), || counter!(HOLDS, "sale" => sale.to_string(), "outcome" => outcome));
    answers.increment(1);
}

pub(crate) fn hold_reclaimed(sale: SaleId, reclaim: &Reclaim) {
    let outcome = match reclaim {
        Reclaim::Reclaimed(_) => "reclaimed",
        Reclaim::Live(_) => "replayed",
        Reclaim::Ended => "expired",
        Reclaim::PassInUse => "pass_in_use",
        Reclaim::SeatTaken => "seat_taken",
    };
    hold_answered(sale, outcome);
}

pub(crate) fn hold_released(sale: SaleId) {
    hold_answered(sale, "released");
}

pub(crate) fn order_created(sale: SaleId, state: OrderState) {
    counter!(ORDERS, "sale" => sale.to_string(), "state" => state.word()).increment(1);
}

pub(crate) fn store_failed(store: &'static str) {
    counter!(STORE_ERRORS, "store" => store).increment(1);
}

pub(crate) fn webhook_answered(outcome: Webhook) {
    counter!(WEBHOOK_EVENTS, "outcome" => outcome.word()).increment(1);
}

pub(crate) fn stores_disagreed(sale: SaleId) {
    counter!(DISAGREEMENTS, "sale" => sale.to_string()).increment(1);
}

pub(crate) fn method_word(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
