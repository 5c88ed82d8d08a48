//! Thousands whose turn it is, at once: Redis is told in a moment what visitors and ticks would tell it in minutes.

use std::time::Duration;

use admission::{AdmissionError, JOIN_BATCH_MAX, JoinAsk, Pace, PaceState, Pulse, Queue};
use domain::token::{Allowance, Holder, PassToken};
use domain::{PlaceNumber, SaleId};
use jiff::Timestamp;
use uuid::Uuid;

use crate::world;

/// How often everybody is heard: silence shows after 15 s.
const HEARD_EVERY: Duration = Duration::from_secs(3);

/// As many as anybody wants, at once.
const PACE: Pace = Pace {
    rate_per_s: 100_000,
    burst: 100_000,
    max_shoppers: 100_000,
    session_s: 3_600,
    claim_window_s: 3_600,
    overbook: 100_000,
    budget_shoppers: u32::MAX,
    cohorts: 0,
    state: PaceState::Admitting,
};

/// Gives a turn to so many new visitors of a sale that nobody has joined: they have the numbers from 1.
pub(crate) async fn comes_in(queue: &Queue, sale: SaleId, count: u64) {
    queue.raise_reserved(sale, count).await.unwrap();
    let asks: Vec<_> = (1..=count).map(ask).collect();
    for batch in asks.chunks(JOIN_BATCH_MAX) {
        queue.join_many(sale, batch, 0).await.unwrap();
    }
    let (mut inside, mut view) = (0, None);
    while inside < count {
        let admission = queue.admit(sale, &PACE, &Pulse::calm(Uuid::nil())).await.unwrap();
        inside += queue.confirm(sale, &admission, &PACE).await.unwrap();
        // A gateway that ticks beside confirms some of them.
        let seen = queue.view_after(sale, view.as_ref()).await.unwrap();
        inside = inside.max(seen.shoppers().into());
        view = Some(seen);
    }
}

/// Says that they are here, for as long as it is awaited.
pub(crate) async fn stays(queue: &Queue, sale: SaleId, count: u64) {
    let numbers: Vec<_> = (1..=count).map(PlaceNumber).collect();
    loop {
        match queue.heard(sale, &numbers).await {
            // In a rush Redis may be late once; they are heard the next time.
            Ok(_) | Err(AdmissionError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(HEARD_EVERY).await;
    }
}

/// Their passes.
pub(crate) fn passes(sale: SaleId, count: u64) -> Vec<String> {
    let signer = world::signer();
    let pass = |number: u64| {
        let holder = ask(number).holder;
        signer.sign_pass(&PassToken {
            sale,
            number: PlaceNumber(number),
            allowance: Allowance::Usual,
            holder,
            granted_at: Timestamp::UNIX_EPOCH,
        })
    };
    (1..=count).map(pass).collect()
}

fn ask(number: u64) -> JoinAsk {
    JoinAsk { holder: Holder::of_secret(&number.to_be_bytes()), proven: None, allowance: Allowance::Usual }
}
