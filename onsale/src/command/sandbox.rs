//! `onsale sandbox`

use std::net::SocketAddr;

use http::{Method, StatusCode};
use ledger::organizers::{self, KeyRole};
use ledger::{Ledger, PoolConfig, Role};
use sandbox::actors::{Edge, Organizer};
use sandbox::{FakeStripe, FakeStripeOptions, MailSink, MailSinkOptions, Webhook};
use secrecy::ExposeSecret as _;
use serde_json::Value;

use crate::cli::{Sandbox, SandboxSale};
use crate::command::{Failure, block_on};
use crate::config::DatabaseSettings;
use crate::{demo, process};

/// More than somebody who only tries it uses up.
const CAPACITY: u32 = 1_000;
/// How long a hold lasts there.
const HOLD_S: u32 = 300;

pub(super) fn run(sandbox: Sandbox) -> Result<(), Failure> {
    match sandbox {
        Sandbox::Stripe { listen, webhook_url, webhook_secret, browser_base, latency } => {
            let webhook = webhook_url.map(|url| Webhook { url, secret: webhook_secret });
            let options = FakeStripeOptions {
                bind: Some(listen),
                webhook,
                browser_base,
                latency: latency.into(),
                ..FakeStripeOptions::default()
            };
            block_on(stripe(options))
        }
        Sandbox::Mail { listen, page_listen } => block_on(mail(listen, page_listen)),
        Sandbox::Sale(wanted) => {
            let settings = DatabaseSettings::read(&wanted.variables)?;
            block_on(sale(&wanted, settings))
        }
    }
}

async fn stripe(options: FakeStripeOptions) -> Result<(), Failure> {
    let stripe = FakeStripe::start(options).await?;
    println!("STRIPE_API_BASE={}\nSTRIPE_BROWSER_BASE={}", stripe.base_url(), stripe.browser_base());
    process::asked_to_end().await?;
    stripe.shutdown().await;
    Ok(())
}

async fn mail(listen: SocketAddr, page_listen: SocketAddr) -> Result<(), Failure> {
    let mail = MailSink::start_on(MailSinkOptions { smtp: Some(listen), page: Some(page_listen) }).await?;
    println!("SMTP_URL={}\npage {}", mail.url(), mail.page_url());
    process::asked_to_end().await?;
    mail.stop().await;
    Ok(())
}

/// Whoever starts it again finds the sale by its slug, which no other sale can have. It stays because whatever starts it beside
/// the fakes takes an end for a failure.
async fn sale(wanted: &SandboxSale, settings: DatabaseSettings) -> Result<(), Failure> {
    let edge = Edge::new(&wanted.url);
    let seen = edge.ask(Method::GET, &format!("/v1/sales/{}", demo::SLUG), &[], &Value::Null).await?;
    if seen.status != StatusCode::OK {
        let ledger = Ledger::connect(settings.database_url.expose_secret(), Role::Owner, PoolConfig::default())?;
        let key = organizers::key_create(&ledger, KeyRole::Organizer, "Sandbox", "sandbox").await?;
        println!("key  {}   for the organizer API", key.secret);
        let mut wish = demo::sale(HOLD_S);
        wish["opens_at"] = "2026-01-01T00:00:00Z".into();
        wish["tiers"][0]["capacity"] = CAPACITY.into();
        Organizer::new(&edge, &key.secret).puts_on_sale(&wish).await?;
    }
    println!("page /s/{}", demo::SLUG);
    process::asked_to_end().await?;
    Ok(())
}
