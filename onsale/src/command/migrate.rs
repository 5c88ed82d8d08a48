//! `onsale migrate`

use secrecy::ExposeSecret as _;

use crate::command::{Failure, block_on};
use crate::config::{DatabaseSettings, Variables};

pub(super) fn run(variables: &Variables) -> Result<(), Failure> {
    let settings = DatabaseSettings::read(variables)?;
    block_on(async {
        let migrated = ledger::migrate(settings.database_url.expose_secret()).await?;
        for migration in &migrated.applied {
            println!("applied {migration}");
        }
        println!("the database is at version {}", migrated.version);
        Ok(())
    })
}
