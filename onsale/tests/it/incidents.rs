//! What selling needs is away for long: the sale stops by itself, says why, and goes on by itself.

use std::time::Duration;

use admission::keys::SaleKeys;
use http::{Method, StatusCode};
use jiff::Timestamp;
use sandbox::Availability;
use sandbox::actors::{Answer, LiveSocket, Order, Visitor};
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use crate::line::crowd;
use crate::log::AdmissionLog;
use crate::shopper::confirmation_token;
use crate::world::{NO_LIMITS, World};

const BOUND: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Runs out while Postgres is away, and not before the sale stands still.
const CLAIM_WINDOW_S: u32 = 12;
/// Postgres is missed for 5 s after its last answer stopped counting, which takes 2.5 s.
const PAUSED_WITHIN: Duration = Duration::from_secs(10);
/// It must answer for 2 s; then a tick and its way.
const RESUMED_WITHIN: Duration = Duration::from_secs(6);
/// How long calls must be bad before the sale stands still, and how long it then waits: moved over by the clock of Redis.
const STRIPE_BAD_MS: i64 = 10_000;
const STRIPE_WAIT_MS: i64 = 15_000;
/// As many as make a failure of Stripe one of many.
const SHOPPERS: usize = 6;
/// The share of the rate at which the line tries again, in thousandths.
const FLOOR_MILLI: u32 = 20;

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_nobody_is_let_in_and_no_clock_runs() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let pace = json!({ "rate_per_s": 50, "burst": 5, "max_shoppers": 5, "claim_window_s": CLAIM_WINDOW_S });
    let sale = world.paced(10, pace).await;
    let inside = crowd(&world.edge, &sale, 1).await.remove(0);
    let buyer = inside.waits_for_turn(BOUND).await.unwrap();
    let _here = inside.watches().await.unwrap();
    let before = turn_ends_at(&inside).await;

    let away = Instant::now();
    world.postgres.stop().await.unwrap();
    // There is room, but a turn could not be written down.
    let next = crowd(&world.edge, &sale, 1).await.remove(0);
    let mut socket = next.watches().await.unwrap();
    let postgres = json!({ "by": "incident", "what": "postgres" });
    is_told_pause(&mut socket, &postgres).await;
    let paused = away.elapsed();
    tokio::time::sleep_until(away + Duration::from_secs(CLAIM_WINDOW_S.into())).await;
    let waits = next.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&waits["state"], &waits["pause"]), (&json!("waiting"), &postgres), "{waits}");

    let back = Instant::now();
    world.postgres.restart().await.unwrap();
    is_told_pause(&mut socket, &Value::Null).await;
    let resumed = back.elapsed();
    buyer.holds("ga", 1).await.unwrap();
    let stood = turn_ends_at(&inside).await.duration_since(before);
    let gone = back - away;
    eprintln!(
        "Postgres away for {gone:?}: paused after {paused:?}, went on {resumed:?} after it was back; clocks {stood:#}"
    );
    assert!(paused < PAUSED_WITHIN && resumed < RESUMED_WITHIN, "{paused:?} and {resumed:?}");
    next.waits_for_turn(BOUND).await.unwrap();
    let log = AdmissionLog::of(&world, &sale).await;
    log.everyone_had_one_turn_in_order(2);
    assert_eq!(log.stops(), [Some("postgres"), None]);
    world.holds_every_invariant();
}

