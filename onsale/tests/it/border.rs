//! The border between Redis and Postgres, crossed by processes that stand still in the middle of it, as a machine does that
//! is suspended: whatever they were about to do arrives when all has changed.

use std::time::Duration;

use admission::keys::SaleKeys;
use futures_util::future::join_all;
use http::StatusCode;
use sandbox::FaultProxy;
use sandbox::actors::{ActorError, Answer, Buyer, Card, Edge, Hold, Visitor};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::outage::is_normal_again;
use crate::scale::scaled;
use crate::world::{NO_LIMITS, Process, STRIPE_TAKES_ALL, World, sale};

const BOUND: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// Past the time of a hold (300 s), and not past the session of who has it (600 s and more).
const PAST_HOLD_MS: i64 = 310_000;
const TOMBSTONES: &str = "SELECT count(*) FROM hold_claims WHERE order_id IS NULL";
const ORDERED: &str = "SELECT count(*) FROM units WHERE state IN ('ordered', 'sold')";

/// One process that reaches a store through a proxy, beside those that reach it directly.
struct Behind {
    process: Process,
    proxy: FaultProxy,
    edge: Edge,
}

impl Behind {
    async fn gateway_and_postgres(world: &World) -> Self {
        let proxy = FaultProxy::start(world.postgres.address()).await.unwrap();
        let url = proxy.through(&world.database.url);
        let (process, edge) = world.adds_gateway_and_set(&[("DATABASE_URL", &url)]).await;
        Self { process, proxy, edge }
    }

    async fn gateway_and_redis(world: &World) -> Self {
        let proxy = FaultProxy::start(world.redis.address()).await.unwrap();
        let url = proxy.through(&world.redis.url());
        let (process, edge) = world.adds_gateway_and_set(&[("REDIS_URL", &url)]).await;
        Self { process, proxy, edge }
    }

    async fn workers_and_redis(world: &World) -> Self {
        let proxy = FaultProxy::start(world.redis.address()).await.unwrap();
        let process = world.adds_workers_and_set(&[("REDIS_URL", &proxy.through(&world.redis.url()))]).await;
        Self { process, proxy, edge: world.edge.clone() }
    }

    /// Suspends the process when something of it is held back, which leaves that where it is.
    async fn is_suspended_when_held_back(&self) {
        until("something is held back", async || self.proxy.held_back() > 0).await;
        self.process.is_suspended();
    }

    /// What was held back arrives, and the process goes on.
    async fn goes_on(&self) {
        self.proxy.restore().await.unwrap();
        self.process.is_resumed();
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < BOUND, "never: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl World {
    async fn has_turn_at(&self, edge: &Edge, sale: &str) -> Buyer {
        let mut visitor = Visitor::new(edge, sale);
        visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
        visitor.waits_for_turn(BOUND).await.unwrap()
    }

    async fn passes_time_of_holds(&self, sale: &str, ms: i64) {
        let offset = SaleKeys::new(sale.parse().unwrap()).clock_offset();
        self.redis.set_clock_offset(&offset, ms).await.unwrap();
    }

    async fn has_free(&self, sale: &str, units: u32) {
        let ga = "ga".parse().unwrap();
        until("so many units are free", async || self.view(sale).await.stock[&ga].free == units).await;
    }

    /// Somebody new takes a unit that has become free, and pays for it.
    async fn sells_one(&self, sale: &str) {
        let buyer = self.has_turn(sale).await;
        let hold = buyer.holds("ga", 1).await.unwrap();
        let order = buyer.orders(&hold, &format!("{}@example.com", &hold.id[5..]), "Next").await.unwrap();
        buyer.pays(&order, Card::Visa, &self.stripe.base_url()).await.unwrap().expect(StatusCode::OK).unwrap();
        buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
    }
}

/// What somebody is told who asks again until there is an answer.
async fn is_told(mut first: Answer, ask: impl AsyncFn() -> Result<Answer, ActorError>) -> Answer {
    let started = Instant::now();
    while first.status == StatusCode::SERVICE_UNAVAILABLE || first.code() == Some("request_in_progress") {
        assert!(started.elapsed() < BOUND, "{first:?}");
        tokio::time::sleep(LOOK_EVERY).await;
        first = ask().await.unwrap();
    }
    first
}

/// The one unit of a sale was held, and its gateway is suspended with the order on its way to Postgres.
struct AboutToClaim {
    world: World,
    slow: Behind,
    sale: String,
    buyer: Buyer,
    hold: Hold,
    ordering: JoinSet<Answer>,
}

impl AboutToClaim {
    async fn start() -> Self {
        let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
        let slow = Behind::gateway_and_postgres(&world).await;
        let sale = world.sells(1).await;
        let buyer = world.has_turn_at(&slow.edge, &sale).await;
        let hold = buyer.holds("ga", 1).await.unwrap();
        slow.proxy.hold_back(b"order_create");
        let mut ordering = JoinSet::new();
        ordering.spawn({
            let (buyer, hold) = (buyer.clone(), hold.clone());
            async move { buyer.asks_to_order(&hold, "slow@example.com", "Slow").await.unwrap() }
        });
        slow.is_suspended_when_held_back().await;
        Self { world, slow, sale, buyer, hold, ordering }
    }

