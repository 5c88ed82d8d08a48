//! Captures that Stripe refuses: the units are free again, the order is over, nothing is charged and the buyer is told so.

use domain::order::OrderState;
use domain::sale::CaptureMode::Manual;
use ledger::orders::OrderRow;
use sandbox::{CallFault, IntentStatus, Operation};

use crate::eventually::eventually;
use crate::world::{PRICE, Post, Running, Sale, VISA, World};

/// Workers that run, a sale of one unit, and an order for it whose capture goes wrong so often.
struct Promised {
    world: World,
    workers: Running,
    sale: Sale,
    order: OrderRow,
}

async fn promised(times: u32, fault: CallFault) -> Promised {
    promised_after(async |_| {}, times, fault).await
}

/// The same in a world that was prepared before.
async fn promised_after(prepare: impl AsyncFn(&World), times: u32, fault: CallFault) -> Promised {
    let world = World::new().await;
    let workers = world.start(Post::Open);
    prepare(&world).await;
    let sale = world.open_sale(1, Manual).await;
    let order = world.orders(&sale, 1).await;
    world.stripe.fail_next_of(Operation::CaptureIntent, times, fault);
    world.pays(&order, VISA, Manual).await;
    Promised { world, workers, sale, order }
}

async fn is_over(world: &World, sale: &Sale, order: &OrderRow) {
    world.until_order_is(order, OrderState::Cancelled).await;
    world.until_idle().await;
    let intent = &world.stripe.payment_intents()[0];
    assert_eq!((intent.status, intent.captured), (IntentStatus::Canceled, 0));
    assert_eq!(world.stock(sale).await, (1, 0), "its unit is on sale again");
    assert!(world.order(order).await.tickets.is_empty());
    let told = world.mail.messages().iter().filter(|mail| mail.subject().starts_with("Nothing was charged")).count();
    assert_eq!(told, 1);
    assert_eq!(world.count("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
    world.agrees_with_stripe().await;
    world.audit().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_the_bank_refuses_is_given_up() {
    for fault in [
        CallFault::Declined("lost_card"),
        CallFault::Declined("insufficient_funds"),
        CallFault::Refused("charge_expired_for_capture"),
        CallFault::Refused("capture_charge_authorization_expired"),
        CallFault::Refused("payment_intent_payment_attempt_expired"),
        CallFault::Refused("capture_unauthorized_payment"),
    ] {
        let Promised { world, workers, sale, order } = promised(1, fault).await;
        is_over(&world, &sale, &order).await;
        assert_eq!(world.stripe.calls()[&Operation::CaptureIntent], 1, "{fault:?}: once is enough");
        workers.stop().await;
    }
}

/// The authorisation is gone at Stripe by the time it is to be captured.
#[tokio::test(flavor = "multi_thread")]
async fn an_authorisation_that_lapsed_is_found_out_by_its_capture() {
    let kept_back = promised_after(async |world| world.keeps_jobs_back().await, 0, CallFault::ServerError).await;
    let Promised { world, workers, sale, order } = kept_back;
    world.until_order_is(&order, OrderState::Processing).await;
    let intent = world.stripe.payment_intents().pop().expect("an intent").id;
    world.stripe.lapse(&intent).expect("it is authorised");
    // The event that tells of it is late.
    world.does_its_jobs().await;
    is_over(&world, &sale, &order).await;
    workers.stop().await;
}

/// What passes is waited for, and captured after all.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_passes_costs_no_seat() {
    let Promised { world, workers, order, .. } = promised(2, CallFault::Declined("try_again_later")).await;
    world.until_order_is(&order, OrderState::Paid).await;
    world.until_idle().await;
    assert_eq!(world.stripe.captured_total("eur"), PRICE);
    world.audit().await;
    workers.stop().await;
}

/// A bank that is never there again must not keep a seat from everybody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_reason_that_should_pass_and_does_not_is_given_up_too() {
    let Promised { world, workers, sale, order } = promised(1_000, CallFault::Declined("issuer_not_available")).await;
    let due = "UPDATE outbox SET next_at = onsale_now() WHERE kind = 'payment_capture' AND state = 'pending' AND lease IS NULL";
    eventually("it is over", async || {
        world.database.execute(due).await.expect("Postgres answers");
        world.posts_events().await;
        world.order(&order).await.state == OrderState::Cancelled
    })
    .await;
    is_over(&world, &sale, &order).await;
    assert_eq!(world.stripe.calls()[&Operation::CaptureIntent], 6);
    workers.stop().await;
}

/// Whose request is wrong learns nothing of the money: the seat stays the buyer's until people have looked.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_wrong_gives_nothing_up() {
    let Promised { world, workers, order, .. } = promised(1, CallFault::Refused("amount_too_large")).await;
    eventually("people are told", async || {
        world.posts_events().await;
        world.count("SELECT count(*) FROM outbox WHERE kind = 'payment_capture' AND state = 'parked'").await == 1
    })
    .await;
    assert_eq!(world.order(&order).await.state, OrderState::Processing);
    assert_eq!(world.stripe.payment_intents()[0].status, IntentStatus::RequiresCapture);
    workers.stop().await;
}

/// Stripe took the money and keeps failing to say so: the next key learns it, and nothing is given up.
#[tokio::test(flavor = "multi_thread")]
async fn a_capture_under_a_spent_key_is_a_seat() {
    for fault in [CallFault::ServerErrorAfterwards, CallFault::ServerErrorRemembered] {
        let Promised { world, workers, order, .. } = promised(1, fault).await;
        world.until_order_is(&order, OrderState::Paid).await;
        world.until_idle().await;
        assert_eq!(world.stripe.captured_total("eur"), PRICE);
        world.audit().await;
        workers.stop().await;
    }
}

/// The same of a cancellation.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_under_a_spent_key_is_one() {
    for fault in [CallFault::ServerErrorAfterwards, CallFault::ServerErrorRemembered] {
        let fails = async |world: &World| world.stripe.fail_next_of(Operation::CancelIntent, 1, fault);
        // The capture is refused before each of the two.
        let refused = promised_after(fails, 2, CallFault::Declined("lost_card")).await;
        let Promised { world, workers, sale, order } = refused;
        is_over(&world, &sale, &order).await;
        workers.stop().await;
    }
}
