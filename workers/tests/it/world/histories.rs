//! Payments that were made at Stripe, whose events reach us when and in which order a test says.
//!
//! Each is a payment of its own at the fake, so that whoever fetches it finds what an intent of that history is like in the end.
//! The events are the bytes that the fake made.

use std::collections::HashMap;

use bytes::Bytes;
use domain::order::OrderState;
use domain::sale::CaptureMode;
use domain::{HoldId, PlaceNumber, UnitNo};
use futures_util::StreamExt as _;
use futures_util::stream::iter;
use ledger::orders::{ORDER_LIFE_MAX_S, OrderRow};
use ledger::payments::{StripeAnswer, payment_answered};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Held, NEEDS_3DS, Sale, World};
use crate::eventually::eventually;

/// What a test does at once; no more than there are connections.
const AT_ONCE: usize = 8;

/// Whether we heard Stripe's answer to our call, or only its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Heard,
    Lost,
}

/// When the next events are told: those before are done, or were tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Done,
    Tried,
}

/// The payment of one order.
#[derive(Debug, Clone)]
pub(crate) struct History {
    pub(crate) order: OrderRow,
    pub(crate) intent: String,
}

impl World {
    /// Orders of one unit each, those units, whose buyers are at their bank.
    pub(crate) async fn at_the_bank(
        &self,
        sale: &Sale,
        units: std::ops::Range<u32>,
        capture: CaptureMode,
        answer: Answer,
    ) -> Vec<History> {
        let one = async |unit| self.is_at_the_bank(sale, unit, capture, answer).await;
        iter(units).map(one).buffered(AT_ONCE).collect().await
    }

    async fn is_at_the_bank(&self, sale: &Sale, unit: u32, capture: CaptureMode, answer: Answer) -> History {
        let held = Held {
            hold: HoldId::from_uuid(Uuid::now_v7()),
            number: PlaceNumber(u64::from(unit) + 1_000_000),
            epoch: self.epoch(sale).await.expect("it is loaded"),
            units: vec![(sale.tier.clone(), UnitNo(unit))],
        };
        let order = self.writes_order(sale, &held).await;
        self.goes_to_the_bank(order, capture, answer).await
    }

    /// The buyer of an order pays it, as late as may be, and is asked for 3-D Secure.
    pub(crate) async fn goes_to_the_bank(&self, order: OrderRow, capture: CaptureMode, answer: Answer) -> History {
        let attempt = self.presses_pay(&order, NEEDS_3DS, capture, ORDER_LIFE_MAX_S).await;
        let told = self.asks_stripe(&attempt).await.expect("an answer");
        if answer == Answer::Heard {
            payment_answered(&self.gateway, &attempt, &told).await.expect("Postgres answers");
        }
        let StripeAnswer::Intent(facts) = told else { panic!("{told:?}") };
        History { order, intent: facts.id }
    }

    /// The seller takes what is authorised, of each.
    pub(crate) async fn captures(&self, histories: &[History]) {
        let one = async |history: &History| {
            let key = format!("test:{}", history.intent);
            self.till.capture(&history.intent, &key).await.expect("a capture")
        };
        iter(histories).map(one).buffered(AT_ONCE).map(drop).collect().await
    }

    /// Somebody gives an authorisation up in Stripe's dashboard.
    pub(crate) async fn gives_up(&self, intent: &str) -> Result<(), payments::StripeError> {
        self.till.cancel(intent, &format!("test:{intent}")).await.map(drop)
    }

    /// Somebody gives back so much of each in Stripe's dashboard.
    pub(crate) async fn give_back(&self, histories: &[History], minor: i64) {
        let one = async |history: &History| self.refunds_at_stripe(&history.order, &history.intent, minor).await;
        iter(histories).map(one).buffered(AT_ONCE).collect().await
    }

    /// The events of each so far, by their kind.
    pub(crate) fn told_of(&self, histories: &[History]) -> Vec<HashMap<String, Bytes>> {
        let places: HashMap<_, _> =
            histories.iter().zip(0..).map(|(history, place)| (&*history.intent, place)).collect();
        let mut told = vec![HashMap::new(); histories.len()];
        for event in self.stripe.events() {
            let body = self.stripe.event_body(&event.id).expect("the fake remembers");
            let place = places.get(&*event.object).copied().or_else(|| {
                let event: Value = serde_json::from_slice(&body).expect("JSON");
                places.get(event["data"]["object"]["payment_intent"].as_str()?).copied()
            });
            if let Some(place) = place {
                let told: &mut HashMap<_, _> = &mut told[place];
                told.insert(event.kind, body);
            }
        }
        told
    }

    /// Waits until no event and no call to Stripe is left; the postman goes round meanwhile.
    pub(crate) async fn until_paid_or_not(&self) {
        eventually("nothing left of payments", async || {
            self.posts_events().await;
            self.count("SELECT count(*) FROM inbox WHERE state = 'pending'").await == 0
                && self.count("SELECT count(*) FROM outbox WHERE state = 'pending' AND queue = 'stripe'").await == 0
        })
        .await;
    }

