//! `onsale openapi`

use crate::command::Failure;

pub(super) fn run() -> Result<(), Failure> {
    println!("{}", gateway::openapi::document().to_pretty_json()?);
    Ok(())
}
