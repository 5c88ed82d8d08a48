//! What SQL functions answer as JSON documents, parsed into the types of this crate.
//!
//! The shapes are those of `order_document`, `payment_document` and `attempt_document`. Ids are plain UUIDs there.

use domain::keyring::Kid;
use domain::memo::{Contact, Memo};
use domain::order::{Finality, OrderState};
use domain::payment::PaymentState;
use domain::price::{LineKind, OrderLine};
use domain::sale::CaptureMode;
use domain::{Currency, HoldId, Money, OrderId, PaymentId, PlaceNumber, SaleId, TicketId, TierId, UnitNo};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

use crate::LedgerError;
use crate::orders::OrderRow;
use crate::payments::{PaymentAttempt, PaymentRow};
use crate::tickets::{TicketRow, TicketState};

/// A document in its shape.
///
/// # Errors
/// It has another one.
pub(crate) fn read<T: DeserializeOwned>(document: Value) -> Result<T, LedgerError> {
    serde_json::from_value(document).map_err(|error| LedgerError::Corrupt(error.to_string()))
}

/// Units as `[["ga", 0], …]`.
pub(crate) type Units = Vec<(TierId, UnitNo)>;

#[derive(Deserialize)]
pub(crate) struct OrderDocument {
    id: Uuid,
    sale: Uuid,
    hold: Uuid,
    number: u64,
    state: OrderState,
    open: bool,
    currency: Currency,
    total: i64,
    created_at: Timestamp,
    expires_at: Timestamp,
    lines: Vec<LineDocument>,
    units: Units,
    payment: Option<PaymentDocument>,
    tickets: Vec<TicketDocument>,
}

#[derive(Deserialize)]
struct LineDocument {
    kind: LineKind,
    name: String,
    tier: TierId,
    quantity: u32,
    amount: i64,
}

