//! What organizers do to a sale that is running, and that all of it is written down.

use std::sync::Arc;

use domain::sale::{AdmissionConfig, PhaseNo};
use domain::token::Holder;
use domain::{PhaseId, SaleId};
use jiff::SignedDuration;
use ledger::access_codes::{AddCodes, Redeem, access_code_redeem, access_codes_add};
use ledger::notices::{NOTICE_CHARS_MAX, notice_add};
use ledger::sales::{SaleName, sale_close, sale_fetch, sale_pause, sale_set_admission};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use crate::world::{Price, TestSale, World, connect, patiently};

const BY: &str = "key_1";
const FANS: PhaseNo = PhaseNo(0);

/// Who did what, oldest first: actor, act, before, after.
async fn acts(world: &World, sale: SaleId) -> Vec<(String, String, Value, Value)> {
    let client = connect(&world.database.url).await;
    let query = "SELECT actor, act, detail FROM audit_log WHERE sale_id = $1 ORDER BY at, id";
    let rows = client.query(query, &[&sale.uuid()]).await.expect("an audit log");
    let act = |row: &tokio_postgres::Row| {
        let detail: Value = row.get(2);
        (row.get(0), row.get(1), detail["before"].clone(), detail["after"].clone())
    };
    rows.iter().map(act).collect()
}

#[tokio::test]
async fn every_act_is_written_down_with_before_and_after() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let organizer = sale.organizer.to_string();
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    sale_pause(&world.gateway, sale.organizer, sale.id).await.unwrap();
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    let acts = acts(&world, sale.id).await;
    let said: Vec<_> =
        acts.iter().map(|(_, act, before, after)| (act.as_str(), before.as_str(), after.as_str())).collect();
    assert_eq!(
        said,
        [
            ("sale_created", None, None),
            ("sale_published", Some("draft"), Some("published")),
            ("sale_decided", Some("published"), Some("paused")),
            ("sale_decided", Some("paused"), Some("closed")),
        ]
    );
    assert_eq!(acts[0].3["name"], "Night at the Opera");
    assert!(acts.iter().all(|(actor, ..)| *actor == organizer));
}

#[tokio::test]
async fn admission_changes_while_a_sale_runs() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let slower = AdmissionConfig { rate_per_s: 7, overbook: 2, ..AdmissionConfig::default() };
    let set = |organizer, admission: AdmissionConfig| {
        let ledger = &world.gateway;
        async move { sale_set_admission(ledger, organizer, sale.id, &admission, BY).await.unwrap() }
    };
    let changed = set(sale.organizer, slower.clone()).await.expect("the sale");
    assert_eq!((&changed.config.admission, changed.version), (&slower, 3));
    assert_eq!(changed.config.tiers, sale.config.tiers, "all else stays");
    let again = set(sale.organizer, slower.clone()).await.expect("the sale");
    assert_eq!(again.version, 3, "the same again is no change");
    assert_eq!(set(world.organizer().await, AdmissionConfig::default()).await, None, "of somebody else");
    let acts = acts(&world, sale.id).await;
    let (actor, act, before, after) = acts.last().expect("acts");
    assert_eq!((acts.len(), actor.as_str(), act.as_str()), (3, BY, "admission_set"));
    assert_eq!((before, after), (&json!(sale.config.admission), &json!(slower)));
    sale_close(&world.gateway, sale.organizer, sale.id).await.unwrap();
    assert_eq!(set(sale.organizer, AdmissionConfig::default()).await, None, "it is over");
}

#[tokio::test]
async fn everyone_waiting_is_told_the_latest_notice() {
    let world = World::new().await;
    let sale = world.sale(1, Price::Paid).await;
    let add = |text: String| {
        let (ledger, organizer) = (&world.gateway, sale.organizer);
        async move { notice_add(ledger, organizer, sale.id, &text, BY).await }
    };
    let told = add("Doors open late".to_owned()).await.unwrap().expect("the sale");
    let notice = told.notice.clone().expect("a notice");
    assert_eq!((notice.text.as_str(), told.version), ("Doors open late", 3));
    assert_eq!(add("Doors open late".to_owned()).await.unwrap(), Some(told), "the same again is no change");
    let longest = "ä".repeat(NOTICE_CHARS_MAX);
    assert_eq!(add(longest.clone()).await.unwrap().and_then(|sale| sale.notice).expect("a notice").text, longest);
    let too_long = add("ä".repeat(NOTICE_CHARS_MAX + 1)).await.unwrap_err();
    assert_eq!(too_long.constraint(), Some("sales_notice_check"));
    let taken_back = add(String::new()).await.unwrap().expect("the sale");
    assert_eq!((&taken_back.notice, taken_back.version), (&None, 5));
    let stranger = notice_add(&world.gateway, world.organizer().await, sale.id, "hello", BY).await;
    assert_eq!(stranger.unwrap(), None);
    assert_eq!(sale_fetch(&world.gateway, SaleName::Id(sale.id)).await.unwrap(), Some(taken_back));
    let acts = acts(&world, sale.id).await;
    assert_eq!(acts.len(), 5);
    assert_eq!(acts[4], (BY.to_owned(), "notice_added".to_owned(), json!(longest), Value::Null));
}

