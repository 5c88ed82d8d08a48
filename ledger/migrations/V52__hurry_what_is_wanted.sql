-- Which job of an old promise is hurried: its capture, and its cancellation only where that is still wanted. An order that lives on its
-- promise again has both; were its cancellation preferred, one that people dropped would keep its capture from being hurried.

-- As V50. A cancellation is wanted as `cancellation_begin` (V46) decides it.
CREATE OR REPLACE FUNCTION authorisations_hurry(p_older_s integer, p_max integer)
RETURNS TABLE (sale_id uuid, order_id uuid, intent_id text, done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_payment payments%ROWTYPE;
    v_job     outbox%ROWTYPE;
    v_names   text[];
    v_done    text;
BEGIN
    FOR v_payment IN
        SELECT * FROM payments
         WHERE state = 'authorised'
           AND coalesce(capture_urgent_at(authorised_at, capture_before), authorised_at + make_interval(secs => p_older_s))
               <= onsale_now()
         ORDER BY coalesce(capture_urgent_at(authorised_at, capture_before), authorised_at + make_interval(secs => p_older_s))
         LIMIT p_max
    LOOP
        v_names := ARRAY[format('payment_capture:%s', v_payment.id)];
        IF v_payment.superseded OR EXISTS (
            SELECT FROM orders o
             WHERE o.sale_id = v_payment.sale_id AND o.id = v_payment.order_id AND o.state IN ('expired', 'cancelled'))
        THEN
            v_names := v_names || format('payment_cancel:%s', v_payment.id);
        END IF;
        SELECT * INTO v_job FROM outbox j
         WHERE j.sale_id = v_payment.sale_id AND j.dedup_key = ANY (v_names)
         -- Whose units are gone has a cancellation, which comes after a capture that is not to be made any more.
         ORDER BY j.kind = 'payment_cancel' DESC, j.created_at DESC LIMIT 1
           FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            v_done := 'running';
            IF NOT EXISTS (SELECT FROM outbox j WHERE j.sale_id = v_payment.sale_id AND j.dedup_key = ANY (v_names)) THEN
                PERFORM intent_job_add(v_payment, 'payment_capture');
                v_done := 'ordered';
            END IF;
        ELSIF v_job.state = 'pending' AND v_job.lease IS NOT NULL THEN
            v_done := 'running';
        ELSIF v_job.state = 'pending' THEN
            UPDATE outbox SET next_at = onsale_now()
             WHERE sale_id = v_job.sale_id AND id = v_job.id AND next_at > onsale_now();
            v_done := 'hurried';
        ELSIF v_job.state = 'dropped' THEN
            v_done := 'dropped';
        ELSE
            UPDATE outbox SET state = 'pending', attempts = 1, next_at = onsale_now(), lease = NULL,
                   payload = payload_anew(kind, payload)
             WHERE sale_id = v_job.sale_id AND id = v_job.id;
            v_done := 'revived';
        END IF;
        RETURN QUERY SELECT v_payment.sale_id, v_payment.order_id, v_payment.intent_id, v_done;
    END LOOP;
    PERFORM pg_notify('onsale_outbox_stripe', '');
END
$$;
