//! Recovering: hearing again what a database has forgotten that was restored to an earlier moment.
//!
//! Shape: [`recovery_begin`] opens a recovery, or finds the one that is open, and pauses what sells; [`recovery_of_redis`],
//! [`order_recall`] and [`refund_recall`] write again what Redis and Stripe tell of; [`recovery_end`] lets the sales go on.
//!
//! Guarantees: each is one call and finds done what was done, so a recovery that died, or whose answer was lost, is begun
//! again. An order is written only with units that are free, by the steps that an order is made of; otherwise it is written as
//! one that expired, so that its money goes back by the rules for money that comes too late. What is written here is applied
//! afterwards by the calls that news would have made ([`crate::payments::payment_apply`], [`crate::payments::refund_apply`]):
//! nothing is captured, sold or paid back by a recovery's own rules.
//!
//! What it does not do: ask Stripe or Redis. Who does is `workers::recovery`.

use domain::email::buyer_of;
use domain::memo::Memo;
use domain::price::OrderLine;
use domain::sale::CaptureMode;
use domain::{Money, OrderId, PaymentId, PlaceNumber, RefundId, SaleId, TierId, UnitNo};
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::documents::{capture_word, line_word, unit_columns};
use crate::numbers::fit;
use crate::{Ledger, LedgerError};

/// What Redis knows of a sale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownToRedis {
    /// The sale.
    pub sale: SaleId,
    /// The epoch it was loaded with; 0 where Redis was lost, too.
    pub epoch: u32,
    /// No number above this one was given out; 0 when that is not known.
    pub highest_number: u64,
    /// How long a turn may last.
    pub bound_s: u32,
    /// Who has a turn.
    pub inside: Vec<PlaceNumber>,
    /// Whose turn is over, or who was silent for too long.
    pub ended: Vec<PlaceNumber>,
    /// Who left.
    pub left: Vec<PlaceNumber>,
}

/// An order and its payment, as their intent tells of them.
#[derive(Debug, Clone)]
pub struct RecallOrder {
    /// The sale.
    pub sale: SaleId,
    /// The order.
    pub order: OrderId,
    /// What it is made of.
    pub memo: Memo,
    /// What is charged, line by line; must add up to the amount, or the order is late.
    pub lines: Vec<OrderLine>,
    /// What the intent asks for.
    pub amount: Money,
    /// The id of the payment, should it be written.
    pub payment: PaymentId,
    /// The number of the attempt.
    pub attempt: u32,
    /// Stripe's id.
    pub intent: String,
    /// Real money or a test.
    pub livemode: bool,
    /// When the sale captures.
    pub capture: CaptureMode,
    /// When the intent was made.
    pub made_at: Timestamp,
    /// How long an order that is not paid yet still has.
    pub pay_within_s: u32,
    /// What to do when its units are not free.
    pub otherwise: Otherwise,
}

/// What becomes of an order whose units are not free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Otherwise {
    /// Nothing yet: a refund that is recalled later may free them.
    Wait,
    /// It is written as one that expired.
    Late,
}

/// What came of recalling an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recalled {
    /// Its payment is there, or one that waits for its intent.
    Known,
    /// The order was there, and now its payment is.
    PaidFor,
    /// Both are there now, and the order has its units.
    Rebuilt,
    /// Its units are not free; nothing was written.
    UnitsLost,
    /// Both are there now, the order without its units.
    Late,
    /// There is no such sale.
    UnknownSale,
}

/// A refund as Stripe tells of it.
#[derive(Debug, Clone)]
pub struct RecallRefund {
    /// The intent.
    pub intent: String,
    /// Our own id of it, if it has one.
    pub refund: Option<RefundId>,
    /// Stripe's id.
    pub stripe_id: String,
    /// How much goes back.
    pub amount: Money,
    /// The units whose tickets it gives back.
    pub units: Vec<(TierId, UnitNo)>,
}

/// What came of recalling a refund.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundRecalled {
    /// It is there, under this id.
    Known(RefundId),
    /// It is there now.
    Rebuilt(RefundId),
    /// It is none of ours: what Stripe says of it is booked as made there.
    AtStripe,
    /// There is no payment of that intent.
    UnknownPayment,
    /// Its payment is not captured yet.
    Early,
}

pub(crate) const STATEMENTS: &[&str] = &[BEGIN, RESERVED, OF_REDIS, ORDER, REFUND, END];

const BEGIN: &str = "SELECT recovery_begin($1)";
const RESERVED: &str = "SELECT coalesce(max(last_number), 0) FROM number_blocks WHERE sale_id = $1";
const OF_REDIS: &str = "SELECT recovery_of_redis($1, $2, $3, $4, $5, $6, $7)";
const ORDER: &str = "
    SELECT order_recall($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
                        $23, $24)";
const REFUND: &str = "SELECT outcome, refund FROM refund_recall($1, $2, $3, $4, $5, $6)";
const END: &str = "SELECT recovery_end($1)";

/// Opens a recovery, or finds the open one, and pauses what sells. Answers from when on it hears again: the earliest that
/// anybody asked for.
///
/// # Errors
/// The database is away or refuses.
pub async fn recovery_begin(ledger: &Ledger, since: Timestamp) -> Result<Timestamp, LedgerError> {
    Ok(ledger.one(BEGIN, &[&since]).await?.try_get(0)?)
}

