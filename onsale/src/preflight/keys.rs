//! Keys: that nobody can guess them, that tickets that are out can still be verified, that the webhook's secret works.

use domain::keyring::Kid;
use ledger::server::{event_was_heard, ticket_kids};
use ledger::{Ledger, LedgerError};
use secrecy::ExposeSecret as _;

use super::report::Check;
use super::{Looked, Wish};

pub(super) const NAMES: [&str; 3] = ["keys.signing", "keys.tickets", "keys.webhook"];

/// Stripe's secrets have 32 characters behind `whsec_`; those of fakes are words.
const SECRET_CHARS_MIN: usize = 24;

pub(super) async fn look(wish: &Wish<'_>, ledger: &Ledger) -> Looked {
    let kids = async {
        match wish.sale() {
            Some(sale) => ticket_kids(ledger, sale.id).await.ok(),
            None => None,
        }
    };
    let (kids, heard) = tokio::join!(kids, event_was_heard(ledger));
    let guessable = &wish.settings.guessable;
    let signing = match named(&guessable.signing) {
        Some(names) => guessed("keys.signing", &names, "signing"),
        None => Check::ok("keys.signing", "none can be guessed"),
    };
    Looked::of(vec![signing, tickets(wish, &guessable.tickets, kids), webhook(wish, heard)])
}

fn named(kids: &[Kid]) -> Option<String> {
    let names: Vec<String> = kids.iter().map(ToString::to_string).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

fn guessed(name: &'static str, kids: &str, purpose: &str) -> Check {
    let seen = format!("{kids} is the key of an example or a test: whoever reads that can forge");
    Check::fail(
        name,
        seen,
        "keys that were drawn",
        format!("run `onsale keys generate {purpose}` and use what it prints"),
    )
}

fn tickets(wish: &Wish<'_>, guessable: &[Kid], kids: Option<Vec<String>>) -> Check {
    const NAME: &str = "keys.tickets";
    if let Some(names) = named(guessable) {
        return guessed(NAME, &names, "ticket");
    }
    let ours: Vec<String> =
        wish.gateway().process.ticket_signer.verifying_keys().map(|(kid, _)| kid.to_string()).collect();
    let seen = format!("{}; the first signs", ours.join(", "));
    let Some(kids) = kids else {
        return Check::open(NAME, format!("{seen}; which tickets are out is not known"), "", "see postgres.role");
    };
    let gone: Vec<String> = kids.into_iter().filter(|kid| !ours.contains(kid)).collect();
    if !gone.is_empty() {
        let seen = format!("{seen}; tickets of {} are out, which no scanner's manifest would have", gone.join(", "));
        return Check::fail(
            NAME,
            seen,
            "every key that signed a ticket",
            "put it back behind the first in ONSALE_TICKET_KEYS",
        );
    }
    Check::ok(NAME, seen)
}

/// Stripe tells a secret once, so whether it is the endpoint's shows only when an event comes.
fn webhook(wish: &Wish<'_>, heard: Result<bool, LedgerError>) -> Check {
    const NAME: &str = "keys.webhook";
    let secrets = &wish.gateway().webhook_secrets;
    let behind = |secret: &str| secret.strip_prefix("whsec_").map(str::len);
    let lengths: Vec<Option<usize>> = secrets.iter().map(|secret| behind(secret.expose_secret())).collect();
    let live = wish.gateway().stripe_publishable_key.starts_with("pk_live_");
    if lengths.is_empty() || lengths.contains(&None) {
        let seen = "one does not begin with whsec_";
        return Check::fail(NAME, seen, "the endpoint's signing secret", "copy it from Stripe's dashboard");
    }
    if live && lengths.iter().flatten().any(|length| *length < SECRET_CHARS_MIN) {
        let seen = "one is shorter than Stripe's are";
        return Check::fail(NAME, seen, "the endpoint's signing secret", "copy it from Stripe's dashboard");
    }
    match heard {
        Ok(true) => Check::ok(NAME, "an event was verified and stored within a day"),
        Ok(false) | Err(_) => Check::open(
            NAME,
            match heard {
                Ok(_) => "Stripe does not show it again, and no event came within a day",
                Err(_) => "Stripe does not show it again, and whether an event came is not known",
            },
            "an event that was verified",
            "send one: pay and refund a test order, or Stripe's dashboard",
        ),
    }
}
