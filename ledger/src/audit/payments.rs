//! I4, I5 and I12: events take effect once, nobody pays for nothing, nothing goes back that did not come.

use super::Invariant;

/// A payment's money by the books: captured and refunded are what its transfers moved through the clearing account, disputed is
/// what disputes moved into their own.
pub(super) const I4: Invariant = Invariant {
    number: "I4",
    title: "an event takes effect once: payments and books agree",
    figures: &["events", "pending", "oldest_pending_s", "quarantined", "parked", "deliveries", "payments"],
    count: "
        SELECT count(*), count(*) FILTER (WHERE state = 'pending'),
               coalesce(extract(epoch FROM onsale_now() - min(received_at) FILTER (WHERE state = 'pending')), 0)::bigint,
               count(*) FILTER (WHERE state = 'quarantined'), count(*) FILTER (WHERE state = 'parked'),
               coalesce(sum(deliveries), 0)::bigint,
               (SELECT count(*) FROM payments WHERE sale_id = coalesce($1::uuid, sale_id))
          FROM inbox",
    find: "
        WITH booked AS (
            SELECT t.sale_id, t.reference,
                   coalesce(sum(e.amount) FILTER (WHERE t.kind IN ('captured', 'captured_late')), 0) AS captured,
                   coalesce(-sum(e.amount) FILTER (WHERE t.kind IN ('refunded', 'refund_reversed')), 0) AS refunded,
                   coalesce(sum(e.amount) FILTER (WHERE t.kind = 'dispute_borne' AND e.account = 'disputed'), 0) AS disputed
              FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
             WHERE t.sale_id = coalesce($1::uuid, t.sale_id) AND e.account IN ('payment_clearing', 'disputed')
             GROUP BY t.sale_id, t.reference),
        promised AS (
            SELECT t.sale_id, t.reference, count(*) AS times, count(r.id) AS resolved
              FROM transfers t LEFT JOIN transfers r ON r.sale_id = t.sale_id AND r.resolves = t.id
             WHERE t.sale_id = coalesce($1, t.sale_id) AND t.kind = 'authorised'
             GROUP BY t.sale_id, t.reference)
        SELECT format('payment %s of sale %s: captured %s, refunded %s and disputed %s, by the books %s, %s and %s', p.id, p.sale_id,
                      p.captured, p.refunded, p.disputed, coalesce(b.captured, 0), coalesce(b.refunded, 0),
                      coalesce(b.disputed, 0)) AS breach
          FROM payments p LEFT JOIN booked b ON b.sale_id = p.sale_id AND b.reference = p.intent_id
         WHERE p.sale_id = coalesce($1, p.sale_id)
           AND (p.captured <> coalesce(b.captured, 0) OR p.refunded <> coalesce(b.refunded, 0)
                OR p.disputed <> coalesce(b.disputed, 0))
         UNION ALL
        SELECT format('payment intent %s of sale %s is in the books but no payment', b.reference, b.sale_id)
          FROM booked b LEFT JOIN payments p ON p.sale_id = b.sale_id AND p.intent_id = b.reference
         WHERE p.id IS NULL
         UNION ALL
        SELECT format('payment %s of sale %s is %s, its promise in the books was made %s times and resolved %s', p.id,
                      p.sale_id, p.state, a.times, a.resolved)
          FROM payments p JOIN promised a ON a.sale_id = p.sale_id AND a.reference = p.intent_id
         WHERE a.times > 1 OR a.resolved <> (p.state <> 'authorised')::integer
         LIMIT $2::bigint",
};

/// I4 of one sale for its organizer: of which sale an event is, is not known, so events are not counted.
pub(super) const I4_OF_SALE: Invariant =
    Invariant { figures: &["payments"], count: "SELECT count(*) FROM payments WHERE sale_id = $1::uuid", ..I4 };

