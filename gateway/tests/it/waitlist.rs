//! `/v1/sales/{sale}/waitlist`

use domain::token::{EntryProof, EntryToken};
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Buyer, Card, Hold, Order};
use serde_json::{Value, json};

use crate::eventually::eventually;
use crate::world::{World, jazz};

/// Longer than the queue has to join.
pub(crate) const GATHERED_MS: i64 = 301_000;
/// Longer than an offer lives.
pub(crate) const LAPSED_MS: i64 = 1_801_000;

/// Somebody's entry.
pub(crate) struct Waiting<'w> {
    pub(crate) world: &'w World,
    pub(crate) path: String,
    pub(crate) token: String,
    pub(crate) mailed: String,
}

impl<'w> Waiting<'w> {
    /// Joins, from outside of the queue.
    pub(crate) async fn joins(world: &'w World, sale: &str, quantity: u32) -> Self {
        let email = format!("{}@example.org", uuid::Uuid::new_v4().simple());
        Self::of(world, sale, asks(world, sale, quantity, &email, &[]).await)
    }

    fn of(world: &'w World, sale: &str, joined: Answer) -> Self {
        let entry = joined.expect(StatusCode::CREATED).unwrap();
        assert_eq!(entry["state"], "unconfirmed");
        let id = entry["id"].as_str().unwrap();
        let token = EntryToken { sale: sale.parse().unwrap(), entry: id.parse().unwrap(), proof: EntryProof::Mailed };
        Self {
            world,
            path: format!("/v1/sales/{sale}/waitlist/{id}"),
            token: entry["token"].as_str().unwrap().to_owned(),
            mailed: world.signer.sign_entry(&token),
        }
    }

    async fn sends(&self, method: Method, act: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        self.world.edge.ask(method, &format!("{}{act}", self.path), &headers, body).await.unwrap()
    }

    /// Presses the button of the page that the mail leads to.
    pub(crate) async fn confirms(&self) -> Answer {
        self.sends(Method::POST, "/confirm", &self.mailed, &Value::Null).await
    }

    pub(crate) async fn looks(&self) -> Value {
        self.sends(Method::GET, "", &self.token, &Value::Null).await.expect(StatusCode::OK).unwrap()
    }

    pub(crate) async fn claims(&self) -> Answer {
        self.sends(Method::POST, "/claim", &self.mailed, &json!({ "name": "Ada Lovelace" })).await
    }

    pub(crate) async fn leaves(&self) -> Answer {
        self.sends(Method::DELETE, "", &self.mailed, &Value::Null).await
    }
}

async fn asks(world: &World, sale: &str, quantity: u32, email: &str, headers: &[(&str, &str)]) -> Answer {
    let wish = json!({ "tiers": ["ga"], "quantity": quantity, "email": email });
    world.post(&format!("/v1/sales/{sale}/waitlist"), headers, &wish).await
}

/// A sale whose only unit is ordered, and of which everybody knows that.
pub(crate) async fn sold_out(world: &World) -> (String, Buyer, Hold, Order) {
    let sale = world.sale(&jazz(1)).await;
    let (buyer, hold, order) = world.order(&sale, 1).await;
    eventually("it is known that all is ordered", async || {
        world.get(&format!("/v1/sales/{sale}")).await.body["state"] == "sold_out"
    })
    .await;
    (sale, buyer, hold, order)
}

