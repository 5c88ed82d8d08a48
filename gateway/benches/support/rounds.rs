//! What is asked in rounds, of the gateway and of what it is compared with by turns, and what each answer takes.

use sandbox::figures::{Table, median};
use sandbox::processor;

use crate::server::Server;

/// What one round brought.
pub(crate) struct Round {
    pub(crate) answers: f64,
    per_s: f64,
    /// Processor time for each answer: of the server, and of this process.
    server_s: f64,
    client_s: f64,
}

impl Round {
    /// A round of `asks`, which says how many answers it had, and how many a second.
    pub(crate) async fn of(server: &Server, asks: impl Future<Output = (f64, f64)>) -> Self {
        let client_busy_s = || processor::of(std::process::id()).as_secs_f64();
        let (server_before_s, client_before_s) = (server.busy_s(), client_busy_s());
        let (answers, per_s) = asks.await;
        let each = |after_s: f64, before_s: f64| (after_s - before_s) / answers;
        let (server_s, client_s) = (each(server.busy_s(), server_before_s), each(client_busy_s(), client_before_s));
        Self { answers, per_s, server_s, client_s }
    }
}

/// What the rounds brought that count.
#[derive(Default)]
pub(crate) struct Rounds(Vec<Round>);

impl Rounds {
    pub(crate) fn add(&mut self, round: Round) {
        self.0.push(round);
    }

    /// Answers a second, in the median.
    pub(crate) fn per_s(&self) -> f64 {
        self.median(|round| round.per_s)
    }

    /// How many answers a second there are for each of the other's, in the median of rounds that were next to each other.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        let mut ratios: Vec<_> = self.0.iter().zip(&other.0).map(|(ours, theirs)| ours.per_s / theirs.per_s).collect();
        median(&mut ratios)
    }

    /// Microseconds of the server's processor for each answer, in the median.
    pub(crate) fn server_us(&self) -> f64 {
        self.median(|round| round.server_s) * 1e6
    }

    /// Says the medians.
    pub(crate) fn tell(&self, what: &str, table: &Table) {
        table.note(&format!("{what}: in a second"), &format!("{:.0}", self.per_s()));
        table.note(&format!("{what}: server time"), &format!("{:.1} µs", self.server_us()));
        table.note(
            &format!("{what}: time of the client"),
            &format!("{:.1} µs", self.median(|round| round.client_s) * 1e6),
        );
    }

    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(&mut self.0.iter().map(of).collect::<Vec<_>>())
    }
}
