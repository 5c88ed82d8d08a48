//! What the organizer is told of the money is what Stripe has, to the cent.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::{Method, StatusCode};
use sandbox::actors::Edge;
use serde_json::Value;

use crate::world::World;

/// The trial balance, the export and the balances kept agree with Stripe's own books.
pub(crate) async fn agree_with_stripe(world: &World, sale: &str) {
    let held = world.stripe.captured_total("eur") - world.stripe.refunded_total("eur");
    let report = async |name: &str| {
        let answer = world.organizer.asks(Method::GET, &format!("sales/{sale}/{name}"), &Value::Null).await.unwrap();
        answer.expect(StatusCode::OK).unwrap()
    };
    let ledger = report("ledger").await;
    assert_eq!(balance(&ledger, "payment_clearing"), held);
    for total in ledger["totals"].as_array().unwrap() {
        assert_eq!((&total["balance"], &total["debits"]), (&Value::from(0), &total["credits"]), "{total}");
    }
    // Money that Stripe has is somebody's: the organizer's, the platform's, the state's, a buyer's, or to be looked at; what
    // Stripe kept or took for a dispute, and what is given up, is somebody's loss.
    let whose = [
        "organizer_payable",
        "platform_fee",
        "tax_payable",
        "refund_due",
        "suspense",
        "disputed",
        "processor_fee",
        "write_off",
    ];
    assert_eq!(whose.iter().map(|account| balance(&ledger, account)).sum::<i64>(), -held);

    let export = report("export.csv").await;
    let by_intent: BTreeMap<_, _> = world
        .stripe
        .payment_intents()
        .into_iter()
        .map(|intent| (intent.id, (intent.captured, intent.refunded)))
        .collect();
    assert_eq!(payments(export.as_str().unwrap()), by_intent);

    let kept = "SELECT coalesce(sum(debits - credits), 0)::bigint FROM balances WHERE account = 'payment_clearing'";
    world.waits_until_counted(kept, |kept| kept == held).await;
}

/// Somebody refunds a payment in Stripe's dashboard; comes back when the books know.
pub(crate) async fn refunds_at_stripe(world: &World, amount: i64) {
    let intent = world.stripe.payment_intents().into_iter().find(|intent| intent.captured >= amount).unwrap();
    let form = format!("payment_intent={}&amount={amount}", intent.id);
    let headers =
        [("content-type", "application/x-www-form-urlencoded"), ("authorization", "Bearer sk_test_of_an_actor")];
    let answer =
        Edge::new(&world.stripe.base_url()).send(Method::POST, "/v1/refunds", &headers, Bytes::from(form)).await;
    answer.unwrap().expect(StatusCode::OK).unwrap();
    let refunded = world.stripe.refunded_total("eur");
    let booked = "SELECT coalesce(sum(refunded), 0)::bigint FROM payments";
    world.waits_until_counted(booked, |booked| booked == refunded).await;
}

fn balance(ledger: &Value, account: &str) -> i64 {
    let accounts = ledger["accounts"].as_array().unwrap();
    let found = accounts.iter().find(|row| row["account"] == account).unwrap_or_else(|| panic!("no {account}"));
    found["balance"].as_i64().unwrap()
}

/// Captured and refunded of each payment of an export; no cell of these records has a comma in it.
fn payments(export: &str) -> BTreeMap<String, (i64, i64)> {
    assert!(export.lines().last().is_some_and(|last| last.starts_with("end,")), "the export is whole");
    let payment = |line: &str| {
        let cells: Vec<_> = line.split(',').collect();
        (cells[14].to_owned(), (cells[12].parse().unwrap(), cells[13].parse().unwrap()))
    };
    export.lines().filter(|line| line.starts_with("payment,")).map(payment).collect()
}
