-- The door: scans of tickets, and what scanners that have no network need to know.
--
-- A scan has an id of its own, made by the device, so it counts once however often it is sent, and the answer it had is the answer it
-- gets again. An id that named another scan before, of another device or text, is taken: nothing is judged and nothing kept, and the other
-- scans of the batch are. Asked online, the first that asks is let in. Reported later, the door was opened already: where two devices did so for one
-- ticket, the scan whose adjusted time is earliest is the one that used it, and the others are conflicts for people to look at. A scan that
-- was asked and is reported after all lost its answer on the way: its verdict stays, and that somebody went in with it is kept.
--
-- | ticket                  | asked, door closed          | reported, door was opened                                    |
-- |-------------------------|-----------------------------|--------------------------------------------------------------|
-- | valid, this rotation    | valid; the ticket is used   | valid; the ticket is used                                    |
-- | used                    | already_used                | earlier than the scan that used it: valid, and that one lost; |
-- |                         |                             | else already_used: a conflict                                |
-- | void, or older rotation | void                        | void: a conflict                                             |
-- | signed by another key   | wrong_key                   | wrong_key: a conflict                                        |
--
-- Another key than the ticket's is one that leaked: keys that were taken out of use verify until the last of their tickets is over, and must
-- not open the door for tickets of the keys after them. Below the ticket's rotation any key may have signed: those texts are void.
-- Texts that verify and name no ticket of the sale are forged, and are not kept: there is nothing they could be kept with.
-- Nothing here names a person.
CREATE TABLE checkins (
    sale_id     uuid        NOT NULL,
    id          uuid        NOT NULL,
    ticket_id   uuid        NOT NULL,
    rotation    integer     NOT NULL,
    -- The key that signed the text.
    kid         text        NOT NULL,
    -- What the device calls itself: a gate, not a person.
    device      text        NOT NULL,
    -- When, by the device's clock put right by ours.
    scanned_at  timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    -- What was answered; stays what it was.
    verdict     text        NOT NULL,
    -- Whether somebody went in.
    admitted    boolean     NOT NULL,
    -- Whether it is the scan that used the ticket.
    used_it     boolean     NOT NULL,
    CONSTRAINT checkins_pkey PRIMARY KEY (sale_id, id),
    CONSTRAINT checkins_ticket_fkey FOREIGN KEY (sale_id, ticket_id) REFERENCES tickets (sale_id, id),
    CONSTRAINT checkins_verdict_check CHECK (verdict IN ('valid', 'already_used', 'void', 'wrong_key')),
    CONSTRAINT checkins_device_check CHECK (char_length(device) BETWEEN 1 AND 64),
    CONSTRAINT checkins_used_check CHECK (admitted OR NOT used_it)
);

CREATE UNIQUE INDEX checkins_used_key ON checkins (sale_id, ticket_id) WHERE used_it;
CREATE INDEX checkins_conflicts_idx ON checkins (sale_id, id) WHERE admitted AND NOT used_it;

-- Step: one scan of a ticket that is locked, as it is to be kept; its verdict is found here. Nothing when its id is taken meanwhile, by a
-- scan of another ticket: therefore nothing is changed before it is written.
CREATE FUNCTION checkin_apply(p_ticket tickets, p_scan checkins) RETURNS checkins
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    v_scan checkins%ROWTYPE := p_scan;
    v_used checkins%ROWTYPE;
BEGIN
    IF v_scan.rotation >= p_ticket.rotation AND v_scan.kid <> p_ticket.qr_kid THEN
        v_scan.verdict := 'wrong_key';
    ELSIF p_ticket.state = 'void' OR v_scan.rotation <> p_ticket.rotation THEN
        v_scan.verdict := 'void';
    ELSIF p_ticket.state = 'valid' THEN
        v_scan.verdict := 'valid';
        v_scan.admitted := true;
        v_scan.used_it := true;
    ELSE
        SELECT * INTO v_used FROM checkins WHERE sale_id = p_ticket.sale_id AND ticket_id = p_ticket.id AND used_it;
        IF v_scan.admitted AND v_scan.scanned_at < v_used.scanned_at THEN
            v_scan.verdict := 'valid';
        ELSE
            v_scan.verdict := 'already_used';
        END IF;
    END IF;
    INSERT INTO checkins SELECT v_scan.* ON CONFLICT (sale_id, id) DO NOTHING;
    IF NOT FOUND THEN
        RETURN NULL;
    ELSIF v_scan.used_it THEN
        UPDATE tickets SET state = 'used' WHERE sale_id = p_ticket.sale_id AND id = p_ticket.id;
    ELSIF v_scan.verdict = 'valid' THEN
        UPDATE checkins SET used_it = false WHERE sale_id = v_used.sale_id AND id = v_used.id;
        UPDATE checkins SET used_it = true WHERE sale_id = v_scan.sale_id AND id = v_scan.id;
        v_scan.used_it := true;
    END IF;
    RETURN v_scan;
END
$$;

-- Applies scans in the order in which they come, whole. Tickets are locked in the order that refunds lock them in.
CREATE FUNCTION checkins_apply(p_sale uuid, p_device text, p_sent_at timestamptz, p_scans uuid[], p_tickets uuid[],
                               p_rotations integer[], p_kids text[], p_ats timestamptz[], p_admitted boolean[])
