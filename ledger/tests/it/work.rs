//! Inbox, outbox and remembered requests: leases, fences and wake-ups.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ledger::idempotency::{Begin, abandon, begin, finish};
use ledger::inbox::{
    self, DoneEvent, Leased, RawEvent, Stored, event_done, event_park, event_retry, event_store, events_done,
    inbox_claim, inbox_stats,
};
use ledger::outbox::{self, Queue, Work};
use ledger::{Wakeup, Wakeups};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::world::{Price, World, connect};

/// Long enough for a loaded machine; nothing waits this long when it works.
const PATIENCE: Duration = Duration::from_secs(20);

fn event(id: &str) -> RawEvent {
    RawEvent {
        id: id.to_owned(),
        kind: "payment_intent.succeeded".to_owned(),
        livemode: false,
        account: None,
        api_version: Some("2026-09-30.endive".to_owned()),
        created: "2026-11-21T12:00:00Z".parse().expect("a time"),
        raw: b"\xff not even text".to_vec(),
    }
}

#[tokio::test]
async fn an_event_is_stored_once_and_every_delivery_counted() {
    let world = World::new().await;
    assert_eq!(event_store(&world.gateway, &event("evt_1")).await.unwrap(), Stored::New);
    assert_eq!(event_store(&world.gateway, &event("evt_1")).await.unwrap(), Stored::Duplicate);
    assert_eq!(world.number("SELECT deliveries::bigint FROM inbox").await, 2);
    let claimed = inbox_claim(&world.workers, 10, 60).await.unwrap();
    assert_eq!((claimed.len(), claimed[0].attempts), (1, 1));
    assert_eq!(claimed[0].raw, event("evt_1").raw);
    assert_eq!(event_done(&world.workers, &claimed[0], "").await.unwrap(), Leased::Yes);
    assert_eq!(event_store(&world.gateway, &event("evt_1")).await.unwrap(), Stored::Duplicate);
    assert_eq!(inbox_claim(&world.workers, 10, 60).await.unwrap(), [], "a late duplicate wakes nothing up");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_event_is_leased_to_two() {
    let world = Arc::new(World::new().await);
    for number in 0..50 {
        event_store(&world.gateway, &event(&format!("evt_{number}"))).await.unwrap();
    }
    let mut workers = JoinSet::new();
    for _ in 0..8 {
        let world = Arc::clone(&world);
        workers.spawn(async move { inbox_claim(&world.workers, 10, 60).await.unwrap() });
    }
    let claimed: Vec<String> = workers.join_all().await.into_iter().flatten().map(|event| event.id).collect();
    assert_eq!(claimed.len(), claimed.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(claimed.len(), 50);
}

#[tokio::test]
async fn a_worker_that_overslept_its_lease_changes_nothing() {
    let world = World::new().await;
    event_store(&world.gateway, &event("evt_1")).await.unwrap();
    let slow = inbox_claim(&world.workers, 1, 60).await.unwrap().remove(0);
    world.database.advance_clock(61_000).await.unwrap();
    let quick = inbox_claim(&world.workers, 1, 60).await.unwrap().remove(0);
    assert_eq!(quick.attempts, 2);
    assert_eq!(event_done(&world.workers, &slow, "").await.unwrap(), Leased::Lost);
    assert_eq!(event_retry(&world.workers, &slow, "late", 0).await.unwrap(), Leased::Lost);
    assert_eq!(event_park(&world.workers, &slow, "late").await.unwrap(), Leased::Lost);
    assert_eq!(event_retry(&world.workers, &quick, "again", 30).await.unwrap(), Leased::Yes);

    assert_eq!(inbox_claim(&world.workers, 1, 60).await.unwrap(), []);
    world.database.advance_clock(31_000).await.unwrap();
    let last = inbox_claim(&world.workers, 1, 60).await.unwrap().remove(0);
    assert_eq!(event_park(&world.workers, &last, "poison").await.unwrap(), Leased::Yes);
    let stats = inbox_stats(&world.workers).await.unwrap();
    assert_eq!((stats.pending, stats.parked, stats.quarantined), (0, 1, 0));
}

#[tokio::test]
async fn a_job_is_done_once_by_whoever_holds_it() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    sale.has_order([0]).await;
    let stats = outbox::stats(&world.workers).await.unwrap();
    assert_eq!(
        stats.iter().map(|s| (s.queue, s.pending)).collect::<Vec<_>>(),
        [(Queue::Stripe, 0), (Queue::Stock, 0), (Queue::Mail, 1)]
    );

    let slow = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap().remove(0);
    assert_eq!(outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap(), []);
    world.database.advance_clock(61_000).await.unwrap();
    let quick = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap().remove(0);
    assert_eq!(outbox::done(&world.workers, &slow).await.unwrap(), Leased::Lost);
    assert_eq!(outbox::postpone(&world.workers, &quick, "no SMTP", 10).await.unwrap(), Leased::Yes);
    world.database.advance_clock(11_000).await.unwrap();
    let again = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap().remove(0);
    assert_eq!(again.attempts, 2, "a postponed try does not count");
    assert_eq!(outbox::done(&world.workers, &again).await.unwrap(), Leased::Yes);
    assert_eq!(outbox::done(&world.workers, &again).await.unwrap(), Leased::Lost);
}

#[tokio::test]
async fn a_job_of_another_version_does_not_block_the_queue() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    sale.has_order([0]).await;
    sale.has_order([1]).await;
    world
        .database
        .execute("UPDATE outbox SET payload = '{}' WHERE id = (SELECT min(id::text)::uuid FROM outbox)")
        .await
        .unwrap();
    let jobs = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap();
    assert_eq!(jobs.len(), 2);
    let unknown = jobs.iter().find(|job| matches!(job.work, Work::Unknown { .. })).unwrap();
    assert_eq!(outbox::park(&world.workers, unknown, "unreadable").await.unwrap(), Leased::Yes);
    let mail = outbox::stats(&world.workers).await.unwrap().pop().unwrap();
    assert_eq!((mail.pending, mail.parked), (1, 1));
}

