//! `onsale sandbox`

use std::net::SocketAddr;

use sandbox::{FakeStripe, FakeStripeOptions, MailSink, MailSinkOptions, Webhook};

use crate::cli::{Sandbox, StripeLatency};
use crate::command::{Failure, block_on};
use crate::process;

pub(super) fn run(sandbox: Sandbox) -> Result<(), Failure> {
    match sandbox {
        Sandbox::Stripe { listen, webhook_url, webhook_secret, latency } => {
            let webhook = webhook_url.map(|url| Webhook { url, secret: webhook_secret });
            block_on(stripe(listen, webhook, latency))
        }
        Sandbox::Mail { listen, page_listen } => block_on(mail(listen, page_listen)),
    }
}

async fn stripe(listen: SocketAddr, webhook: Option<Webhook>, latency: StripeLatency) -> Result<(), Failure> {
    let options =
        FakeStripeOptions { bind: Some(listen), webhook, latency: latency.into(), ..FakeStripeOptions::default() };
    let stripe = FakeStripe::start(options).await?;
    println!("STRIPE_API_BASE={0}\nSTRIPE_BROWSER_BASE={0}", stripe.base_url());
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
