//! `…/checkins`, `…/checkins/conflicts` and `…/scanner-manifest`

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::keyring::Kid;
use domain::ticket::{TicketPayload, base45};
use http::{Method, StatusCode};
use ledger::organizers::KeyRole;
use sandbox::actors::{Answer, Organizer};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{World, jazz_with};

fn free(units: u32) -> Value {
    let tiers = json!([{ "id": "ga", "name": "Floor", "price": 0, "capacity": units }]);
    jazz_with(units, json!({ "tiers": tiers, "fees": [], "taxes": [] }))
}

/// The texts of the codes of an order of so many tickets, and the tickets' ids.
async fn texts(world: &World, sale: &str, quantity: u32) -> Vec<(String, String)> {
    let (buyer, _, order) = world.order(sale, quantity).await;
    let tickets = buyer.looks_at_order(&order).await.unwrap().body["tickets"].clone();
    let text = |ticket: &Value| {
        let id = ticket["id"].as_str().unwrap();
        (text_of(world, sale, id, 0), id.to_owned())
    };
    tickets.as_array().unwrap().iter().map(text).collect()
}

fn text_of(world: &World, sale: &str, ticket: &str, rotation: u16) -> String {
    let payload = TicketPayload { ticket: ticket.parse().unwrap(), sale: sale.parse().unwrap(), rotation };
    world.ticket_signer.qr_text(&payload, world.ticket_signer.kid()).unwrap()
}

fn scan(text: &str) -> Value {
    json!({ "id": Uuid::now_v7(), "text": text, "at": "2030-01-01T20:00:00Z" })
}

async fn sends(door: &Organizer, sale: &str, scans: &[Value]) -> Answer {
    let body = json!({ "device": "gate-3", "sent_at": "2030-01-01T20:00:00Z", "scans": scans });
    door.asks(Method::POST, &format!("sales/{sale}/checkins"), &body).await.unwrap()
}