async fn hears(wakeups: &mut Wakeups) -> Wakeup {
    timeout(PATIENCE, wakeups.next()).await.expect("a wake-up")
}

#[tokio::test]
async fn whoever_listens_is_woken() {
    let world = World::new().await;
    let mut wakeups = world.workers.wakeups(&[inbox::CHANNEL, Queue::Mail.channel()]);
    assert_eq!(hears(&mut wakeups).await, Wakeup::Connected);
    event_store(&world.gateway, &event("evt_1")).await.unwrap();
    assert_eq!(hears(&mut wakeups).await, Wakeup::Notified(inbox::CHANNEL.to_owned()));
    world.sale(3, Price::Free).await.has_order([0]).await;
    assert_eq!(hears(&mut wakeups).await, Wakeup::Notified(Queue::Mail.channel().to_owned()));

    let listener = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    world.database.execute(listener).await.unwrap();
    assert_eq!(hears(&mut wakeups).await, Wakeup::Connected, "something may have been missed");
}

/// Transactions that notify commit one after the other: of those that store at once one does.
#[tokio::test]
async fn while_one_is_about_to_ring_nobody_else_does() {
    let world = World::new().await;
    let mut wakeups = world.workers.wakeups(&[inbox::CHANNEL, "after_them"]);
    assert_eq!(hears(&mut wakeups).await, Wakeup::Connected);
    let about_to = connect(&world.database.url).await;
    let stores = "BEGIN; INSERT INTO inbox (id, kind, livemode, created, raw) VALUES ('evt_1', 'x', false, now(), '')";
    about_to.batch_execute(stores).await.unwrap();
    for event_id in ["evt_2", "evt_3"] {
        event_store(&world.gateway, &event(event_id)).await.unwrap();
    }
    // What is heard comes in the order of commits.
    world.database.execute("NOTIFY after_them").await.unwrap();
    assert_eq!(hears(&mut wakeups).await, Wakeup::Notified("after_them".to_owned()));
    about_to.batch_execute("COMMIT").await.unwrap();
    assert_eq!(hears(&mut wakeups).await, Wakeup::Notified(inbox::CHANNEL.to_owned()));
    assert_eq!(inbox_claim(&world.workers, 9, 30).await.unwrap().len(), 3);
}

/// Each under its own lease, with its own note, and whoever overslept is told.
#[tokio::test]
async fn many_events_are_done_at_once_each_under_its_lease() {
    let world = World::new().await;
    for event_id in ["evt_1", "evt_2", "evt_3"] {
        event_store(&world.gateway, &event(event_id)).await.unwrap();
    }
    let claimed = inbox_claim(&world.workers, 9, 30).await.unwrap();
    let mut done: Vec<DoneEvent> = claimed
        .iter()
        .zip(["one", "two", "three"])
        .map(|(event, note)| DoneEvent { id: event.id.clone(), lease: event.lease, note })
        .collect();
    done[1].lease = uuid::Uuid::new_v4();
    let leased = events_done(&world.workers, &done).await.unwrap();
    assert_eq!(leased, [Leased::Yes, Leased::Lost, Leased::Yes]);
    assert_eq!(world.event(&done[0].id).await, ("done".to_owned(), "one".to_owned()));
    assert_eq!(world.event(&done[2].id).await, ("done".to_owned(), "three".to_owned()));
    done[1].lease = claimed[1].lease;
    assert_eq!(events_done(&world.workers, &done).await.unwrap(), [Leased::Lost, Leased::Yes, Leased::Lost]);
    assert_eq!(inbox_stats(&world.workers).await.unwrap().pending, 0);
}

#[tokio::test]
async fn a_request_is_done_once_and_remembered_for_a_day() {
    let world = World::new().await;
    let (ledger, one, two) = (&world.gateway, [1; 32], [2; 32]);
    assert_eq!(begin(ledger, "orders", "k", &one, 30).await.unwrap(), Begin::Fresh);
    assert_eq!(begin(ledger, "orders", "k", &one, 30).await.unwrap(), Begin::Running);
    assert_eq!(begin(ledger, "orders", "k", &two, 30).await.unwrap(), Begin::Reused);
    assert_eq!(begin(ledger, "holds", "k", &two, 30).await.unwrap(), Begin::Fresh, "another scope");
    finish(ledger, "orders", "k", 201, b"{}").await.unwrap();
    let replay = Begin::Replay { status: 201, body: b"{}".to_vec() };
    assert_eq!(begin(ledger, "orders", "k", &one, 30).await.unwrap(), replay);
    abandon(ledger, "orders", "k").await.unwrap();
    assert_eq!(begin(ledger, "orders", "k", &one, 30).await.unwrap(), replay, "what is done stays done");

    abandon(ledger, "holds", "k").await.unwrap();
    assert_eq!(begin(ledger, "holds", "k", &one, 30).await.unwrap(), Begin::Fresh);
    world.database.advance_clock(31_000).await.unwrap();
    assert_eq!(begin(ledger, "holds", "k", &one, 30).await.unwrap(), Begin::Fresh, "whoever had it is gone");
    world.database.advance_clock(24 * 3_600_000).await.unwrap();
    assert_eq!(begin(ledger, "orders", "k", &two, 30).await.unwrap(), Begin::Fresh);
}
