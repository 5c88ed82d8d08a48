//! Stripe: the account and its key, the webhook's endpoint, what may be written, how payments are taken.

use domain::sale::{CaptureMode, SaleConfig};
use gateway::{PublicUrl, SHOPPER_S, Transport, WRITES_PER_SHOPPER};
use payments::webhook::NEEDED;
use payments::{Account, Endpoint, Methods, Stripe, StripeError, api_version};

use super::clocks::Reading;
use super::report::Check;
use super::{Looked, Wish, is_local};

pub(super) const NAMES: [&str; 6] =
    ["stripe.account", "stripe.mode", "stripe.currency", "stripe.endpoint", "stripe.methods", "stripe.writes"];

/// What Stripe takes in live mode unless it was raised, and in test mode.
const LIVE_WRITES_PER_S: u32 = 100;
const TEST_WRITES_PER_S: u32 = 25;
/// Where the real one is.
const STRIPE_HOST: &str = "api.stripe.com";
/// Below this a whole second of a Date header says nothing.
const DATE_WITHIN_MS: i64 = 1_000;

/// Asks Stripe all there is to ask, at once.
pub(super) async fn look(wish: &Wish<'_>, stripe: &Stripe) -> Looked {
    let sale = wish.config();
    let begun = wish.clock.now();
    let (account, endpoints, methods) = tokio::join!(stripe.account(), stripe.endpoints(), stripe.payment_methods());
    let took = wish.clock.now().duration_since(begun);
    let reading = account.as_ref().ok().and_then(|account| account.answered_at).map(|at| Reading {
        whose: "Stripe".to_owned(),
        ahead_ms: clamp_ms(at.duration_since(begun)),
        within_ms: clamp_ms(took).saturating_add(DATE_WITHIN_MS),
    });
    let currency = match (&account, sale) {
        (Ok(account), Some(sale)) => currency(stripe, account, sale).await,
        (Err(_), _) => Check::open("stripe.currency", "not looked at, see stripe.account", "", ""),
        (Ok(_), None) => Check::open("stripe.currency", "not looked at, see sale.state", "", ""),
    };
    let checks = vec![
        account.as_ref().map_or_else(|error| could_not("stripe.account", error), account_check),
        mode(&Modes::of(wish, stripe)),
        currency,
        endpoints.map_or_else(
            |error| could_not("stripe.endpoint", &error),
            |endpoints| endpoint(&endpoints, &webhook_url(&wish.gateway().process.public_url)),
        ),
        methods.map_or_else(
            |error| could_not("stripe.methods", &error),
            |methods| method_check(methods.as_ref(), sale.map_or(CaptureMode::Manual, |sale| sale.payment.capture)),
        ),
        writes(wish, stripe),
    ];
    Looked { checks, readings: reading.into_iter().collect() }
}

/// Where Stripe's events are to go.
pub(crate) fn webhook_url(public_url: &PublicUrl) -> String {
    format!("{}/v1/stripe/webhook", public_url.origin())
}

fn clamp_ms(span: jiff::SignedDuration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// A restricted key may not read everything: that leaves a check open. Whatever else is no answer fails it.
fn could_not(name: &'static str, error: &StripeError) -> Check {
    match error {
        StripeError::Refused { status: 403, .. } => Check::open(
            name,
            "the key may not read this",
            "a key that may",
            "give the restricted key read access to it, or look in Stripe's dashboard",
        ),
        StripeError::Refused { status: 401, .. } => {
            Check::fail(name, "Stripe does not know the key", "a key of the account", "set STRIPE_SECRET_KEY")
        }
        other => Check::fail(name, other.to_string(), "an answer", "look at status.stripe.com and STRIPE_API_BASE"),
    }
}

fn account_check(account: &Account) -> Check {
    const NAME: &str = "stripe.account";
    let country = account.country.as_deref().unwrap_or("no country");
    let seen = format!("{} in {country}", account.id);
    let due = account.currently_due();
    if !account.charges_enabled {
        let why = account.disabled_reason().unwrap_or("Stripe gives no reason");
        let seen = format!("{seen} may not take money: {why}; due: {}", words(due));
        return Check::fail(NAME, seen, "charges enabled", "finish the account in Stripe's dashboard");
    }
    if !due.is_empty() || !account.payouts_enabled {
        let seen = format!("{seen} may take money; due: {}; payouts: {}", words(due), account.payouts_enabled);
        return Check::warn(NAME, seen, "nothing due", "answer Stripe in its dashboard before it stops the account");
    }
    Check::ok(NAME, format!("{seen} may take money"))
}

/// What the mode is judged by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Modes<'a> {
    live: bool,
    publishable_key: &'a str,
    public_url: &'a PublicUrl,
    fake: Option<&'a str>,
    rehearsal: bool,
}

