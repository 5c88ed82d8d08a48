//! `/v1/sales/{sale}/live` of an entry of the waitlist: offers, and what becomes of them, without asking.

use domain::token::{EntryProof, EntryToken};
use http::StatusCode;
use ledger::waitlist::tending::offers_lapse_due;
use sandbox::actors::{EventStream, Incoming, LiveSocket};
use sandbox::{FaultProxy, shared};
use serde_json::{Value, json};

use crate::waitlist::{GATHERED_MS, LAPSED_MS, Waiting, sold_out};
use crate::world::{SOON, Setup, World};

const SOCKETS_OF_AN_ENTRY_MAX: usize = 16;

impl Waiting<'_> {
    fn id(&self) -> &str {
        self.path.rsplit('/').next().unwrap()
    }

    fn hello(&self, token: &str) -> String {
        json!({ "entry": self.id(), "token": token }).to_string()
    }

    /// Opens its page.
    async fn watches(&self, sale: &str, token: &str) -> LiveSocket {
        opens(self.world, sale, &self.hello(token)).await
    }
}

async fn opens(world: &World, sale: &str, hello: &str) -> LiveSocket {
    let mut socket = LiveSocket::open(world.edge.base(), sale, "192.0.2.7").await.unwrap();
    socket.sends(hello).await.unwrap();
    socket
}

/// The next frame of the entry in that state.
async fn told(socket: &mut LiveSocket, state: &str) -> Value {
    let is_told = |frame: &Value| frame["type"] == "entry" && frame["data"]["state"] == state;
    socket.waits_until("the entry", SOON, is_told).await.unwrap()["data"].clone()
}

async fn closed(socket: &mut LiveSocket) -> (u16, String) {
    let ends = async {
        loop {
            if let Incoming::Closed(frame) = socket.next().await.unwrap() {
                let frame = frame.expect("a reason");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    };
    tokio::time::timeout(SOON, ends).await.expect("it is closed")
}

/// Nothing here asks before it was told.
#[tokio::test]
async fn every_open_page_hears_of_the_offer_and_of_what_becomes_of_it() {
    let world = World::new().await;
    let (sale, buyer, hold, _) = sold_out(&world).await;
    let (first, second) = (Waiting::joins(&world, &sale, 1).await, Waiting::joins(&world, &sale, 1).await);
    let mut page = first.watches(&sale, &first.mailed).await;
    let Incoming::Frame(frame) = page.next().await.unwrap() else { panic!("a frame comes first") };
    assert_eq!((&frame["v"], &frame["type"], &frame["seq"]), (&json!(1), &json!("entry"), &json!(1)));
    assert_eq!((&frame["data"]["state"], &frame["data"]["position"]), (&json!("unconfirmed"), &json!(1)));
    assert!(frame.to_string().len() < 1_024, "{frame}");
    let mut tab = first.watches(&sale, &first.token).await;
    let mut next = second.watches(&sale, &second.token).await;
    assert_eq!(told(&mut next, "unconfirmed").await["position"], 2);

    for waiting in [&first, &second] {
        waiting.confirms().await.expect(StatusCode::OK).unwrap();
    }
    for page in [&mut page, &mut tab, &mut next] {
        told(page, "waiting").await;
    }
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    buyer.gives_back(&hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let offered = told(&mut page, "offered").await;
    assert_eq!(offered["is_proved"], true);
    let by_the_joiner = told(&mut tab, "offered").await;
    assert_eq!(by_the_joiner, first.looks().await, "the same as by asking");
    let moved_up = |frame: &Value| frame["type"] == "entry" && frame["data"]["position"] == 1;
    next.waits_until("nobody is ahead", SOON, moved_up).await.unwrap();

    world.database.advance_clock(LAPSED_MS).await.unwrap();
    assert_eq!(offers_lapse_due(&world.workers, 10).await.unwrap().len(), 1);
    told(&mut next, "offered").await;
    second.claims().await.expect(StatusCode::CREATED).unwrap();
    assert!(told(&mut next, "claimed").await["offer"]["order"].is_string());
    for page in [&mut page, &mut tab] {
        told(page, "lapsed").await;
    }
    for page in [&mut page, &mut tab, &mut next] {
        assert_eq!(closed(page).await, (1000, "the entry is over".to_owned()));
    }
    world.stop().await;
}

#[tokio::test]
async fn who_proves_no_entry_hears_of_none() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let (elsewhere, ..) = sold_out(&world).await;
    let (ours, other) = (Waiting::joins(&world, &sale, 1).await, Waiting::joins(&world, &sale, 1).await);
    let foreign = Waiting::joins(&world, &elsewhere, 1).await;
    for hello in [
        ours.hello(&other.mailed),
        ours.hello("wlt_none"),
        foreign.hello(&foreign.mailed),
        json!({ "entry": "none", "token": ours.mailed }).to_string(),
    ] {
        let mut socket = opens(&world, &sale, &hello).await;
        let Incoming::Frame(frame) = socket.next().await.unwrap() else { panic!("a frame comes first") };
        assert_eq!((&frame["type"], &frame["data"]["code"]), (&json!("error"), &json!("token_invalid")), "{hello}");
        assert_eq!(closed(&mut socket).await.0, 1008);
    }
    let unknown = EntryToken {
        sale: sale.parse().unwrap(),
        entry: domain::EntryId::from_uuid(uuid::Uuid::now_v7()),
        proof: EntryProof::Mailed,
    };
    let hello = json!({ "entry": unknown.entry.to_string(), "token": world.signer.sign_entry(&unknown) });
    let mut socket = opens(&world, &sale, &hello.to_string()).await;
    let error = socket.waits_for("error", SOON).await.unwrap();
    assert_eq!(error["data"]["code"], "not_found");
    assert_eq!(closed(&mut socket).await, (1000, "there is no such entry".to_owned()));
    assert_eq!(other.leaves().await.status, StatusCode::NO_CONTENT);
    let mut socket = other.watches(&sale, &other.token).await;
    told(&mut socket, "left").await;
    assert_eq!(closed(&mut socket).await, (1000, "the entry is over".to_owned()));
    world.stop().await;
}

#[tokio::test]
async fn an_entry_has_as_many_pages_as_a_person_may_need() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    let mut pages = Vec::new();
    for _ in 0..SOCKETS_OF_AN_ENTRY_MAX {
        let mut page = waiting.watches(&sale, &waiting.token).await;
        told(&mut page, "unconfirmed").await;
        pages.push(page);
    }
    let mut one_more = waiting.watches(&sale, &waiting.token).await;
    assert_eq!(one_more.waits_for("error", SOON).await.unwrap()["data"]["code"], "rate_limited");
    assert_eq!(closed(&mut one_more).await.0, 1008);
    world.stop().await;
}

#[tokio::test]
async fn pages_of_entries_are_told_to_reconnect() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    let mut page = waiting.watches(&sale, &waiting.token).await;
    told(&mut page, "unconfirmed").await;
    world.shutdown.cancel();
    assert!(page.waits_for("reconnect", SOON).await.unwrap()["data"]["after_ms"].is_u64());
    assert_eq!(closed(&mut page).await.0, 1012);
    world.gateway.join().await;
}

