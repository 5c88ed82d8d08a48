//! I6: one ticket a payment reference and unit, whose id is computed from them.

use domain::ticket::ticket_id;
use domain::{TicketId, TierId, UnitNo};
use tokio_postgres::{Row, Transaction};
use uuid::Uuid;

use super::{BREACHES_MAX, Invariant};
use crate::LedgerError;
use crate::numbers::fit;

pub(super) const I6: Invariant = Invariant {
    number: "I6",
    title: "one ticket a payment reference and unit, with the id computed from them",
    figures: &["tickets", "valid", "used", "void"],
    count: "
        SELECT count(*), count(*) FILTER (WHERE state = 'valid'), count(*) FILTER (WHERE state = 'used'),
               count(*) FILTER (WHERE state = 'void')
          FROM tickets WHERE sale_id = coalesce($1::uuid, sale_id)",
    find: "
        SELECT format('%s tickets for unit %s %s of %s', count(*), tier_id, unit_no, payment_reference) AS breach
          FROM tickets WHERE sale_id = coalesce($1::uuid, sale_id)
         GROUP BY sale_id, payment_reference, tier_id, unit_no HAVING count(*) > 1
         UNION ALL
        SELECT format('ticket %s of sale %s: its reference %s paid no order that has its unit', t.id, t.sale_id,
                      t.payment_reference)
          FROM tickets t
          JOIN orders o ON o.sale_id = t.sale_id AND o.id = t.order_id
          LEFT JOIN order_units u ON u.sale_id = t.sale_id AND u.order_id = t.order_id
                                 AND u.tier_id = t.tier_id AND u.unit_no = t.unit_no
          LEFT JOIN payments p ON p.sale_id = t.sale_id AND p.order_id = t.order_id
                              AND p.intent_id = t.payment_reference AND p.state = 'captured'
         WHERE t.sale_id = coalesce($1, t.sale_id)
           AND (u.order_id IS NULL OR (p.id IS NULL AND o.total > 0))
         LIMIT $2::bigint",
};

/// Tickets looked at together: a page is a few megabytes at most.
const PAGE_TICKETS: i64 = 10_000;

pub(super) const PAGE: &str = "
    SELECT sale_id, id, payment_reference, tier_id, unit_no FROM tickets
     WHERE sale_id = coalesce($1::uuid, sale_id) AND (sale_id, id) > ($2::uuid, $3::uuid)
     ORDER BY sale_id, id LIMIT $4::bigint";

/// Tickets whose id is not the one computed from what was paid for.
pub(super) async fn wrong_ids(snapshot: &Transaction<'_>, sale: Option<Uuid>) -> Result<Vec<String>, LedgerError> {
    let mut breaches = Vec::new();
    let mut after = (Uuid::nil(), Uuid::nil());
    loop {
        let page = snapshot.query(PAGE, &[&sale, &after.0, &after.1, &PAGE_TICKETS]).await?;
        for row in &page {
            after = (row.try_get(0)?, row.try_get(1)?);
            let computed = computed_id(row)?;
            if computed.uuid() != after.1 && fit::<_, i64>(breaches.len())? < BREACHES_MAX {
                breaches.push(format!("ticket {} should be {computed}", TicketId::from_uuid(after.1)));
            }
        }
        if page.is_empty() {
            return Ok(breaches);
        }
    }
}

fn computed_id(row: &Row) -> Result<TicketId, LedgerError> {
    let (reference, tier): (&str, &str) = (row.try_get(2)?, row.try_get(3)?);
    let tier: TierId = tier.parse().map_err(|error| LedgerError::Corrupt(format!("tier {tier}: {error}")))?;
    Ok(ticket_id(reference, &tier, UnitNo(fit(row.try_get::<_, i32>(4)?)?)))
}
