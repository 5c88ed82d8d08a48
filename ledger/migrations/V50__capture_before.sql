-- When a bank's promise ends: Stripe says it of each card (`capture_before`), from a few days to a month. It is said in answers, not
-- in events; whoever has one writes it down, and a capture is urgent by it. Of a promise of which nobody said it, the age decides.
ALTER TABLE payments ADD COLUMN capture_before timestamptz;

GRANT SELECT (capture_before) ON payments TO onsale_readonly;

-- From when on a capture must not wait: a day before the promise ends, and of a short one when half of its time is over.
CREATE FUNCTION capture_urgent_at(p_authorised_at timestamptz, p_capture_before timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN p_capture_before - least(interval '24 hours', greatest(p_capture_before - p_authorised_at, interval '0') / 2);
END
$$;

-- What a job of a capture says of its hurry: after how many seconds of its age it is urgent. Nothing where nobody said when the
-- promise ends.
CREATE FUNCTION capture_hurry(p_ordered_at timestamptz, p_authorised_at timestamptz, p_capture_before timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_capture_before IS NULL THEN
        RETURN '{}';
    END IF;
    RETURN jsonb_build_object('urgent_after_s', greatest(
        extract(epoch FROM capture_urgent_at(p_authorised_at, p_capture_before) - p_ordered_at)::bigint, 0));
END
$$;

-- As V14, with the hurry of a capture.
CREATE OR REPLACE FUNCTION intent_job_add(p_payment payments, p_kind text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM job_add(p_payment.sale_id, 'stripe', p_kind, format('%s:%s', p_kind, p_payment.id), jsonb_build_object(
        'order', p_payment.order_id, 'payment', p_payment.id, 'intent', p_payment.intent_id,
        'key', format('%s:%s:%s', substr(p_kind, 9), p_payment.order_id, p_payment.attempt))
        || CASE p_kind WHEN 'payment_capture'
               THEN capture_hurry(onsale_now(), coalesce(p_payment.authorised_at, onsale_now()), p_payment.capture_before)
               ELSE '{}' END);
END
$$;

-- Writes down when a promise ends, and tells the capture that is ordered already. The last word counts: an authorisation can be
-- extended. Repeated, it changes nothing.
CREATE FUNCTION capture_before_note(p_sale uuid, p_payment uuid, p_capture_before timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_authorised_at timestamptz;
BEGIN
    UPDATE payments SET capture_before = p_capture_before
     WHERE sale_id = p_sale AND id = p_payment AND capture_before IS DISTINCT FROM p_capture_before AND captured = 0
    RETURNING authorised_at INTO v_authorised_at;
    IF FOUND AND v_authorised_at IS NOT NULL THEN
        UPDATE outbox SET payload = payload || capture_hurry(created_at, v_authorised_at, p_capture_before)
         WHERE sale_id = p_sale AND dedup_key = format('payment_capture:%s', p_payment) AND state IN ('pending', 'parked');
    END IF;
END
$$;

-- As V42, of an answer that says when the promise ends.
CREATE FUNCTION payment_answer(
    p_payment uuid, p_intent text, p_status text, p_amount bigint, p_capturable bigint, p_received bigint, p_currency text,
    p_livemode boolean, p_sale uuid, p_order uuid, p_card bytea, p_capture_before timestamptz)
RETURNS TABLE (outcome text, reason text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_capture_before IS NOT NULL THEN
        -- The order of locks is the one that all keep: gate, order, payment.
        PERFORM gate_enter(p_sale);
        PERFORM FROM orders o WHERE o.sale_id = p_sale AND o.id = p_order FOR NO KEY UPDATE;
        PERFORM capture_before_note(p_sale, p_payment, p_capture_before);
    END IF;
    RETURN QUERY SELECT * FROM payment_answer(p_payment, p_intent, p_status, p_amount, p_capturable, p_received, p_currency,
                                              p_livemode, p_sale, p_order, p_card);
END
$$;

-- As V39, of those whose capture is urgent; of those of which nobody said when they end, those that are so old.
CREATE OR REPLACE FUNCTION authorisations_hurry(p_older_s integer, p_max integer)
RETURNS TABLE (sale_id uuid, order_id uuid, intent_id text, done text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_payment payments%ROWTYPE;
    v_job     outbox%ROWTYPE;
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
        SELECT * INTO v_job FROM outbox j
         WHERE j.sale_id = v_payment.sale_id
           AND j.dedup_key IN (format('payment_capture:%s', v_payment.id), format('payment_cancel:%s', v_payment.id))
         -- Whose units are gone has a cancellation, which comes after a capture that is not to be made any more.
         ORDER BY j.kind = 'payment_cancel' DESC, j.created_at DESC LIMIT 1
           FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            v_done := 'running';
            IF NOT EXISTS (SELECT FROM outbox j WHERE j.sale_id = v_payment.sale_id AND j.dedup_key IN (
                               format('payment_capture:%s', v_payment.id), format('payment_cancel:%s', v_payment.id))) THEN
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

GRANT EXECUTE ON FUNCTION capture_before_note(uuid, uuid, timestamptz) TO onsale_workers;
GRANT EXECUTE ON FUNCTION
    payment_answer(uuid, text, text, bigint, bigint, bigint, text, boolean, uuid, uuid, bytea, timestamptz)
    TO onsale_gateway, onsale_workers;
