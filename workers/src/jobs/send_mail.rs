//! Tells a buyer something by mail.
//!
//! What it says is read from the ledger when it is sent, not when the job was written: a ticket that was voided in
//! between is not in it, and when none opens the door any more, nothing is sent: another letter told why. Of a refund that failed after
//! all nothing is said. Name and address live in a table of their own; when they were erased there is nobody to tell.

use domain::payment::PaymentState;
use domain::sale::{SaleConfig, Seating, StoredState};
use domain::ticket::TicketSigner;
use domain::token::{OrderToken, Signer};
use domain::{OrderId, SaleId};
use ledger::LedgerError;
use ledger::orders::{Contact, OrderRow, order_contact, order_fetch};
use ledger::outbox::MailKind;
use ledger::payments::CARD_LIMIT;
use ledger::refunds::{RefundRow, RefundState, refund_fetch};
use ledger::sales::{SaleName, SaleRow, sale_fetch};
use ledger::tickets::{TicketRow, TicketState};
use lettre::Message;
use lettre::message::Mailbox;
use tickets::calendar::Standing;
use tickets::order::{Bought, Held, Issued, KeyGone};
use tickets::pdf::Sheet;

use crate::context::Context;
use crate::mail::SendError;
use crate::mail::letter::{self, Back, Facts, Line, Ticket, Why};
use crate::mail::message::{self, Enclosed, Envelope, File, Picture};
use crate::outbox::mail_kind;
use crate::points::Point;
use crate::runner::Outcome;

/// Writes and sends one letter.
pub(crate) async fn run(context: &Context, sale: SaleId, order: OrderId, kind: MailKind) -> Outcome {
    let Some(mailer) = &context.mailer else {
        return Outcome::Away("no mail server is configured".to_owned());
    };
    let told = match read(context, sale, order, kind).await {
        Ok(Some(told)) => told,
        Ok(None) => return Outcome::Done("the buyer's name and address were erased"),
        Err(error) => return error.into(),
    };
    let has_failed = told.refund.as_ref().is_some_and(|refund| refund.state == RefundState::Failed);
    if has_failed && matches!(kind, MailKind::RefundMade(_)) {
        return Outcome::Done("the refund failed after all");
    }
    // That the sale was called off is all that its buyers have to hear then.
    let is_called_off = told.sale.state == StoredState::Cancelled;
    if is_called_off && matches!(kind, MailKind::OrderPaid) {
        return Outcome::Done("the sale was called off");
    }
    let opens_nothing = !told.order.tickets.iter().any(|ticket| ticket.state == TicketState::Valid);
    if opens_nothing && matches!(kind, MailKind::OrderPaid | MailKind::TicketsAgain(_)) {
        return Outcome::Done("no ticket opens the door any more");
    }
    let desk = Desk {
        signer: &context.signer,
        ticket_signer: &context.ticket_signer,
        public_url: &context.public_url,
        from: mailer.from(),
    };
    let message = match write(&desk, kind, &told).await {
        Ok(message) => message,
        Err(gone @ Unwritten::KeyGone(_)) => return Outcome::Retry(gone.to_string()),
        Err(Unwritten::Fault(why)) => return Outcome::Park(why),
    };
    let sent = mailer.send(message).await;
    context.points.pass(mail_kind(kind), Point::Between).await;
    match sent {
        Ok(()) => Outcome::Done("sent"),
        Err(error @ SendError::Refused(_)) => Outcome::Park(error.to_string()),
        Err(error @ SendError::Failed(_)) => Outcome::Retry(error.to_string()),
        Err(error @ SendError::Away(_)) => Outcome::Away(error.to_string()),
    }
}

/// Why a letter cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    /// A worker that was restarted has the key already, or this one will: keys come to one after the other.
    #[error(transparent)]
    KeyGone(#[from] KeyGone),
    /// No worker can.
    #[error("{0}")]
    Fault(String),
}

/// What letters are written with.
pub(crate) struct Desk<'a> {
    pub(crate) signer: &'a Signer,
    pub(crate) ticket_signer: &'a TicketSigner,
    /// How the outside sees the gateway, without a slash at the end.
    pub(crate) public_url: &'a str,
    pub(crate) from: &'a Mailbox,
}

