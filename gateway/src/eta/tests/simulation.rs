//! The estimator against simulated lines, seed by seed.
//!
//! A line waits from the beginning; a server of some kind lets it in, tick by tick. Each visitor looks three times: at
//! 25, 50 and 75 % of the own wait. *Held* is the share of ranges shown that held the true rest of the wait; *width* is the
//! range's width over that true rest, in the median over looks, with the share of looks at which it was within the bound,
//! and the widest.
//!
//! The bounds hold over all looks of each service, and at each point by itself where what comes can be known or differs by
//! less than the range allows for. Where a rate changes by more (to 0.6, to 1.5), a look before the change cannot know of
//! it, and no range of half the wait has room for both: at 25 % of the wait, the slower 1.36 times of the estimate would
//! have to be in it, at 50 % the faster 0.78 times, which are 0.59 apart.
//!
//! The negative control is the same range around the configured rate: with it the same bounds do not hold where the rate
//! changes.

use line::Service;
use score::Score;

mod line;
mod score;

const TICK_S: f64 = 0.2;
const SEEDS: u64 = 8;
const SOAK_SEEDS: u64 = 100;

/// Where the bounds hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// At each point.
    EachPoint,
    /// Over all looks.
    Together,
}

const SERVICES: [(&str, Service, Claim); 9] = [
    ("steady", Service::Steady, Claim::EachPoint),
    ("random", Service::Random, Claim::EachPoint),
    ("step to 0.75", Service::Step(0.75), Claim::EachPoint),
    ("step to 1.33", Service::Step(1.33), Claim::EachPoint),
    ("step to 0.6", Service::Step(0.6), Claim::Together),
    ("step to 1.5", Service::Step(1.5), Claim::Together),
    ("10 s go, 10 s stop", Service::StopGo { go_s: 10.0, stop_s: 10.0 }, Claim::EachPoint),
    ("payments, alike", Service::Payments { inside: 200, mean_s: 90.0, spread: 0.3 }, Claim::EachPoint),
    ("payments, unlike", Service::Payments { inside: 200, mean_s: 90.0, spread: 0.6 }, Claim::Together),
];

#[test]
fn the_range_holds_the_truth_and_is_of_use() {
    let mut table = heading();
    let mut good = true;
    for (name, service, claim) in SERVICES {
        let score = Score::of(service, |_, estimator, ahead| estimator.forecast().eta(ahead));
        good &= score.is_good(claim);
        table += &score.rows(name);
    }
    assert!(good, "{table}");
    eprintln!("{table}");
}

#[test]
fn a_rate_that_is_assumed_does_not_hold_where_service_changes() {
    let mut table = heading();
    for (name, service, claim) in SERVICES {
        let score = Score::of(service, |line, _, ahead| super::range(&super::Outlook::of_rate(line.rate_per_s), ahead));
        let changes = !matches!(service, Service::Steady | Service::Random);
        table += &score.rows(name);
        assert_eq!(score.is_good(claim), !changes, "{table}");
    }
    eprintln!("around the configured rate:{table}");
}

fn heading() -> String {
    format!(
        "\n{:20} {:>6} {:>9} {:>9} {:>8} {:>11} {:>8}\n",
        "service", "at", "held", "shown", "width", "within half", "widest"
    )
}

fn seeds() -> u64 {
    if std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1") { SOAK_SEEDS } else { SEEDS }
}

fn count_s(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap())
}
