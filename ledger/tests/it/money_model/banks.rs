//! What banks and people at Stripe do to the money of the model: disputes, and refunds by hand.

use domain::Currency;
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::payments::{RefundApplied, RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::RefundState;

use super::{Life, Model, Order, planned_refund};
use crate::world::euros;

/// What banks and people at Stripe did to an order.
#[derive(Default)]
pub(super) struct Banks {
    disputes: Vec<Dispute>,
    /// Given back by hand, and how often.
    pub(super) by_hand: i64,
    hands: u32,
}

struct Dispute {
    /// Withdrawn less reinstated, as far as that was heard.
    taken: i64,
    status: DisputeStatus,
    reinstated: bool,
}

impl Dispute {
    fn is_decided(&self) -> bool {
        self.status == DisputeStatus::Lost || (self.status == DisputeStatus::Won && self.reinstated)
    }
}

impl Banks {
    /// Withdrawn and not given back.
    pub(super) fn taken(&self) -> i64 {
        self.disputes.iter().map(|dispute| dispute.taken).sum()
    }
}

impl Order {
    pub(super) fn total(&self) -> i64 {
        self.paying.order.total.minor
    }

    /// What went back as we wished.
    pub(super) fn gone(&self) -> i64 {
        self.amounts(|state| matches!(state, RefundState::Pending | RefundState::Succeeded))
    }

    fn amounts(&self, counts: impl Fn(RefundState) -> bool) -> i64 {
        self.refunds.iter().filter(|refund| counts(refund.state)).map(|refund| refund.amount).sum()
    }

    fn refunded(&self) -> i64 {
        self.gone() + self.banks.by_hand
    }

    /// Of each dispute how much the payment bears: what we did not give back, the latest first, for so they are named.
    fn borne(&self) -> Vec<i64> {
        let takes_room = |state| state == RefundState::Planned && self.life != Life::PaidLate;
        let mut room = self.total() - self.gone() - self.amounts(takes_room);
        let mut borne = vec![0; self.banks.disputes.len()];
        for (dispute, borne) in self.banks.disputes.iter().zip(&mut borne).rev() {
            *borne = dispute.taken.min(room).max(0);
            room -= *borne;
        }
        borne
    }

    /// Of the payment's money, what banks have.
    pub(super) fn disputed(&self) -> i64 {
        self.borne().iter().sum()
    }

    /// Of that, what will not come back.
    pub(super) fn lost(&self) -> i64 {
        let disputes = self.banks.disputes.iter().zip(self.borne());
        disputes.filter(|(dispute, _)| dispute.is_decided()).map(|(_, borne)| borne).sum()
    }

    /// Whether a bank has some and may give it back.
    pub(super) fn is_undecided(&self) -> bool {
        self.banks.disputes.iter().any(|dispute| dispute.taken > 0 && !dispute.is_decided())
    }

    /// Whether as much more can have gone back at Stripe, which never gives back more than came.
    pub(super) fn may_have_gone(&self, amount: i64) -> bool {
        self.refunded() + amount <= self.total()
    }

    /// What may be asked back: nothing of what went, goes or is disputed.
    pub(super) fn room(&self) -> i64 {
        let planned = self.amounts(|state| state == RefundState::Planned);
        (self.total() - self.refunded() - planned - self.disputed()).max(0)
    }

    /// Whether more would have gone and be disputed than came, once so much more went: people are told.
    pub(super) fn would_be_over(&self, amount: i64) -> bool {
        self.refunded() + self.disputed() + amount > self.total()
    }
}

impl Model<'_> {
    /// A bank takes money of an order, perhaps more than is there.
    pub(super) async fn disputes(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        if !order.is_paid() {
            return;
        }
        let taken = self.dice.between(1, order.total());
        order.banks.disputes.push(Dispute { taken: 0, status: DisputeStatus::Open, reinstated: false });
        let latest = order.banks.disputes.len() - 1;
        if self.dice.below(4) == 0 {
            // It was won since, and of that we hear first.
            self.hears(index, latest, DisputeStatus::Won, taken).await;
            self.agrees().await;
        }
        self.hears(index, latest, DisputeStatus::Open, -taken).await;
    }

    /// A dispute is won, and all of it or less comes back; or it is lost.
    pub(super) async fn decides(&mut self) {
        let index = self.any_order();
        let disputes = &self.orders[index].banks.disputes;
        let Some(open) = disputes.iter().position(|dispute| dispute.status == DisputeStatus::Open) else { return };
        let taken = disputes[open].taken;
        if self.dice.below(2) == 0 {
            let back = if self.dice.below(2) == 0 { taken } else { self.dice.between(1, taken) };
            self.hears(index, open, DisputeStatus::Won, back).await;
        } else {
            self.hears(index, open, DisputeStatus::Lost, 0).await;
        }
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

    /// What Stripe says of a dispute of an order; of nothing moved there is no balance transaction. Money that came too late
    /// and that comes back from a bank is given back at once.
    async fn hears(&mut self, index: usize, which: usize, status: DisputeStatus, moved: i64) {
        let order = &mut self.orders[index];
        let before = order.disputed();
        let dispute = &mut order.banks.disputes[which];
        dispute.taken -= moved;
        dispute.reinstated |= moved > 0;
        if dispute.status == DisputeStatus::Open {
            dispute.status = status;
        }
        let id = format!("du_{}_{:03}", order.paying.intent, 999 - which);
        let movement =
            DisputeMovement { id: format!("txn_{id}_{moved}"), amount: moved, fee: 0, currency: Currency::EUR };
        let facts = DisputeFacts {
            event: None,
            id,
            intent: order.paying.intent.clone(),
            amount: order.paying.order.total,
            status,
            movements: if moved == 0 { vec![] } else { vec![movement] },
        };
        let applied = dispute_apply(&self.world.workers, &facts).await.expect("an answer");
        let all_borne = order.banks.disputes.iter().zip(order.borne()).all(|(dispute, borne)| dispute.taken == borne);
        let is_whole = all_borne && !order.would_be_over(0);
        let expected = if is_whole { DisputeApplied::Booked } else { DisputeApplied::Excess };
        assert_eq!(applied, expected, "{status:?}, {moved}");
        if order.disputed() < before && order.life == Life::PaidLate && order.room() > 0 {
            let refund = planned_refund(self.world, order).await;
            assert_eq!(refund.amount, order.room());
            order.refunds.push(refund);
        }
    }
}
