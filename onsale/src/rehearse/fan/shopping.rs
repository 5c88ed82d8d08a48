//! A fan whose turn it is: holds, orders, pays.

use std::time::Duration;

use http::Method;
use sandbox::Authentication;
use sandbox::actors::Edge;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::client::Answer;
use super::{Ending, Fan, INSISTS, Visit, after};
use crate::rehearse::plan::{Aim, Card, Leaving};
use crate::rehearse::tally::{Count, Step};

/// How often the page of an order looks whether it is paid.
const FOLLOWS_EVERY: Duration = Duration::from_secs(1);
/// How long a buyer waits for that: longer than anything that repairs itself takes.
const FOLLOWS_FOR: Duration = Duration::from_secs(300);
/// How long finding another card takes, in seconds of the sale.
const OTHER_CARD_S: f64 = 10.0;

#[derive(Deserialize)]
struct Hold {
    id: String,
    receipt: String,
    /// One for each unit.
    items: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct Order {
    id: String,
    token: String,
    payment: Option<Value>,
}

#[derive(Deserialize)]
struct OrderSeen {
    state: String,
    #[serde(rename = "final", default)]
    is_final: bool,
}

/// How pressing Pay ended.
enum Paying {
    UnderWay,
    Declined,
    Over(Ending),
}

impl Fan {
    pub(super) async fn shops(&mut self, pass: &str) -> Visit {
        self.thinks(self.plan.choosing_s).await;
        if self.plan.aim == Aim::LeavesChoosing {
            self.asks(Step::Leave, Method::DELETE, "/queue/place", Some(&self.place), Value::Null).await;
            return Visit::Over(Ending::WentWhileChoosing);
        }
        let hold = match self.holds(pass).await {
            Ok(hold) => hold,
            Err(visit) => return visit,
        };
        Visit::Over(self.goes_to_the_till(pass, &hold).await)
    }

    /// Asks for what it wants, then for less of it, then for something else.
    async fn holds(&mut self, pass: &str) -> Result<Hold, Visit> {
        let (mut tiers, mut quantity) = (self.plan.tiers.clone().into_iter(), self.plan.quantity);
        let Some(mut tier) = tiers.next() else { return Err(Visit::Over(Ending::NothingLeft)) };
        let mut together = self.world.tiers[tier].seated && quantity > 1;
        loop {
            let on_sale = &self.world.tiers[tier];
            let item = if together {
                json!({ "tier": on_sale.id, "quantity": quantity, "together": true })
            } else {
                json!({ "tier": on_sale.id, "quantity": quantity })
            };
            let answer = self.insists(Step::Hold, "/holds", Some(pass), json!({ "items": [item] })).await;
            if let Some(hold) = answer.is_good().then(|| answer.read()).flatten() {
                self.world.tally.add(Count::Holds, 1);
                return Ok(hold);
            }
            match answer.code().as_str() {
                "none_together" => together = false,
                "too_few_left" | "limit_reached" if quantity > 1 => quantity -= 1,
                "all_held" | "sale_paused" => {
                    if !self.lingers(&answer).await {
                        return Err(Visit::Over(Ending::NothingLeft));
                    }
                }
                "sold_out" | "too_few_left" | "allocation_sold_out" => match tiers.next() {
                    Some(next) => {
                        tier = next;
                        together = self.world.tiers[tier].seated && quantity > 1;
                    }
                    None => return Err(Visit::Over(Ending::NothingLeft)),
                },
                "pass_expired" | "pass_invalid" | "unauthorized" => return Err(Visit::WaitsAgain),
                _ => return Err(Visit::Over(Ending::Failed)),
            }
        }
    }

    /// Waits a moment in the shop, in touch; says whether the sale goes on.
    async fn lingers(&mut self, answer: &Answer) -> bool {
        let lasts = after(answer).as_secs_f64() * self.world.clock.speed;
        self.thinks(lasts).await;
        !self.world.over.is_cancelled()
    }

    async fn goes_to_the_till(&mut self, pass: &str, hold: &Hold) -> Ending {
        self.thinks(self.plan.form_s).await;
        if let Aim::LeavesForm(leaving) = self.plan.aim {
            if leaving == Leaving::GivesBack {
                let path = format!("/holds/{}", hold.id);
                self.asks(Step::GiveBack, Method::DELETE, &path, Some(pass), Value::Null).await;
            }
            return Ending::LeftTheForm;
        }
        let units = hold.items.len();
        let order = match self.orders(pass, hold).await {
            Ok(order) => order,
            Err(ending) => return ending,
        };
        self.thinks(self.plan.paying_s).await;
        if self.plan.aim == Aim::LeavesPaying {
            return Ending::LeftBeforePaying;
        }
        if order.payment.is_none() {
            return self.follows(&order, units).await;
        }
        self.pays(&order, units).await
    }

    async fn orders(&mut self, pass: &str, hold: &Hold) -> Result<Order, Ending> {
        let email = format!("fan{}@example.com", self.number);
        let body = json!({ "hold": hold.id, "email": email, "name": format!("Fan {}", self.number) });
        let mut reclaimed = false;
        loop {
            let answer = self.insists(Step::Order, "/orders", Some(pass), body.clone()).await;
            if let Some(order) = answer.is_good().then(|| answer.read()).flatten() {
                self.world.tally.add(Count::Orders, 1);
                return Ok(order);
            }
            match answer.code().as_str() {
                // Redis was lost, perhaps: the receipt gives back what it had.
                "hold_not_found" | "hold_expired" | "pass_expired" | "pass_invalid" if !reclaimed => {
                    reclaimed = true;
                    let path = format!("/holds/{}/reclaim", hold.id);
                    let back = self.insists(Step::Reclaim, &path, Some(&hold.receipt), Value::Null).await;
                    if !back.is_good() {
                        return Err(Ending::TooSlow);
                    }
                }
                _ if answer.is_passing() => return Err(Ending::Failed),
                _ => return Err(Ending::TooSlow),
            }
        }
    }

