//! Draws: what is committed when, and who may see it.

use domain::SaleId;
use domain::fairness::Seed;
use domain::sale::PhaseNo;
use domain::token::Holder;
use jiff::{SignedDuration, Timestamp};
use ledger::draws::{
    Attestation, BeaconRound, CommitRoot, Draw, DrawState, Freeze, draw_commit_root, draw_finish, draw_freeze,
    draws_due, draws_of,
};
use ledger::queue::numbers_reserve;
use ledger::registrations::{Register, registrations_add};
use ledger::{LedgerError, Role};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::world::{TestSale, World, config_with, connect};

pub(crate) const GENERAL: PhaseNo = PhaseNo(0);
pub(crate) const HOUR_MS: i64 = 3_600_000;

/// A sale that opens in an hour, its prequeue open since long.
pub(crate) async fn in_its_prequeue(world: &World) -> TestSale<'_> {
    let opens_at = world.now().await + SignedDuration::from_hours(1);
    world.sale_with(json!({"opens_at": opens_at, "prequeue_opens_at": "2026-01-01T00:00:00Z"})).await
}

pub(crate) fn holder(n: u64) -> Holder {
    Holder::of_secret(&n.to_be_bytes())
}

pub(crate) fn holders(numbers: impl IntoIterator<Item = u64>) -> Vec<Holder> {
    numbers.into_iter().map(holder).collect()
}

pub(crate) async fn registers(world: &World, sale: SaleId, phase: PhaseNo, holders: &[Holder]) -> Vec<Register> {
    registrations_add(&world.gateway, sale, phase, holders).await.expect("an answer")
}

pub(crate) async fn the_draw(world: &World, sale: SaleId) -> Draw {
    draws_of(&world.gateway, sale).await.expect("an answer").pop().expect("a draw")
}

pub(crate) async fn freezes(world: &World, sale: SaleId) -> Draw {
    match draw_freeze(&world.workers, sale, GENERAL).await.expect("an answer") {
        Freeze::Frozen(draw) => draw,
        Freeze::NotYet => panic!("it is time"),
    }
}

pub(crate) async fn commits(world: &World, sale: SaleId, root: [u8; 32], round: Option<&BeaconRound>) -> CommitRoot {
    draw_commit_root(&world.workers, sale, GENERAL, root, round).await.expect("an answer")
}

fn round(number: u64, round_at: Timestamp) -> BeaconRound {
    let chain_hash = "8990e7a9aaed2ffed73dbd7092123d6f289930540d7651336225dc172e51b2ce".to_owned();
    BeaconRound { url: "https://beacon.example.com".to_owned(), chain_hash, round: number, round_at }
}

fn beacon_says(signature: &[u8]) -> Attestation {
    Attestation::Beacon { randomness: Sha256::digest(signature).into(), signature: signature.to_vec() }
}

pub(crate) fn by_itself(reason: &str) -> Attestation {
    Attestation::SelfAttested { reason: reason.to_owned() }
}

pub(crate) fn rule<T: std::fmt::Debug>(refused: Result<T, LedgerError>) -> String {
    let refused = refused.expect_err("a refusal");
    refused.constraint().unwrap_or_else(|| panic!("{refused:?}")).to_owned()
}

#[tokio::test]
async fn phases_are_those_of_the_domain() {
    let world = World::new().await;
    let client = connect(&world.database.url).await;
    let now = world.now().await;
    let hours = |hours: i64| now + SignedDuration::from_hours(hours);
    let sales = [
        json!({"opens_at": "2026-01-01T10:00:00Z"}),
        json!({"opens_at": hours(5), "closes_at": hours(9)}),
        json!({"opens_at": hours(5), "prequeue_opens_at": hours(5)}),
        json!({"opens_at": hours(5), "prequeue_opens_at": hours(-2)}),
        json!({"opens_at": hours(1), "prequeue_opens_at": hours(0), "closes_at": hours(9), "phases": [
            {"id": "fans", "opens_at": hours(1), "closes_at": hours(2), "access": "code"},
            {"id": "members", "opens_at": hours(3), "prequeue_opens_at": hours(3)},
            {"id": "general", "opens_at": hours(4)}]}),
        json!({"opens_at": hours(-1), "phases": [
            {"id": "a", "opens_at": hours(-1)}, {"id": "b", "opens_at": hours(2), "prequeue_opens_at": hours(1)}]}),
    ];
    for fields in sales {
        let expected = config_with(fields.clone()).phases();
        let sale = world.sale_with(fields).await.id;
        let query = "SELECT p.phase_no, p.id, p.access, p.prequeue_opens_at, p.opens_at, p.closes_at, d.opens_at, s.published_at
                       FROM phases p JOIN sales s ON s.id = p.sale_id LEFT JOIN draws d USING (sale_id, phase_no)
                      WHERE p.sale_id = $1 ORDER BY phase_no";
        let rows = client.query(query, &[&sale.uuid()]).await.unwrap();
        assert_eq!(rows.len(), expected.len());
        for (row, phase) in rows.iter().zip(&expected) {
            let published_at: Timestamp = row.get(7);
            assert_eq!(row.get::<_, i16>(0), i16::from(phase.no.0));
            assert_eq!(row.get::<_, &str>(1), phase.id.as_str());
            assert_eq!(json!(row.get::<_, &str>(2)), json!(phase.access));
            assert_eq!(row.get::<_, Timestamp>(3), phase.prequeue_opens_at);
            assert_eq!(row.get::<_, Timestamp>(4), phase.opens_at);
            assert_eq!(row.get::<_, Option<Timestamp>>(5), phase.closes_at);
            assert_eq!(row.get::<_, Option<Timestamp>>(6), phase.has_prequeue(published_at).then_some(phase.opens_at));
        }
    }
}

