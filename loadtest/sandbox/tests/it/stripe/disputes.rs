//! Disputes from the first question to the end, and what they do to the balance.

use http::StatusCode;
use sandbox::{DisputeKind, DisputeStep, FakeStripe, FakeStripeOptions, Fees, Tally};
use serde_json::Value;

use super::seller::{PRICE, Seller};

const FEE: i64 = 1_500;

struct Case {
    stripe: FakeStripe,
    seller: Seller,
    intent: String,
}

impl Case {
    /// A captured payment at a Stripe that takes a fee for disputes.
    async fn start() -> Case {
        let fees = Fees { dispute: FEE, ..Fees::default() };
        let stripe = FakeStripe::start(FakeStripeOptions { fees, ..FakeStripeOptions::default() }).await.unwrap();
        let seller = Seller::of(&stripe);
        let paid = seller.pays("pm_card_visa", "automatic", None).await.json();
        Case { stripe, seller, intent: paid["id"].as_str().unwrap().to_owned() }
    }

    fn opens(&self, amount: i64, kind: DisputeKind) -> String {
        self.stripe.open_dispute(&self.intent, amount, kind).unwrap()
    }

    fn goes(&self, id: &str, steps: &[DisputeStep]) {
        for step in steps {
            self.stripe.dispute_goes_on(id, *step).unwrap();
        }
    }

    async fn dispute(&self, id: &str) -> Value {
        self.seller.get(&format!("/v1/disputes/{id}")).await.json()
    }

    /// The events of disputes, without `charge.dispute.`.
    fn told(&self) -> Vec<String> {
        let events = self.stripe.events();
        events.iter().filter_map(|event| event.kind.strip_prefix("charge.dispute.")).map(str::to_owned).collect()
    }

    fn tally(&self) -> Tally {
        self.stripe.tallies()[&self.intent]
    }
}

#[tokio::test]
async fn a_chargeback_that_is_won_gives_everything_back() {
    let case = Case::start().await;
    let id = case.opens(PRICE, DisputeKind::Chargeback);
    let opened = case.dispute(&id).await;
    assert_eq!((&opened["object"], &opened["status"]), (&"dispute".into(), &"needs_response".into()));
    assert_eq!(
        (&opened["payment_intent"], &opened["balance_transactions"]),
        (&case.intent.as_str().into(), &Value::Array(vec![]))
    );
    assert_eq!(case.stripe.balance()["eur"], PRICE);

    case.goes(&id, &[DisputeStep::FundsWithdrawn]);
    assert_eq!(case.stripe.balance()["eur"], -FEE);
    let taken = &case.dispute(&id).await["balance_transactions"][0];
    assert_eq!(
        (&taken["amount"], &taken["fee"], &taken["net"]),
        (&(-PRICE).into(), &FEE.into(), &(-PRICE - FEE).into())
    );
    assert_eq!((&taken["type"], &taken["reporting_category"]), (&"adjustment".into(), &"dispute".into()));
    assert_eq!(taken["source"], id.as_str());

    case.goes(&id, &[DisputeStep::Updated, DisputeStep::Won]);
    let won = case.dispute(&id).await;
    assert_eq!((&won["status"], won["balance_transactions"].as_array().unwrap().len()), (&"won".into(), 2));
    assert_eq!(won["balance_transactions"][1]["reporting_category"], "dispute_reversal");
    assert_eq!(case.stripe.balance()["eur"], PRICE);
    assert_eq!(case.tally(), Tally { captured: PRICE, disputed: PRICE, reinstated: PRICE, ..Tally::default() });
    assert_eq!(case.told(), ["created", "funds_withdrawn", "updated", "funds_reinstated", "closed"]);
}

