//! Before a sale opens: everything it stands on, looked at from where this runs, and a verdict.
//!
//! The sale is read first; then all is looked at side by side, each part within a time of its own ([`Part`]). A part makes its checks as
//! it can: what does not answer fails one check and leaves the others of its part *open*, and what nobody can tell from here is *open*
//! too. Open is never ok, and does not stop a sale by itself; one failure does.
//!
//! Nothing is changed, no mail is sent, no money moves. It sees what its own configuration points at: give it the variables of the
//! processes, and run it where they run.

mod clocks;
mod dns;
mod fetch;
mod keys;
mod mail;
mod postgres;
mod public_url;
mod readiness;
mod redis;
mod report;
mod sale;
mod stripe;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use domain::clock::Clock;
use domain::sale::SaleConfig;
use http::Uri;
use ledger::Ledger;
use ledger::sales::SaleRow;
use payments::Stripe;
use workers::MailConfig;

pub(crate) use report::Report;
pub(crate) use stripe::{faults, webhook_url};

use crate::config::{GatewaySettings, PreflightSettings};
use clocks::Reading;
use report::{Check, unanswered};

/// The longest a part may take: a slow store is told from one that is away, and a person waits for it.
const PART_MAX: Duration = Duration::from_secs(10);

/// What the person who typed it said.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    /// Processes that will run: of each kind.
    pub(crate) gateways: u32,
    pub(crate) workers: u32,
    /// Admin addresses of those that run.
    pub(crate) ready: Vec<Uri>,
    pub(crate) dkim_selectors: Vec<String>,
    pub(crate) dns: Option<SocketAddr>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) rehearsal: bool,
}

/// What is to be looked at.
pub(crate) struct Wish<'a> {
    pub(crate) settings: &'a PreflightSettings,
    pub(crate) options: &'a Options,
    /// The sale, or why it could not be read.
    pub(crate) found: Result<&'a SaleRow, &'a str>,
    pub(crate) clock: Clock,
}

/// What a part found.
struct Looked {
    checks: Vec<Check>,
    readings: Vec<Reading>,
}

/// What is looked at together, because it is of one server or one kind.
struct Part<'a> {
    names: &'static [&'static str],
    looks: Pin<Box<dyn Future<Output = Looked> + Send + 'a>>,
}

impl Wish<'_> {
    const fn gateway(&self) -> &GatewaySettings {
        &self.settings.gateway
    }

    const fn mail(&self) -> Option<&MailConfig> {
        self.settings.workers.mail.as_ref()
    }

    fn sale(&self) -> Option<&SaleRow> {
        self.found.ok()
    }

    fn config(&self) -> Option<&SaleConfig> {
        self.sale().map(|sale| &sale.config)
    }

    const fn processes(&self) -> u32 {
        self.options.gateways.saturating_add(self.options.workers)
    }
}

impl Looked {
    const fn of(checks: Vec<Check>) -> Self {
        Self { checks, readings: Vec::new() }
    }
}

impl<'a> Part<'a> {
    fn new(names: &'static [&'static str], looks: impl Future<Output = Looked> + Send + 'a) -> Self {
        Self { names, looks: Box::pin(looks) }
    }

    async fn within_its_time(self) -> Looked {
        match tokio::time::timeout(PART_MAX, self.looks).await {
            Ok(looked) => looked,
            Err(_) => Looked::of(unanswered(self.names, &format!("no answer within {PART_MAX:?}"), "see that it runs")),
        }
    }
}

/// Looks at everything at once; the report has every check, in one order.
pub(crate) async fn look(wish: &Wish<'_>, sale: &str, ledger: &Ledger, stripe: &Stripe) -> Report {
    let parts = [
        Part::new(&sale::NAMES, sale::look(wish, ledger)),
        Part::new(&stripe::NAMES, stripe::look(wish, stripe)),
        Part::new(&mail::NAMES, mail::look(wish)),
        Part::new(&redis::NAMES, redis::look(wish)),
        Part::new(&postgres::NAMES, postgres::look(wish, ledger)),
        Part::new(&public_url::NAMES, public_url::look(wish)),
        Part::new(&readiness::NAMES, readiness::look(wish)),
        Part::new(&keys::NAMES, keys::look(wish, ledger)),
    ];
    let looked = futures_util::future::join_all(parts.map(Part::within_its_time)).await;
    let (mut checks, mut readings) = (Vec::new(), Vec::new());
    for part in looked {
        checks.extend(part.checks);
        readings.extend(part.readings);
    }
    checks.push(clocks::judge(&readings));
    Report { sale: sale.to_owned(), checks }
}

/// Whether a host is of this machine or a private network: nobody outside can reach it.
fn is_local(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_ascii_lowercase();
    match host.parse::<IpAddr>() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_private() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unique_local(),
        Err(_) => {
            let ends = [".localhost", ".local", ".internal", ".test"].iter().any(|ending| host.ends_with(ending));
            host == "localhost" || ends
        }
    }
}
