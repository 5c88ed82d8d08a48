//! The metrics of the workers: what they are called, what they mean, and the few functions that move them.
//! `docs/metrics.md` has them all in one table.
//!
//! `queue` is `inbox` or a queue of the outbox. `sale` is a label only of live sales: their gauges are set to zero when they end.

use std::time::Duration;

use ::metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use domain::SaleId;
use domain::order::OrderState;
use ledger::draws::Attestation;
use ledger::outbox::Queue;
use ledger::reconciliations::{Ended, Findings};
use ledger::sales::cancelling::MetAs;

use crate::inbox;
use crate::runner::Verdict;

/// Stripe events stored and not applied yet.
pub const INBOX_PENDING: &str = "onsale_inbox_pending";
/// How long the oldest of them waits.
pub const INBOX_OLDEST_AGE: &str = "onsale_inbox_oldest_age_seconds";
/// Outbox jobs to do, by queue.
pub const JOBS_PENDING: &str = "onsale_jobs_pending";
/// How long the oldest of them waits, by queue.
pub const JOBS_OLDEST_AGE: &str = "onsale_jobs_oldest_age_seconds";
/// Work that people must look at, by queue.
pub const DEAD_LETTERS: &str = "onsale_dead_letters";
/// Work that came to an end, by queue and outcome.
pub const JOBS: &str = "onsale_jobs_total";
/// How long work took, by queue.
pub const JOB_DURATION: &str = "onsale_job_duration_seconds";
/// Rounds of a sweep that failed.
pub const SWEEP_FAILURES: &str = "onsale_sweep_failures_total";
/// Rounds of the reconcilers, by how they ended: done or failed.
pub const RECONCILER_RUNS: &str = "onsale_reconciler_runs_total";
/// What they found: all of it, what of it was mended, and what people must look at (alerted).
pub const RECONCILER_FINDINGS: &str = "onsale_reconciler_findings_total";
/// For how long no round of a reconciler has ended well.
pub const RECONCILER_GOOD_AGE: &str = "onsale_reconciler_good_age_seconds";
/// 1 when mail can be sent, 0 when it waits for an SMTP server to be configured.
pub const MAIL_CONFIGURED: &str = "onsale_mail_configured";
/// Tickets issued.
pub const TICKETS_ISSUED: &str = "onsale_tickets_issued_total";
/// Orders that reached a state.
pub const ORDERS: &str = "onsale_orders_total";
/// From *Pay pressed* to *authorised*, by Postgres' clock, to the millisecond: every payment once, when its event is applied.
pub const PAYMENT_LATENCY: &str = "onsale_payment_latency_seconds";
/// Stripe events in another API version than ours, each time one is applied: read, or unreadable and set aside. The webhook's
/// endpoint should have our version.
pub const EVENTS_OF_ANOTHER_VERSION: &str = "onsale_stripe_events_of_another_version_total";
/// Looks for attempts to pay whose answer nobody heard, by what came of them: found, waits, never_made, heard_of, misfit.
pub const PAYMENT_LOOKS: &str = "onsale_payment_looks_total";
/// What 99 of 100 payments stay below, as the time of a hold is made of it. Every worker shows what is kept for all.
pub const PAYMENT_P99: &str = "onsale_payment_p99_seconds";
/// How many authorisations of the sale that is made of.
pub const PAYMENT_AUTHORISATIONS: &str = "onsale_payment_authorisations";
/// The epoch loaded in Redis; 0 while there is none.
pub const REDIS_EPOCH: &str = "onsale_redis_epoch";
/// Draws held, with the beacon or self-attested. Two workers that finish the same draw at once count it both.
pub const DRAWS: &str = "onsale_draws_total";
/// Units in each state, as Postgres says.
pub const UNITS: &str = "onsale_units";
/// Entries of a waitlist, by where they are.
pub const WAITLIST_ENTRIES: &str = "onsale_waitlist_entries";
/// Offers whose time ran out.
pub const OFFERS_LAPSED: &str = "onsale_offers_lapsed_total";
/// Orders met because their sale was called off, by what came of it: ended, refunded, waits, nothing, stuck.
pub const CALLED_OFF_ORDERS: &str = "onsale_called_off_orders_total";
/// Breaches of *a unit belongs to one buyer* and *states add up to the capacity*; must be 0.
pub const OVERSOLD_UNITS: &str = "onsale_oversold_units";
/// Breaches of I3: transfers that do not sum to zero, balances that are kept wrong, guards that are gone; must be 0.
pub const LEDGER_IMBALANCE: &str = "onsale_ledger_imbalance";
/// What the running audit found of each invariant; must be 0. A worker whose turn never came shows 0, too.
pub const INVARIANT_BREACHES: &str = "onsale_invariant_breaches";
/// For how long no worker has found all that is new in order.
pub const AUDIT_GOOD_AGE: &str = "onsale_audit_good_age_seconds";
/// What was sold, in the books: captured, less what went back, is owed back or was lost in disputes.
pub const SALES_AMOUNT: &str = "onsale_sales_amount_minor_units";
/// For how long the oldest transfer waits that is not in the balances kept; reads are exact all the same, only slower.
pub const BALANCES_LAG: &str = "onsale_balances_lag_seconds";
/// How long the oldest transfer that no block has sealed has been there; grows while no worker seals, or a transaction stays
/// open.
pub const SEAL_LAG: &str = "onsale_seal_lag_seconds";

