//! The sale itself: whether it will open, has what it promises, lets people in at a pace that works out.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::price::unit_price;
use domain::sale::{SaleConfig, StoredState};
use domain::{Money, TierId};
use gateway::SHOPPER_S;
use jiff::Timestamp;
use ledger::sales::{SaleRow, TierCounts, sale_stock};
use ledger::{Ledger, LedgerError};
use workers::beacon_round;

use super::report::{Check, unanswered};
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 8] = [
    "sale.state",
    "sale.opening",
    "sale.stock",
    "sale.allocations",
    "sale.pace",
    "sale.hold",
    "sale.draw",
    "sale.prices",
];

/// A price below this many hundredths may be one in whole units that somebody forgot to multiply.
const CHEAP_MINOR: i64 = 200;
/// A tier that costs so many times another may have a digit too many.
const APART: i64 = 50;

pub(super) async fn look(wish: &Wish<'_>, ledger: &Ledger) -> Looked {
    let sale = match wish.found {
        Ok(sale) => sale,
        Err(error) => return Looked::of(unanswered(&NAMES, error, "see that Postgres runs, and DATABASE_URL")),
    };
    let now = wish.clock.now();
    let (stock, draw) = tokio::join!(sale_stock(ledger, sale.id), draw(wish, sale, now));
    Looked::of(vec![
        state(sale),
        opening(sale, now),
        stock_check(sale, &stock),
        allocations(sale, &stock),
        pace(&sale.config),
        hold(sale),
        draw,
        prices(&sale.config, now),
    ])
}

fn state(sale: &SaleRow) -> Check {
    const NAME: &str = "sale.state";
    let faults: Vec<String> =
        sale.config.faults().into_iter().map(|fault| format!("{} {}", fault.pointer, fault.detail)).collect();
    let seen = format!("{} ({}) is {}", sale.config.name, sale.slug, sale.state.word());
    if !faults.is_empty() {
        return Check::fail(NAME, format!("{seen}; {}", faults.join("; ")), "no faults", "mend its configuration");
    }
    match sale.state {
        StoredState::Published => Check::ok(NAME, seen),
        StoredState::Draft => Check::fail(NAME, seen, "published", "publish it"),
        StoredState::Paused => Check::fail(NAME, seen, "published", "resume it"),
        StoredState::Closed | StoredState::Cancelled => Check::fail(NAME, seen, "published", "this one is over"),
    }
}

fn opening(sale: &SaleRow, now: Timestamp) -> Check {
    const NAME: &str = "sale.opening";
    let phases = sale.config.phases();
    let opens_at = phases[0].opens_at;
    let ends = phases.last().and_then(|last| last.closes_at);
    let starts = sale.config.performance().map(|performance| performance.starts_at);
    if ends.is_some_and(|at| at <= now) || starts.is_some_and(|at| at <= now) {
        let seen = format!("opens {opens_at}, and is over by its own dates");
        return Check::fail(NAME, seen, "dates to come", "mend its dates");
    }
    if starts.is_some_and(|at| at <= opens_at) {
        let seen = format!("opens {opens_at}, after its performance begins");
        return Check::fail(NAME, seen, "an opening before the performance", "mend its dates");
    }
    if opens_at <= now {
        return Check::warn(
            NAME,
            format!("open since {opens_at}"),
            "an opening to come",
            "nothing, if it is meant to be",
        );
    }
    let minutes = opens_at.duration_since(now).as_mins();
    let prequeue = phases[0].prequeue_opens_at;
    let before =
        if prequeue < opens_at { format!(", its prequeue {prequeue}") } else { ", without a prequeue".to_owned() };
    Check::ok(NAME, format!("opens {opens_at}, in {minutes} min{before}"))
}

type Stock = Result<BTreeMap<TierId, TierCounts>, LedgerError>;

