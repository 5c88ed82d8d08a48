//! The line against an oracle: the same random steps on Redis and on a few maps in memory must come to the same.
//!
//! Steps: joins in batches (new, again, with a proof, with more time, while a draw is out), signs of life, ticks of three
//! gateways with any pace and pulse, whose answers are confirmed, half confirmed, lost, or confirmed much later, first holds
//! and their ends, sessions ended, places left, bypasses, pauses of any version, incidents, draws, gaps, half an hour of
//! waiting, and epochs with and without the loss of Redis, from a Postgres that knows what was recorded. After each step the
//! whole view is compared, deadlines to the millisecond, and that joined = in line + inside + left + expired.
//!
//! The clock is the sandbox's, so a seed is a run. At the end of each, the windows of I8 are checked on what turns cost.

use std::sync::Arc;
use std::time::Instant;

use sandbox::{Persistence, Redis, RedisOptions};

use crate::onsale::Onsale;
use crate::soak;

mod books;
mod oracle;
mod pacer;
mod run;

use run::{Run, Seen};

/// The seed of the first episode; each further one has the next.
const SEED: u64 = 20_261_121;
const STEPS: u64 = 20_000;
const STEPS_IN_SOAK: u64 = 1_000_000;
const STEPS_IN_EPISODE: u64 = 400;
/// Episodes run at once; Redis has one thread.
const AT_ONCE: u64 = 3;

#[tokio::test(flavor = "multi_thread")]
async fn the_line_does_what_the_oracle_does() {
    let begun = Instant::now();
    let redis = &*Box::leak(Box::new(Redis::start(RedisOptions { persistence: Persistence::None }).await.unwrap()));
    let steps = if soak::is_on() { STEPS_IN_SOAK } else { STEPS };
    let mut runners = tokio::task::JoinSet::new();
    for runner in 0..AT_ONCE {
        let sale = Arc::new(Onsale::on(redis, &redis.url()).await);
        runners.spawn(episodes(sale, runner, steps.div_ceil(STEPS_IN_EPISODE)));
    }
    let mut seen = Seen::default();
    for runner in runners.join_all().await {
        seen.add(&runner);
    }
    let Seen { steps: of_each_kind, sights } = &seen;
    eprintln!("{} steps from seed {SEED} in {:.0?}, no divergence", seen.steps(), begun.elapsed());
    eprintln!("steps of each kind: {of_each_kind:?}\nand what they came to: {sights:?}");
    assert!(seen.is_enough_of(steps), "{steps} steps from seed {SEED}: {seen:?}: too few to mean anything");
}

async fn episodes(on: Arc<Onsale>, first: u64, episodes: u64) -> Seen {
    let mut seen = Seen::default();
    for episode in (first..episodes).step_by(usize::try_from(AT_ONCE).unwrap()) {
        let seed = SEED + episode;
        let mut run = Run::start(on.another(), seed).await;
        for step in 0..STEPS_IN_EPISODE {
            run.step(&format!("seed {seed}, step {step}")).await;
        }
        seen.add(&run.ends(seed).await);
    }
    seen
}

/// The control: an oracle that serves the line from its end is told apart soon.
#[tokio::test(flavor = "multi_thread")]
async fn an_oracle_that_is_wrong_is_noticed() {
    let redis = &*Box::leak(Box::new(Redis::start(RedisOptions { persistence: Persistence::None }).await.unwrap()));
    let mut run = Run::start_wrong(Onsale::on(redis, &redis.url()).await, SEED).await;
    let mut episode = tokio::task::JoinSet::new();
    episode.spawn(async move {
        for step in 0..STEPS_IN_EPISODE {
            run.step(&format!("control, step {step}")).await;
        }
    });
    let ended = episode.join_next().await.unwrap();
    assert!(ended.is_err_and(|end| end.is_panic()), "nothing was noticed");
}
