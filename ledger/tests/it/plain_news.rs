//! Plain news by sets: each step is what one by one makes of it, and what is not plain is left as it was.

use std::net::SocketAddr;
use std::sync::Arc;

use domain::order::OrderState;
use domain::payment::IntentStatus::{
    self, Canceled, Processing, RequiresAction, RequiresCapture, RequiresConfirmation, RequiresPaymentMethod, Succeeded,
};
use ledger::payments::{
    Applied, Apply, PlainApplied, StripeAnswer, payment_answered, payment_apply, payments_apply_plain,
};
use ledger::{Ledger, LedgerError, PoolConfig, Role};
use sandbox::{FaultProxy, LostReplies};
use tokio::task::JoinSet;

use crate::world::{Paying, Price, TestSale, World, connect, patiently};

const STATUSES: [IntentStatus; 7] =
    [RequiresConfirmation, RequiresAction, Processing, RequiresCapture, Succeeded, Canceled, RequiresPaymentMethod];

/// Of each status after each history, so many: the others fail or end the payment, or contradict what is known.
const PLAIN_STEPS: u32 = 37;

/// What was told of a payment before.
const HISTORIES: [&[IntentStatus]; 8] = [
    &[],
    &[RequiresAction],
    &[Processing],
    &[RequiresCapture],
    &[Succeeded],
    &[RequiresCapture, Succeeded],
    &[RequiresPaymentMethod],
    &[Canceled],
];

/// An order of that unit whose payment is known by its intent.
async fn known(world: &World, sale: &TestSale<'_>, unit: u32) -> Paying {
    let paying = sale.order_being_paid([unit]).await;
    let answer = StripeAnswer::Intent(paying.facts(RequiresConfirmation));
    payment_answered(&world.gateway, &paying.attempt, &answer).await.expect("an answer");
    paying
}

async fn known_many(world: &World, sale: &TestSale<'_>, orders: u32) -> Vec<Paying> {
    let mut paying = Vec::new();
    for unit in 0..orders {
        paying.push(known(world, sale, unit).await);
    }
    paying
}

/// What became of each; none for what was left.
async fn plainly(world: &World, news: &[Apply]) -> Vec<Option<Applied>> {
    let applied = payments_apply_plain(&world.workers, news).await.expect("outcomes");
    applied.into_iter().map(|applied| Some(applied?.applied)).collect()
}

/// All that there is of an order, but for what tells it from another that went the same way: ids, times and its unit.
async fn picture(world: &World, paying: &Paying, event: &str) -> String {
    let (order, payment) = (paying.order.id.uuid(), paying.attempt.id.uuid());
    let query = format!(
        "SELECT jsonb_pretty(jsonb_build_object(
            'order', (SELECT to_jsonb(o) - '{{id,hold_id,number,created_at,changed_at,expires_at}}'::text[] FROM orders o WHERE id = '{order}'),
            'payment', (SELECT to_jsonb(p) - '{{id,order_id,intent_id,idem_key,confirmation_token,begun_at,changed_at,sent_until,look_at,authorised_at,captured_at,order_until}}'::text[]
                               || jsonb_build_object('sent_for', sent_until - begun_at, 'looked_at_after', look_at - begun_at,
                                                     'authorised_at', authorised_at IS NOT NULL, 'captured_at', captured_at IS NOT NULL)
                          FROM payments p WHERE id = '{payment}'),
            'units', (SELECT jsonb_agg(jsonb_build_array(state, gen, order_id IS NOT NULL)) FROM units u
                       WHERE (sale_id, tier_id, unit_no) IN (SELECT sale_id, tier_id, unit_no FROM order_units WHERE order_id = '{order}')),
            'tickets', (SELECT jsonb_agg(jsonb_build_array(state, qr_kid, payment_reference, rotation)) FROM tickets WHERE order_id = '{order}'),
            'transfers', (SELECT jsonb_agg(jsonb_build_array(kind, idem_key, reference, effective_at = (SELECT created FROM inbox WHERE id = '{event}'), resolves IS NOT NULL, legs) ORDER BY t.id)
                            FROM transfers t, LATERAL (SELECT jsonb_agg(jsonb_build_array(leg, account, unit_of_account, amount) ORDER BY leg) AS legs
                                                         FROM entries e WHERE e.sale_id = t.sale_id AND e.transfer_id = t.id) AS l
                           WHERE order_id = '{order}' AND kind <> 'seats_ordered'),
            'jobs', (SELECT jsonb_agg(jsonb_build_array(queue, kind, dedup_key, payload, state, attempts) ORDER BY kind, dedup_key) FROM outbox
                      WHERE payload ->> 'order' = '{order}'),
            'event', (SELECT jsonb_build_array(state, note, done_at IS NOT NULL, lease) FROM inbox WHERE id = '{event}')))"
    );
    let client = connect(&world.database.url).await;
    let text: String = client.query_one(&query, &[]).await.expect("a picture").get(0);
    let names = [order.to_string(), payment.to_string(), paying.intent.clone()];
    names.iter().zip(["<order>", "<payment>", "<intent>"]).fold(text, |text, (id, name)| text.replace(id, name))
}