fn stock_check(sale: &SaleRow, stock: &Stock) -> Check {
    const NAME: &str = "sale.stock";
    let Ok(stock) = stock else {
        return Check::fail(NAME, "Postgres did not tell", "an answer", "see postgres.role");
    };
    let mut bad = Vec::new();
    let mut told = Vec::new();
    for tier in &sale.config.tiers {
        let counts = stock.get(&tier.id).copied().unwrap_or_default();
        let TierCounts { capacity, free, withheld, .. } = counts;
        told.push(format!("{}: {free} of {capacity} free, {withheld} withheld", tier.id));
        if sale.state != StoredState::Draft && capacity != tier.capacity() {
            bad.push(format!("{} should have {}", tier.id, tier.capacity()));
        }
        if free == 0 {
            bad.push(format!("{} has nothing to sell", tier.id));
        }
    }
    let seen = told.join("; ");
    let wanted = "units of every tier that may be sold";
    match (sale.state, bad.is_empty()) {
        (StoredState::Draft, _) => Check::open(NAME, "a draft has no units yet", wanted, "publish it"),
        (_, true) => Check::ok(NAME, seen),
        (_, false) => {
            Check::fail(NAME, format!("{seen} · {}", bad.join("; ")), wanted, "raise the capacity, or release units")
        }
    }
}

/// What phases promise against what is not kept back.
fn allocations(sale: &SaleRow, stock: &Stock) -> Check {
    const NAME: &str = "sale.allocations";
    let mut promised: BTreeMap<&TierId, u32> = BTreeMap::new();
    for phase in &sale.config.phases {
        for (tier, units) in &phase.allocation {
            let sum = promised.entry(tier).or_default();
            *sum = sum.saturating_add(*units);
        }
    }
    let (mut told, mut over) = (Vec::new(), false);
    for (id, promised) in promised {
        let configured = sale.config.tier(id).map_or(0, |tier| sale.config.for_sale(tier));
        let counted = stock.as_ref().ok().and_then(|stock| stock.get(id));
        let there = counted.map_or(configured, |counts| counts.capacity.saturating_sub(counts.withheld));
        over |= promised > there;
        told.push(format!("{id}: {promised} of {there}"));
    }
    if told.is_empty() {
        return Check::ok(NAME, "no phase has one");
    }
    let seen = format!("phases are given {}", told.join(", "));
    if over {
        let wanted = "no more than is not withheld";
        return Check::fail(NAME, seen, wanted, "lower the allocations, or release withheld units");
    }
    Check::ok(NAME, seen)
}

/// Whether rate, burst, cap and the windows work out together, with the arithmetic.
fn pace(sale: &SaleConfig) -> Check {
    const NAME: &str = "sale.pace";
    let domain::sale::AdmissionConfig { rate_per_s, burst, max_shoppers, session_s, claim_window_s, .. } =
        sale.admission;
    let by_cap = max_shoppers / SHOPPER_S;
    let unused = rate_per_s.saturating_mul(claim_window_s);
    let seen = format!(
        "{rate_per_s}/s, burst {burst}, {max_shoppers} inside; at {SHOPPER_S} s a shopper the cap lets {by_cap}/s in; \
         a turn may lie unused for {claim_window_s} s, a session lasts {session_s} s"
    );
    if burst > max_shoppers {
        return Check::warn(NAME, seen, "a burst within max_shoppers", "lower the burst: the cap holds it back");
    }
    if session_s < sale.hold.min_ttl_s {
        return Check::warn(NAME, seen, "a session as long as a hold", "raise session_s");
    }
    if rate_per_s > by_cap.max(1) && unused > max_shoppers {
        let wanted = format!("a rate near {by_cap}/s, or {} inside", rate_per_s.saturating_mul(SHOPPER_S));
        let advice = "nothing, if the cap is what is meant to bound it: the rate is reached at the opening only";
        return Check::warn(NAME, seen, wanted, advice);
    }
    Check::ok(NAME, seen)
}

