//! What an organizer reads of a sale's books: trial balance, orders, statement, export.

use std::time::Duration;

use domain::{Currency, Money};
use gateway::ExportPatience;
use http::{Method, StatusCode};
use ledger::disputes::{DisputeApplied, DisputeFacts, DisputeMovement, DisputeStatus, dispute_apply};
use ledger::organizers::KeyRole;
use sandbox::actors::{Answer, Card, Organizer};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::eventually::eventually;
use crate::world::{Setup, World, jazz, jazz_with};

/// A floor of 42.50 and 7 %.
const PRICE: i64 = 4_000 + 250 + 298;

async fn asks(organizer: &Organizer, sale: &str, report: &str) -> Answer {
    organizer.asks(Method::GET, &format!("sales/{sale}/{report}"), &Value::Null).await.unwrap()
}

async fn reads(organizer: &Organizer, sale: &str, report: &str) -> Value {
    asks(organizer, sale, report).await.expect(StatusCode::OK).unwrap()
}

fn account<'a>(ledger: &'a Value, name: &str) -> &'a Value {
    let accounts = ledger["accounts"].as_array().unwrap();
    accounts.iter().find(|account| account["account"] == name).unwrap_or_else(|| panic!("no {name}"))
}

/// The records of an export, cell by cell, as RFC 4180 has them.
fn records(csv: &str) -> Vec<Vec<String>> {
    assert!(csv.ends_with("\r\n"), "the last record ends too");
    let (mut records, mut cells, mut cell, mut chars) = (Vec::new(), Vec::new(), String::new(), csv.chars().peekable());
    let mut is_quoted = false;
    while let Some(char) = chars.next() {
        match char {
            '"' if is_quoted && chars.peek() == Some(&'"') => cell.extend(chars.next()),
            '"' => is_quoted = !is_quoted,
            ',' if !is_quoted => cells.push(std::mem::take(&mut cell)),
            '\r' if !is_quoted => {
                assert_eq!(chars.next(), Some('\n'));
                cells.push(std::mem::take(&mut cell));
                records.push(std::mem::take(&mut cells));
            }
            other => cell.push(other),
        }
    }
    records
}

#[tokio::test]
async fn the_trial_balance_has_every_account_and_its_totals_are_zero() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (buyer, _, order) = world.order(&sale, 2).await;
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    let ledger = reads(&world.organizer, &sale, "ledger").await;
    assert!(ledger["as_of"].is_string());
    let of = |name| {
        let account = account(&ledger, name);
        (
            account["debits"].as_i64().unwrap(),
            account["credits"].as_i64().unwrap(),
            account["balance"].as_i64().unwrap(),
        )
    };
    assert_eq!(of("seats_available"), (5, 2, 3));
    assert_eq!(of("seats_ordered"), (2, 0, 2));
    assert_eq!(of("authorised"), (2 * PRICE, 0, 2 * PRICE), "the bank promised it and nothing is captured");
    assert_eq!(of("payment_clearing"), (0, 0, 0));
    let totals = ledger["totals"].as_array().unwrap();
    assert_eq!(totals.len(), 2, "euros and seats: {totals:?}");
    assert!(totals.iter().all(|total| total["balance"] == 0 && total["debits"] == total["credits"]), "{totals:?}");
    let draft = world.organizer.asks(Method::POST, "sales", &jazz(1)).await.unwrap();
    let draft = draft.expect(StatusCode::CREATED).unwrap();
    let ledger = reads(&world.organizer, draft["id"].as_str().unwrap(), "ledger").await;
    assert_eq!((&ledger["accounts"], &ledger["totals"]), (&json!([]), &json!([])), "a draft has no books");
    world.stop().await;
}

