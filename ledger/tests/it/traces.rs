//! What a request's acts write keeps its trace, and nothing else does.

use domain::payment::IntentStatus;
use domain::trace::Traceparent;
use ledger::inbox::inbox_claim;
use ledger::outbox::{self, Queue};
use ledger::payments::{StripeAnswer, payment_answered};

use crate::world::{Price, World};

const ORDERING: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const PAYING: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

fn trace(text: &str) -> Traceparent {
    text.parse().expect("a traceparent")
}

async fn job(world: &World, queue: Queue) -> Option<Traceparent> {
    let mut jobs = outbox::claim(&world.workers, queue, 5, 60).await.expect("jobs can be claimed");
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs.remove(0).trace
}

#[tokio::test]
async fn what_an_act_writes_keeps_the_trace_of_its_request_and_of_no_other() {
    let mut world = World::new().await;
    let untraced = world.gateway.clone();
    world.gateway = untraced.traced(trace(ORDERING));
    let free = world.sale(3, Price::Free).await;
    free.has_order([0]).await;
    assert_eq!(job(&world, Queue::Mail).await, Some(trace(ORDERING)), "the letter of the order");
    world.receives("evt_1").await;
    assert_eq!(inbox_claim(&world.workers, 1, 60).await.unwrap()[0].trace, Some(trace(ORDERING)));

    // The same connections serve whoever comes next.
    world.gateway = untraced;
    let free = world.sale(3, Price::Free).await;
    free.has_order([0]).await;
    assert_eq!(job(&world, Queue::Mail).await, None);
    world.receives("evt_2").await;
    assert_eq!(inbox_claim(&world.workers, 1, 60).await.unwrap()[0].trace, None);
}

#[tokio::test]
async fn what_news_of_a_payment_writes_is_in_the_trace_of_whoever_pressed_pay() {
    let mut world = World::new().await;
    world.gateway = world.gateway.traced(trace(PAYING));
    let sale = world.sale(3, Price::Paid).await;
    sale.paid_order([0]).await;
    assert_eq!(job(&world, Queue::Mail).await, Some(trace(PAYING)), "the letter with the tickets");
    let paying = sale.order_being_paid([2]).await;
    let authorised = StripeAnswer::Intent(paying.facts(IntentStatus::RequiresCapture));
    payment_answered(&world.gateway, &paying.attempt, &authorised).await.unwrap();
    let kept = "SELECT count(*) FROM outbox WHERE trace IS NOT NULL";
    assert_eq!(world.number(kept).await, 0, "the session of the press has forgotten it");
    assert_eq!(job(&world, Queue::Stripe).await, Some(trace(PAYING)), "the capture");
    // What cannot be read is as good as none, and stops no queue.
    sale.paid_order([1]).await;
    let spoiled =
        "UPDATE payments SET trace = 'rubbish'; UPDATE outbox SET payload = payload || '{\"order\": \"rubbish\"}'";
    world.database.execute(spoiled).await.unwrap();
    assert_eq!(job(&world, Queue::Mail).await, None);
}