#[tokio::test]
async fn a_seed_is_committed_at_publishing_and_shown_to_nobody_before_the_draw() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    let other = in_its_prequeue(&world).await.id;
    let draw = the_draw(&world, sale).await;
    assert_eq!((draw.phase, draw.state, draw.count, draw.first_number), (GENERAL, DrawState::Collecting, 0, 0));
    assert_eq!((draw.seed, draw.root, &draw.beacon, draw.frozen_at), (None, None, &None, None));
    assert_ne!(draw.seed_hash, the_draw(&world, other).await.seed_hash, "every sale has a seed of its own");

    let looks = [
        "SELECT seed FROM draws",
        "SELECT * FROM draws",
        "SELECT d FROM draws d",
        "SELECT to_jsonb(d) FROM draws d",
        "SELECT 1 FROM draws WHERE seed = ''",
        "UPDATE draws SET seed_hash = seed",
        "CREATE TEMP TABLE copy AS TABLE draws",
    ];
    for role in [Role::Gateway, Role::Workers, Role::ReadOnly] {
        let client = connect(&world.database.url).await;
        client.batch_execute(&format!("SET ROLE {}", role.name())).await.unwrap();
        for look in looks {
            let refused = client.batch_execute(look).await.expect_err(look);
            let refused = refused.as_db_error().expect("an answer of the database").message().to_owned();
            assert!(refused.starts_with("permission denied"), "{look} as {}: {refused}", role.name());
        }
        let seen = client.query("SELECT draw_seed(sale_id, phase_no) FROM draws", &[]).await.unwrap();
        assert_eq!(seen.len(), 2);
        assert!(seen.iter().all(|row| row.get::<_, Option<&[u8]>>(0).is_none()), "as {}", role.name());
    }

    world.database.advance_clock(2 * HOUR_MS).await.unwrap();
    freezes(&world, sale).await;
    assert_eq!(the_draw(&world, sale).await.seed, None, "not when it is frozen");
    commits(&world, sale, [1; 32], None).await;
    assert_eq!(the_draw(&world, sale).await.seed, None, "not when the root is known");
    let drawn = draw_finish(&world.workers, sale, GENERAL, &by_itself("no beacon configured")).await.unwrap();
    assert_eq!(drawn.seed.map(|seed| Seed::hash(&seed)), Some(draw.seed_hash), "and then it is the committed one");
    assert_eq!(draws_of(&world.readonly, sale).await.unwrap(), [drawn]);
    assert_eq!(the_draw(&world, other).await.seed, None);
}

