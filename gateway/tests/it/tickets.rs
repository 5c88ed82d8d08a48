//! `…/tickets/{ticket}/qr.svg` and `qr.png`

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
