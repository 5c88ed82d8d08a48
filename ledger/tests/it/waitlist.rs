//! Units that come back go to who waited first, and to nobody past the line.

use std::sync::atomic::{AtomicU64, Ordering};

use domain::price;
use domain::{EntryId, OrderId, PlaceNumber, TierId, UnitNo};
use ledger::orders::{CancelOrder, CreateOrder, NewOrder, OrderRow, order_cancel, orders_expire_due};
use ledger::outbox::{Queue, Work, claim};
use ledger::refunds::RefundWish;
use ledger::sales::{TierCounts, sale_close, sale_pause, sale_resume, sale_stock};
use ledger::waitlist::claims::{Claim, NewClaim, offer_claim};
use ledger::waitlist::tending::{offers_lapse_due, waitlist_tend};
use ledger::waitlist::{
    Confirm, EntryRow, EntryState, Join, NewEntry, OfferRow, waitlist_confirm, waitlist_fetch, waitlist_join,
    waitlist_leave, waitlist_withdraw,
};
use ledger::withholdings::{Release, ReleaseWish, StockAct, units_release};
use serde_json::json;
use uuid::Uuid;

use crate::world::{Price, TestSale, World, kid};

mod audited;
mod breaches;
mod complaints;
mod growth;
mod kept;
mod late_money;
mod locks;
mod long_lines;
mod model;
mod patched;
mod races;
mod storm;
mod watching;

/// Longer than the queue has to join.
pub(crate) const GATHERED_MS: i64 = 301_000;
/// Longer than an offer of the usual sale lives.
const LAPSED_MS: i64 = 1_801_000;

/// Entries so far, over all tests of the process: no two are one buyer's unless a test says so.
static ENTRIES: AtomicU64 = AtomicU64::new(1);

impl TestSale<'_> {
    /// A wish for so many units of the tier, of somebody who is not in the queue.
    pub(crate) fn wish(&self, quantity: u32) -> NewEntry {
        let number = ENTRIES.fetch_add(1, Ordering::Relaxed);
        NewEntry {
            id: EntryId::from_uuid(Uuid::now_v7()),
            sale: self.id,
            tiers: vec![ga()],
            quantity,
            email: format!("fan{number}@example.com"),
            number: None,
        }
    }

    /// What an offer of the tier becomes.
    pub(crate) fn claim_of(&self, entry: EntryId, offer: &OfferRow) -> NewClaim {
        let quantity = u32::try_from(offer.units.len()).ok().and_then(std::num::NonZeroU32::new).expect("some units");
        let tier = self.config.tier(&offer.tier).expect("a tier");
        let lines = price::lines_of(&self.config, tier, quantity).expect("a price");
        NewClaim {
            sale: self.id,
            entry,
            order: OrderId::from_uuid(Uuid::now_v7()),
            name: "Ada".to_owned(),
            tier: offer.tier.clone(),
            units: offer.units.clone(),
            total: price::total(&self.config, &lines).expect("a total"),
            lines,
            pay_within_s: 300,
            qr_kid: kid(),
        }
    }
}

/// The line of a sale, as its people see it.
pub(crate) struct Line<'w> {
    pub(crate) world: &'w World,
    pub(crate) sale: &'w TestSale<'w>,
}

