//! Hearing again what a restored database has forgotten.
//!
//! Postgres was restored to an earlier moment. Stripe has what was paid and paid back since, Redis has who had a turn, buyers have
//! their tickets and doors have their scans. A recovery writes again what these can tell, and lets everything else go:
//!
//! ```text
//!  what sells is paused ─► Redis: epoch above both, numbers reserved, turns written down
//!        ─► Stripe's intents, in the order they were made ─► order and payment, if its units are free ─► applied, as news is
//!        ─► Stripe's refunds ─► debt, void tickets, free units ─► applied, as news is     (again, while that frees units)
//!        ─► what is left: written as orders that expired; what they took goes back, by the rules for money that came late
//!        ─► payments that Stripe knew and that had not ended; disputes into the inbox
//!        ─► what was paused sells again, in a new epoch
//! ```
//!
//! Who owns what: an intent's metadata says of what its order was made ([`domain::memo`]); prices follow from the sale; ids of
//! tickets follow from the intent and the unit, so they are those that were mailed. The ledger decides ([`ledger::recovery`]).
//!
//! A unit that Stripe's money paid for belonged to that order. So an order that waits for its payment in the restored database,
//! has none at Stripe and has such a unit was ended in the time that is lost, and is ended again.
//!
//! Each step finds done what was done: a recovery that dies, or whose reply is lost, is run again. What must be written to Stripe
//! (captures, cancellations, refunds) is ordered as jobs; only for a sale that is not there itself it is done here, under keys
//! made of the intent.
//!
//! Bounds: `LOST_MAX_S` of time lost; lists are read in windows of `WINDOW_S`; `TOLD_MAX` lines for people.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;

use admission::AdmissionError;
use domain::memo::Memo;
use domain::order::OrderState;
use domain::payment::{IntentStatus, PAYMENT_WINDOW_S, PaymentState};
use domain::price::{OrderLine, lines_of};
use domain::sale::SaleConfig;
use domain::{HoldId, OrderId, PaymentId, PlaceNumber, RefundId, SaleId, TierId, UnitNo};
use jiff::{SignedDuration, Timestamp};
use ledger::LedgerError;
use ledger::inbox::{RawEvent, Stored, event_store};
use ledger::orders::{order_cancel, order_fetch};
use ledger::payments::{Applied, RefundApplied, RefundFacts, payment_target, payments_unfinished, refund_apply};
use ledger::recovery::{
    Otherwise, RecallOrder, RecallRefund, Recalled, RefundRecalled, order_recall, recovery_begin, recovery_end,
    refund_recall,
};
use ledger::sales::{SaleName, SaleRow, sale_fetch, sales_live};
use ledger::units::units_of_sale;
use payments::{Intent, ListedEvent, Refund, RefundIntent, Span, StripeError};
use uuid::Uuid;

use crate::context::Context;
use crate::jobs::payment_news::{self, News};
use crate::jobs::refund_payment::book_status;
use crate::points::Points;
use crate::workers::{WorkersConfig, WorkersParts, context};

mod places;
mod report;

pub use report::{NOT_REBUILT, Report};

/// What is to be recovered.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// The moment to which the database was restored; earlier does no harm.
    pub since: Timestamp,
    /// Whether anything is written.
    pub mode: Mode,
    /// How far numbers jump in a sale that Redis does not have: more than could join in the time that is lost.
    pub numbers_ahead: u32,
}

/// Whether anything is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is.
    Recover,
    /// It is only looked at what would be.
    DryRun,
}

