//! What people do with jobs and events that were given up.

use std::sync::Arc;

use ledger::LedgerError;
use ledger::dead_letters::{DeadLetter, Fit, Hand, drop, letter_state, list, retry};
use ledger::inbox::{event_park, event_quarantine, inbox_claim};
use ledger::outbox::{self, Job, Queue, Work};
use tokio::task::JoinSet;

use crate::world::{Price, World, patiently};

/// Long enough for a test, and a lease that is over when the clock moves a minute.
const LEASE_S: u32 = 30;
const AGE_MS: i64 = 60_000;

fn hand() -> Hand {
    Hand { by: "ada".to_owned(), why: "the key was wrong".to_owned() }
}

fn one(letter: &str) -> Fit {
    Fit { letter: Some(letter.to_owned()), ..Fit::default() }
}

fn of_queue(queue: &str) -> Fit {
    Fit { queue: Some(queue.to_owned()), ..Fit::default() }
}

/// Mails of so many free orders, all of them claimed.
async fn claimed_mails(world: &World, count: u32) -> Vec<Job> {
    let sale = world.sale(count, Price::Free).await;
    for unit in 0..count {
        sale.has_order([unit]).await;
    }
    outbox::claim(&world.workers, Queue::Mail, count, LEASE_S).await.expect("jobs")
}

async fn parks(world: &World, job: &Job) {
    outbox::park(&world.workers, job, "no such mailbox").await.expect("an answer");
}

async fn letters(world: &World, which: &Fit) -> Vec<DeadLetter> {
    list(&world.readonly, which).await.expect("letters")
}

#[tokio::test]
async fn what_was_given_up_is_listed_by_queue_kind_sale_and_age() {
    let world = World::new().await;
    let jobs = claimed_mails(&world, 3).await;
    parks(&world, &jobs[0]).await;
    world.database.advance_clock(AGE_MS).await.unwrap();
    parks(&world, &outbox::claim(&world.workers, Queue::Mail, 1, LEASE_S).await.unwrap()[0]).await;
    for (id, quarantined) in [("evt_1", false), ("evt_2", true)] {
        world.receives(id).await;
        let event = inbox_claim(&world.workers, 1, LEASE_S).await.unwrap().remove(0);
        let ledger = &world.workers;
        let end = if quarantined {
            event_quarantine(ledger, &event, "odd").await
        } else {
            event_park(ledger, &event, "ill").await
        };
        end.unwrap();
    }
    let all = letters(&world, &Fit::default()).await;
    let told: Vec<_> = all.iter().map(|l| (l.queue.as_str(), l.state.as_str(), l.note.as_deref().unwrap())).collect();
    let mail = ("mail", "parked", "no such mailbox");
    assert_eq!(told, [mail, mail, ("inbox", "parked", "ill"), ("inbox", "quarantined", "odd")]);
    assert_eq!(all[0].sale, Some(jobs[0].sale));

    assert_eq!(letters(&world, &of_queue("inbox")).await.len(), 2);
    assert_eq!(letters(&world, &one("evt_2")).await.len(), 1);
    assert_eq!(letters(&world, &Fit { kind: Some("mail_order_paid".to_owned()), ..Fit::default() }).await.len(), 2);
    assert_eq!(letters(&world, &Fit { sale: Some(jobs[0].sale), ..Fit::default() }).await.len(), 2);
    assert_eq!(letters(&world, &Fit { older_s: Some(30), ..Fit::default() }).await.len(), 2, "events came later");
}

