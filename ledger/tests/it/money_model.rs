//! Random acts on a sale beside a small model of its money: after every act the books are what the model says, and every
//! invariant holds. A failure names its seed; the same seed plays the same acts.

use domain::payment::IntentStatus;
use domain::{RefundId, TicketId};
use ledger::orders::{CancelOrder, CreateOrder, order_cancel, orders_expire_due};
use ledger::outbox::{Queue, Work, claim};
use ledger::payments::{Applied, RefundApplied, RefundFacts, RefundStatus, refund_apply};
use ledger::refunds::{AskRefund, RefundAsk, RefundParts, RefundState, RefundWish};

use tokio_postgres::Client;

use self::banks::Banks;
use crate::dice::Dice;
use crate::soak;
use crate::world::{Paying, Price, TestSale, World, connect, euros};

mod banks;

const SEEDS: u64 = 2;
const SEEDS_SOAK: u64 = 60;
const ACTS: u32 = 70;
const ACTS_SOAK: u32 = 400;

/// Of one unit: base, fee, tax.
const UNIT: [i64; 3] = [4500, 450, 941];
const UNITS: u32 = 6;

/// Longer than any order waits to be paid.
const PAST_EXPIRY_MS: i64 = 601_000;
/// More jobs than a test has.
const ALL: u32 = 1_000;

/// Of each account in money, debits less credits; and how many units are free.
const BALANCES: &str = "
    SELECT array_agg((SELECT coalesce(sum(amount), 0)::bigint FROM entries WHERE account = asked) ORDER BY rank),
           (SELECT count(*) FROM units WHERE state = 'free')
      FROM unnest($1::text[]) WITH ORDINALITY AS accounts (asked, rank)";

/// Where an order is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Open,
    Promised,
    Paid,
    /// Its units are gone; its money may still come.
    Over,
    /// Its units are gone, and its money cannot come.
    Dead,
    /// Its money came when its units were gone.
    PaidLate,
}

struct Order {
    paying: Paying,
    life: Life,
    units: Vec<u32>,
    /// Each with its unit; void ones are none.
    tickets: Vec<(TicketId, Option<u32>)>,
    left: [i64; 3],
    refunds: Vec<Refund>,
    banks: Banks,
}

struct Refund {
    id: RefundId,
    amount: i64,
    parts: [i64; 3],
    state: RefundState,
    ask: Option<RefundAsk>,
    tickets: Vec<TicketId>,
}

struct Model<'w> {
    world: &'w World,
    sale: TestSale<'w>,
    dice: Dice,
    free: Vec<u32>,
    orders: Vec<Order>,
    /// Sees everything.
    client: Client,
    /// What was done, for whoever reads a failure.
    acts: Vec<&'static str>,
    seed: u64,
}

impl Drop for Model<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}, after {:?}", self.seed, self.acts);
        }
    }
}

#[tokio::test]
async fn the_books_are_what_a_small_model_says_after_every_act() {
    let (seeds, acts) = if soak::is_on() { (SEEDS_SOAK, ACTS_SOAK) } else { (SEEDS, ACTS) };
    for seed in 0..seeds {
        let world = World::new().await;
        let sale = world.sale(UNITS, Price::Paid).await;
        let (free, dice) = ((0..UNITS).collect(), Dice::of_seed(seed));
        let client = connect(&world.database.url).await;
        let mut model = Model { world: &world, sale, dice, free, orders: vec![], client, acts: vec![], seed };
        for _ in 0..acts {
            model.acts().await;
            model.agrees().await;
        }
        assert!(model.orders.iter().any(|order| !order.refunds.is_empty()), "seed {seed} refunds nothing");
    }
}

