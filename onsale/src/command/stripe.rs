//! `onsale stripe setup`: the webhook's endpoint, made where there is none and mended where it can be.
//!
//! Looking comes first, so a second run finds what the first one made, also where its answer was lost. What an endpoint's events are
//! written in cannot be changed: one of another version stays until a person deletes it, because its secret is in use.

use payments::webhook::NEEDED;
use payments::{Endpoint, api_version};

use crate::cli::{Stripe, StripeSetup};
use crate::command::{Failure, block_on};
use crate::config::StripeSettings;
use crate::preflight::{faults, webhook_url};
use crate::start;

pub(super) fn run(stripe: &Stripe) -> Result<(), Failure> {
    match stripe {
        Stripe::Setup(wanted) => block_on(setup(wanted)),
    }
}

async fn setup(wanted: &StripeSetup) -> Result<(), Failure> {
    let settings = StripeSettings::read(&wanted.variables)?;
    let stripe = start::stripe_of(&settings.stripe_secret_key, &settings.stripe_api_base)?;
    let url = webhook_url(&settings.public_url);
    let ours: Vec<Endpoint> = stripe.endpoints().await?.into_iter().filter(|endpoint| endpoint.url == url).collect();
    let Some(best) = ours.into_iter().min_by_key(|endpoint| (another_version(endpoint), faults(endpoint).len())) else {
        let made = stripe.create_endpoint(&url, &NEEDED).await?;
        eprintln!("{} made for {url}, version {}; its secret is shown only now:", made.id, api_version());
        println!("{}", made.secret.as_deref().unwrap_or("(not told: see Stripe's dashboard)"));
        return Ok(());
    };
    if another_version(&best) {
        let version = best.api_version.as_deref().unwrap_or("of the account");
        let told = format!(
            "{} for {url} writes version {version}, not {}: delete it in Stripe's dashboard, run this again and set the new secret",
            best.id,
            api_version()
        );
        return Err(Failure::Failed(told.into()));
    }
    let wrong = faults(&best);
    if wrong.is_empty() {
        println!("{} for {url} is as it should be", best.id);
        return Ok(());
    }
    stripe.update_endpoint(&best.id, &NEEDED).await?;
    println!("{} for {url} was mended: {}", best.id, wrong.join("; "));
    Ok(())
}

fn another_version(endpoint: &Endpoint) -> bool {
    endpoint.api_version.as_deref() != Some(api_version())
}