impl<'a> Modes<'a> {
    fn of(wish: &'a Wish<'_>, stripe: &Stripe) -> Self {
        let gateway = wish.gateway();
        let base = gateway.process.stripe_api_base.host();
        Self {
            live: stripe.livemode(),
            publishable_key: &gateway.stripe_publishable_key,
            public_url: &gateway.process.public_url,
            fake: gateway.stripe_browser_base.as_deref().or_else(|| base.filter(|host| *host != STRIPE_HOST)),
            rehearsal: wish.options.rehearsal,
        }
    }
}

/// Whether the keys are of one mode, and of the one that such a place is for.
pub(super) fn mode(modes: &Modes<'_>) -> Check {
    const NAME: &str = "stripe.mode";
    let Modes { live, publishable_key, public_url, fake, rehearsal } = *modes;
    let (origin, local) = (public_url.origin(), is_local(public_url.host()));
    let word = if live { "live" } else { "test" };
    if publishable_key.starts_with("pk_live_") != live {
        let seen = format!("the secret key is {word}, the publishable key is not");
        return Check::fail(NAME, seen, "two keys of one mode", "set STRIPE_PUBLISHABLE_KEY beside STRIPE_SECRET_KEY");
    }
    if live {
        let wrong = match (fake, local, public_url.transport()) {
            (Some(fake), ..) => format!("live keys and a stand-in for Stripe at {fake}"),
            (None, true, _) => format!("live keys and {origin}, which Stripe cannot reach"),
            (None, false, Transport::Http) => format!("live keys and {origin}, which everybody on the way can read"),
            (None, false, Transport::Https) => return Check::ok(NAME, format!("live keys, {origin}")),
        };
        return Check::fail(
            NAME,
            wrong,
            "live keys, Stripe itself, a public https URL",
            "set what is wrong of the three",
        );
    }
    match (local, rehearsal) {
        (true, _) => Check::ok(NAME, format!("test keys, {origin} is of this machine or network")),
        (false, true) => {
            Check::warn(NAME, format!("test keys for {origin}: nobody pays"), "live keys", "nothing, for a rehearsal")
        }
        (false, false) => Check::fail(
            NAME,
            format!("test keys for {origin}: tickets would be given away"),
            "live keys",
            "set live keys, or say --rehearsal",
        ),
    }
}

async fn currency(stripe: &Stripe, account: &Account, sale: &SaleConfig) -> Check {
    const NAME: &str = "stripe.currency";
    let currency = sale.currency.as_str();
    let Some(country) = account.country.as_deref() else {
        return Check::open(NAME, "the account has no country yet", "one", "finish the account");
    };
    let taken = match stripe.payment_currencies(country).await {
        Ok(taken) => taken,
        Err(StripeError::Refused { status: 404, .. }) => {
            return Check::open(NAME, format!("Stripe tells nothing of {country}"), "", "look in Stripe's dashboard");
        }
        Err(error) => return could_not(NAME, &error),
    };
    if !taken.iter().any(|taken| taken == currency) {
        let seen = format!("an account in {country} cannot charge {currency}");
        return Check::fail(NAME, seen, "a currency of the account", "sell in another currency or by another account");
    }
    match account.default_currency.as_deref() {
        Some(own) if own != currency => Check::warn(
            NAME,
            format!("charged in {currency}, paid out in {own}"),
            "one currency",
            "add a bank account in it, or accept Stripe's exchange",
        ),
        _ => Check::ok(NAME, format!("{currency}, which {country} may charge")),
    }
}

/// The endpoint of our address that is nearest to being right.
fn endpoint(endpoints: &[Endpoint], url: &str) -> Check {
    const NAME: &str = "stripe.endpoint";
    const SETUP: &str = "run `onsale stripe setup`";
    let ours: Vec<&Endpoint> = endpoints.iter().filter(|endpoint| endpoint.url == url).collect();
    let Some(best) = ours.iter().min_by_key(|endpoint| faults(endpoint).len()) else {
        let others: Vec<_> = endpoints.iter().map(|endpoint| endpoint.url.clone()).collect();
        let seen = format!("none for {url}; there are: {}", words(&others));
        return Check::fail(NAME, seen, "an endpoint for ONSALE_PUBLIC_URL", SETUP);
    };
    let faults = faults(best);
    if !faults.is_empty() {
        let wanted = format!("enabled, version {}, the {} events we need", api_version(), NEEDED.len());
        return Check::fail(NAME, format!("{} {}", best.id, faults.join("; ")), wanted, SETUP);
    }
    if ours.iter().filter(|endpoint| endpoint.is_enabled()).count() > 1 {
        let seen = format!("{} and another for the same address", best.id);
        return Check::warn(NAME, seen, "one endpoint", "delete one: each event comes twice, signed with two secrets");
    }
    Check::ok(NAME, format!("{} is enabled, version {}, all {} events", best.id, api_version(), NEEDED.len()))
}

