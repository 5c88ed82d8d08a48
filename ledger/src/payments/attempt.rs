//! Attempts: written down, sent, answered, and given up when nobody ever heard an answer.
//!
//! An attempt is a row before it is a call. From then on its outcome is unknown until Stripe's answer or its event is written
//! down: until then it is *unheard of* (`planned`, without an intent). It is the one rule for giving up what is unheard of:
//!
//! ```text
//!  begun ──► sent, for ATTEMPT_SENT_S after each press of Pay ──► looked for ──► NEVER_MADE_AFTER_S later: never made
//!    │           │ pressed again within ATTEMPT_TAKEN_UP_S: the same call, the same key
//!    │           │ its key is spent: looked for from now on
//!    └───────────┴──────────► heard of: an answer, an event, or found
//! ```
//!
//! | when | who | does |
//! |---|---|---|
//! | while it may be sent | the gateway that was asked ([`payment_begin`]) | sends the call under its key, which finds out |
//! | its key is spent: Stripe repeats a failure under it | that gateway ([`payment_key_spent`]) | sends it no more; a decline is not concluded |
//! | from then on, or when nobody sends it any more | workers ([`super::attempts_look`]) | look for it by its order and its number |
//! | it is found | workers | fetch and apply it, as if they had heard |
//! | Stripe has nothing of it, [`NEVER_MADE_AFTER_S`](domain::payment::NEVER_MADE_AFTER_S) after it may last have been sent | workers ([`super::payment_never_made`]) | end it; the next press of Pay is another attempt with a key of its own |
//!
//! Whoever presses without a card (no confirmation token) goes on with the attempt that is under way and begins none: the same
//! function under the same lock decides, so an attempt that ends meanwhile is not followed by one that has nothing to pay with.
//!
//! The atomic step: all of these lock the order and decide by what its payment is then. So whoever presses Pay while it ends
//! either takes it up before, and it does not end, or begins another after. Where a reply is lost nothing is: beginning again
//! is resuming, looking again is reading, and what has ended ends once. So an order waits for at most
//! [`ATTEMPT_TAKEN_UP_S`](domain::payment::ATTEMPT_TAKEN_UP_S) + [`ATTEMPT_SENT_S`](domain::payment::ATTEMPT_SENT_S) +
//! [`NEVER_MADE_AFTER_S`](domain::payment::NEVER_MADE_AFTER_S) and a look, and as long as Stripe is away. An order whose own
//! time is over ends then, and what is found for it later is let go.
//!
//! Should an intent turn up all the same after its attempt was ended, it is that attempt's, by the number that it carries (V47), and
//! its payment is one that failed: what it promises is cancelled, what it took goes back. Whose place was taken is given up as soon
//! as it is heard of.

use domain::keyring::Kid;
use domain::memo::Memo;
use domain::order::OrderState;
use domain::payment::IntentFacts;
use domain::sale::CaptureMode;
use domain::{Money, OrderId, PaymentId, SaleId};
use serde::Deserialize;
use tokio_postgres::types::ToSql;

use super::PaymentRow;
use super::news::apply_answer;
use crate::documents::{self, AttemptDocument, PaymentDocument, capture_word};
use crate::numbers::fit;
use crate::orders::ORDER_LIFE_MAX_S;
use crate::{Ledger, LedgerError};

/// An attempt to be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayment {
    /// The id of the attempt, if a new one begins.
    pub id: PaymentId,
    /// The sale.
    pub sale: SaleId,
    /// What is paid.
    pub order: OrderId,
    /// How it is paid, `ctoken_…`; with none no attempt begins, and the one that is under way is gone on with.
    pub confirmation_token: Option<String>,
    /// Where 3-D Secure returns to.
    pub return_url: String,
    /// What the buyer reads on the statement of the account.
    pub description: String,
    /// When an authorised payment is captured.
    pub capture: CaptureMode,
    /// Real money or a test; events of the other kind never touch this payment.
    pub livemode: bool,
    /// How long the attempt may take: the order's clock moves to at least that, within the order's life.
    pub window_s: u32,
    /// The key that seals whose the order is in what Stripe is told of it.
    pub memo_kid: Kid,
}

/// Everything the call to Stripe is made of. Written down before the call, so that a repeated call is the same call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PaymentAttempt {
    /// The attempt.
    pub id: PaymentId,
    /// The sale.
    pub sale: SaleId,
    /// What is paid.
    pub order: OrderId,
    /// Number of the attempt within the order, from 1.
    pub attempt: u32,
    /// How much.
    pub amount: Money,
    /// How, `ctoken_…`.
    pub confirmation_token: String,
    /// Where 3-D Secure returns to.
    pub return_url: String,
    /// What the buyer reads on the statement of the account.
    pub description: String,
    /// When an authorised payment is captured.
    pub capture: CaptureMode,
    /// The idempotency key of the call, `create:{order}:{attempt}`.
    pub key: String,
    /// What Stripe is told of the order, and the key that seals whose it is; none in an attempt that began before it was told.
    pub memo: Option<(Memo, Kid)>,
}