fn verdicts(answer: &Answer) -> Vec<&str> {
    answer.body["data"].as_array().unwrap().iter().map(|told| told["verdict"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn every_verdict_is_given_in_one_batch_and_again_when_it_is_repeated() {
    let world = World::new().await;
    let (sale, other) = (world.sale(&free(4)).await, world.sale(&free(4)).await);
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let mine = texts(&world, &sale, 3).await;
    let elsewhere = texts(&world, &other, 1).await;
    let replaced = format!("sales/{sale}/orders");
    let order = world.organizer.asks(Method::GET, &replaced, &Value::Null).await.unwrap();
    let order = order.body["data"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("sales/{sale}/orders/{order}/tickets/{}/rotate", mine[2].1);
    let rotated = world.organizer.asks(Method::POST, &path, &json!({ "rotation": 0 })).await.unwrap();
    assert_eq!(rotated.expect(StatusCode::OK).unwrap()["rotation"], 1);

    let never_issued = text_of(&world, &sale, &format!("tkt_{}", Uuid::new_v4().simple()), 0);
    let mut forged = mine[1].0.clone();
    forged.replace_range(100..101, if &forged[100..101] == "A" { "B" } else { "A" });
    let scans: Vec<_> =
        [&*mine[0].0, &mine[0].0, &mine[2].0, &elsewhere[0].0, &forged, "hello", &never_issued].map(scan).into();
    let told = sends(&door, &sale, &scans).await;
    assert_eq!(
        verdicts(&told),
        ["valid", "already_used", "void", "wrong_sale", "forged", "forged", "forged"],
        "{}",
        told.body
    );
    let data = &told.body["data"];
    assert_eq!((&data[1]["used_device"], &data[1]["ticket"]), (&json!("gate-3"), &json!(mine[0].1)));
    assert_eq!(
        (&data[4]["why"], &data[5]["why"], &data[6]["why"]),
        (&json!("forged"), &json!("shape"), &json!("not_issued"))
    );
    let again = sends(&door, &sale, &scans).await;
    assert_eq!(again.body, told.body);
    let new_code = text_of(&world, &sale, &mine[2].1, 1);
    assert_eq!(verdicts(&sends(&door, &sale, &[scan(&new_code)]).await), ["valid"]);
    world.stop().await;
}

/// A code with each of its bits turned over: of the bytes under the signature and in it, and of the text that a scanner reads.
fn changed_by_a_bit(text: &str) -> Vec<String> {
    let turned = |bytes: &[u8], bit: usize| {
        let mut turned = bytes.to_vec();
        turned[bit / 8] ^= 1 << (bit % 8);
        turned
    };
    let bytes = base45::decode(text).unwrap();
    let of_bytes = (0..bytes.len() * 8).map(|bit| base45::encode(&turned(&bytes, bit)));
    let of_text = (0..text.len() * 8).map(|bit| turned(text.as_bytes(), bit).into_iter().map(char::from).collect());
    of_bytes.chain(of_text).collect()
}

#[tokio::test]
async fn a_code_with_any_bit_changed_is_refused_at_the_door() {
    let world = World::new().await;
    let sale = world.sale(&free(1)).await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let (text, ticket) = texts(&world, &sale, 1).await.remove(0);
    let changed = changed_by_a_bit(&text);
    assert_eq!(changed.len(), 8 * (107 + text.len()));
    for batch in changed.chunks(200) {
        let scans: Vec<_> = batch.iter().map(|text| scan(text)).collect();
        let told = sends(&door, &sale, &scans).await.expect(StatusCode::OK).unwrap();
        let told = told["data"].as_array().unwrap();
        assert_eq!(told.len(), batch.len());
        for (told, text) in told.iter().zip(batch) {
            assert_eq!((&told["verdict"], &told["ticket"]), (&json!("forged"), &json!(null)), "{text}: {told}");
        }
    }
    // None of them was the ticket, which is as good as it was.
    let told = sends(&door, &sale, &[scan(&text)]).await;
    assert_eq!((verdicts(&told), &told.body["data"][0]["ticket"]), (vec!["valid"], &json!(ticket)));
    world.stop().await;
}

#[tokio::test]
async fn two_doors_without_a_network_are_a_conflict_that_is_listed() {
    let world = World::new().await;
    let sale = world.sale(&free(2)).await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let (text, ticket) = texts(&world, &sale, 1).await.remove(0);
    let opened = |at: &str| json!({ "id": Uuid::now_v7(), "text": text, "at": at, "admitted": true });
    let late = sends(&door, &sale, &[opened("2030-01-01T19:59:00Z")]).await;
    assert_eq!((verdicts(&late), &late.body["data"][0]["conflict"]), (vec!["valid"], &json!(false)));
    let early = sends(&door, &sale, &[opened("2030-01-01T19:50:00Z")]).await;
    assert_eq!((verdicts(&early), &early.body["data"][0]["conflict"]), (vec!["valid"], &json!(true)));
    let path = format!("sales/{sale}/checkins/conflicts");
    let listed = door.asks(Method::GET, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let conflict = &listed["data"][0];
    assert_eq!(
        (&conflict["ticket"], &conflict["device"], &listed["next_cursor"]),
        (&json!(ticket), &json!("gate-3"), &json!(null))
    );
    assert!(conflict["at"].as_str() > conflict["used_at"].as_str(), "{conflict}");
    world.stop().await;
}

/// A key that leaked, and verifies still: what it signs for tickets of another key is told apart, and listed where somebody went in.
#[tokio::test]
async fn a_text_by_another_key_than_the_tickets_is_forged() {
    let world = World::new().await;
    let sale = world.sale(&free(2)).await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let (text, ticket) = texts(&world, &sale, 1).await.remove(0);
    world.database.execute("UPDATE tickets SET qr_kid = 't9'").await.unwrap();
    let told = sends(&door, &sale, &[scan(&text)]).await;
    let said = &told.body["data"][0];
    assert_eq!(
        (&said["verdict"], &said["why"], &said["conflict"]),
        (&json!("forged"), &json!("wrong_key"), &json!(false))
    );
    let mut opened = scan(&text);
    opened["admitted"] = json!(true);
    assert_eq!(sends(&door, &sale, &[opened]).await.body["data"][0]["conflict"], true);
    let path = format!("sales/{sale}/checkins/conflicts");
    let listed = door.asks(Method::GET, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let conflict = &listed["data"][0];
    assert_eq!(
        (&conflict["ticket"], &conflict["verdict"], &conflict["why"]),
        (&json!(ticket), &json!("forged"), &json!("wrong_key"))
    );
    world.stop().await;
}

#[tokio::test]
async fn the_door_is_kept_by_its_keys_alone_and_within_bounds() {
    let world = World::new().await;
    let sale = world.sale(&free(2)).await;
    let scans = [scan("x")];
    for (role, organizer, expected) in [
        (KeyRole::Support, "Blue Note", Some("forbidden")),
        (KeyRole::Door, "Somebody Else", Some("not_found")),
        (KeyRole::Door, "Blue Note", None),
        (KeyRole::Organizer, "Blue Note", None),
        (KeyRole::Admin, "Anybody", None),
    ] {
        let key = world.somebody(role, organizer).await;
        assert_eq!(sends(&key, &sale, &scans).await.code(), expected, "{role:?}");
        let manifest = key.asks(Method::GET, &format!("sales/{sale}/scanner-manifest"), &Value::Null).await;
        assert_eq!(manifest.unwrap().code(), expected, "{role:?}");
    }
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    assert_eq!(sends(&door, &sale, &[]).await.code(), Some("validation_failed"));
    assert_eq!(sends(&door, &sale, &vec![scan("x"); 201]).await.code(), Some("validation_failed"));
    assert_eq!(sends(&door, &sale, &vec![scan("x"); 200]).await.status, StatusCode::OK);
    let orders = format!("sales/{sale}/orders");
    assert_eq!(
        door.asks(Method::GET, &orders, &Value::Null).await.unwrap().code(),
        Some("forbidden"),
        "it learns of nobody"
    );
    world.stop().await;
}

/// One wrong scan spoils nothing for the others of its batch, today or whenever it is sent again.
#[tokio::test]
async fn an_id_that_is_taken_is_said_of_that_scan_alone_and_no_clock_is_absurd() {
    let world = World::new().await;
    let sale = world.sale(&free(3)).await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let texts = texts(&world, &sale, 3).await;
    let scans: Vec<_> = texts.iter().map(|(text, _)| scan(text)).collect();
    assert_eq!(verdicts(&sends(&door, &sale, &scans[..1]).await), ["valid"]);
    let mut taken = scans[1].clone();
    taken["id"] = scans[0]["id"].clone();
    for _ in 0..2 {
        let told = sends(&door, &sale, &[taken.clone(), scans[2].clone()]).await;
        assert_eq!((told.status, verdicts(&told)), (StatusCode::OK, vec!["id_taken", "valid"]));
        assert_eq!((&told.body["data"][0]["ticket"], &told.body["data"][0]["why"]), (&json!(texts[1].1), &json!(null)));
    }
    assert_eq!(verdicts(&sends(&door, &sale, &scans[1..2]).await), ["valid"], "under an id of its own");

    let never = ["-004000-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "2100-01-01T00:00:00Z", "9999-12-30T00:00:00Z"];
    for at in never {
        let mut absurd = scans[0].clone();
        absurd["at"] = json!(at);
        let told = sends(&door, &sale, &[scans[1].clone(), absurd]).await;
        assert_eq!((told.status, told.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")), "{at}");
        assert_eq!(told.body["errors"][0]["pointer"], "/scans/1/at", "{at}");
        let body = json!({ "device": "gate-3", "sent_at": at, "scans": scans });
        let told = door.asks(Method::POST, &format!("sales/{sale}/checkins"), &body).await.unwrap();
        assert_eq!(
            (told.code(), &told.body["errors"][0]["pointer"]),
            (Some("validation_failed"), &json!("/sent_at")),
            "{at}"
        );
    }
    for (sent_at, at) in
        [("1970-01-01T00:00:00Z", "2099-12-31T23:59:59Z"), ("2099-12-31T23:59:59Z", "1970-01-01T00:00:00Z")]
    {
        let mut odd = scan(&texts[0].0);
        odd["at"] = json!(at);
        let body = json!({ "device": "gate-3", "sent_at": sent_at, "scans": [odd] });
        let told = door.asks(Method::POST, &format!("sales/{sale}/checkins"), &body).await.unwrap();
        assert_eq!(verdicts(&told), ["already_used"], "{sent_at}: no clock is too wrong");
    }
    world.stop().await;
}

/// The manifest and its text, once a signature of each key was checked.
async fn manifest(world: &World, door: &Organizer, sale: &str, query: &str) -> (Value, String) {
    let path = format!("sales/{sale}/scanner-manifest{query}");
    let signed = door.asks(Method::GET, &path, &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let text = signed["manifest"].as_str().unwrap().to_owned();
    let signatures = signed["signatures"].as_array().unwrap();
    assert!(!signatures.is_empty());
    for signature in signatures {
        let bytes = URL_SAFE_NO_PAD.decode(signature["signature"].as_str().unwrap()).unwrap();
        let mut kid = [0; Kid::BYTES];
        let name = signature["kid"].as_str().unwrap().as_bytes();
        kid[..name.len()].copy_from_slice(name);
        let kid = Kid::from_bytes(kid).unwrap();
        let bytes = bytes.try_into().unwrap();
        assert!(world.ticket_signer.verifies_manifest(&text, kid, &bytes));
        assert!(!world.ticket_signer.verifies_manifest(&text.replace("sale_", "sale-"), kid, &bytes));
    }
    (serde_json::from_str(&text).unwrap(), text)
}

#[tokio::test]
async fn a_manifest_says_what_to_refuse_and_names_nobody() {
    let world = World::new().await;
    let sale = world.sale(&free(3)).await;
    let door = world.somebody(KeyRole::Door, "Blue Note").await;
    let (buyer, _, order) = world.order(&sale, 3).await;
    let tickets = buyer.looks_at_order(&order).await.unwrap().body["tickets"].clone();
    let (first, _) = manifest(&world, &door, &sale, "").await;
    assert_eq!((&first["closed"], &first["since"], &first["version"]), (&json!(""), &json!(null), &json!(1)));
    assert_eq!(first["keys"].as_array().unwrap().len(), 1);

    let [replaced, given] = [0, 1].map(|index| tickets[index]["id"].as_str().unwrap().to_owned());
    let path = format!("/v1/sales/{sale}/orders/{}/tickets/{replaced}/rotate", order.id);
    let token = format!("Bearer {}", order.token);
    let rotated = world.post(&path, &[("authorization", &token)], &json!({ "rotation": 0 })).await;
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.body);
    let refunds = format!("/v1/organizer/sales/{sale}/orders/{}/refunds", order.id);
    let key = format!("Bearer {}", world.api_key);
    let back = json!({ "tickets": [given], "reason": "ill" });
    let headers = [("authorization", &*key), ("idempotency-key", "back")];
    assert_eq!(world.post(&refunds, &headers, &back).await.status, StatusCode::CREATED);

    let since = format!("?since={}", first["cursor"].as_str().unwrap());
    let (delta, text) = manifest(&world, &door, &sale, &since).await;
    let closed = URL_SAFE_NO_PAD.decode(delta["closed"].as_str().unwrap()).unwrap();
    let mut entries: Vec<_> = closed.chunks(14).map(hex::encode).collect();
    let entry = |ticket: &str, good: &str| format!("{}{good}", &ticket.strip_prefix("tkt_").unwrap()[..24]);
    let mut expected = vec![entry(&replaced, "0001"), entry(&given, "ffff")];
    entries.sort();
    expected.sort();
    assert_eq!(entries, expected);
    let contact = world.database.text("SELECT email || name FROM contacts LIMIT 1").await.unwrap();
    for secret in ["example.org", "Ada", "Lovelace", &*order.id, "seat", "price", &*contact] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    let later = format!("?since={}", delta["cursor"].as_str().unwrap());
    let later = manifest(&world, &door, &sale, &later).await.0;
    let again = URL_SAFE_NO_PAD.decode(later["closed"].as_str().unwrap()).unwrap();
    assert!(again.chunks(14).all(|entry| expected.contains(&hex::encode(entry))), "told again at most: {later}");
    let wrong = format!("sales/{sale}/scanner-manifest?since=yesterday");
    assert_eq!(door.asks(Method::GET, &wrong, &Value::Null).await.unwrap().code(), Some("validation_failed"));
    world.stop().await;
}
