//! What the database refuses to write, whoever asks.

use domain::payment::IntentStatus;
use tokio_postgres::Client;

use crate::world::{Price, World, connect};

/// A transfer that balances, ready to be spoiled: it takes an order of statements after it in one transaction.
const TRANSFER: &str = "
    INSERT INTO transfers (sale_id, id, kind, idem_key, request_hash, effective_at)
    SELECT id, '00000000-0000-4000-8000-000000000001', 'captured', 'test', sha256('test'), now() FROM sales";

fn leg(number: u32, account: &str, unit_of_account: &str, amount: i64) -> String {
    format!(
        "INSERT INTO entries SELECT id, '00000000-0000-4000-8000-000000000001', {number}, '{account}', '{unit_of_account}',
                {amount} FROM sales"
    )
}

fn legs(amounts: &[(&str, &str, i64)]) -> String {
    let values = amounts.iter().enumerate().map(|(leg, (account, unit_of_account, amount))| {
        format!("({leg}::smallint, '{account}', '{unit_of_account}', {amount}::bigint)")
    });
    let values = values.collect::<Vec<_>>().join(", ");
    format!(
        "INSERT INTO entries SELECT sales.id, '00000000-0000-4000-8000-000000000001', l.* FROM sales, (VALUES {values}) AS l"
    )
}

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

#[tokio::test]
async fn a_transfer_that_does_not_balance_is_refused() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = as_owner(&world).await;
    let cases: [(&str, Vec<String>); 8] = [
        (
            "entries_sum_zero",
            vec![TRANSFER.into(), legs(&[("payment_clearing", "eur", 5), ("organizer_payable", "eur", -4)])],
        ),
        ("entries_two_legs", vec![TRANSFER.into(), legs(&[("payment_clearing", "eur", 5)])]),
        (
            "entries_two_legs",
            vec![TRANSFER.into(), leg(0, "payment_clearing", "eur", 5), leg(1, "organizer_payable", "eur", -5)],
        ),
        (
            "entries_two_legs",
            vec![TRANSFER.into(), legs(&[("payment_clearing", "eur", 5), ("seats_sold", "seats:ga", -5)])],
        ),
        (
            "entries_account_fkey",
            vec![TRANSFER.into(), legs(&[("payment_clearing", "usd", 5), ("organizer_payable", "usd", -5)])],
        ),
        (
            "entries_amount_check",
            vec![TRANSFER.into(), legs(&[("payment_clearing", "eur", 0), ("organizer_payable", "eur", 0)])],
        ),
        ("transfers_have_entries", vec![TRANSFER.into()]),
        ("transfers_kind_check", vec![TRANSFER.replace("'captured'", "'gift'")]),
    ];
    for (rule, statements) in cases {
        assert_eq!(refusal(&owner, &statements).await.as_deref(), Some(rule), "{statements:?}");
    }
    let good = [TRANSFER.to_owned(), legs(&[("payment_clearing", "eur", 5), ("organizer_payable", "eur", -5)])];
    assert_eq!(refusal(&owner, &good).await, None, "or the cases above are refused for another reason");
}

#[tokio::test]
async fn a_leg_that_comes_later_is_refused() {
    let world = World::new().await;
    world.sale(1, Price::Paid).await;
    let owner = as_owner(&world).await;
    let good = [TRANSFER.to_owned(), legs(&[("payment_clearing", "eur", 5), ("organizer_payable", "eur", -5)])];
    assert_eq!(refusal(&owner, &good).await, None);
    let late = legs(&[("payment_clearing", "eur", 7), ("organizer_payable", "eur", -7)])
        .replace("l.*", "l.column1 + 2, l.column2, l.column3, l.column4");
    assert_eq!(refusal(&owner, &[late]).await.as_deref(), Some("entries_same_transaction"));
    let own_xid = TRANSFER
        .replace("effective_at)", "effective_at, xid)")
        .replace("now() FROM", "now(), '5'::xid8 FROM")
        .replace("000001", "000002")
        .replace("'test',", "'test2',");
    assert_eq!(refusal(&owner, &[own_xid]).await.as_deref(), Some("transfers_own_transaction"));
}

/// Every write that must not be, by every role. The owner meets the rule, the others are not let near it.
#[tokio::test]
async fn no_role_rewrites_the_books() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let paying = sale.order_being_paid([0]).await;
    world.applies(&paying.news(IntentStatus::Succeeded)).await;
    let writes = [
        ("entries_stay_as_written", "UPDATE entries SET amount = amount + 1"),
        ("entries_stay_as_written", "DELETE FROM entries"),
        ("entries_stay_as_written", "TRUNCATE entries"),
        ("transfers_stay_as_written", "UPDATE transfers SET kind = 'refunded'"),
        ("transfers_stay_as_written", "DELETE FROM transfers"),
        ("transfers_stay_as_written", "TRUNCATE transfers CASCADE"),
        ("accounts_stay_as_written", "UPDATE accounts SET account = 'suspense'"),
        ("accounts_stay_as_written", "DELETE FROM accounts"),
        ("audit_log_stay_as_written", "DELETE FROM audit_log"),
    ];
    for role in ledger::Role::ALL {
        let client = connect(&world.database.url).await;
        client.batch_execute(&format!("SET ROLE {}", role.name())).await.unwrap();
        for (rule, write) in writes {
            let refused =
                refusal(&client, &[write.to_owned()]).await.unwrap_or_else(|| panic!("{write} as {}", role.name()));
            if role == ledger::Role::Owner {
                assert_eq!(refused, rule, "{write}");
            } else {
                assert!(refused.starts_with("permission denied"), "{write} as {}: {refused}", role.name());
            }
        }
    }
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
