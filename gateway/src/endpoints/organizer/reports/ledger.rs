//! `GET …/ledger`: the trial balance of a sale.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use jiff::Timestamp;
use ledger::balances::{AccountBalance, TrialBalance, balances_report};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, json};
use crate::app::App;
use crate::endpoints::organizer::readable;
use crate::problem::Problem;
use crate::request::Request;

/// How long a report waits for balances that are far behind, which shortens the read; it is exact also without.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(3);

/// The trial balance of a sale. Amounts are minor units of the currency, or seats.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerBody {
    /// When it was read: everything booked until then is in it.
    #[schema(value_type = String, format = DateTime)]
    as_of: Timestamp,
    /// Every account, by unit of account and name; none before the sale is published.
    accounts: Vec<AccountBody>,
    /// The sums per unit of account; their balances are zero.
    totals: Vec<TotalBody>,
}

/// What was booked on an account.
#[derive(Serialize, ToSchema)]
pub(crate) struct AccountBody {
    /// Its name.
    #[schema(example = "organizer_payable")]
    account: String,
    /// A currency, or `seats:` and a tier.
    #[schema(example = "eur")]
    unit_of_account: String,
    /// All debits.
    debits: i64,
    /// All credits, as a positive number.
    #[schema(example = 4_500)]
    credits: i64,
    /// Debits less credits.
    #[schema(example = -4_500)]
    balance: i64,
}

/// The sums of one unit of account.
#[derive(Serialize, ToSchema)]
pub(crate) struct TotalBody {
    /// A currency, or `seats:` and a tier.
    #[schema(example = "eur")]
    unit_of_account: String,
    /// All debits.
    debits: i64,
    /// All credits, as a positive number.
    credits: i64,
    /// Debits less credits: zero, or the books are broken.
    #[schema(example = 0)]
    balance: i64,
}

/// `GET /v1/organizer/sales/{sale}/ledger`
pub(crate) async fn show(app: &Arc<App>, request: &Request) -> Result<Answer, Problem> {
    let sale = readable(app, request).await?;
    Ok(json(StatusCode::OK, &LedgerBody::from(balances_report(&app.ledger, sale.id, CAUGHT_UP_WITHIN).await?)))
}

impl From<TrialBalance> for LedgerBody {
    fn from(TrialBalance { as_of, accounts }: TrialBalance) -> Self {
        let mut sums: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for account in &accounts {
            let (debits, credits) = sums.entry(&account.unit_of_account).or_default();
            *debits += account.debits;
            *credits += account.credits;
        }
        let total = |(unit_of_account, (debits, credits)): (&str, (i64, i64))| TotalBody {
            unit_of_account: unit_of_account.to_owned(),
            debits,
            credits,
            balance: debits - credits,
        };
        let totals = sums.into_iter().map(total).collect();
        Self { as_of, totals, accounts: accounts.into_iter().map(AccountBody::from).collect() }
    }
}

impl From<AccountBalance> for AccountBody {
    fn from(of: AccountBalance) -> Self {
        let balance = of.balance();
        let AccountBalance { account, unit_of_account, debits, credits } = of;
        Self { account, unit_of_account, debits, credits, balance }
    }
}