/// Whom to tell about what.
pub(crate) struct Told {
    pub(crate) sale: SaleRow,
    pub(crate) order: OrderRow,
    pub(crate) contact: Contact,
    /// The refund that it is about, if it is about one.
    pub(crate) refund: Option<RefundRow>,
}

async fn read(context: &Context, sale: SaleId, order: OrderId, kind: MailKind) -> Result<Option<Told>, LedgerError> {
    let ledger = &context.ledger;
    let Some(contact) = order_contact(ledger, sale, order).await? else {
        return Ok(None);
    };
    let missing = |what: &str| LedgerError::Corrupt(format!("a mail about {order}, but no {what}"));
    let sale_row = sale_fetch(ledger, SaleName::Id(sale)).await?.ok_or_else(|| missing("sale"))?;
    let order_row = order_fetch(ledger, sale, order).await?.ok_or_else(|| missing("order"))?;
    let refund = match kind {
        MailKind::RefundMade(refund) | MailKind::RefundFailed(refund) | MailKind::SaleCancelled(Some(refund)) => {
            Some(refund_fetch(ledger, sale, refund).await?.ok_or_else(|| missing("refund"))?)
        }
        MailKind::OrderPaid
        | MailKind::OrderExpired
        | MailKind::PaymentReleased
        | MailKind::PaymentRefunded
        | MailKind::TicketsAgain(_)
        | MailKind::SaleCancelled(None) => None,
    };
    Ok(Some(Told { sale: sale_row, order: order_row, contact, refund }))
}

/// Writes a letter beside the other work: twenty pages keep a core for a while.
async fn write(desk: &Desk<'_>, kind: MailKind, told: &Told) -> Result<Message, Unwritten> {
    let sheets = sheets(desk, kind, told)?;
    let drawn = tokio::task::spawn_blocking(move || draw(&sheets));
    let drawn = drawn.await.map_err(|fault| Unwritten::Fault(fault.to_string()))??;
    compose(desk, kind, told, drawn)
}

/// Puts a letter into its envelope, with what is enclosed.
pub(crate) fn compose(
    desk: &Desk<'_>,
    kind: MailKind,
    told: &Told,
    mut enclosed: Enclosed,
) -> Result<Message, Unwritten> {
    let valid = valid(told);
    if !enclosed.files.is_empty() {
        enclosed.files.extend(calendar(desk, told));
    }
    let words = told.sale.config.letters.get(&letter::kind_in_config(kind));
    let letter = letter::write_with(kind, &facts(desk, told, &valid), words);
    let envelope = Envelope {
        from: desk.from,
        email: &told.contact.email,
        name: &told.contact.name,
        message_id: message_id(desk, kind, told.order.id),
    };
    message::seal(&letter, &envelope, enclosed).map_err(|fault| Unwritten::Fault(fault.to_string()))
}

fn facts(desk: &Desk<'_>, told: &Told, valid: &[&TicketRow]) -> Facts {
    let Told { sale, order, contact, refund } = told;
    Facts {
        name: contact.name.clone(),
        sale: sale.config.name.clone(),
        venue: sale.config.place().to_owned(),
        when: sale
            .config
            .performance()
            .map(|performance| tickets::dates::spoken(performance.starts_at, &sale.config.time_zone)),
        order: order.id.to_string(),
        lines: order
            .lines
            .iter()
            .map(|line| Line { label: format!("{} × {}", line.quantity, line.name), amount: line.amount.to_string() })
            .collect(),
        total: order.total.to_string(),
        tickets: valid.iter().zip(1..).map(|(ticket, number)| entry(&sale.config, ticket, number)).collect(),
        back: refund.as_ref().map(|refund| back(&sale.config, order, refund)),
        why: why(order),
        url: page(desk, told),
        opening: None,
    }
}

fn why(order: &OrderRow) -> Why {
    let Some(payment) = &order.payment else {
        return Why::TooLate;
    };
    match (payment.failure.as_deref(), payment.state) {
        (Some(CARD_LIMIT), _) => Why::CardLimit,
        // Nobody said no, so somebody did not say yes. It may be given up already.
        (None, PaymentState::RequiresAction | PaymentState::Cancelled) => Why::Unconfirmed,
        _ => Why::TooLate,
    }
}