    /// The same buyer at the other gateway.
    fn elsewhere(&self) -> Buyer {
        Buyer::new(&self.world.edge, &self.sale, "10.9.9.9", self.buyer.pass())
    }

    /// The gateway goes on, and what the buyer is told then.
    async fn goes_on(&mut self) -> Answer {
        self.slow.goes_on().await;
        let Self { buyer, hold, ordering, .. } = self;
        is_told(ordering.join_next().await.unwrap().unwrap(), async || {
            buyer.asks_to_order(hold, "slow@example.com", "Slow").await
        })
        .await
    }

    /// One order there is, of one unit.
    async fn was_ordered_once(&self) {
        let orders = self.world.counts("SELECT count(*) FROM orders").await;
        assert_eq!((self.world.counts(ORDERED).await, orders), (1, 1));
        self.world.holds_every_invariant();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_suspended_between_freezing_and_claiming_orders_nothing_that_was_sold_meanwhile() {
    let mut claim = AboutToClaim::start().await;
    let seen = claim.elsewhere().looks_at_hold(&claim.hold).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(seen["state"], "frozen", "Redis had said yes, and Postgres was not asked");

    let AboutToClaim { world, sale, .. } = &claim;
    world.passes_time_of_holds(sale, PAST_HOLD_MS).await;
    world.has_free(sale, 1).await;
    assert_eq!(world.counts(TOMBSTONES).await, 1);
    world.sells_one(sale).await;

    let told = claim.goes_on().await;
    assert_eq!((told.status, told.code()), (StatusCode::CONFLICT, Some("hold_expired")));
    claim.was_ordered_once().await;
}

/// The same with the time of the hold not over: the claim is late and the order stands, though the buyer gave up and asked
/// another gateway.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_comes_late_within_the_time_of_the_hold_is_the_one_order_there_is() {
    let mut claim = AboutToClaim::start().await;
    let order = claim.elsewhere().orders(&claim.hold, "slow@example.com", "Slow").await.unwrap();
    let told = claim.goes_on().await;
    assert_eq!((told.status, &told.body["id"]), (StatusCode::OK, &serde_json::json!(order.id)), "{told:?}");
    claim.was_ordered_once().await;
}

/// Redis is emptied while the claim is on its way, and the unit is sold in the new epoch.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_comes_when_redis_was_lost_and_the_unit_is_sold_is_refused() {
    let mut claim = AboutToClaim::start().await;
    let AboutToClaim { world, sale, .. } = &claim;
    world.redis.flush().await.unwrap();
    let mut next = Visitor::new(&world.edge, sale);
    is_normal_again(async || next.joins().await, StatusCode::CREATED).await;
    let next = next.waits_for_turn(BOUND).await.unwrap();
    let held = is_told(next.asks_to_hold("ga", 1).await.unwrap(), async || next.asks_to_hold("ga", 1).await).await;
    next.orders(&Hold::of(held).unwrap(), "next@example.com", "Next").await.unwrap();

