//! Every statement this crate sends, so that a test can prepare them all and people can read them.

use crate::{
    access_codes, audit, balance_transactions, balances, checkins, dead_letters, disputes, draws, epochs, holds,
    idempotency, inbox, intent_claims, notices, orders, organizers, outbox, payments, pruning, queue, rebuild,
    reconciliations, recovery, refunds, registrations, sales, seals, server, starts, tickets, units, waitlist,
    withholdings,
};

/// The modules' statements, one after the other.
pub fn all() -> impl Iterator<Item = &'static str> {
    let modules = [
        organizers::STATEMENTS,
        sales::STATEMENTS,
        sales::cancelling::STATEMENTS,
        sales::change::STATEMENTS,
        notices::STATEMENTS,
        access_codes::STATEMENTS,
        registrations::STATEMENTS,
        draws::STATEMENTS,
        epochs::STATEMENTS,
        queue::STATEMENTS,
        rebuild::STATEMENTS,
        holds::STATEMENTS,
        units::STATEMENTS,
        withholdings::STATEMENTS,
        waitlist::STATEMENTS,
        waitlist::claims::STATEMENTS,
        waitlist::tending::STATEMENTS,
        waitlist::figures::STATEMENTS,
        waitlist::watching::STATEMENTS,
        orders::STATEMENTS,
        orders::list::STATEMENTS,
        orders::statement::STATEMENTS,
        orders::export::STATEMENTS,
        payments::STATEMENTS,
        refunds::STATEMENTS,
        tickets::STATEMENTS,
        checkins::STATEMENTS,
        disputes::STATEMENTS,
        balance_transactions::STATEMENTS,
        balances::STATEMENTS,
        idempotency::STATEMENTS,
        inbox::STATEMENTS,
        intent_claims::STATEMENTS,
        outbox::STATEMENTS,
        starts::STATEMENTS,
        dead_letters::STATEMENTS,
        reconciliations::STATEMENTS,
        recovery::STATEMENTS,
        pruning::STATEMENTS,
        audit::STATEMENTS,
        seals::STATEMENTS,
        server::STATEMENTS,
    ];
    modules.into_iter().flatten().copied()
}