/// Tells the recorder what the metrics mean. Call once, after the recorder is installed.
pub fn describe() {
    describe_gauge!(INBOX_PENDING, "Stripe events stored and not applied yet.");
    describe_gauge!(INBOX_OLDEST_AGE, Unit::Seconds, "Age of the oldest event not applied yet.");
    describe_gauge!(JOBS_PENDING, "Outbox jobs to do, by queue.");
    describe_gauge!(JOBS_OLDEST_AGE, Unit::Seconds, "Age of the oldest job to do, by queue.");
    describe_gauge!(DEAD_LETTERS, "Work that people must look at, by queue.");
    describe_counter!(JOBS, "Work that came to an end, by queue and outcome.");
    describe_histogram!(JOB_DURATION, Unit::Seconds, "How long work took, by queue.");
    describe_counter!(SWEEP_FAILURES, "Rounds of a sweep that failed, by sweep.");
    describe_counter!(RECONCILER_RUNS, "Rounds of reconcilers that ended, by name and result: done or failed.");
    describe_counter!(RECONCILER_FINDINGS, "What reconcilers found, by name and outcome: found, mended or alerted.");
    describe_gauge!(RECONCILER_GOOD_AGE, Unit::Seconds, "Time since the last good round of a reconciler, by name.");
    describe_gauge!(MAIL_CONFIGURED, "1 when an SMTP server is configured, 0 when mail waits for one.");
    describe_counter!(TICKETS_ISSUED, "Tickets issued, by sale.");
    describe_counter!(ORDERS, "Orders that reached a state, by sale and state.");
    describe_histogram!(PAYMENT_LATENCY, Unit::Seconds, "From Pay pressed to authorised.");
    describe_counter!(EVENTS_OF_ANOTHER_VERSION, "Stripe events in another API version than ours, by result.");
    describe_counter!(PAYMENT_LOOKS, "Looks for attempts to pay whose answer nobody heard, by result.");
    describe_gauge!(PAYMENT_P99, Unit::Seconds, "What 99 of 100 payments stay below lately, by sale.");
    describe_gauge!(PAYMENT_AUTHORISATIONS, "Authorisations of the last half hour, by sale.");
    describe_gauge!(REDIS_EPOCH, "Epoch loaded in Redis, by sale; 0 while there is none.");
    describe_counter!(DRAWS, "Draws held, by attestation: beacon or self_attested.");
    describe_gauge!(UNITS, "Units by sale, tier and state, as Postgres says.");
    describe_gauge!(WAITLIST_ENTRIES, "Entries of waitlists, by sale and state.");
    describe_counter!(OFFERS_LAPSED, "Offers of waitlists whose time ran out.");
    describe_counter!(CALLED_OFF_ORDERS, "Orders met because their sale was called off, by outcome.");
    describe_gauge!(OVERSOLD_UNITS, "Units that break the stock invariants; must be 0.");
    describe_gauge!(LEDGER_IMBALANCE, "Breaches of the books: transfers, balances kept, guards; must be 0.");
    describe_gauge!(INVARIANT_BREACHES, "What the running audit found, by invariant; must be 0.");
    describe_gauge!(
        AUDIT_GOOD_AGE,
        Unit::Seconds,
        "Time since the running audit last found nothing wrong, by any worker."
    );
    describe_gauge!(SALES_AMOUNT, "Captured less refunded, in minor units, by sale and currency.");
    describe_gauge!(BALANCES_LAG, Unit::Seconds, "Age of the oldest transfer not added up in the balances kept.");
    describe_gauge!(SEAL_LAG, Unit::Seconds, "Age of the oldest transfer that is not sealed yet.");
}