impl Model<'_> {
    async fn acts(&mut self) {
        let acts = [
            "order", "promise", "capture", "capture", "give up", "expire", "cancel", "refund", "refund", "refund",
            "again", "repeat", "news", "news", "dispute", "decide", "hand",
        ];
        let act = if self.orders.is_empty() { "order" } else { *self.dice.of(&acts) };
        self.acts.push(act);
        match act {
            "order" => self.orders().await,
            "promise" => self.promises().await,
            "capture" => self.captures().await,
            "give up" => self.gives_up().await,
            "expire" => self.expires().await,
            "cancel" => self.cancels().await,
            "refund" => self.refunds().await,
            "again" => self.refunds_again().await,
            "repeat" => self.repeats().await,
            "dispute" => self.disputes().await,
            "decide" => self.decides().await,
            "hand" => self.refunds_by_hand().await,
            _ => self.hears_of_refund().await,
        }
    }

    fn any_order(&mut self) -> usize {
        usize::try_from(self.dice.below(self.orders.len().try_into().expect("few"))).expect("few")
    }

    /// Up to three units, mostly free ones.
    async fn orders(&mut self) {
        let first = u32::try_from(self.dice.below(u64::from(UNITS))).expect("few");
        let count = u32::try_from(self.dice.below(3)).expect("few");
        let units: Vec<u32> = (first..=(first + count).min(UNITS - 1)).collect();
        let order = match self.sale.creates(&self.sale.order(units.clone())).await {
            CreateOrder::Created(order) => order,
            other => {
                assert!(matches!(other, CreateOrder::UnitsLost(_)), "{other:?}");
                assert!(units.iter().any(|unit| !self.free.contains(unit)), "all of them were free");
                return;
            }
        };
        self.free.retain(|unit| !units.contains(unit));
        let paying = self.sale.being_paid(order).await;
        self.orders.push(Order {
            paying,
            life: Life::Open,
            units,
            tickets: vec![],
            left: [0; 3],
            refunds: vec![],
            banks: Banks::default(),
        });
    }

    async fn promises(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        if order.life == Life::Over {
            return;
        }
        let applied = self.world.applies(&order.paying.news(IntentStatus::RequiresCapture)).await;
        let expected = match order.life {
            Life::Open => Applied::Authorised,
            Life::Dead => Applied::AskStripe,
            Life::Promised | Life::Paid | Life::PaidLate | Life::Over => Applied::Nothing,
        };
        assert_eq!(applied, expected);
        if applied == Applied::Authorised {
            order.life = Life::Promised;
        }
    }

    async fn captures(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        let applied = self.world.applies(&order.paying.news(IntentStatus::Succeeded)).await;
        match order.life {
            Life::Open | Life::Promised => {
                assert_eq!(applied, Applied::Captured);
                order.life = Life::Paid;
                let units = i64::try_from(order.units.len()).expect("few");
                order.left = UNIT.map(|part| part * units);
                let tickets = order.paying.tickets().into_iter().zip(&order.units);
                order.tickets = tickets.map(|((_, _, ticket), unit)| (ticket, Some(*unit))).collect();
            }
            Life::Over => {
                assert_eq!(applied, Applied::LateRefund);
                order.life = Life::PaidLate;
                let refund = planned_refund(self.world, order).await;
                order.refunds.push(refund);
            }
            Life::Dead => assert_eq!(applied, Applied::AskStripe),
            Life::Paid | Life::PaidLate => assert_eq!(applied, Applied::Nothing),
        }
    }

    async fn gives_up(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        if order.life == Life::Promised {
            let applied = self.world.applies(&order.paying.news(IntentStatus::Canceled)).await;
            assert_eq!(applied, Applied::Canceled);
            order.life = Life::Dead;
            self.free.append(&mut order.units);
            self.tells_redis().await;
        }
    }

    async fn expires(&mut self) {
        self.world.database.advance_clock(PAST_EXPIRY_MS).await.expect("an answer");
        orders_expire_due(&self.world.workers, ALL).await.expect("an answer");
        for order in self.orders.iter_mut().filter(|order| order.life == Life::Open) {
            order.life = Life::Over;
            self.free.append(&mut order.units);
        }
        self.tells_redis().await;
    }

    async fn cancels(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        let cancelled =
            order_cancel(&self.world.gateway, self.sale.id, order.paying.order.id).await.expect("an answer");
        assert_eq!(matches!(cancelled, CancelOrder::Cancelled(_)), order.life == Life::Open, "{cancelled:?}");
        if order.life == Life::Open {
            order.life = Life::Over;
            self.free.append(&mut order.units);
            self.tells_redis().await;
        }
    }

    /// From here on no late payment has its units again.
    async fn tells_redis(&self) {
        claim(&self.world.workers, Queue::Stock, ALL, 60).await.expect("an answer");
    }

    async fn refunds(&mut self) {
        let index = self.any_order();
        let wish = self.wish(index);
        let order = &mut self.orders[index];
        let ask = self.sale.ask(&order.paying, wish);
        let asked = self.sale.asks(&ask).await;
        let pool: i64 = order.left.iter().sum();
        let left = pool.min(order.room());
        let is_undecided = order.is_undecided();
        let (price, parts) = match &ask.wish {
            RefundWish::Tickets(tickets) => {
                let (price, parts) = order.price(tickets.len());
                // Of what is lost the buyer has the money.
                let less = order.lost() > 0 && !is_undecided && price > left;
                if less { (left, split(left, order.left)) } else { (price, parts) }
            }
            RefundWish::Amount(amount) => (*amount, split(*amount, order.left)),
            RefundWish::Whole => (left, split(left, order.left)),
            RefundWish::Again(_) => unreachable!("that is another act"),
        };
        let is_held = matches!(ask.wish, RefundWish::Whole) && is_undecided;
        let given = order.given(&ask.wish);
        let may_go = given.iter().all(|(ticket, unit)| unit.is_some() || order.failed(*ticket));
        match asked {
            AskRefund::NotRefundable(_) => assert!(order.life != Life::Paid),
            AskRefund::TicketVoid(_) => assert!(!may_go),
            AskRefund::AboveCaptured { left: told } => {
                assert!(price > left || (price == 0 && given.is_empty()) || is_held, "{price} of {left}");
                assert_eq!(told, euros(left));
            }
            AskRefund::Asked(refund) => {
                assert!(order.life == Life::Paid && price <= left && may_go && !is_held);
                let [base, fee, tax] = parts;
                assert_eq!((refund.amount, refund.parts), (euros(price), Some(RefundParts { base, fee, tax })));
                for (part, taken) in order.left.iter_mut().zip(parts) {
                    *part -= taken;
                }
                self.free.extend(given.into_iter().filter_map(|(_, unit)| unit));
                for (_, unit) in order.tickets.iter_mut().filter(|(ticket, _)| refund.tickets.contains(ticket)) {
                    *unit = None;
                }
                let (id, state, tickets) = (refund.id, refund.state, refund.tickets);
                order.refunds.push(Refund { id, amount: price, parts, state, ask: Some(ask), tickets });
            }
            other => panic!("{other:?}"),
        }
    }

    fn wish(&mut self, index: usize) -> RefundWish {
        let (left, tickets) = (self.orders[index].left.iter().sum::<i64>(), self.orders[index].tickets.clone());
        match self.dice.below(5) {
            0 => RefundWish::Whole,
            1 | 2 if !tickets.is_empty() => {
                let first = usize::try_from(self.dice.below(tickets.len().try_into().expect("few"))).expect("few");
                let count = usize::try_from(self.dice.below(2)).expect("few") + 1;
                RefundWish::Tickets(tickets.iter().skip(first).take(count).map(|(ticket, _)| *ticket).collect())
            }
            3 => RefundWish::Amount(self.dice.between(1, left + 500)),
            _ => RefundWish::Amount(self.dice.between(1, left / 7 + 3)),
        }
    }

    /// Money that came too late is owed until it went; of what an order bought, a refund is asked for anew.
    async fn refunds_again(&mut self) {
        let index = self.any_order();
        let order = &mut self.orders[index];
        let Some(refund) = order.refunds.iter().find(|refund| refund.state == RefundState::Failed) else { return };
        let ask = self.sale.ask(&order.paying, RefundWish::Again(refund.id));
        match self.sale.asks(&ask).await {
            AskRefund::RefundUnknown => assert_eq!(order.life, Life::Paid),
            AskRefund::AboveCaptured { left } => assert_eq!((left, order.room()), (euros(0), 0)),
            AskRefund::Asked(refund) => {
                assert!(order.life == Life::PaidLate && refund.amount == euros(order.room()), "{refund:?}");
                let (id, amount, state) = (refund.id, refund.amount.minor, refund.state);
                order.refunds.push(Refund { id, amount, parts: [0; 3], state, ask: Some(ask), tickets: vec![] });
            }
            other => panic!("{other:?}"),
        }
    }

    /// A request that is made again, perhaps long after.
    async fn repeats(&mut self) {
        let index = self.any_order();
        let Some(refund) = self.orders[index].refunds.iter().rfind(|refund| refund.ask.is_some()) else { return };
        let ask = refund.ask.clone().expect("it was looked for");
        let AskRefund::Asked(again) = self.sale.asks(&ask).await else { panic!("it was asked for before") };
        assert_eq!((again.id, again.amount, again.state), (refund.id, euros(refund.amount), refund.state));
    }

    async fn hears_of_refund(&mut self) {
        let index = self.any_order();
        let status = *self.dice.of(&[RefundStatus::Pending, RefundStatus::Succeeded, RefundStatus::Failed]);
        let turn = usize::try_from(self.dice.below(4)).expect("few");
        let order = &mut self.orders[index];
        let count = order.refunds.len().max(1);
        let Some(refund) = order.refunds.get_mut(turn % count).filter(|refund| refund.amount > 0) else { return };
        let (amount, state) = (refund.amount, refund.state);
        let goes = state == RefundState::Planned && status != RefundStatus::Failed;
        let is_early = goes && !order.may_have_gone(amount);
        let is_over = goes && order.would_be_over(amount);
        let refund = order.refunds.get_mut(turn % count).expect("it was there");
        let facts = RefundFacts {
            event: None,
            id: format!("re_{}", refund.id.uuid().simple()),
            refund: Some(refund.id),
            intent: order.paying.intent.clone(),
            amount: euros(refund.amount),
            status,
        };
        let applied = refund_apply(&self.world.workers, &facts).await.expect("an answer");
        let (mut expected, next) = refund.hears(status);
        if is_early {
            assert_eq!(applied, RefundApplied::Early);
            return;
        }
        if is_over {
            expected = RefundApplied::Quarantined("more_than_captured".to_owned());
        }
        assert_eq!(applied, expected, "{:?} hears {status:?}", refund.state);
        refund.state = next;
        if applied == RefundApplied::Failed {
            for (part, taken) in order.left.iter_mut().zip(refund.parts) {
                *part += taken;
            }
        }
    }

    /// Accounts and units are as the model has them, and every invariant holds.
    async fn agrees(&self) {
        let (mut clearing, mut due, mut whose, mut suspense, mut disputed) = (0, 0, [0; 3], 0, 0);
        for order in &self.orders {
            if order.is_paid() {
                clearing += order.paying.order.total.minor;
            }
            for (sum, left) in whose.iter_mut().zip(order.left) {
                *sum -= left;
            }
            let in_suspense = order.banks.by_hand + order.banks.taken() - order.disputed();
            clearing -= in_suspense + order.disputed() + order.gone();
            suspense += in_suspense;
            disputed += order.disputed() - order.lost();
            if order.life == Life::PaidLate {
                due -= order.total() - order.gone() - order.lost();
            } else {
                whose[0] += order.lost();
                let planned = order.refunds.iter().filter(|refund| refund.state == RefundState::Planned);
                due -= planned.map(|refund| refund.amount).sum::<i64>();
            }
        }
        let [base, fee, tax] = whose;
        let expected = [
            ("payment_clearing", clearing),
            ("refund_due", due),
            ("organizer_payable", base),
            ("platform_fee", fee),
            ("tax_payable", tax),
            ("suspense", suspense),
            ("disputed", disputed),
        ];
        let row = self
            .client
            .query_one(BALANCES, &[&expected.map(|(account, _)| account).as_slice()])
            .await
            .expect("balances");
        let balances: Vec<i64> = row.get(0);
        assert_eq!(balances, expected.map(|(_, balance)| balance), "{expected:?}");
        assert_eq!(row.get::<_, i64>(1), i64::try_from(self.free.len()).expect("few"), "units are free");
        let wronged = self.orders.iter().any(Order::is_wronged);
        let broken: &[&str] = if wronged { &["I5"] } else { &[] };
        assert_eq!(self.world.broken().await, broken);
    }
}