impl Line<'_> {
    async fn joins(&self, wish: &NewEntry) -> Join {
        waitlist_join(&self.world.gateway, wish).await.expect("an answer")
    }

    async fn confirms(&self, entry: EntryId) -> Confirm {
        waitlist_confirm(&self.world.gateway, self.sale.id, entry).await.expect("an answer")
    }

    /// Joins and confirms.
    async fn waits(&self, wish: &NewEntry) -> EntryId {
        let joined = self.joins(wish).await;
        assert!(matches!(joined, Join::Joined(_)), "{joined:?}");
        let confirmed = self.confirms(wish.id).await;
        assert!(matches!(confirmed, Confirm::Confirmed(_)), "{confirmed:?}");
        wish.id
    }

    /// So many who wait, each for so many units.
    pub(crate) async fn wait_for<const N: usize>(&self, quantities: [u32; N]) -> [EntryId; N] {
        let mut entries = Vec::new();
        for quantity in quantities {
            entries.push(self.waits(&self.sale.wish(quantity)).await);
        }
        entries.try_into().expect("as many as wishes")
    }

    async fn entry(&self, entry: EntryId) -> EntryRow {
        waitlist_fetch(&self.world.gateway, self.sale.id, entry).await.expect("an answer").expect("the entry")
    }

    async fn state(&self, entry: EntryId) -> EntryState {
        self.entry(entry).await.state
    }

    async fn states<const N: usize>(&self, entries: [EntryId; N]) -> [EntryState; N] {
        let mut states = Vec::new();
        for entry in entries {
            states.push(self.state(entry).await);
        }
        states.try_into().expect("as many as entries")
    }

    async fn offer(&self, entry: EntryId) -> OfferRow {
        self.entry(entry).await.offer.expect("an offer")
    }

    pub(crate) async fn claims(&self, entry: EntryId) -> Claim {
        let offer = self.offer(entry).await;
        offer_claim(&self.world.gateway, &self.sale.claim_of(entry, &offer)).await.expect("an answer")
    }

    pub(crate) async fn leaves(&self, entry: EntryId) -> EntryState {
        let left = waitlist_leave(&self.world.gateway, self.sale.id, entry).await.expect("an answer");
        left.expect("the entry").state
    }

    /// An order gives its units back.
    pub(crate) async fn gives_back(&self, order: OrderId) {
        let cancelled = order_cancel(&self.world.gateway, self.sale.id, order).await.expect("an answer");
        assert!(matches!(cancelled, CancelOrder::Cancelled(_)), "{cancelled:?}");
    }

    pub(crate) async fn passes(&self, ms: i64) {
        self.world.database.advance_clock(ms).await.expect("a clock");
    }

    async fn lapse(&self) -> usize {
        offers_lapse_due(&self.world.workers, 100).await.expect("an answer").len()
    }

    async fn tend(&self) {
        waitlist_tend(&self.world.workers, self.sale.id).await.expect("an answer");
    }

    async fn counts(&self) -> TierCounts {
        sale_stock(&self.world.gateway, self.sale.id).await.expect("the stock")[&ga()]
    }

    /// The units that Redis was told to sell again, by all jobs since the last look.
    async fn on_sale_again(&self) -> Vec<u32> {
        let mut units = Vec::new();
        for job in claim(&self.world.workers, Queue::Stock, 1_000, 60).await.expect("jobs") {
            let Work::UnitsReturn { units: returned, .. } = job.work else { panic!("{job:?}") };
            units.extend(returned.iter().map(|(_, unit)| unit.0));
        }
        units.sort_unstable();
        units
    }
}

fn ga() -> TierId {
    "ga".parse().expect("a tier")
}

fn units(numbers: &[u32]) -> Vec<UnitNo> {
    numbers.iter().copied().map(UnitNo).collect()
}

/// Every unit of the tier in an order of its own.
async fn sold_out(sale: &TestSale<'_>, units: u32) -> Vec<OrderRow> {
    let mut orders = Vec::new();
    for unit in 0..units {
        orders.push(sale.has_order([unit]).await);
    }
    orders
}

#[tokio::test]
async fn a_freed_unit_goes_to_the_first_in_line_and_becomes_an_order() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let orders = sold_out(&sale, 2).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    assert_eq!((line.entry(first).await.position, line.entry(second).await.position), (Some(1), Some(2)));
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[1].id).await;
    assert_eq!(line.states([first, second]).await, [EntryState::Offered, EntryState::Waiting]);
    assert_eq!(line.offer(first).await.units, units(&[1]));
    assert_eq!(line.entry(second).await.position, Some(1));
    assert!(line.on_sale_again().await.is_empty(), "Redis hears nothing of it");
    let counts = line.counts().await;
    assert_eq!((counts.free, counts.ordered, counts.offered), (0, 1, 1));
    assert_eq!(sale.creates(&sale.order([1])).await, CreateOrder::UnitsLost(vec![(ga(), UnitNo(1))]), "nobody else's");
    world.audits_clean().await;

    let Claim::Created(order) = line.claims(first).await else { panic!("an order") };
    assert_eq!(order.units, [(ga(), UnitNo(1))]);
    assert_eq!(line.state(first).await, EntryState::Claimed);
    let Claim::Existing(again) = line.claims(first).await else { panic!("the same") };
    assert_eq!(again.id, order.id, "whoever asks again, under whatever name, has the order that it became");
    assert_eq!(line.entry(first).await.offer.and_then(|offer| offer.order), Some(order.id));
    world.audits_clean().await;
    let paying = sale.being_paid(order).await;
    world.applies(&paying.news(domain::payment::IntentStatus::Succeeded)).await;
    assert_eq!(line.counts().await.sold, 1);
    world.audits_clean().await;
}