#[tokio::test]
async fn a_chargeback_that_is_lost_keeps_the_money_and_the_fee() {
    let case = Case::start().await;
    let id = case.opens(2_000, DisputeKind::Chargeback);
    case.goes(&id, &[DisputeStep::FundsWithdrawn, DisputeStep::Lost]);
    assert_eq!(case.stripe.balance()["eur"], PRICE - 2_000 - FEE);
    assert_eq!(case.tally(), Tally { captured: PRICE, disputed: 2_000, fees: FEE, ..Tally::default() });
    assert_eq!(case.told(), ["created", "funds_withdrawn", "closed"]);
    for step in [DisputeStep::Won, DisputeStep::Lost, DisputeStep::FundsWithdrawn, DisputeStep::WarningClosed] {
        assert!(case.stripe.dispute_goes_on(&id, step).is_err(), "{step:?}");
    }
    assert_eq!(case.told().len(), 3);
}

#[tokio::test]
async fn an_inquiry_ends_quietly_or_becomes_a_chargeback() {
    let case = Case::start().await;
    let quiet = case.opens(PRICE, DisputeKind::Inquiry);
    assert_eq!(case.dispute(&quiet).await["status"], "warning_needs_response");
    assert!(case.stripe.dispute_goes_on(&quiet, DisputeStep::Lost).is_err());
    case.goes(&quiet, &[DisputeStep::Updated, DisputeStep::WarningClosed]);
    assert_eq!(
        (case.dispute(&quiet).await["status"].clone(), case.stripe.balance()["eur"]),
        ("warning_closed".into(), PRICE)
    );

    let loud = case.opens(PRICE, DisputeKind::Inquiry);
    case.goes(&loud, &[DisputeStep::FundsWithdrawn]);
    assert_eq!(case.dispute(&loud).await["status"], "needs_response");
    assert!(case.stripe.dispute_goes_on(&loud, DisputeStep::FundsWithdrawn).is_err(), "it is taken once");
    assert_eq!(case.stripe.balance()["eur"], -FEE);
    assert_eq!(case.told(), ["created", "updated", "closed", "created", "updated", "funds_withdrawn"]);
}

#[tokio::test]
async fn a_charge_that_is_charged_back_is_not_refunded() {
    let case = Case::start().await;
    let refund = [("payment_intent", case.intent.as_str()), ("amount", "1000")];
    let asked = case.opens(PRICE, DisputeKind::Inquiry);
    case.seller.posts("/v1/refunds", &refund).await;
    case.goes(&asked, &[DisputeStep::FundsWithdrawn]);
    assert_eq!(case.seller.is_refused("/v1/refunds", &refund).await, (400, "charge_disputed".into()));
    case.goes(&asked, &[DisputeStep::Won]);
    case.seller.posts("/v1/refunds", &refund).await;
    let path = format!("/v1/payment_intents/{}?expand[]=latest_charge", case.intent);
    assert_eq!(case.seller.get(&path).await.json()["latest_charge"]["disputed"], true);
}

#[tokio::test]
async fn only_captured_money_is_disputed_and_every_dispute_is_listed() {
    let case = Case::start().await;
    assert!(case.stripe.open_dispute(&case.intent, PRICE + 1, DisputeKind::Chargeback).is_err());
    assert!(case.stripe.open_dispute(&case.seller.authorised().await, 1, DisputeKind::Chargeback).is_err());
    assert!(case.stripe.open_dispute("pi_none", 1, DisputeKind::Inquiry).is_err());
    let (first, second) = (case.opens(1_000, DisputeKind::Inquiry), case.opens(500, DisputeKind::Chargeback));
    let list = async |query: &str| case.seller.get(&format!("/v1/disputes?{query}")).await.json();
    let all = list(&format!("payment_intent={}", case.intent)).await;
    assert_eq!((&all["data"][0]["id"], &all["data"][1]["id"]), (&second.as_str().into(), &first.as_str().into()));
    let page = list("limit=1&expand[]=data.payment_intent").await;
    assert_eq!(
        (&page["has_more"], &page["data"][0]["payment_intent"]["id"]),
        (&true.into(), &case.intent.as_str().into())
    );
    assert_eq!(list("payment_intent=pi_none").await["data"], Value::Array(vec![]));
    assert_eq!(case.seller.get("/v1/disputes/du_none").await.status, StatusCode::NOT_FOUND);
}
