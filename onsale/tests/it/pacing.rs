//! What the organizer decides in the middle of a sale, measured on the sockets of two gateways.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Method, StatusCode};
use sandbox::actors::{Incoming, LiveSocket, Visitor};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::line::crowd;
use crate::log::AdmissionLog;
use crate::world::{NO_LIMITS, World};

const PEOPLE: usize = 200;
/// What the contract says.
const EFFECTIVE_WITHIN: Duration = Duration::from_secs(1);
/// On top of it, for the last of many on a busy machine.
const ON_ITS_WAY: Duration = Duration::from_secs(1);
const BOUND: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long a pause is watched.
const PAUSED_FOR: Duration = Duration::from_secs(2);
/// A tick gives no more than the burst, so where ticks are late the rate is not reached: that says nothing about the decision.
const TICKS_LATE: Duration = Duration::from_secs(20);
/// More than a tick may earn at the faster rate, or ticks could not give it.
const BURST: usize = 20;
const SLOW_PER_S: u32 = 20;
const FAST_PER_S: u32 = 60;

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_a_pause_and_a_resumption_act_within_a_second_through_any_gateway() {
    let world = World::start_and_set(&[NO_LIMITS]).await;
    let (_other, other) = world.adds_gateway().await;
    let sale = world.lets_one_in(500).await;
    let mut people = crowd(&world.edge, &sale, PEOPLE / 2).await;
    people.extend(crowd(&other, &sale, PEOPLE / 2).await);
    let heard = Heard::on(&people).await;
    let elsewhere = world.organizer_at(&other);
    let path = |decision: &str| format!("sales/{sale}/{decision}");

    let slow = json!({ "rate_per_s": SLOW_PER_S, "burst": BURST, "max_shoppers": 500 });
    world.paces(&sale, slow).await;
    let opened = heard.first_turn_after(Instant::now()).await;
    heard.waits_for_turns(BURST + 10).await;

    elsewhere.asks(Method::POST, &path("pause"), &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let paused_at = Instant::now();
    let told_pause = heard.everybody_waiting_is_told(&json!({ "by": "organizer", "what": null }), paused_at).await;
    tokio::time::sleep_until(paused_at + PAUSED_FOR).await;
    let last_turn = heard.last_turn().saturating_duration_since(paused_at);
    let resumed_at = Instant::now();
    world.organizer.asks(Method::POST, &path("resume"), &Value::Null).await.unwrap().expect(StatusCode::OK).unwrap();
    let went_on = heard.first_turn_after(resumed_at).await;
    let told_resume = heard.everybody_waiting_is_told(&Value::Null, resumed_at).await;

    elsewhere.paces(&sale, &json!({ "rate_per_s": FAST_PER_S })).await.unwrap().expect(StatusCode::OK).unwrap();
    let faster_at = Instant::now();
    heard.waits_for_turns(PEOPLE).await;
    let (others, took) = heard.turns_since(faster_at);
    eprintln!(
        "effective: a rate after {opened:?}, a pause told after {told_pause:?} (last turn after {last_turn:?}), \
         a resumption after {went_on:?} (told after {told_resume:?}); {others} more at {FAST_PER_S} a second in {took:?}"
    );
    assert!([opened, went_on, last_turn].iter().all(|effective| *effective < EFFECTIVE_WITHIN + ON_ITS_WAY));
    for (half, last) in [told_pause, told_resume] {
        assert!(half < EFFECTIVE_WITHIN && last < EFFECTIVE_WITHIN + ON_ITS_WAY, "{half:?} {last:?}");
    }
    let at_rate = |people: usize| Duration::from_secs_f64(people as f64 / f64::from(FAST_PER_S));
    let (least, most) = (at_rate(others.saturating_sub(BURST)), EFFECTIVE_WITHIN + at_rate(others) + TICKS_LATE);
    assert!(least < took && took < most, "{others} in {took:?}, neither {least:?} nor {most:?}");
    heard.nobody_saw_it_flap();
    AdmissionLog::of(&world, &sale).await.everyone_had_one_turn_in_order(PEOPLE + 1);
    world.holds_every_invariant();
}

/// What is heard on many sockets.
struct Heard {
    people: Arc<Mutex<Vec<Person>>>,
    _listening: JoinSet<()>,
}

/// What one of them heard.
#[derive(Clone, Default)]
struct Person {
    turn: Option<Instant>,
    /// Each pause, and each end of one.
    pauses: Vec<(Instant, Value)>,
}

impl Heard {
    async fn on(people: &[Visitor]) -> Self {
        let heard = Arc::new(Mutex::new(vec![Person::default(); people.len()]));
        let mut listening = JoinSet::new();
        for (index, visitor) in people.iter().enumerate() {
            let mut socket = visitor.watches_within(BOUND).await.unwrap();
            let first = socket.waits_for("position", BOUND).await.unwrap();
            heard.lock().unwrap()[index].hears(&first);
            listening.spawn(listens(socket, index, Arc::clone(&heard)));
        }
        Self { people: heard, _listening: listening }
    }

    fn turns(&self) -> Vec<Instant> {
        let mut turns: Vec<_> = self.people.lock().unwrap().iter().filter_map(|person| person.turn).collect();
        turns.sort_unstable();
        turns
    }

    fn last_turn(&self) -> Instant {
        *self.turns().last().unwrap()
    }

    async fn first_turn_after(&self, since: Instant) -> Duration {
        let first = || self.turns().into_iter().find(|turn| *turn > since);
        waits("a turn", async || first().is_some()).await;
        first().unwrap() - since
    }

    async fn waits_for_turns(&self, count: usize) {
        waits("turns", async || self.turns().len() >= count).await;
    }

    /// When half of those who wait, and when the last of them, was told that.
    async fn everybody_waiting_is_told(&self, pause: &Value, since: Instant) -> (Duration, Duration) {
        let told = || {
            let people = self.people.lock().unwrap();
            let waiting = people.iter().filter(|person| person.turn.is_none_or(|turn| turn > since + EFFECTIVE_WITHIN));
            let when = |person: &Person| person.pauses.last().filter(|(_, told)| told == pause).map(|(at, _)| *at);
            waiting.map(when).collect::<Option<Vec<_>>>()
        };
        waits("everybody to be told", async || told().is_some()).await;
        let mut told: Vec<_> = told().unwrap().into_iter().map(|at| at.saturating_duration_since(since)).collect();
        told.sort_unstable();
        (told[told.len() / 2], *told.last().unwrap())
    }

    /// How many had turns since then, and how long until the last of them.
    fn turns_since(&self, since: Instant) -> (usize, Duration) {
        let turns: Vec<_> = self.turns().into_iter().filter(|turn| *turn > since).collect();
        (turns.len(), *turns.last().unwrap() - since)
    }

    fn nobody_saw_it_flap(&self) {
        for person in self.people.lock().unwrap().iter() {
            let pauses: Vec<_> = person.pauses.iter().map(|(_, pause)| pause["by"].as_str()).collect();
            assert!([None, Some("organizer"), None].starts_with(&pauses), "{pauses:?}");
        }
    }
}

impl Person {
    fn hears(&mut self, frame: &Value) {
        let now = Instant::now();
        if frame["type"] == "admitted" {
            self.turn = Some(now);
        }
        if let Some(pause) = frame["data"].get("pause")
            && self.pauses.last().is_none_or(|(_, told)| told != pause)
        {
            self.pauses.push((now, pause.clone()));
        }
    }
}

async fn listens(mut socket: LiveSocket, index: usize, heard: Arc<Mutex<Vec<Person>>>) {
    while let Ok(Incoming::Frame(frame)) = socket.next().await {
        heard.lock().unwrap()[index].hears(&frame);
    }
}

async fn waits(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < BOUND, "never: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
