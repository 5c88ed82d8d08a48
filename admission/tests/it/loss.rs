//! Redis forgets: all of it, the scripts only, or it is away.

use std::time::{Duration, Instant};

use admission::{
    AdmissionError, GrantRow, Join, Load, Mark, PlaceView, Queue, Reclaim, Snapshot, Store, StoreConfig, Take,
};
use domain::{PlaceNumber, UnitNo};
use sandbox::{Persistence, Redis, RedisOptions};

use crate::onsale::{CALM, OPEN, Onsale, ask, ask_again, join, some_hold, some_request, unit_numbers};

/// How soon after Redis is back service must be.
const BACK_WITHIN: Duration = Duration::from_secs(2);

async fn private_redis(persistence: Persistence) -> &'static Redis {
    Box::leak(Box::new(Redis::start(RedisOptions { persistence }).await.unwrap()))
}

#[tokio::test]
async fn an_unloaded_sale_is_said_to_be_so_by_every_call() {
    let sale = Onsale::unloaded().await;
    let (id, somebody) = (sale.id, sale.somebody());
    assert_eq!(sale.loader.loaded_epoch(id).await.unwrap(), None);
    let outcomes = [
        join(&sale.queue, id, ask(somebody)).await.map(drop),
        sale.queue.raise_reserved(id, 1).await,
        sale.queue.heard(id, &[PlaceNumber(1)]).await,
        sale.queue.admit(id, &OPEN, &CALM).await.map(drop),
        sale.queue.cohort(id, 1, 1, 2).await,
        sale.queue.bypass(id, PlaceNumber(1)).await.map(drop),
        sale.queue.allow_more_time(id, &[PlaceNumber(1)]).await,
        sale.queue.leave(id, PlaceNumber(1), somebody).await.map(drop),
        sale.queue.end_session(id, PlaceNumber(1)).await,
        sale.queue.view(id).await.map(drop),
        sale.holds.take(id, &crate::onsale::wish(PlaceNumber(1), &[("ga", 1)])).await.map(drop),
        sale.holds.look(id, some_hold()).await.map(drop),
        sale.holds.release(id, some_hold(), PlaceNumber(1)).await.map(drop),
        sale.holds.freeze(id, some_hold(), PlaceNumber(1)).await.map(drop),
        sale.holds.expire_frozen(id, some_hold()).await.map(drop),
        sale.holds.commit(id, some_hold()).await.map(drop),
        sale.holds.expire_due(id, 1).await.map(drop),
        sale.holds.units_return(id, some_request(), 1, &[]).await.map(drop),
        sale.loader.set_paused(id, admission::Pause::Paused, 1).await,
    ];
    for (index, outcome) in outcomes.iter().enumerate() {
        assert!(matches!(outcome, Err(AdmissionError::NotLoaded)), "call {index}: {outcome:?}");
    }
}

/// What a failover to a replica that lags looks like: the epoch is right, and less has happened than a gateway saw.
#[tokio::test]
async fn a_redis_that_knows_less_than_was_seen_gives_the_sale_up() {
    for hands_out in ["numbers", "turns"] {
        let sale = Onsale::of(&[("ga", 5)]).await;
        let numbers = sale.turns(2).await;
        let seen = Mark::of(&sale.view().await);
        let queue = sale.queue.after(seen);
        assert!(join(&queue, sale.id, ask(sale.somebody())).await.is_ok(), "what was seen is there");
        queue.admit(sale.id, &OPEN, &CALM).await.unwrap();

        let later = Mark::of_number(seen.epoch(), PlaceNumber(numbers[1].0 + 100));
        let queue = sale.queue.after(seen.max(later));
        let outcome = match hands_out {
            "numbers" => join(&queue, sale.id, ask(sale.somebody())).await.map(drop),
            _ => queue.admit(sale.id, &OPEN, &CALM).await.map(drop),
        };
        assert!(matches!(outcome, Err(AdmissionError::NotLoaded)), "{hands_out}: {outcome:?}");
        assert_eq!(sale.loader.loaded_epoch(sale.id).await.unwrap(), None, "{hands_out}");
    }
}