impl Order {
    fn is_paid(&self) -> bool {
        matches!(self.life, Life::Paid | Life::PaidLate)
    }

    /// Whether a ticket is gone, or never was, and its price did not go back, because a refund failed.
    fn is_wronged(&self) -> bool {
        let void = self.tickets.iter().filter(|(_, unit)| unit.is_none()).count();
        let price = UNIT.iter().sum::<i64>() * i64::try_from(void).expect("few");
        let due = if self.life == Life::PaidLate { self.total() } else { price };
        let counts = self.refunds.iter().filter(|refund| refund.state != RefundState::Failed);
        let back = counts.map(|refund| refund.amount).sum::<i64>() + self.banks.by_hand + self.disputed();
        self.is_paid() && back < due
    }

    /// The tickets that a wish gives back, with their units; none for one that is void.
    fn given(&self, wish: &RefundWish) -> Vec<(TicketId, Option<u32>)> {
        let wanted = |(ticket, unit): &&(TicketId, Option<u32>)| match wish {
            RefundWish::Tickets(tickets) => tickets.contains(ticket),
            RefundWish::Amount(_) | RefundWish::Again(_) => false,
            RefundWish::Whole => unit.is_some() || self.failed(*ticket),
        };
        self.tickets.iter().filter(wanted).copied().collect()
    }

