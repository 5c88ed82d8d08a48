//! One unit, two tickets, one after the other: only the later one opens the door, with a network and without.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::ticket::{TicketPayload, TicketSigner};
use http::{Method, StatusCode};
use sandbox::actors::Organizer;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::faults::nothing_is_left_to_do;
use crate::waitlist::ticket_of;
use crate::world::{TICKET_KEYS, World};

/// Bytes of an entry of what to refuse: of the ticket's id, then the first rotation that is good.
const ENTRY: usize = 14;
const OF_ID: usize = 12;
/// In place of a rotation: none is good.
const NONE_IS_GOOD: [u8; 2] = [0xff, 0xff];

/// A scanner of an organizer.
pub(crate) struct Door {
    organizer: Organizer,
    sale: String,
    signer: TicketSigner,
}

impl Door {
    pub(crate) fn of(world: &World, sale: &str) -> Self {
        let (status, key) = world.runs(&["keys", "create", "--role", "door", "--organizer", "Opera"]);
        assert!(status.success(), "{key}");
        let organizer = Organizer::new(&world.edge, key.trim());
        let signer = TicketSigner::new(&SecretString::from(TICKET_KEYS)).unwrap();
        Self { organizer, sale: sale.to_owned(), signer }
    }

    /// What the code of a ticket says.
    fn text(&self, ticket: &Value) -> String {
        let id = ticket["id"].as_str().unwrap().parse().unwrap();
        let payload = TicketPayload { ticket: id, sale: self.sale.parse().unwrap(), rotation: 0 };
        self.signer.qr_text(&payload, self.signer.kid()).unwrap()
    }

    /// With a network: what is said of a ticket that is read.
    pub(crate) async fn scans(&self, ticket: &Value) -> String {
        self.uploads(Uuid::now_v7(), ticket).await
    }

    /// The same of a scan that has its id; sent again, it is the same scan.
    pub(crate) async fn uploads(&self, scan: Uuid, ticket: &Value) -> String {
        let at = "2026-12-05T19:02:10Z";
        let scan = json!({ "id": scan, "text": self.text(ticket), "at": at });
        let body = json!({ "device": "gate-3", "sent_at": at, "scans": [scan] });
        let told = self.organizer.asks(Method::POST, &format!("sales/{}/checkins", self.sale), &body).await.unwrap();
        let told = told.expect(StatusCode::OK).unwrap();
        told["data"][0]["verdict"].as_str().unwrap().to_owned()
    }

    /// Without one: the tickets to refuse, all of them or those since `cursor`, and the next cursor.
    async fn hears(&self, cursor: Option<&str>) -> (Vec<Vec<u8>>, String) {
        let since = cursor.map(|cursor| format!("?since={cursor}")).unwrap_or_default();
        let path = format!("sales/{}/scanner-manifest{since}", self.sale);
        let signed = self.organizer.asks(Method::GET, &path, &Value::Null).await.unwrap();
        let signed = signed.expect(StatusCode::OK).unwrap();
        let manifest: Value = serde_json::from_str(signed["manifest"].as_str().unwrap()).unwrap();
        assert_eq!(manifest["since"].as_str(), cursor, "it answers what was asked");
        let closed = URL_SAFE_NO_PAD.decode(manifest["closed"].as_str().unwrap()).unwrap();
        (closed.chunks(ENTRY).map(<[u8]>::to_vec).collect(), manifest["cursor"].as_str().unwrap().to_owned())
    }

    /// The entry of a ticket that opens no door any more.
    fn closed(ticket: &Value) -> Vec<u8> {
        let id = hex::decode(ticket["id"].as_str().unwrap().trim_start_matches("tkt_")).unwrap();
        [&id[..OF_ID], &NONE_IS_GOOD].concat()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_unit_that_was_given_back_and_sold_again_only_the_new_ticket_opens_the_door() {
    let world = World::start().await;
    let sale = world.sells(1).await;
    let (buyer, first_order) = world.has_bought(&sale).await;
    let old = ticket_of(&buyer, &first_order).await;
    let door = Door::of(&world, &sale);
    let (none, cursor) = door.hears(None).await;
    assert_eq!(none, Vec::<Vec<u8>>::new());
    world.is_in_line(&sale, "ada@example.org").await;

    world.takes_back(&sale, &first_order, &old["id"]).await;
    assert_eq!(door.hears(None).await.0, [Door::closed(&old)]);
    assert_eq!(door.hears(Some(&cursor)).await.0, [Door::closed(&old)], "who has the list hears of it too");
    let order = world.buys_what_is_offered(&sale, "ada@example.org", &buyer).await;
    let new = ticket_of(&buyer, &order).await;
    assert_eq!(new["unit"], old["unit"]);
    assert_ne!(new["id"], old["id"]);

    assert_eq!(door.hears(None).await.0, [Door::closed(&old)], "the new one is not refused");
    assert_eq!(door.scans(&old).await, "void");
    assert_eq!(door.scans(&new).await, "valid");
    assert_eq!(door.scans(&old).await, "void");
    assert_eq!(door.scans(&new).await, "already_used");
    nothing_is_left_to_do(&world).await;
    world.holds_every_invariant();
}