/// Where no WebSocket comes through.
#[tokio::test]
async fn an_entry_is_told_as_a_stream_of_events() {
    let world = World::new().await;
    let (sale, ..) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    let mut stream = EventStream::open(&world.edge, &sale, "192.0.2.7", &waiting.mailed).await.unwrap();
    let entry = stream.waits_for("entry", SOON).await.unwrap();
    assert_eq!(entry["data"]["state"], "unconfirmed");
    waiting.confirms().await.expect(StatusCode::OK).unwrap();
    let confirmed = stream.waits_until("confirmed", SOON, |frame| frame["data"]["state"] == "waiting").await.unwrap();
    assert_eq!(confirmed["data"]["position"], 1);
    let (elsewhere, ..) = sold_out(&world).await;
    let foreign = EventStream::open(&world.edge, &elsewhere, "192.0.2.7", &waiting.mailed).await;
    assert!(foreign.is_err(), "of another sale");
    world.stop().await;
}

/// The page stays, hears that nobody knows, and hears everything that happened meanwhile.
#[tokio::test]
async fn pages_outlive_postgres_and_hear_what_happened_meanwhile() {
    let proxy = FaultProxy::start(shared().await.unwrap().postgres.address()).await.unwrap();
    let world = World::with(Setup { postgres: Some(proxy.address()), ..Setup::default() }).await;
    let (sale, buyer, hold, _) = sold_out(&world).await;
    let waiting = Waiting::joins(&world, &sale, 1).await;
    waiting.confirms().await.expect(StatusCode::OK).unwrap();
    world.database.advance_clock(GATHERED_MS).await.unwrap();
    buyer.gives_back(&hold).await.unwrap().expect(StatusCode::NO_CONTENT).unwrap();
    let mut page = waiting.watches(&sale, &waiting.token).await;
    told(&mut page, "offered").await;
    proxy.cut().await;
    assert_eq!(page.waits_for("error", SOON).await.unwrap()["data"]["code"], "store_unavailable");
    world.database.advance_clock(LAPSED_MS).await.unwrap();
    assert_eq!(offers_lapse_due(&world.workers, 10).await.unwrap().len(), 1, "workers have a way of their own");
    proxy.restore().await.unwrap();
    told(&mut page, "lapsed").await;
    world.stop().await;
}