#[tokio::test]
async fn a_unit_that_comes_back_is_offered_to_the_first_in_line_who_buys_it() {
    let world = World::new().await;
    let (sale, buyer, hold, _) = sold_out(&world).await;
    let first = Waiting::joins(&world, &sale, 1).await;
    let second = Waiting::joins(&world, &sale, 1).await;
    for (waiting, position) in [(&first, 1), (&second, 2)] {
        let confirmed = waiting.confirms().await.expect(StatusCode::OK).unwrap();
        assert_eq!((&confirmed["state"], &confirmed["position"]), (&json!("waiting"), &json!(position)));
    }
    assert_eq!(first.claims().await.code(), Some("offer_not_live"), "it is not its turn yet");
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    buyer.gives_back(&hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let offered = first.looks().await;
    assert_eq!((&offered["state"], &offered["offer"]["quantity"]), (&json!("offered"), &json!(1)));
    assert_eq!(second.looks().await["position"], 1);

    let order = first.claims().await.expect(StatusCode::CREATED).unwrap();
    assert_eq!((&order["state"], &order["total"]["amount"]), (&json!("awaiting_payment"), &json!(4_548)));
    let again = first.claims().await.expect(StatusCode::OK).unwrap();
    assert_eq!(
        (&again["id"], &again["token"]),
        (&order["id"], &order["token"]),
        "whoever asks again has the same order"
    );
    let (id, token) = (order["id"].as_str().unwrap().to_owned(), order["token"].as_str().unwrap().to_owned());
    let order = Order { id, token };
    world.pays(&buyer, &order, Card::Visa).await.expect(StatusCode::OK).unwrap();
    assert_eq!(world.money_comes().await, ledger::payments::Applied::Captured);
    assert_eq!(buyer.looks_at_order(&order).await.unwrap().body["state"], "paid");
    assert_eq!(world.remaining(&sale).await, 0, "Redis never had it to sell");
    let refused = first.leaves().await;
    assert_eq!(refused.code(), Some("order_not_cancellable"), "what is paid is not left here");
    world.stop().await;
}

/// Mail programs and their guards follow links, and whoever typed somebody else's address has only the token of the answer.
#[tokio::test]
async fn only_a_press_of_who_reads_the_mail_confirms() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    let other = Waiting::joins(&world, &sale, 1).await;
    for token in [&waiting.mailed, &waiting.token] {
        let seen = waiting.sends(Method::GET, "", token, &Value::Null).await.expect(StatusCode::OK).unwrap();
        assert_eq!(seen["state"], "unconfirmed", "looking is not confirming");
        assert!(seen.get("token").is_none());
    }
    assert_eq!(
        waiting.sends(Method::GET, "/confirm", &waiting.mailed, &Value::Null).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );
    let by_the_joiner = waiting.sends(Method::POST, "/confirm", &waiting.token, &Value::Null).await;
    assert_eq!((by_the_joiner.status, by_the_joiner.code()), (StatusCode::FORBIDDEN, Some("forbidden")));
    let by_another = waiting.sends(Method::POST, "/confirm", &other.mailed, &Value::Null).await;
    assert_eq!(by_another.code(), Some("token_invalid"));
    assert_eq!(world.get(&waiting.path).await.code(), Some("unauthorized"));
    assert_eq!(waiting.looks().await["state"], "unconfirmed");
    waiting.confirms().await.expect(StatusCode::OK).unwrap();
    let twice = waiting.confirms().await.expect(StatusCode::OK).unwrap();
    assert_eq!(twice["state"], "waiting");
    world.stop().await;
}

#[tokio::test]
async fn who_still_queues_joins_by_number_before_anybody_else() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let mut places = Vec::new();
    for _ in 0..2 {
        let joined = world.post(&format!("/v1/sales/{sale}/queue"), &[], &Value::Null).await;
        let place = joined.expect(StatusCode::CREATED).unwrap();
        places.push(format!("Bearer {}", place["place"]["token"].as_str().unwrap()));
    }
    let newcomer = Waiting::joins(&world, &sale, 1).await;
    newcomer.confirms().await.expect(StatusCode::OK).unwrap();
    let mut of_the_queue = Vec::new();
    for (place, email) in places.iter().zip(["first@example.org", "second@example.org"]).rev() {
        let joined = asks(&world, &sale, 1, email, &[("authorization", place)]).await;
        let waiting = Waiting::of(&world, &sale, joined);
        waiting.confirms().await.expect(StatusCode::OK).unwrap();
        of_the_queue.push(waiting);
    }
    let [second, first] = &of_the_queue[..] else { panic!("two") };
    for (waiting, position) in [(first, 1), (second, 2), (&newcomer, 3)] {
        let seen = waiting.looks().await;
        assert_eq!(seen["position"], position);
        assert!(seen["gathers_until"].is_string(), "{seen}");
    }
    let twice = asks(&world, &sale, 1, "third@example.org", &[("authorization", &places[0])]).await;
    assert_eq!(twice.code(), Some("already_on_waitlist"));
    world.stop().await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let world = World::new().await;
    let open = world.sale(&jazz(1)).await;
    eventually("the gateway sees the sale", async || world.remaining(&open).await == 1).await;
    let refused = asks(&world, &open, 1, "ada@example.org", &[]).await;
    assert_eq!((refused.status, refused.code()), (StatusCode::CONFLICT, Some("waitlist_not_open")));
    let (sale, ..) = sold_out(&world).await;
    let path = format!("/v1/sales/{sale}/waitlist");
    for (wish, pointer) in [
        (json!({ "tiers": [], "quantity": 1, "email": "a@b.c" }), "/tiers"),
        (json!({ "tiers": ["ga", "ga"], "quantity": 1, "email": "a@b.c" }), "/tiers/1"),
        (json!({ "tiers": ["none"], "quantity": 1, "email": "a@b.c" }), "/tiers/0"),
        (json!({ "tiers": ["ga"], "quantity": 5, "email": "a@b.c" }), "/quantity"),
        (json!({ "tiers": ["ga"], "quantity": 0, "email": "a@b.c" }), "/quantity"),
        (json!({ "tiers": ["ga"], "quantity": 1, "email": "nobody" }), "/email"),
    ] {
        let refused = world.post(&path, &[], &wish).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::BAD_REQUEST, Some("validation_failed")), "{wish}");
        assert_eq!(refused.body["errors"][0]["pointer"], pointer, "{}", refused.body);
    }
    let first = asks(&world, &sale, 1, "ada@example.org", &[]).await;
    Waiting::of(&world, &sale, first).confirms().await.expect(StatusCode::OK).unwrap();
    let second = Waiting::of(&world, &sale, asks(&world, &sale, 1, "ADA@example.org", &[]).await);
    assert_eq!(second.confirms().await.code(), Some("already_on_waitlist"), "who reads its mail is told");
    world.stop().await;
}

