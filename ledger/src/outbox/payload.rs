//! What a job's row says, as work. The shapes are those of `job_add`'s callers.

use domain::{Currency, EntryId, Money, OrderId, PaymentId, RefundId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{EntryMailKind, IntentCall, MailKind, Whose, Work};
use crate::documents::Units;

#[derive(Deserialize)]
struct CallPayload {
    order: Uuid,
    payment: Uuid,
    intent: String,
    key: String,
    urgent_after_s: Option<u64>,
}

#[derive(Deserialize)]
struct RefundPayload {
    #[serde(flatten)]
    call: CallPayload,
    refund: Uuid,
    amount: i64,
    currency: Currency,
}

#[derive(Deserialize)]
struct UnitsPayload {
    epoch: u32,
    #[serde(default)]
    whose: Whose,
    units: Units,
}

#[derive(Deserialize)]
struct MailPayload {
    order: Uuid,
}

#[derive(Deserialize)]
struct TicketsMailPayload {
    order: Uuid,
    letter: Uuid,
}

#[derive(Deserialize)]
struct RefundMailPayload {
    order: Uuid,
    refund: Uuid,
}

#[derive(Deserialize)]
struct CalledOffMailPayload {
    order: Uuid,
    refund: Option<Uuid>,
}

#[derive(Deserialize)]
struct EntryMailPayload {
    entry: Uuid,
}

/// The work of a job. One row that cannot be read must not keep the others from being claimed, so it is work too: to be
/// parked.
pub(super) fn work(id: Uuid, kind: &str, payload: Value) -> Work {
    let known = match kind {
        "payment_capture" => parse(&payload).map(CallPayload::call).map(Work::PaymentCapture),
        "payment_cancel" => parse(&payload).map(CallPayload::call).map(Work::PaymentCancel),
        "payment_check" => parse(&payload).map(CallPayload::call).map(Work::PaymentCheck),
        "payment_refund" => parse(&payload).map(RefundPayload::work),
        "units_return" => parse(&payload).map(|units: UnitsPayload| units.work(id)),
        "mail_order_paid" => mail(&payload, MailKind::OrderPaid),
        "mail_order_expired" => mail(&payload, MailKind::OrderExpired),
        "mail_payment_released" => mail(&payload, MailKind::PaymentReleased),
        "mail_payment_refunded" => mail(&payload, MailKind::PaymentRefunded),
        "mail_refund_made" => parse(&payload).map(|mail: RefundMailPayload| mail.work(MailKind::RefundMade)),
        "mail_refund_failed" => parse(&payload).map(|mail: RefundMailPayload| mail.work(MailKind::RefundFailed)),
        "mail_tickets_again" => parse(&payload).map(TicketsMailPayload::work),
        "mail_sale_cancelled" => parse(&payload).map(CalledOffMailPayload::work),
        "mail_waitlist_joined" => entry_mail(&payload, EntryMailKind::Joined),
        "mail_waitlist_offer" => entry_mail(&payload, EntryMailKind::Offer),
        "mail_waitlist_lapsed" => entry_mail(&payload, EntryMailKind::Lapsed),
        "mail_waitlist_cancelled" => entry_mail(&payload, EntryMailKind::Cancelled),
        _ => None,
    };
    known.unwrap_or_else(|| Work::Unknown { kind: kind.to_owned(), payload })
}

fn parse<T: DeserializeOwned>(payload: &Value) -> Option<T> {
    T::deserialize(payload).ok()
}

fn mail(payload: &Value, kind: MailKind) -> Option<Work> {
    parse(payload).map(|MailPayload { order }| Work::Mail { kind, order: OrderId::from_uuid(order) })
}

fn entry_mail(payload: &Value, kind: EntryMailKind) -> Option<Work> {
    parse(payload).map(|EntryMailPayload { entry }| Work::EntryMail { kind, entry: EntryId::from_uuid(entry) })
}

impl CallPayload {
    fn call(self) -> IntentCall {
        IntentCall {
            order: OrderId::from_uuid(self.order),
            payment: PaymentId::from_uuid(self.payment),
            intent: self.intent,
            key: self.key,
            urgent_after_s: self.urgent_after_s,
        }
    }
}

impl RefundPayload {
    fn work(self) -> Work {
        let (refund, amount) = (RefundId::from_uuid(self.refund), Money::new(self.amount, self.currency));
        Work::PaymentRefund { refund, call: self.call.call(), amount }
    }
}

impl TicketsMailPayload {
    fn work(self) -> Work {
        Work::Mail { kind: MailKind::TicketsAgain(self.letter), order: OrderId::from_uuid(self.order) }
    }
}

impl RefundMailPayload {
    fn work(self, kind: fn(RefundId) -> MailKind) -> Work {
        let kind = kind(RefundId::from_uuid(self.refund));
        Work::Mail { kind, order: OrderId::from_uuid(self.order) }
    }
}

impl CalledOffMailPayload {
    fn work(self) -> Work {
        let kind = MailKind::SaleCancelled(self.refund.map(RefundId::from_uuid));
        Work::Mail { kind, order: OrderId::from_uuid(self.order) }
    }
}

impl UnitsPayload {
    /// The request is named by the job: whoever runs it, and however often, returns the units once.
    fn work(self, id: Uuid) -> Work {
        let request = Sha256::digest([b"units_return".as_slice(), id.as_bytes()].concat()).into();
        Work::UnitsReturn { request, epoch: self.epoch, whose: self.whose, units: self.units }
    }
}