/// Each way in which a unit becomes free.
#[tokio::test]
async fn however_a_unit_is_freed_it_goes_to_the_line() {
    let world = World::new().await;
    let tiers = json!([{ "id": "ga", "name": "Standing", "price": 4500, "capacity": 5 }]);
    let sale = world.sale_with(json!({ "tiers": tiers, "withheld": { "ga": 1 } })).await;
    let orders = sold_out(&sale, 3).await;
    let paid = sale.paid_order([3]).await;
    let line = Line { world: &world, sale: &sale };
    let [cancelled, refunded, released, expired, claimed_and_expired] = line.wait_for([1, 1, 1, 1, 2]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    assert_eq!(line.offer(cancelled).await.units, units(&[0]));
    sale.refunds(&paid, RefundWish::Whole).await;
    assert_eq!(line.offer(refunded).await.units, units(&[3]));
    let act =
        StockAct { organizer: sale.organizer, sale: sale.id, tier: ga(), request: [7; 32], by: "key_1".to_owned() };
    let release = units_release(&world.gateway, &act, &ReleaseWish::Quantity(1)).await.unwrap();
    assert_eq!(release, Release::Released(units(&[4])));
    assert_eq!(line.offer(released).await.units, units(&[4]));
    let Claim::Created(order) = line.claims(released).await else { panic!("an order") };
    world.audits_clean().await;
    // Two orders from before, and the one of the claim: two units for one who wants one, and one who wants two.
    line.passes(601_000).await;
    assert_eq!(orders_expire_due(&world.workers, 10).await.unwrap().len(), 3);
    assert_eq!(line.offer(expired).await.units.len(), 1);
    assert_eq!(line.offer(claimed_and_expired).await.units.len(), 2);
    assert_eq!(sale.looks_at(order.id).await.state, domain::order::OrderState::Expired);
    assert!(line.on_sale_again().await.is_empty());
    world.audits_clean().await;
}

#[tokio::test]
async fn who_lets_an_offer_pass_is_out_of_the_line_and_the_next_has_it_at_once() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let [sleeps, declines, claims] = line.wait_for([1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    assert_eq!(line.lapse().await, 0, "not before its time");
    line.passes(LAPSED_MS).await;
    let late = line.claims(sleeps).await;
    assert_eq!(late, Claim::NotOffered(EntryState::Lapsed), "its time is over, whether or not the sweep was there");
    assert_eq!(line.lapse().await, 1);
    assert_eq!(
        line.states([sleeps, declines, claims]).await,
        [EntryState::Lapsed, EntryState::Offered, EntryState::Waiting]
    );
    assert_eq!(line.leaves(declines).await, EntryState::Declined);
    assert_eq!(line.leaves(declines).await, EntryState::Declined, "twice is once");
    assert_eq!(line.state(claims).await, EntryState::Offered);
    assert!(matches!(line.claims(claims).await, Claim::Created(_)));
    assert_eq!(line.leaves(claims).await, EntryState::Claimed, "the order is cancelled where orders are");
    assert!(line.on_sale_again().await.is_empty());
    world.audits_clean().await;
}

#[tokio::test]
async fn when_nobody_waits_any_more_the_units_are_on_sale_again() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big] = line.wait_for([3]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    line.gives_back(orders[2].id).await;
    assert_eq!(
        (line.state(big).await, line.counts().await.offered),
        (EntryState::Waiting, 2),
        "kept until there are 3"
    );
    world.audits_clean().await;
    assert_eq!(line.leaves(big).await, EntryState::Left);
    assert_eq!((line.counts().await.free, line.on_sale_again().await), (2, vec![0, 2]));
    world.audits_clean().await;
    line.gives_back(orders[1].id).await;
    assert_eq!(line.on_sale_again().await, [1], "and so is whatever comes back now");
    world.audits_clean().await;
}

/// Nobody waits for what can be bought; and a wish that is not confirmed keeps nothing off sale.
#[tokio::test]
async fn only_what_is_confirmed_waits_and_only_for_what_is_sold_out() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let line = Line { world: &world, sale: &sale };
    let wish = sale.wish(1);
    assert!(matches!(line.joins(&wish).await, Join::Joined(_)));
    assert_eq!(line.confirms(wish.id).await, Confirm::OnSale(ga()));
    let orders = sold_out(&sale, 1).await;
    line.gives_back(orders[0].id).await;
    assert_eq!(line.on_sale_again().await, [0], "an unconfirmed wish is nobody's");
    sale.has_order([0]).await;
    let Confirm::Confirmed(entry) = line.confirms(wish.id).await else { panic!("it waits") };
    assert_eq!((entry.state, entry.position), (EntryState::Waiting, Some(1)));
    assert_eq!(line.confirms(wish.id).await, Confirm::Confirmed(line.entry(wish.id).await), "twice is once");
    let nobody = EntryId::from_uuid(Uuid::now_v7());
    assert_eq!(line.confirms(nobody).await, Confirm::NotFound);
    let late = sale.wish(1);
    line.joins(&late).await;
    line.passes(3_601_000).await;
    line.tend().await;
    assert_eq!(line.states([wish.id, late.id]).await, [EntryState::Waiting, EntryState::Expired]);
    let gone = sale.wish(1);
    line.joins(&gone).await;
    assert_eq!(line.leaves(gone.id).await, EntryState::Left);
    let contacts = "SELECT count(*) FROM waitlist_contacts";
    assert_eq!(world.number(contacts).await, 2, "an hour long it counts how many letters an address got");
    line.passes(3_601_000).await;
    line.tend().await;
    assert_eq!(world.number(contacts).await, 1, "the address of who never confirmed is forgotten, and only that");
    world.audits_clean().await;
}