#[derive(Deserialize)]
pub(crate) struct PaymentDocument {
    id: Uuid,
    sale: Uuid,
    order: Uuid,
    attempt: u32,
    state: PaymentState,
    intent: Option<String>,
    amount: i64,
    currency: Currency,
    capture: CaptureMode,
    captured: i64,
    refunded: i64,
    failure: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct AttemptDocument {
    #[serde(flatten)]
    payment: PaymentDocument,
    confirmation_token: String,
    return_url: String,
    description: String,
    key: String,
    memo: Option<MemoDocument>,
    memo_kid: Option<String>,
}

#[derive(Deserialize)]
struct MemoDocument {
    hold: Uuid,
    number: u64,
    email: Option<String>,
    name: Option<String>,
    units: Units,
}

#[derive(Deserialize)]
struct TicketDocument {
    id: Uuid,
    reference: String,
    tier: TierId,
    unit: UnitNo,
    rotation: u16,
    qr_kid: String,
    state: String,
}

impl OrderDocument {
    pub(crate) fn row(self) -> Result<OrderRow, LedgerError> {
        let currency = self.currency;
        Ok(OrderRow {
            id: OrderId::from_uuid(self.id),
            sale: SaleId::from_uuid(self.sale),
            hold: HoldId::from_uuid(self.hold),
            number: PlaceNumber(self.number),
            state: self.state,
            finality: if self.open { Finality::Open } else { Finality::Final },
            total: Money::new(self.total, currency),
            lines: self.lines.into_iter().map(|line| line.line(currency)).collect(),
            units: self.units,
            created_at: self.created_at,
            expires_at: self.expires_at,
            payment: self.payment.map(PaymentDocument::row),
            tickets: self.tickets.into_iter().map(TicketDocument::row).collect::<Result<_, _>>()?,
        })
    }
}

impl LineDocument {
    fn line(self, currency: Currency) -> OrderLine {
        let amount = Money::new(self.amount, currency);
        OrderLine { kind: self.kind, name: self.name, tier: self.tier, quantity: self.quantity, amount }
    }
}

impl PaymentDocument {
    pub(crate) fn row(self) -> PaymentRow {
        PaymentRow {
            id: PaymentId::from_uuid(self.id),
            attempt: self.attempt,
            state: self.state,
            intent: self.intent,
            amount: Money::new(self.amount, self.currency),
            capture: self.capture,
            captured: self.captured,
            refunded: self.refunded,
            failure: self.failure,
        }
    }
}

impl AttemptDocument {
    pub(crate) fn attempt(self) -> Result<PaymentAttempt, LedgerError> {
        let unreadable = || LedgerError::Corrupt(format!("the key of payment {}", self.payment.id));
        let kid = self.memo_kid.map(|kid| kid_of(&kid).ok_or_else(unreadable)).transpose()?;
        Ok(PaymentAttempt {
            id: PaymentId::from_uuid(self.payment.id),
            sale: SaleId::from_uuid(self.payment.sale),
            order: OrderId::from_uuid(self.payment.order),
            attempt: self.payment.attempt,
            amount: Money::new(self.payment.amount, self.payment.currency),
            capture: self.payment.capture,
            confirmation_token: self.confirmation_token,
            return_url: self.return_url,
            description: self.description,
            key: self.key,
            memo: self.memo.map(MemoDocument::memo).zip(kid),
        })
    }
}

impl MemoDocument {
    fn memo(self) -> Memo {
        Memo {
            hold: HoldId::from_uuid(self.hold),
            number: PlaceNumber(self.number),
            units: self.units,
            contact: self.email.zip(self.name).map(|(email, name)| Contact { email, name }),
        }
    }
}

impl TicketDocument {
    fn row(self) -> Result<TicketRow, LedgerError> {
        let unreadable = || LedgerError::Corrupt(format!("ticket {}", self.id));
        Ok(TicketRow {
            id: TicketId::from_uuid(self.id),
            qr_kid: kid_of(&self.qr_kid).ok_or_else(unreadable)?,
            state: TicketState::from_word(&self.state).ok_or_else(unreadable)?,
            reference: self.reference,
            tier: self.tier,
            unit: self.unit,
            rotation: self.rotation,
        })
    }
}

fn kid_of(text: &str) -> Option<Kid> {
    let mut bytes = [0; Kid::BYTES];
    bytes.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Kid::from_bytes(bytes)
}

/// The word of a line's kind in the database.
pub(crate) const fn line_word(kind: LineKind) -> &'static str {
    match kind {
        LineKind::Base => "base",
        LineKind::Fee => "fee",
        LineKind::Tax => "tax",
    }
}

/// The word of a capture mode in the database.
pub(crate) const fn capture_word(capture: CaptureMode) -> &'static str {
    match capture {
        CaptureMode::Manual => "manual",
        CaptureMode::Automatic => "automatic",
    }
}

/// The mode of such a word.
pub(crate) fn capture_mode(word: &str) -> Result<CaptureMode, LedgerError> {
    [CaptureMode::Manual, CaptureMode::Automatic]
        .into_iter()
        .find(|mode| capture_word(*mode) == word)
        .ok_or_else(|| LedgerError::Corrupt(format!("a payment is captured {word}")))
}

/// Units of two such columns.
pub(crate) fn units_of(tiers: &[&str], numbers: &[i32]) -> Result<Units, LedgerError> {
    let unit = |(tier, number): (&&str, &i32)| {
        let tier = tier.parse().map_err(|_| LedgerError::Corrupt(format!("tier {tier}")))?;
        Ok((tier, UnitNo(crate::numbers::fit(*number)?)))
    };
    tiers.iter().zip(numbers).map(unit).collect()
}

/// Units as two columns, the way SQL takes them.
pub(crate) fn unit_columns(units: &[(TierId, UnitNo)]) -> Result<(Vec<&str>, Vec<i32>), LedgerError> {
    let tiers = units.iter().map(|(tier, _)| tier.as_str()).collect();
    let numbers = units.iter().map(|(_, unit)| crate::numbers::fit(unit.0)).collect::<Result<_, _>>()?;
    Ok((tiers, numbers))
}