    async fn pays(&mut self, order: &Order, units: usize) -> Ending {
        let first = match self.plan.card {
            Card::Approves => "pm_card_visa",
            Card::DeclinedOnce | Card::DeclinedForGood => "pm_card_chargeDeclined",
            Card::Asks { .. } | Card::AsksInVain { .. } => "pm_card_authenticationRequired",
        };
        let mut paying = self.presses_pay(order, first).await;
        if matches!(paying, Paying::Declined) && self.plan.card == Card::DeclinedOnce {
            self.thinks(OTHER_CARD_S).await;
            paying = self.presses_pay(order, "pm_card_visa").await;
        }
        match paying {
            Paying::UnderWay => self.follows(order, units).await,
            Paying::Declined => Ending::Declined,
            Paying::Over(ending) => ending,
        }
    }

    async fn presses_pay(&mut self, order: &Order, card: &str) -> Paying {
        let Some(token) = self.confirmation_token(card).await else { return Paying::Over(Ending::Failed) };
        let path = format!("/orders/{}/pay", order.id);
        let body = json!({ "confirmation_token": token });
        let answer = self.insists(Step::Pay, &path, Some(&order.token), body).await;
        if answer.is_good() {
            self.world.tally.add(Count::Payments, 1);
            let body: Value = answer.read().unwrap_or_default();
            return self.answers_the_bank(&body["payment"]).await;
        }
        match answer.code().as_str() {
            "payment_declined" => Paying::Declined,
            _ if answer.is_passing() => Paying::Over(Ending::Failed),
            _ => Paying::Over(Ending::TooSlow),
        }
    }

    /// 3-D Secure, where the bank asks for it.
    async fn answers_the_bank(&mut self, payment: &Value) -> Paying {
        if payment["status"] != "requires_action" {
            return Paying::UnderWay;
        }
        let (answers_s, outcome) = match self.plan.card {
            Card::Asks { answers_s } => (answers_s, Authentication::Passed),
            Card::AsksInVain { answers_s } => (answers_s, Authentication::Failed),
            Card::Approves | Card::DeclinedOnce | Card::DeclinedForGood => (0.0, Authentication::Passed),
        };
        self.thinks(answers_s).await;
        let intent = payment["payment_intent"].as_str().unwrap_or_default();
        match (self.world.servers.stripe.authenticate(intent, outcome), outcome) {
            (Ok(()), Authentication::Passed) => Paying::UnderWay,
            (Ok(()), Authentication::Failed) => Paying::Declined,
            // The order was given up meanwhile, and the intent with it.
            (Err(_), _) => Paying::Over(Ending::TooSlow),
        }
    }

    /// What Stripe.js makes of a card. Stripe's pages are tried again like any other.
    async fn confirmation_token(&self, card: &str) -> Option<String> {
        let stripe: &Edge = &self.world.stripe;
        let (form, began) = (format!("payment_method={card}"), Instant::now());
        let headers =
            [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_of_a_fan")];
        while began.elapsed() < INSISTS {
            let path = "/v1/test_helpers/confirmation_tokens";
            let made = stripe.send(Method::POST, path, &headers, form.clone().into()).await;
            if let Some(token) = made.ok().and_then(|made| made.body["id"].as_str().map(str::to_owned)) {
                return Some(token);
            }
            sleep(FOLLOWS_EVERY).await;
        }
        None
    }

    /// Looks at the order until it is paid or over.
    async fn follows(&mut self, order: &Order, units: usize) -> Ending {
        let (began, path) = (Instant::now(), format!("/orders/{}", order.id));
        while began.elapsed() < FOLLOWS_FOR {
            sleep(FOLLOWS_EVERY).await;
            let answer = self.asks(Step::Follow, Method::GET, &path, Some(&order.token), Value::Null).await;
            let Some(seen) = answer.is_good().then(|| answer.read::<OrderSeen>()).flatten() else { continue };
            match seen.state.as_str() {
                "paid" => {
                    self.world.tally.add(Count::PaidOrders, 1);
                    self.world.tally.add(Count::PaidUnits, units as u64);
                    return Ending::Bought;
                }
                "expired" | "cancelled" if seen.is_final => return Ending::TooSlow,
                _ => {}
            }
        }
        Ending::Failed
    }

    /// Asks under one key until the answer is not one that passes.
    async fn insists(&self, step: Step, path: &str, token: Option<&str>, body: Value) -> Answer {
        let mut ask = self.request(step, Method::POST, path, token, body);
        ask.key = Some(Uuid::new_v4().to_string());
        let began = Instant::now();
        loop {
            let answer = self.world.client.ask(&ask).await;
            let settled = !answer.is_passing() && (answer.is_good() || answer.code() != "request_in_progress");
            if settled || began.elapsed() > INSISTS {
                return answer;
            }
            sleep(after(&answer)).await;
        }
    }
}
