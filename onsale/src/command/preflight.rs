//! `onsale preflight`

use domain::SaleId;
use domain::clock::Clock;
use ledger::sales::{SaleName, SaleRow, sale_fetch};
use ledger::{Ledger, PoolConfig, Role};
use secrecy::ExposeSecret as _;

use crate::cli::Preflight;
use crate::command::{Failure, block_on};
use crate::config::PreflightSettings;
use crate::preflight::{Options, Wish, look};
use crate::start;

/// As many as look at once.
const CONNECTIONS_MAX: usize = 4;

pub(super) fn run(wanted: &Preflight) -> Result<(), Failure> {
    let settings = PreflightSettings::read(&wanted.variables)?;
    let options = Options {
        gateways: wanted.gateways,
        workers: wanted.workers,
        ready: wanted.ready.clone(),
        dkim_selectors: wanted.dkim_selectors.clone(),
        dns: wanted.dns,
        ca_file: wanted.ca_file.clone(),
        rehearsal: wanted.rehearsal,
    };
    block_on(async {
        let process = &settings.gateway.process;
        let pool = PoolConfig { connections_max: CONNECTIONS_MAX, ..PoolConfig::default() };
        let ledger = Ledger::connect(process.database_url.expose_secret(), Role::ReadOnly, pool)?;
        let stripe = start::stripe(process)?;
        let found = find(&ledger, &wanted.sale).await?;
        let found = found.as_ref().map_err(String::as_str);
        let wish = Wish { settings: &settings, options: &options, found, clock: Clock::system() };
        let report = look(&wish, &wanted.sale, &ledger, &stripe).await;
        println!("{}", if wanted.json { report.as_json() } else { report.in_words() });
        if report.is_go() { Ok(()) } else { Err(Failure::Breach) }
    })
}

/// The sale of that id or slug, or why nobody can tell. That there is none is a slip of the hand.
async fn find(ledger: &Ledger, sale: &str) -> Result<Result<SaleRow, String>, Failure> {
    let name = sale.parse::<SaleId>().map_or(SaleName::Slug(sale), SaleName::Id);
    match sale_fetch(ledger, name).await {
        Ok(Some(row)) => Ok(Ok(row)),
        Ok(None) => Err(Failure::Unreadable(format!("there is no sale {sale}").into())),
        Err(error) => Ok(Err(error.to_string())),
    }
}
