-- Publishing: from a configuration to tiers, units, accounts and issued seats, in one call.

-- The accounts of a sale: money in its currency, seats of each tier.
CREATE FUNCTION accounts_open(p_sale uuid, p_currency text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_sale, account, p_currency
      FROM unnest(ARRAY['payment_clearing', 'organizer_payable', 'platform_fee', 'tax_payable', 'processor_fee', 'refund_due',
                        'suspense', 'authorised', 'authorised_contra']) AS account;
    INSERT INTO accounts (sale_id, account, unit_of_account)
    SELECT p_sale, account, 'seats:' || id
      FROM tiers, unnest(ARRAY['seats_issued', 'seats_available', 'seats_ordered', 'seats_sold', 'seats_withheld',
                               'seats_offered']) AS account
     WHERE sale_id = p_sale;
END
$$;

-- Answers published, already_published or not_found. The rows are made from the configuration as it is at this instant,
-- under the lock of the sale, so a late change of the draft cannot slip between.
CREATE FUNCTION sale_publish(p_organizer uuid, p_sale uuid) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_sale sales%ROWTYPE;
    v_now  timestamptz := onsale_now();
    v_legs leg[];
BEGIN
    SELECT * INTO v_sale FROM sales WHERE id = p_sale AND organizer_id = p_organizer FOR NO KEY UPDATE;
    IF NOT FOUND OR (v_sale.state = 'cancelled' AND v_sale.published_at IS NULL) THEN
        RETURN 'not_found';
    ELSIF v_sale.state <> 'draft' THEN
        RETURN 'already_published';
    END IF;

    INSERT INTO performances (sale_id, id, name, venue)
    VALUES (p_sale, 'main', v_sale.config ->> 'name', coalesce(v_sale.config ->> 'venue', ''));
    INSERT INTO phases (sale_id, id, opens_at, closes_at)
    VALUES (p_sale, 'general', v_sale.opens_at, (v_sale.config ->> 'closes_at')::timestamptz);
    INSERT INTO tiers (sale_id, id, performance_id, rank, name, price, capacity)
    SELECT p_sale, tier ->> 'id', 'main', rank, tier ->> 'name', (tier ->> 'price')::bigint, (tier ->> 'capacity')::integer
      FROM jsonb_array_elements(v_sale.config -> 'tiers') WITH ORDINALITY AS configured (tier, rank);
    INSERT INTO units (sale_id, tier_id, unit_no)
    SELECT p_sale, id, unit_no FROM tiers, generate_series(0, capacity - 1) AS unit_no WHERE sale_id = p_sale;

    PERFORM accounts_open(p_sale, v_sale.currency);
    SELECT array_agg(l ORDER BY rank) INTO v_legs FROM (
        SELECT rank, unnest(ARRAY[ROW('seats_available', 'seats:' || id, capacity)::leg,
                                  ROW('seats_issued', 'seats:' || id, -capacity)::leg]) AS l
          FROM tiers WHERE sale_id = p_sale) AS issued;
    PERFORM post(p_sale, 'seats_issued', 'seats_issued', NULL, NULL, v_now, NULL, NULL, v_legs);

    UPDATE sales SET state = 'published', published_at = v_now, changed_at = v_now, version = version + 1 WHERE id = p_sale;
    RETURN 'published';
END
$$;
