//! People with units, and how they pay for exactly those.

use std::collections::BTreeSet;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use sandbox::actors::{Buyer, Card, Hold, Visitor};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::faults::OPEN;
use crate::reclaim::{orders, reclaims};
use crate::world::World;

const BOUND: Duration = Duration::from_secs(60);
const ASK_EVERY: Duration = Duration::from_millis(50);
/// So many joins and sockets at once are no overload, however busy the machine.
pub(crate) const COME_AT_ONCE: usize = 50;

/// Somebody with units, as they were told.
pub(crate) struct Holder {
    pub(crate) buyer: Buyer,
    pub(crate) hold: Hold,
    told: Value,
}

/// So many who hold one to three units each, coming some at a time.
pub(crate) async fn holders(world: &World, sale: &str, count: usize) -> Vec<Holder> {
    let mut holders = Vec::new();
    for first in (0..count).step_by(COME_AT_ONCE) {
        let arriving = (first..count.min(first + COME_AT_ONCE)).map(|index| Holder::comes(world, sale, 1 + index % 3));
        holders.extend(arriving.collect::<JoinSet<_>>().join_all().await);
    }
    holders
}

/// Until when a hold lasts that was lost and is back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lasts {
    /// Until the same time.
    AsTold,
    /// No less: Redis was away, and more than 5 s of that count as a pause.
    AsToldOrLonger,
}

impl Lasts {
    fn agrees(self, told: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::AsTold => now == told,
            Self::AsToldOrLonger => now >= told,
        }
    }
}

/// All of them show their receipts at once, twice; who it was that came back, with the same units.
pub(crate) async fn all_reclaim(holders: Vec<Holder>, lasts: Lasts) -> Vec<Holder> {
    let mut sending = JoinSet::new();
    for holder in holders {
        sending.spawn(async move {
            for _first_and_again in 0..2 {
                let told = reclaims(&holder.buyer, &holder.hold).await.expect(StatusCode::OK).unwrap();
                assert_eq!(told["items"], holder.told["items"]);
                assert!(lasts.agrees(end(&holder.told), end(&told)), "{lasts:?}: {told} of {}", holder.told);
            }
            holder
        });
    }
    sending.join_all().await
}

/// All of them order what they hold and pay for it, some at a time; how many units that was, each of them once.
pub(crate) async fn pay(world: &World, mut holders: Vec<Holder>) -> usize {
    let mut ticketed = Vec::new();
    while !holders.is_empty() {
        let rest = holders.split_off(holders.len().min(COME_AT_ONCE));
        let paying = holders.into_iter().map(|holder| holder.pays(world.stripe.base_url()));
        ticketed.extend(paying.collect::<JoinSet<_>>().join_all().await.into_iter().flatten());
        holders = rest;
    }
    assert_eq!(ticketed.iter().collect::<BTreeSet<_>>().len(), ticketed.len());
    ticketed.len()
}

/// Waits as long as there is less and less to do: thousands of letters take a while.
pub(crate) async fn works_its_backlog_off(world: &World) {
    let (mut left, mut since) = (world.counts(OPEN).await, Instant::now());
    while left > 0 && since.elapsed() < BOUND {
        tokio::time::sleep(ASK_EVERY).await;
        let now = world.counts(OPEN).await;
        if now < left {
            (left, since) = (now, Instant::now());
        }
    }
}

impl Holder {
    /// Somebody who waits for a turn and then holds so many units.
    pub(crate) fn comes(world: &World, sale: &str, quantity: usize) -> impl Future<Output = Self> + use<> {
        let (edge, sale) = (world.edge.clone(), sale.to_owned());
        async move {
            let mut visitor = Visitor::new(&edge, &sale);
            visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
            let buyer = visitor.waits_for_turn(BOUND).await.unwrap();
            let answer = buyer.asks_to_hold("ga", u32::try_from(quantity).unwrap()).await.unwrap();
            let told = answer.body.clone();
            Self { buyer, hold: Hold::of(answer).unwrap(), told }
        }
    }

    /// The units of the tickets, which are those that were held.
    pub(crate) async fn pays(self, stripe: String) -> Vec<u64> {
        let Self { buyer, hold, told } = self;
        let order = orders(&buyer, &hold, &format!("{}@example.com", &hold.id[5..])).await;
        buyer.pays_in_a_rush(&order, Card::Visa, &stripe, BOUND).await.unwrap();
        let paid = buyer.waits_until_order_is(&order, "paid", BOUND).await.unwrap();
        let tickets = paid["tickets"].as_array().unwrap().iter();
        let mut ticketed: Vec<_> = tickets.map(|ticket| ticket["unit"].as_u64().unwrap()).collect();
        ticketed.sort_unstable();
        assert_eq!(ticketed, units(&told));
        ticketed
    }
}

fn end(told: &Value) -> Timestamp {
    told["expires_at"].as_str().unwrap().parse().unwrap()
}

fn units(told: &Value) -> Vec<u64> {
    told["items"].as_array().unwrap().iter().map(|item| item["unit"].as_u64().unwrap()).collect()
}
