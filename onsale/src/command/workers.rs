//! `onsale workers`

use std::sync::Arc;

use workers::Drained;

use crate::command::{Failure, block_on};
use crate::config::{Variables, WorkersSettings};
use crate::process::{self, Process};
use crate::start;

pub(super) fn run(variables: &Variables) -> Result<(), Failure> {
    let settings = WorkersSettings::read(variables)?;
    let exporter = process::log_and_record(&settings.process, "onsale-workers");
    process::warn_of_unknown_variables();
    block_on(async {
        let process = Process::new()?;
        process.exports(exporter);
        let admin_listen = settings.process.admin_listen;
        let workers = Arc::new(start::workers(settings, process.draining()).await?);
        let admin = process.serve_admin(admin_listen, Arc::clone(&workers)).await?;
        tracing::info!(%admin, "workers are up");
        process.asked_to_drain().await?;
        if workers.join().await == Drained::Overdue {
            tracing::warn!("some work took too long to end; its lease runs out and another worker does it");
        }
        process.end().await;
        Ok(())
    })
}