    /// Tells events to us, some for each history, round by round: all that are first, then all that are second.
    pub(crate) async fn tells(&self, rounds: Vec<Vec<Bytes>>, heard: Heard) {
        for round in rounds {
            iter(round)
                .map(async |body| self.stores_event(&body).await)
                .buffered(AT_ONCE)
                .map(drop)
                .collect::<()>()
                .await;
            eventually("every event was heard", async || {
                let left = match heard {
                    Heard::Done => "true",
                    Heard::Tried => "attempts = 0 OR lease IS NOT NULL",
                };
                self.count(&format!("SELECT count(*) FROM inbox WHERE state = 'pending' AND ({left})")).await == 0
            })
            .await;
        }
    }

    /// Jobs that are written from now on wait until [`World::does_its_jobs`], so that events alone decide.
    pub(crate) async fn keeps_jobs_back(&self) {
        let wait = "ALTER TABLE outbox ALTER COLUMN next_at SET DEFAULT onsale_now() + interval '1 day'";
        self.database.execute(wait).await.expect("Postgres answers");
    }

    /// Calls to Stripe that waited are made.
    pub(crate) async fn does_its_jobs(&self) {
        self.lets_jobs_go().await;
        eventually("no call to Stripe is left", async || {
            self.count("SELECT count(*) FROM outbox WHERE state = 'pending' AND queue = 'stripe'").await == 0
        })
        .await;
    }

    /// Jobs that waited may be done.
    pub(crate) async fn lets_jobs_go(&self) {
        let go = "ALTER TABLE outbox ALTER COLUMN next_at SET DEFAULT onsale_now();
                  UPDATE outbox SET next_at = onsale_now() WHERE state = 'pending'";
        self.database.execute(go).await.expect("Postgres answers");
    }

    /// The clock stands, so long before or after the order's own time is over, until it goes on from there.
    pub(crate) async fn stops_the_clock(&self, order: &OrderRow, after_ms: i64) {
        let moment = format!(
            "SELECT (expires_at + {after_ms} * interval '1 ms')::text FROM orders WHERE id = '{}'",
            order.id.uuid()
        );
        let moment = self.database.text(&moment).await.expect("the order");
        self.tells_the_time(&format!("timestamptz '{moment}'")).await;
    }

    /// It goes on.
    pub(crate) async fn starts_the_clock(&self) {
        let ahead = "UPDATE sandbox_clock SET offset_ms = extract(epoch FROM onsale_now() - clock_timestamp()) * 1000";
        self.database.execute(ahead).await.expect("Postgres answers");
        self.tells_the_time("clock_timestamp() + (SELECT offset_ms FROM public.sandbox_clock) * interval '1 ms'").await;
    }

    async fn tells_the_time(&self, now: &str) {
        let clock = format!(
            "CREATE OR REPLACE FUNCTION public.onsale_now() RETURNS timestamptz LANGUAGE plpgsql VOLATILE AS
             $$ BEGIN RETURN {now}; END $$"
        );
        self.database.execute(&clock).await.expect("Postgres answers");
    }

    /// The guard switched off: a payment becomes whatever an event says.
    pub(crate) async fn obeys_every_event(&self) {
        let obey = "CREATE OR REPLACE FUNCTION payment_merge(p_state text, p_status text) RETURNS text LANGUAGE sql IMMUTABLE
                    SET search_path = public, pg_temp AS $$
                        SELECT CASE payment_state_of(p_status) WHEN p_state THEN 'stay' ELSE payment_state_of(p_status) END $$";
        self.database.execute(obey).await.expect("Postgres answers");
    }

    /// Orders that still wait to be paid run out of time.
    pub(crate) async fn lets_orders_run_out(&self) {
        self.database.advance_clock(2 * 1_000 * i64::from(ORDER_LIFE_MAX_S)).await.expect("Postgres answers");
        let waiting = OrderState::AwaitingPayment.word();
        eventually("no order waits", async || {
            self.count(&format!("SELECT count(*) FROM orders WHERE state = '{waiting}'")).await == 0
        })
        .await;
    }
}

/// A dispute of some of a payment, as its events tell it: what moved, and where it is.
pub(crate) fn dispute(intent: &str, status: &str, moved: &[i64]) -> Value {
    let amount = moved.first().map_or(0, |taken| -taken);
    let moved = moved.iter().zip(1..).map(|(amount, number)| {
        json!({ "id": format!("txn_{intent}_{number}"), "object": "balance_transaction", "amount": amount, "fee": 0,
                "currency": "eur" })
    });
    json!({ "id": format!("du_{intent}"), "object": "dispute", "amount": amount, "currency": "eur", "status": status,
            "payment_intent": intent, "balance_transactions": moved.collect::<Vec<_>>() })
}
