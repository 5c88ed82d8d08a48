//! One ticket, sent again and again: whichever process draws it, and by whatever way it comes, it is the same bytes.
//!
//! Letters are written anew each time, so each is a drawing of its own; gateways keep what they drew, so there are two of them, and
//! half way all but one are killed and started again.

use bytes::Bytes;
use http::{Method, StatusCode};
use sandbox::Mail;
use sandbox::actors::Edge;
use serde_json::{Value, json};

use crate::faults::nothing_is_left_to_do;
use crate::scale::scaled;
use crate::world::{NO_LIMITS, World, sale};

/// Letters that are on their way at once; a bounded wait for as many.
const AT_ONCE: usize = 25;

/// What somebody has of a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    png: Bytes,
    pdf: Bytes,
    calendar: Bytes,
}

/// Where the files of a ticket are.
struct Links {
    svg: String,
    pdf: String,
    calendar: String,
}

impl Links {
    fn of(order: &Value) -> Self {
        let link = |value: &Value| value.as_str().unwrap().to_owned();
        let ticket = &order["tickets"][0];
        Self { svg: link(&ticket["qr_url"]), pdf: link(&ticket["pdf_url"]), calendar: link(&order["calendar_url"]) }
    }

    /// The files, from that gateway, and the code as it is drawn for pages.
    async fn fetched(&self, edge: &Edge) -> (Files, Bytes) {
        let file = async |link: &str| {
            let answer = edge.ask(Method::GET, link, &[], &Value::Null).await.unwrap();
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
            answer.bytes
        };
        let svg = file(&self.svg).await;
        assert!(svg.starts_with(b"<svg"));
        let png = file(&self.svg.replace(".svg", ".png")).await;
        (Files { png, pdf: file(&self.pdf).await, calendar: file(&self.calendar).await }, svg)
    }
}

impl Files {
    fn enclosed(mail: &Mail) -> Self {
        let parts = mail.attachments();
        let part = |media_type: &str| {
            let mut found = parts.iter().filter(|part| part.content_type.starts_with(media_type));
            let content =
                found.next().unwrap_or_else(|| panic!("no {media_type} in {}", mail.subject())).content.clone();
            assert!(found.next().is_none(), "two of {media_type}");
            content
        };
        Self { png: part("image/png"), pdf: part("application/pdf"), calendar: part("text/calendar") }
    }
}

/// A sale whose tickets have everything on them that a ticket can have.
fn evening() -> Value {
    let mut evening = sale(2);
    let more = json!({
        "performances": [{ "starts_at": "2030-12-05T19:00:00Z", "ends_at": "2030-12-05T22:00:00Z" }],
        "venue": "The Old Warehouse", "time_zone": "Europe/Berlin", "terms": "No glass.",
    });
    evening.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    evening
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_that_is_sent_a_thousand_times_is_the_same_bytes() {
    let times = scaled(4, 1_000);
    let mut world = World::start_and_set(&[NO_LIMITS]).await;
    let sale = world.organizer.puts_on_sale(&evening()).await.unwrap();
    let (buyer, order) = world.has_bought(&sale).await;
    let shown = buyer.looks_at_order(&order).await.unwrap().expect(StatusCode::OK).unwrap();
    let links = Links::of(&shown);
    let (first, svg) = links.fetched(&world.edge).await;
    assert!(first.png.starts_with(b"\x89PNG") && first.pdf.starts_with(b"%PDF-"));
    assert!(first.calendar.starts_with(b"BEGIN:VCALENDAR"));
    let (_second, other_edge) = world.adds_gateway().await;
    let path = format!("sales/{sale}/orders/{}/tickets/send", order.id);
    for time in 0..times {
        if time == times / 2 {
            // A letter that is cut off here would come twice, and late.
            nothing_is_left_to_do(&world).await;
            world.gateway.is_killed();
            world.workers.is_killed();
            world.restarts_gateway().await;
            world.restarts_workers().await;
        }
        let sent = world.organizer.asks(Method::POST, &path, &json!(null)).await.unwrap();
        assert_eq!(sent.status, StatusCode::ACCEPTED, "{}", sent.body);
        for edge in [&world.edge, &other_edge] {
            assert!(links.fetched(edge).await == (first.clone(), svg.clone()), "another file, the {time}th time");
        }
        if (time + 1) % AT_ONCE == 0 {
            world.waits_for_mails(time + 2).await;
        }
    }
    let letters = world.waits_for_mails(times + 1).await;
    assert_eq!(letters.len(), times + 1, "the first one, and one for each time");
    for letter in &letters {
        assert!(Files::enclosed(letter) == first, "another file in {}", letter.subject());
    }

    // The control: what is another ticket is other bytes.
    let ticket = shown["tickets"][0]["id"].as_str().unwrap();
    let path = format!("sales/{sale}/orders/{}/tickets/{ticket}/rotate", order.id);
    world.organizer.asks(Method::POST, &path, &json!({ "rotation": 0 })).await.unwrap().expect(StatusCode::OK).unwrap();
    let (replaced, new_svg) = links.fetched(&world.edge).await;
    assert!(replaced.png != first.png && replaced.pdf != first.pdf && new_svg != svg);
    assert_eq!(replaced.calendar, first.calendar);
    world.holds_every_invariant();
}
