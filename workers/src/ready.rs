//! Whether the workers can do their work: a line for each thing they need.

use domain::ready::ReadyLine;

use crate::context::Context;

/// Where the workers are in their life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// They take work.
    Working,
    /// They end what they have begun.
    Draining,
}

/// Asks everything the workers need. A store that is away is told, and not a reason to restart: the pools wait for it.
pub(crate) async fn lines(context: &Context, phase: Phase) -> Vec<ReadyLine> {
    let (postgres, redis) = tokio::join!(context.ledger.ping(), context.store.ping());
    vec![
        ReadyLine::of("postgres", postgres.map(|()| pool(context)).map_err(|error| error.to_string())),
        ReadyLine::of("redis", redis.map(|()| "answers".to_owned()).map_err(|error| error.to_string())),
        ReadyLine::of("mail", Ok(mail(context).to_owned())),
        match phase {
            Phase::Working => ReadyLine::of("pools", Ok("taking work".to_owned())),
            Phase::Draining => ReadyLine::of("pools", Err("draining".to_owned())),
        },
    ]
}

fn pool(context: &Context) -> String {
    let pool = context.ledger.pool_status();
    format!("{} connections, {} free, {} waiting", pool.size, pool.available, pool.waiting)
}

const fn mail(context: &Context) -> &'static str {
    if context.mailer.is_some() { "configured" } else { "no SMTP server: mail waits in the outbox" }
}
