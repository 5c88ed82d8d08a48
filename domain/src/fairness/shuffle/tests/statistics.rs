//! Whether the shuffle favours anybody, told from many seeds.
//!
//! The question is where *one* registrant ends over many seeds. Counting who ends where in one shuffle tells nothing: any
//! bijection, however crooked, fills every decile equally. Each test runs the same check on shuffles with the classic
//! mistakes, which it must find.
//!
//! Seeds are 0, 1, 2, …, so a run gives the same figures every time.

use super::*;

/// Registrations × seed → ranks.
type Shuffle = fn(u32, u64) -> Vec<u32>;

/// How many seeds are tried: the real number takes half a minute.
fn seeds() -> u64 {
    if is_soak() { 100_000 } else { 3_000 }
}

/// Whether this is the long run.
fn is_soak() -> bool {
    std::env::var_os("ONSALE_SOAK").is_some_and(|value| value == "1")
}

fn ours(count: u32, seed: u64) -> Vec<u32> {
    order(&key(seed), count)
}

/// Every index changes places with any other: the mistake in most home-made shuffles.
fn naive_swaps(count: u32, seed: u64) -> Vec<u32> {
    let (mut ranks, mut draws) = ((0..count).collect::<Vec<_>>(), Draws::new(&key(seed)));
    for index in 0..count {
        ranks.swap(index as usize, draws.below(count) as usize);
    }
    ranks
}

/// Draws that are the rest of a word: 32 bits hide the mistake, a word with one bit to spare shows it.
fn modulo_draws(count: u32, seed: u64) -> Vec<u32> {
    let (mut ranks, mut draws) = ((0..count).collect::<Vec<_>>(), Draws::new(&key(seed)));
    let small = 2 * count.next_power_of_two();
    for index in 0..count {
        let other = index + draws.word() % small % (count - index);
        ranks.swap(index as usize, other as usize);
    }
    ranks
}

const CROOKED: [(&str, Shuffle); 2] = [("naive swaps", naive_swaps), ("modulo draws", modulo_draws)];

/// How far counts are from being all equal, as a standard normal deviate (Wilson and Hilferty's cube root of chi-squared).
fn deviate(counts: &[u64]) -> f64 {
    let total: u64 = counts.iter().sum();
    let expected = total as f64 / counts.len() as f64;
    assert!(expected >= 5.0, "{total} in {} bins are too few to judge", counts.len());
    let chi_squared: f64 = counts.iter().map(|count| (*count as f64 - expected).powi(2) / expected).sum();
    let freedom = counts.len() as f64 - 1.0;
    let spread = 2.0 / (9.0 * freedom);
    ((chi_squared / freedom).cbrt() - (1.0 - spread)) / spread.sqrt()
}

/// Chance exceeds it once in a thousand times.
const P_0_001: f64 = 3.09;

/// How the ranks of one registrant spread over bins, which must divide the count: bins of unlike width look like a bias.
fn spread(ranks: impl Iterator<Item = u32>, count: u32, bins: u32) -> Vec<u64> {
    let mut counts = vec![0; bins as usize];
    for rank in ranks {
        counts[(rank / (count / bins)) as usize] += 1;
    }
    counts
}

/// The worst deviate over the first, the second and the last registrant.
fn worst_position(shuffle: Shuffle, count: u32) -> f64 {
    let mut ranks = [const { Vec::new() }; 3];
    for seed in 0..seeds() {
        let order = shuffle(count, seed);
        for (ranks, index) in ranks.iter_mut().zip([0, 1, count - 1]) {
            ranks.push(order[index as usize]);
        }
    }
    let bins = if seeds() / u64::from(count) >= 20 { count } else { count / 10 };
    let worst = ranks.into_iter().map(|ranks| deviate(&spread(ranks.into_iter(), count, bins)));
    worst.fold(f64::MIN, f64::max)
}

#[test]
fn every_rank_is_equally_likely_for_every_registrant() {
    let (mut worst, mut found) = ((0, f64::MIN), [0; CROOKED.len()]);
    for count in (2..=33).chain([100, 1_000]) {
        let deviate = worst_position(ours, count);
        assert!(deviate < P_0_001, "{count} registrants: {deviate:.2}");
        worst = if deviate > worst.1 { (count, deviate) } else { worst };
        for (found, (_, crooked)) in found.iter_mut().zip(CROOKED) {
            *found += u32::from(count <= 33 && worst_position(crooked, count) >= P_0_001);
        }
    }
    eprintln!("{} seeds: the worst deviate is {:.2}, of {} registrants", seeds(), worst.1, worst.0);
    for (found, (name, _)) in found.into_iter().zip(CROOKED) {
        eprintln!("{name}: found at {found} of 32 sizes");
        assert!(found >= 10, "{name} was found at {found} sizes only: the test sees nothing");
    }
}