/// Up to which number a sale has reserved; 0 for none.
///
/// # Errors
/// The database is away or refuses.
pub async fn numbers_reserved(ledger: &Ledger, sale: SaleId) -> Result<u64, LedgerError> {
    fit(ledger.one(RESERVED, &[&sale.uuid()]).await?.try_get::<_, i64>(0)?)
}

/// Writes down what Redis knows of a sale, and puts the epoch above both. Answers of how many places that was news.
///
/// # Errors
/// The database is away or refuses.
pub async fn recovery_of_redis(ledger: &Ledger, known: &KnownToRedis) -> Result<u64, LedgerError> {
    let numbers = |numbers: &[PlaceNumber]| numbers.iter().map(|number| fit(number.0)).collect::<Result<Vec<i64>, _>>();
    let (epoch, highest): (i32, i64) = (fit(known.epoch)?, fit(known.highest_number)?);
    let bound_s: i32 = fit(known.bound_s)?;
    let (inside, ended, left) = (numbers(&known.inside)?, numbers(&known.ended)?, numbers(&known.left)?);
    let params: [&(dyn ToSql + Sync); 7] = [&known.sale.uuid(), &epoch, &highest, &bound_s, &inside, &ended, &left];
    fit(ledger.one(OF_REDIS, &params).await?.try_get::<_, i64>(0)?)
}

/// Writes an order and its payment again, or finds them.
///
/// # Errors
/// The database is away or refuses.
pub async fn order_recall(ledger: &Ledger, recall: &RecallOrder) -> Result<Recalled, LedgerError> {
    let RecallOrder { memo, lines, .. } = recall;
    let (unit_tiers, unit_nos) = unit_columns(&memo.units)?;
    let kinds: Vec<&str> = lines.iter().map(|line| line_word(line.kind)).collect();
    let names: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let tiers: Vec<&str> = lines.iter().map(|line| line.tier.as_str()).collect();
    let quantities: Vec<i32> = lines.iter().map(|line| fit(line.quantity)).collect::<Result<_, _>>()?;
    let amounts: Vec<i64> = lines.iter().map(|line| line.amount.minor).collect();
    let (email, name) = memo.contact.as_ref().map(|contact| (&contact.email, &contact.name)).unzip();
    let buyer = email.map(|email| buyer_of(email));
    let (number, attempt): (i64, i32) = (fit(memo.number.0)?, fit(recall.attempt)?);
    let (currency, total) = (recall.amount.currency.as_str(), recall.amount.minor);
    let (capture, pay_within_s) = (capture_word(recall.capture), fit::<_, i32>(recall.pay_within_s)?);
    let late = recall.otherwise == Otherwise::Late;
    let (sale, order, hold) = (recall.sale.uuid(), recall.order.uuid(), memo.hold.uuid());
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 24] = [
        &sale, &order, &hold, &number, &email, &buyer, &name,
        &unit_tiers, &unit_nos,
        &kinds, &names, &tiers, &quantities, &amounts,
        &currency, &total, &recall.payment.uuid(), &attempt, &recall.intent, &recall.livemode, &capture,
        &recall.made_at, &pay_within_s, &late,
    ];
    match ledger.one(ORDER, &params).await?.try_get(0)? {
        "known" => Ok(Recalled::Known),
        "paid_for" => Ok(Recalled::PaidFor),
        "rebuilt" => Ok(Recalled::Rebuilt),
        "units_lost" => Ok(Recalled::UnitsLost),
        "late" => Ok(Recalled::Late),
        "unknown_sale" => Ok(Recalled::UnknownSale),
        other => Err(LedgerError::Corrupt(format!("order_recall answered {other}"))),
    }
}

/// Writes a refund of ours again, or finds it.
///
/// # Errors
/// The database is away or refuses.
pub async fn refund_recall(ledger: &Ledger, recall: &RecallRefund) -> Result<RefundRecalled, LedgerError> {
    let (tiers, units) = unit_columns(&recall.units)?;
    let (refund, amount) = (recall.refund.map(RefundId::uuid), recall.amount.minor);
    let params: [&(dyn ToSql + Sync); 6] = [&recall.intent, &refund, &recall.stripe_id, &amount, &tiers, &units];
    let row = ledger.one(REFUND, &params).await?;
    let found = row.try_get::<_, Option<Uuid>>(1)?.map(RefundId::from_uuid);
    match (row.try_get(0)?, found) {
        ("known", Some(refund)) => Ok(RefundRecalled::Known(refund)),
        ("rebuilt", Some(refund)) => Ok(RefundRecalled::Rebuilt(refund)),
        ("at_stripe", None) => Ok(RefundRecalled::AtStripe),
        ("unknown_payment", None) => Ok(RefundRecalled::UnknownPayment),
        ("early", None) => Ok(RefundRecalled::Early),
        (other, _) => Err(LedgerError::Corrupt(format!("refund_recall answered {other}"))),
    }
}

/// Ends the recovery that is open, and keeps its report: sales begin anew in Redis, and those it paused sell again.
///
/// # Errors
/// The database is away or refuses.
pub async fn recovery_end(ledger: &Ledger, report: &Value) -> Result<(), LedgerError> {
    ledger.one(END, &[report]).await.map(drop)
}