/// Every step from every state: by sets it is done as one by one, or left untouched.
#[tokio::test]
async fn each_plain_step_is_what_one_by_one_makes_of_it() {
    let world = World::new().await;
    let sale = world.sale(u32::try_from(HISTORIES.len() * STATUSES.len() * 2).unwrap(), Price::Paid).await;
    let (mut unit, mut plain) = (0, 0);
    for history in HISTORIES {
        for status in STATUSES {
            let [by_set, by_itself] = [known(&world, &sale, unit).await, known(&world, &sale, unit + 1).await];
            unit += 2;
            let mut events = Vec::new();
            for paying in [&by_set, &by_itself] {
                for status in history {
                    world.applies(&paying.news(*status)).await;
                }
                events.push(format!("evt_{}", paying.intent));
                world.receives(events.last().unwrap()).await;
            }
            let before = picture(&world, &by_set, &events[0]).await;
            let told = plainly(&world, &[by_set.event(&events[0], status)]).await.remove(0);
            let after = picture(&world, &by_set, &events[0]).await;
            let alone = world.applies(&by_itself.event(&events[1], status)).await;
            let case = format!("{history:?} and then {status:?}: {told:?} and {alone:?}");
            match told {
                None => assert_eq!(after, before, "{case}"),
                Some(told) => {
                    plain += 1;
                    assert_eq!(told, alone, "{case}");
                    assert_eq!(after, picture(&world, &by_itself, &events[1]).await, "{case}");
                }
            }
        }
    }
    // Left are failures and ends of payments, and what contradicts.
    assert_eq!(plain, PLAIN_STEPS, "steps that are plain");
    world.audits_clean().await;
}

/// News that is not what its payment is, whose order is late or whose card is to be counted first, is left with nothing done.
#[tokio::test]
async fn news_that_does_not_fit_is_left() {
    let world = World::new().await;
    let sale = world.sale(10, Price::Paid).await;
    let paying = known_many(&world, &sale, 10).await;
    let unfit = format!(
        "UPDATE inbox SET account = 'acct_1' WHERE id = 'evt_5';
         UPDATE orders SET state = 'expired' WHERE id IN ('{}', '{}');
         UPDATE sales SET config = jsonb_set(config, '{{payment,same_card}}', '\"one_buyer\"');
         UPDATE payments SET card = decode(repeat('ab', 32), 'hex') WHERE id = '{}';
         UPDATE payments SET capture = 'automatic' WHERE id = '{}'",
        paying[6].order.id.uuid(),
        paying[7].order.id.uuid(),
        paying[8].attempt.id.uuid(),
        paying[9].attempt.id.uuid()
    );
    world.receives("evt_5").await;
    connect(&world.database.url).await.batch_execute(&unfit).await.unwrap();
    let mut news: Vec<Apply> = paying.iter().map(|paying| paying.news(Succeeded)).collect();
    news[0].facts.amount_received -= 1;
    news[1].facts.livemode = true;
    news[2].facts.order = Some(paying[6].order.id);
    news[4].facts.id = "pi_of_nobody".to_owned();
    news[5].event = Some("evt_5".to_owned());
    news[7] = paying[7].news(RequiresAction);
    news[8] = paying[8].news(RequiresCapture);
    let told = plainly(&world, &news).await;
    assert_eq!(told, [None, None, None, Some(Applied::Captured), None, None, None, None, None, None]);
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, 1);
}