    /// Whether a ticket was given back, and its last refund failed.
    fn failed(&self, ticket: TicketId) -> bool {
        let last = self.refunds.iter().rfind(|refund| refund.tickets.contains(&ticket));
        last.is_some_and(|refund| refund.state == RefundState::Failed)
    }

    /// The price of tickets: each part as it was paid, as far as it is left, the rest from what is.
    fn price(&self, tickets: usize) -> (i64, [i64; 3]) {
        let wanted = UNIT.map(|part| part * i64::try_from(tickets).expect("few"));
        let price = wanted.iter().sum();
        let mut taken = [0, 1, 2].map(|part: usize| wanted[part].min(self.left[part]));
        let rest = [0, 1, 2].map(|part: usize| self.left[part] - taken[part]);
        let missing = price - taken.iter().sum::<i64>();
        if missing <= rest.iter().sum() {
            for (part, more) in taken.iter_mut().zip(split(missing, rest)) {
                *part += more;
            }
        }
        (price, taken)
    }
}

impl Refund {
    /// What news of it comes to, and where it is then.
    fn hears(&self, status: RefundStatus) -> (RefundApplied, RefundState) {
        match (self.state, status) {
            (RefundState::Planned, RefundStatus::Pending) => (RefundApplied::Booked, RefundState::Pending),
            (RefundState::Planned, RefundStatus::Succeeded) => (RefundApplied::Booked, RefundState::Succeeded),
            (RefundState::Pending, RefundStatus::Succeeded) => (RefundApplied::Nothing, RefundState::Succeeded),
            (RefundState::Failed, _) => (RefundApplied::Nothing, RefundState::Failed),
            (_, RefundStatus::Failed) => (RefundApplied::Failed, RefundState::Failed),
            (state, _) => (RefundApplied::Nothing, state),
        }
    }
}