/// Counters of what has not happened yet are there with a zero: an alert on their rise would not see the first of what it waits for.
pub(crate) fn begin() {
    for queue in [inbox::QUEUE, Queue::Stripe.word(), Queue::Stock.word(), Queue::Mail.word()] {
        for outcome in Verdict::WORDS {
            counter!(JOBS, "queue" => queue, "outcome" => outcome).increment(0);
        }
    }
    for result in ["read", "unreadable"] {
        counter!(EVENTS_OF_ANOTHER_VERSION, "result" => result).increment(0);
    }
    for result in ["found", "waits", "never_made", "heard_of", "misfit"] {
        counter!(PAYMENT_LOOKS, "result" => result).increment(0);
    }
    offers_lapsed(0);
    for met_as in MetAs::ALL {
        called_off_orders(met_as, 0);
    }
    for attestation in ["beacon", "self_attested"] {
        counter!(DRAWS, "attestation" => attestation).increment(0);
    }
}

pub(crate) fn job_ended(queue: &'static str, verdict: &Verdict, took: Duration) {
    counter!(JOBS, "queue" => queue, "outcome" => verdict.word()).increment(1);
    histogram!(JOB_DURATION, "queue" => queue).record(took.as_secs_f64());
}

pub(crate) fn sweep_begins(sweep: &'static str) {
    counter!(SWEEP_FAILURES, "sweep" => sweep).increment(0);
}

pub(crate) fn sweep_failed(sweep: &'static str) {
    counter!(SWEEP_FAILURES, "sweep" => sweep).increment(1);
}

pub(crate) fn reconciler_begins(name: &'static str) {
    for ended in [Ended::Done, Ended::Failed] {
        reconciled(name, ended, &Findings::default(), 0);
    }
}

pub(crate) fn reconciler_ended(name: &'static str, ended: Ended, findings: &Findings) {
    reconciled(name, ended, findings, 1);
}

fn reconciled(name: &'static str, ended: Ended, findings: &Findings, rounds: u64) {
    let result = match ended {
        Ended::Done => "done",
        Ended::Failed => "failed",
    };
    counter!(RECONCILER_RUNS, "name" => name, "result" => result).increment(rounds);
    let Findings { found, mended, alerted, .. } = findings;
    for (outcome, count) in [("found", found), ("mended", mended), ("alerted", alerted)] {
        counter!(RECONCILER_FINDINGS, "name" => name, "outcome" => outcome).increment(*count);
    }
}

pub(crate) fn order_reached(sale: SaleId, state: OrderState) {
    counter!(ORDERS, "sale" => sale.to_string(), "state" => state.word()).increment(1);
}

pub(crate) fn offers_lapsed(count: usize) {
    counter!(OFFERS_LAPSED).increment(u64::try_from(count).expect("a call ends few offers"));
}

pub(crate) fn called_off_order_met(met_as: MetAs) {
    called_off_orders(met_as, 1);
}

fn called_off_orders(met_as: MetAs, count: u64) {
    counter!(CALLED_OFF_ORDERS, "outcome" => met_as.word()).increment(count);
}

pub(crate) fn tickets_issued(sale: SaleId, count: usize) {
    let count = u64::try_from(count).expect("an order has few tickets");
    counter!(TICKETS_ISSUED, "sale" => sale.to_string()).increment(count);
}

pub(crate) fn authorised_after(took: Duration) {
    histogram!(PAYMENT_LATENCY).record(took.as_secs_f64());
}

pub(crate) fn event_of_another_version(result: &'static str) {
    counter!(EVENTS_OF_ANOTHER_VERSION, "result" => result).increment(1);
}

pub(crate) fn attempt_looked_for(result: &'static str) {
    counter!(PAYMENT_LOOKS, "result" => result).increment(1);
}

pub(crate) fn draw_held(attestation: &Attestation) {
    let attestation = match attestation {
        Attestation::Beacon { .. } => "beacon",
        Attestation::SelfAttested { .. } => "self_attested",
    };
    counter!(DRAWS, "attestation" => attestation).increment(1);
}

/// Sets a gauge to a count.
pub(crate) fn set(gauge: &::metrics::Gauge, count: u64) {
    gauge.set(number(count));
}

/// A count as gauges have it.
#[expect(clippy::cast_precision_loss, reason = "a gauge is an f64, and counts stay far below 2^53")]
pub(crate) const fn number(count: u64) -> f64 {
    count as f64
}

pub(crate) fn queue_gauge(name: &'static str, queue: &'static str) -> ::metrics::Gauge {
    gauge!(name, "queue" => queue)
}
