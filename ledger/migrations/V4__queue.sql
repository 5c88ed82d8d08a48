-- What of the queue must survive Redis: numbers that may have been given out, turns that were given, epochs.

-- Blocks of numbers, each reserved before the first of its numbers is used, so that a lost Redis restarts none.
CREATE TABLE number_blocks (
    sale_id      uuid        NOT NULL,
    last_number  bigint      NOT NULL,
    first_number bigint      NOT NULL,
    reserved_at  timestamptz NOT NULL DEFAULT onsale_now(),
    CONSTRAINT number_blocks_pkey PRIMARY KEY (sale_id, last_number),
    CONSTRAINT number_blocks_first_key UNIQUE (sale_id, first_number),
    CONSTRAINT number_blocks_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT number_blocks_range_check CHECK (first_number BETWEEN 1 AND last_number)
);

-- Turns, each written before its pass goes out, so that a lost Redis admits nobody twice. A visitor whose turn lapsed
-- may get another: the row then says the latest.
CREATE TABLE grants (
    sale_id    uuid        NOT NULL,
    number     bigint      NOT NULL,
    epoch      integer     NOT NULL,
    granted_at timestamptz NOT NULL,
    until      timestamptz NOT NULL,
    CONSTRAINT grants_pkey PRIMARY KEY (sale_id, number),
    CONSTRAINT grants_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id),
    CONSTRAINT grants_number_check CHECK (number >= 1),
    CONSTRAINT grants_until_check CHECK (until > granted_at)
) WITH (fillfactor = 90);

CREATE TABLE epochs (
    sale_id         uuid        NOT NULL,
    epoch           integer     NOT NULL,
    begun_at        timestamptz NOT NULL DEFAULT onsale_now(),
    reserved_number bigint      NOT NULL,
    CONSTRAINT epochs_pkey PRIMARY KEY (sale_id, epoch),
    CONSTRAINT epochs_sale_fkey FOREIGN KEY (sale_id) REFERENCES sales (id)
);

-- Answers the highest reserved number, which is at least the wanted one; 0 wants one more block in any case. The lock
-- and the look are two statements, so the look sees what the lock waited for.
CREATE FUNCTION numbers_reserve(p_sale uuid, p_at_least bigint, p_block bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_reserved bigint;
    v_last     bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_sale::text, 2));
    SELECT coalesce(max(last_number), 0) INTO v_reserved FROM number_blocks WHERE sale_id = p_sale;
    IF p_at_least BETWEEN 1 AND v_reserved THEN
        RETURN v_reserved;
    END IF;
    v_last := greatest(v_reserved + p_block, p_at_least);
    INSERT INTO number_blocks (sale_id, first_number, last_number) VALUES (p_sale, v_reserved + 1, v_last);
    RETURN v_last;
END
$$;

-- Writes one tick's grants and answers how many stand; none when the epoch is over, because the turns ended with it.
CREATE FUNCTION grants_insert(p_sale uuid, p_epoch integer, p_numbers bigint[], p_granted timestamptz[], p_bound_s integer)
RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM gate_enter(p_sale);
    IF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND epoch = p_epoch) THEN
        RETURN 0;
    END IF;
    INSERT INTO grants AS known (sale_id, number, epoch, granted_at, until)
    SELECT p_sale, number, p_epoch, granted_at, granted_at + make_interval(secs => p_bound_s)
      FROM unnest(p_numbers, p_granted) AS given (number, granted_at)
     ORDER BY number
        ON CONFLICT (sale_id, number) DO UPDATE
       SET epoch = excluded.epoch, granted_at = excluded.granted_at, until = excluded.until
     WHERE known.granted_at < excluded.granted_at;
    RETURN cardinality(p_numbers);
END
$$;

-- Begins an epoch: alone in the gate, so nothing changes a unit between the bump and the snapshot. What comes later with
-- the old epoch is refused by the functions that check it. The snapshot has past grants too: they keep a number that had
-- its turn out of the rebuilt line.
CREATE FUNCTION epoch_begin(p_sale uuid, p_expected integer) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    v_epoch    integer;
    v_reserved bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(gate_of(p_sale));
    IF NOT EXISTS (SELECT FROM sales WHERE id = p_sale AND state IN ('published', 'paused')) THEN
        RETURN jsonb_build_object('outcome', 'not_found');
    END IF;
    UPDATE sales SET epoch = epoch + 1
     WHERE id = p_sale AND epoch = coalesce(p_expected, epoch)
    RETURNING epoch INTO v_epoch;
    IF NOT FOUND THEN
        RETURN jsonb_build_object('outcome', 'busy');
    END IF;
    SELECT coalesce(max(last_number), 0) INTO v_reserved FROM number_blocks WHERE sale_id = p_sale;
    INSERT INTO epochs (sale_id, epoch, reserved_number) VALUES (p_sale, v_epoch, v_reserved);
    RETURN jsonb_build_object(
        'outcome', 'begun', 'epoch', v_epoch, 'reserved_number', v_reserved,
        'grants', (SELECT coalesce(jsonb_agg(jsonb_build_object('number', number, 'until', until) ORDER BY number), '[]')
                     FROM grants WHERE sale_id = p_sale),
        'tiers', (SELECT coalesce(jsonb_agg(stock ORDER BY rank), '[]') FROM (
                      SELECT t.rank, jsonb_build_object(
                                 'tier', t.id, 'capacity', t.capacity,
                                 'free', coalesce(jsonb_agg(u.unit_no ORDER BY u.unit_no) FILTER (WHERE u.state = 'free'), '[]')
                             ) AS stock
                        FROM tiers t
                        LEFT JOIN units u ON u.sale_id = t.sale_id AND u.tier_id = t.id
                       WHERE t.sale_id = p_sale
                       GROUP BY t.sale_id, t.id) AS tier_stock));
END
$$;