pub(super) const I5: Invariant = Invariant {
    number: "I5",
    title: "nobody is charged without a seat",
    figures: &["captured", "with_tickets", "refunds_open", "refunds_failed", "authorised_waiting", "oldest_authorised_s"],
    count: "
        SELECT count(*) FILTER (WHERE p.state = 'captured'),
               count(*) FILTER (WHERE p.state = 'captured' AND EXISTS (
                   SELECT FROM tickets t WHERE t.sale_id = p.sale_id AND t.payment_reference = p.intent_id
                                           AND t.state IN ('valid', 'used'))),
               (SELECT count(*) FROM refunds
                 WHERE sale_id = coalesce($1::uuid, sale_id) AND state IN ('planned', 'pending')),
               (SELECT count(*) FROM refunds WHERE sale_id = coalesce($1, sale_id) AND state = 'failed'),
               count(*) FILTER (WHERE p.state = 'authorised'),
               coalesce(extract(epoch FROM onsale_now() - min(p.authorised_at) FILTER (WHERE p.state = 'authorised')), 0)::bigint
          FROM payments p WHERE p.sale_id = coalesce($1, p.sale_id)",
    // Who has no ticket has the money: went or goes back, or a bank took it. A ticket's last refund says how much. A
    // promise that is an hour old and has no job left will end neither captured nor cancelled by itself.
    find: "
        SELECT format('payment %s of sale %s: %s units of %s have no ticket, for which %s is to go back, and %s went or goes', p.id,
                      p.sale_id, seats.units - seats.ticketed, seats.units, due.amount, back.amount) AS breach
          FROM payments p,
               LATERAL (SELECT count(*) AS units,
                               count(*) FILTER (WHERE t.state IN ('valid', 'used')) AS ticketed,
                               count(*) FILTER (WHERE t.state = 'void' AND r.ticket_id IS NOT NULL) AS given,
                               coalesce(sum(r.price) FILTER (WHERE t.state = 'void'), 0) AS price
                          FROM order_units u
                          LEFT JOIN tickets t
                            ON t.sale_id = u.sale_id AND t.payment_reference = p.intent_id
                           AND t.tier_id = u.tier_id AND t.unit_no = u.unit_no
                          LEFT JOIN refund_tickets_last r ON r.sale_id = t.sale_id AND r.ticket_id = t.id
                         WHERE u.sale_id = p.sale_id AND u.order_id = p.order_id) AS seats,
               LATERAL (SELECT CASE WHEN seats.ticketed + seats.given < seats.units THEN p.captured ELSE seats.price END AS amount) AS due,
               LATERAL (SELECT coalesce(sum(r.amount), 0) + p.disputed + p.exchanged AS amount FROM refunds r
                         WHERE r.sale_id = p.sale_id AND r.payment_id = p.id AND r.state <> 'failed') AS back
         WHERE p.sale_id = coalesce($1::uuid, p.sale_id) AND p.state = 'captured' AND back.amount < due.amount
         UNION ALL
        SELECT format('payment %s of sale %s is authorised for over an hour and nothing is left to do about it', p.id, p.sale_id)
          FROM payments p
         WHERE p.sale_id = coalesce($1, p.sale_id) AND p.state = 'authorised'
           AND p.authorised_at < onsale_now() - interval '1 hour'
           AND NOT EXISTS (SELECT FROM outbox j
                            WHERE j.sale_id = p.sale_id AND j.state IN ('pending', 'parked')
                              AND j.dedup_key IN (format('payment_capture:%s', p.id), format('payment_cancel:%s', p.id)))
         UNION ALL
        SELECT format('order %s of sale %s is %s with %s units and %s tickets', o.id, o.sale_id, o.state,
                      count(u.unit_no), count(t.id))
          FROM orders o
          JOIN order_units u ON u.sale_id = o.sale_id AND u.order_id = o.id
          LEFT JOIN tickets t ON t.sale_id = u.sale_id AND t.order_id = u.order_id
                             AND t.tier_id = u.tier_id AND t.unit_no = u.unit_no
         WHERE o.sale_id = coalesce($1, o.sale_id) AND o.state = 'paid'
         GROUP BY o.sale_id, o.id HAVING count(u.unit_no) <> count(t.id)
         LIMIT $2::bigint",
};

