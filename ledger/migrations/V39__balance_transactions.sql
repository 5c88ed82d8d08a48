-- Stripe's balance, transaction by transaction, against the books.
--
-- Each is written down once, with what explains it. A charge, a refund and a dispute are booked by what Stripe says of the payment,
-- the refund and the dispute; here is looked whether they are, and the fee of a charge is booked, which nothing else tells. What a
-- payment of ours does not explain has no sale whose books could have it: it is written here, and people are told, once.
CREATE TABLE balance_transactions (
    id         text        NOT NULL,
    -- Stripe's category: charge, refund, refund_failure, dispute, dispute_reversal, fee, payout, …
    kind       text        NOT NULL,
    amount     bigint      NOT NULL,
    fee        bigint      NOT NULL,
    currency   text        NOT NULL,
    -- What moved it: a charge, a refund, a dispute.
    source     text,
    intent_id  text,
    sale_id    uuid,
    created    timestamptz NOT NULL,
    outcome    text        NOT NULL,
    looked_at  timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT balance_transactions_pkey PRIMARY KEY (id),
    -- Matched: it is in the books. Differs: the books have another amount, or another currency. Missing: a payment of ours, and
    -- not in the books. Unknown: it says that it is of a sale of ours, and there is no such payment. Elsewhere: not ours to book.
    CONSTRAINT balance_transactions_outcome_check CHECK (outcome IN ('matched', 'differs', 'missing', 'unknown', 'elsewhere'))
);

CREATE INDEX balance_transactions_created_idx ON balance_transactions (created);
CREATE INDEX balance_transactions_trouble_idx ON balance_transactions (looked_at)
    WHERE outcome IN ('differs', 'missing', 'unknown');