/// Whether a hold lasts as long as paying does, by what was measured or is assumed.
fn hold(sale: &SaleRow) -> Check {
    const NAME: &str = "sale.hold";
    let hold = &sale.config.hold;
    let p99 = sale.payment_p99();
    let source = if sale.payment_latency.is_some() { "measured" } else { "assumed" };
    let wanted_s = unclamped_s(sale, p99);
    let ttl_s = sale.hold_ttl_s();
    let seen = format!(
        "{} s to fill in + {} × {:.1} s {source} p99 = {wanted_s} s, within {} to {} s: {ttl_s} s",
        hold.checkout_window_s,
        hold.p99_multiple,
        p99.as_secs_f64(),
        hold.min_ttl_s,
        hold.max_ttl_s,
    );
    let once_s = u64::from(hold.checkout_window_s).saturating_add(p99.as_secs());
    if u64::from(ttl_s) < once_s {
        let wanted = format!("max_ttl_s of at least {once_s}: the time to fill in and one payment");
        return Check::fail(NAME, seen, wanted, "raise max_ttl_s");
    }
    if u64::from(ttl_s) < wanted_s {
        return Check::warn(
            NAME,
            seen,
            format!("max_ttl_s of {wanted_s}"),
            "raise max_ttl_s: slow payments come too late",
        );
    }
    Check::ok(NAME, seen)
}

fn unclamped_s(sale: &SaleRow, p99: Duration) -> u64 {
    let hold = &sale.config.hold;
    let paying_ms = p99.as_millis().saturating_mul(u128::from(hold.p99_multiple));
    u64::try_from(paying_ms.div_ceil(1_000)).unwrap_or(u64::MAX).saturating_add(u64::from(hold.checkout_window_s))
}

/// Whether a draw is coming, and the beacon that it waits for answers.
async fn draw(wish: &Wish<'_>, sale: &SaleRow, now: Timestamp) -> Check {
    const NAME: &str = "sale.draw";
    let coming =
        sale.config.phases().iter().any(|phase| phase.prequeue_opens_at < phase.opens_at && now < phase.opens_at);
    if !coming {
        return Check::ok(NAME, "no draw is to come");
    }
    let Some(beacon) = wish.gateway().beacon.clone() else {
        let wanted = "a beacon, so that nobody need believe us";
        return Check::warn(
            NAME,
            "the order will be self-attested",
            wanted,
            "set ONSALE_BEACON_URL for gateways and workers",
        );
    };
    let url = beacon.to_string();
    match beacon_round(beacon).await {
        Ok(round) => Check::ok(NAME, format!("{url} is at round {round}")),
        Err(error) => Check::fail(
            NAME,
            format!("{url}: {error}"),
            "a beacon that answers: the line waits for it",
            "mend ONSALE_BEACON_URL",
        ),
    }
}

fn prices(sale: &SaleConfig, now: Timestamp) -> Check {
    const NAME: &str = "sale.prices";
    let totals: Vec<(&TierId, Money)> =
        sale.tiers.iter().filter_map(|tier| unit_price(sale, tier).ok().map(|price| (&tier.id, price.total))).collect();
    let told: Vec<String> = totals.iter().map(|(tier, total)| format!("{tier} {total}")).collect();
    let seen = format!("fees and taxes included: {}", told.join(", "));
    let paid: Vec<i64> = totals.iter().map(|(_, total)| total.minor).filter(|minor| *minor > 0).collect();
    let (least, most) =
        (paid.iter().min().copied().unwrap_or_default(), paid.iter().max().copied().unwrap_or_default());
    let mut odd = Vec::new();
    if paid.len() < totals.len() {
        odd.push("a tier is free".to_owned());
    }
    if sale.currency.decimals() > 0 && (1..CHEAP_MINOR).contains(&least) {
        odd.push(format!("{least} minor units are very little"));
    }
    if least > 0 && most / least >= APART {
        odd.push(format!("the dearest costs {} times the cheapest", most / least));
    }
    match sale.performance() {
        None => odd.push("no performance: tickets say no date".to_owned()),
        Some(performance) if performance.starts_at <= now => odd.push("the performance has begun".to_owned()),
        Some(_) => {}
    }
    if sale.terms.is_empty() {
        odd.push("no terms: tickets have no small print".to_owned());
    }
    if odd.is_empty() {
        return Check::ok(NAME, seen);
    }
    Check::warn(
        NAME,
        format!("{seen} · {}", odd.join("; ")),
        "what the organizer meant",
        "ask the organizer, or mend it",
    )
}