#[tokio::test]
async fn the_audit_of_a_sale_names_what_is_broken_in_it_and_nothing_of_others() {
    let world = World::new().await;
    let (sale, other) = (world.sale(&jazz(5)).await, world.sale(&jazz(3)).await);
    let (buyer, _, order) = world.order(&sale, 2).await;
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    let figures = |audit: &Value, invariant: &str| {
        let lines = audit["lines"].as_array().unwrap();
        lines.iter().find(|line| line["invariant"] == invariant).unwrap()["figures"].clone()
    };
    let audit = reads(&world.organizer, &sale, "audit").await;
    assert_eq!(audit["holds"], true, "{audit}");
    let stock = figures(&audit, "I2");
    assert_eq!((&stock["capacity"], &stock["ordered"]), (&json!(5), &json!(2)));
    assert_eq!(figures(&audit, "I4"), json!({ "payments": 1 }), "events are of the installation");

    let breach = "SET session_replication_role = replica; UPDATE units SET state = 'withheld'
                   WHERE state = 'free' AND sale_id = (SELECT sale_id FROM orders)";
    world.database.execute(breach).await.unwrap();
    let audit = reads(&world.organizer, &sale, "audit").await;
    let broken = |line: &&Value| line["breaches"].as_array().is_some_and(|breaches| !breaches.is_empty());
    let named: Vec<_> =
        audit["lines"].as_array().unwrap().iter().filter(broken).map(|line| &line["invariant"]).collect();
    assert_eq!((&audit["holds"], named), (&json!(false), vec![&json!("I2")]), "{audit}");
    assert_eq!(reads(&world.organizer, &other, "audit").await["holds"], true);
    world.stop().await;
}

#[tokio::test]
async fn the_statement_of_an_order_is_its_transfers_one_after_the_other() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    let statement = reads(&world.organizer, &sale, &format!("orders/{}/statement", order.id)).await;
    let transfers = statement["transfers"].as_array().unwrap();
    let kinds: Vec<_> = transfers.iter().map(|transfer| transfer["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["seats_ordered", "authorised"]);
    assert_eq!((&statement["order"], &statement["complete"]), (&json!(order.id), &json!(true)));
    assert_eq!(
        transfers[0]["entries"][0],
        json!({ "account": "seats_ordered", "unit_of_account": "seats:ga", "amount": 1 })
    );
    assert_eq!(transfers[1]["held"], json!({ "amount": 0, "currency": "eur" }), "promised is not paid");
    assert!(transfers[1]["reference"].as_str().unwrap().starts_with("pi_"));
    let elsewhere = world.sale(&jazz(1)).await;
    for missing in [
        format!("{elsewhere}/orders/{}", order.id),
        format!("{sale}/orders/ord_{}", "0".repeat(32)),
        format!("{sale}/orders/x"),
    ] {
        let answer =
            world.organizer.asks(Method::GET, &format!("sales/{missing}/statement"), &Value::Null).await.unwrap();
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, Some("not_found")), "{missing}");
    }
    world.stop().await;
}

#[tokio::test]
async fn orders_are_listed_page_by_page_and_by_state() {
    let world = World::new().await;
    let free =
        jazz_with(5, json!({ "fees": [], "tiers": [{ "id": "ga", "name": "Floor", "price": 0, "capacity": 5 }] }));
    let sale = world.sale(&free).await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(world.order(&sale, 1).await.2.id);
    }
    made.reverse();
    let first = reads(&world.organizer, &sale, "orders?limit=2").await;
    let next =
        reads(&world.organizer, &sale, &format!("orders?limit=2&cursor={}", first["next_cursor"].as_str().unwrap()))
            .await;
    assert!(next["next_cursor"].is_null());
    let listed = [&first, &next].map(|page| page["data"].as_array().unwrap().clone()).concat();
    let ids: Vec<_> = listed.iter().map(|order| order["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, made, "the latest first");
    assert_eq!((&listed[0]["state"], &listed[0]["units"]), (&json!("paid"), &json!(1)));
    assert_eq!(listed[0]["total"], json!({ "amount": 0, "currency": "eur" }));
    assert_eq!(reads(&world.organizer, &sale, "orders?state=expired").await["data"], json!([]));
    assert_eq!(reads(&world.organizer, &sale, "orders?state=paid").await["data"].as_array().unwrap().len(), 3);
    for (wrong, pointer) in [
        ("limit=0", "?limit"),
        ("limit=101", "?limit"),
        ("cursor=zz", "?cursor"),
        ("state=lost", "?state"),
        ("x=1", "?x"),
    ] {
        let refused = asks(&world.organizer, &sale, &format!("orders?{wrong}")).await;
        assert_eq!(
            (refused.code(), &refused.body["errors"][0]["pointer"]),
            (Some("validation_failed"), &json!(pointer))
        );
    }
    world.stop().await;
}

#[tokio::test]
async fn the_export_has_every_order_and_no_person_and_no_formula() {
    let world = World::new().await;
    let tier = json!({ "id": "ga", "name": "=1+1, \"best\"", "price": 4_000, "capacity": 5 });
    let sale = world.sale(&jazz_with(5, json!({ "tiers": [tier] }))).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    world.order(&sale, 2).await;

    let answer = asks(&world.organizer, &sale, "export.csv").await;
    assert_eq!(answer.header("content-type"), Some("text/csv; charset=utf-8; header=present"));
    assert!(answer.header("content-disposition").unwrap().starts_with("attachment; filename=\"jazz-"));
    let csv = answer.expect(StatusCode::OK).unwrap().as_str().unwrap().to_owned();
    assert!(!csv.contains('@') && !csv.contains("Lovelace"), "{csv}");
    let records = records(&csv);
    let column =
        |name: &str| records[0].iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}"));
    assert!(records.iter().all(|record| record.len() == records[0].len()), "{csv}");
    let of = |record: &str| records.iter().filter(|row| row[0] == record).collect::<Vec<_>>();
    let what: Vec<_> = records.iter().map(|record| record[0].as_str()).collect();
    let one = ["record", "order", "line", "line", "line", "payment", "order", "line", "line", "line", "end"];
    assert_eq!(what, one);
    assert_eq!(of("line")[0][column("name")], "'=1+1, \"best\"");
    assert_eq!(of("order")[0][column("amount")], PRICE.to_string());
    assert_eq!(of("order")[1][column("state")], "awaiting_payment");
    assert_eq!(of("payment")[0][column("state")], "authorised");
    assert!(of("payment")[0][column("reference")].starts_with("pi_"));
    let lines: i64 = of("line").iter().map(|line| line[column("amount")].parse::<i64>().unwrap()).sum();
    assert_eq!(lines, 3 * PRICE, "the lines are the totals");
    assert_eq!(of("end")[0][column("quantity")], "2");
    world.stop().await;
}

