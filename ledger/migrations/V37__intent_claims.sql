-- One call at a time on a payment intent, and the jobs of Stripe in the order of what waits for them.
--
-- Stripe locks an intent while it changes it and answers whoever comes meanwhile 409 or 429, which costs a write for nothing.
-- So whoever is about to change one claims it here first. A claim is a lease: it ends with the call, or by itself when its
-- holder died. It guards no money: two calls at once, after a holder slept through its lease, are kept apart by Stripe.
CREATE TABLE intent_claims (
    sale_id     uuid        NOT NULL,
    intent_id   text        NOT NULL,
    -- The lease of the job that calls: no two jobs, nor two claims of one, have the same.
    holder      uuid        NOT NULL,
    lease_until timestamptz NOT NULL,
    CONSTRAINT intent_claims_pkey PRIMARY KEY (sale_id, intent_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_cost_delay = 0);

-- Whether the intent is the holder's now. Its own claim it may take again, which makes it longer.
CREATE FUNCTION intent_claim(p_sale uuid, p_intent text, p_holder uuid, p_lease_s integer) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO intent_claims AS c (sale_id, intent_id, holder, lease_until)
    VALUES (p_sale, p_intent, p_holder, onsale_now() + make_interval(secs => p_lease_s))
        ON CONFLICT ON CONSTRAINT intent_claims_pkey DO UPDATE
           SET holder = EXCLUDED.holder, lease_until = EXCLUDED.lease_until
         WHERE c.holder = p_holder OR c.lease_until <= onsale_now();
    RETURN FOUND;
END
$$;

-- Ends a claim. Whose lease ran out and was taken by another ends nothing.
CREATE FUNCTION intent_release(p_sale uuid, p_intent text, p_holder uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    DELETE FROM intent_claims WHERE sale_id = p_sale AND intent_id = p_intent AND holder = p_holder;
END
$$;

GRANT EXECUTE ON FUNCTION intent_claim(uuid, text, uuid, integer), intent_release(uuid, text, uuid) TO onsale_workers;
GRANT SELECT ON intent_claims TO onsale_workers, onsale_readonly;

-- Captures and what buyers' tickets wait for come first, then authorisations to let go, then money to send back: in a rush
-- there are more calls than Stripe takes. Within a rank the oldest is first, as in every other queue, whose jobs have one rank.
ALTER TABLE outbox ADD COLUMN rank smallint NOT NULL
    GENERATED ALWAYS AS (CASE kind WHEN 'payment_cancel' THEN 1 WHEN 'payment_refund' THEN 2 ELSE 0 END) STORED;
CREATE INDEX outbox_due_idx ON outbox (queue, rank, next_at) WHERE state = 'pending';
DROP INDEX outbox_pending_idx;
