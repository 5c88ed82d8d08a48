//! `GET …/orders/{order}/statement`: what was booked for an order, act by act.

use std::sync::Arc;

use domain::order::OrderState;
use domain::{Money, OrderId, RefundId, TicketId, TierId, TransferId, UnitNo};
use http::StatusCode;
use jiff::Timestamp;
use ledger::orders::returns::{DisputeRecord, RefundRecord};
use ledger::orders::statement::{
    EntryRow, OrderStatement, STATEMENT_TRANSFERS_MAX, StatedTicket, TransferRow, order_statement,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, json};
use crate::app::App;
use crate::endpoints::organizer::readable;
use crate::openapi::schema::MoneyBody;
use crate::problem::{Code, Problem};
use crate::request::Request;

/// The account that says what Stripe holds for us.
const HELD: &str = "payment_clearing";

/// The statement of an order.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatementBody {
    /// The order.
    #[schema(value_type = String, example = "ord_0190c5a0b0c07abc8def0123456789ab")]
    order: OrderId,
    /// Where it is in its life.
    #[schema(value_type = String, example = "paid")]
    state: OrderState,
    /// What it costs.
    #[schema(value_type = MoneyBody)]
    total: Money,
    /// The transfers, oldest first; the first 1,000 when there are more.
    transfers: Vec<TransferBody>,
    /// Whether these are all.
    complete: bool,
    /// What went back, or is about to.
    refunds: Vec<StatedRefundBody>,
    /// What banks ask or asked back.
    disputes: Vec<StatedDisputeBody>,
    /// Its tickets: what a refund by ticket names.
    tickets: Vec<StatedTicketBody>,
}

/// A ticket in a statement.
#[derive(Serialize, ToSchema)]
#[schema(as = StatedTicket)]
pub(crate) struct StatedTicketBody {
    /// Its id.
    #[schema(value_type = String, example = "tkt_0190c5a0b0c07abc8def0123456789ab")]
    id: TicketId,
    /// The tier of its unit.
    #[schema(value_type = String)]
    tier: TierId,
    /// Its unit.
    #[schema(value_type = u32)]
    unit: UnitNo,
    /// `valid`, `used` or `void`.
    #[schema(example = "valid")]
    state: String,
}

/// A refund in a statement. Amounts are minor units of the order's currency.
#[derive(Serialize, ToSchema)]
#[schema(as = StatedRefund)]
pub(crate) struct StatedRefundBody {
    /// Its id.
    #[schema(value_type = String, example = "ref_0190c5a0b0c07abc8def0123456789ab")]
    id: RefundId,
    /// `planned`, `pending`, `succeeded` or `failed`.
    #[schema(example = "succeeded")]
    state: String,
    /// How much goes back.
    amount: i64,
    /// Of that, base price; none, as for fees and taxes, where it was not asked for here.
    base: Option<i64>,
    /// Fees.
    fee: Option<i64>,
    /// Taxes.
    tax: Option<i64>,
    /// How many tickets it made void.
    tickets: u32,
}

/// A dispute in a statement.
#[derive(Serialize, ToSchema)]
#[schema(as = StatedDispute)]
pub(crate) struct StatedDisputeBody {
    /// Stripe's id.
    #[schema(example = "du_1")]
    id: String,
    /// `inquiry`, `inquiry_closed`, `open`, `won` or `lost`.
    #[schema(example = "open")]
    state: String,
    /// How much the bank asks, in its currency.
    #[schema(value_type = MoneyBody)]
    amount: Money,
    /// What it took of the order's money and has not given back, in minor units of the order's currency.
    disputed: i64,
    /// Of that, what is given up.
    lost: i64,
}

