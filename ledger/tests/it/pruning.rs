//! What is old and over goes, and nothing else.

use ledger::dead_letters::{self, Fit, Hand};
use ledger::idempotency::{Begin, begin, finish};
use ledger::inbox::{Stored, event_done, event_park, event_store, inbox_claim};
use ledger::intent_claims::intent_claim;
use ledger::outbox::{self, Queue};
use ledger::pruning::{Prunable, prune};
use ledger::reconciliations::{self, Ended, Findings};
use uuid::Uuid;

use crate::world::{Price, World, connect};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

impl World {
    async fn prunes(&self, what: Prunable) -> u64 {
        prune(&self.workers, what, 100).await.expect("an answer")
    }

    /// An event that is over.
    async fn is_done_with(&self, id: &str) {
        self.receives(id).await;
        let event = inbox_claim(&self.workers, 1, 60).await.expect("events").remove(0);
        event_done(&self.workers, &event, "").await.expect("an answer");
    }
}

fn again(id: &str) -> ledger::inbox::RawEvent {
    ledger::inbox::RawEvent {
        id: id.to_owned(),
        kind: "payment_intent.succeeded".to_owned(),
        livemode: false,
        account: None,
        api_version: None,
        created: "2026-11-21T12:00:00Z".parse().expect("a time"),
        raw: b"{}".to_vec(),
    }
}

#[tokio::test]
async fn an_event_is_known_for_longer_than_stripe_tells_of_it() {
    let world = World::new().await;
    world.is_done_with("evt_1").await;
    world.receives("evt_parked").await;
    let parked = inbox_claim(&world.workers, 1, 60).await.unwrap().remove(0);
    event_park(&world.workers, &parked, "ill").await.unwrap();
    for passes in [71 * HOUR_MS, 30 * DAY_MS - 71 * HOUR_MS] {
        world.database.advance_clock(passes).await.unwrap();
        assert_eq!(world.prunes(Prunable::Events).await, 0);
        assert_eq!(event_store(&world.gateway, &again("evt_1")).await.unwrap(), Stored::Duplicate);
    }
    world.receives("evt_waits").await;
    world.database.advance_clock(2 * DAY_MS).await.unwrap();
    assert_eq!(world.prunes(Prunable::Events).await, 1);
    assert_eq!(world.number("SELECT count(*) FROM inbox WHERE id IN ('evt_parked', 'evt_waits')").await, 2);

    // What people gave up is over from then on.
    let hand = Hand { by: "ada".to_owned(), why: "of another shop".to_owned() };
    dead_letters::drop(&world.workers, &Fit::default(), &hand).await.unwrap();
    assert_eq!(world.prunes(Prunable::Events).await, 0);
    world.database.advance_clock(32 * DAY_MS).await.unwrap();
    assert_eq!(world.prunes(Prunable::Events).await, 1);
    assert_eq!(
        world.number("SELECT count(*) FROM dead_letter_acts").await,
        1,
        "that it was given up is known for ever"
    );
}

#[tokio::test]
async fn no_batch_is_larger_than_asked_for() {
    let world = World::new().await;
    for number in 0..5 {
        world.is_done_with(&format!("evt_{number}")).await;
    }
    world.database.advance_clock(32 * DAY_MS).await.unwrap();
    let mut gone = Vec::new();
    for _ in 0..4 {
        gone.push(prune(&world.workers, Prunable::Events, 2).await.unwrap());
    }
    assert_eq!(gone, [2, 2, 1, 0]);
}

#[tokio::test]
async fn jobs_go_with_their_sale_half_a_year_after_it_was_closed() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Free).await;
    for unit in 0..2 {
        sale.has_order([unit]).await;
    }
    let jobs = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap();
    outbox::done(&world.workers, &jobs[0]).await.unwrap();
    world.database.advance_clock(181 * DAY_MS).await.unwrap();
    assert_eq!(world.prunes(Prunable::Jobs).await, 0, "the sale is open");
    world.database.execute("UPDATE sales SET state = 'closed', changed_at = onsale_now()").await.unwrap();
    assert_eq!(world.prunes(Prunable::Jobs).await, 0, "it was closed just now");
    world.database.advance_clock(181 * DAY_MS).await.unwrap();
    assert_eq!(world.prunes(Prunable::Jobs).await, 0, "one job waits");
    let waiting = outbox::claim(&world.workers, Queue::Mail, 5, 60).await.unwrap();
    outbox::done(&world.workers, &waiting[0]).await.unwrap();
    assert_eq!(world.prunes(Prunable::Jobs).await, 2);
    assert_eq!(world.number("SELECT count(*) FROM outbox").await, 0);
    world.audits_clean().await;
}

#[tokio::test]
async fn answers_claims_and_rounds_go_when_nobody_can_ask_for_them() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await.id;
    let (ledger, print) = (&world.gateway, [1; 32]);
    begin(ledger, "orders", "k", &print, 30).await.unwrap();
    finish(ledger, "orders", "k", 201, b"{}").await.unwrap();
    intent_claim(&world.workers, sale, "pi_1", Uuid::new_v4(), 60).await.unwrap();
    for _ in 0..3 {
        let round = reconciliations::begin(&world.workers, "a_reconciler", 0, 60).await.unwrap().unwrap();
        let found = Findings { cursor: Some("here".to_owned()), ..Findings::default() };
        assert!(reconciliations::end(&world.workers, &round, Ended::Done, &found).await.unwrap());
    }
    world.database.advance_clock(HOUR_MS - 1_000).await.unwrap();
    for what in Prunable::ALL {
        assert_eq!(world.prunes(what).await, 0, "{what:?}");
    }
    world.database.advance_clock(DAY_MS - HOUR_MS - 60_000).await.unwrap();
    assert!(matches!(begin(ledger, "orders", "k", &print, 30).await.unwrap(), Begin::Replay { .. }));
    assert_eq!((world.prunes(Prunable::Answers).await, world.prunes(Prunable::Claims).await), (0, 1));
    world.database.advance_clock(91 * DAY_MS).await.unwrap();
    assert_eq!((world.prunes(Prunable::Answers).await, world.prunes(Prunable::Rounds).await), (1, 2));
    let next = reconciliations::begin(&world.workers, "a_reconciler", 0, 60).await.unwrap().unwrap();
    assert_eq!(next.resume.as_deref(), Some("here"), "the last good round is kept");
}

