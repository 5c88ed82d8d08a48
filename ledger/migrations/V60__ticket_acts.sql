-- What a buyer or an organizer does to tickets that are there: sends them again, or replaces the text of one.
--
-- Sending again changes nothing but that a letter is written. Replacing adds one to the rotation and takes the key that signs now: every
-- text with a lower rotation is void from then on. It says which rotation it replaces, so the same request twice replaces once, and a
-- request that overslept another one changes nothing.
--
-- Order of locks, as in V31: order, tickets.

ALTER TABLE outbox
    DROP CONSTRAINT outbox_kind_check,
    ADD CONSTRAINT outbox_kind_check CHECK (kind IN (
        'payment_capture', 'payment_cancel', 'payment_check', 'payment_refund', 'units_return',
        'mail_order_paid', 'mail_order_expired', 'mail_payment_released', 'mail_payment_refunded', 'mail_refund_made',
        'mail_refund_failed', 'mail_tickets_again'));

-- The rotation has two bytes in the text of a ticket, and the last number says *void* to scanners.
ALTER TABLE tickets
    ADD CONSTRAINT tickets_rotation_max_check CHECK (rotation <= 65534),
    -- The transaction that last took texts of it out of use: by replacing them, or by making the ticket void.
    ADD COLUMN closed_by xid8;

CREATE INDEX tickets_closed_idx ON tickets (sale_id, closed_by) WHERE closed_by IS NOT NULL;

-- Written by a trigger, because there are many ways for a ticket to become void, and one that forgot would leave it good at the door.
CREATE FUNCTION ticket_closed() RETURNS trigger
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    NEW.closed_by := pg_current_xact_id();
    RETURN NEW;
END
$$;

CREATE TRIGGER ticket_closed BEFORE UPDATE ON tickets
    FOR EACH ROW WHEN (NEW.rotation <> OLD.rotation OR (NEW.state = 'void' AND OLD.state <> 'void'))
    EXECUTE FUNCTION ticket_closed();

UPDATE tickets SET closed_by = pg_current_xact_id() WHERE state = 'void' OR rotation > 0;

-- Letters that were asked for, also by replacing a text. Of its own, because the outbox is pruned and has no index of orders.
CREATE TABLE ticket_letters (
    sale_id  uuid        NOT NULL,
    order_id uuid        NOT NULL,
    id       uuid        NOT NULL,
    asker    text        NOT NULL CONSTRAINT ticket_letters_asker_check CHECK (asker IN ('buyer', 'organizer')),
    at       timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT ticket_letters_pkey PRIMARY KEY (sale_id, order_id, id),
    CONSTRAINT ticket_letters_order_fkey FOREIGN KEY (sale_id, order_id) REFERENCES orders (sale_id, id)
);

-- How many letters the buyer asked for.
CREATE FUNCTION buyers_letters(p_sale uuid, p_order uuid) RETURNS bigint
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN (SELECT count(*) FROM ticket_letters WHERE sale_id = p_sale AND order_id = p_order AND asker = 'buyer');
END
$$;

-- Step: a letter with the tickets as they are when it is written, once a name.
CREATE FUNCTION tickets_mail(p_sale uuid, p_order uuid, p_letter uuid, p_asker text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO ticket_letters (sale_id, order_id, id, asker) VALUES (p_sale, p_order, p_letter, p_asker);
    PERFORM job_add(p_sale, 'mail', 'mail_tickets_again', format('mail_tickets_again:%s', p_letter),
                    jsonb_build_object('order', p_order, 'letter', p_letter));
END
$$;

-- Sends the tickets of an order again. The same letter is sent once, and a buyer asks for so many at most.
CREATE FUNCTION tickets_send_again(p_sale uuid, p_order uuid, p_letter uuid, p_asker text, p_letters_max integer) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT EXISTS (SELECT FROM contacts WHERE sale_id = p_sale AND order_id = p_order) THEN
        RETURN 'not_found';
    ELSIF EXISTS (SELECT FROM ticket_letters WHERE sale_id = p_sale AND order_id = p_order AND id = p_letter) THEN
        RETURN 'sent';
    ELSIF NOT EXISTS (SELECT FROM tickets WHERE sale_id = p_sale AND order_id = p_order AND state = 'valid') THEN
        RETURN 'no_tickets';
    ELSIF p_asker = 'buyer' AND buyers_letters(p_sale, p_order) >= p_letters_max THEN
        RETURN 'too_often';
    END IF;
    PERFORM tickets_mail(p_sale, p_order, p_letter, p_asker);
    RETURN 'sent';
END
$$;

-- Replaces the text of a ticket, and sends the order's tickets. A buyer may have one letter more for each ticket: a text that is
-- replaced and not sent would leave its holder without any.
CREATE FUNCTION ticket_rotate(p_sale uuid, p_order uuid, p_ticket uuid, p_rotation integer, p_kid text, p_asker text, p_by text,
                              p_letters_max integer)
RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_ticket tickets%ROWTYPE;
BEGIN
    PERFORM FROM orders WHERE sale_id = p_sale AND id = p_order FOR NO KEY UPDATE;
    SELECT * INTO v_ticket FROM tickets
     WHERE sale_id = p_sale AND order_id = p_order AND id = p_ticket FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    ELSIF v_ticket.rotation = p_rotation + 1 AND v_ticket.state = 'valid' THEN
        RETURN jsonb_build_object('outcome', 'rotated', 'rotation', v_ticket.rotation);
    ELSIF v_ticket.state <> 'valid' THEN
        RETURN jsonb_build_object('outcome', v_ticket.state);
    ELSIF v_ticket.rotation <> p_rotation OR p_rotation = 65534 THEN
        RETURN jsonb_build_object('outcome', 'stale', 'rotation', v_ticket.rotation);
    ELSIF p_asker = 'buyer' AND buyers_letters(p_sale, p_order)
            >= p_letters_max + (SELECT count(*) FROM tickets WHERE sale_id = p_sale AND order_id = p_order) THEN
        RETURN jsonb_build_object('outcome', 'too_often');
    END IF;
    UPDATE tickets SET rotation = p_rotation + 1, qr_kid = p_kid WHERE sale_id = p_sale AND id = p_ticket;
    INSERT INTO audit_log (sale_id, actor, act, detail)
    VALUES (p_sale, p_by, 'ticket_rotated', jsonb_build_object('order', p_order, 'ticket', p_ticket, 'rotation', p_rotation + 1));
    PERFORM tickets_mail(p_sale, p_order, onsale_uuid(), p_asker);
    RETURN jsonb_build_object('outcome', 'rotated', 'rotation', p_rotation + 1);
END
$$;

GRANT EXECUTE ON FUNCTION
    tickets_send_again(uuid, uuid, uuid, text, integer),
    ticket_rotate(uuid, uuid, uuid, integer, text, text, text, integer)
    TO onsale_gateway;
GRANT SELECT ON ticket_letters TO onsale_gateway, onsale_workers, onsale_readonly;
