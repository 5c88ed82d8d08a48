-- How long paying takes, measured: what the time of a hold is made of.

-- One row a sale, written by the workers every few seconds. Not columns of `sales`: every new order locks its sale's row for
-- its foreign key, and rows that are locked like that while others change them cost all of them dearly.
CREATE TABLE payment_latencies (
    sale_id     uuid        NOT NULL,
    p99_ms      bigint      NOT NULL,
    authorised  bigint      NOT NULL,
    measured_at timestamptz NOT NULL,
    CONSTRAINT payment_latencies_pkey PRIMARY KEY (sale_id),
    CONSTRAINT payment_latencies_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT payment_latencies_p99_check CHECK (p99_ms >= 0),
    CONSTRAINT payment_latencies_authorised_check CHECK (authorised >= 0)
) WITH (fillfactor = 50);

GRANT SELECT ON payment_latencies TO onsale_gateway, onsale_workers, onsale_readonly;
GRANT INSERT, UPDATE ON payment_latencies TO onsale_workers;

-- The latest attempts. Times grow, so it grows at one end; the column never changes, so the updates of a payment stay HOT.
CREATE INDEX payments_begun_idx ON payments (begun_at);

-- As before, but an automatic capture that Stripe answers at once counts as authorised then, and not when a worker has looked.
CREATE OR REPLACE FUNCTION payment_merge_facts(p_order orders, p_payment payments, p_facts intent_facts, p_source text,
                                               p_at timestamptz, p_tickets ticket_line[], p_kid text)
RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_next text := payment_merge(p_payment.state, p_facts.status);
BEGIN
    -- A fresh intent has this status too: only with the reason of a failure does it mean one.
    IF p_facts.status = 'requires_payment_method' AND p_facts.failure IS NULL THEN
        RETURN 'nothing';
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' AND p_payment.state <> 'captured' THEN
        v_next := payment_state_of(p_facts.status);
    ELSIF v_next = 'ask_stripe' AND p_source = 'fetched' THEN
        RETURN 'cancelled_after_capture';
    END IF;

    IF v_next = 'captured' AND p_source = 'answer' THEN
        -- The tickets come with the event or with this job; until then the units stay the order's.
        PERFORM intent_job_add(p_payment, 'payment_check');
        UPDATE payments SET authorised_at = coalesce(authorised_at, onsale_now())
         WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
        v_next := 'processing';
        IF p_order.state = 'awaiting_payment' THEN
            UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        END IF;
    ELSIF v_next = 'ask_stripe' AND p_source = 'answer' THEN
        PERFORM intent_job_add(p_payment, 'payment_check');
    END IF;

    RETURN CASE
        WHEN v_next = 'ask_stripe' THEN 'ask_stripe'
        WHEN v_next = 'stay' THEN 'nothing'
        WHEN v_next = 'authorised' THEN apply_authorised(p_order, p_payment, p_at)
        WHEN v_next = 'captured' THEN apply_captured(p_order, p_payment, p_at, p_tickets, p_kid)
        WHEN v_next IN ('failed', 'cancelled') THEN apply_given_up(p_order, p_payment, v_next, p_at)
        ELSE payment_moves(p_payment, v_next)
    END;
END
$$;