#[tokio::test]
async fn the_queue_comes_first_in_its_own_order_while_it_has_its_time() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let orders = sold_out(&sale, 1).await;
    let line = Line { world: &world, sale: &sale };
    let from_the_queue = |number| NewEntry { number: Some(PlaceNumber(number)), ..sale.wish(1) };
    let newcomer = line.waits(&sale.wish(1)).await;
    let ninth = line.waits(&from_the_queue(900_009)).await;
    let seventh = line.waits(&from_the_queue(900_007)).await;
    line.gives_back(orders[0].id).await;
    assert_eq!(
        line.states([newcomer, ninth, seventh]).await,
        [EntryState::Waiting; 3],
        "kept, until all had their time"
    );
    assert!(line.entry(seventh).await.gathers_until.is_some());
    let positions = [line.entry(seventh).await, line.entry(ninth).await, line.entry(newcomer).await];
    assert_eq!(positions.map(|entry| entry.position), [Some(1), Some(2), Some(3)]);
    line.passes(GATHERED_MS).await;
    let late = line.waits(&from_the_queue(900_001)).await;
    assert_eq!(line.state(seventh).await, EntryState::Offered, "whoever asks first after it, all are served in order");
    assert_eq!(line.entry(late).await.position, Some(3), "behind everybody: the queue had its time");
    assert_eq!(line.entry(late).await.gathers_until, None);
    world.audits_clean().await;
}

