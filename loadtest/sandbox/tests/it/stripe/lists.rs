//! Lists, the search, and their pages.

use std::time::Duration;

use http::StatusCode;
use sandbox::{FakeStripe, FakeStripeOptions};
use serde_json::Value;

use super::seller::Seller;

async fn start(search_lag: Duration) -> (FakeStripe, Seller) {
    let stripe = FakeStripe::start(FakeStripeOptions { search_lag, ..FakeStripeOptions::default() }).await.unwrap();
    let seller = Seller::of(&stripe);
    (stripe, seller)
}

/// An intent of that order, authorised.
async fn pays(seller: &Seller, order: &str) -> String {
    let form = [
        ("amount", "4500"),
        ("currency", "eur"),
        ("capture_method", "manual"),
        ("payment_method", "pm_card_visa"),
        ("payment_method_types[]", "card"),
        ("confirm", "true"),
        ("metadata[order]", order),
    ];
    seller.posts("/v1/payment_intents", &form).await["id"].as_str().unwrap().to_owned()
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|row| row["id"].as_str().unwrap()).collect()
}

async fn search(seller: &Seller, query: &str, more: &str) -> Value {
    let query: String = form_urlencoded::byte_serialize(query.as_bytes()).collect();
    seller.get(&format!("/v1/payment_intents/search?query={query}{more}")).await.json()
}

#[tokio::test]
async fn every_intent_is_listed_once_newest_first_through_all_pages() {
    let (stripe, seller) = start(Duration::ZERO).await;
    for order in 0..7 {
        pays(&seller, &format!("ord_{order}")).await;
    }
    let made: Vec<String> = stripe.payment_intents().into_iter().rev().map(|intent| intent.id).collect();
    let (mut listed, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = seller.get(&format!("/v1/payment_intents?limit=3{cursor}")).await.json();
        listed.extend(ids(&page).into_iter().map(str::to_owned));
        cursor = format!("&starting_after={}", listed.last().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(listed, made);
    assert_eq!(ids(&seller.get("/v1/payment_intents?customer=cus_1").await.json()), [""; 0]);
    let charges = seller.get(&format!("/v1/charges?payment_intent={}", made[2])).await.json();
    assert_eq!(
        (charges["data"].as_array().unwrap().len(), &charges["data"][0]["payment_intent"]),
        (1, &made[2].as_str().into())
    );
}

#[tokio::test]
async fn a_search_finds_by_metadata_and_status_page_by_page() {
    let (_stripe, seller) = start(Duration::ZERO).await;
    let (first, other, second) =
        (pays(&seller, "ord_1").await, pays(&seller, "ord_2").await, pays(&seller, "ord_1").await);
    let of_order = "metadata['order']:'ord_1'";
    let found = search(&seller, of_order, "").await;
    assert_eq!(
        (&found["object"], &found["has_more"], &found["next_page"]),
        (&"search_result".into(), &false.into(), &Value::Null)
    );
    assert_eq!(ids(&found), [&second, &first]);

    let page = search(&seller, of_order, "&limit=1").await;
    assert_eq!((ids(&page), &page["has_more"]), (vec![second.as_str()], &true.into()));
    let rest = search(&seller, of_order, &format!("&limit=1&page={}", page["next_page"].as_str().unwrap())).await;
    assert_eq!((ids(&rest), &rest["has_more"]), (vec![first.as_str()], &false.into()));

    seller.posts(&format!("/v1/payment_intents/{second}/capture"), &[]).await;
    let captured = search(&seller, "status:'succeeded' AND metadata['order']:'ord_1'", "").await;
    assert_eq!(ids(&captured), [&second]);
    assert_eq!(ids(&search(&seller, "metadata['order']:'ord_2'", "").await), [&other]);
    assert_eq!(search(&seller, "order is 2", "").await["error"]["param"], "query");
}

#[tokio::test]
async fn a_search_lags_behind_and_a_list_does_not() {
    let (stripe, seller) = start(Duration::from_secs(3_600)).await;
    let intent = pays(&seller, "ord_1").await;
    let of_order = "metadata['order']:'ord_1'";
    assert_eq!(ids(&search(&seller, of_order, "").await), [""; 0]);
    assert_eq!(ids(&seller.get("/v1/payment_intents").await.json()), [&intent]);
    stripe.advance_clock(Duration::from_secs(3_600));
    assert_eq!(ids(&search(&seller, of_order, "").await), [&intent]);
}

#[tokio::test]
async fn events_are_found_by_type_group_time_and_delivery() {
    let (stripe, seller) = start(Duration::ZERO).await;
    pays(&seller, "ord_1").await;
    let at = seller.get("/v1/events").await.json()["data"][0]["created"].as_i64().unwrap();
    stripe.advance_clock(Duration::from_secs(100));
    pays(&seller, "ord_2").await;
    let count = async |query: &str| ids(&seller.get(&format!("/v1/events?{query}")).await.json()).len();
    assert_eq!(count("type=payment_intent.*").await, 4);
    assert_eq!(count("type=charge.succeeded").await, 2);
    assert_eq!(count("types[]=charge.succeeded&types[]=payment_intent.created").await, 4);
    assert_eq!(count(&format!("created[gt]={}", at + 50)).await, 3);
    assert_eq!(count(&format!("created[lte]={}", at + 50)).await, 3);
    // Without a webhook nothing is delivered.
    assert_eq!((count("delivery_success=false").await, count("delivery_success=true").await), (6, 0));
}

#[tokio::test]
async fn every_list_refuses_a_cursor_that_is_not_in_it() {
    let (_stripe, seller) = start(Duration::ZERO).await;
    let intent = pays(&seller, "ord_1").await;
    for list in ["payment_intents", "charges", "refunds", "disputes", "balance_transactions", "events"] {
        for query in
            ["starting_after=evt_none", "ending_before=evt_none", "limit=0", "limit=101", "limit=x", "colour=red"]
        {
            let answer = seller.get(&format!("/v1/{list}?{query}")).await;
            let error = &answer.json()["error"];
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{list}?{query}");
            assert_eq!(error["param"], query.split('=').next().unwrap(), "{list}?{query}");
        }
    }
    let wrong_kind = seller.get(&format!("/v1/charges?starting_after={intent}")).await;
    assert_eq!(wrong_kind.json()["error"]["code"], "resource_missing");
    let both = seller.get("/v1/events?type=charge.succeeded&types[]=charge.succeeded").await;
    assert_eq!(both.status, StatusCode::BAD_REQUEST);
}
