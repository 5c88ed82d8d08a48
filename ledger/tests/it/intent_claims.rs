//! One call at a time on an intent, and the order in which the jobs of Stripe are claimed.

use std::sync::Arc;

use domain::SaleId;
use ledger::intent_claims::{IntentClaim, intent_claim, intent_release};
use ledger::outbox::{self, Queue};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{Price, World, connect, patiently};

const INTENT: &str = "pi_1";
const LEASE_S: u32 = 60;

async fn claims(world: &World, sale: SaleId, holder: Uuid) -> IntentClaim {
    patiently(|| intent_claim(&world.workers, sale, INTENT, holder, LEASE_S)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_at_once_one_has_the_intent_and_after_it_the_next() {
    let world = Arc::new(World::new().await);
    let sale = world.sale(1, Price::Paid).await.id;
    for _ in 0..5 {
        let mut asking = JoinSet::new();
        for _ in 0..20 {
            let (world, holder) = (Arc::clone(&world), Uuid::new_v4());
            asking.spawn(async move { (holder, claims(&world, sale, holder).await) });
        }
        let answers = asking.join_all().await;
        let ours: Vec<_> = answers.iter().filter(|(_, claim)| *claim == IntentClaim::Ours).collect();
        assert_eq!(ours.len(), 1, "{answers:?}");
        let another = intent_claim(&world.workers, sale, "pi_2", Uuid::new_v4(), LEASE_S).await.unwrap();
        assert_eq!(another, IntentClaim::Ours, "another intent is another matter");
        intent_release(&world.workers, sale, "pi_2", Uuid::new_v4()).await.unwrap();
        world.database.execute("DELETE FROM intent_claims WHERE intent_id = 'pi_2'").await.unwrap();
        intent_release(&world.workers, sale, INTENT, ours[0].0).await.unwrap();
    }
    assert_eq!(world.number("SELECT count(*) FROM intent_claims").await, 0, "nothing is left of what ended well");
}

#[tokio::test]
async fn who_died_has_the_intent_until_the_lease_is_over_and_ends_nobody_elses_claim() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await.id;
    let (slow, quick) = (Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(claims(&world, sale, slow).await, IntentClaim::Ours);
    assert_eq!(claims(&world, sale, slow).await, IntentClaim::Ours, "its answer was lost: the same again");
    world.database.advance_clock(59_000).await.unwrap();
    assert_eq!(claims(&world, sale, quick).await, IntentClaim::Busy);
    world.database.advance_clock(2_000).await.unwrap();
    assert_eq!(claims(&world, sale, quick).await, IntentClaim::Ours);
    intent_release(&world.workers, sale, INTENT, slow).await.unwrap();
    assert_eq!(claims(&world, sale, slow).await, IntentClaim::Busy, "it overslept");
}

async fn adds(world: &World, sale: SaleId, kind: &str, number: u32) {
    let payload = r#"{"order": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f7", "payment": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f8",
        "intent": "pi_1", "key": "k", "refund": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f9", "amount": 1, "currency": "eur"}"#;
    let add = format!("SELECT job_add('{}', 'stripe', '{kind}', '{kind}:{number}', '{payload}')", sale.uuid());
    world.database.execute(&add).await.expect("a job");
}

/// Added the other way round; and those that are not due yet keep nobody else back.
#[tokio::test]
async fn captures_are_claimed_before_cancellations_and_those_before_refunds() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await.id;
    for kind in ["payment_refund", "payment_cancel", "payment_check", "payment_capture"] {
        for number in 0..10 {
            adds(&world, sale, kind, number).await;
        }
        world.database.advance_clock(1_000).await.unwrap();
    }
    let later = "UPDATE outbox SET next_at = next_at + interval '1 hour'
                  WHERE kind = 'payment_capture' AND dedup_key < 'payment_capture:4'";
    world.database.execute(later).await.unwrap();
    let mut ranks = Vec::new();
    for limit in [7, 7, 7, 7, 7, 7] {
        let claimed = outbox::claim(&world.workers, Queue::Stripe, limit, 60).await.unwrap();
        ranks.extend(claimed.iter().map(|job| match &job.work {
            outbox::Work::PaymentCapture(_) | outbox::Work::PaymentCheck(_) => 0,
            outbox::Work::PaymentCancel(_) => 1,
            outbox::Work::PaymentRefund { .. } => 2,
            other => panic!("{other:?}"),
        }));
        // Refunds were added four seconds ago at least, and none of them an hour ago.
        let refunds = claimed.iter().filter(|job| matches!(job.work, outbox::Work::PaymentRefund { .. }));
        assert!(refunds.into_iter().all(|job| (4..3_600).contains(&job.age_s)), "{claimed:?}");
    }
    let expected: Vec<_> = [[0; 16].as_slice(), &[1; 10], &[2; 10]].concat();
    assert_eq!(ranks, expected);
    assert_eq!(world.number("SELECT count(*) FROM outbox WHERE queue = 'stripe' AND attempts = 0").await, 4);
}

/// How Postgres claims, row by row.
async fn plan(world: &World) -> String {
    let claim = ledger::statements::all().find(|statement| statement.contains("AS served (rank")).expect("the claim");
    let claim = claim.replace("$1", "'stripe'").replace("$2", "10").replace("$3", "60").replace("$4", "NULL");
    let client = connect(&world.database.url).await;
    let rows = client.query(&format!("EXPLAIN (ANALYZE, COSTS OFF) {claim}"), &[]).await.expect("a plan");
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

/// Many that wait for their time, in the first rank, are not looked at to find what is due in the last.
#[tokio::test]
async fn a_claim_goes_along_the_index() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await.id;
    let many = format!(
        "INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload, next_at)
         SELECT '{}', gen_random_uuid(), 'stripe', 'payment_capture', 'x' || n, '{{}}', onsale_now() + interval '1 hour'
           FROM generate_series(1, 20000) AS n",
        sale.uuid()
    );
    world.database.execute(&many).await.unwrap();
    world.database.execute("ANALYZE outbox").await.unwrap();
    adds(&world, sale, "payment_refund", 1).await;
    let along = |plan: &str| plan.contains("outbox_due_idx") && !plan.contains("Rows Removed by");
    let good = plan(&world).await;
    assert!(along(&good), "{good}");
    world.database.execute("DROP INDEX outbox_due_idx").await.unwrap();
    adds(&world, sale, "payment_refund", 2).await;
    assert!(!along(&plan(&world).await), "the control");
}
