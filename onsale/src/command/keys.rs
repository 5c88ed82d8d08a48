//! `onsale keys`

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::keyring::KEY_BYTES;
use ledger::organizers::{self, KeyRole};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;

use crate::cli::{self, CreateKey, Purpose};
use crate::command::{Failure, block_on};
use crate::config::DatabaseSettings;

pub(super) fn create(create: &CreateKey) -> Result<(), Failure> {
    let settings = DatabaseSettings::read(&create.variables)?;
    let role = match create.role {
        cli::KeyRole::Admin => KeyRole::Admin,
        cli::KeyRole::Organizer => KeyRole::Organizer,
        cli::KeyRole::Door => KeyRole::Door,
        cli::KeyRole::Support => KeyRole::Support,
    };
    block_on(async {
        let ledger = Ledger::connect(settings.database_url.expose_secret(), Role::Owner, PoolConfig::default())?;
        let key = organizers::key_create(&ledger, role, &create.organizer, &create.name).await?;
        eprintln!("{} of {}; the key is shown only now:", key.id, key.organizer);
        println!("{}", key.secret);
        Ok(())
    })
}

pub(super) fn generate(purpose: Purpose) -> Result<(), Failure> {
    println!("{}", fresh_key(purpose)?);
    Ok(())
}

/// A key nobody has seen, as `kid:base64`. The kid says what the key is for and, by chance alone, which one it is.
pub(crate) fn fresh_key(purpose: Purpose) -> Result<String, getrandom::Error> {
    let (mut name, mut key) = ([0; 3], [0; KEY_BYTES]);
    getrandom::fill(&mut name)?;
    getrandom::fill(&mut key)?;
    let letter = match purpose {
        Purpose::Signing => 's',
        Purpose::Ticket => 't',
    };
    let [a, b, c] = name;
    Ok(format!("{letter}{a:02x}{b:02x}{c:02x}:{}", STANDARD.encode(key)))
}
