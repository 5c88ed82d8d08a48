//! Replies that are lost, and a network that swallows everything: callers repeat, and nothing is lost or doubled.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use admission::{AdmissionError, Commit, Extend, ExtendHold, Freeze, HoldView, Holds, Join, Reclaim, Snapshot, Take};
use domain::{PlaceNumber, SaleId};
use jiff::SignedDuration;
use sandbox::{FaultProxy, LostReplies};

use crate::onsale::{Onsale, TTL_S, ask, join, number_of, receipt, some_hold, some_request, unit_numbers, wish};

const UNITS: u32 = 60;
const VISITORS: u64 = 120;
/// How long a caller goes on repeating before the test has failed.
const REPEAT_MAX: Duration = Duration::from_secs(20);

/// A sale reached through a proxy that is still honest.
pub(crate) async fn proxied() -> (Onsale, FaultProxy) {
    let redis = &sandbox::shared().await.unwrap().redis;
    let proxy = FaultProxy::start(([127, 0, 0, 1], redis.port()).into()).await.unwrap();
    let sale = Onsale::on(redis, &proxy.through(&redis.url())).await;
    sale.loader.load(&sale.snapshot(1, &[("ga", UNITS)])).await.unwrap();
    sale.queue.raise_reserved(sale.id, 10_000).await.unwrap();
    (sale, proxy)
}

fn loses_every_tenth_reply(proxy: &FaultProxy) {
    proxy.lose_replies(LostReplies::EveryNth(10), b"EVALSHA");
}

/// Repeats a call until it is answered.
pub(crate) async fn until_answered<T, F: Future<Output = Result<T, AdmissionError>>>(call: impl Fn() -> F) -> T {
    let begun = Instant::now();
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(AdmissionError::Unavailable(_)) if begun.elapsed() < REPEAT_MAX => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error:?}"),
        }
    }
}

