-- What every other migration stands on: the clock, ids, named refusals, the gate of a sale.
--
-- Functions are PL/pgSQL even when one expression would do: it keeps its plans for the session, while a function in SQL
-- that cannot be inlined (and none with a search path of its own can) is planned anew each time it is called.
--
-- Migrations run as onsale_owner. The other roles get nothing by default: tables are granted one by one at the end, and
-- functions are closed to PUBLIC here, before the first one exists.
ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;

-- The one clock of orders, payments and jobs. The sandbox replaces it in its own databases to move time; production has
-- no way to do so. Process clocks never decide anything here.
CREATE FUNCTION onsale_now() RETURNS timestamptz
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN clock_timestamp();
END
$$;

-- A UUIDv7: random, but in the order of time, so that rows written together lie together in their indexes.
CREATE FUNCTION onsale_uuid() RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN encode(
        set_bit(set_bit(
            overlay(uuid_send(gen_random_uuid())
                    PLACING substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3)
                    FROM 1 FOR 6),
            52, 1), 53, 1),
        'hex')::uuid;
END
$$;

-- Refuses under the name of a rule, as a constraint would: callers map names, never texts.
CREATE FUNCTION refuse(p_rule text, p_detail text) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = p_rule,
                          MESSAGE = p_rule || ': ' || p_detail;
END
$$;

-- The gate of a sale. Whatever changes the state of a unit goes through it together with others; an epoch begins alone
-- in it, so that its snapshot of free units is exact. Entering is a statement of its own: under READ COMMITTED only the
-- next statement sees what was committed while this one waited.
CREATE FUNCTION gate_of(p_sale uuid) RETURNS bigint
LANGUAGE plpgsql IMMUTABLE
SET search_path = public, pg_temp
AS $$
BEGIN
    RETURN hashtextextended(p_sale::text, 1);
END
$$;

CREATE FUNCTION gate_enter(p_sale uuid) RETURNS void
LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(gate_of(p_sale));
END
$$;
