use std::time::Duration;

use super::*;

#[tokio::test]
async fn each_caller_gets_its_own_answer_in_the_order_of_arrival() {
    let (batcher, mut asks) = batcher::<u32, u32>(100, 100);
    let callers = async { tokio::join!(batcher.ask(1), batcher.ask(2), batcher.ask(3)) };
    let task = async {
        let batch = asks.gather().await.unwrap();
        let order: Vec<_> = batch.iter().map(|waiting| waiting.ask).collect();
        batch.into_iter().for_each(|waiting| {
            let ten_times = waiting.ask * 10;
            waiting.answer(Ok(ten_times));
        });
        order
    };
    let (answers, order) = tokio::join!(callers, task);
    assert_eq!((answers, order), ((Ok(10), Ok(20), Ok(30)), vec![1, 2, 3]));
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let (batcher, _asks) = batcher::<u32, u32>(1, 1);
    let first = batcher.ask(1);
    let second = async {
        tokio::task::yield_now().await;
        batcher.ask(2).await
    };
    tokio::select! {
        _ = first => unreachable!("nobody answers"),
        refused = second => assert_eq!(refused, Err(Code::Overloaded)),
    }
}

#[tokio::test]
async fn a_batch_is_no_larger_than_it_may_be() {
    let (batcher, mut asks) = batcher::<u32, u32>(10, 2);
    let callers = async { tokio::join!(batcher.ask(1), batcher.ask(2), batcher.ask(3)) };
    let task = async {
        let mut sizes = Vec::new();
        while sizes.iter().sum::<usize>() < 3 {
            let batch = asks.gather().await.unwrap();
            sizes.push(batch.len());
            batch.into_iter().for_each(|waiting| waiting.answer(Ok(0)));
        }
        sizes
    };
    let (_, sizes) = tokio::join!(callers, task);
    assert_eq!(sizes, [2, 1]);
}

#[tokio::test]
async fn a_busy_batch_lets_those_ahead_who_can_ask_at_once() {
    let (batcher, mut asks) = batcher::<u32, u32>(10, 10);
    asks.busy = true;
    let early = batcher.ask(1);
    let late = async {
        tokio::task::yield_now().await;
        batcher.ask(2).await
    };
    let task = async {
        let batch = asks.gather().await.unwrap();
        let count = batch.len();
        batch.into_iter().for_each(|waiting| waiting.answer(Ok(0)));
        count
    };
    let (_, _, count) = tokio::join!(early, late, task);
    assert_eq!(count, 2);
}

#[tokio::test]
async fn an_ask_whose_caller_is_gone_is_not_made() {
    let (batcher, mut asks) = batcher::<u32, u32>(10, 10);
    assert!(tokio::time::timeout(Duration::ZERO, batcher.ask(1)).await.is_err());
    let task = async {
        let batch = asks.gather().await.unwrap();
        let order: Vec<_> = batch.iter().map(|waiting| waiting.ask).collect();
        batch.into_iter().for_each(|waiting| waiting.answer(Ok(0)));
        order
    };
    let (_, order) = tokio::join!(batcher.ask(2), task);
    assert_eq!(order, [2]);
}

#[tokio::test]
async fn when_the_sale_is_over_callers_are_told() {
    let (batcher, asks) = batcher::<u32, u32>(10, 10);
    drop(asks);
    assert_eq!(batcher.ask(1).await, Err(Code::SaleClosed));
}
