//! Visitors who register before the doors open, and the draw that gives them numbers.

use std::time::Duration;

use admission::{Join, JoinAsk};
use domain::SaleId;
use domain::sale::{CaptureMode, PhaseNo};
use domain::token::{Allowance, Holder};
use jiff::Timestamp;
use ledger::draws::{Draw, DrawState, draws_of};
use ledger::registrations::{REGISTRATIONS_BATCH_MAX, Register, registrations_add};
use uuid::Uuid;

use super::{Sale, World, config};
use crate::eventually::eventually;

/// The only phase of the sales of these tests.
pub(crate) const GENERAL: PhaseNo = PhaseNo(0);

/// From publishing to the opening.
const DOORS_OPEN_IN: Duration = Duration::from_secs(600);

impl World {
    /// A published sale whose prequeue is open.
    pub(crate) async fn sale_with_prequeue(&self) -> Sale {
        let id = SaleId::from_uuid(Uuid::now_v7());
        let mut config = config(id, 100, CaptureMode::Manual);
        let now = self.gateway.now().await.expect("Postgres answers");
        config.prequeue_opens_at = Some(now - Duration::from_secs(60));
        config.opens_at = now + DOORS_OPEN_IN;
        self.publishes(id, config).await
    }

    /// So many visitors register.
    pub(crate) async fn register(&self, sale: &Sale, count: usize) {
        let holders: Vec<Holder> = (0..count).map(|_| Holder::of_secret(Uuid::new_v4().as_bytes())).collect();
        for batch in holders.chunks(REGISTRATIONS_BATCH_MAX) {
            let registered = registrations_add(&self.gateway, sale.id, GENERAL, batch).await.expect("Postgres answers");
            assert!(registered.iter().all(|at| matches!(at, Register::At(_))), "the prequeue is open");
        }
    }

    /// The opening has come.
    pub(crate) async fn doors_open(&self) -> Timestamp {
        self.advances(DOORS_OPEN_IN).await;
        self.gateway.now().await.expect("Postgres answers")
    }

    pub(crate) async fn draw(&self, sale: &Sale) -> Draw {
        draws_of(&self.gateway, sale.id).await.expect("Postgres answers").pop().expect("the sale has a draw")
    }

    pub(crate) async fn until_drawn(&self, sale: &Sale) -> Draw {
        eventually("a draw that is held", async || self.draw(sale).await.state == DrawState::Drawn).await;
        self.draw(sale).await
    }

    /// Puts the cohort in line, as a worker does.
    pub(crate) async fn tells_cohort(&self, sale: &Sale, first: u64, last: u64) {
        self.queue.cohort(sale.id, 1, first, last).await.expect("Redis answers");
    }

    /// The number that the next new visitor gets.
    pub(crate) async fn next_number(&self, sale: &Sale) -> u64 {
        self.queue.view(sale.id).await.expect("Redis has the sale").next_number
    }

    /// What somebody is told who walks up now.
    pub(crate) async fn walks_up(&self, sale: &Sale) -> Join {
        let holder = Holder::of_secret(Uuid::new_v4().as_bytes());
        let ask = JoinAsk { holder, proven: None, allowance: Allowance::Usual };
        let joins = self.queue.join_many(sale.id, &[ask], 1).await.expect("Redis answers");
        joins.into_iter().next().expect("one answer for one ask")
    }
}