/// The bounds of this incident are long: the clock of Redis is moved over them.
#[tokio::test(flavor = "multi_thread")]
async fn while_stripe_is_away_the_sale_stands_still_and_tries_again_by_itself() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.paced(50, json!({ "rate_per_s": 50, "burst": 20, "max_shoppers": SHOPPERS })).await;
    let clock = SaleKeys::new(sale.parse().unwrap()).clock_offset();
    let (mut inside, mut paying) = (Vec::new(), Vec::new());
    for _ in 0..SHOPPERS {
        let (buyer, order) = world.has_order(&sale).await;
        inside.push(buyer);
        paying.push(Paying::begins(&world, &sale, order).await);
    }
    let next = crowd(&world.edge, &sale, 1).await.remove(0);
    let mut socket = next.watches().await.unwrap();

    world.stripe.set_availability(Availability::Unreachable).await.unwrap();
    all_fail(&world, &paying).await;
    world.redis.set_clock_offset(&clock, STRIPE_BAD_MS).await.unwrap();
    let stripe = json!({ "by": "incident", "what": "stripe" });
    tokio::join!(is_told_pause(&mut socket, &stripe), all_fail(&world, &paying));
    let waits = next.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    assert_eq!((&waits["state"], &waits["pause"]), (&json!("waiting"), &stripe), "{waits}");
    let refused = inside[0].asks_to_hold("ga", 1).await.unwrap();
    assert_eq!(refused.code(), Some("sale_paused"), "{refused:?}");

    // Longer in earnest than it takes that no call of before counts.
    looks_until(&world, &sale, |view| view.pacing.payments == 0).await;
    world.stripe.set_availability(Availability::Available).await.unwrap();
    world.redis.set_clock_offset(&clock, STRIPE_BAD_MS + STRIPE_WAIT_MS).await.unwrap();
    is_told_pause(&mut socket, &Value::Null).await;
    assert_eq!(world.view(&sale).await.factor_milli, FLOOR_MILLI);
    for (paying, buyer) in paying.iter().zip(&inside) {
        paying.presses_pay(&world).await.expect(StatusCode::OK).unwrap();
        buyer.waits_until_order_is(&paying.order, "paid", BOUND).await.unwrap();
    }
    looks_until(&world, &sale, |view| view.factor_milli > FLOOR_MILLI).await;
    socket.waits_for("admitted", BOUND).await.unwrap();
    assert_eq!(AdmissionLog::of(&world, &sale).await.stops(), [Some("stripe"), None]);
    world.holds_every_invariant();
}

/// Somebody before the button, with what Stripe.js made of the card while Stripe was there.
struct Paying {
    sale: String,
    order: Order,
    confirmation: String,
}

impl Paying {
    async fn begins(world: &World, sale: &str, order: Order) -> Self {
        let confirmation = confirmation_token(&world.stripe.base_url()).await;
        Self { sale: sale.to_owned(), order, confirmation }
    }

    async fn presses_pay(&self, world: &World) -> Answer {
        let path = format!("/v1/sales/{}/orders/{}/pay", self.sale, self.order.id);
        let (bearer, key) = (format!("Bearer {}", self.order.token), Uuid::new_v4().to_string());
        let headers = [("authorization", bearer.as_str()), ("idempotency-key", key.as_str())];
        let body = json!({ "confirmation_token": self.confirmation });
        world.edge.ask(Method::POST, &path, &headers, &body).await.unwrap()
    }
}

async fn all_fail(world: &World, paying: &[Paying]) {
    let answers = futures_util::future::join_all(paying.iter().map(|paying| paying.presses_pay(world))).await;
    for answer in answers {
        assert_eq!(answer.code(), Some("store_unavailable"), "{answer:?}");
    }
}

async fn looks_until(world: &World, sale: &str, wanted: impl Fn(&admission::View) -> bool) {
    let started = Instant::now();
    loop {
        let view = world.view(sale).await;
        if wanted(&view) {
            return;
        }
        assert!(started.elapsed() < BOUND, "{:?} {:?}", view.pacing, view.factor_milli);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn is_told_pause(socket: &mut LiveSocket, wanted: &Value) {
    let says = |frame: &Value| frame["data"].get("pause").is_some_and(|pause| pause == wanted);
    socket.waits_until("a word about the pause", BOUND, says).await.unwrap();
}

async fn turn_ends_at(visitor: &Visitor) -> Timestamp {
    let position = visitor.polls().await.unwrap().expect(StatusCode::OK).unwrap();
    position["pass_expires_at"].as_str().unwrap_or_else(|| panic!("{position}")).parse().unwrap()
}