/// What is wrong with an endpoint.
pub(crate) fn faults(endpoint: &Endpoint) -> Vec<String> {
    let mut faults = Vec::new();
    if !endpoint.is_enabled() {
        faults.push("is disabled".to_owned());
    }
    match endpoint.api_version.as_deref() {
        Some(version) if version == api_version() => {}
        Some(version) => faults.push(format!("writes version {version}")),
        None => faults.push("writes whatever version the account has".to_owned()),
    }
    let lacks = endpoint.lacks(&NEEDED);
    if !lacks.is_empty() {
        faults.push(format!("does not hear {}", lacks.join(", ")));
    }
    faults
}

fn method_check(methods: Option<&Methods>, capture: CaptureMode) -> Check {
    const NAME: &str = "stripe.methods";
    let Some(Methods { captured_later, captured_at_once, left_out }) = methods else {
        return Check::open(NAME, "the account has no default set of methods", "", "look in Stripe's dashboard");
    };
    let not_offered = if left_out.is_empty() { String::new() } else { format!("; not offered: {}", words(left_out)) };
    let seen = format!("captured later: {}; at once: {}{not_offered}", words(captured_later), words(captured_at_once));
    match capture {
        _ if captured_later.is_empty() && captured_at_once.is_empty() => {
            Check::fail(NAME, seen, "a method", "switch cards on in Stripe's dashboard")
        }
        CaptureMode::Manual if captured_later.is_empty() => Check::fail(
            NAME,
            seen,
            "card or link, because payment.capture is manual",
            "switch cards on, or set payment.capture to automatic",
        ),
        CaptureMode::Manual if !captured_at_once.is_empty() => Check::warn(
            NAME,
            seen,
            "only methods that are captured later",
            "switch the others off, or accept that their late payments are refunded instead of let go",
        ),
        CaptureMode::Manual | CaptureMode::Automatic => Check::ok(NAME, seen),
    }
}

/// What the budget lets through against what the sale lets in, with the arithmetic.
fn writes(wish: &Wish<'_>, stripe: &Stripe) -> Check {
    const NAME: &str = "stripe.writes";
    let process = &wish.gateway().process;
    let per_s = process.stripe_writes_per_s.get();
    let real = process.stripe_api_base.host() == Some(STRIPE_HOST);
    let live = stripe.livemode();
    let limit = if live { LIVE_WRITES_PER_S } else { TEST_WRITES_PER_S };
    let Some(sale) = wish.config() else {
        return Check::open(NAME, format!("{per_s} writes/s; of which sale, see sale.state"), "", "");
    };
    let per_order = match sale.payment.capture {
        CaptureMode::Manual => 2,
        CaptureMode::Automatic => 1,
    };
    let orders_per_s = (per_s / per_order).max(1);
    let inside = per_s.saturating_mul(SHOPPER_S) / WRITES_PER_SHOPPER;
    let units: u32 = sale.tiers.iter().map(|tier| sale.for_sale(tier)).fold(0, u32::saturating_add);
    let (rate, cap) = (sale.admission.rate_per_s, sale.admission.max_shoppers);
    let seen = format!(
        "{per_s} writes/s ÷ {per_order} an order = {orders_per_s} orders/s, so {units} units in orders of one take {} s; \
         {SHOPPER_S} s × {per_s} ÷ {WRITES_PER_SHOPPER} = {inside} shoppers inside; the sale lets {rate}/s and {cap} in",
        units.div_ceil(orders_per_s),
    );
    if real && !live && per_s > limit {
        let advice = "set ONSALE_STRIPE_WRITES_PER_S=25 with test keys";
        return Check::fail(NAME, seen, format!("at most {limit}, which is all that test mode takes"), advice);
    }
    if real && per_s > limit {
        let advice = "make sure that Stripe raised it for this account, which takes weeks";
        return Check::warn(NAME, seen, format!("{limit}, unless it was raised"), advice);
    }
    if cap > inside {
        let advice =
            format!("lower max_shoppers to {inside}, or ask Stripe for more writes; the budget holds the rest outside");
        return Check::warn(NAME, seen, format!("max_shoppers of at most {inside}"), advice);
    }
    Check::ok(NAME, seen)
}

/// Words in a row, or that there are none.
fn words(words: &[String]) -> String {
    if words.is_empty() { "none".to_owned() } else { words.join(", ") }
}

#[cfg(test)]
mod tests;
