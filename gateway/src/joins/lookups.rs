//! Looking up registrations: who lost the place's cookie and has the visitor's finds the cohort places again.

use std::sync::Arc;

use domain::token::Holder;
use ledger::registrations::{Registrations, registrations_find};

use super::fail;
use crate::app::App;
use crate::batcher::{Asks, Waiting};
use crate::floor::Floor;
use crate::metrics;

/// Looks up for whoever asks, until the sale is over.
pub(super) async fn run(app: Arc<App>, floor: Arc<Floor>, mut asks: Asks<Holder, Registrations>) {
    loop {
        let batch = tokio::select! {
            () = floor.ended() => return,
            batch = asks.gather() => batch,
        };
        let Some(batch) = batch else { return };
        metrics::joins_gathered("lookups", batch.len());
        look_up(&app, &floor, batch).await;
    }
}

async fn look_up(app: &App, floor: &Floor, batch: Vec<Waiting<Holder, Registrations>>) {
    let holders: Vec<Holder> = batch.iter().map(|waiting| waiting.ask).collect();
    match registrations_find(&app.ledger, floor.sale().id(), &holders).await {
        Ok(found) => batch.into_iter().zip(found).for_each(|(waiting, found)| waiting.answer(Ok(found))),
        Err(error) => fail(batch, error),
    }
}
