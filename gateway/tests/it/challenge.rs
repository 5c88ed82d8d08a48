//! Proof of work at joining.

use std::time::Duration;

use domain::fairness::{Seed, draw_key, order};
use domain::proof_of_work::leading_zero_bits;
use domain::token::{ChallengeToken, Holder};
use http::StatusCode;
use jiff::Timestamp;
use sandbox::actors::{Answer, Visitor};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::eventually::eventually;
use crate::world::{World, jazz, jazz_with};

const BITS: u8 = 10;

fn guarded(bits: u8) -> Value {
    jazz_with(10, json!({ "join": { "proof_of_work_bits": bits } }))
}

fn solve(challenge: &str, bits: u8) -> String {
    let solves = |nonce: &String| leading_zero_bits(challenge, nonce) >= u32::from(bits);
    (0_u64..).map(|nonce| nonce.to_string()).find(solves).unwrap()
}

/// A browser with a secret of its own: its cookie, and whose places are its.
fn browser(name: u8) -> (String, Holder) {
    let secret = [name; 16];
    (format!("onsale_visitor={}", format!("{name:02x}").repeat(16)), Holder::of_secret(&secret))
}

async fn joins(world: &World, sale: &str, cookie: &str, challenge: &str, nonce: &str) -> Answer {
    let body = json!({ "proof": { "challenge": challenge, "nonce": nonce } });
    world.post(&format!("/v1/sales/{sale}/queue"), &[("cookie", cookie)], &body).await
}