/// An amount in proportion to a pool, by largest remainders; too large ones are refused before it matters.
fn split(amount: i64, pool: [i64; 3]) -> [i64; 3] {
    let total: i64 = pool.iter().sum();
    if total == 0 || amount > total {
        return [0; 3];
    }
    let mut parts = pool.map(|part| amount * part / total);
    let mut by_remainder = [0, 1, 2];
    by_remainder.sort_by_key(|part: &usize| -(amount * pool[*part] % total));
    let left = usize::try_from(amount - parts.iter().sum::<i64>()).expect("shares are rounded down");
    for part in &by_remainder[..left] {
        parts[*part] += 1;
    }
    parts
}

/// The refund that the ledger planned by itself, for an order that does not have it yet.
async fn planned_refund(world: &World, order: &Order) -> Refund {
    let is_new = |id: RefundId| order.refunds.iter().all(|refund| refund.id != id);
    let jobs = claim(&world.workers, Queue::Stripe, ALL, 1).await.expect("an answer");
    let refund = jobs.into_iter().find_map(|job| match job.work {
        Work::PaymentRefund { refund, call, amount } if call.intent == order.paying.intent && is_new(refund) => {
            Some((refund, amount))
        }
        _ => None,
    });
    let (id, amount) = refund.expect("it is planned");
    Refund { id, amount: amount.minor, parts: [0; 3], state: RefundState::Planned, ask: None, tickets: vec![] }
}
