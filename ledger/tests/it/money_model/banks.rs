//! What banks and people at Stripe do to the money of the model: disputes, and refunds by hand.

use domain::Currency;
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::payments::{RefundApplied, RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::RefundState;

use super::{Life, Model, Order};
use crate::world::euros;

/// What banks and people at Stripe did to an order.
#[derive(Default)]
pub(super) struct Banks {
    /// Of the open dispute: how much was withdrawn, and how much of that the payment bore.
    open: Option<(i64, i64)>,
    /// How many disputes there were.
    disputes: u32,
    /// Borne and given up.
    pub(super) lost: i64,
    /// Given back by hand, and how often.
    pub(super) by_hand: i64,
    hands: u32,
    /// Withdrawn and not borne, and not given back.
    pub(super) excess: i64,
}

impl Banks {
    /// Of the payment's money, what banks have.
    pub(super) fn disputed(&self) -> i64 {
        self.lost + self.open.map_or(0, |(_, borne)| borne)
    }
}

impl Order {
    fn refunded(&self) -> i64 {
        let made = |refund: &&super::Refund| matches!(refund.state, RefundState::Pending | RefundState::Succeeded);
        self.refunds.iter().filter(made).map(|refund| refund.amount).sum::<i64>() + self.banks.by_hand
    }

    /// Whether as much more can have gone back at Stripe, which never gives back more than came.
    pub(super) fn may_have_gone(&self, amount: i64) -> bool {
        self.refunded() + amount <= self.paying.order.total.minor
    }

    /// What may be asked back: nothing of what went, goes or is disputed.
    pub(super) fn room(&self) -> i64 {
        let planned = self.refunds.iter().filter(|refund| refund.state == RefundState::Planned);
        let planned: i64 = planned.map(|refund| refund.amount).sum();
        (self.paying.order.total.minor - self.refunded() - planned - self.banks.disputed()).max(0)
    }

    /// Whether more went and is disputed than came, which people must mend.
    pub(super) fn is_over(&self) -> bool {
        self.would_be_over(0)
    }

    /// Whether it would be, once so much more went.
    pub(super) fn would_be_over(&self, amount: i64) -> bool {
        self.refunded() + self.banks.disputed() + amount > self.paying.order.total.minor
    }
}

impl Model<'_> {
    /// A bank takes money of an order, perhaps more than is there.
    pub(super) async fn disputes(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        if order.life != Life::Paid || order.banks.open.is_some() {
            return;
        }
        let withdrawn = self.dice.between(1, order.paying.order.total.minor);
        let borne = withdrawn.min(order.room());
        order.banks.disputes += 1;
        order.banks.open = Some((withdrawn, borne));
        order.banks.excess += withdrawn - borne;
        let applied = hears(self, index, DisputeStatus::Open, -withdrawn).await;
        assert_eq!(applied, if borne == withdrawn { DisputeApplied::Booked } else { DisputeApplied::Excess });
    }

    /// The dispute is won, and everything comes back; or it is lost.
    pub(super) async fn decides(&mut self) {
        let index = self.any_order();
        let Some((withdrawn, borne)) = self.orders[index].banks.open.take() else { return };
        let applied = if self.dice.below(2) == 0 {
            self.orders[index].banks.excess -= withdrawn - borne;
            hears(self, index, DisputeStatus::Won, withdrawn).await
        } else {
            self.orders[index].banks.lost += borne;
            hears(self, index, DisputeStatus::Lost, 0).await
        };
        assert!(matches!(applied, DisputeApplied::Booked | DisputeApplied::Excess), "{applied:?}");
    }

    /// Somebody gives money back at Stripe; never an amount that is planned, which would be that refund.
    pub(super) async fn refunds_by_hand(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        let amount = self.dice.between(1, 2_000);
        let is_planned =
            order.refunds.iter().any(|refund| refund.state == RefundState::Planned && refund.amount == amount);
        if order.life != Life::Paid || is_planned {
            return;
        }
        let expected = if !order.may_have_gone(amount) {
            RefundApplied::Early
        } else if order.would_be_over(amount) {
            RefundApplied::Quarantined("more_than_captured".to_owned())
        } else {
            RefundApplied::Booked
        };
        let facts = RefundFacts {
            event: None,
            id: format!("re_hand_{}_{}", order.paying.intent, order.banks.hands),
            refund: None,
            intent: order.paying.intent.clone(),
            amount: euros(amount),
            status: RefundStatus::Succeeded,
        };
        let applied = refund_apply(&self.world.workers, &facts).await.expect("an answer");
        assert_eq!(applied, expected, "{amount} by hand");
        if applied != RefundApplied::Early {
            order.banks.by_hand += amount;
            order.banks.hands += 1;
        }
    }
}

/// What Stripe says of the latest dispute of an order; of nothing moved there is no balance transaction.
async fn hears(model: &Model<'_>, index: usize, status: DisputeStatus, moved: i64) -> DisputeApplied {
    let order = &model.orders[index];
    let id = format!("du_{}_{}", order.paying.intent, order.banks.disputes);
    let movement = DisputeMovement { id: format!("txn_{id}_{moved}"), amount: moved, fee: 0, currency: Currency::EUR };
    let facts = DisputeFacts {
        event: None,
        id,
        intent: order.paying.intent.clone(),
        amount: order.paying.order.total,
        status,
        movements: if moved == 0 { vec![] } else { vec![movement] },
    };
    dispute_apply(&model.world.workers, &facts).await.expect("an answer")
}
