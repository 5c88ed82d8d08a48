-- A cancellation asks whether it is still wanted, and a late promise whether its cancellation was sent.
--
-- A job to cancel may be older than the news that makes its payment good again: an event that says less is heard of after the
-- order's time, and orders it; then the bank's yes is heard, and the order takes its units back for that payment. Both meet at the
-- order's row, and whoever comes first decides:
--
-- | first | then | ends as |
-- |---|---|---|
-- | the order is reclaimed (`apply_authorised`) | the job asks, and hears that it is not wanted | captured; Stripe is not called |
-- | the job asks (`cancellation_begin`), and is about to call | the promise is taken for cancelled, whatever comes of the call | let go; the job stays until it is |
--
-- What is written down (`cancel_sent_at`) is never taken back: whether a call that was about to be made was made, nobody knows
-- whose worker died. It stops no money that was taken: what is captured cannot be cancelled.
ALTER TABLE payments ADD COLUMN cancel_sent_at timestamptz;

GRANT SELECT (cancel_sent_at) ON payments TO onsale_readonly;

-- Whether a payment is still to be cancelled, for the worker that is about to call Stripe. From a yes on, no promise of the bank
-- buys the order's units any more. After a no the job is over, and its name is free: should the payment be given up later, that
-- is another job. Asked again, after a lost answer or a death, it says the same, unless a no has become a yes.
CREATE FUNCTION cancellation_begin(p_sale uuid, p_order uuid, p_payment uuid) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_state text;
BEGIN
    SELECT state INTO v_state FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    UPDATE payments SET cancel_sent_at = coalesce(cancel_sent_at, onsale_now())
     WHERE sale_id = p_sale AND id = p_payment AND order_id = p_order AND (superseded OR v_state IN ('expired', 'cancelled'));
    IF FOUND THEN
        RETURN true;
    END IF;
    UPDATE outbox SET dedup_key = format('%s:not_wanted:%s', dedup_key, id)
     WHERE sale_id = p_sale AND dedup_key = format('payment_cancel:%s', p_payment);
    RETURN false;
END
$$;

GRANT EXECUTE ON FUNCTION cancellation_begin(uuid, uuid, uuid) TO onsale_workers;

-- As V36, but a promise whose cancellation was sent buys nothing: Stripe may have let go of it by now.
CREATE OR REPLACE FUNCTION apply_authorised(p_order orders, p_payment payments, p_at timestamptz) RETURNS news_applied
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_postings constant posting[] := ARRAY[authorised_posting(p_payment, p_at)];
BEGIN
    UPDATE payments SET state = 'authorised', authorised = amount, authorised_at = onsale_now(), changed_at = onsale_now()
     WHERE sale_id = p_payment.sale_id AND id = p_payment.id;
    IF p_payment.cancel_sent_at IS NULL AND order_takes_money(p_order, p_payment) THEN
        UPDATE orders SET state = 'processing', changed_at = onsale_now() WHERE sale_id = p_order.sale_id AND id = p_order.id;
        PERFORM intent_job_add(p_payment, 'payment_capture');
        RETURN ROW('authorised', NULL, v_postings)::news_applied;
    END IF;
    PERFORM intent_job_add(p_payment, 'payment_cancel');
    IF NOT p_payment.superseded THEN
        PERFORM mail_add(p_order.sale_id, p_order.id, 'mail_payment_released');
    END IF;
    RETURN ROW('late_cancel', NULL, v_postings)::news_applied;
END
$$;