/// Nothing that anybody counts is missing, only a hold: nobody could see that, so the server itself tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_hold_that_a_failover_lost_is_kept_for_its_receipt() {
    let redis = private_redis(Persistence::None).await;
    let sale = Onsale::on(redis, &redis.url()).await;
    sale.loads(&[("ga", 2)]).await;
    sale.queue.raise_reserved(sale.id, 100).await.unwrap();
    let numbers = sale.turns(2).await;
    redis.keep_snapshot().await.unwrap();
    let hold = sale.holds_units(numbers[0], "ga", 2).await;
    let seen = Mark::of(&sale.view().await);

    redis.restart_from_snapshot().await.unwrap();
    crate::sentinel::is_served_again(&sale).await;
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap(), None, "lost");
    let ticked = sale.queue.after(seen).admit(sale.id, &OPEN, &CALM).await;
    assert!(matches!(ticked, Err(AdmissionError::NotLoaded)), "{ticked:?}");
    let until = jiff::Timestamp::from_millisecond(sale.now_ms() + 600_000).unwrap();
    let grants = numbers.iter().map(|number| GrantRow { number: *number, until }).collect();
    let again = Snapshot { reserved_number: 100, grants, reclaim_window_s: 30, ..sale.snapshot(2, &[("ga", 2)]) };
    assert_eq!(sale.loader.load(&again).await.unwrap(), Load::Loaded);
    let refused = sale.takes(numbers[1], "ga", 1).await;
    assert!(matches!(refused, Take::Reclaiming { .. }), "{refused:?}");
    let back = sale.holds.reclaim(sale.id, &crate::onsale::receipt(&hold, 2)).await.unwrap();
    assert_eq!(back, Reclaim::Reclaimed(hold));
    sale.queue.admit(sale.id, &OPEN, &CALM).await.unwrap();
}

#[tokio::test]
async fn an_emptied_redis_is_rebuilt_and_no_number_starts_again() {
    let redis = private_redis(Persistence::None).await;
    let sale = Onsale::on(redis, &redis.url()).await;
    sale.loader.load(&sale.snapshot(1, &[("ga", 5)])).await.unwrap();
    sale.queue.raise_reserved(sale.id, 100).await.unwrap();
    let numbers = sale.turns(2).await;
    let waiting = sale.join_many(2).await;
    sale.holds_units(numbers[0], "ga", 2).await;
    let now = sale.view().await.now;

    redis.flush().await.unwrap();
    assert!(matches!(sale.queue.view(sale.id).await, Err(AdmissionError::NotLoaded)));
    let mut snapshot = sale.snapshot(2, &[("ga", 5)]);
    snapshot.reserved_number = 100;
    snapshot.tiers[0].free.retain(|unit| *unit != UnitNo(1));
    let second = jiff::SignedDuration::from_secs(1);
    snapshot.grants = vec![
        GrantRow { number: numbers[0], until: now + second * 300 },
        GrantRow { number: numbers[1], until: now - second },
    ];
    assert_eq!(sale.loader.load(&snapshot).await.unwrap(), Load::Loaded);
    assert_eq!(sale.loader.loaded_epoch(sale.id).await.unwrap(), Some(2));

    sale.queue.raise_reserved(sale.id, 200).await.unwrap();
    assert_eq!(sale.joins(sale.somebody()).await, PlaceNumber(101));
    assert_eq!(sale.stock("ga").await.free, 4);
    assert_eq!(sale.place(numbers[0]).await, PlaceView::Shopping { until: snapshot.grants[0].until });
    assert_eq!(sale.place(numbers[1]).await, PlaceView::Expired, "an ended turn is not had twice");
    assert_eq!(sale.place(waiting[0]).await, PlaceView::Waiting { ahead: 0, live: false });
    assert_eq!(unit_numbers(&sale.holds_units(numbers[0], "ga", 2).await), [0, 2], "the pass survives");
    sale.hears(&[waiting[1], waiting[0], numbers[1]]).await;
    sale.advance_s(6).await;
    assert_eq!(sale.admits(&OPEN).await, [waiting[0], waiting[1], PlaceNumber(101)], "in their old order");
}

#[tokio::test]
async fn a_repeated_load_changes_nothing() {
    let sale = Onsale::of(&[("ga", 5)]).await;
    let number = sale.turns(1).await[0];
    sale.holds_units(number, "ga", 2).await;
    for epoch in [0, 1] {
        let again = sale.loader.load(&sale.snapshot(epoch, &[("ga", 5)])).await.unwrap();
        assert_eq!(again, Load::AlreadyLoaded);
    }
    assert_eq!(sale.stock("ga").await.held, 2);
}

#[tokio::test]
async fn a_load_takes_back_what_an_earlier_epoch_held() {
    let sale = Onsale::of(&[("ga", 5)]).await;
    let number = sale.turns(1).await[0];
    let request = crate::onsale::wish(number, &[("ga", 2)]);
    let hold = crate::onsale::taken(sale.holds.take(sale.id, &request).await.unwrap());
    let mut snapshot = sale.snapshot(2, &[("ga", 5)]);
    let until = sale.view().await.now + jiff::SignedDuration::from_secs(300);
    (snapshot.reserved_number, snapshot.grants) = (50, vec![GrantRow { number, until }]);
    sale.loader.load(&snapshot).await.unwrap();
    assert_eq!(sale.stock("ga").await.free, 5);
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap(), None);
    assert_eq!(sale.holds.expire_due(sale.id, 100).await.unwrap(), admission::Expired::default());
    let again = sale.holds.take(sale.id, &request).await.unwrap();
    assert!(matches!(again, Take::Taken(_)), "the hold is gone, so the request is answered anew: {again:?}");
}

