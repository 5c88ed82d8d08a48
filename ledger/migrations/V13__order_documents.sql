-- An order with everything that belongs to it but the contact, as one document: what every act on an order answers, so
-- that the caller learns the outcome from the same snapshot that made it.
CREATE FUNCTION payment_document(p_payment payments) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN jsonb_build_object(
        'id', p_payment.id, 'sale', p_payment.sale_id, 'order', p_payment.order_id, 'attempt', p_payment.attempt,
        'state', p_payment.state, 'superseded', p_payment.superseded, 'intent', p_payment.intent_id,
        'amount', p_payment.amount, 'currency', p_payment.currency, 'capture', p_payment.capture,
        'captured', p_payment.captured, 'refunded', p_payment.refunded, 'failure', p_payment.failure);
END
$$;

CREATE FUNCTION order_document(p_sale uuid, p_order uuid) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (
        SELECT jsonb_build_object(
            'id', o.id, 'sale', o.sale_id, 'hold', o.hold_id, 'number', o.number, 'state', o.state,
            'currency', o.currency, 'total', o.total, 'created_at', o.created_at, 'expires_at', o.expires_at,
            -- Money may still come in for an expired order while a payment is live.
            'open', o.state IN ('awaiting_payment', 'processing') OR (o.state = 'expired' AND EXISTS (
                        SELECT FROM payments p
                         WHERE p.sale_id = o.sale_id AND p.order_id = o.id AND NOT p.superseded
                           AND p.state IN ('planned', 'requires_action', 'processing'))),
            'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                 'kind', l.kind, 'name', l.name, 'tier', l.tier_id, 'quantity', l.quantity, 'amount', l.amount)
                                 ORDER BY l.line_no), '[]')
                        FROM order_lines l WHERE l.sale_id = o.sale_id AND l.order_id = o.id),
            'units', (SELECT coalesce(jsonb_agg(jsonb_build_array(u.tier_id, u.unit_no) ORDER BY u.tier_id, u.unit_no), '[]')
                        FROM order_units u WHERE u.sale_id = o.sale_id AND u.order_id = o.id),
            'payment', (SELECT payment_document(p) FROM payments p
                         WHERE p.sale_id = o.sale_id AND p.order_id = o.id ORDER BY p.attempt DESC LIMIT 1),
            'tickets', (SELECT coalesce(jsonb_agg(jsonb_build_object(
                                 'id', t.id, 'reference', t.payment_reference, 'tier', t.tier_id, 'unit', t.unit_no,
                                 'rotation', t.rotation, 'qr_kid', t.qr_kid, 'state', t.state)
                                 ORDER BY t.tier_id, t.unit_no), '[]')
                          FROM tickets t WHERE t.sale_id = o.sale_id AND t.order_id = o.id))
          FROM orders o WHERE o.sale_id = p_sale AND o.id = p_order
    );
END
$$;
