//! Who may post, and under which key. What nobody may write is in [`crate::forbidden`].

use tokio_postgres::Client;

use crate::world::{Price, World, connect};

/// The name of the rule that refuses these statements, run as one transaction.
async fn refusal(client: &Client, statements: &[String]) -> Option<String> {
    let all = format!("BEGIN; {}; COMMIT", statements.join("; "));
    let refused = client.batch_execute(&all).await.err()?;
    client.batch_execute("ROLLBACK").await.expect("an answer");
    let refused = refused.as_db_error().expect("an answer of the database");
    Some(refused.constraint().map_or_else(|| refused.message().to_owned(), str::to_owned))
}

async fn as_owner(world: &World) -> Client {
    let client = connect(&world.database.url).await;
    client.batch_execute("SET ROLE onsale_owner").await.expect("an answer");
    client
}

/// What only functions may write, no role of a process can write by itself.
#[tokio::test]
async fn money_and_seats_are_written_by_functions_only() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let writes = [
        "UPDATE units SET state = 'withheld'",
        "INSERT INTO units (sale_id, tier_id, unit_no) SELECT id, 'ga', 9 FROM sales",
        "INSERT INTO orders SELECT * FROM orders",
        "UPDATE orders SET state = 'paid'",
        "UPDATE payments SET captured = 1",
        "UPDATE refunds SET state = 'succeeded'",
        "INSERT INTO tickets SELECT * FROM tickets",
        "DELETE FROM tickets",
        "INSERT INTO transfers SELECT * FROM transfers",
        "INSERT INTO entries SELECT * FROM entries",
        "DELETE FROM hold_claims",
        "UPDATE sales SET epoch = 9",
        "INSERT INTO grants SELECT * FROM grants",
        "SELECT post(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        "SELECT order_claim(NULL, NULL)",
    ];
    for role in [ledger::Role::Gateway, ledger::Role::Workers, ledger::Role::ReadOnly] {
        let client = connect(&world.database.url).await;
        client.batch_execute(&format!("SET ROLE {}", role.name())).await.unwrap();
        for write in writes {
            let refused =
                refusal(&client, &[write.to_owned()]).await.unwrap_or_else(|| panic!("{write} as {}", role.name()));
            assert!(refused.starts_with("permission denied"), "{write} as {}: {refused}", role.name());
        }
    }
}

/// An order's id that is none, and a reference that reads like it, are two acts.
#[tokio::test]
async fn what_is_missing_is_not_what_stands_elsewhere() {
    const ORDER: (&str, &str) = ("'00000000-0000-4000-8000-000000000001'", "NULL");
    const REFERENCE: (&str, &str) = (ORDER.1, ORDER.0);
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = as_owner(&world).await;
    let legs = "ARRAY[ROW('payment_clearing', 'eur', 5)::leg, ROW('organizer_payable', 'eur', -5)::leg, ROW('suspense', 'eur', 0)::leg]";
    let post = |key: &str, (order, reference): (&str, &str)| {
        format!("SELECT post(id, 'captured', '{key}', {order}, {reference}, now(), NULL, NULL, {legs}) FROM sales")
    };
    assert_eq!(refusal(&owner, &[post("one", ORDER), post("one", ORDER)]).await, None);
    let other = refusal(&owner, &[post("one", REFERENCE)]).await;
    assert_eq!(other.as_deref(), Some("transfers_same_key_same_request"));
    let item = |(order, reference): (&str, &str)| {
        format!("ROW(id, 'captured', 'one', {order}::uuid, {reference}::text, now(), NULL, NULL, {legs})::posting")
    };
    let batch =
        format!("SELECT outcome FROM sales, post_batch(ARRAY[{}, {}]) ORDER BY item", item(ORDER), item(REFERENCE));
    let rows = owner.query(&batch, &[]).await.unwrap();
    let outcomes: Vec<&str> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(outcomes, ["existing", "key_in_use"]);
}

#[tokio::test]
async fn the_same_key_never_names_another_transfer() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = as_owner(&world).await;
    let post = |amount: i64| {
        format!(
            "SELECT post(id, 'captured', 'key', NULL, NULL, now(), NULL, NULL, ARRAY[
                 ROW('payment_clearing', 'eur', {amount})::leg, ROW('organizer_payable', 'eur', -{amount})::leg]) FROM sales"
        )
    };
    assert_eq!(refusal(&owner, &[post(5)]).await, None);
    assert_eq!(refusal(&owner, &[post(5)]).await, None, "the same transfer again is the same");
    assert_eq!(refusal(&owner, &[post(6)]).await.as_deref(), Some("transfers_same_key_same_request"));
    assert_eq!(world.number("SELECT count(*) FROM transfers WHERE idem_key = 'key'").await, 1);
}