/// More orders than a page has, made in one statement: each is there once.
#[tokio::test]
async fn an_export_of_many_pages_is_whole() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let many =
        "INSERT INTO orders (sale_id, id, hold_id, number, epoch, currency, total, created_at, changed_at, expires_at)
                SELECT id, onsale_uuid(), gen_random_uuid(), n, 1, 'eur', n, onsale_now(), onsale_now(), onsale_now()
                  FROM sales, generate_series(1, 1201) AS n";
    world.database.execute(many).await.unwrap();
    let csv = reads(&world.organizer, &sale, "export.csv").await;
    let records = records(csv.as_str().unwrap());
    let mut numbers: Vec<u32> =
        records.iter().filter(|record| record[0] == "order").map(|record| record[3].parse().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1201).collect::<Vec<_>>());
    assert_eq!(records.last().unwrap()[9], "1201");
    world.stop().await;
}

/// A refund with its parts and a dispute: in the export, and in the statement of the order.
#[tokio::test]
async fn what_went_back_is_told_with_its_parts() {
    let world = World::new().await;
    let sale = world.sale(&jazz(5)).await;
    let (_, order) = world.paid_order(&sale, 2).await;
    let asked = json!({ "amount": 1_000, "reason": "the view" });
    let path = format!("sales/{sale}/orders/{}/refunds", order.id);
    world.organizer.asks(Method::POST, &path, &asked).await.unwrap().expect(StatusCode::CREATED).unwrap();
    let taken = DisputeMovement { id: "txn_1".to_owned(), amount: -5_000, fee: 1_500, currency: Currency::EUR };
    let facts = DisputeFacts {
        event: None,
        id: "du_1".to_owned(),
        intent: world.stripe.payment_intents().pop().unwrap().id,
        amount: Money::new(5_000, Currency::EUR),
        status: DisputeStatus::Lost,
        movements: vec![taken],
    };
    assert_eq!(dispute_apply(&world.workers, &facts).await.unwrap(), DisputeApplied::Booked);

    let csv = reads(&world.organizer, &sale, "export.csv").await;
    let records = records(csv.as_str().unwrap());
    let cell = |record: &str, name: &str| {
        let column = records[0].iter().position(|column| column == name).unwrap_or_else(|| panic!("no {name}"));
        records.iter().find(|row| row[0] == record).unwrap_or_else(|| panic!("no {record}"))[column].clone()
    };
    let parts: i64 = ["base", "fee", "tax"].map(|part| cell("refund", part).parse::<i64>().unwrap()).iter().sum();
    assert_eq!((parts, cell("refund", "amount"), cell("refund", "quantity")), (1_000, "1000".into(), "0".into()));
    let dispute = ["state", "currency", "amount", "disputed", "lost", "reference"].map(|name| cell("dispute", name));
    assert_eq!(dispute, ["lost", "eur", "5000", "5000", "5000", "du_1"]);
    assert_eq!((cell("payment", "disputed"), cell("order", "disputed")), ("5000".to_owned(), "5000".to_owned()));

    let statement = reads(&world.organizer, &sale, &format!("orders/{}/statement", order.id)).await;
    let refund = &statement["refunds"][0];
    let parts: i64 = ["base", "fee", "tax"].map(|part| refund[part].as_i64().unwrap()).iter().sum();
    assert_eq!((parts, &refund["amount"], &refund["tickets"]), (1_000, &json!(1_000), &json!(0)));
    let amount = json!({ "amount": 5_000, "currency": "eur" });
    let dispute = json!({ "id": "du_1", "state": "lost", "amount": amount, "disputed": 5_000, "lost": 5_000 });
    assert_eq!(statement["disputes"], json!([dispute]));
    world.stop().await;
}

