//! How long the fake Stripe takes for a call.

use std::time::Duration;

use crate::random::Random;

/// A distribution of answer times. Stripe publishes none; the log-normal shape is an assumption with a long tail.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Latency {
    /// As fast as it can.
    #[default]
    None,
    /// Always the same.
    Fixed(Duration),
    /// Anything between the two, equally likely.
    Uniform {
        /// Shortest.
        min: Duration,
        /// Longest.
        max: Duration,
    },
    /// `median × e^(sigma × normal)`, at most [`Latency::MAX`].
    LogNormal {
        /// Half the calls are quicker.
        median: Duration,
        /// Width: 0.5 puts the 99th percentile at 3.2 medians, 1.0 at 10.
        sigma: f64,
    },
}

impl Latency {
    /// No call takes longer than this.
    pub const MAX: Duration = Duration::from_secs(80);

    /// One draw.
    pub(super) fn draw(self, random: &mut Random) -> Duration {
        let drawn = match self {
            Latency::None => Duration::ZERO,
            Latency::Fixed(time) => time,
            Latency::Uniform { min, max } => min + max.saturating_sub(min).mul_f64(random.fraction()),
            Latency::LogNormal { median, sigma } => {
                let seconds = median.as_secs_f64() * (sigma * random.normal()).exp();
                Duration::try_from_secs_f64(seconds).unwrap_or(Latency::MAX)
            }
        };
        drawn.min(Latency::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Latency;
    use crate::random::Random;

    fn draws(latency: Latency, seed: u64) -> Vec<Duration> {
        let mut random = Random::new(seed);
        let mut draws: Vec<Duration> = (0..10_001).map(|_| latency.draw(&mut random)).collect();
        draws.sort_unstable();
        draws
    }

    #[test]
    fn the_log_normal_has_the_median_and_the_tail_it_says() {
        let draws = draws(Latency::LogNormal { median: Duration::from_millis(1_500), sigma: 0.5 }, 7);
        let (median, p99) = (draws[5_000].as_secs_f64(), draws[9_900].as_secs_f64());
        assert!((1.45..1.55).contains(&median), "{median}");
        assert!((4.4..5.2).contains(&p99), "{p99}");
    }

    #[test]
    fn the_uniform_stays_between_its_bounds() {
        let (min, max) = (Duration::from_millis(10), Duration::from_millis(30));
        let draws = draws(Latency::Uniform { min, max }, 7);
        assert!(draws[0] >= min && draws[10_000] <= max);
        assert!(draws[100] < Duration::from_millis(11) && draws[9_900] > Duration::from_millis(29));
    }

    #[test]
    fn the_same_seed_gives_the_same_draws_and_an_absurd_one_is_cut() {
        let latency = Latency::LogNormal { median: Duration::from_secs(1), sigma: 1.0 };
        assert_eq!(draws(latency, 1), draws(latency, 1));
        assert_ne!(draws(latency, 1), draws(latency, 2));
        let absurd = Latency::LogNormal { median: Duration::MAX, sigma: 9.0 };
        assert_eq!(draws(absurd, 1)[10_000], Latency::MAX);
    }
}
