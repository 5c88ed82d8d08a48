//! `onsale config check`

use crate::command::Failure;
use crate::config::{Faults, GatewaySettings, Variables, WorkersSettings};

pub(super) fn check(variables: &Variables) -> Result<(), Failure> {
    let mut faults = Faults::default();
    let gateway = GatewaySettings::read(variables).map_err(|found| faults.merge(found)).ok();
    let workers = WorkersSettings::read(variables).map_err(|found| faults.merge(found)).ok();
    let (Some(gateway), Some(workers)) = (gateway, workers) else { return Err(faults.into()) };
    println!("gateway\n{}\nworkers\n{}", gateway.without_secrets(), workers.without_secrets());
    Ok(())
}
