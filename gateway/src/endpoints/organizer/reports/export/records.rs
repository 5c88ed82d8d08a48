//! The records of an export: which columns there are, and what an order, a line, a payment, a
//! refund and a dispute put into them.

use domain::price::LineKind;
use jiff::Timestamp;
use ledger::orders::export::{LineRecord, OrderRecord, PaymentRecord};
use ledger::orders::returns::{DisputeRecord, RefundRecord};

use crate::csv::{Cell, record};

macro_rules! columns {
    ($($name:ident),+) => {
        const COLUMNS: &[&str] = &[$(stringify!($name)),+];

        /// One record: a cell for each column, empty unless it is named.
        #[derive(Default)]
        struct Row<'a> {
            $($name: Cell<'a>,)+
        }

        impl Row<'_> {
            fn write(&self, text: &mut String) {
                record(text, &[$(self.$name),+]);
            }
        }
    };
}

columns!(
    record, order, id, number, state, at, kind, name, tier, quantity, currency, amount, captured, refunded, reference,
    base, fee, tax, disputed, lost
);

/// The first record: the names of the columns.
pub(super) fn header() -> String {
    let mut text = String::new();
    let names: Vec<_> = COLUMNS.iter().map(|name| Cell::Text(name)).collect();
    record(&mut text, &names);
    text
}

/// The last record: when the export began, and how many orders it has.
pub(super) fn end(text: &mut String, as_of: Timestamp, orders: usize) {
    let at = as_of.to_string();
    let quantity = Cell::Number(i64::try_from(orders).expect("orders are counted in memory"));
    Row { record: Cell::Text("end"), at: Cell::Text(&at), quantity, ..Row::default() }.write(text);
}

/// An order with its lines, payments, refunds and disputes.
pub(super) fn of_order(text: &mut String, order: &OrderRecord) {
    let (id, number, at) = (order.id.to_string(), order.number.0.to_string(), order.created_at.to_string());
    let sum = |of: fn(&PaymentRecord) -> i64| Cell::Number(order.payments.iter().map(of).sum());
    let of = Of { order: Cell::Text(&id), currency: Cell::Text(order.currency.as_str()) };
    Row {
        id: of.order,
        number: Cell::Text(&number),
        state: Cell::Text(order.state.word()),
        at: Cell::Text(&at),
        amount: Cell::Number(order.total),
        captured: sum(|payment| payment.captured),
        refunded: sum(|payment| payment.refunded),
        disputed: sum(|payment| payment.disputed),
        ..of.row("order")
    }
    .write(text);
    order.lines.iter().for_each(|line| of.line(text, line));
    order.refunds.iter().for_each(|refund| of.refund(text, refund));
    for payment in &order.payments {
        of.payment(text, payment);
        payment.refunds.iter().for_each(|refund| of.refund(text, refund));
        payment.disputes.iter().for_each(|dispute| of.dispute(text, dispute));
    }
}

/// What all records of one order have.
struct Of<'a> {
    order: Cell<'a>,
    currency: Cell<'a>,
}

impl<'a> Of<'a> {
    fn row(&self, record: &'a str) -> Row<'a> {
        Row { record: Cell::Text(record), order: self.order, currency: self.currency, ..Row::default() }
    }

    fn line(&self, text: &mut String, line: &LineRecord) {
        let kind = match line.kind {
            LineKind::Base => "base",
            LineKind::Fee => "fee",
            LineKind::Tax => "tax",
        };
        Row {
            kind: Cell::Text(kind),
            name: Cell::Text(&line.name),
            tier: Cell::Text(line.tier.as_str()),
            quantity: Cell::Number(line.quantity.into()),
            amount: Cell::Number(line.amount),
            ..self.row("line")
        }
        .write(text);
    }

    fn payment(&self, text: &mut String, payment: &PaymentRecord) {
        let (id, at) = (payment.id().to_string(), payment.begun_at.to_string());
        Row {
            id: Cell::Text(&id),
            state: Cell::Text(payment.state.word()),
            at: Cell::Text(&at),
            amount: Cell::Number(payment.amount),
            captured: Cell::Number(payment.captured),
            refunded: Cell::Number(payment.refunded),
            disputed: Cell::Number(payment.disputed),
            reference: Cell::some(payment.intent.as_deref()),
            ..self.row("payment")
        }
        .write(text);
    }

    fn refund(&self, text: &mut String, refund: &RefundRecord) {
        let (id, at) = (refund.id().to_string(), refund.created_at.to_string());
        Row {
            id: Cell::Text(&id),
            state: Cell::Text(&refund.state),
            at: Cell::Text(&at),
            kind: Cell::Text(&refund.origin),
            name: Cell::Text(&refund.reason),
            quantity: Cell::Number(refund.tickets.into()),
            amount: Cell::Number(refund.amount),
            reference: Cell::some(refund.stripe_id.as_deref()),
            base: Cell::number(refund.base),
            fee: Cell::number(refund.fee),
            tax: Cell::number(refund.tax),
            ..self.row("refund")
        }
        .write(text);
    }

    /// Its amount is in the currency that the bank asks in; what is disputed and lost of the payment is in the order's.
    fn dispute(&self, text: &mut String, dispute: &DisputeRecord) {
        let at = dispute.opened_at.to_string();
        Row {
            state: Cell::Text(&dispute.status),
            at: Cell::Text(&at),
            currency: Cell::Text(dispute.currency.as_str()),
            amount: Cell::Number(dispute.amount),
            disputed: Cell::Number(dispute.withdrawn),
            lost: Cell::Number(dispute.lost),
            reference: Cell::Text(&dispute.stripe_id),
            ..self.row("dispute")
        }
        .write(text);
    }
}