-- Whether the books have what a transaction of a payment moved.
CREATE FUNCTION balance_transaction_fits(p_payment payments, p_id text, p_kind text, p_amount bigint, p_currency text, p_source text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = public, pg_temp
AS $$
DECLARE
    v_refund refunds%ROWTYPE;
BEGIN
    IF p_kind IN ('dispute', 'dispute_reversal') THEN
        -- In whatever currency: a dispute is booked as its transactions say.
        RETURN CASE WHEN EXISTS (SELECT FROM transfers WHERE sale_id = p_payment.sale_id
                                    AND idem_key IN (format('dispute:%s', p_id), format('dispute:%s:fee', p_id)))
                    THEN 'matched' ELSE 'missing' END;
    ELSIF p_currency <> p_payment.currency THEN
        RETURN 'differs';
    ELSIF p_kind = 'charge' THEN
        RETURN CASE p_payment.captured WHEN 0 THEN 'missing' WHEN p_amount THEN 'matched' ELSE 'differs' END;
    END IF;
    SELECT * INTO v_refund FROM refunds
     WHERE sale_id = p_payment.sale_id AND payment_id = p_payment.id AND stripe_id = p_source;
    RETURN CASE
        WHEN NOT FOUND THEN 'missing'
        WHEN v_refund.amount <> abs(p_amount) THEN 'differs'
        WHEN p_kind = 'refund' THEN CASE WHEN v_refund.state = 'planned' THEN 'missing' ELSE 'matched' END
        ELSE CASE WHEN v_refund.state = 'failed' THEN 'matched' ELSE 'missing' END END;
END
$$;

-- Looks whether the books have a balance transaction, books its fee, and writes down which. Answers what it is, and whether that
-- is new; what is missing is not written down the first time, so that who asks can hear of it again before (`p_last`).
CREATE FUNCTION balance_transaction_apply(p_id text, p_kind text, p_amount bigint, p_fee bigint, p_currency text, p_source text,
                                          p_intent text, p_ours boolean, p_created timestamptz, p_last boolean)
RETURNS TABLE (outcome text, is_new boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    c_of_payments constant text[] := ARRAY['charge', 'refund', 'refund_failure', 'dispute', 'dispute_reversal'];
    v_before  text;
    v_payment payments%ROWTYPE;
    v_outcome text;
BEGIN
    SELECT b.outcome INTO v_before FROM balance_transactions b WHERE b.id = p_id;
    IF v_before IN ('matched', 'elsewhere') THEN
        RETURN QUERY SELECT v_before, false;
        RETURN;
    END IF;
    SELECT * INTO v_payment FROM payments WHERE intent_id = p_intent;
    IF v_payment.id IS NOT NULL THEN
        v_outcome := CASE WHEN p_kind = ANY (c_of_payments)
                          THEN balance_transaction_fits(v_payment, p_id, p_kind, p_amount, p_currency, p_source)
                          ELSE 'differs' END;
    ELSE
        v_outcome := CASE WHEN p_ours THEN 'unknown' ELSE 'elsewhere' END;
    END IF;
    IF v_outcome IN ('missing', 'unknown') AND NOT p_last THEN
        RETURN QUERY SELECT v_outcome, v_before IS NULL;
        RETURN;
    END IF;
    -- What a dispute costs is booked with it.
    IF v_outcome = 'matched' AND p_fee <> 0 AND p_kind NOT IN ('dispute', 'dispute_reversal') THEN
        PERFORM post(v_payment.sale_id, 'processor_fee', format('txn:%s:fee', p_id), v_payment.order_id, v_payment.intent_id, p_created,
                     NULL, NULL, ARRAY[ROW('processor_fee', p_currency, p_fee)::leg, ROW('payment_clearing', p_currency, -p_fee)::leg]);
    END IF;
    INSERT INTO balance_transactions AS b (id, kind, amount, fee, currency, source, intent_id, sale_id, created, outcome)
    VALUES (p_id, p_kind, p_amount, p_fee, p_currency, p_source, p_intent, v_payment.sale_id, p_created, v_outcome)
        ON CONFLICT (id) DO UPDATE SET outcome = excluded.outcome, sale_id = excluded.sale_id, looked_at = onsale_now();
    RETURN QUERY SELECT v_outcome, v_before IS NULL;
END
$$;

-- Makes the capture or cancellation of authorisations that were given so long ago due at once, whatever became of its job: one that
-- waits is not to wait, one that was given up is tried anew, one that is not there is made. Who runs it keeps it. Answers each
-- payment and what was done: hurried, revived, ordered, or running.
CREATE FUNCTION authorisations_hurry(p_older_s integer, p_max integer)
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
         WHERE state = 'authorised' AND authorised_at <= onsale_now() - make_interval(secs => p_older_s)
         ORDER BY authorised_at LIMIT p_max
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

-- What is authorised and not captured, and what may still change at Stripe: few of all payments.
CREATE INDEX payments_unfinished_idx ON payments (changed_at)
    WHERE state IN ('requires_action', 'processing', 'authorised');

-- As in V38, but a round begins when it was seen that no other runs: the one before may have ended since that was asked.
CREATE OR REPLACE FUNCTION reconciliation_begin(p_name text, p_every_s integer, p_lease_s integer)
RETURNS TABLE (run uuid, resume text)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
#variable_conflict use_column
DECLARE
    v_now timestamptz;
    v_run uuid;
BEGIN
    -- Who asks at the same moment need not be heard; who asks after it sees what is written here.
    IF NOT pg_try_advisory_xact_lock(hashtextextended('reconciliation:' || p_name, 0)) THEN
        RETURN;
    END IF;
    v_now := onsale_now();
    UPDATE reconciliations SET ended_at = v_now, result = 'lost'
     WHERE name = p_name AND ended_at IS NULL AND lease_until <= v_now;
    IF EXISTS (SELECT FROM reconciliations
                WHERE name = p_name AND (ended_at IS NULL OR began_at > v_now - make_interval(secs => p_every_s))) THEN
        RETURN;
    END IF;
    v_now := onsale_now();
    INSERT INTO reconciliations (name, began_at, lease_until) VALUES (p_name, v_now, v_now + make_interval(secs => p_lease_s))
    RETURNING id INTO v_run;
    RETURN QUERY
    SELECT v_run, (SELECT cursor FROM reconciliations
                    WHERE name = p_name AND result = 'done' ORDER BY began_at DESC LIMIT 1);
END
$$;

GRANT SELECT ON balance_transactions TO onsale_workers, onsale_readonly;
GRANT EXECUTE ON FUNCTION
    balance_transaction_apply(text, text, bigint, bigint, text, text, text, boolean, timestamptz, boolean),
    authorisations_hurry(integer, integer)
    TO onsale_workers;