fn back(config: &SaleConfig, order: &OrderRow, refund: &RefundRow) -> Back {
    let tickets = order.tickets.iter().filter(|ticket| refund.tickets.contains(&ticket.id));
    Back {
        amount: (refund.amount.minor > 0).then(|| refund.amount.to_string()),
        tickets: tickets.zip(1..).map(|(ticket, number)| entry(config, ticket, number)).collect(),
    }
}

fn entry(config: &SaleConfig, ticket: &TicketRow, number: usize) -> Ticket {
    let tier = config.tier(&ticket.tier);
    let seat = tier.and_then(|tier| Seating::of(tier)?.seat(ticket.unit));
    let tier = tier.map_or_else(|| ticket.tier.to_string(), |tier| tier.name.clone());
    Ticket { id: ticket.id.to_string(), tier, seat, number }
}

/// The page of the order. The token is in the fragment: it opens the order on any device, and is in no log and no
/// Referer on the way.
fn page(desk: &Desk<'_>, told: &Told) -> String {
    let token = desk.signer.sign_order(&OrderToken { sale: told.sale.id, order: told.order.id });
    format!("{}/s/{}/orders/{}#token={token}", desk.public_url, told.sale.slug, told.order.id)
}

fn valid(told: &Told) -> Vec<&TicketRow> {
    told.order.tickets.iter().filter(|ticket| ticket.state == TicketState::Valid).collect()
}

fn bought(told: &Told) -> Bought<'_> {
    Bought {
        sale: told.sale.id,
        version: told.sale.version,
        config: &told.sale.config,
        order: told.order.id,
        created_at: told.order.created_at,
        holder: Some(&told.contact.name),
    }
}

/// The tickets that a letter has, as pages to be drawn: the same as the gateway's.
pub(crate) fn sheets(desk: &Desk<'_>, kind: MailKind, told: &Told) -> Result<Vec<Sheet>, KeyGone> {
    match kind {
        MailKind::OrderPaid | MailKind::TicketsAgain(_) => {}
        MailKind::OrderExpired
        | MailKind::PaymentReleased
        | MailKind::PaymentRefunded
        | MailKind::RefundMade(_)
        | MailKind::RefundFailed(_)
        | MailKind::SaleCancelled(_) => return Ok(Vec::new()),
    }
    let sheet = |ticket: &TicketRow| {
        let issued = Issued {
            id: ticket.id,
            tier: &ticket.tier,
            unit: ticket.unit,
            rotation: ticket.rotation,
            kid: ticket.qr_kid,
        };
        bought(told).sheet(&issued, desk.ticket_signer)
    };
    valid(told).into_iter().map(sheet).collect()
}

/// The codes as pictures, and the tickets as a file to print.
pub(crate) fn draw(sheets: &[Sheet]) -> Result<Enclosed, Unwritten> {
    if sheets.is_empty() {
        return Ok(Enclosed::default());
    }
    let pictures = sheets.iter().map(picture).collect::<Result<_, _>>().map_err(Unwritten::Fault)?;
    let content = tickets::pdf::pdf(sheets).map_err(|fault| Unwritten::Fault(fault.to_string()))?;
    let file = File { name: "tickets.pdf".to_owned(), media_type: "application/pdf", content };
    Ok(Enclosed { pictures, files: vec![file] })
}

/// The date, where there is one.
fn calendar(desk: &Desk<'_>, told: &Told) -> Option<File> {
    let states = told.order.tickets.iter().map(|ticket| ticket.state != TicketState::Void);
    let visit = bought(told).visit(Held::of(states), Standing::Confirmed, host(desk))?;
    let content = tickets::calendar::calendar(&visit).into_bytes();
    Some(File { name: "calendar.ics".to_owned(), media_type: "text/calendar; charset=utf-8", content })
}

fn picture(sheet: &Sheet) -> Result<Picture, String> {
    let png = tickets::qr::png(&sheet.qr_text).map_err(|fault| fault.to_string())?;
    Ok(Picture { content_id: sheet.ticket.clone(), png })
}

fn message_id(desk: &Desk<'_>, kind: MailKind, order: OrderId) -> String {
    format!("{}.{order}@{}", letter::word(kind), host(desk))
}

pub(super) fn host<'a>(desk: &Desk<'a>) -> &'a str {
    let host = desk.public_url.split("://").last().and_then(|rest| rest.split(['/', ':']).next());
    host.filter(|host| !host.is_empty()).unwrap_or("onsale.invalid")
}
