//! How many payments a second the fake Stripe makes, beside a server that only answers: it must not be what a test of load waits
//! for.
//!
//! `cargo bench -p sandbox --bench stripe`. The fake runs in a process of its own, with its books, its idempotency keys and its
//! webhook on; buyers and the receiver of the webhook are in this one. A payment is one call that creates and confirms an
//! intent, and the three events it makes; it counts once all three are acknowledged. By turns the same calls go to a bare
//! server in the same process as the fake, which answers each with as many bytes.
//!
//! Bound: processor time of the fake for a payment, which says little about the rest of the machine's load. Payments a second
//! have a target, for a machine that does nothing else; what this process uses for a payment is printed, too, so that what
//! two cores of its own would come to can be told on one that does.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on says so by panicking")]
#![expect(clippy::cast_precision_loss, reason = "counts of a bench")]

#[path = "support/buyers.rs"]
mod buyers;
#[path = "support/served.rs"]
mod served;

use std::time::{Duration, Instant};

use buyers::{Sink, buy};
use sandbox::figures::{Figure, Table, Target};
use sandbox::processor;
use served::Served;

/// Rounds of each, by turns; the first of each warms up and does not count.
const ROUNDS: usize = 4;
/// Payments of a round.
const PAYMENTS: usize = 8_000;
/// Calls of a round to the bare server.
const BARE_CALLS: usize = 20_000;
/// Events of a payment: created, charge succeeded, succeeded.
const EVENTS: usize = 3;
/// Longest wait for the last events of a round.
const DELIVERED_MAX: Duration = Duration::from_secs(60);
/// Processor time of the fake for a payment, at most: what two cores have for each of [`PER_S_MIN`].
const CPU_US_MAX: f64 = 400.0;
/// Payments a second, at least, where nothing else runs.
const PER_S_MIN: f64 = 5_000.0;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match arguments.iter().position(|argument| argument == "serve") {
        Some(at) => runtime.block_on(served::serve(&arguments[at + 1])),
        None => runtime.block_on(measure()),
    }
}

/// One round of one side.
#[derive(Clone, Copy)]
struct Round {
    per_s: f64,
    cpu_us: f64,
    /// Of the buyers and the receiver of the webhook.
    own_us: f64,
}

async fn measure() {
    let sink = Sink::start().await;
    let served = Served::start(&sink.url()).await;
    let (mut paid, mut bare) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        bare.push(timed(&served, BARE_CALLS, buy(&served.bare, BARE_CALLS, &format!("bare{round}"))).await);
        let payments = async {
            buy(&served.fake, PAYMENTS, &format!("pay{round}")).await;
            sink.has(EVENTS * PAYMENTS * (round + 1), DELIVERED_MAX).await;
        };
        paid.push(timed(&served, PAYMENTS, payments).await);
    }
    let (paid, bare) = (median(&paid[1..]), median(&bare[1..]));
    let table =
        Table::new(&format!("payments of the fake Stripe, {EVENTS} events each, beside a server that only answers"));
    let made = Figure::new("payments of the fake Stripe", paid.per_s, "/s").beside("bare answers as long", bare.per_s);
    table.figure(&made.should_be(Target::AtLeast(PER_S_MIN)));
    let processor = Figure::new("the fake's processor for a payment", paid.cpu_us, "us");
    table.figure(&processor.beside("for a bare answer", bare.cpu_us).must_be(Target::AtMost(CPU_US_MAX)));
    table.note("buyers and receiver, for a payment", &format!("{:.1} us", paid.own_us));
    let alone = 2e6 / (paid.cpu_us + paid.own_us);
    table.note("what two cores of its own do, at most", &format!("{alone:.0} /s"));
    served.stop().await;
}

async fn timed(served: &Served, count: usize, work: impl Future<Output = ()>) -> Round {
    let own = || processor::of(std::process::id()).as_secs_f64();
    let (began, fake_s, own_s) = (Instant::now(), served.busy_s(), own());
    work.await;
    let (took, each) = (began.elapsed().as_secs_f64(), 1e6 / count as f64);
    Round { per_s: count as f64 / took, cpu_us: (served.busy_s() - fake_s) * each, own_us: (own() - own_s) * each }
}

fn median(rounds: &[Round]) -> Round {
    let mut sorted = rounds.to_vec();
    sorted.sort_by(|one, other| one.cpu_us.total_cmp(&other.cpu_us));
    sorted[sorted.len() / 2]
}
