//! A script that asks ten times as often as everybody else together, where joining costs work: it gets what it paid for.

use std::time::{Duration, Instant};

use domain::proof_of_work::leading_zero_bits;
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{Method, StatusCode};
use sandbox::actors::{Answer, Edge, Visitor};
use serde_json::{Value, json};

use crate::scale::{scaled, soak};
use crate::shopper::text;
use crate::world::{NO_LIMITS, STRIPE_TAKES_ALL, World, sale};

const BOUND: Duration = Duration::from_secs(60);
/// How often the script shows each of its proofs, every time in another name.
const SHOWS: usize = 10;
/// Whoever is drawn in this part is in front.
const FRONT: usize = 4;
/// Requests under way at once.
const ASKING_MAX: usize = 32;
/// Chance exceeds it less than once in a million draws.
const STANDARD_ERRORS_MAX: f64 = 5.0;
const OPENS_IN: Duration = Duration::from_secs(2);

/// Who joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Honest,
    Script,
}

/// Work done for one place.
struct Proof {
    cookie: String,
    challenge: String,
    nonce: String,
    bits: u32,
    hashes: u64,
}

/// What one side asked for, paid and got.
#[derive(Debug, Default)]
struct Account {
    asked: usize,
    refused: usize,
    work: u64,
    hashes: u64,
    places: Vec<Visitor>,
}

/// Everybody solves one challenge; the script then shows each of its own ten times, once for itself and nine times for
/// browsers that did nothing. It asks for ten times as many places as the others, and has as many.
#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_asks_ten_times_as_often_has_the_share_of_the_front_that_it_paid_for() {
    let honest = scaled(120, 1_000);
    let world = World::start_and_set(&[NO_LIMITS, STRIPE_TAKES_ALL]).await;
    let mut wish = sale(500);
    wish["join"] = json!({ "proof_of_work_bits": if soak() { 14 } else { 8 } });
    wish["admission"] = json!({ "rate_per_s": 100_000, "burst": 1, "max_shoppers": 1 });
    let prequeue = world.registers_for(&wish).await;

    let began = Instant::now();
    // They come mixed, so that the same is asked of both.
    let people = (0..honest).flat_map(|_| [Who::Honest, Who::Script]);
    let joining = people.map(async |who| (who, registers(&world.edge, &prequeue.sale, who).await));
    let joined: Vec<_> = stream::iter(joining).buffer_unordered(ASKING_MAX).collect().await;
    let [by_honest, by_script] = [Who::Honest, Who::Script].map(|side| {
        let accounts = joined.iter().filter(|(who, _)| *who == side).map(|(_, account)| account);
        accounts.fold(Account::default(), |all, one| all.with(one))
    });
    let took = began.elapsed();
    assert_eq!((by_honest.places.len(), by_honest.refused), (honest, 0), "an honest visitor was refused");
    assert_eq!((by_script.asked, by_script.refused), (SHOWS * honest, (SHOWS - 1) * honest), "a proof counted twice");
    let registrations = world.counts("SELECT count(*) FROM registrations").await;
    assert_eq!(registrations, 2 * i64::try_from(honest).unwrap());

    world.opens_in(&prequeue, OPENS_IN).await;
    let ours = numbers(&by_honest.places).await;
    let front = 2 * honest / FRONT;
    let in_front = front - ours.iter().filter(|number| **number <= front as u64).count();
    let share = in_front as f64 / front as f64;
    let paid = by_script.work as f64 / (by_script.work + by_honest.work) as f64;
    let standard_error = (paid * (1.0 - paid) / front as f64).sqrt();
    eprintln!(
        "{honest} honest, a script asking {} times: {} refused; hashes {} and {}, asked work {} and {} in {took:?}; \
         the script paid {paid:.3} and has {share:.3} of the front {front}",
        by_script.asked, by_script.refused, by_honest.hashes, by_script.hashes, by_honest.work, by_script.work
    );
    assert!(share <= paid + STANDARD_ERRORS_MAX * standard_error, "paid {paid}, has {share}");
    world.holds_every_invariant();
}

impl Account {
    fn with(mut self, other: &Self) -> Self {
        self.asked += other.asked;
        self.refused += other.refused;
        self.work += other.work;
        self.hashes += other.hashes;
        self.places.extend_from_slice(&other.places);
        self
    }
}

async fn registers(edge: &Edge, sale: &str, who: Who) -> Account {
    let proof = solves(edge, sale).await;
    let joined = shows(edge, sale, &proof.cookie, &proof).await.expect(StatusCode::CREATED).unwrap();
    let mut visitor = Visitor::new(edge, sale);
    visitor.shows(&text(&joined["place"], "token"));
    let mut account =
        Account { asked: 1, refused: 0, work: 1 << proof.bits, hashes: proof.hashes, places: vec![visitor] };
    let again = if who == Who::Script { SHOWS - 1 } else { 0 };
    for _ in 0..again {
        let (cookie, _) = challenge(edge, sale).await;
        let refused = shows(edge, sale, &cookie, &proof).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::FORBIDDEN, Some("proof_required")), "{refused:?}");
        account.asked += 1;
        account.refused += 1;
    }
    account
}

async fn solves(edge: &Edge, sale: &str) -> Proof {
    let (cookie, body) = challenge(edge, sale).await;
    let (challenge, bits) = (text(&body, "challenge"), u32::try_from(body["bits"].as_u64().unwrap()).unwrap());
    let challenged = challenge.clone();
    let solving = move || (0_u64..).find(|nonce| leading_zero_bits(&challenged, &nonce.to_string()) >= bits).unwrap();
    let nonce = tokio::task::spawn_blocking(solving).await.unwrap();
    Proof { cookie, challenge, nonce: nonce.to_string(), bits, hashes: nonce + 1 }
}

/// A new browser's cookie, and the challenge made for it.
async fn challenge(edge: &Edge, sale: &str) -> (String, Value) {
    let given = edge.ask(Method::GET, &format!("/v1/sales/{sale}/queue/challenge"), &[], &Value::Null).await.unwrap();
    let cookie = given.header("set-cookie").and_then(|cookie| cookie.split(';').next()).unwrap().to_owned();
    (cookie, given.expect(StatusCode::OK).unwrap())
}

async fn shows(edge: &Edge, sale: &str, cookie: &str, proof: &Proof) -> Answer {
    let body = json!({ "proof": { "challenge": proof.challenge, "nonce": proof.nonce } });
    edge.ask(Method::POST, &format!("/v1/sales/{sale}/queue"), &[("cookie", cookie)], &body).await.unwrap()
}

async fn numbers(visitors: &[Visitor]) -> Vec<u64> {
    let asking = visitors.iter().map(async |visitor| visitor.waits_for_number(BOUND).await.unwrap());
    stream::iter(asking).buffer_unordered(ASKING_MAX).collect().await
}