/// The rule for small and big wishes, step by step.
#[tokio::test]
async fn nobody_is_passed_over_more_than_three_times_for_wanting_more() {
    let world = World::new().await;
    let sale = world.sale(8, Price::Paid).await;
    let orders = sold_out(&sale, 8).await;
    let line = Line { world: &world, sale: &sale };
    let [big, a, b, c, d, e] = line.wait_for([2, 1, 1, 1, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    for (order, small) in orders.iter().zip([a, b, c]) {
        line.gives_back(order.id).await;
        assert_eq!(line.states([big, small]).await, [EntryState::Waiting, EntryState::Offered]);
    }
    line.gives_back(orders[3].id).await;
    assert_eq!(line.states([big, d]).await, [EntryState::Waiting; 2], "three times is enough: the unit is kept");
    world.audits_clean().await;
    line.gives_back(orders[4].id).await;
    assert_eq!(line.offer(big).await.units, units(&[3, 4]));
    assert_eq!(line.states([d, e]).await, [EntryState::Waiting; 2]);
    line.gives_back(orders[5].id).await;
    assert_eq!(line.states([d, e]).await, [EntryState::Offered, EntryState::Waiting]);
    world.audits_clean().await;
}

#[tokio::test]
async fn what_was_kept_as_long_as_an_offer_lives_goes_to_the_first_in_line() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [big, bigger] = line.wait_for([2, 3]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[1].id).await;
    line.tend().await;
    assert_eq!(line.states([big, bigger]).await, [EntryState::Waiting; 2]);
    line.passes(LAPSED_MS).await;
    line.tend().await;
    assert_eq!(line.offer(big).await.units, units(&[1]), "fewer than it asked for");
    assert_eq!(line.state(bigger).await, EntryState::Waiting);
    let Claim::Created(order) = line.claims(big).await else { panic!("an order") };
    assert_eq!(order.units.len(), 1);
    world.audits_clean().await;
}

#[tokio::test]
async fn of_seats_that_come_back_together_an_offer_is_of_those_side_by_side() {
    let world = World::new().await;
    let tiers = json!([{ "id": "ga", "name": "Stalls", "price": 4500,
                         "rows": [{ "row": "A", "seats": 3 }, { "row": "B", "seats": 3 }] }]);
    let sale = world.sale_with(json!({ "tiers": tiers })).await;
    // and B-1 beside A-3 by number alone, B-2 beside it in its row.
    let (scattered, rest) = (sale.has_order([0, 2, 3, 4]).await, sale.has_order([1, 5]).await);
    let line = Line { world: &world, sale: &sale };
    let [two, one, other] = line.wait_for([2, 1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(scattered.id).await;
    assert_eq!(line.offer(two).await.units, units(&[3, 4]), "B-1 and B-2");
    assert_eq!((line.offer(one).await.units, line.offer(other).await.units), (units(&[0]), units(&[2])));
    assert_eq!(sale.looks_at(rest.id).await.units.len(), 2);
    world.audits_clean().await;
}

#[tokio::test]
async fn while_a_sale_is_paused_nothing_is_offered_and_the_clocks_of_offers_stand() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let orders = sold_out(&sale, 2).await;
    let line = Line { world: &world, sale: &sale };
    let [first, second] = line.wait_for([1, 1]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    let until = line.offer(first).await.until;
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    line.gives_back(orders[1].id).await;
    line.passes(LAPSED_MS * 3).await;
    line.tend().await;
    assert_eq!(line.lapse().await, 0);
    assert_eq!(line.states([first, second]).await, [EntryState::Offered, EntryState::Waiting]);
    assert_eq!(line.claims(first).await, Claim::SalePaused);
    world.audits_clean().await;
    sale_resume(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert!(line.offer(first).await.until > until + jiff::SignedDuration::from_millis(LAPSED_MS));
    line.tend().await;
    assert_eq!(line.state(second).await, EntryState::Offered);
    assert!(matches!(line.claims(first).await, Claim::Created(_)));
    world.audits_clean().await;
}

#[tokio::test]
async fn an_address_waits_once_and_has_no_more_than_a_buyer_may() {
    let world = World::new().await;
    let sale = world.sale(8, Price::Paid).await;
    sold_out(&sale, 8).await;
    let line = Line { world: &world, sale: &sale };
    let first = sale.wish(2);
    let second = NewEntry { email: first.email.to_uppercase(), ..sale.wish(1) };
    line.joins(&first).await;
    line.waits(&second).await;
    assert_eq!(line.confirms(first.id).await, Confirm::AlreadyWaiting);
    assert!(matches!(line.joins(&second).await, Join::Joined(_)), "the same one is there");
    line.leaves(second.id).await;
    assert!(matches!(line.confirms(first.id).await, Confirm::Confirmed(_)));
    let from_the_queue = |number| NewEntry { number: Some(PlaceNumber(number)), ..sale.wish(1) };
    line.waits(&from_the_queue(800_001)).await;
    assert_eq!(line.joins(&from_the_queue(800_001)).await, Join::AlreadyWaiting, "the same place in the queue");
    let too_many = sale.wish(7);
    line.joins(&too_many).await;
    assert_eq!(line.confirms(too_many.id).await, Confirm::LimitReached { limit: 6, tier: None });
    world.audits_clean().await;
}

/// Anybody may type anybody's address: that displaces nothing of it, tells nothing about it, and sends it few letters.
#[tokio::test]
async fn who_types_an_address_has_no_say_about_it() {
    let world = World::new().await;
    let sale = world.sale(8, Price::Paid).await;
    let line = Line { world: &world, sale: &sale };
    let hers = sale.wish(2);
    let bought = NewOrder { email: hers.email.clone(), ..sale.order(0..5) };
    assert!(matches!(sale.creates(&bought).await, CreateOrder::Created(_)));
    sale.has_order([5, 6, 7]).await;
    line.joins(&hers).await;
    let typed = |quantity| NewEntry { email: hers.email.clone(), ..sale.wish(quantity) };
    for quantity in [1, 2, 6] {
        let joined = line.joins(&typed(quantity)).await;
        assert!(matches!(joined, Join::Joined(_)), "what the address has is nobody's business: {joined:?}");
    }
    assert_eq!(line.state(hers.id).await, EntryState::Unconfirmed, "it is still there to be confirmed");
    let letters = "SELECT count(*) FROM outbox WHERE kind = 'mail_waitlist_joined'";
    assert_eq!(world.number(letters).await, 3, "four wishes, three letters");
    line.passes(3_601_000).await;
    line.joins(&typed(1)).await;
    assert_eq!(world.number(letters).await, 4, "an hour later one more");

    let waits = sale.wish(1);
    line.waits(&waits).await;
    let withdrawn = waitlist_withdraw(&world.gateway, sale.id, waits.id).await.unwrap().expect("the entry");
    assert_eq!(withdrawn.state, EntryState::Waiting, "what its owner confirmed is hers to leave");
    let unconfirmed = typed(1);
    line.joins(&unconfirmed).await;
    let withdrawn = waitlist_withdraw(&world.gateway, sale.id, unconfirmed.id).await.unwrap().expect("the entry");
    assert_eq!(withdrawn.state, EntryState::Left);
    world.audits_clean().await;
}

#[tokio::test]
async fn who_bought_elsewhere_meanwhile_claims_no_more_than_a_buyer_may() {
    let world = World::new().await;
    let sale = world.sale(8, Price::Paid).await;
    let (many, few) = (sale.has_order([0, 1, 2, 3, 4, 5]).await, sale.has_order([6, 7]).await);
    let line = Line { world: &world, sale: &sale };
    let wish = sale.wish(2);
    line.waits(&wish).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(few.id).await;
    line.gives_back(many.id).await;
    let bought = NewOrder { email: wish.email.clone(), ..sale.order(0..5) };
    assert!(matches!(sale.creates(&bought).await, CreateOrder::Created(_)));
    assert_eq!(line.claims(wish.id).await, Claim::LimitReached { limit: 6, tier: None });
    assert_eq!(line.state(wish.id).await, EntryState::Offered, "the offer stays");
    line.gives_back(bought.id).await;
    assert!(matches!(line.claims(wish.id).await, Claim::Created(_)));
    world.audits_clean().await;
}

#[tokio::test]
async fn a_sale_that_is_closed_has_no_line() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let orders = sold_out(&sale, 3).await;
    let line = Line { world: &world, sale: &sale };
    let [offered, big] = line.wait_for([1, 2]).await;
    line.passes(GATHERED_MS).await;
    line.gives_back(orders[0].id).await;
    line.gives_back(orders[1].id).await;
    assert_eq!(line.states([offered, big]).await, [EntryState::Offered, EntryState::Waiting]);
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(line.claims(offered).await, Claim::SaleNotOpen);
    line.tend().await;
    assert_eq!(line.states([offered, big]).await, [EntryState::Over; 2]);
    assert_eq!(line.counts().await.free, 2);
    assert_eq!(line.joins(&sale.wish(1)).await, Join::SaleNotOpen);
    world.audits_clean().await;
}