/// Somebody has the order, or closed the gate: nobody waits, and of one order only the first is told.
#[tokio::test]
async fn who_is_busy_is_left_and_of_one_order_all_but_the_first() {
    let world = World::new().await;
    let sale = world.sale(4, Price::Paid).await;
    let other = world.sale(1, Price::Paid).await;
    let paying = known_many(&world, &sale, 3).await;
    let elsewhere = known(&world, &other, 0).await;
    let busy = connect(&world.database.url).await;
    let lock = format!(
        "BEGIN; SELECT FROM orders WHERE id = '{}' FOR UPDATE; SELECT pg_advisory_xact_lock(gate_of('{}'))",
        paying[0].order.id.uuid(),
        other.id.uuid()
    );
    busy.batch_execute(&lock).await.unwrap();
    let news = [
        paying[0].news(Succeeded),
        paying[1].news(RequiresCapture),
        paying[1].news(Succeeded),
        elsewhere.news(Succeeded),
        paying[2].news(Succeeded),
    ];
    let told = plainly(&world, &news).await;
    assert_eq!(told, [None, Some(Applied::Authorised), None, None, Some(Applied::Captured)]);
    busy.batch_execute("ROLLBACK").await.unwrap();
    let told = plainly(&world, &news).await;
    let expected =
        [Some(Applied::Captured), Some(Applied::Nothing), None, Some(Applied::Captured), Some(Applied::Nothing)];
    assert_eq!(told, expected);
    world.audits_clean().await;
}

/// A rule that one item breaks fails the call, which changed nothing.
#[tokio::test]
async fn a_broken_rule_fails_the_call_and_nothing_is_changed() {
    let world = World::new().await;
    let sale = world.sale(2, Price::Paid).await;
    let mut news: Vec<Apply> = known_many(&world, &sale, 2).await.iter().map(|paying| paying.news(Succeeded)).collect();
    let whole = news.clone();
    news[1].tickets.clear();
    let refused = payments_apply_plain(&world.workers, &news).await.unwrap_err();
    assert_eq!(refused.constraint(), Some("tickets_for_every_unit"));
    assert_eq!(world.number("SELECT count(*) FROM payments WHERE state = 'planned'").await, 2);
    assert_eq!(plainly(&world, &whole).await, [Some(Applied::Captured), Some(Applied::Captured)]);
    world.audits_clean().await;
}

/// The answer is lost after everything took place: told again, it is old news, and how long the payment took is known.
#[tokio::test]
async fn a_call_whose_answer_was_lost_is_found_done() {
    let world = World::new().await;
    let sale = world.sale(3, Price::Paid).await;
    let news: Vec<Apply> = known_many(&world, &sale, 3).await.iter().map(|paying| paying.news(Succeeded)).collect();
    let port = sandbox::shared().await.unwrap().postgres.port();
    let proxy = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap();
    let workers = Ledger::connect(&proxy.through(&world.database.url), Role::Workers, PoolConfig::default()).unwrap();
    proxy.lose_replies(LostReplies::Next(1), news[2].facts.id.as_bytes());
    let lost = payments_apply_plain(&workers, &news).await;
    assert!(matches!(lost, Err(LedgerError::Unavailable(_))), "{lost:?}");
    for told in payments_apply_plain(&workers, &news).await.unwrap() {
        let PlainApplied { applied, authorised } = told.expect("it is plain");
        assert_eq!(applied, Applied::Nothing);
        assert!(authorised.is_some());
    }
    assert_eq!((proxy.lost(), world.number("SELECT count(*) FROM tickets").await), (1, 3));
    world.audits_clean().await;
}

/// Forwards, backwards, by sets and one by one at the same time: each takes effect once, and nobody waits in a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_news_by_sets_and_one_by_one_takes_effect_once() {
    const ORDERS: u32 = 20;
    let world = Arc::new(World::new().await);
    let sale = world.sale(ORDERS, Price::Paid).await;
    let paying = known_many(&world, &sale, ORDERS).await;
    let mut callers = JoinSet::new();
    for caller in 0..6 {
        let status = if caller % 2 == 0 { RequiresCapture } else { Succeeded };
        let mut news: Vec<Apply> = paying.iter().map(|paying| paying.news(status)).collect();
        if caller > 2 {
            news.reverse();
        }
        let world = Arc::clone(&world);
        callers.spawn(async move {
            let mut outcomes = Vec::new();
            for (news, told) in news.iter().zip(plainly(&world, &news).await) {
                outcomes.push(match told {
                    Some(applied) => applied,
                    None => patiently(|| payment_apply(&world.workers, news)).await,
                });
            }
            outcomes
        });
    }
    let outcomes = callers.join_all().await.concat();
    let captured = outcomes.iter().filter(|outcome| **outcome == Applied::Captured).count();
    assert_eq!(u32::try_from(captured), Ok(ORDERS));
    assert_eq!(world.number("SELECT count(*) FROM tickets").await, i64::from(ORDERS));
    assert_eq!(world.number("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").await, 0);
    for paying in &paying {
        assert_eq!(sale.looks_at(paying.order.id).await.state, OrderState::Paid);
    }
    world.audits_clean().await;
}