/// A sale with a presale for who has a code, and a general sale.
async fn with_a_presale(world: &World) -> TestSale<'_> {
    let now = world.now().await;
    let phases = json!([
        {"id": "fans", "opens_at": now, "access": "code"},
        {"id": "general", "opens_at": now + SignedDuration::from_hours(1)}]);
    world.sale_with(json!({"opens_at": now, "phases": phases})).await
}

fn code(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}

async fn adds(world: &World, sale: &TestSale<'_>, phase: &str, codes: &[&str], max_uses: u32) -> AddCodes {
    let (hashes, phase): (Vec<_>, PhaseId) =
        (codes.iter().map(|text| code(text)).collect(), phase.parse().expect("a name"));
    access_codes_add(&world.gateway, sale.organizer, sale.id, &phase, &hashes, max_uses, BY).await.expect("an answer")
}

async fn redeems(world: &World, sale: SaleId, phase: PhaseNo, text: &str, visitor: u32) -> Redeem {
    let holder = Holder::of_secret(&visitor.to_be_bytes());
    patiently(|| access_code_redeem(&world.gateway, sale, phase, code(text), holder)).await
}

#[tokio::test]
async fn a_code_lets_as_many_in_as_it_says() {
    let world = World::new().await;
    let sale = with_a_presale(&world).await;
    assert_eq!(adds(&world, &sale, "fans", &["one", "one", "other"], 1).await, AddCodes::Added(2));
    assert_eq!(adds(&world, &sale, "fans", &["one", "crowd"], 3).await, AddCodes::Added(1), "one stays as it is");
    assert_eq!(adds(&world, &sale, "general", &["x"], 1).await, AddCodes::NoSuchPhase, "it is open to everybody");
    assert_eq!(adds(&world, &sale, "members", &["x"], 1).await, AddCodes::NoSuchPhase);
    let plain = world.sale(1, Price::Paid).await;
    assert_eq!(adds(&world, &plain, "general", &["x"], 1).await, AddCodes::NoSuchPhase);
    let mut stranger = with_a_presale(&world).await;
    stranger.organizer = world.organizer().await;
    assert_eq!(adds(&world, &stranger, "fans", &["x"], 1).await, AddCodes::NotFound);

    let redeem = async |phase, text, visitor| redeems(&world, sale.id, phase, text, visitor).await;
    assert_eq!(redeem(FANS, "one", 1).await, Redeem::Redeemed);
    assert_eq!(redeem(FANS, "one", 2).await, Redeem::UsedUp);
    assert_eq!(redeem(FANS, "one", 1).await, Redeem::Redeemed, "the same visitor again");
    assert_eq!(redeem(FANS, "guess", 1).await, Redeem::Unknown);
    assert_eq!(redeem(PhaseNo(1), "other", 1).await, Redeem::Unknown, "a code of another phase");
    assert_eq!(redeems(&world, plain.id, FANS, "other", 1).await, Redeem::Unknown, "a code of another sale");
    let mut crowd = Vec::new();
    for visitor in 0..5 {
        crowd.push(redeem(FANS, "crowd", visitor).await);
    }
    assert_eq!(crowd, [Redeem::Redeemed, Redeem::Redeemed, Redeem::Redeemed, Redeem::UsedUp, Redeem::UsedUp]);
    let acts = acts(&world, sale.id).await;
    assert_eq!(acts.iter().filter(|(actor, act, ..)| actor == BY && act == "access_codes_added").count(), 2);
    let thumbprint = Holder::of_secret(&1_u32.to_be_bytes()).0.map(|byte| format!("{byte:02x}")).concat();
    let kept = format!("SELECT count(*) FROM access_code_uses u WHERE u::text LIKE '%{thumbprint}%'");
    assert_eq!(world.number(&kept).await, 0, "who used a code is not written in the clear");
}

/// By the lock of the code's row; without it `access_codes_uses_check` refuses the second instead of answering it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_hundred_with_one_code_one_wins() {
    let world = Arc::new(World::new().await);
    let sale = with_a_presale(&world).await;
    adds(&world, &sale, "fans", &["one"], 1).await;
    let mut visitors = JoinSet::new();
    for visitor in 0..100 {
        let (world, sale) = (Arc::clone(&world), sale.id);
        visitors.spawn(async move { redeems(&world, sale, FANS, "one", visitor).await });
    }
    let outcomes = visitors.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Redeem::Redeemed).count(), 1);
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == Redeem::UsedUp).count(), 99);
    assert_eq!(world.number("SELECT sum(uses)::bigint FROM access_codes").await, 1);
}
