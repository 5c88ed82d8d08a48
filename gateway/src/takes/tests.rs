use std::io;

use admission::RequestId;
use domain::{HoldId, PlaceNumber};
use uuid::Uuid;

use super::*;
use crate::problem::Code;

fn wish(number: u64) -> TakeHold {
    TakeHold {
        hold: HoldId::from_uuid(Uuid::nil()),
        request: RequestId([0; 32]),
        fingerprint: [0; 32],
        number: PlaceNumber(number),
        ttl_s: 60,
        session_s: 60,
        per_buyer_limit: 1,
        items: [].into(),
        allowed: [].into(),
    }
}

fn callers(batch: Vec<Waiting<TakeHold, Take>>) -> Vec<Waiting<(), Take>> {
    batch.into_iter().map(|waiting| waiting.parted().1).collect()
}

/// What a caller is told whose call fails so, and one who came while it was under way; the next call is answered.
async fn told_when_a_call_fails(error: AdmissionError) -> [Result<Take, Code>; 2] {
    let (takes, mut wishes) = Takes::new();
    let asks = async |number| takes.take(wish(number)).await.map_err(|problem| problem.code());
    let calls = async {
        let under_way = callers(wishes.0.gather().await.expect("somebody asks"));
        tokio::task::yield_now().await;
        wishes.answer(under_way, Err(error));
        let next = callers(wishes.0.gathered());
        wishes.answer(next, Ok(vec![Ok(Take::Paused)]));
    };
    let (first, (), second) = tokio::join!(biased; asks(1), calls, asks(2));
    [first, second]
}

#[tokio::test]
async fn a_call_that_fails_at_once_fails_nobody_who_came_meanwhile() {
    let script = AdmissionError::Script("WRONGTYPE".to_owned());
    assert_eq!(told_when_a_call_fails(script).await, [Err(Code::InternalError), Ok(Take::Paused)]);
    let cut = AdmissionError::Unavailable(io::Error::from(io::ErrorKind::ConnectionReset).into());
    assert_eq!(told_when_a_call_fails(cut).await, [Err(Code::StoreUnavailable), Ok(Take::Paused)]);
}
