//! Balance transactions, what they add up to, and how they are listed.

use http::StatusCode;
use sandbox::{FakeStripe, FakeStripeOptions, Fees, MovementKind, Tally};
use serde_json::Value;

use super::seller::{PRICE, Seller};

/// 1.5 % and 25 cents of 45.00: 67.5 and 25, half up.
const FEES: Fees = Fees { charge_basis_points: 150, charge_fixed: 25, dispute: 1_500 };
const FEE: i64 = 93;

async fn start(fees: Fees) -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions { fees, ..FakeStripeOptions::default() }).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

fn ids(list: &Value) -> Vec<String> {
    list["data"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

async fn captured(seller: &Seller) -> Value {
    seller.pays("pm_card_visa", "automatic", None).await.json()
}

#[tokio::test]
async fn a_capture_a_refund_and_a_fee_each_move_the_balance_once() {
    let (stripe, seller) = start(FEES).await;
    let intent = captured(&seller).await["id"].as_str().unwrap().to_owned();
    let refund = seller.posts("/v1/refunds", &[("payment_intent", &intent), ("amount", "1000")]).await;
    stripe.takes_fee("eur", 200, "Radar");

    let moved: Vec<_> = stripe.movements().iter().map(|moved| (moved.kind, moved.amount, moved.net())).collect();
    let expected = [
        (MovementKind::Charge, PRICE, PRICE - FEE),
        (MovementKind::Refund, -1_000, -1_000),
        (MovementKind::Fee, -200, -200),
    ];
    assert_eq!(moved, expected);
    assert_eq!(stripe.balance(), [("eur".to_owned(), PRICE - FEE - 1_200)].into());
    let tally = Tally { captured: PRICE, refunded: 1_000, fees: FEE, ..Tally::default() };
    assert_eq!(stripe.tallies(), [(intent, tally)].into());

    let path = format!("/v1/balance_transactions/{}", refund["balance_transaction"].as_str().unwrap());
    let shown = seller.get(&path).await.json();
    assert_eq!((&shown["source"], &shown["type"]), (&refund["id"], &"refund".into()));
    assert_eq!((&shown["net"], &shown["fee_details"]), (&(-1_000).into(), &Value::Array(Vec::new())));
    assert_eq!(seller.get("/v1/balance_transactions/txn_none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_authorisation_moves_nothing_until_it_is_captured() {
    let (stripe, seller) = start(Fees::default()).await;
    let (taken, left) = (seller.authorised().await, seller.authorised().await);
    seller.posts(&format!("/v1/payment_intents/{left}/cancel"), &[]).await;
    assert_eq!(stripe.movements(), []);
    let path = format!("/v1/payment_intents/{taken}/capture");
    let form = [("amount_to_capture", "4000"), ("expand[]", "latest_charge.balance_transaction")];
    let intent = seller.posts(&path, &form).await;
    let moved = &intent["latest_charge"]["balance_transaction"];
    assert_eq!((&moved["amount"], &moved["net"], &moved["type"]), (&4_000.into(), &4_000.into(), &"charge".into()));
    assert_eq!(moved["source"], intent["latest_charge"]["id"]);
    assert_eq!(stripe.balance()["eur"], 4_000);
}

#[tokio::test]
async fn the_balance_is_pending_first_and_what_leaves_it_leaves_at_once() {
    let (_stripe, seller) = start(FEES).await;
    let intent = captured(&seller).await;
    seller.posts("/v1/refunds", &[("payment_intent", intent["id"].as_str().unwrap()), ("amount", "1000")]).await;
    let balance = seller.get("/v1/balance").await.json();
    assert_eq!((&balance["object"], &balance["livemode"]), (&"balance".into(), &false.into()));
    assert_eq!(balance["pending"][0]["amount"], PRICE - FEE);
    assert_eq!(
        (&balance["available"][0]["amount"], &balance["available"][0]["currency"]),
        (&(-1_000).into(), &"eur".into())
    );
}

#[tokio::test]
async fn the_list_is_gone_through_in_both_directions() {
    let (stripe, seller) = start(Fees::default()).await;
    for _ in 0..5 {
        captured(&seller).await;
    }
    let made: Vec<String> = stripe.movements().into_iter().rev().map(|moved| moved.id).collect();
    let page = async |query: String| {
        let list = seller.get(&format!("/v1/balance_transactions?{query}")).await.json();
        (ids(&list), list["has_more"].as_bool().unwrap())
    };
    assert_eq!(page("limit=2".into()).await, (made[..2].to_vec(), true));
    assert_eq!(page(format!("limit=2&starting_after={}", made[1])).await, (made[2..4].to_vec(), true));
    assert_eq!(page(format!("limit=2&starting_after={}", made[3])).await, (made[4..].to_vec(), false));
    assert_eq!(page(format!("limit=2&ending_before={}", made[4])).await, (made[2..4].to_vec(), true));
    assert_eq!(page(format!("limit=2&ending_before={}", made[2])).await, (made[..2].to_vec(), false));
    assert_eq!(page(format!("limit=2&ending_before={}", made[0])).await, (Vec::new(), false));
}

#[tokio::test]
async fn a_list_keeps_to_its_filters_and_refuses_what_it_does_not_know() {
    let (stripe, seller) = start(Fees::default()).await;
    let intent = captured(&seller).await;
    let refund = seller.posts("/v1/refunds", &[("payment_intent", intent["id"].as_str().unwrap())]).await;
    let count = async |query: &str| {
        let list = seller.get(&format!("/v1/balance_transactions?{query}")).await.json();
        list["data"].as_array().unwrap_or_else(|| panic!("{query}: {list}")).len()
    };
    let at = stripe.movements()[0].created;
    assert_eq!(count("type=refund").await, 1);
    assert_eq!(count(&format!("source={}", refund["id"].as_str().unwrap())).await, 1);
    assert_eq!(count(&format!("created[gte]={at}")).await, 2);
    assert_eq!(count(&format!("created[lt]={at}")).await, 0);
    assert_eq!(count(&format!("created[gt]={}&created[lte]={}", at - 1, at + 60)).await, 2);
    assert_eq!(count("currency=usd").await, 0);
    let (first, last) = (&stripe.movements()[0].id, &stripe.movements()[1].id);
    for (query, code) in [
        ("limit=0".to_owned(), "parameter_invalid_integer"),
        ("limit=101".to_owned(), "parameter_invalid_integer"),
        ("colour=red".to_owned(), "parameter_unknown"),
        ("starting_after=txn_none".to_owned(), "resource_missing"),
        (format!("starting_after={first}&ending_before={last}"), "parameter_invalid_integer"),
        ("expand[]=data.colour".to_owned(), "parameter_invalid_integer"),
    ] {
        let answer = seller.get(&format!("/v1/balance_transactions?{query}")).await;
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (StatusCode::BAD_REQUEST, &code.into()),
            "{query}"
        );
    }
    let sources = seller.get("/v1/balance_transactions?type=refund&expand[]=data.source.charge").await.json();
    assert_eq!(sources["data"][0]["source"]["charge"]["id"], intent["latest_charge"]);
}

#[tokio::test]
async fn a_bad_expansion_is_refused_before_anything_is_done() {
    let (stripe, seller) = start(Fees::default()).await;
    let form = [("amount", "4500"), ("currency", "eur"), ("expand[]", "colour")];
    assert_eq!(seller.is_refused("/v1/payment_intents", &form).await, (400, "parameter_invalid_integer".into()));
    assert_eq!(stripe.payment_intents(), []);
}
