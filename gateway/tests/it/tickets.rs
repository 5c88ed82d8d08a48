//! `…/tickets/{ticket}/qr.svg`, `qr.png`, `ticket.pdf` and `…/calendar.ics`

use http::StatusCode;
use serde_json::json;

use crate::world::{World, jazz_with};

#[tokio::test]
async fn a_ticket_is_drawn_for_its_buyer_and_for_who_has_the_link() {
    let world = World::new().await;
    let free = json!({
        "tiers": [{ "id": "ga", "name": "Floor", "price": 0, "capacity": 2 }], "fees": [], "taxes": [],
    });
    let sale = world.sale(&jazz_with(2, free)).await;
    let (buyer, _, order) = world.order(&sale, 1).await;
    let ticket = buyer.looks_at_order(&order).await.unwrap().body["tickets"][0].clone();
    assert_eq!(ticket["state"], "valid");
    let link = ticket["qr_url"].as_str().unwrap();
    let svg = world.get(link).await;
    assert_eq!((svg.status, svg.header("content-type")), (StatusCode::OK, Some("image/svg+xml")));
    assert!(svg.body.as_str().unwrap().starts_with("<svg"));
    let etag = svg.header("etag").unwrap();
    assert_eq!(world.get_with(link, &[("if-none-match", etag)]).await.status, StatusCode::NOT_MODIFIED);

    let path = link.split('?').next().unwrap();
    assert_eq!(world.get(path).await.code(), Some("unauthorized"));
    assert_eq!(world.get(&format!("{path}?token=art_forged")).await.code(), Some("token_invalid"));
    let token = format!("Bearer {}", order.token);
    let png = world.get_with(&path.replace(".svg", ".png"), &[("authorization", &token)]).await;
    assert_eq!((png.status, png.header("content-type")), (StatusCode::OK, Some("image/png")));
    let text = {
        use domain::ticket::TicketPayload;
        let payload = TicketPayload {
            ticket: ticket["id"].as_str().unwrap().parse().unwrap(),
            sale: sale.parse().unwrap(),
            rotation: 0,
        };
        world.ticket_signer.qr_text(&payload, world.ticket_signer.kid()).unwrap()
    };
    assert_eq!(svg.body.as_str().unwrap(), tickets::qr::svg(&text).unwrap(), "the bytes are the ticket's");
    world.stop().await;
}

fn free(fields: serde_json::Value) -> serde_json::Value {
    let mut config = json!({
        "tiers": [{ "id": "stalls", "name": "Stalls", "price": 0, "rows": [{ "row": "A", "seats": 4 }] }],
        "fees": [], "taxes": [], "time_zone": "Europe/Berlin", "terms": "No glass.",
    });
    config.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    jazz_with(4, config)
}

fn evening() -> serde_json::Value {
    json!({ "performances": [{ "starts_at": "2030-12-05T19:00:00Z", "ends_at": "2030-12-05T22:00:00Z" }] })
}

/// What a file says to a stranger.
fn pdf_text(bytes: &[u8]) -> String {
    let path = std::env::temp_dir().join(format!("onsale-{}.pdf", uuid::Uuid::now_v7()));
    std::fs::write(&path, bytes).unwrap();
    let text = sandbox::strangers::output_of("pdftotext", [path.to_str().unwrap(), "-"]);
    std::fs::remove_file(path).unwrap();
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_ticket_to_print_says_whose_it_is_and_is_the_same_file_each_time() {
    let world = World::new().await;
    let sale = world.sale(&free(evening())).await;
    let buyer = world.buyer(&sale).await;
    let hold = buyer.holds("stalls", 2).await.unwrap();
    let made = buyer.asks_to_order(&hold, "ada@example.org", "Ada \u{202e}Lovelace").await.unwrap();
    let order = made.expect(StatusCode::CREATED).unwrap();
    let ticket = order["tickets"][1].clone();
    let link = ticket["pdf_url"].as_str().unwrap();
    let file = world.get(link).await;
    assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, Some("application/pdf")));
    let name = format!("inline; filename=\"{}.pdf\"", ticket["id"].as_str().unwrap());
    assert_eq!(file.header("content-disposition"), Some(&*name));
    let text = pdf_text(&file.bytes);
    let seat = ticket["seat"].as_str().unwrap();
    for part in ["Ada Lovelace", "Stalls", seat, "Thursday, 5 December 2030, 20:00 (CET)", "Blue Note", "No glass."] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(world.get(link).await.bytes, file.bytes);
    let etag = file.header("etag").unwrap();
    assert_eq!(world.get_with(link, &[("if-none-match", etag)]).await.status, StatusCode::NOT_MODIFIED);
    let path = link.split('?').next().unwrap();
    assert_eq!(world.get(path).await.code(), Some("unauthorized"));
    assert_eq!(world.get(&format!("{path}?token=art_forged")).await.code(), Some("token_invalid"));

    world.database.execute("DELETE FROM contacts").await.unwrap();
    let erased = pdf_text(&world.get(link).await.bytes);
    assert!(!erased.contains("Ada") && erased.contains(seat), "{erased}");
    world.stop().await;
}