/// Refunds come to the cent per payment, per part (base, fees, taxes; kept fees stay), and per ticket. What somebody gave back at
/// Stripe by hand is in suspense, and counts against what was captured but not against what a bank took.
pub(super) const I12: Invariant = Invariant {
    number: "I12",
    title: "refunded and disputed \u{2264} captured \u{2264} authorised, to the cent",
    figures: &["payments", "authorised", "captured", "refunded"],
    count: "
        SELECT count(*), coalesce(sum(authorised), 0)::bigint, coalesce(sum(captured), 0)::bigint,
               coalesce(sum(refunded), 0)::bigint
          FROM payments WHERE sale_id = coalesce($1::uuid, sale_id)",
    find: "
        SELECT format('payment %s of sale %s: authorised %s, captured %s, refunded %s, disputed %s, refunds that count %s', p.id,
                      p.sale_id, p.authorised, p.captured, p.refunded, p.disputed, back.amount) AS breach
          FROM payments p,
               LATERAL (SELECT coalesce(sum(r.amount) FILTER (WHERE r.state IN ('pending', 'succeeded')), 0) AS amount,
                               coalesce(sum(r.amount) FILTER (WHERE r.state <> 'failed' AND r.origin = 'onsale'), 0) AS ours,
                               coalesce(sum(r.amount) FILTER (WHERE r.state IN ('pending', 'succeeded') AND r.origin = 'onsale'), 0)
                                   AS ours_gone
                          FROM refunds r WHERE r.sale_id = p.sale_id AND r.payment_id = p.id) AS back
         WHERE p.sale_id = coalesce($1::uuid, p.sale_id)
           AND (p.captured > p.authorised OR back.ours > p.captured OR back.amount <> p.refunded
                OR back.ours_gone + p.disputed + p.exchanged > p.captured)
         UNION ALL
        SELECT format('payment %s of sale %s: disputed %s, of it lost %s, its disputes say %s and %s, and %s in suspense, the books '
                      'of the loss %s, of suspense %s', p.id, p.sale_id, p.disputed, p.lost, said.withdrawn, said.lost, said.suspense,
                      booked.lost, booked.suspense)
          FROM payments p,
               LATERAL (SELECT coalesce(sum(d.withdrawn), 0) AS withdrawn, coalesce(sum(d.lost), 0) AS lost,
                               coalesce(sum(d.taken - d.withdrawn), 0) AS suspense,
                               coalesce(bool_or(d.withdrawn > greatest(d.taken, 0)), false) AS is_over
                          FROM disputes d WHERE d.sale_id = p.sale_id AND d.payment_id = p.id) AS said,
               LATERAL (SELECT coalesce(-sum(e.amount) FILTER (WHERE t.kind = 'dispute_lost' AND e.account = 'disputed'), 0) AS lost,
                               coalesce(sum(e.amount) FILTER (WHERE e.account = 'suspense' AND e.unit_of_account = p.currency), 0)
                                   AS suspense
                          FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
                         WHERE t.sale_id = p.sale_id AND t.order_id = p.order_id AND t.reference = p.intent_id
                           AND starts_with(t.kind, 'dispute_')) AS booked
         WHERE p.sale_id = coalesce($1, p.sale_id) AND p.state = 'captured'
           AND (p.disputed <> said.withdrawn OR p.lost <> said.lost OR p.lost <> booked.lost
                OR said.suspense <> booked.suspense OR said.is_over)
         UNION ALL
        SELECT format('refund %s of sale %s is %s and of %s, by the books %s are owed', r.id, r.sale_id, r.state, r.amount, owed.amount)
          FROM refunds r,
               LATERAL (SELECT coalesce(-sum(e.amount), 0) AS amount
                          FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
                         WHERE t.sale_id = r.sale_id AND e.account = 'refund_due'
                           AND t.idem_key IN (format('refund:%s:owed', r.id), format('refund:%s', r.id),
                                              format('refund:%s:reversed', r.id), format('refund:%s:owed_undone', r.id))) AS owed
         WHERE r.sale_id = coalesce($1, r.sale_id) AND r.base IS NOT NULL
           AND owed.amount <> CASE r.state WHEN 'planned' THEN r.amount ELSE 0 END
         UNION ALL
        SELECT format('refund %s of sale %s is %s and of %s, made of %s, %s and %s%s, by the books of %s, %s and %s', r.id, r.sale_id,
                      r.state, r.amount, r.base, r.fee, r.tax, CASE WHEN r.keeps_fees THEN ', its fees kept' END,
                      owed.base, owed.fee, owed.tax)
          FROM refunds r,
               LATERAL (SELECT coalesce(sum(e.amount) FILTER (WHERE e.account = 'organizer_payable'), 0) AS base,
                               coalesce(sum(e.amount) FILTER (WHERE e.account = 'platform_fee'), 0) AS fee,
                               coalesce(sum(e.amount) FILTER (WHERE e.account = 'tax_payable'), 0) AS tax
                          FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
                         WHERE t.sale_id = r.sale_id
                           AND t.idem_key IN (format('refund:%s:owed', r.id), format('refund:%s:owed_undone', r.id))) AS owed
         WHERE r.sale_id = coalesce($1, r.sale_id) AND r.base IS NOT NULL
           AND (r.base + r.fee + r.tax <> r.amount OR least(r.base, r.fee, r.tax) < 0 OR (r.keeps_fees AND r.fee <> 0)
                OR (r.state <> 'failed' AND (owed.base, owed.fee, owed.tax) <> (r.base, r.fee, r.tax))
                OR (r.state = 'failed' AND (owed.base, owed.fee, owed.tax) <> (0, 0, 0)))
         UNION ALL
        SELECT format('payment %s of sale %s: of base, fees and taxes %s, %s and %s are left, by the books %s, %s and %s', p.id, p.sale_id,
                      paid.base - back.base, paid.fee - back.fee, paid.tax - back.tax, booked.base, booked.fee, booked.tax)
          FROM payments p,
               LATERAL (SELECT coalesce(sum(amount) FILTER (WHERE kind = 'base'), 0) AS base,
                               coalesce(sum(amount) FILTER (WHERE kind = 'fee'), 0) AS fee,
                               coalesce(sum(amount) FILTER (WHERE kind = 'tax'), 0) AS tax
                          FROM order_lines
                         WHERE sale_id = p.sale_id AND order_id = p.order_id
                           AND EXISTS (SELECT FROM transfers t WHERE t.sale_id = p.sale_id AND t.order_id = p.order_id
                                                                 AND t.reference = p.intent_id AND t.kind = 'captured')) AS paid,
               LATERAL (SELECT coalesce(sum(base), 0) AS base, coalesce(sum(fee), 0) AS fee, coalesce(sum(tax), 0) AS tax
                          FROM refunds r
                         WHERE r.sale_id = p.sale_id AND r.payment_id = p.id AND r.state <> 'failed') AS back,
               LATERAL (SELECT coalesce(-sum(e.amount) FILTER (WHERE e.account = 'organizer_payable'), 0) AS base,
                               coalesce(-sum(e.amount) FILTER (WHERE e.account = 'platform_fee'), 0) AS fee,
                               coalesce(-sum(e.amount) FILTER (WHERE e.account = 'tax_payable'), 0) AS tax
                          FROM transfers t JOIN entries e ON e.sale_id = t.sale_id AND e.transfer_id = t.id
                         WHERE t.sale_id = p.sale_id AND t.order_id = p.order_id AND t.reference = p.intent_id
                           AND t.kind <> 'dispute_lost') AS booked
         WHERE p.sale_id = coalesce($1, p.sale_id) AND p.state = 'captured'
           AND ((booked.base, booked.fee, booked.tax) <> (paid.base - back.base, paid.fee - back.fee, paid.tax - back.tax)
                OR least(booked.base, booked.fee, booked.tax) < 0)
         UNION ALL
        SELECT format('ticket %s of sale %s is given back by %s refunds', g.ticket_id, g.sale_id, count(*))
          FROM refund_tickets g JOIN refunds r ON r.sale_id = g.sale_id AND r.id = g.refund_id
         WHERE g.sale_id = coalesce($1, g.sale_id) AND r.state <> 'failed'
         GROUP BY g.sale_id, g.ticket_id HAVING count(*) > 1
         LIMIT $2::bigint",
};
