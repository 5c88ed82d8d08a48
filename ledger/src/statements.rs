//! Every statement this crate sends, so that a test can prepare them all and people can read them.

use crate::{audit, epochs, holds, idempotency, inbox, orders, organizers, outbox, payments, queue, sales};

/// The modules' statements, one after the other.
pub fn all() -> impl Iterator<Item = &'static str> {
    let modules = [
        organizers::STATEMENTS,
        sales::STATEMENTS,
        epochs::STATEMENTS,
        queue::STATEMENTS,
        holds::STATEMENTS,
        orders::STATEMENTS,
        payments::STATEMENTS,
        idempotency::STATEMENTS,
        inbox::STATEMENTS,
        outbox::STATEMENTS,
        audit::STATEMENTS,
    ];
    modules.into_iter().flatten().copied()
}
