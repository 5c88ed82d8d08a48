//! The way of a visitor through Redis, up to units that are held.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use admission::{Freeze, Join, JoinAsk, Pace, PaceState, Pulse, RequestId, Take, TakeHold, UnitsWish};
use domain::token::{Allowance, Holder};
use domain::{HoldId, PlaceNumber};
use ledger::queue::{Grant, TickRecord, numbers_reserve, tick_record};
use uuid::Uuid;

use super::{Held, Sale, World};
use crate::eventually::eventually;

impl World {
    /// Somebody joins, is admitted and holds units for `ttl_s`.
    pub(crate) async fn holds_units(&self, sale: &Sale, quantity: u32, ttl_s: u32) -> Held {
        let number = self.joins(sale).await;
        self.is_admitted(sale, number).await;
        let hold = HoldId::from_uuid(Uuid::now_v7());
        let wish = TakeHold {
            hold,
            request: RequestId::of(&[hold.uuid().as_bytes()]),
            fingerprint: [0; 32],
            number,
            items: BTreeMap::from([(
                sale.tier.clone(),
                UnitsWish::Any(NonZeroU32::new(quantity).expect("some units")),
            )]),
            allowed: BTreeMap::new(),
            ttl_s,
            per_buyer_limit: 20,
            session_s: 900,
        };
        let Take::Taken(view) = self.holds.take(sale.id, &wish).await.expect("Redis answers") else {
            panic!("no hold for {number}");
        };
        let units = view.units.into_iter().map(|unit| (unit.tier, unit.unit)).collect();
        Held { hold, number, epoch: self.epoch(sale).await.expect("it is loaded"), units }
    }

    /// The hold is frozen and nothing more: the gateway died before the order was written.
    pub(crate) async fn freezes(&self, sale: &Sale, held: &Held) {
        let frozen = self.holds.freeze(sale.id, held.hold, held.number).await.expect("Redis answers");
        assert!(matches!(frozen, Freeze::Frozen(_)), "{frozen:?}");
    }

    async fn joins(&self, sale: &Sale) -> PlaceNumber {
        let holder = Holder::of_secret(Uuid::new_v4().as_bytes());
        let ask = JoinAsk { holder, proven: None, allowance: Allowance::Usual };
        for _ in 0..3 {
            match self.queue.join_many(sale.id, &[ask], 0).await.expect("Redis answers")[0] {
                Join::New { number, .. } | Join::Existing { number, .. } => return number,
                Join::ReserveNumbers => {
                    let high_water = numbers_reserve(&self.gateway, sale.id, 0, 100).await.expect("Postgres answers");
                    self.queue.raise_reserved(sale.id, high_water).await.expect("Redis answers");
                }
                Join::Drawing => panic!("the sale has no draw"),
            }
        }
        panic!("numbers were reserved and none is handed out");
    }

    async fn is_admitted(&self, sale: &Sale, number: PlaceNumber) {
        let pace = Pace {
            rate_per_s: 1_000,
            burst: 1_000,
            max_shoppers: 1_000,
            session_s: 900,
            claim_window_s: 120,
            overbook: 1_000,
            budget_shoppers: 1_000,
            cohorts: 0,
            state: PaceState::Admitting,
        };
        eventually("a turn", async || {
            self.queue.heard(sale.id, &[number]).await.expect("Redis answers");
            let pulse = Pulse::calm(Uuid::nil());
            let admission = self.queue.admit(sale.id, &pace, &pulse).await.expect("Redis answers");
            let granted = &admission.unconfirmed;
            let Some(epoch) = granted.first().map(|grant| grant.epoch) else { return false };
            let grants: Vec<_> =
                granted.iter().map(|grant| Grant { number: grant.number, granted_at: grant.granted_at }).collect();
            let came = grants.iter().any(|grant| grant.number == number);
            let record = TickRecord { at: grants[0].granted_at, granted: grants, ..TickRecord::default() };
            tick_record(&self.gateway, sale.id, epoch, &record, 1_020).await.expect("Postgres answers");
            self.queue.confirm(sale.id, &admission, &pace).await.expect("Redis answers");
            came
        })
        .await;
    }
}