/// A transfer.
#[derive(Serialize, ToSchema)]
pub(crate) struct TransferBody {
    /// Its id.
    #[schema(value_type = String, example = "trf_0190c5a0b0c07abc8def0123456789ab")]
    id: TransferId,
    /// What kind of act it is.
    #[schema(example = "captured")]
    kind: String,
    /// What it refers to outside: a payment intent, or an order that was free.
    reference: Option<String>,
    /// The promise it keeps or breaks.
    #[schema(value_type = Option<String>)]
    resolves: Option<TransferId>,
    /// The transfer it takes back.
    #[schema(value_type = Option<String>)]
    reverses: Option<TransferId>,
    /// When it happened, by Stripe for what Stripe reports.
    #[schema(value_type = String, format = DateTime)]
    effective_at: Timestamp,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    recorded_at: Timestamp,
    /// Its entries; they sum to zero per unit of account.
    entries: Vec<EntryBody>,
    /// What Stripe holds of this order after it, in the order's currency: captured, less what went back, was disputed, or was
    /// kept for that.
    #[schema(value_type = MoneyBody)]
    held: Money,
}

/// A leg of a transfer.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryBody {
    /// The account.
    #[schema(example = "payment_clearing")]
    account: String,
    /// A currency, or `seats:` and a tier.
    #[schema(example = "eur")]
    unit_of_account: String,
    /// Minor units, or seats; debits are positive, credits negative.
    amount: i64,
}

/// `GET /v1/organizer/sales/{sale}/orders/{order}/statement`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    let order = request.params.id("order")?;
    let statement = order_statement(&app.ledger, sale.id, order).await?.ok_or(Code::NotFound)?;
    Ok(json(StatusCode::OK, &StatementBody::of(order, statement)))
}

impl StatementBody {
    fn of(order: OrderId, statement: OrderStatement) -> Self {
        let OrderStatement { state, total, transfers, refunds, disputes, tickets } = statement;
        let complete = transfers.len() <= STATEMENT_TRANSFERS_MAX as usize;
        let currency = total.currency.as_str();
        let mut held = Money::zero(total.currency);
        let told = |transfer: TransferRow| {
            let is_held = |entry: &&EntryRow| entry.account == HELD && entry.unit_of_account == currency;
            let moved: i64 = transfer.entries.iter().filter(is_held).map(|leg| leg.amount).sum();
            held.minor += moved;
            TransferBody::of(transfer, held)
        };
        Self {
            order,
            state,
            total,
            transfers: transfers.into_iter().take(STATEMENT_TRANSFERS_MAX as usize).map(told).collect(),
            complete,
            refunds: refunds.into_iter().map(StatedRefundBody::from).collect(),
            disputes: disputes.into_iter().map(StatedDisputeBody::from).collect(),
            tickets: tickets.into_iter().map(StatedTicketBody::from).collect(),
        }
    }
}

impl From<RefundRecord> for StatedRefundBody {
    fn from(of: RefundRecord) -> Self {
        let id = of.id();
        let RefundRecord { state, amount, base, fee, tax, tickets, .. } = of;
        Self { id, state, amount, base, fee, tax, tickets }
    }
}

impl From<StatedTicket> for StatedTicketBody {
    fn from(of: StatedTicket) -> Self {
        let id = of.id();
        let StatedTicket { tier, unit, state, .. } = of;
        Self { id, tier, unit, state }
    }
}

impl From<DisputeRecord> for StatedDisputeBody {
    fn from(of: DisputeRecord) -> Self {
        let DisputeRecord { stripe_id: id, status: state, amount, currency, withdrawn: disputed, lost, .. } = of;
        Self { id, state, amount: Money::new(amount, currency), disputed, lost }
    }
}

impl TransferBody {
    fn of(transfer: TransferRow, held: Money) -> Self {
        let TransferRow { id, kind, reference, resolves, reverses, effective_at, recorded_at, entries } = transfer;
        let entry = |EntryRow { account, unit_of_account, amount }| EntryBody { account, unit_of_account, amount };
        let entries = entries.into_iter().map(entry).collect();
        Self { id, kind, reference, resolves, reverses, effective_at, recorded_at, entries, held }
    }
}