#[tokio::test]
async fn a_sale_that_asks_for_work_takes_those_who_did_it() {
    let world = World::new().await;
    let sale = world.sale(&guarded(BITS)).await;
    let mut visitor = Visitor::new(&world.edge, &sale);
    let refused = visitor.joins().await.unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, Some("proof_required")));
    visitor.solves_challenge().await.unwrap();
    let joined = visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    assert_eq!(joined["place"]["number"], 1, "who was refused used up no number");
    let mut elsewhere = Visitor::new(&world.edge, &sale);
    elsewhere.shows(visitor.place().unwrap());
    elsewhere.joins().await.unwrap().expect(StatusCode::OK).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn who_asks_for_more_time_is_asked_for_no_work() {
    let world = World::new().await;
    let sale = world.sale(&guarded(24)).await;
    let mut visitor = Visitor::new(&world.edge, &sale).needing_more_time();
    visitor.joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_sale_of_no_bits_asks_for_nothing() {
    let world = World::new().await;
    let sale = world.sale(&jazz(1)).await;
    let challenge = world.get(&format!("/v1/sales/{sale}/queue/challenge")).await.expect(StatusCode::OK).unwrap();
    assert_eq!(challenge["bits"], 0);
    Visitor::new(&world.edge, &sale).joins().await.unwrap().expect(StatusCode::CREATED).unwrap();
    world.stop().await;
}

#[tokio::test]
async fn a_proof_counts_for_its_holder_its_sale_its_time_and_its_work() {
    let world = World::new().await;
    let (sale, other) = (world.sale(&guarded(BITS)).await, world.sale(&guarded(BITS)).await);
    let ((cookie, holder), (stranger, _)) = (browser(1), browser(2));
    let in_an_hour = Timestamp::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let good =
        ChallengeToken { sale: sale.parse().unwrap(), holder, bits: BITS, expires_at: in_an_hour, salt: [7; 16] };
    let text = |challenge: ChallengeToken| world.signer.sign_challenge(&challenge);
    let refused = async |cookie: &str, challenge: &str, nonce: &str, why: &str| {
        let answer = joins(&world, &sale, cookie, challenge, nonce).await;
        assert_eq!(answer.code(), Some("proof_required"), "{why}: {}", answer.body);
        assert!(answer.body["detail"].as_str().unwrap().contains(why), "{why}: {}", answer.body);
    };
    let challenge = text(good);
    let nonce = solve(&challenge, BITS);
    refused(&stranger, &challenge, &nonce, "somebody else").await;
    refused(&cookie, &challenge, "x", "does not solve").await;
    let long = (0_u64..).map(|n| format!("{}{n}", "0".repeat(64)));
    let long = long.take(1 << 16).find(|nonce| leading_zero_bits(&challenge, nonce) >= u32::from(BITS)).unwrap();
    refused(&cookie, &challenge, &long, "does not solve").await;
    let of_another_sale = text(ChallengeToken { sale: other.parse().unwrap(), ..good });
    refused(&cookie, &of_another_sale, &solve(&of_another_sale, BITS), "somebody else").await;
    let expired = text(ChallengeToken { expires_at: Timestamp::UNIX_EPOCH, ..good });
    refused(&cookie, &expired, &solve(&expired, BITS), "expired").await;
    let harder = text(ChallengeToken { bits: 24, ..good });
    refused(&cookie, &harder, &solve(&harder, BITS), "does not solve").await;
    let mut forged = text(ChallengeToken { bits: 0, ..good });
    forged.pop();
    refused(&cookie, &forged, "0", "not one of ours").await;
    assert_eq!(joins(&world, &sale, &cookie, &challenge, &nonce).await.body["place"]["number"], 1);
    world.stop().await;
}

#[tokio::test]
async fn a_rush_makes_the_work_harder_by_the_doubling() {
    let world = World::new().await;
    let config = jazz_with(1, json!({ "join": { "proof_of_work_bits": 1 }, "admission": { "rate_per_s": 1 } }));
    let sale = world.sale(&config).await;
    let bits = async || {
        let challenge = world.get(&format!("/v1/sales/{sale}/queue/challenge")).await;
        challenge.body["bits"].as_u64().unwrap()
    };
    assert_eq!(bits().await, 1);
    eventually("a harder challenge", async || {
        for _ in 0..10 {
            assert_eq!(Visitor::new(&world.edge, &sale).joins().await.unwrap().code(), Some("proof_required"));
        }
        bits().await >= 3
    })
    .await;
    world.stop().await;
}

/// One proof is one place, and places in a draw are worth the same whoever has them: a script that registers ten times as
/// often as everybody else together has paid ten times the work for ten elevenths of the front.
#[tokio::test]
async fn a_script_gets_the_share_of_the_front_that_it_pays_for() {
    const HONEST: usize = 2;
    const SCRIPTED: usize = 10 * HONEST;
    let world = World::new().await;
    let mut config = guarded(6);
    config["name"] = json!("Prequeue");
    let sale = world.prequeue(&config).await;
    let mut visitors = vec![Visitor::new(&world.edge, &sale); HONEST + SCRIPTED];
    for visitor in &mut visitors {
        visitor.solves_challenge().await.unwrap();
        visitor.registers().await.unwrap();
    }
    // One solution for many: each of the others is refused, so the work cannot be shared out.
    let (cookie, holder) = browser(1);
    let expires_at = Timestamp::UNIX_EPOCH + Duration::from_secs(4_000_000_000);
    let challenge = ChallengeToken { sale: sale.parse().unwrap(), holder, bits: 6, expires_at, salt: [1; 16] };
    let challenge = world.signer.sign_challenge(&challenge);
    let nonce = solve(&challenge, 6);
    for name in 2..50 {
        assert_eq!(joins(&world, &sale, &browser(name).0, &challenge, &nonce).await.code(), Some("proof_required"));
    }
    for _ in 0..3 {
        assert_eq!(joins(&world, &sale, &cookie, &challenge, &nonce).await.body["place"]["state"], "prequeue");
    }
    assert_eq!(world.registrations(&sale).await as usize, HONEST + SCRIPTED + 1);

    let (count, seeds, front) = (HONEST + SCRIPTED, 4_000_u32, 4_u32);
    let ranks = (0..seeds).map(|seed| {
        let seed = Seed(Sha256::digest(seed.to_be_bytes()).into());
        order(&draw_key(&seed, &[0; 32], u32::try_from(count).unwrap(), None), u32::try_from(count).unwrap())
    });
    let scripted_in_front =
        ranks.map(|ranks| ranks[HONEST..].iter().filter(|rank| **rank < front).count()).sum::<usize>();
    let share = f64::from(u32::try_from(scripted_in_front).unwrap()) / f64::from(seeds * front);
    let paid = f64::from(u32::try_from(SCRIPTED).unwrap()) / f64::from(u32::try_from(count).unwrap());
    let standard_error = (paid * (1.0 - paid) / f64::from(seeds * front)).sqrt();
    assert!((share - paid).abs() < 4.0 * standard_error, "paid {paid}, got {share}");
    world.stop().await;
}
