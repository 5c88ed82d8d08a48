//! `onsale gateway`

use std::sync::Arc;

use crate::command::{Failure, block_on};
use crate::config::{GatewaySettings, Variables};
use crate::process::{self, Process};
use crate::start;

pub(super) fn run(variables: &Variables) -> Result<(), Failure> {
    let settings = GatewaySettings::read(variables)?;
    let exporter = process::log_and_record(&settings.process, "onsale-gateway");
    process::warn_of_unknown_variables();
    block_on(async {
        let process = Process::new()?;
        process.exports(exporter);
        let admin_listen = settings.process.admin_listen;
        let gateway = Arc::new(start::gateway(settings, process.draining()).await?);
        let admin = process.serve_admin(admin_listen, Arc::clone(&gateway)).await?;
        tracing::info!(public = %gateway.addr(), %admin, "the gateway is up");
        process.asked_to_drain().await?;
        gateway.join().await;
        process.end().await;
        Ok(())
    })
}