    let told = claim.goes_on().await;
    assert_eq!(told.code(), Some("hold_not_found"), "{told:?}");
    let AboutToClaim { buyer, hold, .. } = &claim;
    let gone = is_told(buyer.reclaims(hold).await.unwrap(), async || buyer.reclaims(hold).await).await;
    assert_eq!(gone.code(), Some("seat_taken"), "{gone:?}");
    claim.was_ordered_once().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_suspended_between_tombstone_and_freeing_frees_nothing_of_the_next_holder() {
    let mut world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut wish = sale(2);
    wish["per_buyer_limit"] = serde_json::json!(1);
    let sale = world.organizer.puts_on_sale(&wish).await.unwrap();
    let slow = Behind::workers_and_redis(&world).await;
    let first = world.has_turn(&sale).await;
    first.orders(&first.holds("ga", 1).await.unwrap(), "ada@example.com", "Ada").await.unwrap();
    // An order that is refused leaves its hold frozen.
    let buyer = world.has_turn(&sale).await;
    let hold = buyer.holds("ga", 1).await.unwrap();
    let refused = buyer.asks_to_order(&hold, "ada@example.com", "Ada").await.unwrap();
    assert_eq!(refused.code(), Some("limit_reached"), "{refused:?}");
    world.workers.is_killed();

    slow.proxy.hold_back(hold.id.as_bytes());
    world.passes_time_of_holds(&sale, PAST_HOLD_MS).await;
    slow.is_suspended_when_held_back().await;
    assert_eq!(world.counts(TOMBSTONES).await, 1, "written, and Redis was not told");
    let told = buyer.asks_to_order(&hold, "bea@example.com", "Bea").await.unwrap();
    assert_eq!((told.status, told.code()), (StatusCode::CONFLICT, Some("hold_expired")));

    world.restarts_workers().await;
    world.has_free(&sale, 1).await;
    let next = world.has_turn(&sale).await;
    let held = next.holds("ga", 1).await.unwrap();
    slow.goes_on().await;
    until("the worker is well again", async || is_ready(&slow.process).await).await;
    let seen = next.looks_at_hold(&held).await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!(seen["state"], "held", "{seen}");
    next.orders(&held, "next@example.com", "Next").await.unwrap();
    assert_eq!(world.counts(ORDERED).await, 2);
    world.holds_every_invariant();
}

async fn is_ready(process: &Process) -> bool {
    let answer = process.admin.ask(http::Method::GET, "/readyz", &[], &serde_json::Value::Null).await;
    answer.is_ok_and(|answer| answer.status.is_success())
}

/// The buyer hears of the hold when it is over and somebody else has the unit.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_suspended_between_taking_and_answering_tells_of_a_hold_that_is_over() {
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let slow = Behind::gateway_and_redis(&world).await;
    let sale = world.sells(1).await;
    let buyer = world.has_turn_at(&slow.edge, &sale).await;
    slow.proxy.delay(Duration::from_millis(500));
    let mut taking = JoinSet::new();
    taking.spawn({
        let buyer = buyer.clone();
        async move { buyer.asks_to_hold("ga", 1).await.unwrap() }
    });
    world.has_free(&sale, 0).await;
    slow.process.is_suspended();
    world.passes_time_of_holds(&sale, PAST_HOLD_MS).await;
    world.has_free(&sale, 1).await;
    world.sells_one(&sale).await;