#[tokio::test]
async fn a_snapshot_with_units_that_a_tier_does_not_have_is_refused() {
    let sale = Onsale::unloaded().await;
    let mut snapshot = sale.snapshot(1, &[("ga", 5), ("balcony", 5)]);
    snapshot.tiers[0].free.push(UnitNo(5));
    let refused = sale.loader.load(&snapshot).await;
    assert!(matches!(refused, Err(AdmissionError::Script(_))), "{refused:?}");
    assert_eq!(sale.loader.loaded_epoch(sale.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_place_that_is_proved_is_found_again_in_an_emptied_redis_and_no_other() {
    let redis = private_redis(Persistence::None).await;
    let sale = Onsale::on(redis, &redis.url()).await;
    sale.loader.load(&sale.snapshot(1, &[("ga", 5)])).await.unwrap();
    sale.queue.raise_reserved(sale.id, 100).await.unwrap();
    let (ann, bob) = (sale.somebody(), sale.somebody());
    assert_eq!(sale.asks(ask(ann)).await, Join::New { number: PlaceNumber(1), epoch: 1 });
    redis.flush().await.unwrap();
    let snapshot = Snapshot { reserved_number: 100, ..sale.snapshot(2, &[("ga", 5)]) };
    sale.loader.load(&snapshot).await.unwrap();
    sale.queue.raise_reserved(sale.id, 200).await.unwrap();

    let (proven, invented) = (PlaceNumber(1), PlaceNumber(5_000));
    assert_eq!(sale.asks(ask_again(ann, proven)).await, Join::Existing { number: proven, epoch: 2 });
    assert_eq!(sale.asks(ask(ann)).await, Join::Existing { number: proven, epoch: 2 }, "it is known again");
    assert_eq!(sale.asks(ask_again(bob, invented)).await, Join::New { number: PlaceNumber(101), epoch: 2 });
}

#[tokio::test]
async fn forgotten_scripts_are_sent_again() {
    let redis = private_redis(Persistence::None).await;
    let sale = Onsale::on(redis, &redis.url()).await;
    sale.loader.load(&sale.snapshot(1, &[("ga", 5)])).await.unwrap();
    sale.queue.raise_reserved(sale.id, 100).await.unwrap();
    for expected in 1..=5 {
        redis.flush_scripts().await.unwrap();
        assert_eq!(sale.asks(ask(sale.somebody())).await, Join::New { number: PlaceNumber(expected), epoch: 1 });
    }
}

#[tokio::test]
async fn a_redis_that_comes_back_with_its_data_is_used_again_within_2_s() {
    let redis = private_redis(Persistence::AppendOnly).await;
    let sale = Onsale::on(redis, &redis.url()).await;
    sale.loader.load(&sale.snapshot(1, &[("ga", 5)])).await.unwrap();
    sale.queue.raise_reserved(sale.id, 100).await.unwrap();
    let number = sale.turns(1).await[0];
    let hold = sale.holds_units(number, "ga", 2).await;

    redis.kill().await.unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        let refused = sale.queue.view(sale.id).await;
        assert!(matches!(refused, Err(AdmissionError::Unavailable(_))), "{refused:?}");
    }
    assert!(begun.elapsed() < 3 * StoreConfig::default().command_timeout + Duration::from_millis(500));

    redis.restart().await.unwrap();
    let back = Instant::now();
    while sale.queue.view(sale.id).await.is_err() {
        assert!(back.elapsed() < BACK_WITHIN, "no service {BACK_WITHIN:?} after Redis is back");
        tokio::task::yield_now().await;
    }
    assert_eq!(sale.holds.look(sale.id, hold.id).await.unwrap(), Some(hold));
}

#[tokio::test]
async fn a_process_may_start_before_its_redis() {
    let redis = private_redis(Persistence::None).await;
    redis.stop().await.unwrap();
    let config = StoreConfig { connect_wait: Duration::from_millis(300), ..StoreConfig::default() };
    let store = Store::connect(&redis.url(), config).await.unwrap();
    assert!(matches!(store.ping().await, Err(AdmissionError::Unavailable(_))));
    redis.restart().await.unwrap();
    let back = Instant::now();
    while store.ping().await.is_err() {
        assert!(back.elapsed() < BACK_WITHIN, "no service {BACK_WITHIN:?} after Redis is there");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_store_that_was_shut_down_refuses() {
    let sale = Onsale::of(&[("ga", 5)]).await;
    sale.store.clone().shutdown().await;
    let refused = Queue::new(sale.store.clone()).view(sale.id).await;
    assert!(matches!(refused, Err(AdmissionError::Unavailable(_))), "{refused:?}");
}

#[tokio::test]
async fn an_address_that_is_none_is_refused_at_once() {
    assert!(Store::connect("postgres://127.0.0.1", StoreConfig::default()).await.is_err());
}