/// What must stay, and each for one reason alone. Of the four sales one is open, one was closed lately, one has a job that waits,
/// and the job of one is young.
const STAYS: &str = "
    INSERT INTO inbox (id, kind, livemode, created, raw, state, done_at)
    VALUES ('evt_1', 'x', false, onsale_now(), '', 'done', onsale_now() - interval '30 days');
    CREATE TEMPORARY TABLE numbered AS SELECT id, row_number() OVER (ORDER BY id) AS nr FROM sales;
    UPDATE sales s SET state = CASE nr WHEN 1 THEN s.state ELSE 'closed' END,
           changed_at = onsale_now() - make_interval(days => CASE nr WHEN 2 THEN 170 ELSE 400 END)
      FROM numbered n WHERE n.id = s.id;
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload, state, created_at)
    SELECT id, gen_random_uuid(), 'mail', 'mail_order_paid', 'done', '{}', 'done',
           onsale_now() - make_interval(days => CASE nr WHEN 4 THEN 170 ELSE 400 END)
      FROM numbered;
    INSERT INTO outbox (sale_id, id, queue, kind, dedup_key, payload)
    SELECT id, gen_random_uuid(), 'mail', 'mail_order_paid', 'waits', '{}' FROM numbered WHERE nr = 3;
    INSERT INTO idempotency (scope, key, fingerprint, begun_at, lease_until)
    VALUES ('orders', 'young', sha256('a'), onsale_now() - interval '23 hours', onsale_now() - interval '22 hours'),
           ('orders', 'under way', sha256('b'), onsale_now() - interval '2 days', onsale_now() + interval '1 minute');
    INSERT INTO intent_claims (sale_id, intent_id, holder, lease_until)
    SELECT id, 'pi_1', gen_random_uuid(), onsale_now() - interval '50 minutes' FROM numbered WHERE nr = 1;
    INSERT INTO reconciliations (name, began_at, lease_until, ended_at, result)
    VALUES ('last_good', onsale_now() - interval '100 days', onsale_now(), onsale_now(), 'done'),
           ('under_way', onsale_now() - interval '100 days', onsale_now(), NULL, NULL),
           ('young', onsale_now() - interval '89 days', onsale_now(), onsale_now(), 'failed')";

/// Each guard of the functions, and what is there in its place.
const GUARDS: [(Prunable, &str, &str, &str); 11] = [
    (Prunable::Events, "inbox_prune", "done_at < onsale_now() - make_interval(secs => p_keep_s)", "state = 'done'"),
    (Prunable::Jobs, "outbox_prune", "s.state IN ('closed', 'cancelled')", "true"),
    (Prunable::Jobs, "outbox_prune", "s.changed_at < onsale_now() - make_interval(secs => p_keep_s)", "true"),
    (Prunable::Jobs, "outbox_prune", "o.state IN ('pending', 'parked')", "false"),
    (Prunable::Jobs, "outbox_prune", "o.created_at < onsale_now() - make_interval(secs => p_keep_s)", "true"),
    (Prunable::Answers, "idempotency_prune", "begun_at < onsale_now() - make_interval(secs => p_keep_s)", "true"),
    (Prunable::Answers, "idempotency_prune", "lease_until < onsale_now()", "true"),
    (Prunable::Claims, "intent_claims_prune", "onsale_now() - make_interval(secs => p_keep_s)", "onsale_now()"),
    (Prunable::Rounds, "reconciliations_prune", "r.ended_at IS NOT NULL", "true"),
    (Prunable::Rounds, "reconciliations_prune", "r.began_at < onsale_now() - make_interval(secs => p_keep_s)", "true"),
    (Prunable::Rounds, "reconciliations_prune", "g.result = 'done'", "false"),
];

/// The control: without any one of its guards, pruning takes the one row that only this guard keeps.
#[tokio::test]
async fn every_guard_of_pruning_keeps_something() {
    let world = World::new().await;
    for _ in 0..4 {
        world.sale(1, Price::Free).await;
    }
    let client = connect(&world.database.url).await;
    client.batch_execute(STAYS).await.unwrap();
    for what in Prunable::ALL {
        assert_eq!(world.prunes(what).await, 0, "{what:?}");
    }
    for (what, function, guard, instead) in GUARDS {
        let definition = "SELECT pg_get_functiondef(oid) FROM pg_proc WHERE proname = $1";
        let definition: String = client.query_one(definition, &[&function]).await.unwrap().get(0);
        assert!(definition.contains(guard), "{function} has no guard {guard}");
        client.batch_execute(&format!("BEGIN; {}", definition.replace(guard, instead))).await.unwrap();
        let keep_s = i32::try_from(what.keep_s()).unwrap();
        let gone = client.query_one(&format!("SELECT {function}($1, 100)"), &[&keep_s]).await.unwrap();
        client.batch_execute("ROLLBACK").await.unwrap();
        assert_eq!(gone.get::<_, i64>(0), 1, "without {guard}");
    }
    for what in Prunable::ALL {
        assert_eq!(world.prunes(what).await, 0, "{what:?}");
    }
}
