//! How long paying takes: what Postgres knows of it, and what was made of that.
//!
//! Every attempt is here with the time Pay was pressed (`begun_at`) and the time we knew that it is authorised
//! (`authorised_at`), both by `onsale_now()`. So there is nothing to merge from processes and nothing to forget when one
//! starts anew: workers count what the last [`WINDOW_S`] seconds show ([`payment_times`]), the domain makes a percentile of
//! it, and one row a sale keeps that ([`payment_latencies_keep`]); gateways read it with the sale.
//!
//! | attempt | counts as |
//! |---|---|
//! | authorised, in time or late, captured or not | authorised, after `authorised_at − begun_at` |
//! | under way | unfinished, so long since Pay was pressed |
//! | cancelled before it was authorised: its order ran out, or the buyer gave it up | unfinished, after what it had |
//! | declined | not at all: the buyer is at the form again, and the next press of Pay is another attempt |
//!
//! Bounds: the latest [`ATTEMPTS_MAX`] attempts of the window, read by their index; times are rounded up to
//! [`STEP_MS`], so that few groups leave the database.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::SaleId;
use domain::payment::latency::{Attempt, PaymentTimes};
use domain::sale::CaptureMode;
use jiff::Timestamp;
use serde::Deserialize;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::documents::{self, capture_word};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// How far back the measurement looks: as long as an order may live, so that whatever becomes of an attempt is seen, and long
/// enough for several hundred payments of a slow sale.
pub const WINDOW_S: u32 = crate::orders::ORDER_LIFE_MAX_S;

/// The most attempts of one measurement. Stripe's usual limit of 100 writes a second makes 50 payments a second, 90,000 in the
/// window; to read as many takes about 0.2 s.
pub const ATTEMPTS_MAX: u32 = 100_000;

/// The resolution of a measurement: far finer than a TTL, which is made of whole seconds.
pub const STEP_MS: i64 = 50;

/// How long paying takes in a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PaymentLatency {
    /// The time within which 99 of 100 payments are authorised.
    pub p99: Duration,
    /// How many authorisations of this sale it was made of; few of them count less than all sales together.
    pub authorised: u64,
    /// When it was measured.
    pub measured_at: Timestamp,
}

pub(super) const LATELY: &str = "
    WITH recent AS (
        SELECT sale_id, begun_at, authorised_at, state, failure, changed_at
          FROM payments
         WHERE begun_at > (SELECT onsale_now()) - make_interval(secs => $1)
         ORDER BY begun_at DESC LIMIT $2::integer),
    timed AS (
        SELECT sale_id, authorised_at IS NOT NULL AS authorised,
               coalesce(authorised_at, CASE state WHEN 'cancelled' THEN changed_at END, (SELECT onsale_now())) - begun_at AS took
          FROM recent
         WHERE authorised_at IS NOT NULL OR (state <> 'failed' AND failure IS NULL))
    SELECT sale_id, authorised, ceil(greatest(extract(epoch FROM took), 0) * 1000 / $3::bigint)::bigint * $3::bigint AS after_ms,
           count(*)
      FROM timed GROUP BY sale_id, authorised, after_ms";

// A measurement from the future was made by a clock that went back since; it is no reason to make none.
pub(super) const IS_FRESH: &str = "
    SELECT EXISTS (SELECT FROM payment_latencies, (SELECT onsale_now() AS now) AS clock
                    WHERE measured_at > now - make_interval(secs => $1::double precision) AND measured_at <= now)";

// In one order, so that two workers who keep the same measurement do not wait for each other.
pub(super) const KEEP: &str = "
    INSERT INTO payment_latencies (sale_id, p99_ms, authorised, measured_at)
    SELECT sale_id, p99_ms, authorised, (SELECT onsale_now())
      FROM unnest($1::uuid[], $2::bigint[], $3::bigint[]) AS measured (sale_id, p99_ms, authorised)
     ORDER BY sale_id
        ON CONFLICT (sale_id) DO UPDATE
       SET p99_ms = excluded.p99_ms, authorised = excluded.authorised, measured_at = excluded.measured_at";

pub(super) const AUTHORISED_AFTER: &str = "
    SELECT (extract(epoch FROM authorised_at - begun_at) * 1000)::bigint
      FROM payments WHERE intent_id = $1 AND capture = $2 AND authorised_at IS NOT NULL";

/// What the attempts of the last [`WINDOW_S`] show, sale by sale.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_times(ledger: &Ledger) -> Result<BTreeMap<SaleId, PaymentTimes>, LedgerError> {
    let (window_s, limit) = (f64::from(WINDOW_S), fit::<_, i32>(ATTEMPTS_MAX)?);
    let mut sales: BTreeMap<SaleId, PaymentTimes> = BTreeMap::new();
    for row in ledger.rows(LATELY, &[&window_s, &limit, &STEP_MS]).await? {
        let sale = SaleId::from_uuid(row.try_get(0)?);
        let attempt = if row.try_get(1)? { Attempt::Authorised } else { Attempt::Unfinished };
        let (after, count) = (millis(&row, 2)?, fit(row.try_get::<_, i64>(3)?)?);
        sales.entry(sale).or_default().add(attempt, after, count);
    }
    Ok(sales)
}

/// Whether somebody kept a measurement within the time given.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_latencies_are_fresh(ledger: &Ledger, within: Duration) -> Result<bool, LedgerError> {
    Ok(ledger.one(IS_FRESH, &[&within.as_secs_f64()]).await?.try_get(0)?)
}

/// Keeps what was measured: for each sale the percentile, and how many authorisations it was made of.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_latencies_keep(ledger: &Ledger, measured: &[(SaleId, Duration, u64)]) -> Result<(), LedgerError> {
    let sales: Vec<Uuid> = measured.iter().map(|(sale, ..)| sale.uuid()).collect();
    let p99s = measured.iter().map(|(_, p99, _)| fit(p99.as_millis())).collect::<Result<Vec<i64>, _>>()?;
    let authorised = measured.iter().map(|(.., authorised)| fit(*authorised)).collect::<Result<Vec<i64>, _>>()?;
    ledger.rows(KEEP, &[&sales, &p99s, &authorised]).await.map(|_| ())
}

/// How long one payment took from *Pay pressed* to *authorised*, if it is, and is captured that way.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_authorised_after(
    ledger: &Ledger,
    intent: &str,
    capture: CaptureMode,
) -> Result<Option<Duration>, LedgerError> {
    let row = ledger.row(AUTHORISED_AFTER, &[&intent, &capture_word(capture)]).await?;
    row.map(|row| millis(&row, 0)).transpose()
}

#[derive(Deserialize)]
struct LatencyDocument {
    p99_ms: u64,
    authorised: u64,
    measured_at: Timestamp,
}

/// What is kept of a sale, as it comes with the sale.
pub(crate) fn kept(document: Option<serde_json::Value>) -> Result<Option<PaymentLatency>, LedgerError> {
    let Some(document) = document else { return Ok(None) };
    let LatencyDocument { p99_ms, authorised, measured_at } = documents::read(document)?;
    Ok(Some(PaymentLatency { p99: Duration::from_millis(p99_ms), authorised, measured_at }))
}

/// A time in milliseconds; clocks that were set back make none of it negative.
fn millis(row: &Row, column: usize) -> Result<Duration, LedgerError> {
    Ok(Duration::from_millis(fit(row.try_get::<_, i64>(column)?.max(0))?))
}