/// Asks for an export and takes nothing of it but its head. None where there is no room for it.
async fn stalls(world: &World, sale: &str) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(world.gateway.addr()).await.unwrap();
    let request = format!(
        "GET /v1/organizer/sales/{sale}/export.csv HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
        world.api_key
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    (&head == b"HTTP/1.1 200").then_some(stream)
}

/// Downloads that nobody takes: their organizer has no more room, others have, and after a while they are cut.
#[tokio::test]
async fn slow_exports_leave_room_for_others_and_are_cut() {
    const PATIENCE: Duration = Duration::from_secs(5);
    let export_patience = ExportPatience { page: PATIENCE, whole: PATIENCE };
    let world = World::with(Setup { export_patience, ..Setup::default() }).await;
    let (large, small) = (world.sale(&jazz(1)).await, world.sale(&jazz(1)).await);
    // More than all buffers on the way take: about 9 MB.
    let many = format!(
        "INSERT INTO orders (sale_id, id, hold_id, number, epoch, currency, total, created_at, changed_at, expires_at)
         SELECT '{}', onsale_uuid(), gen_random_uuid(), n, 1, 'eur', n, onsale_now(), onsale_now(), onsale_now()
           FROM generate_series(1, 60000) AS n",
        &large[5..]
    );
    world.database.execute(&many).await.unwrap();
    let other = world.somebody(KeyRole::Organizer, "Red Note").await;
    let of_other = other.publishes(&jazz(1)).await.unwrap();

    let stalled = [stalls(&world, &large).await.unwrap(), stalls(&world, &large).await.unwrap()];
    let refused = asks(&world.organizer, &small, "export.csv").await;
    assert_eq!((refused.status, refused.code()), (StatusCode::SERVICE_UNAVAILABLE, Some("overloaded")));
    let whole = reads(&other, &of_other, "export.csv").await;
    assert!(whole.as_str().unwrap().lines().last().unwrap().starts_with("end,"), "{whole}");

    let room = async |what: &str| {
        eventually(what, async || asks(&world.organizer, &small, "export.csv").await.status == StatusCode::OK).await;
    };
    room("one of the stalled ones is given up").await;
    // It takes that one's room. So whoever finds room again finds the other one's, which began before it and is cut before it.
    let mut third = None;
    eventually("a third one stalls", async || {
        third = stalls(&world, &large).await;
        third.is_some()
    })
    .await;
    room("the other one is given up").await;
    drop(third);
    for mut stream in stalled {
        let mut taken = Vec::new();
        // The line may also be cut before its end.
        let _ = stream.read_to_end(&mut taken).await;
        assert!(!String::from_utf8_lossy(&taken).contains("\r\nend,"), "it was not broken off");
    }
    world.stop().await;
}

#[tokio::test]
async fn reports_are_for_who_may_read_the_sale() {
    let world = World::new().await;
    let sale = world.sale(&jazz(2)).await;
    let (_, _, order) = world.order(&sale, 1).await;
    let stranger = world.somebody(KeyRole::Organizer, "Red Note").await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let nobody = Organizer::new(&world.edge, "");
    let support = world.somebody(KeyRole::Support, "Blue Note").await;
    for report in ["ledger", "audit", "orders", "export.csv", &format!("orders/{}/statement", order.id)] {
        for (who, code) in [(&nobody, "unauthorized"), (&stranger, "not_found"), (&door, "forbidden")] {
            assert_eq!(asks(who, &sale, report).await.code(), Some(code), "{report}");
        }
        assert_eq!(asks(&support, &sale, report).await.status, StatusCode::OK, "{report}");
    }
    world.stop().await;
}