    slow.proxy.delay(Duration::ZERO);
    slow.process.is_resumed();
    let told = taking.join_next().await.unwrap().unwrap();
    // It was answered late, or not in time: then the gateway says so.
    assert!(matches!(told.status, StatusCode::CREATED | StatusCode::SERVICE_UNAVAILABLE), "{told:?}");
    if told.status == StatusCode::CREATED {
        let hold = Hold::of(told).unwrap();
        let refused = is_told(buyer.asks_to_order(&hold, "slow@example.com", "Slow").await.unwrap(), async || {
            buyer.asks_to_order(&hold, "slow@example.com", "Slow").await
        })
        .await;
        assert_eq!(refused.code(), Some("hold_expired"), "{refused:?}");
    }
    assert_eq!((world.counts(ORDERED).await, world.counts("SELECT count(*) FROM orders").await), (1, 1));
    world.holds_every_invariant();
}

/// Twelve orders at once, and the gateway stops somewhere among them: some have frozen, some have claimed, some were not read.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_suspended_anywhere_in_a_rush_past_the_time_of_the_holds_sells_each_unit_once() {
    let rounds = scaled(2, 30);
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let slow = Behind::gateway_and_postgres(&world).await;
    slow.proxy.delay(CLAIMS_LATE);
    let (mut ordered, mut expired, mut round) = (0, 0, 0);
    // A round in which every order was there before the gateway stood shows nothing.
    while round < rounds || expired == 0 {
        assert!(round < ROUNDS_MAX, "none of {ordered} orders came too late");
        let (won, lost) = stops_in_a_rush(&world, &slow, 1 + 5 * round % RUSH).await;
        (ordered, expired, round) = (ordered + won, expired + lost, round + 1);
    }
    eprintln!("{round} rushes into a gateway that stops: {ordered} orders, {expired} came too late");
    assert!(ordered >= round, "{ordered} orders in {round} rounds");
    world.holds_every_invariant();
}

const RUSH: usize = 12;
const ROUNDS_MAX: usize = 30;
/// By how much each answer of Postgres is late, so that orders are on their way for longer than it takes to stop.
const CLAIMS_LATE: Duration = Duration::from_millis(15);
/// Between one order and the next.
const APART: Duration = Duration::from_millis(10);

/// How many had their order, and how many were told that they came too late.
async fn stops_in_a_rush(world: &World, slow: &Behind, stops_after: usize) -> (usize, usize) {
    let sale = world.sells(u32::try_from(RUSH).unwrap()).await;
    let buyers = join_all((0..RUSH).map(|_| world.has_turn_at(&slow.edge, &sale))).await;
    let holds: Vec<Hold> = join_all(buyers.iter().map(async |buyer| buyer.holds("ga", 1).await.unwrap())).await;
    let order = async |number: usize| {
        buyers[number].asks_to_order(&holds[number], &format!("b{number}@example.com"), "Ada").await
    };
    let ordering = join_all((0..RUSH).map(async |number| {
        tokio::time::sleep(APART * u32::try_from(number).unwrap()).await;
        order(number).await.unwrap()
    }));
    let (of_sale, stops_after) = (ordered_of(&sale), i64::try_from(stops_after).unwrap());
    let meanwhile = async {
        until("some orders are there", async || world.counts(&of_sale).await >= stops_after).await;
        slow.process.is_suspended();
        world.passes_time_of_holds(&sale, PAST_HOLD_MS).await;
        // Every hold has come to its end: as an order, or free.
        let live = "ga".parse().unwrap();
        until("no hold is left", async || world.view(&sale).await.stock[&live].held == 0).await;
        let free = world.view(&sale).await.stock[&live].free;
        if free > 0 {
            let next = world.has_turn(&sale).await;
            let hold = next.holds("ga", free.min(6)).await.unwrap();
            next.orders(&hold, "next@example.com", "Next").await.unwrap();
        }
        slow.process.is_resumed();
        usize::try_from(free.min(6)).unwrap()
    };
    let (answers, sold_next) = tokio::join!(ordering, meanwhile);
    let mut won = 0;
    for (number, answer) in answers.into_iter().enumerate() {
        let told = is_told(answer, async || order(number).await).await;
        match (told.status, told.code()) {
            (StatusCode::CREATED | StatusCode::OK, _) => won += 1,
            (_, Some("hold_expired" | "hold_not_found")) => {}
            _ => panic!("{told:?}"),
        }
    }
    assert_eq!(world.counts(&of_sale).await, i64::try_from(won + sold_next).unwrap(), "{won} and {sold_next}");
    (won, RUSH - won)
}

fn ordered_of(sale: &str) -> String {
    let sale = sale.parse::<domain::SaleId>().unwrap().uuid();
    format!("SELECT count(*) FROM units WHERE state = 'ordered' AND sale_id = '{sale}'")
}