/// Why a recovery came to no end. It may be run again.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// More time is lost than Stripe can tell of.
    #[error("Stripe lists thirty days: {0} is too long ago, or lies in the future")]
    Since(Timestamp),
    /// Postgres is away or refuses.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Redis is away. One that is empty is enough.
    #[error(transparent)]
    Redis(#[from] AdmissionError),
    /// Stripe is away or refuses.
    #[error(transparent)]
    Stripe(#[from] StripeError),
}

/// Stripe lists events for thirty days.
const LOST_MAX_S: i64 = 30 * 24 * 3_600;
/// How far before the moment it is looked: clocks differ, and an intent is older than its last commit.
const MARGIN_S: i64 = 120;
/// One reading of a list: at Stripe's usual limit, less than a list is looked through.
const WINDOW_S: i64 = 180;
/// Lines for people that are kept.
const TOLD_MAX: usize = 200;
/// Payments asked about in one look.
const UNFINISHED_PAGE: u32 = 500;
/// What may be said of disputes.
const DISPUTE_KINDS: [&str; 5] = [
    "charge.dispute.created",
    "charge.dispute.updated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
    "charge.dispute.closed",
];

/// Recovers, or looks at what would be.
///
/// # Errors
/// A store or Stripe is away; what was done is done, and it may be run again.
pub async fn recover(config: &WorkersConfig, parts: WorkersParts, wanted: Wanted) -> Result<Report, RecoveryError> {
    let context = context(config, parts, Points::default());
    let now = context.ledger.now().await?;
    let lost = now.duration_since(wanted.since);
    if lost.is_negative() || lost > SignedDuration::from_secs(LOST_MAX_S) {
        return Err(RecoveryError::Since(wanted.since));
    }
    let since = match wanted.mode {
        Mode::Recover => recovery_begin(&context.ledger, wanted.since).await?,
        Mode::DryRun => wanted.since,
    };
    let report = Report { since, ..Report::default() };
    let recovery =
        Recovery { context, wanted, since, until: now, sales: HashMap::new(), before: HashMap::new(), report };
    recovery.run().await
}

struct Recovery {
    context: Arc<Context>,
    wanted: Wanted,
    since: Timestamp,
    until: Timestamp,
    sales: HashMap<SaleId, Option<SaleRow>>,
    /// Units of each sale that were on sale or in a hold when Redis was last told.
    before: HashMap<SaleId, Vec<(TierId, UnitNo)>>,
    report: Report,
}

/// A payment that Stripe tells of, and the order that it names.
struct Told {
    intent: Intent,
    sale: SaleId,
    order: OrderId,
}

impl Recovery {
    async fn run(mut self) -> Result<Report, RecoveryError> {
        let started = Instant::now();
        for sale in sales_live(&self.context.ledger).await? {
            self.hears_redis(&sale).await?;
        }
        let intents = self.intents().await?;
        let mut refunds = self.refunds().await?;
        if self.wanted.mode == Mode::DryRun {
            self.looks_at(&intents).await?;
        } else {
            // Whoever has not been to the bank yet takes no unit from whoever paid.
            let (mut undecided, mut intents): (Vec<_>, Vec<_>) =
                intents.into_iter().partition(|told| told.intent.status == IntentStatus::RequiresAction);
            while self.recalls(&mut intents, Otherwise::Wait).await? | self.recalls_refunds(&mut refunds).await? {}
            self.ends_orders_in_the_way(&intents).await?;
            self.recalls(&mut intents, Otherwise::Wait).await?;
            self.recalls(&mut intents, Otherwise::Late).await?;
            self.recalls(&mut undecided, Otherwise::Late).await?;
            while self.recalls_refunds(&mut refunds).await? {}
            for refund in refunds {
                self.tells(format!("refund {} of {:?} is of no captured payment", refund.id, refund.payment_intent));
            }
            self.asks_about_unfinished().await?;
            self.hears_disputes().await?;
            self.counts_what_is_lost().await?;
        }
        self.report.took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.wanted.mode == Mode::Recover {
            let report = serde_json::to_value(&self.report).expect("our reports have string keys");
            recovery_end(&self.context.ledger, &report).await?;
        }
        Ok(self.report)
    }

    fn tells(&mut self, line: String) {
        tracing::warn!(line, "people must look at this");
        if self.report.told.len() < TOLD_MAX {
            self.report.told.push(line);
        }
    }

    /// The payments that name an order, the first one first; those that are given up are nobody's loss.
    async fn intents(&mut self) -> Result<Vec<Told>, RecoveryError> {
        let mut told = Vec::new();
        let (mut first, last) = (second(self.since, -MARGIN_S), second(self.until, MARGIN_S));
        while first <= last {
            let end = second(first, WINDOW_S - 1).min(last);
            for intent in self.context.stripe.made_between(first, end).await? {
                if let (Some(sale), Some(order)) = (intent.sale, intent.order)
                    && intent.livemode == self.context.stripe.livemode()
                {
                    self.report.intents += 1;
                    if intent.status != IntentStatus::Canceled {
                        told.push(Told { intent, sale, order });
                    }
                }
            }
            first = second(end, 1);
        }
        told.sort_by(|a, b| (a.intent.created, &a.intent.id).cmp(&(b.intent.created, &b.intent.id)));
        told.dedup_by(|a, b| a.intent.id == b.intent.id);
        Ok(told)
    }

    async fn refunds(&self) -> Result<Vec<Refund>, RecoveryError> {
        let mut refunds = Vec::new();
        let mut span = self.span();
        loop {
            let page = self.context.stripe.refunds(&span).await?;
            refunds.extend(page.objects);
            span.after = page.next;
            if span.after.is_none() {
                break;
            }
        }
        refunds.sort_by(|a, b| (a.created, &a.id).cmp(&(b.created, &b.id)));
        Ok(refunds)
    }

    fn span(&self) -> Span {
        Span { since: Some(second(self.since, -MARGIN_S)), until: second(self.until, MARGIN_S), after: None }
    }

    async fn sale(&mut self, id: SaleId) -> Result<Option<SaleRow>, RecoveryError> {
        if !self.sales.contains_key(&id) {
            let row = sale_fetch(&self.context.ledger, SaleName::Id(id)).await?;
            self.sales.insert(id, row.filter(|row| row.published_at.is_some()));
        }
        Ok(self.sales.get(&id).cloned().flatten())
    }

    /// What a recovery would meet. Which units are free by then only a recovery finds out.
    async fn looks_at(&mut self, intents: &[Told]) -> Result<(), RecoveryError> {
        for Told { intent, sale, order } in intents {
            if payment_target(&self.context.ledger, &intent.facts()).await?.is_some() {
                self.report.known += 1;
            } else if !may_have_paid(intent.status) {
                self.report.abandoned += 1;
            } else if order_fetch(&self.context.ledger, *sale, *order).await?.is_some() {
                self.report.payments_rebuilt += 1;
            } else if self.sale(*sale).await?.is_some()
                && Memo::read(&intent.metadata, *order, &self.context.signer).is_some()
            {
                self.report.orders_rebuilt += 1;
            } else if intent.status == IntentStatus::Succeeded {
                self.report.orders_refunded += 1;
            } else {
                self.report.orders_cancelled += 1;
            }
        }
        Ok(())
    }

    /// Recalls what can be, and leaves the rest; whether anything could be.
    async fn recalls(&mut self, intents: &mut Vec<Told>, otherwise: Otherwise) -> Result<bool, RecoveryError> {
        let before = intents.len();
        for told in std::mem::take(intents) {
            if !self.recall(&told, otherwise).await? {
                intents.push(told);
            }
        }
        Ok(intents.len() < before)
    }

    /// Whether that was all there is to do about it.
    async fn recall(&mut self, told: &Told, otherwise: Otherwise) -> Result<bool, RecoveryError> {
        let Told { intent, sale, order } = told;
        if !may_have_paid(intent.status) {
            return self.gives_up(intent).await.map(|()| true);
        }
        let Some(row) = self.sale(*sale).await? else {
            return self.pays_back(told).await.map(|()| true);
        };
        let recall = self.order_of(told, &row.config, otherwise);
        let recalled = order_recall(&self.context.ledger, &recall).await?;
        if recalled == Recalled::UnitsLost {
            return Ok(false);
        }
        let intent = self.context.stripe.fetch(&intent.id).await?;
        let applied = payment_news::apply(&self.context, &intent, News::Fetched { because_of: None }).await?;
        let tickets = u64::try_from(recall.memo.units.len()).unwrap_or(u64::MAX);
        self.counts(recalled, &applied, tickets);
        match applied {
            Applied::Quarantined(why) => self.tells(format!("{} of {order} of {sale}: {why}", intent.id)),
            Applied::AskStripe | Applied::UnknownPayment => {
                self.tells(format!("{} of {order} of {sale} contradicts the ledger", intent.id));
            }
            Applied::Authorised
            | Applied::Captured
            | Applied::Failed
            | Applied::Canceled
            | Applied::Nothing
            | Applied::LateCancel
            | Applied::LateRefund => {}
        }
        Ok(true)
    }

    fn counts(&mut self, recalled: Recalled, applied: &Applied, tickets: u64) {
        let report = &mut self.report;
        match applied {
            Applied::LateRefund => report.orders_refunded += 1,
            Applied::LateCancel => report.orders_cancelled += 1,
            Applied::Authorised
            | Applied::Captured
            | Applied::Failed
            | Applied::Canceled
            | Applied::Nothing
            | Applied::Quarantined(_)
            | Applied::UnknownPayment
            | Applied::AskStripe => match recalled {
                Recalled::Known => report.known += 1,
                Recalled::PaidFor => report.payments_rebuilt += 1,
                Recalled::Rebuilt => report.orders_rebuilt += 1,
                Recalled::Late | Recalled::UnitsLost | Recalled::UnknownSale => {}
            },
        }
        if *applied == Applied::Captured {
            report.tickets_rebuilt += tickets;
        }
    }

    /// An intent whose order nobody can tell is one of no units.
    fn order_of(&self, told: &Told, config: &SaleConfig, otherwise: Otherwise) -> RecallOrder {
        let Told { intent, sale, order } = told;
        let memo = Memo::read(&intent.metadata, *order, &self.context.signer).unwrap_or(Memo {
            hold: HoldId::from_uuid(order.uuid()),
            number: PlaceNumber(1),
            units: Vec::new(),
            contact: None,
        });
        RecallOrder {
            sale: *sale,
            order: *order,
            lines: lines(config, &memo.units),
            memo,
            amount: intent.amount,
            payment: PaymentId::from_uuid(Uuid::now_v7()),
            attempt: intent.attempt.unwrap_or(1).max(1),
            intent: intent.id.clone(),
            livemode: intent.livemode,
            capture: config.payment.capture,
            made_at: intent.created,
            pay_within_s: PAYMENT_WINDOW_S,
            otherwise,
        }
    }

    /// Nothing came of it yet. If it is nobody's, its secret must not buy anything any more.
    async fn gives_up(&mut self, intent: &Intent) -> Result<(), RecoveryError> {
        if payment_target(&self.context.ledger, &intent.facts()).await?.is_some() {
            self.report.known += 1;
            payment_news::apply(&self.context, intent, News::Fetched { because_of: None }).await?;
            return Ok(());
        }
        self.report.abandoned += 1;
        self.cancels(intent).await
    }

    async fn cancels(&self, intent: &Intent) -> Result<(), RecoveryError> {
        match self.context.stripe.cancel(&intent.id, &format!("recover:cancel:{}", intent.id)).await {
            Ok(_) | Err(StripeError::UnexpectedState(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// The sale is not there, so nothing of it can be booked: the money goes back, and people are told.
    async fn pays_back(&mut self, told: &Told) -> Result<(), RecoveryError> {
        let Told { intent, sale, order } = told;
        self.tells(format!("{} of {order}: there is no sale {sale}; its money goes back", intent.id));
        if intent.status != IntentStatus::Succeeded {
            self.report.orders_cancelled += 1;
            return self.cancels(intent).await;
        }
        self.report.orders_refunded += 1;
        let made = self.context.stripe.refunds_of(&intent.id).await?;
        let went = made.iter().filter(|refund| book_status(refund.status) != ledger::payments::RefundStatus::Failed);
        let left = intent.amount_received - went.map(|refund| refund.amount.minor).sum::<i64>();
        if left > 0 {
            let amount = domain::Money::new(left, intent.amount.currency);
            let id = RefundId::from_uuid(Uuid::new_v5(&Uuid::NAMESPACE_OID, intent.id.as_bytes()));
            let refund =
                RefundIntent { id, intent: intent.id.clone(), sale: *sale, order: *order, amount, memo: Vec::new() };
            self.context.stripe.refund(&refund, &format!("recover:refund:{}", intent.id)).await?;
        }
        Ok(())
    }

    /// An order that waits for its payment and has none at Stripe cannot have had a unit that somebody paid for.
    async fn ends_orders_in_the_way(&mut self, intents: &[Told]) -> Result<(), RecoveryError> {
        for Told { intent, sale, order } in intents {
            if !matches!(intent.status, IntentStatus::RequiresCapture | IntentStatus::Succeeded) {
                continue;
            }
            let Some(memo) = Memo::read(&intent.metadata, *order, &self.context.signer) else { continue };
            let units = units_of_sale(&self.context.ledger, *sale).await?;
            for other in memo.units.iter().filter_map(|unit| units.get(unit)?.order) {
                let Some(row) = order_fetch(&self.context.ledger, *sale, other).await? else { continue };
                let payment = row.payment.as_ref().map(|payment| payment.state);
                let unpaid =
                    payment.is_none_or(|state| matches!(state, PaymentState::Failed | PaymentState::Cancelled));
                if row.state == OrderState::AwaitingPayment && unpaid {
                    order_cancel(&self.context.ledger, *sale, other).await?;
                    self.report.orders_ended += 1;
                }
            }
        }
        Ok(())
    }

    /// Recalls the refunds whose payment is there, and leaves the rest; whether there were any.
    async fn recalls_refunds(&mut self, refunds: &mut Vec<Refund>) -> Result<bool, RecoveryError> {
        let before = refunds.len();
        for refund in std::mem::take(refunds) {
            if !self.recalls_refund(&refund).await? {
                refunds.push(refund);
            }
        }
        Ok(refunds.len() < before)
    }

    /// Whether that was all there is to do about it.
    async fn recalls_refund(&mut self, refund: &Refund) -> Result<bool, RecoveryError> {
        let Some(intent) = refund.payment_intent.clone() else { return Ok(true) };
        let recall = RecallRefund {
            intent: intent.clone(),
            refund: refund.refund,
            stripe_id: refund.id.clone(),
            amount: refund.amount,
            units: refund.units.clone(),
        };
        let recalled = refund_recall(&self.context.ledger, &recall).await?;
        let named = match recalled {
            RefundRecalled::UnknownPayment | RefundRecalled::Early => return Ok(refund.sale.is_none()),
            RefundRecalled::Known(id) | RefundRecalled::Rebuilt(id) => Some(id),
            RefundRecalled::AtStripe => None,
        };
        let facts = RefundFacts {
            event: None,
            id: refund.id.clone(),
            refund: named,
            intent,
            amount: refund.amount,
            status: book_status(refund.status),
        };
        match refund_apply(&self.context.ledger, &facts).await? {
            RefundApplied::Early => return Ok(false),
            RefundApplied::Quarantined(why) => self.tells(format!("refund {}: {why}", refund.id)),
            RefundApplied::Booked | RefundApplied::Nothing | RefundApplied::Failed | RefundApplied::UnknownPayment => {}
        }
        match recalled {
            RefundRecalled::Rebuilt(_) => self.report.refunds_rebuilt += 1,
            RefundRecalled::AtStripe => self.report.refunds_at_stripe += 1,
            RefundRecalled::Known(_) | RefundRecalled::UnknownPayment | RefundRecalled::Early => {
                self.report.refunds_known += 1;
            }
        }
        Ok(true)
    }

    /// What Stripe knew before that moment may have ended since.
    async fn asks_about_unfinished(&mut self) -> Result<(), RecoveryError> {
        let mut after = None;
        loop {
            let payments = payments_unfinished(&self.context.ledger, 0, after, UNFINISHED_PAGE).await?;
            for payment in &payments {
                let intent = self.context.stripe.fetch(&payment.intent).await?;
                payment_news::apply(&self.context, &intent, News::Fetched { because_of: None }).await?;
            }
            after = payments.last().map(|payment| payment.changed_at);
            if payments.len() < UNFINISHED_PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Into the inbox, as the webhook put them there.
    async fn hears_disputes(&mut self) -> Result<(), RecoveryError> {
        let mut span = self.span();
        loop {
            let page = self.context.stripe.events(&DISPUTE_KINDS, &span).await?;
            for ListedEvent { envelope, raw } in page.objects {
                let event = RawEvent {
                    id: envelope.id,
                    kind: envelope.kind,
                    livemode: envelope.livemode,
                    account: envelope.account,
                    api_version: envelope.api_version,
                    created: envelope.created,
                    raw,
                };
                if event_store(&self.context.ledger, &event).await? == Stored::New {
                    self.report.disputes += 1;
                }
            }
            span.after = page.next;
            if span.after.is_none() {
                return Ok(());
            }
        }
    }

    /// Units that Redis knew as gone and Postgres has free.
    async fn counts_what_is_lost(&mut self) -> Result<(), RecoveryError> {
        for (sale, before) in std::mem::take(&mut self.before) {
            let mut units = units_of_sale(&self.context.ledger, sale).await?;
            for unit in &before {
                units.remove(unit);
            }
            self.report.units_lost +=
                u64::try_from(units.values().filter(|state| state.is_free()).count()).unwrap_or(u64::MAX);
        }
        Ok(())
    }
}

/// Whether money may have been promised or taken, or may still be without another word of the buyer's.
const fn may_have_paid(status: IntentStatus) -> bool {
    match status {
        IntentStatus::RequiresAction
        | IntentStatus::Processing
        | IntentStatus::RequiresCapture
        | IntentStatus::Succeeded => true,
        IntentStatus::RequiresPaymentMethod | IntentStatus::RequiresConfirmation | IntentStatus::Canceled => false,
    }
}

fn second(at: Timestamp, later_s: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(later_s)).unwrap_or(at)
}

/// The lines of an order of these units, tier by tier in the order of the sale; nothing where a tier is not there any more.
fn lines(config: &SaleConfig, units: &[(TierId, UnitNo)]) -> Vec<OrderLine> {
    let of_tier = |tier: &TierId| u32::try_from(units.iter().filter(|(of, _)| of == tier).count()).unwrap_or(0);
    let lines = config.tiers.iter().filter_map(|tier| {
        let quantity = NonZeroU32::new(of_tier(&tier.id))?;
        lines_of(config, tier, quantity).ok()
    });
    lines.flatten().collect()
}