#[test]
fn every_rank_is_equally_likely_among_a_million() {
    const COUNT: u32 = 1_000_000;
    let firsts: Vec<Vec<u32>> = (0..seeds()).map(|seed| first_ranks(&key(seed), COUNT, 2)).collect();
    for index in [0, 1] {
        let counts = spread(firsts.iter().map(|ranks| ranks[index]), COUNT, 100);
        assert!(deviate(&counts) < P_0_001, "registrant {index}: {counts:?}");
    }
    // The last one's rank takes all the draws.
    let whole: u32 = if is_soak() { 400 } else { 20 };
    let lasts = (0..whole).map(|seed| ours(COUNT, u64::from(seed))[COUNT as usize - 1]);
    let counts = spread(lasts, COUNT, whole / 10);
    assert!(deviate(&counts) < P_0_001, "the last registrant: {counts:?}");
}

/// How far "the first of the two comes first" is from one half, in standard errors.
fn pair_order(shuffle: Shuffle, count: u32, (one, other): (u32, u32)) -> f64 {
    let before = (0..seeds()).filter(|seed| {
        let ranks = shuffle(count, *seed);
        ranks[one as usize] < ranks[other as usize]
    });
    let (before, all) = (before.count() as f64, seeds() as f64);
    (before - all / 2.0).abs() / (all.sqrt() / 2.0)
}

#[test]
fn of_two_registrants_either_comes_first() {
    for count in [2, 3, 5, 8, 13, 33, 100, 1_000] {
        for pair in [(0, 1), (0, count - 1), (count - 2, count - 1)] {
            let errors = pair_order(ours, count, pair);
            assert!(errors < 4.0, "{pair:?} of {count}: {errors:.1} standard errors");
        }
    }
    for (name, crooked) in CROOKED {
        let worst = (3..=33).map(|count| pair_order(crooked, count, (0, count - 1))).fold(0.0, f64::max);
        assert!(worst >= 4.0, "{name}: {worst:.1} standard errors");
    }
}

#[test]
fn every_ordering_of_a_few_is_equally_likely() {
    let orderings = |shuffle: Shuffle, count: u32| {
        let mut counts: HashMap<Vec<u32>, u64> = HashMap::new();
        (0..seeds()).for_each(|seed| *counts.entry(shuffle(count, seed)).or_default() += 1);
        let possible = (1..=count as usize).product();
        let mut counts: Vec<u64> = counts.into_values().collect();
        counts.resize(possible, 0);
        deviate(&counts)
    };
    for count in 2..=5 {
        let deviate = orderings(ours, count);
        assert!(deviate < P_0_001, "{count} registrants: {deviate:.2}");
    }
    for (name, crooked) in CROOKED {
        assert!(orderings(crooked, 3) >= P_0_001, "{name} was not found");
    }
}

/// Pearson's correlation of two sequences 0..n in some order.
fn correlation(ranks: &[u32]) -> f64 {
    let mean = (ranks.len() as f64 - 1.0) / 2.0;
    let products: f64 = (0_u32..).zip(ranks).map(|(i, rank)| (f64::from(i) - mean) * (f64::from(*rank) - mean)).sum();
    let variance = mean * (mean + 1.0) / 3.0;
    products / (variance * ranks.len() as f64)
}

#[test]
fn who_registers_earlier_is_not_earlier_in_line() {
    const COUNT: u32 = 100_000;
    // The correlation of an order by chance has a standard deviation of 1/√n.
    let bound = 4.0 / f64::from(COUNT).sqrt();
    for seed in 0..if is_soak() { 1_000 } else { 5 } {
        let correlation = correlation(&ours(COUNT, seed));
        assert!(correlation.abs() < bound, "seed {seed}: {correlation}");
    }
    // Shuffled within each fiftieth only: every decile of every fiftieth is full, and whoever came early is early.
    let mut early = ours(COUNT, 0);
    early.iter_mut().zip(0..).for_each(|(rank, index)| *rank = index / 2_000 * 2_000 + *rank % 2_000);
    assert!(correlation(&early) > 0.99, "{}", correlation(&early));
    assert!((correlation(&(0..COUNT).collect::<Vec<_>>()) - 1.0).abs() < 1e-9);
}