#[tokio::test]
async fn the_organizer_sees_how_many_wait_and_what_became_of_offers() {
    let world = World::new().await;
    let (sale, buyer, hold, _) = sold_out(&world).await;
    let sleeps = Waiting::joins(&world, &sale, 1).await;
    let leaves = Waiting::joins(&world, &sale, 1).await;
    let waits = Waiting::joins(&world, &sale, 2).await;
    Waiting::joins(&world, &sale, 4).await;
    for waiting in [&sleeps, &leaves, &waits] {
        waiting.confirms().await.expect(StatusCode::OK).unwrap();
    }
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    buyer.gives_back(&hold).await.unwrap();
    world.database.advance_clock(LAPSED_MS).await.unwrap();
    assert_eq!(sleeps.claims().await.code(), Some("offer_not_live"), "its time is over");
    assert_eq!(ledger::waitlist::tending::offers_lapse_due(&world.workers, 10).await.unwrap().len(), 1);
    assert_eq!(leaves.looks().await["state"], "offered");
    assert_eq!(leaves.leaves().await.status, StatusCode::NO_CONTENT);
    let path = format!("/v1/organizer/sales/{sale}/waitlist");
    let key = format!("Bearer {}", world.api_key);
    let seen = world.get_with(&path, &[("authorization", &key)]).await.expect(StatusCode::OK).unwrap();
    let entries = &seen["entries"];
    assert_eq!(
        (&entries["waiting"], &entries["lapsed"], &entries["declined"], &entries["claimed"]),
        (&json!(1), &json!(1), &json!(1), &json!(0))
    );
    let offers = json!({
        "made": 2, "live": 0, "claimed": 0, "paid": 0, "lapsed": 1, "declined": 1, "conversion_percent": 0,
    });
    let line = json!({
        "tier": "ga", "joined": 4, "confirmed": 3, "waiting": 1, "wanted": 2, "kept": 1, "offers": offers,
    });
    assert_eq!(seen["lines"], json!([line]));
    assert_eq!(world.get(&path).await.code(), Some("unauthorized"));
    world.stop().await;
}

/// Anybody may type anybody's address: the token that joining answers only looks, and takes back what nobody confirmed.
#[tokio::test]
async fn who_typed_an_address_neither_takes_nor_leaves_what_its_owner_confirmed() {
    let world = World::new().await;
    let (sale, buyer, hold, _) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    waiting.confirms().await.expect(StatusCode::OK).unwrap();
    let left = waiting.sends(Method::DELETE, "", &waiting.token, &Value::Null).await;
    assert_eq!((left.status, left.code()), (StatusCode::FORBIDDEN, Some("forbidden")));
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    buyer.gives_back(&hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let seen = waiting.looks().await;
    assert_eq!((&seen["state"], &seen["is_proved"]), (&json!("offered"), &json!(false)));
    let taken = waiting.sends(Method::POST, "/claim", &waiting.token, &json!({ "name": "Mallory" })).await;
    assert_eq!((taken.status, taken.code()), (StatusCode::FORBIDDEN, Some("forbidden")));
    waiting.claims().await.expect(StatusCode::CREATED).unwrap();
    let typed = Waiting::joins(&world, &sale, 1).await;
    let taken_back = typed.sends(Method::DELETE, "", &typed.token, &Value::Null).await;
    assert_eq!(taken_back.status, StatusCode::NO_CONTENT);
    assert_eq!(typed.looks().await["state"], "left");
    world.stop().await;
}

#[tokio::test]
async fn a_wish_under_one_key_is_one_entry() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let key = [("idempotency-key", "e2f1")];
    let mut ids = Vec::new();
    for (quantity, headers) in [(1, &key[..]), (1, &key[..]), (2, &key[..]), (1, &[])] {
        let joined = asks(&world, &sale, quantity, "ada@example.org", headers).await;
        ids.push(joined.expect(StatusCode::CREATED).unwrap()["id"].clone());
    }
    assert_eq!(ids[0], ids[1], "asked again");
    assert_ne!(ids[0], ids[2], "another wish");
    assert_ne!(ids[0], ids[3], "no key");
    world.stop().await;
}