async fn buys(holds: &Holds, sale: SaleId, number: PlaceNumber) -> HoldView {
    let wish = wish(number, &[("ga", 1)]);
    let (Take::Taken(hold) | Take::Replayed(hold)) = until_answered(|| holds.take(sale, &wish)).await else {
        panic!("there is a unit for everyone");
    };
    let (request, max_ttl_s) = (some_request(), 10 * TTL_S);
    let press = ExtendHold { hold: hold.id, number, request, ttl_s: TTL_S, max_ttl_s, extensions_max: 9 };
    let (Extend::Extended(longer) | Extend::Replayed(longer)) = until_answered(|| holds.extend(sale, &press)).await
    else {
        panic!("there is more time for everyone");
    };
    let later = hold.expires_at + SignedDuration::from_secs(i64::from(TTL_S));
    assert_eq!((longer.extensions, longer.expires_at), (1, later), "a press is one extension");
    let frozen = until_answered(|| holds.freeze(sale, hold.id, number)).await;
    assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
    let committed = until_answered(|| holds.commit(sale, hold.id)).await;
    assert!(matches!(committed, Commit::Committed | Commit::AlreadyCommitted), "{committed:?}");
    hold
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sell_out_with_every_tenth_reply_lost_sells_each_unit_once() {
    let (sale, proxy) = proxied().await;
    let numbers = sale.turns(UNITS as usize).await;
    loses_every_tenth_reply(&proxy);
    let mut units = BTreeSet::new();
    for number in numbers {
        let hold = buys(&sale.holds, sale.id, number).await;
        assert!(units.insert(unit_numbers(&hold)[0]), "a unit was sold twice");
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(proxy.lost() >= 10, "only {} replies were lost", proxy.lost());
    assert_eq!(units, (0..UNITS).collect());
    let stock = until_answered(|| sale.queue.view(sale.id)).await.stock[&crate::onsale::tier("ga")];
    assert_eq!((stock.free, stock.held), (0, 0));
}

/// Redis was lost, and then replies are lost: each receipt is sent until it is answered, and gives back once.
#[tokio::test(flavor = "multi_thread")]
async fn receipts_whose_answers_are_lost_are_sent_again_and_give_back_once() {
    let (sale, proxy) = proxied().await;
    let mut holds = Vec::new();
    for number in sale.turns(UNITS as usize / 2).await {
        holds.push(sale.holds_units(number, "ga", 2).await);
    }
    sale.loses_redis().await;
    let rebuilt = Snapshot { reserved_number: 10_000, reclaim_window_s: 30, ..sale.snapshot(2, &[("ga", UNITS)]) };
    sale.loader.load(&rebuilt).await.unwrap();
    proxy.lose_replies(LostReplies::EveryNth(3), b"EVALSHA");
    for hold in holds {
        let receipt = receipt(&hold, 2);
        let back = until_answered(|| sale.holds.reclaim(sale.id, &receipt)).await;
        assert!(matches!(&back, Reclaim::Reclaimed(back) | Reclaim::Live(back) if *back == hold), "{back:?}");
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(proxy.lost() >= 10, "only {} replies were lost", proxy.lost());
    let stock = until_answered(|| sale.queue.view(sale.id)).await.stock[&crate::onsale::tier("ga")];
    assert_eq!((stock.free, stock.held), (0, UNITS));
}

/// The control: a buyer who makes every repeat a new request does lose units to the same faults.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_name_of_the_request_the_same_faults_lose_units() {
    let (sale, proxy) = proxied().await;
    let numbers = sale.turns(UNITS as usize).await;
    loses_every_tenth_reply(&proxy);
    let mut known = 0;
    for number in numbers {
        let anew = || admission::TakeHold { hold: some_hold(), request: some_request(), ..wish(number, &[("ga", 1)]) };
        match until_answered(|| async { sale.holds.take(sale.id, &anew()).await }).await {
            Take::Taken(_) => known += 1,
            other => assert_eq!(other, Take::PassInUse, "held, but by a request that nobody can name"),
        }
    }
    proxy.lose_replies(LostReplies::None, b"");
    let stock = until_answered(|| sale.queue.view(sale.id)).await.stock[&crate::onsale::tier("ga")];
    assert!(known < stock.held, "{known} of {} held units are known to a buyer", stock.held);
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_whose_replies_are_lost_consume_one_number_each() {
    let (sale, proxy) = proxied().await;
    loses_every_tenth_reply(&proxy);
    let mut numbers = BTreeSet::new();
    for _ in 0..VISITORS {
        let holder = sale.somebody();
        let (Join::New { number, .. } | Join::Existing { number, .. }) =
            until_answered(|| join(&sale.queue, sale.id, ask(holder))).await
        else {
            panic!("numbers are reserved");
        };
        assert!(numbers.insert(number.0), "{number} was given twice");
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(proxy.lost() >= 10, "only {} replies were lost", proxy.lost());
    assert_eq!(numbers, (1..=VISITORS).collect());
    assert_eq!(until_answered(|| sale.queue.view(sale.id)).await.next_number, VISITORS + 1);
}

/// Acceptance 2: everybody in a batch asks again until answered, twice in the same batch, and once more afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn batches_whose_replies_are_lost_give_everybody_one_number() {
    let (sale, proxy) = proxied().await;
    let visitors: Vec<_> = (0..900).map(|_| sale.somebody()).collect();
    loses_every_tenth_reply(&proxy);
    let mut numbers = Vec::new();
    for batch in visitors.chunks(9) {
        let asks: Vec<_> = batch.iter().chain(batch).copied().map(ask).collect();
        let joins = until_answered(|| sale.queue.join_many(sale.id, &asks, 0)).await;
        let (first, again) = joins.split_at(batch.len());
        assert!(first.iter().map(number_of).eq(again.iter().map(number_of)));
        numbers.extend(first.iter().map(number_of));
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(proxy.lost() >= 10, "only {} replies were lost", proxy.lost());
    assert_eq!(numbers, (1..=900).map(PlaceNumber).collect::<Vec<_>>());
    let late = [ask(visitors[500])];
    let later = until_answered(|| sale.queue.join_many(sale.id, &late, 0)).await;
    assert_eq!(later, [Join::Existing { number: PlaceNumber(501), epoch: 1 }]);
}

/// The control: who comes as somebody else each time consumes a number each time.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_name_of_the_holder_lost_replies_consume_numbers() {
    let (sale, proxy) = proxied().await;
    loses_every_tenth_reply(&proxy);
    for _ in 0..50 {
        until_answered(|| async { sale.queue.join_many(sale.id, &[ask(sale.somebody())], 0).await }).await;
    }
    proxy.lose_replies(LostReplies::None, b"");
    assert!(until_answered(|| sale.queue.view(sale.id)).await.joined_total > 50);
}

#[tokio::test]
async fn a_network_that_swallows_everything_is_noticed_in_time_and_left_behind() {
    let (sale, proxy) = proxied().await;
    proxy.stall();
    let begun = Instant::now();
    let refused = sale.queue.view(sale.id).await;
    assert!(matches!(refused, Err(AdmissionError::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() < Duration::from_secs(2), "refused after {:?}", begun.elapsed());
    proxy.restore().await.unwrap();
    let back = Instant::now();
    until_answered(|| sale.queue.view(sale.id)).await;
    assert!(back.elapsed() < Duration::from_secs(2), "served after {:?}", back.elapsed());
}