#[tokio::test]
async fn the_calendar_of_an_order_has_its_date_and_none_without() {
    let world = World::new().await;
    let sale = world.sale(&free(evening())).await;
    let (buyer, _, order) = world.order_of(&sale, "stalls", 2).await;
    let body = buyer.looks_at_order(&order).await.unwrap().body;
    let link = body["calendar_url"].as_str().unwrap();
    let file = world.get(link).await;
    assert_eq!((file.status, file.header("content-type")), (StatusCode::OK, Some("text/calendar; charset=utf-8")));
    let text = String::from_utf8(file.bytes.to_vec()).unwrap();
    for part in ["DTSTART;TZID=Europe/Berlin:20301205T200000", "STATUS:CONFIRMED", &format!("UID:{}@", order.id)] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert_eq!(world.get(link).await.bytes, file.bytes);
    assert_eq!(world.get(link.split('?').next().unwrap()).await.code(), Some("unauthorized"));

    let other = world.sale(&free(json!({ "slug": "no-date" }))).await;
    let (buyer, _, order) = world.order_of(&other, "stalls", 1).await;
    let body = buyer.looks_at_order(&order).await.unwrap().body;
    assert_eq!(body["calendar_url"], json!(null));
    let path = format!("/v1/sales/{other}/orders/{}/calendar.ics", order.id);
    let token = format!("Bearer {}", order.token);
    assert_eq!(world.get_with(&path, &[("authorization", &token)]).await.code(), Some("not_found"));
    world.stop().await;
}

#[tokio::test]
async fn tickets_are_sent_again_for_their_buyer_a_few_times_and_for_who_sells() {
    let world = World::new().await;
    let sale = world.sale(&free(json!({}))).await;
    let (_, _, order) = world.order_of(&sale, "stalls", 1).await;
    let path = format!("/v1/sales/{sale}/orders/{}/tickets/send", order.id);
    let token = format!("Bearer {}", order.token);
    let asks =
        async |key: &str| world.post(&path, &[("authorization", &token), ("idempotency-key", key)], &json!(null)).await;
    for key in ["a", "a", "b", "c", "d", "e"] {
        assert_eq!(asks(key).await.status, StatusCode::ACCEPTED, "{key}");
    }
    assert_eq!(asks("f").await.code(), Some("letters_limit_reached"));
    let letters = "SELECT count(*) FROM outbox WHERE kind = 'mail_tickets_again'";
    assert_eq!(world.database.number(letters).await.unwrap(), 5, "one for each request");
    let headers = [("authorization", &*token)];
    assert_eq!(world.post(&path, &headers, &json!(null)).await.code(), Some("idempotency_key_missing"));
    assert_eq!(world.post(&path, &[("idempotency-key", "g")], &json!(null)).await.code(), Some("unauthorized"));
    let own = path.replace("/v1/sales", "/v1/organizer/sales");
    let key = format!("Bearer {}", world.api_key);
    let sent = world.post(&own, &[("authorization", &key), ("idempotency-key", "h")], &json!(null)).await;
    assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.body);
    world.stop().await;
}

#[tokio::test]
async fn a_replaced_code_is_drawn_anew_and_the_same_request_replaces_once() {
    let world = World::new().await;
    let sale = world.sale(&free(json!({}))).await;
    let (buyer, _, order) = world.order_of(&sale, "stalls", 1).await;
    let ticket = buyer.looks_at_order(&order).await.unwrap().body["tickets"][0].clone();
    assert_eq!(ticket["rotation"], 0);
    let (qr, pdf) = (ticket["qr_url"].as_str().unwrap(), ticket["pdf_url"].as_str().unwrap());
    let (old_qr, old_pdf) = (world.get(qr).await, world.get(pdf).await);
    let path = format!("/v1/sales/{sale}/orders/{}/tickets/{}/rotate", order.id, ticket["id"].as_str().unwrap());
    let token = format!("Bearer {}", order.token);
    for _ in 0..2 {
        let rotated = world.post(&path, &[("authorization", &token)], &json!({ "rotation": 0 })).await;
        assert_eq!(rotated.expect(StatusCode::OK).unwrap(), json!({ "id": ticket["id"], "rotation": 1 }));
    }
    let (new_qr, new_pdf) = (world.get(qr).await, world.get(pdf).await);
    assert_ne!(new_qr.bytes, old_qr.bytes);
    assert_ne!(new_pdf.bytes, old_pdf.bytes);
    assert_ne!(new_qr.header("etag"), old_qr.header("etag"));
    world.database.execute("UPDATE tickets SET rotation = 9").await.unwrap();
    let stale = world.post(&path, &[("authorization", &token)], &json!({ "rotation": 1 })).await;
    assert_eq!(stale.code(), Some("rotation_stale"));
    assert!(stale.body["detail"].as_str().unwrap().contains("rotation 9"), "{}", stale.body);
    let artefact = format!("{path}?{}", qr.split_once('?').unwrap().1);
    assert_eq!(
        world.post(&artefact, &[], &json!({ "rotation": 9 })).await.code(),
        Some("unauthorized"),
        "a link replaces nothing"
    );
    world.stop().await;
}