#[tokio::test]
async fn every_step_is_taken_once_and_in_order() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    let unknown = SaleId::from_uuid(uuid::Uuid::now_v7());
    assert_eq!(draw_freeze(&world.workers, sale, GENERAL).await.unwrap(), Freeze::NotYet);
    assert_eq!(draw_freeze(&world.workers, unknown, GENERAL).await.unwrap(), Freeze::NotYet);
    let root = draw_commit_root(&world.workers, sale, GENERAL, [1; 32], None).await;
    assert_eq!(rule(root), "draws_root_after_freeze");
    let finish = async |attestation| draw_finish(&world.workers, sale, GENERAL, &attestation).await;
    assert_eq!(rule(finish(by_itself("why not")).await), "draws_finish_after_root");

    registers(&world, sale, GENERAL, &holders([1, 2, 3])).await;
    numbers_reserve(&world.gateway, sale, 1, 50).await.unwrap();
    world.database.advance_clock(HOUR_MS).await.unwrap();
    let frozen = freezes(&world, sale).await;
    assert_eq!((frozen.state, frozen.count, frozen.first_number), (DrawState::Frozen, 3, 51));
    assert!(frozen.frozen_at >= Some(frozen.opens_at));
    world.database.advance_clock(HOUR_MS).await.unwrap();
    assert_eq!(freezes(&world, sale).await, frozen, "the same instant, the same block");
    assert_eq!(numbers_reserve(&world.gateway, sale, 0, 1).await.unwrap(), 54);
    assert_eq!(rule(finish(by_itself("why not")).await), "draws_finish_after_root");

    let now = world.now().await;
    assert_eq!(commits(&world, sale, [1; 32], Some(&round(7, now))).await, CommitRoot::RoundPassed);
    let ahead = round(9, now + SignedDuration::from_secs(60));
    let CommitRoot::Committed(committed) = commits(&world, sale, [1; 32], Some(&ahead)).await else { panic!() };
    assert_eq!((committed.root, committed.seed), (Some([1; 32]), None));
    assert_eq!(committed.beacon.as_ref().map(|beacon| (beacon.round, beacon.randomness)), Some((9, None)));
    let other = round(10, now + SignedDuration::from_secs(90));
    assert_eq!(commits(&world, sale, [2; 32], Some(&other)).await, CommitRoot::Committed(committed.clone()));
    assert_eq!(commits(&world, sale, [2; 32], None).await, CommitRoot::Committed(committed));

    let forged = Attestation::Beacon { randomness: [3; 32], signature: b"signature".to_vec() };
    assert_eq!(rule(finish(forged).await), "draws_randomness_check");
    let drawn = finish(beacon_says(b"signature")).await.unwrap();
    assert_eq!((drawn.state, drawn.self_attested.clone()), (DrawState::Drawn, None));
    assert_eq!(drawn.beacon.as_ref().and_then(|beacon| beacon.signature.as_deref()), Some(b"signature".as_slice()));
    assert_eq!(finish(beacon_says(b"another")).await.unwrap(), drawn);
    assert_eq!(finish(by_itself("why not")).await.unwrap(), drawn);
    assert_eq!(draws_due(&world.workers).await.unwrap(), []);
}

#[tokio::test]
async fn a_beacon_that_was_not_recorded_counts_for_nothing() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    world.database.advance_clock(HOUR_MS).await.unwrap();
    assert_eq!(freezes(&world, sale).await.last_number(), None, "nobody came, and that is a draw too");
    commits(&world, sale, [1; 32], None).await;
    let finish = draw_finish(&world.workers, sale, GENERAL, &beacon_says(b"chosen")).await;
    assert_eq!(rule(finish), "draws_beacon_check");
    let drawn = draw_finish(&world.workers, sale, GENERAL, &by_itself("no beacon configured")).await.unwrap();
    assert_eq!(drawn.self_attested.as_deref(), Some("no beacon configured"));
}

/// Postgres shows the whole row of a write that a constraint refuses, to the caller and in its log.
#[tokio::test]
async fn a_refused_step_does_not_show_the_seed() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    world.database.advance_clock(HOUR_MS).await.unwrap();
    freezes(&world, sale).await;
    let workers = connect(&world.database.url).await;
    workers.batch_execute(&format!("SET ROLE {}", Role::Workers.name())).await.unwrap();
    let refuses = async |rule: &str, step: String| {
        let refused = workers.query(&step, &[]).await.expect_err("a refusal");
        let refused = refused.as_db_error().expect("an answer of the database");
        assert_eq!((refused.constraint(), refused.detail()), (Some(rule), None), "{step}");
    };
    let sale_id = sale.uuid();
    let half_root = format!("SELECT draw_commit_root('{sale_id}', 0::smallint, '\\x01', NULL, NULL, NULL, NULL)");
    refuses("draws_root_after_freeze", half_root).await;
    let ahead = round(9, world.now().await + SignedDuration::from_secs(60));
    commits(&world, sale, [1; 32], Some(&ahead)).await;
    let forged = format!("SELECT draw_finish('{sale_id}', 0::smallint, sha256('x'), 'y', NULL)");
    refuses("draws_randomness_check", forged).await;
    refuses("draws_self_attested_check", format!("SELECT draw_finish('{sale_id}', 0::smallint, NULL, NULL, '')")).await;
}

