//! Registering in a prequeue: in Postgres before anybody is answered, one call for a batch.

use std::sync::Arc;

use domain::sale::PhaseNo;
use domain::token::Holder;
use ledger::registrations::{Register, registrations_add};

use super::fail;
use crate::app::App;
use crate::batcher::{Asks, Waiting};
use crate::floor::Floor;
use crate::metrics;

/// Registers whoever asks, until the sale is over.
pub(super) async fn run(app: Arc<App>, floor: Arc<Floor>, phase: PhaseNo, mut asks: Asks<Holder, Register>) {
    loop {
        let batch = tokio::select! {
            () = floor.ended() => return,
            batch = asks.gather() => batch,
        };
        let Some(batch) = batch else { return };
        metrics::joins_gathered("registrations", batch.len());
        register(&app, &floor, phase, batch).await;
    }
}

async fn register(app: &App, floor: &Floor, phase: PhaseNo, batch: Vec<Waiting<Holder, Register>>) {
    let holders: Vec<Holder> = batch.iter().map(|waiting| waiting.ask).collect();
    match registrations_add(&app.ledger, floor.sale().id(), phase, &holders).await {
        Ok(answers) => batch.into_iter().zip(answers).for_each(|(waiting, answer)| waiting.answer(Ok(answer))),
        Err(error) => fail(batch, error),
    }
}