/// What came of pressing Pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BeginPayment {
    /// Make this call.
    Begun(PaymentAttempt),
    /// An attempt's outcome is unknown: make this same call again.
    Resume(PaymentAttempt),
    /// An attempt's outcome is unknown, and sending it again would not tell: it is being looked for.
    LookedFor,
    /// An attempt is under way at Stripe: fetch it.
    Live(PaymentRow),
    /// No attempt is under way, and without a confirmation token none begins.
    NothingUnderWay,
    /// The order's clock ran out.
    OrderExpired,
    /// The order is past paying.
    NotPayable(OrderState),
    /// There is nothing to pay.
    FreeOrder,
    /// No such order.
    NotFound,
}

/// What Stripe answered to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StripeAnswer {
    /// There is an intent.
    Intent(IntentFacts),
    /// The card was declined.
    Declined {
        /// Why, in Stripe's words.
        code: String,
        /// The intent that was made nevertheless.
        intent: Option<String>,
    },
    /// Stripe refused the call; nothing was made.
    Refused {
        /// Why, in Stripe's words.
        code: String,
    },
}

/// How order and payment stand after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// The order.
    pub order: OrderState,
    /// The payment.
    pub payment: PaymentRow,
}

pub(super) const BEGIN: &str = "
    SELECT payment_begin($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
      FROM set_config('onsale.trace', $12, true)";

pub(super) const REFUSED: &str = "SELECT payment_refused($1, $2, $3, $4, $5)";

pub(super) const KEY_SPENT: &str = "SELECT payment_key_spent($1, $2, $3)";

pub(super) const LOOK: &str = "SELECT order_and_payment($1, $2)";

#[derive(Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
enum BeginDocument {
    Begun { attempt: AttemptDocument },
    Resume { attempt: AttemptDocument },
    LookedFor,
    Live { payment: PaymentDocument },
    NothingUnderWay,
    OrderExpired,
    NotPayable { state: OrderState },
    FreeOrder,
    NotFound,
}

#[derive(Deserialize)]
struct AnsweredDocument {
    order: OrderState,
    payment: PaymentDocument,
}

/// Begins an attempt, or says why not.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_begin(ledger: &Ledger, payment: &NewPayment) -> Result<BeginPayment, LedgerError> {
    let (window_s, life_max_s) = (fit::<_, i32>(payment.window_s)?, fit::<_, i32>(ORDER_LIFE_MAX_S)?);
    let (id, sale, order) = (payment.id.uuid(), payment.sale.uuid(), payment.order.uuid());
    let (capture, kid) = (capture_word(payment.capture), payment.memo_kid.to_string());
    #[rustfmt::skip]
    let params: [&(dyn ToSql + Sync); 11] = [
        &id, &sale, &order, &payment.confirmation_token, &payment.return_url, &payment.description, &capture,
        &payment.livemode, &window_s, &life_max_s, &kid,
    ];
    let row = ledger.one_traced(BEGIN, &params).await?;
    Ok(match documents::read(row.try_get(0)?)? {
        BeginDocument::Begun { attempt } => BeginPayment::Begun(attempt.attempt()?),
        BeginDocument::Resume { attempt } => BeginPayment::Resume(attempt.attempt()?),
        BeginDocument::LookedFor => BeginPayment::LookedFor,
        BeginDocument::Live { payment } => BeginPayment::Live(payment.row()),
        BeginDocument::NothingUnderWay => BeginPayment::NothingUnderWay,
        BeginDocument::OrderExpired => BeginPayment::OrderExpired,
        BeginDocument::NotPayable { state } => BeginPayment::NotPayable(state),
        BeginDocument::FreeOrder => BeginPayment::FreeOrder,
        BeginDocument::NotFound => BeginPayment::NotFound,
    })
}

/// Writes down what Stripe answered. An outcome that is not known is not an answer: leave the attempt as it is.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_answered(
    ledger: &Ledger,
    attempt: &PaymentAttempt,
    answer: &StripeAnswer,
) -> Result<Answered, LedgerError> {
    let (sale, order, payment) = (attempt.sale.uuid(), attempt.order.uuid(), attempt.id.uuid());
    match answer {
        StripeAnswer::Intent(facts) => apply_answer(ledger, attempt.id, facts).await?,
        StripeAnswer::Declined { code, intent } => {
            ledger.one(REFUSED, &[&sale, &order, &payment, intent, code]).await?;
        }
        StripeAnswer::Refused { code } => {
            ledger.one(REFUSED, &[&sale, &order, &payment, &None::<String>, code]).await?;
        }
    }
    let row = ledger.one(LOOK, &[&sale, &payment]).await?;
    let document = row.try_get::<_, Option<_>>(0)?;
    let document = document.ok_or_else(|| LedgerError::Corrupt(format!("payment {} is not there", attempt.id)))?;
    let AnsweredDocument { order, payment } = documents::read(document)?;
    Ok(Answered { order, payment: payment.row() })
}

/// Writes down that Stripe repeats a failure under the attempt's key: from now on it is looked for.
///
/// # Errors
/// The database is away or refuses.
pub async fn payment_key_spent(ledger: &Ledger, attempt: &PaymentAttempt) -> Result<(), LedgerError> {
    ledger.one(KEY_SPENT, &[&attempt.sale.uuid(), &attempt.order.uuid(), &attempt.id.uuid()]).await.map(drop)
}