#[tokio::test]
async fn a_letter_is_tried_anew_once_and_who_did_it_is_written_down() {
    let world = World::new().await;
    let job = claimed_mails(&world, 1).await.remove(0);
    parks(&world, &job).await;
    let id = job.id.to_string();
    assert_eq!(outbox::claim(&world.workers, Queue::Mail, 5, LEASE_S).await.unwrap(), []);
    assert_eq!(retry(&world.workers, &one(&id), &hand()).await.unwrap(), 1);
    assert_eq!(retry(&world.workers, &one(&id), &hand()).await.unwrap(), 0, "it is pending");
    let again = outbox::claim(&world.workers, Queue::Mail, 5, LEASE_S).await.unwrap().remove(0);
    assert_eq!((again.id, again.attempts), (job.id, 2), "as if it had been tried once");
    let noted = "SELECT count(*) FROM dead_letter_acts
                  WHERE (actor, act, note, kind) = ('ada', 'retried', 'no such mailbox', 'mail_order_paid')";
    assert_eq!(world.number(noted).await, 1);

    world.receives("evt_1").await;
    let event = inbox_claim(&world.workers, 1, LEASE_S).await.unwrap().remove(0);
    event_quarantine(&world.workers, &event, "odd").await.unwrap();
    assert_eq!(retry(&world.workers, &one("evt_1"), &hand()).await.unwrap(), 1);
    assert_eq!(inbox_claim(&world.workers, 1, LEASE_S).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_runs_or_waits_is_never_touched() {
    let world = World::new().await;
    let jobs = claimed_mails(&world, 2).await;
    outbox::retry(&world.workers, &jobs[1], "later", 3_600).await.unwrap();
    let states = "SELECT count(*) FROM outbox WHERE state = 'pending' AND attempts = 1";
    for which in [Fit::default(), of_queue("mail"), one(&jobs[0].id.to_string()), one(&jobs[1].id.to_string())] {
        assert_eq!(retry(&world.workers, &which, &hand()).await.unwrap(), 0);
        assert_eq!(drop(&world.workers, &which, &hand()).await.unwrap(), 0);
    }
    assert_eq!(world.number(states).await, 2);
    assert_eq!(outbox::claim(&world.workers, Queue::Mail, 5, LEASE_S).await.unwrap(), [], "neither is due");
    assert_eq!(
        outbox::done(&world.workers, &jobs[0]).await.unwrap(),
        outbox::Leased::Yes,
        "its lease is its own still"
    );
    assert_eq!(letter_state(&world.readonly, &jobs[0].id.to_string()).await.unwrap().as_deref(), Some("done"));
    assert_eq!(letter_state(&world.readonly, "evt_none").await.unwrap(), None);
}

#[tokio::test]
async fn what_is_dropped_stays_where_it_is_with_a_reason() {
    let world = World::new().await;
    let job = claimed_mails(&world, 1).await.remove(0);
    parks(&world, &job).await;
    world.receives("evt_1").await;
    let event = inbox_claim(&world.workers, 1, LEASE_S).await.unwrap().remove(0);
    event_park(&world.workers, &event, "ill").await.unwrap();

    let silent = drop(&world.workers, &Fit::default(), &Hand { why: String::new(), ..hand() }).await;
    let Err(refused @ LedgerError::Database(_)) = silent else { panic!("{silent:?}") };
    assert_eq!(refused.constraint(), Some("dead_letter_acts_why_check"));
    assert_eq!(letters(&world, &Fit::default()).await.len(), 2, "nothing is dropped without a reason");

    assert_eq!(drop(&world.workers, &Fit::default(), &hand()).await.unwrap(), 2);
    assert_eq!(drop(&world.workers, &Fit::default(), &hand()).await.unwrap(), 0);
    assert_eq!(letters(&world, &Fit::default()).await, []);
    let kept = "SELECT (SELECT count(*) FROM inbox WHERE state = 'dropped') + (SELECT count(*) FROM outbox WHERE state = 'dropped')";
    assert_eq!(world.number(kept).await, 2);
    assert_eq!(world.number("SELECT count(*) FROM dead_letter_acts WHERE act = 'dropped' AND why <> ''").await, 2);
    assert_eq!(retry(&world.workers, &Fit::default(), &hand()).await.unwrap(), 0, "what was given up stays so");
    let rewriting = "UPDATE dead_letter_acts SET why = 'nothing happened'";
    assert!(world.database.execute(rewriting).await.is_err(), "who did it stays written");
}

/// Each letter is one caller's: whoever counts what all were told comes to what there was.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_hands_at_once_act_on_each_letter_once() {
    let world = Arc::new(World::new().await);
    let jobs = claimed_mails(&world, 20).await;
    for job in &jobs {
        parks(&world, job).await;
    }
    let mut hands = JoinSet::new();
    for number in 0..8 {
        let world = Arc::clone(&world);
        hands.spawn(async move {
            let (which, hand) = (of_queue("mail"), hand());
            match number % 2 {
                0 => patiently(|| retry(&world.workers, &which, &hand)).await,
                _ => patiently(|| drop(&world.workers, &which, &hand)).await,
            }
        });
    }
    let told: u64 = hands.join_all().await.into_iter().sum();
    assert_eq!(told, 20);
    assert_eq!(world.number("SELECT count(*) FROM dead_letter_acts").await, 20);
    assert_eq!(world.number("SELECT count(*) FROM outbox WHERE state = 'parked'").await, 0);
}

/// Stripe keeps a failure under its key, so a capture that is tried anew needs another one; a refund must keep its own.
#[tokio::test]
async fn a_call_tried_anew_has_a_key_that_no_try_before_had_but_a_refund_keeps_its_own() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await.id;
    let payload = r#"{"order": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f7", "payment": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f8",
        "intent": "pi_1", "key": "k", "refund": "0192f0a1-b2c3-7d4e-8f90-a1b2c3d4e5f9", "amount": 1, "currency": "eur"}"#;
    for kind in ["payment_capture", "payment_refund"] {
        let add = format!("SELECT job_add('{}', 'stripe', '{kind}', '{kind}', '{payload}')", sale.uuid());
        world.database.execute(&add).await.unwrap();
    }
    let mut captures = vec!["k".to_owned()];
    for _ in 0..3 {
        for job in outbox::claim(&world.workers, Queue::Stripe, 5, LEASE_S).await.unwrap() {
            match &job.work {
                Work::PaymentCapture(call) => captures.push(call.key.clone()),
                Work::PaymentRefund { call, .. } => assert_eq!(call.key, "k"),
                other => panic!("{other:?}"),
            }
            parks(&world, &job).await;
        }
        assert_eq!(retry(&world.workers, &of_queue("stripe"), &hand()).await.unwrap(), 2);
    }
    let tried = &captures[1..];
    assert_eq!(tried[0], "k");
    assert!(
        tried[1] != "k" && tried[2] != "k" && tried[1] != tried[2] && tried[2].len() == tried[1].len(),
        "{tried:?}"
    );
}