/// Writes that no step makes, by the state a draw is in, and the rule that refuses each.
const COLLECTING: [(&str, &str); 16] = [
    ("draws_stay_as_written", "UPDATE draws SET seed_hash = sha256('x')"),
    ("draws_stay_as_written", "UPDATE draws SET seed = sha256('x'), seed_hash = sha256(sha256('x'))"),
    ("draws_stay_as_written", "UPDATE draws SET opens_at = opens_at + interval '1 h'"),
    ("draws_stay_as_written", "DELETE FROM draws"),
    ("draws_stay_as_written", "TRUNCATE draws"),
    (
        "draws_begin_by_collecting",
        "INSERT INTO draws (sale_id, phase_no, state, seed, seed_hash, opens_at)
         SELECT sale_id, 1, 'frozen', seed, seed_hash, opens_at FROM draws",
    ),
    ("draws_frozen_check", "UPDATE draws SET state = 'frozen'"),
    ("draws_freeze_after_opening", "UPDATE draws SET state = 'frozen', frozen_at = now(), count = 0, first_number = 1"),
    ("draws_root_after_freeze", "UPDATE draws SET root = seed_hash, root_at = now()"),
    ("draws_finish_after_root", "UPDATE draws SET self_attested = 'x'"),
    ("registrations_stay_as_written", "UPDATE registrations SET index = 9"),
    ("registrations_stay_as_written", "UPDATE registrations SET holder = salt"),
    ("registrations_erase_after_draw", "UPDATE registrations SET salt = NULL, holder = NULL"),
    ("registrations_stay_as_written", "DELETE FROM registrations"),
    ("registrations_stay_as_written", "TRUNCATE registrations"),
    (
        "registrations_leaf_check",
        "INSERT INTO registrations SELECT sale_id, phase_no, 1, salt, holder, leaf FROM registrations",
    ),
];
const FROZEN: [(&str, &str); 6] = [
    (
        "registrations_before_freeze",
        "INSERT INTO registrations
         SELECT sale_id, phase_no, 1, s.salt, s.salt, sha256('\\x00'::bytea || s.salt || int4send(1) || s.salt)
           FROM registrations, (SELECT uuid_send(gen_random_uuid()) AS salt) AS s",
    ),
    ("draws_stay_as_written", "UPDATE draws SET count = 2"),
    ("draws_stay_as_written", "UPDATE draws SET first_number = 9"),
    (
        "draws_stay_as_written",
        "UPDATE draws SET state = 'collecting', frozen_at = NULL, count = NULL, first_number = NULL",
    ),
    ("draws_finish_after_root", "UPDATE draws SET state = 'drawn', drawn_at = now(), self_attested = 'x'"),
    (
        "draws_round_ahead_check",
        "UPDATE draws SET root = seed_hash, root_at = onsale_now(), beacon_url = 'u', beacon_chain_hash = 'c',
                beacon_round = 1, beacon_round_at = onsale_now() - interval '1 s'",
    ),
];
const ROOTED: [(&str, &str); 2] = [
    ("draws_stay_as_written", "UPDATE draws SET root = seed_hash"),
    (
        "draws_stay_as_written",
        "UPDATE draws SET beacon_url = 'u', beacon_chain_hash = 'c', beacon_round = 1,
                beacon_round_at = onsale_now() + interval '1 h'",
    ),
];
const DRAWN: [(&str, &str); 3] = [
    ("draws_stay_as_written", "UPDATE draws SET self_attested = 'else'"),
    ("draws_stay_as_written", "UPDATE draws SET state = 'frozen'"),
    ("draws_stay_as_written", "UPDATE draws SET beacon_url = 'u'"),
];

/// By the owner, who meets the rules; the other roles are not let near the tables.
#[tokio::test]
async fn no_role_rewrites_a_draw() {
    let world = World::new().await;
    let sale = in_its_prequeue(&world).await.id;
    registers(&world, sale, GENERAL, &holders([1])).await;
    let owner = connect(&world.database.url).await;
    owner.batch_execute("SET ROLE onsale_owner").await.unwrap();
    let refuses = async |writes: &[(&str, &str)]| {
        for (rule, write) in writes {
            let refused = owner.batch_execute(write).await.expect_err(write);
            let refused = refused.as_db_error().expect("an answer of the database");
            assert_eq!(refused.constraint(), Some(*rule), "{write}: {refused}");
        }
    };
    refuses(&COLLECTING).await;
    world.database.advance_clock(HOUR_MS).await.unwrap();
    freezes(&world, sale).await;
    refuses(&FROZEN).await;
    commits(&world, sale, [1; 32], None).await;
    refuses(&ROOTED).await;
    draw_finish(&world.workers, sale, GENERAL, &by_itself("no beacon configured")).await.unwrap();
    refuses(&DRAWN).await;
}
