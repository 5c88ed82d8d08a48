-- Buyers are told of a refund that did not arrive, too: of one that was asked for, and of money that came too late, of which they
-- were told that it goes back. Once a refund, however often and in which order Stripe says so: a refund fails once. What people
-- give back at Stripe, Stripe tells of.
ALTER TABLE outbox
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
        'payment_capture', 'payment_cancel', 'payment_check', 'payment_refund', 'units_return',
        'mail_order_paid', 'mail_order_expired', 'mail_payment_released', 'mail_payment_refunded', 'mail_refund_made',
        'mail_refund_failed'));

-- Step: the letter about it.
CREATE FUNCTION refund_tell_failed(p_order uuid, p_refund refunds) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.origin = 'onsale' THEN
        PERFORM job_add(p_refund.sale_id, 'mail', 'mail_refund_failed', format('mail_refund_failed:%s', p_refund.id),
                        jsonb_build_object('order', p_order, 'refund', p_refund.id));
    END IF;
END
$$;

-- As V31 had it, and the buyer is told when it fails.
CREATE OR REPLACE FUNCTION refund_merge(p_order orders, p_payment payments, p_refund refunds, p_status text) RETURNS text
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    IF p_refund.state = p_status OR p_refund.state = 'failed' OR (p_refund.state = 'succeeded' AND p_status = 'pending') THEN
        RETURN 'nothing';
    END IF;
    UPDATE refunds SET state = p_status, changed_at = onsale_now() WHERE sale_id = p_refund.sale_id AND id = p_refund.id;
    IF p_status = 'failed' THEN
        IF p_refund.state IN ('pending', 'succeeded') THEN
            PERFORM refund_unbook(p_payment, p_refund);
        END IF;
        PERFORM refund_disown(p_payment, p_refund);
        PERFORM disputes_settle(p_payment.sale_id, p_payment.id);
        PERFORM refund_tell_failed(p_payment.order_id, p_refund);
        RETURN 'failed';
    ELSIF p_status = 'succeeded' THEN
        PERFORM refund_tell(p_payment.order_id, p_refund);
    END IF;
    IF p_refund.state = 'pending' THEN
        RETURN 'nothing';
    END IF;
    PERFORM refund_book(p_order, p_payment, p_refund);
    PERFORM disputes_settle(p_payment.sale_id, p_payment.id);
    RETURN 'booked';
END
$$;