RETURNS TABLE (place bigint, verdict text, used_at timestamptz, used_device text, conflict boolean)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    -- How far the device's clock is behind ours.
    c_behind constant interval := onsale_now() - p_sent_at;
    v_given  record;
    v_ticket tickets%ROWTYPE;
    v_asked  checkins%ROWTYPE;
    v_scan   checkins%ROWTYPE;
    v_used   checkins%ROWTYPE;
BEGIN
    PERFORM FROM tickets t WHERE t.sale_id = p_sale AND t.id = ANY (p_tickets)
      ORDER BY t.tier_id, t.unit_no, t.id FOR NO KEY UPDATE;
    FOR v_given IN
        SELECT * FROM unnest(p_scans, p_tickets, p_rotations, p_kids, p_ats, p_admitted) WITH ORDINALITY
                   AS given (scan, ticket, rotation, kid, device_at, admitted, place)
    LOOP
        place := v_given.place;
        SELECT * INTO v_ticket FROM tickets t WHERE t.sale_id = p_sale AND t.id = v_given.ticket;
        IF NOT FOUND THEN
            verdict := 'forged'; used_at := NULL; used_device := NULL; conflict := v_given.admitted;
            RETURN NEXT;
            CONTINUE;
        END IF;
        v_asked := ROW(p_sale, v_given.scan, v_given.ticket, v_given.rotation, v_given.kid, p_device,
                       least(v_given.device_at + c_behind, onsale_now()), onsale_now(), NULL, v_given.admitted, false);
        SELECT * INTO v_scan FROM checkins c WHERE c.sale_id = p_sale AND c.id = v_given.scan;
        IF NOT FOUND THEN
            v_scan := checkin_apply(v_ticket, v_asked);
        END IF;
        IF (v_scan.ticket_id, v_scan.rotation, v_scan.kid, v_scan.device)
           IS DISTINCT FROM (v_asked.ticket_id, v_asked.rotation, v_asked.kid, v_asked.device) THEN
            verdict := 'id_taken'; used_at := NULL; used_device := NULL; conflict := v_given.admitted;
            RETURN NEXT;
            CONTINUE;
        ELSIF v_given.admitted AND NOT v_scan.admitted THEN
            -- The answer was lost, and the device decided itself.
            UPDATE checkins c SET admitted = true WHERE c.sale_id = p_sale AND c.id = v_given.scan;
        END IF;
        SELECT * INTO v_used FROM checkins c WHERE c.sale_id = p_sale AND c.ticket_id = v_given.ticket AND c.used_it;
        verdict := v_scan.verdict;
        used_at := v_used.scanned_at;
        used_device := v_used.device;
        conflict := EXISTS (SELECT FROM checkins c WHERE c.sale_id = p_sale AND c.ticket_id = v_given.ticket
                               AND c.admitted AND NOT c.used_it AND (c.id = v_scan.id OR v_scan.used_it));
        RETURN NEXT;
    END LOOP;
END
$$;

CREATE INDEX checkins_ticket_idx ON checkins (sale_id, ticket_id);

-- What scanners must refuse though it verifies: tickets of which texts were taken out of use, since a cursor. The cursor is the oldest
-- transaction that still ran when they were read: what it and later ones did is told again next time, so nothing is missed, and being told
-- twice does no harm.
--
-- Transactions are numbered by one server: after a restore, or a failover that lost the last of them, their numbers are given again, to
-- others. So a cursor names the start of the server that gave it, and the database; to a cursor of another everything is told. No server
-- goes on with other data without being started, and a start that changed nothing costs each scanner one whole answer.
CREATE FUNCTION tickets_closed(p_sale uuid, p_origin text, p_since xid8)
RETURNS TABLE (origin text, upto text, whole boolean, tickets uuid[], rotations integer[])
LANGUAGE plpgsql STABLE SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    c_snapshot constant pg_snapshot := pg_current_snapshot();
BEGIN
    SELECT left(md5(format('%s %s', extract(epoch FROM pg_postmaster_start_time()), d.oid)), 16) INTO origin
      FROM pg_database d WHERE d.datname = current_database();
    upto := pg_snapshot_xmin(c_snapshot)::text;
    whole := p_since IS NULL OR p_origin IS DISTINCT FROM origin;
    SELECT array_agg(t.id ORDER BY t.id), array_agg(CASE t.state WHEN 'void' THEN 65536 ELSE t.rotation END ORDER BY t.id)
      INTO tickets, rotations
      FROM tickets t
     WHERE t.sale_id = p_sale AND t.closed_by IS NOT NULL AND (whole OR t.closed_by >= p_since);
    RETURN NEXT;
END
$$;

GRANT EXECUTE ON FUNCTION
    checkins_apply(uuid, text, timestamptz, uuid[], uuid[], integer[], text[], timestamptz[], boolean[]),
    tickets_closed(uuid, text, xid8)
    TO onsale_gateway;
GRANT SELECT ON checkins TO onsale_gateway, onsale_workers, onsale_readonly;
